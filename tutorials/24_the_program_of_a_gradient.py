# rows:
# %% [markdown]
# # The program of a gradient
#
# A graph of nodes is computed one node after the other, children first. What program is that, and where in it is
# backpropagation?
#
# You will read the NumPy program of a loss and its gradient, find the loop over time in the program of a recurrent net,
# and know what such a program cannot know.
#
# Before: [lesson 4](04_the_path_of_an_error.py) and [lesson 19](19_unrolled_in_time.py).

# %%
import numpy as np

import check
import minigrad as mg
from minigrad.models import RNN, losses
from minigrad.optim import figures

# %% [markdown]
# ## See it
#
# One weight, one tanh, one squared error. Above the graph of the loss, below the adjoint of each node.

# %%
w = mg.Parameter(0.5, "w")


def neuron(x, y):
    """The squared error of tanh(w x); nodes that have names lend them."""
    h = np.tanh(w * x)
    loss = np.square(h - y)
    h.name, loss.name = "h", "loss"
    return loss


# %% tags=["figure"] alt="Above, w = 0.5 times x = 2 goes through tanh, y = 1 is taken away, and the square is the loss, 0.05684. Below, its mirror image, from 1 at the loss back to -0.4005 at w."
mg.draw(neuron(mg.Input(2.0, "x"), mg.Input(1.0, "y")), view="mirror")

# %% [markdown]
# Run as a script, the lesson prints; `picture.save("picture.svg")` of what `mg.draw` gives writes the picture.
#
# Both bands are nodes. So both can be written as one function, a line for each box. `mg.compile` does that when the
# function is called for the first time:


# %%
@mg.compile
def neuron_and_slope(x, y):
    loss = neuron(x, y)
    return loss, *mg.gradients(loss, [w])


numbers = neuron_and_slope(np.array(2.0), np.array(1.0))
print(neuron_and_slope.pure_source)
print("loss {:.4g}, slope by w {:.4g}".format(*map(float, numbers)))

# %% [markdown]
# `d_h` is the adjoint of h, ∂loss/∂h; its factor 1.0 is the adjoint of the loss. What is only on the way to an adjoint
# begins with `back_`.
#
# ## A net, and its program
#
# Two inputs, two tanh units, one output, four examples: exclusive or.

# %%
rng = np.random.default_rng(1)
W_1 = mg.Parameter(rng.normal(size=(2, 2)), "W_1")
b_1 = mg.Parameter(np.zeros(2), "b_1")
W_2 = mg.Parameter(rng.normal(size=(1, 2)), "W_2")
b_2 = mg.Parameter(np.zeros(1), "b_2")
x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([[0.0], [1.0], [1.0], [0.0]])


def loss_of(x, y):
    a = x @ W_1.T + b_1
    h = np.tanh(a)
    z = h @ W_2.T + b_2
    loss = np.square(z - y).mean()
    a.name, h.name, z.name, loss.name = "a", "h", "z", "loss"
    return loss


@mg.compile
def step(x, y):
    loss = loss_of(x, y)
    return loss, *mg.gradients(loss, [W_1, b_1, W_2, b_2])


loss, *gradient = step(x, y)
print(step.pure_source)

# %% [markdown]
# Read it from the line of `loss`. Above it is fprop. Below it every line answers one above, in the opposite order.
#
# | forward | backward | rule |
# |---|---|---|
# | `loss`, the mean of (z − y)² | `d_z` is 2 (z − y) / 4 | a square, a mean of four |
# | `z = h @ W_2.T + b_2` | `d_b_2`, a sum over the examples | a bias is added to every example |
# | | `d_W_2 = d_z.T @ h`, `d_h = d_z @ W_2` | a product sends a product to each factor |
# | `h = tanh(a)` | `d_a = d_h * (1 - h * h)` | tanh′ = 1 − tanh² |
# | `a = x @ W_1.T + b_1` | `d_b_1`, `d_W_1 = d_a.T @ x` | and nothing for x: nobody asked |
#
# Is that backpropagation? The same by hand:

# %%
h = np.tanh(x @ W_1.value.T + b_1.value)
d_z = 2 * (h @ W_2.value.T + b_2.value - y) / 4
d_a = (d_z @ W_2.value) * (1 - h * h)
by_hand = [d_a.T @ x, d_a.sum(axis=0), d_z.T @ h, d_z.sum(axis=0)]
pairs = zip(gradient, by_hand, strict=True)
largest = max(np.abs(one - other).max() for one, other in pairs)
print(f"loss {float(loss):.4f}, largest difference {largest:.12f}")

# %% [markdown]
# ## As it runs
#
# Formulas make a new array for every value. `source` is what runs. Memory is made once, above the function; `out=` writes
# into it; a value that nobody needs any more is overwritten by the next. `h = product` says that two names share memory.
# Products are written `x.dot(y, out=z)`, which costs least for small matrices. This is the forward half:

# %%
runs = step.source
print(runs[: runs.index("loss = ")].rstrip(" "))

# %% [markdown]
# ## A loop over time
#
# A recurrent net is one layer T times; its graph has as many copies of it as steps.


# %%
net = RNN(n_inputs=3, n_states=5, n_outputs=2, rng=0)


def recurrent(inputs, targets):
    loss = losses.cross_entropy(net(inputs), targets)
    return loss, *mg.gradients(loss, net.parameters())


def batch(T):
    """Eight sequences of T steps, and their classes."""
    inputs = rng.normal(size=(8, T, 3)).astype(np.float32)
    return inputs, rng.integers(2, size=8)


def program_of(T, **options):
    """The program for T steps, as text."""
    compiled = mg.compile(recurrent, **options)
    compiled(*batch(T))
    return compiled.source


# %% [markdown] tags=["predict"]
# ## Predict: 240 steps
#
# From 30 to 240 steps, the graph of loss and gradient gets nearly seven times as many nodes. How does the number of lines
# of the program change?
#
# - It gets seven times as many: a line for each box
# - It stays the same
# - It gets twice as many: the loop forward is one, but backward each step has its own adjoint

# %%
lengths = [30, 60, 120, 240]
listings = [mg.listing(recurrent(*batch(T))) for T in lengths]
n_nodes = [len(text.splitlines()) - 1 for text in listings]  # less the header
n_lines = [len(program_of(T).splitlines()) for T in lengths]
for T, nodes, lines in zip(lengths, n_nodes, n_lines, strict=True):
    print(f"{T:3} steps: {nodes:5} nodes, {lines} lines")

# %% tags=["figure"] alt="Nodes and lines over 30 to 240 time steps. The nodes rise along a straight line from 289 to 1969; the lines stay flat at 122."
figures.lines(
    {"nodes": (lengths, n_nodes), "lines": (lengths, n_lines)},
    xlabel="time steps",
    ylabel="number",
    ylim=(0, 2100),
    title="the graph grows, its program does not",
    ends=True,
)

# %% [markdown] tags=["answer"]
# It stays the same. Lines that repeat with counting indices are printed as one loop, forward and backward alike, though
# nobody told the engine where the loop was. Seven times is right for a plain list of boxes. And backward, each step has
# an adjoint of its own, but the same *line*.

# %% [markdown]
# Here are both loops. They go over the rows of arrays: `x_before` is the state before `x_now`. A call in a loop names the
# place of its result last: `tanh(x_now, x_now)` for `tanh(x_now, out=x_now)`.

# %%
program = program_of(60)
body = program[program.index("def program") :].splitlines()
loops = [i for i, line in enumerate(body) if line.startswith("    for ")]
for i in loops:
    end = next(k for k in range(i + 1, len(body)) if body[k][4] != " ")
    print("\n".join(body[i - 1 : end]))

# %% [markdown]
# Little is left in them. *One* product before the first loop multiplies the inputs of all time steps by R (`RNN` builds
# its nodes so). One large product after the second replaces sixty that add up to the gradient of W: all states lie next to
# each other in one array. And 1 − x² is computed for all time steps at once, since no step has to wait for it:

# %%
marks = "reshape.dot(R_T", "some_x", "out=back_subtract)"
print("\n".join(line for line in body if any(m in line for m in marks)))

# %% [markdown]
# The last is a *rewrite* of the program: without rewrites 1 − x² stands in the loop and runs sixty times. The numbers are
# the same.

# %%
plain, rewritten = mg.compile(recurrent, rewrites=()), mg.compile(recurrent)
some = batch(60)
pairs = zip(rewritten(*some), plain(*some), strict=True)
same = all(np.allclose(one, other, atol=1e-6) for one, other in pairs)
print(f"the same numbers: {same}")

# %% [markdown]
# ## Where it breaks: what a program cannot know
#
# The function ran once; its Python does not run again. An `if` on a value would have to, so it is refused, and the message
# says what to write. What Python brings in from outside leaves no trace in the graph and is not refused: `verify` finds it.


# %%
@mg.compile
def decides(x):
    return x * 2 if float(x.sum()) > 0 else x


try:
    decides(x)
    refused = ""
except TypeError as error:
    refused = str(error)
print(refused, "\n")

noise = np.random.default_rng(0)
noisy = mg.compile(lambda x: x + noise.normal())  # drawn by Python, once
try:
    noisy.verify(x)
    found = ""
except AssertionError as error:
    found = str(error)
print(found)

# %% [markdown] tags=["exercise"]
# ## Exercise 1: by hand
#
# The program computes no `d_x`: nobody asked. Write its line, from `d_a` (4, 2) and the matrix of the first layer.


# %% tags=["exercise"]
def d_x(d_a, W):
    return None


# %% tags=["solution"]
def d_x(d_a, W):
    return d_a @ W


# %% tags=["check"]
asked = mg.Input(x)
(expected,) = mg.gradients(loss_of(asked, y), [asked])
check.same(d_x(d_a, W_1.value), expected.value, "d_x(d_a, W)")

# %% [markdown] tags=["exercise"]
# ## Exercise 2: change it
#
# One rewrite takes 1 − x² out of the loop. `mg.compiler.REWRITES` has the names of all. Find it: leave them out one by
# one, `program_of(60, rewrites=[...])`, and look for "multiply(some_" in the program.

# %% tags=["exercise"]
name = None

# %% tags=["solution"]
everything = list(mg.compiler.REWRITES)
for left_out in everything:
    others = [each for each in everything if each != left_out]
    if "multiply(some_" not in program_of(60, rewrites=others):
        name = left_out

# %% tags=["check"]
check.same(name, "steps", "name")

# %% [markdown] tags=["exercise"]
# ## Exercise 3: break it
#
# `scaled` is called with x = 1. Then the global variable `factor` is set to 5, and it is called again. What does the
# second call give?

# %%
factor = 2.0
scaled = mg.compile(lambda x: x * factor)

# %% tags=["exercise"]
second = None

# %% tags=["solution"]
second = 2.0  # a global number stays what it was; make it an argument

# %% tags=["check"]
factor = 2.0
scaled(np.ones(()))
factor = 5.0
check.same(second, float(scaled(np.ones(()))), "second")

# %% [markdown]
# ## What we claimed
#
# A gradient is a program: every line of fprop has its answer below, in the opposite order, and steps over time are a
# loop in it. What Python decided while the graph was built is fixed.
#
# You can now read what the engine runs: `step.source` of any training. All rewrites are listed in
# [compilation](../reference/compilation.md). To read: R. Frostig, M. J. Johnson and C. Leary, Compiling machine learning
# programs via high-level tracing, SysML 2018.

# %%
assert np.allclose(numbers, [0.05684, -0.4005], atol=5e-5)
assert largest < 1e-15
assert len(step.pure_source.splitlines()) < 40
assert "d_x =" not in step.pure_source
assert 6.5 < n_nodes[3] / n_nodes[0] < 7 and len(set(n_lines)) == 1
assert len(loops) == 2  # one forward, one backward
assert same
assert "multiply(some_" in program  # 1 − x² for all time steps at once
assert "multiply(some_" not in plain.source
assert "keep it a node" in refused and "pass it as an argument" in found
