# rows: WEX-01
# %% [markdown]
# # Softmax and its loss: why the slope is f − e(y)
#
# A classifier gives three scores, and one of the classes is right. How wrong is it, and which score should move, by how
# much? You will derive the answer in three steps, check each step by differences, and see why softmax and logarithm
# belong in one box. Before: [lesson 4](04_the_path_of_an_error.py).

# %%
import numpy as np

import check
import minigrad as mg
from minigrad.models import losses
from minigrad.optim import figures

# %% [markdown]
# ## See it
#
# Three classes. The scores, called *logits*, are a = (a₀, 0, 0), and class 0 is the right one. We move a₀ alone. The loss
# is high on the left, where the net is wrong, and its slope there is −1: never steeper. On the right it is flat, because
# there is nothing left to learn.

# %% tags=["figure"] alt="The loss and its slope against the logit of the right class, from -8 to 8. The loss falls from about 8.7 along a straight line and flattens out after 3. The slope starts at -1, passes -0.67 where all logits are 0, and ends near 0."
moved = np.linspace(-8, 8, 81)
scores = mg.Input(np.stack([moved, 0 * moved, 0 * moved], axis=1))
loss = losses.cross_entropy(scores, [0] * 81, over_examples="none")
(slope,) = mg.gradients(loss.sum(), [scores])
ax = figures.axes(
    xlabel="logit a₀ of the right class; the two others are 0",
    title="Far on the wrong side the slope is −1, whatever the score",
)
figures.lines(
    {
        "loss −ln f₀": (moved, loss.value),
        "slope f₀ − 1": (moved, slope.value[:, 0]),
    },
    ax=ax,
)

# %% [markdown]
# Run as a script, the lesson prints. To see a picture, give it a name and save it: `picture.save("picture.svg")`.
#
# ## Three numbers
#
# Softmax turns logits into probabilities; the loss is the negative logarithm of the one that should be large:
#
# $$f_c = \frac{e^{a_c}}{\sum_j e^{a_j}}, \qquad L = -\ln f_y$$
#
# The smallest case with all signs in it: three classes, y = 2, and logits chosen to give probabilities we can read.

# %%
a = np.log([0.338993, 0.102103, 0.558904])
y = 2
f = np.exp(a) / np.exp(a).sum()
e_y = np.array([0, 0, 1])  # e(y), 1 at the right class

print("f     ", np.round(f, 4))
print(f"L      {-np.log(f[y]):.4f}")

# %% [markdown]
# ## Three steps, each checked
#
# From the loss to the probabilities: only f_y is in it.
#
# $$\frac{\partial L}{\partial f_c} = -\frac{1[c = y]}{f_y}$$
#
# From f_y to the logits. The quotient rule gives one term from the numerator, where c = y, and one from the sum:
#
# $$\frac{\partial f_y}{\partial a_c} = \frac{1[c = y]\, e^{a_y}}{S} - \frac{e^{a_y} e^{a_c}}{S^2}
#   = f_y\,(1[c = y] - f_c), \qquad S = \sum_j e^{a_j}$$
#
# Their product. The f_y in front cancels the 1 / f_y, and this is the whole point:
#
# $$\frac{\partial L}{\partial a_c} = -\frac{1}{f_y}\, f_y\,(1[c = y] - f_c) = f_c - 1[c = y]$$
#
# In words: the probabilities, minus 1 at the right class. As a vector, f − e(y).

# %%
step_1 = -e_y / f[y]
step_2 = f[y] * (e_y - f)
step_3 = f - e_y


def differences(function, at, h=1e-6):
    """Central differences, one entry after the other."""
    steps = h * np.eye(len(at))
    return (
        np.array([function(at + d) - function(at - d) for d in steps]) / 2 / h
    )


def softmax(a):
    """The formula, entry by entry."""
    return np.exp(a) / np.exp(a).sum()


measured = [
    differences(lambda f: -np.log(f[y]), f),
    differences(lambda a: softmax(a)[y], a),
    differences(lambda a: -np.log(softmax(a)[y]), a),
]
names = "∂L/∂f", "∂f_y/∂a", "∂L/∂a"
for name, paper, found in zip(
    names, [step_1, step_2, step_3], measured, strict=True
):
    print(f"{name:8} {np.round(paper, 4)}  off {abs(paper - found).max():.7f}")

# %% [markdown]
# ## The engine's way
#
# The same two boxes, softmax and logarithm, built by the engine; and `cross_entropy`, which is both in one. Their
# adjoints of a are those on paper.

# %%
logits = mg.Input(a, name="a")
two_boxes = -np.log(mg.softmax(logits)[y])
(of_two,) = mg.gradients(two_boxes, [logits])

