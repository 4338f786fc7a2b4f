"""The training loop: batches, one step on a batch, epochs.

A step computes the loss, the penalties on its adjoints and the gradient of their sum, clips it, and lets the optimizer
apply it. The nodes of all that are built on the first batch of a shape, and compiled: the next ones run as a program, as
long as nothing changes that the code reads, and a batch built anew now and then gives the same graph.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from numbers import Real
from operator import attrgetter, itemgetter
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from minigrad.compiler import Compiled, NotCompiled
from minigrad.compiler.compiled import chosen_backend
from minigrad.compiler.tracing.tracer import watch
from minigrad.context import anomalies
from minigrad.graph import gradients
from minigrad.models import Module
from minigrad.models.module import locate
from minigrad.models.penalties import WeightPenalty
from minigrad.models.recurrent import Recurrent, Steps
from minigrad.models.rnn import RNN
from minigrad.models.scheduled import Weight, check_term, checked_weight, value_at, weighted
from minigrad.models.unrolling import collected_runs
from minigrad.node import Array, Input, Node, Parameter, next_number
from minigrad.optim.broadcasting import refuse_all_pairs
from minigrad.optim.clipping import clip_by_norm
from minigrad.optim.examples import (
    Examples,
    Form,
    Given,
    arrays_of,
    filled,
    first_bad,
    form_of,
    handed,
    mapped,
    n_batches,
    named,
    set_aside,
)
from minigrad.optim.history import History
from minigrad.optim.names import refuse_other_names
from minigrad.optim.optimizers import Optimizer
from minigrad.optim.owners import check_owners, scheduled_in
from minigrad.optim.padding import input_name, masked, takes_mask, with_targets_masked
from minigrad.optim.progress import Progress
from minigrad.optim.reach import CutGraphError, Reach, made_anew
from minigrad.signatures import parameters

Loss = Callable[..., Node]  # of outputs and targets, and mask= and weights= where they are given
AdjointPenalty = Callable[[Node, Sequence[Node]], Node]  # of the loss and the states; weighted, to be added to the loss
Penalty = AdjointPenalty | WeightPenalty  # the latter of the model
Metric = Callable[..., float]  # of outputs and targets as arrays, and mask= and weights= where it takes them
EVALUATION_BATCH = 1000  # examples whose nodes are held at once when nothing is trained
OTHER_NAMES = {  # as other libraries call what `fit` takes
    "validation_data": "validation",
    "validation_split": "validation",
    "sample_weight": "weights",
    "verbose": "quiet",
}
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class Setting:
    """The key of a step's program beside shapes: the form of its arrays, which of the optimizer's parameters are trained, and the
    weight of the loss.
    """

    form: tuple[Form, Form, tuple[str, ...]]
    trained: tuple[bool, ...]
    loss_weight: float | Node


class Step:
    """One training step: `step(inputs, targets)` changes the parameters and gives the loss before the change.

    What it descends on is loss_weight · loss + Σ penalties, each penalty with its own weight.

    loss:      a function of (outputs, targets) that gives a scalar node
    optimizer: its parameters are the ones trained; all are the model's, or the loss's or a penalty's own
    penalties: terms made of the parameters (`penalties.L2` and its kin), for any model; and terms made of the adjoints of
               the states or of the states (`penalties.Omega` and its kin), for one with a recurrent net or layer in it: of several that run
               the last one's. One that has `states` and `readout` itself is asked for them instead
    clip:      the largest norm of the gradient of loss and penalties together; None for no clip
    loss_weight: a finite number of at least 0; or a schedule, a function of the step. With the number 0 the penalties alone are
               trained on. The loss that is reported, and of which penalties take the adjoints, is the loss without its weight
    eager:     build the nodes anew for every batch. By default they are built on the first batch of a shape and compiled
               (`mg.compile`): the next ones run as a program, which is many times faster, and gives the same numbers to
               rounding. The Python code of model and loss then does not run again until something changes that it reads: a
               rate, a weight, a mode, whatever modules, penalties and the loss hold. Of many shapes those that come back often
               are compiled. What the code does besides making nodes (np.random noise, a count) would stay as it was. So of
               every shape the batches 2, 3, 4, 8, 16, 32, ... are also built anew, and that result is used; where their graph
               is another, all is built anew from there on, with a RuntimeWarning, as where the code cannot be compiled
               (`if float(y.sum()) > 0`)
    backend:   by what the program is run, as in `mg.compile`: "numpy", "numba", or "auto". The optimizer has one of its own:
               Adam(parameters, backend="auto")

    A step takes

    inputs:  an array, for model(inputs); a tuple of arrays for model(*inputs); a dict of arrays for model(**inputs), as
             {"u": u, "mask": mask} for a recurrent layer, {"x": u, "mask": mask} for a Sequential with one
    targets: an array; or a tuple or dict of arrays, which the loss then takes as such
    mask, weights: arrays the loss takes by these names: loss(outputs, targets, mask=mask)

    A loss, penalty or gradient that is nan or inf raises FloatingPointError, naming the first node that was; parameters
    and running statistics are left as they were. A loss of one's own that pairs outputs (n, 1) with targets (n,) into (n, n)
    raises ValueError.

    Where no path leads from the loss and the penalties to any parameter that is trained (the model or the loss takes .value, or
    makes its layers anew in every call) the first batch raises ValueError. A parameter that the first `CHECKED` batches do not
    reach while they reach others is named in one RuntimeWarning: not sooner, since a module may serve some batches only. A loss
    that reaches nothing while the penalties do is a RuntimeWarning at once.
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
        loss_weight: Weight = 1.0,
        eager: bool = False,
        backend: str = "numpy",
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
        if eager and backend == "numba":
            raise ValueError(
                'Step(eager=True, backend="numba"): nodes that are built anew for every batch are run by NumPy'
            )
        if clip is not None and not isinstance(clip, Real):
            raise TypeError(f"clip={clip!r}: expected a number, or None, found {type(clip).__name__}")
        if clip is not None and not clip > 0:
            raise ValueError(f"clip={clip!r}: the largest norm of the gradient is a positive number, or None")
        _check_penalties(penalties, model)
        check_owners(optimizer, model, (loss, *penalties))
        if not penalties and not isinstance(loss_weight, Node) and loss_weight == 0:
            raise ValueError("loss_weight=0 and no penalties: nothing would be trained")
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.penalties = tuple(penalties)
        self.clip = clip
        self.loss_weight = checked_weight("Step", loss_weight, "loss_weight")
        self.eager = eager
        self._compiled = Compiled(self._objective, backend=chosen_backend(backend, "Step"))
        self._batches: Counter[Any] = Counter()  # of each shape
        self._settings: dict[Any, Setting] = {}  # one object for equal ones, by which programs are told apart
        self._compared: set[Any] = set()  # the shapes of outputs and targets that were found to fit each other
        self._reach = Reach()
        self._reach.told = (
            not isinstance(self.loss_weight, Node) and self.loss_weight == 0
        )  # the loss is left out knowingly
        self._n_steps = 0
        self._made_anew = False  # whether a warning told of parameters that every batch makes anew
        self._scheduled = scheduled_in((model, loss, *penalties, self.loss_weight))
        self._states = [parameter for parameter in model.parameters() if not parameter.trainable]

    @property
    def backend(self) -> str:
        """What programs are run by: "numpy" or "numba"."""
        return self._compiled.backend

    def __call__(
        self,
        inputs: Given,
        targets: Given,
        *,
        mask: npt.ArrayLike | None = None,
        weights: npt.ArrayLike | None = None,
    ) -> dict[str, float]:
        """Train on one batch; returns loss, penalty (if there are any) and the gradient's norm before clipping (if clipped)."""
        return self._on(Examples.of("Step", inputs, targets, mask=mask, weights=weights))

    def _on(self, batch: Examples) -> dict[str, float]:
        """The same on a batch of `Examples`."""
        for number in self._scheduled:
            number.move_to(self.optimizer.n_steps)
        self.optimizer.rates()  # a bad one is an error before anything is computed
        before = copies(self._states)
        setting = self._setting(batch)
        if not any(setting.trained):
            raise ValueError(
                "all parameters of the optimizer are frozen, so nothing would be trained: model.unfreeze()"
            )
        try:
            with np.errstate(all="ignore"):  # what is not finite is reported below, by name
                loss, penalties, slopes = self._computed(batch.arrays(), setting)
        except FloatingPointError as error:  # a layer that refuses such a batch itself
            raise self._non_finite(f"the model refused the batch ({error})", batch, before) from error
        except Exception:
            put_back(before)
            raise
        numbers = {"loss": loss.item()}
        if self.penalties:
            numbers["penalty"] = math.fsum(penalty.item() for penalty in penalties)
        if not all(map(math.isfinite, numbers.values())):
            raise self._non_finite(f"the loss is {' + '.join(map(str, numbers.values()))}", batch, before)
        trained = self._trained(setting)
        with np.errstate(over="ignore"):
            bad = next((p for p, slope in zip(trained, slopes, strict=True) if not is_finite(slope)), None)
        if bad is not None:
            raise self._non_finite(f"the gradient of {bad.label} is not finite", batch, before)
        for parameter, slope in zip(trained, slopes, strict=True):
            parameter.grad = slope
        if self.clip is not None:
            numbers["gradient_norm"] = clip_by_norm(self.optimizer.parameters, self.clip)
        self.optimizer.step()
        self._n_steps += 1
        if self._n_steps == self.CHECKED:
            self._reach.tell(trained)
        return numbers

    def _objective(self, setting: Setting, **nodes: Node) -> tuple[Node, tuple[Node, ...], tuple[Node, ...]]:
        """Loss, penalties, and the gradient of their weighted sum, as nodes."""
        inputs_form, targets_form, options = setting.form
        given = iter(nodes.values())
        inputs, targets = filled(inputs_form, given), filled(targets_form, given)
        named_options = dict(zip(options, given, strict=True))
        watch(self.model, self.loss, *self.penalties)
        outputs, states = self._outputs(inputs)
        loss = loss_of(self.loss, outputs, targets, named_options, self._compared)
        penalties = tuple(
            check_term(penalty, penalty(self.model) if isinstance(penalty, WeightPenalty) else penalty(loss, states))
            for penalty in self.penalties
        )
        trained = self._trained(setting)
        slopes = gradients(sum(penalties, weighted(setting.loss_weight, lambda: loss, loss.dtype)), trained)
        if not all(slope.children for slope in slopes):  # a parameter that nothing was computed from
            check_owners(self.optimizer, self.model, (self.loss, *self.penalties))
        self._reach.note(trained, slopes)
        if self.penalties and not self._n_steps:
            self._reach.tell_of_loss(loss, trained)
        return loss, penalties, slopes

    def _outputs(self, inputs: Any) -> tuple[Any, Sequence[Node]]:
        """The model's outputs and, where a penalty needs them, its states."""
        try:
            if any(map(needs_states, self.penalties)):
                return outputs_and_states(self.model, inputs)
            return handed(self.model, inputs), ()
        except (ValueError, TypeError, IndexError) as error:
            locate(error, self.model)
            raise

    def _setting(self, batch: Examples) -> Setting:
        key = batch.form, tuple([parameter.trainable for parameter in self.optimizer.parameters]), self.loss_weight
        setting = self._settings.get(key)
        if setting is None:
            setting = self._settings[key] = Setting(*key)
        return setting

    def _trained(self, setting: Setting) -> list[Parameter]:
        """The optimizer's parameters that are trained now: one may have been frozen."""
        return [p for p, flag in zip(self.optimizer.parameters, setting.trained, strict=True) if flag]

    def _computed(self, arrays: dict[str, Array], setting: Setting) -> Any:
        """The same as arrays: by the program, by nodes built anew, or, where a check is due, by both."""
        if self.eager:
            return self._by_nodes(arrays, setting)
        key = (setting, *[(array.shape, array.dtype) for array in arrays.values()])
        self._batches[key] += 1
        n = self._batches[key]
        due = 1 < n <= self.CHECKED or n & (n - 1) == 0
        found, difference, refused = None, "", None
        try:
            if n == 1 or not due:
                return self._compiled(setting, **arrays)
            found, difference = self._compiled.checked(setting, **arrays)
        except NotCompiled as error:
            refused = error
        if refused is not None:  # handled here, so that what the nodes raise does not hang on it
            self._made_anew = True  # the warning says as much
            found = self._by_nodes(arrays, setting)
            untrained = getattr(refused, "untrained", "")
            if untrained:
                untrained += self._reach.told_here(self._trained(setting))
            return self._give_up(f"cannot be compiled ({refused})", found, untrained)
        if difference:
            unchecked = (
                f"up to {n // 2 - 1} batches before were computed as the first one was; " if n > self.CHECKED else ""
            )
            self._give_up(
                f"gives another graph in batch {n} than its program ({unchecked}does it draw or count?): {difference}"
            )
        return found

    def _by_nodes(self, arrays: dict[str, Array], setting: Setting) -> Any:
        start = next_number()
        nodes = {name: Input(array, name) for name, array in arrays.items()}
        loss, penalties, slopes = self._objective(setting, **nodes)
        if not self._n_steps and not self._made_anew and (anew := made_anew([loss, *penalties], start)):
            self._made_anew = True
            warnings.warn(
                f"{anew}: made anew in every batch, and so never trained: make layers and parameters in __init__, once",
                RuntimeWarning,
                stacklevel=5,
            )
        return loss.value, [p.value for p in penalties], [np.array(slope.value) for slope in slopes]

    def tell(self) -> None:
        """Warn of parameters that no batch has reached, where the training ends before `CHECKED` batches."""
        self._reach.tell([parameter for parameter in self.optimizer.parameters if parameter.trainable])

    def _refuses(self, examples: Examples, *, gradient: bool = True) -> str:
        """Why these examples cannot be trained on, in evaluation mode; "" if they can. Nothing is changed."""
        before = copies(self._states)
        modes = modes_of(self.model)
        self.model.eval()
        try:
            with np.errstate(all="ignore"):
                if gradient:
                    loss, _, slopes = self._by_nodes(examples.arrays(), self._setting(examples))
                else:
                    (loss, _), slopes = _evaluated(self.model, self.loss, examples), ()
        except CutGraphError:
            raise
        except (ValueError, FloatingPointError):
            return "the model or the loss refuses them"
        finally:
            restore(modes)
            put_back(before)
        if not np.isfinite(loss):
            return f"the loss is then {float(loss)}"
        return "" if all(np.isfinite(slope).all() for slope in slopes) else "the gradient is then not finite"

    def _give_up(self, why: str, found: Any = None, untrained: str = "") -> Any:
        self.eager = True
        advice = f". {untrained}" if untrained else ": pass eager=True if that is meant"
        warnings.warn(
            f"the code of the model or loss {why}; so every batch is built anew from here on, which is slower{advice}",
            RuntimeWarning,
            stacklevel=5,
        )
        return found

    def _non_finite(self, what: str, batch: Examples, before: Sequence[tuple[Parameter, Array]]) -> FloatingPointError:
        """The error that names the first bad node, found by building the batch anew with every node checked."""
        first = ""
        try:
            with anomalies(), np.errstate(all="ignore"):
                self._by_nodes(batch.arrays(), self._setting(batch))
        except FloatingPointError as error:
            first = f" The first node to be nan or inf: {error}."
        put_back(before)  # running statistics took the batch
        return FloatingPointError(
            f"{what}, so the training stops with the parameters as they were.{first} "
            "Look at the data, lower the learning rate, or clip the gradient (clip=1.0)"
        )


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
    callbacks: Sequence[Callable[[Any, History], bool | None]] = (),
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
    callbacks:  called as callback(model, history) after every epoch; one that returns True ends the training. `KeepBest` is
                one, which keeps the best parameters on the validation examples. Columns that one names as its `watched` have to
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
    rng = _generator(rng)
    measured = _named(metrics)
    what = "inputs and targets"
    examples = Examples.of("fit", inputs, targets, mask=mask, weights=weights).checked(what)
    _check_numbers(epochs=epochs, batch_size=batch_size)
    _check_flags(drop_last=drop_last, quiet=quiet, eager=eager)
    _check_callbacks(callbacks)
    step = Step(
        model, loss, optimizer, penalties=penalties, clip=clip, loss_weight=loss_weight, eager=eager, backend=backend
    )
    if lengths is not None:
        examples = _without_padding(step, examples, lengths)
    held: Examples | None = None
    if isinstance(validation, (int, float)):
        kept, chosen = set_aside(examples, validation, rng)
        held = examples.take(chosen)
        examples = examples.take(kept)
    elif validation is not None:
        held = _validation(validation, step)
    for given, name in ((examples, what), (held, "the validation's inputs and targets")):
        if given is not None:
            _check_finite(step, given, name, batch_size)
    _check_last(model, examples, batch_size, drop_last)
    _check_metrics(step, measured, examples)
    _check_watched(callbacks, _columns(step, measured, held))
    history = History()
    n_steps = n_batches(len(examples), batch_size, drop_last)
    progress = Progress(epochs * n_steps, "" if backend == "numpy" else f"by {step.backend}", quiet=quiet)
    modes = modes_of(model)
    ending = ""
    numbers: dict[str, float] = {}
    try:
        for epoch in range(1, epochs + 1):
            model.train()
            last = _some(numbers, "val_loss")
            for numbers, seen in _epoch(step, examples.batches(batch_size, rng, drop_last), len(examples)):
                if seen < n_steps:
                    progress.update((epoch - 1) * n_steps + seen, epoch=epoch, loss=numbers["loss"], **last)
            numbers |= _after_an_epoch(model, loss, measured, examples, held) | _scheduled_rate(optimizer)
            progress.update(epoch * n_steps, epoch=epoch, **_some(numbers, "loss", "val_loss"))
            history.append(epoch=epoch, **numbers)
            if True in [callback(model, history) for callback in callbacks]:
                ending = f"stopped by a callback after epoch {epoch}"
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
    if not history.interrupted:
        step.tell()
    return history


