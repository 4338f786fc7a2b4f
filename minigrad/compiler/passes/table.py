"""Rewrites: other lines that compute the same, with less work. Each is a function from lines to lines; none changes a
result beyond rounding (`factors` and overflow aside), and each can be left out to see the plain program:
`mg.compile(f, rewrites=())`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from minigrad.compiler.ir import (
    ADD,
    COPIED,
    DIVIDE,
    EXP,
    LOG,
    MATMUL,
    MULTIPLY,
    NEGATIVE,
    RESHAPE,
    SUBTRACT,
    TRANSPOSED,
    VIEW,
    WHERE,
    Index,
    Op,
    Reduce,
    Reshape,
    Ufunc,
    column_slice,
)
from minigrad.compiler.lines import (
    Line,
    Lines,
    NotContracted,
    Origin,
    Page,
    columns_of,
    copy_of,
    in_order,
    number,
    rebuilt,
    uses_of,
)
from minigrad.compiler.passes.columns import gathered, split
from minigrad.compiler.passes.fusion import apart, parted
from minigrad.compiler.passes.gates import blocked
from minigrad.compiler.passes.images import at_once, in_rows
from minigrad.compiler.passes.time import batched, regrouped, stack_of

Rewrite = Callable[[Lines], Lines]
REWRITES: dict[str, Rewrite] = {}

COLUMN = Index.of(slice(None), None)
SQUARES = Ufunc("power")
FEWEST_ROWS = 8  # of a sum: fewer are added quickly
MANY = 3  # products: fewer are not worth a copy of their factors


def rewritten(lines: Lines, names: Sequence[str], backend: str = "numpy") -> Lines:
    """The lines after the rewrites of these names, as they are for the backend."""
    for ufunc in (np.multiply, np.add, np.subtract, np.negative, np.divide, np.matmul, np.exp):
        lines.page.names.setdefault(ufunc.__name__, ufunc)
    chosen = REWRITES if backend == "numpy" else REWRITES | IN_LOOPS
    for name, rewrite in chosen.items():
        if name in names:
            lines = rewrite(lines)
    return _detached(lines)


def _detached(lines: Lines) -> Lines:
    """Results that are a state's own memory, as copies: the states are written at the end, one after the other."""
    states = {state for state, _ in lines.updates}

    def own(line: Line) -> Line:
        base = line
        while base.op.kind in (VIEW, RESHAPE):
            base = base.operands[0]
        return copy_of(line) if base in states else line

    outputs = [own(line) for line in lines.outputs]
    updates = [(state, own(value)) for state, value in lines.updates]
    return Lines(lines.page, in_order([*outputs, *[value for _, value in updates]]), outputs, updates)


def rewrite(function: Rewrite) -> Rewrite:
    """Decorator: a rewrite, under its own name."""
    REWRITES[function.__name__] = function
    return function


@rewrite
def squares(lines: Lines) -> Lines:
    """Write x**2 as x * x."""

    def change(line: Line, operands: tuple[Line, ...]) -> Line | None:
        if line.op == SQUARES and _is_number(operands[1], 2) and operands[0].dtype == line.dtype:
            return lines.page.write(MULTIPLY, (operands[0], operands[0]), line.shape, line.dtype, line.origin)
        return None

    return rebuilt(lines, change)


@rewrite
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


@rewrite
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


@rewrite
def sums(lines: Lines) -> Lines:
    """Write a sum over all axes but the last as a product with ones: BLAS does it many times faster than NumPy adds rows."""
    page = lines.page

    def change(line: Line, operands: tuple[Line, ...]) -> Line | None:
        if line.dtype.name not in ("float32", "float64") or len(line.shape) != 1:
            return None
        if not (isinstance(line.op, Reduce) and line.op == Reduce("add", line.op.axes)):
            return None
        (x,) = operands
        if not isinstance(axes := line.op.axes, int | tuple) or len(x.shape) < 2:
            return None
        if sorted(axes if isinstance(axes, tuple) else (axes,)) != list(range(len(x.shape) - 1)):
            return None
        rows = prod(x.shape[:-1])
        if rows < FEWEST_ROWS:
            return None
        if len(x.shape) > 2:
            x = page.write(Reshape((rows, x.shape[-1])), (x,), (rows, x.shape[-1]), x.dtype, line.origin)
        ones = page.constant(_ones(rows, line.dtype))
        return page.write(MATMUL, (ones, x), line.shape, line.dtype, line.origin)

    return rebuilt(lines, change)


@lru_cache(maxsize=64)
def _ones(n: int, dtype: np.dtype[Any]) -> Any:
    return np.broadcast_to(np.ones((), dtype), (n,))  # known from call to call, it should not hold on to memory


@rewrite
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


@rewrite
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


@rewrite
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


@rewrite
def neighbors(lines: Lines) -> Lines:
    """Apply a function once to neighboring slices of one array: f(p[:, :2]) and f(p[:, 2:5]) become f(p[:, :5])."""
    while (joined := _joined_slices(lines)) is not lines:  # then the next function sees neighbors in its turn
        lines = joined
    return lines


