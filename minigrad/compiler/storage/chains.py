"""Chains: which lines lie next to each other in memory, so that stacks of them need no copy. Stacks may overlap."""

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

    def __contains__(self, line: Line) -> bool:
        return line in self.next or line in self.previous

    def may_join(self, parts: Sequence[Any]) -> bool:
        """Whether the parts can follow each other: all alike, no part twice, none torn from its neighbors, no ring."""
        lines = [part[0] if isinstance(part, tuple) else part for part in parts]
        if len(set(parts)) < len(parts) or len({(line.shape, line.dtype) for line in lines}) > 1:
            return False
        for before, after in pairwise(parts):
            if self.next.get(before, after) != after or self.previous.get(after, before) != before:
                return False
        end, seen = parts[-1], set(parts)
        while end in self.next:
            end = self.next[end]
            if end in seen:
                return False
        return True

    def join(self, parts: Sequence[Any]) -> None:
        """Let the parts follow each other."""
        for before, after in pairwise(parts):
            self.next[before], self.previous[after] = after, before

    def whole(self) -> Iterator[list[Line]]:
        """The chains, from their first line to their last."""
        for line in [line for line in self.next if line not in self.previous]:
            members = [line]
            while members[-1] in self.next:
                members.append(self.next[members[-1]])
            yield members


def linked(parts: Sequence[Line]) -> list[Any]:
    """The parts as links of a chain: a constant first state, which has to be copied, is one of this chain alone."""
    after = [*parts[1:], None]
    return [part if part.op.kind != LEAF else (part, next_one) for part, next_one in zip(parts, after, strict=True)]


def may_be_placed(part: Line) -> bool:
    """Whether a line can be computed inside a larger array."""
    return part.op.kind == INTO or (part.op.kind == TILES and not is_stack(part))


def is_stack(line: Line) -> bool:
    """Whether its parts are its rows, in order."""
    return isinstance(line.op, Join) and line.op.is_stack
