"""Ranks: how far down a box stands, so that every arrow leads down."""

from __future__ import annotations

from collections.abc import Sequence


def ranks(late: Sequence[bool], arrows: Sequence[tuple[int, int]]) -> list[int]:
    """Rank each box below all it is computed from.

    A box stands right above what first needs it if it is `late` (an adjoint reads forward values where it needs them) or
    if all that leads to it leads nowhere else; other boxes stand as high as they can.
    """
    count = len(late)
    sources: list[list[int]] = [[] for _ in range(count)]
    targets: list[list[int]] = [[] for _ in range(count)]
    for source, target in arrows:
        sources[target].append(source)
        targets[source].append(target)
    order = sources_first(sources, targets)
    rank = [0] * count
    loose = [True] * count
    for box in order:
        rank[box] = max([rank[source] + 1 for source in sources[box]], default=0)
        loose[box] = all(loose[source] and len(set(targets[source])) == 1 for source in sources[box])
    for box in reversed(order):
        if (loose[box] or late[box]) and targets[box]:
            rank[box] = min([rank[target] for target in targets[box]]) - 1
    first = min(rank, default=0)
    return [number - first for number in rank]


def sources_first(sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> list[int]:
    """An order in which sources come before their targets."""
    missing = [len(boxes) for boxes in sources]
    ready = [box for box, number in enumerate(missing) if number == 0]
    for box in ready:  # grows
        for target in targets[box]:
            missing[target] -= 1
            if missing[target] == 0:
                ready.append(target)
    return ready
