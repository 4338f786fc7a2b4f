"""Write a formula in numbers, as a teacher would at the blackboard.

* Numbers stand where the letters stood: "0.3 × (1 − 0.46²) = 0.2365".
* Arrays of a few entries are written out; of larger ones, one entry is computed: "at [0, 0]: 0.3 × (1 − 0.46²) = 0.2365".
* Of a choice the value is given, and why: "0.3, since 2 ≥ 1".
* What is no matter of single entries is told by shapes: "(5, 3) @ (3, 2) = (5, 2)".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.rules import printing
from minigrad.rules.evaluation import evaluate, is_matrix
from minigrad.rules.printing import ATOM, Text, written
from minigrad.rules.tree import (
    ButFor,
    Call,
    Choice,
    Compare,
    Expression,
    Indexed,
    Logic,
    Over,
    Phrase,
    Product,
    Transpose,
    everything,
    names,
)

if TYPE_CHECKING:
    from minigrad.rules.formulas import Formula

ENTRYWISE = {"is nan", "is infinite", "is finite", "is negative", "holds", "in another dtype", "in {}'s dtype"}
OPPOSITE = {"<": "≥", "≥": "<", ">": "≤", "≤": ">", "=": "≠", "≠": "="}
FEW = 4  # entries of an array that are written out, and terms of a sum of products


def in_numbers(formula: Formula, values: Mapping[str, Any]) -> str:
    """The formula in numbers, and what it gives."""
    if formula.is_words:
        return _in_words(formula, values)
    with np.errstate(all="ignore"):
        return _in_numbers(formula, values)


def _in_numbers(formula: Formula, values: Mapping[str, Any]) -> str:
    found = formula.completed(values)
    used = {symbol: np.asarray(found[symbol]) for symbol in names(formula.tree) if symbol in found}
    result = np.asarray(evaluate(formula.tree, used, formula.context))
    large = max([array.size for array in used.values()], default=1) > FEW or result.size > FEW
    said = _shapes_summed(formula, result)
    if not large or not result.size:
        return _equation(formula, used, formula.value(values)) + said
    if _is_entrywise(formula.tree):
        at = (0,) * result.ndim
        entries = {symbol: np.broadcast_to(array, result.shape)[at] for symbol, array in used.items()}
        return f"at {list(at)}: {_equation(formula, entries, result[at])}{said}"
    entry = _product_entry(formula.tree, used, result) if result.size else ""
    return _equation(formula, used, formula.value(values)) + entry + said


def shown(value: Any) -> Text:
    """A number, the entries of a small array, or a shape."""
    array = np.asarray(value)
    if array.dtype.kind == "b":
        return Text(str(bool(array.flat[0])).lower() if array.size == 1 else str(array.shape), ATOM)
    if array.size == 1:
        return printing.number(array.flat[0])
    if 1 < array.size <= FEW:
        return Text(_nested(array), ATOM)
    return Text(str(array.shape), ATOM)


def _nested(array: Any) -> str:
    """The entries in brackets, row by row."""
    return f"[{', '.join(map(_nested, array))}]" if array.ndim else printing.number(array[()]).text


def _equation(formula: Formula, values: Mapping[str, Any], result: Any) -> str:
    """The numbers, and what comes of them."""
    tree, because = _decided(formula.tree, values, formula.context)
    left = written(tree, lambda symbol: shown(values[symbol]) if symbol in values else printing.plain(symbol), "×").text
    left += formula.context.text() if any(isinstance(part, Over) for part in everything(tree)) else ""
    right = shown(result).text
    sign = ": " if isinstance(tree, Compare | Logic | Phrase) else " = "
    return (left if left == right else left + sign + right) + because


def _decided(tree: Expression, values: Mapping[str, Any], context: Any) -> tuple[Expression, str]:
    """Of a choice between single values the one that is taken, and why."""
    because = []
    while isinstance(tree, Choice):
        holds = np.asarray(evaluate(tree.condition, values, context))
        if holds.size != 1:
            break
        because.append(_why(tree.condition, bool(holds.all()), lambda symbol: shown(values[symbol])))
        tree = tree.value if holds.all() else tree.otherwise
    return tree, f", since {' and '.join(because)}" if because else ""


def _why(condition: Expression, holds: bool, write: Callable[[str], Text]) -> str:
    """A condition in numbers, or its opposite where it does not hold."""
    match condition:
        case Phrase(_, "holds"):
            return "the condition holds" if holds else "the condition does not hold"
        case Compare(terms, (sign,)) if not holds:
            return written(Compare(terms, (OPPOSITE[sign],)), write, "×").text
    text = written(condition, write, "×").text
    return text if holds else f"not {text}"


def _is_entrywise(tree: Expression) -> bool:
    """Whether an entry of the result depends on one entry of each array."""
    return not any(
        isinstance(part, Over | Transpose)
        or (isinstance(part, Phrase) and part.words not in ENTRYWISE)
        or isinstance(part, Indexed | ButFor)
        or (isinstance(part, Product) and part.sign == "×")
        or (isinstance(part, Call) and part.function in ("softmax", "det", "cof", "diag", "tril", "triu", "⟨⟩"))
        or is_matrix(part)
        for part in everything(tree)
    )


def _product_entry(tree: Expression, values: Mapping[str, Any], result: Any) -> str:
    """The first entry of a product of two matrices, as a sum of products."""
    if not isinstance(tree, Product) or len(tree.factors) != 2 or not all(map(is_matrix, tree.factors)):
        return ""
    left, right = [np.asarray(evaluate(factor, values)) for factor in tree.factors]
    row, column = left.reshape(-1, left.shape[-1])[0], right.reshape(-1, *right.shape[-2:])[0, :, 0]
    terms = [f"{_factor(a)} × {_factor(b)}" for a, b in zip(row[:FEW], column[:FEW], strict=True)]
    if len(row) > FEW:
        terms = [*terms[: FEW - 1], "…"]
    return f"; at {[0] * result.ndim}: {' + '.join(terms)} = {shown(result[(0,) * result.ndim]).text}"


def _factor(entry: Any) -> str:
    return printing.number(entry).at(printing.APPLIED)


def _shapes_summed(formula: Formula, result: Any) -> str:
    """What broadcasting asks of an adjoint."""
    if result.size <= np.prod(formula.context.shape, dtype=int) or formula.lifts:
        return ""
    added = result.ndim - len(formula.context.shape)
    axes = [i for i in range(result.ndim) if i < added or formula.context.shape[i - added] != result.shape[i]]
    return f", summed over ax{'e' if len(axes) > 1 else 'i'}s {', '.join(map(str, axes))} to {formula.context.shape}"


def _in_words(formula: Formula, values: Mapping[str, Any]) -> str:
    """The words, with the arrays they speak of."""

    def name(symbol: str) -> Text:
        return shown(values[symbol]) if symbol in values else printing.plain(symbol)

    return written(formula.tree, name, "×").text
