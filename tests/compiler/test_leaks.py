"""What would put the values of one call into every later one is refused while tracing, and what cannot be seen, `verify` finds."""

import math
import re

import numpy as np
import pytest

import minigrad as mg
from minigrad import context
from minigrad.compiler import TraceError
from minigrad.models import BatchNorm, Dense, Dropout
from minigrad.optim import SGD

W = mg.Parameter([0.5, -1.0], name="W")
OLD = np.tanh(W)
GRAPH_INPUT = mg.Input([1.0, 2.0], name="u")
GRAPH = mg.Graph(np.tanh(GRAPH_INPUT))


def branch(x):
    return x * 2.0 if x.sum() > 0 else x


def loop(x):
    while x.sum() < 10:
        x = x * 2.0
    return x


def conjunction(x):
    return x * (x.sum() > 0 and 3.0)


def set_value(x):
    W.value = np.zeros(2)
    return x * W


def step_inside(x):
    optimizer = SGD([W])
    np.sum(x * W).backward()
    optimizer.step()
    return x


def backward(x):
    np.sum(x * W).backward()
    return x * 1.0


def as_numpy(x):
    return x * np.asarray(x.value)


WAYS = {
    "if": (branch, r"mg.compile: if, and, or, not, while and bool\(\) on .*Greater.*np\.where"),
    "while": (loop, r"mg.compile: if, and, or, not, while and bool\(\) on .*Less.*np\.where"),
    "and": (conjunction, r"mg.compile: if, and.*np\.where"),
    "not": (lambda x: x * float(not x.sum()), r"mg.compile: if, and, or, not.*np\.where"),
    "bool()": (lambda x: x * bool(x.sum() > 0), r"bool\(\) on .*Greater"),
    "float()": (lambda x: x * float(x.sum()), r"mg.compile: float\(\) on Sum.*keep it a node"),
    "int()": (lambda x: x[int(x.sum())], r"mg.compile: int\(\) on Sum.*keep it a node"),
    "item()": (lambda x: x * x.sum().item(), r"mg.compile: item\(\) on Sum.*keep it a node"),
    "format()": (lambda x: x * len(f"{x.sum():.3f}"), r"mg.compile: item\(\) on Sum"),
    ".value": (as_numpy, r'mg.compile: \.value on Input "x".*use the node itself'),
    "a parameter's .value": (lambda x: x * W.value, r'mg.compile: \.value on Parameter "W"'),
    ".value =": (set_value, r'mg.compile: \.value = array on Parameter "W".*mg\.update'),
    "np.allclose": (lambda x: x * np.allclose(x, x), r"mg.compile: "),
    "np.array_equal": (lambda x: x * np.array_equal(x, x), r"mg.compile: "),
    ".backward()": (backward, r"mg.compile: \.backward\(\) on Sum.*mg\.gradients"),
    "Graph.fprop": (lambda x: x * GRAPH.fprop({GRAPH_INPUT: np.ones(2)})[0], r"mg.compile: Graph\.fprop"),
    "optimizer.step()": (step_inside, r"mg.compile: \.backward\(\)"),
    "a new parameter": (
        lambda x: x * mg.Parameter([1.0, 2.0], name="new"),
        r'Parameter "new".*made while tracing: make',
    ),
    "an old node": (lambda x: x * OLD, r"Tanh \(2,\) was computed before the trace.*inside"),
    "a number returned": (lambda x: 3.0, r"returned float.*return nodes"),
    "an array returned": (lambda x: np.ones(2), r"returned ndarray.*return nodes"),
    "a number in a tuple": (lambda x: (x * 2.0, {"n": 2}), r"returned int"),
    "nothing returned": (lambda x: None, r"returned no node"),
}


def filled(x, kind=float):
    out = np.zeros(2, kind)
    for i in range(2):
        out[i] = x[i] * 2
    return x * out


def filled_at_once(x):
    out = np.zeros(2)
    out.fill(x[0])
    return x * out


def comparisons(x):
    out = np.zeros(2, bool)
    out[0] = x[0] > 0
    return x * out


