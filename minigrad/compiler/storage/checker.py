"""Check a storage plan: replay the program on memory that knows whose entry lies where, and fail on the first wrong read or write.

Every entry of every value has a number of its own. Memory is one long row of such numbers; where a line lies is an array of
positions in that row, in the line's own shape, so that parts, rows, transposes and reshapes are exact. A read compares the numbers
it finds with those of the value it wants; a write puts numbers down. Nothing is computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np

from minigrad.compiler.ir import FRESH, INTO, LEAF, RESHAPE, TILES, VIEW
from minigrad.compiler.lines import Line, places_of
from minigrad.compiler.storage.in_place import cannot_fail
from minigrad.compiler.storage.memory import Memory, Root, plain
from minigrad.node import Array

NOTHING = -1  # the number of memory that nobody has written


class StorageError(AssertionError):
    """A program whose lines read or write the wrong memory."""


class Together(NamedTuple):
    """Entrywise lines of one shape that a loop computes entry by entry, or block by block.

    total:   the sum over all entries of a member, written after the last entry; or None
    buffers: of each member that has no memory of its own: the member whose buffer it is written into
    """

    members: Sequence[Line]
    total: Line | None
    buffers: Mapping[Line, Line]


class Stretch(NamedTuple):
    """A stretch of the row of all memory: its name, its positions, and the bytes of an entry."""

    name: str
    start: int
    stop: int
    itemsize: int


class Hole(NamedTuple):
    """What rounds write which are left out: it is there when its neighbors are."""

    where: Array
    value: Array
    waits: set[Line]


def check(memory: Memory, items: Sequence[Line | Together]) -> Replay:
    """Replay a program in the order in which it is written; StorageError where a line finds another value than it should."""
    replay = Replay(memory, items)
    replay.run()
    return replay


class Replay:
    """The memory of a program while it runs.

    where:   the positions of each line's entries
    value:   the numbers of each line's entries
    content: the number that lies at each position
    """

    def __init__(self, memory: Memory, items: Sequence[Line | Together]) -> None:
        self.memory = memory
        self.items = items
        self.stretches: list[Stretch] = []
        self.known: dict[Any, Array] = {}  # the positions of arenas and of outputs' memory
        self.where: dict[Line, Array] = {}
        self.value: dict[Line, Array] = {}
        self.gaps: dict[Root, Array] = {}  # the numbers of rows whose rounds are left out
        self.holes: dict[Line, list[Hole]] = {}  # by their neighbors
        self.owners: list[Line] = []  # by the numbers they begin with
        self.starts: list[int] = []
        self.size = self.numbers = 0
        self.states = [state for state, _ in memory.lines.updates]
        for line in [*memory.order, *self.states]:
            self._lie(line)
            self._number(line)
        self._lend_buffers()
        self.content = np.full(self.size, NOTHING)
        self.changed: Line | None = None  # the latest line that was written into a state
        self.given = np.zeros(self.size, bool)  # what belongs to callers: arguments, parameters, constants
        self.entry = np.full(self.size, NOTHING)  # of what is written at the moment, which entry it is
        for line in [*memory.order, *self.states]:
            if line.array is not None or line.op.kind == LEAF:
                self.content[self.where[line]] = self.value[line]
                self.given[self.where[line]] = True

    # Where values lie --------------------------------------------------------------------------------------------------

    def _allot(self, name: str, like: Any, size: int | None = None) -> Array:
        """New memory for so many entries of a dtype."""
        start = self.size
        self.size += like.size if size is None else size
        self.stretches.append(Stretch(name, start, self.size, like.dtype.itemsize))
        return np.arange(start, self.size)

    def _lie(self, line: Line) -> None:
        chain = [line]
        while chain[-1] not in self.where and (whole := self.memory.whole(chain[-1])) is not None:
            chain.append(whole)
        for part in reversed(chain):
            if part not in self.where:
                positions = self._found(part)
                if positions.shape != part.shape:
                    raise StorageError(f"{part} has memory of shape {positions.shape}")
                self.where[part] = positions

    def _found(self, line: Line) -> Array:
        """The positions of a line; those of what it lies in are known."""
        memory = self.memory
        if line.array is not None or line.op.kind in (LEAF, FRESH):
            return self._allot(f"the memory of {line}", line).reshape(line.shape)
        if line.op.kind in (VIEW, RESHAPE):
            whole = self.where[line.operands[0]]
            if line.op.kind == RESHAPE and memory.home(line) is not None:
                try:
                    return np.reshape(whole, line.shape, copy=False)
                except ValueError as error:
                    raise StorageError(f"{line} would be a copy, made before its operand is there") from error
            return np.asarray(line.op.apply([whole], memory.lines.page.names))
        if line in memory.over:
            return self.where[memory.over[line]]
        if line in memory.slot:
            other, index = memory.slot[line]
            return np.asarray(self.where[other][index if ... in index else (*index, ...)])
        if line in memory.place:
            root, at = memory.place[line]
            return np.asarray(self._root(root)[at, ...])
        if line in memory.root:
            return self._root(memory.root[line])
        raise StorageError(f"{line} has no memory")

    def _root(self, root: Root) -> Array:
        if root.output:
            if root not in self.known:
                self.known[root] = self._allot(f"the memory of an output {root.shape}", root, root.key[1])
            return self.known[root].reshape(root.shape)
        buffer = root.buffer
        if buffer is None or buffer.arena is None:
            raise StorageError(f"memory of shape {root.shape} was never taken")
        arena = buffer.arena
        if arena not in self.known:
            self.known[arena] = self._allot(f"arena {len(self.known)}", arena)
        inside = 0 <= buffer.start <= buffer.stop <= arena.size
        if not inside or (root.dtype, root.key[1]) != (arena.dtype, buffer.size):
            raise StorageError(f"{root.key[1]} entries of {root.dtype} do not fit into {buffer.start}:{buffer.stop}")
        return self.known[arena][buffer.start : buffer.stop].reshape(root.shape)

    def _lend_buffers(self) -> None:
        """Move members that need no memory of their own to buffers; other lines may lie in the place they leave."""
        buffers: dict[Line, Array] = {}
        for item in self.items:
            for line, first in () if isinstance(item, Line) else item.buffers.items():
                if first not in buffers:
                    buffers[first] = self._allot(f"the buffer of {first}", first).reshape(first.shape)
                self.where[line] = buffers[first]

    # What lies there -----------------------------------------------------------------------------------------------------

    def _number(self, line: Line) -> None:
        """Number the entries of a value: those of a view are its operand's, those of a whole are its parts'."""
        if line in self.value:
            return
        if line.array is None and line.op.kind in (VIEW, RESHAPE):
            self.value[line] = np.asarray(line.op.apply([self.value[line.operands[0]]], self.memory.lines.page.names))
            return
        if line.array is None and line.op.kind == TILES:
            joined = np.full(line.shape, NOTHING)
            for part, index in zip(line.operands, places_of(line), strict=True):
                joined[index] = self.value[part]
            missing = joined == NOTHING
            if missing.any():
                joined[missing] = self._left_out(line, missing)[missing]
            self.value[line] = joined
            return
        self.value[line] = self._new_numbers(line, line.shape)

    def _new_numbers(self, owner: Line, shape: tuple[int, ...]) -> Array:
        self.owners.append(owner)
        self.starts.append(self.numbers)
        self.numbers += prod(shape)
        return np.arange(self.starts[-1], self.numbers).reshape(shape)

    def _left_out(self, stack: Line, missing: Array) -> Array:
        """Number what rounds of a loop write which are left out: the rows between their neighbors, or other parts of a whole."""
        if not self.memory.lines.page.gaps:
            raise StorageError(f"{stack} is not the whole of its parts")
        if stack not in self.memory.place:
            numbers = self._new_numbers(stack, stack.shape)
            waits = {line for part in stack.operands for line in _written(part)}
            self._wait(Hole(self.where[stack][missing], numbers[missing], waits))
            return numbers
        root, at = self.memory.place[stack]
        members = root.members or []
        if root not in self.gaps:
            self.gaps[root] = self._new_numbers(stack, root.shape)
            for one, two in pairwise(members):
                rows = slice(self._row(one) + 1, self._row(two))
                self._wait(Hole(self._root(root)[rows], self.gaps[root][rows], {*_written(one), *_written(two)}))
        return np.asarray(self.gaps[root][at])

    def _wait(self, hole: Hole) -> None:
        for line in hole.waits:
            self.holes.setdefault(line, []).append(hole)

    def _row(self, member: Line) -> int:
        row = self.memory.place[member][1]
        assert isinstance(row, int)
        return row

    def _owner(self, number: int) -> str:
        if number == NOTHING:
            return "nothing"
        return repr(self.owners[int(np.searchsorted(self.starts, number, "right")) - 1])

    def _bytes(self, position: int) -> str:
        stretch = next(stretch for stretch in self.stretches if stretch.start <= position < stretch.stop)
        first = (position - stretch.start) * stretch.itemsize
        return f"bytes {first}:{first + stretch.itemsize} of {stretch.name}"

    def read(self, line: Line, reader: str) -> None:
        """Find the value of a line in its memory."""
        where, value = self.where[line], self.value[line]
        wrong = self.content[where] != value
        if wrong.any():
            at = np.flatnonzero(wrong)[0]
            position = int(where.flat[at])
            holder = self._owner(int(self.content[position]))
            raise StorageError(f"{reader} reads {line}, but {self._bytes(position)} hold {holder}")

    def write(self, line: Line) -> None:
        """Put the value of a line into its memory."""
        where, state = self.where[line], self.memory.states.get(line)
        if state is not None:
            self.changed = line
        elif self.given[where].any():
            position = int(where[self.given[where]].flat[0])
            raise StorageError(f"{line} is written over {self._owner(int(self.content[position]))}, which is not ours")
        elif self.changed is not None and not cannot_fail(line):
            raise StorageError(f"{line} may fail when {self.changed} has changed a state already")
        self.content[where] = self.value[line]
        for hole in self.holes.get(line, ()):
            hole.waits.discard(line)
            if not hole.waits:
                self.content[hole.where] = hole.value

    # The program ---------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Every line in its turn, then the updates of states, then what is returned."""
        for item in self.items:
            if not isinstance(item, Line):
                self._compute_together(item)
            elif item.array is None and item.op.kind in (INTO, FRESH):
                self._compute(item)
        updates = self.memory.lines.updates
        for state, value in updates:
            if self.memory.states.get(value) is not state:
                self.read(value, f"the update of {state}")
                self.content[self.where[state]] = self.value[value]
        for state, value in updates:
            if not np.array_equal(self.content[self.where[state]], self.value[value]):
                raise StorageError(f"{state} does not hold its new value {value} at the end")
        for i, line in enumerate(self.memory.lines.outputs):
            self.read(line, f"output {i}")
        self._keep_outputs_apart()

    def _compute(self, line: Line) -> None:
        for x in line.operands:
            self.read(x, repr(line))
        if line.op.kind == INTO and not line.op.entrywise:  # of one call NumPy does that itself: x + x.T
            self._keep_entries_apart([line], [line])
        self.write(line)

    def _compute_together(self, item: Together) -> None:
        """For each entry one member after the other: no entry may touch what another one reads or writes."""
        for member in item.members:
            for x in member.operands:
                self.read(x, repr(member))
            self.write(member)
        self._keep_entries_apart(item.members, item.members)
        if item.total is not None:
            self.write(item.total)  # its operand was summed block by block, as it was computed

    def _keep_entries_apart(self, written: Sequence[Line], readers: Sequence[Line]) -> None:
        """No entry is written where another entry is read or written; without regard to entries, nowhere where one is read."""
        entries = {line: np.arange(line.size).reshape(line.shape) for line in written}
        for line in written:
            self.entry[self.where[line]] = entries[line]
        for line in written:
            self._keep(line, line, self.entry[self.where[line]] == entries[line])
        for line in readers:
            for x in line.operands:
                found = self.entry[self.where[x]]
                if line.op.entrywise:
                    found = np.broadcast_to(found, line.shape)
                    self._keep(line, x, (found == NOTHING) | (found == entries[line]))
                else:
                    self._keep(line, x, found == NOTHING)
        for line in written:
            self.entry[self.where[line]] = NOTHING

    def _keep(self, line: Line, x: Line, right: Array) -> None:
        if not right.all():
            raise StorageError(f"{line} is written over {x} while other entries of it are still to be computed")

    def _keep_outputs_apart(self) -> None:
        """Two outputs that are returned where they lie have no memory in common."""
        roots = self.memory.root
        kept = [line for line in dict.fromkeys(map(plain, self.memory.lines.outputs)) if line in roots]
        positions = [self.where[line].ravel() for line in kept if roots[line].output]
        for one, two in pairwise(sorted([(int(p.min()), int(p.max())) for p in positions if p.size])):
            if two[0] <= one[1]:
                raise StorageError(f"outputs share {self._bytes(two[0])}")


def _written(line: Line) -> list[Line]:
    """The lines that write a value: itself, or the parts of which it is the whole."""
    if line.op.kind != TILES:
        return [line]
    return [x for part in line.operands for x in _written(part)]
