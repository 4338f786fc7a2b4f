"""Reading and writing parts of arrays: values as NumPy's, replays with other indices, cost, errors."""

import hypothesis
import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import strategies as st

import minigrad as mg
from minigrad.graph import ancestry
from minigrad.ops import indexing, take_along_axis
from minigrad.ops.indexing import ONCE, GetItem, IsLast, SameCount, Scatter
from tests.quick import examples

X = np.arange(24.0).reshape(2, 3, 4)


def leaf(array):
    """An Input; untyped, since NumPy's stubs know no nodes."""
    return mg.Input(array)


def kinds(*outputs):
    return [type(node) for node in ancestry(outputs)]


def adjoint_of_sum(y, x, weights=None):
    """∂(Σ weights y)/∂x."""
    (found,) = mg.gradients(y, [x], adjoint=np.ones_like(y.value) if weights is None else weights)
    return found


# Reading -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "index",
    [
        1, -1, np.int64(1), slice(None, None, -1), ..., None, (), (..., 0), (0, None, slice(1, 3)), (1, 2, 3),
        [0, 1, 1], [], [[0, 1], [1, 0]], ([0, 1], slice(None), [1, 2]), (0, [2, 0]), (None, [1]), (np.array(1), 0),
        X > 5, ([True, False], 1), True, (slice(None), [False, True, True]), np.array([], int), ([], 0), (slice(0, 0),),
    ],
    ids=repr,
)  # fmt: skip
def test_every_form_of_index(index):
    x = leaf(X)
    y = x[index]
    np.testing.assert_array_equal(y.value, X[index], strict=True)
    expected = np.zeros_like(X)
    np.add.at(expected, index, np.cos(X[index]))
    np.testing.assert_allclose(adjoint_of_sum(np.sin(y), x).value, expected)


def test_iteration_gives_the_rows():
    rows = list(leaf(X))
    assert [row.shape for row in rows] == [(3, 4), (3, 4)]
    np.testing.assert_array_equal(rows[1].value, X[1])


def test_an_index_node_may_change_in_a_replay():
    table, index = leaf(X[0]), leaf([0, 2, 2])
    y = np.square(table[index])
    (first,) = mg.gradients(y, [table], adjoint=np.ones((3, 4)))
    (second,) = mg.gradients(first, [table], adjoint=X[0])
    values = mg.Graph(y, first, second).fprop({index: [1, 1, 0]})
    once = np.zeros((3, 4))
    np.add.at(once, [1, 1, 0], 1)
    for value, expected in zip(values, [X[0][[1, 1, 0]] ** 2, 2 * X[0] * once, 2 * X[0] * once], strict=True):
        np.testing.assert_array_equal(value, expected)


def test_a_scalar_index_node():
    x, i = leaf(X), leaf(1)
    y = x[i, :, -1]
    np.testing.assert_array_equal(y.value, X[1, :, -1])
    np.testing.assert_array_equal(mg.Graph(y).fprop({i: 0}), X[0, :, -1])


def test_a_mask_keeps_its_count():
    """It may hold elsewhere in a replay; another count, which would change shapes, is refused."""
    x = leaf([1.0, -2.0, 3.0])
    y = x[x > 0]
    assert SameCount in kinds(y)
    graph = mg.Graph(y, *mg.gradients(np.square(y), [x], adjoint=np.ones(2)))
    y_value, x_adjoint = graph.fprop({x: [-1.0, 5.0, 6.0]})
    assert y_value.tolist() == [5, 6]
    assert x_adjoint.tolist() == [0, 10, 12]
    with pytest.raises(ValueError, match=r"held 2 times, and now it holds 3 times.*np\.where\(mask, x, 0\)"):
        graph.fprop({x: [1.0, 5.0, 6.0]})
    mask = leaf([True, False, True])
    picked = mg.Graph(x[mask])
    with pytest.raises(ValueError, match="now it holds 1 times"):
        picked.fprop({mask: [True, False, False]})


def test_reading_a_float32_stays_float32():
    x = leaf(X.astype(np.float32))
    first = adjoint_of_sum(np.sin(x[:, [0, 0]] * x[0, 1]), x)
    assert first.dtype == adjoint_of_sum(first, x).dtype == np.float32


