# rows: WEX-14 VIS-15
# %% [markdown]
# # Gates: a memory that decides what to keep
#
# A recurrent net rewrites its whole state at every step; after fifty steps little of the first is left. Could it keep a
# number as it is until it is needed?
#
# You will read an LSTM and a GRU from their pictures, compute a step by hand, and say how long a gate remembers.
#
# Before: [lesson 19](19_unrolled_in_time.py) and [lesson 20](20_vanishing_exploding.py). A notebook shows the pictures;
# run as a script, the lesson prints, and `picture.save("picture.svg")` writes a picture.

# %% tags=["fold"]
import numpy as np

import check
import minigrad as mg
from minigrad.models import (
    GRU,
    LSTM,
    Dense,
    GRUCell,
    LSTMCell,
    Sequential,
    SimpleRNN,
    datasets,
    losses,
)
from minigrad.optim import Adam, figures, fit

# %% [markdown]
# ## See it
#
# A *gate* is a layer that ends in a sigmoid: numbers between 0 and 1, by which something is multiplied. 0 stops it, 1 lets
# it pass. An LSTM has three of them around a *memory* c, which runs along the top of the picture and meets no weights.

# %%
rng = np.random.default_rng(0)
u = mg.Input(rng.normal(size=(1, 200, 2)).astype(np.float32), name="u")
lstm = LSTM(2, 16, rng=4)

# %% tags=["figure"] row="VIS-15" alt="An LSTM cell. Along the top the memory c is multiplied by f and then i times g is added; it returns after a delay of one step. Below, four layers read h and u: f, i and o with a sigmoid, g with a tanh. The output h is o times tanh of c. No weight stands on the line of c."
picture = mg.draw((lstm(u) ** 2).sum(), view="cell")
assert "c_t = f_t × c_{t−1} + i_t × g_t" in picture.text()
assert "h_t = o_t × tanh(c_t)" in picture.text()
picture

# %% [markdown]
# f says what is kept of the memory, i what of the candidate g is written, o what of it is shown:
#
# $$c_t = f_t\, c_{t-1} + i_t\, g_t, \qquad h_t = o_t \tanh(c_t)$$
#
# The four yellow layers read u_t and h_{t−1} alike. Let $p$ be what they get of both: then f, i and o are σ(p), each with
# its own rows of the weights, and g is tanh(p).
#
# ## By hand and by engine


# %%
def sigma(z):
    return 1 / (1 + np.exp(-z))


cell = lstm.cell
c = h = np.zeros((1, 16), np.float32)
for t in range(200):
    p = u.value[:, t] @ cell.W_x.value.T + h @ cell.W_h.value.T + cell.b.value
    i, f, o = (sigma(p[:, k : k + 16]) for k in (0, 16, 32))
    c = f * c + i * np.tanh(p[:, 48:])
    h = o * np.tanh(c)
apart = np.abs(h - lstm(u).value).max()
print("200 steps by hand and by engine differ by less than", 1e-5)
assert apart < 1e-5

# %% [markdown]
# ## How long a gate remembers
#
# Along the memory, $\partial c_t / \partial c_{t-1} = f_t$: no matrix, no tanh. To see it alone, we take units whose weights
# are 0. Then f is σ(b_f) at every step, with b_f its bias.

# %% [markdown] tags=["predict"]
# ## Predict, then run
#
# A forget gate stands at 0.9 all the time. How much of the adjoint of c is left 50 steps earlier?
#
# 1. 0.9: the gate lets nine tenths pass.
# 2. All of it: along c there are no weights, so nothing vanishes.
# 3. Half a percent.


# %%
def remaining(biases, steps):
    """∂c_T/∂c_t for t = T, T − 1, ...: a column for each bias."""
    n = len(biases)
    units = LSTMCell(1, n, dtype=np.float64, rng=0)
    units.W_x.value[...] = units.W_h.value[...] = 0
    units.b.value[n : 2 * n] = biases  # rows: i, f, o, g
    state, memories = units.start(1), []
    for _ in range(steps + 1):
        state = units(np.ones((1, 1)), state)
        memories.append(state[1])
    slopes = mg.gradients(memories[-1].sum(), memories[::-1])
    return np.concatenate([slope.value for slope in slopes])


