"""Generated data: sequences with long memories, and shapes in the plane; new examples at every call.

Each function draws from the generator it is given and returns a `Split`: `inputs, targets = adding(20, 50, rng)`. The
sequences are `(n, time, features)`, symbols one-hot.

* `temporal_order`, `temporal_order_3bit`: in which order did two (three) symbols come?
* `adding`, `multiplication`: the mean, or the product, of two marked numbers.
* `copying`: ten symbols, repeated after a long pause.
* `random_permutation`: the last symbol is the first one.
* `fraction_wrong`: the score papers report on these.
* `delayed`: noise after sequences of one's own, so that their beginning must be remembered.
* `two_moons`, `spirals`: points `(n, 2)` of classes that no straight line parts.
"""

import math
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from minigrad.models.data.preprocessing import Split, one_hot
from minigrad.models.inputs import check_bytes, count, float_dtype, shown

ADDING_TOLERANCE = 0.04
"""An answer to `adding` or `multiplication` is wrong when it is further than this from the target (Hochreiter and Schmidhuber, 1997)."""

LARGEST_NUMBER = 1e30  # times which a draw still has a float32

SOLVED = 0.01
"""A generated task counts as solved when less than this fraction of fresh sequences is wrong (Pascanu et al., 2013)."""


def temporal_order(n: int, length: int, rng: np.random.Generator, *, dtype: DTypeLike = np.float32) -> Split:
    """`n` sequences in which two symbols far apart must be remembered: inputs `(n, length, 6)`, targets `(n,)`.

    Each time step shows one of six symbols, one-hot. Two of them matter, v0 and v1, each A (0) or B (1): the first at a
    position p0 in [L/10, 2L/10), the second at p1 in [5L/10, 6L/10), all uniform (tenths rounded down). Everywhere else
    stands c, d, e or f (2..5). The class is v0 + 2 v1: AA, BA, AB, BB. Chance is 75 % wrong, a cross-entropy of ln 4.

    Source: R. Pascanu, T. Mikolov and Y. Bengio, On the difficulty of training recurrent neural networks, ICML 2013, as
    their published generator draws it; the task is from S. Hochreiter and J. Schmidhuber, Long short-term memory, 1997.
    """
    return _order("temporal_order", n, length, rng, dtype, tenths=(1, 5))


def temporal_order_3bit(n: int, length: int, rng: np.random.Generator, *, dtype: DTypeLike = np.float32) -> Split:
    """`temporal_order` with three symbols to remember and 8 classes: inputs `(n, length, 6)`, targets `(n,)`.

    v0, v1 and v2, each A (0) or B (1), stand at positions in [L/10, 2L/10), [3L/10, 4L/10) and [6L/10, 7L/10); the class
    is v0 + 2 v1 + 4 v2. Chance is 87.5 % wrong, a cross-entropy of ln 8.

    Source: as `temporal_order`.
    """
    return _order("temporal_order_3bit", n, length, rng, dtype, tenths=(1, 3, 6))


def adding(n: int, length: int, rng: np.random.Generator, *, dtype: DTypeLike = np.float32) -> Split:
    """`n` sequences in which two marked numbers must be averaged: inputs `(n, length, 2)`, targets `(n, 1)`.

    Feature 0 is a number, uniform in [0, 1) (then rounded to `dtype`); feature 1 is its marker, 1 at two positions and
    0 elsewhere: p0 in [0, L/10) and p1 in [L/10, 5L/10), uniform (tenths rounded down). The target is the mean of the
    two marked numbers. Always answering 1/2 has the mean squared error 1/24 = 0.0417.

    Source: Pascanu, Mikolov and Bengio, ICML 2013 (positions; they draw the length too, here it is given). The mean is
    the target of Hochreiter and Schmidhuber, 1997, whose numbers span [-1, 1], so that their tolerance, 0.04, holds.
    Where the sum is the target (Arjovsky, Shah and Bengio, 2016), squared errors are 4 times as large.
    """
    inputs, marked = _marked_numbers("adding", n, length, rng, dtype)
    return Split(inputs, marked.mean(axis=0, dtype=np.float64).astype(inputs.dtype)[:, np.newaxis])


