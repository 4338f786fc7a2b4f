"""The blocks in PyTorch, as functions of arrays in minigrad's layouts.

The conversion of a layout is part of the function, so PyTorch's own differentiation brings gradients back into minigrad's.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch.func import functional_call
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tests.peers.cases import Case, prefixes

Tensors = dict[str, torch.Tensor]
VERSIONS = {"torch": torch.__version__}


def computed(case: Case) -> dict[str, Tensors]:
    """Outputs, gradients of Σ weights · outputs, and where wanted of the squared norm of these."""
    torch.set_num_threads(1)
    given = {name: torch.tensor(array, requires_grad=True) for name, array in case.arguments.items()}
    held = {name: torch.tensor(array) for name, array in case.constants.items()}
    outputs = BLOCKS[case.block](**given, **held, **case.options)
    total = sum((torch.tensor(weights) * outputs[name]).sum() for name, weights in case.weights(outputs).items())
    wanted = list(given.values())
    first = torch.autograd.grad(total, wanted, create_graph=case.second)
    found = {"outputs": outputs, "gradients": dict(zip(given, first, strict=True))}
    if case.second:
        squares = sum((g * g).sum() for g in first)
        second = torch.autograd.grad(squares, wanted, allow_unused=True, materialize_grads=True)
        found["second"] = dict(zip(given, second, strict=True))
    return found


# Layers --------------------------------------------------------------------------------------------------------------


def dense(x, W, b=None, *, activation="linear"):
    return {"y": ACTIVATIONS[activation](F.linear(x, W, b))}


def conv2d(x, W, b=None, *, stride, padding, dilation=1, groups=1, activation="linear"):
    padding = tuple(padding) if isinstance(padding, list) else padding
    y = F.conv2d(channels_first(x), channels_first(W), b, stride, padding, dilation, groups)
    return {"y": ACTIVATIONS[activation](channels_last(y))}


def conv2d_transpose(x, W, b, *, stride, padding, dilation=1, groups=1, output_padding=0):
    padding = 0 if padding == "valid" else padding
    n_filters, *size, channels = W.shape
    by_group = W.reshape(groups, n_filters // groups, *size, channels).permute(0, 4, 1, 2, 3)
    kernels = by_group.reshape(groups * channels, n_filters // groups, *size)  # (in, out / groups, height, width)
    y = F.conv_transpose2d(channels_first(x), kernels, b, stride, padding, output_padding, groups, dilation)
    return {"y": channels_last(y)}


def max_pool2d(x, *, size, stride, padding=0):
    return {"y": channels_last(F.max_pool2d(channels_first(x), size, stride, padding))}


def average_pool2d(x, *, size, stride, padding=0, count_include_pad=False):
    y = F.avg_pool2d(channels_first(x), size, stride, padding, count_include_pad=count_include_pad)
    return {"y": channels_last(y)}


def batch_norm(x, gamma, beta, running_mean, running_variance, *, training, momentum, eps):
    mean, variance = running_mean.clone(), running_variance.clone()
    y = F.batch_norm(x.movedim(-1, 1), mean, variance, gamma, beta, training, momentum, eps).movedim(1, -1)
    return {"y": y, "running_mean": mean, "running_variance": variance}


def layer_norm(x, gamma, beta, *, eps):
    return {"y": F.layer_norm(x, gamma.shape, gamma, beta, eps)}


def group_norm(x, gamma, beta, *, n_groups, eps):
    return {"y": F.group_norm(x.movedim(-1, 1), n_groups, gamma, beta, eps).movedim(1, -1)}


def instance_norm(x, gamma, beta, *, eps):
    return {"y": F.instance_norm(x.movedim(-1, 1), weight=gamma, bias=beta, eps=eps).movedim(1, -1)}


def embedding(W, indices, *, padding_idx=None):
    return {"y": F.embedding(indices, W, padding_idx)}


def embedding_bag(W, indices, mask=None, *, how, padding_idx=None):
    """Bags of several sizes are one list of indices, and where each bag starts."""
    mask = torch.ones_like(indices, dtype=torch.bool) if mask is None else mask
    lengths = mask.sum(1)
    return {"y": F.embedding_bag(indices[mask], W, lengths.cumsum(0) - lengths, mode=how, padding_idx=padding_idx)}


def channels_first(x):
    return x.permute(0, 3, 1, 2)


def channels_last(x):
    return x.permute(0, 2, 3, 1)


# Recurrent nets ------------------------------------------------------------------------------------------------------


def recurrent(
    u, h=None, c=None, mask=None, *, kind, n_layers=1, bidirectional=False, activation="tanh", biases=1, convention="keep",
    reset="after", **parameters,
):  # fmt: skip
    assert reset == "after"
    n_units = parameters[prefixes(n_layers, bidirectional)[0][0] + "W_h"].shape[1]
    options = {"nonlinearity": activation} if kind == "SimpleRNN" else {}
    shape = {"num_layers": n_layers, "bidirectional": bidirectional, "bias": biases > 0, "batch_first": True}
    module = getattr(torch.nn, kind.removeprefix("Simple"))(u.shape[2], n_units, **shape, **options, dtype=u.dtype)
    weights = {}
    for k, layer in enumerate(prefixes(n_layers, bidirectional)):
        for cell, suffix in zip(layer, ("", "_reverse"), strict=False):
            weights |= {
                f"{name}_l{k}{suffix}": array
                for name, array in cell_weights(parameters, cell, kind, convention).items()
            }
    start = None if h is None else h[None] if c is None else (h[None], c[None])
    if mask is None:
        sequence, final = functional_call(module, weights, (u, start))
    else:
        packed = pack_padded_sequence(u, mask.sum(1), batch_first=True, enforce_sorted=False)
        sequence, final = functional_call(module, weights, (packed, start))
        sequence, _ = pad_packed_sequence(sequence, batch_first=True, total_length=u.shape[1])
    final_h = final[0] if kind == "LSTM" else final
    top = final_h[-2:] if bidirectional else final_h[-1:]
    outputs = {"sequence": sequence, "last": torch.cat(tuple(top), dim=-1)}
    if kind == "LSTM" and len(final[1]) == 1:
        outputs["cell"] = final[1][0]
    return outputs


def cell_weights(parameters, cell, kind, convention):
    """Gates in PyTorch's order, and a second bias, 0 where minigrad has one."""
    weights = {"weight_ih": parameters[cell + "W_x"], "weight_hh": parameters[cell + "W_h"]}
    if cell + "b" in parameters:
        b = parameters[cell + "b"]
        weights |= {"bias_ih": b, "bias_hh": parameters.get(cell + "b_h", torch.zeros_like(b))}
    return {name: gates(stacked, kind, convention) for name, stacked in weights.items()}


