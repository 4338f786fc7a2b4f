"""What a compiled function does besides computing: which calls trace again, what holds after errors, who may call it."""

import copy
import pickle
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pytest

import minigrad as mg
from minigrad.compiler import Compiled
from minigrad.models import Dropout, Embedding, losses
from tests.compiler.agreement import compare


class Counted:
    """A function that knows how often it was run."""

    def __init__(self, f):
        self.f = f
        self.runs = 0

    def __call__(self, *arguments, **keywords):
        self.runs += 1
        return self.f(*arguments, **keywords)


def counted(f):
    counting = Counted(f)
    return mg.compile(counting), counting


# Which calls trace again -------------------------------------------------------------------------------------------


def test_shapes_and_dtypes_have_programs_of_their_own():
    step, f = counted(lambda x: x * 2.0)
    for x in (
        np.ones(2),
        np.ones(3),
        np.ones((2, 1)),
        np.float32([1, 2]),
        np.array(1.0),
        np.array([1, 2]),
        np.zeros(0),
    ):
        for runs in (f.runs + 1, f.runs + 1):
            y = step(x)
            np.testing.assert_array_equal(y, x * 2.0, strict=True)
            assert f.runs == runs


def test_fixed_arguments_have_programs_of_their_own():
    step, f = counted(lambda x, k, flag=False: x * k if flag else x / k)
    x = np.array([1.0, 2.0])
    seen = []
    for k in (2, 2.0, True, 0.5):
        seen += [step(x, k), step(x, k, flag=True)]
        np.testing.assert_array_equal(seen[-2:], [x / k, x * k])
    assert f.runs == 8
    step(x, 2.0)
    assert f.runs == 8


def test_zero_and_minus_zero_are_two_numbers():
    step = mg.compile(lambda x, k: x / k)
    with np.errstate(divide="ignore"):
        for k in (0.0, -0.0, 0.0, -0.0):
            np.testing.assert_array_equal(step(np.ones(1), k), np.ones(1) / np.float64(k))


def test_equal_tuples_of_other_types_are_told_apart():
    step = mg.compile(lambda x, k: x * k[0])
    assert step(np.array([1]), (1,)).dtype == np.int64
    assert step(np.array([1]), (1.0,)).dtype == np.float64


def test_a_nan_is_traced_once():
    step, f = counted(lambda x, k: x * k)
    for _ in range(3):
        assert np.isnan(step(np.ones(1), float("nan"))).all()
    assert f.runs == 1


def test_keyword_arguments():
    step = mg.compile(lambda x, *, y, scale=1.0: x * scale - y)
    x, y = np.array([1.0, 2.0]), np.array([5.0, 7.0])
    for _ in range(2):
        np.testing.assert_array_equal(step(x, y=y), x - y)
        np.testing.assert_array_equal(step(y=y, x=x), x - y)
        np.testing.assert_array_equal(step(x=y, y=x, scale=3.0), y * 3 - x)
        np.testing.assert_array_equal(step(x, scale=2.0, y=y), x * 2 - y)
    with pytest.raises(TypeError, match="unexpected keyword"):
        step(x, y=y, z=x)


def test_argument_names_are_anything():
    """Even those of functions the program calls, or of its own variables."""

    def f(add, multiply, empty, array, copyto, t, range, list, part, where, tanh, stack):  # noqa: A002
        h = add
        states = []
        for i in range_(4):
            with mg.scope(f"t={i}"):
                h = np.tanh(h * multiply + t)
                states.append(h)
        loss = np.where(h > 0, h + empty, array * copyto) + range * list - part + where + tanh
        return np.stack([*states, stack]), loss, mg.gradients(loss.sum(), [add, t, part])

    range_ = range
    rng = np.random.default_rng(0)
    compare(f, *[[rng.normal(size=3) for _ in range(12)] for _ in range(3)])


