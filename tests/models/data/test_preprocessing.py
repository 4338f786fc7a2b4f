"""Preprocessing: what is fitted on the training set, what is drawn, and what is refused."""

from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from minigrad.models import preprocessing as pre

TRANSFORMS: list[type] = [pre.MeanSubtraction, pre.Normalization, pre.Whitening]
MIXING = np.array([[2.0, 0.0, 0.0], [1.0, 0.5, 0.0], [-3.0, 0.2, 40.0]])


def correlated(n, seed=0):
    """Three features, of different scale, that vary together, around (5, -1, 100)."""
    return np.random.default_rng(seed).normal(size=(n, 3)) @ MIXING.T + [5, -1, 100]


def covariance(Z):
    return np.atleast_2d(np.cov(Z.T, bias=True))


@pytest.mark.row("PRE-01")
def test_mean_subtraction():
    train, test = correlated(200), correlated(50, seed=1)
    fitted = pre.MeanSubtraction().fit(train)
    np.testing.assert_allclose(fitted.transform(train).mean(axis=0), 0, atol=1e-12)
    np.testing.assert_array_equal(fitted.transform(test), test - train.mean(axis=0))
    assert (abs(fitted.transform(test).mean(axis=0)) > 1e-3).all()  # its own mean was not used


@pytest.mark.row("PRE-02")
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_no_leakage(transform):
    train, test = correlated(200), correlated(50, seed=1)
    fitted = transform().fit(train)
    statistics = {name: np.copy(value) for name, value in vars(fitted).items() if isinstance(value, np.ndarray)}
    assert statistics
    of_train, first = fitted.transform(train), fitted.transform(test)
    changed = test.copy()
    changed[1:] *= 1000
    np.testing.assert_allclose(fitted.transform(changed)[0], first[0], rtol=1e-12)  # an example is on its own
    np.testing.assert_array_equal(fitted.transform(train), of_train)
    for name, value in statistics.items():
        np.testing.assert_array_equal(getattr(fitted, name), value)
    leaking = transform().fit(np.concatenate([train, changed]))
    assert not np.allclose(leaking.transform(train), of_train)


@pytest.mark.row("PRE-03")
def test_normalization():
    train, test = correlated(200), correlated(50, seed=1)
    fitted = pre.Normalization().fit(train)
    result = fitted.transform(train)
    np.testing.assert_allclose(result.std(axis=0), 1, rtol=1e-12)
    np.testing.assert_allclose(result.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(fitted.transform(test), (test - train.mean(axis=0)) / train.std(axis=0), rtol=1e-12)
    assert (abs(fitted.transform(test).std(axis=0) - 1) > 1e-3).all()


@pytest.mark.row("PRE-03")
@pytest.mark.parametrize("value", [0.0, 0.1, -1e6])
def test_normalization_of_a_constant_feature(value):
    train = correlated(100)
    train[:, 1] = value
    fitted = pre.Normalization().fit(train)
    result = fitted.transform(train)
    assert np.isfinite(result).all()
    np.testing.assert_allclose(result[:, 1], 0, atol=1e-9)
    np.testing.assert_allclose(result[:, [0, 2]].std(axis=0), 1, rtol=1e-12)
    np.testing.assert_allclose(fitted.transform(train + 2)[:, 1], 2, atol=1e-9)


@pytest.mark.row("PRE-04")
def test_whitening_gives_the_identity_covariance():
    train = correlated(5000)
    fitted = pre.Whitening().fit(train)
    Z = fitted.transform(train)
    np.testing.assert_allclose(covariance(Z), np.eye(3), rtol=0, atol=1e-9)
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-9)
    X = train - train.mean(axis=0)
    _, S, Vt = np.linalg.svd(X, full_matrices=False)
    np.testing.assert_allclose(abs(Z), abs(X @ Vt.T / (S / np.sqrt(5000))), rtol=1e-9, atol=1e-9)
    features_first = X.T
    U, S, _ = np.linalg.svd(features_first, full_matrices=False)
    np.testing.assert_allclose(abs(Z.T), abs(U.T @ features_first / (S / np.sqrt(5000))[:, None]), atol=1e-9)


