"""What a comparison says: its table, and sentences that the numbers in the table carry, no more."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np

from minigrad.optim.comparison import N_GAUGED, Comparison, Run
from minigrad.optim.configuration import CELLS, INITIALIZATIONS, OWN_STARTS, Configuration
from minigrad.optim.figures import DRAWN
from minigrad.optim.methods import PENALTIES

RATIO = "log10 λ_1/λ_T"
COLUMNS: dict[str, tuple[str, Callable[[Run], float]]] = {  # heading: format, and what it shows of a run
    "test score": (".3f", lambda run: run.test_score),
    "test score, best": (".3f", lambda run: run.best_test_score),
    "best at step": (".0f", lambda run: run.best.row.get("step", math.nan)),
    "test loss": (".4g", lambda run: run.test_loss),
    "G": (".3g", lambda run: run.G),
    RATIO: (".2f", lambda run: run.log10_ratio),
    "seconds": (".1f", lambda run: run.seconds),
}


def report(comparison: Comparison, folder: Path) -> str:
    """The whole report, Markdown; `folder` is where it is saved."""
    c = comparison.configuration
    seeds = f"seed {c.first_seed}" if c.seeds == 1 else f"seeds {c.first_seed} to {c.first_seed + c.seeds - 1}"
    clip = f"clip at norm {c.clip:g}" if c.clip else "no clip"
    n_test, n_watched, T = len(comparison.task.test[1]), len(comparison.task.validation[1]), comparison.task.length
    ended = "where each run ended" if any(run.steps < c.steps for run in comparison.runs) else "after the last step"
    parts = [
        f"""# Backpropagation and penalized backpropagation: {c.task}

Task: {comparison.task.description}.

Net: {CELLS[c.cell]}, i = 1..{T}, {c.states} states, outputs from {"that" if c.cell == "tilted" else "x_T"}. Start: {_start(c)}.

Training: {c.steps} steps of {c.optimizer} {c.rate_in_words}, {c.batch_size} examples each, {clip}, {seeds}. {_penalized(c)}For one seed all methods start from the same parameters and see the same
batches.

## Result""",
        table(comparison),
        f"""Score: fraction of the {n_test} test examples answered rightly, {ended}. Best: by the parameters of the record with
the highest validation score (of equal ones the lowest validation loss), on {n_watched} examples that are neither trained on nor tested. The
test set is used once, when a run is over. G: {PENALTIES[c.penalty].text}. G and λ_t = ∂loss/∂x_t (the norm of each example's own, averaged; it does not see λ's
sign): on the first {min(N_GAUGED, n_watched)} validation examples, for every method, trained with G or not. Seconds: training alone. {"" if c.seeds == 1 else "Several seeds: the median, and [least, largest]."}""",
        "\n".join(f"- {sentence}" for sentence in sentences(comparison)),
        *([] if c.seeds == 1 else ["## Every seed", seed_table(comparison)]),
        f"""## Pictures

![learning curves](learning-curves.png)

![adjoint norms](adjoint-norms.png)

A small twin of the net as a graph ({DRAWN["states"]} states, T = {DRAWN["steps"]}): [graph.svg](graph.svg). The curves
of the score are those of the {n_watched} validation examples.""",
        *([] if comparison.interrupted else [again(folder)]),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _penalized(c: Configuration) -> str:
    """What each method adds to the loss, in words."""
    methods = [method for method in map(c.method, c.methods) if method.kind is not None]
    return "".join(
        f"{m.label[0].upper()}{m.label[1:]} adds {m.weight_in_words} times {m.kind.text}. " for m in methods if m.kind
    )


def _start(c: Configuration) -> str:
    """How the parameters start, in words."""
    if c.cell == "rnn":
        return INITIALIZATIONS[c.initialization].replace("--std", f"{c.std:g}")
    normal = f"weights normal with standard deviation {c.std:g}"
    if c.cell in OWN_STARTS:
        return f"the cell's own; the outputs' {normal}"
    return f"recurrent weights orthogonal, the other {normal}" if c.initialization == "orthogonal" else f"all {normal}"


def again(folder: Path) -> str:
    """How to get the same numbers once more."""
    train = f"--config {shlex.quote(str(folder / 'config.toml'))}"
    return f'The same numbers again, from the same folder: `minigrad train {train}`, or `make train ARGS="{train}"`'


def table(comparison: Comparison) -> str:
    """A row per method: the number or, of several seeds, the median and [least, largest]. Markdown that reads as text."""
    rows = [["method", *COLUMNS]]
    for runs in comparison.by_method():
        name = _marked(runs[0], comparison) if len(runs) == 1 else _marked_group(runs, comparison)
        rows.append([name, *[_spread([value(run) for run in runs], form) for form, value in COLUMNS.values()]])
    return _aligned(rows)


def seed_table(comparison: Comparison) -> str:
    """A row per run: single seeds differ, and medians hide it."""
    rows = [["seed", "method", *COLUMNS]]
    for run in comparison.runs:
        rows.append(
            [str(run.seed), _marked(run, comparison), *[format(value(run), form) for form, value in COLUMNS.values()]]
        )
    return _aligned(rows)


def _marked(run: Run, comparison: Comparison) -> str:
    """The run's name; of one that ended early with the steps it reached, and of one that diverged with that."""
    steps = comparison.configuration.steps
    if run.steps < steps:
        return f"{run.name}: {run.steps} of {steps} steps"
    return f"{run.name}: diverged" if run.stopped else run.name


