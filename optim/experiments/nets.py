"""The nets of the main job: one recurrent layer, read out at the last time step, or at every one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.models import RNN, Dense, Module, Sequential, initializers
from minigrad.node import Node
from minigrad.ops import stack
from minigrad.optim.experiments.cells import CELLS
from minigrad.optim.experiments.configuration import Configuration
from minigrad.optim.experiments.tasks import Task

if TYPE_CHECKING:
    from minigrad.operators import Operand


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
    cell = CELLS[configuration.cell]
    if cell.layer is None:
        net = RNN(task.n_inputs, configuration.states, task.n_outputs, **starts)
        return EveryStep(net) if task.every_step else net
    if cell.own_start:
        starts = {"rng": rng}
    layer = cell.layer(task.n_inputs, configuration.states, **starts)
    layer.sequences = task.every_step
    readout = Dense(configuration.states, task.n_outputs, initializer=normal, rng=rng)
    return Sequential(recurrent=layer, readout=readout)
