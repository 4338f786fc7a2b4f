"""NumPy's forms of calls on nodes: defaults given explicitly, arguments by position, methods; refusals name the way."""

import inspect

import numpy as np
import pytest

import minigrad as mg
from minigrad.dispatch import TABLE
from tests.ops.likeness import assert_like_numpy
from tests.ops.wholeness import assert_whole

X = np.array([[3.0, -1.0, 0.5], [1.0, 2.0, -2.5]])
MASK = np.array([[True, False, True], [False, True, True]])
NONE = np._NoValue


# Defaults, positions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.astype(np.float32, copy=False),
        lambda x: x.astype(np.float32, "K", "same_kind", True, False),
        lambda x: x.astype(dtype=np.float64, copy=True, casting="safe"),
        lambda x: np.astype(x, np.float32, copy=False, device=None),
        lambda x: x.reshape(3, 2, order="C"),
        lambda x: x.reshape((3, 2), order="F"),
        lambda x: x.reshape(-1, order="F"),
        lambda x: x.reshape(6, copy=True),
        lambda x: np.reshape(x, (3, -1), "F", copy=None),
        lambda x: x.ravel("C"),
        lambda x: x.ravel("F"),
        lambda x: x.flatten("C"),
        lambda x: x.flatten(order="F"),
        lambda x: np.ravel(x, order="F"),
        lambda x: x.copy("C"),
        lambda x: np.copy(x, "K", False),
        lambda x: x.argsort(-1, "stable"),
        lambda x: x.argsort(kind="stable", order=None, stable=None),
        lambda x: np.sort(x, -1, None, None),
        lambda x: x.take([0, 5], None, None, "raise"),
        lambda x: x.take([-7, 9], mode="wrap"),
        lambda x: x.take([-7, 9], 1, mode="clip"),
        lambda x: np.take(x, [7], 0, None, "wrap"),
        lambda x: x.sum(0, None, None, True),
        lambda x: x.sum(axis=None, dtype=None, out=None, keepdims=False, initial=0, where=True),
        lambda x: np.sum(x, 1, None, None, True),
        lambda x: np.sum(x, axis=None, dtype=None, out=None, keepdims=NONE, initial=NONE, where=NONE),
        lambda x: x.prod(1, np.float64, None, True),
        lambda x: x.mean(dtype=None),
        lambda x: x.mean(1, None, None, True),
        lambda x: np.mean(x, axis=None, dtype=None, out=None, keepdims=NONE),
        lambda x: np.mean(x, axis=0, keepdims=NONE, where=NONE),
        lambda x: x.max(out=None),
        lambda x: x.max(1, None, True),
        lambda x: x.min(0, None, False),
        lambda x: np.max(x, axis=0, out=None, keepdims=NONE, initial=NONE, where=NONE),
        lambda x: np.amin(x, 0, None, True),
        lambda x: (x > 0).any(0, keepdims=True),
        lambda x: (x > 0).all(axis=0, out=None, keepdims=False, where=True),
        lambda x: x.var(0, None, None, 1, True),
        lambda x: np.std(x, 0, None, None, 1, True, where=NONE, mean=NONE, correction=NONE),
        lambda x: x.argmax(1, None, keepdims=True),
        lambda x: np.argmin(x, 0, None, keepdims=NONE),
        lambda x: x.cumsum(1, None, None),
        lambda x: np.cumprod(x, axis=0, dtype=None, out=None),
        lambda x: x.clip(-1, 1, None),
        lambda x: np.clip(x, -1, 1, out=None),
        lambda x: np.clip(x, -1, 1, None, casting="same_kind"),
        lambda x: x.round(1, None),
        lambda x: np.round(x, 1, out=None),
        lambda x: x.trace(0, 0, 1, None, None),
        lambda x: x.dot(X.T, None),
        lambda x: x.compress([True, False], 0, None),
        lambda x: x.conj() + x.conjugate() + x.real + x.imag,
        lambda x: np.concatenate([x, x], axis=0, out=None, dtype=None, casting="same_kind"),
        lambda x: np.concatenate([x, x], 1, dtype=np.float32),
        lambda x: np.stack([x, x], 0, None, dtype=np.float32, casting="same_kind"),
        lambda x: np.hstack([x, x], dtype=np.float64),
        lambda x: np.vstack([x, x], casting="safe"),
        lambda x: np.tanh(x, where=True, casting="same_kind", order="K", subok=True, dtype=None),
        lambda x: np.add(x, 1, out=None, where=True),
        lambda x: np.add(x, 1, order="C", subok=False, casting="unsafe"),
        lambda x: np.zeros_like(x, order="C", subok=False, device="cpu"),
        lambda x: np.broadcast_to(x, (2, 2, 3), True),
        lambda x: np.nan_to_num(x, copy=False),
        lambda x: np.median(x, 0, None, False, True),
        lambda x: np.average(x, axis=0, weights=None, returned=False, keepdims=NONE),
        lambda x: np.linalg.norm(x, None, None, False),
        lambda x: np.einsum("ij->i", x, out=None, dtype=None, order="K", casting="safe", optimize=False),
        lambda x: np.tile(A=x, reps=2),
        lambda x: np.nan_to_num(x, True, 0.0, None, None),
        lambda x: np.zeros_like(x, dtype=None, order="K", subok=True, shape=None, device=None),
        lambda x: np.full_like(x, 2, None, "K", True, None),
        lambda x: np.diff(x, 1, -1, NONE, NONE),
        lambda x: np.trace(x, dtype=np.float32),
        lambda x: np.broadcast_to(x, (2, 2, 3), subok=False),
        lambda x: np.pad(x, 1, "constant", constant_values=2),
        lambda x: np.pad(x, 1, mode="constant"),
    ],
)  # fmt: skip
def test_forms(call):
    assert_like_numpy(call, X, exact=False)
    assert_like_numpy(call, X.astype(np.float32), exact=False)


