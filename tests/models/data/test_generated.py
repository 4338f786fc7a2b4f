"""Generated data: what the generators draw, against plain readings and known frequencies, and their score."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.models import datasets


def test_temporal_order_against_a_plain_reading():
    inputs, targets = datasets.temporal_order(500, 57, np.random.default_rng(0))
    assert inputs.shape == (500, 57, 6)
    assert inputs.dtype == np.float32
    assert targets.shape == (500,)
    assert targets.dtype == np.int64
    assert set(np.unique(inputs)) == {0, 1}
    assert (inputs.sum(axis=2) == 1).all()
    for sequence, target in zip(inputs.argmax(axis=2), targets, strict=True):
        p0, p1 = np.flatnonzero(sequence < 2)
        assert 5 <= p0 < 10
        assert 28 <= p1 < 33
        assert target == sequence[p0] + 2 * sequence[p1]


def test_temporal_order_is_uniform():
    n, length = 20000, 50
    inputs, targets = datasets.temporal_order(n, length, np.random.default_rng(1))
    symbols = inputs.argmax(axis=2)
    p0, p1 = (np.flatnonzero(row < 2) for row in (symbols[:, :25].T.min(axis=1), symbols[:, 25:].T.min(axis=1)))
    assert p0.tolist() == [5, 6, 7, 8, 9]
    assert p1.tolist() == [0, 1, 2, 3, 4]
    for positions in (range(5, 10), range(25, 30)):  # each a fifth of the time: 5 standard deviations are 0.014
        np.testing.assert_allclose((symbols[:, positions] < 2).mean(axis=0), 0.2, atol=0.015)
    np.testing.assert_allclose(np.bincount(targets) / n, 0.25, atol=0.016)
    counts = np.bincount(symbols.ravel(), minlength=6) / (n * length)
    np.testing.assert_allclose(counts, [0.02, 0.02, 0.24, 0.24, 0.24, 0.24], atol=0.003)
    first = (symbols < 2).argmax(axis=1)  # position and class are independent
    for p in range(5, 10):
        np.testing.assert_allclose(np.bincount(targets[first == p]) / (first == p).sum(), 0.25, atol=0.036)


def test_adding_against_a_plain_reading():
    inputs, targets = datasets.adding(500, 57, np.random.default_rng(0), dtype=np.float64)
    assert inputs.shape == (500, 57, 2)
    assert targets.shape == (500, 1)
    for sequence, target in zip(inputs, targets, strict=True):
        p0, p1 = np.flatnonzero(sequence[:, 1])
        assert 0 <= p0 < 5 <= p1 < 25
        assert sequence[:, 1].sum() == 2
        assert target == pytest.approx((sequence[p0, 0] + sequence[p1, 0]) / 2, rel=1e-15)


def test_multiplication_against_a_plain_reading():
    inputs, targets = datasets.multiplication(500, 57, np.random.default_rng(0), dtype=np.float64)
    sums = datasets.adding(500, 57, np.random.default_rng(0), dtype=np.float64)
    np.testing.assert_array_equal(inputs, sums.inputs)
    assert targets.shape == (500, 1)
    for sequence, target in zip(inputs, targets, strict=True):
        p0, p1 = np.flatnonzero(sequence[:, 1])
        assert target == pytest.approx(sequence[p0, 0] * sequence[p1, 0], rel=1e-15)


def test_adding_is_uniform():
    n = 20000
    inputs, targets = datasets.adding(n, 50, np.random.default_rng(1))
    values, markers = inputs[..., 0], inputs[..., 1]
    assert values.min() >= 0
    assert values.max() <= 1
    np.testing.assert_allclose(np.histogram(values, 10, (0, 1))[0] / values.size, 0.1, atol=0.002)
    frequencies = markers.mean(axis=0)
    np.testing.assert_allclose(frequencies[:5], 0.2, atol=0.015)
    np.testing.assert_allclose(frequencies[5:25], 0.05, atol=0.008)
    assert not frequencies[25:].any()
    assert ((targets - 0.5) ** 2).mean() == pytest.approx(1 / 24, rel=0.05)


@pytest.mark.parametrize("task", [datasets.temporal_order, datasets.adding, datasets.multiplication])
def test_generated_tasks_repeat_by_seed(task):
    rng = np.random.default_rng(5)
    first, second = task(7, 30, rng), task(7, 30, rng)
    again = task(7, 30, np.random.default_rng(5))
    for a, b, c in zip(first, again, second, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


@pytest.mark.parametrize("task", [datasets.temporal_order, datasets.adding, datasets.multiplication])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_generated_tasks_in_each_dtype(task, dtype):
    inputs, targets = task(7, 30, np.random.default_rng(5), dtype=dtype)
    reference, reference_targets = task(7, 30, np.random.default_rng(5), dtype=np.float64)
    assert inputs.dtype == dtype
    assert targets.dtype == (np.int64 if task is datasets.temporal_order else dtype)
    np.testing.assert_allclose(inputs, reference, atol=1e-3)  # the same sequences, rounded
    np.testing.assert_allclose(targets, reference_targets, atol=1e-3)


@pytest.mark.parametrize("task", [datasets.temporal_order, datasets.adding, datasets.multiplication])
@given(n=st.integers(1, 5), length=st.integers(10, 130), seed=st.integers(0, 1000))
def test_generated_tasks_at_every_length(task, n, length, seed):
    inputs, targets = task(n, length, np.random.default_rng(seed))
    assert inputs.shape[:2] == (n, length)
    assert len(targets) == n
    marked = inputs[..., :2].any(axis=2) if task is datasets.temporal_order else inputs[..., 1] == 1
    tenth = length // 10
    windows = (tenth, 2 * tenth, length // 2, length // 2 + tenth)
    if task is not datasets.temporal_order:
        windows = (0, tenth, tenth, 5 * tenth)
    for row in marked:
        p0, p1 = np.flatnonzero(row)
        assert windows[0] <= p0 < windows[1]
        assert windows[2] <= p1 < windows[3]


@pytest.mark.parametrize("task", [datasets.temporal_order, datasets.adding, datasets.multiplication])
def test_generated_tasks_refuse_what_cannot_work(task):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"length 9 are too short.*at least 10"):
        task(3, 9, rng)
    with pytest.raises(TypeError, match=rf"{task.__name__}: rng must be a numpy\.random\.Generator.*not 0"):
        task(3, 50, 0)
    with pytest.raises(TypeError, match=r"dtype=int64\): expected floating-point numbers"):
        task(3, 50, rng, dtype=np.int64)


def test_fraction_wrong_of_classes():
    outputs = np.array([[1.0, 2.0, 0.0], [5.0, 4.0, 3.0], [0.0, 0.0, 1.0], [0.0, 1.0, np.nan]])
    assert datasets.fraction_wrong(outputs, np.array([1, 0, 2, 2])) == 0.25  # nan is wrong, though argmax finds it
    assert datasets.fraction_wrong(outputs, np.array([0, 1, 0, 0])) == 1


def test_fraction_wrong_of_numbers():
    targets = np.array([[0.5], [0.5], [0.5], [0.5]])
    outputs = np.array([[0.539], [0.461], [0.541], [np.nan]])
    assert datasets.fraction_wrong(outputs, targets) == 0.5
    assert datasets.fraction_wrong(targets, targets) == 0


def test_fraction_wrong_of_shapes_that_do_not_fit():
    number, label = np.zeros((4, 1)), np.zeros(4, int)
    for outputs, targets in ((number[:, 0], number), (number[:3], number), (number[:0], number[:0])):
        with pytest.raises(ValueError, match=r"expected outputs \(n, 1\) as the targets"):
            datasets.fraction_wrong(outputs, targets)
    for outputs, targets in ((np.zeros(4), label), (np.zeros((3, 2)), label), (np.zeros((0, 2)), label[:0])):
        with pytest.raises(ValueError, match=r"expected outputs \(n, classes\) for integer targets"):
            datasets.fraction_wrong(outputs, targets)


def test_chance_on_the_generated_tasks():
    rng = np.random.default_rng(3)
    _, targets = datasets.temporal_order(20000, 20, rng)
    assert datasets.fraction_wrong(rng.random((20000, 4)), targets) == pytest.approx(0.75, abs=0.015)
    _, sums = datasets.adding(20000, 20, rng)
    assert datasets.fraction_wrong(np.full_like(sums, 0.5), sums) == pytest.approx(1 - 0.1536, abs=0.015)
    _, products = datasets.multiplication(20000, 20, rng)
    assert datasets.fraction_wrong(np.full_like(products, 0.25), products) == pytest.approx(1 - 0.1113, abs=0.01)
    assert ((products - 0.25) ** 2).mean() == pytest.approx(7 / 144, rel=0.05)


def test_temporal_order_draws_what_it_always_drew():
    """The sequences of a seed belong to recorded results."""
    inputs, targets = datasets.temporal_order(4, 20, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    symbols = rng.integers(2, 6, (4, 20))
    positions = rng.integers(0, 2, (2, 4)) + np.array([[2], [10]])
    relevant = rng.integers(0, 2, (2, 4))
    symbols[np.arange(4), positions] = relevant
    np.testing.assert_array_equal(inputs.argmax(axis=2), symbols)
    np.testing.assert_array_equal(targets, relevant[0] + 2 * relevant[1])


@pytest.mark.parametrize("length", [10, 57, 100])
def test_temporal_order_3bit_against_a_plain_reading(length):
    inputs, targets = datasets.temporal_order_3bit(500, length, np.random.default_rng(0))
    assert inputs.shape == (500, length, 6)
    assert targets.shape == (500,)
    tenth = length // 10
    starts = (length // 10, 3 * length // 10, 6 * length // 10)
    for sequence, target in zip(inputs.argmax(axis=2), targets, strict=True):
        places = np.flatnonzero(sequence < 2)
        assert len(places) == 3
        assert all(start <= place < start + tenth for start, place in zip(starts, places, strict=True))
        assert target == sequence[places] @ [1, 2, 4]


def test_temporal_order_3bit_is_uniform():
    n = 20000
    inputs, targets = datasets.temporal_order_3bit(n, 50, np.random.default_rng(1))
    symbols = inputs.argmax(axis=2)
    np.testing.assert_allclose(np.bincount(targets) / n, 1 / 8, atol=0.012)
    for start in (5, 15, 30):
        np.testing.assert_allclose((symbols[:, start : start + 5] < 2).mean(axis=0), 0.2, atol=0.015)
    assert datasets.fraction_wrong(np.random.default_rng(2).random((n, 8)), targets) == pytest.approx(7 / 8, abs=0.012)


def test_copying_against_a_plain_reading():
    inputs, targets = datasets.copying(300, 25, np.random.default_rng(0))
    assert inputs.shape == (300, 45, 7)
    assert targets.shape == (300, 45)
    assert targets.dtype == np.int64
    assert (inputs.sum(axis=2) == 1).all()
    for sequence, target in zip(inputs.argmax(axis=2), targets, strict=True):
        assert (sequence[:10] < 5).all()
        assert sequence[10:].tolist() == [5] * 25 + [6] + [5] * 9
        assert target.tolist() == [5] * 35 + sequence[:10].tolist()
    inputs, targets = datasets.copying(4, 3, np.random.default_rng(0), n_symbols=2, n_memorized=1)
    assert inputs.shape == (4, 5, 4)
    assert inputs.argmax(axis=2)[:, 1:].tolist() == [[2, 2, 2, 3]] * 4
    assert targets[:, :4].tolist() == [[2] * 4] * 4


def test_copying_is_uniform():
    inputs, targets = datasets.copying(10000, 5, np.random.default_rng(1))
    symbols = inputs.argmax(axis=2)[:, :10]
    for k in range(10):
        np.testing.assert_allclose(np.bincount(symbols[:, k]) / 10000, 0.2, atol=0.02)
    pairs = np.bincount(symbols[:, 0] * 5 + symbols[:, 9]) / 10000
    np.testing.assert_allclose(pairs, 0.04, atol=0.01)
    # All blanks are right where a blank is due, and wrong as sequences.
    blank = np.zeros((10000, 25, 6))
    blank[..., 5] = 1
    assert datasets.fraction_wrong(blank, targets) == 1
    assert (blank.argmax(axis=2) == targets).mean() == 15 / 25


def test_random_permutation_against_a_plain_reading():
    inputs, targets = datasets.random_permutation(2000, 30, np.random.default_rng(0))
    assert inputs.shape == (2000, 30, 100)
    assert targets.shape == (2000,)
    assert targets.dtype == np.int64
    symbols = inputs.argmax(axis=2)
    np.testing.assert_array_equal(symbols[:, 0], targets)
    assert (symbols[:, 1:] >= 2).all()
    assert (inputs.sum(axis=2) == 1).all()
    np.testing.assert_allclose(np.bincount(targets) / 2000, 0.5, atol=0.056)
    counts = np.bincount(symbols[:, 1:].ravel(), minlength=100)[2:] / symbols[:, 1:].size
    np.testing.assert_allclose(counts, 1 / 98, atol=0.0022)
    smallest = datasets.random_permutation(50, 2, np.random.default_rng(0), n_symbols=3)
    assert (smallest.inputs.argmax(axis=2)[:, 1] == 2).all()


def test_two_moons():
    points, classes = datasets.two_moons(2001, np.random.default_rng(0), noise=0, dtype=np.float64)
    assert np.bincount(classes).tolist() == [1001, 1000]
    upper, lower = points[classes == 0], points[classes == 1]
    np.testing.assert_allclose((upper**2).sum(axis=1), 1)
    np.testing.assert_allclose(((lower - [1, 0.5]) ** 2).sum(axis=1), 1)
    assert (upper[:, 1] >= 0).all()
    assert (lower[:, 1] <= 0.5).all()
    np.testing.assert_allclose(upper.mean(axis=0), [0, 2 / np.pi], atol=0.12)
    noisy, _ = datasets.two_moons(20000, np.random.default_rng(0), noise=0.2)
    straight, _ = datasets.two_moons(20000, np.random.default_rng(0), noise=0)
    assert (noisy - straight).std() == pytest.approx(0.2, rel=0.03)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_spirals(n_classes):
    points, classes = datasets.spirals(
        3000, np.random.default_rng(0), n_classes=n_classes, turns=1.5, noise=0, dtype=np.float64
    )
    assert np.bincount(classes).tolist() == [3000 // n_classes] * n_classes
    r = np.hypot(*points.T)
    assert r.max() <= 1
    assert r.mean() == pytest.approx(0.5, abs=0.03)
    turned = np.arctan2(points[:, 1], points[:, 0]) / (2 * np.pi) - 1.5 * r - classes / n_classes
    np.testing.assert_allclose(turned, np.round(turned), atol=1e-9)
    noisy, _ = datasets.spirals(20000, np.random.default_rng(0), noise=0.2)
    straight, _ = datasets.spirals(20000, np.random.default_rng(0), noise=0)
    assert (noisy - straight).std() == pytest.approx(0.2, rel=0.03)


MORE = {
    "temporal_order_3bit": lambda rng, dtype: datasets.temporal_order_3bit(7, 30, rng, dtype=dtype),
    "copying": lambda rng, dtype: datasets.copying(7, 30, rng, dtype=dtype),
    "random_permutation": lambda rng, dtype: datasets.random_permutation(7, 30, rng, dtype=dtype),
    "two_moons": lambda rng, dtype: datasets.two_moons(7, rng, dtype=dtype),
    "spirals": lambda rng, dtype: datasets.spirals(7, rng, dtype=dtype),
}


@pytest.mark.parametrize("draw", MORE.values(), ids=MORE)
def test_every_generator_repeats_by_seed_in_each_dtype(draw):
    rng = np.random.default_rng(5)
    first, second = draw(rng, "float64"), draw(rng, "float64")
    for dtype in ("float32", "float64"):
        again = draw(np.random.default_rng(5), dtype)
        assert isinstance(again, datasets.Split)
        assert again.inputs.dtype == dtype
        assert again.targets.dtype == np.int64
        np.testing.assert_allclose(again.inputs, first.inputs, atol=1e-2)
        np.testing.assert_array_equal(again.targets, first.targets)
    assert not np.array_equal(first.inputs, second.inputs)
    with pytest.raises(TypeError, match=r"dtype=int64\): expected floating-point numbers"):
        draw(rng, np.int64)
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator.*not None"):
        draw(None, "float64")


def test_generators_refuse():
    rng = np.random.default_rng(0)
    for task in (datasets.two_moons, datasets.spirals):
        for noise in (-0.1, np.inf, np.nan, 1e300):
            with pytest.raises(ValueError, match=f"{task.__name__}: noise is a standard deviation"):
                task(5, rng, noise=noise)
    for turns in (np.nan, np.inf, 1e300):
        with pytest.raises(ValueError, match="spirals: turns, how often a spiral goes round, is a number, not"):
            datasets.spirals(5, rng, turns=turns)
    with pytest.raises(ValueError, match="temporal_order_3bit: sequences of length 9 are too short"):
        datasets.temporal_order_3bit(5, 9, rng)


SIZES = {  # each generator, sizes it takes, and the least of each
    "temporal_order": ({"n": 2, "length": 10}, {}),
    "temporal_order_3bit": ({"n": 2, "length": 10}, {}),
    "adding": ({"n": 2, "length": 10}, {}),
    "multiplication": ({"n": 2, "length": 10}, {}),
    "copying": ({"n": 2, "delay": 3, "n_symbols": 5, "n_memorized": 4}, {"n_symbols": 2}),
    "random_permutation": ({"n": 2, "length": 4, "n_symbols": 6}, {"length": 2, "n_symbols": 3}),
    "two_moons": ({"n": 4}, {}),
    "spirals": ({"n": 4, "n_classes": 3}, {"n_classes": 2}),
}
EACH_SIZE = [(task, name) for task, (sizes, _) in SIZES.items() for name in sizes]


@pytest.mark.parametrize(("task", "name"), EACH_SIZE, ids=lambda part: part)
def test_sizes_are_integers_in_a_range(task, name):
    sizes, least = SIZES[task]
    for wrong in (least.get(name, 1) - 1, -1, -(10**400), 2.5, 3.0, np.nan, np.inf, 1e9, "3", None, [3]):
        at_least = rf"{task}\({name}=.*\): expected an integer of at least {least.get(name, 1)}$"
        with pytest.raises(ValueError, match=at_least):
            getattr(datasets, task)(rng=np.random.default_rng(0), **sizes | {name: wrong})
    for much in (10**9 + 1, 10**10, 2**63, 10**5000):
        with pytest.raises(
            ValueError, match=rf"^{task}\({name}=[\d^]*\): expected an integer of at most 1,000,000,000$"
        ):
            getattr(datasets, task)(rng=np.random.default_rng(0), **sizes | {name: much})
    again = getattr(datasets, task)(rng=np.random.default_rng(0), **{each: np.int64(n) for each, n in sizes.items()})
    assert len(again.targets) == sizes["n"]


@pytest.mark.parametrize("task", SIZES)
def test_sizes_that_together_would_fill_the_memory_are_refused_before_anything_is_made(task):
    sizes, _ = SIZES[task]
    together = {name: 10**9 for name in sizes if name != "n_classes"}
    with pytest.raises(
        ValueError, match=rf"^{task}\(n=1000000000.*\) would take about [\d^]+ GiB, and the limit is 16 GiB"
    ):
        getattr(datasets, task)(rng=np.random.default_rng(0), **together)


def test_fraction_wrong_of_whole_sequences():
    targets = np.array([[1, 0], [1, 0], [0, 0]])
    outputs = np.zeros((3, 2, 2))
    outputs[[0, 1, 2], 0, [1, 1, 1]] = 1  # right, right, wrong
    outputs[1, 1] = [0, 1]  # wrong
    assert datasets.fraction_wrong(outputs, targets) == pytest.approx(2 / 3)
    outputs[0, 1, 1] = np.nan
    assert datasets.fraction_wrong(outputs, targets) == 1
    with pytest.raises(ValueError, match=r"or with a time axis in both, with n >= 1, found outputs \(3, 2\)"):
        datasets.fraction_wrong(outputs[..., 0], targets)


def test_delayed_appends_noise_and_keeps_what_was_there():
    inputs = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    longer = datasets.delayed(inputs, 5003, np.random.default_rng(0), noise=0.3)
    assert (longer.shape, longer.dtype) == ((2, 5003, 2), np.float32)
    np.testing.assert_array_equal(longer[:, :3], inputs)
    assert abs(longer[:, 3:].mean()) < 0.01
    assert abs(longer[:, 3:].std() - 0.3) < 0.01
    rng = np.random.default_rng(1)
    blank = datasets.delayed(inputs.astype(np.float64), 4, rng, noise=0)
    assert blank.dtype == np.float64
    assert not blank[:, 3:].any()
    assert rng.random() == np.random.default_rng(1).random()
    np.testing.assert_array_equal(datasets.delayed(inputs, 3, rng), inputs)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"length": 2}, ValueError, "the sequences have 3 steps, so length=2 is too short"),
        ({"inputs": np.ones((2, 3))}, ValueError, "floats of the shape"),
        ({"inputs": np.ones((2, 3, 2), int)}, ValueError, "floats of the shape"),
        ({"noise": -1}, ValueError, "noise is a standard deviation"),
        ({"noise": math.nan}, ValueError, "noise is a standard deviation"),
        ({"rng": 0}, TypeError, "rng must be a numpy.random.Generator"),
        ({"length": 10**15}, ValueError, "length"),
    ],
)
def test_delayed_refuses(changed, error, message):
    given = {"inputs": np.ones((2, 3, 2)), "length": 5, "rng": np.random.default_rng(0), "noise": 0.3, **changed}
    with pytest.raises(error, match=message):
        datasets.delayed(given["inputs"], given["length"], given["rng"], noise=given["noise"])
