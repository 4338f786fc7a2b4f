"""Define what programs call besides NumPy's functions: where, cast, copy, reshape and scatter with `out=`."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from minigrad.ops.arithmetic import chosen
from minigrad.ops.special import gamma_derivative, log_beta, log_gamma
from minigrad.ops.windows import convolution_by_channel, folded, transposed_convolution, windows_of

CACHE_LINE = 64  # bytes: no load or store of a vector register crosses two lines of the cache
LEAST_ALIGNED = 1 << 14  # bytes of an array that is worth it


def aligned(shape: tuple[int, ...], dtype: Any) -> Any:
    """np.empty, where the array is large in memory that begins with a line of the cache."""
    n_bytes = prod(shape) * np.dtype(dtype).itemsize
    if n_bytes < LEAST_ALIGNED:
        return np.empty(shape, dtype)
    memory = np.empty(n_bytes + CACHE_LINE, np.uint8)
    start = -memory.__array_interface__["data"][0] % CACHE_LINE
    return memory[start : start + n_bytes].view(dtype).reshape(shape)


def where(condition: Any, a: Any, b: Any, out: Any = None) -> Any:
    """np.where, into memory that may be that of a or b."""
    return chosen(condition, a, b, out)


def cast(x: Any, dtype: Any, out: Any = None) -> Any:
    """x in another dtype."""
    if out is None:
        return x.astype(dtype)
    np.copyto(out, x, casting="unsafe")
    return out


def copied(x: Any, out: Any = None) -> Any:
    """x in other memory."""
    if out is None:
        return x.copy()
    np.copyto(out, x)
    return out


def reshaped(x: Any, shape: tuple[int, ...], out: Any = None) -> Any:
    """x in another shape, where that needs other memory.

    Short rows of many are copied as one entry each: NumPy takes more time to begin a row than to copy it.
    """
    if out is None:
        return x.reshape(shape)
    to = out.reshape(x.shape)
    if x.size > 4096 and 1 < x.shape[-1] <= 32 and x.strides[-1] == x.itemsize:
        row = f"V{x.shape[-1] * x.itemsize}"
        np.copyto(to.view(row), x.view(row))
    else:
        np.copyto(to, x)
    return out


def placed(x: Any, index: tuple[Any, ...], shape: tuple[int, ...], out: Any = None) -> Any:
    """0 but for the entries the index names, each once, which are x."""
    if out is None:
        out = np.empty(shape, x.dtype)
    out.fill(0)
    out[index] = x
    return out


HELPERS = {
    "where": where,
    "astype": cast,
    "copied": copied,
    "reshaped": reshaped,
    "placed": placed,
    **{
        function.__name__: function
        for function in (
            windows_of,
            folded,
            convolution_by_channel,
            transposed_convolution,
            log_gamma,
            gamma_derivative,
            log_beta,
        )
    },
}
