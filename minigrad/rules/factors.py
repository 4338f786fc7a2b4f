"""Take the adjoint out of a rule that is linear in it entry by entry: of `ȳ (1 − y²)` the factor is `1 − y²`."""

from __future__ import annotations

from minigrad.rules.evaluation import is_matrix
from minigrad.rules.tree import Choice, Expression, Name, Negative, Number, Phrase, Product, Quotient, names, product

ZERO = Number("0", 0.0)
ONE = Number("1", 1.0)


def factor(tree: Expression, adjoint: str) -> Expression | None:
    """What the adjoint is multiplied by, entry by entry; None where the rule is no such product."""
    if tree == ZERO:
        return ZERO
    match tree:
        case Name(symbol) if symbol == adjoint:
            return ONE
        case Negative(x):
            found = factor(x, adjoint)
            return None if found is None else found if found == ZERO else Negative(found)
        case Product(factors, "") if not is_matrix(Name(adjoint)):
            return _of_product(factors, adjoint)
        case Quotient(above, below) if adjoint not in names(below):
            found = factor(above, adjoint)
            return None if found is None else Quotient(found, below)
        case Choice(value, condition, otherwise) if adjoint not in names(condition):
            first, second = factor(value, adjoint), factor(otherwise, adjoint)
            return None if first is None or second is None else Choice(first, condition, second)
        case Phrase(x):
            return factor(x, adjoint)
    return None


def beside(tree: Expression, adjoint: str) -> tuple[Expression | None, Expression | None]:
    """What an adjoint is multiplied by from the left, or from the right, in a product of matrices."""
    if not isinstance(tree, Product) or not is_matrix(Name(adjoint)):
        return None, None
    *before, last = tree.factors
    first, *behind = tree.factors
    if first == Name(adjoint) and adjoint not in names(product(behind)):
        return None, product(behind)
    if last == Name(adjoint) and adjoint not in names(product(before)):
        return product(before), None
    return None, None


def _of_product(factors: tuple[Expression, ...], adjoint: str) -> Expression | None:
    holders = [i for i, part in enumerate(factors) if adjoint in names(part)]
    if len(holders) != 1:
        return None
    found = factor(factors[holders[0]], adjoint)
    if found is None:
        return None
    parts = [found if i == holders[0] else part for i, part in enumerate(factors)]
    return product([part for part in parts if part != ONE])
