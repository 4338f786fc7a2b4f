"""Linear models: ridge regression, in closed form and by gradient descent, and the linear support vector machine.

Data are matrices of examples in rows, `X` (m, n); where the notes have them in columns, that is X'. Biases are never
penalized; ridge regression has none: center the data, or append a column of ones (which then is penalized).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from minigrad.context import scope
from minigrad.graph import gradients
from minigrad.models import losses
from minigrad.models.inputs import array_of, count, float_dtype, not_negative
from minigrad.models.module import Module
from minigrad.models.penalties import WeightPenalty
from minigrad.node import Constant, Node, Parameter
from minigrad.ops import solve, square

if TYPE_CHECKING:
    import numpy.typing as npt

    from minigrad.node import Array
    from minigrad.operators import Operand


def ridge(X: Operand, y: Operand, weight: float | Node) -> Node:
    """θ = (X'X + μI)⁻¹ X'y, where ½‖y − Xθ‖² + (μ/2)‖θ‖² has its minimum.

    Back: with v = (X'X + μI)⁻¹ θ̄, ȳ = X v, μ̄ = −v'θ and X̄ = (y − Xθ) v' − X v θ'.

    X (m, n), y (m,), θ (n,); weight is μ, above 0 where X has not full column rank. θ is a node: its derivatives by the data
    and by μ (a node) are those of the solution, by the implicit function theorem.

    Maximum a posteriori reading: with noise N(0, σ²) and the prior N(0, s²) on every θ_j, μ = σ²/s².

    >>> from minigrad.models import linear
    >>> linear.ridge([[1.0], [2.0]], [2.0, 4.0], 5.0).value
    array([1.])
    """
    X, y = _data(X, y, "ridge")
    weight = not_negative("ridge", "weight", weight)
    with scope("ridge"):
        return solve(X.T @ X + weight * np.eye(X.shape[1], dtype=X.dtype), X.T @ y)


def ridge_objective(theta: Node, X: Operand, y: Operand, weight: float | Node) -> Node:
    """½‖y − Xθ‖² + (μ/2)‖θ‖²;  gradient −X'(y − Xθ) + μθ."""
    X, y = _data(X, y, "ridge_objective")
    weight = not_negative("ridge_objective", "weight", weight)
    return losses.half_least_squares(X @ theta, y) + 0.5 * weight * square(theta).sum()


def ridge_by_descent(
    X: npt.ArrayLike, y: npt.ArrayLike, weight: float, *, steps: int = 1000, learning_rate: float | None = None
) -> Array:
    """θ after so many steps of gradient descent θ ← θ − α (−X'(y − Xθ) + μθ) from 0; it goes to `ridge(X, y, μ)`.

    learning_rate: α; without one 1/L, L the largest eigenvalue of the curvature X'X + μI. Any α below 2/L converges, by
                   the factor max |1 − α μ| per step, μ the eigenvalues
    """
    inputs, targets = _data(X, y, "ridge_by_descent")
    if steps < 0:
        raise ValueError(f"ridge_by_descent(steps={steps!r}): at least 0")
    theta = Parameter(np.zeros(inputs.shape[1], inputs.dtype), "theta")
    weight = not_negative("ridge_by_descent", "weight", weight)
    if learning_rate is None:
        largest = float(np.linalg.norm(inputs.value, 2)) ** 2 + weight
        learning_rate = 1 / largest if largest > 0 else 1.0
    rate = float(learning_rate)  # one of NumPy's would bring its dtype along
    for _ in range(steps):
        (gradient,) = gradients(ridge_objective(theta, inputs, targets, weight), theta)
        theta.value -= rate * gradient.value
    return theta.value


class LinearSVM(Module):
    """s = w'x + b, one score per example (batch,), whose sign is the class: −1 or 1;  w̄ = Σ s̄ x, b̄ = Σ s̄, x̄ = s̄ w.

    Shapes: W (1, n_inputs), b (1,), both 0 at birth.

    The objective is 1/K Σ max(0, 1 − y_i s_i) + penalty(self), over K examples, with L2(μ): μ‖w‖², gradient 2μw, or L1(μ):
    μ‖w‖₁, gradient μ sgn(w), of w only. Train it by `fit(model, X, y, loss=losses.hinge, penalties=[L2(0.01)], ...)`, or by
    steps on `objective`.

    Source: C. Cortes and V. Vapnik, Support-vector networks, Machine Learning 20, 1995.
    """

    def __init__(self, n_inputs: SupportsIndex, *, dtype: npt.DTypeLike = np.float32) -> None:
        dtype = float_dtype("LinearSVM", dtype)
        self.W = Parameter(np.zeros((1, count("LinearSVM", "n_inputs", n_inputs)), dtype))
        self.b = Parameter(np.zeros(1, dtype))

    def forward(self, x: Operand) -> Node:
        """The scores (batch,) of x (batch, n_inputs)."""
        inputs = x if isinstance(x, Node) else Constant(array_of("LinearSVM", x))
        if inputs.ndim != 2 or inputs.shape[1] != self.W.shape[1]:
            raise ValueError(f"LinearSVM: expected inputs (batch, {self.W.shape[1]}), found {inputs.label}")
        return (inputs.astype(self.W.dtype) @ self.W.T + self.b).reshape(-1)

    def objective(self, x: Operand, targets: Operand, penalty: WeightPenalty) -> Node:
        """The hinge loss with targets −1 or 1, and the penalty."""
        return losses.hinge(self(x), targets) + penalty(self)

    def predict(self, x: Operand) -> Array:
        """−1 or 1 for every example, 1 at score 0."""
        return np.where(self(x).value >= 0, 1, -1)


def _data(X: Operand, y: Operand, function: str) -> tuple[Node, Node]:
    """Examples in rows and their targets, as floating-point nodes of one dtype."""
    inputs, targets = (given if isinstance(given, Node) else Constant(array_of(function, given)) for given in (X, y))
    if inputs.ndim != 2 or 0 in inputs.shape or targets.shape != inputs.shape[:1]:
        raise ValueError(
            f"{function}: expected X (m, n), the examples in rows, and y (m,), neither empty, found shapes {inputs.shape} "
            f"and {targets.shape}"
        )
    dtype = inputs.dtype if inputs.dtype.kind == "f" else np.dtype(np.float64)
    return inputs.astype(dtype), targets.astype(dtype)
