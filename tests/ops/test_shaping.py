"""Moving entries: values as NumPy's in every form, copies, constants, queries, errors."""

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.graph import ancestry
from minigrad.ops import shaping

X = np.arange(24.0).reshape(2, 3, 4)
V = np.arange(6.0)
untyped: Any = np  # where a call is wrong by NumPy's stubs, too
M = np.arange(6.0).reshape(2, 3)


def leaf(array):
    """An Input; untyped, since NumPy's stubs know no nodes."""
    return mg.Input(array)


def same(found, expected):
    """One array or several, with their shapes and dtypes."""
    if isinstance(expected, list | tuple):
        assert type(found) is type(expected)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    else:
        np.testing.assert_array_equal(found.value, expected, strict=True)


@pytest.mark.parametrize(
    ("call", "array"),
    [
        (lambda x: np.reshape(x, 24), X),
        (lambda x: np.reshape(x, (-1, 2)), X),
        (lambda x: np.reshape(x, [np.int64(4), 6]), X),
        (lambda x: np.reshape(x, shape=(3, -1), order="C"), X),
        (lambda x: x.reshape(4, -1), X),
        (lambda x: x.reshape((2, 12)), X),
        (lambda x: x.reshape(-1), X),
        (lambda x: x.reshape(()), np.array([3.0])),
        (lambda x: np.ravel(x.T), X),
        (lambda x: x.flatten(), X),
        (lambda x: np.expand_dims(x, (0, -1)), X),
        (lambda x: np.squeeze(x[:, :1, None], axis=1), X),
        (lambda x: x[:1, :1].squeeze(), X),
        (np.transpose, X),
        (lambda x: np.transpose(x, axes=(0, -1, 1)), X),
        (lambda x: np.transpose(x, 0), V),
        (lambda x: np.permute_dims(x, (2, 0, 1)), X),
        (lambda x: x.transpose(2, 0, 1), X),
        (lambda x: x.transpose([1, 0]), M),
        (lambda x: x.transpose(), X),
        (lambda x: x.T, X),
        (lambda x: x.T, V),
        (lambda x: x.T.T, M),
        (lambda x: x.mT, X),
        (np.linalg.matrix_transpose, X),
        (lambda x: x.swapaxes(0, -1), X),
        (lambda x: np.moveaxis(x, [0, 1], [-1, -2]), X),
        (lambda x: np.rot90(x, -1, (2, 0)), X),
        (lambda x: np.flip(x, (0, -1)), X),
        (np.flipud, X),
        (np.fliplr, X),
        (lambda x: np.roll(x, 5), X),
        (lambda x: np.roll(x, (1, -2), axis=(0, 2)), X),
        (lambda x: np.roll(x, 2, axis=(1, 1)), X),
        (lambda x: np.repeat(x, 2), X),
        (lambda x: x.repeat([2], axis=1), X),
        (lambda x: np.repeat(x, [1, 0, 3], axis=1), X),
        (lambda x: np.repeat(x, 0, axis=0), X),
        (lambda x: np.repeat(x, 3, axis=-1), np.array(3.0)),
        (lambda x: np.tile(x, 2), X),
        (lambda x: np.tile(x, (2, 1, 1, 3)), X),
        (lambda x: np.tile(x, ()), X),
        (lambda x: np.pad(x, 1), M),
        (lambda x: np.pad(x, (2, 0), constant_values=(7, 8)), M),
        (lambda x: np.pad(x, ((1, 2), (0, 3)), mode="constant", constant_values=((1, 2), (3, 4))), M),
        (lambda x: np.pad(x, 1), np.array(3.0)),
        (lambda x: np.pad(x, (1, 2), "wrap"), np.array(3.0)),
        (lambda x: np.pad(x, (4, 5), "reflect"), M),
        (lambda x: np.pad(x, ((0, 0), (3, 1)), "symmetric"), M),
        (lambda x: np.pad(x, 2, "edge"), M),
        (lambda x: np.pad(x, 2, "wrap"), M),
        (lambda x: np.tril(x, -1), X),
        (lambda x: np.triu(x, k=1), X),
        (lambda x: np.tril(x), V[:3]),
        (lambda x: np.diagonal(x, 1, 2, 0), X),
        (lambda x: x.diagonal(-1, axis1=1, axis2=2), X),
        (lambda x: np.diagonal(x, 9), X),
        (lambda x: np.linalg.diagonal(x, offset=-1), X),
        (lambda x: np.concatenate([x, 2 * x], axis=-1), X),
        (lambda x: np.concatenate((x, M), 0), M),
        (lambda x: np.concatenate([x, V], axis=None), X),
        (lambda x: np.concatenate(x, axis=1), X),
        (lambda x: np.concat([x, x], axis=1), X),
        (lambda x: np.stack([x, M, x], axis=1), M),
        (lambda x: np.stack([x.sum(), 2.0, np.float64(3)]), V),
        (lambda x: np.stack(x, axis=-1), X),
        (lambda x: np.vstack([x, V]), V),
        (lambda x: np.hstack([x, V]), V),
        (lambda x: np.hstack([x, M]), M),
        (lambda x: np.dstack([x, V]), V),
        (lambda x: np.dstack([x, x]), X),
        (lambda x: np.column_stack([x, V[:2], x]), M),
        (lambda x: np.atleast_1d(x), X[0, 0, 0]),
        (lambda x: np.atleast_2d(x, V, X), V),
        (lambda x: np.atleast_3d(x, M, X), V),
        (lambda x: np.atleast_3d(x), np.array(2.0)),
        (lambda x: np.split(x, 3, axis=1), X),
        (lambda x: np.split(x, [1, -1, 7], axis=-1), X),
        (lambda x: np.array_split(x, 4), V),
        (lambda x: np.array_split(x, 8), V),
        (lambda x: np.array_split(x, np.array([2, 2])), V),
        (lambda x: np.hsplit(x, 3), X),
        (lambda x: np.hsplit(x, [2]), V),
        (lambda x: np.vsplit(x, 2), M),
        (lambda x: np.dsplit(x, 2), X),
        (lambda x: np.broadcast_arrays(x, M, 5.0), np.ones((4, 2, 1))),
        (np.copy, X),
        (lambda x: x.copy(), X),
    ],
)
def test_every_form_is_numpys(call, array):
    expected = call(array)
    found = call(leaf(array))
    same(found, expected)


