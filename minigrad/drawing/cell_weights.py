"""Weights in a recorded graph: which parameter lies behind a matrix or a bias, and which of its rows or columns."""

from __future__ import annotations

from typing import NamedTuple

from minigrad.drawing import summary
from minigrad.drawing.flow import Flow, FlowNode
from minigrad.drawing.lanes import STEP

Span = tuple[int, int] | None  # from where to where; None for a single entry


class UnknownCellError(Exception):
    """The step is none of the cells that have a picture; the message says what stands in the way."""


class Weight(NamedTuple):
    """A parameter of a layer, and which part of it is used: "W_x", "rows", "4:8"; all of it where part is ""."""

    name: str
    unit: str = ""
    part: str = ""

    @property
    def text(self) -> str:
        """The parameter with its part, as NumPy writes it: W_x[4:8]."""
        return f"{self.name}[{':, ' * (self.unit == 'columns')}{self.part}]" if self.part else self.name


class Weights:
    """Finds the parameters of a graph."""

    def __init__(self, flow: Flow) -> None:
        self.nodes, self.children = flow.nodes, flow.operands()

    def at(self, node: int, low: int, high: int, axis: int) -> Weight:
        """The parameter behind a matrix or a bias, and the part of it in those columns (axis 1) or rows (axis 0)."""
        spans = [(0, size) for size in self.nodes[node].shape]
        if spans:
            spans[axis] = low, high
        while (move := self._before_move(node, spans)) is not None:
            node, spans = move
        found = self.nodes[node]
        if found.is_number:
            return Weight(summary.line(found.value))
        cut = [k for k, (span, size) in enumerate(zip(spans, found.shape, strict=True)) if span != (0, size)]
        name = _called(found) if not self.children[node] else short(found.name)
        name = name or f"made of {', '.join(self._parameters(node))}"
        if self.children[node] and cut:
            raise UnknownCellError(f"a part of {found.title} is used as weights")
        parts = [f"{low}:{high}" for low, high in spans]
        if len(cut) != 1:
            return Weight(name, "", ", ".join(parts) if cut else "")
        unit = "entries" if len(parts) == 1 else "columns" if cut[0] else "rows"
        return Weight(name, unit, parts[cut[0]])

    def _before_move(self, node: int, spans: list[tuple[int, int]]) -> tuple[int, list[tuple[int, int]]] | None:
        """Where the same part lies in the operand of what only transposes, cuts or casts; None for all else."""
        if not self.children[node]:
            return None
        found, child = self.nodes[node], self.children[node][0]
        shape = self.nodes[child].shape
        is_plain = found.operation == "Transpose" and not found.attributes and len(shape) == 2
        if found.operation == "MatrixTranspose" or is_plain:
            return child, [*spans[:-2], spans[-1], spans[-2]]
        if found.operation == "AsType":
            return child, spans
        starts = sliced(found, shape) if found.operation == "GetItem" else None
        if starts is None or None in starts:
            return None
        pairs = zip([start or (0, 0) for start in starts], spans, strict=True)
        return child, [(low + start, high + start) for (start, _), (low, high) in pairs]

    def _parameters(self, node: int) -> list[str]:
        """The names of what something is made of, in order."""
        found, todo = set(), [node]
        while todo:
            at = todo.pop()
            todo += self.children[at]
            if not self.children[at] and not self.nodes[at].is_number:
                found.add(_called(self.nodes[at]))
        return sorted(found)


def sliced(node: FlowNode, shape: tuple[int, ...]) -> list[Span] | None:
    """What a basic index takes of each axis: from where to where, None for a single entry; None where it is no such index."""
    parts = node.attributes.get("index", "").split(", ")
    if "..." in parts:
        at = parts.index("...")
        parts[at : at + 1] = [":"] * (len(shape) - len(parts) + 1)
    parts += [":"] * (len(shape) - len(parts))
    found: list[Span] = []
    for part, size in zip(parts, shape, strict=False):
        if part.lstrip("-").isdigit():
            found.append(None)
            continue
        numbers = part.split(":")
        if len(numbers) != 2 or not all(number.lstrip("-").isdigit() or not number for number in numbers):
            return None
        low, high, _ = slice(*[int(number) if number else None for number in numbers]).indices(size)
        found.append((low, high))
    return found if len(parts) == len(shape) else None


def _called(leaf: FlowNode) -> str:
    """A parameter's own name, "b_1", without what stands before a dot."""
    return leaf.name.rsplit(".", maxsplit=1)[-1] or "W"


def short(name: str) -> str:
    """A name without what stands before a dot, and without the number of its step."""
    last = name.rsplit(".", maxsplit=1)[-1]
    return STEP.sub("", last) or last
