# rows: VIS-01 VIS-05 VIS-13 THY-23 THY-26 THY-28
# %% [markdown]
# # Neurons, layers, and exclusive or
#
# A weighted sum cannot say "one or the other, but not both". What is the least that must be added?
#
# You will see where a weighted sum ends, draw a neuron and a net, choose between activations by what they do, and watch
# a net bend its border while it trains.
#
# Before: [lesson 1](01_a_slope_measured.py) and [lesson 2](02_a_box_and_its_two_methods.py), what a slope and a node are.

# %%
import numpy as np

import check
import minigrad as mg
from minigrad.models import Dense, Sequential, datasets, losses, metrics
from minigrad.optim import Adam, figures, fit, predict

# %% [markdown]
# ## See it
#
# Four points. The class is 1 where x1 or x2 is 1, but not both: exclusive or, XOR. On the left a weighted sum decides, x1 +
# x2 − 0.5; on the right a trained net with four units in between.

# %%
X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
xor = np.array([[0.0], [1.0], [1.0], [0.0]])


def net_of(n_units, f=np.tanh, seed=0):
    """Two inputs, so many hidden units, one output."""
    rng = np.random.default_rng(seed)
    return Sequential(
        Dense(2, n_units, f, dtype=np.float64, rng=rng),
        Dense(n_units, 1, dtype=np.float64, rng=rng),
    )


def trained(net, steps=100):
    """The losses of a training on the four points."""
    options = {"epochs": steps, "quiet": True}
    options |= {"optimizer": Adam(net.parameters(), 0.1)}
    return fit(net, X, xor, loss=losses.binary_cross_entropy, **options)["loss"]


def accuracy(net):
    """The part of the four points on the right side of 0."""
    return float(np.mean((predict(net, X) > 0) == xor))


line, bent = Sequential(Dense(2, 1, dtype=np.float64)), net_of(4)
line[0].W.value[:], line[0].b.value[:] = 1.0, -0.5
trained(bent)
print(f"weighted sum {accuracy(line):.2f}, four units {accuracy(bent):.2f}")

# %% tags=["figure"] alt="Four points at the corners of a square, opposite corners in one class. Left, one straight border leaves a point on the wrong side, accuracy 0.75. Right, two borders cut off both corners, accuracy 1."
panels = figures.panels(2, xlabel="x1", ylabel="x2")
classes = xor[:, 0].astype(int)
for ax, net in zip(panels, (line, bent), strict=True):
    title = f"{'weighted sum' if net is line else 'four units'}: "
    title += f"{accuracy(net):.2f}"
    figures.decision_regions(net, X, classes, title=title, ax=ax)
    ax.get_legend().remove()
panels[0].figure

# %% [markdown]
# Run as a script, the lesson prints; `figures.save(panels[0].figure, "picture.svg")` writes the picture.
#
# ## Why: a sum gives each input one amount
#
# In "museums in Paris", "museums" speaks for a place behind it, but only if "in" comes second. What the first word adds
# depends on the second: an *interaction*. A weighted sum s = w1 x1 + w2 x2 + b gives each input one amount, whatever the
# other is:
#
# $$s(1, 1) - s(0, 1) = w_1 = s(1, 0) - s(0, 0)$$
#
# So s(0, 0) + s(1, 1) = s(0, 1) + s(1, 0). For XOR the left side should be negative and the right side positive: no
# choice of weights does that. Here are 10,000 choices, and what training makes of it. It gives up: all weights go to 0,
# the answer is 1/2 everywhere, and the loss stays at ln 2 = 0.6931.

# %% row="THY-23"
rng = np.random.default_rng(0)
weights, bias = rng.normal(size=(10_000, 2)), rng.normal(size=10_000)
scores = X @ weights.T + bias  # (4 points, 10,000 sums)
best = float(((scores > 0) == xor).mean(axis=0).max())
print(f"best of 10,000 weighted sums: {best:.2f}")
net = Sequential(Dense(2, 1, dtype=np.float64, rng=0))
given_up = trained(net, 200)
print(f"loss of a trained weighted sum: {given_up[-1]:.4f}")
assert all(np.allclose(p.value, 0, atol=1e-3) for p in net.parameters())
assert np.allclose(scores[0] + scores[3], scores[1] + scores[2])
assert best == accuracy(line) == 0.75
assert np.isclose(given_up[-1], np.log(2), atol=1e-6)
assert accuracy(bent) == 1

