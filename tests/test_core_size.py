"""The core stays small enough to be held in the head."""

from tests.core_size import MOST, START, core


def test_the_core_stays_small():
    sizes = core()
    assert set(START) <= set(sizes)
    assert sum(sizes.values()) <= MOST, f"{sizes}: whoever adds to the core takes something out"
