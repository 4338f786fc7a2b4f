"""Python's operators and ndarray's methods on nodes: one line each, forwarding to the operation the table names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from minigrad.dispatch import TABLE, call_function, call_ufunc

if TYPE_CHECKING:
    import numpy.typing as npt

    from minigrad.node import Node

    Operand: TypeAlias = Node | npt.ArrayLike
    Axis: TypeAlias = int | Sequence[int] | None


class Operators:
    """What a node answers as an array does. The bodies find their operation in the table."""

    __slots__ = ()
    if TYPE_CHECKING:
        _value: np.ndarray[Any, Any]
        shape: tuple[int, ...]

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
                "a node does not turn into an array by itself, since that would leave the graph: write x.value for its "
                "array; where a list of nodes was meant as one array, np.stack([a, b]); functions to use: np.* on nodes"
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

    # shaping ----------------------------------------------------------------------------------------------------------

    @property
    def T(self) -> Node:
        return TABLE[np.transpose](self)

    @property
    def mT(self) -> Node:
        return TABLE[np.matrix_transpose](self)

    def reshape(self, *shape: Any) -> Node:
        return TABLE[np.reshape](self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Node:
        return TABLE[np.transpose](self, (axes[0] if len(axes) == 1 else axes) if axes else None)

    def astype(self, dtype: npt.DTypeLike) -> Node:
        return TABLE[np.astype](self, dtype)

    def swapaxes(self, axis1: int, axis2: int) -> Node:
        return TABLE[np.swapaxes](self, axis1, axis2)

    def squeeze(self, axis: Axis = None) -> Node:
        return TABLE[np.squeeze](self, axis)

    def ravel(self) -> Node:
        return TABLE[np.ravel](self)

    flatten = ravel

    def copy(self) -> Node:
        return TABLE[np.copy](self)

    def repeat(self, repeats: Any, axis: int | None = None) -> Node:
        return TABLE[np.repeat](self, repeats, axis)

    def take(self, indices: Any, axis: int | None = None) -> Node:
        return TABLE[np.take](self, indices, axis)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Node:
        return TABLE[np.diagonal](self, offset, axis1, axis2)

    # reductions and sorting -------------------------------------------------------------------------------------------

    def sum(self, axis: Axis = None, *, keepdims: bool = False) -> Node:
        return TABLE[np.sum](self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Axis = None, *, keepdims: bool = False) -> Node:
        return TABLE[np.prod](self, axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, *, keepdims: bool = False) -> Node:
        return TABLE[np.mean](self, axis, keepdims=keepdims)

    def max(self, axis: Axis = None, *, keepdims: bool = False) -> Node:
        return TABLE[np.max](self, axis, keepdims=keepdims)

    def min(self, axis: Axis = None, *, keepdims: bool = False) -> Node:
        return TABLE[np.min](self, axis, keepdims=keepdims)

    def any(self, axis: Axis = None, *, keepdims: bool = False) -> Node:
        return TABLE[np.any](self, axis, keepdims=keepdims)

    def all(self, axis: Axis = None, *, keepdims: bool = False) -> Node:
        return TABLE[np.all](self, axis, keepdims=keepdims)

    def var(self, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Node:
        return TABLE[np.var](self, axis, ddof=ddof, keepdims=keepdims)

    def std(self, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Node:
        return TABLE[np.std](self, axis, ddof=ddof, keepdims=keepdims)

    def argmax(self, axis: int | None = None, *, keepdims: bool = False) -> Node:
        return TABLE[np.argmax](self, axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, *, keepdims: bool = False) -> Node:
        return TABLE[np.argmin](self, axis, keepdims=keepdims)

    def cumsum(self, axis: int | None = None) -> Node:
        return TABLE[np.cumsum](self, axis)

    def cumprod(self, axis: int | None = None) -> Node:
        return TABLE[np.cumprod](self, axis)

    def sort(self, axis: int = -1) -> Node:
        raise TypeError("x.sort() sorts an array in place, and nodes do not change: write x = np.sort(x)")

    def argsort(self, axis: int = -1) -> Node:
        return TABLE[np.argsort](self, axis)

    # the rest ---------------------------------------------------------------------------------------------------------

    def clip(self, min: Operand | None = None, max: Operand | None = None) -> Node:
        return TABLE[np.clip](self, min, max)

    def round(self, decimals: int = 0) -> Node:
        return TABLE[np.round](self, decimals)

    def dot(self, other: Operand) -> Node:
        return TABLE[np.dot](self, other)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Node:
        return TABLE[np.trace](self, offset, axis1, axis2)

    def backward(self) -> None:
        """Set `.grad` of every trainable parameter this scalar node depends on; `gradients` gives them as nodes."""
        TABLE["backward"](self)
