"""Trials of linear algebra: matrices are kept away from singular ones, norms from 0."""

import numpy as np
from hypothesis import strategies as st

from minigrad.ops import linear_algebra, matrix_exponential
from tests.ops import test_linear_algebra, test_matrix_exponential
from tests.ops.cases_shaping import any_axis, distinct, reals, shapes
from tests.ops.trials import Trial

SIDES = st.integers(0, 3)


@st.composite
def batches(draw):
    """Two shapes of stacks that broadcast."""
    common = draw(shapes(max_dims=2))

    def part():
        kept = draw(st.integers(0, len(common)))
        return tuple(1 if draw(st.integers(0, 3)) == 0 else n for n in common[len(common) - kept :])

    return part(), part()


@st.composite
def products(draw):
    """Vectors, matrices and stacks on either side."""
    k, m, n = draw(SIDES), draw(SIDES), draw(SIDES)
    one, two = draw(batches())
    a = draw(reals(draw(st.sampled_from([(k,), (m, k), (*one, m, k)]))))
    b = draw(reals(draw(st.sampled_from([(k,), (k, n), (*two, k, n)]))))
    return Trial(lambda a, b: a @ b, (a, b))


@st.composite
def transposed_products(draw):
    k, m, n = draw(SIDES), draw(SIDES), draw(SIDES)
    return Trial(lambda a, b: a.T @ b.T, (draw(reals((k, m))), draw(reals((n, k)))))


@st.composite
def dots(draw):
    a, b = draw(reals(shapes())), draw(shapes())
    if a.ndim and b:
        b = (*b[:-2], a.shape[-1], b[-1]) if len(b) > 1 else (a.shape[-1],)
    return Trial(np.dot, (a, draw(reals(b))))


@st.composite
def inners(draw):
    a, b = draw(reals(shapes())), draw(shapes())
    b = (*b[:-1], a.shape[-1]) if a.ndim and b else b
    return Trial(np.inner, (a, draw(reals(b))))


@st.composite
def tensordots(draw):
    """Some axes of one array against as many of another, in any order; or the last against the first."""
    summed, free_a, free_b = draw(shapes(max_dims=2)), draw(shapes(max_dims=2)), draw(shapes(max_dims=2))
    count = len(summed)
    a, b = draw(reals((*free_a, *summed))), draw(reals((*summed, *free_b)))
    if draw(st.booleans()):
        return Trial(lambda a, b: np.tensordot(a, b, count), (a, b))
    order_a, order_b = draw(st.permutations(range(a.ndim))), draw(st.permutations(range(b.ndim)))
    axes_a = [order_a.index(len(free_a) + i) for i in range(count)]
    axes_b = [order_b.index(i) - b.ndim for i in range(count)]
    return Trial(
        lambda a, b: np.tensordot(a, b, (axes_a, axes_b)), (np.transpose(a, order_a), np.transpose(b, order_b))
    )


@st.composite
def einsums(draw):
    """One to three arrays with indices that may be repeated, shared, summed away, of length 1 or (not of three) 0."""
    terms = draw(st.lists(st.text("ijkl", max_size=3), min_size=1, max_size=3))
    lengths = dict(zip("ijk", draw(st.permutations([1, 2, 3])), strict=True))
    lengths["l"] = 2 if len(terms) == 3 else draw(SIDES)
    output = "".join(
        label for label in draw(st.permutations("ijkl")) if label in "".join(terms) and draw(st.booleans())
    )
    dots = draw(st.booleans())
    stretched = draw(st.lists(st.sampled_from(sorted(set("".join(terms)))), max_size=1)) if "".join(terms) else []
    arrays = []
    for i, term in enumerate(terms):
        shape = [1 if i == 1 and label in stretched else lengths[label] for label in term]
        arrays.append(draw(reals((*([2] if dots and i == 0 else []), *shape))))
    text = ",".join(f"...{term}" if dots else term for term in terms)
    text += draw(st.sampled_from([f"->...{output}" if dots else f"->{output}", ""]))
    optimize = draw(st.booleans())
    return Trial(
        lambda *arrays: np.einsum(text, *arrays, optimize=optimize),
        tuple(arrays),
        lambda *arrays: np.array(np.einsum(text, *arrays)),
    )


@st.composite
def sublists(draw):
    m, n = draw(SIDES), draw(SIDES)
    a, b = draw(reals((m, n))), draw(reals((n, 2)))
    form = draw(st.sampled_from([[[0, 1], [1, 30], [30, 0]], [[3, 7], [7, 5]], [[..., 4], [4, 2], [..., 2]]]))
    one, two, *out = form
    return Trial(lambda a, b: np.einsum(a, one, b, two, *out), (a, b))


@st.composite
def krons(draw):
    return Trial(np.kron, (draw(reals(shapes(max_dims=2))), draw(reals(shapes(max_dims=3)))))


