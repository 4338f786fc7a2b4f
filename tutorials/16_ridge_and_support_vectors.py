# rows: WEX-11 WEX-21 THY-22
# %% [markdown]
# # Ridge and support vectors: L2 shrinks, L1 sets to zero
#
# Of twelve inputs three matter. Which penalty finds the three, and which one keeps all twelve?
#
# You will solve ridge regression in one line and by descent, get weights that are exactly 0, and write the gradient of a
# support vector machine.
#
# Before: [lesson 8](08_hinge_and_margin.py) for the hinge loss, [lesson 15](15_fit_not_memorize.py) for what a penalty is
# good for.

# %%
import numpy as np

import check
import minigrad as mg
from minigrad.models import linear, losses
from minigrad.models.penalties import L1, L2, soft_threshold
from minigrad.optim import SGD, figures

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 12))  # 60 examples in rows, 12 inputs
useful = [1, 4, 7]
y = X[:, useful] @ [2.0, -1.5, 1.0] + 0.5 * rng.normal(size=60)

# %% [markdown]
# ## See it
#
# The same least squares with two penalties, over their strength μ. `ridge` adds (μ/2) Σ θ², which is L2. `lasso` adds
# μ Σ |θ|, which is L1. How `lasso` works comes further down.


# %%
def lasso(mu, steps=150):
    theta = mg.Parameter(np.zeros(12))
    rate = 1 / np.linalg.norm(X, 2) ** 2
    for _ in range(steps):
        loss = losses.half_least_squares(X @ theta, y)
        (slope,) = mg.gradients(loss, theta)
        theta.value -= rate * slope.value
        L1(mu).proximal_step(theta, rate)
    return theta.value


strengths = np.logspace(0, 3, 13)
by_ridge = np.array([linear.ridge(X, y, mu).value for mu in strengths])
by_lasso = np.array([lasso(mu) for mu in strengths])

# %% tags=["figure"] alt="Two panels of twelve coefficients over the strength from 1 to 1000. With L2 all shrink smoothly and none is 0. With L1 the nine useless ones are exactly 0 from 6 on, and the useful three from 100 on."
both = figures.panels(2, xscale="log", xlabel="strength μ", ylim=(-1.8, 2.2))
colors = {1: "#0072b2", 4: "#d55e00", 7: "#009e73"}
for ax, found, name in zip(
    both, (by_ridge, by_lasso), ("L2", "L1"), strict=True
):
    for j in range(12):
        dash = "-" if j in useful else ":"
        color = colors.get(j, figures.INK)
        ax.plot(strengths, found[:, j], color=color, linestyle=dash)
    ax.set_title(name)
    for j in useful:
        ax.annotate(f"θ{j}", (1.2, found[0, j] + 0.1), color=colors[j])
picture = both[0].figure
picture

# %% [markdown]
# (Run as a script, the lesson prints; `figures.save(figure, "picture.svg")` writes a picture.)
#
# With L2 the dotted lines, the useless inputs, get closer to 0 and never arrive. With L1 they are gone early.

# %%
print(f"μ = {strengths[5]:.1f}")
print("L2:", by_ridge[5].round(2) + 0.0)
print("L1:", by_lasso[5].round(2) + 0.0)
zeros_l2, zeros_l1 = np.sum(by_ridge[5] == 0), np.sum(by_lasso[5] == 0)
print(f"exactly 0: {zeros_l2} with L2, {zeros_l1} with L1")

# %% [markdown]
# ## Ridge in one line
#
# $$J(\theta) = \frac{1}{2} \lVert y - X\theta \rVert^2 + \frac{\mu}{2} \lVert \theta \rVert^2$$
# $$\frac{\partial J}{\partial \theta} = -X^\top (y - X\theta) + \mu\theta$$
# $$\theta = (X^\top X + \mu I)^{-1} X^\top y$$
#
# Examples are the rows of X. The second line set to 0 is (XᵀX + μI) θ = Xᵀy, with the matrix on the left of θ: in the
# other order shapes do not fit. (Texts with examples in the columns of X have XXᵀ for XᵀX, and Xy for Xᵀy.)
#
# The smallest case has one input: x = (1, 2), y = (2, 4), μ = 5. Then xᵀx = 5, xᵀy = 10, and θ = 10 / (5 + 5) = 1, half of
# what least squares says.

