# %% [markdown]
# # Two nets by hand and by engine
#
# Whoever derives a gradient on paper makes slips: a sign, a transpose, a forgotten branch. In this lesson we derive the
# gradients of two small nets, line by line, and compare them with the engine's. Then we make the slips that one finds in
# many lecture notes, one at a time, and let the gradient check find them.
#
# A notebook shows the pictures, each below its cell. Run as a script, the lesson only prints: to see a picture, add
# `picture.save("picture.svg")` below the line that draws it, and open the file in a browser.

# %%
import numpy as np

import minigrad as mg
from minigrad.models import Dense, Embedding, Flatten, Module, Sequential, datasets, losses, preprocessing
from minigrad.optim import SGD, Adam

# %% [markdown]
# ## Is the middle word a place?
#
# In "museums in Paris are amazing" the word in the middle is a place, in "not all museums in Paris" it is none. A net
# reads a window of five words and gives one number, a score: high for a place. Each word is a vector of 4 numbers, so x
# has 20; eight sigmoid units read it, and one row of weights makes the score: s = U σ(W x + b).

# %%
text = """museums in paris are amazing / not all museums in paris / we love rome in spring / the trains to berlin are late
a street in rome is noisy / people in berlin love museums / spring in vienna is amazing / they went to london by train
the museums of london are old / not all streets in vienna / cafes in paris are noisy / we went to rome by train
all people love spring / the old street was noisy / they love late trains / the cafes are old"""
sentences = [sentence.split() for line in text.splitlines() for sentence in line.split(" / ")]
places = {"paris", "rome", "berlin", "vienna", "london"}
vocabulary = ["-", *sorted({word for sentence in sentences for word in sentence})]  # "-" stands beyond the ends
index = {word: i for i, word in enumerate(vocabulary)}


def windows_of(sentence):
    """The indices of five words around each word, (n_words, 5)."""
    return preprocessing.word_windows([index[word] for word in sentence], 5, padding=index["-"])


windows = np.concatenate([windows_of(sentence) for sentence in sentences])
is_place = np.array([vocabulary[window[2]] in places for window in windows])
print(f"{len(vocabulary)} words, {len(windows)} windows, {is_place.sum()} of them around a place")

# %%
scorer = Sequential(
    Dense(20, 8, mg.sigmoid, dtype=np.float64, rng=1),
    Dense(8, 1, bias=False, dtype=np.float64, rng=2),
)
vectors = Sequential(Embedding(len(vocabulary), 4, dtype=np.float64, rng=0), Flatten())
scorer.summary((20,))

# %% [markdown]
# ## The score and its derivatives, by hand
#
# Forward, then backward: what comes back to the eight units is U, what passes the sigmoids is δ = U ∘ a ∘ (1 − a), and
# all else follows from δ.

# %%
W, b, U = scorer.parameters()
x = vectors(windows_of(["museums", "in", "paris", "are", "amazing"])[2:3]).value[0]

z = W.value @ x + b.value
a = 1 / (1 + np.exp(-z))
s_by_hand = float(U.value[0] @ a)
delta = U.value[0] * a * (1 - a)  # ∂s/∂z
score_by_hand = {"W": np.outer(delta, x), "b": delta, "U": a[np.newaxis], "x": W.value.T @ delta}

x_node = mg.Input(x[np.newaxis], name="x")
s = scorer(x_node)
score_by_engine = dict(zip("WbUx", mg.gradients(s, [W, b, U, x_node]), strict=True))
for name, g in score_by_engine.items():
    print(f"∂s/∂{name}: shape {g.shape}, largest difference {np.abs(g.value - score_by_hand[name]).max():.1e}")

# %% [markdown]
# The derivative with respect to x is what the word vectors learn from.
#
# ## A true window against a corrupt one
#
# Nobody knows what score a place should have. It should have a higher one than a word that is no place, by a margin of 1:
# J = max(0, 1 + s_c − s), where s_c is the score of the corrupt window. Both windows pass through the same weights, so
# while J > 0 both contribute: ∂J/∂W = δ_c x_c' − δ x'.

