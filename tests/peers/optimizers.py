"""Ten steps of every optimizer in the settings in which PyTorch or Keras has the same formula.

`python -m tests.peers.optimizers` writes recorded_optimizers.json anew; it needs torch, keras and jax.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minigrad import optim
from minigrad.files import write_file
from minigrad.node import Parameter

FILE = Path(__file__).with_name("recorded_optimizers.json")
STEPS = 10
START = np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -0.75]])
STRETCH = np.array([[1.0, 0.1, 4.0], [2.0, 0.5, 0.01]])  # of the bowl along each entry
RATE = 0.05
FALLING = [RATE / (1 + step) for step in range(STEPS)]  # rates that tell "velocity" from "sum"
CONSTANT = [RATE] * STEPS


class Case(NamedTuple):
    """An optimizer here and, under the name of a peer, its class there with its arguments."""

    ours: str
    options: dict[str, Any]
    rates: list[float]
    peers: dict[str, tuple[str, dict[str, Any]]]


CASES = {
    "descent": Case("SGD", {}, FALLING, {"torch": ("SGD", {}), "keras": ("SGD", {})}),
    "momentum, velocity": Case("SGD", {"momentum": 0.9}, FALLING, {"keras": ("SGD", {"momentum": 0.9})}),
    "momentum, sum": Case("SGD", {"momentum": 0.9, "form": "sum"}, FALLING, {"torch": ("SGD", {"momentum": 0.9})}),
    "nesterov, velocity": Case(
        "SGD", {"momentum": 0.9, "nesterov": True}, FALLING, {"keras": ("SGD", {"momentum": 0.9, "nesterov": True})}
    ),
    "nesterov, sum": Case(
        "SGD",
        {"momentum": 0.9, "nesterov": True, "form": "sum"},
        FALLING,
        {"torch": ("SGD", {"momentum": 0.9, "nesterov": True})},
    ),
    "decay added": Case(
        "SGD",
        {"momentum": 0.9, "form": "sum", "weight_decay": 0.3},
        FALLING,
        {"torch": ("SGD", {"momentum": 0.9, "weight_decay": 0.3})},
    ),
    "decay decoupled": Case(
        "SGD", {"weight_decay": 0.3, "decoupled": True}, FALLING, {"keras": ("SGD", {"weight_decay": 0.3})}
    ),
    "adagrad, outside": Case(
        "AdaGrad",
        {"epsilon": 1e-3, "initial_accumulator": 0.1},
        FALLING,
        {"torch": ("Adagrad", {"eps": 1e-3, "initial_accumulator_value": 0.1})},
    ),
    "adagrad, inside": Case(
        "AdaGrad",
        {"epsilon": 1e-3, "epsilon_inside": True, "initial_accumulator": 0.1},
        FALLING,
        {"keras": ("Adagrad", {"epsilon": 1e-3, "initial_accumulator_value": 0.1})},
    ),
    "rmsprop, outside": Case(
        "RMSProp", {"rho": 0.8, "epsilon": 1e-3}, FALLING, {"torch": ("RMSprop", {"alpha": 0.8, "eps": 1e-3})}
    ),
    "rmsprop, inside": Case(
        "RMSProp",
        {"rho": 0.8, "epsilon": 1e-3, "epsilon_inside": True},
        FALLING,
        {"keras": ("RMSprop", {"rho": 0.8, "epsilon": 1e-3})},
    ),
    "rmsprop, momentum, outside": Case(
        "RMSProp",
        {"rho": 0.8, "momentum": 0.9, "epsilon": 1e-3},
        CONSTANT,
        {"torch": ("RMSprop", {"alpha": 0.8, "momentum": 0.9, "eps": 1e-3})},
    ),
    "rmsprop, momentum, inside": Case(
        "RMSProp",
        {"rho": 0.8, "momentum": 0.9, "epsilon": 1e-3, "epsilon_inside": True},
        FALLING,
        {"keras": ("RMSprop", {"rho": 0.8, "momentum": 0.9, "epsilon": 1e-3})},
    ),
    "adam": Case(
        "Adam",
        {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-2},
        FALLING,
        {"torch": ("Adam", {"betas": (0.8, 0.95), "eps": 1e-2})},
    ),
    "adam, epsilon hat": Case(
        "Adam",
        {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-2, "epsilon_hat": True},
        FALLING,
        {"keras": ("Adam", {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-2})},
    ),
    "adam, decay added": Case(
        "Adam", {"weight_decay": 0.3}, FALLING, {"torch": ("Adam", {"weight_decay": 0.3, "eps": 1e-7})}
    ),
    "adamw": Case(
        "AdamW",
        {"weight_decay": 0.3},
        FALLING,
        {"torch": ("AdamW", {"weight_decay": 0.3, "eps": 1e-7})},
    ),
    "adamw, epsilon hat": Case(
        "AdamW", {"weight_decay": 0.3, "epsilon_hat": True}, FALLING, {"keras": ("AdamW", {"weight_decay": 0.3})}
    ),
}


def gradient(w: Any) -> Any:
    """That of Σ (stretch w²/2 − w/10)."""
    return STRETCH * w - 0.1


def ours(case: Case) -> list[np.ndarray]:
    """The parameter after each step here."""
    w = Parameter(START)
    make: Callable[..., optim.Optimizer] = getattr(optim, case.ours)
    optimizer = make([w], lambda step: case.rates[step], **case.options)
    found = []
    for _ in range(STEPS):
        w.grad = gradient(w.value)
        optimizer.step()
        found.append(w.value.copy())
    return found


def in_torch(name: str, options: dict[str, Any], rates: list[float]) -> list[Any]:
    """The parameter after each step in PyTorch."""
    import torch  # type: ignore[import-not-found,unused-ignore]

    w = torch.tensor(START, requires_grad=True)
    optimizer = getattr(torch.optim, name)([w], lr=rates[0], **options)
    found = []
    for rate in rates:
        optimizer.param_groups[0]["lr"] = rate
        w.grad = torch.tensor(gradient(w.detach().numpy()))
        optimizer.step()
        found.append(w.detach().numpy().copy())
    return found


def in_keras(name: str, options: dict[str, Any], rates: list[float]) -> list[Any]:
    """The parameter after each step in Keras, on JAX."""
    importlib.import_module("tests.peers.in_keras")  # which sets Keras to JAX and to float64
    import jax.numpy as jnp
    import keras  # type: ignore[import-not-found,unused-ignore]

    w = keras.Variable(START, dtype="float64")
    optimizer = getattr(keras.optimizers, name)(learning_rate=rates[0], **options)
    found = []
    for rate in rates:
        optimizer.learning_rate = rate
        optimizer.apply([jnp.asarray(gradient(np.asarray(w.value)))], [w])
        found.append(np.asarray(w.value).copy())
    return found


def main() -> None:
    """Record the last place of every case."""
    from tests.peers import in_keras as backend
    from tests.peers import in_torch as other

    run = {"torch": in_torch, "keras": in_keras}
    cases = {
        name: {
            peer: [[float(f"{number:.12e}") for number in w.flat] for w in run[peer](*given, case.rates)]
            for peer, given in case.peers.items()
        }
        for name, case in CASES.items()
    }
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(found)}" for name, found in cases.items())
    versions = json.dumps({**other.VERSIONS, **backend.VERSIONS})
    write_file(FILE, f'{{"versions": {versions}, "cases": {{\n{lines}\n}}}}\n')


if __name__ == "__main__":
    main()
