"""Penalties on weights, Ω(θ): `total = loss + penalty(model)`. They choose their parameters by role or by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from minigrad.context import scope
from minigrad.models.inputs import not_negative
from minigrad.models.module import Module, all_paths
from minigrad.models.scheduled import Weight, check_term, checked_weight, shown_weight, weighted
from minigrad.node import Constant, Node, Parameter, as_node
from minigrad.ops import absolute, logsumexp, relu, sign, square

if TYPE_CHECKING:
    from minigrad.operators import Operand

Role = Literal["weights", "biases", "all", "recurrent"]


class WeightPenalty(ABC):
    """A function Ω of parameters, to be added to the loss: `total = loss + penalty(model)`.

    The gradient of the sum is ∇loss + ∇Ω, so a step of gradient descent is θ ← θ − α (∇loss + μ ∇Ω), μ the penalty's
    weight. Where the loss is a mean over the batch, every step sees the full μ ∇Ω, whatever the size of the batch.
    """

    @abstractmethod
    def __call__(self, target: Module | Node | Sequence[Node]) -> Node:
        """The penalty as a scalar node: of a model's parameters, or of nodes given themselves."""

    def __add__(self, other: WeightPenalty) -> SumOf:
        return SumOf(self, other)


class ParameterPenalty(WeightPenalty):
    """weight · Σ_k Ω(θ_k) over the chosen parameters θ_k of a model. A subclass defines `of`, its Ω of one parameter.

    weight: μ: a finite number of at least 0; a schedule, a function of the step; or a node
    role:   "weights" (the default): trainable parameters of two axes or more. Biases, the gains of a normalization, initial
            states have one: they are left out. "biases": the trainable ones with less than two axes. "all": every one.
            "recurrent": the matrices that multiply the state before, W of an `RNN` and W_h of `SimpleRNN`, `LSTM`, `GRU`,
            `IRNN`, `InverseRNN`, wherever in the model they are; for a cell of one's own it names them: `recurrent_names`
    names:  patterns of paths (`model.named_parameters()`), such as "W", "dense_1.*" or ["W", "R"], instead of a role. Each
            must match; one that is shared has several paths, any of which will do

    Nodes given themselves, `penalty(W)` or `penalty([W, R])`, are all penalized.
    """

    default_role: ClassVar[Role] = "weights"

    def __init__(
        self, weight: Weight = 1.0, *, role: Role | None = None, names: str | Sequence[str] | None = None
    ) -> None:
        self.weight = checked_weight(type(self).__name__, weight)
        if role not in (None, "weights", "biases", "all", "recurrent"):
            raise ValueError(f'{type(self).__name__}(role={role!r}): "weights", "biases" or "all", or "recurrent"')
        if role is not None and names is not None:
            raise ValueError(f"{type(self).__name__}: role={role!r} or names={names!r}, not both")
        self.role: Role = role or self.default_role
        self.names = (names,) if isinstance(names, str) else None if names is None else tuple(names)

    def __call__(self, target: Module | Node | Sequence[Node]) -> Node:
        chosen = self.chosen(target)
        with scope("penalty"):
            return weighted(
                self.weight, lambda: _total([check_term(self, self.of(node)) for node in chosen]), chosen[0].dtype
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({shown_weight(self.weight)})"

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
        if self.names is not None:
            wanted = {p for pattern in self.names for p in self._matching(pattern, target)}
        elif self.role == "recurrent":
            wanted = _recurrent(target)
        else:
            wanted = {p for p in target.parameters() if self.role == "all" or (self.role == "weights") == (p.ndim >= 2)}
        found: list[Node] = [p for p in target.parameters() if p.trainable and p in wanted]
        if not found:
            said = f"role={self.role!r}" if self.names is None else f"names={self.names!r}"
            raise self._chooses_none(said, target)
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
    """μ c Σ w²;  gradient 2 μ c w. The factor c is 1, or 1/2 in the half form (μ/2) ‖θ‖², gradient μ θ.

    Half of it is what optimizers call weight decay μ (in gradient descent without momentum).

    As a prior: −ln of the Gaussian N(0, s²) is w²/(2 s²) and a constant. So with a loss that is the sum of negative
    log-likelihoods, L2(1 / (2 s²)) makes the minimum the maximum a posteriori; divide by m where the loss is their mean. For
    linear regression with noise σ that is ridge regression, in the half form with μ = σ²/s².
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
            raise ValueError(f"L2(factor={factor!r}): 1 for μ Σ w², or 0.5 for (μ/2) Σ w²")
        self.factor = float(factor)

    def of(self, w: Node) -> Node:
        squares = square(w).sum()
        return squares if self.factor == 1 else squares * self.factor


class L1(ParameterPenalty):
    """μ Σ |w|;  gradient μ sgn(w), 0 at w = 0 (chosen from the sub-differential [−1, 1]).

    The minimum has weights that are exactly 0. Steps along the sub-gradient do not reach them, they jump around 0 by about
    α μ; `proximal_step` does.

    As a prior: −ln of the Laplacian with scale b is |w|/b and a constant, so μ = 1/b with a sum of negative
    log-likelihoods; divide by m where the loss is their mean.
    """

    def of(self, w: Node) -> Node:
        return absolute(w).sum()

    def proximal_step(self, target: Module | Parameter | Sequence[Parameter], learning_rate: float) -> None:
        """w ← S(w, α μ) in place, for the chosen parameters: what to do after an optimizer's step instead of adding L1.

        One step of gradient descent on the loss alone and then this is a step of proximal gradient descent on loss + L1
        (A. Beck and M. Teboulle, A fast iterative shrinkage-thresholding algorithm, SIAM J. Imaging Sciences 2, 2009).
        """
        threshold = not_negative("L1.proximal_step", "learning_rate", learning_rate) * float(self.weight)
        for node in self.chosen(target):
            if not isinstance(node, Parameter):
                raise TypeError(f"L1.proximal_step writes into Parameters, not {node.label}")
            node.value = soft_threshold(Constant(node.value), threshold).value


class ElasticNet(ParameterPenalty):
    """μ Σ (r |w| + (1 − r)/2 w²);  gradient μ (r sgn(w) + (1 − r) w). The share of L1 is r = ratio, from 0 to 1.

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
    """μ max(|w_ij|), the largest entry and not the operator norm;  gradient μ sgn(w) at that entry, 0 elsewhere.

    Of several largest entries the first takes all (any convex combination would be a sub-gradient). Of several parameters
    each has its own maximum, and they are summed.
    """

    def of(self, w: Node) -> Node:
        return absolute(w).max()


class LogSumExp(ParameterPenalty):
    """μ ln Σ e^w over the entries of each parameter;  gradient μ softmax(w). A smooth maximum, finite whatever w."""

    def of(self, w: Node) -> Node:
        return logsumexp(w)


class SoftOrthogonality(ParameterPenalty):
    """μ Σ ‖W'W − I‖² over the recurrent matrices W, squares of all entries;  gradient 4 μ W (W'W − I).

    It is 0 where W keeps the length of every state, and so that of every adjoint on its way back through W. By default (role
    "recurrent") W is that of an `RNN`, or W_h of a recurrent layer, of which each square block counts by itself: of an LSTM
    those of the four gates, of a GRU three. Cells that make their recurrent matrix of other parameters (`AntisymmetricRNN`,
    `ExpRNN`, `LipschitzRNN`, `UnICORNN`) have none to choose.

    A matrix chosen otherwise is a stack of square blocks where its rows are a multiple of its columns; else it has the
    smaller one of W'W and W W' in the formula.

    Source: E. Vorontsov, C. Trabelsi, S. Kadoury and C. Pal, On orthogonality and learning recurrent networks with long term
    dependencies, ICML 2017.
    """

    default_role = "recurrent"

    def __init__(
        self, weight: Weight = 0.01, *, role: Role | None = None, names: str | Sequence[str] | None = None
    ) -> None:
        super().__init__(weight, role=role, names=names)

    def of(self, w: Node) -> Node:
        if w.ndim != 2:
            raise ValueError(f"SoftOrthogonality: expected matrices, found {w.label}: choose others by names=")
        rows, columns = w.shape
        if columns and rows % columns == 0 and rows > columns:
            w = w.reshape(rows // columns, columns, columns)
        gram = w @ w.mT if rows < columns else w.mT @ w
        return square(gram - np.eye(gram.shape[-1], dtype=w.dtype)).sum()


class SumOf(WeightPenalty):
    """Σ_k μ_k Ω_k, each over parameters of its own: L2(0.1) + L1(0.01, names="V");  the gradient is the sum of theirs."""

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


def _recurrent(model: Module) -> set[Parameter]:
    """The matrices that multiply the state before, of every recurrent net or cell in the model."""
    return {getattr(m, name) for _, m in model.named_modules() for name in getattr(m, "recurrent_names", ())}


def _total(terms: Sequence[Node]) -> Node:
    return sum(terms[1:], terms[0])
