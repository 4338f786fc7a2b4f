"""Every operation of the registry, compiled: values, gradients and gradients of gradients, on arrays that change."""

import hypothesis
import numpy as np
import pytest

import minigrad as mg
from minigrad.compiler import REWRITES
from minigrad.graph import ancestry
from tests.compiler.agreement import compare
from tests.ops.test_every_operation import CASES, Bend
from tests.ops.trials import Trial
from tests.quick import examples

few = examples(12)


def differentiated(call):
    """A function of nodes that gives the result, its gradients, and theirs."""

    def f(*nodes):
        y = call(*nodes)
        floating = [x for x in nodes if x.dtype.kind == "f"]
        if y.dtype.kind != "f" or not floating:
            return y
        outer = Bend(y, scale=0.25)
        first = mg.gradients(outer, floating, adjoint=mg.Constant(np.ones(y.shape, y.dtype)))
        total = sum((Bend(g, scale=0.25) * 0.5).sum() for g in first)
        return y, first, mg.gradients(total, floating)

    return f


@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)
def test_operation(kind):
    met = []

    @few
    @hypothesis.given(CASES[kind])
    def check(trial: Trial):
        arrays = [np.asarray(a) for a in trial.arrays]
        fresh = [np.array(np.flip(a)) for a in arrays]  # flips masks and the arg max, keeps the domain
        singles = [np.asarray(a, np.float32) if a.dtype.kind == "f" else a for a in arrays]
        f = differentiated(trial.call)
        compare(f, arrays, fresh, arrays)
        compare(f, arrays, fresh, rewrites=())
        compare(f, singles, [np.array(np.flip(a)) for a in singles], rewrites=list(REWRITES)[:3])
        met.extend(type(node) for node in ancestry([trial.call(*map(mg.Input, arrays))]))

    check()
    assert met
