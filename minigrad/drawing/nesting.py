"""The frames of nested scopes: of a long row of scopes, each of which only holds the next one, a few are drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

Names = tuple[str, ...]

OUTER, INNER = 4, 3  # frames that are kept of a long row


def framed(scopes: Iterable[Names]) -> dict[Names, Names]:
    """The titles of the frames around each scope, outer ones first; those left out of a long row are one, "a/b/c"."""
    numbers: dict[tuple[int, str], int] = {}
    ways = {}
    for scope in dict.fromkeys(scopes):
        way = [0]
        for name in scope:
            way.append(numbers.setdefault((way[-1], name), len(numbers) + 1))
        ways[scope] = way
    held = Counter(outer for outer, _ in numbers)
    ends = {way[-1] for way in ways.values()}
    found = {}
    for scope, way in ways.items():
        titles: list[str] = []
        row: list[str] = []
        for name, number in zip(scope, way[1:], strict=True):
            row.append(name)
            if held[number] != 1 or number in ends:
                titles += _shortened(row)
                row = []
        found[scope] = tuple(titles)
    return found


def _shortened(row: Sequence[str]) -> Sequence[str]:
    if len(row) <= OUTER + 1 + INNER:
        return row
    return [*row[:OUTER], "/".join(row[OUTER:-INNER]), *row[-INNER:]]
