"""The training loop: batches, one step on a batch, epochs.

A step computes the loss, the penalties on its adjoints and the gradient of their sum, clips it, and lets the optimizer
apply it. The nodes of all that are built on the first batch of a shape, and compiled: the next ones run as a program, as
long as a batch built anew now and then gives the same.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from minigrad.compiler import Compiled, NotCompiled
from minigrad.context import anomalies
from minigrad.graph import gradients
from minigrad.models import Module
from minigrad.models.penalties import WeightPenalty
from minigrad.node import Array, Input, Node, Parameter
from minigrad.optim.clipping import clip_by_norm
from minigrad.optim.history import History
from minigrad.optim.optimizers import Optimizer
from minigrad.optim.progress import Progress

Loss = Callable[[Node, Node], Node]
AdjointPenalty = Callable[[Node, Sequence[Node]], Node]  # of the loss and the states; weighted, to be added to the loss
Penalty = AdjointPenalty | WeightPenalty  # the latter of the model
Metric = Callable[[Array, Array], float]
EVALUATION_BATCH = 1000  # examples whose nodes are held at once when nothing is trained


class Step:
    """One training step: `step(inputs, targets)` changes the parameters and gives the loss before the change.

    loss:      a function of (outputs, targets) that gives a scalar node
    optimizer: its parameters are the ones trained
    penalties: terms made of the parameters (`penalties.L2` and its kin), for any model; and terms made of the adjoints of
               the states (`penalties.Omega` and its kin), for one that has `states` and `readout`
    clip:      the largest norm of the gradient of loss and penalties together; None for no clip
    eager:     build the nodes anew for every batch. By default they are built on the first batch of a shape and compiled
               (`mg.compile`): the next ones run as a program, which is many times faster, and gives the same numbers to
               rounding. The Python code of model and loss then does not run again, and what it does besides making nodes
               (np.random noise, a count) would stay as it was. So of every shape the batches 2, 3, 4, 8, 16, 32, ... are
               also built anew, and that result is used; where it is another, all is built anew from there on, with a
               RuntimeWarning, as where the code cannot be compiled (`if float(y.sum()) > 0`)

    A loss, penalty or gradient that is nan or inf raises FloatingPointError, naming the first node that was; parameters
    and running statistics are left as they were.
    """

    CHECKED = 4  # batches of a shape that are all built anew; then one at every doubling

    def __init__(
        self,
        model: Module,
        loss: Loss,
        optimizer: Optimizer,
        *,
        penalties: Sequence[Penalty] = (),
        clip: float | None = None,
        eager: bool = False,
    ) -> None:
        if not isinstance(model, Module):
            raise TypeError(f"what is trained is a Module (minigrad.models), not {type(model).__name__}")
        if not callable(loss):
            raise TypeError(
                f"loss={loss!r}: pass a function of (outputs, targets), such as minigrad.models.losses.cross_entropy"
            )
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"optimizer={optimizer!r}: pass an optimizer of the model's parameters, such as SGD(model.parameters(), 0.01)"
            )
        if clip is not None and not clip > 0:
            raise ValueError(f"clip={clip!r}: the largest norm of the gradient is a positive number, or None")
        if not isinstance(penalties, Sequence):
            raise TypeError(f"penalties={penalties!r}: pass a list, [{getattr(penalties, '__name__', 'penalty')}]")
        for penalty in penalties:
            if isinstance(penalty, type) or not callable(penalty):
                name = penalty.__name__ if isinstance(penalty, type) else "L2"
                raise TypeError(f"penalties: {penalty!r} is no penalty: pass an object, such as penalties.{name}(0.1)")
        if any(map(needs_states, penalties)) and not (hasattr(model, "states") and hasattr(model, "readout")):
            raise TypeError(
                f"penalties on adjoints need the states of a recurrent net, and {type(model).__name__} has no .states: take RNN, or "
                "write a Module with `states` and `readout`"
            )
        if not set(optimizer.parameters).intersection(model.parameters()):
            raise ValueError(
                f"the optimizer has none of the parameters of this {type(model).__name__}, so nothing would be trained: make it "
                "of model.parameters()"
            )
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.penalties = tuple(penalties)
        self.clip = clip
        self.eager = eager
        self._compiled = Compiled(self._objective)
        self._batches: Counter[Any] = Counter()  # of each shape
        self._states = [parameter for parameter in model.parameters() if not parameter.trainable]

    def __call__(self, inputs: Array, targets: Array) -> dict[str, float]:
        """Train on one batch; returns loss, penalty (if there are any) and the gradient's norm before clipping (if clipped)."""
        before = [(state, state.value.copy()) for state in self._states]
        trained = tuple([parameter.trainable for parameter in self.optimizer.parameters])
        try:
            with np.errstate(all="ignore"):  # what is not finite is reported below, by name
                loss, penalties, slopes = self._computed(inputs, targets, trained)
        except FloatingPointError as error:  # a layer that refuses such a batch itself
            raise self._non_finite(f"the model refused the batch ({error})", inputs, targets, before) from error
        numbers = {"loss": float(loss)}
        if self.penalties:
            numbers["penalty"] = math.fsum(map(float, penalties))
        if not all(map(math.isfinite, numbers.values())):
            raise self._non_finite(f"the loss is {' + '.join(map(str, numbers.values()))}", inputs, targets, before)
        for parameter, slope in zip(self._trained(trained), slopes, strict=True):
            if not np.isfinite(slope).all():
                raise self._non_finite(f"the gradient of {parameter.label} is not finite", inputs, targets, before)
        for parameter, slope in zip(self._trained(trained), slopes, strict=True):
            parameter.grad = slope
        if self.clip is not None:
            numbers["gradient_norm"] = clip_by_norm(self.optimizer.parameters, self.clip)
        self.optimizer.step()
        return numbers

    def _objective(
        self, inputs: Node, targets: Node, trained: tuple[bool, ...]
    ) -> tuple[Node, tuple[Node, ...], tuple[Node, ...]]:
        """Loss, penalties, and the gradient of their sum, as nodes. trained: which of the optimizer's parameters are."""
        states: Sequence[Node] = ()
        if any(map(needs_states, self.penalties)):
            net: Any = self.model
            states = net.states(inputs)
            loss = self.loss(net.readout(states[-1]), targets)
        else:
            loss = self.loss(self.model(inputs), targets)
        penalties = tuple(
            penalty(self.model) if isinstance(penalty, WeightPenalty) else penalty(loss, states)
            for penalty in self.penalties
        )
        return loss, penalties, gradients(sum(penalties, loss), self._trained(trained))

    def _trained(self, flags: tuple[bool, ...]) -> list[Parameter]:
        """The optimizer's parameters that are trained now: one may have been frozen."""
        return [parameter for parameter, flag in zip(self.optimizer.parameters, flags, strict=True) if flag]

    def _computed(self, inputs: Array, targets: Array, trained: tuple[bool, ...]) -> Any:
        """The same as arrays: by the program, by nodes built anew, or, where a check is due, by both."""
        if self.eager:
            return self._by_nodes(inputs, targets, trained)
        key = (inputs.shape, inputs.dtype, targets.shape, targets.dtype, trained)
        self._batches[key] += 1
        n = self._batches[key]
        due = 1 < n <= self.CHECKED or n & (n - 1) == 0
        try:
            if n == 1 or not due:
                return self._compiled(inputs, targets, trained)
            found, difference = self._compiled.checked(inputs, targets, trained)
        except NotCompiled as error:
            return self._give_up(f"cannot be compiled ({error})", self._by_nodes(inputs, targets, trained))
        if difference:
            unchecked = (
                f"up to {n // 2 - 1} batches before were computed as the first one was; " if n > self.CHECKED else ""
            )
            self._give_up(
                f"gives another graph in batch {n} than its program ({unchecked}does it draw or count?): {difference}"
            )
        return found

    def _by_nodes(self, inputs: Array, targets: Array, trained: tuple[bool, ...]) -> Any:
        nodes = self._objective(Input(inputs, "inputs"), Input(targets, "targets"), trained)
        loss, penalties, slopes = nodes
        return loss.value, [p.value for p in penalties], [np.array(slope.value) for slope in slopes]

    def _give_up(self, why: str, found: Any = None) -> Any:
        self.eager = True
        warnings.warn(
            f"the code of the model or loss {why}; so every batch is built anew from here on, which is slower: pass eager=True "
            "if that is meant",
            RuntimeWarning,
            stacklevel=5,
        )
        return found

    def _non_finite(
        self, what: str, inputs: Array, targets: Array, before: Sequence[tuple[Parameter, Array]]
    ) -> FloatingPointError:
        """The error that names the first bad node, found by building the batch anew with every node checked."""
        first = ""
        try:
            with anomalies(), np.errstate(all="ignore"):
                self._by_nodes(inputs, targets, tuple([p.trainable for p in self.optimizer.parameters]))
        except FloatingPointError as error:
            first = f" The first node to be nan or inf: {error}."
        for state, old in before:  # running statistics took the batch
            state.value = old
        return FloatingPointError(
            f"{what}, so the training stops with the parameters as they were.{first} "
            "Look at the data, lower the learning rate, or clip the gradient (clip=1.0)"
        )