@pytest.mark.row("PRE-04")
def test_whitening_as_the_notes_have_it_does_not_whiten():
    """U X' instead of U' X' leaves features correlated; without the root of N the covariance is I / N = 0.0002 I."""
    X = (correlated(5000) - correlated(5000).mean(axis=0)).T
    U, S, _ = np.linalg.svd(X, full_matrices=False)
    transposed = covariance((U.T @ X / S[:, None]).T)
    np.testing.assert_allclose(transposed, np.eye(3) / 5000, rtol=0, atol=1e-12)
    assert np.diag(transposed) == pytest.approx([0.0002] * 3, rel=1e-9)
    written = 5000 * covariance((U @ X / S[:, None]).T)
    assert abs(written - np.eye(3)).max() > 0.1
    assert abs(written - np.diag(np.diag(written))).max() > 0.1


@pytest.mark.row("PRE-04")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", ["copied", "few", "constant", "one", "equal"])
def test_whitening_of_rank_deficient_data_is_finite(case, dtype):
    train = correlated(100)
    if case == "copied":
        train = np.column_stack([train, train[:, 0] * 2])
    elif case == "few":
        train = np.random.default_rng(0).normal(size=(4, 9))
    elif case == "constant":
        train[:, 1] = 1000
    elif case == "one":
        train = train[:1]
    else:
        train = np.full((5, 3), 7.0)
    rank = np.linalg.matrix_rank(train - train.mean(axis=0), tol=1e-6)
    Z = pre.Whitening().fit(train.astype(dtype)).transform(train.astype(dtype))
    assert Z.shape == train.shape
    assert Z.dtype == dtype
    assert np.isfinite(Z).all()
    spread = np.linalg.eigvalsh(covariance(Z.astype(np.float64)))[::-1]
    np.testing.assert_allclose(spread[:rank], 1, atol=1e-9 if dtype == np.float64 else 1e-4)
    np.testing.assert_allclose(spread[rank:], 0, atol=0.02)


def test_whitening_bounds_the_smallest_deviation():
    train = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1e-3], [0.0, -1e-3]])
    whole = pre.Whitening().fit(train)
    np.testing.assert_allclose(whole.deviations, np.sqrt([0.5, 0.5e-6]), rtol=1e-12)
    np.testing.assert_allclose(pre.Whitening(eps=0.1).fit(train).deviations, np.sqrt([0.5, 0.5e-2]), rtol=1e-12)
    for eps in (0, 1, -1, np.nan):
        with pytest.raises(ValueError, match="between 0 and 1"):
            pre.Whitening(eps=eps)


