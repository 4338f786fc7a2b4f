"""Penalties on what a recurrent net is over time: the adjoints λ_t = ∂loss/∂x_t of its states, and the states themselves.

`total = loss + penalty(loss, states)`. In this engine adjoints are nodes, so such a penalty is a function of nodes like any
other, and its gradient is backpropagation through backpropagation: nothing else is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

import numpy as np

from minigrad.context import scope
from minigrad.graph import gradients
from minigrad.models.inputs import time_mask
from minigrad.models.over_examples import Reduction, reduction_of
from minigrad.models.recurrent import States
from minigrad.models.scheduled import Weight, check_term, checked_weight, shown_weight, weighted
from minigrad.node import Node
from minigrad.ops import (
    absolute,
    argsort,
    cumsum,
    expand_dims,
    log,
    maximum,
    norm,
    square,
    stack,
    stop_gradient,
    where,
)
from minigrad.ops.indexing import rearranged
from minigrad.wording import instead

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from minigrad.operators import Operand

LEAST_NORM = 1e-10  # a term counts where ‖λ_t‖, of the loss as it is, is at least this (Pascanu, Mikolov and Bengio)

OverTime: TypeAlias = Literal["mean", "sum"]
T = TypeVar("T")


def adjoints(loss: Node, states: Sequence[Node]) -> tuple[Node, ...]:
    """∂loss/∂x_t for every state given, as nodes of its shape: exactly what flows back through the graph.

    The loss has to be made from these very states: `loss(net.readout(states[-1]), targets)`.
    """
    _check_loss("adjoints", loss)
    if isinstance(states, Node) or not states:
        raise ValueError("adjoints(loss, states): expected a sequence of at least one node, such as net.states(u)")
    try:
        return gradients(loss, states, unused="error")
    except ValueError as error:
        raise ValueError(
            f"{error}. Make the loss from the very states that are penalized: states = net.states(u); "
            "loss = losses.cross_entropy(net.readout(states[-1]), targets)"
        ) from None


def adjoint_norms(loss: Node, states: Sequence[Node]) -> NDArray[np.float64]:
    """‖∂loss/∂x_t‖ for every state, (T,): of each example's row, and the mean of these over the examples.

    Where they fall from the last state to the first by orders of magnitude, the gradient vanishes; where they rise, it explodes.
    Errors as in `adjoints`.
    """
    rows = [found.value.reshape(-1, found.shape[-1]) for found in adjoints(loss, states)]
    return np.array([np.linalg.norm(row.astype(np.float64), axis=-1).mean() for row in rows])


def _check_loss(owner: str, loss: Node) -> None:
    if not isinstance(loss, Node) or loss.size != 1:
        found = loss.label if isinstance(loss, Node) else instead(loss, "give one node")
        raise ValueError(f"{owner}(loss, states): expected a scalar node as the loss, found {found}")


class Penalty:
    """weight · G, to be added to the loss: `total = loss + penalty(loss, states)`.

    A subclass defines `of(rows)` or, to leave padding out, `of(rows, counts)`: its G as a function of the stacked adjoints.
    weight is a number; a schedule, a function of the step; or a node. With the number 0 nothing is built, and training is
    plain backpropagation to the last bit.

    Under a mask padding does not count: an example contributes what its sequence alone would, and one of padding alone
    nothing. `net.states(u, mask=mask)` knows its mask; with a list of other nodes, as the cells of an LSTM, give it:
    `penalty(loss, [c for _, c in steps.whole], mask)`.

    One of your own, the largest entry of all adjoints, which leaves padding out:

    >>> import numpy as np
    >>> from minigrad.models import RNN, losses, penalties
    >>> class Largest(penalties.Penalty):
    ...     def of(self, rows, counts=None):  # rows: (time, batch, n_states), counts: (time, batch) or None
    ...         sizes = abs(rows).max(axis=-1)
    ...         return (sizes if counts is None else np.where(counts, sizes, 0.0)).max()
    >>> net = RNN(2, 3, 2, rng=0)
    >>> states = net.states(np.ones((4, 5, 2)))
    >>> loss = losses.cross_entropy(net.readout(states[-1]), np.zeros(4, int))
    >>> (loss + Largest(0.1)(loss, states)).shape
    ()
    """

    def __init__(self, weight: Weight = 1.0) -> None:
        self.weight = checked_weight(type(self).__name__, weight)

    def __call__(self, loss: Node, states: Sequence[Node], mask: Operand | None = None) -> Node:
        """weight · G, a scalar node."""
        _check_loss(type(self).__name__, loss)
        return weighted(self.weight, lambda: self.measure(loss, states, mask), loss.dtype)

    def measure(self, loss: Node, states: Sequence[Node], mask: Operand | None = None) -> Node:
        """G itself, a scalar node.

        mask: booleans, (batch, time), False where a step is padding; None for that of the states
        """
        rows = self.rows(loss, states)
        counts = self._counts(rows, states, mask)
        with scope("penalty"):
            if counts is None or len(signature(self.of).parameters) < 2:
                G = self.of(rows)
            else:
                G = self.of(*_padding_last(rows, counts))
        return check_term(self, G)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({shown_weight(self.weight)})"

    def _counts(self, rows: Node, states: Sequence[Node], mask: Operand | None) -> Node | None:
        """Choose the steps that count, (time, batch), by the given mask or by that of the states."""
        if mask is None:
            return getattr(states, "present", None)
        return time_mask(type(self).__name__, mask, (rows.shape[1], rows.shape[0])).T

    def rows(self, loss: Node, states: Sequence[Node]) -> Node:
        """Stack the arguments of G, the adjoints λ_t = ∂loss/∂x_t: (time, batch, n_states)."""
        return _stacked(adjoints(loss, states))

    def of(self, rows: Node, counts: Node | None = None) -> Node:
        """G of the adjoints λ_t = ∂loss/∂x_t, a node (time, batch, n_states).

        counts: under a mask which of them count, (time, batch), for every example the first ones; else None
        """
        raise TypeError(f"{type(self).__name__} defines no of: write of(self, rows, counts=None) -> scalar node")


# Of ratios, which do not see the scale of the loss -----------------------------------------------------------------------


class RatioPenalty(Penalty):
    """A G that is the mean of terms of neighboring states, over time and batch, or their sum over time, averaged over the batch.

    over_time: "mean" divides by the number of terms that count in time and batch together; "sum" by the number of examples
    """

    def __init__(self, weight: Weight = 1.0, *, over_time: OverTime = "mean") -> None:
        super().__init__(weight)
        self.over_time = _one_of(self, "over_time", over_time, ("mean", "sum"))

    def _divisor(self, counted: Node, counts: Node | None) -> Node | float:
        """Count the terms that count, or the examples with a step that counts, to divide the sum of the terms by."""
        if self.over_time == "mean":
            return maximum(counted.sum(), 1.0)
        return _n_examples(counts, counted)

    def _joined(self, terms: Node, counted: Node, counts: Node | None) -> Node:
        """G of the terms (time, batch), where they count."""
        return where(counted, terms, 0.0).sum() / self._divisor(counted.astype(terms.dtype), counts)


class Omega(RatioPenalty):
    """Σ_t (‖λ_t‖² / ‖λ_{t+1}‖² − 1)² over neighboring states, divided by the number of terms in time and batch (eq. 10).

    Back: with q_t = ‖λ_t‖² / ‖λ_{t+1}‖² and c = 1 / number of terms,
    λ̄_t = 4 c ((q_t − 1) / ‖λ_{t+1}‖² − (q_{t-1} − 1) q_{t-1} / ‖λ_t‖²) λ_t, and on by backpropagation through backpropagation.

    A term counts where ‖λ_{t+1}‖² ≥ 1e-20: as training makes adjoints longer, earlier time steps come to count. With the states
    x_1..x_T there are T − 1 terms per example; give [x_0, *states] to count the step from x_0 too. Squares keep it fast: it
    is inf or nan, which ends a training by name, where a norm is beyond 1e19 (float32; 1e154 in float64).

    form: "exact" differentiates all of it, which reaches every parameter. "immediate" holds the states and the incoming
          adjoint λ_{t+1} constant, as the paper does: ‖λ_{t+1} ∂x_{t+1}/∂x_t‖² depends on W alone,
              ∂/∂W = Σ_t c 4 (q_t − 1) / ‖λ_{t+1}‖² · δ_{t+1}' λ_t,   q_t = ‖λ_t‖² / ‖λ_{t+1}‖²,  c = 1 / number of terms
          with δ_t the adjoint of the pre-activation, so λ_t = δ_{t+1} W. Where the loss reads x_t itself, too, that is not all of
          λ_t, and the paper's δ_{t+1} W stands for λ_t in q_t. It needs the states as `net.states(u)` gives them.
    over_time: "sum" sums each example's terms and divides by the batch: c = 1/batch
    """

    def __init__(
        self, weight: Weight = 0.3, form: Literal["exact", "immediate"] = "exact", *, over_time: OverTime = "mean"
    ) -> None:
        super().__init__(weight, over_time=over_time)
        self.form = _one_of(self, "form", form, ("exact", "immediate"))

    def measure(self, loss: Node, states: Sequence[Node], mask: Operand | None = None) -> Node:
        return super().measure(loss, states, mask) if self.form == "exact" else self._immediate(loss, states, mask)

    def of(self, rows: Node, counts: Node | None = None) -> Node:
        return self._of_squares(*_neighbors(square(rows).sum(axis=-1)), counts)

    def _immediate(self, loss: Node, states: Sequence[Node], mask: Operand | None) -> Node:
        if not isinstance(states, States):
            raise TypeError(
                f'Omega(form="immediate"): expected the states as RNN.states(u) gives them, found {type(states).__name__}: '
                "it needs their W and pre-activations"
            )
        flowing = adjoints(loss, [*states, *states.pre_activations])
        with scope("penalty"):
            rows = stop_gradient(_stacked(flowing[: len(states)]))
            a = stop_gradient(_stacked(flowing[len(states) :]))
            counts = self._counts(rows, states, mask)
            if counts is not None:  # a step that counts comes from the last one before it that does
                a, _ = _padding_last(a, counts)
                rows, counts = _padding_last(rows, counts)
            return self._of_squares(square(a[1:] @ states.W).sum(axis=-1), square(rows[1:]).sum(axis=-1), counts)

    def _of_squares(self, earlier: Node, later: Node, counts: Node | None = None) -> Node:
        """Make G of ‖λ_t‖² and ‖λ_{t+1}‖². There is no `where`: every rule on the way back to the states would carry its mask."""
        counted = _both(later >= LEAST_NORM**2, _pairs(counts)).astype(later.dtype)
        ratios = earlier / (later * counted + (1.0 - counted))
        return (square(ratios - 1.0) * counted).sum() / self._divisor(counted, counts)


class OmegaNorms(RatioPenalty):
    """Σ_t (‖λ_t‖ / ‖λ_{t+1}‖ − 1)² over neighboring states, divided by the number of terms (eq. 9): Omega with norms.

    Back: with r_t = ‖λ_t‖ / ‖λ_{t+1}‖ and c = 1 / number of terms,
    λ̄_t = 2 c ((r_t − 1) / (‖λ_t‖ ‖λ_{t+1}‖) − (r_{t-1} − 1) r_{t-1} / ‖λ_t‖²) λ_t.

    Terms count as in `Omega`.

    over_time: "sum" sums each example's terms and divides by the batch, as the notes' repository does
    """

    def of(self, rows: Node, counts: Node | None = None) -> Node:
        earlier, later = _neighbors(norm(rows, axis=-1))
        counted = _both(later >= LEAST_NORM, _pairs(counts))
        return self._joined(square(earlier / where(counted, later, 1.0) - 1.0), counted, counts)


class LogRatio(RatioPenalty):
    """Σ_t l_t² with l_t = ln(‖λ_t‖ / ‖λ_{t+1}‖), divided by the number of terms: halving costs what doubling does.

    Back: λ̄_t = 2 c (l_t − l_{t-1}) λ_t / ‖λ_t‖², c = 1 / number of terms.

    A term counts where both squared norms are at least 1e-20.

    over_time: "sum" sums each example's terms and divides by the batch
    """

    def of(self, rows: Node, counts: Node | None = None) -> Node:
        norms = norm(rows, axis=-1)
        seen = norms >= LEAST_NORM
        earlier, later = _neighbors(log(where(seen, norms, 1.0)))
        return self._joined(square(earlier - later), _both(seen[:-1] & seen[1:], _pairs(counts)), counts)


class RelativeVariance(Penalty):
    """Var_t ‖λ_t‖ / (mean_t ‖λ_t‖)², averaged over the batch: AdjointVariance made independent of scale.

    Back: with m the mean and V the variance of ‖λ_t‖ over time, and where all examples count,
    λ̄_t = 2/(batch T) (‖λ_t‖ − m − V/m) / m² · λ_t / ‖λ_t‖.

    An example counts where (mean_t ‖λ_t‖)² ≥ 1e-20. Of the shares of the norms it is T Σ_t (‖λ_t‖ / Σ_s ‖λ_s‖ − 1/T)²: T times
    a penalty of the notes' repository.
    """

    def __init__(self, weight: Weight = 0.1) -> None:
        super().__init__(weight)

    def of(self, rows: Node, counts: Node | None = None) -> Node:
        norms = norm(rows, axis=-1)
        scale = _over_time(norms, counts)
        seen = scale >= LEAST_NORM
        return _mean(_variance(norms / where(seen, scale, 1.0), counts), seen)


# Of each example's own adjoints, which scale with the loss ---------------------------------------------------------------


class OwnAdjointsPenalty(Penalty):
    """A G that depends on the scale of the loss: `of` is given each example's own adjoints, batch · λ_t where the loss is a mean.

    over_examples: whether the loss is the "mean" of its examples or their "sum"; None reads it from the nodes of the loss, in which
                   the first axis as long as the batch is taken for that of the examples
    """

    def __init__(self, weight: Weight = 1.0, *, over_examples: Reduction | None = None) -> None:
        super().__init__(weight)
        self.over_examples = _one_of(self, "over_examples", over_examples, ("mean", "sum", None))

    def rows(self, loss: Node, states: Sequence[Node]) -> Node:
        """The adjoints of each example's own part of the loss, (time, batch, n_states)."""
        rows = super().rows(loss, states)
        reduction = self.over_examples or reduction_of(loss, states)
        if reduction is None:
            name = type(self).__name__
            raise ValueError(
                f"{name}: it depends on whether the loss is the mean of its examples or their sum, and the nodes of this loss do "
                f'not tell: write {name}(over_examples="mean") or {name}(over_examples="sum")'
            )
        with scope("penalty"):
            return rows * float(rows.shape[1]) if reduction == "mean" else rows