def multiplication(n: int, length: int, rng: np.random.Generator, *, dtype: DTypeLike = np.float32) -> Split:
    """`n` sequences in which two marked numbers must be multiplied: inputs `(n, length, 2)`, targets `(n, 1)`.

    The inputs are those of `adding`, the target is the product of the two marked numbers. Always answering 1/4 has the
    mean squared error 7/144 = 0.0486, and is right (within 0.04) in 11 % of sequences.

    Source: Hochreiter and Schmidhuber, 1997 (experiment 5), with the positions of Pascanu, Mikolov and Bengio, ICML 2013.
    """
    inputs, marked = _marked_numbers("multiplication", n, length, rng, dtype)
    return Split(inputs, marked.prod(axis=0, dtype=np.float64).astype(inputs.dtype)[:, np.newaxis])


def copying(
    n: int,
    delay: int,
    rng: np.random.Generator,
    *,
    n_symbols: int = 5,
    n_memorized: int = 10,
    dtype: DTypeLike = np.float32,
) -> Split:
    """`n` sequences to be memorized and repeated: inputs `(n, delay + 2M, S + 2)`, targets `(n, delay + 2M)`.

    The first M = n_memorized steps show symbols 0 … S−1 (S = n_symbols), uniform and independent; then come `delay`
    blanks (S), a cue (S + 1) and M − 1 blanks. The target is blank (class S of S + 1) until the cue; from the cue on,
    the M symbols in their order. Without memory the best cross-entropy is M ln S / (delay + 2M) per step.

    Source: Pascanu, Mikolov and Bengio, ICML 2013, as their published generator draws it ("memorization"); after the
    noiseless memorization of J. Martens and I. Sutskever, Learning recurrent neural networks with Hessian-free
    optimization, ICML 2011. M. Arjovsky, A. Shah and Y. Bengio (Unitary evolution recurrent neural networks, ICML 2016)
    take 8 symbols and show the cue one step before the answer starts.
    """
    dtype = float_dtype("copying", dtype)
    sizes = {
        "n": n,
        "delay": delay,
        "n_symbols": count("copying", "n_symbols", n_symbols, least=2),
        "n_memorized": n_memorized,
    }
    n, delay, n_symbols, n_memorized = _sizes("copying", rng, 0, **sizes)
    check_bytes("copying", n * (delay + 2 * n_memorized) * ((n_symbols + 2) * dtype.itemsize + 16), **sizes)
    memorized = rng.integers(0, n_symbols, (n, n_memorized))
    blanks = np.full((n, n_memorized + delay), n_symbols)
    cue = np.full((n, 1), n_symbols + 1)
    symbols = np.concatenate([memorized, blanks[:, :delay], cue, blanks[:, : n_memorized - 1]], axis=1)
    return Split(one_hot(symbols, n_symbols + 2, dtype=dtype), np.concatenate([blanks, memorized], axis=1))


def delayed(inputs: ArrayLike, length: int, rng: np.random.Generator, *, noise: float = 0.3) -> NDArray[Any]:
    """Sequences `(n, steps, features)` made `length` steps long by noise after their end: what was seen must be remembered.

    Every feature of the steps that are added is drawn from N(0, noise²), anew at every call; with noise = 0 they are blank,
    and no number is drawn. The first steps are the inputs, and their dtype is kept.

    Errors: ValueError where the sequences are longer than `length`.
    """
    given = np.asarray(inputs)
    if given.ndim != 3 or given.dtype.kind != "f":
        raise ValueError(f"delayed: expected floats of the shape (n, steps, features), found {shown(inputs)}")
    _check_noise("delayed", noise)
    steps = given.shape[1]
    n, length, features = _sizes(
        "delayed", rng, given.itemsize + 8, n=len(given), length=length, features=given.shape[2]
    )
    if length < steps:
        raise ValueError(f"delayed: the sequences have {steps} steps, so length={length} is too short for them")
    shape = (n, length - steps, features)
    delay = noise * rng.standard_normal(shape) if noise else np.zeros(shape)
    return np.concatenate([given, delay.astype(given.dtype)], axis=1)


