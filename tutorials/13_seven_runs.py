# rows: WEX-15 WEX-16 WEX-17 WEX-18 WEX-19 WEX-20 VIS-17
# %% [markdown]
# # Seven runs: ways to descend, side by side
#
# Five optimizers, each with numbers of its own. Which should train your net, and
# how would you know?
#
# You will give eight configurations the same net, data and order of examples, read
# their curves, and look at their steps. Before:
# [lesson 12](12_a_rate_for_each_weight.py).

# %%
import numpy as np

import check
import minigrad as mg
from minigrad.models import (
    Dense,
    Dropout,
    Sequential,
    datasets,
    losses,
    metrics,
)
from minigrad.optim import (
    SGD,
    AdaGrad,
    Adam,
    RMSProp,
    diagnosis,
    figures,
    fit,
    predict,
)

# %% [markdown]
# ## See it
#
# The ways are those of an introductory course: seven, of which plain SGD comes with
# two rates. Each is a function that takes the parameters.

# %% row="WEX-16 WEX-17"
ways = {
    "SGD, 0.01": lambda p: SGD(p, 0.01),
    "SGD, 0.05": lambda p: SGD(p, 0.05),
    "momentum": lambda p: SGD(p, 0.05, momentum=0.9),
    "Nesterov": lambda p: SGD(p, 0.05, momentum=0.9, nesterov=True),
    "AdaGrad": lambda p: AdaGrad(
        p, 0.05, epsilon=1e-5, initial_accumulator=0.1
    ),
    "RMSProp": lambda p: RMSProp(p, 0.05, rho=0.9, epsilon=1e-7),
    "Adam, 0.001": lambda p: Adam(p, 0.001, 0.9, 0.999, 1e-7),
    "Adam, 0.05": lambda p: Adam(p, 0.05, 0.85, 0.95, 1e-5),
}
one = [mg.Parameter(0.0, name="w")]
made = {name: make(one) for name, make in ways.items()}
assert [made[name].learning_rate for name in list(ways)[:2]] == [0.01, 0.05]
for name, nesterov in (("momentum", False), ("Nesterov", True)):
    assert made[name].learning_rate == 0.05
    assert (made[name].momentum, made[name].nesterov) == (0.9, nesterov)

# %% row="WEX-18 WEX-19 WEX-20"
adagrad, rmsprop = made["AdaGrad"], made["RMSProp"]
assert (adagrad.learning_rate, adagrad.epsilon) == (0.05, 1e-5)
assert adagrad.initial_accumulator == 0.1
assert (rmsprop.learning_rate, rmsprop.rho) == (0.05, 0.9)
assert rmsprop.epsilon == 1e-7
for name, numbers in {
    "Adam, 0.001": (0.001, 0.9, 0.999, 1e-7),
    "Adam, 0.05": (0.05, 0.85, 0.95, 1e-5),
}.items():
    adam = made[name]
    found = adam.learning_rate, adam.beta_1, adam.beta_2, adam.epsilon
    assert found == numbers

# %% [markdown]
# The data here are digits of 8 by 8 pixels that come with minigrad: 1,142 to train
# on, 300 to compare the runs by, and test images that wait. The net is small, and
# each run has 20 epochs with batches of 128.

# %%
digits = datasets.digits()
pixels, classes = digits.train.inputs.reshape(-1, 64), digits.train.targets
order = np.random.default_rng(0).permutation(len(pixels))
train = pixels[order[:1142]], classes[order[:1142]]
validation = pixels[order[1142:]], classes[order[1142:]]


def classifier(n_inputs, n_hidden):
    """Two hidden layers of relu with dropout; the last layer gives logits."""
    return Sequential(
        Dense(n_inputs, n_hidden, mg.relu, rng=0),
        Dropout(0.2, rng=1),
        Dense(n_hidden, n_hidden, mg.relu, rng=2),
        Dropout(0.2, rng=3),
        Dense(n_hidden, 10, rng=4),
    )


