"""What a comparison says: its table, and sentences that the numbers in the table carry, no more."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from minigrad.optim.comparison import N_GAUGED, N_WATCHED, Comparison, Run
from minigrad.optim.configuration import INITIALIZATIONS, PENALTIES

RATIO = "log10 λ_1/λ_T"
COLUMNS: dict[str, tuple[str, Callable[[Run], float]]] = {  # heading: format, and what it shows of a run
    "test score": (".3f", lambda run: run.test_score),
    "test loss": (".4f", lambda run: run.test_loss),
    "G": (".3g", lambda run: run.G),
    RATIO: (".2f", lambda run: run.log10_ratio),
    "seconds": (".1f", lambda run: run.seconds),
}

# What stands next to the numbers of these tasks, so that nobody reads too much into them; all of it was measured.
KNOWN = {
    "digits": (
        "What to expect, measured with minigrad at the defaults, seeds 0 to 7: medians of the test score 0.901 for "
        "backpropagation, 0.927 exact, 0.923 immediate, each higher than backpropagation's in 6 of 8 seeds, with ranges "
        "that overlap. It depends on the start and the optimizer: with W orthogonal and SGD 0.05 (3 seeds) plain "
        "backpropagation reached 0.955 and no penalty did better; from normal starts of 0.02 and 0.05 (2,000 steps) 10 "
        "of 12 penalized runs scored lower than plain ones."
    ),
    "temporal-order": (
        "What separates the methods is the start and the optimizer as much as the penalty. With W orthogonal plain "
        "backpropagation learns T = 50 without a penalty (SGD 0.03, 2,500 steps, measured with minigrad: 0.99 to 1.00 "
        "right in 4 of 4 seeds). From normal(0, 0.1) with Adam 0.001 and 4,000 steps, seeds 0 to 7, 2 of 8 plain runs solve "
        "it and 7 of 8 with the immediate Omega 0.3; with another implementation it was 9 of 20 plain runs, and 17 of 20 "
        "each with the immediate Omega 0.3 and the exact relative variance 0.1."
    ),
}


def report(comparison: Comparison) -> str:
    """The whole report, Markdown."""
    c = comparison.configuration
    seeds = f"seed {c.first_seed}" if c.seeds == 1 else f"seeds {c.first_seed} to {c.first_seed + c.seeds - 1}"
    clip = f"clip at norm {c.clip:g}" if c.clip else "no clip"
    n_test, T = len(comparison.task.test[1]), comparison.task.length
    start = INITIALIZATIONS[c.initialization].replace("--std", f"{c.std:g}")
    parts = [
        f"""# Backpropagation and penalized backpropagation: {c.task}

Task: {comparison.task.description}.

Net: x_i = tanh(W x_(i-1) + R u_i + b_1), i = 1..{T}, {c.states} states, outputs from x_T. Start: {start}.

Training: {c.steps} steps of {c.optimizer} {c.learning_rate:g}, {c.batch_size} examples each, {clip}, {seeds}. Penalty:
{c.weight:g} times {PENALTIES[c.penalty]}. For one seed all methods start from the same parameters and see the same
batches.

## Result""",
        table(comparison),
        f"""Score: fraction of the {n_test} test examples answered rightly, after the last step. G and λ_t = -∂loss/∂x_t
(the norm of each example's own, averaged): on the first {min(N_GAUGED, n_test)} of them, for every method, trained with
G or not. Seconds: training alone. {"" if c.seeds == 1 else "Several seeds: the median, and [least, largest]."}""",
        "\n".join(f"- {sentence}" for sentence in sentences(comparison)),
        *([] if c.seeds == 1 else ["## Every seed", seed_table(comparison)]),
        f"""## Pictures

![learning curves](learning-curves.png)

![adjoint norms](adjoint-norms.png)

The net's graph for T = 3: [graph.svg](graph.svg). The curves of the test score take {min(N_WATCHED, n_test)} test
examples.

The same numbers again: `minigrad train --config config.toml`""",
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def table(comparison: Comparison) -> str:
    """A row per method: the number or, of several seeds, the median and [least, largest]. Markdown that reads as text."""
    rows = [["method", *COLUMNS]]
    for runs in _by_method(comparison):
        rows.append([runs[0].name, *[_spread([value(run) for run in runs], form) for form, value in COLUMNS.values()]])
    return _aligned(rows)


