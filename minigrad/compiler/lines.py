"""Define lines, the instructions of a program: a `Line` applies one operation to the values of earlier lines.

A `Page` makes lines, eliminates common subexpressions (equal operations on equal operands are one line), and folds constants.
`Lines` is a whole program before it is printed. Functions here sort lines, find their readers, and rebuild programs: a pass
only says which line takes the place of which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import count, pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np

from minigrad.compiler.indices import column_range
from minigrad.compiler.ir import COPY, INTO, Index, Join, Leaf, Op
from minigrad.compiler.tracing.comparison import ByIdentity
from minigrad.node import Array


class Origin(NamedTuple):
    """Tell where a line comes from: its scope and name in the program, and its role, which its counterparts in other steps share.

    name: the user's, or that of the operation; "" within an operation
    role: the same for lines that do the same in different time steps
    loop: the number of the loop it is in; -1 for none
    step: the number of the time step; () outside of loops
    node: the number of the node whose value it is; -1 within an operation
    of:   of an adjoint: the number of the node whose adjoint it is, a word for it, and whether the word is the user's
    leap: of a line that adds one of many terms: how many terms before that one are left out, being those of rounds that are;
          −1 for a line that reads another round than its node does, since its node's is left out
    """

    scope: str = ""
    adjoint: bool = False
    name: str = ""
    role: Any = None
    loop: int = -1
    step: tuple[int, ...] = ()
    of: tuple[int, str, bool] | None = None
    node: int = -1
    leap: int = 0

    def within(self) -> Origin:
        """The same for a line that is on the way to the value, and not the value."""
        return self._replace(name="", of=None, node=-1)


next_serial = count().__next__


class Line:
    """One operation and its operands.

    number: of several lines that could come next, the one with the smallest does
    array:  the value of a constant;  node: what a leaf reads;  after: a line that must come before
    """

    __slots__ = ("after", "array", "dtype", "node", "number", "op", "operands", "origin", "serial", "shape")

    def __init__(
        self,
        op: Op,
        operands: tuple[Line, ...],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        number: int,
        origin: Origin,
    ) -> None:
        self.op = op
        self.operands = operands
        self.shape = shape
        self.dtype = dtype
        self.number = number
        self.serial = next_serial()
        self.origin = origin
        self.array: Array | None = None
        self.node: Any = None
        self.after: Line | None = None

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    @property
    def text(self) -> str:
        """What it does, as it is written, with {0}, {1}, … for its operands."""
        return self.op.written([f"{{{i}}}" for i in range(len(self.operands))])

    def __repr__(self) -> str:
        return f"<{self.text} {self.shape} {self.dtype}>"


NOWHERE = Origin()


class NotContracted(Exception):  # noqa: N818 -- what happened, not what failed
    """Raised where it is not certain what the rounds do that were left out: then the program is made with all of them."""


class Page:
    """Make lines: each common subexpression once, constants folded. `names`: what operations refer to.

    gaps: by the number of a loop the numbers of the steps that were left out, being like those around them
    """

    FOLDED = 1 << 20  # the most entries of a constant that is computed in advance

    def __init__(self, gaps: Mapping[int, range] | None = None) -> None:
        self.names: dict[str, Any] = {}
        self.gaps = gaps or {}
        self._known: dict[Any, Line] = {}
        self._given: list[Array] = []  # kept, so that an id stays that of one array
        self._count = 0

    def leaf(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], node: Any, number: int = -1) -> Line:
        """An argument or a parameter, read at every call. number: that of its node"""
        line = Line(Leaf(name), (), shape, dtype, self._next(), Origin(node=number))
        line.node = node
        return line

    def constant(self, array: Array) -> Line:
        """A value that never changes."""
        key = (array.tobytes(), array.shape, array.dtype.str) if array.size <= 16 else id(array)
        line = self._known.get(key)
        if line is None:
            line = Line(Leaf(""), (), array.shape, array.dtype, self._next(), NOWHERE)
            line.array = array.copy()  # whoever gave it may write to it later
            self._known[key] = line
            self._given.append(array)
        return line

    def write(
        self, op: Op, operands: Sequence[Line], shape: tuple[int, ...], dtype: np.dtype[Any], origin: Origin
    ) -> Line:
        """Make a line for an operation, or return the one that computes it already."""
        operands = tuple(operands)
        if not op.pure:
            return Line(op, operands, shape, dtype, self._next(), origin)
        key = (op, operands, origin.leap)
        line = self._known.get(key)
        if line is not None:
            return line
        line = Line(op, operands, shape, dtype, self._next(), origin)
        if operands and all(operand.array is not None for operand in operands) and line.size <= self.FOLDED:
            array = self.computed(line, [operand.array for operand in operands])
            if origin.leap or array.shape != shape:
                raise NotContracted("a constant that is made of rounds that are left out")
            line = self.constant(array)
        self._known[key] = line
        return line

    def computed(self, line: Line, arrays: Sequence[Any]) -> Array:
        """The value of a line from those of its operands."""
        return np.asarray(line.op.apply(arrays, self.names))

    def like(self, line: Line, operands: Sequence[Line]) -> Line:
        """The same operation on other operands."""
        return self.write(line.op, operands, line.shape, line.dtype, line.origin)

    def distance(self, a: Line, b: Line) -> int:
        """Count the rounds from one line of a role to the next: 1, or more where the rounds between them are left out."""
        gap = self.gaps.get(a.origin.loop) if a.origin.loop == b.origin.loop else None
        if gap is None or {a.origin.step, b.origin.step} != {(gap.start - 1,), (gap.stop,)}:
            return 1
        return 1 + len(gap)

    def _stand_around_a_gap(self, a: Line, b: Line) -> bool:
        gap = self.gaps.get(a.origin.loop) if a.origin.loop == b.origin.loop else None
        steps = sorted([*a.origin.step, *b.origin.step])
        return gap is not None and len(steps) == 2 and steps[0] < gap.start and steps[1] >= gap.stop

    def row_numbers(self, parts: Sequence[Line], n: int | None = None) -> list[int]:
        """Number the rows that lines of one role take in a stack. n: how many it has; else as many as follow from the lines"""
        found = [0]
        for a, b in pairwise(parts):
            found.append(found[-1] + self.distance(a, b))
            if found[-1] == found[-2] + 1 and self._stand_around_a_gap(a, b):
                raise NotContracted(f"lines of the steps {a.origin.step} and {b.origin.step} are neighbors")
        if n is not None and found[-1] + 1 != n:
            raise NotContracted(f"{len(parts)} parts of a stack of {n} rows")
        return found

    def _next(self) -> int:
        self._count += 1
        return self._count


class Lines(NamedTuple):
    """Hold a whole program before storage is planned for it.

    order:   the lines, operands first; all of them are needed
    outputs: the lines whose values it gives
    updates: states that are written at the end, and their new values
    """

    page: Page
    order: list[Line]
    outputs: list[Line]
    updates: list[tuple[Line, Line]]

    @property
    def results(self) -> list[Line]:
        """Everything that has to be computed."""
        return [*self.outputs, *[value for _, value in self.updates]]


def in_order(results: Iterable[Line]) -> list[Line]:
    """Sort all lines the results depend on: operands first, else by age."""
    found = set(results)
    stack = list(found)
    while stack:
        line = stack.pop()
        for operand in before(line):
            if operand not in found:
                found.add(operand)
                stack.append(operand)
    return sorted_lines(found)


def before(line: Line) -> tuple[Line, ...]:
    """List the lines that must be computed before a line."""
    return line.operands if line.after is None else (*line.operands, line.after)


def sorted_lines(lines: Iterable[Line], needs: Callable[[Line], Iterable[Line]] = before) -> list[Line]:
    """Sort lines topologically: operands, or what else each needs, come first; of several that could be next, the oldest."""
    waiting: dict[Line, int] = {}
    parents: dict[Line, list[Line]] = {}
    ready = []
    for line in lines:
        needed = set(needs(line))
        waiting[line] = len(needed)
        for operand in needed:
            parents.setdefault(operand, []).append(line)
        if not needed:
            ready.append((line.number, line.serial, line))
    heapify(ready)
    order = []
    while ready:
        _, _, line = heappop(ready)
        order.append(line)
        for parent in parents.get(line, ()):
            waiting[parent] -= 1
            if not waiting[parent]:
                heappush(ready, (parent.number, parent.serial, parent))
    if len(order) != len(waiting):
        raise AssertionError("a rewrite made a cycle")
    return order


def uses_of(lines: Lines) -> dict[Line, int]:
    """Count the readers of each line."""
    uses: dict[Line, int] = dict.fromkeys(lines.results, 1)
    for line in lines.order:
        for operand in line.operands:
            uses[operand] = uses.get(operand, 0) + 1
    return uses


def places_of(line: Line) -> Sequence[Any]:
    """Give the index of each operand's part, where a line joins its operands; else nothing."""
    return line.op.places if isinstance(line.op, Join) else ()


