"""What a careless author of an operation does beside the mathematics, and how check_gradients says it."""

import numpy as np
import pytest

import minigrad as mg

X = np.array([0.5, -1.0, 1.5])
BUFFER, COUNT = np.empty(3), [0.0]
KEPT: dict[str, np.ndarray] = {}


class Squared(mg.Elementwise):
    """y = x²;  x̄ = 2 ȳ x: what the others do wrong."""

    __slots__ = ()

    def fprop(self, x):
        return x * x

    def bprop(self, adjoint):
        return adjoint * 2 * self.children[0]


def failure(f, *arrays, **options):
    with pytest.raises(mg.GradientError) as caught:
        mg.check_gradients(f, *arrays, **options)
    return str(caught.value)


# fprop -------------------------------------------------------------------------------------------------------------


class Doubles(Squared):
    __slots__ = ()

    def fprop(self, x):
        x *= 2
        return x * x / 4


class ClipsInPlace(Squared):
    """What it writes is already there when it is called again."""

    __slots__ = ()

    def fprop(self, x):
        return np.square(np.clip(x, -9, 9, out=x))


class SortsInPlace(mg.Operation):
    __slots__ = ()
    analytic = False

    def fprop(self, x):
        x.sort()
        return x * 1.0

    def bprop(self, adjoint):
        return adjoint


class OneBuffer(Squared):
    __slots__ = ()

    def fprop(self, x):
        BUFFER[...] = np.real(x * x)
        return BUFFER


class Counts(Squared):
    __slots__ = ()

    def fprop(self, x):
        COUNT[0] += 1
        return x * x + COUNT[0]


class Draws(Squared):
    __slots__ = ()

    def fprop(self, x):
        return x * x * np.random.default_rng().uniform()


class Rounds(Squared):
    __slots__ = ()

    def fprop(self, x):
        return (x * x).real.astype(np.float32)


class CumulativeSum(mg.Elementwise):
    __slots__ = ()

    def fprop(self, x):
        return np.cumsum(x)

    def bprop(self, adjoint):
        return np.flip(np.cumsum(np.flip(adjoint)))


class Total(mg.Elementwise):
    __slots__ = ()

    def fprop(self, x):
        return x.sum()

    def bprop(self, adjoint):
        return adjoint + 0 * self.children[0]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (OneBuffer, "its fprop gives an array that it keeps and writes into in the next call"),
        (Counts, "its fprop gives another value for the same arrays: it keeps state or draws at random"),
        (Draws, "pure = False"),
        (Rounds, "its fprop gives float32 for arrays of float64"),
        (CumulativeSum, "declared Elementwise, but entries of its value depend on other entries"),
        (Total, "declared Elementwise"),
    ],
)
def test_an_fprop_that_does_more_than_compute(operation, words, order):
    assert words in failure(operation, X, order=order)


@pytest.mark.parametrize("operation", [Doubles, ClipsInPlace, SortsInPlace])
def test_an_fprop_that_changes_what_it_is_given(operation):
    """Here too if arrays can be written to where the node is born."""
    with pytest.raises((mg.GradientError, ValueError), match=r"writes into|read-only"):
        mg.check_gradients(operation, X[::-1].copy())


@pytest.mark.parametrize("operation", [Doubles, ClipsInPlace])
def test_a_parameter_is_not_changed_unseen(operation):
    W = mg.Parameter(X)
    with pytest.raises((mg.GradientError, ValueError), match=r"writes into|read-only"):
        mg.check_gradients(lambda x: operation(W) * x, X)


def test_the_place_is_told():
    def f(x):
        with mg.scope("layer"):
            return Counts(np.tanh(x))

    assert 'f: the operation Counts in scope "layer" is not to be relied on' in failure(f, X)


# Attributes --------------------------------------------------------------------------------------------------------


class Scaled(mg.Elementwise):
    __slots__ = ()

    def fprop(self, x, *, by):
        return x * np.asarray(by)

    def bprop(self, adjoint):
        return adjoint * np.asarray(self.by)


@pytest.mark.parametrize("by", [[1.0, 2.0, 3.0], np.array([1.0, 2.0, 3.0])])
def test_an_attribute_that_may_change(by):
    text = failure(lambda x: Scaled(x, by=by), X)
    assert f"its attribute by is of type {type(by).__name__}, which may change" in text
    mg.check_gradients(lambda x: Scaled(x, by=(1.0, 2.0, 3.0)), X, order=2)


