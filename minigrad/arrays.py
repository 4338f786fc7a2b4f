"""What a user hands in where an array is wanted: lists, numbers, arrays of other kinds."""

from __future__ import annotations

from mmap import mmap
from typing import Any

import numpy as np

from minigrad.errors import no_node, unfit
from minigrad.node import DTYPES, Array, Node

WRITEABLE = 0x400  # the bit of flags.num: asked by name, an array of np.broadcast_arrays warns


def converted(value: Any, wanted_by: str) -> Array:
    """The value as an array that a node can hold, in the machine's byte order, or an error that says what came instead."""
    if isinstance(value, Node):
        raise TypeError(f"{wanted_by} takes an array, not a node: write x.value to leave the graph on purpose")
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{wanted_by} takes no masked array, whose mask would be lost: write np.where(mask, instead, a.data)"
        )
    try:
        array = np.asarray(value)
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        raise ValueError(
            f"{wanted_by} takes an array, and the lists given have an inhomogeneous shape: rows of several lengths. Pad the "
            "shorter rows and mask what was added, or make a node of each row"
        ) from None
    if array.dtype not in DTYPES:
        if callable(value):
            raise no_node(f"{wanted_by} takes real numbers or booleans", value, "")
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype not in DTYPES:
        raise unfit(wanted_by, array.dtype, type(value).__name__)
    return array


def is_nobodys(array: Array) -> bool:
    """Whether nobody can write into the array: it and all arrays it is a view of are read-only, and so is what they lie in."""
    base: Any = array
    while isinstance(base, np.ndarray):
        if base.flags.num & WRITEABLE:
            return False
        base = base.base
    if isinstance(base, memoryview):
        return base.readonly and isinstance(base.obj, bytes)
    return base is None or isinstance(base, bytes) or (isinstance(base, mmap) and memoryview(base).readonly)
