"""Penalties: what is added to the loss, weight times a function of nodes. Two kinds, by what they are functions of.

Penalties on weights, Ω(θ): `total = loss + penalty(model)`. They choose their parameters by role or by name. L2, L1,
ElasticNet, MaxNorm, LogSumExp, and SumOf several; `soft_threshold` and `L1.proximal_step` give exact zeros.

Penalties on the adjoints g_t = ∂loss/∂x_t of a recurrent net's states: `total = loss + penalty(loss, states)`, what
penalized backpropagation adds to the loss. In this engine adjoints are nodes, so such a penalty is a function of nodes like
any other and its gradient is backpropagation through backpropagation: nothing else is needed. Where the notes write λ_t,
that is −g_t; every penalty here is even in it. Of a loss that is a mean over the batch each row of g_t is 1/batch of its
example's own adjoint. Penalties made of ratios do not see the factor; the others multiply by the batch size. n_t is the norm
of one example's row.

`fit` and `Step` take both kinds together: `penalties=[L2(1e-4), Omega(0.3)]`. They move a weight that is a schedule
(`minigrad.optim.schedules`) to every step: Omega(schedules.linear(0.3, 0.0, 1000)). It is then a node, `Scheduled`, which
programs read in every call; elsewhere write `penalty.weight.move_to(step)`.

Sources: R. Pascanu, T. Mikolov and Y. Bengio, On the difficulty of training recurrent neural networks, ICML 2013 (Omega,
eq. 9 and 10); L. Johnston and V. Patel, penalized backpropagation (the variance of the adjoint norms).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from minigrad.context import scope
from minigrad.graph import gradients
from minigrad.models.inputs import not_negative, time_mask
from minigrad.models.module import Module, all_paths
from minigrad.models.recurrent import States
from minigrad.models.scheduled import Schedule, Scheduled
from minigrad.node import Constant, Node, Parameter, as_node
from minigrad.ops import (
    absolute,
    argsort,
    cumsum,
    expand_dims,
    log,
    logsumexp,
    maximum,
    norm,
    relu,
    sign,
    square,
    stack,
    stop_gradient,
    where,
)
from minigrad.ops.indexing import rearranged
from minigrad.wording import instead

if TYPE_CHECKING:
    from minigrad.operators import Operand

LEAST_NORM = 1e-10  # a term counts where ‖∂loss/∂x_t‖, of the mean loss, is this at least (Pascanu, Mikolov and Bengio)


Role = Literal["weights", "biases", "all"]
Weight: TypeAlias = float | Schedule | Node


# On weights --------------------------------------------------------------------------------------------------------


class WeightPenalty(ABC):
    """A function Ω of parameters, to be added to the loss: `total = loss + penalty(model)`.

    The gradient of the sum is ∇loss + ∇Ω, so a step of gradient descent is θ ← θ − α (∇loss + λ ∇Ω). Where the loss is a
    mean over the batch, every step sees the full λ ∇Ω, whatever the size of the batch.
    """

    @abstractmethod
    def __call__(self, target: Module | Node | Sequence[Node]) -> Node:
        """The penalty as a scalar node: of a model's parameters, or of nodes given themselves."""

    def __add__(self, other: WeightPenalty) -> SumOf:
        return SumOf(self, other)


