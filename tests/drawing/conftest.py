"""The browser of the tests that look at pages."""

import pytest

from tests.drawing.browser import chromium


def pytest_configure(config):
    config.addinivalue_line("markers", "browser: opens pages in a browser; skipped where there is none")


@pytest.fixture(scope="module")
def browser():
    """A browser for the tests of a file that one process runs."""
    with chromium() as started:
        yield started
