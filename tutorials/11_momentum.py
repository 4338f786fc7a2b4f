# rows: THY-06 THY-07 THY-08 THY-14 VIS-07 VIS-08
# %% [markdown]
# # Momentum: a step that remembers
#
# The loss falls fast, then crawls for an hour along a narrow valley. A larger
# rate only makes it jump from wall to wall. What helps?
#
# You will let steps add up, compute how much faster that is and where it breaks,
# and look ahead before a bend. Before: [lesson 10](10_the_rate.py), the largest
# rate of a bowl.

# %%
import numpy as np

import check
import minigrad as mg
from minigrad.optim import SGD, Adam, figures

# %% [markdown]
# ## See it
#
# A narrow bowl, J(x, y) = x² + 10 y², and a rate of 0.09, close under the limit
# of 0.1. Across the valley each step goes back on the one before; along it there
# is little slope. With momentum η = 0.5 a step keeps half of the last one.


# %%
def bowl(x, y):
    return x**2 + 10 * y**2


def descent(rate, eta=0.0, start=(-1.8, 1.0), steps=25, **options):
    """The path of SGD with momentum η on the bowl."""
    return figures.path(
        bowl, start, lambda p: SGD(p, rate, eta, **options), steps
    )


plain, heavy = descent(0.09), descent(0.09, 0.5)

# %% tags=["figure"] alt="Two paths in a narrow bowl: without momentum it goes from wall to wall at every step; with momentum 0.5 it turns back far less often and is at the minimum after a few steps."
both = {"η = 0": plain, "η = 0.5": heavy}
figures.landscape(bowl, both, xlim=(-2, 0.6), ylim=(-1.1, 1.2))

# %% row="VIS-07"
for name, path in (("η = 0", plain), ("η = 0.5", heavy)):
    print(f"{name}: {path.turns} turns in 25 steps, J {path.values[-1]:.1e}")
assert plain.turns == 24  # every step but the first goes back
assert heavy.turns < 16
assert heavy.values[-1] < plain.values[-1] / 100

# %% [markdown]
# Run as a script, the lesson prints; `figures.save(figure, "picture.svg")`
# writes a picture.
#
# ## Why
#
# A velocity v is added to the weights, and adds up the slopes g:
#
# $$v \leftarrow \eta v - \alpha g, \qquad w \leftarrow w + v .$$
#
# Where g points the same way for long, v grows until what it loses, (1 − η) v,
# is what it gains:
#
# $$v \to -\frac{\alpha g}{1 - \eta} .$$
#
# With η = 0.9 that is ten times a plain step. Where slopes alternate, they
# cancel in the sum. You will read that v is an *average* of past slopes. It is a
# sum that forgets: an average of slopes of 1 would be 1, this sum is 10.


# %% row="THY-06"
def velocities(eta, steps=100, rate=0.1):
    """Lengths of the steps for a slope that is always 1."""
    w = mg.Parameter(0.0, name="w")
    sgd, places = SGD([w], rate, eta), [0.0]
    for _ in range(steps):
        (1.0 * w).backward()
        sgd.step()
        places.append(float(w))
    return -np.diff(places)


lengths = velocities(0.9)
print("steps 1, 2, 3 and 100:", lengths[[0, 1, 2, 99]].round(4))
assert abs(lengths[-1] / 0.1 - 1 / (1 - 0.9)) < 1e-3  # ten times
by_hand = 0.1 * (1 - 0.9 ** np.arange(1, 101)) / (1 - 0.9)
apart = np.abs(lengths - by_hand).max()
print("by hand less engine under 1e-12:", apart < 1e-12)

# %% [markdown] tags=["predict"]
# ## Predict, then run
#
# A step can become ten times as long. On the bowl J = 2 w² a plain rate must stay
# below 2/L = 0.5, since its curvature L is 4. With η = 0.9 the limit is
#
# * 0.05: steps are ten times as long, so the rate must be a tenth.
# * 0.5: momentum does not change the curvature.
# * 0.95: nearly twice as large.


# %% row="THY-07"
def end_of(rate, eta=0.9, steps=300):
    """|w| after so many steps on J = 2 w², from w = 1."""
    w = mg.Parameter(1.0, name="w")
    sgd = SGD([w], rate, eta)
    for _ in range(steps):
        (2.0 * w**2).backward()
        sgd.step()
    return abs(float(w))


