"""Clipping: gradients that became too long are shortened before the optimizer's step. Both forms act on `.grad`.

Where a penalty is trained with the loss, its gradient is part of `.grad`, so the clip comes after the penalty.
Source: R. Pascanu, T. Mikolov and Y. Bengio, On the difficulty of training recurrent neural networks, ICML 2013.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.lib.array_utils import byte_bounds

from minigrad.node import Array, Parameter, known_dtype
from minigrad.ops.reductions import binade
from minigrad.optim.optimizers.given import trainable


def clip_by_norm(parameters: Iterable[Parameter], max_norm: float) -> float:
    """g ← g · min(1, c/‖g‖), with ‖g‖ over the gradients of all parameters together; returns ‖g‖ as it was before.

    A gradient with a nan or an infinity has no direction to keep: FloatingPointError, and nothing is changed.
    """
    owners = _with_gradients(parameters, max_norm, "clip_by_norm(max_norm)")
    unit, length = _norm([gradient for _, gradient in owners])
    if not math.isfinite(length):
        _refuse_non_finite(owners)
    if unit * length > max_norm:
        for gradient in _writable(owners):
            if unit != 1:
                gradient /= unit
            gradient *= max_norm / length
    return unit * length


def clip_by_value(parameters: Iterable[Parameter], limit: float) -> None:
    """g ← max(−c, min(g, c)), entry by entry: the direction may change. An infinity becomes ±c; nan is refused."""
    owners = _with_gradients(parameters, limit, "clip_by_value(limit)")
    for parameter, gradient in owners:
        if np.isnan(gradient).any():
            _refuse_non_finite([(parameter, gradient)])
    for gradient in _writable(owners):
        np.clip(gradient, -limit, limit, out=gradient)


def _with_gradients(parameters: Iterable[Parameter], limit: float, asker: str) -> list[tuple[Parameter, Array]]:
    if not limit > 0:
        raise ValueError(f"{asker}: the limit is a positive number, not {limit!r}")
    found = trainable(parameters, asker)
    owners = [(parameter, parameter.grad) for parameter in found if parameter.grad is not None]
    for parameter, gradient in owners:
        known_dtype(f"the .grad of {parameter.label}", gradient.dtype)
    return owners


def _writable(owners: Sequence[tuple[Parameter, Array]]) -> list[Array]:
    """The gradients, in memory that can be written and is each one's own: what two share would be clipped twice."""
    gradients = [gradient for _, gradient in owners]
    held = [*gradients, *[parameter._value for parameter, _ in owners]]
    if all(gradient.flags.writeable for gradient in gradients) and not _overlap(held):
        return gradients
    copies = [gradient.copy() for gradient in gradients]
    for (parameter, _), copied in zip(owners, copies, strict=True):
        parameter.grad = copied
    return copies


def _overlap(arrays: Iterable[Array]) -> bool:
    """Whether two of them may lie in the same memory."""
    bounds = sorted(byte_bounds(array) for array in arrays if array.size)
    return any(end > start for (_, end), (start, _) in pairwise(bounds))


def _norm(gradients: Sequence[Array]) -> tuple[float, float]:
    """The Euclidean norm of all entries as a product; its first factor is a power of two, 1 unless squares get out of hand."""
    with np.errstate(over="ignore"):
        squares = sum(float(np.square(gradient, dtype=np.float64).sum()) for gradient in gradients)
    if not gradients or 1e-70 < squares < 1e70:
        return 1.0, math.sqrt(squares)
    unit = float(np.max([binade(gradient, None).item() for gradient in gradients]))
    return unit, math.sqrt(sum(float(np.square(gradient / unit, dtype=np.float64).sum()) for gradient in gradients))


def _refuse_non_finite(owners: Iterable[tuple[Parameter, Array]]) -> None:
    for parameter, gradient in owners:
        bad = ~np.isfinite(gradient)
        if bad.any():
            first = tuple(int(i) for i in np.argwhere(bad)[0])
            raise FloatingPointError(
                f"the gradient of {parameter.label} has {int(bad.sum())} entries that are nan or inf, the first at "
                f"{first}: rebuild the loss inside `with mg.anomalies():` to see which node they come from"
            )
