import numpy as np
import pytest

import minigrad as mg
from minigrad.models import losses
from minigrad.models.losses import (
    binary_cross_entropy,
    binary_log_likelihood,
    categorical_cross_entropy,
    cross_entropy,
    half_least_squares,
    hinge,
    max_margin_ranking,
    mean_absolute_error,
    mean_euclidean_norm,
    mean_squared_error,
    squared_error,
)
from tests.models.claims import holds


def gradient(loss, *inputs):
    return [node.value for node in mg.gradients(loss, inputs)]


# Cross-entropy ---------------------------------------------------------------------------------------------------


@pytest.mark.row("LOS-01")
def test_cross_entropy_of_the_worked_example():
    a = mg.Input([[1.0, 2.0, 3.0]])
    loss = cross_entropy(a, [2])
    np.testing.assert_allclose(float(loss), 0.407606, atol=5e-7)
    np.testing.assert_allclose(gradient(loss, a)[0], [[0.090031, 0.244728, -0.334759]], atol=5e-7)


def test_cross_entropy_is_the_mean_over_the_batch():
    rng = np.random.default_rng(0)
    logits, y = rng.normal(size=(6, 4)), rng.integers(4, size=6)
    a = mg.Input(logits)
    loss = cross_entropy(a, y)
    f = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(float(loss), -np.log(f[np.arange(6), y]).mean(), rtol=1e-14)
    np.testing.assert_allclose(gradient(loss, a)[0], (f - np.eye(4)[y]) / 6, atol=1e-15)
    mg.check_gradients(lambda a: cross_entropy(a, y), logits)
    mg.check_gradients(lambda a: cross_entropy(a, y), logits, order=2)


def test_cross_entropy_of_sequences_averages_over_all():
    rng = np.random.default_rng(0)
    logits, y = rng.normal(size=(3, 5, 4)), rng.integers(4, size=(3, 5))
    flat = cross_entropy(mg.Input(logits.reshape(15, 4)), y.reshape(15))
    np.testing.assert_allclose(float(cross_entropy(mg.Input(logits), y)), float(flat), rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_is_finite_at_large_logits(dtype):
    a = mg.Input(np.array([[1000, -1000, 0], [-1000, 1000, -1000]], dtype))
    with mg.anomalies():
        loss = cross_entropy(a, [1, 1])
        (adjoint,) = mg.gradients(loss, a)
        (second,) = mg.gradients((adjoint**2).sum(), a)
    assert (loss.dtype, adjoint.dtype, second.dtype) == (dtype,) * 3
    assert float(loss) == 1000.0
    np.testing.assert_array_equal(adjoint.value, [[0.5, -0.5, 0], [0, 0, 0]])


def test_class_indices_out_of_range_are_refused_now_and_in_replays():
    a = mg.Input(np.zeros((2, 3)))
    message = r"Indices.*1 of 2 indices are not among 0\.\.2, the first is %s: there are 3 outputs per example"
    for wrong in (3, -1):
        with pytest.raises(IndexError, match=message % wrong):
            cross_entropy(a, [0, wrong])
        with pytest.raises(IndexError, match=message % wrong):
            mg.Graph(cross_entropy(a, y := mg.Input([0, 2]))).fprop({y: [0, wrong]})


def test_labels_may_change_in_a_replay():
    rng = np.random.default_rng(0)
    a, y = mg.Input(rng.normal(size=(2, 3))), mg.Input([0, 2])
    loss = cross_entropy(a, y)
    graph = mg.Graph(loss, *mg.gradients(loss, a))
    replayed = graph.fprop({y: [1, 1]})
    fresh = cross_entropy(a, [1, 1])
    np.testing.assert_array_equal(replayed[0], fresh.value)
    np.testing.assert_array_equal(replayed[1], gradient(fresh, a)[0])


def test_cross_entropy_says_what_it_expects():
    a = mg.Input(np.zeros((2, 3)))
    with pytest.raises(
        TypeError, match=r"expected integer class indices, found Input \"targets\" \(2, 3\) of dtype float64"
    ):
        cross_entropy(a, np.eye(3)[:2])
    with pytest.raises(TypeError, match=r"expected integer class indices, found .* bool"):
        cross_entropy(a, np.array([True, False]))
    with pytest.raises(ValueError, match=r"class indices of shape \(2,\) for logits of shape \(2, 3\), found \(2, 1\)"):
        cross_entropy(a, [[0], [1]])
    with pytest.raises(ValueError, match=r"logits of shape \(batch, n_classes\).*found Input \(3,\)"):
        cross_entropy(mg.Input(np.zeros(3)), 1)
    with pytest.raises(ValueError, match=r"none of them 0, found Input \(0, 3\)"):
        cross_entropy(mg.Input(np.zeros((0, 3))), np.zeros(0, int))
    with pytest.raises(TypeError, match="expected logits that are a node of floating-point numbers, found ndarray"):
        cross_entropy(np.zeros((2, 3)), [0, 1])  # type: ignore[arg-type]
    with pytest.raises(
        TypeError, match=r"expected logits that are a node of floating-point numbers, found Input \(2, 3\) int"
    ):
        cross_entropy(mg.Input(np.zeros((2, 3), int)), [0, 1])


# Mean squared error ----------------------------------------------------------------------------------------------


@pytest.mark.row("LOS-05")
def test_mean_squared_error_over_elements_and_over_examples():
    y = mg.Input([[3.0, 4.0]])
    assert float(mean_squared_error(y, [[0, 0]])) == 12.5
    assert float(mean_squared_error(y, [[0, 0]], over_outputs="sum")) == 25
    np.testing.assert_array_equal(gradient(mean_squared_error(y, [[0, 0]]), y)[0], [[3, 4]])
    np.testing.assert_array_equal(gradient(mean_squared_error(y, [[0, 0]], over_outputs="sum"), y)[0], [[6, 8]])


@pytest.mark.row("LOS-05")
@pytest.mark.parametrize(("over_outputs", "n"), [("mean", 15), ("sum", 5)])
def test_mean_squared_error_of_a_batch(over_outputs, n):
    rng = np.random.default_rng(0)
    outputs, targets = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    y = mg.Input(outputs)
    loss = mean_squared_error(y, targets, over_outputs=over_outputs)
    np.testing.assert_allclose(float(loss), ((outputs - targets) ** 2).sum() / n, rtol=1e-14)
    np.testing.assert_allclose(gradient(loss, y)[0], 2 * (outputs - targets) / n, rtol=1e-14)
    mg.check_gradients(lambda y: mean_squared_error(y, targets, over_outputs=over_outputs), outputs, order=2)


def test_targets_take_the_dtype_of_the_outputs():
    y = mg.Input(np.ones((2, 1), np.float32))
    for targets in ([[0], [3]], np.array([[0.0], [3.0]]), mg.Input([[0.0], [3.0]])):
        loss = mean_squared_error(y, targets)
        assert (loss.dtype, float(loss)) == (np.dtype(np.float32), 2.5)


def test_mean_squared_error_says_what_it_expects():
    y = mg.Input(np.zeros((2, 1)))
    with pytest.raises(ValueError, match=r"targets of shape \(2, 1\), found \(2,\): write targets.reshape\(2, 1\)"):
        mean_squared_error(y, [1.0, 2.0])
    with pytest.raises(ValueError, match=r"targets of shape \(2, 1\), found \(3, 1\)$"):
        mean_squared_error(y, np.zeros((3, 1)))
    with pytest.raises(TypeError, match="found booleans"):
        mean_squared_error(y, np.zeros((2, 1), bool))
    with pytest.raises(ValueError, match='over_outputs=\'max\'\\): "mean" or "sum"'):
        mean_squared_error(y, np.zeros((2, 1)), over_outputs="max")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"none of them 0, found Input \(0, 1\)"):
        mean_squared_error(mg.Input(np.zeros((0, 1))), np.zeros((0, 1)))
    with pytest.raises(ValueError, match=r"found Input \(\)"):
        mean_squared_error(mg.Input(1.0), 1.0)
    with pytest.raises(TypeError, match="expected outputs that are a node"):
        mean_squared_error([1.0], [1.0])  # type: ignore[arg-type]


