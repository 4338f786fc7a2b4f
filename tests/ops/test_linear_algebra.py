"""Linear algebra: values as NumPy's in every form, the rules' nodes, reference derivatives, errors."""

import re
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.graph import ancestry
from minigrad.ops import linear_algebra, matmul

rng = np.random.default_rng(0)
A3, B3 = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 4, 5))
S = rng.normal(size=(2, 3, 3)) + 4 * np.eye(3)
V3, V4 = rng.normal(size=3), rng.normal(size=4)
POSITIVE = S @ S.mT
stacked_vecdot: Any = np.linalg.vecdot  # NumPy's stubs miss its axis


def leaf(array):
    """An Input; untyped, since NumPy's stubs know no nodes."""
    return mg.Input(array)


def kinds(*outputs):
    return [type(node).__name__ for node in ancestry(outputs)]


def adjoints(y, *inputs, seed=None):
    return [g.value for g in mg.gradients(y, inputs, adjoint=np.ones_like(y.value) if seed is None else seed)]


# Products ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda a: a @ B3,
        lambda a: A3.mT @ a,
        lambda a: a @ V4,
        lambda a: V3 @ a,
        lambda a: np.matmul(a, B3[0]),
        lambda a: np.linalg.matmul(a, B3),
        lambda a: np.dot(a, B3),
        lambda a: np.dot(2.0, a),
        lambda a: a[0].dot(V4),
        lambda a: np.dot(V4, a[0, 0]),
        lambda a: np.inner(a, A3),
        lambda a: np.inner(a, 3.0),
        lambda a: np.inner(V4, a[0, 0]),
        lambda a: np.vdot(a, A3 + 1),
        lambda a: np.outer(a, V3),
        lambda a: np.linalg.outer(V3, a[0, 0]),
        lambda a: np.vecdot(a, V4),
        lambda a: stacked_vecdot(a, A3[:1], axis=1),
        lambda a: np.tensordot(a, A3, 0),
        lambda a: np.tensordot(a, A3, 3),
        lambda a: np.tensordot(a, B3, axes=(2, 1)),
        lambda a: np.tensordot(a, B3, axes=([0, -1], [0, 1])),
        lambda a: np.tensordot(B3, a, axes=([1, 0], [2, 0])),
        lambda a: np.linalg.tensordot(a, V4, axes=1),
        lambda a: np.kron(a, B3),
        lambda a: np.kron(V3, a),
        lambda a: np.kron(2.0, a),
        lambda a: np.cross(a[..., :3], V3),
        lambda a: np.cross(V3, a, axisb=1, axisc=0),
        lambda a: np.cross(a, a[::-1], axis=1),
        lambda a: np.linalg.cross(a, A3[:, :, :1] + V4, axis=1),
        lambda a: np.linalg.multi_dot([V3, a[0], B3[0], B3[1].T]),
        lambda a: np.trace(a),
        lambda a: a.trace(1, 2, 0),
        lambda a: np.linalg.trace(a, offset=-1),
        lambda a: np.diag(a[0], 1),
        lambda a: np.diag(a[0, 0], -2),
        lambda a: np.diagflat(a[0], 1),
        lambda a: np.linalg.matrix_power(a[:, :, :3], 5),
        lambda a: np.linalg.matrix_power(a[:, :, :3], 0),
        lambda a: np.linalg.matrix_power(a[:, :, :3], -3),
    ],
)
def test_every_form_is_numpys(call):
    expected = np.asarray(call(A3))
    found = call(leaf(A3))
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(found.value, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("number", [2, 2.5])
@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_products_do_not_adapt_a_numbers_dtype(dtype, number):
    """NumPy makes an array of it first, of int64 or float64; * and @ are its operators on numbers."""
    x = np.array([1, 2, 3], dtype)
    calls = [
        lambda x: np.dot(x, number),
        lambda x: np.inner(number, x),
        lambda x: np.outer(x, number),
        lambda x: np.vdot(x[:1], number),
        lambda x: np.kron(x, number),
        lambda x: np.tensordot(x, number, 0),
        lambda x: np.einsum("i,->i", x, number),
    ]
    for call in calls:
        np.testing.assert_array_equal(call(leaf(x)).value, np.asarray(call(x)), strict=True)


def test_multi_dot_of_two_is_dot():
    for a, b in ((A3, B3), (V3, V3), (np.float64(2.0), A3), (A3, V4)):
        found = np.linalg.multi_dot([leaf(np.asarray(a)), b])
        np.testing.assert_allclose(found.value, np.linalg.multi_dot([a, b]), rtol=1e-12, strict=True)


def test_vecdot_of_booleans_is_boolean():
    x = np.array([[True, False], [False, False]])
    np.testing.assert_array_equal(np.vecdot(leaf(x), x).value, np.vecdot(x, x), strict=True)
    mg.check_gradients(lambda a, b: np.sin(stacked_vecdot(a, b, axis=0)), A3, A3[:, :1] + 1, order=2)


def test_a_step_of_a_recurrent_net_takes_few_nodes():
    """x @ W.T sends one product each way; to x not even a transpose."""
    x, W = leaf(rng.normal(size=(20, 50))), mg.Parameter(rng.normal(size=(30, 50)))
    y = x @ W.T
    assert kinds(y) == ["Input", "Parameter", "MatrixTranspose", "MatMul"]
    to_x, to_W = mg.gradients(y, [x, W], adjoint=np.ones((20, 30)))
    assert kinds(to_x) == ["Parameter", "Constant", "MatMul"]
    assert kinds(to_W) == ["Input", "Constant", "MatrixTranspose", "MatMul", "MatrixTranspose"]
    np.testing.assert_allclose(to_W.value, np.ones((20, 30)).T @ x.value)


def test_one_matrix_for_a_stack_gets_one_product():
    x, W = leaf(rng.normal(size=(6, 5, 4))), leaf(rng.normal(size=(4, 3)))
    (to_W,) = mg.gradients(x @ W, [W], adjoint=np.ones((6, 5, 3)))
    assert max(node.size for node in ancestry([to_W])) == x.size  # no stack of (6, 4, 3)
    np.testing.assert_allclose(to_W.value, (x.value.mT @ np.ones((6, 5, 3))).sum(0))


@pytest.mark.row("ENG-07", "ENG-17")
def test_affine_node_entry_by_entry():
    """a = b + W h, W not square: dW = δ h', db = δ, dh = W' δ, as a loop over the entries has it."""
    W, h, b, delta = rng.normal(size=(3, 5)), rng.normal(size=5), rng.normal(size=3), rng.normal(size=3)
    nodes = [mg.Parameter(a) for a in (W, h, b)]
    a = nodes[0] @ nodes[1] + nodes[2]
    dW, dh = np.zeros_like(W), np.zeros_like(h)
    for i in range(3):
        for j in range(5):
            dW[i, j] += delta[i] * h[j]
            dh[j] += W[i, j] * delta[i]
    for found, expected in zip(adjoints(a, *nodes, seed=delta), (dW, dh, delta), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    mg.check_gradients(lambda W, h, b: np.tanh(b + W @ h), W, h, b, order=2)


@pytest.mark.row("ENG-08")
def test_bias_of_a_batch():
    """A batch of 5 equals the sum of 5 single gradients."""
    X, W, b, delta = (rng.normal(size=s) for s in ((5, 4), (3, 4), 3, (5, 3)))
    bias = mg.Parameter(b)
    (whole,) = adjoints(np.tanh(X @ W.T + bias), bias, seed=delta)
    singles = [adjoints(np.tanh(W @ x + bias), bias, seed=d)[0] for x, d in zip(X, delta, strict=True)]
    np.testing.assert_allclose(whole, sum(singles), rtol=1e-12)


@pytest.mark.row("ENG-26")
def test_the_tensor_of_derivatives_is_never_built():
    """dL/dW = δ x' equals δ contracted with the explicit 3-tensor da_i/dW_jk = 1[i=j] x_k."""
    W, x, delta = rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=3)
    node = mg.Parameter(W)
    (to_W,) = mg.gradients(node @ x, [node], adjoint=delta)
    tensor = np.einsum("ij,k->ijk", np.eye(3), x)
    np.testing.assert_allclose(to_W.value, np.einsum("i,ijk->jk", delta, tensor), rtol=1e-12)
    np.testing.assert_allclose(mg.jacobian(node @ x, node).value, tensor, rtol=1e-12)
    assert max(n.size for n in ancestry([to_W])) == 12


# Einstein's summation ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("ij,jk", A3[0], B3[0]), ("ij,jk->ki", A3[0], B3[0]), ("bij,bjk->bik", A3, B3),
        ("...ij,...jk->...ik", A3, B3), ("...ij,jk", A3, B3[0]), ("i...->...", A3),
        ("ii", S[0]), ("ii->i", S[0]), ("...ii->...i", S), ("bii,b->b", S, V3[:2]),
        ("iij,jk,kl->l", np.stack([A3[0], A3[1], A3[0]])[:, :, 1:], A3[0], B3[1]), ("ij->", A3[0]), ("ba", A3[0]),
        ("i,j,k->ijk", V3, V4, V3), ("i,i", V3, V3), (" i j , j -> i ", A3[0], V4),
        ("ij,ij->ij", V3[:, None], A3[0]), (",i->i", 2.0, V3), ("...,...", A3, V4),
        ("", 3.0), (A3[0], [0, 1], B3[0], [1, 2]), (A3[0], [0, 1], B3[0], [1, 2], [2, 0]),
        (A3, [..., 0, 1], V4, [1], [..., 0]), (S[0], [5, 5]), (S[0], [5, 5], [5]),
        ("iii->i", np.arange(27.0).reshape(3, 3, 3)),
    ],
)  # fmt: skip
def test_every_form_of_einsum(arguments):
    expected = np.asarray(np.einsum(*arguments))
    given = [leaf(a) if isinstance(a, np.ndarray) else a for a in arguments]
    inputs = [a for a in given if isinstance(a, mg.Input)]
    found = np.einsum(*given) if inputs else linear_algebra.einsum(*given)
    np.testing.assert_allclose(found.value, expected, rtol=1e-12, strict=True)
    if inputs:
        call = with_inputs(given)
        mg.check_gradients(lambda *xs: np.sin(call(*xs)), *[x.value for x in inputs], order=2)


