# rows: THY-05 THY-09 THY-15 VIS-06
# %% [markdown]
# # The rate: how far to go downhill
#
# A training hardly moves, or its loss becomes nan. Often one number is at
# fault. Which values of it are safe, and can you know before you run?
#
# You will compute the largest rate of a bowl, see what a batch adds, and make
# the noise go away. Before: [lesson 9](09_data_and_start.py), where a training
# began.

# %%
import numpy as np

import check
import minigrad as mg
from minigrad.optim import SGD, figures, schedules

# %% [markdown]
# ## See it
#
# Gradient descent goes against the slope: w ← w − α g. The number α is the
# *learning rate*; from here on, the rate. Three of them on one bowl,
# J(x, y) = x² + 10 y²:


# %%
def bowl(x, y):
    return x**2 + 10 * y**2


def descent(rate, steps=40):
    return figures.path(bowl, (-4.0, 1.0), lambda p: SGD(p, rate), steps)


runs = {f"α = {rate:g}": descent(rate) for rate in (0.004, 0.05, 0.102)}
for name, path in runs.items():
    print(f"{name}: from {path.values[0]:.0f} to {path.values[-1]:.2g}")

# %% tags=["figure"] alt="Loss over 40 steps for three rates, on a logarithmic axis: 0.004 crawls from 26 to about 9, 0.05 falls below 0.1, and 0.102 rises above its start."
figures.descents(runs)

# %% [markdown]
# Run as a script, the lesson prints; `figures.save(figure, "picture.svg")`
# writes a picture.
#
# ## Why
#
# Take a bowl in one direction, J = L w²/2. Its slope is L w, so a step is
#
# $$w \leftarrow w - \alpha L w = (1 - \alpha L) w .$$
#
# Each step multiplies w by the same factor. It shrinks while that factor lies
# between −1 and 1, that is for
#
# $$0 < \alpha < \frac{2}{L} .$$
#
# L is the curvature; of several directions the largest counts. For the bowl
# above L = 20 along y, so the limit is 0.1. The factor along x is then 0.8.

# %% row="THY-09 VIS-06"
w = mg.Parameter(np.array([-4.0, 1.0]), name="w")
H = mg.hessian(bowl(w[0], w[1]), w).value
limit = float(2 / np.linalg.eigvalsh(H).max())
print(f"curvatures {np.diag(H)}, largest rate {limit:g}")
assert limit == 2 / 20
assert not descent(0.98 * limit, 100).diverged
assert descent(1.02 * limit, 100).diverged
assert [run.diverged for run in runs.values()] == [False, False, True]
crawl = descent(5e-6, 100)
print(
    f"5e-6: from {crawl.values[0]:.2f} to {crawl.values[-1]:.2f} in 100 steps"
)
assert crawl.values[-1] > 0.9 * crawl.values[0]

# %% [markdown]
# ## By hand and by engine

# %%
factors = 1 - 0.05 * np.array([2.0, 20.0])  # along x and along y
by_hand = np.array([-4.0, 1.0]) * factors**40
by_engine = descent(0.05).points[-1]
apart = np.abs(by_hand - by_engine).max()
print(f"after 40 steps x = {by_engine[0]:.4f}; by hand less engine {apart:.0e}")

# %% [markdown]
# ## A batch instead of all
#
# A loss over n examples has a slope that costs n slopes. *Stochastic* gradient
# descent takes a batch of s examples drawn anew: cheaper, less memory, and right
# only on average. The spread around the average is
#
# $$\operatorname{Var}(g_s) = \frac{\sigma^2}{s} ,$$
#
# with σ² the spread of the slopes of single examples.

# %% row="THY-15"
rng = np.random.default_rng(0)
examples = rng.normal(3.0, 2.0, size=10_000)  # loss (w − example)²/2


def batch_slopes(size, n=4000):
    """Slopes at w = 0 of n batches."""
    return -rng.choice(examples, (n, size)).mean(axis=1)


sizes = [1, 4, 16, 64, 256]
variances = [batch_slopes(size).var() for size in sizes]
for size, variance in zip(sizes, variances, strict=True):
    print(f"batch of {size:3}: {variance:.4f}, times s {variance * size:.2f}")
assert np.allclose(np.array(sizes) * variances, examples.var(), rtol=0.15)
assert abs(batch_slopes(256).mean() + examples.mean()) < 0.02  # unbiased

# %% tags=["figure"] alt="Variance of a batch's slope against the size of the batch, both axes logarithmic: a straight line from 4 at one example to 0.016 at 256."
law = [examples.var() / size for size in sizes]
figures.lines(
    {"measured": (sizes, variances), "σ²/s": (sizes, law)},
    xlabel="examples in a batch",
    ylabel="variance of the slope",
    xscale="log",
    yscale="log",
)

