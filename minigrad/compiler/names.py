"""Names for what a program computes: the user's where there are any, else after what a line does."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable
from itertools import count

from minigrad.compiler.lines import Line

RESERVED = {"t", "part", "array", "empty", "program", *keyword.kwlist, *dir(builtins)}


class Names:
    """Names given so far; no two things get the same."""

    def __init__(self, taken: Iterable[str]) -> None:
        self.taken = {*RESERVED, *taken}

    def new(self, word: str) -> str:
        """The word, made a name nobody has."""
        word = re.sub(r"\W", "_", word).strip("_") or "value"
        if word[0].isdigit():
            word = f"_{word}"
        name = word
        if name in self.taken or f"{name}_" in self.taken:
            name = next(f"{word}_{i}" for i in count(1) if f"{word}_{i}" not in self.taken)
        self.taken.add(name)
        return name

    @staticmethod
    def word(line: Line) -> str:
        """What to call a line: the user's name, else after what it does."""
        if line.origin.name:
            return line.origin.name
        found = re.match(r"\{0\}\.(\w+)|(\w+)", line.call.text)
        word = next((group for group in found.groups() if group), "value") if found else "part"
        return f"d_{word}" if line.origin.adjoint else word