def test_losses_have_scopes_and_name_their_targets():
    loss = losses.cross_entropy(mg.Input(np.zeros((2, 3))), [0, 1])
    assert loss.scope == "cross_entropy"
    assert "targets" in {node.name for node in mg.Graph(loss).nodes}


# Cross-entropy, step by step, and from other targets ---------------------------------------------------------------


def softmax(a):
    return np.exp(a) / np.exp(a).sum(axis=-1, keepdims=True)


@pytest.mark.row("WEX-01")
def test_every_step_from_softmax_to_the_gradient_of_the_cross_entropy():
    y, e = 2, np.eye(3)[2]
    a = np.log([0.338993, 0.102103, 0.558904])
    f = softmax(a)
    assert holds(lambda f: -np.log(f[y]), lambda f: -e / f[y], f)  # by f: −1[c = y] / f_y
    assert holds(
        lambda a: softmax(a)[y], lambda a: softmax(a)[y] * (e - softmax(a)), a
    )  # f_y by a: f_y (1[c = y] − f_c)
    assert holds(lambda a: -np.log(softmax(a)[y]), lambda a: -(e - softmax(a)), a)  # so −ln f_y by a: −(e(y) − f)
    assert not holds(
        lambda a: -np.log(softmax(a)[y]), lambda a: -np.ones(3), a
    )  # the lines of the notes, as a fraction
    logits = mg.Input(a[np.newaxis])
    np.testing.assert_allclose(
        gradient(cross_entropy(logits, [y]), logits)[0], [[0.338993, 0.102103, -0.441096]], atol=2e-6
    )
    probabilities = mg.Input(f[np.newaxis])
    by_f = gradient(cross_entropy(probabilities, [y], from_logits=False), probabilities)[0]
    np.testing.assert_allclose(by_f, [-e / f], rtol=1e-13)


