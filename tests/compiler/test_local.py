"""Rewrites as they are for compiled loops: gates by columns, what time steps do by themselves where it is read, and late."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given

import minigrad as mg
from minigrad.compiler import REWRITES, compiled
from minigrad.compiler.passes import fusion
from minigrad.compiler.passes.table import rewritten
from minigrad.compiler.printing import kernels
from minigrad.compiler.tracing import tracer
from minigrad.compiler.tracing.recording import record_lines
from minigrad.models import GRU, LSTM, Dense, SimpleRNN
from tests.compiler.agreement import compare
from tests.compiler.random_loops import BATCH, OTHERS, cells
from tests.compiler.test_backend import interpreted
from tests.compiler.test_gates import lstm_like
from tests.quick import examples


def lines_in_loops(f, *arguments):
    """The lines of a function after all rewrites, for compiled loops."""
    traced = tracer.run(f, [f"argument_{i}" for i in range(len(arguments))], list(arguments), {})
    return rewritten(record_lines(traced), REWRITES, "numba")


@pytest.fixture
def in_loops(monkeypatch):
    """Kernels run as plain Python, and any part of a line is wide enough."""
    monkeypatch.setattr(fusion, "NARROWEST", 1)
    monkeypatch.setattr(kernels, "compiled_kernel", interpreted)
    monkeypatch.setattr(compiled, "find_spec", lambda name: name)
    monkeypatch.setattr(mg, "compile", partial(mg.compile, backend="numba"))


def test_random_cells(in_loops):
    @examples(100)
    @given(cells)
    def check(graph):
        compare(graph.f, *graph.calls)

    check()


def entrywise(lines, width):
    """The entrywise lines of time steps whose results have so many columns."""
    return [x for x in lines.order if x.op.entrywise and x.origin.step and x.shape == (BATCH, width)]


LAYERS = {"LSTM": LSTM, "GRU": partial(GRU, reset="after"), "RNN": SimpleRNN}


def training(layer):
    def f(x):
        loss = np.square(layer(x)).sum()
        return loss, mg.gradients(loss, list(layer.parameters()))

    return f


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_gates_are_computed_column_by_column(name):
    layer = LAYERS[name](2, 5, rng=0)
    lines = lines_in_loops(training(layer), np.zeros((BATCH, 6, 2), np.float32))
    assert not any(entrywise(lines, n) for n in (10, 15, 20))
    assert entrywise(lines, 5)


def test_gates_too_narrow_or_too_many_stay_together():
    narrow = lines_in_loops(training(LSTM(2, 3, rng=0)), np.zeros((BATCH, 6, 2), np.float32))
    assert entrywise(narrow, 9)
    many = lines_in_loops(lambda x: sum(np.tanh(2.0 * x)[:, 4 * k : 4 * k + 4] for k in range(9)), np.zeros((3, 36)))
    assert [x.shape for x in many.order if x.text.startswith("tanh")] == [(3, 36)]


@pytest.mark.parametrize("name", LAYERS)
def test_a_time_step_is_one_loop_each_way(name, in_loops):
    step = mg.compile(training(LAYERS[name](2, 5, rng=0)))
    step(np.zeros((BATCH, 9, 2), np.float32))
    bodies = [text.partition("):\n")[2] for text in step.source.split("    for (")[1:]]
    loops = [[x for x in body.splitlines() if x.startswith(" " * 8)] for body in bodies]
    assert len(loops) == 2, step.source
    for statements in loops:
        assert sum(".dot(" in x for x in statements) == 1
        assert sum("_loop" in x for x in statements) <= 1
        assert len(statements) == 2


def test_a_bias_of_gates_is_added_in_the_loop_and_another_beforehand():
    x = np.zeros((BATCH, 6, 2), np.float32)
    shapes = [
        {line.shape for line in lines_in_loops(training(layer), x).order if line.text.startswith("add(")}
        for layer in (LSTM(2, 5, rng=0), SimpleRNN(2, 5, rng=0))
    ]
    assert (6 * BATCH, 20) not in shapes[0]
    assert (6 * BATCH, 5) in shapes[1]


def test_a_bias_is_added_once_to_a_sum_that_is_returned():
    W, R, b = (mg.Parameter(np.ones(shape)) for shape in ((8, 4), (8, 2), (8,)))

    def f(x):
        driven = x.reshape(-1, 2) @ R.T + b
        h = mg.Constant(np.zeros((BATCH, 4)))
        for t in range(6):
            p = driven.reshape(6, BATCH, 8)[t] + h @ W.T
            h = np.tanh(p[:, :4]) * np.cos(p[:, 4:])
        return h, driven

    lines = lines_in_loops(f, np.zeros((6, BATCH, 2)))
    assert sum(any(len(x.shape) == 1 for x in line.operands) for line in lines.order if line.op.entrywise) == 1


@pytest.mark.parametrize("other", range(len(OTHERS)))
def test_what_others_read_is_there_as_a_whole(other, in_loops):
    f, calls = lstm_like(OTHERS[other])
    compare(f, *calls)


def place(lines, text):
    """Where the lines that begin so stand."""
    return [i for i, line in enumerate(lines.order) if line.text.startswith(text)]


def test_factors_of_adjoints_come_where_they_are_read():
    """1 − h² is made of what is kept anyway."""
    W = [mg.Parameter(np.eye(4), name=f"W{i}") for i in range(3)]

    def f(x):
        for w in W:
            x = np.tanh(x @ w)
        return mg.gradients(np.square(x).sum(), W)

    lines = lines_in_loops(f, np.ones((3, 4)))
    assert min(place(lines, "subtract(")) > max(place(lines, "tanh("))


def test_what_is_smaller_than_what_it_is_made_of_comes_at_once():
    W = [mg.Parameter(np.eye(4), name=f"W{i}") for i in range(3)]

    def f(x):
        first = np.sin(x @ W[0])
        mask, other = first > 0.5, np.sin(x @ W[1]) + 1.0
        return np.where(mask, np.sin(x) @ W[2], other)

    lines = lines_in_loops(f, np.ones((3, 4)))
    last = place(lines, "matmul(")[-1]
    assert place(lines, "greater(")[0] < last < place(lines, "add(")[0]


def test_what_all_time_steps_do_before_a_product_is_done_at_once():
    """Nothing waits for it in a loop of time steps: one line for all of them."""
    W, V, dense = mg.Parameter(np.eye(4), name="W"), mg.Parameter(np.eye(4), name="V"), Dense(4, 2, rng=0)

    def f(x):
        h, outputs = mg.Constant(np.zeros((3, 4))), []
        for t in range(6):
            with mg.scope(f"t={t}"):
                h = np.tanh(x[t] @ W + h @ V)
                outputs.append(dense(np.exp(h)))
        return np.stack(outputs)

    lines = lines_in_loops(f, np.zeros((6, 3, 4)))
    assert [line.shape for line in lines.order if line.text.startswith("exp(")] == [(6, 3, 4)]
