"""`--quick`: a smoke run of the whole suite, between two edits. Nothing is listed by hand, so nothing is forgotten.

* A test that draws examples draws one in SHARE of them: it says how many in full by `examples`.
* Of a test with many cases CASES are taken, spread over all of them; one marked `every_case` keeps all.
* A test marked `slow` is left out.

So every file takes part, and every rule is differentiated: `tests/ops/test_every_derivative.py` proves that a wrong sign in any
of them is noticed by what a quick run draws.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import hypothesis
import pytest

SHARE = 25  # one of so many examples is drawn
CASES = 3  # of a test
quick = False


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick", action="store_true", help="a smoke run of the whole suite: fewer examples and cases of each test"
    )


def pytest_configure(config: pytest.Config) -> None:
    global quick  # noqa: PLW0603 (the decorators of tests ask before any fixture is there)
    quick = config.getoption("quick")
    config.addinivalue_line("markers", "slow: left out by --quick")
    config.addinivalue_line("markers", "every_case: --quick takes all cases of the test")
    hypothesis.settings.register_profile("minigrad", parent=examples(hypothesis.settings().max_examples))
    hypothesis.settings.load_profile("minigrad")


def examples(n: int, n_quick: int | None = None, **settings: Any) -> hypothesis.settings:
    """The settings of a test that draws n examples, in a quick run n_quick, or a tenth."""
    return hypothesis.settings(max_examples=(n_quick or -(-n // SHARE)) if quick else n, **settings)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not quick:
        return
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("slow") is None:
            cases[item.nodeid.partition("[")[0]].append(item)
    kept = {item for of_test in cases.values() for item in spread(of_test)}
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = [item for item in items if item in kept]


def spread(items: list[pytest.Item]) -> list[pytest.Item]:
    """All of few cases, or CASES of many: the first, the last, and others at equal distances."""
    if len(items) <= CASES or items[0].get_closest_marker("every_case"):
        return items
    return [items[i * (len(items) - 1) // (CASES - 1)] for i in range(CASES)]
