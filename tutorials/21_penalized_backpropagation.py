# rows: WEX-24
# %% [markdown]
# # Penalized backpropagation: the gradient of a gradient
#
# An adjoint that fades on its way back cannot teach a recurrent net what an
# early input has to do with a late answer. Can we write into the loss that
# adjoints are to arrive? Its gradient is then one of a gradient.
#
# You will write such a wish as a number G, differentiate it through the
# backward pass, check it on paper, and train with it.
# Before: [lesson 20](20_vanishing_exploding.py).

# %%
import itertools

import numpy as np

import check
import minigrad as mg
from minigrad.models import RNN, datasets, initializers, losses, penalties
from minigrad.optim import SGD, clip_by_norm, figures

# %% [markdown]
# ## See it
#
# The task: a sequence of T = 30 symbols, two of which matter, one early, one
# in the middle. Which of four combinations was it? A recurrent net,
# x_t = tanh(W x_{t−1} + R u_t + b_1), is asked at the end only.

# %%
T = 30
rng = np.random.default_rng(0)
inputs, targets = datasets.temporal_order(20, T, rng, dtype=np.float64)


def fresh():
    """A net with small weights, always the same one."""
    start = initializers.normal(0.1)
    return RNN(6, 20, 4, initializer=start, dtype=np.float64, rng=1)


def loss_and_states(net, u=inputs, y=targets):
    """The loss of the answers at the end, and the states x_1 ... x_T."""
    states = net.states(u)
    return losses.cross_entropy(net.readout(states[-1]), y), states


loss, states = loss_and_states(fresh())
before = penalties.adjoint_norms(loss, states)
print(f"{len(states)} states of shape {states[0].shape}")
print(f"loss {float(loss):.4f}; guessing costs ln 4 = {np.log(4):.4f}")
for t in (1, 10, 20, 30):
    print(f"t = {t:2d}   ‖λ_t‖ = {before[t - 1]:.1e}")

# %% tags=["figure"] alt="The norm of the adjoint over the time steps 1 to 30 on a logarithmic axis: an almost straight line from 0.02 at step 30 down to a ten-million-millionth at step 1."
figures.adjoint_norms({"before training": before})

# %% [markdown]
# ## A penalty is a function of nodes
#
# λ_t = ∂loss/∂x_t is a node like any other here: the backward pass is a graph.
# (Some texts call its negative λ_t. Every penalty below is even in λ.) *Omega*
# compares neighbors in time. It is 0 where the adjoint keeps its length:
#
# $$G = \frac{1}{T-1} \sum_{t=1}^{T-1}
# \left( \frac{\lVert\lambda_t\rVert^2}{\lVert\lambda_{t+1}\rVert^2} - 1 \right)^2$$
#
# It is the mean over examples, too. A ratio of 0/0 has nothing to say, and
# [Omega](../reference/penalties.md#omega) leaves out terms whose denominator
# is below 10^−20.

# %%
omega = penalties.Omega(weight=1.0)
net = fresh()
loss, states = loss_and_states(net)
G = omega(loss, states)
(slope,) = mg.gradients(G, [net.W])
print(f"G = {float(G):.4f}; ∂G/∂W has shape {slope.shape}")
print(f"{len(mg.Graph(loss).nodes)} nodes in the loss,")
print(f"{len(mg.Graph(G).nodes)} in G, {len(mg.Graph(slope).nodes)} in ∂G/∂W")

# %% [markdown]
# That is the price: two backward passes, five times the nodes of the loss.
#
# Is ∂G/∂W right? It needs second derivatives of every rule on the way. In a
# small net we move one weight a little up and down, and compare.

# %%
small = RNN(6, 5, 4, dtype=np.float64, rng=2)
few = datasets.temporal_order(3, 12, rng, dtype=np.float64)
(by_engine,) = mg.gradients(omega(*loss_and_states(small, *few)), [small.W])
h, around = 1e-6, []
for step in (h, -2 * h):
    small.W.value[1, 2] += step
    around.append(float(omega(*loss_and_states(small, *few))))
small.W.value[1, 2] += h
measured = (around[0] - around[1]) / (2 * h)
difference = abs(by_engine.value[1, 2] - measured)
print(
    f"∂G/∂W[1,2]: engine {by_engine.value[1, 2]:.4f}, measured {measured:.4f}"
)
print("difference below 1e-6:", difference < 1e-6)

# %% [markdown]
# ## The smallest net that has all of it
#
# One state, two steps, no tanh: x_1 = W x_0, x_2 = W x_1, loss x_2². And a G
# of one line, λ_1² − λ_2². White boxes are what we write: the net at the left,
# G at the right. Orange boxes with a dashed rim are the backward pass; gray
# dashed arrows bring values that it reads again. (Run as a script, the lesson
# prints; `picture.save("picture.svg")` writes a picture.)

