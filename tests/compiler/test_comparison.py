"""Two traces are the same or not by their graphs: every real change is seen and named, and rounding never is."""

import gc
import re
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

import minigrad as mg
from minigrad.compiler.tracing import tracer
from minigrad.compiler.tracing.comparison import Skeleton, difference

W, V, S = (mg.Parameter([0.5, -1.0], name=name, trainable=name != "S") for name in "WVS")
RNG, OTHER_RNG = np.random.default_rng(0), np.random.default_rng(0)
OLD_INPUTS = [mg.Input([1.0, 2.0]), mg.Input([1.0, 2.0])]
TABLE = np.arange(40.0)


class Applied(mg.Operation):
    """x, and attributes of any kind, which it does not look at."""

    __slots__ = ()
    given: object

    def fprop(self, x, *, given):
        return x * 1.0

    def bprop(self, adjoint):
        return adjoint


class Plus(mg.Elementwise):
    __slots__ = ()

    def fprop(self, *arrays):
        return sum(arrays[1:], arrays[0] * 1.0)

    def bprop(self, adjoint):
        return [adjoint] * len(self.children)


def traced(f, x=None):
    return tracer.run(f, ["x"], [np.array([0.25, 0.75]) if x is None else x], {})


def change(f, g, x=None, y=None):
    """What the second does otherwise than the first; told from both sides."""
    one, other = traced(f, x), traced(g, x if y is None else y)
    found = difference(Skeleton(one), Skeleton(other), other)
    assert bool(found) == bool(difference(Skeleton(other), Skeleton(one), one))
    return found


def with_updates(x, order):
    for value in order:
        mg.update(S, S * 0.0 + value if value else x)
    return x * S


def read_then_updated(x):
    y = S * 2.0
    mg.update(S, x)
    return y


def updated_then_read(x):
    mg.update(S, x)
    return S * 2.0


def closing_over(value):
    def look(array):
        return value

    return look


def table_changed(i):
    changed = TABLE.copy()
    changed[i] += 1e-12
    return changed


def of_a_local_class(factor):
    class Local(mg.Elementwise):
        __slots__ = ()

        def fprop(self, x):
            return x * factor

        def bprop(self, adjoint):
            return super().bprop(adjoint)

    return lambda x: Local(x)


class Times(Plus):
    __slots__ = ()

    def fprop(self, *arrays):
        return np.prod(arrays, axis=0)


def of_a_marked_class(base, mark):
    return lambda x: type("Made", (base,), {"__slots__": (), "mark": mark})(x, x)


class Slotted:
    __slots__ = ("rate", "unset")

    def __init__(self, rate):
        self.rate = rate


