"""Every study runs from its configuration on small data, and refuses what cannot be."""

import gzip
import json
import re
import struct
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from minigrad.__main__ import main
from minigrad.optim.studies import entities, forecasting, mnist, names, race, settings, study

FOLDER = Path(study.__file__).parent
MODULES = {"mnist": mnist, "forecasting": forecasting, "entities": entities, "names": names, "race": race}


def configured(name):
    """The settings of the configuration that comes with minigrad."""
    given = settings.read(str(FOLDER / f"{name}.toml"))
    assert given.pop("study") == name
    return settings.settings_of(MODULES[name].Settings, given, name)


def images(folder, n=60):
    """Four files like MNIST's: digits that are bright in a row of their own."""
    rng = np.random.default_rng(0)
    for part, count in (("train", n), ("t10k", 20)):
        labels = np.arange(count, dtype=np.uint8) % 10
        pictures = rng.integers(0, 60, (count, 28, 28)).astype(np.uint8)
        pictures[np.arange(count), labels * 2] = 255
        content = {
            f"{part}-images-idx3-ubyte": struct.pack(">iiii", 2051, count, 28, 28) + pictures.tobytes(),
            f"{part}-labels-idx1-ubyte": struct.pack(">ii", 2049, count) + labels.tobytes(),
        }
        for name, data in content.items():
            (folder / f"{name}.gz").write_bytes(gzip.compress(data))
    return str(folder)


def articles(folder, n=10):
    """A file like Wikigold's: people have capitals and stand before a verb."""
    lines = []
    for i in range(n):
        lines += ["-DOCSTART- O", ""]
        for who in ("Ada", "Alan", "Grace"):
            lines += [f"{who} I-PER", f"Smith{i} I-PER", "writes O", "a O", "program O", ". O", ""]
    (folder / "wikigold.conll.txt").write_text("\n".join(lines) + "\n")
    return str(folder)


def changed(folder, name, **others):
    """A configuration file with other settings."""
    text = (FOLDER / f"{name}.toml").read_text()
    for key, value in others.items():
        lines = [f"{key} = {json.dumps(value)}" if line.startswith(f"{key} =") else line for line in text.split("\n")]
        assert "\n".join(lines) != text
        text = "\n".join(lines)
    path = folder / "config.toml"
    path.write_text(text)
    return str(path)


def run(config, *options):
    return main(["train", "--config", config, "--quiet", *options])


@pytest.mark.row("WEX-16")
@pytest.mark.row("WEX-17")
def test_runs_of_descent_and_momentum():
    given = configured("mnist")
    assert (given.batch_size, given.epochs, given.units, given.dropout) == (128, 35, (512, 512), 0.2)
    assert [given.runs[name] for name in ("SGD, 0.01", "SGD, 0.05")] == [
        {"optimizer": "SGD", "learning_rate": rate} for rate in (0.01, 0.05)
    ]
    momentum = {"optimizer": "SGD", "learning_rate": 0.05, "momentum": 0.9}
    assert given.runs["SGD with momentum"] == momentum
    assert given.runs["SGD with Nesterov's momentum"] == {**momentum, "nesterov": True}
    assert sum(p.size for p in mnist.net(784, given).parameters()) == 669_706


@pytest.mark.row("WEX-18")
@pytest.mark.row("WEX-19")
@pytest.mark.row("WEX-20")
def test_runs_of_adaptive_rates():
    runs = configured("mnist").runs
    adagrad = {"optimizer": "AdaGrad", "learning_rate": 0.05, "epsilon": 1e-5, "initial_accumulator": 0.1}
    assert runs["AdaGrad"] == {**adagrad, "epsilon_inside": True}
    inside = {"epsilon": 1e-7, "epsilon_inside": True}
    assert runs["RMSProp"] == {"optimizer": "RMSProp", "learning_rate": 0.05, "rho": 0.9, **inside}
    for name, numbers in (("Adam, 0.001", (0.001, 0.9, 0.999, 1e-7)), ("Adam, 0.05", (0.05, 0.85, 0.95, 1e-5))):
        assert tuple(runs[name][key] for key in ("learning_rate", "beta_1", "beta_2", "epsilon")) == numbers


