"""Chains of steps: which nodes belong to which time step, and which values a step hands to the next one.

A chain is a row of steps of one sweep (fprop, or the bprops of one order), each of which reads earlier ones only. A value
that a step reads from the one before runs in a lane: c and h of an LSTM. What else a step reads comes by reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from minigrad.drawing.flow import Flow, FlowNode
from minigrad.drawing.uses import Links, Use

Sweep = tuple[int, int]  # in the order in which they are computed
Region = tuple[Sweep, str]  # a sweep, and what the steps are steps of

_STEP = re.compile(r"(?:^|(.*)/)t=(\d+)(?:/|$)")


@dataclass(slots=True)
class Chain:
    """A row of steps in the order they are computed in.

    sweep:  the sweep its nodes belong to
    steps:  the nodes of each, in order
    labels: their numbers: t of a net unrolled over time
    scopes: the scope that the nodes of each have in common
    kinds:  for each step a number; steps of one kind have the same structure
    lanes:  for each boundary, from the one before the first step to the one after the last, the value in each lane
    """

    sweep: Sweep
    steps: list[list[int]]
    labels: list[int]
    scopes: list[tuple[str, ...]]
    kinds: list[int] = field(default_factory=list)
    lanes: list[dict[int, int]] = field(default_factory=list)  # value -> lane

    def frame(self, step: int) -> tuple[tuple[str, ...], str]:
        """The scopes around the chain, and the title of a step's frame: its own scope, where all steps have one."""
        around = common(self.scopes)
        if len(set(self.scopes)) == len(self.scopes) and len(around) < min([len(scope) for scope in self.scopes]):
            return around, "/".join(self.scopes[step][len(around) :])
        return around, f"step {self.labels[step]}"


def sweeps(flow: Flow) -> list[Sweep]:
    """The sweep each node belongs to: (0, 0) fprop, (1, 0) bprop; (2, -1) and (2, 0) the bprops of these, last ones first."""
    origins = [flow.nodes[node.adjoint_of].order if node.adjoint_of is not None else 0 for node in flow.nodes]
    return [(node.order, -origin if node.order > 1 else 0) for node, origin in zip(flow.nodes, origins, strict=True)]


def chains(flow: Flow, uses: Sequence[Use]) -> list[Chain]:
    """The chains of a graph, first ones first. A node is in one chain at most."""
    links = _Steps(flow, uses)
    found = []
    taken: set[int] = set()
    for (sweep, _), members in _regions(links).items():
        chain = _chain(links, sweep, members, taken)
        if chain is not None:
            found.append(chain)
            taken.update(*chain.steps)
    return found


def names(node: FlowNode) -> tuple[str, ...]:
    """The scopes around a node, outer ones first."""
    return tuple([name for name in node.scope.split("/") if name])


def common(scopes: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The innermost scope around all of these."""
    first, last = min(scopes), max(scopes)
    shared = 0
    while shared < min(len(first), len(last)) and first[shared] == last[shared]:
        shared += 1
    return first[:shared]


def _regions(links: _Steps) -> dict[Region, dict[int, list[int]]]:
    """The nodes of every region by their steps."""
    regions: dict[Region, dict[int, list[int]]] = {}
    for node in links.flow.nodes:
        place = _STEP.match(node.scope)
        if place is not None and (node.kind in ("operation", "adjoint")):
            steps = regions.setdefault((links.sweeps[node.index], place[1] or ""), {})
            steps.setdefault(int(place[2]), []).append(node.index)
    return regions


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
    scopes = [common([names(links.flow.nodes[node]) for node in nodes]) for nodes in steps]
    chain = Chain(sweep, [[] for _ in steps], [label for label, _ in ordered], scopes)
    for node in sorted(place):
        chain.steps[place[node]].append(node)
    chain.lanes = _lanes(links, chain, place)
    chain.kinds = _kinds(links, chain, place, chain.lanes)
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
    readers: dict[tuple[int, int], int] = {}
    rank: dict[int, int] = {}
    counts: dict[int, int] = {}
    for node in sorted(place):
        rank[node] = counts.get(place[node], 0)
        counts[place[node]] = rank[node] + 1
    for node, k in place.items():
        if k < 2:
            for source, slot in links.sources[node]:
                if k == 1 and place.get(source) == 0:
                    readers[rank[node], slot] = source
    return {
        source
        for node, k in place.items()
        if k == 0
        for source, slot in links.sources[node]
        if source not in place and (rank[node], slot) in readers
    }


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
    rank = {node: i for nodes in chain.steps for i, node in enumerate(nodes)}
    kinds = _kinds(links, chain, place, [{} for _ in range(len(chain.steps) + 1)])
    by_source: dict[tuple[int, int], int] = {}  # (kind, rank) of the step that gives it
    by_reader: dict[tuple[int, int, int], int] = {}  # (kind, rank, slot) where the next step reads it
    lanes: list[dict[int, int]] = [{} for _ in range(len(chain.steps) + 1)]
    inner = range(1, len(chain.steps))
    for k in sorted(inner, key=lambda k: kinds[k - 1] != kinds[k]):
        for node in chain.steps[k]:
            for source, slot in links.sources[node]:
                if place.get(source) != k - 1:
                    continue
                giver, reader = (kinds[k - 1], rank[source]), (kinds[k], rank[node], slot)
                if source not in lanes[k]:
                    lanes[k][source] = _free(lanes[k], by_source.get(giver), by_reader.get(reader))
                by_source.setdefault(giver, lanes[k][source])
                by_reader.setdefault(reader, lanes[k][source])
    _entries(
        links, chain, place, lanes, [by_reader.get((kinds[0], rank[n], s)) for n, s in _reads(links, chain.steps[0])]
    )
    for node in chain.steps[-1]:
        lane = by_source.get((kinds[-1], rank[node]))
        if lane is not None and lane not in lanes[-1].values():
            lanes[-1][node] = lane
    return lanes


def _reads(links: _Steps, nodes: Iterable[int]) -> list[tuple[int, int]]:
    """The operands of these nodes, as (node, slot)."""
    return [(node, slot) for node in nodes for _, slot in links.sources[node]]


def _entries(
    links: _Steps, chain: Chain, place: dict[int, int], lanes: list[dict[int, int]], known: Sequence[int | None]
) -> None:
    """Lanes into the first step: for initial states, or else for what only it reads of its own sweep."""
    sources = [source for node in chain.steps[0] for source, _ in links.sources[node]]
    matched = any(lane is not None for lane in known)
    for source, lane in zip(sources, known, strict=True):
        if source in place or source in lanes[0]:
            continue
        if lane is None and not matched and _only_first(links, chain, place, source):
            lane = _free(lanes[0])
        if lane is not None and lane not in lanes[0].values():
            lanes[0][source] = lane


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


def _kinds(links: _Steps, chain: Chain, place: dict[int, int], lanes: Sequence[dict[int, int]]) -> list[int]:
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
