"""Programs of long loops, recorded without the middle rounds: the same text as with all of them, and the same values."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.compiler import compiled
from minigrad.compiler.lines import NotContracted
from minigrad.compiler.printing import kernels
from minigrad.models import GRU, LSTM, SimpleRNN
from tests.compiler.agreement import agree, compare
from tests.compiler.random_loops import loop_graph
from tests.compiler.test_backend import interpreted

BATCH, STEPS, FEATURES, UNITS = 2, 30, 3, 4


@pytest.fixture
def made(monkeypatch):
    """How programs were made: with or without rounds left out."""
    ways = []
    make = compiled.Program._made

    def noted(self, traced, rewrites, backend, *, contracts):
        try:
            result = make(self, traced, rewrites, backend, contracts=contracts)
        except NotContracted:
            ways.append("given up")
            raise
        ways.append("contracted" if result[0].page.gaps else "whole")
        return result

    monkeypatch.setattr(compiled.Program, "_made", noted)
    return ways


def whole(monkeypatch):
    """From here on programs are made with all rounds."""
    make = compiled.Program._made

    def without(self, traced, rewrites, backend, *, contracts):
        return make(self, traced, rewrites, backend, contracts=False)

    monkeypatch.setattr(compiled.Program, "_made", without)


def layer(kind, everything):
    net = kind(FEATURES, UNITS, rng=np.random.default_rng(0), dtype=np.float64)

    def f(x):
        states = net(x)
        loss = (np.sin(states) if everything else np.square(states[-1:])).sum()
        return loss, mg.gradients(loss, list(net.parameters()))

    return f


def by_hand(kind):
    rng = np.random.default_rng(1)
    shapes = {"W": (UNITS, UNITS), "R": (FEATURES, UNITS), "b": (UNITS,), "a": ()}
    W, R, b, a = parameters = [mg.Parameter(rng.normal(0, 0.5, shape), name=name) for name, shape in shapes.items()]

    def f(x):
        state = before = mg.Constant(np.zeros((BATCH, UNITS)))
        states, loss = [], 0.0
        for t in range(x.shape[1]):
            new = np.tanh(state @ W + x[:, t] @ R + b) * a
            if kind == "lag":
                new = 0.5 * new + 0.3 * before
            before, state = state, new
            states.append(state)
            if kind == "losses":
                loss = loss + np.square(state).mean()
        if kind == "stack":
            loss = np.square(np.stack(states, 1)).sum()
        if kind == "concatenate":
            loss = (np.concatenate(states) ** 2).sum()
        if kind == "sums":
            loss = sum(np.square(state).sum() for state in states)
        if kind == "middle":
            loss = np.square(states[12]).sum() + state.sum()
        if kind == "beside the gap":
            loss = np.tanh(states[6] @ W).sum() + np.tanh(states[5] @ W).sum() + state.sum()
        if kind in ("last", "lag"):
            loss = np.square(state).sum()
        return loss, mg.gradients(loss, parameters)

    return f


NETS = {
    **{f"{kind.__name__} {every}": layer(kind, every) for kind in (SimpleRNN, LSTM, GRU) for every in (False, True)},
    **{
        kind: by_hand(kind)
        for kind in ("last", "lag", "losses", "stack", "concatenate", "sums", "middle", "beside the gap")
    },
}


def inputs(steps):
    rng = np.random.default_rng(2)
    return [[rng.normal(size=(BATCH, steps, FEATURES))] for _ in range(3)]


@pytest.mark.parametrize("name", NETS)
def test_what_is_left_out_is_computed(name, made):
    steps = 40 if name in ("middle", "beside the gap") else STEPS
    compare(NETS[name], *inputs(steps))
    assert made == ["contracted"]


@pytest.mark.parametrize("name", NETS)
def test_compiled_loops_compute_what_is_left_out(name, made, monkeypatch):
    """A long sum is no part of a kernel, which would have the terms of a few rounds."""
    monkeypatch.setattr(kernels, "compiled_kernel", interpreted)
    monkeypatch.setattr(compiled, "find_spec", lambda name: name)
    compare(NETS[name], *inputs(40), backend="numba")
    assert made[-1] in ("contracted", "whole")


@pytest.mark.parametrize("name", [name for name in NETS if name not in ("middle", "beside the gap")])
def test_a_program_is_the_same_with_all_rounds_and_without(name, monkeypatch):
    (x,), *_ = inputs(STEPS)
    step = mg.compile(NETS[name])
    step(x)
    whole(monkeypatch)
    same = mg.compile(NETS[name])
    same(x)
    assert sorted(step.source.splitlines()) == sorted(same.source.splitlines())
    assert sorted(step.pure_source.splitlines()) == sorted(same.pure_source.splitlines())


@pytest.mark.parametrize("seed", range(16))
def test_random_loops(seed, made):
    rng = np.random.default_rng(seed)
    steps, states, lag = int(rng.integers(24, 45)), int(rng.integers(0, 3)), int(rng.integers(1, 3))
    program = [tuple(map(int, rng.integers(0, 12, 4))) for _ in range(rng.integers(1, 5))]
    order, flags = int(rng.integers(0, 3)), tuple(map(bool, rng.integers(0, 2, 4)))
    agree(loop_graph(steps, states, lag, program, order, flags, np.float64, seed))
    assert made[-1] in ("contracted", "whole")


@pytest.mark.parametrize(
    "joined",
    [
        np.stack,
        lambda rows: np.stack(rows, 1),
        np.concatenate,
        lambda rows: np.concatenate([row.reshape(UNITS, 1) for row in rows], 1),
        sum,
    ],
)
def test_constants_of_rounds_that_are_joined(joined, made):
    """A whole that is folded while the lines are recorded needs all of its parts."""
    rng = np.random.default_rng(3)
    table = rng.normal(size=(STEPS, UNITS))
    W = mg.Parameter(rng.normal(size=(UNITS, UNITS)), name="W")

    def f(x):
        given, state, rows = mg.Constant(table), x, []
        for t in range(STEPS):
            rows.append(np.sin(given[t]) * 2.0)
            state = np.tanh(state @ W + x)
        y = joined(rows) * state.sum()
        return y, mg.gradients(y.sum(), [x, W])

    compare(f, *[[rng.normal(size=(BATCH, UNITS))] for _ in range(2)])
    assert made == ["given up", "whole"]


def test_constants_that_are_made_in_rounds(made):
    """A sum of constants is folded while the lines are recorded: all rounds have to be there."""

    def f(x):
        total = mg.Constant(0.0)
        for _ in range(STEPS):
            total = np.sin(total + float(1)) * 2.0 + 0.1
            x = np.tanh(x + 0.1 * total)
        return x, total

    compare(f, *[[np.random.default_rng(k).normal(size=3)] for k in range(2)])
    assert made == ["given up", "whole"]


@pytest.mark.parametrize("steps", [6, STEPS])
def test_matrices_drawn_in_every_step(steps, made):
    """What draws in a loop reads no line."""
    W = mg.Parameter(np.random.default_rng(3).normal(0, 0.5, (UNITS, UNITS)), name="W")
    rng = np.random.default_rng(4)

    def f(x):
        state, loss = x, 0.0
        for _ in range(steps):
            state = np.tanh(state @ W) + mg.random_normal((BATCH, UNITS), rng=rng)
            loss = loss + np.square(state).sum()
        return loss, mg.gradients(loss, [W])

    start = rng.bit_generator.state
    calls = [[np.random.default_rng(k).normal(size=(BATCH, UNITS))] for k in range(3)]
    step = mg.compile(f)
    found = [step(*call) for call in calls]
    rng.bit_generator.state = start
    for (loss, (d_W,)), call in zip(found, calls, strict=True):
        wanted, (d_wanted,) = f(*map(mg.Input, call))
        np.testing.assert_allclose(loss, wanted.value, rtol=1e-9)
        np.testing.assert_allclose(d_W, d_wanted.value, rtol=1e-7)
    assert made == ["contracted" if steps == STEPS else "whole"]
