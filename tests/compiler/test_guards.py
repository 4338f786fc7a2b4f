"""What a compiled function reads of objects is watched, wherever they are held; what it takes from elsewhere is not."""

from functools import partial

import numpy as np
import pytest

import minigrad as mg
from minigrad.compiler.guards import BYTES, ENTRIES, Guards, objects_of
from minigrad.models import Dense, Dropout, Module, penalties

W = mg.Parameter([0.5, -1.0], name="W")


class Config:
    def __init__(self, rate=0.5):
        self.rate = rate


class Line:
    """No Module: an object whose method is compiled."""

    def __init__(self):
        self.slope, self.scale = mg.Parameter(2.0, name="slope"), 1.0

    def forward(self, x):
        return self.slope * x * self.scale

    @mg.compile
    def step(self, x):
        return self.slope * x * self.scale

    __call__ = forward


CONFIG, L2 = Config(), penalties.L2(0.5)


def helper(x):
    return x * CONFIG.rate


def closing_over(thing):
    return lambda x: x * thing.rate


def in_a_list(*things):
    return lambda x: x * things[0].rate


def first(x, thing):
    return x * thing.rate


FUNCTIONS = {
    "a global object": (lambda x: x * CONFIG.rate, CONFIG),
    "by a function it calls": (lambda x: helper(x) + 0.0, CONFIG),
    "in a function within": (lambda x: sum([x * CONFIG.rate for _ in range(1)]), CONFIG),
    "closed over": (closing_over(config := Config()), config),
    "in a tuple": (in_a_list(other := Config()), other),
    "given by partial": (partial(first, thing=(third := Config())), third),
    "in the defaults": (lambda x, thing=CONFIG: x * thing.rate, CONFIG),
}


@pytest.mark.parametrize("how", FUNCTIONS)
def test_objects_that_a_function_refers_to(how):
    f, config = FUNCTIONS[how]
    step = mg.compile(f)
    x = np.ones(2)
    for rate in (0.5, 0.5, 0.7, 0.7, 0.5, np.float32(0.5)):
        config.rate = rate
        np.testing.assert_allclose(step(x), x * rate)
    config.rate = 0.5
    assert config in objects_of(f)


def test_the_weight_of_a_penalty():
    step = mg.compile(lambda x: L2(W) + x.sum() * 0.0)
    found = []
    for weight in (0.5, 0.5, 2.0, 2.0, 0.0, 0.5):
        L2.weight = weight
        found.append(float(step(np.ones(2))))
    L2.weight = 0.5
    np.testing.assert_allclose(found, np.array([0.5, 0.5, 2.0, 2.0, 0.0, 0.5]) * 1.25)


def test_methods_and_objects_that_are_called():
    for make in (lambda line: mg.compile(line.forward), mg.compile, lambda line: line.step):
        line = Line()
        step = make(line)
        for scale in (1.0, 1.0, 3.0, 3.0):
            line.scale = scale
            np.testing.assert_array_equal(step(np.ones(2)), [2 * scale] * 2)


def test_frozen_parameters_leave_a_penalty():
    model = Dense(2, 2, rng=0, dtype=np.float64)
    term = penalties.L2(1.0)
    step = mg.compile(lambda x: model(x).sum() * 0.0 + term(model))
    model.W.value = np.ones((2, 2))
    assert float(step(np.ones((1, 2)))) == 4.0
    model.freeze()
    with pytest.raises(ValueError, match="chooses none"):
        step(np.ones((1, 2)))
    model.unfreeze()
    assert float(step(np.ones((1, 2)))) == 4.0


def test_dropout():
    dropout = Dropout(0.5, rng=0)
    step = mg.compile(lambda x: dropout(x) * 1.0)
    x = np.ones(4000)
    for rate in (0.5, 0.5, 0.9, 0.9, 0.1):
        dropout.rate = rate
        assert np.mean(step(x) == 0) == pytest.approx(rate, abs=0.05)


