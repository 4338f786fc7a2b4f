"""LSTM and GRU by hand: gates stacked, their factors on the way back computed for all time steps at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.by_hand.base import by_time, flat
from benchmarks.by_hand.rnn import Recurrence

if TYPE_CHECKING:
    from benchmarks.rows import Problem


def _pairs(array: Any, n: int) -> Any:
    """Two neighboring blocks of n columns as an axis of their own: (time, batch, 2, n)."""
    return array.reshape(*array.shape[:-1], 2, n)


class LSTM(Recurrence):
    """Per time step twelve calls ahead and seven back. Columns i, f, o, g.

    back: the factors of h̄ for c̄ and o, those of c̄ for i, f, g, and f, which takes c̄ to the step before
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        n, p = self.n, self.driven  # pre-activations, then gates
        self.c, self.tanh_c, self.to_c = self.empty(self.steps + 1, n), self.empty(self.steps, n), self.empty(self.steps, n)
        self.c[0] = 0
        self.m = self.empty(self.steps, 4 * n)  # factors of the gates' adjoints, then these
        self.scratch, self.recurrent = np.empty((self.batch, n), self.dtype), np.empty((self.batch, 4 * n), self.dtype)
        self.c_adjoint = np.empty((self.batch, n), self.dtype)
        self.i, self.f, self.o, self.g = (p[..., k * n : (k + 1) * n] for k in range(4))
        forward = (
            self.x[:-1], p, p[..., : 3 * n], self.i, self.f, self.o, self.g, self.c[:-1], self.c[1:], self.tanh_c, self.x[1:],
        )  # fmt: skip
        self.forward_at = [by_time(a) for a in forward]
        m = self.m
        backward = (self.to_c, m[..., 2 * n : 3 * n], _pairs(m[..., : 2 * n], n), m[..., 3 * n :], m, self.f)
        self.backward_at = [by_time(a) for a in backward]

    def sweep(self) -> float:
        self.drive()
        self._forward()
        loss = self.read_out()
        self._factors()
        self._backward()
        self.slopes_of_drive(self.m)
        self.slope_of_states(self.m, self.store.gradients["recurrent.cell.W_h"])
        return loss

    def _forward(self) -> None:
        W_T, recurrent, scratch = self.store.values["recurrent.cell.W_h"].T, self.recurrent, self.scratch
        tanh, multiply, sigmoid = np.tanh, np.multiply, self.sigmoid
        for before, p, sigmoids, i, f, o, g, c_before, c, tanh_c, h in zip(*self.forward_at, strict=True):
            before.dot(W_T, recurrent)
            p += recurrent
            sigmoid(sigmoids)
            tanh(g, g)
            multiply(f, c_before, c)
            multiply(i, g, scratch)
            c += scratch
            tanh(c, tanh_c)
            multiply(o, tanh_c, h)

    def _factors(self) -> None:
        n, p, m, to_c, one = self.n, self.driven, self.m, self.to_c, self.one
        sigmoids, slopes, slope_g = p[..., : 3 * n], m[..., : 3 * n], m[..., 3 * n :]
        np.subtract(one, sigmoids, out=slopes)
        slopes *= sigmoids
        m[..., :n] *= self.g
        m[..., n : 2 * n] *= self.c[:-1]
        m[..., 2 * n : 3 * n] *= self.tanh_c
        np.multiply(self.g, self.g, out=slope_g)
        np.subtract(one, slope_g, out=slope_g)
        slope_g *= self.i
        np.multiply(self.tanh_c, self.tanh_c, out=to_c)
        np.subtract(one, to_c, out=to_c)
        to_c *= self.o

    def _backward(self) -> None:
        W, h_adjoint, c_adjoint = self.store.values["recurrent.cell.W_h"], self.adjoint, self.c_adjoint
        c_adjoint.fill(0)
        c_adjoint_for_pair = c_adjoint[:, np.newaxis]
        for to_c, o, i_f, g, m, f in zip(*map(reversed, self.backward_at), strict=True):
            to_c *= h_adjoint
            c_adjoint += to_c
            o *= h_adjoint
            i_f *= c_adjoint_for_pair
            g *= c_adjoint
            c_adjoint *= f
            m.dot(W, h_adjoint)


