# %% [markdown]
# # Three nets, their listings, and what they learn
#
# Courses print nets as a listing: a row per layer, its output shape, its number of parameters. In this lesson we build
# three such nets, account for every parameter, and train each one a little on real data. On the way we meet four errors
# that stand in many lecture notes, and see how to find each of them.
#
# A notebook shows the pictures, each below its cell. Run as a script, the lesson only prints: to see a picture, add
# `picture.save("picture.svg")` below the line that draws it, and open the file in a browser.

# %%
import numpy as np

import minigrad as mg
from minigrad.models import LSTM, Dense, Dropout, Sequential, SimpleRNN, datasets, losses
from minigrad.optim import SGD, Adam, fit

# %% [markdown]
# ## 22 parameters: a recurrent layer and a readout
#
# Three recurrent neurons read 200 time steps of 2 features, one linear unit answers at the end.

# %%
recurrent = Sequential(
    SimpleRNN(2, 3, mg.relu, rng=0),
    Dense(3, 1, rng=1),
)
recurrent.summary((200, 2))

# %% [markdown]
# Where do 18 parameters come from? Each neuron has a weight for each of the 2 inputs, one for each of the 3 states (its
# own included), and a bias: 3 · (2 + 3 + 1). The 200 is nowhere in it: all time steps share the same weights. The picture
# shows three of them. The inputs' part, by W_x, is computed for all steps at once; W_h leads from each state to the next.

# %%
u = mg.Input(np.array([[[0.2, 0.1], [0.5, 0.3], [0.9, 0.4]]], np.float32), name="u")
three_steps = recurrent(u)
picture = mg.draw(three_steps, direction="LR")
picture

# %% [markdown]
# ## Something to forecast
#
# Sunspots have been counted for 260 years; their number swings with a period of about 11 years. The net reads 200 months
# (two features: the number, and its change since the month before) and forecasts the number a year later. The last
# years are kept for testing. What must be beaten is the lazy forecast: a year from now it will be as it is now.

# %%
months, ahead = 200, 12
sunspots = datasets.sunspots(months + 1, horizon=ahead)


def two_features(windows):
    """Number and change, in hundreds of spots: (n, 201, 1) to (n, 200, 2)."""
    hundreds = windows / 100
    return np.concatenate([hundreds[:, 1:], np.diff(hundreds, axis=1)], axis=-1)


train_u, train_y = two_features(sunspots.train.inputs[::4]), sunspots.train.targets[::4] / 100  # they overlap
test_u, test_y = two_features(sunspots.test.inputs), sunspots.test.targets / 100


def typical_error(forecast):
    """The root of the mean squared error on the test years, in spots."""
    return 100 * float(np.sqrt(np.mean((forecast - test_y) ** 2)))


lazy = typical_error(test_u[:, -1, :1])
print("train", train_u.shape, "  test", test_u.shape, f"  the lazy forecast errs by {lazy:.1f} spots")

# %%
history = fit(
    recurrent, train_u, train_y, loss=losses.mean_squared_error, optimizer=Adam(recurrent.parameters(), 0.01),
    epochs=10, batch_size=64, clip=1.0, quiet=True,
)  # fmt: skip
by_recurrent = typical_error(recurrent(test_u).value)
print("loss per epoch:", np.round(history["loss"], 4), f"  the net errs by {by_recurrent:.1f} spots")

# %% [markdown]
# ## A name and a formula that do not fit
#
# How large is an error? A formula that one finds under the name *mean absolute error* is (1/m) Σ_i (Σ_j e_ij²)^½. With one
# output it is. With two it is not: for e = (3, 4) it gives 5, and the absolute errors are 7 in sum, 3.5 on average. It is
# a good loss, but another one, the mean Euclidean norm, with another gradient.