def caught(x):
    try:
        return x * float(x.sum())
    except TypeError:
        return x * 2.0


def caught_and_told(x):
    try:
        return x * float(x.sum())
    except TypeError as error:
        raise RuntimeError("my own") from error


HIDDEN = {  # where NumPy, or the function itself, raises an error of its own instead, or none
    "an array filled": (filled, r"float\(\) on Multiply \(\).*a\[i\] = node.*np\.stack\(list\)"),
    "integers filled": (lambda x: filled(x, int), r"int\(\) on Multiply.*np\.stack"),
    "complex numbers filled": (lambda x: filled(x, complex), r"float\(\) on Multiply.*np\.stack"),
    "an array filled at once": (filled_at_once, r"float\(\) on GetItem.*np\.stack"),
    "booleans filled": (comparisons, r"bool\(\) on Greater.*np\.where"),
    "a list in a list": (lambda x: x * np.array([1.0, 2.0])[[int(x[0])]], r"int\(\) on GetItem"),
    "math": (lambda x: x * math.sin(x[0]), r"float\(\) on GetItem"),
    "caught": (caught, r"float\(\) on Sum"),
    "another error": (caught_and_told, r"float\(\) on Sum"),
}


@pytest.mark.parametrize("way", HIDDEN)
def test_what_hides_a_refusal_does_not(way):
    """The error itself says what to write, not its cause, and no other branch is taken for the function's."""
    function, message = HIDDEN[way]
    step = mg.compile(function)
    for _ in range(2):
        with pytest.raises(TraceError, match=message):
            step(np.array([0.25, 0.75]))
        assert context.trace.get() is None


@pytest.mark.parametrize("way", WAYS)
def test_way_out(way):
    function, message = WAYS[way]
    before, grad = W.value.copy(), W.grad
    step = mg.compile(function)
    x = np.array([0.25, 0.75])
    for _ in range(2):  # not once only
        with pytest.raises((TypeError, ValueError), match=message) as found:
            step(x)
        assert "mg.compile" in str(found.value)
        assert context.trace.get() is None
    with pytest.raises(RuntimeError, match="no program yet"):
        _ = step.source
    np.testing.assert_array_equal(W.value, before)
    assert W.grad is grad
    np.testing.assert_array_equal(x, [0.25, 0.75])
    assert float(mg.Input([1.0]).sum()) == 1.0, "values leave graphs again"
    np.testing.assert_array_equal(mg.compile(lambda x: x * W)(x), x * before)


def test_every_message_says_what_to_do_instead():
    for function, _ in WAYS.values():
        with pytest.raises((TypeError, ValueError)) as found:
            mg.compile(function)(np.array([0.25, 0.75]))
        assert re.search(
            r": (use|update|return|build|keep|make|compute|np\.where|let)|: return nodes", str(found.value)
        ), str(found.value)


def test_given_nodes_it_is_the_function_itself():
    """On nodes it builds nodes, as the function would: compiled functions may call each other."""
    step = mg.compile(lambda x: np.tanh(x) * 2.0)
    x = mg.Input([1.0, 2.0], name="x")
    found = step(x)
    assert isinstance(found, mg.Node)
    assert mg.gradients(found.sum(), [x])[0].shape == (2,)
    assert not step.programs


def test_a_failed_trace_takes_back_what_it_updated():
    state = mg.Parameter([1.0], name="state", trainable=False)

    def f(x):
        mg.update(state, state + x)
        return x * float(x.sum())

    with pytest.raises(TypeError, match="float"):
        mg.compile(f)(np.ones(1))
    np.testing.assert_array_equal(state.value, [1.0])


def test_a_failed_trace_of_a_new_shape_leaves_the_others():
    def f(x):
        return x * 2.0 if x.ndim == 1 else x * float(x.sum())

    step = mg.compile(f)
    x = np.array([1.0, 2.0])
    step(x)
    with pytest.raises(TypeError, match="float"):
        step(np.ones((2, 2)))
    np.testing.assert_array_equal(step(x), x * 2)
    assert "program" in step.source


# What no trace can see ---------------------------------------------------------------------------------------------


RATE = {0: 1.0}


