"""Compute a rule's formula on arrays, with NumPy alone: what fprop and bprop are compared with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minigrad.rules import phrases, windows
from minigrad.rules.phrases import Context
from minigrad.rules.tree import (
    ButFor,
    Call,
    Choice,
    Compare,
    Expression,
    Indexed,
    Logic,
    Name,
    Negative,
    Number,
    Over,
    Phrase,
    Place,
    Power,
    Product,
    Quotient,
    Sum,
    Transpose,
    everything,
)

SIGNS: dict[str, Callable[..., Any]] = {
    "<": np.less, ">": np.greater, "≤": np.less_equal, "≥": np.greater_equal, "=": np.equal, "≠": np.not_equal,
}  # fmt: skip
JOINED: dict[str, Callable[..., Any]] = {"and": np.logical_and, "or": np.logical_or}
ALL_AXES = Context()
MATRICES = {
    "cof", "diag", "pinv", "cholesky", "eigenvectors", "τ", "Φ", "left_vectors", "right_vectors", "expm", "expm_slope",
}  # fmt: skip
# functions whose values are matrices


class NoValueError(ValueError):
    """The formula says in words what no evaluator computes."""


def evaluate(tree: Expression, values: Mapping[str, Any], context: Context = ALL_AXES) -> Any:
    """The value of a formula, its names' values given by their symbols."""

    def at(part: Expression) -> Any:
        return evaluate(part, values, context)

    match tree:
        case Number(_, value):
            return value
        case Name(symbol):
            if symbol not in values:
                raise NoValueError(f"{symbol} has no value")
            return values[symbol]
        case Negative(x):
            return -at(x)
        case Sum(terms):
            return _sum([(at(term), is_matrix(term)) for term in terms])
        case Product(factors, sign):
            return _product([(at(factor), is_matrix(factor)) for factor in factors], sign)
        case Quotient(above, below):
            return np.divide(at(above), at(below))
        case Power(base, exponent):
            return _power(at(base), at(exponent), inverse=is_matrix(base))
        case Transpose(x):
            return np.swapaxes(at(x), -1, -2)
        case Call(function, arguments, order):
            if function in OVER_AXES:
                return OVER_AXES[function](context, *[at(argument) for argument in arguments])
            given = () if order is None else (int(at(order)),)
            return FUNCTIONS[function](*[at(argument) for argument in arguments], *given)
        case Over(sign, x, span):
            return SCANS[sign, span](at(x), context) if (sign, span) in SCANS else context.over(OVER[sign], at(x))
        case Choice(value, condition, otherwise):
            return np.where(at(condition), at(value), at(otherwise))
        case Compare(terms, signs):
            sides = [at(term) for term in terms]
            return _fold(np.logical_and, [SIGNS[s](a, b) for s, a, b in zip(signs, sides, sides[1:], strict=False)])
        case Logic(word, terms):
            return _fold(JOINED[word], [at(term) for term in terms])
        case Phrase(x, words, of):
            return phrases.ALL[words](at(x), context, None if of is None else at(of))
        case Place(_, entry):
            return entry
        case Indexed(x, index):
            return np.asarray(at(x))[tuple([at(entry) for entry in index])]
        case ButFor(x, _, index, value, adds):
            whole = np.array(np.broadcast_to(at(x), context.shape), dtype=np.result_type(at(x), at(value)))
            place = tuple([at(entry) for entry in index])
            if adds:
                np.add.at(whole, place, at(value))
            else:
                whole[place] = at(value)
            return whole
    raise NoValueError("words have no value")


def reduces(tree: Expression) -> bool:
    """Whether a part of the formula is about the axes of the operation."""
    return any(
        isinstance(part, Over) or (isinstance(part, Call) and part.function in ALONG_AXES) for part in everything(tree)
    )


def is_matrix(tree: Expression) -> bool:
    """Whether the formula is a matrix: capital letters stand for matrices, and what is made of them is one."""
    match tree:
        case Name(symbol):
            return symbol[0].isupper()
        case Call(function):
            return function in MATRICES
        case Negative(x) | Transpose(x) | Power(x) | Quotient(x):
            return is_matrix(x)
        case Sum(parts) | Product(parts):
            return any(map(is_matrix, parts))
    return False


def _fold(function: Callable[[Any, Any], Any], values: list[Any]) -> Any:
    total = values[0]
    for value in values[1:]:
        total = function(total, value)
    return total


def _sum(terms: list[tuple[Any, bool]]) -> Any:
    """The sum of terms; beside a matrix, a number stands for that number times the identity."""
    sizes = [np.shape(value)[-1] for value, matrix in terms if matrix]
    square = any(not matrix and np.ndim(value) == 0 for value, matrix in terms) and bool(sizes)
    values = [v * np.eye(sizes[0]) if square and not matrix else v for v, matrix in terms]
    return _fold(np.add, values)