def joined_columns(line: Line) -> list[tuple[int, int]] | None:
    """Give the range of columns that each operand becomes, where a line joins matrices side by side; None where it does not."""
    if not isinstance(line.op, Join) or len(line.shape) < 2:
        return None
    ranges = [column_range(index, len(line.shape), line.shape[-1]) for index in line.op.places]
    found = [each for each in ranges if each is not None]
    return found if len(found) == len(ranges) else None


def is_entrywise(line: Line) -> bool:
    """Tell whether a line computes its entries one by one, from those of its operands in the same places."""
    return line.op.kind == INTO and line.op.entrywise and line.op.pure and line.array is None


def row_of(line: Line) -> int | None:
    """Give the number of the row that a line is of its operand; None where it is something else."""
    return line.op.row if isinstance(line.op, Index) and line.array is None else None


def columns_of(line: Line) -> tuple[int, int] | None:
    """Give the range of columns that a line is of its operand; None where it is something else."""
    if not isinstance(line.op, Index) or line.array is not None:
        return None
    shape = line.operands[0].shape
    if not len(line.shape) == len(shape) == len(line.op.entries):
        return None
    return column_range(line.op.entries, len(shape), shape[-1])


def readers_of(order: Iterable[Line]) -> dict[Line, list[Line]]:
    """List the readers of each line, in program order."""
    readers: dict[Line, list[Line]] = {}
    for line in order:
        for operand in dict.fromkeys(line.operands):
            readers.setdefault(operand, []).append(line)
    return readers


