"""Which graphs become programs, and which programs are kept: many shapes are never much slower than nodes."""

from collections import Counter

import numpy as np
import pytest

import minigrad as mg
from minigrad.compiler import Compiled, compiled
from minigrad.compiler.tracing import shelf, tracer
from minigrad.models import RNN, losses
from minigrad.optim import SGD, Step

W = mg.Parameter(np.eye(2) * 0.5, name="W")


def deep(x):
    """More nodes than are compiled at once."""
    for _ in range(shelf.SMALL_GRAPHS):
        x = np.tanh(x)
    return x


@pytest.fixture
def made(monkeypatch):
    """How many programs are made, by the shape of their first argument."""
    counts = Counter()

    class Counted(compiled.Program):
        def __init__(self, traced, *arguments):
            counts[next(iter(traced.inputs.values())).shape] += 1
            super().__init__(traced, *arguments)

    monkeypatch.setattr(compiled, "Program", Counted)
    return counts


def test_the_first_graphs_are_compiled_at_once_and_others_when_they_come_often(made):
    step = mg.compile(deep)
    shapes = range(1, shelf.AT_ONCE + 3)
    for n in shapes:
        for _ in range(3):
            np.testing.assert_allclose(step(np.ones(n)), deep(np.ones(n)))
    assert sorted(made) == [(n,) for n in shapes[: shelf.AT_ONCE]]
    late = shapes[-1]
    for _ in range(shelf.OFTEN - 3):
        np.testing.assert_allclose(step(np.ones(late)), deep(np.ones(late)))
    assert made[(late,)] == 1
    assert made[(late - 1,)] == 0
    assert max(made.values()) == 1


