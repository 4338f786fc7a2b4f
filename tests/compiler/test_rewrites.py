"""Each rewrite: what is computed before and after on a small example, and that the numbers stay."""

from collections import Counter

import numpy as np
import pytest

import minigrad as mg
from benchmarks.contestants.nodes import Eager
from benchmarks.rows import ROWS, problem
from minigrad.compiler import REWRITES
from minigrad.compiler.ir import LEAF, RESHAPE, VIEW, Reduce
from minigrad.compiler.passes.table import rewritten
from minigrad.compiler.tracing import tracer
from minigrad.compiler.tracing.recording import record_lines
from minigrad.models import losses
from tests.compiler.agreement import compare

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(2, 3, 4))
SEQUENCE = rng.normal(size=(6, 3, 4))
W = mg.Parameter(rng.normal(size=(4, 4)) * 0.5, name="W")


def lines_of(f, arguments, rewrites):
    """The lines of a function after the rewrites of these names (None: all)."""
    names = [f"argument_{i}" for i in range(len(arguments))]
    traced = tracer.run(f, names, [np.asarray(a) for a in arguments], {})
    return rewritten(record_lines(traced), REWRITES if rewrites is None else rewrites)


def calls(f, arguments, rewrites):
    """How often each function is called in the program; views cost nothing."""
    order = lines_of(f, arguments, rewrites).order
    work = [line for line in order if line.array is None and line.op.kind not in (LEAF, VIEW, RESHAPE)]
    return Counter(line.text.partition("(")[0] for line in work)


def changes(f, arguments, rewrites, *, alone=()):
    """The calls before and after, where they differ; the results are compared on these and on other arrays."""
    before, after = calls(f, arguments, alone), calls(f, arguments, (*alone, *rewrites))
    others = [np.flip(a).copy() * 0.75 for a in arguments]
    for chosen in ((*alone, *rewrites), alone, None):
        compare(f, list(arguments), others, list(arguments), rewrites=chosen)
    return {name: (before[name], after[name]) for name in sorted(before | after) if before[name] != after[name]}


def powers(x):
    return np.power(x, np.array(2.0)), np.power(np.abs(x), np.array(3.0)), np.power(np.abs(x), np.full((3, 4), 2.0))


def what_changes_nothing(x):
    inner = np.where(x > 0, x * 1.0, 2.0)
    return np.where(x > 0, inner, 2.0) / 1.0 - 0.0, 1.0 * x


def other_dtypes_and_shapes(x):
    i = mg.Constant(np.array([[1, -2, 3, 4]]))
    return np.power(i, np.array(2.0)) + x, i * np.float64(1.0), x + np.zeros((2, 3, 4)), x * np.ones((1, 1))


def signs_of_0(x):
    zero = x * 0.0
    return [1.0 / y for y in (zero + 0.0, zero - 0.0, zero - -0.0, -zero + 0.0, -zero - 0.0, -zero - -0.0, 1.0 * -zero)]


@pytest.mark.parametrize("f", [powers, what_changes_nothing, other_dtypes_and_shapes, signs_of_0])
def test_what_could_be_left_out_keeps_values_dtypes_and_shapes(f):
    """x + 0 is no x where that is −0, and neither is x − −0."""
    with np.errstate(divide="ignore"):
        compare(f, [X], [-Y], [X])
    step = mg.compile(f)
    with np.errstate(divide="ignore"):
        for _ in range(2):
            found = step(X)
        expected = [y.value for y in f(mg.Input(X))]
    assert [(a.dtype, a.shape) for a in found] == [(a.dtype, a.shape) for a in expected]
    np.testing.assert_array_equal(np.sign(found[0]), np.sign(expected[0]))


def test_numbers():
    table = mg.Constant(np.full((3, 4), 2.5))

    def largest_constant(rewrites):
        order = lines_of(lambda x: x * table, [X], rewrites).order
        return max(line.array.size for line in order if line.array is not None)

    assert changes(lambda x: x * table, [X], ["numbers"]) == {}
    assert (largest_constant(()), largest_constant(["numbers"])) == (12, 1)