def rebuilt(lines: Lines, change: Callable[[Line, tuple[Line, ...]], Line | None]) -> Lines:
    """Rebuild a program line by line, operands first: `change(line, new operands)` gives a new line, or None to keep the operation."""
    new: dict[Line, Line] = {}
    page = lines.page
    for line in lines.order:
        operands = tuple([new[operand] for operand in line.operands])
        changed = change(line, operands)
        if changed is None:
            changed = line
            if operands != line.operands:
                changed = page.like(line, operands)
            if line.after is not None:
                changed.after = new[line.after]
        new[line] = changed
    if all(old is changed for old, changed in new.items()):
        return lines
    return rewired(lines, new)


def rewired(lines: Lines, new: dict[Line, Line]) -> Lines:
    """Replace the lines of a program by others."""
    outputs = [new[line] for line in lines.outputs]
    updates = [(state, new[value]) for state, value in lines.updates]
    return Lines(lines.page, in_order([*outputs, *[value for _, value in updates]]), outputs, updates)


def cloned(lines: Lines) -> Lines:
    """Copy a program, lines included."""
    new: dict[Line, Line] = {}

    for line in lines.order:
        twin = new[line] = Line(
            line.op, tuple([new[x] for x in line.operands]), line.shape, line.dtype, line.number, line.origin
        )
        twin.array, twin.node, twin.after = line.array, line.node, None if line.after is None else new[line.after]
    updates = [(new.get(state, state), new[value]) for state, value in lines.updates]
    return Lines(lines.page, [new[x] for x in lines.order], [new[x] for x in lines.outputs], updates)


def uniform_number(line: Line) -> Array | None:
    """Give the number, without axes, that all entries of a constant equal to the bit; None where they differ."""
    array = line.array
    if array is None or not array.size or array.tobytes() != array.flat[0].tobytes() * array.size:
        return None
    return array.reshape(-1)[0, ...]


def copy_of(part: Line) -> Line:
    """Make a line that copies another."""
    return Line(COPY, (part,), part.shape, part.dtype, part.number, part.origin)


def static_key(value: Any) -> Any:
    """Make a key for an attribute: equal only for values that are the same in every respect (1, 1.0, −0.0, nan)."""
    if isinstance(value, tuple | list):
        return type(value), tuple([static_key(part) for part in value])
    if isinstance(value, dict):
        return tuple([(name, static_key(part)) for name, part in value.items()])
    if isinstance(value, float | slice):
        return type(value), repr(value)
    if isinstance(value, bool | int | str | np.dtype | type(None) | type(Ellipsis)):
        return type(value), value
    return ByIdentity(value)
