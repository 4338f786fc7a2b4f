"""LSTM and GRU by hand: gates stacked, their factors on the way back computed for all time steps at once.

The gates of a time step lie one after another, (gate, batch, units), each a block of memory: one call to np.matmul gives
all, and none of the calls that follow has to skip. Their adjoints lie side by side, (batch, gates), for the products.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.by_hand.base import by_time, flat
from benchmarks.by_hand.rnn import Recurrence

if TYPE_CHECKING:
    from benchmarks.rows import Problem


class Gated(Recurrence):
    """What both share. `driven` holds what drives the gates until `p` has it, and then the gates' adjoints, as rows."""

    W_h = "recurrent.cell.W_h"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        n, gates = self.n, len(self.store.values[self.W_h]) // self.n
        self.p = np.empty((self.steps, gates, self.batch, n), self.dtype)  # pre-activations, then gates
        self.factors = np.empty_like(self.p)  # what the gates' adjoints are multiples of
        self.by_gate = np.empty((gates, n, n), self.dtype)  # W_h' of every gate
        self.adjoints, self.adjoints_at = self.driven, self.driven_at
        self.adjoints_by_gate = self.as_gates(self.adjoints)
        self.scratch = np.empty((self.batch, n), self.dtype)

    def as_gates(self, rows: Any) -> Any:
        """Rows (time, batch, gates · units) seen as (time, gate, batch, units)."""
        return rows.reshape(self.steps, self.batch, -1, self.n).swapaxes(1, 2)

    def drive_gates(self, b: Any) -> None:
        """p, before the recurrent part; b is the bias."""
        self.drive()
        np.add(self.as_gates(self.driven), b.reshape(-1, 1, self.n), out=self.p)
        np.copyto(self.by_gate, self.store.values[self.W_h].reshape(-1, self.n, self.n).swapaxes(1, 2))

    def sigmoid(self, a: Any) -> None:
        """In place, (1 + tanh(a / 2)) / 2: as many calls as with exp, and no overflow."""
        a *= self.half
        np.tanh(a, a)
        a *= self.half
        a += self.half


