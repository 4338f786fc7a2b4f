"""The training loop: epochs of batches, a step on each, and a row of the history after every epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from minigrad.models import Module
from minigrad.models.scheduled import Weight, value_at
from minigrad.optim.names import refuse_other_names
from minigrad.optim.optimizers import Optimizer
from minigrad.optim.training.callbacks import Callback, Callbacks, Training
from minigrad.optim.training.checks import (
    check_callbacks,
    check_finite,
    check_flags,
    check_last,
    check_metrics,
    check_numbers,
    check_watched,
    generator_of,
    metrics_by_name,
    validation_examples,
    without_padding,
)
from minigrad.optim.training.evaluation import Loss, Metric, evaluated, measure, modes_of, predict, restore
from minigrad.optim.training.examples import Examples, Given, n_batches, set_aside
from minigrad.optim.training.history import History
from minigrad.optim.training.progress import Progress
from minigrad.optim.training.step import Penalty, Step

OTHER_NAMES = {  # as other libraries call what `fit` takes
    "validation_data": "validation",
    "validation_split": "validation",
    "sample_weight": "weights",
    "verbose": "quiet",
}


P = ParamSpec("P")


R = TypeVar("R")


def _checked_names(function: Callable[P, R]) -> Callable[P, R]:
    """`fit`, with errors that say what to write where arguments come by position or under another library's name."""

    @wraps(function)
    def called(*arguments: P.args, **keywords: P.kwargs) -> R:
        if len(arguments) > 3:
            raise TypeError(
                f"fit takes the model, inputs and targets by position, and all else by name, and {len(arguments)} came by "
                "position: write fit(model, inputs, targets, loss=loss, optimizer=optimizer)"
            )
        refuse_other_names("fit", keywords, OTHER_NAMES)
        return function(*arguments, **keywords)

    return called


