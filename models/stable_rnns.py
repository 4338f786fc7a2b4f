"""Recurrent layers of the cells in `minigrad.models.stable_cells`, and a layer that averages another's outputs over time."""

from __future__ import annotations

import math
from typing import Any, Literal, SupportsIndex, Unpack

import numpy as np

from minigrad.models.cells import CellOptions
from minigrad.models.inputs import number
from minigrad.models.layers import Activation
from minigrad.models.recurrent import Recurrent, Steps, Unrolled, _check_layers, _run
from minigrad.models.stable_cells import (
    AntisymmetricRNNCell,
    ExpRNNCell,
    InverseRNNCell,
    IRNNCell,
    LipschitzRNNCell,
    UnICORNNCell,
)
from minigrad.node import Constant, Node
from minigrad.ops import exp, log, logsumexp, stack, tanh, where


class IRNN(Unrolled):
    """h_t = relu(W_x u_t + W_h h_{t-1} + b), t = 1..T, W_h = I at the start: rectified linear units;  the adjoints
    as in `IRNNCell`, from T to 1.

    Arguments: `CellOptions`.
    """

    def __init__(
        self,
        n_inputs: SupportsIndex,
        n_units: SupportsIndex,
        *,
        sequences: bool = False,
        **options: Unpack[CellOptions],
    ) -> None:
        super().__init__(IRNNCell(n_inputs, n_units, **options), sequences=sequences)


class AntisymmetricRNN(Unrolled):
    """h_t = h_{t-1} + ε f((W_h − W_h' − γ I) h_{t-1} + W_x u_t + b), t = 1..T: steps along a stable equation;  the
    adjoints as in `AntisymmetricRNNCell`, from T to 1.

    `epsilon`, `gamma` are those of `AntisymmetricRNNCell`; the other arguments those of `CellOptions`.
    """

    def __init__(
        self,
        n_inputs: SupportsIndex,
        n_units: SupportsIndex,
        activation: Activation = np.tanh,
        *,
        epsilon: float = 0.01,
        gamma: float = 0.01,
        sequences: bool = False,
        **options: Unpack[CellOptions],
    ) -> None:
        super().__init__(
            AntisymmetricRNNCell(n_inputs, n_units, activation, epsilon=epsilon, gamma=gamma, **options),
            sequences=sequences,
        )


class ExpRNN(Unrolled):
    """h_t = modReLU(Q h_{t-1} + W_x u_t), t = 1..T, Q = exp(A), A = −A': an orthogonal recurrent matrix;  the
    adjoints as in `ExpRNNCell`, from T to 1.

    Arguments: `CellOptions`.
    """

    def __init__(
        self,
        n_inputs: SupportsIndex,
        n_units: SupportsIndex,
        *,
        sequences: bool = False,
        **options: Unpack[CellOptions],
    ) -> None:
        super().__init__(ExpRNNCell(n_inputs, n_units, **options), sequences=sequences)


class InverseRNN(Unrolled):
    """h_t = f(W_h^{±1} h_{t-1} + W_x u_t + b), t = 1..T: a matrix and its inverse in turn;  the adjoints as in
    `InverseRNNCell`, from T to 1.

    `invert_every` is that of `InverseRNNCell`; the other arguments those of `CellOptions`.
    """

    def __init__(
        self,
        n_inputs: SupportsIndex,
        n_units: SupportsIndex,
        activation: Activation = np.tanh,
        *,
        invert_every: SupportsIndex = 1,
        sequences: bool = False,
        **options: Unpack[CellOptions],
    ) -> None:
        super().__init__(
            InverseRNNCell(n_inputs, n_units, activation, invert_every=invert_every, **options), sequences=sequences
        )


