"""States that programs write in place: where they do, that nobody sees it, and that a call that fails leaves them alone."""

import numpy as np
import pytest

import minigrad as mg

LARGE = (16, 1 << 14)  # computed block by block


def state(shape=(2, 2), name="", seed=0, dtype=np.float64):
    return mg.Parameter(np.random.default_rng(seed).normal(size=shape).astype(dtype), name, trainable=False)


def assert_as_nodes(make, *calls, n_in_place=None, **options):
    """Compiled calls give and leave what nodes do. make(): the function, and the states it writes

    calls: functions of the states that give the arguments
    """
    (f, states), (g, twins) = make(), make()
    step = mg.compile(f, **options)
    for call in calls:
        found = step(*call(states))
        expected = g(*[mg.Input(x) for x in call(twins)])
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b.value, rtol=1e-12, atol=1e-12)
        for a, b in zip(states, twins, strict=True):
            np.testing.assert_allclose(a.value, b.value, rtol=1e-12, atol=1e-12)
    if n_in_place is not None:
        assert len(states) - step.source.count("copyto(") == n_in_place, step.source
    return step


def moments(shape, dtype=np.float64):
    """Adam's states."""
    m, v, w = states = [state(shape, name, seed, dtype) for seed, name in enumerate("mvw")]
    v.value = v.value**2

    def f(g):
        new_m = 0.9 * m + 0.1 * g
        new_v = 0.99 * v + 0.01 * g**2
        mg.update(m, new_m)
        mg.update(v, new_v)
        mg.update(w, w - 0.1 * new_m / (np.sqrt(new_v) + 1e-7) - 0.01 * g)
        return (g * 2.0,)

    return f, states


@pytest.mark.parametrize("shape", [(5,), (3, 4), (), LARGE])
def test_an_update_writes_where_the_state_lies(shape):
    def gradient(seed):
        return lambda states: [np.random.default_rng(seed).normal(size=shape)]

    step = assert_as_nodes(lambda: moments(shape), *map(gradient, range(4)), n_in_place=3)
    assert "empty(" not in step.source.partition("def program")[2].replace("= empty", "", 1)  # but for the output


def test_an_update_in_a_compiled_loop(with_numba):
    for shape in ((5,), LARGE):
        assert_as_nodes(
            lambda shape=shape: moments(shape),
            *[
                lambda states, seed=seed, shape=shape: [np.random.default_rng(seed).normal(size=shape)]
                for seed in range(3)
            ],
            backend="numba",
            n_in_place=3,
        )


@pytest.mark.parametrize("shape", [(4, 4), LARGE])
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_an_argument_may_be_a_states_own_array(shape, backend, request):
    if backend == "numba":
        request.getfixturevalue("with_numba")
    ways = [
        lambda states: [states[0].value], lambda states: [states[0].value[::-1]], lambda states: [states[2].value],
        lambda states: [states[1].value[:, ::-1]], lambda states: [states[1].value.base],
    ]  # fmt: skip
    assert_as_nodes(lambda: moments(shape), *ways, backend=backend, n_in_place=3)


def exchange(a, b, x):
    old = a * 1.0, b.T
    mg.update(a, old[1])
    mg.update(b, old[0] + x)
    return a, b


def through_views(a, b, x):
    turned = a.T, b[::-1]
    mg.update(a, turned[1] + x)
    mg.update(b, turned[0] * 2.0)
    return turned


def reads_the_old_one_late(a, b, x):
    old = a.T
    new = a * 0.5 + x
    mg.update(a, new)
    mg.update(b, new + old)
    return new @ old, old


def one_after_the_other(a, b, x):
    mg.update(a, a + x)
    mg.update(b, a * b)
    mg.update(a, a + b)
    return a, b, x


def the_same_for_both(a, b, x):
    new = np.tanh(a) * x
    mg.update(a, new)
    mg.update(b, new)
    return new, new.T


def a_product_of_the_new(a, b, x):
    new = a * 0.5 + x
    mg.update(a, new)
    return (new @ b,)


def itself_turned(a, b, x):
    mg.update(a, a + a.T)
    mg.update(b, b[::-1])
    return (x,)


def reads_the_old_one_beside_a_new_one(a, b, x):
    new_a, new_b = a * 0.5 + x, b * 2.0 + x
    mg.update(b, new_b)
    beside = a + new_b
    mg.update(a, new_a)
    return beside * 2.0, a, b


def chosen_from_itself(a, b, x):
    mg.update(a, np.where(x > 0, a.T, x))
    mg.update(b, np.where(x > 0, x, b[:, ::-1]))
    return (x,)


def a_sum_of_parts(a, b, x):
    new = np.concatenate([a[:1] + x[:1], b[1:] * 2.0])
    mg.update(a, new)
    mg.update(b, np.concatenate([x[:1], a[:-1]]))
    return (new,)


EXCHANGES = [
    exchange, through_views, reads_the_old_one_late, one_after_the_other, the_same_for_both, a_product_of_the_new, itself_turned,
    a_sum_of_parts, reads_the_old_one_beside_a_new_one, chosen_from_itself,
]  # fmt: skip


