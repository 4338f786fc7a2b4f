"""Arithmetic, comparisons, logic and choice: NumPy's values and dtypes, kinks and ties, where's safety, errors."""

import operator

import hypothesis
import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import strategies as st

import minigrad as mg
from minigrad import ops
from minigrad.ops.arithmetic import chosen
from tests.ops.likeness import assert_like_numpy
from tests.quick import examples

DTYPES = (np.bool_, np.uint8, np.int64, np.float32, np.float64)
BINARY = (
    np.add, np.subtract, np.multiply, np.divide, np.mod, np.fmod, np.floor_divide, np.power,
    np.maximum, np.minimum, np.fmax, np.fmin,
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
    np.logical_and, np.logical_or, np.logical_xor, np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.isclose,
)  # fmt: skip
UNARY = (
    np.negative, np.positive, np.absolute, np.fabs, np.sign, np.floor, np.ceil, np.trunc, np.rint, np.round, np.around,
    np.logical_not, np.invert, np.isfinite, np.isnan, np.isinf, abs, operator.neg, operator.pos, operator.invert,
)  # fmt: skip
OPERATORS = (
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow,
    operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge,
    operator.and_, operator.or_, operator.xor,
)  # fmt: skip


def grads(f, *arrays, order=1):
    """The derivatives of the sum of f, of the given order, by each array."""
    inputs = [mg.Input(np.asarray(a)) for a in arrays]
    result = f(*inputs)
    for _ in range(order):
        result = mg.gradients(result.sum(), inputs)
        adjoints = result
        result = sum((adjoint.sum() for adjoint in result), mg.Constant(0.0))
    return tuple(adjoint.value for adjoint in adjoints)


def arrays_of(dtype, shape):
    elements = st.floats(-4, 4, width=16) if np.dtype(dtype).kind == "f" else None
    if np.dtype(dtype).kind in "iu":
        elements = st.integers(0, 5)
    return hnp.arrays(dtype, shape, elements=elements)


# NumPy's meaning ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", BINARY + OPERATORS, ids=lambda f: f.__name__)
def test_two_operands_mean_what_numpy_says(function):
    @examples(40)
    @hypothesis.given(st.data())
    def check(data):
        shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=3))
        a, b = (data.draw(arrays_of(data.draw(st.sampled_from(DTYPES)), shape)) for shape in shapes.input_shapes)
        assert_like_numpy(function, a, b)

    check()


# Before NumPy 2.3 its operator squares for an exponent of 2 whatever the exponent's dtype; its function does not, nor do nodes.
SQUARES = (np.ones(1, np.float32) ** np.float64(2)).dtype == np.float32