def test_widths_of_padding_by_axis():
    """Which NumPy's own pad takes from 2.2 on."""
    same(np.pad(leaf(M), {-1: (1, 2)}), np.pad(M, ((0, 0), (1, 2))))
    same(np.pad(leaf(M), {0: 3}), np.pad(M, ((3, 3), (0, 0))))
    same(np.pad(leaf(M), {0: (0, 2)}, "edge"), np.pad(M, ((0, 2), (0, 0)), "edge"))


def test_rot90_turns_as_often_as_asked():
    for k in range(-5, 6):
        same(np.rot90(leaf(X), k), np.rot90(X, k))
        same(np.rot90(leaf(X), k, axes=(1, -1)), np.rot90(X, k, axes=(1, -1)))


def test_views_share_memory_and_copies_do_not():
    x = leaf(X)
    for view in (x.reshape(-1), x.T, x.mT, x[0], np.flip(x, 0), x[:, None], np.squeeze(x[:1]), np.split(x, 2)[0]):
        assert np.shares_memory(view.value, x.value)
    for own in (x.copy(), np.roll(x, 1), np.concatenate([x])):
        assert not np.shares_memory(own.value, X)


def test_a_transposed_matrix_costs_one_node_each_way():
    w = leaf(M)
    (found,) = mg.gradients(w.T, [w], adjoint=np.ones((3, 2)))
    assert [type(node).__name__ for node in ancestry([found])] == ["Constant", "MatrixTranspose"]