# %%
x_corrupt = vectors(windows_of(["not", "all", "museums", "in", "paris"])[2:3]).value[0]
a_corrupt = 1 / (1 + np.exp(-(W.value @ x_corrupt + b.value)))
delta_corrupt = U.value[0] * a_corrupt * (1 - a_corrupt)
J_of_W = np.outer(delta_corrupt, x_corrupt) - np.outer(delta, x)

J = losses.max_margin_ranking(scorer(x[np.newaxis]), scorer(x_corrupt[np.newaxis]))
(J_by_engine,) = mg.gradients(J, [W])
print(f"J = {float(J):.4f}, largest difference {np.abs(J_by_engine.value - J_of_W).max():.1e}")

# %% [markdown]
# The slip: "the gradient of the loss is δ x'". That is the gradient of the *score*. It has the wrong sign, since J falls
# where s rises, and it forgets the corrupt window.


# %%
class OnlyTheScore(mg.Operation):
    """J = max(0, 1 + s_c − s), with the adjoint of s as if J were s, and none for s_c."""

    def fprop(self, s, s_c):
        return np.maximum(0, 1 + s_c - s)

    def bprop(self, adjoint):
        return adjoint * (self > 0), None


def verdict(f, *arrays):
    """What the gradient check says; nothing where all is well."""
    try:
        mg.check_gradients(f, *arrays)
    except mg.GradientError as error:
        return str(error)
    return ""


only_the_score = verdict(OnlyTheScore, np.array(0.4), np.array(0.1))
print(only_the_score)

# %% [markdown]
# A slip of order: to save memory, U is updated first, and δ computed from it afterwards. But δ is a derivative at the
# weights the score was computed with, so it needs U as it was *before* the update.

# %%
U_updated = U.value + 0.5 * a  # one step of ascent on s
too_late = np.outer(U_updated[0] * a * (1 - a), x)
print(
    f"∂s/∂W from the updated U is off by {np.abs(too_late - score_by_hand['W']).max() / np.abs(score_by_hand['W']).max():.0%}"
)

# %% [markdown]
# ## It learns
#
# The right gradient, 150 steps of it, for the scorer and the word vectors together.

# %%
pairs = np.random.default_rng(0)
optimizer = SGD([*vectors.parameters(), *scorer.parameters()], 0.5, momentum=0.9)
ranking = []
for _ in range(150):
    true, corrupt = preprocessing.window_pairs(windows, is_place, pairs)
    loss = losses.max_margin_ranking(scorer(vectors(true)), scorer(vectors(corrupt)))
    loss.backward()
    optimizer.step()
    ranking.append(float(loss))
print(f"ranking loss: first {ranking[0]:.3f}, last {ranking[-1]:.3f}")

new_sentence = ["not", "all", "trains", "to", "vienna", "are", "late"]
scores = scorer(vectors(windows_of(new_sentence))).value[:, 0]
for word, score in zip(new_sentence, scores, strict=True):
    print(f"{word:>8} {score:6.2f}")

# %% [markdown]
# ## Two inputs, one net
#
# Which of two images shows the larger digit? A *siamese* net sends both through the same layer, subtracts, and answers
# with a probability: z = softplus(W1 x_p + b1) − softplus(W1 x_q + b1), ŷ = σ(W2 z + b3).

# %%
beta = 2.0


class Siamese(Module):
    """The probability that p comes before q."""

    def __init__(self, n_inputs, n_units, rng):
        self.branch = Dense(n_inputs, n_units, lambda h: mg.softplus(h, beta), dtype=np.float64, rng=rng)
        self.output = Dense(n_units, 1, dtype=np.float64, rng=rng)

    def forward(self, x_p, x_q):
        return mg.sigmoid(self.output(self.branch(x_p) - self.branch(x_q)))


net = Siamese(64, 6, np.random.default_rng(0))
digits = datasets.digits(dtype=np.float64)
images, labels = digits.train.inputs[:, :, 0], digits.train.targets
picture = mg.draw(net(mg.Input(images[:1], name="x_p"), mg.Input(images[1:2], name="x_q")), direction="LR")
picture

# %% [markdown]
# Each weight of the branch (yellow) is drawn at both its uses; it will get the sum of two adjoints.
#
# ## Its gradients, by hand
#
# We take one pair, and the log-likelihood ℓ = y ln ŷ + (1 − y) ln(1 − ŷ), which is to be *maximized*: from the answer back
# to the shared layer. Mind the minus of the second branch.

