"""The learning-rate finder: a short training at rates that grow, of which nothing stays but a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from minigrad.models import Module
from minigrad.models.scheduled import Scheduled
from minigrad.optim.optimizers import Optimizer
from minigrad.optim.training.checks import check_numbers, generator_of, without_padding
from minigrad.optim.training.evaluation import Loss, copies, modes_kept, put_back
from minigrad.optim.training.examples import Examples, Given
from minigrad.optim.training.generators import generators_of, move_to, positions
from minigrad.optim.training.history import History
from minigrad.optim.training.owners import parameters_of, scheduled_in
from minigrad.optim.training.step import Penalty, Step

SMOOTHING = 0.9  # the weight of the losses before in their running mean
DIVERGED = 4.0  # times the lowest mean so far


class LearningRates(History):
    """A table with the columns learning_rate, loss and smoothed, a row per step; made by `find_learning_rate`.

    loss:     of the step's batch before the step, penalties included
    smoothed: m ← 0.9 m + 0.1 loss, over 1 − 0.9ᵗ, so that the first losses count in full
    diverged: the rate at which the search ended, since smoothed rose above 4 times its minimum or the numbers left the dtype's range;
              None where it did not
    """

    diverged: float | None = None

    @property
    def suggestion(self) -> float:
        """A tenth of the rate at which smoothed is lowest; ValueError where it never falls.

        The rate of the steepest fall, which others take, is that of the first steps where batches differ much.
        """
        lowest = int(np.argmin(self["smoothed"]))
        if lowest == 0:
            raise ValueError(
                f"find_learning_rate: the loss fell at none of the rates from {self['learning_rate'][0]:.3g} to "
                f"{self['learning_rate'][-1]:.3g}: begin with a smaller one (smallest=), or take more steps (n_steps=)"
            )
        return float(self["learning_rate"][lowest]) / 10


def find_learning_rate(
    model: Module,
    inputs: Given,
    targets: Given,
    *,
    loss: Loss,
    optimizer: Optimizer,
    mask: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    lengths: npt.ArrayLike | None = None,
    penalties: Sequence[Penalty] = (),
    clip: float | None = None,
    smallest: float = 1e-6,
    largest: float = 10.0,
    n_steps: int = 100,
    batch_size: int = 32,
    rng: np.random.Generator | int = 0,
) -> LearningRates:
    """Train for some steps at learning rates that grow, take everything back, and return the rates with their losses.

    Step t of n is made at the rate smallest · (largest / smallest)^(t / (n − 1)), one for all parameters. The search ends early where
    it diverges. Afterwards, and after an error or Ctrl-C too, parameters, running statistics, gradients, the optimizer's state and
    rate, random generators (rng included) and modes are what they were.

    smallest, largest: the first and the last rate
    n_steps: how many rates
    inputs, targets, mask, weights, lengths, loss, optimizer, penalties, clip, batch_size, rng: as `fit` takes them

    Source: Smith 2017, Cyclical Learning Rates for Training Neural Networks, section 3.3.

    >>> import numpy as np
    >>> from minigrad.models import Dense, losses
    >>> from minigrad.optim import SGD, find_learning_rate
    >>> x = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    >>> net = Dense(3, 1, rng=0)
    >>> optimizer = SGD(net.parameters(), learning_rate=0.1)
    >>> rates = find_learning_rate(
    ...     net, x, x.sum(axis=1, keepdims=True), loss=losses.mean_squared_error, optimizer=optimizer
    ... )
    >>> optimizer.learning_rate = rates.suggestion
    >>> 0.001 < rates.suggestion < rates.diverged
    True
    """
    check_numbers(n_steps=n_steps, batch_size=batch_size)
    if n_steps < 2 or not 0 < smallest < largest < math.inf:
        raise ValueError(
            f"find_learning_rate(smallest={smallest!r}, largest={largest!r}, n_steps={n_steps!r}): expected 0 < smallest < largest, and at "
            "least 2 steps"
        )
    rng = generator_of(rng)
    step = Step(model, loss, optimizer, penalties=penalties, clip=clip)
    with _untouched(step, rng):
        examples = Examples.of("find_learning_rate", inputs, targets, mask=mask, weights=weights)
        examples = examples.checked("inputs and targets")
        if lengths is not None:
            examples = without_padding(step, examples, lengths)
        if not examples.weight > 0:
            raise ValueError("find_learning_rate: the mask leaves nothing of any example")
        model.train()
        return _searched(step, _batches(examples, batch_size, rng), np.geomspace(smallest, largest, n_steps))


def _searched(step: Step, given: Iterator[Examples], rates: npt.NDArray[np.float64]) -> LearningRates:
    """Take a step at each rate until the loss diverges."""
    table = LearningRates()
    mean, lowest = 0.0, math.inf
    for i, rate in enumerate(rates.tolist(), 1):
        step.optimizer.learning_rate = rate
        try:
            with np.errstate(all="ignore"):  # what overflows is found in the next loss
                numbers = step.train_on(next(given))
        except (FloatingPointError, ValueError) as error:
            beyond = isinstance(error, FloatingPointError) or _squares_overflow(step.optimizer)
            if not (table.n_rows and beyond):  # the model is at fault, and not the rate too large
                raise
            table.diverged = rate
            break
        found = numbers["loss"] + numbers.get("penalty", 0.0)
        mean = SMOOTHING * mean + (1 - SMOOTHING) * found
        smoothed = mean / (1 - SMOOTHING**i)
        table.append(learning_rate=rate, loss=found, smoothed=smoothed)
        lowest = min(lowest, smoothed)
        if smoothed - lowest > (DIVERGED - 1) * abs(lowest):
            table.diverged = rate
            break
    return table


def _squares_overflow(optimizer: Optimizer) -> bool:
    """Whether the optimizer refused a gradient whose square leaves its dtype's range."""
    slopes = [parameter.grad for parameter in optimizer.parameters if parameter.grad is not None]
    return any(float(np.abs(slope).max(initial=0)) > math.sqrt(np.finfo(slope.dtype).max) for slope in slopes)


def _batches(examples: Examples, batch_size: int, rng: np.random.Generator) -> Iterator[Examples]:
    """Batches without end, epoch after epoch; one that is all masked is passed over."""
    drop_last = len(examples) >= batch_size
    while True:
        for index in examples.order(batch_size, rng, drop_last):
            batch = examples.batch(index)
            if batch.weight > 0:
                yield batch


@contextmanager
def _untouched(step: Step, rng: np.random.Generator) -> Iterator[None]:
    """Give everything that a step changes what it had, whatever happens within."""
    optimizer, things = step.optimizer, (step.model, step.loss, step.penalties)
    held = [*optimizer.parameters, *(p for thing in things for p in parameters_of(thing))]
    parameters = [p for p in dict.fromkeys(held) if not isinstance(p, Scheduled)]
    numbers = [(number, number.step) for number in scheduled_in(things)]
    generators = generators_of((rng, *things))
    before, slopes, drawn = copies(parameters), [p.grad for p in parameters], positions(generators)
    rate, state = optimizer.learning_rate, optimizer.state_dict()
    try:
        with modes_kept(step.model):
            yield
    finally:
        move_to(generators, drawn)
        optimizer.n_steps = int(state["n_steps"])  # where a schedule has to give a rate
        optimizer.learning_rate = rate
        optimizer.load_state_dict(state)
        put_back(before)
        for parameter, slope in zip(parameters, slopes, strict=True):
            parameter.grad = slope
        for number, place in numbers:
            number.move_to(place)
