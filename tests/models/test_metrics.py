import numpy as np
import pytest

import minigrad as mg
from minigrad.models import losses, metrics

OUTPUTS = np.array([[0.1, 0.9], [2.0, -1.0], [0.5, 0.5], [-3.0, -2.0]])


@pytest.mark.row("EVA-01")
def test_accuracy_counts_the_largest_output():
    assert metrics.accuracy(OUTPUTS, [1, 0, 0, 0]) == 0.75
    assert metrics.classification_error(OUTPUTS, [1, 0, 0, 0]) == 0.25
    assert metrics.accuracy(mg.Input(OUTPUTS), mg.Input([0, 1, 1, 0])) == 0.0
    assert metrics.accuracy(OUTPUTS[np.newaxis], [[1, 0, 1, 1]]) == 0.75


@pytest.mark.row("EVA-01")
def test_the_accuracy_of_a_set_is_the_mean_of_its_batches_by_their_sizes():
    rng = np.random.default_rng(0)
    outputs, y = rng.normal(size=(10, 3)), rng.integers(3, size=10)
    parts = [metrics.accuracy(outputs[i : i + 4], y[i : i + 4]) * len(y[i : i + 4]) for i in range(0, 10, 4)]
    np.testing.assert_allclose(sum(parts) / 10, metrics.accuracy(outputs, y), rtol=1e-15)
    np.testing.assert_allclose(metrics.accuracy(outputs, y), (outputs.argmax(axis=1) == y).mean(), rtol=1e-15)


def test_padded_steps_do_not_count():
    mask = [[True, True, False, False]]
    assert metrics.accuracy(OUTPUTS[np.newaxis], [[1, 1, -1, -1]], mask=mask) == 0.5
    assert metrics.classification_error(OUTPUTS[np.newaxis], [[1, 0, -1, -1]], mask=mask) == 0
    for wrong in ([True, True, False, False], [[False] * 4], [[1, 1, 0, 0]]):
        with pytest.raises(ValueError, match=r"accuracy: expected a mask of booleans of shape \(1, 4\), not all False"):
            metrics.accuracy(OUTPUTS[np.newaxis], [[1, 1, 0, 0]], mask=wrong)


@pytest.mark.row("LOS-14")
def test_the_classification_error_is_a_number_under_the_cross_entropy_in_bits():
    rng = np.random.default_rng(0)
    logits, y = 3 * rng.normal(size=(500, 3)), rng.integers(3, size=500)
    surrogate = losses.cross_entropy(mg.Input(logits), y, over_examples="none").value
    errors = np.array([metrics.classification_error(logits[i : i + 1], y[i : i + 1]) for i in range(500)])
    assert set(errors) == {0.0, 1.0}
    assert (surrogate.reshape(-1) / np.log(2) >= errors).all()
    assert isinstance(metrics.classification_error(mg.Input(logits), y), float)  # no node: nothing can be trained by it
    # The natural logarithm is no upper bound, though the notes say so.
    f = np.array([[0.45, 0.55]])
    natural = float(losses.cross_entropy(mg.Input(f), [0], from_logits=False))
    assert metrics.classification_error(f, [0]) == 1
    np.testing.assert_allclose([natural, natural / np.log(2)], [0.7985, 1.1520], atol=5e-5)


def test_metrics_say_what_they_expect():
    for outputs, indices in (
        (np.zeros((2, 3)), [0]),
        (np.zeros(2), [0, 1]),
        (np.zeros((0, 3)), np.zeros(0, int)),
    ):
        with pytest.raises(ValueError, match=r"accuracy: expected outputs \(batch, n_classes\)"):
            metrics.accuracy(outputs, indices)
    with pytest.raises(TypeError, match="classification_error: expected integer class indices, found float64"):
        metrics.classification_error(np.zeros((2, 3)), [0.0, 1.0])


def test_what_is_not_a_number_is_wrong_whatever_its_class():
    outputs = [[np.nan, np.nan], [np.nan, 1.0], [2.0, 1.0]]
    assert metrics.accuracy(outputs, [0, 0, 0]) == pytest.approx(1 / 3)
    assert metrics.classification_error(outputs, [0, 1, 0]) == pytest.approx(2 / 3)
    assert metrics.accuracy(outputs, [0, 1, 0], mask=[False, False, True]) == 1


@pytest.mark.parametrize("wrong", [2, -1])
def test_classes_out_of_range_are_refused_where_they_count(wrong):
    for metric in (metrics.accuracy, metrics.classification_error):
        with pytest.raises(IndexError, match=rf"1 of 4 indices are not among 0\.\.1, the first is {wrong}"):
            metric(OUTPUTS, [1, 0, wrong, 0])
    assert metrics.accuracy(OUTPUTS, [1, 0, wrong, 0], mask=[True, True, False, True]) == pytest.approx(2 / 3)


def test_one_logit_per_example_has_no_largest():
    with pytest.raises(ValueError, match=r"two classes or more.*found shapes \(3, 1\) and \(3,\): of one logit z"):
        metrics.accuracy([[2.0], [-1.0], [3.0]], [1, 0, 1])
    z = np.array([[2.0], [-1.0], [3.0]])
    assert metrics.accuracy(np.concatenate([0 * z, z], axis=-1), [1, 0, 0]) == pytest.approx(2 / 3)