@pytest.mark.row("LOS-02")
def test_categorical_cross_entropy_of_one_hot_rows_is_that_of_their_indices():
    rng = np.random.default_rng(0)
    logits, y = rng.normal(size=(6, 4)), rng.integers(4, size=6)
    rows = np.eye(4)[y]
    f = softmax(logits)
    for given, from_logits, slope in ((logits, True, (f - rows) / 6), (f, False, -rows / (6 * f))):
        a = mg.Input(given)
        one, other = (
            categorical_cross_entropy(a, rows, from_logits=from_logits), cross_entropy(a, y, from_logits=from_logits)
        )  # fmt: skip
        np.testing.assert_allclose(float(one), -np.log(f[np.arange(6), y]).mean(), rtol=1e-14)
        np.testing.assert_allclose(float(other), float(one), rtol=1e-14)
        np.testing.assert_allclose(gradient(one, a)[0], slope, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(gradient(other, a)[0], slope, rtol=1e-12, atol=1e-15)
    worked = categorical_cross_entropy(mg.Input([[1.0, 2.0, 3.0]]), [[0, 0, 1]])
    np.testing.assert_allclose(float(worked), 0.407606, atol=5e-7)


@pytest.mark.row("LOS-02")
def test_categorical_cross_entropy_of_soft_targets():
    rng = np.random.default_rng(0)
    logits, rows = rng.normal(size=(2, 3, 4)), softmax(rng.normal(size=(2, 3, 4)))
    a = mg.Input(logits)
    loss = categorical_cross_entropy(a, rows)
    np.testing.assert_allclose(float(loss), -(rows * np.log(softmax(logits))).sum(axis=-1).mean(), rtol=1e-13)
    np.testing.assert_allclose(gradient(loss, a)[0], (softmax(logits) - rows) / 6, atol=1e-15)
    mg.check_gradients(lambda a: categorical_cross_entropy(a, rows), logits, order=2)
    mg.check_gradients(lambda a, y: categorical_cross_entropy(a, mg.softmax(y)), logits[0], logits[1], order=2)


# Binary cross-entropy ----------------------------------------------------------------------------------------------


@pytest.mark.row("LOS-03")
def test_binary_cross_entropy_of_the_worked_example_from_probabilities_and_logits():
    p, z = mg.Input([0.3]), mg.Input([np.log(0.3 / 0.7)])
    from_p, from_z = binary_cross_entropy(p, [1], from_logits=False), binary_cross_entropy(z, [1])
    for loss in (from_p, from_z):
        np.testing.assert_allclose(float(loss), 1.203973, atol=5e-7)
    np.testing.assert_allclose(gradient(from_p, p)[0], [-3.333333], atol=5e-7)
    np.testing.assert_allclose(gradient(from_z, z)[0], [0.3 - 1], rtol=1e-13)


@pytest.mark.row("LOS-04")
def test_the_minus_of_the_likelihood_stands_outside_and_once():
    p = mg.Input([0.3, 0.6, 0.8])
    y = np.array([1, 0, 1])
    likelihood, loss = (f(p, y, from_logits=False) for f in (binary_log_likelihood, binary_cross_entropy))
    np.testing.assert_allclose(float(likelihood), np.log([0.3, 0.4, 0.8]).mean(), rtol=1e-14)
    assert float(loss) == -float(likelihood)
    np.testing.assert_allclose(gradient(loss, p)[0], -(y / p.value - (1 - y) / (1 - p.value)) / 3, rtol=1e-13)
    one = mg.Input([0.3])
    np.testing.assert_allclose(
        [gradient(f(one, [1], from_logits=False), one)[0][0] for f in (binary_cross_entropy, binary_log_likelihood)],
        [-3.333333, 3.333333], atol=5e-7,
    )  # fmt: skip
    # Cross-entropy and another minus in front of the sum, as the notes can be read, would climb.
    assert holds(lambda p: -np.log(p).sum(), lambda p: -1 / p, [0.3])
    assert not holds(lambda p: -np.log(p).sum(), lambda p: 1 / p, [0.3])


@pytest.mark.row("LOS-03")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_cross_entropy_is_finite_at_large_logits_and_sure_probabilities(dtype):
    z = mg.Input(np.array([1000, -1000, 1000, -1000, 20], dtype))
    y = [0, 1, 1, 0, 1]
    with mg.anomalies():
        terms = binary_cross_entropy(z, y, over_examples="none")
        loss = binary_cross_entropy(z, y)
        (adjoint,) = mg.gradients(loss, z)
        (second,) = mg.gradients((adjoint**2).sum(), z)
        p = mg.Input(np.array([0, 1, 0, 1], dtype))
        sure = binary_cross_entropy(p, [0, 1, 1, 0], from_logits=False, over_examples="none")
        (of_p,) = mg.gradients(sure.sum(), p)
        distributions = mg.Input(np.array([[0, 1], [1, 0]], dtype))
        certain = cross_entropy(distributions, [1, 1], from_logits=False, over_examples="none")
        mg.gradients(certain.sum(), distributions)
    assert {node.dtype for node in (terms, loss, adjoint, second, sure, of_p, certain)} == {np.dtype(dtype)}
    np.testing.assert_allclose(terms.value, [1000, 1000, 0, 0, np.log1p(np.exp(-20))], rtol=1e-6)
    np.testing.assert_allclose(adjoint.value[:4], [0.2, -0.2, 0, 0], atol=1e-7)
    floor = -np.log(np.finfo(dtype).tiny)
    np.testing.assert_allclose(sure.value, [0, 0, floor, floor], rtol=1e-6)
    np.testing.assert_allclose(certain.value, [0, floor], rtol=1e-6)


@pytest.mark.parametrize("over", ["mean", "sum"])
def test_binary_cross_entropy_has_second_derivatives(over):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 2))
    p, y = rng.uniform(0.1, 0.9, (2, 3, 2))
    mg.check_gradients(lambda z, y: binary_cross_entropy(z, y, over_outputs=over), logits, y, order=2)
    mg.check_gradients(lambda p, y: binary_cross_entropy(p, y, from_logits=False, over_outputs=over), p, y, order=2)


def test_cross_entropy_from_probabilities_has_second_derivatives():
    f = softmax(np.random.default_rng(0).normal(size=(3, 4)))
    mg.check_gradients(lambda f: cross_entropy(f, [1, 0, 3], from_logits=False), f, order=2)


# Other numbers -----------------------------------------------------------------------------------------------------


@pytest.mark.row("LOS-06")
def test_squared_error_of_one_example():
    y = mg.Input(1.5)
    loss = squared_error(y, 1.0)
    assert (float(loss), float(gradient(loss, y)[0])) == (0.25, 1.0)
    several = mg.Input([3.0, 4.0])
    assert float(squared_error(several, [0, 0])) == 25
    mg.check_gradients(lambda y, t: squared_error(y, t), [3.0, 4.0], [1.0, -1.0], order=2)
    with pytest.raises(ValueError, match=r"squared_error: expected the output of one example.*mean_squared_error"):
        squared_error(mg.Input([[3.0]]), [[0]])


