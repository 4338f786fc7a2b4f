"""The hand-written steps, against which all is measured, are right: they equal the graph of nodes to rounding."""

import numpy as np
import pytest

from benchmarks.by_hand import BY_HAND
from benchmarks.contestants.nodes import AdamUpdate, Eager
from benchmarks.rows import ROWS, SMALL, problem
from benchmarks.squeezed import SQUEEZED

BOTH = pytest.mark.parametrize("steps", [BY_HAND, SQUEEZED], ids=["by hand", "squeezed"])


def small(name, seed=0):
    row = ROWS[name]
    return problem(row.sized(**SMALL[row.family]), np.float64, seed)


@BOTH
@pytest.mark.parametrize("name", ROWS)
def test_equal_the_nodes(name, steps):
    given = small(name)
    hand, nodes = steps[given.row.family](given), (AdamUpdate if given.row.family == "adam" else Eager)(given)
    for _ in range(3):
        for contestant in (hand, nodes):
            getattr(contestant, "prepare", lambda: None)()
        np.testing.assert_allclose(hand(), nodes(), rtol=1e-10)
    for key, array in nodes.parameters().items():
        np.testing.assert_allclose(hand.parameters()[key], array, rtol=1e-8, atol=1e-11, err_msg=key)


@BOTH
@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.family != "adam"])
@pytest.mark.parametrize("seed", [1, 2])
def test_have_the_gradients_of_the_nodes(name, seed, steps):
    given = small(name, seed)
    loss, gradients = steps[given.row.family](given).gradients()
    expected_loss, expected = Eager(given).gradients()
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-10)
    assert list(gradients) == list(expected)
    for key, array in expected.items():
        assert np.abs(array).max() > 0
        np.testing.assert_allclose(gradients[key], array, rtol=1e-8, atol=1e-12, err_msg=key)


@BOTH
def test_blocks_and_odd_sizes(steps):
    """The chain is longer than a block and no multiple of one."""
    given = problem(ROWS["elementwise"].sized(size=32768 * 2 + 5), np.float64)
    loss, gradients = steps["elementwise"](given).gradients()
    expected_loss, expected = Eager(given).gradients()
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-10)
    np.testing.assert_allclose(gradients["x"], expected["x"], rtol=1e-8, atol=1e-16)
