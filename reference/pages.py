"""The pages: every text comes from a docstring, a signature or a table of the package, so nothing is said twice."""

from __future__ import annotations

import inspect
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain, count
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import minigrad as mg
from minigrad import activation_table, compiler, graph, models, optim, rules
from minigrad.activation_table.formulas import printed
from minigrad.models import cells, datasets, linear, losses, penalties
from minigrad.ops import base, control, registry
from minigrad.optim import diagnosis, figures, optimizers, schedules, selection
from reference import compiler_map, docstrings, gallery, mathematics, one_net
from reference.docstrings import escaped, fenced, markdown
from reference.signatures import call, operations_of, public_members, source, spellings

COMMAND = "make reference"
MADE = f"<!-- Made from the code by `{COMMAND}`: edit docstrings, not this page. -->"
GALLERY = "activations.svg"
WRITTEN = ("training.md", "saving.md", "newton.md")  # pages that are written by hand: a recipe is not in any docstring
FOLDER = Path(__file__).parent
SET = (
    linear,
    losses,
    penalties,
    schedules,
)  # the modules whose formulas are set in LaTeX, as those of layers and optimizers are
LICENSE = re.compile(r"CC BY(?:-SA)? \d\.\d|CC0|public domain")


def pages() -> dict[str, str]:
    """Every file of the reference by its name, complete."""
    bodies: dict[str, Callable[[], str]] = {"engine": partial(package, "Engine", ENGINE, engine())}
    bodies["drawing"] = gallery.page
    bodies |= {"operations": operations, "functions": functions, "activations": activations}
    bodies["layers"] = partial(package, "Layers", LAYERS, [*exported(models), cells.CellOptions], formulas=True)
    for name in models.__all__:
        if inspect.ismodule(module := getattr(models, name)):
            bodies[name] = partial(chapter, module, formulas=module in SET)
    bodies["penalties"] = penalized
    bodies["compilation"] = compilation
    bodies["compiler"] = compiler_map.page
    introduction = f"{_introduction(optim)}\n\n{_introduction(optimizers)}"
    others = [thing for thing in exported(optim) if not thing.__module__.startswith(selection.__name__)]
    bodies["optimizers"] = partial(package, "Optimizers and training", introduction, others, formulas=True)
    bodies["selection"] = partial(package, "Model selection", _introduction(selection), exported(selection))
    bodies["diagnosis"] = partial(package, "Diagnosis", _introduction(diagnosis), exported(diagnosis))
    bodies["figures"] = partial(package, "Figures", _introduction(figures), exported(figures))
    bodies["schedules"] = partial(chapter, schedules, formulas=True)
    texts = {f"{name}.md": f"{MADE}\n\n{body()}" for name, body in bodies.items()}
    texts |= {name: (FOLDER / name).read_text("utf-8") for name in WRITTEN}
    return {"README.md": index(texts), **texts, GALLERY: mg.activations().gallery().svg(), **gallery.drawn()}


def index(texts: dict[str, str]) -> str:
    """The page that leads to the others, with the notation they share."""
    titles = {name: re.findall(r"^# (.*)", text, re.MULTILINE)[0] for name, text in texts.items()}
    entries = [f"- [{title}]({name}): {_abstract(texts[name], title)}" for name, title in titles.items()]
    return "\n".join([MADE, "", "# Reference", "", NOTATION, "", *entries, ""])


def _abstract(text: str, title: str) -> str:
    """The first sentence below a page's headline."""
    paragraph = text.partition(f"# {title}\n\n")[2].split("\n\n")[0].replace("\n", " ")
    return paragraph.split(". ")[0].removesuffix(".")


NOTATION = """\
Made from the docstrings and signatures of the code. The tests find a page that is out of date, and run the examples.

Every formula is given in both directions. The way there: y is the value of a node, x (or a, b, …) the values of its
children. The way back: ȳ is the adjoint of y, the derivative of the output with respect to it, and x̄ = ȳ ∂y/∂x is what
the node sends to x; a node that several others use sums what they send. Capital letters are matrices, A' is A transposed,
products of arrays are entry by entry unless they are matrices, 1[…] is 1 where the condition holds and else 0. Where a
formula is set, the transpose of A has a ⊤."""


# Operations and functions --------------------------------------------------------------------------------------------


