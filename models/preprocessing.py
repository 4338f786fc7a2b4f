"""The short name of `minigrad.models.data.preprocessing`: both names import the same module."""

import sys

from minigrad.models.data import preprocessing
from minigrad.models.data.preprocessing import *

sys.modules[__name__] = preprocessing
