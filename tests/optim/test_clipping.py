"""Clipping by the norm of all gradients together, and by value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from minigrad.node import Parameter
from minigrad.optim import clip_by_norm, clip_by_value


def parameters(*gradients):
    made = []
    for i, gradient in enumerate(gradients):
        gradient = np.asarray(gradient)
        parameter = Parameter(np.zeros_like(gradient), f"w{i}")
        parameter.grad = gradient
        made.append(parameter)
    return made


@pytest.mark.row("REC-18")
def test_both_forms():
    (w,) = parameters([5.0, 5.0])
    assert clip_by_norm([w], 1.0) == pytest.approx(50**0.5)
    np.testing.assert_allclose(w.grad, [0.707107, 0.707107], atol=1e-6)
    (w,) = parameters([5.0, 5.0])
    clip_by_value([w], 1.0)
    np.testing.assert_array_equal(w.grad, [1.0, 1.0])


def test_the_norm_is_over_all_parameters():
    a, b, idle = parameters([3.0], [[0.0, 4.0]], [9.0])
    idle.grad = None
    assert clip_by_norm([a, b, idle], 1.0) == pytest.approx(5)
    np.testing.assert_allclose(a.grad, [0.6])
    np.testing.assert_allclose(b.grad, [[0.0, 0.8]])
    assert idle.grad is None


@given(arrays(np.float64, 5, elements=st.floats(-1e3, 1e3)), st.floats(0.01, 100))
def test_short_gradients_stay_as_they_are_and_long_ones_keep_their_direction(g, c):
    (w,) = parameters(g.copy())
    norm = clip_by_norm([w], c)
    assert norm == pytest.approx(np.linalg.norm(g))
    if norm <= c:
        np.testing.assert_array_equal(w.grad, g)
    else:
        np.testing.assert_allclose(w.grad, g * c / np.linalg.norm(g), rtol=1e-12)


def test_squares_that_overflow_do_not_make_the_norm_infinite():
    a, b = parameters(np.array([3e200]), np.array([4e200, 0.0]))
    assert clip_by_norm([a, b], 1.0) == pytest.approx(5e200)
    np.testing.assert_allclose([a.grad[0], b.grad[0]], [0.6, 0.8])
    (w,) = parameters(np.full(4, 1e30, np.float32))
    assert clip_by_norm([w], 1.0) == pytest.approx(2e30, rel=1e-6)
    assert w.grad.dtype == np.float32


CLIPS = [(clip_by_norm, [3 / 50**0.5, 4 / 50**0.5]), (clip_by_value, [1, 1])]


@pytest.mark.parametrize(("clip", "expected"), CLIPS)
@pytest.mark.parametrize("shares", [lambda g: (g, g), lambda g: (g, g[:]), lambda g: (g, g[::-1][::-1])])
def test_a_gradient_that_two_parameters_share_is_clipped_once(clip, expected, shares):
    a, b = parameters(*shares(np.array([3.0, 4.0])))
    clip([a, b], 1.0)
    for parameter in (a, b):
        np.testing.assert_allclose(parameter.grad, expected)


@pytest.mark.parametrize(("clip", "expected"), CLIPS)
def test_a_gradient_that_is_read_only_is_clipped_in_a_copy(clip, expected):
    a, b = parameters([3.0, 4.0], np.broadcast_to([5.0], (1,)))
    given = b.grad
    clip([a, b], 1.0)
    np.testing.assert_allclose(np.append(a.grad, b.grad), [*expected, expected[0] * 5 / 3 if expected[0] < 1 else 1])
    np.testing.assert_array_equal(given, [5])


@pytest.mark.parametrize(("clip", "expected"), CLIPS)
def test_a_gradient_that_is_the_parameters_own_array_leaves_the_parameter_as_it_is(clip, expected):
    a, b = Parameter([3.0, 4.0]), Parameter([3.0, 4.0])
    a.grad, b.grad = a.value, a.value
    clip([a, b], 1.0)
    np.testing.assert_array_equal(a.value, [3, 4])
    np.testing.assert_allclose([a.grad, b.grad], [expected, expected])


def test_gradients_side_by_side_are_clipped_in_place():
    flat = np.array([[3.0, 4.0], [3.0, 4.0]])
    a, b = parameters(*flat)
    clip_by_norm([a, b], 1.0)
    np.testing.assert_allclose(flat, np.tile([3, 4], (2, 1)) / 50**0.5)


@pytest.mark.parametrize("scale", [0.0, 1e-38, 1e37])
def test_squares_that_get_out_of_hand_in_parameters_of_any_number_of_axes(scale):
    shapes = ((), (3,), (2, 3), (0, 4), (2, 2, 1))
    made = parameters(*[np.full(shape, scale, np.float32) for shape in shapes])
    length = float(np.float32(scale)) * 14**0.5
    assert clip_by_norm(made, 1.0) == pytest.approx(length)
    for parameter, shape in zip(made, shapes, strict=True):
        np.testing.assert_allclose(parameter.grad, np.full(shape, scale / max(length, 1.0)), rtol=1e-6)


def test_a_norm_of_zero_is_no_division():
    (w,) = parameters(np.zeros(3))
    assert clip_by_norm([w], 1.0) == 0
    np.testing.assert_array_equal(w.grad, np.zeros(3))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_nan_and_inf_name_the_parameter_and_change_nothing(bad, order):
    pair = parameters([9.0, 9.0], [1.0, bad])
    with pytest.raises(FloatingPointError, match=r'Parameter "w1" \(2,\) has 1 entries that are nan or inf.*\(1,\)'):
        clip_by_norm(pair[order], 1.0)
    np.testing.assert_array_equal(pair[0].grad, [9.0, 9.0])


def test_by_value_takes_infinities_and_refuses_nan():
    pair = parameters([9.0, -np.inf], [np.nan])
    with pytest.raises(FloatingPointError, match='"w1"'):
        clip_by_value(pair, 2.0)
    assert pair[0].grad[0] == 9
    clip_by_value(pair[:1], 2.0)
    np.testing.assert_array_equal(pair[0].grad, [2.0, -2.0])


@pytest.mark.parametrize("clip", [clip_by_norm, clip_by_value])
@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_a_limit_is_positive(clip, limit):
    with pytest.raises(ValueError, match=f"{clip.__name__}.*positive number, not"):
        clip(parameters([1.0]), limit)
