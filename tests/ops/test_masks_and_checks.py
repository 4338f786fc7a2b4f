"""What chooses entries sends nothing to the rest, what asks something of values asks it in every run, and scales cancel."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.graph import ancestry
from minigrad.ops import arithmetic, control, indexing, reductions, sorting


def kinds(node):
    return [type(part) for part in ancestry([node])]


# Entries left out ----------------------------------------------------------------------------------------------------

X = np.array([4.0, 0.0, -1.0])  # of which only the first has a logarithm with a slope
CHOOSING = {
    "choose": lambda x: np.choose(x > 0, [np.zeros(3), np.log(x)]),
    "choose, wrapped": lambda x: np.choose((x > 0) + 2, [np.zeros(3), np.log(x)], mode="wrap"),
    "select": lambda x: np.select([x > 0], [np.log(x)], 0.0),
    "set slice": lambda x: np.log(x).at[1:].set(0.0),
    "set integers": lambda x: np.log(x).at[np.array([1, 2])].set(0.0),
    "set mask": lambda x: np.log(x).at[x <= 0].set(0.0),
    "set mask of places": lambda x: np.log(x).at[x <= 0].set(np.zeros(2)),
    "set twice": lambda x: np.log(x).at[1].set(0.0).at[2].set(0.0),
    "set, then read": lambda x: np.log(x).at[1:].set(0.0)[::-1].reshape(3, 1),
    "overwritten values": lambda x: (x * 0)[:1].at[[0, 0, 0]].set(np.log(x)[::-1]),
    "read by mask": lambda x: np.log(x)[x > 0],
    "compress": lambda x: np.compress(x > 0, np.log(x)),
    "extract": lambda x: np.extract(x > 0, np.log(x)),
    "sum where": lambda x: np.sum(np.log(x), where=x > 0),
    "max": lambda x: np.log(x)[:2].max(),
    "min": lambda x: -(-np.log(x)[:2]).min(),
    "largest so far": lambda x: np.maximum.reduce(np.log(x)[:2]),
    "tril": lambda x: np.tril(np.log(x)[None]),
    "triu": lambda x: np.triu(np.log(x)[:, None]),
    "nanmax": lambda x: np.nanmax(np.log(x)[::2]),
    "nanmax over -inf": lambda x: np.nanmax(np.log(x)),
    "nanmin": lambda x: np.nanmin(np.log(x)[::2]),
    "nanmedian": lambda x: np.nanmedian(np.log(x)[::2]),
    "nanquantile": lambda x: np.nanquantile(np.log(x)[::2], 0.3),
    "nanpercentile": lambda x: np.nanpercentile(np.log(x)[::2], 70, method="lower"),
    "nanmean": lambda x: np.nanmean(np.log(x)[::2]),
    "nan_to_num": lambda x: np.nan_to_num(np.log(x)[::2]),
    "clip": lambda x: np.clip(np.log(x), -5, 5),
    "fmax": lambda x: np.fmax(0.0, np.log(x)),
}


@pytest.mark.parametrize("name", CHOOSING)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value", "ignore:overflow")
def test_what_is_not_chosen_sends_no_nan(name, dtype):
    """ln'(4) = 1/4 and ln''(4) = −1/16, and 0 for what is left out: eager, replayed, and compiled."""

    def slopes(x):
        y = CHOOSING[name](x)
        (slope,) = mg.gradients(y.sum(), [x])
        return slope, mg.gradients(slope.sum(), [x])[0]

    expected = np.array([[1 / 4, 0, 0], [-1 / 16, 0, 0]], dtype)
    x = mg.Input(X.astype(dtype))
    eager = slopes(x)
    assert eager[0].dtype == dtype
    np.testing.assert_array_equal([slope.value for slope in eager], expected)
    np.testing.assert_array_equal(mg.Graph(*eager).fprop({x: X.astype(dtype)}), expected)
    np.testing.assert_array_equal(mg.compile(slopes)(X.astype(dtype)), expected)


def test_numbers_pass_and_nan_gets_nothing():
    x = mg.Input([2.0, np.nan])
    (slope,) = mg.gradients(arithmetic.Numbers(x), [x], adjoint=np.array([3.0, 5.0]))
    np.testing.assert_array_equal(slope.value, [3, 0])


def test_an_overwritten_value_is_masked_behind_another_mask():
    """Of two values for one place only the second counts, and the mask of the whole is read where they went."""
    v, x = mg.Input([0.0, 4.0]), mg.Input(np.zeros(3))
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.where(np.array([True, False, False]), x.at[[0, 0]].set(np.log(v)), 0)
        (slope,) = mg.gradients(y, [v], adjoint=np.ones(3))
    np.testing.assert_array_equal(slope.value, [0, 0.25])


