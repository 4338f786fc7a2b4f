"""Errors say what, where, and what to do: the operation, its inputs with names and shapes, the scope, the user's line."""

import re
import sys

import numpy as np
import pytest

import minigrad as mg

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
    with pytest.raises(TypeError, match=r"np\.linalg\.svd is not supported on nodes: "):
        np.linalg.svd(x)
    with pytest.raises(TypeError, match=r"np\.frexp is not supported on nodes"):
        np.frexp(x)
    with pytest.raises(TypeError, match=r"np\.add\.reduce is not supported on nodes: write .*np\.sum"):
        np.add.reduce(x)
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
