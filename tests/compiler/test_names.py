"""In printed programs d_h is ∂loss/∂h, whatever h is, and nothing else: asked by nudging h."""

import re

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import LSTM, RNN, BatchNorm, Dense, LayerNorm, Sequential, losses, penalties

RNG = np.random.default_rng(0)
ADJOINT = re.compile(r"(?<!\w)d\d*_(\w+)")


def loss_and_gradients(model, loss):
    parameters = [p for p in model.parameters() if p.trainable]

    def f(x, y):
        value = loss(model(x), y)
        return value, *mg.gradients(value, [*parameters, x])

    return f


def two_layers():
    W, V = mg.Parameter(RNG.normal(size=(3, 4)), name="W"), mg.Parameter(RNG.normal(size=(4, 3)), name="W")

    def f(x, y):
        h = np.tanh(x @ W)
        h.name = "h"
        z = mg.softmax(mg.sigmoid(h) * h @ V)
        loss = np.square(z - y).mean()
        loss.name = "loss"
        return loss, *mg.gradients(loss, [W, V, x])

    return f


def of_time_steps(x, y):
    h, c = x * 0.5, x * 0.25
    for t in range(3):
        h = np.tanh(h * c + x)
        c = np.exp(h * 0.1) - mg.sigmoid(c)
        h.name = f"h_{t}"
    loss = ((h - y) ** 2).sum() + (c / (h + 3.0)).sum()
    return loss, *mg.gradients(loss, [x])


def named_alike(x, y):
    """Names that read like those of adjoints of others."""
    h = np.tanh(x)
    h_1 = np.exp(h)
    product = h * h_1
    h.name, h_1.name, product.name = "h", "h", "h_1"
    loss = (product * y).sum() + np.square(h_1 - h).sum()
    return loss, *mg.gradients(loss, [x])


def reused(x, y):
    """What is computed once though it is asked for twice, and what several adjoints share."""
    a = np.tanh(x * y)
    b = np.tanh(x * y)
    c = a + b + x
    loss = (c * c).sum() + (a * b).sum() + c.sum()
    return loss, *mg.gradients(loss, [x])


dense = Sequential(Dense(3, 4, activation=np.tanh, rng=0, dtype=np.float64), Dense(4, 3, rng=1, dtype=np.float64))
normalized = Sequential(
    Dense(3, 3, rng=0, dtype=np.float64), BatchNorm(3, dtype=np.float64), LayerNorm(3, dtype=np.float64)
)
CASES = {
    "two layers": (two_layers(), RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3))),
    "time steps": (of_time_steps, RNG.normal(size=(2, 3)), RNG.normal(size=(2, 3))),
    "names that are alike": (named_alike, RNG.normal(size=3), RNG.normal(size=3)),
    "reused": (reused, RNG.normal(size=3), RNG.normal(size=3)),
    "a classifier": (
        loss_and_gradients(dense, losses.cross_entropy),
        RNG.normal(size=(5, 3)),
        np.array([0, 2, 1, 1, 0]),
    ),
    "normalized": (
        loss_and_gradients(normalized, losses.mean_squared_error),
        RNG.normal(size=(5, 3)),
        RNG.normal(size=(5, 3)),
    ),
    "a recurrent net": (
        loss_and_gradients(RNN(2, 3, 3, rng=0, dtype=np.float64), losses.cross_entropy),
        RNG.normal(size=(4, 6, 2)),
        np.array([0, 1, 2, 0]),
    ),
    "gates": (
        loss_and_gradients(LSTM(2, 3, rng=0, dtype=np.float64), losses.mean_squared_error),
        RNG.normal(size=(4, 5, 2)),
        RNG.normal(size=(4, 3)),
    ),
}


def defined(source):
    """The names that a program defines, its arguments included."""
    head = re.search(r"^def program\((.*)\):", source, re.MULTILINE)[1].split(", ")
    loops = [name for names in re.findall(r"for \(?([^()]*?)\)? in ", source) for name in re.findall(r"\w+", names)]
    return {*head, *loops, *re.findall(r"^\s*(\w+) = ", source, re.MULTILINE)}


