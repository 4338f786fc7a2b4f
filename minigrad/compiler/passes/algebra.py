"""Simplify lines by algebra: each pass exchanges lines for others with the same value up to rounding, whatever loop they are in."""

from __future__ import annotations

import numpy as np

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
    WHERE,
    Op,
    Reduce,
    Ufunc,
)  # fmt: skip
from minigrad.compiler.lines import Line, Lines, number, rebuilt, uses_of

SQUARES = Ufunc("power")


def squares(lines: Lines) -> Lines:
    """Write x**2 as x * x."""

    def change(line: Line, operands: tuple[Line, ...]) -> Line | None:
        if line.op == SQUARES and _is_number(operands[1], 2) and operands[0].dtype == line.dtype:
            return lines.page.write(MULTIPLY, (operands[0], operands[0]), line.shape, line.dtype, line.origin)
        return None

    return rebuilt(lines, change)


def identities(lines: Lines) -> Lines:
    """Drop what changes nothing: 1 x, x / 1, x − 0, and a choice made twice by one condition.

    x + 0 stays: it turns −0 into 0.
    """

    def change(line: Line, operands: tuple[Line, ...]) -> Line | None:
        kept = _unchanged(line, operands)
        return kept if kept is not None and (kept.shape, kept.dtype) == (line.shape, line.dtype) else None

    return rebuilt(lines, change)


def _unchanged(line: Line, operands: tuple[Line, ...]) -> Line | None:
    op = line.op
    if op in (MULTIPLY, DIVIDE) and _is_number(operands[1], 1):
        return operands[0]
    if op == SUBTRACT and _is_number(operands[1], 0) and not _is_negative_zero(operands[1]):
        return operands[0]
    if op == MULTIPLY and _is_number(operands[0], 1):
        return operands[1]
    if op == WHERE:
        inner = operands[1]
        again = inner.op == op and inner.operands[0] is operands[0] and inner.operands[2] is operands[2]
        return inner if again else None
    return None


def _is_negative_zero(line: Line) -> bool:
    return line.array is not None and bool(np.signbit(line.array))


def _is_number(line: Line, number: float) -> bool:
    return line.array is not None and not line.shape and line.array.item() == number


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
                page.constant(one) if (one := number(x)) is not None and (line.origin.role, i) not in changing else x
                for i, x in enumerate(operands)
            ]
        )
        return None if smaller == operands else page.write(line.op, smaller, line.shape, line.dtype, line.origin)

    return rebuilt(lines, change)


def signs(lines: Lines) -> Lines:
    """Move minus signs outward until a sum takes them in: (−a) b becomes −(a b), a + (−b) becomes a − b."""
    page, uses = lines.page, uses_of(lines)
    single: dict[Line, bool] = {}

    def change(line: Line, operands: tuple[Line, ...]) -> Line | None:
        single_before = [uses[operand] == 1 for operand in line.operands]
        negated = [
            x.operands[0] if x.op == NEGATIVE and x.dtype.kind == "f" and (once or single.get(x, False)) else None
            for x, once in zip(operands, single_before, strict=True)
        ]

        def make(op: Op, *parts: Line) -> Line:
            return page.write(op, parts, line.shape, line.dtype, line.origin)

        def outward(op: Op, *parts: Line) -> Line:
            new = make(NEGATIVE, page.write(op, parts, line.shape, line.dtype, line.origin.within()))
            single[new] = uses[line] == 1
            return new

        if line.dtype.kind != "f":
            return None
        if line.op == NEGATIVE and operands[0].op == NEGATIVE:
            return operands[0].operands[0]
        if line.op == ADD:
            a, b = operands
            if negated[0] is not None and negated[1] is not None:
                return outward(ADD, negated[0], negated[1])
            if a is b and a.op == NEGATIVE and a.dtype.kind == "f":
                return outward(ADD, a.operands[0], a.operands[0])
            if negated[1] is not None:
                return make(SUBTRACT, a, negated[1])
            if negated[0] is not None:
                return make(SUBTRACT, b, negated[0])
        if line.op == SUBTRACT and negated[1] is not None:
            return make(ADD, operands[0], negated[1])
        if line.op in (MULTIPLY, DIVIDE):
            if negated[0] is not None:
                return outward(line.op, negated[0], operands[1])
            if negated[1] is not None:
                return outward(line.op, operands[0], negated[1])
        return None

    return rebuilt(lines, change)


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
