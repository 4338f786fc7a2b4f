"""The nets of the main job: one recurrent layer, read out at the last time step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
from minigrad.optim.configuration import OWN_STARTS, Configuration
from minigrad.optim.tasks import Task

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


def make_net(configuration: Configuration, task: Task, rng: np.random.Generator) -> Module:
    """The net as it starts."""
    normal = initializers.normal(configuration.std)
    orthogonal = initializers.orthogonal() if configuration.initialization == "orthogonal" else None
    starts: dict[str, Any] = {"initializer": normal, "recurrent_initializer": orthogonal, "rng": rng}
    if configuration.cell == "rnn":
        return RNN(task.n_inputs, configuration.states, task.n_outputs, **starts)
    if configuration.cell in OWN_STARTS:
        starts = {"rng": rng}
    layer = LAYERS[configuration.cell](task.n_inputs, configuration.states, **starts)
    readout = Dense(configuration.states, task.n_outputs, initializer=normal, rng=rng)
    return Sequential(recurrent=layer, readout=readout)
