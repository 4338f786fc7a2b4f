"""A formula of a node: what computes its value, or what its adjoint sends to a child, to be written and to be computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.ops.base import broadcasts_to
from minigrad.rules import factors, numbers, printing
from minigrad.rules.docstrings import barred, unbarred
from minigrad.rules.evaluation import evaluate, reduces
from minigrad.rules.phrases import Context, Shape
from minigrad.rules.tree import ButFor, Expression, Indexed, Negative, Number, Words, everything, names


@dataclass(frozen=True, slots=True)
class Formula:
    """One formula of a rule, `target = tree`: what fprop computes, or what bprop sends to a child.

    symbols:     the symbols of the children, of the value, and of its adjoint, in this order
    definitions: letters of the tree that stand for further formulas, as s for 1 / (1 + e⁻ˣ)
    remark:      what the docstring says besides
    context:     what its words refer to
    lifts:       by symbol, the axis to be added to a vector that stands for a matrix: −2 for a row, −1 for a column
    """

    target: str
    tree: Expression
    symbols: tuple[str, ...]
    definitions: tuple[tuple[str, Expression], ...]
    remark: str
    context: Context
    lifts: Mapping[str, tuple[int, ...]]

    @property
    def is_words(self) -> bool:
        """Whether it says in words what no formula does."""
        trees = [self.tree, *[meaning for _, meaning in self.needed()]]
        return any(isinstance(part, Words) for tree in trees for part in everything(tree))

    def text(self, names: Mapping[str, str] | None = None) -> str:
        """The formula with names in the place of its symbols, as in "s̄ (1 − s²)"; a symbol without name stays.

        A name for the adjoint need not be given: it is that of the value with a bar.
        """
        write = self._writer(names or {})
        needed = self.needed()
        said = [f"{write(symbol).text} = {printing.written(meaning, write).text}" for symbol, meaning in needed]
        defined = f" with {', '.join(said)}" if said else ""
        here, there = reduces(self.tree), any(reduces(meaning) for _, meaning in needed)
        axes = self.context.text() if here or there else ""
        return printing.written(self.tree, write).text + (axes + defined if here else defined + axes)

    def line(self, names: Mapping[str, str] | None = None) -> str:
        """The formula as an equation, "s = tanh(z)", for an adjoint "z̄ += s̄ (1 − s²)": several parents add up."""
        write = self._writer(names or {})
        target = write(self.target).text
        match self.tree:
            case ButFor(Number(value=0), whole, index, value, True):
                place = printing.written(Indexed(whole, index), write).text
                return f"{place} += {printing.written(value, write).text}"
        return f"{target} {'+=' if unbarred(self.target) else '='} {self.text(names)}"

    def in_numbers(self, values: Mapping[str, Any], at: tuple[int, ...] | None = None) -> str:
        """The formula in numbers, and what it gives: "0.3 × (1 − 0.46²) = 0.2365".

        Of large arrays one entry is computed, "at [0, 0]: ...": the first, or the one asked for by `at`.
        """
        return numbers.in_numbers(self, values, at)

    def factor(self, names: Mapping[str, str] | None = None) -> str:
        """What the adjoint is multiplied by on its way to the child: "(1 − s²)", "w2", of matrices "@ Wᵀ" or "xᵀ @".

        It is "" where the rule is no such product.
        """
        write = self._writer(names or {})
        tree = factors.factor(self.tree, self.symbols[-1])
        if tree is not None:
            shown = printing.written(tree, write)
            return shown.text if isinstance(tree, Negative) else shown.at(printing.PRODUCT)
        left, right = factors.beside(self.tree, self.symbols[-1])
        if left is not None:
            return f"{printing.written(left, write).at(printing.PRODUCT)} @"
        return "" if right is None else f"@ {printing.written(right, write).at(printing.APPLIED)}"

    def value(self, values: Mapping[str, Any]) -> Any:
        """The formula computed on arrays, given by their symbols: what fprop gives, or bprop sends."""
        with np.errstate(all="ignore"):
            found = np.asarray(evaluate(self.tree, self.completed(values), self.context))
        for axis in reversed(self.lifts.get(unbarred(self.target) or self.target, ())):
            found = np.squeeze(found, axis)
        return fitted(found, self.context.shape)

    def completed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values with those of the definitions; vectors as matrices, and reduced axes kept, of length 1."""
        found = {symbol: self._kept(symbol, np.asarray(value)) for symbol, value in values.items()}
        for symbol, meaning in self.needed():
            found[symbol] = evaluate(meaning, found, self.context)
        return found

    def needed(self) -> list[tuple[str, Expression]]:
        """The definitions that the formula needs, in order."""
        found: list[tuple[str, Expression]] = []
        wanted = set(names(self.tree))
        for symbol, meaning in reversed(self.definitions):
            if symbol in wanted and symbol != self.target:
                found.insert(0, (symbol, meaning))
                wanted |= set(names(meaning))
        return found

    def _kept(self, symbol: str, value: Any) -> Any:
        if self.context.kept is not None and symbol in self.symbols[-2:]:
            return value.reshape(self.context.kept)
        for axis in self.lifts.get(unbarred(symbol) or symbol, ()):
            value = np.expand_dims(value, axis)
        return value

    def _writer(self, given: Mapping[str, str]) -> Callable[[str], printing.Text]:
        """How symbols are written: by the names given, an adjoint by the name of its node with a bar."""
        known = {barred(symbol): adjoint_name(given[symbol]) for symbol in self.symbols[:-1] if symbol in given}
        known |= {
            symbol: f"{symbol}′" for symbol, _ in self.needed() if symbol in given.values()
        }  # s is another's name
        known |= given
        return lambda symbol: printing.plain(known.get(symbol, symbol))


def adjoint_name(name: str) -> str:
    """The name of a node's adjoint: with a bar where the name begins with a lone letter, else "∂" before it."""
    lone = name[:1].isalpha() and not name[1:2].isalpha()
    return barred(name) if lone else f"∂{name}"


def fitted(value: Any, shape: Shape) -> Any:
    """The value in a shape: without its axes of length 1, or summed as broadcasting asks, or repeated."""
    if [n for n in value.shape if n != 1] == [n for n in shape if n != 1]:
        return value.reshape(shape)
    if len(shape) <= value.ndim and broadcasts_to(shape, value.shape):
        added = value.ndim - len(shape)
        axes = [i for i in range(value.ndim) if i < added or shape[i - added] != value.shape[i]]
        return value.sum(axis=tuple(axes)).reshape(shape)
    return np.broadcast_to(value, shape)