nine_tenths = float(np.log(9))  # sigma of it is 0.9
left = float(remaining([nine_tenths], 50)[-1, 0])
print(f"left after 50 steps: {left:.4f}, 0.9 to the power 50: {0.9**50:.4f}")

# %% [markdown] tags=["answer"]
# **3.** The factors multiply: 0.9 at each of 50 steps. The first answer forgets that the gate is passed at every step. The
# second is a legend of LSTMs: c meets no weights on its way, but it meets gates, and only gates near 1 remember long.

# %% tags=["figure"] alt="What is left of the adjoint of c over 50 steps back, four straight lines on a logarithmic axis: with bias 0 it falls below 1e-14, with bias 1 to 1e-7, with bias 2 to two thousandths, with bias 5 it stays at seven tenths."
biases = [5, 2, 1, 0]
names = [f"b_f = {b}" for b in biases]
curves = remaining(biases, 50).T
figures.lines(
    dict(zip(names, curves, strict=True)),
    xlabel="steps back",
    ylabel="left of the adjoint of c",
    yscale="log",
    ends=True,
)

# %% [markdown]
# A new LSTM starts at b_f = 1, so that it does not forget all at once; training moves b_f to where the task needs it. With
# weights that are not 0 there are other ways back, through h and the gates; [lesson 20](20_vanishing_exploding.py)
# measures what comes along which.
#
# ## The listing
#
# Four layers, each with weights for 2 inputs and 16 states and a bias: 4 · 16 · (2 + 16 + 1) = 1216.

# %%
relu_lstm = Sequential(
    LSTM(2, 16, mg.relu, rng=4),
    Dense(16, 1, rng=5),
)
listing = relu_lstm.summary((200, 2))

# %% row="WEX-14"
assert listing == (
    'Model: "sequential"\n'
    "Layer (type)     Output Shape  Param #\n"
    "======================================\n"
    "lstm_1 (LSTM)    (None, 16)       1216\n"
    "dense_1 (Dense)  (None, 1)          17\n"
    "======================================\n"
    "Total params: 1,233\n"
    "Trainable params: 1,233\n"
    "Non-trainable params: 0"
)
assert [layer.n_parameters() for layer in relu_lstm] == [1216, 17]

# %% [markdown]
# ## Where it breaks: relu
#
# Listings of courses often say `activation="relu"`, and print next to it a cell with two tanh. That relu replaces *both*.
# Then nothing bounds the memory any more. We let two nets, untrained, read 200 months of sunspots.

# %%
tanh_lstm = Sequential(
    LSTM(2, 16, np.tanh, rng=4),
    Dense(16, 1, rng=5),
)


def with_change(windows):
    """Number and change, in hundreds of spots: (n, 200, 2)."""
    change = np.diff(windows, axis=1, prepend=windows[:, :1])
    return np.concatenate([windows, change], axis=-1) / 100


def largest_memory(net, windows):
    """The largest |c| among all units and windows, by month."""
    states = net[0].states(with_change(windows)).whole
    return np.array([float(np.abs(c.value).max()) for _, c in states])


sunspots = datasets.sunspots(200, horizon=12)
tests, truth = sunspots.test.inputs, sunspots.test.targets
nets = {"relu": relu_lstm, "tanh": tanh_lstm}
memory = {name: largest_memory(net, tests) for name, net in nets.items()}
slope = {}
for name, net in nets.items():
    few = net(with_change(tests[:20]))
    loss = losses.mean_squared_error(few, truth[:20] / 100)
    by_weight = mg.gradients(loss, net.parameters())
    slope[name] = max(float(np.abs(g.value).max()) for g in by_weight)
    print(f"{name}: |c| to {memory[name][-1]:.0e}, slopes to {slope[name]:.0e}")

