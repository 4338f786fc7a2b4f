"""How adjoints shrink or grow over time: their norms by step, all paths or without some of them, and the factor in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from minigrad.adjoints import Arrived, Mask, send
from minigrad.drawing.events import Record, record_of_scalar
from minigrad.drawing.lanes import TimeGrid, grids
from minigrad.drawing.stored import summarized
from minigrad.graph import by_age, seed_for, sweep
from minigrad.node import Node
from minigrad.numbering import in_order
from minigrad.ops.base import Operation

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

Norms = Mapping[int, float | None]  # by step; None where no path leads to the loss
Cut = tuple[str, ...]  # the lanes that carry nothing


@dataclass(frozen=True, slots=True)
class Curve:
    """The norms of the adjoints of a state, by step in the order of execution; without: the lanes whose paths are cut."""

    state: str
    norms: Norms
    without: Cut = ()

    @property
    def label(self) -> str:
        """The state, and what is cut."""
        return self.state + (f" without {', '.join(self.without)}" if self.without else "")

    def reached(self) -> list[tuple[int, float]]:
        """The steps that an adjoint gets to, last ones first, and its norms."""
        return [(step, norm) for step, norm in reversed(list(self.norms.items())) if norm is not None]


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop: its grid, and its curves."""

    grid: TimeGrid
    curves: tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """A recorded run with its loops. unit: the norm that counts as 1, the largest of a state at the last step reached."""

    title: str
    loops: tuple[Loop, ...]
    unit: float


def run_of(title: str, given: Node | Record, cuts: Sequence[Cut]) -> Run:
    """The loops of a loss, or of its record."""
    recorded = given if isinstance(given, Record) else record_of_scalar(given)
    found = [grid for grid in grids(recorded) if grid.states]
    if not found:
        raise ValueError(_no_steps(recorded))
    curves = {grid.loop: curves_of(grid) for grid in found}
    if cuts:
        if isinstance(given, Record):
            raise TypeError("mg.draw(record, cut=...): paths can be cut in a graph, not in its record: draw the loss")
        cutting = _Cutting(given, recorded, found)
        for cut in cuts:
            for loop, without in cutting.curves(cut).items():
                curves[loop] += without
    loops = tuple([Loop(grid, tuple(curves[grid.loop])) for grid in found])
    return Run(title, loops, _unit(loops))


def curves_of(grid: TimeGrid) -> list[Curve]:
    """The curves of a loop's states, all paths."""
    return [Curve(grid.lanes[lane].label, grid.norms(lane)) for lane in grid.states]


def _no_steps(recorded: Record) -> str:
    if any(not loop.order for loop in recorded.flow.loops):
        return 'mg.draw(view="time"): no adjoint gets to a state: no path leads from one to the loss, or to what it is differentiated by'
    return (
        'mg.draw(view="time"): no time steps were found in this graph. It draws what is unrolled over time, a layer such as '
        'minigrad.models.LSTM or a loop of at least three like steps; draw other graphs with view="flow"'
    )


def check_cuts(cuts: Sequence[Cut], runs: Sequence[Run]) -> None:
    """Refuse the name of a lane that no run has."""
    known = list(dict.fromkeys(lane.label for run in runs for loop in run.loops for lane in loop.grid.lanes))
    for name in [name for cut in cuts for name in cut]:
        if name not in known:
            raise ValueError(f"mg.draw(cut={name!r}): no lane of that name; there are {', '.join(map(repr, known))}")


def _unit(loops: Sequence[Loop]) -> float:
    """The largest of the states' norms at the last step at which each is no zero."""
    curves = [curve for loop in loops for curve in loop.curves if not curve.without]
    ends = [[norm for _, norm in curve.reached() if _is_alive(norm)] for curve in curves]
    return max([norms[0] for norms in ends if norms], default=1.0)


