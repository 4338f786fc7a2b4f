# rows: EVA-03 TRN-13 TRN-14 VIS-10 VIS-11
# %% [markdown]
# # Fit, not memorize: bias, variance and when to stop
#
# A net gets every training example right, and half of the new ones wrong. Should it have another layer?
#
# You will split an error into bias, variance and noise, find the strength of a penalty at which their sum is least, and
# read from two curves when a training should have ended.
#
# Before: [lesson 9](09_data_and_start.py), where data are split; [lesson 12](12_a_rate_for_each_weight.py), for Adam.

# %%
from functools import partial

import numpy as np

import check
from minigrad.models import (
    Dense,
    Dropout,
    Flatten,
    Sequential,
    datasets,
    linear,
    losses,
    metrics,
    preprocessing,
)
from minigrad.models.penalties import L2
from minigrad.optim import Adam, EarlyStopping, figures, fit
from minigrad.optim.diagnosis import bias_variance

# %% [markdown]
# ## See it
#
# The truth is sin 3x. Somebody measures it in 20 places, with noise of deviation 0.3, and fits a polynomial of degree 7
# with a penalty of strength μ on its coefficients, [ridge regression](../reference/linear.md#ridge). Ten people do so,
# each with measurements of their own: ten thin curves.


# %%
def powers(x):
    return np.vander(x, 8, increasing=True)  # 1, x, ..., x^7


def draw(rng):
    """A training set."""
    x = rng.uniform(-1, 1, 20)
    return x, np.sin(3 * x) + 0.3 * rng.normal(size=20)


def ridge(strength):
    """A way to train: from a training set to a function of x."""

    def train(data):
        x, y = data
        w = linear.ridge(powers(x), y, strength).value
        return lambda x: powers(x) @ w

    return train


# %% tags=["figure"] alt="Three panels with ten thin fits and the true curve each. At strength 0.001 the fits fly apart near both ends, at 0.1 they lie closer to the curve, at 10 all are alike and too flat: they miss both bumps."
x = np.linspace(-1, 1, 41)
three = figures.panels(3, ylim=(-2, 2), xlabel="x")
names = ("low μ = 0.001", "good μ = 0.1", "high μ = 10")
for ax, name in zip(three, names, strict=True):
    rng = np.random.default_rng(3)
    for _ in range(10):
        fitted = ridge(float(name.split()[-1]))(draw(rng))
        ax.plot(x, fitted(x), color="#0072b2", linewidth=0.8, alpha=0.6)
    ax.plot(x, np.sin(3 * x), color="#d55e00", linestyle="--", linewidth=2)
    ax.set_title(name)
picture = three[0].figure
picture

# %% [markdown]
# (Run as a script, the lesson prints; `figures.save(figure, "picture.svg")` writes a picture.)
#
# On the left the model believes its data, noise included: another training set, another curve. On the right it hardly
# listens: all ten agree, and all are wrong in the same way.
#
# ## Three terms
#
# Write f̂(x) for what a trained model says at x. It depends on the training set, which was drawn at random. Its mean over
# all training sets is the average model. A new target is y = f(x) + noise, with noise of variance σ². Then
#
# $$E\,(y - \hat f)^2 = (E \hat f - f)^2 + E\,(\hat f - E \hat f)^2 + \sigma^2$$
#
# The first term is *bias*², how far the average model is from the truth. The second is *variance*, how far one model is
# from the average one. The third is the noise of the new target, which no model lowers. Some texts leave it out; then the
# sum is not the error that a test set shows.
#
# The smallest case: a parabola through 8 noisy points of sin 2πx, σ = 0.5, looked at in x = 0.3. Least squares is linear in
# the targets, f̂ = aᵀy, so both terms can be had on paper: bias² = (aᵀf − f(0.3))² and variance = σ² aᵀa.

# %%
places, at, sigma = np.linspace(0, 1, 8), np.array([0.3]), 0.5


def truth(x):
    return np.sin(2 * np.pi * x)


a = np.vander(at, 3)[0] @ np.linalg.pinv(np.vander(places, 3))
bias_squared = (a @ truth(places) - truth(at)[0]) ** 2
variance = sigma**2 * a @ a
print(f"paper:      bias² {bias_squared:.4f}, variance {variance:.4f}")