class LSTM(Gated):
    """Per time step twelve calls ahead and seven back. Gates i, f, o, g.

    through_c: the factor of h̄ for c̄
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        n, p, factors, adjoints = self.n, self.p, self.factors, self.adjoints_by_gate
        self.c = self.empty(self.steps + 1, n)
        self.c[0] = 0
        self.tanh_c, self.through_c = self.empty(self.steps, n), self.empty(self.steps, n)
        self.recurrent, self.c_adjoint = np.empty(p.shape[1:], self.dtype), np.empty_like(self.scratch)
        forward = (
            self.x[:-1], p, p[:, :3], p[:, 0], p[:, 1], p[:, 2], p[:, 3], self.c[:-1], self.c[1:], self.tanh_c, self.x[1:],
        )  # fmt: skip
        self.forward_at = [by_time(a) for a in forward]
        backward = (
            self.through_c, factors[:, :2], factors[:, 2], factors[:, 3], adjoints[:, :2], adjoints[:, 2], adjoints[:, 3],
            self.adjoints, p[:, 1],
        )  # fmt: skip
        self.backward_at = [by_time(a) for a in backward]

    def sweep(self) -> float:
        self._forward()
        loss = self.read_out()
        self._factors()
        self._backward()
        self.slopes_of_drive(self.adjoints)
        self.slope_of_states(self.adjoints, self.store.gradients[self.W_h])
        return loss

    def _forward(self) -> None:
        self.drive_gates(self.store.values[self.b])
        W, recurrent, scratch = self.by_gate, self.recurrent, self.scratch
        matmul, tanh, multiply, sigmoid = np.matmul, np.tanh, np.multiply, self.sigmoid
        for before, p, sigmoids, i, f, o, g, c_before, c, tanh_c, h in zip(*self.forward_at, strict=True):
            matmul(before, W, recurrent)
            p += recurrent
            sigmoid(sigmoids)
            tanh(g, g)
            multiply(f, c_before, c)
            multiply(i, g, scratch)
            c += scratch
            tanh(c, tanh_c)
            multiply(o, tanh_c, h)

    def _factors(self) -> None:
        factors, through_c, one = self.factors, self.through_c, self.one
        i, _, o, g = self.p.swapaxes(0, 1)
        sigmoids, of_sigmoids, of_g = self.p[:, :3], factors[:, :3], factors[:, 3]
        np.subtract(one, sigmoids, out=of_sigmoids)
        of_sigmoids *= sigmoids
        factors[:, 0] *= g
        factors[:, 1] *= self.c[:-1]
        factors[:, 2] *= self.tanh_c
        np.multiply(g, g, out=of_g)
        np.subtract(one, of_g, out=of_g)
        of_g *= i
        np.multiply(self.tanh_c, self.tanh_c, out=through_c)
        np.subtract(one, through_c, out=through_c)
        through_c *= o

    def _backward(self) -> None:
        W, h_adjoint, c_adjoint, multiply = self.store.values[self.W_h], self.adjoint, self.c_adjoint, np.multiply
        c_adjoint.fill(0)
        for through_c, of_i_f, of_o, of_g, i_f, o, g, gates, f in zip(*map(reversed, self.backward_at), strict=True):
            through_c *= h_adjoint
            c_adjoint += through_c
            multiply(of_i_f, c_adjoint, i_f)
            multiply(of_o, h_adjoint, o)
            multiply(of_g, c_adjoint, g)
            c_adjoint *= f
            gates.dot(W, h_adjoint)


class GRU(Gated):
    """h_t = z h_{t-1} + (1 − z) g,  g = tanh(d_t + r q),  q = W_h h_{t-1} + b_h: z keeps, r after the product.

    Per time step thirteen calls ahead and six back. Gates z, r, g; what drives g becomes g.
    """

    b_h = "recurrent.cell.b_h"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        n, p, factors, adjoints = self.n, self.p, self.factors, self.adjoints_by_gate
        self.q = np.empty_like(p)  # the recurrent part
        self.bias = np.empty(3 * n, self.dtype)
        self.change = self.empty(self.steps, n)  # h_{t-1} − g
        self.d = self.empty(self.steps, n)  # the factor of h̄ for the adjoint of d, then this
        q = self.q
        forward = (
            self.x[:-1], q, q[:, :2], q[:, 2], p[:, :2], p[:, 0], p[:, 1], p[:, 2], self.change, self.x[1:],
        )  # fmt: skip
        self.forward_at = [by_time(a) for a in forward]
        backward = (factors[:, 0], self.d, factors[:, 1:], adjoints[:, 0], adjoints[:, 1:], self.adjoints, p[:, 0])
        self.backward_at = [by_time(a) for a in backward]

    def sweep(self) -> float:
        self._forward()
        loss = self.read_out()
        self._factors()
        self._backward()
        gradients, adjoints = self.store.gradients, self.adjoints
        self.slope_of_states(adjoints, gradients[self.W_h])
        self.ones.dot(flat(adjoints), gradients[self.b_h])
        np.copyto(self.adjoints_by_gate[:, 2], self.d)  # the inputs drive z and r as the states do, but g by d
        self.slopes_of_drive(adjoints)
        return loss

    def _forward(self) -> None:
        n, b, b_h = self.n, self.store.values[self.b], self.store.values[self.b_h]
        np.copyto(self.bias, b)
        self.bias[: 2 * n] += b_h[: 2 * n]  # for all time steps at once; that of q waits for r
        self.drive_gates(self.bias)
        W, b_q, scratch, sigmoid = self.by_gate, b_h[2 * n :], self.scratch, self.sigmoid
        matmul, tanh, multiply, subtract = np.matmul, np.tanh, np.multiply, np.subtract
        for before, all_q, q_z_r, q, z_r, z, r, g, change, h in zip(*self.forward_at, strict=True):
            matmul(before, W, all_q)
            z_r += q_z_r
            q += b_q
            sigmoid(z_r)
            multiply(r, q, scratch)
            g += scratch
            tanh(g, g)
            subtract(before, g, change)
            multiply(z, change, h)
            h += g

    def _factors(self) -> None:
        factors, d, one = self.factors, self.d, self.one
        _, r, g = self.p.swapaxes(0, 1)
        z_r, of_z_r = self.p[:, :2], factors[:, :2]
        np.subtract(one, z_r, out=of_z_r)
        np.multiply(g, g, out=d)
        np.subtract(one, d, out=d)
        d *= factors[:, 0]
        of_z_r *= z_r
        factors[:, 0] *= self.change
        factors[:, 1] *= self.q[:, 2]
        np.copyto(factors[:, 2], r)

    def _backward(self) -> None:
        W, h_adjoint, kept, multiply = self.store.values[self.W_h], self.adjoint, self.scratch, np.multiply
        for of_z, d, of_r_q, z_adjoint, r_q, gates, z in zip(*map(reversed, self.backward_at), strict=True):
            multiply(of_z, h_adjoint, z_adjoint)
            d *= h_adjoint
            multiply(of_r_q, d, r_q)
            multiply(h_adjoint, z, kept)
            gates.dot(W, h_adjoint)
            h_adjoint += kept