@examples(40)
@hypothesis.given(st.data())
def test_take_is_numpys(data):
    x = data.draw(hnp.arrays(float, hnp.array_shapes(min_dims=1, max_dims=3, max_side=3), elements=st.floats(-2, 2)))
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    n = x.size if axis is None else x.shape[axis]
    indices = data.draw(
        st.integers(-n, n - 1) | hnp.arrays(int, hnp.array_shapes(max_dims=2), elements=st.integers(-n, n - 1))
    )
    expected = np.take(x, indices, axis)
    np.testing.assert_array_equal(np.take(leaf(x), indices, axis).value, expected, strict=True)
    np.testing.assert_array_equal(leaf(x).take(indices, axis).value, expected, strict=True)


def test_take_counts_true_as_one():
    np.testing.assert_array_equal(np.take(leaf(X[0, 0]), [True, False]).value, np.take(X[0, 0], [True, False]))


def test_take_of_nothing_and_from_a_number():
    for x in (X, np.array(5.0)):
        for indices in ([], (), [[]], 0, [0, 0], False):
            for axis in (None, 0, -1):
                expected = np.asarray(np.take(x, indices, axis))
                np.testing.assert_array_equal(np.take(leaf(x), indices, axis).value, expected, strict=True)
    mg.check_gradients(lambda x: np.take(x, [0, 0], axis=0) ** 2, np.array(5.0), order=2)
    with pytest.raises(TypeError, match=r"take of Input \(2, 3, 4\): indices are integers, not float64"):
        np.take(leaf(X), np.array([0.0]), 0)


@pytest.mark.parametrize("dtype", [np.int8, np.float32, np.float64])
def test_select_has_the_dtype_of_its_choices(dtype):
    """Of all of them, and Python numbers take that of the others, in whatever order they come."""
    x = np.array([-1, 0, 1], dtype)
    for choices in ([x, 2], [2, x], [x > 0, x], [1, 2], [x.astype(np.float32), 2.5]):
        for default in (0, 0.5, np.float32(1)):
            expected = np.select([x > 0, x < 0], choices, default)
            nodes = [leaf(choice) if isinstance(choice, np.ndarray) else choice for choice in choices]
            found = np.select([leaf(x) > 0, leaf(x) < 0], nodes, default)
            np.testing.assert_array_equal(found.value, expected, strict=True)


def test_rows_in_another_order_for_every_column_are_put_back_and_not_added_up():
    rng = np.random.default_rng(0)
    array, order = rng.normal(size=(4, 3, 2)), rng.permuted(np.tile(np.arange(4)[:, np.newaxis], 3), axis=0)
    x = mg.Input(array)
    y = indexing.rearranged(x, mg.Input(order))
    np.testing.assert_array_equal(y.value, np.take_along_axis(array, order[..., np.newaxis], 0))
    (adjoint,) = mg.gradients((y**3).sum(), [x])
    np.testing.assert_allclose(adjoint.value, 3 * array**2, rtol=1e-14)
    scatters = [node for node in ancestry([adjoint]) if isinstance(node, Scatter)]
    assert [node.places for node in scatters] == [((ONCE, ONCE),)]
    mg.check_gradients(lambda x: (indexing.rearranged(x, mg.Constant(order)) ** 3).sum(), array, order=2)


def test_take_along_axis_broadcasts_and_flattens():
    x, order = leaf(X), np.array([[[2, 0, 1]]])
    np.testing.assert_array_equal(take_along_axis(x, order).value, np.take_along_axis(X, order, -1))
    np.testing.assert_array_equal(np.take_along_axis(x, np.array([5, 5]), None).value, [5, 5])
    with pytest.raises(
        ValueError, match=r"as many axes as the array, and are Constant \(2,\) int64 for Input \(2, 3, 4\)"
    ):
        np.take_along_axis(x, np.array([0, 1]), 0)
    with pytest.raises(IndexError, match=r"the indices are integers, and are Constant \(2, 3, 4\) bool"):
        np.take_along_axis(x, X > 3, 0)