# %% [markdown]
# ## A neuron, a layer, a net
#
# A *neuron* or unit scales its inputs, adds a bias, and squashes the sum: y = f(w1 x1 + w2 x2 + b). Its f is the
# *activation*.

# %% tags=["figure"] alt="A neuron: two inputs, each times its weight, are added to the bias b; the sum z = 0.5 goes through tanh and gives y = 0.4621."
x1, x2 = mg.Input(1.0, name="x1"), mg.Input(2.0, name="x2")
w1, w2 = mg.Parameter(0.7, name="w1"), mg.Parameter(-0.2, name="w2")
z = w1 * x1 + w2 * x2 + mg.Parameter(0.2, name="b")
y = np.tanh(z)
z.name, y.name = "z", "y"
neuron = mg.draw(y, adjoints=False)
neuron

# %% [markdown]
# Several units over the same inputs are a *layer*. Their weights are the rows of a matrix W; x @ Wᵀ + b makes all sums at
# once.

# %% tags=["figure"] alt="A layer of four units: x of shape (1, 2) times the transpose of W, (2, 4), plus b of four numbers, through tanh: four outputs."
x = mg.Input([[1.0, 0.0]], name="x")
mg.draw(bent[0](x), direction="LR", adjoints=False)

# %% [markdown]
# Layers one after the other are a net; all but the last are *hidden*. This is the one that did XOR:

# %% tags=["figure"] alt="The net as two boxes below the input: a layer of 4 outputs with 12 parameters, then one of 1 output with 5 parameters."
whole = mg.draw(bent(x), view="layers")
whole

# %% tags=["fold"] row="VIS-01"
assert np.isclose(float(y), np.tanh(0.7 * 1 - 0.2 * 2 + 0.2))
assert len(neuron.flow.nodes) == 5 + 5  # leaves; × × + + tanh
assert len(neuron.flow.edges) == 4 * 2 + 1
assert all(part in neuron.svg() for part in ("w1", "w2", "tanh"))
hidden, output = (layer.n_parameters() for layer in bent)
assert (hidden, output) == (4 * 2 + 4, 4 + 1)
assert f"{hidden} parameters" in whole.svg()
assert f"{output} parameters" in whole.svg()

# %% [markdown]
# Why squash at all? Without f, two layers are one: V (W x + b) + c = (V W) x + (V b + c), again a weighted sum.
#
# ## Predict, then run

# %% [markdown] tags=["predict"]
# On paper two hidden units are enough for XOR (exercise 1). Training starts at random weights. Out of ten starts with two
# tanh units, how many end with all four points right?
#
# - All ten: if a solution exists, descent finds it
# - None: with two units there are too few weights
# - Some of them

# %%
solved, stuck = {2: 0, 4: 0}, []
for n_units in solved:
    for seed in range(10):
        net = net_of(n_units, seed=seed)
        last = trained(net)[-1]
        solved[n_units] += accuracy(net) == 1
        stuck += [last] if accuracy(net) < 1 else []
    print(f"{n_units} units: {solved[n_units]} of 10 starts")
print(f"the others end at a loss from {min(stuck):.2f} to {max(stuck):.2f}")

# %% [markdown] tags=["answer"]
# Some. A solution that exists need not be downhill from where you start. The failed nets are sure of two points and say
# 1/2 for the other two, which are of different classes: their loss goes to half of ln 2, 0.3466. A small step helps one of
# the two and harms the other. Nor are two units too few, since other starts succeed. More units make more ways down: with
# four, all ten starts find one.

# %% [markdown]
# ## Which activation?
#
# Whatever is not linear bends the border. These are all that are built in, each with its slope f′. Look for where a slope
# is 0: there nothing is learned.

# %% tags=["figure"] alt="A panel for each of the 35 built-in activations, f and its slope f′ on the same axes: some flatten on both sides, as tanh, some on one, as relu, and sine on none."
gallery = mg.activations().gallery()
gallery

# %% tags=["fold"] row="VIS-05"
table, svg = mg.activations(), gallery.svg()
print(f"{len(list(table))} activations")
assert all(entry.name.replace("_", " ") in svg for entry in table)
assert svg.count("<title>") >= len(list(table)) == 35