# %%
outputs = mg.Input([[3.0, 4.0]], name="outputs")
nothing = np.zeros((1, 2))
absolute = losses.mean_absolute_error(outputs, nothing, over_outputs="sum")
euclidean = losses.mean_euclidean_norm(outputs, nothing)
(slope_absolute,), (slope_euclidean,) = mg.gradients(absolute, [outputs]), mg.gradients(euclidean, [outputs])
print(
    f"absolute {float(absolute)}, slope {slope_absolute.value};  norm {float(euclidean)}, slope {slope_euclidean.value}"
)


# %% [markdown]
# Whoever codes the printed formula and trusts its name for the gradient gets this:


# %%
class MisnamedError(mg.Operation):
    """The mean Euclidean norm, with the gradient of the mean absolute error."""

    def fprop(self, e):
        return np.mean(np.sqrt(np.sum(e**2, axis=-1)))

    def bprop(self, adjoint):
        (e,) = self.children
        return adjoint * np.sign(e) / len(e)


def verdict(f, *arrays):
    """What the gradient check says; nothing where all is well."""
    try:
        mg.check_gradients(f, *arrays)
    except mg.GradientError as error:
        return str(error)
    return ""


misnamed = verdict(MisnamedError, np.array([[3.0, 4.0], [-1.0, 2.0]]))
print(misnamed)

# %% [markdown]
# ## 1,233 parameters: a memory
#
# Sixteen LSTM units in the place of three recurrent neurons. An LSTM has three gates and a candidate, each with weights
# for inputs and states, and a bias: 4 · 16 · (2 + 16 + 1) = 1216. The listing has relu as its activation.

# %%
relu_lstm = Sequential(
    LSTM(2, 16, mg.relu, rng=4),
    Dense(16, 1, rng=5),
)
relu_lstm.summary((200, 2))

# %% [markdown]
# Next to such a listing stands, as a rule, the drawing of an LSTM with tanh in two places. The listing's `relu` replaces
# *both*. Then nothing bounds the memory c any more: with its gates open, a unit can feed its own growth at every step. We
# look at it before any training.


# %%
def largest_memory(net):
    """The largest |c| among all units and test windows, every 40 months."""
    memories = [c for _, c in net[0].states(test_u).whole]
    return [float(np.abs(memories[t - 1].value).max()) for t in range(40, months + 1, 40)]


tanh_lstm = Sequential(
    LSTM(2, 16, np.tanh, rng=4),
    Dense(16, 1, rng=5),
)
memory_relu, memory_tanh = largest_memory(relu_lstm), largest_memory(tanh_lstm)
print("relu:", *[f"{c:10.3g}" for c in memory_relu])
print("tanh:", *[f"{c:10.3g}" for c in memory_tanh])

# %% [markdown]
# With relu the memory grows beyond a billion, and the gradients of 200 steps grow with it. (Not from every start: it takes
# one unit that feeds itself.) With tanh, the same 1,233 parameters learn.

# %%
history = fit(
    tanh_lstm, train_u, train_y, loss=losses.mean_squared_error, optimizer=Adam(tanh_lstm.parameters(), 0.02),
    epochs=3, batch_size=32, clip=1.0, quiet=True,
)  # fmt: skip
by_lstm = typical_error(tanh_lstm(test_u).value)
print(f"typical error in spots: lazy {lazy:.1f}, three neurons {by_recurrent:.1f}, LSTM {by_lstm:.1f}")

# %% [markdown]
# ## The slope of a gate
#
# A gate is a sigmoid, σ(z) = 1 / (1 + e^−z). Its derivative is e^−z / (1 + e^−z)², which is σ (1 − σ). A minus in front and
# the square lost behind make −e^−z / (1 + e^−z): a slip that survives copying, since it looks so likely.


# %%
class SlippedGate(mg.Elementwise):
    """y = σ(z), with −e^−z / (1 + e^−z) for its slope."""

    def fprop(self, z):
        return 1 / (1 + np.exp(-z))

    def bprop(self, adjoint):
        (z,) = self.children
        return adjoint * -np.exp(-z) / (1 + np.exp(-z))


slipped = verdict(SlippedGate, np.array([0.8]))
print(slipped)