def run(make, epochs=20):
    """Train a net; gives history, step sizes, accuracy in validation."""
    net, sizes = classifier(64, 64), diagnosis.UpdateSizes()
    history = fit(
        net,
        *train,
        loss=losses.cross_entropy,
        optimizer=make(net.parameters()),
        epochs=epochs,
        batch_size=128,
        validation=validation,
        callbacks=[sizes],
        quiet=True,
    )
    right = metrics.accuracy(predict(net, validation[0]), validation[1])
    return history, sizes, right


runs = {name: run(make) for name, make in ways.items()}

# %% tags=["figure"] alt="Validation loss of eight runs over 20 epochs on a logarithmic axis: Adam at 0.05 falls fastest and then jumps, momentum and Nesterov end lowest near 0.1, RMSProp jumps up and down, SGD at 0.01 hardly moves from 2.3."
figures.learning_curves(
    {name: history for name, (history, _, _) in runs.items()}, ("val_loss",)
)

# %% [markdown]
# Run as a script, the lesson prints; `figures.save(figure, "picture.svg")`
# writes a picture.

# %%
for name, (history, _, right) in runs.items():
    print(f"{name:11}: loss {history['val_loss'][-1]:.2f}, {right:.1%} right")

# %% [markdown]
# Two symptoms to know. A curve that is nearly level at the value of guessing,
# log 10 = 2.30, has too small a rate (SGD, 0.01). One that jumps up and down has
# too large a rate (RMSProp): its steps do not shrink with the slope.
#
# ## Why: how far a step goes
#
# Mean |Δw| of the first layer's weights in the last step of every epoch. At the
# rate 0.05, RMSProp goes more than ten times as far as SGD:

# %% tags=["figure"] alt="Mean length of a step in the first layer's weights over 20 epochs, logarithmic: RMSProp and Adam at 0.05 move by 0.003 to 0.01, more than ten times as far as SGD at that rate; SGD at 0.01 by 0.00003."
moved = {name: sizes.sizes["dense_1.W"] for name, (_, sizes, _) in runs.items()}
figures.update_sizes(moved, label="mean |Δw|")

# %% row="VIS-17"
for name in ("SGD, 0.05", "RMSProp", "Adam, 0.001"):
    print(f"{name:11}: first {moved[name][0]:.1e}, last {moved[name][-1]:.1e}")
assert all(len(sizes) == 20 for sizes in moved.values())
assert all(len(history["val_loss"]) == 20 for history, _, _ in runs.values())
assert min(moved["RMSProp"]) > 10 * max(moved["SGD, 0.05"])

# %% [markdown] tags=["predict"]
# ## Predict, then run
#
# Here momentum, Nesterov's form and Adam at 0.05 read 97 % of the validation
# images. On the 60,000 digits of MNIST, with the large net below and
# 35 epochs, the same eight ran again. Which came last?
#
# * SGD at 0.01: its rate is too small.
# * Adam at 0.05: its rate is too large.
# * RMSProp at 0.05.

# %% [markdown]
# ## The real size
#
# The net has two hidden layers of 512 units for images of 28 by 28 pixels. Dropout
# has no parameters: in training it sets each unit to 0 with probability 0.2 and
# divides the others by 0.8, in evaluation it does nothing.

# %% row="WEX-15"
large = classifier(784, 512)
counts = [layer.n_parameters() for layer in large]
assert counts == [401_920, 0, 262_656, 0, 5_130]
assert large.n_parameters() == 669_706 == 785 * 512 + 513 * 512 + 513 * 10
large.summary((784,))

# %% [markdown]
# Minutes of training are not for a page. The table was recorded by
# [the study of MNIST](../benchmarks/studies.md), which one command runs again:
# the share of the test images that each run read rightly, with the parameters of
# the epoch that was best on 5,000 images kept aside.

# %%
recorded = {
    "SGD, 0.01": 0.9648,
    "SGD, 0.05": 0.9803,
    "momentum": 0.9839,
    "Nesterov": 0.9854,
    "AdaGrad": 0.9840,
    "RMSProp": 0.9091,
    "Adam, 0.001": 0.9823,
    "Adam, 0.05": 0.8945,
}
worst = min(recorded, key=recorded.get)
print(f"{worst} came last, {recorded[worst]:.1%}")
for name, share in recorded.items():
    print(f"{name:11}: {share:.2%} on MNIST, {runs[name][2]:.1%} here")

