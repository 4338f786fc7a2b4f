"""Convolutions as their formulas say, window entry by window entry: slow, and plain to see.

The shape of what is computed says how many windows, and how large they are; stride, dilation and groups are attributes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minigrad.rules.phrases import Context


def windows(context: Context, x: Any) -> Any:
    """Y[n, i, j, u, v, c] = X[n, i s + u, j t + v, c]."""
    y = np.empty(context.shape)
    for u, v, seen in _places(context, y.shape[3:5], y.shape[1:3]):
        y[:, :, :, u, v] = x[seen]
    return y


def fold(context: Context, x: Any) -> Any:
    """Y[n, i s + u, j t + v, c] += X[n, i, j, u, v, c]."""
    y = np.zeros(context.shape)
    for u, v, seen in _places(context, x.shape[3:5], x.shape[1:3]):
        y[seen] += x[:, :, :, u, v]
    return y


def convolution(context: Context, x: Any, kernels: Any) -> Any:
    """Y[n, i, j, f] = Σ_uvc X[n, i s + u d, j t + v e, c] K[f, u, v, c]."""
    y = np.zeros(context.shape)
    for u, v, seen in _places(context, kernels.shape[1:3], y.shape[1:3]):
        y += np.einsum("nijgc,gfc->nijgf", _groups(context, x[seen]), _by_group(context, kernels[:, u, v])).reshape(
            y.shape
        )
    return y


def transposed_convolution(context: Context, y: Any, kernels: Any) -> Any:
    """X[n, i s + u d, j t + v e, c] += Σ_f Y[n, i, j, f] K[f, u, v, c]."""
    x = np.zeros(context.shape)
    for u, v, seen in _places(context, kernels.shape[1:3], y.shape[1:3]):
        sent = np.einsum("nijgf,gfc->nijgc", _groups(context, y), _by_group(context, kernels[:, u, v]))
        x[seen] += sent.reshape(x[seen].shape)
    return x


def kernel_correlation(context: Context, x: Any, y: Any) -> Any:
    """K[f, u, v, c] = Σ_nij Y[n, i, j, f] X[n, i s + u d, j t + v e, c]."""
    kernels = np.empty(context.shape)
    for u, v, seen in _places(context, kernels.shape[1:3], y.shape[1:3]):
        found = np.einsum("nijgf,nijgc->gfc", _groups(context, y), _groups(context, x[seen]))
        kernels[:, u, v] = found.reshape(kernels[:, u, v].shape)
    return kernels


def _places(context: Context, window: Sequence[int], count: Sequence[int]) -> Iterator[tuple[int, int, Any]]:
    """Each entry (u, v) of a window, and the index of where all windows have it."""
    strides, spread = context.attributes["stride"], context.attributes.get("dilation", (1, 1))
    for u in range(window[0]):
        for v in range(window[1]):
            starts = u * spread[0], v * spread[1]
            rows, columns = [
                slice(start, start + stride * (n - 1) + 1, stride)
                for start, stride, n in zip(starts, strides, count, strict=True)
            ]
            yield u, v, (slice(None), rows, columns)


def _groups(context: Context, x: Any) -> Any:
    """The channels in groups."""
    groups = context.attributes.get("groups", 1)
    return x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)


def _by_group(context: Context, kernels: Any) -> Any:
    """The filters in groups."""
    groups = context.attributes.get("groups", 1)
    return kernels.reshape(groups, len(kernels) // groups, -1)
