"""Dilation, groups and the transpose of convolutions, and pools that reach over the edges of images."""

import re

import numpy as np
import pytest

import minigrad as mg
from minigrad.ops import windows as w
from tests.compiler.agreement import compare
from tests.ops.cases_windows import trilinear

RNG = np.random.default_rng(0)


def drawn(*shape):
    return RNG.normal(size=shape)


def distinct(*shape):
    """No two entries are equal, or nearly."""
    return RNG.permutation(np.arange(np.prod(shape)) / 4.0).reshape(shape)


# Dilation and groups -------------------------------------------------------------------------------------------------

SLIDINGS = {  # images, kernels, and how they slide
    "dilation": ((2, 7, 6, 2), (3, 3, 2, 2), {"dilation": 2}),
    "dilation of one axis": ((1, 4, 9, 1), (2, 2, 3, 1), {"dilation": (1, 4), "stride": (2, 1)}),
    "dilated points": ((2, 3, 2, 2), (2, 1, 1, 2), {"dilation": 5}),
    "groups": ((2, 5, 4, 4), (6, 3, 2, 2), {"groups": 2}),
    "depthwise": ((2, 5, 5, 3), (3, 3, 3, 1), {"groups": 3}),
    "depthwise, two filters each": ((1, 4, 4, 2), (4, 2, 2, 1), {"groups": 2, "stride": 2}),
    "all at once": ((2, 6, 7, 4), (2, 2, 3, 2), {"groups": 2, "dilation": (2, 3), "stride": (1, 2)}),
    "padding": ((1, 4, 5, 2), (2, 3, 3, 1), {"groups": 2, "dilation": 2, "padding": (2, 1)}),
    "same": ((1, 5, 5, 2), (2, 3, 2, 2), {"dilation": (2, 3), "padding": "same", "stride": 2}),
}
each_sliding = pytest.mark.parametrize("case", SLIDINGS.values(), ids=SLIDINGS)


def as_two(n):
    return n if isinstance(n, tuple) else (n, n)


