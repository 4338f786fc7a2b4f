"""The command line: what a newcomer reads, what is refused before any work, and Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minigrad import __version__
from minigrad.__main__ import main
from minigrad.optim.configuration import Configuration

ROOT = Path(__file__).parents[1]
SMALL = ["train", "--task", "temporal-order", "--length", "10", "--states", "4", "--steps", "2", "--batch-size", "3"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_help_says_what_there_is(capsys):
    with pytest.raises(SystemExit) as end:
        main(["train", "--help"])
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for option in Configuration.__dataclass_fields__:
        assert f"--{option.replace('_', '-')}" in text
    for words in (
        "digits, mnist, temporal-order, adding (default: digits)",
        "examples:",
        "--task temporal-order --seeds 4",
    ):
        assert words in text
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "train" in capsys.readouterr().out


def test_the_defaults_that_the_help_names_are_the_defaults(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    digits, order = Configuration.of(), Configuration.of(task="temporal-order")
    for default in (f"{digits.weight:g}", f"{digits.std:g}", f"{digits.states}", f"{digits.clip:g}", f"{digits.seeds}"):
        assert f"(default: {default})" in text
    assert f"(default: {digits.batch_size}, of generated tasks {order.batch_size})" in text
    assert f"(default: {digits.steps}, of generated tasks {order.steps})" in text
    assert f"(default: {order.length}; digits has {digits.length}, mnist 28)" in text


def test_version(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"minigrad {__version__}\n"


def test_a_run_and_its_configuration_again(here, capsys):
    assert main([*SMALL, "--out", "one", "--methods", "exact", "backprop"]) == 0
    assert "| penalized (exact)" in capsys.readouterr().out
    assert main(["train", "--config", "one/config.toml", "--out", "two", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    for name in ("history.csv", "parameters/exact-seed0.safetensors"):
        assert (here / "one" / name).read_bytes() == (here / "two" / name).read_bytes()
    assert main(["train", "--config", "one/config.toml", "--out", "three", "--steps", "1", "--quiet"]) == 0
    assert "steps = 1\n" in (here / "three" / "config.toml").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            "--task digit",
            r"task='digit' is unknown \(did you mean digits\?\): one of digits, mnist, temporal-order, adding",
        ),
        ("--task adding --length -5", "length=-5: it must be at least 10"),
        ("--task temporal-order --length 9", "length=9: it must be at least 10"),
        ("--length 10", "length=10: it must be 64 for digits"),
        ("--weight -1", "weight=-1.0: it must be 0 or more"),
        ("--penalty omga", r"penalty='omga' is unknown \(did you mean omega\?\)"),
        ("--penalty variance --methods immediate", "the immediate form is omega's"),
        ("--task mnist", "task mnist needs its files: --data-folder"),
        ("--task mnist --data-folder nowhere", "there is no folder nowhere"),
        ("--task mnist --data-folder .", "train-images-idx3-ubyte"),
        ("--batch-size 5000", "batch_size=5000: digits has 1442 training examples"),
        ("--config nowhere.toml", "there is no configuration file nowhere.toml"),
        ("--config odd.toml", r"odd.toml: there is no option 'stepz' \(did you mean steps\?\)"),
        ("--out taken", "taken is there already"),
        ("--out odd.toml/run", r"the folder odd.toml/run cannot be made \(Not a directory\): give --out a new folder"),
    ],
)
def test_bad_values_are_refused_before_any_work(here, capsys, options, message):
    (here / "odd.toml").write_text("stepz = 3\n")
    (here / "taken").mkdir()
    assert main(["train", *options.split()]) == 2
    captured = capsys.readouterr()
    assert re.search(message, captured.err)
    assert captured.err.startswith("minigrad train: ")
    assert captured.err.count("\n") == 1  # no traceback
    assert captured.out == ""
    assert not (here / "runs").exists()


def test_ctrl_c_before_the_training(monkeypatch, here, capsys):
    def interrupt(configuration):
        raise KeyboardInterrupt

    monkeypatch.setattr("minigrad.optim.job.open_task", interrupt)
    assert main(SMALL) == 130
    assert "interrupted before the training began" in capsys.readouterr().err
    assert not (here / "runs").exists()


def test_a_terminal_without_greek(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "minigrad", "train", "--help"]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "Its adjoints ?_t" in run.stdout


@pytest.mark.parametrize(
    "options", [["train", "--steps", "many"], ["train", "--no-such"], ["train", "--step", "3"], ["fly"], []]
)
def test_what_the_parser_refuses(options, capsys):
    with pytest.raises(SystemExit) as end:
        main(options)
    assert end.value.code == 2
    assert "usage: minigrad" in capsys.readouterr().err


def test_ctrl_c_between_runs_says_where_the_ended_ones_are(monkeypatch, here, capsys):
    def interrupt(job):
        raise KeyboardInterrupt

    monkeypatch.setattr("minigrad.optim.job.Job.run", interrupt)
    assert main(SMALL) == 130
    assert "interrupted; runs that had ended are in runs/temporal-order-1" in capsys.readouterr().err


def test_ctrl_c_from_outside(tmp_path):
    """A real process and a real signal: it saves what was reached, says so without a traceback, and exits with 130."""
    command = [sys.executable, "-m", "minigrad", *SMALL, "--steps", "1000000", "--record-every", "1000", "--out", "run"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the job has begun
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert re.search(r"backpropagation.* interrupted after \d+ of 1000000 steps", errors)
    assert (tmp_path / "run" / "parameters" / "backprop-seed0.safetensors").is_file()
    assert "interrupted after" in (tmp_path / "run" / "report.md").read_text()
