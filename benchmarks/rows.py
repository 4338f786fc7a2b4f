"""What is compared: one training step of each of these, from the same parameters and data for all contestants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.models import GRU, LSTM, RNN, Conv2D, Dense, Dropout, Flatten, MaxPool2D, Sequential


@dataclass(frozen=True)
class Row:
    """family: what is computed; optimizer: "SGD" (rate 0.01), "Adam" (0.001) or None (loss and gradient only)"""

    name: str
    title: str
    family: str
    optimizer: str | None
    sizes: Mapping[str, Any] = field(hash=False)

    def sized(self, **sizes: Any) -> Row:
        """The same row with other sizes."""
        return replace(self, sizes={**self.sizes, **sizes})


_RNN = {"features": 6, "units": 50, "steps": 100, "batch": 20, "classes": 4}
_LSTM = {"features": 2, "units": 16, "steps": 200, "batch": 32, "classes": 4}
_MLP = {"layers": (784, 512, 512, 10), "batch": 128}
ROWS = {
    row.name: row
    for row in (
        Row("mlp-sgd", "MLP 784-512-512-10, batch 128, SGD", "mlp", "SGD", _MLP),
        Row("mlp-adam", "MLP 784-512-512-10, batch 128, Adam", "mlp", "Adam", _MLP),
        Row("mlp-dropout", "the same with dropout 0.2, Adam", "mlp", "Adam", {**_MLP, "dropout": 0.2}),
        Row("rnn-50", "tanh RNN d=50, T=100, batch 20, SGD", "rnn", "SGD", _RNN),
        Row(
            "rnn-3", "tanh RNN d=3, T=200, batch 32, SGD", "rnn", "SGD",
            {**_RNN, "features": 2, "units": 3, "steps": 200, "batch": 32},
        ),
        Row("lstm-16", "LSTM 16 units, T=200, batch 32, Adam", "lstm", "Adam", _LSTM),
        Row(
            "lstm-128", "LSTM 128 units, T=100, batch 64, Adam", "lstm", "Adam",
            {"features": 32, "units": 128, "steps": 100, "batch": 64, "classes": 4},
        ),
        Row("gru-16", "GRU 16 units, T=200, batch 32, Adam", "gru", "Adam", _LSTM),
        Row(
            "penalized-50", "RNN d=50, T=100, batch 20 with Omega on its adjoints, SGD", "penalized", "SGD",
            {**_RNN, "weight": 0.3, "scale": 0.1},  # adjoints that last: at ‖g‖⁴ < 1e-38 JAX's derivative of a ratio is nan
        ),
        Row("elementwise", "20 elementwise operations on 10^6 values and their gradient", "elementwise", None, {"size": 10**6}),
        Row("lenet", "LeNet-like CNN, 28 x 28, batch 64, SGD", "cnn", "SGD", {"side": 28, "batch": 64, "filters": (6, 16)}),
        Row("adam-update", "Adam update alone, 670,000 values", "adam", "Adam", _MLP),
    )
}  # fmt: skip

# Sizes at which every product is tiny: for tests.
SMALL: dict[str, dict[str, Any]] = {
    "mlp": {"layers": (7, 5, 4, 3), "batch": 6},
    "rnn": {"units": 4, "steps": 3, "batch": 5},
    "penalized": {"units": 4, "steps": 4, "batch": 5},
    "lstm": {"units": 3, "steps": 3, "batch": 5},
    "gru": {"units": 3, "steps": 3, "batch": 5},
    "cnn": {"side": 16, "batch": 3, "filters": (2, 3)},
    "elementwise": {"size": 37},
    "adam": {"layers": (7, 5, 4, 3), "batch": 6},
}


@dataclass(frozen=True)
class Problem:
    """A row in numbers. Inputs are (batch, features), (batch, time, features) or (batch, height, width, channels).

    parameters: by the names of the minigrad model; nobody may write into them
    given:      for the row of an update alone, the gradients
    """

    row: Row
    dtype: np.dtype[Any]
    parameters: dict[str, Any]
    inputs: Any
    targets: Any
    given: dict[str, Any] = field(default_factory=dict)

    def model(self) -> Any:
        """A new minigrad model with these parameters (a Parameter for the elementwise chain)."""
        if self.row.family == "elementwise":
            return mg.Parameter(self.parameters["x"], "x")
        model = MODELS[self.row.family](self.row.sizes, self.dtype)
        model.load_state_dict(self.parameters)
        return model

    def generators(self) -> list[np.random.Generator]:
        """What the dropout of each hidden layer draws from."""
        return [np.random.default_rng(seed) for seed in range(len(self.row.sizes.get("layers", ())) - 2)]


def problem(row: Row, dtype: Any = np.float32, seed: int = 0) -> Problem:
    """Parameters and data of a row, always the same for a seed."""
    rng, sizes, dtype = np.random.default_rng(seed), row.sizes, np.dtype(dtype)
    if row.family == "elementwise":
        x = rng.uniform(-2, 2, sizes["size"]).astype(dtype)
        return Problem(row, dtype, {"x": x}, None, None)
    model = MODELS[row.family](sizes, dtype)
    parameters = {name: _started(parameter.value, rng) for name, parameter in model.named_parameters()}
    if row.family == "adam":
        given = {name: rng.normal(0, 0.01, a.shape).astype(dtype) for name, a in parameters.items()}
        return Problem(row, dtype, parameters, None, None, given)
    classes = next(reversed(parameters.values())).size  # the last bias
    inputs = rng.normal(0, sizes.get("scale", 1), INPUT_SHAPES[row.family](sizes)).astype(dtype)
    return Problem(row, dtype, parameters, inputs, rng.integers(classes, size=sizes["batch"]))


def _started(value: Any, rng: np.random.Generator) -> Any:
    """Weights as the model draws them; biases, which begin at 0, moved so that a mistake in them shows."""
    return value.copy() if value.ndim > 1 else value + rng.normal(0, 0.1, value.shape).astype(value.dtype)


def _mlp(sizes: Mapping[str, Any], dtype: Any) -> Sequential:
    layers: list[Any] = []
    *hidden, last = range(len(sizes["layers"]) - 1)
    for i in hidden:
        layers.append(Dense(sizes["layers"][i], sizes["layers"][i + 1], mg.relu, dtype=dtype, rng=i))
        if "dropout" in sizes:
            layers.append(Dropout(sizes["dropout"], rng=np.random.default_rng(i)))
    return Sequential(*layers, Dense(sizes["layers"][last], sizes["layers"][last + 1], dtype=dtype, rng=last))


def _rnn(sizes: Mapping[str, Any], dtype: Any) -> RNN:
    return RNN(sizes["features"], sizes["units"], sizes["classes"], dtype=dtype, rng=0)


def _lstm(sizes: Mapping[str, Any], dtype: Any) -> Sequential:
    return _read_out(LSTM(sizes["features"], sizes["units"], dtype=dtype, rng=0), sizes, dtype)


def _gru(sizes: Mapping[str, Any], dtype: Any) -> Sequential:
    """PyTorch's and Keras's convention, which all contestants know."""
    layer = GRU(
        sizes["features"], sizes["units"], convention="keep", reset="after", biases=2, dtype=dtype, rng=0
    )  # fmt: skip
    return _read_out(layer, sizes, dtype)


def _read_out(layer: Any, sizes: Mapping[str, Any], dtype: Any) -> Sequential:
    return Sequential(recurrent=layer, readout=Dense(sizes["units"], sizes["classes"], dtype=dtype, rng=1))


def _cnn(sizes: Mapping[str, Any], dtype: Any) -> Sequential:
    first, second = sizes["filters"]
    flat = second * (((sizes["side"] - 4) // 2 - 4) // 2) ** 2
    return Sequential(
        Conv2D(1, first, 5, activation=mg.relu, dtype=dtype, rng=0), MaxPool2D(2),
        Conv2D(first, second, 5, activation=mg.relu, dtype=dtype, rng=1), MaxPool2D(2), Flatten(),
        Dense(flat, 120, mg.relu, dtype=dtype, rng=2), Dense(120, 84, mg.relu, dtype=dtype, rng=3),
        Dense(84, 10, dtype=dtype, rng=4),
    )  # fmt: skip


def _sequences(sizes: Mapping[str, Any]) -> tuple[int, ...]:
    return sizes["batch"], sizes["steps"], sizes["features"]


MODELS: dict[str, Callable[[Mapping[str, Any], Any], Any]] = {
    "mlp": _mlp, "rnn": _rnn, "penalized": _rnn, "lstm": _lstm, "gru": _gru, "cnn": _cnn, "adam": _mlp,
}  # fmt: skip
INPUT_SHAPES: dict[str, Callable[[Mapping[str, Any]], tuple[int, ...]]] = {
    "mlp": lambda sizes: (sizes["batch"], sizes["layers"][0]),
    "rnn": _sequences,
    "penalized": _sequences,
    "lstm": _sequences,
    "gru": _sequences,
    "cnn": lambda sizes: (sizes["batch"], sizes["side"], sizes["side"], 1),
}