@pytest.mark.parametrize(
    ("read", "once"),
    [
        (lambda x, i: np.take_along_axis(x, i[:, None], 1), True),
        (lambda x, i: np.take_along_axis(x, i[:1, None], 1), True),
        (lambda x, i: np.take_along_axis(x[:1], i[:, None], 1), False),  # the only row, three times
        (lambda x, i: np.take_along_axis(x, np.stack([i, i], 1), 1), False),
        (lambda x, i: np.take_along_axis(x[0], i[:1], 0), True),
        (lambda x, i: x[np.arange(3), i], True),
        (lambda x, i: x[i, [0, 1, 3]], True),
        (lambda x, i: x[[0, 2], i[1]], True),
        (lambda x, i: x[[1], i], False),
        (lambda x, i: x[[0, 0, 1], i], False),
        (lambda x, i: x[[-3, 0, 1], i], False),  # −3 is row 0
        (lambda x, i: x[[0, 2]] + 0 * i[0], True),
        (lambda x, i: x[i], False),
        (lambda x, i: x[:, i], False),
        (lambda x, i: x[np.arange(3)[:, None], i], False),
        (lambda x, i: x[[True, False, True], i[:2]], False),
    ],
)
def test_whether_an_index_names_an_entry_twice(read, once):
    """Where it is known to be none, its adjoint is put there without looking; where one is, all are added up."""
    start = X.reshape(6, 4)[:3]
    x, i = leaf(start), leaf([0, 1, 2])
    y = read(x, i)
    picked = next(node for node in ancestry([y]) if type(node) is GetItem and len(node.children) > 1)
    assert (ONCE in picked.index) is once
    weights = np.arange(1.0, y.size + 1).reshape(y.shape)
    first = adjoint_of_sum(np.square(y), x, weights)
    second = adjoint_of_sum(first, x, start)
    for indices in ([0, 1, 2], [1, 1, 1], [-1, 2, 0]):
        expected = np.zeros_like(start)
        for weight, place in zip(
            weights.ravel(), read(np.arange(12).reshape(3, 4), np.array(indices)).ravel(), strict=True
        ):
            expected.reshape(-1)[place] += weight
        found = mg.Graph(first, second).fprop({i: indices})
        np.testing.assert_array_equal(found[0], 2 * start * expected)
        np.testing.assert_array_equal(found[1], 2 * start * expected)


def test_compress_extract_select():
    x, mask = leaf(X), leaf([True, False, True])
    np.testing.assert_array_equal(np.compress([False, True], x, 1).value, np.compress([False, True], X, 1))
    np.testing.assert_array_equal(np.compress(mask, x, -2).value, X[:, [0, 2]])
    np.testing.assert_array_equal(np.compress([0, 1, 1], x).value, [1, 2])
    np.testing.assert_array_equal(np.extract(X > 20, x).value, [21, 22, 23])
    np.testing.assert_array_equal(np.extract(x > 20, X).value, [21, 22, 23])
    selected = np.select([x < 3, x < 20], [x * 10, -x], 0.5)
    np.testing.assert_array_equal(selected.value, np.select([X < 3, X < 20], [X * 10, -X], 0.5))
    with pytest.raises(TypeError, match="select: a condition holds booleans, and one is GetItem"):
        np.select([x[0]], [x[0]])
    with pytest.raises(OverflowError, match="300 out of bounds for int8"):
        np.select([x > 0], [300], np.int8(1))
    short = leaf([True, False, True])  # ends before the axis does
    np.testing.assert_array_equal(np.compress(short, x).value, [0, 2])
    np.testing.assert_array_equal(np.compress([True], leaf(5.0), 0).value, [5])
    for condition in (True, [[True]], leaf([[True]])):
        with pytest.raises(ValueError, match=r"compress of .*: the condition is a vector"):
            np.compress(condition, x)
    with pytest.raises(ValueError, match="select: 1 conditions and 2 choices"):
        np.select([x < 3], [x, x])


# Cost ----------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, 2, 3])
def test_slices_cost_their_size_backward(order):
    """10,000 slices of one array come back as one node, ten times what 1,000 need, at any order."""

    def count(slices):
        x = leaf(np.linspace(0, 1, 2 * slices).reshape(2, slices))
        value = sum_of([np.sin(x[:, t]) for t in range(slices)])
        before = len(ancestry([value]))
        for _ in range(order):
            (found,) = mg.gradients(value, [x], adjoint=np.ones_like(value.value))
            value = found
        expected = [np.cos, lambda a: -np.sin(a), lambda a: -np.cos(a)][order - 1](x.value)
        np.testing.assert_allclose(found.value, expected, atol=1e-15)
        nodes = ancestry([found])
        written = sum(node.size for node in nodes if isinstance(node, Scatter))
        return len(nodes) - before, written / slices, kinds(found).count(Scatter)

    small, large = count(1_000), count(10_000)
    assert 9 < large[0] / small[0] < 11
    assert large[1:] == small[1:]  # entries written per slice, and how many nodes write them