@pytest.mark.row("LOS-07")
def test_mean_absolute_error_is_no_norm():
    y = mg.Input([[3.0, 4.0]])
    total, mean = (mean_absolute_error(y, [[0, 0]], over_outputs=over) for over in ("sum", "mean"))
    assert (float(total), float(mean)) == (7, 3.5)
    np.testing.assert_array_equal(gradient(total, y)[0], [[1, 1]])
    np.testing.assert_array_equal(gradient(mean, y)[0], [[0.5, 0.5]])
    assert not gradient(mean_absolute_error(y, [[3, 4]]), y)[0].any()  # sgn(0) = 0
    # The notes' "mean absolute error" is the mean of norms: another number, and another gradient.
    assert holds(lambda e: np.abs(e).sum(), np.sign, [3.0, 4.0])
    assert not holds(lambda e: np.abs(e).sum(), lambda e: e / np.linalg.norm(e), [3.0, 4.0])
    rng = np.random.default_rng(0)
    mg.check_gradients(mean_absolute_error, rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), order=2)


@pytest.mark.row("LOS-08")
def test_mean_euclidean_norm():
    y = mg.Input([[3.0, 4.0]])
    loss = mean_euclidean_norm(y, [[0, 0]])
    assert float(loss) == 5
    np.testing.assert_allclose(gradient(loss, y)[0], [[0.6, 0.8]], rtol=1e-15)
    still = mg.Input([[0.0, 0.0], [3.0, 4.0]])
    np.testing.assert_allclose(gradient(mean_euclidean_norm(still, np.zeros((2, 2))), still)[0], [[0, 0], [0.3, 0.4]])
    column = mg.Input([[-2.0], [1.0]])  # equal for one output only
    assert float(mean_euclidean_norm(column, [[0], [0]])) == float(mean_absolute_error(column, [[0], [0]])) == 1.5
    rng = np.random.default_rng(0)
    mg.check_gradients(mean_euclidean_norm, rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), order=2)
    with pytest.raises(ValueError, match=r"mean_euclidean_norm: expected outputs \(batch, n_outputs\)"):
        mean_euclidean_norm(mg.Input([1.0]), [0])


@pytest.mark.row("LOS-09")
def test_half_least_squares_is_a_sum():
    rng = np.random.default_rng(0)
    X, y, theta = rng.normal(size=(12, 3)), rng.normal(size=12), rng.normal(size=3)
    parameter = mg.Parameter(theta)
    loss = half_least_squares(mg.Input(X) @ parameter, y)
    np.testing.assert_allclose(float(loss), 0.5 * ((y - X @ theta) ** 2).sum(), rtol=1e-13)
    np.testing.assert_allclose(gradient(loss, parameter)[0], -X.T @ (y - X @ theta), rtol=1e-12)
    mg.check_gradients(lambda theta, X: half_least_squares(X @ theta, y), theta, X, order=2)
    # expanded with the notes' signs it is something else
    assert abs(0.5 * (y @ y + 2 * y @ X @ theta + theta @ (X.T @ X) @ theta) - float(loss)) > 0.1
    np.testing.assert_allclose(0.5 * (y @ y - 2 * y @ X @ theta + theta @ (X.T @ X) @ theta), float(loss), rtol=1e-12)


# Margins -----------------------------------------------------------------------------------------------------------


@pytest.mark.row("LOS-10")
def test_hinge_of_a_support_vector_machine_that_knows_nothing():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(9, 3)), rng.choice([-1, 1], 9)
    w, b = mg.Parameter(np.zeros(3)), mg.Parameter(np.zeros(1))
    loss = hinge(mg.Input(x) @ w + b, y)
    assert float(loss) == 1
    by_w, by_b = gradient(loss, w, b)
    np.testing.assert_allclose(by_w, -(y[:, None] * x).mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(by_b, [-y.mean()], rtol=1e-13)


@pytest.mark.row("LOS-10")
def test_hinge_has_its_cases_the_right_way_round():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(9, 3)), rng.choice([-1, 1], 9)
    at, b = rng.normal(size=3), 0.2
    inside = y * (x @ at + b) < 1
    assert 0 < inside.sum() < 9

    def value(w):
        return np.maximum(0, 1 - y * (x @ w + b)).mean()

    def slope(counts):
        return (counts * -y) @ x / 9

    assert holds(value, lambda w: slope(inside), at)
    assert not holds(value, lambda w: slope(~inside), at)  # the notes' cases
    mg.check_gradients(lambda w, x, b: hinge(x @ w + b, y), at, x, [b], order=2)
    w = mg.Parameter(at)
    np.testing.assert_allclose(gradient(hinge(mg.Input(x) @ w + b, y), w)[0], slope(inside), rtol=1e-12)
    margin = mg.Input([1.0, 1 - 1e-9])
    np.testing.assert_array_equal(gradient(hinge(margin, [1, 1]), margin)[0], [0, -0.5])


