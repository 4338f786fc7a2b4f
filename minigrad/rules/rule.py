"""The rule of a node, read off the docstring of its operation, with the numbers of its attributes put in.

So of x³ the adjoint is `3 ȳ x²`, and of a mean of four entries `ȳ / 4`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from minigrad.node import Node
from minigrad.ops.base import Operation
from minigrad.rules import indices
from minigrad.rules.docstrings import GREEK, Rules, attribute_names, barred, rules_of
from minigrad.rules.evaluation import evaluate, is_matrix
from minigrad.rules.formulas import Formula
from minigrad.rules.phrases import Context
from minigrad.rules.printing import lowered
from minigrad.rules.simplify import literal, substituted
from minigrad.rules.tree import (
    ButFor,
    Call,
    Compare,
    Expression,
    Indexed,
    Logic,
    Name,
    Over,
    Phrase,
    Place,
    Product,
    Sum,
    Transpose,
    Words,
    everything,
    names,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule of a node: the formula of its value, and of each child's adjoint (None where a child has none).

    symbols: of the children, the value and its adjoint
    """

    operation: str
    forward: Formula
    adjoints: tuple[Formula | None, ...]
    symbols: tuple[str, ...]

    def bound(self, children: Sequence[Any], result: Any = None, adjoint: Any = None) -> dict[str, Any]:
        """Names or values by the symbols of the rule: of the children in their order, the value, and its adjoint."""
        given = zip(self.symbols, (*children, result, adjoint), strict=True)
        return {symbol: thing for symbol, thing in given if thing is not None}


def rule_of(node: Node) -> Rule:
    """The rule of a node, from the docstring of its operation and the node's attributes.

    Where the docstring says nothing that can be read, as that of a user's operation may, the rule is words: "the rule of
    MyOp". A leaf is given, and has no children.
    """
    rules = rules_of(type(node)) if isinstance(node, Operation) else Rules("y", {}, (), None, {}, (), True)
    symbols = _symbols(node, rules)
    adjoint = barred(rules.result)
    common = Common(node, rules, (*symbols, rules.result, adjoint))
    back = [common.adjoint(slot) for slot in range(len(symbols))]
    return Rule(type(node).__name__, common.forward(), tuple(back), common.symbols)


