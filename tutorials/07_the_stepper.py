# %% [markdown]
# # The stepper: backpropagation one event at a time
#
# A picture of a flow graph shows how it ended: all values, all adjoints. What happened on the way, and in which order,
# it does not show. `mg.record(loss)` looks on while the engine works and writes down every event; `.html()` makes a
# page of it, through which you go by the arrow keys. In this lesson we predict what the page will say, then look.

# %%
import json
import re

import numpy as np

import minigrad as mg

# %% [markdown]
# ## Every event of a small net
#
# The 2-2-1 net of the first lesson: two inputs, two hidden units, one output, squared error.


# %%
def unit(name, weights, children):
    """One neuron: tanh of a weighted sum, its bias first."""
    with mg.scope(name):
        given = enumerate(weights)
        bias, *slopes = (mg.Parameter(w, name=f"{name}{i}") for i, w in given)
        total = bias
        for slope, child in zip(slopes, children, strict=True):
            total = total + slope * child
        output = np.tanh(total)
        output.name = name
        return output


x1, x2 = mg.Input(1.0, name="x1"), mg.Input(2.0, name="x2")
u1 = unit("u", (0.1, 0.2, 0.3), [x1, x2])
u2 = unit("v", (-0.1, 0.4, -0.5), [x1, x2])
y = unit("y", (0.05, 0.6, 0.7), [u1, u2])
loss = (y - 1.0) ** 2

# %% [markdown]
# **Predict:** how many events are there? Each operation has one fprop and, since the loss depends on all of them, one
# bprop. A unit has two products, two sums and a tanh, and there are three units; the loss has a difference and a square.

# %%
record = mg.record(loss)
operations = 3 * 5 + 2
turn = sum(type(event).__name__ == "Fprop" for event in record.events)
print(operations, "operations:", record)

# %% [markdown]
# The order: children before parents on the way up, parents before children on the way back. So the events backward are
# those forward, mirrored.

# %%
forward = [event.node for event in record.events[:turn]]
backward = [event.node for event in record.events[turn:]]
print("forward: ", " ".join(f"#{node}" for node in forward))
print("backward:", " ".join(f"#{node}" for node in backward))

# %% [markdown]
# ## The page
#
# One file without network and without library: write it with `mg.draw(loss).save("net.html")` and open it. Left is the
# graph, right the current event, below the scrubber: gray forward, red backward. Keys: → and ← go on and back, Home and
# End to the ends, B to the first bprop, space plays. `net.html#20` opens step 20. What has not arrived reads "not yet".
#
# Try it so: before each → of the way back, write down the number that will be sent, from the rule and the numbers you
# see. The page then writes rule, numbers and result in one line.

# %%
page = record.html()
print(len(page.encode()), "bytes")

# %% [markdown]
# What the page tells stands in it as JSON, and as data in the record: of each bprop the sends, one for each child.


# %%
def number(place):
    """A number among the arrays of the record."""
    return float(record.arrays[place].array())


for event in record.events[turn : turn + 4]:
    sender = record.nodes[event.node].title
    for sent in event.sends:
        child = record.nodes[sent.child].title
        print(f"{sender} sends {number(sent.array):.4f} to {child}")

# %% [markdown]
# ## A node that waits
#
# x2 is read twice, by both hidden units. **Predict:** when is its adjoint known? When the second part has come, not
# before: the page reads "∂ not yet", then "∂ 1 of 2", then a number. `record.at(k)` says what is known after k events.

# %%
(place_of_x2,) = (node.index for node in record.nodes if node.name == "x2")
steps = range(turn, len(record.events) + 1)
parts = [len(record.at(k).arrived[place_of_x2]) for k in steps]
for k, come in zip(steps, parts, strict=True):
    if k == turn or come > parts[k - turn - 1]:
        known = record.at(k).adjoints[place_of_x2] != "not yet"
        print(f"step {k}: {come} of 2 parts,", "known" if known else "not yet")

# %% [markdown]
# Why not 0 for the first half of the way? 0 would be a claim: "the loss does not depend on x2". Each part alone would be
# one as well. The chain rule makes a statement about their sum, so the engine waits.

# %%
end = record.at(len(record.events))
arrived = [number(sent.array) for _, sent in end.arrived[place_of_x2]]
(slope,) = mg.gradients(loss, [x2])
print(" + ".join(f"{part:.4f}" for part in arrived), "=", f"{float(slope):.4f}")

# %% [markdown]
# ## A row and a column
#
# Arrays are shown as heat maps, blue above 0 and orange below, up to six columns with digits. In the fprop of a product
# of matrices, point at an entry of its value: its row on the left and its column on the right light up, and the sum is
# written in numbers. **Predict:** which entries make the entry in row 1, column 0?

# %%
A = mg.Parameter([[0.3, -0.2], [0.5, 1.0]], name="A")
B = mg.Input([[1.2, 0.0, 0.4], [2.0, -1.0, 0.1]], name="B")
product = mg.record((A @ B).sum(), A)
row, column = A.value[1], B.value[:, 0]
terms = " + ".join(f"{a:g}·{b:g}" for a, b in zip(row, column, strict=True))
print(f"[1, 0] {terms} = {row @ column:g}")

# %% [markdown]
# Backward it is a product again: what arrived times the transposed other factor. Point at an entry of "sent" to A: a row
# of the adjoint meets a row of B.

# %%
last = product.events[-1]
sender, child = product.nodes[last.node], product.nodes[last.sends[0].child]
print(sender.title, "sends to", child.title)
sent_to_A = product.arrays[last.sends[0].array].array()
print(sent_to_A)

# %% [markdown]
# ## Time steps
#
# A loop has a strip of its steps above the graph: a click on one leads to its first fprop or, on the way back, to its
# first bprop. The strip runs to the right and then to the left: that is backpropagation through time.

# %%
state = mg.Input(0.5, name="x_0")
w = mg.Parameter(0.9, name="w")
for t in range(1, 6):
    with mg.scope(f"t={t}"):
        state = np.tanh(w * state)
unrolled = mg.record(state)
order = [unrolled.nodes[event.node].step for event in unrolled.events]
print("time step of each event:", order)

# %% [markdown]
# ## What we claimed
#
# The page has the record's events and numbers; the way back mirrors the way up; a shared node waits for all its parts,
# whose sum is the gradient that `mg.gradients` gives; an entry of a product is its row times its column.

# %%
found = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
data = json.loads(found[1])
assert len(record.events) == 2 * operations == len(data["events"]) == 34
assert data["turn"] == turn == operations
assert [event[0] for event in data["events"]] == forward + backward
assert backward == forward[::-1]
assert "https:" not in page
assert len(page.encode()) < 50_000
numbers = {text for event in data["events"][:turn] for text in event[2:3]}
assert f"tanh(0.9) = {np.tanh(0.9):.4g}" in numbers
assert parts[0] == 0
assert parts[-1] == 2
assert 1 in parts
assert np.isclose(sum(arrived), float(slope))
assert np.isclose((A.value @ B.value)[1, 0], 0.5 * 1.2 + 1.0 * 2.0)
assert "2,3:-.04 .2 .1 2.6 -1 .3" in product.html()
assert np.allclose(sent_to_A, np.ones((2, 3)) @ B.value.T)
assert order == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1]
