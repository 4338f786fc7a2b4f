# rows: VIS-04
# %% [markdown]
# # A box and its two methods
#
# The engine gave three slopes at once, and we wrote no derivative. Where did they come from?
#
# You will take one box of a *flow graph* apart, go through a net of three units by hand, then step through what the
# engine does, event by event. Before: [lesson 1](01_a_slope_measured.py), where a slope is measured.

# %%
import inspect
import json
import math
import re

import numpy as np

import check
import minigrad as mg

# %% [markdown]
# ## See it
#
# Wrap a number, use NumPy on it, and every operation gives a *node*: a box that holds its value and remembers its
# children. Here y = tanh(w x). Below the name of a box stands its value and, after ∂, the slope of y by that box: its
# *adjoint*.

# %% tags=["figure"] alt="A flow graph of four boxes: x = 0.5 and w = 2 lead into a product of value 1, and that into y = tanh of it, 0.7616. The adjoints are 1 at y, 0.42 at the product, 0.84 at x and 0.21 at w."
x, w = mg.Input(0.5, name="x"), mg.Parameter(2.0, name="w")
y = np.tanh(w * x)
y.name = "y"
picture = mg.draw(y)
picture

# %% [markdown]
# ## Two methods
#
# A box can do two things. `fprop` computes its value from the arrays of its children. `bprop` takes the adjoint of the
# box, ∂y/∂box, and gives what it sends to each child: that adjoint times the slope of the box itself. The code of tanh is
# short enough to print.

# %%
print(inspect.getsource(type(y)))
print("fprop(0.5) =", y.fprop(np.array(0.5)).round(4))
print("bprop(1)   =", y.bprop(mg.Constant(1.0)))

# %% [markdown]
# `bprop` used the box's own value: 1 − 0.7616² is 0.42. It computes with nodes, so what it gives is a node again,
# which can be differentiated like any other.
#
# ## A net, by hand
#
# Two inputs, two hidden units u and v, one output y, tanh everywhere, squared error. The first weight of a unit is its
# bias. One line for each box: first forward, then backward.

# %%
x1, x2, target = 1.0, 2.0, 1.0
wu, wv, wy = (0.1, 0.2, 0.3), (-0.1, 0.4, -0.5), (0.05, 0.6, 0.7)

zu = wu[0] + wu[1] * x1 + wu[2] * x2
zv = wv[0] + wv[1] * x1 + wv[2] * x2
u, v = np.tanh(zu), np.tanh(zv)
out = np.tanh(wy[0] + wy[1] * u + wy[2] * v)
loss_by_hand = (out - target) ** 2

back = 2 * (out - target)  # ∂loss/∂y
back = back * (1 - out**2)  # ... by what went into the tanh of y
dy = [back, back * u, back * v]
back_u = back * wy[1] * (1 - u**2)
back_v = back * wy[2] * (1 - v**2)
du = [back_u, back_u * x1, back_u * x2]
dv = [back_v, back_v * x1, back_v * x2]
print(f"u {u:.4f}  v {v:.4f}  y {out:.4f}  loss {loss_by_hand:.4f}")
print("∂loss/∂wy =", np.round(dy, 4))

# %% [markdown]
# ## The same net, by the engine
#
# We write the forward pass alone.


# %%
def unit(name, weights, children):
    """tanh of a weighted sum, its bias first: the node and its parameters."""
    with mg.scope(name):
        given = enumerate(weights)
        own = [mg.Parameter(w, name=f"{name}{i}") for i, w in given]
        total = own[0]
        for slope, child in zip(own[1:], children, strict=True):
            total = total + slope * child
        node = np.tanh(total)
        node.name = name
        return node, own


X1, X2 = mg.Input(x1, name="x1"), mg.Input(x2, name="x2")
U, parameters_u = unit("u", wu, [X1, X2])
V, parameters_v = unit("v", wv, [X1, X2])
Y, parameters_y = unit("y", wy, [U, V])
loss = (Y - target) ** 2
parameters = [*parameters_u, *parameters_v, *parameters_y]
by_engine = np.array([float(g) for g in mg.gradients(loss, parameters)])
apart = np.abs(by_engine - [*du, *dv, *dy]).max()
print("∂loss/∂wy =", by_engine[6:].round(4))
print("nine slopes, less than 1e-12 apart:", apart < 1e-12)

# %% tags=["figure"] alt="The flow graph of the net: x1 = 1 and x2 = 2 each lead into both hidden units u = 0.7163 and v = -0.6044, these into y = 0.05666, and y into the loss 0.8899. Under each value stands its adjoint, from 1 at the loss to -0.4441 at x1 and 0.253 at x2."
picture = mg.draw(loss, direction="TB")
picture

