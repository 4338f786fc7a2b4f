"""What the benchmarks do around the steps: the agreement of contestants, the summary of times, the table."""

import json

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import results
from benchmarks._timing import interleaved, samples, summary
from benchmarks.by_hand import BY_HAND
from benchmarks.compare import DisagreementError, agreeing, compare
from benchmarks.growth import chain_of_nodes, series
from benchmarks.memory import peak_megabytes
from benchmarks.rows import ROWS, SMALL, problem


def small(name):
    return ROWS[name].sized(**SMALL[ROWS[name].family])


def test_contestants_that_agree_are_compared():
    entry = compare(small("rnn-50"), rounds=3, only=["eager"])
    assert list(entry["ratios"]) == ["by hand", "minigrad eager"]
    assert entry["ratios"]["by hand"]["median"] == 1
    assert json.loads(json.dumps(entry)) == entry


@pytest.mark.parametrize("wrong", ["gradient", "update", "loss"])
def test_one_that_computes_something_else_is_refused(wrong):
    class Wrong(BY_HAND["rnn"]):
        def sweep(self, scale):
            loss = super().sweep(scale)
            self.store.gradients["W"][:] *= 1.01 if wrong == "gradient" or (wrong == "update" and scale != 1) else 1
            self.store.gradients["R"][:] *= 1.1 if wrong == "update" and scale != 1 else 1
            return loss + (0.1 if wrong == "loss" else 0)

    with pytest.raises(DisagreementError, match=f"{wrong}"):
        agreeing(Wrong, problem(small("rnn-50")))


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
    assert "ZeroDivisionError" in results.growth({"name": found})
    assert chain_of_nodes([10])["milliseconds"]["minigrad eager"][0] > 0


def test_memory_counts_what_a_step_holds():
    size = 10**5
    given = problem(ROWS["elementwise"].sized(size=size), np.float32)
    held = peak_megabytes(BY_HAND["elementwise"], given)
    assert 2 * 4 * size / 1e6 < held < 6 * 4 * size / 1e6  # x, its adjoint and ten blocks of a third


def test_table_and_plot(tmp_path):
    entry = {"threads": 1, **compare(small("mlp-sgd"), rounds=3, only=["eager"])}
    found = {**results.conditions(), "rows": [entry], "memory": {"mlp-sgd": {"by hand": 1.0}}}
    results.write(found, tmp_path / "out.json", tmp_path / "out.md", tmp_path / "out.svg")
    assert json.loads((tmp_path / "out.json").read_text()) == found
    row = next(text for text in (tmp_path / "out.md").read_text().splitlines() if text.startswith("| MLP"))
    assert f"{entry['ratios']['minigrad eager']['median']:.2f}" in row
    assert "minigrad eager" in results.line(entry)
    assert (tmp_path / "out.svg").stat().st_size > 1000


def test_names_choose_rows():
    parser = command.argparse.ArgumentParser()
    assert command.chosen(parser, []) == (list(ROWS), ["growth", "memory"], True)
    assert command.chosen(parser, ["rnn", "memory"]) == (["rnn-50", "rnn-3"], ["memory"], False)
    with pytest.raises(SystemExit):
        command.chosen(parser, ["nothing"])
    assert command.environment(1)["OMP_NUM_THREADS"] == "1"
