# rows: WEX-03 WEX-22 WEX-23
# %% [markdown]
# # Slips found: every rule against differences
#
# You derived a gradient on paper: six lines, three transposes, a minus or two. The net trains, but badly. Which line is
# wrong? You will derive the gradients of three small nets by hand, make the usual slips one at a time, and read what the
# gradient check says of each. Before: [lesson 6](06_an_operation_of_your_own.py).

# %% tags=["fold"]
import numpy as np

import check
import minigrad as mg
from minigrad import models
from minigrad.models import losses
from minigrad.optim import Adam, figures


def error_of(f, *arrays):
    """The error of the gradient check, None where all is well."""
    try:
        mg.check_gradients(f, *arrays)
    except mg.GradientError as error:
        return error
    return None


# %% [markdown]
# ## See it
#
# One layer, y = x W′ + b, and its rule, with a slip of your choice. `mg.check_gradients` compares what a rule sends with
# differences of the value; where they disagree it raises an error, and the error can be drawn.


# %%
class Affine(mg.Operation):
    """y = x W' + b."""

    def fprop(self, x, W, b, *, slip=""):
        return x @ W.T + b

    def bprop(self, adjoint):
        x, W, _ = self.children
        of_x = adjoint @ (W.T if self.slip == "transpose" else W)
        of_W = (-1 if self.slip == "sign" else 1) * adjoint.T @ x
        of_b = adjoint[0] if self.slip == "batch" else adjoint.sum(axis=0)
        return of_x, of_W, of_b


# %% tags=["figure"] alt="The graph of one layer, tanh and a sum. Tanh and the sum carry a check mark, the layer a red cross: its bprop is wrong, found at one entry of the first operand x."
def small_net(slip):
    """A layer, tanh, and a sum."""
    return lambda *given: np.tanh(Affine(*given, slip=slip)).sum()


rng = np.random.default_rng(0)
given = rng.normal(size=(4, 3)), rng.normal(size=(3, 3)), rng.normal(size=3)
picture = mg.draw(error_of(small_net("transpose"), *given))
picture

# %% [markdown]
# The adjoint of x was multiplied by W′ instead of W. W is square here, so no shape complains. Run as a script, the lesson
# prints; `picture.save("picture.svg")` writes the picture.
#
# ## Three slips, three messages
#
# The last lines of a message name the operation, the child, and an entry with both numbers. The *complex step* is a
# difference in the imaginary direction: nothing is subtracted, so nothing cancels.

# %%
said = {"": error_of(small_net(""), *given)}
for slip in ("transpose", "sign", "batch"):
    said[slip] = str(error_of(small_net(slip), *given))
    print(slip.upper(), *said[slip].splitlines()[2:], sep="\n")

# %% [markdown]
# * *transpose*: all 12 entries are wrong, and no common factor relates them to the right ones.
# * *sign*: the two numbers differ by their sign, and in nothing else.
# * *batch*: b is used by all four rows, and its adjoint is the sum over them. Only row 0 was counted: 0 where 1 is due.
#
# ## Net one: a window of words
#
# Is the middle word of "museums in Paris are amazing" a place? Each word is a vector of 4 numbers, so x has 20; eight
# sigmoid units read it, and one row of weights makes a score: s = U σ(W x + b). Backward: what comes to the units is U,
# what passes the sigmoids is δ = U ∘ a ∘ (1 − a), and all else follows from δ.

# %%
options = {"dtype": np.float64}
vectors = models.Sequential(
    models.Embedding(5, 4, rng=0, **options), models.Flatten()
)
scorer = models.Sequential(
    models.Dense(20, 8, mg.sigmoid, rng=1, **options),
    models.Dense(8, 1, bias=False, rng=2, **options),
)
W, b, U = scorer.parameters()
x = vectors([[0, 1, 2, 3, 4]]).value[0]
print(f"{scorer.n_parameters()} parameters, {x.size} inputs")


# %% tags=["fold"]
def sigma(t):
    """The sigmoid of arrays."""
    return 1 / (1 + np.exp(-t))


def compare(names, paper, found):
    """Print the largest difference of each gradient."""
    for name, p, g in zip(names, paper, found, strict=True):
        off = abs(np.reshape(g.value, np.shape(p)) - p).max()
        print(f"∂/∂{name}: shape {np.shape(p)}, off by {off:.9f}")


