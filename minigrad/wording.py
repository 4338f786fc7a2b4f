"""The words of messages: what a node is called, and what to do with a thing that is no node.

Loaded when the first message is made: nobody needs it to understand the engine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.node import Node

# Operations that move, repeat or cast entries: a message about their value names the node they were given as well.
_MOVES = {
    "AsType", "Reshape", "ExpandDims", "Squeeze", "Transpose", "MatrixTranspose", "BroadcastTo", "GetItem", "Copy", "Flip"
}  # fmt: skip


def label(node: Node) -> str:
    """Kind, name and shape, and where entries were moved, of which node: Reshape (8,) of Input "x" (4, 2).

    A cast is left out: what a layer casts at its door is named by what the user gave.
    """
    shown = _origin(node, {"AsType"})
    dtype = "" if node.dtype.kind == "f" else f" {node.dtype}"
    origin = _origin(shown, _MOVES)
    return f"{_named(shown)} {node.shape}{dtype}{'' if origin is shown else f' of {_named(origin)} {origin.shape}'}"


def _origin(node: Node, kinds: Collection[str]) -> Node:
    """The node itself, or the first below it that has a name or is of none of the kinds."""
    while type(node).__name__ in kinds and not node.name:
        node = node.children[0]
    return node


def _named(node: Node) -> str:
    return f'{type(node).__name__} "{node.name}"' if node.name else type(node).__name__


def instead(
    found: Any,
    of_several: str,
    of_module: str = "call it first, and give the node it returns",
    of_array: str = "an array or number has no graph; calculate with nodes, x = mg.Input(array)",
) -> str:
    """What was found where a node is expected, and how to get one; what to do with a list of them is up to the asker."""
    kind = type(found).__name__
    if isinstance(found, type):
        use = f"{found.__name__}(x)" if hasattr(found, "fprop") else f"make one, and call it: {found.__name__}(...)(x)"
        return f"the class {found.__name__}: {use}"
    if hasattr(found, "forward"):
        return f"{kind}: {of_module}"
    if hasattr(found, "outputs"):
        return f"{kind}: give its nodes, graph.outputs"
    if callable(found):
        return f"the function {getattr(found, '__name__', kind)}: call it first, and give the node it returns"
    if isinstance(found, list | tuple | dict | set):
        return f"{kind}: {of_several}"
    if isinstance(found, np.ndarray | np.generic | float | int):
        return f"{kind}: {of_array}"
    return kind


def as_inputs(inputs: Node | Sequence[Node], expected: str) -> tuple[Node, ...]:
    """The nodes to differentiate by, as a tuple; TypeError where something else stands there."""
    given: tuple[Any, ...]
    if type(inputs) is list or type(inputs) is tuple:  # as nearly always
        given = tuple(inputs)
    else:
        several = isinstance(inputs, Iterable) and not isinstance(inputs, Node | np.ndarray | Mapping)
        given = tuple(inputs) if several else (inputs,)
    for node in given:
        if not isinstance(node, Node):
            found = instead(
                node,
                "give one flat list of nodes",
                "give its parameters, model.parameters()",
                "give the node itself, W and not W.value",
            )
            raise TypeError(f"{expected}, not {found}")
        if node.dtype.kind != "f":
            raise TypeError(f"gradients: {node.label} holds {node.dtype}, and only floating-point nodes have adjoints")
    return given
