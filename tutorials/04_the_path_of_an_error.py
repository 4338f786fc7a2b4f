# rows: WEX-02 WEX-05 WEX-06 WEX-07 WEX-08 WEX-09 WEX-10 VIS-02 VIS-03
# %% [markdown]
# # The path of an error
#
# A weight deep in a net is a little wrong. How does the error at the output find it, and which share of it arrives?
#
# You will follow one error from the score of a net to one of its weights, write the two lines that do it for whole
# layers, and check them on three nets.
#
# Before: [lesson 3](03_neurons_layers_xor.py), where nets come from.

# %%
import numpy as np

import check
import minigrad as mg
from minigrad.models import losses
from minigrad.optim import SGD

# %% [markdown]
# ## See it
#
# Four inputs, two sigmoid units, one score s: a 4-2-1 net of single numbers. Unit 1 sums up, z1 = b1 + W11 x1 + W12 x2 +
# W13 x3 + W14 x4, and squashes, a1 = σ(z1). The score is s = V1 a1 + V2 a2.

# %% tags=["fold"]
VALUES = {"x1": 1.0, "x2": -1.0, "x3": 0.5, "x4": 2.0, "b1": 0.1, "b2": 0.0}
VALUES |= {"W11": 0.2, "W12": -0.1, "W13": 0.4, "W14": 0.3, "V1": 0.6}
VALUES |= {"W21": -0.3, "W22": 0.5, "W23": 0.1, "W24": -0.2, "V2": -0.7}


def node_of(name, value):
    """An input for x and y, a parameter for everything else."""
    return (mg.Input if name[0] in "xy" else mg.Parameter)(value, name)


def net_4_2_1(f=mg.sigmoid, **changes):
    """All nodes of the net by name."""
    n = {k: node_of(k, value) for k, value in (VALUES | changes).items()}
    for i in "12":
        z = n["b" + i]
        for j in "1234":
            z = z + n["W" + i + j] * n["x" + j]
        n["z" + i], n["a" + i] = z, f(z)
    n["s"] = n["V1"] * n["a1"] + n["V2"] * n["a2"]
    for name, node in n.items():
        node.name = name
    return n


def slopes(n, names, of="s"):
    """∂s/∂node for the nodes of these names, as numbers."""
    found = mg.gradients(n[of], [n[name] for name in names.split()])
    return np.array([float(slope) for slope in found])


n = net_4_2_1()

# %% [markdown]
# This is what lies between W14 and the score. In each box stands the value, and below it, after ∂, by how much the score
# rises when this value does: its *adjoint*. Older texts call it the error at this place. Read from the right.

# %% tags=["figure"] alt="The part of the net between W14 and s. From the right, the adjoints along the path are 1 at s, 0.6 at a1, 0.1067 at z1, and 0.2135 at W14."
picture = mg.draw(n["s"], focus="W14", adjoints=True)
picture

# %% [markdown]
# Run as a script, the lesson prints; `picture.save("picture.svg")` writes the picture.
#
# ## Why: each box takes its share
#
# The error starts as 1 at s. On the way back each box multiplies it by its own slope.
#
# | the error at | is the one before, times | because |
# |---|---|---|
# | s | 1 | s rises with itself |
# | a1 | V1 | s = V1 a1 + V2 a2 |
# | z1 | σ′(z1) = a1 (1 − a1) | a1 = σ(z1) |
# | W14 | x4 | z1 = … + W14 x4 |
# | b1 | 1, in place of x4 | z1 = b1 + … |
#
# So ∂s/∂W14 = V1 σ′(z1) x4. The error at z1 has a name of its own, δ1: the share of a weight is the δ of its unit, times
# what the weight forwarded. Where a loss follows the score, the error at s is ∂L/∂s in place of 1, and all else stays.

