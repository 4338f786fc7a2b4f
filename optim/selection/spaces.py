"""Values of the settings: lists, distributions to draw from, and the ranges around the best values."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

Settings: TypeAlias = dict[str, Any]


class Distribution(ABC):
    """What `random_search` draws a setting from."""

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Any:
        """Draw one value."""

    @abstractmethod
    def around(self, best: Any) -> Distribution:
        """The same within half the width around the best value, and not beyond where it was."""


class Uniform(Distribution):
    """Numbers of [low, high), all equally likely; with integer=True the integers from low to high, both included."""

    def __init__(self, low: float, high: float, *, integer: bool = False) -> None:
        self.low, self.high = _range(type(self).__name__, low, high, integer)
        self.integer = integer

    def draw(self, rng: np.random.Generator) -> float:
        """Draw one number."""
        if self.integer:
            return int(rng.integers(int(self.low), int(self.high) + 1))
        return _below(float(rng.uniform(self.low, self.high)), self.high)

    def around(self, best: float) -> Distribution:
        """The numbers within a quarter of the width of the best one."""
        quarter = (self.high - self.low) / 4
        return self._within(best, best - quarter, best + quarter)

    def _within(self, best: float, low: float, high: float) -> Distribution:
        """The same between other bounds, and not beyond its own."""
        if self.integer:
            low, high = math.floor(low), math.ceil(high)
        low, high = max(self.low, low), min(self.high, high)
        return type(self)(low, high, integer=self.integer) if low < high else Choices([best])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.low:g}, {self.high:g}{', integer=True' if self.integer else ''})"


class LogUniform(Uniform):
    """Numbers of [low, high) whose logarithm is uniform: as many between 0.001 and 0.01 as between 0.01 and 0.1.

    With integer=True integers from low to high, each as likely as the numbers that round to it.
    """

    def __init__(self, low: float, high: float, *, integer: bool = False) -> None:
        super().__init__(low, high, integer=integer)
        if low <= 0:
            raise ValueError(f"LogUniform({low!r}, {high!r}): low has to be above 0, as its logarithm is drawn")

    def draw(self, rng: np.random.Generator) -> float:
        """Draw one number."""
        half = 0.5 if self.integer else 0.0
        number = math.exp(rng.uniform(math.log(self.low - half), math.log(self.high + half)))
        if self.integer:
            return min(max(round(number), int(self.low)), int(self.high))
        return max(_below(number, self.high), self.low)

    def around(self, best: float) -> Distribution:
        """The numbers within a quarter of the width of the best one, on the logarithmic axis."""
        factor = (self.high / self.low) ** 0.25
        return self._within(best, best / factor, best * factor)


class Choices(Distribution):
    """Some values, all equally likely; a list stands for it."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values_of("Choices", values)

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw one of them."""
        return self.values[rng.integers(len(self.values))]

    def around(self, best: Any) -> Choices:
        """The best one and its neighbors where all are numbers, else the best one alone."""
        if not all(map(is_number, self.values)):
            return Choices([best])
        inside = sorted(self.values)
        at = inside.index(best)
        return Choices(inside[max(at - 1, 0) : at + 2])

    def __repr__(self) -> str:
        return f"Choices({self.values!r})"


def around(given: Any, best: Any, n: int) -> Any:
    """Say what to search next around the best value of a distribution or list: see `Trials.around_best`."""
    return given.around(best) if isinstance(given, Distribution) else between_neighbors(given, best, n)


def between_neighbors(values: Sequence[Any], best: Any, n: int) -> list[Any]:
    """List the best value of a grid and n values between its neighbors, which are not among them; of integers as many as there are."""
    if not hasattr(n, "__index__"):
        raise TypeError(f"around_best(n={n!r}): expected an integer")
    if n < 1:
        raise ValueError(f"around_best(n={n!r}): at least 1")
    if not all(map(is_number, values)) or len(set(values)) == 1:
        return [best]
    grid = sorted(set(values))
    at = grid.index(best)
    below, above = grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)]
    spaced = np.geomspace if grid[0] > 0 and _is_geometric(grid) else np.linspace
    points = [float(f"{point:.12g}") for point in spaced(below, above, n + 2)[1:-1]]
    if all(isinstance(value, int) for value in values):
        points = [round(point) for point in points]
    elsewhere = [point for point in points if below < point < above and not math.isclose(point, best, rel_tol=1e-9)]
    return sorted({*elsewhere, best})


def _is_geometric(grid: Sequence[float]) -> bool:
    ratios, steps = np.diff(np.log(grid)), np.diff(grid)
    return bool(np.ptp(ratios) / ratios.mean() <= np.ptp(steps) / steps.mean())


def values_of(name: str, values: Any) -> list[Any]:
    """Make a list of the values; an error that names the setting where there are none or it is no list."""
    if isinstance(values, Distribution):
        raise TypeError(f"{name}: expected a list of values, found {values!r}: a distribution is for random_search")
    if isinstance(values, str) or not isinstance(values, Sequence | np.ndarray):
        raise TypeError(f"{name}: expected a list of values, found {values!r}: write [{values!r}] for a single one")
    found = values.tolist() if isinstance(values, np.ndarray) else list(values)
    if not found:
        raise ValueError(f"{name}: the list of values is empty")
    return [value.item() if isinstance(value, np.generic) else value for value in found]


def checked_space(search: str, space: Any) -> Mapping[str, Any]:
    """Check the dict of settings; an error where it is none or empty."""
    if not isinstance(space, Mapping):
        raise TypeError(
            f"{search}: expected a dict of settings, such as {{'learning_rate': [0.01, 0.1]}}, found {space!r}"
        )
    if not space:
        raise ValueError(f"{search}: the dict of settings is empty")
    return space


def _range(name: str, low: float, high: float, integer: bool) -> tuple[float, float]:
    if not (is_number(low) and is_number(high)):
        raise TypeError(f"{name}({low!r}, {high!r}): expected two numbers")
    if not (math.isfinite(low) and math.isfinite(high) and low < high and math.isfinite(high - low)):
        raise ValueError(f"{name}({low!r}, {high!r}): expected finite numbers, the lower one first")
    if integer and (low != int(low) or high != int(high)):
        raise ValueError(f"{name}({low!r}, {high!r}, integer=True): expected two integers")
    return low, high


def _below(number: float, high: float) -> float:
    """The number, which by rounding may have become the end that is excluded."""
    return min(number, math.nextafter(high, -math.inf))


def is_number(value: Any) -> bool:
    """Tell whether a value is a number, which True and False are not."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
