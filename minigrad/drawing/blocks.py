"""The tree of blocks: a picture, the frames in it, the frames in these, and in each what lies side by side and who reads whom.

An arrow that enters or leaves a block passes a port on its edge. All arrows from one box share the ports they pass. If
blocks of one level would read each other in a circle, the level is cut into pieces that do not.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Part(NamedTuple):
    """A block that a box lies in: the frame of a scope in a sweep, a chain of steps (without a title), or a step.

    sweep: which sweep, its order first: 0 for fprop, 1 for bprop, 2 for the bprops of these
    kind:  steps of one kind have the same structure
    """

    title: str
    sweep: tuple[int, int] = (0, 0)
    chain: int = -1
    step: int = -1
    kind: int = -1

    @property
    def heading(self) -> str:
        """The name of the frame."""
        return f"{self.title}{SWEEPS[min(self.sweep[0], 2)]}"


SWEEPS = ("", " · adjoints", " · adjoints of adjoints")
Path = tuple[Part, ...]  # the blocks around a box, outer ones first


class Edge(NamedTuple):
    """A link within a block, from child to child: boxes by their numbers, the block of number b as -1 - b, and -1 for the
    block itself, through which a link enters or leaves.

    A port is known by the box whose arrows pass it; `into` of a box is the place of the operand.
    """

    source: int
    out: int
    target: int
    into: int


@dataclass(slots=True)
class Block:
    """What lies in a frame: boxes and blocks by their numbers, the links between them, and its ports.

    Blocks are numbered too, from the picture (0), and a block comes before all that is in it. `after` has the pairs of
    children of which the second one reads the first by reference.
    """

    path: Path
    parent: int
    boxes: list[int] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)
    edges: dict[Edge, None] = field(default_factory=dict)
    after: dict[tuple[int, int], None] = field(default_factory=dict)
    ins: dict[int, int] = field(default_factory=dict)  # box -> number of the port
    outs: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Tree:
    """The blocks of a picture, for each arrow its links: (block, edge), from the source to the target, and the block around each box."""

    blocks: list[Block]
    ways: list[list[tuple[int, Edge]]]
    home: list[int]

    def add_delay(self, source: int, target: int, slot: int) -> None:
        """Add the way out of the step of a box, around the step, and into it again, to another of its boxes."""
        step = self.home[source]
        around = self.blocks[step].parent
        self.blocks[step].outs.setdefault(source, len(self.blocks[step].outs))
        self.blocks[step].ins.setdefault(source, len(self.blocks[step].ins))
        way = [
            (step, Edge(source, 0, -1, source)),
            (around, Edge(-1 - step, source, -1 - step, source)),
            (step, Edge(-1, source, target, slot)),
        ]
        for block, edge in way:
            self.blocks[block].edges[edge] = None
        self.ways.append(way)


Links = list[tuple[int, int]]


def tree(paths: Sequence[Path], arrows: Sequence[tuple[int, int, int]], references: Sequence[tuple[int, int]]) -> Tree:
    """Group boxes by their paths; arrows are (source, target, slot), references (source, target)."""
    blocks = [Block((), -1)]
    home = [0] * len(paths)  # the block around each box
    waiting = [(0, list(range(len(paths))), [(source, target) for source, target, _ in arrows], list(references))]
    for number, members, links, reads in waiting:  # grows
        depth = len(blocks[number].path)
        keys = {box: paths[box][depth] if len(paths[box]) > depth else None for box in members}
        units, ordered = _units(keys, members, links, reads)
        places: dict[Hashable, int] = {}
        for box in members:
            key = keys[box]
            if key is None:
                blocks[number].boxes.append(box)
                home[box] = number
            elif units[box] in places:
                waiting[places[units[box]]][1].append(box)
            else:
                places[units[box]] = len(blocks)
                blocks[number].blocks.append(len(blocks))
                blocks.append(Block((*blocks[number].path, key), number))
                waiting.append((len(blocks) - 1, [box], [], []))
        blocks[number].blocks.sort(key=lambda inner: blocks[inner].path[-1].step)
        for source, target in links:
            if units[source] == units[target]:
                waiting[places[units[source]]][2].append((source, target))
        for source, target in reads:
            if units[source] == units[target]:
                waiting[places[units[source]]][3].append((source, target))
        if ordered:
            child = {box: -1 - places[units[box]] if keys[box] is not None else box for box in members}
            pairs = [(child[source], child[target]) for source, target in reads if units[source] != units[target]]
            blocks[number].after = dict.fromkeys(pairs)
    return Tree(blocks, [_way(blocks, home, arrow) for arrow in arrows], home)


def cut_apart(keys: dict[int, Hashable], members: list[int], links: Links) -> dict[int, Hashable]:
    """The unit of each box, so that no two units read each other: the keys, or pieces of what has one key."""
    return keys if _is_acyclic(keys, links) else _cut(keys, members, links)


def _units(
    keys: dict[int, Part | None], members: list[int], links: Links, reads: Links
) -> tuple[dict[int, Hashable], bool]:
    """What each box lies in one level deeper, so that no two units read each other; and whether references are in order."""
    units: dict[int, Hashable] = {box: ("box", box) if key is None else key for box, key in keys.items()}
    if _is_acyclic(units, [*links, *reads]):
        return units, True
    if not _is_acyclic(units, links):
        units = _cut(units, members, links)
    return units, _is_acyclic(units, [*links, *reads])


def _is_acyclic(unit: dict[int, Hashable], links: Links) -> bool:
    targets: dict[Hashable, set[Hashable]] = {key: set() for key in unit.values()}
    missing = dict.fromkeys(targets, 0)
    for source, target in links:
        a, b = unit[source], unit[target]
        if a != b and b not in targets[a]:
            targets[a].add(b)
            missing[b] += 1
    ready = [key for key, count in missing.items() if count == 0]
    for key in ready:  # grows
        for other in targets[key]:
            missing[other] -= 1
            if missing[other] == 0:
                ready.append(other)
    return len(ready) == len(targets)


def _cut(unit: dict[int, Hashable], members: list[int], links: Links) -> dict[int, Hashable]:
    """Walk through the boxes in an order of computation, staying in a block while it can go on; each stay is a piece."""
    missing = dict.fromkeys(members, 0)
    foreign = dict.fromkeys(unit.values(), 0)  # links from elsewhere that a block still waits for
    targets: dict[int, list[int]] = {box: [] for box in members}
    for source, target in links:
        missing[target] += 1
        targets[source].append(target)
        foreign[unit[target]] += unit[source] != unit[target]
    ready: dict[Hashable, list[int]] = {}
    for box in members:
        if missing[box] == 0:
            ready.setdefault(unit[box], []).append(box)
    pieces: dict[int, Hashable] = {}
    stay = 0
    here: Hashable
    while ready:
        here = next((key for key in ready if foreign[key] == 0), next(iter(ready)))
        while ready.get(here):
            box = ready[here].pop(0)
            pieces[box] = (here, stay)
            for target in targets[box]:
                missing[target] -= 1
                foreign[unit[target]] -= unit[target] != here
                if missing[target] == 0:
                    ready.setdefault(unit[target], []).append(target)
        del ready[here]
        stay += 1
    return pieces


def _way(blocks: list[Block], home: list[int], arrow: tuple[int, int, int]) -> list[tuple[int, Edge]]:
    """The links of an arrow; notes them, and the ports they pass, in their blocks."""
    source, target, slot = arrow
    up, down = _around(blocks, home[source]), _around(blocks, home[target])
    while len(up) > 1 and len(down) > 1 and up[-2] == down[-2]:  # up to the innermost block around both
        up.pop()
        down.pop()
    way: list[tuple[int, Edge]] = []
    at, out = source, 0
    for block in up[:-1]:
        blocks[block].outs.setdefault(source, len(blocks[block].outs))
        way.append((block, Edge(at, out, -1, source)))
        at, out = -1 - block, source
    inner = down[-2::-1]
    for block, child in zip([up[-1], *inner], [*inner, None], strict=True):
        if child is None:
            way.append((block, Edge(at, out, target, slot)))
        else:
            blocks[child].ins.setdefault(source, len(blocks[child].ins))
            way.append((block, Edge(at, out, -1 - child, source)))
            at, out = -1, source
    for block, edge in way:
        blocks[block].edges[edge] = None
    return way


def _around(blocks: list[Block], block: int) -> list[int]:
    """The block and all around it, outer ones last."""
    found = [block]
    while blocks[found[-1]].parent >= 0:
        found.append(blocks[found[-1]].parent)
    return found
