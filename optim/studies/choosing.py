"""The epoch that a study chooses: the one whose parameters measure best on what was held out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigrad import optim
from minigrad.models import Module
from minigrad.node import Array
from minigrad.optim.training.callbacks import Training


class Choice(optim.Callback):
    """Measure the model after every epoch, and keep the parameters of the best one, the first of equal ones.

    measure:  a function of the model that gives a number, the larger the better
    patience: end the training so many epochs after the best one; None for all epochs
    """

    def __init__(self, measure: Callable[[Module], float], patience: int | None = None) -> None:
        self.measure, self.patience = measure, patience
        self.measured: list[float] = []
        self.best: dict[str, Array] = {}

    @property
    def epoch(self) -> int:
        """Which one is chosen, from 1."""
        return int(np.argmax(self.measured)) + 1

    def after_epoch(self, training: Training) -> bool:
        """Measure, and keep the parameters if they are the best so far."""
        self.measured.append(self.measure(training.model))
        if self.epoch == len(self.measured):
            self.best = training.model.state_dict()
        return self.patience is not None and len(self.measured) - self.epoch >= self.patience
