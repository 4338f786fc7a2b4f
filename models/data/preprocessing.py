"""Preprocessing: what is done to data before a net sees it. Arrays in, arrays out; no nodes.

What is estimated from data is estimated from the training set alone and then applied to all sets alike:
`MeanSubtraction`, `Normalization` and `Whitening` are fitted once (`fit`) and then transform whatever they are given
(`transform`, and `inverse` back). The rest are functions; those that draw take a `numpy.random.Generator`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

import numpy as np

from minigrad.models.inputs import array_of, check_bytes, count
from minigrad.node import Array, known_dtype
from minigrad.ops.reductions import binade

if TYPE_CHECKING:
    import numpy.typing as npt

Augmentation: TypeAlias = Callable[[Array, np.random.Generator], Array]


class Split(NamedTuple):
    """Inputs `(n, ...)` and their targets `(n, ...)`: `inputs, targets = digits().train`."""

    inputs: Array
    targets: Array


class Transform(ABC):
    """Something estimated from a training set, and applied to any set of examples of the same shape.

    >>> import numpy as np
    >>> from minigrad.models.preprocessing import MeanSubtraction
    >>> train, test = np.array([[1.0], [3.0]]), np.array([[4.0]])
    >>> centered = MeanSubtraction().fit(train)
    >>> centered.transform(train).ravel(), centered.transform(test).ravel()
    (array([-1.,  1.]), array([2.]))

    axis: the axes that count examples; the statistics are over them. 0 by default, so that each entry of an example is
        a feature; (0, 1) for sequences `(n, time, features)`, whose features are alike at all times.

    Statistics are kept in float64. Results have the dtype of floating point data, and float32 for integers.

    Errors: ValueError for no data, nan or inf, another shape than that of the training set, or a transform before fit.
    """

    def __init__(self, *, axis: int | tuple[int, ...] = 0) -> None:
        if np.min(axis) < 0:
            raise ValueError(f"{type(self).__name__}(axis): axes count from the first, 0, not {axis!r}")
        self.axis = axis
        self._shape: tuple[int, ...] | None = None

    def fit(self, training: npt.ArrayLike) -> Self:
        """Estimate the statistics from the training set; a second call forgets the first. Returns itself."""
        data = self._checked(training, "fit").astype(np.float64)
        self._fit(data)
        self._shape = self._features(data)
        return self

    def transform(self, data: npt.ArrayLike) -> Array:
        """The data transformed by the statistics of the training set; the data themselves change none."""
        return self._apply(self._forward, data, "transform")

    def inverse(self, data: npt.ArrayLike) -> Array:
        """The data that `transform` would have given these: forecasts in the units of the series."""
        return self._apply(self._backward, data, "inverse")

    @abstractmethod
    def _fit(self, data: Array) -> None: ...

    @abstractmethod
    def _forward(self, data: Array) -> Array: ...

    @abstractmethod
    def _backward(self, data: Array) -> Array: ...

    def _apply(self, f: Callable[[Array], Array], data: npt.ArrayLike, method: str) -> Array:
        if self._shape is None:
            raise ValueError(f"{type(self).__name__}.{method} before fit: call fit(training_inputs) first")
        given = self._checked(data, method)
        if self._features(given) != self._shape:
            raise ValueError(
                f"{type(self).__name__}.{method}: expected examples with features {self._shape}, as in the training "
                f"set, found data {given.shape}"
            )
        result: Array = f(given.astype(np.float64))
        return result.astype(given.dtype if given.dtype.kind == "f" else np.float32)

    def _features(self, data: Array) -> tuple[int, ...]:
        """The shape of a statistic."""
        return tuple(np.delete(data.shape, self.axis).tolist())

    def _checked(self, data: npt.ArrayLike, method: str) -> Array:
        where = f"{type(self).__name__}.{method}"
        if np.asarray(data).dtype.kind not in "biufV":
            raise TypeError(f"{where}: expected real numbers, found {np.asarray(data).dtype}")
        given = array_of(where, data)
        if given.size == 0:
            raise ValueError(f"{where}: expected at least one example, found an array of shape {given.shape}")
        if given.ndim <= np.max(self.axis):
            raise ValueError(f"{where}: axis={self.axis} does not fit data of shape {given.shape}")
        finite = np.isfinite(given)
        if not finite.all():
            first = tuple(int(i) for i in np.argwhere(~finite)[0])
            raise ValueError(f"{where}: {given[first]} at index {first}; fill or drop what is missing first")
        return given


class MeanSubtraction(Transform):
    """x' = x − μ, with μ the mean of the training set: its features then have mean 0, those of other sets nearly."""

    def _fit(self, data: Array) -> None:
        unit = binade(data, self.axis)  # so that neither sums nor squares overflow
        self.mean: Array = unit * (data / unit).mean(axis=self.axis, keepdims=True)

    def _forward(self, data: Array) -> Array:
        return data - self.mean

    def _backward(self, data: Array) -> Array:
        return data + self.mean


