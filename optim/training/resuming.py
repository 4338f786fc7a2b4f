"""What `fit` saves in its checkpoints, and how it goes on from one."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.array_files import UnreadableFileError
from minigrad.models.module import FROZEN
from minigrad.models.scheduled import Scheduled, shown_weight
from minigrad.node import Parameter
from minigrad.optim.training.callbacks import Training
from minigrad.optim.training.checkpoints import Checkpoints
from minigrad.optim.training.examples import Examples, Indices
from minigrad.optim.training.generators import generators_of, move_to, positions
from minigrad.optim.training.owners import parameters_of
from minigrad.optim.training.recall import noted, recall
from minigrad.optim.training.step import Step
from minigrad.signatures import parameters

KIND = "a training"


class Place:
    """How far a training came: between two batches, or between two epochs.

    epoch:   which one it is in, from 1;  seen: how many of its batches were trained on;  closed: whether its row was written
    n_rows:  of the history, those that belong to it
    sums, total: over the batches of the epoch, what its means are made of
    ended_by: the callback that ended the training here; "" if none did
    order:   where the generator of `fit` was before it drew the order of the epoch
    """

    def __init__(self) -> None:
        self.epoch = 1
        self.seen = 0
        self.closed = False
        self.n_rows = 0
        self.sums: dict[str, float] = {}
        self.total = 0.0
        self.ended_by = ""
        self.order: Any = None

    def next_epoch(self, epoch: int) -> None:
        """Begin an epoch."""
        self.epoch, self.seen, self.closed, self.order = epoch, 0, False, None
        self.sums, self.total = {}, 0.0

    def add(self, numbers: Mapping[str, float], weight: float) -> None:
        """Add what a step gave on a batch of this weight."""
        self.total += weight
        for name, number in numbers.items():
            self.sums[name] = self.sums.get(name, 0.0) + number * weight

    def means(self) -> dict[str, float]:
        """Take the means over the examples of the epoch so far of what the steps gave."""
        return {name: number / self.total for name, number in self.sums.items()} or {"loss": math.nan}

    def close(self, n_rows: int, *, ended_by: str) -> None:
        """End the epoch, whose row the history has."""
        self.closed, self.n_rows, self.ended_by = True, n_rows, ended_by


class Resumable:
    """A training of `fit` with the checkpoints that it writes; without any, it only knows where it is.

    settings: what has to be the same when it is gone on with, as texts by name
    """

    def __init__(
        self,
        checkpoints: Checkpoints | None,
        step: Step,
        training: Training,
        callbacks: Sequence[Any],
        rng: np.random.Generator,
        settings: Mapping[str, str],
    ) -> None:
        self.checkpoints = checkpoints
        self.step = step
        self.training = training
        self.callbacks = with_state(callbacks)
        self.rng = rng
        self.settings = dict(settings)
        self.place = Place()
        self.saved_at: tuple[int, int, bool] | None = None
        self.begun = False  # else what was reached is nothing to save
        drawn_from = (step.model, step.loss, step.penalties, list(callbacks))
        self.generators = generators_of([rng, *drawn_from]) if checkpoints is not None else [rng]
        held = [p for thing in (step.optimizer.parameters, step.loss, *step.penalties) for p in parameters_of(thing)]
        own = set(step.model.parameters())
        self.others = [p for p in dict.fromkeys(held) if p not in own and not isinstance(p, Scheduled)]

    # Writing ---------------------------------------------------------------------------------------------------------

    def after_step(self) -> None:
        """Save in the middle of an epoch, if it is time to."""
        every = self.checkpoints.every_steps if self.checkpoints is not None else None
        if every is not None and self.training.step % every == 0:
            self._try()

    def after_epoch(self, *, last: bool) -> None:
        """Save after an epoch, if it is time to; the last one always."""
        if self.checkpoints is not None and (last or self.place.epoch % self.checkpoints.every_epochs == 0):
            self._try()

    def at_the_end(self) -> None:
        """Save what was reached, unless that was done; OSError where it cannot be."""
        if self.checkpoints is not None and self.begun and self._at() != self.saved_at:
            self.checkpoints.write(KIND, self.state())
            self.saved_at = self._at()

    def _try(self) -> None:
        if self._at() != self.saved_at:
            self.checkpoints.try_to_write(KIND, self.state())  # type: ignore[union-attr]
            if self.checkpoints.failed is None:  # type: ignore[union-attr]
                self.saved_at = self._at()

    def _at(self) -> tuple[int, int, bool]:
        return self.place.epoch, self.place.seen, self.place.closed

    def state(self) -> dict[str, Any]:
        """Gather all that the training needs to go on from here."""
        place, model, history = self.place, self.step.model, self.training.history
        return {
            "settings": self.settings,
            "place": dict(vars(place)),
            "history": {name: list(column)[: place.n_rows] for name, column in history.items()},
            "step": self.training.step,
            "frozen": {
                path: [name for name, p in model.named_parameters() if p in module._frozen]
                for path, module in model.named_modules()
                if FROZEN in vars(module)
            },
            "trainable": [p.trainable for p in (*model.parameters(), *self.others)],
            "model": model.state_dict(),
            "others": [p._value.copy() for p in self.others],
            "optimizer": self.step.optimizer.state_dict(),
            "batches": noted(self.step),
            "generators": positions(self.generators),
            "callbacks": [callback.state_dict() for callback in self.callbacks],
        }

    # Reading ---------------------------------------------------------------------------------------------------------

    def resume(self) -> str:
        """Go on from the newest checkpoint that can be read, and say which; "" where there is none.

        Errors: ValueError where it is of another training; UnreadableFileError where there are some and none can be read.
        """
        found = None
        if self.checkpoints is not None:
            self.checkpoints.open()
            found = self.checkpoints.newest(KIND, self._take)
            if found is not None:
                self.saved_at = self._at()
        self.begun = True
        return f"from {found.name}" if found is not None else ""

    def epochs_left(self, epochs: int) -> Iterator[int]:
        """Go through the epochs to come, the one first that was begun."""
        while not (self.place.closed and (self.place.ended_by or self.place.epoch >= epochs)):
            if self.place.closed:
                self.place.next_epoch(self.place.epoch + 1)
            yield self.place.epoch

    def order(self, examples: Examples, batch_size: int, drop_last: bool) -> list[Indices]:
        """Draw the order of the epoch's examples; of one that was begun before, the same again."""
        if self.place.order is None:
            self.place.order = position_of(self.rng)
            return examples.order(batch_size, self.rng, drop_last)
        reached = position_of(self.rng)
        self.rng.bit_generator.state = self.place.order
        order = examples.order(batch_size, self.rng, drop_last)
        self.rng.bit_generator.state = reached
        return order

    def _take(self, path: Path, state: dict[str, Any]) -> None:
        model, optimizer = self.step.model, self.step.optimizer
        before = model.state_dict(), optimizer.state_dict(), positions(self.generators)
        try:
            self._check(path, dict(state["settings"]))
            self._restore(state)
        except OtherTraining:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            model.load_state_dict(before[0])
            optimizer.load_state_dict(before[1])
            move_to(self.generators, before[2])
            raise UnreadableFileError(
                f"{path} cannot be gone on from: it does not hold what a checkpoint of this training does ({error})"
            ) from None

    def _check(self, path: Path, settings: Mapping[str, str]) -> None:
        names = [name for name in {**settings, **self.settings} if settings.get(name) != self.settings.get(name)]
        if names:
            listed = "; ".join(
                f"{n}: {settings.get(n, 'none')} there, {self.settings.get(n, 'none')} here" for n in names
            )
            raise OtherTraining(
                f"{path} is a checkpoint of another training ({listed}): give the same arguments to go on, or another folder to "
                "begin anew"
            )

    def _restore(self, state: Mapping[str, Any]) -> None:
        step, model = self.step, self.step.model
        for parameter, flag in zip((*model.parameters(), *self.others), state["trainable"], strict=True):
            parameter.trainable = flag
        named = dict(model.named_parameters())
        for path, module in model.named_modules():
            vars(module).pop(FROZEN, None)
            if path in state["frozen"]:
                vars(module)[FROZEN] = frozenset([named[name] for name in state["frozen"][path]])
        model.load_state_dict(state["model"])
        for other, array in zip(self.others, state["others"], strict=True):
            other.value = array
        step.optimizer.load_state_dict(state["optimizer"])
        move_to(self.generators, state["generators"])
        for callback, kept in zip(self.callbacks, state["callbacks"], strict=True):
            callback.load_state_dict(kept)
        columns, history = state["history"], self.training.history
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        place = Place()
        if vars(place).keys() != state["place"].keys() or len(rows) != state["place"]["n_rows"]:
            raise ValueError("its place or its history is another one")
        vars(place).update(state["place"])
        recall(step, state["batches"], self.generators)
        history.replace(rows)
        self.training.step, self.training.epoch = state["step"], place.epoch
        self.place = place


