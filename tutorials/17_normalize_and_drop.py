# rows: THY-19 THY-20 THY-21
# %% [markdown]
# # Normalize and drop: layers that act otherwise in training
#
# Two layers do one thing while a net is trained and another when it is used. Which one makes an example depend on its
# neighbors, and which one trains sixteen nets at once?
#
# You will multiply weights by 10 without a change of the output, choose between BatchNorm and LayerNorm, and compute by
# hand the ensemble that dropout stands for.
#
# Before: [lesson 5](05_softmax_and_its_loss.py) for softmax, [lesson 15](15_fit_not_memorize.py) for what dropout is good
# for.

# %%
from itertools import product

import numpy as np

import check
import minigrad as mg
from minigrad.models import (
    BatchNorm,
    Dense,
    Dropout,
    LayerNorm,
    Sequential,
    datasets,
    losses,
)
from minigrad.optim import SGD, figures, fit

digits = datasets.digits().train
images = digits.inputs[:640].reshape(640, 64)
classes = digits.targets[:640]

# %% [markdown]
# ## See it
#
# Five layers learn digits, once as they are and once with a BatchNorm before each tanh. After every epoch we also look at
# what the last tanh is given: how far the mean of a unit has moved since the epoch before, in units of its deviation.


# %% tags=["fold"]
def trained(normalize):
    """The losses, and how far the inputs of the last tanh moved, by epoch."""
    parts, n, seen = [], 64, []
    for i in range(4):
        parts.append(Dense(n, 32, rng=i, bias=not normalize))
        parts += [BatchNorm(32)] if normalize else []
        parts.append(np.tanh)
        n = 32
    net = Sequential(*parts, Dense(32, 10, rng=9))

    def look(model, history):
        before_tanh = Sequential(*parts[:-1]).eval()(images).value
        seen.append((before_tanh.mean(axis=0), before_tanh.std(axis=0)))
        model.train()

    history = fit(
        net,
        images,
        classes,
        loss=losses.cross_entropy,
        optimizer=SGD(net.parameters(), 0.1),
        epochs=16,
        batch_size=64,
        callbacks=[look],
        quiet=True,
    )
    moved = [
        np.mean(np.abs(after - before) / deviation)
        for (before, deviation), (after, _) in zip(seen, seen[1:], strict=False)
    ]
    return history["loss"], moved


runs = {"plain": trained(False), "BatchNorm": trained(True)}
for name, (loss, moved) in runs.items():
    first = int(np.argmax(np.array(loss) < 0.5)) + 1
    print(f"{name:9s} loss below 0.5 in epoch {first},", end=" ")
    print(f"a mean moves by {np.mean(moved):.2f} deviations per epoch")

# %% tags=["figure"] alt="Left, the loss over 16 epochs: with BatchNorm it falls below 0.5 in epoch 4, without in epoch 10. Right, on a log scale, how far the mean before the last tanh moves per epoch: with BatchNorm less at every epoch, by factors of two to ten."
left, right = figures.panels(2, xlabel="epoch")
figures.lines(
    {name: (range(1, 17), loss) for name, (loss, _) in runs.items()},
    ax=left,
    ylabel="loss",
)
figures.lines(
    {name: (range(2, 17), moved) for name, (_, moved) in runs.items()},
    ax=right,
    yscale="log",
    ylabel="deviations moved",
)
picture = left.figure
picture

# %% [markdown]
# (Run as a script, the lesson prints; `figures.save(figure, "picture.svg")` writes a picture.)
#
# A layer learns while the layers before it change what it is given. This is called *internal covariate shift*. BatchNorm
# holds it down, and at the same rate the net needs fewer epochs. Whether the one is the reason of the other is disputed;
# both are measured here.
#
# ## What BatchNorm does
#
# For each feature, with m and v the mean and the variance over the batch:
#
# $$\hat{x} = \frac{x - m}{\sqrt{v + \epsilon}} \qquad y = \gamma \hat{x} + \beta$$
#
# γ and β are trained, so that the layer can still give any mean and deviation. In evaluation m and v are running averages
# from training. ε keeps the root from 0; here we make it so small that it does not count.

# %%
rng = np.random.default_rng(0)
x, adjoint = rng.normal(size=(8, 4)), rng.normal(size=(8, 3))
W = rng.normal(size=(3, 4))


def through(norm, c=1.0, b=0.0):
    """y = norm(c W x + b), and its gradients by c W and b."""
    weights, bias = mg.Parameter(c * W), mg.Parameter(np.full(3, b))
    y = norm(x @ weights.T + bias)
    of_W, of_b = mg.gradients(y, [weights, bias], adjoint=adjoint)
    return y.value, of_W.value, of_b.value


