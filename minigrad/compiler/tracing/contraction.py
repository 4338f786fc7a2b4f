"""Cut the middle rounds of long loops out of a traced graph before it is recorded.

Of a loop whose rounds are exact images of each other, a few rounds at each end determine all. `contracted` finds runs of such
rounds, chooses a gap [lo, hi) of step numbers, and closes it: a node before the gap that read a round in it reads the same
round behind it, and the other way round. A loop in which anything is not understood keeps all its rounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from minigrad.compiler.tracing.rounds import FEWEST_LEFT_OUT, LONG_LOOP, MARGIN, Rounds, form, growth
from minigrad.compiler.tracing.tracer import Traced
from minigrad.loops import Loop
from minigrad.node import Node
from minigrad.ops.base import AddN
from minigrad.ops.indexing import Scatter
from minigrad.ops.linear_algebra import SumOfProducts
from minigrad.ops.shaping import Concatenate, Stack


class Contracted(NamedTuple):
    """A graph without the middle rounds of its loops; with no gaps it is the graph itself.

    nodes:    those that stay, children first
    children: of nodes that stay and read other nodes now, all their children: where one is not the node's own child, it reads in
              its round as far from the gap, on its side of it, as it read before
    parts:    of nodes that read all rounds of a loop, which of their own children are left, by number; all of them are in `children`
    gaps:     by the number of a loop the numbers of the steps that were left out: the same in loops that read each other, unless
              their steps are numbered the other way round, or from another number on
    clocks:   by the number of a loop with a gap sign and shift, such that loops that read each other read at time = sign · number +
              shift, and leave out the same times
    beside:   nodes that stay, are in no loop, and are read by a single step of a contracted loop: this loop and the step's number
    """

    nodes: Sequence[Node]
    children: Mapping[Node, tuple[Node, ...]]
    parts: Mapping[Node, tuple[int, ...]]
    gaps: Mapping[int, range]
    clocks: Mapping[int, tuple[int, int]]
    beside: Mapping[Node, tuple[int, int]]


def contracted(traced: Traced, loops: Sequence[Loop]) -> Contracted:
    """Leave out of a traced graph the middle rounds of the loops that were found in it."""
    if not any(len(loop.steps) >= LONG_LOOP for loop in loops):
        return Contracted(traced.nodes, {}, {}, {}, {}, {})
    rounds = Rounds(traced, loops)
    gaps = _Gaps(traced, rounds).found()
    while True:
        closing = _Closing(traced, rounds, gaps)
        if not closing.failed:
            return closing.result(len(loops))
        gaps = {chain: gap for chain, gap in gaps.items() if rounds.group[chain] not in closing.failed}


# Gaps --------------------------------------------------------------------------------------------------------------


class _Gaps:
    """Which steps can be left out of which chains."""

    def __init__(self, traced: Traced, rounds: Rounds) -> None:
        self.traced = traced
        self.rounds = rounds
        self.needed: dict[int, set[int]] = {}  # by group the times of steps that have to stay

    def found(self) -> dict[int, range]:
        """Choose the times of the steps that are left out, by the number of the chain."""
        self._find_needed()
        gaps: dict[int, range] = {}
        for group in set(self.rounds.group):
            members = self.rounds.members(group)
            gap = self._gap(group, members)
            if len(gap) >= FEWEST_LEFT_OUT and self._draws_in_order(gap, members) and not self._is_interrupted(members):
                gaps.update(dict.fromkeys(members, gap))
        return gaps

    def _gap(self, group: int, members: Sequence[int]) -> range:
        """Choose the longest stretch of times at which the rounds of all chains are alike and none has to stay."""
        alike = [self.rounds.chains[i].alike for i in members]
        start = max(run.start for run in alike) + MARGIN
        stop = min(run.stop for run in alike) - MARGIN
        ends = [start - 1, *sorted(s for s in self.needed.get(group, ()) if start <= s < stop), stop]
        return max([range(before + 1, after) for before, after in pairwise(ends)], key=len)

    def _find_needed(self) -> None:
        """Note the steps that have to stay: an output, an update, or a node outside of the group's rounds reads them."""
        for node in [*self.traced.outputs, *[value for _, value, _ in self.traced.updates], *self.rounds.fixed]:
            self._need(node)
        places, group = self.rounds.places, self.rounds.group
        for node in self.traced.nodes:
            if _is_wide(node):
                continue
            place = places.get(node)
            if place is None:
                for child in node.children:
                    self._need(child)
            elif place[1] not in self.rounds.chains[place[0]].alike:
                for child in node.children:
                    if child in places and group[places[child][0]] != group[place[0]]:
                        self._need(child)

    def _need(self, node: Node) -> None:
        place = self.rounds.places.get(node)
        if place is not None:
            self.needed.setdefault(self.rounds.group[place[0]], set()).add(place[1])

    def _draws_in_order(self, gap: range, members: Sequence[int]) -> bool:
        """Whether all that draws or reports between the rounds around the gap does so round by round, each like the other."""
        impure = [node for node in self.traced.nodes if not getattr(node, "pure", True)]
        around, inside = range(gap.start - 1, gap.stop + 1), set(members)
        places = [self.rounds.places.get(node, (-1, 0, 0)) for node in impure]
        ours = [k for k, (chain, step, _) in enumerate(places) if chain in inside and step in around]
        if not ours:
            return True
        stretch = places[ours[0] : ours[-1] + 1]
        steps = [step for _, step, _ in stretch]
        by_round = {step: [(chain, at) for chain, s, at in stretch if s == step] for step in around}
        return (
            len(stretch) == len(ours)
            and (steps == sorted(steps) or steps == sorted(steps, reverse=True))
            and all(draws == by_round[gap.start] for draws in by_round.values())
        )

    def _is_interrupted(self, members: Sequence[int]) -> bool:
        """Whether a state was written to between the births of rounds of one chain: later ones read the new value."""
        for chain in [self.rounds.chains[i] for i in members if self.traced.updates]:
            births = [node.number for step in chain.alike for node in chain.steps[step]]
            if any(min(births) < when < max(births) for _, _, when in self.traced.updates):
                return True
        return False


