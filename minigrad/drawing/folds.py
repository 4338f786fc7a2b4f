"""What is drawn as one box: long runs of like operations, and the maximum of many parts of one array.

Both hide nothing anybody else reads: a run is a stretch in which each node is read by the next one alone, and of the parts only
the maximum is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from minigrad.drawing import summary, symbols
from minigrad.drawing.flow import Flow, FlowNode
from minigrad.drawing.uses import Links

LONG = 24  # nodes from which a run of one operation is folded,
LONGER = 96  # and one in which operations take turns
PERIODS = 4  # operations that may take turns in a run
PARTS = 4  # whose maximum is folded,
MANY = 6  # or of fewer, if it takes so many nodes
MOVING = {"GetItem", "Reshape", "Transpose", "MatrixTranspose", "Maximum"}


class Fold(NamedTuple):
    """Nodes that are drawn as one box, the last of which is its value; and what they are called."""

    members: tuple[int, ...]
    title: str


def folds(flow: Flow, links: Links) -> list[Fold]:
    """The nodes to be drawn together. None is in two folds."""
    maxima = list(_maxima(flow, links))
    taken = {node for fold in maxima for node in fold.members}
    return [*maxima, *[fold for fold in _runs(flow, links) if taken.isdisjoint(fold.members)]]


# Runs ----------------------------------------------------------------------------------------------------------------


def _runs(flow: Flow, links: Links) -> Iterator[Fold]:
    """Runs such as sin(sin(sin(…))), of one operation or a few that take turns."""
    for line in _lines(flow, links):
        keys = [_key(flow, links, node) for node in line]
        at = 0
        while at < len(line):
            length, period = max([(_repeats(keys, at, period), -period) for period in range(1, PERIODS + 1)])
            if length >= (LONG if period == -1 else LONGER):
                yield Fold(tuple(line[at : at + length]), _run_title(flow, links, line[at : at - period], length))
                at += length
            else:
                at += 1


def _lines(flow: Flow, links: Links) -> list[list[int]]:
    """Stretches without names in which each node reads the one before and shared leaves, and is read by the next one alone."""
    lines: dict[int, list[int]] = {}  # by their last nodes
    for node in flow.nodes:
        before = {source for source, _ in links.sources[node.index] if not _is_shared(links, source)}
        if len(before) > 1 or node.name or not links.sources[node.index]:
            continue
        source = before.pop() if before else -1
        alone = source in lines and len(set(links.targets[source])) == 1 and source not in flow.outputs
        line = lines.pop(source) if alone and flow.nodes[source].scope == node.scope else []
        line.append(node.index)
        lines[node.index] = line
    return list(lines.values())


def _key(flow: Flow, links: Links, node: int) -> tuple[object, ...]:
    """What a node does with the one before."""
    one = flow.nodes[node]
    return one.kind, one.operation, tuple(one.attributes.items()), _written(flow, links, node)


def _written(flow: Flow, links: Links, node: int) -> tuple[str | None, ...]:
    """The operands that are written out, numbers and shared leaves; None for the node before."""
    written = []
    for child in links.operands[node]:
        one = flow.nodes[child]
        leaf = (one.name or f"#{child}") if _is_shared(links, child) else None
        written.append(summary.line(one.value) if one.is_number else leaf)
    return tuple(written)


def _is_shared(links: Links, node: int) -> bool:
    """Whether a node is a leaf that several read, as a parameter is."""
    return not links.operands[node] and len(set(links.targets[node])) > 1


def _repeats(keys: Sequence[object], start: int, period: int) -> int:
    """How long the keys from here on repeat themselves, in whole periods; 0 if they do not."""
    end = start + period
    while end < len(keys) and keys[end] == keys[end - period]:
        end += 1
    length = (end - start) // period * period
    return length if length > period else 0


def _run_title(flow: Flow, links: Links, nodes: Sequence[int], length: int) -> str:
    labels = []
    for node in nodes:
        written, one = _written(flow, links, node), flow.nodes[node]
        labels.append(symbols.label(one.operation, one.attributes, written, [symbols.ANY] * len(written)))
    turn = ", ".join(labels)
    turn = f"({turn})" if " " in turn else turn
    return f"{turn} × {length // len(nodes)}"


# Maxima --------------------------------------------------------------------------------------------------------------


def _maxima(flow: Flow, links: Links) -> Iterator[Fold]:
    """The largest of many parts of one array, entry by entry, as a max pooling computes it: one of many moves of entries."""
    taken: set[int] = set()
    for node in reversed(flow.nodes):
        if node.operation != "Maximum" or node.index in taken or _feeds_maximum(flow, links, node.index):
            continue
        members = _gathered(flow, links, node.index, taken)
        maxima = [one for one in members if flow.nodes[one].operation == "Maximum"]
        sources = {source for one in members for source, _ in links.sources[one]} - members
        of_parts = all(
            len(links.sources[one]) == 2 and sources.isdisjoint(s for s, _ in links.sources[one]) for one in maxima
        )
        parts = 1 + len(maxima)
        if (parts >= PARTS or len(members) >= MANY) and len(sources) == 1 and of_parts:
            taken |= members
            yield Fold(tuple(sorted(members)), _maximum_title(flow, members, parts))


def _feeds_maximum(flow: Flow, links: Links, node: int) -> bool:
    return any(flow.nodes[target].operation == "Maximum" for target in links.targets[node])


def _gathered(flow: Flow, links: Links, last: int, taken: set[int]) -> set[int]:
    """The moves of entries that a maximum is computed by and nobody else reads, and those right behind it."""
    scope, outputs = flow.nodes[last].scope, set(flow.outputs)
    members = {last}
    waiting = [
        -source for source, _ in links.sources[last]
    ]  # negative: the latest one first, so all its readers were seen
    heapify(waiting)
    while waiting:
        node = -heappop(waiting)
        if node in members or node in taken | outputs or not members.issuperset(links.targets[node]):
            continue
        one = flow.nodes[node]
        inner = one.operation != "Maximum" or all(flow.nodes[t].operation == "Maximum" for t in links.targets[node])
        if inner and one.scope == scope and (_moves(one) or _is_index(flow, links, node)):
            members.add(node)
            for source, _ in links.sources[node]:
                heappush(waiting, -source)
    while last not in outputs and len(links.targets[last]) == 1:
        last = links.targets[last][0]
        if last in taken or flow.nodes[last].scope != scope or not _moves(flow.nodes[last]):
            break
        members.add(last)
    return members


def _moves(node: FlowNode) -> bool:
    return node.operation in MOVING and not node.name


def _is_index(flow: Flow, links: Links, node: int) -> bool:
    """Whether a node is a constant that only says which entries to take."""
    one = flow.nodes[node]
    return (
        one.kind == "constant"
        and not one.name
        and all(flow.nodes[t].operation == "GetItem" for t in links.targets[node])
    )


def _maximum_title(flow: Flow, members: set[int], parts: int) -> str:
    """The name of the scope, if it is theirs alone: "maxpool2d"; or else what is computed."""
    scopes = {flow.nodes[node].scope for node in members}
    if len(scopes) == 1:
        (scope,) = scopes
        if scope and all(node.index in members for node in flow.nodes if node.scope == scope):
            return scope.rstrip("/").rsplit("/", 1)[-1]
    return f"maximum of {parts} parts"
