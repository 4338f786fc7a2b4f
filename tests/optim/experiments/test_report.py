"""What the main job says: in the report, on the terminal, whatever came out."""

import math
import re
from pathlib import Path

import pytest

from minigrad.optim.experiments.configuration import Configuration
from minigrad.optim.experiments.findings import FLOOR, criterion, headline, reach, sentences
from minigrad.optim.experiments.job import NAME, WIDTH, Job
from minigrad.optim.experiments.report import report, run_table, summary
from tests.optim.experiments.small_job import SMALL, invented, small

NONE, SOME, ALL = [0.25, 0.3, 0.4], [0.995, 0.2, 0.999], [0.992, 0.993, 0.994]
TELL = "learned to tell the order of two symbols"


def stop(made, i, steps, why, *, interrupted=False):
    made.runs[i].steps, made.runs[i].stopped = steps, why
    made.runs[i].history.interrupted = interrupted
    made.interrupted = made.interrupted or interrupted
    return made


# The first sentence


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ({"backprop": NONE, "exact": ALL}, f"Backpropagation {TELL} in 0 of 3 seeds; Omega (exact) in 3 of 3."),
        ({"exact": NONE, "backprop": NONE}, f"Omega (exact) {TELL} in 0 of 3 seeds; backpropagation in 0 of 3."),
        ({"backprop": SOME}, f"Backpropagation {TELL} in 2 of 3 seeds."),
        ({"backprop": ALL, "omega=0.1": SOME},
         f"Backpropagation {TELL} in 3 of 3 seeds; Omega (exact, 0.1) in 2 of 3."),
        ({"backprop": [0.3], "exact": [1.0], "immediate": [0.5]},
         "On one seed, backpropagation did not learn to tell the order of two symbols; Omega (exact) did; Omega (immediate) did not."),
        ({"backprop": [1.0], "exact": [1.0]}, f"On one seed, backpropagation {TELL}; Omega (exact) did."),
        ({"omega=piecewise({0: 0.3})": NONE}, f"Omega (exact, piecewise({{0: 0.3}})) {TELL} in 0 of 3 seeds."),
    ],
)  # fmt: skip
def test_the_headline_counts_the_seeds_that_learned(scores, said):
    assert headline(invented(scores)) == said


def test_the_headline_tells_of_runs_that_diverged_or_were_interrupted():
    made = stop(invented({"backprop": NONE, "exact": SOME}), 1, 2, "stopped after 2 of 6 steps: the loss is nan")
    assert headline(made).endswith("; Omega (exact) in 2 of 3 (1 diverged).")
    assert headline(stop(invented({"backprop": [0.3]}), 0, 6, "diverged after 6 steps: ...")) == (
        "On one seed, backpropagation did not learn to tell the order of two symbols (it diverged)."
    )
    made = stop(invented({"backprop": [0.3]}), 0, 6, "interrupted after 6 of 6 steps", interrupted=True)
    assert headline(made) == "Interrupted: on one seed, backpropagation did not learn to tell the order of two symbols."
    assert "diverged" not in report(made, Path("x"))
    made = invented({"backprop": [0.3, 0.4], "exact": [0.5, 0.9], "immediate": [1, 1]})
    stop(made, 1, 2, "interrupted after 2 of 6 steps", interrupted=True)
    del made.runs[2:]
    assert headline(made) == (
        f"Interrupted: backpropagation {TELL} in 0 of 1 seed; Omega (exact) was interrupted after 2 of 6 steps; Omega (immediate) was not begun."
    )
    stop(made, 0, 2, "interrupted after 2 of 6 steps", interrupted=True)
    assert headline(made).startswith("Interrupted: backpropagation was interrupted after 2 of 6 steps; ")
    made.runs.clear()
    assert headline(made).startswith("Interrupted: backpropagation was not begun; ")
    assert "| method " in report(made, Path("x"))