@pytest.mark.parametrize("transform", TRANSFORMS)
@given(n=st.integers(1, 8), n_features=st.integers(1, 5), seed=st.integers(0, 100))
def test_inverse(transform, n, n_features, seed):
    train = np.random.default_rng(seed).normal(3, 10, (n, n_features))
    fitted = transform().fit(train)
    np.testing.assert_allclose(fitted.inverse(fitted.transform(train)), train, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_transforms_keep_the_dtype(transform):
    train = (correlated(50) * 10).astype(np.int64)
    reference = transform().fit(train.astype(np.float64)).transform(train.astype(np.float64))
    for dtype, expected in ((np.float32, np.float32), (np.float64, np.float64), (np.int64, np.float32)):
        result = transform().fit(train.astype(dtype)).transform(train.astype(dtype))
        assert result.dtype == expected
        np.testing.assert_allclose(result, reference, rtol=1e-4, atol=1e-4)


def test_statistics_over_examples_and_times():
    train = np.random.default_rng(0).normal(5, 3, (7, 11, 2))
    result = pre.Normalization(axis=(0, 1)).fit(train).transform(train)
    np.testing.assert_allclose(result.std(axis=(0, 1)), 1)
    assert abs(result.std(axis=0) - 1).max() > 0.1
    fitted = pre.Normalization(axis=(0, 1)).fit(train)
    assert fitted.transform(train[:2, :5]).shape == (2, 5, 2)
    np.testing.assert_allclose(pre.Normalization().fit(train).transform(train).std(axis=0), 1)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_transforms_refuse(transform):
    name = transform.__name__
    with pytest.raises(ValueError, match=rf"{name}\.transform before fit: call fit"):
        transform().transform(np.ones((2, 3)))
    with pytest.raises(ValueError, match=rf"{name}\.inverse before fit"):
        transform().inverse(np.ones((2, 3)))
    with pytest.raises(ValueError, match=rf"{name}\.fit: expected at least one example.*\(0, 3\)"):
        transform().fit(np.ones((0, 3)))
    for value in (np.nan, np.inf):
        train = correlated(5)
        train[2, 1] = value
        with pytest.raises(ValueError, match=rf"{name}\.fit: {value} at index \(2, 1\)"):
            transform().fit(train)
        with pytest.raises(ValueError, match=rf"{name}\.transform: {value} at index \(2, 1\)"):
            transform().fit(correlated(5)).transform(train)
    with pytest.raises(ValueError, match=r"features \(3,\), as in the training set, found data \(5, 1\)"):
        transform().fit(correlated(5)).transform(np.ones((5, 1)))
    with pytest.raises(TypeError, match="expected real numbers"):
        transform().fit([["a"]])
    with pytest.raises(ValueError, match="does not fit data of shape"):
        transform().fit(3.0)


def test_transforms_refuse_axes():
    with pytest.raises(ValueError, match="axes count from the first"):
        pre.Normalization(axis=-1)
    with pytest.raises(ValueError, match=r"axis=\(0, 1\) does not fit data of shape \(3,\)"):
        pre.Normalization(axis=(0, 1)).fit(np.ones(3))
    with pytest.raises(ValueError, match=r"Whitening\.fit: expected data \(n, features\).*flatten"):
        pre.Whitening().fit(np.ones((3, 2, 2)))


@pytest.mark.row("PRE-05")
def test_one_hot():
    assert pre.one_hot(2, 4).tolist() == [0, 0, 1, 0]
    targets = pre.one_hot([2, 0, 3], 4, dtype=np.float64)
    assert targets.tolist() == [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    assert targets.dtype == np.float64
    assert pre.class_indices(targets).tolist() == [2, 0, 3]
    assert pre.class_indices(pre.one_hot(2, 4)) == 2
    labels = np.random.default_rng(0).integers(0, 7, (3, 4, 5)).astype(np.uint8)
    assert pre.one_hot(labels, 7).shape == (3, 4, 5, 7)
    np.testing.assert_array_equal(pre.class_indices(pre.one_hot(labels, 7)), labels)


def test_one_hot_refuses():
    for wrong in (4, -1):
        with pytest.raises(ValueError, match=f"expected classes 0 to 3, found {wrong}"):
            pre.one_hot([0, wrong], 4)
    with pytest.raises(
        ValueError, match=r"one_hot\(n_classes=10000000000\): expected an integer of at most 1,000,000,000"
    ):
        pre.one_hot([0], 10**10)
    with pytest.raises(
        ValueError, match=r"one_hot\(n_classes=1000000000\) would take about 37 GiB, and the limit is 16 GiB"
    ):
        pre.one_hot(np.zeros(10, int), 10**9)
    with pytest.raises(TypeError, match="integer class indices, found float64"):
        pre.one_hot([1.0], 4)
    for wrong in ([[1, 1]], [[0, 0]], [[0.5, 0.5]], [[2, -1]], 1):
        with pytest.raises(ValueError, match="one 1 in each row"):
            pre.class_indices(wrong)


MUSEUMS = ["Museums", "in", "Paris", "are", "amazing"]
NOT_ALL = ["Not", "all", "museums", "in", "Paris"]


@pytest.mark.row("PRE-06")
def test_the_center_word_is_the_third_of_five():
    (window,) = pre.word_windows(MUSEUMS)
    assert window.tolist() == MUSEUMS
    assert window[2] == "Paris"
    padded = pre.word_windows(MUSEUMS, padding="-")
    assert padded[:, 2].tolist() == MUSEUMS
    assert padded[0].tolist() == ["-", "-", "Museums", "in", "Paris"]
    assert padded[4].tolist() == ["Paris", "are", "amazing", "-", "-"]
    assert pre.word_windows(np.arange(7), 3).tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 6]]
    assert pre.word_windows([4], 3, padding=0).tolist() == [[0, 4, 0]]


