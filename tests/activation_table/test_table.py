"""The table of activations: every entry's text against the engine and differences; properties; one entry is enough.

All tests of this file run over whatever the table holds.
"""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad.activation_table import Activations, formulas

TABLE = mg.activations()
OTHER_PARAMETERS: list[
    tuple[str, dict[str, float], float]
] = [  # besides the defaults, with points where they have a value
    ("leaky_relu", {"slope": 0.3}, -3),
    ("prelu", {"alpha": -0.5}, -3),
    ("rrelu", {"lower": 0.0, "upper": 0.5}, -3),
    ("elu", {"alpha": 2.5}, -3),
    ("sine", {"omega": 3.0}, -3),
    ("isru", {"alpha": 3.0}, -3),
    ("isrlu", {"alpha": 0.2}, -3),
    ("softplus", {"beta": 2.0}, -3),
    ("soft_exponential", {"alpha": -0.5}, -1.4),
    ("soft_exponential", {"alpha": 0.0}, -3),
    ("soft_clipping", {"alpha": 3.0}, -3),
    ("celu", {"alpha": 2.5}, -3),
    ("soft_shrink", {"threshold": 1.25}, -3),
    ("hard_shrink", {"threshold": 1.25}, -3),
]
TRIALS = [*[(entry.name, {}, -3.0) for entry in TABLE], *OTHER_PARAMETERS]
HUGE = np.array([-1000, -100, -88, -1, 0, 1, 88, 100, 1000], np.float32)
each = pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.name)


def named(names):
    return set(names.split())


NOTES = named(  # the table of the lecture notes
    "linear binary_step sigmoid tanh arctan softsign isru isrlu relu leaky_relu prelu rrelu elu sqnl softplus "
    "bent_identity soft_exponential soft_clipping sine cardinal_sine gaussian"
)


def trial_name(value):
    return "-".join(f"{key}={number:g}" for key, number in value.items()) if isinstance(value, dict) else None


def points(low, count=40):
    """Unevenly spread, none within 0.01 of a quarter, where kinks are."""
    x = np.random.default_rng(0).uniform(low, 3, count)
    return np.where(np.abs(4 * x - np.round(4 * x)) < 0.04, x + 0.03, x)


# Formulas ----------------------------------------------------------------------------------------------------------


@pytest.mark.row("ACT-27")
@pytest.mark.parametrize(("name", "parameters", "low"), TRIALS, ids=trial_name)
def test_text_engine_and_differences_agree(name, parameters, low):
    entry, x = TABLE[name], points(low)
    np.testing.assert_allclose(entry(x, **parameters).value, entry.written(x, **parameters), rtol=1e-12, atol=1e-14)
    slopes = entry.written(x, order=1, **parameters)
    np.testing.assert_allclose(entry.values(x, order=1, **parameters), slopes, rtol=1e-11, atol=1e-13)
    up, down = (entry.values(x + h, **parameters) for h in (1e-6, -1e-6))
    np.testing.assert_allclose(slopes, (up - down) / 2e-6, rtol=1e-7, atol=1e-8)
    mg.check_gradients(lambda x: entry(x, **parameters), x, order=2)


@pytest.mark.row("ACT-27")
def test_the_table_holds_the_functions_of_the_notes_and_each_is_public():
    assert set(TABLE.keys()) >= NOTES
    for entry in TABLE:
        assert getattr(mg, entry.name) is entry.function
        assert entry.name in mg.__all__
        assert entry.function.__doc__


@each
def test_what_a_text_says_at_0_is_what_the_engine_does(entry):
    """At kinks too: the choice of a sub-gradient is in the text."""
    x = [0.0, *entry.properties["kinks"]]
    np.testing.assert_allclose(entry.values(x, order=1), entry.written(x, order=1), rtol=1e-12, atol=1e-14)


