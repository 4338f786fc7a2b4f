"""Gradients and units of a model on a batch, as numbers. Nothing of the model is changed: it is run in evaluation mode."""

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
    node = _loss_node(model, loss, Examples.of("gradient_norms", inputs, targets, mask=mask))
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
        outputs = outputs_of(model, examples.inputs)
    slopes: dict[str, list[npt.NDArray[Any]]] = {}
    largest: dict[str, float] = {}
    uses: Counter[tuple[str | None, type]] = Counter()
    for node in Graph(*_all_nodes(outputs)).nodes:
        if not _is_activation(node):
            continue
        uses[node.scope, type(node)] += 1
        place = _place(node, uses[node.scope, type(node)])
        slope = _slope(node, node.children[0])
        slopes.setdefault(place, []).append(slope.reshape(-1, node.shape[-1] if node.ndim else 1))
        if place not in largest:
            grid = Input(np.linspace(-5, 5, 1001).astype(node.dtype), "grid")
            kind: Any = type(node)
            largest[place] = float(_slope(kind(grid, **node.attributes), grid).max())
    found = {}
    for place, parts in slopes.items():
        every = np.concatenate(parts)
        saturated = float(np.mean(every <= SATURATED * largest[place]))
        found[place] = UnitHealth(every.shape[-1], saturated, float(np.mean(~every.any(axis=0))))
    return found


def _slope(node: Node, x: Node) -> npt.NDArray[Any]:
    """|σ'(x)|, entry by entry."""
    (slope,) = gradients(node, [x], adjoint=np.ones(node.shape, node.dtype))
    return np.abs(slope.value)


def _norm(array: npt.NDArray[Any]) -> float:
    """The Euclidean norm, whose squares neither overflow nor underflow."""
    largest = float(np.abs(array).max(initial=0))
    return largest * float(np.linalg.norm(array.astype(np.float64) / largest)) if 0 < largest < np.inf else largest


def _loss_node(model: Module, loss: Loss, examples: Examples) -> Node:
    """The loss as nodes, in evaluation mode."""
    with evaluating(model):
        outputs = outputs_of(model, examples.inputs)
    given = iter([Input(array, name) for name, array in examples.arrays().items()])
    _, targets = (filled(form, given) for form in examples.form[:2])
    return loss_of(loss, outputs, targets, dict(zip(examples.options, given, strict=True)), set())


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
