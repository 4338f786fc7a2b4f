"""Split examples into those to train on, those to choose by, and those to test with once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from minigrad.models.data.preprocessing import Split, train_validation_test
from minigrad.node import Array
from minigrad.optim.selection.running import in_trial
from minigrad.optim.training.checks import generator_of


class ThreeWay:
    """Examples in three sets without a common one: `train`, `validation`, and a test set that is opened once.

    train, validation: `Split(inputs, targets)`

    A trial of a search cannot open the test set, and a copy that is sent to another process has none.
    """

    def __init__(self, train: Split, validation: Split, test: Split) -> None:
        self.train = train
        self.validation = validation
        self._test: Split | None = test
        self._n_test = len(test.inputs)

    def open_test(self) -> Split:
        """Give out the test set, for the one model that was chosen without it.

        Errors: RuntimeError within a search or a cross-validation, and at every time but the first.
        """
        if in_trial.get():
            raise RuntimeError(
                "a trial asked for the test set: what is chosen by it is no longer tested by it; measure on validation"
            )
        if self._test is None:
            raise RuntimeError(
                "the test set was opened before, or stayed where it was when this copy was made: a model that is changed after "
                "its test is chosen by the test set; choose by validation, and keep what the first call gave"
            )
        test, self._test = self._test, None
        return test

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_test": None}

    def __repr__(self) -> str:
        sizes = {"train": len(self.train.inputs), "validation": len(self.validation.inputs), "test": self._n_test}
        return f"ThreeWay({', '.join(f'{name} {n}' for name, n in sizes.items())})"


def three_way_split(
    inputs: npt.ArrayLike,
    targets: npt.ArrayLike,
    *,
    validation: float = 0.2,
    test: float | Sequence[npt.ArrayLike] = 0.2,
    rng: np.random.Generator | int = 0,
    stratified: bool = False,
    groups: npt.ArrayLike | None = None,
) -> ThreeWay:
    """Split (inputs, targets), (n, ...) each, at random into train, validation and test, and keep the test set back.

    validation, test: the fractions of the examples; or as test the set itself, (inputs, targets), which a data set may have
    rng:        an integer or generator; the same integer gives the same sets
    stratified, groups: as in `preprocessing.train_validation_test`

    >>> import numpy as np
    >>> from minigrad.optim import three_way_split
    >>> x = np.arange(10.0).reshape(10, 1)
    >>> data = three_way_split(x, x[:, 0], rng=0)
    >>> data
    ThreeWay(train 6, validation 2, test 2)
    >>> data.train.inputs.shape, data.open_test().targets.shape
    ((6, 1), (2,))
    """
    fraction = test if isinstance(test, int | float) else 0.0
    parts = train_validation_test(
        np.asarray(inputs),
        np.asarray(targets),
        rng=generator_of(rng),
        validation=validation,
        test=fraction,
        stratified=stratified,
        groups=groups,
    )
    if isinstance(test, int | float):
        return ThreeWay(*parts)
    if len(test) != 2:
        raise TypeError(f"three_way_split(test): expected a fraction, or (inputs, targets), found {len(test)} things")
    return ThreeWay(*parts[:2], Split(*map(np.asarray, test)))


class Fold(NamedTuple):
    """Indices of the examples to train on, and of those held out."""

    train: Array
    validation: Array


def folds(
    n: int,
    k: int = 5,
    *,
    rng: np.random.Generator | int = 0,
    classes: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
) -> Iterator[Fold]:
    """Split n examples at random into k parts, each of which is held out once; their sizes differ by one at most.

    rng:     an integer or generator; the same integer gives the same parts
    classes: (n,) labels: the examples of each class are spread over the parts evenly, to one example
    groups:  (n,) labels: all examples of a group lie in one part; the parts have as many groups each, to one

    >>> from minigrad.optim.selection import folds
    >>> [fold.validation.tolist() for fold in folds(6, 3, classes=[0, 0, 0, 1, 1, 1])]
    [[2, 5], [0, 4], [1, 3]]
    """
    if not hasattr(k, "__index__") or k < 2:
        raise ValueError(f"folds(k={k!r}): expected an integer of at least 2")
    if classes is not None and groups is not None:
        raise ValueError("folds: classes and groups exclude each other: a group lies in one part, whatever its classes")
    generator = generator_of(rng)
    if groups is not None:
        codes = _codes(groups, n)
        part = _dealt([np.arange(codes.max(initial=-1) + 1)], k, generator, "groups")[codes]
    else:
        codes = np.zeros(n, np.intp) if classes is None else _codes(classes, n)
        part = _dealt([np.flatnonzero(codes == c) for c in np.unique(codes)], k, generator, "examples")
    for i in range(k):
        yield Fold(np.flatnonzero(part != i), np.flatnonzero(part == i))


def _dealt(kinds: Sequence[Array], k: int, generator: np.random.Generator, things: str) -> Array:
    """The part of each thing: each kind is shuffled, and all are dealt to the parts in turn, as cards are."""
    n = sum(map(len, kinds))
    if n < k:
        raise ValueError(f"folds(k={k}): there are only {n} {things}")
    shuffled = np.concatenate([generator.permutation(kind) for kind in kinds])
    part = np.empty(n, np.intp)
    part[shuffled] = np.arange(n) % k
    return part


def _codes(labels: npt.ArrayLike, n: int) -> Array:
    given = np.asarray(labels)
    if given.shape != (n,):
        raise ValueError(f"folds: expected a label for each of {n} examples, found shape {given.shape}")
    codes: Array = np.unique(given, return_inverse=True)[1]
    return codes