class ParameterPenalty(WeightPenalty):
    """weight · Σ_k Ω(θ_k) over the chosen parameters θ_k of a model. A subclass defines `of`, its Ω of one parameter.

    weight: λ: a finite number of at least 0; a schedule, a function of the step; or a node
    role:   "weights" (the default): trainable parameters of two axes or more. Biases, the gains of a normalization, initial
            states have one: they are left out. "biases": the trainable ones with less than two axes. "all": every one
    names:  patterns of paths (`model.named_parameters()`), such as "W", "dense_1.*" or ["W", "R"], instead of a role. Each
            must match; one that is shared has several paths, any of which will do

    Nodes given themselves, `penalty(W)` or `penalty([W, R])`, are all penalized.
    """

    def __init__(
        self, weight: Weight = 1.0, *, role: Role | None = None, names: str | Sequence[str] | None = None
    ) -> None:
        self.weight = _checked_weight(type(self).__name__, weight)
        if role not in (None, "weights", "biases", "all"):
            raise ValueError(f'{type(self).__name__}(role={role!r}): "weights", "biases" or "all"')
        if role is not None and names is not None:
            raise ValueError(f"{type(self).__name__}: role={role!r} or names={names!r}, not both")
        self.role: Role = role or "weights"
        self.names = (names,) if isinstance(names, str) else None if names is None else tuple(names)

    def __call__(self, target: Module | Node | Sequence[Node]) -> Node:
        chosen = self.chosen(target)
        with scope("penalty"):
            return _weighted(self.weight, lambda: _total([self.of(node) for node in chosen]), chosen[0].dtype)

    def of(self, w: Node) -> Node:
        """Ω of one parameter, a scalar node."""
        raise TypeError(f"{type(self).__name__} defines no of: write of(self, w) -> scalar node")

    def chosen(self, target: Module | Node | Sequence[Node]) -> list[Node]:
        """The parameters that are penalized."""
        if isinstance(target, Node):
            return [target]
        if not isinstance(target, Module):
            nodes = list(target)
            if not nodes or not all(isinstance(node, Node) for node in nodes):
                raise TypeError(f"{type(self).__name__}: expected a Module, a node, or a sequence of nodes")
            return nodes
        trained = [p for p in target.parameters() if p.trainable]
        if self.names is None:
            found: list[Node] = [p for p in trained if self.role == "all" or (self.role == "weights") == (p.ndim >= 2)]
        else:
            named = {p for pattern in self.names for p in self._matching(pattern, target)}
            found = [p for p in trained if p in named]
        if not found:
            wanted = f"role={self.role!r}" if self.names is None else f"names={self.names!r}"
            raise self._chooses_none(wanted, target)
        return found

    def _matching(self, pattern: str, target: Module) -> set[Parameter]:
        """The parameters with a path that the pattern matches, trained or not."""
        found = {parameter for path, parameter in all_paths(target) if fnmatchcase(path, pattern)}
        if not found:
            raise self._chooses_none(f"names={pattern!r}", target)
        return found

    def _chooses_none(self, wanted: str, target: Module) -> ValueError:
        paths = ", ".join(f"{path} {p.shape}" for path, p in target.named_parameters())
        return ValueError(
            f"{type(self).__name__}({wanted}) chooses none of the parameters of {type(target).__name__} ({paths}): "
            'write names=, or role="all"'
        )


class L2(ParameterPenalty):
    """λ c Σ w²;  gradient 2 λ c w. The factor c is 1, or 1/2 in the half form (λ/2) ‖θ‖², gradient λ θ.

    Half of it is what optimizers call weight decay λ (in gradient descent without momentum).

    As a prior: −ln of the Gaussian N(0, s²) is w²/(2 s²) and a constant. So with a loss that is the sum of negative
    log-likelihoods, L2(1 / (2 s²)) makes the minimum the maximum a posteriori; divide by m where the loss is their mean. For
    linear regression with noise σ that is ridge regression, in the half form with λ = σ²/s².
    """

    def __init__(
        self,
        weight: Weight = 1.0,
        *,
        factor: float = 1.0,
        role: Role | None = None,
        names: str | Sequence[str] | None = None,
    ) -> None:
        super().__init__(weight, role=role, names=names)
        if factor not in (1, 0.5):
            raise ValueError(f"L2(factor={factor!r}): 1 for λ Σ w², or 0.5 for (λ/2) Σ w²")
        self.factor = float(factor)

    def of(self, w: Node) -> Node:
        squares = square(w).sum()
        return squares if self.factor == 1 else squares * self.factor


