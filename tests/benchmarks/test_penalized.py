"""The study of penalized backpropagation: its page says what the recorded runs give, and the recording can be taken up again."""

import dataclasses
import shlex

import pytest

from benchmarks import penalized, penalized_page
from benchmarks.experiments import BACKPROP, EXPERIMENTS, RELATIVE, Experiment, FirstStep, Row
from minigrad import __main__ as command_line
from minigrad.optim.experiments.configuration import Configuration
from minigrad.optim.experiments.tasks import open_task

ROWS = penalized.read(Row, penalized.HERE)
TINY = {"task": "delayed-digits", "length": 9, "states": 3, "steps": 2, "batch_size": 5}


def row(method, seed, score, **cells):
    cells = {"G": 1.0, "log10_ratio": -2.0, "seconds": 4.0, "steps": 2, "ended": "", "digest": "", **cells}
    return Row("tiny", method, seed, score, score, **cells)


def page(*rows, first=()):
    return penalized_page.text({"tiny": Experiment("tiny digits", TINY, (BACKPROP, RELATIVE))}, rows, first)


def test_the_page_is_what_the_records_give():
    first = penalized.read(FirstStep, penalized.HERE)
    made = penalized_page.text(EXPERIMENTS, ROWS, first)
    assert made == (penalized.HERE / penalized_page.PAGE).read_text("utf-8"), (
        "write it anew: python -m benchmarks penalized"
    )


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_command_that_is_shown_trains_the_same_runs(name, monkeypatch):
    given = []
    monkeypatch.setattr(
        command_line, "_train", lambda config, out, quiet, workers, **options: given.append(options) or 0
    )
    experiment = EXPERIMENTS[name]
    command_line.main(shlex.split(experiment.command)[1:])
    assert Configuration.of(**given[0]) == experiment.configuration(experiment.methods, experiment.seeds)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_can_be_configured(name):
    experiment = EXPERIMENTS[name]
    configuration = experiment.configuration(experiment.methods, experiment.seeds)
    assert list(range(configuration.first_seed, configuration.first_seed + configuration.seeds)) == list(
        experiment.seeds
    )
    assert not set(experiment.seeds) & set(range(12)), "on seeds 0 to 11 the settings were chosen"
    if experiment.repeats:
        assert experiment.digest != EXPERIMENTS[experiment.repeats].digest
    assert experiment.options["task"] in penalized_page.CHANCE


def test_a_record_belongs_to_a_run_of_an_experiment():
    runs = {(name, *run): of.digest for name, of in EXPERIMENTS.items() for run in of.runs()}
    for of in ROWS:
        assert runs[of.experiment, of.method, of.seed] == of.digest, (
            "its options, or defaults, are not those of the record"
        )
    assert len({(of.experiment, of.method, of.seed) for of in ROWS}) == len(ROWS)


def test_chance_and_what_counts_as_learned_are_what_the_tasks_say():
    for task in penalized_page.CHANCE:
        opened = open_task(Experiment("", {"task": task}, (BACKPROP,)).configuration([BACKPROP], [100]))
        assert opened.chance == pytest.approx(float(penalized_page.CHANCE[task].split()[-1]), abs=0.006)
        assert opened.learned == pytest.approx(penalized_page.LEARNED.get(task, penalized_page.REACHED))


