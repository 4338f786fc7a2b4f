"""The rule of every operation, read off its docstring, computes what fprop and bprop compute, and can be written."""

import subprocess
import sys

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import minigrad as mg
from minigrad.graph import ancestry
from minigrad.models import inputs, losses, normalization
from minigrad.ops import arithmetic, control, indexing, linear_algebra, random, reductions, sorting
from minigrad.ops.base import Operation
from minigrad.rules import rule_of
from minigrad.rules.docstrings import INDICES, attribute_names, rules_of
from minigrad.rules.evaluation import NoValueError, evaluate
from minigrad.rules.formulas import adjoint_name
from minigrad.rules.functions import NAMES
from minigrad.rules.parsing import REDUCTIONS, UnreadableError, parse
from minigrad.rules.phrases import PHRASES, STATES
from minigrad.rules.printing import lowered, plain
from minigrad.rules.printing import written as text_of
from minigrad.rules.tokens import tokens
from minigrad.rules.tree import Compare, Logic, Words, everything
from tests.drawing.graphs import ALL, expression, net_2_2_1
from tests.drawing.truth import factor_value
from tests.ops.test_every_operation import CASES, OPERATIONS, build
from tests.quick import examples

# Operations whose docstring says in words what no formula of the grammar does. The lists can only shrink.
FORWARD_IN_WORDS = {
    "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Invert",  # bit by bit
    "ArgExtreme", "RunningArgMax", "IsLast", "QuantileIndex", "QuantileWeight", "SearchSorted",  # places of entries
    "Binade", "Unit", "RandomNormal", "RandomUniform", "Recurrence", "Qr", "SvdVectors",
}  # fmt: skip
BACK_IN_WORDS = {"CumProd", "Recurrence", "Qr", "SvdVectors"}


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
    "maximum", "minimum", "as", "float32", "float64", "finite", "infinite", "negative", "nan", "repeated", "summed", "None",
    *[word for words in PHRASES for word in words.split()],
    *NAMES,
    *REDUCTIONS,
}  # fmt: skip


def unquoted(text):
    """Without what stands in quotes: the subscripts of an einsum."""
    return "".join(text.split('"')[::2])


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
        line, numbers = unquoted(formula.line(named)), unquoted(formula.in_numbers(values))
        letters = {token.text for token in tokens(line) if token.kind == "name"} - own - NAMES - REDUCTIONS
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
    back = {name: rule.adjoints.values() for name, rule in rules.items() if rule.adjoints or not rule.complete}
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


X = np.array([[0.25, 0.75], [0.5, 0.5]])
LOW, HIGH = np.array(-0.5), np.array(0.5)
BY_DEFINITION = {
    arithmetic.Numbers: ([np.array([1.0, np.nan])], {}),
    losses.Probabilities: ([X], {"role": "p"}),
    losses.Distributions: ([X], {"role": "p"}),
    losses.FiniteTargets: ([X], {}),
    losses.ExampleWeights: ([X], {"divides": True}),
    losses.Labels: ([np.array([0.0, 1.0])], {"lowest": 0}),
    inputs.Indices: ([np.array([0, 2])], {"n": 3, "role": "entries"}),
    normalization.FiniteStatistics: ([X], {"role": "mean"}),
    normalization.Unit: ([X], {"axis": 1}),
    indexing.SameCount: ([X > 0.4], {"count": 3}),
    indexing.InRange: ([np.array([0, 2])], {"length": 3, "refusal": "no"}),
    indexing.IsLast: ([np.array([0, 0])], {"index": (indexing.ARRAY,), "shape_of": (2,)}),
    reductions.Binade: ([X], {"axis": 1}),
    sorting.Monotonic: ([np.array([1.0, 2.0])], {}),
    linear_algebra.DetSign: ([np.eye(2)], {}),
    control.StopGradient: ([X], {}),
    control.ClipAdjoint: ([X, LOW, HIGH], {}),
    control.OrderedBounds: ([X, LOW, HIGH], {}),
    control.ScaleAdjoint: ([X, HIGH], {}),
    control.Probe: ([X], {"callback": len}),
    control.Report: ([X], {"callback": len}),
}


