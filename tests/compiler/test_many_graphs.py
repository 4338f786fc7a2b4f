"""The command that compares programs with nodes on many random graphs."""

import os

import numpy as np
import pytest

from tests.compiler import __main__ as command


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))


def test_all_kinds_of_graphs_are_compared(capsys):
    assert command.main(["--graphs", "20"]) == 0
    said = capsys.readouterr().out
    assert "20 of 20 graphs (all agree)" in said
    assert "10 of 20 graphs (recurrent)" in said


def test_a_graph_that_fails_is_printed_as_what_rebuilds_it(capsys, monkeypatch):
    """As small as it can be: a loop of two steps."""

    def wrong(graph, rewrites, backend):
        assert "loop_graph" not in repr(graph) or graph.calls[0][0].shape[:2] != (2, 2), "wrong numbers"

    with monkeypatch.context() as patch:
        patch.setattr(command, "agree", wrong)
        assert command.main(["--graphs", "200", "--seed", "3"]) == 1
    *_, expression = capsys.readouterr().out.splitlines()
    assert expression.startswith("agree(loop_graph(2, ")
    assert command.main(["--again", expression]) == 0
    assert "agree" in capsys.readouterr().out


def test_an_expression_is_compared_anew(monkeypatch):
    def wrong(*arguments):
        raise AssertionError(f"{np.shape(arguments[0].calls[0][0])}")

    monkeypatch.setattr(command, "agree", wrong)
    with pytest.raises(AssertionError, match=r"\(3,\)"):
        command.main(["--again", "agree(flat_graph([(3,)], ['float64'], [(0, 0, 0, 0)], [], 1, 0), None, 'numpy')"])