@pytest.mark.row("LOS-11")
def test_hinge_of_several_outputs_sums_over_them():
    outputs = mg.Input([[0.3, 0.3], [-2.0, 0.5]])
    signs = hinge(outputs, [[-1, 1], [1, -1]])
    np.testing.assert_allclose(float(signs), (1.3 + 0.7 + 3.0 + 1.5) / 2, rtol=1e-14)
    np.testing.assert_array_equal(gradient(signs, outputs)[0], [[0.5, -0.5], [-0.5, 0.5]])
    literal = hinge(mg.Input([[0.3, 0.3]]), [[0, 1]], labels="zero_one", over_outputs="mean")
    converted = hinge(mg.Input([[0.3, 0.3]]), [[-1, 1]], over_outputs="mean")
    np.testing.assert_allclose([float(literal), float(converted)], [0.85, 1.0], rtol=1e-14)


@pytest.mark.row("LOS-11")
def test_a_target_of_0_gives_loss_1_and_no_gradient():
    outputs = mg.Input([[0.9], [-5.0]])
    loss = hinge(outputs, np.zeros((2, 1)), labels="zero_one", over_examples="none")
    np.testing.assert_array_equal(loss.value, [1, 1])
    assert not gradient(loss.sum(), outputs)[0].any()
    y, at = np.array([1.0, -1.0, 1.0]), np.array([0.3, 0.4, 2.0])
    value, active = (lambda o: np.maximum(0, 1 - y * o).sum()), y * at < 1
    assert holds(value, lambda o: -y * active, at)
    assert not holds(value, lambda o: -o * active, at)  # the notes differentiate by y instead
    rng = np.random.default_rng(0)
    targets = rng.choice([-1, 1], (4, 3))
    mg.check_gradients(lambda o: hinge(o, targets), rng.normal(size=(4, 3)), order=2)


@pytest.mark.row("WEX-22")
def test_the_net_of_relu_sigmoid_and_hinge():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=4), np.array([1.0, 0.0, 1.0])
    W1, b1, W2, b2 = (rng.normal(size=shape) for shape in ((5, 4), (5,), (3, 5), (3,)))

    def net(W1, b1, W2, b2, x):
        return hinge(mg.sigmoid(mg.relu(x @ W1.T + b1) @ W2.T + b2), y[None], labels="zero_one")

    h1 = W1 @ x + b1
    a1 = np.maximum(h1, 0)
    f = 1 / (1 + np.exp(-(W2 @ a1 + b2)))
    assert 0 < (h1 > 0).sum() < 5
    delta_h2 = -y * f * (1 - f)
    delta_h1 = (h1 > 0) * (W2.T @ delta_h2)
    inputs = [mg.Input(array) for array in (W1, b1, W2, b2, x[None])]
    found = gradient(net(*inputs), *inputs)
    expected = [np.outer(delta_h1, x), delta_h1, np.outer(delta_h2, a1), delta_h2, [W1.T @ delta_h1]]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-15)
    mg.check_gradients(net, W1, b1, W2, b2, x[None], order=2)


@pytest.mark.row("WEX-22")
def test_what_the_notes_make_of_that_net_fails():
    y, f = np.array([1.0, 0.0, 1.0]), np.array([0.2155, 0.0082, 0.00745])
    at = np.log(f / (1 - f))

    def sigmoid(h):
        return 1 / (1 + np.exp(-h))

    def value(h):
        return np.maximum(0, 1 - y * sigmoid(h)).sum()

    right = -y * f * (1 - f)
    np.testing.assert_allclose(right, [-0.169, 0, -0.0074], atol=5e-4)
    h = mg.Input(at[None])
    found = gradient(hinge(mg.sigmoid(h), y[None], labels="zero_one"), h)[0]
    np.testing.assert_allclose(found[0], right, rtol=1e-12, atol=1e-18)
    without_slope, with_sigmoids = -y * sigmoid(at), -f * sigmoid(1 - f) * sigmoid(y)
    np.testing.assert_allclose(without_slope[0], -0.2155, atol=5e-5)
    np.testing.assert_allclose(with_sigmoids, [-0.108, -0.003, -0.004], atol=5e-4)
    assert holds(value, lambda h: right, at)
    assert not holds(value, lambda h: without_slope, at)
    assert not holds(value, lambda h: with_sigmoids, at)
    W2, h1 = (
        np.array([[0.5, -1.0]]),
        np.array([0.7, -0.4]),
    )  # a product over the units where an indicator of each belongs

    def hidden(h1):
        return float((W2 @ np.maximum(h1, 0))[0])

    assert holds(hidden, lambda h1: (h1 > 0) * W2[0], h1)
    assert not holds(hidden, lambda h1: np.prod(h1 > 0) * W2[0], h1)


@pytest.mark.row("LOS-12")
def test_ranking_without_margin():
    s, corrupt = mg.Input([1.0]), mg.Input([2.0])
    loss = max_margin_ranking(s, corrupt, margin=0)
    assert float(loss) == 1
    assert [g.tolist() for g in gradient(loss, s, corrupt)] == [[-1], [1]]
    content = max_margin_ranking(corrupt, s, margin=0)
    assert float(content) == 0
    assert not any(g.any() for g in gradient(content, s, corrupt))


@pytest.mark.row("LOS-13")
def test_max_margin_ranking():
    s, corrupt = mg.Input([2.0, 1.0]), mg.Input([0.5, 0.5])
    loss = max_margin_ranking(s, corrupt, over_examples="none")
    np.testing.assert_array_equal(loss.value, [0, 0.5])
    by_s, by_corrupt = gradient(loss.sum(), s, corrupt)
    np.testing.assert_array_equal(by_s, [0, -1])  # nothing where the loss is 0
    np.testing.assert_array_equal(by_corrupt, [0, 1])
    assert float(max_margin_ranking(s, corrupt)) == 0.25
    rng = np.random.default_rng(0)
    mg.check_gradients(max_margin_ranking, rng.normal(size=5), rng.normal(size=5), order=2)
    kink = mg.Input([1.0]), mg.Input([0.0])
    assert not any(g.any() for g in gradient(max_margin_ranking(*kink), *kink))
    with pytest.raises(ValueError, match=r"max_margin_ranking\(margin=-1\): expected a finite number of at least 0"):
        max_margin_ranking(*kink, margin=-1)
    with pytest.raises(ValueError, match=r"expected corrupt scores of shape \(2,\), found \(1,\)"):
        max_margin_ranking(s, kink[1])


