"""What surrounds a node at its birth: the scope that names it, the node whose adjoint it computes, the checks it passes.

One immutable `Context` is current at any time, in a context variable, so that threads do not mix. Every node keeps the
context it was born in.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any

Watch = Callable[[Any], object]


class Context:
    """The scope path, the number of the node an adjoint belongs to (None in a forward pass), and what looks at nodes.

    watch: is told of every node at its birth and in replays; None for nothing
    outer: the context to go back to when a block ends
    """

    __slots__ = ("origin", "outer", "scope", "watch")

    def __init__(self, scope: str, origin: int | None, watch: Watch | None, outer: Context | None = None) -> None:
        self.scope = scope
        self.origin = origin
        self.watch = watch
        self.outer = outer


NOWHERE = Context("", None, None)
_context: ContextVar[Context] = ContextVar("minigrad", default=NOWHERE)
current = _context.get
enter = _context.set
leave = _context.reset
frozen: ContextVar[bool] = ContextVar("minigrad.frozen", default=False)  # whether `update` leaves states as they are
trace: ContextVar[Any] = ContextVar("minigrad.trace", default=None)  # the running trace of `mg.compile`, if any


def leaving(node: object, way: str) -> None:
    """Say that a value is about to leave the graph, which a running trace refuses: it would be stale in the next call."""
    if (running := trace.get()) is not None:
        running.refuse(node, way)


class _Block:
    """A `with` block in which another context is current; one object serves nested blocks, and several threads."""

    def inside(self, outer: Context) -> Context:
        raise TypeError(f"{type(self).__name__} does not say which context it opens")

    def __enter__(self) -> None:
        enter(self.inside(current()))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        enter(current().outer or NOWHERE)


class scope(_Block):  # noqa: N801 -- a context manager reads as a word
    """Name the nodes born inside the block; scopes nest, joined by "/".

    >>> import minigrad as mg
    >>> with mg.scope("rnn"), mg.scope("t=3"):
    ...     x = mg.Input([1.0])
    >>> x.scope
    'rnn/t=3'
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise ValueError(f"scope(name): the name is a non-empty string, not {name!r}")
        self.name = name

    def inside(self, outer: Context) -> Context:
        path = outer.scope + f"/{self.name}" if outer.scope else self.name  # a path that is marked stays marked
        return Context(path, outer.origin, outer.watch, outer)


class anomalies(_Block):  # noqa: N801
    """Raise FloatingPointError at the first node, forward or adjoint, whose value has a nan or an infinity.

    >>> import numpy as np, minigrad as mg
    >>> with mg.anomalies(), np.errstate(divide="ignore"):
    ...     np.log(mg.Input([1.0, 0.0], name="x"))
    Traceback (most recent call last):
    ...
    FloatingPointError: Log: its value has 0 nan and 1 inf of 2 entries, the first at (1,)...
    """

    def inside(self, outer: Context) -> Context:
        from minigrad.node import check_finite

        return Context(outer.scope, outer.origin, joined(outer.watch, check_finite), outer)


def joined(first: Watch | None, second: Watch) -> Watch:
    """What tells both."""
    return second if first is None or first is second else lambda node: (first(node), second(node))