def test_numbers_leave_the_first_state():
    """h_0 h_0 ... of all time steps are alike, so that what they do can be drawn together."""

    def f(x):
        h = mg.Constant(np.zeros((3, 4)))
        for t in range(6):
            with mg.scope(f"t={t}"):
                h = np.tanh(h * x[t]) * mg.Constant(np.full((3, 4), 2.0))
        return h

    assert changes(f, [SEQUENCE], ["numbers"]) == {}
    operands = [x for line in lines_of(f, [SEQUENCE], ["numbers"]).order for x in line.operands if x.array is not None]
    assert sorted({x.shape for x in operands}) == [(), (3, 4)]


def test_numbers_of_a_shape_of_their_own():
    wide = mg.Constant(np.full((2, 3, 4), 2.5))  # has a shape that nothing else has
    compare(lambda x: x * wide, [X], [Y], rewrites=["numbers"])


def test_sums():
    rows = rng.normal(size=(256, 8, 5))

    def f(x):
        return np.sum(np.tanh(x), axis=(0, 1)), np.sum(np.tanh(x[:, 0]), axis=0)

    found = changes(f, [rows], ["sums"])
    assert found["matmul"] == (0, 2)
    assert found["add.reduce"] == (2, 0)
    compare(f, [rows.astype(np.float32)], [rows[::-1].astype(np.float32)], rewrites=["sums"])
    assert [calls(lambda x: np.sum(x, axis=0), [np.ones((n, 5))], ["sums"])["matmul"] for n in (7, 8)] == [0, 1]
    others = lambda x: (np.sum(x, axis=1), np.sum(x, axis=-1), np.sum(x), np.sum(x > 0, axis=(0, 1)))  # noqa: E731
    assert changes(others, [rows], ["sums"]) == {}


def test_signs():
    def f(x, y):
        return x + (-y), (-x) * y - -(x / -y), -(-x), (-x) + (-y), x - -y  # noqa: B002

    before, after = (calls(f, [X, Y], rewrites)["negative"] for rewrites in ((), ["signs"]))
    assert after <= before / 2
    changes(f, [X, Y], ["signs"])


def test_signs_of_what_several_read_are_changed_once():
    def f(x, y):
        product = -x * y
        return product * np.sin(y), product * np.cos(y)

    assert changes(f, [X, Y], ["signs"]) == {}


def test_signs_stay_where_integers_wrap_around():
    def f(u, w):
        return (-u) * w, w / (-u), w + (-u)

    calls_of = [[np.array([1, 2], dtype), np.array([2.0, 3.0])] for dtype in (np.uint8, np.int8, np.uint64)]
    for arguments in calls_of:
        compare(f, arguments, arguments, rewrites=["signs"])


def test_transposes():
    def turned(rewrites):
        order = lines_of(lambda x, y: np.tanh((x @ y.T).T) + x.T.T @ y.T, [X, Y], rewrites).order
        return sum(line.op.kind == VIEW for line in order)

    f = lambda x, y: (np.tanh((x @ y.T).T), x.T.T + 0.5)  # noqa: E731
    assert changes(f, [X, Y], ["transposes"]) == {}
    assert turned(["transposes"]) <= turned(())
    order = lines_of(f, [X, Y], ["transposes"]).order
    products = [line for line in order if line.text.startswith("matmul")]
    tanh = next(line for line in order if line.text.startswith("tanh"))
    assert tanh.operands == (products[0],), "the product is computed transposed"


def test_transposes_leave_products_that_others_read():
    def f(x, y):
        product = np.tanh(x) @ y.T
        return np.tanh(product.T), np.sin(product)

    assert changes(f, [X, Y], ["transposes"]) == {}


def test_softmaxes():
    def f(x):
        y = mg.log_softmax(x)
        return y, mg.gradients(y[0, 0] + np.sum(np.sin(y)), [x])

    found = changes(f, [X], ["softmaxes"])
    assert found["exp"] == (2, 1)
    assert found["divide"] == (0, 1)


