"""The tanh RNN by hand: its training step, and that of the loss plus Omega, the penalty on its adjoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.by_hand.base import Step, by_time, cross_entropy, flat, omega

if TYPE_CHECKING:
    from benchmarks.rows import Problem


class Recurrence(Step):
    """What the recurrent nets share: states (time, batch, units), what drives them (time, batch, rows), the readout.

    names: of the weights of inputs, their bias, and the readout's
    """

    W_x, b, V, b_o = "recurrent.cell.W_x", "recurrent.cell.b", "readout.W", "readout.b"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        batch, steps, features = problem.inputs.shape
        self.batch, self.steps, self.dtype = batch, steps, problem.inputs.dtype
        self.n, self.given = problem.row.sizes["units"], problem.inputs
        self.rows, self.targets = np.arange(batch), problem.targets
        self.inputs = self.empty(steps, features)
        self.x = self.empty(steps + 1, self.n)
        self.x[0] = 0
        self.x_at = by_time(self.x)
        self.driven = self.empty(steps, len(self.store.values[self.W_x]))
        self.driven_at = by_time(self.driven)
        self.adjoint = np.empty((batch, self.n), self.dtype)  # of the latest state
        self.logits = np.empty((batch, len(self.store.values[self.V])), self.dtype)
        self.ones = np.ones(steps * batch, self.dtype)
        self.half, self.one = np.array(0.5, self.dtype), np.array(1, self.dtype)

    def empty(self, steps: int, *shape: int) -> Any:
        """A buffer, time first."""
        return np.empty((steps, self.batch, *shape), self.dtype)

    def drive(self) -> None:
        """What the inputs contribute, for all time steps at once, without the bias."""
        np.copyto(self.inputs, self.given.swapaxes(0, 1))
        np.matmul(flat(self.inputs), self.store.values[self.W_x].T, out=flat(self.driven))

    def slopes_of_drive(self, adjoints: Any) -> None:
        """Those of the weights of the inputs and of their bias."""
        gradients = self.store.gradients
        np.matmul(flat(adjoints).T, flat(self.inputs), out=gradients[self.W_x])
        self.ones.dot(flat(adjoints), gradients[self.b])

    def slope_of_states(self, adjoints: Any, out: Any) -> None:
        """Σ_t a_t' x_{t-1}."""
        np.matmul(flat(adjoints).T, flat(self.x[:-1]), out=out)

    def read_out(self) -> float:
        """The loss of the last state; leaves the error in `logits`, and the readout's gradients in the store."""
        values, logits, last = self.store.values, self.logits, self.x_at[-1]
        np.matmul(last, values[self.V].T, out=logits)
        logits += values[self.b_o]
        loss = cross_entropy(logits, self.rows, self.targets)
        self.slopes_of_readout()
        np.matmul(logits, values[self.V], out=self.adjoint)
        return loss

    def slopes_of_readout(self) -> None:
        """From the adjoint of the logits, which is in their place."""
        np.matmul(self.logits.T, self.x_at[-1], out=self.store.gradients[self.V])
        np.add.reduce(self.logits, axis=0, out=self.store.gradients[self.b_o])


class RNN(Recurrence):
    """Three calls per time step forward (product, sum, tanh), two back (times 1 − x², product)."""

    W_x, b, V, b_o = "R", "b_1", "V", "b_o"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.a, self.a_at = self.driven, self.driven_at  # 1 − x², then the adjoints of the pre-activations

    def sweep(self) -> float:
        self.forward()
        loss = self.read_out()
        W, adjoint = self.store.values["W"], self.adjoint
        for a in reversed(self.a_at):
            a *= adjoint
            a.dot(W, adjoint)
        self.slopes_of_drive(self.a)
        self.slope_of_states(self.a, self.store.gradients["W"])
        return loss

    def forward(self) -> None:
        """The states, and 1 − x²."""
        self.drive()
        self.driven += self.store.values[self.b]
        W_T, tanh = self.store.values["W"].T, np.tanh
        for x, driven, new in zip(self.x_at, self.driven_at, self.x_at[1:], strict=False):
            x.dot(W_T, new)
            new += driven
            tanh(new, new)
        np.multiply(self.x[1:], self.x[1:], out=self.a)
        np.subtract(self.one, self.a, out=self.a)