row = mg.Input(a[np.newaxis], name="a")
one_box = losses.cross_entropy(row, [y])
(of_one,) = mg.gradients(one_box, [row])

print("paper    ", np.round(step_3, 4))
print("two boxes", np.round(of_two.value, 4))
print("one box  ", np.round(of_one.value[0], 4))
print(f"largest difference {abs(of_one.value[0] - step_3).max():.9f}")

# %% tags=["figure"] alt="The graph of softmax, choice of one entry, logarithm and minus, with the adjoints below. The adjoint of the softmax node is 0, 0, -1.789, that of a is 0.339, 0.1021, -0.4411: the factor 1.789 has gone."
picture = mg.draw(two_boxes, view="mirror")
picture

# %% [markdown]
# ## Rows, not entries
#
# Step 2 is one row of a matrix. Functions as tanh act entry by entry, and their slopes are a vector. Softmax divides by the
# sum over the row: raise one logit, and every probability moves. Its slopes are the matrix
#
# $$\frac{\partial f}{\partial a} = \operatorname{diag}(f) - f f^\top ,$$
#
# of which f (1 − f) is the diagonal alone. Who takes the diagonal for the whole gets a gradient that looks right, and the
# check of [lesson 1](01_a_slope_measured.py) finds it:


# %%
class SoftmaxByEntry(mg.Operation):
    """Softmax, as if f_c depended on a_c alone."""

    def fprop(self, a):
        e = np.exp(a)
        return e / e.sum(axis=-1, keepdims=True)

    def bprop(self, adjoint):
        return adjoint * self * (1 - self)


try:
    mg.check_gradients(SoftmaxByEntry, a[np.newaxis])
except mg.GradientError as error:
    by_entry = str(error)
print(by_entry)
matrix = mg.jacobian(mg.softmax(logits), logits).value
print(np.round(matrix, 4))

# %% [markdown] tags=["predict"]
# ## Predict, then run
#
# The net is sure of a wrong class: f = (0.999, 0.000999, 0.000001), and y = 2. By step 1 the adjoint of f_y is −1,000,000.
# What are the adjoints of the three logits, about?
#
# * (0, 0, −1,000,000)
# * (0.5, 0.5, −1)
# * (0.999, 0.001, −1)

# %%
sure = np.log([0.999, 0.000999, 0.000001])
sure_row = mg.Input(sure[np.newaxis])
(of_sure,) = mg.gradients(losses.cross_entropy(sure_row, [2]), [sure_row])
print(np.round(of_sure.value[0], 4))

# %% [markdown] tags=["answer"]
# (0.999, 0.001, −1). Step 2 multiplies the million by f_y (1 − f_y), a millionth, and the two cancel. The first choice
# stops after step 1: only f_y is in the loss, but all three logits are in f_y. The second shares the push among the wrong
# classes; but each is pushed down by its own probability, so the culprit takes nearly all.

# %% [markdown]
# ## Where it breaks: the exponential overflows
#
# On paper the two boxes and the one box are equal. In float64, e^710 is larger than every number there is. Take logits
# (1000, 0, −1000), and let the right class be the last.

# %%
far = np.array([1000.0, 0.0, -1000.0])
with np.errstate(over="ignore", invalid="ignore"):
    overflowed = softmax(far)
print("softmax by the formula    ", overflowed)

shifted = np.exp(far - far.max())
print("with the largest taken off", shifted / shifted.sum())

# %% [markdown]
# The *shift*: subtract the largest logit from all. It cancels in the quotient, and no exponent is above 0. The
# probabilities are now numbers, but the last one has become exactly 0, and its logarithm is −∞. So softmax alone is not
# the place to stop. With the logarithm in the same box nothing is lost:
#
# $$-\ln f_y = \ln \sum_j e^{a_j - m} - (a_y - m), \qquad m = \max_j a_j$$

# %%
far_row = mg.Input(far[np.newaxis])
fused = losses.cross_entropy(far_row, [2])
(of_fused,) = mg.gradients(fused, [far_row])
print(f"one box: loss {float(fused):.0f}, gradient {of_fused.value[0]}")

apart = mg.softmax(far_row)[0, 2]
with np.errstate(divide="ignore", invalid="ignore"):
    in_two = -np.log(apart)
    (of_apart,) = mg.gradients(in_two, [far_row])
print(f"two boxes: loss {float(in_two)}, gradient {of_apart.value[0]}")

# %% [markdown]
# The symptom in a training: a loss of `inf` or `nan` after some good epochs, when the net has become sure of something.
# `with mg.anomalies():` names the first node where it happens; the cure is to give logits to
# [cross_entropy](../reference/losses.md#cross_entropy), not probabilities.

