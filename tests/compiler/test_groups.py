"""Groups of entrywise lines: what they hold, what they leave alone, and that in blocks they compute the same."""

import hypothesis
import numpy as np
import pytest

from minigrad.compiler import blocks
from tests.compiler.agreement import agree, compare
from tests.compiler.random_graphs import flat, recurrent
from tests.compiler.test_agreement import rewrites
from tests.quick import examples


@pytest.fixture
def tiny_blocks(monkeypatch):
    """Every array is large, and every piece small."""
    monkeypatch.setattr(blocks, "LEAST", 1)
    monkeypatch.setattr(blocks, "ENTRIES", 4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [flat(), recurrent], ids=["flat", "recurrent"])
def test_random_graphs_in_blocks(kind, tiny_blocks):
    @examples(300, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
    @hypothesis.seed(0)
    @hypothesis.given(kind, rewrites)
    def check(graph, rewrites):
        agree(graph, rewrites)

    check()


def draw(*shape):
    return [[np.random.default_rng(seed).normal(size=shape)] for seed in range(3)]


def looped(step):
    """The statements of the loops over pieces."""
    return [line.strip() for line in step.source.splitlines() if line.startswith(" " * 8) and "=" in line]


def test_a_total_lies_nowhere_that_members_still_read(tiny_blocks):
    """Every piece reads the number s, whose memory the total could have had."""

    def f(x):
        s = np.sum(np.sin(x))
        return np.sum(np.exp(x * s) * 0.5 + x) * x

    step = compare(f, *draw(12))
    assert any(line.startswith("exp(") for line in looped(step)), step.source
