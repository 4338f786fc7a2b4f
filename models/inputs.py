"""What layers ask of what they are given: sizes that are integers, arrays of their own floating-point dtype.

An empty batch is no error to a layer (but to a BatchNorm in training), it gives an empty output; losses refuse it, since
there is nothing to take the mean of.
"""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from minigrad.node import Array, Input, Node, as_array

if TYPE_CHECKING:
    import numpy.typing as npt

    from minigrad.operators import Operand


def floats(layer: str, x: Operand, dtype: np.dtype[Any]) -> Node:
    """x as a node of the layer's dtype. Integers are refused: they may be class indices, or grey levels up to 255."""
    given = x if isinstance(x, Node) else array_of(layer, x)
    if given.dtype.kind != "f":
        raise TypeError(
            f"{layer}: the inputs hold {given.dtype}, expected floating-point numbers: write x.astype(np.{dtype}), grey "
            f"levels from 0 to 255 as x / np.{dtype}(255)"
        )
    return given.astype(dtype) if isinstance(given, Node) else Input(given.astype(dtype, copy=False), "x")


def array_of(owner: str, given: Any) -> Array:
    """What a user hands in, as a real array; where it cannot be one, an error that names who asked for it."""
    try:
        return as_array(given, owner)
    except ValueError as error:  # of NumPy, for lists whose rows differ in length
        raise ValueError(
            f"{owner}: expected an array, found nested lists of different lengths: pad them to one length, and say by a "
            "mask what is padding"
        ) from error


def float_dtype(layer: str, dtype: npt.DTypeLike) -> np.dtype[Any]:
    """The dtype of a layer's parameters."""
    found = np.dtype(dtype)
    if found.kind != "f":
        raise TypeError(f"{layer}(dtype={found}): parameters are floating-point numbers, np.float32 or np.float64")
    return found


def count(layer: str, name: str, given: SupportsIndex) -> int:
    """A number of features, channels or units."""
    if not hasattr(given, "__index__") or index(given) < 1:
        raise ValueError(f"{layer}({name}={given!r}): expected an integer of at least 1")
    return index(given)