def _after_an_epoch(
    model: Module, loss: Loss, metrics: Mapping[str, Metric], examples: Examples, held: Examples | None
) -> dict[str, float]:
    """The metrics on the training examples, and loss and metrics on the validation examples."""
    numbers = _measured(metrics, predict(model, examples.inputs), examples) if metrics else {}
    if held is not None:
        numbers["val_loss"], outputs = _evaluated(model, loss, held)
        numbers |= {f"val_{name}": found for name, found in _measured(metrics, outputs, held).items()}
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


def _check_watched(callbacks: Sequence[Any], columns: Sequence[str]) -> None:
    """ValueError where a callback watches a column that there will not be: after the first epoch would be too late."""
    for callback in callbacks:
        watched = getattr(callback, "watched", ())
        for name in (watched,) if isinstance(watched, str) else watched:
            if name not in columns:
                hint = ": pass validation=" if name.startswith("val_") and "val_loss" not in columns else ""
                raise ValueError(
                    f"callbacks: {type(callback).__name__} watches {name!r}, and the history has {', '.join(columns)}{hint}"
                )


def _some(numbers: Mapping[str, float], *names: str) -> dict[str, float]:
    return {name: numbers[name] for name in names if name in numbers}


def loss_of(loss: Loss, outputs: Any, targets: Any, options: Mapping[str, Node], compared: set[Any]) -> Node:
    """The loss as a node, looked at once for every set of shapes: does it pair all examples with all?

    compared: the shapes that were looked at; the new ones are added
    """
    for name in options:
        if not (takes(loss, name) or isinstance(loss, Module)):
            raise TypeError(
                f"the loss {getattr(loss, '__name__', loss)} takes no {name}: write a function of (outputs, targets, *, {name}), or "
                f"leave {name}= out"
            )
    found = loss(outputs, targets, **options)
    given = {**named("outputs", outputs), **named("targets", targets), **options}
    numbers = [name for name, part in given.items() if isinstance(part, np.ndarray)]
    if numbers or not isinstance(found, Node):
        name, part = (numbers[0], given[numbers[0]]) if numbers else ("the loss", found)
        raise TypeError(
            f"{name}: expected a node, found {type(part).__name__}, through which no adjoint flows: compute it without .value and "
            "float()"
        )
    nodes = {
        name: part for name, part in given.items() if isinstance(part, Node)
    }  # outputs of a kind of one's own are not looked at
    shapes = tuple([node.shape for node in nodes.values()])
    if shapes not in compared:
        refuse_all_pairs(found, nodes)
        compared.add(shapes)
    return found


