"""The recurrent layers that the main job trains, and what distinguishes them as options of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from minigrad.models import (
    GRU,
    IRNN,
    LSTM,
    AntisymmetricRNN,
    ExpRNN,
    InverseRNN,
    LipschitzRNN,
    Recurrent,
    SimpleRNN,
    Tilted,
    UnICORNN,
)


@dataclass(frozen=True)
class Cell:
    """A recurrent layer as an option.

    formula:   how a state is made from the one before
    layer:     its class; None for the rnn, which is a whole net
    own_start: whether it starts as its paper says, so that no start can be chosen
    mixed:     whether its recurrent matrix is made of other parameters, so that no penalty is for that matrix
    size:      how many numbers it keeps for a state and for a weight, as a multiple of the rnn's
    """

    formula: str
    layer: Callable[..., Recurrent] | None = None
    own_start: bool = False
    mixed: bool = False
    size: int = 1


def _tilted(n_inputs: int, n_units: int, **options: object) -> Recurrent:
    return Tilted(SimpleRNN(n_inputs, n_units, **options))  # type: ignore[arg-type]


CELLS = {
    "rnn": Cell("x_i = tanh(W x_(i-1) + R u_i + b_1)"),
    "lstm": Cell("long short-term memory, x_i = o tanh(c_i), c_i = f c_(i-1) + i g", LSTM, size=4),
    "gru": Cell("gated recurrent units, x_i = (1 - z) x_(i-1) + z g", GRU, size=3),
    "irnn": Cell("x_i = relu(W x_(i-1) + R u_i + b), W = I at the start", IRNN, own_start=True),
    "antisymmetric": Cell(
        "x_i = x_(i-1) + ε tanh((W - W' - γ I) x_(i-1) + R u_i + b)", AntisymmetricRNN, own_start=True, mixed=True
    ),
    "exponential": Cell("x_i = modReLU(exp(A) x_(i-1) + R u_i), A = -A'", ExpRNN, own_start=True, mixed=True),
    "inverse": Cell(
        "x_i = tanh(W^(±1) x_(i-1) + R u_i + b), the inverse of W and W itself in turn", InverseRNN, own_start=True
    ),
    "lipschitz": Cell(
        "x_i = x_(i-1) + ε (A x_(i-1) + tanh(W x_(i-1) + R u_i + b))", LipschitzRNN, own_start=True, mixed=True, size=2
    ),
    "unicornn": Cell(
        "undamped oscillators, x_i = x_(i-1) + δ z_i, z_i = z_(i-1) - δ (tanh(w x_(i-1) + R u_i + b) + α x_(i-1))",
        UnICORNN,
        own_start=True,
        mixed=True,
    ),
    "tilted": Cell("x_i = tanh(W x_(i-1) + R u_i + b), of which ln mean_i exp(x_i) is read out", _tilted),
}
