"""What models are made of: a Module holds parameters and other modules as attributes, and knows how to find them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from minigrad.context import scope
from minigrad.node import Array, Node, Parameter

if TYPE_CHECKING:
    import numpy.typing as npt


class Module:
    """A part of a model. A subclass assigns Parameters and modules (or lists, tuples, dicts of them) as attributes
    and defines `forward(self, *inputs) -> node`; calling the module runs it in a scope named after the class.

    The order of parameters is the order of assignment; one that is shared counts once, under the path it has first. A
    parameter without a name gets its attribute's.

    >>> import numpy as np, minigrad as mg
    >>> from minigrad.models import Module
    >>> class Line(Module):
    ...     def __init__(self) -> None:
    ...         self.slope = mg.Parameter(2.0)
    ...
    ...     def forward(self, x: mg.Node) -> mg.Node:
    ...         return self.slope * x
    >>> Line()(mg.Input([1.0, 2.0])).value, Line().named_parameters()
    (array([2., 4.]), [('slope', <Parameter "slope" () float64 = 2.>)])
    """

    training: bool = True

    def __call__(self, *inputs: Any, **options: Any) -> Node:
        with scope(type(self).__name__.lower()):
            return self.forward(*inputs, **options)

    def forward(self, *inputs: Any, **options: Any) -> Node:
        """The output as a node, from the inputs."""
        raise TypeError(f"{type(self).__name__} defines no forward: write forward(self, *inputs) -> node")

    def parameters(self) -> list[Parameter]:
        """All parameters, those of nested modules included, each once; trainable or not."""
        return [parameter for _, parameter in self.named_parameters()]

    def named_parameters(self) -> list[tuple[str, Parameter]]:
        """The parameters with their paths: [("layers.0.W", ...), ...]."""
        return [(path, member) for path, member in _members(self) if isinstance(member, Parameter)]

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters' arrays, by path."""
        return {path: parameter.value.copy() for path, parameter in self.named_parameters()}

    def load_state_dict(self, arrays: Mapping[str, npt.ArrayLike]) -> None:
        """Write the arrays of a `state_dict` into the parameters. ValueError, and no change, unless every one fits."""
        own = dict(self.named_parameters())
        found = {path: np.asarray(array) for path, array in arrays.items()}
        problems = [f"{path} is missing" for path in own if path not in found]
        problems += [f"{path} is unexpected" for path in found if path not in own]
        for path, parameter in own.items():
            array = found.get(path, parameter.value)
            if (array.shape, array.dtype) != (parameter.shape, parameter.dtype):
                problems.append(
                    f"{path} has shape {array.shape} and dtype {array.dtype}, expected {parameter.shape} and "
                    f"{parameter.dtype}"
                )
        if problems:
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: {'; '.join(problems)}. Nothing was changed: load the state of "
                "a model built with the same sizes and dtype"
            )
        for path, parameter in own.items():
            parameter.value = found[path]

    def train(self) -> Self:
        """Switch to training (what a module is born in): dropout drops, statistics run."""
        return self._switch(True)

    def eval(self) -> Self:
        """Switch to evaluation."""
        return self._switch(False)

    def _switch(self, training: bool) -> Self:
        for _, member in _members(self):
            if isinstance(member, Module):
                member.training = training
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        for path, member in _members(value, name):
            if isinstance(member, Parameter) and not member.name:
                member.name = path


def _members(value: Any, path: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Module | Parameter]]:
    """The modules and parameters in a value, itself included, with their paths: depth first, each once."""
    seen = set() if seen is None else seen
    if not isinstance(value, Module | Parameter | list | tuple | dict) or id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Module | Parameter):
        yield path, value
    for key, entry in _entries(value):
        yield from _members(entry, f"{path}.{key}" if path else str(key), seen)


def _entries(value: Module | Parameter | list[Any] | tuple[Any, ...] | dict[Any, Any]) -> Iterator[tuple[Any, Any]]:
    """What a module or a container holds, by attribute, key or place."""
    if isinstance(value, Module):
        yield from vars(value).items()
    elif isinstance(value, dict):
        yield from value.items()
    elif not isinstance(value, Parameter):
        yield from enumerate(value)
