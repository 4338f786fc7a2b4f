"""Write states in place: the last line of a new value writes into the state's own array.

    multiply(number_0_9, m, out=m)      # m = 0.9 m + g: the old m is read by nobody else
    add(m, g, out=m)                    # for add(scaled, g, out=new), and copyto(m, new) at the end

All that may raise an error runs before the first such line, so a call that fails leaves all states as they were, as it does where
new values are copied at the end. (NumPy's warnings of overflow and the like, turned into errors, may still come between two.)
A state is copied as before where its old value is read after the new one, or where another parameter shares its memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from minigrad.compiler.ir import RESHAPE, TILES, VIEW
from minigrad.compiler.lines import Line, Lines, before, readers_of, sorted_lines
from minigrad.node import Array


def placed(lines: Lines, order: Sequence[Line], taken: Collection[Line]) -> tuple[list[Line], dict[Line, Line]]:
    """Choose the new values that are written into their states, and what is on the way to them; and order the lines so that
    they come last.

    taken: lines whose memory is decided already. Gives the order, and for each chosen line its state.
    """
    search = _Search(lines, order)
    for state, value in lines.updates:
        if value not in taken and search.consider(state, value):
            search.go_back(state, value, taken)
    return search.order(), search.states


class _Search:
    """The lines chosen so far.

    states:  of each, whose new value it is, or is made into
    waits:   the lines that read the old value, which come before it
    """

    def __init__(self, lines: Lines, order: Sequence[Line]) -> None:
        self.results = set(lines.results)
        self.lines = order
        self.readers = readers_of(order)
        self.leaves = [line for line in order if line.node is not None]
        self.states: dict[Line, Line] = {}
        self.waits: dict[Line, list[Line]] = {}
        self.followers: dict[Line, list[Line]] = {}  # of a line that reads an old value: the new values

    def consider(self, state: Line, value: Line) -> bool:
        """Choose a line that is to be written into a state, if nothing speaks against it."""
        array = state.node._value
        if not value.op.entrywise or value.array is not None or not array.flags.c_contiguous or self._is_shared(state):
            return False
        views = self._views(state)
        if not (views - {state}).isdisjoint(value.operands):
            return False
        later = self._depending([value])
        readers = {reader for view in views for reader in self.readers.get(view, ()) if reader not in views} - {value}
        if not readers.isdisjoint(later) or not all(map(cannot_fail, later)):
            return False
        self.states[value] = state
        self.waits[value] = list(readers)
        for reader in readers:
            self.followers.setdefault(reader, []).append(value)
        return True

    def go_back(self, state: Line, value: Line, taken: Collection[Line]) -> None:
        """Choose too what a new value alone is computed from, as far back as that is computed from the old value."""
        like = state.shape, state.dtype
        while state not in value.operands:
            found = [
                x
                for x in dict.fromkeys(value.operands)
                if state in x.operands
                and (x.shape, x.dtype) == like
                and self.readers[x] == [value]
                and x not in self.results
                and x not in taken
            ]
            if len(found) != 1 or not self.consider(state, value := found[0]):
                return

    def order(self) -> list[Line]:
        """All lines: first what no chosen one has to come before, but for what only later ones need and cannot fail."""
        late = self._depending(self.states)
        for line in reversed(self.lines):
            readers = self.readers.get(line)
            if (
                readers
                and late.issuperset(readers)
                and line.op.entrywise
                and cannot_fail(line)
                and line not in self.results
            ):
                late.add(line)
        needs = {line: [x for x in (*before(line), *self.waits.get(line, ())) if x in late] for line in late}
        return [*[line for line in self.lines if line not in late], *sorted_lines(late, needs.__getitem__)]

    def _is_shared(self, state: Line) -> bool:
        """Whether another parameter that is read has memory in common with the state."""
        array = state.node._value
        return any(np.may_share_memory(array, leaf.node._value) for leaf in self.leaves if leaf.node is not state.node)

    def _views(self, state: Line) -> set[Line]:
        """The state, and what looks at its memory."""
        found, waiting = {state}, [state]
        while waiting:
            views = [x for x in self.readers.get(waiting.pop(), ()) if x.op.kind in (VIEW, RESHAPE) and x not in found]
            found.update(views)
            waiting += views
        return found

    def _depending(self, lines: Iterable[Line]) -> set[Line]:
        """The lines, and all that come after them: their readers, and new values of states that one of these reads."""
        found, waiting = set(lines), list(lines)
        while waiting:
            line = waiting.pop()
            for after in (*self.readers.get(line, ()), *self.followers.get(line, ())):
                if after not in found:
                    found.add(after)
                    waiting.append(after)
        return found


def cannot_fail(line: Line) -> bool:
    """Whether a line may come after the first state is written. (Powers of integers may raise.)"""
    return (line.op.entrywise and line.dtype.kind in "fb") or line.op.kind in (VIEW, RESHAPE, TILES)


def apart(arrays: Sequence[Array], states: Sequence[Any]) -> list[Array]:
    """The arguments of a call, those as copies that lie where a state will be written."""
    return [array.copy() if any(_meets(array, state._value) for state in states) else array for array in arrays]


def _meets(array: Array, state: Array) -> bool:
    """Whether an argument may lie in a state's memory. One with memory of its own does only if the state is a view of it."""
    return array is state.base if array.base is None else np.may_share_memory(array, state)
