"""The order of a graph, the two sweeps, and derivatives of any order."""

import gc
import threading
import weakref
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import minigrad as mg
from minigrad.graph import ancestry
from minigrad.models import losses
from minigrad.ops.arithmetic import Where
from minigrad.ops.base import AddN
from minigrad.optim import SGD

A = np.array([0.5, -1.0, 2.0])


class Twice(mg.Elementwise):
    """y = 2 x, which keeps a record of the calls."""

    __slots__ = ()
    calls: list[tuple[str, int]] = []

    def fprop(self, x):
        self.calls.append(("fprop", self.number))
        return 2 * x

    def bprop(self, adjoint):
        self.calls.append(("bprop", self.number))
        return 2 * adjoint


@pytest.fixture
def calls():
    Twice.calls.clear()
    yield Twice.calls
    Twice.calls.clear()


def slope(f, at):
    """f'(at) as a number, by gradients."""
    x = mg.Input(at)
    return mg.gradients(f(x), x)[0].value


# The chain rule ----------------------------------------------------------------------------------------------------


@pytest.mark.row("ENG-06")
def test_sum_over_paths():
    assert slope(lambda x: x * x + x, 3.0) == 7
    assert slope(lambda x: x * x * x, 2.0) == 12  # one node used three times


@pytest.mark.row("ENG-01", "ENG-03")
def test_a_diamond_is_evaluated_once_per_node(calls):
    x = mg.Input(A)
    top = Twice(x)
    left, right = Twice(top), Twice(top)
    y = Twice(left + right)
    np.testing.assert_array_equal(y.value, 16 * A)
    numbers = [node.number for node in (top, left, right, y)]
    assert calls == [("fprop", n) for n in numbers]
    calls.clear()
    np.testing.assert_array_equal(mg.Graph(y).fprop({x: A + 1}), 16 * (A + 1))
    assert calls == [("fprop", n) for n in numbers]


@pytest.mark.row("ENG-04", "ENG-18")
def test_bprop_runs_once_per_node_in_the_reverse_order(calls):
    x = mg.Input(A)
    top = Twice(x)
    left, right = Twice(top), Twice(top)
    y = Twice(left + right)
    forward = [number for _, number in calls]
    calls.clear()
    (g,) = mg.gradients(y, [x], adjoint=np.ones(3))
    np.testing.assert_array_equal(g.value, 16)
    assert [number for kind, number in calls if kind == "bprop"] == forward[::-1]
    assert not [number for kind, number in calls if kind == "fprop"]  # forward values are kept


@pytest.mark.row("ENG-05")
def test_rules_of_constant_branches_are_not_called(calls):
    x, c = mg.Input(A), mg.Constant(A)
    y = (Twice(c) * Twice(x)).sum()
    constant = calls[0][1]
    calls.clear()
    (g,) = mg.gradients(y, [x])
    np.testing.assert_array_equal(g.value, 4 * A)
    assert [kind for kind, _ in calls] == ["bprop"]
    assert constant not in [number for _, number in calls]
    (by_constant,) = mg.gradients(y, [c])  # yet it can be asked for
    np.testing.assert_array_equal(by_constant.value, 4 * A)


def test_only_the_path_is_visited(calls):
    """Nodes before the wanted ones get no adjoint either."""
    x = mg.Input(A)
    middle = Twice(Twice(x))
    y = Twice(middle).sum()
    calls.clear()
    (g,) = mg.gradients(y, [middle])
    np.testing.assert_array_equal(g.value, 2)
    assert [kind for kind, _ in calls] == ["bprop"]


@pytest.mark.row("ENG-02", "ENG-21")
def test_gradients_of_inputs():
    W, x = mg.Parameter([[1.0, -2.0], [0.5, 3.0]]), mg.Input([0.3, -0.7])
    y = np.tanh(W @ x)
    delta = np.array([2.0, -1.0])
    (by_x,) = mg.gradients(y, [x], adjoint=delta)
    np.testing.assert_allclose(by_x.value, W.value.T @ (delta * (1 - y.value**2)))


@pytest.mark.row("ENG-22")
def test_shared_parameters_add_their_contributions():
    """Two windows through the same W: ∂J/∂W = δ_c x_c' − δ x'."""
    rng = np.random.default_rng(2)
    W = mg.Parameter(rng.normal(size=(3, 4)))
    x, other = rng.normal(size=4), rng.normal(size=4)
    u = rng.normal(size=3)

    def score(window):
        h = np.tanh(W @ window)
        return u @ h, u * (1 - h.value**2)

    (s, delta), (s_other, delta_other) = score(x), score(other)
    (g,) = mg.gradients(1 - s + s_other, [W])
    np.testing.assert_allclose(g.value, np.outer(delta_other, other) - np.outer(delta, x), rtol=1e-12)