def outputs_and_states(model: Module, inputs: Any) -> tuple[Any, Sequence[Node]]:
    """The model's outputs, and the states it made them of: its own, or those of the recurrent layer that ran last in it."""
    net: Any = model
    if _has_states(model):
        states = handed(net.states, inputs)
        return net.readout(states.last if isinstance(states, Steps) else states[-1]), states
    with collected_runs() as runs:
        outputs = handed(model, inputs)
    if not runs:
        raise TypeError(
            f"penalties on adjoints need the states of a recurrent net, and {type(model).__name__} called none of its "
            "recurrent layers: let forward call one"
        )
    return outputs, runs[-1]


def needs_states(penalty: Penalty) -> bool:
    """Whether it is a function of the loss and the states, and not of the parameters."""
    return not isinstance(penalty, WeightPenalty)


def predict(model: Module, inputs: Given) -> Any:
    """Compute the outputs on all inputs, in evaluation mode, some examples at a time; modes are restored.

    inputs: an array, or a tuple or dict of arrays, as `fit` takes them
    """
    given = arrays_of("predict(inputs)", inputs)
    n = len(next(iter(named("inputs", given).values())))
    modes = modes_of(model)
    model.eval()
    try:
        some = [
            mapped(itemgetter(slice(i, i + EVALUATION_BATCH)), given) for i in range(0, max(n, 1), EVALUATION_BATCH)
        ]
        parts = [mapped(attrgetter("value"), _outputs(model, inputs)) for inputs in some]
    finally:
        restore(modes)
    columns = zip(*[named("", part).values() for part in parts], strict=True)
    return filled(form_of(parts[0]), map(np.concatenate, columns))