@pytest.mark.parametrize("function", BINARY + OPERATORS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
def test_numbers_take_their_partners_dtype(function, dtype):
    """Python numbers as NEP 50 has it; NumPy's own scalars insist on theirs."""
    a = np.array([0, 1, 2], dtype)
    for number in (2, 2.5, True, 0, np.float64(1.5), np.float32(2), np.int64(2)):
        if function is np.power and (isinstance(number, bool) or dtype is np.bool_):
            continue  # where NumPy's function and its operator give two dtypes
        if function is operator.pow and SQUARES and isinstance(number, np.generic):
            continue
        assert_like_numpy(function, a, number)
        assert_like_numpy(function, number, a)


@pytest.mark.parametrize("function", UNARY, ids=lambda f: f.__name__)
def test_one_operand_means_what_numpy_says(function):
    for dtype in DTYPES:
        for array in ([0, 1, 2], [[0.5, -1.5], [2.5, -0.0]], np.zeros((0, 2)), 3, [np.nan, np.inf, -np.inf]):
            if np.isfinite(array).all() or np.dtype(dtype).kind == "f":
                assert_like_numpy(function, np.asarray(array).astype(np.float32).astype(dtype))


def test_round_to_decimals():
    x = np.array([1234.5678, -0.125, 0.5])
    for decimals in (2, 0, -2):
        assert_like_numpy(lambda a, d=decimals: np.round(a, d), x)
        assert_like_numpy(lambda a, d=decimals: a.round(decimals=d), x)


@pytest.mark.parametrize(
    "bounds",
    [
        (0.0, 1.0), (None, 1.0), (-0.5, None), (None, None), (1.0, 0.0), (np.zeros(3), np.ones((2, 1))), (0, 1),
        (np.float64(0.5), 2),
    ],
    ids=str,
)  # fmt: skip
def test_clip_takes_numpys_forms(bounds):
    low, high = bounds
    for x in (np.array([[-2.0, 0.5, np.nan]], np.float32), np.arange(-2, 4).reshape(2, 3)):
        assert_like_numpy(lambda a: np.clip(a, low, high), x)
        assert_like_numpy(lambda a: np.clip(a, a_min=low, a_max=high), x)
        assert_like_numpy(lambda a: np.clip(a, min=low, max=high), x)
        assert_like_numpy(lambda a: a.clip(low, high), x)


def test_divmod_gives_two_nodes():
    for a, b in ((np.array([-5.5, 5.5]), 2), (7, np.array([2, -3])), (np.arange(4, dtype=np.float32), np.ones((2, 1)))):
        for i in (0, 1):
            assert_like_numpy(lambda a, b, i=i: np.divmod(a, b)[i], a, b)
    np.testing.assert_array_equal(grads(lambda a, b: np.divmod(a, b)[1], -5.5, 2.0), [1, 3])


def test_clip_bounds_may_be_nodes():
    (low,) = grads(lambda low: np.clip(np.array([-1.0, 0.0, 3.0]), low, 2.0), 0.5)
    assert low == 2.0  # two entries lie below


def test_where_takes_numpys_forms():
    a = np.arange(3, dtype=np.float32)
    for condition in (np.array([True, False, True]), np.array([[0], [2]]), np.array([0.0, np.nan, 1.0]), True):
        for x, y in ((a, 0), (1.5, a), (a, np.ones((2, 1))), (a, np.arange(3)), (1, 2.0)):
            assert_like_numpy(np.where, np.asarray(condition), x, y)


def test_plain_answers():
    x, y = mg.Input([1.0, np.nan]), mg.Input([1.0 + 1e-9, np.nan])
    assert np.allclose(x, y) is False
    assert np.allclose(x, y, equal_nan=True) is True
    assert np.allclose([1.0], mg.Input([1.1]), rtol=0.2) is True
    assert np.array_equal(x, x) is False
    assert np.array_equal(x, x, equal_nan=True) is True
    assert np.array_equal(x, mg.Input([1.0])) is False


# Derivatives at single points --------------------------------------------------------------------------------------


@pytest.mark.row("ENG-09")
def test_the_quotient_rule():
    (slope,) = grads(lambda x: (np.sin(x) + 2) / (np.exp(x) + x), 0.7)
    np.testing.assert_allclose(slope, -0.800253, atol=5e-7)


@pytest.mark.row("ENG-12")
def test_kinks_are_as_documented():
    x = [-2.0, 0.0, -0.0, 3.0]
    np.testing.assert_array_equal(mg.ops.sign(x).value, [-1, 0, 0, 1])
    np.testing.assert_array_equal(grads(np.abs, x)[0], [-1, 0, 0, 1])
    np.testing.assert_array_equal(grads(np.fabs, x)[0], [-1, 0, 0, 1])
    np.testing.assert_array_equal(grads(lambda x: np.maximum(0, x), x)[0], [0, 0, 0, 1])
    np.testing.assert_array_equal(grads(lambda x: np.maximum(x, 0), x)[0], [0, 1, 1, 1])  # a tie goes to a


@pytest.mark.parametrize("function", [np.maximum, np.minimum, np.fmax, np.fmin])
def test_a_tie_goes_to_the_first(function):
    a, b = grads(function, [1.0, 2.0, 3.0], [1.0, 3.0, 2.0])
    assert a[0] == 1
    np.testing.assert_array_equal(a + b, 1)


@pytest.mark.parametrize("function", [np.fmax, np.fmin])
def test_a_nan_that_was_not_taken_has_no_adjoint(function):
    a, b = grads(function, [np.nan, 1.0], [1.0, np.nan])
    np.testing.assert_array_equal(a, [0, 1])
    np.testing.assert_array_equal(b, [1, 0])


def test_clip_passes_adjoints_at_its_bounds():
    np.testing.assert_array_equal(grads(lambda x: np.clip(x, -1, 1), [-2.0, -1.0, 0.0, 1.0, 2.0])[0], [0, 1, 1, 1, 0])


@pytest.mark.parametrize("function", [np.sign, np.floor, np.ceil, np.trunc, np.rint, np.round, lambda x: x // 0.3])
def test_steps_have_no_adjoint(function):
    np.testing.assert_array_equal(grads(lambda x: function(x) * x, [0.4, -1.7])[0], function(np.array([0.4, -1.7])))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_are_chosen_bit_by_bit(dtype):
    rng = np.random.default_rng(0)
    x = rng.choice(np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-45, -1.5, 3.25], dtype), (40, 50))
    y, zero, mask = x[::-1].copy(), np.zeros((), dtype), rng.random(x.shape) > 0.5
    bits = f"i{x.itemsize}"
    for a, b in ((x, zero), (zero, x), (x, -zero), (-zero, x), (x, y), (x, y[0]), (zero, zero)):
        expected = np.where(mask, a, b)
        outs = [None, np.empty_like(x), *[np.broadcast_to(part, x.shape).copy() for part in (a, b)]]
        for out in outs:
            inputs = [out if out is not None and np.array_equal(out.view(bits), p.view(bits)) else p for p in (a, b)]
            found = chosen(mask, *inputs, out)
            np.testing.assert_array_equal(found.view(bits), expected.view(bits), strict=True)


# where never leaks a nan -------------------------------------------------------------------------------------------

UNSAFE = {  # a function, where it is taken, its first two derivatives there
    "1/x": (lambda x: 1 / x, lambda x: x != 0, lambda x: -(x**-2), lambda x: 2 * x**-3),
    "x**-.5": (lambda x: x**-0.5, lambda x: x > 0, lambda x: -0.5 * x**-1.5, lambda x: 0.75 * x**-2.5),
    "log x": (np.log, lambda x: x > 0, lambda x: 1 / x, lambda x: -(x**-2)),
    "x log x": (lambda x: x * np.log(x), lambda x: x > 0, lambda x: np.log(x) + 1, lambda x: 1 / x),
    "exp(exp x)": (
        lambda x: np.exp(np.exp(x)),
        lambda x: x < 3,
        lambda x: np.exp(np.exp(x) + x),
        lambda x: np.exp(np.exp(x) + x) * (1 + np.exp(x)),
    ),
    "sin(x)/x": (
        lambda x: np.sin(x) / x,
        lambda x: x != 0,
        lambda x: np.cos(x) / x - np.sin(x) / x**2,
        lambda x: (2 / x**3 - 1 / x) * np.sin(x) - 2 * np.cos(x) / x**2,
    ),
    "sqrt(log x)": (
        lambda x: np.sqrt(np.log(x)),
        lambda x: x > 1,
        lambda x: 0.5 / (x * np.sqrt(np.log(x))),
        lambda x: -(0.5 / np.sqrt(np.log(x)) + 0.25 * np.log(x) ** -1.5) / x**2,
    ),
}


@pytest.mark.parametrize("name", UNSAFE)
@pytest.mark.parametrize("side", [1, 2])
def test_where_never_leaks_a_nan(name, side):
    """At orders 1 and 2, from either branch, and through a scale that is broadcast."""
    function, taken, first, second = UNSAFE[name]
    points = np.array([0.0, 2.0, -1.0, 1000.0])
    valid = taken(points)

    def safe(x, scale):
        unsafe = function(x) * scale
        return np.where(taken(x), unsafe, 5.0) if side == 1 else np.where(~taken(x), 5.0, unsafe)

    with np.errstate(all="ignore"):
        slope, value = grads(safe, points, 3.0)
        np.testing.assert_array_equal(slope[~valid], 0)
        np.testing.assert_allclose(slope[valid], 3 * first(points[valid]), rtol=1e-12)
        np.testing.assert_allclose(value, function(points[valid]).sum(), rtol=1e-12)
        (curvature,) = grads(lambda x: safe(x, 3.0), points, order=2)
    np.testing.assert_array_equal(curvature[~valid], 0)
    np.testing.assert_allclose(curvature[valid], 3 * second(points[valid]), rtol=1e-10)


def test_where_in_where():
    x = np.array([-1.0, 0.0, 4.0])
    with np.errstate(all="ignore"):
        (slope,) = grads(lambda x: np.where(x > -5, np.where(x > 0, np.log(x), x), np.sqrt(x)), x)
    np.testing.assert_array_equal(slope, [1, 1, 0.25])


def test_the_masks_of_two_wheres_join():
    """One node feeds both: it counts where either takes it."""

    def function(x):
        y = np.log(x)
        return np.where(x > 3, y, 0) + np.where(x == 2, y, 0)

    with np.errstate(all="ignore"):
        (slope,) = grads(function, [0.0, 2.0, 4.0])
    np.testing.assert_array_equal(slope, [0, 0.5, 0.25])


def test_where_broadcasts_its_mask():
    """A mask of one column; what is summed back counts if any of its copies does."""
    condition = np.array([[True], [False]])
    with np.errstate(all="ignore"):
        (slope,) = grads(lambda x: np.where(condition, np.log(x), 0), np.array([2.0, 4.0]))
        (none,) = grads(lambda x: np.where(np.zeros((2, 1), bool), np.log(x), 0), np.array([0.0, 4.0]))
    np.testing.assert_array_equal(slope, [0.5, 0.25])
    np.testing.assert_array_equal(none, 0)


# Replays -----------------------------------------------------------------------------------------------------------


def test_a_replay_decides_anew():
    """Masks, ties and clips of a second-order graph, on inputs that flip every one of them."""

    def build(array):
        x = mg.Input(array)
        y = np.where(x > 0, np.log(np.abs(x)), x**3) + np.maximum(x, -x) * x + np.clip(x, -1, 1) ** 2 + np.abs(x) * x
        (slope,) = mg.gradients(y.sum(), x)
        (curvature,) = mg.gradients((slope**2).sum(), x)
        return x, (y, slope, curvature)

    array = np.array([0.5, -0.5, 2.0, -2.0])
    x, nodes = build(array)
    replayed = mg.Graph(*nodes).fprop({x: -array})
    for found, fresh in zip(replayed, build(-array)[1], strict=True):
        np.testing.assert_array_equal(found, fresh.value)


# Errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "call"),
    [
        (TypeError, r"three arguments, np.where\(condition, x, y\).*np.nonzero\(condition.value\)", lambda x: np.where(x > 0)),
        (TypeError, "three arguments", lambda x: np.where(x > 0, x)),
        (ValueError, "not both", lambda x: np.clip(x, 0, 1, min=0)),
        (ValueError, r"Add: .*a: Input \(2,\)   b: Constant \(3,\)   at .*test_arithmetic.py", lambda x: x + np.ones(3)),
        (TypeError, r"BitwiseAnd: .*not supported", lambda x: x & True),
        (TypeError, r"Negative: .*boolean negative", lambda x: -(x > 0)),
        (TypeError, r"np.piecewise .* write np.select", lambda x: np.piecewise(x, [x > 0], [1.0])),
        (TypeError, r"np.add on nodes: .*'out'.*there is no out=: use the result", lambda x: np.add(x, x, out=np.zeros(2))),
        (TypeError, r"np.add on nodes: .*choose with np.where", lambda x: np.add(x, x, where=np.array([True, False]))),
        (TypeError, "real numbers or booleans, not NoneType", lambda x: x == None),  # noqa: E711
    ],
)  # fmt: skip
def test_errors_say_what_to_do(kind, text, call):
    with pytest.raises(kind, match=text):
        call(mg.Input([1.0, 2.0]))


