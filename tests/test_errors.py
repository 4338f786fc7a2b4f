"""Errors say what, where, and what to do: the operation, its inputs with names and shapes, the scope, the user's line."""

import re
import sys

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import LSTM, RNN, BatchNorm, Conv2D, Dense, LayerNorm, PReLU, losses

A = np.array([0.5, -1.0, 2.0])


class Own(mg.Operation):
    """What bprop gives is set by the test."""

    __slots__ = ()
    entries: object = None

    def fprop(self, x, w):
        return x + w

    def bprop(self, adjoint):
        return type(self).entries(adjoint)


def rule(monkeypatch, entries):
    monkeypatch.setattr(Own, "entries", staticmethod(entries))
    x, w = mg.Input(A, "x"), mg.Input(A, "w")
    with mg.scope("own"):
        y = Own(x, w)
    return y, x, w


# Shapes ------------------------------------------------------------------------------------------------------------


def test_an_operations_error_names_everything():
    x, W = mg.Input(np.zeros((20, 50)), "x"), mg.Parameter(np.zeros((40, 50)), "W")
    line = sys._getframe().f_lineno + 2
    with pytest.raises(ValueError, match="MatMul") as caught, mg.scope("rnn"), mg.scope("t=3"):
        np.tanh(x) @ W
    text = str(caught.value)
    assert text.startswith('MatMul in scope "rnn/t=3": ')
    assert "Tanh (20, 50)" in text
    assert 'Parameter "W" (40, 50)' in text
    assert text.endswith(f"at {__file__}:{line}")
    assert isinstance(caught.value.__cause__, ValueError)


def test_broadcasting_that_fails():
    with pytest.raises(
        ValueError, match=r'Add: .*\(3,\) \(2,\).*a: Input "x" \(3,\)   b: Constant \(2,\)   at .*\.py:\d+'
    ):
        mg.Input(A, "x") + np.zeros(2)


def test_attributes_are_named():
    with pytest.raises(np.exceptions.AxisError, match=r"axis=2.*x: Input \(3,\)|a: Input \(3,\)"):
        mg.Input(A).sum(axis=2)


def test_other_errors_pass_through_as_they_are():
    class Interrupted(mg.Elementwise):
        def fprop(self, x):
            raise KeyError("mine")

    with pytest.raises(KeyError, match=r"^'mine'$"):
        Interrupted(A)


# Rules that go wrong -----------------------------------------------------------------------------------------------


def test_a_wrong_number_of_adjoints(monkeypatch):
    y, x, _ = rule(monkeypatch, lambda adjoint: adjoint)
    with pytest.raises(ValueError, match=r'Own in scope "own": bprop gave 1 adjoints for 2 children'):
        mg.gradients(y.sum(), x)
    y, x, _ = rule(monkeypatch, lambda adjoint: (adjoint, adjoint, adjoint))
    with pytest.raises(ValueError, match="bprop gave 3 adjoints for 2 children"):
        mg.gradients(y.sum(), x)


def test_an_adjoint_of_the_wrong_shape(monkeypatch):
    y, x, _ = rule(monkeypatch, lambda adjoint: (adjoint.sum(), None))
    with pytest.raises(
        ValueError, match=r'Own in scope "own": bprop gave an adjoint of shape \(\) for Input "x" \(3,\)'
    ):
        mg.gradients(y.sum(), x)


def test_an_adjoint_that_cannot_be_summed_back(monkeypatch):
    monkeypatch.setattr(Own, "broadcasts", True)
    for wrong in (np.ones(4), np.ones((2, 4)), 1.0):
        y, x, _ = rule(monkeypatch, lambda adjoint, wrong=wrong: (mg.Constant(wrong), None))
        with pytest.raises(
            ValueError, match=r'Own in scope "own": bprop gave an adjoint of shape .* for Input "x" \(3,\)'
        ):
            mg.gradients(y.sum(), x)
    y, x, _ = rule(monkeypatch, lambda adjoint: (mg.Constant(np.ones((2, 3))), None))
    np.testing.assert_array_equal(mg.gradients(y.sum(), x)[0].value, [2, 2, 2])


def test_an_adjoint_that_is_no_node(monkeypatch):
    for wrong in (
        lambda adjoint: (adjoint.value, None),
        lambda adjoint: (1.0, None),
        lambda adjoint: (lambda: 3, None),
    ):
        y, x, _ = rule(monkeypatch, wrong)
        with pytest.raises(
            TypeError, match=r"Own in scope .own.: bprop gives nodes \(or None\), not (ndarray|float|int)"
        ):
            mg.gradients(y.sum(), x)


