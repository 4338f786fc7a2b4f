# %% [markdown]
# # A node and its two methods
#
# A *flow graph* is a set of boxes joined by arrows. Every box knows two things: how to compute its value from the
# values of its children (`fprop`), and how to pass the derivative of the final result down to those children (`bprop`).
# That is all of backpropagation. In this lesson we compute one gradient by hand, then let the engine do it, and look at
# each box on the way.
#
# A notebook shows the pictures, each below its cell. Run as a script, the lesson only prints: to see a picture, add
# `picture.save("picture.svg")` below the line that draws it, and open the file in a browser.

# %%
import numpy as np

import minigrad as mg

# %% [markdown]
# ## One box
#
# Wrap an array as an `Input`, use NumPy on it, and every operation gives a *node*: an object that holds its value and
# remembers its children.

# %%
x = mg.Input(0.5, name="x")
y = np.tanh(x)
print(y, "has the child", y.children[0])

# %% [markdown]
# The node's two methods are short enough to print. `fprop` works on arrays. `bprop` is written on nodes: `self` is the
# box's own output, `adjoint` is the derivative of the final result with respect to that output.

# %%
import inspect

print(inspect.getsource(type(y)))

# %% [markdown]
# Call them yourself: tanh(0.5), and the slope 1 − tanh²(0.5) times an incoming adjoint of 1.

# %%
print(y.fprop(np.array(0.5)))
print(y.bprop(mg.Constant(1.0)))

# %% [markdown]
# ## A small net, by hand
#
# Two inputs, two hidden units, one output, tanh everywhere, squared error. The bias is the first weight of each unit.
# We write what the chain rule says, one line per box: first forward, then backward.

# %%
inputs, target = (1.0, 2.0), 1.0
w1, w2, w_out = (0.1, 0.2, 0.3), (-0.1, 0.4, -0.5), (0.05, 0.6, 0.7)

z1 = w1[0] + w1[1] * inputs[0] + w1[2] * inputs[1]
z2 = w2[0] + w2[1] * inputs[0] + w2[2] * inputs[1]
u1, u2 = np.tanh(z1), np.tanh(z2)
output = np.tanh(w_out[0] + w_out[1] * u1 + w_out[2] * u2)
loss_by_hand = (output - target) ** 2
print(f"z = {z1:.6f}, {z2:.6f}   u = {u1:.6f}, {u2:.6f}   output = {output:.6f}   loss = {loss_by_hand:.6f}")

# %%
output_error = 2 * (output - target)  # ∂loss/∂output
before_tanh = output_error * (1 - output**2)  # ∂loss/∂(what went into the output's tanh)
by_hand_out = [before_tanh, before_tanh * u1, before_tanh * u2]
error1, error2 = before_tanh * w_out[1], before_tanh * w_out[2]  # ∂loss/∂u1, ∂loss/∂u2
delta1, delta2 = error1 * (1 - u1**2), error2 * (1 - u2**2)
by_hand_1 = [delta1, delta1 * inputs[0], delta1 * inputs[1]]
by_hand_2 = [delta2, delta2 * inputs[0], delta2 * inputs[1]]
print("∂loss/∂w_out =", np.round(by_hand_out, 6))
print("∂loss/∂w1    =", np.round(by_hand_1, 6))
print("∂loss/∂w2    =", np.round(by_hand_2, 6))

# %% [markdown]
# ## The same net, by the engine
#
# Nine weights become nine parameters. We write only the forward pass; the graph remembers the rest.

# %%
features = [mg.Input(value, name=f"x{i}") for i, value in enumerate(inputs, start=1)]


def unit(name, weights, children):
    """One neuron: tanh of a weighted sum, its bias first. Returns the node and its parameters."""
    with mg.scope(name):
        bias, *slopes = (mg.Parameter(w, name=f"w{i}") for i, w in enumerate(weights))
        total = bias
        for slope, child in zip(slopes, children, strict=True):
            total = total + slope * child
        return np.tanh(total), [bias, *slopes]


h1, parameters_1 = unit("hidden 1", w1, features)
h2, parameters_2 = unit("hidden 2", w2, features)
prediction, parameters_out = unit("output", w_out, [h1, h2])
loss = (prediction - target) ** 2

gradient_out = mg.gradients(loss, parameters_out)
gradient_1 = mg.gradients(loss, parameters_1)
gradient_2 = mg.gradients(loss, parameters_2)
print("∂loss/∂w_out =", [round(float(g), 6) for g in gradient_out])

# %% [markdown]
# `mg.listing` prints the whole graph, children before parents: read it downward for the forward pass, and the column
# of adjoints upward for the backward pass.

# %%
print(mg.listing(loss))

# %% [markdown]
# And `mg.draw` draws it.

# %%
picture = mg.draw(loss)
picture

# %% [markdown]
# ## Why adjoints are summed
#
# A box that feeds several parents receives an adjoint from each of them, and the chain rule adds them up. Here x is
# used twice, so its adjoint is 2x from the square and 1 from the plain term.

# %%
used_twice = mg.Input(3.0, name="x")
(slope,) = mg.gradients(used_twice * used_twice + used_twice, [used_twice])
print(slope)

# %% [markdown]
# ## One step of gradient descent
#
# A gradient tells how the loss rises; a small step against it lowers the loss. `loss.backward()` leaves each
# parameter's gradient in `.grad`, as an array of its own.

# %%
loss.backward()
learning_rate = 0.05
for parameter in [*parameters_1, *parameters_2, *parameters_out]:
    parameter.value -= learning_rate * parameter.grad

graph = mg.Graph(loss)
loss_after = graph.fprop()  # the same boxes, computed anew with the new weights
print(f"loss before {loss_by_hand:.6f}, after {float(loss_after):.6f}")

# %% [markdown]
# Note the order. A node holds the value it was computed with: after the weights have changed, `loss` keeps the old
# value until the graph is built again (as a training loop does at every step) or replayed, as `graph.fprop()` just did.
# Do one of the two before you ask for gradients again. And stay in the graph: `np.sin(x)` of a node is a node, while
# `math.sin(x)` and `float(x)` give a plain number, whose derivative nobody knows.

# %%
import math

x = mg.Input(0.5, name="x")
print(np.sin(x), "is a node;", math.sin(x), "is a number")

# %% [markdown]
# ## What we claimed
#
# By hand and by engine agree to rounding; the step lowered the loss; every adjoint is again a node, so it can be
# differentiated like anything else (the next lessons use that).

# %%
assert np.allclose([z1, z2, u1, u2], [0.9, -0.7, 0.716298, -0.604368], atol=1e-6)
assert np.allclose([output, loss_by_hand], [0.056661, 0.889889], atol=1e-6)
assert np.allclose([g.value for g in gradient_out], by_hand_out, rtol=1e-12)
assert np.allclose([g.value for g in gradient_1], by_hand_1, rtol=1e-12)
assert np.allclose([g.value for g in gradient_2], by_hand_2, rtol=1e-12)
assert np.allclose(by_hand_out, [-1.880622, -1.347085, 1.136587], atol=1e-6)
assert float(slope) == 7.0
assert float(loss_after) < loss_by_hand
(curvature,) = mg.gradients(slope, [used_twice])
assert isinstance(np.sin(x), mg.Node)
assert type(math.sin(x)) is float
assert float(curvature) == 2.0