# %%
a = sigma(W.value @ x + b.value)
delta = U.value[0] * a * (1 - a)  # ∂s/∂(W x + b)
window_paper = [np.outer(delta, x), delta, a[None], W.value.T @ delta]

x_node = mg.Input(x[None], name="x")
s = scorer(x_node)
window_engine = mg.gradients(s, [W, b, U, x_node])
compare("WbUx", window_paper, window_engine)

# %% [markdown]
# A slip of *order*: to save memory somebody updates U first and computes δ afterwards. But δ is a derivative at the
# weights that made the score, so it needs U as it was.

# %%
U_updated = U.value[0] + 0.5 * a  # one step up on s
too_late = np.outer(U_updated * a * (1 - a), x)
late = abs(too_late - window_paper[0]).max() / abs(window_paper[0]).max()
print(f"∂s/∂W from the updated U is off by {late:.0%} of its largest entry")

# %% [markdown]
# ## Net two: ReLU, sigmoid, hinge
#
# h₁ = W₁ x + b₁, a₁ = max(h₁, 0), ŷ = σ(W₂ a₁ + b₂), and L = Σ max(0, 1 − y ŷ) with y of 0 or 1. As ŷ is below 1, the
# hinge is always active. From the loss back:
#
# $$\delta_2 = -y \circ \hat y \circ (1 - \hat y), \qquad \delta_1 = 1[h_1 > 0] \circ W_2^\top \delta_2$$
#
# and the weights get δ₂ a₁′ and δ₁ x′. Two slips are common: the slope of σ written as σ itself, and the indicators of
# all units multiplied with each other, which gives 0 as soon as one unit is off.

# %%
y_hat = np.array([0.2155, 0.0082, 0.00745])
y = np.array([1.0, 0.0, 1.0])
h_2 = mg.Input(np.log(y_hat / (1 - y_hat))[None], name="h_2")
loss = losses.hinge(mg.sigmoid(h_2), y[None], labels="zero_one")
(delta_2,) = mg.gradients(loss, [h_2])
shown = {
    "engine": delta_2.value[0],
    "−y ŷ (1 − ŷ)": -y * y_hat * (1 - y_hat),
    "slip: −y ŷ": -y * y_hat,
}
for name, numbers in shown.items():
    print(f"{name:13}", np.round(numbers, 4) + 0)

# %% [markdown] tags=["exercise"]
# ## Exercise 1: by hand
#
# Write all four gradients of this net, for one x. Begin with the forward lines h1, a1 and y_hat.


# %% tags=["exercise"]
def by_hand(W1, b1, W2, b2, x, y):
    """∂L/∂W1, ∂L/∂b1, ∂L/∂W2, ∂L/∂b2, in a list."""
    return None


# %% tags=["solution"]
def by_hand(W1, b1, W2, b2, x, y):
    """∂L/∂W1, ∂L/∂b1, ∂L/∂W2, ∂L/∂b2, in a list."""
    h1 = W1 @ x + b1
    a1 = np.maximum(h1, 0)
    y_hat = sigma(W2 @ a1 + b2)
    delta_2 = -y * y_hat * (1 - y_hat)
    delta_1 = (h1 > 0) * (W2.T @ delta_2)
    return [np.outer(delta_1, x), delta_1, np.outer(delta_2, a1), delta_2]


# %% tags=["check"]
shapes = (5, 4), (5,), (3, 5), (3,), (1, 4)
arrays = [np.random.default_rng(3).normal(size=shape) for shape in shapes]


def relu_net(W1, b1, W2, b2, x):
    """The loss of the net, by the engine."""
    y_hat = mg.sigmoid(mg.relu(x @ W1.T + b1) @ W2.T + b2)
    return losses.hinge(y_hat, y[None], labels="zero_one")


nodes = [mg.Input(array) for array in arrays]
right = [g.value for g in mg.gradients(relu_net(*nodes), nodes[:4])]
check.same(by_hand(*arrays[:4], arrays[4][0], y), right, "by_hand(...)")

