"""What is computed here and in other libraries: blocks with parameters, inputs and options, in minigrad's layouts."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from minigrad.node import Array

BOTH = ("torch", "keras")
GATES = {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}
CURVE = np.array([-30.0, -2.3, -1.2, -0.6, -0.1, 0.2, 0.7, 1.4, 2.6, 30.0])  # on both sides of every kink, on none


@dataclass(frozen=True)
class Case:
    """A block with everything it is given; `peers` are the libraries that have it.

    arguments: what gradients are taken by, parameters under minigrad's paths
    constants: labels, masks, running statistics
    second:    whether ∂/∂arguments of Σ ‖∂total/∂argument‖² is recorded too
    """

    name: str
    block: str
    arguments: dict[str, Array]
    constants: dict[str, Array] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    peers: tuple[str, ...] = BOTH
    second: bool = True

    def weights(self, outputs: dict[str, Any]) -> dict[str, Array]:
        """What the outputs are multiplied by in the sum that is differentiated; statistics are not part of it."""
        shapes = {name: tuple(y.shape) for name, y in outputs.items() if not name.startswith("running")}
        return normal(f"weights of {self.name}", **shapes)


def normal(name: str, **shapes: tuple[int, ...]) -> dict[str, Array]:
    """Normal numbers of two decimals, and so of few bytes in the recording; a new name changes those of no other."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return {key: np.round(0.6 * rng.normal(size=shape), 2) for key, shape in shapes.items()}


def prefixes(n_layers: int, bidirectional: bool) -> list[list[str]]:
    """The paths of the cells of recurrent layers, by layer and direction."""
    layers = [f"layers.{k}." for k in range(n_layers)] if n_layers > 1 else [""]
    directions = ["ahead.", "back."] if bidirectional else [""]
    return [[f"{layer}{direction}cell." for direction in directions] for layer in layers]


# Layers ------------------------------------------------------------------------------------------------------------


def dense() -> Iterator[Case]:
    sizes: dict[str, Any] = {"x": (4, 3), "W": (2, 3), "b": (2,)}
    yield Case("dense", "dense", normal("dense", **sizes))
    yield Case("dense, tanh", "dense", normal("dense, tanh", **sizes), options={"activation": "tanh"})
    name = "dense, sequences, no bias"
    arguments = normal(name, x=(2, 3, 2), W=(3, 2))
    yield Case(name, "dense", arguments, options={"activation": "sigmoid"})


def convolution() -> Iterator[Case]:
    def case(name: str, n_filters: int, size: tuple[int, int], peers: tuple[str, ...] = BOTH, **options: Any) -> Case:
        channels = 2 // options.get("groups", 1)
        given = normal(name, x=(2, 5, 4, 2), W=(n_filters, *size, channels), b=(n_filters,))
        if not options.pop("bias", True):
            del given["b"]
        return Case(name, "conv2d", given, options=options, peers=peers)

    yield case("conv2d, valid", 2, (3, 2), stride=1, padding="valid")
    yield case("conv2d, valid, strides", 2, (2, 2), stride=[2, 1], padding="valid", activation="tanh")
    yield case("conv2d, same", 3, (3, 3), stride=1, padding="same", activation="relu")
    yield case("conv2d, same, even windows", 1, (2, 4), stride=1, padding="same", bias=False)
    yield case("conv2d, same, strides", 2, (3, 3), ("keras",), stride=[2, 3], padding="same")
    yield case("conv2d, padded by numbers", 2, (3, 3), ("torch",), stride=2, padding=[1, 2])
    yield case("conv2d, dilated", 2, (2, 2), stride=1, padding="valid", dilation=[3, 1])
    yield case("conv2d, dilated, same", 1, (3, 3), stride=1, padding="same", dilation=2)
    yield case("conv2d, groups", 4, (3, 2), stride=2, padding="valid", groups=2)
    yield case("conv2d, groups, dilated", 2, (2, 2), ("torch",), stride=2, padding=1, dilation=2, groups=2)