def test_learned_is_solved_for_generated_sequences_and_a_stated_score_for_others():
    made = invented({"backprop": [0.99, 0.9901]})
    assert made.n_learned(made.runs) == 1  # less than 1 % wrong, and .99 is not less
    assert criterion(made) == (
        "Learned: less than 1% of 10,000 test sequences answered wrongly when the training ended; "
        "an answer that ignores the inputs, chance, gets 25.0%."
    )
    made = invented({"backprop": [0.69, 0.7]}, task="delayed-digits")
    assert made.n_learned(made.runs) == 1
    assert criterion(made).startswith(
        "Learned: at least 70% of 355 test examples answered rightly when the training ended;"
    )
    assert "learned to remember the digit in 1 of 2 seeds" in headline(made)


# The tables


def test_few_seeds_are_listed_and_of_more_the_two_kinds_are_kept_apart():
    made = invented({"backprop": [0.25, 0.5, 0.3], "exact": [0.995, 0.2, 0.999]})
    assert "| backpropagation | 0 of 3  | 0.250 0.500 0.300 | 1.0 " in summary(made)
    assert "| Omega (exact)   | 2 of 3  | 0.995 0.200 0.999 | 1.0 " in summary(made)
    made = invented({"backprop": [0.25, 0.5, 0.3, 0.25, 1.0], "exact": [0.995, 0.999, 1.0, 1.0, 1.0]})
    assert "| backpropagation | 1 of 5  | 1.000               | 0.250 to 0.500 |" in summary(made)
    assert "| Omega (exact)   | 5 of 5  | 0.995 to 1.000      | -              |" in summary(made)