# %%
x_p, x_q, y = images[5], images[3], 1.0
W1, b1, W2, b3 = net.parameters()


def sigma(t):
    """The sigmoid of arrays."""
    return 1 / (1 + np.exp(-t))


h_p, h_q = W1.value @ x_p + b1.value, W1.value @ x_q + b1.value
z = np.logaddexp(0, beta * h_p) / beta - np.logaddexp(0, beta * h_q) / beta
y_hat = sigma(W2.value[0] @ z + b3.value[0])

delta_3 = y - y_hat  # ∂ℓ/∂(what went into the last sigmoid)
delta_z = W2.value[0] * delta_3
delta_p = sigma(beta * h_p) * delta_z
delta_q = -sigma(beta * h_q) * delta_z
siamese_by_hand = {
    "W1": np.outer(delta_p, x_p) + np.outer(delta_q, x_q),
    "b1": delta_p + delta_q,
    "W2": delta_3 * z[np.newaxis],
    "b3": np.array([delta_3]),
}

likelihood = losses.binary_log_likelihood(net(x_p[np.newaxis], x_q[np.newaxis]), [[y]], from_logits=False)
siamese_by_engine = dict(zip(siamese_by_hand, mg.gradients(likelihood, net.parameters()), strict=True))
for name, g in siamese_by_engine.items():
    print(f"∂ℓ/∂{name}: shape {g.shape}, largest difference {np.abs(g.value - siamese_by_hand[name]).max():.1e}")

# %% [markdown]
# ## Slip one: the sign of the second branch
#
# δ_q without its minus. It looks symmetric, and that is what is wrong with it: z is a difference.


# %%
class BothBranchesPlus(mg.Operation):
    """z = softplus(h_p) − softplus(h_q), with a plus in both adjoints."""

    def fprop(self, h_p, h_q):
        return (np.logaddexp(0, beta * h_p) - np.logaddexp(0, beta * h_q)) / beta

    def bprop(self, adjoint):
        return tuple(mg.sigmoid(beta * h) * adjoint for h in self.children)


both_plus = verdict(BothBranchesPlus, h_p, h_q)
print(both_plus)

# %% [markdown]
# ## Slip two: a function and the slope of another
#
# The slope σ(β h) belongs to ln(1 + e^βh) / β. With ln(1 + e^h) above it, the two do not fit: at h = 0.5 and β = 2 the slope
# is 0.622, not 0.731.


# %%
class SoftplusWithoutBeta(mg.Elementwise):
    """y = ln(1 + e^h), with the slope of the softplus that has a β."""

    def fprop(self, h):
        return np.log(1 + np.exp(h))

    def bprop(self, adjoint):
        (h,) = self.children
        return adjoint * mg.sigmoid(beta * h)


without_beta = verdict(SoftplusWithoutBeta, np.array([0.5]))
print(without_beta)

# %% [markdown]
# ## Slip three: a matrix in the wrong place
#
# "h_q = W2 x_q": W2 is the row that makes the answer, and x_q does not fit it. Here no check is needed, the shapes say so.

# %%
try:
    mg.Input(x_q[np.newaxis], name="x_q") @ W2.T
    wrong_matrix = ""
except ValueError as error:
    wrong_matrix = str(error)
print(wrong_matrix)

# %% [markdown]
# ## Slip four: one minus too many
#
# The cross-entropy is *minus* the log-likelihood. If you call ℓ the loss and descend, the answers get worse. The same
# happens if you write −ℓ and put another minus before it. No gradient check can find this: the gradient is right, but it is
# the gradient of the wrong thing. Train for a moment and look at the loss: that finds it.


# %%
def pairs_of(images, labels, rng, n):
    """Pairs of images with different digits, and whether the first is the larger."""
    p, q = rng.integers(len(labels), size=(2, 2 * n))
    different = labels[p] != labels[q]
    p, q = p[different][:n], q[different][:n]
    return images[p], images[q], (labels[p] > labels[q]).astype(float)[:, np.newaxis]


