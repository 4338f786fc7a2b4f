"""The gradient of loss + weight · G in closed form, in plain NumPy: what the engine is compared with.

The net is x_t = σ(p_t), p_t = x_{t-1} W' + u_t R' + b_1, o = x_T V' + b_o, with rows as examples. Backpropagation gives
the adjoints λ_t of the states, here g_t, and a_t of the p_t. A function G of g_1..g_T is then backpropagated a second time:
forward in time through the recursion of the g_t, at the last step through the loss, and back in time through the recursion of
the x_t. Nothing here uses the engine.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Arrays = dict[str, np.ndarray]


class Sigma(NamedTuple):
    """σ(p); its derivative s, as a function of x = σ(p); and ds/dx."""

    value: Callable
    slope: Callable
    slope_of_slope: Callable


SIGMAS = {
    "tanh": Sigma(np.tanh, lambda x: 1 - x**2, lambda x: -2 * x),
    "sigmoid": Sigma(lambda p: 1 / (1 + np.exp(-p)), lambda x: x * (1 - x), lambda x: 1 - 2 * x),
}


class Backpropagation(NamedTuple):
    """One pass forward and back. Lists run over t = 0..T, where `states` begins with x_0; a[0] is not used."""

    loss: float
    states: list
    g: list
    a: list
    slopes: list
    error: np.ndarray
    gradient: Arrays


def cross_entropy(o, targets):
    """The loss, ∂loss/∂o, and the function v -> ∂(v · ∂loss/∂o)/∂o."""
    p = np.exp(o - o.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    batch = len(o)
    hot = np.eye(o.shape[1])[targets]
    loss = -np.log(p[np.arange(batch), targets]).mean()
    return loss, (p - hot) / batch, lambda v: p * (v - (p * v).sum(axis=1, keepdims=True)) / batch


def mean_squared_error(o, targets):
    e = o - targets
    return (e**2).mean(), 2 * e / e.size, lambda v: 2 * v / e.size


def backpropagation(net: Arrays, u, targets, sigma, loss_of) -> Backpropagation:
    """Plain backpropagation. u (batch, time, inputs); net holds W, R, b_1, V, b_o, x_0."""
    W, V = net["W"], net["V"]
    batch, steps, _ = u.shape
    x = [np.broadcast_to(net["x_0"], (batch, len(W)))]
    for t in range(steps):
        x.append(SIGMAS[sigma].value(x[-1] @ W.T + u[:, t] @ net["R"].T + net["b_1"]))
    s = [SIGMAS[sigma].slope(state) for state in x]
    loss, error, _ = loss_of(x[-1] @ V.T + net["b_o"], targets)
    g, a = [error @ V], []
    for t in range(steps, 0, -1):
        a.append(g[-1] * s[t])
        g.append(a[-1] @ W)
    g, a = g[::-1], [None, *a[::-1]]
    gradient = {"V": error.T @ x[-1], "b_o": error.sum(axis=0), "x_0": g[0].sum(axis=0), **_of_the_steps(a, x, u)}
    return Backpropagation(loss, x, g, a, s, error, gradient)


def second_backpropagation(net: Arrays, u, targets, sigma, loss_of, G) -> tuple[float, Arrays]:
    """G(g_1..g_T) and its gradient. `G(g)`, for g (time, batch, states), gives its value and its derivative d."""
    W, V = net["W"], net["V"]
    _, x, g, a, s, error, _ = backpropagation(net, u, targets, sigma, loss_of)
    steps = len(x) - 1
    value, d = G(np.stack(g[1:]))

    # Forward in time, against the flow of g_{t-1} = (g_t s_t) W: h_t is the derivative of G by g_t, all ways counted.
    h = d[0]
    dW = np.zeros_like(W)
    direct = [np.zeros_like(x[0])] * 2  # what G sends to x_t through s_t; nothing to x_0 and x_1, as g_0 is not in G
    for t in range(2, steps + 1):
        dW += a[t].T @ h
        by_a = h @ W.T
        h = d[t - 1] + by_a * s[t]
        direct.append(by_a * g[t] * SIGMAS[sigma].slope_of_slope(x[t]))

    # Through the loss: g_T = error V, and the error depends on o.
    _, _, second_of_loss = loss_of(x[-1] @ V.T + net["b_o"], targets)
    by_o = second_of_loss(h @ V.T)
    dV = error.T @ h + by_o.T @ x[-1]

    # Back in time, as plain backpropagation goes, with what G sends to each x_t directly.
    by_x, by_p = direct[steps] + by_o @ V, [None] * (steps + 1)
    for t in range(steps, 0, -1):
        by_p[t] = by_x * s[t]
        by_x = direct[t - 1] + by_p[t] @ W
    gradient = _of_the_steps(by_p, x, u)
    gradient["W"] += dW
    return value, {**gradient, "V": dV, "b_o": by_o.sum(axis=0), "x_0": by_x.sum(axis=0)}


def _of_the_steps(by_p, x, u) -> Arrays:
    """The gradients of W, R and b_1 from those of the p_t, t = 1..T."""
    steps = range(1, len(x))
    return {
        "W": sum(by_p[t].T @ x[t - 1] for t in steps),
        "R": sum(by_p[t].T @ u[:, t - 1] for t in steps),
        "b_1": sum(by_p[t].sum(axis=0) for t in steps),
    }


# Cells under a mask: backpropagation by hand, and the gradient of a G of its adjoints by a complex step ---------------------


def rnn_step(p, x, state):
    """x_t = tanh(W_h x_{t-1} + W_x u_t + b), and the function (h̄,) -> adjoints of the state before."""
    (h,) = state
    new = np.tanh(x @ p["W_x"].T + h @ p["W_h"].T + p["b"])
    return (new,), lambda by: ((by[0] * (1 - new**2)) @ p["W_h"],)


def lstm_step(p, x, state):
    h, c = state
    i, f, o, g = np.split(x @ p["W_x"].T + h @ p["W_h"].T + p["b"], 4, axis=1)
    i, f, o, g = _sigmoid(i), _sigmoid(f), _sigmoid(o), np.tanh(g)
    new = f * c + i * g
    shown = np.tanh(new)

    def back(by):
        by_c = by[1] + by[0] * o * (1 - shown**2)
        by_gates = (by_c * g * i * (1 - i), by_c * c * f * (1 - f), by[0] * shown * o * (1 - o), by_c * i * (1 - g**2))
        return np.concatenate(by_gates, axis=1) @ p["W_h"], by_c * f

    return (o * shown, new), back


def gru_step(p, x, state):
    (h,) = state
    n = h.shape[1]
    driven, W_zr, W_g = x @ p["W_x"].T + p["b"], p["W_h"][: 2 * n], p["W_h"][2 * n :]
    z, r = np.split(_sigmoid(driven[:, : 2 * n] + h @ W_zr.T), 2, axis=1)
    g = np.tanh(driven[:, 2 * n :] + (r * h) @ W_g.T)

    def back(by):
        by_g = by[0] * z * (1 - g**2)
        by_rh = by_g @ W_g
        by_zr = np.concatenate([by[0] * (g - h) * z * (1 - z), by_rh * h * r * (1 - r)], axis=1)
        return (by[0] * (1 - z) + by_rh * r + by_zr @ W_zr,)

    return (h + z * (g - h),), back


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def run_under_a_mask(step, n_parts, p, u, mask, targets, loss_of):
    """h_t and ∂loss/∂h_t, (time, batch, units), of a cell read out by V and b_o; where the mask is False a step keeps the state."""
    batch, steps, _ = u.shape
    n = p["V"].shape[1]
    state, backs = tuple([np.zeros((batch, n)) for _ in range(n_parts)]), []
    shown = []
    for t in range(steps):
        counts = mask[:, t, np.newaxis]
        new, back = step(p, u[:, t], state)
        state = tuple([np.where(counts, a, b) for a, b in zip(new, state, strict=True)])
        shown.append(state[0])
        backs.append((counts, back))
    _, error, _ = loss_of(state[0] @ p["V"].T + p["b_o"], targets)
    by = (error @ p["V"], *[np.zeros((batch, n))] * (n_parts - 1))
    g = []
    for counts, back in reversed(backs):
        g.append(by[0])
        sent = back(tuple([np.where(counts, part, 0) for part in by]))
        by = tuple([a + np.where(counts, 0, b) for a, b in zip(sent, by, strict=True)])
    return np.stack(shown), np.stack(g[::-1])


def gradient_by_complex_step(function, p: Arrays) -> Arrays:
    """∂function(p)/∂p, of several values along axis 0, to the last digits: Im function(p + ih) / h with h = 1e-30."""
    gradient = {}
    for name, array in p.items():
        gradient[name] = np.zeros((len(function(p)), *array.shape))
        for i in np.ndindex(array.shape):
            moved = array.astype(complex)
            moved[i] += 1e-30j
            gradient[name][:, *i] = function({**p, name: moved}).imag / 1e-30
    return gradient


# Functions G of g (time, batch, states): value, and derivative by g ---------------------------------------------------


def of_squares(function):
    """A G given by the squared norms m (time, batch): its derivative by g is 2 g ∂G/∂m."""

    def G(g):
        value, by_m = function((g**2).sum(axis=-1))
        return value, 2 * g * by_m[..., np.newaxis]

    return G


def of_norms(function, norm="l2"):
    """A G given by n = batch · ‖g‖ (time, batch): its derivative by g is batch ∂n/∂g ∂G/∂n, with g/‖g‖ or sgn(g) for ∂n/∂g."""

    def G(g):
        signs = np.where(g.real < 0, -1.0, 1.0)  # of complex steps too
        norms = np.sqrt((g**2).sum(axis=-1)) if norm == "l2" else (signs * g).sum(axis=-1)
        value, by_n = function(norms * g.shape[1])
        slopes = g / norms[..., np.newaxis] if norm == "l2" else signs
        return value, g.shape[1] * slopes * by_n[..., np.newaxis]

    return G


def of_terms(function, over_time="mean"):
    """function(c, x), c what each of its terms counts: 1 over the number of terms, or over the batch."""

    def G(x):
        return function(1 / max(1, x[1:].size if over_time == "mean" else x.shape[1]), x)

    return G


def _omega(c, m):
    q = m[:-1] / m[1:]
    by_m = np.zeros_like(m)
    by_m[:-1] += 2 * c * (q - 1) / m[1:]
    by_m[1:] -= 2 * c * (q - 1) * q / m[1:]
    return c * ((q - 1) ** 2).sum(), by_m


def _log_ratio(c, m):
    r = np.log(m[:-1] / m[1:]) / 2
    by_m = np.zeros_like(m)
    by_m[:-1] += c * r / m[:-1]
    by_m[1:] -= c * r / m[1:]
    return c * (r**2).sum(), by_m


omega, omega_summed = (of_squares(of_terms(_omega, how)) for how in ("mean", "sum"))
omega_norms, omega_norms_summed = (of_norms(of_terms(_omega, how)) for how in ("mean", "sum"))
log_ratio, log_ratio_summed = (of_squares(of_terms(_log_ratio, how)) for how in ("mean", "sum"))


def _variance(n):
    T, batch = n.shape
    apart = n - n.mean(axis=0)
    return (apart**2).mean(axis=0).mean(), 2 * apart / (T * batch)


def _summed_variance(n):
    batch = n.shape[1]
    apart = n - n.mean(axis=0)
    return (apart**2).sum() / batch, 2 * apart / batch


adjoint_variance, adjoint_variance_l1 = (of_norms(_variance, norm) for norm in ("l2", "l1"))
summed_variance, summed_variance_l1 = (of_norms(_summed_variance, norm) for norm in ("l2", "l1"))


@of_norms
def relative_variance(n):
    T, batch = n.shape
    mean = n.mean(axis=0)
    apart = n - mean
    variance = (apart**2).mean(axis=0)
    return (variance / mean**2).mean(), (2 * apart / mean**2 - 2 * variance / mean**3) / (T * batch)


@of_norms
def half_squared_norms(n):
    return (n**2).sum() / 2 / n.shape[1], n / n.shape[1]


@of_norms
def first_against_last(n):
    by_n = np.zeros_like(n)
    by_n[0] += 2 * (n[0] - n[-1]) / n.shape[1]
    by_n[-1] -= 2 * (n[0] - n[-1]) / n.shape[1]
    return ((n[0] - n[-1]) ** 2).mean(), by_n


def norm_stabilizer(x):
    """G of the states x (time, batch, states), which is no function of adjoints: its value alone."""
    norms = np.sqrt((x**2).sum(axis=-1))
    return ((norms[1:] - norms[:-1]) ** 2).sum() / max(1, norms[1:].size)
