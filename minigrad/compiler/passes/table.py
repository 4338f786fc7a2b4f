"""List the passes: what each does, for which backend, after which others it stands, and what it wins.

A pass is a function from lines to other lines that compute the same with less work. None changes a result beyond rounding
(`factors` and overflow aside), whatever others run before or after it, and each can be left out to see the program without it:
`mg.compile(f, rewrites=())`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from minigrad.compiler.ir import RESHAPE, VIEW
from minigrad.compiler.lines import Line, Lines, copy_of, in_order
from minigrad.compiler.passes.algebra import identities, numbers, signs, softmaxes, squares, transposes
from minigrad.compiler.passes.columns import gathered, split
from minigrad.compiler.passes.fusion import apart, parted
from minigrad.compiler.passes.gates import blocked
from minigrad.compiler.passes.images import at_once, in_rows
from minigrad.compiler.passes.products import products, sums, upright
from minigrad.compiler.passes.slices import neighbors
from minigrad.compiler.passes.time import batched, regrouped

Rewrite = Callable[[Lines], Lines]


class Pass(NamedTuple):
    """A pass.

    numpy: its function, for programs of NumPy calls
    numba: its function where entrywise lines become compiled loops; None where memory costs more than the calls it saves
    """

    numpy: Rewrite
    numba: Rewrite | None


# In the order in which they run.
REWRITES: dict[str, Pass] = {
    "squares": Pass(squares, squares),
    "identities": Pass(identities, identities),
    "numbers": Pass(numbers, numbers),
    "sums": Pass(sums, sums),
    "signs": Pass(signs, signs),
    "transposes": Pass(transposes, transposes),
    "softmaxes": Pass(softmaxes, softmaxes),
    "neighbors": Pass(neighbors, None),
    "products": Pass(products, products),
    "upright": Pass(upright, upright),
    "factors": Pass(regrouped, None),
    "gates": Pass(blocked, parted),
    "shared": Pass(split, split),
    "columns": Pass(gathered, None),
    "steps": Pass(batched, apart),
    "rows": Pass(in_rows, in_rows),
    "reshapes": Pass(at_once, at_once),
}


def rewritten(lines: Lines, names: Sequence[str], backend: str = "numpy") -> Lines:
    """Run the passes of these names, in their order, as they are for the backend."""
    for ufunc in (np.multiply, np.add, np.subtract, np.negative, np.divide, np.matmul, np.exp):
        lines.page.names.setdefault(ufunc.__name__, ufunc)
    for name in names:
        run = REWRITES[name].numpy if backend == "numpy" else REWRITES[name].numba
        lines = lines if run is None else run(lines)
    return _detached(lines)


def _detached(lines: Lines) -> Lines:
    """Copy results that are a state's own memory: the states are written at the end, one after the other."""
    states = {state for state, _ in lines.updates}

    def own(line: Line) -> Line:
        base = line
        while base.op.kind in (VIEW, RESHAPE):
            base = base.operands[0]
        return copy_of(line) if base in states else line

    outputs = [own(line) for line in lines.outputs]
    updates = [(state, own(value)) for state, value in lines.updates]
    return Lines(lines.page, in_order([*outputs, *[value for _, value in updates]]), outputs, updates)