def test_verify_finds_a_global_number(monkeypatch):
    step = mg.compile(lambda x: x * RATE[0])
    np.testing.assert_array_equal(step.verify(np.ones(2)), [1.0, 1.0])
    monkeypatch.setitem(RATE, 0, 2.0)
    np.testing.assert_array_equal(step(np.ones(2)), [1.0, 1.0])  # as the documentation says
    with pytest.raises(AssertionError, match=r"disagree in .*a global"):
        step.verify(np.ones(2))


def test_verify_finds_numpys_global_generator():
    state = np.random.get_state()  # noqa: NPY002
    try:
        step = mg.compile(lambda x: x * np.random.normal())  # noqa: NPY002
        with pytest.raises(AssertionError, match=r"np\.random"):
            step.verify(np.ones(2))
    finally:
        np.random.set_state(state)  # noqa: NPY002


def test_verify_finds_a_python_branch_on_something_else():
    calls = []

    def f(x):
        calls.append(1)
        return x * len(calls)

    with pytest.raises(AssertionError, match="disagree"):
        mg.compile(f).verify(np.ones(2))


def test_changed_options_are_seen():
    options = {"rate": 2.0}
    step = mg.compile(lambda x, options: x * options["rate"])
    np.testing.assert_array_equal(step.verify(np.ones(2), options), [2.0, 2.0])
    options["rate"] = 3.0
    np.testing.assert_array_equal(step(np.ones(2), options), [3.0, 3.0])


def test_verify_true_compares_every_call(monkeypatch):
    step = mg.compile(lambda x: np.tanh(x) * RATE[0], verify=True)
    np.testing.assert_array_equal(step(np.ones(2)), np.tanh(np.ones(2)))
    monkeypatch.setitem(RATE, 0, 2.0)
    with pytest.raises(AssertionError, match="disagree"):
        step(np.ones(2))


def net_with_noise():
    rng = np.random.default_rng(0)
    return [Dense(3, 4, activation=np.tanh, rng=rng), BatchNorm(4), Dropout(0.5, rng=1)], rng


def test_verify_passes_with_draws_and_states():
    (dense, norm, dropout), rng = net_with_noise()
    (dense2, norm2, dropout2), _ = net_with_noise()

    def function(dense, norm, dropout):
        parameters = [dense.W, norm.gamma]

        def f(x):
            loss = np.sum(np.square(dropout(norm(dense(x)))))
            return loss, mg.gradients(loss, parameters)

        return f

    step, eager = mg.compile(function(dense, norm, dropout)), function(dense2, norm2, dropout2)
    for _ in range(4):
        x = rng.normal(size=(6, 3)).astype(np.float32)
        loss, gradients = step.verify(x)
        expected, expected_gradients = eager(mg.Input(x))
        np.testing.assert_allclose(loss, expected.value, rtol=1e-5)
        for a, b in zip(gradients, expected_gradients, strict=True):
            np.testing.assert_allclose(a, b.value, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(norm.running_mean.value, norm2.running_mean.value, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(norm.running_variance.value, norm2.running_variance.value, rtol=1e-5)


def test_verify_finds_draws_that_are_no_nodes():
    """The graph is the same: only the generator is elsewhere."""
    rng, draws = np.random.default_rng(0), [True]

    def f(x):
        if draws:
            rng.random()
        return x * mg.random_normal((2,), rng=rng)

    step = mg.compile(f)
    step(np.ones(2))
    with pytest.raises(AssertionError, match="disagree in how much its generators draw"):
        step.verify(np.ones(2))
    draws.clear()
    step.verify(np.ones(2))


def test_a_verified_call_counts_once():
    state = mg.Parameter([0.0], name="count", trainable=False)
    rng, twin = np.random.default_rng(3), np.random.default_rng(3)

    def f(x):
        mg.update(state, state + 1.0)
        return x + mg.random_normal((2,), rng=rng)

    step = mg.compile(f)
    for count in range(1, 4):
        found = step.verify(np.zeros(2))
        np.testing.assert_array_equal(state.value, [count])
        np.testing.assert_array_equal(found, twin.standard_normal(2))
