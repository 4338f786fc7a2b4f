"""Penalties: what is added to the loss, weight times a function of nodes. Two kinds, by what they are functions of.

Penalties on weights, Ω(θ): `total = loss + penalty(model)`. They choose their parameters by role or by name. L2, L1,
ElasticNet, MaxNorm, LogSumExp, SoftOrthogonality, and SumOf several; `soft_threshold` and `L1.proximal_step` give exact zeros.

Penalties on the adjoints λ_t = ∂loss/∂x_t of a recurrent net's states: `total = loss + penalty(loss, states)`, what
penalized backpropagation adds to the loss. In this engine adjoints are nodes, so such a penalty is a function of nodes like
any other and its gradient is backpropagation through backpropagation: nothing else is needed. The notes' λ_t is the negative
of λ_t here, and every penalty is even in it. `NormStabilizer` is called like these and is a function of the states x_t themselves.

Penalties made of ratios do not see the scale of the loss. The others are functions of a_t, the adjoint of an example's own
loss: batch · λ_t where the loss is the mean of its examples, λ_t where it is their sum. Which of the two is read from the
nodes of the loss, in `Step` and `fit` as elsewhere; where they do not tell (a sum times a number, the root of a mean) it is a
ValueError, and `over_examples="mean"` or `"sum"` says it. Where examples have weights, the own loss of example i is what it
contributes: w_i l_i of Σ w l, and batch w_i l_i / Σ w of Σ w l / Σ w; a mask of the loss is weights 0 and 1.

Those of the notes' repository: `scaled_variance_adjoint_penalty_L2` is AdjointVariance(over_time="sum"), and with norm="l1"
that of the same name with L1; `pascanu_adjoint_penalty` is OmegaNorms(over_time="sum"), which counts no term that is 0/0;
`input_output_jacobian_norm_variance_penalty_L2` is FirstAgainstLast(). Cheaper ones, to compare with: `NormStabilizer` and
`SoftOrthogonality` need no second backpropagation.

The weight of a penalty is μ in formulas: a number, a node or a schedule. `fit` and `Step` take both kinds together:
`penalties=[L2(1e-4), Omega(0.3)]`, and the weight of the loss as `loss_weight`. They move a weight that is a schedule
(`minigrad.optim.schedules`) to every step: Omega(schedules.linear(0.3, 0.0, 1000)). It is then a node, `Scheduled`, which
programs read in every call; elsewhere write `penalty.weight.move_to(step)`.

Sources: R. Pascanu, T. Mikolov and Y. Bengio, On the difficulty of training recurrent neural networks, ICML 2013 (Omega,
eq. 9 and 10); L. Johnston and V. Patel, penalized backpropagation (the variance of the adjoint norms).
"""

from minigrad.models.recurrent_penalties import (
    LEAST_NORM,
    AdjointVariance,
    FirstAgainstLast,
    HalfSquaredNorms,
    LogRatio,
    NormStabilizer,
    Omega,
    OmegaNorms,
    Penalty,
    RelativeVariance,
    adjoint_norms,
    adjoints,
)
from minigrad.models.scheduled import Weight
from minigrad.models.weight_penalties import (
    L1,
    L2,
    ElasticNet,
    LogSumExp,
    MaxNorm,
    ParameterPenalty,
    Role,
    SoftOrthogonality,
    SumOf,
    WeightPenalty,
    soft_threshold,
)

__all__ = [
    "WeightPenalty", "ParameterPenalty", "L2", "L1", "ElasticNet", "MaxNorm", "LogSumExp", "SoftOrthogonality", "SumOf",
    "soft_threshold",
    "adjoints", "adjoint_norms", "Penalty", "Omega", "OmegaNorms", "AdjointVariance", "RelativeVariance", "LogRatio", "HalfSquaredNorms",
    "FirstAgainstLast", "NormStabilizer",
    "LEAST_NORM", "Role", "Weight",
]  # fmt: skip
