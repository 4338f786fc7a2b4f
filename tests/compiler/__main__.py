"""Compare compiled functions with nodes on as many random graphs as one likes; the suite does on some two thousand.
Each program is replayed too, on memory that knows whose entry lies where.

    python -m tests.compiler --graphs 10000
    python -m tests.compiler --graphs 300 --backend numba
    python -m tests.compiler --again "agree(loop_graph(3, 1, 1, [], 1, (True, False, False, False), 'float64', 7))"

The same seed gives the same graphs. A graph that fails is made as small as possible and printed as an expression that rebuilds it,
for --again.
"""

import argparse
import os
import sys
import time
from collections import Counter
from tempfile import TemporaryDirectory

import hypothesis
import numpy as np

from minigrad.compiler.compiled import BACKENDS
from tests.compiler import random_graphs, random_loops
from tests.compiler.agreement import agree
from tests.compiler.replay import replayed
from tests.compiler.test_agreement import rewrites

KINDS = {  # the strategy, and its share in percent
    "flat": (random_graphs.flat(), 30),
    "recurrent": (random_graphs.recurrent, 25),
    "loops": (random_loops.loops, 30),
    "cells": (random_loops.cells, 10),
    "nets": (random_loops.nets, 5),
}
PART = 500  # graphs of one seed: more would keep hypothesis busy with what it has drawn already


class Comparison:
    """Graphs drawn and compared, one after the other.

    seen:    how many times each graph came
    failing: the latest expression that failed; hypothesis ends with the smallest
    """

    def __init__(self, graphs: int, backend: str) -> None:
        self.graphs = graphs
        self.backend = backend
        self.seen: Counter[str] = Counter()
        self.failing = ""
        self.start = time.perf_counter()

    def run(self, seed: int) -> None:
        """All parts; the first graph that fails raises what it raised."""
        for part in range(-(-self.graphs // PART)):
            size = min(PART, self.graphs - part * PART)
            ends = np.cumsum([share for _, share in KINDS.values()]) * size // 100
            for (name, (graphs, _)), n in zip(KINDS.items(), np.diff(ends, prepend=0), strict=True):
                if n:
                    self.compare(name, graphs, int(n), 1000 * seed + part)

    def compare(self, kind, graphs, n, seed):
        @hypothesis.settings(
            max_examples=n,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.seed(seed)
        @hypothesis.given(graphs, rewrites)
        def check(graph, rewrites):
            expression = f"agree({graph!r}, {rewrites!r}, {self.backend!r})"
            try:
                with replayed():
                    agree(graph, rewrites, self.backend)
            except BaseException:
                self.failing = expression
                raise
            self.seen[expression] += 1
            if self.seen.total() % 10 == 0:
                self.say(kind, end="\r")

        check()

    def say(self, kind, end):
        seconds = time.perf_counter() - self.start
        text = f"{self.seen.total()} of {self.graphs} graphs ({kind}), {seconds:.0f} s"
        print(text.ljust(60), end=end, flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m tests.compiler", description=__doc__.partition("\n")[0])
    parser.add_argument("--graphs", type=int, default=10_000, help="how many (%(default)s)")
    parser.add_argument("--backend", choices=BACKENDS, default="numpy")
    parser.add_argument("--seed", type=int, default=0, help="another one gives other graphs (%(default)s)")
    parser.add_argument("--again", metavar="EXPRESSION", help="one graph, as it was printed when it failed")
    given = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        os.environ.setdefault("MINIGRAD_CACHE", folder)  # compiled loops of random graphs serve nobody else
        if given.again:
            with replayed():
                eval(given.again, {**vars(random_graphs), **vars(random_loops), "agree": agree})
            print("the program and the nodes agree")
            return 0
        comparison = Comparison(given.graphs, given.backend)
        try:
            comparison.run(given.seed)
        except Exception as error:
            print(
                f"\n{type(error).__name__}: {error}\n\nThis fails; --again {'...'!r} runs it alone:\n{comparison.failing}"
            )
            return 1
        comparison.say("all agree", end="\n")
        print(f"{len(comparison.seen)} of them are different")
    return 0


if __name__ == "__main__":
    sys.exit(main())
