"""Figures of trainings: each returns a Matplotlib figure, takes `ax=`, and is drawn so that a light and a dark page bear it.

In SVG, axes and text have the color of the page (`currentColor`), or, in a file of its own, of the reader's theme; in PNG and PDF
they are gray, which is legible on white and on black. Backgrounds are transparent, text in SVG stays text, and the same figure gives
the same bytes. Curves differ in color and in dash, points in color and in shape. Figures of your own have this style by `axes`,
`panels` and `lines`; a notebook shows them without pyplot. Matplotlib comes by the extra `[train]`.

| Constant | Value |
|---|---|
| `INK` | "#808080", the color of axes and text, for arrows and words of your own |
"""

from minigrad.optim.figures.curves import bars as bars
from minigrad.optim.figures.curves import learning_curves as learning_curves
from minigrad.optim.figures.curves import lines as lines
from minigrad.optim.figures.descent import Path as Path
from minigrad.optim.figures.descent import descents as descents
from minigrad.optim.figures.descent import landscape as landscape
from minigrad.optim.figures.descent import overshoot as overshoot
from minigrad.optim.figures.descent import path as path
from minigrad.optim.figures.descent import paths as paths
from minigrad.optim.figures.frames import Frames as Frames
from minigrad.optim.figures.models import adjoint_norms as adjoint_norms
from minigrad.optim.figures.models import bias_variance as bias_variance
from minigrad.optim.figures.models import decision_regions as decision_regions
from minigrad.optim.figures.models import layers as layers
from minigrad.optim.figures.models import saliency as saliency
from minigrad.optim.figures.models import saliency_map as saliency_map
from minigrad.optim.figures.models import update_sizes as update_sizes
from minigrad.optim.figures.moving import save_film as save_film
from minigrad.optim.figures.moving import save_race as save_race
from minigrad.optim.figures.style import INK as INK
from minigrad.optim.figures.style import axes as axes
from minigrad.optim.figures.style import panels as panels
from minigrad.optim.figures.style import save as save
from minigrad.optim.figures.style import svg as svg

__all__ = [
    "learning_curves",
    "bars",
    "path",
    "Path",
    "paths",
    "landscape",
    "descents",
    "overshoot",
    "decision_regions",
    "saliency",
    "saliency_map",
    "update_sizes",
    "adjoint_norms",
    "layers",
    "bias_variance",
    "save",
    "svg",
    "save_race",
    "save_film",
    "Frames",
    "axes",
    "panels",
    "lines",
    "INK",
]