def sum_of(nodes):
    """One node, without a chain of additions."""
    return np.sum(np.stack(nodes))


def test_one_slice_costs_no_more_than_one_node():
    x = leaf(X)
    found = adjoint_of_sum(x[1], x)
    assert kinds(found).count(Scatter) == 1
    assert GetItem not in kinds(found)


def test_adjoints_do_not_keep_the_slices():
    """An adjoint of a slice refers to where it belongs, not to the slice."""
    x = leaf(X)
    y = x[0] * 1.0
    found = adjoint_of_sum(y, x)
    assert not {GetItem, mg.Input} & set(kinds(found))


# Writing -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "v"),
    [
        (0, 1.5), (0, np.ones((3, 4))), ((..., 1), np.ones(3)), ([0, 0, 1], np.arange(3.0)[:, None, None]),
        (X > 5, -1.0), (X > 5, np.arange(18.0)), ((slice(None), [2, 2, 0], 1), np.arange(3.0)), ([], 3.0), ((), 2),
        ([True, False], 7),
    ],
)  # fmt: skip
def test_writing_is_numpys(index, v):
    x = leaf(X)
    expected = X.copy()
    expected[index] = v
    np.testing.assert_array_equal(x.at[index].set(v).value, expected, strict=True)
    expected = X.copy()
    np.add.at(expected, index, v)
    np.testing.assert_array_equal(x.at[index].add(v).value, expected, strict=True)
    np.testing.assert_array_equal(x.value, X)