@pytest.mark.row("ENG-19")
def test_an_update_does_not_reach_a_finished_backward():
    """Gradients belong to the point where the graph was built; assigning parameters afterwards changes none of them."""
    W, V = mg.Parameter([[2.0]]), mg.Parameter([[3.0]])
    loss = (V @ (W @ mg.Constant([[5.0]]))).sum()
    loss.backward()
    gradients = [W.grad.copy(), V.grad.copy()]
    for parameter in (V, W):
        parameter.value = parameter.value - 0.1 * parameter.grad
    np.testing.assert_array_equal(gradients, [[[15.0]], [[10.0]]])
    np.testing.assert_array_equal([W.grad, V.grad], gradients)


# Derivatives of derivatives ----------------------------------------------------------------------------------------


@pytest.mark.row("ENG-20")
def test_perturbations_are_not_confused():
    """d/dx (x · d/dy (x + y)) = 1."""
    x, y = mg.Input(3.0), mg.Input(5.0)
    (inner,) = mg.gradients(x + y, y)
    assert mg.gradients(x * inner, x)[0].value == 1


def test_the_sixth_derivative_of_tanh():
    x = mg.Input(0.4)
    y = np.tanh(x)
    for _ in range(6):
        (y,) = mg.gradients(y, x)
    t = np.polynomial.Polynomial([0, 1])
    for _ in range(6):
        t = t.deriv() * np.polynomial.Polynomial([1, 0, -1])  # d/dx p(tanh x) = p'(t) (1 − t²)
    np.testing.assert_allclose(y.value, t(np.tanh(0.4)), rtol=1e-12)


@pytest.mark.parametrize("power", [lambda x: x**7, lambda x: x * x * x * x * x * x * x])
def test_all_derivatives_of_the_seventh_power(power):
    x = mg.Input(1.5)
    y = power(x)
    factor = 1.0
    for order in range(1, 10):
        (y,) = mg.gradients(y, x)
        factor *= 8 - order
        np.testing.assert_allclose(y.value, factor * 1.5 ** max(7 - order, 0), rtol=1e-12)


def test_two_calls_do_not_influence_each_other():
    x = mg.Input(A)
    y = (np.tanh(x) * x).sum()
    first = mg.gradients(y, [x])[0].value.copy()
    second = mg.gradients(y, [x])[0]
    mg.gradients(second.sum(), [x])
    third = mg.gradients(y, [x])[0]
    np.testing.assert_array_equal(first, second.value)
    np.testing.assert_array_equal(first, third.value)
    assert second is not third


@pytest.mark.row("ENG-20")
def test_a_loss_on_the_adjoints():
    """G = ‖∂loss/∂x‖², of loss = Σ w x³/3: ∂G/∂w = 2 w x⁴."""
    x, w = mg.Input(A), mg.Parameter([1.0, 2.0, 3.0])
    (adjoint,) = mg.gradients((w * x * x * x * (1 / 3)).sum(), x)
    (g,) = mg.gradients((adjoint * adjoint).sum(), w)
    np.testing.assert_allclose(g.value, 2 * w.value * A**4)


def test_a_replay_of_second_order_flips_masks():
    x = mg.Input(A)
    y = np.where(x > 0, x**3, np.tanh(x)).sum()
    (g,) = mg.gradients(y, x)
    (gg,) = mg.gradients(g.sum(), x)
    found = mg.Graph(y, g, gg).fprop({x: -A})
    fresh = mg.Input(-A)
    z = np.where(fresh > 0, fresh**3, np.tanh(fresh)).sum()
    (h,) = mg.gradients(z, fresh)
    (hh,) = mg.gradients(h.sum(), fresh)
    for a, b in zip(found, (z, h, hh), strict=True):
        np.testing.assert_allclose(a, b.value)


def test_the_readme_expression_of_micrograd():
    def expression(a, b):
        c = a + b
        d = a * b + b**3
        c = c + c + 1
        c = c + 1 + c + (-a)
        d = d + d * 2 + mg.relu(b + a)
        d = d + 3 * d + mg.relu(b - a)
        e = c - d
        f = e**2
        g = f / 2.0
        return g + 10.0 / f

    a, b = mg.Input(-4.0, "a"), mg.Input(2.0, "b")
    g = expression(a, b)
    found = [g, *mg.gradients(g, [a, b])]
    assert [f"{float(node):.4f}" for node in found] == ["24.7041", "138.8338", "645.5773"]


# What gradients gives ----------------------------------------------------------------------------------------------


