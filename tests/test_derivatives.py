"""Jacobian, Hessian and the products, against closed forms and against each other."""

import numpy as np
import pytest

import minigrad as mg

rng = np.random.default_rng(5)
M = rng.normal(size=(3, 4))
W0 = rng.normal(size=(2, 3))
X = rng.normal(size=(3, 4))


def tanh_layer():
    W, x = mg.Parameter(W0, name="W"), mg.Input(X, name="x")
    return np.tanh(W @ x), W, x


def layer_jacobian():
    """∂ tanh(W x)_ij / ∂ W_kl = (1 − y²)_ij δ_ik x_lj."""
    slope = 1 - np.tanh(W0 @ X) ** 2
    return np.einsum("ij,ik,lj->ijkl", slope, np.eye(2), X)


def test_jacobian_by_columns_and_by_rows():
    """Six inputs and eight outputs make columns, twelve inputs make rows."""
    y, W, x = tanh_layer()
    by_W, by_x = mg.jacobian(y, W), mg.jacobian(y, x)
    assert by_W.shape == (2, 4, 2, 3)
    assert by_x.shape == (2, 4, 3, 4)
    np.testing.assert_allclose(by_W.value, layer_jacobian(), rtol=1e-12)
    slope = 1 - y.value**2
    np.testing.assert_allclose(by_x.value, np.einsum("ij,il,jm->ijlm", slope, W0, np.eye(4)), rtol=1e-12)


def test_jacobian_of_several_inputs():
    y, W, x = tanh_layer()
    for found, single in zip(mg.jacobian(y, [W, x]), [mg.jacobian(y, W), mg.jacobian(y, x)], strict=True):
        np.testing.assert_allclose(found.value, single.value, rtol=1e-12)
    a, b = mg.Input(2.0), mg.Input(3.0)
    by_a, by_b = mg.jacobian(a * b * np.ones(5), (a, b))
    np.testing.assert_array_equal([by_a.value, by_b.value], [np.full(5, 3.0), np.full(5, 2.0)])


@pytest.mark.parametrize("shapes", [((), (3,)), ((3,), ()), ((), ()), ((0,), (3,)), ((3,), (0,)), ((1, 1), (1,))])
def test_jacobian_of_every_shape(shapes):
    n_out, n_in = shapes
    x = mg.Input(np.ones(n_in))
    y = (x * 2).sum() * np.ones(n_out)
    found = mg.jacobian(y, x)
    assert found.shape == n_out + n_in
    np.testing.assert_array_equal(found.value, np.full(n_out + n_in, 2.0))


def test_without_dependence_all_are_zero():
    x, y = mg.Input(X), mg.Input(np.ones(2))
    assert mg.jacobian(y, x).shape == (2, 3, 4)
    assert not mg.jacobian(y, x).value.any()
    assert not mg.hessian(x.sum(), x).value.any()
    assert not mg.hessian_vector_product(x.sum(), x, X).value.any()
    assert not mg.jacobian_vector_product(y, x, X).value.any()
    assert not mg.jacobian(mg.Constant(X), x).value.any()


@pytest.mark.row("ENG-20")
def test_hessian_of_a_quadratic():
    A = rng.normal(size=(4, 4))
    x = mg.Input(rng.normal(size=4))
    H = mg.hessian(x @ A @ x * 0.5 + x.sum(), x)
    np.testing.assert_allclose(H.value, (A + A.T) / 2, atol=1e-12)


