import numpy as np
import pytest

import minigrad as mg
from minigrad.models import linear, losses
from minigrad.models.penalties import L1, L2
from minigrad.optim import SGD, fit
from tests.models.claims import holds


def regression(seed=0, m=12, n=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, n)), rng.normal(size=m)


# Ridge regression --------------------------------------------------------------------------------------------------


@pytest.mark.row("WEX-11")
@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_the_closed_form_is_where_the_gradient_is_0_and_descent_goes_there(weight):
    X, y = regression()
    theta = linear.ridge(X, y, weight)
    np.testing.assert_allclose(theta.value, np.linalg.solve(X.T @ X + weight * np.eye(3), X.T @ y), rtol=1e-12)
    parameter = mg.Parameter(theta.value)
    (gradient,) = mg.gradients(linear.ridge_objective(parameter, X, y, weight), parameter)
    np.testing.assert_allclose(gradient.value, 0, atol=1e-12)
    np.testing.assert_allclose(linear.ridge_by_descent(X, y, weight, steps=500), theta.value, rtol=1e-9)
    np.testing.assert_allclose(
        linear.ridge_by_descent(X, y, weight, steps=2000, learning_rate=0.01), theta.value, rtol=1e-8
    )
    assert not linear.ridge_by_descent(X, y, weight, steps=0).any()


@pytest.mark.row("WEX-11")
def test_what_the_notes_write_on_the_way_fails():
    X, y = regression()
    weight, at = 0.7, np.array([0.5, -1.0, 0.3])

    def objective(theta):
        return 0.5 * ((y - X @ theta) ** 2).sum() + weight / 2 * theta @ theta

    assert holds(objective, lambda theta: -X.T @ (y - X @ theta) + weight * theta, at)
    assert not holds(
        objective, lambda theta: X.T @ y + X.T @ X @ theta + weight * theta, at
    )  # the wrong sign of 2 y'Xθ
    parameter = mg.Parameter(at)
    value = linear.ridge_objective(parameter, X, y, weight)
    np.testing.assert_allclose(float(value), objective(at), rtol=1e-13)
    A = X.T @ X + weight * np.eye(3)
    with pytest.raises(ValueError, match="matmul"):
        at[:, None] @ A  # X'y = θ (X'X + μI) has the factors the wrong way round
    columns = X.T  # with the examples in columns, as the notes lay X out, X'y does not exist
    with pytest.raises(ValueError, match="matmul"):
        columns.T @ y
    np.testing.assert_allclose(
        np.linalg.solve(columns @ columns.T + weight * np.eye(3), columns @ y),
        linear.ridge(X, y, weight).value,
        rtol=1e-12,
    )


def test_the_solution_can_be_differentiated_by_the_data_and_the_weight():
    X, y = regression(m=5, n=2)
    mg.check_gradients(linear.ridge, X, y, 0.7, order=2)
    mg.check_gradients(lambda theta, X, y: linear.ridge_objective(theta, X, y, 0.7), [0.5, -1.0], X, y, order=2)
    single = linear.ridge(X.astype(np.float32), y.astype(np.float32), 0.7)
    assert single.dtype == np.float32
    assert linear.ridge([[1], [2]], [2, 4], 5).value.tolist() == [1.0]  # integers are taken as numbers


def test_ridge_says_what_it_expects():
    X, y = regression()
    for wrong in ((X, y[:-1]), (X[0], y), (X[:0], y[:0]), (X, y[:, None])):
        with pytest.raises(ValueError, match=r"ridge: expected X \(m, n\), the examples in rows, and y \(m,\)"):
            linear.ridge(*wrong, 1.0)
    for function in (linear.ridge, linear.ridge_by_descent):
        with pytest.raises(ValueError, match=r"weight=-1\): expected a finite number of at least 0"):
            function(X, y, -1)
    with pytest.raises(ValueError, match=r"ridge_by_descent\(steps=-1\): at least 0"):
        linear.ridge_by_descent(X, y, 1.0, steps=-1)


# Support vector machine --------------------------------------------------------------------------------------------