def test_without_a_path_the_gradient_is_zero():
    x, y = mg.Input(A), mg.Input(np.ones((2, 2), np.float32))
    by_x, by_y = mg.gradients((2 * x).sum(), [x, y])
    assert by_y.shape == (2, 2)
    assert by_y.dtype == np.float32
    assert not by_y.value.any()
    (second,) = mg.gradients(by_x.sum(), [x])
    np.testing.assert_array_equal(second.value, [0, 0, 0])
    (older,) = mg.gradients(
        mg.Constant(1.0), [x]
    )  # the output is younger than the input, and has nothing to do with it
    assert not older.value.any()
    early = mg.Input(1.0)
    (of_a_younger,) = mg.gradients(early, [mg.Input(A)])
    assert of_a_younger.shape == (3,)


def test_unused_inputs_can_be_an_error():
    x, y = mg.Input(A, "x"), mg.Input(A, "y")
    with pytest.raises(ValueError, match=r'no path leads from Input "y" \(3,\) to Sum'):
        mg.gradients(x.sum(), [x, y], unused="error")
    assert len(mg.gradients(x.sum(), [x], unused="error")) == 1
    with pytest.raises(ValueError, match=r'unused=None.*"zeros" or "error"'):
        mg.gradients(x.sum(), [x], unused=None)


def test_the_gradient_by_any_node():
    x = mg.Input(A)
    middle = np.tanh(x)
    y = (middle * middle).sum()
    by_middle, by_y = mg.gradients(y, [middle, y])
    np.testing.assert_allclose(by_middle.value, 2 * np.tanh(A))
    assert by_y.value == 1
    assert mg.gradients(y, []) == ()
    twice = mg.gradients(y, [middle, middle])
    assert twice[0] is twice[1]


def test_one_element_counts_as_scalar():
    for shape in [(), (1,), (1, 1, 1)]:
        x = mg.Input(np.full(shape, 3.0))
        assert mg.gradients(x * x, x)[0].value == np.full(shape, 6.0)


def test_the_adjoint_of_the_output():
    x = mg.Input(A)
    u = mg.Input(np.ones(3))
    (g,) = mg.gradients(x * x, [x], adjoint=u)
    np.testing.assert_array_equal(mg.gradients(g.sum(), u)[0].value, 2 * A)  # it may be a node, and has derivatives
    single = mg.Input(A.astype(np.float32))
    assert mg.gradients(single * single, single, adjoint=np.ones(3))[0].dtype == np.float32
    with pytest.raises(ValueError, match=r"adjoint has shape \(2,\), and the output Multiply \(3,\)"):
        mg.gradients(x * x, [x], adjoint=np.ones(2))
    with pytest.raises(ValueError, match=r"adjoint has shape \(\), and the output Multiply \(3,\)"):
        mg.gradients(x * x, [x], adjoint=1.0)


def test_mixed_dtypes_give_every_input_its_own():
    x, y = mg.Input(A.astype(np.float32)), mg.Input(A)
    z = (np.tanh(x) * y).sum()
    assert z.dtype == np.float64
    by_x, by_y = mg.gradients(z, [x, y])
    assert (by_x.dtype, by_y.dtype) == (np.float32, np.float64)
    (again,) = mg.gradients(by_x.sum(), y)
    assert again.dtype == np.float64


def test_integers_carry_no_adjoint():
    n = mg.Input([1, 2, 3])
    x = mg.Input(A)
    y = (x * n).sum()
    np.testing.assert_array_equal(mg.gradients(y, x)[0].value, [1, 2, 3])
    with pytest.raises(TypeError, match=r"Input \(3,\) int64 holds int64, and only floating-point nodes have adjoints"):
        mg.gradients(y, [n])
    with pytest.raises(TypeError, match="only floating-point nodes can be differentiated"):
        mg.gradients(n.sum(), [x])
    with pytest.raises(TypeError, match="bool"):
        mg.gradients(y, [x > 0])
    through_integers = x.astype(np.int64).astype(np.float64).sum()
    assert not mg.gradients(through_integers, x)[0].value.any()


def test_what_is_no_node_has_no_gradient():
    x = mg.Input(A)
    with pytest.raises(TypeError, match=r"inputs are nodes, not ndarray: give the node itself, W and not W.value"):
        mg.gradients(x.sum(), A)
    with pytest.raises(TypeError, match="the output to differentiate is a node, not list"):
        mg.gradients([x.sum()], x)


def test_masks_join_where_paths_meet():
    """Two masked paths: what counts is where one of them holds."""
    x = mg.Input([0.0, 4.0, 9.0])
    with np.errstate(divide="ignore", invalid="ignore"):
        y = 1 / x
        small = np.where((x > 0) & (x < 5), y, 0.0)
        large = np.where(x > 5, y, 0.0)
        (g,) = mg.gradients((small + 2 * large).sum(), x)
    np.testing.assert_allclose(g.value, [0, -1 / 16, -2 / 81])