def test_a_recording_is_taken_up_where_it_ended(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(EXPERIMENTS, "tiny", Experiment("tiny digits", TINY, (BACKPROP, RELATIVE), range(100, 102)))
    assert penalized.main(["--record", "tiny", "--folder", str(tmp_path)]) == 0
    recorded = penalized.read(Row, tmp_path)
    assert [(of.method, of.seed) for of in recorded] == [
        (BACKPROP, 100),
        (BACKPROP, 101),
        (RELATIVE, 100),
        (RELATIVE, 101),
    ]
    assert all(of.steps == 2 and of.seconds > 0 and of.digest == EXPERIMENTS["tiny"].digest for of in recorded)
    penalized.write([of for of in recorded if of.seed == 100], tmp_path)
    capsys.readouterr()
    assert penalized.main(["--record", "tiny", "--folder", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("seed 101") == 2
    again = penalized.read(Row, tmp_path)
    assert [dataclasses.replace(of, seconds=0) for of in again] == [
        dataclasses.replace(of, seconds=0) for of in recorded
    ]
    assert "### tiny digits" in (tmp_path / penalized_page.PAGE).read_text("utf-8")


def test_ctrl_c_keeps_what_is_over_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setitem(EXPERIMENTS, "tiny", Experiment("tiny digits", TINY, (BACKPROP, RELATIVE), range(100, 101)))

    def interrupted(configuration, task, **options):
        comparison = compare(configuration, task, **options)
        comparison.interrupted = configuration.methods == (RELATIVE,)
        return comparison

    compare = penalized.compare
    monkeypatch.setattr(penalized, "compare", interrupted)
    with pytest.raises(KeyboardInterrupt):
        penalized.record(["tiny"], tmp_path)
    assert [of.method for of in penalized.read(Row, tmp_path)] == [BACKPROP]


def test_the_first_step_is_measured_and_kept(tmp_path):
    found = penalized.first_steps(lengths=[3], repeats=1)
    penalized.write(found, tmp_path)
    assert penalized.read(FirstStep, tmp_path) == found
    assert [(of.method, of.length) for of in found] == [(BACKPROP, 3), (RELATIVE, 3)]
    assert f"| 3 | backpropagation | {found[0].first:.2f} |" in page(first=found)


@pytest.mark.parametrize(
    ("scores", "title"),
    [
        ([(0.1, 0.9)] * 7 + [(0.9, 0.1)], "What helped"),
        ([(0.9, 0.1)] * 7 + [(0.9, 0.905)], "What hurt"),
        ([(0.1, 0.9)] * 6 + [(0.9, 0.9)] * 2, "What helped"),
        ([(0.1, 0.9)] * 4, "What helped"),
        ([(0.1, 0.9)] * 3, "What made no clear difference"),
        ([(0.1, 0.9)] * 5 + [(0.9, 0.9)] * 3, "What made no clear difference"),
        ([(0.1, 0.9)] * 6 + [(0.9, 0.1)] * 2, "What made no clear difference"),
        ([(0.1, 0.9)] * 3 + [(0.9, 0.1)], "What made no clear difference"),
    ],
)
def test_verdicts_count_seeds(scores, title):
    rows = [row(BACKPROP, seed, plain) for seed, (plain, _) in enumerate(scores)]
    rows += [row(RELATIVE, seed, penalized, seconds=10.0) for seed, (_, penalized) in enumerate(scores)]
    (under,) = [part for part in page(*rows).split("\n## ") if "- tiny digits" in part]
    assert under.startswith(title)
    better = sum(penalized > plain + 0.01 for plain, penalized in scores)
    assert f"better on {better} of {len(scores)} seeds" in under
    assert "2.5 times the processor time" in under


def test_every_seed_and_every_run_that_ended_early_is_shown():
    made = page(
        row(BACKPROP, 100, 0.123), row(BACKPROP, 101, 0.9), row(BACKPROP, 102, 0.2, ended="diverged after 2 steps")
    )
    assert "| backpropagation | 1 of 3 | 0.20 | 0.12 0.90 0.20 |" in made
    assert "- backpropagation, seed 102: diverged after 2 steps." in made
    assert "| tiny digits | 1 of 3 (0.20) |" in made


def test_a_page_without_records(tmp_path):
    assert penalized.read(Row, tmp_path) == []
    assert "Not measured." in page()
    assert "Planned and not recorded: tiny (tiny digits)." in page()
    assert "not recorded:" not in page(row(BACKPROP, 100, 0.5))


def test_settings_in_which_a_method_is_clearly_better_or_worse_are_counted():
    scores = {
        ("digits-50", BACKPROP): [0.1] * 4,
        ("digits-50", RELATIVE): [0.9] * 4,
        ("order-50", BACKPROP): [0.9] * 4,
        ("order-50", RELATIVE): [0.3] * 4,
        ("adding-50", BACKPROP): [0.9] * 4,
        ("adding-50", RELATIVE): [0.9, 0.9, 1.0, 0.2],
        ("order-50-adam", RELATIVE): [0.9] * 4,
    }
    rows = [
        dataclasses.replace(row(method, seed, score), experiment=name)
        for (name, method), of_seeds in scores.items()
        for seed, score in enumerate(of_seeds)
    ]
    better, every, worse = penalized_page.compared(penalized_page.outcomes(EXPERIMENTS, rows), RELATIVE)
    assert (better, set(every), worse) == (["digits-50"], {"digits-50", "order-50", "adding-50"}, ["order-50"])
