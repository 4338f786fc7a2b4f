"""Set LaTeX as MathML when the page is made, so that a page needs no script for its formulas."""

from __future__ import annotations

import re

from latex2mathml.converter import convert


class FormulaError(ValueError):
    """A formula has a command that is not known."""


def mathml(latex: str, *, block: bool = False) -> str:
    """Set a formula, in the line or as a block.

    Errors: FormulaError where a command is not understood.
    """
    text: str = convert(latex.strip(), display="block" if block else "inline")
    if unknown := re.search(r"<m\w>(\\\w+)</m\w>", text):
        raise FormulaError(f"{unknown[1]} in {latex.strip()!r} is no command that can be set")
    return text