# %% [markdown]
# ### Tanh or sigmoid?
#
# Both squash. Tanh is between −1 and 1, has the slope 1 at 0, and is about 0 on average; the sigmoid is between 0 and 1,
# its slope never above 1/4. Hard tanh is tanh cut from straight pieces: cheaper, with a slope of exactly 0 beyond 1.
# Softsign x / (1 + |x|) flattens later than either.

# %% tags=["figure"] alt="Left, slopes from x = 0 on: tanh and softsign begin at 1, the sigmoid at 0.25; hard tanh drops from 1 to 0 at x = 1. Right, losses of the same net: with tanh it falls below 0.1 in about half the steps of the sigmoid."
at = np.linspace(0, 4, 41)
names = ["tanh", "sigmoid", "hard_tanh", "softsign"]
left, right = figures.panels(2)
figures.lines({k: (at, table[k].values(at, order=1)) for k in names}, ax=left)
left.set(xlabel="x", title="slope f′(x)")
runs = {f.__name__: trained(net_of(4, f)) for f in (np.tanh, mg.sigmoid)}
figures.lines(runs, ax=right)
right.set(xlabel="step", title="loss on XOR", yscale="log")
left.figure

# %% row="THY-28"
far = np.array([-50.0, 50.0])
for name in "tanh", "sigmoid":
    low, high = table[name].values(far)
    slope, below = table[name].values(0.0, order=1), np.array(runs[name]) < 0.1
    print(f"{name}: range {low:.0f} to {high:.0f}, slope at 0 {slope:.2f}")
    print(f"    loss below 0.1 after {below.argmax()} steps")
slopes = {k: float(table[k].values(3.0, order=1)) for k in names}
print("slopes at 3:", {k: round(slope, 4) for k, slope in slopes.items()})
assert np.allclose(table["tanh"].values(far), [-1, 1])
assert np.allclose(table["sigmoid"].values(far), [0, 1])
assert table["tanh"].values(0.0, order=1) == 1
assert table["sigmoid"].values(0.0, order=1) == 0.25
assert slopes["hard_tanh"] == 0 < slopes["tanh"] < slopes["softsign"]

# %% [markdown]
# Often tanh converges faster. Here it needs about half as many steps. It is no law: another task or another rate may turn it
# around.
#
# ## Where it breaks: a sine
#
# One unit y = sin(ω (x1 + x2)) does XOR with a single weight and no hidden layer: let ω be π/2. A sine has no flat ends,
# either. Why is it not the usual choice?

# %% tags=["figure"] alt="The loss of a sine unit on XOR over its weight ω from 0 to 13: valleys that reach 0 at 1.57 and again at 7.85, hills of height 2 between, and flat places on the slopes at a loss of 0.31."
omegas = np.linspace(0, 13, 261)
given = mg.Input(omegas[:, np.newaxis] * X.sum(axis=1), name="x")
loss_of_omega = ((mg.sine(given).value - xor[:, 0]) ** 2).mean(axis=1)
figures.lines(
    {"loss": (omegas, loss_of_omega)},
    xlabel="ω",
    ylabel="loss",
    title="one sine unit on XOR",
    ends=True,
)

# %% [markdown]
# The sine repeats: x and x + 2π/ω give the same output, and on whole numbers so do ω and ω + 2π. From the output nobody
# can tell which it was. And its slope ω cos(ω x) swings from sign to sign. So the loss has hills, valleys that repeat, and
# flat places where slopes cancel and descent hardly moves:


# %% row="THY-26"
def descended(omega, steps=300, rate=0.1):
    """The weight of the unit, and its loss, after so many steps."""
    w = mg.Parameter(omega, name="ω")
    for _ in range(steps):
        loss = np.square(mg.sine(X.sum(axis=1) * w) - xor[:, 0]).mean()
        loss.backward()
        w.value -= rate * w.grad
    return float(w), float(loss)


