"""Arrays as a few words: in full where they are small, else their range, their mean, and what is not finite."""

from __future__ import annotations

from typing import Any

import numpy as np

LONGEST_VECTOR = 4  # entries of a vector that is written in full,
LONGEST_SIDE = 3  # rows and columns of a matrix


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
    return (_statistics(array),)


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
    """A number to four significant digits, whole numbers and truth values as they are."""
    return f"{entry:.4g}" if isinstance(entry, float | np.floating) else str(entry)


def _statistics(array: np.ndarray[Any, Any]) -> str:
    """Least … greatest, μ mean of the finite entries; how many are nan or infinite."""
    if array.dtype.kind == "b":
        return f"{int(array.sum())} of {array.size} true"
    finite = array[np.isfinite(array)].astype(np.float64)
    parts = []
    if finite.size:
        with np.errstate(over="ignore"):
            mean = finite.mean()
        least, greatest = finite.min(), finite.max()
        parts.append(f"all {number(least)}" if least == greatest else f"{least:.3g} … {greatest:.3g}  μ {mean:.3g}")
    nans = int(np.isnan(array).sum())
    infinities = array.size - finite.size - nans
    parts += [f"{count} {what}" for count, what in ((nans, "nan"), (infinities, "inf")) if count]
    return "  ".join(parts)
