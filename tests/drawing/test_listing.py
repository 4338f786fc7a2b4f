"""`mg.listing`, and the words for operations and arrays."""

from enum import Enum

import numpy as np
import pytest

import minigrad as mg
from minigrad.drawing import summary, symbols
from minigrad.models import losses
from tests.drawing.graphs import recurrent


def test_listing_has_a_line_per_node_and_fits():
    loss, parameters, _ = recurrent()
    gradients = mg.gradients(loss, parameters)
    for nodes, graph in ((loss, mg.Graph(loss)), (gradients, mg.Graph(*gradients))):
        lines = mg.listing(nodes).splitlines()
        assert len(lines) == 1 + len(graph.nodes)
        assert max(len(line) for line in lines) <= 110
    assert "adjoint" in mg.listing(loss)
    assert "adjoint" not in mg.listing(loss, adjoints=False)
    assert "adjoint" not in mg.listing(gradients)


def test_children_come_first_whatever_was_made_before():
    def lines():
        x = mg.Input(1.5, name="x")
        return mg.listing((x * 2.5 + 7.25) * 2.5)

    first = lines()
    mg.Input(1.0) * 7.25  # now an old number
    assert lines() == first
    assert [line.split()[0] for line in first.splitlines()[1:]] == list("012345")
    assert mg.listing(mg.Constant(1.0)).splitlines()[1].split() == ["0", "constant", "()", "1"]


def test_bad_arguments():
    with pytest.raises(TypeError, match=r"mg.listing takes a node or several, not str"):
        mg.listing("x")


@pytest.mark.parametrize(
    ("array", "rows"),
    [
        (1.0, ("1",)),
        (np.float32(0.1), ("0.1",)),
        (-0.0, ("0",)),
        (123456, ("123456",)),
        (True, ("True",)),
        ([1.0, -2.5], ("[1, -2.5]",)),
        ([[1.0, -20.0], [3.25, 4.0]], ("[   1,  -20]", "[3.25,    4]")),
        ([[[1.0]]], ("all 1",)),
        ([], ("empty",)),
        (np.zeros((2, 0, 3)), ("empty",)),
        ([np.nan, np.inf, -np.inf], ("[nan, inf, -inf]",)),
        ([1.0, 2.0, 3.0, np.nan, np.inf], ("1 … 3  μ 2  1 nan  1 inf",)),
        ([np.nan] * 9, ("9 nan",)),
        ([7e307] * 9, ("all 7e+307",)),
        ([1e308, 1.5e308] * 9, ("1e+308 … 1.5e+308  μ inf",)),
        (np.arange(9), ("0 … 8  μ 4",)),
        ([True, False] * 3, ("3 of 6 true",)),
    ],
)
def test_summaries(array, rows):
    assert summary.rows(np.asarray(array)) == rows


def test_summary_in_one_line():
    assert summary.line(summary.rows(np.array([[-1.0, 20.0]]))) == "[-1, 20]"
    assert summary.line(summary.rows(np.array([[1.0, -20.0], [3.25, 4.0]]))) == "[[1, -20], [3.25, 4]]"
    assert summary.line(()) == ""


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("[-1.458, -0.809836]", 19, "[-1.458, -0.809836]"),
        ("[-1.458, -0.809836]", 18, "[-1.458, …"),
        ("[[1, 2], [3, 4]]", 13, "[[1, 2], …"),
        ("-0.399 … 0.559  μ -0.135", 20, "-0.399 … 0.559  …"),
        ("-0.399 … 0.559  μ -0.135", 6, "…"),
    ],
)
def test_no_number_is_cut(text, width, shown):
    assert summary.cut(text, width) == shown


