"""Random functions of nodes: a list of small integers is read as instructions that each add a node to a pool.

Every list is a valid function (indices are taken modulo, shapes are made to fit), so hypothesis can shrink it. What is
built depends on the shapes and dtypes of the arguments only, never on their values.

`flat` graphs are directed acyclic graphs; `recurrent` ones repeat a list of instructions for every time step, in scopes
that say so, in one scope, or in none, where the compiler's stacks, chains and series come in.
"""

from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

import minigrad as mg

SHAPES = [(), (3,), (2, 3), (3, 3), (2, 1, 3), (1,), (0,), (2, 0), (4, 3, 2)]


def fits(a, b):
    """b in a shape that broadcasts with a's."""
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        return np.sum(b) * 0.5
    return b


def floating(x):
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def kept(x):
    """At least one entry on the last axis."""
    return x if x.ndim and x.shape[-1] else np.concatenate([np.ravel(x), np.ones(1)])


def axis(x, k):
    return k % x.ndim if x.ndim else None


def product(a, b):
    """A matrix product of two nodes, whatever their shapes."""
    if a.ndim and b.ndim and a.shape[-1] == b.shape[max(b.ndim - 2, 0)]:
        leading = a.shape[:-2], b.shape[:-2]
        if a.ndim < 3 or b.ndim < 3 or leading[0] == leading[1]:
            return a @ b
    return np.outer(a, np.sum(b, axis=0) if b.ndim else b)


def windows(x):
    image = np.sum(kept(x)) * np.arange(1.0, 17.0).astype(x.dtype).reshape(1, 4, 4, 1)
    kernel = np.cos(np.arange(8.0)).astype(x.dtype).reshape(2, 2, 2, 1)
    return mg.max_pool2d(np.tanh(mg.conv2d(image, mg.Constant(kernel))), 2)


UNARY = [
    lambda x, k: np.tanh(x),
    lambda x, k: mg.sigmoid(x),
    lambda x, k: mg.relu(x - 0.1),
    lambda x, k: mg.softplus(x),
    lambda x, k: np.exp(np.tanh(x)),
    lambda x, k: np.log(x**2 + 1.0),
    lambda x, k: np.sqrt(np.abs(x) + 0.5),
    lambda x, k: np.sin(x) ** 2,
    lambda x, k: -x,
    lambda x, k: x**2,
    lambda x, k: np.abs(x) * np.sign(x + 0.3),
    lambda x, k: 1.0 / (1.0 + np.square(x)),
    lambda x, k: np.clip(x, -0.5, 0.75),
    lambda x, k: x.sum(axis=axis(x, k)),
    lambda x, k: np.sum(x, axis=axis(x, k), keepdims=True),
    lambda x, k: np.sum(x),
    lambda x, k: np.mean(kept(x), axis=-1),
    lambda x, k: np.max(kept(x), axis=-1, keepdims=True),
    lambda x, k: np.min(kept(x)),
    lambda x, k: np.var(kept(x), axis=-1),
    lambda x, k: np.prod(np.cos(kept(x)), axis=-1),
    lambda x, k: mg.softmax(kept(x)),
    lambda x, k: mg.log_softmax(kept(x)),
    lambda x, k: np.exp(mg.log_softmax(kept(x))),
    lambda x, k: mg.logsumexp(kept(x), axis=-1),
    lambda x, k: np.cumsum(kept(x), axis=-1),
    lambda x, k: np.sort(kept(x)),
    lambda x, k: np.take_along_axis(kept(x), np.argsort(kept(x)), -1),
    lambda x, k: np.take_along_axis(kept(x), np.argmax(kept(x), axis=-1)[..., None], -1),
    lambda x, k: x.T,
    lambda x, k: x.T.T * 2.0,
    lambda x, k: np.transpose(x, np.roll(np.arange(x.ndim), k).tolist()) if x.ndim else x,
    lambda x, k: x.reshape(-1),
    lambda x, k: x.reshape(x.shape[::-1]),
    lambda x, k: x[None],
    lambda x, k: x[..., ::-1] if x.ndim else x,
    lambda x, k: kept(x)[..., k % kept(x).shape[-1]],
    lambda x, k: kept(x)[..., k % kept(x).shape[-1] :],
    lambda x, k: x[..., None],
    lambda x, k: np.broadcast_to(x, (2, *x.shape)) if x.ndim < 4 else x,
    lambda x, k: np.squeeze(x),
    lambda x, k: np.roll(x, k),
    lambda x, k: np.pad(x, 1) if x.ndim < 3 else x,
    lambda x, k: np.tile(x, 2) if x.size < 50 else x,
    lambda x, k: np.repeat(x, 2) if x.size < 50 else x,
    lambda x, k: np.diff(kept(x)),
    lambda x, k: mg.stop_gradient(x),
    lambda x, k: mg.scale_adjoint(x, -0.5),
    lambda x, k: mg.clip_adjoint(x, -0.1, 0.2),
    lambda x, k: x.astype(np.float32),
    lambda x, k: x.astype(np.float64),
    lambda x, k: np.floor(x * 2.0),
    lambda x, k: (x > 0.1).astype(x.dtype),
    lambda x, k: x * 1.0 + 0.0,
    lambda x, k: np.linalg.norm(kept(x) + 0.1, axis=-1),
    lambda x, k: windows(x),
]

