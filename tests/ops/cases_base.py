"""Trials of the operations that the engine itself inserts."""

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import strategies as st

from minigrad.ops import base, casting
from tests.ops.trials import Trial

SMALL = st.floats(-2, 2, width=32)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)


@st.composite
def sums(draw):
    shape = draw(SHAPES)
    arrays = draw(st.lists(hnp.arrays(np.float64, shape, elements=SMALL), min_size=2, max_size=4))
    return Trial(base.AddN, tuple(arrays), lambda *arrays: sum(arrays))


@st.composite
def broadcasts(draw):
    """A shape, and one it is stretched or extended to."""
    large = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3))
    kept = draw(st.integers(0, len(large)))
    small = tuple(1 if draw(st.booleans()) else n for n in large[len(large) - kept :])
    return small, large


@st.composite
def broadcast_tos(draw):
    small, large = draw(broadcasts())
    x = draw(hnp.arrays(np.float64, small, elements=SMALL))
    return Trial(
        lambda x: base.BroadcastTo(x, shape_to=large), (x,), lambda a: np.ascontiguousarray(np.broadcast_to(a, large))
    )


@st.composite
def sum_tos(draw):
    small, large = draw(broadcasts())
    x = draw(hnp.arrays(np.float64, large, elements=SMALL))

    def reference(a):
        stretched = tuple(i - len(small) for i, n in enumerate(small) if n == 1 and large[i - len(small)] != 1)
        return a.sum(axis=tuple(range(len(large) - len(small)))).sum(axis=stretched, keepdims=True)

    return Trial(lambda x: base.SumTo(x, shape_to=small), (x,), reference)


@st.composite
def casts(draw):
    """To the dtype it has: differences can judge nothing else (test_node.py has the other ones)."""
    x = draw(hnp.arrays(np.float64, draw(SHAPES), elements=SMALL))
    return Trial(lambda x: casting.AsType(x, dtype_to=x.dtype), (x,), lambda a: a.copy())


CASES = {
    base.AddN: sums(),
    base.BroadcastTo: broadcast_tos(),
    base.SumTo: sum_tos(),
    casting.AsType: casts(),
}
