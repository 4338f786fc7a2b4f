"""Groups of entrywise lines: what they hold, what they leave alone, and that in blocks they compute the same."""

import hypothesis
import numpy as np
import pytest

from minigrad.compiler.printing import blocks
from minigrad.compiler.printing.groups import APART, MIXED, SAME, Address, relation
from tests.compiler.agreement import agree, compare
from tests.compiler.random_graphs import flat, recurrent
from tests.compiler.test_agreement import rewrites
from tests.quick import examples


@pytest.fixture
def tiny_blocks(monkeypatch):
    """Every array is large, and every piece small."""
    monkeypatch.setattr(blocks, "LEAST_CUT", 1)
    monkeypatch.setattr(blocks, "BLOCK_ENTRIES", 4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [flat(), recurrent], ids=["flat", "recurrent"])
def test_random_graphs_in_blocks(kind, tiny_blocks):
    @examples(120, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
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


def test_a_total_may_lie_where_every_piece_reads(tiny_blocks):
    """It has the memory of the number s, and is written after the last piece."""

    def f(x):
        s = np.sum(np.sin(x))
        return np.sum(np.exp(x * s) * 0.5 + x) * x

    step = compare(f, *draw(12))
    assert [line.partition("(")[0] for line in looped(step)] == ["multiply", "exp", "multiply", "add", "add.reduce"]
    assert "sum_2 = sum_1" in step.source


def test_what_reads_a_total_comes_after_the_loop(tiny_blocks):
    def f(x):
        y = np.exp(x) * 0.5
        return np.tanh(y * np.sum(y)) + y

    compare(f, *draw(12))


def test_nothing_is_written_over_what_a_later_line_reads(tiny_blocks):
    """The exponential lies where its operand did, which the cumulative sums read in between."""

    def f(x):
        y = np.tanh(x)
        sums = np.cumsum(y)
        return np.cumsum(np.exp(y) * 0.5 + x) + sums

    compare(f, *draw(12))


def test_members_read_before_another_one_writes_there(tiny_blocks):
    """What is summed up is computed first, where that does not overwrite what another member reads."""

    def f(x):
        y = np.cumsum(x)
        tripled, exponential = y * 3.0, np.exp(y)
        return np.cumsum(tripled) + np.cumsum(exponential) * np.sum(exponential)

    compare(f, *draw(12))


def test_what_two_members_read_stays_in_its_block(tiny_blocks):
    """A block is free after its last reader, and no earlier."""

    def f(x):
        a = np.tanh(x)
        return np.exp(a + a * 2.0) * 0.5

    compare(f, *draw(12))


def test_nothing_is_written_over_a_row_that_every_piece_reads(monkeypatch):
    """The row is the first thing in memory that the last member has later."""
    monkeypatch.setattr(blocks, "LEAST_CUT", 1)
    monkeypatch.setattr(blocks, "BLOCK_ENTRIES", 4096)

    def f(x, b):
        y = np.exp(np.tanh(x * np.cumsum(b)))
        z = np.sin(y) * x
        return y @ z.T, z.sum(axis=0)

    step = compare(f, *[[x, b * 0.01] for (x,), (b,) in zip(draw(3, 2048), draw(2048), strict=True)])
    assert "memory[0:2048]" in step.source
    assert "memory[0:6144]" in step.source


@pytest.mark.parametrize("shape", [(1 << 20,), ((1 << 16) + 1,), (30, 5, 1 << 10), (1, 7, 40_000), (1000, 999)])
def test_pieces_fit_into_the_cache_and_make_up_the_whole(shape):
    cut = blocks.Cut.of(shape)
    assert np.prod(cut.piece) <= max(blocks.BLOCK_ENTRIES, np.prod(shape[cut.axis + 1 :] if cut.axis < -1 else ()))
    x = np.empty(shape, np.int8)
    pieces = blocks.blocks(x, cut.length, cut.axis)
    assert len(pieces) == cut.pieces
    assert sum(piece.size for piece in pieces) == x.size


@pytest.mark.parametrize(
    ("start", "shape", "path", "expected"),
    [
        (0, (4, 4), (), SAME),
        (16, (4, 4), (), APART),
        (15, (4, 4), (), MIXED),
        (0, (16,), (), MIXED),
        (0, (4, 4), (("rows", 1, 3),), MIXED),
    ],
)
def test_where_values_lie_tells_whether_they_meet(start, shape, path, expected):
    memory = object()
    whole, other = Address(memory, 0, (4, 4), ()), Address(memory, start, shape, path)
    assert relation(whole, other) == relation(other, whole) == expected
    assert relation(whole, other._replace(memory=object())) == APART


@pytest.mark.parametrize(
    ("rows", "expected"), [((1, 3), SAME), ((0, 1), APART), ((3, 4), APART), ((2, 4), MIXED), ((0, 4), MIXED)]
)
def test_rows_that_overlap_are_not_apart(rows, expected):
    one, other = (Address(None, 0, (4, 4), (("rows", *ends),)) for ends in ((1, 3), rows))
    assert relation(one, other) == relation(other, one) == expected
