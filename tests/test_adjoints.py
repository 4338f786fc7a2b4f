"""How adjoints are masked, joined and fitted between rules."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.ops.arithmetic import Where

X = np.array([4.0, 0.0, -1.0])
P = np.array([[1.0, 2.0], [0.0, 1.0], [-1.0, 3.0], [2.0, 4.0]])
PAIRS = np.array([[[1.0, 2.0], [0.0, 1.0]], [[-1.0, 3.0], [2.0, 4.0]]])
ROWS = np.array([True, False, False, True])  # of P, those in which all logarithms are finite

INVERSE = 1 / np.where(ROWS[:, None], P, 1.0)

# What moves, copies or sums entries, between a logarithm and the where that guards it: y = where(move(x > 0), move(log x), 0).
MOVES = {
    "a new axis": lambda x: x[:, None],
    "reshape": lambda x: x.reshape(3, 1),
    "ravel": lambda x: np.ravel(x),
    "squeeze": lambda x: np.squeeze(x[None]),
    "expand_dims": lambda x: np.expand_dims(x, 0),
    "transpose": lambda x: np.transpose(x[None]),
    "matrix transpose": lambda x: x[None].mT,
    "swapaxes": lambda x: np.swapaxes(x[None], 0, 1),
    "moveaxis": lambda x: np.moveaxis(x[None, None], 0, 2),
    "reversed": lambda x: x[::-1],
    "flip": lambda x: np.flip(x),
    "roll": lambda x: np.roll(x, 1),
    "a slice": lambda x: x[:2],
    "an entry": lambda x: x[1:2],
    "rows by number": lambda x: x[[2, 1, 1]],
    "take": lambda x: np.take(x, [0, 0, 2]),
    "repeat": lambda x: np.repeat(x, 2),
    "tile": lambda x: np.tile(x, 2),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 3)),
    "stack": lambda x: np.stack([x, x]),
    "concatenate": lambda x: np.concatenate([x[1:], x]),
    "split": lambda x: np.split(x, 3)[1],
    "pad": lambda x: np.pad(x, 1),
    "diag": lambda x: np.diagonal(np.broadcast_to(x, (3, 3))),
    "einsum": lambda x: np.einsum("ij->ji", x[None]),
    "two of them": lambda x: np.tile(x[::-1].reshape(3, 1), (1, 2)).T,
}


@pytest.mark.parametrize("name", MOVES)
def test_a_mask_goes_where_entries_are_moved_and_copied(name):
    move = MOVES[name]
    x = mg.Input(X)
    with np.errstate(all="ignore"):
        y = np.where(move(x > 0), move(np.log(x)), 0.0).sum()
        (first,) = mg.gradients(y, x)
        (second,) = mg.gradients(first.sum(), x)
    count = first.value[0] * 4  # how often the first entry was copied
    assert count == round(count)
    np.testing.assert_array_equal(first.value, [count / 4, 0, 0])
    np.testing.assert_allclose(second.value, [-count / 16, 0, 0])


@pytest.mark.parametrize(
    ("reduce", "first"),
    [
        (lambda p: p.sum(axis=1), INVERSE),
        (lambda p: np.sum(p, axis=-1, keepdims=True)[:, 0], INVERSE),
        (lambda p: p.mean(axis=1), INVERSE / 2),
        (lambda p: p.max(axis=1), [[0, 1 / 2], [0, 0], [0, 0], [0, 1 / 4]]),
        (lambda p: p.min(axis=1), [[1, 0], [0, 0], [0, 0], [1 / 2, 0]]),
        (lambda p: np.cumsum(p, axis=1)[:, -1], INVERSE),
        (lambda p: np.sort(p, axis=1)[:, 0], [[1, 0], [0, 0], [0, 0], [1 / 2, 0]]),
        (lambda p: np.einsum("ij->i", p), INVERSE),
        (lambda p: p[:, 0] + p[:, 1], INVERSE),
        (lambda p: (p + p.sum(axis=1, keepdims=True))[:, 0], [[2, 1 / 2], [0, 0], [0, 0], [1, 1 / 4]]),
    ],
    ids=["sum", "keepdims", "mean", "max", "min", "cumsum", "sort", "einsum", "pieces", "broadcast"],
)
def test_a_mask_of_rows_covers_what_the_rows_sum(reduce, first):
    p = mg.Input(P)
    with np.errstate(all="ignore"):
        (slope,) = mg.gradients(np.where(ROWS, reduce(np.log(p)), 0.0).sum(), p)
        (curvature,) = mg.gradients(slope.sum(), p)
    expected = np.where(ROWS[:, None], first, 0.0)
    np.testing.assert_allclose(slope.value, expected)
    np.testing.assert_allclose(curvature.value, -expected * INVERSE)


def test_a_mask_goes_through_sums_over_several_axes():
    p, rows = mg.Input(PAIRS), (PAIRS > 0).all(axis=2)
    with np.errstate(all="ignore"):
        (slope,) = mg.gradients(np.where(rows.T, np.log(p).sum(axis=2).T, 0.0).sum(), p)
    np.testing.assert_allclose(slope.value, rows[..., None] / np.where(rows[..., None], PAIRS, 1))


def test_a_mask_goes_through_windows_and_assignments():
    image = mg.Input(np.array([[1.0, 2.0], [-1.0, 4.0]])[None, :, :, None])
    with np.errstate(all="ignore"):
        pooled = mg.average_pool2d(np.log(image), (1, 2))
        (slope,) = mg.gradients(np.where(np.array([True, False]).reshape(1, 2, 1, 1), pooled, 0.0).sum(), image)
        np.testing.assert_allclose(slope.value[0, :, :, 0], [[1 / 2, 1 / 4], [0, 0]])
        x = mg.Input(X)
        for filled in (x.at[1].set(np.log(x[1])), mg.Input(np.zeros(3)).at[[0, 1, 2]].add(np.log(x))):
            (slope,) = mg.gradients(np.where([True, False, False], filled, 0.0).sum(), x)
            assert np.isfinite(slope.value).all()


def test_an_unmasked_path_clears_the_mask():
    """An elementwise rule below the meeting point gets all of the sum, not only what lies inside the mask."""
    x = mg.Input([-1.0, 2.0])
    h = np.exp(x)  # where the paths meet
    with np.errstate(all="ignore"):
        (slope,) = mg.gradients((np.where(x > 0, np.log(x) * h, 0.0) + 3 * h).sum(), x)
    np.testing.assert_allclose(slope.value, 3 * np.exp([-1.0, 2.0]) + [0, np.exp(2) * (np.log(2) + 1 / 2)])


def test_an_unmasked_piece_clears_the_mask_where_it_lies():
    x = mg.Input([0.0, 2.0, 3.0])
    with np.errstate(all="ignore"):
        h = np.log(x)
        (slope,) = mg.gradients(np.where([False, True], h[:2], 0.0).sum() + h[2] + h[1], x)
    np.testing.assert_allclose(slope.value, [0, 1, 1 / 3])


def test_a_product_ends_the_mask():
    """Documented: sums with weights other than 1 are not followed, be the weights negative or not."""
    assert "ends" in Where.__doc__
    x, M = mg.Input([[4.0, 1.0], [9.0, 16.0]]), np.array([[-1.0, 2.0], [3.0, -4.0]])
    mask = np.array([[True, False], [False, True]])
    (slope,) = mg.gradients(np.where(mask, np.sqrt(x) @ M, 0.0).sum(), x)
    np.testing.assert_allclose(slope.value, mask @ M.T / (2 * np.sqrt(x.value)))


def test_a_product_beside_a_masked_piece_clears_the_mask():
    """A weight that a product and a masked slice share: what the product sends lies everywhere."""
    h = mg.Input([[1.0, 2.0], [3.0, 4.0]])
    W, u = np.exp(h), mg.Input([[1.0, 1.0]])
    (slope,) = mg.gradients((u @ W).sum() + np.where([True, False], W[0], 0.0).sum(), h)
    np.testing.assert_allclose(slope.value, W.value * [[2, 1], [1, 1]])


def test_a_where_inside_another_keeps_both_masks():
    """The inner branch not taken is nan where the outer one is taken."""
    x = mg.Input([4.0, -1.0, 0.0])
    with np.errstate(all="ignore"):
        inner = np.where(x > 0, np.sqrt(x), 1.0)
        (slope,) = mg.gradients(np.where(np.array([True, True, False]), inner * 3.0, 0.0).sum(), x)
        np.testing.assert_allclose(slope.value, [0.75, 0, 0])
        chosen = np.where(x > -5, np.where(x > 0, np.log(np.sqrt(x)), 0.0), 0.0)
        (slope,) = mg.gradients(chosen.sum(), x)
        np.testing.assert_allclose(slope.value, [1 / 8, 0, 0])


def test_an_adjoint_in_another_dtype_is_cast_to_the_child():
    x = mg.Input(np.array([1.0, 2.0], np.float32))
    (slope,) = mg.gradients((x * np.array([2.0, 3.0])).sum(), x)
    assert slope.dtype == np.float32
    with np.errstate(all="ignore"):
        (slope,) = mg.gradients(np.where(x > 1, x * np.array([2.0, 3.0]), 0.0).sum(), x)
    assert slope.dtype == np.float32
    np.testing.assert_array_equal(slope.value, [0, 3])


def test_what_passes_an_adjoint_on_makes_no_node_for_the_mask():
    x, b = mg.Input(P), mg.Parameter(np.zeros(2))
    (slope,) = mg.gradients(np.maximum(x + b, 0.0).sum(), b)
    assert sum(isinstance(node, Where) for node in mg.Graph(slope).nodes) == 1
    np.testing.assert_array_equal(slope.value, (P >= 0).sum(axis=0))


def test_masks_hold_anew_in_a_replay():
    x = mg.Input(X)
    with np.errstate(all="ignore"):
        (slope,) = mg.gradients(np.where((x > 0)[:, None], np.log(x)[:, None], 0.0).sum(), x)
        np.testing.assert_array_equal(mg.Graph(slope).fprop({x: [-2.0, 0.0, 8.0]}), [0, 0, 1 / 8])


def test_compiled_masks_are_the_eager_ones():
    @mg.compile
    def slopes(x, p):
        y = np.where((x > 0)[:, None], np.log(x)[:, None], 0.0).sum()
        z = np.where((p > 0).all(axis=1), np.log(p).sum(axis=1), 0.0).sum()
        return mg.gradients(y + z, [x, p])

    with np.errstate(all="ignore"):
        for x, p in [(X, P), (-X, P), (X[::-1].copy(), -P), (X, P[::-1].copy())]:
            a, b = slopes(x, p)
            np.testing.assert_allclose(a, np.where(x > 0, 1 / x, 0))
            np.testing.assert_allclose(b, np.where((p > 0).all(axis=1, keepdims=True), 1 / p, 0))


# Rules that fail -----------------------------------------------------------------------------------------------------


class Careless(mg.Elementwise):
    """y = x; its rule fails in the way it is told."""

    def fprop(self, x, *, failure):
        return x + 0.0

    def bprop(self, adjoint):
        match self.failure:
            case "raises":
                raise RuntimeError("no idea")
            case "raises later":
                return [lambda: 1 / 0]
            case "misspells":
                return adjoint.valu
            case "shapes":
                return adjoint * np.ones((2, 5))
            case "key":
                return {}["x"]
        return adjoint


@pytest.mark.parametrize(
    ("failure", "kind", "said"),
    [
        ("raises", RuntimeError, "no idea"),
        ("raises later", ZeroDivisionError, "division by zero"),
        ("misspells", AttributeError, "valu"),
        ("shapes", ValueError, "shape"),
        ("key", KeyError, "x"),
    ],
)
def test_an_error_inside_a_rule_names_the_operation(failure, kind, said):
    with mg.scope("here"):
        y = Careless(mg.Input(X), failure=failure)
    with pytest.raises(kind) as caught:
        mg.gradients(y.sum(), y.children)
    assert caught.value.args[0].startswith(f"Careless(failure='{failure}') in scope \"here\"")
    assert said in caught.value.args[0].partition("bprop")[2]


# Classes of a user's own ---------------------------------------------------------------------------------------------


class InPlace(mg.Elementwise):
    """y = 2x, written into x."""

    def fprop(self, x):
        x *= 2
        return x

    def bprop(self, adjoint):
        return adjoint * 2


class Through(mg.Operation):
    """y = the sum of x, sorted in place."""

    def fprop(self, x):
        x.sort()
        return x.sum()

    def bprop(self, adjoint):
        return adjoint * np.ones(self.children[0].shape)


@pytest.mark.parametrize("operation", [InPlace, Through])
@pytest.mark.parametrize("leaf", [mg.Parameter, mg.Input, mg.Constant])
def test_an_fprop_that_writes_into_its_input_is_refused(operation, leaf):
    x = leaf(X)
    for node in (x, x * 1.0, x.reshape(3)):
        with pytest.raises(ValueError, match=f"{operation.__name__}: fprop writes into one of its inputs.*copy"):
            operation(node)
    np.testing.assert_array_equal(x.value, X)


def test_an_fprop_may_give_its_input_back():
    class Same(mg.Elementwise):
        def fprop(self, x):
            return x

        def bprop(self, adjoint):
            return adjoint

    W = mg.Parameter(X)
    (slope,) = mg.gradients((Same(W) * 2).sum(), W)
    np.testing.assert_array_equal(slope.value, [2, 2, 2])
    np.testing.assert_array_equal(mg.compile(lambda x: Same(x) * 2)(X), 2 * X)