@each
def test_nothing_overflows(entry):
    """In float32 at ±1000, orders 0 to 2; where a value is too large for float32 it is infinite, never nan."""
    exact = [entry.values(HUGE, order=order) for order in range(3)]
    limit = float(np.finfo(np.float32).max)
    with np.errstate(over="raise" if np.abs(exact).max() < limit else "ignore", invalid="raise", divide="raise"):
        x = mg.Input(HUGE)
        found = [y := entry(x)]
        for _ in range(2):
            found += mg.gradients(found[-1], [x], adjoint=np.ones_like(HUGE))
    assert y.dtype == np.float32
    for node, expected in zip(found, exact, strict=True):
        fits = np.abs(expected) < limit
        np.testing.assert_allclose(node.value[fits], expected[fits], rtol=2e-4, atol=1e-5)
        assert np.isposinf(node.value[~fits]).all()
    if entry.name != "soft_exponential":
        assert np.isfinite(exact).all()
        assert np.abs(exact).max() < limit


@each
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (2, 3)])
def test_shapes_dtypes_and_integers(entry, shape):
    assert entry(np.zeros(shape, np.float32)).shape == shape
    assert entry(np.zeros(shape, np.float32)).dtype == np.float32
    whole = entry(np.ones(shape, np.int64))
    np.testing.assert_array_equal(whole.value, entry(np.ones(shape)).value)


# LaTeX -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x/(1 + abs(x))", r"\frac{x}{1 + \left|x\right|}"),
        ("-2*x*exp(-x**2)", r"-2 \, x \, e^{-x^{2}}"),
        ("(1 + alpha*x**2)**(-3/2)", r"\left(1 + \alpha \, x^{2}\right)^{\frac{-3}{2}}"),
        ("a - (b - x)", r"a - \left(b - x\right)"),
        ("u = x*-1", r"u = x \, \left(-1\right)"),
        (
            "1 if -1 <= x <= 1 else 0",
            r"\begin{cases} 1 & \text{if } -1 \le x \le 1 \\ 0 & \text{otherwise} \end{cases}",
        ),
        ("max(sqrt(x), slope)", r"\max\left(\sqrt{x}, \mathrm{slope}\right)"),
    ],
)
def test_latex(text, expected):
    assert formulas.latex(text) == expected


@each
def test_every_formula_has_latex(entry):
    for text in (entry.formula_latex, entry.derivative_latex):
        assert text.count("{") == text.count("}")
        assert text.count(r"\left") == text.count(r"\right")
        assert "*" not in text


def test_what_is_no_formula_is_refused():
    with pytest.raises(ValueError, match=r"a formula has no Lambda: lambda: x"):
        formulas.latex("lambda: x")


def test_a_formula_in_print():
    assert formulas.printed("-log(1 - alpha*(x + alpha))/alpha") == "−ln(1 − α (x + α))/α"
    assert formulas.printed("sqrt(x**2 + x**3) if abs(x) != 1 else x**4") == "√(x² + x³) if |x| ≠ 1 else x^4"


def test_cases_that_parameters_decide_are_left_out():
    text = TABLE["soft_exponential"].formula
    assert formulas.settled(text, {"alpha": 0.5}) == "(exp(alpha * x) - 1) / alpha + alpha"
    assert formulas.settled(text, {"alpha": 0.0}) == "x"
    assert formulas.settled("1 if x > 0 else alpha", {"alpha": 0.5}) == "1 if x > 0 else alpha"


# Properties --------------------------------------------------------------------------------------------------------


@pytest.mark.row("ACT-26")
def test_properties_of_the_notes_three_lists():
    """tanh, ReLU (and leaky ReLU), GELU: the lists whose headings the notes lost."""
    tanh, relu, leaky, gelu = (TABLE[name].properties for name in ("tanh", "relu", "leaky_relu", "gelu"))
    assert tanh["saturates_left"]
    assert tanh["saturates_right"]
    assert tanh["differentiable"]
    assert tanh["identity_near_zero"]
    assert relu["saturates_left"]  # for x < 0 it does, whatever the notes' other list says
    assert not relu["saturates_right"]
    assert not leaky["saturates_left"]
    assert not leaky["saturates_right"]
    for piecewise in (relu, leaky):
        assert piecewise["kinks"] == (0,)
        assert not piecewise["differentiable"]
        assert not piecewise["identity_near_zero"]
    assert gelu["saturates_left"]
    assert not gelu["saturates_right"]
    assert gelu["smooth"]
    assert not gelu["identity_near_zero"]
    assert gelu["slope_at_zero"] == 0.5
    assert TABLE["relu"].values(100.0, order=1) == 1  # so it does not saturate there,
    assert TABLE["tanh"].values(100.0, order=1) == 0  # and tanh does