def with_inputs(given):
    """einsum of the given arguments, with other nodes in the places of its inputs."""

    def call(*xs):
        rest = iter(xs)
        return linear_algebra.einsum(*[next(rest) if isinstance(a, mg.Input) else a for a in given])

    return call


def test_einsum_optimized():
    a, b = leaf(A3), leaf(B3)
    found = np.einsum("bij,bjk,bil->kl", a, b, A3, optimize=True)
    np.testing.assert_allclose(found.value, np.einsum("bij,bjk,bil->kl", A3, B3, A3), rtol=1e-12)
    assert kinds(found).count("Einsum") == 1


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda a: np.einsum("ij,jk", a), "names 2 arrays, and 1 are given"),
        (lambda a: np.einsum("ijk", a), r"'ijk' names 3 axes, and array 0 is Input \(3, 4\)"),
        (lambda a: np.einsum("...ijk", a), r"names 3 axes, and array 0 is Input \(3, 4\)"),
        (lambda a: np.einsum("ij,jk", a, A3[0]), "index 'j' is 4 long in one array and 3 in another"),
        (lambda a: np.einsum("ii", a), r"index 'i' stands for two axes of different lengths of Input \(3, 4\)"),
        (lambda a: np.einsum("ij->ik", a), "names each index once, and only indices of the arrays"),
        (lambda a: np.einsum("ij->ii", a), "names each index once"),
        (lambda a: np.einsum("i1", a), "indices are letters"),
        (lambda a: np.einsum("..ij", a), "an ellipsis is three dots"),
        (lambda a: linear_algebra.einsum(), "write the indices and the arrays"),
    ],
)
def test_einsum_errors(call, text):
    with pytest.raises(ValueError, match=text):
        call(leaf(A3[0]))


