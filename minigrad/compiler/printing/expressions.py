"""Represent the values and statements of a program as expressions, so that `loops` can compare them and roll them up.

Expressions that differ only in numbers that may count from round to round (`h[3]`, `h[4]`) are alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from minigrad.compiler.indices import index_numbers, index_text
from minigrad.compiler.ir import Index, Op, Spell
from minigrad.compiler.lines import Origin

Pair = tuple[int, int]  # a number in the first round of a loop, and in the second


class Expression:
    """Represent a value as it is written.

    text:    in a line of its own
    numbers: those that may count from round to round, in their order
    like:    equal for expressions that differ in such numbers only
    name:    what it begins with
    """

    text: str
    numbers: tuple[int, ...] = ()
    like: Any
    name: str

    def within(self, loop: LoopBody, pairs: Iterator[Pair]) -> str:
        """Write it in the body of a loop. pairs: of each number what it is in the first two rounds"""
        return self.text


class LoopBody(Protocol):
    """Write what counts in the body of a loop: rows of lists, and numbers."""

    def row(self, rows: str, first: int, second: int) -> str:
        """Write a row of a list, another one in every round."""

    def count(self, first: int, second: int) -> str:
        """Write a number that is another one in every round."""


@dataclass(frozen=True)
class Name(Expression):
    """A name, or any other text in which nothing counts."""

    text: str

    @property
    def like(self) -> Any:
        return self.text

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.text


@dataclass(frozen=True)
class Row(Expression):
    """An entry of a list of rows: h[3]."""

    rows: str
    number: int

    @property
    def text(self) -> str:  # type: ignore[override]
        return f"{self.rows}[{self.number}]"

    @property
    def numbers(self) -> tuple[int, ...]:  # type: ignore[override]
        return (self.number,)

    @property
    def like(self) -> Any:
        return Row, self.rows

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.rows

    def within(self, loop: LoopBody, pairs: Iterator[Pair]) -> str:
        first, second = next(pairs)
        return self.text if first == second else loop.row(self.rows, first, second)


@dataclass(frozen=True)
class View(Expression):
    """A view of what another expression gives: x[:, 3], a.T."""

    of: Expression
    op: Op
    spell: Spell = field(default=str, compare=False)

    @property
    def text(self) -> str:  # type: ignore[override]
        return self.op.formula([self.of.text], self.spell)

    @property
    def numbers(self) -> tuple[int, ...]:  # type: ignore[override]
        own = index_numbers(self.op.entries) if isinstance(self.op, Index) else ()
        return (*self.of.numbers, *own)

    @property
    def like(self) -> Any:
        own = index_text(self.op.entries, lambda _: "#") if isinstance(self.op, Index) else self.op
        return View, self.of.like, own

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.of.name

    def within(self, loop: LoopBody, pairs: Iterator[Pair]) -> str:
        of = self.of.within(loop, pairs)
        if not isinstance(self.op, Index):
            return self.op.formula([of], self.spell)

        def number(n: int) -> str:
            first, second = next(pairs)
            return str(n) if first == second else loop.count(first, second)

        return f"{of}[{index_text(self.op.entries, number)}]"


def view(of: Expression, op: Op, spell: Spell = str) -> Expression:
    """Make a view of an expression; a row of an array is written as that of a list."""
    if isinstance(of, Name) and isinstance(op, Index) and op.row is not None:
        return Row(of.text, op.row)
    return View(of, op, spell)


class Statement(NamedTuple):
    """A line of source.

    form:   what it says, with {0}, {1}, … for its parts
    origin: where what it does comes from
    quick:  the form it has in a loop, where that is another one
    target: the list to which it appends, where it does
    first:  of such a statement: the form in which it makes the list
    """

    form: str
    parts: tuple[Expression, ...]
    origin: Origin
    quick: str = ""
    target: str = ""
    first: str = ""

    @property
    def text(self) -> str:
        """The statement, as it is written by itself."""
        return self.form.format(*[part.text for part in self.parts])

    @property
    def like(self) -> Any:
        """Equal for statements that differ in numbers that count only."""
        return self.form, tuple([part.like for part in self.parts])

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers that may count."""
        return tuple([number for part in self.parts for number in part.numbers])

    def within(self, loop: LoopBody, pairs: Iterator[Pair]) -> str:
        """Write it in the body of a loop."""
        return (self.quick or self.form).format(*[part.within(loop, pairs) for part in self.parts])
