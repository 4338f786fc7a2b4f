"""Record the calls of NumPy that an fprop makes: a `Recorder` stands for an array, and writes each call on a `Tape`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple
from numpy.lib.mixins import NDArrayOperatorsMixin

from minigrad.compiler.helpers import HELPERS, cast, copied, where
from minigrad.compiler.indices import Entries, plain_index
from minigrad.compiler.ir import (
    COPIED,
    FRESH,
    INTO,
    MATMUL,
    VIEW,
    WHERE,
    Cast,
    Function,
    Index,
    Join,
    Known,
    Op,
    Permute,
    Reduce,
    Reshape,
    Slot,
    Take,
    Ufunc,
)
from minigrad.compiler.names import as_identifier
from minigrad.node import Array
from minigrad.ops.special import gamma_derivative, log_beta, log_gamma
from minigrad.ops.windows import convolution_by_channel, folded, transposed_convolution, windows_of

LITERALS = (bool, int, float, str, type(None), type(Ellipsis))


class Step(NamedTuple):
    """Apply an operation to operands: children by number from 0, results of earlier steps by −1, −2, ..., constants."""

    op: Op
    operands: tuple[int | Array, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Recipe(NamedTuple):
    """Hold the steps of an fprop, and which operand its value is."""

    steps: list[Step]
    result: int


def bound(name: str, thing: Any, names: dict[str, Any]) -> str:
    """Bind a function or type to a name of the program: NumPy's for what is NumPy's, else a free one."""
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
    """Collect the steps recorded so far."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.steps: list[Step] = []
        self.names = names

    def write(self, op: Op, operands: Sequence[Any], array: Any) -> Recorder:
        value = np.asarray(array)
        if value.dtype.kind not in "fiub":
            raise TypeError(f"no node holds {value.dtype}")
        self.steps.append(Step(op, tuple(operands), value.shape, value.dtype))
        return Recorder(array, self, -len(self.steps))

    def argument(self, value: Any, operands: list[Any]) -> Any:
        """An argument as an operation holds it: recorders and arrays as slots, the next of the operands."""
        if isinstance(value, Recorder | np.ndarray):
            operands.append(value.index if isinstance(value, Recorder) else value)
            return Slot(len(operands) - 1)
        if isinstance(value, float) and not np.isfinite(value):
            self.names["inf"], self.names["nan"] = np.inf, np.nan
        if type(value) in LITERALS:
            return value
        if isinstance(value, tuple | list):
            return type(value)([self.argument(part, operands) for part in value])
        if isinstance(value, slice):
            ends = (value.start, value.stop, value.step)
            if not all(end is None or isinstance(end, int) for end in ends):
                raise TypeError("the ends of a slice are not numbers")
            return value
        if isinstance(value, np.dtype):
            return Known(self.function(value.type, value.name))
        if isinstance(value, np.integer | np.floating | np.bool_):
            self.function(type(value), value.dtype.name)
            return value
        if callable(value):
            return Known(self.function(value))
        raise TypeError(f"{type(value).__name__} cannot be written")

    def function(self, function: Any, name: str = "") -> str:
        """The name of a function or type."""
        return bound(name or function.__name__, function, self.names)

    def call(
        self,
        name: str,
        kind: str,
        values: Sequence[Any],
        keywords: dict[str, Any],
        *,
        entrywise: bool = False,
        method: bool = False,
    ) -> tuple[Function, list[Any]]:
        """A call of a function with any arguments, and the operands among these."""
        operands: list[Any] = []
        arguments = tuple([self.argument(value, operands) for value in values])
        named = tuple([(word, self.argument(value, operands)) for word, value in keywords.items()])
        return Function.of(name, kind, arguments, named, entrywise=entrywise, method=method), operands


def _array(value: Any) -> Any:
    """The array a recorder stands for, in tuples and lists too."""
    if isinstance(value, Recorder):
        return value.array
    if isinstance(value, tuple | list):
        return type(value)([_array(part) for part in value])
    return value