BINARY = [
    lambda a, b, k: a + fits(a, b),
    lambda a, b, k: a - fits(a, b),
    lambda a, b, k: a * fits(a, b),
    lambda a, b, k: a / (np.square(fits(a, b)) + 1.0),
    lambda a, b, k: np.maximum(a, fits(a, b)),
    lambda a, b, k: np.minimum(a, fits(a, b)),
    lambda a, b, k: np.where(a > fits(a, b), a, fits(a, b)),
    lambda a, b, k: np.where(fits(a, b) > 0, a, 0.0),
    lambda a, b, k: np.logaddexp(a, fits(a, b)),
    lambda a, b, k: np.arctan2(a + 0.1, fits(a, b)),
    lambda a, b, k: np.power(np.abs(a) + 0.5, np.tanh(fits(a, b))),
    lambda a, b, k: np.concatenate([np.ravel(a), np.ravel(b)]),
    lambda a, b, k: np.stack(np.broadcast_arrays(a, fits(a, b)), axis=-1 - k % min(2, a.ndim + 1)),
    lambda a, b, k: np.stack([a, a * 2.0, a]),
    lambda a, b, k: np.concatenate([a, a + fits(a, b).sum()], axis=-1) if a.ndim else a,
    lambda a, b, k: product(a, b),
    lambda a, b, k: product(a.T, b),
    lambda a, b, k: product(a, b).T,
    lambda a, b, k: -a - -fits(a, b),
    lambda a, b, k: a * -fits(a, b),
    lambda a, b, k: np.einsum("...i,...i->...", a, a) if a.ndim else a * b.sum(),
]


def taken(x, arguments, k):
    """Parts of x that an argument chooses."""
    labels, mask = arguments
    x = np.ravel(kept(x))
    n = x.shape[0]
    return [
        lambda: x[labels % n],
        lambda: np.take(x, labels % n) * 2.0,
        lambda: np.where(mask[:, None], x, -x),
        lambda: np.stack([x, x * 2.0])[mask.astype(np.intp) % 2, labels % n],
        lambda: (np.arange(n) == labels[:, None]) * x,
        lambda: np.sum(np.where(mask[:, None], x[None, :], 0.25), axis=0),
        lambda: np.where(np.any(mask), x, x * 2.0),
        lambda: x[labels[0] % n] * np.tanh(x),
        lambda: x[: n - 1][-1:] * x[-n:][:1],
    ][k % 9]()


def instructed(pool, instructions, choices):
    """The pool with what the instructions make of it; each is (what, which, which other, how)."""
    for what, i, j, k in instructions:
        a, b = floating(pool[-1 - i % len(pool)]), floating(pool[-1 - j % len(pool)])
        number = what % (len(UNARY) + len(BINARY) + 3)
        if number < len(UNARY):
            node = UNARY[number](a, k)
        elif number < len(UNARY) + len(BINARY):
            node = BINARY[number - len(UNARY)](a, b, k)
        else:
            node = taken(a, choices, k)
        pool.append(np.sum(node, axis=0) if node.size > 300 or node.ndim > 4 else node)
    return pool


def measured(nodes):
    """A scalar that depends on every floating-point entry of the nodes."""
    return sum((np.sum(np.sin(node)) for node in nodes if node.dtype.kind == "f"), mg.Constant(0.0))


class Random(NamedTuple):
    """A function, the arguments of its calls, the parameters it uses, and how it is made again."""

    f: Any
    calls: list[Any]
    parameters: list[mg.Parameter]
    recipe: str

    def __repr__(self):
        return self.recipe


