"""Compute a rule's formula on arrays, with NumPy alone: what fprop and bprop are compared with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minigrad.rules import phrases
from minigrad.rules.functions import ALONG_AXES, IN_CONTEXT, OVER, PLAIN, SCANS, TO_MATRICES
from minigrad.rules.phrases import Context
from minigrad.rules.tree import (
    ButFor,
    Call,
    Choice,
    Compare,
    Expression,
    Indexed,
    Logic,
    Name,
    Negative,
    Number,
    Over,
    Phrase,
    Place,
    Power,
    Product,
    Quotient,
    Sum,
    Transpose,
    everything,
)

SIGNS: dict[str, Callable[..., Any]] = {
    "<": np.less, ">": np.greater, "≤": np.less_equal, "≥": np.greater_equal, "=": np.equal, "≠": np.not_equal,
}  # fmt: skip
JOINED: dict[str, Callable[..., Any]] = {"and": np.logical_and, "or": np.logical_or}
ALL_AXES = Context()
# functions whose values are matrices


class NoValueError(ValueError):
    """The formula says in words what no evaluator computes."""


def evaluate(tree: Expression, values: Mapping[str, Any], context: Context = ALL_AXES) -> Any:
    """The value of a formula, its names' values given by their symbols."""

    def at(part: Expression) -> Any:
        return evaluate(part, values, context)

    match tree:
        case Number(_, value):
            return value
        case Name(symbol):
            if symbol not in values:
                raise NoValueError(f"{symbol} has no value")
            return values[symbol]
        case Negative(x):
            return -at(x)
        case Sum(terms):
            return _sum([(at(term), is_matrix(term)) for term in terms])
        case Product(factors, sign):
            return _product([(at(factor), is_matrix(factor)) for factor in factors], sign)
        case Quotient(above, below):
            return np.divide(at(above), at(below))
        case Power(base, exponent):
            return _power(at(base), at(exponent), inverse=is_matrix(base))
        case Transpose(x):
            return np.swapaxes(at(x), -1, -2)
        case Call(function, arguments, order):
            if function in IN_CONTEXT:
                return IN_CONTEXT[function](context, *[at(argument) for argument in arguments])
            given = () if order is None else (int(at(order)),)
            return PLAIN[function](*[at(argument) for argument in arguments], *given)
        case Over(sign, x, span):
            return SCANS[sign, span](at(x), context) if (sign, span) in SCANS else context.over(OVER[sign], at(x))
        case Choice(value, condition, otherwise):
            return np.where(at(condition), at(value), at(otherwise))
        case Compare(terms, signs):
            sides = [at(term) for term in terms]
            return _fold(np.logical_and, [SIGNS[s](a, b) for s, a, b in zip(signs, sides, sides[1:], strict=False)])
        case Logic(word, terms):
            return _fold(JOINED[word], [at(term) for term in terms])
        case Phrase(x, words, of):
            return phrases.ALL[words](at(x), context, None if of is None else at(of))
        case Place(_, entry):
            return entry
        case Indexed(x, index):
            return np.asarray(at(x))[tuple([at(entry) for entry in index])]
        case ButFor(x, _, index, value, adds):
            whole = np.array(np.broadcast_to(at(x), context.shape), dtype=np.result_type(at(x), at(value)))
            place = tuple([at(entry) for entry in index])
            if adds:
                np.add.at(whole, place, at(value))
            else:
                whole[place] = at(value)
            return whole
    raise NoValueError("words have no value")


def reduces(tree: Expression) -> bool:
    """Whether a part of the formula is about the axes of the operation."""
    for part in everything(tree):
        match part:
            case Over():
                return True
            case Call(function) if function in ALONG_AXES:
                return True
            case Phrase(_, words) if words in phrases.ALONG_AXES:
                return True
    return False


def is_matrix(tree: Expression) -> bool:
    """Whether the formula is a matrix: capital letters stand for matrices, and what is made of them is one."""
    match tree:
        case Name(symbol):
            return symbol[0].isupper()
        case Call(function):
            return function in TO_MATRICES
        case Negative(x) | Transpose(x) | Power(x) | Quotient(x):
            return is_matrix(x)
        case Sum(parts) | Product(parts):
            return any(map(is_matrix, parts))
    return False


def _fold(function: Callable[[Any, Any], Any], values: list[Any]) -> Any:
    total = values[0]
    for value in values[1:]:
        total = function(total, value)
    return total


def _sum(terms: list[tuple[Any, bool]]) -> Any:
    """The sum of terms; beside a matrix, a number stands for that number times the identity."""
    sizes = [np.shape(value)[-1] for value, matrix in terms if matrix]
    square = any(not matrix and np.ndim(value) == 0 for value, matrix in terms) and bool(sizes)
    values = [v * np.eye(sizes[0]) if square and not matrix else v for v, matrix in terms]
    return _fold(np.add, values)


def _product(factors: list[tuple[Any, bool]], sign: str) -> Any:
    """From left to right; two matrices by the product of matrices, a number for every matrix times that matrix."""
    total, matrix = factors[0]
    for value, is_matrix in factors[1:]:
        if sign == "×":
            total = np.cross(total, value)
        elif matrix and is_matrix and sign != "∘":
            total = total @ value
        elif matrix != is_matrix:
            scalar, whole = (value, total) if matrix else (total, value)
            total = np.asarray(scalar)[..., None, None] * whole
        else:
            total = total * value
        matrix |= is_matrix
    return total


def _power(base: Any, exponent: Any, *, inverse: bool) -> Any:
    if inverse:
        if exponent != -1:
            raise NoValueError("of a matrix the inverse is the only power")
        return np.linalg.inv(base)
    return np.exp(exponent) if isinstance(base, float) and base == math.e else np.power(base, exponent)
