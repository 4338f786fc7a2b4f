"""Print lines as a pure function of arguments and parameters, without buffers or `out=`: the program as mathematics.

A reader compares it with the formulas, and other array libraries with NumPy's functions can run it. What repeats from time step
to time step is a loop that appends to lists: h[t] is the state of step t, and in a loop backward through time d_h[0] is the
adjoint of the last one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from textwrap import dedent
from typing import Any, NamedTuple

import numpy as np

from minigrad.compiler.ir import ADD, LEAF, RESHAPE, VIEW, Copy, Function, Index, Join, Leaf
from minigrad.compiler.lines import Line, Lines, NotContracted, uses_of
from minigrad.compiler.names import DTYPES, Names
from minigrad.compiler.printing.expressions import Expression, Name, Row, Statement, view
from minigrad.compiler.printing.loops import Section, sections_of, sections_text
from minigrad.node import Array, Node

FEWEST_STEPS = 3  # time steps of a loop
PLACED = dedent(
    """
    def placed(x, index, shape):
        y = np.zeros(shape, x.dtype)
        if hasattr(y, "at"):  # as jax.numpy has it
            return y.at[index].set(x)
        y[index] = x
        return y
    """
).strip()
OWN = (  # functions of minigrad.ops
    "windows_of", "folded", "convolution_by_channel", "transposed_convolution", "log_gamma", "gamma_derivative", "log_beta",
)  # fmt: skip
NUMPYS = {*DTYPES, "intp", "inf", "nan", "where", "tile", "stack", "concatenate", "sum", "max", "min", "prod"}


class PureText(NamedTuple):
    """A pure program as source, and what it takes from elsewhere.

    names:      what the source does not define: large tables of numbers, generators, an fprop that is called as it stands
    parameters: the nodes whose arrays follow the arguments, by name
    """

    source: str
    names: dict[str, Any]
    parameters: dict[str, Node]


def pure_text(lines: Lines, arguments: Sequence[str]) -> PureText:
    """Print a function of the arguments, then the parameters; new states are returned last."""
    repeated = _families(lines.order)
    if repeated:
        writer = _PureWriter(lines, arguments, repeated)
        in_loops = {x.target for block in writer.blocks() if block.repeats > 1 for x in block.statements}
        repeated = [family for family in repeated if writer.lists[family[0]] in in_loops]
    return _PureWriter(lines, arguments, repeated).text()


def _families(order: Sequence[Line]) -> list[list[Line]]:
    """Collect the lines that do the same in several time steps, in the order of the program."""
    found: dict[Any, list[Line]] = {}
    for line in order:
        if line.origin.step and line.array is None and _has_formula(line):
            key = (line.origin.role, line.origin.adjoint, line.op, line.shape, line.dtype)
            found.setdefault(key, []).append(line)
    return [family for family in found.values() if len(family) >= FEWEST_STEPS]


def _has_formula(line: Line) -> bool:
    """Whether there is a formula for it; where a value lies is of no concern here."""
    return line.op.kind not in (LEAF, VIEW, RESHAPE) and not isinstance(line.op, Copy)


def _uncopied(line: Line) -> Line:
    """The line that is copied."""
    while isinstance(line.op, Copy) and line.array is None:
        (line,) = line.operands
    return line


class _PureWriter:
    """Print lines as formulas, those of a family as the entries of a list.

    of:    how the value of a line is written
    lists: the list of a family, by its first line;  entries: of a line of a family: the list, its length, the number in it
    """

    def __init__(self, lines: Lines, arguments: Sequence[str], families: Sequence[Sequence[Line]]) -> None:
        self.lines = lines
        in_lists = {line for family in families for line in family}
        apart = [line for line in lines.order if line.array is None and line not in in_lists]
        self.names = Names(
            lines.page.names,
            [line for line in apart if _has_formula(line)],
        )
        self.arguments = {name: self.names.new(name) for name in arguments}
        self.parameters: dict[str, Node] = {}
        self.of: dict[Line, Expression] = {}
        self.said: set[str] = set()  # the names of what no module has
        self.tables: list[str] = []
        self.given: dict[str, Any] = {}
        self.family = {line: family for family in families for line in family}
        self.results = set(lines.results)
        self.uses = uses_of(lines)
        self.lists: dict[Line, str] = {}
        self.entries: dict[Line, tuple[str, int, int]] = {}
        self.places: dict[Line, int] = {}  # of a line of a family: the number in its list
        self.strict = _strict(lines)

    def text(self) -> PureText:
        started: set[str] = set()
        body = sections_text(self.blocks(), lambda block: _with_lists(block, started))
        results = [self._result(line) for line in self.lines.results]
        body.append(f"return {', '.join(results)}{',' if len(results) == 1 else ''}")
        self.given |= {name: thing for name, thing in self.lines.page.names.items() if name in self.said - {"placed"}}
        comments = [
            f"# {name}: {thing.__doc__}" for name, thing in self.given.items() if name.startswith(("fprop_", *OWN))
        ]
        helpers = ["", PLACED, "", ""] if "placed" in self.said else []
        head = f"def program({', '.join([*self.arguments.values(), *self.parameters])}):"
        source = "\n".join(
            ["import numpy as np", "", *self.tables, *comments, *helpers, head, *[f"    {line}" for line in body], ""]
        )
        return PureText(source, self.given, self.parameters)

    def blocks(self) -> list[Section]:
        """The lines as statements, in blocks that repeat."""
        statements = []
        for line in self.lines.order:
            found = self._expression(line)
            if found is None:
                continue
            form, parts = found
            if line in self.family:
                name = self._append(line)
                statements.append(
                    Statement(f"{name}.append({form})", parts, line.origin, target=name, first=f"{name} = [{form}]")
                )
            else:
                name = self._continued(line) or self.names.of(line)
                self.of[line] = Name(name)
                statements.append(Statement(f"{name} = {form}", parts, line.origin))
        return list(sections_of(statements, self.lines.page.gaps))

    def _continued(self, line: Line) -> str:
        """The name of the sum that the line is the next one of, so that long sums are loops; "" where it is no such sum."""
        if line.op != ADD or line.origin.name or line.origin.node >= 0 or line in self.results:
            return ""
        (before, _) = line.operands
        goes_on = before.op == ADD and before not in self.family and before not in self.results
        alike = (before.shape, before.dtype, before.origin.loop) == (line.shape, line.dtype, line.origin.loop)
        within = before.origin.node < 0 and self.uses.get(before) == 1
        return self.of[before].text if goes_on and alike and within else ""

    def _append(self, line: Line) -> str:
        """Make the line the next entry of its family's list, and give the list's name."""
        family = self.family[line]
        if line is family[0]:
            self.lists[line] = self.names.of(line)
            for member in family:
                self.names.call(member, self.lists[line])
        name = self.lists[family[0]]
        if line is family[0]:
            numbers = self.lines.page.row_numbers(family)
            self.places.update(zip(family, numbers, strict=True))
        number = self.places[line]
        self.entries[line] = name, self.places[family[-1]] + 1, number
        self.of[line] = Row(name, number)
        return name

    def _spelled(self, name: str) -> str:
        """NumPy's functions and types by their full names."""
        if name.startswith("-"):
            return f"-{self._spelled(name[1:])}"
        thing = self.lines.page.names.get(name)
        if name in NUMPYS or (thing is not None and getattr(np, name, None) is thing):
            return f"np.{name}"
        self.said.add(name)
        return name

    def _expression(self, line: Line) -> tuple[str, tuple[Expression, ...]] | None:
        """What is assigned to the line's name, with its parts; None where it needs none."""
        if line.array is not None:
            self.of[line] = Name(self._constant(line, line.array))
            return None
        if isinstance(line.op, Leaf):
            if line.node is None:
                name = self.arguments[line.op.name]
            else:
                name = self.names.new(line.op.name or "parameter")
                self.parameters[name] = line.node
            self.of[line] = Name(name)
            self.names.call(line, name)
            return None
        operands = [self.of[operand] for operand in line.operands]
        if isinstance(line.op, Copy):
            self.of[line] = operands[0]
            if line.operands[0] in self.entries:
                self.entries[line] = self.entries[line.operands[0]]
            return None
        if isinstance(line.op, Join) and line.op.function in ("stack", "concatenate"):
            form, parts = self._listed([line.operands[i] for i in line.op.order], line.op.rows)
            return line.op.written_with(form, self._spelled), parts
        if isinstance(line.op, Function) and line.op.takes_a_list:
            form, parts = self._listed(line.operands, None)
            return line.op.written_with(form, self._spelled), parts
        if line.op.kind in (VIEW, RESHAPE):
            self.of[line] = view(operands[0], line.op, self._spelled)
            return None
        return line.op.formula([f"{{{i}}}" for i in range(len(operands))], self._spelled), tuple(operands)

    def _listed(self, lines: Sequence[Line], rows: Sequence[int] | None) -> tuple[str, tuple[Expression, ...]]:
        """The values of lines as a list, and its parts: by the lists they are in, where several follow each other there.

        rows: their numbers in the list; None where these follow from the lines
        """
        rows = self.lines.page.row_numbers(lines) if rows is None else rows
        items: list[Expression] = []
        at = 0
        while at < len(lines):
            length, stretch = self._stretch(lines[at:], rows[at:])
            if length == len(lines) and stretch:
                return "{0}", (Name(stretch),)
            if at and rows[at] != rows[at - 1] + 1:
                raise NotContracted("a list without its middle")
            items.append(Name(f"*{stretch}") if stretch else self.of[lines[at]])
            at += length
        return f"[{', '.join([f'{{{i}}}' for i in range(len(items))])}]", tuple(items)

    def _stretch(self, lines: Sequence[Line], rows: Sequence[int]) -> tuple[int, str]:
        """How many of the first lines follow each other in a list, forward or backward, and their part of it; (1, "") for none."""
        name, n, start = self._entry(lines[0]) or ("", 0, 0)
        for step in (1, -1):
            length = 1
            while length < len(lines):
                number = start + step * (rows[length] - rows[0])
                if self._entry(lines[length]) != (name, n, number):
                    break
                length += 1
            if length >= FEWEST_STEPS:
                stop = start + step * (rows[length - 1] - rows[0] + 1)
                part = slice(start if start != (0 if step > 0 else n - 1) else None, stop if 0 <= stop < n else None)
                text = f"{'' if part.start is None else part.start}:{'' if part.stop is None else part.stop}"
                text = text if step > 0 else f"{text}:-1"
                return length, name if text == ":" else f"{name}[{text}]"
        return self._stretch_of_views(lines, rows)

    def _entry(self, line: Line) -> tuple[str, int, int] | None:
        """The list or array that a line is an entry of, its length, and the number of the entry."""
        line = _uncopied(line)
        entries = line.op.entries if isinstance(line.op, Index) and line.array is None else ()
        row = entries[0] if entries and entries[1:] in ((), (...,)) else None
        if line in self.entries or not isinstance(row, int):
            return self.entries.get(line)
        (whole,) = line.operands
        return self.of[whole].text, whole.shape[0], row

    def _stretch_of_views(self, lines: Sequence[Line], rows: Sequence[int]) -> tuple[int, str]:
        """The same of views that are taken of what follows each other in a list."""
        lines = [_uncopied(line) for line in lines]
        op = lines[0].op
        if op.kind not in (VIEW, RESHAPE) or lines[0].array is not None:
            return 1, ""
        alike = [line.operands[0] for line in takewhile(lambda line: line.op == op and line.array is None, lines)]
        length, text = self._stretch(alike, rows)
        return (length, f"[{op.formula(['part'], self._spelled)} for part in {text}]") if text else (1, "")

    def _result(self, line: Line) -> str:
        text = self.of[line].text
        return text if line.array is None or text.isidentifier() else f"np.array({text}, np.{line.dtype.name})"

    def _constant(self, line: Line, array: Array) -> str:
        plain = not array.ndim and array.dtype.kind in "fi" and bool(np.isfinite(array))
        if plain and line not in self.strict:
            number = repr(array.item()) if array.dtype == np.float64 else str(array)
            if "e" not in number:
                return f"({number})" if number.startswith("-") else number
        word = "number" if plain else "constant"
        name = self.names.new(word)
        text = _table(array)
        if text is None:
            self.given[name] = array
            self.tables.append(f"# {name}: an array of shape {array.shape} and dtype {array.dtype}")
        else:
            self.tables.append(f"{name} = {text}")
        return name