class L1(ParameterPenalty):
    """λ Σ |w|;  gradient λ sgn(w), 0 at w = 0 (chosen from the sub-differential [−1, 1]).

    The minimum has weights that are exactly 0. Steps along the sub-gradient do not reach them, they jump around 0 by about
    α λ; `proximal_step` does.

    As a prior: −ln of the Laplacian with scale b is |w|/b and a constant, so λ = 1/b with a sum of negative
    log-likelihoods; divide by m where the loss is their mean.
    """

    def of(self, w: Node) -> Node:
        return absolute(w).sum()

    def proximal_step(self, target: Module | Parameter | Sequence[Parameter], learning_rate: float) -> None:
        """w ← S(w, α λ) in place, for the chosen parameters: what to do after an optimizer's step instead of adding L1.

        One step of gradient descent on the loss alone and then this is a step of proximal gradient descent on loss + L1
        (A. Beck and M. Teboulle, A fast iterative shrinkage-thresholding algorithm, SIAM J. Imaging Sciences 2, 2009).
        """
        threshold = not_negative("L1.proximal_step", "learning_rate", learning_rate) * float(self.weight)
        for node in self.chosen(target):
            if not isinstance(node, Parameter):
                raise TypeError(f"L1.proximal_step writes into Parameters, not {node.label}")
            node.value = soft_threshold(Constant(node.value), threshold).value


class ElasticNet(ParameterPenalty):
    """λ Σ (r |w| + (1 − r)/2 w²);  gradient λ (r sgn(w) + (1 − r) w). The share of L1 is r = ratio, from 0 to 1.

    Source: H. Zou and T. Hastie, Regularization and variable selection via the elastic net, JRSS B 67, 2005.
    """

    def __init__(
        self,
        weight: Weight = 1.0,
        *,
        ratio: float = 0.5,
        role: Role | None = None,
        names: str | Sequence[str] | None = None,
    ) -> None:
        super().__init__(weight, role=role, names=names)
        if not 0 <= ratio <= 1:
            raise ValueError(f"ElasticNet(ratio={ratio!r}): the share of L1 is a number from 0 to 1")
        self.ratio = float(ratio)

    def of(self, w: Node) -> Node:
        return self.ratio * absolute(w).sum() + (0.5 * (1 - self.ratio)) * square(w).sum()


class MaxNorm(ParameterPenalty):
    """λ max |w_ij|, the largest entry and not the operator norm;  gradient λ sgn(w) at that entry, 0 elsewhere.

    Of several largest entries the first takes all (any convex combination would be a sub-gradient). Of several parameters
    each has its own maximum, and they are summed.
    """

    def of(self, w: Node) -> Node:
        return absolute(w).max()


class LogSumExp(ParameterPenalty):
    """λ ln Σ e^w over the entries of each parameter;  gradient λ softmax(w). A smooth maximum, finite whatever w."""

    def of(self, w: Node) -> Node:
        return logsumexp(w)


class SumOf(WeightPenalty):
    """Σ_k λ_k Ω_k, each over parameters of its own: L2(0.1) + L1(0.01, names="V");  the gradient is the sum of theirs."""

    def __init__(self, *penalties: WeightPenalty) -> None:
        for penalty in penalties:
            if not isinstance(penalty, WeightPenalty):
                raise TypeError(f"SumOf takes penalties on weights, not {type(penalty).__name__}")
        if not penalties:
            raise ValueError("SumOf(*penalties): at least one")
        self.penalties = penalties

    def __call__(self, target: Module | Node | Sequence[Node]) -> Node:
        return _total([penalty(target) for penalty in self.penalties])


def soft_threshold(w: Operand, threshold: Operand) -> Node:
    """S(w, t) = sgn(w) max(|w| − t, 0): the w' that minimizes (w' − w)²/2 + t |w'|;  w̄ = 1[|w| > t] · adjoint."""
    node = as_node(w)
    return sign(node) * relu(absolute(node) - threshold)


# On adjoints -------------------------------------------------------------------------------------------------------