@_checked_names
def fit(
    model: Module,
    inputs: Given,
    targets: Given,
    *,
    loss: Loss,
    optimizer: Optimizer,
    mask: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    lengths: npt.ArrayLike | None = None,
    epochs: int = 10,
    batch_size: int = 32,
    drop_last: bool = False,
    validation: Sequence[Any] | float | None = None,
    metrics: Sequence[Metric] | Mapping[str, Metric] = (),
    penalties: Sequence[Penalty] = (),
    callbacks: Sequence[Callback | Callable[[Any, History], bool | None]] = (),
    rng: np.random.Generator | int = 0,
    clip: float | None = None,
    loss_weight: Weight = 1.0,
    quiet: bool = False,
    eager: bool = False,
    backend: str = "numpy",
) -> History:
    """Train the model on (inputs, targets), all with the examples along axis 0; returns the history, a row per epoch.

    inputs, targets, mask, weights: as a `Step` takes them: several inputs as a tuple or a dict of arrays, and what the loss
                takes by name. nan and inf are refused, but where the mask, the model or the loss leaves them out: targets
                that are missing, padding of sequences
    lengths:    (n,) integers, how many time steps (axis 1) of each example are no padding. Batches then have examples of
                similar lengths, and are cut to the longest of a few lengths (`bucketed`): all arrays, mask and targets included,
                that have as many time steps as the inputs. What padding is left is masked: a model whose forward has an argument
                `mask` is given the mask of the lengths, unless the inputs have one or are a tuple, and so is a loss that takes one
                where outputs and targets are (n, time, ...) and `mask` is not given. Padding is read by a model or loss that takes
                no mask: RuntimeWarning
    loss, optimizer, penalties, clip, loss_weight: as `Step` takes them
    eager:      False compiles the nodes of the first batch, and runs that program on the next ones; True builds every
                batch anew, which gives the same numbers to rounding (see `Step`). Callbacks may change what the model, the
                loss or a penalty reads (a weight, a rate) either way
    backend:    by what that program is run: "numpy", "numba" (the extra [fast]), or "auto", the faster one of these that is
                installed; then the progress line says which. The optimizer has a backend of its own
    batch_size: every epoch goes once through the shuffled examples; the last batch may be smaller
    drop_last:  leave a smaller last batch out, as a BatchNorm may need that refuses a single example
    validation: (inputs, targets) of their own, or (inputs, targets, {"mask": mask}) with what the loss takes by name, and
                their "lengths", which are masked as above; or the fraction of the examples to set aside, chosen by rng
    metrics:    functions of (outputs, targets), as arrays, that give a number, with mask and weights by name where they take
                them; on all training examples after every epoch, and on the validation examples (`val_<name>`)
    callbacks:  functions of (model, history), called after every epoch; one that returns True ends the training. `KeepBest` and
                `EarlyStopping` keep the best parameters on the validation examples. A `Callback` is called at other moments too. Columns that one names as its `watched` have to
                be among those below
    rng:        draws the validation split and the order of the examples
    quiet:      show no progress line

    Every epoch begins in training mode, modules within included; afterwards they are in the modes they were found in.

    Columns: epoch, loss (its mean over the examples while they were trained on), penalty, the metrics, val_loss, the metrics
    of the validation, and where the optimizer's learning rate follows a schedule learning_rate, that of the epoch's last step.
    Ctrl-C ends the training: the model keeps what was reached, and `history.interrupted` is True. An error
    that ends it has the history so far as its attribute `history`.

    >>> import numpy as np
    >>> from minigrad.models import LSTM, losses
    >>> from minigrad.optim import Adam, fit
    >>> u = np.random.default_rng(0).normal(size=(40, 6, 2)).astype(np.float32)
    >>> lengths = np.arange(40) % 4 + 3
    >>> u[np.arange(6) >= lengths[:, np.newaxis]] = np.nan  # padding, which neither the net nor the loss looks at
    >>> sums = u.cumsum(axis=1)
    >>> net = LSTM(2, 2, sequences=True, rng=0)
    >>> history = fit(
    ...     net,
    ...     u,
    ...     sums,
    ...     lengths=lengths,
    ...     loss=losses.mean_squared_error,
    ...     optimizer=Adam(net.parameters(), 0.01),
    ...     epochs=3,
    ...     validation=(u, sums, {"lengths": lengths}),
    ...     quiet=True,
    ... )
    >>> history["loss"][-1] < history["loss"][0]
    True
    """
    rng = generator_of(rng)
    measured = metrics_by_name(metrics)
    what = "inputs and targets"
    examples = Examples.of("fit", inputs, targets, mask=mask, weights=weights).checked(what)
    check_numbers(epochs=epochs, batch_size=batch_size)
    check_flags(drop_last=drop_last, quiet=quiet, eager=eager)
    check_callbacks(callbacks)
    step = Step(
        model, loss, optimizer, penalties=penalties, clip=clip, loss_weight=loss_weight, eager=eager, backend=backend
    )
    if lengths is not None:
        examples = without_padding(step, examples, lengths)
    held: Examples | None = None
    if isinstance(validation, (int, float)):
        kept, chosen = set_aside(examples, validation, rng)
        held = examples.take(chosen)
        examples = examples.take(kept)
    elif validation is not None:
        held = validation_examples(validation, step)
    for given, name in ((examples, what), (held, "the validation's inputs and targets")):
        if given is not None:
            check_finite(step, given, name, batch_size)
    check_last(model, examples, batch_size, drop_last)
    check_metrics(step, measured, examples)
    check_watched(callbacks, _columns(step, measured, held))
    training = Training(model, optimizer, History())
    moments = Callbacks(callbacks)
    history = training.history
    n_steps = n_batches(len(examples), batch_size, drop_last)
    progress = Progress(epochs * n_steps, "" if backend == "numpy" else f"by {step.backend}", quiet=quiet)
    modes = modes_of(model)
    ending = ""
    numbers: dict[str, float] = {}
    try:
        moments.before_training(training)
        for epoch in range(1, epochs + 1):
            training.epoch = epoch
            ends = False
            model.train()
            last = _some(numbers, "val_loss")
            for numbers, seen in _epoch(step, examples.batches(batch_size, rng, drop_last), len(examples), training):
                if seen < n_steps:
                    progress.update((epoch - 1) * n_steps + seen, epoch=epoch, loss=numbers["loss"], **last)
                if training.numbers and moments.after_step(training):
                    ends = True
                    break
            numbers |= _after_an_epoch(model, loss, measured, examples, held) | _scheduled_rate(optimizer)
            progress.update(epoch * n_steps, epoch=epoch, **_some(numbers, "loss", "val_loss"))
            history.append(epoch=epoch, **numbers)
            if moments.after_epoch(training) or ends:
                ending = f"stopped by a callback {'in' if ends else 'after'} epoch {epoch}"
                break
    except KeyboardInterrupt:
        history.interrupted = True
        ending = f"interrupted after {history.n_rows} of {epochs} epochs; the model keeps what was reached"
    except Exception as error:
        vars(error)["history"] = history
        raise
    finally:
        progress.close(ending)
        restore(modes)
    moments.after_training(training)
    if not history.interrupted:
        step.tell()
    return history


