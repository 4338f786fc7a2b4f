"""Pack buffers into arenas: those whose live ranges do not overlap share memory. First fit, the largest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

ALIGNED = 16  # entries: a buffer begins at a multiple of so many
SMALL = 1 << 14  # bytes of a buffer that gets an arena of its own


class Buffer:
    """Memory that serves one value after the other, each of its size and dtype.

    first, last: its live range: the line that writes it first, and the line that reads it last
    start:       where it lies in its arena
    """

    __slots__ = ("arena", "dtype", "first", "last", "size", "start")

    def __init__(self, dtype: np.dtype[Any], size: int, last: int) -> None:
        self.dtype = dtype
        self.size = size
        self.first = last
        self.last = last
        self.arena: Arena | None = None
        self.start = 0

    @property
    def stop(self) -> int:
        """Where it ends in its arena."""
        return self.start + self.size


class Arena:
    """Memory of one or several buffers, as large as the first."""

    def __init__(self, buffer: Buffer) -> None:
        self.dtype = buffer.dtype
        self.size = buffer.size
        self.buffers = [buffer]
        buffer.arena = self

    def takes(self, buffer: Buffer) -> bool:
        """Put a buffer where none lies that is live at the same time; whether there was room."""
        live = [x for x in self.buffers if x.first <= buffer.last and buffer.first <= x.last]
        for start in sorted({0, *[-(-x.stop // ALIGNED) * ALIGNED for x in live]}):
            stop = start + buffer.size
            if stop <= self.size and all(stop <= x.start or x.stop <= start for x in live):
                buffer.arena, buffer.start = self, start
                self.buffers.append(buffer)
                return True
        return False


def pack(buffers: Sequence[Buffer]) -> None:
    """Give every buffer a place in an arena."""
    arenas: list[Arena] = []
    for buffer in sorted(buffers, key=lambda buffer: -buffer.size * buffer.dtype.itemsize):
        small = buffer.size * buffer.dtype.itemsize < SMALL
        if small or not any(arena.dtype == buffer.dtype and arena.takes(buffer) for arena in arenas):
            arenas.append(Arena(buffer))