def fit(
    model: Module,
    inputs: npt.ArrayLike,
    targets: npt.ArrayLike,
    *,
    loss: Loss,
    optimizer: Optimizer,
    epochs: int = 10,
    batch_size: int = 32,
    validation: tuple[npt.ArrayLike, npt.ArrayLike] | float | None = None,
    metrics: Sequence[Metric] | Mapping[str, Metric] = (),
    penalties: Sequence[Penalty] = (),
    callbacks: Sequence[Callable[[Any, History], bool | None]] = (),
    rng: np.random.Generator | int = 0,
    clip: float | None = None,
    quiet: bool = False,
    eager: bool = False,
) -> History:
    """Train the model on (inputs, targets), both with the examples along axis 0; returns the history, a row per epoch.

    loss, optimizer, penalties, clip: as `Step` takes them
    eager:      False compiles the nodes of the first batch, and runs that program on the next ones; True builds every
                batch anew, which gives the same numbers to rounding. Say True where callbacks change numbers that the
                model, the loss or a penalty reads (a weight, a rate): the program has those of the first batch (see `Step`)
    batch_size: every epoch goes once through the shuffled examples; the last batch may be smaller
    validation: (inputs, targets) of their own, or the fraction of the examples to set aside, chosen by rng
    metrics:    functions of (outputs, targets), as arrays, that give a number; on the validation examples after every
                epoch (`val_<name>`), without validation on all training examples
    callbacks:  called as callback(model, history) after every epoch; one that returns True ends the training
    rng:        draws the validation split and the order of the examples
    quiet:      show no progress line

    The model is in training mode meanwhile, modules within included, and afterwards in the modes it was found in.

    Columns: epoch, loss (its mean over the examples while they were trained on), penalty, val_loss, the metrics.
    Ctrl-C ends the training: the model keeps what was reached, and `history.interrupted` is True.
    """
    rng = np.random.default_rng(rng)
    measured = _named(metrics)
    x, y = _examples(inputs, targets, "inputs and targets")
    _at_least_one(epochs=epochs, batch_size=batch_size)
    held: tuple[Array, Array] | None = None
    if isinstance(validation, (int, float)):
        (x, y), held = _set_aside(x, y, validation, rng)
    elif validation is not None:
        held = _examples(*validation, "the validation's inputs and targets")
    step = Step(model, loss, optimizer, penalties=penalties, clip=clip, eager=eager)
    history = History()
    progress = Progress(epochs * -(-len(x) // batch_size), quiet=quiet)
    modes = modes_of(model)
    model.train()
    ending = ""
    try:
        for epoch in range(1, epochs + 1):
            numbers = _epoch(step, x, y, batch_size, rng, progress, epoch)
            if held is not None:
                numbers["val_loss"], outputs = evaluate(model, loss, *held)
                numbers |= {f"val_{name}": float(metric(outputs, held[1])) for name, metric in measured.items()}
            elif measured:
                outputs = predict(model, x)
                numbers |= {name: float(metric(outputs, y)) for name, metric in measured.items()}
            history.append(epoch=epoch, **numbers)
            if True in [callback(model, history) for callback in callbacks]:
                ending = f"stopped by a callback after epoch {epoch}"
                break
    except KeyboardInterrupt:
        history.interrupted = True
        ending = f"interrupted after {history.n_rows} of {epochs} epochs; the model keeps what was reached"
    finally:
        progress.close(ending)
        restore(modes)
    return history


def needs_states(penalty: Penalty) -> bool:
    """Whether it is a function of the loss and the states, and not of the parameters."""
    return not isinstance(penalty, WeightPenalty)


def batches(n: int, batch_size: int, rng: np.random.Generator) -> Iterator[npt.NDArray[np.intp]]:
    """The indices of 0..n-1 in a new random order, in pieces of batch_size; the last may be smaller."""
    order = rng.permutation(n)
    for start in range(0, n, batch_size):
        yield order[start : start + batch_size]


def predict(model: Module, inputs: Array) -> Array:
    """The outputs on all inputs, in evaluation mode, some examples at a time; modes are restored."""
    modes = modes_of(model)
    model.eval()
    try:
        parts = [
            model(Input(inputs[start : start + EVALUATION_BATCH], "inputs")).value
            for start in range(0, len(inputs), EVALUATION_BATCH)
        ]
    finally:
        restore(modes)
    return np.concatenate(parts)


def modes_of(model: Module) -> list[tuple[Module, bool]]:
    """The mode of the model and of every module within."""
    return [(module, module.training) for _, module in model.named_modules()]


def restore(modes: Sequence[tuple[Module, bool]]) -> None:
    """Put every module back into its mode."""
    for module, training in modes:
        module.training = training


def evaluate(model: Module, loss: Loss, inputs: Array, targets: Array) -> tuple[float, Array]:
    """The loss on all examples, and the outputs."""
    outputs = predict(model, inputs)
    return float(loss(Input(outputs, "outputs"), Input(targets, "targets")).value), outputs


def _epoch(
    step: Step, x: Array, y: Array, batch_size: int, rng: np.random.Generator, progress: Progress, epoch: int
) -> dict[str, float]:
    """Go once through the examples; the means over the examples of what the steps gave."""
    sums: dict[str, float] = {}
    n_batches = -(-len(x) // batch_size)
    for i, index in enumerate(batches(len(x), batch_size, rng), 1):
        for name, number in step(x[index], y[index]).items():
            sums[name] = sums.get(name, 0.0) + number * len(index)
        seen = min(i * batch_size, len(x))
        progress.update((epoch - 1) * n_batches + i, epoch=epoch, loss=sums["loss"] / seen)
    return {name: total / len(x) for name, total in sums.items()}


def _examples(inputs: npt.ArrayLike, targets: npt.ArrayLike, what: str) -> tuple[Array, Array]:
    x, y = np.asarray(inputs), np.asarray(targets)
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y) or len(x) == 0:
        raise ValueError(
            f"{what} have shapes {x.shape} and {y.shape}: the same number of examples along axis 0, 1 or more"
        )
    for array in (x, y):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            bad = np.argwhere(~np.isfinite(array))
            raise ValueError(
                f"{what}: {len(bad)} of {array.size} entries of the array of shape {array.shape} are nan or inf, the first "
                f"at {tuple(bad[0].tolist())}: drop these examples, or fill in what is missing"
            )
    return x, y


def _set_aside(
    x: Array, y: Array, fraction: float, rng: np.random.Generator
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """The examples without, and those of, a random fraction for validation."""
    n_held = round(fraction * len(x)) if 0 < fraction < 1 else 0
    if not 0 < n_held < len(x):
        raise ValueError(
            f"validation={fraction!r} sets {n_held} of {len(x)} examples aside: a fraction between 0 and 1 that leaves "
            "at least one example on both sides, or (inputs, targets)"
        )
    order = rng.permutation(len(x))
    held, kept = order[:n_held], order[n_held:]
    return (x[kept], y[kept]), (x[held], y[held])


def _named(metrics: Sequence[Metric] | Mapping[str, Metric]) -> dict[str, Metric]:
    """The metrics by name; TypeError for what is none, before anything is trained."""
    if not isinstance(metrics, Sequence | Mapping) or isinstance(metrics, str):
        raise TypeError(
            f"metrics={metrics!r}: pass a list of functions, such as [metrics.accuracy], or a dict of them by name"
        )
    for metric in metrics.values() if isinstance(metrics, Mapping) else metrics:
        if not callable(metric):
            raise TypeError(
                f"metrics: {metric!r} is no function of (outputs, targets), such as minigrad.models.metrics.accuracy"
            )
    if isinstance(metrics, Mapping):
        return dict(metrics)
    return {getattr(metric, "__name__", type(metric).__name__): metric for metric in metrics}


def _at_least_one(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name}={number!r}: at least 1")
