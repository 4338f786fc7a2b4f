"""Avoid or batch the copies of columns that every time step joins side by side, such as the adjoints of gates.

`shared` takes such columns from a stack where they stand already, `columns` copies several of them by one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.compiler.indices import Entries
from minigrad.compiler.ir import INTO, MATMUL, RESHAPE, TRANSPOSED, Join, Permute, Reshape, column_slice
from minigrad.compiler.lines import Line, Lines, Origin, copy_of, joined_columns, places_of, readers_of, rebuilt
from minigrad.compiler.passes.time import stack_of
from minigrad.compiler.storage.chains import is_stack

FEWEST_BLOCKS, MOST_BLOCKS = 3, 8  # parts of a matrix that are made as blocks first
SHORT_PIECE = 256  # bytes: longer pieces of rows are written where they belong as quickly as blocks


def _tiles(line: Line) -> list[slice] | None:
    """The columns of the parts of a matrix that a time step joins, as slices a:b; None where it is something else."""
    ranges = joined_columns(line) if len(line.shape) == 2 and line.origin.step else None
    return None if ranges is None else [slice(*each) for each in ranges]


# Columns that two matrices share ---------------------------------------------------------------------------------------


def shared(lines: Lines) -> Lines:
    """Compute a product column by column where another product's stack holds some of its columns, so that none is copied.

    The adjoints of what drives a GRU's gates from the inputs and from the states differ in one gate of three.
    """
    search = _Shared(lines)
    found = search.stacks()
    return rebuilt(lines, _Split(lines, found).change) if found else lines


class _Shared:
    def __init__(self, lines: Lines) -> None:
        self.readers = readers_of(lines.order)
        self.results = set(lines.results)
        self.stacks_of = {line.operands: line for line in lines.order if is_stack(line)}

    def stacks(self) -> dict[Line, list[Line | None]]:
        """The stacks to be taken apart; for each of their columns the stack where they stand too, or None."""
        found: dict[Line, list[Line | None]] = {}
        kept: set[Line] = set()
        for stack in self.stacks_of.values():
            columns = _tiles(stack.operands[0])
            alike = columns is not None and len({part.op for part in stack.operands}) == 1
            if not alike or columns is None or stack in kept or not self._is_only_multiplied(stack):
                continue
            if any(self.readers[matrix] != [stack] for matrix in stack.operands):  # it is needed as one matrix anyway
                continue
            others = [self._elsewhere(stack, i) for i in range(len(columns))]
            if any(others) and not any(other in found for other in others if other is not None):
                found[stack] = others
                kept.update([other for other in others if other is not None])
        return found

    def _is_only_multiplied(self, stack: Line) -> bool:
        """Whether it is only read as one matrix of all rows, by products that can be made column by column."""
        return stack not in self.results and all(
            flat.op.kind == RESHAPE
            and flat.shape[1:] == stack.shape[2:]
            and flat not in self.results
            and all(self._is_multiplied(flat, reader) for reader in self.readers[flat])
            for flat in self.readers[stack]
        )

    def _is_multiplied(self, flat: Line, reader: Line) -> bool:
        """A' X, or ones A."""
        if reader.op == TRANSPOSED:
            products = self.readers.get(reader, ())
            alone = reader not in self.results
            return alone and all(x.op == MATMUL and x.operands[0] is reader is not x.operands[1] for x in products)
        vector, matrix = reader.operands if reader.op == MATMUL else (flat, None)
        return matrix is flat and len(vector.shape) == 1

    def _elsewhere(self, stack: Line, i: int) -> Line | None:
        """Another stack with the same part in the same columns, or of the same parts, in every time step."""
        whole = self.stacks_of.get(tuple([matrix.operands[i] for matrix in stack.operands]))
        if whole is not None:
            return whole
        index = places_of(stack.operands[0])[i]
        for whole in self.readers[stack.operands[0].operands[i]]:
            if whole is stack.operands[0] or _tiles(whole) is None or index not in places_of(whole):
                continue
            for other in self.readers[whole]:
                if other is not stack and is_stack(other) and len(other.operands) == len(stack.operands):
                    pairs = zip(stack.operands, other.operands, strict=True)
                    if all(_tiles(b) and _part_at(b, index) is a.operands[i] for a, b in pairs):
                        return other
        return None


def _part_at(line: Line, index: Any) -> Line | None:
    return next((part for part, place in zip(line.operands, places_of(line), strict=True) if place == index), None)


