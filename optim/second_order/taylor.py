"""The Taylor model of second order: value, gradient and Hessian of a loss at a point."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from minigrad.node import Array, Node, Parameter
from minigrad.optim.optimizers.given import within
from minigrad.optim.second_order.objective import Loss, Objective, as_parameters, joined, put_back, values_of, write

MOST_PARAMETERS = 2000
"""The largest number of entries of which a Hessian is made, unless one asks for more."""


@dataclass(frozen=True, eq=False)
class TaylorModel:
    """m(d) = L + g' d + d' H d / 2, the value of the loss at θ + d to second order; exact if the loss is quadratic.

    value, gradient, hessian: L, g (n,) and H (n, n) at θ, in float64
    point: θ (n,), the entries of all parameters, one parameter after the other
    roundoff: ε of the dtype in which H was computed; eigenvalues below n ε max|λ| count as 0

    Source: J. Nocedal and S. Wright, Numerical optimization, 2nd edition, 2006, chapter 2.
    """

    value: float
    gradient: Array
    hessian: Array
    point: Array
    roundoff: float

    def __call__(self, displacement: npt.ArrayLike | Sequence[npt.ArrayLike]) -> float:
        """Compute m(d) for a vector (n,), or for arrays of the parameters' shapes."""
        arrays = displacement if isinstance(displacement, list | tuple) else [displacement]
        d = joined([np.asarray(array) for array in arrays])
        if d.shape != self.point.shape:
            raise ValueError(
                f"TaylorModel: the displacement has {d.size} entries, the parameters have {self.point.size}"
            )
        return float(self.value + self.gradient @ d + d @ self.hessian @ d / 2)

    def eigenvalues(self) -> Array:
        """Compute the eigenvalues of H, in increasing order."""
        return self._eigenvalues

    @cached_property
    def _eigenvalues(self) -> Array:
        return np.linalg.eigvalsh(self.hessian)

    def step(self, damping: float = 0.0) -> Array:
        """Solve the stationarity equation g + (H + δ I) d = 0 for d, without an inverse.

        Errors: ValueError where H + δ I is singular, to rounding.
        """
        damped = self.hessian + within("damping", damping, 0, np.inf) * np.eye(self.point.size)
        self.refuse_singular(self.eigenvalues() + damping)
        return np.linalg.solve(damped, -self.gradient)

    def smallest_counted(self, eigenvalues: Array) -> float:
        """Bound the size of an eigenvalue that is 0 to rounding."""
        return self.point.size * self.roundoff * float(np.abs(eigenvalues).max())

    def refuse_singular(self, eigenvalues: Array) -> None:
        """ValueError where an eigenvalue is 0 to rounding."""
        if np.abs(eigenvalues).min() <= self.smallest_counted(eigenvalues):
            raise ValueError(
                f"the Hessian is singular: its eigenvalue of smallest size is {np.abs(eigenvalues).min():.3g}, the largest is "
                f"{np.abs(eigenvalues).max():.3g}, and the loss is flat along a direction: give a damping, such as "
                f'{max(1e-3 * float(np.abs(eigenvalues).max()), 1e-3):.1g}, or Newton(guard="damp")'
            )


def taylor_model(loss: Loss, parameters: Iterable[Parameter], *, most_parameters: int = MOST_PARAMETERS) -> TaylorModel:
    """Compute value, gradient and Hessian of a loss at the present parameters, by backpropagation through backpropagation.

    loss:       a node of one element, or a function of no arguments that builds it
    parameters: those with trainable=False are left out
    most_parameters: the largest number of entries n; H takes n sweeps and memory for n² numbers

    >>> import numpy as np, minigrad as mg
    >>> from minigrad.optim import taylor_model
    >>> w = mg.Parameter([1.0, 2.0])
    >>> model = taylor_model((w**2).sum() + w[0] * w[1], [w])
    >>> model.gradient.tolist(), model.hessian.tolist()
    ([4.0, 5.0], [[2.0, 1.0], [1.0, 2.0]])
    >>> model.step().tolist(), model([-1.0, -2.0])
    ([-1.0, -2.0], 0.0)

    Errors: ValueError for too many parameters; FloatingPointError where a derivative is not finite.
    """
    found = as_parameters(parameters, "taylor_model")
    refuse_large(sum(parameter.size for parameter in found), most_parameters, "taylor_model")
    return model_of(Objective(loss, found, "taylor_model"))


def model_of(objective: Objective) -> TaylorModel:
    """Make the Taylor model of a loss at the parameters' present values."""
    parameters = objective.parameters
    roundoff = float(np.finfo(parameters[0].dtype).eps)
    return TaylorModel(objective.value, objective.gradient, objective.hessian(), values_of(parameters), roundoff)


class HessianCost(NamedTuple):
    """What a Newton step of n parameters costs beside the n sweeps.

    n_bytes: 8 n², the memory of H in float64
    multiplications: n³ / 3, of the elimination that solves H d = −g
    """

    n_bytes: int
    multiplications: int


def hessian_cost(n_parameters: int) -> HessianCost:
    """Compute what a Hessian costs: memory n², time n³."""
    return HessianCost(8 * n_parameters**2, n_parameters**3 // 3)


def refuse_large(n_parameters: int, most: int, asker: str) -> None:
    """ValueError for more parameters than a Hessian is made of."""
    if n_parameters > most:
        memory, products = hessian_cost(n_parameters)
        raise ValueError(
            f"{asker}: the Hessian of {n_parameters} parameters takes {memory / 1e9:.2g} GB, {n_parameters} sweeps and "
            f'{products:.1g} multiplications, and the limit is {most}: use Newton(solver="conjugate_gradients") or lbfgs, which need no '
            f"Hessian, or raise most_parameters="
        )


def hessian_by_differences(
    loss: Callable[[], Node], parameters: Iterable[Parameter], *, step: float | None = None
) -> Array:
    """H_ij = (g_i(θ + h e_j) − g_i(θ − h e_j)) / 2h, of the gradient g, as an array (n, n); a check of the exact one.

    loss: a function of no arguments that builds the node anew
    step: h at entries up to 1, h |θ_j| at larger ones; by default the cube root of the dtype's ε

    It takes 2n gradients. The mean of H and its transpose is returned. The parameters are what they were afterwards, whatever happens.
    """
    asker = "hessian_by_differences"
    found = as_parameters(parameters, asker)
    if not callable(loss):
        raise TypeError(
            f"{asker}: expected a function of no arguments that builds the loss, found {type(loss).__name__}"
        )
    refuse_large(sum(parameter.size for parameter in found), MOST_PARAMETERS, asker)
    h = float(np.cbrt(np.finfo(found[0].dtype).eps)) if step is None else within("step", step, 1e-300, np.inf)
    before, point = [parameter._value.copy() for parameter in found], values_of(found)
    columns = []
    try:
        for j in range(point.size):
            shift = np.zeros_like(point)
            shift[j] = h * max(1.0, abs(point[j]))
            slopes, reached = [], []
            for sign in (1, -1):
                write(found, point + sign * shift, asker)
                reached.append(values_of(found)[j])
                slopes.append(Objective(loss, found, asker).gradient)
            columns.append((slopes[0] - slopes[1]) / (reached[0] - reached[1]))
    finally:
        put_back(found, before)
    rows: Array = np.stack(columns)
    return (rows + rows.T) / 2