# %% [markdown]
# Read the values downward and the adjoints upward. `print(mg.listing(loss))` gives the same as text.

# %% [markdown] tags=["predict"]
# ## Predict, then run
#
# A unit has two products, two sums and a tanh; the loss has a difference and a square. That makes 3 · 5 + 2 = 17
# operations. How many calls of bprop does the engine make for all nine slopes?
#
# - 9: one for each weight
# - 17: one for each operation
# - 153: the way back through all 17, for each of the nine weights

# %%
record = mg.record(loss)
kinds = [type(event).__name__ for event in record.events]
turn = kinds.count("Fprop")
print(turn, "fprop, then", kinds.count("Bprop"), "bprop")

# %% [markdown] tags=["answer"]
# 17. A weight is no operation and has no bprop: it only receives. And 153 is how differences work, where each weight
# costs the whole net anew. Here the nine slopes share their way back: a box sends once, for all
# weights behind it.

# %% [markdown]
# ## Step through it
#
# Press → and ←, or drag the slider; Home and End go to the ends, B to the first bprop, space plays. Gray events are fprop,
# red ones bprop. What has not arrived reads "not yet". Before each step of the way back, write down the number that will be
# sent, from the rule and the numbers you see.

# %% tags=["figure"] alt="The stepper: the graph of the net with its 29 nodes, and 34 events below it, 17 fprop and 17 bprop. In each step one box is lit, with its rule, the rule in numbers, and what it sends to its children."
record

# %% tags=["fold"] row="VIS-04"
forward = [event.node for event in record.events[:turn]]
backward = [event.node for event in record.events[turn:]]
operations = [n for n in mg.Graph(loss).nodes if n.children]
page = record.html()
found = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
data = json.loads(found[1])
print(len(record.nodes), "nodes")
print("forward: ", *forward)
print("backward:", *backward)
assert len(record.nodes) == len(mg.Graph(loss).nodes)
assert len(forward) == len(set(forward)) == len(operations) == 17
assert backward == forward[::-1]
assert [event[0] for event in data["events"]] == forward + backward

# %% [markdown]
# Each operation is there once in each row, and the way back is the way up, mirrored. `mg.draw(loss).save("net.html")` writes this page as a file; `net.html#20` opens
# its step 20. Run as a script, a lesson prints; `picture.save("picture.svg")` writes the picture.
#
# ## A box that waits
#
# x2 is read twice, by u and by v. Its adjoint is the sum of what both send. Until the second part has come the page reads
# "1 of 2", and not a number: each part alone would be a wrong claim about x2.


# %%
def number(place):
    """A number among the arrays of the record."""
    return float(record.arrays[place].array())


(place,) = (node.index for node in record.nodes if node.name == "x2")
parts = []
for k in range(turn, 2 * turn + 1):
    now = record.at(k)
    parts.append(len(now.arrived[place]))
    if k == turn or parts[-1] > parts[-2]:
        state = "not yet" if now.adjoints[place] == "not yet" else "known"
        print(f"step {k}: {parts[-1]} of 2 parts, {state}")
arrived = [number(sent.array) for _, sent in now.arrived[place]]
(slope_x2,) = mg.gradients(loss, [X2])
print(*(f"{part:.4f}" for part in arrived), f"sum {float(slope_x2):.4f}")

# %% [markdown]
# The same holds for a child that is read twice by one box: in x x + x at 3, x gets 3 and 3 from the product and 1 from
# the sum. And since adjoints are nodes, the slope of the slope is there for the asking.

# %%
twice = mg.Input(3.0, name="x")
(slope,) = mg.gradients(twice * twice + twice, [twice])
(curvature,) = mg.gradients(slope, [twice])
print("slope", float(slope), " its slope", float(curvature))

# %% [markdown]
# ## Arrays and loops
#
# A box may hold a matrix; its methods stay two. Forward, an entry of A B is a row of A times a column of B. Backward, A
# gets the adjoint times Bᵀ. In a loop, the events run through the time steps upward and then back down.

# %%
A = mg.Parameter([[0.3, -0.2], [0.5, 1.0]], name="A")
B = mg.Input([[1.2, 0.0, 0.4], [2.0, -1.0, 0.1]], name="B")
product = mg.record((A @ B).sum(), A)
sent_to_A = product.arrays[product.events[-1].sends[0].array].array()
entry = A.value[1] @ B.value[:, 0]
print(f"row 1, column 0: 0.5 · 1.2 + 1 · 2 = {entry:.1f}")
print(sent_to_A)

state = mg.Input(0.5, name="x_0")
w = mg.Parameter(0.9, name="w")
for t in range(1, 6):
    with mg.scope(f"t={t}"):
        state = np.tanh(w * state)
unrolled = mg.record(state)
order = [unrolled.nodes[event.node].step for event in unrolled.events]
print("time steps:", *order)