@pytest.mark.row("PRE-06")
def test_true_and_false_windows():
    windows = np.concatenate([pre.word_windows(MUSEUMS), pre.word_windows(NOT_ALL)])
    true, corrupt = pre.window_pairs(windows, windows[:, 2] == "Paris", np.random.default_rng(0))
    assert true.tolist() == [MUSEUMS]
    assert corrupt.tolist() == [NOT_ALL]
    many = pre.word_windows(np.arange(1004))
    is_true = many[:, 2] % 10 == 0
    true, corrupt = pre.window_pairs(many, is_true, np.random.default_rng(0))
    assert len(true) == len(corrupt) == 100
    assert (true[:, 2] % 10 == 0).all()
    assert (corrupt[:, 2] % 10 != 0).all()
    assert len(np.unique(corrupt[:, 2])) > 80  # 100 draws among 900: 95 on average
    assert not np.array_equal(pre.window_pairs(many, is_true, np.random.default_rng(1))[1], corrupt)
    np.testing.assert_array_equal(pre.window_pairs(many, is_true, np.random.default_rng(0))[1], corrupt)


@pytest.mark.row("PRE-06")
def test_corrupt_windows():
    windows = np.tile(pre.word_windows(MUSEUMS), (20000, 1))
    corrupt = pre.corrupt_windows(windows, MUSEUMS, np.random.default_rng(0))
    for i in (0, 1, 3, 4):
        np.testing.assert_array_equal(corrupt[:, i], windows[:, i])
    words, counts = np.unique(corrupt[:, 2], return_counts=True)
    assert words.tolist() == ["Museums", "amazing", "are", "in"]
    np.testing.assert_allclose(counts / 20000, 0.25, atol=0.016)
    np.testing.assert_array_equal(corrupt, pre.corrupt_windows(windows, MUSEUMS, np.random.default_rng(0)))
    assert not np.array_equal(corrupt, pre.corrupt_windows(windows, MUSEUMS, np.random.default_rng(1)))
    assert windows[0, 2] == "Paris"  # the true ones are as they were


@given(n_words=st.integers(2, 6), center=st.integers(0, 8), seed=st.integers(0, 50))
def test_a_corrupt_center_is_always_another_word_of_the_vocabulary(n_words, center, seed):
    windows = np.tile([9, center, 9], (200, 1))
    corrupt = pre.corrupt_windows(windows, np.arange(n_words), np.random.default_rng(seed))
    assert set(corrupt[:, 1].tolist()) == set(range(n_words)) - {center}


def test_corrupt_windows_take_words_longer_than_those_they_replace():
    corrupt = pre.corrupt_windows(np.array([["a", "b", "c"]]), ["b", "encyclopedia"], np.random.default_rng(0))
    assert corrupt.tolist() == [["a", "encyclopedia", "c"]]