# %%
W, x0 = mg.Parameter(0.8, name="W"), mg.Input(0.5, name="x0")
x1 = W * x0
x2 = W * x1
tiny_loss = x2**2
lambda1, lambda2 = mg.gradients(tiny_loss, [x1, x2])
tiny_G = lambda1**2 - lambda2**2
names = {"x1": x1, "x2": x2, "λ1": lambda1, "λ2": lambda2, "G": tiny_G}
for name, node in names.items():
    node.name = name

# %% tags=["figure"] alt="A graph from left to right: W and x0 give x1 and x2; orange boxes with a dashed rim give the adjoints λ2 and λ1; the difference of their squares is G. 12 nodes."
mg.draw(tiny_G, direction="LR")

# %% [markdown]
# The slope of G with respect to W is a second backward pass, through the first
# one and through the net: purple boxes with a dotted rim. Yellow is W, drawn
# anew at each use. Three arrows end in ∂G/∂W: W is used twice going forward
# and once on the way back to λ_1. G has no box here: its slope needs what G is
# made of, not G.

# %%
(tiny_slope,) = mg.gradients(tiny_G, [W])
tiny_slope.name = "∂G/∂W"
sizes = [len(mg.Graph(node).nodes) for node in (tiny_loss, tiny_G, tiny_slope)]
print("nodes in the tiny loss, in its G, in ∂G/∂W:", sizes)
picture = mg.draw(tiny_slope, direction="LR")

# %% tags=["figure"] alt="The same graph, grown to 24 nodes: behind the orange backward pass come purple boxes with a dotted rim, the second backward pass; three arrows end in ∂G/∂W."
picture

# %% [markdown]
# On paper: x_2 = W² x_0, so λ_2 = 2 W² x_0 and λ_1 = 2 W³ x_0. Then
#
# $$G = 4 x_0^2 (W^6 - W^4), \qquad
# \frac{\partial G}{\partial W} = 4 x_0^2 (6 W^5 - 4 W^3)$$

# %%
on_paper = 4 * 0.5**2 * (6 * 0.8**5 - 4 * 0.8**3)
print(f"∂G/∂W: engine {float(tiny_slope):.4f}, on paper {on_paper:.4f}")
print("difference below 1e-12:", abs(float(tiny_slope) - on_paper) < 1e-12)

# %% [markdown]
# ## Train with it
#
# Two nets start alike and see the same batches. One minimizes the loss L, the
# other L + G, with the weight 0.3. Every 20 steps we measure adjoints on the
# same 20 sequences.


# %%
def trained(penalty, steps=120):
    """‖λ_t‖, G and the loss every 20 steps; and the net at the end."""
    batches, net, noted = np.random.default_rng(5), fresh(), []
    optimizer = SGD(net.parameters(), learning_rate=0.05)
    for step in range(steps + 1):
        if step % 20 == 0:
            loss, states = loss_and_states(net)
            G = float(penalty(loss, states)) if penalty else 0.0
            noted.append(
                (penalties.adjoint_norms(loss, states), G, float(loss))
            )
        batch = datasets.temporal_order(20, T, batches, dtype=np.float64)
        loss, states = loss_and_states(net, *batch)
        total = loss + penalty(loss, states) if penalty else loss
        total.backward()
        clip_by_norm(optimizer.parameters, 1.0)
        optimizer.step()
    return noted, net


plain, _ = trained(None)
penalized, _ = trained(penalties.Omega(0.3))


def reaches(noted):
    """log10 ‖λ_1‖/‖λ_T‖ at the end."""
    norms = noted[-1][0]
    return np.log10(norms[0] / norms[-1])


for name, noted in (("min L", plain), ("min L + G", penalized)):
    reached, loss = reaches(noted), noted[-1][2]
    print(f"{name:9s} log10 ‖λ_1‖/‖λ_T‖ = {reached:6.1f}, loss {loss:.2f}")

# %% tags=["figure"] alt="A slider over the training steps 0 to 120, at 120 first: the adjoint of the net trained by the loss alone falls by eleven powers of ten from step 30 to step 1, that of the net trained with G by less than one."
shown, words = [], []
for i in (0, 1, 2, 4, 6):  # 20 steps each
    ax = figures.axes(ylim=(1e-14, 1))
    both = {"min L": plain[i][0], "min L + G": penalized[i][0]}
    shown.append(figures.adjoint_norms(both, ax=ax))
    words.append(f"after {20 * i} steps of training")
figures.Frames(shown, words, title="Adjoints while two nets learn")

# %% row="WEX-24"
_, same_net = trained(penalties.Omega(0.0), steps=20)
twin = trained(None, steps=20)[1]
assert all(np.isfinite(each[2]) for each in plain + penalized)
assert reaches(penalized) > reaches(plain) + 3
for name, value in twin.state_dict().items():
    assert value.tobytes() == same_net.state_dict()[name].tobytes()

# %% [markdown]
# The adjoints live. Both losses are near ln 4 still: what arrives is what
# learning needs, not learning itself. This task takes thousands of steps, which
# `minigrad train` makes; [lesson 23](23_remedies_on_one_task.py) has one that a
# penalized net learns while you wait. With the weight 0 nothing is built, and
# training is plain backpropagation to the last bit.