# Checks of values ----------------------------------------------------------------------------------------------------

CHECKS = {  # a function of what is checked, a value that is right, one that is wrong, and what the error says
    "unravel_index": (
        lambda i: np.unravel_index(i, (2, 3))[0],
        [2, 5],
        [2, 7],
        "index lies outside.*found 7.*less than 6",
    ),
    "unravel_index, negative": (lambda i: np.unravel_index(i, (2, 3), "F")[1], [2, 5], [2, -1], "outside.*found -1"),
    "ravel_multi_index": (lambda i: np.ravel_multi_index((i, i), (2, 3)), [1, 1], [1, 2], "found 2.*less than 2"),
    "choose": (lambda i: np.choose(i, [1.0, 2.0]), [0, 1], [0, -1], "invalid entry in choice array: found -1"),
    "choose, too large": (lambda i: np.choose(i, [[1.0, 2.0]]), [0, 0], [0, 1], "choice array: found 1"),
    "digitize": (lambda b: np.digitize([0.5, 1.5], b), [0.0, 1.0, 2.0], [0.0, 2.0, 1.0], "vector that rises or falls"),
    "digitize, nan": (lambda b: np.digitize([0.5], b), [0.0, 1.0], [0.0, np.nan], "vector that rises or falls"),
    "clip_adjoint": (lambda low: mg.clip_adjoint(low * 2, low, 1.0), [0.0, 1.0], [0.0, 2.0], "low is above high"),
}


@pytest.mark.parametrize("name", CHECKS)
def test_values_are_checked_in_every_run(name):
    function, right, wrong, text = CHECKS[name]
    x = mg.Input(np.array(right))
    y = function(x)
    program, graph = mg.compile(function), mg.Graph(y)
    np.testing.assert_array_equal(program(np.array(right)), y.value)
    np.testing.assert_array_equal(graph.fprop({x: np.array(right)}), y.value)
    for run in (
        lambda: function(mg.Input(np.array(wrong))),
        lambda: graph.fprop({x: np.array(wrong)}),
        lambda: program(np.array(wrong)),
    ):
        with pytest.raises(ValueError, match=text):
            run()


def test_bounds_are_checked_where_only_the_adjoint_is_computed():
    """The program of a gradient that does not depend on the value computes no value, and yet asks."""

    def slope(x, low):
        return mg.gradients(mg.clip_adjoint(x, low, 1.0).sum(), [x])[0]

    program = mg.compile(slope)
    np.testing.assert_array_equal(program(np.ones(2), np.array(0.5)), [1, 1])
    with pytest.raises(ValueError, match="low is above high"):
        program(np.ones(2), np.array(2.0))


def test_bounds_that_are_numbers_cost_no_node():
    x = mg.Input([1.0, 2.0])
    assert control.OrderedBounds not in kinds(mg.clip_adjoint(x, -1.0, 1.0))
    assert control.OrderedBounds in kinds(mg.clip_adjoint(x, mg.Input(-1.0), 1.0))


def test_choose_has_the_dtype_of_its_choices():
    i, x = mg.Input([1, 0, 1]), np.float32([1, 2, 3])
    for choices in ([x, 0.5], [x, np.float64(0.5)], [np.int8(1), x], [True, False], [1, 2], np.stack([x, x])):
        expected = np.choose(i.value, choices)
        found = np.choose(i, choices)
        np.testing.assert_array_equal(found.value, expected)
        assert found.dtype == expected.dtype
    assert np.choose(mg.Input([[0], [1]]), [x, mg.Input(x) * 2]).shape == (2, 3)


def test_the_checks_pass_what_is_right():
    for check in (
        indexing.InRange(mg.Input([0, 1]), length=2, refusal="an index"),
        sorting.Monotonic(mg.Input([0, 1])),
        sorting.Monotonic(mg.Input([1, 0])),
    ):
        assert (check.value == check.children[0].value).all()
    with pytest.raises(ValueError, match="an index: found 2"):
        indexing.InRange(mg.Input([0, 2]), length=2, refusal="an index")
    with pytest.raises(ValueError, match="rises or falls"):
        sorting.Monotonic(mg.Input([0, 2, 1]))


# Scales --------------------------------------------------------------------------------------------------------------

A = np.random.default_rng(5).normal(size=(3, 6))
HELD = A > -0.5
DEVIATIONS = {
    "nanstd": (lambda x: np.nanstd(x, axis=1), np.where(HELD, A, np.nan)),
    "nanstd of all": (lambda x: np.nanstd(x, ddof=1, keepdims=True), np.where(HELD, A, np.nan)),
    "std where": (lambda x: np.std(x, axis=1, where=HELD, ddof=1), A),
    "std mean": (lambda x: np.std(x, axis=0, mean=np.mean(x, axis=0, keepdims=True)), A),
    "std": (lambda x: np.std(x, axis=(0, 1)), A),
}


