"""What a layout is: where boxes lie, how arrows run, and the frames of scopes; in pixels, y downward."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

DIRECTIONS = ("LR", "TB", "BT")  # where values flow: to the right, down, up

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Route:
    """A way from box to box: straight lines (one point) and cubic Bézier curves (three), then the tip of the arrow."""

    start: Point
    pieces: tuple[tuple[Point, ...], ...]
    tip: Point


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame of a scope, given by the titles of all frames around it and its own, or of a step (chain, number)."""

    scope: tuple[str, ...]
    x: float
    y: float
    width: float
    height: float
    step: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """The size of the picture, the middle of every box, the route of every arrow, the frames, outer ones first.

    ordered: whether operands arrive in their order, left to right or top to bottom; else arrows show their marks
    """

    width: float
    height: float
    centers: tuple[Point, ...]
    routes: tuple[Route, ...]
    frames: tuple[Frame, ...]
    ordered: bool


def prefixes(scopes: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The scopes and all that lie around them, outer ones first, else in order of appearance."""
    found = dict.fromkeys(scope[:depth] for scope in scopes for depth in range(1, len(scope) + 1))
    return sorted(found, key=len)