def test_what_a_rule_raises_reaches_the_user(monkeypatch):
    def entries(adjoint):
        raise ZeroDivisionError("in a rule")

    y, x, _ = rule(monkeypatch, entries)
    with pytest.raises(ZeroDivisionError, match="in a rule"):
        mg.gradients(y.sum(), x)
    y, x, w = rule(monkeypatch, lambda adjoint: (adjoint, entries.__get__(adjoint)))
    assert mg.gradients(y.sum(), x)[0].shape == (3,)  # nobody asked for w's
    with pytest.raises(ZeroDivisionError):
        mg.gradients(y.sum(), w)


def test_integer_adjoints_are_cast(monkeypatch):
    y, x, w = rule(monkeypatch, lambda adjoint: (mg.Constant(np.array([1, 2, 3])), None))
    by_x, by_w = mg.gradients(y.sum(), [x, w])
    assert by_x.dtype == np.float64
    assert not by_w.value.any()


# Anomalies ---------------------------------------------------------------------------------------------------------


def test_the_first_bad_value_is_named():
    x = mg.Input([1.0, -1.0, 0.0], "x")
    with pytest.raises(FloatingPointError) as caught, np.errstate(all="ignore"), mg.anomalies(), mg.scope("loss"):
        np.exp(np.log(x) * 2)
    text = str(caught.value)
    assert text.startswith('Log in scope "loss": its value has 1 nan and 1 inf of 3 entries, the first at (1,)')
    assert 'Input "x" (3,) in [-1, 1]' in text
    assert re.search(r"at .*test_errors\.py:\d+$", text)


def test_the_first_bad_adjoint_is_named():
    x = mg.Input([0.0, 1.0], "x")
    with np.errstate(all="ignore"):
        with mg.scope("root"):
            y = np.sqrt(x)
        named = r'in scope "root": this adjoint has .* inf .* belongs to the rule of Sqrt \(2,\)'
        with pytest.raises(FloatingPointError, match=named), mg.anomalies():
            mg.gradients(y.sum(), x)
        mg.gradients(y.sum(), x)  # outside the block nothing is raised


def test_of_many_inputs_the_first_are_shown():
    """A gradient summed over hundreds of time steps has hundreds of inputs."""
    parts = [mg.Input([np.nan], f"x{i}") for i in range(400)]
    with (
        pytest.raises(FloatingPointError, match=r'Input "x5" \(1,\) in \[nan, nan\]   and 394 more') as caught,
        mg.anomalies(),
    ):
        np.concatenate(parts)
    assert "x6" not in str(caught.value)


def test_a_refusal_of_values_by_an_operation_is_explained_too():
    """FloatingPointError of an fprop, as of NumPy under np.errstate(all="raise"), says which node and which line."""
    x = mg.Input([1.0, 0.0], "x")
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError) as caught, mg.scope("loss"):
        np.log(x)
    assert re.match(
        r'Log in scope "loss": divide by zero .* x: Input "x" \(2,\) .*test_errors\.py:\d+$', str(caught.value)
    )


def test_anomalies_in_replays_and_data():
    x = mg.Input(A)
    y = np.tanh(x) * 2
    graph = mg.Graph(y)
    bad = np.array([np.nan, 1, 2])
    with mg.anomalies():
        with pytest.raises(FloatingPointError, match="Tanh: its value has 1 nan and 0 inf of 3 entries"):
            graph.fprop({x: bad})
        with pytest.raises(FloatingPointError, match=r"Input: its value has 1 nan.*Clean the data"):
            mg.Input(bad)
        with pytest.raises(FloatingPointError, match="the first at \\(\\)"):
            mg.Input(np.inf)
        mg.Input([1, 2])  # integers are always finite
    np.testing.assert_array_equal(graph.fprop({x: bad}), np.tanh(bad) * 2)


def test_anomalies_in_backward():
    W = mg.Parameter([0.0, 1.0])
    with np.errstate(all="ignore"):
        loss = np.sqrt(W).sum()
        with (
            pytest.raises(FloatingPointError, match=r"this adjoint has .* belongs to the rule of Sqrt"),
            mg.anomalies(),
        ):
            loss.backward()
    assert W.grad is None


