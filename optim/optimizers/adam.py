"""Adam: means of the gradient and of its square."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from minigrad.node import Node, Parameter
from minigrad.ops import sqrt
from minigrad.ops.control import update
from minigrad.optim.entries import Formula
from minigrad.optim.optimizers.base import Optimizer, Rates
from minigrad.optim.optimizers.given import Decays, Number


class Adam(Optimizer):
    """m = β₁ m + (1−β₁) g;  v = β₂ v + (1−β₂) g²;  w −= α m̂ / (√v̂ + ε), with m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ).

    t counts the steps in which the parameter had a gradient. It is computed as w −= α_t m / (√v + ε_t), with
    α_t = α √(1−β₂ᵗ)/(1−β₁ᵗ) and ε_t = ε √(1−β₂ᵗ), which is the same. A g² too small for the dtype is 0, and ε alone divides.

    bias_correction: False takes m and v for m̂ and v̂: w −= α m / (√v + ε)
    epsilon_hat:     let ε_t be ε in all steps, the ε̂ of the paper's section 2, as in Keras; PyTorch has the formula above

    Source: D. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015.
    """

    counts_steps = True
    squares = True
    settings = ("beta_1", "beta_2")
    beta_1 = Number(0, 1)
    beta_2 = Number(0, 1)
    epsilon = Number(0, np.inf)

    def __init__(
        self,
        parameters: Iterable[Parameter],
        learning_rate: Rates = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *,
        bias_correction: bool = True,
        epsilon_hat: bool = False,
        weight_decay: Decays = 0.0,
        decoupled: bool = False,
        proximal_l1: Decays = 0.0,
        backend: str = "numpy",
    ) -> None:
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.bias_correction = bias_correction
        self.epsilon_hat = epsilon_hat
        super().__init__(
            parameters,
            learning_rate,
            weight_decay=weight_decay,
            decoupled=decoupled,
            proximal_l1=proximal_l1,
            backend=backend,
        )

    def _start(self) -> dict[str, float]:
        return {"m": 0.0, "v": 0.0}

    def _formula(self) -> Formula:
        beta_1, beta_2 = self.beta_1, self.beta_2

        def adam(w: Parameter, g: Node, m: Parameter, v: Parameter, rate: Node, epsilon: Node) -> None:
            update(m, beta_1 * m + (1 - beta_1) * g)
            update(v, beta_2 * v + (1 - beta_2) * g**2)
            update(w, w - m / (sqrt(v) + epsilon) * rate)

        return adam

    def _numbers(self, step: int, rate: float) -> tuple[float, ...]:
        if not self.bias_correction:
            return rate, self.epsilon
        root = (1 - self.beta_2**step) ** 0.5
        return rate * root / (1 - self.beta_1**step), self.epsilon if self.epsilon_hat else self.epsilon * root


class AdamW(Adam):
    """w ← (1 − α λ) w, then Adam's step: its weight decay is decoupled from the gradient.

    Source: I. Loshchilov and F. Hutter, Decoupled weight decay regularization, ICLR 2019.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        learning_rate: Rates = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *,
        bias_correction: bool = True,
        epsilon_hat: bool = False,
        weight_decay: Decays = 0.01,
        proximal_l1: Decays = 0.0,
        backend: str = "numpy",
    ) -> None:
        super().__init__(
            parameters,
            learning_rate,
            beta_1,
            beta_2,
            epsilon,
            bias_correction=bias_correction,
            epsilon_hat=epsilon_hat,
            weight_decay=weight_decay,
            decoupled=True,
            proximal_l1=proximal_l1,
            backend=backend,
        )
