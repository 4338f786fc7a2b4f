# rows: THY-18
# %% [markdown]
# # Remedies, measured on one task
#
# Books list what helps against adjoints that vanish: better first values,
# leaky ReLU, ELU, normalization, clipping, gates, a penalty. Which of them
# helps here, and by how much?
#
# You will measure eleven nets by one number, see which of them learn, and see
# where the number misleads.
# Before: [lesson 20](20_vanishing_exploding.py),
# [21](21_penalized_backpropagation.py) and [22](22_gates.py).

# %%
import numpy as np

import check
import minigrad as mg
from minigrad.models import (
    GRU,
    LSTM,
    Dense,
    LayerNorm,
    Sequential,
    SimpleRNN,
    SimpleRNNCell,
    Unrolled,
    initializers,
    losses,
    penalties,
)
from minigrad.optim import Adam, figures, fit

# %% [markdown]
# ## The task and the number
#
# The first input is 1 or −1, then comes noise; after T = 20 steps the net says
# which it was. Answering 0 costs 1. The number is the *gradient ratio*
# ‖λ_1‖/‖λ_T‖: of the adjoint that leaves the answer, the part that gets back
# to the first input.


# %%
def sequences(n, T, rng):
    """(n, T, 1) inputs and (n, 1) signs."""
    signs = rng.choice([-1.0, 1.0], size=n)
    u = 0.3 * rng.normal(size=(n, T, 1))
    u[:, 0, 0] = signs
    return u, signs[:, None]


T, UNITS = 20, 8
examples = sequences(3000, T, np.random.default_rng(1))
unseen = sequences(100, T, np.random.default_rng(9))


def norms_and_loss(net):
    """‖λ_t‖ for all t, and the loss, on the unseen sequences."""
    layer, readout = net
    states = layer.states(unseen[0])
    loss = losses.mean_squared_error(readout(states[-1]), unseen[1])
    return penalties.adjoint_norms(loss, states), float(loss)


def measured(net):
    """‖λ_1‖/‖λ_T‖, and the loss."""
    norms, loss = norms_and_loss(net)
    return ratio_of(norms), loss


def ratio_of(norms):
    return norms[0] / norms[-1]


# %% [markdown]
# ## Eleven nets
#
# The patient is a recurrent layer of eight sigmoids, whose W keeps lengths. Its
# slopes are 1/4 at most, so of the adjoint at most 0.25^19 is left. Each other
# net changes one thing of it, or the cell. "4 W" starts with a W four times as large, to
# make up for the slope; "4 W, b" also with a b that holds every a near 0, where
# the slope *is* 1/4. Normalization is LayerNorm, over the units of an example;
# BatchNorm would need statistics of its own for every time step.


# %%
class NormedCell(SimpleRNNCell):
    """h_t = f(LayerNorm(W_x x_t + W_h h_{t−1} + b))."""

    def __init__(self, *sizes, **options):
        super().__init__(*sizes, **options)
        self.norm = LayerNorm(UNITS, dtype=np.float64)

    def step(self, driven, state, shared):
        h, (W_h_T,) = self.seen(state[0], shared)
        return (self.activated(self.norm(h @ W_h_T + driven)),)


def nets(seed):
    """Name -> a new recurrent layer, all from the same seed."""
    sizes, options = (1, UNITS), {"rng": seed, "dtype": np.float64}
    wide = initializers.orthogonal(4.0)
    sigmoid = (*sizes, mg.sigmoid)
    centered = SimpleRNN(*sigmoid, recurrent_initializer=wide, **options)
    half = np.full(UNITS, 0.5)  # σ(0): what the states are around
    centered.cell.b.value[...] = -centered.cell.W_h.value @ half
    return {
        "sigmoid": SimpleRNN(*sigmoid, **options),
        "start: 4 W": SimpleRNN(
            *sigmoid, recurrent_initializer=wide, **options
        ),
        "start: 4 W, b": centered,
        "tanh": SimpleRNN(*sizes, np.tanh, **options),
        "leaky ReLU": SimpleRNN(*sizes, mg.leaky_relu, **options),
        "ELU": SimpleRNN(*sizes, mg.elu, **options),
        "LayerNorm": Unrolled(NormedCell(*sigmoid, **options)),
        "clipping": SimpleRNN(*sigmoid, **options),
        "LSTM": LSTM(*sizes, **options),
        "GRU": GRU(*sizes, **options),
        "penalty G": SimpleRNN(*sigmoid, **options),
    }


def with_readout(layer):
    """The layer, and one number read from its last state."""
    return Sequential(layer, Dense(UNITS, 1, rng=12, dtype=np.float64))