class _Slice(NamedTuple):
    """What is computed of the columns start..stop of a base; `like` is equal where all else is the same."""

    start: int
    stop: int
    base: Line
    like: Any


def _slice_of(line: Line) -> _Slice | None:
    """Of an entrywise call whose operands are one slice of columns, and numbers."""
    if not line.op.entrywise:
        return None
    sliced = [x for x in line.operands if x.shape]
    if len(sliced) != 1 or not isinstance(sliced[0].op, Index) or sliced[0].array is not None:
        return None
    (base,) = sliced[0].operands
    part = columns_of(sliced[0])
    if part is None:
        return None
    start, stop = part
    others = tuple([None if x.shape else x for x in line.operands])
    return _Slice(start, stop, base, (line.op, line.dtype, base, others))


def _joined_slices(lines: Lines) -> Lines:
    page = lines.page
    families: dict[Any, list[tuple[int, int, Line]]] = {}
    for line in lines.order:
        found = _slice_of(line)
        if found is not None:
            families.setdefault(found.like, []).append((found.start, found.stop, line))
    runs: dict[Line, tuple[int, int]] = {}
    for family in families.values():
        for run in _side_by_side(sorted(family, key=lambda member: member[:2])):
            runs.update(dict.fromkeys([line for _, _, line in run], (run[0][0], run[-1][1])))
    if not runs:
        return lines

    def change(line: Line, operands: tuple[Line, ...]) -> Line | None:
        if line not in runs or (found := _slice_of(page.like(line, operands))) is None:
            return None
        first, last = runs[line]
        shape = (*line.shape[:-1], last - first)
        seen = found.base
        if shape != seen.shape:
            seen = page.write(column_slice(len(shape), first, last), (seen,), shape, seen.dtype, line.origin)
        whole = page.write(line.op, [seen if x.shape else x for x in operands], shape, line.dtype, line.origin.within())
        mine = column_slice(len(shape), found.start - first, found.stop - first)
        return page.write(mine, (whole,), line.shape, line.dtype, line.origin)

    return rebuilt(lines, change)


def _side_by_side(family: Sequence[tuple[int, int, Line]]) -> list[list[tuple[int, int, Line]]]:
    """Runs of two or more stretches, each of which begins where the one before ends."""
    runs: list[list[tuple[int, int, Line]]] = []
    for member in family:
        if runs and runs[-1][-1][1] == member[0]:
            runs[-1].append(member)
        else:
            runs.append([member])
    return [run for run in runs if len(run) > 1]


@rewrite
def products(lines: Lines) -> Lines:
    """Join a sum of many products, Σ A_i B_i of matrices or Σ a_i b_i' of vectors, into one product of the stacked factors."""
    page, uses = lines.page, uses_of(lines)

    def change(line: Line, operands: tuple[Line, ...]) -> Line | None:
        if line.op != ADD or line.dtype.kind != "f" or len(line.shape) not in (1, 2) or line in inner:
            return None
        terms, left_out = _terms(page, page.like(line, operands), line.shape, once)
        alike = [term for term in terms if term in once and term.dtype == line.dtype]
        found = [(term, factors) for term in alike if (factors := _factors(term)) is not None]
        if len(found) < MANY or len({(a.shape[:-1], b.shape[-1], len(b.shape)) for _, (a, b) in found}) > 1:
            return None
        found.sort(key=lambda pair: (pair[0].origin.step, pair[0].number))
        n = len(found) + left_out
        left = _side_of(page, [a for _, (a, _) in found], n, line.origin, first=True)
        right = _side_of(page, [b for _, (_, b) in found], n, line.origin, first=False)
        if left is None or right is None:
            return None
        joined = {term for term, _ in found}
        others = [term for term in terms if term not in joined]
        origins = [line.origin.within()] * len(others) + [line.origin]
        total = page.write(MATMUL, (left, right), line.shape, line.dtype, origins[0])
        for term, origin in zip(others, origins[1:], strict=True):
            total = page.write(ADD, (total, term), line.shape, line.dtype, origin)
        return total

    inner = {
        operand
        for line in lines.order
        if line.op == ADD
        for operand in line.operands
        if operand.op == ADD and uses[operand] == 1 and operand.shape == line.shape
    }
    once: set[Line] = set()

    def noted(line: Line, operands: tuple[Line, ...]) -> Line:
        made = change(line, operands) or (line if operands == line.operands else page.like(line, operands))
        if uses[line] == 1:
            once.add(made)
        return made

    return rebuilt(lines, noted)


def _terms(page: Page, line: Line, shape: tuple[int, ...], once: set[Line]) -> tuple[list[Line], int]:
    """The terms of a sum of sums that nobody else reads, and how many more there are in rounds that are left out."""
    terms, stack, left_out = [], [line], 0
    while stack:
        term = stack.pop()
        if term.op == ADD and term.shape == shape and (term is line or term in once):
            stack += term.operands[::-1]
            left_out += max(term.origin.leap, 0) or max([page.distance(x, term) - 1 for x in term.operands])
        else:
            terms.append(term)
    return terms, left_out


