"""Chain lines that have to lie next to each other in memory, so that stacks of them need no copy. Stacks may overlap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from minigrad.compiler.ir import INTO, LEAF, TILES, Join
from minigrad.compiler.lines import Line


class Chains:
    """Lines that follow each other; every line has at most one neighbor on each side."""

    def __init__(self) -> None:
        self.next: dict[Any, Any] = {}
        self.previous: dict[Any, Any] = {}
        self.distance: dict[Any, int] = {}  # how many rows on the next one lies

    def __contains__(self, line: Line) -> bool:
        return line in self.next or line in self.previous

    def may_join(self, parts: Sequence[Any], rows: Sequence[int]) -> bool:
        """Whether the parts can follow each other: all alike, no part twice, none torn from its neighbors, no ring."""
        lines = [part[0] if isinstance(part, tuple) else part for part in parts]
        if len(set(parts)) < len(parts) or len({(line.shape, line.dtype) for line in lines}) > 1:
            return False
        for (before, after), (row, next_row) in zip(pairwise(parts), pairwise(rows), strict=True):
            if self.next.get(before, after) != after or self.previous.get(after, before) != before:
                return False
            if self.distance.get(before, next_row - row) != next_row - row:
                return False
        end, seen = parts[-1], set(parts)
        while end in self.next:
            end = self.next[end]
            if end in seen:
                return False
        return True

    def join(self, parts: Sequence[Any], rows: Sequence[int]) -> None:
        """Let the parts follow each other, as far from each other as these rows are."""
        for (before, after), (row, next_row) in zip(pairwise(parts), pairwise(rows), strict=True):
            self.next[before], self.previous[after] = after, before
            self.distance[before] = next_row - row

    def whole(self) -> Iterator[tuple[list[Line], list[int]]]:
        """The chains, from their first line to their last, with the numbers of their rows."""
        for line in [line for line in self.next if line not in self.previous]:
            members, rows = [line], [0]
            while (last := members[-1]) in self.next:
                members.append(self.next[last])
                rows.append(rows[-1] + self.distance[last])
            yield members, rows


def linked(parts: Sequence[Line]) -> list[Any]:
    """The parts as links of a chain: a constant first state, which has to be copied, is one of this chain alone."""
    after = [*parts[1:], None]
    return [part if part.op.kind != LEAF else (part, next_one) for part, next_one in zip(parts, after, strict=True)]


def may_be_placed(part: Line) -> bool:
    """Whether a line can be computed inside a larger array."""
    return part.op.kind == INTO or (part.op.kind == TILES and not is_stack(part))


def is_stack(line: Line) -> bool:
    """Whether its parts are its rows, in order."""
    return isinstance(line.op, Join) and line.op.rows is not None


def rows_of(stack: Line) -> list[int]:
    """The numbers of the rows that the parts of a stack are."""
    rows = stack.op.rows if isinstance(stack.op, Join) else None
    assert rows is not None
    return rows
