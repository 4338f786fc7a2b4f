# rows:
# %% [markdown]
# # An operation of your own, and how to trust it
#
# You need a function that the library does not have. Which lines do you write, and how do you know that they are right?
#
# You will write a box with its two methods, check it, and make the two classical mistakes on purpose, one of which a test
# of the slope does not find. Before: [lesson 2](02_a_box_and_its_two_methods.py), what fprop and bprop are.

# %%
import numpy as np

import check
import minigrad as mg
from minigrad.optim import figures

# %% [markdown]
# ## The smallest box
#
# y = x³ has the slope 3x². `fprop` is NumPy on arrays. `bprop` gets the adjoint of y, a node, and gives the adjoint of x,
# a node. That is the whole class: shapes, dtypes and the adding up of adjoints are the engine's work.


# %%
class Cube(mg.Elementwise):
    """y = x³;  x̄ = 3 ȳ x²."""

    def fprop(self, x):
        return x**3

    def bprop(self, adjoint):
        (x,) = self.children
        return adjoint * (3 * x**2)


x = mg.Input([1.0, 2.0, 3.0], name="x")
y = Cube(x)
(slope,) = mg.gradients(y.sum(), [x])
(second,) = mg.gradients(slope.sum(), [x])
(third,) = mg.gradients(second.sum(), [x])
print("x³ ", y.value)
print("3x²", slope.value)
print("6x ", second.value)
print("6  ", third.value)

# %% [markdown]
# We wrote one rule and have three derivatives: `bprop` computes with nodes, so what it gives can be differentiated again.

# %% tags=["figure"] alt="The cube of x from -1.25 to 1.25 with its first three derivatives, all from one rule: a parabola 3 x squared, a line 6x, and the constant 6."
xs = mg.Input(np.linspace(-1.25, 1.25, 41))
curves = {"x³": Cube(xs)}
for name in ("first: 3x²", "second: 6x", "third: 6"):
    (last,) = mg.gradients(list(curves.values())[-1].sum(), [xs])
    curves[name] = last
picture = figures.lines(
    {name: (xs.value, node.value) for name, node in curves.items()},
    title="One rule, three derivatives",
    xlabel="x",
    ends=True,
)
picture

# %% [markdown]
# ## Trust, but measure
#
# [Lesson 1](01_a_slope_measured.py) measured slopes by differences and by the complex step. `mg.check_gradients` does so for
# every entry, and at order 2 for the slope of the slope. It is silent when all is well.

# %%
points = np.array([-1.5, 0.3, 2.0])
mg.check_gradients(Cube, points)
mg.check_gradients(Cube, points, order=2)

# %% [markdown]
# ## Mistake one: a wrong rule
#
# The factor 3 is forgotten. At −1.5 the slope is 3 · 2.25 = 6.75, and without the factor it is 2.25.


# %%
class CubeWithoutThree(Cube):
    """The rule lost its factor."""

    def bprop(self, adjoint):
        (x,) = self.children
        return adjoint * x**2


def complaint(*arguments, **options):
    """What check_gradients says, and the error; nothing where it is silent."""
    try:
        mg.check_gradients(*arguments, **options)
    except mg.GradientError as error:
        return str(error), error
    return "", None


first_message, first_error = complaint(CubeWithoutThree, points)
print(first_message)

# %% [markdown]
# The message says how many entries are wrong, gives both numbers for one of them, and names the operation at fault. The
# picture of an error marks each box right or wrong. Run as a script, the lesson prints; `picture.save("picture.svg")` writes
# the picture.

# %% tags=["figure"] alt="The graph of the failed check: x leads into the box CubeWithoutThree, which is marked wrong by a cross: 2.25 by bprop, 6.75 by differences."
picture = mg.draw(first_error)
picture

# %% [markdown] tags=["predict"]
# ## Predict, then run
#
# Here the rule takes x's *array*, `x.value`, where it should take the node. What does the check say?
#
# - the first derivative is wrong
# - the first is right, the second is wrong
# - both are right: the numbers are the same


# %%
class CubeFrozen(Cube):
    """The rule leaves the graph."""

    def bprop(self, adjoint):
        (x,) = self.children
        return adjoint * (3 * x.value**2)


at_order_1, _ = complaint(CubeFrozen, points)
second_message, _ = complaint(CubeFrozen, points, order=2)
print("order 1:", at_order_1 or "silent")
print("order 2:", second_message)

# %% [markdown] tags=["answer"]
# The first is right, the second is wrong. The numbers of the slope are the same, so the third answer tempts; but an array
# is a constant, so the slope of the slope comes out as 0 where it is 6x. The first answer would be right if x.value
# were an old or a wrong array.

# %% [markdown]
# ## Two children and an attribute
#
# Positional parameters of `fprop` are children. Keyword-only ones are attributes, fixed settings that `bprop` reads as
# `self.slope`. With several children the rule gives one adjoint for each. Where an adjoint costs much, give a function
# without arguments in its place: it is called only if that adjoint is needed.