def operations() -> str:
    """All operations of the registry, a table per family."""
    families: dict[str, list[type[mg.Operation]]] = {}
    for kind in registered():
        families.setdefault(kind.__module__, []).append(kind)
    parts = ["# Operations", OPERATIONS.format(n=len(registered())), _contents(map(_title, families))]
    made_by: dict[type[mg.Operation], list[str]] = {}
    for name, answer in spellings().items():
        for kind in operations_of(answer):
            made_by.setdefault(kind, []).append(name)
    for name, kinds in families.items():
        module = sys.modules[name]
        rows = [_operation(kind, made_by.get(kind, [])) for kind in kinds]
        parts += [_heading(module), table(["Operation", "Written", "y", "Adjoint", "Kind"], rows)]
        parts += [f"**{kind.__name__}.** {note}" for kind in kinds if (note := _notes(docstrings.read(kind).notes))]
    return "\n\n".join(parts) + "\n"


OPERATIONS = """\
The {n} operations, the nodes every graph is made of: `mg.operations()` lists them.

*Operation* gives the class, its children and, behind the star, its attributes. *Written* is what makes it in a program;
where there is nothing, layers, losses or the engine do. *Kind*:

- E: works entry by entry and broadcasts its children; B: broadcasts all axes but those of its matrices
- smooth: checked by finite differences at orders 1, 2 and 3; kinks: at orders 1 and 2, away from the kinks
- definition: has no derivative, or one on purpose, and is checked by what it says it does
- impure: random, or it shows something to the outside; it is never folded, merged or left out"""


def registered() -> list[type[mg.Operation]]:
    """The operations of the package in the order of its modules and of their text."""
    kinds = [kind for kind in mg.operations() if kind.__module__.startswith("minigrad.")]
    return sorted(
        kinds, key=lambda kind: (_order(kind.__module__), list(vars(sys.modules[kind.__module__])).index(kind.__name__))
    )


def _order(module: str) -> tuple[bool, bool, str]:
    """The engine's families first, what the engine itself inserts and what other packages define last."""
    return not module.startswith("minigrad.ops."), module.endswith(".base"), module


def _operation(kind: type[mg.Operation], written: Sequence[str]) -> list[str]:
    doc = docstrings.read(kind)
    words = ["E"] if kind.elementwise else ["B"] if kind.broadcasts else []
    words.append("definition" if kind.checked == "definition" else "smooth" if kind.smooth else "kinks")
    words += [] if kind.pure else ["impure"]
    signature = call(kind.fprop, kind.__name__, skip=1)
    namesakes_first = sorted(written, key=lambda name: kind.__name__.lower() not in name.replace("_", ""))
    return [f"`{signature}`", _code(namesakes_first), escaped(doc.forward), escaped(doc.reverse), ",\u00a0".join(words)]


def functions() -> str:
    """What may be written on nodes and is no operation itself: functions that make one or several."""
    families: dict[str, dict[Any, list[str]]] = {}
    for name, answer in spellings().items():
        if not inspect.isclass(answer):
            families.setdefault(answer.__module__, {}).setdefault(answer, []).append(name)
    parts = ["# Functions", FUNCTIONS, _contents(map(_title, sorted(families, key=_order)))]
    for name in sorted(families, key=_order):
        rows = [_function(answer, written) for answer, written in families[name].items()]
        parts += [_heading(sys.modules[name]), table(["Written", "Gives", "Operations"], rows)]
    rest = [thing for thing in exported(mg.ops) if not _is_written(thing)]
    rows = [[f"`mg.ops.{thing.__name__}`", escaped(docstrings.read(thing).forward)] for thing in rest]
    parts += ["## Other names", "What `minigrad.ops` exports besides.", table(["Name", "What it is"], rows)]
    return "\n\n".join(parts) + "\n"


def _is_written(thing: Any) -> bool:
    """Whether a row of these tables or of the operations' tells of it, or an entry of the engine's page."""
    makes = inspect.isfunction(thing) and operations_of(thing)  # mg.ops.sin, where there is np.sin
    return bool(makes) or thing in spellings().values() or thing in registered() or thing in engine()


FUNCTIONS = """\
The functions that may be written on nodes and make one operation or several, with the arguments they take.

What is an operation by itself (`np.exp(x)`, `a + b`) stands in [Operations](operations.md). NumPy's functions keep
NumPy's names, keywords and meaning. Where *Operations* is empty the function is composed of others."""


