"""The parameters of functions: those that NumPy tells only in newer versions are known in older ones too."""

import inspect

import numpy as np
import pytest

import minigrad as mg
from minigrad import protocols
from minigrad.signatures import parameters


@pytest.mark.parametrize(("function", "names"), [(np.tanh, ["x"]), (np.add, ["x1", "x2"]), (np.frexp, ["x"])])
def test_a_ufunc_has_its_operands(function, names):
    assert list(parameters(function)) == names
    assert {p.kind for p in parameters(function).values()} == {inspect.Parameter.POSITIONAL_ONLY}


def test_of_what_tells_nothing_nothing_is_known():
    class Untold:
        __signature__ = "none"

        def __call__(self, x):
            return x

    assert parameters(Untold()) == {}
    assert list(parameters(lambda a, *b, c=1: a)) == ["a", "b", "c"]


def test_a_program_names_the_operands_of_a_ufunc():
    step = mg.compile(np.multiply)
    step(np.ones(2), np.ones(2))
    assert step.source.startswith("def program(x1, x2):")


def test_an_entry_of_the_table_of_activations_may_be_a_ufunc():
    from minigrad.activation_table import Activation

    assert Activation(np.square, formula="x**2", derivative="2*x").parameters == {}


def test_positions_that_numpy_does_not_tell(monkeypatch):
    """Of functions written in C, before NumPy 2.4: all calls in NumPy's forms are answered."""
    monkeypatch.setattr(protocols, "parameters", lambda function: {})
    protocols._numpys_parameters.cache_clear()
    x, i = mg.Input(np.ones((2, 2))), mg.Input(np.array([0, 1]))
    try:
        calls = [
            np.concatenate([x, x], 0, None),
            np.concatenate([x, x], 1, None, dtype=None, casting="same_kind"),
            np.dot(x, x, None),
            np.lexsort((i, i), -1),
            np.ravel_multi_index((i, i), (2, 2), "raise", "C"),
            np.unravel_index(i, (2, 2), "C")[0],
        ]
        with pytest.raises(TypeError, match="no out="):
            np.concatenate([x, x], 0, np.ones((4, 2)))
    finally:
        protocols._numpys_parameters.cache_clear()
    assert all(isinstance(call, mg.Node) for call in calls)