def gates(stacked, kind, convention):
    """i, f, o, g to i, f, g, o;  z, r, g to r, z, g. A z that updates is 1 − a z that keeps: σ(−p) = 1 − σ(p)."""
    if kind == "SimpleRNN":
        return stacked
    if kind == "LSTM":
        i, f, o, g = stacked.chunk(4)
        return torch.cat([i, f, g, o])
    z, r, g = stacked.chunk(3)
    return torch.cat([r, -z if convention == "update" else z, g])


# Functions -----------------------------------------------------------------------------------------------------------


ACTIVATIONS = {
    "linear": torch.nn.Identity(),
    "hard_tanh": F.hardtanh,
    "relu": F.relu,
    "relu6": F.relu6,
    "hard_sigmoid": lambda x: F.relu6(x + 3) / 6,  # F.hardsigmoid's gradient has the 1/6 of float32
    "hard_silu": F.hardswish,
    "selu": F.selu,
    "celu": F.celu,
    "soft_shrink": lambda x, threshold=0.5: F.softshrink(x, threshold),
    "hard_shrink": lambda x, threshold=0.5: F.hardshrink(x, threshold),
    "log_sigmoid": F.logsigmoid,
    "tanh_shrink": F.tanhshrink,
    "glu": lambda x, axis: F.glu(x, axis),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softsign": F.softsign,
    "elu": F.elu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "sine": torch.sin,
    "arctan": torch.atan,
    "silu": F.silu,
    "mish": F.mish,
    "softplus": F.softplus,
    "leaky_relu": lambda x, slope: F.leaky_relu(x, slope),
    "rrelu": lambda x, lower, upper: F.rrelu(x, lower, upper, training=False),
    "prelu": lambda x, alpha: F.prelu(x, alpha),
    "cardinal_sine": lambda x: torch.sinc(x / torch.pi),  # PyTorch's sinc is sin(πx) / πx
    "softmax": lambda x, axis: F.softmax(x, axis),
    "log_softmax": lambda x, axis: F.log_softmax(x, axis),
    "logsumexp": lambda x, axis: torch.logsumexp(x, axis),
}