def test_softmaxes_leave_sums_over_other_axes_than_the_maximum_is_of():
    """Such a sum may be 0."""

    def f(x):
        z = x - np.max(x, axis=0, keepdims=True)
        return np.exp(z - np.log(np.sum(np.exp(z), axis=1, keepdims=True)))

    with np.errstate(all="ignore"):
        assert changes(f, [np.array([[0.0, 1.0], [-2000.0, -2000.0]])], ["softmaxes"]) == {}


@pytest.mark.parametrize(("z", "s"), [(1000.0, 1e300), (-1000.0, 1e-300)])
def test_softmaxes_leave_exponentials_of_anything_else(z, s):
    def f(z, s):
        return np.exp(z), np.exp(z - np.log(s))

    calls_of = [[np.array([z]), np.array([s])], [np.array([0.5]), np.array([2.0])]] * 2
    with np.errstate(all="ignore"):
        compare(f, *calls_of, rewrites=["softmaxes"])
        compare(f, *calls_of)


def test_neighbors():
    def f(x):
        return np.tanh(x[:, :2]) * 2.0, np.tanh(x[:, 2:]) * 2.0

    assert changes(f, [X], ["neighbors"]) == {"multiply": (2, 1), "tanh": (2, 1)}

    def g(x):
        return (
            np.tanh(x[:, :1]),
            np.tanh(x[:, 2:]),
            np.tanh(x[:, 0:0]),
            np.sin(x[:, 1:2]),
            np.tanh(x[:2, 1:2]),
            np.tanh(x[:, 1:3]),
        )

    changes(g, [X], ["neighbors"])


def test_products():
    def f(x, y):
        total = mg.Constant(np.zeros((4, 4)))
        for t in range(6):
            total = total + x[t].T @ y[t]
        return total

    found = changes(f, [SEQUENCE, SEQUENCE[::-1].copy()], ["products"])
    assert found["matmul"] == (6, 1)
    assert found["add"][1] <= 1

    def few(x, y, n):
        return sum(x[t].T @ y[t] for t in range(n))

    for n, products in ((2, 2), (3, 1)):
        found = calls(lambda x, y, n=n: few(x, y, n), [SEQUENCE, SEQUENCE], ["products"])
        assert found["matmul"] == products
    changes(lambda x, y: few(x, y, 2), [SEQUENCE, SEQUENCE], ["products"])
    changes(lambda x, y: few(x, y, 3), [SEQUENCE, SEQUENCE], ["products"])


def unrolled(x):
    h, states = mg.Constant(np.zeros((3, 4))), []
    for t in range(6):
        with mg.scope(f"t={t}"):
            h = np.tanh(x[t] @ W.T + h @ W)
            states.append(h)
    loss = np.sum(np.square(np.stack(states)))
    return loss, mg.gradients(loss, [W, x])


def test_products_of_one_weight_gradient():
    assert changes(unrolled, [SEQUENCE], ["products"], alone=["transposes"]).get("matmul", (1, 0))[1] < 30


def test_factors():
    def f(x):
        h = mg.Constant(np.zeros((3, 4)))
        for t in range(6):
            with mg.scope(f"t={t}"):
                h = h * np.cos(x[t]) * np.sin(x[t]) + x[t]
        return h

    found = changes(f, [SEQUENCE], ["factors", "steps"])
    only_steps = calls(f, [SEQUENCE], ["steps"])
    assert found["multiply"] == (12, 7), (
        "products that need not wait go before the loop, as one, that of the first step too"
    )
    assert only_steps["multiply"] == 12


