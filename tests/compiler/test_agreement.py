"""Compiled functions are what they are on nodes, to rounding: on hundreds of random graphs, called on fresh arrays.

`make graphs` takes thousands.
"""

import hypothesis
import pytest
from hypothesis import strategies as st

from minigrad.compiler import REWRITES
from tests.compiler.agreement import agree
from tests.compiler.random_graphs import flat, recurrent
from tests.compiler.random_loops import loops, nets
from tests.quick import examples

NAMES = list(REWRITES)
rewrites = st.one_of(st.sampled_from([None, None, None, (), *[(name,) for name in NAMES]]), st.permutations(NAMES))


def all_agree(graphs, n, seed):
    @examples(n)
    @hypothesis.seed(seed)
    @hypothesis.given(graphs, rewrites)
    def check(graph, rewrites):
        agree(graph, rewrites)

    check()


@pytest.mark.parametrize("part", range(3))
def test_flat(part):
    all_agree(flat(), 120, part)


@pytest.mark.parametrize("part", range(2))
def test_recurrent(part):
    all_agree(recurrent, 130, part)


@pytest.mark.parametrize("part", range(2))
def test_loops(part):
    all_agree(loops, 50, part)


def test_nets_of_the_benchmarks():
    all_agree(nets, 12, 0)
