"""The browser of the tests that look at pages."""

import pytest

from tests.drawing.browser import chromium


@pytest.fixture(scope="module")
def browser():
    """A browser for the tests of a file that one process runs."""
    with chromium() as started:
        yield started