def clouds(n=40, seed=0):
    """Two clouds that a line separates, with labels −1 and 1."""
    rng = np.random.default_rng(seed)
    y = np.repeat([-1, 1], n // 2)
    return rng.normal(size=(n, 2)) * 0.4 + np.outer(y, [1.5, 1.0]) + [0.5, -0.2], y


def svm(w, b):
    model = linear.LinearSVM(len(w), dtype=np.float64)
    model.W.value, model.b.value = [w], [b]
    return model


@pytest.mark.row("WEX-21")
@pytest.mark.parametrize("penalty", [L2(0.2), L1(0.2)], ids=["L2", "L1"])
def test_the_gradients_of_the_machine_are_the_corrected_ones(penalty):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(9, 3)), rng.choice([-1, 1], 9)
    w, b = rng.normal(size=3), 0.2
    counts = y * (x @ w + b) < 1
    assert 0 < counts.sum() < 9
    of_penalty = 0.4 * w if isinstance(penalty, L2) else 0.2 * np.sign(w)
    by_w = (counts * -y) @ x / 9 + of_penalty
    by_b = (counts * -y).mean()
    model = svm(w, b)
    objective = model.objective(x, y, penalty)
    found = mg.gradients(objective, [model.W, model.b])
    np.testing.assert_allclose(found[0].value, [by_w], rtol=1e-12)
    np.testing.assert_allclose(found[1].value, [by_b], rtol=1e-12)

    def value(w):
        size = w @ w if isinstance(penalty, L2) else np.abs(w).sum()
        return np.maximum(0, 1 - y * (x @ w + b)).mean() + 0.2 * size

    np.testing.assert_allclose(float(objective), value(w), rtol=1e-13)
    assert holds(value, lambda w: by_w, w)
    other = 0.2 * np.sign(w) if isinstance(penalty, L2) else 0.4 * w
    wrong = {
        "cases swapped": (~counts * -y) @ x / 9 + of_penalty,
        "the other penalty's gradient": (counts * -y) @ x / 9 + other,
        "the indicator times the sign, for the whole": counts.mean() * np.sign(w),
    }
    for form, gradient in wrong.items():
        assert not holds(value, lambda w, gradient=gradient: gradient, w), form
    mg.check_gradients(lambda w, x, b: losses.hinge(x @ w + b, y) + penalty(w), w, x, [b], order=2)


@pytest.mark.row("WEX-21")
@pytest.mark.parametrize("penalty", [L2(1e-4), L1(1e-4)], ids=["L2", "L1"])
def test_separable_clouds_are_separated(penalty):
    x, y = clouds()
    model = linear.LinearSVM(2)
    assert float(losses.hinge(model(x), y)) == 1
    x = x.astype(np.float32)
    history = fit(model, x, y, loss=losses.hinge, optimizer=SGD(model.parameters(), 0.1), epochs=200, batch_size=10,
                  penalties=[penalty], quiet=True)  # fmt: skip
    assert float(losses.hinge(model(x), y)) < 1e-2
    np.testing.assert_array_equal(model.predict(x), y)
    assert history["penalty"][-1] > 0


def test_a_strong_l1_with_proximal_steps_drops_the_useless_input():
    x, y = clouds()
    x = np.concatenate([x, np.random.default_rng(5).normal(size=(40, 1))], axis=1)
    model, penalty = linear.LinearSVM(3, dtype=np.float64), L1(0.05)
    optimizer = SGD(model.parameters(), 0.05)
    for _ in range(300):
        losses.hinge(model(x), y).backward()
        optimizer.step()
        penalty.proximal_step(model, optimizer.learning_rate)
    assert model.W.value[0, 2] == 0
    np.testing.assert_array_equal(model.predict(x), y)


def test_the_machine_says_what_it_expects():
    model = linear.LinearSVM(2)
    with pytest.raises(ValueError, match=r"LinearSVM: expected inputs \(batch, 2\), found Constant \(4, 3\)"):
        model(np.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"LinearSVM\(n_inputs=0\): expected an integer of at least 1"):
        linear.LinearSVM(0)
    assert model.predict(np.zeros((3, 2))).tolist() == [1, 1, 1]


def test_numbers_of_numpys_keep_float32():
    X, y = (array.astype(np.float32) for array in regression())
    weight, rate = np.float64(0.7), np.float64(0.01)
    assert linear.ridge(X, y, weight).dtype == np.float32
    assert linear.ridge_objective(mg.Parameter(np.zeros(3, np.float32)), X, y, weight).dtype == np.float32
    assert linear.ridge_by_descent(X, y, weight, steps=2).dtype == np.float32
    assert linear.ridge_by_descent(X, y, weight, steps=2, learning_rate=rate).dtype == np.float32


def test_the_default_rate_is_one_over_the_largest_curvature():
    X, y = np.diag([3.0, 1.0]), np.array([6.0, 5.0])
    # One step from 0 gives X'y / L with L = 3² + μ: along the steepest direction that is the solution already.
    np.testing.assert_allclose(linear.ridge_by_descent(X, y, 0.5, steps=1), [18 / 9.5, 5 / 9.5], rtol=1e-12)


def test_ragged_lists_are_refused_with_what_to_write():
    ragged = [[1.0, 2.0], [3.0]]
    for call, name in (
        (lambda: linear.ridge(ragged, [1.0, 2.0], 1.0), "ridge"),
        (lambda: linear.ridge([[1.0], [2.0]], ragged, 1.0), "ridge"),
        (lambda: linear.ridge_by_descent(ragged, [1.0, 2.0], 1.0), "ridge_by_descent"),
        (lambda: linear.LinearSVM(2)(ragged), "LinearSVM"),
    ):
        with pytest.raises(
            ValueError, match=f"^{name}: expected an array, found nested lists of different lengths: pad"
        ):
            call()
