"""The nets in a run folder of `minigrad train`, as they were when the training ended."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from minigrad.node import Input, Node
from minigrad.optim.arrays import load_arrays
from minigrad.optim.experiments.configuration import Configuration, did_you_mean
from minigrad.optim.experiments.nets import make_net
from minigrad.optim.experiments.run_folder import file_names
from minigrad.optim.experiments.tasks import open_task
from minigrad.optim.training.examples import handed, mapped

N_EXAMPLES = 4  # validation examples of which the loss is computed


class SavedRun:
    """A run folder, opened to look at its nets.

    Errors: FileNotFoundError or ValueError where the folder is no run, or where its configuration or data cannot be read.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        if not os.path.isfile(self.folder / "config.toml"):  # noqa: PTH113 (of a path that no system takes, Path.is_file raises)
            raise FileNotFoundError(f"{folder} is no run of minigrad train: it has no config.toml")
        self.configuration = Configuration.load(self.folder / "config.toml")
        self.methods = self.configuration.methods
        self.task = open_task(self.configuration)

    def title(self, seed: int | None = None) -> str:
        """The task and the seed, the first if None."""
        return f"{self.configuration.task}, seed {self.configuration.first_seed if seed is None else seed}"

    def losses(self, methods: Sequence[str], seed: int | None = None) -> dict[str, Node]:
        """Compute the loss of each method, by its label."""
        losses = [self.loss(method, seed) for method in methods]
        return dict(zip(self.labels(methods, seed), losses, strict=True))

    def labels(self, methods: Sequence[str], seed: int | None = None) -> list[str]:
        """The names that tables give to methods; with the weight, where two would be alike, and where a run ended early, with when."""
        found = [self.configuration.method(method) for method in methods]
        if len({method.label for method in found}) < len(found):
            found = [replace(method, stated=True) for method in found]
        early = [self.ended_early(method, seed) for method in methods]
        return [f"{method.label}{when and f', {when}'}" for method, when in zip(found, early, strict=True)]

    def ended_early(self, method: str, seed: int | None = None) -> str:
        """Say after how many of its steps a run was interrupted, or stopped at nan; "" where it was trained to its end."""
        seed = self.configuration.first_seed if seed is None else seed
        file = self.folder / "history.csv"
        if not file.is_file():
            return ""
        try:
            with file.open(encoding="utf-8", newline="") as lines:
                rows = [row for row in csv.DictReader(lines) if (row["method"], row["seed"]) == (method, str(seed))]
            last = max([int(row["step"]) for row in rows], default=None)
        except (KeyError, TypeError, ValueError, csv.Error) as error:
            raise ValueError(
                f"{file} is no history of minigrad train, or is damaged: move it away, or train again"
            ) from error
        planned = self.configuration.steps
        return "" if last is None or last >= planned else f"after {last} of {planned} steps"

    def loss(self, method: str, seed: int | None = None) -> Node:
        """Compute the loss of a few validation examples with the last parameters of a method and a seed, the first if None."""
        seed = self.configuration.first_seed if seed is None else seed
        file = self._file(method, seed)
        net = make_net(self.configuration, self.task, np.random.default_rng(seed))
        try:
            net.load_state_dict(load_arrays(file))
        except ValueError as error:
            raise ValueError(f"{file} does not fit the configuration beside it: {error}") from error
        net.eval()
        batch = self.task.validation.first(N_EXAMPLES)
        outputs = handed(net, mapped(partial(Input, name="inputs"), batch.given(net)))
        return self.task.loss(outputs, Input(batch.targets, "targets"))

    def _file(self, method: str, seed: int) -> Path:
        """Where the last parameters of the method and seed are; ValueError where they are not."""
        if method not in self.methods:
            raise ValueError(
                f"{self.folder} has no method {method!r}{did_you_mean(method, self.methods)}: one of {', '.join(self.methods)}"
            )
        first, last = self.configuration.first_seed, self.configuration.first_seed + self.configuration.seeds - 1
        if not first <= seed <= last:
            raise ValueError(f"{self.folder} has no seed {seed}: seeds are {first} to {last}")
        file = self.folder / "parameters" / f"{file_names(self.methods)[method]}-seed{seed}.safetensors"
        if not file.is_file():
            raise FileNotFoundError(
                f"{file} is missing: that run had not ended when the job was stopped, or was moved away"
            )
        return file
