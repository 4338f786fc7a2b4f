"""Peak memory of a training step: what a contestant holds between steps and what it allocates on the way.

By tracemalloc, which sees NumPy's arrays and Python's objects; so only contestants that compute with NumPy are here.
Prints one line of JSON, megabytes by row and contestant: the peak, and how much of it is not arrays but Python's objects.
"""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks._timing import reason
from benchmarks.by_hand import BY_HAND
from benchmarks.contestants import nodes
from benchmarks.rows import ROWS, Problem, problem
from benchmarks.squeezed import SQUEEZED


def peak_megabytes(make: Callable[[Problem], Any], given: Problem) -> dict[str, float]:
    """The peak over one step, once the contestant has warmed up, and the objects in it; the problem's arrays are not."""
    gc.collect()
    tracemalloc.start()
    try:
        contestant = make(given)
        prepare = getattr(contestant, "prepare", lambda: None)
        for _ in range(3):
            prepare()
            contestant()
        gc.collect()
        prepare()
        objects = tracemalloc.DomainFilter(inclusive=False, domain=np.lib.tracemalloc_domain)
        held = sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([objects]).traces)
        tracemalloc.reset_peak()
        contestant()
        return {"peak": tracemalloc.get_traced_memory()[1] / 1e6, "objects": held / 1e6}
    finally:
        tracemalloc.stop()


def main() -> int:
    """Measure all rows."""
    if find_spec("numba") is not None:
        import_module("numba")  # or its import would count as the first contestant's
    found: dict[str, dict[str, Any]] = {}
    for name, row in ROWS.items():
        given = problem(row)
        makers = {
            "by hand": BY_HAND[row.family], "by hand, squeezed": SQUEEZED[row.family], **nodes.contestants(given),
        }  # fmt: skip
        found[name] = {}
        for kind, make in makers.items():
            try:
                found[name][kind] = peak_megabytes(make, given)
            except Exception as error:
                print(f"{name}: {kind} failed: {reason(error)}", file=sys.stderr)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