def _outputs(model: Module, inputs: Any) -> Any:
    """What the model makes of arrays, as nodes."""
    nodes = iter([Input(array, name) for name, array in named("inputs", inputs).items()])
    return handed(model, filled(form_of(inputs), nodes))


def is_finite(array: Array) -> bool:
    """Whether all entries are finite numbers. The sum of their squares tells in half the time, unless it overflows."""
    entries = array.reshape(-1)
    return math.isfinite(np.dot(entries, entries)) or bool(np.isfinite(array).all())


def copies(states: Sequence[Parameter]) -> list[tuple[Parameter, Array]]:
    """The states, each with a copy of what it holds."""
    return [(state, state._value.copy()) for state in states]


def put_back(before: Sequence[tuple[Parameter, Array]]) -> None:
    """Write into the states what they held."""
    for state, old in before:
        state.value = old


def modes_of(model: Module) -> list[tuple[Module, bool]]:
    """The mode of the model and of every module within."""
    return [(module, module.training) for _, module in model.named_modules()]


def restore(modes: Sequence[tuple[Module, bool]]) -> None:
    """Put every module back into its mode."""
    for module, training in modes:
        module.training = training


def evaluate(
    model: Module,
    loss: Loss,
    inputs: Given,
    targets: Given,
    *,
    mask: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
) -> tuple[float, Any]:
    """Compute the loss on all examples, and the outputs. Arguments as `fit` takes them."""
    return _evaluated(model, loss, Examples.of("evaluate", inputs, targets, mask=mask, weights=weights))