def test_no_operation_is_left_out():
    assert {kind for kind in OPERATIONS if kind not in CASES} == {
        *BY_DEFINITION,
        random.RandomUniform,
        random.RandomNormal,
    }


@pytest.mark.parametrize("kind", BY_DEFINITION, ids=lambda kind: kind.__name__)
def test_the_rule_of_what_is_checked_by_definition(kind):
    arrays, attributes = BY_DEFINITION[kind]
    compare(kind(*[mg.Input(array) for array in arrays], **attributes), np.random.default_rng(0))


def test_a_random_number_is_drawn():
    node = next(n for n in ancestry([mg.random_uniform(2, rng=np.random.default_rng(0))]) if not n.children)
    assert rule_of(node).forward.text() == "a number drawn from U[0, 1)"


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


def test_the_factor_as_a_number():
    u, w = number(0.5, "u1"), number(-0.25, "w2")
    rule = rule_of(u * w)
    assert [factor_value(formula, rule.bound([0.5, -0.25])) for formula in rule.adjoints] == [-0.25, 0.5]
    assert factor_value(rule_of(mg.softmax(mg.Input(np.ones(2)))).adjoints[0], {}) is None


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
    a, b = mg.Input(np.eye(3), name="a"), mg.Input(np.ones(3), name="b")
    assert factors(np.cross(a, b)) == ["", ""]
    assert factors(np.linalg.det(a)) == ["cof a"]
    assert factors(np.linalg.inv(a)) == [""]
    assert factors(b.sum()) == ["1"]
    assert factors(a @ b) == ["@ bᵀ", "aᵀ @"]


def test_names_and_values_are_one_per_child():
    with pytest.raises(ValueError, match="the rule of Tanh is about 1 children, and 2 are given"):
        rule_of(np.tanh(number(0.5, "u"))).bound(["u", "w"])


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
    assert written(Misfit(u, w))[0] == ("y = u @ w", "2 @ 3 = 6")


def test_a_wrong_docstring_is_found_out():
    class Wrong(Cube):
        """y = x³;  x̄ = 2 ȳ x²."""

        __slots__ = ()

    with pytest.raises(AssertionError, match="Wrong: x̄"):
        compare(Wrong(number(2.0, "u")), np.random.default_rng(0))


class Picked(mg.Operation):
    """y = x[index];  x̄ = ȳ[stretch_i]."""

    __slots__ = ()

    def fprop(self, x, *, index):
        return x * index

    def bprop(self, adjoint):
        return adjoint * self.index


class Shift(mg.Elementwise):
    """y = x − shift."""

    __slots__ = ()

    def fprop(self, x, *, shift):
        return x - shift


def test_attributes_are_put_in_as_numbers_and_a_missing_rule_is_named():
    u = number(2.0, "u")
    assert lines(Shift(u, shift=0.5)) == ["y = u − 0.5", "ū += the rule of Shift"]
    assert lines(Shift(u, shift=-2))[0] == "y = u + 2"


def test_prose_may_have_a_semicolon():
    class Careful(Cube):
        """y = x³, a cube; never mind;  x̄ = 3 ȳ x²."""

        __slots__ = ()

    assert lines(Careful(number(2.0, "u"))) == ["y = u³", "ū += 3 ȳ u²"]


class Sums(mg.Operation):
    """y = Σ_i (w_i x_i + v_i);  x̄_i = ȳ w_i, w̄_i = ȳ x_i."""

    __slots__ = ()

    def fprop(self, *arrays, axis="time", keepdims=False):
        return sum(arrays)

    def bprop(self, adjoint):
        return [adjoint] * len(self.children)


def test_an_attribute_called_index_or_axis_is_not_taken_for_one():
    u = number([1.0, 2.0], "u")
    assert len(lines(Picked(u, index=2))) == 2
    assert len(lines(Sums(u))) == 2