@pytest.mark.parametrize("large", [1e8, -1e8, 3e7])
def test_a_margin_counts_at_large_scores(large):
    """Between scores of 1e8 in float32 lie 8: a margin of 1 is lost unless scores are compared first."""
    s = mg.Input(np.float32([large, large]))
    corrupt = mg.Input(np.float32([large, large - 8]))
    for margin in (1.0, 0.25):
        loss = max_margin_ranking(s, corrupt, margin=margin, over_examples="none")
        np.testing.assert_array_equal(loss.value, np.float32([margin, 0]))
        by_s, by_corrupt = gradient(loss.sum(), s, corrupt)
        np.testing.assert_array_equal(by_s, [-1, 0])
        np.testing.assert_array_equal(by_corrupt, [1, 0])
        step = mg.compile(lambda a, b, m=margin: max_margin_ranking(a, b, margin=m))
        for _ in range(2):
            assert float(step(s.value, corrupt.value)) == margin / 2


# Weights, masks and reductions -------------------------------------------------------------------------------------

SEQUENCES = {  # name: the loss of (2, 3) examples, its inputs, what hides behind a mask
    "cross_entropy": (cross_entropy, (2, 3, 4), lambda rng: rng.integers(4, size=(2, 3)), -1),
    "categorical_cross_entropy": (categorical_cross_entropy, (2, 3, 4), lambda rng: softmax(rng.normal(size=(2, 3, 4))), np.nan),
    "binary_cross_entropy": (binary_cross_entropy, (2, 3, 4), lambda rng: rng.uniform(size=(2, 3, 4)), 7),
    "binary_log_likelihood": (binary_log_likelihood, (2, 3, 4), lambda rng: rng.uniform(size=(2, 3, 4)), 7),
    "mean_squared_error": (mean_squared_error, (2, 3, 4), lambda rng: rng.normal(size=(2, 3, 4)), np.nan),
    "mean_absolute_error": (mean_absolute_error, (2, 3, 4), lambda rng: rng.normal(size=(2, 3, 4)), np.nan),
    "huber": (losses.huber, (2, 3, 4), lambda rng: rng.normal(size=(2, 3, 4)), np.nan),
    "kl_divergence": (losses.kl_divergence, (2, 3, 4), lambda rng: softmax(rng.normal(size=(2, 3, 4))), np.nan),
    "multi_class_hinge": (losses.multi_class_hinge, (2, 3, 4), lambda rng: rng.integers(4, size=(2, 3)), -1),
    "mean_euclidean_norm": (mean_euclidean_norm, (2, 3, 4), lambda rng: rng.normal(size=(2, 3, 4)), np.nan),
    "half_least_squares": (half_least_squares, (2, 3, 4), lambda rng: rng.normal(size=(2, 3, 4)), np.nan),
    "hinge": (hinge, (2, 3, 4), lambda rng: rng.choice([-1.0, 1.0], (2, 3, 4)), 0),
    "max_margin_ranking": (max_margin_ranking, (2, 3), lambda rng: mg.Input(rng.normal(size=(2, 3))), np.nan),
}  # fmt: skip
MASK = np.array([[True, True, False], [True, False, False]])
WEIGHTS = np.array([[0.5, 2.0, 1.0], [3.0, 1.0, 1.0]])


def sequences(name):
    loss, shape, draw, rubbish = SEQUENCES[name]
    rng = np.random.default_rng(4)
    return loss, rng.normal(size=shape), draw(rng), rubbish


@pytest.mark.parametrize("name", SEQUENCES)
def test_weights_and_masks_make_the_mean_of_what_is_left(name):
    loss, outputs, targets, _ = sequences(name)
    each = loss(mg.Input(outputs), targets, over_examples="none").value
    assert each.shape == (2, 3)

    def value(**options):
        return float(loss(mg.Input(outputs), targets, **options))

    np.testing.assert_allclose(value(over_examples="mean"), each.mean(), rtol=1e-12)
    np.testing.assert_allclose(value(over_examples="sum"), each.sum(), rtol=1e-12)
    np.testing.assert_allclose(value(over_examples="mean", mask=MASK), each[MASK].mean(), rtol=1e-12)
    np.testing.assert_allclose(value(over_examples="sum", mask=MASK), each[MASK].sum(), rtol=1e-12)
    np.testing.assert_allclose(
        value(over_examples="mean", weights=WEIGHTS), np.average(each, weights=WEIGHTS), rtol=1e-12
    )
    np.testing.assert_allclose(
        value(over_examples="mean", weights=WEIGHTS, mask=MASK),
        np.average(each[MASK], weights=WEIGHTS[MASK]),
        rtol=1e-12,
    )
    np.testing.assert_allclose(
        value(over_examples="mean", weights=[1, 3]), each.mean(axis=1) @ [0.25, 0.75], rtol=1e-12
    )
    np.testing.assert_allclose(value(over_examples="mean", mask=[False, True]), each[1].mean(), rtol=1e-12)