# %%
small = linear.ridge([[1.0], [2.0]], [2.0, 4.0], 5.0).value
print("by engine", small, "difference", small - 10 / (5 + 5))

mu = 10.0
closed = np.linalg.solve(X.T @ X + mu * np.eye(12), X.T @ y)
theta = mg.Parameter(linear.ridge(X, y, mu).value)
(slope,) = mg.gradients(linear.ridge_objective(theta, X, y, mu), theta)
by_descent = linear.ridge_by_descent(X, y, mu, steps=300)
gap = np.abs(theta.value - closed).max()
print(f"closed form: difference below 1e-12: {gap < 1e-12}")
print(f"slope there below 1e-12: {np.abs(slope.value).max() < 1e-12}")
mg.check_gradients(  # raises where finite differences disagree
    lambda theta: linear.ridge_objective(theta, X, y, mu), np.ones(12)
)
print(f"descent reaches it: {np.allclose(by_descent, closed, rtol=1e-9)}")

# %% [markdown] tags=["predict"]
# ## Predict, then run
#
# Now the twelve inputs go up and down together, as sizes of one animal do. Gradient descent takes steps of rate 1/L, with
# L the largest curvature of J. Does it reach the ridge solution in fewer steps when μ is larger?
#
# - In more steps: there is one more term to satisfy.
# - In as many: the rate is fitted to the curvature in any case.
# - In fewer.

# %%
rng = np.random.default_rng(1)
Z = rng.normal(size=(60, 12)) + 2 * rng.normal(size=(60, 1))
target = Z[:, useful] @ [2.0, -1.5, 1.0] + 0.5 * rng.normal(size=60)


def distances(mu, steps=200):
    """How far descent by hand is from the closed form."""
    end = linear.ridge(Z, target, mu).value
    t, rate, found = np.zeros(12), 1 / (np.linalg.norm(Z, 2) ** 2 + mu), []
    for _ in range(steps):
        t = t - rate * (-Z.T @ (target - Z @ t) + mu * t)
        found.append(np.linalg.norm(t - end) / np.linalg.norm(end))
    return t, found


runs = {f"μ = {strength}": distances(strength) for strength in (0, 100, 300)}
for strength, (end, _) in zip((0, 100, 300), runs.values(), strict=True):
    gap = end - linear.ridge_by_descent(Z, target, strength, steps=200)
    k = np.linalg.eigvalsh(Z.T @ Z) + strength
    print(f"μ = {strength}: factor {1 - k[0] / k[-1]:.3f} per step,", end=" ")
    print(f"by hand and by engine agree: {np.abs(gap).max() < 1e-12}")

# %% tags=["figure"] alt="Distance to the closed form over 200 steps, on a log scale, three straight lines: without a penalty it falls to about 0.1, with strength 100 to about 0.0001, with 300 below 1e-9."
figures.lines(
    {name: found for name, (_, found) in runs.items()},
    xlabel="step",
    ylabel="distance to the closed form",
    yscale="log",
)

# %% [markdown] tags=["answer"]
# In fewer. A step multiplies the error along a direction of curvature k by 1 − k/L, and the slowest direction is the
# flattest one. The penalty adds μ to every curvature, which is much for the flat ones and little for the steep ones. The
# first answer counts terms; the second looks at the steepest direction alone, to which the rate is fitted.

# %% row="WEX-11"
assert small == [1.0]
np.testing.assert_allclose(theta.value, closed, rtol=1e-12)
with np.testing.assert_raises(ValueError):  # the other order
    closed[:, None] @ (X.T @ X + mu * np.eye(12))
C = X.T  # examples in columns
in_columns = np.linalg.solve(C @ C.T + mu * np.eye(12), C @ y)
np.testing.assert_allclose(in_columns, closed, rtol=1e-9)
np.testing.assert_allclose(slope.value, 0, atol=1e-12)
np.testing.assert_allclose(by_descent, closed, rtol=1e-9)
assert runs["μ = 300"][1][-1] < 1e-9 < 0.05 < runs["μ = 0"][1][-1]