def activation(x, *, function, **options):
    return {"y": ACTIVATIONS[function](x, **options)}


def cross_entropy(
    x, targets, *, class_weights=None, mask=None, from_logits=True, over_examples="mean", ignore_index=-100, **smoothed
):
    targets = targets if mask is None else torch.where(mask, targets, ignore_index)
    logits = x if from_logits else torch.log(F.softmax(x, -1))
    loss = F.cross_entropy if from_logits else F.nll_loss
    options = {"ignore_index": ignore_index, "reduction": over_examples, **smoothed}
    return loss(logits.movedim(-1, 1), targets, class_weights, **options)


def categorical_cross_entropy(x, targets, *, over_examples="mean", **smoothed):
    return F.cross_entropy(x, targets, reduction=over_examples, **smoothed)


def kl_divergence(x, targets, *, over_examples="mean", from_logits=True):
    logarithms = F.log_softmax(x, -1) if from_logits else torch.log(F.softmax(x, -1))
    return F.kl_div(logarithms, targets, reduction={"mean": "batchmean"}.get(over_examples, over_examples))


def binary_cross_entropy(
    x, targets, *, weights=None, pos_weight=None, from_logits=True, over_outputs="mean", over_examples="mean"
):
    assert over_outputs == over_examples
    weights = None if weights is None else weights[:, None]
    if from_logits:
        return F.binary_cross_entropy_with_logits(x, targets, weights, pos_weight=pos_weight, reduction=over_examples)
    return F.binary_cross_entropy(torch.sigmoid(x), targets, weights, reduction=over_examples)


def huber(x, targets, *, delta, over_outputs="mean"):
    if over_outputs == "mean":
        return F.huber_loss(x, targets, delta=delta)
    return F.huber_loss(x, targets, reduction="sum", delta=delta) / len(x)


def multi_class_hinge(x, targets, *, margin, over_outputs):
    assert over_outputs == "mean"
    return F.multi_margin_loss(x, targets, margin=margin)


def elementwise(loss):
    def reduced(x, targets, *, over_outputs="mean"):
        return loss(x, targets) if over_outputs == "mean" else loss(x, targets, reduction="sum") / len(x)

    return reduced


LOSSES = {
    "cross_entropy": cross_entropy,
    "categorical_cross_entropy": categorical_cross_entropy,
    "kl_divergence": kl_divergence,
    "binary_cross_entropy": binary_cross_entropy,
    "binary_log_likelihood": lambda x, targets: -F.binary_cross_entropy_with_logits(x, targets),
    "mean_squared_error": elementwise(F.mse_loss),
    "mean_absolute_error": elementwise(F.l1_loss),
    "huber": huber,
    "mean_euclidean_norm": lambda x, targets: F.pairwise_distance(x, targets, eps=0).mean(),
    "squared_error": lambda x, targets: F.mse_loss(x, targets, reduction="sum"),
    "half_least_squares": lambda x, targets: F.mse_loss(x, targets, reduction="sum") / 2,
    "hinge": lambda x, targets, over_outputs: F.margin_ranking_loss(x, torch.zeros_like(x), targets, margin=1),
    "multi_class_hinge": multi_class_hinge,
    "max_margin_ranking": lambda x, corrupt, margin: F.margin_ranking_loss(x, corrupt, torch.ones_like(x), margin),
}


def loss(outputs, *, function, **rest):
    return {"loss": LOSSES[function](outputs, **rest)}


FUNCTIONS: list[Any] = [
    dense, conv2d, conv2d_transpose, max_pool2d, average_pool2d, batch_norm, layer_norm, group_norm, instance_norm,
    embedding, embedding_bag, recurrent, activation, loss,
]  # fmt: skip
BLOCKS = {function.__name__: function for function in FUNCTIONS}
