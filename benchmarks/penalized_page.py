"""The page of the study: every number and every sentence about an outcome is computed from the recorded runs."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.experiments import BACKPROP, RELATIVE, SOFT, Experiment, FirstStep, Row
from minigrad.files import write_file
from minigrad.optim.experiments.configuration import Configuration

PAGE = "penalized.md"
REACHED = 0.7  # a test score to reach in every task
TIE = 0.01  # scores that differ by no more are equal
CHANCE = {"delayed-digits": "0.10", "temporal-order": "0.25", "adding": "0.16"}
LEARNED = {"temporal-order": 0.99, "adding": 0.99}  # where the main job asks for more before it says learned
Experiments = Mapping[str, Experiment]


@dataclass(frozen=True)
class Outcome:
    """The recorded runs of one method in one experiment, by seed."""

    name: str
    experiment: Experiment
    method: str
    rows: Sequence[Row]

    @property
    def label(self) -> str:
        """The method as the reports call it."""
        return self._called(self.method)

    @property
    def kind(self) -> str:
        """The method without its weight."""
        return self._called(self.method.partition("=")[0])

    @property
    def weight(self) -> str:
        """As the method states it."""
        return self.method.partition("=")[2]

    @property
    def scores(self) -> list[float]:
        """Test scores with the last parameters."""
        return [row.test_score for row in self.rows]

    @property
    def seconds(self) -> float:
        """The median of the processor time of a run."""
        return statistics.median(row.seconds for row in self.rows)

    @property
    def reached(self) -> str:
        """How many seeds reached a score that is far above chance in every task."""
        return self._at(REACHED)

    @property
    def learned(self) -> str:
        """How many seeds learned the task as the main job has it; empty where that is the same."""
        least = LEARNED.get(self.experiment.options["task"])
        return self._at(least) if least else ""

    @property
    def in_brief(self) -> str:
        """For the table of all settings."""
        return f"{self.reached} ({self.median}{f', {self.learned} learned' if self.learned else ''})"

    def _called(self, method: str) -> str:
        return self.experiment.configuration([method], self.experiment.seeds).method(method).label

    def _at(self, least: float) -> str:
        return f"{sum(score >= least for score in self.scores)} of {len(self.scores)}"

    @property
    def median(self) -> str:
        """Of the scores."""
        return f"{statistics.median(self.scores):.2f}"

    def against(self, other: Outcome) -> tuple[int, int, int]:
        """On how many seeds this one is better, how many are equal, on how many it is worse."""
        theirs = {row.seed: row.test_score for row in other.rows}
        gains = [row.test_score - theirs[row.seed] for row in self.rows if row.seed in theirs]
        better, worse = sum(gain > TIE for gain in gains), sum(gain < -TIE for gain in gains)
        return better, len(gains) - better - worse, worse


def write(experiments: Experiments, rows: Sequence[Row], first: Sequence[FirstStep], folder: Path) -> None:
    """penalized.md there."""
    write_file(folder / PAGE, text(experiments, rows, first))


def text(experiments: Experiments, rows: Sequence[Row], first: Sequence[FirstStep]) -> str:
    """The page."""
    found = outcomes(experiments, rows)
    parts = [
        "# Penalized backpropagation: where it helps, where not, and what it costs",
        opening(found),
        HOW.format(
            recorded=len(rows),
            planned=sum(len(list(experiment.runs())) for experiment in experiments.values()),
            versions=versions(rows),
        ),
        "## All settings",
        ALL_SETTINGS.format(reached=REACHED),
        overview(found),
        missing(experiments, found),
        *verdicts(found),
        "## What it costs",
        costs(found),
        "## The first step",
        first_step(first),
        "## Every run",
        *(part for name, experiment in experiments.items() for part in section(name, experiment, found)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


HOW = """\
A penalty G(λ_1, …, λ_T) on the adjoints λ_t = ∂loss/∂x_t is added to the loss, with a weight. *Omega* sums up how far the
squared ratios of neighboring adjoint norms are from 1; *relative variance* is the variance over time of the adjoint norms divided
by their squared mean. *Exact* means that the gradient of the penalty runs through the whole backward pass, *immediate* that states and
incoming adjoints are held constant, which is cheaper. Within a setting all methods start from the same parameters and see the same batches.

    python -m benchmarks penalized             # this page from the recorded runs (penalized.csv)
    python -m benchmarks penalized --record    # train what is not recorded, hours; then this page