def deeper(x):
    """So many nodes that one graph alone is compiled at once."""
    for _ in range(shelf.LARGE_GRAPHS // 300 + 1):
        x = deep(x)
    return x


@pytest.fixture
def traces(monkeypatch):
    """How many calls were traced."""
    found = []
    run = tracer.run
    monkeypatch.setattr(tracer, "run", lambda *arguments: found.append(1) or run(*arguments))
    return found


def test_large_graphs_are_compiled_when_they_come_often(made, traces):
    """The first one is at once; others are not even traced before they came some times."""
    step = mg.compile(deeper)
    for n in range(1, 7):
        for _ in range(shelf.LATER):
            np.testing.assert_allclose(step(np.ones(n)), deeper(np.ones(n)))
    assert made == {(1,): 1}
    assert len(traces) == 1
    for _ in range(shelf.OFTEN - shelf.LATER - 1):
        step(np.ones(6))
    assert made == {(1,): 1}
    assert len(traces) == 2
    step(np.ones(6))
    assert made == {(1,): 1, (6,): 1}


def test_a_large_graph_that_comes_back_is_compiled_when_the_others_have_saved_what_it_costs(made, traces):
    """A batch and the smaller last one."""
    step = mg.compile(deeper)
    for _ in range(2 * shelf.OFTEN - 1):
        step(np.ones(4))
    step(np.ones(3))
    step(np.ones(3))
    assert made == {(4,): 1}, "one call too early"
    step(np.ones(4))
    step(np.ones(2))
    assert made == {(4,): 1}, "what comes once need not come again"
    assert len(traces) == 1
    step(np.ones(3))
    assert made == {(4,): 1, (3,): 1}
    step(np.ones(2))
    assert made == {(4,): 1, (3,): 1}, "the second has not saved what it cost"


def test_arguments_that_came_once_are_forgotten(monkeypatch):
    monkeypatch.setattr(shelf, "AGE", 20)
    step = mg.compile(deeper)
    for n in range(1, 50):
        step(np.ones(n))
    assert len(step.shelf.n_untraced) <= 21


@pytest.mark.slow
def test_many_lengths_make_few_programs(made):
    """300 steps of 55 lengths: most lengths do not come back as often as a program costs."""
    rng = np.random.default_rng(0)
    u, y = rng.normal(size=(4, 75, 2)), rng.integers(0, 3, 4)
    lengths = rng.integers(20, 75, 300)
    trained, found = [], []
    for eager in (False, True):
        net = RNN(2, 3, 3, rng=0, dtype=np.float64)
        step = Step(net, losses.cross_entropy, SGD(net.parameters(), 0.01), eager=eager)
        found.append([step(u[:, :T], y)["loss"] for T in lengths])
        trained.append(net.state_dict())
        assert step.eager is eager
    assert sum(n for shape, n in made.items() if shape[1:] != ()) <= shelf.AT_ONCE  # without the optimizer's
    assert found[0] == pytest.approx(found[1], rel=1e-9)
    for name, array in trained[0].items():
        np.testing.assert_allclose(array, trained[1][name], rtol=1e-9, atol=1e-12)


def test_the_most_useful_programs_are_kept(made, monkeypatch):
    monkeypatch.setattr(shelf, "MOST_PROGRAMS", 3)
    step = mg.compile(deep)

    def call(n, times):
        for _ in range(times):
            np.testing.assert_allclose(step(np.ones(n)), deep(np.ones(n)))

    call(1, 100)
    call(2, 5)
    call(3, 100)
    call(4, 1)  # the fourth is made at once, and takes the place of the least used
    kept = {key[1] for key in step.programs}
    assert kept == {(1,), (3,), (4,)}
    call(4, 99)
    call(2, 150)  # as often as the others, but not twice as often
    assert {key[1] for key in step.programs} == kept
    call(2, 60)
    assert {key[1] for key in step.programs} == {(2,), (3,), (4,)}
    call(1, shelf.OFTEN)
    assert made == {(1,): 1, (2,): 2, (3,): 1, (4,): 1}, "no program is made to be dropped soon"


def test_memory_is_bounded(made, monkeypatch):
    monkeypatch.setattr(
        shelf, "MOST_GRAPH_BYTES", 3 * 8 * 100 * (shelf.SMALL_GRAPHS + 1)
    )  # of three graphs of deep(ones(100))
    step = mg.compile(lambda x: deep(x.reshape(-1)))
    for n in (100, 50, 2, 4):
        step(np.ones((n, 100 // n)))
    sizes = [program.seen.n_bytes for programs in step.programs.values() for program in programs]
    assert len(sizes) == 2
    assert sum(sizes) <= shelf.MOST_GRAPH_BYTES
    step = mg.compile(deep)
    step(np.ones(1000))
    assert len(step.programs) == 1, "one that is larger than all may have is kept alone"


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(shelf, "REMEMBERED", 10)
    monkeypatch.setattr(shelf, "AGE", 30)
    step = mg.compile(deep)
    for n in range(1, 60):
        step(np.ones(n))
    assert sum(map(len, step.shelf.waiting.values())) <= 10
    assert len(step.shelf.n_new) <= 31
    rates = mg.Parameter([1.0])
    object_ = type("Rate", (), {"rate": 1.0})()
    step = mg.compile(lambda x: deep(x) * object_.rate * rates)
    for i in range(200):
        object_.rate = float(i)
        np.testing.assert_allclose(step(np.ones(1)), deep(np.ones(1)) * i)
    assert sum(map(len, step.shelf.waiting.values())) <= shelf.PER_KEY


def test_graphs_are_new_in_a_row_only_if_none_was_known_between_them():
    holder = type("Holder", (), {"rate": 0.0, "unused": 0})()
    step = mg.compile(lambda x: deep(x) * holder.rate)
    for i in range(shelf.CHANGES):
        holder.rate = float(i)
        step(np.ones(1))
    holder.unused = 1  # traced again, to the same graph
    step(np.ones(1))
    holder.rate = -1.0
    step(np.ones(1))
    assert not step.shelf.pauses
    assert set(step.shelf.n_new.values()) == {1}


def test_what_was_used_long_ago_makes_room(monkeypatch):
    monkeypatch.setattr(shelf, "MOST_PROGRAMS", 1)
    monkeypatch.setattr(shelf, "AGE", 50)
    step = mg.compile(deep)
    for n in range(1, shelf.AT_ONCE + 1):  # made at once, one after the other
        step(np.ones(n))
    for _ in range(1000):
        step(np.ones(shelf.AT_ONCE))
    for _ in range(200):
        step(np.ones(1))
    assert [key[1] for key in step.programs] == [(1,)]


def test_a_fixed_number_that_counts_makes_no_program_each_time(made):
    step = mg.compile(lambda x, i: deep(x) * i)
    for i in range(50):
        np.testing.assert_allclose(step(np.ones(2), i), deep(np.ones(2)) * i)
    assert sum(made.values()) == shelf.AT_ONCE


def test_states_and_draws_go_on_without_a_program():
    state, other = (mg.Parameter([0.0], name="count", trainable=False) for _ in range(2))
    rng, twin = np.random.default_rng(3), np.random.default_rng(3)

    def f(x, state, rng):
        mg.update(state, state + 1.0)
        return deep(x) + mg.random_normal((1,), rng=rng)

    step = mg.compile(lambda x: f(x, state, rng))
    for i in range(60):
        x = np.ones(1 + i % 10)
        found, expected = step(x), f(mg.Input(x), other, twin)
        np.testing.assert_allclose(found, expected.value)
        found[...] = 0.0  # the caller's to keep
    assert state.value == other.value == 60


def test_an_error_without_a_program_is_that_of_the_nodes():
    step = mg.compile(lambda x, i: deep(x)[i])
    for n in range(1, 12):
        step(np.ones(n), np.array([0]))
    with pytest.raises(IndexError, match="out of bounds"):
        step(np.ones(11), np.array([11]))
    np.testing.assert_allclose(step(np.ones(11), np.array([10])), deep(np.ones(1)))


def test_a_graph_that_is_too_large_is_refused_in_every_call(monkeypatch):
    monkeypatch.setattr(compiled, "MOST_NODES", 100)
    step = mg.compile(deep)
    for n in (1, 1, 2):
        with pytest.raises(tracer.TooLarge, match="not made of more than 100"):
            step(np.ones(n))


def test_the_most_that_are_kept_is_told():
    assert Compiled.MOST == shelf.MOST_PROGRAMS


def test_what_programs_have_saved_is_not_spent_on_graphs_that_come_once(made):
    holder = type("Holder", (), {"rate": 0.0})()
    step = mg.compile(lambda x: deeper(x) * holder.rate)
    for _ in range(6 * shelf.OFTEN):
        step(np.ones(1))
    for i in range(1, 5):
        holder.rate = float(i)
        step(np.ones(1))
    assert made == {(1,): 1}
