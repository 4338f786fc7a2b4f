"""The training loop: epochs of batches, a step on each, and a row of the history after every epoch."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from minigrad.models import Module
from minigrad.models.scheduled import Weight, value_at
from minigrad.optim.names import refuse_other_names
from minigrad.optim.optimizers import Optimizer
from minigrad.optim.training.callbacks import Callback, Callbacks, Training
from minigrad.optim.training.checkpoints import Checkpoints
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
from minigrad.optim.training.evaluation import Loss, Metric, evaluated, measure, modes_kept, predict
from minigrad.optim.training.examples import Examples, Given, n_batches, set_aside
from minigrad.optim.training.history import History
from minigrad.optim.training.progress import Progress
from minigrad.optim.training.resuming import Place, Resumable, position_of, settings_of, shown_callback, with_state
from minigrad.optim.training.signals import Signals, Terminated
from minigrad.optim.training.step import Penalty, Step

OTHER_NAMES = {  # as other libraries call what `fit` takes
    "validation_data": "validation",
    "validation_split": "validation",
    "sample_weight": "weights",
    "verbose": "quiet",
    "lr": "learning_rate, an argument of the optimizer",
    "learning_rate": "learning_rate, an argument of the optimizer",
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
    checkpoints: Checkpoints | str | os.PathLike[str] | None = None,
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
    checkpoints: a folder, or `Checkpoints(folder, ...)`: save after every epoch all that is needed to go on. Called again with
                the same arguments, after whatever stopped it (SIGKILL included), `fit` goes on from the last checkpoint and ends with
                the same bits; the history has all rows. A training that had ended is loaded

    Every epoch begins in training mode, modules within included; afterwards they are in the modes they were found in.

    Columns: epoch, loss (its mean over the examples while they were trained on), penalty, the metrics, val_loss, the metrics
    of the validation, and where the optimizer's learning rate follows a schedule learning_rate, that of the epoch's last step.
    Ctrl-C ends the training after the step that runs: the model keeps what was reached, and `history.interrupted` is True. With
    `checkpoints` that is saved, and a termination signal (SIGTERM) saves it too, and ends the program with exit code 143. A checkpoint
    that cannot be written, on a full disk, is a RuntimeWarning, and the training goes on; if the last one cannot be, it is an OSError.
    An error that ends the training has the history so far as its attribute `history`.

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
    saved_to = checkpoints if checkpoints is None or isinstance(checkpoints, Checkpoints) else Checkpoints(checkpoints)
    drawn = position_of(rng)
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
    settings = partial(
        settings_of, step, examples, held, rng=drawn, batch_size=batch_size, drop_last=drop_last, eager=eager,
        backend=step.backend, metrics=[*measured], callbacks=[*map(shown_callback, with_state(callbacks))],
    )  # fmt: skip
    training = Training(model, optimizer, History())
    moments = Callbacks(callbacks)
    history = training.history
    resumable = Resumable(saved_to, step, training, callbacks, rng, settings() if saved_to is not None else {})
    n_steps = n_batches(len(examples), batch_size, drop_last)
    progress = Progress(epochs * n_steps, "" if backend == "numpy" else f"by {step.backend}", quiet=quiet)
    ending = ""
    with Signals(terminates=saved_to is not None) as signals, modes_kept(model):
        try:
            moments.before_training(training)
            with signals.held():
                progress.label = f"{progress.label} {resumable.resume()}".strip()
            for epoch in resumable.epochs_left(epochs):
                place = resumable.place
                training.epoch = epoch
                model.train()
                last = _validated({name: history[name][-1] for name in history})
                with signals.held():
                    order = resumable.order(examples, batch_size, drop_last)
                for index in order[place.seen :]:
                    if place.ended_by:
                        break
                    with signals.held():
                        _train(step, examples.batch(index), len(examples), training, place)
                        place.ended_by = moments.after_step(training) if training.numbers else ""
                        resumable.after_step()
                    if place.seen < n_steps:
                        done = (epoch - 1) * n_steps + place.seen
                        progress.update(done, epoch=epoch, loss=place.means()["loss"], **last)
                numbers = place.means() | _after_an_epoch(model, loss, measured, examples, held)
                numbers |= _scheduled_rate(optimizer)
                progress.update(epoch * n_steps, epoch=epoch, loss=numbers["loss"], **_validated(numbers))
                with signals.held():
                    history.append(epoch=epoch, **numbers)
                    in_epoch, after_epoch = place.ended_by, moments.after_epoch(training)
                    place.close(history.n_rows, ended_by=in_epoch or after_epoch)
                    resumable.after_epoch(last=bool(place.ended_by) or epoch == epochs)
                if place.ended_by:
                    ending = f"stopped by {place.ended_by} {'in' if in_epoch else 'after'} epoch {epoch}"
            with signals.held():
                resumable.at_the_end()
        except KeyboardInterrupt:
            history.interrupted = True
            ending = f"interrupted after {history.n_rows} of {epochs} epochs; the model keeps what was reached"
            with signals.held():
                resumable.at_the_end()
        except Terminated:
            ending = f"terminated after {history.n_rows} of {epochs} epochs"
            with signals.held():
                resumable.at_the_end()
            raise
        except Exception as error:
            vars(error)["history"] = history
            raise
        finally:
            progress.close(ending)
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


def _validated(numbers: Mapping[str, float]) -> dict[str, float]:
    """The loss and metrics of the validation."""
    return {name: number for name, number in numbers.items() if name.startswith("val_")}


def _train(step: Step, batch: Examples, n: int, training: Training, place: Place) -> None:
    """Take a step on a batch of n examples, and add what it gave to the sums of the epoch."""
    weight = batch.weight
    training.batch, training.numbers = batch, {}
    if weight > 0:  # else all is masked, and nothing to learn
        try:
            found = step.train_on(batch)
        except (ValueError, TypeError, IndexError) as error:
            if len(batch) < n and error.args and isinstance(error.args[0], str):
                error.args = (f"{error.args[0]} (in a batch of {len(batch)} of the {n} examples)", *error.args[1:])
            raise
        training.step += 1
        training.numbers = found
        place.add(found, weight)
    place.seen += 1
