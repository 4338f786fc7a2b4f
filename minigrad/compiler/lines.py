"""Lines: what a program is made of. A line is one call of NumPy on the values of earlier lines; its value is one array.

Lines are made by a `Page`, which writes none twice: a line whose call and operands are known already is that line (common
sub-expressions), and one whose operands are all constant is computed at once. So a rewrite only has to say what it wants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from heapq import heapify, heappop, heappush
from itertools import count
from math import prod
from typing import Any, NamedTuple

import numpy as np

from minigrad.compiler.comparison import ByIdentity
from minigrad.node import Array

# What a call is, as far as memory goes:
INTO = "into"  # it computes into memory it is given: {out}
FRESH = "fresh"  # it brings memory of its own
VIEW = "view"  # it looks at its operand's memory
RESHAPE = "reshape"  # it does if it can, else it copies
TILES = "tiles"  # its operands are the parts of its own memory, at `places`
LEAF = "leaf"  # it is given: an argument, a parameter, a constant


class Call(NamedTuple):
    """How a line is written: `add({0}, {1}{out})`, with operands by number and `{out}` where ", out=x" goes.

    kind:        one of the words above
    entrywise:   it works entry by entry on operands that broadcast, so it may write over an operand
    pure:        equal operands give equal values, and nothing else happens
    places:      of TILES: the index of each operand's part
    """

    kind: str
    text: str
    entrywise: bool = False
    pure: bool = True
    places: tuple[Any, ...] = ()


class Origin(NamedTuple):
    """Where a line comes from: what is said of it in the program, and which lines of other time steps are its like.

    name: the user's, or that of the operation; "" within an operation
    role: the same for lines that do the same in different time steps
    loop: the number of the loop it is in; -1 for none
    step: the number of the time step; () outside of loops
    node: the number of the node whose value it is; -1 within an operation
    of:   of an adjoint: the number of the node whose adjoint it is, a word for it, and whether the word is the user's
    """

    scope: str = ""
    adjoint: bool = False
    name: str = ""
    role: Any = None
    loop: int = -1
    step: tuple[int, ...] = ()
    of: tuple[int, str, bool] | None = None
    node: int = -1

    def within(self) -> Origin:
        """The same for a line that is on the way to the value, and not the value."""
        return self._replace(name="", of=None, node=-1)


next_serial = count().__next__


class Line:
    """One call and its operands.

    number: of several lines that could come next, the one with the smallest does
    array:  the value of a constant;  node: what a leaf reads;  after: a line that must come before
    """

    __slots__ = ("after", "array", "call", "dtype", "node", "number", "operands", "origin", "serial", "shape")

    def __init__(
        self,
        call: Call,
        operands: tuple[Line, ...],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        number: int,
        origin: Origin,
    ) -> None:
        self.call = call
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

    def __repr__(self) -> str:
        return f"<{self.call.text} {self.shape} {self.dtype}>"


NOWHERE = Origin()


class Page:
    """Where lines are written: equal lines once, constants folded. `names` is what the texts refer to."""

    FOLDED = 1 << 20  # the most entries of a constant that is computed in advance

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}
        self._known: dict[Any, Line] = {}
        self._given: list[Array] = []  # kept, so that an id stays that of one array
        self._count = 0

    def leaf(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], node: Any, number: int = -1) -> Line:
        """An argument or a parameter, read at every call. number: that of its node"""
        line = Line(Call(LEAF, name), (), shape, dtype, self._next(), Origin(node=number))
        line.node = node
        return line

    def constant(self, array: Array) -> Line:
        """A value that never changes."""
        key = (array.tobytes(), array.shape, array.dtype.str) if array.size <= 16 else id(array)
        line = self._known.get(key)
        if line is None:
            line = Line(Call(LEAF, ""), (), array.shape, array.dtype, self._next(), NOWHERE)
            line.array = array.copy()  # whoever gave it may write to it later
            self._known[key] = line
            self._given.append(array)
        return line

    def write(
        self, call: Call, operands: Sequence[Line], shape: tuple[int, ...], dtype: np.dtype[Any], origin: Origin
    ) -> Line:
        """The line that makes this call; one that is there already, where it would compute the same."""
        operands = tuple(operands)
        if not call.pure:
            return Line(call, operands, shape, dtype, self._next(), origin)
        key = (call, operands)
        line = self._known.get(key)
        if line is not None:
            return line
        line = Line(call, operands, shape, dtype, self._next(), origin)
        if operands and all(operand.array is not None for operand in operands) and line.size <= self.FOLDED:
            line = self.constant(self.computed(line, [operand.array for operand in operands]))
        self._known[key] = line
        return line

    def computed(self, line: Line, arrays: Sequence[Any]) -> Array:
        """The value of a line from those of its operands."""
        text = line.call.text.format(*[f"_{i}" for i in range(len(arrays))], out="")
        return np.asarray(eval(compiled(text), {**self.names, **{f"_{i}": a for i, a in enumerate(arrays)}}))

    def like(self, line: Line, operands: Sequence[Line]) -> Line:
        """The same call on other operands."""
        return self.write(line.call, operands, line.shape, line.dtype, line.origin)

    def _next(self) -> int:
        self._count += 1
        return self._count


@lru_cache(maxsize=4096)
def compiled(text: str) -> Any:
    """An expression, compiled."""
    return compile(text, "<line>", "eval")


class Lines(NamedTuple):
    """A program before it is written down.

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
    """All lines the results depend on, operands first, else by age."""
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
    """What has to be computed before a line."""
    return line.operands if line.after is None else (*line.operands, line.after)