def transposed() -> Iterator[Case]:
    def case(name: str, n_filters: int, size: tuple[int, int], peers: tuple[str, ...] = BOTH, **options: Any) -> Case:
        channels = 2 // options.get("groups", 1)
        given = normal(name, x=(2, 3, 2, 2), W=(n_filters, *size, channels), b=(n_filters,))
        return Case(name, "conv2d_transpose", given, options=options, peers=peers)

    yield case("conv2d_transpose", 3, (3, 2), stride=1, padding="valid")
    yield case("conv2d_transpose, strides", 2, (3, 2), stride=[2, 1], padding="valid")
    yield case("conv2d_transpose, same", 2, (3, 4), ("keras",), stride=2, padding="same")
    yield case("conv2d_transpose, padded", 2, (3, 3), ("torch",), stride=2, padding=1, output_padding=[1, 0])
    yield case("conv2d_transpose, dilated", 2, (2, 2), ("torch",), stride=1, padding=1, dilation=[2, 3])
    yield case("conv2d_transpose, groups", 4, (3, 2), ("torch",), stride=2, padding=0, groups=2)


def pools() -> Iterator[Case]:
    for block in ("max_pool2d", "average_pool2d"):
        for size, stride in ((2, None), ([3, 2], [2, 1]), ([2, 1], 3)):
            shape = (2, 5, 4, 2)
            name = f"{block}, {size}, stride {stride}"
            x = np.random.default_rng(len(name)).permutation(prod(shape)).reshape(shape) / 10  # no ties
            yield Case(name, block, {"x": x}, options={"size": size, "stride": stride}, second=False)
        x = np.random.default_rng(7).permutation(80).reshape(2, 5, 4, 2) / 10 - 4
        for size, padding, peer in (
            (2, 1, "torch"),
            ([3, 2], [1, 0], "torch"),
            ([3, 2], "same", "keras"),
            (4, "same", "keras"),
        ):
            options = {"size": size, "stride": 2, "padding": padding}
            counts = {"count_include_pad": True} if (block, peer) == ("average_pool2d", "torch") else {}
            yield Case(
                f"{block}, {size}, padding {padding}", block, {"x": x}, {}, options | counts, (peer,), second=False
            )
    options = {"size": 3, "stride": 2, "padding": 1, "count_include_pad": False}
    yield Case("average_pool2d, padding not counted", "average_pool2d", {"x": x}, {}, options, ("torch",), second=False)


def normalization() -> Iterator[Case]:
    shapes = {"1-d": (5, 2), "in time": (3, 2, 2), "per channel": (2, 2, 3, 2)}
    running = {"running_mean": np.array([0.25, -0.5]), "running_variance": np.array([0.5, 1.75])}
    for kind, shape in shapes.items():
        for training in (True, False):
            name = f"batch_norm, {kind}, {'training' if training else 'evaluation'}"
            options = {"training": training, "momentum": 0.25, "eps": 1e-3}
            yield Case(name, "batch_norm", normal(name, x=shape, gamma=(2,), beta=(2,)), running, options)
    for name, shape in (("layer_norm", (3, 4)), ("layer_norm, in time", (2, 2, 3))):
        given = normal(name, x=shape, gamma=shape[-1:], beta=shape[-1:])
        yield Case(name, "layer_norm", given, options={"eps": 1e-3})
    for kind, shape, n_groups in (
        ("images", (2, 2, 3, 4), 2),
        ("in time", (2, 3, 6), 3),
        ("1-d", (3, 4), 2),
        ("all", (2, 3, 2), 1),
    ):
        name = f"group_norm, {kind}"
        given = normal(name, x=shape, gamma=shape[-1:], beta=shape[-1:])
        yield Case(name, "group_norm", given, options={"n_groups": n_groups, "eps": 1e-3})
    given = normal("instance_norm", x=(2, 3, 2, 2), gamma=(2,), beta=(2,))
    yield Case("instance_norm", "instance_norm", given, options={"eps": 1e-3}, peers=("torch",))


