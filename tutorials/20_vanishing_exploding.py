# rows: THY-16 THY-17
# %% [markdown]
# # Vanishing, exploding: a product of Jacobians
#
# The first layers of a deep net hardly move. A recurrent net learns for an
# hour, then its loss is nan. Why have these two the same cause?
#
# You will read from a matrix how fast an adjoint grows or fades, see where it
# dies at one step, and clip a gradient that is too long.
# Before: [lesson 19](19_unrolled_in_time.py).

# %%
import numpy as np

import check
import minigrad as mg
from minigrad.models import LSTM, SimpleRNN, penalties
from minigrad.optim import SGD, clip_by_norm, figures

# %% [markdown]
# ## See it
#
# A net of two linear units, x_t = W x_{t−1}, for fifty steps. W turns a vector
# by 0.5 rad and stretches it by ρ. The loss reads the last state alone.


# %%
def turn(rho, angle=0.5):
    """ρ times a rotation."""
    c, s = np.cos(angle), np.sin(angle)
    return rho * np.array([[c, -s], [s, c]])


def unrolled(W, T):
    """The loss of x_t = W x_{t−1}, and its states x_1 ... x_T."""
    x = [mg.Input([[1.0, 0.5]])]
    for _ in range(T):
        x.append(x[-1] @ W.T)
    return x[-1].sum(), x[1:]


norms = {}
for rho in (1.25, 1.0, 0.8):
    W = mg.Parameter(turn(rho), name="W")
    norms[f"ρ = {rho}"] = penalties.adjoint_norms(*unrolled(W, 50))
for name, each in norms.items():
    print(f"{name}: ‖λ_1‖/‖λ_50‖ = {each[0] / each[-1]:.4g}")

# %% tags=["figure"] alt="Three straight lines on a logarithmic axis, from time step 50 back to 1: for ρ = 1.25 the norm of the adjoint grows to some 80,000, for 1 it stays 1.4, for 0.8 it falls to about 0.00003."
figures.lines(
    {name: (np.arange(1, 51), each) for name, each in norms.items()},
    xlabel="time step t (adjoints run from right to left)",
    ylabel="‖λ_t‖",
    yscale="log",
    title="A straight line on this axis: the same factor at every step",
)

# %% [markdown]
# ## Why
#
# A step that computes x_t from x_{t−1} has a *Jacobian* J_t, the matrix of its
# slopes. The adjoint goes through it transposed; after many steps it has gone
# through a product:
#
# $$\lambda_{t-1} = J_t^\top \lambda_t, \qquad
# \lambda_1 = J_2^\top J_3^\top \cdots J_T^\top \lambda_T, \qquad
# J_t = \mathrm{diag}(\sigma'(a_t)) \, W$$
#
# Layers do the same with another W each. The linear net has σ′ = 1, so its
# product is a power of Wᵀ. Three steps by hand, then by the engine:

# %%
W = mg.Parameter(turn(1.25), name="W")
loss, states = unrolled(W, 3)
by_hand = turn(1.25).T @ turn(1.25).T @ np.ones(2)
by_engine = penalties.adjoints(loss, states)[0].value[0]
difference = np.abs(by_hand - by_engine).max()
print("λ_1 by hand  ", by_hand.round(4))
print("λ_1 by engine", by_engine.round(4))
print("difference below 1e-12:", difference < 1e-12)

# %% [markdown]
# A rotation keeps lengths, so each step multiplies by ρ. For any W, ρ is the
# *spectral radius*, the largest |eigenvalue|: a power of Wᵀ grows or fades by
# that factor in the end.

# %% [markdown] tags=["predict"]
# ## Predict, then run
#
# $$W = \begin{pmatrix} 0.5 & 4 \\ 0 & 0.5 \end{pmatrix}$$
#
# stretches some vectors more than fourfold. Its eigenvalues are 0.5 and 0.5.
# Over 50 steps back, the adjoint
#
# 1. explodes, since W stretches by more than 1
# 2. fades from the first step back on
# 3. grows at first, then fades