def test_the_last_of_several_values_wins():
    """And only it has an adjoint; a replay with other indices decides anew."""
    x, v, index = leaf(np.zeros(4)), leaf([1.0, 2.0, 3.0, 4.0]), leaf([2, 0, 2, 3])
    y = x.at[index].set(v)
    first = mg.gradients(np.square(y), [v, x], adjoint=np.ones(4))
    assert IsLast in kinds(*first)
    graph = mg.Graph(y, *first)
    values = [a.tolist() for a in graph.fprop()]
    assert values == [[2, 0, 3, 4], [0, 4, 6, 8], [0, 0, 0, 0]]
    values = [a.tolist() for a in graph.fprop({index: [1, 1, 1, 0], x: [5.0, 6.0, 7.0, 8.0]})]
    assert values == [[4, 3, 7, 8], [0, 0, 6, 8], [0, 0, 14, 16]]


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_last_is_the_last_row_by_row(order):
    """Whatever the layout in memory, by which NumPy walks."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        index = np.asarray(rng.integers(0, 4, (3, 4)), order=order)
        v = leaf(np.asarray(rng.normal(size=(3, 4)), order=order))
        y = leaf(np.zeros(4)).at[index].set(v)
        expected = np.zeros(4)
        for i, value in zip(index.ravel(), v.value.ravel(), strict=True):
            expected[i] = value
        np.testing.assert_array_equal(y.value, expected)
        (found,) = mg.gradients(y, [v], adjoint=np.ones(4))
        assert found.value.sum() == len(set(index.ravel()))
        np.testing.assert_allclose((found.value * v.value).sum(), expected.sum())


def test_writing_under_a_mask_that_changes():
    """A number written where a mask node holds is chosen, not placed: the mask may hold more often in a replay."""
    x = leaf([[-1.0, 2.0], [3.0, -4.0]])
    y = x.at[x < 0].set(0) + x.at[x[:, 0] > 0].add(10)
    (found,) = mg.gradients(y, [x], adjoint=np.ones((2, 2)))
    value, adjoint = mg.Graph(y, found).fprop({x: -np.ones((2, 2))})
    assert value.tolist() == [[-1, -1], [-1, -1]]
    assert adjoint.tolist() == [[1, 1], [1, 1]]


def test_written_values_take_the_dtype_of_x():
    x = leaf(X.astype(np.float32))
    assert x.at[0].set(X[0]).dtype == x.at[0].add(0.1).dtype == np.float32
    with pytest.raises(
        TypeError, match=r"at\[index\]\.set\(v\): x is Input \(2,\) int64, and v of dtype float64.*astype"
    ):
        leaf([1, 2]).at[0].set(0.5)


# Errors --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: x[5], IndexError, r"index 5 is out of bounds for axis 0 with size 2.*x: Input \(2, 3, 4\)"),
        (lambda x: x[[0, 7]], IndexError, r"index 7 is out of bounds.*\(2, 3, 4\)"),
        (lambda x: x[0, 0, 0, 0], IndexError, r"too many indices.*\(2, 3, 4\)"),
        (lambda x: x[0.5], IndexError, r"Input \(2, 3, 4\)\[index\]: .* not float64: write i\.astype\(int\)"),
        (lambda x: x[np.array([])], IndexError, "integers or booleans, not float64"),
        (lambda x: x[x], IndexError, "integers or booleans, not float64"),
        (lambda x: x[np.array([True])], IndexError, "boolean index did not match"),
        (lambda x: x[leaf(1) :], TypeError, r"holds a fixed number.*int\(i\)"),
        (lambda x: x["name"], TypeError, "takes real numbers or booleans, not .* of dtype <U4"),
        (lambda x: np.take(x, 0, 5), np.exceptions.AxisError, r"take of Input \(2, 3, 4\): axis 5"),
        (lambda x: x.take([9], mode="round"), ValueError, "take.mode='round'"),
        (lambda x: np.put(x, [0], 1), TypeError, r"np\.put is not supported.*x\.at\[np\.unravel_index"),
        (lambda x: np.choose(x, [1, 2]), TypeError, r"choose: .* write i\.astype\(int\)"),
        (lambda x: x.at[9].set(0), IndexError, r"Input \(2, 3, 4\)\.at\[index\]\.set\(v\): index 9 is out of bounds"),
        (lambda x: x.at[0].add([1.0, 2.0]), ValueError, r"v has shape \(2,\).*entries, which have shape \(3, 4\)"),
        (lambda x: x.at[0, 0].set(np.ones((1, 4))), ValueError, r"v has shape \(1, 4\)"),
        (
            lambda x: np.put_along_axis(x, X.astype(int), 0, 0),
            TypeError,
            r"put_along_axis.*x\.at\[np\.arange.*\]\.set\(values\)",
        ),
        (lambda x: np.nonzero(x), TypeError, r"np\.nonzero.*np\.where\(mask, x, 0\)"),
        (lambda x: np.argwhere(x), TypeError, r"np\.argwhere.*depends on values"),
        (lambda x: np.flatnonzero(x), TypeError, r"np\.flatnonzero.*depends on values"),
        (lambda x: np.fill_diagonal(x, 0), TypeError, r"np\.fill_diagonal.*x\.at\[np\.diag_indices"),
    ],
)
def test_errors_say_what_to_do(call, error, text):
    with pytest.raises(error, match=text):
        call(leaf(X))


def test_an_index_out_of_range_in_a_replay():
    x, i = leaf([1.0, 2.0]), leaf([0, 1])
    graph = mg.Graph(x[i])
    with pytest.raises(IndexError, match=r"index 2 is out of bounds.*x: Input \(2,\)"):
        graph.fprop({i: [2, 0]})


def test_names():
    assert set(indexing.__all__) <= set(vars(mg.ops))


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64, np.uint32])
def test_the_adjoint_finds_its_row_whatever_integers_name_it(kind):
    rows = np.array([90, 3, 90], kind)
    x = mg.Input(np.zeros((120, 300)))
    weights = np.arange(3.0)[:, None] + np.arange(300)
    (found,) = mg.gradients((x[rows] * weights).sum(), [x])
    expected = np.zeros((120, 300))
    np.add.at(expected, rows.astype(np.intp), weights)
    np.testing.assert_array_equal(found.value, expected)
    np.testing.assert_array_equal(x.at[rows].add(weights).value, expected)


def test_a_constant_index_may_be_fed_entries_that_repeat():
    x, index = mg.Parameter(np.arange(4.0)), mg.Constant(np.array([0, 1, 2]))
    (slope,) = mg.gradients(x[index].sum(), [x])
    np.testing.assert_array_equal(mg.Graph(slope).fprop({index: np.array([1, 1, 1])}), [0, 3, 0, 0])
