# rows: THY-10 THY-11 THY-12 THY-13 VIS-09
# %% [markdown]
# # A rate for each weight: AdaGrad, RMSProp, Adam
#
# One weight has slopes of a hundred, another of a thousandth, and you have one
# rate. Whatever you choose, it is wrong for one of them. What if each weight had
# its own?
#
# You will work out how long the steps of four optimizers are, from the first to
# the hundredth, and race them. Before: [lesson 11](11_momentum.py).

# %%
import numpy as np

import check
import minigrad as mg
from minigrad.optim import SGD, AdaGrad, Adam, RMSProp, figures

# %% [markdown]
# ## See it
#
# A curved valley, J(x, y) = (1 − x)² + 10 (y − x²)²: steep walls, a floor with
# little slope, the minimum at (1, 1). Five optimizers start at the same place.


# %%
def valley(x, y):
    return (1 - x) ** 2 + 10 * (y - x**2) ** 2


racers = {
    "SGD": lambda p: SGD(p, 0.002),
    "momentum": lambda p: SGD(p, 0.002, 0.9),
    "AdaGrad": lambda p: AdaGrad(p, 0.5),
    "RMSProp": lambda p: RMSProp(p, 0.02),
    "Adam": lambda p: Adam(p, 0.1),
}
race = {
    name: figures.path(valley, (-1.5, 2.0), make, 60)
    for name, make in racers.items()
}


# %% tags=["fold"]
def so_far(path, steps):
    """The beginning of a path."""
    return path._replace(
        points=path.points[: steps + 1], values=path.values[: steps + 1]
    )


def lap(steps):
    """All paths after so many steps."""
    begun = {name: so_far(path, steps) for name, path in race.items()}
    return figures.landscape(
        valley,
        begun,
        marks={"minimum": (1, 1)},
        levels=10,
        xlim=(-2, 2),
        ylim=(-0.5, 2.5),
    )


# %% tags=["figure"] alt="Five paths in a curved valley after 1, 5, 15, 30 and 60 steps: at first AdaGrad leaps farthest, at the end Adam and momentum have come far along the floor and SGD and RMSProp less; none is above its start."
laps = (1, 5, 15, 30, 60)
figures.Frames(
    [lap(steps) for steps in laps],
    [f"after {steps} steps" for steps in laps],
    title="A race of five optimizers",
)

# %% row="VIS-09"
for name, path in race.items():
    print(f"{name:8}: J from {path.values[0]:.2f} to {path.values[-1]:.3f}")
assert all(path.values[-1] < path.values[0] for path in race.values())

# %% [markdown]
# Run as a script, the lesson prints; `figures.save(figure, "picture.svg")`
# writes a picture. The rates were chosen for a picture in which all five are
# seen; the race does not tell who is best.
#
# ## Why
#
# Divide each slope by how large slopes of this weight are. Three ways to know
# that, with everything entry by entry:
#
# AdaGrad adds up all squares, r ← r + g², and steps by
#
# $$\Delta w = -\frac{\alpha \, g}{\sqrt{r} + \epsilon} .$$
#
# RMSProp forgets, r ← ρ r + (1 − ρ) g², with the same step. Adam averages the
# slopes as well, m ← β₁ m + (1 − β₁) g and v ← β₂ v + (1 − β₂) g², and
# corrects both for their start at 0:
#
# $$\Delta w = -\alpha \, \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon} .$$
#
# The small ε keeps from dividing by 0.

# %% [markdown] tags=["predict"]
# ## Predict, then run
#
# The slope of a weight is 5 at every step, the rate 0.1. How long is AdaGrad's
# step at t = 1, 4 and 100?
#
# * 0.5, 0.5, 0.5: rate times slope.
# * 0.1, 0.1, 0.1: the slope is divided by its size.
# * 0.1, 0.05, 0.01: it slows down.


# %%
def step_lengths(make, slope, steps=100):
    """How far a weight moves at each step if its slope is always the same."""
    w = mg.Parameter(0.0, name="w")
    optimizer, places = make([w]), [0.0]
    for _ in range(steps):
        (slope * w).backward()
        optimizer.step()
        places.append(float(w))
    return np.abs(np.diff(places))