# %% [markdown]
# ## One step downhill
#
# `loss.backward()` leaves each slope in `.grad`. A small step against it lowers the loss. A node keeps the value it was
# computed with: build the graph anew after the step, or replay it, as `Graph.fprop` does.

# %%
loss.backward()
for parameter in parameters:
    parameter.value -= 0.05 * parameter.grad
try:
    mg.gradients(loss, parameters)
    refusal = ""
except ValueError as error:
    refusal = str(error)
loss_after = mg.Graph(loss).fprop()
print(f"before {loss_by_hand:.4f}, after {float(loss_after):.4f}")

# %% [markdown]
# ## Where it breaks
#
# Between the step and the replay, values are old and parameters new. Whoever asks for slopes then is refused:

# %%
print(refusal.splitlines()[0])

# %% [markdown]
# And what leaves the graph has no slope: `np.sin` of a node is a node, `math.sin` of it is a number.

# %%
x = mg.Input(0.5, name="x")
for result in (np.sin(x), math.sin(x)):
    print(type(result).__name__, isinstance(result, mg.Node))

# %% [markdown] tags=["exercise"]
# ## Exercise 1: by hand
#
# Write bprop of a quotient a / b in numbers: what it sends to a and to b, if the adjoint of the quotient is s.


# %% tags=["exercise"]
def sends(a, b, s):
    return None  # a pair


# %% tags=["solution"]
def sends(a, b, s):
    return s / b, -s * a / b**2


# %% tags=["check"]
a, b = mg.Input(3.0), mg.Input(2.0)
by_box = [float(g) for g in mg.gradients(a / b, [a, b], mg.Constant(0.5))]
check.same(sends(3.0, 2.0, 0.5), by_box, "sends(3, 2, 0.5)")

# %% [markdown] tags=["exercise"]
# ## Exercise 2: break it
#
# This bprop of y = a² b passes a test at a = b = 2, s = 1, where both slopes, 2ab = 8 and a² = 4, come out right. One
# line is wrong. Which one, 1, 2 or 3? Where would you test?
#
#     1  y = a * a * b
#     2  to_a = s * 2 * a * b
#     3  to_b = s * a * b

# %% tags=["exercise"]
wrong_line = None

# %% tags=["solution"]
wrong_line = 3  # a · b is a² only where a = b: test at two numbers that differ

# %% tags=["check"]
a, b = mg.Input(2.0), mg.Input(3.0)
to_a, to_b = (float(g) for g in mg.gradients(a * a * b, [a, b]))
lines = {2: (2 * 2 * 3, to_a), 3: (2 * 3, to_b)}
(wrong,) = (line for line, (sent, right) in lines.items() if sent != right)
check.same(wrong_line, wrong, "wrong_line")

# %% [markdown]
# ## What we claimed
#
# A box knows its value and what it sends back. The engine calls fprop once for each operation, children first, and bprop
# once for each, parents first. Where several parts arrive, they are added up.
#
# - You can read the stepper now, and say what each box sends.
# - Where it comes back: [lesson 4](04_the_path_of_an_error.py) follows an error through layers,
#   [lesson 6](06_an_operation_of_your_own.py) writes a box, [lesson 19](19_unrolled_in_time.py) goes back through time.
# - Read: A. Griewank and A. Walther, *Evaluating Derivatives* (SIAM, 2008), chapter 3.

# %%
assert np.allclose([zu, zv, u, v], [0.9, -0.7, 0.716298, -0.604368], atol=1e-6)
assert np.allclose([out, loss_by_hand], [0.056661, 0.889889], atol=1e-6)
assert np.allclose(dy, [-1.880622, -1.347085, 1.136587], atol=1e-6)
assert np.allclose(by_engine, [*du, *dv, *dy], rtol=1e-12)
assert float(slope) == 7.0 and float(curvature) == 2.0
assert float(loss_after) < loss_by_hand
assert refusal
assert isinstance(np.sin(x), mg.Node) and type(math.sin(x)) is float
assert len(record.events) == 2 * turn == len(data["events"]) == 34
assert data["turn"] == turn
assert "https:" not in page and len(page.encode()) < 50_000
rules = {text for event in data["events"][:turn] for text in event[2:3]}
assert f"tanh(0.9) = {np.tanh(0.9):.4g}" in rules
assert parts[0] == 0 and 1 in parts and parts[-1] == 2
assert np.isclose(sum(arrived), float(slope_x2))
assert np.isclose((A.value @ B.value)[1, 0], 2.6)
assert "2,3:-.04 .2 .1 2.6 -1 .3" in product.html()
assert np.allclose(sent_to_A, np.ones((2, 3)) @ B.value.T)
assert order == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1]