@pytest.mark.parametrize("n", [1, 4, 8])
def test_the_table_fits_a_terminal_whatever_the_methods_are_called(n):
    long = "relative-variance=hold_then_linear(0.1, steps, 0.25, 0.05)"
    made = invented({name: [0.123] * (n // 2) + [0.999] * (n - n // 2) for name in ("backprop", "first-last", long)})
    for line in summary(made, NAME).split("\n"):
        assert len(line) <= WIDTH
    assert "hold_then_linear(0.1, 6, 0.25," in summary(made, NAME)


def test_a_single_seed_has_its_row():
    made = invented({"backprop": [0.25], "exact": [0.995]})
    assert "| backpropagation | 0 of 1  | 0.250      |" in summary(made)
    assert "| 0    | Omega (exact)   | yes     | 0.995      |" in run_table(made)


# The sentences


def test_one_seed_is_called_one_seed_and_its_error_is_named():
    said = "\n".join(sentences(invented({"backprop": [0.25], "exact": [0.256], "immediate": [0.9]})))
    assert (
        "backpropagation: at the end λ_1 is 10^7.0 times shorter than λ_T; the test score is not above chance (0.250) by more than three standard errors."
        in said
    )
    assert "Omega (exact): at the end λ_1 is 3.2 times shorter than λ_T; the test score is not above chance" in said
    assert "Omega (immediate): at the end λ_1 is 1.6 times longer than λ_T.\n" in said
    assert re.search(
        r"\(exact\), against backpropagation: a test score 0.006 higher, within the noise of 1000 test examples \(paired standard error 0.0\d\d\)",
        said,
    )
    assert re.search(
        r"\(immediate\), against backpropagation: a test score 0.650 higher, \d+.\d paired standard errors", said
    )
    assert "This is one seed: another may order the methods differently" in said


def test_several_seeds_are_compared_one_by_one():
    made = invented({"backprop": [0.25, 0.5, 0.3], "exact": [0.995, 0.2, 0.999]})
    said = "\n".join(sentences(made))
    assert "a higher test score in 2 of 3 seeds, a lower one in 1; its steps took 1.0 times as long." in said
    assert "backpropagation: at the end λ_1 is 10^7.0 times shorter than λ_T; the test score is not above chance (0.250) by more than three standard errors in 1 of 3 seeds." in said  # fmt: skip
    assert "one seed" not in said
    text = report(made, Path("runs/my runs"))
    assert "minigrad train --config 'runs/my runs/config.toml'" in text
    assert "median" not in text
    assert text.count("| backpropagation") == 4


def test_the_standard_error_is_of_the_paired_differences():
    """Of 1000 examples 6 more are right and none is lost: sd of the differences √(.006 · .994 · 1000/999), /√1000."""
    said = "\n".join(sentences(invented({"backprop": [0.25], "exact": [0.256]}, nested=True)))
    assert "a test score 0.006 higher, 2.5 paired standard errors of 1000 test examples" in said
    said = "\n".join(sentences(invented({"backprop": [0.25], "exact": [0.25]})))
    assert "the same test score on 1000 test examples" in said
    said = "\n".join(sentences(invented({"backprop": [0.0], "exact": [1.0]})))
    assert "a test score 1.000 higher, by as much on every one of 1000 test examples" in said


def test_what_a_penalty_costs_is_said():
    made = invented({"backprop": [0.25] * 3, "exact": [0.9] * 3})
    for run, seconds in zip(made.runs, (1.0, 2.0, 2.0, 5.0, 3.0, 9.0), strict=True):
        run.seconds = seconds
    assert "a higher test score in 3 of 3 seeds, a lower one in 0; its steps took 2.5 times as long." in "\n".join(
        sentences(made)
    )
    made.runs[0].seconds = made.runs[2].seconds = 0.0
    assert "times as long" not in "\n".join(sentences(made))


def test_differences_within_the_noise_are_neither_higher_nor_lower():
    made = invented({"backprop": [0.25, 0.25, 0.25], "exact": [0.252, 0.249, 0.3]}, nested=True)
    said = (
        "a higher test score in 1 of 3 seeds, a lower one in 0, no clear difference in 2 (two paired standard errors);"
    )
    assert said in "\n".join(sentences(made))
    made = invented({"backprop": [0.25, 0.25], "exact": [0.252, 0.249]}, nested=True)
    assert "no clear difference of the test score in any of 2 seeds (two paired" in "\n".join(sentences(made))


@pytest.mark.parametrize(
    ("ratios", "said"),
    [
        ([-3.0, 0.3, 0.1], "λ_1 is between 10^3.0 times shorter and 2.0 times longer than λ_T"),
        ([-3.0, -0.3, -0.1], "λ_1 is 1.3 to 10^3.0 times shorter than λ_T"),
        ([0.3, 2.5], "λ_1 is 2.0 to 10^2.5 times longer than λ_T"),
        ([0.3, 0.3], "λ_1 is 2.0 times longer than λ_T"),
        ([-0.01, 0.3], "λ_1 is 1.0 to 2.0 times longer than λ_T"),
        ([-0.3, 0.01], "λ_1 is 1.0 to 2.0 times shorter than λ_T"),
        ([0.0, -0.01, 0.01], "λ_1 is about as long as λ_T"),
        ([-math.inf], "nothing that floating-point numbers can hold arrives at the first state"),
        ([math.nan], "the last state's adjoint is 0 or no number"),
        (
            [-math.inf, -3.0, -math.inf, math.nan],
            f"λ_1 is 10^3.0 times shorter than λ_T; {FLOOR} in 2 of 4 seeds; the last state's adjoint is 0 or no number in 1 of 4 seeds",
        ),
    ],
)
def test_the_reach_of_adjoints_in_words(ratios, said):
    assert reach(ratios) == said


def test_a_start_that_needs_no_penalty_is_said():
    learned = invented({"backprop": [1.0]}, initialization="orthogonal")
    assert "W started orthogonal, and plain backpropagation learned without a penalty." in "\n".join(sentences(learned))
    for failed in (invented({"backprop": [1.0, 0.25]}, initialization="orthogonal"), invented({"backprop": [1.0]})):
        assert "learned without a penalty" not in "\n".join(sentences(failed))


def test_an_interrupted_run_is_compared_with_nothing():
    made = invented({"backprop": [0.3, 0.4], "exact": [0.5, 0.9]}, ratios=(-3.0, -1.0))
    stop(made, -1, 2, "interrupted after 2 of 6 steps", interrupted=True)
    assert "| Omega (exact)   | 0 of 1  | 0.500 " in summary(made)
    assert "| 1    | Omega (exact): 2 of 6 steps | no      | 0.900 " in report(made, Path("runs/x"))
    assert "(exact), against backpropagation: a test score 0.200 higher" in "\n".join(sentences(made))
    assert "The same numbers" not in report(made, Path("runs/x"))


def test_the_report_explains_the_gradients_that_were_followed():
    texts = {
        name: report(invented({name: [0.3]}), Path("x")) for name in ("backprop", "exact", "immediate", "log-ratio=0.2")
    }
    assert {name for name, text in texts.items() if "*Exact*: the gradient of loss + weight" in text} == {
        "exact",
        "log-ratio=0.2",
    }
    assert {name for name, text in texts.items() if "*Immediate*: the approximation" in text} == {"immediate"}
    assert "- log-ratio (exact, 0.2) adds 0.2 times G. G: squared logarithm" in texts["log-ratio=0.2"]


def test_the_report_names_what_is_one_option_away_and_not_taken():
    """Every option it names can be taken."""
    plain, both = ["backprop"], ["backprop", "soft-orthogonality"]
    for methods, changed, start, cheap in (
        (plain, {}, True, True),
        (plain, {"initialization": "orthogonal"}, False, True),
        (both, {}, True, False),
        (plain, {"cell": "lstm"}, True, True),
        (plain, {"cell": "exponential"}, False, False),
    ):
        made = invented({method: [0.3] for method in methods}, **changed)
        (first,) = [line for line in report(made, Path("x")).split("\n") if line.startswith("**")]
        assert ("`--initialization orthogonal`" in first) == start
        assert ("`--methods backprop soft-orthogonality`" in first) == cheap
        assert ("One option away" in first) == (start or cheap)
        assert ("adjoints hardly vanish" in first) == (start and "cell" not in changed)  # of gates nobody measured it
        if start:
            small(**changed, methods=methods, initialization="orthogonal")
        if cheap:
            small(**changed, methods=both)


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([0.3], "one method: the length"),
        ([0.3, 1.0], "one method and one seed: the length"),
        (
            [0.3] * 4 + [1.0],
            "one method, above the median of the seeds that learned, below of those that did not: the length",
        ),
        ([0.3] * 5, "one method, the median of its seeds: the length"),
    ],
)
def test_the_caption_says_what_the_maps_show(scores, said):
    text = report(invented({"backprop": scores}), Path("x"))
    assert f"Each map shows {said}" in text
    assert ("a line for every seed" in text) == (len(scores) > 1)
    assert ("Above: the score" in text) == (len(scores) > 1)


def test_schedules_are_said_in_words():
    """By what they give at the first step, halfway and at the last one."""
    made = invented(
        {"omega=linear(0.4, 0.0, steps)": [0.3]}, steps=100, schedule="linear(rate, 0.0, steps)", learning_rate=0.2
    )
    text = report(made, Path("x"))
    assert (
        "at the learning rate linear(0.2, 0.0, 100), which is 0.2 at the first step, 0.1 halfway and 0.002 at the last one"
        in text
    )
    assert (
        "adds linear(0.4, 0.0, 100), which is 0.4 at the first step, 0.2 halfway and 0.004 at the last one times G"
        in text
    )
    assert "at the learning rate 0.05;" in report(invented({"exact": [0.3]}), Path("x"))


def test_a_penalty_on_other_than_adjoints_has_no_form_to_explain():
    text = report(invented({"soft-orthogonality": [0.3]}), Path("x"))
    assert "- soft orthogonality adds 0.01 times G. G: the squared distance of W'W from I" in text
    assert "*Exact*" not in text


@pytest.mark.slow
def test_a_run_that_diverged_without_nan_is_flagged_and_exits_with_1(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    diverging = SMALL | {"methods": ["backprop"], "learning_rate": 1e4, "clip": 0, "steps": 30}
    assert Job(Configuration.of(**diverging)).run() == 1
    captured = capsys.readouterr()
    assert "backpropagation, seed 0: diverged after 30 steps: the loss was 1.3" in captured.err
    assert "| backpropagation: diverged |" in captured.out
    assert "On one seed, backpropagation did not learn to tell the order of two symbols (it diverged)." in captured.out
    assert not re.search(r"\d{8}", captured.out + captured.err)
    assert all(len(line) <= WIDTH for line in captured.out.split("\n") if "--config" not in line)
    made = invented({"backprop": [0.3, 0.4]})
    made.runs[1].stopped = "diverged after 6 steps: ..."
    assert "| backpropagation: 1 of 2 diverged |" in summary(made)
