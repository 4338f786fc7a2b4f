"""The Taylor model: exact where it must be, and the Hessian against recorded numbers and finite differences."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import RNN, Dense, Sequential, losses, penalties
from minigrad.optim import TaylorModel, hessian_by_differences, hessian_cost, taylor_model

A = np.array([[3.0, 1.0, -0.5], [1.0, 2.0, 0.25], [-0.5, 0.25, 1.5]])
B = np.array([1.0, -2.0, 0.5])


def quadratic(w):
    return 0.5 * (w @ A @ w) + B @ w + 4.0


@pytest.mark.row("SEC-01")
def test_the_model_of_a_quadratic_is_exact():
    w = mg.Parameter([0.3, -1.0, 2.0], name="w")
    model = taylor_model(quadratic(w), [w])
    assert isinstance(model, TaylorModel)
    np.testing.assert_allclose(model.gradient, A @ w.value + B, rtol=1e-14)
    np.testing.assert_allclose(model.hessian, A, rtol=1e-14)
    for d in np.random.default_rng(0).normal(size=(5, 3)) * [[1], [10], [100], [0.1], [0]]:
        moved = float(quadratic(mg.Constant(model.point + d)).value)
        assert model(d) == pytest.approx(moved, rel=1e-13)
        assert model([d]) == model(d)
    np.testing.assert_allclose(model.eigenvalues(), np.linalg.eigvalsh(A), rtol=1e-13)


def test_the_error_of_the_model_is_of_third_order():
    W, b = mg.Parameter([[0.3, -0.7], [0.2, 0.5]], name="W"), mg.Parameter([0.1, -0.2], name="b")

    def loss():
        return np.tanh(np.array([0.4, -0.8]) @ W.T + b).sum() + (W**3).sum() * b[0]

    model = taylor_model(loss, [W, b])
    at = [p.value.copy() for p in (W, b)]
    d = [np.array([[0.5, -1.0], [0.3, 0.8]]), np.array([-0.6, 0.9])]
    errors = []
    for h in (1e-2, 5e-3):
        for parameter, value, part in zip((W, b), at, d, strict=True):
            parameter.value = value + h * part
        errors.append(abs(float(loss()) - model([h * part for part in d])))
    assert errors[0] / errors[1] == pytest.approx(8, rel=0.05)


@pytest.mark.row("SEC-02")
def test_the_stationarity_equation_is_solved(monkeypatch):
    w = mg.Parameter([0.3, -1.0, 2.0])
    model = taylor_model(quadratic(w), [w])
    monkeypatch.setattr(np.linalg, "inv", None)
    for damping in (0.0, 0.7):
        d = model.step(damping)
        residual = model.gradient + (A + damping * np.eye(3)) @ d
        np.testing.assert_allclose(residual, 0, atol=1e-14)
    near = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-9]])  # an inverse would leave a residual of 1e-8
    model = TaylorModel(0.0, np.array([1.0, 2.0]), near, np.zeros(2), 2.2e-16)
    np.testing.assert_allclose(model.gradient + near @ model.step(), 0, atol=1e-15 * np.abs(model.step()).max())


# The loss ½ Σ (σ(v' tanh(W x + b) + c) − y)² of a 2-2-1 net over the two examples below, differentiated by SymPy 1.14 in rational
# numbers; entries w11 w12 w21 w22 b1 b2 v1 v2 c, the lower triangle.
X, Y = np.array([[0.5, -1.0], [1.2, 0.4]]), np.array([0.3, 0.9])
LOSS = 0.0855500432607680
GRADIENT = [
    *[-0.023004590668247647, -0.06812558010534724, 0.025716588670579094, 0.04380751163670195, 0.011058199384425968],
    *[0.003812832852228121, -0.02262461307318634, -0.024698801275138852, 0.012824234169041134],
]
TRIANGLE = """
 0.0798885421708
 0.00979796518784  0.0369290861341
-0.0393506410458  -0.00681907740323  0.0520620797417
-0.00681907740323 -0.0148686316918   0.0338265602065 -0.021669547183
 0.0749895595768  -0.00866657787921 -0.0359411023442  0.000615238442675  0.0793228485164
-0.0359411023442   0.000615238442675 0.0351487996385  0.044661333798    -0.0362487215655  0.0128181327395
-0.0205719793575  -0.0901169978588  -0.0105921222269 -0.00534209950869   0.0244865195719 -0.00792107247253  0.00460886692637
-0.0238444732789   0.00987863876692 -0.0248863522312 -0.0774106553269   -0.0287837926624  0.0138189754323  -0.00282876316512 0.0185823483135
 0.0689899788286  -0.00818706104079 -0.0542061467059  0.000105544950481  0.0730835093489 -0.0542589191811   0.0134097692676 -0.0425697342506 0.109013880282
