"""Sentences about a comparison: each follows from its numbers, and is true however it ended."""

from __future__ import annotations

import math

import numpy as np

from minigrad.optim.experiments.comparison import Comparison, Run
from minigrad.optim.experiments.methods import METHODS

ADJOINTS = (
    "λ_t = ∂loss/∂x_t is the adjoint of the state at time step t, from the first state's, λ_1, to the last one's, λ_T."
)
CLEAR = 2  # paired standard errors, from which a difference of scores is more than noise
FLOOR = "nothing that floating-point numbers can hold arrives at the first state"


def headline(comparison: Comparison) -> str:
    """State in one sentence how many seeds of each method learned the task."""
    steps = comparison.configuration.steps
    said: list[str] = []
    left: list[str] = []
    for method in comparison.configuration.methods:
        runs = comparison.of_method(method)
        label = comparison.configuration.method(method).label
        if over := [run for run in runs if run.over(steps)]:
            said.append(_learned(comparison, label, over, first=not said))
        elif runs:
            left.append(f"{label} was interrupted after {runs[0].steps} of {steps} steps")
        else:
            left.append(f"{label} was not begun")
    opening = "interrupted: " * comparison.interrupted + "on one seed, " * (comparison.configuration.seeds == 1)
    sentence = f"{opening}{'; '.join(said + left)}."
    return sentence[0].upper() + sentence[1:]


def _learned(comparison: Comparison, label: str, runs: list[Run], *, first: bool) -> str:
    """A clause of the headline; only the first says what was to be learned."""
    k, n, to = comparison.n_learned(runs), len(runs), f"to {comparison.task.goal}"
    diverged = sum(run.diverged for run in runs)
    if comparison.configuration.seeds == 1:
        long, short = (f"learned {to}", "did") if k else (f"did not learn {to}", "did not")
        return f"{label} {long if first else short}{' (it diverged)' * diverged}"
    long = f" learned {to} in {k} of {n} seed{'s' * (n > 1)}"
    return f"{label}{long if first else f' in {k} of {n}'}{f' ({diverged} diverged)' if diverged else ''}"


def counted(comparison: Comparison, runs: list[Run]) -> str:
    """How many of a method's runs learned the task, as legends have it."""
    k, n = comparison.n_learned(runs), len(runs)
    if comparison.configuration.seeds == 1:
        return "learned" if k else "not learned"
    return f"{k} of {n} learned"


def criterion(comparison: Comparison) -> str:
    """State what "learned" means in this task."""
    task = comparison.task
    return f"Learned: {task.criterion} when the training ended; an answer that ignores the inputs, chance, gets {task.chance:.1%}."


def sentences(comparison: Comparison) -> list[str]:
    """State how far adjoints reach, and each method against backpropagation."""
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
    """The reach of the adjoints, and whether the test score left chance."""
    task = comparison.task
    said = reach([run.log10_ratio for run in runs])
    highest = task.chance + 3 * _standard_error(task.chance, len(task.test.targets))
    n = sum(run.test_score <= highest for run in runs)
    if n:
        said += f"; the test score is not above chance ({task.chance:.3f}) by more than three standard errors{_in_seeds(n, len(runs))}"
    return f"{runs[0].name}: at the end {said}."


def reach(ratios: list[float]) -> str:
    """Compare the length of the first state's adjoint with the last's, from log10 of the ratio for every seed."""
    finite = [ratio for ratio in ratios if math.isfinite(ratio)]
    n, n_lost = len(ratios), sum(ratio == -math.inf for ratio in ratios)
    n_none = n - len(finite) - n_lost
    return "; ".join(
        [
            *([_range(min(finite), max(finite))] if finite else []),
            *([FLOOR + _in_seeds(n_lost, n)] if n_lost else []),
            *([f"the last state's adjoint is 0 or no number{_in_seeds(n_none, n)}"] if n_none else []),
        ]
    )


