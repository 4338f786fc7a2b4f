# rows: WEX-12 WEX-13 VIS-14
# %% [markdown]
# # Unrolled in time: the same weights at every step
#
# A net of 22 numbers reads 200 months of sunspots, two numbers a month, and forecasts a year ahead. How can so few
# weights read 400 numbers, and how does one error find its way back through all the months?
#
# You will read a recurrent net rolled and unrolled, account for every parameter in its listing, and compute the gradient
# of a shared weight by hand.
#
# Before: [lesson 4](04_the_path_of_an_error.py). A notebook shows the pictures; run as a script, the lesson prints, and
# `picture.save("picture.svg")` writes a picture.

# %% tags=["fold"]
import numpy as np

import check
import minigrad as mg
from minigrad.models import (
    Dense,
    LSTMCell,
    Sequential,
    SimpleRNN,
    SimpleRNNCell,
    datasets,
    losses,
)
from minigrad.optim import Adam, fit

# %% [markdown]
# ## See it rolled
#
# Three recurrent neurons read one time step after the other. What they gave at the step before, h, comes back to them
# together with the next input u. This loop is all that a *recurrent* layer has beyond a dense one.

# %%
net = Sequential(
    SimpleRNN(2, 3, mg.relu, rng=0),
    Dense(3, 1, rng=1),
)
rng = np.random.default_rng(0)
u = mg.Input(rng.normal(size=(5, 200, 2)).astype(np.float32), name="u")
loss = (net(u) ** 2).mean()

# %% tags=["figure"] row="VIS-14" alt="One box, relu with the weights W_x, W_h and b, gets the input u_t from below and the state of the step before from the left. Its output h_t leaves upward and also runs back to the left through a delay of one step. Repeated for 200 steps with the same weights."
rolled = mg.draw(loss, view="cell")
assert "h_t = relu(W_h h_{t−1} + W_x u_t + b)" in rolled.text()
assert "h_t → h_{t−1} of the next step" in rolled.text()
rolled

# %% [markdown]
# ## See it unrolled
#
# A loop has no rule for its derivative, a chain has. We write each step behind the one before. One neuron, one input:
#
# $$x_t = \tanh(W x_{t-1} + R\, u_t), \qquad t = 1, 2, 3$$

# %%
W, R = mg.Parameter(0.5, name="W"), mg.Parameter(1.0, name="R")
readings = [1.0, -0.5, 0.25]
states = [mg.Input(0.4, name="x_0")]
for t, reading in enumerate(readings, 1):
    u_t = mg.Input(reading, name=f"u_{t}")
    with mg.scope(f"t={t}"):
        x_t = np.tanh(W * states[-1] + R * u_t)
    x_t.name = f"x_{t}"
    states.append(x_t)
error = (x_t - 1) ** 2 / 2  # the last state should be 1

# %% tags=["figure"] alt="x_0 and u_1 lead into a box t=1; it and u_2 lead into a box t=2; it and u_3 into a box t=3, then come three operations of the loss. Each of the three boxes holds four operations and says: 2 parameters, shared."
mg.draw(error, direction="LR", depth=0)

# %% [markdown]
# ## The way back
#
# The adjoint $\lambda_t = \partial L / \partial x_t$ starts at the last state. Each step back multiplies it by the slope of
# tanh and by W:
#
# $$\lambda_{t-1} = \lambda_t\,(1 - x_t^2)\,W$$

# %% tags=["figure"] alt="Three steps with their nodes as dots. Lines run from the loss at the right through x at step 3, 2 and 1 and branch at each step to W x and to R u. A curve above falls from 1 at step 3 to 0.24 at step 1: about one half per step."
mg.draw(error, view="time")

# %% [markdown] tags=["predict"]
# ## Predict, then run
#
# W is one number, used at three steps. What is $\partial L / \partial W$?
#
# 1. What the last step contributes: there W met the loss.
# 2. The sum of what the three steps contribute.
# 3. Their mean, since it is one weight.

# %%
x = [float(state) for state in states]
by_hand = {3: x[3] - 1}
for t in (3, 2):
    by_hand[t - 1] = by_hand[t] * (1 - x[t] ** 2) * 0.5
parts = [by_hand[t] * (1 - x[t] ** 2) * x[t - 1] for t in (1, 2, 3)]
slope_W, *adjoints = map(float, mg.gradients(error, [W, *states[1:]]))
print("steps 1, 2, 3 contribute", np.round(parts, 4))
print(f"in sum {sum(parts):.4f}, by the engine {slope_W:.4f}")
print(f"they differ by {abs(sum(parts) - slope_W):.9f}")

