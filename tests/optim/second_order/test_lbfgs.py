"""L-BFGS through SciPy: minima, what it gives back, and what happens when something fails."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import RNN, Dense, losses, penalties
from minigrad.optim import Newton, lbfgs


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-6), (np.float32, 1e-3)])
def test_the_minimum_of_logistic_regression_is_newtons(dtype, tolerance):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 3)).astype(dtype), (rng.random(50) > 0.4).astype(dtype)

    def make():
        w, b = mg.Parameter(np.zeros(3, dtype), name="w"), mg.Parameter(np.zeros((), dtype), name="b")
        return lambda: losses.binary_cross_entropy(x @ w + b, y) + dtype(0.01) * (w**2).sum(), [w, b]

    loss, parameters = make()
    found = lbfgs(parameters, loss, tolerance=1e-8 if dtype is np.float64 else 1e-4)
    expected, others = make()
    newton = Newton(others)
    for _ in range(6):
        newton.step(expected)
    for parameter, other in zip(parameters, others, strict=True):
        np.testing.assert_allclose(parameter.value, other.value, atol=tolerance)
        assert parameter.dtype == dtype
    assert found.converged
    assert found.loss == pytest.approx(float(loss()), rel=1e-12)
    assert found.gradient_norm < 1e-3
    assert 0 < found.n_steps <= found.n_evaluations


def test_a_recurrent_net_with_a_penalty_on_its_adjoints():
    net = RNN(2, 4, 2, dtype=np.float64, rng=0)
    u, y = np.random.default_rng(0).normal(size=(8, 5, 2)), np.array([0, 1] * 4)
    net.b_o.trainable = False
    kept = net.b_o.value.copy()

    def loss():
        states = net.states(mg.Input(u))
        bare = losses.cross_entropy(net.readout(states[-1]), y)
        return bare + penalties.Omega(0.1)(bare, states) + penalties.L2(0.02)(net)

    before = float(loss())
    found = lbfgs(net.parameters(), loss, tolerance=1e-5)
    assert found.converged
    assert found.loss < 0.7 * before
    np.testing.assert_array_equal(net.b_o.value, kept)


def test_points_where_the_loss_is_not_finite_are_turned_back_from():
    w = mg.Parameter([1e-3, 50.0])
    values = []

    def loss():
        node = (w - np.log(w)).sum() * 100
        values.append(float(node))
        return node

    found = lbfgs([w], loss)
    assert not np.isfinite(values).all()  # the first step goes too far
    np.testing.assert_allclose(w.value, 1.0, atol=1e-6)
    assert found.loss == pytest.approx(200)


def test_a_program_finds_the_same():
    found = []
    for compiled in (False, True):
        w, calls = mg.Parameter([-1.2, 1.0]), []

        def loss(w=w, calls=calls):
            calls.append(1)
            return 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2

        result = lbfgs([w], loss, compiled=compiled)
        assert result.converged
        np.testing.assert_allclose(w.value, 1, atol=1e-5)
        found.append(result.n_evaluations)
        assert (len(calls) == result.n_evaluations) is not compiled
    assert len(calls) < 10 < min(found)
    w = mg.Parameter(np.full(2, 3.0, "f4"))
    assert lbfgs([w], lambda: ((w - 1) ** 2).sum()).converged


def test_where_it_begins_the_loss_must_be_finite():
    w = mg.Parameter([-1.0], name="w")
    with (
        np.errstate(all="ignore"),
        pytest.raises(FloatingPointError, match="lbfgs: the loss is nan, and nothing was changed"),
    ):
        lbfgs([w], lambda: np.log(w).sum())
    assert w.value == [-1.0]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_the_parameters_are_given_back_when_the_loss_fails(error):
    w = mg.Parameter([5.0, 3.0])
    calls = []

    def loss():
        calls.append(w.value.copy())
        if len(calls) == 3:
            raise error("stop")
        return (w**4).sum()

    with pytest.raises(error, match="stop"):
        lbfgs([w], loss)
    assert not np.array_equal(calls[-1], [5.0, 3.0])
    np.testing.assert_array_equal(w.value, [5.0, 3.0])


def test_an_end_before_the_minimum_is_told_and_the_best_point_kept():
    w = mg.Parameter([-1.2, 1.0])
    seen = []

    def loss():
        node = 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2
        seen.append(float(node))
        return node

    found = lbfgs([w], loss, most_steps=5)
    assert not found.converged
    assert "ITERATIONS" in found.message
    assert found.n_steps == 5
    assert found.loss == min(seen) == pytest.approx(float(loss()))


def test_a_worse_point_that_comes_last_is_not_kept(monkeypatch):
    from minigrad.optim.second_order import lbfgs_by_scipy

    def wanders(walk, start, **_):
        for point in (start, [1.5, 1.0], [40.0, 1.0], [1e200, 1.0]):
            walk(np.array(point))
        return SimpleNamespace(nit=3, message="LOST")

    monkeypatch.setattr(lbfgs_by_scipy, "_minimize", lambda: wanders)
    w = mg.Parameter([5.0, 3.0])
    found = lbfgs([w], lambda: ((w - 1) ** 2).sum())
    np.testing.assert_array_equal(w.value, [1.5, 1.0])
    assert (found.loss, found.gradient_norm, found.converged, found.message) == (0.25, 1.0, False, "LOST")


@pytest.mark.parametrize(
    ("loss", "options", "error", "message"),
    [
        (lambda w: (w**2).sum(), {}, TypeError, "expected a function of no arguments that builds the loss"),
        (lambda w: lambda: (w**2).sum(), {"most_steps": 0}, ValueError, "most_steps=0"),
        (lambda w: lambda: (w**2).sum(), {"tolerance": -1}, ValueError, "tolerance=-1"),
        (lambda w: lambda: (w**2).sum(), {"memory": 0}, ValueError, "memory=0"),
        (lambda w: lambda: 1.0, {}, TypeError, "lbfgs: expected the loss as a node"),
        (lambda w: lambda: w**2, {}, ValueError, "sum it, or take the mean"),
    ],
)
def test_what_it_is_given(loss, options, error, message):
    w = mg.Parameter([1.0, 2.0])
    with pytest.raises(error, match=message):
        lbfgs([w], loss(w), **options)
    np.testing.assert_array_equal(w.value, [1.0, 2.0])


def test_without_scipy_it_says_what_to_install_and_nothing_else_needs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    net = Dense(1, 1, rng=0)
    with pytest.raises(ModuleNotFoundError, match=r"lbfgs: SciPy is not installed: pip install '\.\[scipy\]'"):
        lbfgs(net.parameters(), lambda: (net.W**2).sum())


def test_optim_is_imported_without_scipy():
    code = "import sys, minigrad.optim; assert not [m for m in sys.modules if m.startswith('scipy.optimize')]"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