def _function(answer: Any, written: Sequence[str]) -> list[str]:
    first = call(answer, written[0]) if written[0].startswith(("np.", "mg.")) else written[0]
    doc = docstrings.read(answer)
    gives = ";  ".join(filter(None, [doc.forward, doc.reverse]))
    return [_code([first, *written[1:]]), escaped(gives), _code(kind.__name__ for kind in operations_of(answer))]


# Activations ---------------------------------------------------------------------------------------------------------


def activations() -> str:
    """The table of activation functions, their gallery, and an entry each with its formulas set."""
    entries = mg.activations()
    rows = [[f"[{e.name}](#{e.name})", _formula(e), escaped(printed(e.derivative)), str(e.range)] for e in entries]
    parts = [
        "# Activations",
        f"The {len(entries)} activation functions: `mg.activations()` is this table, `mg.activations().gallery()` this figure.\n\n"
        + escaped(inspect.cleandoc(activation_table.__doc__ or "").partition("\n\n")[2])
        + f"\n\nSource: {source(activation_table)}",
        table(["Name", "f(x)", "f′(x)", "Range"], rows),
        f"![Every activation function with its derivative]({GALLERY})",
        *[_activation(function) for function in entries],
        *[entry(thing, 2) for thing in (mg.activations, activation_table.Activation)],
    ]
    return "\n\n".join(parts) + "\n"


def _activation(entry: activation_table.Activation) -> str:
    doc = docstrings.read(entry.function)
    parts = [
        f"## {entry.name}",
        f"`{call(entry.function, f'mg.{entry.name}')}`"
        + (f", also called {_code(entry.aliases)}" if entry.aliases else ""),
        fenced(f"f(x) = {entry.formula_latex}", "math"),
        fenced(f"f'(x) = {entry.derivative_latex}", "math"),
        _sentence(entry.summary),
        *([f"**Source:** {escaped(entry.source)}."] if entry.source else []),
        *[markdown(note) for note in doc.notes],
    ]
    return "\n\n".join(parts)


def _formula(entry: activation_table.Activation) -> str:
    given = f",  {printed(entry.given)}" if entry.given else ""
    return escaped(printed(entry.formula) + given)


def _sentence(text: str) -> str:
    return escaped(text[0].upper() + text[1:]) + "."


# Packages and modules ------------------------------------------------------------------------------------------------

LAYERS = "Modules, layers and recurrent nets: what `minigrad.models` exports itself, file by file."
ENGINE = """\
What a graph is made of and what can be asked of it: nodes, gradients, checks, drawings.

NumPy's functions, operators and methods on nodes, and what `minigrad` adds to them, are in [Operations](operations.md),
[Functions](functions.md) and [Activations](activations.md); `mg.compile` is in [Compilation](compilation.md).

An operation of one's own, its gradient, the check of it, and the graph as text:

```python
import minigrad as mg


class Cube(mg.Elementwise):
    \"""y = x³;  x̄ = 3 ȳ x².\"""

    def fprop(self, x):
        return x**3

    def bprop(self, adjoint):
        (x,) = self.children
        return adjoint * (3 * x**2)


x = mg.Input([1.0, 2.0], name="x")
loss = Cube(x).sum()
(slope,) = mg.gradients(loss, [x])
mg.check_gradients(Cube, [1.0, 2.0], order=2)
print(slope.value, mg.hessian(loss, x).value.tolist())
print(mg.listing(loss))
```

```text
[ 3. 12.] [[6.0, 0.0], [0.0, 12.0]]
#  node  operation  shape  value   adjoint
0  x     input      (2,)   [1, 2]  [3, 12]
1        cube(#0)   (2,)   [1, 8]  [1, 1]
2        Σ(#1)      ()     9       1
```"""


def exported(package: ModuleType) -> list[Any]:
    """The classes and functions a package exports, in the order of its `__all__`, or of its text where it has none."""
    names = getattr(package, "__all__", None) or [name for name in vars(package) if not name.startswith("_")]
    things = [getattr(package, name) for name in names]
    return [thing for thing in dict.fromkeys(things) if inspect.isfunction(thing) or inspect.isclass(thing)]


def engine() -> list[Any]:
    """What `minigrad` exports and has no page of its own, as operations and the compiler have; rules; the method backward."""
    elsewhere = ("minigrad.ops.", "minigrad.compiler.", "minigrad.activation_table.")
    tabled = [thing for thing in exported(mg) if thing.__module__.startswith(elsewhere)]
    kept = (base.__name__, control.__name__, registry.__name__)
    named = [thing for thing in exported(mg) if thing not in tabled or thing.__module__ in kept]
    return [*named, *exported(rules), graph.backward]


