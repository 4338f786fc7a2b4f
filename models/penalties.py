"""Penalties on the adjoints g_t = ∂loss/∂x_t of a recurrent net's states: what penalized backpropagation adds to the loss.

In this engine adjoints are nodes, so a penalty is a function of nodes like any other and its gradient is backpropagation
through backpropagation: nothing else is needed. Where the notes write λ_t, that is −g_t; every penalty here is even in it.

Of a loss that is a mean over the batch each row of g_t is 1/batch of its example's own adjoint. Penalties made of ratios
do not see the factor; the others multiply by the batch size. n_t is the norm of one example's row.

Sources: R. Pascanu, T. Mikolov and Y. Bengio, On the difficulty of training recurrent neural networks, ICML 2013 (Omega,
eq. 9 and 10); L. Johnston and V. Patel, penalized backpropagation (the variance of the adjoint norms).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from minigrad.context import scope
from minigrad.graph import gradients
from minigrad.models.recurrent import States
from minigrad.node import Constant, Node
from minigrad.ops import log, maximum, norm, square, stack, stop_gradient, where

BOUND = 1e-20  # a term counts where ‖∂loss/∂x_t‖², of the mean loss, is at least this (Pascanu, Mikolov and Bengio)


def adjoints(loss: Node, states: Sequence[Node]) -> tuple[Node, ...]:
    """∂loss/∂x_t for every state given, as nodes of its shape: exactly what flows back through the graph.

    The loss has to be made from these very states: `loss(net.readout(states[-1]), targets)`.
    """
    if not isinstance(loss, Node) or loss.size != 1:
        raise ValueError(
            f"adjoints(loss, states): expected a scalar node as the loss, found {getattr(loss, 'label', loss)}"
        )
    if isinstance(states, Node) or not states:
        raise ValueError("adjoints(loss, states): expected a sequence of at least one node, such as net.states(u)")
    try:
        return gradients(loss, states, unused="error")
    except ValueError as error:
        raise ValueError(
            f"{error}. Make the loss from the very states that are penalized: states = net.states(u); "
            "loss = losses.cross_entropy(net.readout(states[-1]), targets)"
        ) from None


class Penalty:
    """weight · G, to be added to the loss: `total = loss + penalty(loss, states)`.

    A subclass defines `of(rows)`, its G as a function of the stacked adjoints. weight is a number, or a node where it
    changes during training. With weight 0 nothing is built, and training is plain backpropagation to the last bit.
    """

    def __init__(self, weight: float | Node = 1.0) -> None:
        if not isinstance(weight, Node) and not 0 <= weight < math.inf:
            raise ValueError(f"{type(self).__name__}(weight={weight!r}): expected a finite number of at least 0")
        self.weight = weight

    def __call__(self, loss: Node, states: Sequence[Node]) -> Node:
        """weight · G, a scalar node."""
        if not isinstance(self.weight, Node) and self.weight == 0:
            return Constant(np.zeros((), loss.dtype))
        measured = self.measure(loss, states)
        weight = self.weight.astype(measured.dtype) if isinstance(self.weight, Node) else self.weight
        return weight * measured

    def measure(self, loss: Node, states: Sequence[Node]) -> Node:
        """G itself, a scalar node."""
        rows = adjoints(loss, states)
        with scope("penalty"):
            return self.of(_stacked(rows))

    def of(self, rows: Node) -> Node:
        """G of the adjoints ∂loss/∂x_t, a node (time, batch, n_states)."""
        raise TypeError(f"{type(self).__name__} defines no of: write of(self, rows) -> scalar node")


class Omega(Penalty):
    """Σ_t (‖g_t‖² / ‖g_{t+1}‖² − 1)² over neighboring states, divided by the number of terms in time and batch (eq. 10).

    A term counts where ‖g_{t+1}‖² ≥ 1e-20, so the reach grows backward in time as training goes on. With the states
    x_1..x_T there are T − 1 terms per example; give [x_0, *states] to count the step from x_0 too.

    form: "exact" differentiates all of it, which reaches every parameter. "immediate" holds the states and the incoming
          adjoint g_{t+1} constant, as the paper does: ‖g_{t+1} ∂x_{t+1}/∂x_t‖² depends on W alone,
              ∂/∂W = Σ_t c 4 (q_t − 1) / ‖g_{t+1}‖² · a_{t+1}' g_t,   q_t = ‖g_t‖² / ‖g_{t+1}‖²,  c = 1 / number of terms
          with a_t the adjoint of the pre-activation, so g_t = a_{t+1} W. It needs the states as `net.states(u)` gives them.
    """

    def __init__(self, weight: float | Node = 0.3, form: Literal["exact", "immediate"] = "exact") -> None:
        super().__init__(weight)
        if form not in ("exact", "immediate"):
            raise ValueError(f'Omega(form={form!r}): "exact" or "immediate"')
        self.form = form

    def measure(self, loss: Node, states: Sequence[Node]) -> Node:
        return super().measure(loss, states) if self.form == "exact" else self._immediate(loss, states)

    def of(self, rows: Node) -> Node:
        return self._of_squares(*_neighbors(square(rows).sum(axis=-1)))

    def _immediate(self, loss: Node, states: Sequence[Node]) -> Node:
        if not isinstance(states, States):
            raise TypeError(
                f'Omega(form="immediate"): expected the states as RNN.states(u) gives them, found {type(states).__name__}: '
                "it needs their W and pre-activations"
            )
        flowing = adjoints(loss, [*states, *states.pre_activations])
        with scope("penalty"):
            rows = stop_gradient(_stacked(flowing[: len(states)]))
            a = stop_gradient(_stacked(flowing[len(states) :]))
            later = square(rows[1:]).sum(axis=-1)
            return self._of_squares(square(a[1:] @ states.W).sum(axis=-1), later)

    def _of_squares(self, earlier: Node, later: Node) -> Node:
        counts = later >= BOUND
        ratios = earlier / where(counts, later, 1.0)
        return _mean(square(ratios - 1.0), counts)


class OmegaNorms(Penalty):
    """Σ_t (‖g_t‖ / ‖g_{t+1}‖ − 1)² over neighboring states, divided by the number of terms (eq. 9): Omega with norms.

    Terms count as in `Omega`.
    """

    def of(self, rows: Node) -> Node:
        earlier, later = _neighbors(norm(rows, axis=-1))
        counts = square(later) >= BOUND
        return _mean(square(earlier / where(counts, later, 1.0) - 1.0), counts)


class AdjointVariance(Penalty):
    """Var_t n_t = 1/T Σ_t (n_t − mean_t n_t)², averaged over the batch: the notes' own G. n_t = batch · ‖g_t‖.

    It depends on scale and can be lowered by shrinking all adjoints, so it trains badly; see RelativeVariance.
    """

    def of(self, rows: Node) -> Node:
        return _norms(rows).var(axis=0).mean()


class RelativeVariance(Penalty):
    """Var_t n_t / (mean_t n_t)², averaged over the batch: AdjointVariance made independent of scale.

    An example counts where (mean_t ‖g_t‖)² ≥ 1e-20.
    """

    def __init__(self, weight: float | Node = 0.1) -> None:
        super().__init__(weight)

    def of(self, rows: Node) -> Node:
        norms = norm(rows, axis=-1)
        scale = square(norms.mean(axis=0))
        counts = scale >= BOUND
        return _mean(norms.var(axis=0) / where(counts, scale, 1.0), counts)


class LogRatio(Penalty):
    """Σ_t (ln ‖g_t‖ / ‖g_{t+1}‖)² over neighboring states, divided by the number of terms: halving costs what doubling does.

    A term counts where both squared norms are at least 1e-20.
    """

    def of(self, rows: Node) -> Node:
        squares = square(rows).sum(axis=-1)
        seen = squares >= BOUND
        earlier, later = _neighbors(log(where(seen, squares, 1.0)))
        return _mean(square((earlier - later) * 0.5), seen[:-1] & seen[1:])


class HalfSquaredNorms(Penalty):
    """½ Σ_t n_t², averaged over the batch; n_t = batch · ‖g_t‖. It makes adjoints small, vanishing ones smaller still."""

    def of(self, rows: Node) -> Node:
        return square(rows).sum() * (0.5 * rows.shape[1])  # batch² of the scale, 1/batch of the mean


class FirstAgainstLast(Penalty):
    """(n_1 − n_T)², averaged over the batch; n_t = batch · ‖g_t‖."""

    def of(self, rows: Node) -> Node:
        norms = _norms(rows)
        return square(norms[0] - norms[-1]).mean()


def _stacked(rows: Sequence[Node]) -> Node:
    """The adjoints as one node (time, batch, n_states): few fat nodes instead of several per time step."""
    if rows[0].ndim != 2 or any(row.shape != rows[0].shape for row in rows):
        raise ValueError(
            f"a penalty takes states of one shape (batch, n_states), found {', '.join(sorted({str(r.shape) for r in rows}))}"
        )
    return stack(rows)


def _norms(rows: Node) -> Node:
    """n_t of every example, (time, batch): the norm of the adjoint of its own loss."""
    return norm(rows, axis=-1) * rows.shape[1]


def _neighbors(values: Node) -> tuple[Node, Node]:
    """What stands at t and at t + 1, for t = 1..T−1."""
    return values[:-1], values[1:]


def _mean(terms: Node, counts: Node) -> Node:
    """The mean over the terms that count; 0 where none does."""
    return where(counts, terms, 0.0).sum() / maximum(counts.astype(terms.dtype).sum(), 1.0)
