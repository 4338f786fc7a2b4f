"""minigrad: reverse-mode automatic differentiation you can see through.

Write NumPy on nodes and the graph builds itself; here is what NumPy has no name for.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad import ops
from minigrad.activation_table import activations
from minigrad.checking import check_gradients
from minigrad.context import anomalies, scope
from minigrad.derivatives import hessian, hessian_vector_product, jacobian, jacobian_vector_product
from minigrad.errors import GradientError
from minigrad.graph import Graph, gradients
from minigrad.lines import source_lines
from minigrad.node import Constant, Input, Node, Parameter
from minigrad.ops.activations import (
    bent_identity,
    binary_step,
    cardinal_sine,
    celu,
    elu,
    gaussian,
    gelu,
    gelu_tanh,
    glu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    isrlu,
    isru,
    leaky_relu,
    linear,
    log_sigmoid,
    log_softmax,
    logsumexp,
    mish,
    prelu,
    relu,
    relu6,
    rrelu,
    selu,
    sigmoid,
    silu,
    sine,
    soft_clipping,
    soft_exponential,
    soft_shrink,
    softmax,
    softplus,
    softsign,
    sqnl,
    tanh_shrink,
)
from minigrad.ops.base import Elementwise, Operation
from minigrad.ops.control import clip_adjoint, probe, scale_adjoint, stop_gradient, update
from minigrad.ops.elementwise import arctan, erf, tanh
from minigrad.ops.matrix_exponential import expm
from minigrad.ops.random import random_bernoulli, random_normal, random_uniform
from minigrad.ops.registry import operations
from minigrad.ops.special import betaln, digamma, gammaln, polygamma
from minigrad.ops.windows import average_pool2d, conv2d, conv2d_transpose, max_pool2d

if TYPE_CHECKING:
    from minigrad.compiler import compile
    from minigrad.drawing import Drawing, Record, draw, explain, listing, record

# A graph frees all its arrays at once. The C library then hands the memory back to the system, only to fetch it again,
# page by page, for the next graph; one large block that is freed untouched raises the limit up to which it keeps memory.
# That is 10 to 30 % of the step of a recurrent net, and up to 32 MB that stay with the process.
np.empty(2**24, np.uint8)

__version__ = "0.1.0"

__all__ = [
    "Node", "Parameter", "Input", "Constant", "Operation", "Elementwise", "operations", "ops",
    "Graph", "gradients", "jacobian", "hessian", "hessian_vector_product", "jacobian_vector_product",
    "check_gradients", "GradientError", "scope", "anomalies", "source_lines",
    "stop_gradient", "clip_adjoint", "scale_adjoint", "probe", "update",
    "random_uniform", "random_normal", "random_bernoulli",
    "conv2d", "conv2d_transpose", "max_pool2d", "average_pool2d",
    "activations", "linear", "sigmoid", "tanh", "hard_tanh", "softsign", "relu", "leaky_relu", "prelu", "rrelu", "elu",
    "gelu", "gelu_tanh", "sine", "binary_step", "arctan", "isru", "isrlu", "sqnl", "softplus", "bent_identity",
    "soft_exponential", "soft_clipping", "cardinal_sine", "gaussian", "silu", "mish", "selu", "celu", "relu6", "hard_sigmoid",
    "hard_silu", "log_sigmoid", "tanh_shrink", "soft_shrink", "hard_shrink", "glu",
    "softmax", "log_softmax", "logsumexp",
    "expm", "erf", "gammaln", "digamma", "polygamma", "betaln",
    "draw", "listing", "Drawing", "record", "Record", "explain", "compile",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Drawing and compiling are imported when they are first asked for: not every script need wait for them."""
    if name == "compile":
        from minigrad import compiler

        return compiler.compile
    if name in ("Drawing", "Record", "draw", "explain", "listing", "record"):
        from minigrad import drawing

        return getattr(drawing, name)
    raise AttributeError(f"module 'minigrad' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