# %% tags=["figure"] alt="The largest memory over 200 months on a logarithmic axis. With relu it grows along a straight line beyond a billion, with tanh it stays below four."
figures.lines(memory, xlabel="month", ylabel="largest |c|", yscale="log")

# %% [markdown]
# Symptom: a loss and slopes beyond all measure at the first step. Not from every start: it takes one unit that feeds itself.
# With tanh the same 1,233 parameters learn to forecast the number of spots 12 months later:


# %%
def trained(net, rate, epochs, batch_size):
    """A net after some epochs on every fourth window (they overlap)."""
    windows, later = sunspots.train.inputs[::4], sunspots.train.targets[::4]
    fit(
        net, with_change(windows), later / 100, loss=losses.mean_squared_error,
        optimizer=Adam(net.parameters(), rate), epochs=epochs,
        batch_size=batch_size, clip=1.0, quiet=True,
    )  # fmt: skip
    return net


neurons = Sequential(SimpleRNN(2, 3, mg.relu, rng=0), Dense(3, 1, rng=1))
forecasts = {
    "as it is now": tests[:, -1],
    "3 neurons": 100 * trained(neurons, 0.01, 10, 64)(with_change(tests)).value,
    "16 units": 100 * trained(tanh_lstm, 0.02, 3, 32)(with_change(tests)).value,
}
errors = {
    name: float(np.sqrt(np.mean((y - truth) ** 2)))
    for name, y in forecasts.items()
}
print("typical error in spots:", {k: round(v) for k, v in errors.items()})

# %% [markdown]
# ## Two gates do: the GRU
#
# A GRU has no memory beside its state. One gate, z, says how much of the state is new; the other, r, how much of the old
# one the candidate g sees:
#
# $$h_t = (1 - z_t)\, h_{t-1} + z_t\, g_t.$$

# %% tags=["figure"] row="VIS-15" alt="A GRU cell. The state h runs along and is joined by z times the difference of the candidate g and h. Three layers: r and z with a sigmoid, g with a tanh, which reads r times h. There is no second line of memory."
gru = GRU(2, 16, rng=0)  # one bias per gate
picture = mg.draw((gru(u) ** 2).sum(), view="cell")
assert "h_t = h_{t−1} + z_t × (g_t − h_{t−1})" in picture.text()
picture

# %% [markdown]
# The picture computes the same as $h_{t-1} + z_t (g_t - h_{t-1})$. Elsewhere z *keeps*: $h_t = z_t h_{t-1} + (1 - z_t) g_t$.
# It is the same net with z and 1 − z exchanged; weights brought from one to the other need a minus in the rows of z. Three layers: 3 · 16 ·
# (2 + 16) = 864 weights; with a bias each 912 parameters, with two as in PyTorch 960.

# %%
counts = [GRU(2, 16, biases=n).n_parameters() for n in (0, 1, 2)]
print("parameters with no bias, one, two:", counts)
keeps = GRU(2, 16, convention="keep", rng=0)  # the same weights
wrong = np.abs(keeps(u).value - gru(u).value).max()
for weights in keeps.parameters():
    weights.value[:16] *= -1  # the rows of z: σ(−p) = 1 − σ(p)
mended = np.abs(keeps(u).value - gru(u).value).max()
print(f"z keeps: off by {wrong:.2f}; with z's weights negated {mended:.4f}")

# %% [markdown] tags=["exercise"]
# ## Exercise 1: by hand
#
# Write `gru_step(h, p_z, p_g)`: the next state of a GRU unit. `sigma` is above.


# %% tags=["exercise"]
def gru_step(h, p_z, p_g):
    return None


# %% tags=["solution"]
def gru_step(h, p_z, p_g):
    z, g = sigma(p_z), np.tanh(p_g)
    return (1 - z) * h + z * g


# %% tags=["check"]
unit = GRUCell(1, 1, dtype=np.float64, rng=0)
for weights, value in ((unit.W_x, 0), (unit.W_h, 0), (unit.b, [2, 0, 0.3])):
    weights.value[...] = value  # b: of z, r, g