def package(title: str, introduction: str, things: Iterable[Any], *, formulas: bool = False) -> str:
    """Classes and functions, module by module."""
    modules: dict[str, list[Any]] = {}
    for thing in things:
        modules.setdefault(thing.__module__, []).append(thing)
    parts = [f"# {title}", introduction]
    parts += [_overview([thing for things in modules.values() for thing in things])]
    for name, things in modules.items():
        module = sys.modules[name]
        parts += [_heading(module, title=name), _introduction(module)]
        parts += [entry(thing, 3, formulas=formulas) for thing in things]
    return "\n\n".join(parts) + "\n"


def chapter(module: ModuleType, *, formulas: bool = False) -> str:
    """The public classes and functions of a module."""
    things = public(module)
    name, colon, _ = (module.__doc__ or "").partition(":")  # "Linear models: ..." has the title in it
    title = name if colon and len(name.split()) <= 2 else _title(module.__name__)
    introduction = _introduction(module).removeprefix(f"{title}: ")
    parts = [f"# {title}", f"{introduction[0].upper()}{introduction[1:]}\n\nSource: {source(module)}"]
    parts += [_overview(things, licensed=module is datasets)]
    parts += [entry(thing, 2, formulas=formulas) for thing in things]
    return "\n\n".join(parts) + "\n"


def public(module: ModuleType) -> list[Any]:
    """The classes and functions a module offers: those of its __all__, or those it defines; operations have their page."""
    names = getattr(module, "__all__", None) or [
        name for name, thing in vars(module).items() if getattr(thing, "__module__", "") == module.__name__
    ]
    things = [vars(module)[name] for name in names if not name.startswith("_")]
    return [t for t in things if inspect.isfunction(t) or (inspect.isclass(t) and not issubclass(t, mg.Operation))]


def entry(thing: Any, level: int, *, formulas: bool = False) -> str:
    """A class or function: how it is called, its formulas, notes, and methods of its own. formulas: set them in LaTeX."""
    doc = docstrings.read(thing)
    parts = [f"{'#' * level} {thing.__name__}", *([fenced(_called(thing))] if _is_called(thing) else [])]
    parts += _formulas(doc.forward) if formulas else [escaped(doc.forward) + "."]
    set_notes = [note for note in doc.notes if formulas and mathematics.begins(note)]
    parts += [part for note in set_notes for part in _formulas(" ".join(note.split()).removesuffix("."))]
    if doc.reverse:
        back = _formulas(doc.reverse) if formulas else [f"{escaped(doc.reverse)}."]
        parts += ["**Back:**", *back] if back[0].startswith("```") else [f"**Back:** {back[0]}"]
    parts += [markdown(note) for note in doc.notes if note not in set_notes]
    if inspect.isclass(thing):
        members = {name: member for name, member in public_members(thing).items() if member.__doc__}
        parts += ["\n".join(_member(name, member) for name, member in members.items())] if members else []
    return "\n\n".join(parts)


def _formulas(text: str) -> list[str]:
    """The formulas a text begins with, as a block, and the words behind them. What cannot be set stays text."""
    try:
        formula, words = mathematics.setting(text)
    except ValueError:
        formula, words = "", text
    return [*([fenced(formula, "math")] if formula else []), *([escaped(words) + "."] if words else [])]


def _is_called(thing: Any) -> bool:
    """Whether a program writes a call of it: errors are caught, and a mere Node is what operations and leaves are."""
    return thing is not mg.Node and not (inspect.isclass(thing) and issubclass(thing, BaseException))


def _called(thing: Any) -> str:
    """The call, over several lines where one would be too wide."""
    if thing is cells.CellOptions:
        return "\n".join(f"{name}=..." for name in thing.__annotations__)
    if thing is graph.backward:
        return "output.backward()"
    line = call(thing)
    if len(line) <= 100:
        return line
    head, arguments = line.removesuffix(")").split("(", 1)
    wrapped = re.sub(r"(.{60,90}?), ", r"\1,\n    ", arguments)
    return f"{head}(\n    {wrapped},\n)"


def _member(name: str, member: FunctionType | property) -> str:
    doc = docstrings.read(member)
    says = "; ".join(filter(None, [doc.forward, doc.reverse]))
    return f"- `.{name if isinstance(member, property) else call(member, name, skip=1)}`: {escaped(says)}."


