"""Groups: runs of entrywise lines with results of one shape, which are computed together, a block or an entry at a time.

Then most values in between never reach main memory: what nobody outside the group reads needs no memory of its own.
A group changes the order of what is computed twice over: all its lines see the first entries before any sees the last, and
lines that stood between its members come after it. Memory is laid out already, so where a later member would write over what
is still to be read, the group ends before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from minigrad.compiler.lines import INTO, LEAF, RESHAPE, TILES, VIEW, Line
from minigrad.compiler.memory import Memory

TOTAL = "add.reduce({0}, axis=None{out})"
WINDOW = 200  # lines that are looked through for members


class Group(NamedTuple):
    """Lines that are computed together.

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
        return list(dict.fromkeys(x for member in self.members for x in member.operands if x not in own))

    @property
    def stored(self) -> list[Line]:
        """The members others read."""
        return [member for member in self.members if member not in self.inner]


class Grouping:
    """The order of the lines with groups in it: `items` are lines and groups.

    fits:  whether a line can be a member at all
    moves: whether lines between members of this one's shape may come after the group
    sums:  whether the group may sum one of its members up
    """

    def __init__(self, memory: Memory, fits: Any, moves: Any, sums: bool) -> None:
        self.memory = memory
        self.fits = fits
        self.moves = moves
        self.sums = sums
        self.results = set(memory.lines.results)
        self.readers: dict[Line, list[Line]] = {}
        for line in memory.order:
            for operand in line.operands:
                self.readers.setdefault(operand, []).append(line)
        self.items = self._items()

    def _items(self) -> list[Line | Group]:
        items: list[Line | Group] = []
        order = list(self.memory.order)
        at = 0
        while at < len(order):
            line = order[at]
            found = self._group(order[at : at + WINDOW]) if self._may_begin(line) else None
            if found is None:
                items.append(line)
                at += 1
            else:
                group, before, after = found
                length = len(group.members) + (group.total is not None) + len(before) + len(after)
                order[at : at + length] = after
                items += [*before, group]
                while order[at:] and _is_silent(order[at]) and at < len(order):
                    items.append(order[at])
                    at += 1
        return items

    def _may_begin(self, line: Line) -> bool:
        return self._is_entrywise(line) and self.fits(line)

    def _is_entrywise(self, line: Line) -> bool:
        return line.array is None and line.call.kind == INTO and line.call.entrywise

    def _group(self, window: Sequence[Line]) -> tuple[Group, list[Line], list[Line]] | None:
        """The group that begins the window, what is to come before it and after it; None where there is none worth it."""
        end = len(window)
        while True:
            scan = self._scanned(window[:end])
            if len(scan.members) + (scan.total is not None) < 2:
                return None
            group = Group(scan.members, scan.total, self._inner(scan))
            offender = self._offender(group, scan)
            if offender is None:
                return group, scan.before, scan.after
            end = window.index(offender)

    def _scanned(self, window: Sequence[Line]) -> _Scan:
        """Take every line that can be a member. Stop at the first that cannot, or let it wait if lines may move."""
        first = window[0]
        scan = _Scan([], None, [], [], set())
        moves = self.moves(first)
        for line in window:
            waits = not scan.late.isdisjoint(line.operands) or (line.after is not None and line.after in scan.late)
            if _is_silent(line):
                if waits or self.memory.base(line) in scan.members:
                    scan.postpone(line)
                else:
                    scan.before.append(line)
            elif not waits and self._may_join(line, first):
                scan.members.append(line)
            elif self.sums and scan.total is None and not waits and self._is_total(line, scan.members):
                scan.total = line
                scan.late.add(line)
            elif moves:
                scan.postpone(line)
            else:
                break
        while scan.after and _is_silent(scan.after[-1]) is False and not moves:
            scan.after.pop()
        return scan

    def _may_join(self, line: Line, first: Line) -> bool:
        return line.shape == first.shape and self._is_entrywise(line) and self.fits(line)

    def _is_total(self, line: Line, members: Sequence[Line]) -> bool:
        return line.call.text == TOTAL and line.operands[0] in members and line.operands[0].dtype.kind == "f"

    def _inner(self, scan: _Scan) -> set[Line]:
        own = {*scan.members, scan.total}
        return {
            line
            for line in scan.members
            if line not in self.results and all(reader in own for reader in self.readers.get(line, ()))
        }

    def _offender(self, group: Group, scan: _Scan) -> Line | None:
        """The first member that writes over what is still to be read, in another block or by a line that waits."""
        read = [(line, self._address(line)) for line in group.operands if line.array is None and line.call.kind != LEAF]
        waiting = [(p, self._address(x)) for p in scan.after if not _is_silent(p) for x in (p, *p.operands)]
        place = {line: i for i, line in enumerate([*scan.seen])} if waiting else {}
        return None