# %% [markdown] tags=["exercise"]
# ## Exercise 1: by hand
#
# A batch has n rows of logits, and the loss is the *mean* over them. Write the gradient, of the shape of `a`. Use the
# shift, so that large logits do no harm.


# %% tags=["exercise"]
def by_hand(a, y):
    """∂L/∂a of logits a (n, classes) and right classes y (n,)."""
    return None


# %% tags=["solution"]
def by_hand(a, y):
    """∂L/∂a of logits a (n, classes) and right classes y (n,)."""
    powers = np.exp(a - a.max(axis=1, keepdims=True))
    f = powers / powers.sum(axis=1, keepdims=True)
    f[np.arange(len(y)), y] -= 1
    return f / len(y)


# %% tags=["check"]
batch = mg.Input([[2.0, 1.0, 0.0], [0.0, 900.0, 1.0]])
(expected,) = mg.gradients(losses.cross_entropy(batch, [0, 2]), [batch])
check.same(by_hand(batch.value, [0, 2]), expected, "by_hand(a, y)")

# %% [markdown] tags=["exercise"]
# ## Exercise 2: another loss on the same softmax
#
# Somebody trains with the squared error of the right class, Q = ½ (1 − f_y)². Derive ∂Q/∂a_y as a function of f_y, and
# evaluate it where the net is sure of the wrong class, at f_y = 0.000001.


# %% tags=["exercise"]
def squared_slope(f_y):
    """∂Q/∂a_y."""
    return None


# %% tags=["solution"]
def squared_slope(f_y):
    """∂Q/∂a_y: −(1 − f_y) by f_y, then f_y (1 − f_y)."""
    return -f_y * (1 - f_y) ** 2


# %% tags=["check"]
Q = 0.5 * (1 - mg.softmax(sure_row)[0, 2]) ** 2
(of_Q,) = mg.gradients(Q, [sure_row])
of_right_class = float(of_Q.value[0, 2])
check.same(squared_slope(0.000001), of_right_class, "squared_slope(1e-6)", 1e-9)
check.same(squared_slope(0.5), -0.125, "squared_slope(0.5)")

# %% tags=["figure"] alt="Slopes of two losses against the logit of the right class. The cross-entropy's falls to -1 at the left; the squared error's dips to -0.15 near 0 and goes back to 0 on the left, where the net is most wrong."
right = mg.softmax(scores)[:, 0]
(of_squares,) = mg.gradients((0.5 * (1 - right) ** 2).sum(), [scores])
figures.lines(
    {
        "cross-entropy": (moved, slope.value[:, 0]),
        "squared error": (moved, of_squares.value[:, 0]),
    },
    xlabel="logit a₀ of the right class; the two others are 0",
    ylabel="slope by a₀",
    title="The squared error stops learning where it is most wrong",
)

# %% [markdown]
# ## What we claimed
#
# *The logarithm undoes the exponential: the slope of softmax and its loss together is f − e(y).*
#
# * You know each step, and that no entry of the gradient is ever above 1.
# * It comes back wherever classes are told apart, from [lesson 18](18_images.py) to recurrent nets; the loss for scores
#   that are no probabilities is in [lesson 8](08_hinge_and_margin.py).
# * Read: J. Bridle, "Probabilistic interpretation of feedforward classification network outputs", Neurocomputing,
#   Springer 1990.

# %% row="WEX-01"
reference = [0.338993, 0.102103, -0.441096]
assert np.allclose(of_one.value[0], reference, rtol=0, atol=2e-6)
assert np.allclose(of_two.value, reference, rtol=0, atol=2e-6)
for paper, found in zip([step_1, step_2, step_3], measured, strict=True):
    assert np.allclose(paper, found, rtol=1e-7, atol=1e-9)
mg.check_gradients(lambda a: losses.cross_entropy(a, [y]), a[None], order=2)

# %%
assert abs(step_3.sum()) < 1e-12  # what goes up at one class goes down at y
assert slope.value.min() >= -1 and slope.value.max() <= 1
assert np.allclose(of_sure.value[0], [0.999, 0.000999, -0.999999], atol=1e-9)
assert np.isnan(overflowed).any()
assert float(fused) == 2000 and of_fused.value.tolist() == [[1, 0, -1]]
assert not np.isfinite(float(in_two))
assert not np.isfinite(of_apart.value).all()
assert -1.1e-6 < of_right_class < 0  # the squared error: nearly nothing
assert 0.14 < -of_squares.value.min() < 0.15
assert "SoftmaxByEntry" in by_entry
assert np.allclose(matrix, np.diag(f) - np.outer(f, f), rtol=0, atol=1e-12)
