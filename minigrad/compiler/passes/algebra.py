"""Simplify lines by algebra: each pass exchanges lines for others with the same value up to rounding, whatever loop they are in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minigrad.compiler.ir import (
    ADD,
    DIVIDE,
    EXP,
    LOG,
    MATMUL,
    MULTIPLY,
    NEGATIVE,
    SUBTRACT,
    TRANSPOSED,
    Op,
    Reduce,
    Ufunc,
)  # fmt: skip
from minigrad.compiler.lines import Line, Lines, Origin, Page, rebuilt, uniform_number, uses_of

Formula = tuple[Any, ...]  # an operation, and for each operand a name or a formula


def numbers(lines: Lines) -> Lines:
    """Replace a constant array of equal entries by one number, where another operand has the shape.

    The first state of a recurrent net stays an array, so that the first time step is like all others.
    """
    page = lines.page
    changing = {
        (line.origin.role, i)
        for line in lines.order
        if line.origin.step
        for i, x in enumerate(line.operands)
        if x.array is None
    }

    def change(line: Line, operands: tuple[Line, ...]) -> Line | None:
        if not line.op.entrywise or not any(x.array is None and x.shape == line.shape for x in operands):
            return None
        smaller = tuple(
            [
                page.constant(one)
                if (one := uniform_number(x)) is not None and (line.origin.role, i) not in changing
                else x
                for i, x in enumerate(operands)
            ]
        )
        return None if smaller == operands else page.write(line.op, smaller, line.shape, line.dtype, line.origin)

    return rebuilt(lines, change)


# What an operation on a or −a and on b or −b is, written by a and b: a minus sign less each time, or further out.
MINUS_A, MINUS_B, BOTH = (True, False), (False, True), (True, True)
SIGNS: dict[tuple[Op, tuple[bool, bool]], Formula] = {
    (ADD, BOTH): (NEGATIVE, (ADD, "a", "b")),
    (ADD, MINUS_A): (SUBTRACT, "b", "a"),
    (ADD, MINUS_B): (SUBTRACT, "a", "b"),
    (SUBTRACT, BOTH): (SUBTRACT, "b", "a"),
    (SUBTRACT, MINUS_B): (ADD, "a", "b"),
    (MULTIPLY, BOTH): (MULTIPLY, "a", "b"),
    (MULTIPLY, MINUS_A): (NEGATIVE, (MULTIPLY, "a", "b")),
    (MULTIPLY, MINUS_B): (NEGATIVE, (MULTIPLY, "a", "b")),
    (DIVIDE, BOTH): (DIVIDE, "a", "b"),
    (DIVIDE, MINUS_A): (NEGATIVE, (DIVIDE, "a", "b")),
    (DIVIDE, MINUS_B): (NEGATIVE, (DIVIDE, "a", "b")),
}


def signs(lines: Lines) -> Lines:
    """Move minus signs outward until a sum takes them in: (−a) b becomes −(a b), a + (−b) becomes a − b."""
    page, uses = lines.page, uses_of(lines)
    once: set[Line] = set()  # the new lines with a single reader

    def change(line: Line, operands: tuple[Line, ...]) -> Line | None:
        if line.dtype.kind != "f":
            return None
        if line.op == NEGATIVE and operands[0].op == NEGATIVE:
            return operands[0].operands[0]
        if line.op not in (ADD, SUBTRACT, MULTIPLY, DIVIDE):
            return None
        doubled = line.op == ADD and operands[0] is operands[1]
        a, b = (
            x.op == NEGATIVE and x.dtype.kind == "f" and (uses[old] == 1 or x in once or doubled)
            for old, x in zip(line.operands, operands, strict=True)
        )
        formula = SIGNS.get((line.op, (a, b)))
        if formula is None:
            return None
        left, right = operands
        made = _written(
            page, formula, line, {"a": left.operands[0] if a else left, "b": right.operands[0] if b else right}
        )
        if uses[line] == 1:
            once.add(made)
        return made

    return rebuilt(lines, change)


def _written(page: Page, formula: Formula, line: Line, named: Mapping[str, Line]) -> Line:
    """Write a formula in the place of a line, of the same shape and dtype."""

    def inner(part: str | Formula) -> Line:
        return named[part] if isinstance(part, str) else of(part, line.origin.within())

    def of(formula: Formula, origin: Origin) -> Line:
        op, *parts = formula
        return page.write(op, [inner(part) for part in parts], line.shape, line.dtype, origin)

    return of(formula, line.origin)


def transposes(lines: Lines) -> Lines:
    """Cancel transposes: (x')' becomes x, and (A B)' becomes B' A' where nothing else reads A B. Products read
    transposed matrices at no cost.
    """
    page, uses = lines.page, uses_of(lines)

    def turned(x: Line) -> Line:
        if x.op == TRANSPOSED:
            return x.operands[0]
        return page.write(TRANSPOSED, (x,), x.shape[::-1], x.dtype, x.origin)

    def change(line: Line, operands: tuple[Line, ...]) -> Line | None:
        if line.op != TRANSPOSED or len(line.shape) != 2:
            return None
        (x,) = operands
        if x.op == TRANSPOSED:
            return x.operands[0]
        if x.op == MATMUL and uses[line.operands[0]] == 1 and all(len(y.shape) == 2 for y in x.operands):
            a, b = x.operands
            return page.write(MATMUL, (turned(b), turned(a)), line.shape, line.dtype, line.origin)
        return None

    return rebuilt(lines, change)


def softmaxes(lines: Lines) -> Lines:
    """Compute the exponential of a log-softmax, e^(z − ln s), as e^z / s: e^z is known already."""
    page = lines.page
    exponentials = {line.operands[0]: line for line in lines.order if line.op == EXP}

    def change(line: Line, operands: tuple[Line, ...]) -> Line | None:
        if line.op != EXP or line.operands[0].op != SUBTRACT:
            return None
        z, log = line.operands[0].operands
        if log.op != LOG or z not in exponentials or not _is_shifted_sum(log.operands[0], exponentials[z]):
            return None
        new_z, new_log = operands[0].operands
        e = page.write(EXP, (new_z,), new_z.shape, new_z.dtype, exponentials[z].origin)
        return page.write(DIVIDE, (e, new_log.operands[0]), line.shape, line.dtype, line.origin)

    return rebuilt(lines, change)


def _is_shifted_sum(line: Line, e: Line) -> bool:
    """Whether it is Σ e, or max(Σ e, 1), of e = e^(x − max x) over the same axes: then no exponential overflows."""
    if line.op == Ufunc("maximum") and _is_number(line.operands[1], 1):
        line = line.operands[0]
    (z,) = e.operands
    if line.operands[:1] != (e,) or z.op != SUBTRACT or z.operands[1].operands[:1] != z.operands[:1]:
        return False
    total, largest = line.op, z.operands[1].op
    if not isinstance(total, Reduce) or not isinstance(largest, Reduce):
        return False
    reduced = (total.name, largest.name) == ("add", "maximum")
    return reduced and (total.axes, total.keepdims) == (largest.axes, largest.keepdims)


def _is_number(line: Line, value: float) -> bool:
    return line.array is not None and not line.shape and line.array.item() == value
