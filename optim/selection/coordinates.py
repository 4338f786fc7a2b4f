"""Parallel coordinates: an axis for each setting and one for the score, and a line through all of them for every trial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.optim.figures import style
from minigrad.optim.figures.style import INK
from minigrad.optim.selection.spaces import LogUniform, is_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from minigrad.optim.selection.trials import Trial, Trials

THIRDS: tuple[
    tuple[str, Any, str], ...
] = (  # color, dashes and name, from the best third to the last (Okabe and Ito, 2008)
    ("#0072b2", "-", "best third"),
    ("#009e73", (0, (4, 1.5)), "middle third"),
    ("#d55e00", (0, (1, 1.5)), "last third"),
)
TICKS = 5  # of an axis of numbers, at most
SPREAD = 50.0  # an axis of positive numbers whose largest is so many times the smallest is logarithmic


@dataclass(frozen=True)
class _Axis:
    """Where values of a setting, or scores, lie between 0 and 1."""

    name: str
    places: dict[Any, float]  # by value
    ticks: dict[float, str]  # the label by place


def parallel_coordinates(trials: Trials, *, ax: Axes | None = None) -> Figure:
    """Draw every trial that has a score as a line from setting to setting to its score; returns the figure.

    ax: where to draw; a figure of its own by default

    The best third of the trials is drawn solid, the middle one dashed, the last one dotted, the best trial bold. An axis of positive
    numbers, or scores, that span a factor of 50, or were drawn from a `LogUniform`, is logarithmic. Good scores are at the top.

    Errors: ValueError where no trial has a score.
    """
    scored = [trial for trial in trials.ranked() if math.isfinite(trial.score)]
    if not scored:
        raise ValueError("parallel_coordinates: no trial has a score that is finite")
    axes = _axes(trials, scored)
    ax = style.axes(ax, size=(2.0 + 1.6 * len(axes), 4.2))
    for place, trial in reversed([*enumerate(scored)]):  # the best one above the others
        _draw(ax, axes, trial, 3 * place // len(scored), best=place == 0)
    for x, axis in enumerate(axes):
        _draw_axis(ax, x, axis)
    ax.set(xlim=(-0.3, len(axes) - 0.5), ylim=(-0.05, 1.05))
    ax.set_axis_off()
    style.legend(ax, loc="lower center", bbox_to_anchor=(0.5, -0.17), ncols=4)
    return style.figure_of(ax)


def _draw(ax: Axes, axes: Sequence[_Axis], trial: Trial, third: int, *, best: bool) -> None:
    color, dashes, label = THIRDS[third]
    heights = [
        axis.places[_key(value)] for axis, value in zip(axes, [*trial.settings.values(), trial.score], strict=True)
    ]
    known = {text for line in ax.get_lines() if not (text := str(line.get_label())).startswith("_")}
    name = f"best: trial {trial.number}" if best else label
    ax.plot(
        range(len(axes)), heights, color=color, linestyle=dashes, linewidth=3 if best else 1.2, alpha=1 if best else 0.8,
        label="_" if name in known else name,
    )  # fmt: skip


def _draw_axis(ax: Axes, x: int, axis: _Axis) -> None:
    ax.plot([x, x], [0, 1], color=INK, linewidth=1, label="_", zorder=1)
    ax.annotate(axis.name, (x, 1), (0, 18), textcoords="offset points", ha="center", color=INK, annotation_clip=False)
    side, rise = (
        (-5, 0) if x == 0 else (5, 7)
    )  # left of the first axis no line passes; elsewhere above the lines that meet there
    for height, label in axis.ticks.items():
        ax.annotate(
            label, (x, height), (side, rise), textcoords="offset points", va="center", ha="right" if x == 0 else "left",
            fontsize="small", color=INK,
        )  # fmt: skip


def _axes(trials: Trials, scored: Sequence[Trial]) -> list[_Axis]:
    """The axes of the settings, and last that of the score."""
    scored = sorted(scored, key=lambda trial: trial.number)  # choices come in the order of the trials
    names = list(dict.fromkeys(name for trial in scored for name in trial.settings))
    axes = [
        _axis(name, [t.settings[name] for t in scored], log=isinstance(trials.space.get(name), LogUniform))
        for name in names
    ]
    score = _axis(next(iter(scored[0].numbers)), [trial.score for trial in scored])
    if not trials.goal.high:
        score = _Axis(
            score.name,
            {value: 1 - at for value, at in score.places.items()},
            {1 - at: t for at, t in score.ticks.items()},
        )
    return [*axes, score]


def _axis(name: str, values: Sequence[Any], *, log: bool = False) -> _Axis:
    """Places of numbers by their size, of all else at equal distances."""
    if not all(map(is_number, values)):
        kinds = list(dict.fromkeys(map(_key, values)))
        places = dict(zip(kinds, np.linspace(0, 1, len(kinds)).tolist() if len(kinds) > 1 else [0.5], strict=True))
        return _Axis(name, places, {at: str(kind) for kind, at in places.items()})
    numbers = sorted({float(value) for value in values})
    low, high = numbers[0], numbers[-1]
    log = low > 0 and (log or high >= SPREAD * low)
    scale = math.log if log else float
    span = scale(high) - scale(low)

    def place(number: float) -> float:
        return (scale(number) - scale(low)) / span if span else 0.5

    spaced = np.geomspace if log else np.linspace
    shown = numbers if len(numbers) <= TICKS else spaced(low, high, TICKS).tolist()
    return _Axis(
        name, {number: place(number) for number in numbers}, {place(number): f"{number:.3g}" for number in shown}
    )


def _key(value: Any) -> Any:
    """A value as the places know it: a number, or its name."""
    return float(value) if is_number(value) else getattr(value, "__name__", None) or str(value)
