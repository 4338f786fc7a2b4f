"""Losses: functions of (outputs, targets) that give a scalar node, the mean over the batch.

Every loss says what it sums and what it averages by the same arguments:

* `over_outputs`, where an example has several outputs (the last axis): their "mean", or their "sum".
* `over_examples` (all axes before it: batch, or batch and time): "mean", "sum", or "none", which gives a node of one
  number per example.
* `weights`, numbers from 0 on, and `mask`, booleans that are False where a sequence is padded: of the examples' shape, or
  of its first axes. The mean is then Σ w l / Σ w over the examples that the mask leaves. What the mask leaves out (outputs
  and targets) may hold anything, nan and labels out of range included: it is neither looked at nor sent an adjoint.

Targets, weights and masks are arrays or nodes. What is asked of their values is asked in replays too: targets are never
nan or inf, class indices are integers in range. Where nothing is left to average (every example masked, ignored or of
weight 0) the mean is a ValueError, the sum 0.

Where a loss has a kink its derivative is a choice: |e|' = 0 at 0, and a hinge or a ranking loss has derivative 0 where it
just becomes 0 (at the margin). Away from these points no choice matters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from minigrad.context import scope
from minigrad.models.inputs import Indices, above_zero, array_of, index_advice, not_negative, number
from minigrad.node import Input, Node
from minigrad.ops import (
    absolute,
    broadcast_to,
    clip,
    expand_dims,
    isinf,
    log,
    log_softmax,
    maximum,
    norm,
    relu,
    softplus,
    square,
    take_along_axis,
    where,
)
from minigrad.ops.arithmetic import PiecewiseConstant
from minigrad.ops.base import Elementwise, Entries
from minigrad.wording import instead

if TYPE_CHECKING:
    from minigrad.operators import Operand

OverOutputs = Literal["mean", "sum"]
OverExamples = Literal["mean", "sum", "none"]


# Classes -----------------------------------------------------------------------------------------------------------


def cross_entropy(
    logits: Node,
    class_indices: Operand,
    *,
    from_logits: bool = True,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    over_examples: OverExamples = "mean",
    weights: Operand | None = None,
    mask: Operand | None = None,
) -> Node:
    """−ln f_y with f = softmax(a), the negative log-likelihood of the right class, averaged;  ā = (f − e(y)) / batch.

    logits:          a, (batch, n_classes), or with more leading axes (all averaged over). Not probabilities: the softmax
                     is inside, which keeps the loss finite whatever the logits
    class_indices:   y, (batch,), integers from 0 to n_classes − 1: an array, or a node, checked in replays too
    from_logits:     False takes the probabilities f themselves, rows that sum to 1;  f̄_c = −1[c = y] / (batch f_y). A
                     probability below the smallest normal number (1e-38 in float32) counts as that number
    label_smoothing: ε, from 0 to 1: the target is (1 − ε) e(y) + ε / n_classes in place of e(y), and takes its place in
                     the gradient too. C. Szegedy et al., Rethinking the Inception architecture, CVPR 2016. With ε above
                     0 a class whose logit is −∞ makes the loss infinite
    ignore_index:    a class index that stands for "no answer", such as −1 or one of the classes: examples that have it
                     are left out as by mask, and where all have it the mean is a ValueError

    >>> import minigrad as mg
    >>> from minigrad.models import losses
    >>> losses.cross_entropy(mg.Input([[1.0, 2.0, 3.0]]), [2])
    <Negative () float64 = 0.4076>
    """
    _check_outputs(logits, "cross_entropy", "logits" if from_logits else "probabilities")
    _check_classes(logits, "cross_entropy", from_logits)
    indices = _class_indices("cross_entropy", class_indices, logits)
    smoothing = _smoothing("cross_entropy", label_smoothing)
    with scope("cross_entropy"):
        examples = _Examples("cross_entropy", indices.shape, over_examples, weights, mask)
        if ignore_index is not None:
            examples.leave_out(_is_index("cross_entropy", indices, ignore_index))
        indices = Indices(examples.only(indices, 0), n=logits.shape[-1], role="outputs per example")
        log_likelihoods = _log_probabilities(logits, examples, from_logits)
        terms = take_along_axis(log_likelihoods, expand_dims(indices, -1), axis=-1)
        if smoothing:
            terms = (1 - smoothing) * terms + smoothing * log_likelihoods.mean(axis=-1, keepdims=True)
        return -examples.reduced(terms)


def categorical_cross_entropy(
    logits: Node,
    targets: Operand,
    *,
    from_logits: bool = True,
    label_smoothing: float = 0.0,
    over_examples: OverExamples = "mean",
    weights: Operand | None = None,
    mask: Operand | None = None,
) -> Node:
    """−Σ_j y_j ln f_j with f = softmax(a), averaged;  ā = (f − y) / batch,  f̄ = −y / (batch f) from probabilities.

    targets:         y, of the outputs' shape (batch, n_classes): one-hot rows, or soft ones, not below 0 and of sum 1 (to
                     0.001). One-hot rows give what `cross_entropy` gives for their indices
    from_logits:     as in `cross_entropy`
    label_smoothing: ε, from 0 to 1: (1 − ε) y + ε / n_classes takes the place of y

    A logit −∞ says that a class is out of the question, and counts 0 where its target is 0.
    """
    name = "categorical_cross_entropy"
    wanted, log_likelihoods, examples = _distributions(name, logits, targets, from_logits, over_examples, weights, mask)
    smoothing = _smoothing(name, label_smoothing)
    with scope(name):
        if smoothing:
            wanted = (1 - smoothing) * wanted + smoothing / logits.shape[-1]
        return -examples.reduced(Counted(wanted, log_likelihoods), "sum")


def kl_divergence(
    logits: Node,
    targets: Operand,
    *,
    from_logits: bool = True,
    over_examples: OverExamples = "mean",
    weights: Operand | None = None,
    mask: Operand | None = None,
) -> Node:
    """Σ_j y_j ln(y_j / f_j) with f = softmax(a), averaged;  ā = (f − y) / batch,  f̄ = −y / (batch f) from probabilities.

    targets:     y, of the outputs' shape (batch, n_classes): rows not below 0 and of sum 1 (to 0.001). Where they are a
                 node, as a teacher's are, ȳ = (ln(y / f) + 1) / batch where y is above 0
    from_logits: as in `cross_entropy`

    The Kullback-Leibler divergence of the outputs' distribution from the targets': `categorical_cross_entropy` less the
    targets' entropy, so 0 where f = y. Where y is 0 it counts 0 (0 ln 0 is 0), whatever f is.

    Source: S. Kullback and R. A. Leibler, On information and sufficiency, Annals of Mathematical Statistics 22, 1951.
    """
    name = "kl_divergence"
    wanted, log_likelihoods, examples = _distributions(name, logits, targets, from_logits, over_examples, weights, mask)
    with scope(name):
        information = log(where(wanted > 0, wanted, 1))
        return examples.reduced(Counted(wanted, information - log_likelihoods), "sum")


def binary_log_likelihood(
    logits: Node,
    targets: Operand,
    *,
    from_logits: bool = True,
    over_outputs: OverOutputs = "mean",
    over_examples: OverExamples = "mean",
    weights: Operand | None = None,
    mask: Operand | None = None,
) -> Node:
    """y ln p + (1 − y) ln(1 − p) with p = sigmoid(z), averaged;  z̄ = (y − p) / n, where the mean divides by n.

    From probabilities p̄ = (y/p − (1 − y)/(1 − p)) / n. It is to be maximized, so minimize its negative: the minus stands
    outside, in `binary_cross_entropy`, and only there.
    """
    name = "binary_log_likelihood"
    with scope(name):
        terms, examples = _binary_log_likelihoods(name, logits, targets, from_logits, over_examples, weights, mask)
        return examples.reduced(terms, over_outputs)


def binary_cross_entropy(
    logits: Node,
    targets: Operand,
    *,
    from_logits: bool = True,
    label_smoothing: float = 0.0,
    pos_weight: Operand | None = None,
    over_outputs: OverOutputs = "mean",
    over_examples: OverExamples = "mean",
    weights: Operand | None = None,
    mask: Operand | None = None,
) -> Node:
    """−(y ln p + (1 − y) ln(1 − p)) with p = sigmoid(z), averaged;  z̄ = (p − y) / n,  where the mean divides by n.

    logits:          z, (batch,) or (batch, n_outputs) of independent yes-or-no answers, with any number of leading axes
    targets:         y, of the outputs' shape: 0 or 1, booleans, or a probability between
    from_logits:     False takes the probabilities p, between 0 and 1;  p̄ = −(y/p − (1 − y)/(1 − p)) / n. There p and
                     1 − p below the smallest normal number (1e-38 in float32) count as that number
    label_smoothing: ε, from 0 to 1: (1 − ε) y + ε / 2 takes the place of y
    pos_weight:      w, how much more a yes counts than a no, −(w y ln p + (1 − y) ln(1 − p)): a number of at least 0, or
                     one for each output, (n_outputs,). Unlike `weights` it is not part of what the mean divides by

    >>> import minigrad as mg
    >>> from minigrad.models import losses
    >>> round(float(losses.binary_cross_entropy(mg.Input([0.3]), [1], from_logits=False)), 6)
    1.203973
    """
    name = "binary_cross_entropy"
    with scope(name):
        terms, examples = _binary_log_likelihoods(
            name,
            logits,
            targets,
            from_logits,
            over_examples,
            weights,
            mask,
            _smoothing(name, label_smoothing),
            pos_weight,
        )
        return -examples.reduced(terms, over_outputs)


# Numbers -----------------------------------------------------------------------------------------------------------


def mean_squared_error(
    outputs: Node,
    targets: Operand,
    *,
    over_outputs: OverOutputs = "mean",
    over_examples: OverExamples = "mean",
    weights: Operand | None = None,
    mask: Operand | None = None,
) -> Node:
    """(1/n) Σ e² with e = outputs − targets, the mean over all n elements;  gradient 2 e / n.

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
    with scope("mean_squared_error"):
        errors, examples = _errors("mean_squared_error", outputs, targets, over_examples, weights, mask)
        return examples.reduced(square(errors), over_outputs)