# %% [markdown] tags=["predict"]
# ## Predict, then run
#
# Another G is the variance of ‖λ_t‖ over time: it, too, is 0 where all norms
# are equal. We train with it, and G falls below a thousandth of what it was.
# Then ‖λ_1‖/‖λ_T‖
#
# 1. has come close to 1, since the variance has come close to 0
# 2. is as small as before or smaller
# 3. has grown beyond 1: the early adjoints overtake

# %%
by_variance, _ = trained(penalties.AdjointVariance(100.0))
(start, G_start, _), (end, G_end, _) = by_variance[0], by_variance[-1]
print(f"G: {G_start:.1e} -> {G_end:.1e}")
print(f"‖λ_T‖: {start[-1]:.1e} -> {end[-1]:.1e}")
begun, ended = np.log10(start[0] / start[-1]), reaches(by_variance)
print(f"log10 ‖λ_1‖/‖λ_T‖: {begun:.1f} -> {ended:.1f}")

# %% [markdown] tags=["answer"]
# 2: a variance has the scale of what varies, squared. The cheapest way to less
# of it is to shrink all adjoints, ‖λ_T‖ first. Answer 1 takes a small number
# for the wish behind it. Answer 3 expects an overshoot; nothing pulls the early
# adjoints up. Omega is made of ratios, which no common scale can change.

# %% [markdown] tags=["exercise"]
# ## Exercise 1: by hand
#
# Write Omega for a list of adjoints λ_1 ... λ_T, arrays of shape (batch,
# units). All denominators are large enough.


# %% tags=["exercise"]
def omega_by_hand(adjoints):
    return None


# %% tags=["solution"]
def omega_by_hand(adjoints):
    squares = np.array([(each**2).sum(axis=1) for each in adjoints])
    return ((squares[:-1] / squares[1:] - 1) ** 2).mean()


# %% tags=["check"]
loss, states = loss_and_states(small, *few)
lambdas = [each.value for each in penalties.adjoints(loss, states)]
check.same(
    omega_by_hand(lambdas), float(omega(loss, states)), "omega_by_hand(lambdas)"
)

# %% [markdown] tags=["exercise"]
# ## Exercise 2: change it
#
# At W = 0.8 the slope of the tiny G is negative: a step of descent makes W
# larger. At which W > 0 does it stop?

# %% tags=["exercise"]
W_still = None  # yours

# %% tags=["solution"]
W_still = np.sqrt(2 / 3)  # 6 W⁵ = 4 W³

# %% tags=["check"]
W.value = np.array(0.8)
for _ in range(200):
    x1 = W * 0.5
    x2 = W * x1
    lambda1, lambda2 = mg.gradients(x2**2, [x1, x2])
    (lambda1**2 - lambda2**2).backward()
    W.value = W.value - 0.1 * W.grad
check.same(W_still, W.value, "W_still")

# %% [markdown] tags=["exercise"]
# ## Exercise 3: break it
#
# This penalty has a value and changes nothing in training. Which line is wrong?
#
# 1. `lambdas = penalties.adjoints(loss, states)`
# 2. `squares = [(each.value ** 2).sum() for each in lambdas]`
# 3. `G = sum((a / b - 1) ** 2 for a, b in itertools.pairwise(squares))`
# 4. `(loss + 0.3 * G).backward()`

# %% tags=["exercise"]
wrong_line = None

# %% tags=["solution"]
wrong_line = 2  # .value is an array: G is a number, without a way back

# %% tags=["check"]
check.same(wrong_line, 2, "wrong_line")
squares = [(each.value**2).sum() for each in penalties.adjoints(loss, states)]
broken = sum((a / b - 1) ** 2 for a, b in itertools.pairwise(squares))
with_it, without = (
    mg.gradients(total, [small.W])[0].value
    for total in (loss + 0.3 * broken, loss)
)
print("its gradient is that of the loss:", (with_it == without).all())

# %% [markdown]
# ## What we claimed
#
# **Adjoints are nodes; a penalty on them is a function of nodes, and its
# gradient is backpropagation through backpropagation.**
#
# * You know how to write a G, check ∂G/∂W, train with it, and why it is made of
#   ratios.
# * It comes back in [lesson 23](23_remedies_on_one_task.py), beside other
#   remedies.
# * Read: R. Pascanu, T. Mikolov and Y. Bengio, *On the difficulty of training
#   recurrent neural networks*, ICML 2013.

# %%
assert before[0] < 1e-5 * before[-1]
assert difference < 1e-6 * np.abs(by_engine.value).max()
assert sizes[0] < sizes[1] < sizes[2]
assert abs(float(tiny_slope) - on_paper) < 1e-12
assert {box.role for box in picture.diagram.boxes} == {
    "parameter",
    "input",
    "operation",
    "adjoint",
    "second",
    "reference",
}
assert reaches(penalized) > -2 > -8 > reaches(plain)
assert all(abs(each[-1][2] - np.log(4)) < 0.1 for each in (plain, penalized))
assert G_end < 1e-3 * G_start and end[-1] < 0.1 * start[-1]
assert ended < begun
assert (with_it == without).all()