# %%
skew = mg.Parameter([[0.5, 4.0], [0.0, 0.5]], name="W")
along = penalties.adjoint_norms(*unrolled(skew, 50))[::-1]
for back in (0, 1, 2, 3, 10, 48, 49):
    print(f"{back:2d} steps back: {along[back]:.3g}")
print(f"The last factor is {along[49] / along[48]:.3f}")

# %% [markdown] tags=["answer"]
# 3: it triples in the first step, and its last factor is close to 0.5. Answer
# 1 takes the stretch of one step for that of all: what was stretched lies, from
# then on, where W shrinks. Answer 2 takes the radius for a bound on each step;
# it is the factor in the end. Where W is symmetric, or a rotation times ρ, no
# step stretches by more than the radius.

# %% row="THY-17"
for rho in (0.8, 1.0, 1.25, 1.5):
    each = penalties.adjoint_norms(*unrolled(mg.Input(turn(rho)), 51))
    factor = (each[0] / each[-1]) ** (1 / 50)
    assert abs(factor - rho) < 1e-12
    assert abs(np.abs(np.linalg.eigvals(turn(rho))).max() - rho) < 1e-12
print(f"ρ = 1.5, 50 steps: {each[0] / each[-1]:.4g}; 1.5^50 = {1.5**50:.4g}")
assert abs(each[0] / each[-1] / 6.376e8 - 1) < 1e-3

# %% [markdown]
# ## Ten layers
#
# The slope of the sigmoid is σ′ = σ (1 − σ), at most 1/4. Behind ten layers
# whose matrices keep lengths, at most 0.25^10 is left. A chain of single units
# with w = 1 and b = −1/2, begun at 1/2, has every a at 0, where the slope is
# largest: it reaches the bound. Other functions do better:


# %%
def deep(activation, gain=1.0):
    """‖adjoint‖ of the input and of the outputs of ten layers of 16 units."""
    rng = np.random.default_rng(0)
    h = mg.Input(rng.normal(size=(1, 16)))
    outputs = [h]
    for _ in range(10):
        Q, _ = np.linalg.qr(rng.normal(size=(16, 16)))  # keeps lengths
        h = activation(h @ mg.Parameter(gain * Q))
        outputs.append(h)
    return penalties.adjoint_norms(h.sum(), outputs)


x = mg.Input(0.5)
y = x
for _ in range(10):
    y = mg.sigmoid(1.0 * y - 0.5)
(slope,) = mg.gradients(y, [x])
layers = {
    "sigmoid": deep(mg.sigmoid),
    "tanh": deep(np.tanh),
    "relu": deep(mg.relu),
    "relu, √2 W": deep(mg.relu, np.sqrt(2)),
}
for name, each in layers.items():
    print(f"{name:10s} of the adjoint {each[0] / each[-1]:.2g} is left")

# %% tags=["figure"] alt="Norm of the adjoint over the layers 0 to 10, on a logarithmic axis, 1 at layer 10. The sigmoid's falls like a straight line to 0.0000004 at the input, the one of relu to 0.02, that of tanh to 0.2; relu with W times the root of two stays near 1."
figures.lines(
    {name: each / each[-1] for name, each in layers.items()},
    xlabel="layer (0 is the input)",
    ylabel="‖adjoint‖, 1 at layer 10",
    yscale="log",
)

# %% [markdown]
# relu sends the adjoint on or stops it, unit by unit; a W that is larger by √2
# makes up for the half that is stopped.

# %% row="THY-16"
assert abs(float(slope) - 9.54e-7) < 1e-9 and float(slope) == 0.25**10
assert layers["sigmoid"][0] / layers["sigmoid"][-1] <= 0.25**10
assert layers["relu, √2 W"][0] > 0.1 * layers["relu, √2 W"][-1]