# Closing them ------------------------------------------------------------------------------------------------------

WIDE = frozenset({AddN, Concatenate, Scatter, Stack, SumOfProducts})  # of any number of children, one after the other


def _is_wide(node: Node) -> bool:
    """Whether a node may read all rounds of a loop."""
    return len(node.children) >= LONG_LOOP and type(node) in WIDE


class _Closing:
    """Close the gaps of a graph, and note the groups for which that failed."""

    def __init__(self, traced: Traced, rounds: Rounds, gaps: Mapping[int, range]) -> None:
        self.traced = traced
        self.rounds = rounds
        self.gaps = gaps
        self.children: dict[Node, tuple[Node, ...]] = {}
        self.parts: dict[Node, tuple[int, ...]] = {}
        self.failed: set[int] = set()
        chains = rounds.chains
        self.left_out = {node for i, gap in gaps.items() for s in gap for node in chains[i].steps.get(s, ())}
        for node in traced.nodes:
            if node not in self.left_out:
                self._close(node)

    def result(self, n_loops: int) -> Contracted:
        """Collect the nodes that stay, without what only rounds that were left out read."""
        needed = {*self.traced.outputs, *[value for _, value, _ in self.traced.updates]}
        kept = []
        for node in reversed(self.traced.nodes):
            if node in needed:
                needed.update(self.children.get(node, node.children))
                kept.append(node)
        kept.reverse()
        changed = [node for node in kept if node in self.children]
        chains = self.rounds.chains
        beside = {
            node: (chains[i].home, chains[i].numbers(range(time, time + 1)).start)
            for i in self.gaps
            if i >= n_loops
            for time, step in chains[i].steps.items()
            for node in step
            if node in needed
        }
        gaps = {i: chains[i].numbers(gap) for i, gap in self.gaps.items() if i < n_loops}
        clocks = {i: (chains[i].sign, chains[i].shift) for i in gaps}
        return Contracted(
            kept,
            {node: self.children[node] for node in changed},
            {node: self.parts[node] for node in changed if node in self.parts},
            gaps,
            clocks,
            beside,
        )

    def _close(self, node: Node) -> None:
        """Give a node that stays other children where its own do not stay."""
        if self.left_out.isdisjoint(node.children) or self._drop(node) or self._translate(node):
            return
        places, group = self.rounds.places, self.rounds.group
        self.failed.update([group[places[child][0]] for child in node.children if child in self.left_out])

    def _translate(self, node: Node) -> bool:
        """Let a node of a round read on its own side of the gap what it reads in it; False where it cannot."""
        chain, time, _ = self.rounds.places.get(node, (-1, 0, 0))
        gap, group = self.gaps.get(chain), self.rounds.group
        if gap is None:
            return False
        by = len(gap) if time < gap.start else -len(gap)
        children = list(node.children)
        for i, child in enumerate(children):
            if child in self.left_out:
                image = self.rounds.moved(child, by) if group[self.rounds.places[child][0]] == group[chain] else None
                if image is None or image.number > node.number:
                    return False
                children[i] = image
        self.children[node] = tuple(children)
        return True

    def _drop(self, node: Node) -> bool:
        """Take out of the children of a node that reads all rounds those that are left out; False where it cannot."""
        children = node.children
        if not _is_wide(node):
            return False
        if type(node) is SumOfProducts:
            n = len(children) // 2
            left, right = self._stretches(children[:n]), self._stretches(children[n:])
            if left is None or right is None or len(left) != len(right):
                return False
            if not all(self._go_together(children, n, *pair) for pair in zip(left, right, strict=True)):
                return False
            stretches = [
                *left,
                *[stretch._replace(start=stretch.start + n, stop=stretch.stop + n) for stretch in right],
            ]
        else:
            found = self._stretches(children)
            if found is None or (type(node) is Scatter and not _count_evenly(node, found)):
                return False
            stretches = found
        dropped = {i for stretch in stretches for i in range(stretch.start, stretch.stop)}
        parts = self.parts[node] = tuple([i for i in range(len(children)) if i not in dropped])
        self.children[node] = tuple([children[i] for i in parts])
        return True

    def _go_together(self, children: Sequence[Node], n: int, left: _Stretch, right: _Stretch) -> bool:
        """Whether n products lose both factors in these stretches. Where one stretch begins later, as h_{t−1} goes with the adjoint at t,
        the factors in between have images as many rounds on.
        """
        length = left.stop - left.start
        if length != right.stop - right.start or (left.start != right.start and left[2:] != right[2:]):
            return False
        first, other = (left.start, right.start) if left.start <= right.start else (n + right.start, n + left.start)
        by = left.way * (length // left.period)
        return all(self.rounds.moved(children[k], by) is children[k + length] for k in range(first, other))

    def _stretches(self, children: Sequence[Node]) -> list[_Stretch] | None:
        """Find the stretches of children that are left out; None if one is not all the rounds of a gap in a row."""
        found: list[_Stretch] = []
        i = 0
        while i < len(children):
            start = i
            while i < len(children) and children[i] in self.left_out:
                i += 1
            if i > start:
                stretch = self._stretch(children, start, i)
                if stretch is None:
                    return None
                found.append(stretch)
            i += 1
        return found

    def _stretch(self, children: Sequence[Node], start: int, stop: int) -> _Stretch | None:
        """Check that the children from start to stop, and those around them, are rounds in a row, each the image of the one before."""
        gap = self.gaps[self.rounds.places[children[start]][0]]
        period = (stop - start) // len(gap)
        if start < period or stop + period > len(children):
            return None
        first, second = (self.rounds.places.get(children[k]) for k in (start - period, start))
        if first is None or second is None or abs(way := second[1] - first[1]) != 1:
            return None
        for child, image in zip(children[start - period : stop], children[start : stop + period], strict=True):
            if self.rounds.moved(child, way) is not image:
                return None
        return _Stretch(start, stop, period, way)


class _Stretch(NamedTuple):
    """Children from start to stop, `period` of each round, the rounds one after the other (`way` 1) or backward (−1)."""

    start: int
    stop: int
    period: int
    way: int


def _count_evenly(node: Node, stretches: Sequence[_Stretch]) -> bool:
    """Whether the places of a Scatter's parts count with the rounds."""
    places = node.attributes["places"]
    if len(places) != len(node.children):
        return False
    for start, stop, period, _ in stretches:
        forms: list[tuple[Any, list[int]]] = []
        for index in places[start - period : stop + period]:
            numbers: list[int] = []
            forms.append((form(index, numbers), numbers))
        ways = [growth(x, y) for x, y in zip(forms, forms[period:], strict=False)]
        if None in ways or ways[period:] != ways[:-period]:
            return False
    return True
