"""What layers ask of what they are given: sizes that are integers, arrays of their own floating-point dtype, indices in range.

An empty batch is no error to a layer (but to a BatchNorm in training), it gives an empty output; losses refuse it, since
there is nothing to take the mean of.
"""

from __future__ import annotations

from math import inf, log10, prod
from numbers import Real
from operator import index
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar

import numpy as np

from minigrad.node import Array, Input, Node, as_array, known_dtype
from minigrad.ops.arithmetic import PiecewiseConstant

if TYPE_CHECKING:
    import numpy.typing as npt

    from minigrad.models.initializers import Initializer
    from minigrad.operators import Operand

NumberOrNode = TypeVar("NumberOrNode", float, "float | Node")

LARGEST_BYTES = 16 << 30
"""What data sets, generators and layers may ask for at once, 16 GiB: more is taken for a slip."""
LARGEST_COUNT = 10**9
"""The largest number of features, units, examples or time steps."""


# Arrays --------------------------------------------------------------------------------------------------------------


def floats(layer: str, x: Operand, dtype: np.dtype[Any], name: str = "x") -> Node:
    """x as a node of the layer's dtype. Integers are refused: they may be class indices, or grey levels up to 255."""
    given = x if isinstance(x, Node) else array_of(layer, x)
    if given.dtype.kind != "f":
        raise TypeError(
            f"{layer}: the inputs hold {given.dtype}, expected floating-point numbers: write {name}.astype(np.{dtype}), "
            f"grey levels from 0 to 255 as {name} / np.{dtype}(255)"
        )
    return given.astype(dtype) if isinstance(given, Node) else Input(given.astype(dtype, copy=False), name)


def sequences(layer: str, u: Operand, n_inputs: int, dtype: np.dtype[Any]) -> Node:
    """Sequences u as a node (batch, time, n_inputs) of the layer's dtype."""
    node = floats(layer, u, dtype, "u")
    if node.ndim != 3 or node.shape[2] != n_inputs:
        raise ValueError(
            f"{layer}: expected inputs of shape (batch, time, {n_inputs}), found {node.label}: a single sequence is a "
            "batch of one, u[np.newaxis]"
        )
    if node.shape[1] == 0:
        raise ValueError(f"{layer}: {node.label} has no time steps, and there is no state to show")
    return node


def time_mask(layer: str, mask: Operand, shape: tuple[int, ...]) -> Node:
    """A mask as a node of booleans (batch, time), True where a time step counts."""
    node = mask if isinstance(mask, Node) else Input(array_of(f"{layer}(mask)", mask), "mask")
    if node.dtype.kind != "b":
        raise TypeError(
            f"{layer}: the mask holds {node.dtype}, expected booleans, True where a step counts: from the lengths of "
            "the sequences, np.arange(time) < lengths[:, np.newaxis]"
        )
    if node.shape != shape:
        raise ValueError(f"{layer}: expected a mask of shape (batch, time) = {shape}, found {node.label}")
    return node


def array_of(owner: str, given: Any) -> Array:
    """What a user hands in, as a real array; where it cannot be one, an error that names who asked for it."""
    try:
        return as_array(given, owner)
    except ValueError as error:  # of NumPy, for lists whose rows differ in length
        raise ValueError(
            f"{owner}: expected an array, found nested lists of different lengths: pad them to one length, and say by a "
            "mask what is padding"
        ) from error


class Indices(PiecewiseConstant):
    """y = x, integers;  no adjoint. Raises where one is not among 0..n − 1, in replays too: −1 would be the last.

    role: what the indices are of, for the error
    """

    __slots__ = ()
    n: int
    role: str

    def fprop(self, x: Any, *, n: int, role: str) -> Any:
        check_indices(x, n, role)
        return x


def index_advice(targets: Array | Node, outputs: tuple[int, ...]) -> str:
    """How targets y become integer class indices for outputs of that shape; "" where they are of quite another shape."""
    of_numbers = "" if targets.dtype.kind in "iu" else ".astype(int)"
    if targets.ndim > 1 and targets.shape == outputs and outputs[-1] > 1:
        return ": of one-hot rows y write y.argmax(axis=-1)"
    if targets.shape == outputs[:-1]:
        return f": write y{of_numbers}" if of_numbers else ""
    if targets.shape == (*outputs[:-1], 1):
        return f": write y[..., 0]{of_numbers}"
    return ""


# Of each dtype of integers the unsigned one, and how many of its numbers stand for what is not negative.
_UNSIGNED = {
    np.dtype(f"{kind}{size}"): (np.dtype(f"u{size}"), 1 << (8 * size - (kind == "i")))
    for size in (1, 2, 4, 8)
    for kind in "iu"
}


