"""The functions that formulas may use, by name, in NumPy. A function that is added here can be read, written and computed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.rules import windows
from minigrad.rules.phrases import Context, others_multiplied

Function = Callable[..., Any]


def _softmax(context: Context, x: Any) -> Any:
    e = np.exp(x - context.over(np.max, x))
    return e / context.over(np.sum, e)


def _count(context: Context, x: Any) -> float:
    """The number of entries over the axes."""
    return float(np.size(x) / max(np.size(context.over(np.sum, np.ones(np.shape(x)))), 1))


def _cofactors(a: Any) -> Any:
    return np.linalg.det(a)[..., None, None] * np.swapaxes(np.linalg.inv(a), -1, -2)


def _inverse_gaps(w: Any) -> Any:
    """F_ij = 1 / (w_j − w_i), and 0 on the diagonal."""
    gaps = w[..., None, :] - w[..., None]
    return np.where(np.eye(w.shape[-1]), 0, 1 / gaps)


def _expm(a: Any) -> Any:
    from minigrad.ops.matrix_exponential import Expm  # NumPy has no such function

    return Expm(a).value


def _expm_slope(a: Any, e: Any) -> Any:
    """The derivative of the matrix exponential at a in direction e."""
    n = a.shape[-1]
    above, below = np.concatenate([a, e], -1), np.concatenate([np.zeros_like(a), a], -1)
    return _expm(np.concatenate([above, below], -2))[..., :n, n:]


def _sinc(x: Any, order: int = 0) -> Any:
    from minigrad.ops.elementwise import Sinc  # NumPy has the function, but no derivative of it

    return Sinc(x, order=order).value


def _polygamma(x: Any, order: int = 0) -> Any:
    from minigrad.ops.special import Polygamma  # NumPy has no such function

    return Polygamma(x, order=order).value


ENTRYWISE: dict[str, Function] = {
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "arcsin": np.arcsin, "arccos": np.arccos, "arctan": np.arctan,
    "arctan2": np.arctan2, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "arsinh": np.arcsinh,
    "arcosh": np.arccosh, "artanh": np.arctanh, "exp": np.exp, "ln": np.log, "log₂": np.log2, "log₁₀": np.log10,
    "√": np.sqrt, "∛": np.cbrt, "|": np.abs, "⌊": np.floor, "⌈": np.ceil, "sign": np.sign, "trunc": np.trunc,
    "rint": np.rint, "round": lambda x, decimals: np.round(x, int(decimals)), "max": np.maximum, "min": np.minimum,
    "erf": np.vectorize(math.erf, otypes=[float]), "Γ": np.vectorize(math.gamma, otypes=[float]),
    "σ": lambda x: 1 / (1 + np.exp(-x)), "ψ": _polygamma, "sinc": _sinc,
}  # fmt: skip
TO_MATRICES: dict[str, Function] = {
    "cof": _cofactors, "pinv": np.linalg.pinv, "cholesky": np.linalg.cholesky, "expm": _expm, "expm_slope": _expm_slope,
    "eigenvectors": lambda a: np.linalg.eigh(a)[1], "left_vectors": lambda a: np.linalg.svd(a, full_matrices=False)[0],
    "right_vectors": lambda a: np.linalg.svd(a, full_matrices=False)[2].mT, "inverse_gaps": _inverse_gaps,
    "diag": lambda w: w[..., None, :] * np.eye(w.shape[-1]),
    "τ": lambda s: np.tril(s) + np.tril(s.mT, -1), "Φ": lambda x: np.tril(x) - x * np.eye(x.shape[-1]) / 2,
}  # fmt: skip
OF_MATRICES: dict[str, Function] = {
    "det": np.linalg.det, "eigenvalues": np.linalg.eigvalsh, "⟨⟩": lambda a, b: np.sum(a * b, axis=(-2, -1)),
    "singular_values": lambda a: np.linalg.svd(a, compute_uv=False), "einsum": np.einsum,
    "tril": lambda x, k=0: np.tril(x, int(k)), "triu": lambda x, k=0: np.triu(x, int(k)),
}  # fmt: skip
ALONG_AXES: dict[str, Function] = {
    "softmax": _softmax,
    "concatenate": lambda context, *arrays: np.concatenate(arrays, context.axis),
    "stack": lambda context, *arrays: np.stack(arrays, context.axis),
    "argmax": lambda context, x: np.argmax(x, context.axis, keepdims=context.kept is None),
    "argmin": lambda context, x: np.argmin(x, context.axis, keepdims=context.kept is None),
    "argsort": lambda context, x: np.argsort(x, context.axis, kind="stable"),
    "any": lambda context, x: context.over(np.any, x),
    "all": lambda context, x: context.over(np.all, x),
    "count_nonzero": lambda context, x: context.over(np.count_nonzero, x),
}
OF_SHAPES: dict[str, Function] = {
    "count": _count,
    "Windows": windows.windows,
    "Fold": windows.fold,
    "Convolution": windows.convolution,
    "TransposedConvolution": windows.transposed_convolution,
    "KernelCorrelation": windows.kernel_correlation,
}
PLAIN = ENTRYWISE | TO_MATRICES | OF_MATRICES
IN_CONTEXT = ALONG_AXES | OF_SHAPES  # these take the context first
NAMES = {name for name in PLAIN | IN_CONTEXT if name[0].isalpha()}

OVER: dict[str, Callable[..., Any]] = {"Σ": np.sum, "Π": np.prod, "max": np.max, "min": np.min, "mean": np.mean}
SCANS: dict[tuple[str, str], Callable[[Any, Context], Any]] = {
    ("Σ", "over j ≤ k"): lambda x, context: np.cumsum(x, context.axis),
    ("Σ", "over k ≥ j"): lambda x, context: np.flip(np.cumsum(np.flip(x, context.axis), context.axis), context.axis),
    ("Π", "over j ≤ k"): lambda x, context: np.cumprod(x, context.axis),
    ("Π_{i≠j}", ""): others_multiplied,
}
