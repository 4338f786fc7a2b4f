"""Every program that a test of the compiler has written is replayed."""

import pytest

from tests.compiler.replay import replayed


@pytest.fixture(autouse=True)
def every_program_is_replayed():
    with replayed() as programs:
        yield programs