@pytest.mark.parametrize("f", EXCHANGES)
@pytest.mark.parametrize("rewrites", [None, ()])
@pytest.mark.parametrize(("order", "n"), [("C", 2), ("F", 2), ("C", 40)])
def test_who_reads_an_old_value_gets_it(f, rewrites, order, n):
    def make():
        arrays = [np.array(state((n, n), seed=i).value * 0.1, order=order) for i in (1, 2)]
        states = [mg.Parameter(array, name, trainable=False) for array, name in zip(arrays, "ab", strict=True)]
        return lambda x: f(*states, x), states

    xs = [lambda states, seed=seed: [np.random.default_rng(seed).normal(size=(n, n))] for seed in range(3)]
    assert_as_nodes(make, *xs, lambda states: [states[0].value], lambda states: [states[1].value.T], rewrites=rewrites)


def random_function(seed):
    """Reads, views, sums and updates of three states in any order."""
    rng = np.random.default_rng(seed)
    states = [state(name=name, seed=i) for i, name in enumerate("abc")]
    plan = [(rng.integers(6), *rng.integers(0, 1000, 2)) for _ in range(rng.integers(4, 12))]

    def f(x):
        pool, outputs = [x, *states], [x + 1.0]
        for kind, i, j in plan:
            one, other = pool[i % len(pool)], pool[j % len(pool)]
            if kind == 0:
                pool.append(one + other * 0.5)
            elif kind == 1:
                pool.append(one.T if i % 2 else one[::-1])
            elif kind == 2:
                pool.append(np.tanh(one))
            elif kind == 3:
                pool.append(one @ other * 0.1)
            else:
                mg.update(states[i % 3], other if kind == 4 else other * 0.5)
            outputs.append(pool[-1] if i % 3 == 0 else one)
        return outputs

    return f, states


@pytest.mark.parametrize("seed", range(60))
def test_random_updates(seed):
    def argument(i):
        return lambda states: [np.random.default_rng(i).normal(size=(2, 2))]

    assert_as_nodes(
        lambda: random_function(seed), *map(argument, range(3)), lambda states: [states[seed % 3].value], argument(4)
    )


class Refuses(mg.Operation):
    """y = x;  x̄ = ȳ. Raises where the sum is above 100."""

    def fprop(self, x):
        if x.sum() > 100:
            raise ValueError("too large")
        return x * 1.0

    def bprop(self, adjoint):
        return adjoint


@pytest.mark.parametrize("what", ["the argument", "the new value", "an old value", "a later one"])
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_call_that_fails_leaves_all_states(what, backend, request):
    """The check stands after the updates as one writes them."""
    if backend == "numba":
        request.getfixturevalue("with_numba")
    a, b = state(name="a"), state(name="b", seed=1)

    def f(x):
        new = a * 0.5 + x
        mg.update(a, new)
        mg.update(b, b + new)
        checked = {"the argument": x, "the new value": new, "an old value": b * 0.0 + x, "a later one": b * 1.0}[what]
        return (Refuses(checked),)

    step = mg.compile(f, backend=backend)
    for _ in range(2):
        step(np.ones((2, 2)))
    before = a.value.copy(), b.value.copy()
    for _ in range(2):
        with pytest.raises(ValueError, match="too large"):
            step(np.full((2, 2), 1e4))
        np.testing.assert_array_equal(a.value, before[0])
        np.testing.assert_array_equal(b.value, before[1])
    step(np.ones((2, 2)))
    np.testing.assert_array_equal(a.value, before[0] * 0.5 + 1)


def test_powers_of_integers_may_raise():
    a, b = mg.Parameter([2, 3], "a", trainable=False), mg.Parameter([2, 3], "b", trainable=False)

    def f(x):
        new = a + x
        mg.update(a, new)
        mg.update(b, b**new)
        return (x + 1,)

    step = mg.compile(f)
    for x, raises in (([0, 0], False), ([-1, -2], False), ([-3, 1], True)):
        before = a.value.copy(), b.value.copy()
        if raises:
            with pytest.raises(ValueError, match="negative integer powers"):
                step(np.array(x))
        else:
            step(np.array(x))
            before = before[0] + x, before[1] ** (before[0] + x)
        np.testing.assert_array_equal((a.value, b.value), before)


def test_a_state_in_whose_memory_a_parameter_lies_is_written_last():
    flat, W = state((6,), "flat"), mg.Parameter(np.zeros((2, 3)), "W")
    W._value = flat._value.reshape(2, 3)

    def f(x):
        new = flat - 0.5 * x
        late = new.reshape(2, 3) - W
        mg.update(flat, new)
        return (late,)

    step = mg.compile(f)
    for i in range(3):
        (late,) = step(np.full(6, float(i)))
        np.testing.assert_allclose(late, np.full((2, 3), -0.5 * i), atol=1e-12)
        np.testing.assert_array_equal(W.value, flat.value.reshape(2, 3))


@pytest.mark.parametrize("order", "CF")
def test_a_compiled_loop_finds_the_entries_of_a_state(order, with_numba):
    a = mg.Parameter(np.array(state((3, 4)).value, order=order), "a", trainable=False)
    step = mg.compile(lambda x: [mg.update(a, np.tanh(a * 0.5 + x)), x][1:], backend="numba")
    for i in range(3):
        expected = np.tanh(a.value * 0.5 + i)
        step(np.full((3, 4), float(i)))
        np.testing.assert_allclose(a.value, expected, rtol=1e-12)
