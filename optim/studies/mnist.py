"""MNIST by a net of two hidden layers with dropout: ways to descend, side by side."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import optim
from minigrad.models import Dense, Dropout, Module, Sequential, losses, metrics
from minigrad.models.data import datasets
from minigrad.models.data.preprocessing import Split
from minigrad.node import Array, Parameter
from minigrad.ops.activations import relu
from minigrad.optim.studies.settings import check_positive, entry

FILES = tuple(f"{name}.gz" for name in datasets.MNIST_FILES)


@dataclass(frozen=True)
class Settings:
    """Of the net, the split and the runs.

    runs: by name the optimizer's class and its arguments; a learning rate may be a schedule, as "linear(0.001, 0, steps)"
    """

    seed: int = 0
    epochs: int = 35
    batch_size: int = 128
    units: tuple[int, ...] = (512, 512)
    dropout: float = 0.2
    n_validation: int = 5000
    runs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_positive("mnist", epochs=self.epochs, batch_size=self.batch_size, n_validation=self.n_validation)
        if not self.runs:
            raise ValueError('mnist: no runs: give each a table, [runs.Adam] with optimizer = "Adam" and its arguments')
        for name, run in self.runs.items():
            make = entry(f"runs.{name}", run, "optimizer", OPTIMIZERS)
            try:
                make([Parameter(0.0)], **arguments_of(run, 1))
            except (TypeError, ValueError) as error:
                raise ValueError(f"runs.{name}: {error}") from None


OPTIMIZERS = {make.__name__: make for make in (optim.SGD, optim.AdaGrad, optim.RMSProp, optim.Adam, optim.AdamW)}


def arguments_of(run: Mapping[str, Any], steps: int) -> dict[str, Any]:
    """What the optimizer of a run is given, with its schedule made for so many steps."""
    arguments = {key: value for key, value in run.items() if key != "optimizer"}
    if isinstance(arguments.get("learning_rate"), str):
        arguments["learning_rate"] = optim.schedules.parsed(arguments["learning_rate"], steps=steps)
    return arguments


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
    """Hidden layers with relu and dropout, then the logits of ten digits; drawn by the seed."""
    rng = np.random.default_rng(settings.seed + 1)
    layers: list[Module] = []
    for before, units in zip((n_inputs, *settings.units), settings.units, strict=False):
        layers += [Dense(before, units, relu, rng=rng), Dropout(settings.dropout, rng=rng)]
    return Sequential(*layers, Dense(settings.units[-1], 10, rng=rng))


class BestAccuracy(optim.Callback):
    """The accuracy on the validation images after every epoch, and the parameters of the best one."""

    def __init__(self, held: Split) -> None:
        self.held = held
        self.accuracies: list[float] = []
        self.best: dict[str, Array] = {}

    def after_epoch(self, training: Any) -> None:
        """Measure, and keep the parameters if they are the best so far."""
        found = metrics.accuracy(optim.predict(training.model, self.held.inputs), self.held.targets)
        if found > max(self.accuracies, default=-1.0):
            self.best = training.model.state_dict()
        self.accuracies.append(found)


@np.errstate(over="ignore", invalid="ignore")  # what diverges is said by its row
def run_one(name: str, folder: str, settings: Settings, *, quiet: bool = True) -> dict[str, Any]:
    """Train once; the epoch is chosen on the validation images, and the test images are looked at once, after that."""
    images = load(folder, settings)
    model = net(images.train.inputs.shape[1], settings)
    steps = settings.epochs * math.ceil(len(images.train.inputs) / settings.batch_size)
    run = settings.runs[name]
    optimizer = OPTIMIZERS[run["optimizer"]](model.parameters(), **arguments_of(run, steps))
    watching, start, why = BestAccuracy(images.validation), time.perf_counter(), ""
    try:
        history = optim.fit(
            model,
            *images.train,
            loss=losses.cross_entropy,
            optimizer=optimizer,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            validation=images.validation,
            callbacks=[watching],
            rng=settings.seed + 2,
            quiet=quiet,
        )
    except FloatingPointError as error:
        history, why = error.history, str(error).split(",")[0]  # type: ignore[attr-defined]
    seconds = time.perf_counter() - start
    found: dict[str, Any] = {"run": name, "seconds": round(seconds, 1), "ended": why or "all epochs"}
    if not watching.best:
        return found
    model.load_state_dict(watching.best)
    return found | {
        "epoch": int(np.argmax(watching.accuracies)) + 1,
        "validation accuracy": max(watching.accuracies),
        "test accuracy": metrics.accuracy(optim.predict(model, images.test.inputs), images.test.targets),
        "curves": {
            "loss": [float(f"{loss:.5g}") for loss in history["loss"]],
            "val_loss": [float(f"{loss:.5g}") for loss in history["val_loss"]],
            "val_accuracy": watching.accuracies,
        },
    }


def calls(folder: str, settings: Settings) -> list[tuple[Any, ...]]:
    """The arguments of `run_one` for each run."""
    return [(name, folder, settings) for name in settings.runs]


def headline(rows: list[dict[str, Any]]) -> str:
    """What came out, in a sentence."""
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
    """The files that are read, packed or not."""
    plain = [Path(folder, name[:-3]) for name in FILES]
    return [path if path.exists() else Path(folder, f"{path.name}.gz") for path in plain]