def parabola(y):
    fitted = np.polyfit(places, y, 2)
    return lambda x: np.polyval(fitted, x)


found = bias_variance(
    parabola,
    lambda rng: truth(places) + sigma * rng.normal(size=8),
    at,
    truth(at),
    n=4000,
    noise=sigma**2,
    rng=1,
)
print(f"4000 fits:  bias² {found.bias_squared:.4f}, ", end="")
print(f"variance {found.variance:.4f}, with the noise {found.error:.4f}")
print(f"difference: {found.bias_squared - bias_squared:+.4f}", end="")
print(f" and {found.variance - variance:+.4f}")

# %% [markdown]
# A simulation of the same kind, with other random numbers, found .8129 = .5629 + .25: bias² and variance together, and the
# noise. Ours differs from it by less than 0.01.

# %% row="EVA-03"
assert abs(bias_squared + variance - 0.5629) < 2e-3
assert abs(found.bias_squared + found.variance - 0.5629) < 0.01
assert abs(found.error - 0.8129) < 0.01 and found.noise == 0.25

# %% [markdown] tags=["predict"]
# ## Predict, then run
#
# Back to the polynomials, with μ from 0.001 up to 100. For new targets one of the strengths between is best. Which one
# would you choose by the error on the training set itself?
#
# - The same one: a better model fits all data better.
# - The smallest one.
# - The largest one.
# - Another one in between.

# %%
strengths = [0.001, 0.01, 0.1, 1.0, 10.0, 100.0]
points = np.linspace(-1, 1, 15)
sweep = [
    bias_variance(ridge(s), draw, points, np.sin(3 * points), n=200, noise=0.09)
    for s in strengths
]
seen = []  # the error on the training set, for each strength
for s in strengths:
    sets = [draw(np.random.default_rng(i)) for i in range(200)]
    seen.append(np.mean([(ridge(s)(d)(d[0]) - d[1]) ** 2 for d in sets]))
print("     μ   bias²  variance  error  on the training set")
for s, each, on_training in zip(strengths, sweep, seen, strict=True):
    print(f"{s:6g}  {each.bias_squared:6.3f}  {each.variance:8.3f}", end="  ")
    print(f"{each.error:5.3f}  {on_training:.3f}")

# %% tags=["figure"] alt="Over the strength from 0.001 to 100 bias² rises from about 0 to 0.44 and variance falls from 0.34 to about 0. The expected error has its least value, 0.18, at 0.1."
figures.bias_variance(
    strengths,
    [each.bias_squared for each in sweep],
    [each.variance for each in sweep],
    noise=0.09,
    label="μ",
)

# %% [markdown] tags=["answer"]
# The smallest one, always: a weaker penalty lets the model come closer to these data, and their noise counts as data. The
# first answer is what one hopes; it is true of new data only. The third takes the penalty for a virtue in itself. The
# fourth has the right feeling that something balances, but bias² and variance do so on new targets, and the training set
# does not see the variance.
#
# μ up: the model underfits, bias² rises, variance falls. μ down: it overfits, bias² falls, variance rises.

# %% row="TRN-14 VIS-10"
biases = [each.bias_squared for each in sweep]
variances = [each.variance for each in sweep]
errors = [each.error for each in sweep]
assert biases[1:] == sorted(biases[1:])  # the first two are 0 but for chance
assert variances == sorted(variances, reverse=True)
assert strengths[int(np.argmin(errors))] == 0.1  # neither end
assert seen == sorted(seen)  # by the training set the smallest is best

# %% [markdown]
# (Texts often write λ for μ. In this course λ_t is an adjoint.)
#
# ## A net memorizes
#
# Nobody has 200 training sets. With one, a second set of examples, on which nothing is trained, shows the error: the
# *validation* set. Here a net of two hidden layers sees 200 digits, which somebody labeled in a hurry: three labels in ten
# were drawn anew at random. The validation labels are right.


# %%
digits = datasets.digits()