def embeddings() -> Iterator[Case]:
    table = normal("embedding", W=(6, 3))
    indices = np.array([[0, 5, 2, 2], [1, 2, 0, 0], [2, 4, 4, 4]])  # 3 is asked for nowhere, 2 in every row
    yield Case("embedding", "embedding", table, {"indices": indices}, second=False)
    padding: dict[str, Any] = {"padding_idx": 2}
    yield Case("embedding, padded", "embedding", table, {"indices": indices}, padding, ("torch",), second=False)
    for how in ("mean", "sum"):
        name, options = f"embedding_bag, {how}, padding index", {"how": how, **padding}
        yield Case(name, "embedding_bag", table, {"indices": indices}, options, ("torch",), second=False)
    padded, empty = (np.arange(4) < np.array(lengths)[:, np.newaxis] for lengths in ([4, 2, 1], [4, 0, 1]))
    for how in ("mean", "sum"):
        for kind, mask, peers in (("", None, BOTH), (", padded", padded, BOTH), (", one empty", empty, ("torch",))):
            constants = {"indices": indices} if mask is None else {"indices": indices, "mask": mask}
            peers = peers if how == "mean" else ("torch",)
            yield Case(
                f"embedding_bag, {how}{kind}", "embedding_bag", table, constants, {"how": how}, peers, second=False
            )


# Recurrent nets ------------------------------------------------------------------------------------------------------


def recurrent() -> Iterator[Case]:
    def case(
        name: str,
        kind: str,
        *,
        constants: dict[str, Array] | None = None,
        peers: tuple[str, ...] = BOTH,
        **options: Any,
    ) -> Case:
        n_inputs, n_units, n_layers = 3, 2, options.get("n_layers", 1)
        bidirectional, biases = options.get("bidirectional", False), options.get("biases", 1)
        sizes: dict[str, Any] = {"u": (2, 4, n_inputs)}
        sizes |= dict.fromkeys(options.pop("state", ""), (2, n_units))
        rows, width = GATES[kind] * n_units, n_inputs
        for layer in prefixes(n_layers, bidirectional):
            for cell in layer:
                sizes |= {f"{cell}W_x": (rows, width), f"{cell}W_h": (rows, n_units)}
                sizes |= {f"{cell}{bias}": (rows,) for bias in ("b", "b_h")[:biases]}
            width = n_units * len(layer)
        return Case(name, "recurrent", normal(name, **sizes), constants or {}, {"kind": kind, **options}, peers)

    peers_gru: dict[str, Any] = {"convention": "keep", "reset": "after", "biases": 2}
    padded = {"mask": np.arange(4) < np.array([[2], [4]])}
    gaps = {"mask": np.array([[True, False, True, False], [False, True, True, True]])}

    yield case("simple_rnn", "SimpleRNN")
    yield case("simple_rnn, relu, initial state", "SimpleRNN", activation="relu", state="h")
    yield case("simple_rnn, padded", "SimpleRNN", constants=padded)
    yield case("lstm", "LSTM")
    yield case("lstm, initial state", "LSTM", state="hc")
    yield case("lstm, padded", "LSTM", constants=padded)
    yield case("lstm, gaps", "LSTM", constants=gaps, peers=("keras",), padding="repeats")
    yield case("lstm, stacked", "LSTM", n_layers=2)
    yield case("lstm, stacked, bidirectional, padded", "LSTM", n_layers=2, bidirectional=True, constants=padded)
    yield case("gru", "GRU", **peers_gru)
    yield case("gru, initial state", "GRU", state="h", **peers_gru)
    yield case("gru, padded", "GRU", constants=padded, **peers_gru)
    yield case("gru, no bias", "GRU", convention="keep", reset="after", biases=0)
    yield case("gru, z updates", "GRU", convention="update", reset="after", biases=2)
    yield case("gru, reset before", "GRU", convention="keep", reset="before", peers=("keras",))
    yield case("gru, reset before, z updates", "GRU", convention="update", reset="before", peers=("keras",))
    yield case("gru, bidirectional", "GRU", bidirectional=True, **peers_gru)
    yield case("gru, stacked, bidirectional", "GRU", n_layers=2, bidirectional=True, **peers_gru)
    yield case("gru, bidirectional, gaps", "GRU", bidirectional=True, constants=gaps, peers=("keras",), **peers_gru)