def adjoints(loss: Node, states: Sequence[Node]) -> tuple[Node, ...]:
    """∂loss/∂x_t for every state given, as nodes of its shape: exactly what flows back through the graph.

    The loss has to be made from these very states: `loss(net.readout(states[-1]), targets)`.
    """
    if not isinstance(loss, Node) or loss.size != 1:
        found = loss.label if isinstance(loss, Node) else instead(loss, "give one node")
        raise ValueError(f"adjoints(loss, states): expected a scalar node as the loss, found {found}")
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

    A subclass defines `of(rows)` or, to leave padding out, `of(rows, counts)`: its G as a function of the stacked adjoints.
    weight is a number; a schedule, a function of the step; or a node. With the number 0 nothing is built, and training is
    plain backpropagation to the last bit.

    Under a mask padding does not count: an example contributes what its sequence alone would, and one of padding alone
    nothing. `net.states(u, mask=mask)` knows its mask; with a list of other nodes, as the cells of an LSTM, give it:
    `penalty(loss, [c for _, c in steps.whole], mask)`.
    """

    def __init__(self, weight: Weight = 1.0) -> None:
        self.weight = _checked_weight(type(self).__name__, weight)

    def __call__(self, loss: Node, states: Sequence[Node], mask: Operand | None = None) -> Node:
        """weight · G, a scalar node."""
        return _weighted(self.weight, lambda: self.measure(loss, states, mask), loss.dtype)

    def measure(self, loss: Node, states: Sequence[Node], mask: Operand | None = None) -> Node:
        """G itself, a scalar node.

        mask: booleans, (batch, time), False where a step is padding; None for that of the states
        """
        rows = _stacked(adjoints(loss, states))
        counts = getattr(states, "present", None)
        if mask is not None:
            counts = time_mask(type(self).__name__, mask, (rows.shape[1], rows.shape[0])).T
        with scope("penalty"):
            if counts is None or len(signature(self.of).parameters) < 2:
                return self.of(rows)
            return self.of(*_padding_last(rows, counts))

    def of(self, rows: Node, counts: Node | None = None) -> Node:
        """G of the adjoints ∂loss/∂x_t, a node (time, batch, n_states).

        counts: under a mask which of them count, (time, batch), for every example the first ones; else None
        """
        raise TypeError(f"{type(self).__name__} defines no of: write of(self, rows, counts=None) -> scalar node")


class Omega(Penalty):
    """Σ_t (‖g_t‖² / ‖g_{t+1}‖² − 1)² over neighboring states, divided by the number of terms in time and batch (eq. 10).

    Back: with q_t = ‖g_t‖² / ‖g_{t+1}‖² and c = 1 / number of terms,
    ḡ_t = 4 c ((q_t − 1) / ‖g_{t+1}‖² − (q_{t-1} − 1) q_{t-1} / ‖g_t‖²) g_t, and on by backpropagation through backpropagation.

    A term counts where ‖g_{t+1}‖² ≥ 1e-20, so the reach grows backward in time as training goes on. With the states
    x_1..x_T there are T − 1 terms per example; give [x_0, *states] to count the step from x_0 too. Squares keep it fast: it
    is inf or nan, which ends a training by name, where a norm is beyond 1e19 (float32; 1e154 in float64).

    form: "exact" differentiates all of it, which reaches every parameter. "immediate" holds the states and the incoming
          adjoint g_{t+1} constant, as the paper does: ‖g_{t+1} ∂x_{t+1}/∂x_t‖² depends on W alone,
              ∂/∂W = Σ_t c 4 (q_t − 1) / ‖g_{t+1}‖² · a_{t+1}' g_t,   q_t = ‖g_t‖² / ‖g_{t+1}‖²,  c = 1 / number of terms
          with a_t the adjoint of the pre-activation, so g_t = a_{t+1} W. It needs the states as `net.states(u)` gives them.
    """

    def __init__(self, weight: Weight = 0.3, form: Literal["exact", "immediate"] = "exact") -> None:
        super().__init__(weight)
        if form not in ("exact", "immediate"):
            raise ValueError(f'Omega(form={form!r}): "exact" or "immediate"')
        self.form = form

    def measure(self, loss: Node, states: Sequence[Node], mask: Operand | None = None) -> Node:
        return super().measure(loss, states, mask) if self.form == "exact" else self._immediate(loss, states)

    def of(self, rows: Node, counts: Node | None = None) -> Node:
        return self._of_squares(*_neighbors(square(rows).sum(axis=-1)), _pairs(counts))

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
            return self._of_squares(square(a[1:] @ states.W).sum(axis=-1), square(rows[1:]).sum(axis=-1))

    def _of_squares(self, earlier: Node, later: Node, pairs: Node | None = None) -> Node:
        """Of ‖g_t‖² and ‖g_{t+1}‖²: no `where` here, whose mask every rule from here to the states would have to keep."""
        seen = later >= LEAST_NORM**2
        counts = (seen if pairs is None else seen & pairs).astype(later.dtype)
        ratios = earlier / (later * counts + (1.0 - counts))
        return (square(ratios - 1.0) * counts).sum() / maximum(counts.sum(), 1.0)


class OmegaNorms(Penalty):
    """Σ_t (‖g_t‖ / ‖g_{t+1}‖ − 1)² over neighboring states, divided by the number of terms (eq. 9): Omega with norms.

    Back: with r_t = ‖g_t‖ / ‖g_{t+1}‖ and c = 1 / number of terms,
    ḡ_t = 2 c ((r_t − 1) / (‖g_t‖ ‖g_{t+1}‖) − (r_{t-1} − 1) r_{t-1} / ‖g_t‖²) g_t.

    Terms count as in `Omega`.
    """

    def of(self, rows: Node, counts: Node | None = None) -> Node:
        earlier, later = _neighbors(norm(rows, axis=-1))
        seen, pairs = later >= LEAST_NORM, _pairs(counts)
        counted = seen if pairs is None else seen & pairs
        return _mean(square(earlier / where(counted, later, 1.0) - 1.0), counted)


class AdjointVariance(Penalty):
    """Var_t n_t = 1/T Σ_t (n_t − m)², m = mean_t n_t, averaged over the batch;  ḡ_t = 2/T (n_t − m) g_t / ‖g_t‖.

    The notes' own G; n_t = batch · ‖g_t‖.
    It depends on scale and can be lowered by shrinking all adjoints, so it trains badly; see RelativeVariance.
    """

    def of(self, rows: Node, counts: Node | None = None) -> Node:
        return _mean_of_examples(_variance_in_time(_norms(rows), counts), counts)


class RelativeVariance(Penalty):
    """Var_t n_t / (mean_t n_t)², averaged over the batch: AdjointVariance made independent of scale.

    Back: with m the mean and V the variance of n_t over time, and where all examples count,
    ḡ_t = 2/T (n_t − m − V/m) / m² · g_t / ‖g_t‖.

    An example counts where (mean_t ‖g_t‖)² ≥ 1e-20.
    """

    def __init__(self, weight: Weight = 0.1) -> None:
        super().__init__(weight)

    def of(self, rows: Node, counts: Node | None = None) -> Node:
        norms = norm(rows, axis=-1)
        scale = _mean_in_time(norms, counts)
        seen = scale >= LEAST_NORM
        return _mean(_variance_in_time(norms / where(seen, scale, 1.0), counts), seen)


class LogRatio(Penalty):
    """Σ_t l_t² with l_t = ln(‖g_t‖ / ‖g_{t+1}‖), divided by the number of terms: halving costs what doubling does.

    Back: ḡ_t = 2 c (l_t − l_{t-1}) g_t / ‖g_t‖², c = 1 / number of terms.

    A term counts where both squared norms are at least 1e-20.
    """

    def of(self, rows: Node, counts: Node | None = None) -> Node:
        norms = norm(rows, axis=-1)
        seen, pairs = norms >= LEAST_NORM, _pairs(counts)
        earlier, later = _neighbors(log(where(seen, norms, 1.0)))
        both = seen[:-1] & seen[1:]
        return _mean(square(earlier - later), both if pairs is None else both & pairs)


class HalfSquaredNorms(Penalty):
    """½ Σ_t n_t², averaged over the batch, n_t = batch · ‖g_t‖;  ḡ_t = batch · g_t.

    It makes adjoints small, vanishing ones smaller still.
    """

    def of(self, rows: Node, counts: Node | None = None) -> Node:
        batch = rows.shape[1]
        if counts is None:
            return square(rows).sum() * (0.5 * batch)  # batch² of the scale, 1/batch of the mean
        n_examples = maximum(counts.any(axis=0).astype(rows.dtype).sum(), 1.0)
        return where(expand_dims(counts, -1), square(rows), 0.0).sum() * (0.5 * batch) * (batch / n_examples)


class FirstAgainstLast(Penalty):
    """(n_1 − n_T)², averaged over the batch, n_t = batch · ‖g_t‖;  ḡ_t = ±2 (n_1 − n_T) g_t / ‖g_t‖, + for 1, − for T."""

    def of(self, rows: Node, counts: Node | None = None) -> Node:
        norms = _norms(rows)
        last = norms[-1]
        if counts is not None:
            so_far = cumsum(counts.astype(np.int64), axis=0)
            last = where(counts & (so_far == so_far[-1]), norms, 0.0).sum(axis=0)
        return _mean_of_examples(square(norms[0] - last), counts)


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


def _padding_last(rows: Node, counts: Node) -> tuple[Node, Node]:
    """Rows and counts in another order of time, each example's own: first the steps that count, as they follow each other."""
    n_steps = len(rows)
    times = np.arange(n_steps)[:, np.newaxis]
    order = argsort(where(counts, times, times + n_steps), axis=0)
    return rearranged(rows, order), rearranged(counts, order)