def run(step, arguments, result, nudge=("", 0.0)):
    """The pure program with a name nudged after it is assigned, or on entry; gives the names in result, evaluated at its end."""
    name, change = nudge
    helpers, _, program = step.pure_source.rpartition("def program(")
    lines = [helpers]
    for line in f"def program({program}".splitlines():
        if line.startswith("    return "):
            line = f"    return {line.removeprefix('    return ')}, {result}"
        lines.append(line)
        assigned = re.match(rf"(\s+){name} = ", line) if name else None
        if assigned:
            lines.append(f"{assigned[1]}{name} = {name} + change")
        elif name and line.startswith("def program(") and name in re.findall(r"\w+", line)[2:]:
            lines.append(f"    {name} = {name} + change")
    names = {**step.pure_names, "change": change}
    exec("\n".join(lines), names)
    *_, last = found = names["program"](*arguments, *[p.value for p in step.pure_parameters.values()])
    return found[0], last


@pytest.mark.parametrize("case", CASES)
def test_d_is_the_adjoint_of_what_stands_behind_it(case):
    f, *arguments = CASES[case]
    step = mg.compile(f)
    step(*arguments)
    names = defined(step.pure_source)
    checked = 0
    for name in sorted(names):
        match = ADJOINT.fullmatch(name)
        if match is None or f"{name} = [" in step.pure_source or f"{match[1]} = [" in step.pure_source:
            continue  # lists are those of time steps
        of = match[1]
        assert of in names, name
        _, adjoint = run(step, arguments, name)
        direction = RNG.normal(size=np.shape(adjoint))
        eps = 1e-6
        above, _ = run(step, arguments, "0", (of, eps * direction))
        below, _ = run(step, arguments, "0", (of, -eps * direction))
        expected = np.sum(adjoint * direction)
        assert (above - below) / (2 * eps) == pytest.approx(expected, rel=1e-5, abs=1e-8), name
        checked += 1
    assert checked >= 2


@pytest.mark.parametrize("case", CASES)
def test_what_stands_behind_d_is_a_name_of_the_program(case):
    f, *arguments = CASES[case]
    step = mg.compile(f)
    step(*arguments)
    for source in (step.source, step.pure_source):
        names = defined(source)
        for name in names:
            match = ADJOINT.fullmatch(name)
            assert match is None or of_a_name(match[1], names), name


VIEW_OF = re.compile(r"_(T|part|rows|reshape|transpose|squeeze|swapaxes|now|before|after)(_\d+)?$")
USERS = ("h", "h_0", "h_1", "h_2", "loss")  # nodes with a name, though their values may lie in the memory of others


def of_a_name(what, names):
    """Whether it is a name of the program, or a view of what has one."""
    while what not in names and what not in USERS and VIEW_OF.search(what):
        what = VIEW_OF.sub("", what)
    return what in names or what in USERS


def test_helpers_have_a_mark_of_their_own():
    x = RNG.normal(size=3)
    step = mg.compile(lambda x: mg.gradients(np.tanh(x).sum(), [x]))
    step(x)
    assert "back_subtract = 1.0 - " in step.pure_source
    assert "d_subtract" not in step.pure_source + step.source
    assert "d_x = " in step.pure_source
    step = mg.compile(lambda x: (y := np.tanh(x), mg.gradients((y * y).sum(), [x])))
    step(x)
    assert "back_subtract" in step.source


def test_adjoints_of_several_sweeps_are_told_apart():
    """Of the loss, of the penalty on its adjoints, and of those adjoints."""
    net = RNN(2, 3, 3, rng=0, dtype=np.float64)

    def f(u, y):
        states = net.states(u)
        loss = losses.cross_entropy(net.readout(states[-1]), y)
        penalty = penalties.Omega()(loss, states)
        return loss, penalty, *mg.gradients(loss + penalty, net.parameters())

    step = mg.compile(f)
    step(RNG.normal(size=(4, 5, 2)), np.array([0, 1, 2, 0]))
    found = set(re.findall(r"(?<!\w)d\d*_x(?!\w)", step.pure_source))
    assert {"d_x", "d2_x"} <= found
    assert re.search(r"(?<!\w)d_d\d*_x(?!\w)", step.pure_source), "the derivative with respect to an adjoint"
    assert not re.search(r"(?<!\w)d\d*_x_\d", step.pure_source), "no number that would be taken for another x"