def test_factors_of_the_first_step_are_those_of_its_like():
    """On the way back the last time step comes first, and nothing waits for another yet: it is regrouped all the same."""

    def f(x):
        h = mg.Constant(np.full((3, 4), 0.5))
        for t in range(6):
            with mg.scope(f"t={t}"):
                h = h - h * np.cos(x[t]) * np.sin(x[t])
        return mg.gradients(np.sum(np.square(h)), [x])

    changes(f, [SEQUENCE], ["factors", "steps"])
    waiting = [line for line in lines_of(f, [SEQUENCE], None).order if line.text.startswith("multiply(")]
    of_step = Counter([line.origin.step for line in waiting if line.origin.adjoint and line.origin.step])
    assert len(set(of_step.values())) == 1, f"products of each step: {of_step}"


def test_factors_leave_products_that_others_read():
    """They are made anyway, and another one would come on top."""

    def f(x):
        h, total = mg.Constant(np.full((3, 4), 0.5)), 0.0
        for t in range(6):
            with mg.scope(f"t={t}"):
                product = h * np.cos(x[t])
                h = product * np.sin(x[t])
                total = total + np.tanh(product) + np.cos(h)
        return total

    products = [calls(f, [SEQUENCE], names)["multiply"] for names in (["steps"], ["factors", "steps"])]
    assert products[0] == products[1]


def test_upright():
    def f(x, steps=6):
        h = mg.Constant(np.zeros((3, 4)))
        for t in range(steps):
            with mg.scope(f"t={t}"):
                h = np.tanh(x[t] + h @ W.T)
        return h, mg.gradients(np.sum(h), [W, x])

    assert changes(f, [SEQUENCE], ["upright"]) == {"copied": (0, 1)}
    assert [calls(lambda x, n=n: f(x, n), [SEQUENCE], ["upright"])["copied"] for n in (2, 3)] == [0, 1]
    assert changes(lambda x: np.tanh(x @ W.T) @ W.T, [X], ["upright"]) == {}


def gated(x, products=np.matmul):
    """A cell of four gates as columns of one matrix, and the gradient of what it comes to."""
    V = np.concatenate([W, W * 0.5, W * 0.25, W - 0.5])
    h = c = mg.Constant(np.zeros((3, 4)))
    for t in range(6):
        with mg.scope(f"t={t}"):
            p = x[t] @ V.T + h @ V.T
            gates = mg.sigmoid(p[:, :12])
            c = gates[:, :4] * c + gates[:, 4:8] * np.tanh(p[:, 12:])
            h = gates[:, 8:] * np.tanh(c)
    return mg.gradients(np.square(h).sum(), [W, x])


def shapes(f, arguments, rewrites, name):
    """The shapes of what the calls of one function give."""
    return Counter([line.shape for line in lines_of(f, arguments, rewrites).order if line.text.startswith(name)])


def test_gates():
    changes(gated, [SEQUENCE], ["gates"], alone=["products", "factors"])
    before, after = (shapes(gated, [SEQUENCE], ["products", "factors", *more], "exp(") for more in ([], ["gates"]))
    assert before == {(3, 12): 6}
    assert after == {(3, 3, 4): 6}
    products = shapes(gated, [SEQUENCE], ["products", "factors", "gates"], "matmul(")
    assert products[4, 3, 4] >= 6, "the product of every time step, gate by gate"


def test_columns():
    alone = ["products", "factors", "gates"]
    found = changes(gated, [SEQUENCE], ["columns"], alone=alone)
    assert found["copied"][1] - found["copied"][0] == 6, "one copy into the rows of each time step"
    joined = shapes(gated, [SEQUENCE], [*alone, "columns"], "stack([")
    assert joined[4, 3, 4] == 6

    def joined_in_steps(x, repeats):
        h, found = mg.Constant(np.zeros((3, 4))), []
        for t in range(4):
            with mg.scope(f"t={t}"):
                parts = [np.tanh(x[t] + h), np.sin(x[t] * h), np.exp(x[t] - h)]
                h = sum(parts)
                found.append(np.concatenate([parts[k] for k in repeats], axis=1))
        return np.stack(found)

    for repeats, copies in (((0, 1), None), ((0, 1, 2), (0, 3)), ((0, 1, 0), None)):
        joined = lambda x, repeats=repeats: joined_in_steps(x, repeats)  # noqa: E731
        assert changes(joined, [SEQUENCE], ["columns"]).get("copied") == copies

    def wide(x):
        return np.concatenate([np.tanh(x[t]) for t in range(4)], axis=1)

    assert changes(wide, [rng.normal(size=(4, 3, 100))], ["columns"]) == {}, "outside of time steps nothing is gathered"


