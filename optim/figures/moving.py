"""Figures that move, as one SVG file without a script."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from minigrad.files import write_file
from minigrad.node import Array
from minigrad.optim.figures.descent import Path
from minigrad.optim.figures.style import MARKERS, markers, styles, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHAPES = dict(  # MARKERS as SVG, about a middle at 0
    zip(
        MARKERS,
        (
            "M-5 0A5 5 0 1 0 5 0A5 5 0 1 0 -5 0Z",
            "M-5 -5H5V5H-5Z",
            "M0 -6L6 5H-6Z",
            "M0 -7L7 0L0 7L-7 0Z",
            "M0 6L6 -5H-6Z",
            "M-2 -6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z",
            "M-6 -3L-3 -6L0 -3L3 -6L6 -3L3 0L6 3L3 6L0 3L-3 6L-6 3L-3 0Z",
            "M0 -7L1.6 -2.2H6.7L2.6 .8L4.1 5.7L0 2.7L-4.1 5.7L-2.6 .8L-6.7 -2.2H-1.6Z",
        ),
        strict=True,
    )
)


def save_race(figure: Figure, paths: Mapping[str, Path], file: str | os.PathLike[str], *, seconds: float = 8.0) -> None:
    """Write a `landscape` with its paths as SVG in which the marker of each path runs along it, a step of all at the same time.

    Markers stay at the edge of the picture where a path leaves it. Without a viewer that moves it, the whole paths are seen.
    """
    ax = figure.axes[0]
    text = svg(figure)
    height = figure.get_size_inches()[1] * 72
    longest = max(len(found.points) for found in paths.values())
    dots = []
    for found, (color, _), marker in zip(paths.values(), styles(len(paths)), markers(len(paths)), strict=True):
        seen = np.clip(ax.transData.transform(found.points), ax.bbox.min, ax.bbox.max)
        places = seen * 72 / figure.dpi
        track = " ".join(f"{'M' if k == 0 else 'L'}{x:.1f} {height - y:.1f}" for k, (x, y) in enumerate(places))
        share = len(found.points) / longest  # a path that ended early waits at its end
        n = max(len(found.points) - 1, 1)
        times = ";".join(f"{share * k / n:.4f}" for k in range(n + 1)) + ";1"
        lengths = ";".join(f"{part:.4f}" for part in (*_parts(places), 1.0))
        dots.append(
            f'<path d="{SHAPES[marker]}" fill="{color}"><animateMotion dur="{seconds:g}s" repeatCount="indefinite" '
            f'calcMode="linear" keyTimes="{times}" keyPoints="{lengths}" path="{track}"/></path>'
        )
    write_file(file, text.replace("</svg>", "".join(dots) + "</svg>"))


def save_film(figures: Sequence[Figure], file: str | os.PathLike[str], *, seconds: float = 0.8) -> None:
    """Write figures of one size as an SVG that shows one after the other, each so many seconds, and begins anew.

    Without a viewer that moves it, the last one is seen.

    Errors: ValueError for no figure, or figures of different sizes.
    """
    if not figures or len({tuple(figure.get_size_inches()) for figure in figures}) != 1:
        raise ValueError("save_film: expected figures of one size, at least one")
    width, height = figures[0].get_size_inches() * 72
    n, size = len(figures), f'width="{width:g}" height="{height:g}"'
    frames = []
    for i, figure in enumerate(figures):
        inner = re.sub(r"^.*?(<svg)", r"\1", svg(figure), count=1, flags=re.DOTALL)
        inner = re.sub(r'width="[^"]*" height="[^"]*"|height="[^"]*" width="[^"]*"', size, inner, count=1)
        inner = re.sub(r'\b(id="|url\(#|href="#)', rf"\g<1>f{i}-", inner)  # each frame has names of its own
        times = ";".join(f"{t:.4f}" for t in (0, i / n, (i + 1) / n) if t < 1)
        values = ["hidden", "visible", "hidden"][: times.count(";") + 1]
        shown = "visible" if i == n - 1 else "hidden"
        frames.append(
            f'<g visibility="{shown}"><animate attributeName="visibility" calcMode="discrete" dur="{n * seconds:g}s" '
            f'repeatCount="indefinite" keyTimes="{times}" values="{";".join(values)}"/>{inner}</g>'
        )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {width:g} {height:g}">'
    write_file(file, head + "".join(frames) + "</svg>")


def _parts(places: Array) -> list[float]:
    """Which part of the way lies behind each place."""
    lengths = [0.0]
    for (a, b), (c, d) in pairwise(places):
        lengths.append(lengths[-1] + ((c - a) ** 2 + (d - b) ** 2) ** 0.5)
    return [length / (lengths[-1] or 1.0) for length in lengths]