def _product(factors: list[tuple[Any, bool]], sign: str) -> Any:
    """From left to right; two matrices by the product of matrices, a number for every matrix times that matrix."""
    total, matrix = factors[0]
    for value, is_matrix in factors[1:]:
        if sign == "×":
            total = np.cross(total, value)
        elif matrix and is_matrix and sign != "∘":
            total = total @ value
        elif matrix != is_matrix:
            scalar, whole = (value, total) if matrix else (total, value)
            total = np.asarray(scalar)[..., None, None] * whole
        else:
            total = total * value
        matrix |= is_matrix
    return total


def _power(base: Any, exponent: Any, *, inverse: bool) -> Any:
    if inverse:
        if exponent != -1:
            raise NoValueError("of a matrix the inverse is the only power")
        return np.linalg.inv(base)
    return np.exp(exponent) if isinstance(base, float) and base == math.e else np.power(base, exponent)


def _softmax(context: Context, x: Any) -> Any:
    e = np.exp(x - context.over(np.max, x))
    return e / context.over(np.sum, e)


def _count(context: Context, x: Any) -> float:
    """The number of entries over the axes."""
    return float(np.size(x) / max(np.size(context.over(np.sum, np.ones(np.shape(x)))), 1))


def _cofactors(a: Any) -> Any:
    return np.linalg.det(a)[..., None, None] * np.swapaxes(np.linalg.inv(a), -1, -2)


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


SCANS: dict[tuple[str, str], Callable[[Any, Context], Any]] = {
    ("Σ", "over j ≤ k"): lambda x, context: np.cumsum(x, context.axis),
    ("Σ", "over k ≥ j"): lambda x, context: np.flip(np.cumsum(np.flip(x, context.axis), context.axis), context.axis),
    ("Π", "over j ≤ k"): lambda x, context: np.cumprod(x, context.axis),
    ("Π_{i≠j}", ""): phrases.others_multiplied,
}
OVER: dict[str, Callable[..., Any]] = {"Σ": np.sum, "Π": np.prod, "max": np.max, "min": np.min, "mean": np.mean}
ALONG_AXES = {
    "softmax", "argmax", "argmin", "argsort", "any", "all", "count_nonzero", "concatenate", "stack",
}  # fmt: skip
OVER_AXES: dict[str, Callable[..., Any]] = {
    "softmax": _softmax,
    "count": _count,
    "concatenate": lambda context, *arrays: np.concatenate(arrays, context.axis),
    "stack": lambda context, *arrays: np.stack(arrays, context.axis),
    "argmax": lambda context, x: np.argmax(x, context.axis, keepdims=context.kept is None),
    "argmin": lambda context, x: np.argmin(x, context.axis, keepdims=context.kept is None),
    "argsort": lambda context, x: np.argsort(x, context.axis, kind="stable"),
    "any": lambda context, x: context.over(np.any, x),
    "all": lambda context, x: context.over(np.all, x),
    "count_nonzero": lambda context, x: context.over(np.count_nonzero, x),
    "Windows": windows.windows,
    "Fold": windows.fold,
    "Convolution": windows.convolution,
    "TransposedConvolution": windows.transposed_convolution,
    "KernelCorrelation": windows.kernel_correlation,
    "einsum": lambda context, *arrays: np.einsum(context.attributes["subscripts"], *arrays),
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "arcsin": np.arcsin, "arccos": np.arccos, "arctan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "arsinh": np.arcsinh, "arcosh": np.arccosh, "artanh": np.arctanh,
    "exp": np.exp, "ln": np.log, "log₂": np.log2, "log₁₀": np.log10, "√": np.sqrt, "∛": np.cbrt, "|": np.abs,
    "⌊": np.floor, "⌈": np.ceil, "sign": np.sign, "trunc": np.trunc, "rint": np.rint, "sinc": _sinc,
    "round": lambda x, decimals: np.round(x, int(decimals)), "arctan2": np.arctan2,
    "max": np.maximum, "min": np.minimum, "det": np.linalg.det, "cof": _cofactors,
    "tril": lambda x, k=0: np.tril(x, int(k)), "triu": lambda x, k=0: np.triu(x, int(k)), "pinv": np.linalg.pinv,
    "cholesky": np.linalg.cholesky, "eigenvalues": np.linalg.eigvalsh, "eigenvectors": lambda a: np.linalg.eigh(a)[1],
    "singular_values": lambda a: np.linalg.svd(a, compute_uv=False),
    "left_vectors": lambda a: np.linalg.svd(a, full_matrices=False)[0],
    "right_vectors": lambda a: np.linalg.svd(a, full_matrices=False)[2].mT, "expm": _expm, "expm_slope": _expm_slope,
    "diag": lambda w: w[..., None, :] * np.eye(w.shape[-1]), "τ": lambda s: np.tril(s) + np.tril(s.mT, -1),
    "Φ": lambda x: np.tril(x) - x * np.eye(x.shape[-1]) / 2, "⟨⟩": lambda a, b: np.sum(a * b, axis=(-2, -1)),
    "erf": np.vectorize(math.erf, otypes=[float]), "Γ": np.vectorize(math.gamma, otypes=[float]), "ψ": _polygamma,
    "σ": lambda x: 1 / (1 + np.exp(-x)),
}  # fmt: skip
