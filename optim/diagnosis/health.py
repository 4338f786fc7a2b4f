"""Gradients, layers and units of a model on a batch, as numbers. Nothing of the model is changed: it is run in evaluation mode."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from minigrad.graph import Graph, gradients
from minigrad.models import Module
from minigrad.node import Input, Node
from minigrad.ops import activations, elementwise
from minigrad.ops.base import Elementwise
from minigrad.optim.training.evaluation import Loss, evaluating, loss_of, outputs_of
from minigrad.optim.training.examples import Examples, Given, filled

SATURATED = 0.05  # of the largest slope that the function has near 0


def gradient_norms(
    model: Module, loss: Loss, inputs: Given, targets: Given, *, mask: npt.ArrayLike | None = None
) -> dict[str, float]:
    """Measure ‖∂loss/∂θ‖ of every trainable parameter, by its path, on these examples; 0 where no path leads.

    Arguments as `fit` takes them. One that falls by orders of magnitude from layer to layer tells of a gradient that vanishes.
    """
    named = {name: p for name, p in model.named_parameters() if p.trainable}
    _, node = _outputs_and_loss(model, loss, Examples.of("gradient_norms", inputs, targets, mask=mask))
    slopes = gradients(node, list(named.values()))
    return {name: _norm(slope.value) for name, slope in zip(named, slopes, strict=True)}


class UnitHealth(NamedTuple):
    """Of the units of one activation: n_units; the share that is saturated, and the share that is dead.

    saturated: of all its values on the batch, those whose slope |σ'(a)| is below a twentieth of the function's largest, on [−5, 5]
    dead:      of the units (along the last axis), those whose slope is 0 for every example: nothing that they are given trains them
    """

    n_units: int
    saturated: float
    dead: float


def unit_health(model: Module, inputs: Given) -> dict[str, UnitHealth]:
    """Count the units of each activation that are saturated or dead on these examples, by the place of the activation in the model.

    An activation that is used at each time step counts once, over all of them. Functions that are made of other operations are not seen.
    """
    examples = Examples.of("unit_health", inputs, inputs)
    with evaluating(model):
        uses = _activations(outputs_of(model, examples.inputs))
    found = {}
    for place, nodes in uses.items():
        slopes = np.concatenate([_by_unit(_slope(node, node.children[0])) for node in nodes])
        dead = float(np.mean(~slopes.any(axis=0)))
        found[place] = UnitHealth(slopes.shape[-1], _saturated(slopes, nodes[0]), dead)
    return found


class LayerSignals(NamedTuple):
    """Of an activation: how far its values and their adjoints spread, and how many of the values are saturated.

    values:    their standard deviation over the examples, √(mean over units of the variance): 0 where all inputs look alike
    adjoints:  the same of ∂loss/∂values: 0 where no gradient arrives
    saturated: the share of values whose slope is small, as in `UnitHealth`
    """

    values: float
    adjoints: float
    saturated: float


def layer_signals(
    model: Module, loss: Loss, inputs: Given, targets: Given, *, mask: npt.ArrayLike | None = None
) -> dict[str, LayerSignals]:
    """Measure what arrives at each activation, forward and backward, on these examples, by its place, in the order of the model.

    Arguments as `fit` takes them; `figures.layers` draws what is found. A start is good where neither spread grows or falls by a
    constant factor from layer to layer. An activation that is used at each time step counts once, over all of them.
    """
    outputs, node = _outputs_and_loss(model, loss, Examples.of("layer_signals", inputs, targets, mask=mask))
    uses = _activations(outputs)
    read = [use for nodes in uses.values() for use in nodes]
    adjoints = dict(zip(read, gradients(node, read), strict=True))
    return {
        place: LayerSignals(
            _spread([use.value for use in nodes]),
            _spread([adjoints[use].value for use in nodes]),
            _saturated(np.concatenate([_by_unit(_slope(use, use.children[0])) for use in nodes]), nodes[0]),
        )
        for place, nodes in uses.items()
    }


def _activations(outputs: Any) -> dict[str, list[Node]]:
    """The activations on the way to the outputs, by place; several nodes where one is used at each time step."""
    places: dict[str, list[Node]] = {}
    counts: Counter[tuple[str | None, type]] = Counter()
    for node in Graph(*_all_nodes(outputs)).nodes:
        if _is_activation(node):
            counts[node.scope, type(node)] += 1
            places.setdefault(_place(node, counts[node.scope, type(node)]), []).append(node)
    return places


def _by_unit(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """As a matrix with a column for each unit."""
    return array.reshape(-1, array.shape[-1] if array.ndim else 1)


def _spread(uses: list[npt.NDArray[Any]]) -> float:
    """The standard deviation over examples, the first axis; variances are averaged over the rest, and over the uses."""
    return float(np.sqrt(np.mean([np.var(array, axis=0, dtype=np.float64).mean() for array in uses])))


def _saturated(slopes: npt.NDArray[Any], node: Node) -> float:
    """The share of slopes that are below a twentieth of the largest which the activation has on [−5, 5]."""
    grid = Input(np.linspace(-5, 5, 1001).astype(node.dtype), "grid")
    kind: Any = type(node)
    largest = float(_slope(kind(grid, **node.attributes), grid).max())
    return float(np.mean(slopes <= SATURATED * largest))


def _slope(node: Node, x: Node) -> npt.NDArray[Any]:
    """|σ'(x)|, entry by entry."""
    (slope,) = gradients(node, [x], adjoint=np.ones(node.shape, node.dtype))
    return np.abs(slope.value)


def _norm(array: npt.NDArray[Any]) -> float:
    """The Euclidean norm, whose squares neither overflow nor underflow."""
    largest = float(np.abs(array).max(initial=0))
    return largest * float(np.linalg.norm(array.astype(np.float64) / largest)) if 0 < largest < np.inf else largest


def _outputs_and_loss(model: Module, loss: Loss, examples: Examples) -> tuple[Any, Node]:
    """Both as nodes, in evaluation mode."""
    with evaluating(model):
        outputs = outputs_of(model, examples.inputs)
    given = iter([Input(array, name) for name, array in examples.arrays().items()])
    _, targets = (filled(form, given) for form in examples.form[:2])
    return outputs, loss_of(loss, outputs, targets, dict(zip(examples.options, given, strict=True)), set())


def _all_nodes(outputs: Any) -> list[Node]:
    if isinstance(outputs, Node):
        return [outputs]
    parts = outputs.values() if isinstance(outputs, dict) else outputs
    return [node for part in parts for node in _all_nodes(part)]


def _is_activation(node: Node) -> bool:
    """Whether a node is one of the functions that layers bend by, of one argument."""
    bends = type(node).__module__ == activations.__name__ or isinstance(node, elementwise.Tanh)
    return bends and isinstance(node, Elementwise) and len(node.children) == 1


def _place(node: Node, use: int) -> str:
    """The scope without its time steps, and the operation; with a number where a scope uses it several times."""
    parts = [part for part in (node.scope or "").split("/") if not part.startswith("t=")]
    return "/".join([*parts, type(node).__name__.lower()]) + (f"_{use}" if use > 1 else "")