# Solving, inverting --------------------------------------------------------------------------------------------------


def test_solve_takes_vectors_and_matrices_as_numpy_2_does():
    a = leaf(S)
    for b in (V3, rng.normal(size=(3, 2)), rng.normal(size=(2, 3, 2)), rng.normal(size=(4, 1, 3, 1))):
        np.testing.assert_allclose(np.linalg.solve(a, b).value, np.linalg.solve(S, b), rtol=1e-12, strict=True)
        np.testing.assert_allclose(
            np.linalg.solve(S[0], leaf(b)).value, np.linalg.solve(S[0], b), rtol=1e-12, strict=True
        )
    np.testing.assert_allclose(np.linalg.inv(a).value, np.linalg.inv(S), rtol=1e-12)
    np.testing.assert_allclose(np.linalg.det(a).value, np.linalg.det(S), rtol=1e-12)


def test_slogdet():
    """The sign has no adjoint; the logarithm has that of ln |det A|."""
    flipped = S * [[[1.0]], [[-1.0]]]
    x = leaf(flipped)
    sign, logabsdet = found = np.linalg.slogdet(x)
    expected = np.linalg.slogdet(flipped)
    np.testing.assert_allclose(found.sign.value, expected.sign)
    np.testing.assert_allclose(logabsdet.value, expected.logabsdet, rtol=1e-12)
    assert sign.value.tolist() == [1, -1]
    assert not adjoints(sign, x)[0].any()
    np.testing.assert_allclose(adjoints(logabsdet, x)[0], np.linalg.inv(flipped).mT, rtol=1e-12)


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_a_singular_matrix_has_cofactors(rank):
    """The determinant is linear in each entry, so two values of it give its derivative: 0 at rank n − 2 and below."""
    a = rng.normal(size=(3, rank)) @ rng.normal(size=(rank, 3))
    expected = np.zeros((3, 3))
    for i, j in np.ndindex(3, 3):
        minor = np.delete(np.delete(a, i, 0), j, 1)
        expected[i, j] = (-1) ** (i + j) * (minor[0, 0] * minor[1, 1] - minor[0, 1] * minor[1, 0])
    x = leaf(np.stack([a, np.eye(3)]))
    (found,) = adjoints(np.linalg.det(x), x, seed=[2.0, 1.0])
    np.testing.assert_allclose(found, [2 * expected, np.eye(3)], atol=1e-13)