def test_shared():
    R, V = (mg.Parameter(rng.normal(size=(12, 4))) for _ in range(2))

    def f(x, odd=-1):
        h, driven = mg.Constant(np.zeros((3, 4))), (x.reshape(-1, 4) @ R.T).reshape(6, 3, 12)
        for t in range(6):
            with mg.scope(f"t={t}"):
                now, q = driven[t], h @ V.T
                first = now[:, :8] * 2.0 if t == odd else now[:, :8]
                gates = mg.sigmoid(q[:, :8] + first)
                h = h * gates[:, :4] + np.tanh(now[:, 8:] + gates[:, 4:] * q[:, 8:])
        return mg.gradients(np.square(h).sum(), [R, V, x])

    changes(f, [SEQUENCE], ["shared"], alone=["transposes", "products"])
    found = shapes(f, [SEQUENCE], ["transposes", "products", "shared"], "matmul(")
    assert found[8, 4] == found[4, 4] == 0, "x has a gradient too, which takes all columns: nothing is to be gained"

    def without_x(x):
        return f(x)[:2]

    changes(without_x, [SEQUENCE], ["shared"], alone=["transposes", "products"])
    for odd in (0, 3, 5):  # in one time step, its parts are others
        changes(lambda x, odd=odd: f(x, odd)[:2], [SEQUENCE], ["shared"], alone=["transposes", "products"])
    found = shapes(without_x, [SEQUENCE], ["transposes", "products", "shared"], "matmul(")
    assert found[8, 4] == found[4, 4] == 1, "R's gradient: two gates from the stack of V's, one of its own"


def test_steps():
    found = changes(unrolled, [SEQUENCE], ["steps"])
    assert found["matmul"][0] - found["matmul"][1] >= 5, "projections of inputs are one product"
    only_tanh = calls(unrolled, [SEQUENCE], ["steps"])["tanh"]
    assert only_tanh == 6, "states wait for each other"


@pytest.mark.parametrize(("n", "products"), [(2, 2), (3, 1)])
def test_steps_are_three_at_least(n, products):
    def f(x):
        h = mg.Constant(np.zeros((3, 4)))
        for t in range(n):
            with mg.scope(f"t={t}"):
                h = np.tanh(x[t] @ W + h)
        return h

    assert calls(f, [SEQUENCE], ["steps"])["matmul"] == products


def test_steps_leave_operands_with_fewer_axes():
    """Their stack would broadcast along other axes."""

    def f(x, b):
        h = x[0]
        for t in range(6):
            with mg.scope(f"t={t}"):
                h = np.tanh(h + x[t] * b[t])
        return h

    assert "multiply" not in changes(f, [SEQUENCE, SEQUENCE[:, 0].copy()], ["steps"])


@pytest.mark.parametrize("length", [1, 2, 3, 4])
@pytest.mark.parametrize("name", REWRITES)
def test_each_alone_on_a_recurrent_net(name, length):
    rng = np.random.default_rng(length)

    def f(x):
        h, states = mg.Constant(np.zeros((3, 4))), []
        for t in range(length):
            with mg.scope(f"t={t}"):
                z = x[t] @ W.T + h @ W
                gate, new = mg.sigmoid(z[:, :2]), np.tanh(z[:, 2:])
                h = np.concatenate([gate * new, h[:, :2] * (1.0 - gate)], axis=1)
                states.append(h)
        loss = -mg.log_softmax(h)[:, 0].mean() + np.square(np.stack(states)).sum() ** 2
        first = mg.gradients(loss, [W, x])
        return loss, first, mg.gradients(sum(np.sum(np.sin(g)) for g in first), [W, x])

    compare(f, *[[rng.normal(size=(length, 3, 4))] for _ in range(3)], rewrites=[name])