def holding(key):
    return {entry.name for entry in TABLE if entry.properties[key]}


@pytest.mark.row("ACT-26")
def test_properties_of_all_others():
    squashing = named("sigmoid tanh hard_tanh softsign binary_step arctan isru sqnl soft_clipping relu6 hard_sigmoid")
    humps = {"cardinal_sine", "gaussian"}
    rectifying = named("relu elu gelu gelu_tanh isrlu softplus soft_exponential silu mish selu celu hard_silu")
    shrinking = named("tanh_shrink soft_shrink hard_shrink")
    assert holding("saturates_right") == squashing | humps | {"log_sigmoid"}
    assert holding("saturates_left") == squashing | humps | rectifying
    assert holding("bounded") == squashing | humps | {"sine"}
    assert holding("jumps") == {"binary_step", "hard_shrink"}
    assert holding("kinks") == named(
        "hard_tanh relu leaky_relu prelu rrelu selu relu6 hard_sigmoid hard_silu soft_shrink"
    )
    assert holding("differentiable") == set(TABLE.keys()) - holding("jumps") - holding("kinks")
    assert holding("smooth") == holding("differentiable") - {"softsign", "elu", "isrlu", "sqnl", "celu"}
    assert holding("even") == humps
    assert holding("odd") == named("linear tanh hard_tanh softsign sine arctan isru sqnl") | shrinking
    assert set(TABLE.keys()) - holding("monotone") == humps | named("sine gelu gelu_tanh silu mish hard_silu")
    assert holding("identity_near_zero") == named(
        "linear tanh hard_tanh softsign elu sine arctan isru isrlu sqnl bent_identity celu"
    )
    assert TABLE["hard_tanh"].properties["kinks"] == (-1, 1)
    assert TABLE["relu6"].properties["kinks"] == (0, 6)
    assert TABLE["hard_silu"].properties["kinks"] == TABLE["hard_sigmoid"].properties["kinks"] == (-3, 3)
    assert holding("convex") == named(
        "linear relu leaky_relu prelu rrelu elu isrlu softplus bent_identity soft_exponential celu"
    )


@pytest.mark.row("ACT-26")
def test_limits_and_slopes():
    expected = {  # limits of f, limits of f′, f′(0)
        "sigmoid": (0, 1, 0, 0, 0.25),
        "arctan": (-math.pi / 2, math.pi / 2, 0, 0, 1),
        "bent_identity": (-math.inf, math.inf, 0.5, 1.5, 1),
        "elu": (-1, math.inf, 0, 1, 1),
        "leaky_relu": (-math.inf, math.inf, 0.01, 1, 0.01),
        "sine": (math.nan, math.nan, math.nan, math.nan, 1),
        "soft_exponential": (-1.5, math.inf, 0, math.inf, 1),
        "gaussian": (0, 0, 0, 0, 0),
        "selu": (-1.758099340847377, math.inf, 0, 1.0507009873554805, 1.758099340847377),
        "log_sigmoid": (-math.inf, 0, 1, 0, 0.5),
        "tanh_shrink": (-math.inf, math.inf, 1, 1, 0),
    }
    keys = ("limit_left", "limit_right", "slope_left", "slope_right", "slope_at_zero")
    for name, numbers in expected.items():
        found = [TABLE[name].properties[key] for key in keys]
        np.testing.assert_allclose(found, numbers, atol=1e-9, err_msg=name)
    assert TABLE["sigmoid"].properties["largest_slope"] == 0.25