# %%
class LeakyProduct(mg.Elementwise):
    """y = a b + slope · a;  ā = ȳ (b + slope), b̄ = ȳ a."""

    def fprop(self, a, b, *, slope):
        return a * b + slope * a

    def bprop(self, adjoint):
        a, b = self.children
        return lambda: adjoint * (b + self.slope), lambda: adjoint * a


def leaky_product(a, b, slope=0.1):
    """The function that goes with the class."""
    return LeakyProduct(a, b, slope=slope)


# %% [markdown]
# A column and a row are broadcast against each other to a table. The rule does not mention it: the engine adds each
# adjoint up to the shape of its child.

# %%
rng = np.random.default_rng(0)
column, row = rng.normal(size=(3, 1)), rng.normal(size=(1, 4))
table = leaky_product(mg.Input(column), mg.Input(row))
shapes = [g.shape for g in mg.gradients(table.sum(), table.children)]
print("table", table.shape, "adjoints", *shapes)
mg.check_gradients(leaky_product, column, row)
mg.check_gradients(leaky_product, column, row, order=2)

# %% [markdown]
# ## Where it breaks
#
# Elementwise promises that each entry of the value comes from the entries at the same place. A share x / Σx does not keep
# that promise. The check asks for it before it measures anything.


# %%
class Share(mg.Elementwise):
    """y = x / Σx, of which each entry needs all others."""

    def fprop(self, x):
        return x / x.sum()

    def bprop(self, adjoint):
        (x,) = self.children
        return adjoint / x.sum() - (adjoint * self).sum() / x.sum()


class RightShare(mg.Operation):
    """The same two methods, without the promise."""

    fprop, bprop = Share.fprop, Share.bprop


mg.check_gradients(RightShare, points, order=2)  # silent
broken_promise, _ = complaint(Share, points)
print(broken_promise)

# %% [markdown] tags=["exercise"]
# ## Exercise 1: by hand
#
# Write the rule of the bell y = 1 / (1 + x²): what it sends to x, if the adjoint of y is s. Use operators alone, since x
# and s will be nodes. The check compares one slope, then puts your rule into a box and checks it to order 2.


# %% tags=["exercise"]
def sends(x, s):
    return None


# %% tags=["solution"]
def sends(x, s):
    return -2 * s * x / (1 + x**2) ** 2


# %% tags=["check"]
class Bell(mg.Elementwise):
    def fprop(self, x):
        return 1 / (1 + x**2)

    def bprop(self, adjoint):
        return sends(self.children[0], adjoint)


at = mg.Input(0.7)
(bell_slope,) = mg.gradients(1 / (1 + at**2), [at])
check.same(sends(0.7, 1.0), float(bell_slope), "sends(0.7, 1)")
mg.check_gradients(Bell, points, order=2)

# %% [markdown] tags=["exercise"]
# ## Exercise 2: break it
#
# A box y = a b² has two children. One line of its bprop is wrong. At which order of the check does it show? Answer with
# the line and the order, as in (1, 2).
#
#     1  a, b = self.children
#     2  to_a = adjoint * b**2
#     3  to_b = adjoint * 2 * a.value * b

# %% tags=["exercise"]
line_and_order = None

# %% tags=["solution"]
line_and_order = 3, 2  # the number 2ab is right; its slope by a is lost


# %% tags=["check"]
class Slipped(mg.Elementwise):
    def fprop(self, a, b):
        return a * b**2

    def bprop(self, adjoint):
        a, b = self.children
        return adjoint * b**2, adjoint * 2 * a.value * b


failing = [n for n in (1, 2) if complaint(Slipped, 0.7, 1.9, order=n)[0]]
check.same(line_and_order, (3, failing[0]), "line_and_order")

# %% [markdown]
# ## What we claimed
#
# A new operation is a class with two methods, and one rule on nodes gives derivatives of every order. A check at order 1
# finds a wrong rule; only order 2 finds a rule that leaves the graph.
#
# - You can add what the library lacks, and say why you trust it.
# - Where it comes back: [lesson 7](07_slips_found.py) finds slips in long formulas;
#   [lesson 21](21_penalized_backpropagation.py) lives on second derivatives.
# - Read: the reference of [check_gradients](../reference/engine.md#check_gradients).

# %%
assert slope.value.tolist() == [3.0, 12.0, 27.0]
assert second.value.tolist() == [6.0, 12.0, 18.0]
assert third.value.tolist() == [6.0, 6.0, 6.0]
assert "CubeWithoutThree" in first_message
assert (
    "∂y[0]/∂x[0] is 2.25 by bprop, but 6.75 by the complex step"
    in first_message
)
mark = "✗ #1  ∂y[0]/∂x[0]  by bprop 2.25  by differences 6.75"
assert mark in mg.draw(first_error).text()
assert at_order_1 == ""
assert "Share" in broken_promise and "Elementwise" in broken_promise
assert "CubeFrozen" in second_message
assert "by central differences" in second_message
assert "x.value" in second_message
assert shapes == [column.shape, row.shape]