def check_indices(x: Array, n: int, role: str) -> None:
    """Raise IndexError unless all are among 0..n − 1."""
    unsigned, limit = _UNSIGNED.get(x.dtype, (None, 0))
    if unsigned is not None:  # one pass tells, since seen as unsigned negative numbers are the largest
        largest = int(np.maximum.reduce(x.view(unsigned), axis=None, initial=0))
        if largest < n and largest < limit:
            return
    wrong = x[(x < 0) | (x >= n)]
    if wrong.size:
        raise IndexError(
            f"{wrong.size} of {x.size} indices are not among 0..{n - 1}, the first is {wrong[0]}: there are {n} {role}"
        )


# What a constructor is given -------------------------------------------------------------------------------------------


def float_dtype(owner: str, dtype: npt.DTypeLike) -> np.dtype[Any]:
    """The dtype of a layer's parameters, or of data: float32 or float64."""
    found = known_dtype(owner, dtype)
    if found.kind != "f":
        raise TypeError(f"{owner}(dtype={found}): expected floating-point numbers, np.float32 or np.float64")
    return found


def started(
    layer: str,
    name: str,
    initializer: Initializer,
    shape: tuple[int, ...],
    rng: np.random.Generator,
    dtype: np.dtype[Any],
) -> Array:
    """What the initializer draws for the layer's parameter of that name: of the shape asked for, and in the dtype."""
    if not callable(initializer):
        raise TypeError(
            f"{layer}: the initializer of {name} is {initializer!r}, expected a function (shape, rng, dtype) -> array, such "
            "as initializers.glorot_uniform() or initializers.constant(0.5)"
        )
    if getattr(initializer, "__module__", "") == "minigrad.models.initializers" and hasattr(initializer, "__name__"):
        raise TypeError(
            f"{layer}: the initializer of {name} is the function {initializer.__name__} itself, which makes initializers: write "
            f"initializers.{initializer.__name__}({'...' if initializer.__name__ in ('constant', 'normal', 'uniform') else ''})"
        )
    check_bytes(f"{layer}: {name}", prod(shape) * dtype.itemsize, shape=shape)
    drawn = array_of(f"{layer}: the initializer of {name}", initializer(shape, rng, dtype))
    if drawn.shape != shape:
        raise ValueError(f"{layer}: the initializer of {name} gave an array of shape {drawn.shape}, expected {shape}")
    return drawn.astype(dtype, copy=False)


def not_negative(owner: str, name: str, given: NumberOrNode) -> NumberOrNode:
    """A finite number of at least 0, as Python's: one of NumPy's would bring its dtype along. A node of shape () as it is."""
    shape = given.shape if isinstance(given, Node) else np.shape(given)
    if shape != ():
        raise ValueError(f"{owner}({name}): expected one number, found an array or node of shape {shape}")
    if isinstance(given, Node):
        return given
    if not 0 <= number(owner, name, given[()] if isinstance(given, np.ndarray) else given) < inf:
        raise ValueError(f"{owner}({name}={given!r}): expected a finite number of at least 0")
    return float(given)


def above_zero(owner: str, name: str, given: float) -> float:
    """A finite number above 0, as Python's."""
    if not 0 < number(owner, name, given) < inf:
        raise ValueError(f"{owner}({name}={given!r}): expected a finite number above 0")
    return float(given)


def number(owner: str, name: str, given: float) -> float:
    """A number as Python's; a node is none, since it would leave the graph unseen."""
    if not isinstance(given, Real):
        raise TypeError(f"{owner}({name}={given!r}): expected a number, not {type(given).__name__}")
    return float(given)


def count(owner: str, name: str, given: SupportsIndex, least: int = 1) -> int:
    """A number of features, channels, units, examples or time steps."""
    if not hasattr(given, "__index__") or index(given) < least:
        raise ValueError(f"{owner}({name}={shown(given)}): expected an integer of at least {least}")
    if index(given) > LARGEST_COUNT:
        raise ValueError(f"{owner}({name}={shown(given)}): expected an integer of at most {LARGEST_COUNT:,}")
    return index(given)


def check_bytes(owner: str, n_bytes: int, **sizes: object) -> None:
    """Raise ValueError, which names the sizes, before arrays are made that would take more than LARGEST_BYTES."""
    if n_bytes > LARGEST_BYTES:
        named = ", ".join([f"{name}={shown(size)}" for name, size in sizes.items()])
        raise ValueError(
            f"{owner}({named}) would take about {shown(n_bytes >> 30)} GiB, and the limit is {LARGEST_BYTES >> 30} GiB: choose "
            "smaller sizes"
        )


def shown(given: object) -> str:
    """The value as it is written in Python, in one short line whatever it is."""
    if isinstance(given, int) and abs(given) >= 10**30:
        return f"{'-' if given < 0 else ''}10^{int(abs(given).bit_length() * log10(2))}"
    text = " ".join(repr(given).split())
    return text if len(text) <= 100 else f"{text[:97]}..."