# %%
a1 = 1 / (1 + np.exp(-(0.1 + 0.2 * 1 - 0.1 * -1 + 0.4 * 0.5 + 0.3 * 2)))
at_s = 1.0
at_a1 = at_s * 0.6
slope_1 = a1 * (1 - a1)
at_z1 = at_a1 * slope_1
at_W14 = at_z1 * 2.0
path = {"s": at_s, "a1": at_a1, "z1": at_z1, "W14": at_W14, "b1": at_z1}
engine = slopes(n, " ".join(path))
for (name, mine), other in zip(path.items(), engine, strict=True):
    print(f"{name:>4} {mine:.4g}, difference {abs(mine - other):.12f}")

# %% [markdown]
# The engine tells the same story, of any parameter in any graph:

# %%
print(mg.explain(n["W14"], n["s"]))

# %% tags=["fold"] row="WEX-05 VIS-02"
slope = float(n["a1"]) * (1 - float(n["a1"]))
assert np.allclose(engine, list(path.values()), rtol=1e-12)
assert engine[0] == 1 and engine[1] == float(n["V1"])
assert np.isclose(engine[3], float(n["x4"]) * slope * float(n["V1"]))
assert np.isclose(engine[4], slope * float(n["V1"]))
assert all(f"∂ {number:.4g}<" in picture.svg() for number in engine)

# %% [markdown] tags=["predict"]
# ## Predict: a large input
#
# Let x4 be 20 in place of 2, and all else as before. What becomes of ∂s/∂W14, which is 0.2135?
#
# - It gets ten times as large: x4 is a factor of it
# - It stays: the slope by a weight depends on weights, not on inputs
# - It gets smaller

# %%
large = net_4_2_1(x4=20.0)
a1_large = float(large["a1"])
print(f"z1 = {float(large['z1']):.1f}, ∂s/∂W14 = {slopes(large, 'W14')[0]:.4f}")
print(f"σ′(z1) = {a1_large * (1 - a1_large):.4f}, it was {slope_1:.4f}")

# %% [markdown] tags=["answer"]
# It gets smaller, 0.0163. "Ten times" looks at one factor, but x4 is also in z1, which is now 6.6, where the sigmoid is flat:
# σ′(z1) fell from 0.1779 to 0.0014. This is how large inputs stop a net from learning ([lesson 9](09_data_and_start.py)).
# "It stays" mixes up the slope by a weight with the slope by the input: the one has the input in it, the other the weight.

# %% [markdown]
# ## Several ways: errors add
#
# An input feeds every unit of the next layer. It is to blame by way of each of them, and the errors add up.

# %% tags=["figure"] alt="x4 leads by W14 to unit 1 and by W24 to unit 2. The adjoints at z1 and z2 are 0.1067 and -0.1279; at x4 both ways together give 0.05759."
both = mg.draw(n["s"], focus="x4", adjoints=True)
both

# %% row="VIS-03"
delta_1, delta_2 = slopes(n, "z1 z2")
shares = 0.3 * delta_1, -0.2 * delta_2
at_x4 = sum(shares)
print(f"W14 δ1 + W24 δ2 = {shares[0]:.4g} + {shares[1]:.4g} = {at_x4:.4g}")
assert np.allclose(slopes(n, "x4"), at_x4, rtol=1e-12)
assert f"∂ {at_x4:.4g}<" in both.svg()
assert f"carries {shares[0]:.4g} of {at_x4:.4g}" in mg.explain(n["x4"], n["s"])

# %% [markdown]
# In general: the δ of unit j is a sum over the units i that it feeds,
#
# $$\delta_j = f′(z_j) \sum_i W_{ij} \delta_i$$
#
# Forward, a sum ran over the second index of W, along a row. This one runs over the first, down a column: here the
# transpose comes from. With h for what a layer reads, a whole layer at once is
#
# $$\delta = f′(z) \circ (W^\top \delta_+)$$
#
# $$\frac{\partial s}{\partial W} = \delta_+ h^\top, \qquad \frac{\partial s}{\partial b} = \delta_+$$
#
# The circle multiplies entry by entry; δ₊ belongs to the layer that W leads to. This is backpropagation, all of it:


# %%
def backpropagate(delta, h, W):
    """The slopes by W and b of each tanh layer, from δ at the last.

    h: the input, and what each hidden layer gives;  W: the matrices
    """
    found = []
    for k in reversed(range(len(W))):
        found = [np.outer(delta, h[k]), delta, *found]
        if k:  # there is no f′ of the input
            delta = (1 - h[k] ** 2) * (W[k].T @ delta)
    return found


# %% row="WEX-06"
n = net_4_2_1(f=np.tanh)
x = np.array([VALUES[name] for name in ("x1", "x2", "x3", "x4")])
W = np.array([[VALUES[f"W{i}{j}"] for j in (1, 2, 3, 4)] for i in (1, 2)])
V, b = np.array([[0.6, -0.7]]), np.array([0.1, 0.0])
h = np.tanh(W @ x + b)
at_W, at_b, at_V, _ = backpropagate(np.ones(1), [x, h], [W, V])
engine = slopes(n, "W11 W12 W13 W14 W21 W22 W23 W24").reshape(2, 4)
print(f"∂s/∂W: difference {np.abs(at_W - engine).max():.12f}")
for i in 0, 1:
    for j in range(4):
        assert np.isclose(at_W[i, j], V[0, i] * (1 - h[i] ** 2) * x[j])
assert np.allclose(at_W, engine, rtol=1e-12)
assert np.allclose(at_b, slopes(n, "b1 b2"), rtol=1e-12)
assert np.allclose(at_V, slopes(n, "V1 V2"), rtol=1e-12)

# %% [markdown]
# ## A net with a loss, all nine weights
#
# Two inputs, two tanh units, one tanh output, and a target y: L = (ŷ − y)². Now the error starts as ∂L/∂ŷ = 2 (ŷ − y). A
# bias is the weight of an input that is always 1: w01 leads from it to unit 1, w11 from x1, w21 from x2.

# %% row="WEX-07"
names = "w01 w11 w21 w02 w12 w22 w0 w1 w2"
w = [0.1, 0.2, 0.3, -0.1, 0.4, -0.5, 0.05, 0.6, 0.7]
values = dict(zip(names.split(), w, strict=True)) | {"x1": 1.0, "x2": 2.0}
m = {k: node_of(k, v) for k, v in (values | {"y": 1.0}).items()}
m["z1"] = m["w01"] + m["w11"] * m["x1"] + m["w21"] * m["x2"]
m["z2"] = m["w02"] + m["w12"] * m["x1"] + m["w22"] * m["x2"]
m["u1"], m["u2"] = np.tanh(m["z1"]), np.tanh(m["z2"])
m["z"] = m["w0"] + m["w1"] * m["u1"] + m["w2"] * m["u2"]
m["ŷ"] = np.tanh(m["z"])
m["L"] = (m["ŷ"] - m["y"]) ** 2
for name, node in m.items():
    node.name = name

z1, z2 = 0.1 + 0.2 * 1 + 0.3 * 2, -0.1 + 0.4 * 1 - 0.5 * 2
u1, u2 = np.tanh(z1), np.tanh(z2)
y_hat = np.tanh(0.05 + 0.6 * u1 + 0.7 * u2)
forward = [z1, z2, u1, u2, y_hat, (y_hat - 1) ** 2]
print("z1 z2 u1 u2 ŷ L:", *(f"{number:.4f}" for number in forward))
assert np.allclose(forward, [float(m[k]) for k in "z1 z2 u1 u2 ŷ L".split()])
reference = [0.9, -0.7, 0.716298, -0.604368, 0.056661, 0.889889]
assert np.allclose(forward, reference, atol=1e-6)

# %% [markdown]
# Each adjoint lies under its node, and each arrow back says by what it multiplies:

# %% tags=["figure"] alt="Above, the 2-2-1 net from its inputs to L = 0.8899. Below, its mirror image: 1 at L, -1.887 at the output, -1.128 and -1.316 at the units, and nine slopes at the weights."
mg.draw(m["L"], view="mirror")

