"""Chains of steps: which nodes belong to which time step, and which values a step hands to the next one.

A chain is a row of steps of one sweep (fprop, or the bprops of one order), each of which reads earlier ones only. A value
that a step reads from the one before runs in a lane: c and h of an LSTM. What else a step reads comes by reference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field

from minigrad.drawing.flow import Flow, FlowNode
from minigrad.drawing.uses import Links, Use

Sweep = tuple[int, int]  # in the order in which they are computed
Region = tuple[Sweep, int]  # a sweep, and the loop


@dataclass(slots=True)
class Chain:
    """A row of steps in the order they are computed in.

    sweep:  the sweep its nodes belong to
    steps:  the nodes of each, in order
    labels: their numbers: t of a net unrolled over time
    scopes: the innermost scope of each that most of its nodes lie in
    kinds:  for each step a number; steps of one kind have the same structure
    lanes:  for each boundary, from the one before the first step to the one after the last, the value in each lane
    titles: of a rolled chain what its steps are called; around: the scopes around them
    """

    sweep: Sweep
    steps: list[list[int]]
    labels: list[int]
    scopes: list[tuple[str, ...]]
    kinds: list[int] = field(default_factory=list)
    lanes: list[dict[int, int]] = field(default_factory=list)  # value -> lane
    titles: tuple[str, ...] = ()
    around: tuple[str, ...] = ()

    def frame(self, step: int) -> tuple[tuple[str, ...], str]:
        """The scopes around the chain, and the title of a step's frame: its own scope, where all steps have one."""
        if self.titles:
            return self.around, self.titles[step]
        around = common(self.scopes)
        if len(set(self.scopes)) == len(self.scopes) and len(around) < min([len(scope) for scope in self.scopes]):
            return around, "/".join(self.scopes[step][len(around) :])
        return around, f"step {self.labels[step]}"


def sweeps(flow: Flow) -> list[Sweep]:
    """The sweep each node belongs to: (0, 0) fprop, (1, 0) bprop; (2, -1) and (2, 0) the bprops of these, last ones first."""
    origins = [flow.nodes[node.adjoint_of].order if node.adjoint_of is not None else 0 for node in flow.nodes]
    return [(node.order, -origin if node.order > 1 else 0) for node, origin in zip(flow.nodes, origins, strict=True)]


def chains(flow: Flow, uses: Sequence[Use], hidden: Container[int], least: int = 2) -> list[Chain]:
    """The chains of a graph, first ones first. A node is in one chain at most; hidden ones are in none.

    least: how many operations the longest step has at least
    """
    links = _Steps(flow, uses)
    found = []
    taken: set[int] = set()
    for (sweep, _), members in _regions(links, hidden, least).items():
        chain = _chain(links, sweep, members, taken)
        if chain is not None:
            found.append(chain)
            taken.update(*chain.steps)
    return found


def names(node: FlowNode) -> tuple[str, ...]:
    """The scopes around a node, outer ones first."""
    return split(node.scope)


def split(scope: str) -> tuple[str, ...]:
    """The parts of the name of a scope."""
    return tuple([name for name in scope.split("/") if name])