def test_rows():
    images, bias = rng.normal(size=(9, 8, 12, 6)), rng.normal(size=(1, 1, 6))

    def layer(x, b):
        y = np.maximum(np.exp(x) - b, 0.0)
        return y, mg.gradients(np.square(y).sum(), [x, b])

    assert changes(layer, [images, bias], ["rows"]) == {"repeated": (0, 1)}
    order = lines_of(layer, [images, bias], ["rows"]).order
    shapes = [line.shape for line in order if line.text.startswith(("exp", "subtract", "maximum", "greater_equal"))]
    assert shapes == [(9, 8, 12, 6), (9, 576), (9, 576), (9, 576)]  # and the mask stands in rows too
    assert changes(lambda x, b: x + b, [images, bias], ["rows"]) == {}  # how an argument lies is not known
    assert changes(lambda x, b: np.exp(x)[:3] + b, [images, bias], ["rows"]) == {}  # too few
    wide = rng.normal(size=(4, 8, 8, 32))
    assert changes(lambda x, b: np.exp(x) + b, [wide, np.ones(32)], ["rows"]) == {}
    assert changes(lambda x, b: np.exp(x) + b, [images, np.ones((8, 1, 6))], ["rows"]) == {}


def test_rows_as_formulas():
    images, bias = rng.normal(size=(9, 8, 12, 6)), rng.normal(size=(1, 1, 6))
    step = mg.compile(lambda x, b: np.tanh(np.exp(x) + b))
    (expected, names) = step(images, bias), {}
    exec(step.pure_source, names)
    assert "np.tile(" in step.pure_source
    np.testing.assert_allclose(names["program"](images, bias)[0], expected, rtol=1e-12)


def test_rows_keep_the_order_of_a_program():
    def net(x, b, c):
        return np.tanh(np.exp(x) + b).sum(), np.tanh(np.sin(x) + c).sum()

    order = lines_of(net, [rng.normal(size=(9, 8, 12, 6)), np.ones(6), np.ones(6)], ["rows"]).order
    said = [line.text.partition("(")[0] for line in order if line.op.kind in ("into", "fresh")]
    assert said == ["exp", "repeated", "add", "tanh", "add.reduce", "sin", "repeated", "add", "tanh", "add.reduce"]


def test_reshapes():
    def f(x):
        y = np.exp(x)
        return y.reshape(12).reshape(2, 6) + 1.0, y.reshape(4, 3).reshape(3, 4) * x, x.T.reshape(2, 6).reshape(4, 3)

    before, after = (
        [line.text for line in lines_of(f, [X], names).order if line.op.kind == RESHAPE]
        for names in ((), ("reshapes",))
    )
    assert len(before) == 6
    assert after == ["{0}.reshape(2, 6)", "{0}.reshape(2, 6)", "{0}.reshape(4, 3)"]  # what may be a copy is kept
    assert changes(f, [X], ["reshapes"]) == {}
    assert changes(lambda x: x.sum().reshape((1, 1)).reshape(1).reshape(()) * 2.0, [X], ["reshapes"]) == {}


def test_every_rewrite_has_a_test_and_can_be_left_out():
    tests = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert set(REWRITES) <= tests, f"no test of {set(REWRITES) - tests}"
    for left_out in REWRITES:
        rest = [name for name in REWRITES if name != left_out]
        compare(unrolled, [SEQUENCE], [np.flip(SEQUENCE).copy()], rewrites=rest)


def source(f, arguments, rewrites):
    step = mg.compile(f, rewrites=rewrites)
    for _ in range(2):
        step(*arguments)
    return step.source


