"""Loops: statements that repeat with counting indices, as they do in every time step, as one block that is repeated.

Loops go over lists of rows, as one writes them by hand, `for before, now in zip(h[0:100], h[1:101]):`, and give what a call
writes into as its last argument, `tanh(a, h_now)` for `tanh(a, out=h_now)`: with small arrays both are worth a tenth of the
time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from textwrap import indent
from typing import Any, NamedTuple

from minigrad.compiler.printing.expressions import Expression, Pair, Rounds, Row, Seen, Statement

LocalName = Callable[[str, Collection[str]], str]  # a word, and names it may not be, to a name


class Block(NamedTuple):
    """Statements, and how often they are run. numbers: those of the second round, statement by statement"""

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
        """The block as a loop."""
        return _Loop(self, local).text()


def blocks_of(statements: Sequence[Statement]) -> Iterator[Block]:
    """The statements in blocks: what repeats at least three times is one block."""
    likes: dict[Any, int] = {}
    shapes = [likes.setdefault(statement.like, len(likes)) for statement in statements]
    numbers = [statement.numbers for statement in statements]
    places: dict[int, list[int]] = {}
    for i, shape in enumerate(shapes):
        places.setdefault(shape, []).append(i)
    i = 0
    while i < len(statements):
        begins = i == 0 or not statements[i].origin.step or _part(statements[i]) != _part(statements[i - 1])
        period, repeats = _best_period(i, shapes, numbers, places[shapes[i]]) if begins else (1, 1)
        end = i + period * repeats
        yield Block(
            statements[i : i + period], statements[end - period : end], repeats, numbers[i + period : i + 2 * period]
        )
        i = end


def rolled(statements: Sequence[Statement], local: LocalName | None = None) -> list[str]:
    """The statements as text, repeated ones as loops, with a comment wherever another part of the net begins.

    local: gives names to the rows that loops go over; None for loops that count, in which `h[3]` is `h[t]`
    """
    return written(
        blocks_of(statements),
        lambda block: [statement.text for statement in block.statements] if block.repeats == 1 else block.loop(local),
    )


def written(blocks: Iterable[Block], text: Callable[[Block], list[str]]) -> list[str]:
    """The blocks as text, with a comment wherever another part of the net begins."""
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


def _best_period(i: int, shapes: Sequence[int], numbers: Sequence[Any], places: Sequence[int]) -> tuple[int, int]:
    """How long the block is that repeats from statement i on, and how often; (1, 1) where none does at least 3 times."""
    best = (1, 1)
    candidates = [place - i for place in places if i < place <= i + 400][:8]
    for period in candidates:
        if best[0] * best[1] > period * 4 and best[1] > 2:
            break
        if shapes[i : i + period] != shapes[i + period : i + 2 * period]:
            continue
        repeats = 1
        deltas = [_differences(numbers[i + q], numbers[i + period + q]) for q in range(period)]
        steps = {abs(delta) for part in deltas for delta in part if delta}
        if len(steps) > 1:
            continue
        while True:
            at = i + repeats * period
            if at + period > len(shapes) or shapes[at : at + period] != shapes[i : i + period]:
                break
            if any(_differences(numbers[at - period + q], numbers[at + q]) != deltas[q] for q in range(period)):
                break
            repeats += 1
        if repeats >= 3 and period * (repeats - 1) > best[0] * (best[1] - 1):
            best = (period, repeats)
    return best


def _differences(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    return tuple([y - x for x, y in zip(a, b, strict=True)])


class _Loop(Rounds):
    """One loop: what it goes over, and the names of what it finds there."""

    def __init__(self, block: Block, local: LocalName | None) -> None:
        self.block = block
        self.pairs = [
            list(zip(statement.numbers, second, strict=True))
            for statement, second in zip(block.statements, block.numbers, strict=True)
        ]
        self.local = local
        self.rows: dict[str, str] = {}  # stretches of lists, `h[0:100]`, and the names of their rows
        self.counts = False  # whether t is read
        counted = [pair for part in self.pairs for pair in part[::-1] if pair[0] != pair[1]]
        self.start, self.step = (counted[0][0], counted[0][1] - counted[0][0]) if counted else (0, 1)

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
            head = f"for {folded(names)} in zip{folded(over)}:"
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
        if second - first != self.step:
            return f"{first + self.start} - t"
        offset = first - self.start
        return "t" if not offset else f"t + {offset}" if offset > 0 else f"t - {-offset}"


def _lists(part: Expression) -> Iterator[str]:
    """Of each number in an expression the list whose row it names; "" where it names something else."""
    if isinstance(part, Row):
        yield part.rows
    elif isinstance(part, Seen):
        yield from _lists(part.of)
        yield from [""] * (len(part.numbers) - len(part.of.numbers))


def folded(items: Iterable[str], length: Callable[[str], int] = len, width: int = 100) -> str:
    """The items in parentheses, as few to a line as fit. length: of a text as it will be written"""
    rows = [""]
    for item in items:
        if length(rows[-1]) + length(item) > width:
            rows.append("")
        rows[-1] += f"{item}, "
    if len(rows) == 1:
        return f"({rows[0].strip()[:-1]})"
    return "(\n" + "".join([f"        {row.strip()}\n" for row in rows]) + ")"
