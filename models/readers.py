"""The short name of `minigrad.models.data.readers`: both names import the same module."""

import sys

from minigrad.models.data import readers
from minigrad.models.data.readers import *

sys.modules[__name__] = readers
