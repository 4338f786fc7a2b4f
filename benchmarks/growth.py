"""How cost grows: with time steps, with units, and with the number of nodes. Prints one line of JSON, milliseconds."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import minigrad as mg
from benchmarks._timing import interleaved, reason
from benchmarks.by_hand import BY_HAND
from benchmarks.contestants import nodes
from benchmarks.rows import ROWS, problem

TIMES = (25, 50, 100, 200, 400, 800, 1600)
UNITS = (16, 32, 64, 128, 256, 512)
NODES = (10**3, 10**4, 10**5, 10**6)
MOST_COMPILED = 10**5

Series = dict[str, Any]
Factories = dict[str, Callable[[], Callable[[], object]]]


def sized(row: str, axis: str, sizes: Sequence[int], dtype: type = np.float32) -> Series:
    """A row's step at several sizes, by hand and by minigrad."""

    def contestants(size: int) -> Factories:
        given = problem(ROWS[row].sized(**{axis: size}), dtype)
        makers = {"by hand": BY_HAND[given.row.family], **nodes.contestants(given)}
        return {name: lambda make=make: make(given) for name, make in makers.items()}  # type: ignore[misc]

    return series(axis, sizes, contestants, lambda size: max(7, 1200 // size))


def chain_of_nodes(sizes: Sequence[int] = NODES) -> Series:
    """A chain of products of four numbers and its gradient: so many nodes, half of them ahead, half on the way back."""
    x, factor = mg.Parameter(np.full(4, 0.5)), mg.Input(np.full(4, 0.999))

    def last(length: int) -> Any:
        y: Any = x
        for _ in range(length // 2):
            y = y * factor
        return y.sum()

    def value_and_slope(size: int) -> tuple[Any, ...]:
        y = last(size)
        return y, *mg.gradients(y, [x])

    def contestants(size: int) -> Factories:
        found: Factories = {"minigrad eager": lambda: lambda: last(size).backward()}
        if hasattr(mg, "compile") and size <= MOST_COMPILED:
            found["minigrad compiled"] = lambda: mg.compile(lambda: value_and_slope(size))
        return found

    return series("nodes", sizes, contestants, lambda size: 3)


def series(
    axis: str, sizes: Sequence[int], contestants: Callable[[int], Factories], rounds: Callable[[int], int]
) -> Series:
    """Milliseconds of one call by contestant and size, None where there is none; and who failed where, and why."""
    found: dict[str, list[float | None]] = {}
    failed: dict[str, str] = {}
    for i, size in enumerate(sizes):
        running = {}
        for name, make in contestants(size).items():
            try:
                running[name] = make()
                running[name]()
            except Exception as error:
                running.pop(name, None)
                failed[name] = f"from {axis} {size} on: {reason(error)}" if name not in failed else failed[name]
        for name, seconds in interleaved(running, rounds(size)).items():
            found.setdefault(name, [None] * len(sizes))[i] = 1e3 * seconds
    return {"axis": axis, "sizes": list(sizes), "milliseconds": found, "failed": failed}


def tracing_seconds(rounds: int = 5) -> dict[str, float]:
    """Seconds of the first call, tracing and writing the program, beyond those of a later one."""
    found = {}
    for name in ("rnn-50", "penalized-50", "lstm-16"):
        given, first = problem(ROWS[name]), []
        for _ in range(rounds):
            step = nodes.Compiled(given)
            calls = []
            for _ in range(2):
                start = time.perf_counter()
                step.gradients()
                calls.append(time.perf_counter() - start)
            first.append(calls[0] - calls[1])
        found[name] = statistics.median(first)
    return found


def main() -> int:
    """Measure all series."""
    found = {
        "series": {
            "tanh RNN d=50, batch 20, time steps": sized("rnn-50", "steps", TIMES),
            # In float32 adjoints underflow from T = 800 on, and numbers that small are slow for everybody.
            "penalized RNN d=50, batch 20, float64, time steps": sized("penalized-50", "steps", TIMES, np.float64),
            "tanh RNN T=100, batch 20, units": sized("rnn-50", "units", UNITS),
            "a chain of nodes": chain_of_nodes(),
        },
        "tracing_seconds": tracing_seconds() if hasattr(mg, "compile") else {},
    }
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
