"""The examples of a training: arrays with the examples along axis 0, how they are grouped into batches, and their lengths.

What a model takes, and what a loss compares with, is an array; a tuple of arrays, handed over by position; or a dict of
arrays, handed over by name. What else a loss takes, as `mask` and `weights`, goes by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from minigrad.models.inputs import array_of
from minigrad.node import Array

Given: TypeAlias = "npt.ArrayLike | tuple[npt.ArrayLike, ...] | Mapping[str, npt.ArrayLike]"  # as a user hands it in
Arrays: TypeAlias = "Array | tuple[Array, ...] | dict[str, Array]"
Form: TypeAlias = "tuple[str, ...] | int | None"  # a dict's keys, a tuple's length, or None for one array
Indices: TypeAlias = "npt.NDArray[np.intp]"


class Examples:
    """Inputs, targets, and what the loss takes besides (`options`: mask, weights), every array with the examples first."""

    def __init__(
        self,
        inputs: Arrays,
        targets: Arrays,
        options: Mapping[str, Array] | None = None,
        lengths: Indices | None = None,
    ) -> None:
        self.inputs = inputs
        self.targets = targets
        self.options = dict(options or {})
        self.lengths = lengths  # to which a batch may be cut

    @classmethod
    def of(cls, asker: str, inputs: Given, targets: Given, **options: npt.ArrayLike | None) -> Examples:
        """What a user hands in, as arrays; options that are None are left out."""
        return cls(
            arrays_of(f"{asker}(inputs)", inputs),
            arrays_of(f"{asker}(targets)", targets),
            {name: array_of(f"{asker}({name})", given) for name, given in options.items() if given is not None},
        )

    def checked(self, what: str) -> Examples:
        """The examples; an error unless all arrays have the same number of them, 1 or more, and mask and weights are such."""
        shapes = [array.shape for array in self.arrays().values()]
        if () in shapes or len({shape[0] for shape in shapes}) != 1 or not shapes[0][0]:
            raise ValueError(
                f"{what} have shapes {' and '.join(map(str, shapes))}: the same number of examples along axis 0, 1 or more"
            )
        mask, weights = self.options.get("mask"), self.options.get("weights")
        if mask is not None and mask.dtype.kind != "b":
            raise TypeError(f"{what}: expected a mask of booleans, False where padded or missing, found {mask.dtype}")
        if weights is not None and not ((weights >= 0) & (weights < np.inf)).all():
            raise ValueError(f"{what}: expected weights that are finite numbers of at least 0")
        if (
            mask is not None
            and weights is not None
            and any(m != n for m, n in zip(mask.shape, weights.shape, strict=False))
        ):
            raise ValueError(
                f"{what}: a mask of shape {mask.shape} and weights of shape {weights.shape} are not of the same examples"
            )
        return self

    def __len__(self) -> int:
        return len(next(iter(self.arrays().values())))

    def arrays(self) -> dict[str, Array]:
        """All arrays by name: "inputs", or "inputs_0", "inputs_1", or "inputs_u"; likewise "targets"; "mask", "weights"."""
        return {**named("inputs", self.inputs), **named("targets", self.targets), **self.options}

    @property
    def form(self) -> tuple[Form, Form, tuple[str, ...]]:
        """What `filled` needs besides the arrays; hashable."""
        return form_of(self.inputs), form_of(self.targets), tuple(self.options)

    def with_lengths(self, lengths: npt.ArrayLike) -> Examples:
        """The examples with lengths (n,), rounded up to a few; ValueError where they are not within the time axis."""
        rounded = bucketed(lengths)
        first = next(iter(self.arrays().values()))
        if first.ndim < 2 or rounded.shape != (len(self),) or rounded.max() > first.shape[1]:
            raise ValueError(
                f"lengths: expected the number of time steps of each of the {len(self)} examples, up to those of the inputs "
                f"(examples, time, ...), found {rounded.shape} up to {rounded.max()} for inputs of shape {first.shape}"
            )
        return Examples(self.inputs, self.targets, self.options, rounded)

    def changed(self, function: Callable[[Array], Array]) -> Examples:
        """The function of every array but the lengths."""
        options = {name: function(array) for name, array in self.options.items()}
        return Examples(mapped(function, self.inputs), mapped(function, self.targets), options)

    def take(self, index: Indices) -> Examples:
        """Some of the examples."""
        taken = self.changed(lambda array: array[index])
        taken.lengths = None if self.lengths is None else self.lengths[index]
        return taken

    def order(self, batch_size: int, rng: np.random.Generator, drop_last: bool) -> list[Indices]:
        """Once all examples, in a new random order: the places of those of each batch."""
        return list(batches(len(self), batch_size, rng, drop_last=drop_last, lengths=self.lengths))

    def batch(self, index: Indices) -> Examples:
        """The examples of a batch, cut to the longest of them where the lengths are known."""
        batch = self.take(index)
        return batch if batch.lengths is None else batch.cut(int(batch.lengths.max()))

    def cut(self, length: int) -> Examples:
        """The first `length` time steps of every array whose axis 1 is as long as the first input's."""
        n_steps = next(iter(self.arrays().values())).shape[1]
        return self.changed(lambda array: array[:, :length] if array.shape[1:2] == (n_steps,) else array)

    def counts(self) -> npt.NDArray[np.bool_]:
        """Which examples the mask leaves something of, and whose weight is not 0; (n,)."""
        found = np.ones(len(self), bool)
        for array in self.options.values():
            found &= array.reshape(len(self), -1).any(axis=1)
        return found

    @property
    def weight(self) -> float:
        """What the mean over the examples divides by: their number, or the sum of the weights that the mask leaves."""
        given = sorted(self.options.values(), key=np.ndim)
        if not given:
            return len(self)
        product = given[-1]
        for array in given[:-1]:
            product = product * array.reshape(array.shape + (1,) * (product.ndim - array.ndim))
        return float(product.sum())