class AdjointVariance(OwnAdjointsPenalty):
    """Var_t n_t = 1/T Σ_t (n_t − m)², m = mean_t n_t, averaged over the batch;  ā_t = 2/(batch T) (n_t − m) a_t / ‖a_t‖.

    a_t is the adjoint of the example's own loss, n_t = ‖a_t‖. The notes' own G. It depends on scale and can be lowered by
    shrinking all adjoints, so it trains badly; see RelativeVariance.

    over_time: "sum" for Σ_t (n_t − m)², as the notes' repository has it;  ā_t = 2/batch (n_t − m) a_t / ‖a_t‖
    norm:      "l2", or "l1", the sum of absolute values, ‖a_t‖₁ = Σ_k |a_tk|, in which sgn(a_t) stands for a_t / ‖a_t‖
    over_examples: whether the loss is the "mean" of its examples or their "sum"; None reads it from the nodes of the loss, in which
                   the first axis as long as the batch is taken for that of the examples
    """

    def __init__(
        self,
        weight: Weight = 1.0,
        *,
        norm: Literal["l2", "l1"] = "l2",
        over_time: OverTime = "mean",
        over_examples: Reduction | None = None,
    ) -> None:
        super().__init__(weight, over_examples=over_examples)
        self.norm = _one_of(self, "norm", norm, ("l2", "l1"))
        self.over_time = _one_of(self, "over_time", over_time, ("mean", "sum"))

    def of(self, rows: Node, counts: Node | None = None) -> Node:
        norms = norm(rows, axis=-1) if self.norm == "l2" else absolute(rows).sum(axis=-1)
        return _mean_of_examples(_variance(norms, counts, self.over_time), counts)


