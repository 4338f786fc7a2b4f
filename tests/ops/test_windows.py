import re

import numpy as np
import pytest

import minigrad as mg
from minigrad.ops import windows as w

RNG = np.random.default_rng(0)


def convolved(x, kernels, stride=(1, 1), before=(0, 0), after=(0, 0)):
    """The definition, one product at a time."""
    x = np.pad(x, ((0, 0), (before[0], after[0]), (before[1], after[1]), (0, 0)))
    n_filters, height, width, _ = kernels.shape
    rows, columns = ((x.shape[i + 1] - kernels.shape[i + 1]) // stride[i] + 1 for i in range(2))
    y = np.zeros((len(x), rows, columns, n_filters))
    for n, i, j, f in np.ndindex(y.shape):
        top, left = i * stride[0], j * stride[1]
        y[n, i, j, f] = (x[n, top : top + height, left : left + width] * kernels[f]).sum()
    return y


def drawn(*shape):
    return RNG.normal(size=shape)


def distinct(*shape):
    """No two entries are equal, or nearly."""
    return RNG.permutation(np.arange(np.prod(shape)) / 4.0).reshape(shape)


# Convolution ---------------------------------------------------------------------------------------------------------


CONVOLUTIONS = {  # images, kernels, stride, padding, and what that comes to: stride, zeros before, zeros after
    "plain": ((2, 5, 4, 3), (2, 3, 2, 3), 1, "valid", (1, 1), (0, 0), (0, 0)),
    "strides": ((2, 6, 7, 1), (3, 2, 3, 1), (3, 2), 0, (3, 2), (0, 0), (0, 0)),
    "entries left over": ((1, 8, 6, 2), (1, 3, 3, 2), 2, 0, (2, 2), (0, 0), (0, 0)),
    "padding": ((2, 4, 3, 2), (2, 3, 3, 2), 1, 1, (1, 1), (1, 1), (1, 1)),
    "unequal padding": ((1, 2, 4, 1), (2, 3, 2, 1), 2, (2, 1), (2, 2), (2, 1), (2, 1)),
    "same": ((2, 4, 5, 2), (2, 3, 2, 2), 1, "same", (1, 1), (1, 0), (1, 1)),
    "same with strides": ((1, 5, 6, 1), (2, 3, 4, 1), (2, 3), "same", (2, 3), (1, 0), (1, 1)),
    "one window": ((2, 3, 3, 2), (2, 3, 3, 2), 5, 0, (5, 5), (0, 0), (0, 0)),
    "points": ((2, 3, 2, 3), (4, 1, 1, 3), 1, 0, (1, 1), (0, 0), (0, 0)),
}
each_convolution = pytest.mark.parametrize("case", CONVOLUTIONS.values(), ids=CONVOLUTIONS)


@pytest.mark.row("LAY-11")
@each_convolution
def test_convolution_is_its_definition(case):
    images, kernels, stride, padding, strides, before, after = case
    x, k = drawn(*images), drawn(*kernels)
    y = mg.conv2d(mg.Input(x), k, stride, padding)
    np.testing.assert_allclose(y.value, convolved(x, k, strides, before, after), rtol=1e-12, atol=1e-13)


@pytest.mark.row("LAY-11")
@each_convolution
def test_derivatives_of_a_convolution(case):
    images, kernels, stride, padding, *_ = case
    mg.check_gradients(lambda x, k: mg.conv2d(x, k, stride, padding), drawn(*images), drawn(*kernels), order=2)


def test_a_convolution_inside_a_net_at_order_three():
    def net(x, k):
        return np.tanh(mg.conv2d(np.tanh(mg.conv2d(x, k, 1, 1)), k))

    mg.check_gradients(net, drawn(1, 3, 3, 1), drawn(1, 2, 2, 1), order=3)


def test_the_gradient_of_the_kernels_is_what_the_docstring_says():
    x, k, adjoint = drawn(2, 5, 5, 2), mg.Parameter(drawn(3, 3, 3, 2)), drawn(2, 2, 2, 3)
    (found,) = mg.gradients(mg.conv2d(x, k, stride=2), [k], adjoint=adjoint)
    expected = np.zeros(k.shape)
    for i, j in np.ndindex(2, 2):
        expected += np.einsum("nf,nuvc->fuvc", adjoint[:, i, j], x[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3])
    np.testing.assert_allclose(found.value, expected, rtol=1e-12, atol=1e-14)


def test_windows_are_not_copied_and_folding_is_their_transpose():
    x, y = drawn(2, 5, 6, 2), drawn(2, 2, 3, 3, 2, 2)
    image = mg.Input(x)
    seen = mg.ops.image_windows(image, (3, 2), 2)
    assert seen.shape == y.shape
    assert np.shares_memory(seen.value, image.value)
    (folded,) = mg.gradients(seen, [seen.children[0]], adjoint=y)
    assert type(folded) is w.Fold
    np.testing.assert_allclose((seen.value * y).sum(), (x * folded.value).sum(), rtol=1e-12)


def test_images_that_are_not_trained_cost_no_fold():
    y = mg.conv2d(mg.Input(drawn(2, 5, 5, 1)), k := mg.Parameter(drawn(2, 3, 3, 1)), padding=1)
    graph = mg.Graph(*mg.gradients(y.sum(), [k]))
    assert not any(isinstance(node, w.Fold) for node in graph.nodes)


# How many windows there are ------------------------------------------------------------------------------------------


@pytest.mark.row("LAY-11")
def test_the_length_of_the_output():
    assert mg.ops.output_length(8, 3, stride=2) == 3
    assert mg.ops.output_length(5, 3, padding=1) == 5
    assert (8 - 3) / 2 + 1 == 3.5  # without the floor, which is no number of windows
    image = np.zeros((1, 8, 5, 1))
    assert mg.conv2d(image, np.zeros((4, 3, 3, 1)), 2).shape == (1, 3, 2, 4)
    assert mg.conv2d(image, np.zeros((4, 3, 3, 1)), padding=1).shape == (1, 8, 5, 4)
    for length, window, stride, padding in np.ndindex(9, 5, 4, 3):
        starts = range(0, length + 2 * padding - window, stride + 1)  # of a window of window + 1
        if length and starts:
            y = mg.ops.image_windows(np.zeros((1, length, 1, 1)), (window + 1, 1), (stride + 1, 1), (padding, 0))
            assert y.shape[1] == len(starts) == mg.ops.output_length(length, window + 1, stride + 1, padding)


def test_same_padding_gives_a_window_per_stride():
    for length, window, stride in np.ndindex(7, 5, 4):
        x = np.zeros((1, length + 1, length + 1, 1))
        seen = mg.ops.image_windows(x, window + 1, stride + 1, "same")
        assert seen.shape[1:3] == (-(-(length + 1) // (stride + 1)),) * 2


# Pools ---------------------------------------------------------------------------------------------------------------


POOLS = [(2, None), ((1, 2), None), ((2, 3), (1, 2)), (2, 1), (1, 2), (3, 2)]


@pytest.mark.parametrize(("size", "stride"), POOLS)
def test_pools_are_their_definition(size, stride):
    x = distinct(2, 5, 6, 2)
    height, width = size if isinstance(size, tuple) else (size, size)
    down, right = (height, width) if stride is None else stride if isinstance(stride, tuple) else (stride, stride)
    parts = [
        [x[:, i : i + height, j : j + width] for j in range(0, 6 - width + 1, right)]
        for i in range(0, 5 - height + 1, down)
    ]
    for pool, reduce in ((mg.max_pool2d, np.max), (mg.average_pool2d, np.mean)):
        expected = np.stack([np.stack([reduce(part, (1, 2)) for part in row], 1) for row in parts], 1)
        np.testing.assert_allclose(pool(mg.Input(x), size, stride).value, expected, rtol=1e-13)


@pytest.mark.row("LAY-12")
@pytest.mark.parametrize("pool", [mg.max_pool2d, mg.average_pool2d])
@pytest.mark.parametrize(("size", "stride"), POOLS)
def test_derivatives_of_pools(pool, size, stride):
    mg.check_gradients(lambda x: np.sin(pool(x, size, stride)), distinct(1, 4, 5, 2), order=2)


@pytest.mark.row("LAY-12")
def test_a_shift_within_its_window_leaves_a_pooled_row_as_it_is():
    def pooled(row):
        return mg.max_pool2d(np.reshape(row, (1, 1, -1, 1)), (1, 2)).value.ravel()

    np.testing.assert_array_equal(pooled([0.0, 9, 0, 0, 0, 0]), [9, 0, 0])
    np.testing.assert_array_equal(pooled([9.0, 0, 0, 0, 0, 0]), [9, 0, 0])
    assert (pooled([0.0, 0, 9, 0, 0, 0]) != [9, 0, 0]).any()  # beyond it, it moves


@pytest.mark.row("LAY-12")
def test_the_first_maximum_takes_all():
    x = mg.Input(np.array([[3.0, 1.0, 0.0, 7.0], [3.0, 3.0, 7.0, 7.0]]).reshape(1, 2, 4, 1))
    (slope,) = mg.gradients(mg.max_pool2d(x, 2).sum(), [x])
    np.testing.assert_array_equal(slope.value[0, :, :, 0], [[1, 0, 0, 1], [0, 0, 0, 0]])
    equal = mg.Input(np.ones((1, 3, 3, 1)))
    (slope,) = mg.gradients(mg.max_pool2d(equal, 2, 1).sum(), [equal])  # overlapping windows meet
    np.testing.assert_array_equal(slope.value[0, :, :, 0], [[1, 1, 0], [1, 1, 0], [0, 0, 0]])


def test_a_replay_finds_the_maxima_anew():
    x = mg.Input(distinct(1, 4, 4, 1))
    graph = mg.Graph(*mg.gradients((mg.max_pool2d(x, 2) ** 2).sum(), [x]))
    other = x.value[:, ::-1, ::-1].copy()
    before = graph.outputs[0].value.copy()
    np.testing.assert_array_equal(graph.fprop({x: other}), before[:, ::-1, ::-1])


def test_a_nan_is_not_pooled_away():
    x = np.zeros((1, 2, 2, 1))
    x[0, 1, 0, 0] = np.nan
    assert np.isnan(mg.max_pool2d(x, 2).value).all()
    assert np.isnan(mg.average_pool2d(x, 2).value).all()


# Dtypes and bad input ------------------------------------------------------------------------------------------------


def test_large_numbers_in_single_precision():
    x = mg.Input(np.where(drawn(2, 6, 6, 3) > 0, 1000, -1000).astype(np.float32))
    k = mg.Parameter(np.full((2, 3, 3, 3), 1000, np.float32))
    y = mg.average_pool2d(mg.max_pool2d(mg.conv2d(x, k, padding="same"), 2), 3)
    found = mg.gradients(y.sum(), [x, k])
    assert {node.dtype for node in (y, *found)} == {np.dtype(np.float32)}
    assert all(np.isfinite(node.value).all() for node in (y, *found))


def test_an_empty_batch_is_a_batch():
    x, k = mg.Input(np.zeros((0, 4, 4, 1))), mg.Parameter(drawn(2, 3, 3, 1))
    y = mg.max_pool2d(mg.conv2d(x, k), 2)
    assert y.shape == (0, 1, 1, 2)
    x_adjoint, k_adjoint = mg.gradients(y.sum(), [x, k])
    assert x_adjoint.shape == x.shape
    assert not k_adjoint.value.any()


IMAGE = mg.Input(np.zeros((2, 4, 6, 3)), "photo")


def test_bad_input_is_refused_with_what_is_expected():
    pixel = np.zeros((1, 2, 2, 3))
    for call, message in (
        (
            lambda: mg.conv2d(IMAGE, np.zeros((1, 5, 3, 3))),
            'conv2d: a window of height 5 does not fit into images of height 4: Input "photo" (2, 4, 6, 3): take a smaller',
        ),
        (
            lambda: mg.conv2d(IMAGE, np.zeros((1, 3, 9, 3)), padding=(0, 1)),
            "conv2d: a window of width 9 does not fit into images of width 6, 8 with their padding",
        ),
        (lambda: mg.max_pool2d(IMAGE, 5), "max_pool2d: a window of height 5 does not fit into images of height 4"),
        (
            lambda: mg.conv2d(IMAGE, np.zeros((8, 3, 3, 1))),
            'the images have 3 channels and the kernels 1: Input "photo" (2, 4, 6, 3)',
        ),
        (lambda: mg.conv2d(IMAGE, np.zeros((3, 3, 3))), "expected kernels (n_filters, height, width, channels), found"),
        (
            lambda: mg.conv2d(np.zeros((4, 4, 3)), pixel),
            "expected images (batch, height, width, channels), found Constant (4, 4, 3): of one channel write x[...,",
        ),
        (lambda: mg.average_pool2d(np.zeros((4, 4)), 2), "average_pool2d: expected images (batch, height, width"),
        (lambda: mg.max_pool2d(IMAGE, 0), "max_pool2d(size=0): expected an integer of at least 1, or two"),
        (lambda: mg.max_pool2d(IMAGE, (2, 2, 2)), "max_pool2d(size=(2, 2, 2)): expected an integer of at least 1"),
        (lambda: mg.max_pool2d(IMAGE, 2, 1.5), "max_pool2d(stride=1.5): expected an integer of at least 1"),
        (lambda: mg.conv2d(IMAGE, pixel, (0, 1)), "conv2d(stride=(0, 1)): expected an integer of at least 1"),
        (lambda: mg.conv2d(IMAGE, pixel, 1, -1), "conv2d(padding=-1): expected an integer of at least 0"),
        (lambda: mg.conv2d(IMAGE, pixel, 1, "full"), 'conv2d(padding=\'full\'): "valid", "same", a number'),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            call()