def images(start, end, redrawn=0.0):
    inputs = digits.train.inputs[start:end]
    targets = digits.train.targets[start:end].copy()
    rng = np.random.default_rng(0)
    hasty = rng.random(end - start) < redrawn
    targets[hasty] = rng.integers(0, 10, hasty.sum())
    return preprocessing.Split(inputs, targets)


few, validation = images(0, 200, redrawn=0.3), images(400, 800)
right = np.mean(few.targets == digits.train.targets[:200])
print(f"right of the 200 labels: {right:.2f}")


def net(hidden=2, drop=0.0):
    parts = [Flatten(), Dense(64, 32, np.tanh, rng=0)]
    for i in range(1, hidden):
        parts += [Dropout(drop, rng=i), Dense(32, 32, np.tanh, rng=i)]
    return Sequential(*parts, Dropout(drop, rng=9), Dense(32, 10, rng=9))


def trained(model, data=few, **options):
    """The history of 120 steps, on 200 examples each."""
    return fit(
        model,
        *data,
        loss=losses.cross_entropy,
        optimizer=Adam(model.parameters(), 0.01),
        epochs=120 * 200 // len(data.targets),
        batch_size=200,
        validation=validation,
        metrics=[metrics.accuracy],
        quiet=True,
        **options,
    )


plain = trained(net())
best = int(np.argmin(plain["val_loss"]))
print(f"least validation loss {min(plain['val_loss']):.2f}, epoch {best + 1}")
print(f"at the end: loss {plain['loss'][-1]:.2f},", end=" ")
print(f"validation loss {plain['val_loss'][-1]:.1f}")
print(f"accuracy {plain['accuracy'][-1]:.2f},", end=" ")
print(f"validation accuracy {plain['val_accuracy'][-1]:.2f}")

# %% tags=["figure"] alt="Over 120 epochs, on a log scale, the training loss falls to 0.02. The validation loss is marked at its minimum, 1.2 in epoch 20, and then rises to 3."
curves = figures.learning_curves(plain)
curves

# %% [markdown]
# The training loss falls to the end. The validation loss turns: from there on the net learns the wrong labels by heart, one
# after the other, and grows sure of them. *Early stopping* takes the parameters of the mark. It cannot know that this is
# the minimum before it has looked some epochs further, its *patience*.

# %%
stopping = EarlyStopping(patience=15)
stopped_net = net()
stopped = trained(stopped_net, callbacks=[stopping])
print(f"best epoch {stopping.row['epoch']}, stopped after {stopping.stopped}")
print(f"training accuracy there: {stopping.row['accuracy']:.2f}")

# %% row="VIS-11"
mark = curves.axes[0].lines[-1]
assert mark.get_xdata()[0] == best + 1 == stopping.row["epoch"]
assert mark.get_ydata()[0] == min(plain["val_loss"])
assert stopping.stopped == best + 1 + 15

# %% [markdown]
# ## What to do about it
#
# Two numbers tell where a training stands:
#
# | training accuracy | validation accuracy | what it is | what to do |
# | --- | --- | --- | --- |
# | low | low | underfit: bias | a larger net, longer training, a weaker penalty |
# | high | low | overfit: variance | no more layers; a penalty, augmentation, dropout, an early stop, more data |
# | high | high | fit | open the test set, once |
#
# Ours is in the second row. Each remedy by itself, all with 120 steps, and the layer that one should not add.
# Augmentation adds three noisy copies of each image; "more data" is 600 images with labels as hasty:

# %%
jitter = partial(preprocessing.add_noise, std=0.3)
noisy = preprocessing.augment(
    *few, jitter, copies=3, rng=np.random.default_rng(5)
)
runs = {
    "one layer more": trained(net(hidden=3)),
    "as it was": plain,
    "dropout": trained(net(drop=0.7)),
    "augmentation": trained(net(), data=preprocessing.Split(*noisy)),
    "penalty": trained(net(), penalties=[L2(0.02)]),
    "early stop": {name: [number] for name, number in stopping.row.items()},
    "more data": trained(net(), data=images(800, 1400, redrawn=0.3)),
}
print(f"{'':15s} accuracy  validation accuracy  validation loss")
for name, run in runs.items():
    print(f"{name:15s} {run['accuracy'][-1]:8.2f}", end="  ")
    print(f"{run['val_accuracy'][-1]:19.2f}  {run['val_loss'][-1]:15.1f}")