def test_sums_of_parents_are_one_node():
    x = mg.Input(A)
    y = x * 2 + x * 3 + x * 4 + x * 5
    (g,) = mg.gradients(y, [x], adjoint=np.ones(3))
    assert isinstance(g, AddN)
    assert len(g.children) == 4
    np.testing.assert_array_equal(g.value, [14, 14, 14])


def test_masks_keep_nans_behind_where():
    """1/x and log x behind a mask, at orders 1 and 2; an unmasked path clears the mask."""
    x = mg.Input([0.0, 2.0])
    with np.errstate(all="ignore"):
        for f, first, second in [
            (lambda x: 1 / x, -1 / 4, 2 / 8),
            (np.log, 1 / 2, -1 / 4),
            (lambda x: x**-0.5, -0.5 * 2**-1.5, 0.75 * 2**-2.5),
            (lambda x: x * np.log(x), np.log(2) + 1, 1 / 2),
        ]:
            (g,) = mg.gradients(np.where(x > 0, f(x), 0.0).sum(), x)
            (gg,) = mg.gradients(g.sum(), x)
            np.testing.assert_allclose(g.value, [0, first])
            np.testing.assert_allclose(gg.value, [0, second])
        (g,) = mg.gradients((np.where(x > 0, np.sqrt(x), 0.0) + 3 * x).sum(), x)
        np.testing.assert_allclose(g.value, [3, 3 + 0.5 / np.sqrt(2)])


def test_a_choice_of_a_masked_adjoint_is_not_masked_again():
    x = mg.Input([0.0, 0.5, 2.0])
    with np.errstate(all="ignore"):
        (g,) = mg.gradients(np.where(x > 0, np.where(x < 1, np.log(x), 0.0), 0.0).sum(), x)
    np.testing.assert_array_equal(g.value, [0, 2, 0])
    (g,) = mg.gradients(np.maximum(np.maximum(x, 1.0), 0.0).sum(), x)
    assert sum(isinstance(node, Where) for node in mg.Graph(g).nodes) == 2
    np.testing.assert_array_equal(g.value, [0, 0, 1])


# backward ----------------------------------------------------------------------------------------------------------


def test_backward_sets_and_does_not_accumulate():
    W, frozen, unused = mg.Parameter(A), mg.Parameter(A, trainable=False), mg.Parameter(A)
    loss = (W * W * frozen).sum() + (unused > 0).sum() * 1.0
    for _ in range(2):
        loss.backward()
        np.testing.assert_array_equal(W.grad, 2 * A * A)
    assert frozen.grad is None
    np.testing.assert_array_equal(unused.grad, [0, 0, 0])  # in the graph, without a path


def test_grad_is_an_array_of_its_own():
    W, V = mg.Parameter(A), mg.Parameter(A)
    (W + V).sum().backward()
    assert W.grad is not V.grad
    assert not np.shares_memory(W.grad, V.grad)
    W.grad *= 3
    W.grad[0] = 7
    np.testing.assert_array_equal(V.grad, [1, 1, 1])
    W.sum().backward()
    assert W.grad.flags.writeable
    np.testing.assert_array_equal(W.grad, [1, 1, 1])


def test_backward_of_a_vector():
    with pytest.raises(ValueError, match=r"is not a scalar: reduce it \(output.sum\(\)\)"):
        (mg.Parameter(A) * 2).backward()


@pytest.mark.parametrize(
    "differentiate",
    [
        lambda y, x: y.backward(),
        mg.hessian,
        lambda y, x: mg.hessian(y, [x]),
        lambda y, x: mg.hessian_vector_product(y, x, A),
        lambda y, x: mg.draw(y, adjoints=True),
        lambda y, x: mg.draw(y, view="mirror"),
        lambda y, x: mg.draw(y, view="time"),
        lambda y, x: mg.listing(y, adjoints=True),
        lambda y, x: mg.explain(x, y),
    ],
)
def test_what_takes_no_adjoint_does_not_advise_to_give_one(differentiate):
    x = mg.Parameter(A)
    with pytest.raises(ValueError, match="or give the scalar loss made of it") as error:
        differentiate(np.tanh(x), x)
    assert "adjoint=" not in str(error.value)


def test_backward_of_a_parameter_itself():
    W = mg.Parameter(3.0)
    W.backward()
    assert W.grad == 1