# %% [markdown]
# ## A recurrent net reads noise
#
# h_t = tanh(W_h h_{t−1} + W_x u_t + b) has the same W at each step. Where
# states are tiny, tanh′ is 1 and the radius alone decides. In a time grid, time
# runs to the right and adjoints to the left; a dot's color is the norm of its
# adjoint, and it fades into the page as that vanishes.

# %%
T = 50
noise = np.random.default_rng(0).normal(size=(4, T, 3))


def reader(radius, size):
    """A tanh layer with that radius on noise of that size: loss, states."""
    layer = SimpleRNN(3, 16, rng=0, dtype=np.float64)
    W = layer.cell.W_h.value
    W *= radius / np.abs(np.linalg.eigvals(W)).max()
    states = layer.states(mg.Input(size * noise, name="u"))
    return (states[-1] ** 2).mean(), states


factors = {}
for size in (1e-6, 1.0):
    for radius in (0.8, 1.0, 1.25):
        each = penalties.adjoint_norms(*reader(radius, size))
        factors[radius, size] = (each[0] / each[-1]) ** (1 / (T - 1))
        print(
            f"inputs of size {size:g}, radius {radius}: "
            f"factor per step {factors[radius, size]:.3f}"
        )
runs = {f"radius {r}": reader(r, 1e-6)[0] for r in (0.8, 1.0, 1.25)}
grid = mg.draw(runs, view="time", title="tiny inputs")

# %% tags=["figure"] alt="Time grids of three recurrent nets on tiny inputs. With radius 0.8 the dots fade toward step 1, with 1.0 they keep their color, with 1.25 they turn violet: the adjoint grows. Above each row of dots the norm is a straight line."
grid

# %% [markdown]
# With inputs of size 1 all three vanish, also the one of radius 1.25: tanh is
# flat where its argument is large, and σ′ is a factor of every Jacobian. A
# radius above 1 is no promise. (Run as a script, the lesson prints;
# `grid.save("grid.svg")` writes the picture.)
#
# ## A dead end
#
# Vanishing is gradual. A product can also hold a factor of 0: relu in the
# place of tanh, and one step, the twelfth, at which no unit is active.

# %%
dying = SimpleRNN(3, 16, mg.relu, rng=0, dtype=np.float64)
dying.cell.W_x.value[...] = np.abs(dying.cell.W_x.value)
shock = np.abs(noise[:, :20])
shock[:, 11] = -20.0  # step 12
states = dying.states(mg.Input(shock, name="u"))
dead_loss = (states[-1] ** 2).mean()
reached = penalties.adjoint_norms(dead_loss, states)
print({t: f"{reached[t - 1]:.1e}" for t in (20, 16, 13, 12, 11, 1)})
print(mg.explain(states[0], dead_loss))

# %% tags=["figure"] alt="Time grid of twenty steps. From step 20 back to step 12 the dots are colored; from step 11 to step 1 there are crosses: the adjoint is exactly 0 there."
mg.draw(dead_loss, view="time", title="relu, and a dead step 12")

# %% [markdown]
# Crosses are adjoints of exactly 0. Steps 13 to 20 still teach the parameters,
# steps 1 to 12 teach nothing, at any rate.
#
# ## A sum of products: the LSTM
#
# An LSTM ([lesson 22](22_gates.py) draws it) keeps two states, h and c, with
# c_t = f_t c_{t−1} + i_t g_t. The gate f_t lies between 0 and 1. Textbooks say
# that c carries the gradient. A *cut* measures: `cut="h"` lets no adjoint pass
# from a step to the h before. What is left of c went along c alone, through
# nothing but the gates f.


# %%
def lstm_loss(seed, **options):
    """The mean square of the last state of a new LSTM."""
    layer = LSTM(3, 16, rng=seed, dtype=np.float64, **options)
    return (layer(mg.Input(noise, name="u")) ** 2).mean()


