"""AdaGrad and RMSProp: every entry has a rate of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from minigrad.node import Node, Parameter
from minigrad.ops import sqrt
from minigrad.ops.control import update
from minigrad.optim.entries import Formula
from minigrad.optim.optimizers.base import Optimizer, Rates
from minigrad.optim.optimizers.given import Decays, Number, refuse_new_momentum


class AdaptiveRates(Optimizer):
    """Give every entry a rate of its own, α over the root of r, its accumulated g²: what AdaGrad and RMSProp share.

    w −= α g/(√r + ε), or with epsilon_inside α g/√(r + ε). With momentum η:  v = η v − α g/(√r + ε);  w += v;  v_0 = 0.
    """

    squares = True
    settings: tuple[str, ...] = ("momentum", "epsilon", "epsilon_inside")
    momentum = Number(0, 1)
    epsilon = Number(0, np.inf)
    initial_accumulator = Number(0, np.inf)

    def __init__(
        self,
        parameters: Iterable[Parameter],
        learning_rate: Rates = 0.01,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        *,
        epsilon_inside: bool = False,
        initial_accumulator: float = 0.0,
        weight_decay: Decays = 0.0,
        decoupled: bool = False,
        proximal_l1: Decays = 0.0,
        backend: str = "numpy",
    ) -> None:
        self.momentum, self.epsilon = momentum, epsilon
        self._has_velocity = self.momentum > 0
        self.epsilon_inside = epsilon_inside
        self.initial_accumulator = initial_accumulator
        super().__init__(
            parameters,
            learning_rate,
            weight_decay=weight_decay,
            decoupled=decoupled,
            proximal_l1=proximal_l1,
            backend=backend,
        )

    def _start(self) -> dict[str, float]:
        state = {"r": float(self.initial_accumulator)}
        return state | {"v": 0.0} if self._has_velocity else state

    def _accumulated(self) -> Callable[[Node, Node], Node]:
        """The new r, a function of the old one and g."""
        raise TypeError(
            f"{type(self).__name__} defines no _accumulated: write _accumulated(self) -> a function of (r, g)"
        )

    def _formula(self) -> Formula:
        refuse_new_momentum(self, self.momentum, self._has_velocity)
        accumulated, momentum = self._accumulated(), self.momentum
        epsilon, inside = self.epsilon, self.epsilon_inside

        def descent(w: Parameter, g: Node, r: Parameter, rate: Node) -> None:
            update(r, accumulated(r, g))
            update(w, w - g / (sqrt(r + epsilon) if inside else sqrt(r) + epsilon) * rate)

        def with_velocity(w: Parameter, g: Node, r: Parameter, v: Parameter, rate: Node) -> None:
            update(r, accumulated(r, g))
            update(v, momentum * v - g / (sqrt(r + epsilon) if inside else sqrt(r) + epsilon) * rate)
            update(w, w + v)

        return with_velocity if self._has_velocity else descent


class AdaGrad(AdaptiveRates):
    """r += g²;  w −= α g/(√r + ε), or with epsilon_inside α g/√(r + ε);  r_0 = initial_accumulator.

    r is a sum over all steps, so the rates only fall. An entry whose gradient is seldom other than 0 keeps a large one.
    An epsilon of 0 divides 0 by 0 where all gradients were 0 so far, unless initial_accumulator is positive.

    Source: J. Duchi, E. Hazan and Y. Singer, Adaptive subgradient methods for online learning and stochastic
    optimization, JMLR 12, 2011.
    """

    sums = True

    def _accumulated(self) -> Callable[[Node, Node], Node]:
        return lambda r, g: r + g**2


class RMSProp(AdaptiveRates):
    """r = ρ r + (1−ρ) g²;  w −= α g/(√r + ε), or with epsilon_inside α g/√(r + ε);  r_0 = initial_accumulator.

    r is a mean over about the last 1/(1−ρ) steps, so unlike AdaGrad's rates these can rise again.

    Source: T. Tieleman and G. Hinton, Lecture 6.5: RMSProp, Coursera: Neural networks for machine learning, 2012.
    """

    settings = (*AdaptiveRates.settings, "rho")
    rho = Number(0, 1)

    def __init__(
        self,
        parameters: Iterable[Parameter],
        learning_rate: Rates = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        *,
        epsilon_inside: bool = False,
        initial_accumulator: float = 0.0,
        weight_decay: Decays = 0.0,
        decoupled: bool = False,
        proximal_l1: Decays = 0.0,
        backend: str = "numpy",
    ) -> None:
        self.rho = rho
        super().__init__(
            parameters,
            learning_rate,
            momentum,
            epsilon,
            epsilon_inside=epsilon_inside,
            initial_accumulator=initial_accumulator,
            weight_decay=weight_decay,
            decoupled=decoupled,
            proximal_l1=proximal_l1,
            backend=backend,
        )

    def _accumulated(self) -> Callable[[Node, Node], Node]:
        rho = self.rho
        return lambda r, g: rho * r + (1 - rho) * g**2
