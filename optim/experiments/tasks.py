"""The tasks of the main job: where batches come from, what is tested on, what counts as right."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from minigrad.models import Module, datasets, losses
from minigrad.models.data.generated import answered_rightly
from minigrad.models.data.preprocessing import one_hot
from minigrad.node import Array
from minigrad.optim.experiments.configuration import Configuration
from minigrad.optim.experiments.task_options import DELAYED, MEMORIZED
from minigrad.optim.training import Loss
from minigrad.optim.training.examples import batches
from minigrad.optim.training.padding import input_name

N_GENERATED = 10_000  # fresh sequences a generated task is tested on
N_VALIDATION = 1000  # examples that are watched while training, at most
SHARE = 8  # of the training examples of a data set one in so many is set aside for validation
SOLVED = math.nextafter(1 - datasets.SOLVED, 1)  # a score from here on is less than 1 % wrong
TEST_SEED = 1_000_003  # test and validation examples are the same for every method and seed
VALIDATION_SEED = 1_000_033
SYMBOLS = 5  # that may have to be memorized
STRETCH = 5  # by which targets that are numbers are stretched about their mean, so that their variance is about 1

Draw = Callable[
    [int, int, np.random.Generator], datasets.Split
]  # of the number of sequences, their length and a generator


class Batch(NamedTuple):
    """Sequences `(n, time, features)`, their targets, and under a mask `(n, time)` which of the time steps are no padding."""

    inputs: Array
    targets: Array
    mask: Array | None = None

    def given(self, net: Module) -> Any:
        """The arguments of the net, as `Step` takes them."""
        return self.inputs if self.mask is None else {input_name(net): self.inputs, "mask": self.mask}

    def first(self, n: int) -> Batch:
        """The first n of them."""
        return self.taken(np.arange(min(n, len(self.inputs))))

    def taken(self, index: Array) -> Batch:
        """Some of them."""
        return Batch(self.inputs[index], self.targets[index], None if self.mask is None else self.mask[index])


@dataclass(frozen=True, eq=False)
class Task:
    """Sequences `(n, time, features)` to train, to validate and to test on.

    batches:    an endless stream of batches, drawn by the given generator
    validation: what is watched while training, and decides which parameters are kept as the best
    test:       what is used once, when the training is over
    chance:     the test score of one answer to all inputs, that of least loss
    goal:       what a run learns, in words that follow "learned to"
    learned:    the least test score of a run that has learned it
    right:      of outputs and targets, how much of each example is answered rightly, `(n,)`, from 0 to 1
    every_step: whether there is a target, and so an output, at every time step
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
    right: Callable[[Array, Array], Array] = answered_rightly
    every_step: bool = False

    @property
    def n_inputs(self) -> int:
        """Features at every time step."""
        return int(self.test.inputs.shape[2])

    @property
    def length(self) -> int:
        """Time steps, of the longest sequences."""
        return int(self.test.inputs.shape[1])

    @property
    def criterion(self) -> str:
        """The least score of a run that has learned the task, in words."""
        if self.learned == SOLVED:
            return f"less than {datasets.SOLVED:.0%} of {len(self.test.targets):,} test sequences answered wrongly"
        return f"at least {100 * self.learned:.4g}% of {self.answered}"

    @property
    def answered(self) -> str:
        """The answers that the score is the right fraction of, in words."""
        n = f"{len(self.test.targets):,}"
        if self.every_step:
            return f"the symbols of {n} test sequences repeated rightly"
        return f"{n} test examples answered rightly"

    def score(self, outputs: Array, targets: Array) -> float:
        """The fraction answered rightly: the mean of `right`."""
        return float(self.right(outputs, targets).mean())


def open_task(configuration: Configuration) -> Task:
    """The task that the configuration names, its data read or its generator ready."""
    task = OPENERS[configuration.task](configuration)
    std = configuration.input_noise
    return replace(task, batches=_with_noise(task.batches, std)) if std else task


def _mnist(configuration: Configuration) -> datasets.Dataset:
    return datasets.mnist(configuration.data_folder or None, download=configuration.download)


def _classification(dataset: datasets.Dataset, configuration: Configuration) -> Task:
    """A fixed data set of classes."""
    return _of_examples(
        dataset.name,
        dataset.description,
        Batch(*dataset.train),
        Batch(*dataset.test),
        dataset.n_classes,
        configuration.batch_size,
        goal="read the digits",
        learned=0.8,
    )


