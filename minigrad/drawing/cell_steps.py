"""The steps of a recorded loop: which one stands for all, how it differs from others, and what it carries to the next."""

from __future__ import annotations

from collections import Counter

from minigrad.drawing.cell_weights import UnknownCellError
from minigrad.drawing.flow import Flow, FlowLoop
from minigrad.drawing.uses import fixed_nodes

MOST = 100  # operations of a step


def typical_step(loop: FlowLoop) -> int:
    """Choose the place of a step that stands for the others: one of the most frequent kind, after one of its kind if there is such."""
    later = loop.kinds[1:]
    if not later:
        return 0
    kind = Counter(later).most_common(1)[0][0]
    alike = [k for k in range(1, len(loop.kinds)) if loop.kinds[k] == kind]
    return next((k for k in alike if loop.kinds[k - 1] == kind), alike[0])


class Steps:
    """The operations of a loop, by step.

    step, before: the numbers of the step that is drawn, and of the one before it; now, then: their operations
    of:           of every operation the number of its step, and its place in it
    fixed:        what is made of weights and numbers alone
    n_unlike:     how many steps do something else than the one that is drawn, or have other weights
    """

    def __init__(self, flow: Flow, number: int) -> None:
        self.flow, self.nodes, self.children = flow, flow.nodes, flow.operands()
        self.fixed = fixed_nodes(flow)
        self.members: dict[int, list[int]] = {}
        self.of: dict[int, tuple[int, int]] = {}
        for node in flow.nodes:
            if node.loop == number and node.step is not None and self.children[node.index]:
                members = self.members.setdefault(node.step, [])
                self.of[node.index] = node.step, len(members)
                members.append(node.index)
        loop = flow.loops[number]
        at = typical_step(loop)
        if not at:
            raise UnknownCellError("the loop has a single step, so no state is carried on")
        self.step, self.before = loop.steps[at], loop.steps[at - 1]
        self.now, self.then = self.members[self.step], self.members[self.before]
        if len(self.now) > MOST:
            raise UnknownCellError(f"a step has {len(self.now)} operations, more than any cell that has a picture")
        self.like = {step for step in loop.steps if self._is_like(step)}
        if self.before not in self.like:
            raise UnknownCellError("its steps are not alike")
        kind = loop.kinds[at]
        ways = zip(loop.steps, loop.kinds, strict=True)
        self.n_unlike = sum([step not in self.like or (step != loop.steps[0] and of != kind) for step, of in ways])

    def number_of(self, node: int) -> int | None:
        """The number of the step of an operation; None outside of the loop."""
        return self.of[node][0] if node in self.of else None

    def _is_like(self, step: int) -> bool:
        """Whether a step has the operations of the one that is drawn, and reads the same weights; its states may come from elsewhere."""
        there = self.members.get(step, [])
        if [self._what(i) for i in there] != [self._what(i) for i in self.now]:
            return False
        pairs = zip(self.now, there, strict=True)
        slots = [pair for i, other in pairs for pair in zip(self.children[i], self.children[other], strict=True)]
        return all(other == child for child, other in slots if child in self.fixed and child not in self.of)

    def _what(self, i: int) -> tuple[str, tuple[int, ...], int]:
        return self.nodes[i].operation, self.nodes[i].shape, len(self.children[i])

    def carried(self) -> list[int]:
        """The operations of the step that the next one reads; numbers summed over the steps, as losses are, are no states."""
        places = set()
        for child in [child for i in self.now for child in self.children[i] if child in self.of]:
            step, place = self.of[child]
            if step == self.before:
                places.add(place)
            elif step != self.step:
                raise UnknownCellError("it reads a step further back than the one before")
        found = [self.now[place] for place in sorted(places) if self.then[place] not in self.fixed]
        sums = [i for i in found if self.nodes[i].operation == "Add" and self.nodes[i].shape == ()]
        found = [i for i in found if i not in sums] or found
        if not found:
            raise UnknownCellError("no state is carried on from step to step")
        return found

    def is_read_elsewhere(self, state: int, others: set[int]) -> bool:
        """Whether in any step something beside the next state reads a state at once; others: operations no state depends on."""
        name, place = self.nodes[state].name, self.of[state][1]
        named = [i for i in self.of if name and self.nodes[i].name == name]  # the last step may lack what nobody needs
        found = {*named, *[self.members[step][place] for step in self.like]}
        places = {self.of[i][1] for i in others}
        return not found.isdisjoint(self.flow.outputs) or any(
            edge.source in found
            and not self.nodes[edge.target].order
            and (edge.target not in self.of or self.of[edge.target][1] in places)
            for edge in self.flow.edges
        )

    def computed_from(self) -> set[int]:
        """What lies outside of the loop, but depends on it."""
        found: set[int] = set()
        for node in self.nodes:
            if any(child in found or child in self.of for child in self.children[node.index]):
                found.add(node.index)
        return found