{recorded} of {planned} runs are recorded, with {versions}. Settings were chosen on other seeds, 0 to 11, in more tries for
penalized than for plain backpropagation. Scores are the fraction of the test examples that is answered rightly; the test set is used when
the training is over. Seconds are processor time of whole runs, building and testing included, one thread, on a machine that did other
work too: compare them roughly. Every sentence below about an outcome is computed from the tables. MNIST is left out: its images are not shipped
with minigrad."""


ALL_SETTINGS = """\
How many seeds reached a test score of {reached:g}; in brackets the median score, and for temporal order and adding how many learned it as
`minigrad train` has it, with fewer than 1 % of the answers wrong."""


def outcomes(experiments: Experiments, rows: Sequence[Row]) -> list[Outcome]:
    """What is recorded, in the order of the experiments and their methods."""
    found = []
    for name, experiment in experiments.items():
        for method in experiment.methods:
            mine = [row for row in rows if (row.experiment, row.method) == (name, method)]
            if mine:
                found.append(Outcome(name, experiment, method, sorted(mine, key=lambda row: row.seed)))
    return found


def opening(found: Sequence[Outcome]) -> str:
    """The first paragraph: the default task, then what else was tried on it."""
    of = {(outcome.name, outcome.method): outcome for outcome in found}
    plain, penalized = of.get(("digits-50", BACKPROP)), of.get(("digits-50", RELATIVE))
    if plain is None or penalized is None:
        return ""
    ratios = [_median(outcome, "log10_ratio", ".0f") for outcome in (plain, penalized)]
    told = OPENING.format(
        plain=plain, penalized=penalized, times=_times(penalized, plain), least=REACHED, ratios=ratios
    )
    for who, key, method in OTHERWISE:
        if (other := of.get((key, method))) is not None:
            told += f" {who} learns it on {other.reached} (median {other.median})"
            there = of.get((key, BACKPROP))
            told += (
                "."
                if there is None or there is other
                else f" in {_times(other, there)} times the time of backpropagation there."
            )
    better, total, worse = (len(part) for part in compared(found, RELATIVE))
    return told + (
        f" Over all settings below in which both were trained, relative variance was clearly better than backpropagation in {better} of "
        f"{total}, and clearly worse in {worse}."
    )


def compared(found: Sequence[Outcome], method: str) -> tuple[list[str], list[str], list[str]]:
    """The experiments in which a method was clearly better than backpropagation, all, and those in which it was clearly worse."""
    plain = {outcome.name: outcome for outcome in found if outcome.method == BACKPROP}
    counts = {o.name: o.against(plain[o.name]) for o in found if o.method == method and o.name in plain}
    better = [name for name, count in counts.items() if _clearly(*count)]
    return better, list(counts), [name for name, count in counts.items() if _clearly(*reversed(count))]


OPENING = """\
A recurrent net is shown a handwritten digit row by row, then 42 steps of noise, and is asked which digit it was. Whoever guesses is right \
on 0.10 of the digits; a net that is right on {least:g} or more has learned it. From small random weights plain backpropagation learns it \
on {plain.reached} seeds (median score {plain.median}), penalized backpropagation (relative variance, which pulls the adjoints of all time steps toward one size) on \
{penalized.reached} (median {penalized.median}) in {times} times the processor time. In the end the adjoint at the first time step is 10^{ratios[0]} times \
as large as at the last one without the penalty, and 10^{ratios[1]} times with it (medians)."""
OTHERWISE = (
    ("Soft orthogonality, a penalty on the weights alone, from the same small random weights", "digits-50", SOFT),
    ("Plain backpropagation from an orthogonal start", "digits-50-orthogonal", BACKPROP),
    ("Penalized backpropagation from an orthogonal start", "digits-50-orthogonal", RELATIVE),
)


def overview(found: Sequence[Outcome]) -> str:
    """Settings against methods."""
    kinds = list(dict.fromkeys(outcome.kind for outcome in found))
    lines = _table(["setting", *kinds])
    for about, group in _grouped(found, lambda outcome: outcome.experiment.about):
        cells = dict.fromkeys(kinds, "")
        for kind, alike in _grouped(group, lambda outcome: outcome.kind):
            told = [outcome.in_brief for outcome in alike]
            if len(alike) > 1:
                told = [f"weight {outcome.weight}: {text}" for outcome, text in zip(alike, told, strict=True)]
            cells[kind] = "; ".join(told)
        lines.append(_line([about, *cells.values()]))
    return "\n".join(lines)


def missing(experiments: Experiments, found: Sequence[Outcome]) -> str:
    """What nobody recorded so far."""
    there = {outcome.name for outcome in found}
    absent = [f"{name} ({experiment.about})" for name, experiment in experiments.items() if name not in there]
    return f"Planned and not recorded: {'; '.join(absent)}." if absent else ""


def verdicts(found: Sequence[Outcome]) -> Iterator[str]:
    """Every method against backpropagation in the same setting: what helped, what did not."""
    plain = {outcome.name: outcome for outcome in found if outcome.method == BACKPROP}
    lists: dict[str, list[str]] = {title: [] for title, _, _ in VERDICTS}
    for outcome in found:
        if outcome.method == BACKPROP or outcome.name not in plain:
            continue
        better, equal, worse = outcome.against(plain[outcome.name])
        title = next(title for title, _, holds in VERDICTS if holds(better, equal, worse))
        lists[title].append(_sentence(outcome, plain[outcome.name], (better, equal, worse)))
    for title, when, _ in VERDICTS:
        yield f"## {title}"
        yield f"{when}:" if lists[title] else f"{when}: none."
        if lists[title]:
            yield "\n".join(lists[title])


def _clearly(count: int, equal: int, against: int) -> bool:
    """On three seeds in four, and the opposite on no more than one in eight; of fewer than four seeds nothing is clear."""
    total = count + equal + against
    return total >= 4 and 4 * count >= 3 * total and 8 * against <= total


VERDICTS: tuple[tuple[str, str, Callable[[int, int, int], bool]], ...] = (
    (
        "What helped",
        f"Better than backpropagation by more than {TIE:g} on three seeds in four, worse on one in eight at most",
        _clearly,
    ),
    (
        "What hurt",
        f"Worse than backpropagation by more than {TIE:g} on three seeds in four, better on one in eight at most",
        lambda better, equal, worse: _clearly(worse, equal, better),
    ),
    (
        "What made no clear difference",
        "All others, and those of fewer than four seeds",
        lambda better, equal, worse: True,
    ),
)


def _sentence(outcome: Outcome, plain: Outcome, counts: tuple[int, int, int]) -> str:
    better, equal, worse = counts
    return (
        f"- {outcome.experiment.about}: {outcome.label} better on {better} of {sum(counts)} seeds, equal on {equal}, worse on {worse}; "
        f"reached {REACHED:g} on {outcome.reached} against {plain.reached}, median {outcome.median} against {plain.median}, "
        f"{_times(outcome, plain)} times the processor time."
    )


def costs(found: Sequence[Outcome]) -> str:
    """Processor time as a multiple of backpropagation's over all settings, and backpropagation with as much time."""
    plain = {outcome.name: outcome for outcome in found if outcome.method == BACKPROP}
    lines = _table(["method", "comparisons", "least", "greatest"])
    for kind, group in _grouped(found, lambda outcome: outcome.kind):
        others = [outcome for outcome in group if outcome.method != BACKPROP and outcome.name in plain]
        times = sorted(outcome.seconds / plain[outcome.name].seconds for outcome in others)
        if times:
            lines.append(_line([kind, str(len(times)), f"{times[0]:.1f}", f"{times[-1]:.1f}"]))
    longer = [_with_more_steps(outcome, found) for outcome in plain.values() if outcome.experiment.repeats in plain]
    return "\n\n".join(part for part in (COSTS, "\n".join(lines), "\n".join(longer)) if part)


