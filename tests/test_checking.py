"""check_gradients: passes what is right, and says of what is wrong where and why."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.ops.arithmetic import Multiply

X = np.array([0.5, -1.0, 1.5])


class Cube(mg.Elementwise):
    """y = x³;  x̄ = 3 ȳ x²."""

    __slots__ = ()

    def fprop(self, x):
        return x**3

    def bprop(self, adjoint):
        (x,) = self.children
        return adjoint * 3 * x * x


class WrongSign(Cube):
    __slots__ = ()

    def bprop(self, adjoint):
        return -super().bprop(adjoint)


class OneEntryWrong(Cube):
    """The third entry's slope is doubled."""

    __slots__ = ()

    def bprop(self, adjoint):
        return super().bprop(adjoint) * np.array([1.0, 1.0, 2.0])


class Cut(Cube):
    """Right at order 1, constant at order 2."""

    __slots__ = ()

    def bprop(self, adjoint):
        return mg.Constant(super().bprop(adjoint).value)


class CutTwice(mg.Elementwise):
    """y = 2 x, its adjoint constant: a linear operation, whose second derivative by x is 0 all the same."""

    __slots__ = ()

    def fprop(self, x):
        return 2 * x

    def bprop(self, adjoint):
        return mg.Constant(2 * adjoint.value)


class Rectifier(mg.Elementwise):
    """y = max(x, 0), registered as analytic by mistake: np.maximum compares complex numbers and keeps one of them."""

    __slots__ = ()

    def fprop(self, x):
        return np.maximum(x, 0)

    def bprop(self, adjoint):
        return adjoint * (self > 0).astype(np.float64)


class Size(mg.Elementwise):
    """y = |x|, registered as analytic by mistake: the absolute value of a complex number is real. x̄ is forgotten."""

    __slots__ = ()

    def fprop(self, x):
        return np.abs(x)

    def bprop(self, adjoint):
        return [None]


class RealOnly(mg.Elementwise):
    """y = x, in a way that fails on complex arrays."""

    __slots__ = ()

    def fprop(self, x):
        return np.array([float(entry) for entry in x])

    def bprop(self, adjoint):
        return adjoint


class Outside(mg.Elementwise):
    """y = √x."""

    __slots__ = ()
    analytic = False

    def fprop(self, x):
        return np.sqrt(x)

    def bprop(self, adjoint):
        return adjoint * 0.5


def failure(f, *arrays, **options):
    with pytest.raises(mg.GradientError) as caught:
        mg.check_gradients(f, *arrays, **options)
    return str(caught.value)


# What is right passes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_every_order(order):
    mg.check_gradients(Cube, X, order=order)
    mg.check_gradients(lambda x, y: np.tanh(x * y), X, X + 1, order=min(order, 4))


@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (1,), (2, 1, 3)])
def test_every_shape(shape):
    mg.check_gradients(lambda x: np.tanh(x) * x, np.full(shape, 0.7), order=2)


def test_broadcasting_and_several_outputs():
    mg.check_gradients(lambda x, y: (x * y, np.tanh(y), x + y), X, 0.3, order=3)
    mg.check_gradients(lambda x: [x], X, order=2)


def test_integers_and_booleans_are_handed_through():
    def f(x, n, mask):
        assert n.dtype == np.int64
        assert mask.dtype == bool
        return np.where(mask, x * n, np.tanh(x))

    mg.check_gradients(f, X, np.array([1, 2, 3]), np.array([True, False, True]), order=2)


def test_float32_is_checked_as_float64():
    mg.check_gradients(lambda x: Cube(x), X.astype(np.float32), order=2)


def test_parameters_are_held_fixed():
    W = mg.Parameter(X)
    before = W.value.copy()
    mg.check_gradients(lambda x: np.tanh(W * x), X, order=2)
    np.testing.assert_array_equal(W.value, before)
    assert W.grad is None


