# %% [markdown]
# # The recurrent net, its adjoints, and a penalty on them
#
# A recurrent net reads a sequence u_1 … u_T and keeps a state: x_t = tanh(W x_{t−1} + R u_t + b_1). It answers at the
# end, ŷ = V x_T + b_o. Backpropagation sends an *adjoint* λ_t = ∂loss/∂x_t from state to state, backward in time. If it
# shrinks at every step, the net cannot learn what an early input has to do with a late answer. In this lesson we watch
# that happen, write it down as a number G, and differentiate G itself: backpropagation through backpropagation.
#
# A notebook shows the pictures, each below its cell. Run as a script, the lesson only prints: to see a picture, add
# `picture.save("picture.svg")` below the line that draws it, and open the file in a browser.

# %%
import numpy as np

import minigrad as mg
from minigrad.models import RNN, datasets, initializers, losses, penalties
from minigrad.optim import SGD, clip_by_norm

# %% [markdown]
# ## A task with a long memory
#
# Two of the symbols of a sequence matter, one early, one in the middle; which of four combinations was it? The net is
# asked at the end only.

# %%
T = 30
rng = np.random.default_rng(0)
inputs, targets = datasets.temporal_order(20, T, rng)
print("inputs (batch, time, symbols):", inputs.shape, "  targets:", targets)

net = RNN(n_inputs=6, n_states=20, n_outputs=4, initializer=initializers.normal(0.1), rng=1)
states = net.states(inputs)
loss = losses.cross_entropy(net.readout(states[-1]), targets)
print(f"{len(states)} states of shape {states[0].shape}, loss {float(loss):.4f} (guessing: {np.log(4):.4f})")

# %% [markdown]
# ## The adjoints are nodes
#
# `penalties.adjoints` asks the engine for ∂loss/∂x_t at every step. Their norms tell the story: what arrives at the
# first step is many orders of magnitude smaller than what left the last one.


# %%
def log10_norms(adjoints):
    """log10 of the adjoints' norms, first step first."""
    return np.array([np.log10(np.linalg.norm(adjoint.value) + 1e-300) for adjoint in adjoints])


adjoints = penalties.adjoints(loss, states)
norms_before = log10_norms(adjoints)
for t in (1, 10, 20, 30):
    print(f"t = {t:2d}   log10 ‖λ_t‖ = {norms_before[t - 1]:6.2f}")

# %% [markdown]
# ## A penalty is a function of nodes
#
# Omega compares neighbors in time: the mean of (‖λ_t‖² / ‖λ_{t+1}‖² − 1)². It is 0 when the adjoint keeps its length.
# Since λ_t are nodes, Omega is a node, and so is its gradient with respect to W.

# %%
omega = penalties.Omega(weight=1.0)
G = omega(loss, states)
(slope,) = mg.gradients(G, [net.W])
print(f"G = {float(G):.4f}, its gradient with respect to W has shape {slope.shape}")

# %% [markdown]
# Is that gradient right? It runs through the backward pass, so it needs second derivatives of every rule on the way.
# We move one weight a little up and down, in double precision, and compare.

# %%
exact = RNN(n_inputs=6, n_states=5, n_outputs=4, dtype=np.float64, rng=2)
sequence, label = datasets.temporal_order(3, 12, rng, dtype=np.float64)


def penalty_value():
    """G of the small net with its weights as they are now, as a node, and its loss."""
    small_states = exact.states(sequence)
    small_loss = losses.cross_entropy(exact.readout(small_states[-1]), label)
    return omega(small_loss, small_states)


(by_engine,) = mg.gradients(penalty_value(), [exact.W])
h = 1e-6
exact.W.value[1, 2] += h
above = float(penalty_value())
exact.W.value[1, 2] -= 2 * h
below = float(penalty_value())
exact.W.value[1, 2] += h
measured = (above - below) / (2 * h)
print(f"∂G/∂W[1,2]: engine {by_engine.value[1, 2]:.9f}, measured {measured:.9f}")

# %% [markdown]
# ## The graph of the penalized gradient
#
# To see it whole we take the smallest net that has all of it: one state, two steps, no tanh, and a G of one line, the
# difference of the squared adjoints. White boxes with a solid rim are what we write: the net at the left, G at the
# right. Orange boxes with a dashed rim are the backward pass, which is itself a graph: it gives λ_2 and λ_1, and G is
# computed from them.