COSTS = "Processor time of a run as a multiple of backpropagation's, in the same setting and as many steps:"


def _with_more_steps(longer: Outcome, found: Sequence[Outcome]) -> str:
    """Backpropagation with more steps, against the penalized runs of the experiment it repeats."""
    repeated = [outcome for outcome in found if outcome.name == longer.experiment.repeats]
    told = [f"{of.label} on {of.reached} (median {of.median}) in {of.seconds:.1f} s" for of in repeated]
    return (
        f"- {longer.experiment.about}: {longer.label} reached {REACHED:g} on {longer.reached} (median {longer.median}) in {longer.seconds:.1f} s; "
        f"in {repeated[0].rows[0].steps} steps {', '.join(told)}."
    )


def first_step(measured: Sequence[FirstStep]) -> str:
    """What the first call of a training step costs."""
    if not measured:
        return "Not measured."
    lines = _table(["T", "method", "first step", "a following step"])
    lines += [
        _line([str(of.length), Configuration.of().method(of.method).label, f"{of.first:.2f}", f"{of.following:.3f}"])
        for of in measured
    ]
    return "\n".join([FIRST_STEP, "", *lines])


FIRST_STEP = """\
The first step traces the graph and writes its program; the following ones run it. Seconds of processor time, the least of three tries: 100
units, batch 32, one feature at every time step, as an image of 28 x 28 read pixel by pixel has (T = 784). Measured by
`python -m benchmarks penalized --first-steps`."""