def test_a_function_of_gradients():
    def penalized(x, w):
        loss = np.tanh(x * w).sum()
        (g,) = mg.gradients(loss, [x])
        return loss + (g * g).sum()

    mg.check_gradients(penalized, X, X + 1, order=2)


def test_an_input_without_use():
    mg.check_gradients(lambda x, y: np.tanh(x), X, X, order=3)


def test_large_arrays_by_directions():
    big = np.linspace(-1, 1, 20_000)
    mg.check_gradients(lambda x: np.tanh(x) * x, big, directions=3, order=2)
    assert "WrongSign" in failure(WrongSign, big[:50], directions=2)


def test_real_operations_by_central_differences():
    mg.check_gradients(RealOnly, X, order=2)
    mg.check_gradients(Rectifier, X, order=2)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_scales(scale):
    mg.check_gradients(lambda x: Cube(x * (1 / scale)) * scale, X * scale, order=2)
    mg.check_gradients(lambda x: Rectifier(x * (1 / scale)) * Cube(x * (1 / scale)) * scale, X * scale)
    failure(lambda x: WrongSign(x * (1 / scale)) * scale, X * scale)


def test_no_state_is_touched():
    """Neither NumPy's generator nor the nodes' values; two failures are the same."""
    assert failure(WrongSign, X) == failure(WrongSign, X)
    given = X.copy()
    mg.check_gradients(Cube, given, order=2)
    np.testing.assert_array_equal(given, X)
    mg.check_gradients(Cube, X, rng=np.random.default_rng(8))


@pytest.mark.row("ENG-16")
def test_the_error_of_central_differences_is_of_second_order():
    """(f(x+e) − f(x−e)) / 2e of x³ is off by e², which the adjoint is not."""
    x, f = 0.5, Cube
    slope = mg.gradients(f(at := mg.Input(x)), at)[0].value
    off = [((x + e) ** 3 - (x - e) ** 3) / (2 * e) - slope for e in (1e-1, 1e-2, 1e-3)]
    np.testing.assert_allclose(off, [1e-2, 1e-4, 1e-6], rtol=1e-6)


# What is wrong is named --------------------------------------------------------------------------------------------


@pytest.mark.row("ENG-16")
def test_a_planted_wrong_sign():
    def f(x, w):
        with mg.scope("layer"):
            return WrongSign(np.tanh(x) * w)

    text = failure(f, X, X + 2)
    assert "f: the derivative of order 1 by w is wrong (3 of 3 entries), as at entry (2,)" in text
    assert "the complex step" in text
    assert "∂y[2]/∂w[2] is -27.2531 by bprop, but 27.2531 by the complex step" in text
    assert 'The node at fault: WrongSign in scope "layer", for its child x: Multiply (3,)' in text


def test_the_worst_entry():
    text = failure(OneEntryWrong, X)
    assert "(1 of 3 entries), as at entry (2,)" in text
    assert "∂y[2]/∂x[2] is 13.5 by bprop, but 6.75 by the complex step" in text


def test_the_role_of_the_child(monkeypatch):
    def second_child_wrong(self, adjoint):
        a, b = self.children
        return adjoint * b, adjoint * a * 1.5

    monkeypatch.setattr(Multiply, "bprop", second_child_wrong)
    text = failure(lambda x, w: np.tanh(x) * w, X, X)
    assert "by w is wrong" in text
    assert "Multiply, for its child b: Input (3,)" in text


@pytest.mark.parametrize("cut", [Cut, CutTwice])
def test_an_adjoint_cut_out_of_the_graph(cut):
    mg.check_gradients(cut, X)
    text = failure(cut, X, order=2)
    assert "of order 2" in text
    assert f"The node at fault: {cut.__name__}" in text


