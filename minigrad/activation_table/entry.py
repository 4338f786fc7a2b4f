"""An entry of the table: a function with its formulas, and the properties found by sampling f and its derivatives."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt

from minigrad.activation_table.formulas import evaluated, latex, printed
from minigrad.graph import gradients
from minigrad.node import Array, Input, Node
from minigrad.signatures import parameters

NEAR = np.linspace(-8, 8, 1025)  # holds the integers, where kinks like to be
FAR = 1e12 * (1 + np.linspace(0, 1, 64) ** 2)  # so far out that f is its limit, and so uneven that no period fits
EXACT = 1e-9  # what is closer than this is the same
JUMP = 1e-3  # a change larger than this that stays while its interval shrinks to EXACT is a jump


class Range(NamedTuple):
    """The least and the greatest value, and whether f attains them (or only tends to them)."""

    low: float
    high: float
    low_attained: bool
    high_attained: bool

    def __str__(self) -> str:
        left, right = "(["[self.low_attained], ")]"[self.high_attained]
        return f"{left}{_short(self.low)}, {_short(self.high)}{right}"


class Properties(TypedDict):
    """What sampling f, f′, f″ and f‴ tells; kinks and jumps are looked for on [−8, 8]."""

    limit_left: float  # of f as x → −∞; ±inf where it grows, nan where it has none (a sine)
    limit_right: float
    slope_left: float  # of f′ as x → −∞
    slope_right: float
    slope_at_zero: float
    largest_slope: float  # of |f′|, on [−8, 8]
    saturates_left: bool  # f tends to a number and f′ to 0: no gradient comes back from there
    saturates_right: bool
    bounded: bool
    continuous: bool
    differentiable: bool  # everywhere, and f′ is continuous
    smooth: bool  # the first three derivatives are continuous
    jumps: tuple[float, ...]  # where f jumps
    kinks: tuple[float, ...]  # where f is continuous and f′ jumps
    monotone: bool  # never decreases
    convex: bool
    odd: bool  # f(−x) = −f(x)
    even: bool  # f(−x) = f(x)
    identity_near_zero: bool  # f(0) = 0, f′ = 1 on both sides of 0


class Activation:
    """An entry of the table; calling it calls its function.

    name:       the function's
    formula:    f(x) as text, a Python expression (see `minigrad.activation_table.formulas`)
    derivative: f′(x) as text; it may use f for f(x)
    given:      the definition of a name both use, or nothing
    parameters: the function's numbers with their defaults, which the properties are of
    source:     who proposed it
    aliases:    other names of it
    """

    def __init__(
        self,
        function: Callable[..., Node],
        *,
        formula: str,
        derivative: str,
        given: str = "",
        source: str = "",
        aliases: tuple[str, ...] = (),
    ) -> None:
        self.name = function.__name__
        self.function = function
        self.formula, self.derivative, self.given = formula, derivative, given
        self.source, self.aliases = source, aliases
        defaults = {name: p.default for name, p in parameters(function).items()}
        self.parameters = {name: value for name, value in defaults.items() if type(value) in (int, float)}

    def __call__(self, x: Node | npt.ArrayLike, **parameters: Any) -> Node:
        return self.function(x, **parameters)

    def __repr__(self) -> str:
        return f"<Activation {self.name}: {printed(self.formula)}>"

    def __str__(self) -> str:
        """How it is called, formula, derivative, range and properties, a line each."""
        call = ", ".join(["x", *[f"{name}={value:.4g}" for name, value in self.parameters.items()]])
        given = f",  {printed(self.given)}" if self.given else ""
        lines = [f"f  = {printed(self.formula)}{given}", f"f′ = {printed(self.derivative)}", self.summary]
        return "\n".join([f"{self.name}({call})", *[f"    {line}" for line in lines]])

    @property
    def formula_latex(self) -> str:
        """f(x) in LaTeX."""
        return latex(self.formula) + (rf", \quad {latex(self.given)}" if self.given else "")

    @property
    def derivative_latex(self) -> str:
        """f′(x) in LaTeX."""
        return latex(self.derivative)

    def values(self, x: npt.ArrayLike, *, order: int = 0, **parameters: Any) -> Array:
        """f(x), or its derivative of the given order, entry by entry, as the engine has it."""
        leaf = Input(np.asarray(x, np.float64))
        y = self(leaf, **parameters)
        for _ in range(order):
            (y,) = gradients(y, [leaf], adjoint=np.ones(leaf.shape))
        return y.value

    def written(self, x: npt.ArrayLike, *, order: int = 0, **parameters: Any) -> Array:
        """f(x), or f′(x) for order 1, as the text says it: what the engine is compared with."""
        names = {**self.parameters, **parameters}
        f = evaluated(self.formula, x, names, self.given)
        if order == 0:
            return f
        points = np.asarray(x, np.float64)
        slopes = [
            evaluated(self.derivative, x, {**names, "f": float(y)}, self.given)
            for x, y in zip(points.flat, f.flat, strict=True)
        ]
        return np.reshape(slopes, points.shape)

    @cached_property
    def range(self) -> Range:
        """Between which values f lies."""
        limits = [limit for limit in self._limits(0) if not np.isnan(limit)]
        low, high = (_extreme(self.values, sign) for sign in (-1, 1))
        least, greatest = min(low, *limits, np.inf), max(high, *limits, -np.inf)
        return Range(_rounded(least), _rounded(greatest), low == least, high == greatest)

    @cached_property
    def properties(self) -> Properties:
        """What f does, for the default parameters."""
        f, slope = self.values(NEAR), self.values(NEAR, order=1)
        (left, right), (slope_left, slope_right) = self._limits(0), self._limits(1)
        breaks = [_jumps(lambda x, order=order: self.values(x, order=order)) for order in range(4)]  # type: ignore[misc]
        about_zero = self.values([-1e-9, 0, 1e-9], order=1)
        return {
            "limit_left": left,
            "limit_right": right,
            "slope_left": slope_left,
            "slope_right": slope_right,
            "slope_at_zero": float(about_zero[1]) + 0.0,
            "largest_slope": float(np.abs(slope).max()),
            "saturates_left": bool(np.isfinite(left)) and slope_left == 0,
            "saturates_right": bool(np.isfinite(right)) and slope_right == 0,
            "bounded": bool(np.isfinite(self.range[:2]).all()),
            "continuous": not breaks[0],
            "differentiable": not breaks[0] and not breaks[1],
            "smooth": not any(breaks),
            "jumps": breaks[0],
            "kinks": tuple([place for place in breaks[1] if place not in breaks[0]]),
            "monotone": bool((np.diff(f) >= -EXACT).all()),
            "convex": bool((np.diff(f, 2) >= -EXACT).all()),
            "odd": bool(np.allclose(f, -f[::-1], EXACT, EXACT)),
            "even": bool(np.allclose(f, f[::-1], EXACT, EXACT)),
            "identity_near_zero": abs(float(self.values(0.0))) < EXACT and bool(np.allclose(about_zero, 1, 1e-6)),
        }

    @property
    def summary(self) -> str:
        """Range and properties in words."""
        p = self.properties
        sides = [side for side in ("left", "right") if p[f"saturates_{side}"]]  # type: ignore[literal-required]
        breaks = [f"{kind} at {_places(p[kind])}" for kind in ("jumps", "kinks") if p[kind]]
        words = [
            f"range {self.range}",
            f"saturates {' and '.join(sides)}" if sides else "does not saturate",
            "smooth" if p["smooth"] else "; ".join(breaks) or "differentiable",
            *[word for word in ("monotone", "convex", "odd", "even") if p[word]],
            f"f′(0) = {_short(p['slope_at_zero'])}",
            *(["identity near 0"] if p["identity_near_zero"] else []),
        ]
        return "; ".join(words)

    def _limits(self, order: int) -> tuple[float, float]:
        """Of the derivative of that order, to the left and to the right."""
        with np.errstate(all="ignore"):
            return _limit(self.values(-FAR, order=order)), _limit(self.values(FAR, order=order))


# Sampling ----------------------------------------------------------------------------------------------------------


def _limit(values: Array) -> float:
    """What the values far out say: a number, ±inf where they grow or fall throughout, else nan."""
    if np.isinf(values).all():
        return float(values[0])
    if np.ptp(values) <= EXACT:
        return _rounded(values[0])
    steps = np.sign(np.diff(values))
    return float(steps[0] * np.inf) if (steps == steps[0]).all() else np.nan


def _extreme(f: Callable[[Array], Array], sign: int) -> float:
    """The greatest value (sign 1) or the least (−1) on [−8, 8], by zooming in on where the samples have it."""
    x = NEAR
    best = -np.inf
    for _ in range(4):
        y = sign * f(x)
        k = int(y.argmax())
        best = max(best, float(y[k]))
        x = np.linspace(x[max(k - 1, 0)], x[min(k + 1, x.size - 1)], 129)
    return sign * best


def _jumps(f: Callable[[Array], Array]) -> tuple[float, ...]:
    """Where f jumps: halve intervals, keep the half that changes more, until a change stays where there is no room."""
    low, high = NEAR[:-1], NEAR[1:]
    while low.size and high[0] - low[0] > EXACT:
        middle = (low + high) / 2
        left, center, right = f(np.stack([low, middle, high]))
        first, second = np.abs(center - left), np.abs(right - center)
        low, high = np.where(first >= second, low, middle), np.where(first >= second, middle, high)
        change = np.maximum(first, second) > JUMP
        low, high = low[change], high[change]
    return tuple([float(place) for place in np.unique(np.round(low, 6) + 0.0)])


def _rounded(number: Any) -> float:
    return round(float(number), 9) + 0.0


def _short(number: float) -> str:
    """At most four digits, and the signs of mathematics."""
    known = {np.inf: "∞", -np.inf: "-∞", _rounded(np.pi / 2): "π/2", _rounded(-np.pi / 2): "-π/2"}
    return known.get(number, f"{number:.4g}")


def _places(places: tuple[float, ...]) -> str:
    return ", ".join([_short(place) for place in places])