class Normalization(MeanSubtraction):
    """x' = (x − μ) / σ, with μ and σ the mean and the standard deviation (over N) of the training set.

    A feature that is constant in the training set has σ = 0 and is only centered (divided by 1).
    """

    def _fit(self, data: Array) -> None:
        super()._fit(data)
        # Rounding can leave a constant feature a tiny σ; that its extremes are equal is exact.
        constant = data.min(axis=self.axis, keepdims=True) == data.max(axis=self.axis, keepdims=True)
        centered = data - self.mean
        unit = binade(centered, self.axis)
        variance = np.square(centered / unit).mean(axis=self.axis, keepdims=True)
        self.std: Array = np.where(constant, 1.0, unit * np.sqrt(variance))

    def _forward(self, data: Array) -> Array:
        return super()._forward(data) / self.std

    def _backward(self, data: Array) -> Array:
        return super()._backward(data * self.std)


class Whitening(MeanSubtraction):
    """Z = X'V / (S/√N), with X' = U S V' the training set `(n, features)` without its mean: Z'Z/N = I.

    The columns of V are the principal directions, S/√N the standard deviations along them. A deviation below `eps`
    times the largest is replaced by that bound: along directions in which the training set does not vary (singular
    values of 0) its Z is then 0, up to rounding, instead of noise blown up.

    Source: A. Bell and T. Sejnowski, The "independent components" of natural scenes are edge filters, Vision Research
    37, 1997 (PCA whitening).
    """

    def __init__(self, *, eps: float = 1e-6) -> None:
        if not 0 < eps < 1:
            raise ValueError(f"Whitening(eps): expected a number between 0 and 1, found {eps!r}")
        super().__init__()
        self.eps = eps

    def _fit(self, data: Array) -> None:
        super()._fit(data)
        n, n_features = data.shape
        # The full V' only where there are fewer examples than features: the full U would be n x n.
        _, S, Vt = np.linalg.svd(data - self.mean, full_matrices=n < n_features)
        deviations = np.zeros(n_features)
        deviations[: len(S)] = S / math.sqrt(n)
        largest = deviations[0] or 1.0  # all examples are equal
        self.directions: Array = Vt.T
        self.deviations: Array = np.maximum(deviations, self.eps * largest)

    def _forward(self, data: Array) -> Array:
        return super()._forward(data) @ self.directions / self.deviations

    def _backward(self, data: Array) -> Array:
        return super()._backward(data * self.deviations @ self.directions.T)

    def _checked(self, data: npt.ArrayLike, method: str) -> Array:
        given = super()._checked(data, method)
        if given.ndim != 2:
            raise ValueError(
                f"Whitening.{method}: expected data (n, features), found {given.shape}; flatten the examples first"
            )
        return given


def one_hot(class_indices: npt.ArrayLike, n_classes: int, *, dtype: npt.DTypeLike = np.float32) -> Array:
    """e(y): 1 at the class, 0 elsewhere; indices of any shape give `(..., n_classes)`. Classes count from 0.

    >>> from minigrad.models.preprocessing import one_hot
    >>> one_hot(2, 4)
    array([0., 0., 1., 0.], dtype=float32)
    """
    indices = np.asarray(class_indices)
    n_classes = count("one_hot", "n_classes", n_classes)
    if indices.dtype.kind not in "iu":
        raise TypeError(f"one_hot: expected integer class indices, found {indices.dtype}")
    check_bytes("one_hot", indices.size * n_classes * np.dtype(dtype).itemsize, n_classes=n_classes)
    wrong = (indices < 0) | (indices >= n_classes)
    if wrong.any():
        raise ValueError(f"one_hot: expected classes 0 to {n_classes - 1}, found {indices[wrong][0]}")
    result = np.zeros((*indices.shape, n_classes), known_dtype("one_hot", dtype))
    np.put_along_axis(result, indices[..., np.newaxis].astype(np.int64), 1, axis=-1)
    return result