limit = 2 * (1 + 0.9) / 4
print(f"the limit is {limit:g}")
for share in (0.98, 1.02):
    print(f"{share} of it: |w| = {end_of(share * limit):.2g} after 300 steps")
assert limit == 0.95
assert end_of(0.98 * limit) < 0.01 < 100 < end_of(1.02 * limit)
assert end_of(0.6, eta=0.0, steps=100) > 100  # plain, beyond its limit 0.5

# %% [markdown] tags=["answer"]
# 0.95. In one direction the two lines are a matrix on (w, v), and it shrinks
# everything if and only if
#
# $$\alpha < \frac{2 (1 + \eta)}{L} .$$
#
# Near the limit slopes alternate, and alternating steps cancel rather than add
# up; the factor of ten is for slopes that agree. The second choice forgets the
# cancelling. A larger limit is no promise of speed: under it w swings, and shrinks
# by about √η a step, whatever the rate.


# %% tags=["figure"] alt="Distance from the minimum over 100 steps, on a logarithmic axis: at a tenth and at 0.98 of the limit it swings and shrinks at about the same pace, at 1.02 it grows to more than 10 billion."
def swings(rate, steps=100):
    w = mg.Parameter(1.0, name="w")
    sgd, places = SGD([w], rate, 0.9), [1.0]
    for _ in range(steps):
        (2.0 * w**2).backward()
        sgd.step()
        places.append(abs(float(w)))
    return places


figures.lines(
    {
        f"{share:g} × limit": swings(share * limit)
        for share in (0.1, 0.98, 1.02)
    },
    xlabel="step",
    ylabel="|w|",
    yscale="log",
)

# %% [markdown]
# ## Look ahead
#
# After a steep slope the velocity is large, and it carries w past the minimum.
# Nesterov takes the slope where the velocity will have brought us:
#
# $$v \leftarrow \eta v - \alpha \nabla J(w + \eta v), \qquad w \leftarrow w + v .$$
#
# The brake comes one step earlier.

# %%
steep = {"start": (1.8, 0.0), "steps": 60}
runs = {
    "momentum": descent(0.02, 0.9, **steep),
    "Nesterov": descent(0.02, 0.9, nesterov="look-ahead", **steep),
}

# %% tags=["figure"] alt="Distance along a descent from x = 1.8 over 60 steps: momentum runs 0.79 beyond the minimum, Nesterov's less, and settles sooner."
figures.overshoot(runs, (0, 0))

# %% row="VIS-08"
beyond = {name: path.overshoot((0, 0)) for name, path in runs.items()}
for name, distance in beyond.items():
    print(f"{name}: {distance:.2f} beyond the minimum")
assert 0 < beyond["Nesterov"] < 0.8 * beyond["momentum"]

# %% [markdown]
# That form needs the slope at a place where w is not. Write w̃ = w + η v, the
# place ahead, as the parameter, and it needs slopes only where it is:
#
# $$v_{new} = \eta v - \alpha \nabla J(\tilde w), \qquad
# \tilde w_{new} = \tilde w + v_{new} + \eta (v_{new} - v) .$$
#
# The engine has both, `nesterov="look-ahead"` and `nesterov=True`. They are one
# walk told by two walkers; w̃ is not w.

# %% row="THY-08"
eta, rate = 0.9, 0.02
w, v = np.array([1.0, -0.5]), np.zeros(2)
ahead, u = w.copy(), np.zeros(2)
curvatures = np.array([2.0, 20.0])  # of the bowl
apart_walkers, between = 0.0, 0.0
for _ in range(30):
    v = eta * v - rate * curvatures * (w + eta * v)
    w = w + v
    u_new = eta * u - rate * curvatures * ahead
    ahead, u = ahead + u_new + eta * (u_new - u), u_new
    apart_walkers = max(apart_walkers, np.abs(ahead - (w + eta * v)).max())
    between = max(between, np.abs(ahead - w).max())
by_engine = {
    form: descent(rate, eta, start=(1.0, -0.5), steps=30, nesterov=form)
    for form in (True, "look-ahead")
}
print("one walk, two walkers, under 1e-14:", apart_walkers < 1e-14)
print(f"yet w̃ and w are up to {between:.2f} apart")
assert apart_walkers < 1e-14 < 0.2 < between
assert np.allclose(by_engine["look-ahead"].points[-1], w, atol=1e-14)
assert np.allclose(by_engine[True].points[-1], ahead, atol=1e-14)