# bprop -------------------------------------------------------------------------------------------------------------


class Single(Squared):
    __slots__ = ()

    def bprop(self, adjoint):
        return (adjoint * 2 * self.children[0]).astype(np.float32)


class WritesBack(Squared):
    __slots__ = ()

    def bprop(self, adjoint):
        self.children[0].value[0] += 1e-3
        return adjoint * 2 * self.children[0]


class DrawsBack(Squared):
    __slots__ = ()

    def bprop(self, adjoint):
        return adjoint * 2 * self.children[0] * (1 + 1e-9 * np.random.default_rng().normal())


class Forgets(Squared):
    __slots__ = ()

    def bprop(self, adjoint):
        return [None]


class Frozen(Squared):
    __slots__ = ()

    def bprop(self, adjoint):
        return adjoint * (2 * self.children[0].value)


class Remembers(Squared):
    """It keeps what its fprop was last called with."""

    __slots__ = ()

    def fprop(self, x):
        KEPT["x"] = np.real(x)
        return x * x

    def bprop(self, adjoint):
        return adjoint * (2 * KEPT["x"])


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (Single, r"bprop gives an adjoint of float32 for Input (3,) of float64, which loses digits"),
        (DrawsBack, "bprop gives another adjoint when it is called again"),
        (Forgets, "is 0 by bprop, but 3 by the complex step"),
    ],
)
def test_a_bprop_that_does_more_or_less_than_compute(operation, words):
    assert words in failure(operation, X)


def test_a_bprop_that_writes():
    with pytest.raises((mg.GradientError, ValueError), match=r"bprop writes into an array|read-only"):
        mg.check_gradients(WritesBack, X)


@pytest.mark.parametrize("operation", [Frozen, Remembers])
def test_a_bprop_that_computes_with_arrays_is_found_at_order_2(operation):
    """Its values are right where it is checked, but a replay would not renew them."""
    text = failure(lambda x: operation(x), X, order=2)
    assert "f called anew gives other values than its graph replayed" in text
    assert f"The node at fault: {operation.__name__}" in text


class Two(mg.Operation):
    __slots__ = ()

    def fprop(self, a, b):
        return a * b

    def bprop(self, adjoint):
        return adjoint * self.children[1], adjoint * self.children[0]


class TwoOfThree(Two):
    __slots__ = ()

    def bprop(self, adjoint):
        return adjoint * self.children[1]


class OfArrays(Squared):
    __slots__ = ()

    def bprop(self, adjoint):
        return adjoint.value * 2 * self.children[0].value


@pytest.mark.parametrize(
    ("operation", "arrays", "error", "words"),
    [
        (TwoOfThree, (X, np.array([1, 2, 3])), ValueError, "TwoOfThree: bprop gave 1 adjoints for 2 children"),
        (OfArrays, (X,), TypeError, r"OfArrays: bprop gives nodes \(or None\), not ndarray"),
        (Two, (X, np.array(2.0)), ValueError, r"Two: bprop gave an adjoint of shape \(3,\) for Input \(\)"),
    ],
)
def test_what_the_engine_refuses_itself(operation, arrays, error, words):
    with pytest.raises(error, match=words):
        mg.check_gradients(operation, *arrays)


# What is no breach -------------------------------------------------------------------------------------------------


class Half(mg.Operation):
    """A view of its child, of which an integer child says where it begins."""

    __slots__ = ()

    def fprop(self, x, start):
        return x[int(start) :]

    def bprop(self, adjoint):
        x, start = self.children
        return np.concatenate([0 * x[: int(start)], adjoint]), None


def test_views_draws_probes_and_integers_are_no_breach():
    mg.check_gradients(Half, X, np.array(1))
    mg.check_gradients(lambda x: x.T.reshape(3, 1)[1:] * 2, X, order=2)
    mg.check_gradients(lambda x: x * mg.random_normal(3, rng=np.random.default_rng(0)), X, order=2)
    mg.check_gradients(lambda x: np.where(x > 0, Squared(x), x), X, order=2)
    seen = []
    mg.check_gradients(lambda x: mg.probe(x, seen.append) * 2, X)
    assert all(np.abs(each).max() < 4 for each in seen)
