"""The best parameters of a training, kept while it goes on."""

from __future__ import annotations

import math
from typing import Any

from minigrad.models import Module
from minigrad.node import Array
from minigrad.optim.training.history import History


class KeepBest:
    """Keep a copy of all parameters from the epoch with the best validation: `fit(…, callbacks=[best])`.

    The model itself ends with the last parameters; `best.restore(model)` gives it the best ones. The test set is then used once.

    lowest:  the column of the history to watch where a small number is good; "val_loss" unless `highest` is given
    highest: the one where a large number is good, as "val_accuracy"; if both are given, lowest decides between equal ones
    row:     the best row of the history so far, as a dict; empty before the first, and while all are nan
    arrays:  the model's `state_dict()` there

    Of equal rows the first is kept, and one with nan never.

    >>> import numpy as np
    >>> from minigrad.models import Dense, losses
    >>> from minigrad.optim import SGD, KeepBest, fit
    >>> x = np.linspace(-1, 1, 40, dtype=np.float32)[:, np.newaxis]
    >>> net, best = Dense(1, 1, rng=0), KeepBest()
    >>> options = {"loss": losses.mean_squared_error, "optimizer": SGD(net.parameters(), 0.1), "quiet": True}
    >>> history = fit(net, x, 3 * x, validation=0.25, callbacks=[best], **options)
    >>> best.row["val_loss"] == min(history["val_loss"])
    True
    >>> best.restore(net)
    """

    def __init__(self, lowest: str | None = None, *, highest: str | None = None) -> None:
        self.lowest = "val_loss" if lowest is None and highest is None else lowest
        self.highest = highest
        self.row: dict[str, Any] = {}
        self.arrays: dict[str, Array] = {}

    @property
    def watched(self) -> tuple[str, ...]:
        """The columns of the history it reads; `fit` refuses those that it will not have before it begins."""
        return tuple(name for name in (self.highest, self.lowest) if name is not None)

    def __call__(self, model: Module, history: History) -> None:
        """Look at the last row of the history, and keep the model's parameters if it is the best so far."""
        row = {name: history[name][-1] for name in history}
        if self._key(row) > self._key(self.row):
            self.row, self.arrays = row, model.state_dict()

    def _key(self, row: dict[str, Any]) -> tuple[float, ...]:
        """What is the larger, the better the row is; () for no row, and for one with nan."""
        key = [row[name] if name == self.highest else -row[name] for name in self.watched] if row else []
        return () if any(map(math.isnan, key)) else tuple(key)

    def restore(self, model: Module) -> None:
        """Write the best parameters into the model; ValueError if there are none yet."""
        if not self.arrays:
            raise ValueError(
                f"KeepBest.restore: nothing was kept, as no epoch has ended with a {' and a '.join(self.watched)} that is a number"
            )
        model.load_state_dict(self.arrays)

    def __repr__(self) -> str:
        found = ", ".join(f"{name} {self.row[name]:.4g}" for name in self.watched) if self.row else "nothing yet"
        return f"KeepBest({found})"
