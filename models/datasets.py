"""The short name of `minigrad.models.data.datasets`: both names import the same module."""

import sys

from minigrad.models.data import datasets
from minigrad.models.data.datasets import *

sys.modules[__name__] = datasets
