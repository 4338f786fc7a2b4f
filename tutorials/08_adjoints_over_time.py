# %% [markdown]
# # Adjoints over time: who carries the gradient, and where it dies
#
# A recurrent net learns what an early input has to do with a late answer only if an adjoint gets from the answer back
# to that input. In this lesson we draw it on its way: time grids of an LSTM and of plain recurrent nets, before and
# after training. We cut paths to see which of them carried it. Textbooks say that an LSTM's cell carries the
# gradient. We measure.
#
# A notebook shows the pictures, each below its cell. Run as a script, the lesson only prints: to see a picture, add
# `picture.save("picture.svg")` below the line that draws it, and open the file in a browser; its other pictures are
# `by_paths`, `pictures["tiny inputs"]`, `dead` and `compared`.

# %%
import numpy as np

import minigrad as mg
from minigrad.models import LSTM, Dense, Sequential, SimpleRNN, losses
from minigrad.optim import Adam, fit

# %% [markdown]
# ## One net, fifty steps
#
# Sixteen units read 50 steps of noise, and the loss is the mean square of the last state h_50. Nothing is trained
# yet.

# %%
T = 50
rng = np.random.default_rng(0)
noise = rng.normal(size=(4, T, 3))


def lstm_loss(seed, **options):
    """The mean square of the last state of a new LSTM."""
    layer = LSTM(3, 16, rng=seed, dtype=np.float64, **options)
    return (layer(mg.Input(noise, name="u")) ** 2).mean()


loss = lstm_loss(seed=0)
picture = mg.draw(loss, view="time")
print("\n".join(picture.text().splitlines()[:4]))
picture

# %% [markdown]
# How to read it. Time runs from left to right, adjoints from right to left. Each lane is a state or a gate; the color
# of a dot is the norm of its adjoint, and it fades into the page as that vanishes. A link has the color of the
# adjoint that is *sent* along it. The curves above say the same in numbers: in this net what arrives at c and at h
# fades at nearly the same pace. From step 50 to step 1 it loses two to three powers of ten, no more.
#
# Is it the cell c that carries it? Its lane has the strongest colors. But color does not attribute: it shows how much
# is there, not the way by which it came.

# %% [markdown]
# ## Cut a path
#
# `cut="h"` lets no adjoint pass from a step to the h of the step before. What is left at c went along c alone,
# through nothing but forget gates. `cut="c"` leaves only what went along h.


# %%
def kept(view):
    """curve -> its norm at the first step, divided by that at the last."""
    found = {}
    for run in view.runs:
        for curve in run.loops[0].curves:
            (_, last), *_, (_, first) = curve.reached()
            found[f"{run.title} {curve.label}".strip()] = first / last
    return found


for seed in (0, 1, 2):
    view = mg.draw(lstm_loss(seed), view="time", cut=("h", "c"))
    shares = kept(view)
    print(f"start {seed}:", {name: f"{share:.1e}" for name, share in shares.items()})
    assert 1e-3 < shares["h"] < shares["c"] < 1e-1
    assert 1e-8 < shares["c without h"] < 1e-5
    assert shares["h without c"] < 1e-28

by_paths = mg.draw(loss, view="time", cut=("h", "c"))
by_paths

# %% [markdown]
# That is not what one reads. Of an adjoint that keeps a hundredth of its norm over 50 steps, less than a
# ten-thousandth came along c alone. h alone carries nothing. What arrives has changed lanes many times: down from c
# to a gate, through W_h to the h of the step before, up to its c. There are 2^49 such ways and more, and in sum they
# win.

# %% [markdown]
# ## Along c alone: a product of forget gates
#
# c_t = f_t c_{t−1} + i_t g_t, so that what goes along c alone is multiplied by f_t at each step. We need no engine
# for that: the adjoint of c_50, times all forget gates, in NumPy.

# %%
nodes = mg.Graph(loss).nodes
gates = [node for node in nodes if node.name == "f"]
cells = [node for node in nodes if node.name == "c"]
(at_the_end,) = mg.gradients(loss, [cells[-1]])
product = np.prod([gate.value for gate in gates[1:]], axis=0)
by_hand = np.linalg.norm(at_the_end.value * product)
curves = {curve.label: curve for curve in by_paths.runs[0].loops[0].curves}
by_engine = dict(curves["c without h"].reached())[1]
print(f"along c alone, at step 1: {by_hand:.6e} by NumPy, {by_engine:.6e} by cut")
print(f"a gate is {np.mean([gate.value for gate in gates]):.3f} on average")

# %% [markdown]
# A forget gate starts near σ(1) = 0.73, since its bias starts at 1, and 0.73^49 is 2 · 10^−7. So how far c carries is
# a choice that is made at the start:

# %%
alone = {}
for bias in (0.0, 1.0, 3.0, 5.0):
    loss_of_bias = lstm_loss(seed=0, forget_bias=bias)
    shares = kept(mg.draw(loss_of_bias, view="time", cut="h"))
    alone[bias] = shares["c without h"]
    print(
        f"forget bias {bias}: σ = {1 / (1 + np.exp(-bias)):.3f}, "
        f"left of c {shares['c']:.1e}, along c alone {alone[bias]:.1e}"
    )

# %% [markdown]
# With a bias of 5 most of c gets through by itself. Nothing is free, though: all the other ways add up on top of it,
# and the adjoint that arrives at step 1 is *larger* than the one that left. It explodes.

