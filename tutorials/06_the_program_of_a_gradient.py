# %% [markdown]
# # The program of a gradient
#
# A graph of nodes is also a program: computing its nodes one after the other, children first, is all there is to do.
# `mg.compile` prints that program as the NumPy one would write by hand, and runs it. In this lesson we read one, find
# backpropagation in it line by line, and see what becomes of a recurrent net's loop over time.

# %%
import numpy as np

import minigrad as mg
from minigrad.models import RNN, losses

# %% [markdown]
# ## A small net and its gradient, as one function
#
# Two inputs, two hidden units, one output, four examples: the smallest net that learns exclusive or. The function below
# builds nodes, as always; the loss and its gradient are nodes alike, and it returns both. Nodes that have names lend them
# to the program.

# %%
rng = np.random.default_rng(1)
W_1, b_1 = mg.Parameter(rng.normal(size=(2, 2)), "W_1"), mg.Parameter(np.zeros(2), "b_1")
W_2, b_2 = mg.Parameter(rng.normal(size=(1, 2)), "W_2"), mg.Parameter(np.zeros(1), "b_2")


def loss_and_gradient(x, y):
    a = x @ W_1.T + b_1
    h = np.tanh(a)
    z = h @ W_2.T + b_2
    a.name, h.name, z.name = "a", "h", "z"
    loss = np.square(z - y).mean()
    loss.name = "loss"
    return loss, *mg.gradients(loss, [W_1, b_1, W_2, b_2])


step = mg.compile(loss_and_gradient)
x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([[0.0], [1.0], [1.0], [0.0]])
loss, *gradient = step(x, y)  # the first call runs the function once and writes the program
print(f"loss {float(loss):.4f}")

# %% [markdown]
# ## The program as mathematics
#
# `pure_source` is the program as formulas, one per line. `d_h` is the adjoint of `h`, ∂loss/∂h; what
# is only on the way to an adjoint begins with `back_`. Read it from the middle: the lines up to `loss` are forward
# propagation; below it every line answers one above, in the opposite order.
#
# | forward | backward | rule |
# |---|---|---|
# | `loss`: the mean of (z − y)² | `d_z` = 2 (z − y) / 4 | a square, a mean of four |
# | `z = h @ W_2.T + b_2` | `d_b_2`: the sum over the examples | a bias is added to every example |
# | | `d_W_2 = d_z.T @ h` and `d_h = d_z @ W_2` | a product sends back a product to each factor |
# | `h = tanh(a)` | `d_a = d_h * (1 − h h)` | tanh' = 1 − tanh² |
# | `a = x @ W_1.T + b_1` | `d_b_1`, `d_W_1 = d_a.T @ x` | and nothing for x: nobody asked |

# %%
print(step.pure_source)

# %% [markdown]
# Is that backpropagation? The same by hand:

# %%
h = np.tanh(x @ W_1.value.T + b_1.value)
d_z = 2 * (h @ W_2.value.T + b_2.value - y) / 4
d_a = (d_z @ W_2.value) * (1 - h * h)
by_hand = [d_a.T @ x, d_a.sum(axis=0), d_z.T @ h, d_z.sum(axis=0)]
largest = max(np.abs(one - other).max() for one, other in zip(gradient, by_hand, strict=True))
print(f"largest difference from the hand-written gradient: {largest:.1e}")

# %% [markdown]
# ## The program as it runs
#
# Formulas make a new array for every value. `source` is what really runs: memory is made once, above the function;
# `out=` writes into it; a value nobody needs any more is overwritten by the next. Lines such as `a = product` say that two
# values share their memory. Products use `x.dot(y, out=z)`, which costs least for small matrices.

# %%
print(step.source)

# %% [markdown]
# ## A loop over time
#
# A recurrent net is the same layer T times, so its graph has thousands of nodes. In the program the time steps are a
# loop again, though nobody told the engine where it was: lines that repeat with counting indices are printed as one. Such
# a loop goes over the rows of the arrays, as NumPy by hand does: `x_before` is the state before `x_now`. A call in the loop
# names the place of its result last, `tanh(x_now, x_now)` for `tanh(x_now, out=x_now)`, since that is quicker. We print the
# function only. The lines above it make the memory: `all_x` is one array, `x` the list of its rows.

# %%
inputs, targets = rng.normal(size=(8, 60, 3)).astype(np.float32), rng.integers(2, size=8)
net = RNN(n_inputs=3, n_states=5, n_outputs=2, rng=0)


def recurrent(inputs, targets):
    loss = losses.cross_entropy(net(inputs), targets)
    return loss, *mg.gradients(loss, net.parameters())


recurrent_step = mg.compile(recurrent)
recurrent_step(inputs, targets)
program = recurrent_step.source
print(program[program.index("def program") :])

# %% [markdown]
# It is what an expert would do by hand. *One* product before the loop multiplies the inputs of all time steps by R (`RNN`
# builds its nodes so). One large product after it replaces the sixty products that add up to the gradient of W; for it, all
# states lie next to each other in one array. And 1 − x² is computed for all time steps at once, since no step has to wait for
# it. That is a *rewrite* of the program: without rewrites 1 − x² stands in the loop, and runs sixty times.

# %%
plain = mg.compile(recurrent, rewrites=())
plain(inputs, targets)
same = [
    np.allclose(a, b, atol=1e-6) for a, b in zip(recurrent_step(inputs, targets), plain(inputs, targets), strict=True)
]
print(
    f"plain program: {len(plain.source.splitlines())} lines, rewritten: {len(program.splitlines())}; the same numbers: {all(same)}"
)

# %% [markdown]
# ## What a program cannot know
#
# The function ran once; its Python does not run again. So an `if` on a value is refused while the program is made, and the
# message says what to write instead. What Python brings in from outside, such as a random number, leaves no trace in the
# graph and is not refused: `verify` finds it.


# %%
@mg.compile
def decides(x):
    return x * 2 if float(x.sum()) > 0 else x


try:
    decides(x)
except TypeError as error:
    print(error)

noise = np.random.default_rng(0)
noisy = mg.compile(lambda x: x + noise.normal())  # drawn by Python, once
try:
    noisy.verify(x)
    found = False
except AssertionError as error:
    found = True
    print(error)

# %%
loops = [line.strip() for line in program.splitlines() if line.strip().startswith("for ")]
assert largest < 1e-15
assert len(step.pure_source.splitlines()) < 40
assert len(loops) == 2, "one loop forward, one backward"
assert all(same)
assert "multiply(some_" in program, "1 - x^2 for all time steps at once"
assert "multiply(some_" not in plain.source
assert found
