"""Checks of the arguments that pictures and records share."""

from __future__ import annotations

import numpy as np

from minigrad.drawing import symbols


def whole_number(number: object, asked: str) -> int:
    """The argument as an integer; ValueError where it is no whole number from 0. asked: "mg.draw(limit"."""
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 0:
        raise ValueError(f"{asked}={number!r:.60}): a whole number from 0")
    return int(number)


def cleaned_title(title: object) -> str:
    """The title in one line; TypeError where it is no text."""
    if not isinstance(title, str):
        raise TypeError(f"mg.draw(title={title!r:.60}): a text")
    return symbols.clean(title).strip()