def test_mnist_from_a_folder_of_files(tmp_path):
    data = images(tmp_path)
    config = changed(tmp_path, "mnist", epochs=2, units=[8], n_validation=10, batch_size=10)
    assert run(config, "--data-folder", data, "--out", str(tmp_path / "out")) == 0
    result = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [row["run"] for row in result["rows"]] == list(configured("mnist").runs)
    for row in result["rows"]:
        assert row["ended"] == "all epochs"
        assert len(row["curves"]["val_accuracy"]) == 2
        assert row["validation accuracy"] == max(row["curves"]["val_accuracy"])
    assert {f"{name}.gz" for name in result["sha256 of contents"]} == set(mnist.FILES)
    assert "<svg" in (tmp_path / "out" / "curves.svg").read_text()
    assert tomllib.loads((tmp_path / "out" / "config.toml").read_text())["study"] == "mnist"
    assert "Adam, 0.001" in (tmp_path / "out" / "results.md").read_text()


def test_the_epoch_is_chosen_on_validation_images_which_are_no_others(tmp_path):
    given = replace(configured("mnist"), n_validation=20, epochs=3, units=(4,))
    parts = mnist.load(images(tmp_path), given)
    assert [len(part.inputs) for part in (parts.train, parts.validation, parts.test)] == [40, 20, 20]
    rows = {row.tobytes() for row in parts.train.inputs}
    assert not rows & {row.tobytes() for row in parts.validation.inputs}
    row = mnist.run_one("Adam, 0.001", str(tmp_path), given)
    assert row["epoch"] == int(np.argmax(row["curves"]["val_accuracy"])) + 1
    assert row == {**mnist.run_one("Adam, 0.001", str(tmp_path), given), "seconds": row["seconds"]}


def test_a_run_that_diverges_is_said(tmp_path):
    given = configured("mnist")
    runs = {"wild": {"optimizer": "SGD", "learning_rate": 1e30}}
    row = mnist.run_one("wild", images(tmp_path), replace(given, n_validation=10, epochs=2, units=(4,), runs=runs))
    assert "not finite" in row["ended"] or "the loss is" in row["ended"]


def test_a_study_in_which_a_run_diverges_ends_with_1(tmp_path, capsys):
    (tmp_path / "race.toml").write_text(
        'study = "race"\n[runs.wild]\noptimizer = "SGD"\nlearning_rate = 50\n[runs.calm]\noptimizer = "Adam"\n'
    )
    assert run(str(tmp_path / "race.toml"), "--out", str(tmp_path / "out")) == 1
    assert "wild: diverged, after" in capsys.readouterr().err
    result = json.loads((tmp_path / "out" / "results.json").read_text(), parse_constant=pytest.fail)
    assert result["headline"].startswith("Deepest after all steps: calm")


def test_runs_have_one_blas_thread(tmp_path, monkeypatch):
    """Two threads sum a product in another order, so that a study would end with other bits."""

    def counting(name, settings, *, quiet):
        blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
        return {"run": name, "ended": "all steps", "value at the end": 0.0, "threads": max(blas)}

    monkeypatch.setattr(race, "run_one", counting)
    with threadpool_limits(2, user_api="blas"):
        assert run(str(FOLDER / "race.toml"), "--out", str(tmp_path / "out")) == 0
    rows = json.loads((tmp_path / "out" / "results.json").read_text())["rows"]
    assert [row["threads"] for row in rows] == [1] * 6


def test_an_interrupted_study_says_where_its_runs_are(tmp_path, monkeypatch, capsys):
    made = []

    def stopped(name, settings, *, quiet):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(name)
        return race_run(name, settings, quiet=quiet)

    race_run = race.run_one
    monkeypatch.setattr(race, "run_one", stopped)
    assert run(str(FOLDER / "race.toml"), "--out", str(tmp_path / "out")) == 130
    assert f"interrupted; runs that had ended are in {tmp_path / 'out'}" in capsys.readouterr().err
    assert len(json.loads((tmp_path / "out" / "results.json").read_text())["rows"]) == 2


