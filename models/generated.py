"""The short name of `minigrad.models.data.generated`: both names import the same module."""

import sys

from minigrad.models.data import generated
from minigrad.models.data.generated import *

sys.modules[__name__] = generated