@pytest.mark.parametrize("count", range(1, 7))
def test_any_number_of_children_has_a_rule(count):
    first, *rest = lines(Sums(*[number(1.0, f"u{i}") for i in range(count)]))
    if count == 3:
        assert [first, *rest] == ["y = u0 u1 + u2", "ū0 += ȳ u1", "ū1 += ȳ u0", "ū2 += the rule of Sums"]
    elif count == 6:
        assert first == "y = u0 u2 + u4 + (u1 u3 + u5)"
    else:
        assert first == f"y = Sums({', '.join([f'u{i}' for i in range(count)])})"
        assert rest == [f"ū{i} += the rule of Sums" for i in range(count)]


def test_a_letter_that_is_anothers_name_gets_a_prime():
    x, s = mg.Input(0.5, name="x"), mg.Input(0.5, name="s")
    assert rule_of(mg.silu(x)).forward.line({"x": "x", "y": "h"}) == "h = x s with s = 1 / (1 + e⁻ˣ)"
    rule = rule_of(mg.silu(s))
    assert rule.forward.line(rule.bound(["s"], "h")) == "h = s s′ with s′ = 1 / (1 + exp(−s))"


def test_entries_that_are_put_together_are_told_one_after_the_other():
    x = mg.Input(np.arange(4.0), name="x")
    (sum_of_parts,) = mg.gradients(x[0] * x[1:3].sum(), [x])
    rule = rule_of(sum_of_parts)
    line = rule.forward.line(rule.bound(["p", "q"], "y"))
    assert line == "y = 0 but for y[1:3] += p, y[0] += q"
    assert (
        rule.forward.in_numbers(rule.bound([[5.0, 5.0], 3.0])) == "3 at [0], [5, 5] at [1:3], 0 elsewhere: [3, 5, 5, 0]"
    )


def test_an_order_of_axes_is_told():
    x = mg.Input(np.ones((2, 3, 4)), name="x")
    swapped, backward = (rule_of(node).forward for node in (np.transpose(x, (1, 0, 2)), np.transpose(x)))
    assert swapped.text() == "x with its axes in the order (1, 0, 2)"
    assert swapped.in_numbers({"x": x.value}) == "(2, 3, 4) with its axes in the order (1, 0, 2) = (3, 2, 4)"
    assert backward.text() == "x with its axes reversed"


def test_one_entry_of_large_arrays_is_computed_the_first_or_the_one_asked_for():
    x, W = mg.Input(np.arange(6.0).reshape(2, 3), name="x"), mg.Input(np.ones((3, 4)), name="W")
    rule = rule_of(x @ W)
    values = rule.bound([x.value, W.value], (x @ W).value, np.ones((2, 4)))
    assert rule.forward.in_numbers(values) == "(2, 3) @ (3, 4) = (2, 4); at [0, 0]: 0 × 1 + 1 × 1 + 2 × 1 = 3"
    assert rule.forward.in_numbers(values, (1, 2)).endswith("at [1, 2]: 3 × 1 + 4 × 1 + 5 × 1 = 12")
    assert [formula.factor(rule.bound(["x", "W"])) for formula in rule.adjoints] == ["@ Wᵀ", "xᵀ @"]
    rule = rule_of(x - x[0])
    values = rule.bound([x.value, x.value[0]], x.value - x.value[0], np.ones((2, 3)))
    assert rule.forward.in_numbers(values, (1, 2)) == "at [1, 2]: 5 − 2 = 3"
    assert rule.adjoints[1].in_numbers(values) == "at [0, 0]: −1, summed over axis 0 to (3,)"
    rule = rule_of(x.sum(axis=1))
    assert rule.forward.in_numbers(rule.bound([x.value]), (1, 0)) == "at [1, :]: Σ [3, 4, 5] = 12"