def test_cholesky_answers_changes_of_the_triangle_it_reads():
    """Ā is lower triangular as NumPy reads A, and ⟨Ā, dA⟩ is the change of ⟨L̄, L⟩ for every dA, symmetric or not."""
    seed = rng.normal(size=POSITIVE.shape)
    x = leaf(POSITIVE)
    (found,) = adjoints(np.linalg.cholesky(x), x, seed=seed)
    np.testing.assert_array_equal(found, np.tril(found))
    step = 1e-6
    for symmetric in (False, True):
        change = rng.normal(size=POSITIVE.shape)
        change = change + change.mT if symmetric else change
        up, down = (np.linalg.cholesky(POSITIVE + s * change) for s in (step, -step))
        np.testing.assert_allclose((found * change).sum(), (seed * (up - down)).sum() / (2 * step), rtol=1e-7)
    upper = np.linalg.cholesky(x, upper=True)
    np.testing.assert_allclose(upper.value, np.linalg.cholesky(POSITIVE, upper=True), rtol=1e-12)
    np.testing.assert_allclose(adjoints(upper, x, seed=seed.mT)[0], found.mT, rtol=1e-12)
    mg.check_gradients(np.linalg.cholesky, POSITIVE, order=2)
    mg.check_gradients(lambda a: np.linalg.cholesky(a, upper=True), POSITIVE, order=2)


def test_matrix_power_squares():
    x = leaf(S)
    assert kinds(np.linalg.matrix_power(x, 13)).count("MatMul") == 5
    mg.check_gradients(lambda x: np.linalg.matrix_power(x / 4, -3), S, order=2)
    assert not adjoints(np.linalg.matrix_power(x, 0) * 1.0, x)[0].any()


