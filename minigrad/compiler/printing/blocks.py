"""Tile groups over large arrays: run all lines of a group on one block of the arrays, which fits the cache, then the next."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

from minigrad.compiler.lines import Line
from minigrad.compiler.printing.groups import Group, Rules
from minigrad.node import Array

LEAST_CUT = 1 << 18  # entries of a result: smaller ones are in the cache as they are
BLOCK_ENTRIES = 1 << 15  # of a block, about


def _is_large(line: Line) -> bool:
    return line.size >= LEAST_CUT and Cut.of(line.shape) is not None


BLOCK_RULES = Rules(fits=_is_large, moves=lambda line: True, sums=True, least=3)


class Cut(NamedTuple):
    """Tell how arrays of a shape are cut: along which axis, counted from the last, into pieces of what length."""

    shape: tuple[int, ...]
    axis: int
    length: int

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> Cut | None:
        """Along the first axis there is; None where there is none, or a single slice is too much."""
        axis = next((i for i, n in enumerate(shape) if n > 1), None)
        if axis is None or (slice_size := prod(shape[axis + 1 :])) > 2 * BLOCK_ENTRIES:
            return None
        n = max(BLOCK_ENTRIES // slice_size, 1)
        pieces = -(-shape[axis] // n)
        return cls(shape, axis - len(shape), -(-shape[axis] // pieces))

    @property
    def pieces(self) -> int:
        return -(-self.shape[self.axis] // self.length)

    @property
    def piece(self) -> tuple[int, ...]:
        """The shape of a piece (the last one may be shorter)."""
        shape = list(self.shape)
        shape[self.axis] = self.length
        return tuple(shape)

    def cuts(self, line: Line) -> bool:
        """Whether an operand is cut; what is broadcast along the axis is not."""
        return len(line.shape) >= -self.axis and line.shape[self.axis] > 1


def blocks(x: Array, length: int, axis: int) -> list[Any]:
    """List views of the pieces of an array, cut along an axis."""
    after: Any = (slice(None),) * (-1 - axis)
    return [x[..., slice(i, i + length), *after] for i in range(0, x.shape[axis], length)]


def reused(buffer: Array, total: int, axis: int) -> list[Any]:
    """Reuse one block for all pieces of an array with a total length; the last, shorter piece gets a part of it."""
    n = buffer.shape[axis]
    after: Any = (slice(None),) * (-1 - axis)
    return [buffer[..., slice(0, min(n, total - i)), *after] for i in range(0, total, n)]


def buffers_of(group: Group) -> dict[Line, Line]:
    """Assign blocks to inner members: a block is free again once its last reader has run."""
    last: dict[Line, int] = {}
    for i, member in enumerate(group.members):
        last[member] = i
        last.update(dict.fromkeys([x for x in member.operands if x in group.inner], i))
    free: dict[Any, list[Line]] = {}
    buffer: dict[Line, Line] = {}
    for i, member in enumerate(group.members):
        for x in dict.fromkeys(member.operands):
            if x in group.inner and last[x] == i:
                free.setdefault(x.dtype, []).append(buffer[x])
        if member in group.inner:
            spare = free.get(member.dtype)
            buffer[member] = spare.pop() if spare else member
    return buffer
