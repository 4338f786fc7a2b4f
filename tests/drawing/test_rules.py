"""The rule of every operation, read off its docstring, computes what fprop and bprop compute, and can be written."""

import hypothesis
import numpy as np
import pytest

import minigrad as mg
from minigrad.graph import ancestry
from minigrad.ops.base import Operation
from minigrad.rules import rule_of
from minigrad.rules.docstrings import rules_of
from minigrad.rules.tree import Words, everything
from tests.ops.test_every_operation import CASES, OPERATIONS, build
from tests.quick import examples

# Operations whose docstring says in words what no formula of the grammar does. The lists can only shrink.
FORWARD_IN_WORDS = {
    # of integers, booleans and indices
    "AllTrue", "AnyTrue", "ArgExtreme", "ArgMax", "ArgMin", "ArgSort", "BitwiseAnd", "BitwiseOr", "BitwiseXor",
    "CountNonzero", "Invert", "IsLast", "LogicalXor", "QuantileIndex", "QuantileWeight", "RunningArgMax", "SearchSorted",
    # random, units
    "RandomNormal", "RandomUniform", "Binade", "Unit",
    # scans, windows, decompositions
    "CumProd", "CumSum", "Recurrence", "Convolution", "Fold", "KernelCorrelation", "TransposedConvolution", "Windows",
    "Expm", "Qr", "SingularValues", "SvdVectors", "SumOfProducts",
}  # fmt: skip
BACK_IN_WORDS = {
    "CumProd", "CumSum", "Prod", "Recurrence", "Convolution", "Fold", "KernelCorrelation", "TransposedConvolution",
    "Windows", "EighVectors", "Expm", "Qr", "SingularValues", "SvdVectors", "SumOfProducts", "Einsum",
}  # fmt: skip


def in_words(tree):
    return any(isinstance(part, Words) for part in everything(tree))


def alone(node):
    """A node of the same operation, attributes and children's values, its children being leaves."""
    copy = Operation.__new__(type(node))
    leaves = tuple(
        [mg.Input(child.value.astype(float) if child.dtype == np.float32 else child.value) for child in node.children]
    )
    Operation.__init__(copy, *leaves, **node.attributes)
    return copy


def assert_same(found, expected, what):
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10, err_msg=what, equal_nan=True)


def compare(node, rng):
    """Compare the value, and what a random adjoint sends to each child."""
    rule = rule_of(node)
    values = [child.value for child in node.children]
    if not rule.forward.is_words:
        assert_same(rule.forward.value(rule.bound(values)), node.value, f"{rule.operation}: {rule.forward.line()}")
    if node.dtype.kind != "f":
        return
    adjoint = rng.uniform(-2, 2, node.shape)
    for child, formula in zip(node.children, rule.adjoints, strict=True):
        if child.dtype.kind != "f":
            assert formula is None
            continue
        (sent,) = mg.gradients(node, [child], adjoint=adjoint)
        if formula is None:
            assert not sent.value.any()
        elif not formula.is_words:
            assert_same(
                formula.value(rule.bound(values, node.value, adjoint)),
                sent.value,
                f"{rule.operation}: {formula.line()}",
            )


def test_the_list_of_rules_in_words_is_exact():
    rules = {kind.__name__: rules_of(kind) for kind in OPERATIONS}
    assert {
        name for name, rule in rules.items() if rule.forward is None or in_words(rule.forward.tree)
    } == FORWARD_IN_WORDS
    back = {name: rule.adjoints.values() for name, rule in rules.items() if not rule.silent}
    assert {
        name for name, adjoints in back.items() if not adjoints or any(in_words(rule.tree) for rule in adjoints)
    } == BACK_IN_WORDS


@pytest.mark.parametrize("kind", [kind for kind in OPERATIONS if kind in CASES], ids=lambda kind: kind.__name__)
def test_the_rule_computes_what_fprop_and_bprop_compute(kind):
    met = []

    @examples(10)
    @hypothesis.given(CASES[kind])
    def check(trial):
        y, inputs = build(trial)
        graph = ancestry([y])
        if y.dtype.kind == "f":
            graph += ancestry(mg.gradients(y, [x for x in inputs if x.dtype.kind == "f"], adjoint=y))
        for node in graph:
            if type(node) is kind:
                compare(alone(node), np.random.default_rng(0))
                met.append(node)

    check()
    assert met


# Written --------------------------------------------------------------------------------------------------------------


def number(value, name="", kind=mg.Input):
    return kind(np.array(value), name=name)


def written(node, adjoint=None):
    """The rule of a node with the names of its children, and in numbers: forward, then of each child."""
    rule = rule_of(node)
    named = rule.bound([child.name for child in node.children], node.name or "y")
    valued = rule.bound([child.value for child in node.children], node.value, adjoint)
    formulas = [rule.forward, *[formula for formula in rule.adjoints if formula is not None]]
    return [(formula.line(named), formula.in_numbers(valued)) for formula in formulas]


def test_a_rule_is_written_with_names_and_in_numbers():
    u, w = number(0.5, "u1"), number(-0.25, "w2")
    assert written(u * w, 0.3) == [
        ("y = u1 w2", "0.5 × (−0.25) = −0.125"),
        ("ū1 += ȳ w2", "0.3 × (−0.25) = −0.075"),
        ("w̄2 += ȳ u1", "0.3 × 0.5 = 0.15"),
    ]
    h = np.tanh(u)
    h.name = "h"
    assert written(h, 0.3) == [
        ("h = tanh(u1)", "tanh(0.5) = 0.4621"),
        ("ū1 += h̄ (1 − h²)", "0.3 × (1 − 0.4621²) = 0.2359"),
    ]
    assert written(u**3, 1.0) == [("y = u1³", "0.5³ = 0.125"), ("ū1 += 3 ȳ u1²", "3 × 1 × 0.5² = 0.75")]
    assert written(np.maximum(u, w), 0.3)[1:] == [
        ("ū1 += ȳ where u1 ≥ w2, else 0", "0.3, since 0.5 ≥ −0.25"),
        ("w̄2 += 0 where u1 ≥ w2, else ȳ", "0, since 0.5 ≥ −0.25"),
    ]


def test_the_factor_on_an_edge():
    u, w = number(0.5, "u1"), number(-0.25, "w2")

    def factors(node):
        rule = rule_of(node)
        named = rule.bound([child.name for child in node.children], "y")
        return [formula.factor(named) for formula in rule.adjoints]

    assert factors(u * w) == ["w2", "u1"]
    assert factors(u - w) == ["1", "−1"]
    assert factors(np.tanh(u)) == ["(1 − y²)"]
    assert factors(u / w) == ["1 / w2", "−y / w2"]
    assert factors(mg.softmax(mg.Input(np.ones(2), name="z"))) == [""]