def _pairs(counts: Node | None) -> Node | None:
    """Which neighbors both count, where those that do come first."""
    return None if counts is None else counts[1:]


def _mean_in_time(values: Node, counts: Node | None) -> Node:
    """Of values (time, batch) those of each example."""
    if counts is None:
        return values.mean(axis=0)
    return where(counts, values, 0.0).sum(axis=0) / maximum(counts.astype(values.dtype).sum(axis=0), 1.0)


def _variance_in_time(values: Node, counts: Node | None) -> Node:
    if counts is None:
        return values.var(axis=0)
    return _mean_in_time(square(values - _mean_in_time(values, counts)), counts)


def _mean_of_examples(values: Node, counts: Node | None) -> Node:
    """The mean over the examples with a step that counts."""
    return values.mean() if counts is None else _mean(values, counts.any(axis=0))


def _mean(terms: Node, counts: Node) -> Node:
    """The mean over the terms that count; 0 where none does."""
    return where(counts, terms, 0.0).sum() / maximum(counts.astype(terms.dtype).sum(), 1.0)


# Weights of penalties ----------------------------------------------------------------------------------------------


def _checked_weight(owner: str, weight: Weight) -> float | Node:
    """A number, or a node; of a schedule the node that follows it."""
    if callable(weight) and not isinstance(weight, Node):
        return Scheduled(weight, f"{owner}(weight)")
    return not_negative(owner, "weight", weight)


def _weighted(weight: float | Node, measure: Callable[[], Node], dtype: np.dtype[Any]) -> Node:
    """weight · measure(); with weight 0 nothing is built."""
    if callable(weight) and not isinstance(weight, Node):
        raise TypeError("a penalty's weight became a schedule after it was made: make it anew, Omega(weight=schedule)")
    if not isinstance(weight, Node) and weight == 0:
        return Constant(np.zeros((), dtype))
    measured = measure()
    return (weight.astype(measured.dtype) if isinstance(weight, Node) else weight) * measured


def _total(terms: Sequence[Node]) -> Node:
    return sum(terms[1:], terms[0])
