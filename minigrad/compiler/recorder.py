"""Recorders: they stand for arrays in an fprop, and write down every call of NumPy that it makes with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple
from numpy.lib.mixins import NDArrayOperatorsMixin

from minigrad.compiler.helpers import HELPERS, cast, copied, where
from minigrad.compiler.lines import (
    FRESH,
    INTO,
    RESHAPE,
    TILES,
    VIEW,
    Call,
    Places,
    index_text,
    plain_index,
)
from minigrad.compiler.names import as_identifier
from minigrad.node import Array
from minigrad.ops.special import gamma_derivative, log_beta, log_gamma
from minigrad.ops.windows import convolution_by_channel, folded, transposed_convolution, windows_of

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


def bound(name: str, thing: Any, names: dict[str, Any]) -> str:
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


class Tape:
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
        return bound(name or function.__name__, function, self.names)

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
_INTO = {np.clip, np.cumsum, np.cumprod, np.einsum, folded, convolution_by_channel, transposed_convolution}
# Others whose result has a shape that follows from shapes alone. What is in none of these (np.flatnonzero) is not recorded:
# an fprop may look at the size of its result, and raise.
_FRESH = {
    np.argmax, np.argmin, np.argsort, np.sort, np.any, np.all, np.count_nonzero, np.flip, np.roll, np.tril, np.triu, np.cross,
    np.round, np.isclose, np.diff, np.prod, np.var, np.std, np.sum, np.mean, np.max, np.min, np.take_along_axis,
    np.tile, np.pad, np.outer, np.trace, np.diag, np.sinc, np.median, np.linalg.solve, np.linalg.inv, np.linalg.det,
    np.linalg.cholesky, np.linalg.norm, log_gamma, gamma_derivative, log_beta,
}  # fmt: skip
_METHODS = {"any", "all", "argmax", "argmin", "argsort", "prod", "var", "std", "cumsum", "cumprod", "round", "trace"}


class Recorder(NDArrayOperatorsMixin):
    """Stands for an array in fprop: it knows the array, and writes down what is done with it."""

    __slots__ = ("array", "index", "tape")

    def __init__(self, array: Any, tape: Tape, index: int) -> None:
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
        entries = plain_index(entries, self.shape)
        array = self.array[(*entries, ...)]
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
