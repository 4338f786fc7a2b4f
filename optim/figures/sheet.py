"""A Matplotlib figure that a notebook shows as SVG, without pyplot. It imports Matplotlib; `style` imports it when it draws."""

from __future__ import annotations

from matplotlib.figure import Figure

from minigrad.optim.figures.style import svg

FONT_SIZE = 10  # points, of labels and ticks
SMALLEST = 9  # pixels


class Sheet(Figure):
    """A figure that shows itself in a notebook, in the colors of the reader's theme."""

    def _repr_svg_(self) -> str:
        text = svg(self)
        narrowest = round(SMALLEST / FONT_SIZE * self.get_figwidth() * 72)  # below, it scrolls: its text stays legible
        place = f'<svg style="max-width:100%;height:auto;min-width:{narrowest}px" '
        return text[text.index("<svg") :].replace("<svg ", place, 1)
