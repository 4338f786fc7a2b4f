"""Callbacks that note, epoch by epoch, how a training is doing: gradients and units, sizes of updates, adjoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.models import Module, penalties
from minigrad.node import Array, Input, Node
from minigrad.optim.diagnosis.health import UnitHealth, gradient_norms, unit_health
from minigrad.optim.training.callbacks import Callback, Training
from minigrad.optim.training.evaluation import Loss, evaluating
from minigrad.optim.training.examples import Given
from minigrad.optim.training.history import History
from minigrad.optim.training.step import outputs_and_states


class GradientHealth(Callback):
    """Norms of gradients and the health of units after every epoch, on examples of one's choice: `fit(…, callbacks=[health])`.

    norms: a `History` with a column for each parameter: ‖∂loss/∂θ‖;  units: what `unit_health` gave, an entry per epoch
    """

    def __init__(self, loss: Loss, inputs: Given, targets: Given) -> None:
        self.loss, self.inputs, self.targets = loss, inputs, targets
        self.norms = History()
        self.units: list[dict[str, UnitHealth]] = []

    def after_epoch(self, training: Training) -> bool | None:
        """Look at the model as it is now."""
        self.norms.append(epoch=training.epoch, **gradient_norms(training.model, self.loss, self.inputs, self.targets))
        self.units.append(unit_health(training.model, self.inputs))
        return None

    def state_dict(self) -> dict[str, Any]:
        """Give what was noted."""
        return {
            "norms": self.norms.rows(),
            "units": [{name: list(u) for name, u in noted.items()} for noted in self.units],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on behind it."""
        self.norms.replace(state["norms"])
        self.units = [{name: UnitHealth(*u) for name, u in noted.items()} for noted in state["units"]]


class UpdateSizes(Callback):
    """How far the parameters moved in the last step of every epoch: a `History` with a column for each.

    sizes:  mean |Δθ|, the effective step size;  ratios: mean |Δθ| / mean |θ|, about 0.001 where a training goes well
    every:  note every so many steps, instead of once an epoch
    """

    def __init__(self, every: int | None = None) -> None:
        if every is not None and every < 1:
            raise ValueError(f"UpdateSizes(every={every!r}): at least 1 step")
        self.every = every
        self.sizes, self.ratios = History(), History()
        self._before: dict[str, Array] = {}
        self._moved: dict[str, tuple[float, float]] = {}

    def before_training(self, training: Training) -> None:
        """Take the start."""
        self._before = {name: p._value.copy() for name, p in training.model.named_parameters()}

    def after_step(self, training: Training) -> bool | None:
        """See how far the step went."""
        self._moved = {}
        for name, parameter in training.model.named_parameters():
            after = parameter._value  # .value would be watched for writes
            if parameter.trainable:
                size = float(np.mean(np.abs(after - self._before[name])))
                self._moved[name] = size, size / max(float(np.mean(np.abs(after))), np.finfo(after.dtype).tiny)
            self._before[name][...] = after
        if self.every is not None and training.step % self.every == 0:
            self._note(training)
        return None

    def after_epoch(self, training: Training) -> bool | None:
        """Note the last step."""
        if self.every is None:
            self._note(training)
        return None

    def _note(self, training: Training) -> None:
        place: dict[str, float] = {"epoch": training.epoch, "step": training.step}
        self.sizes.append(**place, **{name: size for name, (size, _) in self._moved.items()})
        self.ratios.append(**place, **{name: ratio for name, (_, ratio) in self._moved.items()})

    def state_dict(self) -> dict[str, Any]:
        """Give what was noted, and where the parameters were after the last step."""
        return {"sizes": self.sizes.rows(), "ratios": self.ratios.rows(), "before": self._before, "moved": self._moved}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on behind it."""
        self.sizes.replace(state["sizes"])
        self.ratios.replace(state["ratios"])
        self._before = {name: array.copy() for name, array in state["before"].items()}
        self._moved = {name: tuple(pair) for name, pair in state["moved"].items()}


class AdjointReport(Callback):
    """‖λ_1‖, ‖λ_T‖ and G after every epoch, on examples of one's choice, as columns first, last and G of `report`.

    penalty: whose G is noted, with its weight, as `penalties.Omega(1.0)`; None leaves the column out
    norms:   after every epoch ‖λ_t‖ of all time steps, (T,), as `figures.adjoint_norms` draws them

    λ_t is ∂loss/∂x_t of these examples' loss, as `penalties.adjoint_norms` measures it.
    """

    def __init__(
        self, loss: Loss, inputs: Array, targets: Any, penalty: Callable[[Node, Sequence[Node]], Node] | None = None
    ) -> None:
        self.loss, self.inputs, self.targets, self.penalty = loss, inputs, targets, penalty
        self.report = History()
        self.norms: list[Array] = []

    def after_epoch(self, training: Training) -> bool | None:
        """Look at the adjoints as they are now."""
        loss, states = self._built(training.model)
        norms = penalties.adjoint_norms(loss, states)
        numbers = {"first": float(norms[0]), "last": float(norms[-1])}
        if self.penalty is not None:
            numbers["G"] = float(self.penalty(loss, states))
        self.norms.append(norms)
        self.report.append(epoch=training.epoch, **numbers)
        return None

    def state_dict(self) -> dict[str, Any]:
        """Give what was noted."""
        return {"report": self.report.rows(), "norms": self.norms}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on behind it."""
        self.report.replace(state["report"])
        self.norms = list(state["norms"])

    def _built(self, model: Module) -> tuple[Node, Sequence[Node]]:
        with evaluating(model):
            outputs, states = outputs_and_states(model, Input(np.asarray(self.inputs), "inputs"))
        return self.loss(outputs, self.targets), states
