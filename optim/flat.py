"""One flat buffer for all parameters of an optimizer, so that an update is a few passes over long arrays.

The parameters stay what they are: each becomes a view of its part of the buffer. What is computed entry by entry is then
computed in blocks that stay in the cache between passes, however many parameters there are and however small.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from minigrad.node import Array, Parameter

BLOCK = 65_536  # entries: four arrays of so many float32 are 1 MiB, what a core has for itself


class FlatStore:
    """The values of parameters of one dtype, in their order, in one array; each Parameter's value is a view of it.

    bounds:         parameter i has the entries from bounds[i] up to bounds[i + 1]
    values:         the array; another store of the same parameters in the same order has the same one
    gradients:      an array like it, for whoever computes gradients in place. A `.grad` that is the parameter's one of
    gradient_views: its views, is read where it is; other arrays are gathered, a block at a time
    scratch:        room for the intermediate results of one block
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.parameters = tuple(parameters)
        self.bounds = list(accumulate((parameter.size for parameter in self.parameters), initial=0))
        self.dtype = self.parameters[0].dtype
        known = self._known_buffer()
        self.values = np.empty(self.bounds[-1], self.dtype) if known is None else known
        self.value_views = self.split(self.values) if known is None else [p._value for p in self.parameters]
        self.take_in()
        self.scratch = np.empty(min(BLOCK, self.values.size), self.dtype)
        self._gathered = np.empty_like(self.scratch)

    @cached_property
    def gradients(self) -> Array:
        """Made when it is first asked for: not everybody computes in place."""
        return np.zeros(self.values.size, self.dtype)

    @cached_property
    def gradient_views(self) -> list[Array]:
        """Its parts, one of each parameter's shape."""
        return self.split(self.gradients)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy is made anew for the copied parameters: views do not survive copying."""
        return FlatStore, (self.parameters,)

    def split(self, flat: Array) -> list[Array]:
        """An array like values as views, one of each parameter's shape."""
        return [flat[a:b].reshape(p.shape) for p, (a, b) in zip(self.parameters, pairwise(self.bounds), strict=True)]

    def take_in(self) -> None:
        """Move into the buffer what is not there: at first all, later what another store has taken since.

        The array a parameter leaves becomes read-only: who still holds it gets an error, not a write without effect.
        """
        for parameter, view in zip(self.parameters, self.value_views, strict=True):
            left = parameter._value
            if left is not view:
                view.flags.writeable = True  # unless it was left once, it is
                view[...] = left
                parameter._value = view
                left.flags.writeable = False

    def runs(self, keys: Sequence[int]) -> list[range]:
        """The places of the parameters that have a gradient; neighbors of the same key are one run."""
        found: list[range] = []
        for i, parameter in enumerate(self.parameters):
            if parameter.grad is None:
                continue
            if found and found[-1].stop == i and keys[i] == keys[i - 1]:
                found[-1] = range(found[-1].start, i + 1)
            else:
                found.append(range(i, i + 1))
        return found

    def blocks(self, run: range) -> Iterator[tuple[slice, Array]]:
        """The entries of a run of parameters, BLOCK at a time, with their gradients: these may be overwritten."""
        given = [self.parameters[i].grad for i in run]
        views = vars(self).get("gradient_views")
        in_place = views is not None and all(grad is views[i] for i, grad in zip(run, given, strict=True))
        flat = [] if in_place else [grad.reshape(-1) for grad in given if grad is not None]
        stop = self.bounds[run.stop]
        for start in range(self.bounds[run.start], stop, BLOCK):
            where = slice(start, min(start + BLOCK, stop))
            yield where, self.gradients[where] if in_place else self._gather(flat, run.start, where)

    def _gather(self, flat: Sequence[Array], first: int, where: slice) -> Array:
        """The gradients, of parameters from the first on, as one array: a view if one parameter fills the block."""
        i = bisect_right(self.bounds, where.start) - 1
        pieces = []
        while self.bounds[i] < where.stop:
            begin = self.bounds[i]
            pieces.append(flat[i - first][max(where.start - begin, 0) : where.stop - begin])
            i += 1
        if len(pieces) == 1:
            return pieces[0]
        return np.concatenate(pieces, out=self._gathered[: where.stop - where.start])

    def _known_buffer(self) -> Array | None:
        """The buffer of an earlier store, if it has these parameters, in this order, and no others."""
        buffer = self.parameters[0]._value.base
        if buffer is None or buffer.shape != (self.bounds[-1],):
            return None
        for parameter, (start, _) in zip(self.parameters, pairwise(self.bounds), strict=True):
            value = parameter._value
            if value.base is not buffer or _address(value) != _address(buffer) + start * buffer.itemsize:
                return None
        return buffer


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
