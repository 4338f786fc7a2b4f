"""Put an attribute's number into a formula, and compute what then is numbers alone: of `p ȳ xᵖ⁻¹` with p = 3, `3 ȳ x²`."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from minigrad.rules.printing import number
from minigrad.rules.tree import (
    Call,
    Compare,
    Expression,
    Logic,
    Name,
    Negative,
    Number,
    Phrase,
    Power,
    Product,
    Sum,
    mapped,
    product,
)

ONE = Number("1", 1.0)


def literal(value: float) -> Expression:
    """A number as a formula."""
    size = Number(number(abs(value)).text, abs(value))
    return Negative(size) if value < 0 else size


def substituted(tree: Expression, known: Mapping[str, Expression]) -> Expression:
    """The formula with formulas in the place of some names, and numbers that meet by this computed."""
    if isinstance(tree, Name):
        return known.get(tree.symbol, tree)
    new = mapped(tree, lambda part: substituted(part, known))
    return tree if new == tree else _computed(new)


def _computed(tree: Expression) -> Expression:
    match tree:
        case Sum(terms) if all(_number(term) is not None for term in terms):
            return literal(sum([_number(term) or 0 for term in terms]))
        case Negative(Negative(x)):
            return x
        case Power(base, Number(value=1)):
            return base
        case Product(factors) if all(_number(factor) is not None for factor in factors):
            return literal(prod([_number(factor) or 0 for factor in factors]))
        case Product(factors, sign) if ONE in factors:
            return product([factor for factor in factors if factor != ONE], sign)
        case Phrase((Compare() | Logic()) as condition, "holds"):
            return condition
        case Call(function, arguments, Number(value=0)):
            return Call(function, arguments)
    return tree


def _number(tree: Expression) -> float | None:
    match tree:
        case Number(value=value):
            return value
        case Negative(Number(value=value)):
            return -value
    return None
