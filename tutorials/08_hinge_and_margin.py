# rows: WEX-04 THY-24 VIS-16
# %% [markdown]
# # Hinge and margin: right by how much?
#
# You want a score that is high for a place name and low for other words. Nobody can say how high. You can say that it
# should be higher than the score of another word, by a margin. You will differentiate that wish, at its kink too, and see
# what the margin buys. Before: [lesson 7](07_slips_found.py).

# %% tags=["fold"]
import numpy as np

import check
import minigrad as mg
from minigrad import models
from minigrad.models import losses, preprocessing
from minigrad.optim import SGD, figures

# %% [markdown]
# ## See it
#
# Two functions with a kink. At the left |w|, at the right the *hinge* max(0, 1 − m), which asks m to be at least 1. Away
# from the kink there is one tangent. At the kink many lines touch the curve from below.

# %% tags=["figure"] alt="Left, the absolute value of w with five dashed lines through its kink at 0, of slopes from -1 to 1, all below the curve. Right, the hinge with five lines through its kink at m = 1, of slopes from -1 to 0, all below the curve."
left, right = figures.panels(2)
left.set(xlabel="w", title="|w|: slopes −1 … 1", ylim=(-0.6, 2))
right.set(xlabel="m", title="hinge: slopes −1 … 0", ylim=(-0.6, 2))
at = np.linspace(-2, 2, 5)
left.plot(at, abs(at), linewidth=3)
for g in np.linspace(-1, 1, 5):
    left.plot(at, g * at, "--", color=figures.INK, linewidth=1)
at = np.linspace(-1, 3, 5)
right.plot(at, np.maximum(0, 1 - at), linewidth=3)
for g in np.linspace(-1, 0, 5):
    right.plot(at, g * (at - 1), "--", color=figures.INK, linewidth=1)
left.figure

# %% [markdown]
# ## A slope where there is none
#
# The slope g of a line that touches f at w and lies nowhere above it is a *sub-gradient*:
#
# $$f(v) \ge f(w) + g\,(v - w) \quad \text{for all } v$$
#
# Where f is smooth the only one is the derivative. At a kink there is an interval of them, and a program has to choose. The
# engine takes 0 for |w|, and 0 for a hinge that has come down to 0: a pair that keeps its margin is left alone.

# %%
w = mg.Input([-0.5, 0.0, 0.5], name="w")
(of_abs,) = mg.gradients(np.abs(w).sum(), [w])
m = mg.Input([0.5, 1.0, 1.5], name="m")
(of_hinge,) = mg.gradients(losses.hinge(m, [1, 1, 1]), [m])
print("|w|   at −0.5, 0, 0.5:", of_abs.value)
print("hinge at  0.5, 1, 1.5:", 3 * of_hinge.value + 0)  # it is a mean


def is_subgradient(f, w, g):
    """Whether the line of slope g through (w, f(w)) stays below f."""
    v = np.linspace(-5, 5, 1001)
    return bool(np.all(f(v) >= f(w) + g * (v - w) - 1e-12))


print("|w| at 0:", {g: is_subgradient(abs, 0, g) for g in (-1.1, -1, 0, 0.3)})

# %% [markdown] tags=["predict"]
# ## Predict, then run
#
# We minimize |w| by steps along −g: from w = 0.25, with the rate 0.1. Where is w after 20 steps?
#
# * at 0
# * it jumps between 0.05 and −0.05
# * it shrinks by a factor each step, and never gets there

# %%
w = mg.Parameter(0.25)
descent = SGD([w], 0.1)
visited = []
for _ in range(20):
    np.abs(w).backward()
    descent.step()
    visited.append(float(w))
print("the last four:", np.round(visited[-4:], 2))

# %% [markdown] tags=["answer"]
# It jumps. The slope is 1 or −1 however near 0 is, so each step is 0.1 long, and 0.25 is not a multiple of it. "At 0" holds
# for a rate that hits 0 exactly, as 0.125. "It shrinks" is true of w², whose slope shrinks with w. At a kink a constant
# rate leaves w within one step of the minimum, and no closer: let the [rate fall](../reference/schedules.md).