def test_a_value_that_leaves_the_graph():
    text = failure(lambda x: x * x.value, X)
    assert "f called anew" in text
    assert "x.value" in text
    assert "entry (2,)" in text
    assert text.endswith("Every operation of the graph passes alone")
    assert "f called anew" in failure(lambda x: x * float(x), 2.0)


def test_a_mistaken_registration_hides_nothing():
    """|z| of a complex number is real, so the complex step sees no slope, as the rule does; differences do."""
    text = failure(Size, X)
    assert "central differences" in text
    assert "∂y[0]/∂x[0] is 0 by bprop, but 1 by central differences" in text
    assert "Size, for its child x" in text


@pytest.mark.parametrize(
    ("f", "at"), [(Rectifier, [1.0, 0.0]), (np.abs, [1.0, 0.0]), (lambda x: np.maximum(x, 1.0), [3.0, 1.0])]
)
def test_a_point_without_derivative(f, at):
    text = failure(f, at)
    assert "is not differentiable by x at entry (1,)" in text
    assert "The node at fault" in text


def test_beyond_the_domain():
    text = failure(Outside, [1.0, 0.0])
    assert "not differentiable by x at entry (1,)" in text
    assert "not all finite" in text


def test_an_adjoint_that_is_nan():
    class Poisoned(Cube):
        __slots__ = ()

        def bprop(self, adjoint):
            return adjoint * np.array([1.0, np.nan, 1.0])

    assert "is nan by bprop" in failure(Poisoned, X)


class Infinite(Cube):
    __slots__ = ()

    def bprop(self, adjoint):
        return super().bprop(adjoint) * np.inf


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_an_adjoint_that_is_infinite(order):
    """Every number is nearer to it than a part of it."""
    assert "inf by bprop, but" in failure(Infinite, X, order=order)
    assert "inf by bprop, but" in failure(lambda x: Infinite(x) * 2, X[:1], order=order)
    assert "The node at fault: Infinite" in failure(lambda x: Infinite(np.tanh(x)).sum(), X, order=order)
    for f in (lambda a: a * np.inf, lambda a: np.sqrt(a - X), lambda a: np.log(a - X)):
        with np.errstate(all="ignore"):
            assert "not all finite" in failure(f, X, order=order)


@pytest.mark.parametrize("scale", [1e-12, 1e-100, 1e-200, 1e-290])
def test_small_slopes_are_checked_too(scale):
    """The tolerance is one of the function's own scale: no absolute one hides what is small everywhere."""
    for f in (lambda x: Cube(x) * scale, lambda x: np.tanh(Cube(x) * scale), lambda x: Rectifier(x) * Cube(x) * scale):
        mg.check_gradients(f, X, order=3)
    for order in (1, 2, 3):
        assert "WrongSign" in failure(lambda x: WrongSign(x) * scale, X, order=order)
        assert "OneEntryWrong" in failure(lambda x: OneEntryWrong(x) * scale, X, order=order)
    assert "Rectifier" not in failure(lambda x: Rectifier(WrongSign(x)) * scale, -X)
    failure(lambda x: Cut(x) * scale, X, order=2)
    assert "not differentiable" in failure(lambda x: Rectifier(x) * scale, [1.0, 0.0])
    assert "central differences" in failure(lambda x: Size(x) * scale, X)


def test_slopes_that_cancel_are_as_exact_as_their_terms():
    """Their digits are those of rounding, and so are those of the differences."""
    for f in (
        lambda x: mg.softmax(x).sum(),
        lambda x: np.mean(x - np.mean(x)),
        lambda x: (x - np.mean(x)).sum() * 1e-200,
        lambda x: np.tanh(x) - np.tanh(x),
        lambda x: mg.logsumexp(x + 1) - 1,
        lambda x: np.sin(x) ** 2 + np.cos(x) ** 2,
    ):
        mg.check_gradients(f, X, order=2)
    for f in (Cube, lambda x: x**4, lambda x: abs(x) ** 3, lambda x: 1 - np.cos(x), lambda x: Cube(x) * 1e-200):
        mg.check_gradients(f, np.zeros(2))
    mg.check_gradients(mg.log_softmax, X * 100, order=2)
    mg.check_gradients(mg.gaussian, X * 20, order=2)
    mg.check_gradients(lambda x: x * x + 1e8, X, order=2)


