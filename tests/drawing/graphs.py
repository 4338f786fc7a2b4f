"""Graphs to draw."""

import contextlib
import random

import numpy as np

import minigrad as mg
from minigrad.models import GRU, LSTM, Conv2D, Dense, Flatten, MaxPool2D, Sequential, SimpleRNN, losses
from minigrad.optim.experiments import example_graphs


def net_2_2_1():
    """The 2-2-1 net of the notes with tanh, x = (1, 2), y = 1; its loss and its nine weights."""
    loss = example_graphs.net()
    return loss, list(mg.Graph(loss).parameters)


def expression():
    """The expression of micrograd's README, with the gradients 138.8338 and 645.5773."""
    g = example_graphs.micrograd()
    return g, list(mg.Graph(g).parameters)


def recurrent(length=3, units=4):
    """An unrolled recurrent net with a scope for each time step; its loss, its parameters, its states."""
    rng = np.random.default_rng(0)
    W = mg.Parameter(rng.normal(size=(units, units)) * 0.5, name="W")
    R = mg.Parameter(rng.normal(size=(units, 2)), name="R")
    b = mg.Parameter(np.zeros(units), name="b")
    V = mg.Parameter(rng.normal(size=(2, units)), name="V")
    state, states = mg.Constant(np.zeros((5, units))), []
    for t in range(1, length + 1):
        u = mg.Input(rng.normal(size=(5, 2)), name=f"u_{t}")
        with mg.scope("rnn"), mg.scope(f"t={t}"):
            state = np.tanh(state @ W.T + u @ R.T + b)
            state.name = f"x_{t}"
        states.append(state)
    with mg.scope("loss"):
        loss = ((state @ V.T - mg.Input(rng.normal(size=(5, 2)), name="target")) ** 2).mean()
    return loss, [W, R, b, V], states


def penalized():
    """The gradient of a loss with a penalty on its adjoints: adjoints of adjoints."""
    loss, parameters, states = recurrent()
    adjoints = mg.gradients(loss, states)
    with mg.scope("penalty"):
        penalty = sum((adjoint * adjoint).sum() for adjoint in adjoints)
    return mg.gradients(loss + 0.3 * penalty, parameters)


def odd():
    """Empty, 0-d, boolean, integer and non-finite values, hostile names, a hostile scope."""
    hostile = "<script>alert(1)</script> & \"quotes\" 'n' \\n \\\n\t\x00\x1b[31m \ud800 \u202e é 漢字 🦊 ]]>"
    with mg.scope('<b>"scope" \\ & \n</b>/'), np.errstate(all="ignore"):
        x = mg.Input([1.0, np.nan, np.inf, -np.inf, 2.0, 3.0], name=hostile)
        nodes = [x * 2, x > 1, mg.Input(np.zeros((0, 3)), name="empty") + 1, mg.Input(3) * 2]
        nodes += [mg.Input(True), mg.Input([np.nan] * 9), mg.Input(np.zeros((1, 1, 1))), mg.Input([True, False] * 9)]
        nodes += [mg.Input([7e307] * 9), mg.Input(np.arange(12).reshape(3, 4)), mg.Input(np.float32(0.1))]
    return nodes


def scoped():
    """Two nodes in a scope, and one behind it."""
    with mg.scope("scope"):
        x = mg.Input([1.0, 2.0], name="x")
        y = np.exp(x) - x
    return y.sum()


def layer(cell, length, gradient=False, **options):
    """A recurrent layer of the models over a sequence, and the mean square of its last state."""
    rng = np.random.default_rng(0)
    net = cell(3, 4, rng=0, dtype=np.float64, **options)
    loss = (net(mg.Input(rng.normal(size=(2, length, 3)), name="u")) ** 2).mean()
    return mg.gradients(loss, mg.Graph(loss).parameters) if gradient else loss


def by_hand(length=6, lag=1, losses=False, scoped=True):
    """A recurrent net in a loop: of the state `lag` steps ago too, with a loss at every step, with steps that are named or not."""
    rng = np.random.default_rng(0)
    W, V = (mg.Parameter(rng.normal(size=(3, 3)) * 0.5, name=name) for name in "WV")
    u = mg.Input(rng.normal(size=(length, 3)), name="u")
    states = [mg.Constant(np.zeros(3)) for _ in range(lag)]
    total = 0.0
    for t in range(length):
        with mg.scope(f"t={t + 1}") if scoped else contextlib.nullcontext():
            state = np.tanh(W @ states[-1] + u[t])
            if lag > 1:
                state = state + V @ states[-lag]
        states.append(state)
        if losses:
            total = total + (state**2).sum()
    return total if losses else (states[-1] ** 2).sum()


