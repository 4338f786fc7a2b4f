# rows: THY-25
# %% [markdown]
# # Curvature: how far a step should go
#
# A gradient says which way is down. It does not say how far. Could the loss
# itself tell the length of the step?
#
# You will take one step that ends in the minimum of a bowl, see what it
# costs, and see it run to a saddle. Before:
# [lesson 10](10_the_rate.py), where the length was a guess.

# %%
import numpy as np

import check
import minigrad as mg
from minigrad.models import losses
from minigrad.optim import SGD, Newton, figures, hessian_cost, taylor_model

# %% [markdown]
# ## See it
#
# A narrow bowl, J(x, y) = x²/2 + 10 y². Along y it curves twenty times as much
# as along x. Gradient descent must suit its rate to y, and then it creeps
# along x. Newton's method takes one step.


# %% tags=["fold"]
def bowl(x, y):
    return 0.5 * x**2 + 10 * y**2


def newton_path(surface, start, steps, **options):
    """The points of Newton's method."""
    w = mg.Parameter(np.array(start), name="w")
    newton = Newton([w], **options)
    points = [w.value.copy()]
    for _ in range(steps):
        newton.step(lambda: surface(w[0], w[1]))
        points.append(w.value.copy())
    return np.array(points)


start = (-4.0, 1.0)
descent = figures.path(bowl, start, lambda p: SGD(p, 0.09), 25)
newton = newton_path(bowl, start, 1)

# %% tags=["figure"] alt="Contours of a narrow bowl. Gradient descent zigzags and is still at x = −0.4 after 25 steps; Newton's method is in the minimum after one."
paths = {"gradient descent, 25 steps": descent}
paths |= {"Newton, 1 step": figures.Path(newton, bowl(*newton.T))}
figures.landscape(bowl, paths, xlim=(-4.5, 1.5), ylim=(-1.4, 1.4))

# %% [markdown]
# Run as a script, the lesson prints; `figures.save(figure, "picture.svg")`
# writes a picture.

# %%
print("gradient descent after 25 steps:", np.round(descent.points[-1], 2))
print("Newton after 1 step:            ", np.round(newton[-1], 12) + 0.0)

# %% [markdown]
# ## Why
#
# Close to a point w the loss is nearly a parabola. With the slope g and the
# *Hessian* H, the matrix of second derivatives,
#
# $$J(w + d) \approx J(w) + g^\top d + \frac{1}{2} d^\top H d .$$
#
# Its slope in d is g + H d. Set it to 0 and solve:
#
# $$d = -H^{-1} g .$$
#
# Each direction gets the step g/curvature: large where the bowl is flat, small
# where it is steep. Gradient descent uses one rate, α, in place of all of them.
# On a parabola "nearly" is exact, so one step is enough.

# %% [markdown]
# ## By hand and by engine
#
# The Hessian is the gradient of a gradient. The engine takes it by
# differentiating its own backward pass.

# %%
w = mg.Parameter([-4.0, 1.0], name="w")
model = taylor_model(lambda: bowl(w[0], w[1]), [w])
g_by_hand = np.array([-4.0, 20.0])
H_by_hand = np.array([[1.0, 0.0], [0.0, 20.0]])
d_by_hand = -np.linalg.solve(H_by_hand, g_by_hand)
print("step by hand", d_by_hand, " by engine", model.step())
apart = np.abs(model.step() - d_by_hand).max()
print(f"difference {apart:.0e}; curvatures {model.eigenvalues()}")

# %% [markdown] tags=["predict"]
# ## Predict, then run
#
# Now the saddle J(x, y) = x² − y². At (1, 1) its Hessian is invertible. Where
# does Newton's step end?
#
# * It runs down along y, away from the saddle, since that lowers J.
# * In the saddle (0, 0), where the slope is 0.
# * Nowhere: the system cannot be solved.


# %%
def saddle(x, y):
    return x**2 - y**2


at = mg.Parameter([1.0, 1.0], name="at")
to_saddle = at.value + taylor_model(lambda: saddle(at[0], at[1]), [at]).step()
damped = newton_path(saddle, (1.0, 1.0), 1, guard="damp")[-1]
print("plain: ", to_saddle, " damped:", np.round(damped, 3))

# %% [markdown] tags=["answer"]
# In the saddle. Newton's method looks for slope 0, not for less: along y the
# curvature is −2, and −g/H points uphill. Gradient descent would run down, which
# makes the first choice tempting. The system has a solution: H is invertible,
# but not *positive definite*, and that is what the step needs.

# %% [markdown]
# ## Where it breaks
#
# Two cures are built in. `Newton(..., guard="damp")` solves
# (H + δ I) d = −g with δ as large as needed to go down; `guard="raise"` stops.
# Convex is not enough either: x⁴ is convex, and at 0 its Hessian is 0.

