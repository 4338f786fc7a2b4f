"""Searches: which trials are made, which is the best, and that nothing depends on where and when trials run."""

import csv
import logging
import math
import os
import subprocess
import sys
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from minigrad.optim import (
    Choices,
    History,
    LogUniform,
    Uniform,
    grid_search,
    random_search,
    successive_halving,
)
from tests.optim.selection import trainings
from tests.optim.selection.trainings import processes

ROOT = Path(__file__).parents[3]
LETTERS = {"a": [1, 2, 3], "b": [10, 20]}


class LastFirst(Executor):
    """Runs what it was given when somebody waits, the last one first."""

    def __init__(self):
        self.order = []

    def submit(self, function, *arguments):
        future = Future()
        self.order.append(arguments[1].number)
        future.set_result(function(*arguments))
        return future


def bowl(a, b):
    return (a - 2) ** 2 + b


@pytest.mark.row("TRN-09")
def test_a_grid_of_two_by_three_makes_six_runs_and_returns_the_best():
    calls = []

    def train(learning_rate, units):
        calls.append((learning_rate, units))
        return abs(learning_rate - 0.1) + abs(units - 32) / 100

    trials = grid_search(train, {"learning_rate": [0.01, 0.1], "units": [16, 32, 64]}, quiet=True)
    assert calls == [(rate, units) for rate in (0.01, 0.1) for units in (16, 32, 64)]
    assert len(trials) == 6
    assert trials.best.settings == {"learning_rate": 0.1, "units": 32}
    assert trials.best.score == 0.0
    assert trials.best is trials[4]
    assert [trial.settings["units"] for trial in trials.ranked()[:3]] == [32, 32, 16]


@pytest.mark.row("TRN-10")
def test_random_search_draws_independently_and_again_the_same():
    space = {"rate": LogUniform(1e-4, 1e-1), "dropout": Uniform(0, 0.5), "units": Choices([8, 16, 32])}
    settings = [trial.settings for trial in random_search(lambda **s: s["rate"], space, 1000, rng=3, quiet=True)]
    rates, dropouts, units = (np.array([s[name] for s in settings]) for name in space)
    # Uniform between the bounds, or their logarithms: the distribution function within 1.63/√n (Kolmogorov and Smirnov, 1 %).
    for drawn, low, high in ((np.log10(rates), -4, -1), (dropouts, 0, 0.5)):
        assert low <= drawn.min() <= drawn.max() < high
        assert np.abs((np.sort(drawn) - low) / (high - low) - np.arange(1000) / 1000).max() < 0.0515
    assert all(abs(np.count_nonzero(units == n) - 333) < 60 for n in (8, 16, 32))
    correlations = np.corrcoef([np.log(rates), dropouts, units])
    assert np.abs(correlations[np.triu_indices(3, 1)]).max() < 0.1
    again = random_search(lambda **s: s["rate"], dict(reversed(space.items())), 10, rng=3, quiet=True)
    assert [trial.settings for trial in again] == settings[:10]  # whatever the order, whatever their number
    other = random_search(lambda **s: s["rate"], space, 10, rng=4, quiet=True)
    assert other[0].settings != again[0].settings


@pytest.mark.row("TRN-11")
def test_a_refined_grid_lies_between_the_neighbors_of_the_best():
    grid = {
        "rate": [0.001, 0.01, 0.1, 1.0],
        "momentum": [0.0, 0.3, 0.6, 0.9],
        "cell": ["lstm", "gru"],
        "units": [4, 8, 12],
    }
    trials = grid_search(
        lambda rate, momentum, cell, units: (
            abs(rate - 0.03) + (momentum - 0.5) ** 2 + (cell == "lstm") + abs(units - 9) / 100
        ),
        grid,
        quiet=True,
    )
    assert trials.best.settings == {"rate": 0.01, "momentum": 0.6, "cell": "gru", "units": 8}
    refined = trials.around_best(4)
    assert all(0.001 < rate < 0.1 for rate in refined["rate"])
    assert all(0.3 < momentum < 0.9 for momentum in refined["momentum"])
    np.testing.assert_allclose(refined["rate"], sorted([0.01, *np.geomspace(0.001, 0.1, 6)[1:-1]]), rtol=1e-9)
    np.testing.assert_allclose(refined["momentum"], sorted([0.6, *np.linspace(0.3, 0.9, 6)[1:-1]]), rtol=1e-9)
    assert refined["cell"] == ["gru"]
    assert refined["units"] == [6, 7, 8, 9, 10]
    assert all(type(units) is int for units in refined["units"])
    at_the_end = grid_search(lambda rate: rate, {"rate": [1, 2, 3]}, quiet=True)
    assert at_the_end.around_best()["rate"] == [1]  # no integer between 1 and 2
    assert grid_search(lambda rate: -rate, {"rate": [1.0, 2.0, 3.0]}, quiet=True).around_best(1)["rate"] == [2.5, 3.0]