def test_positional_arguments_and_a_keyword_of_one_name():
    def f(*x, x_0, x_1):
        return x[0] + 2.0 * x[1] + 3.0 * x_0 + 4.0 * x_1

    step = mg.compile(f)
    a, b, c, d = np.eye(4)
    for _ in range(2):
        np.testing.assert_array_equal(step(a, b, x_1=d, x_0=c), [1, 2, 3, 4])


def test_parameter_and_scope_names_are_anything():
    odd = [
        "W",
        "W_",
        "W_1",
        "x",
        "t",
        "x²",
        "ª",
        "ﬁ",
        "a b",
        "",
        "1",
        "λ",
        "None",
        "layer/W",
        "a\nb",
        "{0}",
        "_",
        "program",
    ]
    parameters = [mg.Parameter([float(i + 1), 2.0], name=name) for i, name in enumerate(odd)]

    def f(x):
        with mg.scope("a\nb"), mg.scope('{0} \'""" \\'):
            y = x
            for parameter in parameters:
                y = np.tanh(y * parameter)
        return y, mg.gradients(y.sum(), parameters)

    compare(f, [np.array([0.5, 0.25])], [np.array([-0.5, 1.25])])


def test_names_of_a_users_operations_are_anything():
    """Operations that look at values are called as they stand; their names may be those of functions the program calls."""

    def fprop(self, x):
        return x * 3.0 if np.asarray(x).flat[0] < 1e9 else np.array(x)

    def bprop(self, adjoint):
        return adjoint * 3.0

    names = [
        "Lambda",
        "Array",
        "Empty",
        "Add",
        "Multiply",
        "Range",
        "List",
        "Program",
        "Where",
        "Stack",
        "Copied",
        "Inf",
        "Copyto",
        "T",
        "Float64",
        "Half",
        "Two",
    ]
    for name in names:
        kind = type(name, (mg.Operation,), {"__slots__": (), "fprop": fprop, "bprop": bprop, "__module__": "users"})

        def f(x, y, kind=kind):
            h = kind(x) * 2.0 + 0.5
            for i in range(4):
                with mg.scope(f"t={i}"):
                    h = np.where(h > 0, np.tanh(h + x), h * y)
            return h, np.sum(h.astype(np.float32)), -h * h**2, mg.gradients(np.sum(h), [x])

        rng = np.random.default_rng(0)
        compare(f, *[[rng.normal(size=(2, 3)), rng.normal(size=(2, 3))] for _ in range(2)])


def test_attributes_that_look_alike_are_told_apart():
    class Scaled(mg.Elementwise):
        __slots__ = ()

        def fprop(self, x, *, table):
            return x * table

        def bprop(self, adjoint):
            return Scaled(adjoint, table=self.table)

    long = np.arange(2000.0)
    other = long.copy()
    other[1000] = -5.0
    compare(lambda x: (Scaled(x, table=long), Scaled(x, table=other)), [np.ones(2000)], [np.full(2000, 2.0)])
    compare(lambda x: Scaled(x, table=1.0) - Scaled(x, table=1.0 + 1e-12), [np.ones(2)], [np.full(2, 2.0)])
    close = np.array([1.0, 2.0])
    compare(lambda x: Scaled(x, table=close) - Scaled(x, table=close + 1e-9), [np.ones(2)], [np.full(2, 2.0)])
    compare(lambda x: (Scaled(x, table=0.0), Scaled(x, table=-0.0)), [np.ones(2)], [np.full(2, 2.0)])


def test_parameters_are_read_at_every_call():
    W, x = mg.Parameter([1.0, 2.0], name="W"), np.array([3.0, 4.0])
    step, f = counted(lambda x: (x * W, mg.gradients(np.sum(x * W * W), [W])[0], W.T))
    for value in ([1.0, 2.0], [5.0, 6.0], [-1.0, 0.5]):
        W.value = np.array(value)
        product, slope, itself = step(x)
        np.testing.assert_array_equal(product, x * value)
        np.testing.assert_array_equal(slope, 2 * x * value)
        np.testing.assert_array_equal(itself, value)
        itself[...] = 99
        W.value[0] += 1  # in place
        np.testing.assert_array_equal(step(x)[0], x * W.value)
    assert f.runs == 1