def _after_an_epoch(
    model: Module, loss: Loss, metrics: Mapping[str, Metric], examples: Examples, held: Examples | None
) -> dict[str, float]:
    """The metrics on the training examples, and loss and metrics on the validation examples."""
    numbers = measure(metrics, predict(model, examples.inputs), examples) if metrics else {}
    if held is not None:
        numbers["val_loss"], outputs = evaluated(model, loss, held)
        numbers |= {f"val_{name}": found for name, found in measure(metrics, outputs, held).items()}
    return numbers


def _columns(step: Step, metrics: Mapping[str, Metric], held: Examples | None) -> list[str]:
    """The columns that the history of a training has."""
    of_steps = ["penalty"] * bool(step.penalties) + ["gradient_norm"] * (step.clip is not None)
    of_validation = ["val_loss", *[f"val_{name}" for name in metrics]] if held is not None else []
    return ["epoch", "loss", *of_steps, *metrics, *of_validation, *_scheduled_rate(step.optimizer)]


def _scheduled_rate(optimizer: Optimizer) -> dict[str, float]:
    """The learning rate of the last step, where all parameters follow one schedule."""
    rate = optimizer.learning_rate
    if not callable(rate):
        return {}
    return {
        "learning_rate": value_at(rate, max(optimizer.n_steps - 1, 0), f"{type(optimizer).__name__}(learning_rate)")
    }


def _some(numbers: Mapping[str, float], *names: str) -> dict[str, float]:
    return {name: numbers[name] for name in names if name in numbers}


def _epoch(step: Step, given: Iterable[Examples], n: int, training: Training) -> Iterator[tuple[dict[str, float], int]]:
    """Go once through the batches of n examples; after each the means over the examples of what the steps gave, and their number."""
    sums: dict[str, float] = {}
    total = 0.0
    for seen, batch in enumerate(given, 1):
        weight = batch.weight
        training.batch, training.numbers = batch, {}
        if weight > 0:  # else all is masked, and nothing to learn
            total += weight
            try:
                found = step.train_on(batch)
            except (ValueError, TypeError, IndexError) as error:
                if len(batch) < n and error.args and isinstance(error.args[0], str):
                    error.args = (f"{error.args[0]} (in a batch of {len(batch)} of the {n} examples)", *error.args[1:])
                raise
            training.step += 1
            training.numbers = found
            for name, number in found.items():
                sums[name] = sums.get(name, 0.0) + number * weight
        yield {name: number / total for name, number in sums.items()} or {"loss": math.nan}, seen