@each_sliding
def test_convolution_with_dilation_and_groups_is_its_definition(case):
    images, kernels, options = case
    x, k = drawn(*images), drawn(*kernels)
    y = mg.conv2d(mg.Input(x), k, **options)
    stride, dilation, padding = (
        as_two(options.get(name, least)) for name, least in (("stride", 1), ("dilation", 1), ("padding", 0))
    )
    reach = [d * (n - 1) + 1 for n, d in zip(kernels[1:3], dilation, strict=True)]
    if padding == ("same", "same"):
        missing = [max((-(-n // s) - 1) * s + r - n, 0) for n, s, r in zip(images[1:3], stride, reach, strict=True)]
        widths = [(m // 2, m - m // 2) for m in missing]
    else:
        widths = [(p, p) for p in padding]
    padded = np.pad(x, ((0, 0), *widths, (0, 0)))
    places = tuple((n - r) // s + 1 for n, r, s in zip(padded.shape[1:3], reach, stride, strict=True))
    sliding = {"stride": stride, "dilation": dilation, "groups": options.get("groups", 1)}
    expected, *_ = trilinear(padded, k, np.zeros((len(x), *places, len(k))), places, sliding)
    np.testing.assert_allclose(y.value, expected, rtol=1e-12, atol=1e-13)


@each_sliding
def test_derivatives_with_dilation_and_groups(case):
    images, kernels, options = case
    mg.check_gradients(lambda x, k: np.sin(mg.conv2d(x, k, **options)), drawn(*images), drawn(*kernels), order=2)
    single = [mg.Input(drawn(*shape).astype(np.float32)) for shape in (images, kernels)]
    y = mg.conv2d(*single, **options)
    first = mg.gradients((y * y).sum(), single)
    second = mg.gradients(sum((g * g).sum() for g in first), single)
    assert {node.dtype for node in (y, *first, *second)} == {np.dtype(np.float32)}


def test_groups_are_convolutions_side_by_side():
    x, k = drawn(2, 5, 5, 6), drawn(4, 3, 3, 3)
    y = mg.conv2d(mg.Input(x), k, groups=2).value
    halves = [mg.conv2d(mg.Input(x[..., 3 * g : 3 * g + 3]), k[2 * g : 2 * g + 2]).value for g in (0, 1)]
    np.testing.assert_allclose(y, np.concatenate(halves, axis=-1), rtol=1e-12)


def test_an_empty_batch_in_groups():
    x, k = mg.Input(np.zeros((0, 4, 4, 2))), mg.Parameter(drawn(2, 3, 3, 1))
    y = mg.conv2d(x, k, groups=2)
    assert y.shape == (0, 2, 2, 2)
    back = mg.conv2d_transpose(y, k, groups=2)
    x_adjoint, k_adjoint = mg.gradients(back.sum(), [x, k])
    assert x_adjoint.shape == x.shape
    assert not k_adjoint.value.any()


# The transpose -------------------------------------------------------------------------------------------------------

TRANSPOSED = {  # length and channels of the larger images, the kernels, how they slide, and the padding of the output
    "plain": ((5, 4, 2), (3, 3, 2, 2), {}, 0),
    "strides": ((7, 6, 1), (2, 3, 2, 1), {"stride": 2}, 0),
    "a row more": ((8, 6, 1), (2, 3, 2, 1), {"stride": 2}, (1, 0)),
    "padding": ((6, 5, 2), (3, 3, 3, 2), {"padding": 1}, 0),
    "padding and strides": ((6, 8, 2), (2, 4, 3, 2), {"stride": (2, 3), "padding": (1, 1)}, (0, 1)),
    "same": ((6, 6, 2), (3, 3, 2, 2), {"stride": (2, 3), "padding": "same"}, 0),
    "same, small windows": ((6, 6, 1), (2, 2, 1, 1), {"stride": 3, "padding": "same"}, 0),
    "dilation": ((7, 7, 2), (2, 3, 2, 2), {"dilation": (2, 3)}, 0),
    "groups": ((5, 5, 4), (6, 2, 3, 2), {"groups": 2, "stride": (1, 2)}, 0),
    "all": ((8, 9, 2), (4, 3, 2, 1), {"groups": 2, "stride": 2, "dilation": 2, "padding": 1}, (1, 0)),
}
each_transpose = pytest.mark.parametrize("case", TRANSPOSED.values(), ids=TRANSPOSED)


@each_transpose
def test_the_transpose_is_the_adjoint_of_the_images(case):
    lengths, kernels, options, more = case
    k, y = drawn(*kernels), mg.Input(drawn(2, *lengths))
    seen = mg.conv2d(y, k, **options)
    x = drawn(*seen.shape)
    (adjoint,) = mg.gradients(seen, [y], adjoint=x)
    back = mg.conv2d_transpose(mg.Input(x), k, **options, output_padding=more)
    assert back.shape == y.shape
    np.testing.assert_allclose(back.value, adjoint.value, rtol=1e-12, atol=1e-13)
    assert (seen.value * x).sum() == pytest.approx((y.value * back.value).sum(), rel=1e-11)


@each_transpose
def test_derivatives_of_the_transpose(case):
    lengths, kernels, options, more = case
    shape = mg.conv2d(np.zeros((1, *lengths)), np.zeros(kernels), **options).shape
    mg.check_gradients(
        lambda x, k: np.sin(mg.conv2d_transpose(x, k, **options, output_padding=more)),
        drawn(*shape),
        drawn(*kernels),
        order=2,
    )


def test_a_transpose_by_hand():
    x = mg.Input(np.array([[1.0, 2.0]]).reshape(1, 1, 2, 1))
    k = np.array([1.0, 10.0, 100.0]).reshape(1, 1, 3, 1)
    np.testing.assert_array_equal(mg.conv2d_transpose(x, k).value.ravel(), [1, 12, 120, 200])
    np.testing.assert_array_equal(mg.conv2d_transpose(x, k, (1, 2)).value.ravel(), [1, 10, 102, 20, 200])
    np.testing.assert_array_equal(mg.conv2d_transpose(x, k, (1, 2), (0, 1)).value.ravel(), [10, 102, 20])
    np.testing.assert_array_equal(mg.conv2d_transpose(x, k, dilation=2).value.ravel(), [1, 2, 10, 20, 100, 200])


# Pools over the edge -------------------------------------------------------------------------------------------------

PADDED = [(2, None, 1), (3, 1, 1), (3, 2, (2, 0)), ((2, 3), (1, 2), (1, 2)), (2, 1, "same"), (3, 2, "same"), (4, 3, 3)]


def over_the_edge(x, size, stride, padding):
    """For each window, row by row: its place, the part of the images it holds, and its size."""
    size, stride = as_two(size), as_two(size if stride is None else stride)
    lengths = x.shape[1:3]
    if padding == "same":
        before = [max((-(-n // s) - 1) * s + f - n, 0) // 2 for n, f, s in zip(lengths, size, stride, strict=True)]
        places = [-(-n // s) for n, s in zip(lengths, stride, strict=True)]
    else:
        before = as_two(padding)
        places = [(n + 2 * p - f) // s + 1 for n, f, s, p in zip(lengths, size, stride, before, strict=True)]
    for i, j in np.ndindex(*places):
        top, left = i * stride[0] - before[0], j * stride[1] - before[1]
        part = x[:, max(top, 0) : top + size[0], max(left, 0) : left + size[1]]
        yield (i, j), part, size[0] * size[1]


@pytest.mark.parametrize(("size", "stride", "padding"), PADDED)
def test_pools_with_padding_are_their_definition(size, stride, padding):
    x = distinct(2, 5, 6, 2) - 20.0
    largest, inside, throughout = (
        mg.max_pool2d(mg.Input(x), size, stride, padding).value,
        mg.average_pool2d(mg.Input(x), size, stride, padding).value,
        mg.average_pool2d(mg.Input(x), size, stride, padding, count_include_pad=True).value,
    )
    n = 0
    for (i, j), part, whole in over_the_edge(x, size, stride, padding):
        np.testing.assert_array_equal(largest[:, i, j], part.max(axis=(1, 2)))
        np.testing.assert_allclose(inside[:, i, j], part.mean(axis=(1, 2)), rtol=1e-12)
        np.testing.assert_allclose(throughout[:, i, j], part.sum(axis=(1, 2)) / whole, rtol=1e-12)
        n += 1
    assert largest.shape == inside.shape == throughout.shape
    assert largest[0, ..., 0].size == n


@pytest.mark.parametrize(("size", "stride", "padding"), PADDED)
def test_derivatives_of_pools_with_padding(size, stride, padding):
    x = distinct(1, 5, 4, 2)
    mg.check_gradients(lambda x: np.sin(mg.max_pool2d(x, size, stride, padding)), x, order=2)
    mg.check_gradients(lambda x: np.sin(mg.average_pool2d(x, size, stride, padding)), x, order=2)
    mg.check_gradients(
        lambda x: np.sin(mg.average_pool2d(x, size, stride, padding, count_include_pad=True)), x, order=2
    )


def test_what_lies_beyond_the_edge_is_never_the_largest():
    x = np.full((1, 3, 3, 1), -np.inf)
    x[0, 1, 1, 0] = -1e30
    assert mg.max_pool2d(x, 3, 3, 1).value.tolist() == [[[[-1e30]]]]
    with mg.anomalies():
        x = mg.Input(-distinct(1, 4, 4, 1).astype(np.float32))
        y = mg.max_pool2d(x, 3, 2, 1)
        (slope,) = mg.gradients(y.sum(), [x])
    assert {y.dtype, slope.dtype} == {np.dtype(np.float32)}
    assert slope.value.sum() == y.size
    whole = mg.max_pool2d(np.arange(-9, 0).reshape(1, 3, 3, 1), 2, 2, 1)
    assert whole.value.ravel().tolist() == [-9, -7, -3, -1]
    assert whole.dtype.kind == "i"


@pytest.mark.parametrize("size", [2, 4])
def test_the_first_of_equal_entries_takes_all_at_the_edge_too(size):
    x = mg.Input(np.ones((1, 2, 2, 1)))
    (slope,) = mg.gradients(mg.max_pool2d(x, size, 1, 1).sum(), [x])
    expected = np.zeros((2, 2))
    for _, part, _ in over_the_edge(np.arange(4).reshape(1, 2, 2, 1), size, 1, 1):
        expected.flat[part.min()] += 1
    np.testing.assert_array_equal(slope.value[0, ..., 0], expected)


# Compiled ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_compiled_nets_of_all_of_these(dtype):
    def f(x, k, back):
        y = mg.conv2d(np.tanh(x), k, stride=1, padding=2, dilation=2, groups=2)
        y = mg.max_pool2d(y, 3, 2, 1)
        y = mg.conv2d_transpose(y, back, stride=2, padding="same", groups=2)
        y = mg.average_pool2d(y, 3, 2, padding="same")
        total = np.sin(y).sum()
        first = mg.gradients(total, [x, k, back])
        return y, first, mg.gradients(sum((g * g).sum() for g in first), [x, k, back])

    def call():
        return [drawn(*shape).astype(dtype) for shape in ((2, 5, 6, 4), (6, 3, 3, 2), (6, 2, 3, 1))]

    calls = [call() for _ in range(3)]
    compare(f, *calls)
    compare(f, *calls, rewrites=())


def test_replays_find_the_maxima_anew_at_the_edge():
    x = mg.Input(distinct(1, 5, 5, 1))
    graph = mg.Graph(*mg.gradients((mg.max_pool2d(x, 3, 2, 1) ** 2).sum(), [x]))
    other = x.value[:, ::-1, ::-1].copy()
    before = graph.outputs[0].value.copy()
    np.testing.assert_array_equal(graph.fprop({x: other}), before[:, ::-1, ::-1])


# Bad input -----------------------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_refused():
    x, k = mg.Input(np.zeros((2, 4, 6, 4)), "photo"), np.zeros((6, 3, 3, 2))
    for call, message in (
        (lambda: mg.conv2d(x, k, dilation=0, groups=2), "conv2d(dilation=0): expected an integer of at least 1"),
        (lambda: mg.conv2d(x, k, dilation=(1, -1), groups=2), "conv2d(dilation=(1, -1))"),
        (lambda: mg.conv2d(x, k, groups=0), "conv2d(groups=0): expected an integer of at least 1"),
        (lambda: mg.conv2d(x, k, groups=1.0), "conv2d(groups=1.0)"),  # type: ignore[arg-type]
        (lambda: mg.conv2d(x, k, groups=True), "conv2d(groups=True)"),
        (
            lambda: mg.conv2d(x, k, groups=4),
            "conv2d(groups=4): n_filters is 6, which cannot be cut into 4 equal groups",
        ),
        (lambda: mg.conv2d(x, k, groups=3), "the images have 4 channels and the kernels 2, for each of 3 groups"),
        (lambda: mg.conv2d(x, k), "the images have 4 channels and the kernels 2: Input"),
        (lambda: mg.conv2d(x, k, dilation=2, groups=2), "a window of height 3, 5 with its dilation, does not fit into"),
        (lambda: mg.conv2d(x, k, padding=-1, groups=2), "conv2d(padding=-1): expected an integer of at least 0"),
        (lambda: mg.conv2d_transpose(x, k), "the images have 4 channels and there are 6 kernels"),
        (
            lambda: mg.conv2d_transpose(x, k[:4], stride=2, output_padding=2),
            "output_padding=2): expected less than the stride",
        ),
        (lambda: mg.conv2d_transpose(x, k[:4], 2, "same", output_padding=1), "padding='same' fixes the size"),
        (
            lambda: mg.conv2d_transpose(x, k[:4], output_padding=-1),
            "output_padding=-1): expected an integer of at least 0",
        ),
        (
            lambda: mg.conv2d_transpose(x, k[:4], padding=3),
            "conv2d_transpose(padding=3): nothing is left of 6 x 8 entries",
        ),
        (lambda: mg.conv2d_transpose(x, k[:4], groups=3), "n_filters is 4, which cannot be cut into 3 equal groups"),
        (lambda: mg.conv2d_transpose(x[0], k), "conv2d_transpose: expected images (batch, height, width, channels)"),
        (lambda: mg.conv2d_transpose(x, k[0]), "conv2d_transpose: expected kernels"),
        (lambda: mg.max_pool2d(x, 2, padding=2), "max_pool2d(padding=2): expected less than the size, (2, 2)"),
        (lambda: mg.average_pool2d(x, (2, 3), padding=(0, 3)), "average_pool2d(padding=(0, 3)): expected less than"),
        (lambda: mg.max_pool2d(x, 2, padding=-1), "max_pool2d(padding=-1)"),
        (lambda: mg.max_pool2d(x, 2, padding="full"), "max_pool2d(padding='full')"),
        (lambda: mg.max_pool2d(np.zeros((1, 0, 4, 1)), 2, padding=1), "does not fit into images of height 0"),
        (lambda: mg.average_pool2d(np.zeros((1, 0, 4, 1)), 3, padding="same"), "height 0"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            call()


def test_a_dilated_length():
    for length, window, stride, padding, dilation in np.ndindex(9, 4, 2, 2, 3):
        reach = (dilation + 1) * window + 1
        starts = range(0, length + 2 * padding - reach + 1, stride + 1)
        assert max(w.output_length(length, window + 1, stride + 1, padding, dilation + 1), 0) == len(starts)