def test_inputs_from_before_are_read_at_every_call():
    u = mg.Input(np.array([1.0, 2.0]), name="u")
    step = mg.compile(lambda x: x * u)
    graph = mg.Graph(u * 1.0)
    for value in ([1.0, 2.0], [3.0, 4.0]):
        graph.fprop({u: np.array(value)})
        np.testing.assert_array_equal(step(np.ones(2)), u.value)


def test_modes_have_programs_of_their_own():
    dropout = Dropout(0.5, rng=0)
    step, f = counted(lambda x: dropout(x) + 0.0)
    x = np.ones(100)
    assert 0 < np.sum(step(x) == 0) < 100
    dropout.eval()
    for _ in range(2):
        np.testing.assert_array_equal(step(x), x)
    dropout.train()
    assert 0 < np.sum(step(x) == 0) < 100
    assert f.runs == 2


def test_few_programs_are_kept():
    step, f = counted(lambda x: x * 2.0)
    for n in range(3 * Compiled.MOST):
        np.testing.assert_array_equal(step(np.ones(n)), np.full(n, 2.0))
    assert sum(map(len, step.programs.values())) <= Compiled.MOST
    runs = f.runs
    step(np.ones(3 * Compiled.MOST - 1))
    assert f.runs == runs, "the latest is kept"
    np.testing.assert_array_equal(step(np.ones(2)), [2.0, 2.0])


# Results -----------------------------------------------------------------------------------------------------------


class Result(NamedTuple):
    loss: object
    rest: object


def test_results_keep_their_form():
    def f(x):
        y = np.tanh(x)
        return Result(y.sum(), {"a": [y, None, (x, y)], "b": ()})

    step = mg.compile(f)
    for x in (np.ones(2), np.zeros(2), np.full(2, 3.0)):
        found = step(x)
        assert type(found) is Result
        assert type(found.rest) is dict
        assert found.rest["a"][1] is None
        assert found.rest["b"] == ()
        assert type(found.rest["a"][2]) is tuple
        np.testing.assert_array_equal(found.loss, np.tanh(x).sum(), strict=True)
        np.testing.assert_array_equal(found.rest["a"][0], np.tanh(x))
        np.testing.assert_array_equal(found.rest["a"][2][0], x)


def test_constants_parameters_and_arguments_come_back_as_copies():
    W, c = mg.Parameter(np.ones((2, 3)), name="W"), mg.Constant(np.arange(3.0))

    def f(x):
        folded = np.tanh(c).sum()
        return W, W.T, W[0], c, c[1:], folded, np.cos(c), x, x[::-1], x, mg.Constant(2.5)

    step = mg.compile(f)
    x = np.array([1.0, 2.0])
    expected = [array.copy() for array in step(x)]
    for _ in range(3):
        for array, value in zip(step(x), expected, strict=True):
            np.testing.assert_array_equal(array, value, strict=True)
            array[...] = 77.0


def test_results_in_another_shape_are_not_copied():
    def f(x):
        y = np.exp(x)
        return y.reshape((2, 6)), np.tanh(y).reshape(12), y, y.reshape((6, 2))

    x = np.arange(12.0).reshape(3, 4) / 12
    source = compare(f, [x], [-x], [x]).source
    assert source.count("array(exp") == 2  # the other two that lie where the first does


def test_a_line_writes_over_what_it_reads_in_another_shape():
    def f(x, W, b):
        y = (x @ W).reshape((2, 5, 3))
        return np.tanh(y + b), (y * y).sum(), y.reshape((5, 6)) * 2.0

    def g(x, W, b):
        return np.tanh((x @ W).reshape((2, 5, 3)) + b) * 2.0 + 1.0

    x, W, b = np.ones((10, 4)), np.arange(12.0).reshape(4, 3) / 50, np.ones(3)
    compare(f, [x, W, b], [x * 2, W, b], [x, -W, b])
    source = compare(lambda *a: g(*a).sum(), [x, W, b], [x * 2, W, b]).source
    assert source.count("= empty(") == 2  # of the product and of the sum


