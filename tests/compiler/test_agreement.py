"""Compiled functions are what they are on nodes, to rounding: on thousands of random graphs, called on fresh arrays."""

import warnings

import hypothesis
import pytest
from hypothesis import strategies as st

from minigrad.compiler import REWRITES
from tests.compiler.agreement import arrays_in, assert_near, call, compare, eagerly
from tests.compiler.random_graphs import Random, flat, recurrent
from tests.quick import examples

rewrites = st.sampled_from([None, None, None, (), *[(name,) for name in REWRITES]])


def agree(graph: Random, rewrites):
    before = [parameter.value.copy() for parameter in graph.parameters]
    step = compare(graph.f, *graph.calls, rewrites=rewrites)
    for parameter, value in zip(graph.parameters, before, strict=True):
        assert (parameter.value == value).all(), "a parameter was written to"
        parameter.value = value * 1.5 + 0.25  # is read anew
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found, expected = arrays_in(call(step, graph.calls[0])), eagerly(graph.f, graph.calls[0])
    assert_near(found, expected, graph.f, graph.calls[0], f"with other parameters, rewrites={rewrites}")


@pytest.mark.parametrize("part", range(3))
def test_flat(part):
    @examples(400)
    @hypothesis.seed(part)
    @hypothesis.given(flat(), rewrites)
    def check(graph, rewrites):
        agree(graph, rewrites)

    check()


@pytest.mark.parametrize("part", range(2))
def test_recurrent(part):
    @examples(400)
    @hypothesis.seed(part)
    @hypothesis.given(recurrent, rewrites)
    def check(graph, rewrites):
        agree(graph, rewrites)

    check()
