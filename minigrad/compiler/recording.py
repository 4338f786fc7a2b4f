"""Recording: what a node's fprop does, as lines. It is run on recorders instead of arrays, and every call of NumPy it
makes is written down; what cannot be recorded (a loop that writes in place, a check of values) stays one line that calls it.

Nodes of one class, with the same attributes and shapes, do the same: so each kind is recorded once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import count, pairwise
from operator import add
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple
from numpy.lib.mixins import NDArrayOperatorsMixin

from minigrad.compiler.lines import (
    FRESH,
    INTO,
    RESHAPE,
    TILES,
    VIEW,
    Call,
    Line,
    Lines,
    Origin,
    Page,
    Places,
    in_order,
    index_text,
    static_key,
)
from minigrad.compiler.names import as_identifier, word_for
from minigrad.compiler.tracing import Traced, is_read_in_place
from minigrad.node import Array, Node
from minigrad.ops.arithmetic import Where, chosen
from minigrad.ops.base import AddN, Operation
from minigrad.ops.indexing import ONCE, GetItem, Scatter, is_slot, scatter_into
from minigrad.ops.linear_algebra import SumOfProducts
from minigrad.ops.random import RandomNormal, RandomUniform
from minigrad.ops.windows import folded, transposed_convolution, windows_of

LITERALS = (bool, int, float, str, type(None), type(Ellipsis))


class Step(NamedTuple):
    """A call on operands: children of the node by number from 0, results of earlier steps by −1, −2, ..., constants."""

    call: Call
    operands: tuple[int | Array, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Recipe(NamedTuple):
    """The steps of an fprop, and which operand its value is."""

    steps: list[Step]
    result: int


def record(traced: Traced) -> Lines:
    """The traced graph as lines."""
    return _Recording(traced).lines()


class _Recording:
    def __init__(self, traced: Traced) -> None:
        self.traced = traced
        self.page = Page()
        self.recipes: dict[Any, Recipe] = {}
        self.roles = _Roles(traced.nodes)
        self.impure: Line | None = None  # the last one: what draws or reports stays in its order

    def lines(self) -> Lines:
        traced, made = self.traced, dict[Node, Line]()
        names: dict[Node, str] = {node: name for name, node in traced.inputs.items()}
        updates = list(traced.updates)
        latest: dict[Node, Line] = {}
        for node in traced.nodes:
            while (
                updates and updates[0][2] < node.number
            ):  # what reads a state after it was written reads the new value
                state, value, _ = updates.pop(0)
                latest[state] = latest.get(value) or made[value]
            if isinstance(node, Operation):
                made[node] = self._operation(node, [latest.get(child) or made[child] for child in node.children])
            else:
                made[node] = self._leaf(node, names.get(node))
        for state, value, _ in updates:
            latest[state] = latest.get(value) or made[value]
        new_states = [(made.get(node) or self._leaf(node, None), value) for node, value in latest.items()]
        outputs = [latest.get(node) or made[node] for node in traced.outputs]
        return Lines(self.page, in_order([*outputs, *latest.values()]), outputs, new_states)

    def _leaf(self, node: Node, argument: str | None) -> Line:
        if argument is not None:
            return self.page.leaf(argument, node.shape, node.dtype, None)
        if is_read_in_place(node, self.traced.start):
            return self.page.leaf(node.name, node.shape, node.dtype, node)
        return self.page.constant(node._value)

    def _operation(self, node: Operation, children: list[Line]) -> Line:
        arrays = [child._value for child in node.children]
        if type(node) is SumOfProducts:
            order = _in_time(children)
            children, arrays = [children[i] for i in order], [arrays[i] for i in order]
        shapes = tuple([(child.shape, child.dtype) for child in children])
        key = (type(node), static_key(node.attributes), shapes)
        recipe = self.recipes.get(key)
        if recipe is None:
            recipe = self.recipes[key] = recipe_of(node, arrays, self.page.names)
        origin = self.roles.origin(node, self.traced.adjoints.get(node))
        results: list[Line] = []
        for i, step in enumerate(recipe.steps):
            operands = [
                self.page.constant(x) if isinstance(x, np.ndarray) else children[x] if x >= 0 else results[-1 - x]
                for x in step.operands
            ]
            last = recipe.result == -1 - i
            line = self.page.write(
                step.call,
                operands,
                step.shape,
                step.dtype,
                origin if last else origin._replace(name="", role=(origin.role, i), of=None),
            )
            if not step.call.pure:
                line.after, self.impure = self.impure, line
            results.append(line)
        return children[recipe.result] if recipe.result >= 0 else results[-1 - recipe.result]


# Roles -------------------------------------------------------------------------------------------------------------


class _Roles:
    """Which nodes do the same in different time steps: same class, same place among their like, scopes equal but for numbers."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.of: dict[int, int] = {}  # a node's number to its role
        self.numbers: dict[Any, int] = {}
        self.seen: dict[Any, int] = {}
        self.scopes: dict[str, tuple[str, tuple[int, ...]]] = {}

    def origin(self, node: Node, adjoint_of: Node | None) -> Origin:
        """Where a node comes from."""
        scope, forward = node.context.scope, node.context.origin
        pattern, step = self._numbers_out(scope)
        place = (type(node), scope if forward is None else forward, node.shape)
        nth = self.seen[place] = self.seen.get(place, -1) + 1
        like = pattern if forward is None else self.of.get(forward, pattern)
        key = (type(node), like, forward is None, nth, node.shape)
        role = self.of[node.number] = self.numbers.setdefault(key, len(self.numbers))
        of = None
        if adjoint_of is not None:
            of = self.of.get(adjoint_of.number), adjoint_of.name or word_for(type(adjoint_of))
        name = node.name or ("" if forward is not None else word_for(type(node)))
        return Origin(scope, forward is not None, name, role, step, of)

    def _numbers_out(self, scope: str) -> tuple[str, tuple[int, ...]]:
        known = self.scopes.get(scope)
        if known is None:
            known = re.sub(r"=\d+", "=#", scope), tuple(map(int, re.findall(r"=(\d+)", scope)))
            self.scopes[scope] = known
        return known


