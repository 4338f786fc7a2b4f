"""Peak memory of a training step: what a contestant holds between steps and what it allocates on the way.

By tracemalloc, which sees NumPy's arrays and Python's objects; so only contestants that compute with NumPy are here.
Prints one line of JSON, megabytes by row and contestant.
"""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

from benchmarks.by_hand import BY_HAND
from benchmarks.contestants import nodes
from benchmarks.rows import ROWS, Problem, problem


def peak_megabytes(make: Callable[[Problem], Any], given: Problem) -> float:
    """The peak over one step, once the contestant has warmed up; the problem's own arrays are not counted."""
    gc.collect()
    tracemalloc.start()
    try:
        contestant = make(given)
        prepare = getattr(contestant, "prepare", lambda: None)
        for _ in range(2):
            prepare()
            contestant()
        gc.collect()
        prepare()
        tracemalloc.reset_peak()
        contestant()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def main() -> int:
    """Measure all rows."""
    found: dict[str, dict[str, float]] = {}
    for name, row in ROWS.items():
        given = problem(row)
        makers = {"by hand": BY_HAND[row.family], **nodes.contestants(given)}
        found[name] = {kind: peak_megabytes(make, given) for kind, make in makers.items()}
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