# %% [markdown]
# ## Why L1 gives zeros
#
# Take one weight, whose best value without a penalty is z. With curvature 1 the penalized best is
#
# $$\text{L2:} \; \frac{z}{1 + \mu} \qquad \text{L1:} \; S(z, \mu) = \mathrm{sgn}(z) \max(|z| - \mu, 0)$$
#
# L2 pulls with force μθ, which fades as θ gets small: it never arrives. L1 pulls with the same force μ all the way, and
# wins where |z| ≤ μ. S is the *soft threshold*.

# %%
z = np.linspace(-2, 2, 41)
grid = np.linspace(-3, 3, 6001)  # by hand: try all values of the weight
cost = (grid[:, None] - z) ** 2 / 2 + 0.5 * np.abs(grid[:, None])
tried = grid[cost.argmin(axis=0)]
by_engine = soft_threshold(mg.Input(z), 0.5).value
print(f"largest difference {np.abs(tried - by_engine).max():.4f}")

# %% tags=["figure"] alt="Over z from -2 to 2: without a penalty the diagonal, with L2 a flatter line that is 0 only at z = 0, with L1 a line that is exactly 0 from -0.5 to 0.5 and parallel to the diagonal outside."
figures.lines(
    {"none": (z, z), "L2": (z, z / 1.5), "L1": (z, by_engine)},
    xlabel="best weight without a penalty, z",
    ylabel="with one of μ = 0.5",
)

# %% [markdown]
# `lasso` above takes a step of descent on the loss alone and then a soft threshold, rate · μ wide. That is a *proximal
# step*. Here is what happens without it, with sgn(θ) in the gradient:

# %%
jumping, rate = np.zeros(12), 1 / np.linalg.norm(X, 2) ** 2
for _ in range(1000):
    slope = -X.T @ (y - X @ jumping) + strengths[5] * np.sign(jumping)
    jumping = jumping - rate * slope
print(jumping.round(2))
print(
    f"exactly 0: {np.sum(jumping == 0)}; rate · μ = {rate * strengths[5]:.2f}"
)

# %% [markdown]
# None is 0: each useless weight jumps to and fro across 0, in steps of about rate · μ.
#
# ## A penalty is a prior
#
# Where noise is N(0, σ²) and weights are believed to be N(0, s²), −ln of the posterior is J/σ² and a constant, with
# μ = σ²/s². A Gaussian has hardly any preference between 0 and 0.01. For L1 the belief is a Laplacian of scale b,
# exp(−|θ|/b)/(2b), which has a peak at 0; then μ = σ²/b.

# %%
sigma, s, b = 0.5, 0.8, 0.4


def normal(x, scale):
    """−ln of the density of all entries."""
    return (x**2 / (2 * scale**2) + np.log(scale * np.sqrt(2 * np.pi))).sum()


def laplacian(x, scale):
    return (abs(x) / scale + np.log(2 * scale)).sum()


constants = []
for t in (np.zeros(12), closed, rng.normal(size=12)):
    error = ((y - X @ t) ** 2).sum() / 2
    with_l2 = error + sigma**2 / s**2 * (t @ t) / 2
    with_l1 = error + sigma**2 / b * abs(t).sum()
    of_l2 = normal(y - X @ t, sigma) + normal(t, s) - with_l2 / sigma**2
    of_l1 = normal(y - X @ t, sigma) + laplacian(t, b) - with_l1 / sigma**2
    constants.append([of_l2, of_l1])
    print(f"−ln posterior − J/σ²: {of_l2:.3f} (L2), {of_l1:.3f} (L1)")

# %% row="THY-22"
assert zeros_l2 == 0 and zeros_l1 == 9
assert set(np.flatnonzero(by_lasso[5])) == set(useful)
assert np.abs(tried - by_engine).max() <= 6e-4  # half the grid
assert np.sum(jumping == 0) == 0
np.testing.assert_allclose(constants, [constants[0]] * 3, rtol=1e-10)