@pytest.mark.parametrize(
    ("make", "title", "line"),
    [
        (lambda x: x + x, "+", "#0 + #0"),
        (lambda x: 1 - x, "1 −", "#1 − #0"),
        (lambda x: x / 2, "÷ 2", "#0 ÷ #1"),
        (lambda x: x @ x, "@", "#0 @ #0"),
        (lambda x: -x, "−A", "−#0"),
        (lambda x: x**3, "A³", "#0³"),
        (lambda x: x**0.5, "A ^ 0.5", "#0 ^ 0.5"),
        (lambda x: x.T, "Aᵀ", "#0ᵀ"),
        (lambda x: np.exp(x), "exp", "exp(#0)"),
        (lambda x: x.sum(axis=0), "Σ axis=0", "Σ(#0, axis=0)"),
        (lambda x: x[1, ::2], "A[1, ::2]", "#0[1, ::2]"),
        (lambda x: x[np.array([0, 1])], "A[·]", "#0[#1]"),
        (lambda x: abs(x), "|A|", "|#0|"),
        (lambda x: x <= 0, "≤ 0", "#0 ≤ #1"),
        (lambda x: np.maximum(x, 0), "maximum(·, 0)", "maximum(#0, #1)"),
        (lambda x: np.concatenate([x] * 7), "concatenate axis=0", "concatenate(#0, #0, #0, …, #0, axis=0)"),
        (lambda x: mg.stop_gradient(x), "stop ∂", "stop ∂(#0)"),
        (lambda x: x.reshape(4), "reshape", "reshape(#0, shape=(4,))"),
        (lambda x: mg.scale_adjoint(x, 2.0), "scale ∂(·, 2)", "scale ∂(#0, #1)"),
    ],
)
def test_operations_as_mathematics(make, title, line):
    node = make(mg.Input([[1.0, 2.0], [3.0, 4.0]], name="A"))
    drawing = mg.draw(node, adjoints=False)
    assert drawing.diagram.boxes[-1].lines[0] == ("title", title)
    assert f"  {line}  " in mg.listing(node, adjoints=False).splitlines()[-1]


def test_attributes_are_words_that_do_not_change():
    class Color(Enum):
        RED = "red"

    given = {
        "axis": None, "keepdims": False, "a": 1.23456789, "dtype_to": np.dtype("f4"), "f": len, "o": object(),
        "index": (slice(1, None, 2), Ellipsis, None, Color.RED), "several": [1, (2,)], "t": True,
    }  # fmt: skip
    assert symbols.attributes(given) == {
        "a": "1.235", "dtype": "float32", "f": "len", "o": "object", "index": "1::2, ..., None, red",
        "several": "(1, (2,))", "t": "True",
    }  # fmt: skip


def test_labels_of_more_than_two_operands():
    assert symbols.label("AddN", {}, [None, None, None], ["", "", ""]) == "+"
    assert symbols.label("AddN", {}, [None, "1", None], ["", "", ""]) == "· + 1 + ·"
    assert symbols.label("GetItem", {"index": "array, 0, array"}, [None, None, "2"], ["x", "i", ""]) == "x[·, 0, 2]"
    assert symbols.label("Power", {}, [None, "2"], ["", ""]) == "x²"


def test_shortened():
    assert symbols.shortened("abc", 3) == "abc"
    assert symbols.shortened("abcdefghij", 7) == "abcd…ij"
    assert symbols.clean("a\tb\x00é\ud800") == "a b�é�"


def test_the_lazy_names_are_in_dir():
    assert {"draw", "listing", "Drawing", "Node"} <= set(dir(mg))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_mean_that_is_rounding_is_0(dtype):
    """The adjoint of logits sums to 0 in each row; the digits of what is left depend on the processor."""
    logits = np.random.default_rng(0).normal(size=(5, 3)).astype(dtype)
    x = mg.Input(logits)
    (slope,) = mg.gradients(losses.cross_entropy(x, np.array([0, 1, 2, 1, 0])), [x])
    assert 0 < abs(slope.value.mean(dtype=np.float64)) < 1e-7
    assert summary.rows(slope.value)[0].endswith("  μ 0")
    small = slope.value + dtype(1e-5)
    assert summary.rows(small)[0].endswith("  μ 1e-05")
    assert summary.figures(np.array([-3.0, 1.0, 5.0])).mean == 1.0
    assert summary.figures(np.array([-np.inf, 2.0, 4.0])).mean == 3.0
    assert summary.figures(np.array([-7, 8, -(10**15), 10**15])).mean == 0.25
    assert np.isnan(summary.figures(np.array([np.nan])).mean)
