"""The rule of every operation, read off its docstring, computes what fprop and bprop compute, and can be written."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import minigrad as mg
from minigrad.graph import ancestry
from minigrad.ops.base import Operation
from minigrad.rules import rule_of
from minigrad.rules.docstrings import INDICES, attribute_names, rules_of
from minigrad.rules.evaluation import evaluate
from minigrad.rules.formulas import adjoint_name
from minigrad.rules.parsing import FUNCTIONS, REDUCTIONS, UnreadableError, parse
from minigrad.rules.phrases import PHRASES, STATES
from minigrad.rules.printing import lowered, plain
from minigrad.rules.printing import written as text_of
from minigrad.rules.tokens import tokens
from minigrad.rules.tree import Compare, Logic, Words, everything
from tests.ops.test_every_operation import CASES, OPERATIONS, build
from tests.quick import examples

# Operations whose docstring says in words what no formula of the grammar does. The lists can only shrink.
FORWARD_IN_WORDS = {
    "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Invert",  # bit by bit
    "ArgExtreme", "RunningArgMax", "IsLast", "QuantileIndex", "QuantileWeight", "SearchSorted",  # places of entries
    "Binade", "Unit", "RandomNormal", "RandomUniform", "Recurrence", "Qr", "SvdVectors",
}  # fmt: skip
BACK_IN_WORDS = {"CumProd", "Recurrence", "Einsum", "EighVectors", "Qr", "SvdVectors"}


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


SAID = {
    "at", "since", "over", "along", "no", "i", "j", "k", "axis", "axes", "all", "entries", "elsewhere", "added", "to", "else", "where", "and", "or", "not",
    "in", "the", "shape", "another", "dtype", "s", "condition", "does", "hold", "holds", "true", "false", "is", "first",
    "maximum", "minimum", "finite", "infinite", "negative", "nan", "repeated", "summed", "None",
    *[word for words in PHRASES for word in words.split()],
    *FUNCTIONS,
    *REDUCTIONS,
}  # fmt: skip


def doubled(text):
    """Whether brackets stand right within brackets, but for shapes: det((3, 3))."""
    opened, closed = [], {}
    for i, c in enumerate(text):
        if c in "([":
            opened.append(i)
        elif c in ")]":
            closed[opened.pop()] = i
    assert not opened
    return any(
        text[i : i + 2] == "(("
        and closed[i] == closed[i + 1] + 1
        and not set(text[i + 2 : closed[i] - 1]) <= set("0123456789, ")
        for i in closed
        if i + 1 in closed
    )


def assert_readable(rule, values):
    """No letter of the docstring is left where names are given, and no letter nor prose where numbers are."""
    children = [f"ф{lowered(i + 1)}" for i in range(len(rule.adjoints))]
    named = rule.bound(children, "ш")
    for formula in (rule.forward, *rule.adjoints):
        if formula is None or formula.is_words:
            continue
        own = {symbol for symbol, _ in formula.needed()}
        line, numbers = formula.line(named), formula.in_numbers(values)
        letters = {token.text for token in tokens(line) if token.kind == "name"} - own - FUNCTIONS - REDUCTIONS
        assert letters <= {*children, "ш", *map(adjoint_name, [*children, "ш"]), "e", "π", "∂", "s", *"ijk"}, line
        said = {token.text for token in tokens(numbers) if token.kind in ("name", "word")}
        assert said <= SAID | {"e", "π", "∞", "T"}, numbers
        for text in (line, numbers, formula.factor(named)):
            assert "+ −" not in text, text
            assert "−−" not in text, text
            assert not doubled(text), text


def compare(node, rng):
    """Compare the value, and what a random adjoint sends to each child."""
    rule = rule_of(node)
    assert_readable(
        rule, rule.bound([child.value for child in node.children], node.value, rng.uniform(-2, 2, node.shape))
    )
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


# Operations of one's own ----------------------------------------------------------------------------------------------


class Cube(mg.Elementwise):
    """y = x³;  x̄ = 3 ȳ x²."""

    __slots__ = ()

    def fprop(self, x):
        return x**3

    def bprop(self, adjoint):
        return 3 * adjoint * self.children[0] ** 2


class CubeAgain(Cube):
    __slots__ = ()


class OtherBack(Cube):
    __slots__ = ()

    def bprop(self, adjoint):
        return adjoint * 0


class Undocumented(mg.Operation):
    __slots__ = ()

    def fprop(self, first, second, *, rate):
        return first * rate + second

    def bprop(self, adjoint):
        return adjoint * self.rate, adjoint


class Prose(mg.Elementwise):
    """Do something to x; see the paper."""

    __slots__ = ()

    def fprop(self, x):
        return x + 0

    def bprop(self, adjoint):
        return adjoint


class Foreign(mg.Elementwise):
    """y = q x;  x̄ = ȳ q."""

    __slots__ = ()

    def fprop(self, x):
        return 2 * x

    def bprop(self, adjoint):
        return 2 * adjoint


class Misfit(mg.Elementwise):
    """Y = A X;  X̄ = A' Ȳ."""

    __slots__ = ()

    def fprop(self, a, x):
        return a * x

    def bprop(self, adjoint):
        a, x = self.children
        return adjoint * x, adjoint * a


def lines(node):
    return [line for line, _ in written(node, 1.0)]


