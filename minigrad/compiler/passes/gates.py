"""Lay out gates as blocks: (gates, batch, units) instead of the columns of one matrix, (batch, gates · units).

A gated cell computes all gates by one product, and goes on with slices of it, p[:, :n], p[:, n:2n], ... These are short
pieces of long rows, and every call on them costs two to five times what it costs on a block of memory. So the product is
made gate by gate, h W_k' for all k in one call, whatever is computed entry by entry follows in blocks, and a slice is a
block, q[k]. What the inputs contribute, one product for all time steps, is brought into blocks where its bias is added.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from math import gcd
from typing import Any

import numpy as np

from minigrad.compiler.ir import COPIED, MATMUL, RESHAPE, TRANSPOSED, Index, Op, Permute, Reshape
from minigrad.compiler.lines import Line, Lines, Origin, columns_of, is_entrywise, readers_of, rebuilt, row_of
from minigrad.compiler.passes.time import waiting_lines

MOST_GATES = 8  # gates: a product of more would be many calls of BLAS on little


def gates(lines: Lines) -> Lines:
    """Lay out in blocks what every time step slices by columns, such as the gates of an LSTM: p[:, n:2n] becomes q[1]."""
    search = _Search(lines)
    units = search.units()
    return rebuilt(lines, _Blocks(lines, search, units).change) if units else lines


def _gates(line: Line) -> tuple[int, int] | None:
    """The range of columns that a line is of a matrix, if not all of them; None where it is something else."""
    if not line.origin.step or len(line.shape) != 2 or not line.operands or line.shape == line.operands[0].shape:
        return None
    return columns_of(line)


class _Families:
    """Matrices that have to be laid out alike: sets of lines that can be joined (union-find)."""

    def __init__(self) -> None:
        self.above: dict[Line, Line] = {}

    def root(self, line: Line) -> Line:
        """The line that stands for the family of this one."""
        path = [line]
        while (above := self.above.setdefault(path[-1], path[-1])) is not path[-1]:
            path.append(above)
        self.above.update(dict.fromkeys(path, path[-1]))
        return path[-1]

    def join(self, a: Line, b: Line) -> None:
        """Let the two be of one family."""
        self.above[self.root(a)] = self.root(b)

    def sets(self) -> Iterable[list[Line]]:
        """The families."""
        found: dict[Line, list[Line]] = {}
        for line in list(self.above):
            found.setdefault(self.root(line), []).append(line)
        return found.values()


class _Search:
    """Which matrices can be laid out in blocks, and of how many units: their families are what is sliced by columns, and all
    that is computed from it, or it from, entry by entry.
    """

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.results = set(lines.results)
        self.waiting = waiting_lines(lines)
        self.readers = readers_of(lines.order)

    def units(self) -> dict[Line, int]:
        """The lines that will be blocks or are sliced, and the units of each."""
        found: dict[Line, int] = {}
        for family in self._families().sets():
            n, members = self._width(family), set(family)
            if (
                n
                and any(line.shape[1] > n for line in family)
                and self._gains(family)
                and all(self._may(line, n, members) for line in family)
            ):
                found.update(dict.fromkeys(family, n))
        return found

    def _families(self) -> _Families:
        families = _Families()
        slices = [line for line in self.lines.order if _gates(line) is not None]
        waiting = list(dict.fromkeys([line.operands[0] for line in slices]))
        seen = set(waiting)
        while waiting:
            line = waiting.pop()
            families.root(line)
            near = self.readers.get(line, []) + (list(line.operands) if is_entrywise(line) else [])
            for other in near:
                if is_entrywise(other) and other.shape == line.shape:
                    families.join(line, other)
                    if other not in seen:
                        seen.add(other)
                        waiting.append(other)
        for line in slices:  # several gates, which are sliced further or computed on
            for other in (line, *self.readers.get(line, ())):
                if other in seen and other.shape == line.shape:
                    families.join(line.operands[0], other)
        return families

    def _width(self, family: Sequence[Line]) -> int:
        """The greatest width that goes into all slices; 0 where there are none."""
        ends = [end for line in family for reader in self.readers.get(line, ()) for end in _gates(reader) or ()]
        return gcd(*ends, *[line.shape[1] for line in family]) if any(ends) else 0

    def _gains(self, family: Sequence[Line]) -> bool:
        """Whether a product can be made in blocks, or what is the same for all time steps brought into them.

        Not a product that waits for no other time step: it is better made for all of them at once, in rows.
        """
        sources = {x for line in family for x in ((line, *line.operands) if is_entrywise(line) else (line,))}
        return any((x in self.waiting and x.op == MATMUL) or _hoisted(x) for x in sources)

    def _may(self, line: Line, n: int, family: Collection[Line]) -> bool:
        """Whether a line can be in blocks: nobody needs it in rows."""
        readers = self.readers.get(line, ())
        if not is_entrywise(line):
            return all(self._fits(reader, n, family) for reader in readers if _gates(reader))
        few = line not in self.results and line.shape[1] // n <= MOST_GATES
        return few and all(self._takes(reader, line, n, family) for reader in readers)

    def _takes(self, reader: Line, line: Line, n: int, family: Collection[Line]) -> bool:
        """Whether a reader takes a line in blocks: it slices it, or computes on it in blocks itself."""
        if _gates(reader) is not None:
            return self._fits(reader, n, family)
        return reader in family and reader.shape == line.shape

    def _fits(self, part: Line, n: int, family: Collection[Line]) -> bool:
        """Whether a slice is one block, or several whose readers take them so."""
        start, stop = _gates(part) or (0, 0)
        readers = self.readers.get(part, ())
        several = part not in self.results and all(self._takes(x, part, n, family) for x in readers)
        return stop - start == n or several


def _hoisted(line: Line) -> bool:
    """Whether it is one row of what is the same for all time steps, (time, batch, columns)."""
    base = line.operands[0] if row_of(line) is not None else None
    return base is not None and base.op.kind == RESHAPE and len(base.shape) == 3


class _Blocks:
    """Writes lines in blocks. `units` says which."""

    def __init__(self, lines: Lines, search: _Search, units: dict[Line, int]) -> None:
        self.page = lines.page
        self.readers = search.readers
        self.waiting = search.waiting
        self.units = units
        self.known: dict[tuple[Line, int], Line] = {}  # in blocks of so many units, what is not computed entry by entry
        self.new: dict[Line, Line] = {}

    def change(self, line: Line, operands: tuple[Line, ...]) -> Line | None:
        """The line in blocks, if it is to be; a slice as blocks."""
        self.new.update(zip(line.operands, operands, strict=True))
        n = self.units.get(line)
        if n is not None and is_entrywise(line):
            return self._computed(line, n)
        base = line.operands[0] if line.operands else line
        if _gates(line) is None or base not in self.units:
            return None
        return self._slice(line, self.units[base])

    def _computed(self, line: Line, n: int) -> Line:
        shape = self._shape(line, n)
        operands = [self._operand(x, line, n) for x in line.operands]
        return self._written(line.op, operands, shape, line.dtype, line.origin, line.number)

    def _slice(self, line: Line, n: int) -> Line:
        start, stop = _gates(line) or (0, 0)
        whole = self._in_blocks(line.operands[0], n)
        first, last = start // n, stop // n
        if last - first == 1:
            return self._view(Index.of(first), whole, line.shape, line.origin)
        return self._view(Index.of(slice(first, last)), whole, self._shape(line, n), line.origin)

    def _shape(self, line: Line, n: int) -> tuple[int, ...]:
        """(..., batch, gates · units) as (..., gates, batch, units)."""
        *lead, batch, width = line.shape
        return (*lead, width // n, batch, n)

    def _operand(self, x: Line, line: Line, n: int) -> Line:
        """An operand of what is computed in blocks."""
        return self._in_blocks(x, n) if x.shape == line.shape else self._row(x, n, line.shape[-1])

    def _in_blocks(self, x: Line, n: int) -> Line:
        """A matrix in blocks; it may be there, computed so or as several blocks of another."""
        there = x in self.units if is_entrywise(x) else _gates(x) is not None and x.operands[0] in self.units
        return self.new[x] if there else self._source(x, n)

    def _row(self, x: Line, n: int, width: int) -> Line:
        """What broadcasts: of a bias, each gate's part below its block; numbers and columns as they are."""
        new = self.new[x]
        if not x.shape or x.shape[-1] != width:
            return new
        whole = self._reshaped(new, (*x.shape[:-1], width // n, n), x.origin)
        if len(x.shape) == 1:
            return self._reshaped(new, (width // n, 1, n), x.origin)
        return self._swapped(whole)

    def _source(self, x: Line, n: int) -> Line:
        """Something else in blocks: a product made so, a row of what lies so, or another view of what lies in rows."""
        if (x, n) not in self.known:
            if x.op == MATMUL and x in self.waiting and self._is_only_read_in_blocks(x):
                self.known[x, n] = self._product(x, n)
            elif _hoisted(x):
                whole = self._all_steps(x.operands[0], n)
                self.known[x, n] = self._view(x.op, whole, self._shape(x, n), x.origin)
            else:
                self.known[x, n] = self._seen(self.new[x], n)
        return self.known[x, n]

    def _is_only_read_in_blocks(self, x: Line) -> bool:
        return all(
            reader in self.units if is_entrywise(reader) else _gates(reader) is not None and x in self.units
            for reader in self.readers[x]
        )

    def _product(self, x: Line, n: int) -> Line:
        """a W as a W_k for every gate k, the weights of each as a block of their own."""
        a, weight = (self.new.get(operand, operand) for operand in x.operands)
        if weight.op == COPIED:
            (weight,) = weight.operands
        rows, width = weight.shape
        if weight.op == TRANSPOSED:
            tall = self._reshaped(weight.operands[0], (width // n, n, rows), weight.origin)
            by_gate = self._view(Permute((0, 2, 1)), tall, (width // n, rows, n), weight.origin)
        else:
            by_gate = self._swapped(self._reshaped(weight, (rows, width // n, n), weight.origin))
        copy = self._written(COPIED, (by_gate,), by_gate.shape, weight.dtype, weight.origin, weight.number)
        return self._written(MATMUL, (a, copy), self._shape(x, n), x.dtype, x.origin, x.number)

    def _all_steps(self, whole: Line, n: int) -> Line:
        """(time, batch, columns) in blocks: a sum with a bias, which comes first, is written so."""
        if (whole, n) not in self.known:
            (flat,) = whole.operands
            alone = self.readers[flat] == [whole] and all(
                _hoisted(row) and self._is_only_read_in_blocks(row) for row in self.readers[whole]
            )
            if is_entrywise(flat) and len(flat.shape) == 2 and flat.shape[1] == whole.shape[2] and alone:
                operands = [self._flat_operand(x, whole, n) for x in flat.operands]
                shape = self._shape(whole, n)
                self.known[whole, n] = self._written(flat.op, operands, shape, flat.dtype, flat.origin, flat.number)
            else:
                self.known[whole, n] = self._seen(self.new[whole], n)
        return self.known[whole, n]

    def _flat_operand(self, x: Line, whole: Line, n: int) -> Line:
        """An operand of (time · batch, columns), which is `whole` before its first axis was parted."""
        rows, width = whole.operands[0].shape
        if x.shape == (rows, width):
            return self._seen(self._reshaped(self.new[x], whole.shape, x.origin), n)
        if x.shape == (rows, 1):
            return self._reshaped(self.new[x], (whole.shape[0], 1, whole.shape[1], 1), x.origin)
        return self._row(x, n, width)

    def _seen(self, line: Line, n: int) -> Line:
        """(..., batch, columns), which lies in rows, seen as blocks."""
        *lead, width = line.shape
        return self._swapped(self._reshaped(line, (*lead, width // n, n), line.origin))

    def _swapped(self, line: Line) -> Line:
        """The last axis but one before the one before it."""
        i = len(line.shape) - 3
        shape = (*line.shape[:i], line.shape[i + 1], line.shape[i], line.shape[-1])
        return self._view(Permute.swapped(len(shape), i, i + 1), line, shape, line.origin)

    def _reshaped(self, line: Line, shape: tuple[int, ...], origin: Origin) -> Line:
        return self._written(Reshape(shape), (line,), shape, line.dtype, origin, line.number)

    def _view(self, op: Op, line: Line, shape: tuple[int, ...], origin: Origin) -> Line:
        return self._written(op, (line,), shape, line.dtype, origin, line.number)

    def _written(
        self,
        op: Op,
        operands: Sequence[Line],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        origin: Origin,
        number: int,
    ) -> Line:
        """A line in the place of another, whose number it is."""
        made = self.page.write(op, operands, shape, dtype, origin)
        made.number = min(made.number, number)
        return made
