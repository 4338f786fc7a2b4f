"""What a model makes of examples, and the loss and metrics of that; nothing is trained here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import attrgetter, itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from minigrad.models import Module
from minigrad.node import Array, Input, Node, Parameter
from minigrad.optim.training.broadcasting import refuse_all_pairs
from minigrad.optim.training.examples import Examples, Given, arrays_of, filled, form_of, handed, mapped, named
from minigrad.signatures import parameters

Loss = Callable[..., Node]  # of outputs and targets, and mask= and weights= where they are given


Metric = Callable[..., float]  # of outputs and targets as arrays, and mask= and weights= where it takes them


EVALUATION_BATCH = 1000  # examples whose nodes are held at once when nothing is trained


def loss_of(loss: Loss, outputs: Any, targets: Any, options: Mapping[str, Node], compared: set[Any]) -> Node:
    """The loss as a node, looked at once for every set of shapes: does it pair all examples with all?

    compared: the shapes that were looked at; the new ones are added
    """
    for name in options:
        if not (takes(loss, name) or isinstance(loss, Module)):
            raise TypeError(
                f"the loss {getattr(loss, '__name__', loss)} takes no {name}: write a function of (outputs, targets, *, {name}), or "
                f"leave {name}= out"
            )
    found = loss(outputs, targets, **options)
    given = {**named("outputs", outputs), **named("targets", targets), **options}
    numbers = [name for name, part in given.items() if isinstance(part, np.ndarray)]
    if numbers or not isinstance(found, Node):
        name, part = (numbers[0], given[numbers[0]]) if numbers else ("the loss", found)
        raise TypeError(
            f"{name}: expected a node, found {type(part).__name__}, through which no adjoint flows: compute it without .value and "
            "float()"
        )
    nodes = {
        name: part for name, part in given.items() if isinstance(part, Node)
    }  # outputs of a kind of one's own are not looked at
    shapes = tuple([node.shape for node in nodes.values()])
    if shapes not in compared:
        refuse_all_pairs(found, nodes)
        compared.add(shapes)
    return found


def predict(model: Module, inputs: Given) -> Any:
    """Compute the outputs on all inputs, in evaluation mode, some examples at a time; modes are restored.

    inputs: an array, or a tuple or dict of arrays, as `fit` takes them
    """
    given = arrays_of("predict(inputs)", inputs)
    n = len(next(iter(named("inputs", given).values())))
    some = [mapped(itemgetter(slice(i, i + EVALUATION_BATCH)), given) for i in range(0, max(n, 1), EVALUATION_BATCH)]
    with evaluating(model):
        parts = [mapped(attrgetter("value"), outputs_of(model, inputs)) for inputs in some]
    columns = zip(*[named("", part).values() for part in parts], strict=True)
    return filled(form_of(parts[0]), map(np.concatenate, columns))


def outputs_of(model: Module, inputs: Any) -> Any:
    """What the model makes of arrays, as nodes."""
    nodes = iter([Input(array, name) for name, array in named("inputs", inputs).items()])
    return handed(model, filled(form_of(inputs), nodes))


def copies(states: Sequence[Parameter]) -> list[tuple[Parameter, Array]]:
    """The states, each with a copy of what it holds."""
    return [(state, state._value.copy()) for state in states]


def put_back(before: Sequence[tuple[Parameter, Array]]) -> None:
    """Write into the states what they held."""
    for state, old in before:
        state.value = old


@contextmanager
def modes_kept(model: Module) -> Iterator[None]:
    """Give the model and every module within its mode back, whatever happens within."""
    modes = [(module, module.training) for _, module in model.named_modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Run the model in evaluation mode within this; afterwards its modes are those before."""
    with modes_kept(model):
        model.eval()
        yield


def evaluate(
    model: Module,
    loss: Loss,
    inputs: Given,
    targets: Given,
    *,
    mask: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
) -> tuple[float, Any]:
    """Compute the loss on all examples, and the outputs. Arguments as `fit` takes them."""
    return evaluated(model, loss, Examples.of("evaluate", inputs, targets, mask=mask, weights=weights))


def evaluated(model: Module, loss: Loss, examples: Examples) -> tuple[float, Any]:
    """Evaluate on `Examples`."""
    outputs = predict(model, examples.inputs)
    compared = Examples(outputs, examples.targets, examples.options)
    nodes = iter([Input(array, name) for name, array in compared.arrays().items()])
    given, wanted = [filled(form, nodes) for form in compared.form[:2]]
    found = loss_of(loss, given, wanted, dict(zip(compared.options, nodes, strict=True)), set())
    return _one("the loss", found.value), outputs


def measure(metrics: Mapping[str, Metric], outputs: Any, examples: Examples) -> dict[str, float]:
    """The metrics, each given mask and weights where it takes them."""
    found = {}
    for name, metric in metrics.items():
        options = {key: array for key, array in examples.options.items() if takes(metric, key)}
        found[name] = _one(f"the metric {name}", metric(outputs, examples.targets, **options))
    return found


def _one(what: str, found: Any) -> float:
    """The number, or the only entry of an array or node."""
    array = found._value if isinstance(found, Node) else np.asarray(found)
    if array.size != 1:
        raise ValueError(f"{what}: expected one number, found shape {array.shape}: take its mean, or its sum")
    return float(array.item())


def takes(function: Callable[..., Any], name: str) -> bool:
    """Whether a function has an argument of that name."""
    return name in parameters(function)