# %% [markdown]
# ## Net three: two inputs through one layer
#
# Which of two images shows the larger digit? A *siamese* net sends both through the same layer and subtracts:
# z = softplus(W₁ x_p + b₁) − softplus(W₁ x_q + b₁), ŷ = σ(W₂ z + b₃), with softplus(h) = ln(1 + e^{βh}) / β.


# %% tags=["fold"]
beta = 2.0


class Siamese(models.Module):
    """The probability that p comes before q."""

    def __init__(self, rng):
        curve = lambda h: mg.softplus(h, beta)  # noqa: E731
        self.branch = models.Dense(64, 6, curve, rng=rng, **options)
        self.output = models.Dense(6, 1, rng=rng, **options)

    def forward(self, x_p, x_q):
        return mg.sigmoid(self.output(self.branch(x_p) - self.branch(x_q)))


net = Siamese(np.random.default_rng(0))
W1, b1, W2, b3 = net.parameters()
digits = models.datasets.digits(dtype=np.float64)
images, labels = digits.train.inputs[:, :, 0], digits.train.targets

# %% [markdown]
# By hand, for the log-likelihood ℓ = y ln ŷ + (1 − y) ln(1 − ŷ), which is to be *maximized*. The shared layer gets a sum
# over two ways, and the second has a minus.

# %%
x_p, x_q = images[5], images[3]
h_p, h_q = W1.value @ x_p + b1.value, W1.value @ x_q + b1.value
soft_p, soft_q = np.logaddexp(0, beta * np.array([h_p, h_q])) / beta
z = soft_p - soft_q
y_of_z = sigma(W2.value[0] @ z + b3.value[0])
delta_3 = 1 - y_of_z  # y − ŷ with y = 1
delta_z = W2.value[0] * delta_3
delta_p = sigma(beta * h_p) * delta_z
delta_q = -sigma(beta * h_q) * delta_z
siamese_paper = [
    np.outer(delta_p, x_p) + np.outer(delta_q, x_q),
    delta_p + delta_q,
    delta_3 * z[None],
    np.array([delta_3]),
    np.array([[1 / y_of_z]]),  # y / ŷ − (1 − y) / (1 − ŷ)
]
out = net(x_p[None], x_q[None])
ell = losses.binary_log_likelihood(out, [[1.0]], from_logits=False)
siamese_engine = mg.gradients(ell, [W1, b1, W2, b3, out])
compare(["W1", "b1", "W2", "b3", "ŷ"], siamese_paper, siamese_engine)

# %% [markdown]
# ## A way forgotten
#
# The layer is used twice, so two ways lead back to W₁, and because of the minus they partly cancel. If the second branch
# works on a copy, as `W1.value` is, one way is lost without a word. No rule is wrong here. `mg.explain` counts the ways,
# and the check says that something leaves the graph.


# %% tags=["figure"] alt="The two branches side by side: W1, drawn at both its uses, is multiplied by x_p and by x_q; each product passes a softplus, and the two meet in a minus. The adjoints that come back to W1 on the two ways have opposite signs."
def difference(W, W_of_q):
    """Σ z, without the biases."""
    h_p = mg.Input(x_p[None], name="x_p") @ W.T
    h_q = mg.Input(x_q[None], name="x_q") @ W_of_q.T
    return (mg.softplus(h_p, beta) - mg.softplus(h_q, beta)).sum()


mg.draw(difference(W1, W1))

# %%
ways = {
    "both": mg.explain(W1, difference(W1, W1)),
    "copy": mg.explain(W1, difference(W1, W1.value)),
}
for name, text in ways.items():
    found = [line.strip() for line in text.splitlines() if " way" in line]
    print(f"{name}: {found[0]}")
lost = str(error_of(lambda W: difference(W, W.value), W1.value))
print(lost.splitlines()[2])

# %% [markdown]
# ## Three more in this net
#
# The sign of the second branch, δ_q without its minus, looks symmetric, and that is what is wrong with it. A slope σ(βh)
# belongs to ln(1 + e^βh) / β, and not to ln(1 + e^h). And W₂ in place of W₁ does not fit: the shapes say so.


# %%
class BothPlus(mg.Operation):
    """z = softplus(h_p) − softplus(h_q), with a plus in both adjoints."""

    def fprop(self, h_p, h_q):
        return (
            np.logaddexp(0, beta * h_p) - np.logaddexp(0, beta * h_q)
        ) / beta

    def bprop(self, adjoint):
        return tuple(mg.sigmoid(beta * h) * adjoint for h in self.children)