# %% [markdown]
# ## A true window against a corrupt one
#
# "museums in Paris are amazing": the word in the middle is a place. "not all museums in Paris": it is none. Both windows
# pass through the net of lesson 7, s = U σ(W x + b), and the loss asks for a margin Δ = 1 between the scores:
#
# $$J = \max(0,\; \Delta + s_c - s)$$
#
# While J > 0 both contribute: ∂J/∂W = δ_c x_c′ − δ x′, and 0 once the margin is kept.

# %% tags=["fold"]
text = """museums in paris are amazing / not all museums in paris
we love rome in spring / the trains to berlin are late
a street in rome is noisy / people in berlin love museums
spring in vienna is amazing / they went to london by train
the museums of london are old / not all streets in vienna
cafes in paris are noisy / we went to rome by train
all people love spring / the old street was noisy
they love late trains / the cafes are old"""
sentences = [part.split() for part in text.replace("\n", " / ").split(" / ")]
places = {"paris", "rome", "berlin", "vienna", "london"}
words = ["-", *sorted({word for sentence in sentences for word in sentence})]
index = {word: i for i, word in enumerate(words)}


def windows_of(sentence):
    """The indices of five words around each word; "-" beyond the ends."""
    numbers = [index[word] for word in sentence]
    return preprocessing.word_windows(numbers, 5, padding=index["-"])


def fresh():
    """Word vectors, and the net that reads a window of five."""
    options = {"dtype": np.float64}
    vectors = models.Sequential(
        models.Embedding(len(words), 4, rng=0, **options), models.Flatten()
    )
    scorer = models.Sequential(
        models.Dense(20, 8, mg.sigmoid, rng=1, **options),
        models.Dense(8, 1, bias=False, rng=2, **options),
    )
    return vectors, scorer


# %%
vectors, scorer = fresh()
W, b, U = scorer.parameters()
x = vectors(windows_of(sentences[0])[2:3]).value[0]
x_c = vectors(windows_of(sentences[1])[2:3]).value[0]


def hidden(x):
    """What the eight units give."""
    return 1 / (1 + np.exp(-(W.value @ x + b.value)))


def delta(x):
    """∂s/∂(W x + b)."""
    return U.value[0] * hidden(x) * (1 - hidden(x))


of_W = np.outer(delta(x_c), x_c) - np.outer(delta(x), x)
s, s_c = scorer(x[None]), scorer(x_c[None])
J = losses.max_margin_ranking(s, s_c)
(by_engine,) = mg.gradients(J, [W])
print(f"s {float(s):.4f}, s_c {float(s_c):.4f}, J {float(J):.4f}")
print(f"largest difference {abs(by_engine.value - of_W).max():.9f}")

# %% [markdown]
# ## Where it breaks: the gradient of the score
#
# In some texts the gradient of this loss is given as δ x′. That is the gradient of the *score*. It has the wrong sign, as J
# falls where s rises, and it forgets the corrupt window.


# %%
class OnlyTheScore(mg.Operation):
    """J = max(0, 1 + s_c − s), with the adjoint of s as if J were s."""

    def fprop(self, s, s_c):
        return np.maximum(0, 1 + s_c - s)

    def bprop(self, adjoint):
        return adjoint * (self > 0), None


try:
    mg.check_gradients(OnlyTheScore, np.array(0.4), np.array(0.1))
    only_the_score = ""
except mg.GradientError as error:
    only_the_score = str(error)
print(only_the_score)

# %% [markdown]
# ## What the margin buys
#
# We train twice from the same start: with Δ = 1, and with Δ = 0, which asks for the right order and no more. The sixteen
# sentences have 12 windows around a place and 70 around another word, so there are 840 pairs to rank.

# %%
windows = np.concatenate([windows_of(sentence) for sentence in sentences])
is_place = np.array([words[window[2]] in places for window in windows])
print(f"{is_place.sum()} places, {(~is_place).sum()} other words")


