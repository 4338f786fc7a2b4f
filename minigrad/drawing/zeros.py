"""Find out why a rule that is given an adjoint sends 0: its terms are 0 each, add up to 0, or are too small for their dtype."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from minigrad.adjoints import Arrived, Mask, Part, joined, send
from minigrad.drawing.events import Bprop, Recorder
from minigrad.drawing.stored import Table
from minigrad.node import Array, Constant, Node
from minigrad.ops.base import Operation

PRODUCTS = ("Multiply", "MatMul", "Outer", "Cross", "Einsum", "Divide", "ScaleAdjoint")
CANCELED = "terms that are not 0 add up to 0"
TINY = "no term is 0 exactly, but each rounds to 0"
FLAT = "whatever arrives, 0 is sent"


class ZeroRecorder(Recorder):
    """Record a graph, and try each rule that sends 0 with further adjoints.

    Rules are linear in the adjoint. So terms that cancel do not do so when each is multiplied by a random weight of its own,
    and terms that are 0 stay 0. The factors of products get such weights too, since an adjoint of one entry has terms as well.

    zeros: by the number of the node and the slot of the child CANCELED, TINY or FLAT; nothing where entries of the adjoint
           would be passed on, but those that arrive are not
    """

    def __init__(self, nodes: Sequence[Node], table: Table) -> None:
        super().__init__(nodes, table)
        self.zeros: dict[tuple[int, int], str] = {}
        self.rng = np.random.default_rng(0)

    def send(self, node: Operation, adjoint: Node, mask: Mask | None, wanted: set[Node], arrived: Arrived) -> None:
        """Let the engine apply the rule, and try it again where it sends 0."""
        super().send(node, adjoint, mask, wanted, arrived)
        event = self.events[-1]
        assert isinstance(event, Bprop)
        slots = {sent.slot for sent in event.sends if not self.table.arrays[sent.array].norm}
        norm = self.table.arrays[event.adjoint].norm
        if slots and norm and np.isfinite(norm):
            with np.errstate(all="ignore"):
                self._try(node, adjoint._value, mask, slots)

    def _try(self, node: Operation, adjoint: Array, mask: Mask | None, slots: set[int]) -> None:
        twin = node
        if type(node).__name__ in PRODUCTS:
            twin = type(node)(*map(self._weighted, node.children), **node.attributes)
        weighted = self._weights(adjoint)
        canceled = _alive(twin, adjoint * weighted, mask, slots)
        tiny = _alive(twin, adjoint / np.abs(adjoint).max() * weighted, mask, slots - canceled)
        flat = slots - canceled - tiny
        flat -= _alive(twin, weighted, mask, flat)
        for found, why in ((canceled, CANCELED), (tiny, TINY), (flat, FLAT)):
            self.zeros.update({(self.index[node], slot): why for slot in found})

    def _weights(self, array: Array) -> Array:
        """Weights in the shape and dtype of an array; none above 1, so that no term is lifted over the smallest number."""
        return self.rng.uniform(0.5, 1.0, array.shape).astype(array.dtype)

    def _weighted(self, child: Node) -> Node:
        return Constant(child._value * self._weights(child._value)) if child.dtype.kind == "f" else child


def _alive(node: Operation, adjoint: Array, mask: Mask | None, slots: Iterable[int]) -> set[int]:
    """The slots to which the rule sends an entry that is not 0."""
    found: set[int] = set()
    wanted = {node.children[slot] for slot in slots}

    def note(slot: int, part: Part) -> None:
        whole, _ = joined(node.children[slot], [part])
        if slot in slots and whole._value.any():
            found.add(slot)

    if wanted:
        send(node, Constant(adjoint), mask, wanted, {}, note)
    return found
