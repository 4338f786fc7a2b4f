# rows: THY-01 THY-02 THY-03 THY-04 THY-29 VIS-12
# %% [markdown]
# # Data and start: where a training begins
#
# Two trainings with the same code end at different losses; a third does not
# learn at all. What is wrong with the weights they begin with?
#
# You will see which starts are lost, why weights must differ, and how large
# they should be for a deep net. Before: [lesson 8](08_hinge_and_margin.py),
# which said what is to be minimized.

# %%
import numpy as np

import check
import minigrad as mg
from minigrad.models import Dense, Sequential, initializers, losses
from minigrad.optim import SGD, diagnosis, figures

# %% [markdown]
# ## See it
#
# A loss over two weights, with two valleys and a plain. Gradient descent goes
# down from where it stands. So the start decides which valley it finds, and on
# the plain it finds none.


# %%
def valleys(x, y):
    """A deep valley at (−1, 0), a shallow one at (1.2, 0.3), a plain."""
    deep = -1.2 * np.exp(-((x + 1) ** 2 + y**2))
    return deep - 0.7 * np.exp(-2 * ((x - 1.2) ** 2 + (y - 0.3) ** 2))


starts = {
    "global": (-1.4, 0.8),
    "local": (1.6, -0.4),
    "plateau": (4.0, -2.5),
}
paths = {
    name: figures.path(valleys, start, lambda p: SGD(p, 0.1), 400)
    for name, start in starts.items()
}

# %% tags=["figure"] alt="Contours of a loss over two weights with three starts: one path runs down into the deep valley near (−1, 0), one into the shallow valley near (1.2, 0.3), and the one on the plain does not move."
marks = {name: path.points[-1] for name, path in paths.items()}
figures.landscape(valleys, paths, marks=marks, xlim=(-3, 5), ylim=(-3.2, 2))

# %% row="VIS-12 THY-04"
for name, path in paths.items():
    print(f"{name:8} from {path.values[0]:.2g} to {path.values[-1]:.2g}")
assert paths["global"].values[-1] < -1.1 < paths["local"].values[-1] < -0.6
assert abs(paths["plateau"].values[-1]) < 1e-6  # still where it began

# %% [markdown]
# Run as a script, the lesson prints; `figures.save(figure, "picture.svg")`
# writes a picture.
#
# ## Why nets have many optima
#
# A net f(x) = V σ(W x + b) + c adds up its hidden units. Their order is
# nobody's business: H units can be ordered in H! ways, and all are the same
# function. A tanh unit may change its sign on both sides as well, since
# tanh(−a) = −tanh(a). So an optimum never comes alone: of H = 3 tanh units,
# with distinct weights, there are 2³ · 3! = 48.


# %% row="THY-03"
rng = np.random.default_rng(0)
n_hidden = 3
W, b = rng.normal(size=(n_hidden, 2)), rng.normal(size=n_hidden)
V, c = rng.normal(size=(2, n_hidden)), rng.normal(size=2)
x = rng.normal(size=(5, 2))


def f(W, b, V, c):
    """A net with one hidden layer of tanh units, by the engine."""
    return (mg.tanh(x @ W.T + b) @ V.T + c).value


order, signs = [2, 0, 1], np.array([-1.0, 1.0, -1.0])
permuted = f(W[order], b[order], V[:, order], c)
flipped = f(signs[:, None] * W, signs * b, signs * V, c)
for name, other in (("permuted", permuted), ("flipped", flipped)):
    apart = np.abs(other - f(W, b, V, c)).max()
    print(f"{name}: the same function to 14 digits: {apart < 1e-14}")
    assert apart < 1e-14

# %% [markdown] tags=["predict"]
# ## Predict, then run
#
# If order and sign do not matter, zero is the fairest start. All weights and
# biases are 0, the units are tanh, there are three classes with equal scores.
# Which gradients differ from 0?
#
# * None: zero is a saddle, and nothing ever moves.
# * Those of the output bias c alone.
# * Those of V and c, since the outputs are wrong.


