"""The program as mathematics: a pure function of its arguments and parameters, without memory of its own, `out=` or loops.

It is what a reader compares with the formulas, and what may run on another array library that has NumPy's functions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.compiler.calls import COPIED
from minigrad.compiler.lines import LEAF, RESHAPE, VIEW, Line, Lines
from minigrad.compiler.names import REDUCED, Names

INFIX = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "matmul": "@", "power": "**", "greater": ">",
    "greater_equal": ">=", "less": "<", "less_equal": "<=", "equal": "==", "not_equal": "!=",
}  # fmt: skip
OWN = ("windows_of", "folded", "transposed_convolution")  # functions of minigrad.ops.windows
CALL = re.compile(r"(?<![\w.])([a-z_]\w*)(\.reduce)?(?=\()")


def pure_text(lines: Lines, arguments: Sequence[str]) -> str:
    """The source of a function of the arguments, then the parameters; new states are returned last."""
    return _PureWriter(lines, arguments).text()


class _PureWriter:
    def __init__(self, lines: Lines, arguments: Sequence[str]) -> None:
        self.lines = lines
        self.names = Names(lines.page.names)
        self.arguments = {name: self.names.new(name) for name in arguments}
        self.parameters: list[str] = []
        self.of: dict[Line, str] = {}
        self.tables: list[str] = []

    def text(self) -> str:
        body = []
        said: Any = None
        for line in self.lines.order:
            expression = self._expression(line)
            if expression is None:
                continue
            head = (line.origin.scope, line.origin.adjoint)
            if head != said and line.origin.scope:
                body.append(
                    f"    # {'backward through ' if line.origin.adjoint else ''}{' '.join(line.origin.scope.split())}"
                )
                said = head
            self.of[line] = name = self.names.of(line)
            body.append(f"    {name} = {expression}")
        results = [self.of[line] for line in self.lines.results]
        body.append(f"    return {', '.join(results)}{',' if len(results) == 1 else ''}")
        called = set(re.findall(r"(?<!\.)\b(\w+)\(", "\n".join(body)))
        used = [name for name in self.lines.page.names if name in called and name.startswith(("fprop_", *OWN))]
        self.tables += [f"# {name}: {self.lines.page.names[name].__doc__}" for name in used]
        signature = ", ".join([*self.arguments.values(), *self.parameters])
        return "\n".join(["import numpy as np", "", *self.tables, f"def program({signature}):", *body, ""])

    def _expression(self, line: Line) -> str | None:
        """What is assigned to the line's name; None where it needs none."""
        if line.array is not None:
            self.of[line] = self._constant(line)
            return None
        if line.call.kind == LEAF:
            if line.node is None:
                self.of[line] = self.arguments[line.call.text]
            else:
                self.of[line] = self.names.new(line.call.text or "parameter")
                self.parameters.append(self.of[line])
            return None
        operands = [self.of[operand] for operand in line.operands]
        if line.call.text == COPIED.text:  # where a value lies is of no concern here
            self.of[line] = operands[0]
            return None
        text = _qualified(line.call.text, self.lines.page.names).format(*operands, out="")
        if line.call.kind in (VIEW, RESHAPE):
            self.of[line] = text
            return None
        name = line.call.text.partition("(")[0]
        if name in INFIX and len(operands) == 2:
            return f"{operands[0]} {INFIX[name]} {operands[1]}"
        return f"-{operands[0]}" if name == "negative" else text

    def _constant(self, line: Line) -> str:
        array = line.array
        assert array is not None
        if not array.ndim and array.dtype.kind in "fi" and np.isfinite(array):
            number = repr(array.item()) if array.dtype == np.float64 else str(array)
            return f"({number})" if number.startswith("-") else number
        name = self.names.new("constant")
        if array.size <= 16:
            self.tables.append(f"{name} = np.array({array.tolist()!r}, np.{array.dtype.name})")
        else:
            self.tables.append(f"# {name}: an array of shape {array.shape} and dtype {array.dtype}")
        return name


def _qualified(text: str, names: dict[str, Any]) -> str:
    """NumPy's functions and types by their full names; reductions by the names arrays have for them."""

    def full(match: re.Match[str]) -> str:
        name, reduce = match.groups()
        if reduce:
            return f"np.{REDUCED.get(name, name)}"
        own = getattr(np, name, None) is names.get(name) or name == "where"
        return f"np.{name}" if (own and name in names) or name == "tile" else name

    text = re.sub(r"astype\((\{0\}), (\w+)\{out\}\)", r"\1.astype(\2)", text)
    text = re.sub(r"repeated\((\{0\}), (\d+)\{out\}\)", r"tile(\1.ravel(), \2)", text)
    text = re.sub(r"reshaped\(\{0\}, (\(.*\))\{out\}\)", r"{0}.reshape\1", text)
    text = re.sub(r"(?<![\w.])(float16|float32|float64|int64|intp|bool|inf|nan)(?!\w)", r"np.\1", text)
    return CALL.sub(full, text)
