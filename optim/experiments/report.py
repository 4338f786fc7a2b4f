"""The report of a comparison: what it found, its tables, how it was trained, and what the figures show."""

from __future__ import annotations

import math
import shlex
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np

from minigrad.optim.experiments.cells import CELLS
from minigrad.optim.experiments.comparison import N_GAUGED, Comparison, Run
from minigrad.optim.experiments.configuration import INITIALIZATIONS, Configuration
from minigrad.optim.experiments.figures import DRAWN, FEW, KINDS, map_rows
from minigrad.optim.experiments.findings import ADJOINTS, criterion, headline, sentences
from minigrad.optim.experiments.methods import PENALTIES
from minigrad.optim.experiments.tasks import Task
from minigrad.optim.schedules import Schedule

RATIO = "log10 λ_1/λ_T"
COLUMNS: dict[str, tuple[str, Callable[[Run], float]]] = {  # heading: format, and what it shows of a run
    "test score": (".3f", lambda run: run.test_score),
    "best record's": (".3f", lambda run: run.best_test_score),
    "its step": (".0f", lambda run: run.best.row.get("step", math.nan)),
    "test loss": (".4g", lambda run: run.test_loss),
    "G": (".3g", lambda run: run.G),
    RATIO: (".2f", lambda run: run.log10_ratio),
    "seconds": (".1f", lambda run: run.seconds),
}
EXACT = """*Exact*: the gradient of loss + weight · G through the whole backward pass, which is backpropagation through
backpropagation."""
IMMEDIATE = """*Immediate*: the approximation of Pascanu, Mikolov and Bengio (2013), the gradient of G with the states and the
incoming adjoints held constant."""


