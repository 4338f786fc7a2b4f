"""Figures of trainings: each returns a Matplotlib figure, takes `ax=`, and is drawn so that a light and a dark page bear it.

Axes and text have one color, `INK`, which a page may replace, as by `svg(figure).replace(INK, "currentColor")`; backgrounds are
transparent, text in SVG stays text, and the same figure gives the same bytes. Curves differ in color and in dash,
points in color and in shape. Matplotlib comes by the extra `[train]`.

| Constant | Value |
|---|---|
| `INK` | "#808080", a gray that is legible on white and on black |
"""

from minigrad.optim.figures.curves import bars as bars
from minigrad.optim.figures.curves import learning_curves as learning_curves
from minigrad.optim.figures.descent import Path as Path
from minigrad.optim.figures.descent import descents as descents
from minigrad.optim.figures.descent import landscape as landscape
from minigrad.optim.figures.descent import overshoot as overshoot
from minigrad.optim.figures.descent import path as path
from minigrad.optim.figures.descent import paths as paths
from minigrad.optim.figures.models import adjoint_norms as adjoint_norms
from minigrad.optim.figures.models import bias_variance as bias_variance
from minigrad.optim.figures.models import decision_regions as decision_regions
from minigrad.optim.figures.models import saliency as saliency
from minigrad.optim.figures.models import saliency_map as saliency_map
from minigrad.optim.figures.models import update_sizes as update_sizes
from minigrad.optim.figures.moving import save_film as save_film
from minigrad.optim.figures.moving import save_race as save_race
from minigrad.optim.figures.style import INK as INK
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
    "bias_variance",
    "save",
    "svg",
    "save_race",
    "save_film",
    "INK",
]
