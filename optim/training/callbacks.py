"""What `fit` calls at the moments of a training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.models import Module
from minigrad.optim.optimizers import Optimizer
from minigrad.optim.training.examples import Examples
from minigrad.optim.training.history import History


class Training:
    """What a callback is shown of the training that runs.

    epoch:   which one, from 1;  step: how many steps were made in this training, over all epochs
    numbers: after a step, what the step gave: its loss, penalty and gradient_norm
    batch:   the examples of the last step (`batch.inputs`, `batch.targets`)
    """

    def __init__(self, model: Module, optimizer: Optimizer, history: History) -> None:
        self.model = model
        self.optimizer = optimizer
        self.history = history
        self.epoch = 0
        self.step = 0
        self.numbers: dict[str, float] = {}
        self.batch: Examples | None = None


class Callback:
    """Base of callbacks that need more than the end of an epoch; a subclass overrides the moments it wants.

    before_training, after_step, after_epoch and after_training take a `Training`. after_step and after_epoch may return True, which
    ends the training; None and False let it go on, and anything else is a TypeError. After an error nothing more is called; after
    Ctrl-C after_training is, with `training.history.interrupted`.

    watched: columns of the history that are read; `fit` refuses those that it will not have before it begins

    A function of (model, history) is a callback too: it is called after every epoch.
    A callback that remembers something gives it as a dict of arrays and numbers by `state_dict()`, and takes it back by
    `load_state_dict(state)`, so that a training can be resumed.

    >>> import time
    >>> from minigrad.optim import Callback
    >>> class Longest(Callback):
    ...     def __init__(self, seconds):
    ...         self.seconds = seconds
    ...
    ...     def before_training(self, training):
    ...         self.end = time.monotonic() + self.seconds
    ...
    ...     def after_step(self, training):
    ...         return time.monotonic() > self.end
    """

    watched: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()  # the names of attributes that have to be the same where a training is gone on with

    def before_training(self, training: Training) -> None:
        """Called once, before the first epoch."""

    def after_step(self, training: Training) -> bool | None:
        """Called after every step; True ends the training after this step."""

    def after_epoch(self, training: Training) -> bool | None:
        """Called after every epoch, when the history has its row; True ends the training."""

    def after_training(self, training: Training) -> None:
        """Called once, after the last epoch, also where a callback or Ctrl-C ended the training."""


class Callbacks:
    """All callbacks of a training, called in the order in which they were given."""

    def __init__(self, given: Sequence[Any]) -> None:
        self._all = [callback if isinstance(callback, Callback) else _AfterEpoch(callback) for callback in given]
        overridden = [c for c in self._all if type(c).after_step is not Callback.after_step]
        self._of_steps = overridden  # most have none, and a step is short

    def before_training(self, training: Training) -> None:
        """Say that it begins."""
        for callback in self._all:
            callback.before_training(training)

    def after_step(self, training: Training) -> str:
        """Say which of them ends the training here; "" if none does."""
        return _who_ends([(c, c.after_step(training)) for c in self._of_steps], "after a step")

    def after_epoch(self, training: Training) -> str:
        """Say which of them ends the training here, "" if none does; all are called."""
        return _who_ends([(c, c.after_epoch(training)) for c in self._all], "after an epoch")

    def after_training(self, training: Training) -> None:
        """Say that it has ended."""
        for callback in self._all:
            callback.after_training(training)


class _AfterEpoch(Callback):
    """A function of (model, history)."""

    def __init__(self, function: Callable[[Module, History], bool | None]) -> None:
        self.function = function

    def after_epoch(self, training: Training) -> bool | None:
        return self.function(training.model, training.history)


def _who_ends(answers: Sequence[tuple[Callback, Any]], moment: str) -> str:
    """The name of the first that is True; TypeError for an answer that is neither True nor False nor None."""
    for callback, answer in answers:
        if not isinstance(answer, bool | np.bool_ | None):
            raise TypeError(
                f"callbacks: {_name(callback)} returned {answer!r} {moment}: return True to end the training, or nothing"
            )
    return next((_name(callback) for callback, answer in answers if answer), "")


def _name(callback: Callback) -> str:
    asked = callback.function if isinstance(callback, _AfterEpoch) else callback
    return getattr(asked, "__name__", type(asked).__name__)