def test_what_the_engine_computed_is_what_is_shown():
    x = mg.Input(2.0, name="x")
    rule = rule_of(Cube(x))
    assert rule.forward.in_numbers({"x": 2.0}) == "2³ = 8"
    assert rule.forward.in_numbers({"x": 2.0, "y": 9.0}) == "2³ = 9"


def test_nothing_is_read_when_minigrad_is_imported():
    program = "import sys, minigrad; print(any(name.startswith('minigrad.rules') for name in sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"
    )


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


@pytest.mark.parametrize("deep", ["(", "√", "sin ", "−", "Σ ", "|", "2 where x > 0 else ", "⌊", "x'"])
@pytest.mark.parametrize("count", [50, 5000])
def test_nesting_has_an_end(deep, count):
    class Deep(Cube):
        __doc__ = f"y = {deep * count}x;  x̄ = {deep * count}ȳ."
        __slots__ = ()

    assert len(lines(Deep(number(2.0, "u")))) == 2


def test_rules_of_like_nodes_are_made_once():
    u = number(2.0, "u")
    assert rule_of(u**3) is rule_of(u**3)
    assert rule_of(u**3).forward.text() != rule_of(u**4).forward.text()
    assert rule_of(Shift(u, shift=[1])) is not rule_of(Shift(u, shift=[1]))
    for i in range(300):
        assert lines(Shift(u, shift=i + 1)) == [f"y = u − {i + 1}", "ū += the rule of Shift"]


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


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x +",
        "x y)",
        "(x",
        "x where y",
        "a prose sentence",
        "x = y",
        "|x",
        "x ^ y",
        "Π_{i=j} x",
        "(" * 40 + "x" + ")" * 40,
    ],
)
def test_what_is_no_formula_is_refused(text):
    with pytest.raises(UnreadableError):
        parse(text)


# Whole graphs ---------------------------------------------------------------------------------------------------------


def told(loss, first="h"):
    """Every line of the forward and the backward sweep, and in numbers; a node without name is h1, h2, ... or its number."""
    nodes = mg.Graph(loss).nodes
    floating = [node for node in nodes if node.dtype.kind == "f"]
    adjoints = dict(zip(floating, mg.gradients(loss, floating), strict=True))
    inner = [node for node in nodes if node.children and not node.name]
    names = {node: f"{first}{i + 1}" for i, node in enumerate(inner)}
    names |= {node: node.name or f"{node.value.flat[0]:g}" for node in nodes if node not in names}
    forward, back = [], []
    for node in nodes:
        if node.children:
            rule = rule_of(node)
            named = rule.bound([names[child] for child in node.children], names[node])
            values = rule.bound([child.value for child in node.children], node.value)
            forward.append(f"{rule.forward.line(named)}:  {rule.forward.in_numbers(values)}")
    for node in reversed(nodes):
        if node.children and node in adjoints:
            rule = rule_of(node)
            named = rule.bound([names[child] for child in node.children], names[node])
            values = rule.bound([child.value for child in node.children], node.value, adjoints[node].value)
            for child, formula in zip(node.children, rule.adjoints, strict=True):
                if formula is not None and not isinstance(child, mg.Constant):
                    back.append(f"{formula.line(named)}:  {formula.in_numbers(values)}")
    return forward, back


