"""MNIST by a net of two hidden layers with dropout: ways to descend, side by side."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import optim
from minigrad.models import Dense, Dropout, Module, Sequential, losses, metrics
from minigrad.models.data import datasets
from minigrad.models.data.preprocessing import Split
from minigrad.ops.activations import relu
from minigrad.optim.studies.choosing import Choice
from minigrad.optim.studies.settings import (
    Runs,
    check_fraction,
    check_positive,
    check_runs,
    check_seeds,
    optimizer_of,
)

FILES = tuple(f"{name}.gz" for name in datasets.MNIST_FILES)
SOURCES = {f"{name}.gz": f"{datasets.MNIST_MIRRORS[0]}{name}.gz" for name in datasets.MNIST_FILES}


@dataclass(frozen=True)
class Settings:
    """Of the net, the split and the runs."""

    seed: int = 0
    epochs: int = 35
    batch_size: int = 128
    units: tuple[int, ...] = (512, 512)
    dropout: float = 0.2
    n_validation: int = 5000
    runs: Runs = field(default_factory=dict)

    def __post_init__(self) -> None:
        counts = {f"units[{i}]": units for i, units in enumerate(self.units)}
        counts |= {"epochs": self.epochs, "batch_size": self.batch_size, "n_validation": self.n_validation}
        check_positive("mnist", **counts)
        check_fraction("mnist", dropout=self.dropout)
        check_seeds("mnist", self.seed)
        check_runs("mnist", self.runs)


@dataclass(frozen=True)
class Images:
    """Images as vectors of 784 pixels in [0, 1], and their digits, in three parts."""

    train: Split
    validation: Split
    test: Split


def load(folder: str, settings: Settings) -> Images:
    """Read the four files of MNIST; the validation images are drawn from the training images by the seed."""
    data = datasets.mnist(folder)
    inputs, targets = data.train.inputs.reshape(len(data.train.inputs), -1), data.train.targets
    if not settings.n_validation < len(inputs):
        raise ValueError(f"mnist: n_validation={settings.n_validation} leaves none of {len(inputs)} images to train on")
    order = np.random.default_rng(settings.seed).permutation(len(inputs))
    held, kept = order[: settings.n_validation], order[settings.n_validation :]
    test = Split(data.test.inputs.reshape(len(data.test.inputs), -1), data.test.targets)
    return Images(Split(inputs[kept], targets[kept]), Split(inputs[held], targets[held]), test)


def net(n_inputs: int, settings: Settings) -> Sequential:
    """Make hidden layers with relu and dropout, then the logits of ten digits; drawn by the seed."""
    rng = np.random.default_rng(settings.seed + 1)
    layers: list[Module] = []
    for before, units in zip((n_inputs, *settings.units), settings.units, strict=False):
        layers += [Dense(before, units, relu, rng=rng), Dropout(settings.dropout, rng=rng)]
    return Sequential(*layers, Dense(settings.units[-1], 10, rng=rng))


@np.errstate(over="ignore", invalid="ignore")  # what diverges is said by its row
def run_one(name: str, folder: str, settings: Settings, *, quiet: bool = True) -> dict[str, Any]:
    """Train once; the epoch is chosen on the validation images, and the test images are looked at once, after that."""
    images = load(folder, settings)
    held = images.validation
    model = net(images.train.inputs.shape[1], settings)
    steps = settings.epochs * math.ceil(len(images.train.inputs) / settings.batch_size)
    optimizer = optimizer_of(settings.runs[name], model.parameters(), steps=steps)
    choice = Choice(lambda model: metrics.accuracy(optim.predict(model, held.inputs), held.targets))
    start, ended = time.perf_counter(), "all epochs"
    try:
        history = optim.fit(
            model,
            *images.train,
            loss=losses.cross_entropy,
            optimizer=optimizer,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            validation=held,
            callbacks=[choice],
            rng=settings.seed + 2,
            quiet=quiet,
        )
    except FloatingPointError as error:
        history, ended = error.history, str(error).split(",")[0]  # type: ignore[attr-defined]
    found: dict[str, Any] = {"run": name, "seconds": round(time.perf_counter() - start, 1), "ended": ended}
    if not choice.best:
        return found
    model.load_state_dict(choice.best)
    return found | {
        "epoch": choice.epoch,
        "validation accuracy": max(choice.measured),
        "test accuracy": metrics.accuracy(optim.predict(model, images.test.inputs), images.test.targets),
        "curves": {
            "loss": [float(f"{loss:.5g}") for loss in history["loss"]],
            "val_loss": [float(f"{loss:.5g}") for loss in history["val_loss"]],
            "val_accuracy": choice.measured,
        },
    }


def calls(folder: str, settings: Settings) -> list[tuple[Any, ...]]:
    """List the arguments of `run_one` for each run."""
    return [(name, folder, settings) for name in settings.runs]


def headline(rows: list[dict[str, Any]]) -> str:
    """Say what came out, in a sentence."""
    best = max(
        (row for row in rows if "test accuracy" in row), key=lambda row: row["validation accuracy"], default=None
    )
    if best is None:
        return "No run reached the end of an epoch."
    return (
        f"By the validation images {best['run']} is best, after epoch {best['epoch']}: "
        f"{best['test accuracy']:.2%} of the test images are read rightly."
    )


def files(folder: str) -> list[Path]:
    """List the files that are read, packed or not."""
    plain = [Path(folder, name[:-3]) for name in FILES]
    return [path if path.exists() else Path(folder, f"{path.name}.gz") for path in plain]