class _Split:
    def __init__(self, lines: Lines, found: dict[Line, list[Line | None]]) -> None:
        self.page = lines.page
        self.page.names["concatenate"] = np.concatenate
        self.found = found
        self.new: dict[Line, Line] = {}

    def change(self, line: Line, operands: tuple[Line, ...]) -> Line | None:
        """A product with a stack that is taken apart, as the products with its parts on top of each other."""
        self.new.update(zip(line.operands, operands, strict=True))
        if line.op != MATMUL:
            return None
        a, b = line.operands
        turned = a.op == TRANSPOSED and a.operands[0].op.kind == RESHAPE
        flat = a.operands[0] if turned else b
        if flat.op.kind != RESHAPE or flat.operands[0] not in self.found:
            return None
        stack = flat.operands[0]
        parts, places = [], []
        for i, columns in enumerate(_tiles(stack.operands[0]) or ()):
            rows = self._rows(stack, i, columns, line.origin)
            if turned:
                shape = rows.shape[::-1]
                factors = (self.page.write(TRANSPOSED, (rows,), shape, rows.dtype, line.origin), operands[1])
            else:
                factors = (operands[0], rows)
            shape = (rows.shape[1], *line.shape[1:])
            parts.append(self.page.write(MATMUL, factors, shape, line.dtype, line.origin.within()))
            places.append((columns,))
        order = sorted(range(len(parts)), key=lambda i: places[i][0].start)
        op = Join("concatenate", 0, Entries([places[i] for i in order]))
        return self.page.write(op, [parts[i] for i in order], line.shape, line.dtype, line.origin)

    def _rows(self, stack: Line, i: int, among: slice, origin: Origin) -> Line:
        """The i-th columns of all time steps, as one matrix: seen in the other stack, or a stack of their own."""
        other = self.found[stack][i]
        if other is None:
            whole = stack_of(
                self.page, [self.new[matrix.operands[i]] for matrix in stack.operands], stack.shape[0], origin
            )
        else:
            shape = (*stack.shape[:2], among.stop - among.start)
            whole = self.new.get(other, other)
            if shape != whole.shape:
                seen = column_slice(3, among.start, among.stop)
                whole = self.page.write(seen, (whole,), shape, stack.dtype, origin)
        flat = (whole.shape[0] * whole.shape[1], whole.shape[2])
        return self.page.write(Reshape(flat), (whole,), flat, whole.dtype, origin)


# Columns made as blocks ------------------------------------------------------------------------------------------------


def columns(lines: Lines) -> Lines:
    """Write the narrow columns of a matrix, made in every time step, as blocks, and copy the blocks into its rows at once."""
    page, readers = lines.page, readers_of(lines.order)
    found: dict[Line, Line] = {}  # a matrix to its columns, (batch, gates, units)
    page.names["stack"] = np.stack

    def change(line: Line, operands: tuple[Line, ...]) -> Line | None:
        if is_stack(line) and all(x in found for x in operands):
            whole = stack_of(page, [found[x] for x in operands], line.shape[0], line.origin)
            return page.write(Reshape(line.shape), (whole,), line.shape, line.dtype, line.origin)
        parts = _narrow_parts(line, operands)
        if parts is None or any(_tiles(reader) for reader in readers.get(line, ())):  # it is a part itself
            return None
        n, (batch, width) = len(parts), line.shape
        placed = Join("stack", 0, Entries([(i, slice(None)) for i in range(n)]))
        blocks = page.write(placed, parts, (n, batch, width // n), line.dtype, line.origin)
        seen = page.write(Permute((1, 0, 2)), (blocks,), (batch, n, width // n), line.dtype, line.origin)
        copy = copy_of(seen)  # in every step, so that the blocks of the next one lie where these do
        made = page.write(Reshape(line.shape), (copy,), line.shape, line.dtype, line.origin)
        for each in (blocks, seen, copy, made):
            each.number = line.number
        found[made] = copy
        return made

    return rebuilt(lines, change)


def _narrow_parts(line: Line, operands: Sequence[Line]) -> list[Line] | None:
    """The parts of a matrix from left to right, if they are alike, computed here, and narrow enough."""
    pairs = _pairs(line, operands, 0)
    if pairs is None or not FEWEST_BLOCKS <= len(pairs) <= MOST_BLOCKS:
        return None
    parts = [part for _, part in sorted(pairs, key=lambda pair: pair[0])]
    alike = len({part.shape for part in parts}) == 1 and len(set(parts)) == len(parts)
    narrow = parts[0].shape[1] * line.dtype.itemsize <= SHORT_PIECE
    return parts if alike and narrow and all(part.op.kind == INTO for part in parts) else None


def _pairs(line: Line, operands: Sequence[Line], first: int) -> list[tuple[int, Line]] | None:
    """The parts of a matrix, of which one may be such a matrix itself, and where they begin."""
    columns = _tiles(line)
    if columns is None:
        return None
    pairs: list[tuple[int, Line]] = []
    for part, where in zip(operands, columns, strict=True):
        start = first + where.start
        pairs += _pairs(part, part.operands, start) or [(start, part)]
    return pairs
