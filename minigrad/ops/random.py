"""Random operations: nodes without children whose fprop draws from an explicit generator, so a replay draws anew.

Everything else about a distribution is arithmetic on these draws: location and scale may be nodes, and gradients flow to
them (the reparametrized gradient).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.node import Node, as_node, is_number, known_dtype
from minigrad.ops.base import Operation

if TYPE_CHECKING:
    from minigrad.operators import Operand

__all__ = ["random_bernoulli", "random_normal", "random_uniform"]


class Random(Operation):
    """y ~ the subclass's distribution, drawn anew by every evaluation; it has no children."""

    __slots__ = ()
    checked = "definition"
    pure = False
    rng: np.random.Generator
    shape_to: tuple[int, ...]
    dtype_to: np.dtype[Any]


class RandomUniform(Random):
    """y = a number drawn from U[0, 1);  no adjoint, since there is no child."""

    __slots__ = ()

    def fprop(self, *, rng: np.random.Generator, shape_to: tuple[int, ...], dtype_to: np.dtype[Any]) -> Any:
        return rng.random(shape_to, dtype_to)


class RandomNormal(Random):
    """y = a number drawn from N(0, 1);  no adjoint, since there is no child."""

    __slots__ = ()

    def fprop(self, *, rng: np.random.Generator, shape_to: tuple[int, ...], dtype_to: np.dtype[Any]) -> Any:
        return rng.standard_normal(shape_to, dtype_to)


def random_uniform(
    shape: int | Sequence[int],
    low: Operand = 0.0,
    high: Operand = 1.0,
    *,
    rng: np.random.Generator,
    dtype: Any = np.float64,
) -> Node:
    """y = low + (high − low) u, u ~ U[0, 1) of the given shape; low and high may be nodes, and have adjoints."""
    draw = _draw(RandomUniform, shape, rng, dtype)
    if _is(low, 0) and _is(high, 1):
        return draw
    low, high = as_node(low, draw.dtype), as_node(high, draw.dtype)
    return low + draw * (high - low)


def random_normal(
    shape: int | Sequence[int],
    loc: Operand = 0.0,
    scale: Operand = 1.0,
    *,
    rng: np.random.Generator,
    dtype: Any = np.float64,
) -> Node:
    """y = loc + scale z, z ~ N(0, 1) of the given shape; loc and scale may be nodes, and have adjoints."""
    draw = _draw(RandomNormal, shape, rng, dtype)
    scaled = draw if _is(scale, 1) else draw * scale
    return scaled if _is(loc, 0) else scaled + loc


def random_bernoulli(shape: int | Sequence[int], rate: Operand, *, rng: np.random.Generator) -> Node:
    """A boolean node, true with probability `rate` entry by entry: u < rate, u ~ U[0, 1) in steps of 2⁻²⁴."""
    if is_number(rate) and not 0 <= rate <= 1:
        raise ValueError(f"random_bernoulli(shape, rate={rate}): the rate is a probability, from 0 to 1")
    return _draw(RandomUniform, shape, rng, np.float32) < rate


def _draw(kind: type[Random], shape: int | Sequence[int], rng: np.random.Generator, dtype: Any) -> Node:
    """The node of standard draws, its arguments checked."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"{kind.__name__}: rng is a numpy.random.Generator, not {type(rng).__name__}: rng=np.random.default_rng(seed)"
        )
    dtype = known_dtype(kind.__name__, dtype)
    if dtype.kind != "f":
        raise TypeError(f"{kind.__name__}: draws are float32 or float64, not {dtype}: write .astype(np.{dtype})")
    shape = (int(shape),) if isinstance(shape, int | np.integer) else tuple(shape)
    return kind(rng=rng, shape_to=shape, dtype_to=dtype)


def _is(operand: Operand, number: float) -> bool:
    return is_number(operand) and operand == number