def random_permutation(
    n: int, length: int, rng: np.random.Generator, *, n_symbols: int = 100, dtype: DTypeLike = np.float32
) -> Split:
    """`n` sequences whose next symbol is their first: inputs `(n, length, n_symbols)`, targets `(n,)`.

    The first symbol is 0 or 1; all others are drawn from 2 … n_symbols − 1 and mean nothing. The class is the first
    symbol. Guessing between 0 and 1 is 50 % wrong, a cross-entropy of ln 2.

    Source: Pascanu, Mikolov and Bengio, ICML 2013, as their published generator draws it; after Hochreiter and
    Schmidhuber, 1997 (task 2b).
    """
    dtype = float_dtype("random_permutation", dtype)
    length = count("random_permutation", "length", length, least=2)
    n_symbols = count("random_permutation", "n_symbols", n_symbols, least=3)
    n, length, n_symbols = _sizes(
        "random_permutation", rng, dtype.itemsize + 8, n=n, length=length, n_symbols=n_symbols
    )
    symbols = rng.integers(2, n_symbols, (n, length))
    symbols[:, 0] = rng.integers(0, 2, n)
    return Split(one_hot(symbols, n_symbols, dtype=dtype), symbols[:, 0].copy())


def fraction_wrong(outputs: NDArray[Any], targets: NDArray[Any]) -> float:
    """The fraction of sequences answered wrongly, in [0, 1]; a task is solved below `SOLVED`.

    For classes (integer targets `(n,)`, outputs `(n, classes)`) an answer is wrong when the largest output is not the
    target's, and where there is a target for each time step (targets `(n, time)`, outputs `(n, time, classes)`) when it
    is wrong at any of them; for numbers (targets and outputs `(n, 1)`) when it is more than `ADDING_TOLERANCE` away.
    nan is wrong.
    """
    return float(1 - answered_rightly(outputs, targets).mean())


def answered_rightly(outputs: NDArray[Any], targets: NDArray[Any]) -> NDArray[np.bool_]:
    """Which sequences are answered rightly, `(n,)`, as `fraction_wrong` counts."""
    classes = np.issubdtype(targets.dtype, np.integer)
    n_axes = targets.ndim + 1 if classes else 2
    fits = outputs.ndim == n_axes and (outputs.shape[:-1] if classes else outputs.shape) == targets.shape
    if not fits or targets.size == 0:
        wanted = (
            "(n, classes) for integer targets (n,), or with a time axis in both,"
            if classes
            else "(n, 1) as the targets"
        )
        raise ValueError(
            f"fraction_wrong: expected outputs {wanted} with n >= 1, "
            f"found outputs {outputs.shape} and targets {targets.shape}"
        )
    if classes:
        right = (outputs.argmax(axis=-1) == targets) & ~np.isnan(outputs).any(axis=-1)
    else:
        right = abs(outputs - targets) <= ADDING_TOLERANCE
    return right.reshape(len(right), -1).all(axis=1)  # type: ignore[no-any-return]


def two_moons(n: int, rng: np.random.Generator, *, noise: float = 0.1, dtype: DTypeLike = np.float32) -> Split:
    """`n` points `(n, 2)` on two half circles of radius 1 that reach into each other, and which one, 0 or 1 `(n,)`.

    With t uniform in [0, π): class 0 is at (cos t, sin t), class 1 at (1 − cos t, 1/2 − sin t), both with N(0, noise²)
    added. The classes alternate, so they are of one size where n is even.

    Source: scikit-learn's make_moons, for the places (F. Pedregosa et al., Scikit-learn, JMLR 12, 2011).
    """
    dtype = float_dtype("two_moons", dtype)
    (n,) = _sizes("two_moons", rng, 64, n=n)
    _check_noise("two_moons", noise)
    classes = np.arange(n) % 2
    t = rng.uniform(0.0, np.pi, n)
    points = np.where(classes == 0, [np.cos(t), np.sin(t)], [1 - np.cos(t), 0.5 - np.sin(t)]).T
    return Split((points + noise * rng.normal(size=(n, 2))).astype(dtype), classes)