def class_indices(one_hot_targets: npt.ArrayLike) -> Array:
    """Invert `one_hot`: int64 `(...)` from `(..., n_classes)`, each row 0 but for a single 1."""
    targets = np.asarray(one_hot_targets)
    if targets.ndim == 0 or ((targets != 0) & (targets != 1)).any() or (targets.sum(axis=-1) != 1).any():
        raise ValueError(
            f"class_indices: expected one 1 in each row (..., n_classes) and 0 elsewhere, found an array {targets.shape} "
            "without; for probabilities take argmax(axis=-1)"
        )
    indices: Array = targets.argmax(axis=-1)
    return indices


def word_windows(words: Sequence[Any] | Array, size: int = 5, *, padding: Any = None) -> Array:
    """Cut a sentence into all windows of `size` successive words: `(n_words − size + 1, size)`; the center is at `size // 2`.

    words: strings or indices. With `padding`, a word that stands before the first and after the last, every word is a
    center once: `(n_words, size)`.

    >>> from minigrad.models.preprocessing import word_windows
    >>> word_windows("Museums in Paris are amazing".split())[0, 2]
    np.str_('Paris')
    """
    size = count("word_windows", "size", size)
    if size % 2 == 0:
        raise ValueError(f"word_windows: size={size} has no center word; take an odd number of words")
    sentence = np.asarray(words)
    if sentence.ndim != 1:
        raise ValueError(f"word_windows: expected one sentence (n_words,), found an array {sentence.shape}")
    check_bytes("word_windows", len(sentence) * size * sentence.itemsize, size=size)
    if padding is not None:
        edge = np.full(size // 2, padding)
        sentence = np.concatenate([edge, sentence, edge])
    if len(sentence) < size:
        raise ValueError(
            f"word_windows: {len(sentence)} words fill no window of {size}; pass padding= to have one around each word"
        )
    return np.lib.stride_tricks.sliding_window_view(sentence, size).copy()


def window_pairs(windows: Array, is_true: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Pair each window whose center is looked for with one of the other windows, drawn at random: (true, corrupt).

    "Museums in Paris are amazing" (Paris is a name) against "Not all museums in Paris" (museums is none).
    """
    _check_generator("window_pairs", rng)
    chosen = np.asarray(is_true)
    if chosen.dtype != bool or chosen.shape != windows.shape[:1] or chosen.all():
        raise ValueError(
            f"window_pairs: expected a boolean for each of {len(windows)} windows, False for some, found "
            f"{chosen.dtype} {chosen.shape}{' without False' if chosen.all() else ''}"
        )
    true, others = windows[chosen], windows[~chosen]
    return true, others[rng.integers(0, len(others), len(true))]


def corrupt_windows(windows: npt.ArrayLike, vocabulary: npt.ArrayLike, rng: np.random.Generator) -> Array:
    """Replace the word at the center of each window by another one, drawn uniformly from the rest of the vocabulary.

    A score learns to be higher for the true window than for its corrupt twin (`losses.max_margin_ranking`).

    Source: R. Collobert and J. Weston, A unified architecture for natural language processing, ICML 2008.
    """
    _check_generator("corrupt_windows", rng)
    true, words = np.asarray(windows), np.unique(np.asarray(vocabulary))
    if true.ndim != 2 or true.shape[1] % 2 == 0:
        raise ValueError(f"corrupt_windows: expected windows (n, odd size), found an array {true.shape}")
    if len(words) < 2:
        raise ValueError(f"corrupt_windows: expected a vocabulary of at least 2 different words, found {len(words)}")
    corrupt = true.astype(np.result_type(true, words))
    center = true.shape[1] // 2
    # Draw among one word less, and step over the true one.
    position = np.searchsorted(words, true[:, center])
    known = words[np.minimum(position, len(words) - 1)] == true[:, center]
    drawn = rng.integers(0, len(words) - known)
    corrupt[:, center] = words[drawn + (known & (drawn >= position))]
    return corrupt


def time_windows(series: npt.ArrayLike, length: int, *, horizon: int = 1, stride: int = 1) -> Split:
    """Cut a series into windows, and take what follows each as its target: inputs `(n, length, features)`, targets `(n, features)`.

    series `(time,)` or `(time, features)`. Window i covers the times i·stride … i·stride + length − 1, its target lies
    `horizon` steps behind its last one. Cut the series into training and test parts first, else a window would reach
    into both.

    >>> import numpy as np
    >>> from minigrad.models.preprocessing import time_windows
    >>> inputs, targets = time_windows(np.arange(5.0), 3)
    >>> inputs[..., 0], targets
    (array([[0., 1., 2.],
           [1., 2., 3.]]), array([[3.],
           [4.]]))
    """
    values = array_of("time_windows", series)
    if values.ndim == 1:
        values = values[:, np.newaxis]
    if values.ndim != 2:
        raise ValueError(f"time_windows: expected a series (time,) or (time, features), found an array {values.shape}")
    length, horizon, stride = (
        count("time_windows", name, given)
        for name, given in (("length", length), ("horizon", horizon), ("stride", stride))
    )
    if len(values) < length + horizon:
        raise ValueError(
            f"time_windows(length={length}, horizon={horizon}): a series of {len(values)} values holds no window of {length} with "
            f"a target {horizon} behind"
        )
    inputs = np.lib.stride_tricks.sliding_window_view(values[:-horizon], length, axis=0)[::stride]
    return Split(inputs.swapaxes(1, 2).copy(), values[length + horizon - 1 :: stride].copy())


def flatten(images: npt.ArrayLike) -> Array:
    """Make each example one row of features, in C order: `(n, 28, 28)` -> `(n, 784)`."""
    given = array_of("flatten", images)
    if given.ndim < 2:
        raise ValueError(f"flatten: expected examples (n, ...), found an array {given.shape}")
    return given.reshape(len(given), math.prod(given.shape[1:]))


def random_shifts(images: Array, rng: np.random.Generator, *, pixels: int, fill: float = 0.0) -> Array:
    """Move each image `(n, height, width, ...)` down and to the right by −pixels … pixels, drawn uniformly.

    What leaves the frame is lost and what enters it is `fill`: nothing comes back at the other side.
    """
    _check_generator("random_shifts", rng)
    known_dtype("random_shifts", images.dtype)
    if images.ndim < 3 or not 0 <= pixels < min(images.shape[1:3]):
        raise ValueError(
            f"random_shifts: expected images (n, height, width, ...) larger than pixels={pixels}, found {images.shape}"
        )
    n, height, width = images.shape[:3]
    margin = [(0, 0), (pixels, pixels), (pixels, pixels), *[(0, 0)] * (images.ndim - 3)]
    framed = np.pad(images, margin, constant_values=fill)
    top, left = rng.integers(0, 2 * pixels + 1, (2, n))
    rows = (top[:, np.newaxis] + np.arange(height))[:, :, np.newaxis]
    columns = (left[:, np.newaxis] + np.arange(width))[:, np.newaxis, :]
    shifted: Array = framed[np.arange(n)[:, np.newaxis, np.newaxis], rows, columns]
    return shifted


def add_noise(inputs: Array, rng: np.random.Generator, *, std: float) -> Array:
    """Add independent draws from N(0, std²) to the inputs, in their dtype."""
    _check_generator("add_noise", rng)
    if not 0 <= std < math.inf:
        raise ValueError(f"add_noise(std): the standard deviation is a number of at least 0, not {std!r}")
    if known_dtype("add_noise", inputs.dtype).kind != "f":
        raise TypeError(f"add_noise: expected floating point inputs, found {inputs.dtype}; scale them first")
    noise: Array = rng.normal(0.0, std, inputs.shape).astype(inputs.dtype)
    return inputs + noise


def augment(
    inputs: Array, targets: Array, *augmentations: Augmentation, copies: int = 1, rng: np.random.Generator
) -> Split:
    """Enlarge training data: give the examples themselves, then `copies` changed versions of all, each with its own target.

    An augmentation is a function (inputs, rng) -> inputs of the same shape; several act one after the other:
    `augment(x, y, partial(random_shifts, pixels=2), partial(add_noise, std=0.1), copies=3, rng=rng)`.
    """
    _check_generator("augment", rng)
    _check_pair("augment", inputs, targets)
    copies = count("augment", "copies", copies, least=0)
    if not augmentations:
        raise ValueError("augment: expected an augmentation, a function (inputs, rng) -> inputs")
    check_bytes("augment", (copies + 1) * (inputs.nbytes + targets.nbytes), copies=copies)
    parts = [inputs]
    for _ in range(copies):
        changed = inputs.copy()  # an augmentation may write into what it is given
        for f in augmentations:
            changed = f(changed, rng)
            if changed.shape != inputs.shape:
                raise ValueError(f"augment: {f!r} made {changed.shape} of inputs {inputs.shape}")
        parts.append(changed)
    return Split(np.concatenate(parts), np.concatenate([targets] * (copies + 1)))


def train_validation_test(
    inputs: Array,
    targets: Array,
    *,
    rng: np.random.Generator,
    validation: float = 0.2,
    test: float = 0.2,
    stratified: bool = False,
    groups: npt.ArrayLike | None = None,
) -> tuple[Split, Split, Split]:
    """Split the examples into three sets at random; `validation` and `test` are the fractions of two of them.

    stratified: draw within each class (targets are class indices), so that every set has its share of each. Sizes are
    rounded to the nearest whole example, within each class if stratified.

    groups: (n,) numbers or words that say which examples belong together (those of a speaker, of a document): all of a group
    lie in one set. Sizes are as near to the fractions as the groups, in their random order, allow.
    """
    _check_generator("train_validation_test", rng)
    _check_pair("train_validation_test", inputs, targets)
    if not (min(validation, test) >= 0 and validation + test < 1):
        raise ValueError(
            f"train_validation_test: expected fractions of at least 0 that leave some to train, found "
            f"validation={validation} and test={test}"
        )
    if groups is not None:
        rows = _whole_groups(len(inputs), groups, stratified, validation, test, rng)
    else:
        rows = _single_examples(targets, stratified, validation, test, rng)
    # Shuffled again, so that classes and groups do not come one after the other.
    train, middle, last = (rng.permutation(part) for part in rows)
    return (
        Split(inputs[train], targets[train]),
        Split(inputs[middle], targets[middle]),
        Split(inputs[last], targets[last]),
    )


def _single_examples(
    targets: Array, stratified: bool, validation: float, test: float, rng: np.random.Generator
) -> list[Array]:
    """The examples of the three sets, drawn among all, or within each class."""
    if stratified and (targets.ndim != 1 or targets.dtype.kind not in "iu"):
        raise ValueError(
            f"train_validation_test: stratified=True takes class indices (n,), found {targets.dtype} {targets.shape}"
        )
    classes = [np.flatnonzero(targets == c) for c in np.unique(targets)] if stratified else [np.arange(len(targets))]
    sets: tuple[list[Array], ...] = ([], [], [])
    for members in classes:
        shuffled = rng.permutation(members)
        n_test, n_validation = round(test * len(members)), round(validation * len(members))
        if n_test + n_validation >= len(members):
            raise ValueError(
                f"train_validation_test: validation={validation} and test={test} leave none of {len(members)} examples"
                f"{' of a class' if stratified else ''} to train: lower the fractions"
            )
        bounds = [len(members) - n_test - n_validation, len(members) - n_test]
        for part, rows in zip(sets, np.split(shuffled, bounds), strict=True):
            part.append(rows)
    return [np.concatenate(part) for part in sets]


def _whole_groups(
    n: int, groups: npt.ArrayLike, stratified: bool, validation: float, test: float, rng: np.random.Generator
) -> list[Array]:
    """The examples of the three sets, none of which has a part of a group."""
    labels = np.asarray(groups)
    if stratified:
        raise ValueError(
            "train_validation_test: stratified=True and groups exclude each other: a group lies in one set"
        )
    if labels.shape != (n,):
        raise ValueError(
            f"train_validation_test: expected groups of shape ({n},), one for each example, found {labels.shape}"
        )
    _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    order = rng.permutation(len(sizes))
    so_far = np.concatenate([[0], sizes[order].cumsum()])
    cuts = [int(np.abs(so_far - fraction * n).argmin()) for fraction in (test, test + validation)]
    sets = [order[cuts[1] :], order[cuts[0] : cuts[1]], order[: cuts[0]]]
    for name, fraction, part in zip(("train", "validation", "test"), (1, validation, test), sets, strict=True):
        if fraction and not len(part):
            raise ValueError(
                f"train_validation_test: {len(sizes)} groups leave none for {name}, with validation={validation} and "
                f"test={test}: take more groups or other fractions"
            )
    return [np.flatnonzero(np.isin(codes, part)) for part in sets]


def _check_pair(function: str, inputs: Array, targets: Array) -> None:
    if len(inputs) != len(targets) or len(inputs) == 0:
        raise ValueError(
            f"{function}: expected inputs and targets of the same number of examples, at least one, found "
            f"{inputs.shape} and {targets.shape}"
        )
    for array in (inputs, targets):
        if array.dtype.kind == "f":  # others may be words
            known_dtype(function, array.dtype)


def _check_generator(function: str, rng: np.random.Generator) -> None:
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"{function}: rng must be a numpy.random.Generator, as numpy.random.default_rng(0), not {rng!r}"
        )