NET = """\
h1 = w11 x1:  0.2 × 1 = 0.2
h2 = w01 + h1:  0.1 + 0.2 = 0.3
h3 = w21 x2:  0.3 × 2 = 0.6
h4 = h2 + h3:  0.3 + 0.6 = 0.9
u1 = tanh(h4):  tanh(0.9) = 0.7163
h5 = w12 x1:  0.4 × 1 = 0.4
h6 = w02 + h5:  −0.1 + 0.4 = 0.3
h7 = w22 x2:  −0.5 × 2 = −1
h8 = h6 + h7:  0.3 + (−1) = −0.7
u2 = tanh(h8):  tanh(−0.7) = −0.6044
h9 = w1 u1:  0.6 × 0.7163 = 0.4298
h10 = w0 + h9:  0.05 + 0.4298 = 0.4798
h11 = w2 u2:  0.7 × (−0.6044) = −0.4231
ŷ = h10 + h11:  0.4798 + (−0.4231) = 0.05672
h12 = ŷ − y:  0.05672 − 1 = −0.9433
L = h12²:  (−0.9433)² = 0.8898

h̄12 += 2 L̄ h12:  2 × 1 × (−0.9433) = −1.887
ŷ̄ += h̄12:  −1.887
ȳ += −h̄12:  −(−1.887) = 1.887
h̄10 += ŷ̄:  −1.887
h̄11 += ŷ̄:  −1.887
w̄2 += h̄11 u2:  −1.887 × (−0.6044) = 1.14
ū2 += h̄11 w2:  −1.887 × 0.7 = −1.321
w̄0 += h̄10:  −1.887
h̄9 += h̄10:  −1.887
w̄1 += h̄9 u1:  −1.887 × 0.7163 = −1.351
ū1 += h̄9 w1:  −1.887 × 0.6 = −1.132
h̄8 += ū2 (1 − u2²):  −1.321 × (1 − (−0.6044)²) = −0.8382
h̄6 += h̄8:  −0.8382
h̄7 += h̄8:  −0.8382
w̄22 += h̄7 x2:  −0.8382 × 2 = −1.676
x̄2 += h̄7 w22:  −0.8382 × (−0.5) = 0.4191
w̄02 += h̄6:  −0.8382
h̄5 += h̄6:  −0.8382
w̄12 += h̄5 x1:  −0.8382 × 1 = −0.8382
x̄1 += h̄5 w12:  −0.8382 × 0.4 = −0.3353
h̄4 += ū1 (1 − u1²):  −1.132 × (1 − 0.7163²) = −0.5512
h̄2 += h̄4:  −0.5512
h̄3 += h̄4:  −0.5512
w̄21 += h̄3 x2:  −0.5512 × 2 = −1.102
x̄2 += h̄3 w21:  −0.5512 × 0.3 = −0.1653
w̄01 += h̄2:  −0.5512
h̄1 += h̄2:  −0.5512
w̄11 += h̄1 x1:  −0.5512 × 1 = −0.5512
x̄1 += h̄1 w11:  −0.5512 × 0.2 = −0.1102
"""
CROSS_ENTROPY = """\
h1 = Wᵀ:  (3, 2)ᵀ = (2, 3)
h2 = x @ h1:  [[0.5, −1], [2, 0]] @ (2, 3) = (2, 3); at [0, 0]: 0.5 × 0.1 + (−1) × 0.2 = −0.15
h3 = exp(h2) / Σ exp(h2) along axis −1:  at [0, :]: exp([−0.15, −0.55, 0.85]) / Σ exp([−0.15, −0.55, 0.85]) = [0.2279, 0.1527, 0.6194]
h4 = h3[0, 2]:  (2, 3)[[0, 1], [2, 0]] = [0.6194, 0.2721]
h5 = ln(h4):  ln([0.6194, 0.2721]) = [−0.479, −1.302]
h6 = Σ h5 / 2 over all entries:  Σ [−0.479, −1.302] / 2 over all entries = −0.8903
h7 = −h6:  −(−0.8903) = 0.8903

h̄6 += −h̄7:  −1
h̄5 += h̄6 / 2 repeated to the shape (2,):  −1 / 2 repeated to the shape (2,): [−0.5, −0.5]
h̄4 += h̄5 / h4:  [−0.5, −0.5] / [0.6194, 0.2721] = [−0.8072, −1.837]
h̄3[0, 2] += h̄4:  [−0.8072, −1.837] at [[0, 1], [2, 0]], 0 elsewhere
h̄2 += h3 (h̄3 − Σ h̄3 h3) along axis −1:  at [0, :]: [0.2279, 0.1527, 0.6194] × ([0, 0, −0.8072] − Σ [0, 0, −0.8072] × [0.2279, 0.1527, 0.6194]) = [0.1139, 0.07637, −0.1903]
x̄ += h̄2 @ h1ᵀ:  (2, 3) @ (2, 3)ᵀ = [[−0.1067, 0.1675], [0.09667, −0.23]]; at [0, 0]: 0.1139 × 0.1 + 0.07637 × (−0.3) + (−0.1903) × 0.5 = −0.1067
h̄1 += xᵀ @ h̄2:  [[0.5, −1], [2, 0]]ᵀ @ (2, 3) = (2, 3); at [0, 0]: 0.5 × 0.1139 + 2 × (−0.3639) = −0.6709
W̄ += h̄1ᵀ:  (2, 3)ᵀ = (3, 2)
"""