def mean_absolute_error(
    outputs: Node,
    targets: Operand,
    *,
    over_outputs: OverOutputs = "mean",
    over_examples: OverExamples = "mean",
    weights: Operand | None = None,
    mask: Operand | None = None,
) -> Node:
    """(1/n) Σ |e| with e = outputs − targets, the mean over all n elements;  gradient sgn(e) / n, 0 at e = 0.

    over_outputs="sum": (1/m) Σ_i Σ_j |e_ij|, gradient sgn(e) / m. The mean of norms is `mean_euclidean_norm`.
    """
    with scope("mean_absolute_error"):
        errors, examples = _errors("mean_absolute_error", outputs, targets, over_examples, weights, mask)
        return examples.reduced(absolute(errors), over_outputs)


def huber(
    outputs: Node,
    targets: Operand,
    *,
    delta: float = 1.0,
    over_outputs: OverOutputs = "mean",
    over_examples: OverExamples = "mean",
    weights: Operand | None = None,
    mask: Operand | None = None,
) -> Node:
    """½ e² where |e| ≤ δ, else δ (|e| − δ/2), the mean over all elements, e = outputs − targets;  gradient c / (number of
    elements) with c = min(max(e, −δ), δ).

    A square near 0 and a line farther out, so outliers pull with a slope of at most δ.

    delta: δ, a number above 0, where the line begins

    Source: P. J. Huber, Robust estimation of a location parameter, Annals of Mathematical Statistics 35, 1964.

    >>> import minigrad as mg
    >>> from minigrad.models import losses
    >>> losses.huber(mg.Input([0.5, 3.0]), [0, 0], over_examples="none").value
    array([0.125, 2.5  ])
    """
    delta = above_zero("huber", "delta", delta)
    with scope("huber"):
        errors, examples = _errors("huber", outputs, targets, over_examples, weights, mask)
        near = clip(errors, -delta, delta)
        return examples.reduced(near * (errors - near / 2), over_outputs)