# Arrays, alone or several --------------------------------------------------------------------------------------------


def arrays_of(asker: str, given: Given) -> Arrays:
    """An array; or several, where a tuple of arrays or a dict was given (a list is one array)."""
    if isinstance(given, Mapping):
        return {str(key): array_of(f"{asker}: {key}", array) for key, array in given.items()}
    if isinstance(given, tuple) and any(np.ndim(part) > 0 for part in given if hasattr(part, "dtype")):
        return tuple([array_of(f"{asker}: {i}", array) for i, array in enumerate(given)])
    return array_of(asker, given)


def form_of(arrays: Any) -> Form:
    """How several arrays hang together."""
    return tuple(arrays) if isinstance(arrays, dict) else len(arrays) if isinstance(arrays, tuple | list) else None


def named(role: str, arrays: Any) -> dict[str, Any]:
    """The arrays by name."""
    if isinstance(arrays, dict):
        return {f"{role}_{key if key.isidentifier() else i}": array for i, (key, array) in enumerate(arrays.items())}
    if isinstance(arrays, tuple | list):
        return {f"{role}_{i}": array for i, array in enumerate(arrays)}
    return {role: arrays}


def filled(form: Form, things: Iterator[Any]) -> Any:
    """Things in the places of arrays, in their order."""
    if form is None:
        return next(things)
    if isinstance(form, int):
        return tuple([next(things) for _ in range(form)])
    return {key: next(things) for key in form}


def mapped(function: Callable[[Any], Any], arrays: Any) -> Any:
    """The function of every array."""
    if isinstance(arrays, dict):
        return {key: function(array) for key, array in arrays.items()}
    return tuple([function(array) for array in arrays]) if isinstance(arrays, tuple | list) else function(arrays)


def handed(function: Callable[..., Any], inputs: Any) -> Any:
    """The function's result: of one input, of several by position, or of several by name."""
    if isinstance(inputs, dict):
        return function(**inputs)
    return function(*inputs) if isinstance(inputs, tuple) else function(inputs)


# Batches -------------------------------------------------------------------------------------------------------------


