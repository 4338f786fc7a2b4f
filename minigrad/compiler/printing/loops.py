"""Roll up statements that repeat with counting indices, as those of time steps do, into `for` loops.

Loops go over lists of rows, as one writes them by hand, `for before, now in zip(h[0:100], h[1:101]):`, and pass the array that
a call writes to as its last argument, `tanh(a, h_now)` for `tanh(a, out=h_now)`: with small arrays both save a tenth of the
time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from textwrap import indent
from typing import Any, NamedTuple

from minigrad.compiler.lines import NotContracted
from minigrad.compiler.printing.expressions import Expression, LoopBody, Pair, Row, Statement, View

NEAR_GAP = 3  # rounds around a gap, which are known to be images of each other, and may read across it
LocalName = Callable[[str, Collection[str]], str]  # a word, and names it may not be, to a name


class Section(NamedTuple):
    """Hold statements in a row, and how often they are run.

    last:    those of the last round
    numbers: those of the second round, statement by statement
    """

    statements: Sequence[Statement]
    last: Sequence[Statement]
    repeats: int
    numbers: Sequence[tuple[int, ...]]

    @property
    def heading(self) -> tuple[str, bool] | None:
        """What part of the net it is, and whether backward through it; None where nothing says so."""
        first, last = self.statements[0].origin, self.last[0].origin
        if not first.scope:
            return None
        text = first.scope if first.scope == last.scope else f"{first.scope} ... {last.scope}"
        return (f"backward through {text}" if first.adjoint else text), first.adjoint

    def loop(self, local: LocalName | None) -> list[str]:
        """Write the section as a loop."""
        return _LoopWriter(self, local).text()


def sections_of(statements: Sequence[Statement], gaps: Mapping[int, range]) -> Iterator[Section]:
    """Split statements into sections; what repeats at least three times is one section.

    gaps: the steps of loops that are left out; NotContracted where a section does not stand for them
    """
    search = _Repeats(statements, gaps)
    i = 0
    while i < len(statements):
        run = search.run(i)
        end = i + run.period * run.rounds
        if not run.leaps and any(map(search.is_beside_a_gap, statements[i:end])):
            raise NotContracted(f"no loop runs over what is left out around {statements[i].text!r}")
        yield Section(
            statements[i : i + run.period],
            statements[end - run.period : end],
            run.repeats,
            search.numbers[i + run.period : i + 2 * run.period],
        )
        i = end


def rolled(statements: Sequence[Statement], gaps: Mapping[int, range], local: LocalName) -> list[str]:
    """Write statements, repeated ones as loops, with a comment wherever another part of the net begins.

    local: gives names to the rows that loops go over
    """
    return sections_text(
        sections_of(statements, gaps),
        lambda block: [statement.text for statement in block.statements] if block.repeats == 1 else block.loop(local),
    )


def sections_text(blocks: Iterable[Section], text: Callable[[Section], list[str]]) -> list[str]:
    """Write sections, with a comment wherever another part of the net begins."""
    source: list[str] = []
    said: tuple[str, bool] | None = None
    for block in blocks:
        head = block.heading
        if head is not None and head != said:
            source += [f"# {' '.join(head[0].split())}"]
        said = head or said
        source += text(block)
    return source


def _part(statement: Statement) -> Any:
    """Which part of the net a statement belongs to."""
    origin = statement.origin
    return origin.scope, origin.adjoint, origin.loop


class _Run(NamedTuple):
    """Statements that repeat: `period` of them in each of so many rounds; with those that are left out there are `repeats`.

    ahead: rounds looked at in which some statements are on this side of a gap, and some on the other
    """

    period: int = 1
    rounds: int = 1
    repeats: int = 1
    leaps: bool = False
    ahead: int = 0


class _Repeats:
    """Find what repeats among statements."""

    def __init__(self, statements: Sequence[Statement], gaps: Mapping[int, range]) -> None:
        self.statements = statements
        self.gaps = gaps
        likes: dict[Any, int] = {}
        self.shapes = [likes.setdefault(statement.like, len(likes)) for statement in statements]
        self.numbers = [statement.numbers for statement in statements]
        self.places: dict[int, list[int]] = {}
        for i, shape in enumerate(self.shapes):
            self.places.setdefault(shape, []).append(i)

    def is_beside_a_gap(self, statement: Statement) -> bool:
        """Whether rounds are left out right before or behind a statement."""
        origin = statement.origin
        gap = self.gaps.get(origin.loop)
        return origin.leap > 0 or (gap is not None and origin.step in ((gap.start - 1,), (gap.stop,)))

    def run(self, i: int) -> _Run:
        """The longest run of what repeats from statement i on; a single statement where none does at least 3 times."""
        best = _Run()
        before, now = self.statements[i - 1], self.statements[i]
        if i and now.origin.step and _part(now) == _part(before):
            return best
        candidates = [place - i for place in self.places[self.shapes[i]] if i < place <= i + 400][:8]
        for period in candidates:
            if best.period * best.repeats > period * 4 and best.repeats > 2:
                break
            run = self._run_of(i, period)
            if run.repeats >= 3 and period * (run.repeats - 1) > best.period * (best.repeats - 1):
                best = run
        return best

    def _run_of(self, i: int, period: int) -> _Run:
        """The rounds of so many statements from statement i on."""
        if not self._is_like(i + period, period) or any(self._left_out(i + q, period) for q in range(period)):
            return _Run()
        deltas = [_differences(self.numbers[i + q], self.numbers[i + period + q]) for q in range(period)]
        steps = {abs(delta) for part in deltas for delta in part if delta}
        if any(step % min(steps) for step in steps):
            return _Run()
        run = _Run(period, 2, 2)
        counts = [1] * period  # which round each statement of the latest round is of; some leap a gap before others do
        while self._is_like(at := i + (run.rounds + run.ahead) * period, period):
            moved = [
                self._next_count(at + q, period, self.numbers[i + q], deltas[q], count, max(counts))
                for q, count in enumerate(counts)
            ]
            if None in moved:
                break
            counts = [count for count in moved if count is not None]
            if len(set(counts)) > 1:
                run = run._replace(ahead=run.ahead + 1)
            else:
                rounds = run.rounds + run.ahead + 1
                run = _Run(period, rounds, counts[0] + 1, leaps=counts[0] + 1 > rounds)
        return run._replace(ahead=0)

    def _is_like(self, at: int, period: int) -> bool:
        """Whether so many statements are like those before."""
        return self.shapes[at - period : at] == self.shapes[at : at + period] and at + period <= len(self.shapes)

    def _left_out(self, at: int, period: int) -> int | None:
        """How many rounds are left out between a statement and the one after it that is its like; None where nothing says so."""
        before, now = self.statements[at].origin, self.statements[at + period].origin
        if now.leap > 0:
            return now.leap
        gap = self.gaps.get(now.loop) if now.loop == before.loop else None
        if gap is None:
            return None
        return len(gap) if {now.step, before.step} == {(gap.start - 1,), (gap.stop,)} else 0

    def _next_count(
        self, at: int, period: int, first: Sequence[int], deltas: Sequence[int], count: int, furthest: int
    ) -> int | None:
        """Which round a statement is of, after its like of round `count`; None where its numbers are of none.

        furthest: how far others of its round are
        """
        skipped = self._left_out(at - period, period)
        options = [count + 1 + skipped] if skipped is not None else [max(count, furthest) + 1, count + 1]
        return next((option for option in options if self._counts(at, first, deltas, option)), None)

    def _counts(self, at: int, first: Sequence[int], deltas: Sequence[int], rounds: int) -> bool:
        """Whether the numbers of a statement are those of the first one so many rounds on.

        Near a gap, what reads another round instead of one that is left out is as far off as the gap is long.
        """
        origin = self.statements[at].origin
        left_out = self.gaps.get(origin.loop)
        near = left_out is not None and any(
            left_out.start - NEAR_GAP <= step < left_out.stop + NEAR_GAP for step in origin.step
        )
        gap = len(left_out) if left_out is not None and near else 0
        return all(
            number - start - rounds * delta in (0, gap * delta, -gap * delta)
            for number, start, delta in zip(self.numbers[at], first, deltas, strict=True)
        )


def _differences(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    return tuple([y - x for x, y in zip(a, b, strict=True)])


class _LoopWriter(LoopBody):
    """Write one loop: its head, which names the rows it goes over, and its body."""

    def __init__(self, block: Section, local: LocalName | None) -> None:
        self.block = block
        self.pairs = [
            list(zip(statement.numbers, second, strict=True))
            for statement, second in zip(block.statements, block.numbers, strict=True)
        ]
        self.local = local
        self.rows: dict[str, str] = {}  # stretches of lists, `h[0:100]`, and the names of their rows
        self.counts = False  # whether t is read
        counted = [pair for part in self.pairs for pair in part[::-1] if pair[0] != pair[1]]
        first, second = min(counted, key=lambda pair: abs(pair[1] - pair[0]), default=(0, 1))
        self.start, self.step = first, second - first

    def text(self) -> list[str]:
        """The head of the loop, and its body."""
        self._name_rows()
        body = [
            statement.within(self, iter(pairs))
            for statement, pairs in zip(self.block.statements, self.pairs, strict=True)
        ]
        stop = self.start + self.step * self.block.repeats
        every = f"range({self.start}, {stop}{'' if self.step == 1 else f', {self.step}'})"
        over = [*([every] if self.counts else []), *self.rows]
        names = [*(["t"] if self.counts else []), *self.rows.values()]
        if not names:
            head = f"for _ in range({self.block.repeats}):"
        elif len(names) == 1:
            head = f"for {names[0]} in {over[0]}:"
        else:
            head = f"for {wrapped(names)} in zip{wrapped(over)}:"
        return [head, *[indent(text, "    ") for text in body]]

    def _name_rows(self) -> None:
        """A row is called after its list: h_now; of several rows h_now is the last one, and h_before those before it."""
        if self.local is None:
            return
        found: dict[str, set[Pair]] = {}
        for statement, pairs in zip(self.block.statements, self.pairs, strict=True):
            rest = iter(pairs)
            for part in statement.parts:
                for rows, pair in zip(_lists(part), rest, strict=False):
                    if rows and pair[0] != pair[1]:
                        found.setdefault(rows, set()).add(pair)
        for rows, places in found.items():
            for back, (first, second) in zip(range(len(places) - 1, -1, -1), sorted(places), strict=True):
                word = f"{rows}_now" if not back else f"{rows}_before" if back == 1 else f"{rows}_before_{back}"
                self.rows[self._stretch(rows, first, second)] = self.local(word, self.rows.values())

    def _stretch(self, rows: str, first: int, second: int) -> str:
        step = second - first
        stop = first + step * self.block.repeats
        return f"{rows}[{first}:{stop if stop >= 0 else ''}{'' if step == 1 else f':{step}'}]"

    def row(self, rows: str, first: int, second: int) -> str:
        """The name of the row, or its place in the list."""
        if self.local is not None:
            return self.rows[self._stretch(rows, first, second)]
        return f"{rows}[{self.count(first, second)}]"

    def count(self, first: int, second: int) -> str:
        """A number that counts up or down as t does."""
        self.counts = True
        times = (second - first) // self.step
        offset = first - times * self.start
        if times == -1:
            return f"{offset} - t"
        count = "t" if times == 1 else f"{times} * t"
        return count if not offset else f"{count} + {offset}" if offset > 0 else f"{count} - {-offset}"


def _lists(part: Expression) -> Iterator[str]:
    """Of each number in an expression the list whose row it names; "" where it names something else."""
    if isinstance(part, Row):
        yield part.rows
    elif isinstance(part, View):
        yield from _lists(part.of)
        yield from [""] * (len(part.numbers) - len(part.of.numbers))


def wrapped(items: Iterable[str], length: Callable[[str], int] = len, width: int = 100) -> str:
    """Wrap items in parentheses over several lines. length: of a text as it will be written"""
    rows = [""]
    for item in items:
        if length(rows[-1]) + length(item) > width:
            rows.append("")
        rows[-1] += f"{item}, "
    if len(rows) == 1:
        return f"({rows[0].strip()[:-1]})"
    return "(\n" + "".join([f"        {row.strip()}\n" for row in rows]) + ")"
