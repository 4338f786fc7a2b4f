"""Make the matrix products of many time steps cheaper: join those that are summed, and copy the weights they all read.

A weight that every time step uses gets a gradient Σ_t A_t' B_t: one product of the stacked A and B computes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from minigrad.compiler.ir import ADD, COPIED, MATMUL, MULTIPLY, TRANSPOSED, Index, Reduce, Reshape
from minigrad.compiler.lines import Line, Lines, NotContracted, Origin, Page, rebuilt, uses_of
from minigrad.compiler.passes.time import stack_of

COLUMN = Index.of(slice(None), None)
FEWEST_ROWS = 8  # of a sum: fewer are added quickly
MANY = 3  # products: fewer are not worth a copy of their factors


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
        vector = page.constant(_ones(rows, line.dtype))
        return page.write(MATMUL, (vector, x), line.shape, line.dtype, line.origin)

    return rebuilt(lines, change)


@lru_cache(maxsize=64)
def _ones(n: int, dtype: np.dtype[Any]) -> Any:
    return np.broadcast_to(np.ones((), dtype), (n,))  # known from call to call, it should not hold on to memory


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
        left = _side_of(page, [a for _, (a, _) in found], n, line.origin.within(), first=True)
        right = _side_of(page, [b for _, (_, b) in found], n, line.origin.within(), first=False)
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
        vector, b = term.operands
        rows = vector.array is not None and len(vector.shape) == 1 and vector.dtype == b.dtype == term.dtype
        return (vector, b) if rows and bool(np.all(vector.array == 1)) else None
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
