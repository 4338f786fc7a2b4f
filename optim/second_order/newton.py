"""Newton's method: go to where the Taylor model of second order is stationary."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minigrad.models.scheduled import Schedule, value_at
from minigrad.node import Array, Node, Parameter
from minigrad.optim.names import checked_names
from minigrad.optim.optimizers.base import OTHER_NAMES
from minigrad.optim.optimizers.given import checked_parameters, within
from minigrad.optim.second_order.conjugate_gradients import solved
from minigrad.optim.second_order.objective import (
    CompiledObjective,
    Loss,
    Objective,
    Programs,
    as_parameters,
    put_back,
    values_of,
    write,
)
from minigrad.optim.second_order.taylor import MOST_PARAMETERS, model_of, refuse_large

SOLVERS = ("exact", "conjugate_gradients")
ANSWERS = ("report", "damp", "raise")
MOST_TRIES = 60  # of larger and larger dampings
FLOOR = 1e-3  # of the largest eigenvalue: what "damp" lifts the smallest one to, at least


@dataclass(frozen=True)
class NewtonStep:
    """What a step of `Newton` met, before it changed the parameters.

    loss, gradient_norm: at the point where the step began; a gradient of 0 is a stationary point
    damping:             δ that was used, which guard="damp" may have raised
    positive_definite:   whether H + δ I with the damping given is; by conjugate gradients, whether all directions it went curve upwards
    eigenvalues:         the smallest and the largest of H; None by conjugate gradients, which see none
    n_products:          how many products with the Hessian were taken
    residual:            ‖g + (H + δ I) d‖ / ‖g‖ of the step d; 0 where g is
    """

    loss: float
    gradient_norm: float
    damping: float
    positive_definite: bool
    eigenvalues: tuple[float, float] | None
    n_products: int
    residual: float


class Newton:
    """θ ← θ − α (H + δ I)⁻¹ ∇L(θ), with gradient and Hessian at the current θ.

    parameters:    of one dtype, in any shapes; those with trainable=False are left out, until they are trainable
    learning_rate: α, the part of the step that is taken, a number or a schedule
    damping:       δ ≥ 0, a number or a schedule. Small it is Newton's method, large a gradient step of rate α/δ
    guard:         what to do where H + δ I is not positive definite, so that the step may lead to a saddle or a maximum: "report" takes the
                   step and says so by a RuntimeWarning and in what `step` returns; "raise" is a ValueError, and nothing is changed; "damp"
                   raises δ for this step until all directions curve upwards, the lowest as much as it curved downwards before. Of a loss
                   that is a function "damp" raises δ also until the loss does not rise, which lets Newton's method begin anywhere
    solver:        "exact" makes the Hessian and solves the equation, for a few parameters; "conjugate_gradients" takes one product
                   with the Hessian after the other and stores none, for many. Where a direction curves downwards it stops, and goes as far as
                   it came
    tolerance:     by conjugate gradients: the residual, as a part of ‖g‖, at which they end; by default 1e-10, in float32 1e-5
    most_products: by conjugate gradients: how many products an equation takes at most; by default twice the number of parameters
    most_parameters: the largest number of entries that "exact" takes, since memory grows with its square, time with its cube
    compiled:      run the loss, its gradient and the products by programs (`mg.compile`, with what it asks of a function), which are made
                   once for a function: give the same one in every step, so no lambda that is written in the loop. A program costs as much as
                   some 50 products, and gives each in a tenth of the time. Running statistics follow every product: use model.eval()
    n_steps:       how many steps were made

    A step takes the loss, since `.grad` does not tell the curvature: `newton.step(loss)`, a node that was built of the parameters as
    they are, or a function of no arguments that builds it. It may be any node, with penalties on weights and adjoints. `.grad` is not read.

    >>> import numpy as np, minigrad as mg
    >>> from minigrad.optim import Newton
    >>> w = mg.Parameter([3.0, -1.0], name="w")
    >>> newton = Newton([w])
    >>> met = newton.step(lambda: ((w - 1) ** 2).sum())
    >>> w.value.tolist(), met.loss, met.eigenvalues
    ([1.0, 1.0], 8.0, (2.0, 2.0))

    Errors: ValueError for too many parameters or a singular Hessian, FloatingPointError where a derivative or the new value is not finite;
    in all of them the parameters keep their values.

    Source: J. Nocedal and S. Wright, Numerical optimization, 2nd edition, 2006, chapters 3 and 7; S. Becker and Y. LeCun, Improving the
    convergence of back-propagation learning with second-order methods, 1988.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        learning_rate: float | Schedule = 1.0,
        *,
        damping: float | Schedule = 0.0,
        guard: str = "report",
        solver: str = "exact",
        tolerance: float | None = None,
        most_products: int | None = None,
        most_parameters: int = MOST_PARAMETERS,
        compiled: bool = False,
    ) -> None:
        self._given = checked_parameters(parameters, "Newton")
        as_parameters(self._given, "Newton")
        self.learning_rate = _checked(learning_rate, "learning_rate")
        self.damping = _checked(damping, "damping")
        self.guard = _one_of("guard", guard, ANSWERS)
        self.solver = _one_of("solver", solver, SOLVERS)
        default = 1e-10 if self.parameters[0].dtype == np.float64 else 1e-5
        self.tolerance = default if tolerance is None else within("tolerance", tolerance, 0, 1)
        self.most_products = None if most_products is None else int(within("most_products", most_products, 1, np.inf))
        self.most_parameters = most_parameters
        self.compiled = compiled
        self.n_steps = 0
        self._programs: Programs | None = None

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters of the next step: those that are trainable now."""
        return as_parameters(self._given, "Newton")

    def __getstate__(self) -> dict[str, Any]:
        """A copy compiles anew."""
        return {**self.__dict__, "_programs": None}

    def step(self, loss: Loss | None = None) -> NewtonStep:
        """Take one step on a loss, and return what it met."""
        if loss is None:
            raise TypeError(
                "Newton.step() takes the loss, whose second derivatives it needs: write newton.step(loss), without loss.backward()"
            )
        rate = self._now(self.learning_rate, "learning_rate")
        damping = self._now(self.damping, "damping")
        by = (_ByHessian if self.solver == "exact" else _ByProducts)(self, loss)
        found = by.solve(damping, lift=self.guard == "damp")
        if not found.definite:
            self._answer(found.lowest)
        start = values_of(self.parameters)
        if self.guard == "damp" and callable(loss):
            definite, found = found.definite, self._downhill(by, found, loss, rate, start)
            found = found._replace(definite=definite)
        else:
            write(self.parameters, start + rate * found.direction, "Newton.step")
        self.n_steps += 1
        norm = float(np.linalg.norm(by.gradient))
        return NewtonStep(
            by.value,
            norm,
            found.damping,
            found.definite,
            by.eigenvalues,
            by.n_products,
            found.residual if norm else 0.0,
        )

    def _objective(self, loss: Loss) -> Objective:
        """The loss at the parameters' present values, by nodes or by programs."""
        if not self.compiled:
            return Objective(loss, self.parameters, "Newton.step")
        if isinstance(loss, Node) or not callable(loss):
            raise TypeError(
                f"Newton.step(compiled=True): expected the loss as a function of no arguments, found {type(loss).__name__}: a node is "
                "built already"
            )
        if self._programs is None or not self._programs.serve(loss, self.parameters):
            self._programs = Programs(loss, self.parameters, "Newton.step")
        return CompiledObjective(self._programs, "Newton.step")

    def _now(self, number: float | Schedule, name: str) -> float:
        return value_at(number, self.n_steps, f"Newton({name})") if callable(number) else number

    def _downhill(
        self, by: _ByHessian | _ByProducts, found: _Found, loss: Callable[[], Node], rate: float, start: Array
    ) -> _Found:
        """Raise the damping until the loss does not rise, beyond rounding; the parameters are then where the step leads."""
        parameters = self.parameters
        before = [parameter._value.copy() for parameter in parameters]
        highest = by.value + 10 * float(np.finfo(before[0].dtype).eps) * abs(by.value)
        try:
            for _ in range(MOST_TRIES):
                try:
                    write(parameters, start + rate * found.direction, "Newton.step")
                    with np.errstate(all="ignore"):
                        if self._objective(loss).value <= highest:
                            return found
                except FloatingPointError:  # there are no numbers where the step leads: it is too long
                    pass
                put_back(parameters, before)
                by.begin_again()
                found = by.solve(max(10 * found.damping, FLOOR * found.scale) or 1.0, lift=True)
        except BaseException:
            put_back(parameters, before)
            raise
        raise ValueError(
            f"Newton.step: with a damping of {found.damping:.1g} the loss still rises, and nothing was changed: a loss that draws at random, "
            "as with dropout, gives a step no direction; draw once, or use model.eval()"
        )

    def _answer(self, found: str) -> None:
        """Say that the Hessian is not positive definite, as `guard` asks."""
        says = f"Newton.step: the Hessian with its damping is not positive definite ({found})"
        if self.guard == "raise":
            raise ValueError(f'{says}, and nothing was changed: raise damping=, or use guard="damp"')
        if self.guard == "report":
            warnings.warn(
                f'{says}: the step may lead to a saddle or a maximum; raise damping=, or use guard="damp"',
                RuntimeWarning,
                stacklevel=3,
            )


