"""Gates laid out as blocks: random gated cells, most of which can be laid out so and some of which cannot."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.models import GRU, LSTM
from tests.compiler.agreement import compare
from tests.compiler.test_rewrites import lines_of
from tests.quick import examples

BATCH = 3

PIECES = [
    lambda x, k: np.tanh(x),
    lambda x, k: mg.sigmoid(x),
    lambda x, k: x * 0.5 + x,
    lambda x, k: np.where(x > 0.1, x, 0.25),
    lambda x, k: mg.relu(x) - 0.2,
    lambda x, k: x * (1.0 - x),
    lambda x, k: np.maximum(x, np.tanh(x) * 2.0),
    lambda x, k: x + np.arange(1.0, 1.0 + x.shape[1]).astype(x.dtype),
    lambda x, k: x * np.arange(1.0, 1.0 + x.shape[0]).astype(x.dtype)[:, None],
    lambda x, k: x - mg.stop_gradient(np.cos(x)),
]
# What does not fit into blocks.
OTHERS = [
    lambda x, n: x.sum(axis=1, keepdims=True),
    lambda x, n: mg.softmax(x),
    lambda x, n: x @ np.ones((x.shape[1], 1), x.dtype),
    lambda x, n: x[:, 1 : 1 + n],
    lambda x, n: x[:, ::-1],
    lambda x, n: x.reshape(-1, 1)[: x.shape[0]],
    lambda x, n: np.concatenate([x[:, :1], x[:, n:]], axis=1)[:, :1],
]


def gated(units, gates, steps, cuts, pieces, others, flags, order, dtype, seed):
    """A cell whose pre-activations are cut into slices, each of which is computed on, cut again and combined."""
    at_once, transposed, bias, apart, second_state = flags
    rng = np.random.default_rng(seed)
    width = units * gates

    def parameter(*shape):
        return mg.Parameter(rng.normal(0, 0.5, shape).astype(dtype))

    W = parameter(width, units) if transposed else parameter(units, width)
    R, b, b_h = parameter(2, width), parameter(width), parameter(1, width)
    ends = sorted({0, gates, *[cut % gates for cut in cuts]})

    def slices(x, whole):
        """Slices of one gate each: of the whole, or of slices of it that are computed on before."""
        found = []
        for start, stop in pairwise(ends):
            part = whole if len(ends) == 2 else whole[:, start * units : stop * units]
            for piece in pieces:
                part = PIECES[piece % len(PIECES)](part, units)
            found += [part[:, k * units : (k + 1) * units] for k in range(stop - start)]
        return found

    def f(x):
        h = c = mg.Constant(np.zeros((BATCH, units), dtype))
        driven = (x.reshape(-1, 2) @ R + b).reshape(steps, BATCH, width) if at_once else None
        extra = []
        for t in range(steps):
            with mg.scope(f"t={t}"):
                now = driven[t] if at_once else x[t] @ R + b
                p = h @ (W.T if transposed else W)
                if bias:
                    p = p + b_h
                if apart:  # as a GRU does: slices of both, added
                    n = units * (gates - 1)
                    parts = [*slices(x, p[:, :n] + now[:, :n])][: gates - 1] if len(ends) == 2 else slices(x, p + now)
                    parts.append(np.tanh(now[:, -units:] + parts[0] * p[:, -units:]))
                else:
                    parts = slices(x, p + now)
                extra += [np.mean(OTHERS[other % len(OTHERS)](p, units)) for other in others]
                parts = [np.tanh(part) for part in parts]  # so that nothing overflows
                new = sum(part * (0.5 + i) for i, part in enumerate(parts[1:])) * parts[0]
                c = c * parts[-1] + new if second_state else new
                h = np.tanh(c) * parts[0]
        loss = np.square(h).sum() + sum(extra, mg.Constant(np.zeros((), dtype))) * 0.1
        wanted = [W, R, b, b_h, x]
        first = mg.gradients(loss, wanted) if order else ()
        again = mg.gradients(sum(np.sum(np.sin(g)) for g in first), wanted) if order > 1 else ()
        return loss, h, first, again

    calls = [[np.asarray(rng.normal(size=(steps, BATCH, 2)), dtype)] for _ in range(3)]
    return f, calls


small = st.integers(0, 9)
cells = st.tuples(
    st.integers(1, 3), st.integers(2, 4), st.integers(1, 5), st.lists(small, max_size=2), st.lists(small, max_size=3),
    st.lists(small, max_size=1), st.tuples(*[st.booleans()] * 5), st.integers(0, 2), st.sampled_from(["float64", "float32"]),
    st.integers(0, 99),
)  # fmt: skip


@examples(120)
@given(
    cells,
    st.sampled_from(
        [None, ["gates"], ["columns"], ["shared"], ["factors", "gates"], ["products", "shared", "columns"]]
    ),
)
def test_random_cells(recipe, rewrites):
    f, calls = gated(*recipe)
    compare(f, *calls, rewrites=rewrites)


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
    return sum(line.call.text.startswith("matmul") and len(line.shape) == 3 for line in order)


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
