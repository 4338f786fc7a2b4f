"""Find where an adjoint ends: it is not 0 in a node, and the node sends 0, or nothing, to a child that could have one.

A leaf that other paths reach, or its entries in another order, is not told of: the first state of a loop, which is 0, ends no
gradient of the weights.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from minigrad.drawing import symbols
from minigrad.drawing.absence import NO_PATH
from minigrad.drawing.flow import Flow

SIGN = "⊣"
MEANING = f"{SIGN} an adjoint ends: it is not 0 in that node, which sends 0 or nothing on."


def ends_of(flow: Flow, living: Collection[int], sent: Mapping[tuple[int, int], bool]) -> frozenset[tuple[int, int]]:
    """The arrows (child, node) along which nothing but 0 is sent by a node whose adjoint is not 0.

    living: the nodes whose adjoint is not 0; sent: by node and place of the child whether what is sent is not 0
    """
    operands = flow.operands()
    found, going = set(), set()
    for edge in flow.edges:
        child = flow.nodes[edge.source]
        pair = (edge.source, edge.target)
        if sent.get((edge.target, edge.slot)):
            going.add(pair)
            continue
        has_one = child.adjoint not in ((), (NO_PATH,))
        if edge.target in living and has_one and _leaf(flow, operands, edge.source) not in living:
            found.add(pair)
    return frozenset(found - going)


def _leaf(flow: Flow, operands: Sequence[Sequence[int]], index: int) -> int:
    """The leaf whose entries a node rearranges, or is; -1 of any other."""
    while operands[index]:
        node = flow.nodes[index]
        if len(operands[index]) > 1 or not symbols.rearranged(node.operation, node.attributes, "x"):
            return -1
        (index,) = operands[index]
    return index


def said_of(flow: Flow, node: int) -> str:
    """What a box says of it: that all ends there, or which children nothing goes to; "" where nothing ends."""
    children = {edge.source for edge in flow.edges if edge.target == node and flow.nodes[edge.source].adjoint}
    dead = sorted(child for child, target in flow.ends if target == node)
    if not dead:
        return ""
    if len(dead) == len([child for child in children if flow.nodes[child].adjoint != (NO_PATH,)]):
        return f"{SIGN} ∂ ends here"
    return f"{SIGN} no ∂ to {', '.join([flow.nodes[child].name[:12] or f'#{child}' for child in dead[:3]])}"
