"""Graphs to draw."""

import numpy as np

import minigrad as mg


def net_2_2_1():
    """The 2-2-1 net of the notes with tanh, x = (1, 2), y = 1; its loss and its nine weights."""
    x1, x2, y = (mg.Input(value, name=name) for name, value in (("x1", 1.0), ("x2", 2.0), ("y", 1.0)))
    names = ("w01", "w11", "w21", "w02", "w12", "w22", "w0", "w1", "w2")
    values = (0.1, 0.2, 0.3, -0.1, 0.4, -0.5, 0.05, 0.6, 0.7)
    weights = [mg.Parameter(value, name=name) for name, value in zip(names, values, strict=True)]
    w01, w11, w21, w02, w12, w22, w0, w1, w2 = weights
    with mg.scope("hidden"):
        u1 = np.tanh(w01 + w11 * x1 + w21 * x2)
        u2 = np.tanh(w02 + w12 * x1 + w22 * x2)
        u1.name, u2.name = "u1", "u2"
    with mg.scope("output"):
        outcome = w0 + w1 * u1 + w2 * u2
        outcome.name = "ŷ"
    loss = (outcome - y) ** 2
    loss.name = "L"
    return loss, weights


def expression():
    """The expression of micrograd's README, with the gradients 138.8338 and 645.5773."""
    a, b = mg.Parameter(-4.0, name="a"), mg.Parameter(2.0, name="b")
    c = a + b
    d = a * b + b**3
    c = c + (c + 1)
    c = c + (1 + c + (-a))
    d = d + (d * 2 + np.maximum(b + a, 0))
    d = d + (3 * d + np.maximum(b - a, 0))
    e = c - d
    f = e**2
    g = f / 2.0
    g = g + 10.0 / f
    g.name = "g"
    return g, [a, b]


def recurrent(length=3, units=4):
    """An unrolled recurrent net with a scope for each time step; its loss, its parameters, its states."""
    rng = np.random.default_rng(0)
    W = mg.Parameter(rng.normal(size=(units, units)) * 0.5, name="W")
    R = mg.Parameter(rng.normal(size=(units, 2)), name="R")
    b = mg.Parameter(np.zeros(units), name="b")
    V = mg.Parameter(rng.normal(size=(2, units)), name="V")
    state, states = mg.Constant(np.zeros((5, units))), []
    for t in range(1, length + 1):
        u = mg.Input(rng.normal(size=(5, 2)), name=f"u_{t}")
        with mg.scope("rnn"), mg.scope(f"t={t}"):
            state = np.tanh(state @ W.T + u @ R.T + b)
            state.name = f"x_{t}"
        states.append(state)
    with mg.scope("loss"):
        loss = ((state @ V.T - mg.Input(rng.normal(size=(5, 2)), name="target")) ** 2).mean()
    return loss, [W, R, b, V], states


def penalized():
    """The gradient of a loss with a penalty on its adjoints: adjoints of adjoints."""
    loss, parameters, states = recurrent()
    adjoints = mg.gradients(loss, states)
    with mg.scope("penalty"):
        penalty = sum((adjoint * adjoint).sum() for adjoint in adjoints)
    return mg.gradients(loss + 0.3 * penalty, parameters)


def odd():
    """Empty, 0-d, boolean, integer and non-finite values, hostile names, a hostile scope."""
    hostile = "<script>alert(1)</script> & \"quotes\" 'n' \\n \\\n\t\x00\x1b[31m \ud800 \u202e é 漢字 🦊 ]]>"
    with mg.scope('<b>"scope" \\ & \n</b>/'), np.errstate(all="ignore"):
        x = mg.Input([1.0, np.nan, np.inf, -np.inf, 2.0, 3.0], name=hostile)
        nodes = [x * 2, x > 1, mg.Input(np.zeros((0, 3)), name="empty") + 1, mg.Input(3) * 2]
        nodes += [mg.Input(True), mg.Input([np.nan] * 9), mg.Input(np.zeros((1, 1, 1))), mg.Input([True, False] * 9)]
        nodes += [mg.Input([7e307] * 9), mg.Input(np.arange(12).reshape(3, 4)), mg.Input(np.float32(0.1))]
    return nodes


GRAPHS = {
    "one leaf": lambda: mg.Input(1.0, name="x"),
    "2-2-1": lambda: net_2_2_1()[0],
    "2-2-1 gradient": lambda: mg.gradients(*net_2_2_1()),
    "expression": lambda: expression()[0],
    "recurrent": lambda: recurrent()[0],
    "recurrent gradient": lambda: mg.gradients(*recurrent()[:2]),
    "penalized": penalized,
    "odd": odd,
}
