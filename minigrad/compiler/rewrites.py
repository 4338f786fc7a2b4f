"""Rewrites."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from minigrad.compiler.lines import Lines

REWRITES: dict[str, Callable[[Lines], Lines]] = {}


def rewritten(lines: Lines, names: Sequence[str]) -> Lines:
    """The lines after the rewrites of these names."""
    for name, rewrite in REWRITES.items():
        if name in names:
            lines = rewrite(lines)
    return lines
