"""A layered graph: items in rows, and links from row to row, each at its place on the edges of the items it joins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple


class End(NamedTuple):
    """A link as one of its two items sees it: the other item, and how far right of the two middles it runs."""

    other: int
    here: float
    there: float


@dataclass(slots=True)
class Grid:
    """Items 0, 1, ... in rows, first rows first; `ups` and `downs` are their links to the row before and the row after.

    breadths: extents within a row
    gaps:     the air an item needs beside it
    bends:    whether an item is a mere point of a line that passes the row
    pins:     the order of items that must keep it
    """

    breadths: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    bends: list[bool] = field(default_factory=list)
    rows: list[list[int]] = field(default_factory=list)
    ups: list[list[End]] = field(default_factory=list)
    downs: list[list[End]] = field(default_factory=list)
    pins: dict[int, int] = field(default_factory=dict)

    def add(self, row: int, breadth: float, gap: float, bend: bool = False) -> int:
        """A new item; gives its number."""
        self.breadths.append(breadth)
        self.gaps.append(gap)
        self.bends.append(bend)
        self.ups.append([])
        self.downs.append([])
        self.rows[row].append(len(self.breadths) - 1)
        return len(self.breadths) - 1

    def link(self, upper: int, lower: int, above: float, below: float) -> None:
        """Join two items of neighboring rows, at so far right of their middles."""
        self.downs[upper].append(End(lower, above, below))
        self.ups[lower].append(End(upper, below, above))

    def distance(self, left: int, right: int) -> float:
        """How far apart the middles of two neighbors in a row must be."""
        return (self.breadths[left] + self.breadths[right]) / 2 + min(self.gaps[left], self.gaps[right])

    def packed(self, row: Sequence[int]) -> list[float]:
        """The middles of the items of a row if they stand as close to each other as they may, around 0."""
        places = [0.0]
        for left, right in pairwise(row):
            places.append(places[-1] + self.distance(left, right))
        return [place - places[-1] / 2 for place in places]
