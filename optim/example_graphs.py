"""The short name of `minigrad.optim.experiments.example_graphs`: both names import the same module."""

import sys

from minigrad.optim.experiments import example_graphs
from minigrad.optim.experiments.example_graphs import *

sys.modules[__name__] = example_graphs