@pytest.mark.parametrize("name", SEQUENCES)
def test_what_is_masked_may_be_rubbish_and_gets_no_adjoint(name):
    loss, outputs, targets, rubbish = sequences(name)
    arrays = [outputs.copy(), targets.value.copy() if isinstance(targets, mg.Node) else targets.copy()]
    expected = loss(mg.Input(outputs), targets, mask=MASK)
    arrays[0][~MASK] = np.nan
    arrays[1][~MASK] = rubbish
    x, y = map(mg.Input, arrays)
    total = loss(x, y, mask=MASK)
    np.testing.assert_allclose(float(total), float(expected), rtol=1e-13)
    (adjoint,) = mg.gradients(total, x)
    (second,) = mg.gradients((adjoint**2).sum(), x)
    assert not adjoint.value[~MASK].any()
    assert np.isfinite(second.value).all()


@pytest.mark.parametrize("name", SEQUENCES)
def test_weighted_and_masked_losses_have_two_derivatives(name):
    loss, outputs, targets, _ = sequences(name)
    mg.check_gradients(
        lambda x, w: loss(x, targets, weights=w, mask=MASK, over_examples="mean"), outputs, WEIGHTS, order=2
    )


@pytest.mark.parametrize("name", SEQUENCES)
def test_every_loss_is_finite_at_large_outputs_in_float32(name):
    loss, outputs, targets, _ = sequences(name)
    for scale in (1000, -1000):
        x = mg.Input(np.sign(outputs).astype(np.float32) * np.float32(scale))
        y = mg.Input(targets.value.astype(np.float32)) if isinstance(targets, mg.Node) else targets
        with mg.anomalies():
            total = loss(x, y, weights=WEIGHTS, mask=MASK)
            (adjoint,) = mg.gradients(total, x)
            (second,) = mg.gradients((adjoint**2).sum(), x)
        assert {total.dtype, adjoint.dtype, second.dtype} == {np.dtype(np.float32)}


def test_masks_and_weights_may_change_in_a_replay():
    rng = np.random.default_rng(0)
    outputs, targets = rng.normal(size=(2, 3, 4)), rng.integers(4, size=(2, 3))
    x, mask, weights = mg.Input(outputs), mg.Input(MASK), mg.Input(WEIGHTS)
    loss = cross_entropy(x, targets, weights=weights, mask=mask)
    replayed = mg.Graph(loss, *mg.gradients(loss, x)).fprop({mask: ~MASK, weights: WEIGHTS[::-1].copy()})
    fresh = cross_entropy(x, targets, weights=WEIGHTS[::-1].copy(), mask=~MASK)
    np.testing.assert_array_equal(replayed[0], fresh.value)
    np.testing.assert_array_equal(replayed[1], gradient(fresh, x)[0])


def test_weights_and_masks_that_do_not_fit_are_refused():
    x, y = mg.Input(np.zeros((2, 3, 4))), np.zeros((2, 3), int)
    with pytest.raises(
        TypeError, match="cross_entropy: expected mask of booleans, False where padded, found dtype int64"
    ):
        cross_entropy(x, y, mask=[[1, 0, 1], [1, 1, 1]])
    with pytest.raises(TypeError, match="expected weights of numbers, found dtype bool"):
        cross_entropy(x, y, weights=MASK)
    with pytest.raises(
        ValueError, match=r"expected weights of the examples' shape \(2, 3\), or of its first axes, found \(3,\)"
    ):
        cross_entropy(x, y, weights=np.ones(3))
    with pytest.raises(ValueError, match=r"expected mask of the examples' shape"):
        cross_entropy(x, y, mask=True)
    with pytest.raises(ValueError, match='cross_entropy\\(over_examples=\'all\'\\): "mean", "sum" or "none"'):
        cross_entropy(x, y, over_examples="all")  # type: ignore[arg-type]


# What is asked of values -------------------------------------------------------------------------------------------


def refused(loss, right, wrong, message):
    """The loss of this array is refused now, and in a replay of the loss of a right one."""
    with pytest.raises(ValueError, match=message):
        loss(wrong)
    leaf = mg.Input(right)
    with pytest.raises(ValueError, match=message):
        mg.Graph(loss(leaf)).fprop({leaf: wrong})


def passes_on(kind, array, **attributes):
    """The check is the identity, and so is its adjoint, at order 2 too."""
    mg.check_gradients(lambda x: kind(x, **attributes), array)
    x = mg.Input(array)
    y = kind(x, **attributes)
    (first,) = mg.gradients((y**3).sum(), x)
    (second,) = mg.gradients(first.sum(), x)
    assert y.value is x.value
    np.testing.assert_allclose(first.value, 3 * array**2, rtol=1e-14)
    np.testing.assert_allclose(second.value, 6 * array, rtol=1e-14)


def test_labels_that_are_no_signs_are_refused_now_and_in_replays():
    outputs = mg.Input([0.5, 0.5])
    message = r"1 of 2 targets are wrong, the first is 0.* at \(1,\): expected -1 or 1 .*labels='zero_one'"
    refused(lambda y: hinge(outputs, y), [1, -1], [1, 0], message)
    with pytest.raises(ValueError, match=r"the first is -1.* at \(0,\): expected 0 or 1 .*labels='signs'"):
        hinge(outputs, [-1, 1], labels="zero_one")
    with pytest.raises(ValueError, match=r'hinge\(labels=.both.\): "signs"'):
        hinge(outputs, [1, 1], labels="both")  # type: ignore[arg-type]
    assert losses.Labels(mg.Input([1.0, -1.0]), lowest=-1).value.tolist() == [1, -1]


