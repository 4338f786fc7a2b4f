"""The tanh RNN, squeezed: its training step, and that of the loss plus Omega, the penalty on its adjoints.

Columns are examples, so that the states of one time step are one block of memory, with the inputs and a 1 below it:
[W | R | b_1] [x; u; 1] is the whole pre-activation, and one product after the loop gives the gradients of W, R and b_1.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.by_hand.base import by_time, cross_entropy, omega
from benchmarks.squeezed.base import Squeezed

if TYPE_CHECKING:
    from benchmarks.rows import Problem


class Recurrence(Squeezed):
    """What the steps of recurrent nets share: the inputs stored as [state; input; 1] per time step, and the readout."""

    def __init__(self, problem: Problem, n_states: int) -> None:
        super().__init__(problem)
        batch, steps, features = problem.inputs.shape
        self.n, self.features, self.steps, self.batch, self.dtype = (
            n_states, features, steps, batch, problem.inputs.dtype,
        )  # fmt: skip
        self.rows, self.targets = np.arange(batch), problem.targets
        self.seen = self.empty(steps + 1, n_states + features + 1)  # [x; u; 1]
        self.seen[0, :n_states] = 0
        self.seen[:-1, n_states:-1] = problem.inputs.transpose(1, 2, 0)
        self.seen[:, -1] = 1
        self.x = self.seen[:, :n_states]
        self.seen_at, self.x_at = by_time(self.seen), by_time(self.x)
        self.wide = np.empty((self.seen.shape[1], steps, batch), self.dtype)  # [x; u; 1] by rows, for weight gradients
        self.logits = self.empty(len(problem.parameters[self.readout[1]]))
        self.adjoint = self.empty(n_states)
        self.half = np.array(0.5, self.dtype)  # an array without axes: ufuncs take it quicker than a number

    readout = ("readout.W", "readout.b")

    def empty(self, *shape: int) -> Any:
        """A buffer of columns, one per example."""
        return np.empty((*shape, self.batch), self.dtype)

    def read_out(self, scale: float) -> float:
        """The loss of the last state; leaves the error in `logits`, and the readout's gradients in the store."""
        values, gradients = self.store.values, self.store.gradients
        V, b = self.readout
        np.matmul(values[V], self.x_at[-1], out=self.logits)
        self.logits += values[b][:, np.newaxis]
        loss = cross_entropy(self.logits.T, self.rows, self.targets, scale)
        np.matmul(self.logits, self.x_at[-1].T, out=gradients[V])
        np.add.reduce(self.logits, axis=1, out=gradients[b])
        return loss

    def against_seen(self, adjoints: Any, out: Any) -> Any:
        """Σ_t a_t [x_{t-1}; u_t; 1]' as one product, from the adjoints by rows, (rows, time, batch)."""
        np.copyto(self.wide, self.seen[:-1].transpose(1, 0, 2))
        columns = self.steps * self.batch
        return np.matmul(adjoints.reshape(-1, columns), self.wide.reshape(-1, columns).T, out=out)


class RNN(Recurrence):
    """Two calls per time step forward (product, tanh), two back (times 1 − x², product)."""

    readout = ("V", "b_o")

    def __init__(self, problem: Problem) -> None:
        n = problem.row.sizes["units"]
        super().__init__(problem, n)
        self.weights = np.empty((n, self.seen.shape[1]), self.dtype)  # [W | R | b_1]
        self.slopes = np.empty_like(self.weights)
        self.W_T = np.empty((n, n), self.dtype)
        self.driven = self.empty(n)
        self.a = self.empty(self.steps, n)  # 1 − x², then the adjoints of the pre-activations
        self.a_at = by_time(self.a)
        self.a_wide = np.empty((n, self.steps, self.batch), self.dtype)

    def sweep(self) -> float:
        self._forward()
        loss = self.read_out(self.scale)
        adjoint = np.matmul(self.store.values["V"].T, self.logits, out=self.adjoint)
        np.copyto(self.W_T, self.store.values["W"].T)
        back = self.W_T.dot
        for a in reversed(self.a_at):
            a *= adjoint
            back(a, adjoint)
        np.copyto(self.a_wide, self.a.transpose(1, 0, 2))
        self._unpack(self.against_seen(self.a_wide, self.slopes))
        return loss

    def _forward(self) -> None:
        values, n = self.store.values, self.n
        self.weights[:, :n], self.weights[:, n:-1], self.weights[:, -1] = values["W"], values["R"], values["b_1"]
        ahead, tanh, driven = self.weights.dot, np.tanh, self.driven
        for seen, x in zip(self.seen_at, self.x_at[1:], strict=False):
            ahead(seen, driven)
            tanh(driven, x)
        np.multiply(self.x[1:], self.x[1:], out=self.a)
        np.subtract(1, self.a, out=self.a)

    def _unpack(self, slopes: Any) -> None:
        gradients, n = self.store.gradients, self.n
        gradients["W"][:], gradients["R"][:], gradients["b_1"][:] = slopes[:, :n], slopes[:, n:-1], slopes[:, -1]