def batches(
    n: int,
    batch_size: int,
    rng: np.random.Generator,
    *,
    drop_last: bool = False,
    lengths: npt.ArrayLike | None = None,
) -> Iterator[Indices]:
    """Yield the indices of 0..n-1 in a new random order, in pieces of batch_size; the last may be smaller.

    drop_last: leave a smaller last piece out
    lengths:   (n,) integers: a piece then has examples of one length, as far as they fill it; what is left over of a
               length goes to the next longer one. The pieces come in a random order. Of many different lengths make few
               by `bucketed`, so that there are few shapes to compile

    >>> import numpy as np
    >>> from minigrad.optim import batches
    >>> lengths = np.array([7, 4, 7, 4, 7, 7])
    >>> sorted(lengths[index].tolist() for index in batches(6, 2, np.random.default_rng(0), lengths=lengths))
    [[4, 4], [7, 7], [7, 7]]
    """
    if batch_size < 1:
        raise ValueError(f"batches(batch_size={batch_size!r}): at least 1")
    order = rng.permutation(n)
    if lengths is not None:
        of_each = np.asarray(lengths)
        if of_each.shape != (n,):
            raise ValueError(
                f"batches(lengths): expected one length for each of the {n} examples, found {of_each.shape}"
            )
        order = order[np.argsort(of_each[order], kind="stable")]
    pieces = [order[start : start + batch_size] for start in range(0, n, batch_size)]
    if drop_last and pieces and len(pieces[-1]) < batch_size:
        pieces.pop()
    if lengths is None:
        yield from pieces
    else:
        yield from (pieces[i] for i in rng.permutation(len(pieces)))


def bucketed(lengths: npt.ArrayLike, n_buckets: int = 8) -> Indices:
    """Round each length up to one of `n_buckets`, which get about as many examples each; the largest stays.

    >>> from minigrad.optim import bucketed
    >>> bucketed([3, 9, 4, 5, 8, 2], n_buckets=2).tolist()
    [4, 9, 4, 9, 9, 4]
    """
    given = np.asarray(lengths)
    if given.ndim != 1 or given.size == 0 or given.dtype.kind not in "iu" or given.min() < 1:
        raise ValueError(
            f"bucketed(lengths): expected integers of at least 1, one per example, found {given.dtype} of shape {given.shape}"
        )
    if n_buckets < 1:
        raise ValueError(f"bucketed(n_buckets={n_buckets!r}): at least 1")
    n_buckets = min(n_buckets, given.size)
    ends = np.sort(given)[-(-given.size * np.arange(1, n_buckets + 1) // n_buckets) - 1]
    return ends[np.searchsorted(ends, given)].astype(np.intp)


def n_batches(n: int, batch_size: int, drop_last: bool) -> int:
    """How many batches an epoch has."""
    return n // batch_size if drop_last else -(-n // batch_size)


def set_aside(examples: Examples, fraction: float, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """The places of the examples to train on, and those of a random fraction for validation."""
    n = len(examples)
    n_held = round(fraction * n) if 0 < fraction < 1 else 0
    if not 0 < n_held < n:
        raise ValueError(
            f"validation={fraction!r} sets {n_held} of {n} examples aside: a fraction between 0 and 1 that leaves "
            "at least one example on both sides, or (inputs, targets)"
        )
    order = rng.permutation(n)
    return order[n_held:], order[:n_held]


def first_bad(examples: Examples) -> tuple[Indices, str]:
    """The examples that hold nan or inf, but for targets that the mask leaves out, and a sentence on the first array."""
    rows = np.zeros(len(examples), bool)
    sentence = ""
    mask = examples.options.get("mask")
    targets = named("targets", examples.targets)
    for name, array in examples.arrays().items():
        if array.dtype.kind != "f":
            continue
        bad = ~np.isfinite(array)
        if mask is not None and name in targets and mask.shape == array.shape[: mask.ndim]:
            bad &= mask.reshape(mask.shape + (1,) * (array.ndim - mask.ndim))
        if bad.any():
            rows |= bad.reshape(len(rows), -1).any(axis=1)
            first = tuple(np.argwhere(bad)[0].tolist())
            sentence = sentence or (
                f"{np.count_nonzero(bad)} of {array.size} entries of {name}, of shape {array.shape}, are nan or inf, the first at "
                f"{first}"
            )
    return np.flatnonzero(rows), sentence
