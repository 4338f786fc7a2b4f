"""What a compiled function reads of objects is watched, wherever they are held; what it takes from elsewhere is not."""

import copy
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from functools import partial

import numpy as np
import pytest

import minigrad as mg
from minigrad.compiler.tracing.guards import MOST_WATCHED, MOST_WATCHED_BYTES, Guards, objects_of
from minigrad.models import Dense, Dropout, Module, penalties
from minigrad.optim import SGD, Step

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


RATE, RATES, TABLE = 2.0, [2.0], np.full(2, 2.0)


def test_global_numbers_lists_and_arrays_stay_as_they_were(monkeypatch):
    """As the documentation says."""
    step = mg.compile(lambda x: x * RATE * RATES[0] * TABLE)
    first = step(np.ones(2))
    monkeypatch.setitem(globals(), "RATE", 3.0)
    RATES[0], TABLE[:] = 3.0, 3.0
    np.testing.assert_array_equal(step(np.ones(2)), first)
    with pytest.raises(AssertionError, match="its input 1 is another constant"):
        step.verify(np.ones(2))
    RATES[0], TABLE[:] = 2.0, 2.0


def summed(numbers):
    return float(np.sum(list(numbers)))


def of_items(things):
    return lambda x: x * summed(things.values())


HELD = {
    "a list": ([1.0], lambda k: lambda x: x * k[0], lambda k: k.__setitem__(0, 5.0)),
    "a list within": ([[1.0]], lambda k: lambda x: x * k[0][0], lambda k: k[0].__setitem__(0, 5.0)),
    "a dict": ({"a": 1.0}, of_items, lambda k: k.update(a=5.0)),
    "an array": (np.ones(1), lambda k: lambda x: x * k, lambda k: k.__setitem__(0, 5.0)),
    "a deque": (deque([1.0]), lambda k: lambda x: x * k[0], lambda k: k.appendleft(5.0)),
    "a bytearray": (bytearray([1]), lambda k: lambda x: x * k[0], lambda k: k.__setitem__(0, 5)),
    "an array of Python's": (array("d", [1.0]), lambda k: lambda x: x * k[0], lambda k: k.__setitem__(0, 5.0)),
    "a defaultdict": (defaultdict(float, a=1.0), of_items, lambda k: k.__setitem__("b", 4.0)),
    "an entry it had not": (defaultdict(lambda: 1.0), lambda k: lambda x: x * k.get("a", 1.0), lambda k: k.update(a=5.0)),
    "a Counter": (Counter(a=1), of_items, lambda k: k.update(a=4)),
    "the order of a dict": (
        {"a": 1.0, "b": 5.0}, lambda k: lambda x: x * next(iter(k.values())), lambda k: k.update(a=k.pop("a")),
    ),
    "the order of an OrderedDict": (
        OrderedDict(a=1.0, b=5.0), lambda k: lambda x: x * next(iter(k.values())), lambda k: k.move_to_end("a"),
    ),
}  # fmt: skip


class Holder:
    def __init__(self, held):
        self.held = held


def calling(inner):
    return lambda x: inner(x) + 0.0


def reading(holder, make):
    return lambda x: make(holder.held)(x)


