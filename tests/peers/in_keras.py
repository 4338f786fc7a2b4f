"""The blocks in Keras on JAX, as functions of arrays in minigrad's layouts.

The conversion of a layout is part of the function, so JAX's own differentiation brings gradients back into minigrad's.
"""

from __future__ import annotations

import os
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"  # not PyTorch: so there are two independent opinions

import jax
import jax.numpy as jnp
import keras
from keras.src.backend.common.dtypes import BIT64_TO_BIT32_DTYPE

from tests.peers.cases import Case, prefixes

Arrays = dict[str, jax.Array]
VERSIONS = {"keras": keras.__version__, "jax": jax.__version__}

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")
keras.config.set_floatx("float64")
keras.config.set_dtype_policy("float64")
# Without TensorFlow, Keras takes the means, tanh and other functions of float64 in float32, by this table of its own.
assert BIT64_TO_BIT32_DTYPE["float64"] == "float32"
BIT64_TO_BIT32_DTYPE["float64"] = "float64"


def computed(case: Case) -> dict[str, Arrays]:
    """Outputs, gradients of Σ weights · outputs, and where wanted of the squared norm of these."""
    held = {name: jnp.asarray(array) for name, array in case.constants.items()}

    def outputs(given):
        return BLOCKS[case.block](**given, **held, **case.options)

    def total(given):
        found = outputs(given)
        return sum((weights * found[name]).sum() for name, weights in case.weights(found).items())

    def squares(given):
        return sum((g * g).sum() for g in jax.grad(total)(given).values())

    given = {name: jnp.asarray(array) for name, array in case.arguments.items()}
    found = {"outputs": outputs(given), "gradients": jax.grad(total)(given)}
    if case.second:
        found["second"] = jax.grad(squares)(given)
    return found


def called(layer, trained, x, state=(), **options):
    """Output and state of a layer with these parameters in place of its own."""
    if not layer.built:
        layer.build(x.shape)
    others = list(state) or [variable.value for variable in layer.non_trainable_variables]
    shapes = [variable.shape for variable in layer.trainable_variables]
    assert shapes == [array.shape for array in trained], (layer, shapes)
    return layer.stateless_call(list(trained), others, x, **options)


# Layers --------------------------------------------------------------------------------------------------------------


def dense(x, W, b=None, *, activation="linear"):
    layer = keras.layers.Dense(len(W), ACTIVATIONS[activation], use_bias=b is not None)
    return {"y": called(layer, [array for array in (W.T, b) if array is not None], x)[0]}


def conv2d(x, W, b=None, *, stride, padding, dilation=1, groups=1, activation="linear"):
    layer = keras.layers.Conv2D(
        len(W),
        W.shape[1:3],
        stride,
        padding,
        dilation_rate=dilation,
        groups=groups,
        activation=ACTIVATIONS[activation],
        use_bias=b is not None,
        data_format="channels_last",
    )
    kernel = W.transpose(1, 2, 3, 0)  # (height, width, channels, filters)
    return {"y": called(layer, [array for array in (kernel, b) if array is not None], x)[0]}


def conv2d_transpose(x, W, b, *, stride, padding):
    layer = keras.layers.Conv2DTranspose(len(W), W.shape[1:3], stride, padding, data_format="channels_last")
    return {"y": called(layer, [W.transpose(1, 2, 0, 3), b], x)[0]}  # (height, width, filters, channels)


def max_pool2d(x, *, size, stride, padding="valid"):
    return {"y": keras.layers.MaxPooling2D(size, stride, padding, data_format="channels_last")(x)}


def average_pool2d(x, *, size, stride, padding="valid"):
    return {"y": keras.layers.AveragePooling2D(size, stride, padding, data_format="channels_last")(x)}


def batch_norm(x, gamma, beta, running_mean, running_variance, *, training, momentum, eps):
    layer = keras.layers.BatchNormalization(momentum=1 - momentum, epsilon=eps)  # the weight of the old value
    y, (mean, variance) = called(layer, [gamma, beta], x, [running_mean, running_variance], training=training)
    return {"y": y, "running_mean": mean, "running_variance": variance}


def layer_norm(x, gamma, beta, *, eps):
    return {"y": called(keras.layers.LayerNormalization(epsilon=eps), [gamma, beta], x)[0]}


def group_norm(x, gamma, beta, *, n_groups, eps):
    return {"y": called(keras.layers.GroupNormalization(n_groups, epsilon=eps), [gamma, beta], x)[0]}


def embedding(W, indices):
    return {"y": called(keras.layers.Embedding(*W.shape), [W], indices)[0]}


def embedding_bag(W, indices, mask=None, *, how):
    assert how == "mean"
    return {"y": keras.layers.GlobalAveragePooling1D()(embedding(W, indices)["y"], mask=mask)}


# Recurrent nets ------------------------------------------------------------------------------------------------------


