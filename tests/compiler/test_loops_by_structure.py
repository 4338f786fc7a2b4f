"""Time steps are found in what a graph does: programs do not depend on what scopes are called, or whether there are any."""

from contextlib import nullcontext

import numpy as np
import pytest

import minigrad as mg

BATCH, FEATURES, UNITS = 4, 3, 5
SPELLINGS = {
    "t=3": lambda t: mg.scope(f"t={t}"),
    "time=3": lambda t: mg.scope(f"time={t}"),
    "step 3": lambda t: mg.scope(f"step {t}"),
    "3": lambda t: mg.scope(str(t)),
    "layer=3": lambda t: mg.scope(f"layer={t}"),
    "backward in time": lambda t: mg.scope(f"t={99 - t}"),
    "two numbers": lambda t: mg.scope(f"a={t % 2}/b={t // 2}"),
    "words": lambda t: mg.scope("abcdefghijklmnopqrstuvwxyz"[t]),
    "one scope": lambda t: mg.scope("cell"),
    "one scope with a number": lambda t: mg.scope("t=1"),
}


def weights(*shapes):
    rng = np.random.default_rng(0)
    return [mg.Parameter(0.3 * rng.normal(size=shape), name=f"W{i}") for i, shape in enumerate(shapes)]


def lstm(step, n_steps):
    W, R, b, V = parameters = weights((4 * UNITS, FEATURES), (4 * UNITS, UNITS), (4 * UNITS,), (1, UNITS))

    def f(u):
        h = c = mg.Constant(np.zeros((BATCH, UNITS)))
        for t in range(n_steps):
            with step(t):
                z = u[:, t] @ W.T + h @ R.T + b
                i, o, forget = (mg.sigmoid(z[:, k * UNITS : (k + 1) * UNITS]) for k in range(3))
                c = forget * c + i * np.tanh(z[:, 3 * UNITS :])
                h = o * np.tanh(c)
        loss = np.square(h @ V.T).mean()
        return loss, *mg.gradients(loss, parameters)

    return f


def penalized(step, n_steps):
    W, R, b = parameters = weights((UNITS, FEATURES), (UNITS, UNITS), (UNITS,))

    def f(u):
        h, states = mg.Constant(np.zeros((BATCH, UNITS))), []
        for t in range(n_steps):
            with step(t):
                h = np.tanh(u[:, t] @ W.T + h @ R.T + b)
            states.append(h)
        loss = np.square(h).mean()
        total = loss + 0.1 * sum([np.square(adjoint).sum() for adjoint in mg.gradients(loss, states)])
        return total, *mg.gradients(total, parameters)

    return f


def layers(step, n_layers):
    parameters = weights(*[(FEATURES, FEATURES)] * n_layers)

    def f(u):
        x = u[:, 0]
        for i, W in enumerate(parameters):
            with step(i):
                x = np.tanh(x @ W.T)
        loss = np.square(x).mean()
        return loss, *mg.gradients(loss, parameters)

    return f


def code(f, n_steps):
    """The program's statements, without what is said about them; its results are those of the nodes."""
    step = mg.compile(f)
    for seed in range(2):
        u = np.random.default_rng(seed).normal(size=(BATCH, n_steps, FEATURES))
        for found, node in zip(step(u), f(mg.Input(u)), strict=True):
            np.testing.assert_allclose(found, node.value, rtol=1e-12, atol=1e-14)
    return [line for line in step.source.splitlines() if line.strip() and not line.strip().startswith("#")]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("net", [lstm, penalized, layers])
def test_a_program_does_not_depend_on_how_scopes_are_spelled(net, spelling):
    assert code(net(SPELLINGS[spelling], 12), 12) == code(net(lambda t: nullcontext(), 12), 12)


@pytest.mark.parametrize("net", [lstm, penalized])
def test_a_loop_without_scopes_is_as_long_for_many_steps_as_for_few(net):
    short, long = (code(net(lambda t: nullcontext(), n), n) for n in (12, 24))
    assert len(short) == len(long)
    assert any(line.strip().startswith("for ") for line in short)


def test_steps_that_no_scope_names_are_numbered_in_the_program():
    step = mg.compile(lstm(lambda t: nullcontext(), 12))
    step(np.ones((BATCH, 12, FEATURES)))
    assert "    # step 1 ... step 12\n" in step.source
    assert "    # backward through step 11 ... step 2\n" in step.source
    within = mg.compile(lstm(lambda t: mg.scope("cell"), 12))
    within(np.ones((BATCH, 12, FEATURES)))
    assert "    # cell step 1 ... cell step 12\n" in within.source
