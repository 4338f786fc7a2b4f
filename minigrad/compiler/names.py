"""Choose unique variable names for programs: the user's, else words for what lines do; `d_h` for the adjoint of h."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import count

from minigrad.compiler.lines import Line

DTYPES = (
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float32",
    "float64",
)
RESERVED = {
    *("t", "part", "array", "empty", "program", "where", "astype", "copied", "copyto", "reshaped", "placed", "inf", "nan", "np"),
    *DTYPES, *keyword.kwlist, *dir(builtins),
}  # fmt: skip
WORDS = {
    "MatMul": "product",
    "SumOfProducts": "product",
    "MatrixTranspose": "transposed",
    "GetItem": "part",
    "AddN": "sum",
}


class Names:
    """Give out names, no name twice.

    `d_h` is the adjoint of `h`, ∂loss/∂h, and nothing else; where there are several, of a loss and of a penalty on adjoints or
    of several time steps, `d2_h`, `d3_h`. What a backward pass computes besides begins with `back_`.

    known:    what the values of nodes are called, by the numbers of the nodes
    reserved: the same of those whose adjoints come first
    """

    def __init__(self, taken: Iterable[str], apart: Iterable[Line] = ()) -> None:
        """apart: lines that will get names of their own"""
        self.taken = {*RESERVED, *taken}
        self.counters: dict[str, Iterator[int]] = {}
        self.known: dict[int, str] = {}
        self.reserved: dict[int, str] = {}
        self.apart = {line.origin.node for line in apart}

    def new(self, word: str) -> str:
        """The word, made a name nobody has."""
        name = word = as_identifier(word)
        if name in self.taken or f"{name}_" in self.taken:
            counter = self.counters.setdefault(word, count(1))
            name = next(numbered for i in counter if (numbered := f"{word}_{i}") not in self.taken)
        self.taken.add(name)
        return name

    def of(self, line: Line) -> str:
        """A new name for a line: the user's, else after what it does; d_h for the adjoint of h."""
        origin = line.origin
        name = self.reserved.pop(origin.node, None) or self._adjoint(line)
        if name is None:
            word = origin.name or line.op.word
            name = self.new(f"back_{word}" if origin.adjoint else word)
        self.call(line, name)
        return name

    def call(self, line: Line, name: str) -> None:
        """Note what the value of a line is called; a row of h is called h."""
        if line.origin.node >= 0:
            self.known.setdefault(line.origin.node, name)

    def _adjoint(self, line: Line) -> str | None:
        """The name of an adjoint, if what it is the adjoint of has a name."""
        if line.origin.of is None:
            return None
        number, word, is_users = line.origin.of
        if number not in self.known and number in self.apart:
            self.known[number] = self.reserved[number] = self.new(word)
        if number not in self.known and not is_users:
            return None
        of = as_identifier(self.known.get(number, word))
        name = next(name for i in count(1) if (name := f"d{i if i > 1 else ''}_{of}") not in self.taken)
        self.taken.add(name)
        return name


def as_identifier(word: str) -> str:
    """Turn a word into an identifier, as Python reads it (which takes ² for 2)."""
    word = re.sub(r"\W", "_", unicodedata.normalize("NFKC", word)).strip("_")
    return word if word.isidentifier() else f"_{word}" if f"_{word}".isidentifier() else "value"


def word_for(kind: type) -> str:
    """Give the word for the value of an operation of a class: log_softmax."""
    return WORDS.get(kind.__name__) or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()
