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
from minigrad.optim.studies.settings import check_positive

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
        if not 0 < self.validation < 1:
            raise ValueError(f"forecasting: validation = {self.validation}: a fraction between 0 and 1")
        if self.period < self.horizon:
            raise ValueError(f"forecasting: period = {self.period}: at least the horizon, {self.horizon}")
        unknown = [cell for cell in self.cells if cell not in CELLS]
        if unknown or not self.cells or not self.seeds:
            raise ValueError(f"forecasting: cells = {list(self.cells)}: of {', '.join(CELLS)}, with seeds = [0, 1, 2]")


@dataclass(frozen=True)
class Windows:
    """Windows of the series in the order of time: the first months, those behind them, the last years."""

    train: Split
    validation: Split
    test: Split


def load(settings: Settings) -> Windows:
    """The windows; those to choose by are the last ones of the training years, without a month in common with the others."""
    data = datasets.sunspots(settings.length, horizon=settings.horizon)
    n = len(data.train.inputs)
    n_held = round(settings.validation * n)
    first = n - n_held
    last = first - settings.length - settings.horizon  # so that no month is in both
    if last < 1 or not n_held:
        raise ValueError(
            f"forecasting: {n} windows of {settings.length} months leave too few to train on and to choose by"
        )
    train, validation = (Split(data.train.inputs[a:b], data.train.targets[a:b]) for a, b in ((0, last), (first, n)))
    return Windows(train, validation, data.test)


def baselines(settings: Settings) -> dict[str, float]:
    """The errors of two forecasts on the test years: as it is now, and as it was a period ago."""
    reach = settings.period - settings.horizon + 1  # months to look back from the last one read
    longest = max(settings.length, reach)
    test = load(settings).test
    wide = datasets.sunspots(longest, horizon=settings.horizon).test
    both = wide.targets.shape[0]  # the windows that reach back far enough: the last ones
    return {
        "naive": metrics.root_mean_squared_error(test.inputs[-both:, -1], test.targets[-both:]),
        "seasonal naive": metrics.root_mean_squared_error(wide.inputs[:, -reach], wide.targets),
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
    both = datasets.sunspots(max(settings.length, settings.period - settings.horizon + 1), horizon=settings.horizon)
    held = windows.test.inputs[-len(both.test.inputs) :], windows.test.targets[-len(both.test.inputs) :]
    forecast = scale.inverse(optim.predict(model, scale.transform(held[0]))[:, np.newaxis])[:, 0]
    return {
        "run": f"{cell}, seed {seed}",
        "cell": cell,
        "seconds": round(seconds, 1),
        "epoch": stopping.row["epoch"],
        "test RMSE, spots": metrics.root_mean_squared_error(forecast, held[1]),
        "curves": {name: [float(f"{v:.5g}") for v in history[name]] for name in ("loss", "val_loss")},
    }


def calls(folder: str, settings: Settings) -> list[tuple[Any, ...]]:
    """The arguments of `run_one` for each run."""
    return [(cell, seed, settings) for cell in settings.cells for seed in settings.seeds]


def more_rows(folder: str, settings: Settings) -> list[dict[str, Any]]:
    """The forecasts that need no net."""
    return [{"run": name, "test RMSE, spots": error} for name, error in baselines(settings).items()]


def headline(rows: list[dict[str, Any]]) -> str:
    """Each kind of net by mean and spread over its seeds, beside the two forecasts."""
    errors: dict[str, list[float]] = {}
    for row in rows:
        errors.setdefault(row.get("cell", row["run"]), []).append(row["test RMSE, spots"])
    parts = [
        f"{name} {np.mean(found):.1f}" + (f" ± {np.std(found, ddof=1):.1f}" if len(found) > 1 else "")
        for name, found in errors.items()
    ]
    return f"Typical error on the test years, in spots (mean and spread over seeds): {', '.join(parts)}."


def files(folder: str) -> list[Path]:
    """The file that is read comes with minigrad."""
    return [Path(datasets.__file__).with_name("sunspots.csv.gz")]