def trained(margin):
    """The net after 200 steps, and the loss at each."""
    vectors, scorer = fresh()
    parameters = [*vectors.parameters(), *scorer.parameters()]
    optimizer = SGD(parameters, 1.0)
    pairs, seen = np.random.default_rng(0), []
    for _ in range(200):
        true, corrupt = preprocessing.window_pairs(windows, is_place, pairs)
        loss = losses.max_margin_ranking(
            scorer(vectors(true)), scorer(vectors(corrupt)), margin=margin
        )
        loss.backward()
        optimizer.step()
        seen.append(float(loss))
    return (vectors, scorer), seen


def margins(net, noise=0.0, draws=1):
    """s − s_c of every place against every other word."""
    vectors, scorer = net
    x = np.tile(vectors(windows).value, (draws, 1, 1))
    x += noise * x.std() * np.random.default_rng(5).normal(size=x.shape)
    scores = scorer(x).value[..., 0]
    return scores[:, is_place, None] - scores[:, None, ~is_place]


nets, seen, kept = {}, {}, {}
for margin in (1, 0):
    nets[margin], seen[margin] = trained(margin)
    kept[margin] = np.sort(margins(nets[margin]).ravel())
    print(
        f"Δ = {margin}: loss {seen[margin][0]:.2f} to {seen[margin][-1]:.2f}",
        f"smallest s − s_c {kept[margin][0]:.2f}",
        f"of {len(kept[margin])} pairs",
        sep=", ",
    )

# %% [markdown] tags=["predict"]
# ## Predict, then look
#
# Both nets have every pair in the right order, and a loss of 0. Now the word vectors are disturbed a little, as other
# texts would do. Which net makes more mistakes?
#
# * both the same: they rank all pairs alike
# * the one with Δ = 1, whose weights have grown larger
# * the one with Δ = 0, whose pairs are in order by a hair

# %% tags=["figure"] alt="Left, the share of pairs with a score difference below m: without margin the curve rises from 0 to 1 before m = 0.5, with margin 1 it begins at 1 and ends above 4. Right, the percentage of pairs in the wrong order against noise: at 0.6 it is 5 without margin and below 1 with it."
levels = np.linspace(0, 0.6, 7)
wrong = {
    margin: [100 * np.mean(margins(net, n, 20) <= 0) for n in levels]
    for margin, net in nets.items()
}
left, right = figures.panels(2)
share = np.linspace(0, 1, 85)
figures.lines(
    {f"Δ = {k}": (np.quantile(v, share), share) for k, v in kept.items()},
    ax=left,
    xlabel="m",
    title="share of pairs with s − s_c < m",
)
figures.lines(
    {f"Δ = {margin}": (levels, wrong[margin]) for margin in nets},
    ax=right,
    xlabel="noise / spread of the word vectors",
    title="% of pairs in the wrong order",
)
left.figure

# %% [markdown] tags=["answer"]
# The one with Δ = 0. Training ends where the loss is 0: with Δ = 0 as soon as a pair is in order, however narrowly, so the
# left curve begins at 0; with Δ = 1 it begins at 1. "Both the same" looks at the order alone. "Larger weights" is no
# mistake: they do grow, and they amplify noise; but the differences grow more, and the noise here is measured by the
# spread of each net's own vectors.

# %% [markdown]
# A new sentence, with a place that the net knows in a window that it does not:

# %%
new_sentence = ["not", "all", "trains", "to", "vienna", "are", "late"]
vectors_1, scorer_1 = nets[1]
scores = scorer_1(vectors_1(windows_of(new_sentence))).value[:, 0]
for word, score in zip(new_sentence, scores, strict=True):
    print(f"{word:>8} {score:6.2f}")

# %% [markdown] tags=["exercise"]
# ## Exercise 1: by hand
#
# The gradient of J by the row U. Remember when it is 0. You may use `hidden(x)` from above, and U.value[0].


# %% tags=["exercise"]
def by_hand(x, x_c, margin):
    """∂J/∂U, eight numbers."""
    return None


