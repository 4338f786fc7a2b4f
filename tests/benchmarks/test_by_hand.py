"""The hand-written steps, against which all is measured, are right: they equal the graph of nodes to rounding."""

import numpy as np
import pytest

from benchmarks.by_hand import BY_HAND, OTHERS_BY_HAND
from benchmarks.contestants.nodes import AdamUpdate, Eager
from benchmarks.rows import ROWS, SMALL, problem

CASES = [(name, BY_HAND[row.family]) for name, row in ROWS.items()]
CASES += [(name, other) for name, row in ROWS.items() for other in OTHERS_BY_HAND.get(row.family, {}).values()]


def small(name, seed=0):
    row = ROWS[name]
    return problem(row.sized(**SMALL[row.family]), np.float64, seed)


@pytest.mark.parametrize(("name", "by_hand"), CASES)
def test_equal_the_nodes(name, by_hand):
    given = small(name)
    hand, nodes = by_hand(given), (AdamUpdate if given.row.family == "adam" else Eager)(given)
    for _ in range(3):
        for contestant in (hand, nodes):
            getattr(contestant, "prepare", lambda: None)()
        np.testing.assert_allclose(hand(), nodes(), rtol=1e-10)
    for key, array in nodes.parameters().items():
        np.testing.assert_allclose(hand.parameters()[key], array, rtol=1e-8, atol=1e-11, err_msg=key)


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.family != "adam"])
@pytest.mark.parametrize("seed", [1, 2])
def test_have_the_gradients_of_the_nodes(name, seed):
    given = small(name, seed)
    loss, gradients = BY_HAND[given.row.family](given).gradients()
    expected_loss, expected = Eager(given).gradients()
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-10)
    assert list(gradients) == list(expected)
    for key, array in expected.items():
        assert np.abs(array).max() > 0
        np.testing.assert_allclose(gradients[key], array, rtol=1e-8, atol=1e-12, err_msg=key)