# %% [markdown]
# ## The same two penalties in a support vector machine
#
# A score w·x + b, labels y of −1 or 1, and the hinge loss of [lesson 8](08_hinge_and_margin.py) over K examples:
#
# $$\frac{1}{K} \sum_i \max(0, 1 - m_i) + \mu \lVert w \rVert_2^2 \; \text{or} \; \mu \lVert w \rVert_1 \qquad m_i = y_i (w^\top x_i + b)$$
#
# An example with m < 1 adds −y x/K to the gradient by w and −y/K to that by b. One with m > 1 adds nothing: it is beyond
# the margin. The penalty adds 2μw (there is no ½ here) or μ sgn(w), and nothing to the gradient by b.


# %%
def by_hand(w, b, of_penalty, counts):
    return (counts * -y9) @ x9 / 9 + of_penalty, (counts * -y9).mean()


rng = np.random.default_rng(1)
x9, y9 = rng.normal(size=(9, 3)), rng.choice([-1, 1], 9)
w9, b9 = rng.normal(size=3), 0.2
within = y9 * (x9 @ w9 + b9) < 1


def differences(penalty, of_penalty):
    """By hand minus by engine: for w, for b, for w with the cases swapped."""

    def objective(w, b):
        return losses.hinge(x9 @ w + b, y9) + penalty(w)

    mg.check_gradients(objective, w9, [b9])  # against finite differences
    w, b = mg.Parameter(w9), mg.Parameter([b9])
    of_w, of_b = (g.value for g in mg.gradients(objective(w, b), [w, b]))
    for_w, for_b = by_hand(w9, b9, of_penalty, within)
    swapped, _ = by_hand(w9, b9, of_penalty, ~within)
    gaps = (for_w - of_w, for_b - of_b, swapped - of_w)
    return [np.abs(gap).max() for gap in gaps]


gaps = [
    differences(L2(0.2), 0.4 * w9),
    differences(L1(0.2), 0.2 * np.sign(w9)),
]
for name, (for_w, for_b, swapped) in zip(("L2", "L1"), gaps, strict=True):
    print(f"{name}: below 1e-12: {max(for_w, for_b) < 1e-12};", end=" ")
    print(f"cases swapped: off by {swapped:.2f}")

# %% [markdown]
# In some texts the two cases are swapped, so that the examples beyond the margin train the machine. Finite differences show it.
#
# ## Who holds the line
#
# Two clouds that a line separates, and both penalties:

# %%
rng = np.random.default_rng(0)
label = np.repeat([-1, 1], 20)
cloud = rng.normal(size=(40, 2)) * 0.4
cloud += np.outer(label, [1.5, 1.0]) + [0.5, -0.2]


def separated(penalty, steps=500, rate=0.05):
    model = linear.LinearSVM(2, dtype=np.float64)
    optimizer = SGD(model.parameters(), rate)
    for _ in range(steps):
        if isinstance(penalty, L1):
            losses.hinge(model(cloud), label).backward()
            optimizer.step()
            penalty.proximal_step(model, rate)
        else:
            model.objective(cloud, label, penalty).backward()
            optimizer.step()
    return model


ends = {}
for penalty in (L2(1e-4), L1(1e-4), L2(0.2), L1(0.2)):
    model = ends[penalty] = separated(penalty)
    hinge = float(losses.hinge(model(cloud), label))
    name = f"{type(penalty).__name__}({penalty.weight})"
    print(f"{name:9s} w = {model.W.value[0].round(3)}, hinge loss {hinge:.4f}")

# %% tags=["figure"] alt="Two clouds, a line between them and the two margins. With L2 the line is tilted. With L1 the second weight is exactly 0, the line is vertical. A few ringed points lie at or within the margins; the rest have no say."
strong = {type(p).__name__: m for p, m in ends.items() if p.weight == 0.2}
pair = figures.panels(
    2, xlim=(-2.2, 3), ylim=(-2.4, 2.2), xlabel="x1", ylabel="x2"
)
for ax, (name, model) in zip(pair, strong.items(), strict=True):
    for sign, color, shape in ((-1, "#0072b2", "o"), (1, "#d55e00", "s")):
        chosen = cloud[label == sign]
        ax.plot(*chosen.T, shape, color=color, markersize=4)
    grid = np.mgrid[-2.2:3:40j, -2.4:2.2:40j]
    score = model(grid.reshape(2, -1).T).value.reshape(40, 40)
    ax.contour(
        *grid, score, [-1, 0, 1], colors=figures.INK, linestyles=[":", "-", ":"]
    )
    held = cloud[label * model(cloud).value < 1]
    ax.plot(*held.T, "o", markersize=10, fillstyle="none", color=figures.INK)
    ax.set_title(f"{name}, μ = 0.2: {len(held)} with a say")