def test_around_the_best_draw_is_half_the_range():
    space = {"p": Uniform(0, 1), "rate": LogUniform(1e-4, 1), "units": Uniform(1, 100, integer=True), "n": [1, 2, 4, 8]}
    trials = random_search(lambda p, rate, units, n: abs(p - 0.95) + abs(np.log(rate)) / 10 + n, space, 50, quiet=True)
    refined, best = trials.around_best(), trials.best.settings
    assert (refined["p"].low, refined["p"].high) == (pytest.approx(best["p"] - 0.25), min(1, best["p"] + 0.25))
    assert refined["rate"].low == pytest.approx(best["rate"] / 10)
    assert refined["rate"].high == pytest.approx(min(best["rate"] * 10, 1))
    assert refined["units"].integer
    assert isinstance(refined["units"].low, int)
    assert refined["n"].values == [1, 2]


def test_halving_gives_the_best_a_larger_budget():
    seeds = {}

    def train(rate, epochs, seed):
        assert seeds.setdefault(rate, seed) == seed  # a longer training is the same one
        return abs(rate - 0.5) + 1 / epochs

    trials = successive_halving(train, {"rate": Uniform(0, 1)}, 8, factor=2, smallest=3, quiet=True)
    assert [trial.settings["epochs"] for trial in trials] == [3] * 8 + [6] * 4 + [12] * 2 + [24]
    assert [trial.round for trial in trials] == [0] * 8 + [1] * 4 + [2] * 2 + [3]
    first = sorted(abs(trial.settings["rate"] - 0.5) for trial in trials[:8])
    assert sorted(abs(trial.settings["rate"] - 0.5) for trial in trials[8:12]) == first[:4]
    assert abs(trials.best.settings["rate"] - 0.5) == first[0]
    assert trials.best is trials[14]
    assert trials.around_best()["rate"].low >= 0


def test_the_best_of_halving_is_that_of_the_last_round():
    trials = successive_halving(lambda rate, epochs: rate + epochs, {"rate": Uniform(0, 1)}, 9, quiet=True)
    assert trials.best is trials[12]
    assert [trial.round for trial in trials.ranked()] == [2] + [1] * 3 + [0] * 9


def test_halving_leaves_out_what_failed_and_keeps_an_earlier_best():
    def train(rate, epochs):
        if rate < 0.5 or epochs > 1:
            raise ValueError
        return math.nan if rate > 0.9 else rate

    trials = successive_halving(train, {"rate": Uniform(0, 1)}, 9, quiet=True, rng=1)
    assert all(0.5 <= trial.settings["rate"] <= 0.9 for trial in trials[9:])
    assert len(trials.failed) > 0
    assert trials.best.round == 0
    assert trials.best.score == min(trial.score for trial in trials if trial.score == trial.score)


# Seeds and arguments


def test_each_trial_has_a_seed_of_its_own_wherever_it_runs():
    straight = grid_search(trainings.seeded, LETTERS, rng=5, quiet=True)
    assert len({trial.seed for trial in straight}) == 6
    assert all(trial.score == sum(trial.settings.values()) + trial.seed / 2**32 for trial in straight)
    with ThreadPoolExecutor(3) as threads:
        assert list(grid_search(trainings.seeded, LETTERS, rng=5, executor=threads, quiet=True)) == list(straight)
    assert list(grid_search(trainings.seeded, LETTERS, rng=5, executor=LastFirst(), quiet=True)) == list(straight)
    other = grid_search(trainings.seeded, LETTERS, rng=6, quiet=True)
    assert not {trial.seed for trial in other} & {trial.seed for trial in straight}
    generators = [np.random.default_rng(5) for _ in range(2)]
    one, two = (grid_search(trainings.seeded, LETTERS, rng=rng, quiet=True) for rng in generators)
    assert list(one) == list(two)


