"""The program as mathematics: a pure function of its arguments and parameters, without memory of its own or `out=`.

It is what a reader compares with the formulas, and what may run on another array library that has NumPy's functions. What
repeats from time step to time step is a loop over lists, to which every step appends: h[t] is the state of step t, and in a
loop backward through time d_h[0] the adjoint of the last one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile
from textwrap import dedent
from typing import Any, NamedTuple

import numpy as np

from minigrad.compiler.calls import COPIED
from minigrad.compiler.lines import LEAF, RESHAPE, VIEW, Line, Lines
from minigrad.compiler.loops import Statement, rolled
from minigrad.compiler.names import REDUCED, Names
from minigrad.node import Array, Node

LEAST = 3  # time steps of a loop
APPENDED = re.compile(r"^ *(\w+)\.append\(", re.MULTILINE)
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
INFIX = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "matmul": "@", "power": "**", "greater": ">",
    "greater_equal": ">=", "less": "<", "less_equal": "<=", "equal": "==", "not_equal": "!=",
}  # fmt: skip
OWN = (  # functions of minigrad.ops
    "windows_of", "folded", "convolution_by_channel", "transposed_convolution", "log_gamma", "gamma_derivative", "log_beta",
)  # fmt: skip
CALL = re.compile(r"(?<![\w.])([a-z_]\w*)(\.reduce)?(?=\()")


class PureText(NamedTuple):
    """A pure program as source, and what it takes from elsewhere.

    names:      what the source does not define: large tables of numbers, generators, an fprop that is called as it stands
    parameters: the nodes whose arrays follow the arguments, by name
    """

    source: str
    names: dict[str, Any]
    parameters: dict[str, Node]


def pure_text(lines: Lines, arguments: Sequence[str]) -> PureText:
    """The source of a function of the arguments, then the parameters; new states are returned last."""
    repeated = _families(lines.order)
    if repeated:
        writer = _PureWriter(lines, arguments, repeated)
        in_loops = {name for text in writer.body() if text[0] == " " for name in APPENDED.findall(text)}
        repeated = [family for family in repeated if writer.lists[family[0]] in in_loops]
    return _PureWriter(lines, arguments, repeated).text()


def _families(order: Sequence[Line]) -> list[list[Line]]:
    """Lines that do the same in several time steps, in the order of the program."""
    found: dict[Any, list[Line]] = {}
    for line in order:
        computed = line.array is None and line.call.kind not in (LEAF, VIEW, RESHAPE) and line.call.text != COPIED.text
        if line.origin.step and computed:
            key = (line.origin.role, line.origin.adjoint, line.call.text, line.shape, line.dtype)
            found.setdefault(key, []).append(line)
    return [family for family in found.values() if len(family) >= LEAST]


class _PureWriter:
    """Lines as formulas. Those of a family are the entries of a list.

    of:    how the value of a line is written
    lists: the list of a family, by its first line;  entries: of a line of a family: the list, its length, the number in it
    """

    def __init__(self, lines: Lines, arguments: Sequence[str], families: Sequence[Sequence[Line]]) -> None:
        self.lines = lines
        in_lists = {line for family in families for line in family}
        apart = [line for line in lines.order if line.array is None and line not in in_lists]
        self.names = Names(
            lines.page.names,
            [line for line in apart if line.call.kind not in (LEAF, VIEW, RESHAPE) and line.call.text != COPIED.text],
        )
        self.arguments = {name: self.names.new(name) for name in arguments}
        self.parameters: dict[str, Node] = {}
        self.of: dict[Line, str] = {}
        self.tables: list[str] = []
        self.given: dict[str, Any] = {}
        self.family = {line: family for family in families for line in family}
        self.lists: dict[Line, str] = {}
        self.entries: dict[Line, tuple[str, int, int]] = {}
        self.counted: dict[str, int] = {}
        self.strict = _strict(lines)

    def text(self) -> PureText:
        body = _started(self.body())
        results = [self._result(line) for line in self.lines.results]
        body.append(f"return {', '.join(results)}{',' if len(results) == 1 else ''}")
        said = set(re.findall(r"(?<![\w.])[^\W\d]\w*", "\n".join(body)))
        self.given |= {
            name: thing for name, thing in self.lines.page.names.items() if name in said and name != "placed"
        }
        comments = [
            f"# {name}: {thing.__doc__}" for name, thing in self.given.items() if name.startswith(("fprop_", *OWN))
        ]
        helpers = ["", PLACED, "", ""] if "placed" in said else []
        head = f"def program({', '.join([*self.arguments.values(), *self.parameters])}):"
        source = "\n".join(
            ["import numpy as np", "", *self.tables, *comments, *helpers, head, *[f"    {line}" for line in body], ""]
        )
        return PureText(source, self.given, self.parameters)

    def body(self) -> list[str]:
        """The lines as statements, those that repeat as loops; lists are appended to before they are there."""
        statements = []
        for line in self.lines.order:
            expression = self._expression(line)
            if expression is None:
                continue
            if line in self.family:
                self._append(line)
                name = self.entries[line][0]
                statements.append(Statement(f"{name}.append({expression})", line.origin))
            else:
                self.of[line] = name = self.names.of(line)
                statements.append(Statement(f"{name} = {expression}", line.origin))
        return rolled(statements)

    def _append(self, line: Line) -> None:
        family = self.family[line]
        if line is family[0]:
            self.lists[line] = self.names.of(line)
            for member in family:
                self.names.call(member, self.lists[line])
        name = self.lists[family[0]]
        number = self.counted[name] = self.counted.get(name, -1) + 1
        self.entries[line] = name, len(family), number
        self.of[line] = f"{name}[{number}]"

    def _expression(self, line: Line) -> str | None:
        """What is assigned to the line's name; None where it needs none."""
        if line.array is not None:
            self.of[line] = self._constant(line, line.array)
            return None
        if line.call.kind == LEAF:
            if line.node is None:
                self.of[line] = self.arguments[line.call.text]
            else:
                self.of[line] = self.names.new(line.call.text or "parameter")
                self.parameters[self.of[line]] = line.node
            self.names.call(line, self.of[line])
            return None
        operands = [self.of[operand] for operand in line.operands]
        if line.call.text == COPIED.text:  # where a value lies is of no concern here
            self.of[line] = operands[0]
            if line.operands[0] in self.entries:
                self.entries[line] = self.entries[line.operands[0]]
            return None
        text = _qualified(line.call.text, self.lines.page.names)
        every = ", ".join([f"{{{i}}}" for i in range(len(operands))])
        for whole in (f"([{every}]", f"(({every})"):  # np.stack([a, b, c]), np.stack((a, b, c), 0)
            function, found, rest = text.partition(whole)
            if found and len(operands) > 1:
                return f"{function}({self._listed(line.operands)}{rest}"
        text = text.format(*operands, out="")
        if line.call.kind in (VIEW, RESHAPE):
            self.of[line] = text
            return None
        name = line.call.text.partition("(")[0]
        if name in INFIX and len(operands) == 2:
            return f"{operands[0]} {INFIX[name]} {operands[1]}"
        return f"-{operands[0]}" if name == "negative" else text

    def _listed(self, lines: Sequence[Line]) -> str:
        """The values of lines as a list: by the lists they are in, where several follow each other there."""
        items: list[str] = []
        at = 0
        while at < len(lines):
            length, text = self._stretch(lines[at:])
            items.append(text)
            at += length
        return items[0].removeprefix("*") if len(items) == 1 and items[0][0] == "*" else f"[{', '.join(items)}]"

    def _stretch(self, lines: Sequence[Line]) -> tuple[int, str]:
        """How many of the first lines follow each other in a list, forward or backward, and their part of it."""
        name, n, start = self.entries.get(lines[0], ("", 0, 0))
        for step in (1, -1):
            length = 1
            while length < len(lines) and self.entries.get(lines[length]) == (name, n, start + step * length):
                length += 1
            if length >= LEAST:
                stop = start + step * length
                part = slice(start if start != (0 if step > 0 else n - 1) else None, stop if 0 <= stop < n else None)
                text = f"{'' if part.start is None else part.start}:{'' if part.stop is None else part.stop}"
                text = text if step > 0 else f"{text}:-1"
                return length, f"*{name}" if text == ":" else f"*{name}[{text}]"
        return 1, self.of[lines[0]]

    def _result(self, line: Line) -> str:
        text = self.of[line]
        return text if line.array is None or text.isidentifier() else f"np.array({text}, np.{line.dtype.name})"

    def _constant(self, line: Line, array: Array) -> str:
        plain = not array.ndim and array.dtype.kind in "fi" and bool(np.isfinite(array))
        if plain and line not in self.strict:
            number = repr(array.item()) if array.dtype == np.float64 else str(array)
            if "e" not in number:  # 1e-08 would be counted on, as steps are
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
        numbers = re.sub("inf|nan", r"np.\g<0>", repr(array.tolist()))
        return f"np.array({numbers}, {dtype})"
    first = array.flat[0]
    if np.isfinite(first) and np.full(array.shape, first).tobytes() == array.tobytes():  # 0 and −0 are two numbers
        return f"np.full({array.shape}, {first.item()!r}, {dtype})"
    if array.dtype.kind == "i" and np.array_equal(array.ravel(), np.arange(array.size)):
        line = f"np.arange({array.size}, dtype={dtype})"
        return line if array.ndim == 1 else f"{line}.reshape{array.shape}"
    return None