# %% [markdown] tags=["answer"]
# **2.** A node with several arrows out of it gets the sum of what they send back. Unrolled, a shared weight is such a node.
# The first answer is what you get when the way back is cut off after one step (in long sequences it is cut after some). The
# third takes an effect for an average: if W moves by a little, it moves at all three steps.

# %% [markdown]
# ## A layer, and a memory cell
#
# In the library a *cell* is one step: `state = cell(u_t, state)`, in a loop, is all there is to it. Of a layer the state is
# a row of numbers. Of a memory cell it is two rows, what it shows and what it keeps; in the picture one arrow stands for
# both. [Lesson 22](22_gates.py) opens such a cell.


# %%
def unrolled(cell, steps=3):
    """The state after some steps of a cell."""
    state = cell.start(1)
    for t in range(1, steps + 1):
        u_t = mg.Input(np.ones((1, 2)), name=f"u_{t}")
        with mg.scope(f"t={t}"):
            state = cell(u_t, state)
    return state


layer, memory = (
    unrolled(cell(2, 3, rng=0)) for cell in (SimpleRNNCell, LSTMCell)
)
print("states:", [s.shape for s in layer], [s.shape for s in memory])

# %% tags=["figure"] row="VIS-14" alt="Three boxes t=1, t=2, t=3, each with an input u_t of two numbers and an arrow to the next one. Each gives a row of three numbers, and each says: 72 parameters, shared."
picture = mg.draw(memory[0], direction="LR", depth=0, adjoints=False)
for drawn in (picture, mg.draw(layer[0], direction="LR", depth=0)):
    assert all(f">t={t}</text>" in drawn.svg() for t in (1, 2, 3))
picture

# %% [markdown]
# ## The listing
#
# Courses print nets as a listing: a row per layer, the shape it gives, its number of parameters. `None` stands for any
# number of sequences.

# %%
listing = net.summary((200, 2))

# %% row="WEX-12 WEX-13"
assert listing == (
    'Model: "sequential"\n'
    "Layer (type)             Output Shape  Param #\n"
    "==============================================\n"
    "simplernn_1 (SimpleRNN)  (None, 3)          18\n"
    "dense_1 (Dense)          (None, 1)           4\n"
    "==============================================\n"
    "Total params: 22\n"
    "Trainable params: 22\n"
    "Non-trainable params: 0"
)
assert [part.n_parameters() for part in net] == [18, 4]
assert (net[0](u).shape, net(u).shape) == ((5, 3), (5, 1))

# %% [markdown]
# Each of the 3 neurons has a weight for each of the 2 inputs, one for each of the 3 states (its own included), and a
# bias: 3 · (2 + 3 + 1) = 18. The readout has 3 weights and a bias. The 200 is nowhere in it.

# %%
W_x, W_h, b, V, b_o = (p.value for p in net.parameters())
h = np.zeros((5, 3), np.float32)
for t in range(200):
    h = np.maximum(u.value[:, t] @ W_x.T + h @ W_h.T + b, 0)
apart = np.abs(h @ V.T + b_o - net(u).value).max()
print("loop and layer the same, to 1e-5:", apart < 1e-5)

# %% [markdown]
# ## Where it breaks
#
# The weights know nothing of the number of steps. So if sequences and steps change places, nothing complains: 5 sequences
# of 200 steps pass for 200 sequences of 5. Symptom: as many answers as there are steps.

# %%
exchanged = net(u.value.transpose(1, 0, 2))
print("answers:", net(u).shape, " with axes exchanged:", exchanged.shape)

# %% [markdown]
# ## Something to forecast
#
# Sunspots swing with a period of about 11 years. The net reads 200 months, the number and its change since the month
# before, and forecasts the number 12 months later. To be beaten: the lazy forecast, "it will be as it is now".


# %%
def with_change(windows):
    """Number and change, in hundreds of spots: (n, 200, 2)."""
    change = np.diff(windows, axis=1, prepend=windows[:, :1])
    return np.concatenate([windows, change], axis=-1) / 100