# %% row="WEX-08"
at_y_hat = 2 * (y_hat - 1)
at_z = at_y_hat * (1 - y_hat**2)
at_u1, at_u2 = at_z * 0.6, at_z * 0.7
at_z1, at_z2 = at_u1 * (1 - u1**2), at_u2 * (1 - u2**2)
gradient = [at_z1, at_z1 * 1, at_z1 * 2, at_z2, at_z2 * 1, at_z2 * 2]
gradient = np.array([*gradient, at_z, at_z * u1, at_z * u2])
difference = np.abs(gradient - slopes(m, names, of="L")).max()
print(f"nine slopes, difference from the engine {difference:.12f}")
for name, slope in zip(names.split(), gradient, strict=True):
    print(f"{name:>4} {slope:8.4f}")
errors = [at_y_hat, at_u1, at_u2]
assert np.allclose(errors, slopes(m, "ŷ u1 u2", of="L"), rtol=1e-12)
assert np.allclose(errors, [-1.886679, -1.128373, -1.316435], atol=1e-6)
hidden = [-0.549424, -0.549424, -1.098849, -0.835594, -0.835594, -1.671187]
output = [-1.880622, -1.347085, 1.136587]
assert np.allclose(gradient, hidden + output, atol=1e-6)
assert difference < 1e-14

# %% [markdown]
# One step against the gradient, all nine weights in the same order: w becomes w − η ∂L/∂w. Here η, the *rate* (at length
# the learning rate), is 0.1.

# %% row="WEX-09"
weights = [m[name] for name in names.split()]
m["L"].backward()
SGD(weights, 0.1).step()
after = float(mg.Graph(m["L"]).fprop())
print(f"L before {forward[-1]:.4f}, after {after:.4f}")
assert np.allclose([float(p) for p in weights], w - 0.1 * gradient, rtol=1e-12)
assert after < forward[-1]

# %% [markdown]
# ## Any number of units, and a softmax
#
# `backpropagate` knows nothing of sizes, nor of the loss: only the first δ does. Two more nets:
#
# - n inputs, H units, M outputs, and the sum of squares Σ (ŷ − y)²: the first δ is 2 (ŷ − y) ∘ f′(z);
# - two hidden layers and a softmax p under −ln p_c, with c the right class: the first δ is p minus the one-hot vector of c
#   ([lesson 5](05_softmax_and_its_loss.py) shows why).

# %% tags=["fold"]
rng = np.random.default_rng(0)


def random_net(*shapes):
    """W1, b1, W2, b2, ... for matrices of these shapes."""
    sizes = [size for shape in shapes for size in (shape, shape[:1])]
    return [rng.normal(size=size) / 2 for size in sizes]


def activities(x, net):
    """The input and the tanh of every layer; nodes or arrays."""
    h = [x]
    for W, b in zip(net[::2], net[1::2], strict=True):
        h.append(np.tanh(W @ h[-1] + b))
    return h


def squares(*net):
    return np.square(activities(x, net)[-1] - y).sum()


def minus_log(*net):
    z = net[-2] @ activities(x, net[:-2])[-1] + net[-1]
    return losses.cross_entropy(z[np.newaxis], [1])


y = np.array([0.5, -0.5])
one, two = random_net((3, 4), (2, 3)), random_net((3, 4), (3, 3), (2, 3))

# %% row="WEX-10 WEX-02"
*h, y_hat = activities(x, one)
of_one = backpropagate(2 * (y_hat - y) * (1 - y_hat**2), h, one[::2])
h = activities(x, two[:-2])
p = np.exp(two[-2] @ h[-1] + two[-1])
delta = p / p.sum() - [0, 1]
of_two = backpropagate(delta, h, two[::2])
for loss, net, by_hand in (squares, one, of_one), (minus_log, two, of_two):
    weights = [mg.Parameter(array) for array in net]
    pairs = zip(mg.gradients(loss(*weights), weights), by_hand, strict=True)
    largest = max(np.abs(slope.value - mine).max() for slope, mine in pairs)
    print(f"{loss.__name__}: largest difference {largest:.12f}")
    assert largest < 1e-13
    mg.check_gradients(loss, *net)  # the engine against finite differences