@pytest.mark.parametrize("n", [1, 2, 3, 32, 33])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, np.bool_])
def test_rows_of_any_length_are_copied_into_another_shape(n, dtype):
    x = np.random.default_rng(0).normal(size=(60, 3, 30, n)).astype(dtype)

    def f(x):
        return np.transpose(x, (1, 0, 2, 3)).reshape((30, 180 * n)), np.transpose(x, (3, 0, 2, 1)).reshape((n, 5400))

    compare(f, [x], [x[::-1].copy()], [np.asfortranarray(x)], [x.transpose(0, 2, 1, 3).copy().transpose(0, 2, 1, 3)])


# Errors ------------------------------------------------------------------------------------------------------------


P = np.full((2, 3), 1 / 3)
ONES, LABELS, EMBEDDING = np.ones((2, 3)), np.array([0, 2]), Embedding(5, 2, dtype=np.float64, rng=0)
BAD = {
    "a label too large": (lambda x, i: losses.cross_entropy(x, i), (ONES, LABELS), (ONES, np.array([0, 3]))),
    "a negative label": (lambda x, i: losses.cross_entropy(x, i), (ONES, LABELS), (ONES, np.array([0, -1]))),
    "no probabilities": (
        lambda x, i: losses.cross_entropy(x, i, from_logits=False),
        (P, LABELS),
        (np.array([[2.0, -1.0, 0.0], [0.2, 0.3, 0.5]]), LABELS),
    ),
    "no distribution": (losses.categorical_cross_entropy, (ONES, P), (ONES, P * 2)),
    "targets beyond 0 and 1": (losses.binary_cross_entropy, (ONES, P), (ONES, P * 9)),
    "targets of nan": (losses.mean_squared_error, (ONES, P), (ONES, P * np.nan)),
    "labels that are no signs": (losses.hinge, (ONES, ONES), (ONES, ONES * 0.5)),
    "negative weights": (
        lambda x, w: losses.mean_squared_error(x, ONES, weights=w),
        (P, np.ones(2)),
        (P, np.array([-1.0, 1.0])),
    ),
    "weights of 0": (lambda x, w: losses.mean_squared_error(x, ONES, weights=w), (P, np.ones(2)), (P, np.zeros(2))),
    "a mask of nothing": (
        lambda x, m: losses.mean_squared_error(x, ONES, mask=m),
        (P, np.array([True, False])),
        (P, np.array([False, False])),
    ),
    "an embedding too far": (lambda x, i: EMBEDDING(i) * x, (np.ones(2), LABELS), (np.ones(2), np.array([0, 5]))),
    "a negative embedding": (lambda x, i: EMBEDDING(i) * x, (np.ones(2), LABELS), (np.ones(2), np.array([0, -1]))),
    "an index": (lambda x, i: np.tanh(x)[i] * 2.0, (np.ones(3), LABELS), (np.ones(3), np.array([0, 7]))),
    "an index to write to": (
        lambda x, i: mg.gradients(np.sum(np.sin(x[i])), [x])[0],
        (np.ones(3), LABELS),
        (np.ones(3), np.array([0, -7])),
    ),
    "a shape": (lambda x, i: x @ np.ones((3, 2)) + i, (ONES, np.ones(1)), (np.ones((2, 4)), np.ones(1))),
    "a mask's shape": (
        lambda x, m: np.tanh(x[m]),
        (np.ones(3), np.eye(3, dtype=bool)[0]),
        (np.ones(4), np.eye(3, dtype=bool)[0]),
    ),
    "a singular matrix": (lambda A, b: np.linalg.solve(A, b), (np.eye(2), np.ones(2)), (np.ones((2, 2)), np.ones(2))),
    "not positive definite": (
        lambda A, b: np.linalg.cholesky(A) @ b,
        (np.eye(2), np.ones(2)),
        (-np.eye(2), np.ones(2)),
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_errors_say_what_nodes_say(what):
    f, good, bad = BAD[what]
    step = mg.compile(f)
    expected = step(*good)
    for _ in range(2):
        np.testing.assert_array_equal(step(*good), expected)
        with pytest.raises(Exception) as eager:  # noqa: PT011
            f(*map(mg.Input, bad))
        with pytest.raises(type(eager.value)) as found:
            step(*bad)
        told = str(eager.value).partition("   ")[0].split(" Input")[0]
        assert told in str(found.value)
        np.testing.assert_array_equal(step(*good), expected)


def test_a_mask_that_holds_another_number_of_times_is_refused_or_right():
    step = mg.compile(lambda x, m: (np.mean(x[m]), np.tanh(x[m])))
    x, mask = np.arange(4.0), np.array([True, True, False, False])
    step(x, mask)
    np.testing.assert_array_equal(step(x, ~mask)[0], 2.5)
    with pytest.raises(ValueError, match=r"mask.*held 2 times.*holds 3 times"):
        step(x, np.array([True, True, True, False]))
    np.testing.assert_array_equal(step(x, mask)[0], 0.5)


def test_anomalies_are_found_in_compiled_functions():
    step = mg.compile(lambda x: np.sum(np.log(x)))
    x = np.array([1.0, 0.0])
    with np.errstate(divide="ignore"):
        assert step(x) == step(x) == -np.inf
        with mg.anomalies(), pytest.raises(FloatingPointError, match=r"Log: its value has 0 nan and 1 inf"):
            step(x)
        with mg.anomalies():
            found = step(np.array([1.0, 1.0]))
    assert type(found) is np.ndarray
    assert found == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_exception_in_the_middle_leaves_the_next_call_right(error):
    raising = [False]

    def look(array):
        if raising[0]:
            raise error("stop")

    W = mg.Parameter(np.eye(3), name="W")

    def f(x):
        states = [x]
        for t in range(5):
            with mg.scope(f"t={t}"):
                h = np.tanh(states[-1] @ W)
                states.append(mg.probe(h, look) if t == 2 else h)
        loss = np.sum(np.square(np.stack(states)))
        return loss, mg.gradients(loss, [W, x])

    step = mg.compile(f)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 2, 3))
    first = step(x)
    step(y)
    raising[0] = True
    with pytest.raises(error, match="stop"):
        step(y)
    raising[0] = False
    again = step(x)
    np.testing.assert_allclose(again[0], first[0])
    for a, b in zip(again[1], first[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_states_stay_where_a_call_fails():
    state = mg.Parameter([0.0], name="state", trainable=False)

    def f(x, i):
        y = np.tanh(x)[i]
        mg.update(state, state + 1.0)
        return y

    step = mg.compile(f)
    for i in (0, 1):
        step(np.ones(2), np.array([i]))
    with pytest.raises(IndexError):
        step(np.ones(2), np.array([5]))
    np.testing.assert_array_equal(state.value, [2.0])


def test_tracebacks_show_the_programs_own_lines():
    def make(k):
        def step(x, i):
            return np.tanh(x)[i] * k

        return mg.compile(step)

    one, two = make(2.0), make(3.0)
    for step in (one, two):
        step(np.ones(2), np.array([0]))
    with pytest.raises(IndexError) as found:
        one.programs[next(iter(one.programs))][0].run(np.ones(2), np.array([9]))
    last = traceback.extract_tb(found.tb)[-1]
    assert last.line
    assert last.line in one.source
    names = {program.name for step in (one, two) for programs in step.programs.values() for program in programs}
    assert len(names) == 2


# States ------------------------------------------------------------------------------------------------------------


def test_states_are_read_before_and_written_in_order():
    a = mg.Parameter([1.0, 2.0], name="a", trainable=False)
    b = mg.Parameter([3.0, 4.0], name="b", trainable=False)

    def f(x):
        old_a, old_b = a * 1.0, b + 0.0
        view = a[::-1] * 2.0
        mg.update(a, old_b)
        middle = a * 3.0
        mg.update(b, old_a)
        mg.update(a, a + x)
        return old_a, old_b, view, middle, a * 1.0, b * 1.0

    calls = [[np.array([1.0, -1.0])], [np.array([0.5, 2.0])], [np.array([3.0, 0.0])]]
    for rewrites in (None, ()):
        compare(f, *calls, rewrites=rewrites, states=[a, b])


# Who calls ---------------------------------------------------------------------------------------------------------


def test_threads_share_a_function():
    W = mg.Parameter(np.eye(20) * 0.9, name="W")

    def f(x):
        h = x
        for t in range(10):
            with mg.scope(f"t={t}"):
                h = np.tanh(h @ W + x)
        return h, mg.gradients(h.sum(), [W])[0]

    step = mg.compile(f)
    rng = np.random.default_rng(0)
    xs = [rng.normal(size=(n, 20)) for n in (3, 4, 5, 6) for _ in range(12)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(step, xs))
    for x, (h, slope) in zip(xs, found, strict=True):
        expected = f(mg.Input(x))
        np.testing.assert_allclose(h, expected[0].value, rtol=1e-10)
        np.testing.assert_allclose(slope, expected[1].value, rtol=1e-9, atol=1e-12)


def test_a_compiled_function_within_another():
    W = mg.Parameter([1.0, 2.0], name="W")
    inner = mg.compile(lambda x: np.tanh(x * W))
    inner(np.ones(2))

    def f(x):
        y = inner(x) + inner(x * 2.0)
        return y, mg.gradients(y.sum(), [W, x])

    compare(f, [np.array([0.5, 1.0])], [np.array([1.5, -1.0])])


def test_a_compiled_function_within_itself():
    def f(x):
        return x if x.ndim == 3 else step(x[None] * 2.0)

    step = mg.compile(f)
    for _ in range(2):
        np.testing.assert_array_equal(step(np.ones(2)), np.full((1, 1, 2), 4.0))


def test_methods():
    class Line:
        def __init__(self, slope):
            self.slope = mg.Parameter(slope, name="slope")
            self.run = mg.compile(self.forward)

        def forward(self, x):
            return self.slope * x

        @mg.compile
        def step(self, x):
            return self.slope * x + 1.0

    one, two = Line(2.0), Line(3.0)
    for _ in range(2):
        assert (one.run(np.ones(1)), two.run(np.ones(1))) == (2.0, 3.0)
        assert (one.step(np.ones(1)), two.step(np.ones(1))) == (3.0, 4.0)


def double(x):
    return x * 2.0


def test_copies():
    step = mg.compile(double)
    step(np.ones(2))
    for make in (copy.copy, copy.deepcopy, lambda step: pickle.loads(pickle.dumps(step))):
        try:
            other = make(step)
        except TypeError as error:
            assert "compile" in str(error)  # noqa: PT017
        else:
            for n in (2, 3):
                np.testing.assert_array_equal(other(np.ones(n)), np.full(n, 2.0))


def test_wrong_use():
    with pytest.raises(TypeError, match="f is a function of nodes, not int"):
        mg.compile(3)
    with pytest.raises(ValueError, match=r"\['nonsense'\] are none of"):
        mg.compile(double, rewrites=["nonsense"])
    with pytest.raises(TypeError, match=r"pass a list of names, \['squares'\]"):
        mg.compile(double, rewrites="squares")
    with pytest.raises(RuntimeError, match="double has no program yet: call it once"):
        _ = mg.compile(double).source
    with pytest.raises(TypeError):
        mg.compile(double)(np.array(["a"]))
    with pytest.raises(TypeError, match="complex"):
        mg.compile(double)(np.ones(2) * 1j)


def test_the_source_says_what_its_names_stand_for():
    step = mg.compile(lambda x: mg.Constant(np.arange(20.0)) * np.where(x > 0, x, 1.0))
    step(np.ones(20))
    head = [line for line in step.source.splitlines() if line.startswith("#")]
    assert sorted(head) == [
        "# constant: an array (20,) of float64",
        "# where: np.where, into memory that may be that of a or b",
    ]


# Arguments that are none ----------------------------------------------------------------------------------------------


class Series:
    """What other libraries have for arrays."""

    def __array__(self, dtype=None, copy=None):
        return np.ones(2)


TAKEN_FOR_ARRAYS = {
    "a list": (
        lambda x: (x**2).sum(),
        ([1.0, 2.0],),
        r"x=\[1.0, 2.0\] is a list, .*pass an array, np.array\(x\).*'list' and",
    ),
    "a list of lists": (lambda x: x.T @ x, ([[1.0], [2.0]],), r"x=.* is a list, .*np.array\(x\)"),
    "a tuple": (lambda x: x - 1.0, ((1.0, 2.0),), r"x=\(1.0, 2.0\) is a tuple, .*np.array\(x\)"),
    "a long list": (lambda x: x - 1.0, ([1.0] * 1000,), r"x=\[1.0, .*\.\.\.\] is a list"),
    "a number": (lambda x: (x**2).sum(), (3.0,), r"x=3.0 is a number, .*np.array\(x\).*no attribute 'sum'"),
    "an integer": (lambda x: x[0], (3,), r"x=3 is a number, .*np.array\(x\)"),
    "a list that NumPy takes": (lambda x: np.tanh(x).sum(), ([1.0, 2.0],), r"x=.* is a list, .*returned float64"),
    "a number that comes back": (lambda x: x * 2.0, (3.0,), r"x=3.0 is a number, .*returned float"),
    "one of two": (lambda x, y: x.sum() * y.sum(), (np.ones(2), [1.0, 2.0]), r"y=\[1.0, 2.0\] is a list"),
    "a series": (lambda x: x.sum(), (Series(),), r"not a Series: pass np.asarray\(it\)"),
    "a series beside": (lambda x, y: x * y, (np.ones(2), Series()), r"not a Series: pass np.asarray\(it\)"),
    "a masked array": (lambda x: x.sum(), (np.ma.masked_array([1.0], [True]),), "takes no masked array"),
    "ragged": (lambda x: x.sum(), ([[1.0], [2.0, 3.0]],), r"x=.* is a list"),
    "arrays in a list": (lambda x: x[0].sum(), ([np.ones(2)],), "pass each as an argument"),
}


@pytest.mark.parametrize("what", TAKEN_FOR_ARRAYS)
def test_what_is_taken_for_an_array(what):
    f, arguments, message = TAKEN_FOR_ARRAYS[what]
    step = mg.compile(f)
    for _ in range(2):
        with pytest.raises(TypeError, match=message):
            step(*arguments)
    assert not step.programs


def test_an_error_that_has_nothing_to_do_with_a_number_is_as_it_is():
    step = mg.compile(lambda x, k: (x * k) @ np.ones(7) if k == 2 else x.nothing)
    with pytest.raises(ValueError, match=r"^MatMul.*does not fit|^MatMul"):
        step(np.ones(3), 2)
    with pytest.raises(AttributeError, match="nothing"):
        step(np.ones(3), 3)
    with pytest.raises(TypeError, match=r"^mg.compile: \.value on Parameter"):
        mg.compile(lambda k: mg.Parameter([1.0]).value * k)(3.0)


def test_numbers_and_lists_may_be_fixed():
    W = mg.Parameter([1.0, 2.0], name="W")
    step = mg.compile(lambda x: (W * x).sum())
    for _ in range(2):
        assert step([1.0, 2.0]) == 5.0
        assert step(3.0) == 9.0