class HalfSquaredNorms(OwnAdjointsPenalty):
    """½ Σ_t n_t², averaged over the batch, n_t = ‖a_t‖, a_t the adjoint of the example's own loss;  ā_t = a_t / batch.

    It makes adjoints small, vanishing ones smaller still.

    over_examples: as in `AdjointVariance`
    """

    def of(self, rows: Node, counts: Node | None = None) -> Node:
        squares = square(rows) if counts is None else where(expand_dims(counts, -1), square(rows), 0.0)
        return 0.5 * squares.sum() / _n_examples(counts, rows)


class FirstAgainstLast(OwnAdjointsPenalty):
    """(n_1 − n_T)², averaged over the batch, n_t = ‖a_t‖, a_t the adjoint of the example's own loss.

    Back: ā_t = ±2/batch (n_1 − n_T) a_t / ‖a_t‖, + for 1, − for T, else 0.

    over_examples: as in `AdjointVariance`
    """

    def of(self, rows: Node, counts: Node | None = None) -> Node:
        norms = norm(rows, axis=-1)
        last = norms[-1]
        if counts is not None:
            so_far = cumsum(counts.astype(np.int64), axis=0)
            last = where(counts & (so_far == so_far[-1]), norms, 0.0).sum(axis=0)
        return _mean_of_examples(square(norms[0] - last), counts)