def test_train_may_take_the_settings_as_a_dict_and_a_generator():
    def train(settings, rng):
        return settings["a"] + rng.random()

    trials = grid_search(train, LETTERS, quiet=True)
    assert [t.score for t in trials] == [t.settings["a"] + np.random.default_rng(t.seed).random() for t in trials]
    assert grid_search(lambda **settings: settings["b"], LETTERS, quiet=True).best.score == 10
    assert grid_search(lambda a: a, {"a": [3, 2]}, quiet=True).best.score == 2  # a setting, no dict
    assert grid_search(lambda config, epochs=3: config["a"] * epochs, LETTERS, quiet=True).best.score == 3
    assert grid_search(lambda seed: seed, {"seed": [3, 2]}, quiet=True).best.score == 2  # given, not drawn


def test_a_history_counts_by_its_best_row():
    def train(a):
        history = History()
        for epoch, (loss, right) in enumerate(
            [(math.nan, math.nan), (a - 1, 0.2), (math.nan, math.nan), (a + 5, 0.5 / a)], 1
        ):
            history.append(epoch=epoch, val_loss=loss, val_accuracy=right)
        return history

    trials = grid_search(train, {"a": [4, 1]}, quiet=True)
    assert trials.best.numbers == {"val_loss": 0, "epoch": 2, "val_accuracy": 0.2}
    highest = grid_search(train, {"a": [4, 1]}, highest="val_accuracy", quiet=True)
    assert (highest.best.score, highest.best.numbers["epoch"]) == (0.5, 4)
    numbers = grid_search(lambda a: {"cost": a, "right": -a}, {"a": [4, 1]}, highest="right", quiet=True)
    assert numbers.best.numbers == {"right": -1, "cost": 1}
    assert grid_search(lambda a: a, {"a": [4, 1]}, highest="accuracy", quiet=True).best.numbers == {"accuracy": 4}
    assert grid_search(lambda a: np.float32(a), {"a": np.array([4, 1])}, quiet=True).best.settings == {"a": 1}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, r"train returned None \(does it end with `return`\?\): expected a number"),
        ("0.5", "expected a number measured on validation data"),
        (np.zeros(2), "expected a number measured"),
        ({"a": 1.0, "b": 2.0}, "train returned a, b: say by lowest= or highest= which decides"),
        ({}, "train returned no number: say by"),
        (History(), "a history without a row"),
    ],
)
def test_an_answer_that_cannot_be_compared_ends_the_search(answer, message):
    with pytest.raises(TypeError, match=message):
        grid_search(lambda a: answer, {"a": [1, 2]}, quiet=True)
    with ThreadPoolExecutor(1) as threads, pytest.raises(TypeError, match=message):
        grid_search(lambda a: answer, {"a": [1, 2]}, executor=threads, quiet=True)


def refused():
    """Searches that are refused, the error and its message."""
    return [
        (lambda: grid_search(bowl, [1, 2]), TypeError, r"grid_search: expected a dict of settings.*found \[1, 2\]"),
        (lambda: grid_search(bowl, {}), ValueError, "dict of settings is empty"),
        (lambda: grid_search(bowl, {"a": 1}), TypeError, r"a: expected a list of values, found 1: write \[1\]"),
        (lambda: grid_search(bowl, {"a": "tanh"}), TypeError, r"write \['tanh'\] for a single one"),
        (lambda: grid_search(bowl, {"a": []}), ValueError, "a: the list of values is empty"),
        (lambda: grid_search(bowl, {"a": Uniform(0, 1)}), TypeError, "a: expected a list of values"),
        (lambda: grid_search(3, LETTERS), TypeError, "train=3: expected a function"),
        (lambda: grid_search(bowl, LETTERS, rng="x"), TypeError, "rng='x': expected an integer"),
        (lambda: grid_search(bowl, LETTERS, rng=-1), ValueError, "at least 0"),
        (lambda: grid_search(bowl, LETTERS, lowest="a", highest="b"), ValueError, "one number decides"),
        (lambda: grid_search(bowl, LETTERS, highest=True), TypeError, "the name of the number that decides"),
        (
            lambda: grid_search(bowl, LETTERS, executor=2),
            TypeError,
            r"executor=2: expected a concurrent\.futures\.Exec",
        ),
        (lambda: grid_search(lambda a: {"x": 1}, {"a": [1]}, highest="y", quiet=True), TypeError, "'y', which decides"),
        (
            lambda: grid_search(bowl, {"a": [1]}, quiet=True),
            TypeError,
            r"train takes a, b, and the settings are a: write",
        ),
        (lambda: grid_search(bowl, {"a": [1], "c": [2]}, quiet=True), TypeError, r"write def train\(a, c\)"),
        (lambda: random_search(bowl, LETTERS, 0), ValueError, r"random_search\(n_trials\)=0: at least 1"),
        (lambda: random_search(bowl, LETTERS, 1.5), TypeError, "expected an integer"),
        (lambda: successive_halving(bowl, {"epochs": [1]}), ValueError, "take it out of the settings"),
        (lambda: successive_halving(bowl, LETTERS, factor=1), ValueError, "at least 2"),
        (lambda: Uniform(1, 1), ValueError, "the lower one first"),
        (lambda: Uniform("a", 1), TypeError, "expected two numbers"),
        (lambda: Uniform(0, math.inf), ValueError, "expected finite numbers"),
        (lambda: Uniform(0.5, 2, integer=True), ValueError, "expected two integers"),
        (lambda: LogUniform(0, 1), ValueError, "low has to be above 0"),
        (lambda: grid_search(bowl, LETTERS, quiet=True).around_best(0), ValueError, "at least 1"),
    ]