# %% [markdown]
# ## 669,706 parameters: a classifier of digits
#
# The net every course begins with, for images of 28 by 28 pixels. Dropout has no parameters: in training it sets each
# unit to 0 with probability 0.2 and divides the others by 0.8, in evaluation it does nothing.

# %%
classifier = Sequential(
    Dense(784, 512, mg.relu, rng=0),
    Dropout(0.2, rng=1),
    Dense(512, 512, mg.relu, rng=2),
    Dropout(0.2, rng=3),
    Dense(512, 10, mg.softmax, rng=4),
)
classifier.summary((784,))

# %% [markdown]
# minigrad ships 1,797 real digits of 8 by 8 pixels. We enlarge each pixel to 3 by 3 and put a margin of 2 around. The net
# ends in a softmax, so it gives probabilities: the loss must be told, or it would take the softmax of a softmax.

# %%
digits = datasets.digits()


def enlarged(images):
    """(n, 64, 1) to (n, 784)."""
    large = np.kron(images.reshape(-1, 8, 8), np.ones((1, 3, 3), np.float32))
    return np.pad(large, ((0, 0), (2, 2), (2, 2))).reshape(-1, 784)


def loss_of_probabilities(probabilities, classes):
    """Cross-entropy of what is a distribution already."""
    return losses.cross_entropy(probabilities, classes, from_logits=False)


history = fit(
    classifier, enlarged(digits.train.inputs), digits.train.targets, loss=loss_of_probabilities,
    optimizer=SGD(classifier.parameters(), 0.1), epochs=5, batch_size=128, quiet=True,
)  # fmt: skip
classifier.eval()  # no dropout from here on
answers = classifier(enlarged(digits.test.inputs)).value.argmax(axis=1)
right = float(np.mean(answers == digits.test.targets))
print("loss per epoch:", np.round(history["loss"], 3), f"  right on new images: {right:.1%}")

# %% [markdown]
# ## Softmax works on rows, not on entries
#
# "The activation is applied entry by entry" is true of relu, tanh and sigmoid. Softmax divides by the sum over the
# *row*: raise one logit, and every probability moves. Its derivative is the matrix diag(f) − f f', and f (1 − f) is its
# diagonal only.


# %%
class SoftmaxByEntry(mg.Operation):
    """f = softmax(a), as if entry j of f depended on entry j of a alone."""

    def fprop(self, a):
        e = np.exp(a)
        return e / e.sum(axis=-1, keepdims=True)

    def bprop(self, adjoint):
        return adjoint * self * (1 - self)


by_entry = verdict(SoftmaxByEntry, np.array([[0.5, -1.0, 2.0]]))
print(by_entry)

# %% [markdown]
# The right matrix, by the engine and by the formula:

# %%
a = mg.Input([0.5, -1.0, 2.0], name="a")
f = mg.softmax(a)
matrix = mg.jacobian(f, a).value
on_paper = np.diag(f.value) - np.outer(f.value, f.value)
print(np.round(matrix, 4))

# %% [markdown]
# ## What we claimed

# %%
assert [net.n_parameters() for net in (recurrent, relu_lstm, tanh_lstm, classifier)] == [22, 1233, 1233, 669706]
assert [layer.n_parameters() for layer in classifier] == [401920, 0, 262656, 0, 5130]
assert by_lstm < by_recurrent < lazy
assert right > 0.9
assert memory_relu[-1] > 1e6
assert max(memory_tanh) < 1000
assert (float(absolute), float(euclidean)) == (7.0, 5.0)
assert slope_absolute.value.tolist() == [[1.0, 1.0]]
assert np.allclose(slope_euclidean.value, [[0.6, 0.8]])
assert "MisnamedError" in misnamed
assert "∂y[0]/∂z[0] is -0.310026 by bprop, but 0.21391" in slipped
assert "SoftmaxByEntry" in by_entry
assert not verdict(mg.sigmoid, np.array([0.8])) + verdict(mg.softmax, np.array([[0.5, -1.0, 2.0]]))
assert np.allclose(matrix, on_paper, atol=1e-12)
