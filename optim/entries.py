"""The entries an optimizer updates: their values, the optimizer's state, and its formula on nodes, compiled for both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.compiler.compiled import Compiled
from minigrad.node import Array, Node, Parameter
from minigrad.optim.flat import Block, FlatStore, aligned

MOST_RUNS = 64  # of parameters that have a gradient together, whose blocks are kept

# Of w, g, the state by its names and the numbers, all nodes; it writes w and the state by `mg.update`.
Formula = Callable[..., None]
Part = tuple[Array, list[Array]]  # of a block: the gradient, and the memory of w and of the state


class Entries:
    """The parameters of a store, side by side, and a state like them.

    start: the names of the state, and what its entries are before the first step

    The formula works entry by entry, so it is run on one block of neighbors after the other: the nodes that stand for w and the
    state are given the block's memory. Blocks of one length share a program, which writes them in place.
    """

    def __init__(self, store: FlatStore, start: Mapping[str, float], backend: str) -> None:
        self.store = store
        self.state = {name: aligned(store.values.size, store.dtype) for name in start}
        for name, number in start.items():
            self.state[name].fill(number)
        self.made_of: Any = None  # the settings that the formula was compiled with
        self._start, self._backend = dict(start), backend
        self._numbers: list[Array] = []
        self._runs: dict[range, list[tuple[Block, list[Array]]]] = {}
        self._nodes = [Parameter(np.zeros(1, store.dtype), name, trainable=False) for name in ("w", *start)]

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy has a program and views of its own."""
        return Entries, (self.store, self._start, self._backend), self.state

    def __setstate__(self, state: Mapping[str, Array]) -> None:
        for name, array in state.items():
            self.state[name][...] = array

    def compile(self, formula: Formula, made_of: Any) -> None:
        """Take a formula, which the next call compiles."""
        nodes = self._nodes

        def update(g: Node, *numbers: Node) -> Node:
            formula(*nodes[:1], g, *nodes[1:], *numbers)
            return numbers[0]

        # No rewrites: nodes and program give the same bits.
        self._compiled = Compiled(update, (), backend=self._backend)
        self.made_of = made_of
        self._programs: dict[int, Callable[..., Any]] = {}  # by the length of a block

    def gathered(self, run: range, given: Sequence[Any]) -> list[Part]:
        """The blocks of a run of parameters, with their gradients. given: those of all, flat"""
        return [(block.gradient(given), memory) for block, memory in self._blocks(run)]

    def update(self, parts: Sequence[Part], numbers: Sequence[float]) -> None:
        """Apply the formula to the blocks of a run."""
        if len(self._numbers) != len(numbers):
            self._numbers = [np.zeros((), self.store.dtype) for _ in numbers]
        for place, number in zip(self._numbers, numbers, strict=True):
            place[...] = number
        for gradient, memory in parts:
            for node, array in zip(self._nodes, memory, strict=True):
                node._value = array
            self._program(gradient)

    def _blocks(self, run: range) -> list[tuple[Block, list[Array]]]:
        """The blocks of a run, each with the memory that the nodes are given."""
        found = self._runs.get(run)
        if found is None:
            if len(self._runs) >= MOST_RUNS:
                self._runs.clear()
            arrays = self.store.values, *self.state.values()
            found = self._runs[run] = [(x, [array[x.where] for array in arrays]) for x in self.store.blocks(run)]
        return found

    def _program(self, gradient: Array) -> None:
        """Run the program for so many entries; the first time, trace and compile it."""
        program = self._programs.get(gradient.size)
        if program is not None and not np.may_share_memory(gradient, self.store.values):
            program(gradient, *self._numbers)
            return
        self._compiled(gradient, *self._numbers)
        if program is None and (program := self._compiled.bare(gradient, *self._numbers)) is not None:
            self._programs[gradient.size] = program
