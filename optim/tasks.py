"""The tasks of the main job: where batches come from, what is tested on, what counts as right."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from minigrad.models import datasets, losses
from minigrad.node import Array
from minigrad.optim.configuration import DELAYED, Configuration
from minigrad.optim.examples import batches
from minigrad.optim.training import Loss

Batch = tuple[Array, Array]
N_GENERATED = 10_000  # fresh sequences a generated task is tested on
N_VALIDATION = 1000  # examples that are watched while training, at most
SHARE = 8  # of the training examples of a data set one in so many is set aside for validation
SOLVED = math.nextafter(1 - datasets.SOLVED, 1)  # a score from here on is less than 1 % wrong
TEST_SEED = 1_000_003  # test and validation examples are the same for every method and seed
VALIDATION_SEED = 1_000_033


@dataclass(frozen=True, eq=False)
class Task:
    """Sequences `(n, time, features)` to train, to validate and to test on.

    batches:    an endless stream of batches, all of one shape, drawn by the given generator
    validation: what is watched while training, and decides which parameters are kept as the best
    test:       what is used once, when the training is over
    chance:     the test score of an answer that ignores the inputs
    goal:       what a run learns, in words that follow "learned to"
    learned:    the least test score of a run that has learned it
    """

    name: str
    description: str
    batches: Callable[[np.random.Generator], Iterator[Batch]]
    validation: Batch
    test: Batch
    n_outputs: int
    loss: Loss
    chance: float
    goal: str
    learned: float

    @property
    def n_inputs(self) -> int:
        """Features at every time step."""
        return int(self.test[0].shape[2])

    @property
    def length(self) -> int:
        """Time steps."""
        return int(self.test[0].shape[1])

    @property
    def criterion(self) -> str:
        """When a run has learned it, in words."""
        n = f"{len(self.test[1]):,}"
        if self.learned == SOLVED:
            return f"less than {datasets.SOLVED:.0%} of {n} test sequences answered wrongly"
        return f"at least {self.learned:.0%} of {n} test examples answered rightly"

    def score(self, outputs: Array, targets: Array) -> float:
        """The fraction answered rightly."""
        return 1 - datasets.fraction_wrong(outputs, targets)

    def right(self, outputs: Array, targets: Array) -> Array:
        """Which examples are answered rightly: `score` is the mean of it."""
        answers = zip(outputs, targets, strict=True)
        return np.array([self.score(output[None], target[None]) == 1 for output, target in answers])


def open_task(configuration: Configuration) -> Task:
    """The task that the configuration names, its data read or its generator ready."""
    if configuration.task == "delayed-digits":
        return _delayed_digits(configuration)
    if configuration.task == "temporal-order":
        return _temporal_order(configuration)
    if configuration.task == "adding":
        return _adding(configuration)
    if configuration.task == "mnist":
        return _classification(
            datasets.mnist(configuration.data_folder or None, download=configuration.download), configuration
        )
    return _classification(datasets.digits(), configuration)


def _classification(dataset: datasets.Dataset, configuration: Configuration) -> Task:
    """A fixed data set: epochs of shuffled examples, each without the few that fill no batch.

    The validation examples are some of its training examples, chosen at random once for all runs; its test set stays whole.
    """
    kept, held = _set_aside(dataset, configuration.batch_size)
    return Task(
        name=dataset.name,
        description=_counted(dataset, kept, held),
        batches=partial(_shuffled, kept, configuration.batch_size),
        validation=held,
        test=(dataset.test.inputs, dataset.test.targets),
        n_outputs=dataset.n_classes,
        loss=losses.cross_entropy,
        chance=_commonest(dataset),
        goal="read the digits",
        learned=0.8,
    )


def _delayed_digits(configuration: Configuration) -> Task:
    """The digits row by row, and then a delay; its noise is drawn anew for every batch, once for validation and test."""
    digits = datasets.digits()
    kept, held = _set_aside(digits, configuration.batch_size)

    def delay(batch: Batch, rng: np.random.Generator) -> Batch:
        inputs, targets = batch
        rows = inputs.reshape(len(inputs), DELAYED, -1)
        return datasets.delayed(rows, configuration.length, rng, noise=configuration.delay_noise), targets

    def stream(rng: np.random.Generator) -> Iterator[Batch]:
        for batch in _shuffled(kept, configuration.batch_size, rng):
            yield delay(batch, rng)

    noise = configuration.delay_noise
    fills = f"noise of standard deviation {noise:g}" if noise else "blanks"
    return Task(
        name="delayed-digits",
        description=f"{_counted(digits, kept, held).replace('pixels read one by one', 'pixels read row by row')}; after the "
        f"{DELAYED} rows {configuration.length - DELAYED} steps of {fills}, then the answer",
        batches=stream,
        validation=delay(held, np.random.default_rng(VALIDATION_SEED)),
        test=delay((digits.test.inputs, digits.test.targets), np.random.default_rng(TEST_SEED)),
        n_outputs=digits.n_classes,
        loss=losses.cross_entropy,
        chance=_commonest(digits),
        goal="remember the digit",
        learned=0.7,
    )


def _set_aside(dataset: datasets.Dataset, batch_size: int) -> tuple[Batch, Batch]:
    """The training examples in two parts: to train on, and to validate on; ValueError where the first fills no batch."""
    inputs, targets = dataset.train
    order = np.random.default_rng(VALIDATION_SEED).permutation(len(inputs))
    held, kept = np.split(order, [min(max(len(order) // SHARE, 1), N_VALIDATION)])
    if batch_size > len(kept):
        raise ValueError(
            f"batch_size={batch_size}: {dataset.name} has {len(kept)} training examples, besides {len(held)} for validation"
        )
    return (inputs[kept], targets[kept]), (inputs[held], targets[held])


def _shuffled(examples: Batch, size: int, rng: np.random.Generator) -> Iterator[Batch]:
    """Epoch after epoch, each in an order of its own and without the few that fill no batch."""
    x, y = examples
    while True:
        for index in batches(len(x), size, rng):
            if len(index) == size:
                yield x[index], y[index]


def _counted(dataset: datasets.Dataset, kept: Batch, held: Batch) -> str:
    return f"{dataset.description}: {len(kept[1])} to train, {len(held[1])} to validate, {len(dataset.test.targets)} to test"


def _commonest(dataset: datasets.Dataset) -> float:
    """The share of the commonest class in the test set: what answering always the same would reach."""
    return float(np.bincount(dataset.test.targets).max() / len(dataset.test.targets))


def _temporal_order(configuration: Configuration) -> Task:
    def draw(n: int, rng: np.random.Generator) -> Batch:
        return datasets.temporal_order(n, configuration.length, rng)

    return Task(
        name="temporal-order",
        description=f"temporal order, T = {configuration.length}: the order of two symbols among distractors, 4 classes; "
        f"fresh sequences at every step, {N_VALIDATION} to validate, {N_GENERATED} to test",
        batches=_fresh(draw, configuration.batch_size),
        validation=draw(N_VALIDATION, np.random.default_rng(VALIDATION_SEED)),
        test=draw(N_GENERATED, np.random.default_rng(TEST_SEED)),
        n_outputs=4,
        loss=losses.cross_entropy,
        chance=0.25,
        goal="tell the order of two symbols",
        learned=SOLVED,
    )


def _adding(configuration: Configuration) -> Task:
    def draw(n: int, rng: np.random.Generator) -> Batch:
        return datasets.adding(n, configuration.length, rng)

    test = draw(N_GENERATED, np.random.default_rng(TEST_SEED))
    always_half = datasets.fraction_wrong(np.full_like(test[1], 0.5), test[1])
    return Task(
        name="adding",
        description=f"adding, T = {configuration.length}: the mean of two marked numbers, right within "
        f"{datasets.ADDING_TOLERANCE}; fresh sequences at every step, {N_VALIDATION} to validate, "
        f"{N_GENERATED} to test",
        batches=_fresh(draw, configuration.batch_size),
        validation=draw(N_VALIDATION, np.random.default_rng(VALIDATION_SEED)),
        test=test,
        n_outputs=1,
        loss=losses.mean_squared_error,
        chance=1 - always_half,
        goal="add two marked numbers",
        learned=SOLVED,
    )


def _fresh(
    draw: Callable[[int, np.random.Generator], Batch], size: int
) -> Callable[[np.random.Generator], Iterator[Batch]]:
    def stream(rng: np.random.Generator) -> Iterator[Batch]:
        while True:
            yield draw(size, rng)

    return stream