class GRU(Recurrence):
    """h_t = z h_{t-1} + (1 − z) g,  g = tanh(d_t + r q),  q = W_h h_{t-1} + b_h: z keeps, r after the product.

    Per time step thirteen calls ahead and six back. Columns z, r, g; what drives g becomes g, and then the adjoint of d.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        n, p = self.n, self.driven
        self.q, self.m = self.empty(self.steps, 3 * n), self.empty(self.steps, 3 * n)
        self.change = self.empty(self.steps, n)  # h_{t-1} − g
        self.scratch = np.empty((self.batch, n), self.dtype)
        self.z, self.r, self.g = (p[..., k * n : (k + 1) * n] for k in range(3))
        self.z_r, self.q_g = p[..., : 2 * n], self.q[..., 2 * n :]
        forward = (
            self.x[:-1], self.q, self.q[..., : 2 * n], self.q_g, self.z_r, self.z, self.r, self.g, self.change, self.x[1:],
        )  # fmt: skip
        self.forward_at = [by_time(a) for a in forward]
        m = self.m
        self.to_d = self.empty(self.steps, n)  # factor of h̄, then the adjoint of d
        backward = (m[..., :n], self.to_d, _pairs(m[..., n:], n), self.to_d[:, :, np.newaxis], m, self.z)
        self.backward_at = [by_time(a) for a in backward]

    def sweep(self) -> float:
        self.drive()
        self._forward()
        loss = self.read_out()
        self._factors()
        self._backward()
        gradients, adjoints = self.store.gradients, self.m
        self.slope_of_states(adjoints, gradients["recurrent.cell.W_h"])
        self.ones.dot(flat(adjoints), gradients["recurrent.cell.b_h"])
        np.copyto(self.q[..., : 2 * self.n], adjoints[..., : 2 * self.n])  # z and r are driven like q, g by d
        np.copyto(self.q_g, self.to_d)
        self.slopes_of_drive(self.q)
        return loss

    def _forward(self) -> None:
        W_T, b = self.store.values["recurrent.cell.W_h"].T, self.store.values["recurrent.cell.b_h"]
        scratch, tanh, multiply, subtract, sigmoid = self.scratch, np.tanh, np.multiply, np.subtract, self.sigmoid
        for before, q, q_z_r, q_g, z_r, z, r, g, change, h in zip(*self.forward_at, strict=True):
            before.dot(W_T, q)
            q += b
            z_r += q_z_r
            sigmoid(z_r)
            multiply(r, q_g, scratch)
            g += scratch
            tanh(g, g)
            subtract(before, g, change)
            multiply(z, change, h)
            h += g

    def _factors(self) -> None:
        n, m, to_d, one = self.n, self.m, self.to_d, self.one
        np.multiply(self.g, self.g, out=to_d)
        np.subtract(one, to_d, out=to_d)
        np.subtract(one, self.z_r, out=m[..., : 2 * n])
        to_d *= m[..., :n]
        m[..., : 2 * n] *= self.z_r
        m[..., :n] *= self.change
        m[..., n : 2 * n] *= self.q_g
        np.copyto(m[..., 2 * n :], self.r)

    def _backward(self) -> None:
        W, h_adjoint, kept = self.store.values["recurrent.cell.W_h"], self.adjoint, self.scratch
        multiply = np.multiply
        for m_z, d, r_q, d_for_pair, m, z in zip(*map(reversed, self.backward_at), strict=True):
            m_z *= h_adjoint
            d *= h_adjoint
            r_q *= d_for_pair
            multiply(h_adjoint, z, kept)
            m.dot(W, h_adjoint)
            h_adjoint += kept