near, far = descended(1.2), descended(4.0)
print("from 1.2: ω = {:.4f}, loss {:.4f}".format(*near))
print("from 4.0: ω = {:.2f}, loss {:.4f}".format(*far))
omega, place = 3.0, np.linspace(-2, 2, 9)
sine = mg.sine(mg.Input(place), omega=omega).value
again = mg.sine(mg.Input(place + 2 * np.pi / omega), omega=omega).value
signs = np.sign(table["sine"].values(place, order=1, omega=omega))
assert np.allclose(sine, again)
assert (np.diff(signs) != 0).sum() == 4  # the slope oscillates
assert np.isclose(near[0], np.pi / 2, atol=1e-3) and near[1] < 1e-6
assert far[1] > 0.3  # still on a flat place after 300 steps

# %% [markdown]
# ## Watch the border
#
# Two half moons, 16 tanh units. In each frame the color says which class the net gives to each place. Move the slider back
# to see where the border came from.

# %% tags=["figure"] alt="Five frames of the border between two half moons, after 1, 5, 20, 60 and 160 epochs. It begins as a nearly straight line, accuracy 0.67, tilts, and bends until all points are on their side, accuracy 1."
moons = datasets.two_moons(60, np.random.default_rng(0))
net = Sequential(Dense(2, 16, np.tanh, rng=0), Dense(16, 2, rng=1))
frames, words, right = [], [], []


def look(model, history):
    """Draw a frame after some of the epochs."""
    if history.n_rows in (1, 5, 20, 60, 160):
        outputs = predict(model, moons.inputs)
        right.append(float(metrics.accuracy(outputs, moons.targets)))
        words.append(f"epoch {history.n_rows}: accuracy {right[-1]:.2f}")
        ax = figures.axes(size=(5.6, 3.2))
        frames.append(figures.decision_regions(model, *moons, ax=ax))


optimizer = Adam(net.parameters(), 0.03)
options = {"epochs": 160, "callbacks": [look], "quiet": True}
fit(net, *moons, loss=losses.cross_entropy, optimizer=optimizer, **options)
figures.Frames(frames, words, title="The border during training")

# %% row="VIS-13"
print(", ".join(words))
assert right == sorted(right)
assert right[-1] > right[0] + 0.15 and right[-1] > 0.97

# %% [markdown] tags=["exercise"]
# ## Exercise 1: by hand
#
# Write a net for XOR out of two units and one output, with a step for f: a unit gives 1 where its weighted sum is above 0,
# else 0. Let one unit be "x1 or x2", the other "x1 and x2". Only weighted sums and `> 0` are allowed.


# %% tags=["exercise"]
def by_hand(x1, x2):
    return None


# %% tags=["solution"]
def by_hand(x1, x2):
    either = (x1 + x2 - 0.5 > 0) * 1.0
    both = (x1 + x2 - 1.5 > 0) * 1.0
    return (either - both - 0.5 > 0) * 1.0


# %% tags=["check"]
check.same(by_hand(X[:, 0], X[:, 1]), xor[:, 0], "by_hand(x1, x2)")

# %% [markdown] tags=["exercise"]
# ## Exercise 2: change it
#
# `descended(4.0)` gets stuck. Find a start between 6 and 9, a whole number, from which descent ends at a
# loss of 0, and give the ω where it ends.

# %% tags=["exercise"]
end_omega = None

# %% tags=["solution"]
end_omega = descended(8.0)[0]

# %% tags=["check"]
check.same(end_omega, 2.5 * np.pi, "end_omega", tolerance=1e-3)

# %% [markdown]
# ## What we claimed
#
# A weighted sum gives each input one amount; a hidden layer lets what one input adds depend on another. A solution that
# exists need not be found; more units make it likelier. Activations differ in where their slope is 0.
#
# You can now say what a hidden layer is for. How its weights get their slopes is
# [lesson 4](04_the_path_of_an_error.py); where training should start is [lesson 9](09_data_and_start.py). To read: G. Cybenko,
# Approximation by superpositions of a sigmoidal function, Mathematics of Control, Signals and Systems 2, 1989.

# %%
assert best == accuracy(line) == 0.75
assert accuracy(bent) == 1
assert 1 <= solved[2] <= 8 and solved[4] >= 9  # of ten
assert np.allclose(stuck, np.log(2) / 2, atol=0.03)
assert np.allclose(np.sin(np.pi / 2 * X.sum(axis=1)), xor[:, 0])
assert np.allclose(np.sin(end_omega * X.sum(axis=1)), xor[:, 0], atol=1e-2)
