"""Cut and delay entrywise lines so that compiled loops compute them where they are read.

A value in between costs nothing in a loop, if its readers are in the same one; what costs is memory that is written and read
again. So slices of entrywise lines are computed as such (`parted`, instead of `gates`), and what every time step could do by
itself is left to the loops of the time steps that read it (`apart`, instead of `steps`), as late as it can be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from itertools import pairwise
from typing import Any

import numpy as np

from minigrad.compiler.ir import LEAF, RESHAPE, TILES, VIEW, column_slice, columns_joined
from minigrad.compiler.lines import (
    Line,
    Lines,
    Page,
    columns_of,
    is_entrywise,
    joined_columns,
    readers_of,
    rebuilt,
    row_of,
    sorted_lines,
)
from minigrad.compiler.passes.time import batched, waiting_lines
from minigrad.compiler.printing.kernels import fits

MOST_PARTS = 8  # parts of a line
NARROWEST = 4  # columns of a part
DEEPEST = 8  # how far lines are followed back


def _fits_a_loop(line: Line) -> bool:
    """Whether a compiled loop can compute it."""
    return is_entrywise(line) and fits(line)


# Rows and columns ------------------------------------------------------------------------------------------------------


def parted(lines: Lines) -> Lines:
    """Compute each time step's row of an array, and each gate's columns of a matrix, from the rows and columns of its operands.

    (a + b)[t] as a[t] + b;  (a + b)[:, :n] as a[:, :n] + b[:, :n].
    """
    split = _Cuts(lines).split
    lines = rebuilt(lines, _Rows(lines, split).change)
    search = _Cuts(lines)
    return rebuilt(lines, _Parts(lines.page, search).change) if search.split else lines


class _Rows:
    """Rows t of (time, batch, columns), a matrix seen so that is computed entry by entry and read by nobody else.

    split: the lines that will be computed in parts. Where all is one row of numbers, a bias is better added beforehand
    """

    def __init__(self, lines: Lines, split: Collection[Line]) -> None:
        self.page = lines.page
        self.split = split
        self.results = set(lines.results)
        self.readers = readers_of(lines.order)
        self.new: dict[Line, Line] = {}

    def change(self, line: Line, operands: tuple[Line, ...]) -> Line | None:
        """A row as what is computed of rows."""
        self.new.update(zip(line.operands, operands, strict=True))
        whole = line.operands[0] if _is_row(line) else line
        if whole is line or not self._is_read_by_rows(whole):
            return None
        (flat,) = whole.operands
        parts = []
        for x in flat.operands:
            part = self.new.get(x, x)
            if x.shape == flat.shape:
                seen = self.page.write(whole.op, (part,), whole.shape, x.dtype, whole.origin)
                part = self.page.write(line.op, (seen,), line.shape, x.dtype, line.origin)
            parts.append(part)
        made = self.page.write(flat.op, parts, line.shape, flat.dtype, line.origin)
        made.number = min(made.number, line.number)
        return made

    def _is_read_by_rows(self, whole: Line) -> bool:
        if whole.op.kind != RESHAPE or len(whole.shape) != 3 or whole in self.results:
            return False
        (flat,) = whole.operands
        alone = _fits_a_loop(flat) and flat not in self.results and self.readers[flat] == [whole]
        rows = self.readers[whole]
        return (
            alone
            and flat.shape == (whole.shape[0] * whole.shape[1], whole.shape[2])
            and any(x.shape == flat.shape for x in flat.operands)
            and all(x.shape == flat.shape or len(x.shape) < 2 for x in flat.operands)
            and all(_is_row(row) and row not in self.results for row in rows)
            and all(x in self.split or _cut(x) for row in rows for x in self.readers[row])
        )


def _is_row(line: Line) -> bool:
    return row_of(line) is not None and bool(line.origin.step)


def _cut(line: Line) -> tuple[int, int] | None:
    """The range of columns that a line is of a matrix; None where it is something else."""
    return columns_of(line) if len(line.shape) > 1 else None


class _Cuts:
    """At which columns lines are cut: where they are sliced or joined, and all that is computed from them, or they from.

    split: the lines that are computed in parts, to where each part ends
    """

    def __init__(self, lines: Lines) -> None:
        self.links: dict[Line, list[tuple[Line, int]]] = {}  # what is cut at the same columns, moved by so many
        self.cuts: dict[Line, set[int]] = {}
        waiting: list[tuple[Line, int]] = []
        for line in lines.order:
            if (columns := _cut(line)) is not None:
                waiting += [(line.operands[0], cut) for cut in columns]
                self._link(line, line.operands[0], columns[0])
            elif (places := joined_columns(line)) is not None:
                for part, (start, stop) in zip(line.operands, places, strict=True):
                    waiting += [(line, start), (line, stop)]
                    self._link(part, line, start)
            elif _fits_a_loop(line):
                for x in line.operands:
                    if x.shape == line.shape and (_fits_a_loop(x) or _cut(x) or joined_columns(x)):
                        self._link(line, x, 0)
        while waiting:
            line, cut = waiting.pop()
            known = self.cuts.setdefault(line, set())
            if 0 < cut < line.shape[-1] and cut not in known and line in self.links:
                known.add(cut)
                waiting += [(other, cut + by) for other, by in self.links[line]]
        results = set(lines.results)
        self.split = {
            line: [*sorted(cuts), line.shape[-1]]
            for line, cuts in self.cuts.items()
            if _fits_a_loop(line) and line not in results and self._is_worth(line, cuts)
        }

    def _link(self, a: Line, b: Line, by: int) -> None:
        self.links.setdefault(a, []).append((b, by))
        self.links.setdefault(b, []).append((a, -by))

    def _is_worth(self, line: Line, cuts: set[int]) -> bool:
        ends = [0, *sorted(cuts), line.shape[-1]]
        return 2 < len(ends) <= MOST_PARTS + 1 and min(b - a for a, b in pairwise(ends)) >= NARROWEST


class _Parts:
    """Writes lines in parts."""

    def __init__(self, page: Page, search: _Cuts) -> None:
        self.page = page
        page.names["concatenate"] = np.concatenate
        self.split = search.split
        self.new: dict[Line, Line] = {}
        self.known: dict[tuple[Line, int, int], Line] = {}

    def change(self, line: Line, operands: tuple[Line, ...]) -> Line | None:
        """The line, put together again for whoever reads it as a whole."""
        self.new.update(zip(line.operands, operands, strict=True))
        return self._whole(line) if self._is_split(line) else None

    def _is_split(self, x: Line) -> bool:
        while _cut(x) is not None:
            (x,) = x.operands
        return x in self.split or joined_columns(x) is not None

    def _ends(self, line: Line) -> list[int]:
        """Where the parts of a line end."""
        if line in self.split:
            return self.split[line]
        columns, places = _cut(line), joined_columns(line)
        if columns is not None:
            start, stop = columns
            return [*[end - start for end in self._ends(line.operands[0]) if start < end < stop], stop - start]
        if places is not None:
            pairs = sorted(zip([start for start, _ in places], line.operands, strict=True), key=lambda pair: pair[0])
            return [start + end for start, part in pairs for end in self._ends(part)]
        return [line.shape[-1]]

    def _whole(self, line: Line) -> Line:
        ends = self._ends(line)
        starts = [0, *ends[:-1]]
        parts = [self._part(line, start, stop) for start, stop in zip(starts, ends, strict=True)]
        if len(parts) == 1:
            return parts[0]
        return self.page.write(
            columns_joined([part.shape[-1] for part in parts], len(line.shape)),
            parts,
            line.shape,
            line.dtype,
            line.origin,
        )

    def _part(self, x: Line, start: int, stop: int) -> Line:
        """Columns of a line that are not cut any further."""
        key = x, start, stop
        if key not in self.known:
            self.known[key] = self._made(x, start, stop)
        return self.known[key]

    def _made(self, x: Line, start: int, stop: int) -> Line:
        places = joined_columns(x)
        if x in self.split:
            return self._computed(x, start, stop)
        if places is not None:
            for part, (first, last) in zip(x.operands, places, strict=True):
                if first <= start and stop <= last:
                    return self._part(part, start - first, stop - first)
        columns = _cut(x)
        if columns is not None:
            return self._part(x.operands[0], start + columns[0], stop + columns[0])
        whole = self.new.get(x, x)
        if (start, stop) == (0, x.shape[-1]):
            return whole
        shape = (*x.shape[:-1], stop - start)
        return self.page.write(column_slice(len(shape), start, stop), (whole,), shape, x.dtype, x.origin)

    def _computed(self, x: Line, start: int, stop: int) -> Line:
        width = x.shape[-1]
        parts = [
            self._part(y, start, stop) if y.shape and y.shape[-1] == width else self.new.get(y, y) for y in x.operands
        ]
        origin = x.origin._replace(role=(x.origin.role, start))
        made = self.page.write(x.op, parts, (*x.shape[:-1], stop - start), x.dtype, origin)
        made.number = min(made.number, x.number)
        return made


# Time steps ------------------------------------------------------------------------------------------------------------


def apart(lines: Lines) -> Lines:
    """Batch time steps, but for lines that only time steps that wait for each other read: each stands right before its reader."""
    local = _local(lines)
    return _late(batched(lines, local))


def _local(lines: Lines) -> set[Line]:
    """What is only read, entry by entry, by lines that wait for other time steps."""
    results, readers, waiting = set(lines.results), readers_of(lines.order), waiting_lines(lines)
    found: set[Line] = set()

    def reads(line: Line) -> bool:
        if line.op.kind == VIEW:
            return line in found
        return _fits_a_loop(line) and (line in waiting or line in found)

    for line in reversed(lines.order):
        near = readers.get(line, ())
        if (line.op.kind == VIEW or _fits_a_loop(line)) and near and line not in results and all(map(reads, near)):
            found.add(line)
    return found


def _late(lines: Lines) -> Lines:
    """Every line a loop can compute right before its first reader, if what it is computed from is kept until then anyway."""
    return lines._replace(order=_Lateness(lines).order())


class _Lateness:
    """When lines are read.

    uses:   the lines that read a value, a view of it, or what it is a part of, the first one first
    places: how many of them stand in each time step
    """

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.readers = readers_of(lines.order)
        self.uses: dict[Line, list[Line]] = {}
        self.places: dict[Line, Counter[Any]] = {}

    def order(self) -> list[Line]:
        """The lines, with new numbers, sorted anew."""
        results = set(self.lines.results)
        for i, line in enumerate(self.lines.order):
            line.number = i  # a line may be older than what it is computed from
        for line in reversed(self.lines.order):
            if line in results or not _fits_a_loop(line) or not (uses := self._uses(line)):
                continue
            first = min(uses, key=lambda use: use.number)  # some have a later place by now
            if first.number > line.number and self._is_kept(line, first):
                line.number = first.number
        return sorted_lines(self.lines.order)

    def _uses(self, line: Line) -> list[Line]:
        if line not in self.uses:
            found, stack = dict[Line, None](), [line]
            while stack:
                for reader in self.readers.get(stack.pop(), ()):
                    if _is_view(reader) or reader.op.kind == TILES:
                        stack.append(reader)
                    else:
                        found[reader] = None
            self.uses[line] = sorted(found, key=lambda use: use.number)
        return self.uses[line]

    def _is_kept(self, line: Line, first: Line) -> bool:
        """Whether what it is computed from is read as late as that by others too, or takes no more memory than the line."""
        return sum([x.nbytes for x in self._kept_longer(line, first, 0)]) <= line.nbytes

    def _kept_longer(self, line: Line, first: Line, depth: int) -> set[Line]:
        """What would have to be kept longer, were the line computed right before the first one that reads it."""
        found: set[Line] = set()
        for x in line.operands:
            while _is_view(x):
                (x,) = x.operands
            if x.op.kind == LEAF or x.array is not None:
                continue
            if self._is_read_late(x, line, first):
                continue
            if self._uses(x) == [line] and _fits_a_loop(x) and depth < DEEPEST:
                found |= self._kept_longer(x, first, depth + 1)
            else:
                found.add(x)
        return found

    def _is_read_late(self, x: Line, line: Line, first: Line) -> bool:
        """Whether others than the line read a value as late as the first one does, or in its time step."""
        uses = self._uses(x)
        if x not in self.places:
            self.places[x] = Counter(map(_place, uses))
        after = any(use is not line and use.number >= first.number for use in uses[-2:])
        return after or (self.places[x][_place(first)] > (_place(line) == _place(first)) and bool(first.origin.step))


def _place(line: Line) -> Any:
    """Which time step it belongs to, and in which direction."""
    return line.origin.step, line.origin.adjoint


def _is_view(line: Line) -> bool:
    return line.op.kind in (VIEW, RESHAPE) and line.array is None
