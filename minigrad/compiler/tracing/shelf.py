"""Decide which graphs of a function are compiled and which programs are kept, by counting calls and nodes.

To make a program costs as much as some 10 to 50 calls of the nodes, so a graph that will not come back is better left to the
nodes. The first graphs of a function are compiled at once, as most functions have few: a batch and the smaller last one, in
one mode; of large graphs the first alone. Any other is compiled when it has come back as often as a program costs: then at
most as much time is lost as the nodes took; or when it has come back at all, and the programs there are have saved that much.
To trace a graph and to compare it costs half as much as a call of the nodes, so arguments are first traced when they come back.
Of many programs the most useful are kept. No clock is read, so that two runs do the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Generic, Protocol, TypeVar

from minigrad.compiler.tracing.comparison import Skeleton
from minigrad.compiler.tracing.guards import Guards
from minigrad.compiler.tracing.tracer import Traced

AT_ONCE = 4  # graphs that are compiled in their first call,
LARGE_GRAPHS = 1500  # if they have no more nodes together (the first may have any number),
SMALL_GRAPHS = 300  # or as many as have so many nodes together
OFTEN = 32  # calls after which any other graph is compiled: what a program costs
LATER = 8  # calls of arguments before they are traced, once nothing is compiled at once
MOST_PROGRAMS = 32  # programs that are kept,
MOST_GRAPH_BYTES = 1 << 29  # and the most that the arrays of their graphs have together
REMEMBERED = 256  # graphs without a program
PER_KEY = 4  # of them, those of the same arguments
AGE = 4096  # calls of the nodes after which counts are halved: what was used long ago does not count for ever
CHANGES = 4  # graphs in a row, each new, after which not every call is traced,
PAUSE = 32  # and the most calls between two traces then


class Seen:
    """Count how often a traced graph came; hold its latest guards and its size."""

    __slots__ = ("calls", "guards", "n_bytes", "n_nodes", "skeleton")

    def __init__(self, traced: Traced, skeleton: Skeleton) -> None:
        self.guards: Guards = traced.guards
        self.skeleton = skeleton
        self.calls = 1
        self.n_nodes = len(traced.nodes)
        self.n_bytes = sum([node._value.nbytes for node in traced.nodes])


class Kept(Protocol):
    """A program, as far as the shelf knows it."""

    seen: Seen


Stored = TypeVar("Stored", bound=Kept)


class Shelf(Generic[Stored]):
    """Keep the programs of a function, and the graphs that have none, by the shapes, dtypes and values of arguments."""

    def __init__(self) -> None:
        self.programs: dict[Any, list[Stored]] = {}
        self.waiting: dict[Any, list[Seen]] = {}
        self.n_at_once = 0
        self.nodes_at_once = 0
        self.n_by_nodes = 0  # calls without a program
        self.n_new: Counter[Any] = Counter()  # graphs in a row that were new, by key
        self.pauses: dict[Any, int] = {}  # calls that are not traced
        self.n_untraced: Counter[Any] = Counter()  # calls of arguments that have not been traced yet

    def program(self, key: Any) -> Stored | None:
        """The program that may run now."""
        for program in self.programs.get(key, ()):
            if program.seen.guards.hold():
                return program
        return None

    def seen(self, key: Any) -> Seen | None:
        """The graph without a program that the nodes would give now."""
        return next((seen for seen in self.waiting.get(key, ()) if seen.guards.hold()), None)

    def note(self, key: Any, traced: Traced) -> tuple[Seen, bool]:
        """A graph that was traced anew, which may have been there under other guards; and whether it has a program."""
        skeleton = Skeleton(traced)
        for seen in [program.seen for program in self.programs.get(key, ())] + self.waiting.get(key, []):
            if seen.skeleton == skeleton:
                seen.guards = traced.guards
                seen.calls += 1
                del self.n_new[key]
                return seen, seen not in self.waiting.get(key, ())
        seen = Seen(traced, skeleton)
        seen.calls += self.n_untraced.pop(key, 0)
        self.waiting.setdefault(key, []).append(seen)
        self._forget(key)
        if len(self.n_new) > AGE:
            self.n_new.clear()
            self.pauses.clear()
        self.n_new[key] += 1
        if self.n_new[key] > CHANGES:
            self.pauses[key] = min(2 ** (self.n_new[key] - CHANGES), PAUSE)
        return seen, False

    def waits(self, key: Any) -> bool:
        """Count a call of arguments that have no graph yet; whether to leave it untraced, as a trace would be of no use so soon."""
        expected = self.nodes_at_once // max(self.n_at_once, 1)
        n_calls = self.n_untraced[key]
        if key in self.programs or key in self.waiting or self._is_at_once(expected) or n_calls >= LATER:
            return False
        if n_calls and self._saved() >= OFTEN * expected:
            return False
        if len(self.n_untraced) > AGE:
            self.n_untraced.clear()
        self.n_untraced[key] += 1
        return True

    def leaves_to_nodes(self, key: Any) -> bool:
        """Whether a call whose graph is not known is left to the nodes alone."""
        return self.waits(key) or self.is_changing(key)

    def is_changing(self, key: Any) -> bool:
        """Whether graphs of these arguments change from call to call, so that to trace this one as well tells nothing."""
        left = self.pauses.get(key, 0)
        if left:
            self.pauses[key] = left - 1
        return left > 0

    def comes_often(self, seen: Seen) -> bool:
        """Count a call of a graph that has no program; whether it is time to make one."""
        seen.calls += 1
        self.n_by_nodes += 1
        if self.n_by_nodes % AGE == 0:
            for one in [*self._waiting(), *[program.seen for program in self._all()]]:
                one.calls = min(one.calls, AGE) // 2
        return self._is_often(seen) or self._is_paid(seen)

    def is_worth_a_program(self, seen: Seen) -> bool:
        """Whether to make a program of a graph that was traced."""
        return self._is_at_once(seen.n_nodes) or self._is_often(seen) or self._is_paid(seen)

    def _is_at_once(self, n_nodes: int) -> bool:
        """Whether a graph of so many nodes is compiled in its first call."""
        together = self.nodes_at_once + n_nodes
        return (
            self.n_at_once == 0 or together <= SMALL_GRAPHS or (self.n_at_once < AT_ONCE and together <= LARGE_GRAPHS)
        )

    def _is_paid(self, seen: Seen) -> bool:
        """Whether it came back, and the programs that are kept have saved what one more costs."""
        return seen.calls > 1 and self._has_room(seen) and self._saved() >= OFTEN * seen.n_nodes

    def _saved(self) -> int:
        """The nodes that the programs that are kept have saved, beyond what they cost."""
        return sum([(one.calls - OFTEN) * one.n_nodes for one in [program.seen for program in self._all()]])

    def _is_often(self, seen: Seen) -> bool:
        """Whether it came as often as a program costs and, where there is no room, twice as often as one that is kept."""
        if seen.calls < OFTEN:
            return False
        return self._has_room(seen) or seen.calls >= 2 * min([program.seen.calls for program in self._all()])

    def put(self, key: Any, program: Stored) -> None:
        """Keep a new program, and drop the least used where there are too many."""
        seen = program.seen
        if seen.calls < OFTEN:
            self.n_at_once += 1
            self.nodes_at_once += seen.n_nodes
        if seen in self.waiting.get(key, ()):
            self.waiting[key].remove(seen)
        while self.programs and not self._has_room(seen):
            least = min(self._all(), key=lambda program: program.seen.calls)
            self.programs = {
                key: kept
                for key, programs in self.programs.items()
                if (kept := [p for p in programs if p is not least])
            }
        self.programs.setdefault(key, []).append(program)

    def _all(self) -> Iterator[Stored]:
        return (program for programs in self.programs.values() for program in programs)

    def _waiting(self) -> list[Seen]:
        return [seen for graphs in self.waiting.values() for seen in graphs]

    def _has_room(self, seen: Seen) -> bool:
        kept = [program.seen.n_bytes for program in self._all()]
        return len(kept) < MOST_PROGRAMS and sum(kept) + seen.n_bytes <= MOST_GRAPH_BYTES

    def _forget(self, key: Any) -> None:
        """Of too many graphs without a program drop the one that came least, but for the latest."""
        *others, latest = self.waiting[key]
        if len(others) == PER_KEY:
            self.waiting[key].remove(min(others, key=lambda seen: seen.calls))
        elif len(waiting := self._waiting()) > REMEMBERED:
            least = min([seen for seen in waiting if seen is not latest], key=lambda seen: seen.calls)
            left = {key: [seen for seen in graphs if seen is not least] for key, graphs in self.waiting.items()}
            self.waiting = {key: graphs for key, graphs in left.items() if graphs}
