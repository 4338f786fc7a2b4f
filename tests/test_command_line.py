"""The command line: what a newcomer reads, what is refused before any work, and Ctrl-C."""

import dataclasses
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
from minigrad.optim.experiments.configuration import Configuration
from minigrad.optim.experiments.task_options import OF_MNIST, TASKS

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
    text = " ".join(capsys.readouterr().out.split()).replace("- ", "-")
    for option in [f.name for f in dataclasses.fields(Configuration) if f.metadata]:
        assert f"--{option.replace('_', '-')}" in text
    for words in (
        f"{', '.join(TASKS)} (default: delayed-digits)",
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
    text = " ".join(capsys.readouterr().out.split()).replace("- ", "-")  # it breaks lines at hyphens, too
    delayed, digits = Configuration.of(), Configuration.of(task="digits")
    omega = Configuration.of(penalty="omega")
    assert f"the weight of exact (default: {omega.weight:g}, of {delayed.penalty} {delayed.weight:g})" in text
    assert f"(default: {digits.seeds}; {delayed.seeds} of delayed-digits)" in text
    for default in (
        f"{delayed.penalty}",
        f"{delayed.delay_noise:g}",
        f"{digits.std:g}",
        f"{digits.states}",
        f"{digits.clip:g}",
    ):
        assert f"(default: {default})" in text
    for option in ("length", "batch_size", "steps", "optimizer"):
        for task, options in TASKS.items():
            value = options.defaults[option]
            assert getattr(Configuration.of(task=task, download=task in OF_MNIST), option) == value
            of_task = re.compile(rf"\(default: {value}[;)]|; {value} of ([\w-]+, )*{task}[,;)]")
            assert of_task.search(text), (option, task)


def test_methods_that_are_given_one_by_one_are_all_compared(here):
    assert main([*SMALL, "--quiet", "--out", "one", "--methods", "backprop", "--methods", "omega", "log-ratio"]) == 0
    assert Configuration.load("one/config.toml").methods == ("backprop", "omega", "log-ratio")


def test_version(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"minigrad {__version__}\n"


@pytest.mark.slow
def test_a_run_and_its_configuration_again(here, capsys):
    varied = ["--length", "10..12", "--input-noise", "0.1", "--loss-weight", "linear(1, 0.5, steps)"]
    assert main([*SMALL, *varied, "--out", "one", "--methods", "exact", "backprop"]) == 0
    assert "| relative variance (exact)" in capsys.readouterr().out
    assert main(["train", "--config", "one/config.toml", "--out", "two", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    for name in ("history.csv", "parameters/exact-seed0.safetensors"):
        assert (here / "one" / name).read_bytes() == (here / "two" / name).read_bytes()
    assert main(["train", "--config", "one/config.toml", "--out", "three", "--steps", "1", "--quiet"]) == 0
    assert "steps = 1\n" in (here / "three" / "config.toml").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--states 1000000000", "states=1000000000: it must be at most 100,000"),
        ("--batch-size 10000000000", "batch_size=10000000000: it must be at most 1,000,000"),
        ("--task adding --length 1000000000", "length=1000000000: it must be at most 1,000,000"),
        (
            "--states 100000",
            r"states=100000, length=50, .*take about \d+ GiB of memory by estimate, and the limit is 16 GiB",
        ),
        (
            "--task adding --length 1000000",
            r"length=1000000, batch_size=50.*take about [\d,]+ GiB of memory by estimate",
        ),
        ("--task adding --batch-size 1000000", r"batch_size=1000000.*take about [\d,]+ GiB of memory by estimate"),
        ("--steps 1000000000 --record-every 1", r"steps=1000000000, record_every=1, .*take about [\d,]+ GiB of memory"),
        (
            "--task digit",
            r"task='digit' is unknown \(did you mean digits\?\): one of delayed-digits, digits, permuted-digits, mnist, ",
        ),
        (
            "--task adding --length 20..10",
            "length=20..10: a range is of positive lengths, the shortest first, as 10..20",
        ),
        ("--task adding --length-schedule constant(5)", "at step 0 it gives the length 5, and it must be at least 10"),
        ("--task names --length 9", "length=9: it must be 14 for names"),
        ("--task adding --length -5", "length=-5: it must be at least 10"),
        ("--task temporal-order --length 9", "length=9: it must be at least 10"),
        ("--task digits --length 10", "length=10: it must be 64 for digits"),
        ("--weight -1", "weight=-1.0: it must be 0 or more"),
        ("--penalty omga", r"penalty='omga' is unknown \(did you mean omega\?\)"),
        ("--cell gru --methods immediate", "the immediate form is the rnn's"),
        ("--task mnist", "task mnist needs its files: --data-folder"),
        ("--task mnist --data-folder nowhere", "there is no folder nowhere"),
        ("--task mnist --data-folder .", "train-images-idx3-ubyte"),
        ("--batch-size 5000", "batch_size=5000: digits has 1262 training examples, besides 180 for validation"),
        ("--config nowhere.toml", "there is no configuration file nowhere.toml"),
        ("--config odd.toml", r"odd.toml: there is no option 'stepz' \(did you mean steps\?\)"),
        ("--config .", "there is no configuration file ."),
        ("--config /dev/zero", "there is no configuration file /dev/zero"),
        (f"--config {'c' * 5000}", "there is no configuration file ccc"),
        ("--config a\0b", "there is no configuration file a"),
        ("--task mnist --data-folder a\0b", "data_folder: there is no folder a"),
        (f"--task mnist --data-folder {'d' * 5000}", "data_folder: there is no folder ddd"),
        (f"--out {'o' * 5000}", r"the folder o* cannot be made \(File name too long\): give --out a new folder"),
        ("--out a\0b", r"the folder a.b cannot be made \(embedded null byte\): give --out a new folder"),
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

    monkeypatch.setattr("minigrad.optim.experiments.job.open_task", interrupt)
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

    monkeypatch.setattr("minigrad.optim.experiments.job.Job.run", interrupt)
    assert main(SMALL) == 130
    assert "interrupted; runs that had ended are in runs/temporal-order-1" in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_from_outside(tmp_path):
    """A real process and a real signal: it saves what was reached, says so without a traceback, and exits with 130."""
    command = [sys.executable, "-m", "minigrad", *SMALL, "--steps", "1000000", "--record-every", "1000", "--out", "run"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background would ignore it  # noqa: PLW1509
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()  # the job has begun
            time.sleep(1)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert re.search(r"backpropagation.* interrupted after \d+ of 1000000 steps", errors)
    assert (tmp_path / "run" / "parameters" / "backprop-seed0.safetensors").is_file()
    assert "interrupted after" in (tmp_path / "run" / "report.md").read_text()


ABSURD = ["-1", "1e300", "inf", "-inf", "nan", "1" + 40 * "0", "-" + 400 * "9", 5000 * "9"]
WHOLE = ["9223372036854775808", "0x7fffffffffffffffff", "1_000_000_000_000_000_000"]
NUMBERS = [f for f in dataclasses.fields(Configuration) if type(f.default) in (int, float) and f.metadata]
ABSURD_NUMBERS = [
    pytest.param(f.name, value, id=f"{f.name}={value[:20]}")
    for f in NUMBERS
    for value in [*ABSURD, *(WHOLE if type(f.default) is int else [])]
]
OTHER_TYPES = [(f.name, value) for f in NUMBERS for value in ("true", '"3"', "[3]", "{}", "1979-05-27")]


@pytest.mark.parametrize(("name", "value"), [*ABSURD_NUMBERS, ("states", "x"), ("weight", "")])
def test_absurd_numbers_on_the_line_are_refused_before_any_work(here, capsys, name, value):
    option = f"--{name.replace('_', '-')}"
    try:
        code = main([*SMALL, f"{option}={value}"])
    except SystemExit as end:  # of argparse, for what is no number
        code = end.code
    error = capsys.readouterr().err.splitlines()[-1]
    assert code == 2
    assert option in error or name in error
    assert not list(here.iterdir())


@pytest.mark.parametrize(("name", "value"), [*ABSURD_NUMBERS, *OTHER_TYPES])
def test_absurd_numbers_in_a_file_are_refused_before_any_work(here, capsys, name, value):
    """What TOML itself does not take is refused with the file's name and the line."""
    (here / "c.toml").write_text(
        f'task = "temporal-order"\nlength = 10\n{"" if name == "length" else f"{name} = {value}"}\n'
    )
    if name == "length":
        (here / "c.toml").write_text(f'task = "temporal-order"\nlength = {value}\n')
    assert main(["train", "--config", "c.toml"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("minigrad train: c.toml")
    assert error.count("\n") == 1
    assert f"{name}=" in error or "is not a TOML file" in error
    assert [path.name for path in here.iterdir()] == ["c.toml"]


@pytest.mark.parametrize(
    "name", ["task", "penalty", "cell", "initialization", "optimizer", "methods", "data_folder", "download", "eager"]
)
@pytest.mark.parametrize(
    "value", ["3", "-1.5", "nan", "[[]]", "[3]", "{a = 1}", '"\\u0000"', f'"{1000 * "ab"}"'], ids=lambda v: v[:9]
)
def test_absurd_words_in_a_file_are_refused_before_any_work(here, capsys, name, value):
    (here / "c.toml").write_text(f"{name} = {value}\n")
    assert main(["train", "--config", "c.toml"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("minigrad train: c.toml")
    assert error.count("\n") == 1
    assert name in error
    assert len(error) < 500
    assert [path.name for path in here.iterdir()] == ["c.toml"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a = " + 100_000 * b"[", "c.toml is not a TOML file"),
        (b"steps = 1" + 2**20 * b"0", "c.toml is no configuration: it has more than 1,048,576 bytes"),
        (b"steps = 1" + 5000 * b"0", "c.toml is not a TOML file"),
        (b"\xff\xfe", "c.toml is not a TOML file"),
        (b"\x00", "c.toml is not a TOML file"),
        (b"[train]\nsteps = 3\n", "there is no option 'train'"),
        (b"steps = 3\nsteps = 4\n", "c.toml is not a TOML file"),
    ],
)
def test_files_that_are_no_configurations(here, capsys, content, message):
    (here / "c.toml").write_bytes(content)
    assert main(["train", "--config", "c.toml"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.slow
def test_a_configuration_with_a_flipped_bit_is_refused_or_another_configuration(here):
    """Nothing but ValueError and FileNotFoundError (a data folder), both of which the command line takes for bad values."""
    Configuration.of(task="adding", steps=3).save(here / "c.toml")
    whole = (here / "c.toml").read_bytes()
    refused = 0
    for bit in range(8 * len(whole)):
        (here / "c.toml").write_bytes(
            whole[: bit // 8] + bytes([whole[bit // 8] ^ 1 << bit % 8]) + whole[bit // 8 + 1 :]
        )
        try:
            Configuration.load(here / "c.toml")
        except (ValueError, FileNotFoundError):
            refused += 1
    assert refused > 4 * len(whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    ["--std 1e6", "--weight 1e30 --clip 1e30", "--learning-rate 3e38", "--std 0 --learning-rate 1e-300 --clip 1e-300"],
)
def test_the_largest_numbers_train_or_say_that_they_do_not(here, capsys, options):
    code = main([*SMALL, *options.split(), "--steps", "3"])
    captured = capsys.readouterr()
    assert code in (0, 1), captured.err
    assert "Traceback" not in captured.err
    assert (here / "runs/temporal-order-1/learning-curves.png").is_file()


def test_too_little_memory_is_one_line(here, capsys, monkeypatch):
    def exhausted(*_):
        raise MemoryError

    monkeypatch.setattr("minigrad.optim.experiments.job.open_task", exhausted)
    assert main(SMALL) == 3
    assert capsys.readouterr().err == (
        "minigrad train: this machine has too little memory: lower states, length or batch_size\n"
    )
