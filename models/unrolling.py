"""The loop of all recurrent nets: a state is carried over the time steps, which are marked, and masked where they are padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from minigrad.marks import Marker
from minigrad.models.cells import CellState
from minigrad.models.inputs import time_mask
from minigrad.node import Node
from minigrad.ops import expand_dims, where
from minigrad.ops.base import Operation

if TYPE_CHECKING:
    from minigrad.operators import Operand

Run = TypeVar("Run", bound=Sequence[Node])
_RUNS: ContextVar[list[Sequence[Node]] | None] = ContextVar("minigrad.models.unrolling", default=None)


@contextmanager
def collected_runs() -> Iterator[list[Sequence[Node]]]:
    """Collect the states of every recurrent net or layer that runs within, in the order they end, wherever it is in a model."""
    runs: list[Sequence[Node]] = []
    token = _RUNS.set(runs)
    try:
        yield runs
    finally:
        _RUNS.reset(token)


def collect(run: Run) -> Run:
    """Hand the states of a run to whoever collects them."""
    if (runs := _RUNS.get()) is not None:
        runs.append(run)
    return run


def time_first(owner: str, u: Node, mask: Operand | None) -> tuple[Node, Node | None]:
    """Bring time to the front of inputs (batch, time, features) and of a mask (batch, time), which is checked.

    Returns the inputs, (time, batch, features), 0 where a step is padding, and which steps count, (time, batch, 1), or None.
    """
    if mask is None:
        return u.swapaxes(0, 1), None
    present = expand_dims(time_mask(owner, mask, u.shape[:2]), -1)
    return where(present, u, 0).swapaxes(0, 1), present.swapaxes(0, 1)


def over_time(
    step: Callable[[Node, CellState], CellState],
    driven: Node,
    state: CellState,
    present: Node | None,
    *,
    named: Callable[[CellState], CellState],
    roles: Mapping[str, str],
    backward: bool = False,
) -> list[CellState]:
    """Run state_t = step(driven_t, state_{t-1}) over t = 1..T, or from T to 1 if backward; the states in the order they are made.

    driven:  what the inputs contribute to each step, (time, batch, …)
    state:   the one before the first step
    present: which steps count, (time, batch, 1); a step that does not keeps the state
    named:   gives the nodes of a state their names
    roles:   what these names stand for, see `Marker`
    """
    states: list[CellState] = []
    marker = Marker(roles)
    for t in reversed(range(len(driven))) if backward else range(len(driven)):
        with marker.step(t + 1, f"t={t + 1}"):
            given = driven[t]
            after = step(given, state)
            if present is not None:
                after = _masked(present[t], after, state, given.number)
        state = named(after)
        states.append(state)
    return states


def _masked(counts: Node, after: CellState, before: CellState, start: int) -> CellState:
    """The state after a step where it counts, the one before it elsewhere. Nodes of the step have numbers above `start`.

    A part that was computed from another part, as h = o tanh(c), is computed again from the masked one, so that the
    adjoint of c is the whole one: what comes through h included.
    """
    parts = list(after)
    instead: dict[Node, Node] = {}
    for k in sorted(range(len(parts)), key=lambda k: after[k].number):  # what is computed from a part is younger
        parts[k] = where(counts, _recomputed(after[k], instead), before[k])
        if after[k].number > start:  # an older node is part of the state before, which the step reads as it is
            instead[after[k]] = parts[k]
    return tuple(parts)


def _recomputed(node: Node, instead: dict[Node, Node]) -> Node:
    """The node, computed from other nodes in the places of some of those it is computed from; these are added to."""
    oldest = min([old.number for old in instead], default=node.number)
    between, todo = {node}, [node]
    while todo:
        children = todo.pop().children
        younger = [x for x in children if x.number > oldest and x not in between and x not in instead]
        between.update(younger)
        todo += younger
    for found in sorted(between, key=lambda found: found.number):
        if any(child in instead for child in found.children):
            again: Any = object.__new__(type(found))
            Operation.__init__(again, *[instead.get(child, child) for child in found.children], **found.attributes)
            again.name, again.context = found.name, found.context
            instead[found] = again
    return instead.get(node, node)