class LipschitzRNN(Unrolled):
    """h_t = h_{t-1} + ε (A h_{t-1} + f(W h_{t-1} + W_x u_t + b)), t = 1..T: a linear part and a bounded one;  the
    adjoints as in `LipschitzRNNCell`, from T to 1.

    `epsilon`, `beta`, `gamma` are those of `LipschitzRNNCell`; the other arguments those of `CellOptions`.
    """

    def __init__(
        self,
        n_inputs: SupportsIndex,
        n_units: SupportsIndex,
        activation: Activation = np.tanh,
        *,
        epsilon: float = 0.03,
        beta: float = 0.75,
        gamma: float = 0.001,
        sequences: bool = False,
        **options: Unpack[CellOptions],
    ) -> None:
        super().__init__(
            LipschitzRNNCell(n_inputs, n_units, activation, epsilon=epsilon, beta=beta, gamma=gamma, **options),
            sequences=sequences,
        )


class UnICORNN(Unrolled):
    """(y_t, z_t) = UnICORNNCell(u_t, (y_{t-1}, z_{t-1})), t = 1..T: undamped oscillators;  the adjoints as in
    `UnICORNNCell`, from T to 1.

    `epsilon`, `alpha` are those of `UnICORNNCell`; the other arguments those of `CellOptions`.
    """

    def __init__(
        self,
        n_inputs: SupportsIndex,
        n_units: SupportsIndex,
        activation: Activation = np.tanh,
        *,
        epsilon: float = 0.03,
        alpha: float = 0.9,
        sequences: bool = False,
        **options: Unpack[CellOptions],
    ) -> None:
        super().__init__(
            UnICORNNCell(n_inputs, n_units, activation, epsilon=epsilon, alpha=alpha, **options), sequences=sequences
        )


class Tilted(Recurrent):
    """h̃ = 1/β ln mean_t exp(β h_t): the last output is a tilted average of all, entry by entry;  h̄_t gains
    softmax_t(β h_t) times its adjoint.

    So a direct way leads from the loss to every time step. Large β: the maximum over time; small ones: the mean; negative
    ones: down to the minimum. Steps that a mask leaves out do not count. The outputs of the time steps, with `sequences`
    too, are the layer's own; `[*steps, steps.last]` is what penalties take where h̃ counts as a state.

    layer: any recurrent layer
    beta:  β, a finite number other than 0
    form:  "mean", as above; "tanh": 1/β ln tanh(mean_t exp(β h_t))
    """

    def __init__(
        self,
        layer: Recurrent,
        beta: float = 1.0,
        *,
        form: Literal["mean", "tanh"] = "mean",
        sequences: bool = False,
    ) -> None:
        _check_layers("Tilted", [layer])
        if not (math.isfinite(number("Tilted", "beta", beta)) and beta):
            raise ValueError(f"Tilted(beta={beta!r}): expected a finite number other than 0")
        if form not in ("mean", "tanh"):
            raise ValueError(f"Tilted(form={form!r}): expected one of 'mean', 'tanh'")
        super().__init__(layer.n_inputs, layer.n_outputs, layer.dtype, sequences)
        self.layer = layer
        self.beta = float(beta)
        self.form = form

    def unroll(self, x: Node, state: Any, present: Node | None, *, backward: bool = False) -> Steps:
        steps = _run(self.layer, type(self.layer).__name__.lower(), x, state, present, backward)
        counts = Constant(np.ones((*x.shape[:2], 1), bool)) if present is None else present
        some = counts.any(axis=0)  # a row of padding alone keeps its initial state, all steps of it
        counts = counts | ~some
        nothing = float(np.finfo(self.dtype).min / 2)  # whose exponential is 0
        tilted = logsumexp(where(counts, self.beta * stack(steps), nothing), axis=0)
        tilted = tilted - log(counts.astype(self.dtype).sum(axis=0))
        average = (tilted if self.form == "mean" else log(tanh(exp(tilted)))) / self.beta
        return Steps(steps, where(some, average, steps.last), steps.final, steps.whole)

    def description(self) -> str:
        return f"beta={self.beta:g}" + (", form='tanh'" if self.form == "tanh" else "")
