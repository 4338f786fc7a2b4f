"""Small trainings of all kinds, built anew by name: what is trained, and all that `fit` is given."""

from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.models import (
    GRU,
    LSTM,
    RNN,
    BatchNorm,
    Dense,
    Dropout,
    Module,
    RReLU,
    Sequential,
    losses,
    metrics,
    penalties,
)
from minigrad.optim import SGD, AdaGrad, Adam, Callback, EarlyStopping, KeepBest, RMSProp, fit, schedules

Training = dict[str, Any]


def numbers(n: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(n).normal(size=(n, *shape)).astype(np.float32)


def dense() -> Training:
    """Dropout and BatchNorm, Adam with a schedule, the best parameters kept; a last batch of another size."""
    net = Sequential(Dense(4, 6, rng=0), BatchNorm(6), np.tanh, Dropout(0.3, rng=1), Dense(6, 3, rng=2))
    x = numbers(50, 4)
    return {
        "model": net, "inputs": x, "targets": x[:, :3].argmax(axis=1), "loss": losses.cross_entropy,
        "optimizer": Adam(net.parameters(), schedules.warm_up(5, schedules.cosine(0.05, 20))), "batch_size": 8, "epochs": 4,
        "validation": 0.2, "metrics": [metrics.accuracy], "callbacks": [KeepBest(highest="val_accuracy")], "clip": 1.0,
    }  # fmt: skip


def lstm() -> Training:
    """Batches of many shapes, cut to the longest sequence; dropout in the cell; early stopping."""
    net = Sequential(LSTM(2, 4, dropout=0.2, recurrent_dropout=0.1, sequences=True, rng=0), Dense(4, 2, rng=1))
    u, lengths = numbers(60, 9, 2), np.arange(60) % 8 + 2
    u[np.arange(9) >= lengths[:, np.newaxis]] = np.nan
    return {
        "model": net, "inputs": u, "targets": u.cumsum(axis=1), "lengths": lengths, "loss": losses.mean_squared_error,
        "optimizer": RMSProp(net.parameters(), 0.02, momentum=0.5), "batch_size": 7, "epochs": 6,
        "validation": (u[:20], u[:20].cumsum(axis=1), {"lengths": lengths[:20]}),
        "callbacks": [EarlyStopping(patience=2, min_delta=0.03)],
    }  # fmt: skip


def penalized() -> Training:
    """Penalties on adjoints and weights that follow schedules, and the generator of `fit` is that of the model."""
    rng = np.random.default_rng(5)
    net = RNN(2, 5, 1, rng=1)
    u = numbers(33, 6, 2)
    return {
        "model": net, "inputs": u, "targets": u.sum(axis=(1, 2))[:, np.newaxis], "loss": losses.mean_squared_error,
        "optimizer": SGD(net.parameters(), 0.05, momentum=0.9), "batch_size": 4, "epochs": 3, "rng": rng,
        "penalties": [penalties.Omega(schedules.linear(0.3, 0.0, 20)), penalties.L2(1e-3)],
        "loss_weight": schedules.linear(0.5, 1.0, 12),
    }  # fmt: skip


class Noisy(Module):
    """Draws its own noise; counts its calls in a state."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.inner = [GRU(2, 3, rng=3), Dense(3, 1, rng=4)]
        self.count = mg.Parameter(np.zeros((), np.float32), trainable=False)
        self.slope = RReLU(rng=rng)

    def forward(self, u: mg.Node) -> mg.Node:
        mg.update(self.count, self.count + 1)
        noise = mg.random_normal(u.shape, 0.1, rng=self.rng) if self.training else 0.0
        return self.slope(self.inner[1](self.inner[0](u + noise)))


class Rate(Callback):
    """Halves the rate now and then, and ends the training in the middle of an epoch."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def after_step(self, training: Any) -> bool:
        self.seen.append(training.numbers["loss"])
        if len(self.seen) % 7 == 0:
            training.optimizer.learning_rate /= 2
        return len(self.seen) == 23

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seen = [*state["seen"]]


def shared() -> Training:
    """One generator for the order of the examples, the noise and the slopes of a model; weights of examples, some 0."""
    rng = np.random.default_rng(7)
    net = Noisy(rng)
    u = numbers(40, 5, 2)
    weights = (np.arange(40) % 5).astype(np.float32)
    return {
        "model": net, "inputs": u, "targets": u.sum(axis=(1, 2))[:, np.newaxis], "loss": losses.mean_squared_error,
        "optimizer": AdaGrad(net.parameters(), 0.1), "batch_size": 5, "epochs": 5, "rng": rng, "weights": weights,
        "callbacks": [Rate()],
    }  # fmt: skip


def branching() -> Training:
    """A loss that no program can be made of, so that every batch is built anew."""
    net = Dense(3, 1, rng=0)
    x = numbers(30, 3)

    def loss(outputs: mg.Node, targets: mg.Node) -> mg.Node:
        return losses.mean_squared_error(outputs, targets)

    return {
        "model": net, "inputs": x, "targets": x[:, :1], "loss": loss, "optimizer": Adam(net.parameters(), 0.1),
        "batch_size": 4, "epochs": 3, "eager": True, "drop_last": True,
    }  # fmt: skip


TRAININGS: dict[str, Callable[[], Training]] = {
    "dense": dense, "lstm": lstm, "penalized": penalized, "shared": shared, "branching": branching,
}  # fmt: skip


def train(name: str, more: list[Any] | None = None, **options: Any) -> Any:
    """Run a training by name; gives all that it left behind. more: callbacks beside its own"""
    made = {**TRAININGS[name](), "quiet": True}
    model, inputs, targets = (made.pop(key) for key in ("model", "inputs", "targets"))
    own = made.pop("callbacks", [])
    history = fit(model, inputs, targets, **made, callbacks=[*own, *(more or [])], **options)
    return left_behind(model, made["optimizer"], history, own, made.get("rng"))


def left_behind(model: Module, optimizer: Any, history: Any, callbacks: list[Any], rng: Any) -> dict[str, Any]:
    """Everything that two trainings are compared by."""
    return {
        "parameters": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "history": {name: list(column) for name, column in history.items()},
        "callbacks": [callback.state_dict() for callback in callbacks],
        "generators": [repr(m.rng.bit_generator.state) for _, m in model.named_modules() if hasattr(m, "rng")],
        "rng": repr(rng.bit_generator.state) if rng is not None else "",
        "interrupted": history.interrupted,
    }
