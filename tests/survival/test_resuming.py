"""A training that was stopped anywhere, and resumed, ends with the bits of one that was not."""

import numpy as np
import pytest

from minigrad.optim import Callback, Checkpoints
from tests.survival.fuzz import strip
from tests.survival.trainings import TRAININGS, train


class Stopped(BaseException):
    """As if the process had been killed: nothing is saved any more."""


class StopAfter(Callback):
    """Stops after so many steps of this call."""

    def __init__(self, steps):
        self.left = steps

    def after_step(self, training):
        self.left -= 1
        if not self.left:
            raise Stopped


@pytest.fixture(scope="module")
def straight():
    made = {}

    def of(name):
        if name not in made:
            made[name] = strip(train(name))
        return made[name]

    return of


@pytest.mark.parametrize("every", [1, 3, None])
@pytest.mark.parametrize("name", TRAININGS)
def test_a_training_stopped_every_few_steps_ends_with_the_same_bits(name, every, straight, tmp_path):
    draw = np.random.default_rng(0)
    n_stops = 0
    while True:
        steps = int(draw.integers(2, 12)) if every else int(draw.integers(10, 13))
        try:
            found = train(name, [StopAfter(steps)], checkpoints=Checkpoints(tmp_path, every_steps=every))
        except Stopped:
            n_stops += 1
            assert n_stops < 50
        else:
            break
    assert n_stops > 0
    assert strip(found) == straight(name)
    again = train(name, [StopAfter(1)], checkpoints=tmp_path)  # it has ended, and is loaded
    assert strip(again) == straight(name)
