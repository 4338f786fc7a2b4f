"""Model selection: trials of settings, compared on validation data; and the test set, kept apart until a model is chosen."""

from minigrad.optim.selection.coordinates import parallel_coordinates as parallel_coordinates
from minigrad.optim.selection.cross_validation import Scores as Scores
from minigrad.optim.selection.cross_validation import cross_validate as cross_validate
from minigrad.optim.selection.searches import grid_search as grid_search
from minigrad.optim.selection.searches import random_search as random_search
from minigrad.optim.selection.searches import successive_halving as successive_halving
from minigrad.optim.selection.spaces import Choices as Choices
from minigrad.optim.selection.spaces import LogUniform as LogUniform
from minigrad.optim.selection.spaces import Uniform as Uniform
from minigrad.optim.selection.splitting import Fold as Fold
from minigrad.optim.selection.splitting import ThreeWay as ThreeWay
from minigrad.optim.selection.splitting import folds as folds
from minigrad.optim.selection.splitting import three_way_split as three_way_split
from minigrad.optim.selection.trials import Trial as Trial
from minigrad.optim.selection.trials import Trials as Trials

__all__ = [
    "grid_search",
    "random_search",
    "successive_halving",
    "Trials",
    "Trial",
    "Uniform",
    "LogUniform",
    "Choices",
    "three_way_split",
    "ThreeWay",
    "folds",
    "Fold",
    "cross_validate",
    "Scores",
    "parallel_coordinates",
]
