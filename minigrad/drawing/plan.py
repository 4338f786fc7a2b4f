"""What a picture shows of a graph, and how: which nodes get a box and in which frames, which values come by reference.

A leaf with many uses (a weight of an unrolled net) would tangle the picture, so it gets a small box, a stub, at each use.
So does a value from another time step, if it does not come in a lane, and one from far away, as the adjoints in a long
graph read those of the forward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from minigrad.drawing.blocks import Part, Path
from minigrad.drawing.flow import Flow
from minigrad.drawing.folds import Fold, folds
from minigrad.drawing.nesting import framed
from minigrad.drawing.ranks import ranks
from minigrad.drawing.steps import Chain, chains, names, split, sweeps
from minigrad.drawing.uses import Links, Use, drawn

STUBS_FROM = {"parameter": 2, "state": 2, "input": 4, "constant": 4}  # uses from which a leaf is repeated
FAR = 7  # an arrow over more rows than that becomes a reference,
FAR_WITHIN = 5  # within a step over more than that, unless it comes in a lane,
FAR_BACK = 5  # and to an adjoint over more than that
MANY = 2  # values that one node reads from more steps than that come by one reference


class Stub(NamedTuple):
    """A reference to a value, or to those of many steps: whose it is (a node, or -1 - c for the way into chain c), the
    frames it lies in, and of which step it is; of many steps, the titles of the first and the last.
    """

    values: tuple[int, ...]
    owner: int
    path: Path
    steps: str = ""


class Plan:
    """The nodes with a box, what is drawn into each (source, slot), the frames of each, and the stubs by (source, target).

    folds:  what is drawn as one box, by the last node; chains: the chains of steps; where: the chain and step of a node in one
    """

    def __init__(self, flow: Flow, *, stubs: bool, numbers: bool, fold: bool) -> None:
        self.flow = flow
        self.numbers = numbers
        uses = drawn(flow, numbers=numbers)
        links = Links(flow, uses)
        self.shown = flow.shown
        self.outputs = {self.shown.stands.get(output, output) for output in flow.outputs}
        self.folds = self._folds(links) if fold else {}
        self.operands = links.operands
        self.uses = self._unfolded(uses)
        self.incoming = Links(flow, self.uses).sources
        hidden = {node for found in self.folds.values() for node in found.members[:-1]} | set(self.shown.stands)
        self.chains = self._chains(hidden) if stubs else []
        self.where = {
            node: (c, k) for c, chain in enumerate(self.chains) for k, nodes in enumerate(chain.steps) for node in nodes
        }
        self.rank = {node: i for chain in self.chains for nodes in chain.steps for i, node in enumerate(nodes)}
        self.paths = self._paths()
        self.repeated = self._repeated() if stubs else set()
        self.order = self._order()
        self.stubs = self._stubs() if stubs else self._asked_for()
        hidden |= {node.index for node in flow.nodes if numbers and node.is_number} - self.outputs
        self.hidden = hidden | (self.repeated - self._only_in_chains())

    def _folds(self, links: Links) -> dict[int, Fold]:
        """The folds by their last nodes; none of what a transform has made, or of a rolled step."""
        chains = self.shown.chains or ()
        kept = {*self.shown.labels, *[node for chain in chains for nodes in chain.steps for node in nodes]}
        return {found.members[-1]: found for found in folds(self.flow, links) if kept.isdisjoint(found.members)}

    def _chains(self, hidden: set[int]) -> list[Chain]:
        """The chains; boxes that stand for scopes are in none, unless in that of a rolled graph."""
        if self.shown.chains is not None:
            return list(self.shown.chains)
        groups = {index for index, label in self.shown.labels.items() if label.scope is not None}
        return chains(self.flow, self.uses, hidden | groups)

    def _order(self) -> list[int]:
        """The nodes, each behind what is drawn into it; a box for many nodes may read what was born after some of them."""
        if self.flow.transformed is None:
            return list(range(len(self.flow.nodes)))
        missing = [len(sources) for sources in self.incoming]
        targets = Links(self.flow, self.uses).targets
        ready = [index for index, count in enumerate(missing) if not count]
        order = []
        while ready:
            order.append(heappop(ready))
            for target in targets[order[-1]]:
                missing[target] -= 1
                if not missing[target]:
                    heappush(ready, target)
        return order

    def _unfolded(self, uses: list[Use]) -> list[Use]:
        """The edges that lead into folds or by them."""
        last = {node: found.members[-1] for found in self.folds.values() for node in found.members}
        if not last:
            return uses
        moved = [Use(last.get(source, source), last.get(target, target), slot) for source, target, slot in uses]
        return list(dict.fromkeys([use for use in moved if use.source != use.target]))

    def outer(self, chain: int) -> Path:
        """The frames around a chain."""
        return self.paths[self.chains[chain].steps[0][0]][:-2]

    def _paths(self) -> list[Path]:
        """The frames around each node."""
        sweep = sweeps(self.flow)
        for source, target, _ in reversed(self.uses):
            if not self.operands[source]:  # a leaf lies with its first reader
                sweep[source] = sweep[target]
        scopes = [self._scopes(i) for i in range(len(sweep))]
        titles = framed([*scopes, *[chain.frame(0)[0] for chain in self.chains]])
        paths: list[Path] = [tuple([Part(name, sweep[i]) for name in titles[scope]]) for i, scope in enumerate(scopes)]
        for c, chain in enumerate(self.chains):
            for k, nodes in enumerate(chain.steps):
                around, title = chain.frame(k)
                frames = tuple([Part(name, chain.sweep) for name in titles[around]])
                path = (*frames, Part("", chain.sweep, c), Part(title, chain.sweep, c, k, chain.kinds[k]))
                for node in nodes:
                    paths[node] = path
        for last, found in self.folds.items():
            if paths[last] and paths[last][-1].title == found.title:  # the box is all there is in the frame
                paths[last] = paths[last][:-1]
        self._put_parameters(paths)
        return paths

    def _scopes(self, index: int) -> tuple[str, ...]:
        """The scopes around the box of a node."""
        label = self.shown.labels.get(index)
        scope = self.shown.scopes.get(index) if label is None else label.scope
        return names(self.flow.nodes[index]) if scope is None else split(scope)

    def _put_parameters(self, paths: list[Path]) -> None:
        """A parameter without a scope of its own lies in the innermost frame around all that read it, steps aside."""
        around: dict[int, Path] = {}
        for source, target, _ in self.uses:
            if self.flow.nodes[source].kind in ("parameter", "state") and not paths[source]:
                path = tuple([part for part in paths[target] if part.chain < 0])
                around[source] = path if source not in around else _shared(around[source], path)
        for source, path in around.items():
            paths[source] = path

    def _repeated(self) -> set[int]:
        """The leaves that get a box at each use."""
        counts: dict[int, int] = {}
        for source, _, _ in self.uses:
            counts[source] = counts.get(source, 0) + 1
        return {
            source
            for source, count in counts.items()
            if count >= STUBS_FROM.get(self.flow.nodes[source].kind, count + 1)
            and source not in self.outputs
            and source not in self.where
        }

    def _only_in_chains(self) -> set[int]:
        """The repeated leaves that need a box of their own, since the stubs in steps say nothing but a name."""
        elsewhere = {source for source, target, _ in self.uses if target not in self.where}
        return self.repeated - elsewhere

    def _stubs(self) -> dict[tuple[int, int], Stub]:
        """The uses (source, target) that are drawn as references."""
        found: dict[tuple[int, int], Stub] = {}
        near = []
        for use in self.uses:
            source, target, _ = use
            lane = self._lane_into(source, target)
            if lane is not None and (source in self.repeated or not self._comes_out(source)):
                found[source, target] = Stub((source,), -1 - lane, self.outer(lane))
            elif lane is None and (source in self.repeated or self._is_apart(source, target) or self._is_said(use)):
                found[source, target] = Stub(
                    (source,), target, self.paths[target], self.shown.apart.get((source, target), "")
                )
            if (source, target) not in found or lane is not None:
                near.append(use)
        for source, target in self._far(near):
            found[source, target] = Stub((source,), target, self.paths[target])
        self._join(found)
        return found

    def _asked_for(self) -> dict[tuple[int, int], Stub]:
        """The references that a transform wants, and no others."""
        return {
            (source, target): Stub((source,), target, self.paths[target], said)
            for (source, target), said in self.shown.apart.items()
        }

    def _is_said(self, use: Use) -> bool:
        """Whether there is something to say of the value, so that it comes by a stub."""
        return (use.source, use.target) in self.shown.apart

    def _lane_into(self, source: int, target: int) -> int | None:
        """The chain whose first step reads the source as a value that comes in by a lane."""
        chain, step = self.where.get(target, (-1, -1))
        return chain if step == 0 and source in self.chains[chain].lanes[0] else None

    def _comes_out(self, source: int) -> bool:
        """Whether a value is at hand outside of chains: the last step of its chain hands it on."""
        chain, step = self.where.get(source, (-1, -1))
        return chain < 0 or self._leaves(source, chain, step)

    def _leaves(self, source: int, chain: int, step: int) -> bool:
        return step == len(self.chains[chain].steps) - 1 and source in self.chains[chain].lanes[-1]

    def _is_apart(self, source: int, target: int) -> bool:
        """Whether the source is in another step, or one of the two in a chain and the other not, and no lane joins them."""
        chain, step = self.where.get(source, (-1, -1))
        to_chain, to_step = self.where.get(target, (-1, -1))
        if chain == to_chain and (step == to_step or chain < 0):
            return False
        if chain == to_chain and to_step == step + 1:
            return source not in self.chains[chain].lanes[to_step]
        return not (to_chain < 0 and self._leaves(source, chain, step))

    def _far(self, uses: Sequence[Use]) -> set[tuple[int, int]]:
        """The pairs (source, target) that lie many rows apart, in one step of a kind and so in all of them."""
        within = [use for use in uses if use.target in self.where]
        depth = self._depths(within)
        rows = {use: depth[use.target] - depth.get(use.source, 0) for use in within}
        spots = {self._spot(use) for use in within if rows[use] > (FAR_WITHIN if self._is_inside(use) else FAR)}
        far = {(use.source, use.target) for use in within if self._spot(use) in spots}
        late = [node.kind == "adjoint" for node in self.flow.nodes]
        layer = self._layers(late)
        outside = [use for use in uses if use.target not in self.where]
        return far | {
            (source, target)
            for source, target, _ in outside
            if layer[target] - layer[source] > (FAR_BACK if late[target] else FAR)
        }

    def _is_inside(self, use: Use) -> bool:
        """Whether a use lies within a step."""
        return self.where.get(use.source) == self.where[use.target]

    def _depths(self, within: Sequence[Use]) -> dict[int, int]:
        """How many rows of its step lie before a node."""
        depth: dict[int, int] = {}
        sources: dict[int, list[int]] = {}
        for source, target, _ in within:
            sources.setdefault(target, []).append(source)
        for node in [node for node in self.order if node in self.where]:
            inner = [depth[source] for source in sources.get(node, ()) if self.where.get(source) == self.where[node]]
            depth[node] = 1 + max(inner, default=0)
        return depth

    def _layers(self, late: Sequence[bool]) -> list[int]:
        """The rows of the picture in which the nodes lie if a chain is as long as what is far; its nodes lie at its end."""
        count = len(self.flow.nodes)
        length = FAR + 1
        ends = [count + length * c for c in range(len(self.chains))]
        arrows = [(end + k, end + k + 1) for end in ends for k in range(length - 1)]
        for source, target, _ in self.uses:
            chain, to_chain = self.where.get(source, (-1, 0))[0], self.where.get(target, (-1, 0))[0]
            if chain < 0 or chain != to_chain:
                start = source if chain < 0 else ends[chain] + length - 1
                arrows.append((start, target if to_chain < 0 else ends[to_chain]))
        layer = ranks([*late, *[False] * (length * len(ends))], arrows)
        for node, (chain, _) in self.where.items():
            layer[node] = layer[ends[chain] + length - 1]
        return layer[:count]

    def _spot(self, use: Use) -> tuple[int, int, int, int]:
        """What a use has in common with those in the same place of like steps."""
        chain, step = self.where[use.target]
        return chain, self.chains[chain].kinds[step], self.rank[use.target], use.slot

    def _join(self, stubs: dict[tuple[int, int], Stub]) -> None:
        """Make one stub of those that bring a node values from many steps of a chain."""
        read: dict[tuple[int, int], list[int]] = {}
        for source, target in stubs:
            if source in self.where:
                read.setdefault((target, self.where[source][0]), []).append(source)
        for (target, chain), sources in read.items():
            steps = [self.where[source][1] for source in sources]
            if len(set(steps)) > MANY:
                ends = [self.chains[chain].frame(step)[1] for step in (steps[0], steps[-1])]
                stub = Stub(tuple(sources), target, self.paths[target], " … ".join(ends))
                stubs.update({(source, target): stub for source in sources})


def _shared(a: Path, b: Path) -> Path:
    """The innermost frame around both."""
    shared = 0
    while shared < min(len(a), len(b)) and a[shared] == b[shared]:
        shared += 1
    return a[:shared]
