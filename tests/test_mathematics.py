"""Formulas of docstrings are set in LaTeX as one would write them, and all that the reference shows can be read."""

import re

import pytest
from matplotlib.mathtext import MathTextParser

from minigrad import models, optim
from reference import docstrings, mathematics, pages

PARSER = MathTextParser("path")
TEXTS = pages.pages()
BLOCKS = [
    pytest.param(formula, id=f"{page}-{i}")
    for page, text in TEXTS.items()
    for i, formula in enumerate(re.findall(r"^```math\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL))
]
# What MathJax knows and GitHub lets through (\operatorname it does not).
COMMANDS = re.compile(
    r"""\\(alpha|beta|gamma|delta|epsilon|eta|theta|lambda|mu|nu|pi|rho|sigma|tau|phi|psi|omega|Delta|Phi|Omega|Gamma|Lambda|nabla
    |infty|bar|hat|tilde|mathrm|mathbf|text|frac|sqrt|sum|partial|left|right|top|cdot|ast|ldots|ln|log|exp|sin|cos|tan|tanh|arctan
    |max|min|le|ge|ne|sim|leftarrow|to|pm|in|approx|mathrel|lfloor|rfloor|lceil|rceil|quad|begin|end|[,|_\\])""",
    re.VERBOSE,
)
LONGER = {r"\le": r"\leq", r"\ge": r"\geq", r"\ne": r"\neq"}  # the only names that Matplotlib has for them


@pytest.mark.parametrize(
    ("text", "formula", "words"),
    [
        ("y = σ(x W' + b): a sum", r"y = \sigma\left(x \, W^{\top} + b\right)", "A sum"),
        ("x̄ = ȳ / (1 − y²)", r"\bar{x} = \frac{\bar{y}}{1 - y^{2}}", ""),
        ("a b / c d", r"\frac{a \, b}{c} \, d", ""),
        ("2/T g / ‖g‖²", r"\frac{\frac{2}{T} \, g}{\left\| g \right\|^{2}}", ""),
        ("a + b c / d − e", r"a + \frac{b \, c}{d} - e", ""),
        ("u / v · w / z", r"\frac{u}{v} \cdot \frac{w}{z}", ""),
        ("(a + b)/(c + d)", r"\frac{a + b}{c + d}", ""),
        ("(a) (b) / c", r"\frac{\left(a\right) \, \left(b\right)}{c}", ""),
        ("√r̂ + √(σ² + ε)", r"\sqrt{\hat{r}} + \sqrt{\sigma^{2} + \epsilon}", ""),
        ("f'(x) σ'(·) − X'y", r"f'\left(x\right) \, \sigma'\left(\cdot\right) - X^{\top} \, y", ""),
        ("(X'X + λI)⁻¹ X'y", r"\left(X^{\top} \, X + \lambda \, I\right)^{-1} \, X^{\top} \, y", ""),
        ("Σ_ij w_ij² = ½ e^w", r"\sum_{ij} w_{ij}^{2} = \frac{1}{2} \, e^{w}", ""),
        ("h_{t-1} = (Σ_j e_j)^½", r"h_{t - 1} = \left(\sum_{j} e_{j}\right)^{1/2}", ""),
        ("m̂ = m/(1−β₁ᵗ)", r"\hat{m} = \frac{m}{1 - \beta_{1}^{t}}", ""),
        ("max_uv X[n, u] ≥ mean_t n_t", r"\max_{uv} \, X\left[n, u\right] \ge \mathrm{mean}_{t} \, n_{t}", ""),
        ("λ max |w| + ln f_y", r"\lambda \, \max \left| w \right| + \ln f_{y}", ""),
        ("s ~ U[low, high)", r"s \sim U\left[\mathrm{low}, \mathrm{high}\right)", ""),
        ("−y 1[y ŷ < 1] / batch", r"- \frac{y \, \mathbf{1}\left[y \, \hat{y} < 1\right]}{\mathrm{batch}}", ""),
        ("t = 1..T", r"t = 1, \ldots, T", ""),
        ("W̄[i] += ȳ, so rows are 0", r"\bar{W}\left[i\right] \mathrel{+}= \bar{y}", "So rows are 0"),
        ("x̄ = ȳ in x's shape", r"\bar{x} = \bar{y} \text{ in x's shape}", ""),
        ("c = 1 / number of terms", r"c = \frac{1}{\text{number of terms}}", ""),
        ("∂loss/∂x_t = g_t", r"\frac{\partial \mathrm{loss}}{\partial x_{t}} = g_{t}", ""),
        ("gradient −y", r"\text{gradient } - y", ""),
        ("with m = 1, and n of all", r"\text{with } m = 1", "n of all"),
        ("with δ = ȳ: b̄ = δ", r"\text{with } \delta = \bar{y}: \quad \bar{b} = \delta", ""),
        ("fan_in / 3 < 1e-9", r"\frac{\mathrm{fan\_in}}{3} < 1 \cdot 10^{-9}", ""),
        ("a mean and no formula", "", "a mean and no formula"),
        ("S(w) = |w|: the w' that is 0", r"S\left(w\right) = \left| w \right|", "The w' that is 0"),
    ],
)  # fmt: skip
def test_a_formula_is_set(text, formula, words):
    assert mathematics.setting(text) == (formula, words)


def test_long_formulas_have_a_line_each():
    long = " + ".join("abcdefghijklm")
    formula, words = mathematics.setting(f"y = {long}, and z = {long}: two sums")
    first, *lines, last = formula.splitlines()
    assert (first, last, words) == (r"\begin{aligned}", r"\end{aligned}", "Two sums")
    assert [line[:4] for line in lines] == ["& y ", r"& \t"]
    assert lines[0].endswith(r", \\")


@pytest.mark.parametrize("text", ["y = (x", "y = x)", "y = |x", "y = /x", "y = x̆", "y = {", "y = %"])
def test_what_cannot_be_set_says_so(text):
    with pytest.raises(ValueError, match=r"clos|before|mark|part"):
        mathematics.setting(text)


def test_what_cannot_be_set_stays_text_on_a_page():
    def thing():
        """y = (x;  x̄ = ȳ."""

    assert pages.entry(thing, 2, formulas=True).endswith("y = (x.\n\n**Back:**\n\n```math\n\\bar{x} = \\bar{y}\n```")


@pytest.mark.parametrize(
    ("paragraph", "is_formula"),
    [
        ("μ = Σ x / n, over all\naxes.", True),
        ("With i, f = sigmoid(x) and g = tanh(x), each with rows", True),
        ("With a mask only entries count, and n = 3", False),
        ("r is a mean", False),
        ("In evaluation y = x", False),
        (">>> y = x", False),
        ("    y = x", False),
    ],
)
def test_paragraphs_that_begin_with_a_formula(paragraph, is_formula):
    assert mathematics.begins(paragraph) == is_formula


# What the pages show -------------------------------------------------------------------------------------------------


def test_layers_losses_penalties_and_optimizers_are_set():
    for page, least in {
        "layers": 40,
        "losses": 20,
        "penalties": 20,
        "linear": 5,
        "optimizers": 5,
        "activations": 50,
    }.items():
        assert TEXTS[f"{page}.md"].count("```math") >= least, page


@pytest.mark.parametrize(
    "thing",
    [
        *pages.exported(models),
        *pages.exported(optim),
        *[thing for module in pages.SET for thing in pages.public(module)],
    ],
    ids=lambda thing: thing.__name__,
)
def test_no_formula_is_left_as_text_for_its_form(thing):
    doc = docstrings.read(thing)
    for text in (doc.forward, doc.reverse):
        mathematics.setting(text)  # ValueError where the grammar does not know it: see reference/mathematics.py


@pytest.mark.parametrize("formula", BLOCKS)
def test_every_formula_can_be_read(formula):
    assert [name for name in re.findall(r"\\(?:[A-Za-z]+|.)", formula) if not COMMANDS.fullmatch(name)] == []
    assert re.sub(r"\\text\{[^}]*\}", "", formula).isascii()
    assert formula.count(r"\begin{") == formula.count(r"\end{")
    body = re.sub(r"\\(?:begin|end)\{\w+\}", "", formula)
    assert body.count("{") == body.count("}")
    body = re.sub(r"\\mathrel\{(.)\}", r"\1", re.sub(r"\\[lgn]e\b", lambda match: LONGER[match[0]], body))
    for line in re.split(r"\\\\|&", body):
        if line.strip() and line.count(r"\left") == line.count(r"\right"):
            PARSER.parse(f"${' '.join(line.split())}$")