def common(scopes: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The innermost scope around all of these."""
    first, last = min(scopes), max(scopes)
    shared = 0
    while shared < min(len(first), len(last)) and first[shared] == last[shared]:
        shared += 1
    return first[:shared]


def mostly(scopes: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The innermost scope around more than half of these."""
    counts = Counter(scope[:depth] for scope in scopes for depth in range(len(scope) + 1))
    return max([scope for scope, count in counts.items() if 2 * count > len(scopes)], key=len)


def _regions(links: _Steps, hidden: Container[int], least: int) -> dict[Region, dict[int, list[int]]]:
    """The nodes of every loop in a sweep by their steps, but for loops of steps that are too short."""
    regions: dict[Region, dict[int, list[int]]] = {}
    for node in links.flow.nodes:
        if node.loop is not None and node.step is not None and node.index not in hidden:
            steps = regions.setdefault((links.sweeps[node.index], node.loop), {})
            steps.setdefault(node.step, []).append(node.index)
    return {region: steps for region, steps in regions.items() if max(map(len, steps.values())) >= least}


class _Steps(Links):
    """Who reads whom, and in which sweep."""

    def __init__(self, flow: Flow, uses: Sequence[Use]) -> None:
        super().__init__(flow, uses)
        self.flow = flow
        self.sweeps = sweeps(flow)


def _chain(links: _Steps, sweep: Sweep, members: dict[int, list[int]], taken: set[int]) -> Chain | None:
    """The chain of a region, None if it has none: fewer than two steps, or steps that read later ones."""
    ordered = sorted(members.items(), key=lambda item: item[1][0])
    steps = [[node for node in nodes if node not in taken] for _, nodes in ordered]
    if len(steps) < 2 or not all(steps):
        return None
    place = {node: k for k, nodes in enumerate(steps) for node in nodes}
    _absorb(links, place, taken)
    _adopt(links, sweep, place, {*taken, *_initial(links, place)})
    if any(place.get(source, -1) > k for target, k in place.items() for source, _ in links.sources[target]):
        return None
    scopes = [mostly([names(links.flow.nodes[node]) for node in nodes]) for nodes in steps]
    chain = Chain(sweep, [[] for _ in steps], [label for label, _ in ordered], scopes)
    for node in sorted(place):
        chain.steps[place[node]].append(node)
    chain.lanes = _lanes(links, chain, place)
    chain.kinds = _kinds(links, chain, chain.lanes)
    return chain


def _absorb(links: _Steps, place: dict[int, int], taken: set[int]) -> None:
    """Take in what lies on a way from step to step: it belongs to the latest step it reads."""
    latest: dict[int, int] = {}
    for node in range(len(links.sources)):
        behind = [latest[source] for source, _ in links.sources[node] if source in latest]
        if node in place or behind:
            latest[node] = place.get(node, max(behind, default=0))
    leads: set[int] = set()
    for node in reversed(range(len(links.sources))):
        if any(target in place or target in leads for target in links.targets[node]):
            leads.add(node)
    place.update({node: k for node, k in latest.items() if node in leads and node not in taken})


def _initial(links: _Steps, place: dict[int, int]) -> set[int]:
    """What the first step reads where the second one reads what the first has computed: the initial states."""
    first, second = [sorted([node for node, k in place.items() if k == step]) for step in (0, 1)]
    spots = _spots(links, first) | _spots(links, second)
    carried = {(spots[node], slot) for node in second for source, slot in links.sources[node] if place.get(source) == 0}
    reads = [(node, source, slot) for node in first for source, slot in links.sources[node] if source not in place]
    return {source for node, source, slot in reads if (spots[node], slot) in carried}


def _spots(links: _Steps, nodes: Sequence[int]) -> dict[int, tuple[str, int]]:
    """Where a node stands in its step: the first sum, the second sum, the first product."""
    counts: dict[str, int] = {}
    spots = {}
    for node in nodes:
        operation = links.flow.nodes[node].operation
        counts[operation] = counts.get(operation, -1) + 1
        spots[node] = (operation, counts[operation])
    return spots


def _adopt(links: _Steps, sweep: Sweep, place: dict[int, int], but: Iterable[int]) -> None:
    """Take in what only one step reads, as the input of that step; later sweeps may read it too."""
    kept = {*but, *links.flow.outputs}
    for node in reversed(range(max(place))):
        if node in place or node in kept or min([links.sweeps[t] for t in links.targets[node]], default=None) != sweep:
            continue
        readers = {place.get(target) for target in links.targets[node] if links.sweeps[target] == sweep}
        step = readers.pop()
        if step is not None and not readers and (not links.sources[node] or links.sweeps[node] == sweep):
            place[node] = step


def _lanes(links: _Steps, chain: Chain, place: dict[int, int]) -> list[dict[int, int]]:
    """Give every value that passes from step to step a lane, the same one at all boundaries between like steps."""
    spots = {node: spot for nodes in chain.steps for node, spot in _spots(links, nodes).items()}
    kinds = _kinds(links, chain, [{} for _ in range(len(chain.steps) + 1)])
    given, read = _Lanes(), _Lanes()  # by where a step gives a value, and by where the next one reads it
    lanes: list[dict[int, int]] = [{} for _ in range(len(chain.steps) + 1)]
    for k in sorted(range(1, len(chain.steps)), key=lambda k: kinds[k - 1] != kinds[k]):
        for node in chain.steps[k]:
            for source, slot in links.sources[node]:
                if place.get(source) == k - 1:
                    giver, reader = (kinds[k - 1], spots[source]), (kinds[k], (spots[node], slot))
                    if source not in lanes[k]:
                        lanes[k][source] = _free(lanes[k], given.at(*giver), read.at(*reader))
                    given.note(*giver, lanes[k][source])
                    read.note(*reader, lanes[k][source])
    reads = [(node, source, slot) for node in chain.steps[0] for source, slot in links.sources[node]]
    known = {source: read.at(kinds[0], (spots[node], slot)) for node, source, slot in reversed(reads)}
    lanes[0] = _entries(links, chain, place, known)
    for node in chain.steps[-1]:
        lane = given.at(kinds[-1], spots[node])
        if lane is not None and lane not in lanes[-1].values():
            lanes[-1][node] = lane
    return lanes


class _Lanes:
    """Lanes by spots in steps of each kind. Where a kind is unlike all others, the same spot in any of them tells."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, object], int] = {}

    def note(self, kind: int, spot: object, lane: int) -> None:
        self.known.setdefault((kind, spot), lane)
        self.known.setdefault((-1, spot), lane)

    def at(self, kind: int, spot: object) -> int | None:
        return self.known.get((kind, spot), self.known.get((-1, spot)))


def _entries(links: _Steps, chain: Chain, place: dict[int, int], known: dict[int, int | None]) -> dict[int, int]:
    """Lanes into the first step: for initial states, or else for what only it reads of its own sweep."""
    lanes: dict[int, int] = {}
    matched = any(lane is not None for source, lane in known.items() if source not in place)
    for source, lane in known.items():
        if source in place:
            continue
        if lane is None and not matched and _only_first(links, chain, place, source):
            lane = _free(lanes)
        if lane is not None and lane not in lanes.values():
            lanes[source] = lane
    return lanes


def _only_first(links: _Steps, chain: Chain, place: dict[int, int], source: int) -> bool:
    """Whether the first step alone reads a value that was computed in its own sweep."""
    same = links.sweeps[source] == chain.sweep
    return same and bool(links.sources[source]) and all(place.get(t, 0) == 0 for t in links.targets[source])


def _free(taken: dict[int, int], *wanted: int | None) -> int:
    """The first of the wanted lanes that is free, or else the first free one."""
    used = set(taken.values())
    for lane in wanted:
        if lane is not None and lane not in used:
            return lane
    return next(lane for lane in range(len(used) + 1) if lane not in used)


def _kinds(links: _Steps, chain: Chain, lanes: Sequence[dict[int, int]]) -> list[int]:
    """Number the structures of the steps: their operations, and what each of these reads (a node of the step, a lane)."""
    known: dict[tuple[object, ...], int] = {}
    kinds = []
    for nodes, entering in zip(chain.steps, lanes, strict=False):
        rank: dict[int, object] = {node: i for i, node in enumerate(nodes)}
        rank.update({source: ("lane", lane) for source, lane in entering.items()})
        structure = tuple(
            [
                (
                    links.flow.nodes[node].kind,
                    links.flow.nodes[node].operation,
                    tuple([(rank.get(source), slot) for source, slot in links.sources[node]]),
                )
                for node in nodes
            ]
        )
        kinds.append(known.setdefault(structure, len(known)))
    return kinds
