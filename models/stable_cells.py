"""Cells whose form keeps states and adjoints from vanishing or exploding: by a step along a differential equation, by an
orthogonal matrix, by a matrix and its inverse in turn, by a start at the identity. `minigrad.models.stable_rnns` runs them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, SupportsIndex, Unpack, cast

import numpy as np

from minigrad.models.cells import CellOptions, CellState, GatedCell, SimpleRNNCell
from minigrad.models.initializers import cayley, he_uniform, identity, lecun_normal, normal, uniform
from minigrad.models.inputs import count, not_negative, number
from minigrad.models.layers import Activation
from minigrad.node import Array, Constant, Node
from minigrad.ops import absolute, concatenate, expm, floor, inv, relu, sigmoid, sign, triu, where

if TYPE_CHECKING:
    import numpy.typing as npt

    from minigrad.models.initializers import Initializer


class IRNNCell(SimpleRNNCell):
    """h_t = max(0, p_t),  p_t = W_x x_t + W_h h_{t-1} + b: rectified linear units that start by remembering.

    Back: p̄ = h̄_t where p_t > 0, else 0; h̄_{t-1} = p̄ W_h, and all else as in `SimpleRNNCell`.

    W_h starts at the identity, W_x at N(0, 0.001²), b at 0, unless initializers are given. State: (h,).

    Q. V. Le, N. Jaitly and G. Hinton, A simple way to initialize recurrent networks of rectified linear units, 2015.
    """

    def __init__(self, n_inputs: SupportsIndex, n_units: SupportsIndex, **options: Unpack[CellOptions]) -> None:
        super().__init__(n_inputs, n_units, relu, **_starting(options, normal(0.001), identity()))


class AntisymmetricRNNCell(GatedCell):
    """h_t = h_{t-1} + ε f(p_t),  p_t = A h_{t-1} + W_x x_t + b,  A = W_h − W_h' − γ I: a step of h' = f(A h + W_x x + b).

    Back: p̄ = ε h̄_t f'(p_t), h̄_{t-1} = h̄_t + p̄ A, W̄_x = Σ_t p̄' x_t, b̄ = Σ p̄, Ā = Σ_t p̄' h_{t-1}, W̄_h = Ā − Ā'.

    The eigenvalues of A are −γ ± i ω, so that the equation neither loses nor amplifies what it holds but for the diffusion γ.
    The step is stable where |1 + ε (−γ ± i ω)| ≤ 1 for each of them. For f(p) = p it bounds the adjoints: over k steps their norm
    changes by a factor from (1 − ε γ)^k to ((1 − ε γ)² + ε² ω²)^{k/2} with the largest ω, the norm of W_h − W_h'.

    State: (h,). W_h starts at N(0, (0.01/n)²).

    epsilon: ε, the size of a step
    gamma:   γ, the diffusion

    B. Chang, M. Chen, E. Haber and E. Chi, AntisymmetricRNN: a dynamical system view on recurrent neural networks, ICLR 2019.
    """

    recurrent_names = ()

    def __init__(
        self,
        n_inputs: SupportsIndex,
        n_units: SupportsIndex,
        activation: Activation = np.tanh,
        *,
        epsilon: float = 0.01,
        gamma: float = 0.01,
        **options: Unpack[CellOptions],
    ) -> None:
        super().__init__(n_inputs, n_units, activation, **_starting(options, None, _per_unit(0.01)))
        self.epsilon = not_negative(type(self).__name__, "epsilon", epsilon)
        self.gamma = not_negative(type(self).__name__, "gamma", gamma)

    def shared(self) -> CellState:
        return ((self.W_h - self.W_h.T - _diagonal(self.gamma, self)).T,)

    def step(self, driven: Node, state: CellState, shared: CellState) -> CellState:
        h, (A_T,) = self.seen(state[0], shared)
        return (state[0] + self.epsilon * self.activated(h @ A_T + driven),)


class ExpRNNCell(GatedCell):
    """h_t = sgn(p_t) max(0, |p_t| + c),  p_t = Q h_{t-1} + W_x x_t,  Q = exp A,  A = −A': an orthogonal recurrent matrix.

    Back: p̄ = h̄_t where |p_t| + c > 0, else 0; h̄_{t-1} = p̄ Q, c̄ = Σ p̄ sgn(p_t), Q̄ = Σ_t p̄' h_{t-1}.

    The product with Q keeps the length of an adjoint. From Q̄ the rule of `mg.expm` leads to Ā, and W̄_h is the upper triangle
    of Ā − Ā', as A is the upper triangle of W_h minus its transpose. The activation is called modReLU; where p_t is 0 it is
    0, and so is its adjoint.

    State: (h,). c takes the place of a bias. The upper triangle of W_h holds the n (n − 1)/2 parameters of Q, the rest of it
    does nothing. A starts by `initializers.cayley()`, another choice is `initializers.henaff()`; W_x at N(0, 1/n_inputs), c
    at U[−0.01, 0.01].

    M. Lezcano-Casado and D. Martínez-Rubio, Cheap orthogonal constraints in neural networks, ICML 2019; modReLU: M. Arjovsky,
    A. Shah and Y. Bengio, Unitary evolution recurrent neural networks, ICML 2016.
    """

    recurrent_names = ()

    def __init__(self, n_inputs: SupportsIndex, n_units: SupportsIndex, **options: Unpack[CellOptions]) -> None:
        super().__init__(n_inputs, n_units, **_starting(options, lecun_normal(), cayley()))
        self.activation_name = "modReLU"
        self.b = None
        self.c = self._drawn("c", (self.n_units,), uniform(-0.01, 0.01))

    def shared(self) -> CellState:
        above = triu(self.W_h, 1)
        return (expm(above - above.T).T,)

    def step(self, driven: Node, state: CellState, shared: CellState) -> CellState:
        h, (Q_T,) = self.seen(state[0], shared)
        p = h @ Q_T + driven
        return (sign(p) * relu(absolute(p) + self.c),)


class InverseRNNCell(GatedCell):
    """h_t = f(p_t),  p_t = M h_{t-1} + W_x x_t + b: k steps with M the inverse of W_h, k steps with W_h itself, and so on.

    Back: p̄ = h̄_t f'(p_t), h̄_{t-1} = p̄ M, M̄ = Σ_t p̄' h_{t-1}.

    Where M is W_h, M̄ goes to W̄_h; where it is the inverse, −M' M̄ M' does. What the one shrinks the other stretches.

    State: (h, n), n the number of steps since the start, which decides and has no adjoint: steps that a mask leaves out do not
    count. W_h starts orthogonal. Where it becomes singular, it has no inverse: LinAlgError.

    invert_every: k
    """

    n_parts = 2
    part_names = "hn"

    def __init__(
        self,
        n_inputs: SupportsIndex,
        n_units: SupportsIndex,
        activation: Activation = np.tanh,
        *,
        invert_every: SupportsIndex = 1,
        **options: Unpack[CellOptions],
    ) -> None:
        super().__init__(n_inputs, n_units, activation, **options)
        self.invert_every = count(type(self).__name__, "invert_every", invert_every)

    def shared(self) -> CellState:
        return self.W_h.T, inv(self.W_h).T

    def step(self, driven: Node, state: CellState, shared: CellState) -> CellState:
        h, (W_T, inverse_T) = self.seen(state[0], shared)
        n = state[1]
        inverts = floor(n / self.invert_every) % 2 == 0
        return self.activated(where(inverts, h @ inverse_T, h @ W_T) + driven), n + 1


class LipschitzRNNCell(GatedCell):
    """h_t = h_{t-1} + ε (A h_{t-1} + f(p_t)),  p_t = W h_{t-1} + W_x x_t + b: a linear part and one with a bounded slope.

    With A = (1 − β) (W_a + W_a') + β (W_a − W_a') − γ I, and W from W_h in the same way: symmetric and antisymmetric parts.

    Back: p̄ = ε h̄_t f'(p_t), h̄_{t-1} = h̄_t + ε h̄_t A + p̄ W, Ā = ε Σ_t h̄_t' h_{t-1}, W̄ = Σ_t p̄' h_{t-1}, and
    W̄_a = Ā + (1 − 2 β) Ā', W̄_h from W̄ likewise.

    State: (h,). W_a and W_h start at N(0, (0.1/n)²).

    epsilon: ε, the size of a step
    beta:    β, from 0, symmetric, to 1, antisymmetric
    gamma:   γ, the damping

    N. B. Erichson, O. Azencot, A. Queiruga, L. Hodgkinson and M. Mahoney, Lipschitz recurrent neural networks, ICLR 2021.
    """

    recurrent_names = ()

    def __init__(
        self,
        n_inputs: SupportsIndex,
        n_units: SupportsIndex,
        activation: Activation = np.tanh,
        *,
        epsilon: float = 0.03,
        beta: float = 0.75,
        gamma: float = 0.001,
        **options: Unpack[CellOptions],
    ) -> None:
        started_by = _starting(options, None, _per_unit(0.1))
        super().__init__(n_inputs, n_units, activation, **started_by)
        name = type(self).__name__
        self.epsilon = not_negative(name, "epsilon", epsilon)
        self.gamma = not_negative(name, "gamma", gamma)
        if not 0 <= number(name, "beta", beta) <= 1:
            raise ValueError(f"{name}(beta={beta!r}): the antisymmetric share is a number from 0 to 1")
        self.beta = float(beta)
        self.W_a = self._drawn("W_a", self.recurrent_shape(), cast("Initializer", started_by["recurrent_initializer"]))

    def shared(self) -> CellState:
        return (concatenate([self._mixed(self.W_a), self._mixed(self.W_h)]).T,)

    def step(self, driven: Node, state: CellState, shared: CellState) -> CellState:
        h, (both_T,) = self.seen(state[0], shared)
        linear, p = self._blocks(h @ both_T, 2)
        return (state[0] + self.epsilon * (linear + self.activated(p + driven)),)

    def _mixed(self, M: Node) -> Node:
        """(1 − β) (M + M') + β (M − M') − γ I."""
        return M + (1 - 2 * self.beta) * M.T - _diagonal(self.gamma, self)


class UnICORNNCell(GatedCell):
    """y_t = y_{t-1} + δ z_t,  z_t = z_{t-1} − δ (f(p_t) + α y_{t-1}),  p_t = w y_{t-1} + W_x x_t + b: undamped oscillators.

    Entry by entry, each unit by itself, with δ = ε sigmoid(c), so that every unit learns its own speed.

    Back: z̄_t gains δ ȳ_t; p̄ = −δ z̄_t f'(p_t), ȳ_{t-1} = ȳ_t + w p̄ − α δ z̄_t, z̄_{t-1} = z̄_t, w̄ = Σ p̄ y_{t-1},
    δ̄ = Σ ȳ_t z_t − z̄_t (f(p_t) + α y_{t-1}), c̄ = δ̄ δ (1 − sigmoid(c)).

    State: (y, z), y is shown. W_h is w, (n,), and starts at U[0, 1), W_x by `initializers.he_uniform()`, c at U[−0.1, 0.1].
    Several layers are a `Stacked`, each reads the y of the one below.

    epsilon: ε, the largest size of a step
    alpha:   α, the stiffness

    T. K. Rusch and S. Mishra, UnICORNN: a recurrent model for learning very long time dependencies, ICML 2021.
    """

    n_parts = 2
    part_names = "yz"
    recurrent_names = ()

    def __init__(
        self,
        n_inputs: SupportsIndex,
        n_units: SupportsIndex,
        activation: Activation = np.tanh,
        *,
        epsilon: float = 0.03,
        alpha: float = 0.9,
        **options: Unpack[CellOptions],
    ) -> None:
        super().__init__(n_inputs, n_units, activation, **_starting(options, he_uniform(), uniform(0, 1)))
        self.epsilon = not_negative(type(self).__name__, "epsilon", epsilon)
        self.alpha = not_negative(type(self).__name__, "alpha", alpha)
        self.c = self._drawn("c", (self.n_units,), uniform(-0.1, 0.1))

    def recurrent_shape(self) -> tuple[int, ...]:
        return (self.n_units,)

    def shared(self) -> CellState:
        return self.W_h, self.epsilon * sigmoid(self.c)

    def step(self, driven: Node, state: CellState, shared: CellState) -> CellState:
        seen, (w, delta) = self.seen(state[0], shared)
        y, z = state
        z = z - delta * (self.activated(w * seen + driven) + self.alpha * y)
        return y + delta * z, z


def _starting(options: CellOptions, weights: Initializer | None, recurrent: Initializer) -> CellOptions:
    """The options, with these initializers where none are given."""
    chosen = dict(options)
    for name, start in (("initializer", weights), ("recurrent_initializer", recurrent)):
        if chosen.get(name) is None:
            chosen[name] = start
    return cast("CellOptions", chosen)


def _per_unit(scale: float) -> Initializer:
    """N(0, (scale/n)²) for a matrix of n columns."""
    return partial(_normal_per_unit, scale=scale)


def _normal_per_unit(shape: tuple[int, ...], rng: np.random.Generator, dtype: npt.DTypeLike, *, scale: float) -> Array:
    return normal(scale / shape[-1])(shape, rng, dtype)


def _diagonal(gamma: float, cell: GatedCell) -> Node:
    """γ I."""
    return Constant(np.eye(cell.n_units, dtype=cell.dtype) * gamma)
