# rows:
# %% [markdown]
# # A slope, measured
#
# You have worked out a derivative on paper. How do you find out whether it is right, if nobody checks it for you?
#
# You will measure a slope by calling the function twice, choose how far apart the two calls are, and catch a wrong
# derivative with it. Every gradient in this course is tested so. Before: Python, NumPy, and derivatives from school.

# %%
import numpy as np

import check
import minigrad as mg
from minigrad.optim import figures

# %% [markdown]
# ## See it
#
# Take f(x) = x³ at x = 2. Its slope there is 3 · 2² = 12. A line through two points of the curve has nearly that slope,
# and to compute the slope of a line needs no rule of calculus.


# %%
def f(x):
    """x³, in multiplications alone."""
    return x * x * x


# %% tags=["figure"] alt="The curve of x cubed from 0.8 to 3.2. A dashed line through the points at 2 and 3 has slope 19; a dotted-dashed line through the points at 1 and 3 has slope 13, nearly parallel to the tangent at 2, of slope 12."
x, h = 2.0, 1.0
places = np.linspace(0.8, 3.2, 40)
ends = np.array([0.8, 3.2])
chords = {
    "x³": (places, f(places)),
    "from 2 to 3: slope 19": (ends, f(x) + 19 * (ends - x)),
    "from 1 to 3: slope 13": (ends, f(x - h) + 13 * (ends - x + h)),
    "tangent at 2: slope 12": (ends, f(x) + 12 * (ends - x)),
}
picture = figures.lines(chords, xlabel="x", ylabel="f(x)", ylim=(-8, 34))
dots = np.array([1.0, 2.0, 3.0])
picture.axes[0].plot(dots, f(dots), "o", color=figures.INK)
picture

# %% [markdown]
# Two points with x at the end give 19. Two points with x in the middle give 13, much nearer to 12.
#
# Run as a script, a lesson prints; `figures.save(picture, "picture.svg")` writes its picture.
#
# ## Two formulas
#
# One point at x and one at x + h is the *forward difference*. Two points on both sides of x is the *central difference*:
#
# $$\frac{f(x+h)-f(x)}{h} \qquad\qquad \frac{f(x+h)-f(x-h)}{2h}$$
#
# For x³ at 2 both can be multiplied out: the first is 12 + 6h + h², the second is 12 + h². A step ten times smaller makes
# the error of the first about ten times smaller, that of the second a hundred times.


# %%
def forward(f, x, h):
    """The slope from x to x + h."""
    return (f(x + h) - f(x)) / h


def central(f, x, h):
    """The slope from x - h to x + h."""
    return (f(x + h) - f(x - h)) / (2 * h)


for h in (1.0, 0.1, 0.01, 0.001):
    print(f"h = {h:<5}  {forward(f, x, h):.6f}  {central(f, x, h):.6f}")

# %% [markdown] tags=["predict"]
# ## Predict, then run
#
# Now h = 10⁻¹². On paper the error of the forward difference is 6h. What is it in the computer?
#
# - about 6 · 10⁻¹², as on paper
# - about 10⁻¹⁶, for a computer has 16 digits
# - about 10⁻³, far worse than with h = 10⁻⁸

# %%
for h in (1e-4, 1e-8, 1e-12):
    print(f"h = {h:.0e}  error {abs(forward(f, x, h) - 12):.0e}")

# %% [markdown] tags=["answer"]
# About 10⁻³. The first answer forgets rounding. The second one knows of it, but forgets what happens next: the rounding
# error of f, about 10⁻¹⁵, is divided by h, and 10⁻¹⁵ / 10⁻¹² is 10⁻³.

# %% [markdown]
# ## The best step
#
# Here is the error for steps from 1 down to 10⁻¹⁵. Read it from the right: as h falls, each curve goes down along a
# straight line, then turns, and climbs again, ragged.

