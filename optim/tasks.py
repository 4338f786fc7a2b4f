"""The short name of `minigrad.optim.experiments.tasks`: both names import the same module."""

import sys

from minigrad.optim.experiments import tasks
from minigrad.optim.experiments.tasks import *

sys.modules[__name__] = tasks