adagrad = step_lengths(lambda p: AdaGrad(p, 0.1), 5.0)
rmsprop = step_lengths(lambda p: RMSProp(p, 0.1, rho=0.9), 5.0)

# %% row="THY-10"
for name, lengths in (("AdaGrad", adagrad), ("RMSProp", rmsprop)):
    print(f"{name} at t = 1, 4, 100:", lengths[[0, 3, 99]].round(4))
t = np.arange(1, 101)
by_hand = 0.1 * 5 / np.sqrt(t * 5**2)  # r is t g²
apart = np.abs(adagrad - by_hand).max()
assert apart < 1e-6
assert np.allclose(adagrad[[0, 3, 99]], [0.1, 0.05, 0.01], rtol=1e-4)
assert np.all(np.diff(adagrad) < 0)  # smaller with every step
assert abs(rmsprop[-1] - 0.1) < 1e-5  # goes on at the rate
print("by hand less engine under 1e-6:", apart < 1e-6)

# %% [markdown] tags=["answer"]
# 0.1, 0.05, 0.01. After t steps r is t g², so the step is α/√t, whatever the
# slope. The first choice is plain descent. The second is what RMSProp comes to: it
# forgets, so r goes to g² and the step to α. AdaGrad suits problems in which one
# wants to slow down; in long trainings of nets it stops too early.

# %% tags=["figure"] alt="Step lengths over 100 steps for a constant slope, both axes logarithmic: AdaGrad falls as one over the root of t from 0.1 to 0.01, RMSProp begins at about 0.32 and settles at 0.1."
figures.lines(
    {"AdaGrad": (t, adagrad), "RMSProp": (t, rmsprop)},
    xlabel="step t",
    ylabel="length of the step",
    xscale="log",
    yscale="log",
)

# %% [markdown]
# ## The first steps
#
# RMSProp begins with 0.32, not 0.1: r starts at 0 and has taken in only a tenth of
# g². Adam has the same trouble twice, and that is what its correction is for.
# Without it the first step would be
#
# $$\frac{1 - \beta_1}{\sqrt{1 - \beta_2}} = \frac{0.1}{\sqrt{0.001}} = 3.162$$
#
# times as long. The correction vanishes by itself, as β^t goes to 0.


