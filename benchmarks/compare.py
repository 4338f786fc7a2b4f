"""One row: build the contestants, check that they compute the same, let them take turns, note the times.

    python -m benchmarks.compare ROW [--rounds N] [--threads N] [--only WORD ...]

It prints one line of JSON. `python -m benchmarks` runs it in a process of its own for every row, so that no contestant's
pools, caches or just-in-time compilers meet another row's.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks._timing import reason, samples, summary
from benchmarks.by_hand import BY_HAND
from benchmarks.contestants import nodes
from benchmarks.rows import ROWS, Problem, Row, problem
from benchmarks.squeezed import SQUEEZED

Factories = dict[str, Callable[[Problem], Any]]
STEPS_CHECKED = 3
BY_HAND_NAME = "by hand"
LONGEST = 12.0  # seconds of rounds


def factories(given: Problem) -> Factories:
    """All contestants of a row that are installed, hand-written NumPy first."""
    family = given.row.family
    found: Factories = {BY_HAND_NAME: BY_HAND[family], "by hand, squeezed": SQUEEZED[family]}
    found |= nodes.contestants(given) | nodes.steps(given)
    for module in ("torch", "jax", "autograd", "mygrad"):
        if find_spec(module) is not None:
            peer = __import__(f"benchmarks.contestants.{module}_peer", fromlist=["contestants"])
            found |= peer.contestants(given)
    return found


def compare(row: Row, rounds: int, only: Sequence[str] = ()) -> dict[str, Any]:
    """Times of every contestant, in seconds, and their ratios to the hand-written step."""
    given = problem(row)
    chosen = {
        name: make
        for name, make in factories(given).items()
        if name == BY_HAND_NAME or not only or any(word in name for word in only)
    }
    contestants, first_call, failed = {}, {}, {}
    for name, make in chosen.items():
        start = time.perf_counter()
        try:
            contestants[name] = agreeing(make, given)
        except Exception as error:
            if name == BY_HAND_NAME:
                raise
            failed[name] = reason(error)
        else:
            first_call[name] = time.perf_counter() - start
    taken = samples(contestants, rounds, warm=2, longest=LONGEST)
    base = np.array(taken[BY_HAND_NAME])
    ratios = {
        name: {**summary(list(np.array(seconds) / base)), "of_leasts": min(seconds) / float(base.min())}
        for name, seconds in taken.items()
    }
    return {
        "row": row.name, "title": row.title, "rounds": len(base),
        "seconds": {name: summary(seconds) for name, seconds in taken.items()}, "ratios": ratios,
        "seconds_to_build_and_check": first_call, "failed": failed,
    }  # fmt: skip


class DisagreementError(AssertionError):
    """A contestant computes something else."""


def agreeing(make: Callable[[Problem], Any], given: Problem) -> Any:
    """A contestant that was found to compute what the graph of nodes computes.

    With dropout a twin is checked, at rate 0, since everybody draws masks of one's own.
    """
    family = given.row.family
    same = problem(given.row.sized(dropout=0.0)) if "dropout" in given.row.sizes else given
    twin, reference = make(same), (nodes.AdamUpdate if family == "adam" else nodes.Eager)(same)
    name = getattr(make, "__name__", str(make))
    if family != "adam":
        (loss, gradients), (expected_loss, expected) = twin.gradients(), reference.gradients()
        _agree(name, "loss", loss, expected_loss)
        for key, array in expected.items():
            _agree(name, f"gradient of {key}", gradients[key], array)
    if given.row.optimizer:
        for _ in range(STEPS_CHECKED):
            for contestant in (twin, reference):
                getattr(contestant, "prepare", lambda: None)()
                contestant()
        found = twin.parameters()
        for key, array in reference.parameters().items():
            start = same.parameters[key]
            _agree(name, f"{STEPS_CHECKED} updates of {key}", found[key] - start, array - start, 0.02)
    return twin if same is given else make(given)


def _agree(name: str, what: str, found: Any, expected: Any, tolerance: float = 2e-3) -> None:
    """Relative distance in the norm: float32, and sums in another order."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    distance = np.linalg.norm(found - expected) / max(float(np.linalg.norm(expected)), 1e-30)
    if not distance <= tolerance:
        raise DisagreementError(f"{name}: {what} differs from the graph of nodes by {distance:.1e} of its norm")


def main() -> int:
    """Compare one row and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", choices=list(ROWS))
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    hold_threads(options.threads)
    print(json.dumps(compare(ROWS[options.row], options.rounds, options.only)))
    return 0


def hold_threads(threads: int) -> None:
    """As many threads for everybody: what the environment did not reach is told here."""
    if find_spec("torch") is not None:
        import torch  # type: ignore[import-not-found,unused-ignore]

        torch.set_num_threads(threads)
    if find_spec("threadpoolctl") is not None:
        from threadpoolctl import threadpool_limits

        threadpool_limits(threads)


if __name__ == "__main__":
    sys.exit(main())
