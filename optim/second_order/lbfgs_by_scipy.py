"""L-BFGS by SciPy: Newton's method with a Hessian that is guessed from the last gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.node import Array, Node, Parameter
from minigrad.optim.optimizers.given import within
from minigrad.optim.second_order.objective import (
    CompiledObjective,
    Objective,
    Programs,
    as_parameters,
    put_back,
    values_of,
    write,
)


@dataclass(frozen=True)
class LBFGSResult:
    """What `lbfgs` found.

    loss, gradient_norm: at the parameters as they are now
    n_steps, n_evaluations: how many steps SciPy made, and how often it asked for loss and gradient
    converged: whether the gradient is as small as was asked for;  message: SciPy's reason to end
    """

    loss: float
    gradient_norm: float
    n_steps: int
    n_evaluations: int
    converged: bool
    message: str


class _Walk:
    """The loss as SciPy asks for it, and the best point so far."""

    def __init__(self, loss: Callable[[], Node], parameters: tuple[Parameter, ...], compiled: bool) -> None:
        self.loss, self.parameters = loss, parameters
        self.programs = Programs(loss, parameters, "lbfgs") if compiled else None
        self.n_evaluations = 0
        self.best, self.slope, self.lowest = values_of(parameters), np.zeros(0), np.inf

    def __call__(self, point: Array) -> tuple[float, Array]:
        """Compute loss and gradient at a point; where they are not finite, a bowl around the best point, which leads back to it."""
        self.n_evaluations += 1
        try:
            write(self.parameters, point, "lbfgs")
            with np.errstate(all="ignore"):
                objective = self._objective()
                value, slope = objective.value, objective.gradient
        except FloatingPointError:
            if self.n_evaluations == 1:
                raise
            return self._turned_back(point)
        if value < self.lowest:
            self.best, self.slope, self.lowest = point.copy(), slope, value
        return value, slope

    def _turned_back(self, point: Array) -> tuple[float, Array]:
        """L + c ‖x‖² / ‖x_0‖² and its slope at x = x_0, the way from the best point to this one; c = 1 + |L|, of the lowest loss L."""
        height, away = 1 + abs(self.lowest), point - self.best
        size = float(np.abs(away).max())
        unit = away / size
        return self.lowest + height, 2 * height / size * unit / float(unit @ unit)

    def _objective(self) -> Objective:
        if self.programs is not None:
            return CompiledObjective(self.programs, "lbfgs")
        return Objective(self.loss, self.parameters, "lbfgs")


def lbfgs(
    parameters: Iterable[Parameter],
    loss: Callable[[], Node],
    *,
    most_steps: int = 200,
    tolerance: float | None = None,
    memory: int = 10,
    compiled: bool = False,
) -> LBFGSResult:
    """Minimize a loss by SciPy's L-BFGS-B, on all data at once, and set the parameters to the best point it met.

    parameters: of one dtype, in any shapes; those with trainable=False are left out
    loss:       a function of no arguments that builds the loss of the parameters as they are; it draws nothing at random
    most_steps: how many steps it makes at most
    tolerance:  the largest entry of the gradient at which it ends; by default 1e-6, in float32 1e-4
    memory:     of how many steps it keeps the gradients: time and memory are as for so many gradients
    compiled:   run loss and gradient by a program (`mg.compile`, with what it asks of a function), in a tenth of the time

    A point at which the loss or the gradient is not finite is taken for one that lies too high, so the line search turns back. It needs
    SciPy (the extra [scipy]).

    >>> import minigrad as mg
    >>> from minigrad.optim import lbfgs
    >>> w = mg.Parameter([-1.2, 1.0])
    >>> found = lbfgs([w], lambda: 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2)
    >>> found.converged, w.value.round(4).tolist()
    (True, [1.0, 1.0])

    Errors: ModuleNotFoundError without SciPy; FloatingPointError where the loss is not finite where it begins. Whatever is raised, the
    parameters are what they were before.

    Source: D. Liu and J. Nocedal, On the limited memory BFGS method for large scale optimization, Mathematical Programming 45, 1989.
    """
    found = as_parameters(parameters, "lbfgs")
    if not callable(loss):
        raise TypeError(
            f"lbfgs: expected a function of no arguments that builds the loss, found {type(loss).__name__}: write lambda: loss of the model"
        )
    default = 1e-6 if found[0].dtype == np.float64 else 1e-4
    tolerance = default if tolerance is None else within("tolerance", tolerance, 0, np.inf)
    options = {
        "maxiter": int(within("most_steps", most_steps, 1, np.inf)),
        "gtol": tolerance,
        "ftol": 0.0,
        "maxcor": int(within("memory", memory, 1, np.inf)),
        "maxfun": 20 * int(most_steps),
    }
    minimize = _minimize()
    before, walk = [parameter._value.copy() for parameter in found], _Walk(loss, found, compiled)
    try:
        result = minimize(walk, walk.best, jac=True, method="L-BFGS-B", options=options)
        write(found, walk.best, "lbfgs")
    except BaseException:
        put_back(found, before)
        raise
    converged = float(np.abs(walk.slope).max()) <= tolerance
    norm = float(np.linalg.norm(walk.slope))
    return LBFGSResult(walk.lowest, norm, int(result.nit), walk.n_evaluations, converged, str(result.message))


def _minimize() -> Any:
    try:
        from scipy.optimize import minimize
    except ImportError:
        raise ModuleNotFoundError(
            "lbfgs: SciPy is not installed: pip install '.[scipy]' in minigrad's own folder, or use Newton, which needs NumPy alone"
        ) from None
    return minimize
