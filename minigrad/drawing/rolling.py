"""Roll loops: consecutive steps that do the same with the same parameters are drawn once, with delays back to their start.

What steps read from elsewhere, as the inputs of each, may differ; what they compute, their numbers and their parameters may not.
Others are drawn singly.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from minigrad.drawing.flow import Flow, FlowEdge, FlowNode
from minigrad.drawing.steps import Chain, chains
from minigrad.drawing.uses import drawn


class Run(NamedTuple):
    """Steps from `start` up to `end` of a chain, all drawn as the one at `at`."""

    start: int
    end: int
    at: int

    @property
    def length(self) -> int:
        """How many steps they are."""
        return self.end - self.start


def rolled(flow: Flow, but: Container[int] = (), *, required: bool = True) -> Flow:
    """Draw like steps of a loop once, those of these nodes aside.

    Errors: ValueError where there is no loop, if one is required
    """
    found = chains(flow, drawn(flow, numbers=True), but, least=1)
    if not found and not required:
        return flow
    if not found:
        raise ValueError("mg.draw(roll=True): the graph has no loop of two or more steps: leave roll out")
    return _Rolled(flow, found).flow()


class _Rolled:
    """Runs of like steps, and what becomes of the edges between them."""

    def __init__(self, flow: Flow, found: Sequence[Chain]) -> None:
        self.before, self.chains = flow, found
        self.operands = flow.operands()
        self.home = {n: (c, k) for c, chain in enumerate(found) for k, step in enumerate(chain.steps) for n in step}
        self.rank = {n: i for chain in found for step in chain.steps for i, n in enumerate(step)}
        self.behind = self._behind()
        self.runs = self._runs()
        self.run_of = {
            (c, k): run for c, runs in enumerate(self.runs) for run in runs for k in range(run.start, run.end)
        }
        self.stands = {
            node: found[c].steps[run.at][i]
            for (c, k), run in self.run_of.items()
            if k != run.at
            for i, node in enumerate(found[c].steps[k])
        }
        self.delays: dict[FlowEdge, int] = {}
        self.apart: dict[tuple[int, int], str] = {}
        self.counts: dict[tuple[int, int], int] = {}

    def _behind(self) -> list[frozenset[int]]:
        """The parameters behind each node outside of chains."""
        found: list[frozenset[int]] = []
        for node in self.before.nodes:
            if node.index in self.home:
                found.append(frozenset())
            elif node.kind in ("parameter", "state"):
                found.append(frozenset([node.index]))
            else:
                found.append(frozenset().union(*[found[child] for child in self.operands[node.index]]))
        return found

    def _runs(self) -> list[list[Run]]:
        """The runs of each chain: each is drawn as the step that most chains can show, of several the last."""
        spans = []
        for c, chain in enumerate(self.chains):
            keys = [self._key(c, k) for k in range(len(chain.steps))]
            starts = [0, *[k for k in range(1, len(keys)) if keys[k] != keys[k - 1]], len(keys)]
            spans.append(list(pairwise(starts)))
        votes: dict[int, int] = {}
        for chain, runs in zip(self.chains, spans, strict=True):
            for start, end in runs:
                for k in range(start, end) if end - start > 1 else ():
                    votes[chain.labels[k]] = votes.get(chain.labels[k], 0) + 1
        found = []
        for chain, runs in zip(self.chains, spans, strict=True):
            labels = chain.labels
            found.append(
                [
                    Run(start, end, max(range(start, end), key=lambda k: (votes.get(labels[k], 0), labels[k])))
                    for start, end in runs
                ]
            )
        return found

    def _key(self, c: int, k: int) -> tuple[object, ...]:
        """What has to be the same in steps that are drawn as one."""
        chain = self.chains[c]
        nodes = [self.before.nodes[node] for node in chain.steps[k]]
        return tuple([(node.kind, node.operation, node.shape, self._given(node, c, k)) for node in nodes])

    def _given(self, node: FlowNode, c: int, k: int) -> tuple[object, ...]:
        """The attributes and the operands of a node; where in a sequence a step reads is its own affair."""
        read = [self._operand(child, c, k) for child in self.operands[node.index]]
        of_its_own = node.operation == "GetItem" and not any(
            isinstance(one, tuple) and one[0] == "step" for one in read
        )
        attributes = () if of_its_own else tuple(node.attributes.items())
        return attributes, tuple(read)

    def _operand(self, child: int, c: int, k: int) -> object:
        chain, node = self.chains[c], self.before.nodes[child]
        if node.kind in ("parameter", "state") or node.is_number:  # an equal number is the same node
            return child
        if child in chain.lanes[k]:
            return "lane", chain.lanes[k][child]
        if child in self.home:
            other, step = self.home[child]
            apart = k - step if other == c else chain.labels[k] - self.chains[other].labels[step]
            return "step", other, apart, self.rank[child]
        return self.behind[child]

    # What is drawn ---------------------------------------------------------------------------------------------------

    def flow(self) -> Flow:
        """The graph with the steps that are left."""
        edges: dict[tuple[int, int, int], FlowEdge] = {}
        for edge in self.before.edges:
            moved = self._moved(edge)
            if moved is not None:
                whole = moved.source in self.home and moved.target not in self.home
                edges.setdefault((moved.source, moved.target, -1 if whole else moved.slot), moved)
        for (source, target), count in self.counts.items():
            if count > 1:
                self.apart[source, target] = f"of {count} steps"
        stands = self.stands | dict.fromkeys(self._unread(edges.values()), -1)
        shown = replace(
            self.before.shown,
            edges=tuple([edge for edge in edges.values() if stands.keys().isdisjoint((edge.source, edge.target))]),
            stands=stands,
            delays=self.delays,
            chains=tuple([self._chain(c, stands) for c in range(len(self.chains))]),
            apart=self.apart,
            notes=(*self.before.shown.notes, *[self._note(c) for c in range(len(self.chains))]),
        )
        return replace(self.before, transformed=shown)

    def _moved(self, edge: FlowEdge) -> FlowEdge | None:
        """The arrow that an edge is drawn as; None where another step's is drawn in its place, or a delay."""
        to, by = self.home.get(edge.target), self.home.get(edge.source)
        source, target = self.stands.get(edge.source, edge.source), self.stands.get(edge.target, edge.target)
        moved = FlowEdge(source, target, edge.slot)
        if to is None:
            if by is not None and self.run_of[by].length > 1:
                self.counts[source, target] = self.counts.get((source, target), 0) + 1
            return moved
        run = self.run_of[to]
        if by is not None and by[0] == to[0] and by[1] != to[1] and run.start <= by[1] < run.end:
            self.delays.setdefault(moved, to[1] - by[1])
            return None
        starts = to[1] == run.start and edge.source in self.chains[to[0]].lanes[run.start]
        earlier = by is not None and by[0] == to[0] and by[1] < run.start
        if to[1] != run.at and not starts and not earlier:
            return None
        if by is not None and not starts and (source != edge.source or earlier):
            self.apart[source, target] = self.chains[by[0]].frame(by[1])[1] if earlier else self._said_of(by, to)
        return moved

    def _said_of(self, by: tuple[int, int], to: tuple[int, int]) -> str:
        """Of which step a value is, seen from the one that reads it."""
        giver = self.chains[by[0]]
        if self.run_of[to].length == 1:
            return giver.frame(by[1])[1]
        back = self.chains[to[0]].labels[to[1]] - giver.labels[by[1]]
        steps = f"{abs(back)} step{'s' * (abs(back) > 1)}"
        return f"{steps} {'before' if back > 0 else 'after'}" if back else ""

    def _unread(self, edges: Iterable[FlowEdge]) -> list[int]:
        """The nodes that only hidden steps have read."""
        sources: dict[int, list[int]] = {}
        for edge in (*edges, *self.delays):
            sources.setdefault(edge.target, []).append(edge.source)
        waiting = [self.stands.get(output, output) for output in self.before.outputs]
        read = set(waiting)
        while waiting:
            for source in sources.get(waiting.pop(), ()):
                if source not in read:
                    read.add(source)
                    waiting.append(source)
        return [node.index for node in self.before.nodes if node.index not in read and node.index not in self.stands]

    def _chain(self, c: int, stands: dict[int, int]) -> Chain:
        """A chain of the steps that are left."""
        chain, runs = self.chains[c], self.runs[c]
        lanes = [self._lanes(chain.lanes[0])]
        for run in runs:
            lanes.append(self._lanes(chain.lanes[run.end]))
            for value, lane in self._lanes(chain.lanes[run.start + 1] if run.length > 1 else {}).items():
                if value not in lanes[-1] and lane not in lanes[-1].values():
                    lanes[-1][value] = lane
        kinds: dict[tuple[int, bool], int] = {}
        return Chain(
            sweep=chain.sweep,
            steps=[[node for node in chain.steps[run.at] if stands.get(node) != -1] for run in runs],
            labels=[chain.labels[run.at] for run in runs],
            scopes=[chain.scopes[run.at] for run in runs],
            kinds=[kinds.setdefault((chain.kinds[run.at], run.length > 1), len(kinds)) for run in runs],
            lanes=lanes,
            titles=tuple([self._title(chain, run) for run in runs]),
            around=chain.frame(0)[0],
        )

    def _lanes(self, boundary: dict[int, int]) -> dict[int, int]:
        return {self.stands.get(value, value): lane for value, lane in boundary.items()}

    def _title(self, chain: Chain, run: Run) -> str:
        span = self._span(chain, run)
        return f"{span} × {run.length}" if run.length > 1 else span

    def _span(self, chain: Chain, run: Run) -> str:
        """The first and the last of steps."""
        first, last = chain.frame(run.start)[1], chain.frame(run.end - 1)[1]
        return f"{first} … {last}" if run.length > 1 else first

    def _note(self, c: int) -> str:
        """Which steps are drawn once, whose numbers these are, and which are drawn singly."""
        chain, runs = self.chains[c], self.runs[c]
        of = ("", " of adjoints", " of adjoints of adjoints")[min(chain.sweep[0], 2)]
        many = [run for run in runs if run.length > 1]
        said = [
            f"{self._span(chain, run)}{of}, drawn once ({run.length} steps), with the numbers of {chain.frame(run.at)[1]}."
            for run in many
        ]
        alone = [chain.frame(run.start)[1] for run in runs if run.length == 1]
        if alone:
            shown = ", ".join(alone if len(alone) < 6 else [*alone[:2], "…", alone[-1]])
            said.append(f"Drawn singly, since not like the step before or after{of}: {shown}.")
        return " ".join(said)