def mean_euclidean_norm(
    outputs: Node,
    targets: Operand,
    *,
    over_examples: OverExamples = "mean",
    weights: Operand | None = None,
    mask: Operand | None = None,
) -> Node:
    """(1/m) Σ_i ‖e_i‖ with e = outputs − targets, ‖e_i‖ = (Σ_j e_ij²)^½, over m examples;  gradient e_i / (m ‖e_i‖), 0 at 0.

    The distance from target to output, (batch, n_outputs). It is the mean absolute error only of a single output.
    """
    with scope("mean_euclidean_norm"):
        errors, examples = _errors("mean_euclidean_norm", outputs, targets, over_examples, weights, mask)
        if errors.ndim < 2:
            raise ValueError(f"mean_euclidean_norm: expected outputs (batch, n_outputs), found {outputs.label}")
        return examples.reduced(norm(errors, axis=-1, keepdims=True))


def squared_error(output: Node, target: Operand) -> Node:
    """Σ_j e_j², e = output − target, of one example: a number, or a vector of outputs without a batch;  gradient 2 e."""
    name = "squared_error"
    _check_outputs(output, name, "an output")
    if output.ndim > 1:
        raise ValueError(
            f"{name}: expected the output of one example, () or (n_outputs,), found {output.label}: for a batch write "
            'losses.mean_squared_error(outputs, targets, over_outputs="sum")'
        )
    wanted = _numbers_like(output, target, name)
    with scope(name):
        return square(output - FiniteTargets(wanted)).sum()