def test_numbers_lists_and_arrays_of_its_own_stay_as_they_were():
    """As the documentation says."""
    rate, rates, table = 2.0, [2.0], np.full(2, 2.0)
    step = mg.compile(lambda x: x * rate * rates[0] * table)
    first = step(np.ones(2))
    rate, rates[0], table[:] = 3.0, 3.0, 3.0
    np.testing.assert_array_equal(step(np.ones(2)), first)
    with pytest.raises(AssertionError, match="its input 1 is another constant"):
        step.verify(np.ones(2))


# By themselves -----------------------------------------------------------------------------------------------------


def settled(*things):
    guards = Guards(things)
    guards.settle()
    return guards


def test_what_is_long_is_told_by_which_it_is():
    holder = Config()
    holder.rate, holder.table = list(range(ENTRIES + 1)), np.zeros(BYTES // 8 + 1)
    guards = settled(holder)
    holder.rate[0], holder.table[0] = 5, 5.0
    assert guards.hold(), "too long to compare in every call"
    holder.table = holder.table.copy()
    assert not guards.hold()


def test_what_changes_during_a_trace_is_left_out():
    holder = Config()
    holder.calls, holder.log, holder.seen, holder.table = 0, [], set(), np.zeros(2)
    guards = Guards([holder])
    holder.calls += 1
    holder.log.append(1)
    holder.seen.add(1)
    holder.table[0] = 1.0
    holder.cache = 1
    guards.settle()
    holder.calls += 1
    holder.log.append(1)
    holder.seen.add(2)
    holder.table[0] = 2.0
    holder.cache = 2
    assert guards.hold()
    holder.rate = 0.7
    assert not guards.hold()


def test_neighbors_are_told_apart():
    """A value that moves from the end of one list to the front of the next is a change."""
    holder = Config(rate=[[1, 2], [3]])
    guards = settled(holder)
    assert guards.hold()
    holder.rate[1].insert(0, holder.rate[0].pop())
    assert not guards.hold()
    holder.rate[0].append(holder.rate[1].pop(0))
    assert guards.hold()


def test_things_that_hold_each_other():
    one, other = Config(), Config()
    one.rate, other.rate = other, [one, {"one": one}]
    guards = settled(one)
    assert guards.hold()
    other.rate[1]["one"] = other
    assert not guards.hold()


def test_numbers_that_are_equal_in_every_respect():
    holder = Config(rate=(0.0, (1, "a")))
    guards = settled(holder)
    for same, rate in [
        (True, (float("0.0"), (1, "a"))),
        (False, (-0.0, (1, "a"))),
        (False, (0.0, (True, "a"))),
        (False, (0.0, (1.0, "a"))),
        (False, (0.0, (1, "a"), 2)),
        (True, (0.0, (1, "a"))),
        (False, [0.0, (1, "a")]),
        (False, None),
    ]:
        holder.rate = rate
        assert guards.hold() is same, rate
    nan = settled(holder := Config(rate=float("nan")))
    holder.rate = float("nan")
    assert nan.hold()


def test_compiled_functions_and_optimizers_are_not_looked_into():
    """They change in every call."""

    class Holding(Module):
        def __init__(self):
            self.w = mg.Parameter(np.ones(2))
            self.step = mg.compile(self.forward)
            self.rate = 1.0

        def forward(self, x):
            return self.w * x * self.rate

    model = Holding()
    for rate in (1.0, 1.0, 2.0):
        model.rate = rate
        np.testing.assert_array_equal(model.step(np.ones(2)), [rate, rate])
    assert sum(map(len, model.step.programs.values())) == 2
    model.step(np.ones(2))
    assert settled(model).hold()


def test_whether_a_parameter_is_trained_is_watched():
    holder = Config(rate=[mg.Parameter([1.0])])
    guards = settled(holder)
    holder.rate[0].trainable = False
    assert not guards.hold()
    holder.rate[0].trainable = True
    assert guards.hold()


def test_numbers_of_numpys_are_compared_by_value():
    holder = Config(rate=np.float32(0.5))
    guards = settled(holder)
    for same, rate in ((True, np.float32(0.5)), (False, np.float64(0.5)), (False, np.float32(0.25))):
        holder.rate = rate
        assert guards.hold() is same
