"""What formulas say of an array in words that have a meaning in numbers: "ȳ in x's shape", "x is nan".

A phrase is a line of a table: its words, in which {} is a name, and what it computes of the array (the array of that name
comes third).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

Shape = tuple[int, ...]


class Context(NamedTuple):
    """What the words of a formula refer to.

    axis:       the axes that "over the axes" means, None for all
    kept:       the shape of the value with its reduced axes kept, of length 1; None where it drops none
    shape:      the shape of what is computed
    attributes: those of the node
    """

    axis: Any = None
    kept: Shape | None = None
    shape: Shape = ()
    attributes: Mapping[str, Any] = {}

    def over(self, reduce: Callable[..., Any], x: Any) -> Any:
        """The array reduced, its axes kept as axes of length 1."""
        return reduce(x, axis=self.axis, keepdims=True)

    def text(self) -> str:
        """The axes in words."""
        if self.axis is None:
            return " over all entries"
        if self.axis == ():
            return " along no axis"
        axes = str(self.axis).replace("-", "−")
        return f" along axes {axes}" if isinstance(self.axis, tuple) else f" along axis {axes}"


def _summed(x: Any, context: Context, _: Any) -> Any:
    added = np.ndim(x) - len(context.shape)
    axes = [i for i in range(np.ndim(x)) if i < added or context.shape[i - added] != x.shape[i]]
    return x.sum(axis=tuple(axes)).reshape(context.shape)


def _taken_back(x: Any, context: Context, of: Any) -> Any:
    back = np.empty_like(x)
    np.put_along_axis(back, np.argsort(of, context.axis, kind="stable"), x, context.axis)
    return back


def _put_back(x: Any, context: Context, _: Any) -> Any:
    axes = context.attributes["axes"]
    return np.transpose(x, None if axes is None else np.argsort([axis % x.ndim for axis in axes]))


def _without_padding(x: Any, context: Context, _: Any) -> Any:
    starts = [before for before, _ in context.attributes["pad_width"]]
    return x[tuple([slice(start, start + n) for start, n in zip(starts, context.shape, strict=True)])]


def by_lines(change: Callable[[Any], Any], x: Any, context: Context) -> Any:
    """The array with each line of entries over the axes (row by row, the last axis of what is changed) exchanged."""
    axes = range(x.ndim) if context.axis is None else np.atleast_1d(context.axis)
    reduced = sorted(int(axis) % x.ndim for axis in axes)
    order = [*[i for i in range(x.ndim) if i not in reduced], *reduced]
    lines = np.transpose(x, order)
    flat = lines.reshape(*lines.shape[: x.ndim - len(reduced)], -1) if x.size else lines
    return np.transpose((change(flat) if x.size else flat).reshape(lines.shape), np.argsort(order))


def _is_first(which: Callable[..., Any]) -> Callable[[Any, Context, Any], Any]:
    """Whether an entry is the first that `which` (argmax or argmin) finds over the axes, row by row."""

    def holds(lines: Any) -> Any:
        return np.arange(lines.shape[-1]) == which(lines, axis=-1)[..., None]

    return lambda x, context, _: by_lines(holds, x, context).astype(bool)


def others_multiplied(x: Any, context: Context) -> Any:
    """For each entry the product of all others over the axes."""

    def change(lines: Any) -> Any:
        return np.stack([np.delete(lines, i, -1).prod(-1) for i in range(lines.shape[-1])], -1)

    return by_lines(change, x, context)


def _same(x: Any, _: Context, __: Any) -> Any:
    return x


STATES: dict[str, Callable[[Any, Context, Any], Any]] = {
    "is nan": lambda x, _, __: np.isnan(x),
    "is infinite": lambda x, _, __: np.isinf(x),
    "is finite": lambda x, _, __: np.isfinite(x),
    "is negative": lambda x, _, __: np.signbit(x),
    "is the first maximum": _is_first(np.argmax),
    "is the first minimum": _is_first(np.argmin),
    "holds": _same,
}
PHRASES: dict[str, Callable[[Any, Context, Any], Any]] = {
    "in another shape": lambda x, context, _: x.reshape(context.shape),
    "in {}'s shape": lambda x, context, _: x.reshape(context.shape),
    "in another dtype": _same,
    "in {}'s dtype": _same,
    "repeated": lambda x, context, _: np.broadcast_to(x, context.shape),
    "summed": _summed,
    "reversed": lambda x, context, _: np.flip(x, context.axis),
    "shifted": lambda x, context, _: np.roll(x, context.attributes["shift"], context.axis),
    "shifted back": lambda x, context, _: np.roll(x, [-n for n in context.attributes["shift"]], context.axis),
    "sorted": lambda x, context, _: np.sort(x, context.axis),
    "taken back to where {}'s entries came from": _taken_back,
    "with its axes in another order": lambda x, context, _: np.transpose(x, context.attributes["axes"]),
    "with its axes put back": _put_back,
    "padded": lambda x, context, _: np.pad(
        x, context.attributes["pad_width"], constant_values=context.attributes["constant_values"]
    ),
    "without the padding": _without_padding,
}
ALL = STATES | PHRASES
ALONG_AXES = {
    "is the first maximum", "is the first minimum", "reversed", "shifted", "shifted back", "sorted",
    "taken back to where {}'s entries came from",
}  # fmt: skip
