"""Notice values that were written to after other nodes were computed from them: rules would mix old and new numbers.

Writes that the engine makes leave their time in `renewed`. `W.value` gives an array away, which anybody may write into;
a copy tells whether somebody did, and the nodes themselves, computed once more, whether that was before them or after.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from minigrad.errors import where
from minigrad.graph import ancestry
from minigrad.node import Array, Node, Parameter, given_away, latest_change, next_number
from minigrad.ops.base import Operation


def give_away(parameter: Parameter) -> Array:
    """The parameter's array, with a note of what it holds now."""
    if _differs(parameter):
        parameter.renewed = parameter.given[0]  # type: ignore[index]
    elif parameter.given is None:
        given_away.append(weakref.ref(parameter))
    latest_change[0] = now = next_number()
    parameter.given = now, parameter._value.copy()
    return parameter._value


def refuse_stale(output: Node, oldest: int) -> None:
    """Raise ValueError where a node of the output's graph, the oldest of which is given, is older than what it is made of."""
    differing = [parameter for parameter in _given_away() if _differs(parameter)]
    if not differing and latest_change[0] < oldest:
        return
    for child, node in _outdated(ancestry([output]), differing):
        raise _stale(child, node)


def stale(nodes: Sequence[Node]) -> tuple[set[Node], str]:
    """Find the nodes of a whole graph, children first, that are older than a value they depend on, and say what `refuse_stale` says.

    ({}, "") where there is none.
    """
    differing = [parameter for parameter in _given_away() if _differs(parameter)]
    pairs = list(_outdated(nodes, differing))
    found = {node for _, node in pairs}
    for node in nodes:
        if not found.isdisjoint(node.children):
            found.add(node)
    return found, str(_stale(*pairs[0])) if pairs else ""


def _outdated(nodes: Sequence[Node], differing: Iterable[Parameter]) -> Iterator[tuple[Node, Node]]:
    """The edges (child, node) of a graph whose child was written to after the node was computed; differing: behind our back."""
    suspects = set(differing).intersection(nodes)
    for parameter in suspects:
        parameter.renewed = max(getattr(parameter, "renewed", 0), parameter.given[0])  # type: ignore[index]
    for node in nodes:
        for child in node.children:
            if getattr(child, "renewed", 0) > getattr(node, "renewed", node.number):
                yield child, node
    for parameter in suspects:
        for node in _with_other_values(parameter, nodes):
            yield parameter, node


def refuse_changed(output: Node, before: int) -> None:
    """Raise RuntimeError where a value was written to while the rules were applied, by another thread or by a callback."""
    for node in ancestry([output]):
        if getattr(node, "renewed", 0) > before:
            raise RuntimeError(
                f"{node.label} was changed while its gradients were computed, by another thread or a callback: give every "
                "thread a graph of its own, or a lock"
            )


def _given_away() -> list[Parameter]:
    """The parameters that are alive and were not written to by the engine since; all others are forgotten."""
    alive = [parameter for reference in given_away if (parameter := reference()) is not None]
    kept = [parameter for parameter in alive if parameter.given is not None]
    given_away[:] = map(weakref.ref, kept)
    return kept


def _differs(parameter: Parameter) -> bool:
    """Whether somebody wrote into the array since it was given away."""
    given = parameter.given
    return given is not None and not np.array_equal(given[1], parameter._value, equal_nan=given[1].dtype.kind == "f")


def _with_other_values(parameter: Parameter, nodes: Iterable[Node]) -> Iterator[Node]:
    """The nodes computed from the parameter, or from a view of it, that have another value than they would have now."""
    live: set[Node] = {parameter}
    for node in nodes:
        if isinstance(node, Operation) and node.pure and not live.isdisjoint(node.children):
            if np.may_share_memory(node._value, parameter._value):
                live.add(node)
                continue
            value = np.asarray(node.fprop(*[child._value for child in node.children], **node.attributes))
            if not _same(value, node._value):
                yield node


def _same(a: Array, b: Array) -> bool:
    """Whether two results of one computation agree, to a rounding that may depend on where arrays lie."""
    if np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
        return True
    if a.dtype.kind != "f":
        return False
    eps = np.finfo(a.dtype).eps
    return bool(np.allclose(a, b, rtol=8 * eps, atol=8 * eps * np.abs(b).max(initial=0), equal_nan=True))


def _stale(child: Node, node: Node) -> ValueError:
    return ValueError(
        f"{child.label} was changed after {where(node)} was computed from it: build the graph again, or replay it "
        "(Graph(output).fprop()), before you ask for gradients"
    )