def net():
    """A 2-2-1 net with its squared error on four examples, and its parameters."""
    U = mg.Constant([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    W = mg.Parameter([[0.5, -1.0], [1.5, 0.25]], name="W")
    b = mg.Parameter([0.1, -0.2], name="b")
    V = mg.Parameter([[1.0, -2.0]], name="V")
    error = np.tanh(U @ W.T + b) @ V.T - mg.Constant([[0.0], [1.0], [1.0], [0.0]])
    return (error * error).sum(), [W, b, V]


def test_hessian_of_a_net_is_symmetric_and_equals_differences():
    loss, parameters = net()
    blocks = mg.hessian(loss, parameters)
    sizes = [p.size for p in parameters]
    H = np.block([[blocks[i][j].value.reshape(sizes[i], sizes[j]) for j in range(3)] for i in range(3)])
    np.testing.assert_allclose(H, H.T, atol=1e-12)
    np.testing.assert_allclose(mg.hessian(loss, parameters[0]).value, blocks[0][0].value)
    graph = mg.Graph(*mg.gradients(loss, parameters))

    def flat():
        return np.concatenate([g.ravel() for g in graph.fprop()])

    step, column = 1e-6, 0
    for parameter in parameters:
        for entry in np.ndindex(parameter.shape):
            before = parameter.value.copy()
            moved = before.copy()
            moved[entry] += step
            parameter.value = moved
            up = flat()
            moved[entry] -= 2 * step
            parameter.value = moved
            np.testing.assert_allclose(H[:, column], (up - flat()) / (2 * step), atol=1e-8)
            parameter.value = before
            column += 1


def test_products_equal_the_matrices():
    loss, parameters = net()
    vectors = [rng.normal(size=p.shape) for p in parameters]
    blocks = mg.hessian(loss, parameters)
    products = mg.hessian_vector_product(loss, parameters, vectors)
    for i, product in enumerate(products):
        expected = sum(
            np.tensordot(blocks[i][j].value, v, axes=(range(-v.ndim, 0), range(v.ndim))) for j, v in enumerate(vectors)
        )
        np.testing.assert_allclose(product.value, expected, rtol=1e-10)
    W, v = parameters[0], vectors[0]
    np.testing.assert_allclose(
        mg.hessian_vector_product(loss, W, v).value, np.einsum("ijkl,kl->ij", blocks[0][0].value, v), rtol=1e-10
    )
    y, W, x = tanh_layer()
    v, u = rng.normal(size=W.shape), rng.normal(size=x.shape)
    by_W = np.einsum("ijkl,kl->ij", layer_jacobian(), v)
    np.testing.assert_allclose(mg.jacobian_vector_product(y, W, v).value, by_W, rtol=1e-10)
    both = mg.jacobian_vector_product(y, [W, x], [v, u])
    np.testing.assert_allclose(both.value, by_W + np.einsum("ijkl,kl->ij", mg.jacobian(y, x).value, u), rtol=1e-10)


def test_all_can_be_differentiated_again():
    at = np.array([0.3, -0.4])
    v = np.array([1.0, 2.0])
    mg.check_gradients(lambda x: mg.jacobian(np.tanh(x) * x.sum(), x), at, order=2)
    mg.check_gradients(lambda x: mg.hessian((np.tanh(x) * x.sum()).sum(), x), at, order=2)
    # v may depend on x: its own path counts
    mg.check_gradients(lambda x: mg.hessian_vector_product(np.tanh(x).sum(), x, v * x), at, order=2)
    mg.check_gradients(lambda x: mg.jacobian_vector_product(np.tanh(x) * x, x, v * x), at, order=2)


def test_products_build_no_matrix():
    """On 10,000 entries the matrices would take 800 MB; no node of the products' graphs is larger than its input."""
    x = mg.Input(np.linspace(-1, 1, 10_000))
    y = np.tanh(x) * x
    for product in (mg.jacobian_vector_product(y, x, x), mg.hessian_vector_product(y.sum(), x, x)):
        assert max(node.size for node in mg.Graph(product).nodes) == 10_000
    slope, curvature = (np.tanh(x.value), 1 / np.cosh(x.value) ** 2)
    np.testing.assert_allclose(
        mg.jacobian_vector_product(y, x, x.value).value, (slope + x.value * curvature) * x.value, rtol=1e-10
    )


def test_dtypes_follow_the_inputs():
    x, y = mg.Input(np.ones(2, np.float32)), mg.Input(np.ones(3))
    z = np.tanh(x).sum() * np.tanh(y)
    assert mg.jacobian(z, x).dtype == np.float32
    assert mg.jacobian(z, y).dtype == np.float64
    assert mg.hessian(z.sum(), x).dtype == np.float32
    assert mg.hessian_vector_product(z.sum(), [x, y], [np.ones(2), np.ones(3)])[0].dtype == np.float32
    assert mg.jacobian_vector_product(z, x, np.ones(2)).dtype == np.float64


def test_errors():
    y, W, _ = tanh_layer()
    with pytest.raises(ValueError, match=r'the vector for Parameter "W" \(2, 3\) has its shape, not \(3, 2\)'):
        mg.hessian_vector_product(y.sum(), W, np.zeros((3, 2)))
    with pytest.raises(ValueError, match="1 inputs need as many vectors, not 2"):
        mg.jacobian_vector_product(y, [W], [W0, W0])
    with pytest.raises(ValueError, match="is not a scalar"):
        mg.hessian(y, W)
    with pytest.raises(ValueError, match="no input to differentiate by"):
        mg.jacobian(y, [])
    with pytest.raises(TypeError, match="of nodes by nodes, not ndarray"):
        mg.jacobian(y, W0)
    with pytest.raises(TypeError, match="of nodes by nodes, not float"):
        mg.jacobian_vector_product(1.0, W, W0)
    with pytest.raises(TypeError, match="int64"):
        mg.jacobian(y, mg.Input([1, 2]))