# Recipes -----------------------------------------------------------------------------------------------------------


def recipe_of(node: Operation, arrays: Sequence[Array], names: dict[str, Any]) -> Recipe:
    """What the node's fprop does with arrays like these."""
    writer = _WRITERS.get(type(node))
    recipe = writer(node, arrays, names) if writer else None
    if recipe is None and node.pure:
        recipe = _recorded(node, arrays, names)
    return _called(node, names) if recipe is None else recipe


def _recorded(node: Operation, arrays: Sequence[Array], names: dict[str, Any]) -> Recipe | None:
    """The steps of fprop run on recorders, or None if it does what they cannot follow."""
    tape = _Tape(names)
    recorders = [Recorder(array, tape, i) for i, array in enumerate(arrays)]
    try:
        with np.errstate(all="ignore"):
            result = node.fprop(*recorders, **node.attributes)
    except Exception:  # whatever it is: then fprop is called as it stands
        return None
    if not isinstance(result, Recorder):
        return None
    value = np.asarray(result.array)
    if value.dtype != node.dtype or value.shape != node.shape:
        return None
    rewritten = any(getattr(child, "renewed", 0) > node.number for child in node.children)  # a state, updated since
    if not rewritten and not np.array_equal(value, node._value, equal_nan=value.dtype.kind == "f"):
        return None
    return Recipe(tape.steps, result.index)


def _called(node: Operation, names: dict[str, Any]) -> Recipe:
    """One line that calls fprop itself."""
    twin = object.__new__(type(node))  # fprop's self, without the graph
    twin.children, twin.attributes, twin.name, twin.context, twin.number = (), node.attributes, "", node.context, 0
    attributes = node.attributes
    if len(node.children) == 1 and node._value is node.children[0]._value:
        return _one_call(INTO, node, _check(twin.fprop, attributes), names)

    def call(*arrays: Any) -> Array:
        value = np.asarray(twin.fprop(*arrays, **attributes))
        return value.copy() if any(np.may_share_memory(value, array) for array in arrays) else value

    return _one_call(FRESH, node, call, names)


