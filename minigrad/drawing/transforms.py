"""Transforms: pure functions from a graph to the same graph, of which less is drawn, or some of it with emphasis.

`roll` draws like steps once, `collapse` a scope as one box, `focus` a part, and `highlight` emphasizes paths. Nodes keep their
numbers. What is left out is said: in boxes that stand for it, and in notes below the picture.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from minigrad.drawing import symbols
from minigrad.drawing.arguments import whole_number
from minigrad.drawing.blocks import cut_apart
from minigrad.drawing.flow import Flow, FlowEdge, FlowNode, Label, Shown
from minigrad.drawing.named import close, end_of, named, scopes
from minigrad.drawing.rolling import rolled
from minigrad.drawing.steps import Chain, names, sweeps
from minigrad.errors import no_node
from minigrad.node import Node

NOWHERE = -1
LONGEST = 30


class Asked(NamedTuple):
    """The transforms that are asked for, as `draw` takes them."""

    roll: bool = False
    depth: int | None = None
    collapse: str | Sequence[str] = ()
    focus: object = None
    hops: int | None = None
    highlight: object = None

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return any(one is not usual for one, usual in zip(self, Asked(), strict=True))


def transformed(flow: Flow, asked: Asked, places: Mapping[Node, int]) -> Flow:
    """Apply what is asked for: first steps are rolled, then scopes collapsed, then the rest cut off, then paths highlighted.

    places: the nodes of the graph by their places in it; none for a record
    """
    if asked.hops is not None and asked.focus is None:
        raise ValueError("mg.draw(hops=...) says how far focus= reaches: give focus=node too")
    if asked.roll:
        flow = rolled(flow)
    if asked.depth is not None:
        flow = collapse(flow, whole_number(asked.depth, "mg.draw(depth"))
    if asked.collapse:
        flow = collapse(flow, [asked.collapse] if isinstance(asked.collapse, str) else asked.collapse)
    if asked.focus is not None:
        hops = None if asked.hops is None else whole_number(asked.hops, "mg.draw(hops")
        flow = focus(flow, _found(flow, asked.focus, places, "focus"), hops)
    if asked.highlight is not None:
        flow = highlight(flow, _found(flow, asked.highlight, places, "highlight"))
    return flow


# Which nodes ---------------------------------------------------------------------------------------------------------


def _found(flow: Flow, wanted: object, places: Mapping[Node, int], option: str) -> list[int]:
    """The boxes of what was given: a node, the name of nodes, "#12", a scope, or a list of these."""
    given = wanted if isinstance(wanted, list | tuple) else [wanted]
    if not given:
        raise ValueError(f"mg.draw({option}=[]): give at least one node, name or scope")
    indices = [index for one in given for index in _found_one(flow, one, places, option)]
    stands = flow.shown.stands
    return [index for index in dict.fromkeys(stands.get(index, index) for index in indices) if index != NOWHERE]


def _found_one(flow: Flow, wanted: object, places: Mapping[Node, int], option: str) -> list[int]:
    if isinstance(wanted, str):
        return named(flow, wanted, f"mg.draw({option}={wanted!r})")
    if not isinstance(wanted, Node):
        raise no_node(f"mg.draw({option}=...) takes a node, a name, a scope, or a list of these", wanted, "")
    if wanted in places:
        return [places[wanted]]
    called = f" {wanted.name!r}" if wanted.name else ""
    if not places:
        raise ValueError(
            f'mg.draw({option}=...): a record has no nodes: give the name{called} or the number, as in "#12"'
        )
    raise ValueError(f"mg.draw({option}=...): the node{called} is not in the graph that is drawn")


# Collapse ------------------------------------------------------------------------------------------------------------


def collapse(flow: Flow, what: int | Sequence[str]) -> Flow:
    """Draw each of the scopes as one box: those of that name, or all that lie within so many others."""
    if not isinstance(what, int):
        _check_scopes(flow, what)
    prefixes = {node.index: _prefix(names(node), what) for node in flow.nodes if node.index not in flow.shown.stands}
    return _Collapsed(flow, {index: prefix for index, prefix in prefixes.items() if prefix}).flow()


def _check_scopes(flow: Flow, given: Sequence[str]) -> None:
    for scope in given:
        if not isinstance(scope, str):
            raise TypeError(
                f"mg.draw(collapse=...) takes the name of a scope, or a list of names, not {type(scope).__name__}"
            )
        if not any(end_of(names(node), scope) for node in flow.nodes):
            raise ValueError(f"mg.draw(collapse={scope!r}): no scope has that name{close(scope, scopes(flow))}")


def _prefix(parts: tuple[str, ...], what: int | Sequence[str]) -> tuple[str, ...]:
    """The scope that a node within these scopes is drawn as; () if it is drawn by itself."""
    if isinstance(what, int):
        return parts[: what + 1] if len(parts) > what else ()
    ends = [end for end in (end_of(parts, scope) for scope in what) if end]
    return parts[: min(ends)] if ends else ()


class _Collapsed:
    """Nodes by the box they go into. Scopes that read each other in a circle are cut into pieces that do not."""

    def __init__(self, flow: Flow, prefixes: Mapping[int, tuple[str, ...]]) -> None:
        self.before, self.shown, self.prefixes = flow, flow.shown, prefixes
        self.nodes, self.operands = flow.nodes, flow.operands()
        self.readers: dict[int, list[int]] = {}
        self.read: dict[int, list[int]] = {}
        for edge in self.shown.edges:
            self.readers.setdefault(edge.source, []).append(edge.target)
            self.read.setdefault(edge.target, []).append(edge.source)
        self.groups = self._groups()
        self.home = {node: key for key, members in self.groups.items() for node in members}
        self._take_leaves()
        self.place = {key: self._place(key, members) for key, members in self.groups.items()}

    def _groups(self) -> dict[Hashable, list[int]]:
        """The operations of each box."""
        sweep = sweeps(self.before)
        boxes = [node.index for node in self.nodes if node.index not in self.shown.stands]
        keys: dict[int, Hashable] = {i: ("node", i) for i in boxes}
        keys |= {i: (sweep[i], prefix) for i, prefix in self.prefixes.items() if i in self.read}
        pieces = cut_apart(keys, boxes, [(edge.source, edge.target) for edge in self.shown.edges])
        groups: dict[Hashable, list[int]] = {}
        for i in boxes:
            if i in self.prefixes and i in self.read:
                groups.setdefault(pieces[i], []).append(i)
        return groups

    def _take_leaves(self) -> None:
        """Leaves that boxes alone read go into them: a constant into the only one, a parameter that several read into none."""
        inputs: dict[tuple[Hashable, int], list[int]] = {}
        self.nowhere: set[int] = set()
        for node in self.nodes:
            homes = {self.home.get(reader) for reader in self.readers.get(node.index, ())}
            if node.index in self.read or not homes or None in homes:
                continue
            if node.kind == "input" and node.loop is not None and len(homes) == 1:
                inputs.setdefault((next(iter(homes)), node.loop), []).append(node.index)
            elif node.kind in ("parameter", "state", "constant"):
                if len(homes) == 1:
                    key = homes.pop()
                    self.groups[key].append(node.index)
                    self.home[node.index] = key
                elif node.kind != "constant":
                    self.nowhere.add(node.index)
        for (_, loop), leaves in inputs.items():
            if len(leaves) > 1 or leaves[0] in self.shown.stands.values():
                key = ("inputs", loop, leaves[0])
                self.groups[key] = leaves
                self.home |= dict.fromkeys(leaves, key)

    def _place(self, key: Hashable, members: Sequence[int]) -> int:
        """The node in whose place a box is drawn: the last one that is read elsewhere."""
        outputs = {self.shown.stands.get(output, output) for output in self.before.outputs}
        operations = [i for i in members if i in self.read] or members
        given = [i for i in operations if i in outputs or any(self.home.get(r) != key for r in self.readers.get(i, ()))]
        return max(given or operations)

    def flow(self) -> Flow:
        """The graph with these boxes."""
        moved = {i: self.place[key] for i, key in self.home.items() if i != self.place[key]} | dict.fromkeys(
            self.nowhere, NOWHERE
        )
        labels = {self.place[key]: self._label(key, members) for key, members in self.groups.items()}
        stands = {i: moved.get(box, box) for i, box in self.shown.stands.items()} | moved
        edges = _moved(self.shown.edges, moved, labels)
        chains, delays = _kept_chains(self.shown, moved, self.groups.values())
        beside = {i: "/".join(prefix[:-1]) for i, prefix in self.prefixes.items() if i not in self.read}
        shown = replace(
            self.shown,
            stands=stands,
            labels=labels,
            edges=edges,
            chains=chains,
            delays=delays,
            scopes={**self.shown.scopes, **beside},
        )
        return replace(self.before, transformed=shown)

    def _label(self, key: Hashable, members: Sequence[int]) -> Label:
        """The name of a scope, the shape of what it gives, the number of its operations, and of the parameters it reads."""
        last = self.nodes[self.place[key]]
        within = set(members)
        stands = self.shown.stands
        alike = [node for node in self.nodes if stands.get(node.index, node.index) in within]
        if last.index not in self.read:
            title = f"{alike[0].title} … {alike[-1].title}"
            return Label(title, (f"{len(alike)} × {last.shape}",), "input", title, "")
        prefix = self.prefixes[last.index]
        operations = sum(bool(self.operands[node.index]) for node in alike)
        read = {i: None for member in members for i in self.read.get(member, ())}
        parameters = [self.nodes[i] for i in read if self.nodes[i].kind in ("parameter", "state")]
        lines = [str(last.shape)] if last.shape else []
        lines.append(f"{operations:,} operation{'s' * (operations != 1)}")
        if parameters:
            count = sum([math.prod(node.shape) for node in parameters])
            shared = any(self.home.get(r) != key for node in parameters for r in self.readers[node.index])
            lines.append(f"{count:,} parameter{'s' * (count != 1)}{', shared' * shared}")
        said = ["/".join(prefix), *lines, *[f"{node.name or node.kind} {node.shape}" for node in parameters]]
        role = "scope" if last.kind != "adjoint" else "second" if last.order > 1 else "adjoint"
        return Label(symbols.shortened(prefix[-1], LONGEST), tuple(lines), role, "\n".join(said), "/".join(prefix[:-1]))


def _moved(edges: Iterable[FlowEdge], moved: Mapping[int, int], labels: Mapping[int, Label]) -> tuple[FlowEdge, ...]:
    """The arrows between the boxes that are left, each once; those into a box of several nodes are counted anew."""
    found: dict[tuple[int, int, int], FlowEdge] = {}
    counts: dict[int, int] = {}
    for edge in edges:
        source, target = moved.get(edge.source, edge.source), moved.get(edge.target, edge.target)
        if NOWHERE in (source, target) or source == target:
            continue
        key = (source, target, NOWHERE if target in labels else edge.slot)
        if key not in found:
            slot = counts.get(target, 0) if target in labels else edge.slot
            counts[target] = counts.get(target, 0) + 1
            found[key] = FlowEdge(source, target, slot)
    return tuple(found.values())


def _kept_chains(
    shown: Shown, moved: Mapping[int, int], groups: Iterable[Sequence[int]] = ()
) -> tuple[tuple[Chain, ...] | None, dict[FlowEdge, int]]:
    """The chains of a rolled graph with the boxes that are left; a box for nodes of several steps is in none."""
    if shown.chains is None:
        return None, {}
    home = {
        node: (c, k) for c, chain in enumerate(shown.chains) for k, nodes in enumerate(chain.steps) for node in nodes
    }
    beyond = {
        moved.get(node, node)
        for members in groups
        if len({home.get(i) for i in members if i in home}) > 1
        for node in members
    }
    beyond |= {moved.get(node, node) for members in groups if not all(i in home for i in members) for node in members}
    read = {edge.target for edge in (*shown.edges, *shown.delays)}  # operations: of inputs alone there is no step
    chains = []
    for chain in shown.chains:
        steps = [sorted({moved.get(node, node) for node in nodes} - beyond - {NOWHERE}) for nodes in chain.steps]
        lanes = [
            {moved.get(v, v): lane for v, lane in boundary.items() if moved.get(v, v) != NOWHERE}
            for boundary in chain.lanes
        ]
        if all(not read.isdisjoint(step) for step in steps):
            chains.append(replace(chain, steps=steps, lanes=lanes))
    kept = {node: (c, k) for c, chain in enumerate(chains) for k, nodes in enumerate(chain.steps) for node in nodes}
    delays = {}
    for edge, back in shown.delays.items():
        source, target = moved.get(edge.source, edge.source), moved.get(edge.target, edge.target)
        if source in kept and kept[source] == kept.get(target):
            delays[FlowEdge(source, target, edge.slot)] = back
    return tuple(chains), delays


# Focus and highlight -------------------------------------------------------------------------------------------------


def focus(flow: Flow, nodes: Sequence[int], hops: int | None = None) -> Flow:
    """Draw only what lies on a path between these nodes and the output, or at most so many arrows from these nodes.

    What is cut off is drawn as a box wherever it was connected, which says how many nodes it stands for: each cut node is counted
    once, at the connection nearest to it.
    """
    shown = flow.shown
    around = _Neighbors(flow)
    kept = around.near(nodes, hops) if hops is not None else around.paths(nodes)
    leaves = {
        source
        for node in kept
        for source in around.sources.get(node, ())
        if source not in kept and not around.sources.get(source) and source not in shown.labels
    }  # the mark of a cut would take as much room
    ends = {
        *[source for node in kept for source in around.sources.get(node, ()) if source not in kept | leaves],
        *[target for node in kept for target in around.targets.get(node, ()) if target not in kept],
    }
    weights = _weights(flow)
    labels = {i: label for i, label in shown.labels.items() if i in kept}
    counts = dict.fromkeys(sorted(ends), 0)
    for node, end in around.nearest(counts, kept | leaves).items():
        counts[end] += weights[node]
    for end, count in counts.items():
        labels[end] = Label(
            f"… {count} more", (_called(flow.nodes[end], shown),), "cut", _cut_tooltip(flow.nodes[end], count)
        )
    drawn = kept | leaves | ends
    moved = {node.index: NOWHERE for node in flow.nodes if node.index not in drawn and node.index not in shown.stands}
    stands = {i: moved.get(box, box) for i, box in shown.stands.items()} | moved
    edges = [edge for edge in shown.edges if {edge.source, edge.target} <= drawn and kept & {edge.source, edge.target}]
    chains, delays = _kept_chains(shown, moved)
    delays = {edge: back for edge, back in delays.items() if {edge.source, edge.target} <= kept}
    n_drawn, n_all = sum([weights[i] for i in kept | leaves]), len(flow.nodes)
    notes = (
        (*shown.notes, f"A part: {n_drawn} of {n_all} nodes; … counts those behind a cut, each once.")
        if n_drawn < n_all
        else shown.notes
    )
    return replace(
        flow,
        transformed=replace(
            shown,
            stands=stands,
            labels=labels,
            edges=_moved(edges, {}, labels),
            chains=chains,
            delays=delays,
            notes=notes,
        ),
    )


def highlight(flow: Flow, nodes: Sequence[int]) -> Flow:
    """Emphasize all paths between these nodes and the output; the rest fades."""
    return replace(flow, transformed=replace(flow.shown, strong=frozenset(_Neighbors(flow).paths(nodes))))


class _Neighbors:
    """Which boxes an arrow leads to and from."""

    def __init__(self, flow: Flow) -> None:
        shown = flow.shown
        self.outputs = {shown.stands.get(output, output) for output in flow.outputs}
        self.sources: dict[int, list[int]] = {}
        self.targets: dict[int, list[int]] = {}
        for edge in (*shown.edges, *shown.delays):
            self.sources.setdefault(edge.target, []).append(edge.source)
            self.targets.setdefault(edge.source, []).append(edge.target)

    def paths(self, nodes: Iterable[int]) -> set[int]:
        """What lies between these and an output."""
        return _reached(nodes, self.targets) & _reached(self.outputs, self.sources)

    def near(self, nodes: Iterable[int], hops: int) -> set[int]:
        """What is at most so many arrows away."""
        found = set(nodes)
        ring = list(found)
        for _ in range(hops):
            around = dict.fromkeys(
                i for node in ring for i in (*self.sources.get(node, ()), *self.targets.get(node, ()))
            )
            ring = [i for i in around if i not in found]
            found.update(ring)
        return found

    def nearest(self, ends: Iterable[int], kept: set[int]) -> dict[int, int]:
        """Of each node that is cut off, the end that the fewest arrows lead to, along them or against them."""
        found = {end: end for end in ends}
        ring = list(found)
        while ring:
            further = []
            for node in ring:
                for other in (*self.sources.get(node, ()), *self.targets.get(node, ())):
                    if other not in found and other not in kept:
                        found[other] = found[node]
                        further.append(other)
            ring = further
        return found


def _reached(starts: Iterable[int], ways: Mapping[int, Sequence[int]]) -> set[int]:
    """What one gets to from these."""
    found = set(starts)
    waiting = list(found)
    while waiting:
        for further in ways.get(waiting.pop(), ()):
            if further not in found:
                found.add(further)
                waiting.append(further)
    return found


def _weights(flow: Flow) -> list[int]:
    """How many nodes each box stands for, with the numbers written into it or into its readers."""
    weights = [0] * len(flow.nodes)
    for node in flow.nodes:
        box = flow.shown.stands.get(node.index, node.index)
        if box != NOWHERE:
            weights[box] += 1
    return weights


def _called(node: FlowNode, shown: Shown) -> str:
    return shown.labels[node.index].title if node.index in shown.labels else symbols.shortened(node.title, LONGEST)


def _cut_tooltip(node: FlowNode, count: int) -> str:
    return f"cut off here: {node.title} and what is behind it, {count} nodes"
