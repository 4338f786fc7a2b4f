"""Words for operations, counts and lists, the same in every text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from minigrad.drawing import symbols
from minigrad.drawing.flow import FlowNode

MOST = 5  # names in a list


def sign_or_word(node: FlowNode) -> str:
    """The operation's sign or word."""
    return symbols.INFIX.get(node.operation) or symbols.word(node.operation)


def plural(count: int, word: str) -> str:
    """Count things: 1 step, 2 steps."""
    return f"{count} {word_of_number(count, word)}"


def word_of_number(count: int, word: str) -> str:
    """The word for one thing or for several: step, steps."""
    return word if count == 1 else f"{word}s"


def listed(texts: Iterable[str], most: int = MOST) -> str:
    """Join texts as a, b and c; of many the first."""
    shown: Sequence[str] = list(texts)
    if len(shown) > most:
        return f"{', '.join(shown[:most])} and {len(shown) - most} more"
    return " and ".join([part for part in (", ".join(shown[:-1]), *shown[-1:]) if part])