norm = BatchNorm(3, eps=1e-300, dtype=np.float64)
y, of_W, of_b = through(norm)
a = x @ W.T
by_hand = (a - a.mean(axis=0)) / a.std(axis=0)
gap = np.abs(y - by_hand).max()
print(f"by hand and by engine: difference below 1e-13: {gap < 1e-13}")

# %% [markdown] tags=["predict"]
# ## Predict, then run
#
# All weights before the BatchNorm are multiplied by 10. What becomes of the gradient of the loss by these weights?
#
# - It is 10 times as large: what flows back through larger weights is larger.
# - It is the same, since the output is the same.
# - It is a tenth.
# - It is 0, since the scale has no effect.

# %%
y10, of_W10, _ = through(norm, c=10.0)
print(f"output: largest change below 1e-14: {np.abs(y10 - y).max() < 1e-14}")
print(f"largest |gradient|: {np.abs(of_W).max():.4f}", end=" ")
print(f"becomes {np.abs(of_W10).max():.5f}")

# %% [markdown] tags=["answer"]
# A tenth. With f(W) = f(cW) for all W, the chain rule says f′(W) = c f′(cW): the same absolute step changes ten times
# larger weights ten times less. The first answer thinks of the adjoint at the input of a plain linear layer, Wᵀȳ. The second
# forgets that the same output is now a function of other numbers. The fourth holds along one direction only: the gradient
# by a row of W has no part along this row.

# %% tags=["figure"] alt="The norm of the gradient by W over its scale c from 0.1 to 100, both axes logarithmic: with BatchNorm a falling line of slope -1, without a level line."
scales = np.logspace(-1, 2, 7)
norms = {
    "BN(cWx)": [np.linalg.norm(through(norm, c)[1]) for c in scales],
    "cWx": [np.linalg.norm(through(lambda a: a, c)[1]) for c in scales],
}
figures.lines(
    {name: (scales, found) for name, found in norms.items()},
    xscale="log",
    yscale="log",
    xlabel="scale c of the weights",
    ylabel="norm of the gradient by cW",
    ends=True,
)

# %% [markdown]
# Initial weights that are too large do not saturate what comes behind a BatchNorm. But they train more slowly: steps are c
# times smaller, on weights c times larger.
#
# Three more facts. A bias before the layer goes away with the mean, and its gradient is 0: leave it out, β does its work.
# In training the same example has another output in another batch, which acts like noise; for the same reason an
# adjoint at one example goes back to all of the batch, and the layer is not affine. With running averages it is.

# %%
shifted, _, of_b = through(norm, b=7.0)
change = np.abs(shifted - y).max()
print(f"a bias of 7 changes the output by less than 1e-13: {change < 1e-13}")
print(f"and has a gradient below 1e-13: {np.abs(of_b).max() < 1e-13}")

fresh = BatchNorm(3, dtype=np.float64)
one, other = fresh(a[:4]).value[0], fresh(a[[0, 5, 6, 7]]).value[0]
print("example 0 in two batches:", one.round(2), other.round(2))

batch = mg.Input(a)
(of_batch,) = mg.gradients((norm(batch)[0] ** 2 * [1, 2, 3]).sum(), [batch])
print("adjoint of example 0's output at each example:")
print(np.linalg.norm(of_batch.value, axis=1).round(3))


def beyond_linear(f):
    """The largest |f(a + b) − f(a) − f(b) + f(0)|: 0 where f is affine."""
    b = 3 * a[::-1]
    return np.abs((f(a + b) - f(a) - f(b) + f(0 * a)).value).max()


in_training, frozen = beyond_linear(fresh), beyond_linear(fresh.eval())
print(f"from affine: {in_training:.1f} in training,", end=" ")
print(f"below 1e-13 with running averages: {frozen < 1e-13}")

# %% row="THY-19"
np.testing.assert_allclose(y10, y, rtol=0, atol=1e-14)
np.testing.assert_allclose(of_W10, of_W / 10, rtol=1e-9, atol=1e-13)
assert abs((of_W * W).sum(axis=1)).max() < 1e-12  # no part along W
assert gap < 1e-13 and change < 1e-13 and np.abs(of_b).max() < 1e-13
assert np.abs(one - other).max() > 0.1 and np.abs(of_batch.value).min() > 0
assert in_training > 0.5 and frozen < 1e-13
(loss, moved), (normalized_loss, normalized_moved) = runs.values()
assert min(normalized_loss[:5]) < 0.5 < min(loss[:8])  # fewer epochs
assert np.mean(normalized_moved) < 0.5 * np.mean(moved)

