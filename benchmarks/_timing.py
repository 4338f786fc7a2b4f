"""Interleaved timing: what is compared takes turns, so that a busy moment of the machine hits all alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

FEWEST = 5


def interleaved(contestants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median seconds of one call of each contestant, over so many rounds in which each is called once."""
    return {name: statistics.median(seconds) for name, seconds in samples(contestants, rounds).items()}


def samples(
    contestants: Mapping[str, Callable[[], object]], rounds: int, warm: int = 1, longest: float = float("inf")
) -> dict[str, list[float]]:
    """Seconds of every call of each contestant, in rounds; each is called `warm` times before, untimed.

    longest: after so many seconds there is no further round, unless there were fewer than five

    A contestant with a method `prepare` has it called before each of its calls, off the clock.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    calls = [(run, getattr(run, "prepare", _nothing), seconds[name].append) for name, run in contestants.items()]
    for run, prepare, _ in calls:
        for _ in range(warm):  # caches, buffers, imports
            prepare()
            run()
    gc.collect()
    gc.disable()  # a collection would hit whoever is running
    try:
        begin = time.perf_counter()
        for i in range(rounds):
            if i >= FEWEST and time.perf_counter() - begin > longest:
                break
            for run, prepare, note in calls:
                prepare()
                start = time.perf_counter()
                run()
                note(time.perf_counter() - start)
    finally:
        gc.enable()
    return seconds


def summary(seconds: list[float]) -> dict[str, float]:
    """Median, quartiles and least of the samples."""
    first, middle, third = statistics.quantiles(seconds, n=4, method="inclusive") if len(seconds) > 1 else seconds * 3
    return {"median": middle, "first_quartile": first, "third_quartile": third, "least": min(seconds)}


def reason(error: Exception) -> str:
    """Why a contestant could not run, in one line."""
    first = str(error).splitlines()[:1]
    return f"{type(error).__name__}: {''.join(first)}"[:200]


def _nothing() -> Any:
    return None