def slopes(function):
    """A function that gives the value, the slope and the second slope of a weighted sum of the function's entries."""

    def found(x):
        y = function(x)
        (slope,) = mg.gradients(y, [x], adjoint=np.arange(1, y.size + 1, dtype=x.dtype).reshape(y.shape))
        return y, slope, mg.gradients(slope, [x], adjoint=A[::-1].astype(x.dtype))[0]

    return found


@pytest.mark.parametrize("name", DEVIATIONS)
@pytest.mark.parametrize(
    ("dtype", "exponent"), [(np.float64, 660), (np.float64, -660), (np.float32, 66), (np.float32, -66)]
)
def test_deviations_do_not_square_what_is_large_or_small(name, dtype, exponent):
    """By a power of two: the value takes it, the slope does not see it, the second slope is divided by it."""
    function, x = DEVIATIONS[name]
    x, scale = x.astype(dtype), dtype(2) ** dtype(exponent)
    plain = [node.value for node in slopes(function)(mg.Input(x))]
    leaf = mg.Input(x * scale)
    eager = slopes(function)(leaf)
    for found in (
        [node.value for node in eager],
        mg.Graph(*eager).fprop({leaf: x * scale}),
        mg.compile(slopes(function))(x * scale),
    ):
        for array, known, power in zip(found, plain, (1, 0, -1), strict=True):
            assert array.dtype == dtype
            np.testing.assert_allclose(array / scale**power, known, rtol=1e-4 if dtype is np.float32 else 1e-12)
            assert np.abs(array).max() > 0


@pytest.mark.parametrize(
    ("dtype", "exponent"), [(np.float64, 660), (np.float64, -660), (np.float32, 66), (np.float32, -66)]
)
def test_correlations_do_not_see_the_scale(dtype, exponent):
    function = lambda x: np.corrcoef(x, dtype=x.dtype)  # noqa: E731
    x, scale = A.astype(dtype), dtype(2) ** dtype(exponent)
    plain = [node.value for node in slopes(function)(mg.Input(x))]
    leaf = mg.Input(x * scale)
    value = function(leaf)
    (slope,) = mg.gradients(value, [leaf], adjoint=np.arange(1, 10, dtype=dtype).reshape(3, 3))
    np.testing.assert_array_equal(value.value, plain[0])
    np.testing.assert_allclose(slope.value * scale, plain[1], rtol=1e-5)
    leaf = mg.Input(x * dtype(2) ** dtype(exponent // 3))
    np.testing.assert_allclose(
        slopes(function)(leaf)[2].value * dtype(2) ** dtype(exponent // 3 * 2), plain[2], rtol=1e-4
    )


def test_rows_that_are_perfectly_correlated_have_a_curvature():
    """At ±1 a correlation cannot rise, so its slope is 0; the second slope is not."""
    for factor in (1.5, -0.5):
        mg.check_gradients(lambda a, f=factor: np.corrcoef(a, f * a[::-1]), A, order=2)
    x = mg.Input(A[0])
    correlation = np.corrcoef(mg.Input(2 * A[0]), x)[0, 1]
    (slope,) = mg.gradients(correlation, [x])
    (curvature,) = mg.gradients(slope, [x], adjoint=A[1])
    assert np.abs(curvature.value).max() > 0.01


def test_a_unit_of_squares_is_a_power_of_two():
    unit = reductions.Binade(mg.Input([[3.0, -5.0], [0.3, 0.1]]), axis=1)
    np.testing.assert_array_equal(unit.value, [[4], [0.25]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gaussian_far_out_is_flat(dtype):
    large = np.finfo(dtype).max
    points = np.array([-large, -30, 0.5, 30, large, np.inf], dtype)

    def found(x):
        y = mg.gaussian(x)
        (slope,) = mg.gradients(y.sum(), [x])
        return y, slope, mg.gradients(slope.sum(), [x])[0]

    y = np.exp(dtype(-0.25))
    x = mg.Input(points)
    eager = found(x)
    for arrays in (
        [node.value for node in eager],
        mg.Graph(*eager).fprop({x: points}),
        mg.compile(found)(points),
    ):
        np.testing.assert_allclose(arrays, [[0, 0, y, 0, 0, 0], [0, 0, -y, 0, 0, 0], [0, 0, -y, 0, 0, 0]], rtol=1e-6)
