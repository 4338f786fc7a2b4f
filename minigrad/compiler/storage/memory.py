"""Plan storage: decide in which buffer, and where in it, the value of every line lies. Nothing here changes what is computed.

* What is stacked or joined is computed in its part of the whole (`TILES`), so that nothing is copied: the states of all time
  steps lie in one array. Stacks may overlap: x_0..x_{T-1} and x_1..x_T are parts of x_0..x_T.
* A line that works entry by entry writes over an operand nobody reads any more.
* All other memory goes back to a pool after its last reader, and serves again.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from minigrad.compiler.ir import FRESH, INTO, RESHAPE, TILES, VIEW, Reshaped
from minigrad.compiler.lines import Line, Lines, cloned, copy_of, in_order, places_of, readers_of, row_of
from minigrad.compiler.storage import in_place
from minigrad.compiler.storage.arenas import Buffer, pack
from minigrad.compiler.storage.chains import Chains, is_stack, linked, may_be_placed, rows_of


class Root:
    """Memory of its own: of one line, of a series of lines of one shape, or of an output (made anew in every call).

    members: of a series, in order; else None
    before:  of a series each of whose rows is computed from the row of another array, in its place: that array; else None
    first:   where in the program it is first written
    buffer:  the memory of the pool that it takes; None before that is decided
    like:    the same for lines that do the same in different time steps, which get the same buffer where they can
    """

    __slots__ = ("before", "buffer", "dtype", "first", "like", "members", "output", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], members: list[Line] | None = None) -> None:
        self.shape = shape
        self.dtype = dtype
        self.members = members
        self.before: Line | None = None
        self.output = False
        self.first = -1
        self.buffer: Buffer | None = None
        self.like: Any = None

    @property
    def key(self) -> tuple[np.dtype[Any], int]:
        """What memory it fits: that of as many entries of the same dtype."""
        return self.dtype, prod(self.shape)


class Memory:
    """Where everything lies.

    lines: the program, in lines of its own
    order: the lines as they are computed
    slot:  of a line that is a part of another's memory: the other, and the index of the part
    place: of a line in a series (or a stack that is a stretch of one): the series' root, and its number (or a slice)
    root:  of a line that has memory of its own
    over:  of a line that is written over another's memory: the other
    states: of a new value that is written into its state's own array: the state
    """

    def __init__(self, lines: Lines) -> None:
        self.lines = lines = cloned(lines)  # copies are put between them, which changes operands
        self.slot: dict[Line, tuple[Line, Any]] = {}
        self.place: dict[Line, tuple[Root, int | slice]] = {}
        self.root: dict[Line, Root] = {}
        self.over: dict[Line, Line] = {}
        self.copies: dict[Any, Line] = {}
        self.chains = Chains()
        self.buffers: list[Buffer] = []
        self._place_tiles()
        self.order, self.states = in_place.placed(lines, in_order(lines.results), {*self.slot, *self.place})
        self.over.update(self.states)
        self._lay_out()
        self._make_series()
        self._share()
        pack(self.buffers)

    # Parts of a whole --------------------------------------------------------------------------------------------------

    def _place_tiles(self) -> None:
        order = self.lines.order
        tiles = sorted([line for line in order if line.op.kind == TILES], key=lambda line: -line.nbytes)
        stacks = [line for line in tiles if is_stack(line)]
        for line in stacks:
            self._chain(line)
        for line in tiles:
            if not is_stack(line):
                owned = []
                for part, index in zip(line.operands, places_of(line), strict=True):
                    owned.append(self._own(part))
                    self.slot[owned[-1]] = line, index
                line.operands = tuple(owned)
        copied = {copy.operands[0]: copy for copy in self.copies.values()}
        for line in order:  # what is copied into a row is read there
            if line.op.kind != TILES and not copied.keys().isdisjoint(line.operands):
                line.operands = tuple([copied.get(operand, operand) for operand in line.operands])
        self._prolong()
        for members, rows in self.chains.whole():
            self._place_series(members, rows)
        for line in stacks:
            root, start = self.place[line.operands[0]]
            assert isinstance(start, int)
            self.place.setdefault(line, (root, slice(start, start + line.shape[0])))

    def _place_series(self, members: list[Line], rows: Sequence[int]) -> None:
        """Let lines be these rows of one array."""
        root = Root((rows[-1] + 1, *members[0].shape), members[0].dtype, members)
        for member, row in zip(members, rows, strict=True):
            self.place[member] = root, row

    def _chain(self, line: Line) -> None:
        """Put the parts of a stack next to each other, if earlier stacks let them; copies of those that may not."""
        parts = list(line.operands)
        for i, link in enumerate(linked(parts)):
            if not may_be_placed(parts[i]):
                parts[i] = self.copies.setdefault(link, copy_of(parts[i]))
        if not self.chains.may_join(parts, rows := rows_of(line)):
            parts = [
                copy_of(part) if part in self.chains or part in parts[:i] else part for i, part in enumerate(parts)
            ]
        self.chains.join(parts, rows)
        line.operands = tuple(parts)

    def _prolong(self) -> None:
        """Let a chain go on to its next time steps, which nothing stacks: then all of them are written alike."""
        following: dict[Line, Line] = {}
        latest: dict[Any, Line] = {}
        for line in sorted(self.lines.order, key=lambda line: line.origin.step):
            if line.origin.step and may_be_placed(line):
                like = (line.origin.role, line.op, line.shape, line.dtype)
                if like in latest:
                    following[latest[like]] = line
                latest[like] = line
        outputs = set(self.lines.results)
        for members, _ in list(self.chains.whole()):
            last = members[-1]
            while (after := following.get(last)) is not None:
                if after in self.chains or after in self.slot or after in outputs:
                    break
                self.chains.join([last, after], self.lines.page.row_numbers([last, after]))
                last = after

    def _own(self, part: Line) -> Line:
        """The part itself, if it may be computed inside a whole, else a copy."""
        return part if may_be_placed(part) and part not in self.chains and part not in self.slot else copy_of(part)

    # Layout ------------------------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        """Find out which lines lie in the program's own memory, and which reshapes have to copy there."""
        largest = max([line.nbytes for line in self.order] + [root.key[1] * 8 for root, _ in self.place.values()] + [1])
        ground = np.empty(largest + 64, np.uint8)  # never read or written: it lends arrays their strides
        self.example: dict[Line, Any] = {}
        whole: dict[Line, Any] = {}

        def contiguous(line: Line) -> Any:
            return np.ndarray(line.shape, line.dtype, buffer=ground)

        def lying(line: Line) -> Any:
            inner = [line]
            while inner[-1] not in whole and inner[-1] in self.slot:
                inner.append(self.slot[inner[-1]][0])
            for part in reversed(inner):
                if part not in whole and part in self.slot:
                    other, index = self.slot[part]
                    whole[part] = whole[other][index if ... in index else (*index, ...)]
                elif part not in whole:
                    whole[part] = contiguous(part)
            return whole[line]

        layout: dict[Line, Any] = {}  # of lines outside of it too, as far as it is known
        for line in self.order:
            kind = line.op.kind
            if kind in (INTO, TILES):
                self.example[line] = layout[line] = lying(line)
                continue
            if kind not in (VIEW, RESHAPE):
                layout[line] = contiguous(line)
                continue
            (operand,) = line.operands
            seen = layout[operand]
            if kind == RESHAPE and not _reshapes(seen, line.shape) and operand.array is None:
                line.op = Reshaped(line.shape)
                self.example[line] = layout[line] = contiguous(line)
                continue
            if kind == RESHAPE:
                layout[line] = (
                    contiguous(line) if operand.array is not None else np.reshape(seen, line.shape, copy=False)
                )
            else:
                layout[line] = line.op.apply([seen], self.lines.page.names)
            if operand in self.example:
                self.example[line] = layout[line]
        self.is_output = {plain(line) for line in self.lines.results}

    def whole(self, line: Line) -> Line | None:
        """Give the line in whose memory a line lies: what it views, overwrites, or is a part of; None where it has its own."""
        if line.array is not None:
            return None
        if line.op.kind in (VIEW, RESHAPE):
            return line.operands[0]
        if line in self.over:
            return self.over[line]
        return self.slot[line][0] if line in self.slot else None

    def base(self, line: Line) -> Line:
        """The line whose memory a view looks at."""
        while line.op.kind in (VIEW, RESHAPE):
            line = line.operands[0]
        return line

    def home(self, line: Line) -> Root | None:
        """The root whose memory the line's value lies in; None where it is not the program's."""
        line = self.base(line)
        while True:
            if line in self.over:
                line = self.over[line]
            elif line in self.slot:
                line = self.slot[line][0]
            elif line in self.place:
                return self.place[line][0]
            else:
                return self.root.get(line)

    # Series of what lives side by side -----------------------------------------------------------------------------------

    def _make_series(self) -> None:
        """Lines that do the same in different time steps and are needed at the same time lie in one array."""
        index = {line: i for i, line in enumerate(self.order)}
        last = self._last_uses(index)
        families: dict[Any, list[Line]] = {}
        for line in self.order:
            free = line not in self.slot and line not in self.place and line not in self.is_output
            if line.op.kind in (INTO, TILES) and free and line.origin.step:
                families.setdefault((line.origin.role, line.op, line.shape, line.dtype), []).append(line)
        for family in families.values():
            if len({line.origin.step for line in family}) < max(len(family), 3):
                continue
            pairs = list(pairwise(family))
            crowded = [last[a] > index[b] or (last[a] == index[b] and not b.op.entrywise) for a, b in pairs]
            if any(crowded):
                family.sort(key=lambda line: line.origin.step)
                self._place_series(family, self.lines.page.row_numbers(family))

    def _last_uses(self, index: dict[Line, int]) -> dict[Line, int]:
        last = dict(index)
        for line in reversed(self.order):
            for operand in line.operands:
                until = last[line] if line.op.kind in (VIEW, RESHAPE, TILES) else index[line]
                last[operand] = max(last[operand], until)
        return last

    # The pool ------------------------------------------------------------------------------------------------------------

    def _share(self) -> None:
        """Walk backward: memory is taken where its last reader stands, and given back where it is first written."""
        for line in self.order:
            elsewhere = line in self.slot or line in self.place or line in self.states
            if line.op.kind in (INTO, TILES) and not elsewhere:
                root = self.root[line] = Root(line.shape, line.dtype)
                root.output = line in self.is_output
                root.like = (line.origin.role, line.op) if line.origin.step else None
        self._write_over_rows()
        for i, line in enumerate(self.order):
            home = self.home(line)
            if home is not None and home.first < 0:
                home.first = i
        free: dict[Any, list[Buffer]] = {}
        taken: set[Root] = set()
        usually: dict[Any, Buffer] = {}
        last = len(self.order)  # the line at which the walk is

        def take(root: Root, wanted: Buffer | None = None) -> None:
            if root in taken or root.output:
                return
            taken.add(root)
            buffers = free.setdefault(root.key, [])
            usual = usually.get(root.like)
            if usual in buffers:
                wanted = usual
            if wanted is not None and wanted in buffers:
                buffers.remove(wanted)
                root.buffer = wanted
            elif buffers:
                root.buffer = buffers.pop()
            else:
                root.buffer = Buffer(*root.key, last)
                self.buffers.append(root.buffer)
            if root.like is not None:
                usually[root.like] = root.buffer

        for root in {home: None for line in self.lines.results if (home := self.home(line)) is not None}:
            take(root)
        for i in range(len(self.order) - 1, -1, -1):
            line, last = self.order[i], i
            if line.op.kind not in (INTO, TILES, FRESH):
                continue
            home = self.home(line) if line.op.kind != FRESH else None
            if home is not None:
                take(home)
            under = [] if home is None else [x for x in self._may_be_overwritten(line) if self.root[x] not in taken]
            alike = [x for x in under if x.shape == line.shape]
            if home is not None and alike and (home.output or (home.members is not None and home.before is None)):
                operand = alike[0]  # it lies where the value will lie, inside a larger array that is there anyway
                under.remove(operand)
                home.first = min(home.first, self.root.pop(operand).first)
                self.over[operand] = self.over.get(line, line)
                self.example[operand] = self.example[line]
            later = list(dict.fromkeys([self.root[operand] for operand in under]))
            for operand in line.operands:
                read = self.home(operand)
                if read is not None and read not in later:
                    take(read)
            if home is not None and home.first == i and home.buffer is not None:
                free[home.key].append(home.buffer)
            for root in later:
                take(root, home.buffer if home is not None else None)
        for root in taken:
            if root.buffer is not None:
                root.buffer.first = min(root.buffer.first, root.first)

    def _write_over_rows(self) -> None:
        """Let a series lie where an array lay, if each of its rows is the last to read one row of that, and reads no other."""
        readers, index = readers_of(self.order), {line: i for i, line in enumerate(self.order)}
        for root in dict.fromkeys([root for root, _ in self.place.values()]):
            members = root.members or []
            if not all(line.op.entrywise for line in members):
                continue
            for whole in dict.fromkeys([x.operands[0] for x in members[0].operands if x.op.kind == VIEW]):
                mine = self.root.get(whole)
                free = mine is not None and not mine.output and mine.members is None
                like = whole.dtype == root.dtype and whole.shape[1:] == root.shape[1:]
                if free and like and self._are_last(members, whole, readers, index):
                    self.root[whole], root.before, root.shape = root, whole, whole.shape
                    break

    def _are_last(
        self, members: Sequence[Line], whole: Line, readers: dict[Line, list[Line]], index: dict[Line, int]
    ) -> bool:
        """Whether row i is last read by member i, entry by entry, and nothing else is read once the first member is there."""
        first, rows = min(index[line] for line in members), set()
        for member in members:
            mine = [x for x in member.operands if x.operands[:1] == (whole,)]
            number = self.place[member][1]
            if len(set(mine)) != 1 or row_of(mine[0]) != number or mine[0] in self.is_output:
                return False
            if any(index[reader] > index[member] or is_view(reader) for reader in readers[mine[0]]):
                return False
            rows.add(mine[0])
        others = [
            reader
            for reader in readers[whole]
            if reader not in rows and not _is_row_from(reader, self.place[members[-1]][1])
        ]
        return all(index[reader] < first and not is_view(reader) for reader in others)

    def _may_be_overwritten(self, line: Line) -> list[Line]:
        """The operands (or what they show in another shape) in whose memory the line could write, if nobody reads later."""
        if not line.op.entrywise:
            return []
        contiguous = self.example[line].flags.c_contiguous
        return [
            whole
            for whole in dict.fromkeys([plain(x) for x in line.operands if x.shape == line.shape])
            if whole in self.root
            and not self.root[whole].output
            and contiguous  # in a part of a larger array whole calculations would be slower
            and whole.dtype == line.dtype
        ]


def _is_row_from(line: Line, last: Any) -> bool:
    """Whether it is a row of an array behind this one."""
    row = row_of(line)
    return row is not None and row > last


def is_view(line: Line) -> bool:
    """Whether it only looks at its operand's memory, or may."""
    return line.op.kind in (VIEW, RESHAPE)


def plain(line: Line) -> Line:
    """The line whose entries these are in another shape."""
    while line.op.kind == RESHAPE and line.array is None:
        line = line.operands[0]
    return line


def _reshapes(array: Any, shape: tuple[int, ...]) -> bool:
    try:
        np.reshape(array, shape, copy=False)
    except ValueError:
        return False
    return True