# %%
W, x0 = mg.Parameter(0.8, name="W"), mg.Input(0.5, name="x0")
x1 = W * x0
x2 = W * x1
tiny_loss = x2**2
lambda1, lambda2 = mg.gradients(tiny_loss, [x1, x2])
tiny_G = lambda1**2 - lambda2**2
for node, name in ((x1, "x1"), (x2, "x2"), (lambda1, "λ1"), (lambda2, "λ2"), (tiny_G, "G")):
    node.name = name
picture = mg.draw(tiny_G, direction="LR")
picture

# %% [markdown]
# The gradient of G with respect to W is a second backward pass, through the first one and through the forward pass:
# purple boxes with a dotted rim. Yellow is the parameter W, drawn anew at each use, blue the input. Small gray pills and
# gray dashed arrows bring values that a backward pass reads again. Three arrows end in ∂G/∂W, since W is used twice going
# forward (#2, #3) and once on the way back to λ_1 (#8). G has no box here: its gradient needs what G is made of, not G.

# %%
(tiny_slope,) = mg.gradients(tiny_G, [W])
tiny_slope.name = "∂G/∂W"
picture = mg.draw(tiny_slope, direction="LR")
print(f"{len(mg.Graph(tiny_loss).nodes)} nodes in the loss, {len(mg.Graph(tiny_G).nodes)} in G with its adjoints,")
print(f"{len(mg.Graph(tiny_slope).nodes)} in the gradient of G")
picture

# %% [markdown]
# On paper: x_2 = W² x_0, so λ_2 = 2 W² x_0 and λ_1 = 2 W³ x_0, and G = 4 x_0² (W⁶ − W⁴). Its derivative is
# 4 x_0² (6 W⁵ − 4 W³).

# %%
on_paper = 4 * 0.5**2 * (6 * 0.8**5 - 4 * 0.8**3)
print(f"∂G/∂W: engine {float(tiny_slope):.6f}, on paper {on_paper:.6f}")

# %% [markdown]
# ## Training with it
#
# Two nets start alike and see the same batches; one is trained by the loss alone, the other by loss + G. After 150
# steps we look at the adjoints again. (Whether the task is *solved* takes thousands of steps: `minigrad train`.)


# %%
def trained(weight, steps=150):
    """Train a fresh net; return how much of the adjoint reaches the first step, as log10 ‖λ_1‖/‖λ_T‖."""
    batches = np.random.default_rng(5)
    net = RNN(n_inputs=6, n_states=20, n_outputs=4, initializer=initializers.normal(0.1), rng=1)
    optimizer = SGD(net.parameters(), learning_rate=0.05)
    penalty = penalties.Omega(weight)
    for _ in range(steps):
        u, y = datasets.temporal_order(20, T, batches)
        states = net.states(u)
        loss = losses.cross_entropy(net.readout(states[-1]), y)
        (loss + penalty(loss, states)).backward()
        clip_by_norm(optimizer.parameters, 1.0)
        optimizer.step()
    states = net.states(inputs)
    loss = losses.cross_entropy(net.readout(states[-1]), targets)
    norms = log10_norms(penalties.adjoints(loss, states))
    return norms[0] - norms[-1]


plain, penalized = trained(weight=0.0), trained(weight=0.3)
print(f"log10 ‖λ_1‖/‖λ_T‖ after 150 steps: {plain:.2f} by the loss alone, {penalized:.2f} with the penalty")

# %% [markdown]
# ## What we claimed
#
# The adjoint vanishes in a net with small weights; the gradient of G is right; training with G keeps the adjoint alive.

# %%
assert norms_before[0] < norms_before[-1] - 5
assert abs(by_engine.value[1, 2] - measured) < 1e-6 * np.abs(by_engine.value).max()
assert len(mg.Graph(tiny_slope).nodes) > len(mg.Graph(tiny_G).nodes) > len(mg.Graph(tiny_loss).nodes)
assert abs(float(tiny_slope) - on_paper) < 1e-12
assert {box.role for box in picture.diagram.boxes} == {
    "parameter",
    "input",
    "operation",
    "adjoint",
    "second",
    "reference",
}
assert penalized > plain + 3
