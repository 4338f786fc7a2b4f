"""Say in one word why a node has no adjoint, the same word in every view.

An adjoint that is 0 is a number that has arrived. Where none has arrived there is one of these words, never 0.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from minigrad.drawing.flow import Flow, FlowNode

NOT_YET = "not yet"  # it will arrive later in the sweep
NO_PATH = "no path"  # no path of floating-point nodes leads from it to the output
STOPPED = "stopped"  # paths lead, and on each of them a rule sends nothing: stop_gradient, sign
NOT_ASKED = "not asked for"  # paths lead, and it is on none from the nodes that were asked for
HAS_NONE = "none"  # integers and truth values have no adjoints
TOLD = (NO_PATH, STOPPED)  # what pictures write in the place of an adjoint


def absences(flow: Flow, wrt: Iterable[int], known: Collection[int]) -> list[str]:
    """Give the word of every node, "" for those whose adjoint is known.

    wrt:   the nodes whose adjoints were asked for
    known: those whose adjoint arrived
    """
    operands = flow.operands()
    leads = _leading(flow, operands)
    asked = _behind(flow, operands, wrt)
    return [
        ""
        if node.index in known
        else HAS_NONE
        if not _is_floating(node)
        else NO_PATH
        if node.index not in leads
        else STOPPED
        if node.index in asked
        else NOT_ASKED
        for node in flow.nodes
    ]


def with_absences(flow: Flow, wrt: Collection[int], known: Collection[int]) -> Flow:
    """The same graph with "no path" or "stopped" in the place of adjoints that never arrive; of constants nothing is said."""
    if not wrt:
        return flow
    words = absences(flow, wrt, known)
    return replace(
        flow,
        nodes=tuple(
            [
                replace(node, adjoint=(word,)) if word in TOLD and node.kind != "constant" else node
                for node, word in zip(flow.nodes, words, strict=True)
            ]
        ),
    )


def _leading(flow: Flow, operands: Sequence[Sequence[int]]) -> set[int]:
    """The nodes from which a path of floating-point nodes leads to an output."""
    leads = {output for output in flow.outputs if _is_floating(flow.nodes[output])}
    for i in reversed(range(len(flow.nodes))):
        if i in leads:
            leads.update(child for child in operands[i] if _is_floating(flow.nodes[child]))
    return leads


def _behind(flow: Flow, operands: Sequence[Sequence[int]], wrt: Iterable[int]) -> set[int]:
    """The nodes asked for, and all floating-point nodes computed from them."""
    found = set(wrt)
    for node in flow.nodes:
        if _is_floating(node) and not found.isdisjoint(operands[node.index]):
            found.add(node.index)
    return found


def _is_floating(node: FlowNode) -> bool:
    return node.dtype.startswith("float")