def seed_table(comparison: Comparison) -> str:
    """A row per run: single seeds differ, and medians hide it."""
    rows = [["seed", "method", *COLUMNS]]
    for run in comparison.runs:
        rows.append([str(run.seed), run.name, *[format(value(run), form) for form, value in COLUMNS.values()]])
    return _aligned(rows)


def sentences(comparison: Comparison) -> list[str]:
    """What can be said, computed from the numbers."""
    return [
        *_ended_early(comparison),
        *[_of_method(comparison, runs) for runs in _by_method(comparison)],
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
    said = [_reach(float(np.median([run.log10_ratio for run in runs])))]
    error = _standard_error(task.chance, len(task.test[1]))
    if np.median([run.test_score for run in runs]) <= task.chance + 3 * error:
        said.append(f"the test score does not differ from chance, {task.chance:.3f}")
    if task.solved is not None:
        n = sum(run.test_score > task.solved for run in runs)
        in_seeds = f"solved in {n} of {len(runs)} seeds" if len(runs) > 1 else ("solved" if n else "not solved")
        said.append(f"{in_seeds} (less than {1 - task.solved:.0%} wrong)")
    median = f" (median of {len(runs)} seeds)" if len(runs) > 1 else ""
    return f"{runs[0].name}{median}: {'; '.join(said)}."


def _reach(ratio: float) -> str:
    """How long the first state's adjoint is against the last's, in words."""
    if math.isnan(ratio):
        return "at the end the last state's adjoint is 0"
    if math.isinf(ratio):
        return "at the end nothing that floating-point numbers can hold arrives at the first state"
    times = f"{10 ** abs(ratio):.1f}" if abs(ratio) < 2 else f"10^{abs(ratio):.1f}"
    return f"at the end λ_1 is {times} times {'shorter' if ratio < 0 else 'longer'} than λ_T"


def _against_plain(comparison: Comparison) -> list[str]:
    """Each penalized method against backpropagation, seed by seed."""
    plain = {run.seed: run for run in comparison.of_method("backprop")}
    said = []
    for runs in _by_method(comparison):
        pairs = [(run.test_score, plain[run.seed].test_score) for run in runs if run.seed in plain]
        if runs[0].method != "backprop" and pairs:
            say = _one_difference if len(pairs) == 1 else _differences
            said.append(f"{runs[0].name}, against backpropagation: {say(pairs, len(comparison.task.test[1]))}.")
    if said and comparison.configuration.seeds == 1:
        said.append("This is one seed: another may order the methods differently (--seeds 8 shows medians and ranges).")
    return said


def _one_difference(pairs: list[tuple[float, float]], n: int) -> str:
    ((score, plain),) = pairs
    error = math.hypot(_standard_error(score, n), _standard_error(plain, n))
    difference = f"a test score {abs(score - plain):.3f} {'higher' if score > plain else 'lower'}"
    if abs(score - plain) < 2 * error:
        return f"{difference}, which {n} test examples do not tell from 0 (standard error {error:.3f})"
    return f"{difference}, {abs(score - plain) / error:.1f} standard errors of {n} test examples"


def _differences(pairs: list[tuple[float, float]], n: int) -> str:
    differences = [score - plain for score, plain in pairs]
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
    return said + ([KNOWN[c.task]] if c.task in KNOWN else [])


def _by_method(comparison: Comparison) -> list[list[Run]]:
    grouped = [comparison.of_method(method) for method in comparison.configuration.methods]
    return [runs for runs in grouped if runs]


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
