"""Gates laid out as blocks: random gated cells, most of which can be laid out so and some of which cannot."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.models import GRU, LSTM
from tests.compiler.agreement import compare
from tests.compiler.random_loops import BATCH, OTHERS, cells
from tests.compiler.test_rewrites import lines_of
from tests.quick import examples


@examples(120)
@given(
    cells,
    st.sampled_from(
        [None, ["gates"], ["columns"], ["shared"], ["factors", "gates"], ["products", "shared", "columns"]]
    ),
)
def test_random_cells(graph, rewrites):
    compare(graph.f, *graph.calls, rewrites=rewrites)


def lstm_like(extra=None, steps=5):
    """The gradient of a cell of four gates, and of what `extra` makes of the pre-activations."""
    rng = np.random.default_rng(0)
    W, R, b = (mg.Parameter(rng.normal(0, 0.5, shape)) for shape in ((8, 2), (8, 2), (8,)))

    def f(x):
        h = c = mg.Constant(np.zeros((BATCH, 2)))
        driven = (x.reshape(-1, 2) @ R.T + b).reshape(steps, BATCH, 8)
        more = 0.0
        for t in range(steps):
            with mg.scope(f"t={t}"):
                p = driven[t] + h @ W.T
                gates = mg.sigmoid(p[:, :6])
                c = gates[:, 2:4] * c + gates[:, :2] * np.tanh(p[:, 6:])
                h = gates[:, 4:] * np.tanh(c)
                more = more + (0.0 if extra is None else np.sum(np.sin(extra(p, 2))))
        return mg.gradients(np.square(h).sum() + more, [W, R, b, x])

    return f, [[rng.normal(size=(steps, BATCH, 2))] for _ in range(3)]


def counting_from_the_end(steps=5):
    """The same cell with slices that count from the end."""
    rng = np.random.default_rng(0)
    W = mg.Parameter(rng.normal(0, 0.5, (8, 2)))

    def f(x):
        h = c = mg.Constant(np.zeros((BATCH, 2)))
        for t in range(steps):
            with mg.scope(f"t={t}"):
                p = x[t] @ W.T + h @ W.T
                gates = mg.sigmoid(p[..., :-2])
                c = gates[:, 2:-2] * c + gates[:, :-4] * np.tanh(p[:, -2:])
                h = gates[:, -2:] * np.tanh(c)
        return mg.gradients(np.square(h).sum(), [W, x])

    return f, [[rng.normal(size=(steps, BATCH, 2))] for _ in range(3)]


def test_slices_that_count_from_the_end_are_blocks_too():
    f, calls = counting_from_the_end()
    assert products_by_gate(f, calls) == 5
    compare(f, *calls)


def test_gates_that_are_returned_stay_in_rows():
    rng = np.random.default_rng(0)
    W = mg.Parameter(rng.normal(0, 0.5, (8, 2)))

    def f(x):
        h, seen = mg.Constant(np.zeros((BATCH, 2))), []
        for t in range(4):
            with mg.scope(f"t={t}"):
                p = x[t] @ W.T + h @ W.T
                gates = mg.sigmoid(p)
                h = gates[:, :2] * np.tanh(p[:, 2:4]) + gates[:, 4:6] * gates[:, 6:]
                seen += [p, gates]
        return h, seen

    calls = [[rng.normal(size=(4, BATCH, 2))] for _ in range(3)]
    assert products_by_gate(f, calls) == 0
    compare(f, *calls)


def products_by_gate(f, calls):
    """How many products of a program give blocks."""
    order = lines_of(f, calls[0], None).order
    return sum(line.text.startswith("matmul") and len(line.shape) == 3 for line in order)


def test_an_lstm_is_in_blocks():
    f, calls = lstm_like()
    assert products_by_gate(f, calls) == 5, "the product of every time step"
    compare(f, *calls)


@pytest.mark.parametrize("other", range(len(OTHERS)))
def test_what_others_read_as_rows_stays_in_rows(other):
    f, calls = lstm_like(OTHERS[other])
    assert products_by_gate(f, calls) == 0
    compare(f, *calls)


def test_what_is_computed_of_several_gates_and_read_whole_stays_in_rows():
    f, calls = lstm_like(lambda p, n: np.tanh(p[:, : 2 * n]) @ np.ones((2 * n, 1)))
    assert products_by_gate(f, calls) == 0
    compare(f, *calls)


@pytest.mark.parametrize("convention", ["update", "keep"])
@pytest.mark.parametrize("reset", ["before", "after"])
@pytest.mark.parametrize("biases", [0, 1, 2])
def test_gated_layers_are_in_blocks(convention, reset, biases):
    layers = [
        GRU(2, 3, convention=convention, reset=reset, biases=biases, rng=0, dtype=float),
        LSTM(2, 3, rng=0, dtype=float),
    ]
    for layer in layers:

        def f(x, layer=layer):
            loss = np.square(layer(x)).sum()
            return loss, mg.gradients(loss, [*layer.parameters(), x])

        calls = [[np.random.default_rng(seed).normal(size=(BATCH, 4, 2))] for seed in range(3)]
        assert products_by_gate(f, calls) == 4
        step = compare(f, *calls)
        step.verify(*calls[0])


def cell(read, width=8, driven_only=False, steps=4):
    """A cell that `read` makes of all its pre-activations, and of what the states contribute to them: (state, more outputs)."""
    rng = np.random.default_rng(0)
    W, R = mg.Parameter(rng.normal(0, 0.5, (width, 2))), mg.Parameter(rng.normal(0, 0.5, (width, 2)))

    def f(x):
        h, more = mg.Constant(np.zeros((BATCH, 2))), []
        for t in range(steps):
            with mg.scope(f"t={t}"):
                product = (x[t] if driven_only else h) @ W.T
                h, extra = read(product + x[t] @ R.T, product, h)
                more.append(extra)
        return h, *more

    return f, [[rng.normal(size=(steps, BATCH, 2))] for _ in range(3)]


def two_gates(p, product, h):
    return np.tanh(p[:, :2]) * np.tanh(p[:, 2:4]), None


@pytest.mark.parametrize(("gates", "products"), [(8, 4), (9, 0)])
def test_gates_may_be_too_many_for_blocks(gates, products):
    f, calls = cell(
        lambda p, product, h: (sum(np.tanh(p)[:, 2 * k : 2 * k + 2] for k in range(gates)), None), 2 * gates
    )
    assert products_by_gate(lambda x: f(x)[0], calls) == products


def test_columns_that_nobody_reads_are_no_gate():
    f, calls = cell(two_gates, width=5)
    compare(f, *calls)


def test_products_that_wait_for_nothing_stay_in_rows():
    f, calls = cell(lambda p, product, h: (np.tanh(p[:, :2]) * np.tanh(p[:, 2:4]) + h, None), width=4, driven_only=True)
    assert products_by_gate(f, calls) == 0
    assert all(len(line.shape) < 3 for line in lines_of(f, calls[0], ["gates"]).order if line.op.entrywise)
    compare(f, *calls)


def test_a_product_that_is_read_in_rows_too_is_made_once():
    f, calls = cell(lambda p, product, h: (two_gates(p, product, h)[0], np.sin(product).sum(axis=1)), width=4)
    order = lines_of(f, calls[0], ["gates"]).order
    assert sum(line.text.startswith("matmul(") for line in order) == 8, "two of each step"
    compare(f, *calls)
