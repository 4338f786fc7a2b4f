"""A race of optimizers down a narrow, bent valley, f(x, y) = (1 − x)² + 10 (y − x²)²."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minigrad.node import Node
from minigrad.optim.figures import path
from minigrad.optim.studies.settings import Runs, check_positive, check_runs, optimizer_of

LOW = 0.01  # the value to be reached


@dataclass(frozen=True)
class Settings:
    """How long, from where, and who."""

    steps: int = 300
    start: tuple[float, ...] = (-1.5, 2.0)
    runs: Runs = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_positive("race", steps=self.steps)
        if len(self.start) != 2:
            raise ValueError(f"race: start = {list(self.start)}: two numbers, x and y")
        check_runs("race", self.runs)


def valley(x: Node, y: Node) -> Node:
    """Rosenbrock's function, its walls a tenth as steep; 0 at (1, 1)."""
    return (1 - x) ** 2 + 10 * (y - x**2) ** 2


def run_one(name: str, settings: Settings, *, quiet: bool = True) -> dict[str, Any]:
    """Follow one optimizer, and note the values on its way."""
    start = time.perf_counter()
    run = settings.runs[name]
    found = path(valley, settings.start, lambda point: optimizer_of(run, point, steps=settings.steps), settings.steps)
    values = found.values.tolist()
    reached = next((step for step, value in enumerate(values) if value < LOW), None)
    return {
        "run": name,
        "seconds": round(time.perf_counter() - start, 2),
        "ended": f"diverged, after {len(values) - 1} steps" if found.diverged else "all steps",
        f"steps to {LOW}": f"over {settings.steps}" if reached is None else reached,
        "value at the end": values[-1],
        "curves": {
            "loss": [float(f"{value:.4g}") for value in values],
            "path": [[float(f"{x:.5g}") for x in point] for point in found.points],
        },
    }


def calls(folder: str, settings: Settings) -> list[tuple[Any, ...]]:
    """List the arguments of `run_one` for each run."""
    return [(name, settings) for name in settings.runs]


def headline(rows: list[dict[str, Any]]) -> str:
    """Say who came deepest."""
    whole = [row for row in rows if row["ended"] == "all steps"]
    if not whole:
        return "All runs diverged."
    first = min(whole, key=lambda row: row["value at the end"])
    return f"Deepest after all steps: {first['run']}, at {first['value at the end']:.2g}."


def files(folder: str) -> list[Path]:
    """Nothing is read."""
    return []
