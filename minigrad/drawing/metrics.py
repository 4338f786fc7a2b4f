"""How wide a text is, roughly and rather too wide, since nobody knows the reader's fonts.

Added up by `fsum`: `sum` rounds otherwise from Python 3.12 on, and a picture is the same on every Python.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from itertools import accumulate
from math import fsum

from minigrad.drawing.style import Face

MONOSPACED = 0.61  # em per character
BOLD = 1.1  # times as wide
_SANS = {
    **dict.fromkeys("ijl.,:;|'!()[]/ ", 0.37),
    **dict.fromkeys('ftr-I"', 0.45),
    **dict.fromkeys("+=×÷<>−≤≥≠", 0.86),
    **dict.fromkeys("mwMW@%…�", 0.98),
}


def width(text: str, face: Face) -> float:
    """The width of a line of text."""
    if face.monospaced:
        return face.size * MONOSPACED * fsum([_cells(c) for c in text])
    return face.size * (BOLD if face.weight > 400 else 1.0) * fsum([_em(c) for c in text])


def fitting(text: str, face: Face, room: float) -> str:
    """The text, or as much of it as fits."""
    left = room - width("…", face)
    kept = 0
    for n, wide in enumerate(accumulate([width(letter, face) for letter in text]), 1):
        if wide > room:
            return text[:kept] + "…"
        kept = n if wide <= left else kept
    return text


@lru_cache(maxsize=4096)
def _em(character: str) -> float:
    """The width of a character of a sans-serif font, in em."""
    cells = _cells(character)
    if cells != 1:
        return 0.55 * cells
    return _SANS.get(character, 0.74 if character.isupper() or ord(character) > 0x2000 else 0.62)


@lru_cache(maxsize=4096)
def _cells(character: str) -> float:
    """2 for East Asian characters and emoji, 0 for accents that sit on another character."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