"""
HESSIAN = np.zeros((9, 9))
HESSIAN[np.tril_indices(9)] = [float(number) for number in TRIANGLE.split()]
HESSIAN = HESSIAN + np.tril(HESSIAN, -1).T


def small_net(dtype):
    arrays = {"W": [[0.1, 0.2], [-0.3, 0.4]], "b": [0.05, -0.1], "v": [0.7, -0.6], "c": 0.2}
    W, b, v, c = (mg.Parameter(np.array(array, dtype), name=name) for name, array in arrays.items())
    x, y = X.astype(dtype), Y.astype(dtype)

    def loss():
        return 0.5 * ((mg.sigmoid(np.tanh(x @ W.T + b) @ v + c) - y) ** 2).sum()

    return loss, [W, b, v, c]


@pytest.mark.row("SEC-05")
@pytest.mark.parametrize(("dtype", "exact", "by_differences"), [("f8", 1e-12, 1e-9), ("f4", 1e-6, 1e-4)])
def test_the_hessian_of_a_2_2_1_net(dtype, exact, by_differences):
    loss, parameters = small_net(dtype)
    model = taylor_model(loss, parameters)
    assert model.value == pytest.approx(LOSS, rel=exact)
    np.testing.assert_allclose(model.gradient, GRADIENT, atol=exact)
    np.testing.assert_allclose(model.hessian, HESSIAN, atol=exact)
    np.testing.assert_array_equal(model.hessian, model.hessian.T)
    before = [p.value.copy() for p in parameters]
    np.testing.assert_allclose(hessian_by_differences(loss, parameters), HESSIAN, atol=by_differences)
    for parameter, array in zip(parameters, before, strict=True):
        np.testing.assert_array_equal(parameter.value, array)
        assert parameter.dtype == dtype


def test_the_hessian_is_the_engines_in_blocks():
    loss, parameters = small_net("f8")
    blocks = mg.hessian(loss(), parameters)
    whole = np.block(
        [
            [b.value.reshape(p.size, q.size) for b, q in zip(row, parameters, strict=True)]
            for row, p in zip(blocks, parameters, strict=True)
        ]
    )
    np.testing.assert_allclose(taylor_model(loss, parameters).hessian, whole, atol=1e-16)


def test_the_hessian_of_a_recurrent_net_penalized_on_its_adjoints():
    """Third derivatives of the net are in it."""
    net = RNN(1, 2, 2, dtype=np.float64, rng=0)
    u, y = np.random.default_rng(0).normal(size=(3, 4, 1)), np.array([0, 1, 1])

    def loss():
        states = net.states(mg.Input(u))
        bare = losses.cross_entropy(net.readout(states[-1]), y)
        return bare + penalties.Omega(0.5)(bare, states) + penalties.L2(0.1)(net)

    parameters = list(net.parameters())
    found = taylor_model(loss, parameters).hessian
    np.testing.assert_allclose(found, hessian_by_differences(loss, parameters), atol=2e-8)


def test_frozen_parameters_are_left_out_and_unreached_ones_have_zeros():
    W, frozen, idle = mg.Parameter([2.0, 1.0]), mg.Parameter([3.0, 1.0]), mg.Parameter([5.0])
    frozen.trainable = False
    model = taylor_model(lambda: (W**2 * frozen).sum(), [W, frozen, idle])
    np.testing.assert_array_equal(model.hessian, np.diag([6.0, 2.0, 0.0]))
    linear = taylor_model(lambda: (W * frozen).sum(), [W])
    np.testing.assert_array_equal(linear.hessian, np.zeros((2, 2)))


@pytest.mark.row("SEC-06")
def test_what_a_hessian_costs_is_guarded():
    for n in (10, 1000, 30_000):
        once, twice = hessian_cost(n), hessian_cost(2 * n)
        assert once.n_bytes == np.zeros((1, 1)).nbytes * n * n
        assert twice.n_bytes == 4 * once.n_bytes
        assert twice.multiplications == pytest.approx(8 * once.multiplications, rel=1e-2)
    assert hessian_cost(100).multiplications == pytest.approx(eliminations(100), rel=0.02)
    W = mg.Parameter(np.zeros((50, 41)), name="W")
    calls = []

    def loss():
        calls.append(1)
        return (W**2).sum()

    message = r"taylor_model: the Hessian of 2050 parameters takes 0\.034 GB, 2050 sweeps and 3e\+09 mult.*limit is 2000.*conjugate.*most_parameters="
    with pytest.raises(ValueError, match=message):
        taylor_model(loss, [W])
    with pytest.raises(ValueError, match="hessian_by_differences: the Hessian of 2050 parameters"):
        hessian_by_differences(loss, [W])
    assert not calls  # refused before anything is computed
    few = mg.Parameter(np.zeros(3))
    with pytest.raises(ValueError, match="limit is 2"):
        taylor_model(lambda: (few**2).sum(), [few], most_parameters=2)
    assert taylor_model(lambda: (few**2).sum(), [few], most_parameters=3).hessian.nbytes == hessian_cost(3).n_bytes


def eliminations(n):
    """The multiplications of Gaussian elimination, counted: pivot k changes rows k+1..n−1 from column k+1 on."""
    return sum((n - 1 - k) ** 2 for k in range(n))


def test_the_products_that_make_a_hessian_are_as_many_as_parameters(monkeypatch):
    from minigrad.optim.second_order.objective import Objective

    products, product = [], Objective.product
    monkeypatch.setattr(Objective, "product", lambda self, v: products.append(1) or product(self, v))
    loss, parameters = small_net("f8")
    taylor_model(loss, parameters)
    assert len(products) == 9


@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        (lambda w: w**2, ValueError, r"taylor_model: expected a loss of one floating-point element, found .*: sum it"),
        (
            lambda w: 3.0,
            TypeError,
            "expected the loss as a node, or a function of no arguments that builds it, found float",
        ),
        (lambda w: mg.Constant(3.0), ValueError, r"does not depend on Parameter.*not of their \.value"),
        (lambda w: np.log(w.sum() * 0.0), FloatingPointError, "the loss is -inf, and nothing was changed"),
        (lambda w: np.sqrt(w - 1).sum(), FloatingPointError, r"the gradient of .* is not finite"),
        (lambda w: (np.abs(w - 1) ** 1.5).sum(), FloatingPointError, "a second derivative of the loss is not finite"),
    ],
)
def test_losses_that_have_no_model(loss, error, message):
    w = mg.Parameter([1.0, 2.0], name="w")
    with np.errstate(all="ignore"), pytest.raises(error, match=message):
        taylor_model(lambda: loss(w), [w])


def test_parameters_of_two_dtypes_and_others_are_refused():
    v, w = mg.Parameter(np.ones(2, "f4")), mg.Parameter(np.ones(2))
    with pytest.raises(
        TypeError, match="taylor_model: the parameters hold float32 and float64: make them all of one dtype"
    ):
        taylor_model(lambda: (w * v).sum(), [v, w])
    net = Sequential(Dense(2, 1, rng=0))
    with pytest.raises(TypeError, match=r"pass its \.parameters\(\)"):
        taylor_model(lambda: (w**2).sum(), net)
    model = taylor_model(lambda: (w**2).sum(), [w])
    with pytest.raises(ValueError, match="the displacement has 3 entries, the parameters have 2"):
        model([1.0, 2.0, 3.0])
    with pytest.raises(TypeError, match="expected a function of no arguments"):
        hessian_by_differences((w**2).sum(), [w])


def test_differences_go_farther_at_large_entries():
    w = mg.Parameter([1e6, 1e-3, -2.0])
    found = hessian_by_differences(lambda: np.log(w**2).sum(), [w], step=1e-5)
    np.testing.assert_allclose(np.diag(found)[[0, 2]], [-2e-12, -0.5], rtol=1e-6)


def test_differences_give_the_parameters_back_when_the_loss_fails():
    w = mg.Parameter([1.0, 2.0])
    calls = []

    def loss():
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("no data")
        return (w**2).sum()

    with pytest.raises(RuntimeError, match="no data"):
        hessian_by_differences(loss, [w])
    np.testing.assert_array_equal(w.value, [1.0, 2.0])


def test_a_singular_hessian_says_what_to_do():
    w = mg.Parameter([1.0, 2.0])
    model = taylor_model((w.sum()) ** 2, [w])
    with pytest.raises(
        ValueError, match=r"the Hessian is singular: .* largest is 4, .* flat .*: give a damping, such as 0\.004"
    ):
        model.step()
    np.testing.assert_allclose(model.step(0.004), -6 / 4.004 * np.ones(2), rtol=1e-12)
