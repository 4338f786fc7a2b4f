"""Find the runs of rounds of a loop that are exact images of each other, one step on.

Every node of a round is compared with its counterpart in the round before: class, attributes, shapes, and what each child is.
Loops that read each other's rounds are aligned to one time, also where they number steps backward or from another start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from minigrad.compiler.lines import static_key
from minigrad.compiler.tracing.tracer import Traced, is_read_in_place
from minigrad.loops import Loop
from minigrad.node import Leaf, Node
from minigrad.ops.base import Operation

MARGIN = 5  # rounds that are images of each other and stay, on either side of a gap
FEWEST_LEFT_OUT = 8  # rounds that a gap leaves out at least
LONG_LOOP = FEWEST_LEFT_OUT + 2 * MARGIN
LAG = 2  # rounds that a loop may read back or ahead in another whose steps are numbered like its own
COUNTING = ("index", "places")  # attributes whose numbers may count the rounds
MOST_COMPARED = 16  # entries of a constant that equals others by its value, as on a `Page`

RoundPlace = tuple[
    int, int, int
]  # of a node: the chain, the number or time of the step, the position among its operations


class Chain:
    """The rounds of a loop, or nodes beside a loop of which each of its rounds reads one.

    steps: the operations of the rounds; first by the step's number, and once chains are aligned by its time
    home:  the number of the loop
    sign, shift: time = sign · number + shift
    alike: the longest run of times whose steps are exact images of each other
    """

    __slots__ = ("alike", "home", "shift", "sign", "steps")

    def __init__(self, steps: dict[int, list[Node]], home: int) -> None:
        self.steps = steps
        self.home = home
        self.sign, self.shift = 1, 0
        self.alike = range(0)

    def middle(self) -> Iterator[tuple[Node, Node]]:
        """Pair the nodes of two neighboring rounds from the inside of a long chain."""
        numbers = list(self.steps)
        if len(numbers) >= LONG_LOOP:
            third = len(numbers) // 3
            yield from zip(self.steps[numbers[third]], self.steps[numbers[third + 1]], strict=False)

    def numbers(self, times: range) -> range:
        """Convert times to the numbers of the steps."""
        if self.sign > 0:
            return range(times.start - self.shift, times.stop - self.shift)
        return range(self.shift - times.stop + 1, self.shift - times.start + 1)


class Rounds:
    """Hold all chains, in the order of the loops, then those beside them; chains that read each other's rounds share one time.

    places: of each node in a chain its place
    fixed:  nodes of a chain that all rounds of another or of the same read alike
    group:  of each chain the first one of those that read each other's rounds
    """

    def __init__(self, traced: Traced, loops: Sequence[Loop]) -> None:
        self.chains: list[Chain] = []
        self.places: dict[Node, RoundPlace] = {}
        self.fixed: set[Node] = set()
        self._start, self._arguments = traced.start, set(traced.inputs.values())
        self._counts: dict[Node, tuple[Any, list[int]]] = {}
        for i, loop in enumerate(loops):
            steps: dict[int, list[Node]] = {
                number: [node for node in loop.steps[number] if isinstance(node, Operation)]
                for number in sorted(loop.steps)
            }
            self._add(steps, i)
        for chain in self.chains:  # which grow while they are gone through
            for beside in self._beside(chain):
                self._add(beside, chain.home)
        self._align()
        self._births = {node.number: place for node, place in self.places.items()}
        for chain in self.chains:
            chain.alike = self._longest(chain.steps)
        self.group = list(range(len(self.chains)))
        for i, chain in enumerate(self.chains):
            self._join(i, chain)

    def members(self, group: int) -> list[int]:
        """List the chains of a group."""
        return [i for i, first in enumerate(self.group) if first == group]

    def moved(self, node: Node, by: int) -> Node | None:
        """Find the image of a node so many rounds later; None where there is none."""
        chain, time, at = self.places.get(node, (-1, 0, 0))
        alike = self.chains[chain].alike if chain >= 0 else range(0)
        return self.chains[chain].steps[time + by][at] if time in alike and time + by in alike else None

    def _add(self, steps: dict[int, list[Node]], home: int) -> None:
        for number, step in steps.items():
            for at, node in enumerate(step):
                self.places[node] = len(self.chains), number, at
        self.chains.append(Chain(steps, home))

    def _beside(self, chain: Chain) -> Iterator[dict[int, list[Node]]]:
        """Find the nodes outside of all chains of which each round reads another one, as rows of an array."""
        for at, (x, y) in enumerate(chain.middle()):
            for slot, (c, d) in enumerate(zip(x.children, y.children, strict=False)):
                if c is d or type(c) is not type(d) or c in self.places or not isinstance(c, Operation):
                    continue
                found: dict[Node, int] = {}
                for number, step in chain.steps.items():
                    read = step[at].children[slot] if at < len(step) and slot < len(step[at].children) else x
                    if type(read) is type(c) and read not in self.places:
                        found.setdefault(read, number)
                yield {number: [node] for node, number in found.items()}

    def _align(self) -> None:
        """Number the rounds of all chains that read each other by the same time, whichever way their steps are numbered."""
        reads: list[list[tuple[int, int, int]]] = [[] for _ in self.chains]  # by loop, there and back
        for i, chain in enumerate(self.chains):
            for j, (sign, shift) in self._numbers_read(i).items():
                there = self.chains[j].home
                reads[chain.home].append((there, sign, shift))
                reads[there].append((chain.home, sign, -sign * shift))
        seen: set[int] = set()
        for first in range(len(self.chains)):
            todo = [] if first in seen else [first]
            seen.update(todo)
            while todo:
                i = todo.pop()
                for j, sign, shift in reads[i]:
                    if j not in seen:
                        seen.add(j)
                        todo.append(j)
                        self.chains[j].sign = self.chains[i].sign * sign
                        self.chains[j].shift = self.chains[i].shift - self.chains[j].sign * shift
        for i, chain in enumerate(self.chains):
            chain.sign, chain.shift = self.chains[chain.home].sign, self.chains[chain.home].shift
            if (chain.sign, chain.shift) != (1, 0):
                steps = {chain.sign * number + chain.shift: step for number, step in chain.steps.items()}
                chain.steps = {time: steps[time] for time in sorted(steps)}
                self.places.update({n: (i, time, at) for time, step in steps.items() for at, n in enumerate(step)})

    def _numbers_read(self, i: int) -> dict[int, tuple[int, int]]:
        """Find the chains whose rounds this one reads: by chain sign and shift, such that round t reads round sign · t + shift."""
        found: dict[int, tuple[int, int]] = {}
        for x, y in self.chains[i].middle():
            number = self.places[x][1]
            for c, d in zip(x.children, y.children, strict=False):
                p, q = self.places.get(c), self.places.get(d)
                if c is d or p is None or q is None or p[0] == i or p[0] != q[0] or abs(q[1] - p[1]) != 1:
                    continue
                sign = q[1] - p[1]
                shift = p[1] - sign * number
                if sign == 1 and abs(shift) <= LAG:
                    found[p[0]] = 1, 0
                found.setdefault(p[0], (sign, shift))
        return found

    def _longest(self, steps: Mapping[int, list[Node]]) -> range:
        """Find the longest run of times in which each step differs from the one before in the same way; empty if it is short."""
        best, start, last = range(0), 0, None
        for before, after in pairwise(steps):
            way = self._difference(steps[before], steps[after]) if after == before + 1 else None
            if way is None or way != last:
                start, last = before, way
            if way is not None and after + 1 - start > len(best):
                best = range(start, after + 1)
        return best if len(best) >= LONG_LOOP else range(0)

    def _difference(self, before: Sequence[Node], after: Sequence[Node]) -> list[int] | None:
        """Compare a step with the one before: how it differs, or None where it is no image of it.

        Of every number that may count, by how much it grows; of every child, 0 if both read the same, 1 if the one reads the
        next image of what the other reads.
        """
        if len(before) != len(after):
            return None
        way: list[int] = []
        for x, y in zip(before, after, strict=True):
            if (
                type(x) is not type(y)
                or x.name != y.name
                or len(x.children) != len(y.children)
                or x._value.shape != y._value.shape
                or x._value.dtype != y._value.dtype
                or not self._belong_alike(x.context.origin, y.context.origin)
            ):
                return None
            if x.attributes or y.attributes:
                steps = growth(self._counting(x), self._counting(y))
                if steps is None:
                    return None
                way += steps
            for c, d in zip(x.children, y.children, strict=True):
                if c is d:
                    way.append(0)
                elif _is_next(self.places.get(c), self.places.get(d)):
                    way.append(1)
                elif self._are_equal(c, d):
                    way.append(0)
                else:
                    return None
        return way if _scopes(before) == _scopes(after) else None

    def _belong_alike(self, origin: int | None, next_origin: int | None) -> bool:
        """Whether two nodes are no adjoints, or adjoints of a node and its next image, or of nodes outside of all chains."""
        if origin is None or next_origin is None:
            return origin is next_origin
        place, after = self._births.get(origin), self._births.get(next_origin)
        return origin == next_origin or (place is None and after is None) or _is_next(place, after)

    def _are_equal(self, x: Node, y: Node) -> bool:
        """Whether two leaves are one constant in a program."""
        for leaf in (x, y):
            if not isinstance(leaf, Leaf) or leaf in self._arguments or is_read_in_place(leaf, self._start):
                return False
        a, b = x._value, y._value
        same = (
            a.size <= MOST_COMPARED and a.shape == b.shape and a.dtype.str == b.dtype.str and a.tobytes() == b.tobytes()
        )
        return same or a is b

    def _counting(self, node: Node) -> tuple[Any, list[int]]:
        """Split the attributes of a node into what does not change and the numbers that may count."""
        found = self._counts.get(node)
        if found is None:
            numbers: list[int] = []
            fixed = [
                (name, form(value, numbers) if name in COUNTING else static_key(value))
                for name, value in node.attributes.items()
            ]
            found = self._counts[node] = fixed, numbers
        return found

    def _join(self, i: int, chain: Chain) -> None:
        """Join the group of a chain with those of the chains that its rounds read one by one; note what they all read."""
        if not chain.alike:
            return
        here, there = (chain.steps[chain.alike[k]] for k in (0, 1))
        for x, y in zip(here, there, strict=True):
            for c, d in zip(x.children, y.children, strict=True):
                place = self.places.get(c)
                if place is None:
                    continue
                if c is d:
                    self.fixed.add(c)
                    continue
                first, other = sorted((self.group[i], self.group[place[0]]))
                self.group = [first if group == other else group for group in self.group]


def _is_next(place: RoundPlace | None, after: RoundPlace | None) -> bool:
    """Whether the second place is that of the next image."""
    if place is None or after is None:
        return False
    return after[1] - place[1] == 1 and place[0] == after[0] and place[2] == after[2]


def _scopes(step: Sequence[Node]) -> list[int]:
    """Tell how scopes change within a step, whatever they are called: of each node the position of the first one in its scope."""
    firsts: dict[str, int] = {}
    return [firsts.setdefault(node.context.scope, at) for at, node in enumerate(step)]


def form(value: Any, numbers: list[int]) -> Any:
    """Take the integers out of an index, or of several, into `numbers`."""
    if type(value) is int:
        numbers.append(value)
        return int
    if isinstance(value, tuple | list):
        return type(value), tuple([form(part, numbers) for part in value])
    if isinstance(value, slice):
        return slice, tuple([form(part, numbers) for part in (value.start, value.stop, value.step)])
    return static_key(value)


def growth(before: tuple[Any, list[int]], after: tuple[Any, list[int]]) -> list[int] | None:
    """Subtract the numbers of one node from those of its image; None where anything else differs, or a sign does: an index then counts
    from the other end.
    """
    if before[0] != after[0] or any((x < 0) != (y < 0) for x, y in zip(before[1], after[1], strict=True)):
        return None
    return [y - x for x, y in zip(before[1], after[1], strict=True)]