def test_divmod():
    for x, y in ((X, 2), (X, np.full(3, 0.75)), (np.array([7, -7]), 2)):
        for k in (0, 1):
            assert_like_numpy(lambda a, y=y, k=k: divmod(a, y)[k], x)
            assert_like_numpy(lambda a, y=y, k=k: divmod(9, a)[k], x)
            assert_like_numpy(lambda a, y=y, k=k: np.divmod(a, y)[k], x)


def test_average_returns_its_weights():
    w = np.array([1.0, 2.0])
    for k in (0, 1):
        assert_like_numpy(lambda x, k=k: np.average(x, 0, w, True)[k], X, exact=False)
        assert_like_numpy(lambda x, k=k: np.average(x, returned=True)[k], X, exact=False)


def test_positions_are_numpys():
    """What a function takes by position it takes in NumPy's order."""
    for function, answer in TABLE.items():
        if isinstance(function, str | tuple | np.ufunc) or isinstance(answer, type):
            continue
        try:
            numpys = inspect.signature(function).parameters.values()
        except ValueError:
            continue
        theirs = [p.name for p in numpys if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        mine = [
            p.name
            for p in inspect.signature(answer).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        free = {p.name for p in numpys if p.kind is p.POSITIONAL_ONLY}
        for k, (a, b) in enumerate(zip(mine, theirs, strict=False)):
            assert a == b or b in free or k == 0, f"{function.__name__}: {mine} for {theirs}"


# where=, initial=, dtype= ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1)])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"where": MASK},
        {"where": MASK[0]},
        {"where": [[True], [False]]},
        {"where": False},
        {"initial": 2},
        {"initial": 2.5, "where": MASK},
        {"dtype": np.float32},
        {"dtype": np.float64, "where": MASK},
        {"dtype": int},
    ],
    ids=str,
)
def test_options_of_reductions(options, axis, keepdims):
    for function in (np.sum, np.prod, np.mean, np.var, np.std, np.max, np.min, np.any, np.all, np.nansum, np.nanmean):
        known = inspect.signature(function).parameters
        if not set(options) <= set(known) or (function in (np.var, np.std, np.nanmean) and options.get("dtype") is int):
            continue
        if function in (np.max, np.min) and "where" in options and "initial" not in options:
            with pytest.raises(ValueError, match="give initial="):
                function(mg.Input(X), axis, keepdims=keepdims, **options)
            continue
        for x in (X, X.astype(np.float32), np.array([[3, -1, 0], [1, 2, -2]]), MASK):
            call = lambda a: function(a, axis=axis, keepdims=keepdims, **options)  # noqa: B023, E731
            if x is MASK and function in (np.var, np.std) and set(options) & {"where", "dtype"}:
                continue  # NumPy subtracts booleans there, which is an error
            assert_like_numpy(call, x, exact=False)
            if function.__name__ in ("sum", "prod", "mean", "var", "std", "max", "min", "any", "all"):
                method = lambda a: getattr(a, function.__name__)(axis=axis, keepdims=keepdims, **options)  # noqa: B023, E731
                assert_like_numpy(method, x, exact=False)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.sum(x, 0, where=MASK, initial=3.0),
        lambda x: np.prod(x, 1, where=MASK, initial=3.0),
        lambda x: np.mean(x, 1, where=MASK),
        lambda x: np.var(x, 1, where=MASK),
        lambda x: np.std(x, 1, where=MASK, ddof=0.5),
        lambda x: np.max(x, 1, where=MASK, initial=-9.0),
        lambda x: np.min(x, 0, where=MASK, initial=0.7),
        lambda x: np.var(x, 0, mean=np.mean(x, 0, keepdims=True)),
        lambda x: np.std(x, 0, mean=x[:1] * 0.5),
        lambda x: np.sum(x, where=x > 0),
        lambda x: np.mean(x, where=x > 0),
        lambda x: x.sum(initial=x[0, 0] * 2) if isinstance(x, mg.Node) else np.sum(x) + x[0, 0] * 2,
    ],
)
def test_options_have_gradients(call):
    assert_whole(call, X)


