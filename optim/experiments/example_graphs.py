"""Small graphs to look at, by name: `minigrad draw net`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from minigrad.context import scope
from minigrad.models import GRU, LSTM, Module, SimpleRNN
from minigrad.node import Input, Node, Parameter
from minigrad.ops import log, maximum, softmax, tanh

STEPS = 6  # of the recurrent ones


def net() -> Node:
    """Compute the loss of a net of two inputs, two tanh units and one output."""
    x1, x2, y = (Input(value, name) for name, value in (("x1", 1.0), ("x2", 2.0), ("y", 1.0)))
    names = ("w01", "w11", "w21", "w02", "w12", "w22", "w0", "w1", "w2")
    values = (0.1, 0.2, 0.3, -0.1, 0.4, -0.5, 0.05, 0.6, 0.7)
    w01, w11, w21, w02, w12, w22, w0, w1, w2 = map(Parameter, values, names)
    with scope("hidden"):
        u1 = tanh(w01 + w11 * x1 + w21 * x2)
        u2 = tanh(w02 + w12 * x1 + w22 * x2)
        u1.name, u2.name = "u1", "u2"
    with scope("output"):
        outcome = w0 + w1 * u1 + w2 * u2
        outcome.name = "ŷ"
    loss = (outcome - y) ** 2
    loss.name = "L"
    return loss


def micrograd() -> Node:
    """Compute the expression of micrograd's README, whose slopes by a and b are 138.8338 and 645.5773."""
    a, b = Parameter(-4.0, "a"), Parameter(2.0, "b")
    c = a + b
    d = a * b + b**3
    c = c + (c + 1)
    c = c + (1 + c + (-a))
    d = d + (d * 2 + maximum(b + a, 0))
    d = d + (3 * d + maximum(b - a, 0))
    e = c - d
    f = e**2
    g = f / 2.0
    g = g + 10.0 / f
    g.name = "g"
    return g


def cross_entropy() -> Node:
    """Compute L = -Σ y ln p, p = softmax(z);  z̄ = p - y."""
    z, y = Parameter([2.0, 1.0, -1.0], "z"), Input([0.0, 1.0, 0.0], "y")
    p = softmax(z)
    p.name = "p"
    loss = -(y * log(p)).sum()
    loss.name = "L"
    return loss


def recurrent(layer: Callable[..., Module]) -> Node:
    """Compute the mean square of a recurrent layer's last state."""
    rng = np.random.default_rng(0)
    u = Input(rng.normal(size=(1, STEPS, 2)), "u")  # (batch, time, n_inputs)
    loss = (layer(2, 3, rng=rng, dtype=np.float64)(u) ** 2).mean()
    loss.name = "L"
    return loss


EXAMPLES: dict[str, tuple[str, Callable[[], Node]]] = {  # name -> in words, its loss
    "net": ("the loss of a net of 2 inputs, 2 tanh units and 1 output", net),
    "micrograd": ("the expression of micrograd's README", micrograd),
    "cross-entropy": ("a softmax and its cross-entropy", cross_entropy),
    **{
        name: (f"{words}, {STEPS} time steps of 3 units", partial(recurrent, layer))
        for name, words, layer in (
            ("rnn", "a plain recurrent layer", SimpleRNN),
            ("lstm", "long short-term memory", LSTM),
            ("gru", "gated recurrent units", GRU),
        )
    },
}
