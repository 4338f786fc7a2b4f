"""Where a rewrite must not apply, where memory must not be shared, and in what order states are written."""

import itertools

import numpy as np
import pytest

import minigrad as mg
from tests.compiler.agreement import compare

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2, 3, 4))
S = RNG.normal(size=(6, 3, 4))
TILED = np.tile(S, (2, 4, 1))


def in_another_order(x):
    total = 0.0
    for k, t in enumerate([4, 1, 3, 0, 2]):
        with mg.scope(f"t={k}"):
            total = total + np.tanh(np.square(x[t])) * x[t]
    return total


def groups_in_another_order(x):
    squares, exponentials, total = [], [], 0.0
    for t in range(6):
        with mg.scope(f"t={t}"):
            squares.append(np.square(x[t]))
    for t in range(6):
        with mg.scope(f"t={t}"):
            exponentials.append(np.exp(squares[t * 5 % 6]))
    for t in range(5):
        with mg.scope(f"t={t}"):
            total = total + np.sin(squares[4 - t]) * exponentials[t]
    return total


def scopes_twice(x):
    squares = []
    for t in range(6):
        with mg.scope(f"t={t % 3}"):
            squares.append(np.square(np.tanh(x[t])))
    return sum(squares)


def outputs_after_a_stack(x):
    h, states = x[0], []
    for t in range(6):
        with mg.scope(f"t={t}"):
            h = np.tanh(h + x[t])
            states.append(h)
    return np.stack(states[:4]) * 2.0, states[4], states[5]


def stacked_and_joined(x):
    h = [np.tanh(x[t]) for t in range(3)]
    return np.stack(h).sum(axis=0) * 2, np.concatenate([h[1], h[0]]) * 3, np.concatenate([h[2], h[2]]) * 3


def factors_of_masks(h, mask, c):
    for t in range(5):
        with mg.scope(f"t={t}"):
            h = np.tanh((h * mask[t]) * c[t])
    return h


def two_precisions(h, x, w):
    total = 0.0
    for t in range(5):
        with mg.scope(f"t={t}"):
            total = total + (h * w).sum()
            h = np.tanh(h + x[t])
    return total, h


