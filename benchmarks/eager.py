"""What the eager form costs: microseconds per node, the step of a recurrent net against NumPy by hand, the import.

The hand-written step is what an expert would write: buffers allocated once, the inputs projected in one product before
the loop, one product per weight gradient after it.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np

import minigrad as mg
from benchmarks._timing import interleaved
from minigrad.models import RNN, losses
from minigrad.optim import SGD

STEPS, BATCH, FEATURES, STATES, CLASSES, RATE = 100, 20, 6, 50, 4, 0.01


def microseconds_per_node(length: int = 500) -> dict[str, float]:
    """Forward plus backward through a chain of nodes on four numbers."""
    x = mg.Input(np.full(4, 0.5))

    def chain(link):  # type: ignore[no-untyped-def]
        def run() -> None:
            y = x
            for _ in range(length):
                y = link(y)
            mg.gradients(y, [x], adjoint=np.ones(4))

        return run

    half = mg.Input(np.full(4, 0.999))
    contestants = {"y * c": chain(lambda y: y * half), "y + c": chain(lambda y: y + half), "-y": chain(lambda y: -y)}
    contestants["np.tanh(y)"] = chain(np.tanh)
    return {name: 1e6 * seconds / length for name, seconds in interleaved(contestants, rounds=60).items()}


class StepByHand:
    """One SGD step of the tanh RNN with cross-entropy, in NumPy alone."""

    def __init__(self, parameters: dict[str, np.ndarray], inputs: np.ndarray, targets: np.ndarray) -> None:
        self.W, self.R, self.b_1, self.V, self.b_o = (parameters[name].copy() for name in ("W", "R", "b_1", "V", "b_o"))
        self.inputs = np.ascontiguousarray(inputs.transpose(1, 0, 2)).reshape(STEPS * BATCH, FEATURES)
        self.hot = np.eye(CLASSES, dtype=inputs.dtype)[targets]
        self.x = np.zeros((STEPS + 1, BATCH, STATES), inputs.dtype)
        self.a = np.empty((STEPS, BATCH, STATES), inputs.dtype)
        self.adjoint = np.empty((BATCH, STATES), inputs.dtype)

    def __call__(self) -> float:
        x, a, adjoint = self.x, self.a, self.adjoint
        flat = a.reshape(STEPS * BATCH, STATES)
        np.matmul(self.inputs, self.R.T, out=flat)
        flat += self.b_1
        transposed = self.W.T
        for t in range(STEPS):
            state = x[t + 1]
            np.matmul(x[t], transposed, out=state)
            state += a[t]
            np.tanh(state, out=state)
        logits = x[STEPS] @ self.V.T + self.b_o
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        loss = -(logits * self.hot).sum() / BATCH
        error = (np.exp(logits) - self.hot) / BATCH
        np.matmul(error, self.V, out=adjoint)
        np.multiply(x[1:], x[1:], out=a)
        np.subtract(1, a, out=a)
        for t in range(STEPS - 1, -1, -1):
            a[t] *= adjoint
            np.matmul(a[t], self.W, out=adjoint)
        self.V -= RATE * (error.T @ x[STEPS])
        self.b_o -= RATE * error.sum(axis=0)
        self.W -= RATE * (flat.T @ x[:STEPS].reshape(STEPS * BATCH, STATES))
        self.R -= RATE * (flat.T @ self.inputs)
        self.b_1 -= RATE * flat.sum(axis=0)
        return float(loss)


def recurrent_step(dtype: type) -> dict[str, float]:
    """Seconds of one training step (loss, backward, SGD), by hand and by nodes, checked to compute the same first."""
    rng = np.random.default_rng(0)
    net = RNN(FEATURES, STATES, CLASSES, dtype=dtype, rng=rng)
    inputs = rng.normal(size=(BATCH, STEPS, FEATURES)).astype(dtype)
    targets = rng.integers(CLASSES, size=BATCH)
    by_hand = StepByHand({name: p.value for name, p in net.named_parameters()}, inputs, targets)
    optimizer = SGD(net.parameters(), learning_rate=RATE)

    def by_nodes() -> float:
        loss = losses.cross_entropy(net(inputs), targets)
        loss.backward()
        optimizer.step()
        return float(loss)

    for _ in range(3):
        np.testing.assert_allclose(by_nodes(), by_hand(), rtol=1e-4)
    np.testing.assert_allclose(dict(net.named_parameters())["W"].value, by_hand.W, rtol=1e-3, atol=1e-5)
    return interleaved({"by hand": by_hand, "by nodes": by_nodes}, rounds=100)


def import_seconds() -> dict[str, float]:
    """Seconds of importing NumPy alone and of importing minigrad, each in a fresh interpreter."""

    def importing(name: str):  # type: ignore[no-untyped-def]
        return lambda: subprocess.run([sys.executable, "-c", f"import {name}"], check=True)

    return interleaved({"numpy": importing("numpy"), "minigrad": importing("minigrad")}, rounds=15)


if __name__ == "__main__":
    print("microseconds a node, forward plus backward")
    for link, cost in microseconds_per_node().items():
        print(f"  {link:12s}{cost:6.2f}")
    print(f"one step of the RNN with {STATES} states, {STEPS} time steps, batch {BATCH}: times NumPy by hand")
    for kind in (np.float32, np.float64):
        times = recurrent_step(kind)
        print(
            f"  {kind.__name__:12s}{times['by nodes'] / times['by hand']:6.2f}   "
            f"({1e3 * times['by nodes']:.2f} ms against {1e3 * times['by hand']:.2f} ms)"
        )
    imports = import_seconds()
    print(f"importing minigrad adds {imports['minigrad'] - imports['numpy']:.3f} s to NumPy's {imports['numpy']:.3f} s")
