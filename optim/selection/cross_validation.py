"""Cross-validation: train several times, each time with another part of the examples held out."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from minigrad.models.data.preprocessing import Split
from minigrad.node import Array
from minigrad.optim.selection.running import SEEDED, map_on, marked, seed_from, seed_of
from minigrad.optim.selection.splitting import Fold, folds
from minigrad.optim.selection.trials import Goal
from minigrad.signatures import parameters


class Scores(NamedTuple):
    """The scores of the folds, `values`; their `mean`, and `spread`, their standard deviation √(Σ(s − mean)² / (k − 1))."""

    values: tuple[float, ...]
    mean: float
    spread: float


def cross_validate(
    train: Callable[..., Any],
    inputs: npt.ArrayLike,
    targets: npt.ArrayLike,
    k: int = 5,
    *,
    lowest: str | None = None,
    highest: str | None = None,
    rng: np.random.Generator | int = 0,
    stratified: bool = False,
    groups: npt.ArrayLike | None = None,
    executor: Executor | None = None,
) -> Scores:
    """Train k times, each time without another k-th of the examples, and measure on these.

    train:    a function of (training, held_out), each a `Split(inputs, targets)`, that makes its model anew. What it estimates from
              data, a mean to subtract, it estimates from training. What it returns, and its arguments rng and seed, are as in
              `grid_search`
    stratified: spread each class evenly over the folds; targets are class indices
    groups:   (n,) labels: all examples of a group lie in one fold
    rng:      an integer or generator, of which the folds and their seeds are made
    executor: where the k trainings run: see `grid_search`

    An error of a training is raised. As the score of settings: a search's train returns `cross_validate(...).mean`.

    >>> import numpy as np
    >>> from minigrad.optim import cross_validate
    >>> x = np.linspace(0, 1, 20)
    >>> def train(training, held_out):
    ...     slope = (training.inputs @ training.targets) / (training.inputs @ training.inputs)
    ...     return np.mean((slope * held_out.inputs - held_out.targets) ** 2)
    >>> scores = cross_validate(train, x, 3 * x + 0.1, k=4)
    >>> len(scores.values), round(scores.mean, 4), scores.spread < scores.mean
    (4, 0.0027, True)
    """
    x, y = np.asarray(inputs), np.asarray(targets)
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
        raise ValueError(
            f"cross_validate: expected inputs and targets with the same number of examples, found {x.shape} and {y.shape}"
        )
    if stratified and (y.ndim != 1 or y.dtype.kind not in "iu"):
        raise ValueError(f"cross_validate: stratified=True takes class indices (n,), found {y.dtype} {y.shape}")
    seed = seed_from(rng)
    parts = folds(len(x), k, rng=seed, classes=y if stratified else None, groups=groups)
    score = partial(_score, train, x, y, Goal.of(lowest, highest), seed)
    values = np.array(map_on(executor, score, enumerate(parts)))
    return Scores(tuple(values.tolist()), float(values.mean()), float(values.std(ddof=1)))


def _score(train: Callable[..., Any], x: Array, y: Array, goal: Goal, seed: int, numbered: tuple[int, Fold]) -> float:
    """The score of one fold."""
    i, fold = numbered
    given = {"rng": np.random.default_rng(seed_of(seed, i)), "seed": seed_of(seed, i)}
    seeded = {name: given[name] for name in SEEDED if name in parameters(train)}
    training, held_out = (Split(x[places], y[places]) for places in fold)
    with marked():
        answer = train(training, held_out, **seeded)
    return next(iter(goal.numbers_of(answer).values()))