def _check(fprop: Callable[..., Array], attributes: dict[str, Any]) -> Callable[..., Array]:
    """An fprop that gives back what it is given, if it does not raise: in other memory."""

    def call(x: Any, out: Any = None) -> Any:
        value = fprop(x, **attributes)
        if out is None:
            return value.copy()
        out[...] = value
        return out

    return call


def _one_call(kind: str, node: Operation, call: Callable[..., Array], names: dict[str, Any]) -> Recipe:
    call.__doc__ = f"{type(node).__name__}.fprop, called as it stands"
    name = _bound(f"fprop_{word_for(type(node))}", call, names)
    slots = ", ".join([f"{{{i}}}" for i in range(len(node.children))])
    text = f"{name}({slots}{'{out}' if kind == INTO else ''})"
    step = Step(Call(kind, text, pure=node.pure), tuple(range(len(node.children))), node.shape, node.dtype)
    return Recipe([step], -1)


def _bound(name: str, thing: Any, names: dict[str, Any]) -> str:
    """The name under which the program knows something: NumPy's for what is NumPy's, else one that nothing has."""
    name = as_identifier(name)
    if (
        getattr(np, name, None) is not thing
        and HELPERS.get(name) is not thing
        and not name.startswith(("fprop_", "rng"))
    ):
        name = f"own_{name}"
    if names.get(name, thing) is not thing:
        name = next(f"{name}_{i}" for i in count(2) if names.get(f"{name}_{i}", thing) is thing)
    names[name] = thing
    return name