def shifted_by_another(z, w):
    shifted = z - w.max(axis=1, keepdims=True)
    return np.exp(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def some_read_elsewhere(a, b):
    two = a[0].T @ b[0] + a[1].T @ b[1]
    return two + a[2].T @ b[2] + a[3].T @ b[3], two * 2


def growing(x):
    h = np.tanh(x)
    for i in range(400):
        h = np.concatenate([h, np.tanh(x * float(i))])
    return h.sum()


CASES = {
    "another condition": (lambda x, y: np.where(x > 0, np.where(y > 0, x, 2.0), 2.0), (X, Y), (Y, X), (-X, Y)),
    "another alternative": (lambda x: np.where(x > 0, np.where(x > 0, x * 3, 1.0), 2.0), (X,), (-X,)),
    "sums over other axes": (
        lambda x: (np.tanh(x).sum(axis=(0, 2)), np.tanh(x).sum(axis=(1, 2)), np.tanh(x).sum(axis=(0, 1))),
        (TILED,),
        (TILED[::-1].copy(),),
    ),
    "unsigned": (lambda u, w: (-u) * w, *[(np.array([1, 2], np.uint8), np.array([2.0, 3.0]))] * 2),
    "a product read elsewhere": (lambda x, y: ((x @ y.T).T.sum(), (x @ y.T).T * 2, x @ y.T), (X, Y), (Y, X)),
    "not shifted": (lambda z: np.exp(z - np.log(np.exp(z).sum(axis=1, keepdims=True))), (X,), (X - 700.0,)),
    "shifted by another": (shifted_by_another, (X, Y), (X - 700.0, Y)),
    "overlapping slices": (lambda x: (np.tanh(x[:, :3]), np.tanh(x[:, 2:])), (X,), (Y,)),
    "not ones": (lambda x: sum((np.arange(3.0) + i) @ np.tanh(x[i]) for i in range(5)), (S,), (S * 2,)),
    "some terms read elsewhere": (some_read_elsewhere, (S, S[::-1].copy()), (S * 2, S)),
    "rows in another order": (in_another_order, (S,), (S * 2,)),
    "groups in another order": (groups_in_another_order, (S,), (S * 2,)),
    "scopes twice": (scopes_twice, (S,), (S * 2,)),
    "outputs after a stack": (outputs_after_a_stack, (S,), (S * 2,)),
    "stacked and joined": (stacked_and_joined, (S,), (S * 2,)),
    "masks as factors": (factors_of_masks, *[(X, RNG.random((5, 3, 4)) > 0.3, RNG.normal(size=(5, 3, 4)))] * 2),
    "two precisions": (two_precisions, *[(X[0].astype(np.float32), S[:5, 0], Y[0])] * 2),
    "growing": (growing, (X[0],), (Y[0],)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_what_looks_like_a_rewrite_and_is_none(name):
    function, *calls = CASES[name]
    compare(function, *[list(call) for call in calls])


@pytest.mark.parametrize("n", [1, 2, 3])
def test_states_are_written_in_the_order_of_their_updates(n):
    """All orders of so many updates of two states by each other and by themselves, both returned."""
    for order in itertools.product(["a=b", "b=a", "a=3a+x", "b=2b+x"], repeat=n):
        a, b = (mg.Parameter([0.0], name=name, trainable=False) for name in "ab")
        new = {
            "a=b": lambda a, b, x: (b, b), "b=a": lambda a, b, x: (a, a),
            "a=3a+x": lambda a, b, x: (a * 3.0 + x, b), "b=2b+x": lambda a, b, x: (a, b * 2.0 + x),
        }  # fmt: skip

        def f(x, order=order, a=a, b=b, new=new):
            for step in order:
                found = new[step](a, b, x)
                mg.update(a, found[0]) if step[0] == "a" else mg.update(b, found[1])
            return x + 1.0, a, b

        step, by_hand = mg.compile(f), (np.zeros(1), np.zeros(1))
        for k in range(3):
            x = np.array([k + 1.0])
            _, found_a, found_b = step(x)
            for name in order:
                by_hand = new[name](*by_hand, x)
            assert (found_a, found_b, a.value, b.value) == (*by_hand, *by_hand), order


def test_a_view_of_a_state_is_returned_as_it_was_before_its_update():
    state = mg.Parameter(X, name="state", trainable=False)

    def f(x):
        before = state.T, state[1:], state.reshape(2, 6)
        mg.update(state, state * 2.0 + x)
        return before

    compare(f, (X,), (Y,), (X,), states=[state])


def test_a_program_exchanges_states_through_views():
    a, b = (mg.Parameter(np.zeros((2, 2)), name=name, trainable=False) for name in "ab")

    def f(x):
        turned = a.T, b.T
        mg.update(a, turned[1])
        mg.update(b, turned[0])
        return x + 1.0, turned[0]

    step = mg.compile(f)
    step(np.ones(2))
    a.value, b.value = before = RNG.normal(size=(2, 2, 2))
    _, turned = step(np.ones(2))
    for found, expected in ((a.value, before[1].T), (b.value, before[0].T), (turned, before[0].T)):
        np.testing.assert_array_equal(found, expected)


INSIDE: list[object] = []
FACTORS, TABLE = [1.0], np.full(20, 2.0)


def test_a_callback_that_calls_its_own_function_is_told():
    def callback(array):
        if INSIDE:
            INSIDE[0](array)

    step = mg.compile(lambda x: mg.gradients(mg.probe(x, callback).sum(), [x]))
    step(np.ones(1))
    INSIDE.append(step)
    with pytest.raises(RuntimeError, match="called from within itself"):
        step(np.ones(1))
    INSIDE.clear()
    np.testing.assert_array_equal(step(np.ones(1))[0], [1.0])


def test_verify_calls_back_once():
    """The nodes do, and the program does not run."""
    seen = []
    step = mg.compile(lambda x: mg.gradients(mg.probe(x * FACTORS[0], seen.append).sum(), [x]))
    for n in (1, 2, 3):
        step.verify(np.ones(1))
        assert len(seen) == n
    FACTORS[0] = 2.0
    with pytest.raises(AssertionError, match="another constant"):
        step.verify(np.ones(1))
    FACTORS[0] = 1.0
    assert len(seen) == 4


def test_a_constant_taken_from_outside_stays_as_it_was():
    """Whether it is folded or not: the program does not mix old and new."""
    step = mg.compile(lambda x: x * TABLE + x * np.exp(mg.Constant(TABLE)))
    first = step(np.ones(20))
    TABLE[:] = 0.0
    np.testing.assert_array_equal(step(np.ones(20)), first)