class NoBeta(mg.Elementwise):
    """y = ln(1 + e^h), with the slope of another."""

    def fprop(self, h):
        return np.log(1 + np.exp(h))

    def bprop(self, adjoint):
        return adjoint * mg.sigmoid(beta * self.children[0])


both_plus = str(error_of(BothPlus, h_p, h_q))
no_beta = str(error_of(NoBeta, np.array([0.5])))
try:
    mg.Input(x_q[None], name="x_q") @ W2.T
    wrong_matrix = ""
except ValueError as error:
    wrong_matrix = str(error)
print(both_plus.splitlines()[2], no_beta.splitlines()[1], sep="\n")
print(wrong_matrix.split("   ")[0])

# %% [markdown] tags=["predict"]
# ## Predict, then run
#
# The loss is −ℓ. Somebody writes −ℓ and puts another minus before it: the net descends along ℓ. What does the gradient
# check say of that program?
#
# * every entry has the wrong sign
# * the output is at fault, all before it is right
# * nothing


# %%
def twice_minus(z):
    """−(−ℓ) of logits."""
    return -losses.binary_cross_entropy(z, [[1.0], [0.0]])


found = error_of(twice_minus, np.array([[0.3], [-0.8]]))
print("The check says:", found or "nothing")

# %% [markdown] tags=["answer"]
# Nothing. "The wrong sign" and "the output" take the check for a judge of what you want. It compares the rules with the
# values of *this* program, and the gradient is right: it is the gradient of the wrong thing. What finds this slip is the
# curve of the loss, after a few steps.


# %% tags=["fold"]
def pairs_of(images, labels, rng, n):
    """Images of different digits, and whether the first is larger."""
    p, q = rng.integers(len(labels), size=(2, 2 * n))
    kept = labels[p] != labels[q]
    p, q = p[kept][:n], q[kept][:n]
    return images[p], images[q], (labels[p] > labels[q]).astype(float)[:, None]


def trained(sign, steps):
    """A net, and its loss at every step down sign · (−ℓ)."""
    net, rng = Siamese(np.random.default_rng(0)), np.random.default_rng(1)
    optimizer, seen = Adam(net.parameters(), 0.02), []
    for _ in range(steps):
        *both, y = pairs_of(images, labels, rng, 64)
        loss = losses.binary_cross_entropy(net(*both), y, from_logits=False)
        (sign * loss).backward()
        optimizer.step()
        seen.append(float(loss))
    return net, seen


# %%
_, wrong_way = trained(-1, steps=20)
good, right_way = trained(1, steps=300)
test = digits.test.inputs[:, :, 0], digits.test.targets
*unseen, larger = pairs_of(*test, np.random.default_rng(2), 1000)
correct = float(np.mean((good(*unseen).value > 0.5) == larger))
print(f"a minus too many: {wrong_way[0]:.2f} to {wrong_way[-1]:.2f}")
print(f"as it should be:  {right_way[0]:.2f} to {right_way[-1]:.2f}")
print(f"unseen pairs in the right order: {correct:.0%}")

# %% tags=["figure"] alt="The cross-entropy over the first 20 steps. With one minus too many it rises from 0.75 to above 4; as it should be it falls to about 0.5."
figures.lines(
    {"a minus too many": wrong_way, "as it should be": right_way[:20]},
    xlabel="step",
    xticks=range(0, 20, 5),
    ylabel="cross-entropy −ℓ",
    title="A right gradient of the wrong thing: only the curve shows it",
)

# %% [markdown] tags=["exercise"]
# ## Exercise 2: which norm is it?
#
# Two penalties keep the weights small: ln Σ e^w, whose gradient is softmax(w), and the largest |w|, whose gradient is a
# sign at that entry and 0 elsewhere. The second is at times called the ∞-norm of the matrix. That is another number: the
# largest sum of |w| over a *row*. The check below complains about the mixture. Write the right gradient.


