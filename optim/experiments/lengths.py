"""The lengths of the sequences that a net is trained on: one for all, one drawn for every batch, or lengths that grow."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from minigrad.models.inputs import shown

MOST = 8  # lengths of a range that are drawn: every one needs a program of its own


def read_range(given: int | str) -> tuple[int, int]:
    """The shortest and the longest length of "50..200"; of a number, or its text, 0 and that number.

    Errors: ValueError for any other text, and for a range that falls or begins below 1.
    """
    if type(given) is int:
        return 0, given
    try:
        numbers = [int(end) for end in given.split("..")] if isinstance(given, str) else []
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2):
        raise ValueError(f"length={shown(given)}: expected a number of time steps, such as 50, or a range, 50..200")
    first, last = numbers[0], numbers[-1]
    if len(numbers) == 2 and not 1 <= first <= last:
        raise ValueError(
            f"length={given}: a range is of positive lengths, the shortest first, as {max(min(numbers), 1)}..{max(*numbers, 1)}"
        )
    return (first, last) if first < last else (0, last)


def of_range(shortest: int, longest: int) -> list[int]:
    """The lengths that are drawn: all of the range or, where these are many, MOST of them, the ends included.

    shortest: 0 where there is one length
    """
    shortest = shortest or longest
    n = min(longest - shortest + 1, MOST)
    return [int(length) for length in np.linspace(shortest, longest, n).round()]


def drawn(shortest: int, longest: int, rng: np.random.Generator) -> Iterator[int]:
    """A length for every batch; of a single one nothing is drawn."""
    lengths = of_range(shortest, longest)
    while True:
        yield lengths[0] if len(lengths) == 1 else lengths[int(rng.integers(len(lengths)))]


def growing(schedule: Callable[[int], float], longest: int) -> Iterator[int]:
    """The length of a schedule at every step, rounded, and at most the longest."""
    return (min(round(schedule(step)), longest) for step in itertools.count())
