"""The page of drawings: an example per view, drawn by the very code that the page shows, and others' pictures in numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from reference.docstrings import fenced

STEPS = "drawing-steps.html"
PEERS = Path(__file__).parents[1] / "benchmarks" / "drawing_peers.json"


class Example(NamedTuple):
    """A view: its name, the question it answers, the code that gives `picture`, what to look at."""

    name: str
    title: str
    question: str
    code: str
    look: str


EXAMPLES = (
    Example(
        "flow",
        "Flow",
        "What is computed, in which order, and which adjoint does each node get?",
        """\
import numpy as np

import minigrad as mg
from minigrad.optim import example_graphs

loss = example_graphs.net()  # 2 inputs, 2 tanh units, 1 output
picture = mg.draw(loss)
""",
        "A box is a node: its number, name or operation, its value in black, its adjoint ∂L/∂node in red. Yellow boxes are "
        "parameters, blue ones inputs; frames are scopes. A node with two arrows out of it, as x1, adds up what both send back.",
    ),
    Example(
        "mirror",
        "Mirror",
        "How does the chain rule run backward, and by what is an adjoint multiplied on its way?",
        """\
picture = mg.draw(loss, view="mirror")
""",
        "Each adjoint lies below its node. Follow an arrow of the lower half from the right: at ∂L/∂L it begins with 1, the label "
        "is the local factor, and where arrows meet their adjoints are added. Where the loss has adjoints in it, a third band has those "
        "of the second order.",
    ),
    Example(
        "cell",
        "Cell",
        "What does one step of a recurrent net do?",
        """\
from minigrad.models import LSTM

rng = np.random.default_rng(0)
u = mg.Input(rng.normal(size=(4, 50, 3)), name="u")
lstm = LSTM(3, 16, rng=0, dtype=np.float64)
long_loss = (lstm(u) ** 2).mean()
picture = mg.draw(long_loss, view="cell")
""",
        "The cell c runs above and meets only × and +; h runs below and goes into every gate. Each wire is an arrow of the "
        "recorded graph. A cell that is none of the known ones is drawn as the flow of one step.",
    ),
    Example(
        "rolled",
        "Rolled",
        "What is the graph of fifty steps, when all steps are alike?",
        """\
picture = mg.draw(long_loss, roll=True)
""",
        "One step stands for fifty. Dashed arrows lead from its end back to its start; pills name values that every step reads. "
        "`depth=`, `collapse=`, `focus=` and `highlight=` make large graphs small in other ways.",
    ),
    Example(
        "time",
        "Time",
        "Does the gradient get back to the first steps, and by which path?",
        """\
picture = mg.draw(long_loss, view="time", cut=("h", "c"))
""",
        "Adjoints run from the loss at the right to step 1. A link has the color of the adjoint sent along it; it fades as that "
        "vanishes. The curves show norms on a logarithmic scale: in all, and without one of the paths. Of what gets back here, "
        "little came along c alone: see [the lesson](../tutorials/20_vanishing_exploding.py).",
    ),
    Example(
        "dead",
        "A dead end in time",
        "Where does the gradient die?",
        """\
from minigrad.models import SimpleRNN

dying = SimpleRNN(3, 16, mg.relu, rng=0, dtype=np.float64)
dying.cell.W_x.value[...] = np.abs(dying.cell.W_x.value)
shock = np.abs(rng.normal(size=(4, 20, 3)))
shock[:, 11] = -20.0  # at step 12 no unit is active
picture = mg.draw((dying(shock) ** 2).mean(), view="time")
""",
        "A cross is an adjoint that is exactly 0. Nothing passes from step 12 to step 11, so nothing before is learned. "
        "`mg.explain(node, loss)` names the rule that ended it.",
    ),
    Example(
        "layers",
        "Layers",
        "Which layers are there, what do they give, how many parameters do they have?",
        """\
from minigrad.models import Conv2D, Dense, Flatten, MaxPool2D, Sequential, losses

options = {"rng": 0, "dtype": np.float64}
convolution = Conv2D(1, 8, 3, activation=mg.relu, **options)
net = Sequential(convolution, MaxPool2D(2), Flatten(), Dense(72, 10, **options))
outputs = net(mg.Input(rng.normal(size=(5, 8, 8, 1)), name="images"))
picture = mg.draw(losses.cross_entropy(outputs, [0, 1, 2, 3, 4]), view="layers")
""",
        "A box is a scope with its shape and the parameters it reads, from top to bottom as they run.",
    ),
    Example(
        "error",
        "An error",
        "Which operation fails, and what did it get?",
        """\
x = mg.Input(np.ones((20, 50)), name="x")
W = mg.Parameter(np.ones((40, 60)), name="W")
try:
    np.tanh(x) @ W.T
except ValueError as error:
    picture = mg.draw(error)
