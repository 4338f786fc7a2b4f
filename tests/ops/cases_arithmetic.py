"""Trials of arithmetic, choice, comparisons and logic, and the drawing of arrays that the families' cases share."""

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import strategies as st

from minigrad.ops import arithmetic
from tests.ops import test_masks_and_checks
from tests.ops.trials import Trial

SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)


@st.composite
def numbers(draw, low, high, shape=None, signed=False):
    """An array of the shape with entries of the interval, and of its mirror image too where signed."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(SHAPES) if shape is None else shape
    values = np.asarray(rng.uniform(low, high, shape))
    return values * rng.choice([-1.0, 1.0], shape) if signed else values


@st.composite
def spread(draw, shape, gap=0.25):
    """An array whose entries are all at least a gap apart and half a gap from 0, in random order."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = int(np.prod(shape))
    return np.asarray(gap * (rng.permutation(size) - size // 2 + rng.uniform(0.4, 0.6)).reshape(shape))


@st.composite
def pairs(draw, a=(0.2, 2.0, True), b=(0.2, 2.0, True)):
    """Two arrays that broadcast, in either direction, with entries (low, high, signed)."""
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=3)).input_shapes
    return tuple(
        draw(numbers(low, high, shape, signed)) for shape, (low, high, signed) in zip(shapes, (a, b), strict=True)
    )


def unary(function, low=-2.0, high=2.0, signed=False, reference=None):
    return numbers(low, high, signed=signed).map(lambda x: Trial(function, (x,), reference))


def binary(function, **ranges):
    return pairs(**ranges).map(lambda arrays: Trial(function, arrays))


@st.composite
def unequal(draw, function):
    """Two arrays whose entries differ by at least a quarter."""
    a, b = draw(pairs())
    b = b + np.zeros(np.broadcast_shapes(a.shape, b.shape))
    return Trial(function, (a, np.where(np.abs(a - b) < 0.25, b + 0.5 * np.sign(b), b)) if b.size else (a, b))


@st.composite
def quotients(draw, function):
    """Numerators and denominators whose quotient is away from integers."""
    quotient = draw(numbers(0.2, 0.8))
    b = draw(numbers(0.5, 1.5, quotient.shape, signed=True))
    whole = np.floor(draw(numbers(-3, 3, quotient.shape)))
    return Trial(function, ((whole + quotient) * b, b))


@st.composite
def wheres(draw):
    """A condition and two branches, all three broadcast: one in four may be empty, and a condition of many has both answers."""
    least = min(draw(st.integers(0, 3)), 1)
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=least, max_side=3)).input_shapes
    condition = draw(hnp.arrays(np.bool_, shapes[0]))
    if condition.size > 1:
        condition.flat[-1] = not condition.flat[0]
    return Trial(np.where, (condition, draw(numbers(-2, 2, shapes[1])), draw(numbers(-2, 2, shapes[2]))))


@st.composite
def truths(draw, function, dtype=np.bool_):
    """One, or two broadcast, arrays of booleans, integers or floats."""
    shapes = draw(
        hnp.mutually_broadcastable_shapes(num_shapes=getattr(function, "nin", 2), max_dims=3, min_side=0, max_side=3)
    ).input_shapes
    elements = None if np.dtype(dtype).kind == "b" else st.integers(-3, 3)
    return Trial(function, tuple(draw(hnp.arrays(dtype, shape, elements=elements)) for shape in shapes))


@st.composite
def special(draw, function):
    """Arrays with nan and infinities."""
    x = draw(hnp.arrays(np.float64, SHAPES, elements=st.sampled_from([0.0, -1.0, 2.5, np.nan, np.inf, -np.inf])))
    return Trial(function, (x,))


CASES = {
    arithmetic.Add: binary(np.add),
    arithmetic.Subtract: binary(np.subtract),
    arithmetic.Multiply: binary(np.multiply),
    arithmetic.Divide: binary(np.divide, b=(0.5, 2.0, True)),
    arithmetic.Negative: unary(np.negative),
    arithmetic.Positive: unary(np.positive),
    arithmetic.Absolute: unary(np.absolute, 0.1, 2.0, signed=True),
    arithmetic.Fabs: unary(np.fabs, 0.1, 2.0, signed=True),
    arithmetic.Mod: quotients(np.mod),
    arithmetic.Fmod: quotients(np.fmod),
    arithmetic.Maximum: unequal(np.maximum),
    arithmetic.Minimum: unequal(np.minimum),
    arithmetic.Fmax: unequal(np.fmax),
    arithmetic.Fmin: unequal(np.fmin),
    arithmetic.Where: wheres(),
    arithmetic.Sign: truths(np.sign, np.float64),
    arithmetic.Floor: unary(np.floor),
    arithmetic.Ceil: unary(np.ceil),
    arithmetic.Trunc: unary(np.trunc),
    arithmetic.Rint: unary(np.rint),
    arithmetic.Round: unary(lambda x: np.round(x, 1)),
    arithmetic.FloorDivide: quotients(np.floor_divide),
    arithmetic.Equal: truths(np.equal, np.float64),
    arithmetic.NotEqual: truths(np.not_equal, np.float64),
    arithmetic.Less: truths(np.less, np.int64),
    arithmetic.LessEqual: truths(np.less_equal, np.float64),
    arithmetic.Greater: truths(np.greater, np.float64),
    arithmetic.GreaterEqual: truths(np.greater_equal, np.int64),
    arithmetic.LogicalAnd: truths(np.logical_and, np.float64),
    arithmetic.LogicalOr: truths(np.logical_or, np.int64),
    arithmetic.LogicalXor: truths(np.logical_xor),
    arithmetic.LogicalNot: truths(np.logical_not, np.float64),
    arithmetic.BitwiseAnd: truths(np.bitwise_and, np.int64),
    arithmetic.BitwiseOr: truths(np.bitwise_or),
    arithmetic.BitwiseXor: truths(np.bitwise_xor, np.int64),
    arithmetic.Invert: truths(np.invert),
    arithmetic.IsFinite: special(np.isfinite),
    arithmetic.IsNan: special(np.isnan),
    arithmetic.IsInf: special(np.isinf),
    arithmetic.IsClose: truths(np.isclose, np.float64),
}
DEFINITIONS = {
    arithmetic.Numbers: test_masks_and_checks.test_numbers_pass_and_nan_gets_nothing,
}