def report(comparison: Comparison, folder: Path) -> str:
    """The whole report, Markdown; `folder` is where it is saved."""
    c, task = comparison.configuration, comparison.task
    n_watched = len(task.validation.targets)
    parts = [
        f"# Backpropagation and penalized backpropagation: {c.task}",
        f"**{headline(comparison)}** {criterion(comparison)}{_one_option_away(c)}",
        summary(comparison),
        f"""{ADJOINTS} (The lecture notes write its negative.) Its length is measured on the first {min(N_GAUGED, n_watched)}
validation examples: the mean over the examples of the norm of each one's own.{_ends(task)}""",
        "\n".join(f"- {sentence}" for sentence in sentences(comparison)),
        "## Pictures",
        _pictures(comparison),
        f"""## How it was trained

Task: {task.description}.

Net: {CELLS[c.cell].formula}, i = 1..{task.length}, {c.states} states, outputs from {_read_out(c, task)}. Start: {_start(c)}.

Training: {_training(c)}{" For one seed all methods start from the same parameters and see the same batches." * (len(c.methods) > 1)}

{_methods(c)}""",
        f"""## Every run

{run_table(comparison)}

Test score: the fraction of {task.answered}. The best record is the one with the highest validation
score (of equal ones the lowest validation loss), on {n_watched:,} examples that are neither trained on nor tested. The test set is
used once, when the training is over. G: {PENALTIES[c.penalty].text}; it is measured for every method, trained with it or not.
Seconds: processor time of the training alone.{_paired(comparison)}""",
        *([] if comparison.interrupted else [again(folder)]),
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _paired(comparison: Comparison) -> str:
    """What a paired standard error is, where a sentence speaks of one."""
    if not any("paired standard error" in sentence for sentence in sentences(comparison)):
        return ""
    return " A paired standard error is that of the difference of two scores, example by example."


def _one_option_away(c: Configuration) -> str:
    """A start and a cheap method that may do as well, where this run can have them and has not."""
    options = []
    if c.initialization != "orthogonal" and not CELLS[c.cell].own_start:
        start = "a start from which adjoints hardly vanish" if c.cell == "rnn" else "orthogonal recurrent weights"
        options.append(f"{start} (`--initialization orthogonal`)")
    if not CELLS[c.cell].mixed and all(c.method(method).name != "soft-orthogonality" for method in c.methods):
        options.append("a penalty on W itself (`--methods backprop soft-orthogonality`)")
    return f" One option away: {', and '.join(options)}." if options else ""


def _pictures(comparison: Comparison) -> str:
    """The figures, each with what to see in it."""
    c, names = comparison.configuration, list(map_rows(comparison))
    lines = "a line for each method" if c.seeds == 1 else "a line for every seed"
    first, second = ("Left", "Right") if c.seeds == 1 else ("Above", "Below")
    rows = (
        ", above the median of the seeds that learned, below of those that did not" if names == list(KINDS) else
        ", the median of its seeds" if names and names[0] in KINDS else " and one seed" if len(names) > 1 else ""
    )  # fmt: skip
    return f"""![learning curves](learning-curves.png)

*Learning curves*, {lines}. {first}: the score on the validation examples. A method that learns leaves the dotted line of chance
and ends above the dashed one. (Whether it learned is decided on the test examples.) {second}: the loss on the batches that were
trained on, the mean since the last record.

![adjoint norms](adjoint-norms.png)

*How far the adjoints reach back.* Each map shows one method{rows}: the length of λ_t against that of λ_T, for all time steps t
from left to right, while the training goes on from bottom to top; its first steps are spread out. White: as long as λ_T. Blue:
shorter; where the left is dark blue, the first time steps hardly count in the gradient. Reddish: longer. Gray: no number. The curves
below show the same at the end of training, {lines}, and dotted in gray at its start.

![the graph of the net](graph.svg)

*The net as a graph*, with {DRAWN["states"]} states and {DRAWN["steps"]} time steps in place of {c.states} and {comparison.task.length}: each
box is a node, with its operation and its value."""


def summary(comparison: Comparison, name_width: int = 1000) -> str:
    """The table of methods, Markdown that reads as text: how many seeds learned, and the scores; no median of two modes.

    name_width: a longer name goes on in the next line
    """
    listed = comparison.configuration.seeds <= FEW
    rows = [
        [
            "method",
            "learned",
            *(["test score"] if listed else ["score where learned", "and where not"]),
            "seconds a run",
        ]
    ]
    for runs in comparison.by_method():
        learned = [run.test_score for run in runs if comparison.n_learned([run])]
        others = [run.test_score for run in runs if not comparison.n_learned([run])]
        scores = [" ".join(f"{run.test_score:.3f}" for run in runs)] if listed else [_span(learned), _span(others)]
        name, *more = textwrap.wrap(_marked_group(runs, comparison), name_width)
        seconds = f"{np.median([run.seconds for run in runs]):.1f}"
        rows.append([name, f"{len(learned)} of {len(runs)}", *scores, seconds])
        rows += [[line, *[""] * (len(rows[0]) - 1)] for line in more]
    return _aligned(rows)


def run_table(comparison: Comparison) -> str:
    """A row per run."""
    rows = [["seed", "method", "learned", *COLUMNS]]
    for run in comparison.runs:
        learned = "yes" if comparison.n_learned([run]) else "no"
        numbers = [format(value(run), form) for form, value in COLUMNS.values()]
        rows.append([str(run.seed), _marked(run, comparison), learned, *numbers])
    return _aligned(rows)


def again(folder: Path) -> str:
    """How to get the same numbers once more."""
    train = f"--config {shlex.quote(str(folder / 'config.toml'))}"
    return f'The same numbers again, from the same folder: `minigrad train {train}`, or `make train ARGS="{train}"`'


def _training(c: Configuration) -> str:
    """Steps, optimizer, rate, batches, clip and seeds, in words."""
    seeds = f"seed {c.first_seed}" if c.seeds == 1 else f"seeds {c.first_seed} to {c.first_seed + c.seeds - 1}"
    clip = f"the gradient clipped at norm {c.clip:g}" if c.clip else "no clip"
    rate = in_words(c.rate, c.steps)
    noise = f" with noise of standard deviation {c.input_noise:g} on their inputs" if c.input_noise else ""
    weight = f" the loss multiplied by {in_words(c.of_loss, c.steps)};" if c.of_loss != 1 else ""
    return f"{c.steps} step{'s' * (c.steps > 1)} of {c.optimizer}, {c.batch_size} examples each{noise}, at the learning rate {rate};{weight} {clip}; {seeds}."


def _ends(task: Task) -> str:
    """Explain λ_1 and λ_T where sequences differ in length."""
    if task.test.mask is None:
        return ""
    return " Sequences of differing lengths\nend together at T; λ_1 is that of each one's own first step."


def _read_out(c: Configuration, task: Task) -> str:
    """Name the states that the outputs are made of."""
    if task.every_step:
        return "every x_i"
    return "that" if c.cell == "tilted" else "x_T"


def in_words(given: float | Schedule, steps: int) -> str:
    """A number, or what a schedule gives at the first step, halfway and at the last one, and the schedule."""
    if not callable(given):
        return f"{given:g}"
    first, middle, last = (f"{given(step):.3g}" for step in (0, steps // 2, steps - 1))
    return f"{given!r}, which is {first} at the first step, {middle} halfway and {last} at the last one"


def _methods(c: Configuration) -> str:
    """State the penalty of each method, its weight and the form of its gradient."""
    methods = [method for method in map(c.method, c.methods) if method.kind is not None]
    said = [f"- {m.label} adds {in_words(m.weight, c.steps)} times G. G: {m.kind.text}." for m in methods if m.kind]
    forms = {method.kind.form for method in methods if method.kind}
    explained = [text for form, text in (("exact", EXACT), ("immediate", IMMEDIATE)) if form in forms]
    return "\n".join(said) + ("\n\n" + "\n".join(explained) if explained else "")


def _start(c: Configuration) -> str:
    """How the parameters start, in words."""
    if c.cell == "rnn":
        return INITIALIZATIONS[c.initialization].replace("--std", f"{c.std:g}")
    normal = f"weights normal with standard deviation {c.std:g}"
    if CELLS[c.cell].own_start:
        return f"the cell's own; the outputs' {normal}"
    return f"recurrent weights orthogonal, the other {normal}" if c.initialization == "orthogonal" else f"all {normal}"


def _marked(run: Run, comparison: Comparison) -> str:
    """The run's name; of one that ended early with the steps it reached, and of one that diverged with that."""
    steps = comparison.configuration.steps
    if run.steps < steps:
        return f"{run.name}: {run.steps} of {steps} steps"
    return f"{run.name}: diverged" if run.diverged else run.name


def _marked_group(runs: list[Run], comparison: Comparison) -> str:
    """The method's name, with how many of its runs are not as the others."""
    if len(runs) == 1:
        return _marked(runs[0], comparison)
    short = sum(run.steps < comparison.configuration.steps for run in runs)
    diverged = sum(run.diverged and run.steps == comparison.configuration.steps for run in runs)
    marks = [f"{n} of {len(runs)} {what}" for n, what in ((short, "ended early"), (diverged, "diverged")) if n]
    return ": ".join([runs[0].name, *([", ".join(marks)] if marks else [])])


def _span(values: list[float]) -> str:
    """The least and the largest of some scores."""
    return " to ".join(dict.fromkeys(f"{value:.3f}" for value in (min(values), max(values)))) if values else "-"


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in rows]
    return "\n".join([lines[0], f"|{'|'.join('-' * (width + 2) for width in widths)}|", *lines[1:]])