# Functions -----------------------------------------------------------------------------------------------------------


def activations() -> Iterator[Case]:
    def case(function: str, peers: tuple[str, ...] = BOTH, *, kinked: bool = False, **options: Any) -> Case:
        name = ", ".join([f"activation {function}", *[f"{key} {value}" for key, value in options.items()]])
        return Case(name, "activation", {"x": CURVE}, {}, {"function": function, **options}, peers, not kinked)

    for function in (
        "linear",
        "hard_tanh",
        "relu",
        "relu6",
        "hard_sigmoid",
        "hard_silu",
        "selu",
        "soft_shrink",
        "hard_shrink",
    ):
        yield case(function, kinked=True)
    for function in ("celu", "log_sigmoid", "tanh_shrink"):
        yield case(function)
    yield case("celu", alpha=2.5)
    for function in ("soft_shrink", "hard_shrink"):
        yield case(function, kinked=True, threshold=1.3)
    for function in ("sigmoid", "tanh", "softsign", "elu", "gelu", "gelu_tanh", "sine", "arctan", "silu", "mish"):
        yield case(function)
    yield case("cardinal_sine", ("torch",))
    yield case("softplus")
    yield case("softplus", ("torch",), beta=2.5)
    yield case("elu", alpha=0.5)
    yield case("leaky_relu", kinked=True, slope=0.01)
    yield case("leaky_relu", kinked=True, slope=0.2)
    yield case("rrelu", ("torch",), kinked=True, lower=0.1, upper=0.3)  # in evaluation
    channels = normal("prelu", x=(3, 2), alpha=(2,))
    yield Case("activation prelu, per channel", "activation", channels, options={"function": "prelu"})
    rows = normal("softmax", x=(2, 4))
    for function in ("softmax", "log_softmax", "logsumexp", "glu"):
        yield Case(f"activation {function}", "activation", rows, options={"function": function, "axis": -1})
    images = normal("softmax, over the first axis", x=(3, 2))
    yield Case("activation softmax, axis 0", "activation", images, options={"function": "softmax", "axis": 0})


