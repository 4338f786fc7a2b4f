"""One small net with every number fixed by a formula, and the value of every penalty of it."""

from typing import Any

from minigrad.models import penalties

CODE = """\
import numpy as np

from minigrad.models import RNN, losses, penalties


def entries(*shape):  # sin 1, sin 2, sin 3, ..., row by row
    return np.sin(np.arange(1, np.prod(shape) + 1)).reshape(shape)


net = RNN(n_inputs=2, n_states=3, n_outputs=2, dtype=np.float64)  # tanh, x_0 = 0
for parameter in net.parameters():  # W, R, b_1, V and b_o, each from sin 1 on
    parameter.value = entries(*parameter.shape)
states = net.states(entries(2, 4, 2))  # of 2 examples of 4 time steps
loss = losses.cross_entropy(net.readout(states[-1]), [0, 1])
"""
MEAN = "1/batch Σ_i "  # over the examples i
FORMULAS = {
    "L2(1)": "Σ w² over the entries w of W, R and V",
    "L2(1, factor=0.5)": "½ Σ w²",
    "L1(1)": "Σ |w|",
    "ElasticNet(1, ratio=0.5)": "Σ (½ |w| + ¼ w²)",
    "MaxNorm(1)": "max(|W|) + max(|R|) + max(|V|), each over all entries",
    "LogSumExp(1)": "ln Σ e^W + ln Σ e^R + ln Σ e^V, entry by entry",
    "SoftOrthogonality(1)": "‖W'W − I‖², the sum of the squares of all entries",
    'SumOf(L2(1, names="W"), L1(1, names="V"))': "Σ w² of W + Σ |w| of V",
    "Omega(1)": MEAN + "1/(T−1) Σ_t (‖λ_t‖² / ‖λ_{t+1}‖² − 1)²",
    'Omega(1, over_time="sum")': MEAN + "Σ_t (‖λ_t‖² / ‖λ_{t+1}‖² − 1)²",
    "OmegaNorms(1)": MEAN + "1/(T−1) Σ_t (‖λ_t‖ / ‖λ_{t+1}‖ − 1)²",
    'OmegaNorms(1, over_time="sum")': MEAN + "Σ_t (‖λ_t‖ / ‖λ_{t+1}‖ − 1)²",
    "AdjointVariance(1)": MEAN + "1/T Σ_t (‖a_t‖ − m)², m = 1/T Σ_t ‖a_t‖, a_t = batch · λ_t",
    'AdjointVariance(1, over_time="sum")': MEAN + "Σ_t (‖a_t‖ − m)²",
    'AdjointVariance(1, norm="l1")': MEAN + "1/T Σ_t (‖a_t‖₁ − m)², m = 1/T Σ_t ‖a_t‖₁",
    'AdjointVariance(1, norm="l1", over_time="sum")': MEAN + "Σ_t (‖a_t‖₁ − m)²",
    "RelativeVariance(1)": MEAN + "1/T Σ_t (‖λ_t‖ / m − 1)², m = 1/T Σ_t ‖λ_t‖",
    "LogRatio(1)": MEAN + "1/(T−1) Σ_t (ln ‖λ_t‖ − ln ‖λ_{t+1}‖)²",
    'LogRatio(1, over_time="sum")': MEAN + "Σ_t (ln ‖λ_t‖ − ln ‖λ_{t+1}‖)²",
    "HalfSquaredNorms(1)": MEAN + "½ Σ_t ‖a_t‖²",
    "FirstAgainstLast(1)": MEAN + "(‖a_1‖ − ‖a_T‖)²",
    "NormStabilizer(1)": MEAN + "1/(T−1) Σ_t (‖x_{t+1}‖ − ‖x_t‖)²",
}


def values() -> dict[str, float]:
    """The value of every penalty of the net."""
    made: dict[str, Any] = {}
    exec(CODE, made)
    found = {}
    for text in FORMULAS:
        penalty = eval(text, dict(vars(penalties)))
        of_weights = isinstance(penalty, penalties.WeightPenalty)
        found[text] = float(penalty(made["net"]) if of_weights else penalty(made["loss"], made["states"]))
    return found
