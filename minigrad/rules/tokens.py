"""Cut the text of a rule into tokens: numbers, names, words, signs, and raised text with its letters put back down."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import NamedTuple

RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺⁽⁾ᵃᵇᵏᵐᵖᵘʸˣᵅⁿᵀᵗ", "0123456789−+()abkmpuyxαnTt", strict=True))
LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))


class Token(NamedTuple):
    """kind: "number", "name" (one letter with its bars and index), "word", "raised", "sign" or "end".

    spaced: whether a space is before it; start and end: its place in the text
    """

    kind: str
    text: str
    spaced: bool
    start: int
    end: int


def tokens(text: str) -> list[Token]:
    """All tokens of a text, and one at the end that says so. Any text can be cut: what has no other kind is a sign."""
    text = unicodedata.normalize("NFD", text)
    found: list[Token] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        kind, end = _next(text, at)
        shown = "".join([RAISED[c] for c in text[at:end]]) if kind == "raised" else text[at:end]
        found.append(Token(kind, unicodedata.normalize("NFC", shown), at > 0 and text[at - 1].isspace(), at, end))
        at = end
    return [*found, Token("end", "", True, at, at)]


def _next(text: str, at: int) -> tuple[str, int]:
    """The kind of the token that begins here, and where it ends."""
    first = text[at]
    if first in RAISED:
        return "raised", _while(text, at, lambda c: c in RAISED)
    if first in "0123456789":
        end = _while(text, at, lambda c: c in "0123456789")
        if text[end : end + 1] == "." and text[end + 1 : end + 2].isdecimal():
            end = _while(text, end + 1, lambda c: c in "0123456789")
        return "number", end
    if _is_latin(first) and _while(text, at, _is_latin) > at + 1:
        return "word", _while(text, at, lambda c: c in "_0123456789" or _is_latin(c) or c in LOWERED)
    if first.isalpha():
        end = _while(text, at + 1, lambda c: unicodedata.combining(c) > 0 or c in LOWERED)
        indexed = text[end : end + 1] == "_"
        return "name", _while(text, end + 1, lambda c: c.isalnum() and c not in RAISED) if indexed else end
    return "sign", _while(text, at + 1, lambda c: unicodedata.combining(c) > 0)  # ≠ is = and a stroke


def _while(text: str, at: int, holds: Callable[[str], bool]) -> int:
    """Where the characters end that hold."""
    while at < len(text) and holds(text[at]):
        at += 1
    return at


def _is_latin(c: str) -> bool:
    return c.isascii() and c.isalpha()