# %% row="THY-01"
def slopes_at_zero(activation):
    """max |∂loss/∂θ| at zero weights, of one example of class 1."""
    shapes = {"W": (4, 2), "b": (4,), "V": (3, 4), "c": (3,)}
    theta = {
        name: mg.Parameter(np.zeros(s), name) for name, s in shapes.items()
    }
    hidden = activation(np.array([[1.0, 2.0]]) @ theta["W"].T + theta["b"])
    scores = hidden @ theta["V"].T + theta["c"]
    grads = mg.gradients(losses.cross_entropy(scores, [1]), [*theta.values()])
    return {name: g.value for name, g in zip(theta, grads, strict=True)}


by_tanh, by_sigmoid = slopes_at_zero(mg.tanh), slopes_at_zero(mg.sigmoid)
for name in by_tanh:
    sizes = [np.abs(of[name]).max() for of in (by_tanh, by_sigmoid)]
    print(f"max |∂loss/∂{name}|: tanh {sizes[0]:.4f}, sigmoid {sizes[1]:.4f}")
print("∂loss/∂c =", by_tanh["c"].round(4))
by_hand = np.full(3, 1 / 3) - np.eye(3)[1]  # softmax less the right class
assert np.allclose(by_tanh["c"], by_hand)
assert not any(by_tanh[name].any() for name in "WbV")
assert abs(np.abs(by_sigmoid["V"]).max() - 1 / 3) < 1e-12

# %% [markdown] tags=["answer"]
# The output bias alone. The gradient of V is an outer product with the hidden
# values, and tanh(0) = 0; so the third choice fails, though a sigmoid, which is
# 1/2 at 0, would make it right. W and b get their adjoint through V, which is 0.
# The first choice is often printed, yet c learns: it takes up how frequent the
# classes are. Only then does everything rest, at a saddle.
#
# By hand: ∂loss/∂c = softmax − e(y) = (1/3, −2/3, 1/3).

# %% [markdown]
# ## Equal is as bad as zero
#
# Now all units get the same weights, not 0. They compute the same, so they get
# the same gradient, and stay the same: a net of many units that can do what one
# unit can. Rows of W (the units) stay equal, columns (the inputs) do not.


# %%
def trained(W_0, steps=50):
    """W after each of the steps, from a start W_0 of sigmoid units."""
    data = np.random.default_rng(1)
    inputs = data.normal(size=(40, 3))
    targets = (inputs[:, 0] > inputs[:, 1]).astype(int)
    W, V = mg.Parameter(W_0, "W"), mg.Parameter(np.full((2, 4), 0.3), "V")
    V.value[1] *= -1
    sgd = SGD([W, V], 2.0)
    found = [W.value.copy()]
    for _ in range(steps):
        scores = mg.sigmoid(inputs @ W.T) @ V.T
        losses.cross_entropy(scores, targets).backward()
        sgd.step()
        found.append(W.value.copy())
    return np.array(found)


equal = trained(np.full((4, 3), 0.1))
different = trained(np.random.default_rng(2).normal(0, 0.1, (4, 3)))

# %% row="THY-02"
between_units = np.ptp(equal, axis=1).max(axis=1)  # after each step
print("unit 1 after 50 steps:", equal[-1, 0].round(4))
print("largest difference between units:", between_units.max())
assert between_units.max() == 0
assert np.ptp(equal[-1, 0]) > 0.1  # the inputs are told apart
assert np.ptp(different[-1], axis=0).max() > 0.1

# %% tags=["figure"] alt="Largest difference between the weights of four units over 50 steps: exactly 0 for an equal start, growing from 0.3 to 4.6 for a random start."
figures.lines(
    {
        "equal start": between_units,
        "random start": np.ptp(different, axis=1).max(axis=1),
    },
    xlabel="step",
    ylabel="difference between units",
)

# %% [markdown]
# ## How large?
#
# So weights are random. Too small, and a signal fades from layer to layer, with
# it the gradient on its way back; too large, and tanh saturates. A unit adds up
# n inputs, so a sum of n weights of variance v multiplies a variance by n v.
# Forward n counts inputs, backward it counts outputs; Glorot takes the mean:
#
# $$v = \frac{2}{n_{in} + n_{out}}, \qquad
# W \sim U\left[-b, b\right], \quad b = \sqrt{\frac{6}{n_{in} + n_{out}}} .$$
#
# Five layers of 200 units show it: at each layer the spread of the values over
# the examples, and the spread of their adjoints.