def _evaluated(model: Module, loss: Loss, examples: Examples) -> tuple[float, Any]:
    outputs = predict(model, examples.inputs)
    compared = Examples(outputs, examples.targets, examples.options)
    nodes = iter([Input(array, name) for name, array in compared.arrays().items()])
    given, wanted = [filled(form, nodes) for form in compared.form[:2]]
    found = loss_of(loss, given, wanted, dict(zip(compared.options, nodes, strict=True)), set())
    return _one("the loss", found.value), outputs


def _epoch(step: Step, given: Iterable[Examples], n: int) -> Iterator[tuple[dict[str, float], int]]:
    """Go once through the batches of n examples; after each the means over the examples of what the steps gave, and their number."""
    sums: dict[str, float] = {}
    total = 0.0
    for seen, batch in enumerate(given, 1):
        weight = batch.weight
        if weight > 0:  # else all is masked, and nothing to learn
            total += weight
            try:
                found = step._on(batch)
            except (ValueError, TypeError, IndexError) as error:
                if len(batch) < n and error.args and isinstance(error.args[0], str):
                    error.args = (f"{error.args[0]} (in a batch of {len(batch)} of the {n} examples)", *error.args[1:])
                raise
            for name, number in found.items():
                sums[name] = sums.get(name, 0.0) + number * weight
        yield {name: number / total for name, number in sums.items()} or {"loss": math.nan}, seen