pair[0].figure

# %% [markdown]
# Weak penalties let the hinge loss reach 0. With strong ones a few examples lie within the margin, and they alone pull at
# the line: they are the *support vectors*. L1 has found that the first coordinate alone is enough.

# %% row="WEX-21"
assert 0 < within.sum() < 9
for for_w, for_b, swapped in gaps:
    assert max(for_w, for_b) < 1e-12 and swapped > 0.1
for model in ends.values():
    assert (model.predict(cloud) == label).all()
for penalty in list(ends)[:2]:
    assert float(losses.hinge(ends[penalty](cloud), label)) < 1e-2
assert strong["L1"].W.value[0, 1] == 0 and strong["L2"].W.value[0, 1] > 0.1

# %% [markdown] tags=["exercise"]
# ## Exercise 1: change it
#
# From which μ on are all twelve weights of the lasso 0? At θ = 0 the loss pulls at each weight with its slope, and the
# penalty holds it with force μ.

# %% tags=["exercise"]
largest = None  # yours, from X and y

# %% tags=["solution"]
largest = np.abs(X.T @ y).max()

# %% tags=["check"]
origin = mg.Parameter(np.zeros(12))
(pull,) = mg.gradients(losses.half_least_squares(X @ origin, y), origin)
check.same(largest, np.abs(pull.value).max(), "largest")
assert not lasso(1.001 * largest).any() and lasso(0.99 * largest).any()

# %% [markdown] tags=["exercise"]
# ## Exercise 2: which line is wrong?
#
# This should be the gradient of the hinge loss + μ‖w‖₁ by w. The engine does not agree with it.


# %% tags=["exercise"]
def by_w(w, b, mu):
    counts = y9 * (x9 @ w + b) < 1  # line 1
    data = (counts * -y9) @ x9 / 9  # line 2
    penalty = 2 * mu * w  # line 3
    return data + penalty


w, b = mg.Parameter(w9), mg.Parameter([b9])
(right,) = mg.gradients(losses.hinge(x9 @ w + b, y9) + L1(0.2)(w), w)
print("off by", np.abs(by_w(w9, b9, 0.2) - right.value).round(2))
wrong_line = None  # yours

# %% tags=["solution"]
wrong_line = 3  # this is L2's part: L1 adds mu * np.sign(w)

# %% tags=["check"]
mended = by_w(w9, b9, 0.2) - 2 * 0.2 * w9 + 0.2 * np.sign(w9)
assert np.allclose(mended, right.value)
check.same(wrong_line, 3, "wrong_line")

# %% [markdown]
# ## What we claimed
#
# L2 pulls less the smaller a weight is, and leaves all of them; L1 pulls the same all the way, and leaves few.
#
# You know now: ridge has a closed form, descent reaches it, and sooner with a larger μ; zeros come of a soft threshold,
# not of sgn in a gradient; in a support vector machine only examples with m < 1 have a say.
#
# It comes back in [lesson 21](21_penalized_backpropagation.py), where a penalty is on adjoints instead of weights.
#
# Read: R. Tibshirani, Regression shrinkage and selection via the lasso, J. R. Statist. Soc. B 58, 1996.

# %%
assert zeros_l1 == 9 and zeros_l2 == 0
assert np.abs(by_ridge[-1]).max() < 0.2 and (by_ridge[-1] != 0).all()
factors = [found[-1] for _, found in runs.values()]
assert factors == sorted(factors, reverse=True)
assert all(m.W.value[0, 0] > 0.3 for m in strong.values())
