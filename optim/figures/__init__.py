"""Figures of trainings: each returns a Matplotlib figure, takes `ax=`, and is drawn so that a light and a dark page bear it."""

from minigrad.optim.figures.curves import bars as bars
from minigrad.optim.figures.curves import learning_curves as learning_curves
from minigrad.optim.figures.style import INK as INK
from minigrad.optim.figures.style import save as save

__all__ = ["learning_curves", "bars", "save", "INK"]