def two_layers(length=5):
    """Two recurrent nets on top of each other, their steps by turns."""
    rng = np.random.default_rng(0)
    W, V, R = (mg.Parameter(rng.normal(size=(3, 3)) * 0.5, name=name) for name in "WVR")
    x = y = mg.Constant(np.zeros(3))
    for t in range(1, length + 1):
        with mg.scope("lower"), mg.scope(f"t={t}"):
            x = np.tanh(W @ x + mg.Input(rng.normal(size=3), name=f"u_{t}"))
        with mg.scope("upper"), mg.scope(f"t={t}"):
            y = np.tanh(V @ y + R @ x)
    return (y**2).sum()


def to_and_fro(length=4):
    """Two nets whose steps read each other, in a scope that is left and entered again."""
    x = y = mg.Input(1.0, name="x")
    for t in range(1, length + 1):
        with mg.scope(f"there/t={t}"):
            x = np.sin(x) * y
        with mg.scope(f"back/t={t}"):
            y = np.cos(y) + x
    return x * y


def unlike(length=6):
    """Steps of unlike structure: every other one has an operation more."""
    x = mg.Input(1.0, name="x")
    for t in range(1, length + 1):
        with mg.scope(f"t={t}"):
            x = np.tanh(x)
            if t % 2:
                x = np.sin(x) * x
    return x


def crossed():
    """Two scopes that read each other."""
    with mg.scope("a"):
        x = np.sin(mg.Input(1.0, name="x"))
    with mg.scope("b"):
        y = np.cos(x) + 1
    with mg.scope("a"):
        z = x * y
    with mg.scope("b"):
        return np.exp(z) - y


def classifier(kind="dense"):
    """A net that tells classes apart, and its loss."""
    rng = np.random.default_rng(0)
    options = {"rng": 0, "dtype": np.float64}
    if kind == "dense":
        net = Sequential(Dense(3, 4, activation=mg.relu, **options), Dense(4, 2, **options))
        x = mg.Input(rng.normal(size=(5, 3)), name="x")
    else:
        net = Sequential(Conv2D(1, 2, 3, **options), MaxPool2D(2), Flatten(), Dense(8, 2, **options))
        x = mg.Input(rng.normal(size=(5, 6, 6, 1)), name="x")
    return losses.cross_entropy(net(x), np.array([0, 1, 1, 0, 1]))


def attention():
    """Dot products of queries and keys, softmax, a sum of values; and the way around them."""
    rng = np.random.default_rng(0)
    x = mg.Input(rng.normal(size=(4, 3)), name="x")
    q, k, v = (x @ mg.Parameter(rng.normal(size=(3, 3)), name=name) for name in ("Q", "K", "V"))
    return ((x + mg.softmax(q @ k.T / 3**0.5, axis=-1) @ v) ** 2).mean()


def masked():
    """A recurrent layer over sequences of unequal length, and a branch chosen entry by entry."""
    rng = np.random.default_rng(0)
    u = mg.Input(rng.normal(size=(2, 4, 3)), name="u")
    h = GRU(3, 2, rng=0, dtype=np.float64)(u, mask=np.arange(4) < [[4], [2]])
    return np.where(h > 0, np.sqrt(np.abs(h)), h**3).sum()


def second_order():
    """The product of a Hessian with a vector: a gradient of a gradient."""
    rng = np.random.default_rng(0)
    W = mg.Parameter(rng.normal(size=(2, 3)), name="W")
    loss = (np.tanh(W @ mg.Input(rng.normal(size=3), name="x")) ** 2).sum()
    return mg.hessian_vector_product(loss, W, rng.normal(size=(2, 3)))


def attributes():
    """Operations with attributes of every kind: strides and margins, slices, axes, orders, letters, a dtype."""
    rng = np.random.default_rng(0)
    x = mg.Input(rng.normal(size=(1, 5, 6, 2)), name="image")
    K = mg.Parameter(rng.normal(size=(3, 2, 2, 2)), name="K")
    y = mg.conv2d(x, K, stride=(2, 1), padding="same")
    z = np.einsum("bijc,cd->bdij", y[:, ::-1, 1:-1:2], mg.Parameter(rng.normal(size=(3, 2)), name="P"))
    w = np.transpose(np.pad(z, ((0, 0), (0, 0), (1, 0), (0, 2)), mode="edge"), (0, 2, 3, 1))[..., np.newaxis, [1, 0]]
    return (
        np.linalg.norm(np.cumsum(w, axis=2).mean(axis=(1, 2), keepdims=True), ord=2, axis=-1).astype(np.float32).max()
    )


def scalars():
    """Numbers of 0 dimensions, and all rules with words: a tie, a clip, a power, a stop."""
    a, b = mg.Parameter(2.0, name="a"), mg.Parameter(-1.5, name="b")
    return np.maximum(a, 2.0) * np.clip(b, -1, 1) + mg.stop_gradient(a) ** b - np.hypot(a, b) / 3


