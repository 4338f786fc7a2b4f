"""When a step runs as a program: no rounding is taken for a change, and no change for rounding."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import RNN, Dense, Module, Sequential, losses
from minigrad.optim import SGD, Adam, Step


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_low_loss_is_no_false_alarm(dtype):
    """Where the softmax is nearly right, gradients are differences of nearly equal numbers: all their digits are rounding."""
    rng = np.random.default_rng(0)
    model = Sequential(Dense(64, 64, activation=np.tanh, rng=0, dtype=dtype), Dense(64, 10, rng=1, dtype=dtype))
    step = Step(model, losses.cross_entropy, Adam(model.parameters(), 0.03))
    x, y = rng.normal(size=(128, 64)).astype(dtype), rng.integers(0, 10, 128)
    for _ in range(64):
        numbers = step(x, y)
    assert numbers["loss"] < 1e-3
    assert not step.eager


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_gradients_are_no_false_alarm(dtype):
    """A tanh net that is chaotic: rounding grows by orders of magnitude on its way through 100 time steps."""
    rng = np.random.default_rng(0)
    model = RNN(10, 50, 4, rng=0, dtype=dtype)
    model.W.value = rng.normal(0, 0.3, model.W.shape).astype(dtype)
    step = Step(model, losses.cross_entropy, SGD(model.parameters(), 0.01))
    x, y = rng.normal(size=(20, 100, 10)).astype(dtype), rng.integers(0, 4, 20)
    for _ in range(4):
        step(x, y)
    assert not step.eager


class Tiny(Module):
    """w x, and 1e-12 more from some call on: far less than rounding could be told from by numbers."""

    def __init__(self):
        self.w = mg.Parameter(np.ones(1))
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return self.w * x * (1.0 if self.calls < 3 else 1.0 + 1e-12)


def test_a_change_below_any_rounding_is_seen():
    model = Tiny()
    step = Step(model, losses.mean_squared_error, SGD(model.parameters(), 0.0))
    x, y = np.ones((2, 1)), np.zeros((2, 1))
    for _ in range(2):
        step(x, y)
    with pytest.warns(RuntimeWarning, match=r"in batch 3 than its program .*Multiply.*its input 1 is another constant"):
        step(x, y)
    assert step.eager