def spirals(
    n: int,
    rng: np.random.Generator,
    *,
    n_classes: int = 2,
    turns: float = 1.0,
    noise: float = 0.02,
    dtype: DTypeLike = np.float32,
) -> Split:
    """`n` points `(n, 2)` on as many interlocked spirals as there are classes, and which one `(n,)`.

    With r uniform in [0, 1): class k is at the distance r and the angle 2π (turns · r + k / n_classes), with N(0, noise²)
    added to both coordinates. The classes take turns.

    Source: after the two spirals of K. Lang and M. Witbrock, Learning to tell two spirals apart, Proceedings of the 1988
    Connectionist Models Summer School.
    """
    dtype = float_dtype("spirals", dtype)
    (n,) = _sizes("spirals", rng, 64, n=n)
    _check_noise("spirals", noise)
    n_classes = count("spirals", "n_classes", n_classes, least=2)
    if not abs(turns) <= LARGEST_NUMBER:
        raise ValueError(f"spirals: turns, how often a spiral goes round, is a number, not {turns!r}")
    classes = np.arange(n) % n_classes
    r = rng.random(n)
    angle = 2 * np.pi * (turns * r + classes / n_classes)
    points = (r * np.stack([np.cos(angle), np.sin(angle)])).T
    return Split((points + noise * rng.normal(size=(n, 2))).astype(dtype), classes)


def _order(
    task: str, n: int, length: int, rng: np.random.Generator, dtype: DTypeLike, *, tenths: tuple[int, ...]
) -> Split:
    """Distractors 2..5 with one symbol, 0 or 1, at a random place of each of the tenths named; the class is its bits."""
    dtype = float_dtype(task, dtype)
    n, length = _sizes(task, rng, 6 * dtype.itemsize + 16, n=n, length=length)
    tenth = _tenth(task, length)
    starts = np.array([[k * length // 10] for k in tenths])
    symbols = rng.integers(2, 6, (n, length))
    positions = rng.integers(0, tenth, (len(tenths), n)) + starts
    relevant = rng.integers(0, 2, (len(tenths), n))
    symbols[np.arange(n), positions] = relevant
    return Split(one_hot(symbols, 6, dtype=dtype), 2 ** np.arange(len(tenths)) @ relevant)


def _marked_numbers(
    task: str, n: int, length: int, rng: np.random.Generator, dtype: DTypeLike
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Numbers in feature 0, of which feature 1 marks one in the first tenth and one in the next four; and those two, `(2, n)`."""
    dtype = float_dtype(task, dtype)
    n, length = _sizes(task, rng, 2 * dtype.itemsize + 8, n=n, length=length)
    tenth = _tenth(task, length)
    inputs = np.zeros((n, length, 2), dtype)
    inputs[..., 0] = rng.random((n, length))
    places = (np.arange(n), np.stack([rng.integers(0, tenth, n), rng.integers(tenth, 5 * tenth, n)]))
    inputs[..., 1][places] = 1
    return inputs, inputs[..., 0][places]


def _tenth(task: str, length: int) -> int:
    """A tenth of the length, rounded down."""
    if length < 10:
        raise ValueError(
            f"{task}: sequences of length {length} are too short, since positions are drawn from tenths of the length; "
            "take a length of at least 10"
        )
    return length // 10


def _sizes(task: str, rng: np.random.Generator, n_bytes: int, **sizes: SupportsIndex) -> tuple[int, ...]:
    """The sizes as Python's integers, once they and the generator are seen to be usable; n_bytes per entry of their product."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"{task}: rng must be a numpy.random.Generator, as numpy.random.default_rng(0), not {shown(rng)}"
        )
    whole = {name: count(task, name, size) for name, size in sizes.items()}
    check_bytes(task, n_bytes * math.prod(whole.values()), **whole)
    return tuple(whole.values())


def _check_noise(task: str, noise: float) -> None:
    if not 0 <= noise <= LARGEST_NUMBER:
        raise ValueError(f"{task}: noise is a standard deviation of at least 0 and at most 1e30, not {noise!r}")
