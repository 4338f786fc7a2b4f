"""Write a formula in numbers, as a teacher would at the blackboard.

* Numbers stand where the letters stood: "0.3 × (1 − 0.46²) = 0.2365".
* Arrays of a few entries are written out; of larger ones, one entry is computed: "at [0, 0]: 0.3 × (1 − 0.46²) = 0.2365".
* Of a choice the value is given, and why: "0.3, since 2 ≥ 1".
* What is no matter of single entries is told by shapes: "(5, 3) @ (3, 2) = (5, 2)".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.rules import functions, printing
from minigrad.rules.evaluation import evaluate, is_matrix, reduces
from minigrad.rules.printing import ATOM, Text, written
from minigrad.rules.tree import (
    ButFor,
    Call,
    Choice,
    Compare,
    Expression,
    Indexed,
    Logic,
    Name,
    Over,
    Phrase,
    Product,
    Quotient,
    Transpose,
    everything,
    mapped,
    names,
)

if TYPE_CHECKING:
    from minigrad.rules.formulas import Formula

ENTRYWISE = {"is nan", "is infinite", "is finite", "is negative", "holds", "in another dtype", "in {}'s dtype"}
OPPOSITE = {"<": "≥", "≥": "<", ">": "≤", "≤": ">", "=": "≠", "≠": "="}
FEW = 4  # entries of an array that are written out, and terms of a sum of products
LINE = 6  # entries of a line that are written out

Arrays = Mapping[str, Any]
Shape = tuple[int, ...]
Entry = tuple[int, ...]


def in_numbers(formula: Formula, values: Arrays, at: Entry | None = None) -> str:
    """The formula in numbers, and what it gives; `at` is the entry that is computed of large arrays, the first unasked."""
    if formula.is_words:
        return _in_words(formula, values)
    try:
        with np.errstate(all="ignore"):
            return _in_numbers(formula, values, at)
    except Exception:  # a user's docstring may say what does not fit the arrays, and a picture does not fail with it
        return _in_words(formula, values)


def _in_numbers(formula: Formula, values: Arrays, at: Entry | None) -> str:
    found = formula.completed(values)
    used = {symbol: np.asarray(found[symbol]) for symbol in names(formula.tree) if symbol in found}
    known = values.get(formula.target)  # what the engine has computed, or sent
    shape = np.broadcast_shapes(*[array.shape for array in used.values()]) if _is_entrywise(formula.tree) else None
    large = at is not None or max([array.size for array in used.values()], default=1) > FEW
    if shape is not None and np.prod(shape) > 0 and (large or np.prod(shape) > FEW):
        return _entry(formula, used, known, (0,) * len(shape) if at is None else at, shape) + _summed(formula, shape)
    if large and _is_along_a_line(formula) and all(array.size for array in used.values()):
        return _line(formula, used, at)
    total = np.asarray(formula.value(values) if known is None else known)
    entry = _product_entry(formula.tree, used, at) if _is_product(formula.tree) and (large or total.size > FEW) else ""
    return _equation(formula, used, total) + entry + ("" if shape is None else _summed(formula, shape))


def _entry(formula: Formula, used: Arrays, known: Any, at: Entry, shape: Shape) -> str:
    """One entry of what is computed entry by entry."""
    entries = {symbol: np.broadcast_to(array, shape)[at] for symbol, array in used.items()}
    if known is None or np.size(known) != np.prod(shape):
        result = evaluate(formula.tree, entries, formula.context)
    else:
        result = np.reshape(known, shape)[at]
    return f"at {list(at)}: {_equation(formula, entries, result)}"


def _line(formula: Formula, used: Arrays, at: Entry | None) -> str:
    """One line along the axis that is reduced."""
    ndim = max(array.ndim for array in used.values())
    axis = formula.context.axis % ndim
    place = (0,) * ndim if at is None else at
    lines = {symbol: _along(array, axis, place) for symbol, array in used.items()}
    one = replace(formula, context=formula.context._replace(axis=0, kept=None))
    result = np.asarray(evaluate(formula.tree, lines, one.context))
    shown_at = ", ".join([":" if i == axis else str(k) for i, k in enumerate(place)])
    return f"at [{shown_at}]: {_equation(one, lines, result, axes=False)}"


def _along(array: Any, axis: int, place: Entry) -> Any:
    """The line of an array along an axis that goes through a place; where it has one entry, that alone."""
    whole = array.reshape((1,) * (len(place) - array.ndim) + array.shape)
    index: list[Any] = [0 if n == 1 else i for n, i in zip(whole.shape, place, strict=True)]
    if whole.shape[axis] != 1:
        index[axis] = slice(None)
    return whole[tuple(index)]


def shown(value: Any) -> Text:
    """A number, the entries of a small array, or a shape."""
    array = np.asarray(value)
    if array.size == 1:
        return printing.number(array.flat[0])
    if 1 < array.size <= (LINE if array.ndim == 1 else FEW):
        return Text(_nested(array), ATOM)
    return Text(str(array.shape), ATOM)


def _nested(array: Any) -> str:
    """The entries in brackets, row by row."""
    return f"[{', '.join(map(_nested, array))}]" if array.ndim else printing.number(array[()]).text


def _equation(formula: Formula, values: Arrays, result: Any, *, axes: bool = True) -> str:
    """The numbers, and what comes of them."""
    tree, because = _decided(formula.tree, values, formula.context)

    def name(symbol: str) -> Text:
        return shown(values[symbol]) if symbol in values else printing.plain(symbol)

    left = _led(written(tree, name, "×").text, tree)
    left += formula.context.text() if axes and reduces(tree) else ""
    right = shown(result).text
    shape = right.startswith("(")
    if left == right or (shape and (isinstance(tree, ButFor) or (isinstance(tree, Phrase) and right in left))):
        return left + because
    is_sentence = isinstance(tree, Compare | Logic | ButFor) or (isinstance(tree, Phrase) and not shape)
    return f"{left}{':' if is_sentence else ' ='} {right}{because}"


def _led(text: str, tree: Expression) -> str:
    """The text of a product without the brackets around a negative number that leads it."""
    lead = tree
    while isinstance(lead, Product | Quotient | Phrase):
        lead = lead.factors[0] if isinstance(lead, Product) else lead.above if isinstance(lead, Quotient) else lead.x
    if lead is tree or not isinstance(lead, Name) or not text.startswith("(−"):
        return text
    return text[1:].replace(")", "", 1)


def _decided(tree: Expression, values: Arrays, context: Any) -> tuple[Expression, str]:
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
        or (isinstance(part, Call) and part.function not in functions.ENTRYWISE)
        or is_matrix(part)
        for part in everything(tree)
    )


def _is_along_a_line(formula: Formula) -> bool:
    """Whether what is computed depends on one line of each array, along the axis that is reduced."""
    bare = _without_reductions(formula.tree)
    return isinstance(formula.context.axis, int) and bare != formula.tree and _is_entrywise(bare)


def _without_reductions(tree: Expression) -> Expression:
    match tree:
        case Over(_, x, "") | Call("softmax", (x,)):
            return _without_reductions(x)
    return mapped(tree, _without_reductions)


def _is_product(tree: Expression) -> bool:
    """Whether it is a product of two matrices."""
    return isinstance(tree, Product) and len(tree.factors) == 2 and all(map(is_matrix, tree.factors))


def _product_entry(tree: Any, values: Arrays, at: Entry | None) -> str:
    """An entry of a product of two matrices, as a sum of products."""
    left, right = [np.asarray(evaluate(factor, values)) for factor in tree.factors]
    stack = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    at = (0,) * (len(stack) + 2) if at is None else at
    if 0 in (*stack, *left.shape, *right.shape):
        return ""
    row = np.broadcast_to(left, stack + left.shape[-2:])[at[:-1]]
    place: Any = (*at[:-2], slice(None), at[-1])
    column = np.broadcast_to(right, stack + right.shape[-2:])[place]
    terms = [f"{_factor(a)} × {_factor(b)}" for a, b in zip(row[:FEW], column[:FEW], strict=True)]
    if len(row) > FEW:
        terms = [*terms[: FEW - 1], "…"]
    return f"; at {list(at)}: {' + '.join(terms)} = {shown(row @ column).text}"


def _factor(entry: Any) -> str:
    return printing.number(entry).at(printing.APPLIED)


def _summed(formula: Formula, computed: Shape) -> str:
    """The axes that are summed, where a child was broadcast."""
    shape = formula.context.shape
    if np.prod(computed) <= np.prod(shape):
        return ""
    added = len(computed) - len(shape)
    axes = [str(i) for i in range(len(computed)) if i < added or shape[i - added] != computed[i]]
    over = f"axes {', '.join(axes)}" if len(axes) > 1 else f"axis {axes[0]}"
    return f", summed over {over}" + (f" to {shape}" if shape else "")


def _in_words(formula: Formula, values: Arrays) -> str:
    """The words, with the arrays they speak of."""

    def name(symbol: str) -> Text:
        return shown(values[symbol]) if symbol in values else printing.plain(symbol)

    said = written(formula.tree, name, "×").text
    return f"{said}: {shown(values[formula.target]).text}" if formula.target in values else said
