"""Arrays as a few words: in full where they are small, else their range, their mean, and what is not finite."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

LONGEST_VECTOR = 4  # entries of a vector that is written in full,
LONGEST_SIDE = 3  # rows and columns of a matrix
ROUNDING = 4  # units in the last place of the largest entry, up to which a mean is rounding


def rows(array: np.ndarray[Any, Any]) -> tuple[str, ...]:
    """The array as lines of text: one, or the rows of a small matrix, their columns aligned."""
    if array.size == 0:
        return ("empty",)
    if array.ndim == 0:
        return (number(array[()]),)
    if array.ndim == 1 and array.size <= LONGEST_VECTOR:
        return (f"[{', '.join([number(entry) for entry in array])}]",)
    if array.ndim == 2 and max(array.shape) <= LONGEST_SIDE:
        entries = [[number(entry) for entry in row] for row in array]
        width = max(len(entry) for row in entries for entry in row) if len(entries) > 1 else 0  # columns align
        return tuple([f"[{', '.join([entry.rjust(width) for entry in row])}]" for row in entries])
    return (statistics(figures(array), array.size, array.dtype.kind),)


def line(rows: tuple[str, ...]) -> str:
    """The rows of a summary in one line, without the spaces that align columns."""
    if len(rows) < 2:
        return "".join(rows)
    return f"[{', '.join(['[' + ', '.join([entry.strip() for entry in row[1:-1].split(',')]) + ']' for row in rows])}]"


def cut(text: str, width: int) -> str:
    """A summary in one line, no longer than that, and no number cut: whole entries, or whole statistics, are left out."""
    if len(text) <= width:
        return text
    mark = "  " if text[0] != "[" else ", "
    parts = text.split(mark)
    while len(parts) > 1 and len(mark.join(parts)) + len(mark) + 1 > width:
        parts.pop()
    shorter = mark.join(parts) + mark + "…"
    return shorter if len(shorter) <= width else "…"


def number(entry: Any) -> str:
    """A number to four significant digits, whole numbers and truth values as they are; of −0 the sign is left out."""
    return f"{entry + 0:.4g}" if isinstance(entry, float | np.floating) else str(entry)


class Figures(NamedTuple):
    """The least, the greatest and the mean of the finite entries (nan where there are none), and how many are nan or infinite.

    A mean that is nothing but rounding, as of entries that cancel, is 0: its digits depend on the processor.
    """

    least: float
    greatest: float
    mean: float
    nans: int
    infinities: int


def figures(array: np.ndarray[Any, Any]) -> Figures:
    """Describe the entries of an array by a few numbers."""
    numbers = array.ravel().astype(np.float64)
    if not numbers.size:
        return Figures(math.nan, math.nan, math.nan, 0, 0)
    least, greatest = float(numbers.min()), float(numbers.max())
    nans = infinities = 0
    if not math.isfinite(least) or not math.isfinite(greatest):
        nans = int(np.isnan(numbers).sum())
        infinities = int(np.isinf(numbers).sum())
        numbers = numbers[np.isfinite(numbers)]
        least, greatest = (float(numbers.min()), float(numbers.max())) if numbers.size else (math.nan, math.nan)
    with np.errstate(over="ignore"):
        mean = float(numbers.mean()) if numbers.size else math.nan
    if array.dtype.kind == "f" and abs(mean) <= ROUNDING * np.finfo(array.dtype).eps * max(-least, greatest):
        mean = 0.0
    return Figures(least, greatest, mean, nans, infinities)


def statistics(found: Figures, size: int, kind: str) -> str:
    """Least … greatest, μ mean of the finite entries; how many are nan or infinite. kind: of the dtype."""
    if kind == "b":
        return f"{round(found.mean * size)} of {size} true"
    parts = []
    if found.least == found.least:
        spread = f"{found.least:.3g} … {found.greatest:.3g}  μ {found.mean:.3g}"
        parts.append(f"all {number(found.least)}" if found.least == found.greatest else spread)
    counts = ((found.nans, "nan"), (found.infinities, "inf"))
    return "  ".join([*parts, *[f"{count} {what}" for count, what in counts if count]])