# Norms ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [None, 2, 1, np.inf, -np.inf, 0, 3, 0.5, -1.5])
@pytest.mark.parametrize("keepdims", [False, True])
def test_vector_norms(p, keepdims):
    x = leaf(A3)
    for axis in (0, -1):
        expected = np.linalg.norm(A3, p, axis, keepdims)
        np.testing.assert_allclose(np.linalg.norm(x, p, axis, keepdims).value, expected, rtol=1e-12, strict=True)
    expected = np.asarray(np.linalg.norm(V4, p, keepdims=keepdims))
    found = np.linalg.norm(leaf(V4), ord=p, keepdims=keepdims)
    np.testing.assert_allclose(found.value, expected, rtol=1e-12, strict=True)
    if p is not None:
        for axis in (None, 1, (0, 2)):
            expected = np.asarray(np.linalg.vector_norm(A3, axis=axis, ord=p, keepdims=keepdims))
            found = np.linalg.vector_norm(x, axis=axis, ord=p, keepdims=keepdims)
            np.testing.assert_allclose(found.value, expected, rtol=1e-12, strict=True)


@pytest.mark.parametrize("p", [None, "fro", 1, -1, np.inf, -np.inf])
@pytest.mark.parametrize("keepdims", [False, True])
def test_matrix_norms(p, keepdims):
    x = leaf(A3)
    for axis in ((0, 1), (2, 0), (-1, -2)):
        expected = np.linalg.norm(A3, p, axis, keepdims)
        np.testing.assert_allclose(np.linalg.norm(x, p, axis, keepdims).value, expected, rtol=1e-12, strict=True)
    expected = np.asarray(np.linalg.norm(A3[0], p))
    np.testing.assert_allclose(np.linalg.norm(x[0], p).value, expected, rtol=1e-12, strict=True)
    if p is not None:
        expected = np.linalg.matrix_norm(A3, ord=p, keepdims=keepdims)
        found = np.linalg.matrix_norm(x, ord=p, keepdims=keepdims)
        np.testing.assert_allclose(found.value, expected, rtol=1e-12, strict=True)


def test_norm_of_everything():
    for array in (A3, np.array(-3.0), np.arange(4), np.zeros((0, 2))):
        found = linear_algebra.norm(array)
        np.testing.assert_allclose(found.value, np.linalg.norm(array), rtol=1e-12)
        assert found.dtype == np.float64


def test_the_largest_of_nothing_is_0():
    for shape, axis in (((0,), 0), ((2, 0), 1), ((2, 0), (0, 1)), ((2, 0), (1, 0)), ((0, 2, 3), (1, 2))):
        x = leaf(np.zeros(shape, np.float32))
        for p in (np.inf, 1):
            found = np.linalg.norm(x, p, axis)
            expected = np.zeros(np.zeros(shape).sum(axis).shape, np.float32)
            np.testing.assert_array_equal(found.value, expected, strict=True)
            assert adjoints(found, x)[0].shape == shape
        if axis in (0, 1):
            with pytest.raises(ValueError, match="zero-size array"):
                np.linalg.norm(x, -np.inf, axis)


@pytest.mark.parametrize("p", [2, 3, 1.5, 0.5, -1])
def test_norm_at_zero_has_adjoint_zero(p):
    """At every order, and without a warning."""
    x = leaf([[0.0, 0.0], [3.0, 4.0]])
    if p < 0:
        with np.errstate(divide="ignore"):
            y = np.linalg.norm(x, p, axis=1)
    else:
        y = np.linalg.norm(x, p, axis=1)
    value = y
    for _ in range(3):
        (value,) = mg.gradients(value, [x], adjoint=np.ones_like(value.value))
        assert value.value[0].tolist() == [0, 0]
        assert np.isfinite(value.value).all()
    (first,) = mg.gradients(y, [x], adjoint=np.ones(2))
    if p == 2:
        np.testing.assert_allclose(first.value[1], [0.6, 0.8])


def test_float32_stays_float32():
    a, b, v = (leaf(x.astype(np.float32)) for x in (S, POSITIVE, V3))
    y = np.linalg.solve(a, v) @ np.linalg.inv(a) @ np.linalg.cholesky(b) * np.linalg.det(a / 4).sum()
    y = np.einsum("bij,kjj->", y, b) + np.linalg.norm(a) + np.linalg.slogdet(b).logabsdet.sum()
    first = mg.gradients(y, [a, b, v])
    second = mg.gradients(sum(np.square(g).sum() for g in first), [a, b, v])
    assert {node.dtype for node in ancestry([*first, *second]) if node.dtype.kind == "f"} == {np.dtype(np.float32)}


