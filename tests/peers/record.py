"""Record what PyTorch and Keras compute for the cases: `python -m tests.peers.record` writes recorded.json anew.

It needs torch, keras and jax besides minigrad; the tests need none of them. The same versions write the same bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.files import write_file
from tests.peers import in_keras, in_torch
from tests.peers.cases import CASES, Case

PEERS: dict[str, Any] = {"torch": in_torch, "keras": in_keras}
FILE = Path(__file__).with_name("recorded.json")
DIGITS = 12  # of 16: what a library's order of summation decides is left out


def main() -> None:
    cases = {case.name: recorded(case) for case in CASES}
    assert len(cases) == len(CASES), "two cases have the same name"
    versions = {"numpy": np.__version__, **in_torch.VERSIONS, **in_keras.VERSIONS}
    write_file(FILE, written({"versions": versions, "cases": cases}) + "\n")
    print(f"{len(cases)} cases, {FILE.stat().st_size} bytes: {FILE.name}")


def recorded(case: Case) -> dict[str, Any]:
    """A case with the weights of the sum of its outputs, and each peer's numbers."""
    results = {peer: PEERS[peer].computed(case) for peer in case.peers}
    weights = case.weights(results[case.peers[0]]["outputs"])
    given = {"arguments": case.arguments, "constants": case.constants, "weights": weights}
    return {
        "block": case.block,
        "options": case.options,
        **{role: {name: array.tolist() for name, array in arrays.items()} for role, arrays in given.items()},
        "peers": {
            peer: {kind: {name: rounded(array) for name, array in arrays.items()} for kind, arrays in found.items()}
            for peer, found in results.items()
        },
    }


def rounded(array: Any) -> Any:
    """An array of PyTorch or JAX in float64 as lists of numbers."""
    numbers = np.asarray(array.detach() if hasattr(array, "detach") else array)
    assert numbers.dtype == np.float64, numbers.dtype
    return np.reshape([float(f"{number:.{DIGITS - 1}e}") + 0.0 for number in numbers.flat], numbers.shape).tolist()


def written(entry: Any, indent: str = "") -> str:
    """JSON with a line for every array, so that a difference between two recordings can be read."""
    if not isinstance(entry, dict) or not entry:
        return json.dumps(entry, separators=(",", ":"))
    lines = [f"{indent}{json.dumps(key)}:{written(value, indent + ' ')}" for key, value in entry.items()]
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


if __name__ == "__main__":
    main()
