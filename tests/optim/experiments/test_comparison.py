"""The main job: equal terms, the same numbers again, what is left when it is stopped, and what it writes and says."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from minigrad.optim import Step
from minigrad.optim.experiments import comparison, run_folder
from minigrad.optim.experiments.comparison import (
    OPTIMIZERS,
    Comparison,
    compare,
    log10_ratio,
    make_optimizer,
)
from minigrad.optim.experiments.configuration import LEARNING_RATES, Configuration
from minigrad.optim.experiments.job import Job
from minigrad.optim.experiments.methods import PENALTIES
from minigrad.optim.experiments.nets import make_net
from minigrad.optim.experiments.report import report, run_table
from minigrad.optim.experiments.run_folder import RunFolder, check_extras, load_arrays, save_arrays
from tests.optim.experiments.small_job import SMALL, run_small, small


@pytest.mark.slow
def test_equal_terms():
    """Before the first step all methods have the same loss, score, G and adjoints; after it they go their ways."""
    runs = run_small(seeds=2).runs
    assert [(run.seed, run.method) for run in runs] == [
        (seed, method) for seed in (0, 1) for method in ("backprop", "exact", "immediate")
    ]
    for seed in (0, 1):
        first = [run.history.rows()[0] for run in runs if run.seed == seed]
        for row in first[1:]:
            assert {**row, "method": "", "train_loss": 0} == {**first[0], "method": "", "train_loss": 0}
        assert len({run.test_loss for run in runs if run.seed == seed}) == 3
    assert runs[0].test_loss != runs[3].test_loss


@pytest.mark.slow
@pytest.mark.row("REC-10")
def test_G_falls_when_it_is_weighted_and_weight_0_is_backpropagation():
    plain, exact, immediate = run_small(steps=100, learning_rate=0.1).runs
    for run in (exact, immediate):
        assert run.history["G"][0] > 2 * run.G
        assert 2 * run.G < plain.G
        assert abs(run.log10_ratio) < abs(plain.log10_ratio)
    plain, *others = run_small(steps=30, weight=0).runs
    for run in others:
        assert run.history["train_loss"][1:] == plain.history["train_loss"][1:]
        assert run.G == plain.G
        for name, array in plain.parameters.items():
            np.testing.assert_array_equal(run.parameters[name], array)


def test_methods_see_the_same_batches(monkeypatch):
    seen = []
    original = Step.__call__
    monkeypatch.setattr(Step, "__call__", lambda step, x, y: (seen.append((x, y)), original(step, x, y))[1])
    run_small()
    for one, other in zip(seen[:6], seen[6:12], strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_the_history_is_what_was_measured():
    configuration, task = small()
    run = compare(configuration, task, quiet=True).runs[1]
    assert run.history["step"] == [0, 3, 6]
    assert math.isnan(run.history["train_loss"][0])
    steps, norms = zip(*run.adjoints, strict=True)
    assert steps == (0, 1, 2, 3, 6)
    assert norms[-1].shape == (10,)
    assert run.log10_ratio == pytest.approx(math.log10(norms[-1][0] / norms[-1][-1]))
    assert run.history["log10_ratio"][-1] == run.log10_ratio
    assert run.history["G"][-1] == run.G
    net = make_net(configuration, task, np.random.default_rng(0))
    net.load_state_dict(run.parameters)
    assert task.score(net(task.test[0]).value, task.test[1]) == run.test_score
    assert task.score(net(task.validation[0]).value, task.validation[1]) == run.history["val_score"][-1]


def test_adjoints_are_recorded_densely_at_the_start(monkeypatch):
    """There they change most; a row of the history, which validates, is left to every `record_every`-th step."""
    configuration, task = small(methods=["backprop"], steps=130, record_every=60)
    (run,) = compare(configuration, task, quiet=True).runs
    assert run.history["step"] == [0, 60, 120, 130]
    assert [step for step, _ in run.adjoints] == [0, 1, 2, 5, 10, 20, 50, 60, 120, 130]
    stop_at(monkeypatch, 6, KeyboardInterrupt())
    (run,) = compare(configuration, task, quiet=True).runs
    assert run.history["step"] == [0, 5]  # where it was stopped there is a row, and the adjoints once
    assert [step for step, _ in run.adjoints] == [0, 1, 2, 5]


def test_the_best_parameters_on_validation_are_kept_beside_the_last_ones(monkeypatch):
    """The test set is used twice, when the training is over: for the last parameters and for the best ones."""
    configuration, task = small(steps=30, record_every=3, optimizer="sgd", learning_rate=30.0, methods=["backprop"])
    used = []
    original = comparison.evaluate
    monkeypatch.setattr(
        comparison,
        "evaluate",
        lambda net, loss, x, y: (used.append(x is task.test[0]), original(net, loss, x, y))[1],
    )
    (run,) = compare(configuration, task, quiet=True).runs
    assert used == [False] * 11 + [True, True]
    rows = run.history.rows()
    best = max(rows, key=lambda row: (row["val_score"], -row["val_loss"]))
    assert best is not rows[-1]
    assert run.best.row == best
    net = make_net(configuration, task, np.random.default_rng(0))
    for arrays, score in ((run.parameters, run.test_score), (run.best.arrays, run.best_test_score)):
        net.load_state_dict(arrays)
        assert task.score(net(task.test[0]).value, task.test[1]) == score
    assert not np.array_equal(run.parameters["W"], run.best.arrays["W"])
    found = Comparison(configuration, task, [run])
    assert f"{run.best_test_score:.3f}" in run_table(found)
    assert f"| {best['step']} " in run_table(found)
    assert "on 1,000 examples that are neither trained on nor tested" in report(found, Path("x"))


def test_a_run_that_ends_between_two_records_may_end_at_its_best(monkeypatch):
    stop_at(monkeypatch, 5, KeyboardInterrupt())
    configuration, task = small(
        task="adding", learning_rate=0.01, initialization="normal", methods=["backprop"], record_every=6
    )
    (run,) = compare(configuration, task, quiet=True).runs
    assert (run.history["step"], run.steps) == ([0, 4], 4)
    assert [step for step, _ in run.adjoints] == [0, 1, 2, 4]
    assert run.history["log10_ratio"][-1] == run.log10_ratio
    assert run.best.row["step"] == 4
    assert run.best.row["val_score"] > run.history["val_score"][0]
    assert run.best_test_score == run.test_score


def test_a_run_that_is_interrupted_before_its_first_record_is_measured(monkeypatch):
    calls = []
    score = type(small()[1]).score

    def interrupted_once(task, outputs, targets):
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return score(task, outputs, targets)

    configuration, task = small(methods=["backprop"])
    monkeypatch.setattr(type(task), "score", interrupted_once)
    (run,) = compare(configuration, task, quiet=True).runs
    assert run.history.interrupted
    assert (run.steps, run.history["step"], run.best.row["step"]) == (0, [0], 0)
    assert run.best_test_score == run.test_score


@pytest.mark.slow
@pytest.mark.parametrize("penalty", PENALTIES)
def test_every_penalty_trains(penalty):
    runs = run_small(penalty=penalty, weight=1e-3, steps=2).runs
    assert all(math.isfinite(run.G) and not run.stopped for run in runs)
    assert not np.array_equal(runs[0].parameters["W"], runs[1].parameters["W"])


@pytest.mark.parametrize(
    "changed", [{"task": "adding"}, {"initialization": "orthogonal"}, {"optimizer": "adam", "clip": 0}]
)
def test_other_tasks_starts_and_optimizers(changed):
    runs = run_small(**changed).runs
    assert all(math.isfinite(run.test_loss) for run in runs)


@pytest.mark.parametrize("optimizer", LEARNING_RATES)
def test_every_optimizer_with_a_schedule_of_the_configuration(optimizer):
    configuration, task = small(
        optimizer=optimizer, schedule="hold(2, linear(rate, 0, steps - 2))", methods=["backprop", "exact"]
    )
    assert set(OPTIMIZERS) == set(LEARNING_RATES)
    net = make_net(configuration, task, np.random.default_rng(0))
    found = make_optimizer(configuration, net)
    rate = LEARNING_RATES[optimizer]
    assert found.learning_rate(1) == rate
    assert found.learning_rate(4) == pytest.approx(rate / 2)
    assert configuration.rate_in_words == f"hold(2, linear({rate}, 0.0, 4))"
    made = compare(configuration, task, quiet=True)
    assert all(math.isfinite(run.test_loss) and not run.stopped for run in made.runs)
    assert f"the learning rate hold(2, linear({rate}, 0.0, 4)), which is {rate:g} at the first step" in report(
        made, Path("x")
    )
    constant = run_small(optimizer=optimizer, methods=["backprop"]).runs[0]
    assert not np.array_equal(constant.parameters["W"], made.runs[0].parameters["W"])


def test_orthogonal_means_W():
    configuration, task = small(initialization="orthogonal", states=20)
    net = make_net(configuration, task, np.random.default_rng(0))
    np.testing.assert_allclose(net.W.value @ net.W.value.T, np.eye(20), atol=1e-5)
    assert net.R.value.std() == pytest.approx(0.1, rel=0.3)


def test_the_logarithm_of_a_ratio_at_its_edges():
    assert log10_ratio(1e-300, 1e10) == pytest.approx(-310)
    assert log10_ratio(0.0, 1.0) == -math.inf
    assert math.isnan(log10_ratio(1.0, 0.0))
    assert math.isnan(log10_ratio(math.nan, 1.0))


# The job and its folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_a_run_folder_and_the_same_numbers_from_its_configuration(here, capsys):
    assert Job(Configuration.of(**SMALL, seeds=2)).run() == 0
    assert Job(Configuration.load("runs/temporal-order-1/config.toml"), quiet=True).run() == 0
    one, other = here / "runs" / "temporal-order-1", here / "runs" / "temporal-order-2"
    names = {str(path.relative_to(one)) for path in one.rglob("*") if path.is_file()}
    runs = [f"{m}-seed{s}" for m in ("backprop", "exact", "immediate") for s in (0, 1)]
    parameters = {f"parameters/{run}{kind}.safetensors" for run in runs for kind in ("", "-best")}
    pictures = {"learning-curves.png", "adjoint-norms.png", "graph.svg"}
    assert names == {"config.toml", "history.csv", "adjoints.csv", "report.md"} | pictures | parameters
    for name in ("config.toml", "history.csv", "adjoints.csv", *parameters):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    with (one / "history.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 2 * 3 * 3
    with (one / "adjoints.csv").open(newline="") as stream:
        assert next(csv.reader(stream)) == ["method", "seed", "step", *map(str, range(1, 11))]
    out = capsys.readouterr().out
    assert "Omega (immediate)" in out
    assert "`minigrad train --config runs/temporal-order-1/config.toml`" in out
    assert '`make train ARGS="--config runs/temporal-order-1/config.toml"`' in (one / "report.md").read_text("utf-8")
    assert "Saved in runs/temporal-order-1" in out
    assert out.count("Saved") == 1  # the other was quiet


def test_parameters_are_saved_as_they_are_contiguous_or_not(tmp_path):
    a = np.arange(12.0).reshape(3, 4)
    given = {
        "transposed": a.T,
        "sliced": a[:, ::2],
        "fortran": np.asfortranarray(a),
        "number": np.array(2.5),
        "single": a.astype(np.float32),
    }
    save_arrays(tmp_path / "p.safetensors", given)
    found = load_arrays(tmp_path / "p.safetensors")
    for name, array in given.items():
        np.testing.assert_array_equal(found[name], array)
        assert (found[name].shape, found[name].dtype) == (array.shape, array.dtype)


def test_a_corrupted_parameter_file_says_so(tmp_path):
    file = tmp_path / "p.safetensors"
    save_arrays(file, {"W": np.ones((4, 4))})
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(ValueError, match=r"p.safetensors is damaged or no safetensors file .*save or copy it again"):
        load_arrays(file)
    with pytest.raises(FileNotFoundError, match="no parameter file"):
        load_arrays(tmp_path / "q.safetensors")


def test_parameters_in_every_dtype_by_a_path_of_text(tmp_path):
    file = str(tmp_path / "p.safetensors")
    kinds = ["f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", ">f4", ">i8"]
    given = {kind: np.arange(3).astype(kind) for kind in kinds}
    given |= {"number": np.array(2.5), "empty": np.zeros((0, 3))}
    save_arrays(file, given)
    found = load_arrays(file)
    assert found.keys() == given.keys()
    for name, array in given.items():
        np.testing.assert_array_equal(found[name], array)
        assert (found[name].shape, found[name].dtype) == (array.shape, array.dtype.newbyteorder("="))


@pytest.mark.parametrize("dtype", ["float16", "longdouble", "complex64", "object"])
def test_parameters_of_another_dtype_are_not_saved(dtype, tmp_path):
    with pytest.raises(
        TypeError, match=r"the array 'W' for .*p is .*: convert it before it is saved, by .astype\(np.float32\)"
    ):
        save_arrays(tmp_path / "p", {"b": np.ones(2), "W": np.ones(2, dtype)})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("dtype", "size"), [("BF16", 2), ("F16", 2), ("C64", 8), ("F8_E4M3", 1)])
def test_parameters_of_another_dtype_are_not_loaded(dtype, size, tmp_path):
    header = json.dumps({"W": {"dtype": dtype, "shape": [2], "data_offsets": [0, 2 * size]}}).encode()
    (tmp_path / "p").write_bytes(len(header).to_bytes(8, "little") + header + bytes(2 * size))
    with pytest.raises(ValueError, match=rf"the array 'W' in .*p is {dtype}; minigrad computes with float32, .*astype"):
        load_arrays(tmp_path / "p")


def test_parameter_files_truncated_or_with_a_flipped_bit_raise_only_what_is_documented(tmp_path):
    """Where a flip leaves a file whole, it is another file: its names and shapes are what it says."""
    file = tmp_path / "p"
    save_arrays(file, {"W": np.ones((2, 3)), "b": np.arange(3, dtype=np.int32)})
    whole = file.read_bytes()
    said = []
    for i in range(len(whole)):
        for content in (whole[:i], whole[:i] + bytes([whole[i] ^ 1 << i % 8]) + whole[i + 1 :]):
            file.write_bytes(content)
            try:
                load_arrays(file)
            except ValueError as error:
                said.append(str(error))
    assert len(said) > len(whole)
    assert all(str(file) in text for text in said)


def test_no_folder_is_written_over(here):
    configuration, _ = small()
    assert [str(RunFolder(configuration).path) for _ in range(2)] == ["runs/temporal-order-1", "runs/temporal-order-2"]
    RunFolder(configuration, "mine/here")
    with pytest.raises(FileExistsError, match="mine/here is there already"):
        RunFolder(configuration, "mine/here")


def test_a_missing_extra_is_said_before_any_work(monkeypatch, here):
    monkeypatch.setattr(run_folder.importlib.util, "find_spec", lambda name: None if name == "tomli_w" else name)
    with pytest.raises(
        ModuleNotFoundError,
        match=r"needs tomli_w to save the configuration: pip install 'minigrad\[train\]', or pip install '.\[train\]'",
    ):
        Job(Configuration.of(**SMALL))
    assert not (here / "runs").exists()
    monkeypatch.undo()
    check_extras()


@pytest.mark.slow
def test_a_picture_that_fails_costs_no_numbers_and_is_no_success(monkeypatch, here, capsys):
    def fail(comparison, path):
        raise RuntimeError("no fonts")

    monkeypatch.setitem(run_folder.FIGURES, "learning-curves.png", fail)
    assert Job(Configuration.of(**SMALL)).run() == 3
    captured = capsys.readouterr()
    assert (
        "learning-curves.png could not be drawn (RuntimeError: no fonts); the numbers are in the CSV files"
        in captured.err
    )
    assert "| backpropagation" in captured.out
    assert (here / "runs/temporal-order-1/graph.svg").is_file()


def stop_at(monkeypatch, method_calls, error):
    """Let training step number `method_calls`, counted over all runs, raise the error."""
    calls = []
    original = Step.__call__

    def stopping(step, x, y):
        calls.append(1)
        if len(calls) == method_calls:
            raise error
        return original(step, x, y)

    monkeypatch.setattr(Step, "__call__", stopping)


def test_every_method_has_parameter_files_of_its_own(here):
    long = f"omega=piecewise({{{', '.join(f'{step}: 0.1' for step in range(60))}}})"
    methods = ["omega=0.1", "omega=linear(0.3, 0, steps / 2)", "omega=linear(0.3, 0, steps * 2)", "omega", long]
    changed = {"steps": 2, "record_every": 2, "methods": methods, "penalty": "variance"}
    assert Job(Configuration.of(**(SMALL | changed)), quiet=True).run() == 0
    last = [path.name for path in (here / "runs/temporal-order-1/parameters").glob("*-seed0.safetensors")]
    names = ["omega", "omega=0.1", "omega=linear_0.3_0_steps_2", "omega=linear_0.3_0_steps_2_2"]
    assert sorted(last)[:4] == sorted(f"{name}-seed0.safetensors" for name in names)
    assert len(last) == len(methods)


@pytest.mark.slow
def test_ctrl_c_leaves_what_was_reached(monkeypatch, here, capsys):
    stop_at(monkeypatch, 11, KeyboardInterrupt())
    assert Job(Configuration.of(**SMALL)).run() == 130
    captured = capsys.readouterr()
    folder = here / "runs/temporal-order-1"
    assert "interrupted after 4 of 6 steps" in captured.err
    assert "what was reached is in runs/temporal-order-1" in captured.err
    assert "Omega (exact), seed 0: interrupted after 4 of 6 steps." in captured.out
    text = (folder / "report.md").read_text("utf-8")
    for said in (captured.out, text):
        assert "| Omega (exact): 4 of 6 steps |" in said
        assert "against backpropagation" not in said
        assert "The same numbers again" not in said
    assert "2 of 3 runs were begun." in captured.out
    assert sorted(path.name for path in (folder / "parameters").iterdir()) == [
        "backprop-seed0-best.safetensors",
        "backprop-seed0.safetensors",
        "exact-seed0-best.safetensors",
        "exact-seed0.safetensors",
    ]
    assert (folder / "learning-curves.png").is_file()
    assert (folder / "history.csv").read_text().count("\n") == 1 + 3 + 3


def test_ctrl_c_before_the_first_run_is_no_failure_of_pictures(monkeypatch, here, capsys):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(comparison, "make_net", interrupted)
    assert Job(Configuration.of(**SMALL)).run() == 130
    captured = capsys.readouterr()
    assert captured.err == "minigrad train: interrupted; what was reached is in runs/temporal-order-1\n"
    assert captured.out.endswith("Results go to runs/temporal-order-1\n")
    assert [path.name for path in (here / "runs/temporal-order-1").iterdir()] == ["config.toml"]


@pytest.mark.slow
def test_a_run_that_diverges_is_said_and_the_others_go_on(monkeypatch, here, capsys):
    stop_at(monkeypatch, 9, FloatingPointError("the loss is nan, so the training stops"))
    assert Job(Configuration.of(**SMALL)).run() == 1
    captured = capsys.readouterr()
    assert "Omega (exact), seed 0: stopped after 2 of 6 steps: the loss is nan" in captured.err
    assert len(list((here / "runs/temporal-order-1/parameters").iterdir())) == 2 * 3
    assert "runs were begun" not in captured.out


def test_a_learning_rate_that_explodes_is_caught_by_name(here):
    run = run_small(learning_rate=1e38, clip=0, steps=50, methods=["backprop"]).runs[0]
    assert run.stopped.startswith("stopped after")
    assert "The first node to be nan or inf: " in run.stopped


def test_right_is_what_the_score_is_the_mean_of():
    for name in ("temporal-order", "adding"):
        _, task = small(task=name)
        outputs = np.random.default_rng(0).normal(size=(len(task.test[1]), task.n_outputs))
        right = task.right(outputs, task.test[1])
        assert right.mean() == pytest.approx(task.score(outputs, task.test[1]), abs=1e-12)
        assert 0 < right.mean() < 1
