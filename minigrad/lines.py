"""Where in the user's program a node was made. To look costs more than most nodes do, so it is done only within a block."""

from __future__ import annotations

from pathlib import Path
from weakref import ref

from minigrad.context import Context, _Block, joined
from minigrad.errors import users_line
from minigrad.node import Node, Number

_LINES: dict[
    int, tuple[str, ref[Node]]
] = {}  # by the node's number (== of nodes makes a node), as long as the node is there


class source_lines(_Block):  # noqa: N801 -- a context manager reads as a word
    """Remember the line of the user's program in which each node inside the block is made: `with mg.source_lines(): loss = f(x)`.

    `mg.record(loss)` tells it: `.nodes[-1].line` is "net.py:12".
    """

    def inside(self, outer: Context) -> Context:
        return Context(outer.scope, outer.origin, joined(outer.watch, _note), outer)


def line_of(node: Node) -> str:
    """The line, as file:number, or "" where nobody remembered it."""
    return _LINES[node.number][0] if node.number in _LINES else ""


def _note(node: Node) -> None:
    number = node.number
    if isinstance(node, Number):
        return  # one node serves all lines
    if node.context.watch is not None and number not in _LINES:  # in a replay older nodes come by
        line = Path(users_line().removeprefix("at ")).name
        _LINES[number] = line, ref(node, lambda _: _LINES.pop(number, None))