class PenalizedRNN(RNN):
    """Loss + weight · Omega: the states ahead, their adjoints λ_t back, the adjoints μ_t of those ahead, and back again.

    With D_t = 1 − x_t², δ_t = λ_t D_t and λ_{t-1} = W' δ_t the gradient sweep reads
        ahead:  ν_t = W μ_{t-1},  μ_t = ∂Ω/∂λ_t + ν_t D_t,  ∂/∂x_t = −2 x_t ν_t λ_t,  W̄ = Σ δ_t μ_{t-1}'
        turn:   ē = V μ_T,  V̄ = e μ_T',  and through the softmax into the logits
        back:   α_t = x̄_t D_t,  x̄_{t-1} = W' α_t + ∂/∂x_{t-1},  W̄ = Σ α_t x_{t-1}'
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.weight = problem.row.sizes["weight"]
        n, steps = self.n, self.steps
        self.D = self.a  # α_t takes the place of D_t at the end
        self.D_at = self.a_at
        self.g, self.delta, self.mu, self.nu = (self.empty(steps, n) for _ in range(4))
        self.at = [by_time(a) for a in (self.g, self.delta, self.mu, self.nu)]
        self.delta_wide, self.mu_wide = (np.empty((n, steps - 1, self.batch), self.dtype) for _ in range(2))
        self.W_second = np.empty((n, n), self.dtype)
        self.V_second = np.empty_like(self.store.values["V"])
        self.square = np.empty((steps, self.batch), self.dtype)

    def sweep(self) -> float:
        self._forward()
        loss = self.read_out(1.0)
        W, V = self.store.values["W"], self.store.values["V"]
        probabilities = self.logits * self.batch
        probabilities[self.targets, self.rows] += 1
        self._adjoints(W, V)
        np.einsum("tnb,tnb->tb", self.g, self.g, out=self.square)
        penalty, slope = omega(self.square, self.weight)
        slope *= self.scale
        np.multiply(self.g, slope[:, np.newaxis], out=self.mu)
        self._ahead(W)
        self._turn(V, probabilities)
        self._back(V)
        self._weights_gradients()
        return loss + penalty

    def _adjoints(self, W: Any, V: Any) -> None:
        g_at, delta_at, _, _ = self.at
        np.matmul(V.T, self.logits, out=g_at[-1])
        np.copyto(self.W_T, W.T)
        back, multiply = self.W_T.dot, np.multiply
        for (g, delta, D), before in zip(
            zip(g_at[:0:-1], delta_at[:0:-1], self.D_at[:0:-1], strict=True), g_at[-2::-1], strict=True
        ):
            multiply(g, D, delta)
            back(delta, before)

    def _ahead(self, W: Any) -> None:
        _, _, mu_at, nu_at = self.at
        ahead, multiply, scratch = W.dot, np.multiply, self.driven
        for (before, mu), nu, D in zip(pairwise(mu_at), nu_at[1:], self.D_at[1:], strict=True):
            ahead(before, nu)
            multiply(nu, D, scratch)
            mu += scratch

    def _turn(self, V: Any, f: Any) -> None:
        """Through e = (f − e(y)) / batch: `logits` then holds the whole adjoint of the logits, times the rate."""
        error, last = self.logits, self.mu[-1]
        np.matmul(error, last.T, out=self.V_second)
        second = V @ last
        second -= np.add.reduce(f * second, axis=0)
        second *= f
        second *= 1 / self.batch
        error *= self.scale
        error += second
        gradients = self.store.gradients
        np.matmul(error, self.x_at[-1].T, out=gradients["V"])
        gradients["V"] += self.V_second
        np.add.reduce(error, axis=1, out=gradients["b_o"])

    def _back(self, V: Any) -> None:
        direct = self.nu  # ∂/∂x_t = −2 x_t ν_t λ_t, in the place of ν_t; 0 at t = 1, where no adjoint goes on
        direct[0] = 0
        direct[1:] *= self.g[1:]
        direct *= self.x[1:]
        direct *= -2
        adjoint = np.matmul(V.T, self.logits, out=self.adjoint)
        back = self.W_T.dot
        for a, own in zip(reversed(self.D_at), reversed(self.at[3]), strict=True):
            adjoint += own
            a *= adjoint
            back(a, adjoint)

    def _weights_gradients(self) -> None:
        np.copyto(self.a_wide, self.a.transpose(1, 0, 2))
        self._unpack(self.against_seen(self.a_wide, self.slopes))
        columns = (self.steps - 1) * self.batch
        np.copyto(self.delta_wide, self.delta[1:].transpose(1, 0, 2))
        np.copyto(self.mu_wide, self.mu[:-1].transpose(1, 0, 2))
        np.matmul(self.delta_wide.reshape(-1, columns), self.mu_wide.reshape(-1, columns).T, out=self.W_second)
        self.store.gradients["W"] += self.W_second