# NumPy's functions -------------------------------------------------------------------------------------------------


def test_functions_that_nodes_do_not_know():
    x = mg.Input(A)
    with pytest.raises(TypeError, match=r"np\.linalg\.eig is not supported on nodes: "):
        np.linalg.eig(x)
    with pytest.raises(TypeError, match=r"np\.frexp is not supported on nodes"):
        np.frexp(x)
    with pytest.raises(TypeError, match=r"np\.hypot\.reduce is not supported on nodes, which have that of np\.add"):
        np.hypot.reduce(x)
    with pytest.raises(TypeError, match=r"x\.at\[index\]\.add"):
        np.add.at(A.copy(), [0], x)


def test_keywords_that_nodes_do_not_take():
    x = mg.Input(A)
    with pytest.raises(TypeError, match=r"np\.tanh on nodes: .*there is no out="):
        np.tanh(x, out=A.copy())
    with pytest.raises(TypeError, match=r"np\.where\(condition, result, otherwise\)"):
        np.tanh(x, where=A > 0)
    with pytest.raises(TypeError, match=r"np\.tanh on nodes: .*x\.astype"):
        np.tanh(x, dtype=np.float32)
    np.tanh(x, out=None)


def test_the_users_line_is_found_through_numpy():
    x = mg.Input(A)
    line = sys._getframe().f_lineno + 2
    with pytest.raises(ValueError, match=f"at {re.escape(__file__)}:{line}$"):
        np.add(x, np.zeros(2))


# What is no node ---------------------------------------------------------------------------------------------------


def doubled(x):
    return 2 * x


NO_NODES = [
    (Dense(2, 3), "not Dense: call it first"),
    (LSTM(2, 3), "not LSTM: call it first"),
    (Dense, r"not the class Dense: make one, and call it: Dense\(\.\.\.\)\(x\)"),
    (Own, r"not the class Own: Own\(x\)"),
    (doubled, "not the function doubled: call it first"),
    (A, r"not ndarray: an array or number has no graph; calculate with nodes, x = mg\.Input\(array\)"),
    (np.float64(1.0), "not float64: an array or number has no graph"),
    (3, "not int: an array or number has no graph"),
    ("y", "not str"),
    (None, "not NoneType"),
]


@pytest.mark.parametrize(("found", "said"), NO_NODES)
@pytest.mark.parametrize(
    "asker",
    [
        mg.draw,
        lambda found: mg.draw([found]),
        mg.listing,
        mg.Graph,
        lambda found: mg.gradients(found, []),
        lambda found: mg.jacobian(found, mg.Input(A)),
        lambda found: mg.hessian_vector_product(found, mg.Input(A), A),
    ],
)
def test_what_is_no_node_is_told_how_to_become_one(asker, found, said):
    if isinstance(found, str) and asker in (mg.draw, mg.listing):
        said = "not str"  # a sequence of letters
    with pytest.raises(TypeError, match=said):
        asker(found)


@pytest.mark.parametrize(("found", "said"), NO_NODES)
@pytest.mark.parametrize("wrapped", [lambda found: found, lambda found: [found], lambda found: (mg.Input(A), found)])
@pytest.mark.parametrize("asker", [mg.gradients, mg.jacobian, mg.hessian])
def test_what_is_no_input_is_told_how_to_become_one(asker, wrapped, found, said):
    said = said.replace("call it first", r"give its parameters, model\.parameters\(\)") if "class" not in said else said
    said = "the function doubled" if found is doubled else said
    said = re.sub("an array or number has no graph.*", "give the node itself, W and not W.value", said)
    with pytest.raises(TypeError, match=said):
        asker(mg.Input(A).sum(), wrapped(found))


def test_several_nodes_where_one_is_expected():
    x = mg.Input(A, "x")
    y = x.sum()
    for asker, said in [
        (lambda: mg.Graph([y]), r"not list: write Graph\(\*nodes\)"),
        (lambda: mg.draw([[y], [y]]), "not list: give one flat list of nodes"),
        (lambda: mg.draw({"loss": y}), "not dict: give one flat list of nodes"),
        (lambda: mg.listing(mg.Graph(y)), r"not Graph: give its nodes, graph\.outputs"),
        (lambda: mg.gradients((y, y), x), "not tuple: differentiate one, or their sum"),
        (lambda: mg.gradients(y, {"x": x}), "not dict: give one flat list of nodes"),
        (lambda: mg.gradients(y, [[x], [x]]), "not list: give one flat list of nodes"),
        (lambda: mg.jacobian([y, y], x), r"not list: join them, np\.concatenate\(nodes\)"),
    ]:
        with pytest.raises(TypeError, match=said):
            asker()