def test_rewrites_run_in_the_order_of_their_names():
    for first, then in (("transposes", "products"), ("products", "transposes")):
        step = mg.compile(unrolled_by_hand, rewrites=[first, then])
        assert step.rewrites == (first, then)
    products = [
        calls(unrolled_by_hand, [SEQUENCE], names)["matmul"]
        for names in (["transposes", "products"], ["products", "transposes"])
    ]
    assert products[0] < products[1], "a sum of transposed products is none of products"


def test_a_set_of_rewrites_runs_in_the_order_of_the_table():
    assert mg.compile(unrolled, rewrites={"steps", "sums", "products"}).rewrites == ("sums", "products", "steps")
    assert mg.compile(unrolled, rewrites=frozenset(REWRITES)).rewrites == tuple(REWRITES)
    assert mg.compile(unrolled, rewrites=REWRITES).rewrites == tuple(REWRITES)


def row(name, **sizes):
    """A row of the benchmarks: its loss and gradients, and what it is fed."""
    net = Eager(problem(ROWS[name].sized(**sizes)))

    def f(*feeds):
        loss = net.loss(net.model, *feeds)
        return loss, mg.gradients(loss, net.trained)

    return f, net.feeds


R = mg.Parameter(np.full((4, 4), 0.25), name="R")
V = mg.Parameter(np.linspace(-1, 1, 1200).reshape(4, 300), name="V")
GATES = mg.Parameter(rng.normal(size=(16, 4)), name="GATES")


def unrolled_by_hand(x):
    """W.T in every time step, and a loss."""
    h, loss = mg.Constant(np.zeros((3, 4))), 0.0
    for t in range(6):
        h = np.tanh(x[t] @ W.T + h @ R.T)
        loss = loss + losses.cross_entropy(h @ R.T, [0, 1, 2])
    return loss, mg.gradients(loss, [W, R])


def softmax_of_300_classes(x):
    loss = losses.cross_entropy(x[0] @ V, [0, 1, 2])
    return loss, mg.gradients(loss, [V])


def lstm_by_hand(x):
    h = c = mg.Constant(np.zeros((3, 4)))
    for t in range(6):
        p = x[t] @ GATES.T + h @ GATES.T
        i, f, o = mg.sigmoid(p[:, :4]), mg.sigmoid(p[:, 4:8]), mg.sigmoid(p[:, 12:])
        c = f * c + i * np.tanh(p[:, 8:12])
        h = o * np.tanh(c)
    loss = np.square(h).sum()
    return loss, mg.gradients(loss, [GATES])


NETS = {
    **{name: row(name, steps=8) for name in ("rnn-3", "rnn-50", "gru-16")},
    **{name: row(name) for name in ("mlp-sgd", "lenet")},
    "RNN by hand": (unrolled_by_hand, [SEQUENCE]),
    "LSTM by hand": (lstm_by_hand, [SEQUENCE]),
    "softmax of 300 classes": (softmax_of_300_classes, [SEQUENCE]),
}


@pytest.mark.parametrize("name", REWRITES)
def test_each_changes_the_program_that_the_table_says_it_wins(name):
    f, feeds = NETS[REWRITES[name].wins.partition(":")[0]]
    assert source(f, feeds, [other for other in REWRITES if other != name]) != source(f, feeds, None)


PAIRS = [(before, name) for name, each in REWRITES.items() for before in each.after]


@pytest.mark.parametrize(("before", "name"), PAIRS)
def test_each_stands_after_those_it_builds_on(before, name):
    """And finds less to do before them, in one net or another."""
    order = [other for other in REWRITES if other != before]
    assert list(REWRITES).index(before) < list(REWRITES).index(name)
    order.insert(order.index(name) + 1, before)
    nets = (NETS[each] for each in ("gru-16", "LSTM by hand", "RNN by hand", "lenet"))
    assert any(source(f, feeds, order) != source(f, feeds, None) for f, feeds in nets)


def test_reductions_that_begin_with_0_and_with_minus_0_are_two():
    assert Reduce("maximum", None, initial=0.0) == Reduce("maximum", None, initial=0.0)
    assert len({Reduce("maximum", None, initial=number) for number in (0.0, -0.0, None)}) == 3