def kept(view):
    """Curve -> its norm at the first step, divided by that at the last."""
    found = {}
    for run in view.runs:
        for curve in run.loops[0].curves:
            (_, last), *_, (_, first) = curve.reached()
            found[f"{run.title} {curve.label}".strip()] = first / last
    return found


paths = []
for seed in (0, 1, 2):
    loss = lstm_loss(seed)
    by_paths = mg.draw(loss, view="time", cut=("h", "c"), title="An LSTM")
    paths.append(kept(by_paths))
    print(f"start {seed}:", {k: f"{v:.1e}" for k, v in paths[-1].items()})

# %% tags=["figure"] alt="Time grid of an LSTM over fifty steps, with curves of the norms of the adjoints of c and h: both fall by two to three powers of ten toward step 1. The curve of c without h falls to less than a ten-thousandth of that."
by_paths

# %% [markdown]
# Of an adjoint that keeps about a hundredth of its norm, less than a
# ten-thousandth came along c alone, and nothing along h alone. The rest changed
# lanes: from c to a gate, through W_h to the h before, up to its c. There are
# more than 2^49 such ways, and in sum they win.
#
# Along c alone the product is one of gates. By NumPy, and by the cut; then with
# other first values of their bias:

# %%
loss = lstm_loss(seed=0)
nodes = mg.Graph(loss).nodes
gates = [node.value for node in nodes if node.name == "f"]
cells = [node for node in nodes if node.name == "c"]
(at_the_end,) = mg.gradients(loss, [cells[-1]])
of_gates = np.linalg.norm(at_the_end.value * np.prod(gates[1:], axis=0))
view = mg.draw(loss, view="time", cut="h")
curves = {curve.label: curve for curve in view.runs[0].loops[0].curves}
by_cut = dict(curves["c without h"].reached())[1]
print(f"along c alone: {of_gates:.3e} by NumPy, {by_cut:.3e} by cut")

alone = {}
for bias in (0.0, 1.0, 3.0, 5.0):
    shares = kept(mg.draw(lstm_loss(0, forget_bias=bias), view="time", cut="h"))
    alone[bias] = shares["c without h"]
    print(
        f"bias {bias}: σ = {1 / (1 + np.exp(-bias)):.3f}, "
        f"left of c {shares['c']:.0e}, along c alone {alone[bias]:.0e}"
    )

# %% [markdown]
# How far c carries is chosen at the start: with the usual bias of 1 a gate is
# near 0.731, to the power of 49 that is 2 · 10^−7. With a bias of 5 most of c
# gets through by itself; the other ways come on top, and what arrives is a
# hundred times what left. It explodes.
#
# ## Clip what explodes
#
# The linear net with ρ = 1.25 is to bring (1, 0.5) to (0, 1) in fifty steps.
# Its gradient has a direction worth following, and a length that is not.
# *Clipping by norm* keeps the direction: g ← g · min(1, c/‖g‖).

# %% row="THY-17"
goal = np.array([[0.0, 1.0]])
W = mg.Parameter(turn(1.25), name="W")
((unrolled(W, 50)[1][-1] - goal) ** 2).sum().backward()
g = W.grad.copy()
length = clip_by_norm([W], 1.0)
print(f"‖g‖ = {length:.2g}, clipped {np.linalg.norm(W.grad):.2g}")
assert length > 1e11 and abs(np.linalg.norm(W.grad) - 1) < 1e-12
assert np.allclose(W.grad, g / length, rtol=1e-12)


# %%
def trained(clip, steps=60):
    """The losses of a training, up to the first that is not finite."""
    W = mg.Parameter(turn(1.25), name="W")
    optimizer, seen = SGD([W], 0.01), []
    for _ in range(steps):
        _, x = unrolled(W, 50)
        loss = ((x[-1] - goal) ** 2).sum()
        seen.append(float(loss))
        if not np.isfinite(seen[-1]):
            break
        loss.backward()
        if clip:
            clip_by_norm([W], clip)
        optimizer.step()
    return seen