def section(name: str, experiment: Experiment, found: Sequence[Outcome]) -> Iterator[str]:
    """One experiment: its command, every seed's score, and what went wrong."""
    mine = [outcome for outcome in found if outcome.name == name]
    if not mine:
        return
    task, steps = experiment.options["task"], max(row.steps for row in mine[0].rows)
    yield f"### {experiment.about}"
    yield f"    {experiment.command}"
    n_planned, n_recorded = len(list(experiment.runs())), sum(len(outcome.rows) for outcome in mine)
    partly = f"; {n_recorded} of {n_planned} runs are recorded" if n_recorded < n_planned else ""
    yield f"Seeds {min(experiment.seeds)} to {max(experiment.seeds)}{partly}; {steps} steps; chance {CHANCE[task]}."
    columns: dict[str, Callable[[Outcome], str]] = {
        "method": lambda outcome: outcome.label,
        f"at {REACHED:g} or more": lambda outcome: outcome.reached,
        **({f"at {LEARNED[task]:g} or more": lambda outcome: outcome.learned} if task in LEARNED else {}),
        "median": lambda outcome: outcome.median,
        "test score of every seed": lambda outcome: " ".join(
            f"{score:.{3 if task in LEARNED else 2}f}" for score in outcome.scores
        ),
        "median of the best on validation": lambda outcome: _median(outcome, "best_test_score", ".2f"),
        "median log10 ‖λ_1‖/‖λ_T‖ at the end": lambda outcome: _median(outcome, "log10_ratio", ".1f"),
        "seconds": lambda outcome: _median(outcome, "seconds", ".1f"),
    }
    yield "\n".join(
        [*_table(list(columns)), *(_line([show(outcome) for show in columns.values()]) for outcome in mine)]
    )
    yield "\n".join(f"- {o.label}, seed {row.seed}: {row.ended}." for o in mine for row in o.rows if row.ended)


def versions(rows: Sequence[Row]) -> str:
    """All versions the runs were recorded with."""
    told = {
        "minigrad": [row.minigrad for row in rows],
        "NumPy": [row.numpy for row in rows],
        "Python": [row.python for row in rows],
    }
    return ", ".join(f"{name} {' and '.join(sorted(set(found)))}" for name, found in told.items())


def _median(outcome: Outcome, name: str, form: str) -> str:
    """Of one of the numbers that are kept of every run."""
    return format(statistics.median(getattr(row, name) for row in outcome.rows), form)


def _times(outcome: Outcome, plain: Outcome) -> str:
    """How many times the processor time of the other."""
    return f"{outcome.seconds / plain.seconds:.1f}"


def _grouped(found: Iterable[Outcome], key: Callable[[Outcome], str]) -> list[tuple[str, list[Outcome]]]:
    groups: dict[str, list[Outcome]] = {}
    for outcome in found:
        groups.setdefault(key(outcome), []).append(outcome)
    return list(groups.items())


def _table(head: Sequence[str]) -> list[str]:
    return [_line(head), "|---|" + "---:|" * (len(head) - 1)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