DOORS = {
    "closed over": lambda k, make: make(k),
    "a default": lambda k, make: lambda x, k=k: make(k)(x),
    "a keyword's default": lambda k, make: lambda x, *, k=k: make(k)(x),
    "given by partial": lambda k, make: partial(lambda x, k: make(k)(x), k=k),
    "by a function it closes over": lambda k, make: calling(make(k)),
    "of an object": lambda k, make: reading(Holder(k), make),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("what", HELD)
def test_what_a_function_closes_over_or_has_as_a_default_may_change(what, door):
    held, make, change = HELD[what]
    held = copy.deepcopy(held)
    f = DOORS[door](held, make)
    step = mg.compile(f)
    for _ in range(2):
        np.testing.assert_array_equal(step(np.ones(2)), [1.0, 1.0])
    change(held)
    for _ in range(2):
        np.testing.assert_array_equal(step(np.ones(2)), [5.0, 5.0])
    assert sum(map(len, step.programs.values())) == 2


@pytest.mark.parametrize("what", HELD)
def test_what_a_loss_closes_over_may_change_between_steps_of_training(what):
    held, make, change = HELD[what]
    held = copy.deepcopy(held)
    net = Dense(1, 1, dtype=np.float64)
    net.W.value = [[1.0]]
    factor = make(held)
    step = Step(net, lambda o, t: factor(o).sum() + 0.0 * t.sum(), SGD(net.parameters(), 0.0))
    found = [step(np.ones((1, 1)), np.zeros((1, 1)))["loss"] for _ in range(6)]
    change(held)
    found += [step(np.ones((1, 1)), np.zeros((1, 1)))["loss"] for _ in range(2)]
    assert found == [1.0] * 6 + [5.0] * 2


def test_a_global_object_that_a_loss_reads_is_watched_too():
    net = Dense(1, 1, dtype=np.float64)
    net.W.value = [[1.0]]
    step = Step(net, lambda o, t: helper(o).sum() + 0.0 * t.sum(), SGD(net.parameters(), 0.0))
    found = []
    for rate in (0.5, 0.5, 0.5, 0.5, 0.5, 0.75):
        CONFIG.rate = rate
        found.append(step(np.ones((1, 1)), np.zeros((1, 1)))["loss"])
    CONFIG.rate = 0.5
    assert found == [0.5] * 5 + [0.75]


def test_a_variable_that_is_assigned_anew():
    rate, other = 1.0, [2.0]
    step = mg.compile(lambda x: x * rate * other[0])
    assert step(np.ones(1)) == 2.0
    rate = 5.0
    assert step(np.ones(1)) == 10.0
    other = [3.0]
    assert step(np.ones(1)) == 15.0


def test_a_variable_that_is_deleted_or_has_no_value_yet():
    def f(x):
        return x * factor() * (later if x.size > 1 else 1.0)

    def factor():
        return 2.0

    step = mg.compile(f)
    for _ in range(2):
        assert step(np.ones(1)) == 2.0
    later = 4.0
    for _ in range(2):
        assert step(np.ones(1)) == 2.0
        assert step(np.full(2, 0.5)).tolist() == [4.0, 4.0]
    f.__closure__[0].cell_contents = lambda: 3.0
    assert step(np.ones(1)) == 3.0
    del f.__closure__[0].cell_contents
    for _ in range(2):
        with pytest.raises(NameError, match="factor"):
            step(np.ones(1))


class Counting:
    def __init__(self):
        self.step, self.flag, self.log, self.last = 0, 0, [], (0,)

    def __call__(self, x):
        self.step += 1
        self.log.append(1)
        self.last = (self.step,)
        return x * self.step


class CountingInSlots(Counting):
    __slots__ = ("step",)


def decaying():
    n = 0

    def decay(x):
        nonlocal n
        n += 1
        return x * 0.5**n

    return decay


def counting():
    n = 0

    def count(x):
        nonlocal n
        n += 1
        return x * n

    return count


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (Counting, "changes Counting.step while"),
        (CountingInSlots, "changes CountingInSlots.step while"),
        (decaying, "changes decay's variable n while"),
        (counting, "changes count's variable n while"),
        (lambda: calling(Counting()), "changes Counting.step while"),
    ],
)
def test_a_count_that_a_program_would_not_go_on_with_is_told_at_the_trace(make, told):
    step = mg.compile(make())
    with pytest.warns(RuntimeWarning, match=told) as warned:
        step(np.ones(2))
    assert len(warned) == 1
    assert warned[0].filename == __file__
    step(np.ones(2))


def test_a_count_that_is_not_computed_with_is_not_told():
    f = Counting()
    f.flag = 10
    step = mg.compile(lambda x: (f(x), x * 0.75)[1])
    for _ in range(3):
        step(np.ones(2))
    assert f.step == 1


# By themselves -----------------------------------------------------------------------------------------------------


def settled(*things):
    guards = Guards(things)
    guards.settle()
    return guards


def test_what_is_long_is_told_by_which_it_is():
    holder = Config()
    holder.rate, holder.table = list(range(MOST_WATCHED + 1)), np.zeros(MOST_WATCHED_BYTES // 8 + 1)
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
    holder.rate[0].insert(0, holder.rate[1].pop())
    assert not guards.hold()


def test_an_attribute_that_its_class_has_too():
    class Rated:
        rate = 0.5

    thing = Rated()
    guards = settled(thing)
    for same, rate in ((True, 0.5), (False, 0.25), (True, 0.5)):
        thing.rate = rate
        assert guards.hold() is same
    guards = settled(thing)
    del thing.rate
    assert guards.hold(), "the class has the same"
    Rated.rate = 0.25
    assert not guards.hold()


def test_numbers_of_one_type_and_another_dtype():
    holder = Config(rate=np.timedelta64(1, "D"))
    guards = settled(holder)
    for same, rate in ((True, np.timedelta64(1, "D")), (False, np.timedelta64(1, "s"))):
        holder.rate = rate
        assert guards.hold() is same


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
