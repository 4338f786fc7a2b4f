"""Metrics: numbers that say how good outputs are, computed outside the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minigrad.node import Node

if TYPE_CHECKING:
    from minigrad.node import Array
    from minigrad.operators import Operand


def accuracy(outputs: Operand, class_indices: Operand) -> float:
    """The fraction of examples whose largest output is that of their class (a tie goes to the first).

    outputs (batch, n_classes), logits or probabilities; class_indices (batch,). Arrays or nodes.
    """
    given, indices = _array(outputs), _array(class_indices)
    if given.ndim < 2 or given.shape[:-1] != indices.shape or 0 in given.shape:
        raise ValueError(
            "accuracy: expected outputs (batch, n_classes) and class indices (batch,), neither empty, found shapes "
            f"{given.shape} and {indices.shape}"
        )
    if indices.dtype.kind not in "iu":
        raise TypeError(f"accuracy: expected integer class indices, found {indices.dtype}")
    return float(np.mean(given.argmax(axis=-1) == indices))


def _array(given: Operand) -> Array:
    return given.value if isinstance(given, Node) else np.asarray(given)
