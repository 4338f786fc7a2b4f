"""What a reader is told of an exercise."""

import types

import numpy as np
import pytest

import minigrad as mg
from course.cells import TUTORIALS

check = types.ModuleType("check")  # as a notebook makes it
exec((TUTORIALS / "check.py").read_text("utf-8"), check.__dict__)


def told(*arguments):
    with pytest.raises(check.NotYet) as error:
        check.same(*arguments)
    return str(error.value)


def test_what_is_right_is_said(capsys):
    check.same(2.0, 2, "w")
    check.same([1, 2], np.array([1.0, 2.0]), "λ")
    check.same(mg.Input(2.0), 2.0, "a node")
    check.same("tanh", "tanh", "rule")
    check.same(True, True, "b")
    check.same({"a": 1.0, "b": [1, 2]}, {"a": 1.0, "b": [1, 2]}, "d")
    check.same((np.ones(2), np.ones(3)), [np.ones(2), np.ones(3)], "pair")
    check.same([mg.Input(1.0), mg.Input(2.0)], [1.0, 2.0], "nodes")
    check.same(np.nan, np.nan, "nan")
    assert capsys.readouterr().out.splitlines()[:2] == ["w: right.", "λ: right."]


def test_a_stub_left_as_it_is():
    assert told(None, 9.0, "by_hand(3)") == "by_hand returned None: write its body."
    assert told(..., 9.0, "rate") == "rate is not given yet: write it in place of the None or the dots."
    assert "call it" in told(np.sin, 9.0, "f")


def test_numbers_that_differ():
    assert told([1.0, 2.0, 3.0], [1.0, 2.0, 3.5], "λ") == "λ[2]: yours 3, expected 3.5."
    assert told([[1.0, 2.0]], [1.0, 2.0], "W") == "W: yours has shape (1, 2), expected (2,)."
    assert told("2", 2.0, "w") == "w: yours is '2', expected numbers of shape ()."
    assert told(np.nan, 2.0, "w") == "w: yours nan, expected 2."
    assert told(object(), 2.0, "w").startswith("w: yours is <object")
    assert told([[1], [1, 2]], [1.0, 2.0], "w").startswith("w: yours is [[1], [1, 2]]")


def test_words_dicts_and_lists_that_differ():
    assert told("a", "b", "choice") == "choice: yours 'a', expected 'b'."
    assert told(1, True, "dead") == "dead: yours 1, expected True."
    assert told({"a": 1}, {"a": 1, "b": 2}, "d") == "d lacks b."
    assert told({"a": 1, "b": 3}, {"a": 1, "b": 2}, "d") == "d['b']: yours 3, expected 2."
    assert told(3, {"a": 1}, "d") == "d: yours is 3, expected a dict of a."
    assert told([np.ones(2)], [np.ones(2), np.ones(3)], "pair").endswith("expected 2 things in a list.")
    assert told([np.ones(2), np.zeros(3)], [np.ones(2), np.ones(3)], "pair") == "pair[1][0]: yours 0, expected 1."


def test_a_notebook_shows_the_words_alone():
    assert check.NotYet("λ is wrong.")._render_traceback_() == ["Not yet. λ is wrong."]
