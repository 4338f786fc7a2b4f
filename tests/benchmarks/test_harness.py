"""What the benchmarks do around the steps: the agreement of contestants, the summary of times, the table."""

import argparse
import json

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import page, results
from benchmarks._timing import interleaved, samples, summary
from benchmarks.by_hand import BY_HAND
from benchmarks.compare import DisagreementError, agreeing, compare
from benchmarks.growth import chain_of_nodes, series
from benchmarks.memory import peak_megabytes
from benchmarks.rows import ROWS, SMALL, problem


def small(name):
    return ROWS[name].sized(**SMALL[ROWS[name].family])


@pytest.fixture(autouse=True)
def without_peers(monkeypatch):
    """Importing them changes global state; whether they are installed is not to matter here."""
    monkeypatch.setattr("benchmarks.compare.find_spec", lambda module: None)


def test_contestants_that_agree_are_compared():
    entry = compare(small("rnn-50"), rounds=3, only=["eager"])
    assert list(entry["ratios"]) == ["by hand", "minigrad eager"]
    assert entry["ratios"]["by hand"]["median"] == 1
    assert json.loads(json.dumps(entry)) == entry


@pytest.mark.parametrize("wrong", ["gradient", "update", "loss"])
def test_one_that_computes_something_else_is_refused(wrong):
    class Wrong(BY_HAND["rnn"]):
        def sweep(self):
            loss = super().sweep()
            self.store.gradients["R"][:] *= 1.01 if wrong == "gradient" else 1
            return loss + (0.1 if wrong == "loss" else 0)

        def __call__(self):
            self.store.flat -= 0.001 if wrong == "update" else 0
            return super().__call__()

    with pytest.raises(DisagreementError, match=f"{wrong}"):
        agreeing(Wrong, problem(small("rnn-50")))


def test_one_that_fails_is_shown_as_failed(monkeypatch):
    class Failing:
        def __init__(self, given):
            raise OverflowError("too much\nto say")

    monkeypatch.setattr("benchmarks.compare.factories", lambda given: {"by hand": BY_HAND["rnn"], "other": Failing})
    entry = compare(small("rnn-50"), rounds=3)
    assert entry["failed"] == {"other": "OverflowError: too much"}
    assert list(entry["ratios"]) == ["by hand"]


def test_dropout_is_checked_at_rate_0():
    given = problem(small("mlp-dropout"))
    assert agreeing(BY_HAND["mlp"], given).keep == pytest.approx(0.8)


def test_samples_take_turns_and_prepare_off_the_clock():
    calls = []

    class Contestant:
        def prepare(self):
            calls.append("prepare")

        def __call__(self):
            calls.append("step")

    taken = samples({"a": Contestant(), "b": lambda: calls.append("b")}, rounds=2)
    assert calls == ["prepare", "step", "b"] * 3
    assert [len(seconds) for seconds in taken.values()] == [2, 2]
    assert interleaved({"a": lambda: None}, rounds=1)["a"] >= 0


def test_summary():
    assert summary([4.0, 1.0, 2.0, 3.0, 5.0]) == {
        "median": 3.0, "first_quartile": 2.0, "third_quartile": 4.0, "least": 1.0,
    }  # fmt: skip
    assert summary([2.0])["median"] == 2.0


def test_growth_notes_who_fails():
    def contestants(size):
        return {"a": lambda: lambda: None, "b": lambda: lambda: 1 / (size - 2)}

    found = series("nodes", [1, 2], contestants, lambda size: 1)
    assert found["milliseconds"]["b"][1] is None
    assert found["failed"] == {"b": "from nodes 2 on: ZeroDivisionError: division by zero"}
    assert "ZeroDivisionError" in results.growth({"series": {"name": found}, "tracing_seconds": {}})
    assert chain_of_nodes([10])["milliseconds"]["minigrad eager"][0] > 0


def test_memory_counts_what_a_step_holds():
    size = 10**5
    given = problem(ROWS["elementwise"].sized(size=size), np.float32)
    held = peak_megabytes(BY_HAND["elementwise"], given)
    array = 4 * size / 1e6
    assert 11 * array < held["peak"] < 11.3 * array  # x, its adjoint and nine buffers
    assert held["objects"] < 0.3 * array


def kept(entry):
    return {**results.conditions(), "threads": 1, "measured": entry}


@pytest.mark.slow
def test_results_are_kept_and_shown(tmp_path):
    entry = compare(small("mlp-sgd"), rounds=3, only=["eager"])
    failing = {**compare(small("rnn-50"), rounds=1, only=["nobody"]), "failed": {"MyGrad": "no such thing"}}
    growing = {"series": {"nodes": chain_of_nodes([10, 20])}, "tracing_seconds": {"rnn-50": 0.125}}
    peak = {"peak": 2.0, "objects": 0.5}
    found = {
        "mlp-sgd, 1 thread": kept(entry), "rnn-50, 1 thread": kept(failing), "growth": kept(growing),
        "memory": kept({"mlp-sgd": {"by hand": {**peak, "peak": 1.0}, "minigrad eager": peak}}),
    }  # fmt: skip
    results.write(found, tmp_path)
    assert results.read(tmp_path) == found
    page.write(found, tmp_path)
    text = (tmp_path / "README.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| MLP"))
    assert f"{entry['ratios']['minigrad eager']['median']:.2f} (" in row
    assert "MyGrad failed: no such thing" in text
    assert "| mlp-sgd | 1.00 (0.50) | 2.00: 2.00 (0.50) |" in text
    assert "rnn-50 0.12" in text or "rnn-50 0.13" in text
    assert "Not measured: rnn-50, rnn-3" not in text
    assert "Not measured: mlp-adam" in text
    assert (tmp_path / "steps.svg").stat().st_size > 1000
    assert (tmp_path / "growth.svg").stat().st_size > 1000
    assert "minigrad eager" in results.text("mlp-sgd, 1 thread", found["mlp-sgd, 1 thread"])


def test_every_column_has_a_mark_of_its_own():
    assert set(page.STYLES) == set(results.COLUMNS.values())
    assert len(set(page.STYLES.values())) == len(page.STYLES)


def test_a_page_without_results(tmp_path):
    page.write(results.read(tmp_path), tmp_path)
    assert "Nothing was measured yet." in (tmp_path / "README.md").read_text()


def test_a_part_that_fails_is_no_crash(capsys):
    assert command.run(command.Part("rnn-50", "benchmarks.compare", ["no such row"], 1)) is None
    assert "rnn-50 failed" in capsys.readouterr().err


def test_rounds_end_when_time_is_up():
    assert len(samples({"a": lambda: None}, rounds=50, longest=0)["a"]) == 5


def test_names_choose_parts():
    def keys(*names, threads=(1, 2)):
        options = argparse.Namespace(names=list(names), threads=threads, rounds=3, only=[])
        return [part.key for part in command.parts(argparse.ArgumentParser(), options)]

    assert len(keys()) == 2 * len(ROWS) + 3
    assert keys("rnn", "memory", threads=[1]) == ["rnn-50, 1 thread", "rnn-3, 1 thread", "memory"]
    with pytest.raises(SystemExit):
        keys("nothing")
    assert command.environment(1)["OMP_NUM_THREADS"] == "1"