def test_a_masked_reduction_keeps_nan_out():
    x = mg.Input(np.array([4.0, 0.0, -1.0]))
    with np.errstate(all="ignore"):
        y = np.sum(np.log(x), where=x > 0)
        (slope,) = mg.gradients(y, x)
    np.testing.assert_allclose(y.value, np.log(4))
    np.testing.assert_array_equal(slope.value, [0.25, 0, 0])


def test_a_mask_that_does_not_fit():
    with pytest.raises(ValueError, match=r"where= has shape \(4,\) and does not broadcast to Input \(2, 3\)"):
        np.sum(mg.Input(X), where=np.ones(4, bool))
    with pytest.raises(TypeError, match="initial value of a reduction is one number"):
        np.sum(mg.Input(X), initial=[1.0, 2.0])


# Refusals ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "call"),
    [
        (TypeError, "there is no out=: use the result", lambda x: x.sum(out=np.zeros(()))),
        (TypeError, "there is no out=", lambda x: x.mean(0, None, np.zeros(3))),
        (TypeError, "there is no out=", lambda x: np.max(x, out=np.zeros(()))),
        (TypeError, "there is no out=", lambda x: x.take([0], out=np.zeros(1))),
        (TypeError, "there is no out=", lambda x: x.clip(0, 1, np.zeros(3))),
        (TypeError, "there is no out=", lambda x: np.dot(x, x.T, out=np.zeros((2, 2)))),
        (TypeError, r"np.tanh on nodes: .*np.where\(condition, result, otherwise\)", lambda x: np.tanh(x, where=MASK)),
        (TypeError, r"np.exp on nodes: .*write x.astype\(dtype\)", lambda x: np.exp(x, dtype=np.float32)),
        (TypeError, r"np.exp on nodes: .*no order=", lambda x: np.exp(x, order="F")),
        (TypeError, r"Node.sum\(\) got an unexpected keyword argument 'axes'", lambda x: x.sum(axes=1)),
        (TypeError, r"Node.reshape\(\) got an unexpected", lambda x: x.reshape(6, newshape=1)),
        (ValueError, r"reshape\(order='A'\).*write order='C' or order='F'", lambda x: x.reshape(6, order="A")),
        (ValueError, r"copy\(order='F'\)", lambda x: x.copy("F")),
        (ValueError, "no layout in memory", lambda x: x.astype(float, order="F")),
        (TypeError, "does not go into int64 by casting='same_kind'", lambda x: x.astype(int, casting="same_kind")),
        (ValueError, "take.mode='round'", lambda x: x.take([0], mode="round")),
        (TypeError, r"np.linalg.eig is not supported on nodes", np.linalg.eig),
        (TypeError, r"np.spacing is not supported on nodes: .*np.spacing takes x.value", np.spacing),
        (AttributeError, r"nodes have no .fill: .*np.full_like", lambda x: x.fill(0)),
        (AttributeError, r"nodes have no .flat: write x.ravel\(\)", lambda x: x.flat),
        (AttributeError, r"nodes have no .nonzero: .*x.value", lambda x: x.nonzero()),
    ],
)  # fmt: skip
def test_refusals_name_the_way(kind, text, call):
    with pytest.raises(kind, match=text) as caught:
        call(mg.Input(X))
    assert "Operators" not in str(caught.value)