# %% tags=["figure"] alt="Error of both differences against h from 1e-15 to 1, both axes logarithmic. The forward error falls to about 1e-7 near h = 1e-8, the central error falls twice as steeply to below 1e-10 near h = 1e-5. To the left of that both rise together, up to about 1 at h = 1e-15."
steps = [1.0]
while steps[-1] > 2e-15:
    steps.append(0.63 * steps[-1])
errors = {
    "forward": [abs(forward(f, x, h) - 12) for h in steps],
    "central": [abs(central(f, x, h) - 12) for h in steps],
}
picture = figures.lines(
    {name: (steps, error) for name, error in errors.items()},
    title="The error of a measured slope",
    xlabel="step h",
    ylabel="error",
    xscale="log",
    yscale="log",
)
ax = picture.axes[0]
ax.text(3e-12, 3e-2, "rounding: 10⁻¹⁵ / h", color=figures.INK)
ax.text(2e-4, 1e-1, "6h", color=figures.INK)
ax.text(1e-2, 1e-7, "h²", color=figures.INK)
picture

# %% [markdown]
# Two errors add up: that of the formula, which falls with h, and that of rounding, which grows as h falls. Between
# them lies the best step: about 10⁻⁸ for the forward difference, about 10⁻⁵ for the central one, which is then
# a hundred times more exact or better. So we measure by central differences, with h near 10⁻⁵.

# %%
print(f"numbers near 8 lie {np.spacing(8.0):.1e} apart")
best_forward, best_central = (min(errors[name]) for name in errors)
print(f"least error: {best_forward:.0e} forward, {best_central:.0e} central")

# %% [markdown]
# What spoils a small step is the subtraction of two numbers that are almost equal. The *complex step* has none: it moves
# x by ih and takes the imaginary part of the result, divided by h. Then h may be as small as you like. It needs an f
# that can do complex numbers.

# %%
by_complex_step = f(x + 1e-30j).imag / 1e-30
print("by the complex step:", by_complex_step)

# %% [markdown]
# ## Catch a wrong derivative
#
# Somebody differentiates g(x) = x tanh(x) and forgets the factor x in the second term. We compare the rule with the
# measurement at three points.


# %%
def g(x):
    return x * np.tanh(x)


def slip(x):
    """What is right: tanh(x) + x (1 - tanh²(x))."""
    return np.tanh(x) + (1 - np.tanh(x) ** 2)


for x0 in (0.5, 1.0, 2.0):
    print(f"x = {x0}: rule {slip(x0):.4f}, measured {central(g, x0, 1e-5):.4f}")

# %% [markdown]
# At 1 the slip does not show, since there a forgotten factor x is 1. Measure at several points, and not at 0 or 1.
#
# ## Many inputs, and the engine
#
# A loss has many inputs, and a slope by each: the gradient. We move one input at a time. The engine of this course
# finds all of them at once: `mg.Input` wraps the array, NumPy works on it as ever, `mg.gradients` gives the slopes.


# %%
def loss(x):
    return np.tanh((x * x).sum() - x[0] * x[1])


def measured_gradient(f, x, h=1e-5):
    """Central differences, one entry after the other."""
    moves = h * np.eye(len(x))
    return np.array([(f(x + m) - f(x - m)) / (2 * h) for m in moves])


point = np.array([0.3, -0.7, 0.45])
node = mg.Input(point, name="x")
(gradient,) = mg.gradients(loss(node), [node])
by_differences = measured_gradient(loss, point)
print("measured: ", by_differences.round(4))
print("by engine:", gradient.value.round(4))
apart = np.abs(gradient.value - by_differences).max()
print("less than 1e-8 apart:", apart < 1e-8)

# %% [markdown]
# Three inputs took six calls of the loss. A million weights would take two million calls for each gradient: too slow to
# train a net, but cheap to check a small case. `mg.check_gradients` does it for every entry, by the complex
# step where it can. It is silent when all is well.

# %%
mg.check_gradients(loss, point)

# %% [markdown]
# ## Where it breaks
#
# |x| has a kink at 0. To the right its slope is 1, to the left −1, and the central difference gives 0, their mean. None of
# them is *the* slope, for there is none. The check says so instead of choosing one.

