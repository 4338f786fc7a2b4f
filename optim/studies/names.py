"""Given names by an LSTM of letters, which then invents some."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import optim
from minigrad.models import LSTM, Dense, Embedding, Module, Sequential, losses
from minigrad.models.data import datasets
from minigrad.models.data.preprocessing import Split
from minigrad.node import Array
from minigrad.optim.studies.settings import check_positive, check_seeds


@dataclass(frozen=True)
class Settings:
    """Of the net, its training, and the names it invents."""

    seed: int = 0
    features: int = 16
    units: int = 96
    epochs: int = 12
    batch_size: int = 128
    learning_rate: float = 0.005
    n_invented: int = 20
    temperature: float = 0.8

    def __post_init__(self) -> None:
        counts = ("features", "units", "epochs", "batch_size", "n_invented")
        check_positive("names", **{name: getattr(self, name) for name in counts})
        check_seeds("names", self.seed)
        if not self.temperature > 0:
            raise ValueError(f"names: temperature = {self.temperature}: above 0")


def counted(inputs: Array) -> Array:
    """Mask the letters that count: the name's own and the dot behind it."""
    mask: Array = inputs != 0
    mask[:, 0] = True
    return mask


def bits(model: Module, split: Split) -> float:
    """Measure the mean of −log2 p of the letters that count."""
    mask = counted(split.inputs)
    return optim.evaluate(model, losses.cross_entropy, split.inputs, split.targets, mask=mask)[0] / float(np.log(2))


def letter_frequencies(train: Split, test: Split) -> float:
    """Measure the same where every letter has its frequency in the training names, whatever stands before it."""
    counts = np.bincount(train.targets[counted(train.inputs)], minlength=27) + 1.0
    return float(-np.log2(counts / counts.sum())[test.targets[counted(test.inputs)]].mean())


def invented(
    model: Module, n: int, temperature: float, rng: np.random.Generator, alphabet: str, longest: int
) -> list[str]:
    """Draw n names, letter by letter, each drawn with p^(1/temperature)."""
    names = np.zeros((n, longest + 1), np.int64)
    for t in range(longest):
        logits = optim.predict(model, names[:, : t + 1])[:, t] / temperature
        draws = logits + rng.gumbel(size=logits.shape)  # whose largest is distributed as the softmax
        names[:, t + 1] = np.where((t > 0) & (names[:, t] == 0), 0, draws.argmax(axis=-1))
    return ["".join(alphabet[i] for i in row[1:]).rstrip(".") for row in names]


def run_one(settings: Settings, *, quiet: bool = True) -> dict[str, Any]:
    """Train once; a tenth of the training names chooses the epoch."""
    data = datasets.names()
    order = np.random.default_rng(settings.seed).permutation(len(data.train.inputs))
    held, kept = order[: len(order) // 10], order[len(order) // 10 :]
    train, validation = (Split(data.train.inputs[i], data.train.targets[i]) for i in (kept, held))
    rng = np.random.default_rng(settings.seed + 1)
    model = Sequential(
        Embedding(27, settings.features, rng=rng),
        LSTM(settings.features, settings.units, sequences=True, rng=rng),
        Dense(settings.units, 27, rng=rng),
    )
    stopping, start = optim.EarlyStopping(patience=3), time.perf_counter()
    history = optim.fit(
        model,
        *train,
        mask=counted(train.inputs),
        loss=losses.cross_entropy,
        optimizer=optim.Adam(model.parameters(), settings.learning_rate),
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        validation=(*validation, {"mask": counted(validation.inputs)}),
        callbacks=[stopping],
        rng=settings.seed + 2,
        quiet=quiet,
    )
    seconds = time.perf_counter() - start
    alphabet = "".join(data.classes)
    known = {"".join(alphabet[i] for i in row).rstrip(".") for row in (*data.train.targets, *data.test.targets)}
    draws = np.random.default_rng(settings.seed + 3)
    new = invented(model, settings.n_invented, settings.temperature, draws, alphabet, data.train.inputs.shape[1] - 1)
    return {
        "run": "LSTM of letters",
        "seconds": round(seconds, 1),
        "epoch": stopping.row["epoch"],
        "test bits per letter": bits(model, data.test),
        "invented": new,
        "of them in the list": sum(name in known for name in new),
        "curves": {name: [float(f"{v:.5g}") for v in history[name]] for name in ("loss", "val_loss")},
    }


def calls(folder: str, settings: Settings) -> list[tuple[Any, ...]]:
    """List the arguments of `run_one` for each run."""
    return [(settings,)]


def more_rows(folder: str, settings: Settings) -> list[dict[str, Any]]:
    """Compare with letters without memory."""
    data = datasets.names()
    return [{"run": "frequencies of letters", "test bits per letter": letter_frequencies(data.train, data.test)}]


def headline(rows: list[dict[str, Any]]) -> str:
    """Say what the net has learned, and what it makes of it."""
    net, plain = rows
    return (
        f"{net['test bits per letter']:.2f} bits per letter of the test names ({plain['test bits per letter']:.2f} by frequencies "
        f"alone). Invented: {', '.join(net['invented'])}; {net['of them in the list']} of these are in the list."
    )


def files(folder: str) -> list[Path]:
    """Name the file that is read, which comes with minigrad."""
    return [Path(datasets.__file__).with_name("names.txt.gz")]
