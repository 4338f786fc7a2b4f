"""JAX as a contestant: the whole step compiled, loops as lax.scan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.contestants import functional

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.by_hand.base import Arrays
    from benchmarks.rows import Problem


class Library:
    """`functional.Library`; kernels and images have channels last."""

    tanh, sigmoid = staticmethod(jnp.tanh), staticmethod(jax.nn.sigmoid)
    relu, where = staticmethod(jax.nn.relu), staticmethod(jnp.where)

    def __init__(self, key: Any) -> None:
        self.key = key

    def cross_entropy(self, logits: Any, targets: Any) -> Any:
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), targets[:, None], 1).mean()

    def dropout(self, y: Any, rate: float) -> Any:
        self.key, key = jax.random.split(self.key)
        return jnp.where(jax.random.bernoulli(key, 1 - rate, y.shape), y / (1 - rate), 0)

    def convolve(self, images: Any, kernels: Any, bias: Any) -> Any:
        return (
            lax.conv_general_dilated(images, kernels, (1, 1), "VALID", dimension_numbers=("NHWC", "OHWI", "NHWC"))
            + bias
        )

    def pool(self, images: Any) -> Any:
        return lax.reduce_window(images, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    def flatten(self, images: Any) -> Any:
        return images.reshape(len(images), -1)

    def zeros(self, like: Any, batch: int, units: int) -> Any:
        return jnp.zeros((batch, units), like.dtype)

    def drive(self, inputs: Any, W: Any, b: Any) -> Any:
        return inputs @ W.T + b

    def scan(self, step: Callable[[Any, Any], Any], state: Any, driven: Any) -> Any:
        return lax.scan(lambda state, here: (step(state, here), None), state, driven)[0]

    def adjoints(self, run: Callable[[Any], Any], steps: int, state: Any) -> tuple[Any, Any]:
        return jax.value_and_grad(run)(jnp.zeros((steps, *state.shape), state.dtype))


class Jitted:
    """Loss, gradients and update in one jitted function; parameters and the optimizer's state are donated."""

    def __init__(self, problem: Problem) -> None:
        row = problem.row
        self.values = {name: jnp.array(array) for name, array in problem.parameters.items()}
        self.state = _start(self.values) if row.optimizer == "Adam" else {}
        self.key = jax.random.key(0)
        inputs, targets = (None, None) if problem.inputs is None else (functional.time_first(problem), problem.targets)
        self.feeds = (jnp.asarray(inputs), jnp.asarray(targets)) if inputs is not None else (None, None)
        self.optimizer = row.optimizer

        def loss(values: Any, inputs: Any, targets: Any, key: Any) -> Any:
            return functional.loss(Library(key), row, values, inputs, targets)

        def step(values: Any, state: Any, inputs: Any, targets: Any, key: Any) -> Any:
            key, now = jax.random.split(key) if "dropout" in row.sizes else (key, key)
            value, gradients = jax.value_and_grad(loss)(values, inputs, targets, now)
            if row.optimizer == "SGD":
                return value, {name: values[name] - 0.01 * gradients[name] for name in values}, state, key
            return value, *_adam(values, gradients, state), key

        self.slopes = jax.jit(jax.value_and_grad(loss))
        self.step = jax.jit(step, donate_argnums=(0, 1))

    def __call__(self) -> float:
        if self.optimizer is None:
            loss, gradients = self.slopes(self.values, *self.feeds, self.key)
            jax.block_until_ready(gradients)
            return float(loss)
        loss, self.values, self.state, self.key = self.step(self.values, self.state, *self.feeds, self.key)
        jax.block_until_ready(self.values)
        return float(loss)

    def gradients(self) -> tuple[float, Arrays]:
        loss, gradients = self.slopes(self.values, *self.feeds, self.key)
        return float(loss), {name: np.asarray(array) for name, array in gradients.items()}

    def parameters(self) -> Arrays:
        return {name: np.asarray(array) for name, array in self.values.items()}


class AdamUpdate(Jitted):
    """The update alone."""

    def __init__(self, problem: Problem) -> None:
        self.values = {name: jnp.array(array) for name, array in problem.parameters.items()}
        self.given = {name: jnp.array(array) for name, array in problem.given.items()}
        self.state = _start(self.values)
        self.update = jax.jit(_adam, donate_argnums=(0, 2))

    def __call__(self) -> float:
        self.values, self.state = self.update(self.values, self.given, self.state)
        jax.block_until_ready(self.values)
        return 0.0


def contestants(problem: Problem) -> dict[str, Callable[[Problem], Any]]:
    return {"JAX jit": AdamUpdate if problem.row.family == "adam" else Jitted}


def _start(values: Any) -> Any:
    mean, square = ({name: jnp.zeros_like(a) for name, a in values.items()} for _ in range(2))
    return {"mean": mean, "square": square, "steps": jnp.zeros((), jnp.int32)}


def _adam(values: Any, gradients: Any, state: Any) -> Any:
    steps = state["steps"] + 1
    mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state["mean"], gradients)
    square = jax.tree.map(lambda r, g: 0.999 * r + 0.001 * g * g, state["square"], gradients)
    first, second = 1 - 0.9**steps, 1 - 0.999**steps
    values = jax.tree.map(lambda w, m, r: w - 0.001 * (m / first) / (jnp.sqrt(r / second) + 1e-7), values, mean, square)
    return values, {"mean": mean, "square": square, "steps": steps}