def test_sunspots(tmp_path):
    config = changed(tmp_path, "forecasting", epochs=1, seeds=[0], cells=["GRU"], units=2, length=24)
    assert run(config, "--out", str(tmp_path / "out")) == 0
    rows = json.loads((tmp_path / "out" / "results.json").read_text())["rows"]
    assert [row["run"] for row in rows] == ["GRU, seed 0", "naive", "seasonal naive"]


def test_baselines_repeat_the_series():
    """Month by month: the forecast of a month is the number a year before it, or 132 months before it."""
    whole = forecasting.datasets.sunspots(1, horizon=1).test
    months = np.concatenate([whole.inputs[:, 0, 0], whole.targets[-1]]).astype(np.float64)
    first = 132  # the first test month that has one 132 months before it, in the test years
    found = forecasting.baselines(configured("forecasting"))
    for name, back in (("naive", 12), ("seasonal naive", 132)):
        differences = [months[t - back] - months[t] for t in range(first, len(months))]
        assert found[name] == pytest.approx(np.sqrt(np.mean(np.square(differences))), rel=1e-6)
    assert found == pytest.approx({"naive": 36.967, "seasonal naive": 43.034}, abs=1e-3)


def test_no_month_is_in_two_parts():
    given = configured("forecasting")
    parts = forecasting.load(given)
    series = forecasting.datasets.sunspots(1, horizon=1).train
    months = np.concatenate([series.inputs[:, 0, 0], series.targets[-1]])
    last_target = len(parts.train.inputs) + given.length + given.horizon - 2
    assert parts.train.targets[-1, 0] == months[last_target]
    first_read = len(months) - (len(parts.validation.inputs) + given.length + given.horizon - 1)
    assert parts.validation.inputs[0, 0, 0] == months[first_read]
    assert last_target < first_read


def test_entities(tmp_path):
    config = changed(
        tmp_path, "entities", epochs=15, patience=15, units=16, word_features=4, learning_rate=0.01, dropout=0.0
    )
    assert run(config, "--data-folder", articles(tmp_path), "--out", str(tmp_path / "out")) == 0
    net, plain = json.loads((tmp_path / "out" / "results.json").read_text())["rows"]
    assert plain["test F1"] < 0.5  # it does not know the second names of the test articles
    assert net["test F1"] == 1