def recurrent(
    u, h=None, c=None, mask=None, *, kind, n_layers=1, bidirectional=False, activation="tanh", biases=1, convention="keep",
    reset="after", padding="zeros", **parameters,
):  # fmt: skip
    options = {"reset_after": reset == "after"} if kind == "GRU" else {}
    start = {} if h is None else {"initial_state": [state for state in (h, c) if state is not None]}
    sequence = u
    for cells in prefixes(n_layers, bidirectional):
        n_units = parameters[cells[0] + "W_h"].shape[1]
        layer = getattr(keras.layers, kind)(
            n_units, ACTIVATIONS[activation], use_bias=biases > 0, return_sequences=True, return_state=True, **options
        )
        if bidirectional:
            layer = keras.layers.Bidirectional(layer)
        trained = [array for cell in cells for array in cell_weights(parameters, cell, kind, convention)]
        (sequence, *states), _ = called(layer, trained, sequence, mask=mask, **start)
    per_cell = len(states) // len(cells)
    outputs = {"last": jnp.concatenate(states[::per_cell], axis=-1)}
    if mask is not None and padding == "zeros":
        sequence = jnp.where(mask[:, :, None], sequence, 0)
    outputs = {"sequence": sequence, **outputs}
    if kind == "LSTM" and n_layers == len(cells) == 1:
        outputs["cell"] = states[1]
    return outputs


def cell_weights(parameters, cell, kind, convention):
    """Kernels with inputs first; with two biases, one above the other."""
    weights = [gates(parameters[cell + name], kind, convention).T for name in ("W_x", "W_h")]
    biases = [gates(parameters[cell + name], kind, convention) for name in ("b", "b_h") if cell + name in parameters]
    return weights + ([jnp.stack(biases)] if len(biases) == 2 else biases)


def gates(stacked, kind, convention):
    """i, f, o, g to i, f, g, o;  z, r, g as they are. A z that updates is 1 − a z that keeps: σ(−p) = 1 − σ(p)."""
    if kind == "SimpleRNN":
        return stacked
    if kind == "LSTM":
        i, f, o, g = jnp.split(stacked, 4)
        return jnp.concatenate([i, f, g, o])
    z, r, g = jnp.split(stacked, 3)
    return jnp.concatenate([-z if convention == "update" else z, r, g])


# Functions -----------------------------------------------------------------------------------------------------------


def prelu(x, alpha):
    return called(keras.layers.PReLU(), [alpha], x)[0]


ACTIVATIONS = {
    **{name: getattr(keras.activations, name) for name in (
        "linear", "hard_tanh", "relu", "sigmoid", "tanh", "softsign", "elu", "gelu", "silu", "mish", "softplus", "softmax",
        "log_softmax", "relu6", "hard_sigmoid", "hard_silu", "selu", "celu", "soft_shrink", "hard_shrink", "log_sigmoid",
        "tanh_shrink", "glu",
    )},
    "gelu_tanh": lambda x: keras.activations.gelu(x, approximate=True),
    "sine": keras.ops.sin,
    "arctan": keras.ops.arctan,
    "leaky_relu": lambda x, slope: keras.activations.leaky_relu(x, slope),
    "prelu": prelu,
    "logsumexp": keras.ops.logsumexp,
}  # fmt: skip


def activation(x, *, function, **options):
    return {"y": ACTIVATIONS[function](x, **options)}


LOSSES = {
    "cross_entropy": keras.losses.SparseCategoricalCrossentropy,
    "categorical_cross_entropy": keras.losses.CategoricalCrossentropy,
    "binary_cross_entropy": keras.losses.BinaryCrossentropy,
    "kl_divergence": keras.losses.KLDivergence,
    "huber": keras.losses.Huber,
    "multi_class_hinge": keras.losses.CategoricalHinge,
    "mean_squared_error": keras.losses.MeanSquaredError,
    "mean_absolute_error": keras.losses.MeanAbsoluteError,
    "hinge": keras.losses.Hinge,
}
FROM_LOGITS = {
    "cross_entropy": jax.nn.softmax,
    "categorical_cross_entropy": jax.nn.softmax,
    "binary_cross_entropy": jax.nn.sigmoid,
    "kl_divergence": jax.nn.softmax,
}


def loss(
    outputs,
    targets,
    *,
    function,
    weights=None,
    class_weights=None,
    from_logits=True,
    over_outputs="mean",
    over_examples="mean",
    **options,
):
    assert over_outputs == "mean"  # the only way Keras has
    reduction = {"mean": "mean_with_sample_weight"}.get(over_examples, over_examples)
    if "ignore_index" in options:
        options["ignore_class"] = options.pop("ignore_index")
    if function in FROM_LOGITS and function != "kl_divergence":
        options["from_logits"] = from_logits
    if function == "multi_class_hinge":
        targets = jax.nn.one_hot(targets, outputs.shape[-1])
        outputs = (
            outputs + 8
        )  # Keras takes the right class for 0, which is the largest where all other scores are below 0
    if not from_logits:
        outputs = FROM_LOGITS[function](outputs)
    weights = weights if class_weights is None else class_weights[targets]
    return {"loss": LOSSES[function](reduction=reduction, **options)(targets, outputs, sample_weight=weights)}


FUNCTIONS: list[Any] = [
    dense, conv2d, conv2d_transpose, max_pool2d, average_pool2d, batch_norm, layer_norm, group_norm, embedding, embedding_bag, recurrent, activation, loss,
]  # fmt: skip
BLOCKS = {function.__name__: function for function in FUNCTIONS}
