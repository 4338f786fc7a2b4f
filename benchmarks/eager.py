"""What the eager form costs: microseconds per node, the step of a recurrent net against NumPy by hand, the import."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np

import minigrad as mg
from benchmarks._timing import interleaved
from benchmarks.by_hand.rnn import RNN
from benchmarks.contestants.nodes import Eager
from benchmarks.rows import ROWS, problem


def microseconds_per_node(length: int = 500) -> dict[str, float]:
    """Forward plus backward through a chain of nodes on four numbers."""
    x = mg.Input(np.full(4, 0.5))

    def chain(link):  # type: ignore[no-untyped-def]
        def run() -> None:
            y = x
            for _ in range(length):
                y = link(y)
            mg.gradients(y, [x], adjoint=np.ones(4))

        return run

    half = mg.Input(np.full(4, 0.999))
    contestants = {"y * c": chain(lambda y: y * half), "y + c": chain(lambda y: y + half), "-y": chain(lambda y: -y)}
    contestants["np.tanh(y)"] = chain(np.tanh)
    return {name: 1e6 * seconds / length for name, seconds in interleaved(contestants, rounds=60).items()}


def recurrent_step(dtype: type) -> dict[str, float]:
    """Seconds of one training step (loss, backward, SGD) of the tanh RNN, by hand and by nodes, checked to agree first."""
    given = problem(ROWS["rnn-50"], dtype)
    by_hand, by_nodes = RNN(given), Eager(given)
    for _ in range(3):
        np.testing.assert_allclose(by_nodes(), by_hand(), rtol=1e-4)
    np.testing.assert_allclose(by_nodes.parameters()["W"], by_hand.parameters()["W"], rtol=1e-3, atol=1e-5)
    return interleaved({"by hand": by_hand, "by nodes": by_nodes}, rounds=100)


def import_seconds() -> dict[str, float]:
    """Seconds of importing NumPy alone and of importing minigrad, each in a fresh interpreter."""

    def importing(name: str):  # type: ignore[no-untyped-def]
        return lambda: subprocess.run([sys.executable, "-c", f"import {name}"], check=True)

    return interleaved({"numpy": importing("numpy"), "minigrad": importing("minigrad")}, rounds=15)


def measured() -> dict[str, Any]:
    """All of it."""
    imports = import_seconds()
    return {
        "microseconds_per_node": microseconds_per_node(),
        "recurrent_step_seconds": {kind.__name__: recurrent_step(kind) for kind in (np.float32, np.float64)},
        "import_seconds": imports["minigrad"] - imports["numpy"],
        "numpy_import_seconds": imports["numpy"],
    }


def main() -> int:
    """Print what was measured, as text or (--json) in one line of JSON."""
    found = measured()
    if "--json" in sys.argv[1:]:
        print(json.dumps(found))
        return 0
    print("microseconds a node, forward plus backward")
    for link, cost in found["microseconds_per_node"].items():
        print(f"  {link:12s}{cost:6.2f}")
    print(f"one step: {ROWS['rnn-50'].title}: times NumPy by hand")
    for kind, times in found["recurrent_step_seconds"].items():
        hand, by_nodes = times["by hand"], times["by nodes"]
        print(f"  {kind:12s}{by_nodes / hand:6.2f}   ({1e3 * by_nodes:.2f} ms against {1e3 * hand:.2f} ms)")
    print(f"importing minigrad adds {found['import_seconds']:.3f} s to NumPy's {found['numpy_import_seconds']:.3f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