@pytest.mark.parametrize(("search", "error", "message"), refused())
def test_what_searches_refuse(search, error, message):
    with pytest.raises(error, match=message):
        search()


@pytest.mark.parametrize("distribution", [Uniform(2, 5, integer=True), LogUniform(2, 5, integer=True)])
def test_integers_are_drawn_from_both_ends(distribution):
    rng = np.random.default_rng(0)
    drawn = [distribution.draw(rng) for _ in range(300)]
    assert set(drawn) == {2, 3, 4, 5}
    assert all(type(n) is int for n in drawn)
    share = {Uniform: 1 / 4, LogUniform: math.log(2.5 / 1.5) / math.log(5.5 / 1.5)}[type(distribution)]
    assert abs(drawn.count(2) / 300 - share) < 0.1


# Trials that fail


def test_a_trial_that_fails_is_recorded_and_nan_is_never_the_best():
    trials = grid_search(trainings.fails, LETTERS, quiet=True)
    assert [trial.number for trial in trials.failed] == [2, 3]
    assert trials[2].error.startswith("ValueError: not a two (trainings.py:")
    assert math.isnan(trials[2].score)
    assert trials.best.settings == {"a": 1, "b": 10}
    assert "2 of them failed" in repr(trials)
    for highest in (None, "score"):
        trials = grid_search(lambda a: [math.nan, 1.0][a], {"a": [0, 1]}, highest=highest, quiet=True)
        assert trials.best.number == 1
        assert [trial.number for trial in trials.ranked()] == [1, 0]
    with pytest.raises(
        ValueError, match="none of 1 trials gave a score; the first error: ZeroDivisionError: division by zero"
    ):
        _ = grid_search(lambda a: 1 / a, {"a": [0]}, quiet=True).best
    assert grid_search(lambda a: sys.exit("no data"), {"a": [0]}, quiet=True)[0].error.startswith("SystemExit: no data")


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_a_process_that_is_killed_is_one_trial_that_failed(method):
    with processes(2, method) as pool:
        trials = grid_search(trainings.dies, LETTERS, executor=pool, quiet=True)
    assert [trial.error for trial in trials.failed] == ["killed: the process ended without an answer (out of memory?)"]
    assert [trial.score for trial in trials if not trial.error] == [11, 21, 22, 13, 23]
    assert math.isnan(trials[2].score)


class KilledWorker(Exception):  # noqa: N818 (as Dask calls it)
    pass


class Killing(Executor):
    """As a cluster does whose worker died: with the trial that killed it another one fails, unless it runs alone."""

    def __init__(self):
        self.calls = []

    def submit(self, function, train, trial, *rest):
        future = Future()
        beside = trial.number == 3 and len(self.calls) < 6
        self.calls.append((trial.number, *rest[1:]))
        if trial.number == 2 or beside:
            future.set_exception(KilledWorker("4 workers died"))
        else:
            future.set_result(function(train, trial, *rest))
        return future


