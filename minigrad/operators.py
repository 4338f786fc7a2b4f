"""Python's operators and ndarray's methods on nodes: one line each, forwarding to the operation the table names."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from minigrad.context import leaving
from minigrad.dispatch import NOT_GIVEN, TABLE
from minigrad.errors import innermost, package
from minigrad.protocols import call_function, call_ufunc

if TYPE_CHECKING:
    import numpy.typing as npt

    from minigrad.node import Node

    Operand: TypeAlias = Node | npt.ArrayLike
    Axis: TypeAlias = int | Sequence[int] | None


class Absent:
    """An attribute of arrays that nodes do not have: asked for, it says what to write instead."""

    def __init__(self, instead: str) -> None:
        self.instead = instead

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, node: Any, kind: type) -> Any:
        raise AttributeError(f"nodes have no .{self.name}: {self.instead}")


class Operators:
    """What a node answers as an array does. The bodies find their operation in the table.

    Methods take NumPy's arguments, in NumPy's order; what they mean, the functions of the same name say.
    """

    __slots__ = ()
    if TYPE_CHECKING:
        _value: np.ndarray[Any, Any]
        shape: tuple[int, ...]

        @property
        def label(self) -> str: ...

    # NumPy's two protocols -------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        return call_ufunc(ufunc, method, inputs, keywords)

    def __array_function__(
        self, function: Any, types: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Any:
        return call_function(function, arguments, keywords)

    if not TYPE_CHECKING:  # a visible __array__ would make `ndarray * node` type as ndarray

        def __array__(self, *args: Any, **keywords: Any) -> Any:
            raise TypeError(
                f"a node does not turn into an array by itself, since that would leave the graph: {_way(self)}"
            )

    # arithmetic -------------------------------------------------------------------------------------------------------

    def __add__(self, other: Operand) -> Node:
        return TABLE[np.add](self, other)

    def __radd__(self, other: Operand) -> Node:
        return TABLE[np.add](other, self)

    def __sub__(self, other: Operand) -> Node:
        return TABLE[np.subtract](self, other)

    def __rsub__(self, other: Operand) -> Node:
        return TABLE[np.subtract](other, self)

    def __mul__(self, other: Operand) -> Node:
        return TABLE[np.multiply](self, other)

    def __rmul__(self, other: Operand) -> Node:
        return TABLE[np.multiply](other, self)

    def __truediv__(self, other: Operand) -> Node:
        return TABLE[np.divide](self, other)

    def __rtruediv__(self, other: Operand) -> Node:
        return TABLE[np.divide](other, self)

    def __floordiv__(self, other: Operand) -> Node:
        return TABLE[np.floor_divide](self, other)

    def __rfloordiv__(self, other: Operand) -> Node:
        return TABLE[np.floor_divide](other, self)

    def __mod__(self, other: Operand) -> Node:
        return TABLE[np.mod](self, other)

    def __rmod__(self, other: Operand) -> Node:
        return TABLE[np.mod](other, self)

    def __divmod__(self, other: Operand) -> tuple[Node, Node]:
        return TABLE[np.divmod](self, other)  # type: ignore[return-value]

    def __rdivmod__(self, other: Operand) -> tuple[Node, Node]:
        return TABLE[np.divmod](other, self)  # type: ignore[return-value]

    def __pow__(self, other: Operand) -> Node:
        return TABLE[np.power](self, other)

    def __rpow__(self, other: Operand) -> Node:
        return TABLE[np.power](other, self)

    def __matmul__(self, other: Operand) -> Node:
        return TABLE[np.matmul](self, other)

    def __rmatmul__(self, other: Operand) -> Node:
        return TABLE[np.matmul](other, self)

    def __neg__(self) -> Node:
        return TABLE[np.negative](self)

    def __pos__(self) -> Node:
        return TABLE[np.positive](self)

    def __abs__(self) -> Node:
        return TABLE[np.absolute](self)

    # comparisons and logic: boolean nodes -----------------------------------------------------------------------------

    def __lt__(self, other: Operand) -> Node:
        return TABLE[np.less](self, other)

    def __le__(self, other: Operand) -> Node:
        return TABLE[np.less_equal](self, other)

    def __gt__(self, other: Operand) -> Node:
        return TABLE[np.greater](self, other)

    def __ge__(self, other: Operand) -> Node:
        return TABLE[np.greater_equal](self, other)

    def __eq__(self, other: object) -> Node:  # type: ignore[override]  # elementwise, as arrays compare
        return TABLE[np.equal](self, other)

    def __ne__(self, other: object) -> Node:  # type: ignore[override]
        return TABLE[np.not_equal](self, other)

    __hash__ = object.__hash__  # identity: a node is a key of tables and sets

    def __and__(self, other: Operand) -> Node:
        return TABLE[np.bitwise_and](self, other)

    def __rand__(self, other: Operand) -> Node:
        return TABLE[np.bitwise_and](other, self)

    def __or__(self, other: Operand) -> Node:
        return TABLE[np.bitwise_or](self, other)

    def __ror__(self, other: Operand) -> Node:
        return TABLE[np.bitwise_or](other, self)

    def __xor__(self, other: Operand) -> Node:
        return TABLE[np.bitwise_xor](self, other)

    def __rxor__(self, other: Operand) -> Node:
        return TABLE[np.bitwise_xor](other, self)

    def __invert__(self) -> Node:
        return TABLE[np.invert](self)

    def __lshift__(self, other: Operand) -> Node:
        return TABLE[np.left_shift](self, other)

    def __rlshift__(self, other: Operand) -> Node:
        return TABLE[np.left_shift](other, self)

    def __rshift__(self, other: Operand) -> Node:
        return TABLE[np.right_shift](self, other)

    def __rrshift__(self, other: Operand) -> Node:
        return TABLE[np.right_shift](other, self)

    # indexing ---------------------------------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Node:
        return TABLE["getitem"](self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "nodes do not change, so x[index] = value is not possible; write a new node: x = x.at[index].set(value), "
            "x = x.at[index].add(value), or x = np.where(condition, value, x)"
        )

    def __iter__(self) -> Iterator[Node]:
        return (self[i] for i in range(len(self)))

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a node of one number (0-d) has no length and no entries to iterate over")
        return self.shape[0]

    def __index__(self) -> int:
        """A 0-d integer as an index, as in names[np.argmax(y)].

        A sequence or array f gives a plain f[i], outside the graph as int(i) is; mg.Constant(f)[i] stays in it.
        """
        if self.shape or self._value.dtype.kind not in "iu":
            raise TypeError(
                f"an index is one integer (0-d), not {self.label}: write mg.Constant(f)[i] to index an array f"
            )
        frame = innermost(sys._getframe(1), without=("numpy",))
        if frame is not None and package(frame) == "minigrad":
            raise TypeError(
                f"{self.label} stands where a graph holds a fixed number (an axis, a length, an end of a slice): write int(i) to "
                "fix it, or x[i + np.arange(n)] for a part that moves with i"
            )
        leaving(self, "an index")
        return int(self._value)

    @property
    def at(self) -> Any:
        """`x.at[index].set(value)` and `x.at[index].add(value)`: a new node with those entries changed."""
        return TABLE["at"](self)

    @property
    def ndim(self) -> int:
        return self._value.ndim

    @property
    def size(self) -> int:
        return self._value.size

    @property
    def nbytes(self) -> int:
        return self._value.nbytes

    @property
    def itemsize(self) -> int:
        return self._value.itemsize

    # shaping ----------------------------------------------------------------------------------------------------------

    @property
    def T(self) -> Node:
        return TABLE[np.transpose](self)

    @property
    def mT(self) -> Node:
        return TABLE[np.matrix_transpose](self)

    @property
    def real(self) -> Node:
        return TABLE[np.real](self)

    @property
    def imag(self) -> Node:
        return TABLE[np.imag](self)

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Node:
        return TABLE[np.reshape](self, shape[0] if len(shape) == 1 else shape, order)

    def transpose(self, *axes: Any) -> Node:
        return TABLE[np.transpose](self, (axes[0] if len(axes) == 1 else axes) if axes else None)

    def astype(
        self, dtype: npt.DTypeLike, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> Node:
        return TABLE[np.astype](self, dtype, order=order, casting=casting)

    def swapaxes(self, axis1: int, axis2: int) -> Node:
        return TABLE[np.swapaxes](self, axis1, axis2)

    def squeeze(self, axis: Axis = None) -> Node:
        return TABLE[np.squeeze](self, axis)

    def ravel(self, order: str = "C") -> Node:
        return TABLE[np.ravel](self, order)

    def flatten(self, order: str = "C") -> Node:
        return TABLE[np.ravel](self, order)

    def copy(self, order: str = "C") -> Node:
        return TABLE[np.copy](self, order)

    def repeat(self, repeats: Any, axis: int | None = None) -> Node:
        return TABLE[np.repeat](self, repeats, axis)

    def take(self, indices: Any, axis: int | None = None, out: None = None, mode: str = "raise") -> Node:
        return TABLE[np.take](self, indices, axis, out, mode)

    def compress(self, condition: Any, axis: int | None = None, out: None = None) -> Node:
        return TABLE[np.compress](condition, self, axis, out)

    def choose(self, choices: Any, out: None = None, mode: str = "raise") -> Node:
        return TABLE[np.choose](self, choices, out, mode)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Node:
        return TABLE[np.diagonal](self, offset, axis1, axis2)

    # reductions and sorting -------------------------------------------------------------------------------------------

    def sum(
        self,
        axis: Axis = None,
        dtype: npt.DTypeLike | None = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = NOT_GIVEN,
        where: Any = True,
    ) -> Node:
        return TABLE[np.sum](self, axis, dtype, out, keepdims, initial, where)

    def prod(
        self,
        axis: Axis = None,
        dtype: npt.DTypeLike | None = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = NOT_GIVEN,
        where: Any = True,
    ) -> Node:
        return TABLE[np.prod](self, axis, dtype, out, keepdims, initial, where)

    def mean(
        self,
        axis: Axis = None,
        dtype: npt.DTypeLike | None = None,
        out: None = None,
        keepdims: bool = False,
        *,
        where: Any = True,
    ) -> Node:
        return TABLE[np.mean](self, axis, dtype, out, keepdims, where=where)

    def max(
        self,
        axis: Axis = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = NOT_GIVEN,
        where: Any = True,
    ) -> Node:
        return TABLE[np.max](self, axis, out, keepdims, initial, where)

    def min(
        self,
        axis: Axis = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = NOT_GIVEN,
        where: Any = True,
    ) -> Node:
        return TABLE[np.min](self, axis, out, keepdims, initial, where)

    def any(self, axis: Axis = None, out: None = None, keepdims: bool = False, *, where: Any = True) -> Node:
        return TABLE[np.any](self, axis, out, keepdims, where=where)

    def all(self, axis: Axis = None, out: None = None, keepdims: bool = False, *, where: Any = True) -> Node:
        return TABLE[np.all](self, axis, out, keepdims, where=where)

    def var(
        self,
        axis: Axis = None,
        dtype: npt.DTypeLike | None = None,
        out: None = None,
        ddof: float = 0,
        keepdims: bool = False,
        *,
        where: Any = True,
        mean: Any = NOT_GIVEN,
        correction: Any = NOT_GIVEN,
    ) -> Node:
        return TABLE[np.var](self, axis, dtype, out, ddof, keepdims, where=where, mean=mean, correction=correction)

    def std(
        self,
        axis: Axis = None,
        dtype: npt.DTypeLike | None = None,
        out: None = None,
        ddof: float = 0,
        keepdims: bool = False,
        *,
        where: Any = True,
        mean: Any = NOT_GIVEN,
        correction: Any = NOT_GIVEN,
    ) -> Node:
        return TABLE[np.std](self, axis, dtype, out, ddof, keepdims, where=where, mean=mean, correction=correction)

    def argmax(self, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Node:
        return TABLE[np.argmax](self, axis, out, keepdims=keepdims)

    def argmin(self, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Node:
        return TABLE[np.argmin](self, axis, out, keepdims=keepdims)

    def cumsum(self, axis: int | None = None, dtype: npt.DTypeLike | None = None, out: None = None) -> Node:
        return TABLE[np.cumsum](self, axis, dtype, out)

    def cumprod(self, axis: int | None = None, dtype: npt.DTypeLike | None = None, out: None = None) -> Node:
        return TABLE[np.cumprod](self, axis, dtype, out)

    def sort(self, axis: int = -1, kind: str | None = None, order: None = None, *, stable: bool | None = None) -> Node:
        raise TypeError("x.sort() sorts an array in place, and nodes do not change: write x = np.sort(x)")

    def argsort(
        self, axis: int | None = -1, kind: str | None = None, order: None = None, *, stable: bool | None = None
    ) -> Node:
        return TABLE[np.argsort](self, axis, kind, order, stable=stable)

    def searchsorted(self, v: Operand, side: str = "left", sorter: Operand | None = None) -> Node:
        return TABLE[np.searchsorted](self, v, side, sorter)

    # the rest ---------------------------------------------------------------------------------------------------------

    def clip(self, min: Operand | None = None, max: Operand | None = None, out: None = None) -> Node:
        return TABLE[np.clip](self, min, max, out)

    def round(self, decimals: int = 0, out: None = None) -> Node:
        return TABLE[np.round](self, decimals, out)

    def dot(self, other: Operand, out: None = None) -> Node:
        return TABLE[np.dot](self, other, out)

    def trace(
        self,
        offset: int = 0,
        axis1: int = 0,
        axis2: int = 1,
        dtype: npt.DTypeLike | None = None,
        out: None = None,
    ) -> Node:
        return TABLE[np.trace](self, offset, axis1, axis2, dtype, out)

    def conj(self) -> Node:
        return TABLE[np.conj](self)

    def conjugate(self) -> Node:
        return TABLE[np.conj](self)

    def tolist(self) -> Any:
        """The value as a number or nested lists of numbers: outside the graph, as x.value is."""
        leaving(self, ".tolist()")
        return self._value.tolist()

    def backward(self) -> None:
        """Set `.grad` of every trainable parameter this scalar node depends on; `gradients` gives them as nodes."""
        TABLE["backward"](self)

    # what arrays have and nodes do not --------------------------------------------------------------------------------

    fill = Absent("they do not change; write np.full_like(x, value)")
    put = Absent("they do not change; write x.at[np.unravel_index(indices, x.shape)].set(values)")
    partition = Absent("they do not change; write np.partition(x, kth)")
    resize = Absent("they do not change; write np.resize(x, shape)")
    argpartition = Absent("write np.argpartition(x, kth)")
    nonzero = Absent("how many there are depends on values; write np.nonzero(x.value) outside the graph")
    flat = Absent("write x.ravel()")
    view = Absent("write x.astype(dtype), or x.value.view(dtype) outside the graph")
    tobytes = Absent("write x.value.tobytes()")
    tofile = Absent("write x.value.tofile(file)")
    dump = Absent("write x.value.dump(file)")
    data = Absent("write x.value")
    numpy = Absent("write x.value")
    detach = Absent("write mg.stop_gradient(x), or x.value outside the graph")
    base = Absent("write x.value.base")
    flags = Absent("write x.value.flags")
    strides = Absent("write x.value.strides")


def _way(node: Operators) -> str:
    """What to write instead of the array that someone tried to make of a node."""
    frame, asked = sys._getframe(2), ""
    while frame is not None and frame.f_globals.get("__name__", "").startswith("scipy."):
        asked = frame.f_code.co_name
        frame = frame.f_back  # type: ignore[assignment]
    if asked:
        instead = SCIPYS.get(asked)
        return (
            f"for SciPy's {asked} write {instead}" if instead else f"SciPy's {asked} takes x.value, outside the graph"
        )
    index = "" if node._value.dtype.kind == "f" else "where it was the index of an array f, mg.Constant(f)[index]; "
    return (
        f"{index}write x.value for its array; where a list of nodes was meant as one array, np.stack([a, b]); functions to "
        "use: np.* on nodes"
    )


SCIPYS = {  # what to write for functions of SciPy which make arrays of what they are given
    "softmax": "mg.softmax(x, axis=None), or the axis you give",
    "log_softmax": "mg.log_softmax(x, axis=None), or the axis you give",
    "logsumexp": "mg.logsumexp(x, axis=None, keepdims=False)",
    "polygamma": "mg.polygamma(n, x)",
    "expm": "mg.expm(x)",
}

for _method in vars(Operators).values():
    if isinstance(_method, FunctionType):
        _method.__qualname__ = f"Node.{_method.__name__}"  # by which errors of a wrong call name it


def explain_methods() -> None:
    """Give each method the docstring of NumPy's function of its name, once the table holds that."""
    for name, method in vars(Operators).items():
        if isinstance(method, FunctionType) and not method.__doc__ and not name.startswith("_"):
            method.__doc__ = TABLE[getattr(np, {"flatten": "ravel"}.get(name, name))].__doc__