# %% tags=["solution"]
def by_hand(x, x_c, margin):
    """∂J/∂U, eight numbers: s_c pulls U one way, s the other."""
    difference = hidden(x_c) - hidden(x)
    return (margin + U.value[0] @ difference > 0) * difference


# %% tags=["check"]
def by_the_engine(x, x_c, margin):
    """The same from the graph."""
    scores = scorer(x[None]), scorer(x_c[None])
    J = losses.max_margin_ranking(*scores, margin=margin)
    return mg.gradients(J, [U])[0].value[0]


for pair in ((x, x_c, 1.0), (x_c, x, 0.1)):
    check.same(by_hand(*pair), by_the_engine(*pair), f"by_hand(…, {pair[2]})")

# %% [markdown] tags=["exercise"]
# ## Exercise 2: how strong a penalty sets a weight to 0?
#
# A weight fits data best at 0.3, and pays μ |w|: L = ½ (w − 0.3)² + μ |w|. The point w = 0 is the minimum if 0 is one of the
# sub-gradients of L there. From which μ on is that so?

# %% tags=["exercise"]
smallest_mu = None  # yours

# %% tags=["solution"]
smallest_mu = 0.3  # −0.3 + μ g = 0 has a solution g in −1 … 1

# %% tags=["check"]
v = mg.Input(0.0)
(pull,) = mg.gradients(0.5 * (v - 0.3) ** 2, [v])
check.same(smallest_mu, abs(float(pull)), "smallest_mu")

# %% [markdown]
# ## What we claimed
#
# *A hinge learns until the margin is kept, and leaves what is kept alone.*
#
# * You know what a slope at a kink is, that a program chooses one, and why a constant rate does not come to rest there.
# * The penalty |w| comes back in [lesson 15](15_fit_not_memorize.py), the margin in
#   [lesson 16](16_ridge_and_support_vectors.py), where a penalty on the weights keeps them from buying it by growing.
# * Read: R. Collobert et al., "Natural language processing (almost) from scratch", JMLR 12, 2011: windows, ranked.

# %% row="VIS-16"
assert of_abs.value.tolist() == [-1, 0, 1]
assert (3 * of_hinge.value).tolist() == [-1, 0, 0]
assert all(is_subgradient(abs, 0, g) for g in (-1, 0, 0.3, 1))
assert not is_subgradient(abs, 0, 1.1) and not is_subgradient(abs, 0, -1.1)
for g, touches in ((-1.1, 0), (-1, 1), (-0.5, 1), (0, 1), (0.1, 0)):
    assert is_subgradient(lambda m: np.maximum(0, 1 - m), 1, g) == touches

# %% row="WEX-04"
assert J > 0 and np.allclose(by_engine.value, of_W, rtol=1e-10, atol=1e-14)


def J_of(W, b, U):
    """The loss as a function of its parameters, for differences."""
    one, other = (mg.sigmoid(v[None] @ W.T + b) @ U.T for v in (x, x_c))
    return losses.max_margin_ranking(one, other)


mg.check_gradients(J_of, W.value, b.value, U.value)
assert not np.allclose(np.outer(delta(x), x), -of_W)  # x_c counts too

# %% row="THY-24"
assert len(sentences) == 16 and len(kept[1]) == len(kept[0]) == 12 * 70
assert kept[1][0] > 0.95 and 0 < kept[0][0] < 0.1
size = [
    np.prod([np.linalg.norm(p.value) for p in net.parameters()[::2]])
    for _, net in nets.values()
]
assert 1 < size[0] / size[1] < np.median(kept[1]) / np.median(kept[0])
assert 3 < wrong[0][-1] < 8 and wrong[1][-1] < 1

# %%
assert sorted(np.round(visited[-2:], 2)) == [-0.05, 0.05]
assert "OnlyTheScore" in only_the_score
assert seen[1][-1] < 0.1 * seen[1][0]
assert new_sentence[scores.argmax()] == "vienna"
