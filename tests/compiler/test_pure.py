"""The program as formulas: what it prints is run as it stands, and gives what the nodes give (`compare` does that too)."""

import re
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import GRU, LSTM, RNN, losses, penalties
from tests.compiler.agreement import assert_agree, compare, eagerly, purely

RNG = np.random.default_rng(0)
W = mg.Parameter(RNG.normal(size=(4, 4)) / 2, name="W")


def unrolled(T, every=lambda h, t: h):
    """The states of T time steps, and the gradient of a number made of the last one and all of them."""

    def f(x):
        h, states = mg.Constant(np.zeros((3, 4))), []
        for t in range(T):
            with mg.scope(f"t={t}"):
                h = every(np.tanh(h @ W.T + x[t]), t)
                states.append(h)
        loss = h.mean() + np.square(np.stack(states)).sum()
        return loss, states[T // 2], mg.gradients(loss, [W, x])

    return f


def compiled(f, *arguments):
    step = mg.compile(f)
    step(*arguments)
    return step


# Loops -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("T", [1, 2, 3, 4, 9])
def test_any_number_of_time_steps(T):
    f = unrolled(T)
    step = compare(f, *[[RNG.normal(size=(T, 3, 4))] for _ in range(2)])
    assert_agree(purely(step, [x := RNG.normal(size=(T, 3, 4))]), eagerly(f, [x]))


@pytest.mark.parametrize("rewrites", [None, (), ("products",), ("steps",)])
def test_time_steps_are_loops_over_lists(rewrites):
    """The text does not grow with time, and every list is there before it is appended to."""

    def text(T):
        f = unrolled(T)
        step = mg.compile(f, rewrites=rewrites)
        x = RNG.normal(size=(T, 3, 4))
        step(x)
        assert_agree(purely(step, [x]), eagerly(f, [x]))
        return step.pure_source

    one, other = text(20), text(40)
    if rewrites is None:
        assert len(one.splitlines()) == len(other.splitlines()) < 80
    loops = re.findall(r"^    for t in range\(.*\):\n((?: {8}.*\n)+)", other, re.MULTILINE)
    assert len(loops) >= 2, "forward and backward"
    grows = re.compile(r" {8}(\w+)(\.append\(.*\)| = \1 \+ .*)")  # a list, or a sum
    assert all(grows.fullmatch(line) for loop in loops for line in loop.splitlines())
    assert "tanh_1 = [" in other


def test_nothing_that_repeats_is_written_line_by_line():
    def f(x):
        with mg.scope("t=1"):
            y = np.tanh(x)
        with mg.scope("t=2"):
            z = np.exp(y)
        with mg.scope("t=3"):
            return np.tanh(z) + np.tanh(y)

    source = compiled(f, np.ones(3)).pure_source
    assert "for " not in source
    assert "append" not in source
    assert "[" not in source


@pytest.mark.parametrize("make", [lambda: LSTM(2, 3, rng=0), lambda: GRU(2, 3, rng=0)], ids=["LSTM", "GRU"])
def test_gated_cells(make):
    layer = make()
    parameters = list(layer.parameters())

    def f(u):
        loss = np.square(layer(u)).sum()
        return loss, mg.gradients(loss, parameters)

    def lines(T):
        u = RNG.normal(size=(2, T, 2)).astype(np.float32)
        step = compare(f, [u], [u + 1])
        return len(step.pure_source.splitlines())

    assert lines(12) == lines(24)


def test_a_penalty_on_adjoints():
    model = RNN(2, 3, 4, dtype=np.float64, rng=0)
    parameters = list(model.parameters())

    def f(u, y):
        states = model.states(u)
        loss = losses.cross_entropy(model.readout(states[-1]), y)
        loss = loss + penalties.Omega(0.3)(loss, states)
        return loss, mg.gradients(loss, parameters)

    def lines(T):
        step = compare(f, *[[RNG.normal(size=(5, T, 2)), RNG.integers(0, 4, 5)] for _ in range(2)])
        source = step.pure_source
        assert max(map(len, source.splitlines())) < 120, "what is stacked is a stretch of a list"
        return len(source.splitlines())

    assert lines(12) == lines(30)


def test_steps_that_are_joined_in_any_order():
    """Stacks of states forward, backward, in part, and with others among them."""

    def f(x):
        h, states = x[0], []
        for t in range(8):
            with mg.scope(f"t={t}"):
                h = np.tanh(h * x[t])
                states.append(h)
        return (
            np.stack(states),
            np.stack(states[::-1]),
            np.stack(states[5::-1], axis=1),
            np.concatenate([x[0], *states[2:6], x[1], states[7], states[0]]),
            np.stack([*states[4:], *states[3::-1]]),
            np.stack(states[::2]),
            np.stack([states[3]] * 4),
        )

    step = compare(f, *[[RNG.normal(size=(8, 2, 3))] for _ in range(2)], rewrites=())
    source = step.pure_source
    for part in (
        "np.stack(tanh_1)",
        "np.stack(tanh_1[::-1])",
        "tanh_1[5::-1]",
        "*tanh_1[2:6]",
        "[*tanh_1[4:], *tanh_1[3::-1]]",
    ):
        assert part in source


# Numbers -----------------------------------------------------------------------------------------------------------


def test_numbers_that_differ_from_step_to_step():
    """1e-01, 1e-02, 1e-03 do not count on, and 1, 2, 3 do."""
    for every in (
        lambda h, t: h * 10.0**-t,
        lambda h, t: h * 10.0 ** -(t + 5),
        lambda h, t: h * (t + 1),
        lambda h, t: h * np.float64(t),
        lambda h, t: np.concatenate([h[:, t % 4 :], h[:, : t % 4]], axis=1),
    ):
        compare(unrolled(7, every), *[[RNG.normal(size=(7, 3, 4))] for _ in range(2)])


def test_numbers_and_tables():
    table = RNG.normal(size=(5, 5))

    def f(x):
        single = x[0].astype(np.float32)
        return (
            x * np.array([np.inf, 1.0, -np.inf, 2.0, 0.5]),
            np.where(x > 0, x, np.nan),
            np.where(x > 0, x, -np.inf),
            x - -2.5,
            x * table,
            x * np.ones((5, 5)) + np.full((5, 5), 1e-30),
            x * np.arange(25).reshape(5, 5),
            np.ravel(x) * np.arange(25),
            1.0 / (np.ravel(x) * np.where(np.arange(25) % 2, 0.0, -0.0)),
            single * np.float64(0.1),
            single * 0.1 + np.float32(1e-9),
            x[np.arange(20) % 5],
            x[np.arange(5), np.array([4, 3, 2, 1, 0])],
            np.concatenate([x, np.zeros((0, 5))]),
            np.where(x > 0, True, False),
            (x > 0) & np.array(True),
            np.where(x[0] > 0, np.float32(1.5), np.float32(2.5)),
            mg.Constant(np.array(3)),
            mg.Constant(table),
        )

    for rewrites in (None, ()):
        step = compare(f, *[[RNG.normal(size=(5, 5))] for _ in range(2)], rewrites=rewrites)
    names = {name for name in step.pure_names if name.startswith("constant")}
    assert names, "a table of many numbers is not printed"
    for name in names:
        assert re.search(rf"^# {name}: an array of shape \(\d+, ?\d*\) and dtype", step.pure_source, re.MULTILINE)


def test_parameters_follow_the_arguments():
    one, two = mg.Parameter([1.0, 2.0], name="x"), mg.Parameter([3.0, 4.0])
    step = compiled(lambda x: (x * one + two, two), np.ones(2))
    assert list(step.pure_parameters.values()) == [one, two]
    assert f"def program(x, {', '.join(step.pure_parameters)}):" in step.pure_source
    one.value = np.array([5.0, 6.0])
    found = purely(step, [np.ones(2)])
    np.testing.assert_array_equal(found, [[8, 10], [3, 4]])


def test_checks_and_draws_come_by_name():
    rng = np.random.default_rng(1)

    def f(a, y):
        return losses.cross_entropy(a + mg.random_normal((2, 3), rng=rng), y)

    step = compiled(f, np.ones((2, 3)), np.array([0, 1]))
    assert set(step.pure_names) == {"rng", "fprop_indices"}
    assert "# fprop_indices: Indices.fprop, called as it stands" in step.pure_source
    with pytest.raises(IndexError, match="1 of 2 indices are not among"):
        purely(step, [np.ones((2, 3)), np.array([0, 3])])


ON_JAX = """
import sys
import numpy
import jax

jax.config.update("jax_enable_x64", True)
given = numpy.load(sys.argv[1])
names = {"fprop_indices": lambda indices: indices}
exec(open(sys.argv[2]).read().replace("import numpy as np", "import jax.numpy as np"), names)
results = jax.jit(names["program"])(*given.values())
numpy.savez(sys.argv[3], *results)
"""


class Reduced(mg.Operation):
    """y = a ufunc's reduction of x along the last axis."""

    __slots__ = ()
    checked = "definition"

    def fprop(self, x, *, ufunc):
        return ufunc.reduce(x, axis=-1)


@pytest.mark.parametrize("ufunc", [np.fmin, np.logaddexp, np.hypot, np.add, np.maximum, np.multiply])
def test_reductions_by_any_ufunc(ufunc):
    """Those that arrays have a name for have it, the others are the ufunc's reduction."""
    compare(lambda x: Reduced(x, ufunc=ufunc), [np.abs(RNG.normal(size=(2, 3)))], [np.abs(RNG.normal(size=(2, 3)))])


@pytest.mark.skipif(find_spec("jax") is None, reason="needs jax")
def test_it_runs_on_jax(tmp_path):
    """In a process of its own: jax changes the environment."""
    model = RNN(2, 3, 4, dtype=np.float64, rng=0)
    parameters = list(model.parameters())

    def f(u, y):
        loss = losses.cross_entropy(model(u), y)
        return loss, mg.gradients(loss, parameters)

    u, y = RNG.normal(size=(5, 9, 2)), RNG.integers(0, 4, 5)
    step = compiled(f, u, y)
    given, source, results = (str(tmp_path / name) for name in ("given.npz", "source.py", "results.npz"))
    np.savez(given, u, y, *[p.value for p in step.pure_parameters.values()])
    (tmp_path / "source.py").write_text(step.pure_source, encoding="utf-8")
    subprocess.run([sys.executable, "-c", ON_JAX, given, source, results], check=True)
    with np.load(results) as found:
        assert_agree(list(found.values()), eagerly(f, [u, y]))