# Of the states -----------------------------------------------------------------------------------------------------------


class NormStabilizer(Penalty):
    """1/(T−1) Σ_t (‖x_{t+1}‖ − ‖x_t‖)² over t = 1..T−1, averaged over the batch: of the states themselves, not of adjoints.

    Back: with d_t = ‖x_{t+1}‖ − ‖x_t‖, x̄_t = 2/(batch (T−1)) (d_{t-1} − d_t) x_t / ‖x_t‖, where d_0 and d_T are 0.

    It costs no second backpropagation, and keeps states from growing, and so from leaving the range where a net was trained.
    With [x_0, *states] there are T differences, as in the paper. Of a recurrent layer x_t is its output, h_t.

    Source: D. Krueger and R. Memisevic, Regularizing RNNs by stabilizing activations, ICLR 2016.
    """

    def rows(self, loss: Node, states: Sequence[Node]) -> Node:
        """The states, (time, batch, n_states)."""
        if isinstance(states, Node) or not states:
            raise ValueError(
                "NormStabilizer(loss, states): expected a sequence of at least one node, such as net.states(u)"
            )
        return _stacked(states)

    def of(self, rows: Node, counts: Node | None = None) -> Node:
        """G of the states."""
        earlier, later = _neighbors(norm(rows, axis=-1))
        return _mean_of_examples(_over_time(square(later - earlier), _pairs(counts)), counts)


