"""The change of a dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.dispatch import answers
from minigrad.node import Node, as_node, known_dtype
from minigrad.ops.base import Elementwise, Entries

if TYPE_CHECKING:
    from minigrad.operators import Operand

__all__ = ["AsType", "astype"]


class AsType(Elementwise):
    """y = x in another dtype;  x̄ = ȳ in x's dtype, none where one of them is not floating-point."""

    __slots__ = ()
    analytic = False
    dtype_to: np.dtype[Any]

    def fprop(self, x: Any, *, dtype_to: np.dtype[Any]) -> Any:
        return x.astype(dtype_to)

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint  # the engine casts it


@answers(np.astype)
def astype(
    x: Operand,
    dtype: Any,
    /,
    *,
    copy: bool = True,
    device: str | None = None,
    order: str = "K",
    casting: Any = "unsafe",
) -> Node:
    """x in another dtype; the same node where nothing changes, copy=True or not, since nodes do not change."""
    node = as_node(x)
    dtype = known_dtype("astype", dtype)
    if casting != "unsafe" and not np.can_cast(node.dtype, dtype, casting):
        raise TypeError(f"astype: {node.label} does not go into {dtype} by casting={casting!r}: write casting='unsafe'")
    if order not in ("K", "C", "A") or device not in (None, "cpu"):
        raise ValueError(
            f"astype(order={order!r}, device={device!r}): a node has no layout in memory and no device to choose"
        )
    return node if node.dtype == dtype else AsType(node, dtype_to=dtype)