def losses() -> Iterator[Case]:
    def case(
        function: str,
        kind: str = "",
        shape: tuple[int, ...] = (4, 3),
        peers: tuple[str, ...] = BOTH,
        *,
        second: bool = True,
        options: dict[str, Any] | None = None,
        **constants: Array,
    ) -> Case:
        name = f"loss {function}{kind}"
        given = normal(name, outputs=shape)
        return Case(name, "loss", given, constants, {"function": function, **(options or {})}, peers, second)

    torch, keras = ("torch",), ("keras",)
    classes, several = np.array([2, 0, 0, 1]), np.array([[2, 0], [1, 1]])
    present = np.array([[True, True], [True, False]])
    name = "cross_entropy"
    yield case(name, targets=classes)
    yield case(name, ", in time", (2, 2, 3), targets=several)
    yield case(name, ", padded", (2, 2, 3), torch, targets=several, mask=present)
    yield case(name, ", weights", targets=classes, class_weights=np.array([0.5, 1.0, 2.5]))
    yield case(name, ", sum", targets=classes, options={"over_examples": "sum"})
    yield case(name, ", one by one", targets=classes, options={"over_examples": "none"})
    yield case(name, ", probabilities", targets=classes, options={"from_logits": False})
    yield case(name, ", smoothed", (4, 3), torch, targets=classes, options={"label_smoothing": 0.1})
    ignored = np.array([2, -1, 0, 1])
    yield case(name, ", ignored", targets=ignored, options={"ignore_index": -1})
    yield case(
        name,
        ", ignored, smoothed",
        (4, 3),
        torch,
        targets=ignored,
        options={"ignore_index": -1, "label_smoothing": 0.25},
    )
    soft = np.array([[0.25, 0.25, 0.5], [1.0, 0.0, 0.0], [0.0, 0.75, 0.25], [0.5, 0.5, 0.0]])
    name = "categorical_cross_entropy"
    yield case(name, targets=soft)
    yield case(name, ", sum", targets=soft, options={"over_examples": "sum"})
    yield case(name, ", probabilities", (4, 3), keras, targets=soft, options={"from_logits": False})
    yield case(name, ", weights", (4, 3), keras, targets=soft, weights=np.array([0.5, 0.0, 2.0, 1.0]))
    yield case(name, ", smoothed", targets=soft, options={"label_smoothing": 0.1})
    name = "kl_divergence"
    yield case(name, targets=soft, peers=torch)
    positive = np.array([[0.25, 0.25, 0.5], [0.7, 0.1, 0.2], [0.1, 0.65, 0.25], [0.5, 0.3, 0.2]])  # Keras clips zeros
    yield case(name, ", probabilities", targets=positive, options={"from_logits": False})
    yield case(name, ", sum", (4, 3), torch, targets=positive, options={"over_examples": "sum"})

    answers = np.array([[1.0, 0.0], [0.0, 0.25], [1.0, 1.0]])
    name = "binary_cross_entropy"
    both: dict[str, Any] = {"over_outputs": "sum", "over_examples": "sum"}
    yield case(name, "", (3, 2), targets=answers)
    yield case(name, ", sum, weights", (3, 2), torch, targets=answers, weights=np.array([0.5, 2.0, 1.0]), options=both)
    yield case(name, ", mean, weights", (3, 2), keras, targets=answers, weights=np.array([0.5, 2.0, 1.0]))
    yield case(name, ", probabilities", (3, 2), targets=answers, options={"from_logits": False})
    yield case(name, ", smoothed", (3, 2), keras, targets=answers, options={"label_smoothing": 0.2})
    yield case(name, ", positive weight", (3, 2), torch, targets=answers, pos_weight=np.array([3.0, 0.5]))
    yield case("binary_log_likelihood", "", (3, 2), torch, targets=answers)

    numbers: dict[str, Any] = normal("targets", targets=(4, 3))
    summed = {"over_outputs": "sum"}
    for name, smooth in (("mean_squared_error", True), ("mean_absolute_error", False)):
        yield case(name, second=smooth, **numbers)
        yield case(name, ", sum over outputs", (4, 3), torch, second=smooth, options=summed, **numbers)
        yield case(name, ", one by one", (4, 3), keras, second=smooth, options={"over_examples": "none"}, **numbers)
        yield case(name, ", weights", (4, 3), keras, second=smooth, weights=np.array([0.5, 0.0, 2.0, 1.0]), **numbers)
    for delta in (1.0, 0.25):
        yield case("huber", f", {delta}", second=False, options={"delta": delta}, **numbers)
    yield case("huber", ", sum over outputs", (4, 3), torch, second=False, options=summed | {"delta": 0.5}, **numbers)
    yield case("mean_euclidean_norm", "", (4, 3), torch, **numbers)
    yield case("squared_error", "", (3,), torch, targets=numbers["targets"][0])
    yield case("half_least_squares", "", (4, 3), torch, **numbers)

    signs = np.array([[1.0, -1.0], [-1.0, -1.0], [1.0, 1.0]])
    yield case("hinge", "", (3, 2), second=False, targets=signs, options={"over_outputs": "mean"})
    yield case(
        "hinge", ", 0 and 1", (3, 2), keras, second=False, targets=(signs + 1) / 2, options={"over_outputs": "mean"}
    )
    yield case("multi_class_hinge", "", (4, 3), keras, second=False, targets=classes)
    for margin in (1.0, 0.25):
        options = {"over_outputs": "mean", "margin": margin}
        yield case("multi_class_hinge", f", {margin}", (4, 3), torch, second=False, targets=classes, options=options)
    pairs = normal("pairs", outputs=(5,), corrupt=(5,))
    for margin in (1.0, 0.5):
        options = {"function": "max_margin_ranking", "margin": margin}
        yield Case(f"loss max_margin_ranking, {margin}", "loss", pairs, {}, options, torch, second=False)


CASES = [
    *dense(), *convolution(), *transposed(), *pools(), *normalization(), *embeddings(), *recurrent(), *activations(), *losses(),
]  # fmt: skip