# %% [markdown]
# ## Where it breaks: the lost transpose
#
# Printed algorithms at times lose the ⊤ of Wᵀ δ. Where W is square, nothing complains, and a net trains on a wrong
# gradient: this is δ of the first hidden layer of the last net, whose middle matrix is 3 by 3.

# %%
delta = (1 - h[2] ** 2) * (two[4].T @ delta)
right = (1 - h[1] ** 2) * (two[2].T @ delta)
lost = (1 - h[1] ** 2) * (two[2] @ delta)
print("with ⊤: ", right.round(4), "\nwithout:", lost.round(4))

# %% [markdown] tags=["exercise"]
# ## Exercise 1: by hand
#
# Let the two units of the 4-2-1 net be tanh in place of the sigmoid. Write ∂s/∂W14. (tanh′ = 1 − tanh².)


# %% tags=["exercise"]
def share_of_W14(x4, z1, V1):
    return None


# %% tags=["solution"]
def share_of_W14(x4, z1, V1):
    return V1 * (1 - np.tanh(z1) ** 2) * x4


# %% tags=["check"]
expected = slopes(net_4_2_1(f=np.tanh), "W14")[0]
check.same(share_of_W14(2.0, 1.2, 0.6), expected, "share_of_W14(2, 1.2, 0.6)")

# %% [markdown] tags=["exercise"]
# ## Exercise 2: which line is wrong?
#
# To save memory, each weight is updated as soon as its slope is known. One line comes too early. Which?
#
#     1  delta = 2 * (y_hat - y)                  # linear output
#     2  V = V - rate * np.outer(delta, h)
#     3  delta = (1 - h**2) * (V.T @ delta)
#     4  W = W - rate * np.outer(delta, x)

# %% tags=["exercise"]
wrong_line = None

# %% tags=["solution"]
wrong_line = 2  # line 3 needs the V with which the score was computed

# %% tags=["check"]
check.same(wrong_line, 2, "wrong_line")

# %% [markdown] tags=["exercise"]
# ## Exercise 3: change it
#
# In the 4-2-1 net with sigmoid units, both ways to x4 pull in the same direction. For which V1 do they cancel, so that the
# score does not change with x4? `delta_2` is δ of unit 2; δ of unit 1 is V1 times `slope_1`.

# %% tags=["exercise"]
V1 = None

# %% tags=["solution"]
V1 = 0.2 * delta_2 / (0.3 * slope_1)

# %% tags=["check"]
low, high = (slopes(net_4_2_1(V1=v), "x4")[0] for v in (-1.0, 1.0))
check.same(V1, (low + high) / (low - high), "V1")  # where the line meets 0

# %% [markdown]
# ## What we claimed
#
# The error at a place is the error after it, times the slope between them. Where ways meet, errors add. The share of a
# weight is the δ of its unit times what it forwarded, and δ needs the weights of the forward pass.
#
# You can now follow an error through any net. Unrolled over time, the same path comes back in
# [lesson 19](19_unrolled_in_time.py). To read: D. E. Rumelhart, G. E. Hinton and R. J. Williams, Learning representations
# by back-propagating errors, Nature 323, 1986.

# %%
assert f"{path['z1']:.4g} {path['W14']:.4g}" == "0.1067 0.2135"
assert slopes(large, "W14")[0] < 0.1 * at_W14
assert f"{at_x4:.4g}" == "0.05759"
assert np.sign(right).tolist() != np.sign(lost).tolist()
assert np.isclose(slopes(net_4_2_1(V1=V1), "x4")[0], 0, atol=1e-12)
too_early = V - 0.1 * np.outer(np.ones(1), np.tanh(W @ x + b))
late = (1 - np.tanh(W @ x + b) ** 2) * (too_early.T @ np.ones(1))
assert np.abs(late - at_b).max() > 0.05 * np.abs(at_b).max()