def _without_padding(step: Step, examples: Examples, lengths: npt.ArrayLike) -> Examples:
    """The examples with masks for model and loss, as far as these take them."""

    def outputs(few: Examples) -> Any:
        before = copies(step._states)
        try:
            return predict(step.model, few.inputs)
        finally:
            put_back(before)

    return with_targets_masked(step.loss, masked(step.model, examples, lengths), lengths, outputs)


def _validation(given: Any, step: Step) -> Examples:
    """(inputs, targets) or (inputs, targets, {"mask": mask}), as a user hands them in; "lengths" become masks."""
    what = "the validation's inputs and targets"
    parts = tuple(given) if isinstance(given, tuple | list) else ()
    if len(parts) not in (2, 3) or not isinstance(parts[-1] if len(parts) == 3 else {}, Mapping):
        raise TypeError(
            "validation: expected (inputs, targets), (inputs, targets, {'mask': mask}) with what the loss takes by name, or a "
            f"fraction of the examples, found {type(given).__name__}{f' of {len(parts)}' if parts else ''}"
        )
    options = dict(parts[2]) if len(parts) == 3 else {}
    lengths = options.pop("lengths", None)
    if not options.keys() <= {"mask", "weights"}:
        raise ValueError(
            f"validation: a loss takes mask and weights by name, found {', '.join(map(str, options))} (lengths are masked too)"
        )
    held = Examples.of("validation", *parts[:2], **options).checked(what)
    return held if lengths is None else _without_padding(step, held, lengths)