# %% row="THY-12"
def uncorrected(g, steps, rate=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
    """Adam's steps without the correction, for slopes that are all g."""
    m = v = 0.0
    lengths = []
    for _ in range(steps):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        lengths.append(rate * m / (np.sqrt(v) + epsilon))
    return np.array(lengths)


corrected = step_lengths(lambda p: Adam(p, 0.1), 5.0, 5000)
ratio = uncorrected(5.0, 5000) / corrected
print(
    "uncorrected / corrected at t = 1, 10, 1000, 5000:",
    ratio[[0, 9, 999, 4999]].round(4),
)
assert abs(ratio[0] - 3.162278) < 1e-5
assert 6.5 < ratio[9] < 6.55
assert abs(ratio[-1] - 1) < 0.005

# %% [markdown]
# The first step is not even the worst: at t = 10 it is 6.5 times as long.
#
# ## On a plateau
#
# All slopes are 10⁻³, the rate is 0.01. How far does each go at its hundredth
# step?

# %% row="THY-13"
plateau = {
    "SGD": lambda p: SGD(p, 0.01),
    "momentum, η = 0.9": lambda p: SGD(p, 0.01, 0.9),
    "AdaGrad": lambda p: AdaGrad(p, 0.01),
    "RMSProp": lambda p: RMSProp(p, 0.01),
    "Adam": lambda p: Adam(p, 0.01),
    "RMSProp, η = 0.9": lambda p: RMSProp(p, 0.01, momentum=0.9),
}
moves = {name: step_lengths(make, 1e-3)[-1] for name, make in plateau.items()}
for name, length in moves.items():
    print(f"{name:17}: {length:.1e}")
expected = [1e-5, 1e-4, 1e-3, 1e-2, 1e-2, 1e-1]
assert np.allclose(list(moves.values()), expected, rtol=0.02)

# %% tags=["figure"] alt="Six bars of the step on a plateau as powers of ten: SGD −5, momentum −4, AdaGrad −3, RMSProp and Adam −2, RMSProp with momentum −1."
figures.bars(
    {name: round(float(np.log10(length)), 2) for name, length in moves.items()},
    label="log₁₀ of the hundredth step",
)

# %% [markdown]
# Steps of adaptive optimizers do not shrink with the slope. You will find lists
# that rank momentum above Adam here, or RMSProp below plain descent; measured, it
# is the other way round. The other side: near a minimum they do not shrink
# either, so their rate has to fall.
#
# ## Rare features
#
# In a text a common word is in every example, a rare one in one of a hundred. The
# weight of the rare word has a slope of 0 nearly always. AdaGrad remembers little
# of it, and keeps its rate large.

# %% row="THY-11"
rng = np.random.default_rng(0)
frequencies = np.array([1.0, 0.3, 0.1, 0.02])
words = (rng.random((500, 4)) < frequencies).astype(float)
targets = words @ np.array([1.0, -1.0, 1.0, -1.0])
targets += rng.normal(0, 0.5, 500)
w = mg.Parameter(np.zeros(4), name="w")
optimizer = AdaGrad([w], 0.1)
for x, y in zip(words, targets, strict=True):
    (0.5 * ((w * x).sum() - y) ** 2).backward()
    optimizer.step()
r = optimizer.state_dict()["0.r"]
rates = 0.1 / np.sqrt(r)
for frequency, rate in zip(frequencies, rates, strict=True):
    print(f"in {frequency:4.0%} of the examples: rate {rate:.4f}")
assert np.all(np.diff(rates) > 0)  # rarer, larger

# %% tags=["figure"] alt="Rate of a weight after 500 examples against how frequent its feature is, both axes logarithmic: it rises steadily as the feature becomes rarer, about fourfold from 100 % to 2 %."
figures.lines(
    {"AdaGrad": (frequencies, rates)},
    xlabel="share of examples with the feature",
    ylabel="rate α/√r after 500 examples",
    xscale="log",
    yscale="log",
)

# %% [markdown]
# A rate that is larger than that of the common feature is not one that is larger
# than before: rates of AdaGrad only fall, in each dimension.

# %% [markdown] tags=["exercise"]
# ## Exercise 1: by hand
#
# Write one step of AdaGrad. It gets w, r and the slope g, and returns the new w
# and r; ε is 0.


# %% tags=["exercise"]
def adagrad_step(w, r, g, rate):
    return None


# %% tags=["solution"]
def adagrad_step(w, r, g, rate):
    r = r + g**2
    return w - rate * g / np.sqrt(r), r


# %% tags=["check"]
u = mg.Parameter(2.0, name="u")
engine = AdaGrad([u], 0.1, epsilon=1e-12)
for slope in (3.0, 4.0):
    (slope * u).backward()
    engine.step()
found = adagrad_step(2.0 - 0.1, 9.0, 4.0, 0.1)
check.same(found, [float(u), 25.0], "adagrad_step(1.9, 9.0, 4.0, 0.1)")

# %% [markdown] tags=["exercise"]
# ## Exercise 2: change it
#
# Someone runs Adam without the correction, with β₁ = 0.9 and β₂ = 0.99. How many
# times too long is the first step?

# %% tags=["exercise"]
too_long = None

# %% tags=["solution"]
too_long = (1 - 0.9) / np.sqrt(1 - 0.99)

# %% tags=["check"]
adam = step_lengths(lambda p: Adam(p, 0.1, beta_2=0.99), 5.0, 1)
without = uncorrected(5.0, 1, beta_2=0.99)
check.same(too_long, without[0] / adam[0], "too_long", 1e-4)

# %% [markdown]
# ## What we claimed
#
# Adaptive optimizers divide a slope by the size of the slopes before it. AdaGrad's
# steps fall as α/√t, RMSProp's and Adam's come to α, however small the slope.
#
# It comes back in [lesson 13](13_seven_runs.py) and in
# [optimizers](../reference/optimizers.md). To read: D. Kingma and J. Ba, *Adam: a
# method for stochastic optimization*, 2015.

# %%
assert apart < 1e-6
assert adagrad[-1] < rmsprop[-1]
assert moves["Adam"] > 500 * moves["SGD"]
assert rates[-1] > 2 * rates[0]
assert race["Adam"].values[-1] < race["SGD"].values[-1] < race["SGD"].values[0]
