"""Sunspots a year ahead: recurrent nets against the naive and the seasonal-naive forecast."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import optim
from minigrad.models import GRU, LSTM, Dense, Sequential, SimpleRNN, losses, metrics
from minigrad.models.data import datasets
from minigrad.models.data.preprocessing import Normalization, Split
from minigrad.node import Array
from minigrad.optim.studies.settings import check_fraction, check_positive, check_seeds

CELLS = {"SimpleRNN": SimpleRNN, "LSTM": LSTM, "GRU": GRU}


@dataclass(frozen=True)
class Settings:
    """Of the windows, the nets and their training."""

    cells: tuple[str, ...] = ("SimpleRNN", "LSTM", "GRU")
    seeds: tuple[int, ...] = (0, 1, 2)
    length: int = 48
    horizon: int = 12
    period: int = 132
    units: int = 16
    epochs: int = 60
    patience: int = 10
    batch_size: int = 64
    learning_rate: float = 0.005
    validation: float = 0.2

    def __post_init__(self) -> None:
        counts = ("length", "horizon", "period", "units", "epochs", "patience", "batch_size")
        check_positive("forecasting", **{name: getattr(self, name) for name in counts})
        check_fraction("forecasting", validation=self.validation)
        check_seeds("forecasting", *self.seeds)
        if self.period < self.horizon:
            raise ValueError(f"forecasting: period = {self.period}: at least the horizon, {self.horizon}")
        unknown = [cell for cell in self.cells if cell not in CELLS]
        if unknown:
            raise ValueError(f"forecasting: cells = {list(self.cells)}: of {', '.join(CELLS)}")


@dataclass(frozen=True)
class Windows:
    """Windows of the series in the order of time: the first months, those behind them, the last years.

    seasonal: for each window of the test years the number a period before the month in question
    """

    train: Split
    validation: Split
    test: Split
    seasonal: Array


def load(settings: Settings) -> Windows:
    """Make the windows; those to choose by are the last ones of the training years, without a month in common with the others.

    Of the test years those are left out that cannot look back a period.
    """
    data = datasets.sunspots(settings.length, horizon=settings.horizon)
    n = len(data.train.inputs)
    first = n - round(settings.validation * n)
    last = first - settings.length - settings.horizon  # so that no month is in both
    if not 1 <= last < first < n:
        raise ValueError(
            f"forecasting: {n} windows of {settings.length} months leave too few to train on and to choose by"
        )
    train, validation = (Split(data.train.inputs[a:b], data.train.targets[a:b]) for a, b in ((0, last), (first, n)))
    back = settings.period - settings.horizon + 1  # months, from the last one read
    wide = datasets.sunspots(max(settings.length, back), horizon=settings.horizon).test
    return Windows(train, validation, Split(wide.inputs[:, -settings.length :], wide.targets), wide.inputs[:, -back])


def baselines(settings: Settings) -> dict[str, float]:
    """Measure two forecasts on the test years: as it is now, and as it was a period ago."""
    windows = load(settings)
    inputs, targets = windows.test
    return {
        "naive": metrics.root_mean_squared_error(inputs[:, -1], targets),
        "seasonal naive": metrics.root_mean_squared_error(windows.seasonal, targets),
    }


def run_one(cell: str, seed: int, settings: Settings, *, quiet: bool = True) -> dict[str, Any]:
    """Train one net; the epoch is chosen on the months behind the training months."""
    windows = load(settings)
    scale = Normalization(axis=(0, 1)).fit(windows.train.inputs)

    def scaled(split: Split) -> Split:
        return Split(scale.transform(split.inputs), scale.transform(split.targets[:, np.newaxis])[:, 0])

    model = Sequential(CELLS[cell](1, settings.units, rng=seed), Dense(settings.units, 1, rng=seed + 1))
    stopping, start = optim.EarlyStopping(patience=settings.patience), time.perf_counter()
    history = optim.fit(
        model,
        *scaled(windows.train),
        loss=losses.mean_squared_error,
        optimizer=optim.Adam(model.parameters(), settings.learning_rate),
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        validation=scaled(windows.validation),
        callbacks=[stopping],
        clip=1.0,
        rng=seed,
        quiet=quiet,
    )
    seconds = time.perf_counter() - start
    inputs, targets = windows.test
    forecast = scale.inverse(optim.predict(model, scale.transform(inputs))[:, np.newaxis])[:, 0]
    return {
        "run": f"{cell}, seed {seed}",
        "cell": cell,
        "seconds": round(seconds, 1),
        "epoch": stopping.row["epoch"],
        "test RMSE, spots": metrics.root_mean_squared_error(forecast, targets),
        "curves": {name: [float(f"{v:.5g}") for v in history[name]] for name in ("loss", "val_loss")},
    }


def calls(folder: str, settings: Settings) -> list[tuple[Any, ...]]:
    """List the arguments of `run_one` for each run."""
    return [(cell, seed, settings) for cell in settings.cells for seed in settings.seeds]


def more_rows(folder: str, settings: Settings) -> list[dict[str, Any]]:
    """Compare with the forecasts that need no net."""
    return [{"run": name, "test RMSE, spots": error} for name, error in baselines(settings).items()]


def headline(rows: list[dict[str, Any]]) -> str:
    """Say each kind of net by mean and spread over its seeds, beside the two forecasts."""
    errors: dict[str, list[float]] = {}
    for row in rows:
        errors.setdefault(row.get("cell", row["run"]), []).append(row["test RMSE, spots"])
    parts = [
        f"{name} {np.mean(found):.1f}" + (f" ± {np.std(found, ddof=1):.1f}" if len(found) > 1 else "")
        for name, found in errors.items()
    ]
    return f"Typical error on the test years, in spots (mean and spread over seeds): {', '.join(parts)}."


def files(folder: str) -> list[Path]:
    """Name the file that is read, which comes with minigrad."""
    return [Path(datasets.__file__).with_name("sunspots.csv.gz")]
