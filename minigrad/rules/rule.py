"""The rule of a node, read off the docstring of its operation, with the numbers of its attributes put in.

So of x³ the adjoint is `3 ȳ x²`, and of a mean of four entries `ȳ / 4`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

from minigrad.node import Node
from minigrad.ops.base import Operation
from minigrad.rules.binding import Binding
from minigrad.rules.docstrings import Rules, barred, rules_of
from minigrad.rules.formulas import Formula
from minigrad.rules.tree import Expression, Name, Phrase, Words

NO_RULES = Rules("y", {}, (), None, {}, (), complete=True)  # of a leaf
MOST_KNOWN = 256  # rules of a class that are kept


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
        if len(children) != len(self.adjoints):
            raise ValueError(
                f"the rule of {self.operation} is about {len(self.adjoints)} children, and {len(children)} are given: "
                "give one name or value per child, in their order"
            )
        given = zip(self.symbols, (*children, result, adjoint), strict=True)
        return {symbol: thing for symbol, thing in given if thing is not None}


_KNOWN: WeakKeyDictionary[type[Node], dict[Hashable, Rule]] = WeakKeyDictionary()


def rule_of(node: Node) -> Rule:
    """The rule of a node, from the docstring of its operation and the node's attributes.

    Where the docstring says nothing that can be read, as that of a user's operation may, the rule is words: "the rule of
    MyOp". A leaf is given, and has no children.

    >>> import numpy as np, minigrad as mg
    >>> from minigrad.rules import rule_of
    >>> z = mg.Input(0.5, name="z")
    >>> h = np.tanh(z)
    >>> rule = rule_of(h)
    >>> names, values = rule.bound(["z"], "h"), rule.bound([z.value], h.value, 0.3)
    >>> rule.forward.line(names), rule.forward.in_numbers(values)
    ('h = tanh z', 'tanh(0.5) = 0.4621')
    >>> rule.adjoints[0].line(names), rule.adjoints[0].in_numbers(values)
    ('z̄ += h̄ (1 − h²)', '0.3 × (1 − 0.4621²) = 0.2359')
    >>> rule.adjoints[0].factor(names)
    '(1 − h²)'
    """
    alike = _what_matters(node)
    if alike is None:
        return _rule(node)
    known = _KNOWN.setdefault(type(node), {})
    if alike not in known:
        if len(known) >= MOST_KNOWN:
            known.clear()
        known[alike] = _rule(node)
    return known[alike]


def _what_matters(node: Node) -> Hashable | None:
    """What decides the rule among the nodes of a class; None where an attribute is no number, text or tuple of these."""
    attributes = node.attributes if isinstance(node, Operation) else {}
    if not all(map(_is_plain, attributes.values())):
        return None
    arrays = [(each.shape, each.dtype) for each in (node, *node.children)]
    return tuple(arrays), tuple(attributes.items())


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _rule(node: Node) -> Rule:
    bound = Binding(node, rules_of(type(node)) if isinstance(node, Operation) else NO_RULES)
    adjoints = [_adjoint(bound, slot) for slot in range(len(node.children))]
    return Rule(type(node).__name__, _forward(bound), tuple(adjoints), bound.symbols)


def _forward(bound: Binding) -> Formula:
    """The formula of the value, or as words the operation on its children."""
    statement, name = bound.forward(), type(bound.node).__name__
    if statement is not None:
        return _formula(bound, bound.rules.result, bound.put(statement.tree), statement.remark, bound.node)
    children = [part for symbol in bound.symbols[:-2] for part in (", ", Name(symbol))][1:]
    words = Words((f"{name}(", *children, ")") if isinstance(bound.node, Operation) else ("given",))
    return _formula(bound, bound.rules.result, words, "", bound.node)


def _adjoint(bound: Binding, slot: int) -> Formula | None:
    """The formula of what a child is sent; None where it has no adjoint."""
    child, statement = bound.node.children[slot], bound.adjoint(slot)
    if child.dtype.kind != "f" or (statement is None and bound.rules.complete):
        return None
    target = barred(bound.symbols[slot])
    if statement is None:
        return _formula(bound, target, Words((f"the rule of {type(bound.node).__name__}",)), "", child)
    return _formula(bound, target, bound.put(statement.tree, slot), statement.remark, child)


def _formula(bound: Binding, target: str, tree: Expression, remark: str, like: Node) -> Formula:
    context = bound.context._replace(shape=like.shape)
    return Formula(
        target, _said(tree, like, context.attributes), bound.symbols, bound.definitions, remark, context, bound.lifts
    )


def _said(tree: Expression, like: Node, attributes: Mapping[str, Any]) -> Expression:
    """The shape, dtype or order where a phrase speaks of another one."""
    match tree:
        case Phrase(_, "in another shape" | "in {}'s shape"):
            return replace(tree, shown=f"in the shape {like.shape}")
        case Phrase(_, "repeated" | "summed" as words):
            return replace(tree, shown=f"{words} to the shape {like.shape}")
        case Phrase(_, "in another dtype" | "in {}'s dtype"):
            return replace(tree, shown=f"as {like.dtype}")
        case Phrase(_, "with its axes in another order") if "axes" in attributes:
            order = attributes["axes"]
            return replace(
                tree, shown="with its axes reversed" if order is None else f"with its axes in the order {order}"
            )
    return tree
