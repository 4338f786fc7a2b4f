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


def test_confusion_and_the_scores_of_classes():
    """Rows are true classes. Class 2 is never found, class 3 does not occur: 0/0 is 0."""
    outputs = np.eye(4)[[0, 0, 1, 1, 1, 3]]
    classes = np.array([0, 0, 0, 1, 1, 2])
    counts = metrics.confusion_matrix(outputs, classes)
    assert counts.tolist() == [[2, 1, 0, 0], [0, 2, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert np.trace(counts) / counts.sum() == pytest.approx(metrics.accuracy(outputs, classes))
    scores = metrics.class_scores(outputs, classes)
    np.testing.assert_allclose(scores.precision, [1, 2 / 3, 0, 0])
    np.testing.assert_allclose(scores.recall, [2 / 3, 1, 0, 0])
    np.testing.assert_allclose(scores.f1, [0.8, 0.8, 0, 0])
    assert scores.macro_f1 == pytest.approx(0.4)
    masked = metrics.confusion_matrix(outputs, classes, mask=classes == 1)
    assert masked.sum() == 2 == masked[1, 1]
    with pytest.raises(ValueError, match="confusion_matrix: an output is nan"):
        metrics.confusion_matrix(np.full((2, 3), np.nan), np.zeros(2, int))


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("O O", []),
        ("I-PER I-PER O I-LOC", [(0, 2, "PER"), (3, 4, "LOC")]),
        ("B-PER I-PER B-PER", [(0, 2, "PER"), (2, 3, "PER")]),  # one behind the other
        ("I-PER I-LOC", [(0, 1, "PER"), (1, 2, "LOC")]),
        ("I-PER B-PER", [(0, 1, "PER"), (1, 2, "PER")]),
        ("B-LOC I-PER I-PER", [(0, 1, "LOC"), (1, 3, "PER")]),  # an I- where none of its kind goes on begins one
        ("O I-MISC", [(1, 2, "MISC")]),
        ("", []),
    ],
)
def test_entities_as_conlleval_reads_them(tags, spans):
    assert metrics.entities(tags.split()) == spans


def test_an_entity_is_right_as_a_whole_only():
    expected = [["B-PER", "I-PER", "O", "B-LOC"], ["B-ORG", "O"]]
    found = [["B-PER", "O", "O", "B-LOC"], ["B-ORG", "B-ORG"]]
    scores = metrics.entity_scores(found, expected)
    assert scores == pytest.approx({"precision": 2 / 4, "recall": 2 / 3, "f1": 4 / 7})
    assert metrics.entity_scores(expected, expected)["f1"] == 1
    assert metrics.entity_scores([["O"]], [["O"]]) == {"precision": 0, "recall": 0, "f1": 0}
    assert metrics.entity_scores([], [])["f1"] == 0
    with pytest.raises(ValueError, match="1 sentences of 1 words found, 1 of 2 expected"):
        metrics.entity_scores([["O"]], [["O", "O"]])
    for bad in ("PER", "B-", "E-PER", "S-PER"):
        with pytest.raises(ValueError, match="entities: the tag"):
            metrics.entity_scores([[bad]], [["O"]])


def test_errors_of_forecasts():
    series, outputs, targets = np.array([1.0, 3, 2, 4]), np.array([5.0, 1]), np.array([2.0, 5])
    assert metrics.root_mean_squared_error(outputs, targets) == pytest.approx(12.5**0.5)
    assert metrics.root_mean_squared_error(outputs, targets, mask=np.array([True, False])) == 3
    assert metrics.mean_absolute_scaled_error(outputs, targets, series) == pytest.approx(3.5 / (5 / 3))
    assert metrics.mean_absolute_scaled_error(outputs, targets, series, period=2) == pytest.approx(3.5)
    naive = metrics.mean_absolute_scaled_error(series[:-1], series[1:], series)
    assert naive == pytest.approx(1)  # the forecast it is measured by
    with pytest.raises(ValueError, match="of one shape, not empty"):
        metrics.root_mean_squared_error(outputs, targets[:, np.newaxis])
    with pytest.raises(ValueError, match="of one shape, not empty"):
        metrics.root_mean_squared_error(outputs[:0], targets[:0])
    with pytest.raises(ValueError, match="longer than the period 4"):
        metrics.mean_absolute_scaled_error(outputs, targets, series, period=4)
    with pytest.raises(ValueError, match="repeats itself"):
        metrics.mean_absolute_scaled_error(outputs, targets, np.ones(4))
    assert np.isnan(metrics.root_mean_squared_error(np.array([np.nan]), np.zeros(1)))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, np.uint64])
def test_labels_of_any_integers_are_counted(dtype):
    classes = np.arange(20, dtype=dtype)
    np.testing.assert_array_equal(metrics.confusion_matrix(np.eye(20), classes), np.eye(20))
    assert metrics.class_scores(np.eye(20), classes).macro_f1 == 1


def test_a_class_that_is_nowhere_does_not_lower_the_mean():
    assert metrics.class_scores(np.eye(4)[[0, 1, 2]], np.arange(3)).macro_f1 == 1


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_a_training_series_of_integers_does_not_wrap(dtype):
    series = np.array([10, 9, 8, 7], dtype)
    assert metrics.mean_absolute_scaled_error(np.array([1.0]), np.array([2.0]), series) == 1


def test_a_mask_of_time_steps_counts_all_features_of_these():
    outputs, mask = np.array([[[3.0, 4], [9, 9]]]), np.array([[True, False]])
    assert metrics.root_mean_squared_error(outputs, np.zeros((1, 2, 2)), mask=mask) == pytest.approx(12.5**0.5)
