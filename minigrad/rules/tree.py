"""A rule's formula as a tree of small frozen values: `ȳ (1 − y²)` is a product of a name and a sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias


class Tree:
    """A part of a formula."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Number(Tree):
    """A number, and how it is written: 2, 0.5, π."""

    text: str
    value: float


@dataclass(frozen=True, slots=True)
class Name(Tree):
    """A letter or word that stands for an array: x, ȳ, A, slope. A capital letter is a matrix."""

    symbol: str


@dataclass(frozen=True, slots=True)
class Negative(Tree):
    """−x."""

    x: Expression


@dataclass(frozen=True, slots=True)
class Sum(Tree):
    """Terms added; a term that is subtracted is a `Negative`."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Product(Tree):
    """Factors side by side: entry by entry, between matrices the product of matrices. sign: "" or "×" of vectors, "∘"."""

    factors: tuple[Expression, ...]
    sign: str = ""


@dataclass(frozen=True, slots=True)
class Quotient(Tree):
    """Above divided by below."""

    above: Expression
    below: Expression


@dataclass(frozen=True, slots=True)
class Power(Tree):
    """A base and its exponent; of a matrix, −1 is the inverse."""

    base: Expression
    exponent: Expression


@dataclass(frozen=True, slots=True)
class Transpose(Tree):
    """x', the last two axes swapped."""

    x: Expression


@dataclass(frozen=True, slots=True)
class Call(Tree):
    """A function of arguments: sin x, max(a, b), √x, |x|, and a derivative's order, as in ψ⁽ⁿ⁾(x)."""

    function: str
    arguments: tuple[Expression, ...]
    order: Expression | None = None


@dataclass(frozen=True, slots=True)
class Over(Tree):
    """A sum (Σ), product (Π), maximum, minimum or mean of entries over the axes of the operation.

    span: "" for all entries, else of which: "over j ≤ k" makes a running sum
    """

    sign: str
    x: Expression
    span: str = ""


@dataclass(frozen=True, slots=True)
class Choice(Tree):
    """One value where a condition holds, else another."""

    value: Expression
    condition: Expression
    otherwise: Expression


@dataclass(frozen=True, slots=True)
class Compare(Tree):
    """a < b, or a chain: −1 ≤ x ≤ 1."""

    terms: tuple[Expression, ...]
    signs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Logic(Tree):
    """Conditions joined by "and" or "or"."""

    word: str
    terms: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Phrase(Tree):
    """What is said of an array in words that have a meaning in numbers: "x is nan", "ȳ in x's shape".

    of: the name that stands for {} in the words; shown: what is written instead of the words, where it says more
    """

    x: Expression
    words: str
    of: Expression | None = None
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Place(Tree):
    """An entry of an index that is no array: as text, 0:9, and as Python takes it."""

    text: str
    entry: Any


@dataclass(frozen=True, slots=True)
class Indexed(Tree):
    """x[index]: some entries of an array."""

    x: Expression
    index: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class ButFor(Tree):
    """x but for y[index] = value, or for y[index] += value where it adds; y is `whole`."""

    x: Expression
    whole: Expression
    index: tuple[Expression, ...]
    value: Expression
    adds: bool


@dataclass(frozen=True, slots=True)
class Words(Tree):
    """What no formula says: text, and the names in it."""

    parts: tuple[str | Name, ...]


Expression: TypeAlias = (
    Number | Name | Negative | Sum | Product | Quotient | Power | Transpose | Call | Over | Choice | Compare | Logic
    | Phrase | Words | Place | Indexed | ButFor
)  # fmt: skip


def parts(tree: Tree) -> Iterator[Any]:
    """The expressions a tree is made of, one level down."""
    for field in fields(tree):  # type: ignore[arg-type]
        value = getattr(tree, field.name)
        yield from [part for part in (value if isinstance(value, tuple) else (value,)) if isinstance(part, Tree)]


def names(tree: Expression) -> list[str]:
    """The symbols of all names in a tree, each once, in the order they are read."""
    found = [tree.symbol] if isinstance(tree, Name) else [name for part in parts(tree) for name in names(part)]
    return list(dict.fromkeys(found))


def everything(tree: Expression) -> Iterator[Expression]:
    """The tree and all expressions in it."""
    yield tree
    for part in parts(tree):
        yield from everything(part)


def mapped(tree: Expression, change: Callable[[Expression], Expression]) -> Expression:
    """The tree with each of its parts, one level down, exchanged."""
    return replace(tree, **{field.name: _mapped(getattr(tree, field.name), change) for field in fields(tree)})


def _mapped(value: Any, change: Callable[[Expression], Expression]) -> Any:
    if isinstance(value, tuple):
        return tuple([_mapped(part, change) for part in value])
    return change(value) if isinstance(value, Tree) else value  # type: ignore[arg-type]


def product(factors: list[Expression], sign: str = "") -> Expression:
    """The product of factors, of which one alone is itself, and none is 1."""
    return Product(tuple(factors), sign) if len(factors) > 1 else factors[0] if factors else Number("1", 1.0)
