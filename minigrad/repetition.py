"""Rounds in a sequence of operations: a loop written by hand gives the same operations again and again.

They are found by what operations are and what they read, never by a name or a scope. Every reference of every round is
compared, so what is found is a loop by construction. The comparisons grow linearly with the number of operations, since a run
that was followed once is not followed again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np

from minigrad.node import Node, Parameter
from minigrad.ops.base import Operation

FEWEST = 3  # rounds that make a loop
NEXT = 16  # places of the same operation at which a second round is looked for
NEVER = 1 << 62

T = TypeVar("T")
Place = tuple[object, int]  # of a node in a loop: the loop, and the number of the step


class Rounds(NamedTuple):
    """So many rounds of so many operations each (`period`), from a place in a sequence on."""

    start: int
    period: int
    times: int

    @property
    def end(self) -> int:
        """The place behind the last round."""
        return self.start + self.period * self.times

    def parts(self, sequence: Sequence[T]) -> list[Sequence[T]]:
        """The rounds, cut out of a sequence."""
        return [sequence[i : i + self.period] for i in range(self.start, self.end, self.period)]


class Repetition:
    """Operations in the order of birth, and the rounds among them.

    words: of each operation what it is, as a number: equal for equal ones
    reads: of each operation the places of its children; negative for what is not in the sequence
    fixed: what has to be the same in all rounds: weights. Layers with weights of their own are no steps of a loop
    carried: whether only rounds count that carry a value on
    """

    def __init__(
        self,
        operations: Sequence[Node],
        nodes: Sequence[Node],
        places: Mapping[Node, Place],
        *,
        carried: bool,
    ) -> None:
        self.places = places
        self.carried = carried
        self.operations = operations
        index = {node: i for i, node in enumerate(operations)}
        self.outside: list[Node] = []
        for node in operations:
            for child in node.children:
                if child not in index:
                    self.outside.append(child)
                    index[child] = -len(self.outside)
        known: dict[Any, int] = {}
        self.words = [known.setdefault(kind_of(node), len(known)) for node in operations]
        self.reads = [tuple([index[child] for child in node.children]) for node in operations]
        weights = _of_weights(nodes)
        self.fixed = {place for node, place in index.items() if node in weights and node not in places}
        self._again: list[int] = [len(operations)] * len(operations)  # the next place of the same word
        latest: dict[int, int] = {}
        for i in reversed(range(len(operations))):
            self._again[i] = latest.get(self.words[i], len(operations))
            latest[self.words[i]] = i
        # By period: the end of the last run, with the start from which on it may go on; the end of the last that is no loop.
        self._runs: dict[int, tuple[int, int]] = {}
        self._dismissed: dict[int, int] = {}

    def found(self) -> list[Rounds]:
        """The loops in order, none overlapping."""
        found: list[Rounds] = []
        i = 0
        while i < len(self.words):
            best = self._best(range(i, i + 1))
            if best is None:
                i += 1
                continue
            # A loop around it may begin later and reaches further.
            best = self._best(range(i, i + best.period + 1)) or best
            longer = self._with_round_before(best)
            inside = [loop for loop in found if loop.end > longer.start]  # a loop within the first round, found before
            if sum([loop.end - loop.start for loop in inside]) < longer.end - longer.start:
                found, best = found[: len(found) - len(inside)], longer
            found.append(best)
            i = best.end
        return found

    def numbers(self, rounds: Rounds) -> Sequence[int]:
        """The numbers of the rounds: those of the steps of another loop that they read one by one, else those of the entries
        of an array that they read, counted from 1, else from 1 on.
        """
        steps = max(self._read_steps(*rounds), key=lambda numbers: numbers[0], default=None)
        return steps or next(self._read_entries(rounds), range(1, rounds.times + 1))

    def _with_round_before(self, loop: Rounds) -> Rounds:
        """The loop and what lies before it of one round more."""
        start, period, end = loop.start, loop.period, self._end_anew(loop.start, loop.period)
        first = start
        while first > max(0, start - period) and self._agrees(first - 1 + period, period, first - 1) == 0:
            first -= 1
        return self._turned(first, period, end) or loop

    def _best(self, starts: range) -> Rounds | None:
        """The candidate that covers the most, and of these the one of the most rounds."""
        found = [candidate for i in starts for candidate in self._candidates(i)]
        return max(found, key=lambda loop: (loop.end - loop.start, loop.times), default=None)

    def _candidates(self, i: int) -> Iterator[Rounds]:
        """The loops whose first operation or a later one of the first round is i."""
        j = i
        covered: list[tuple[int, int]] = []
        for _ in range(NEXT):
            j = self._again[j] if j < len(self.words) else j
            period = j - i
            if i + FEWEST * period > len(self.words):
                return
            if self.words[j + period] != self.words[i]:
                continue
            if any(period % other == 0 and i + FEWEST * period <= end for other, end in covered):
                continue
            end = self._end(i, period)
            if end - i >= FEWEST * period:
                covered.append((period, end))
                found = self._turned(i, period, end) if self._dismissed.get(period) != end else None
                if found is None:
                    self._dismissed[period] = end
                else:
                    yield found
                if period == 1 and end - i >= FEWEST * NEXT:
                    return  # one operation again and again: all further places are rounds of this run

    def _end(self, start: int, period: int) -> int:
        """Where the rounds from `start` on cease to be alike.

        What was found for an earlier start holds for a later one, until what stood in the way lies before the start.
        """
        end, heals = self._runs.get(period, (0, 0))
        x = max(end, start + period)
        if x > end or start >= heals:
            while x < len(self.words):
                heals = self._agrees(x, period, start)
                if heals:
                    break
                x += 1
        self._runs[period] = x, heals or NEVER
        return x

    def _end_anew(self, start: int, period: int) -> int:
        """The same, every reference looked at from this start."""
        self._runs.pop(period, None)
        return self._end(start, period)

    def _agrees(self, x: int, period: int, start: int) -> int:
        """0 if operation x does what the one a period before does, else the start from which on it might."""
        y = x - period
        if self.words[x] != self.words[y]:
            return NEVER
        for now, before in zip(self.reads[x], self.reads[y], strict=True):
            if now == before and now < start:
                continue  # all rounds read the same
            if now - before == period and before >= start:
                continue  # of this round or of an earlier one
            if before < start <= now < start + period:
                continue  # the first rounds read what was there before instead of an earlier round
            if now in self.fixed or before in self.fixed:
                return NEVER
            if now >= start or before >= start:
                return max(now, before) + 1
        return 0

    def _turned(self, i: int, period: int, end: int) -> Rounds | None:
        """As many rounds as there are, cut where the fewest values are carried on; None if that is no loop."""
        carried, reads = [0] * (period + 1), [0] * (period + 1)
        furthest: dict[int, int] = {}
        for x in range(end - period, end):
            for child in self.reads[x]:
                if child >= i:  # made in a round
                    place = (child - i) % period
                    furthest[place] = max(furthest.get(place, 0), x - child)
                    _count(reads, place, x - child, period)
        for place, distance in furthest.items():
            _count(carried, place, distance, period)
        _add_up(carried)
        _add_up(reads)
        turn = min(range(period), key=lambda r: (-((end - i - r) // period), carried[r], reads[r], -r))
        start = i + turn
        rounds = Rounds(start, period, (end - start) // period)
        if rounds.times < FEWEST or not self._is_loop(rounds, carries=bool(carried[turn])):
            return None
        times = (min(end, self._end_anew(start, period)) - start) // period
        return rounds._replace(times=times) if times >= FEWEST else None

    def _is_loop(self, rounds: Rounds, *, carries: bool) -> bool:
        """Whether rounds carry a value, and do more than apply one function, or else read the steps of a loop one by one."""
        if carries:
            return rounds.period > 1 or any(child < rounds.start for child in self.reads[rounds.start + 1])
        return not self.carried and any(True for _ in self._read_steps(*rounds))

    def _read_steps(self, start: int, period: int, times: int) -> Iterator[list[int]]:
        """The numbers of the steps that the rounds read one by one, for every operation and child that reads such.

        The first and the last round may read something else: the adjoint of a last state comes from the loss.
        """
        for x in range(start, start + period):
            for slot in range(len(self.reads[x])):
                places = self._places_read(x, slot, start, period, times)
                first, last = places[0] is None, times - (places[-1] is None)
                inner = [place for place in places[first:last] if place is not None]
                if len(inner) < max(last - first, min(times, FEWEST)) or len({id(loop) for loop, _ in inner}) > 1:
                    continue
                numbers = [number for _, number in inner]
                if _counts(numbers):
                    way = numbers[1] - numbers[0]
                    yield [numbers[0] - way] * first + numbers + [numbers[-1] + way] * (times - last)

    def _places_read(self, x: int, slot: int, start: int, period: int, times: int) -> list[Place | None]:
        """The places of what an operation reads in each round; None for what was made here or belongs to no step."""
        places: list[Place | None] = []
        for k in range(times):
            child = self.reads[x + k * period][slot]
            read = self.outside[-1 - child] if child < 0 else self.operations[child]
            places.append(self.places.get(read) if child < start else None)
            if places[-1] is None and 0 < k < times - 1:
                return [None] * times
        return places

    def _read_entries(self, rounds: Rounds) -> Iterator[list[int]]:
        """The places of the entries, counted from 1, that the rounds read one by one, for every number in an index."""
        for x in range(rounds.start, rounds.start + rounds.period):
            of_rounds = [self.operations[y].attributes.get("index") for y in range(x, rounds.end, rounds.period)]
            if isinstance(of_rounds[0], tuple):
                for entries in zip(*of_rounds, strict=True):
                    if all(isinstance(entry, int | np.integer) and entry >= 0 for entry in entries) and _counts(
                        entries
                    ):
                        yield [int(entry) + 1 for entry in entries]


def _counts(numbers: Sequence[int]) -> bool:
    """Whether they go up one by one, or down."""
    ways = {later - earlier for earlier, later in pairwise(numbers)}
    return len(ways) < 2 and ways <= {1, -1}


def _count(marks: list[int], place: int, distance: int, period: int) -> None:
    """Note what goes from a place of a round over a distance, at every turn it crosses the border of two rounds: as steps up
    and down, which `_add_up` sums.
    """
    whole, rest = divmod(distance, period)
    marks[0] += whole
    first, last = place + 1, place + rest + 1  # the borders first .. last − 1
    for low, high in ((first, min(last, period)), (max(first, period) - period, last - period)):
        if low < high:
            marks[low] += 1
            marks[high] -= 1


def _add_up(marks: list[int]) -> None:
    for i in range(1, len(marks)):
        marks[i] += marks[i - 1]


def _of_weights(nodes: Sequence[Node]) -> set[Node]:
    """The parameters, and what only moves their entries, given children first: W, W.T, W.reshape(-1)."""
    weights: set[Node] = set()
    for node in nodes:
        moved = isinstance(node, Operation) and node.moves and not weights.isdisjoint(node.children[:1])
        if isinstance(node, Parameter) or moved:
            weights.add(node)
    return weights


def kind_of(node: Node, *, exact: bool = False) -> Any:
    """What an operation is, apart from what it reads: equal for those that do the same.

    exact: whether the numbers in an index count; else they may be those of the rounds
    """
    given = tuple(
        [(name, _form(value, not exact and name in ("index", "places"))) for name, value in node.attributes.items()]
    )
    return type(node), given, node.shape, node.dtype, tuple([(child.shape, child.dtype) for child in node.children])


def _form(value: Any, counts: bool) -> Any:
    """An attribute as something to compare, the numbers left out where they may count the rounds."""
    if isinstance(value, tuple | list):
        return tuple([_form(part, counts) for part in value])
    if isinstance(value, slice):
        return "slice", *[_form(part, counts) for part in (value.start, value.stop, value.step)]
    if counts and isinstance(value, int | np.integer) and not isinstance(value, bool):
        return "number"
    return value if isinstance(value, int | float | str | None) else id(value)