def _check_penalties(penalties: Any, model: Module) -> None:
    if not isinstance(penalties, Sequence):
        raise TypeError(f"penalties={penalties!r}: pass a list, [{getattr(penalties, '__name__', 'penalty')}]")
    for penalty in penalties:
        if isinstance(penalty, type) or not callable(penalty):
            name = penalty.__name__ if isinstance(penalty, type) else "L2"
            raise TypeError(f"penalties: {penalty!r} is no penalty: pass an object, such as penalties.{name}(0.1)")
    if not any(map(needs_states, penalties)) or _has_states(model):
        return
    if not any(isinstance(module, Recurrent | RNN) for _, module in model.named_modules()):
        raise TypeError(
            f"penalties on adjoints need the states of a recurrent net, and there is none in {type(model).__name__}: take RNN, or a "
            "model with a recurrent layer, such as Sequential(LSTM(2, 16), Dense(16, 3)); a Module without one may define "
            "`states(u)`, the states of all time steps, and `readout(h)`, which makes the outputs from the last one"
        )


def _has_states(model: Module) -> bool:
    """Whether the model gives states and makes outputs of the last one itself."""
    return hasattr(model, "states") and hasattr(model, "readout")


def _check_finite(step: Step, examples: Examples, what: str, batch_size: int) -> None:
    """ValueError where the data hold nan or inf that reaches the loss or its gradient; what is masked does not."""
    rows, sentence = first_bad(examples)
    if not rows.size:
        return
    sound = np.setdiff1d(np.flatnonzero(examples.counts()), rows)
    one = sound[:1]  # with it there is something to take the mean of
    why = step._refuses(examples.take(np.concatenate([rows[:batch_size], one])))
    if not why and len(rows) > batch_size:
        why = step._refuses(examples.take(np.concatenate([rows, one])), gradient=False)
    if not why or (sound.size and step._refuses(examples.take(sound[:batch_size]))):
        return  # or there is another fault, which the first batch tells of
    masks = "mask= for targets"
    if takes_mask(step.model):
        name = input_name(step.model)
        masks += f", and for sequences lengths=, or the inputs {{'{name}': {name}, 'mask': mask}}"
    raise ValueError(
        f"{what}: {sentence}, and {why}: drop these examples, fill in what is missing, or leave it out by a mask ({masks})"
    )