# Size --------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_chain_of_a_million_nodes():
    """Forward, backward, replay's order, and the release of it: nothing recurses."""
    gc.disable()  # its passes over the growing graph would take most of the time
    try:
        x = mg.Input([1.0])
        y = x
        for _ in range(1_000_000):
            y = -y
        (g,) = mg.gradients(y, [x])
        assert y.value == g.value == 1
        assert len(ancestry([y])) == 1_000_001
        del y, g
    finally:
        gc.enable()


def test_training_steps_do_not_grow_memory():
    """A dropped graph is freed by reference counting: no node of a step outlives it, with gc disabled."""
    W = mg.Parameter(np.eye(3))
    x = mg.Constant(A)

    def step():
        h = x
        for t in range(5):
            with mg.scope(f"t={t}"):
                h = np.tanh(W @ h) + np.where(h > 0, h, 0.0)[::-1]
        loss = (h * h).sum()
        (g,) = mg.gradients(loss, h)
        (loss + (g * g).sum()).backward()
        W.value = W.value - 0.01 * W.grad
        return weakref.ref(loss)

    def alive():
        return sum(isinstance(thing, mg.Node) for thing in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        step()
        before = alive()
        references = [step() for _ in range(100)]
        assert alive() == before
        assert not any(reference() is not None for reference in references)
    finally:
        gc.enable()


def test_a_failed_step_leaves_no_nodes():
    class Fails(mg.Elementwise):
        __slots__ = ()

        def fprop(self, x):
            return x

        def bprop(self, adjoint):
            raise RuntimeError("on purpose")

    x = mg.Input(A)
    y = Fails(np.tanh(x)).sum()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="on purpose"):
            mg.gradients(y, x)
    after = mg.Input(1.0)
    assert after.adjoint_of is None  # the context of the sweep was left
    assert after.scope == ""


# Graph -------------------------------------------------------------------------------------------------------------


def test_graph_lists_children_first():
    W, x = mg.Parameter(A, "W"), mg.Input(A, "x")
    y = np.tanh(W * x).sum()
    graph = mg.Graph(y)
    for i, node in enumerate(graph.nodes):
        assert set(node.children) <= set(graph.nodes[:i])
    assert graph.nodes[-1] is y
    assert graph.parameters == (W,)
    assert Counter(graph.nodes)[W] == 1


def test_replay_gives_one_array_or_a_tuple():
    x = mg.Input(A)
    y = x * 2
    assert isinstance(mg.Graph(y).fprop({x: A}), np.ndarray)
    several = mg.Graph(y, x).fprop({x: A + 1})
    assert isinstance(several, tuple)
    np.testing.assert_array_equal(several[0], 2 * (A + 1))
    np.testing.assert_array_equal(y.value, 2 * (A + 1))  # the nodes hold the values of the last run
    assert y.value.dtype == np.float64
    np.testing.assert_array_equal(mg.Graph(y).fprop(), 2 * (A + 1))
    np.testing.assert_array_equal(mg.Graph(y).fprop([(x, A)]), 2 * A)  # whatever makes a dict
    assert mg.Graph().fprop() == ()


def test_replay_reads_parameters_as_they_are():
    W, c = mg.Parameter(A), mg.Constant(1.0)
    y = W * c
    graph = mg.Graph(y)
    W.value = 2 * A
    np.testing.assert_array_equal(graph.fprop(), 2 * A)
    np.testing.assert_array_equal(graph.fprop({c: np.array(3.0)}), 6 * A)


def test_replay_of_a_value_that_stays_zero_dimensional():
    """NumPy turns 0-d results into scalars; `.value` is always an array."""
    x = mg.Input(2.0)
    y = np.tanh(x) * 3 + x.sum()
    mg.Graph(y).fprop({x: np.array(1.0)})
    for node in mg.Graph(y).nodes:
        assert type(node.value) is np.ndarray


def test_what_a_replay_refuses():
    W, x = mg.Parameter(A, "W"), mg.Input(A, "x")
    y = np.tanh(x * W)
    graph = mg.Graph(y)
    with pytest.raises(ValueError, match=r'Input "x" \(3,\) takes an array of its own shape, not one of shape \(4,\)'):
        graph.fprop({x: np.zeros(4)})
    with pytest.raises(TypeError, match=r"float32: write a.astype\(np.float64\)"):
        graph.fprop({x: A.astype(np.float32)})
    with pytest.raises(ValueError, match=r'Input "z" \(3,\) is not in the graph'):
        graph.fprop({mg.Input(A, "z"): A})
    with pytest.raises(ValueError, match="x is not in the graph"):
        graph.fprop({"x": A})
    with pytest.raises(TypeError, match=r'feeds inputs and constants, not Parameter "W" \(3,\)'):
        graph.fprop({W: A})
    with pytest.raises(TypeError, match=r"feeds inputs and constants, not Tanh \(3,\)"):
        graph.fprop({y: A})
    with pytest.raises(TypeError, match=r"Graph\(\*outputs\) takes nodes, not list"):
        mg.Graph([y])
    np.testing.assert_array_equal(graph.fprop({x: A}), np.tanh(A * A))  # a refused feed changed nothing