def cross_entropy():
    x = mg.Input([[0.5, -1.0], [2.0, 0.0]], name="x")
    W = mg.Parameter([[0.1, 0.2], [-0.3, 0.4], [0.5, -0.6]], name="W")
    p = mg.softmax(x @ W.T)
    return -np.log(p[[0, 1], [2, 0]]).mean()


@pytest.mark.parametrize(
    ("loss", "lines"), [(lambda: net_2_2_1()[0], NET), (cross_entropy, CROSS_ENTROPY)], ids=["2-2-1", "cross-entropy"]
)
def test_a_graph_is_told_line_by_line(loss, lines):
    forward, back = told(loss())
    assert "\n".join([*forward, "", *back]) + "\n" == lines


def test_the_expression_of_micrograds_readme_is_told():
    forward, back = told(expression()[0])
    assert forward[2] == "h3 = b³:  2³ = 8"
    assert forward[-2:] == ["h24 = 10 / h22:  10 / 49 = 0.2041", "g = h23 + h24:  24.5 + 0.2041 = 24.7"]
    assert "h̄22 += −h̄24 h24 / h22:  −1 × 0.2041 / 49 = −0.004165" in back
    assert "h̄17 += h̄18 where h17 ≥ 0, else 0:  6.942, since 6 ≥ 0" in back
    assert "h̄12 += h̄13 where h12 ≥ 0, else 0:  0, since −2 < 0" in back
    assert "b̄ += 3 h̄3 b²:  3 × 83.3 × 2² = 999.6" in back


@pytest.mark.parametrize("graph", ALL)
def test_no_line_of_a_graph_has_a_letter_left_nor_prose_for_a_number(graph):
    outputs = ALL[graph]()
    seen = set()
    rng = np.random.default_rng(0)
    for node in mg.Graph(*(outputs if isinstance(outputs, list | tuple) else [outputs])).nodes:
        like = (type(node), node.shape, tuple([child.shape for child in node.children]))
        if node.children and like not in seen:
            seen.add(like)
            rule = rule_of(node)
            assert not rule.forward.is_words or type(node).__name__ in FORWARD_IN_WORDS
            values = rule.bound([child.value for child in node.children], node.value, rng.uniform(-2, 2, node.shape))
            assert_readable(rule, values)


@pytest.mark.parametrize(
    ("tree", "said"), [(parse("x y"), "y has no value"), (parse("X²"), "inverse"), (Words(("prose",)), "words")]
)
def test_what_has_no_value_says_so(tree, said):
    with pytest.raises(NoValueError, match=said):
        evaluate(tree, {"x": 1.0, "X": np.eye(2)})


@pytest.mark.parametrize(
    ("first", "second", "line"),
    [
        ("p", "p", "y = p · p"),
        ("w11", "x1", "y = w11 x1"),
        ("W_h", "h", "y = W_h h"),
        ("gate", "c", "y = gate · c"),
        ("in", "c", "y = in · c"),
        ("s", "s′", "y = s s′"),
        ("#10", "c", "y = #10 · c"),
    ],
)
def test_words_and_equal_letters_have_a_dot_between(first, second, line):
    a = mg.Input(2.0)
    rule = rule_of(a * 3.0)
    assert rule.forward.line(rule.bound([first, second], "y")) == line