def half_least_squares(
    outputs: Node,
    targets: Operand,
    *,
    over_outputs: OverOutputs = "sum",
    over_examples: OverExamples = "sum",
    weights: Operand | None = None,
    mask: Operand | None = None,
) -> Node:
    """½ Σ_i Σ_j e_ij², e = outputs − targets, a sum and not a mean;  gradient e, of θ where outputs = X θ: −X'(y − X θ).

    What ridge regression adds (μ/2)‖θ‖² to: `minigrad.models.linear`.
    """
    with scope("half_least_squares"):
        errors, examples = _errors("half_least_squares", outputs, targets, over_examples, weights, mask)
        return examples.reduced(0.5 * square(errors), over_outputs)


# Margins -----------------------------------------------------------------------------------------------------------


def hinge(
    outputs: Node,
    targets: Operand,
    *,
    labels: Literal["signs", "zero_one"] = "signs",
    over_outputs: OverOutputs = "sum",
    over_examples: OverExamples = "mean",
    weights: Operand | None = None,
    mask: Operand | None = None,
) -> Node:
    """max(0, 1 − y ŷ), summed over the outputs and averaged over the examples;  gradient −y 1[y ŷ < 1] / batch.

    outputs: ŷ, scores and not probabilities: (batch,) for the two classes of a support vector machine, where
             ŷ = w'x + b has the gradients 1/K Σ 1[m_i < 1] (−y_i x_i) of w and 1/K Σ 1[m_i < 1] (−y_i) of b; or
             (batch, n_outputs)
    targets: y, of the outputs' shape, −1 or 1
    labels:  "zero_one" takes targets 0 or 1, and takes them literally: where y is 0 the loss is 1 whatever the output, and
             the gradient 0. To have 0 mean −1 write 2 * targets - 1

    Source: C. Cortes and V. Vapnik, Support-vector networks, Machine Learning 20, 1995.
    """
    _check_outputs(outputs, "hinge", "outputs")
    if labels not in ("signs", "zero_one"):
        raise ValueError(f'hinge(labels={labels!r}): "signs" (targets −1 or 1) or "zero_one"')
    wanted = _numbers_like(outputs, targets, "hinge", booleans=labels == "zero_one")
    with scope("hinge"):
        examples = _Examples.of(outputs, "hinge", over_examples, weights, mask)
        y = Labels(examples.only(wanted, 1), lowest=-1 if labels == "signs" else 0)
        return examples.reduced(relu(1 - y * examples.only(outputs, 0)), over_outputs)


def multi_class_hinge(
    outputs: Node,
    class_indices: Operand,
    *,
    margin: float = 1.0,
    over_outputs: Literal["max", "sum", "mean"] = "max",
    over_examples: OverExamples = "mean",
    weights: Operand | None = None,
    mask: Operand | None = None,
) -> Node:
    """max_j m_j with m_j = max(0, Δ + ŷ_j − ŷ_y) over the wrong classes j ≠ y, averaged;  ŷ̄_j = 1/batch for the first
    largest m_j above 0 and ŷ̄_y = −1/batch, else 0.

    outputs:       ŷ, scores and not probabilities, (batch, n_classes), or with more leading axes
    class_indices: y, (batch,), integers from 0 to n_classes − 1
    margin:        Δ, by how much the right class shall score higher than every other one
    over_outputs:  "max" counts the worst wrong class, "sum" all of them, Σ_{j ≠ y} m_j with gradients 1[m_j > 0] / batch
                   and −Σ_j 1[m_j > 0] / batch for the right class, "mean" divides that sum by n_classes

    Sources: "max" K. Crammer and Y. Singer, On the algorithmic implementation of multiclass kernel-based vector machines,
    JMLR 2, 2001 (Keras's CategoricalHinge); "sum" J. Weston and C. Watkins, Support vector machines for multi-class pattern
    recognition, ESANN 1999 ("mean" is PyTorch's multi_margin_loss).

    >>> import minigrad as mg
    >>> from minigrad.models import losses
    >>> float(losses.multi_class_hinge(mg.Input([[2.0, 1.5, 0.0]]), [0]))
    0.5
    """
    name = "multi_class_hinge"
    _check_outputs(outputs, name, "outputs")
    _check_classes(outputs, name, from_logits=True)
    indices = _class_indices(name, class_indices, outputs)
    margin = not_negative(name, "margin", number(name, "margin", margin))
    if over_outputs not in ("max", "sum", "mean"):
        raise ValueError(f'{name}(over_outputs={over_outputs!r}): "max", "sum" or "mean"')
    with scope(name):
        examples = _Examples(name, indices.shape, over_examples, weights, mask)
        scores = examples.only(outputs, 0)
        right = expand_dims(Indices(examples.only(indices, 0), n=outputs.shape[-1], role="outputs per example"), -1)
        margins = relu(scores - take_along_axis(scores, right, axis=-1) + margin)
        margins = where(right == np.arange(outputs.shape[-1]), 0, margins)
        if over_outputs == "max":
            return examples.reduced(margins.max(axis=-1))
        return examples.reduced(margins, over_outputs)


