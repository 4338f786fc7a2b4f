"""Metrics: numbers that say how good outputs are, computed outside the graph: nothing is trained by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minigrad.models.inputs import array_of, check_indices, index_advice
from minigrad.node import Node

if TYPE_CHECKING:
    from minigrad.node import Array
    from minigrad.operators import Operand


def accuracy(outputs: Operand, class_indices: Operand, *, mask: Operand | None = None) -> float:
    """The fraction of examples whose largest output is that of their class (a tie goes to the first). A row with nan is wrong.

    outputs (batch, n_classes), logits or probabilities; class_indices (batch,). Arrays or nodes, with any number of axes
    between, as time. mask (batch,) holds booleans: only the examples, or time steps, where it is True count.

    Errors: IndexError for a class that there is no output of, among the examples that count.
    """
    return float(np.mean(_right("accuracy", outputs, class_indices, mask)))


def classification_error(outputs: Operand, class_indices: Operand, *, mask: Operand | None = None) -> float:
    """The mean of 1[argmax f ≠ y], which is 1 − accuracy; arguments as there.

    It is piecewise constant and so cannot be trained: the loss is a surrogate. −log2 f_y, the cross-entropy divided by
    ln 2, is never below it, since a wrong example has f_y ≤ 1/2; the natural logarithm can be (0.69 against 1).
    """
    return float(np.mean(~_right("classification_error", outputs, class_indices, mask)))


def _right(metric: str, outputs: Operand, class_indices: Operand, mask: Operand | None) -> Array:
    """Whether each example that counts is classified rightly."""
    given, indices = _array(metric, outputs), _array(metric, class_indices)
    if given.ndim < 2 or given.shape[:-1] != indices.shape or 0 in given.shape or given.shape[-1] == 1:
        advice = index_advice(indices, given.shape)
        if given.size == indices.size > 0 and (given.ndim < 2 or given.shape[-1] == 1):
            advice = (
                f": of one logit z per example (of a probability, z = p - 0.5) and targets y of 0 and 1 write {metric}(np.stack(["
                "np.zeros(z.size), z.ravel()], axis=-1), y.ravel().astype(int))"
            )
        raise ValueError(
            f"{metric}: expected outputs (batch, n_classes) of two classes or more, and class indices (batch,), neither empty, "
            f"found shapes {given.shape} and {indices.shape}{advice}"
        )
    if indices.dtype.kind not in "iu":
        advice = index_advice(indices, given.shape)
        raise TypeError(f"{metric}: expected integer class indices, found {indices.dtype}{advice}")
    counts = np.ones(indices.shape, bool) if mask is None else _array(metric, mask)
    if counts.dtype.kind != "b" or counts.shape != indices.shape or not counts.any():
        raise ValueError(
            f"{metric}: expected a mask of booleans of shape {indices.shape}, not all False, found {counts.dtype} of shape "
            f"{counts.shape} with {np.count_nonzero(counts)} that count"
        )
    given, indices = given[counts], indices[counts]
    check_indices(indices, given.shape[-1], "outputs per example")
    right: Array = (given.argmax(axis=-1) == indices) & ~np.isnan(given).any(axis=-1)
    return right


def _array(metric: str, given: Operand) -> Array:
    return given.value if isinstance(given, Node) else array_of(metric, given)
