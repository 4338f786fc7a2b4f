"""Newton's method, damped, guarded, and by conjugate gradients."""

import pickle
import warnings
from itertools import pairwise

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import LSTM, RNN, Dense, Dropout, Module, Sequential, losses, penalties
from minigrad.optim import SGD, Newton, Step, hessian_by_differences, schedules, taylor_model

SOLVERS = ["exact", "conjugate_gradients"]


def ridge(dtype=np.float64, seed=0):
    """Ridge regression on noise: the loss, its parameters, and the solution of the normal equations."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(30, 4)), rng.normal(size=30)
    w, b = mg.Parameter(rng.normal(size=4).astype(dtype), name="w"), mg.Parameter(np.asarray(0.3, dtype), name="b")
    xs, ys = x.astype(dtype), y.astype(dtype)
    wide = np.c_[x, np.ones(30)]
    solution = np.linalg.solve(wide.T @ wide / 30 + 0.05 * np.diag([1, 1, 1, 1, 0]), wide.T @ y / 30)
    return lambda: 0.5 * ((xs @ w + b - ys) ** 2).mean() + 0.025 * (w**2).sum(), [w, b], solution


def logistic(dtype=np.float64):
    """Logistic regression with a weak ridge."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 3)).astype(dtype)
    y = (x @ [1.0, -2.0, 0.5] + rng.normal(size=60) > 0).astype(dtype)
    w, b = mg.Parameter(np.zeros(3, dtype), name="w"), mg.Parameter(np.zeros((), dtype), name="b")
    return lambda: losses.binary_cross_entropy(x @ w + b, y) + 1e-3 * (w**2).sum(), [w, b]


def flat(parameters):
    return np.concatenate([np.ravel(p.value) for p in parameters])


# Newton's method -----------------------------------------------------------------------------------------------------


@pytest.mark.row("SEC-03")
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-6)])
@pytest.mark.parametrize("solver", SOLVERS)
def test_one_step_solves_ridge_regression(solver, dtype, tolerance):
    loss, parameters, solution = ridge(dtype)
    newton = Newton(parameters, solver=solver)
    met = newton.step(loss)
    np.testing.assert_allclose(flat(parameters), solution, atol=tolerance)
    assert [p.dtype for p in parameters] == [dtype, dtype]
    assert met.positive_definite
    assert met.n_products == 5
    assert newton.n_steps == 1
    assert newton.step(loss).gradient_norm < 10 * tolerance


@pytest.mark.row("SEC-03")
@pytest.mark.parametrize("solver", SOLVERS)
def test_convergence_is_quadratic_on_logistic_regression(solver):
    loss, parameters = logistic()
    newton = Newton(parameters, solver=solver)
    points = [flat(parameters)]
    for _ in range(9):
        newton.step(loss)
        points.append(flat(parameters))
    errors = [np.linalg.norm(point - points[-1]) for point in points]
    rates = [b / a**2 for a, b in pairwise(errors) if b > 1e-12]
    assert len(rates) >= 4
    assert max(rates) < 1  # e ← c e², with one c: the number of right digits doubles
    orders = [
        np.log(c / b) / np.log(b / a) for a, b, c in zip(errors[1:], errors[2:], errors[3:], strict=False) if c > 1e-13
    ]
    assert orders[-1] == pytest.approx(2, abs=0.1)
    assert errors[7] < 1e-14


@pytest.mark.row("SEC-04")
@pytest.mark.parametrize("solver", SOLVERS)
def test_damping_lies_between_newton_and_a_gradient_step(solver):
    def moved(damping):
        loss, parameters = logistic()
        before = flat(parameters)
        Newton(parameters, solver=solver, damping=damping).step(loss)
        return flat(parameters) - before

    loss, parameters = logistic()
    model = taylor_model(loss, parameters)
    np.testing.assert_allclose(moved(0), np.linalg.solve(model.hessian, -model.gradient), rtol=1e-9)
    np.testing.assert_allclose(moved(1e-9), moved(0), rtol=1e-7)
    np.testing.assert_allclose(moved(0.3), np.linalg.solve(model.hessian + 0.3 * np.eye(4), -model.gradient), rtol=1e-9)
    np.testing.assert_allclose(moved(1e8), -model.gradient / 1e8, rtol=1e-7)