class Common:
    """What the formulas of a node have in common."""

    def __init__(self, node: Node, rules: Rules, symbols: tuple[str, ...]) -> None:
        self.node = node
        self.rules = rules
        self.symbols = symbols
        self.context = _context(node)
        self.known = self._known()
        self.definitions = tuple(
            [(s.target, self.put(s.tree)) for s in rules.definitions if s.target not in self.known]
        )
        self.lifts = self._lifts()

    def forward(self) -> Formula:
        if not isinstance(self.node, Operation):
            return self.formula(self.rules.result, Words(("given",)), "", self.node.shape)
        statement = self.rules.forward
        if statement is None:
            parts = [part for symbol in self.symbols[:-2] for part in (", ", Name(symbol))][1:]
            tree: Expression = Words((f"{type(self.node).__name__}(", *parts, ")"))
            return self.formula(self.rules.result, tree, "", self.node.shape)
        return self.formula(statement.target, self.put(statement.tree), statement.remark, self.node.shape)

    def adjoint(self, slot: int) -> Formula | None:
        """The formula of what a child is sent."""
        child = self.node.children[slot]
        statement = self.rules.adjoints.get(self.family(slot) if self.rules.families else slot)
        if child.dtype.kind != "f" or (statement is None and self.rules.silent):
            return None
        target = barred(self.symbols[slot])
        if statement is None:
            return self.formula(target, Words((f"the rule of {type(self.node).__name__}",)), "", child.shape)
        return self.formula(target, self.put(statement.tree, slot), statement.remark, child.shape)

    def formula(self, target: str, tree: Expression, remark: str, shape: tuple[int, ...]) -> Formula:
        tree = _said(tree, shape)
        return Formula(
            target, tree, self.symbols, self.definitions, remark, self.context._replace(shape=shape), self.lifts
        )

    def put(self, tree: Expression, slot: int = 0) -> Expression:
        """The formula with attributes as numbers, indices as they are, and Σ x_i written out."""
        tree = indices.put(self._written_out(tree), self.node, self.symbols, slot)
        members = self._members(slot % self._many()) if self.rules.families else {}
        return substituted(tree, {**self.known, **members})

    def family(self, slot: int) -> int:
        """Whether a child is one of the x_i (0), or of the second family of children (1), ..."""
        return slot // self._many()

    def _many(self) -> int:
        """The number of children in a family."""
        return max(len(self.node.children) // max(len(self.rules.families), 1), 1)

    def _members(self, i: int) -> dict[str, Expression]:
        """What A_i and B_i are for one i."""
        return {family: Name(self.symbols[k * self._many() + i]) for k, family in enumerate(self.rules.families)}

    def _written_out(self, tree: Expression) -> Expression:
        """Σ_i x_i as x₁ + x₂ + ..., f(x_i) as f(x₁, x₂, ...)."""
        members = [self._members(i) for i in range(self._many())] if self.rules.families else []
        match tree:
            case Over("Σ_i", x) if members:
                terms = [substituted(x, known) for known in members]
                return Sum(tuple(terms)) if len(terms) > 1 else terms[0]
            case Call(function, (Name(symbol),)) if symbol in self.rules.families:
                return Call(function, tuple([known[symbol] for known in members]))
        return tree

    def _known(self) -> dict[str, Expression]:
        """What is known before any value is: numbers, other symbols of children, and definitions made of them."""
        found: dict[str, Expression] = {}
        for name in attribute_names(type(self.node)) if isinstance(self.node, Operation) else ():
            value = self.node.attributes[name]
            if isinstance(value, int | float | np.number):
                found[name] = literal(float(value))
        found |= {letter: found[name] for letter, name in GREEK.items() if name in found}
        for symbol, slot in self.rules.slots.items():
            if not self.rules.families and symbol != self.symbols[slot]:
                found[symbol] = Name(self.symbols[slot])
        for statement in self.rules.definitions:
            tree = substituted(statement.tree, found)
            if isinstance(tree, Compare | Logic) or (isinstance(tree, Name) and tree.symbol in self.symbols):
                found[statement.target] = tree
            elif (value := self._static(tree)) is not None:
                found[statement.target] = literal(value)
        return found

    def _static(self, tree: Expression) -> float | None:
        """The number that comes of a formula whatever the values are: it is made of numbers, and of counts of entries."""
        counts = [part for part in everything(tree) if isinstance(part, Call) and part.function == "count"]
        if not set(names(tree)) <= {name for count in counts for name in names(count)}:
            return None
        if any(isinstance(part, Words | Compare | Logic | Place | Indexed | ButFor) for part in everything(tree)):
            return None
        shapes = {s: np.zeros(child.shape) for s, child in zip(self.symbols, self.node.children, strict=False)}
        try:
            with np.errstate(all="ignore"):
                return float(evaluate(tree, shapes, self.context))
        except Exception:  # a user's docstring may say what cannot be computed: it stays as it is written
            return None

    def _lifts(self) -> dict[str, tuple[int, ...]]:
        """Vectors as matrices in a product A B: a row on the left, a column on the right, and so in the result."""
        statement = self.rules.forward
        if statement is None or not isinstance(statement.tree, Product) or len(self.symbols) != 4:
            return {}
        if not all(map(is_matrix, statement.tree.factors)):
            return {}
        a, b, result, _ = self.symbols
        left, right = [child.ndim == 1 for child in self.node.children]
        if isinstance(statement.tree.factors[1], Transpose):  # of two columns
            return {a: (-1,) * left, b: (-1,) * right}
        return {a: (-2,) * left, b: (-1,) * right, result: (-1,) * right + (-2,) * left}


def _symbols(node: Node, rules: Rules) -> list[str]:
    """The symbols of the children: as the formulas write them, else their roles; of any number of them x₁, x₂, ..."""
    roles = getattr(type(node), "roles", ())
    used = set(_used(rules))
    shown = {slot: symbol for symbol, slot in reversed(rules.slots.items()) if symbol in used or barred(symbol) in used}
    named = [shown.get(slot, role) for slot, role in enumerate(roles)]
    count = len(node.children) - len(roles)
    if roles or not rules.families:
        return named + [f"{'i' if roles else 'x'}{lowered(i + 1)}" for i in range(count)]
    many = max(count // len(rules.families), 1)
    return [
        f"{rules.families[min(i // many, len(rules.families) - 1)][0]}{lowered(i % many + 1)}" for i in range(count)
    ]


def _used(rules: Rules) -> list[str]:
    statements = [s for s in (rules.forward, *rules.adjoints.values(), *rules.definitions) if s is not None]
    return [name for s in statements for name in (s.target, *names(s.tree))]


def _said(tree: Expression, shape: tuple[int, ...]) -> Expression:
    """The shape where a phrase speaks of another shape."""
    match tree:
        case Phrase(_, "in another shape" | "in {}'s shape"):
            return replace(tree, shown=f"in the shape {shape}")
        case Phrase(_, "repeated" | "summed" as words):
            return replace(tree, shown=f"{words} to the shape {shape}")
    return tree


def _context(node: Node) -> Context:
    """What the words of the rule refer to, but for the shape of what is computed."""
    attributes = node.attributes if isinstance(node, Operation) else {}
    axis = attributes.get("axis")
    if attributes.get("keepdims", True) or len(node.children) != 1:
        return Context(axis, attributes=attributes)
    shape = node.children[0].shape
    reduced = range(len(shape)) if axis is None else normalize_axis_tuple(axis, len(shape))
    return Context(axis, tuple([1 if i in reduced else n for i, n in enumerate(shape)]), attributes=attributes)
