"""Whether a function is whole: NumPy's values, right gradients, its inputs' dtype, replays and programs that decide anew."""

import warnings

import numpy as np

import minigrad as mg
from tests.compiler.agreement import compare
from tests.ops.likeness import assert_like_numpy, outcome


def derivatives(call):
    """A function of nodes that gives the result, its gradients, and theirs."""

    def f(*nodes):
        y = call(*nodes)
        floating = [x for x in nodes if x.dtype.kind == "f"]
        if y.dtype.kind != "f" or not floating:
            return (y,)
        first = mg.gradients(np.sin(y / 4), floating, adjoint=mg.Constant(np.ones(y.shape, y.dtype)))
        total = sum((g * g).sum() for g in first)
        return (y, *first, *mg.gradients(total, floating))

    return f


def assert_whole(call, *arrays, others=None, order=2, tolerance=1e-9, compiled=True):
    """`call`, of nodes or arrays, is as whole at the arrays as at other ones (flipped, where none are given)."""
    arrays = [np.asarray(a) for a in arrays]
    others = [np.array(np.flip(a)) for a in arrays] if others is None else [np.asarray(a) for a in others]
    singles = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in arrays]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for given in (arrays, singles):
            assert_like_numpy(call, *given, exact=False)
        y = outcome(call, *map(mg.Input, arrays))
        if y.dtype.kind == "f" and any(a.dtype.kind == "f" for a in arrays) and np.isfinite(y).all():
            mg.check_gradients(call, *arrays, order=order)
        f = derivatives(call)
        leaves = [mg.Input(a) for a in arrays]
        graph = mg.Graph(*f(*leaves))
        members = set(graph.nodes)
        replayed = graph.fprop({x: a for x, a in zip(leaves, others, strict=True) if x in members})
        fresh = f(*map(mg.Input, others))
        for found, node in zip(replayed if len(fresh) > 1 else (replayed,), fresh, strict=True):
            np.testing.assert_allclose(found, node.value, rtol=tolerance, atol=1e-12)
        if compiled:
            compare(f, arrays, others, arrays)
            compare(f, singles, [a.astype(np.float32) if a.dtype.kind == "f" else a for a in others])