def with_gradients(pool, wanted, outputs, order):
    """Some of the pool's nodes, the loss, its gradients, and theirs, in a nest."""
    chosen = [pool[-1 - i % len(pool)] for i in outputs]
    loss = measured(chosen or pool[-1:])
    wanted = [node for node in wanted if node.dtype.kind == "f"]
    first = mg.gradients(loss, wanted) if order else ()
    second = mg.gradients(measured([g * 0.7 for g in first]), wanted) if order > 1 else ()
    return {"loss": loss, "outputs": (*chosen, None), "gradients": [first, [second]]}


def arguments(rng, shapes, dtypes, length=3):
    """Floating-point arrays, labels and a mask; those of another generator flip masks, arg maxima and labels."""
    arrays = [np.asarray(rng.normal(size=shape), dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
    return [*arrays, rng.integers(0, 20, length), rng.random(length) < 0.5]


def flat_graph(shapes, dtypes, program, outputs, order, seed):
    """A graph of the arguments, a parameter and a constant."""
    rng = np.random.default_rng(seed)
    W = mg.Parameter(np.asarray(rng.normal(size=(3, 2)), dtypes[0]), name="W")
    table = mg.Constant(rng.normal(size=3))

    def f(*nodes):
        *x, labels, mask = nodes
        pool = instructed([table, W, *x], program, (labels, mask))
        return with_gradients(pool, [W, *x], outputs, order)

    calls = [arguments(rng, shapes, dtypes) for _ in range(3)]
    return Random(f, calls, [W], f"flat_graph{shapes, dtypes, program, outputs, order, seed}")


SPELLINGS: list[Any] = [lambda t: mg.scope(f"t={t}"), lambda t: nullcontext(), lambda t: mg.scope("step")]


def recurrent_graph(steps, dtype, program, after, outputs, order, flags, seed):
    """h_t = tanh(what the instructions make of h_{t−1}, x_t and W), forward, backward, or in two layers."""
    rng = np.random.default_rng(seed)
    backward, again, stacked, at_once = flags
    W = mg.Parameter(np.asarray(rng.normal(size=(3, 3)) * 0.5, dtype), name="W")
    h0 = mg.Parameter(np.zeros((2, 3), dtype), name="h0")

    def layer(x, h, choices, extra, backward):
        states = []
        projected = x @ W if at_once else None
        for t in reversed(range(steps)) if backward else range(steps):
            with SPELLINGS[seed % len(SPELLINGS)](t):
                now = projected[t] if at_once else x[t] @ W
                *rest, last = instructed([W, now, h, now + h @ W], program, choices)
                h = np.tanh(now + h @ W.T + (last if last.shape == h.shape else np.mean(kept(last)))).astype(dtype)
                extra += [rest[-1], last]
                states.append(h)
        return states

    def f(x, labels, mask):
        extra: list[Any] = []
        with mg.scope("first"):
            states = layer(x, h0, (labels, mask), extra, backward)
        if again:
            with mg.scope("second"):
                states = layer(np.stack(states), states[-1] if stacked else h0, (labels, mask), extra, not backward)
        pool = [W, x, *extra[-3:], *states[-3:], np.stack(states), sum((np.square(h) for h in states), h0).sum()]
        pool = instructed(pool if stacked else [*states, *extra[:4]], after, (labels, mask))
        return with_gradients(pool, [W, h0, x], outputs, order)

    calls = [arguments(rng, [(steps, 2, 3)], [dtype]) for _ in range(3)]
    recipe = f"recurrent_graph{steps, dtype, program, after, outputs, order, flags, seed}"
    return Random(f, calls, [W, h0], recipe)


numbers = st.integers(0, 9)
instructions = st.tuples(st.integers(0, 999), numbers, numbers, numbers)
dtypes = st.sampled_from(["float64", "float32"])
which = st.integers(0, 14)
seeds = st.integers(0, 99)


@st.composite
def flat(draw):
    shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3))
    program = draw(st.lists(instructions, min_size=1, max_size=9))
    outputs = draw(st.lists(which, max_size=5))
    return flat_graph(shapes, [draw(dtypes) for _ in shapes], program, outputs, draw(st.integers(0, 2)), draw(seeds))


recurrent = st.builds(
    recurrent_graph,
    steps=st.integers(1, 5),
    dtype=dtypes,
    program=st.lists(instructions, min_size=1, max_size=6),
    after=st.lists(instructions, max_size=3),
    outputs=st.lists(which, max_size=4),
    order=st.integers(0, 2),
    flags=st.tuples(*[st.booleans()] * 4),
    seed=seeds,
)