def test_methods_explain_themselves():
    for name in ("sum", "reshape", "astype", "take", "argsort", "var", "clip", "searchsorted"):
        assert getattr(mg.Node, name).__doc__ == TABLE[getattr(np, name)].__doc__
        assert getattr(mg.Node, name).__qualname__ == f"Node.{name}"
    assert not hasattr(mg.Input(X), "fill")


# Indices and lists -------------------------------------------------------------------------------------------------------


def test_a_node_of_one_integer_is_an_index():
    i = np.argmax(mg.Input([0.1, 0.7, 0.2]))
    assert ["a", "b", "c"][i] == "b"
    assert list(range(i)) == [0]
    assert "abc"[i] == "b"
    x = mg.Input(X.T)
    np.testing.assert_array_equal(x[i].value, X.T[1])
    np.testing.assert_array_equal(x.take(i, 0).value, X.T[1])
    np.testing.assert_array_equal(x[i, 1:].value, X.T[1, 1:])
    assert x.item(1, 0) == X.T[1, 0]
    assert x.item(4) == X.T.item(4)
    for bad in (mg.Input(1.0), mg.Input([1]), mg.Input(True)):
        with pytest.raises(TypeError, match="an index is one integer"):
            range(bad)


def test_where_a_graph_holds_a_number_a_node_is_none():
    """It would be fixed without a word."""
    i, x = mg.Input(1), mg.Input(X)
    for call in (
        lambda: x[:i], lambda: x[i:], lambda: x.sum(i), lambda: np.roll(x, i), lambda: x.reshape(i, 6),
        lambda: np.repeat(x, i), lambda: np.expand_dims(x, i), lambda: np.swapaxes(x, 0, i), lambda: np.stack([x, x], i),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=r"int\(i\)|\.value"):
            call()


def test_an_array_is_not_indexed_by_a_node():
    rows, columns = mg.Input([0, 1]), mg.Input([2, 0])
    for call in (
        lambda: X[rows],
        lambda: X[rows, columns],
        lambda: X[:, columns],
        lambda: X[rows, 1],
        lambda: X[rows > 0],
    ):
        with pytest.raises(TypeError, match=r"mg\.Constant\(f\)\[index\]"):
            call()
    np.testing.assert_array_equal(mg.Constant(X)[rows, columns].value, X[[0, 1], [2, 0]])


def test_an_index_is_not_taken_from_a_trace():
    names = [1.0, 2.0, 3.0]
    with pytest.raises(TypeError, match=r"int\(\)|index"):
        mg.compile(lambda x: x * names[np.argmax(x)])(X)
    with pytest.raises(TypeError):
        mg.compile(lambda x: x * X[0][np.argmax(x)])(X)


@pytest.mark.parametrize("kind", [mg.Input, mg.Constant, mg.Parameter])
def test_ragged_lists(kind):
    for ragged in ([[1.0], [1.0, 2.0]], [1.0, [2.0]], [np.ones(2), np.ones(3)], ([1], [1, 2])):
        with pytest.raises(ValueError, match=rf"{kind.__name__} takes .*inhomogeneous.*[Pp]ad"):
            kind(ragged)


@pytest.mark.parametrize("kind", [mg.Input, mg.Constant, mg.Parameter])
def test_lists_of_nodes(kind):
    for x in (mg.Input(1.0), mg.Input([1.0, 2.0]), mg.Input(1)):
        for nodes in ([x, x], (x, x), [[x], [x]], [1.0, x]):
            with pytest.raises(TypeError, match=r"np\.stack\(\[a, b\]\)"):
                kind(nodes)
    with pytest.raises(TypeError, match=r"np\.stack"):
        np.mean([x, x])


def test_lists_leave_the_graph_knowingly():
    assert mg.Input(X).tolist() == X.tolist()
    assert mg.Input(2.0).tolist() == 2.0
    with pytest.raises(TypeError, match="tolist"):
        mg.compile(lambda x: x * x.tolist()[0][0])(X)
