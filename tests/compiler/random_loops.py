"""Random loops over time, written by hand: states that wait for each other, cells whose gates are slices of one matrix, and the
nets of the benchmarks at small sizes. As in `random_graphs`, every list of integers is a valid function.
"""

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

import minigrad as mg
from benchmarks.contestants.nodes import Eager
from benchmarks.rows import ROWS, problem
from tests.compiler.random_graphs import SPELLINGS, Random, dtypes, measured, seeds

# Loops of states ---------------------------------------------------------------------------------------------------

FEATURES, UNITS = 2, 3

SMOOTH = [np.tanh, mg.sigmoid, np.sin, np.square, lambda a: a * 0.5 + 1.0, lambda a: -a, lambda a: np.exp(-a * a)]
JOINED = [lambda a, b: a + b, lambda a, b: a * b, lambda a, b: a - b, np.maximum]


def loop_graph(steps, states, lag, program, order, flags, dtype, seed):
    """Up to three states; each instruction of a time step is (function, which, which other, how both are joined).

    states: h_t of h_{t−1} and h_{t−lag}; with none, time steps do not wait for each other
    order:  1: gradients of the loss;  2: of the loss and a penalty on its adjoints λ_t
    flags:  backward in time; a loss in every time step; the penalty compares neighbors; time is the first axis
    """
    backward, every, compares, time_first = flags
    rng, batch = np.random.default_rng(seed), 1 + seed // len(SPELLINGS) % 3
    shapes = {"W": (UNITS, FEATURES), "R": (UNITS, UNITS), "b": (UNITS,)}
    W, R, b = parameters = [
        mg.Parameter(np.asarray(rng.normal(0, 0.7, shape), dtype), name=name) for name, shape in shapes.items()
    ]
    spelling = SPELLINGS[seed % len(SPELLINGS)]

    def f(u):
        zero = mg.Constant(np.zeros((batch, UNITS), dtype))
        series, outputs, loss = [[zero] * lag for _ in range(states)], [], zero.sum()
        for t in reversed(range(steps)) if backward else range(steps):
            with spelling(t):
                pool = [(u[t] if time_first else u[:, t]) @ W.T + b, *[h[-1] for h in series]]
                pool += [h[-lag] @ R.T for h in series[:1]]
                for what, i, j, how in program:
                    joined = JOINED[how % len(JOINED)](pool[i % len(pool)], pool[j % len(pool)])
                    pool.append(SMOOTH[what % len(SMOOTH)](joined))
                for k, h in enumerate(series):
                    h.append(np.tanh(pool[-1 - k % len(pool)] + (h[-lag] if k else 0.0)))
                outputs.append(series[0][-1] if series else np.tanh(pool[-1]))
                if every:
                    loss = loss + np.square((series[-1] if series else outputs)[-1]).mean()
        loss = loss + np.square(outputs[-1]).sum()
        if order == 2:
            norms = [np.square(adjoint).sum() for adjoint in mg.gradients(loss, outputs)]
            pairs = [np.square(b / (a + 1.0) - 1.0) for a, b in pairwise(norms)] if compares else norms
            loss = loss + 0.1 * sum(pairs)
        return loss, outputs[-1], mg.gradients(loss, [W, R, b, u]) if order else None

    shape = (steps, batch, FEATURES) if time_first else (batch, steps, FEATURES)
    calls = [[np.asarray(rng.normal(size=shape), dtype)] for _ in range(3)]
    return Random(f, calls, parameters, f"loop_graph{steps, states, lag, program, order, flags, dtype, seed}")


# Cells with gates --------------------------------------------------------------------------------------------------

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


def gated_graph(units, gates, steps, cuts, pieces, others, flags, order, dtype, seed):
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
    recipe = f"gated_graph{units, gates, steps, cuts, pieces, others, flags, order, dtype, seed}"
    return Random(f, calls, [W, R, b, b_h], recipe)


# Nets of the benchmarks --------------------------------------------------------------------------------------------


def net_graph(name, sizes, order, dtype, seed):
    """The loss and the gradients of a row of `benchmarks.rows`, at these sizes."""
    made = problem(ROWS[name].sized(**sizes), dtype, seed)
    net, rng = Eager(made), np.random.default_rng(seed)

    def f(*feeds):
        loss, wanted = (net.loss(net.model, *feeds), net.trained) if feeds[1:] else (net.loss(*feeds), feeds)
        first = mg.gradients(loss, wanted) if order else ()
        return loss, first, mg.gradients(measured(first), wanted) if order > 1 else None

    def feeds():
        if made.inputs is None:
            return [np.asarray(rng.normal(size=sizes["size"]), dtype)]
        return [np.asarray(rng.normal(size=made.inputs.shape), dtype), rng.permutation(made.targets)]

    recipe = f"net_graph{name, sizes, order, dtype, seed}"
    return Random(f, [feeds() for _ in range(3)], net.trained if made.inputs is not None else [], recipe)


few = st.integers(1, 4)
small = st.integers(0, 9)
loops = st.builds(
    loop_graph,
    steps=st.integers(2, 13),
    states=st.integers(0, 3),
    lag=st.integers(1, 2),
    program=st.lists(st.tuples(small, small, small, small), min_size=1, max_size=5),
    order=st.integers(0, 2),
    flags=st.tuples(*[st.booleans()] * 4),
    dtype=dtypes,
    seed=seeds,
)
cells = st.builds(
    gated_graph,
    units=st.integers(1, 3),
    gates=st.integers(2, 4),
    steps=st.integers(1, 5),
    cuts=st.lists(small, max_size=2),
    pieces=st.lists(small, max_size=3),
    others=st.lists(small, max_size=1),
    flags=st.tuples(*[st.booleans()] * 5),
    order=st.integers(0, 2),
    dtype=dtypes,
    seed=seeds,
)
_sequences = st.fixed_dictionaries({"features": few, "units": few, "steps": st.integers(2, 9), "batch": few})
_sizes = {
    "mlp-sgd": st.fixed_dictionaries({"layers": st.lists(few, min_size=2, max_size=4).map(tuple), "batch": few}),
    "elementwise": st.fixed_dictionaries({"size": st.integers(1, 40)}),
    "lenet": st.fixed_dictionaries({"side": st.just(16), "batch": few, "filters": st.tuples(few, few)}),
    **dict.fromkeys(("rnn-50", "lstm-16", "gru-16", "penalized-50"), _sequences),
}
nets = st.one_of(
    [st.builds(net_graph, st.just(name), sizes, st.integers(0, 2), dtypes, seeds) for name, sizes in _sizes.items()]
)