def doubled(times=16):
    """y = y + y."""
    y = mg.Input(1.0, name="y")
    for _ in range(times):
        y = y + y
    return y


def chain(length=5000, *functions):
    """Operations of one operand, one after another."""
    x = mg.Input(1.0, name="x")
    for i in range(length):
        x = (functions or (np.sin,))[i % max(1, len(functions))](x)
    return x


def fan(width=12):
    """One node that many read, and one that reads many."""
    x = mg.Input(2.0, name="x")
    y = np.exp(x)
    return sum([np.sin(y * k) for k in range(1, width)], start=y)


def random_graph(seed):
    """Scopes entered again and again, a loop of a few states, far references, at times the gradient too."""
    r = random.Random(seed)
    nodes = [mg.Parameter(r.random(), name=f"p{i}") for i in range(3)]
    nodes += [mg.Input(r.random(), name=f"x{i}") for i in range(2)]
    functions = (lambda u, v: np.sin(u), lambda u, v: u * v, lambda u, v: u + v, lambda u, v: np.tanh(u - v))
    body = [(r.choice(functions), r.random(), r.random()) for _ in range(r.randrange(1, 8))]
    states = [r.choice(nodes) for _ in range(r.randrange(1, 4))]
    for t in range(r.randrange(9)):
        with mg.scope(f"net/t={t}"):
            values = [*states, *nodes[:3]]
            for function, a, b in body:
                values.append(function(values[int(a * len(values))], values[int(b * len(values))]))
            states = [values[-1 - i % len(body)] for i in range(len(states))]
    nodes += states
    for _ in range(r.choice((5, 20, 60))):
        with mg.scope(r.choice(("a", "b", "a/c", "b/d"))) if r.random() < 0.5 else contextlib.nullcontext():
            nodes.append(r.choice(functions)(r.choice(nodes[-12:]), r.choice(nodes)))
    output = nodes[-1] + nodes[-2]
    leaves = mg.Graph(output).parameters
    return [output, *mg.gradients(output, leaves)] if leaves and r.random() < 0.4 else output


GRAPHS = {
    "one leaf": lambda: mg.Input(1.0, name="x"),
    "2-2-1": lambda: net_2_2_1()[0],
    "2-2-1 gradient": lambda: mg.gradients(*net_2_2_1()),
    "expression": lambda: expression()[0],
    "recurrent": lambda: recurrent()[0],
    "recurrent gradient": lambda: mg.gradients(*recurrent()[:2]),
    "penalized": penalized,
    "odd": odd,
}
STEPS = {
    "recurrent 20": lambda: recurrent(20)[0],
    "recurrent 20 gradient": lambda: mg.gradients(*recurrent(20)[:2]),
    "LSTM 3": lambda: layer(LSTM, 3),
    "LSTM 20": lambda: layer(LSTM, 20),
    "LSTM 4 gradient": lambda: layer(LSTM, 4, gradient=True),
    "GRU 20": lambda: layer(GRU, 20),
    "GRU 4 gradient": lambda: layer(GRU, 4, gradient=True),
    "SimpleRNN 20": lambda: layer(SimpleRNN, 20),
    "SimpleRNN 4 gradient": lambda: layer(SimpleRNN, 4, gradient=True),
    "all states": lambda: layer(LSTM, 6, sequences=True),
    "a loop": by_hand,
    "a loop with losses": lambda: by_hand(losses=True),
    "a loop with a lag": lambda: by_hand(lag=2),
    "two layers": two_layers,
    "a loop without names": lambda: by_hand(scoped=False),
}
OTHERS = {
    "unlike steps": unlike,
    "to and fro": to_and_fro,
    "crossed scopes": crossed,
    "classifier": classifier,
    "images": lambda: classifier("images"),
    "attention": attention,
    "masked": masked,
    "second order": second_order,
    "attributes": attributes,
    "scalars": scalars,
    "doubled": doubled,
    "chain": lambda: chain(60),
    "fan": fan,
}
ALL = {**GRAPHS, **STEPS, **OTHERS}


def residual(sums, steps=13):
    """A loop whose step is a row of residual sums, h = h + f(h)."""
    h, w = mg.Input(0.3, name="h"), mg.Parameter(0.1, name="w")
    for _ in range(steps):
        h = np.tanh(w * h)
        for k in range(sums):
            h = h + (np.sin, np.cos, np.arctan)[k % 3](h)
    return h


def woven(parts=16, steps=4):
    """A loop whose step has parts that read all parts before."""
    h, w = mg.Input(0.3, name="h"), mg.Parameter(0.1, name="w")
    for _ in range(steps):
        found = [np.tanh(w * h)]
        for _ in range(parts):
            found.append(np.stack(found).sum())
        h = found[-1]
    return h