# What the user called it -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda x: x.astype(np.float32), r'found Input "prices" (4, 2)'),
        (lambda x: x, r'found Input "prices" (4, 2)'),
        (lambda x: x.T, r'found MatrixTranspose (2, 4) of Input "prices" (4, 2)'),
        (lambda x: x.transpose(1, 0), r' (2, 4) of Input "prices" (4, 2)'),
        (lambda x: x.reshape(8), r'found Reshape (8,) of Input "prices" (4, 2)'),
        (lambda x: x.reshape(2, 2, 2).swapaxes(0, 1), r'found Transpose (2, 2, 2) of Input "prices" (4, 2)'),
        (lambda x: x[:, np.newaxis], r'(4, 1, 2) of Input "prices" (4, 2)'),
        (lambda x: np.expand_dims(x, 0), r'found ExpandDims (1, 4, 2) of Input "prices" (4, 2)'),
        (lambda x: x[1:], r'found GetItem (3, 2) of Input "prices" (4, 2)'),
        (lambda x: np.broadcast_to(x, (3, 4, 2)), r'found BroadcastTo (3, 4, 2) of Input "prices" (4, 2)'),
        (lambda x: x.copy(), r'found Copy (4, 2) of Input "prices" (4, 2)'),
        (lambda x: np.tanh(x), "found Tanh (4, 2)"),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_layer_names_what_it_was_given(made, said, dtype):
    with pytest.raises(ValueError, match="Dense") as caught:
        Dense(3, 1, dtype=np.float32)(made(mg.Input(np.ones((4, 2), dtype), "prices")))
    assert said in str(caught.value)
    assert "AsType" not in str(caught.value)


@pytest.mark.parametrize(
    "layer", [Dense(3, 1), LSTM(3, 1), Conv2D(3, 1, 2), BatchNorm(3), LayerNorm(3), RNN(3, 2, 1), PReLU(3)]
)
def test_every_layer_names_what_it_was_given(layer):
    with pytest.raises(ValueError, match=r'Input "prices" \(4, 2, 7\)'):
        layer(mg.Input(np.ones((4, 2, 7)), "prices"))


def test_a_product_names_what_was_cast():
    x = mg.Input(np.ones((4, 2)), "prices")
    with pytest.raises(ValueError, match=r'Input "prices" \(4, 2\)') as caught:
        x.astype(np.float32) @ mg.Parameter(np.ones((3, 3), np.float32), "W")
    assert "AsType" not in str(caught.value)
    with pytest.raises(ValueError, match=r'b: MatrixTranspose \(3, 1\) of Parameter "W" \(1, 3\)'):
        x @ mg.Parameter(np.ones((1, 3)), "W").T


def test_a_label_is_short_whatever_came_before():
    y = mg.Input(np.ones(3000), "x")
    for _ in range(2000):
        y = y[1:]
    assert y.label == 'GetItem (1000,) of Input "x" (3000,)'


def test_a_cast_is_called_what_it_is_where_it_is_looked_at():
    y = mg.Input([1, 2], "n").astype(np.float64)
    assert repr(y) == "<AsType (2,) float64 = [1., 2.]>"
    assert y.label == 'Input "n" (2,) as float64'
    with pytest.raises(TypeError, match=r'feeds inputs and constants, not Input "n" \(2,\) as float64'):
        mg.Graph(y).fprop({y: np.ones(2)})
    y.name = "numbers"
    assert y.label == 'AsType "numbers" (2,)'


@pytest.mark.parametrize(
    "asker",
    [
        mg.sigmoid,
        mg.stop_gradient,
        mg.Input,
        lambda layer: mg.Input(A) @ layer,
        lambda layer: layer + mg.Input(A),
        lambda layer: np.concatenate([mg.Input(A), layer]),
        Dense(3, 1),
        lambda layer: losses.mean_squared_error(layer, A),
        lambda layer: losses.cross_entropy(layer, [1]),
        lambda layer: mg.check_gradients(lambda x: layer, A),
    ],
)
def test_a_layer_where_its_output_is_meant(asker):
    with pytest.raises(TypeError, match=r"not Dense: call it first|found Dense: call it first"):
        asker(Dense(2, 3))