@pytest.mark.row("SEC-04")
@pytest.mark.parametrize("solver", SOLVERS)
def test_the_gradient_is_that_of_the_current_point(solver):
    """e^w − 2w from 2, whose minimum is at ln 2: a gradient kept from the start would go on for ever."""
    w = mg.Parameter(2.0)
    newton = Newton([w], solver=solver)
    for _ in range(12):
        newton.step(lambda: np.exp(w) - 2 * w)
    assert float(w) == pytest.approx(0.693147, abs=5e-7)
    frozen = 2.0
    for _ in range(12):
        frozen -= (np.exp(2.0) - 2) / (np.exp(frozen) + 0.01)
    assert frozen < -4000


def test_rate_and_damping_follow_schedules_and_a_share_of_the_step():
    w = mg.Parameter([8.0])
    newton = Newton([w], schedules.piecewise({0: 0.5, 1: 1.0}), damping=schedules.piecewise({0: 0.0, 1: 2.0, 2: 0.0}))
    assert newton.step(lambda: (w**2).sum()).damping == 0
    assert w.value == [4.0]
    assert newton.step(lambda: (w**2).sum()).damping == 2
    assert w.value == [2.0]
    newton.step(lambda: (w**2).sum())
    assert w.value == [0.0]


def test_a_node_serves_once_and_grad_is_not_touched():
    w = mg.Parameter([3.0, 1.0], name="w")
    newton = Newton([w])
    loss = ((w - 1) ** 4).sum() + (w**2).sum()
    w.grad = np.ones(2)
    newton.step(loss)
    np.testing.assert_array_equal(w.grad, np.ones(2))
    moved = w.value.copy()
    with pytest.raises(ValueError, match="was changed after"):
        newton.step(loss)
    np.testing.assert_array_equal(w.value, moved)
    assert newton.n_steps == 1


