"""Huber, Kullback-Leibler and the multi-class hinge; label smoothing, ignored indices, weights of positive answers."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import losses
from tests.compiler.agreement import compare

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(6, 4))
CLASSES = RNG.integers(0, 4, 6)
ROWS = np.exp(RNG.normal(size=(6, 4)))
ROWS /= ROWS.sum(axis=1, keepdims=True)
YES = RNG.integers(0, 2, (6, 3)).astype(float)


def softmax(a):
    e = np.exp(a - a.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def value(loss):
    return float(loss.value)


def gradient(loss, x):
    return mg.gradients(loss, [x])[0].value


def check(f, *arrays):
    """Orders 1 and 2, and float32 that stays."""
    mg.check_gradients(f, *arrays, order=2)
    single = [mg.Input(a.astype(np.float32)) for a in arrays]
    loss = f(*single)
    first = mg.gradients(loss, single)
    second = mg.gradients(sum((g * g).sum() for g in first), single)
    assert {node.dtype for node in (loss, *first, *second)} == {np.dtype(np.float32)}


# Huber ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delta", [1.0, 0.5, 3])
def test_huber_is_a_square_near_zero_and_a_line_beyond(delta):
    e = np.array([-7.0, -3.0, -1.0, -0.5, 0.0, 0.25, 1.0, 3.0, 5.0])
    x = mg.Input(e)
    loss = losses.huber(x, np.zeros(9), delta=delta, over_examples="none")
    size = np.abs(e)
    np.testing.assert_allclose(loss.value, np.where(size <= delta, e**2 / 2, delta * (size - delta / 2)), rtol=1e-14)
    np.testing.assert_allclose(gradient(loss.sum(), x), np.clip(e, -delta, delta), rtol=1e-14)


def test_huber_has_two_derivatives_and_takes_means_and_sums():
    e = np.array([[0.3, -2.0], [1.7, -0.4], [4.0, 0.1]])
    check(lambda x: losses.huber(x, np.zeros((3, 2))), e)
    mean, total = (value(losses.huber(mg.Input(e), np.zeros((3, 2)), over_outputs=over)) for over in ("mean", "sum"))
    assert mean == pytest.approx((0.045 + 1.5 + 1.2 + 0.08 + 3.5 + 0.005) / 6)
    assert total == pytest.approx(2 * mean)


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_huber_of_tiny_and_huge_errors_in_float32(size):
    x = mg.Input(np.array([size, -size], np.float32))
    with mg.anomalies():
        loss = losses.huber(x, [0, 0], over_examples="sum")
        slope = gradient(loss, x)
    np.testing.assert_allclose(slope, np.array([1, -1]) * min(size, 1), rtol=1e-6)
    assert value(loss) == pytest.approx(2 * size if size > 1 else 0, rel=1e-6)


@pytest.mark.parametrize("delta", [0, -1.0, np.nan, np.inf])
def test_huber_needs_a_delta_above_zero(delta):
    with pytest.raises(ValueError, match=r"huber\(delta=.*\): expected a finite number above 0"):
        losses.huber(mg.Input([1.0]), [0], delta=delta)


# Kullback-Leibler ----------------------------------------------------------------------------------------------------


def test_the_divergence_is_the_cross_entropy_less_the_entropy():
    a = mg.Input(LOGITS)
    divergence, cross = losses.kl_divergence(a, ROWS), losses.categorical_cross_entropy(a, ROWS)
    entropy = -(ROWS * np.log(ROWS)).sum(axis=1).mean()
    assert value(divergence) == pytest.approx(value(cross) - entropy, rel=1e-13)
    np.testing.assert_allclose(gradient(divergence, a), (softmax(LOGITS) - ROWS) / 6, atol=1e-15)
    assert abs(value(losses.kl_divergence(mg.Input(np.log(ROWS)), ROWS))) < 1e-15
    check(lambda a: losses.kl_divergence(a, ROWS), LOGITS)
    check(lambda f: losses.kl_divergence(f, ROWS, from_logits=False), softmax(LOGITS))


def test_a_teacher_may_be_a_node():
    def distilled(student, teacher):
        return losses.kl_divergence(student, mg.softmax(teacher))

    check(distilled, LOGITS, RNG.normal(size=(6, 4)))


def test_a_target_of_zero_counts_nothing_in_a_divergence():
    a = mg.Input([[1.0, -np.inf, 2.0]])
    loss = losses.kl_divergence(a, [[0.25, 0.0, 0.75]])
    slope = gradient(loss, a)
    f = softmax(np.array([1.0, 2.0]))
    assert value(loss) == pytest.approx(0.25 * np.log(0.25 / f[0]) + 0.75 * np.log(0.75 / f[1]), rel=1e-13)
    np.testing.assert_allclose(slope, [[f[0] - 0.25, 0, f[1] - 0.75]], atol=1e-15)
    assert value(losses.kl_divergence(a, [[0.0, 1.0, 0.0]])) == np.inf


# Hinges of several classes -------------------------------------------------------------------------------------------


SCORES = np.array([[2.0, 1.5, 0.0, 1.75], [0.0, 3.0, 1.0, -1.0], [0.5, 0.25, 0.75, 4.0]])
RIGHT = np.array([0, 1, 2])


def margins(scores, right, margin):
    m = np.maximum(0, margin + scores - scores[np.arange(len(scores)), right][:, np.newaxis])
    m[np.arange(len(scores)), right] = 0
    return m


@pytest.mark.parametrize("margin", [1.0, 0.0, 2.5])
@pytest.mark.parametrize("over", ["max", "sum", "mean"])
def test_a_multi_class_hinge_is_its_definition(over, margin):
    x = mg.Input(SCORES)
    loss = losses.multi_class_hinge(x, RIGHT, margin=margin, over_outputs=over)
    m = margins(SCORES, RIGHT, margin)
    assert value(loss) == pytest.approx(getattr(m, over)(axis=1).mean())
    counts = m > 0 if over != "max" else (m > 0) & (np.arange(4) == m.argmax(axis=1)[:, np.newaxis])
    slope = counts / (4.0 if over == "mean" else 1.0)
    slope[np.arange(3), RIGHT] -= slope.sum(axis=1)
    np.testing.assert_allclose(gradient(loss, x), slope / 3, atol=1e-15)
    check(lambda x: losses.multi_class_hinge(x, RIGHT, margin=margin, over_outputs=over), SCORES + 0.01)


def test_a_margin_is_not_lost_at_large_scores():
    x = mg.Input(np.array([[1e8, 1e8]], np.float32))
    assert value(losses.multi_class_hinge(x, [0])) == 1


def test_the_first_of_equal_classes_takes_the_adjoint_and_a_kink_has_none():
    x = mg.Input([[0.0, 2.0, 2.0]])
    np.testing.assert_array_equal(gradient(losses.multi_class_hinge(x, [0]), x), [[-1, 1, 0]])
    kink = mg.Input([[1.0, 0.0]])
    assert not gradient(losses.multi_class_hinge(kink, [0]), kink).any()


def test_a_multi_class_hinge_says_what_it_expects():
    x = mg.Input(np.zeros((2, 3)))
    for call, error, message in (
        (lambda: losses.multi_class_hinge(x, [0, 3]), IndexError, r"not among 0\.\.2"),
        (lambda: losses.multi_class_hinge(x, [0.0, 1.0]), TypeError, "expected integer class indices"),
        (lambda: losses.multi_class_hinge(x, [0]), ValueError, r"class indices of shape \(2,\)"),
        (lambda: losses.multi_class_hinge(x, [0, 1], over_outputs="min"), ValueError, '"max", "sum" or "mean"'),  # type: ignore[arg-type]
        (lambda: losses.multi_class_hinge(x, [0, 1], margin=-1), ValueError, "margin=-1"),
        (lambda: losses.multi_class_hinge(mg.Input(np.zeros(3)), 0), ValueError, r"\(batch, n_classes\)"),
    ):
        with pytest.raises(error, match=message):
            call()


# Label smoothing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.1, 0.5, 1])
@pytest.mark.parametrize("from_logits", [True, False])
def test_smoothed_labels_are_soft_targets(smoothing, from_logits):
    given = LOGITS if from_logits else softmax(LOGITS)
    rows = np.eye(4)[CLASSES]
    smoothed = (1 - smoothing) * rows + smoothing / 4
    a = mg.Input(given)
    expected = losses.categorical_cross_entropy(a, smoothed, from_logits=from_logits)
    for loss in (
        losses.cross_entropy(a, CLASSES, label_smoothing=smoothing, from_logits=from_logits),
        losses.categorical_cross_entropy(a, rows, label_smoothing=smoothing, from_logits=from_logits),
    ):
        assert value(loss) == pytest.approx(value(expected), rel=1e-13)
        np.testing.assert_allclose(gradient(loss, a), gradient(expected, a), atol=1e-14)
    check(lambda a: losses.cross_entropy(a, CLASSES, label_smoothing=smoothing, from_logits=from_logits), given)


def test_smoothed_binary_labels():
    z = mg.Input(RNG.normal(size=(6, 3)))
    loss = losses.binary_cross_entropy(z, YES, label_smoothing=0.2)
    expected = losses.binary_cross_entropy(z, 0.8 * YES + 0.1)
    assert value(loss) == pytest.approx(value(expected), rel=1e-13)
    check(lambda z: losses.binary_cross_entropy(z, YES, label_smoothing=0.2), z.value)


def test_no_smoothing_is_no_smoothing_bit_for_bit():
    a = mg.Input(LOGITS)
    assert value(losses.cross_entropy(a, CLASSES, label_smoothing=0)) == value(losses.cross_entropy(a, CLASSES))


def test_infinite_logits_on_the_right_side_cost_nothing_without_smoothing_and_everything_with_it():
    a, z = mg.Input([[0.0, -np.inf], [-np.inf, 3.0]]), mg.Input([np.inf, -np.inf])
    for loss, x in (
        (losses.cross_entropy(a, [0, 1]), a),
        (losses.categorical_cross_entropy(a, np.eye(2)), a),
        (losses.binary_cross_entropy(z, [1, 0]), z),
    ):
        assert value(loss) == 0
        np.testing.assert_allclose(gradient(loss, x), 0, atol=1e-300)
    assert value(losses.binary_cross_entropy(z, [0, 0])) == np.inf
    assert value(losses.cross_entropy(a, [0, 1], label_smoothing=0.1)) == np.inf
    assert value(losses.binary_cross_entropy(z, [1, 0], label_smoothing=0.1)) == np.inf


@pytest.mark.parametrize("smoothing", [-0.1, 1.5, np.nan])
def test_smoothing_is_a_share(smoothing):
    for loss, outputs, targets in (
        (losses.cross_entropy, LOGITS, CLASSES),
        (losses.categorical_cross_entropy, LOGITS, ROWS),
        (losses.binary_cross_entropy, YES, YES),
    ):
        message = rf"{loss.__name__}\(label_smoothing=.*\): expected a number from 0"
        with pytest.raises(ValueError, match=message):
            loss(mg.Input(outputs), targets, label_smoothing=smoothing)


# Ignored indices -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ignored", [-100, -1, 2, 255])
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.int8])
def test_an_ignored_index_is_a_mask(ignored, dtype):
    if not np.iinfo(dtype).min <= ignored <= np.iinfo(dtype).max:
        pytest.skip("no such label")
    labels = CLASSES.astype(dtype)
    labels[[1, 4]] = ignored
    kept = labels != ignored
    weights = np.arange(1.0, 7.0)
    for options in ({}, {"weights": weights}, {"mask": np.arange(6) < 5}, {"label_smoothing": 0.1}):
        a = mg.Input(LOGITS)
        loss = losses.cross_entropy(a, labels, ignore_index=ignored, **options)
        both = options | {"mask": kept & options.get("mask", True)}
        expected = losses.cross_entropy(a, np.where(kept, labels, 0), **both)
        assert value(loss) == pytest.approx(value(expected), rel=1e-13)
        np.testing.assert_allclose(gradient(loss, a), gradient(expected, a), atol=1e-15)
        assert not gradient(loss, a)[~kept].any()
    check(lambda a: losses.cross_entropy(a, labels, ignore_index=ignored), LOGITS)


def test_an_index_that_no_label_of_the_dtype_can_be_ignores_nothing():
    """Nor one that would be a label if it wrapped around in the dtype: −254 is 2 as uint8, 258 as int8, and so on."""
    a = mg.Input(LOGITS)
    for dtype, size in ((np.uint8, 256), (np.int8, 256), (np.int16, 2**16), (np.int32, 2**32)):
        labels = np.array([0, 1, 2, 3, 2, 1], dtype)
        loss = losses.cross_entropy(a, labels)
        for ignored in (-100, 2 - size, 2 + size):
            found = losses.cross_entropy(a, labels, ignore_index=ignored)
            assert value(found) == value(loss)
            np.testing.assert_array_equal(gradient(found, a), gradient(loss, a))


def test_what_does_not_count_has_no_slope_by_its_weight():
    """0 ln 0 is 0, and so is its slope by the weight 0, at orders 1 and 2, eager, replayed and compiled."""

    def slopes(w, logarithm):
        by_w, by_l = mg.gradients((losses.Counted(w, logarithm) * w).sum(), [w, logarithm])
        return by_w, by_l, *mg.gradients(by_w.sum(), [w, logarithm])

    weights, logarithms = np.array([0.0, 0.0, 2.0]), np.array([-np.inf, -1.0, -3.0])
    w, logarithm = mg.Input(weights), mg.Input(logarithms)
    eager = slopes(w, logarithm)
    expected = [[0, 0, -12], [0, 0, 4], [0, -2, -6], [0, 0, 4]]  # of l w²: 2 l w, w², 2 l, 2 w
    for found in (
        [node.value for node in eager],
        mg.Graph(*eager).fprop({w: weights, logarithm: logarithms}),
        mg.compile(slopes)(weights, logarithms),
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("loss", [losses.categorical_cross_entropy, losses.kl_divergence])
def test_an_impossible_class_that_is_not_wanted_has_no_slope_by_its_target(loss):
    a, targets = mg.Input([[0.0, 0.0, -np.inf]]), mg.Input([[0.25, 0.75, 0.0]])
    by_targets = gradient(loss(a, targets), targets)
    assert np.isfinite(by_targets).all()
    assert by_targets[0, 2] == 0


def test_what_is_ignored_is_decided_anew_in_replays():
    labels, others = np.array([0, -1, 2, 3, 1, 1]), np.array([-1, -1, 0, 3, 1, -1])
    a, y = mg.Input(LOGITS), mg.Input(labels)
    loss = losses.cross_entropy(a, y, ignore_index=-1)
    fresh = losses.cross_entropy(a, others, ignore_index=-1)
    graph = mg.Graph(loss, *mg.gradients(loss, [a]))
    replayed = graph.fprop({y: others})
    np.testing.assert_array_equal(replayed[0], fresh.value)
    np.testing.assert_array_equal(replayed[1], gradient(fresh, a))
    with pytest.raises(IndexError, match="the first is -2"):
        graph.fprop({y: np.array([0, -2, 0, 0, 0, 0])})


def test_a_batch_that_is_ignored_throughout_has_no_mean_but_a_sum_of_zero():
    a, nothing = mg.Input(LOGITS), np.full(6, -1)
    with pytest.raises(ValueError, match="all 6 examples are masked or have weight 0"):
        losses.cross_entropy(a, nothing, ignore_index=-1)
    total = losses.cross_entropy(a, nothing, ignore_index=-1, over_examples="sum")
    assert value(total) == 0
    assert not gradient(total, a).any()


def test_other_labels_are_still_checked():
    with pytest.raises(IndexError, match=r"not among 0\.\.3, the first is -1"):
        losses.cross_entropy(mg.Input(LOGITS), [-1, 0, 0, 0, 0, -100], ignore_index=-100)
    for wrong in (True, 1.0, "none"):
        with pytest.raises(TypeError, match=r"cross_entropy\(ignore_index=.*\): expected an integer"):
            losses.cross_entropy(mg.Input(LOGITS), CLASSES, ignore_index=wrong)  # type: ignore[arg-type]


# Weights of positive answers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [2.5, 0, np.float64(3), [0.5, 1.0, 4.0]])
@pytest.mark.parametrize("from_logits", [True, False])
def test_positive_answers_may_count_more(weight, from_logits):
    z = RNG.normal(size=(6, 3))
    p = 1 / (1 + np.exp(-z))
    x = mg.Input(z if from_logits else p)
    loss = losses.binary_cross_entropy(x, YES, pos_weight=weight, from_logits=from_logits)
    w = np.asarray(weight)
    expected = -(w * YES * np.log(p) + (1 - YES) * np.log1p(-p)).mean()
    assert value(loss) == pytest.approx(expected, rel=1e-13)
    check(lambda x: losses.binary_cross_entropy(x, YES, pos_weight=weight, from_logits=from_logits), x.value)


def test_weights_of_answers_go_with_those_of_examples_and_with_smoothing():
    z, weights, mask = mg.Input(RNG.normal(size=(6, 3))), np.arange(6.0), np.arange(6) > 1
    each = losses.binary_cross_entropy(z, 0.9 * YES + 0.05, pos_weight=3, over_examples="none").value
    loss = losses.binary_cross_entropy(z, YES, pos_weight=3, label_smoothing=0.1, weights=weights, mask=mask)
    assert value(loss) == pytest.approx(np.average(each[mask], weights=weights[mask]), rel=1e-13)


def test_weights_of_answers_may_be_a_node():
    z = RNG.normal(size=(6, 3))
    check(lambda z, w: losses.binary_cross_entropy(z, YES, pos_weight=w), z, np.array([0.5, 1.0, 4.0]))


def test_weights_of_answers_that_cannot_be_are_refused_now_and_in_replays():
    z = mg.Input(np.zeros((2, 3)))
    for wrong, error, message in (
        (-1, ValueError, "pos_weight are wrong, the first is -1.0"),
        ([1, np.inf, 1], ValueError, r"1 of 3 pos_weight are wrong, the first is inf at \(1,\)"),
        ([1, 2], ValueError, r"expected pos_weight of shape \(\), or \(3,\) for one for each output, found \(2,\)"),
        (np.ones((2, 3)), ValueError, r"found \(2, 3\)"),
        ("much", TypeError, r"binary_cross_entropy\(pos_weight\)"),
        (True, TypeError, "expected pos_weight of numbers"),
    ):
        with pytest.raises(error, match=message):
            losses.binary_cross_entropy(z, np.zeros((2, 3)), pos_weight=wrong)
    weight = mg.Input([1.0, 1.0, 1.0])
    graph = mg.Graph(losses.binary_cross_entropy(z, np.zeros((2, 3)), pos_weight=weight))
    with pytest.raises(ValueError, match="pos_weight are wrong, the first is nan"):
        graph.fprop({weight: [1.0, np.nan, 1.0]})
    with pytest.raises(ValueError, match=r"expected pos_weight of shape \(\), found"):
        losses.binary_cross_entropy(mg.Input([0.5]), [1], pos_weight=[2.0])


@pytest.mark.parametrize("wrong", ["1", None, mg.Input(0.5), np.ones(2)])
def test_options_that_are_no_numbers_are_refused(wrong):
    x = mg.Input(np.zeros((2, 3)))
    for name, call in (
        ("delta", lambda: losses.huber(x, np.zeros((2, 3)), delta=wrong)),
        ("label_smoothing", lambda: losses.cross_entropy(x, [0, 1], label_smoothing=wrong)),
        ("label_smoothing", lambda: losses.categorical_cross_entropy(x, np.eye(3)[:2], label_smoothing=wrong)),
        ("label_smoothing", lambda: losses.binary_cross_entropy(x, np.zeros((2, 3)), label_smoothing=wrong)),
        ("margin", lambda: losses.multi_class_hinge(x, [0, 1], margin=wrong)),
    ):
        with pytest.raises(TypeError, match=rf"\({name}=.*\): expected a number"):
            call()


# Compiled ------------------------------------------------------------------------------------------------------------


def drawn_labels(rng):
    return rng.integers(-1, 4, 6)


OPTIONS = {
    "huber": (losses.huber, lambda rng: 3 * rng.normal(size=(6, 4)), {"delta": 0.5}),
    "kl_divergence": (losses.kl_divergence, lambda rng: np.eye(4)[rng.integers(0, 4, 6)], {}),
    "multi_class_hinge": (losses.multi_class_hinge, lambda rng: rng.integers(0, 4, 6), {}),
    "multi_class_hinge, sum": (losses.multi_class_hinge, lambda rng: rng.integers(0, 4, 6), {"over_outputs": "sum"}),
    "ignored": (losses.cross_entropy, drawn_labels, {"ignore_index": -1, "label_smoothing": 0.1}),
    "smoothed": (losses.categorical_cross_entropy, lambda rng: np.eye(4)[rng.integers(0, 4, 6)], {"label_smoothing": 0.1}),
    "positive": (losses.binary_cross_entropy, lambda rng: rng.integers(0, 2, (6, 4)).astype(float),
                 {"pos_weight": np.arange(4.0), "label_smoothing": 0.1}),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_compiled_losses_decide_anew(name):
    loss, draw, options = OPTIONS[name]
    rng = np.random.default_rng(0)

    def f(x, targets, weights, mask):
        found = [
            loss(x, targets, **options),
            loss(x, targets, weights=weights, mask=mask, over_examples="sum", **options),
        ]
        first = mg.gradients(found[0] + found[1], [x])
        return found, first, mg.gradients((first[0] * first[0]).sum(), [x])

    calls = [[rng.normal(size=(6, 4)), draw(rng), rng.random(6), rng.random(6) < 0.7] for _ in range(3)]
    compare(f, *calls)
    compare(f, *calls, rewrites=())