def _strict(lines: Lines) -> set[Line]:
    """Numbers that bring their dtype along: Python's own take that of their partners, so there must be one that has it."""

    def is_number(line: Line) -> bool:
        return line.array is not None and not line.array.ndim

    found = set()
    for line in lines.order:
        kinds = {operand.dtype for operand in line.operands if not is_number(operand)}
        found |= {operand for operand in line.operands if is_number(operand) and operand.dtype not in kinds}
    return found


def _table(array: Array) -> str | None:
    """An array as it is written, if that is short."""
    dtype = f"np.{array.dtype.name}"
    if not array.size:
        return f"np.zeros({array.shape}, {dtype})"
    if array.size <= 16:
        return f"np.array({_numbers(array.tolist())}, {dtype})"
    first = array.flat[0]
    if np.isfinite(first) and np.full(array.shape, first).tobytes() == array.tobytes():  # 0 and −0 are two numbers
        return f"np.full({array.shape}, {first.item()!r}, {dtype})"
    if array.dtype.kind == "i" and np.array_equal(array.ravel(), np.arange(array.size)):
        line = f"np.arange({array.size}, dtype={dtype})"
        return line if array.ndim == 1 else f"{line}.reshape{array.shape}"
    return None


def _numbers(value: Any) -> str:
    """Numbers, or lists of them, as they are written."""
    if isinstance(value, list):
        return f"[{', '.join(map(_numbers, value))}]"
    if isinstance(value, float) and not np.isfinite(value):
        return "np.nan" if value != value else "np.inf" if value > 0 else "-np.inf"
    return repr(value)


def _with_lists(block: Section, started: set[str]) -> list[str]:
    """The block with every list there before it is appended to: it begins with its first entry, or empty."""
    if block.repeats > 1:
        new = dict.fromkeys([x.target for x in block.statements if x.target and x.target not in started])
        started.update(new)
        return [*[f"{name} = []" for name in new], *block.loop(None)]
    text = []
    for statement in block.statements:
        begins = statement.target and statement.target not in started
        started.add(statement.target)
        text.append((statement._replace(form=statement.first) if begins else statement).text)
    return text
