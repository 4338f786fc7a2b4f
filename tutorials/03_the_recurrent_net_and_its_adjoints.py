# %% [markdown]
# # The recurrent net, its adjoints, and a penalty on them
#
# A recurrent net reads a sequence u_1 … u_T and keeps a state: x_t = tanh(W x_{t−1} + R u_t + b_1). It answers at the
# end, ŷ = V x_T + b_o. Backpropagation sends an *adjoint* λ_t = ∂loss/∂x_t from state to state, backward in time. If it
# shrinks at every step, the net cannot learn what an early input has to do with a late answer. In this lesson we watch
# that happen, write it down as a number G, and differentiate G itself: backpropagation through backpropagation.

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
# Two time steps, two states, one example: small enough to see. Ordinary boxes are the forward pass; the other color is
# the backward pass, which is itself a graph, and G is computed from it. The gradient of G with respect to W is a
# backward pass through all of them.

# %%
tiny = RNN(n_inputs=1, n_states=2, n_outputs=1, dtype=np.float64, rng=3)
tiny_states = tiny.states(np.array([[[0.5], [-1.0]]]))
tiny_loss = losses.mean_squared_error(tiny.readout(tiny_states[-1]), np.array([[1.0]]))
tiny_G = penalties.Omega(weight=1.0)(tiny_loss, tiny_states)
mg.draw(tiny_G)

# %%
(tiny_slope,) = mg.gradients(tiny_loss + tiny_G, [tiny.W])
picture = mg.draw(tiny_slope)
print(f"{len(mg.Graph(tiny_loss).nodes)} nodes in the loss, {len(mg.Graph(tiny_G).nodes)} with the adjoints and G,")
print(f"{len(mg.Graph(tiny_slope).nodes)} in the penalized gradient")
picture

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
assert penalized > plain + 3
