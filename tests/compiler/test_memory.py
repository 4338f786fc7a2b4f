"""How much memory programs have, and that what shares memory is never needed at the same time."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.compiler import REWRITES
from minigrad.compiler.passes.table import rewritten
from minigrad.compiler.storage.arenas import SMALL, Buffer, pack
from minigrad.compiler.storage.memory import Memory
from minigrad.compiler.tracing import tracer
from minigrad.compiler.tracing.recording import record_lines
from minigrad.models import GRU, LSTM, RNN, losses, penalties
from tests.compiler.agreement import compare

STEPS, BATCH, UNITS = 40, 16, 32
SERIES = STEPS * BATCH * UNITS  # entries of one array of all time steps


def memory_of(f, *arguments):
    """Where the lines of a function lie."""
    traced = tracer.run(f, [f"argument_{i}" for i in range(len(arguments))], list(arguments), {})
    return Memory(rewritten(record_lines(traced), list(REWRITES)))


def series_of(memory):
    """How many arrays of all time steps its memory would hold."""
    arenas = {buffer.arena for buffer in memory.buffers}
    return sum(arena.size for arena in arenas) / SERIES


def inputs(features=8):
    return np.random.default_rng(0).normal(size=(BATCH, STEPS, features)).astype(np.float32)


def training(model, penalty=None):
    """Loss and gradients of a model, as a function of inputs."""

    def f(x):
        if penalty is None:
            loss = np.square(model(x)).mean()
        else:
            states = model.states(x)
            loss = losses.cross_entropy(model.readout(states[-1]), np.zeros(BATCH, int))
            loss = loss + penalty(loss, states)
        return loss, *mg.gradients(loss, list(model.parameters()))

    return f


@pytest.mark.parametrize(
    ("make", "penalty", "most"),
    [
        (lambda: RNN(8, UNITS, 4, rng=0), None, 2.5),  # states, and what drives them or 1 - x², then their adjoints
        (lambda: LSTM(8, UNITS, rng=0), None, 18.5),  # gates, states and factors: ten by hand, and as many for adjoints
        (lambda: GRU(8, UNITS, rng=0), None, 14.0),
        (lambda: RNN(8, UNITS, 4, rng=0), penalties.Omega(0.3), 7.6),
    ],
    ids=["RNN", "LSTM", "GRU", "penalized RNN"],
)
def test_recurrent_nets_need_about_what_they_need_by_hand(make, penalty, most):
    f, x = training(make(), penalty), inputs()
    found = series_of(memory_of(f, x))
    assert found <= most, f"{found:.2f} arrays of all time steps"


def test_buffers_that_share_memory_are_not_in_use_at_the_same_time():
    rng = np.random.default_rng(0)
    for _ in range(200):
        buffers = []
        for _ in range(rng.integers(1, 30)):
            buffer = Buffer(
                np.dtype(rng.choice(["f4", "f8"])), int(rng.integers(1, 4 * SMALL)), int(rng.integers(1, 50))
            )
            buffer.first = buffer.last - int(rng.integers(0, buffer.last))
            buffers.append(buffer)
        pack(buffers)
        assert all(buffer.start >= 0 and buffer.stop <= buffer.arena.size for buffer in buffers)
        for i, one in enumerate(buffers):
            for two in buffers[:i]:
                apart = one.stop <= two.start or two.stop <= one.start
                together = one.first <= two.last and two.first <= one.last
                assert one.arena is not two.arena or apart or not together
                assert one.arena is not two.arena or one.dtype == two.dtype
        assert sum(arena.size for arena in {buffer.arena for buffer in buffers}) <= sum(
            buffer.size for buffer in buffers
        )


def test_large_buffers_share_and_small_ones_do_not():
    def buffer(size, first, last):
        made = Buffer(np.dtype("f4"), size, last)
        made.first = first
        return made

    large, inside, beside, small = buffer(10_000, 0, 3), buffer(5_000, 4, 9), buffer(4_900, 5, 8), buffer(50, 4, 9)
    pack([small, beside, inside, large])
    assert large.arena is inside.arena is beside.arena
    assert (inside.start, beside.start) == (0, 5_008), "at a multiple of 16"
    assert small.arena is not large.arena


def rows_over_rows(x, y):
    """Steps that wait for each other and read the rows of what is computed before all of them."""
    factors, h, states = np.cos(x * y), x[0], []
    for t in range(5):
        with mg.scope(f"t={t}"):
            h = np.tanh(h) * factors[t]
            states.append(h)
    return factors, states


def test_a_series_lies_where_its_factors_lay():
    x, y = np.random.default_rng(0).normal(size=(2, 5, 3, 4))

    def alone(x, y):
        return np.stack(rows_over_rows(x, y)[1]) * 2.0

    def read_later(x, y):
        factors, states = rows_over_rows(x, y)
        return np.stack(states) * 2.0, np.sum(factors) * states[-1]

    def row_read_later(x, y):
        factors, states = rows_over_rows(x, y)
        return np.stack(states) * 2.0, factors[1] * states[-1]

    def view_read_later(x, y):
        factors, states = rows_over_rows(x, y)
        return np.stack(states) * 2.0, np.sin(factors[1].T) * states[-1].T

    def early_view_read_later(x, y):
        factors = np.cos(x * y)
        view = factors[1].T * 1.0
        states = rows_over_rows(x, y)[1]
        return np.stack(states) * 2.0, np.sin(factors[1].T) * states[-1].T, view

    def row_returned(x, y):
        factors, states = rows_over_rows(x, y)
        return np.stack(states) * 2.0, factors[1]

    calls = [[x, y], [y, x], [x * 2, y]]
    kept = (read_later, row_returned, row_read_later, view_read_later, early_view_read_later)
    for f, shares in ((alone, True), *[(f, False) for f in kept]):
        memory = memory_of(f, x, y)
        assert any(root.before is not None for root, _ in memory.place.values()) == shares, f.__name__
        compare(f, *calls)