@pytest.mark.row("ACT-26")
def test_ranges():
    expected = {
        "linear": "(-∞, ∞)", "sigmoid": "(0, 1)", "tanh": "(-1, 1)", "hard_tanh": "[-1, 1]", "relu": "[0, ∞)",
        "elu": "(-1, ∞)", "gelu": "[-0.17, ∞)", "sine": "[-1, 1]", "binary_step": "[0, 1]", "arctan": "(-π/2, π/2)",
        "isrlu": "(-1, ∞)", "sqnl": "[-1, 1]", "softplus": "(0, ∞)", "soft_clipping": "(0, 1)",
        "cardinal_sine": "[-0.2172, 1]", "gaussian": "(0, 1]", "silu": "[-0.2785, ∞)", "mish": "[-0.3088, ∞)",
        "selu": "(-1.758, ∞)", "relu6": "[0, 6]", "hard_sigmoid": "[0, 1]", "hard_silu": "[-0.375, ∞)",
        "log_sigmoid": "(-∞, 0)",
    }  # fmt: skip
    assert {name: str(TABLE[name].range) for name in expected} == expected
    np.testing.assert_allclose(TABLE["gelu"].range.low, -0.169971, atol=5e-7)


# One entry is enough -----------------------------------------------------------------------------------------------


def grown():
    """A table of its own, with one entry: a logarithm on both sides."""
    table = Activations()

    @table.add(formula="log(alpha*x + sqrt(1 + (alpha*x)**2))/alpha", derivative="1/sqrt(1 + (alpha*x)**2)")
    def symmetric_log(x, alpha=2.0):
        """A logarithm on both sides."""
        return np.arcsinh(alpha * x) / alpha

    return table


@pytest.mark.row("ACT-27")
def test_a_new_function_is_one_entry():
    table = grown()
    (entry,) = table
    x = points(-3)
    np.testing.assert_allclose(entry.values(x, order=1), entry.written(x, order=1), rtol=1e-12)
    assert entry.parameters == {"alpha": 2.0}
    assert entry.properties["limit_right"] == math.inf  # slowly
    assert entry.properties["slope_right"] == 0
    assert not entry.properties["saturates_right"]
    assert entry.properties["odd"]
    assert str(table) == (
        "symmetric_log(x, alpha=2)\n    f  = ln(α x + √(1 + (α x)²))/α\n    f′ = 1/√(1 + (α x)²)\n"
        "    range (-∞, ∞); does not saturate; smooth; monotone; odd; f′(0) = 1; identity near 0"
    )
    assert ">symmetric log</text>" in table.gallery().svg()


def test_a_wrong_text_is_noticed():
    table = Activations()
    table.add(formula="x**2", derivative="x")(np.square)
    entry = table["square"]
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(entry.values([1.5], order=1), entry.written([1.5], order=1))


def test_a_name_is_used_once():
    with pytest.raises(ValueError, match="has an entry 'sigmoid' already"):
        TABLE.add(formula="x", derivative="1")(mg.sigmoid)
    with pytest.raises(ValueError, match="has an entry 'relu' already"):
        TABLE.add(formula="x", derivative="1", aliases=("relu",))(np.square)
    assert "square" not in TABLE


def test_looking_up():
    assert TABLE["gelu"].function is mg.gelu
    assert TABLE["swish"] is TABLE["silu"]
    assert TABLE["sinc"].name == "cardinal_sine"
    assert "swish" in TABLE
    assert TABLE["relu"] in TABLE
    assert len(TABLE) == len(list(TABLE)) == len(TABLE.values())
    assert dict(TABLE.items()) == dict(zip(TABLE.keys(), TABLE, strict=True))
    with pytest.raises(KeyError, match="no activation 'relo': did you mean relu"):
        TABLE["relo"]
    with pytest.raises(KeyError, match="no activation 'zzz': there are linear, sigmoid"):
        TABLE["zzz"]


def test_print_and_repr():
    text = str(TABLE)
    for entry in TABLE:
        assert f"{entry.name}(x" in text
    assert max(map(len, text.splitlines())) < 130
    assert repr(TABLE["isru"]) == "<Activation isru: x/√(1 + α x²)>"
    assert repr(TABLE).startswith("<Activations: linear, sigmoid, tanh,")


def test_every_proposal_has_its_source():
    without = {entry.name for entry in TABLE if not entry.source}
    assert without == {"linear", "arctan", "bent_identity", "cardinal_sine", "gaussian", "log_sigmoid", "tanh_shrink"}
