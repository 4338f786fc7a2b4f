"""Losses: functions of (outputs, targets) that give a scalar node, the mean over the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from minigrad.context import scope
from minigrad.node import Input, Node
from minigrad.ops import expand_dims, log_softmax, square, take_along_axis
from minigrad.ops.arithmetic import PiecewiseConstant

if TYPE_CHECKING:
    from minigrad.operators import Operand


def cross_entropy(logits: Node, class_indices: Operand) -> Node:
    """−ln f_y with f = softmax(a), the negative log-likelihood of the right class, averaged;  ā = (f − e(y)) / batch.

    logits:        a, (batch, n_classes), or with more leading axes (all averaged over). Not probabilities: the softmax
                   is inside, which keeps the loss finite whatever the logits
    class_indices: y, (batch,), integers from 0 to n_classes − 1: an array, or a node, checked in replays too

    >>> import minigrad as mg
    >>> from minigrad.models import losses
    >>> losses.cross_entropy(mg.Input([[1.0, 2.0, 3.0]]), [2])
    <Negative () float64 = 0.4076>
    """
    _check_outputs(logits, "cross_entropy", "logits")
    indices = _targets(class_indices)
    if logits.ndim < 2 or 0 in logits.shape:
        raise ValueError(
            f"cross_entropy: expected logits of shape (batch, n_classes), none of them 0, found {logits.label}"
        )
    if indices.dtype.kind not in "iu":
        raise TypeError(
            f"cross_entropy: expected integer class indices, found {indices.label} of dtype {indices.dtype}; indices of "
            "one-hot rows are rows.argmax(axis=1)"
        )
    if indices.shape != logits.shape[:-1]:
        raise ValueError(
            f"cross_entropy: expected class indices of shape {logits.shape[:-1]} for logits of shape {logits.shape}, found "
            f"{indices.shape}"
        )
    with scope("cross_entropy"):
        indices = ClassIndices(indices, n_classes=logits.shape[-1])
        return -take_along_axis(log_softmax(logits), expand_dims(indices, -1), axis=-1).mean()


def mean_squared_error(outputs: Node, targets: Operand, *, over_outputs: Literal["mean", "sum"] = "mean") -> Node:
    """The mean of e² over all elements, e = outputs − targets;  gradient 2 e / (number of elements).

    over_outputs="sum" sums over the outputs of an example, and averages over examples only: (1/m) Σ_i Σ_j e_ij²;
    gradient 2 e / m. Shapes must agree: (batch, 1) against (batch,) is refused, since NumPy would compare all with all.

    >>> import minigrad as mg
    >>> from minigrad.models import losses
    >>> outputs = mg.Input([[3.0, 4.0]])
    >>> float(losses.mean_squared_error(outputs, [[0, 0]]))
    12.5
    >>> float(losses.mean_squared_error(outputs, [[0, 0]], over_outputs="sum"))
    25.0
    """
    _check_outputs(outputs, "mean_squared_error", "outputs")
    if over_outputs not in ("mean", "sum"):
        raise ValueError(f'mean_squared_error(over_outputs={over_outputs!r}): "mean" or "sum"')
    wanted = _targets(targets)
    if wanted.dtype.kind == "b":
        raise TypeError(
            "mean_squared_error: expected targets that are numbers, found booleans: write targets.astype(float)"
        )
    if wanted.shape != outputs.shape:
        advice = f": write targets.reshape{outputs.shape}" if wanted.size == outputs.size else ""
        raise ValueError(f"mean_squared_error: expected targets of shape {outputs.shape}, found {wanted.shape}{advice}")
    if outputs.ndim == 0 or outputs.size == 0:
        raise ValueError(
            f"mean_squared_error: expected outputs (batch, n_outputs), none of them 0, found {outputs.label}"
        )
    with scope("mean_squared_error"):
        squares = square(outputs - wanted.astype(outputs.dtype))
        return squares.mean() if over_outputs == "mean" else squares.sum() / outputs.shape[0]


class ClassIndices(PiecewiseConstant):
    """y = x, integers; raises where one is not a class, in replays too. NumPy would take −1 for the last class."""

    __slots__ = ()
    n_classes: int

    def fprop(self, x: Any, *, n_classes: int) -> Any:
        wrong = x[(x < 0) | (x >= n_classes)]
        if wrong.size:
            raise IndexError(
                f"{wrong.size} of {x.size} class indices are not among 0..{n_classes - 1}, the first is {wrong[0]}: there "
                f"are {n_classes} logits per example"
            )
        return x


def _check_outputs(outputs: Node, loss: str, role: str) -> None:
    if not isinstance(outputs, Node) or outputs.dtype.kind != "f":
        found = outputs.label if isinstance(outputs, Node) else type(outputs).__name__
        raise TypeError(f"{loss}: expected {role} that are a node of floating-point numbers, found {found}")


def _targets(targets: Operand) -> Node:
    return targets if isinstance(targets, Node) else Input(np.asarray(targets), "targets")
