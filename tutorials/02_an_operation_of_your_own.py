# %% [markdown]
# # An operation of your own, and how to trust it
#
# The engine has no list of allowed operations. A new one is a class with two methods: mathematics only, since
# broadcasting, dtypes and the summing of adjoints are the engine's work. In this lesson we write one, check its
# gradient, make the two classical mistakes on purpose, and see the check catch both.

# %%
import numpy as np

import minigrad as mg

# %% [markdown]
# ## The smallest operation
#
# y = x³ has the derivative 3x². `fprop` is NumPy on arrays. `bprop` gets the adjoint of y, a node, and returns the
# adjoint of x, a node.


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
print(y)
print(slope)

# %% [markdown]
# Because `bprop` is written on nodes, the second derivative comes for free, and the third.

# %%
(second,) = mg.gradients(slope.sum(), [x])
(third,) = mg.gradients(second.sum(), [x])
print(second, third, sep="\n")

# %% [markdown]
# ## Trust, but measure
#
# The derivative of a function can be measured without any rule. Move one entry a little up and down, and divide: these
# are *central differences*. Or move it by a tiny imaginary number ih: f(x + ih) ≈ f(x) + ih f'(x), so the imaginary part
# divided by h is the slope, exact to rounding: this is the *complex step*. `mg.check_gradients` takes the complex step
# where `fprop` can do complex numbers and central differences elsewhere, for every entry, at any order. It is silent
# when all is well.

# %%
points = np.array([-1.5, 0.3, 2.0])
mg.check_gradients(Cube, points)
mg.check_gradients(Cube, points, order=2)

# %% [markdown]
# ## Mistake one: a wrong rule
#
# The factor 3 is forgotten. The message says how many entries are wrong, gives both numbers for one of them (at −1.5 the
# slope is 3 · 2.25 = 6.75, and without the factor 2.25), and names the operation at fault and its child. `mg.draw(error)`
# paints the graph: each bprop is checked against differences of its own fprop, and marked right or wrong. (Of an error in a
# product whose shapes do not fit it draws the graph up to there.)


# %%
class CubeWithoutThree(Cube):
    """The rule lost its factor."""

    def bprop(self, adjoint):
        (x,) = self.children
        return adjoint * x**2


try:
    mg.check_gradients(CubeWithoutThree, points)
    first_message, first_picture = "", None
except mg.GradientError as error:
    first_message, first_picture = str(error), mg.draw(error).text()
print(first_message)
print(first_picture)

# %% [markdown]
# ## Mistake two: a rule that is right only once
#
# Here the rule takes x's *array* instead of the node. The value is right, so the first derivative passes. But an array
# is a constant: at the second order the engine cannot see that it came from x. Only a check at order 2 finds out: the
# second derivative is 6x, and by bprop it is 0. The message adds a second sign that something left the graph: f called anew at
# another x gives another value than the graph replayed there, since the graph still holds the old array.


# %%
class CubeFrozen(Cube):
    """The rule leaves the graph: right at order 1, wrong at order 2."""

    def bprop(self, adjoint):
        (x,) = self.children
        return adjoint * (3 * x.value**2)


mg.check_gradients(CubeFrozen, points)  # no complaint
try:
    mg.check_gradients(CubeFrozen, points, order=2)
    second_message = ""
except mg.GradientError as error:
    second_message = str(error)
print(second_message)

# %% [markdown]
# ## Two children and an attribute
#
# Positional parameters of `fprop` are the children, keyword-only parameters are attributes: fixed numbers or settings
# which `bprop` reads as `self.slope`. A rule for several children returns one adjoint for each. Where an adjoint costs a
# product, the rule may return a function without arguments in its place: the engine calls it only if that adjoint is needed.


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
# The two children may be broadcast against each other; the rule does not mention it, and the check passes all the same.

# %%
rng = np.random.default_rng(0)
column, row = rng.normal(size=(3, 1)), rng.normal(size=(1, 4))
mg.check_gradients(leaky_product, column, row)
mg.check_gradients(leaky_product, column, row, order=2)

# %% [markdown]
# ## What we claimed

# %%
assert slope.value.tolist() == [3.0, 12.0, 27.0]
assert second.value.tolist() == [6.0, 12.0, 18.0]
assert third.value.tolist() == [6.0, 6.0, 6.0]
assert "CubeWithoutThree" in first_message
assert "✗ #1  ∂y[0]/∂x[0]  by bprop 2.25  by differences 6.75" in first_picture
assert "CubeFrozen" in second_message
assert "∂y[0]/∂x[0] is 2.25 by bprop, but 6.75 by the complex step" in first_message
assert "by central differences" in second_message
assert "x.value" in second_message