def _stacked(rows: Sequence[Node]) -> Node:
    """The adjoints as one node (time, batch, n_states): few fat nodes instead of several per time step."""
    if rows[0].ndim != 2 or any(row.shape != rows[0].shape for row in rows):
        raise ValueError(
            f"a penalty takes states of one shape (batch, n_states), found {', '.join(sorted({str(r.shape) for r in rows}))}"
        )
    return stack(rows)


def _neighbors(values: Node) -> tuple[Node, Node]:
    """Split values by time into those at t and those at t + 1, t = 1..T−1."""
    return values[:-1], values[1:]


def _padding_last(rows: Node, counts: Node) -> tuple[Node, Node]:
    """Rows and counts in another order of time, each example's own: first the steps that count, as they follow each other."""
    n_steps = len(rows)
    times = np.arange(n_steps)[:, np.newaxis]
    order = argsort(where(counts, times, times + n_steps), axis=0)
    return rearranged(rows, order), rearranged(counts, order)


def _pairs(counts: Node | None) -> Node | None:
    """Mark the pairs of neighbors (t, t + 1) that both count, of rows in which padding comes last."""
    return None if counts is None else counts[1:]


def _both(seen: Node, pairs: Node | None) -> Node:
    """Mark the terms that are large enough and, under a mask, between two steps that count."""
    return seen if pairs is None else seen & pairs


def _over_time(values: Node, counts: Node | None, how: OverTime = "mean") -> Node:
    """The mean or sum of values (time, batch) over the times that count for each example."""
    if counts is None:
        return values.sum(axis=0) if how == "sum" or not len(values) else values.mean(axis=0)
    total = where(counts, values, 0.0).sum(axis=0)
    return total if how == "sum" else total / maximum(counts.astype(values.dtype).sum(axis=0), 1.0)


def _variance(values: Node, counts: Node | None, how: OverTime = "mean") -> Node:
    """Squares of the distance from each example's mean over time, joined over time."""
    if counts is None and how == "mean":
        return values.var(axis=0)
    return _over_time(square(values - _over_time(values, counts)), counts, how)


def _mean_of_examples(values: Node, counts: Node | None) -> Node:
    """The mean over the examples with a step that counts."""
    return values.mean() if counts is None else _mean(values, counts.any(axis=0))


def _mean(terms: Node, counts: Node) -> Node:
    """The mean over the terms that count; 0 where none does."""
    return where(counts, terms, 0.0).sum() / maximum(counts.astype(terms.dtype).sum(), 1.0)


def _n_examples(counts: Node | None, rows: Node) -> Node | float:
    """Count the examples of rows (time, batch, ...) with a step that counts; at least 1."""
    if counts is None:
        return float(max(rows.shape[1], 1))
    return maximum(counts.any(axis=0).astype(rows.dtype).sum(), 1.0)


def _one_of(penalty: Penalty, name: str, given: T, choices: tuple[T, ...]) -> T:
    """An option, which must be one of some."""
    if given not in choices:
        words = [f'"{choice}"' for choice in choices if choice is not None]
        wanted = f"{', '.join(words[:-1])} or {words[-1]}"
        raise ValueError(f"{type(penalty).__name__}({name}={given!r}): {wanted}{' or None' * (None in choices)}")
    return given
