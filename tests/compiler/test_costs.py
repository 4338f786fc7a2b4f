"""What a compiled function costs besides its numerical work: calls of Python in its program, and what it keeps."""

import gc
import re
import tracemalloc
from collections import Counter
from importlib.util import find_spec

import numpy as np
import pytest

import minigrad as mg
from minigrad.compiler.lines import Line
from minigrad.compiler.names import Names
from minigrad.compiler.storage.memory import Memory
from minigrad.compiler.tracing import tracer
from minigrad.models import RNN, losses
from minigrad.node import Node, Number
from minigrad.ops.base import Operation
from tests.compiler.agreement import compare

RNG = np.random.default_rng(0)
BACKENDS = ["numpy", *(["numba"] if find_spec("numba") else [])]


def called_in(step):
    """The names of what the program calls."""
    return set(re.findall(r"(?<![\w.])([a-z_]\w*)\(", step.source.partition("def program")[2]))


# Calls of Python ---------------------------------------------------------------------------------------------------


class Turned(Operation):
    """An fprop that calls functions of NumPy's that are written in Python."""

    __slots__ = ()
    how: str

    def fprop(self, x, *, how):
        return {
            "front": lambda: np.expand_dims(x, 0),
            "between": lambda: np.expand_dims(x, (1, -1)),
            "all lengths of 1": lambda: np.squeeze(np.expand_dims(x, (0, -2))),
            "one length of 1": lambda: np.squeeze(np.expand_dims(x, (0, -2)), axis=-2),
            "two lengths of 1": lambda: np.squeeze(np.expand_dims(x, (0, -2)), axis=(0, 2)),
            "reversed": lambda: np.transpose(x),
            "ordered": lambda: np.transpose(x, (1, 0)),
            "listed": lambda: np.transpose(x, axes=[1, 0]),
            "swapped": lambda: np.swapaxes(x, 0, -1),
            "vector": lambda: np.transpose(x[0], (0,)),
            "number": lambda: np.expand_dims(np.squeeze(x[:1, :1]), ()),
        }[how]()


@pytest.mark.parametrize(
    "how",
    [
        "front", "between", "all lengths of 1", "one length of 1", "two lengths of 1", "reversed", "ordered", "listed",
        "swapped", "vector", "number",
    ],
)  # fmt: skip
def test_views_are_said_by_methods_and_indices(how):
    """np.expand_dims and the like cost more than the products of small nets."""

    def f(x):
        return Turned(x, how=how), Turned(x * 2.0, how=how) + 1.0

    for rewrites in (None, ()):
        step = compare(f, *[[RNG.normal(size=(2, 3))] for _ in range(3)], rewrites=rewrites)
        assert not called_in(step) & {"expand_dims", "squeeze", "transpose", "swapaxes"}, step.source


def test_cross_entropy_calls_python_twice():
    """Once to see that the labels are in range, once to put ones in their places."""

    def f(a, y):
        loss = losses.cross_entropy(a, y)
        return loss, mg.gradients(loss, [a])

    step = compare(f, *[[RNG.normal(size=(5, 3)), RNG.integers(0, 3, 5)] for _ in range(3)])
    own = {name for name in called_in(step) if name.startswith(("fprop", "own")) or name in ("placed", "where")}
    assert own == {"fprop_indices", "placed"}
    for wrong in (3, -1):
        with pytest.raises(IndexError, match=rf"1 of 5 indices are not among 0\.\.2, the first is {wrong}"):
            step(np.zeros((5, 3)), np.array([0, 1, wrong, 2, 0]))
    loss, (slope,) = step(np.zeros((5, 3)), np.zeros(5, int))
    assert loss == pytest.approx(np.log(3))
    np.testing.assert_allclose(slope, np.tile([-2 / 15, 1 / 15, 1 / 15], (5, 1)))


