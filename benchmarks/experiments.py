"""The study of penalized backpropagation: its experiments, and what is kept of every run."""

from __future__ import annotations

import hashlib
import platform
import shlex
from collections.abc import Collection, Iterator, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from importlib import metadata
from typing import Any, Self

from minigrad.optim.experiments.comparison import Run
from minigrad.optim.experiments.configuration import Configuration

SEEDS = range(100, 108)  # not those on which settings were chosen, 0 to 11
FEW, FEWER = range(100, 104), range(100, 103)  # where runs take long
ASIDE = ("methods", "seeds", "first_seed", "record_every")  # options that are no part of an experiment's setting


@dataclass(frozen=True)
class Experiment:
    """One setting, in which methods are compared seed by seed.

    about:   what is peculiar to it, the title on the page
    options: of Configuration, those that differ from the task's defaults
    methods: as Configuration writes them, with their weights
    repeats: the experiment that backpropagation repeats here with more steps
    """

    about: str
    options: dict[str, Any]
    methods: tuple[str, ...]
    seeds: Collection[int] = SEEDS
    repeats: str = ""

    def configuration(self, methods: Sequence[str], seeds: Collection[int]) -> Configuration:
        """The options of some of its runs."""
        return Configuration.of(**self.options, methods=list(methods), first_seed=min(seeds), seeds=len(seeds))

    def runs(self) -> Iterator[tuple[str, int]]:
        """Method and seed of every run, seed by seed."""
        return ((method, seed) for seed in self.seeds for method in self.methods)

    @property
    def digest(self) -> str:
        """Eight digits that change when one of the options does, or a default of the task."""
        options = asdict(self.configuration(self.methods, self.seeds))
        defaults = {f.name: f.default for f in fields(Configuration) if f.default is not MISSING}
        told = {name: value for name, value in options.items() if name not in ASIDE and value != defaults[name]}
        return hashlib.sha256(repr(sorted(told.items())).encode()).hexdigest()[:8]

    @property
    def command(self) -> str:
        """The call of the main job that trains the same runs."""
        options = {**self.options, "methods": self.methods, "seeds": len(self.seeds), "first_seed": min(self.seeds)}
        words = ["minigrad", "train"]
        for name, value in options.items():
            words += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, tuple) else [value])]
        return shlex.join(words)