def _marked_group(runs: list[Run], comparison: Comparison) -> str:
    """The method's name, with how many of its runs are not as the others."""
    short = sum(run.steps < comparison.configuration.steps for run in runs)
    diverged = sum(bool(run.stopped) for run in runs) - short
    marks = [f"{n} of {len(runs)} {what}" for n, what in ((short, "ended early"), (diverged, "diverged")) if n]
    return ": ".join([runs[0].name, *([", ".join(marks)] if marks else [])])


def sentences(comparison: Comparison) -> list[str]:
    """What can be said, computed from the numbers."""
    return [
        *_ended_early(comparison),
        *[_of_method(comparison, runs) for runs in comparison.by_method()],
        *_against_plain(comparison),
        *_context(comparison),
    ]


def _ended_early(comparison: Comparison) -> list[str]:
    c = comparison.configuration
    said = [f"{run.name}, seed {run.seed}: {run.stopped.partition(': ')[0]}." for run in comparison.runs if run.stopped]
    planned = c.seeds * len(c.methods)
    if len(comparison.runs) < planned:
        said.append(f"{len(comparison.runs)} of {planned} runs were begun.")
    return said


def _of_method(comparison: Comparison, runs: list[Run]) -> str:
    """The reach of the adjoints, whether the method left chance, and on generated tasks whether it solved the task."""
    task = comparison.task
    said = [_reach([run.log10_ratio for run in runs])]
    error = _standard_error(task.chance, len(task.test[1]))
    if np.median([run.test_score for run in runs]) <= task.chance + 3 * error:
        said.append(f"the test score is not above chance, {task.chance:.3f}")
    if task.solved is not None:
        n = sum(run.test_score > task.solved for run in runs)
        in_seeds = f"solved in {n} of {len(runs)} seeds" if len(runs) > 1 else ("solved" if n else "not solved")
        said.append(f"{in_seeds} (less than {1 - task.solved:.0%} wrong)")
    median = f" (median of {len(runs)} seeds)" if len(runs) > 1 else ""
    return f"{runs[0].name}{median}: {'; '.join(said)}."


def _reach(ratios: list[float]) -> str:
    """How long the first state's adjoint is against the last's, in words: the median, or a range that straddles 1."""
    median = float(np.median(ratios))
    if math.isnan(median):
        return "at the end the last state's adjoint is 0"
    if math.isinf(median):
        return "at the end nothing that floating-point numbers can hold arrives at the first state"
    least, largest = min(ratios), max(ratios)
    if math.isfinite(least) and least < 0 < largest:
        return (
            f"at the end λ_1 is between {_times(least)} and {_times(largest)} than λ_T, {_times(median)} in the median"
        )
    return f"at the end λ_1 is {_times(median)} than λ_T"


def _times(ratio: float) -> str:
    times = f"{10 ** abs(ratio):.1f}" if abs(ratio) < 2 else f"10^{abs(ratio):.1f}"
    return f"{times} times {'shorter' if ratio < 0 else 'longer'}"


def _against_plain(comparison: Comparison) -> list[str]:
    """Each penalized method against backpropagation, seed by seed, where both took the same number of steps."""
    plain = {run.seed: run for run in comparison.of_method("backprop")}
    said = []
    for runs in comparison.by_method():
        pairs = [(run, plain[run.seed]) for run in runs if run.seed in plain and run.steps == plain[run.seed].steps]
        if runs[0].method != "backprop" and pairs:
            found = _one_difference(*pairs[0]) if len(pairs) == 1 else _differences(pairs)
            said.append(f"{runs[0].name}, against backpropagation: {found}.")
    if said and comparison.configuration.seeds == 1:
        said.append("This is one seed: another may order the methods differently (--seeds 8 shows medians and ranges).")
    return said


def _one_difference(run: Run, plain: Run) -> str:
    """With the paired standard error: the methods answer the same examples, so what is hard for both cancels."""
    n = len(run.right)
    error = float(np.std(run.right.astype(float) - plain.right, ddof=1)) / math.sqrt(n)
    difference = run.test_score - plain.test_score
    if difference == 0:
        return f"the same test score on {n} test examples"
    words = f"a test score {abs(difference):.3f} {'higher' if difference > 0 else 'lower'}"
    if abs(difference) < 2 * error:
        return f"{words}, within the noise of {n} test examples (paired standard error {error:.3f})"
    return f"{words}, {abs(difference) / error:.1f} paired standard errors of {n} test examples"


def _differences(pairs: list[tuple[Run, Run]]) -> str:
    differences = [run.test_score - plain.test_score for run, plain in pairs]
    higher, lower = (sum(sign * difference > 0 for difference in differences) for sign in (1, -1))
    median = f"median difference {np.median(differences):+.3f}"
    return f"a higher test score in {higher} of {len(pairs)} seeds, a lower one in {lower}; {median}"


def _context(comparison: Comparison) -> list[str]:
    """What is known from elsewhere and must not be forgotten next to these numbers."""
    c = comparison.configuration
    plain = comparison.of_method("backprop")
    learned = bool(plain) and all(run.test_score > comparison.task.chance + 0.1 for run in plain)
    said = []
    if c.initialization == "orthogonal" and learned:
        said.append("W started orthogonal, and plain backpropagation learned without a penalty.")
    return said


def _standard_error(p: float, n: int) -> float:
    """Of a fraction p of n independent examples."""
    return math.sqrt(p * (1 - p) / n)


def _spread(values: list[float], form: str) -> str:
    if len(values) == 1:
        return format(values[0], form)
    return f"{np.median(values):{form}} [{min(values):{form}}, {max(values):{form}}]"


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in rows]
    return "\n".join([lines[0], f"|{'|'.join('-' * (width + 2) for width in widths)}|", *lines[1:]])