class _Found(NamedTuple):
    """A direction of Newton's, as `NewtonStep` has it. lowest: the curvature that is no good, in words; scale: of the curvatures."""

    direction: Array
    damping: float
    definite: bool
    residual: float
    lowest: str
    scale: float


class _ByHessian:
    """Directions by the Hessian, which is made once."""

    def __init__(self, newton: Newton, loss: Loss) -> None:
        refuse_large(sum(parameter.size for parameter in newton.parameters), newton.most_parameters, "Newton.step")
        self.model = model_of(newton._objective(loss))
        self.value, self.gradient, self.n_products = self.model.value, self.model.gradient, self.model.point.size
        self.all_eigenvalues = self.model.eigenvalues()
        self.eigenvalues = float(self.all_eigenvalues[0]), float(self.all_eigenvalues[-1])

    def begin_again(self) -> None:
        """Keep the Hessian: the parameters are what they were."""

    def solve(self, damping: float, lift: bool) -> _Found:
        """Solve the damped equation. lift: raise the damping where it is too little for a positive definite matrix."""
        damped = self.all_eigenvalues + damping
        definite = bool(damped[0] > self.model.smallest_counted(damped))
        lowest = f"its smallest eigenvalue is {damped[0]:.3g}, its largest {damped[-1]:.3g}"
        scale = float(np.abs(damped).max())
        if lift and not definite:
            # The smallest eigenvalue λ becomes |λ|, and not less than a part of the largest.
            damping += max(abs(float(damped[0])), FLOOR * scale) - float(damped[0]) or 1.0
        direction = self.model.step(damping)
        rest = self.gradient + self.model.hessian @ direction + damping * direction
        norm = float(np.linalg.norm(self.gradient))
        return _Found(direction, damping, definite, float(np.linalg.norm(rest)) / (norm or 1.0), lowest, scale)


