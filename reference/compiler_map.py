"""Write the map of the compiler: its modules, one net followed through all of them, and a loop whose middle is left out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from minigrad import compiler, node
from minigrad.compiler.lines import Line, Lines
from minigrad.compiler.passes.table import REWRITES, rewritten
from minigrad.compiler.printing.program import program_text
from minigrad.compiler.printing.pure import pure_text
from minigrad.compiler.storage.memory import Memory, plain
from minigrad.compiler.tracing import tracer
from minigrad.compiler.tracing.recording import record_lines
from minigrad.node import Node
from reference.docstrings import escaped, fenced

NET = """\
import minigrad as mg
import numpy as np

W = mg.Parameter([[0.5, -0.5], [0.25, 1.0]], name="W")
b = mg.Parameter([0.0, 0.5], name="b")
v = mg.Parameter([1.0, -1.0], name="v")


def step(x, y):
    h = np.tanh(x @ W.T + b)
    loss = np.mean((h @ v - y) ** 2)
    return loss, *mg.gradients(loss, [W, b, v])


examples = {"x": np.ones((8, 2)), "y": np.zeros(8)}
"""
LOOP = """\
import minigrad as mg
import numpy as np

W = mg.Parameter([[0.5, -0.5], [0.25, 1.0]], name="W")
R = mg.Parameter([[1.0, 0.0], [0.5, 0.5]], name="R")


def step(x):  # (batch, time, features)
    h = np.zeros((8, 2))
    for t in range(50):
        h = np.tanh(x[:, t] @ W.T + h @ R.T)
    loss = np.sum(h)
    return loss, *mg.gradients(loss, [W, R])


examples = {"x": np.ones((8, 50, 2))}
"""
ROOMS = ("tracing", "passes", "storage", "printing")


def page() -> str:
    """Write the page."""
    return "\n\n".join(["# Compiler", INTRODUCTION, *rooms(), *net(), *loop()]) + "\n"


INTRODUCTION = """\
The map of `minigrad/compiler` for whoever works on it: what each module does, and one net followed through all of them.
[Compilation](compilation.md) says how `mg.compile` is used, and what each pass does.

A function is traced to a graph of nodes; the graph is recorded as lines; passes exchange lines for fewer or faster ones;
storage plans where every value lies; printers write lines and plan down as source."""


def rooms() -> list[str]:
    """List the modules of each room with the first sentences of their docstrings."""
    parts = ["## Rooms"]
    for room in ("", *ROOMS):
        folder = Path(compiler.__file__).parent / room
        modules = sorted(path for path in folder.glob("*.py") if path.stem != "__init__")
        where = f"minigrad/compiler/{room}".rstrip("/")
        heading = f"**`{where}`**: {_sentence(folder / '__init__.py')}"
        parts += [heading, "\n".join([f"- `{path.stem}`: {_sentence(path)}" for path in modules])]
    return parts


def _sentence(path: Path) -> str:
    """Read the first sentence of a module, which is not imported: it may need what is not installed."""
    doc = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return escaped(" ".join(doc.split()).split(". ")[0].removesuffix("."))


# One net -------------------------------------------------------------------------------------------------------------


def net() -> list[str]:
    """Follow a small net through the rooms."""
    traced = _traced(NET)
    lines = record_lines(traced)
    parts = ["## One net", fenced(NET.strip(), "python")]
    parts += ["### Nodes (tracing/tracer)", NODES, fenced("\n".join(_nodes(traced.nodes)))]
    parts += ["### Lines (tracing/recording)", LINES, fenced("\n".join(_listed(lines)))]
    parts += ["### Passes", PASSES]
    for name in REWRITES:
        after = rewritten(lines, [name])
        if changes := list(_changes(lines, after)):
            parts.append(f"`{name}`:\n\n{fenced(chr(10).join(changes), 'diff')}")
        lines = after
    parts += ["### Storage", STORAGE, fenced("\n".join(_storage(lines)))]
    parts += [
        "### Program (printing/program)",
        PROGRAM,
        fenced(program_text(lines, list(traced.inputs)).source.strip()),
    ]
    parts += ["### Formulas (printing/pure)", PURE, fenced(pure_text(lines, list(traced.inputs)).source.strip())]
    return parts


NODES = "`step` runs once on Input nodes. What it returns needs these nodes; those of the gradients follow those of the loss."
LINES = """\
Each `fprop` runs on recorders, which note the calls of NumPy it makes; equal lines are written once, and lines whose
operands are all constant are folded. Behind each line stand its shape and the name of the node whose value it is."""
PASSES = """\
These passes change lines of this net; all others find nothing to do. A line keeps its number; what reads a new line is a
new line itself, written again."""
STORAGE = """\
Each row is one buffer, with the lines whose values lie in it, one after the other: `=>` where a line is computed in place,
over an operand that nobody reads any more; `;` where the buffer is free again and serves a later line. Results are made
anew in every call, since they are the caller's to keep. Views (transposes, parts) lie where their operands do."""
PROGRAM = "Buffers are made once, in front of the function; every call fills them."
PURE = "The same lines without buffers, a function of arguments and parameters: to compare with the mathematics."


