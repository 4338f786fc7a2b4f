"""Values and gradients against what PyTorch and Keras computed from the same float64 numbers: see record.py.

Layouts are converted where the peers are called. What else differs by convention:

* BatchNorm: the running variance takes the unbiased estimate here and in PyTorch, the biased one in Keras (`as_keras`).
  `momentum` is the weight of the new value here and in PyTorch, that of the old one in Keras, whose ε is 1e-3 by default
  (1e-5 here and in PyTorch). ε stands beside the variance, under the root, in all three; so it does in LayerNorm.
* LSTM: rows i, f, o, g here, i, f, g, o there. PyTorch has a second bias, which adds nothing: it is 0 in the recording.
* GRU: rows z, r, g here and in Keras, r, z, g in PyTorch. `convention="keep", reset="after", biases=2` is PyTorch's cell, and
  Keras's; `reset="before"` is Keras's reset_after=False. What updates here keeps there when the rows of z change sign.
* Padded steps repeat the output before them here and in Keras, but are 0 in Keras's Bidirectional and in PyTorch: they are
  compared where only Keras computed, one direction (`padding="repeats"`), and are set to 0 everywhere else.
* Cross-entropy: PyTorch weights classes and divides by the sum of weights, as the mean over weighted examples does here
  and Keras's "mean_with_sample_weight" does (Keras divides by the batch size by default). `ignore_index` is the mask.
  Keras divides probabilities by their sum before the logarithm, so gradients agree along distributions, not across:
  there the probabilities are the softmax of the argument.
* Hinge: Keras takes targets 0 as −1; "zero_one" here takes them literally (`2 * targets - 1` is Keras's reading). Keras takes
  means over outputs, where the sum is the default here.
* Multi-class hinge: "max" is Keras's CategoricalHinge where some wrong score is above 0 (Keras takes the largest of them and
  0), "mean" PyTorch's multi_margin_loss. KL divergence: Keras and PyTorch take probabilities and logarithms; PyTorch's
  "batchmean" is the mean here. Keras clips probabilities below 1e-7, targets too.
* Conv2D's "same" puts the odd zero at the bottom and right in all three. Conv2DTranspose has its outputs first in W, (n_filters,
  height, width, n_channels / groups), like all weights here; PyTorch and Keras have them third.
* An average pool counts the entries of the image in a window, as Keras does; PyTorch counts the zeros around it too unless
  count_include_pad=False.
* Kinks, where no case lies: hard_tanh' at ±1 is 1 here and in Keras, 0 in PyTorch, as are relu6' at 6 and 6 hard_sigmoid' at
  ±3; leaky_relu' at 0 is the slope here and in
  PyTorch, 1 in Keras; |e|' at 0 is 0 here and in PyTorch, −1 or 1 in Keras on JAX. relu' at 0 is 0, and the first of equal
  maxima in a pool takes all, in all three.
* leaky_relu: slope 0.01 here and in PyTorch, 0.2 in Keras. `cardinal_sine` is sin(x) / x, PyTorch's sinc is sin(πx) / πx.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import models
from minigrad.models import Bidirectional, Stacked, losses
from tests.peers import cases

RECORDING = json.loads(Path(__file__).with_name("recorded.json").read_text("utf-8"))
CASES = RECORDING["cases"]
COMPARED = [(name, peer) for name, case in CASES.items() for peer in case["peers"]]

# What the libraries lack, or have without a derivative: binary_step (PyTorch's heaviside).
OURS_ALONE = {
    "binary_step", "isru", "isrlu", "sqnl", "bent_identity", "soft_exponential", "soft_clipping", "gaussian",
}  # fmt: skip


def arrays(named):
    return {name: np.array(numbers) for name, numbers in named.items()}


def put(module, parameters):
    """The module with the given nodes as its parameters, by path: all that are trained, and no others."""
    paths = {path for path, parameter in module.named_parameters() if parameter.trainable}
    assert paths <= parameters.keys(), (paths, list(parameters))
    for path, parameter in parameters.items():
        *through, name = path.split(".")
        owner = module
        for step in through:
            owner = owner[int(step)] if step.isdecimal() else getattr(owner, step)
        assert getattr(owner, name).shape == parameter.shape
        setattr(owner, name, parameter)
    return module


# Blocks as the recording names them ----------------------------------------------------------------------------------


def activation_of(name):
    return None if name is None else mg.activations()[name]


def dense(x, *, activation=None, **parameters):
    n_outputs, n_inputs = parameters["W"].shape
    layer = models.Dense(n_inputs, n_outputs, activation_of(activation), bias="b" in parameters, dtype=np.float64)
    return {"y": put(layer, parameters)(x)}


def conv2d(x, *, stride, padding, activation=None, **given):
    return {"y": sliding(models.Conv2D, x, given, stride, padding, activation=activation_of(activation))}


def conv2d_transpose(x, *, stride, padding, **given):
    return {"y": sliding(models.Conv2DTranspose, x, given, stride, padding)}


def sliding(layer, x, given, *arguments, **options):
    parameters = {name: given.pop(name) for name in ("W", "b") if name in given}
    n_filters, *size, n_channels = parameters["W"].shape
    sizes = (n_channels * given.get("groups", 1), n_filters, size)
    return put(layer(*sizes, *arguments, bias="b" in parameters, dtype=np.float64, **options, **given), parameters)(x)


def max_pool2d(x, **options):
    return {"y": models.MaxPool2D(**options)(x)}


def average_pool2d(x, **options):
    return {"y": models.AveragePool2D(**options)(x)}


def batch_norm(x, running_mean, running_variance, *, training, momentum, eps, **parameters):
    layer = put(models.BatchNorm(x.shape[-1], momentum, eps, dtype=np.float64), parameters)
    layer.running_mean.value = running_mean
    layer.running_variance.value = running_variance
    y = (layer.train() if training else layer.eval())(x)
    return {"y": y, "running_mean": layer.running_mean, "running_variance": layer.running_variance}


def layer_norm(x, *, eps, **parameters):
    return {"y": put(models.LayerNorm(x.shape[-1], eps, dtype=np.float64), parameters)(x)}


def group_norm(x, *, n_groups, eps, **parameters):
    return {"y": put(models.GroupNorm(x.shape[-1], n_groups, eps, dtype=np.float64), parameters)(x)}


def instance_norm(x, *, eps, **parameters):
    return {"y": put(models.InstanceNorm(x.shape[-1], eps, dtype=np.float64), parameters)(x)}


def embedding(indices, *, padding_idx=None, **parameters):
    layer = models.Embedding(*parameters["W"].shape, padding_idx=padding_idx, dtype=np.float64)
    return {"y": put(layer, parameters)(indices)}


def embedding_bag(indices, mask=None, *, how, padding_idx=None, **parameters):
    layer = models.EmbeddingBag(*parameters["W"].shape, how, padding_idx=padding_idx, dtype=np.float64)
    layer = put(layer, parameters)
    return {"y": layer(indices, mask)}


def recurrent(
    u, h=None, c=None, mask=None, *, kind, n_layers=1, bidirectional=False, activation="tanh", padding="zeros", **given
):
    parameters = {name: given.pop(name) for name in list(given) if isinstance(given[name], mg.Node)}
    n_units = next(parameter.shape[1] for path, parameter in parameters.items() if path.endswith("W_h"))

    def one(n_inputs):
        return getattr(models, kind)(n_inputs, n_units, activation_of(activation), dtype=np.float64, **given)

    def layer(n_inputs):
        return Bidirectional(one(n_inputs), one(n_inputs)) if bidirectional else one(n_inputs)

    width = n_units * (2 if bidirectional else 1)
    layers = [layer(u.shape[2]), *[layer(width) for _ in range(n_layers - 1)]]
    net = Stacked(layers) if n_layers > 1 else layers[0]
    state = tuple([part for part in (h, c) if part is not None]) or None
    steps = put(net, parameters).states(u, state, mask)
    sequence = np.stack(steps, axis=1)
    if mask is not None and padding == "zeros":
        sequence = np.where(mask[:, :, np.newaxis], sequence, 0)
    outputs = {"sequence": sequence, "last": steps.last}
    return outputs | ({"cell": steps.final[1]} if kind == "LSTM" and isinstance(net, models.LSTM) else {})


def activation(x, *, function, **options):
    f = {"softmax": mg.softmax, "log_softmax": mg.log_softmax, "logsumexp": mg.logsumexp, "glu": mg.glu}.get(function)
    return {"y": (f or mg.activations()[function])(x, **options)}


def loss(outputs, corrupt=None, *, function, class_weights=None, targets=None, **options):
    if not options.get("from_logits", True):
        outputs = mg.sigmoid(outputs) if function.startswith("binary") else mg.softmax(outputs)
    if class_weights is not None:
        options["weights"] = class_weights[targets]
    if function == "hinge" and 0 in targets:
        targets = 2 * targets - 1
    return {"loss": getattr(losses, function)(outputs, corrupt if targets is None else targets, **options)}


FUNCTIONS = [
    dense, conv2d, conv2d_transpose, max_pool2d, average_pool2d, batch_norm, layer_norm, group_norm, instance_norm,
    embedding, embedding_bag, recurrent, activation, loss,
]  # fmt: skip
BLOCKS = {function.__name__: function for function in FUNCTIONS}


# The comparison ------------------------------------------------------------------------------------------------------


def computed(case):
    """What record.py has of the peers: outputs, gradients, and the gradients of their squared norm."""
    given = {name: mg.Parameter(array, name=name) for name, array in arrays(case["arguments"]).items()}
    outputs = BLOCKS[case["block"]](**given, **arrays(case["constants"]), **case["options"])
    total = sum((weights * outputs[name]).sum() for name, weights in arrays(case["weights"]).items())
    inputs = list(given.values())
    first = mg.gradients(total, inputs)
    second = mg.gradients(sum((g * g).sum() for g in first), inputs)
    return {
        "outputs": outputs,
        "gradients": dict(zip(given, first, strict=True)),
        "second": dict(zip(given, second, strict=True)),
    }


def as_keras(new_variance, case):
    """The running variance as Keras has it: what the batch adds is Σ (x − μ)² / m, not Σ (x − μ)² / (m − 1)."""
    if not case["options"]["training"]:
        return new_variance
    kept = (1 - case["options"]["momentum"]) * np.array(case["constants"]["running_variance"])
    m = np.prod(np.shape(case["arguments"]["x"])[:-1])
    return kept + (new_variance - kept) * (m - 1) / m


@pytest.mark.parametrize(("name", "peer"), COMPARED, ids=[f"{peer}: {name}" for name, peer in COMPARED])
def test_the_same_numbers_as(name, peer):
    case = CASES[name]
    found = computed(case)
    recorded = case["peers"][peer]
    assert recorded.keys() >= {"outputs", "gradients"}
    assert recorded["gradients"].keys() == case["arguments"].keys()
    for kind, expected in recorded.items():
        assert expected.keys() == found[kind].keys()
        for key, numbers in expected.items():
            value = found[kind][key].value
            if (peer, key) == ("keras", "running_variance"):
                value = as_keras(value, case)
            assert value.shape == np.shape(numbers)
            np.testing.assert_allclose(value, numbers, rtol=1e-10, atol=1e-11, err_msg=f"{kind} {key}")


# The recording -------------------------------------------------------------------------------------------------------


def named(block):
    return {case["options"]["function"] for case in CASES.values() if case["block"] == block}


def test_the_recording_is_that_of_the_cases():
    shown = {name: (case["block"], case["options"], list(case["peers"])) for name, case in CASES.items()}
    assert shown == {case.name: (case.block, case.options, list(case.peers)) for case in cases.CASES}
    for case in cases.CASES:
        assert CASES[case.name]["arguments"].keys() == case.arguments.keys()
        assert ["second" in found for found in CASES[case.name]["peers"].values()] == [case.second] * len(case.peers)


def test_the_recording_is_complete():
    assert {case["block"] for case in CASES.values()} == BLOCKS.keys()
    assert {peer for _, peer in COMPARED} == {"torch", "keras"}
    assert RECORDING["versions"].keys() == {"numpy", "torch", "keras", "jax"}
    assert not [name for name, case in CASES.items() if not case["peers"]]


def test_every_activation_and_loss_is_compared_or_ours_alone():
    assert set(mg.activations().keys()) - OURS_ALONE == named("activation") - {
        "softmax",
        "log_softmax",
        "logsumexp",
        "glu",
    }
    functions = {name for name, f in vars(losses).items() if getattr(f, "__module__", "") == losses.__name__}
    assert named("loss") == {name for name in functions if name[0].islower()}


def test_a_number_that_differs_is_noticed():
    case = CASES["gru"]
    changed = case | {"options": case["options"] | {"reset": "before"}}
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(
            computed(changed)["outputs"]["last"].value, case["peers"]["torch"]["outputs"]["last"], 1e-10
        )