def test_a_failed_replay_tells_the_operation():
    class Positive(mg.Elementwise):
        __slots__ = ()

        def fprop(self, x):
            if (x <= 0).any():
                raise ValueError("not positive")
            return x

    x = mg.Input([1.0], "x")
    with mg.scope("data"):
        y = Positive(x)
    with pytest.raises(
        ValueError, match=r'Positive in scope "data": not positive   x: Input "x" \(1,\)   at .*test_graph'
    ):
        mg.Graph(y).fprop({x: np.array([-1.0])})


# Threads -----------------------------------------------------------------------------------------------------------


def test_scopes_and_sweeps_of_threads_do_not_mix():
    failures = []

    def work(name):
        try:
            for _ in range(50):
                with mg.scope(name):
                    x = mg.Input(A)
                    y = (np.tanh(x) * x).sum()
                    (g,) = mg.gradients(y, x)
                    if {node.scope for node in ancestry([g])} - {"", name}:
                        failures.append((name, {node.scope for node in ancestry([g])}))
        except Exception as error:  # asserted below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(f"thread {i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_reentrance():
    """A rule that differentiates something itself."""

    class SquareByGradient(mg.Elementwise):
        """y = x²;  x̄ = ȳ ∂(x² )/∂x, taken by gradients inside the rule."""

        __slots__ = ()

        def fprop(self, x):
            return x * x

        def bprop(self, adjoint):
            (x,) = self.children
            return mg.gradients(x * x, x, adjoint=adjoint)

    mg.check_gradients(SquareByGradient, A, order=3)


def test_gradients_of_a_graph_older_than_its_parameters_are_refused():
    W = mg.Parameter([2.0], "W")
    hidden = np.tanh(W * 1.0)
    loss = (hidden * W * W).sum()
    W.value = np.array([5.0])
    with pytest.raises(ValueError, match=r'Parameter "W" .* was changed after Multiply .*replay'):
        loss.backward()
    mg.Graph(loss).fprop()
    loss.backward()
    fresh = (np.tanh(W * 1.0) * W * W).sum()
    (expected,) = mg.gradients(fresh, [W])
    np.testing.assert_allclose(W.grad, expected.value, rtol=1e-15)


def test_an_optimizer_step_makes_graphs_stale():
    W = mg.Parameter([2.0], "W")
    loss = (W * W).sum()
    loss.backward()
    SGD([W]).step()
    with pytest.raises(ValueError, match="build the graph again"):
        loss.backward()
    other = mg.Parameter([1.0])  # a graph that does not hold W is none of its business
    square = (other * other).sum()
    (slope,) = mg.gradients(square, [other])
    assert float(slope) == 2.0


def test_a_failed_replay_leaves_the_graph_as_it_was():
    logits, labels = mg.Input(np.zeros((2, 3))), mg.Input(np.array([0, 1]))
    loss = losses.cross_entropy(logits, labels)
    before = [node.value.copy() for node in mg.Graph(loss).nodes]
    with pytest.raises(IndexError, match="indices are not among"):
        mg.Graph(loss).fprop({logits: np.ones((2, 3)), labels: np.array([0, 5])})
    assert all(np.array_equal(node.value, old) for node, old in zip(mg.Graph(loss).nodes, before, strict=True))


def test_a_rule_that_forgets_to_return_is_named():
    class Forgetful(mg.Elementwise):
        def fprop(self, x):
            return 2 * x

        def bprop(self, adjoint):
            2 * adjoint

    x = mg.Input([1.0])
    with pytest.raises(TypeError, match="Forgetful: bprop gave nothing"):
        mg.gradients(Forgetful(x).sum(), [x])


def test_a_parameter_changed_behind_a_view_makes_its_graph_stale():
    """Layers use W.T: the parameter itself is on no path from a weight of the layer before."""
    first, second = mg.Parameter([[1.0, 2.0]], "first"), mg.Parameter([[3.0]], "second")
    loss = (np.tanh(mg.Input([[0.1, 0.2]]) @ first.T) @ second.T).sum()
    second.value = second.value * 10
    with pytest.raises(ValueError, match=r'"second" .* was changed after MatrixTranspose'):
        mg.gradients(loss, [first])


