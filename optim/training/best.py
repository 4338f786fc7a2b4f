"""The best parameters of a training, kept while it goes on."""

from __future__ import annotations

import math
from typing import Any

from minigrad.models import Module
from minigrad.node import Array
from minigrad.optim.training.callbacks import Callback, Training
from minigrad.optim.training.history import History


class KeepBest(Callback):
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

    settings: tuple[str, ...] = ("lowest", "highest")

    def __init__(self, lowest: str | None = None, *, highest: str | None = None) -> None:
        if lowest is not None and "accuracy" in lowest:
            raise ValueError(
                f"{type(self).__name__}({lowest!r}): the lowest accuracy would count as the best: write highest={lowest!r}"
            )
        self.lowest = "val_loss" if lowest is None and highest is None else lowest
        self.highest = highest
        self.row: dict[str, Any] = {}
        self.arrays: dict[str, Array] = {}

        self.watched = tuple(name for name in (highest, self.lowest) if name is not None)

    def after_epoch(self, training: Training) -> bool | None:
        """Keep the model's parameters if the last row of the history is the best so far."""
        self(training.model, training.history)
        return None

    def __call__(self, model: Module, history: History) -> None:
        """Look at the last row of the history, and keep the model's parameters if it is the best so far."""
        row = {name: history[name][-1] for name in history}
        if self._key(row) > self._key(self.row):
            self.row, self.arrays = row, model.state_dict()

    def _key(self, row: dict[str, Any]) -> tuple[float, ...]:
        """A key by which rows are compared: of a better row it is larger. () for no row, and for one with nan."""
        key = [row[name] if name == self.highest else -row[name] for name in self.watched] if row else []
        return () if any(map(math.isnan, key)) else tuple(key)

    def restore(self, model: Module) -> None:
        """Write the best parameters into the model; ValueError if there are none yet."""
        if not self.arrays:
            raise ValueError(
                f"KeepBest.restore: nothing was kept, as no epoch has ended with a {' and a '.join(self.watched)} that is a number"
            )
        model.load_state_dict(self.arrays)

    def state_dict(self) -> dict[str, Any]:
        """Give what was kept: the best row and the parameters there."""
        return {"row": dict(self.row), "arrays": dict(self.arrays)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what another has kept."""
        self.row, self.arrays = dict(state["row"]), dict(state["arrays"])

    def __repr__(self) -> str:
        found = ", ".join(f"{name} {self.row[name]:.4g}" for name in self.watched) if self.row else "nothing yet"
        return f"{type(self).__name__}({found})"


class EarlyStopping(KeepBest):
    """End the training when the validation has not improved for `patience` epochs, and give the model the best parameters.

    lowest, highest: the column to watch, as in `KeepBest`; "val_loss" unless one is given
    patience:  n, for how many epochs after an improvement the training looks ahead: it ends n epochs after the last one
    min_delta: how much better than at the last improvement the first watched column has to be to count as one
    restore:   whether the model ends with the best parameters, also where the epochs ran out; after Ctrl-C it keeps what was
               reached, and `stopping.restore(model)` gives it the best ones
    stopped:   the epoch after which it ended the training; None while it has not

    >>> import numpy as np
    >>> from minigrad.models import Dense, losses
    >>> from minigrad.optim import Adam, EarlyStopping, fit
    >>> rng = np.random.default_rng(0)
    >>> x, noise = rng.normal(size=(2, 40, 5)).astype(np.float32)
    >>> net = Dense(5, 5, rng=0)
    >>> stopping = EarlyStopping(patience=3)
    >>> history = fit(
    ...     net,
    ...     x,
    ...     noise,
    ...     loss=losses.mean_squared_error,
    ...     optimizer=Adam(net.parameters(), 0.1),
    ...     epochs=500,
    ...     validation=0.5,
    ...     callbacks=[stopping],
    ...     quiet=True,
    ... )
    >>> history["epoch"][-1] == stopping.stopped == stopping.row["epoch"] + 3
    True
    """

    settings = (*KeepBest.settings, "patience", "min_delta", "restores")

    def __init__(
        self,
        lowest: str | None = None,
        *,
        highest: str | None = None,
        patience: int = 10,
        min_delta: float = 0.0,
        restore: bool = True,
    ) -> None:
        super().__init__(lowest, highest=highest)
        if not hasattr(patience, "__index__"):
            raise TypeError(f"EarlyStopping(patience={patience!r}): expected an integer, the epochs to look ahead")
        if patience < 1:
            raise ValueError(f"EarlyStopping(patience={patience!r}): at least 1 epoch to look ahead")
        if not min_delta >= 0:
            raise ValueError(f"EarlyStopping(min_delta={min_delta!r}): at least 0")
        self.patience = patience
        self.min_delta = min_delta
        self.restores = restore
        self.waited = 0
        self.stopped: int | None = None
        self._level = -math.inf  # of the last improvement; larger is better

    def before_training(self, training: Training) -> None:
        """Begin anew: what another training reached is nothing to give this model."""
        self.row, self.arrays = {}, {}
        self.waited, self.stopped, self._level = 0, None, -math.inf

    def after_epoch(self, training: Training) -> bool | None:
        """Keep the best, and count the epochs without an improvement."""
        super().after_epoch(training)
        found = training.history[self.watched[0]][-1] * (-1 if self.highest is None else 1)
        self.waited += 1
        if found > self._level + self.min_delta:
            self._level, self.waited = found, 0
        if self.waited < self.patience:
            return False
        self.stopped = training.epoch
        return True

    def after_training(self, training: Training) -> None:
        """Give the model the best parameters."""
        if self.restores and self.arrays and not training.history.interrupted:
            self.restore(training.model)

    def state_dict(self) -> dict[str, Any]:
        """Give what was kept, and how long nothing has improved."""
        return {**super().state_dict(), "waited": self.waited, "level": self._level, "stopped": self.stopped}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        super().load_state_dict(state)
        self.waited, self._level, self.stopped = state["waited"], state["level"], state["stopped"]