def max_margin_ranking(
    scores: Node,
    corrupt_scores: Node,
    *,
    margin: float = 1.0,
    over_examples: OverExamples = "mean",
    weights: Operand | None = None,
    mask: Operand | None = None,
) -> Node:
    """max(Δ + s_c − s, 0), averaged;  s̄ = −1/batch and s̄_c = 1/batch where that is above 0, else 0.

    A true example shall score higher than a corrupt one, by the margin Δ; where it does, nothing is updated. margin=0 is
    the ranking loss without margin, max(s_c − s, 0). Both scores are nodes of one shape, (batch,) or with more axes, every
    entry a pair.

    Source: R. Collobert et al., Natural language processing (almost) from scratch, JMLR 12, 2011.
    """
    name = "max_margin_ranking"
    _check_outputs(scores, name, "scores")
    _check_outputs(corrupt_scores, name, "corrupt scores")
    _check_shape(name, "corrupt scores", corrupt_scores, scores)
    margin = not_negative(name, "margin", margin)
    with scope(name):
        examples = _Examples(name, scores.shape, over_examples, weights, mask)
        lead = examples.only(corrupt_scores, 0) - examples.only(
            scores, 0
        )  # first: a large score would swallow the margin
        return examples.reduced(relu(lead + margin))


class Counted(Elementwise):
    """y = w l, 0 where w = 0 though l is infinite, since 0 ln 0 is 0;  l̄ = ȳ w, w̄ = ȳ l, 0 where l does not count."""

    __slots__ = ()
    analytic = False

    def fprop(self, weight: Any, logarithm: Any) -> Any:
        return weight * np.where((weight == 0) & np.isinf(logarithm), 0, logarithm)

    def bprop(self, adjoint: Node) -> Entries:
        weight, _ = self.children
        return lambda: adjoint * self._finite(), lambda: adjoint * weight

    def _finite(self) -> Node:
        weight, logarithm = self.children
        return where((weight == 0) & isinf(logarithm), 0, logarithm)


# What is asked of values -------------------------------------------------------------------------------------------


class Labels(PiecewiseConstant):
    """y = x;  no adjoint. Raises where an entry is neither `lowest` (−1 or 0) nor 1, in replays too."""

    __slots__ = ()
    lowest: int

    def fprop(self, x: Any, *, lowest: int) -> Any:
        wrong = (x != lowest) & (x != 1)
        if wrong.any():
            other = "0 and 1 go with labels='zero_one'" if lowest else "−1 and 1 go with labels='signs'"
            raise ValueError(f"{_first(x, wrong, 'targets')}: expected {lowest} or 1 ({other})")
        return x


class Checked(Elementwise):
    """y = x;  x̄ = ȳ. Raises where values are not what the subclass asks, in replays too; a nan never is."""

    __slots__ = ()
    checked = "definition"

    def bprop(self, adjoint: Node) -> Entries:
        return adjoint


class Probabilities(Checked):
    """y = x, all entries in [0, 1];  x̄ = ȳ."""

    __slots__ = ()
    role: str

    def fprop(self, x: Any, *, role: str) -> Any:
        wrong = ~((np.real(x) >= 0) & (np.real(x) <= 1))
        if wrong.any():
            advice = "probabilities lie between 0 and 1; logits go with from_logits=True"
            raise ValueError(f"{_first(x, wrong, role)}: {advice if role == 'probabilities' else 'expected 0 to 1'}")
        return x


