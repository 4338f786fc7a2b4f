"""Represent indices as hashable values; print them, bring them to a canonical form, and list the numbers in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


class Entries(tuple):  # type: ignore[type-arg]
    """The entries of an index, or several indices, as a key: slices have no hash before Python 3.12."""

    __slots__ = ()

    def __hash__(self) -> int:
        return hash(repr(tuple(self)))


def index_text(entries: Sequence[Any], number: Callable[[int], str] = str) -> str:
    """Write an index as it stands between brackets. number: writes each of its numbers"""

    def entry_text(entry: Any) -> str:
        if not isinstance(entry, slice):
            return "..." if entry is Ellipsis else "None" if entry is None else number(int(entry))
        start, stop, step = (
            "" if part is None else number(int(part)) for part in (entry.start, entry.stop, entry.step)
        )
        return f"{start}:{stop}" + (f":{step}" if step else "")

    return ", ".join(map(entry_text, entries)) or "()"


def index_numbers(entries: Sequence[Any]) -> tuple[int, ...]:
    """Give the numbers in an index, in the order in which `index_text` writes them."""
    parts = [
        part
        for entry in entries
        for part in ((entry.start, entry.stop, entry.step) if isinstance(entry, slice) else (entry,))
    ]
    return tuple([int(part) for part in parts if part is not None and part is not Ellipsis])


def plain_index(entries: Sequence[Any], shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Write an index without Ellipsis, numbers counted from the front, slices with their ends: [..., -2:] of (3, 6) is [:, 4:6].

    So what names the same part is the same index.
    """
    missing = len(shape) - sum(entry is not None and entry is not Ellipsis for entry in entries)
    found: list[Any] = []
    lengths = iter(shape)
    for entry in entries:
        if entry is Ellipsis:
            found += [slice(None) for _, _ in zip(range(missing), lengths, strict=False)]
        elif entry is None:
            found.append(None)
        elif not isinstance(entry, slice):
            found.append(int(entry) % next(lengths))
        else:
            found.append(_plain_slice(entry, next(lengths)))
    return tuple(found)


def _plain_slice(entry: slice, n: int) -> slice:
    start, stop, step = entry.indices(n)
    if step < 0:  # backward to the first entry has no stop that could be written
        return entry
    if (start, stop, step) == (0, n, 1):
        return slice(None)
    return slice(start, max(start, stop), None if step == 1 else step)


def column_range(entries: Sequence[Any], ndim: int, width: int) -> tuple[int, int] | None:
    """Give the columns a:b that [..., a:b] or [:, a:b] names of an array with so many axes; None where it names something else."""
    *before, last = entries or (None,)
    whole = before == [Ellipsis] or before == [slice(None)] * (ndim - 1)
    if not whole or not isinstance(last, slice) or last.step not in (None, 1):
        return None
    start, stop, _ = last.indices(width)
    return start, stop
