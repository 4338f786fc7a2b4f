"""Labels of logarithmic axes as text, 10⁻³: Matplotlib sets them as formulas, which takes longer than all else in a figure."""

import re

from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
FORMULA = re.compile(r"\$\\mathdefault\{(?:(.+)\\times)?10\^\{(.+)\}\}\$")


class Powers(LogFormatterSciNotation):
    """Matplotlib's choice of labels, written with raised digits."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Label the tick at x."""
        label: str = super().__call__(x, pos)
        return FORMULA.sub(
            lambda found: (f"{found[1]}·" if found[1] else "") + "10" + found[2].translate(RAISED), label
        )


def write_powers(figure: Figure) -> None:
    """Let the logarithmic axes of a figure have such labels, unless they have labels of their own."""
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            if isinstance(axis.get_major_formatter(), LogFormatterSciNotation):
                axis.set_major_formatter(Powers())
            if isinstance(axis.get_minor_formatter(), LogFormatterSciNotation):
                axis.set_minor_formatter(Powers(labelOnlyBase=False))
