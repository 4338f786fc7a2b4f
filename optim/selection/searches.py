"""Searches for the settings with which a training ends best on validation data."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.optim.selection.records import Record
from minigrad.optim.selection.running import Train, run_all, seed_from, seed_of
from minigrad.optim.selection.spaces import Choices, Distribution, Settings, checked_space, is_number, values_of
from minigrad.optim.selection.trials import Goal, Trial, Trials
from minigrad.optim.training.progress import Progress


def grid_search(
    train: Train,
    grid: Mapping[str, Sequence[Any]],
    *,
    lowest: str | None = None,
    highest: str | None = None,
    rng: np.random.Generator | int = 0,
    executor: Executor | None = None,
    file: str | os.PathLike[str] | None = None,
    retry: bool = False,
    quiet: bool = False,
) -> Trials:
    """Train with every combination of the settings' values; returns all trials, `.best` among them.

    train:    a function of the settings by name, or of the dict of them. It returns a number, numbers by name, or the history of
              `fit`, of which the best row counts. The number is measured on validation data: the test set is for the model that was
              chosen, once (`three_way_split`)
    grid:     a list of values for each setting; the last setting changes fastest
    lowest, highest: the number that decides, and in which direction; by default the lowest "val_loss", or the lowest of the one
              number that train returns: for an accuracy write highest="accuracy"
    rng:      an integer or generator, from which each trial has a seed of its own, wherever and whenever it runs. An argument of
              train that is called rng is given a generator, one called seed an integer
    executor: where trials run: any `concurrent.futures.Executor`, as `ProcessPoolExecutor(4)`, or Dask's
              `Client(...).get_executor()`. None runs them here, one after the other. For processes train is a function of a module
    file:     where each trial is written when it has ended. A search that finds the file of an earlier run of it goes on from there,
              and gives the trials that a run in one go gives
    retry:    run those trials of the file again that failed
    quiet:    show no progress line

    A trial that raises, or whose process is killed, has the reason as its `error`, and the search goes on. After Ctrl-C the trials
    that have ended are returned, and `trials.interrupted` is True.

    Errors: TypeError for an answer of train that is no number; ValueError for a file of another search, which says what differs;
    UnreadableFileError for one that is damaged.

    >>> from minigrad.optim import grid_search
    >>> def train(rate, units):
    ...     return (rate - 0.1) ** 2 + (units - 16) ** 2
    >>> trials = grid_search(train, {"rate": [0.1, 0.2, 0.3], "units": [8, 16]}, quiet=True)
    >>> len(trials), trials.best.settings
    (6, {'rate': 0.1, 'units': 16})
    >>> trials.around_best(3)
    {'rate': [0.1, 0.125, 0.15, 0.175], 'units': [10, 11, 13, 16]}
    """
    values = {name: values_of(name, given) for name, given in checked_space("grid_search", grid).items()}
    settings = [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]
    search = _Search.of("grid", train, Goal.of(lowest, highest), rng, executor, file, retry, quiet)
    trials, interrupted = search.run(settings)
    return Trials(trials, search.goal, values, interrupted=interrupted)


def random_search(
    train: Train,
    space: Mapping[str, Any],
    n_trials: int = 20,
    *,
    lowest: str | None = None,
    highest: str | None = None,
    rng: np.random.Generator | int = 0,
    executor: Executor | None = None,
    file: str | os.PathLike[str] | None = None,
    retry: bool = False,
    quiet: bool = False,
) -> Trials:
    """Train with independent draws of the settings; the other arguments are those of `grid_search`.

    space:    for each setting a distribution (`Uniform`, `LogUniform`, `Choices`), or a list, of which one value is drawn
    n_trials: how many draws; the first ones are the same for every number, so that a search with a file can be made longer

    Source: J. Bergstra and Y. Bengio, Random search for hyper-parameter optimization, JMLR 13, 2012.

    >>> from minigrad.optim import LogUniform, random_search
    >>> def train(rate):
    ...     return abs(rate - 0.01)
    >>> trials = random_search(train, {"rate": LogUniform(1e-4, 1.0)}, 30, quiet=True)
    >>> trials.best.settings
    {'rate': 0.0101...}
    >>> trials.around_best()
    {'rate': LogUniform(0.00101524, 0.101524)}
    """
    given = _distributions("random_search", space)
    n_trials = _count("random_search(n_trials)", n_trials)
    search = _Search.of("random", train, Goal.of(lowest, highest), rng, executor, file, retry, quiet)
    trials, interrupted = search.run(_drawn(given, n_trials, search.seed))
    return Trials(trials, search.goal, given, interrupted=interrupted)


def successive_halving(
    train: Train,
    space: Mapping[str, Any],
    n_trials: int = 27,
    *,
    budget: str = "epochs",
    smallest: int = 1,
    factor: int = 3,
    lowest: str | None = None,
    highest: str | None = None,
    rng: np.random.Generator | int = 0,
    executor: Executor | None = None,
    file: str | os.PathLike[str] | None = None,
    retry: bool = False,
    quiet: bool = False,
) -> Trials:
    """Train many draws of the settings for a short time, the best of them longer, and so on; all else as in `random_search`.

    budget:   the argument of train that says how long it trains
    n_trials, smallest: how many draws the first round has, and their budget. In the next round are ⌊n / factor⌋ of n, the best ones,
              trained anew with `factor` times the budget and the seeds that they had, and so on to the last one
    factor:   an integer of at least 2

    `trials.best` is the best of the last round; the round is in each trial.

    Source: K. Jamieson and A. Talwalkar, Non-stochastic best arm identification and hyperparameter optimization, AISTATS 2016.

    >>> from minigrad.optim import LogUniform, successive_halving
    >>> def train(rate, epochs):
    ...     return abs(rate - 0.01) + 1 / epochs
    >>> trials = successive_halving(train, {"rate": LogUniform(1e-4, 1.0)}, 9, quiet=True)
    >>> [trial.settings["epochs"] for trial in trials]
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 3, 9]
    """
    given = _distributions("successive_halving", space)
    if budget in given:
        raise ValueError(
            f"successive_halving(budget={budget!r}): the search sets it itself: take it out of the settings"
        )
    if _count("successive_halving(factor)", factor) < 2:
        raise ValueError(f"successive_halving(factor={factor}): at least 2")
    amount = _count("successive_halving(smallest)", smallest)
    n_trials = _count("successive_halving(n_trials)", n_trials)
    kind = f"halving of {n_trials} by {factor}"
    search = _Search.of(kind, train, Goal.of(lowest, highest), rng, executor, file, retry, quiet)
    places, made, interrupted = [*range(n_trials)], list[Trial](), False
    drawn = _drawn(given, n_trials, search.seed)
    for round_ in itertools.count():
        settings = [{**drawn[place], budget: amount} for place in places]
        first = len(made)
        found, interrupted = search.run(settings, first=first, round_=round_, seeds=places)
        made += found
        n_best = 0 if interrupted else len(places) // factor
        best = Trials([t for t in found if not math.isnan(t.score)], search.goal, given).ranked()[:n_best]
        if not best:
            break
        places, amount = sorted(places[trial.number - first] for trial in best), amount * factor
    return Trials(made, search.goal, given, interrupted=interrupted)


@dataclass(frozen=True)
class _Search:
    """How trials are run and written down, the same for all searches."""

    train: Train
    goal: Goal
    seed: int
    executor: Executor | None
    record: Record | None
    retry: bool
    quiet: bool

    @classmethod
    def of(
        cls,
        kind: str,
        train: Train,
        goal: Goal,
        rng: np.random.Generator | int,
        executor: Executor | None,
        file: str | os.PathLike[str] | None,
        retry: bool,
        quiet: bool,
    ) -> _Search:
        """Check what all searches take, and open the file."""
        if not callable(train):
            raise TypeError(
                f"train={train!r}: expected a function of the settings, which returns the number to compare"
            )
        seed = seed_from(rng)
        name = f"{'highest' if goal.high else 'lowest'} {goal.name}".strip()
        record = None if file is None else Record(file, {"kind": kind, "rng": seed, "by": name})
        return cls(train, goal, seed, executor, record, retry, quiet)

    def run(
        self, settings: Sequence[Settings], *, first: int = 0, round_: int = 0, seeds: Sequence[int] | None = None
    ) -> tuple[list[Trial], bool]:
        """Run the trials of these settings that have not ended yet; returns all by number, and whether Ctrl-C ended it.

        first: the number of the first trial;  seeds: the numbers that seeds are made of, those of the trials by default
        """
        numbered = zip(itertools.count(first), settings, seeds or itertools.count(first), strict=False)
        planned = [Trial(i, chosen, seed_of(self.seed, j), round=round_) for i, chosen, j in numbered]
        ended = [] if self.record is None else self.record.ended(planned)
        done = {trial.number: trial for trial in ended if not (trial.error and self.retry)}
        progress = Progress(len(planned), "search", quiet=self.quiet)
        interrupted = False
        waiting = [trial for trial in planned if trial.number not in done]
        try:
            with closing(run_all(self.train, waiting, self.goal, self.executor)) as running:
                for trial in running:
                    if self.record is not None:
                        self.record.add(trial)
                    done[trial.number] = trial
                    self._show(progress, [*done.values()])
        except KeyboardInterrupt:
            interrupted = True
        finally:
            progress.close(f"interrupted after {len(done)} of {len(planned)} trials" if interrupted else "")
        return [done[number] for number in sorted(done)], interrupted

    def _show(self, progress: Progress, done: Sequence[Trial]) -> None:
        best = max(self.goal.rank(trial.score) for trial in done)
        failed = sum(bool(trial.error) for trial in done)
        progress.update(len(done), best=best if self.goal.high else -best, **({"failed": failed} if failed else {}))


def _distributions(search: str, space: Mapping[str, Any]) -> dict[str, Distribution]:
    for name, given in checked_space(search, space).items():
        if isinstance(given, tuple) and len(given) == 2 and all(map(is_number, given)):
            raise TypeError(
                f"{search}: {name}={given!r} may be a range or two values: write Uniform{given!r} or LogUniform{given!r}, or a list "
                f"of the two, {list(given)!r}"
            )
    return {
        name: given if isinstance(given, Distribution) else Choices(values_of(name, given))
        for name, given in checked_space(search, space).items()
    }


def _drawn(space: Mapping[str, Distribution], n: int, seed: int) -> list[Settings]:
    """n draws, each by a generator of its own, and in whatever order the space names its settings."""
    drawn = []
    for i in range(n):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(i, 1)))
        values = {name: space[name].draw(rng) for name in sorted(space)}
        drawn.append({name: values[name] for name in space})
    return drawn


def _count(name: str, n: Any) -> int:
    if not hasattr(n, "__index__"):
        raise TypeError(f"{name}={n!r}: expected an integer")
    if n < 1:
        raise ValueError(f"{name}={n!r}: at least 1")
    return int(n)
