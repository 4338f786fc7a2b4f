import numpy as np
import pytest

import minigrad as mg
from minigrad.models import losses, metrics
from minigrad.models.losses import cross_entropy, mean_squared_error


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
    message = r"ClassIndices.*1 of 2 class indices are not among 0\.\.2, the first is %s: there are 3 logits"
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


# Accuracy --------------------------------------------------------------------------------------------------------


def test_accuracy_counts_the_largest_output():
    outputs = np.array([[0.1, 0.9], [2.0, -1.0], [0.5, 0.5], [-3.0, -2.0]])
    assert metrics.accuracy(outputs, [1, 0, 0, 0]) == 0.75
    assert metrics.accuracy(mg.Input(outputs), mg.Input([0, 1, 1, 0])) == 0.0
    assert metrics.accuracy(outputs[np.newaxis], [[1, 0, 1, 1]]) == 0.75


def test_accuracy_says_what_it_expects():
    for outputs, indices in (
        (np.zeros((2, 3)), [0]),
        (np.zeros(2), [0, 1]),
        (np.zeros((0, 3)), np.zeros(0, int)),
    ):
        with pytest.raises(ValueError, match=r"accuracy: expected outputs \(batch, n_classes\)"):
            metrics.accuracy(outputs, indices)
    with pytest.raises(TypeError, match="accuracy: expected integer class indices, found float64"):
        metrics.accuracy(np.zeros((2, 3)), [0.0, 1.0])