def sorted_lines(lines: Iterable[Line]) -> list[Line]:
    """Lines such that operands come first; of those that may come next, the oldest does."""
    waiting: dict[Line, int] = {}
    parents: dict[Line, list[Line]] = {}
    ready = []
    for line in lines:
        needs = set(before(line))
        waiting[line] = len(needs)
        for operand in needs:
            parents.setdefault(operand, []).append(line)
        if not needs:
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
    """How many readers each line has."""
    uses: dict[Line, int] = dict.fromkeys(lines.results, 1)
    for line in lines.order:
        for operand in line.operands:
            uses[operand] = uses.get(operand, 0) + 1
    return uses


def readers_of(order: Iterable[Line]) -> dict[Line, list[Line]]:
    """Who reads each line that is read, in their order."""
    readers: dict[Line, list[Line]] = {}
    for line in order:
        for operand in dict.fromkeys(line.operands):
            readers.setdefault(operand, []).append(line)
    return readers


def rebuilt(lines: Lines, change: Callable[[Line, tuple[Line, ...]], Line | None]) -> Lines:
    """The lines written again, operands first: `change(line, new operands)` gives the new line, or None for the like."""
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
    """The program with other lines in the places of its own."""
    outputs = [new[line] for line in lines.outputs]
    updates = [(state, new[value]) for state, value in lines.updates]
    return Lines(lines.page, in_order([*outputs, *[value for _, value in updates]]), outputs, updates)


def cloned(lines: Lines) -> Lines:
    """The same in lines of its own."""
    new: dict[Line, Line] = {}

    for line in lines.order:
        twin = new[line] = Line(
            line.call, tuple([new[x] for x in line.operands]), line.shape, line.dtype, line.number, line.origin
        )
        twin.array, twin.node, twin.after = line.array, line.node, None if line.after is None else new[line.after]
    updates = [(new.get(state, state), new[value]) for state, value in lines.updates]
    return Lines(lines.page, [new[x] for x in lines.order], [new[x] for x in lines.outputs], updates)


def number(line: Line) -> Array | None:
    """The one number, without axes, that all entries of a constant are, to the bit; None where they are not."""
    array = line.array
    if array is None or not array.size or array.tobytes() != array.flat[0].tobytes() * array.size:
        return None
    return array.reshape(-1)[0, ...]


COPY = Call(INTO, "copied({0}{out})", entrywise=True, pure=False)


def copy_of(part: Line) -> Line:
    """A line that copies another."""
    return Line(COPY, (part,), part.shape, part.dtype, part.number, part.origin)


def index_text(entries: Sequence[Any], one: bool = False) -> str:
    """An index as it is written between brackets. one: what it names is one entry, to be seen and not copied: x[3, ...]."""
    if one and ... not in entries:
        entries = (*entries, ...)

    def text(entry: Any) -> str:
        if not isinstance(entry, slice):
            return "..." if entry is Ellipsis else "None" if entry is None else str(int(entry))
        start, stop, step = ("" if part is None else str(int(part)) for part in (entry.start, entry.stop, entry.step))
        return f"{start}:{stop}" + (f":{step}" if step else "")

    return ", ".join(map(text, entries)) + ("," if not entries else "") if entries else "()"


def plain_index(entries: Sequence[Any], shape: tuple[int, ...]) -> tuple[Any, ...]:
    """An index without Ellipsis, in which numbers count from the front and slices say where they begin and end: [..., -2:] of
    (3, 6) as [:, 4:6]. So what names the same part is the same index.
    """
    missing = len(shape) - sum(entry is not None and entry is not Ellipsis for entry in entries)
    found: list[Any] = []
    lengths = iter(shape)
    for entry in entries:
        if entry is Ellipsis:
            found += [slice(None) for _, _ in zip(range(missing), lengths, strict=False)]
        elif entry is None:
            found.append(None)
        elif not isinstance(entry, slice):
            found.append(int(entry) % next(lengths))
        else:
            found.append(_plain_slice(entry, next(lengths)))
    return tuple(found)


def _plain_slice(entry: slice, n: int) -> slice:
    start, stop, step = entry.indices(n)
    if step < 0:  # backward to the first entry has no stop that could be written
        return entry
    if (start, stop, step) == (0, n, 1):
        return slice(None)
    return slice(start, max(start, stop), None if step == 1 else step)


class Places(tuple):  # type: ignore[type-arg]
    """Indices as a key: slices have no hash before Python 3.12."""

    __slots__ = ()

    def __hash__(self) -> int:
        return hash(repr(tuple(self)))


def static_key(value: Any) -> Any:
    """A key for something that does not change: equal only for what is the same in every respect (1, 1.0, −0.0, nan)."""
    if isinstance(value, tuple | list):
        return type(value), tuple([static_key(part) for part in value])
    if isinstance(value, dict):
        return tuple([(name, static_key(part)) for name, part in value.items()])
    if isinstance(value, float | slice):
        return type(value), repr(value)
    if isinstance(value, bool | int | str | np.dtype | type(None) | type(Ellipsis)):
        return type(value), value
    return ByIdentity(value)
