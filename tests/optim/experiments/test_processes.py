"""Runs in processes of their own: the same numbers as one after another, errors and interruptions included."""

import math
import operator
import os
import time

import numpy as np
import pytest

from minigrad.__main__ import main
from minigrad.optim.experiments import processes
from minigrad.optim.experiments.comparison import compare
from minigrad.optim.experiments.configuration import Configuration
from minigrad.optim.experiments.processes import in_processes
from minigrad.optim.experiments.sizes import check_size
from minigrad.optim.experiments.tasks import open_task

SMALL = {"task": "temporal-order", "length": 10, "states": 5, "steps": 6, "batch_size": 4, "record_every": 3}


def test_results_come_in_the_order_of_the_calls():
    assert list(in_processes(operator.mul, [(2, 3), (4, 5), (6, 7)], 2)) == [6, 20, 42]
    assert list(in_processes(operator.mul, [], 2)) == []


def test_an_error_is_raised_in_its_place_and_ends_the_others():
    began = time.monotonic()
    found = in_processes(time.sleep, [(0,), ("no",), (60,)], 3)
    assert next(found) is None
    with pytest.raises(TypeError, match="str"):
        next(found)
    with pytest.raises(ValueError, match=r"domain|nonnegative"):
        list(in_processes(math.sqrt, [(-1.0,)], 1))
    assert time.monotonic() - began < 50


def test_a_process_that_ends_without_a_result_is_said():
    with pytest.raises(RuntimeError, match=r"process 1 of 1 ended without a result \(exit code 3\): .*fewer workers"):
        list(in_processes(os._exit, [(3,)], 1))


def interrupted_at(monkeypatch, call):
    """Ctrl-C in place of that call of `collect`."""
    calls = []
    collect = processes._Processes.collect

    def interrupting(self):
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        collect(self)

    monkeypatch.setattr(processes._Processes, "collect", interrupting)


def test_ctrl_c_ends_all_processes_and_gives_what_there_is(monkeypatch):
    interrupted_at(monkeypatch, 2)
    found = in_processes(time.sleep, [(0,), (60,), (60,)], 1)
    assert next(found) is None
    with pytest.raises(KeyboardInterrupt):
        next(found)


@pytest.mark.slow
def test_a_comparison_with_workers_is_the_same_bit_for_bit():
    configuration = Configuration.of(**SMALL, seeds=2, optimizer="adam", schedule="cosine(rate, steps)")
    task = open_task(configuration)
    saved = []
    one = compare(configuration, task, quiet=True)
    two = compare(configuration, task, quiet=True, workers=3, after_run=lambda found: saved.append(len(found.runs)))
    assert saved == [1, 2, 3, 4, 5, 6]
    assert not two.interrupted
    for a, b in zip(one.runs, two.runs, strict=True):
        assert (a.method, a.seed, a.test_loss, a.test_score, a.G) == (b.method, b.seed, b.test_loss, b.test_score, b.G)
        assert repr(a.history.rows()) == repr(b.history.rows())
        assert a.best.row.get("step") == b.best.row.get("step")
        for x, y in ((a.parameters, b.parameters), (a.best.arrays, b.best.arrays)):
            assert {name: array.tobytes() for name, array in x.items()} == {
                n: array.tobytes() for n, array in y.items()
            }
        for (i, norms), (j, others) in zip(a.adjoints, b.adjoints, strict=True):
            assert i == j
            np.testing.assert_array_equal(norms, others)


@pytest.mark.slow
def test_a_comparison_with_workers_that_is_interrupted_keeps_what_there_is(monkeypatch):
    configuration = Configuration.of(**SMALL | {"steps": 10**6}, methods=["backprop", "exact"])
    interrupted_at(monkeypatch, 1)
    began = time.monotonic()
    found = compare(configuration, open_task(configuration), quiet=True, workers=2)
    assert found.interrupted
    assert len(found.runs) <= 2
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("workers", [0, -1, 10**6])
def test_how_many_workers_there_can_be(workers, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--steps", "1", "--workers", str(workers)]) == 2
    assert f"workers={workers}: from 1 to 1000 processes" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_memory_of_all_workers_counts():
    c = Configuration.of(states=8000, seeds=8)
    check_size(c)
    with pytest.raises(ValueError, match="memory by estimate"):
        check_size(c, 24)