def test_a_float32_matrix_under_float64_inputs_gets_its_gradient_in_float64_sums():
    """Shared by several products, as by time steps: the adjoint is summed in float64 and then cast, once."""
    W = mg.Parameter(np.ones((2, 2), np.float32))
    x = leaf(np.array([[1.0, 1e-9], [0.0, 1.0]]))
    total = (x @ W).sum() + (-x @ W).sum() * 0.5
    (gradient,) = mg.gradients(total, W)
    assert (gradient.dtype, total.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(gradient.value, np.float32(0.5 * (x.value.T @ np.ones((2, 2)))))


# Errors --------------------------------------------------------------------------------------------------------------


def test_a_product_that_does_not_fit_says_what_does_not():
    x, W = np.tanh(leaf(np.zeros((20, 50)))), mg.Parameter(np.zeros((40, 50)), name="W")
    with mg.scope("rnn"), mg.scope("t=3"), pytest.raises(ValueError, match="does not fit") as caught:
        x @ W
    message = str(caught.value)
    assert re.search(
        r'(?i)matmul in scope "rnn/t=3": \(20, 50\) @ \(40, 50\) does not fit: the left operand\'s last axis is 50, '
        r"the right operand's first is 40",
        message,
    )
    assert "Tanh (20, 50)" in message
    assert 'Parameter "W" (40, 50)' in message
    assert re.search(r"at .*test_linear_algebra\.py:\d+", message)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda a: a @ a, ValueError, r"last axis is 4, the right operand's first is 3 \(the right operand's \.mT would"),
        (lambda a: a @ V3, ValueError, r"\(2, 3, 4\) @ \(3,\) does not fit: .* 4, the right operand's first is 3 "),
        (lambda a: a @ 2.0, ValueError, r"\(2, 3, 4\) @ \(\) does not fit.*with a number write \*"),
        (lambda a: a @ np.ones((3, 4, 1)), ValueError, r"the stacks \(2,\) and \(3,\) do not broadcast"),
        (lambda a: np.dot(a, V3), ValueError, "does not fit"),
        (lambda a: np.dot(a, a), ValueError, r"tensordot: axes \(2,\) of Input \(2, 3, 4\) and \(1,\)"),
        (lambda a: np.tensordot(a, a, 2), ValueError, r"tensordot: axes \(1, 2\).*not of the same lengths"),
        (lambda a: np.tensordot(a, a, a.shape), ValueError, r"tensordot\(axes=.*two lists"),
        (lambda a: np.tensordot(a, a, ([5], [0])), np.exceptions.AxisError, r"tensordot of Input \(2, 3, 4\)"),
        (lambda a: np.vdot(a, V3), ValueError, "does not fit"),
        (lambda a: np.cross(a, a), ValueError, r"cross: vectors of length 3, not Input \(2, 3, 4\).*a\[\.\.\., 0\]"),
        (lambda a: np.diag(a), ValueError, r"diag takes a vector or a matrix.*np\.diagonal\(x, k, -2, -1\)"),
        (np.linalg.inv, np.linalg.LinAlgError, r"linalg\.inv takes square matrices.*a has shape \(2, 3, 4\)"),
        (np.linalg.det, np.linalg.LinAlgError, r"linalg\.det takes square"),
        (np.linalg.slogdet, np.linalg.LinAlgError, r"linalg\.slogdet takes square"),
        (np.linalg.cholesky, np.linalg.LinAlgError, r"linalg\.cholesky takes square"),
        (lambda a: np.linalg.outer(a, V3), ValueError, r"linalg\.outer takes two vectors, not Input \(2, 3, 4\) and Constant \(3,\)"),
        (lambda a: np.vecdot(a, V4[:1]), ValueError, r"vecdot\(axis=-1\): vectors of length 4 do not go with those of length 1"),
        (lambda a: np.vecdot(a, 2.0), ValueError, "axis -1 is out of bounds"),
        (lambda a: np.linalg.multi_dot([a]), ValueError, "multi_dot takes two arrays or more, not 1"),
        (lambda a: np.linalg.multi_dot([a, B3, B3]), np.linalg.LinAlgError, r"takes matrices .*array 0 is Input \(2, 3, 4\)"),
        (lambda a: np.linalg.multi_dot([a[0], V4, V4]), np.linalg.LinAlgError, r"array 1 is Constant \(4,\)"),
        (lambda a: np.linalg.solve(np.eye(3), a[0, 0, 0]), ValueError, r"Solve: b is a vector or matrices .*not of shape \(\)"),
        (lambda a: mg.gradients(mg.gradients(np.linalg.det(0 * a[0, :, :3]), a)[0].sum(), a), np.linalg.LinAlgError, "Inv: Singular"),
        (lambda a: np.tensordot(2.0, a, 1), IndexError, r"tensordot\(axes=1\): .*do not both have so many axes"),
        (lambda a: np.linalg.solve(a, V3), np.linalg.LinAlgError, r"linalg\.solve takes square"),
        (lambda a: np.linalg.solve(np.eye(4), a), ValueError, "Solve: a x = b does not fit: a is 4 by 4, and b has 3 rows"),
        (lambda a: np.tensordot(a, a, 4), ValueError, r"tensordot\(axes=4\): Input .* do not both have so many axes"),
        (lambda a: np.linalg.matrix_power(a, 2), np.linalg.LinAlgError, r"linalg\.matrix_power takes square"),
        (lambda a: np.linalg.inv(0 * a[:, :, :3]), np.linalg.LinAlgError, r"Inv: Singular matrix.*\(2, 3, 3\)"),
        (lambda a: np.linalg.cholesky(-np.eye(3) + 0 * a[:, :, :3]), np.linalg.LinAlgError, "not positive definite"),
        (lambda a: np.linalg.norm(a, 1), ValueError, r"norm of Input \(2, 3, 4\): .* give axis="),
        (lambda a: np.linalg.norm(a, "fro", 0), ValueError, r"norm\(ord='fro'\) is for matrices"),
        (lambda a: np.linalg.norm(a, axis=7), np.exceptions.AxisError, r"norm of Input \(2, 3, 4\): axis 7"),
    ],
)  # fmt: skip
def test_errors_say_what_to_do(call, error, text):
    with pytest.raises(error, match=text):
        call(leaf(A3))