def test_articles_lie_in_one_part(tmp_path):
    parts = entities.load(articles(tmp_path))
    numbers = [
        {word for s in part for word, _ in s if word.startswith("Smith")}
        for part in (parts.train, parts.validation, parts.test)
    ]
    assert [sorted(part) for part in numbers] == [
        [f"Smith{i}" for i in (0, 1, 2, 5, 6, 7)], ["Smith3", "Smith8"], ["Smith4", "Smith9"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("word", "shape"),
    [("Ada", "Capital"), ("NATO", "UPPER"), ("the", "lower"), ("1,300.5", "number"), ("I", "Capital"), ("—", "other")],
)
def test_shapes_of_words(word, shape):
    assert entities.SHAPES[entities.shape_of(word)] == shape


def test_invented_names_end_where_the_net_says_so():
    class Always(names.Module):
        def forward(self, letters):
            logits = np.full((*letters.shape, 27), -50.0, np.float32)
            for t in range(letters.shape[1]):
                logits[:, t, [1, 2, 0][min(t, 2)]] = 50.0
            return letters.astype(np.float32)[..., np.newaxis] * 0 + logits

    found = names.invented(Always(), 3, 1.0, np.random.default_rng(0), ".abcdefghijklmnopqrstuvwxyz", 6)
    assert found == ["ab"] * 3


@pytest.mark.slow
def test_names(tmp_path):
    config = changed(tmp_path, "names", epochs=1, units=4, features=4, n_invented=3, batch_size=2000)
    assert run(config, "--out", str(tmp_path / "out")) == 0
    result = json.loads((tmp_path / "out" / "results.json").read_text())
    assert len(result["rows"][0]["invented"]) == 3
    assert result["rows"][1]["test bits per letter"] == pytest.approx(4.07, abs=0.01)


@pytest.mark.row("VIS-09")
def test_in_the_race_all_end_below_the_start(tmp_path):
    assert run(str(FOLDER / "race.toml"), "--out", str(tmp_path / "out")) == 0
    rows = json.loads((tmp_path / "out" / "results.json").read_text())["rows"]
    assert len(rows) == 6
    for row in rows:
        assert row["value at the end"] < row["curves"]["loss"][0] / 1.2
    adam = next(row for row in rows if row["run"] == "Adam")
    assert adam["steps to 0.01"] < 150


def test_workers_give_the_same_numbers(tmp_path):
    for workers in ("1", "2"):
        assert run(str(FOLDER / "race.toml"), "--workers", workers, "--out", str(tmp_path / workers)) == 0
    one, two = (json.loads((tmp_path / w / "results.json").read_text())["rows"] for w in ("1", "2"))
    assert [{**row, "seconds": 0} for row in one] == [{**row, "seconds": 0} for row in two]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"study": "mnits"}, r"study = 'mnits' \(do you mean mnist\?\)"),
        ({"epochs": "35"}, "epochs = '35': expected int"),
        ({"epochs": 0}, "epochs = 0: at least 1"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_made(change, message, tmp_path, capsys):
    config = changed(tmp_path, "mnist", **change)
    assert run(config, "--data-folder", images(tmp_path), "--out", str(tmp_path / "out")) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_other_mistakes_are_refused(tmp_path, capsys):
    config = str(FOLDER / "mnist.toml")
    for options, message in [
        ([], "name the folder with the data: --data-folder FOLDER, with train-images-idx3-ubyte.gz"),
        (["--data-folder", str(tmp_path)], "there is no train-images-idx3-ubyte.gz and no"),
        (["--data-folder", str(tmp_path), "--task", "mnist"], "--task: a study takes --data-folder"),
    ]:
        assert run(config, *options, "--out", str(tmp_path / "out")) == 2
        assert message in capsys.readouterr().err
    for text, message in [
        ('study = "mnist"\nepoch = 3\n', "unknown setting 'epoch' (do you mean epochs?)"),
        ('study = "mnist"\n', "no runs: give each a table"),
        ('study = "mnist"\n[runs.a]\noptimizer = "Adam"\nlearning_rat = 1.0\n', "runs.a: "),
        (
            'study = "mnist"\nunits = [4]\n[runs.a]\noptimizer = "Adam"\n[runs.b]\noptimizer = "SGD"\nlearning_rate = -1.0\n',
            "runs.b: learning_rate=-1.0",
        ),
        ('study = ["mnist"]\n', "expected one of mnist"),
        ('study = "mnist"\nunits = []\n', "units = []: expected a list, as [512, 512]"),
        ('study = "mnist"\nruns = [1]\n', "no runs: give each a table"),
        ('study = "mnist"\ndropout = 2.0\n', "dropout = 2.0: a fraction"),
        ('study = "names"\nseed = -1\n', "a seed is an integer of at least 0, found -1"),
        ('study = "forecasting"\nseeds = ["a"]\n', "seeds = ['a']: expected a list, as [0, 1, 2]"),
        ('study = "race"\n[runs.a]\noptimizer = "SGD"\nlearning_rate = "many"\n', "runs.a: "),
        ('study = "race"\n[runs.a]\noptimizer = "SGD"\nlr = 0.1\n', "runs.a: "),
        ('study = "forecasting"\nseeds = 3\n', "seeds = 3: expected a list, as [0, 1, 2]"),
        ('study = "mnist"\n[runs.a]\noptimizer = "Adma"\n', "optimizer = 'Adma' (do you mean Adam?)"),
    ]:
        (tmp_path / "bad.toml").write_text(text)
        assert run(str(tmp_path / "bad.toml"), "--data-folder", images(tmp_path)) == 2
        assert message in capsys.readouterr().err
