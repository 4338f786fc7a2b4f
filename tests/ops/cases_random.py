"""What proves that random nodes draw what they say."""

from minigrad.ops import random
from tests.ops import test_random

DEFINITIONS = {
    random.RandomUniform: test_random.test_uniform_draws,
    random.RandomNormal: test_random.test_normal_draws,
}
