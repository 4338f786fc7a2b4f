"""Flatten images into long rows, (batch, height · width · channels), for entrywise lines with one number per channel.

NumPy works through the last axis at a time: with 6 channels, adding a bias to images takes four times as long as adding
long rows, in which the bias is repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from minigrad.compiler.ir import INTO, RESHAPE, Repeated, Reshape
from minigrad.compiler.lines import Line, Lines, Page, rebuilt

MANY_CHANNELS = 32  # channels: more are a row that is long enough
LONG_ROW = 256  # entries of a row, at least, if there are as many
FEWEST_ENTRIES = 1 << 12  # entries of images: fewer take no time


def repeated(x: Any, n: int, out: Any = None) -> Any:
    """The entries of x n times over, as one row."""
    if out is None:
        return np.tile(x.reshape(-1), n)
    out.reshape(n, x.size)[:] = x.reshape(-1)
    return out


def rows(lines: Lines) -> Lines:
    """Compute with images and one number per channel in long rows, in which the numbers are repeated."""
    page = lines.page
    page.names.setdefault("repeated", repeated)

    def change(line: Line, operands: tuple[Line, ...]) -> Line | None:
        if (
            not line.op.entrywise
            or len(line.shape) < 3
            or line.shape[-1] >= MANY_CHANNELS
            or line.size < FEWEST_ENTRIES
        ):
            return None
        shape = _shape_in_rows(line.shape)
        images = [x for x in operands if x.shape == line.shape]
        channels = [x for x in operands if x not in images and x.shape]
        if not all(x.size == x.shape[-1] == line.shape[-1] for x in channels):
            return None
        there = [x.op.kind == RESHAPE and x.operands[0].shape == shape for x in images]
        if not images or not (all(there) or (channels and all(_is_whole(x) for x in images))):
            return None

        def in_row(x: Line) -> Line:
            if x in images:
                return _in_place_of(line, reshaped(page, x, shape))
            if not x.shape:
                return x
            made = page.write(Repeated(shape[1] // x.size), (x,), shape[1:], x.dtype, line.origin._replace(name=""))
            return _in_place_of(line, made)

        row = page.write(line.op, [in_row(x) for x in operands], shape, line.dtype, line.origin)
        return reshaped(page, _in_place_of(line, row), line.shape)

    return _rebuilt(lines, change)


def _shape_in_rows(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows of as few of the last axes as make them long enough, at least two."""
    axes = next((i for i in range(len(shape) - 2, 0, -1) if prod(shape[i:]) >= LONG_ROW), 1)
    return prod(shape[:axes]), prod(shape[axes:])


def _is_whole(x: Line) -> bool:
    """Whether its entries follow each other in memory of its own."""
    while x.op.kind == RESHAPE:
        x = x.operands[0]
    return x.op.kind == INTO


def reshapes(lines: Lines) -> Lines:
    """Merge consecutive reshapes."""

    def change(line: Line, operands: tuple[Line, ...]) -> Line | None:
        if line.op.kind != RESHAPE or operands[0].op.kind != RESHAPE:
            return None
        return reshaped(lines.page, operands[0], line.shape)

    return _rebuilt(lines, change)


def _rebuilt(lines: Lines, change: Callable[[Line, tuple[Line, ...]], Line | None]) -> Lines:
    """The lines written again, where they stood: all that depends on a bias would come last otherwise."""

    def changed(line: Line, operands: tuple[Line, ...]) -> Line | None:
        new = change(line, operands)
        if new is None and operands != line.operands and line.after is None:
            new = lines.page.like(line, operands)
        return None if new is None else _in_place_of(line, new)

    return rebuilt(lines, changed)


def _in_place_of(line: Line, new: Line) -> Line:
    new.number = min(new.number, line.number)
    return new


def reshaped(page: Page, x: Line, shape: tuple[int, ...]) -> Line:
    """A line in another shape, or the one it had before; what a view would be copied for is not copied twice."""
    while x.op.kind == RESHAPE and _is_whole(x):
        x = x.operands[0]
    if x.shape == shape:
        return x
    return page.write(Reshape(shape), (x,), shape, x.dtype, x.origin)
