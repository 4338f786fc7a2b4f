"""The nets of the main job: one recurrent layer, read out at the last time step, or at every one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.models import (
    GRU,
    IRNN,
    LSTM,
    RNN,
    AntisymmetricRNN,
    Dense,
    ExpRNN,
    InverseRNN,
    LipschitzRNN,
    Module,
    Recurrent,
    Sequential,
    SimpleRNN,
    Tilted,
    UnICORNN,
    initializers,
)
from minigrad.node import Node
from minigrad.ops import stack
from minigrad.optim.configuration import OWN_STARTS, Configuration
from minigrad.optim.tasks import Task

if TYPE_CHECKING:
    from minigrad.operators import Operand

LAYERS: dict[str, Callable[..., Recurrent]] = {
    "lstm": LSTM,
    "gru": GRU,
    "irnn": IRNN,
    "antisymmetric": AntisymmetricRNN,
    "exponential": ExpRNN,
    "inverse": InverseRNN,
    "lipschitz": LipschitzRNN,
    "unicornn": UnICORNN,
    "tilted": lambda n_inputs, n_units, **options: Tilted(SimpleRNN(n_inputs, n_units, **options)),
}


class EveryStep(Module):
    """ŷ_t = φ(V x_t + b_o), t = 1..T: an RNN read out at every time step;  x̄_t gains δ_t V, δ_t = ȳ_t φ'(·)."""

    def __init__(self, rnn: RNN) -> None:
        self.rnn = rnn

    def forward(self, u: Operand, mask: Operand | None = None) -> Node:
        """ŷ, (batch, time, n_outputs), from inputs (batch, time, n_inputs)."""
        return self.rnn.readout(stack(self.rnn.states(u, mask=mask), axis=1))


def make_net(configuration: Configuration, task: Task, rng: np.random.Generator) -> Module:
    """The net as it starts."""
    normal = initializers.normal(configuration.std)
    orthogonal = initializers.orthogonal() if configuration.initialization == "orthogonal" else None
    starts: dict[str, Any] = {"initializer": normal, "recurrent_initializer": orthogonal, "rng": rng}
    if configuration.cell == "rnn":
        net = RNN(task.n_inputs, configuration.states, task.n_outputs, **starts)
        return EveryStep(net) if task.every_step else net
    if configuration.cell in OWN_STARTS:
        starts = {"rng": rng}
    layer = LAYERS[configuration.cell](task.n_inputs, configuration.states, **starts)
    layer.sequences = task.every_step
    readout = Dense(configuration.states, task.n_outputs, initializer=normal, rng=rng)
    return Sequential(recurrent=layer, readout=readout)
