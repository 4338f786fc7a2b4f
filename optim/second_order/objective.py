"""A loss as a function of one vector: the entries of all parameters, one parameter after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import TypeAlias

import numpy as np

from minigrad.graph import Graph, gradients
from minigrad.node import Array, Node, Parameter
from minigrad.ops.shaping import concatenate
from minigrad.optim.optimizers.given import trainable

Loss: TypeAlias = "Node | Callable[[], Node]"


class Objective:
    """Evaluate a loss at the present values of its parameters: value, gradient and products with the Hessian.

    Vectors are float64 and have an entry per entry of the parameters; the graph computes in the parameters' dtype.

    Errors: TypeError or ValueError for a loss that is no node of one element or reaches no parameter; FloatingPointError where value or
    gradient is not finite, by the parameter's name.
    """

    def __init__(self, loss: Loss, parameters: Sequence[Parameter], asker: str) -> None:
        self.parameters, self.asker = parameters, asker
        self.node = _checked(loss() if callable(loss) else loss, asker)
        if set(parameters).isdisjoint(Graph(self.node).nodes):
            raise ValueError(
                f"{asker}: the loss does not depend on {', '.join(p.label for p in parameters[:3])}: build it of these parameters, "
                "not of their .value"
            )
        self.value = float(self.node._value.reshape(()))
        if not math.isfinite(self.value):
            raise FloatingPointError(
                f"{asker}: the loss is {self.value}, and nothing was changed: minigrad.anomalies() names the first node that is not finite"
            )

    @cached_property
    def _slopes(self) -> tuple[Node, ...]:
        return gradients(self.node, self.parameters)

    @cached_property
    def gradient(self) -> Array:
        """The gradient as a vector."""
        for parameter, slope in zip(self.parameters, self._slopes, strict=True):
            if not np.isfinite(slope._value).all():
                raise FloatingPointError(
                    f"{self.asker}: the gradient of {parameter.label} is not finite, and nothing was changed: "
                    "minigrad.anomalies() names the first node that is not"
                )
        return joined([slope._value for slope in self._slopes])

    @cached_property
    def _gradient_node(self) -> Node:
        return concatenate([slope.ravel() for slope in self._slopes])

    def product(self, vector: Array) -> Array:
        """Compute the Hessian times a vector: one backward sweep over the graph of the gradient."""
        adjoint = vector.astype(self._gradient_node.dtype)
        found = joined([node._value for node in gradients(self._gradient_node, self.parameters, adjoint=adjoint)])
        if not np.isfinite(found).all():
            raise FloatingPointError(
                f"{self.asker}: a second derivative of the loss is not finite, and nothing was changed: look for a root, a norm or "
                "a logarithm at 0"
            )
        return found

    def hessian(self) -> Array:
        """Compute the Hessian, (n, n), by a product per column; the mean of itself and its transpose, which differ by rounding."""
        columns: Array = np.stack([self.product(unit) for unit in np.eye(self.gradient.size)])
        return (columns + columns.T) / 2


def as_parameters(parameters: Iterable[Parameter], asker: str) -> tuple[Parameter, ...]:
    """The trainable ones; TypeError unless all have one dtype, float32 or float64."""
    found = trainable(parameters, asker)
    dtypes = sorted({str(parameter.dtype) for parameter in found})
    if len(dtypes) > 1:
        raise TypeError(f"{asker}: the parameters hold {' and '.join(dtypes)}: make them all of one dtype")
    return found


def joined(arrays: Iterable[Array]) -> Array:
    """Arrays of any shapes as one vector of float64."""
    vector: Array = np.concatenate([np.ravel(array) for array in arrays]).astype(np.float64)
    return vector


def values_of(parameters: Sequence[Parameter]) -> Array:
    """The parameters as a vector."""
    return joined([parameter._value for parameter in parameters])


def write(parameters: Sequence[Parameter], vector: Array, asker: str) -> None:
    """Set the parameters to a vector; FloatingPointError, and nothing is written, where it does not fit into their dtype."""
    ends = np.cumsum([parameter.size for parameter in parameters])[:-1]
    with np.errstate(over="ignore"):
        parts = [
            part.reshape(parameter.shape).astype(parameter.dtype)
            for parameter, part in zip(parameters, np.split(vector, ends), strict=True)
        ]
    for parameter, part in zip(parameters, parts, strict=True):
        if not np.isfinite(part).all():
            raise FloatingPointError(
                f"{asker}: the new {parameter.label} is not finite in {parameter.dtype}, and nothing was changed: raise damping="
            )
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.value = part


def _checked(node: Node, asker: str) -> Node:
    if not isinstance(node, Node):
        raise TypeError(
            f"{asker}: expected the loss as a node, or a function of no arguments that builds it, found {type(node).__name__}: write "
            "lambda: losses.mean_squared_error(model(x), y)"
        )
    if node.size != 1 or node.dtype.kind != "f":
        raise ValueError(
            f"{asker}: expected a loss of one floating-point element, found {node.label}: sum it, or take the mean"
        )
    return node