def test_a_replay_of_one_graph_does_not_make_another_fresh():
    W = mg.Parameter(2.0, "W")
    square, cube = W * W, W**3
    W.value = np.array(5.0)
    mg.Graph(square).fprop()
    assert float(mg.gradients(square, [W])[0]) == 10
    with pytest.raises(ValueError, match="was changed after PowerOfNumber"):
        mg.gradients(cube * cube, [W])
    x = mg.Input(2.0)
    square = x * x
    fifth = square * square * x
    mg.Graph(square).fprop({x: np.array(3.0)})
    with pytest.raises(ValueError, match="was changed after Multiply"):
        mg.gradients(fifth, [x])
    mg.Graph(fifth).fprop()
    assert float(mg.gradients(fifth, [x])[0]) == 5 * 3**4


def test_a_write_between_two_nodes_of_a_graph_makes_it_stale():
    W = mg.Parameter(2.0, "W")
    first = W * W
    W.value = np.array(3.0)
    with pytest.raises(ValueError, match="was changed after Multiply"):
        mg.gradients(first * W, [W])


# Arrays that are overwritten ------------------------------------------------------------------------------------------


def overwritten_between(make, array, change, use):
    """The gradient of a sum of squares of use(W, node of the array), where the array is changed before it is asked for."""
    W = mg.Parameter([1.0, 2.0, 3.0])
    y = np.square(use(W, make(array))).sum()
    change(array)
    (slope,) = mg.gradients(y, W)
    y.backward()
    np.testing.assert_array_equal(W.grad, slope.value)
    return slope.value


@pytest.mark.parametrize("make", [lambda a: a, mg.Input, mg.Constant], ids=["an operand", "Input", "Constant"])
@pytest.mark.parametrize(
    ("array", "later", "use"),
    [
        (np.array([1.0, 2.0, 4.0]), 100.0, lambda W, a: W * a),
        (np.array([1.0, 2.0, 4.0], np.float32), 100.0, lambda W, a: a * W),
        (np.array([[1.0, 2.0, 4.0]]), 100.0, lambda W, a: a @ W),
        (np.array([1, 2, 4]), 7, lambda W, a: W**a),
        (np.array([2, 0, 0]), 1, lambda W, a: W[a]),
        (np.array([[2], [0], [0]]), 1, lambda W, a: np.take_along_axis(W[:, None], a, axis=0)),
        (np.array([True, False, True]), False, lambda W, a: np.where(a, W, 0.0)),
        (np.array([1.0, 2.0, 4.0]), 100.0, lambda W, a: np.maximum(W, a)),
        (np.array([1.0, 2.0, 4.0]), 100.0, lambda W, a: W.at[0].add(a[0] * W[1])),
        (np.array([1.0, 2.0, 4.0]), 100.0, lambda W, a: np.concatenate([W * 2, a])),
    ],
    ids=["product", "float32", "matmul", "power", "index", "along", "mask", "maximum", "at", "concatenate"],
)
def test_an_array_overwritten_before_the_gradient_changes_nothing(make, array, later, use):
    expected = overwritten_between(make, array.copy(), lambda a: None, use)
    np.testing.assert_array_equal(overwritten_between(make, array.copy(), lambda a: a.fill(later), use), expected)
    np.testing.assert_array_equal(
        overwritten_between(lambda a: make(a[::-1]), array[::-1].copy(), lambda a: a.fill(later), use), expected
    )


def test_one_buffer_serves_all_time_steps():
    W, buffer = mg.Parameter([[0.5, -0.2], [0.1, 0.3]]), np.empty((1, 2))
    h = mg.Constant(np.zeros((1, 2)))
    for row in ([1.0, 2.0], [3.0, -1.0]):
        buffer[:] = row
        h = np.tanh(h @ W + buffer @ W)
    x = [mg.Constant([[1.0, 2.0]]), mg.Constant([[3.0, -1.0]])]
    (expected,) = mg.gradients(np.tanh(np.tanh(x[0] @ W) @ W + x[1] @ W).sum(), W)
    np.testing.assert_allclose(mg.gradients(h.sum(), W)[0].value, expected.value, rtol=1e-15)


def test_what_a_replay_is_fed_may_be_overwritten():
    x, W, fed = mg.Input([1.0]), mg.Parameter([2.0]), np.array([3.0])
    y = x * W
    mg.Graph(y).fprop({x: fed})
    fed[:] = 100.0
    np.testing.assert_array_equal(mg.gradients(y, W)[0].value, [3.0])


@pytest.mark.parametrize("make", [mg.Input, mg.Constant, lambda a: mg.Parameter(a) * 1.0, lambda a: mg.Parameter(a).T])
def test_values_are_to_be_read(make):
    node = make(np.ones((2, 2)))
    with pytest.raises(ValueError, match="read-only"):
        node.value[0] = 5.0
    with pytest.raises(ValueError, match="read-only"):
        mg.Graph(node * 1.0).fprop()[0] = 5.0


