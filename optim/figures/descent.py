"""Paths of optimizers on a surface of two variables, computed by the optimizers themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minigrad.node import Array, Input, Node, Parameter
from minigrad.optim.figures.style import INK, axes, figure_of, legend, markers, styles
from minigrad.optim.optimizers import Optimizer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Surface = Callable[[Node, Node], Node]  # of x and y, entry by entry
LIMIT = 1e12  # beyond, a path has left every picture


class Path(NamedTuple):
    """Where an optimizer went: points (steps + 1, 2) and the values there (steps + 1,), up to where it left all bounds."""

    points: Array
    values: Array

    @property
    def diverged(self) -> bool:
        """Whether it ended above its start, or where there are no numbers any more."""
        return not (np.isfinite(self.values[-1]) and self.values[-1] <= self.values[0])

    @property
    def turns(self) -> int:
        """How often a step goes back on the one before, in the coordinate where that is most often: zigzags."""
        steps = np.diff(self.points, axis=0)
        return int((steps[1:] * steps[:-1] < 0).sum(axis=0).max(initial=0))

    def overshoot(self, minimum: Sequence[float] | Array) -> float:
        """Measure how far beyond a minimum it went, along the line from its start through it."""
        return max(0.0, float(-self.distances(minimum).min()))

    def distances(self, minimum: Sequence[float] | Array) -> Array:
        """Measure how far each point is from a minimum, along the line from the start through it; below 0 beyond it."""
        start, end = self.points[0], np.asarray(minimum, np.float64)
        length = float(np.linalg.norm(end - start))
        if not length:
            raise ValueError(
                f"overshoot(minimum={end.tolist()}): the path starts there, so that nothing lies beyond it"
            )
        return np.asarray((end - self.points) @ (end - start) / length)


def path(f: Surface, start: Sequence[float], make: Callable[[list[Parameter]], Optimizer], steps: int) -> Path:
    """Run an optimizer from a point, and note where it goes.

    make: a function that makes it for a list of parameters, as `lambda p: SGD(p, 0.1, momentum=0.9)`

    >>> from minigrad.optim import SGD
    >>> from minigrad.optim.figures import path
    >>> found = path(lambda x, y: x**2 + 10 * y**2, (1, 1), lambda p: SGD(p, 0.09), 20)
    >>> found.turns, found.diverged, path(lambda x, y: x**2 + 10 * y**2, (1, 1), lambda p: SGD(p, 0.11), 20).diverged
    (19, False, True)
    """
    point = Parameter(np.array(start, np.float64), "point")
    if point.shape != (2,):
        raise ValueError(f"path(start={start!r}): expected two numbers, x and y")
    if steps < 0:
        raise ValueError(f"path(steps={steps}): expected 0 or more")
    optimizer = make([point])
    points, values = [point.value.copy()], [_value(f, point)]
    while len(points) <= steps and abs(values[-1]) < LIMIT:
        with optimizer.look_ahead():
            f(point[0], point[1]).backward()
        optimizer.step()
        points.append(point.value.copy())
        values.append(_value(f, point))
    return Path(np.array(points), np.array(values))


def _value(f: Surface, point: Parameter) -> float:
    """f at the point; inf or nan beyond its numbers, without a warning."""
    with np.errstate(all="ignore"):
        return float(f(point[0], point[1]))


def landscape(
    f: Surface,
    paths: Mapping[str, Path] | None = None,
    *,
    xlim: tuple[float, float] = (-2, 2),
    ylim: tuple[float, float] = (-2, 2),
    marks: Mapping[str, Sequence[float]] | None = None,
    levels: int = 14,
    ax: Axes | None = None,
) -> Figure:
    """Draw a surface by its contours, paths on it and marked points; returns the figure.

    f:     of two nodes, entry by entry, as `lambda x, y: x**2 + 10 * y**2`
    paths: by name;  marks: points by name, as {"local minimum": (1, 0)}
    levels: how many contours; they lie at equal parts of the values seen, so that a valley and a plateau both show

    Errors: ValueError where f is not finite anywhere in the picture.
    """
    x, y = np.meshgrid(np.linspace(*xlim, 101), np.linspace(*ylim, 101))
    with np.errstate(all="ignore"):
        z = np.broadcast_to(f(Input(x, name="x"), Input(y, name="y")).value, x.shape)
    finite = z[np.isfinite(z)]
    if not finite.size:
        raise ValueError(f"landscape: the function is nowhere finite for x in {xlim}, y in {ylim}")
    ax = axes(ax, size=(5.6, 4.6))
    ax.grid(visible=False)
    heights = np.unique(np.quantile(finite, np.linspace(0, 1, levels + 2))[1:-1])
    if heights.size > 1:
        ax.contour(x, y, z, heights, colors=INK, alpha=0.55, linewidths=0.8, linestyles="solid")
    paths = paths or {}
    for (name, found), (color, dash), marker in zip(
        paths.items(), styles(len(paths)), markers(len(paths)), strict=True
    ):
        label = f"{name} (diverges)" if found.diverged else name
        look = {"color": color, "linestyle": dash, "marker": marker}
        ax.plot(*found.points.T, **look, linewidth=1.8, markersize=7, markevery=[len(found.points) - 1], label=label)
        ax.plot(*found.points[0], "o", color=INK, markersize=5)
    for name, (u, v) in (marks or {}).items():
        ax.plot(u, v, "x", color=INK, markersize=8, markeredgewidth=2)
        ax.annotate(name, (u, v), xytext=(0, 8), textcoords="offset points", ha="center", color=INK)
    ax.set(xlim=xlim, ylim=ylim, xlabel="x", ylabel="y")
    if paths:
        legend(ax, beside=True)
    return figure_of(ax)


def paths(
    f: Surface, found: Mapping[str, Path], *, minimum: Sequence[float] | None = None, ax: Axes | None = None
) -> Figure:
    """Draw paths by name on the contours of a surface, in a picture that holds them all; returns the figure.

    minimum: marked by a cross. A path that diverges leaves the picture, whose limits are those of the other paths.

    Errors: ValueError where there is no path.
    """
    _check_some("paths", found)
    kept = [one.points for one in found.values() if not one.diverged] or [one.points[:2] for one in found.values()]
    seen = np.concatenate(
        [*kept, *[one.points[:1] for one in found.values()], np.reshape([] if minimum is None else minimum, (-1, 2))]
    )
    low, high = seen.min(axis=0), seen.max(axis=0)
    margin = np.maximum(0.12 * (high - low), 0.06 * max(float((high - low).max()), 1e-6))
    (left, bottom), (right, top) = (low - margin).tolist(), (high + margin).tolist()
    marks = {} if minimum is None else {"minimum": minimum}
    return landscape(f, found, xlim=(left, right), ylim=(bottom, top), marks=marks, ax=ax)


def descents(paths: Mapping[str, Path], *, label: str = "loss", ax: Axes | None = None) -> Figure:
    """Draw the values of several paths over the steps, as of rates too small, good and too large; returns the figure."""
    _check_some("descents", paths)
    ax = axes(ax)
    highest = max(found.values[0] for found in paths.values())
    top = highest + 9 * abs(highest)
    for (name, found), (color, dash) in zip(paths.items(), styles(len(paths)), strict=True):
        shown = np.where(found.values <= top, found.values, np.nan)
        ax.plot(shown, color=color, linestyle=dash, linewidth=2, label=f"{name} (diverges)" if found.diverged else name)
    if all((found.values > 0).all() for found in paths.values()):
        ax.set_yscale("log")
    ax.set(xlabel="step", ylabel=label)
    legend(ax)
    return figure_of(ax)


def overshoot(paths: Mapping[str, Path], minimum: Sequence[float], *, ax: Axes | None = None) -> Figure:
    """Draw how far several paths are from a minimum, along the line from their start through it; below 0 is beyond it."""
    _check_some("overshoot", paths)
    ax = axes(ax)
    for (name, found), (color, dash) in zip(paths.items(), styles(len(paths)), strict=True):
        label = f"{name}, {found.overshoot(minimum):.2g} beyond"
        ax.plot(found.distances(minimum), color=color, linestyle=dash, linewidth=2, label=label)
    ax.axhline(0, color=INK, linewidth=1, linestyle=":")
    ax.set(xlabel="step", ylabel="distance to the minimum")
    legend(ax)
    return figure_of(ax)


def _check_some(figure: str, paths: Mapping[str, Path]) -> None:
    if not paths:
        raise ValueError(f"{figure}: there is no path to draw")