(next_h,) = unit(np.ones((1, 1)), (np.full((1, 1), 0.7),))
check.same(gru_step(0.7, 2, 0.3), next_h.value[0, 0], "gru_step(0.7, 2, 0.3)")

# %% [markdown] tags=["exercise"]
# ## Exercise 2: change it
#
# What is the smallest whole number b_f with which half of the adjoint of c is left after 100 steps?

# %% tags=["exercise"]
b_f = None  # yours

# %% tags=["solution"]
b_f = 5  # 0.5 ** 0.01 = 0.9931 = sigma(4.97)

# %% tags=["check"]
after_100 = remaining(range(9), 100)[-1]
check.same(b_f, int(np.argmax(after_100 >= 0.5)), "b_f")

# %% [markdown] tags=["exercise"]
# ## Exercise 3: break it
#
# Three slopes, as they stand in notes: *a*, of a gate, σ (1 − σ); *b*, of a gate, −e^−z / (1 + e^−z); *c*, of a softmax, entry
# by entry, f (1 − f). Which are right?


# %%
class B(mg.Elementwise):
    def fprop(self, z):
        return 1 / (1 + np.exp(-z))

    def bprop(self, adjoint):
        (z,) = self.children
        return adjoint * -np.exp(-z) / (1 + np.exp(-z))


class C(mg.Operation):
    def fprop(self, z):
        return np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)

    def bprop(self, adjoint):
        return adjoint * self * (1 - self)


def verdict(f, *z):
    """What the gradient check says; nothing where all is well."""
    try:
        mg.check_gradients(f, np.array(z))
    except mg.GradientError as error:
        return str(error)
    return ""


# %% tags=["exercise"]
right = None  # yours, as "ab"

# %% tags=["solution"]
right = "a"

# %% tags=["check"]
of_b, of_c = verdict(B, 0.8), verdict(C, 0.5, -1.0, 2.0)
said = {"a": verdict(mg.sigmoid, 0.8), "b": of_b, "c": of_c}
check.same(right, "".join(k for k, wrong in said.items() if not wrong), "right")

# %% [markdown]
# *b* lost a square, and a minus stayed: σ′ = e^−z / (1 + e^−z)². *c* holds for a gate, where an entry depends on its own z
# alone. A softmax divides by a sum over the row: its derivative is a matrix, diag(f) − f fᵀ, and *c* is its diagonal.

# %%
z = mg.Input([0.5, -1.0, 2.0], name="z")
f = mg.softmax(z)
matrix = mg.jacobian(f, z).value
on_paper = np.diag(f.value) - np.outer(f.value, f.value)
print(np.round(matrix, 4))
print(of_b.splitlines()[1])

# %% [markdown]
# ## What we claimed
#
# **Along a memory the adjoint is multiplied by gates alone; gates near 1 remember.**
#
# * You know how to read an LSTM and a GRU, and count their parameters.
# * It comes back in [lesson 23](23_remedies_on_one_task.py), against other remedies.
# * Read: S. Hochreiter and J. Schmidhuber, *Long short-term memory*, Neural Computation 9, 1997.

# %%
assert abs(left - 0.9**50) < 1e-12
assert np.allclose(curves[:2, -1], [0.715, 0.002], atol=0.001)
assert memory["relu"][-1] > 1e6 and slope["relu"] > 1e6
assert memory["tanh"].max() < 10 and slope["tanh"] < 10
assert errors["16 units"] < errors["3 neurons"] < errors["as it is now"]
assert [net.n_parameters() for net in nets.values()] == [1233, 1233]
assert mended < 1e-5 and wrong > 0.01
assert np.all(cell.b.value[16:32] == 1)
assert counts == [864, 912, 960] and gru.n_parameters() == 912
assert "∂y[0]/∂z[0] is -0.310026 by bprop, but 0.21391" in of_b
assert of_c and not said["a"] + verdict(mg.softmax, 0.5, -1.0, 2.0)
assert np.allclose(matrix, on_paper, atol=1e-12)