def _axes(axis: Any) -> int | tuple[int, ...] | None:
    """Axes as an operation holds them."""
    return axis if axis is None or isinstance(axis, int) else tuple(axis) if isinstance(axis, Sequence) else int(axis)


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
    """Stand for an array in an fprop, and record the calls made with it."""

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
        if ufunc.nout > 1:
            raise TypeError(f"{ufunc.__name__} gives several arrays")
        name = self.tape.function(ufunc)
        array = getattr(ufunc, method)(*_array(inputs), **keywords)
        if method == "reduce":
            return self._reduction(name, inputs, keywords, array)
        inputs = tuple(self._numbers(inputs))
        entrywise = ufunc.signature is None
        if not keywords and (entrywise or ufunc is np.matmul):
            operands: list[Any] = []
            for x in inputs:
                self.tape.argument(x, operands)
            if len(operands) == len(inputs):
                return self.tape.write(Ufunc(name) if entrywise else MATMUL, operands, array)
        op, operands = self.tape.call(name, INTO, inputs, keywords, entrywise=entrywise)
        return self.tape.write(op, operands, array)

    def _reduction(self, name: str, inputs: Sequence[Any], keywords: dict[str, Any], array: Any) -> Any:
        if len(inputs) > 1 or not keywords.keys() <= {"axis", "keepdims", "initial"}:
            op, operands = self.tape.call(f"{name}.reduce", INTO, inputs, keywords)
            return self.tape.write(op, operands, array)
        axes, initial = keywords.get("axis", 0), self.tape.argument(keywords.get("initial"), [])
        reduction = Reduce(name, _axes(axes), keywords.get("keepdims", False), initial)
        return self.tape.write(reduction, [self.index], array)

    def _numbers(self, inputs: Sequence[Any]) -> Sequence[Any]:
        """Python numbers as arrays of their partners' dtype: NumPy would convert them in every call."""
        partner = np.result_type(*[x.dtype for x in inputs if isinstance(x, Recorder | np.ndarray | np.generic)])
        return [np.asarray(x, np.result_type(partner, x)) if type(x) in (int, float, bool) else x for x in inputs]

    def __array_function__(self, function: Any, types: Any, values: Any, keywords: dict[str, Any]) -> Any:
        if function in _SAID_BY_METHODS:
            return _SAID_BY_METHODS[function](*values, **keywords)
        array = function(*_array(values), **{name: _array(value) for name, value in keywords.items()})
        if function is np.where:
            operands: list[Any] = []
            for value in (values[0], *self._numbers(values[1:])):
                if not isinstance(self.tape.argument(value, operands), Slot):
                    raise TypeError("where takes arrays")
            self.tape.names["where"] = where
            return self.tape.write(WHERE, operands, array)
        if function not in _VIEWS | _INTO | _FRESH | {np.stack, np.concatenate}:
            raise TypeError(f"{function.__name__} is not recorded")
        kind = VIEW if function in _VIEWS else INTO if function in _INTO and array.dtype == self.dtype else FRESH
        if kind == FRESH and np.may_share_memory(array, self.array):
            raise TypeError(f"whether {function.__name__} copies is not known")
        name = self.tape.function(function)
        if function in (np.stack, np.concatenate) and all(
            isinstance(part, Recorder) and part.dtype == array.dtype for part in values[0]
        ):
            axis = keywords["axis"] if "axis" in keywords else values[1] if len(values) > 1 else 0
            return self._joined(name, values[0], axis % array.ndim, array)
        op, operands = self.tape.call(name, kind, values, keywords)
        return self.tape.write(op, operands, array)

    def _joined(self, name: str, parts: Sequence[Recorder], axis: int, array: Any) -> Any:
        stacks = name == "stack"
        ends = np.cumsum([0, *[1 if stacks else part.shape[axis] for part in parts]]).tolist()
        head = (slice(None),) * axis
        places = Entries([(*head, start if stacks else slice(start, stop)) for start, stop in pairwise(ends)])
        return self.tape.write(Join(name, axis, places), [part.index for part in parts], array)

    def __getitem__(self, index: Any) -> Any:
        entries = index if isinstance(index, tuple) else (index,)
        if any(not (entry is None or entry is Ellipsis or isinstance(entry, slice | int)) for entry in entries):
            if any(np.asarray(_array(entry)).dtype.kind == "b" for entry in entries):
                raise TypeError("how many entries a mask names depends on values")
            return self._taken(entries, self.array[_array(index)])
        entries = plain_index(entries, self.shape)
        array = self.array[(*entries, ...)]
        if not array.ndim:
            entries = (*entries, ...)  # what it names is one entry, to be seen and not copied
        return self.tape.write(Index.of(*entries), [self.index], array)

    def _taken(self, entries: Sequence[Any], array: Any) -> Any:
        """Entries that arrays name."""
        operands: list[Any] = [self.index]
        found = [
            entry
            if entry is None or entry is Ellipsis or isinstance(entry, slice | int)
            else self.tape.argument(entry if isinstance(entry, Recorder) else np.asarray(entry), operands)
            for entry in entries
        ]
        return self.tape.write(Take(Entries(found)), operands, array)

    def expanded(self, axis: Any) -> Any:
        """As np.expand_dims, by an index."""
        array = np.expand_dims(self.array, axis)
        new = normalize_axis_tuple(axis, array.ndim)
        return self[tuple([None if i in new else slice(None) for i in range(array.ndim)])]

    def squeeze(self, axis: Any = None) -> Any:
        self.array.squeeze(axis)  # raises for axes of another length than 1
        gone = (
            [i for i, n in enumerate(self.shape) if n == 1] if axis is None else normalize_axis_tuple(axis, self.ndim)
        )
        return self[tuple([0 if i in gone else slice(None) for i in range(self.ndim)])]

    @property
    def T(self) -> Any:
        return self.transpose()

    @property
    def mT(self) -> Any:
        return self.swapaxes(-2, -1)

    def transpose(self, *axes: Any) -> Any:
        given = axes[0] if len(axes) == 1 else axes or None
        given = (given,) if isinstance(given, int) else given
        order = tuple(range(self.ndim))[::-1] if given is None else normalize_axis_tuple(given, self.ndim)
        array = self.array.transpose(order)
        return self if order == tuple(range(self.ndim)) else self.tape.write(Permute(order), [self.index], array)

    def swapaxes(self, first: int, second: int) -> Any:
        self.array.swapaxes(first, second)  # raises for axes that are not there
        return self.transpose(Permute.swapped(self.ndim, first, second).axes)

    def reshape(self, *shape: Any) -> Any:
        array = self.array.reshape(*shape)
        if array.shape == self.shape:
            return self
        return self.tape.write(Reshape(array.shape), [self.index], array)

    def astype(self, dtype: Any) -> Any:
        array = self.array.astype(dtype)
        self.tape.names["astype"] = cast
        name = self.tape.argument(np.dtype(dtype), []).name
        return self.tape.write(Cast(name), [self.index], array)

    def copy(self) -> Any:
        self.tape.names["copied"] = copied
        return self.tape.write(COPIED, [self.index], self.array.copy())

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
        dtype = np.asarray(array).dtype
        other = "" if dtype == self.dtype else self.tape.argument(dtype, []).name
        first = self.tape.argument((initial or {}).get("initial"), [])
        op = Reduce(self.tape.function(ufunc), _axes(axis), bool(keepdims), first, other)
        return self.tape.write(op, [self.index], array)

    def __getattr__(self, name: str) -> Any:
        """A method that is not above: called on the array, and written as a call with memory of its own."""
        if name not in _METHODS:
            raise AttributeError(f"{name} is not recorded")
        method = getattr(self.array, name)

        def call(*values: Any, **keywords: Any) -> Any:
            array = method(*_array(values), **keywords)
            if np.may_share_memory(array, self.array):
                raise TypeError(f"whether {name} copies is not known")
            op, operands = self.tape.call(name, FRESH, [self, *values], keywords, method=True)
            return self.tape.write(op, operands, array)

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