def _started(body: Sequence[str]) -> list[str]:
    """The statements with every list there before it is appended to: it begins with its first entry, or empty."""
    started: set[str] = set()
    text: list[str] = []
    for i, line in enumerate(body):
        found = APPENDED.match(line)
        if line.startswith("for "):
            inside = takewhile(lambda inner: inner.startswith("    "), body[i + 1 :])
            new = [name for inner in inside for name in APPENDED.findall(inner) if name not in started]
            started.update(new)
            text += [f"{name} = []" for name in dict.fromkeys(new)]
        elif found is not None and found.group(1) not in started:
            started.add(found.group(1))
            line = f"{found.group(1)} = [{line[found.end() : -1]}]"
        text.append(line)
    return text


def _qualified(text: str, names: dict[str, Any]) -> str:
    """NumPy's functions and types by their full names; reductions by the names arrays have for them."""

    def full(match: re.Match[str]) -> str:
        name, reduce = match.groups()
        if reduce:
            return f"np.{REDUCED[name]}" if name in REDUCED else f"np.{name}.reduce"
        own = getattr(np, name, None) is names.get(name) or name == "where"
        return f"np.{name}" if (own and name in names) or name == "tile" else name

    text = re.sub(r"astype\((\{0\}), (\w+)\{out\}\)", r"\1.astype(\2)", text)
    text = re.sub(r"repeated\((\{0\}), (\d+)\{out\}\)", r"tile(\1.ravel(), \2)", text)
    text = re.sub(r"reshaped\(\{0\}, (\(.*\))\{out\}\)", r"{0}.reshape\1", text)
    text = re.sub(r"(?<![\w.])(float32|float64|int64|intp|bool|inf|nan)(?!\w)", r"np.\1", text)
    return CALL.sub(full, text)