def test_what_a_check_gives_back_is_not_its_operand():
    """Labels that are returned are the caller's to keep, and those that come as an argument stay as they are."""

    def f(y, p):
        labels = losses.Labels(y, lowest=0)
        checked = losses.Probabilities(p * 0.5, role="probabilities")
        return labels, checked, checked * 2.0, labels + 1

    compare(f, *[[RNG.integers(0, 2, 4), RNG.uniform(0, 1, (2, 3))] for _ in range(4)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parts_that_are_added_up_share_memory_with_others(dtype):
    """What several slices send back is added up in memory of the program."""

    def f(x, i):
        y = x[1:] * x[:-1] + x[i] * 3.0
        (first,) = mg.gradients(np.square(y).sum(), [x])
        return first, mg.gradients((first * x).sum(), [x])

    step = compare(f, *[[RNG.normal(size=(5, 2)).astype(dtype), RNG.integers(-5, 5, 4)] for _ in range(3)])
    assert "fprop_scatter(" in step.source
    for match in re.findall(r"fprop_scatter\w*\(.*\)", step.source):
        assert ", out=" in match


def test_parameters_are_read_where_they_are():
    """In every call, since an optimizer may have moved them into one buffer."""
    W = mg.Parameter([1.0, 2.0], name="W")
    step = mg.compile(lambda x: x * W)
    step(np.ones(2))
    assert "W = W_._value" in step.source
    W._value = np.array([3.0, 4.0])
    np.testing.assert_array_equal(step(np.ones(2)), [3.0, 4.0])


# From the call to the program --------------------------------------------------------------------------------------


def test_results_in_every_form():
    """Tuples of nodes alone come as the program gives them; all others are built."""
    x = np.array([1.0, 2.0])
    forms = [
        lambda a, b: a,
        lambda a, b: (a,),
        lambda a, b: (a, b),
        lambda a, b: [a, b],
        lambda a, b: (a, None),
        lambda a, b: (a, (b,)),
        lambda a, b: {"a": a, "b": [b]},
    ]
    for form in forms:
        step = mg.compile(lambda x, form=form: form(x * 2.0, x + 1.0))
        expected = form(x * 2.0, x + 1.0)
        for _ in range(3):
            found = step(x)
            assert type(found) is type(expected)
            assert repr(found) == repr(expected)


def test_arguments_that_are_told_apart():
    """An array's key is its shape and its dtype; what is fixed never looks like one."""
    runs = []

    def f(x, *fixed):
        runs.append(fixed)
        return x * 2.0

    step = mg.compile(f)
    x = np.ones(3)
    calls = [(), ((3,),), ((3,), np.dtype(float)), ({},), ((),), ({}, np.dtype(float)), (None,), ("a",), (slice(3),)]
    for fixed in calls:
        for _ in range(2):
            np.testing.assert_array_equal(step(x, *fixed), [2.0, 2.0, 2.0])
    assert runs == calls
    step(x, x)
    step(x, x[:1])
    step(x, x[:1].astype(np.float32))
    step(x, np.float32(1))
    assert len(runs) == len(calls) + 4


# What is kept ------------------------------------------------------------------------------------------------------


def recurrent(T):
    model = RNN(2, 3, 4, rng=0)
    parameters = list(model.parameters())

    def f(u, y):
        loss = losses.cross_entropy(model(u), y)
        return loss, *mg.gradients(loss, parameters)

    return f, RNG.normal(size=(5, T, 2)).astype(np.float32), RNG.integers(0, 4, 5)


def alive(*kinds):
    gc.collect()
    # one Number serves everybody, and a node without a value is the self of an fprop that is called as it stands
    things = [(x, type(x)) for x in gc.get_objects()]  # isinstance would ask the things themselves, which may warn
    counted = [
        of for x, of in things if not (issubclass(of, Number) or (issubclass(of, Node) and not hasattr(x, "_value")))
    ]
    return Counter(kind for of in counted for kind in kinds if issubclass(of, kind))


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_program_keeps_nothing_of_what_made_it(backend, tmp_path, monkeypatch):
    """No node but parameters, no line, no writer: a recurrent net has thousands of them."""
    monkeypatch.setenv("MINIGRAD_CACHE", str(tmp_path))
    f, u, y = recurrent(6)
    kinds = (Node, Line, Memory, Names, tracer.Trace)
    before = alive(*kinds)
    step = mg.compile(f, backend=backend)
    for _ in range(2):
        step(u, y)
    assert alive(*kinds) == before
    globals_ = step._latest.run.__globals__
    for name in globals_.keys() - {"__builtins__"}:
        assert re.search(rf"(?<!\w){name}(?!\w)", step.source.partition("def program")[2]), f"{name} is not used"


@pytest.mark.slow
def test_a_program_keeps_little_for_each_time_step():
    """The rows that loops go over, and a number for every node; not their text, lines or labels."""

    def kept(T):
        f, u, y = recurrent(T)
        step = mg.compile(f)
        gc.collect()
        tracemalloc.start()
        try:
            for _ in range(3):
                step(u, y)
            gc.collect()
            arrays = tracemalloc.DomainFilter(inclusive=False, domain=np.lib.tracemalloc_domain)
            return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([arrays]).traces)
        finally:
            tracemalloc.stop()

    kept(2)  # what is made once in a process
    assert (kept(120) - kept(20)) / 100 < 900


FUNCTIONS = [np.tanh]


def test_verify_names_the_node_that_is_new(monkeypatch):
    """Though a program keeps no labels."""

    def f(x):
        with mg.scope("inner"):
            return FUNCTIONS[0](x * 2.0) + x

    step = mg.compile(f)
    step.verify(np.ones(2))
    monkeypatch.setitem(globals(), "FUNCTIONS", [np.exp])
    with pytest.raises(AssertionError, match=r"disagree in Exp \(2,\) in scope inner \(number \d+\): "):
        step.verify(np.ones(2))
