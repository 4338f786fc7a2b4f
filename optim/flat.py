"""One flat buffer for all parameters of an optimizer, so that an update is a few passes over long arrays.

The parameters stay what they are: each becomes a view of its part of the buffer. What is computed entry by entry is then
computed in a few long blocks, however many parameters there are and however small.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from minigrad.node import Array, Parameter, known_dtype

# Entries of a block, at most: a call more costs what a shorter block wins, and programs cut longer arrays.
BLOCK = (1 << 18) - 16
SMALL = 1 << 14  # entries of a parameter: up to here, a copy of its gradient is cheaper than a call for itself
ALIGNED = 64  # bytes: no load or store of a vector register crosses two lines of the cache


class Block(NamedTuple):
    """Entries that are updated together: a stretch of one parameter, or some small ones.

    where:      which of all entries they are
    parameters: whose they are
    stretch:    of one parameter, which of its entries
    room:       for several, where their gradients are put side by side
    """

    where: slice
    parameters: slice
    stretch: slice
    room: Array | None

    def gradient(self, given: Sequence[Array]) -> Array:
        """What of the parameters' gradients, as flat arrays, is this block's."""
        if self.room is not None:
            return np.concatenate(given[self.parameters], out=self.room)
        gradient: Array = given[self.parameters.start][self.stretch]
        return gradient


class FlatStore:
    """The values of parameters of one dtype, in their order, in one array; each Parameter's value is a view of it.

    bounds: parameter i has the entries from bounds[i] up to bounds[i + 1]
    values: the array; another store of the same parameters in the same order has the same one
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.parameters = tuple(parameters)
        self.bounds = list(accumulate((parameter.size for parameter in self.parameters), initial=0))
        self.dtype = self.parameters[0].dtype
        known = self._known_buffer()
        self.values = aligned(self.bounds[-1], self.dtype) if known is None else known
        self.value_views = self.split(self.values) if known is None else [p._value for p in self.parameters]
        self.take_in()

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

    def given(self) -> list[Array | None]:
        """The trained parameters' gradients as flat arrays, None where there is none; an error where one does not fit."""
        found: list[Array | None] = []
        for parameter in self.parameters:
            gradient = parameter.grad if parameter.trainable else None
            if gradient is not None:
                if gradient.shape != parameter._value.shape or gradient.dtype != self.dtype:
                    known_dtype(f"the .grad of {parameter.label}", gradient.dtype)
                    raise ValueError(
                        f"{parameter.label} of dtype {parameter.dtype} has a .grad of shape {gradient.shape} and dtype "
                        f"{gradient.dtype}: set it by loss.backward(), or to an array like the parameter's"
                    )
                gradient = gradient.reshape(-1)
            found.append(gradient)
        return found

    def runs(self, given: Sequence[Array | None], keys: Sequence[object]) -> list[range]:
        """The places of the parameters that have a gradient; neighbors of the same key are one run."""
        found: list[range] = []
        start = None
        for i, gradient in enumerate(given):
            if start is not None and (gradient is None or keys[i] != keys[start]):
                found.append(range(start, i))
                start = None
            if start is None and gradient is not None:
                start = i
        return found if start is None else [*found, range(start, len(given))]

    def blocks(self, run: range) -> Iterator[Block]:
        """Cut the entries of a run of parameters: small neighbors together, large ones in blocks of the same length, up to BLOCK."""
        i = run.start
        while i < run.stop:
            first, begin = i, self.bounds[i]
            i += 1
            if not is_large(self.parameters[first]):
                while i < run.stop and not is_large(self.parameters[i]) and self.bounds[i + 1] - begin <= BLOCK:
                    i += 1
            parameters, end = slice(first, i), self.bounds[i]
            if i > first + 1:
                yield Block(slice(begin, end), parameters, slice(None), aligned(end - begin, self.dtype))
                continue
            length = self._length(end - begin)
            for start in range(begin, end, length):
                stop = min(start + length, end)
                yield Block(slice(start, stop), parameters, slice(start - begin, stop - begin), None)

    def _length(self, size: int) -> int:
        """How long the blocks of so many entries are: of as few blocks as possible, which begin where a line of the cache does."""
        n_blocks = max(math.ceil(size / BLOCK), 1)
        line = ALIGNED // self.dtype.itemsize
        return max(math.ceil(size / n_blocks / line), 1) * line

    def _known_buffer(self) -> Array | None:
        """The buffer of an earlier store, if it has these parameters, in this order, and no others."""
        buffer = self.parameters[0]._value.base
        if buffer is None or buffer.flags.owndata or buffer.shape != (self.bounds[-1],):
            return None
        for parameter, (start, _) in zip(self.parameters, pairwise(self.bounds), strict=True):
            value = parameter._value
            if value.base is not buffer or _address(value) != _address(buffer) + start * buffer.itemsize:
                return None
        return buffer


def is_large(parameter: Parameter) -> bool:
    """Tell whether a call for its gradient alone is cheaper than a copy of it."""
    return parameter.size > SMALL


def aligned(size: int, dtype: npt.DTypeLike) -> Array:
    """A new flat array that begins where a line of the cache does, and is the base of its views."""
    memory = np.empty(size * np.dtype(dtype).itemsize + ALIGNED, np.uint8)
    return np.frombuffer(memory.data, dtype, size, -_address(memory) % ALIGNED)


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
