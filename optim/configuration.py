"""The short name of `minigrad.optim.experiments.configuration`: both names import the same module."""

import sys

from minigrad.optim.experiments import configuration
from minigrad.optim.experiments.configuration import *

sys.modules[__name__] = configuration
