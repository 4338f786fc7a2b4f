"""Random nodes: reproducible from their generator, drawn anew by replays, and held fixed by the gradient check."""

import numpy as np
import pytest

import minigrad as mg

rng = np.random.default_rng
KINDS = [mg.random_uniform, mg.random_normal]


def test_uniform_draws():
    y = mg.random_uniform(10_000, rng=rng(0))
    assert y.shape == (10_000,)
    assert 0 <= y.value.min() < 0.01
    assert 0.99 < y.value.max() < 1
    assert abs(y.value.mean() - 0.5) < 0.01
    assert abs(y.value.var() - 1 / 12) < 0.002
    np.testing.assert_array_equal(y.value, rng(0).random(10_000))


def test_normal_draws():
    y = mg.random_normal((100, 100), rng=rng(0))
    assert abs(y.value.mean()) < 0.03
    assert abs(y.value.std() - 1) < 0.03
    np.testing.assert_array_equal(y.value, rng(0).standard_normal((100, 100)))


@pytest.mark.parametrize("rate", [0.0, 0.25, 1.0])
def test_bernoulli_draws(rate):
    y = mg.random_bernoulli((200, 100), rate, rng=rng(0))
    assert y.dtype == bool
    assert abs(y.value.mean() - rate) < (0.01 if 0 < rate < 1 else 1e-9)


def test_bernoulli_takes_a_rate_per_entry():
    rate = mg.Input([0.0, 1.0])
    y = mg.random_bernoulli((5, 2), rate, rng=rng(0))
    np.testing.assert_array_equal(y.value, [[False, True]] * 5)
    np.testing.assert_array_equal(mg.Graph(y).fprop({rate: np.array([1.0, 0.0])}), [[True, False]] * 5)


@pytest.mark.parametrize("draw", KINDS)
def test_a_replay_draws_anew(draw):
    y = draw(4, rng=rng(3))
    first = y.value
    second = mg.Graph(y).fprop()
    assert not np.array_equal(first, second)
    again = draw(4, rng=rng(3))
    np.testing.assert_array_equal(again.value, first)
    np.testing.assert_array_equal(mg.Graph(again).fprop(), second)


@pytest.mark.parametrize("draw", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_and_parameters(draw, dtype):
    y = draw((2, 3), -1.0, 4, rng=rng(0), dtype=dtype)
    assert y.dtype == dtype
    z = draw((2, 3), rng=rng(0), dtype=dtype).value
    expected = -1 + 5 * z if draw is mg.random_uniform else -1 + 4 * z
    np.testing.assert_allclose(y.value, expected, rtol=1e-6)


def test_location_and_scale_have_adjoints():
    """The reparametrized gradient: y = loc + scale z."""
    loc, scale = mg.Input(1.0), mg.Input([2.0, 3.0])
    z = mg.random_normal(2, rng=rng(0)).value
    y = mg.random_normal(2, loc, scale, rng=rng(0))
    by_loc, by_scale = mg.gradients(y.sum(), [loc, scale])
    assert by_loc.value == 2
    np.testing.assert_allclose(by_scale.value, z)
    low, high = mg.Input(0.0), mg.Input(2.0)
    u = mg.random_uniform(2, rng=rng(0)).value
    by_low, by_high = mg.gradients(mg.random_uniform(2, low, high, rng=rng(0)).sum(), [low, high])
    np.testing.assert_allclose([by_low.value, by_high.value], [(1 - u).sum(), u.sum()])


def test_a_draw_can_be_differentiated_by():
    noise = mg.random_normal(3, rng=rng(0))
    np.testing.assert_allclose(mg.gradients((noise**2).sum(), noise)[0].value, 2 * noise.value)


def test_dropout_can_be_checked():
    """The check holds draws fixed, so a function with a mask has a derivative."""

    def dropout(x):
        return np.where(mg.random_bernoulli(x.shape, 0.5, rng=rng()), np.tanh(x) * 2, 0.0)

    mg.check_gradients(dropout, np.linspace(-1, 1, 6), order=2)


@pytest.mark.parametrize("draw", [*KINDS, lambda shape, rng: mg.random_bernoulli(shape, 0.5, rng=rng)])
def test_a_generator_is_needed(draw):
    with pytest.raises(TypeError, match=r"rng=np\.random\.default_rng\(seed\)"):
        draw(3, rng=0)


def test_bad_arguments():
    with pytest.raises(ValueError, match="from 0 to 1"):
        mg.random_bernoulli(3, 1.5, rng=rng(0))
    with pytest.raises(TypeError, match="float32 or float64, not int64"):
        mg.random_uniform(3, rng=rng(0), dtype=int)
    with pytest.raises(ValueError, match=r"RandomNormal.*negative"):
        mg.random_normal((2, -1), rng=rng(0))
    y = mg.random_uniform(3, rng=rng(0))
    with pytest.raises(TypeError, match=r"feeds inputs and constants, not RandomUniform \(3,\)"):
        mg.Graph(y).fprop({y: np.zeros(3)})
