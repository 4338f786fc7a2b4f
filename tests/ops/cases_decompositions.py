"""Trials of factorizations: matrices whose eigenvalues and singular values are apart, as the rules ask for."""

import numpy as np
from hypothesis import strategies as st

from minigrad.ops import decompositions
from minigrad.ops.shaping import matrix_transpose
from tests.ops.trials import Trial


@st.composite
def spectra(draw, shapes):
    """Matrices (or a stack of them) with singular values 1, 1.8, 2.6 between random bases."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    stack, (m, n) = draw(st.sampled_from([(), (), (2,)])), draw(st.sampled_from(shapes))
    u, _, v = np.linalg.svd(rng.normal(size=(*stack, m, n)), full_matrices=False)
    return (u * (1 + 0.8 * np.arange(min(m, n)))) @ v


@st.composite
def symmetric(draw, kind, reference):
    """Of a + a': eigenvalues are apart where a is symmetric with such a spectrum, bent a little."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 3))
    q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    a = (q * np.array([-0.9, 0.4, 1.5])[:n]) @ q.T + 0.02 * rng.normal(size=(n, n))
    return Trial(lambda a: kind(a + matrix_transpose(a)), (a,), lambda a: reference(a + a.mT))


def of(kind, shapes, reference, **attributes):
    return spectra(shapes).map(lambda a: Trial(lambda x: kind(x, **attributes), (a,), reference))


def singular_vectors(a):
    u, _, v = np.linalg.svd(a, full_matrices=False)
    return np.concatenate([u, v.mT], -2)


ALL = [(1, 1), (2, 2), (3, 3), (3, 2), (2, 3), (1, 3), (3, 1)]
TALL = [(1, 1), (2, 2), (3, 2), (3, 1), (4, 3)]

CASES = {
    decompositions.Eigvalsh: symmetric(decompositions.Eigvalsh, np.linalg.eigvalsh),
    decompositions.EighVectors: symmetric(decompositions.EighVectors, lambda a: np.linalg.eigh(a)[1]),
    decompositions.SingularValues: of(decompositions.SingularValues, ALL, lambda a: np.linalg.svd(a, compute_uv=False)),
    decompositions.SvdVectors: of(decompositions.SvdVectors, ALL, singular_vectors),
    decompositions.Qr: of(decompositions.Qr, TALL, lambda a: np.concatenate(np.linalg.qr(a), -2)),
    decompositions.Pinv: of(decompositions.Pinv, ALL, np.linalg.pinv),
}
