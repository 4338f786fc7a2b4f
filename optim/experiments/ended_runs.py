"""Runs that have ended, each in a file of its folder, so that a job that was cut off goes on behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minigrad.optim.experiments.comparison import Run
from minigrad.optim.experiments.configuration import Configuration
from minigrad.optim.training.checkpoints import read_state, write_state

KIND = "run of minigrad train"
NUMBERS = (
    "method", "seed", "name", "test_loss", "test_score", "best_test_loss", "best_test_score", "G", "log10_ratio", "steps",
    "recent_losses", "seconds", "stopped",
)  # fmt: skip


def keep_run(folder: Path, i: int, run: Run) -> None:
    """Write run i of a job, with all that tables and figures are made of."""
    folder.mkdir(exist_ok=True)
    state: dict[str, Any] = {name: getattr(run, name) for name in NUMBERS}
    state |= {
        "history": {name: list(column) for name, column in run.history.items()},
        "adjoint_steps": [step for step, _ in run.adjoints],
        "adjoint_norms": [norms for _, norms in run.adjoints],
        "parameters": run.parameters,
        "right": run.right,
        "best": run.best.state_dict(),
    }
    write_state(_file(folder, i), KIND, state)


def kept_runs(folder: Path, configuration: Configuration) -> list[Run]:
    """Read the first runs of the job that are there, up to the first that is missing.

    Errors: UnreadableFileError for a damaged file; ValueError for a run of another job.
    """
    runs: list[Run] = []
    seeds = range(configuration.first_seed, configuration.first_seed + configuration.seeds)
    for i, (seed, method) in enumerate((seed, method) for seed in seeds for method in configuration.methods):
        file = _file(folder, i)
        if not file.exists():
            break
        run = _run(read_state(file, KIND))
        if (run.method, run.seed) != (method, seed):
            raise ValueError(f"{file}: it is a run of {run.method}, seed {run.seed}, expected {method}, seed {seed}")
        runs.append(run)
    return runs


def _run(state: dict[str, Any]) -> Run:
    run = Run(state["method"], state["seed"], state["name"])
    for name in NUMBERS:
        setattr(run, name, state[name])
    for row in zip(*state["history"].values(), strict=True):
        run.history.append(**dict(zip(state["history"], row, strict=True)))
    run.adjoints = list(zip(state["adjoint_steps"], state["adjoint_norms"], strict=True))
    run.parameters, run.right = state["parameters"], state["right"]
    run.best.load_state_dict(state["best"])
    return run


def _file(folder: Path, i: int) -> Path:
    return folder / f"{i + 1:04d}.safetensors"