BACKPROP, IMMEDIATE, OMEGA, RELATIVE = "backprop", "immediate=0.3", "omega=0.3", "relative-variance=0.1"
SOFT, STABLE, STABLER = "soft-orthogonality=0.01", "norm-stabilizer=1", "norm-stabilizer=10"
DIGITS, ORDER = {"task": "delayed-digits"}, {"task": "temporal-order"}
SGD, ADAM, ORTHOGONAL = {"optimizer": "sgd"}, {"optimizer": "adam"}, {"initialization": "orthogonal"}
SLOW = {"learning_rate": 0.001, "schedule": "hold_then_linear(rate, steps, 0.6)"}
LATE = {**ADAM, "learning_rate": 0.001, "schedule": "hold_then_linear(rate, steps, 0.7)"}
EXPERIMENTS = {
    "digits-50": Experiment(
        "delayed digits, T = 50 (the defaults)", DIGITS, (BACKPROP, IMMEDIATE, RELATIVE, SOFT, STABLE, STABLER)
    ),
    "digits-50-longer": Experiment(
        "delayed digits, T = 50, 8000 steps", {**DIGITS, "steps": 8000}, (BACKPROP,), repeats="digits-50"
    ),
    "digits-50-orthogonal": Experiment(
        "delayed digits, T = 50, W orthogonal", {**DIGITS, **ORTHOGONAL}, (BACKPROP, RELATIVE)
    ),
    "digits-50-orthogonal-longer": Experiment(
        "delayed digits, T = 50, W orthogonal, 8000 steps",
        {**DIGITS, **ORTHOGONAL, "steps": 8000},
        (BACKPROP,),
        repeats="digits-50-orthogonal",
    ),
    "digits-50-sgd": Experiment(
        "delayed digits, T = 50, SGD", {**DIGITS, **SGD, "learning_rate": 0.1}, (BACKPROP, IMMEDIATE, RELATIVE)
    ),
    "digits-50-gru": Experiment("delayed digits, T = 50, GRU", {**DIGITS, "cell": "gru"}, (BACKPROP, RELATIVE), FEW),
    "digits-50-lstm": Experiment("delayed digits, T = 50, LSTM", {**DIGITS, "cell": "lstm"}, (BACKPROP, RELATIVE), FEW),
    "digits-100": Experiment(
        "delayed digits, T = 100", {**DIGITS, "length": 100, **SLOW}, (BACKPROP, IMMEDIATE, RELATIVE), FEW
    ),
    "digits-100-orthogonal": Experiment(
        "delayed digits, T = 100, W orthogonal",
        {**DIGITS, "length": 100, **SLOW, **ORTHOGONAL},
        (BACKPROP, RELATIVE),
        FEW,
    ),
    "digits-100-growing": Experiment(
        "delayed digits, T = 100, length growing from 10",
        {**DIGITS, "length": 100, "length_schedule": "rounded(linear(10, length, 0.6 * steps), 10)", **SLOW},
        (BACKPROP, IMMEDIATE, RELATIVE),
    ),
    "digits-200": Experiment(
        "delayed digits, T = 200", {**DIGITS, "length": 200, **SLOW}, (BACKPROP, IMMEDIATE, RELATIVE), FEW
    ),
    "digits-200-orthogonal": Experiment(
        "delayed digits, T = 200, W orthogonal",
        {**DIGITS, "length": 200, **SLOW, **ORTHOGONAL},
        (BACKPROP, RELATIVE),
        FEW,
    ),
    "order-50": Experiment("temporal order, T = 50, SGD", {**ORDER, **SGD}, (BACKPROP, IMMEDIATE, OMEGA, RELATIVE)),
    "order-50-orthogonal": Experiment(
        "temporal order, T = 50, SGD, W orthogonal", {**ORDER, **SGD, **ORTHOGONAL}, (BACKPROP, RELATIVE), FEW
    ),
    "order-50-adam": Experiment("temporal order, T = 50, Adam", {**ORDER, **ADAM}, (BACKPROP, IMMEDIATE, RELATIVE)),
    "order-100-growing": Experiment(
        "temporal order, T = 100, Adam, length growing from 20",
        {
            **ORDER,
            "length": 100,
            "length_schedule": "rounded(linear(20, length, 0.6 * steps), 20)",
            "steps": 5000,
            **LATE,
        },
        (BACKPROP, IMMEDIATE, RELATIVE),
    ),
    "order-200-growing": Experiment(
        "temporal order, T = 200, Adam, length growing from 20",
        {
            **ORDER,
            "length": 200,
            "length_schedule": "rounded(linear(20, length, 0.7 * steps), 20)",
            "steps": 10000,
            **LATE,
        },
        (BACKPROP, IMMEDIATE),
        FEWER,
    ),
    "order-200-growing-orthogonal": Experiment(
        "temporal order, T = 200, Adam, length growing from 20, W orthogonal",
        {
            **ORDER,
            "length": 200,
            "length_schedule": "rounded(linear(20, length, 0.7 * steps), 20)",
            "steps": 10000,
            **LATE,
            **ORTHOGONAL,
        },
        (BACKPROP, RELATIVE),
        FEWER,
    ),
    "adding-50": Experiment(
        "adding, T = 50, W orthogonal (the defaults)", {"task": "adding"}, (BACKPROP, RELATIVE), FEW
    ),
}


@dataclass(frozen=True)
class Row:
    """What is kept of one run.

    test_score, best_test_score: of the last parameters, and of those that were best on the validation examples
    G, log10_ratio:  relative variance over time of the adjoint norms, and log10 ‖λ_1‖/‖λ_T‖, at the end
    seconds:         of processor time, for building, training, watching and testing
    ended:           why it stopped early, or that it diverged; empty if all went well
    digest:          of the experiment's options
    """

    experiment: str
    method: str
    seed: int
    test_score: float
    best_test_score: float
    G: float
    log10_ratio: float
    seconds: float
    steps: int
    ended: str
    digest: str
    minigrad: str = field(default_factory=lambda: metadata.version("minigrad"))
    numpy: str = field(default_factory=lambda: metadata.version("numpy"))
    python: str = field(default_factory=platform.python_version)

    @classmethod
    def of(cls, name: str, experiment: Experiment, run: Run, seconds: float) -> Self:
        """A run that is over."""
        return cls(
            name, run.method, run.seed, round(run.test_score, 4), round(run.best_test_score, 4), round(run.G, 4),
            round(run.log10_ratio, 3), round(seconds, 2), run.steps, run.stopped, experiment.digest,
        )  # fmt: skip


@dataclass(frozen=True)
class FirstStep:
    """What the first training step of a sequence length costs: tracing, writing the program, and running it.

    first, following: seconds of processor time of the first call and of the second, each the least of several tries
    """

    method: str
    length: int
    first: float
    following: float