@pytest.mark.row("ENG-13")
def test_window_of_words():
    """Five word vectors of four features joined to 20 entries: the adjoint comes back in the same five pieces."""
    table = leaf(np.random.default_rng(0).normal(size=(7, 4)))
    words = [3, 0, 3, 6, 1]
    window = np.concatenate([table[i] for i in words])
    assert window.shape == (20,)
    adjoint = np.arange(20.0)
    (found,) = mg.gradients(window, [table], adjoint=adjoint)
    expected = np.zeros((7, 4))
    for i, row in zip(words, adjoint.reshape(5, 4), strict=True):
        expected[i] += row
    np.testing.assert_array_equal(found.value, expected)
    mg.check_gradients(lambda x: np.sin(np.concatenate([x[i] for i in words])), table.value, order=2)
    mg.check_gradients(lambda x: np.cos(np.stack([x[i] for i in words], axis=1)), table.value, order=2)


def test_joined_arrays_may_be_constants_and_of_other_dtypes():
    x = leaf(np.ones(2, np.float32))
    y = np.concatenate([x, np.arange(2), x * 2])
    assert y.dtype == np.float64
    (found,) = mg.gradients(y, [x], adjoint=np.arange(6.0))
    assert found.value.tolist() == [0 + 2 * 4, 1 + 2 * 5]
    assert found.dtype == np.float32
    assert np.stack([x, 2 * x]).dtype == np.float32


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.stack([x[0], 1.0]),
        lambda x: np.hstack([x, 1.0]),
        lambda x: np.vstack([x[:1], 1.0]),
        lambda x: np.dstack([x[:1], 2]),
        lambda x: np.column_stack([x[:1], 2]),
        lambda x: np.concatenate([x, 1.0, 2], axis=None),
        lambda x: np.diff(x, prepend=0),
        lambda x: np.diff(x, append=0.5),
        lambda x: np.broadcast_arrays(x, 1.0)[1],
    ],
)
@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_numbers_that_are_joined_have_the_dtype_numpy_gives_them(call, dtype):
    """Where NumPy makes an array of a Python number first, float64 or int64; only axis=None adapts it to its partners."""
    x = np.array([1, 2, 3], dtype)
    np.testing.assert_array_equal(call(leaf(x)).value, call(x), strict=True)


def test_constants_like_a_node():
    x = leaf(M.astype(np.float32))
    like = M.astype(np.float32)
    for function in (np.zeros_like, np.ones_like):
        found = function(x)
        assert type(found) is mg.Constant
        same(found, function(like))
        same(function(x, int), function(like, int))
        same(function(x, dtype=bool, shape=(2,)), function(like, dtype=bool, shape=(2,)))
    same(np.full_like(x, 1.5, shape=3), np.full_like(like, 1.5, shape=3))
    number = leaf(2.0)
    filled = np.full_like(x, number)
    same(filled, np.full_like(like, 2.0))
    (found,) = mg.gradients(filled, [number], adjoint=like)
    assert found.value == M.sum()