def test_windows_refuse():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="size=4 has no center"):
        pre.word_windows(MUSEUMS, 4)
    for size in (0, -1, 2.5, np.nan):
        with pytest.raises(ValueError, match=rf"word_windows\(size={size}\): expected an integer of at least 1"):
            pre.word_windows(MUSEUMS, size)
    with pytest.raises(ValueError, match=r"word_windows\(size=999999999\) would take about \d+ GiB"):
        pre.word_windows(MUSEUMS, 10**9 - 1, padding="")
    with pytest.raises(ValueError, match=r"3 words fill no window of 5; pass padding="):
        pre.word_windows(MUSEUMS[:3])
    with pytest.raises(ValueError, match=r"expected one sentence .*\(2, 3\)"):
        pre.word_windows(np.zeros((2, 3), int))
    with pytest.raises(ValueError, match=r"windows \(n, odd size\), found an array \(2, 4\)"):
        pre.corrupt_windows(np.zeros((2, 4), int), [1, 2], rng)
    with pytest.raises(ValueError, match="at least 2 different words, found 1"):
        pre.corrupt_windows(np.zeros((2, 3), int), [1, 1], rng)
    with pytest.raises(ValueError, match=r"a boolean for each of 2 windows.*int64 \(2,\)"):
        pre.window_pairs(np.zeros((2, 3)), np.array([0, 1]), rng)
    with pytest.raises(ValueError, match="without False"):
        pre.window_pairs(np.zeros((2, 3)), np.array([True, True]), rng)


def test_time_windows():
    series = np.arange(20.0).reshape(10, 2)
    inputs, targets = pre.time_windows(series, 3)
    assert inputs.shape == (7, 3, 2)
    assert inputs[0].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert targets[0].tolist() == [6, 7]
    assert targets[-1].tolist() == [18, 19]
    inputs[:] = -1
    assert series[0, 1] == 1


@given(time=st.integers(2, 30), length=st.integers(1, 8), horizon=st.integers(1, 5), stride=st.integers(1, 4))
def test_time_windows_against_a_plain_reading(time, length, horizon, stride):
    series = np.arange(time) ** 2
    starts = [i for i in range(0, time, stride) if i + length - 1 + horizon < time]
    if not starts:
        with pytest.raises(ValueError, match="holds no window"):
            pre.time_windows(series, length, horizon=horizon, stride=stride)
        return
    inputs, targets = pre.time_windows(series, length, horizon=horizon, stride=stride)
    assert inputs.tolist() == [[[int(v)] for v in series[i : i + length]] for i in starts]
    assert targets.tolist() == [[int(series[i + length - 1 + horizon])] for i in starts]


def test_time_windows_refuse():
    for name in ("length", "horizon", "stride"):
        for wrong in (0, -1, 2.5, np.nan):
            with pytest.raises(ValueError, match=rf"time_windows\({name}={wrong}\): expected an integer of at least 1"):
                pre.time_windows(np.arange(9), **{"length": 2, name: wrong})
        with pytest.raises(ValueError, match=rf"time_windows\({name}=10000000000\): expected an integer of at most 1"):
            pre.time_windows(np.arange(9), **{"length": 2, name: 10**10})
    with pytest.raises(ValueError, match=r"\(time,\) or \(time, features\), found an array \(2, 2, 2\)"):
        pre.time_windows(np.zeros((2, 2, 2)), 1)


@pytest.mark.row("PRE-07")
def test_flatten():
    images = np.arange(3 * 28 * 28).reshape(3, 28, 28)
    assert pre.flatten(images).shape == (3, 784)
    assert pre.flatten(images)[1, 28 * 5 + 7] == images[1, 5, 7]
    assert pre.flatten(np.zeros((2, 4, 5, 3))).shape == (2, 60)
    assert pre.flatten(np.zeros((0, 4, 5))).shape == (0, 20)
    with pytest.raises(ValueError, match=r"expected examples \(n, ...\), found an array \(5,\)"):
        pre.flatten(np.zeros(5))


