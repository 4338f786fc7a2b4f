"""Conjugate gradients: solve an equation with a symmetric matrix that is known by its products alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minigrad.node import Array


class Solution(NamedTuple):
    """A step, and how it came about.

    residual:   ‖g + A d‖ / ‖g‖
    curvature:  p' A p / p' p of the direction p that did not curve upwards; None where all did
    scale:      ‖A p‖ / ‖p‖ of the last direction
    """

    step: Array
    n_products: int
    residual: float
    curvature: float | None
    scale: float


def solved(
    product: Callable[[Array], Array], gradient: Array, damping: float, tolerance: float, most_products: int
) -> Solution:
    """Solve (H + δ I) d = −g by conjugate gradients, as far as H + δ I curves upwards.

    product: H times a vector
    tolerance, most_products: end at this part of ‖g‖, or after so many products

    At a direction that does not curve upwards it ends with the step so far, which leads downhill. If that is the first direction, −g,
    the step is −g / |curvature|, as long as the curvature's size says, or −g where it is 0.

    Source: T. Steihaug, The conjugate gradient method and trust regions in large scale optimization, SIAM Journal on Numerical
    Analysis 20, 1983; J. Nocedal and S. Wright, Numerical optimization, 2nd edition, 2006, algorithm 7.1.
    """
    step, rest = np.zeros_like(gradient), -gradient
    direction = rest
    first = square = float(rest @ rest)
    n_products, scale, curvature = 0, 0.0, None
    while n_products < most_products and square > tolerance**2 * first:
        turned = product(direction) + damping * direction
        n_products += 1
        length = float(np.linalg.norm(direction))
        scale = float(np.linalg.norm(turned)) / length
        found = float(direction @ turned) / length**2
        if found <= np.finfo(np.float64).eps * scale:
            curvature = found
            if n_products == 1:
                step = direction / abs(found) if abs(found) > np.finfo(np.float64).eps * scale else direction
            break
        size = square / (found * length**2)
        step = step + size * direction
        rest = rest - size * turned
        before, square = square, float(rest @ rest)
        direction = rest + square / before * direction
    return Solution(step, n_products, (square / first) ** 0.5 if first else 0.0, curvature, scale)