def test_a_rule_of_ones_own_is_read_or_named_never_a_crash():
    u, w = number(2.0, "u"), number(3.0, "w")
    assert written(Cube(u), 0.5) == [("y = u³", "2³ = 8"), ("ū += 3 ȳ u²", "3 × 0.5 × 2² = 6")]
    assert lines(CubeAgain(u)) == lines(Cube(u))
    assert lines(OtherBack(u)) == ["y = u³", "ū += the rule of OtherBack"]
    assert lines(Undocumented(u, w, rate=2.0)) == [
        "y = Undocumented(u, w)",
        "ū += the rule of Undocumented",
        "w̄ += the rule of Undocumented",
    ]
    assert lines(Prose(u)) == ["y = Prose(u)", "ū += the rule of Prose"]
    assert lines(Foreign(u)) == ["y = q u", "ū += ȳ q"]
    assert rule_of(Foreign(u)).forward.is_words  # nobody knows what q is
    assert written(Misfit(u, w))[0] == ("y = u @ w", "2 @ 3: 6")


def test_a_wrong_docstring_is_found_out():
    class Wrong(Cube):
        """y = x³;  x̄ = 2 ȳ x²."""

        __slots__ = ()

    with pytest.raises(AssertionError, match="Wrong: x̄"):
        compare(Wrong(number(2.0, "u")), np.random.default_rng(0))


def test_a_leaf_is_given():
    rule = rule_of(number(1.0, "u"))
    assert (rule.forward.text(), rule.adjoints) == ("given", ())


PIECES = [
    "where", "else", "with", "and", "sin", "max", "ȳ", "x", "a", "x̄", "ā", "y", "=", "(", ")", "+", "−", "/", ",", ";", ":",
    ".", "'", "²", "⁻¹", "√", "Σ", "|", "⌊", "⌋", "[index]", "2", "π", "sin(1, 2)", "Π", "but for", "over the axes", "is nan",
    "det 2", "round(x)", "n = count x", "in another shape", "where x > 0, else", "+= a",
]  # fmt: skip


@examples(300)
@hypothesis.given(
    st.text("xyabeAXYȳx̄āπσψΣ√|⌊⌋()[]'=+−·/^²ⁿ⁻¹₁_,;:. 0123½∘×⟨⟩"), st.lists(st.sampled_from(PIECES), max_size=12)
)
def test_any_docstring_can_be_read(text, words):
    class Any(mg.Operation):
        __slots__ = ()

        def fprop(self, x, a):
            return x * a

        def bprop(self, adjoint):
            return adjoint, adjoint

    Any.__doc__ = f"y = {text} {' '.join(words)};  x̄ = {text}, ā = {' '.join(words)} {text}."
    node = Any(number([0.5, -2.0], "u"), number(3.0, "w"))
    for line, numbers in written(node, 1.0):
        assert line
        assert isinstance(numbers, str)
    assert all(isinstance(formula.factor(), str) for formula in rule_of(node).adjoints if formula is not None)


def test_nesting_has_an_end():
    for deep in ("(" * 5000, "√" * 5000, "sin " * 5000, "−" * 5000, "Σ " * 5000, "|" * 5000, "a where b else " * 5000):
        Cube.__doc__, kept = f"y = {deep}x;  x̄ = {deep}ȳ.", Cube.__doc__
        try:
            rules_of.__globals__["_KNOWN"].pop(Cube, None)
            assert lines(Cube(number(2.0, "u")))
        finally:
            Cube.__doc__ = kept
            rules_of.__globals__["_KNOWN"].pop(Cube, None)


# The grammar ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OPERATIONS, ids=lambda kind: kind.__name__)
def test_what_is_written_is_read_as_the_same_formula(kind):
    rules = rules_of(kind)
    for statement in (rules.forward, *rules.adjoints.values(), *rules.definitions):
        if statement is not None and not in_words(statement.tree):
            text = text_of(statement.tree, plain).text
            said = isinstance(statement.tree, Compare | Logic) or getattr(statement.tree, "words", "") in STATES
            known = {*kind.roles, *rules.slots, *attribute_names(kind), *INDICES}
            assert text_of(parse(f"whether {text}" if said else text, known), plain).text == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 x / 4 y", 3.0), ("x/2 y", 3.0), ("3 / 2y", 0.5), ("−x²", -4.0), ("2⁻¹ y", 1.5), ("eˣ⁻ʸ", np.exp(-1)),
        ("x − y − 1", -2.0), ("|x − y| y", 3.0), ("√x²", 2.0), ("⌊y / 2⌋ + ⌈y / 2⌉", 3.0), ("sin x + 1", 1 + np.sin(2)),
        ("x where x > y, else y where y = 3, else 0", 3.0), ("max(x, y) x", 6.0), ("ln(x y)", np.log(6)),
        ("y^(x + 1)", 27.0), ("x · 2ˣ", 8.0), ("1/x − 1/y", 1 / 6),
    ],
)  # fmt: skip
def test_the_grammar_means_what_mathematics_means(text, value):
    assert evaluate(parse(text), {"x": 2.0, "y": 3.0}) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "x +", "x y)", "(x", "x where y", "a prose sentence", "x = y", "|x", "x ^ y"])
def test_what_is_no_formula_is_refused(text):
    with pytest.raises(UnreadableError):
        parse(text)