# %%
def signals(init, activation=np.tanh, n=200, n_layers=5):
    """Spread of values and adjoints, layer by layer, for a way to start."""
    rng = np.random.default_rng(0)
    hidden = [
        Dense(n, n, activation, initializer=init, rng=rng, dtype=np.float64)
        for _ in range(n_layers)
    ]
    net = Sequential(*hidden, Dense(n, 1, rng=rng, dtype=np.float64))
    x, y = rng.normal(size=(100, n)), rng.normal(size=(100, 1))
    return diagnosis.layer_signals(net, losses.mean_squared_error, x, y)


starts = {
    "small normal": initializers.normal(std=0.01),
    "Glorot": initializers.glorot_uniform(),
    "large normal": initializers.normal(std=0.3),
}
records = {name: signals(init) for name, init in starts.items()}
for name, record in records.items():
    first, *_, last = record.values()
    print(
        f"{name:12}: values {first.values:.2g} to {last.values:.2g}, "
        f"adjoints {last.adjoints:.2g} to {first.adjoints:.2g}, "
        f"{last.saturated:.0%} saturated"
    )

# %% tags=["figure"] alt="Two panels over five layers, logarithmic: with small normal weights the spread of values and of adjoints falls about sevenfold a layer, with Glorot's both stay nearly level, with large weights values stay near 1 and adjoints grow toward the first layer."
figures.layers(records)

# %% row="THY-29"
last = {name: [*record.values()][-1].values for name, record in records.items()}
assert abs(last["Glorot"] - 0.321) < 0.04
small = [of.values for of in records["small normal"].values()]
assert np.all(np.diff(np.log(small)) < np.log(0.2))  # a constant factor a layer
for gain, expected in ((1, 6.4e-4), (4, 0.049)):
    init = initializers.glorot_uniform(gain)
    *_, end = signals(init, mg.sigmoid).values()
    print(
        f"sigmoid, bound times {gain}: spread {end.values:.2g} after 5 layers"
    )
    assert 0.5 < end.values / expected < 2

# %% [markdown]
# A sigmoid has slope 1/4 at 0, not 1. With Glorot's bound its signal dies; four
# times the bound makes up for most of it.
#
# ## Data, too
#
# Inputs are the first layer's values. Features in unlike units, such as meters
# and grams, make one column of W learn fast and another slowly; so bring each to
# mean 0 and spread 1 first, with the numbers of the training part alone:
# [preprocessing](../reference/preprocessing.md).

# %% [markdown] tags=["exercise"]
# ## Exercise 1: by hand
#
# Write Glorot's bound b.


# %% tags=["exercise"]
def bound(n_in, n_out):
    return None


# %% tags=["solution"]
def bound(n_in, n_out):
    return np.sqrt(6 / (n_in + n_out))


# %% tags=["check"]
draw = initializers.glorot_uniform()
drawn = draw((300, 500), np.random.default_rng(0), np.float64)
check.same(bound(500, 300), np.abs(drawn).max(), "bound(500, 300)", 1e-4)

# %% [markdown] tags=["exercise"]
# ## Exercise 2: change it
#
# A net has one hidden layer of 4 tanh units, all different. How many settings
# of its weights give the same function?

# %% tags=["exercise"]
equivalent = None

# %% tags=["solution"]
equivalent = 2**4 * 24  # signs times orders

# %% tags=["check"]
n_signs = len({tuple(s) for s in np.ndindex(2, 2, 2, 2)})
n_orders = np.prod(np.arange(1, 5))
check.same(equivalent, n_signs * n_orders, "equivalent")

# %% [markdown]
# ## What we claimed
#
# The start decides which optimum is found. Weights must differ, or the units
# never will; their size must keep the spread of values and adjoints from layer
# to layer.
#
# It comes back in [lesson 17](17_normalize_and_drop.py) and
# [lesson 20](20_vanishing_exploding.py). To read: X. Glorot and Y. Bengio,
# *Understanding the difficulty of training deep feedforward neural networks*,
# 2010.

# %%
assert paths["local"].values[-1] - paths["global"].values[-1] > 0.3
assert not by_tanh["W"].any() and by_tanh["c"].any()
assert between_units.max() == 0
first, *_, end = records["Glorot"].values()
assert first.values / end.values < 3 < small[0] / small[-1]
assert first.adjoints / end.adjoints > 0.5