# %% tags=["figure"] alt="Bars, the share of validation images that are wrong: 0.55 with one layer more, 0.49 as it was, 0.42 with dropout, 0.40 with augmentation, 0.38 with a penalty, 0.36 with an early stop, 0.30 with more data."
wrong = {name: 1 - run["val_accuracy"][-1] for name, run in runs.items()}
figures.bars(
    {name: round(share, 2) for name, share in wrong.items()},
    label="wrong of the validation images",
)

# %% [markdown]
# Another layer memorizes as well, and is no better on new images. Every remedy has a lower training accuracy and a better
# validation accuracy than the net as it was. The net that stopped early agrees with its labels about as often as they are
# right.

# %% row="TRN-13"
assert plain["accuracy"][-1] == 1.0 and plain["val_accuracy"][-1] < 0.6
assert runs["one layer more"]["accuracy"][-1] == 1.0
assert wrong["one layer more"] > wrong["as it was"] - 0.02  # no help
for name in ("dropout", "augmentation", "penalty", "early stop", "more data"):
    assert runs[name]["accuracy"][-1] < 0.97
    assert wrong[name] < wrong["as it was"]
    assert runs[name]["val_loss"][-1] < 0.75 * plain["val_loss"][-1]

# %% [markdown] tags=["exercise"]
# ## Exercise 1: by hand
#
# Ten measurements of a number θ = 2 are drawn from N(2, 3²). The model is s times their mean. Write bias² and variance as
# functions of s.


# %% tags=["exercise"]
def terms(s):
    return None  # [bias², variance]


# %% tags=["solution"]
def terms(s):
    return [(2 * s - 2) ** 2, s**2 * 9 / 10]


# %% tags=["check"]
drawn = bias_variance(
    lambda y: lambda x: np.full(x.shape, y.mean() / 2),
    lambda rng: rng.normal(2.0, 3.0, 10),
    np.zeros(1),
    [2.0],
    n=2000,
)
check.same(terms(0.5), list(drawn[:2]), "terms(0.5)", tolerance=0.04)

# %% [markdown] tags=["exercise"]
# ## Exercise 2: stop
#
# Write early stopping: go through the validation losses, and stop when the least one is `patience` epochs old. Give the
# epoch of the least loss so far and the epoch of the stop, both counted from 1.


# %% tags=["exercise"]
def stop(val_loss, patience):
    return None  # [best epoch, last epoch]


# %% tags=["solution"]
def stop(val_loss, patience):
    best = 1
    for epoch, value in enumerate(val_loss, 1):
        if value < val_loss[best - 1]:
            best = epoch
        if epoch - best == patience:
            return [best, epoch]
    return [best, len(val_loss)]


# %% tags=["check"]
by_engine = [stopping.row["epoch"], stopping.stopped]
check.same(stop(plain["val_loss"], 15), by_engine, "stop(val_loss, 15)")

# %% [markdown]
# ## What we claimed
#
# A model that memorizes has little bias and much variance; what makes it simpler trades the one for the other, and a
# validation set shows where to stop.
#
# You know now: error = bias² + variance + noise; μ up is bias up, variance down; high training accuracy with low validation
# accuracy calls for less freedom, not for another layer.
#
# It comes back in [lesson 16](16_ridge_and_support_vectors.py), where the penalty is taken apart, and in
# [lesson 17](17_normalize_and_drop.py), where dropout is.
#
# Read: S. Geman, E. Bienenstock and R. Doursat, Neural networks and the bias/variance dilemma, Neural Computation 4, 1992.

# %%
images_once, labels_once = digits.test
scores = stopped_net.eval()(images_once).value
print(f"the test set, opened once: {metrics.accuracy(scores, labels_once):.2f}")
assert metrics.accuracy(scores, labels_once) > 0.5
assert found.error == found.bias_squared + found.variance + found.noise
assert biases[-1] > 0.3 > 10 * biases[1] and variances[0] > 100 * variances[-1]
assert plain["loss"][-1] < 0.1 < 2 < plain["val_loss"][-1]
assert abs(stopping.row["accuracy"] - right) < 0.1
