"""Where items stand within their rows: four alignments, each compacted by longest paths, and the mean of their medians.

U. Brandes and B. Köpf, Fast and simple horizontal coordinate assignment, 2001. Their compaction by classes can make items
overlap or stand too far apart (U. Brandes, J. Walter and J. Zink, Erratum, 2020); longest paths in the graph of blocks
take its place. Blocks are shifted inside, so that links to ports are straight.
"""

from __future__ import annotations

from itertools import pairwise
from math import inf

from minigrad.drawing.grid import End, Grid
from minigrad.drawing.ranks import sources_first

PULLS = 3


def coordinates(grid: Grid) -> list[float]:
    """The middle of each item: neighbors keep their distance, and most links are straight."""
    marked = _conflicts(grid)
    runs = [
        _Run(grid, marked, left_right=left_right, upside_down=upside_down).places()
        for left_right in (False, True)
        for upside_down in (False, True)
    ]
    halves = [breadth / 2 for breadth in grid.breadths]
    spans = [
        (
            min([x - half for x, half in zip(run, halves, strict=True)]),
            max([x + half for x, half in zip(run, halves, strict=True)]),
        )
        for run in runs
    ]
    low, high = min(spans, key=lambda span: span[1] - span[0])
    shifts = [low - spans[0][0], low - spans[1][0], high - spans[2][1], high - spans[3][1]]
    x = []
    for places in zip(*runs, strict=True):
        ordered = sorted([place + shift for place, shift in zip(places, shifts, strict=True)])
        x.append((ordered[1] + ordered[2]) / 2)
    for down in (True, False) * PULLS:
        _pull(grid, x, down)
    return x


def _pull(grid: Grid, x: list[float], down: bool) -> None:
    """Move what no straight link holds to where its links want it, as far as its neighbors leave room."""
    for row in grid.rows if down else reversed(grid.rows):
        for k, item in enumerate(row):
            wanted = sorted([x[other] + there - here for other, here, there in (*grid.ups[item], *grid.downs[item])])
            if not wanted or any(abs(x[item] - place) < 0.5 for place in wanted):
                continue
            low = x[row[k - 1]] + grid.distance(row[k - 1], item) if k else -inf
            high = x[row[k + 1]] - grid.distance(item, row[k + 1]) if k + 1 < len(row) else inf
            x[item] = min(max(wanted[(len(wanted) - 1) // 2], low), high)


def _conflicts(grid: Grid) -> set[tuple[int, int]]:
    """The links (upper, lower) that cross a straight stretch of a long line: they give way."""
    marked = set()
    place = {item: k for row in grid.rows for k, item in enumerate(row)}
    for row in grid.rows[1:]:
        inner = [(place[item], place[grid.ups[item][0].other]) for item in row if _is_inner(grid, item)]
        for item in row:
            for other, _, _ in grid.ups[item]:
                if not (grid.bends[item] and grid.bends[other]) and any(
                    (place[item] - a) * (place[other] - b) < 0 for a, b in inner
                ):
                    marked.add((other, item))
    return marked


def _is_inner(grid: Grid, item: int) -> bool:
    return grid.bends[item] and bool(grid.ups[item]) and grid.bends[grid.ups[item][0].other]


class _Run:
    """One of the four: each item is aligned with a median of its neighbors in the row before, first ones first."""

    def __init__(self, grid: Grid, marked: set[tuple[int, int]], *, left_right: bool, upside_down: bool) -> None:
        self.grid, self.marked, self.upside_down = grid, marked, upside_down
        self.sign = -1.0 if left_right else 1.0
        rows = grid.rows[::-1] if upside_down else grid.rows
        self.rows = [row[::-1] for row in rows] if left_right else rows
        self.ends = grid.downs if upside_down else grid.ups
        self.place = {item: k for row in self.rows for k, item in enumerate(row)}
        count = len(grid.breadths)
        self.root = list(range(count))
        self.shift = [0.0] * count  # of an item within its block

    def places(self) -> list[float]:
        self._align()
        blocks = self._compacted()
        return [self.sign * (blocks[root] + shift) for root, shift in zip(self.root, self.shift, strict=True)]

    def _align(self) -> None:
        for row in self.rows:
            last = -1
            for item in row:
                for end in self._medians(item):
                    link = (item, end.other) if self.upside_down else (end.other, item)
                    place = self.place[end.other]
                    if place > last and link not in self.marked:
                        self.root[item] = self.root[end.other]
                        self.shift[item] = self.shift[end.other] + self.sign * (end.there - end.here)
                        last = place
                        break

    def _medians(self, item: int) -> list[End]:
        """The links to the neighbors in the middle, one or two."""
        ends = sorted(self.ends[item], key=lambda end: (self.place[end.other], self.sign * end.there))
        count = len(ends)
        return ends[(count - 1) // 2 : count // 2 + 1]

    def _compacted(self) -> list[float]:
        """Where the blocks stand, by their roots: as far left as may be, then as far right as those behind allow."""
        gaps: dict[tuple[int, int], float] = {}
        for row in self.rows:
            for left, right in pairwise(row):
                a, b = self.root[left], self.root[right]
                gap = self.grid.distance(left, right) + self.shift[left] - self.shift[right]
                gaps[a, b] = max(gaps.get((a, b), gap), gap)
        count = len(self.root)
        before: list[list[tuple[int, float]]] = [[] for _ in range(count)]
        after: list[list[tuple[int, float]]] = [[] for _ in range(count)]
        for (a, b), gap in gaps.items():
            before[b].append((a, gap))
            after[a].append((b, gap))
        order = sources_first([[a for a, _ in ends] for ends in before], [[b for b, _ in ends] for ends in after])
        x = [0.0] * count
        for block in order:
            x[block] = max([x[other] + gap for other, gap in before[block]], default=0.0)
        for block in reversed(order):
            if after[block]:
                x[block] = max(x[block], min([x[other] - gap for other, gap in after[block]]))
        return x