def _traced(code: str) -> tracer.Traced:
    node._number.cache_clear()  # nodes of numbers that other pages made are older: the order of lines would depend on them
    made: dict[str, Any] = {}
    exec(code, made)
    return tracer.run(made["step"], list(made["examples"]), list(made["examples"].values()), {})


def _nodes(nodes: list[Node]) -> Iterator[str]:
    numbers = {each: f"n{i}" for i, each in enumerate(nodes, 1)}
    for each in nodes:
        children = ", ".join([numbers[child] for child in each.children])
        name = f'"{each.name}"' if each.name else children
        yield _columns(f"{numbers[each]} = {type(each).__name__}({name or each.value})", each.shape)


def _listed(lines: Lines) -> list[str]:
    return [_columns(_formula(line), line.shape, line.origin.name) for line in lines.order]


def _columns(text: str, shape: tuple[int, ...], name: str = "") -> str:
    return f"{text:<32}{shape!s:<8} {name}".rstrip()


def _formula(line: Line) -> str:
    if line.array is not None:
        entries = line.array.reshape(-1).tolist()
        value = f"{entries[0]}, …" if len(entries) > 1 else f"{entries[0]}"
        return f"{_name(line)} = {value}"
    if not line.operands:
        return f"{_name(line)} = {line.op.written([])}"
    return f"{_name(line)} = {line.op.formula(list(map(_name, line.operands)), str)}"


def _name(line: Line) -> str:
    return f"v{line.number}"


def _changes(before: Lines, after: Lines) -> Iterator[str]:
    """Say which lines a pass dropped, and which it wrote instead; not those that only read another one."""
    kept = {*before.order} & {*after.order}
    for sign, lines in (("-", before), ("+", after)):
        for line in lines.order:
            if line not in kept:
                yield f"{sign} {_columns(_formula(line), line.shape, line.origin.name)}".rstrip()


def _storage(lines: Lines) -> Iterator[str]:
    """Say of each buffer which lines lie in it."""
    memory = Memory(lines)
    results = {plain(line) for line in memory.lines.results}
    buffers: dict[Any, list[Line]] = {}
    for line in memory.order:
        root = memory.home(line)
        if root is not None and memory.base(line) is line:
            buffers.setdefault(root if root.buffer is None else root.buffer.arena, []).append(line)
    for members in buffers.values():
        text = _name(members[0])
        for line in members[1:]:
            sign = " => " if any(memory.base(x) in members for x in line.operands) else "; "
            text += f"{sign}{_name(line)}"
        yield f"{members[0].shape!s:<8} {text}{', a result' if results & {*members} else ''}"


# A loop --------------------------------------------------------------------------------------------------------------


def loop() -> list[str]:
    """Show a long loop whose middle rounds are left out."""
    traced = _traced(LOOP)
    lines = record_lines(traced)
    gaps = lines.page.gaps
    steps: dict[int, set[int]] = {}
    for line in lines.order:
        if line.origin.loop in gaps:
            steps.setdefault(line.origin.loop, set()).update(line.origin.step)
    kept = "\n".join([f"loop {i}: rounds {_ranges(steps[i])}" for i in sorted(steps)])
    lines = rewritten(lines, list(REWRITES))
    return [
        "## A loop",
        fenced(LOOP.strip(), "python"),
        CONTRACTED.format(
            n=len(traced.nodes),
            lines=len(record_lines(traced, contracts=False).order),
            fewer=len(record_lines(traced).order),
        ),
        fenced(kept),
        LOOPS,
        fenced(program_text(lines, list(traced.inputs)).source.strip()),
    ]


CONTRACTED = """\
The graph has {n} nodes; recorded whole it would be {lines} lines. `tracing/contraction` leaves out the middle rounds, which
are images of their neighbors, and {fewer} lines are recorded: these rounds of the loop and of the loop of its adjoints."""
LOOPS = """\
`printing/loops` finds the statements that repeat with counting numbers, and lets each `for` run over the rounds that were
left out too, whose values are rows of one array:"""


def _ranges(numbers: set[int]) -> str:
    """Write numbers as ranges: 0-5, 44-49."""
    ordered = sorted(numbers)
    starts = [n for n in ordered if n - 1 not in numbers]
    stops = [n for n in ordered if n + 1 not in numbers]
    return ", ".join([f"{i}-{j}" if i < j else f"{i}" for i, j in zip(starts, stops, strict=True)])