# %%
at_kink = forward(abs, 0.0, 1e-5), forward(abs, 0.0, -1e-5)
print("right, left, central:", *at_kink, central(abs, 0.0, 1e-5))
try:
    mg.check_gradients(np.abs, [0.0])
    refusal = ""
except mg.GradientError as error:
    refusal = str(error)
print(refusal.splitlines()[0])

# %% [markdown] tags=["exercise"]
# ## Exercise 1: by hand
#
# Multiply out the central difference of x⁴ at x = 1. By how much does it differ from the slope 4? Write that as a
# function of h. It helps to know (1 + h)⁴ = 1 + 4h + 6h² + 4h³ + h⁴. Put your formula in
# place of None; the check compares it with a measurement and says what differs.


# %% tags=["exercise"]
def error_on_paper(h):
    return None


# %% tags=["solution"]
def error_on_paper(h):
    return 4 * h**2  # (8h + 8h³) / 2h is 4 + 4h²


# %% tags=["check"]
measured = central(lambda x: x**4, 1.0, 0.1) - 4
check.same(error_on_paper(0.1), measured, "error_on_paper(0.1)")

# %% [markdown] tags=["exercise"]
# ## Exercise 2: change it
#
# The second derivative can be measured too: (f(x + h) − 2 f(x) + f(x − h)) / h². Here rounding is divided by h². Find the
# power of ten with the least error for x⁴ at x = 1.3, where the second derivative is 12 · 1.3² = 20.28. Guess first: is
# it larger or smaller than 10⁻⁵?


# %% tags=["exercise"]
def second(h):
    """The measured second derivative of x⁴ at 1.3."""
    up, here, down = (y * y * y * y for y in (1.3 + h, 1.3, 1.3 - h))
    return (up - 2 * here + down) / h**2


best_step = None  # yours: 1e-1, 1e-2, ...

# %% tags=["solution"]
# 1e-4: rounding weighs more than in a slope, so the best step is larger.
tens = [1 / 10**k for k in range(1, 9)]
best_step = min(tens, key=lambda h: abs(second(h) - 20.28))

# %% tags=["check"]
powers = [1 / 10**k for k in range(1, 9)]
misses = [abs(second(h) - 20.28) for h in powers]
check.same(best_step, powers[int(np.argmin(misses))], "best_step", 1e-9)

# %% [markdown]
# ## What we claimed
#
# A slope can be measured without any rule, by two calls. The central difference beats the forward one, and the best step
# is not the smallest: too small a step is all rounding.
#
# - You can test any derivative now, at points of your choice and with a step that suits.
# - Where it comes back: [lesson 2](02_a_box_and_its_two_methods.py) shows how the engine gets all slopes at once;
#   [lesson 6](06_an_operation_of_your_own.py) tests a rule of your own, [lesson 7](07_slips_found.py) finds slips by it.
# - Read: W. Squire and G. Trapp, *Using complex variables to estimate derivatives of real functions*, SIAM Review 40 (1998).

# %%
assert np.isclose(forward(f, x, 0.1), 12.61)
assert np.isclose(central(f, x, 0.1), 12.01)
assert abs(forward(f, x, 1e-12) - 12) > 1e3 * abs(forward(f, x, 1e-8) - 12)
assert 1e-9 < steps[int(np.argmin(errors["forward"]))] < 1e-7
assert 1e-6 < steps[int(np.argmin(errors["central"]))] < 1e-4
assert best_central < best_forward / 100
assert by_complex_step == 12
assert np.isclose(slip(1.0), central(g, 1.0, 1e-5))
assert not np.isclose(slip(0.5), central(g, 0.5, 1e-5), rtol=0.01)
assert not np.isclose(slip(2.0), central(g, 2.0, 1e-5), rtol=0.01)
assert apart < 1e-8
assert at_kink == (1, -1) and central(abs, 0.0, 1e-5) == 0
assert "not differentiable" in refusal
assert best_step == 1e-4
