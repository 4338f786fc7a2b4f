"""The nets as functions of their parameters, for libraries that differentiate functions: written once for all of them.

A library answers through `Library`; sequences come time first, images and kernels as the library likes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from benchmarks.rows import Row

Parameters = Mapping[str, Any]


class Library(Protocol):
    """What the nets need of a library. `tanh` and the others take and return its arrays."""

    tanh: Callable[[Any], Any]
    sigmoid: Callable[[Any], Any]
    relu: Callable[[Any], Any]

    def cross_entropy(self, logits: Any, targets: Any) -> Any: ...
    def dropout(self, y: Any, rate: float) -> Any: ...
    def convolve(self, images: Any, kernels: Any, bias: Any) -> Any: ...
    def pool(self, images: Any) -> Any: ...
    def flatten(self, images: Any) -> Any:
        """In the order row, column, channel."""

    def zeros(self, like: Any, batch: int, units: int) -> Any: ...
    def drive(self, inputs: Any, W: Any, b: Any) -> Any:
        """What the inputs contribute to every time step."""

    def scan(self, step: Callable[[Any, Any], Any], state: Any, driven: Any) -> Any:
        """The last state."""

    def adjoints(self, run: Callable[[Any], Any], steps: int, state: Any) -> tuple[Any, Any]:
        """The loss `run` gives for additions (0) to the states, and its derivatives by them, (time, batch, units)."""

    def where(self, condition: Any, a: Any, b: Any) -> Any: ...


def loss(library: Library, row: Row, p: Parameters, inputs: Any, targets: Any) -> Any:
    """The loss of a row."""
    return FAMILIES[row.family](library, row, p, inputs, targets)


def _mlp(library: Library, row: Row, p: Parameters, x: Any, targets: Any) -> Any:
    last, rate = len(row.sizes["layers"]) - 1, row.sizes.get("dropout", 0)
    for i in range(1, last):
        x = library.relu(x @ p[f"dense_{i}.W"].T + p[f"dense_{i}.b"])
        if rate:
            x = library.dropout(x, rate)
    return library.cross_entropy(x @ p[f"dense_{last}.W"].T + p[f"dense_{last}.b"], targets)


def _rnn(library: Library, row: Row, p: Parameters, inputs: Any, targets: Any) -> Any:
    W_T = p["W"].T
    x = library.scan(
        lambda x, driven: library.tanh(x @ W_T + driven),
        library.zeros(p["W"], row.sizes["batch"], row.sizes["units"]),
        library.drive(inputs, p["R"], p["b_1"]),
    )
    return library.cross_entropy(x @ p["V"].T + p["b_o"], targets)


def _penalized(library: Library, row: Row, p: Parameters, inputs: Any, targets: Any) -> Any:
    """The adjoint of a state is that of what is added to it."""
    W_T, driven = p["W"].T, library.drive(inputs, p["R"], p["b_1"])
    start = library.zeros(p["W"], row.sizes["batch"], row.sizes["units"])

    def run(additions: Any) -> Any:
        x = library.scan(lambda x, here: library.tanh(x @ W_T + here[0]) + here[1], start, (driven, additions))
        return library.cross_entropy(x @ p["V"].T + p["b_o"], targets)

    value, adjoints = library.adjoints(run, row.sizes["steps"], start)
    return value + row.sizes["weight"] * omega(library, adjoints)


def omega(library: Library, adjoints: Any) -> Any:
    """Mean of (‖λ_t‖² / ‖λ_{t+1}‖² − 1)² where ‖λ_{t+1}‖² ≥ 1e-20."""
    squares = (adjoints * adjoints).sum(-1)
    counts = squares[1:] >= 1e-20
    excess = squares[:-1] / library.where(counts, squares[1:], 1.0) - 1.0
    return library.where(counts, excess * excess, 0.0).sum() / library.where(counts, 1.0, 0.0).sum()


def _lstm(library: Library, row: Row, p: Parameters, inputs: Any, targets: Any) -> Any:
    n, W_T = row.sizes["units"], p["recurrent.cell.W_h"].T

    def step(state: Any, driven: Any) -> Any:
        h, c = state
        a = h @ W_T + driven
        gates = library.sigmoid(a[:, : 3 * n])
        c = gates[:, n : 2 * n] * c + gates[:, :n] * library.tanh(a[:, 3 * n :])
        return gates[:, 2 * n :] * library.tanh(c), c

    start = library.zeros(W_T, row.sizes["batch"], n)
    driven = library.drive(inputs, p["recurrent.cell.W_x"], p["recurrent.cell.b"])
    h, _ = library.scan(step, (start, start), driven)
    return library.cross_entropy(h @ p["readout.W"].T + p["readout.b"], targets)


def _gru(library: Library, row: Row, p: Parameters, inputs: Any, targets: Any) -> Any:
    n, W_T, b_h = row.sizes["units"], p["recurrent.cell.W_h"].T, p["recurrent.cell.b_h"]

    def step(h: Any, driven: Any) -> Any:
        q = h @ W_T + b_h
        gates = library.sigmoid(q[:, : 2 * n] + driven[:, : 2 * n])
        z, r = gates[:, :n], gates[:, n:]
        g = library.tanh(r * q[:, 2 * n :] + driven[:, 2 * n :])
        return z * h + (1 - z) * g

    start = library.zeros(W_T, row.sizes["batch"], n)
    driven = library.drive(inputs, p["recurrent.cell.W_x"], p["recurrent.cell.b"])
    h = library.scan(step, start, driven)
    return library.cross_entropy(h @ p["readout.W"].T + p["readout.b"], targets)


def _cnn(library: Library, row: Row, p: Parameters, x: Any, targets: Any) -> Any:
    for i in (1, 2):
        x = library.pool(library.relu(library.convolve(x, p[f"conv2d_{i}.W"], p[f"conv2d_{i}.b"])))
    x = library.flatten(x)
    for i in (1, 2):
        x = library.relu(x @ p[f"dense_{i}.W"].T + p[f"dense_{i}.b"])
    return library.cross_entropy(x @ p["dense_3.W"].T + p["dense_3.b"], targets)


def _elementwise(library: Library, row: Row, p: Parameters, inputs: Any, targets: Any) -> Any:
    x = y = p["x"]
    for _ in range(2):
        v = y * 0.5 + x
        e = v / (v * v + 1)
        h = library.tanh(e) * x - 0.1
        y = h * h + e
    return y.mean()


FAMILIES: dict[str, Callable[..., Any]] = {
    "mlp": _mlp, "rnn": _rnn, "penalized": _penalized, "lstm": _lstm, "gru": _gru, "cnn": _cnn,
    "elementwise": _elementwise,
}  # fmt: skip


def time_first(given: Any) -> Any:
    """Sequences (time, batch, features); everything else as it is."""
    import numpy as np

    recurrent = given.row.family in ("rnn", "penalized", "lstm", "gru")
    return np.ascontiguousarray(given.inputs.swapaxes(0, 1)) if recurrent else given.inputs


def channels_first(array: Any) -> Any:
    """Images and kernels of four axes, (…, channels, height, width); everything else as it is."""
    import numpy as np

    return np.ascontiguousarray(array.transpose(0, 3, 1, 2)) if array is not None and array.ndim == 4 else array


def channels_last(array: Any) -> Any:
    """Back again."""
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
