"""The words of messages: what a node is called, and what to do with a thing that is no node.

Loaded when the first message is made: nobody needs it to understand the engine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.errors import users_line, where
from minigrad.node import Node, Number

# Operations that move, repeat or cast entries: a message about their value names the node they were given as well.
_MOVES = {
    "AsType", "Reshape", "ExpandDims", "Squeeze", "Transpose", "MatrixTranspose", "BroadcastTo", "GetItem", "Copy", "Flip"
}  # fmt: skip


def label(node: Node) -> str:
    """Kind, name and shape, and where entries were moved, of which node: Reshape (8,) of Input "x" (4, 2).

    A cast goes by the name of what was cast, Input "x" (4, 2) as float32: layers cast what the user gives them.
    """
    shown = _origin(node, {"AsType"})
    origin = _origin(shown, _MOVES)
    dtype = "" if node.dtype.kind == "f" or shown is not node else f" {node.dtype}"
    of = "" if origin is shown else f" of {_named(origin)} {origin.shape}"
    return f"{_named(shown)} {node.shape}{dtype}{of}{'' if shown is node else f' as {node.dtype}'}"


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
    one = isinstance(inputs, Node | np.ndarray | Mapping) or not isinstance(inputs, Iterable)
    given: tuple[Any, ...] = (inputs,) if one else tuple(inputs)
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


def non_finite(node: Node) -> FloatingPointError:
    """The error of `anomalies()`: which node, how many entries, the first of them, and what went in."""
    bad = ~np.isfinite(node._value)
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    nans = int(np.isnan(node._value).sum())
    what = "its value" if node.context.origin is None else "this adjoint"
    name = f' "{node.name}"' if node.name else ""
    ranges = "   ".join(f"{child.label} in {_range(child._value)}" for child in node.children[:6])
    ranges += f"   and {len(node.children) - 6} more" if len(node.children) > 6 else ""
    return FloatingPointError(
        f"{where(node)}{name}: {what} has {nans} nan and {int(bad.sum()) - nans} inf of {bad.size} entries, "
        f"the first at {first}. {f'Inputs: {ranges}' if ranges else 'Clean the data'}   {users_line()}"
    )


def _range(value: np.ndarray) -> str:
    """The interval an input lies in, nan included if it holds one."""
    return f"[{value.min():.4g}, {value.max():.4g}]" if value.size else "[]"


def not_fed(leaf: Any, in_the_graph: bool) -> Exception:
    """The error of a leaf to which a replay cannot give another array."""
    if not isinstance(leaf, Node):
        return ValueError(
            f"Graph.fprop: {leaf} is not in the graph, but of type {type(leaf).__name__}: feed by the node itself, {{x: array}}, where x "
            "is the Input that the graph was made of"
        )
    name = leaf.label
    if not in_the_graph:
        return ValueError(f"Graph.fprop: {name} is not in the graph, so feed another node")
    if isinstance(leaf, Number):
        return TypeError(f"Graph.fprop: the number {leaf._value} serves other graphs too: write mg.Input(...) for it")
    return TypeError(f"Graph.fprop feeds inputs and constants, not {name}: a Parameter has .value = array")
