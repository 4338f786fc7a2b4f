"""The operations, one module per family, and their typed functions, spelled as NumPy spells them.

Our own code uses these functions and the operators of nodes; `np.*` on nodes comes to the same functions.
"""

from minigrad.operators import explain_methods as _explain_methods
from minigrad.ops.activations import *
from minigrad.ops.arithmetic import *
from minigrad.ops.base import broadcast_to as broadcast_to
from minigrad.ops.base import sum_to as sum_to
from minigrad.ops.calculus import *
from minigrad.ops.casting import *
from minigrad.ops.control import *
from minigrad.ops.covariance import *
from minigrad.ops.decompositions import *
from minigrad.ops.derived import *
from minigrad.ops.elementwise import *
from minigrad.ops.indexing import *
from minigrad.ops.joining import *
from minigrad.ops.linear_algebra import *
from minigrad.ops.matrix_exponential import *
from minigrad.ops.nan_reductions import *
from minigrad.ops.polynomials import *
from minigrad.ops.random import *
from minigrad.ops.reductions import *
from minigrad.ops.registry import operations as operations
from minigrad.ops.scipy_functions import *
from minigrad.ops.shaping import *
from minigrad.ops.sorting import *
from minigrad.ops.special import *
from minigrad.ops.ufunc_methods import *
from minigrad.ops.windows import *

_explain_methods()