norms = {
    name: norms_and_loss(with_readout(layer))[0]
    for name, layer in nets(2).items()
}
before = {name: ratio_of(each) for name, each in norms.items()}
for name, ratio in before.items():
    print(f"{name:13s} ‖λ_1‖/‖λ_T‖ = {ratio:.1e}")

# %% tags=["figure"] alt="Norms of the adjoints of four nets before training, over the time steps 1 to 20, on a logarithmic axis. All begin at 0.03 at step 20. At step 1 that of tanh is 0.006, of the GRU 0.00001, of leaky ReLU 0.000002; that of the sigmoid has fallen along a straight line by twelve powers of ten."
shown = "tanh", "GRU", "leaky ReLU", "sigmoid"
figures.adjoint_norms({name: norms[name] for name in shown})

# %% [markdown] tags=["predict"]
# ## Predict, then run
#
# At the start leaky ReLU lets 7 · 10^−5 through, the sigmoid net with penalty
# 8 · 10^−13, as the patient does. After 150 steps of training, who has learned?
#
# 1. leaky ReLU only: its adjoint is a hundred million times as large
# 2. the penalty only
# 3. both: a small adjoint makes learning slow, not impossible
# 4. neither


# %%
def train(name, layer, n=3000):
    """Train a new net on the first n sequences, once; n/20 steps."""
    net = with_readout(layer)
    u, y = examples
    fit(
        net,
        u[:n],
        y[:n],
        loss=losses.mean_squared_error,
        optimizer=Adam(net.parameters(), 0.02),
        epochs=1,
        batch_size=20,
        clip=1.0 if name == "clipping" else None,
        penalties=[penalties.Omega(0.3)] if name == "penalty G" else [],
        quiet=True,
    )
    return net


trained = {name: train(name, layer) for name, layer in nets(2).items()}
after = {name: measured(net) for name, net in trained.items()}
print("               ratio at start    after    loss")
for name, (ratio, loss) in after.items():
    print(f"{name:13s}  {before[name]:.1e}    {ratio:10.1e}   {loss:.3f}")

# %% tags=["figure"] alt="For each of eleven nets the gradient ratio at the start and after 150 steps, on a logarithmic axis. Centered 4 W, tanh, ELU, LSTM and GRU begin above 0.0001 and learn the task; the sigmoid net with the penalty moves from a million-millionth to about 1 and learns it; sigmoid, 4 W, leaky ReLU, LayerNorm and clipping do not learn it."
ax = figures.axes(
    size=(7.0, 3.2),
    xscale="log",
    xlim=(1e-20, 1e4),
    xlabel="‖λ_1‖/‖λ_T‖",
    title="Hollow: at the start. Filled: after 150 steps",
)
for place, name in enumerate(after):
    start, (end, loss) = before[name], after[name]
    color = "#0072b2" if loss < 0.1 else "#d55e00"
    ax.plot([start, end], [place, place], color=color, linewidth=1.5)
    ax.plot(start, place, "o", color=color, fillstyle="none")
    ax.plot(end, place, "o" if loss < 0.1 else "X", color=color)
    words = "learned" if loss < 0.1 else f"loss {loss:.2f}"
    ax.text(10, place, words, color=color, va="center")
ax.set_yticks(range(len(after)), list(after))
ax.invert_yaxis()
ax.figure

# %% [markdown] tags=["answer"]
# 2. G is made of ratios of neighbors: it pulls however small the adjoints are,
# and within 150 steps they arrive. Answer 1 takes the number at the start for
# that of the whole training; with leaky ReLU it falls, and nothing in the loss
# asks for more. Answer 3 forgets how slow: a step 10^−5 as long. Answer 4 looks
# at the first number of the net with G, which is the patient's: a penalty
# changes what training does, not the start.

# %% row="THY-18"
learned = {name for name, (_, loss) in after.items() if loss < 0.1}
alive = {"start: 4 W, b", "tanh", "ELU", "LSTM", "GRU"}
assert learned == alive | {"penalty G"}
assert all(after[name][1] > 0.8 for name in after if name not in learned)
assert before["sigmoid"] == before["clipping"] == before["penalty G"]
assert before["sigmoid"] <= 0.25 ** (T - 1)
assert all(before[name] > 1e-4 for name in alive)
assert after["penalty G"][0] > 1e10 * after["clipping"][0]

# %% [markdown]
# ## What 150 steps can show
#
# One task, one rate, one start, 3,000 sequences. That a net did not learn here
# does not say that it cannot. A start of 4 W alone fails, since states near 1/2
# push every a to where σ is flat. With LayerNorm the ratio begins ten thousand
# times as large, and training loses it. Clipping had nothing to clip.
#
# And one run is one run. With other sequences and other starts two nets
# change sides. G gets another start, too, and 400 steps:

# %%
examples = sequences(8000, T, np.random.default_rng(3))
again = {}
for name, seed, n in (
    ("start: 4 W, b", 4, 3000),
    ("leaky ReLU", 3, 3000),
    ("penalty G", 4, 8000),
):
    net = train(name, nets(seed)[name], n)
    ratio, loss = again[name, seed] = measured(net)
    print(f"{name:13s} start {seed}: ratio {ratio:.0e}, loss {loss:.2f}")

# %% [markdown]
# A start near 10^−4 goes either way, and a good ratio can be lost (4 W, b).
# What begins far below did not learn in 150 steps, unless G pulled.

# %% [markdown]
# ## A small ratio is no forgetting
#
# The LSTM above has learned, and its ratio *fell*, to a tenth of what it was. We
# look at all paths, and at c alone, as in
# [lesson 20](20_vanishing_exploding.py): `cut="h"` takes the others away.


# %%
def kept(view):
    """Curve -> its norm at the first step, divided by that at the last."""
    found = {}
    for run in view.runs:
        for curve in run.loops[0].curves:
            (_, last), *_, (_, first) = curve.reached()
            found[f"{run.title} {curve.label}".strip()] = first / last
    return found


few, _ = sequences(4, T, np.random.default_rng(9))
untrained = with_readout(nets(2)["LSTM"])
both = {
    "untrained": untrained(few).mean(),
    "trained": trained["LSTM"](few).mean(),
}
left = kept(mg.draw(both, view="time", cut="h"))
for name, share in left.items():
    print(f"{name}: {share:.0e}")

# %% [markdown]
# Along c alone twenty times as much is left as before. Yet, in this run, less is
# left in all. The trained cell holds its sign like a switch, and a
# little more or less at the first step does not move a switch. A small adjoint
# says that a small *change* of the input does not matter. Use the ratio to ask
# whether a net can begin to learn, not whether it has.

# %% [markdown] tags=["exercise"]
# ## Exercise 1: by hand
#
# A ratio r over T states: by which factor does the adjoint change per step
# back, on average?


# %% tags=["exercise"]
def per_step(r, T):
    return None


# %% tags=["solution"]
def per_step(r, T):
    return r ** (1 / (T - 1))


# %% tags=["check"]
x = [mg.Input([[1.0]])]
for _ in range(7):
    x.append(0.9 * x[-1])
first, *_, last = penalties.adjoint_norms(x[-1].sum(), x)
check.same(per_step(first / last, 8), 0.9, "per_step(first / last, 8)")

# %% [markdown] tags=["exercise"]
# ## Exercise 2: change it
#
# Inputs are tiny, so that a forget gate is σ(bias). With which bias is 0.9 of c
# left along c alone, over 49 steps back?

# %% tags=["exercise"]
bias = None  # yours

# %% tags=["solution"]
f = 0.9 ** (1 / 49)  # f^49 = 0.9
bias = np.log(f / (1 - f))  # σ(bias) = f

# %% tags=["check"]
unseen_noise = np.random.default_rng(0).normal(size=(4, 50, 3))
fine = 0.0 if bias is None else float(bias)
tiny = LSTM(3, 16, rng=0, dtype=np.float64, forget_bias=fine)
tiny_loss = (tiny(1e-6 * unseen_noise) ** 2).mean()
share = kept(mg.draw(tiny_loss, view="time", cut="h"))["c without h"]
yours = None if bias is None else share
check.same(yours, 0.9, "the share left with your bias", tolerance=1e-3)

# %% [markdown]
# ## What we claimed
#
# **A net learns what is far back if its adjoint gets there: by its start, its
# function, its gates, or by a penalty that asks for it.**
#
# * You know how to measure a gradient ratio, and that it says whether learning
#   can begin, not whether it has happened.
# * The trainings of this page ran as programs that the engine wrote:
#   [lesson 24](24_the_program_of_a_gradient.py).
# * Read: R. Jozefowicz, W. Zaremba and I. Sutskever, *An empirical exploration
#   of recurrent network architectures*, ICML 2015.

# %%
assert again["penalty G", 4][1] < 0.1
assert again["start: 4 W, b", 4][1] > 0.8 > again["leaky ReLU", 3][1]
assert after["LSTM"][1] < 0.1 and after["LSTM"][0] < before["LSTM"] / 5
assert left["trained c without h"] > 10 * left["untrained c without h"]
assert left["trained c"] < left["untrained c"] / 2