# %%
class LargestRow(mg.Operation):
    """The largest row sum of |w|, with the gradient of the largest |w|."""

    analytic = False  # |w| of complex numbers is another function

    def fprop(self, w):
        return np.abs(w).sum(axis=1).max()

    def bprop(self, adjoint):
        (w,) = self.children
        return adjoint * np.sign(w) * (np.abs(w) == np.abs(w).max())


table = np.array([[0.9, -0.1], [0.6, -0.5]])
largest_row = str(error_of(LargestRow, table))
print(largest_row.splitlines()[1])


# %% tags=["exercise"]
def slope_of_norm(w):
    """The gradient of the largest row sum of |w|."""
    return None


# %% tags=["solution"]
def slope_of_norm(w):
    """The gradient of the largest row sum of |w|: signs along that row."""
    sums = np.abs(w).sum(axis=1, keepdims=True)
    return np.sign(w) * (sums == sums.max())


# %% tags=["check"]
w = mg.Input(table, name="w")
(of_norm,) = mg.gradients(np.abs(w).sum(axis=1).max(), [w])
check.same(slope_of_norm(table), of_norm, "slope_of_norm(table)")

# %% [markdown]
# ## What we claimed
#
# *Differences find a wrong rule and name it; they do not know what you wanted.*
#
# * You know how a transpose, a sign, a batch sum and a lost way look in a message, and that a curve finds the rest.
# * The check comes back wherever you write an operation of your own; [lesson 8](08_hinge_and_margin.py) trains the window.
# * Read: [check_gradients](../reference/engine.md#check_gradients), and W. Squire and G. Trapp, "Using complex
#   variables to estimate derivatives of real functions", SIAM Review 40, 1998.

# %% row="WEX-03"
assert (scorer.n_parameters(), x.size) == (176, 20)
assert [p.shape for p in scorer.parameters()] == [(8, 20), (8,), (1, 8)]
assert abs(float(s) - U.value[0] @ a) < 1e-12
for paper, g in zip(window_paper, window_engine, strict=True):
    assert np.allclose(g.value, paper, rtol=1e-10, atol=1e-14)
assert late > 0.1

# %% row="WEX-22"
assert np.allclose(delta_2.value, [[-0.169, 0, -0.0074]], atol=5e-4)
assert not np.allclose(delta_2.value, -y * y_hat, atol=0.01)
for paper, g in zip(by_hand(*arrays[:4], arrays[4][0], y), right, strict=True):
    assert np.allclose(paper, g, rtol=1e-12, atol=1e-15)
mg.check_gradients(relu_net, *arrays, order=2)
active = arrays[0] @ arrays[4][0] + arrays[1] > 0
assert active.any() and not active.all()  # their product would be 0

# %% row="WEX-23"
for paper, g in zip(siamese_paper, siamese_engine, strict=True):
    assert np.allclose(g.value, paper, rtol=1e-10, atol=1e-14)
of_exponents, of_largest = (
    mg.gradients(penalty, [w])[0].value
    for penalty in (mg.logsumexp(w), np.abs(w).max())
)
assert np.allclose(of_exponents, np.exp(table) / np.exp(table).sum())
assert of_largest.tolist() == [[1, 0], [0, 0]]


def total(W1, b1, W2, b3):
    """−ℓ with both penalties, as a function of all parameters."""
    p, q = (mg.softplus(x[None] @ W1.T + b1, beta) for x in (x_p, x_q))
    loss = losses.binary_cross_entropy((p - q) @ W2.T + b3, [[1.0]])
    return loss + mg.logsumexp(W2) + np.abs(W1).max()


mg.check_gradients(total, *[p.value for p in net.parameters()])

# %%
assert said[""] is None and all(said[k] for k in said if k)
assert "child x" in said["transpose"] and "12 of 12" in said["transpose"]
assert "child W" in said["sign"] and "child b" in said["batch"]
assert "single way" in ways["copy"] and "of 2 ways" in ways["both"]
assert "leaves the graph" in lost
assert "for its child h_q" in both_plus
assert "is 0.731059 by bprop, but 0.622459" in no_beta
assert "(1, 64) @ (6, 1) does not fit" in wrong_matrix
assert found is None and wrong_way[-1] > 4 * wrong_way[0]
assert right_way[-1] < 0.5 * right_way[0] and correct > 0.85
assert "LargestRow" in largest_row
