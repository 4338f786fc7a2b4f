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
from minigrad.compiler.passes.algebra import numbers, signs, softmaxes, transposes
from minigrad.compiler.passes.columns import columns, shared
from minigrad.compiler.passes.fusion import apart, parted
from minigrad.compiler.passes.gates import gates
from minigrad.compiler.passes.images import reshapes, rows
from minigrad.compiler.passes.products import products, sums, upright
from minigrad.compiler.passes.slices import neighbors
from minigrad.compiler.passes.time import batched, regrouped

Rewrite = Callable[[Lines], Lines]


class Pass(NamedTuple):
    """A pass.

    numpy: its function, for programs of NumPy calls
    numba: its function where entrywise lines become compiled loops; None where memory costs more than the calls it saves
    after: passes that make what it works on; before them it computes the same, and finds less to do
    wins:  a row of the benchmarks or another net, and how much longer its step takes without the pass
    """

    numpy: Rewrite
    numba: Rewrite | None
    after: tuple[str, ...]
    wins: str


# In the order in which they run unless the user says another.
REWRITES: dict[str, Pass] = {
    "numbers": Pass(numbers, numbers, (), "RNN by hand: 11 %"),
    "sums": Pass(sums, sums, (), "rnn-3: 18 %"),
    "signs": Pass(signs, signs, (), "RNN by hand: 7 %"),
    "transposes": Pass(transposes, transposes, (), "mlp-sgd: 6 %"),
    "softmaxes": Pass(softmaxes, softmaxes, (), "softmax of 300 classes: 5 %"),
    "neighbors": Pass(neighbors, None, (), "LSTM by hand: 4 %"),
    "products": Pass(products, products, ("sums", "transposes"), "RNN by hand: 46 %"),
    "upright": Pass(upright, upright, (), "rnn-50: 8 %"),
    "factors": Pass(regrouped, None, ("signs",), "gru-16: 19 %"),
    "gates": Pass(gates, parted, ("neighbors", "factors"), "gru-16: 11 %"),
    "shared": Pass(shared, shared, ("transposes", "products"), "gru-16: 5 %"),
    "columns": Pass(columns, None, ("products", "shared"), "gru-16: 6 %"),
    "steps": Pass(batched, apart, ("factors", "gates", "shared"), "rnn-3: 24 %"),
    "rows": Pass(rows, rows, (), "lenet: 2 %"),
    "reshapes": Pass(reshapes, reshapes, (), "lenet: 0 %, and four lines of text"),
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