def test_the_functions_of_ops_are_numpys():
    """Every function exported under a NumPy name is what np dispatches to on nodes: the same values and classes."""
    x, y = mg.Input([1.0, 4.0]), mg.Input([3.0, 2.0])
    for name in ops.arithmetic.__all__:
        function = getattr(ops.arithmetic, name)
        if isinstance(function, type) or name in ("where", "clip", "divmod", "allclose", "array_equal"):
            continue
        operands = (
            [mg.Input(np.array([1, 4])), mg.Input(np.array([3, 2]))]
            if "bitwise" in name or "shift" in name or name == "invert"
            else [x, y]
        )
        operands = operands[: 2 if "b" in function.__annotations__ else 1]
        mine, numpys = function(*operands), getattr(np, name)(*operands)
        assert type(mine) is type(numpys)
        np.testing.assert_array_equal(mine.value, numpys.value)


@pytest.mark.parametrize(
    "guarded",
    [lambda x: np.maximum(np.log(x), -10.0), lambda x: np.clip(1 / x, 0.0, 5.0), lambda x: np.minimum(1 / x, 9.0)],
)
def test_a_guard_keeps_the_nan_of_what_it_guards_away(guarded):
    x = mg.Input([0.0, 1.0])
    with np.errstate(all="ignore"):
        (slope,) = mg.gradients(guarded(x).sum(), [x])
        (curvature,) = mg.gradients(slope.sum(), [x])
    assert (slope.value[0], curvature.value[0]) == (0, 0)
    assert np.isfinite([slope.value, curvature.value]).all()