class _Cutting:
    """A run whose lanes can be cut, in all loops that have them: a state sends nothing to the step before, a gate nothing at all.

    The engine sweeps as always, but is told that nobody wants the adjoints of these children.
    """

    def __init__(self, loss: Node, recorded: Record, found: Sequence[TimeGrid]) -> None:
        self.loss, self.grids = loss, found
        self.nodes = in_order([loss])
        orders: dict[tuple[int | None, int | None], int] = {
            (grid.loop, step): k for grid in found for k, step in enumerate(grid.steps)
        }
        members = [node for node in recorded.nodes if (node.loop, node.step) in orders]
        self.times = {self.nodes[node.index]: (node.loop, orders[node.loop, node.step]) for node in members}

    def curves(self, cut: Cut) -> dict[int, list[Curve]]:
        """By loop the curves of its states without the lanes of the cut, of each loop that has one of them."""
        off = {grid.loop: [i for i, lane in enumerate(grid.lanes) if lane.label in cut] for grid in self.grids}
        names = tuple(dict.fromkeys(grid.lanes[lane].label for grid in self.grids for lane in off[grid.loop]))
        norms = self._norms(off) if names else {}
        found = {}
        for grid in [grid for grid in self.grids if off[grid.loop]]:
            kept = [lane for lane in grid.states if lane not in off[grid.loop]] or grid.states
            found[grid.loop] = [
                Curve(
                    grid.lanes[lane].label,
                    {dot.step: norms.get(dot.node) for dot in grid.dots if dot.lane == lane},
                    names,
                )
                for lane in kept
            ]
        return found

    def _norms(self, off: Mapping[int, Sequence[int]]) -> dict[int, float]:
        """The norms of the states' adjoints, by the index of the node."""
        dots = [(grid, dot) for grid in self.grids for dot in grid.dots]
        is_state = {
            self.nodes[dot.node]: grid.lanes[dot.lane].role == "state"
            for grid, dot in dots
            if dot.lane in off[grid.loop]
        }

        def is_cut(node: Node, child: Node) -> bool:
            return child in is_state and (not is_state[child] or self._is_later(node, child))

        def send_others(node: Operation, adjoint: Node, mask: Mask | None, wanted: set[Node], arrived: Arrived) -> None:
            kept = {child for child in node.children if child in wanted and not is_cut(node, child)}
            send(node, adjoint, mask, kept, arrived)

        states = {self.nodes[dot.node]: dot.node for grid, dot in dots if dot.lane in grid.states}
        order = sorted(self.nodes, key=by_age)
        seed = seed_for(self.loss, None, takes_adjoint=False)
        found = sweep(self.loss, seed, order, states, keep_graph=False, send=send_others)
        return {states[node]: summarized(adjoint.value).norm for node, adjoint in found.items()}

    def _is_later(self, node: Node, state: Node) -> bool:
        """Whether the node lies in a later step of the state's loop."""
        (loop, order), (loop_of_state, order_of_state) = self.times.get(node, (None, -1)), self.times[state]
        return loop == loop_of_state and order > order_of_state


# Words ---------------------------------------------------------------------------------------------------------------


def in_words(curve: Curve) -> str:
    """What is left of the adjoint at the far end: "at t = 1 it has 3.1 · 10⁻⁸ of its norm at t = 50, × 0.70 per step back"."""
    steps = list(curve.norms)[::-1]
    alive = [step for step in steps if _is_alive(curve.norms[step])]
    groups = {
        "exactly 0": [step for step in steps if curve.norms[step] == 0],
        "no finite number": [step for step, norm in curve.reached() if not math.isfinite(norm)],
        "no path leads": [step for step in steps if curve.norms[step] is None],
    }
    to = {"no path leads": "to"}
    said = [f"{what} {to.get(what, 'at')} {_listed(found, steps)}" for what, found in groups.items() if found]
    return "; ".join([*([_decay(curve, alive, steps)] if alive else []), *said])


def _is_alive(norm: float | None) -> bool:
    return norm is not None and 0 < norm < math.inf


def _decay(curve: Curve, alive: Sequence[int], steps: Sequence[int]) -> str:
    """From the last step at which the adjoint is no zero to the first one."""
    start, end = [curve.norms[step] or math.nan for step in (alive[0], alive[-1])]
    if len(alive) == 1:
        return f"its norm is {two_digits(start)} at t = {alive[0]}"
    decades = math.log10(end) - math.log10(start)  # a ratio may be larger than any number
    per_step = decades / (steps.index(alive[-1]) - steps.index(alive[0]))
    factor = f"{10**per_step:.3g}" if -2 <= per_step < 2 else _power(per_step)
    ratio = two_digits(10**decades) if -2 <= decades < 3 else _power(decades)
    left = f"{ratio} {'times' if decades >= 0 or ratio == '1' else 'of'}"
    return f"at t = {alive[-1]} it has {left} its norm at t = {alive[0]}, × {factor} per step back"


def _power(decades: float) -> str:
    """10 to that power, to two digits."""
    exponent = math.floor(decades + 1e-9)
    return f"{10 ** (decades - exponent):.1f} · {power_of_ten(exponent)}"


def _listed(found: Sequence[int], steps: Sequence[int]) -> str:
    """Steps in words: "t = 5", "t = 20 … 15"."""
    first, last = steps.index(found[0]), steps.index(found[-1])
    if len(found) == 1:
        return f"t = {found[0]}"
    if last - first + 1 == len(found):
        return f"t = {found[0]} … {found[-1]}"
    return f"t = {found[0]} and {len(found) - 1} more steps"


def two_digits(x: float) -> str:
    """A number to two digits, as "0.54" or "3.1 · 10⁻⁸"."""
    if not math.isfinite(x) or x == 0 or 0.01 <= abs(x) < 1000:
        return f"{x:.2g}" if abs(x) < 100 else f"{x:.0f}"
    digits, exponent = f"{x:.1e}".split("e")
    return f"{digits} · {power_of_ten(int(exponent))}"


def power_of_ten(exponent: int) -> str:
    """10⁻⁸."""
    return f"10{str(exponent).translate(_SUPERSCRIPTS)}"
