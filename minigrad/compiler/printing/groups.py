"""Fuse entrywise lines of one shape into groups, which are computed together, a block or an entry at a time.

A value that only the group itself reads never reaches main memory. Fusion reorders: all members see the first entries before
any sees the last, and lines that stood between members come after the group. Storage is planned already, so a group ends
before a member that would overwrite what is still to be read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, NamedTuple

from minigrad.compiler.ir import INTO, LEAF, RESHAPE, TILES, VIEW, Reduce
from minigrad.compiler.lines import Line, before, readers_of, row_of
from minigrad.compiler.storage.memory import Memory, Root, plain

TOTAL = Reduce("add", None)
WINDOW = 200  # lines that are looked through for members


class Rules(NamedTuple):
    """Tell what a backend can fuse.

    fits:  whether a line can be a member
    moves: whether lines between the members of a group that begins with this line may come after it
    sums:  whether a group may sum one of its members up
    least: how many members make a group
    """

    fits: Callable[[Line], bool]
    moves: Callable[[Line], bool]
    sums: bool
    least: int


class Group(NamedTuple):
    """Hold lines that are fused, so that they are computed together.

    members: entrywise lines with results of one shape
    total:   the sum over all entries of one of them, or None
    inner:   the members whose values nobody else reads
    """

    members: list[Line]
    total: Line | None
    inner: set[Line]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.members[0].shape

    @property
    def operands(self) -> list[Line]:
        """What it reads from outside, each once."""
        own = set(self.members)
        return list(dict.fromkeys([x for member in self.members for x in member.operands if x not in own]))

    @property
    def stored(self) -> list[Line]:
        """The members others read."""
        return [member for member in self.members if member not in self.inner]


def grouped(memory: Memory, rules: Rules) -> list[Line | Group]:
    """Fuse lines into groups, and order all so that the members of each group stand together, as one item."""
    return _Grouping(memory, rules).items()


@dataclass
class _Scan:
    """A group in the making: its members, and the lines found between them.

    before: those that can stand before it;  after: those that have to stand after it;  late: what members cannot wait for
    """

    members: list[Line] = field(default_factory=list)
    total: Line | None = None
    before: list[Line] = field(default_factory=list)
    after: list[Line] = field(default_factory=list)
    late: set[Line] = field(default_factory=set)


class _Grouping:
    def __init__(self, memory: Memory, rules: Rules) -> None:
        self.memory = memory
        self.rules = rules
        self.results = set(memory.lines.results)
        self.readers = readers_of(memory.order)

    def items(self) -> list[Line | Group]:
        items: list[Line | Group] = []
        order = self.memory.order[::-1]  # a stack: what comes next is last
        while order:
            found = self._begun_by(order) if self._may_join(order[-1]) else None
            if found is None:
                items.append(order.pop())
                continue
            group, scan = found
            del order[-sum(map(len, (scan.members, scan.before, scan.after))) - (scan.total is not None) :]
            items += [*scan.before, group]
            order += scan.after[::-1]
        return items

    def _begun_by(self, order: Sequence[Line]) -> tuple[Group, _Scan] | None:
        """The group that begins with the next line; None where there is none."""
        window = order[: -WINDOW - 1 : -1]
        while True:
            scan = self._scanned(window)
            if len(scan.members) + (scan.total is not None) < self.rules.least:
                return None
            group = Group(scan.members, scan.total, self._inner(scan))
            offender = self._offender(group, scan, window)
            if offender is None:
                return group._replace(members=self._scheduled(group)), scan
            window = window[: window.index(offender)]

    def _scanned(self, window: Sequence[Line]) -> _Scan:
        """Take the lines that can be members. Stop at the first that cannot, or let it wait, if lines may move."""
        scan, kept = _Scan(), (0, 0)
        moves = bool(window) and self.rules.moves(window[0])
        for line in window:
            waits = not scan.late.isdisjoint(before(line))
            if not computes(line):
                if waits or not set(line.operands).isdisjoint(scan.members):
                    scan.after.append(line)
                    scan.late.add(line)
                else:
                    scan.before.append(line)
            elif not waits and line.shape == window[0].shape and self._may_join(line):
                scan.members.append(line)
                kept = len(scan.before), len(scan.after)
            elif not waits and scan.total is None and self._is_total(line, scan.members):
                scan.total = line
                scan.late.add(line)
                kept = len(scan.before), len(scan.after)
            elif moves:
                scan.after.append(line)
                scan.late.add(line)
            else:
                break
        del scan.before[kept[0] :], scan.after[kept[1] :]  # what stands after the last member stays there
        return scan

    def _may_join(self, line: Line) -> bool:
        entrywise = line.array is None and line.op.kind == INTO and line.op.entrywise
        return entrywise and line.origin.leap <= 0 and self.rules.fits(line)  # a long sum is a loop of its own

    def _is_total(self, line: Line, members: Sequence[Line]) -> bool:
        fits = self.rules.sums and line.op == TOTAL and line.dtype.kind == "f"
        return fits and line.operands[0] in members

    def _inner(self, scan: _Scan) -> set[Line]:
        own = {*scan.members, scan.total}
        return {
            line
            for line in scan.members
            if line not in self.results
            and line not in self.memory.states
            and all(reader in own for reader in self.readers.get(line, ()))
        }

    def _scheduled(self, group: Group) -> list[Line]:
        """The members in an order in which a value comes right before it is needed, so that few are alive at a time."""
        own = set(group.members)
        needs: dict[Line, list[Line]] = {}
        touching: dict[Any, list[Line]] = {}  # who has read and written a place that a later member writes over
        for line in group.members:
            needs[line] = [x for x in line.operands if x in own]
            if line not in group.inner:
                needs[line] += touching.get(address(self.memory, line), [])
            for x in (*line.operands, line):
                if x not in group.inner:
                    touching.setdefault(address(self.memory, x), []).append(line)
        order: dict[Line, None] = {}
        stack = [*group.stored[::-1], *([group.total.operands[0]] if group.total is not None else [])]
        while stack:
            line = stack[-1]
            waiting = [x for x in needs[line] if x not in order]
            if waiting:
                stack += waiting[::-1]
            else:
                order[stack.pop()] = None
        return list(order)

    def _offender(self, group: Group, scan: _Scan, window: Sequence[Line]) -> Line | None:
        """The first member that writes over what is still to be read: in another place of it, or by a line that waits."""
        waiting, touched = set(scan.after), list[Any]()
        members = {*group.members, group.total}
        entries = list[Any]()  # where the members so far read and write
        for line in window:
            if line in waiting and computes(line):
                touched += [address(self.memory, x) for x in (line, *line.operands)]
            if line not in members:
                continue
            entries += [address(self.memory, x) for x in line.operands if x not in members]
            if line in group.inner:
                continue
            to = address(self.memory, line)
            if any(relation(to, other) != APART for other in touched):
                return line
            if line is not group.total and any(relation(to, other) == MIXED for other in entries):
                return line  # a total is written after the last piece, when nothing is read any more
            entries.append(to)
        return None


def computes(line: Line) -> bool:
    """Tell whether a line computes anything at its place in the order."""
    return line.array is None and line.op.kind not in (LEAF, VIEW, RESHAPE, TILES)


# Where values lie ----------------------------------------------------------------------------------------------------

APART, SAME, MIXED = "apart", "same", "mixed"


class Address(NamedTuple):
    """What memory a value lies in, from where on, and the way to it: rows of a series, parts of a whole, views."""

    memory: Any
    start: int
    shape: tuple[int, ...]
    path: tuple[Any, ...]

    def meets(self, other: Address) -> bool:
        """Whether the wholes in which two values lie have memory in common."""
        one, two = prod(self.shape), prod(other.shape)
        return self.memory is other.memory and self.start < other.start + two and other.start < self.start + one


def address(memory: Memory, line: Line) -> Address:
    """Find where a value lies."""
    path: list[Any] = []
    whole = plain(line)
    if whole in memory.root:  # its entries in their order, whatever its shape
        return in_root(memory.root[whole], line.shape, path)
    while True:
        if line.op.kind in (VIEW, RESHAPE) and line.array is None:
            row, (base,) = row_of(line), line.operands
            if row is not None and base in memory.root and memory.root[base].before is base:
                path.append(("rows", row, row + 1))
            else:
                path.append(("view", line.op, line.shape))
            line = base
        elif line in memory.over:
            line = memory.over[line]
        elif line in memory.slot:
            line, index = memory.slot[line]
            path.append(("part", line, repr(index)))
        else:
            break
    if line in memory.place:
        root, at = memory.place[line]
        path.append(("rows", at, at + 1) if isinstance(at, int) else ("rows", at.start, at.stop))
    elif line in memory.root:
        root = memory.root[line]
    else:
        return Address(line, 0, line.shape, tuple(path[::-1]))
    return in_root(root, root.shape, path)


def in_root(root: Root, shape: tuple[int, ...], path: Sequence[Any] = ()) -> Address:
    """What lies in a root's memory; the shape is that of the whole."""
    if root.buffer is None:
        return Address(root, 0, shape, tuple(path[::-1]))
    return Address(root.buffer.arena, root.buffer.start, shape, tuple(path[::-1]))


def relation(a: Address, b: Address) -> str:
    """Tell whether two values alias: they lie apart, or entry by entry in the same place; MIXED where that is not known."""
    if not a.meets(b):
        return APART
    if (a.start, a.shape) != (b.start, b.shape):
        return MIXED
    for x, y in zip(a.path, b.path, strict=False):
        if x == y:
            continue
        if x[0] == y[0] == "rows":
            return APART if x[2] <= y[1] or y[2] <= x[1] else MIXED
        return APART if x[0] == y[0] == "part" and x[1] is y[1] else MIXED
    return SAME if len(a.path) == len(b.path) else MIXED
