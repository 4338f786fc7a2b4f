"""The reference pages are what the code says, and every docstring they are made of says it in the form they read."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import models, optim
from minigrad.dispatch import TABLE, spelling
from minigrad.models import datasets, generated, initializers, linear, losses, metrics, penalties, preprocessing
from reference import __main__ as command
from reference import docstrings, pages, signatures

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "reference"
TEXTS = pages.pages()
PAGES = [page for page in TEXTS if page.endswith(".md")]
FORMULA = re.compile(r"[=~←Σ½‖λ∂²]|max\(|[NU][(\[]")

# What has no formula in two directions: what others derive from, and what gives or takes arrays.
BASES = {models.Module, models.Cell, models.Recurrent, models.Steps}
BASES |= {penalties.WeightPenalty, penalties.ParameterPenalty, penalties.Penalty}
ONE_WAY = {penalties.adjoints, penalties.adjoint_norms, linear.ridge_by_descent}
LAYERS = [thing for name in models.__all__ if inspect.isclass(thing := getattr(models, name))]
BLOCKS = [*LAYERS, *pages.public(losses), *pages.public(penalties), *pages.public(linear)]
OPTIMIZERS = [thing for thing in vars(optim).values() if inspect.isclass(thing) and issubclass(thing, optim.Optimizer)]
RECIPES = [*OPTIMIZERS, optim.clip_by_norm, optim.clip_by_value, *preprocessing.Transform.__subclasses__()]
DATA = [getattr(datasets, name) for name in vars(datasets)["__all__"] if inspect.isfunction(getattr(datasets, name))]
FILES = [
    data
    for data in DATA
    if data.__module__ == datasets.__name__ and "dataset" not in inspect.signature(data).parameters
]


def named(thing):
    return thing.__name__


# The pages


@pytest.mark.parametrize("page", TEXTS)
def test_no_page_is_stale(page):
    if page == "functions.md" and not hasattr(np, "matvec"):
        pytest.skip("it lists np.matvec and np.vecmat, which NumPy has from 2.2 on")
    written = (FOLDER / page).read_text("utf-8") if (FOLDER / page).exists() else ""
    assert written == TEXTS[page], f"reference/{page} is not what the code says: run `{pages.COMMAND}`"


def test_no_page_is_left_over():
    kept = {path.name for path in [*FOLDER.glob("*.md"), *FOLDER.glob("*.svg"), *FOLDER.glob("*.html")]}
    assert kept <= set(TEXTS), f"run `{pages.COMMAND}`"


def test_making_them_again_gives_the_same():
    assert pages.pages() == TEXTS


def test_the_command_writes_all_and_removes_what_is_left_over(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    (tmp_path / "gone.md").write_text("a page of something that is no more")
    command.main()
    assert {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()} == TEXTS


def test_the_makefile_has_the_command():
    assert f"\n{pages.COMMAND.removeprefix('make ')}: " in (ROOT / "Makefile").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    links = re.findall(r"(?<!\\)\]\(([^)]+)\)", TEXTS[page])
    assert links
    for link in links:
        file, _, anchor = link.partition("#")
        assert (FOLDER / file).exists(), link
        if anchor:
            headlines = re.findall(r"^#+ (.*)", TEXTS[file or page], re.MULTILINE)
            assert anchor in pages.anchors(headlines), link


@pytest.mark.parametrize("page", PAGES)
def test_every_row_of_a_table_has_all_cells(page):
    for table in re.findall(r"(?:^\|.*\n)+", TEXTS[page], re.MULTILINE):
        rows = [re.split(r"(?<!\\)\|", line) for line in table.splitlines()]
        assert {len(row) for row in rows} == {len(rows[0])}
        assert all(row[1].strip() for row in rows)


def test_every_name_of_ours_that_a_text_mentions_exists():
    files = [*ROOT.glob("*.md"), *FOLDER.glob("*.md"), *ROOT.glob("tutorials/*.py")]
    files += [path for folder in ("minigrad", "models", "optim") for path in (ROOT / folder).rglob("*.py")]
    found = {name for path in files for name in re.findall(r"(?<![\w./])mg((?:\.\w+)+)", path.read_text("utf-8"))}
    assert len(found) > 50
    missing = []
    for name in found:
        thing = mg
        for part in name[1:].split("."):
            if inspect.ismodule(thing):  # what a class or function has is not looked at
                thing = getattr(thing, part, None)
        missing += [name] if thing is None else []
    assert missing == []


# What is on them


def exported(package):
    """What a package, its sub-packages and the modules in its `__all__` offer, by where it is imported from."""
    names = getattr(package, "__all__", None) or [name for name in vars(package) if not name.startswith("_")]
    for name in names:
        thing = getattr(package, name)
        if not inspect.ismodule(thing):
            yield f"{package.__name__}.{name}", thing
        elif name in getattr(package, "__all__", ()) and not hasattr(thing, "__path__"):
            yield from [(f"{thing.__name__}.{offered.__name__}", offered) for offered in pages.public(thing)]
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if module.ispkg:
            yield from exported(importlib.import_module(module.name))


PUBLIC = dict(exported(mg))


def test_public_names_are_found_in_all_packages():
    assert {
        "minigrad.draw", "minigrad.ops.getitem", "minigrad.models.LSTM", "minigrad.models.losses.hinge", "minigrad.optim.fit",
        "minigrad.compiler.REWRITES", "minigrad.drawing.Drawing",
    } <= set(PUBLIC)  # fmt: skip


def test_every_public_name_has_a_place_on_a_page():
    text = "\n".join(TEXTS[page] for page in PAGES)
    headlines = re.findall(r"^#+ (\w+)$", text, re.MULTILINE)
    rows = re.findall(r"`(?:[\w.]*\.)?(\w+)[(`]", "\n".join(re.findall(r"^\| .*", text, re.MULTILINE)))
    placed = {*headlines, *rows, "REWRITES", "INK"}  # the table of rewrites is REWRITES itself; figures begin with INK
    missing = {name: thing for name, thing in PUBLIC.items() if name.rpartition(".")[2] not in placed}
    assert [name for name, thing in missing.items() if not is_spelled(thing)] == [], "see reference/pages.py"


def is_spelled(thing):
    """Whether operators write it: `getitem` has its row as a[b], `mod` as a % b."""
    spelled = set(signatures.spellings().values())
    return thing in spelled or (inspect.isfunction(thing) and spelled & set(signatures.operations_of(thing)))


def test_every_public_name_has_a_docstring():
    undocumented = [name for name, thing in PUBLIC.items() if callable(thing) and not thing.__doc__]
    assert undocumented == []


def test_every_operation_has_a_row():
    kinds = {kind for kind in mg.operations() if kind.__module__.startswith("minigrad.")}
    rows = re.findall(r"^\| `(\w+)\(", TEXTS["operations.md"], re.MULTILINE)
    assert sorted(rows) == sorted(kind.__name__ for kind in kinds)
    assert f"The {len(kinds)} operations" in TEXTS["operations.md"]


def test_every_function_of_numpy_that_is_answered_is_on_a_page():
    text = TEXTS["operations.md"] + TEXTS["functions.md"]
    answered = [spelling(key) for key, answer in TABLE.items() if not isinstance(key, str) and is_ours(answer)]
    assert len(answered) > 150
    assert [name for name in answered if f"`{name}`" not in text and f"`{name}(" not in text] == []


def test_every_row_of_functions_says_what_it_gives():
    rows = [line.split(" | ") for line in TEXTS["functions.md"].splitlines() if line.startswith("| `")]
    assert len(rows) > 150
    assert [row[0] for row in rows if not row[1].strip(" |")] == []


def is_ours(answer):
    return answer.__module__.startswith("minigrad.")


def test_how_things_are_written():
    spelled = signatures.spellings()
    made = {name: [kind.__name__ for kind in signatures.operations_of(answer)] for name, answer in spelled.items()}
    for name, kinds in {
        "np.tanh": ["Tanh"],
        "a + b": ["Add"],
        "-a": ["Negative"],
        "a @ b": ["MatMul"],
        "x.sum()": ["Sum"],
        "x.T": ["MatrixTranspose", "Transpose"],
        "a[b]": ["GetItem"],
        "x.at[b].add()": ["AddAt"],
        "mg.softmax": ["Softmax"],
        "np.hstack": [],
    }.items():
        assert made[name] == kinds


def test_how_things_are_called():
    assert signatures.call(mg.ops.Sum.fprop, "Sum", skip=1) == "Sum(x, *, axis=None, keepdims=False)"
    assert signatures.call(models.Flatten) == "Flatten()"
    assert signatures.call(models.SimpleRNN) == (
        "SimpleRNN(n_inputs, n_units, activation=np.tanh, *, sequences=False, **options)"
    )


@pytest.mark.parametrize("entry", mg.activations(), ids=lambda entry: entry.name)
def test_every_activation_has_its_formulas(entry):
    (section,) = re.findall(rf"^## {entry.name}\n(.*?)(?=^## |\Z)", TEXTS["activations.md"], re.MULTILINE | re.DOTALL)
    assert f"f(x) = {entry.formula_latex}\n" in section
    assert f"f'(x) = {entry.derivative_latex}\n" in section
    assert entry.summary[1:] in section
    assert f"<title>{entry.name}(" in TEXTS["activations.svg"]


@pytest.mark.parametrize("data", FILES, ids=named)
def test_every_data_set_has_its_license(data):
    assert pages.license_of(data), "the docstring of a data set ends in its source and its license"


def test_no_license_where_none_is_stated():
    assert [data for data in DATA if data.__module__ == generated.__name__ and pages.license_of(data)] == []


# The docstrings they are made of


@pytest.mark.parametrize("kind", pages.registered(), ids=named)
def test_an_operation_says_its_formula_and_its_rule(kind):
    doc = docstrings.read(kind)
    assert re.match(r"\w+(\[.*\])? (=|~|\+=) |X with A X = B|The .* with .* = ", doc.forward), doc.forward
    assert doc.reverse, "the first paragraph is `y = formula;  x̄ = rule.`"


@pytest.mark.parametrize("block", [block for block in BLOCKS if block not in BASES | ONE_WAY], ids=named)
def test_a_block_says_its_formula_both_ways(block):
    doc = docstrings.read(block)
    assert FORMULA.search(doc.forward), doc.forward
    assert doc.reverse, "the first paragraph is `formula;  rule.`, or a paragraph begins with `Back: `"


@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES if recipe is not optim.Optimizer], ids=named)
def test_a_recipe_says_its_formula(recipe):
    assert FORMULA.search(docstrings.read(recipe).forward)


@pytest.mark.parametrize("module", [initializers, metrics, preprocessing, datasets], ids=named)
def test_everything_public_has_a_docstring(module):
    assert [thing.__name__ for thing in pages.public(module) if not docstrings.read(thing).forward] == []


# How they are read


def documented(text):
    def thing():
        pass

    thing.__doc__ = text
    return docstrings.read(thing)


def test_a_docstring_is_taken_apart():
    assert documented("y = tanh x;  x̄ = ȳ (1 − y²).") == ("y = tanh x", "x̄ = ȳ (1 − y²)", [])
    assert documented("y = a;  ā = ȳ;  b̄ = 0. Errors where\n    not.\n\n    More.") == (
        "y = a",
        "ā = ȳ;  b̄ = 0",
        ["Errors where not.", "More."],
    )
    assert documented("y = x.\n\n    Why.\n\n    Back: x̄ = ȳ,\n    always.") == ("y = x", "x̄ = ȳ, always", ["Why."])
    assert documented("v = η v − α g;  w += v.") == ("v = η v − α g;  w += v", "", [])
    assert documented(None) == ("", "", [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Σ_t x_t * w, `a*b`", r"Σ_t x_t \* w, `a*b`"),
        ("(Σ)_ij W[i](x) <b> 1 < 2", r"(Σ)\_ij W[i]\(x) \<b> 1 < 2"),
        ("one\n- two\n3. three", "one\n\\- two\n3\\. three"),
        ("Shapes: x (n,)", "**Shapes:** x (n,)"),
        ("a_1, b:  what *it* is,\n         and more\nc: d", "- `a_1`, `b`: what \\*it\\* is,\n  and more\n- `c`: d"),
        ("* one,\n  more\n* two", "- one,\n  more\n- two"),
        ("    x = 1\n    y = 2", "```\nx = 1\ny = 2\n```"),
        (">>> 1 + 1\n2", "```python\n>>> 1 + 1\n2\n```"),
    ],
)
def test_a_paragraph_becomes_markdown(text, expected):
    assert docstrings.markdown(text) == expected
