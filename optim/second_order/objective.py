"""A loss as a function of one vector: the entries of all parameters, one parameter after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import TypeAlias

import numpy as np

from minigrad.compiler.compiled import Compiled
from minigrad.compiler.tracing.tracer import watch
from minigrad.graph import Graph, gradients
from minigrad.node import Array, Node, Parameter
from minigrad.ops.base import Operation
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
        self.value = _finite(float(self.node._value.reshape(())), asker)

    @cached_property
    def _slopes(self) -> tuple[Node, ...]:
        return gradients(self.node, self.parameters)

    @cached_property
    def gradient(self) -> Array:
        """The gradient as a vector."""
        return _finite_slopes([slope._value for slope in self._slopes], self.parameters, self.asker)

    @cached_property
    def _gradient_node(self) -> Node:
        return concatenate([slope.ravel() for slope in self._slopes])

    def product(self, vector: Array) -> Array:
        """Compute the Hessian times a vector: one backward sweep over the graph of the gradient."""
        found = self._swept(vector.astype(self.parameters[0].dtype))
        if not np.isfinite(found).all():
            raise FloatingPointError(
                f"{self.asker}: a second derivative of the loss is not finite, and nothing was changed: look for a root, a norm or "
                "a logarithm at 0"
            )
        return found

    def _swept(self, adjoint: Array) -> Array:
        return joined([node._value for node in gradients(self._gradient_node, self.parameters, adjoint=adjoint)])

    def hessian(self) -> Array:
        """Compute the Hessian, (n, n), by a product per column; the mean of itself and its transpose, which differ by rounding."""
        columns: Array = np.stack([self.product(unit) for unit in np.eye(self.gradient.size)])
        return (columns + columns.T) / 2


class Programs:
    """The gradient of a loss and the products with its Hessian as compiled programs, which serve at all values of the parameters.

    Errors: those of `Objective`, and ValueError for a loss that draws at random: each product would be of another Hessian.
    """

    def __init__(self, loss: Callable[[], Node], parameters: Sequence[Parameter], asker: str) -> None:
        checked = Objective(loss, parameters, asker)
        drawn = [node.label for node in Graph(checked.node).nodes if isinstance(node, Operation) and not node.pure]
        if drawn:
            raise ValueError(
                f"{asker}: {drawn[0]} is drawn anew by every run of a program: use compiled=False, or model.eval()"
            )

        self.loss, self.parameters = loss, parameters
        self.slopes, self.product = Compiled(self._slopes), Compiled(self._product)

    def serve(self, loss: Callable[[], Node], parameters: Sequence[Parameter]) -> bool:
        """Tell whether they are of this loss and these parameters."""
        return loss is self.loss and list(map(id, parameters)) == list(map(id, self.parameters))

    def _slopes(self) -> tuple[Node, tuple[Node, ...]]:
        watch(self.loss)
        node = self.loss()
        return node, gradients(node, self.parameters)

    def _product(self, vector: Node) -> tuple[Node, ...]:
        gradient = concatenate([slope.ravel() for slope in self._slopes()[1]])
        return gradients(gradient, self.parameters, adjoint=vector)


class CompiledObjective(Objective):
    """The same by programs."""

    def __init__(self, programs: Programs, asker: str) -> None:
        self.parameters, self.asker, self.programs = programs.parameters, asker, programs
        value, self._arrays = programs.slopes()
        self.value = _finite(float(value.reshape(())), asker)

    @cached_property
    def gradient(self) -> Array:
        """The gradient as a vector."""
        return _finite_slopes(self._arrays, self.parameters, self.asker)

    def _swept(self, adjoint: Array) -> Array:
        return joined(self.programs.product(adjoint))


def _finite(loss: float, asker: str) -> float:
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"{asker}: the loss is {loss}, and nothing was changed: minigrad.anomalies() names the first node that is not finite"
        )
    return loss


def _finite_slopes(slopes: Sequence[Array], parameters: Sequence[Parameter], asker: str) -> Array:
    for parameter, slope in zip(parameters, slopes, strict=True):
        if not np.isfinite(slope).all():
            raise FloatingPointError(
                f"{asker}: the gradient of {parameter.label} is not finite, and nothing was changed: "
                "minigrad.anomalies() names the first node that is not"
            )
    return joined(slopes)


def as_parameters(parameters: Iterable[Parameter], asker: str) -> tuple[Parameter, ...]:
    """Take the trainable ones; TypeError unless all have one dtype, ValueError where they have no entry."""
    found = trainable(parameters, asker)
    dtypes = sorted({str(parameter.dtype) for parameter in found})
    if len(dtypes) > 1:
        raise TypeError(f"{asker}: the parameters hold {' and '.join(dtypes)}: make them all of one dtype")
    if not any(parameter.size for parameter in found):
        raise ValueError(f"{asker}: the parameters have no entries")
    return found


def joined(arrays: Iterable[Array]) -> Array:
    """Arrays of any shapes as one vector of float64."""
    vector: Array = np.concatenate([np.ravel(array) for array in arrays]).astype(np.float64)
    return vector


def values_of(parameters: Sequence[Parameter]) -> Array:
    """Put the parameters into a vector."""
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
    put_back(parameters, parts)


def put_back(parameters: Sequence[Parameter], arrays: Iterable[Array]) -> None:
    """Set the parameters to arrays of their shapes."""
    for parameter, array in zip(parameters, arrays, strict=True):
        parameter.value = array


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