# %% [markdown]
# ## BatchNorm or LayerNorm
#
# LayerNorm takes mean and variance over the features of one example. Nothing else differs:
#
# | question | BatchNorm | LayerNorm |
# | --- | --- | --- |
# | mean and variance over | the batch, for each feature | the features, for each example |
# | batch of 1 in training | fails: all outputs are β | works |
# | training and evaluation | differ: running averages | are the same |
# | examples | coupled | independent |
# | trained numbers | 2 per feature | 2 per feature |
# | used in | convolutional nets, large batches | recurrent nets, transformers, small batches |
#
# Where it breaks: one example is its own mean, so x − m = 0, whatever x is.

# %%
single = a[:1]
beta, gamma = np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 3.0])
degenerate = (
    gamma * (single - single.mean(0)) / np.sqrt(single.var(0) + 1e-5) + beta
)
print("BatchNorm by hand, batch of 1:", degenerate)
layer = LayerNorm(3, dtype=np.float64)
layer.gamma.value, layer.beta.value = gamma, beta
alone = layer(single).value
hat = (single - single.mean(1)) / np.sqrt(single.var(1) + 1e-5)
print("LayerNorm by engine          :", alone.round(3))
print("LayerNorm by hand            :", (gamma * hat + beta).round(3))
try:
    refusal = fresh.train()(single)
except ValueError as error:
    refusal = str(error)
print(refusal.split(": ")[1])
print("BatchNorm, batch of 2:", fresh(a[:2]).value.round(2).tolist())

# %% [markdown]
# The engine refuses: nothing could be learned. A batch of 2 is hardly better: of two numbers one is always at +1 and
# the other at −1. Another symptom you may meet: a net that is good in training and bad in use, because nobody called
# `eval()`.

# %% row="THY-20"
assert (degenerate == beta).all() and "batches of 2 or more" in refusal
np.testing.assert_allclose(alone, gamma * hat + beta, rtol=1e-12)
np.testing.assert_allclose(layer(a).value[:1], alone, rtol=1e-12)
np.testing.assert_array_equal(layer.eval()(a).value[:1], alone)
np.testing.assert_allclose(np.abs(fresh(a[:2]).value), 1, atol=1e-3)
assert np.abs(fresh(a).value - fresh.eval()(a).value).max() > 0.1  # two modes
assert sum(p.size for p in layer.parameters()) == 6

# %% [markdown]
# ## Dropout trains many nets
#
# Dropout sets each input of a layer to 0 with probability `rate`, and divides the rest by 1 − rate. With four inputs there
# are 2⁴ = 16 masks, so 16 *sub-models*. They share one set of weights: each step trains the one that was drawn, and the
# net has no parameter more than without dropout. Averaging models that were trained on different draws is called
# *bagging*; here the draws are of units.
#
# In use all inputs stay. For softmax regression this is the geometric mean of all 16, and exactly so:

# %%
rng = np.random.default_rng(4)
softmax = Dense(4, 3, rng=5, dtype=np.float64)
softmax.W.value *= 2
net = Sequential(Dropout(0.5, rng=6), softmax)
u = rng.normal(size=4)


def probabilities(u):
    scores = u @ softmax.W.value.T + softmax.b.value
    return np.exp(scores) / np.exp(scores).sum()


masks = np.array(list(product([0, 1], repeat=4)))
sub_models = np.array([probabilities(u * mask / 0.5) for mask in masks])
geometric = np.exp(np.log(sub_models).mean(axis=0))
geometric /= geometric.sum()
in_use = mg.softmax(net.eval()(u[None])).value[0]
arithmetic = sub_models.mean(axis=0)
print("geometric mean:", geometric.round(4))
print("in use        :", in_use.round(4))
print(f"difference below 1e-12: {np.abs(geometric - in_use).max() < 1e-12}")
print(f"arithmetic mean: off by {np.abs(arithmetic - in_use).max():.2f}")

# %% tags=["figure"] alt="Sixteen bars, the probability of class 0 in each sub-model in rising order, from 0.004 to 0.48. All sub-models that keep input 1 are below 0.03. A dashed line at 0.07 marks what the whole net says in use, their geometric mean."
ax = figures.axes(xlabel="inputs kept", ylabel="probability of class 0")
order = sub_models[:, 0].argsort()
ax.bar(range(16), sub_models[order, 0], color="#0072b2", width=0.7)
ax.axhline(in_use[0], color="#d55e00", linestyle="--")
ax.annotate("in use", (-0.5, in_use[0] + 0.02), color="#d55e00")
names = [
    "".join(str(i + 1) for i in range(4) if mask[i]) or "–"
    for mask in masks[order]
]
ax.set_xticks(range(16), names, rotation=90)
ax.figure