def _check_last(model: Module, examples: Examples, batch_size: int, drop_last: bool) -> None:
    """ValueError where the last batch has a single example, and a layer with running statistics refuses that in training."""
    n = len(examples)
    if drop_last and n < batch_size:
        raise ValueError(
            f"drop_last leaves none of {n} examples in batches of {batch_size}: choose a smaller batch_size"
        )
    if drop_last or n % batch_size != 1 or all(parameter.trainable for parameter in model.parameters()):
        return
    try:
        twin = copy.deepcopy(model)  # whose states and generators the question does not change
    except TypeError:  # what cannot be copied is not asked
        return
    try:
        with np.errstate(all="ignore"):
            _outputs(twin.train(), examples.take(np.zeros(1, np.intp)).inputs)
    except ValueError as error:
        raise ValueError(
            f"{n} examples in batches of {batch_size} leave one over, which the model refuses: write drop_last=True, which "
            f"leaves out another one in every epoch, or take another batch_size ({error})"
        ) from error


def _check_metrics(step: Step, metrics: Mapping[str, Metric], examples: Examples) -> None:
    """ValueError where a metric of one's own compares examples with others, seen on two examples as nodes.

    Where outputs and targets have one shape, without axes of length 1, or targets are classes, there is little to go wrong, and
    nothing is asked.
    """
    few = examples.take(np.arange(min(len(examples), 2)))
    if not metrics or not isinstance(few.targets, np.ndarray):
        return
    before = copies(step._states)
    outputs = predict(step.model, few.inputs)
    put_back(before)
    if not isinstance(outputs, np.ndarray):
        return
    one_shape = outputs.shape == few.targets.shape and 1 not in outputs.shape[1:]
    classes = outputs.size != few.targets.size and few.targets.dtype.kind != "f"
    if one_shape or classes:
        return
    given = {"outputs": outputs, "targets": few.targets, **few.options}
    nodes = {name: Input(array, name) for name, array in given.items()}
    for name, metric in metrics.items():
        options = {key: nodes[key] for key in few.options if takes(metric, key)}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found: Any = metric(nodes["outputs"], nodes["targets"], **options)
        except Exception:
            continue
        if isinstance(found, Node):
            refuse_all_pairs(found, nodes, f"the metric {name}")


def _measured(metrics: Mapping[str, Metric], outputs: Any, examples: Examples) -> dict[str, float]:
    """The metrics, each given mask and weights where it takes them."""
    found = {}
    for name, metric in metrics.items():
        options = {key: array for key, array in examples.options.items() if takes(metric, key)}
        found[name] = _one(f"the metric {name}", metric(outputs, examples.targets, **options))
    return found


def _one(what: str, found: Any) -> float:
    """The number, or the only entry of an array or node."""
    array = found._value if isinstance(found, Node) else np.asarray(found)
    if array.size != 1:
        raise ValueError(f"{what}: expected one number, found shape {array.shape}: take its mean, or its sum")
    return float(array.item())


def takes(function: Callable[..., Any], name: str) -> bool:
    """Whether a function has an argument of that name."""
    return name in parameters(function)


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


def _check_numbers(**numbers: Any) -> None:
    """TypeError or ValueError unless each is an integer of at least 1."""
    for name, number in numbers.items():
        if not hasattr(number, "__index__"):
            raise TypeError(f"{name}={number!r}: expected an integer, found {type(number).__name__}")
        if number < 1:
            raise ValueError(f"{name}={number!r}: at least 1")


def _check_flags(**flags: Any) -> None:
    for name, flag in flags.items():
        if not isinstance(flag, bool | int | np.bool_):
            raise TypeError(f"{name}={flag!r}: expected True or False, found {type(flag).__name__}")


def _generator(rng: Any) -> np.random.Generator:
    """The generator, or one that begins with that number."""
    try:
        return np.random.default_rng(rng)
    except TypeError:
        raise TypeError(f"rng={rng!r}: expected an integer, or a generator, np.random.default_rng(0)") from None


def _check_callbacks(callbacks: Any) -> None:
    if not isinstance(callbacks, Sequence) or isinstance(callbacks, str):
        raise TypeError(
            f"callbacks={callbacks!r}: pass a list of functions of (model, history), [{getattr(callbacks, '__name__', 'callback')}]"
        )
    for callback in callbacks:
        if isinstance(callback, type) or not callable(callback):
            raise TypeError(f"callbacks: {callback!r} is no function of (model, history)")