def test_a_trial_that_was_beside_one_that_killed_its_worker_is_run_again_alone():
    cluster = Killing()
    trials = grid_search(bowl, LETTERS, executor=cluster, quiet=True)
    assert [(trial.number, trial.error[:6]) for trial in trials.failed] == [(2, "killed")]
    assert cluster.calls == [*((number, 0) for number in range(6)), (2, 1), (3, 1)]


def test_other_errors_of_an_executor_are_those_of_a_trial():
    class Losing(LastFirst):
        def submit(self, function, train, trial, *rest):
            if trial.number != 1:
                return super().submit(function, train, trial, *rest)
            future = Future()
            future.set_exception(OSError("no route to host"))
            return future

    trials = grid_search(bowl, LETTERS, executor=Losing(), quiet=True)
    assert [(trial.number, trial.error) for trial in trials.failed] == [(1, "OSError: no route to host")]


def test_a_pool_that_is_broken_already_is_replaced(tmp_path):
    with processes(1) as pool:
        with pytest.raises(BrokenExecutor):
            pool.submit(trainings.dies, 2, 10).result()
        assert [
            trial.score for trial in grid_search(trainings.fails, {"a": [1], "b": [1, 2]}, executor=pool, quiet=True)
        ] == [2, 3]


def test_another_executor_that_breaks_says_so():
    with (
        ThreadPoolExecutor(1, initializer=trainings.fails, initargs=(2, 0)) as threads,
        silent(),
        pytest.raises(RuntimeError, match=r"the executor broke \(ThreadPoolExecutor\): give the search another one"),
    ):
        grid_search(bowl, LETTERS, executor=threads, quiet=True)


@contextmanager
def silent():
    """Without what `concurrent.futures` logs of an initializer."""
    logger = logging.getLogger("concurrent.futures")
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = False


def test_what_cannot_be_sent_to_a_process_is_said_at_once():
    with processes(1) as pool, pytest.raises(TypeError, match="train has to be a function of a module"):
        grid_search(lambda a: a, {"a": [1, 2]}, executor=pool, quiet=True)


# Executors


@pytest.fixture(scope="module")
def straight():
    return grid_search(trainings.train, trainings.GRID, rng=1, quiet=True)


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_twelve_configurations_on_two_processes(straight, method):
    with processes(2, method) as pool:
        trials = grid_search(trainings.train, trainings.GRID, rng=1, executor=pool, quiet=True)
    assert len(trials) == 12
    assert list(trials) == list(straight)
    assert not trials.failed
    assert trials.best.score == min(trial.score for trial in straight)


@pytest.mark.slow
def test_twelve_configurations_on_a_dask_cluster(straight, tmp_path):
    pytest.importorskip("distributed", reason="no Dask: pip install '.[dask]'")
    program = tmp_path / "on_dask.py"
    program.write_text(ON_DASK)
    run = subprocess.run(
        [sys.executable, "-W", "error", str(program), str(tmp_path / "found.csv")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    with (tmp_path / "found.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    for row, expected in zip(rows, straight.rows(), strict=True):
        del row["seconds"], expected["seconds"]
        assert row == {name: str(cell) for name, cell in expected.items()}


ON_DASK = """\
import sys
from distributed import Client, LocalCluster
from minigrad.optim import grid_search
from tests.optim.selection import trainings

if __name__ == "__main__":
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        executor = client.get_executor()
        grid_search(trainings.train, trainings.GRID, rng=1, executor=executor, quiet=True).write(sys.argv[1])
        trials = grid_search(trainings.fails, {"a": [1, 2, 3], "b": [10, 20]}, executor=executor, quiet=True)
        assert [trial.number for trial in trials.failed] == [2, 3]
"""


def test_a_distribution_in_a_grid_and_a_range_in_a_random_search_are_told_what_to_write():
    with pytest.raises(
        TypeError, match=r"rate: expected a list of values, found LogUniform\(.*\): a distribution is for random_search"
    ):
        grid_search(lambda rate: rate, {"rate": LogUniform(1e-4, 1.0)})
    with pytest.raises(
        TypeError, match=r"rate=\(0.0001, 1\) may be a range or two values: write Uniform\(0.0001, 1\) or Log"
    ):
        random_search(lambda rate: rate, {"rate": (1e-4, 1)})
