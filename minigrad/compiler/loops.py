"""Loops: statements that repeat with counting indices, as they do in every time step, as one block that is repeated.

Loops go over lists of rows, as one writes them by hand, `for before, now in zip(h[0:100], h[1:101]):`, and give what a call
writes into as its last argument, `tanh(a, h_now)` for `tanh(a, out=h_now)`: with small arrays both are worth a tenth of the
time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from textwrap import indent
from typing import Any, NamedTuple

from minigrad.compiler.lines import Origin

INTEGER = re.compile(r"(?<![\w.])\d+(?![\w.])")
ROW_OR_INTEGER = re.compile(rf"(?<![\w.])(?P<rows>[^\W\d]\w*)\[(?P<row>\d+)\]|{INTEGER.pattern}")
LocalName = Callable[[str, Collection[str]], str]  # a word, and names it may not be, to a name


class Statement(NamedTuple):
    """A line of source, where what it does comes from, and the form it has in a loop, if that is another one."""

    text: str
    origin: Origin
    quick: str = ""


def rolled(statements: Sequence[Statement], local: LocalName | None = None) -> list[str]:
    """The statements as text, repeated ones as loops, with a comment wherever another part of the net begins.

    local: gives names to the rows that loops go over; None for loops that count, in which `h[3]` is `h[t]`
    """
    shapes = [INTEGER.sub("#", statement.text) for statement in statements]
    numbers = [tuple(map(int, INTEGER.findall(statement.text))) for statement in statements]
    places: dict[str, list[int]] = {}
    for i, shape in enumerate(shapes):
        places.setdefault(shape, []).append(i)
    source: list[str] = []
    said: tuple[str, bool] | None = None
    i = 0
    while i < len(statements):
        begins = i == 0 or not statements[i].origin.step or _part(statements[i]) != _part(statements[i - 1])
        period, repeats = _best_period(i, shapes, numbers, places[shapes[i]]) if begins else (1, 1)
        block = statements[i : i + period]
        last = statements[i + period * (repeats - 1) : i + period * repeats]
        head = _heading(block[0].origin, last[0].origin if repeats > 1 else block[0].origin)
        if head is not None and head != said:
            source += [f"# {' '.join(head[0].split())}"]
        said = head or said
        if repeats == 1:
            source += [statement.text for statement in block]
        else:
            source += _Loop(numbers[i : i + 2 * period], repeats, local).text([x.quick or x.text for x in block])
        i += period * repeats
    return source


def _part(statement: Statement) -> Any:
    """Which part of the net a statement belongs to."""
    origin = statement.origin
    return origin.scope, origin.adjoint, origin.loop


def _heading(first: Origin, last: Origin) -> tuple[str, bool] | None:
    if not first.scope:
        return None
    text = first.scope if first.scope == last.scope else f"{first.scope} ... {last.scope}"
    return (f"backward through {text}" if first.adjoint else text), first.adjoint


def _best_period(i: int, shapes: Sequence[str], numbers: Sequence[Any], places: Sequence[int]) -> tuple[int, int]:
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


class _Loop:
    """One loop: what it goes over, and the names of what it finds there.

    numbers: those in the first and in the second round, statement by statement
    """

    def __init__(self, numbers: Sequence[tuple[int, ...]], repeats: int, local: LocalName | None) -> None:
        period = len(numbers) // 2
        self.pairs = [
            list(zip(*rounds, strict=True)) for rounds in zip(numbers[:period], numbers[period:], strict=True)
        ]
        self.repeats = repeats
        self.local = local
        self.rows: dict[str, str] = {}  # stretches of lists, `h[0:100]`, and the names of their rows
        counted = [pair for part in self.pairs for pair in part[::-1] if pair[0] != pair[1]]
        self.start, self.step = (counted[0][0], counted[0][1] - counted[0][0]) if counted else (0, 1)

    def text(self, statements: Sequence[str]) -> list[str]:
        """The head of the loop, and its body."""
        self._name_rows(statements)
        body = [self._counted(text, pairs) for text, pairs in zip(statements, self.pairs, strict=True)]
        counts = any(re.search(r"(?<![\w.])t(?![\w.])", text) for text in body)
        stop = self.start + self.step * self.repeats
        every = f"range({self.start}, {stop}{'' if self.step == 1 else f', {self.step}'})"
        over = [*([every] if counts else []), *self.rows]
        names = [*(["t"] if counts else []), *self.rows.values()]
        if not names:
            head = f"for _ in range({self.repeats}):"
        elif len(names) == 1:
            head = f"for {names[0]} in {over[0]}:"
        else:
            head = f"for {folded(names)} in zip{folded(over)}:"
        return [head, *[indent(text, "    ") for text in body]]

    def _name_rows(self, statements: Sequence[str]) -> None:
        """A row is called after its list: h_now; of several rows h_now is the last one, and h_before those before it."""
        if self.local is None:
            return
        found: dict[str, set[tuple[int, int]]] = {}
        for text, pairs in zip(statements, self.pairs, strict=True):
            for match, (first, second) in zip(ROW_OR_INTEGER.finditer(text), pairs, strict=True):
                if match["rows"] and first != second:
                    found.setdefault(match["rows"], set()).add((first, second))
        for rows, places in found.items():
            for back, (first, second) in zip(range(len(places) - 1, -1, -1), sorted(places), strict=True):
                word = f"{rows}_now" if not back else f"{rows}_before" if back == 1 else f"{rows}_before_{back}"
                self.rows[self._stretch(rows, first, second)] = self.local(word, self.rows.values())

    def _stretch(self, rows: str, first: int, second: int) -> str:
        step = second - first
        stop = first + step * self.repeats
        return f"{rows}[{first}:{stop if stop >= 0 else ''}{'' if step == 1 else f':{step}'}]"

    def _counted(self, text: str, pairs: Sequence[tuple[int, int]]) -> str:
        """The statement with names for rows, and with t for other numbers that count."""
        numbers = iter(pairs)

        def changed(match: re.Match[str]) -> str:
            first, second = next(numbers)
            if first == second:
                return match.group()
            rows = match["rows"]
            if rows and self.local is not None:
                return self.rows[self._stretch(rows, first, second)]
            count = self._count(first, second)
            return f"{rows}[{count}]" if rows else count

        return ROW_OR_INTEGER.sub(changed, text)

    def _count(self, first: int, second: int) -> str:
        """A number that counts up or down as t does."""
        if second - first != self.step:
            return f"{first + self.start} - t"
        offset = first - self.start
        return "t" if not offset else f"t + {offset}" if offset > 0 else f"t - {-offset}"


def folded(items: Iterable[str], width: int = 100) -> str:
    """The items in parentheses, as few to a line as fit."""
    rows = [""]
    for item in items:
        if len(rows[-1]) + len(item) > width:
            rows.append("")
        rows[-1] += f"{item}, "
    if len(rows) == 1:
        return f"({rows[0].strip()[:-1]})"
    return "(\n" + "".join([f"        {row.strip()}\n" for row in rows]) + ")"
