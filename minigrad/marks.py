"""The marker of time steps: what unrolls a loop opens a marked scope around each step, so that nobody has to guess.

The mark goes with the path of scopes, and so to every node born inside and to its adjoints, whatever the scopes are called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from minigrad.context import Context, scope

if TYPE_CHECKING:
    from minigrad.node import Node


class Marker:
    """The marker of one run of a loop: `with marker.step(t, name):` marks its step number t.

    roles: what the names of nodes inside stand for: "state" or "gate"
    """

    __slots__ = ("roles",)

    def __init__(self, roles: Mapping[str, str]) -> None:
        self.roles = roles

    def step(self, number: int, name: str) -> scope:
        """A scope of that name, whose nodes belong to the step. In a marked step a loop marks nothing: the outer one counts."""
        return _Marked(name, self, number)


def step_of(node: Node) -> tuple[Marker, int] | None:
    """The marked step the node was born in; of an adjoint, that of the node it belongs to."""
    path = node.context.scope
    return (path.marker, path.number) if type(path) is _Path else None


class _Path(str):
    """A path of scopes within a marked step."""

    __slots__ = ("marker", "number")
    marker: Marker
    number: int

    def __add__(self, further: str) -> _Path:
        path = _Path(str.__add__(self, further))
        path.marker, path.number = self.marker, self.number
        return path


class _Marked(scope):
    """The block that `Marker.step` gives."""

    def __init__(self, name: str, marker: Marker, number: int) -> None:
        self.name = name
        self.marker = marker
        self.number = number

    def inside(self, outer: Context) -> Context:
        above = outer.scope
        if type(above) is _Path:
            return super().inside(outer)
        path = _Path(f"{above}/{self.name}" if above else self.name)
        path.marker, path.number = self.marker, self.number
        return Context(path, outer.origin, outer.watch, outer)