# %% [markdown]
# ## Over a hill
#
# What rolls has speed left in a shallow valley, and may roll out of it. A wave
# lies on a bowl: its valleys are near −2.5, −0.5 and 1.5, the deepest at −0.5. We
# start at −3.5.


# %%
def wavy(x, y):
    return 0.1 * x**2 + 0.5 * np.sin(3 * x) + 0.1 * y**2


def rolling(rate, eta):
    make = lambda p: SGD(p, rate, eta)  # noqa: E731
    return figures.path(wavy, (-3.5, 0.0), make, 150)


rolls = {
    f"α = {rate}, η = {eta}": rolling(rate, eta)
    for rate, eta in ((0.05, 0.0), (0.02, 0.9), (0.05, 0.9), (0.2, 0.9))
}

# %% tags=["figure"] alt="Position over 150 steps of four runs: without momentum, and with momentum at the rate 0.02, x stays at −2.5; at 0.05 it rolls on to −0.5, the deepest valley; at 0.2 it rolls past it to 1.5."
figures.lines(
    {name: path.points[:, 0] for name, path in rolls.items()},
    xlabel="step",
    ylabel="x",
    ylim=(-4, 4.5),
)

# %% row="THY-14"
for name, path in rolls.items():
    print(f"{name}: x = {path.points[-1, 0]:.1f}, J = {path.values[-1]:.2f}")
ends = [path.points[-1, 0] for path in rolls.values()]
assert np.allclose(ends, [-2.5, -2.5, -0.5, 1.5], atol=0.1)
with_adam = [
    figures.path(wavy, (-3.5, 0.0), lambda p, a=rate: Adam(p, a), 400).points[
        -1, 0
    ]
    for rate in (0.01, 0.1, 0.5)
]
assert np.allclose(with_adam, -2.5, atol=0.1)

# %% [markdown]
# So it can, and it depends on the rate: too small a one stays, too large a one
# misses the deepest valley. It is luck, not a method. Adam, of the
# [next lesson](12_a_rate_for_each_weight.py), stays in the first valley from this
# start at the rates 0.01, 0.1 and 0.5.

# %% [markdown] tags=["exercise"]
# ## Exercise 1: by hand
#
# Write one step of momentum. It gets w, v and the slope g, and returns the new w
# and v.


# %% tags=["exercise"]
def step(w, v, g, rate, eta):
    return None


# %% tags=["solution"]
def step(w, v, g, rate, eta):
    v = eta * v - rate * g
    return w + v, v


# %% tags=["check"]
u = mg.Parameter(1.0, name="u")
sgd, places = SGD([u], 0.1, 0.9), [1.0]
for _ in range(2):
    (2.0 * u**2).backward()
    sgd.step()
    places.append(float(u))
_, first, second = places  # the velocity is the difference of two places
expected = [second, second - first]
found = step(first, first - 1.0, 4 * first, 0.1, 0.9)
check.same(found, expected, "step(0.6, -0.4, 2.4, 0.1, 0.9)")

# %% [markdown] tags=["exercise"]
# ## Exercise 2: change it
#
# A step that is always in one direction shall become 20 times as long. Which η?

# %% tags=["exercise"]
eta_20 = None

# %% tags=["solution"]
eta_20 = 1 - 1 / 20

# %% tags=["check"]
longest = {eta: velocities(eta, 300)[-1] for eta in (0.8, 0.9, 0.95, 0.98)}
right = min(longest, key=lambda eta: abs(longest[eta] - 20 * 0.1))
check.same(eta_20, right, "eta_20")

# %% [markdown]
# ## What we claimed
#
# Momentum adds steps up that agree, 1/(1 − η) times, and lets those cancel that
# alternate. On a quadratic it is stable for rates under 2 (1 + η)/L. Nesterov
# takes the slope ahead, and overshoots less.
#
# It comes back in [lesson 13](13_seven_runs.py) and in
# [SGD](../reference/optimizers.md). To read: I. Sutskever, J. Martens, G. Dahl
# and G. Hinton, *On the importance of initialization and momentum in deep
# learning*, 2013.

# %%
assert heavy.turns < plain.turns
assert apart < 1e-12
assert end_of(0.98 * limit) < 1 < end_of(1.02 * limit)
assert beyond["Nesterov"] < beyond["momentum"]
assert ends[0] < -2 < ends[2] < 0 < ends[3]