def test_an_operator_on_arrays_gives_a_node():
    np.testing.assert_allclose(matmul(A3, B3).value, A3 @ B3)
    assert set(linear_algebra.__all__) <= set(vars(mg.ops))


def test_the_adjoint_of_a_shared_weight_is_one_product():
    rng = np.random.default_rng(0)
    W, start = mg.Parameter(rng.normal(size=(3, 3))), rng.normal(size=(4, 3))

    def loss(W):
        x = mg.Input(start)
        for _ in range(5):
            x = np.tanh(x @ W.T)
        return (x * x).sum() + W[0, 1] ** 2  # a slice sends a piece of another kind

    (slope,) = mg.gradients(loss(W), [W])
    kinds = [type(node).__name__ for node in mg.Graph(slope).nodes]
    assert kinds.count("SumOfProducts") == 0  # W.T is made anew at each use here
    mg.check_gradients(loss, W.value, order=2)

    def shared(W):
        x, turned = mg.Input(start), W.T
        for _ in range(5):
            x = np.tanh(x @ turned)
        return (x * x).sum() + turned[0, 1] ** 2

    (slope,) = mg.gradients(shared(W), [W])
    kinds = [type(node).__name__ for node in mg.Graph(slope).nodes]
    assert kinds.count("SumOfProducts") == 1
    assert kinds.count("MatMul") == 5 + 4  # forward, and the adjoints of the states in between
    mg.check_gradients(shared, W.value, order=3)


def test_sublists_above_25_keep_their_order():
    a = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(np.einsum(mg.Input(a), [25, 26]).value, np.einsum(a, [25, 26]))
    with pytest.raises(ValueError, match=r"0\.\.51"):
        np.einsum(mg.Input(a), [-1, 0])


@pytest.mark.parametrize("subscripts", ["...i->i", "...->"])
def test_an_ellipsis_the_output_forgets_is_an_error(subscripts):
    with pytest.raises(ValueError, match="the output needs it too"):
        np.einsum(subscripts, mg.Input(np.ones((2, 3))))