def _of_examples(
    name: str, description: str, train: Batch, test: Batch, n_classes: int, batch_size: int, **rest: Any
) -> Task:
    """Epochs of shuffled examples, each without the few that fill no batch.

    The validation examples are some of the training examples, chosen at random once for all runs; the test set stays whole.
    """
    n = len(train.inputs)
    order = np.random.default_rng(VALIDATION_SEED).permutation(n)
    held, kept = map(train.taken, np.split(order, [min(max(n // SHARE, 1), N_VALIDATION)]))
    n_kept, n_held, n_test = (len(part.inputs) for part in (kept, held, test))
    if batch_size > n_kept:
        raise ValueError(
            f"batch_size={batch_size}: {name} has {n_kept} training examples, besides {n_held} for validation"
        )
    return Task(
        name=name,
        description=f"{description}: {n_kept} to train, {n_held} to validate, {n_test} to test",
        batches=partial(_shuffled, kept, batch_size),
        validation=held,
        test=test,
        n_outputs=n_classes,
        loss=losses.cross_entropy,
        chance=float(np.bincount(test.targets).max() / n_test),
        **rest,
    )


def _shuffled(examples: Batch, size: int, rng: np.random.Generator) -> Iterator[Batch]:
    """Epoch after epoch, each in an order of its own and without the few that fill no batch."""
    while True:
        for index in batches(len(examples.inputs), size, rng, drop_last=True):
            yield examples.taken(index)


def _delayed_digits(configuration: Configuration) -> Task:
    """The digits row by row, and then a delay; its noise is drawn anew for every batch, once for validation and test."""
    digits = _classification(datasets.digits(), configuration)
    noise = configuration.delay_noise

    def delay(batch: Batch, length: int, rng: np.random.Generator) -> Batch:
        rows = batch.inputs.reshape(len(batch.inputs), DELAYED, -1)
        return Batch(datasets.delayed(rows, length, rng, noise=noise), batch.targets)

    def stream(rng: np.random.Generator) -> Iterator[Batch]:
        for batch, length in zip(digits.batches(rng), configuration.lengths(rng), strict=True):
            yield delay(batch, length, rng)

    fills = f"noise of standard deviation {noise:g}" if noise else "blanks"
    return replace(
        digits,
        name="delayed-digits",
        description=f"{digits.description.replace('pixels read one by one', 'pixels read row by row')}; after the {DELAYED} rows "
        f"{configuration.length - DELAYED} steps of {fills}, then the answer{configuration.lengths_in_words}",
        batches=stream,
        validation=delay(digits.validation, configuration.length, np.random.default_rng(VALIDATION_SEED)),
        test=delay(digits.test, configuration.length, np.random.default_rng(TEST_SEED)),
        goal="remember the digit",
        learned=0.7,
    )


def _names(configuration: Configuration) -> Task:
    """The last letter of a given name from the letters before it. Each name is there once; test names are no training names."""
    data = datasets.names()

    def begun(part: datasets.Split) -> Batch:
        words = np.unique(part.targets, axis=0)  # letters 1 to 26, then zeros
        n_letters = np.count_nonzero(words, axis=1)
        last = np.take_along_axis(words, n_letters[:, np.newaxis] - 1, 1)[:, 0]
        mask = np.arange(words.shape[1] - 2) < n_letters[:, np.newaxis] - 1
        letters = one_hot(np.where(mask, words[:, :-2], 0), len(data.vocabulary))[
            ..., 1:
        ]  # where there is none, all zeros
        return Batch(letters, last - 1, mask)

    return _of_examples(
        "names",
        "given names (US Social Security Administration, 2018), 2 to 15 letters, the last one from those before it",
        begun(data.train),
        begun(data.test),
        len(data.vocabulary) - 1,
        configuration.batch_size,
        goal="guess the last letter",
        learned=0.45,
    )


def _temporal_order(configuration: Configuration) -> Task:
    return _of_order(configuration, datasets.temporal_order, 2, "two")


def _temporal_order_3bit(configuration: Configuration) -> Task:
    return _of_order(configuration, datasets.temporal_order_3bit, 3, "three")


def _of_order(configuration: Configuration, draw: Draw, n: int, in_words: str) -> Task:
    return _generated(
        configuration,
        "temporal order",
        f"the order of {in_words} symbols among distractors, {2**n} classes",
        draw,
        n_outputs=2**n,
        loss=losses.cross_entropy,
        chance=1 / 2**n,
        goal=f"tell the order of {in_words} symbols",
    )


def _adding(configuration: Configuration) -> Task:
    return _of_numbers(configuration, "adding", "mean", "add", datasets.adding, 1 / 2)


def _multiplication(configuration: Configuration) -> Task:
    return _of_numbers(configuration, "multiplication", "product", "multiply", datasets.multiplication, 1 / 4)


def _of_numbers(configuration: Configuration, name: str, of: str, verb: str, draw: Draw, mean: float) -> Task:
    """A generated task whose targets are numbers: trained on STRETCH · (target − mean), scored in their own units."""

    def stretched(n: int, length: int, rng: np.random.Generator) -> datasets.Split:
        inputs, targets = draw(n, length, rng)
        return datasets.Split(inputs, STRETCH * (targets - mean).astype(targets.dtype))

    def right(outputs: Array, targets: Array) -> Array:
        return answered_rightly(outputs / STRETCH, targets / STRETCH)

    task = _generated(
        configuration,
        name,
        f"the {of} of two marked numbers, right within {datasets.ADDING_TOLERANCE}; the loss is that of {STRETCH} times (the number less {mean:g})",
        stretched,
        n_outputs=1,
        loss=losses.mean_squared_error,
        chance=0.0,
        right=right,
        goal=f"{verb} two marked numbers",
    )
    always_the_mean = np.zeros_like(task.test.targets)
    return replace(task, chance=task.score(always_the_mean, task.test.targets))


def _copy_memory(configuration: Configuration) -> Task:
    def draw(n: int, length: int, rng: np.random.Generator) -> datasets.Split:
        return datasets.copying(n, length - 2 * MEMORIZED, rng, n_symbols=SYMBOLS, n_memorized=MEMORIZED)

    def right(outputs: Array, targets: Array) -> Array:
        """The share of the symbols that are repeated rightly, without the blanks before them."""
        found = outputs[:, -MEMORIZED:]
        known = ~np.isnan(found).any(axis=-1)
        return ((found.argmax(axis=-1) == targets[:, -MEMORIZED:]) & known).mean(axis=1)  # type: ignore[no-any-return]

    return _generated(
        configuration,
        "copy memory",
        f"{MEMORIZED} symbols, each one of {SYMBOLS}, to be repeated after {configuration.length - 2 * MEMORIZED} blanks, with an output "
        "at every time step; the score is the share of the symbols that are repeated rightly",
        draw,
        n_outputs=SYMBOLS + 1,
        loss=losses.cross_entropy,
        chance=1 / SYMBOLS,
        goal="repeat the symbols",
        learned=1 - datasets.SOLVED / MEMORIZED,  # then at most 1 % of the sequences have an error in them
        right=right,
        every_step=True,
    )


def _generated(configuration: Configuration, name: str, text: str, draw: Draw, **rest: Any) -> Task:
    """Fresh sequences for every batch; those to validate and to test on are drawn once, of the greatest length."""
    length = configuration.length

    def stream(rng: np.random.Generator) -> Iterator[Batch]:
        for of_batch in configuration.lengths(rng):
            yield Batch(*draw(configuration.batch_size, of_batch, rng))

    return Task(
        name=configuration.task,
        description=f"{name}, T = {length}: {text}; fresh sequences at every step, {N_VALIDATION} to validate, "
        f"{N_GENERATED} to test{configuration.lengths_in_words}",
        batches=stream,
        validation=Batch(*draw(N_VALIDATION, length, np.random.default_rng(VALIDATION_SEED))),
        test=Batch(*draw(N_GENERATED, length, np.random.default_rng(TEST_SEED))),
        **{"learned": SOLVED, **rest},
    )


def _with_noise(batches: Callable[[np.random.Generator], Iterator[Batch]], std: float) -> Any:
    """The batches with N(0, std²) added to every input, drawn by the generator of the batches."""

    def stream(rng: np.random.Generator) -> Iterator[Batch]:
        for batch in batches(rng):
            noise = std * rng.standard_normal(batch.inputs.shape)
            yield batch._replace(inputs=batch.inputs + noise.astype(batch.inputs.dtype))

    return stream


OPENERS: dict[str, Callable[[Configuration], Task]] = {
    "delayed-digits": _delayed_digits,
    "digits": lambda c: _classification(datasets.digits(), c),
    "permuted-digits": lambda c: _classification(datasets.permuted(datasets.digits()), c),
    "mnist": lambda c: _classification(_mnist(c), c),
    "pixel-mnist": lambda c: _classification(datasets.pixel_by_pixel(_mnist(c)), c),
    "permuted-mnist": lambda c: _classification(datasets.permuted(datasets.pixel_by_pixel(_mnist(c))), c),
    "names": _names,
    "temporal-order": _temporal_order,
    "temporal-order-3bit": _temporal_order_3bit,
    "adding": _adding,
    "multiplication": _multiplication,
    "copy-memory": _copy_memory,
}