class PenalizedRNN(RNN):
    """Loss + weight · Omega: the states ahead, their adjoints λ_t back, the adjoints μ_t of those ahead, and back again.

    With D_t = 1 − x_t², δ_t = λ_t D_t and λ_{t-1} = δ_t W (rows are examples) the gradient sweep reads
        ahead:  ν_t = μ_{t-1} W',  μ_t = ∂Ω/∂λ_t + ν_t D_t,  ∂/∂x_t = −2 x_t ν_t λ_t,  W̄ = Σ δ_t' μ_{t-1}
        turn:   ē = μ_T V',  V̄ = e' μ_T,  and through the softmax into the logits
        back:   α_t = x̄_t D_t,  x̄_{t-1} = α_t W + ∂/∂x_{t-1},  W̄ = Σ α_t' x_{t-1}
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.weight = problem.row.sizes["weight"]
        steps, n = self.steps, self.n
        self.g, self.delta, self.mu, self.nu = (self.empty(steps, n) for _ in range(4))
        self.g_at, self.delta_at, self.mu_at, self.nu_at = map(by_time, (self.g, self.delta, self.mu, self.nu))
        self.scratch = np.empty((self.batch, n), self.dtype)
        self.square = np.empty((steps, self.batch), self.dtype)
        self.second = {name: np.empty_like(self.store.values[name]) for name in ("W", "V")}

    def sweep(self) -> float:
        self.forward()
        loss = self.read_out()
        probabilities = self.logits * self.batch
        probabilities[self.rows, self.targets] += 1
        self._adjoints()
        np.einsum("tbn,tbn->tb", self.g, self.g, out=self.square)
        penalty, slope = omega(self.square, self.weight)
        np.multiply(self.g, slope[..., np.newaxis], out=self.mu)
        self._ahead()
        self._turn(probabilities)
        self._back()
        self._slopes()
        return loss + penalty

    def _adjoints(self) -> None:
        W, multiply = self.store.values["W"], np.multiply
        np.copyto(self.g_at[-1], self.adjoint)
        back = zip(self.g_at[:0:-1], self.a_at[:0:-1], self.delta_at[:0:-1], self.g_at[-2::-1], strict=True)
        for g, D, delta, before in back:
            multiply(g, D, delta)
            delta.dot(W, before)

    def _ahead(self) -> None:
        W_T, multiply, scratch = self.store.values["W"].T, np.multiply, self.scratch
        for before, mu, nu, D in zip(self.mu_at, self.mu_at[1:], self.nu_at[1:], self.a_at[1:], strict=False):
            before.dot(W_T, nu)
            multiply(nu, D, scratch)
            mu += scratch

    def _turn(self, f: Any) -> None:
        """Through e = (f − e(y)) / batch: `logits` then holds the whole adjoint of the logits."""
        error, last, V = self.logits, self.mu_at[-1], self.store.values["V"]
        np.matmul(error.T, last, out=self.second["V"])
        second = last @ V.T
        second -= np.add.reduce(f * second, axis=1, keepdims=True)
        second *= f
        second *= 1 / self.batch
        error += second
        self.slopes_of_readout()
        self.store.gradients["V"] += self.second["V"]
        np.matmul(error, V, out=self.adjoint)

    def _back(self) -> None:
        direct, adjoint, W = self.nu, self.adjoint, self.store.values["W"]  # ∂/∂x_t in the place of ν_t; 0 at t = 1
        direct[0] = 0
        direct[1:] *= self.g[1:]
        direct *= self.x[1:]
        direct *= -2
        for a, own in zip(reversed(self.a_at), reversed(self.nu_at), strict=True):
            adjoint += own
            a *= adjoint
            a.dot(W, adjoint)

    def _slopes(self) -> None:
        self.slopes_of_drive(self.a)
        self.slope_of_states(self.a, self.store.gradients["W"])
        np.matmul(flat(self.delta[1:]).T, flat(self.mu[:-1]), out=self.second["W"])
        self.store.gradients["W"] += self.second["W"]
