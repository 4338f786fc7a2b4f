"""One training step on a batch.

A step computes the loss, the penalties on its adjoints and the gradient of their sum, clips it, and lets the optimizer
apply it. The nodes of all that are built on the first batch of a shape, and compiled: the next ones run as a program, as
long as nothing changes that the code reads, and a batch built anew now and then gives the same graph.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

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
from minigrad.models.scheduled import Weight, check_term, checked_weight, weighted
from minigrad.models.unrolling import collected_runs
from minigrad.node import Array, Input, Node, Parameter, next_number
from minigrad.optim.clipping import clip_by_norm
from minigrad.optim.optimizers import Optimizer
from minigrad.optim.training.evaluation import Loss, copies, evaluated, evaluating, loss_of, put_back
from minigrad.optim.training.examples import Examples, Form, Given, filled, handed
from minigrad.optim.training.owners import check_owners, scheduled_in
from minigrad.optim.training.reach import CutGraphError, Reach, made_anew

AdjointPenalty = Callable[[Node, Sequence[Node]], Node]  # of the loss and the states; weighted, to be added to the loss


Penalty = AdjointPenalty | WeightPenalty  # the latter of the model


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
                f"{'; Newton and its like take steps of their own: newton.step(loss)' if hasattr(optimizer, 'step') else ''}"
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
        self.before_batch: Callable[[dict[str, Array], Setting], None] | None = None  # of a training that was resumed
        self.states = [parameter for parameter in model.parameters() if not parameter.trainable]

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
        return self.train_on(Examples.of("Step", inputs, targets, mask=mask, weights=weights))

    def train_on(self, batch: Examples) -> dict[str, float]:
        """The same on a batch of `Examples`."""
        for number in self._scheduled:
            number.move_to(self.optimizer.n_steps)
        self.optimizer.rates()  # a bad one is an error before anything is computed
        before = copies(self.states)
        setting = self._setting(batch)
        if not any(setting.trained):
            raise ValueError(
                "all parameters of the optimizer are frozen, so nothing would be trained: model.unfreeze()"
            )
        try:
            # What is not finite is reported below, by name.
            with np.errstate(all="ignore"), self.optimizer.look_ahead():
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
        try:
            self.optimizer.step()
        except ValueError:  # a square that does not fit
            put_back(before)
            raise
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
        if self.before_batch is not None:
            self.before_batch(arrays, setting)
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

    def refuses(self, examples: Examples, *, gradient: bool = True) -> str:
        """Why these examples cannot be trained on, in evaluation mode; "" if they can. Nothing is changed."""
        before = copies(self.states)
        try:
            with evaluating(self.model), np.errstate(all="ignore"):
                if gradient:
                    loss, _, slopes = self._by_nodes(examples.arrays(), self._setting(examples))
                else:
                    (loss, _), slopes = evaluated(self.model, self.loss, examples), ()
        except CutGraphError:
            raise
        except (ValueError, FloatingPointError):
            return "the model or the loss refuses them"
        finally:
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


def is_finite(array: Array) -> bool:
    """Whether all entries are finite numbers. The sum of their squares tells in half the time, unless it overflows."""
    entries = array.reshape(-1)
    return math.isfinite(np.dot(entries, entries)) or bool(np.isfinite(array).all())


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