def test_it_goes_on_beside_another_optimizer():
    """Whose flat buffer the parameters lie in."""
    loss, parameters, solution = ridge()
    sgd = SGD(parameters, 0.1)
    loss().backward()
    sgd.step()
    Newton(parameters).step(loss)
    np.testing.assert_allclose(flat(parameters), solution, atol=1e-12)
    loss().backward()
    sgd.step()
    np.testing.assert_allclose(flat(parameters), solution, atol=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
def test_frozen_parameters_stay_and_shapes_are_any(solver):
    W, kernel, frozen = mg.Parameter(np.ones((2, 3))), mg.Parameter(np.ones((1, 2, 1))), mg.Parameter([5.0])
    frozen.trainable = False
    Newton([W, kernel, frozen], solver=solver).step(
        lambda: ((W - 2) ** 2).sum() + ((kernel - 3) ** 2).sum() + (frozen**2).sum()
    )
    np.testing.assert_allclose(W.value, np.full((2, 3), 2.0), rtol=1e-14)
    np.testing.assert_allclose(kernel.value, np.full((1, 2, 1), 3.0), rtol=1e-14)
    assert frozen.value == [5.0]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("make", [RNN, LSTM], ids=["RNN", "LSTM"])
def test_recurrent_nets_with_penalties_and_masks(make, solver):
    rng = np.random.default_rng(2)
    u, y, mask = rng.normal(size=(6, 3, 1)), np.array([0, 1, 0, 1, 1, 0]), np.ones((6, 3), bool)
    mask[::2, 2:] = False
    if make is RNN:
        net = RNN(1, 2, 2, dtype=np.float64, rng=0)

        def loss():
            states = net.states(mg.Input(u), mask=mask)
            bare = losses.cross_entropy(net.readout(states[-1]), y)
            return bare + penalties.Omega(0.1)(bare, states) + penalties.L2(0.1)(net)
    else:
        layer, head = LSTM(1, 1, dtype=np.float64, rng=0), Dense(1, 2, dtype=np.float64, rng=1)
        net = Sequential(layer, head)

        def loss():
            return losses.cross_entropy(head(layer(mg.Input(u), mask=mask)), y) + penalties.L2(0.1)(net)

    parameters = list(net.parameters())
    start, model = flat(parameters), taylor_model(loss, parameters)
    H = hessian_by_differences(loss, parameters)
    Newton(parameters, damping=10.0, solver=solver).step(loss)
    expected = np.linalg.solve(H + 10 * np.eye(len(H)), -model.gradient)
    np.testing.assert_allclose(flat(parameters) - start, expected, atol=1e-8)

    newton = Newton(parameters, guard="damp", solver=solver)
    losses_met = [newton.step(loss).loss for _ in range(4)]
    assert all(after <= before for before, after in pairwise(losses_met))
    assert losses_met[-1] < losses_met[0]


# Guards --------------------------------------------------------------------------------------------------------------


def saddle(w):
    return w[0] ** 2 - w[1] ** 2


@pytest.mark.row("SEC-07")
def test_a_plain_step_on_a_saddle_goes_there_and_is_reported():
    w = mg.Parameter([1.0, 1.0], name="w")
    with pytest.warns(
        RuntimeWarning, match=r"not positive definite \(its smallest eigenvalue is -2, its largest 2\): .*saddle"
    ):
        met = Newton([w]).step(lambda: saddle(w))
    np.testing.assert_array_equal(w.value, [0.0, 0.0])
    assert not met.positive_definite
    assert met.eigenvalues == (-2.0, 2.0)
    assert met.damping == 0


@pytest.mark.row("SEC-07")
@pytest.mark.parametrize("solver", SOLVERS)
def test_where_asked_damping_leads_away_from_the_saddle(solver):
    w = mg.Parameter([1.0, 1.0], name="w")
    newton = Newton([w], guard="damp", solver=solver)
    met = newton.step(lambda: saddle(w))
    assert not met.positive_definite
    assert met.damping > 2
    assert 0 <= w.value[0] < 1
    assert w.value[1] > 1.2
    assert float(saddle(w)) < 0
    if solver == "exact":
        assert met.damping == 4  # |−2| is the smallest eigenvalue then
        np.testing.assert_allclose(w.value, [1 - 2 / 6, 1 + 2 / 2], rtol=1e-14)


@pytest.mark.row("SEC-07")
@pytest.mark.parametrize("solver", SOLVERS)
def test_where_asked_it_is_an_error_and_enough_damping_is_none(solver):
    w = mg.Parameter([1.0, 0.5], name="w")
    with pytest.raises(
        ValueError, match=r'not positive definite \(.*nothing was changed: raise damping=, or use guard="damp"'
    ):
        Newton([w], guard="raise", solver=solver, damping=1.9 if solver == "exact" else 0.0).step(
            lambda: saddle(w) - 3 * w[1] ** 2
        )
    np.testing.assert_array_equal(w.value, [1.0, 0.5])
    assert (
        Newton([w], guard="raise", damping=9.0, solver=solver).step(lambda: saddle(w) - 3 * w[1] ** 2).positive_definite
    )


def test_convex_and_flat_is_not_positive_definite():
    """w⁴ at 0 is convex, and H(0) = 0."""
    w = mg.Parameter([0.0])
    with pytest.raises(ValueError, match="the Hessian is singular"):
        Newton([w]).step(lambda: (w**4).sum())
    met = Newton([w], guard="damp").step(lambda: (w**4).sum())
    assert (met.damping, met.residual) == (1.0, 0.0)
    assert w.value == [0.0]


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_shift_that_changes_nothing_is_damped(solver):
    """Softmax regression with a bias per class: the Hessian is singular everywhere."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 2)), rng.integers(0, 3, 40)
    net = Dense(2, 3, dtype=np.float64, rng=0)
    newton = Newton(net.parameters(), guard="damp", solver=solver)
    for _ in range(12):
        met = newton.step(lambda: losses.cross_entropy(net(x), y))
    assert met.gradient_norm < 1e-8


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_step_beyond_the_dtype_changes_nothing(solver):
    v, w = mg.Parameter(np.ones(1, "f4"), name="v"), mg.Parameter(np.full(1, 5.0, "f4"), name="w")
    with pytest.raises(
        FloatingPointError, match=r"the new Parameter .w. \(1,\) is not finite in float32, and nothing was changed"
    ):
        Newton([v, w], learning_rate=1e38, solver=solver).step(lambda: ((v - 2) ** 2).sum() + (w**2).sum())
    assert v.value == [1.0]
    with (
        np.errstate(all="ignore"),
        pytest.raises(FloatingPointError, match=r"the gradient of Parameter .w. .* is not finite"),
    ):
        Newton([w], solver=solver).step(lambda: np.sqrt(w - w.value.copy()).sum())


def test_too_many_parameters_say_what_to_do():
    W = mg.Parameter(np.ones((100, 30)), name="W")
    with pytest.raises(
        ValueError, match=r"Newton\.step: the Hessian of 3000 parameters .*solver=\"conjugate_gradients\"\) or lbfgs"
    ):
        Newton([W]).step(lambda: (W**2).sum())
    assert Newton([W], solver="conjugate_gradients").step(lambda: (W**2).sum()).n_products == 1
    np.testing.assert_array_equal(W.value, 0)
    V = mg.Parameter(np.ones(3))
    with pytest.raises(ValueError, match="limit is 2"):
        Newton([V], most_parameters=2).step(lambda: (V**2).sum())
    Newton([V], most_parameters=3).step(lambda: (V**2).sum())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"damping": -1.0}, ValueError, r"damping=-1.0"),
        ({"damping": "1"}, TypeError, r"damping='1': expected a number"),
        ({"damping": lambda step: -1.0}, ValueError, r"Newton\(damping\): the schedule gives -1.0 at step 0"),
        ({"learning_rate": np.nan}, ValueError, "learning_rate=nan"),
        ({"lr": 1.0}, TypeError, "here it is called learning_rate"),
        ({"solver": "lu"}, ValueError, r"Newton\(solver='lu'\): expected one of 'exact', 'conjugate_gradients'"),
        ({"guard": "ignore"}, ValueError, r"Newton\(guard='ignore'\): expected one of"),
        ({"most_products": 0}, ValueError, "most_products=0"),
        ({"tolerance": 1.0}, ValueError, "tolerance=1.0"),
    ],
)
def test_options_that_are_none(options, error, message):
    with pytest.raises(error, match=message):
        Newton([mg.Parameter([1.0])], **options)


def test_a_step_without_the_loss_and_a_training_loop_say_what_to_write():
    w = mg.Parameter([1.0])
    (w**2).sum().backward()
    with pytest.raises(TypeError, match=r"write newton\.step\(loss\), without loss\.backward\(\)"):
        Newton([w]).step()
    net = Dense(1, 1, rng=0)
    with pytest.raises(TypeError, match="pass an optimizer of the model's parameters"):
        Step(net, losses.mean_squared_error, Newton(net.parameters()))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("fault", ["rises", "raises"])
def test_a_trial_that_fails_gives_the_parameters_back(solver, fault):
    w, calls = mg.Parameter([3.0, 1.0]), []

    def loss():
        calls.append(1)
        if fault == "raises" and len(calls) == 2:
            raise KeyError("data")
        return (w**2).sum() + 100.0 * len(calls)

    error = (
        pytest.raises(KeyError)
        if fault == "raises"
        else pytest.raises(ValueError, match="the loss still rises, and nothing")
    )
    newton = Newton([w], guard="damp", solver=solver)
    with error:
        newton.step(loss)
    np.testing.assert_array_equal(w.value, [3.0, 1.0])
    assert newton.n_steps == 0


@pytest.mark.parametrize("solver", SOLVERS)
def test_damping_is_raised_until_the_loss_falls(solver):
    """Plain Newton on √(1 + w²) sends w to −w³, which diverges from 2."""
    w = mg.Parameter([2.0])
    plain = Newton([w], solver=solver)
    plain.step(lambda: np.sqrt(1 + w**2).sum())
    assert w.value == pytest.approx(-8)
    w.value = np.array([2.0])
    newton = Newton([w], guard="damp", solver=solver)
    steps = [newton.step(lambda: np.sqrt(1 + w**2).sum()) for _ in range(10)]
    assert steps[0].positive_definite
    assert steps[0].damping > 0
    assert steps[-1].damping == 0
    assert abs(w.value[0]) < 1e-12


def test_parameters_that_are_frozen_later_are_left_out_from_then_on():
    v, w = mg.Parameter([3.0], name="v"), mg.Parameter([3.0], name="w")

    def loss():
        return ((v - 1) ** 2).sum() + ((w - 1) ** 2).sum() + 2 * (v * w).sum()

    for compiled in (False, True):
        v.value, w.value = np.array([3.0]), np.array([3.0])
        newton = Newton([v, w], damping=1.0, compiled=compiled)
        newton.step(loss)
        v.trainable = False
        before = v.value.copy()
        newton.step(loss)
        np.testing.assert_array_equal(v.value, before)
        assert newton.parameters == (w,)
        v.trainable = True
        newton.step(loss)
        assert v.value != before
    with pytest.raises(ValueError, match="the parameters have no entries"):
        Newton([mg.Parameter(np.zeros((0, 2)))])


# Conjugate gradients -------------------------------------------------------------------------------------------------


def test_both_solvers_make_the_same_steps():
    found = []
    for solver in SOLVERS:
        loss, parameters = logistic()
        newton = Newton(parameters, solver=solver, damping=0.01)
        steps = [newton.step(loss) for _ in range(3)]
        found.append(flat(parameters))
        assert max(step.residual for step in steps) < 1e-9
    np.testing.assert_allclose(found[1], found[0], rtol=1e-9)


def test_few_products_leave_a_residual_and_still_descend():
    loss, parameters = logistic()
    before = float(loss())
    met = Newton(parameters, solver="conjugate_gradients", most_products=1).step(loss)
    assert met.n_products == 1
    assert 0 < met.residual < 1
    assert float(loss()) < before


def test_negative_curvature_ends_conjugate_gradients_with_a_step_downhill():
    w = mg.Parameter([1.0, 0.1], name="w")
    newton = Newton([w], solver="conjugate_gradients")
    with pytest.warns(RuntimeWarning, match=r"a direction has the curvature -"):
        met = newton.step(lambda: saddle(w))
    assert not met.positive_definite
    assert float(saddle(w)) < 0.99
    assert w.value[1] >= 0.1  # not to the saddle
    w = mg.Parameter([1.0, 1.0])
    with pytest.warns(RuntimeWarning, match="curvature 0[)]:"):  # along −g = (−2, 2) the loss is linear
        Newton([w], solver="conjugate_gradients").step(lambda: saddle(w))
    np.testing.assert_array_equal(w.value, [-1.0, 3.0])


@pytest.mark.parametrize("solver", SOLVERS)
def test_at_a_stationary_point_nothing_moves(solver):
    w = mg.Parameter([0.0, 0.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        met = Newton([w], solver=solver).step(lambda: (w**2).sum())
    assert (met.gradient_norm, met.residual) == (0, 0)
    np.testing.assert_array_equal(w.value, [0.0, 0.0])


# Compiled ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
def test_programs_make_the_same_steps_and_are_made_once(solver):
    rng = np.random.default_rng(2)
    u, y = rng.normal(size=(6, 3, 1)), np.array([0, 1, 0, 1, 1, 0])

    def trained(compiled):
        net, calls = RNN(1, 2, 2, dtype=np.float64, rng=0), []

        def loss():
            calls.append(1)
            states = net.states(mg.Input(u))
            bare = losses.cross_entropy(net.readout(states[-1]), y)
            return bare + penalties.Omega(0.1)(bare, states) + penalties.L2(0.1)(net)

        newton = Newton(net.parameters(), damping=5.0, solver=solver, compiled=compiled)
        met = [newton.step(loss) for _ in range(4)]
        return flat(net.parameters()), met, newton, len(calls)

    (expected, by_nodes, _, _), (found, by_programs, newton, n_calls) = trained(False), trained(True)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert [step.loss for step in by_programs] == pytest.approx([step.loss for step in by_nodes], rel=1e-12)
    assert n_calls <= 1 + 2 * 2  # to check it, and to trace two programs
    twin = pickle.loads(pickle.dumps(newton))
    assert (twin.n_steps, twin.compiled, twin._programs) == (4, True, None)


def test_programs_follow_what_the_loss_reads_and_another_loss_has_its_own():
    w, target = mg.Parameter([3.0, 4.0]), {"at": 1.0}

    def loss():
        return ((w - target["at"]) ** 2).sum()

    newton = Newton([w], compiled=True, guard="damp")
    newton.step(loss)
    np.testing.assert_array_equal(w.value, [1.0, 1.0])
    target["at"] = 2.0
    newton.step(loss)
    np.testing.assert_array_equal(w.value, [2.0, 2.0])
    newton.step(lambda: ((w + 1) ** 2).sum())
    np.testing.assert_array_equal(w.value, [-1.0, -1.0])
    newton = Newton(SCALED.parameters(), compiled=True)
    for SCALED.scale in (1.0, 4.0):
        newton.step(of_a_global_model)
        np.testing.assert_array_equal(SCALED.w.value, 1 / SCALED.scale)


class Scaled(Module):
    """A model with a number."""

    def __init__(self):
        self.w, self.scale = mg.Parameter([5.0]), 0.0

    def forward(self):
        return self.w * self.scale


SCALED = Scaled()


def of_a_global_model():
    return ((SCALED() - 1) ** 2).sum()


def test_what_cannot_be_compiled_says_what_to_do():
    w = mg.Parameter([3.0, 4.0], name="w")
    newton = Newton([w], compiled=True)
    with pytest.raises(TypeError, match=r"Newton.step\(compiled=True\): expected the loss as a function"):
        newton.step((w**2).sum())
    net = Sequential(Dense(2, 8, rng=0, dtype=np.float64), Dropout(0.5, rng=0), Dense(8, 1, rng=1, dtype=np.float64))
    with pytest.raises(
        ValueError, match=r"is drawn anew by every run of a program: use compiled=False, or model\.eval"
    ):
        Newton(net.parameters(), compiled=True).step(lambda: (net(np.ones((3, 2))) ** 2).sum())
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="the loss is nan, and nothing was changed"):
        newton.step(lambda: np.log(w - 10).sum())
    np.testing.assert_array_equal(w.value, [3.0, 4.0])