def trained(sign, steps):
    """A fresh net, its loss at every step when it descends along sign · (−ℓ)."""
    net, rng, seen = Siamese(64, 6, np.random.default_rng(0)), np.random.default_rng(1), []
    optimizer = Adam(net.parameters(), 0.02)
    for _ in range(steps):
        x_p, x_q, y = pairs_of(images, labels, rng, 64)
        loss = losses.binary_cross_entropy(net(x_p, x_q), y, from_logits=False)
        (sign * loss).backward()
        optimizer.step()
        seen.append(float(loss))
    return net, seen


_, wrong_way = trained(-1, steps=20)
net, right_way = trained(1, steps=400)
print(f"cross-entropy, a minus too many: {wrong_way[0]:.3f} to {wrong_way[-1]:.3f} in 20 steps")
print(f"cross-entropy, as it should be:  {right_way[0]:.3f} to {right_way[-1]:.3f} in 400 steps")

# %% [markdown]
# ## Slip five: a penalty of the wrong thing
#
# Two penalties keep the weights small: ln Σ_i e^{w_i}, whose gradient is softmax(w), and the largest |w_ij|, whose gradient
# is a sign at that entry and 0 elsewhere. The first is at times printed with the inputs x_i in the exponent: then it does
# not depend on w at all. The second is at times called the ∞-norm of the matrix, which is another number: the largest sum
# of |w_ij| over a *row*, with a gradient all along that row.


# %%
class LargestRow(mg.Operation):
    """The largest sum of |w| over a row, with the gradient of the largest |w|."""

    analytic = False  # |w| is another function of complex numbers: have it checked by central differences

    def fprop(self, w):
        return np.abs(w).sum(axis=1).max()

    def bprop(self, adjoint):
        (w,) = self.children
        return adjoint * np.sign(w) * (np.abs(w) == np.abs(w).max())


largest_row = verdict(LargestRow, np.array([[0.9, -0.1], [0.6, -0.5]]))
w = mg.Parameter([[0.9, -0.1], [0.6, -0.5]], name="w")
(of_exponents,), (of_largest,) = mg.gradients(mg.logsumexp(w), [w]), mg.gradients(np.abs(w).max(), [w])
print(largest_row)
print("right:", np.round(of_exponents.value, 3).tolist(), of_largest.value.tolist())

# %% [markdown]
# ## It learns, too
#
# On images it has not seen:

# %%
test_p, test_q, test_y = pairs_of(digits.test.inputs[:, :, 0], digits.test.targets, np.random.default_rng(2), 1000)
correct = float(np.mean((net(test_p, test_q).value > 0.5) == test_y))
print(f"{correct:.1%} of {len(test_y)} pairs in the right order")

# %% [markdown]
# ## What we claimed

# %%
assert (scorer.n_parameters(), x.size) == (176, 20)
assert [p.shape for p in scorer.parameters()] == [(8, 20), (8,), (1, 8)]
assert abs(float(s) - s_by_hand) < 1e-12
assert all(np.allclose(g.value, score_by_hand[name], rtol=1e-10, atol=1e-14) for name, g in score_by_engine.items())
assert np.allclose(J_by_engine.value, J_of_W, rtol=1e-10, atol=1e-14)
assert "OnlyTheScore" in only_the_score
assert ranking[-1] < 0.1 * ranking[0]
assert new_sentence[scores.argmax()] == "vienna"
assert all(np.allclose(g.value, siamese_by_hand[name], rtol=1e-10, atol=1e-14) for name, g in siamese_by_engine.items())
assert "for its child h_q" in both_plus
assert "∂y[0]/∂h[0] is 0.731059 by bprop, but 0.622459" in without_beta
assert "(1, 64) @ (6, 1) does not fit" in wrong_matrix
assert np.abs(too_late - score_by_hand["W"]).max() > 0.1 * np.abs(score_by_hand["W"]).max()
assert "LargestRow" in largest_row
assert np.allclose(of_exponents.value, np.exp(w.value) / np.exp(w.value).sum(), rtol=1e-12)
assert of_largest.value.tolist() == [[1.0, 0.0], [0.0, 0.0]]
assert wrong_way[-1] > wrong_way[0]
assert right_way[-1] < 0.5 * right_way[0]
assert correct > 0.85
