"""Rewrites: other lines that compute the same, with less work. Each is a function from lines to lines; none changes a
result beyond rounding, and each can be left out to see the plain program: `mg.compile(f, rewrites=())`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.compiler.lines import INTO, VIEW, Call, Line, Lines, rebuilt
from minigrad.compiler.steps import batched, regrouped

Rewrite = Callable[[Lines], Lines]
REWRITES: dict[str, Rewrite] = {}

MULTIPLY, ADD, SUBTRACT, NEGATIVE, DIVIDE = (
    Call(INTO, text, entrywise=True)
    for text in (
        "multiply({0}, {1}{out})",
        "add({0}, {1}{out})",
        "subtract({0}, {1}{out})",
        "negative({0}{out})",
        "divide({0}, {1}{out})",
    )
)
MATMUL = Call(INTO, "matmul({0}, {1}{out})")
EXP = Call(INTO, "exp({0}{out})", entrywise=True)
LOG = Call(INTO, "log({0}{out})", entrywise=True)
TRANSPOSED = Call(VIEW, "{0}.T")


def rewritten(lines: Lines, names: Sequence[str]) -> Lines:
    """The lines after the rewrites of these names."""
    for ufunc in (np.multiply, np.add, np.subtract, np.negative, np.divide, np.matmul, np.exp):
        lines.page.names.setdefault(ufunc.__name__, ufunc)
    for name, rewrite in REWRITES.items():
        if name in names:
            lines = rewrite(lines)
    return lines


def rewrite(function: Rewrite) -> Rewrite:
    """Decorator: a rewrite, under its own name."""
    REWRITES[function.__name__] = function
    return function


def _uses(lines: Lines) -> dict[Line, int]:
    """How many readers each line has."""
    uses: dict[Line, int] = dict.fromkeys(lines.results, 1)
    for line in lines.order:
        for operand in line.operands:
            uses[operand] = uses.get(operand, 0) + 1
    return uses


@rewrite
def squares(lines: Lines) -> Lines:
    """x**2 as x * x."""

    def change(line: Line, operands: tuple[Line, ...]) -> Line | None:
        if line.call.text == "power({0}, {1}{out})" and _is_number(operands[1], 2) and operands[0].dtype == line.dtype:
            return lines.page.write(MULTIPLY, (operands[0], operands[0]), line.shape, line.dtype, line.origin)
        return None

    return rebuilt(lines, change)


@rewrite
def identities(lines: Lines) -> Lines:
    """What changes nothing goes: 1 x, x / 1, x + 0, x − 0, and a choice made twice by one condition."""

    def change(line: Line, operands: tuple[Line, ...]) -> Line | None:
        kept = _unchanged(line, operands)
        return kept if kept is not None and (kept.shape, kept.dtype) == (line.shape, line.dtype) else None

    return rebuilt(lines, change)


def _unchanged(line: Line, operands: tuple[Line, ...]) -> Line | None:
    call = line.call
    if call in (MULTIPLY, DIVIDE) and _is_number(operands[1], 1):
        return operands[0]
    if call in (ADD, SUBTRACT) and _is_number(operands[1], 0):
        return operands[0]
    if call == MULTIPLY and _is_number(operands[0], 1):
        return operands[1]
    if call == ADD and _is_number(operands[0], 0):
        return operands[1]
    if call.text.startswith("where("):
        inner = operands[1]
        again = inner.call == call and inner.operands[0] is operands[0] and inner.operands[2] is operands[2]
        return inner if again else None
    return None


def _is_number(line: Line, number: float) -> bool:
    return line.array is not None and not line.shape and line.array.item() == number


@rewrite
def numbers(lines: Lines) -> Lines:
    """A constant whose entries are all the same as one number, where another operand has the shape."""
    page = lines.page

    def change(line: Line, operands: tuple[Line, ...]) -> Line | None:
        if not line.call.entrywise or not any(x.array is None and x.shape == line.shape for x in operands):
            return None
        smaller = tuple([page.constant(_one_of(x.array)) if _is_uniform(x) else x for x in operands])
        return None if smaller == operands else page.write(line.call, smaller, line.shape, line.dtype, line.origin)

    return rebuilt(lines, change)


def _is_uniform(line: Line) -> bool:
    array = line.array
    return array is not None and array.size > 1 and array.tobytes() == _one_of(array).tobytes() * array.size


def _one_of(array: Any) -> Any:
    return np.array(array.flat[0], array.dtype)


@rewrite
def signs(lines: Lines) -> Lines:
    """Minus signs move outward, until a sum takes them in: (−a) b as −(a b), a + (−b) as a − b."""
    page, uses = lines.page, _uses(lines)
    single: dict[Line, bool] = {}

    def change(line: Line, operands: tuple[Line, ...]) -> Line | None:
        single_before = [uses[operand] == 1 for operand in line.operands]
        negated = [
            x.operands[0] if x.call == NEGATIVE and x.dtype.kind == "f" and (once or single.get(x, False)) else None
            for x, once in zip(operands, single_before, strict=True)
        ]

        def make(call: Call, *parts: Line) -> Line:
            return page.write(call, parts, line.shape, line.dtype, line.origin)

        def outward(inside: Line) -> Line:
            new = make(NEGATIVE, inside)
            single[new] = uses[line] == 1
            return new

        if line.dtype.kind != "f":
            return None
        if line.call == NEGATIVE and operands[0].call == NEGATIVE:
            return operands[0].operands[0]
        if line.call == ADD:
            a, b = operands
            if negated[0] is not None and negated[1] is not None:
                return outward(make(ADD, negated[0], negated[1]))
            if a is b and a.call == NEGATIVE and a.dtype.kind == "f":
                return outward(make(ADD, a.operands[0], a.operands[0]))
            if negated[1] is not None:
                return make(SUBTRACT, a, negated[1])
            if negated[0] is not None:
                return make(SUBTRACT, b, negated[0])
        if line.call == SUBTRACT and negated[1] is not None:
            return make(ADD, operands[0], negated[1])
        if line.call in (MULTIPLY, DIVIDE):
            if negated[0] is not None:
                return outward(make(line.call, negated[0], operands[1]))
            if negated[1] is not None:
                return outward(make(line.call, operands[0], negated[1]))
        return None

    return rebuilt(lines, change)


@rewrite
def transposes(lines: Lines) -> Lines:
    """(x')' as x, and (A B)' as B' A' where nobody else reads A B: transposing costs a product nothing."""
    page, uses = lines.page, _uses(lines)

    def turned(x: Line) -> Line:
        if x.call == TRANSPOSED:
            return x.operands[0]
        return page.write(TRANSPOSED, (x,), x.shape[::-1], x.dtype, x.origin)

    def change(line: Line, operands: tuple[Line, ...]) -> Line | None:
        if line.call != TRANSPOSED or len(line.shape) != 2:
            return None
        (x,) = operands
        if x.call == TRANSPOSED:
            return x.operands[0]
        if x.call == MATMUL and uses[line.operands[0]] == 1 and all(len(y.shape) == 2 for y in x.operands):
            a, b = x.operands
            return page.write(MATMUL, (turned(b), turned(a)), line.shape, line.dtype, line.origin)
        return None

    return rebuilt(lines, change)


@rewrite
def softmaxes(lines: Lines) -> Lines:
    """The exponential of a log-softmax, e^(z − ln s), as e^z / s: e^z is there already."""
    page = lines.page
    exponentials = {line.operands[0]: line for line in lines.order if line.call == EXP}

    def change(line: Line, operands: tuple[Line, ...]) -> Line | None:
        if line.call != EXP or line.operands[0].call != SUBTRACT:
            return None
        z, log = line.operands[0].operands
        if (
            log.call != LOG
            or z not in exponentials
            or not _is_sum_of(log.operands[0], exponentials[z])
            or not _is_shifted(z)
        ):
            return None
        new_z, new_log = operands[0].operands
        e = page.write(EXP, (new_z,), new_z.shape, new_z.dtype, exponentials[z].origin)
        return page.write(DIVIDE, (e, new_log.operands[0]), line.shape, line.dtype, line.origin)

    return rebuilt(lines, change)


def _is_sum_of(line: Line, e: Line) -> bool:
    """Whether it is Σ e, or max(Σ e, 1)."""
    if line.call.text.startswith("maximum(") and _is_number(line.operands[1], 1):
        line = line.operands[0]
    return line.call.text.startswith("add.reduce(") and line.operands[0] is e


def _is_shifted(z: Line) -> bool:
    """Whether it is x − max x: no exponential of it overflows."""
    return (
        z.call == SUBTRACT
        and (m := z.operands[1]).call.text.startswith("maximum.reduce(")
        and m.operands[0] is z.operands[0]
    )


@rewrite
def factors(lines: Lines) -> Lines:
    """In time steps that wait for each other (a b) c as a (b c), where only a waits: the rest can be done for all at once."""
    return regrouped(lines)


@rewrite
def steps(lines: Lines) -> Lines:
    """What every time step does by itself, as one line over all of them: squares of states, projections of inputs."""
    return batched(lines)
