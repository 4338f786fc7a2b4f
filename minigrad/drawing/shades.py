"""The color of an adjoint by its norm: it fades into the page as it vanishes, and turns violet as it explodes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from minigrad.drawing.canvas import pixels, text
from minigrad.drawing.decay import Run, power_of_ten
from minigrad.drawing.metrics import width
from minigrad.drawing.style import DARK, FAINT, LIGHT, SCOPE_STROKE, Face

LEVELS = 24  # shades from nothing to 1
ABOVE = 8  # and above 1
GROWTH = 4  # decades above 1 to the full violet
LEAST, MOST = 3, 12  # decades of the scale
BESIDE = 252  # from the row of shades in the legend to its words
BELOW = 6  # decades that curves with a cut go below the others at most
STRONG = ("#c8430e", "#ff9a6c")  # 1, in the light and in the dark theme
VIOLET = ("#5b1fa8", "#b98cff")
KEY = Face(10.5, 14, False, 400, FAINT)


def _mixed(a: str, b: str, part: float) -> str:
    """A color between two."""
    channels = [(int(a[i : i + 2], 16), int(b[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join([f"{round(x + (y - x) * part):02x}" for x, y in channels])


def _shade(level: int, theme: int) -> str:
    if level > LEVELS:
        return _mixed(STRONG[theme], VIOLET[theme], (level - LEVELS) / ABOVE)
    page = (LIGHT, DARK)[theme]["paper"]
    return _mixed(page, STRONG[theme], 0.06 + 0.94 * level / LEVELS)


SHADES = [(_shade(level, 0), _shade(level, 1)) for level in range(LEVELS + ABOVE + 1)]
PALETTE = {
    **{name: (LIGHT[name], DARK[name]) for name in ("paper", "ink", "faint", "inner-frame", "frame-line")},
    "state-1": ("#0072b2", "#56b4e9"),
    "state-2": ("#8a5a00", "#e0a13a"),
    "state-3": ("#00735c", "#3fc7a4"),
    "cut-0": ("#b0380a", "#ff9d73"),
    "cut-1": ("#7a3d9c", "#cf9bea"),
    "cut-2": ("#a01f5c", "#ff8ab8"),
    "cut-3": ("#4a5a00", "#b9cc55"),
    **{f"shade-{level}": pair for level, pair in enumerate(SHADES)},
}


class Scale:
    """From a norm, as a part of that which counts as 1, to a shade.

    decades: those that fade, from 1 down
    lowest, highest: the decades that curves are drawn in
    """

    def __init__(self, decades: int, lowest: int, highest: int) -> None:
        self.decades, self.lowest, self.highest = decades, lowest, highest

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Scale:
        """The scale that all runs share: as deep as the states' adjoints go."""
        whole, all_curves = [0.0], [0.0]
        for run in runs:
            for curve in [curve for loop in run.loops for curve in loop.curves]:
                norms = [norm / run.unit for norm in curve.norms.values() if norm and math.isfinite(norm)]
                logs = [math.log10(norm) for norm in norms if norm > 0]
                all_curves += logs
                whole += [] if curve.without else logs
        decades = min(max(math.ceil(-min(whole)), LEAST), MOST)
        lowest = max(math.floor(min(all_curves)), math.floor(min(whole)) - BELOW)
        return cls(decades, min(lowest, -1), max(math.ceil(max(all_curves)), 0))

    def level(self, part: float) -> int | None:
        """The shade of a norm; None for exact 0, and for what is no number."""
        if part == 0 or not math.isfinite(part):
            return None
        decades = math.log10(part)
        if decades > 0:
            return LEVELS + min(round(decades / GROWTH * ABOVE), ABOVE)
        return max(round(LEVELS * (1 + decades / self.decades)), 0)

    def color(self, level: int) -> str:
        """The color of a shade in the light theme."""
        return SHADES[level][0]

    def width(self, level: int) -> float:
        """The width of a link of a shade."""
        return 1.0 + 1.4 * min(level / LEVELS, 1.0)

    def legend(self, x: float, y: float, direction: str) -> str:
        """A row of shades with what they mean."""
        parts = []
        wide = 11.0
        shown = [*range(0, LEVELS + 1, 2), *range(LEVELS + 2, LEVELS + ABOVE + 1, 2)]
        for k, level in enumerate(shown):
            parts.append(
                f'<rect x="{pixels(x + k * wide)}" y="{pixels(y)}" width="{pixels(wide)}" height="10" fill="{self.color(level)}"/>'
            )
        one = x + (LEVELS / 2 + 0.5) * wide
        end = x + len(shown) * wide
        parts.append(
            f'<rect x="{pixels(x)}" y="{pixels(y)}" width="{pixels(end - x)}" height="10" fill="none" stroke="{SCOPE_STROKE}"/>'
        )
        parts.append(text(power_of_ten(-self.decades), x, y + 23, KEY))
        parts.append(text("1", one, y + 23, KEY, "middle"))
        parts.append(text(power_of_ten(GROWTH), end, y + 23, KEY, "end"))
        parts.append(text(_meaning(direction), x + BESIDE, y + 9, KEY))
        return "\n".join(parts)

    def legend_width(self, direction: str) -> float:
        """How wide the row and its words are."""
        return BESIDE + width(_meaning(direction), KEY)


def _meaning(direction: str) -> str:
    return f"color and width: the norm of the adjoint sent along{direction}; 1 is the largest of a state at the last step reached"
