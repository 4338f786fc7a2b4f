"""Groups of entrywise lines: what they hold, what they leave alone, and that in blocks they compute the same."""

import hypothesis
import pytest

from minigrad.compiler import blocks
from tests.compiler.random_graphs import flat, recurrent
from tests.compiler.test_agreement import agree, rewrites
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