class Distributions(Checked):
    """y = x, no entry below 0 and every row (last axis) of sum 1, to 0.001;  x̄ = ȳ."""

    __slots__ = ()
    role: str
    TOLERANCE: ClassVar[float] = 1e-3  # what rounding may make of a sum of many terms in float32, and more

    def fprop(self, x: Any, *, role: str) -> Any:
        wrong = ~(np.real(x) >= 0)
        if wrong.any():
            raise ValueError(f"{_first(x, wrong, role)}: probabilities are not below 0")
        sums = np.real(x).sum(axis=-1)
        wrong = ~(np.abs(sums - 1) <= self.TOLERANCE)
        if wrong.any():
            raise ValueError(f"{_first(sums, wrong, f'sums of rows of {role}')}: expected rows that sum to 1")
        return x


class FiniteTargets(Checked):
    """y = x, no entry nan or inf;  x̄ = ȳ."""

    __slots__ = ()

    def fprop(self, x: Any) -> Any:
        wrong = ~np.isfinite(x)
        if wrong.any():
            raise ValueError(
                f"{_first(x, wrong, 'targets')}: expected finite numbers; what was not measured is left out by mask="
            )
        return x


class ExampleWeights(Checked):
    """y = x, finite and not below 0, and where a mean divides by them one at least above 0;  x̄ = ȳ."""

    __slots__ = ()
    divides: bool
    role: str

    def fprop(self, x: Any, *, divides: bool, role: str = "weights") -> Any:
        wrong = ~((np.real(x) >= 0) & (np.real(x) < np.inf))
        if wrong.any():
            raise ValueError(f"{_first(x, wrong, role)}: expected finite numbers of at least 0")
        if divides and not np.real(x).any():
            raise ValueError(
                f"all {x.size} examples are masked or have weight 0: there is nothing to take the mean of; leave such a "
                'batch out, or write over_examples="sum"'
            )
        return x


def _first(x: Any, wrong: Any, role: str) -> str:
    """How many entries are wrong, and the first of them."""
    place = tuple(np.argwhere(wrong)[0].tolist())
    return f"{np.count_nonzero(wrong)} of {x.size} {role} are wrong, the first is {x[place]} at {place}"


# What all losses share ---------------------------------------------------------------------------------------------


class _Examples:
    """The examples of a loss: which of them count, how much, and how their losses become the result."""

    def __init__(
        self,
        loss: str,
        shape: tuple[int, ...],
        over_examples: OverExamples,
        weights: Operand | None,
        mask: Operand | None,
    ) -> None:
        if over_examples not in ("mean", "sum", "none"):
            raise ValueError(f'{loss}(over_examples={over_examples!r}): "mean", "sum" or "none"')
        self.loss, self.shape, self.over_examples = loss, shape, over_examples
        self.weights = None if weights is None else self._one_each(weights, "weights", "fiu")
        self.mask = None if mask is None else self._one_each(mask, "mask", "b")

    @classmethod
    def of(
        cls, outputs: Node, loss: str, over_examples: OverExamples, weights: Operand | None, mask: Operand | None
    ) -> _Examples:
        """The examples of outputs (..., n_outputs), or (batch,) with one output each."""
        shape = outputs.shape if outputs.ndim == 1 else outputs.shape[:-1]
        return cls(loss, shape, over_examples, weights, mask)

    def leave_out(self, ignored: Node) -> None:
        """Leave further examples out, besides those the mask leaves out."""
        self.mask = ~ignored if self.mask is None else self.mask & ~ignored

    def only(self, x: Node, instead: float) -> Node:
        """x, with another value where the mask leaves an example out: whatever stood there is of no consequence."""
        if self.mask is None:
            return x
        mask = self.mask if x.ndim == len(self.shape) else expand_dims(self.mask, -1)
        return where(mask, x, instead)

    def reduced(self, terms: Node, over_outputs: OverOutputs = "mean") -> Node:
        """One number, or one per example, from the terms: of the examples' shape, or with an axis of outputs behind."""
        if over_outputs not in ("mean", "sum"):
            raise ValueError(f'{self.loss}(over_outputs={over_outputs!r}): "mean" or "sum"')
        weights = self._weights(terms)
        if over_outputs == "mean" and self.over_examples == "mean" and weights is None:
            return terms.mean()
        if terms.ndim > len(self.shape):
            terms = terms.mean(axis=-1) if over_outputs == "mean" else terms.sum(axis=-1)
        if weights is not None:
            terms = weights * terms
        if self.over_examples == "none":
            return terms
        if self.over_examples == "sum":
            return terms.sum()
        return terms.mean() if weights is None else terms.sum() / weights.sum()

    def _weights(self, terms: Node) -> Node | None:
        """What each example counts: its weight, and 0 where the mask leaves it out; None where all count the same."""
        if self.weights is None and self.mask is None:
            return None
        if self.weights is None:
            weights = self.mask.astype(terms.dtype)  # type: ignore[union-attr]
        else:
            weights = self.only(self.weights.astype(terms.dtype), 0)
        return ExampleWeights(weights, divides=self.over_examples == "mean")

    def _one_each(self, given: Operand, role: str, kinds: str) -> Node:
        """Weights or mask as a node of the examples' shape."""
        node = given if isinstance(given, Node) else Input(array_of(f"{self.loss}({role})", given), role)
        if node.dtype.kind not in kinds:
            wanted = "booleans, False where padded" if role == "mask" else "numbers"
            raise TypeError(f"{self.loss}: expected {role} of {wanted}, found dtype {node.dtype}")
        missing = len(self.shape) - node.ndim
        if node.ndim == 0 or node.shape != self.shape[: node.ndim]:
            raise ValueError(
                f"{self.loss}: expected {role} of the examples' shape {self.shape}, or of its first axes, found {node.shape}"
            )
        return broadcast_to(node.reshape(node.shape + (1,) * missing), self.shape) if missing else node