def test_queries_give_plain_numbers():
    x = leaf(X)
    assert np.shape(x) == (2, 3, 4)
    assert np.ndim(x) == 3
    assert (np.size(x), np.size(x, 1), np.size(x, -1), np.size(x, (0, 1))) == (24, 3, 4, 6)
    assert [type(n) for n in (np.ndim(x), np.size(x))] == [int, int]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: x.reshape(5, 5), ValueError, r"Reshape.*cannot reshape array of size 24.*x: Input \(2, 3, 4\)"),
        (lambda x: x.reshape(2.5, 4), TypeError, "float"),
        (lambda x: np.transpose(x, (0, 1)), ValueError, r"Transpose.*axes don't match array.*\(2, 3, 4\)"),
        (lambda x: x[0, 0].mT, ValueError, r"MatrixTranspose.*ndim < 2.*x: GetItem \(4,\)"),
        (lambda x: x.swapaxes(0, 3), np.exceptions.AxisError, r"swapaxes of Input \(2, 3, 4\): axis 3"),
        (lambda x: np.moveaxis(x, 5, 0), np.exceptions.AxisError, r"moveaxis of Input .*source: axis 5"),
        (lambda x: np.moveaxis(x, (0, 1), 0), ValueError, "2 source axes do not go to 1 destinations"),
        (lambda x: np.squeeze(x, 0), ValueError, r"Squeeze\(axis=0\).*x: Input \(2, 3, 4\)"),
        (lambda x: np.expand_dims(x, 9), np.exceptions.AxisError, r"ExpandDims\(axis=9\).*\(2, 3, 4\)"),
        (lambda x: np.concatenate([x, M]), ValueError, r"Concatenate.*\(2, 3, 4\).*Constant \(2, 3\)"),
        (lambda x: np.stack([x, x[0]]), ValueError, r"Stack.*same shape.*\(2, 3, 4\).*\(3, 4\)"),
        (lambda x: np.stack([[x, x], [x, x]]), TypeError, r"np\.stack\(\[a, b\]\)"),
        (lambda x: np.concatenate([x, x], out=M), TypeError, r"np\.concatenate on nodes.*no out="),
        (lambda x: np.split(x, 2, axis=1), ValueError, r"axis 1 does not divide into 2 equal.*np\.array_split"),
        (lambda x: np.array_split(x, 0), ValueError, "at least 1, not 0"),
        (lambda x: np.split(x, x[0, 0, 0]), TypeError, "where to cut is not a node"),
        (lambda x: np.vsplit(x[0, 0], 2), ValueError, "two axes or more"),
        (lambda x: np.split(x, 2, 7), np.exceptions.AxisError, r"split of Input \(2, 3, 4\): axis 7"),
        (lambda x: np.flip(x, 3), np.exceptions.AxisError, r"Flip\(axis=3\).*\(2, 3, 4\)"),
        (lambda x: np.roll(x, 1, 3), np.exceptions.AxisError, r"Roll.*\(2, 3, 4\)"),
        (lambda x: np.repeat(x, -1), ValueError, "repeats may not be negative, and is -1"),
        (lambda x: np.repeat(x, x), TypeError, r"counts are not a node.*repeats\.value"),
        (lambda x: np.repeat(x, [1, 2], 1), ValueError, "could not be broadcast"),
        (lambda x: np.pad(x, 1, "linear_ramp"), ValueError, r"pad.mode='linear_ramp'.*edge, reflect, symmetric"),
        (lambda x: np.pad(x, -1), ValueError, r"pad of Input .*widths are 0 or more, not pad_width=-1"),
        (lambda x: np.pad(x, 1, "edge", constant_values=0), ValueError, "mode='edge'. takes no constant_values"),
        (lambda x: untyped.pad(x, 1.5), TypeError, r"pad of Input \(2, 3, 4\): widths are integers, not pad_width=1\.5"),
        (lambda x: untyped.pad(x, {0: 1.5}, "edge"), TypeError, "widths are integers"),
        (lambda x: untyped.pad(x, (1.0, 2.0), "wrap"), TypeError, "widths are integers"),
        (lambda x: np.pad(x, {3: 1}), IndexError, r"pad of Input \(2, 3, 4\): axis 3 is out of bounds"),
        (lambda x: np.pad(x[0, 0, 0], -1, "edge"), ValueError, "widths are 0 or more"),
        (lambda x: untyped.diagonal(x, 1.5), TypeError, "float"),
        (lambda x: np.pad(x, 1, constant_values=x), TypeError, r"numbers, not a node.*np\.concatenate"),
        (lambda x: np.diagonal(x[0, 0]), ValueError, r"two axes or more; np\.diag"),
        (lambda x: np.size(x, 4), np.exceptions.AxisError, r"size of Input \(2, 3, 4\): axis 4"),
        (lambda x: np.copy(x, order="F"), ValueError, r"copy\(order='F'\)"),
        (lambda x: np.empty_like(x), TypeError, r"np\.empty_like.*np\.zeros_like"),
    ],
)  # fmt: skip
def test_errors_say_what_to_do(call, error, text):
    with pytest.raises(error, match=text):
        call(leaf(X))


def test_names():
    assert set(shaping.__all__) <= set(vars(mg.ops))


@pytest.mark.parametrize("f", [np.triu, np.tril])
def test_triangles_of_a_vector(f):
    v = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(f(mg.Input(v)).value, f(v))
    mg.check_gradients(lambda x: f(x) ** 2, v, order=2)