# %% [markdown]
# Why: the logarithm of a softmax is linear in its scores up to a constant, and the mean of all masked inputs, divided by
# 0.5, is the input. Behind a hidden layer it is an approximation.

# %%
hidden = Dense(4, 4, np.tanh, rng=7, dtype=np.float64)
hidden.W.value *= 2
deep = np.array(
    [probabilities(hidden((u * mask / 0.5)[None]).value[0]) for mask in masks]
)
deep_mean = np.exp(np.log(deep).mean(axis=0))
deep_mean /= deep_mean.sum()
deep_gap = np.abs(deep_mean - probabilities(hidden(u[None]).value[0])).max()
print(f"through a hidden layer: off by {deep_gap:.3f}")

net.train()
loss = losses.cross_entropy(net(u[None]), np.array([0]))
loss.backward()
still = (softmax.W.grad == 0).all(axis=0)
print("columns of W that this step does not train:", np.flatnonzero(still) + 1)
print("parameters:", sum(p.size for p in net.parameters()))

# %% row="THY-21"
assert len(sub_models) == 2**4
assert np.abs(geometric - in_use).max() < 1e-12
assert np.abs(arithmetic - in_use).max() > 0.01
assert 1e-3 < deep_gap < 0.2
assert 0 < still.sum() < 4
assert sub_models[masks[:, 0] == 1, 0].max() < 0.03
sizes = [sum(p.size for p in model.parameters()) for model in (net, softmax)]
assert sizes == [15, 15]

# %% [markdown] tags=["exercise"]
# ## Exercise 1: by hand
#
# Write the adjoint of a BatchNorm's input in training, with γ = 1 and ε = 0, for an adjoint ȳ of its output. The mean and
# the deviation depend on x too. On paper it comes to (ȳ − mean(ȳ) − x̂ · mean(ȳ x̂)) / σ, with means over the batch.


# %% tags=["exercise"]
def back(x, y_bar):
    return None


# %% tags=["solution"]
def back(x, y_bar):
    sigma = x.std(axis=0)
    hat = (x - x.mean(axis=0)) / sigma
    return (y_bar - y_bar.mean(0) - hat * (y_bar * hat).mean(0)) / sigma


# %% tags=["check"]
node = mg.Input(a)
(expected,) = mg.gradients(norm.train()(node), [node], adjoint=adjoint)
check.same(back(a, adjoint), expected.value, "back(a, adjoint)")

# %% [markdown] tags=["exercise"]
# ## Exercise 2: change it
#
# At a rate of 0.25 the masks are not equally likely: one that keeps k of 4 inputs has the probability
# 0.75ᵏ · 0.25⁴⁻ᵏ. Write the geometric mean with these weights: exp(Σ weight · ln p), made to sum to 1.


# %% tags=["exercise"]
def bagged(u, rate):
    return None


# %% tags=["solution"]
def bagged(u, rate):
    total = np.zeros(3)
    for mask in masks:
        k = mask.sum()
        weight = (1 - rate) ** k * rate ** (4 - k)
        total += weight * np.log(probabilities(u * mask / (1 - rate)))
    return np.exp(total) / np.exp(total).sum()


# %% tags=["check"]
net = Sequential(Dropout(0.25), softmax).eval()
expected = mg.softmax(net(u[None])).value[0]
check.same(bagged(u, 0.25), expected, "bagged(u, 0.25)")

# %% [markdown]
# ## What we claimed
#
# In training BatchNorm mixes examples and dropout mixes models; in use both are fixed functions of one example.
#
# You know now: the scale of weights before a BatchNorm changes only their gradient, by 1/c; a batch of 1 calls for
# LayerNorm; dropout is bagging with shared weights, exact for softmax regression.
#
# It comes back in [lesson 22](22_gates.py), for nets that run in time, where LayerNorm is at home.
#
# Read: S. Ioffe and C. Szegedy, Batch normalization, ICML 2015; N. Srivastava and others, Dropout, JMLR 15, 2014.

# %%
slope = np.diff(np.log(norms["BN(cWx)"])) / np.diff(np.log(scales))
assert np.allclose(slope, -1) and np.allclose(norms["cWx"], norms["cWx"][0])
assert np.abs(of_W).max() > 9 * np.abs(of_W10).max()
assert np.isfinite(alone).all() and (degenerate == beta).all()
assert abs(in_use.sum() - 1) < 1e-12 and abs(geometric.sum() - 1) < 1e-12