@pytest.mark.row("PRE-08")
def test_augmentation_grows_the_count_and_keeps_the_labels():
    rng = np.random.default_rng(0)
    images, labels = rng.random((40, 8, 8), dtype=np.float32), rng.integers(0, 10, 40)
    hooks = partial(pre.random_shifts, pixels=1), partial(pre.add_noise, std=0.1)
    more, their_labels = pre.augment(images, labels, *hooks, copies=3, rng=np.random.default_rng(1))
    assert more.shape == (160, 8, 8)
    assert more.dtype == np.float32
    np.testing.assert_array_equal(their_labels, np.tile(labels, 4))
    np.testing.assert_array_equal(more[:40], images)
    for i in (1, 2, 3):
        assert not np.array_equal(more[40 * i : 40 * i + 40], images)
    assert not np.array_equal(more[40:80], more[80:120])
    again, _ = pre.augment(images, labels, *hooks, copies=3, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(more, again)
    alone, _ = pre.augment(images, labels, *hooks, copies=0, rng=rng)
    np.testing.assert_array_equal(alone, images)


@pytest.mark.row("PRE-08")
@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 2)])
def test_random_shifts_against_a_plain_reading(shape):
    image = np.arange(1.0, np.prod(shape) + 1).reshape(shape)
    moved = {}
    for down in (-2, -1, 0, 1, 2):
        for right in (-2, -1, 0, 1, 2):
            expected = np.full(shape, -7.0)
            for i in range(6):
                for j in range(5):
                    if 0 <= i - down < 6 and 0 <= j - right < 5:
                        expected[i, j] = image[i - down, j - right]
            moved[expected.tobytes()] = 0
    for result in pre.random_shifts(np.stack([image] * 25000), np.random.default_rng(0), pixels=2, fill=-7.0):
        moved[result.tobytes()] += 1
    assert len(moved) == 25
    np.testing.assert_allclose(np.array(list(moved.values())) / 25000, 0.04, atol=0.007)


@pytest.mark.row("PRE-08")
def test_noise_has_the_deviation_asked_for():
    inputs = np.full((100, 200), 3.0, np.float32)
    noisy = pre.add_noise(inputs, np.random.default_rng(0), std=0.5)
    assert noisy.dtype == np.float32
    assert noisy.mean() == pytest.approx(3, abs=0.02)
    assert noisy.std() == pytest.approx(0.5, abs=0.013)
    np.testing.assert_array_equal(pre.add_noise(inputs, np.random.default_rng(0), std=0), inputs)


def test_augmentation_refuses():
    rng, x, y = np.random.default_rng(0), np.zeros((3, 4, 4)), np.zeros(3, int)
    with pytest.raises(ValueError, match=r"same number of examples.*\(3, 4, 4\) and \(2,\)"):
        pre.augment(x, y[:2], partial(pre.add_noise, std=1), rng=rng)
    with pytest.raises(ValueError, match="an augmentation"):
        pre.augment(x, y, rng=rng)
    noise = partial(pre.add_noise, std=1)
    for copies, message in (
        (-1, "integer of at least 0"),
        (0.5, "integer of at least 0"),
        (10**9, "would take about 379 GiB"),
    ):
        with pytest.raises(ValueError, match=message):
            pre.augment(x, y, noise, copies=copies, rng=rng)
    with pytest.raises(ValueError, match=r"made \(2, 4, 4\) of inputs \(3, 4, 4\)"):
        pre.augment(x, y, lambda inputs, rng: inputs[1:], rng=rng)
    for pixels in (-1, 4):
        with pytest.raises(ValueError, match=f"larger than pixels={pixels}"):
            pre.random_shifts(x, rng, pixels=pixels)
    with pytest.raises(ValueError, match="images"):
        pre.random_shifts(x[0], rng, pixels=1)
    for std in (-1, np.inf, np.nan):
        with pytest.raises(ValueError, match="at least 0"):
            pre.add_noise(x, rng, std=std)
    with pytest.raises(TypeError, match="floating point inputs, found uint8; scale"):
        pre.add_noise(x.astype(np.uint8), rng, std=1)


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: pre.random_shifts(np.zeros((3, 4, 4)), rng, pixels=1),
        lambda rng: pre.add_noise(np.zeros(3), rng, std=1),
        lambda rng: pre.augment(np.zeros(3), np.zeros(3), rng=rng),
        lambda rng: pre.corrupt_windows(np.zeros((1, 3)), [1, 2], rng),
        lambda rng: pre.window_pairs(np.zeros((1, 3)), np.array([False]), rng),
        lambda rng: pre.train_validation_test(np.zeros(3), np.zeros(3), rng=rng),
    ],
)
def test_what_draws_takes_a_generator(draw):
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator.*not 0"):
        draw(0)


