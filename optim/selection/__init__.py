"""Model selection: trials of settings, compared on validation data; and the test set, kept apart until a model is chosen.

A function trains with settings and returns the history of `fit`, or a score; a search calls it, with a seed of its own for every
trial. The test set is opened when all is chosen:

>>> import numpy as np
>>> from minigrad.models import Dense, Sequential, losses
>>> from minigrad.optim import Adam, LogUniform, evaluate, fit, random_search, three_way_split
>>> x = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
>>> data = three_way_split(x, x[:, :1] * x[:, 1:], rng=0)
>>> def trained(rate, units, rng):
...     net = Sequential(Dense(2, units, np.tanh, rng=rng), Dense(units, 1, rng=rng))
...     options = {"loss": losses.mean_squared_error, "optimizer": Adam(net.parameters(), rate), "epochs": 20}
...     return net, fit(net, *data.train, validation=data.validation, rng=rng, quiet=True, **options)
>>> def train(rate, units, rng):
...     return trained(rate, units, rng)[1]
>>> trials = random_search(train, {"rate": LogUniform(0.001, 0.1), "units": [4, 8, 16]}, 8, quiet=True)
>>> trials
Trials(8 trials), the best 5:
trial      rate  units  val_loss  epoch    loss  seconds
    5   0.03448      8    0.38...     20  0.14...  ...
    1   0.01508      4    0.67...     20  0.50...  ...
    6  0.004827     16    0.91...     20  0.60...  ...
    0  0.005365      8     1.01...    20  0.74...  ...
    3  0.001716     16     1.10...    20  0.79...  ...
>>> net, history = trained(**trials.best.settings, rng=np.random.default_rng(trials.best.seed))
>>> min(history["val_loss"]) == trials.best.score
True
>>> test_loss, outputs = evaluate(net, losses.mean_squared_error, *data.open_test())

On several processes the same search has `executor=ProcessPoolExecutor(2)`, on a cluster Dask's `Client(...).get_executor()`; with
`file="search.jsonl"` a search that was interrupted goes on when it is called again.
"""

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
