"""What the symbols of a class's rules stand for in one node: its children, its attributes' numbers, its index."""

from __future__ import annotations

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from minigrad.node import Node
from minigrad.ops.base import Operation
from minigrad.rules import indices
from minigrad.rules.docstrings import GREEK, Rules, Statement, barred
from minigrad.rules.evaluation import evaluate, is_matrix
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
    Place,
    Product,
    Sum,
    Transpose,
    Words,
    everything,
    names,
)

UNCOUNTED = Words | Compare | Logic | Place | Indexed | ButFor  # what is no number known before any value is


class Binding:
    """The rules of a class, bound to one of its nodes.

    symbols:     of the children, the value, and its adjoint
    definitions: what other letters stand for, in order
    context:     what the words of the formulas refer to, but for the shape of what is computed
    lifts:       by symbol, the axes to be added to a vector that stands for a matrix: -2 for a row, -1 for a column
    """

    def __init__(self, node: Node, rules: Rules) -> None:
        self.node = node
        self.rules = rules
        fits = rules.families and node.children and len(node.children) % len(rules.families) == 0
        self.families = rules.families if fits else ()
        self.many = len(node.children) // max(len(self.families), 1)  # children in a family
        self.symbols = (*self._children(), rules.result, barred(rules.result))
        self.context = _context(node)
        self.known = self._numbers()
        self._define()
        rest = [s for s in rules.definitions if s.target not in self.known]
        self.definitions = tuple([(s.target, self.put(s.tree)) for s in rest])
        self.lifts = self._lifts()

    def forward(self) -> Statement | None:
        """The statement about the value, None where there is none for so many children."""
        return self.rules.forward if self.families == self.rules.families else None

    def adjoint(self, slot: int) -> Statement | None:
        """The statement about a child's adjoint; of any number of children, that about its family."""
        if self.families != self.rules.families:
            return None
        return self.rules.adjoints.get(slot // self.many if self.families else slot)

    def put(self, tree: Expression, slot: int = 0) -> Expression:
        """The formula with attributes as numbers, indices as they are, and Σ_i x_i written out."""
        tree = indices.put(self._written_out(tree), self.node, self.symbols, slot)
        members = self._members(slot % self.many) if self.families else {}
        return substituted(tree, {**self.known, **members})

    # Children

    def _children(self) -> list[str]:
        """Their symbols: as the formulas write them, else their roles; of any number of them x₁, x₂, ..."""
        roles = getattr(type(self.node), "roles", ())
        used = set(self._used())
        slots = reversed(self.rules.slots.items())
        shown = {slot: symbol for symbol, slot in slots if symbol in used or barred(symbol) in used}
        rest = range(len(self.node.children) - len(roles))
        if self.families:
            last = len(self.families) - 1
            return [f"{self.families[min(i // self.many, last)][0]}{lowered(i % self.many + 1)}" for i in rest]
        named = [shown.get(slot, role) for slot, role in enumerate(roles)]
        return named + [f"{'i' if roles else 'x'}{lowered(i + 1)}" for i in rest]

    def _used(self) -> list[str]:
        """The symbols that the formulas write."""
        rules = self.rules
        statements = [s for s in (rules.forward, *rules.adjoints.values(), *rules.definitions) if s is not None]
        return [name for s in statements for name in (s.target, *names(s.tree))]

    def _members(self, i: int) -> dict[str, Expression]:
        """What A_i and B_i are for one i."""
        return {family: Name(self.symbols[k * self.many + i]) for k, family in enumerate(self.families)}

    def _written_out(self, tree: Expression) -> Expression:
        """Σ_i x_i as x₁ + x₂ + ..., f(x_i) as f(x₁, x₂, ...)."""
        members = [self._members(i) for i in range(self.many)] if self.families else []
        match tree:
            case Over("Σ_i", x) if members:
                terms = [substituted(x, known) for known in members]
                return Sum(tuple(terms)) if len(terms) > 1 else terms[0]
            case Call(function, (Name(symbol),)) if symbol in self.families:
                return Call(function, tuple([known[symbol] for known in members]))
        return tree

    # What is known before any value is

    def _numbers(self) -> dict[str, Expression]:
        """The numbers among the attributes, and other symbols of children."""
        found: dict[str, Expression] = {}
        attributes = self.node.attributes if isinstance(self.node, Operation) else {}
        for name, value in attributes.items():
            if isinstance(value, int | float | np.number):
                found[name] = literal(float(value))
        found |= {letter: found[name] for letter, name in GREEK.items() if name in found}
        if not self.families:
            found |= {symbol: Name(self.symbols[slot]) for symbol, slot in self.rules.slots.items()}
        return {symbol: tree for symbol, tree in found.items() if tree != Name(symbol)}

    def _define(self) -> None:
        """Add the definitions that are numbers, other names, or conditions."""
        for statement in self.rules.definitions:
            tree = substituted(statement.tree, self.known)
            if isinstance(tree, Compare | Logic) or (isinstance(tree, Name) and tree.symbol in self.symbols):
                self.known[statement.target] = tree
            elif (value := self._static(tree)) is not None:
                self.known[statement.target] = literal(value)

    def _static(self, tree: Expression) -> float | None:
        """The number that comes of a formula whatever the values are: it is made of numbers, and of counts of entries."""
        counts = [part for part in everything(tree) if isinstance(part, Call) and part.function == "count"]
        if not set(names(tree)) <= {name for count in counts for name in names(count)}:
            return None
        if any(isinstance(part, UNCOUNTED) for part in everything(tree)):
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


def _context(node: Node) -> Context:
    """What the words of the rule refer to, but for the shape of what is computed."""
    attributes = node.attributes if isinstance(node, Operation) else {}
    axis = attributes.get("axis")
    if attributes.get("keepdims", True) or len(node.children) != 1:
        return Context(axis, attributes=attributes)
    shape = node.children[0].shape
    try:
        reduced = range(len(shape)) if axis is None else normalize_axis_tuple(axis, len(shape))
    except (TypeError, ValueError):  # a user's attribute of this name may be something else
        return Context(attributes=attributes)
    return Context(axis, tuple([1 if i in reduced else n for i, n in enumerate(shape)]), attributes=attributes)