def test_numbers_that_are_no_probabilities_are_refused_now_and_in_replays():
    passes_on(losses.Probabilities, np.array([0.2, 0.7]), role="targets")
    z = mg.Input([0.5, 0.5])
    for wrong in (1.5, -0.1, np.nan):
        message = rf"1 of 2 targets are wrong, the first is {wrong} at \(0,\): expected 0 to 1"
        refused(lambda y: binary_cross_entropy(z, y), [0.0, 1.0], [wrong, 1.0], message)
    with pytest.raises(ValueError, match=r"probabilities are wrong, the first is 3.0 at \(1,\): .*from_logits=True"):
        binary_cross_entropy(mg.Input([0.5, 3.0]), [0, 1], from_logits=False)


def test_rows_that_are_no_distributions_are_refused_now_and_in_replays():
    passes_on(losses.Distributions, np.array([[0.2, 0.8], [0.5, 0.5]]), role="targets")
    a = mg.Input(np.zeros((2, 2)))
    for wrong, message in (
        ([[1.0, 0.0], [1.5, -0.5]], r"1 of 4 targets are wrong, the first is -0.5 at \(1, 1\): .* not below 0"),
        ([[1.0, 0.0], [0.5, 0.4]], r"1 of 2 sums of rows of targets are wrong, the first is 0.9 at \(1,\): .*sum to 1"),
        ([[np.nan, 0.0], [0.5, 0.5]], "1 of 4 targets are wrong, the first is nan"),
    ):
        refused(lambda y: categorical_cross_entropy(a, y), np.eye(2), wrong, message)
    with pytest.raises(ValueError, match="sums of rows of probabilities are wrong"):
        cross_entropy(mg.Input([[2.0, 3.0]]), [0], from_logits=False)


def test_weights_that_cannot_be_are_refused_now_and_in_replays():
    passes_on(losses.ExampleWeights, np.array([0.5, 2.0]), divides=True)
    y = mg.Input(np.ones((2, 1)))
    for wrong in (-1.0, np.inf, np.nan):
        message = rf"1 of 2 weights are wrong, the first is {wrong} at \(1,\): expected finite numbers of at least 0"
        refused(lambda w: mean_squared_error(y, [[0], [0]], weights=w), [1.0, 1.0], [1.0, wrong], message)
    message = "all 2 examples are masked or have weight 0: there is nothing to take the mean of"
    refused(lambda mask: mean_squared_error(y, [[0], [0]], mask=mask), [True, True], [False, False], message)
    assert float(mean_squared_error(y, [[0], [0]], mask=[False, False], over_examples="sum")) == 0


def test_losses_say_their_own_name():
    z = mg.Input(np.zeros((2, 3)))
    for loss in (categorical_cross_entropy, binary_cross_entropy, mean_absolute_error, half_least_squares, hinge):
        with pytest.raises(ValueError, match=rf"{loss.__name__}: expected targets of shape \(2, 3\), found \(2,\)"):
            loss(z, [0, 1])
        with pytest.raises(TypeError, match=f"{loss.__name__}: expected .* that are a node of floating-point numbers"):
            loss([[0.0]], [[0.0]])
    assert binary_cross_entropy(z, np.zeros((2, 3), bool)).scope == "binary_cross_entropy"
    with pytest.raises(ValueError, match='hinge\\(over_outputs=\'max\'\\): "mean" or "sum"'):
        hinge(z, np.ones((2, 3)), over_outputs="max")  # type: ignore[arg-type]


@pytest.mark.parametrize("loss", [binary_cross_entropy, binary_log_likelihood])
def test_probabilities_under_a_mask_may_be_rubbish(loss):
    rng = np.random.default_rng(5)
    p, y = rng.uniform(0.1, 0.9, (2, 3, 4)), rng.uniform(size=(2, 3, 4))
    expected = loss(x := mg.Input(p), y, from_logits=False, mask=MASK)
    for rubbish in (np.nan, 7.0):
        outputs = mg.Input(np.where(MASK[..., np.newaxis], p, rubbish))
        total = loss(outputs, y, from_logits=False, mask=MASK)
        np.testing.assert_allclose(float(total), float(expected), rtol=1e-14)
        np.testing.assert_allclose(gradient(total, outputs)[0], gradient(expected, x)[0], rtol=1e-13)


def test_a_class_that_is_out_of_the_question_costs_nothing_where_it_is_not_the_target():
    logits, targets = np.array([[1.0, -np.inf, 2.0]]), np.array([[0.25, 0.0, 0.75]])
    a, y = mg.Input(logits), mg.Input(targets)
    loss = categorical_cross_entropy(a, y)
    without = mg.Input(logits[:, [0, 2]])
    expected = categorical_cross_entropy(without, targets[:, [0, 2]])
    with mg.anomalies():
        by_logits, by_targets = mg.gradients(loss, [a, y])
    assert float(loss) == pytest.approx(float(expected), rel=1e-14)
    np.testing.assert_allclose(by_logits.value, np.insert(gradient(expected, without)[0], 1, 0, axis=1), rtol=1e-13)
    np.testing.assert_allclose(by_targets.value, [[1.31326169, 0, 0.31326169]], rtol=1e-8)
    hopeless = categorical_cross_entropy(a, [[0.0, 1.0, 0.0]])
    assert float(hopeless) == np.inf
    finite = categorical_cross_entropy(b := mg.Input([[1.0, 3.0, 2.0]]), y)  # at a target 0 the slope is −ln f still
    np.testing.assert_allclose(gradient(finite, y)[0], -np.log(softmax(b.value)), rtol=1e-13)


def test_a_margin_of_numpys_keeps_float32():
    s, c = (mg.Input(np.ones(3, np.float32)) for _ in range(2))
    assert max_margin_ranking(s, c, margin=np.float64(0.5)).dtype == np.float32