CHANGES = {
    "a number": (lambda x: x * 2.0, lambda x: x * 2.0000000000000004, "its input 1 is another constant"),
    "a sign of zero": (lambda x: x + 0.0, lambda x: x + -0.0, "its input 1 is another constant"),
    "a constant's dtype": (lambda x: x * np.int32(2), lambda x: x * np.int64(2), "another constant"),
    "a constant's shape": (lambda x: x * np.ones(1), lambda x: x * np.ones((1, 1)), "another constant"),
    "an entry of a table": (lambda x: x[0] * TABLE, lambda x: x[0] * table_changed(39), "another constant"),
    "noise": (lambda x: x + RNG.normal(size=2), lambda x: x + RNG.normal(size=2), "another constant"),
    "an axis": (lambda x: x[None].sum(axis=0), lambda x: x[None].sum(axis=1), "Sum .*its attribute axis changed"),
    "an index": (lambda x: x[0], lambda x: x[1], r"GetItem \(\).*its attribute index changed"),
    "an operation": (np.tanh, np.exp, r"Exp \(2,\) \(number 0\): Tanh stood in its place"),
    "two edges swapped": (lambda x: x - x * 2.0, lambda x: x * 2.0 - x, "its input 0 is another node"),
    "an edge": (
        lambda x: np.exp(x) * (y := np.tanh(x)) + y,
        lambda x: (y := np.exp(x)) * np.tanh(x) + y,
        r"Add \(2,\) \(number 3\): its input 1 is another node",
    ),
    "a parameter": (lambda x: x * W, lambda x: x * V, "its input 1 is another node"),
    "an old input": (lambda x: x * OLD_INPUTS[0], lambda x: x * OLD_INPUTS[1], "another node"),
    "a parameter as a constant": (lambda x: x * W, lambda x: x * W._value.copy(), "another node"),
    "a parameter for the argument": (lambda x: x * 2.0, lambda x: W * 2.0, "its input 0 is another node"),
    "a generator": (
        lambda x: x * mg.random_normal((2,), rng=RNG),
        lambda x: x * mg.random_normal((2,), rng=OTHER_RNG),
        "RandomNormal .*its attribute rng changed",
    ),
    "how it draws": (
        lambda x: x * mg.random_normal((2,), rng=RNG),
        lambda x: x * mg.random_uniform((2,), rng=RNG),
        "RandomNormal stood in its place",
    ),
    "how much it draws": (
        lambda x: x * mg.random_normal((1,), rng=RNG),
        lambda x: x * mg.random_normal((2,), rng=RNG),
        "its attribute shape_to changed",
    ),
    "more nodes": (lambda x: x * 2.0, lambda x: np.tanh(x * 2.0), "it is new"),
    "fewer nodes": (lambda x: np.tanh(x * 2.0), lambda x: x * 2.0, "how many operations"),
    "more terms": (lambda x: Plus(x, x), lambda x: Plus(x, x, x), "it has 3 children, and had 2"),
    "other results": (lambda x: (np.exp(x), x * 2), lambda x: (x * 2, np.exp(x)), "stood in its place"),
    "results swapped": (lambda x: [y := x * 2, y * 2], lambda x: [(y := x * 2) * 2, y], "which nodes it returns"),
    "the form of results": (lambda x: (x * 2,), lambda x: [x * 2], "which nodes it returns"),
    "the keys of results": (lambda x: {"a": x * 2}, lambda x: {"b": x * 2}, "which nodes it returns"),
    "a state's new value": (lambda x: with_updates(x, [1]), lambda x: with_updates(x, [2]), "another constant"),
    "an update": (lambda x: with_updates(x, [0]), lambda x: with_updates(x, []), "which states it writes"),
    "when a state is written": (read_then_updated, updated_then_read, "which states it writes"),
    "an attribute's type": (lambda x: Applied(x, given=1), lambda x: Applied(x, given=1.0), "attribute given"),
    "true for 1": (lambda x: Applied(x, given=[1]), lambda x: Applied(x, given=[True]), "attribute given"),
    "a list for a tuple": (lambda x: Applied(x, given=[1]), lambda x: Applied(x, given=(1,)), "attribute given"),
    "an entry of a dict": (lambda x: Applied(x, given={"k": 1}), lambda x: Applied(x, given={"k": 2}), "given"),
    "an entry of a set": (lambda x: Applied(x, given={1, 2}), lambda x: Applied(x, given={1, 3}), "given"),
    "an array": (lambda x: Applied(x, given=TABLE), lambda x: Applied(x, given=table_changed(20)), "given"),
    "an array within": (lambda x: Applied(x, given=[TABLE]), lambda x: Applied(x, given=[table_changed(0)]), "given"),
    "a slice": (lambda x: Applied(x, given=slice(1)), lambda x: Applied(x, given=slice(2)), "given"),
    "a function": (lambda x: Applied(x, given=lambda a: a + 1), lambda x: Applied(x, given=lambda a: a + 2), "given"),
    "what it closes over": (
        lambda x: Applied(x, given=closing_over(0.1)),
        lambda x: Applied(x, given=closing_over(0.2)),
        "given",
    ),
    "its defaults": (lambda x: Applied(x, given=lambda a=1: a), lambda x: Applied(x, given=lambda a=2: a), "given"),
    "a partial function": (
        lambda x: Applied(x, given=partial(max, 1)),
        lambda x: Applied(x, given=partial(max, 2)),
        "given",
    ),
    "an object's number": (
        lambda x: Applied(x, given=SimpleNamespace(rate=0.5)),
        lambda x: Applied(x, given=SimpleNamespace(rate=0.6)),
        "given",
    ),
    "what slots hold": (
        lambda x: Applied(x, given=Slotted(0.5)),
        lambda x: Applied(x, given=Slotted(0.6)),
        "given",
    ),
    "true for 1 by itself": (lambda x: Applied(x, given=1), lambda x: Applied(x, given=True), "attribute given"),
    "true for 1 in a class made anew": (
        of_a_marked_class(Plus, 1),
        of_a_marked_class(Plus, True),
        "stood in its place",
    ),
    "a base of a class made anew": (of_a_marked_class(Plus, 1), of_a_marked_class(Times, 1), "Made stood in its place"),
    "a class made anew": (of_a_local_class(2.0), of_a_local_class(3.0), "Local stood in its place"),
    "an object of another kind": (lambda x: Applied(x, given=object()), lambda x: Applied(x, given=object()), "given"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_every_change_is_seen_and_named(what):
    before, after, told = CHANGES[what]
    found = change(before, after)
    assert found
    assert re.search(told, found), found


LOG: list[object] = []
SHARED = object()
SAME = {
    "the values of an argument": lambda x: np.tanh(x) * x,
    "constants made anew": lambda x: x * np.array([1.0, 2.0]) + mg.Constant(np.arange(100.0))[:2],
    "nan": lambda x: x * np.nan + Applied(x, given=float("nan")),
    "gradients": lambda x: mg.gradients(mg.gradients(np.sum(np.tanh(x * W) ** 3), [x])[0].sum(), [W, x]),
    "functions made anew": lambda x: Applied(x, given=[lambda a: a + 1, partial(max, 1), closing_over([1, TABLE])]),
    "objects made anew": lambda x: Applied(x, given=SimpleNamespace(rate=0.5, sizes=[1, 2])),
    "slots, ranges and complex numbers made anew": lambda x: Applied(
        Applied(x, given=Slotted(0.5)), given=(range(3), 1j)
    ),
    "a log that grows": lambda x: Applied(logged(x), given=[LOG.append, lambda a: LOG, closing_over(LOG)]),
    "a thing that stays": lambda x: Applied(x, given=SHARED),
    "a class made anew": lambda x: of_a_local_class(2.0)(x),
    "a class made by type": lambda x: type("Made", (Plus,), {"__slots__": ()})(x, x),
    "draws": lambda x: x * mg.random_normal((2,), rng=RNG),
    "updates": lambda x: with_updates(x, [0, 1, 2]),
    "a number others used before": lambda x: x * 7.25,
    "arrays within": lambda x: Applied(x, given={"a": [np.ones(3), (np.zeros(100),)], 2: {"b"}}),
    "names and scopes": lambda x: scoped(x),
}


def logged(x):
    LOG.append(x)
    return x


def scoped(x):
    with mg.scope(f"call={len(LOG)}"):
        return np.tanh(x)


@pytest.mark.parametrize("what", SAME)
def test_the_same_graph_is_the_same_whatever_its_values(what):
    for x in (np.array([0.25, 0.75]), np.array([np.nan, 1e300])):
        assert not change(SAME[what], SAME[what], np.array([-1.0, 2.0]), x)


def test_a_list_that_holds_itself_is_told():
    one, other = [1], [1]
    one.append(one)
    other.append(other)
    assert not change(lambda x: Applied(x, given=one), lambda x: Applied(x, given=other))
    other.append(2)
    assert change(lambda x: Applied(x, given=one), lambda x: Applied(x, given=other))


def test_an_array_changed_in_place_is_seen():
    table, held = np.ones(3), [1]
    for f in (lambda x: Applied(x, given=table), lambda x: x[0] * table, lambda x: Applied(x, given=held)):
        before = Skeleton(traced(f))
        table[1] += 1.0
        held.append(2)
        other = traced(f)
        assert difference(before, Skeleton(other), other)


def test_a_function_with_nothing_in_a_cell_yet():
    def made(ready):
        def look(array):
            return later

        if ready:
            later = 3
        return look

    assert change(lambda x: Applied(x, given=made(False)), lambda x: Applied(x, given=made(True)))


def test_time_and_memory_are_linear_in_the_nodes():
    """Of one thing per node: the longest chain has kinds, edges and leaves in proportion."""

    def chain(x, n):
        for _ in range(n):
            x = np.tanh(x) * W
        return x

    for n in (10, 1000):
        skeleton = Skeleton(traced(lambda x, n=n: chain(x, n)))
        assert (len(skeleton.kind_of), len(skeleton.edges)) == (2 * n, 3 * n)
        assert (len(skeleton.kinds), len(skeleton.leaves)) == (2, 2)


def test_it_keeps_no_node_but_parameters():
    def alive():
        gc.collect()
        return sum(isinstance(x, mg.Operation) and hasattr(x, "_value") for x in gc.get_objects())

    before = alive()
    skeleton = Skeleton(traced(lambda x: np.tanh(x * W)))
    assert alive() == before
    assert skeleton != "another thing"