""",
        "The graph up to there, and the node that could not be made, with its operands' shapes side by side. Of a failed "
        "`mg.check_gradients` it marks each bprop right or wrong.",
    ),
)

INTRODUCTION = """\
What `mg.draw` gives: a picture for each question about a graph, with the code that makes it and what to look at in it.

Each picture follows the theme of its reader, light or dark, and says in `.text()` what it shows. `.save("x.svg")` writes it, and so
do the suffixes .png (`pip install 'minigrad[png]'`), .html and .txt; the flow also .mmd for Mermaid and .dot for Graphviz. In a
shell: `minigrad draw net --view mirror -o net.svg`. [draw](engine.md#draw) has all arguments.
[Activations](activations.md) have a picture of their own, `mg.activations().gallery()`."""

STEPPER = f"""\
## Step by step

**What happens when, and what does each rule compute?** `mg.draw(loss).save("steps.html")` writes a page that goes through every fprop and
bprop by the arrow keys: the rule, the rule in numbers, what arrived from whom, and what has not arrived yet.
[This one]({STEPS}) is of the net above: download it and open it in a browser, it needs nothing else.
[A lesson](../tutorials/02_a_box_and_its_two_methods.py) goes through it."""

COMPARISON = """\
## Beside others

The same nets drawn by others, measured by `python -m benchmarks drawing --peers`: {versions}, Python {python}, on
one core ({processor}), {date}. The LSTM reads 20 steps; *by hand* is a loop of linear maps, sigmoids and tanhs, and *layer* is PyTorch's or
Keras's own. Seconds are CPU time from the loss to the text of the SVG, `dot` included, which draws all but ours; the expression
is that of micrograd's README."""

NOT_SHOWN = """\
torchviz draws the backward functions of PyTorch's tape: neither what they compute with nor what they send, and no steps. torchview
draws calls of modules and functions with their shapes; `roll=True` draws the two linear maps once, and all 60 sigmoids and 40 tanhs.
To both, a layer of PyTorch's is one operation. Keras draws layers. micrograd's notebook shows each number with its slope, one scalar to
a box, and of a node with two parents the sum alone."""

SHOWS = {
    "torchviz": "shapes of parameters",
    "torchview": "shapes",
    "Keras": "shapes",
    "micrograd": "values, adjoints",
    '"flow"': "values, adjoints, scopes, steps",
    "roll": "values and adjoints of a step",
    '"mirror"': "values, adjoints, factors",
    '"cell"': "one step, as textbooks have it",
    '"time"': "adjoints sent, their norms, paths",
    '"layers"': "shapes, parameters",
}


OF = {'"cell"': "items", '"time"': "dots"}  # of what a picture has so many; our others have boxes, and Graphviz's nodes


def _amount(name: str, count: int) -> str:
    """How much a picture shows: "139 dots"."""
    usual = "boxes" if "minigrad" in name else "nodes" if count > 1 else "node"
    return f"{count:,} {next((what for view, what in OF.items() if view in name), usual)}"


def drawn() -> dict[str, str]:
    """The pictures and the page that steps, by the names of their files: what the code of the examples draws."""
    names: dict[str, Any] = {}
    files = {}
    for example in EXAMPLES:
        exec(compile(example.code, f"reference/drawing.md: {example.title}", "exec"), names)
        files[file_of(example)] = names["picture"].svg()
        if example.name == "flow":
            files[STEPS] = names["picture"].html()
    return files


def file_of(example: Example) -> str:
    """The name of its picture's file."""
    return f"drawing-{example.name}.svg"


def page() -> str:
    """The page, complete but for its first line."""
    parts = ["# Drawings", INTRODUCTION]
    for example in EXAMPLES:
        parts += [f"## {example.title}", f"**{example.question}**", fenced(example.code.strip(), "python")]
        parts += [f"![{example.question}]({file_of(example)})", example.look]
    return "\n\n".join([*parts, STEPPER, *comparison()]) + "\n"


def comparison() -> list[str]:
    """Others' pictures in numbers, as they were measured once."""
    from reference.pages import table

    kept = json.loads(PEERS.read_text("utf-8"))
    versions = ", ".join([f"{name} {version}" for name, version in kept["versions"].items() if name != "minigrad"])
    rows = [
        [
            f"{name[0].upper()}{name[1:]}",
            _amount(name, found["nodes"]),
            f"{found['cpu']:.2f}" if round(found["cpu"], 2) else "< 0.01",  # a clock of hundredths
            f"{found['kB']:.0f}",
            f"{found['width']:,.0f} × {found['height']:,.0f}",
            next(words for who, words in SHOWS.items() if who in name),
        ]
        for name, found in kept["measured"].items()
    ]
    said = COMPARISON.format(
        versions=versions, python=kept["python"], date=kept["date"][:10], processor=kept["processor"]
    )
    return [said, table(["Picture", "Parts", "CPU s", "kB", "Pixels", "Shows"], rows), NOT_SHOWN]