def _overview(things: Sequence[Any], *, licensed: bool = False) -> str:
    columns = ["Name", "What it is", *(["License"] if licensed else [])]
    links = anchors(thing.__name__ for thing in things)
    rows = [
        [f"[{thing.__name__}](#{link})", escaped(docstrings.read(thing).forward)]
        + ([license_of(thing)] if licensed else [])
        for thing, link in zip(things, links, strict=True)
    ]
    return table(columns, rows)


def license_of(data_set: Any) -> str:
    """The license a data set's docstring states, or nothing where it states none, as for data that are generated."""
    found = LICENSE.findall(" ".join((data_set.__doc__ or "").split()))
    return found[-1] if found else ""


def penalized() -> str:
    """The penalties, and the value of each for one net."""
    rows = [[f"`{text}`", escaped(one_net.FORMULAS[text]), f"{value:.9g}"] for text, value in one_net.values().items()]
    parts = [
        chapter(penalties, formulas=True),
        "## The value of each for one net",
        VALUES,
        fenced(one_net.CODE.strip(), "python"),
    ]
    return "\n\n".join([*map(str.strip, parts), table(["Penalty", "Formula", "Value"], rows)]) + "\n"


VALUES = """\
Other implementations can be held against these values; a test computes the same in plain NumPy, without the engine. All
weights μ are 1; T is 4, and each sum over t has as many terms as there are states or pairs of neighboring states."""


REWRITES = """\
`mg.compiler.REWRITES`, in the order in which they run; `mg.compile(f, rewrites=[...])` names a selection, in an order of its
own. In every order they compute the same; a rewrite that runs before those it builds on finds less to do."""


def compilation() -> str:
    """`mg.compile`, what it gives, and the rewrites it applies."""
    rows = [
        [
            f"`{name}`",
            " ".join((each.numpy.__doc__ or "").split()),
            ", ".join(f"`{other}`" for other in each.after),
            each.wins,
        ]
        for name, each in compiler.REWRITES.items()
    ]
    parts = [
        "# Compilation",
        f"{_introduction(compiler)}\n\nSource: {source(compiler)}",
        *[
            entry(thing, 2)
            for thing in (compiler.compile, compiler.Compiled, compiler.NotCompiled, compiler.TraceError)
        ],
        "## Rewrites",
        REWRITES,
        table(
            ["Name", "What it does", "Builds on", "A step without it takes longer by"],
            [[name, escaped(says), after, wins] for name, says, after, wins in rows],
        ),
    ]
    return "\n\n".join(parts) + "\n"


# Markdown ------------------------------------------------------------------------------------------------------------


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; its cells are padded (but for long ones), so that it reads as text too."""
    cells = [list(columns), *[[cell.replace("|", "\\|") for cell in row] for row in rows]]
    widths = [min(max(map(_width, column)), WIDEST) for column in zip(*cells, strict=True)]
    rule = ["-" * max(width, 3) for width in widths]
    return "\n".join(_row(row, widths) for row in [cells[0], rule, *cells[1:]])


WIDEST = 48


def _row(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
    return f"| {' | '.join(padded)} |"


def _width(text: str) -> int:
    """Characters on the screen: the bar of x̄ takes none."""
    return sum(not unicodedata.combining(character) for character in text)


def _heading(module: ModuleType, title: str = "") -> str:
    return f"## {title or _title(module.__name__)}\n\nSource: {source(module)}"


def _introduction(module: ModuleType) -> str:
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(module.__doc__ or ""))
    return "\n\n".join([escaped(paragraphs[0]), *map(markdown, paragraphs[1:])])


def _title(module: str) -> str:
    return module.rpartition(".")[2].replace("_", " ").capitalize()


def _contents(titles: Iterable[str]) -> str:
    return " · ".join(f"[{title}](#{anchor(title)})" for title in titles)


def anchor(title: str) -> str:
    """What GitHub makes of a headline."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def anchors(titles: Iterable[str]) -> list[str]:
    """The anchors of the headlines of a page: of several alike, as of `record` and `Record`, the later ones are numbered."""
    found: list[str] = []
    for plain in map(anchor, titles):
        found.append(next(name for name in chain([plain], (f"{plain}-{i}" for i in count(1))) if name not in found))
    return found


def _notes(notes: Sequence[str]) -> str:
    return "\n\n".join(map(markdown, notes))


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