# %% [markdown] tags=["answer"]
# Adam at 0.05, with 89.45 %, a little behind RMSProp at the same rate. Both take
# steps of about the rate, however small the slope, and 0.05 is far too long for
# them. That Adam at 0.05 was good on the small data made the choice hard: a rate
# does not carry over from one problem to another. SGD at 0.01 was only slow; 35
# epochs of 430 steps helped it.
#
# The first five differ by a half of a percent. Of 10,000 images a share of 98.4 %
# is uncertain by ±0.13 points, so their order says little; and each was one run.

# %% tags=["figure"] alt="Errors on the MNIST test images: Nesterov 1.46 %, AdaGrad 1.6 %, momentum 1.61 %, Adam at 0.001 1.77 %, SGD 1.97 and 3.52 %, RMSProp 9.09 %, Adam at 0.05 10.55 %."
by_error = sorted(recorded, key=recorded.get, reverse=True)
figures.bars(
    {name: round(100 * (1 - recorded[name]), 2) for name in by_error},
    label="errors on MNIST's test images, %",
)

# %% [markdown]
# ## By hand and by engine
#
# That uncertainty, by hand, is that of n coins; and the large net learns in three
# epochs of the small data, its pixels made larger.

# %%
by_hand = np.sqrt(0.984 * (1 - 0.984) / 10_000)
tosses = np.random.default_rng(0).binomial(10_000, 0.984, 5000) / 10_000
print(f"by hand ±{by_hand:.3%}, by drawing ±{tosses.std():.3%}")


def enlarged(images):
    """(n, 64) to (n, 784): each pixel 3 by 3, and a margin of 2."""
    large = np.kron(images.reshape(-1, 8, 8), np.ones((1, 3, 3), np.float32))
    return np.pad(large, ((0, 0), (2, 2), (2, 2))).reshape(-1, 784)


fit(
    large,
    enlarged(train[0]),
    train[1],
    loss=losses.cross_entropy,
    optimizer=Adam(large.parameters(), 0.001),
    epochs=3,
    batch_size=128,
    quiet=True,
)
right = metrics.accuracy(
    predict(large, enlarged(digits.test.inputs)), digits.test.targets
)
print(f"{right:.0%} of the test digits after 3 epochs")

# %% [markdown] tags=["exercise"]
# ## Exercise 1: by hand
#
# Write how many parameters a net of dense layers has, from its widths, as
# [784, 512, 512, 10].


# %% tags=["exercise"]
def n_parameters(widths):
    return None


# %% tags=["solution"]
def n_parameters(widths):
    return sum((n + 1) * m for n, m in zip(widths, widths[1:], strict=False))


# %% tags=["check"]
small = classifier(64, 64)
check.same(
    n_parameters([64, 64, 64, 10]),
    small.n_parameters(),
    "n_parameters([64, 64, 64, 10])",
)

# %% [markdown] tags=["exercise"]
# ## Exercise 2: change it
#
# Choose a rate for RMSProp with which it reads more than 93 % of the validation
# images in 20 epochs.

# %% tags=["exercise"]
your_rate = None

# %% tags=["solution"]
your_rate = 0.005

# %% tags=["check"]
if your_rate is not None:
    *_, share = run(lambda p: RMSProp(p, your_rate, rho=0.9))
reached = None if your_rate is None else share > 0.93
check.same(reached, True, "your_rate")

# %% [markdown]
# ## What we claimed
#
# Compare ways to descend on one net, one split and one order of examples, read
# curves before numbers, and choose a rate for each optimizer of its own.
#
# It comes back in [lesson 15](15_fit_not_memorize.py), which asks whether the best
# run only memorized, and in [selection](../reference/selection.md). To read: C.
# Shallue, J. Lee, J. Antognini and others, *Measuring the effects of data
# parallelism on neural network training*, 2019, on tuning each rate.

# %%
shares = {name: share for name, (_, _, share) in runs.items()}
assert (
    shares["SGD, 0.01"]
    < 0.8
    < 0.94
    < min(shares["momentum"], shares["Nesterov"])
)
assert worst == "Adam, 0.05" and shares[worst] > 0.9
assert abs(tosses.std() / by_hand - 1) < 0.05
assert right > 0.9