# %% [markdown] tags=["predict"]
# ## Predict, then run
#
# We minimize that loss with batches of one example and a constant rate. Does w
# arrive at the minimum?
#
# * Yes, if the rate is small enough and the run long enough.
# * No: it comes near and then hovers, at a distance that depends on the rate.
# * No: it diverges, since single slopes are wrong.


# %%
def hovering(rate_at, steps=4000, n_runs=200):
    """Mean squared distance from the minimum over the steps, of many runs."""
    noise = np.random.default_rng(1)
    w = np.full(n_runs, 2.0)
    squares = []
    for step in range(steps):
        slope = w + noise.normal(size=n_runs)  # the minimum is 0, σ = 1
        w = w - rate_at(step) * slope
        squares.append(np.mean(w**2))
    return np.array(squares)


def falling(step):
    return 1 / (step + 1)


rates = {"α = 0.2": lambda step: 0.2, "α = 0.02": lambda step: 0.02}
rates["α = 1/t"] = falling
distances = {name: hovering(rate_at) for name, rate_at in rates.items()}
for name, squares in distances.items():
    print(f"{name}: mean square at the end {squares[-500:].mean():.4f}")

# %% [markdown] tags=["answer"]
# It hovers. Near the minimum the noise is as large as ever, and each step adds
# α² of it, while it takes away 2α of what is there. They balance at a mean square
# of α/(2 − α): 0.111 and 0.0101. A smaller rate hovers nearer, never at 0, so
# the first choice is half right. The third would need a bias, and there is none.

# %% tags=["figure"] alt="Mean squared distance over 4000 steps, on a logarithmic axis: constant rates level off at 0.11 and 0.01, the falling rate goes on down to 0.0002."
at = np.arange(0, 4000, 40)
figures.lines(
    {name: (at, squares[at]) for name, squares in distances.items()},
    xlabel="step",
    ylabel="mean squared distance",
    yscale="log",
)

# %% [markdown]
# ## A rate that falls
#
# Robbins and Monro (1951): a run with noise arrives if the rates sum to
# infinity, so that it can go any distance, while their squares do not, so that
# the noise dies away:
#
# $$\sum_t \alpha_t = \infty, \qquad \sum_t \alpha_t^2 < \infty .$$

# %% row="THY-05"
for name, schedule in {
    "constant": schedules.constant(0.1),
    "1/t": schedules.inverse_decay(1.0, 1.0),
}.items():
    print(f"{name}: {schedules.converges(schedule)}")
for name, rate in (("α = 0.2", 0.2), ("α = 0.02", 0.02)):
    level = rate / (2 - rate)
    assert abs(distances[name][-500:].mean() / level - 1) < 0.15
assert distances["α = 1/t"][-1] < 1e-3 < distances["α = 0.02"][-1]

# %% [markdown] tags=["exercise"]
# ## Exercise 1: by hand
#
# Write gradient descent on J = L w²/2 without a loop: where is w after so many
# steps?


# %% tags=["exercise"]
def after(w, rate, L, steps):
    return None


# %% tags=["solution"]
def after(w, rate, L, steps):
    return w * (1 - rate * L) ** steps


# %% tags=["check"]
u = mg.Parameter(3.0, name="u")
sgd = SGD([u], 0.3)
for _ in range(7):
    (2.0 * u**2).backward()  # L = 4
    sgd.step()
check.same(after(3.0, 0.3, 4.0, 7), float(u), "after(3.0, 0.3, 4.0, 7)")

# %% [markdown] tags=["exercise"]
# ## Exercise 2: change it
#
# J(x, y) = 3 x² + y²/2. Below which rate does gradient descent converge?

# %% tags=["exercise"]
largest_rate = None

# %% tags=["solution"]
largest_rate = 2 / 6  # the largest curvature is 6

# %% tags=["check"]
other = mg.Parameter(np.ones(2), name="other")
H_other = mg.hessian(3 * other[0] ** 2 + other[1] ** 2 / 2, other).value
check.same(largest_rate, 2 / np.linalg.eigvalsh(H_other).max(), "largest_rate")

# %% [markdown]
# ## What we claimed
#
# A constant rate must stay below 2 over the largest curvature. A batch of s
# examples has a slope with variance σ²/s, so a constant rate hovers; a rate
# that falls as 1/t arrives.
#
# It comes back in [lesson 11](11_momentum.py) and in
# [schedules](../reference/schedules.md). To read: L. Bottou, *Stochastic
# Gradient Descent Tricks*, 2012.

# %%
assert apart < 1e-12
assert runs["α = 0.05"].values[-1] < 0.1 < runs["α = 0.004"].values[-1]
assert runs["α = 0.102"].values[-1] > runs["α = 0.102"].values[0]
assert schedules.converges(schedules.inverse_decay(1.0, 1.0))
assert not schedules.converges(schedules.constant(0.1))