def position_of(rng: np.random.Generator) -> Any:
    """Note where a generator is."""
    return rng.bit_generator.state


class OtherTraining(ValueError):  # noqa: N818 -- what is there, not what failed
    """A checkpoint is of a training with other settings; the message says which."""


def with_state(callbacks: Sequence[Any]) -> list[Any]:
    """List the callbacks that remember something; others may come and go."""
    return [callback for callback in callbacks if hasattr(callback, "state_dict")]


def settings_of(
    step: Step, examples: Examples, held: Examples | None, *, rng: Mapping[str, Any], **numbers: Any
) -> dict[str, str]:
    """List what has to be the same for a training to be gone on with, as short texts."""
    optimizer = step.optimizer
    arguments = [name for name in parameters(type(optimizer)) if name not in ("parameters", "learning_rate", "backend")]
    shown = {name: _by_label(getattr(optimizer, name)) for name in arguments if hasattr(optimizer, name)}
    facts = {
        "model": _sizes([*step.model.named_parameters()]),
        "optimizer": f"{type(optimizer).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})",
        "learning_rate": repr(_by_label(optimizer.learning_rate)),
        "loss": _name(step.loss),
        "loss_weight": shown_weight(step.loss_weight),
        "penalties": repr([_name(penalty) for penalty in step.penalties]),
        "clip": repr(step.clip),
        "inputs and targets": checksum(examples),
        "validation": checksum(held) if held is not None else "none",
        "rng": hashlib.sha256(repr(rng).encode()).hexdigest()[:16],
        **{name: repr(number) for name, number in numbers.items()},
    }
    return {name: ADDRESS.sub("", text) for name, text in facts.items()}


def _by_label(value: Any) -> Any:
    """A dict by parameters as one by their labels."""
    return {parameter.label: given for parameter, given in value.items()} if isinstance(value, Mapping) else value


def shown_callback(callback: Any) -> str:
    """Write a callback by its name and its settings."""
    settings = ", ".join(f"{name}={getattr(callback, name)!r}" for name in getattr(callback, "settings", ()))
    return f"{type(callback).__name__}({settings})"


ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")  # where an object lies, which differs from process to process


def _name(thing: Any) -> str:
    return str(getattr(thing, "__qualname__", None) or repr(thing))


def _sizes(named: Sequence[tuple[str, Parameter]]) -> str:
    return ", ".join(f"{path} {p.shape} {p.dtype}" for path, p in named)


def checksum(examples: Examples) -> str:
    """Compute the first digits of the SHA-256 of all arrays."""
    digest = hashlib.sha256()
    lengths = {"lengths": examples.lengths} if examples.lengths is not None else {}
    for name, array in {**examples.arrays(), **lengths}.items():
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    return digest.hexdigest()[:16]