@st.composite
def crosses(draw):
    one, two = draw(batches())
    a, b = draw(distinct((*one, 3))), draw(distinct((*two, 3)))
    axis = draw(any_axis(len(np.broadcast_shapes(a.shape, b.shape))))
    return Trial(lambda a, b: np.cross(np.moveaxis(a, -1, 0), b, axisa=0, axisc=axis), (a, b))


@st.composite
def diags(draw):
    x = draw(reals(shapes(min_dims=1, max_dims=2)))
    k = draw(st.integers(-2, 2))
    function = draw(st.sampled_from([np.diag, np.diagflat]))
    return Trial(lambda x: function(x, k), (x,), lambda x: function(x, k).copy())


@st.composite
def traces(draw):
    x = draw(reals(shapes(min_dims=2)))
    one, two = draw(st.permutations(range(x.ndim)))[:2]
    k = draw(st.integers(-2, 2))
    return Trial(lambda x: np.trace(x, k, one, two), (x,))


@st.composite
def square(draw):
    """Matrices whose entries are at most 2, and what makes them dominated by their diagonal."""
    n = draw(SIDES)
    batch, _ = draw(batches())
    return draw(reals((*batch, n, n))), 7 * np.eye(n, dtype=np.float32)


@st.composite
def of_square(draw, function, reference=None):
    x, shift = draw(square())
    return Trial(lambda x: function(x + shift), (x,), reference and (lambda x: reference(x + shift)))


@st.composite
def systems(draw):
    n, k = draw(SIDES), draw(SIDES)
    one, two = draw(batches())
    a = draw(reals((*one, n, n)))
    b = draw(reals(draw(st.sampled_from([(n,), (*two, n, k)]))))
    shift = 7 * np.eye(n, dtype=np.float32)
    return Trial(lambda a, b: np.linalg.solve(a + shift, b), (a, b))


@st.composite
def factors(draw):
    """Symmetric and positive definite."""
    x, shift = draw(square())
    upper = draw(st.booleans())
    return Trial(lambda x: np.linalg.cholesky(x @ x.mT + shift, upper=upper), (x,))


@st.composite
def norms(draw):
    """Vectors and matrices away from 0 in every entry, and from ties."""
    shape = draw(shapes(min_dims=1, min_side=1))
    x = draw(distinct(shape))
    keepdims = draw(st.booleans())
    axis = draw(any_axis(len(shape)))
    orders = [None, 1, 2, 3, 1.5, 0.5, -2, np.inf, -np.inf]
    calls = [
        lambda x: np.linalg.norm(x, keepdims=keepdims),
        *[lambda x, p=p: np.linalg.norm(x, p, axis, keepdims) for p in orders],
        *[lambda x, p=p: np.linalg.vector_norm(x, ord=p, keepdims=keepdims) for p in orders[1:]],
    ]
    if len(shape) > 1:
        pair = tuple(draw(st.permutations(range(len(shape))))[:2])
        orders = [None, "fro", 1, -1, np.inf, -np.inf]
        calls += [lambda x, p=p: np.linalg.norm(x, p, pair, keepdims) for p in orders]
        calls += [lambda x, p=p: np.linalg.matrix_norm(x, ord=p, keepdims=keepdims) for p in orders[1:]]
    return Trial(draw(st.sampled_from(calls)), (x,))


@st.composite
def sums_of_products(draw):
    """Two or three products of matrices with different numbers of rows, which are summed away."""
    k, n = draw(SIDES), draw(SIDES)
    rows = draw(st.lists(SIDES, min_size=2, max_size=3))
    arrays = tuple(draw(reals((m, side))) for side in (k, n) for m in rows)
    return Trial(
        linear_algebra.SumOfProducts,
        arrays,
        lambda *arrays: sum(a.T @ b for a, b in zip(arrays[: len(rows)], arrays[len(rows) :], strict=True)),
    )


CASES = {
    linear_algebra.SumOfProducts: sums_of_products(),
    linear_algebra.MatMul: products() | transposed_products() | dots() | inners() | tensordots(),
    linear_algebra.Outer: st.tuples(reals(shapes(max_dims=2)), reals(shapes(max_dims=2))).map(
        lambda arrays: Trial(np.outer, arrays)
    ),
    linear_algebra.Einsum: einsums() | sublists(),
    linear_algebra.Cross: crosses(),
    linear_algebra.Solve: systems(),
    linear_algebra.Inv: of_square(np.linalg.inv),
    linear_algebra.Det: of_square(np.linalg.det),
    linear_algebra.Cofactors: of_square(
        linear_algebra.Cofactors, lambda a: np.linalg.det(a)[..., None, None] * np.linalg.inv(a).mT
    ),
    linear_algebra.LogAbsDet: of_square(lambda x: np.linalg.slogdet(x).logabsdet),
    linear_algebra.Cholesky: factors(),
    matrix_exponential.Expm: of_square(matrix_exponential.expm, test_matrix_exponential.series),
    linear_algebra.VectorNorm: norms(),
}
DEFINITIONS = {linear_algebra.DetSign: test_linear_algebra.test_slogdet}