def _errors(
    loss: str,
    outputs: Node,
    targets: Operand,
    over_examples: OverExamples,
    weights: Operand | None,
    mask: Operand | None,
) -> tuple[Node, _Examples]:
    """outputs − targets, 0 where the mask leaves an example out, and the examples."""
    _check_outputs(outputs, loss, "outputs")
    wanted = _numbers_like(outputs, targets, loss)
    examples = _Examples.of(outputs, loss, over_examples, weights, mask)
    return examples.only(outputs, 0) - FiniteTargets(examples.only(wanted, 0)), examples


def _binary_log_likelihoods(
    loss: str,
    outputs: Node,
    targets: Operand,
    from_logits: bool,
    over_examples: OverExamples,
    weights: Operand | None,
    mask: Operand | None,
    smoothing: float = 0.0,
    pos_weight: Operand | None = None,
) -> tuple[Node, _Examples]:
    """w y ln p + (1 − y) ln(1 − p), of the outputs' shape, and the examples."""
    _check_outputs(outputs, loss, "logits" if from_logits else "probabilities")
    wanted = _numbers_like(outputs, targets, loss, booleans=True)
    examples = _Examples.of(outputs, loss, over_examples, weights, mask)
    yes: Node = Probabilities(examples.only(wanted, 0), role="targets")
    if smoothing:
        yes = (1 - smoothing) * yes + smoothing / 2
    no = 1 - yes
    if pos_weight is not None:
        yes = yes * _pos_weight(loss, pos_weight, outputs)
    if from_logits:
        z = examples.only(outputs, 0)
        return -(Counted(yes, softplus(-z)) + Counted(no, softplus(z))), examples  # ln p = −softplus(−z) exactly
    p = Probabilities(examples.only(outputs, 0.5), role="probabilities")
    return yes * _safe_log(p) + no * _safe_log(1 - p), examples


def _pos_weight(loss: str, given: Operand, outputs: Node) -> Node:
    """What a yes counts: a number, or one for each output."""
    node = given if isinstance(given, Node) else Input(array_of(f"{loss}(pos_weight)", given), "pos_weight")
    if node.dtype.kind not in "fiu":
        raise TypeError(f"{loss}: expected pos_weight of numbers, found dtype {node.dtype}")
    if node.shape not in ((), outputs.shape[1:][-1:]):
        one_each = "" if outputs.ndim == 1 else f", or {outputs.shape[-1:]} for one for each output"
        raise ValueError(f"{loss}: expected pos_weight of shape (){one_each}, found {node.shape}")
    return ExampleWeights(node.astype(outputs.dtype), divides=False, role="pos_weight")