def _factors(term: Line) -> tuple[Line, Line] | None:
    """A and B of a matrix product A B; a and b of a product of vectors a[:, None] * b; ones and B of a sum of B's rows."""
    if term.op == MATMUL and all(len(x.shape) == 2 and x.dtype == term.dtype for x in term.operands):
        a, b = term.operands
        return a, b
    if term.op == MATMUL and len(term.operands[1].shape) == 2:
        ones, b = term.operands
        rows = ones.array is not None and len(ones.shape) == 1 and ones.dtype == b.dtype == term.dtype
        return (ones, b) if rows and bool(np.all(ones.array == 1)) else None
    if term.op == MULTIPLY and term.operands[0].op == COLUMN and len(term.operands[1].shape) == 1:
        column, b = term.operands
        return (column.operands[0], b) if column.dtype == b.dtype == term.dtype else None
    return None


def _side_of(page: Page, parts: Sequence[Line], n: int, origin: Origin, *, first: bool) -> Line | None:
    """The n factors side by side: the left ones (n, k) as (n, T k), the right ones (k, m) as (T k, m); vectors as (T, m)."""
    if first and len(parts[0].shape) == 1 and all(part.array is not None for part in parts):
        sizes = {part.size for part in parts}
        if len(parts) < n and len(sizes) > 1:
            raise NotContracted("sums of several lengths")
        return page.constant(_ones(sum(part.size for part in parts) + (n - len(parts)) * min(sizes), parts[0].dtype))
    turned = len(parts[0].shape) == 2 and all(part.op == TRANSPOSED for part in parts)
    plain = [part.operands[0] for part in parts] if turned else list(parts)
    upright = len(plain[0].shape) == 1 or first == turned  # whether they lie on top of each other
    if not upright or len({part.shape for part in plain}) > 1:
        return None
    stack = stack_of(page, plain, n, origin)
    rows = prod(stack.shape[:-1])
    if len(stack.shape) == 3:
        stack = page.write(Reshape((rows, stack.shape[-1])), (stack,), (rows, stack.shape[-1]), stack.dtype, origin)
    return page.write(TRANSPOSED, (stack,), stack.shape[::-1], stack.dtype, origin) if first else stack


@rewrite
def upright(lines: Lines) -> Lines:
    """Copy a transposed weight that the products of many time steps read: small ones are up to 1.4 times faster."""
    page = lines.page
    products = [line for line in lines.order if line.op == MATMUL and line.origin.step]
    taken = Counter([line.operands[1] for line in products if len(line.shape) == 2])
    many = {weight for weight, n in taken.items() if n >= MANY and weight.op == TRANSPOSED}

    def change(line: Line, operands: tuple[Line, ...]) -> Line | None:
        if line.op != MATMUL or line.operands[1] not in many:
            return None
        a, weight = operands
        copy = page.write(COPIED, (weight,), weight.shape, weight.dtype, weight.origin)
        return page.write(MATMUL, (a, copy), line.shape, line.dtype, line.origin)

    return rebuilt(lines, change) if many else lines


@rewrite
def factors(lines: Lines) -> Lines:
    """Regroup (a b) c as a (b c) in time steps that wait for each other, where only a waits: b c is computed for all at once.

    Likewise a − a b becomes a (1 − b). The results differ only where b c overflows although a b does not, and where a is
    infinite.
    """
    return regrouped(lines)


@rewrite
def gates(lines: Lines) -> Lines:
    """Lay out in blocks what every time step slices by columns, such as the gates of an LSTM: p[:, n:2n] becomes q[1]."""
    return blocked(lines)


@rewrite
def shared(lines: Lines) -> Lines:
    """Compute a product column by column where another product's stack holds some of its columns, so that none is copied."""
    return split(lines)


@rewrite
def columns(lines: Lines) -> Lines:
    """Write the narrow columns of a matrix, made in every time step, as blocks, and copy the blocks into its rows at once."""
    return gathered(lines)


@rewrite
def steps(lines: Lines) -> Lines:
    """Batch what every time step computes by itself into one line over all steps: squares of states, projections of inputs."""
    return batched(lines)


@rewrite
def rows(lines: Lines) -> Lines:
    """Compute with images and one number per channel in long rows, in which the numbers are repeated."""
    return in_rows(lines)


@rewrite
def reshapes(lines: Lines) -> Lines:
    """Merge consecutive reshapes."""
    return at_once(lines)


def _unchanged_lines(lines: Lines) -> Lines:
    """As they are: what saves calls at the cost of memory that is written and read again, a loop does better without."""
    return lines


# What takes the place of some of them where entrywise lines become compiled loops.
IN_LOOPS: dict[str, Rewrite] = {
    **dict.fromkeys(("neighbors", "factors", "columns"), _unchanged_lines),
    "gates": parted,
    "steps": apart,
}