with np.errstate(all="ignore"):  # numbers beyond 1e308
    raw, clipped = trained(None), trained(1.0)
print("raw:    ", [f"{loss:.2g}" for loss in raw])
print("clipped:", [f"{loss:.2g}" for loss in clipped[::10]])
print("its end:", [f"{loss:.2g}" for loss in clipped[-4:]])

# %% [markdown]
# Raw, the first step is 0.01 · 3.5 · 10^11 long, and the loss after it is
# beyond all floats: the nan a reader meets. (The gradient blew up, and only
# then the weight.) Clipped, each step is 0.01 long, and the loss falls from
# 6 · 10^9 to below 0.1. It does not settle: steps of one length jump to and fro
# over a narrow valley, until the rate is made smaller. Against an adjoint that
# vanishes clipping does nothing; there is no length to cut.

# %% [markdown] tags=["exercise"]
# ## Exercise 1: by hand
#
# Write the factor by which ‖λ_t‖ changes per step back, in the end, for
# x_t = W x_{t−1} with any square matrix W.


# %% tags=["exercise"]
def growth(W):
    return None


# %% tags=["solution"]
def growth(W):
    return np.abs(np.linalg.eigvals(W)).max()


# %% tags=["check"]
tried = np.array([[0.3, 0.9], [0.8, 0.1]])
far = penalties.adjoint_norms(*unrolled(mg.Input(tried), 60))
check.same(growth(tried), far[0] / far[1], "growth(tried)")

# %% [markdown] tags=["exercise"]
# ## Exercise 2: change it
#
# In the chain of ten sigmoids each unit is σ(w (y − 1/2)), so a = 0 stays. For
# which w does the adjoint arrive at the input as it left, neither shrunk nor
# grown?

# %% tags=["exercise"]
w = None  # yours

# %% tags=["solution"]
w = 4.0  # the slope at 0 is 1/4, so each step multiplies by w/4

# %% tags=["check"]
check.same(w, 4.0, "w")
x = mg.Input(0.5)
y = x
for _ in range(10):
    y = mg.sigmoid(w * (y - 0.5))
check.same(mg.gradients(y, [x])[0], 1.0, "∂y/∂x")

# %% [markdown]
# ## What we claimed
#
# **Back through many steps an adjoint meets a product of Jacobians; what each
# does to lengths, the product does to the power of the steps.**
#
# * You know how to read the factor from a matrix, find the step at which an
#   adjoint dies, and clip what explodes.
# * What vanishes comes back in [lesson 21](21_penalized_backpropagation.py),
#   where a penalty keeps adjoints alive, and in [lesson 22](22_gates.py).
# * Read: R. Pascanu, T. Mikolov and Y. Bengio, *On the difficulty of training
#   recurrent neural networks*, ICML 2013.

# %%
assert difference < 1e-12
assert along[1] > 3 * along[0] and abs(along[49] / along[48] - 0.5) < 0.02
for radius in (0.8, 1.0, 1.25):
    assert abs(factors[radius, 1e-6] - radius) < 0.01
    assert factors[radius, 1.0] < 0.95
assert reached[11] > 0 and not reached[:11].any()
for shares in paths:
    assert 1e-3 < shares["h"] < shares["c"] < 1e-1
    assert 1e-8 < shares["c without h"] < 1e-5
    assert shares["h without c"] < 1e-28
assert abs(of_gates - by_cut) < 1e-9 * by_cut
assert alone[0.0] < alone[1.0] < alone[3.0] < alone[5.0]
assert alone[1.0] < 1e-5 and alone[5.0] > 0.1
assert not np.isfinite(raw[-1]) and len(raw) <= 3
assert clipped[0] > 1e9 and max(clipped[-4:]) < 0.1
