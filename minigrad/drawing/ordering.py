"""The order of items within their rows, so that few links cross: sweeps by means, then exchanges of neighbors.

K. Sugiyama, S. Tagawa and M. Toda, Methods for visual understanding of hierarchical system structures, 1981.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence

from minigrad.drawing.grid import End, Grid

SWEEPS = 24
SWAPS = 8
MANY = 2000  # items from which one attempt has to do


def order(grid: Grid) -> int:
    """Sort the rows of a grid; gives how many links cross."""
    return _Order(grid).sorted()


class _Order:
    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.rows = grid.rows
        self.x = [0.0] * len(grid.breadths)

    def sorted(self) -> int:
        for row in self.rows:
            self._sort(row, [float(item) for item in row])
        best, fewest = [row[:] for row in self.rows], self._crossings()
        start, places = best, self.x[:]
        for turn in range(2 if len(self.x) < MANY else 1):  # begin downward, then once more upward
            self.rows[:] = [row[:] for row in start]
            self.x = places[:]
            for sweep in range(turn, SWEEPS + turn):
                if fewest == 0:
                    break
                self._sweep(down=sweep % 2 == 0)
                crossings = self._crossings()
                if crossings < fewest:
                    best, fewest = [row[:] for row in self.rows], crossings
        self.rows[:] = best
        for row in self.rows:
            self._pack(row)
        for _ in range(SWAPS if fewest else 0):
            if sum([self._swap(row) for row in self.rows]) == 0:
                break
        return self._crossings()

    def _sweep(self, down: bool) -> None:
        """Sort row by row, each item by where the row before wants it."""
        ends, others = (self.grid.ups, self.grid.downs) if down else (self.grid.downs, self.grid.ups)
        for row in self.rows if down else reversed(self.rows):
            self._sort(row, [self._wanted(item, ends[item] or others[item]) for item in row])

    def _wanted(self, item: int, ends: Sequence[End]) -> float:
        if not ends:
            return self.x[item]
        return sum([self.x[other] + there - here for other, here, there in ends]) / len(ends)

    def _sort(self, row: list[int], keys: Sequence[float]) -> None:
        pins = self.grid.pins
        keyed = sorted([(pins.get(item, 0), key, self.x[item], item) for key, item in zip(keys, row, strict=True)])
        row[:] = [item for *_, item in keyed]
        self._pack(row)

    def _pack(self, row: Sequence[int]) -> None:
        for item, x in zip(row, self.grid.packed(row), strict=True):
            self.x[item] = x

    def _crossings(self) -> int:
        """How many links cross, row by row."""
        total = 0
        for row in self.rows:
            links = sorted(
                [
                    (self.x[item] + here, self.x[other] + there)
                    for item in row
                    for other, here, there in self.grid.downs[item]
                ]
            )
            seen: list[float] = []
            for _, end in links:
                total += len(seen) - bisect_right(seen, end)
                insort(seen, end)
        return total

    def _swap(self, row: list[int]) -> bool:
        """Exchange neighbors whose links cross less the other way round; gives whether there were any."""
        pins, swapped = self.grid.pins, False
        for place in range(len(row) - 1):
            left, right = row[place : place + 2]
            if pins.get(left, 0) == pins.get(right, 0) and self._tangle(right, left) < self._tangle(left, right):
                row[place : place + 2] = right, left
                swapped = True
        if swapped:
            self._pack(row)
        return swapped

    def _tangle(self, left: int, right: int) -> int:
        """How many links of the two cross if they stand in this order."""
        crossings = 0
        for ends in (self.grid.ups, self.grid.downs):
            rights = [self.x[other] + there for other, _, there in ends[right]]
            crossings += sum([self.x[other] + there > end for other, _, there in ends[left] for end in rights])
        return crossings