# %% [markdown]
# ## A plain recurrent net: the spectral radius
#
# h_t = tanh(W_h h_{t−1} + W_x u_t + b): the way back multiplies by W_h transposed and by tanh' at every step. Where
# states are tiny tanh' is 1, and what is left is the spectral radius of W_h, its largest eigenvalue in absolute
# value.


# %%
def plain_loss(radius, size):
    """Of a recurrent layer with that radius, on noise of that size."""
    layer = SimpleRNN(3, 16, rng=0, dtype=np.float64)
    W = layer.cell.W_h.value
    W *= radius / np.abs(np.linalg.eigvals(W)).max()
    return (layer(mg.Input(size * noise, name="u")) ** 2).mean()


def per_step(view):
    """run -> the factor by which the adjoint changes per step back."""
    return {name.removesuffix(" h"): share ** (1 / (T - 1)) for name, share in kept(view).items()}


factors, pictures = {}, {}
for size, words in ((1e-6, "tiny inputs"), (1.0, "inputs of size 1")):
    runs = {f"radius {r}": plain_loss(r, size) for r in (0.8, 1.0, 1.25)}
    pictures[words] = mg.draw(runs, view="time", title=words)
    factors[words] = per_step(pictures[words])
    print(words, {name: round(factor, 3) for name, factor in factors[words].items()})
pictures["tiny inputs"]

# %% [markdown]
# With tiny inputs the factor is the radius: 0.8 vanishes, 1.25 explodes (its lanes turn violet). With inputs of size
# 1 all three vanish, also the last one, since tanh is flat where its argument is large: a radius above 1 is no
# promise.

# %% [markdown]
# ## A dead end
#
# Vanishing is gradual. There is a harder case: relu in the place of tanh, and one step at which no unit is active.

# %%
dying = SimpleRNN(3, 16, mg.relu, rng=0, dtype=np.float64)
dying.cell.W_x.value[...] = np.abs(dying.cell.W_x.value)
with_a_shock = np.abs(noise[:, :20])
with_a_shock[:, 11] = -20.0  # step 12
dead_loss = (dying(mg.Input(with_a_shock, name="u")) ** 2).mean()
dead = mg.draw(dead_loss, view="time")
norms = dict(dead.runs[0].loops[0].curves[0].reached())
print({t: f"{norms[t]:.1e}" for t in (20, 16, 13, 12, 11, 1)})
first_h, *_ = [node for node in mg.Graph(dead_loss).nodes if node.name == "h"]
print(mg.explain(first_h, dead_loss))
dead

# %% [markdown]
# Crosses: the adjoint is exactly 0 there, and no larger learning rate helps against that. The sentence names the rule
# that ended it: at step 12 an adjoint arrives, but the slope of relu is 0 for every unit. From steps 13 to 20 the
# parameters still learn, from steps 1 to 12 nothing.

# %% [markdown]
# ## After training
#
# Does training make adjoints reach further? The task: the first input is 1 or −1, then noise; at the end the net says
# which it was.


# %%
def sequences(n, generator):
    """(n, T, 1) inputs and (n, 1) signs."""
    signs = generator.choice([-1.0, 1.0], size=n)
    u = 0.3 * generator.normal(size=(n, T, 1))
    u[:, 0, 0] = signs
    return u, signs[:, None]


def remembering():
    """A new net, always the same one."""
    lstm = LSTM(1, 8, rng=2, dtype=np.float64)
    return Sequential(lstm, Dense(8, 1, rng=12, dtype=np.float64))


inputs, signs = sequences(1000, np.random.default_rng(1))
untrained, trained = remembering(), remembering()
history = fit(
    trained, inputs, signs, loss=losses.mean_squared_error, epochs=5, batch_size=20,
    optimizer=Adam(trained.parameters(), 0.02), clip=1.0, quiet=True,
)  # fmt: skip
few, _ = sequences(4, np.random.default_rng(9))
both = {"untrained": untrained(few).mean(), "trained": trained(few).mean()}
compared = mg.draw(both, view="time", cut="h")
left = kept(compared)
print("loss per epoch:", np.round(history["loss"], 4))
print(*[f"{name}: {share:.1e}" for name, share in left.items()], sep="\n")
compared

# %% [markdown]
# The net has learned to remember over 50 steps, and along c alone more is left than before. Yet *less* is left in
# all: the trained cell holds its sign like a switch, and a little more or less at the first step does not move a
# switch. A small adjoint says that a small change of the input does not matter. It does not say that the net forgot.
# In the middle more goes along c alone than arrives in all: the other ways cancel a part of it.

# %% [markdown]
# ## What we claimed

# %%
assert abs(by_hand - by_engine) < 1e-9 * by_engine
assert alone[0.0] < alone[1.0] < alone[3.0] < alone[5.0]
assert alone[1.0] < 1e-5
assert alone[5.0] > 0.1
for name, factor in factors["tiny inputs"].items():
    assert abs(factor - float(name.split()[-1])) < 0.01
assert all(factor < 0.95 for factor in factors["inputs of size 1"].values())
assert norms[12] > 0
assert [norms[t] for t in range(1, 12)] == [0.0] * 11
assert history["loss"][-1] < 0.1 < history["loss"][0]
assert left["trained c without h"] > 3 * left["untrained c without h"]
assert left["trained c"] < left["untrained c"] / 3