# %% row="THY-25"
assert np.allclose(newton[-1], 0, atol=1e-12)  # one step on a quadratic
assert np.allclose(to_saddle, 0)  # it is drawn to a saddle
assert saddle(*damped) < saddle(1.0, 1.0) == 0  # damped, it goes down
flat = mg.Parameter(0.0, name="flat")
assert taylor_model(lambda: flat**4, [flat]).hessian == 0  # convex, yet 0
few, many = hessian_cost(100), hessian_cost(1000)
assert round(many.multiplications / few.multiplications) == 1000  # n³

# %% [markdown]
# ## A loss that is no parabola
#
# Logistic regression on 200 points. The loss curves upward everywhere, but it is
# no parabola, so one step is not enough. Each step about doubles the number of
# right digits. Gradient descent, at a good rate, gains the same share per step.

# %%
rng = np.random.default_rng(0)
x = rng.normal(size=(200, 3)) * [1.0, 5.0, 0.2]
y = (x @ [1.0, -0.3, 2.0] + rng.normal(size=200) > 0).astype(float)


def gradient_norms(steps, optimizer):
    """The length of the gradient before each step."""
    v = mg.Parameter(np.zeros(3), name="v")
    take_step = optimizer([v])

    def loss():
        return losses.binary_cross_entropy(x @ v, y) + 0.001 * (v**2).sum()

    norms = []
    for _ in range(steps):
        now = loss()
        now.backward()
        norms.append(np.linalg.norm(v.grad))
        take_step(loss)
    return norms


def by_newton(parameters):
    return Newton(parameters).step


def by_descent(parameters):
    sgd = SGD(parameters, 0.3)
    return lambda loss: sgd.step()


by_method = {"Newton": gradient_norms(7, by_newton)}
by_method["gradient descent"] = gradient_norms(30, by_descent)
for name, norms in by_method.items():
    print(f"{name}: {norms[0]:.0e} at the start, {norms[6]:.0e} at step 6")

# %% tags=["figure"] alt="Length of the gradient over the steps, on a logarithmic axis: Newton falls faster and faster, below 1e-8 after six steps; gradient descent stays above 1e-2 for thirty."
figures.lines(
    by_method,
    xlabel="step",
    ylabel="length of the gradient",
    yscale="log",
    title="Newton doubles its digits",
)

# %% [markdown]
# ## What it costs
#
# For n parameters the Hessian is n² numbers and n backward sweeps, and the
# system takes about n³/3 multiplications. Ten times the parameters, a thousand
# times the work. The step is for small models, or for the last digits.

# %%
for n in (100, 1000, 10_000):
    cost = hessian_cost(n)
    print(f"n = {n:6}: {cost.multiplications:.0e} multiplications")

# %% [markdown] tags=["exercise"]
# ## Exercise 1: by hand
#
# Write Newton's method in one dimension: the point after so many steps, from a
# slope and a curvature given as functions.


# %% tags=["exercise"]
def newton_1d(slope, curvature, w, steps):
    return None


# %% tags=["solution"]
def newton_1d(slope, curvature, w, steps):
    for _ in range(steps):
        w = w - slope(w) / curvature(w)
    return w


# %% tags=["check"]
u = mg.Parameter(1.0, name="u")
engine = Newton([u])
for _ in range(6):
    engine.step(lambda: np.exp(u) - 2 * u)
yours = newton_1d(lambda w: np.exp(w) - 2, np.exp, 1.0, 6)
check.same(yours, float(u), "newton_1d(slope, curvature, 1.0, 6)")

# %% [markdown] tags=["exercise"]
# ## Exercise 2: change it
#
# From which point on is x⁴/4 − x²/2 curved upward, so that a plain Newton step
# goes down? Give the smallest such x > 0. Nearer to 0, the step runs to the hill
# at 0.

# %% tags=["exercise"]
smallest = None

# %% tags=["solution"]
smallest = np.sqrt(1 / 3)  # 3 x² − 1 = 0

# %% tags=["check"]
hill = mg.Parameter(0.5774, name="x")
edge = taylor_model(lambda: hill**4 / 4 - hill**2 / 2, [hill])
measured = 0.5774 - float(edge.hessian[0, 0]) / (6 * 0.5774)
check.same(smallest, measured, "smallest", tolerance=1e-4)

# %% [markdown]
# ## What we claimed
#
# The slope gives the direction and the curvature the length: Newton's step is
# exact on a parabola, doubles its digits near a minimum, is drawn to saddles,
# and costs n³.
#
# It comes back in [lesson 21](21_penalized_backpropagation.py), where a gradient
# is differentiated again, and in [the how-to](../reference/newton.md). To read:
# J. Nocedal, S. Wright, *Numerical Optimization*, chapters 2 and 3.

# %%
assert apart < 1e-12
assert abs(descent.points[-1][0]) > 0.3  # still on its way
late = np.log(by_method["Newton"][3:])
assert min(late[1:] / late[:-1]) > 1.5  # digits grow by more than half
assert by_method["gradient descent"][-1] > 1e-2