class _Tape:
    """The steps recorded so far."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.steps: list[Step] = []
        self.names = names

    def write(self, call: Call, operands: Sequence[Any], array: Any) -> Recorder:
        value = np.asarray(array)
        if value.dtype.kind not in "fiub":
            raise TypeError(f"no node holds {value.dtype}")
        self.steps.append(Step(call, tuple(operands), value.shape, value.dtype))
        return Recorder(array, self, -len(self.steps))

    def text(self, value: Any, operands: list[Any]) -> str:
        """An argument as it is written; recorders become {0}, {1}, ..."""
        if isinstance(value, Recorder):
            operands.append(value.index)
            return f"{{{len(operands) - 1}}}"
        if isinstance(value, float) and not np.isfinite(value):
            self.names["inf"], self.names["nan"] = np.inf, np.nan
            return str(float(value))
        if type(value) in LITERALS:
            return repr(value)
        if isinstance(value, tuple):
            parts = ", ".join([self.text(part, operands) for part in value])
            return f"({parts},)" if len(value) == 1 else f"({parts})"
        if isinstance(value, list):
            return f"[{', '.join([self.text(part, operands) for part in value])}]"
        if isinstance(value, slice):
            ends = [self.text(part, operands) for part in (value.start, value.stop, value.step)]
            return f"slice({', '.join(ends)})"
        if isinstance(value, np.dtype):
            return self.function(value.type, value.name)
        if isinstance(value, np.integer | np.floating | np.bool_):
            return f"{self.function(type(value), value.dtype.name)}({value.item()!r})"
        if isinstance(value, np.ndarray):
            operands.append(value)
            return f"{{{len(operands) - 1}}}"
        if callable(value):
            return self.function(value)
        raise TypeError(f"{type(value).__name__} has no text")

    def function(self, function: Any, name: str = "") -> str:
        """The name of a function or type."""
        return _bound(name or function.__name__, function, self.names)

    def arguments(self, values: Sequence[Any], keywords: dict[str, Any]) -> tuple[str, list[Any]]:
        operands: list[Any] = []
        parts = [self.text(value, operands) for value in values]
        parts += [f"{name}={self.text(value, operands)}" for name, value in keywords.items()]
        return ", ".join(parts), operands


def _array(value: Any) -> Any:
    """The array a recorder stands for, in tuples and lists too."""
    if isinstance(value, Recorder):
        return value.array
    if isinstance(value, tuple | list):
        return type(value)([_array(part) for part in value])
    return value


# Functions that only look at memory in another way, and those that take out=.
_VIEWS = {np.moveaxis, np.broadcast_to, windows_of}
_INTO = {np.clip, np.cumsum, np.cumprod, np.einsum, folded, transposed_convolution}
# Others whose result has a shape that follows from shapes alone. What is in none of these (np.flatnonzero) is not recorded:
# an fprop may look at the size of its result, and raise.
_FRESH = {
    np.argmax, np.argmin, np.argsort, np.sort, np.any, np.all, np.count_nonzero, np.flip, np.roll, np.tril, np.triu, np.cross,
    np.round, np.isclose, np.diff, np.prod, np.var, np.std, np.sum, np.mean, np.max, np.min, np.take_along_axis,
    np.tile, np.pad, np.outer, np.trace, np.diag, np.sinc, np.median, np.linalg.solve, np.linalg.inv, np.linalg.det,
    np.linalg.cholesky, np.linalg.norm,
}  # fmt: skip
_METHODS = {"any", "all", "argmax", "argmin", "argsort", "prod", "var", "std", "cumsum", "cumprod", "round", "trace"}


class Recorder(NDArrayOperatorsMixin):
    """Stands for an array in fprop: it knows the array, and writes down what is done with it."""

    __slots__ = ("array", "index", "tape")

    def __init__(self, array: Any, tape: _Tape, index: int) -> None:
        self.array = array
        self.tape = tape
        self.index = index

    # What an array is
    @property
    def shape(self) -> Any:
        return self.array.shape

    @property
    def dtype(self) -> Any:
        return self.array.dtype

    @property
    def ndim(self) -> Any:
        return self.array.ndim

    @property
    def size(self) -> Any:
        return self.array.size

    def __len__(self) -> int:
        return len(self.array)

    def __bool__(self) -> bool:
        raise TypeError("a recorder has no truth")

    def __array__(self, *args: Any, **keywords: Any) -> Any:
        raise TypeError("a recorder is no array")

    # What is done with it
    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **keywords: Any) -> Any:
        if out is not None or method not in ("__call__", "reduce"):  # what writes in place may have other names
            raise TypeError(f"{ufunc.__name__}.{method} is not recorded")
        name = self.tape.function(ufunc) + ("" if method == "__call__" else ".reduce")
        array = getattr(ufunc, method)(*_array(inputs), **keywords)
        text, operands = self.tape.arguments(self._numbers(inputs) if method == "__call__" else inputs, keywords)
        entrywise = method == "__call__" and ufunc.signature is None
        kind = INTO if ufunc.nout == 1 else FRESH
        return self.tape.write(Call(kind, f"{name}({text}{{out}})", entrywise), operands, array)

    def _numbers(self, inputs: Sequence[Any]) -> Sequence[Any]:
        """Python numbers as arrays of their partners' dtype: NumPy would convert them in every call."""
        partner = np.result_type(*[x.dtype for x in inputs if isinstance(x, Recorder | np.ndarray | np.generic)])
        return [np.asarray(x, np.result_type(partner, x)) if type(x) in (int, float, bool) else x for x in inputs]

    def __array_function__(self, function: Any, types: Any, values: Any, keywords: dict[str, Any]) -> Any:
        if function in _SAID_BY_METHODS:
            return _SAID_BY_METHODS[function](*values, **keywords)
        array = function(*_array(values), **{name: _array(value) for name, value in keywords.items()})
        if function is np.where:
            numbers = self._numbers(values[1:])
            text, operands = self.tape.arguments([values[0], *numbers], {})
            self.tape.names["where"] = where
            return self.tape.write(Call(INTO, f"where({text}{{out}})", True), operands, array)
        if function not in _VIEWS | _INTO | _FRESH | {np.stack, np.concatenate}:
            raise TypeError(f"{function.__name__} is not recorded")
        text, operands = self.tape.arguments(values, keywords)
        kind = VIEW if function in _VIEWS else INTO if function in _INTO and array.dtype == self.dtype else FRESH
        if kind == FRESH and np.may_share_memory(array, self.array):
            raise TypeError(f"whether {function.__name__} copies is not known")
        if function in (np.stack, np.concatenate):
            return self._joined(function, values, keywords, text, operands, array)
        name = self.tape.function(function)
        return self.tape.write(Call(kind, f"{name}({text}{'{out}' if kind == INTO else ''})"), operands, array)

    def _joined(self, function: Any, values: Any, keywords: Any, text: str, operands: list[Any], array: Any) -> Any:
        axis = (keywords.get("axis") if "axis" in keywords else values[1] if len(values) > 1 else 0) % array.ndim
        lengths = [1 if function is np.stack else part.shape[axis] for part in values[0]]
        ends = np.cumsum([0, *lengths]).tolist()
        head = (slice(None),) * axis
        places = tuple(
            [(*head, start if function is np.stack else slice(start, stop)) for start, stop in pairwise(ends)]
        )
        name = self.tape.function(function)
        same = all(isinstance(part, Recorder) and part.dtype == array.dtype for part in values[0])
        call = Call(TILES, f"{name}({text})", places=Places(places)) if same else Call(FRESH, f"{name}({text})")
        return self.tape.write(call, operands, array)

    def __getitem__(self, index: Any) -> Any:
        entries = index if isinstance(index, tuple) else (index,)
        if any(not (entry is None or entry is Ellipsis or isinstance(entry, slice | int)) for entry in entries):
            if any(np.asarray(_array(entry)).dtype.kind == "b" for entry in entries):
                raise TypeError("how many entries a mask names depends on values")
            text, operands = self.tape.arguments([self, index], {})
            inside = text.partition(", ")[2]
            return self.tape.write(Call(FRESH, f"{{0}}[{inside}]"), operands, self.array[_array(index)])
        array = self.array[(*entries, ...)] if ... not in entries else self.array[index]
        text = index_text(entries, one=not array.ndim)
        return self.tape.write(Call(VIEW, f"{{0}}[{text}]"), [self.index], array)

    def expanded(self, axis: Any) -> Any:
        """As np.expand_dims, by an index."""
        array = np.expand_dims(self.array, axis)
        new = normalize_axis_tuple(axis, array.ndim)
        return self[tuple([None if i in new else slice(None) for i in range(array.ndim)])]

    def squeeze(self, axis: Any = None) -> Any:
        return self._view(f".squeeze({'' if axis is None else repr(axis)})", self.array.squeeze(axis))

    def _view(self, text: str, array: Any) -> Any:
        return self.tape.write(Call(VIEW, f"{{0}}{text}"), [self.index], array)

    @property
    def T(self) -> Any:
        return self._view(".T", self.array.T)

    @property
    def mT(self) -> Any:
        return self._view(".T" if self.ndim == 2 else ".mT", self.array.mT)

    def transpose(self, *axes: Any) -> Any:
        given = axes[0] if len(axes) == 1 else axes or None
        given = (given,) if isinstance(given, int) else given
        return self._view(".T" if given is None else f".transpose{tuple(given)!r}", self.array.transpose(given))

    def swapaxes(self, first: int, second: int) -> Any:
        return self._view(f".swapaxes({first}, {second})", self.array.swapaxes(first, second))

    def reshape(self, *shape: Any) -> Any:
        array = self.array.reshape(*shape)
        if array.shape == self.shape:
            return self
        return self.tape.write(Call(RESHAPE, f"{{0}}.reshape{lengths_text(array.shape)}"), [self.index], array)

    def astype(self, dtype: Any) -> Any:
        array = self.array.astype(dtype)
        self.tape.names["astype"] = cast
        name = self.tape.text(np.dtype(dtype), [])
        return self.tape.write(Call(INTO, f"astype({{0}}, {name}{{out}})", True), [self.index], array)

    def copy(self) -> Any:
        self.tape.names["copied"] = copied
        return self.tape.write(Call(INTO, "copied({0}{out})", True), [self.index], self.array.copy())

    def sum(self, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
        if dtype is not None and dtype != self.dtype:
            raise TypeError("a sum in another dtype is not recorded")
        return self._reduced(np.add, axis, keepdims, self.array.sum(axis=axis, keepdims=keepdims))

    def max(self, axis: Any = None, keepdims: bool = False, **initial: Any) -> Any:
        return self._reduced(
            np.maximum, axis, keepdims, self.array.max(axis=axis, keepdims=keepdims, **initial), initial
        )

    def min(self, axis: Any = None, keepdims: bool = False, **initial: Any) -> Any:
        return self._reduced(
            np.minimum, axis, keepdims, self.array.min(axis=axis, keepdims=keepdims, **initial), initial
        )

    def mean(self, axis: Any = None, keepdims: bool = False) -> Any:
        if self.dtype not in (np.float32, np.float64) or not self.size:
            raise TypeError("mean has its own way with this dtype")
        total = self.sum(axis=axis, keepdims=keepdims)
        return total / (self.size // max(total.size, 1))

    def _reduced(
        self, ufunc: np.ufunc, axis: Any, keepdims: bool, array: Any, initial: dict[str, Any] | None = None
    ) -> Any:
        axes = tuple(axis) if isinstance(axis, Sequence) else axis
        keywords = {"axis": axes, **({"keepdims": True} if keepdims else {}), **(initial or {})}
        text, operands = self.tape.arguments([self], keywords)
        kind = INTO if np.asarray(array).dtype == self.dtype else FRESH
        if kind == FRESH and "dtype" not in keywords:
            text += f", dtype={self.tape.text(np.asarray(array).dtype, [])}"
        out = "{out}" if kind == INTO else ""
        return self.tape.write(Call(kind, f"{self.tape.function(ufunc)}.reduce({text}{out})"), operands, array)

    def __getattr__(self, name: str) -> Any:
        """A method that is not above: called on the array, and written as a call with memory of its own."""
        if name not in _METHODS:
            raise AttributeError(f"{name} is not recorded")
        method = getattr(self.array, name)

        def call(*values: Any, **keywords: Any) -> Any:
            array = method(*_array(values), **keywords)
            if np.may_share_memory(array, self.array):
                raise TypeError(f"whether {name} copies is not known")
            text, operands = self.tape.arguments([self, *values], keywords)
            inside = text.removeprefix("{0}").removeprefix(", ")
            return self.tape.write(Call(FRESH, f"{{0}}.{name}({inside})"), operands, array)

        return call

    def __pow__(self, exponent: Any) -> Any:
        """As arrays have it: x**2 and x**0.5 are not np.power."""
        known = {2: np.square, 0.5: np.sqrt, -1: np.reciprocal, 1: np.positive}
        if self.dtype.kind == "f" and type(exponent) in (int, float) and exponent in known:
            return known[exponent](self)
        return np.power(self, exponent)


# Functions that say in Python what a method or an index says at a fraction of the cost.
_SAID_BY_METHODS: dict[Any, Callable[..., Any]] = {
    np.expand_dims: Recorder.expanded,
    np.squeeze: Recorder.squeeze,
    np.transpose: lambda a, axes=None: a.transpose(axes),
    np.swapaxes: Recorder.swapaxes,
}


def lengths_text(shape: tuple[int, ...]) -> str:
    """A shape as the arguments of reshape."""
    return f"({shape[0]})" if len(shape) == 1 else repr(shape) if shape else "(())"


# What the program calls besides NumPy ------------------------------------------------------------------------------


def where(condition: Any, a: Any, b: Any, out: Any = None) -> Any:
    """np.where, into memory that may be that of a or b."""
    return chosen(condition, a, b, out)


def cast(x: Any, dtype: Any, out: Any = None) -> Any:
    """x in another dtype."""
    if out is None:
        return x.astype(dtype)
    np.copyto(out, x, casting="unsafe")
    return out


def copied(x: Any, out: Any = None) -> Any:
    """x in other memory."""
    if out is None:
        return x.copy()
    np.copyto(out, x)
    return out


def reshaped(x: Any, shape: tuple[int, ...], out: Any = None) -> Any:
    """x in another shape, where that needs other memory.

    Short rows of many are copied as one entry each: NumPy takes more time to begin a row than to copy it.
    """
    if out is None:
        return x.reshape(shape)
    to = out.reshape(x.shape)
    if x.size > 4096 and 1 < x.shape[-1] <= 32 and x.strides[-1] == x.itemsize:
        row = f"V{x.shape[-1] * x.itemsize}"
        np.copyto(to.view(row), x.view(row))
    else:
        np.copyto(to, x)
    return out


def placed(x: Any, index: tuple[Any, ...], shape: tuple[int, ...], out: Any = None) -> Any:
    """0 but for the entries the index names, each once, which are x."""
    if out is None:
        out = np.empty(shape, x.dtype)
    out.fill(0)
    out[index] = x
    return out


HELPERS = {
    "where": where,
    "astype": cast,
    "copied": copied,
    "reshaped": reshaped,
    "placed": placed,
    **{function.__name__: function for function in (windows_of, folded, transposed_convolution)},
}


# Operations with a writer of their own -----------------------------------------------------------------------------


def _draw(method: str) -> Callable[..., Recipe]:
    def write(node: Any, arrays: Sequence[Array], names: dict[str, Any]) -> Recipe:
        rng = _bound("rng", node.rng, names)
        dtype = _bound(node.dtype_to.name, node.dtype_to.type, names)
        text = f"{rng}.{method}({node.shape_to!r}, {dtype}{{out}})"
        return Recipe([Step(Call(INTO, text, pure=False), (), node.shape, node.dtype)], -1)

    return write


def _taken(node: Any, arrays: Sequence[Array], names: dict[str, Any]) -> Recipe | None:
    """x[index] with index arrays among the children."""
    if len(arrays) == 1:
        return None
    slots = iter(range(1, len(arrays)))
    entries = ", ".join(f"{{{next(slots)}}}" if is_slot(entry) else index_text([entry]) for entry in node.index)
    call = Call(FRESH, f"{{0}}[{entries}{',' if len(node.index) == 1 else ''}]")
    return Recipe([Step(call, tuple(range(len(arrays))), node.shape, node.dtype)], -1)


def _scattered(node: Any, arrays: Sequence[Array], names: dict[str, Any]) -> Recipe:
    """A Scatter whose parts fill the array and do not overlap has nothing to add up; nor has one of a single part."""
    if not _tile(node, arrays):
        return _placed(node, arrays, names) or _added_up(node, names)
    if all(len(index) == 1 and type(index[0]) is int for index in node.places):
        names["stack"] = np.stack
        rows = sorted(range(len(arrays)), key=lambda i: node.places[i][0] % len(arrays))
        text = f"stack([{', '.join([f'{{{i}}}' for i in range(len(rows))])}])"
        call = Call(TILES, text, places=Places([(i,) for i in range(len(rows))]))
        return Recipe([Step(call, tuple(rows), node.shape, node.dtype)], -1)
    axis = _joint(node.places)
    if axis is None or sum(array.shape[axis] for array in arrays) != node.shape[axis]:  # of nothing, parts may overlap
        call = Call(TILES, _called(node, names).steps[0].call.text, places=Places(node.places))
        return Recipe([Step(call, tuple(range(len(arrays))), node.shape, node.dtype)], -1)
    names["concatenate"] = np.concatenate
    order = sorted(range(len(arrays)), key=lambda i: node.places[i][axis].indices(node.shape[axis])[0])
    text = f"concatenate([{', '.join([f'{{{i}}}' for i in order])}], axis={axis})"
    call = Call(TILES, text, places=Places(node.places))
    return Recipe([Step(call, tuple(range(len(arrays))), node.shape, node.dtype)], -1)


def _placed(node: Any, arrays: Sequence[Array], names: dict[str, Any]) -> Recipe | None:
    """One part, each entry in a place of its own."""
    if node.places != ((ONCE,) * (len(arrays) - 1),):
        return None
    names["placed"] = placed
    index = ", ".join([f"{{{i}}}" for i in range(1, len(arrays))])
    call = Call(INTO, f"placed({{0}}, ({index}{',' if len(arrays) == 2 else ''}), {node.shape!r}{{out}})")
    return Recipe([Step(call, tuple(range(len(arrays))), node.shape, node.dtype)], -1)


def _added_up(node: Any, names: dict[str, Any]) -> Recipe:
    """Parts whose places may meet."""
    shape, dtype, places = node.shape, node.dtype, node.places  # and not the node, which the program would keep

    def call(*arrays: Any, out: Any = None) -> Any:
        out = np.empty(shape, dtype) if out is None else out
        scatter_into(out, arrays, places)
        return out

    return _one_call(INTO, node, call, names)


def _tile(node: Any, arrays: Sequence[Array]) -> bool:
    if len(arrays) != len(node.places) or any(array.dtype != node.dtype for array in arrays):
        return False
    covered = np.zeros(node.shape, np.int8)
    for index, array in zip(node.places, arrays, strict=True):
        covered[index] += 1
        if covered[index].shape != array.shape:
            return False
    return bool((covered == 1).all())


def _joint(places: Sequence[Any]) -> int | None:
    """The axis along which parts that fill an array lie one after the other; None where it takes several."""
    entries = [entry for index in places for entry in index]
    if len({len(index) for index in places}) > 1 or any(
        type(entry) is not slice or entry.step not in (None, 1) for entry in entries
    ):
        return None
    moving = [axis for axis, along in enumerate(zip(*places, strict=True)) if any(part != along[0] for part in along)]
    return moving[0] if len(moving) == 1 else None


def _in_time(children: Sequence[Line]) -> list[int]:
    """The factors of a sum of products in the order of time, which other stacks of them have too."""
    n = len(children) // 2
    order = sorted(range(n), key=lambda i: (children[i].origin.step, children[i].number))
    return [*order, *[n + i for i in order]]


def _products(node: Any, arrays: Sequence[Array], names: dict[str, Any]) -> Recipe:
    """Σ A_i' B_i: both stacked, one product."""
    n = len(arrays) // 2
    tape = _Tape(names)
    recorders = [Recorder(array, tape, i) for i, array in enumerate(arrays)]
    halves = []
    for half in (recorders[:n], recorders[n:]):
        if len({part.shape for part in half}) == 1:
            halves.append(np.stack(half).reshape(n * half[0].shape[0], half[0].shape[1]))
        else:
            halves.append(np.concatenate(half))
    result = halves[0].T @ halves[1]
    return Recipe(tape.steps, result.index)


def _choice(node: Any, arrays: Sequence[Array], names: dict[str, Any]) -> Recipe:
    names["where"] = where
    call = Call(INTO, "where({0}, {1}, {2}{out})", entrywise=True)
    return Recipe([Step(call, (0, 1, 2), node.shape, node.dtype)], -1)


def _total(node: Any, arrays: Sequence[Array], names: dict[str, Any]) -> Recipe:
    """Σ x_i, from left to right."""
    tape = _Tape(names)
    recorders: list[Any] = [Recorder(array, tape, i) for i, array in enumerate(arrays)]
    total = reduce(add, recorders)
    return Recipe(tape.steps, total.index)


_WRITERS: dict[type[Operation], Callable[..., Recipe | None]] = {
    RandomUniform: _draw("random"),
    RandomNormal: _draw("standard_normal"),
    AddN: _total,
    GetItem: _taken,
    Where: _choice,
    Scatter: _scattered,
    SumOfProducts: _products,
}