def _distributions(
    loss: str,
    outputs: Node,
    targets: Operand,
    from_logits: bool,
    over_examples: OverExamples,
    weights: Operand | None,
    mask: Operand | None,
) -> tuple[Node, Node, _Examples]:
    """Targets that are distributions, ln f, and the examples."""
    _check_outputs(outputs, loss, "logits" if from_logits else "probabilities")
    _check_classes(outputs, loss, from_logits)
    wanted = _numbers_like(outputs, targets, loss, booleans=True)
    with scope(loss):
        examples = _Examples(loss, outputs.shape[:-1], over_examples, weights, mask)
        wanted = Distributions(examples.only(wanted, 1 / outputs.shape[-1]), role="targets")
        return wanted, _log_probabilities(outputs, examples, from_logits), examples


def _log_probabilities(outputs: Node, examples: _Examples, from_logits: bool) -> Node:
    """ln f, (..., n_classes), from the logits or from the probabilities f."""
    if from_logits:
        return log_softmax(examples.only(outputs, 0))
    return _safe_log(Distributions(examples.only(outputs, 1 / outputs.shape[-1]), role="probabilities"))


def _class_indices(loss: str, class_indices: Operand, outputs: Node) -> Node:
    """Integers of the examples' shape; their range is checked where examples are left out."""
    indices = _targets(loss, class_indices)
    advice = index_advice(indices, outputs.shape)
    if indices.shape == outputs.shape and loss == "cross_entropy":
        advice += ", or take losses.categorical_cross_entropy, which takes the rows themselves"
    if indices.dtype.kind not in "iu":
        raise TypeError(
            f"{loss}: expected integer class indices, found {indices.label} of dtype {indices.dtype}{advice}"
        )
    if indices.shape != outputs.shape[:-1]:
        role = "logits" if loss == "cross_entropy" else "outputs"
        raise ValueError(
            f"{loss}: expected class indices of shape {outputs.shape[:-1]} for {role} of shape {outputs.shape}, found "
            f"{indices.shape}{advice}"
        )
    return indices


def _is_index(loss: str, indices: Node, ignored: int) -> Node:
    """Where the indices are the ignored one, which need not fit into their dtype."""
    if isinstance(ignored, bool) or not isinstance(ignored, int | np.integer):
        raise TypeError(f"{loss}(ignore_index={ignored!r}): expected an integer, or None to leave nothing out")
    return indices.astype(np.int64) == int(ignored)


def _smoothing(loss: str, given: float) -> float:
    """ε as a number from 0 to 1."""
    if not 0 <= number(loss, "label_smoothing", given) <= 1:
        raise ValueError(f"{loss}(label_smoothing={given!r}): expected a number from 0 (none) to 1")
    return float(given)


def _safe_log(p: Node) -> Node:
    """ln p, of the smallest normal number where p is below it (with no adjoint there), so that 0 ln 0 is 0."""
    return log(maximum(p, float(np.finfo(p.dtype).tiny)))


def _check_outputs(outputs: Node, loss: str, role: str) -> None:
    if not isinstance(outputs, Node) or outputs.dtype.kind != "f":
        found = outputs.label if isinstance(outputs, Node) else instead(outputs, "give one node")
        raise TypeError(f"{loss}: expected {role} that are a node of floating-point numbers, found {found}")


def _check_classes(outputs: Node, loss: str, from_logits: bool) -> None:
    if outputs.ndim < 2 or 0 in outputs.shape:
        role = "logits" if from_logits else "probabilities"
        raise ValueError(f"{loss}: expected {role} of shape (batch, n_classes), none of them 0, found {outputs.label}")


def _check_shape(loss: str, role: str, given: Node, outputs: Node) -> None:
    if given.shape != outputs.shape:
        advice = f": write {role}.reshape{outputs.shape}" if role == "targets" and given.size == outputs.size else ""
        raise ValueError(f"{loss}: expected {role} of shape {outputs.shape}, found {given.shape}{advice}")
    if loss != "squared_error" and (outputs.ndim == 0 or outputs.size == 0):
        raise ValueError(f"{loss}: expected outputs (batch, n_outputs), none of them 0, found {outputs.label}")


def _numbers_like(outputs: Node, targets: Operand, loss: str, *, booleans: bool = False) -> Node:
    """The targets as a node of the outputs' shape and dtype."""
    wanted = _targets(loss, targets)
    if wanted.dtype.kind == "b" and not booleans:
        raise TypeError(f"{loss}: expected targets that are numbers, found booleans: write targets.astype(float)")
    _check_shape(loss, "targets", wanted, outputs)
    return wanted.astype(outputs.dtype)


def _targets(loss: str, targets: Operand) -> Node:
    return targets if isinstance(targets, Node) else Input(array_of(f"{loss}(targets)", targets), "targets")