def test_rules_that_end_do_not_hide_the_fault():
    """The search for the node at fault goes one order further, where a rule may raise."""

    class NoSecondOrder(mg.Elementwise):
        __slots__ = ()

        def fprop(self, x):
            return 2 * x

        def bprop(self, adjoint):
            return FirstOrderOnly(adjoint)

    class FirstOrderOnly(mg.Elementwise):
        __slots__ = ()

        def fprop(self, x):
            return 2 * x

    text = failure(lambda x: NoSecondOrder(x) * x.value, X)
    assert "Every operation of the graph passes alone" in text


@pytest.mark.parametrize("order", [1, 2])
def test_the_edge_of_a_domain(order):
    """Where the step of central differences leaves the domain, or meets a pole, the right rule passes, a wrong one not."""
    for f, at in ((np.log, 1e-6), (np.sqrt, 1e-6), (np.arctanh, 0.999999), (lambda x: 1 / x, 1e-6)):
        mg.check_gradients(f, [at], order=order)
    mg.check_gradients(lambda x: np.log(np.maximum(x, 1e-9)), [1e-6])  # no complex step here
    assert "by the complex step" in failure(lambda x: WrongSign(np.log(x)), [1e-6])


@pytest.mark.parametrize("at", [[1.0, -1.5, 2.0], [0.3]])
def test_a_stale_mask(at):
    """The derivatives are right where it is checked; but replayed elsewhere the graph keeps the mask of here."""

    class Stale(Rectifier):
        __slots__ = ()

        def bprop(self, adjoint):
            return adjoint * (self.value > 0).astype(np.float64)

    mg.check_gradients(Stale, at)
    text = failure(lambda x: np.tanh(Stale(x)), at, order=2)
    assert "f called anew gives other values than its graph replayed" in text
    assert "The node at fault: Stale" in text


def test_a_branch_of_the_function_itself_is_no_mistake_but_where_it_jumps():
    def f(x):
        return x * x if float(x) > 1 else 2 * x

    mg.check_gradients(f, 1.5, order=3)
    assert "f called anew" in failure(f, 1.0)


def test_names():
    assert failure(lambda *xs: WrongSign(xs[0]), X).startswith("f: the derivative of order 1 by x0 is")
    assert "∂²y[0]/∂x[0]∂x[0] is 0 by bprop, but 9 by" in failure(Cut, [1.5], order=2)
    assert "∂y1[0]/∂b[0]" in failure(lambda a, b: (a * 1.0, WrongSign(b)), [1.0], [2.0])
    assert "∂y/∂x is -12 by bprop, but 12 by" in failure(WrongSign, 2.0)
    assert "With the outputs weighted at random, it is" in failure(WrongSign, np.ones(101))


# Bad input ---------------------------------------------------------------------------------------------------------


def test_bad_input():
    with pytest.raises(ValueError, match="order=0"):
        mg.check_gradients(Cube, X, order=0)
    with pytest.raises(TypeError, match="no floating-point array"):
        mg.check_gradients(Cube, np.array([1, 2]))
    with pytest.raises(TypeError, match="f gives a node or several, not ndarray"):
        mg.check_gradients(lambda x: x.value, X)
    with pytest.raises(TypeError, match="f gives a node or several, not list"):
        mg.check_gradients(lambda x: [], X)
    with pytest.raises(TypeError, match="bool, and only floating-point nodes have derivatives"):
        mg.check_gradients(lambda x: x > 0, X)
    with pytest.raises(TypeError, match="takes real numbers or booleans"):
        mg.check_gradients(Cube, X * 1j)
