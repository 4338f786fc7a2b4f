"""A race of optimizers down Rosenbrock's valley, f(x, y) = (1 − x)² + 100 (y − x²)² / 10."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.node import Node, Parameter
from minigrad.optim.studies.mnist import OPTIMIZERS
from minigrad.optim.studies.settings import check_positive, entry


@dataclass(frozen=True)
class Settings:
    """How long, from where, and who."""

    steps: int = 300
    start: tuple[float, ...] = (-1.5, 2.0)
    runs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_positive("race", steps=self.steps)
        if len(self.start) != 2 or not self.runs:
            raise ValueError(
                'race: start = [x, y], and for each run a table, [runs.Adam] with optimizer = "Adam" and its arguments'
            )
        for name, run in self.runs.items():
            entry(f"runs.{name}", run, "optimizer", OPTIMIZERS)


def valley(point: Node) -> Node:
    """Rosenbrock's function, its walls a tenth as steep; 0 at (1, 1)."""
    x, y = point[0], point[1]
    return (1 - x) ** 2 + 10 * (y - x**2) ** 2


def run_one(name: str, settings: Settings, *, quiet: bool = True) -> dict[str, Any]:
    """The values along one path."""
    point = Parameter(np.array(settings.start, np.float64), "point")
    arguments = {key: value for key, value in settings.runs[name].items() if key != "optimizer"}
    optimizer = OPTIMIZERS[settings.runs[name]["optimizer"]]([point], **arguments)
    start, values, path = time.perf_counter(), [], [point.value.tolist()]
    for _ in range(settings.steps):
        loss = valley(point)
        values.append(float(loss))
        loss.backward()
        optimizer.step()
        path.append([float(f"{x:.5g}") for x in point.value])
    values.append(float(valley(point)))
    below = next((i for i, value in enumerate(values) if value < 0.01), None)
    return {
        "run": name,
        "seconds": round(time.perf_counter() - start, 2),
        "steps to 0.01": below if below is not None else f"over {settings.steps}",
        "value at the end": values[-1],
        "curves": {"loss": [float(f"{value:.4g}") for value in values], "path": path},
    }


def calls(folder: str, settings: Settings) -> list[tuple[Any, ...]]:
    """The arguments of `run_one` for each run."""
    return [(name, settings) for name in settings.runs]


def headline(rows: list[dict[str, Any]]) -> str:
    """Who was first."""
    first = min(rows, key=lambda row: row["value at the end"])
    return f"Deepest after all steps: {first['run']}, at {first['value at the end']:.2g}."


def files(folder: str) -> list[Path]:
    """Nothing is read."""
    return []