def _range(least: float, largest: float) -> str:
    """λ_1 against λ_T where log10 of their ratio lies between the two."""
    shortest, longest = _factor(least), _factor(largest)
    if shortest == longest == "1.0":
        return "λ_1 is about as long as λ_T"
    if least < 0 < largest and "1.0" not in (shortest, longest):
        return f"λ_1 is between {shortest} times shorter and {longest} times longer than λ_T"
    near, far = sorted((least, largest), key=abs)
    factors = dict.fromkeys((_factor(near), _factor(far)))
    return f"λ_1 is {' to '.join(factors)} times {'shorter' if far < 0 else 'longer'} than λ_T"


def _factor(ratio: float) -> str:
    return f"{10 ** abs(ratio):.1f}" if abs(ratio) < 2 else f"10^{abs(ratio):.1f}"


def _in_seeds(k: int, n: int) -> str:
    return f" in {k} of {n} seeds" if n > 1 else ""


def _against_plain(comparison: Comparison) -> list[str]:
    """Each penalized method against backpropagation, seed by seed, where both took the same number of steps."""
    plain = {run.seed: run for run in comparison.of_method("backprop")}
    said = []
    for runs in comparison.by_method():
        pairs = [(run, plain[run.seed]) for run in runs if run.seed in plain and run.steps == plain[run.seed].steps]
        if runs[0].method != "backprop" and pairs:
            found = _one_difference(*pairs[0]) if len(pairs) == 1 else _differences(pairs)
            said.append(f"{runs[0].name}, against {METHODS['backprop']}: {found}{_cost(pairs)}.")
    if said and comparison.configuration.seeds == 1:
        said.append("This is one seed: another may order the methods differently (--seeds 8 shows how many learn).")
    return said


def _cost(pairs: list[tuple[Run, Run]]) -> str:
    """How much longer the same number of steps took; seeds alternate the methods, so the machine's load is much the same."""
    seconds, plain = (float(np.median([pair[i].seconds for pair in pairs])) for i in (0, 1))
    return f"; its steps took {seconds / plain:.1f} times as long" if plain > 0 else ""


def _one_difference(run: Run, plain: Run) -> str:
    """By how much the test scores differ, and whether that is more than noise."""
    n, (difference, error) = len(run.right), _difference(run, plain)
    if difference == 0:
        return f"the same test score on {n} test examples"
    words = f"a test score {abs(difference):.3f} {'higher' if difference > 0 else 'lower'}"
    if abs(difference) < CLEAR * error:
        return f"{words}, within the noise of {n} test examples (paired standard error {error:.3f})"
    if error == 0:
        return f"{words}, by as much on every one of {n} test examples"
    return f"{words}, {abs(difference) / error:.1f} paired standard errors of {n} test examples"


def _differences(pairs: list[tuple[Run, Run]]) -> str:
    """In how many seeds the test score is clearly higher, and in how many clearly lower."""
    found = [_difference(*pair) for pair in pairs]
    higher, lower = (sum(sign * by > CLEAR * error for by, error in found) for sign in (1, -1))
    alike = len(pairs) - higher - lower
    if alike == len(pairs):
        return f"no clear difference of the test score in any of {alike} seeds (two paired standard errors)"
    said = f"a higher test score in {higher} of {len(pairs)} seeds, a lower one in {lower}"
    return said + (f", no clear difference in {alike} (two paired standard errors)" if alike else "")


def _difference(run: Run, plain: Run) -> tuple[float, float]:
    """Subtract two test scores, and estimate the paired standard error: an example that is hard for both runs cancels."""
    error = float(np.std(run.right.astype(float) - plain.right, ddof=1)) / math.sqrt(len(run.right))
    return run.test_score - plain.test_score, error


def _context(comparison: Comparison) -> list[str]:
    """Say that the orthogonal start needs no penalty, where the numbers show it."""
    plain = comparison.of_method("backprop")
    if comparison.configuration.initialization != "orthogonal" or not plain:
        return []
    if comparison.n_learned(plain) < len(plain):
        return []
    return ["W started orthogonal, and plain backpropagation learned without a penalty."]


def _standard_error(p: float, n: int) -> float:
    """The standard error of a fraction p of n independent examples."""
    return math.sqrt(p * (1 - p) / n)
