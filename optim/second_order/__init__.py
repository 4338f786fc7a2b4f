"""Second order: a loss modeled by its gradient and Hessian, and the steps that follow from it.

`Newton` is an optimizer for small models, `lbfgs` hands a loss to SciPy; `taylor_model` and `hessian_by_differences` are what one
looks at curvature with.
"""

from minigrad.optim.second_order.lbfgs_by_scipy import LBFGSResult as LBFGSResult
from minigrad.optim.second_order.lbfgs_by_scipy import lbfgs as lbfgs
from minigrad.optim.second_order.newton import Newton as Newton
from minigrad.optim.second_order.newton import NewtonStep as NewtonStep
from minigrad.optim.second_order.taylor import MOST_PARAMETERS as MOST_PARAMETERS
from minigrad.optim.second_order.taylor import HessianCost as HessianCost
from minigrad.optim.second_order.taylor import TaylorModel as TaylorModel
from minigrad.optim.second_order.taylor import hessian_by_differences as hessian_by_differences
from minigrad.optim.second_order.taylor import hessian_cost as hessian_cost
from minigrad.optim.second_order.taylor import taylor_model as taylor_model

__all__ = [
    "Newton",
    "NewtonStep",
    "taylor_model",
    "TaylorModel",
    "hessian_by_differences",
    "hessian_cost",
    "HessianCost",
    "lbfgs",
    "LBFGSResult",
]
