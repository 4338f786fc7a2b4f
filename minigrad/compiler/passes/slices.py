"""Merge calls on adjacent column slices of one array: tanh(p[:, :2]) and tanh(p[:, 2:5]) are one call on p[:, :5]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from minigrad.compiler.ir import Index, column_slice
from minigrad.compiler.lines import Line, Lines, columns_of, rebuilt


def neighbors(lines: Lines) -> Lines:
    """Apply a function once to neighboring slices of one array: f(p[:, :2]) and f(p[:, 2:5]) become f(p[:, :5])."""
    while (joined := _joined_slices(lines)) is not lines:  # then the next function sees neighbors in its turn
        lines = joined
    return lines


class _Slice(NamedTuple):
    """What is computed of the columns start..stop of a base; `like` is equal where all else is the same."""

    start: int
    stop: int
    base: Line
    like: Any


def _slice_of(line: Line) -> _Slice | None:
    """Of an entrywise call whose operands are one slice of columns, and numbers."""
    if not line.op.entrywise:
        return None
    sliced = [x for x in line.operands if x.shape]
    if len(sliced) != 1 or not isinstance(sliced[0].op, Index) or sliced[0].array is not None:
        return None
    (base,) = sliced[0].operands
    part = columns_of(sliced[0])
    if part is None:
        return None
    start, stop = part
    others = tuple([None if x.shape else x for x in line.operands])
    return _Slice(start, stop, base, (line.op, line.dtype, base, others))


def _joined_slices(lines: Lines) -> Lines:
    page = lines.page
    families: dict[Any, list[tuple[int, int, Line]]] = {}
    for line in lines.order:
        found = _slice_of(line)
        if found is not None:
            families.setdefault(found.like, []).append((found.start, found.stop, line))
    runs: dict[Line, tuple[int, int]] = {}
    for family in families.values():
        for run in _side_by_side(sorted(family, key=lambda member: member[:2])):
            runs.update(dict.fromkeys([line for _, _, line in run], (run[0][0], run[-1][1])))
    if not runs:
        return lines

    def change(line: Line, operands: tuple[Line, ...]) -> Line | None:
        if line not in runs or (found := _slice_of(page.like(line, operands))) is None:
            return None
        first, last = runs[line]
        shape = (*line.shape[:-1], last - first)
        seen = found.base
        if shape != seen.shape:
            seen = page.write(column_slice(len(shape), first, last), (seen,), shape, seen.dtype, line.origin)
        whole = page.write(line.op, [seen if x.shape else x for x in operands], shape, line.dtype, line.origin.within())
        mine = column_slice(len(shape), found.start - first, found.stop - first)
        return page.write(mine, (whole,), line.shape, line.dtype, line.origin)

    return rebuilt(lines, change)


def _side_by_side(family: Sequence[tuple[int, int, Line]]) -> list[list[tuple[int, int, Line]]]:
    """Runs of two or more stretches, each of which begins where the one before ends."""
    runs: list[list[tuple[int, int, Line]]] = []
    for member in family:
        if runs and runs[-1][-1][1] == member[0]:
            runs[-1].append(member)
        else:
            runs.append([member])
    return [run for run in runs if len(run) > 1]
