"""Record a traced graph as lines: look up the recipe of each node, and write its steps on a page.

Nodes of one class with equal attributes and shapes share a recipe. Every line is told its origin: scope, loop, time step, role
(the same for lines that do the same in different time steps), and whose adjoint it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from minigrad.compiler.lines import (
    Line,
    Lines,
    NotContracted,
    Origin,
    Page,
    in_order,
    static_key,
)
from minigrad.compiler.names import word_for
from minigrad.compiler.tracing.contraction import contracted
from minigrad.compiler.tracing.recipes import in_time, recipe_of, recipe_of_parts
from minigrad.compiler.tracing.recorder import Recipe
from minigrad.compiler.tracing.tracer import Traced, is_read_in_place
from minigrad.loops import Loop, uncompared
from minigrad.node import Array, Node
from minigrad.ops.base import AddN, Operation
from minigrad.ops.linear_algebra import SumOfProducts


def record_lines(traced: Traced, contracts: bool = True) -> Lines:
    """Record a traced graph as lines. contracts: whether middle rounds of loops may be left out"""
    return _Recording(traced, contracts).lines()


class _Recording:
    def __init__(self, traced: Traced, contracts: bool) -> None:
        found = uncompared(traced.nodes)
        self.graph = contracted(traced, found if contracts else [])
        self.traced = traced
        self.page = Page(self.graph.gaps)
        self.recipes: dict[Any, Recipe] = {}
        self.roles = _Roles(found)
        self.impure: Line | None = None  # the last one: what draws or reports stays in its order

    def lines(self) -> Lines:
        traced, made = self.traced, dict[Node, Line]()
        names: dict[Node, str] = {node: name for name, node in traced.inputs.items()}
        updates = list(traced.updates)
        latest: dict[Node, Line] = {}
        for node in self.graph.nodes:
            while (
                updates and updates[0][2] < node.number
            ):  # what reads a state after it was written reads the new value
                state, value, _ = updates.pop(0)
                latest[state] = latest.get(value) or made[value]
            if isinstance(node, Operation):
                children = self.graph.children.get(node, node.children)
                made[node] = self._operation(node, [latest.get(child) or made[child] for child in children])
            else:
                made[node] = self._leaf(node, names.get(node))
        for state, value, _ in updates:
            latest[state] = latest.get(value) or made[value]
        new_states = [(made.get(node) or self._leaf(node, None), value) for node, value in latest.items()]
        outputs = [latest.get(node) or made[node] for node in traced.outputs]
        return Lines(self.page, in_order([*outputs, *latest.values()]), outputs, new_states)

    def _leaf(self, node: Node, argument: str | None) -> Line:
        if argument is not None:
            return self.page.leaf(argument, node.shape, node.dtype, None, node.number)
        if is_read_in_place(node, self.traced.start):
            return self.page.leaf(node.name, node.shape, node.dtype, node, node.number)
        return self.page.constant(node._value)

    def _operation(self, node: Operation, children: list[Line]) -> Line:
        origin = self.roles.origin(node, self.traced.adjoints.get(node))
        parts = self.graph.parts.get(node)
        if node in self.graph.children and parts is None:
            origin = origin._replace(leap=-1)
        if parts is not None and type(node) is not AddN:
            recipe = recipe_of_parts(node, parts, self.roles.time, self.page.names)
        else:
            arrays = [child._value for child in node.children[: len(children)]]
            if type(node) is SumOfProducts:
                order = in_time(children)
                children, arrays = [children[i] for i in order], [arrays[i] for i in order]
            recipe = self._known_recipe(node, arrays)
        leaps = self._leaps(node, len(recipe.steps))
        results: list[Line] = []
        for i, step in enumerate(recipe.steps):
            operands = [
                self.page.constant(x) if isinstance(x, np.ndarray) else children[x] if x >= 0 else results[-1 - x]
                for x in step.operands
            ]
            last = recipe.result == -1 - i
            of_step = origin if last else origin.within()._replace(role=(origin.role, i))
            if leaps:
                of_step = of_step._replace(leap=leaps[i])
            line = self.page.write(step.op, operands, step.shape, step.dtype, of_step)
            if not step.op.pure:
                line.after, self.impure = self.impure, line
            results.append(line)
        return children[recipe.result] if recipe.result >= 0 else results[-1 - recipe.result]

    def _known_recipe(self, node: Operation, arrays: Sequence[Array]) -> Recipe:
        """Look up or derive the recipe of a node for arrays like these."""
        shapes = tuple([(array.shape, array.dtype) for array in arrays])
        key = (type(node), static_key(node.attributes), shapes)
        recipe = self.recipes.get(key)
        if recipe is None:
            recipe = self.recipes[key] = recipe_of(node, arrays, self.page.names)
        return recipe

    def _leaps(self, node: Operation, n: int) -> list[int]:
        """Of a sum over rounds some of which are left out: how many are, before each term."""
        parts = self.graph.parts.get(node)
        if parts is None or type(node) is not AddN:
            return []
        leaps = [later - earlier - 1 for earlier, later in pairwise(parts)]
        if parts[0] or parts[-1] + 1 != len(node.children) or len(leaps) != n:
            raise NotContracted(f"the ends of {node.label} are left out")
        return leaps


# Roles -------------------------------------------------------------------------------------------------------------


class _Roles:
    """Give one role to nodes that do the same in different time steps: of one loop and class, at the same place in their step.

    places: of each node in a loop the loop, and the number of its step
    common: by loop and scope, for scopes that several steps have, so that the program has to number these itself
    """

    def __init__(self, loops: Sequence[Loop]) -> None:
        self.of: dict[int, int] = {}  # a node's number to its role
        self.numbers: dict[Any, int] = {}
        self.seen: dict[Any, int] = {}
        self.places: dict[Node, tuple[int, int]] = {}
        steps: dict[tuple[int, str], set[int]] = {}
        for i, loop in enumerate(loops):
            for number, step in loop.steps.items():
                for node in step:
                    self.places[node] = i, number
                    steps.setdefault((i, node.context.scope), set()).add(number)
        self.common = {place for place, numbers in steps.items() if len(numbers) > 1}

    def time(self, node: Node) -> tuple[int, ...]:
        """The number of a node's step; () outside of loops."""
        place = self.places.get(node)
        return () if place is None else (place[1],)

    def origin(self, node: Node, adjoint_of: Node | None) -> Origin:
        """Tell the origin of a node."""
        scope, forward = str(node.context.scope), node.context.origin
        loop, number = self.places.get(node, (-1, -1))
        place = (type(node), (loop, number, scope) if forward is None else forward, node.shape)
        nth = self.seen[place] = self.seen.get(place, -1) + 1
        like = loop if forward is None else self.of.get(forward, loop)
        key = (type(node), like, forward is None, nth, node.shape)
        role = self.of[node.number] = self.numbers.setdefault(key, len(self.numbers))
        of = None
        if adjoint_of is not None:
            of = adjoint_of.number, adjoint_of.name or word_for(type(adjoint_of)), bool(adjoint_of.name)
        name = node.name or ("" if forward is not None else word_for(type(node)))
        if (loop, scope) in self.common:
            scope = f"{scope} step {number}".lstrip()
        step = () if loop < 0 else (number,)
        return Origin(scope, forward is not None, name, role, loop, step, of, node.number)