def test_a_parameter_written_into_between_forward_and_gradient_is_noticed():
    W = mg.Parameter([1.0, 2.0])
    y = np.square(W).sum()
    W.value[0] = 5.0
    with pytest.raises(ValueError, match=r"Parameter \(2,\) was changed after"):
        mg.gradients(y, W)
    with pytest.raises(ValueError, match="was changed after"):
        y.backward()
    np.testing.assert_array_equal(mg.gradients(np.square(W).sum(), W)[0].value, [10, 4])
    y = np.square(W).sum()
    W.value[1] += 1.0  # once more
    with pytest.raises(ValueError, match="was changed after"):
        mg.gradients(y, W)
    mg.Graph(y).fprop()
    np.testing.assert_array_equal(mg.gradients(y, W)[0].value, [10, 6])


def test_an_array_of_a_parameter_that_somebody_keeps_is_watched():
    """The write lies after the access, and before the nodes or after: the nodes themselves tell."""
    W, x = mg.Parameter([[1.0, 2.0], [3.0, 4.0]]), mg.Input([1.0, -1.0])
    kept = W.value
    kept[0] = 0.5  # before
    y = np.square(np.tanh(x @ W.T) + W[0].sum()).sum()
    (expected,) = mg.gradients(y, W)
    np.testing.assert_array_equal(mg.gradients(y, W)[0].value, expected.value)
    kept[0] = 0.25  # after
    with pytest.raises(ValueError, match="was changed after"):
        mg.gradients(y, W)
    with pytest.raises(ValueError, match="was changed after"):
        y.backward()
    mg.Graph(y).fprop()
    assert np.isfinite(mg.gradients(y, W)[0].value).all()
    z = np.square(W).sum()
    kept[1] = 7.0
    with pytest.raises(ValueError, match=r"Parameter \(2, 2\) was changed after Square"):
        mg.gradients(z, W)
    del kept, y, z
    W.value = np.ones((2, 2))
    np.testing.assert_array_equal(mg.gradients(np.square(W).sum(), W)[0].value, 2 * np.ones((2, 2)))


def test_a_parameter_that_was_looked_at_is_freed():
    from minigrad.node import given_away

    W = mg.Parameter([1.0])
    W.value[0] = 2.0
    assert any(reference() is W for reference in given_away)
    alive = weakref.ref(W)
    del W
    assert alive() is None
    V = mg.Parameter([1.0])
    mg.gradients((V * V).sum(), V)
    assert all(reference() is not None for reference in given_away)


def test_a_parameter_looked_at_or_written_into_before_is_no_obstacle():
    W = mg.Parameter([1.0, np.nan])
    W.value[1] = 2.0
    y = np.square(W).sum()
    assert W.value[0] == 1.0
    np.testing.assert_array_equal(mg.gradients(y, W)[0].value, [2, 4])
    array = W.value
    y.backward()
    array -= 0.5 * W.grad  # the array of before the gradient, and a new graph
    np.testing.assert_array_equal(mg.gradients((W * W).sum(), W)[0].value, [0, 0])
    W.value -= 1.0
    np.testing.assert_array_equal(mg.gradients((W * W).sum(), W)[0].value, [-2, -2])


# Threads ---------------------------------------------------------------------------------------------------------------


def test_threads_replay_one_graph_in_turn():
    x = mg.Input(np.zeros(1000))
    y = x
    for _ in range(30):
        y = np.sin(y) + x
    graph = mg.Graph(y, np.cos(y))
    points = [np.full(1000, i / 10) for i in range(8)]
    expected = [[np.array(a) for a in graph.fprop({x: point})] for point in points]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: [np.array(a) for a in graph.fprop({x: points[i % 8]})], range(160)))
    for i, arrays in enumerate(found):
        np.testing.assert_array_equal(arrays, expected[i % 8])


def test_a_change_amid_the_rules_is_refused():
    """What another thread may do to a graph whose gradients are being computed; here a probe does it."""
    x, W = mg.Input([1.0, 2.0]), mg.Parameter([3.0, 4.0])
    y = (mg.probe(np.sin(x * W), lambda adjoint: mg.Graph(y).fprop({x: [5.0, 6.0]})) * W).sum()
    with pytest.raises(RuntimeError, match="was changed while its gradients were computed"):
        mg.gradients(y, W)
    z = (mg.probe(np.sin(x * W), lambda adjoint: mg.Graph(mg.Input(1.0) * 2).fprop()) * W).sum()
    mg.gradients(z, W)  # a graph of its own may be replayed