@given(
    n=st.integers(1, 60),
    validation=st.floats(0, 0.49),
    test=st.floats(0, 0.49),
    stratified=st.booleans(),
    seed=st.integers(0, 100),
)
def test_splits_are_disjoint_and_whole(n, validation, test, stratified, seed):
    inputs, targets = np.arange(n) * 10, np.arange(n) % 3
    sizes = np.bincount(targets) if stratified else [n]
    assume(all(round(test * size) + round(validation * size) < size for size in sizes))
    draw = partial(pre.train_validation_test, inputs, targets, validation=validation, test=test, stratified=stratified)
    parts = draw(rng=np.random.default_rng(seed))
    assert sorted(np.concatenate([part.inputs for part in parts]).tolist()) == inputs.tolist()
    for part, again in zip(parts, draw(rng=np.random.default_rng(seed)), strict=True):
        np.testing.assert_array_equal(part.targets, part.inputs // 10 % 3)
        np.testing.assert_array_equal(part.inputs, again.inputs)
    if not stratified:
        assert [len(part.inputs) for part in parts[1:]] == [round(validation * n), round(test * n)]


def test_a_stratified_split_has_its_share_of_each_class():
    labels = np.repeat([0, 1, 2], [100, 50, 10])
    draw = partial(pre.train_validation_test, np.arange(160), labels, stratified=True, validation=0.1, test=0.2)
    train, validation, test = draw(rng=np.random.default_rng(0))
    assert np.bincount(train.targets).tolist() == [70, 35, 7]
    assert np.bincount(validation.targets).tolist() == [10, 5, 1]
    assert np.bincount(test.targets).tolist() == [20, 10, 2]
    assert (np.diff(train.targets) != 0).sum() > 20  # shuffled: classes in a row would change twice
    assert not np.array_equal(draw(rng=np.random.default_rng(1))[0].inputs, train.inputs)


def test_splits_refuse():
    split = partial(pre.train_validation_test, rng=np.random.default_rng(0))
    for fractions in ({"test": 1.0}, {"test": -0.1}, {"test": 0.5, "validation": 0.5}, {"test": np.nan}):
        with pytest.raises(ValueError, match="fractions of at least 0 that leave some to train"):
            split(np.zeros(4), np.zeros(4), **fractions)
    with pytest.raises(ValueError, match=r"validation=0\.45 and test=0\.45 leave none of 2 examples to train"):
        split(np.zeros(2), np.zeros(2), validation=0.45, test=0.45)
    with pytest.raises(ValueError, match=r"test=0\.6 leave none of 1 examples of a class to train"):
        split(np.zeros(6), np.array([0, 0, 0, 0, 0, 1]), test=0.6, stratified=True)
    with pytest.raises(ValueError, match=r"takes class indices \(n,\), found float64 \(4,\)"):
        split(np.zeros(4), np.zeros(4), stratified=True)
    with pytest.raises(ValueError, match="at least one"):
        split(np.zeros(0), np.zeros(0))


def test_an_augmentation_may_write_into_what_it_is_given():
    def darken(inputs, rng):
        inputs *= 0.5
        return inputs

    x = np.arange(6.0).reshape(3, 2)
    original = x.copy()
    inputs, _ = pre.augment(x, np.zeros(3), darken, copies=2, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(x, original)
    np.testing.assert_array_equal(inputs, np.concatenate([original, original / 2, original / 2]))