class _ByProducts:
    """Directions by conjugate gradients."""

    eigenvalues = None

    def __init__(self, newton: Newton, loss: Loss) -> None:
        self.newton, self.loss = newton, loss
        self.begin_again()
        self.value, self.gradient = self.objective.value, self.objective.gradient
        self.tolerance, self.n_products = newton.tolerance, 0
        self.most_products = newton.most_products or 2 * self.gradient.size

    def begin_again(self) -> None:
        """Build the graph anew, of parameters that were written to and are what they were."""
        self.objective = self.newton._objective(self.loss)

    def solve(self, damping: float, lift: bool) -> _Found:
        """Solve the damped equation as far as it curves upwards. lift: raise the damping where it does not."""
        first: float | None = None
        for _ in range(MOST_TRIES):
            found = solved(self.objective.product, self.gradient, damping, self.tolerance, self.most_products)
            self.n_products += found.n_products
            if found.curvature is None:
                break
            first = found.curvature if first is None else first
            if not lift:
                break
            damping = max(2 * damping, damping + max(-2 * found.curvature, found.scale)) or 1.0
        lowest = f"a direction has the curvature {first or 0:.3g}"
        return _Found(found.step, damping, first is None, found.residual, lowest, found.scale)


Newton.__init__ = checked_names(Newton.__init__, OTHER_NAMES)  # type: ignore[method-assign]


def _checked(number: float | Schedule, name: str) -> float | Schedule:
    if not callable(number):
        return within(name, number, 0, np.inf)
    value_at(number, 0, f"Newton({name})")
    return number


def _one_of(name: str, given: str, allowed: tuple[str, ...]) -> str:
    if given not in allowed:
        raise ValueError(f"Newton({name}={given!r}): expected one of {', '.join(map(repr, allowed))}")
    return given