sunspots = datasets.sunspots(200, horizon=12)
windows, later = sunspots.train.inputs[::4], sunspots.train.targets[::4]
fit(
    net, with_change(windows), later / 100, loss=losses.mean_squared_error,
    optimizer=Adam(net.parameters(), 0.01), epochs=10, batch_size=64, clip=1.0,
    quiet=True,
)  # fmt: skip
now, truth = sunspots.test.inputs[:, -1], sunspots.test.targets
forecast = 100 * net(with_change(sunspots.test.inputs)).value
lazy, by_net = (np.sqrt(np.mean((y - truth) ** 2)) for y in (now, forecast))
print(f"typical error in spots: lazy {lazy:.0f}, 22 numbers {by_net:.0f}")

# %% [markdown]
# A little better than lazy, no more. [Lesson 20](20_vanishing_exploding.py) says why.

# %% [markdown] tags=["exercise"]
# ## Exercise 1: by hand
#
# R is shared as W is. Write `slope_of_R(adjoints, x, inputs)`, each a list over t = 1, 2, 3.


# %% tags=["exercise"]
def slope_of_R(adjoints, x, inputs):
    return None


# %% tags=["solution"]
def slope_of_R(adjoints, x, inputs):
    steps = zip(adjoints, x, inputs, strict=True)
    return sum(a * (1 - x_t**2) * u_t for a, x_t, u_t in steps)


# %% tags=["check"]
yours = slope_of_R(adjoints, x[1:], readings)
check.same(
    yours, mg.gradients(error, [R])[0], "slope_of_R(adjoints, x, inputs)"
)

# %% [markdown] tags=["exercise"]
# ## Exercise 2: change it
#
# How many recurrent units (2 inputs, a readout of 1) give the whole net 97 parameters?

# %% tags=["exercise"]
units = None  # yours

# %% tags=["solution"]
units = 8  # 8 · (2 + 8 + 1) + 9

# %% tags=["check"]
nets = {n: Sequential(SimpleRNN(2, n), Dense(n, 1)) for n in range(1, 20)}
found = [n for n, each in nets.items() if each.n_parameters() == 97]
check.same(units, found[0], "units")

# %% [markdown] tags=["exercise"]
# ## Exercise 3: break it
#
# A loss for forecasts of two numbers. Its comment is a name that many notes give to this formula, and its bprop trusts
# the name. How large is the absolute error of e = (3, 4), in sum, and how large is what fprop gives?


# %%
class MisnamedError(mg.Operation):
    def fprop(self, e):  # the mean absolute error
        return np.mean(np.sqrt(np.sum(e**2, axis=-1)))

    def bprop(self, adjoint):
        (e,) = self.children
        return adjoint * np.sign(e) / len(e)


try:
    mg.check_gradients(MisnamedError, np.array([[3.0, 4.0], [-1.0, 2.0]]))
except mg.GradientError as found_wrong:
    misnamed = str(found_wrong)
print(misnamed)

# %% tags=["exercise"]
absolute_error, what_fprop_gives = None, None

# %% tags=["solution"]
absolute_error, what_fprop_gives = 7, 5  # 3 + 4, and √(9 + 16)

# %% tags=["check"]
e, zero = mg.Input([[3.0, 4.0]], name="e"), np.zeros((1, 2))
absolute = losses.mean_absolute_error(e, zero, over_outputs="sum")
euclidean = losses.mean_euclidean_norm(e, zero)
check.same(absolute_error, absolute, "absolute_error")
check.same(what_fprop_gives, euclidean, "what_fprop_gives")

# %% [markdown]
# Both are good losses, with other gradients: (1, 1) and (0.6, 0.8). The second is the mean Euclidean norm.
#
# ## What we claimed
#
# **A recurrent net is one layer, used at every step; its gradient is the sum over the steps.**
#
# * You know how to unroll a loop, and why its number of parameters does not depend on the number of steps.
# * It comes back in [lesson 20](20_vanishing_exploding.py), where the product of the factors grows or dies.
# * Read: P. Werbos, *Backpropagation through time: what it does and how to do it*, Proceedings of the IEEE 78, 1990.

# %%
assert np.allclose(adjoints, [by_hand[t] for t in (1, 2, 3)])
assert abs(sum(parts) - slope_W) < 1e-12 and min(map(abs, parts)) > 0.001
assert net.n_parameters() == 22 and apart < 1e-5
assert exchanged.shape == (200, 1)
assert by_net < lazy
assert (float(absolute), float(euclidean)) == (7.0, 5.0)
assert mg.gradients(absolute, [e])[0].value.tolist() == [[1.0, 1.0]]
assert np.allclose(mg.gradients(euclidean, [e])[0].value, [[0.6, 0.8]])
assert "MisnamedError" in misnamed
