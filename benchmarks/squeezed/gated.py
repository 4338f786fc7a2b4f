"""LSTM and GRU squeezed. Columns are examples, so that a gate is a block of rows, and neighboring gates are one block.

sigmoid(x) = (1 + tanh(x / 2)) / 2: with the gates' weights halved, one tanh serves all gates of a time step. Every factor
of the way back that does not depend on adjoints is made for all time steps at once, and lies where one call can use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.by_hand.base import by_time
from benchmarks.squeezed.rnn import Recurrence

if TYPE_CHECKING:
    from benchmarks.rows import Problem


class LSTM(Recurrence):
    """Per time step eight calls ahead and five back.

    Rows ahead: o, i, f, g, c_{t-1}: so [i; f] times [g; c_{t-1}] is one call.
    Rows back:  the factors o (1 − tanh² c), o, i, f, g of the adjoints of c and the four gates, and f, that of c_{t-1}: the
    first two times h̄, the others times c̄.
    """

    def __init__(self, problem: Problem) -> None:
        n = problem.row.sizes["units"]
        super().__init__(problem, n)
        self.weights = np.empty((4 * n, self.seen.shape[1]), self.dtype)  # [W_h | W_x | b], rows o, i, f, g
        self.slopes = np.empty_like(self.weights)
        places = {"o": 2, "i": 0, "f": 1, "g": 3}  # in the parameters
        self.gates = [(slice(k * n, (k + 1) * n), slice(p * n, (p + 1) * n)) for k, p in enumerate(places.values())]
        self.p, self.m = self.empty(self.steps + 1, 5 * n), self.empty(self.steps + 1, 6 * n)
        self.p[0, 4 * n :] = 0
        self.tanh_c = self.empty(self.steps, n)
        self.wide_adjoints = np.empty((4 * n, self.steps, self.batch), self.dtype)
        self.W_T = np.empty((n, 4 * n), self.dtype)
        self.products, self.c_adjoint = self.empty(2 * n), self.empty(n)
        p, m = self.p[:-1], self.m
        self.ahead = [
            by_time(a)
            for a in (
                self.seen[:-1], p[:, : 4 * n], p[:, : 3 * n], p[:, n : 3 * n], p[:, 3 * n :], self.p[1:, 4 * n :],
                self.tanh_c, p[:, :n], self.x[1:],
            )
        ]  # fmt: skip
        self.back = [
            by_time(a)
            for a in (
                m[:-1, :n], m[:-1, n : 2 * n], m[1:, 5 * n :], m[:-1, 2 * n :].reshape(self.steps, 4, -1),
                m[:-1, n : 5 * n],
            )
        ]  # fmt: skip

    def sweep(self) -> float:
        self._forward()
        loss = self.read_out(self.scale)
        self._factors()
        self._backward()
        n = self.n
        np.copyto(self.wide_adjoints, self.m[:-1, n : 5 * n].transpose(1, 0, 2))
        self._unpack()
        return loss

    def _forward(self) -> None:
        values, n, weights = self.store.values, self.n, self.weights
        for here, there in self.gates:
            weights[here, :n] = values["recurrent.cell.W_h"][there]
            weights[here, n:-1] = values["recurrent.cell.W_x"][there]
            weights[here, -1] = values["recurrent.cell.b"][there]
            self.W_T[:, here] = values["recurrent.cell.W_h"][there].T
        weights[: 3 * n] *= 0.5
        products, first, second, half = self.products, self.products[:n], self.products[n:], self.half
        ahead, tanh, multiply, add = weights.dot, np.tanh, np.multiply, np.add
        for seen, gates, sigmoids, i_f, g_c, c, tanh_c, o, h in zip(*self.ahead, strict=True):
            ahead(seen, gates)
            tanh(gates, gates)
            sigmoids *= half
            sigmoids += half
            multiply(i_f, g_c, products)
            add(first, second, c)
            tanh(c, tanh_c)
            multiply(o, tanh_c, h)

    def _factors(self) -> None:
        n, p, m, tanh_c = self.n, self.p[:-1], self.m[:-1], self.tanh_c
        o, i, f, g, g_c = p[:, :n], p[:, n : 2 * n], p[:, 2 * n : 3 * n], p[:, 3 * n : 4 * n], p[:, 3 * n :]
        through_c, slopes, through_g = m[:, :n], m[:, n : 4 * n], m[:, 4 * n : 5 * n]
        np.multiply(tanh_c, tanh_c, out=through_c)
        np.subtract(1, through_c, out=through_c)
        through_c *= o
        np.subtract(1, p[:, : 3 * n], out=slopes)
        slopes *= p[:, : 3 * n]
        m[:, n : 2 * n] *= tanh_c
        m[:, 2 * n : 4 * n] *= g_c
        np.multiply(g, g, out=through_g)
        np.subtract(1, through_g, out=through_g)
        through_g *= i
        m[:, 5 * n :] = f

    def _backward(self) -> None:
        h_adjoint = np.matmul(self.store.values["readout.W"].T, self.logits, out=self.adjoint)
        W_T, c_adjoint = self.W_T, self.c_adjoint
        self.m[-1, 5 * self.n :] = 0
        flat_c_adjoint, back, add = c_adjoint.reshape(-1), W_T.dot, np.add
        for through_c, o, kept, of_c, gates in zip(*map(reversed, self.back), strict=True):
            through_c *= h_adjoint
            o *= h_adjoint
            add(through_c, kept, c_adjoint)
            of_c *= flat_c_adjoint
            back(gates, h_adjoint)

    def _unpack(self) -> None:
        slopes, n, gradients = self.against_seen(self.wide_adjoints, self.slopes), self.n, self.store.gradients
        for here, there in self.gates:
            gradients["recurrent.cell.W_h"][there] = slopes[here, :n]
            gradients["recurrent.cell.W_x"][there] = slopes[here, n:-1]
            gradients["recurrent.cell.b"][there] = slopes[here, -1]


class GRU(Recurrence):
    """h_t = z h_{t-1} + (1 − z) g,  g = tanh(d_t + r q),  q = W_h h_{t-1} + b_h: z keeps, r after the product.

    Per time step ten calls ahead and five back. Rows ahead: z, r, q, d (what drives g). Rows back: the factors z and 1 − z
    of h̄ (to h_{t-1} and, through tanh, to d), that of z, then those of r and q, which multiply d̄.
    """

    def __init__(self, problem: Problem) -> None:
        n = problem.row.sizes["units"]
        super().__init__(problem, n)
        self.weights = np.zeros((4 * n, self.seen.shape[1]), self.dtype)
        self.slopes = np.empty_like(self.weights)
        self.p, self.m, self.g = self.empty(self.steps, 4 * n), self.empty(self.steps, 5 * n), self.empty(self.steps, n)
        self.change = self.empty(self.steps, n)  # h_{t-1} − g
        self.wide_adjoints = np.empty((4 * n, self.steps, self.batch), self.dtype)
        self.W_T = np.empty((n, 3 * n), self.dtype)
        p, m = self.p, self.m
        self.ahead = [
            by_time(a)
            for a in (
                self.seen[:-1], p, p[:, : 2 * n], p[:, :n], p[:, n : 2 * n], p[:, 2 * n : 3 * n], p[:, 3 * n :], self.g,
                self.x[:-1], self.change, self.x[1:],
            )
        ]  # fmt: skip
        self.back = [
            by_time(a)
            for a in (
                m[:, : 3 * n].reshape(self.steps, 3, -1), m[:, n : 2 * n], m[:, 3 * n : 4 * n], m[:, 4 * n :],
                m[:, 2 * n :], m[:, :n],
            )
        ]  # fmt: skip

    def sweep(self) -> float:
        self._forward()
        loss = self.read_out(self.scale)
        self._factors()
        self._backward()
        np.copyto(self.wide_adjoints, self.m[:, self.n :].transpose(1, 0, 2))
        self._unpack()
        return loss

    def _forward(self) -> None:
        self._pack()
        half, ahead, tanh, multiply, subtract = self.half, self.weights.dot, np.tanh, np.multiply, np.subtract
        for seen, all_of_it, z_r, z, r, q, d, g, before, change, h in zip(*self.ahead, strict=True):
            ahead(seen, all_of_it)
            tanh(z_r, z_r)
            z_r *= half
            z_r += half
            multiply(r, q, g)
            g += d
            tanh(g, g)
            subtract(before, g, change)
            multiply(z, change, h)
            h += g

    def _factors(self) -> None:
        n, p, m = self.n, self.p, self.m
        z, z_r, r, q = p[:, :n], p[:, : 2 * n], p[:, n : 2 * n], p[:, 2 * n : 3 * n]
        m[:, :n] = z
        to_d, of_z_r = m[:, n : 2 * n], m[:, 2 * n : 4 * n]
        np.multiply(self.g, self.g, out=to_d)
        np.subtract(1, to_d, out=to_d)
        np.subtract(1, z_r, out=of_z_r)
        to_d *= of_z_r[:, :n]
        of_z_r *= z_r
        m[:, 2 * n : 3 * n] *= self.change
        m[:, 3 * n : 4 * n] *= q
        m[:, 4 * n :] = r

    def _backward(self) -> None:
        h_adjoint = np.matmul(self.store.values["readout.W"].T, self.logits, out=self.adjoint)
        np.copyto(self.W_T, self.store.values["recurrent.cell.W_h"].T)
        flat, back = h_adjoint.reshape(-1), self.W_T.dot
        for of_h, d, r, q, recurrent, kept in zip(*map(reversed, self.back), strict=True):
            of_h *= flat
            r *= d
            q *= d
            back(recurrent, h_adjoint)
            h_adjoint += kept

    def _pack(self) -> None:
        """Rows z, r (halved), q = [W_h | 0 | b_h], d = [0 | W_x | b], from parameters in the order z, r, g."""
        values, n, weights = self.store.values, self.n, self.weights
        W_x, W_h, b, b_h = (values[f"recurrent.cell.{name}"] for name in ("W_x", "W_h", "b", "b_h"))
        both, g = slice(2 * n), slice(2 * n, None)
        weights[: 3 * n, :n] = W_h
        weights[both, n:-1], weights[3 * n :, n:-1] = W_x[both], W_x[g]
        np.add(b[both], b_h[both], out=weights[both, -1])
        weights[2 * n : 3 * n, -1], weights[3 * n :, -1] = b_h[g], b[g]
        weights[both] *= 0.5

    def _unpack(self) -> None:
        """The adjoints' rows are d, z, r, q."""
        slopes, n, gradients = self.against_seen(self.wide_adjoints, self.slopes), self.n, self.store.gradients
        W_x, W_h, b, b_h = (gradients[f"recurrent.cell.{name}"] for name in ("W_x", "W_h", "b", "b_h"))
        d, z_r = slopes[:n], slopes[n : 3 * n]
        W_h[:], b_h[:] = slopes[n:, :n], slopes[n:, -1]
        W_x[: 2 * n], W_x[2 * n :] = z_r[:, n:-1], d[:, n:-1]
        b[: 2 * n], b[2 * n :] = z_r[:, -1], d[:, -1]
