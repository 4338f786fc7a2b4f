"""Whole files or none: whatever fails or interrupts a write, the file holds what it held, and nothing else lies around."""

import errno
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad.files import write_file
from minigrad.optim.experiments.comparison import Comparison, compare
from minigrad.optim.experiments.configuration import Configuration
from minigrad.optim.experiments.job import Job
from minigrad.optim.experiments.run_folder import RunFolder, save_arrays
from minigrad.optim.experiments.tasks import open_task
from minigrad.optim.training.history import History

ROOT = Path(__file__).parents[1]
SMALL = {"task": "temporal-order", "length": 10, "states": 3, "steps": 2, "batch_size": 2, "record_every": 1}
FULL_DISK = OSError(errno.ENOSPC, "No space left on device")
FAILURES = {"a full disk": FULL_DISK, "Ctrl-C": KeyboardInterrupt()}


class Faults:
    """Every call of the system that a write of a file makes; the k-th raises, a write when half of it is done."""

    def __init__(self, monkeypatch, k=0, error=FULL_DISK):
        self.k, self.error, self.calls = k, error, 0
        opened = Path.open

        def open_(path, mode="r", *arguments, **options):
            stream = opened(path, mode, *arguments, **options)
            if not set(mode) & set("wxa+"):
                return stream
            self.call(stream)
            return Stream(stream, self)

        monkeypatch.setattr(Path, "open", open_)
        monkeypatch.setattr(Path, "mkdir", self.failing(Path.mkdir))
        monkeypatch.setattr(Path, "replace", self.failing(Path.replace))
        monkeypatch.setattr(os, "fsync", self.failing(os.fsync))

    def failing(self, call):
        def called(*arguments, **options):
            self.call()
            return call(*arguments, **options)

        return called

    def call(self, stream=None):
        self.calls += 1
        if self.calls == self.k:
            if stream:
                stream.close()
            raise self.error


class Stream:
    """A file being written."""

    def __init__(self, stream, faults):
        self.stream, self.faults = stream, faults

    def write(self, data):
        self.stream.write(data[: len(data) // 2])
        self.faults.call()
        self.stream.write(data[len(data) // 2 :])

    def flush(self):
        self.faults.call()
        self.stream.flush()

    def fileno(self):
        return self.stream.fileno()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def number_of_calls(write):
    with pytest.MonkeyPatch.context() as patch:
        faults = Faults(patch)
        write()
    return faults.calls


WRITERS = {
    "write_file": lambda path: write_file(path, "a text"),
    "History.write": lambda path: history().write(path),
    "Configuration.save": lambda path: Configuration.of(**SMALL).save(path),
    "save_arrays": lambda path: save_arrays(path, {"W": np.ones(3)}),
    "Drawing.save": lambda path: mg.draw(mg.Input(1.0) + 1, layout="layered").save(path.with_suffix(".svg")),
    "Drawing.save as a page": lambda path: mg.draw(mg.Input(1.0) + 1, layout="layered").save(path.with_suffix(".html")),
    "Gallery.save": lambda path: mg.activations().gallery().save(path.with_suffix(".svg")),
}


def history():
    made = History()
    made.append(step=1, loss=0.1 + 0.2)
    return made


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("name", WRITERS)
def test_a_write_that_fails_anywhere_leaves_the_file_as_it_was(name, failure, tmp_path):
    write, error = WRITERS[name], FAILURES[failure]
    write(tmp_path / "file")  # what is done once, as looking for fonts, is not counted
    n_calls = number_of_calls(lambda: write(tmp_path / "file"))
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    assert n_calls >= 5
    file.write_bytes(b"what was there")
    for k in range(1, n_calls + 1):
        with pytest.MonkeyPatch.context() as patch:
            Faults(patch, k, error)
            with pytest.raises(type(error)) as caught:
                write(tmp_path / "file")
        if error is FULL_DISK:
            assert str(caught.value) == (
                f"{file} could not be written (No space left on device): make room on the disk, and write it again"
            )
            assert caught.value.errno == errno.ENOSPC
        assert contents(tmp_path) == {file.name: b"what was there"}
    write(tmp_path / "file")
    assert contents(tmp_path) == {file.name: whole}


def test_text_is_written_as_it_stands(tmp_path):
    write_file(tmp_path / "text", "λ\r\nμ\n")
    assert (tmp_path / "text").read_bytes() == b"\xce\xbb\r\n\xce\xbc\n"
    write_file(str(tmp_path / ("n" * 255)), b"")  # the longest name a file can have
    assert (tmp_path / ("n" * 255)).read_bytes() == b""


def test_permissions_and_links_are_kept(tmp_path):
    file, link = tmp_path / "file", tmp_path / "link"
    umask = os.umask(0o027)
    try:
        write_file(file, "one")
    finally:
        os.umask(umask)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    file.chmod(0o604)
    link.symlink_to(file.name)
    write_file(link, "two")
    assert link.is_symlink()
    assert file.read_text() == "two"
    assert stat.S_IMODE(file.stat().st_mode) == 0o604


def test_what_is_no_regular_file_is_written_directly(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_text)
        write_file(pipe, "through")
        assert read.result(timeout=30) == "through"
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("no/file", FileNotFoundError, r"no/file could not be written \(No such file or directory\): choose a place"),
        (".", IsADirectoryError, r"could not be written \(Is a directory\): choose a place where you may write"),
    ],
)
def test_an_impossible_path_is_named(path, kind, message, tmp_path):
    with pytest.raises(kind, match=message):
        write_file(tmp_path / path, "text")
    assert not contents(tmp_path)


# The run folder ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def comparison():
    configuration = Configuration.of(**SMALL)
    return compare(configuration, open_task(configuration), quiet=True)


@pytest.mark.parametrize("failure", FAILURES)
def test_saving_a_run_loses_nothing_of_the_runs_before_wherever_it_fails(comparison, failure, tmp_path):
    first = Comparison(comparison.configuration, comparison.task, comparison.runs[:1])
    both = Comparison(comparison.configuration, comparison.task, comparison.runs[:2])
    folder = RunFolder(first.configuration, str(tmp_path / "run"))
    folder.save_numbers(first)
    before = contents(folder.path)
    n_calls = number_of_calls(lambda: folder.save_numbers(both))
    after = contents(folder.path)
    assert n_calls > 5 * 5
    assert len(after) == len(before) + 2
    for k in range(1, n_calls + 1):
        for name in after:
            (folder.path / name).unlink(missing_ok=True)
        for name, content in before.items():
            (folder.path / name).write_bytes(content)
        with pytest.MonkeyPatch.context() as patch:
            Faults(patch, k, FAILURES[failure])
            with pytest.raises(type(FAILURES[failure])):
                folder.save_numbers(both)
        found = contents(folder.path)
        assert before.keys() <= found.keys() <= after.keys()
        for name, content in found.items():  # as it was, or all of the new
            assert content in (before.get(name), after[name]), name
    folder.save_numbers(both)
    assert contents(folder.path) == after


@pytest.mark.parametrize("failure", FAILURES)
def test_a_folder_whose_configuration_cannot_be_saved_is_not_left_behind(failure, tmp_path):
    configuration = Configuration.of(**SMALL)
    n_calls = number_of_calls(lambda: RunFolder(configuration, str(tmp_path / "whole")))
    for k in range(1, n_calls + 1):
        with pytest.MonkeyPatch.context() as patch:
            Faults(patch, k, FAILURES[failure])
            with pytest.raises(type(FAILURES[failure])):
                RunFolder(configuration, str(tmp_path / "run"))
        assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_ctrl_c_while_a_run_is_saved_saves_it_and_ends_the_job(tmp_path, monkeypatch, capsys):
    calls = []
    saved = RunFolder.save_numbers

    def interrupted_once(folder, comparison):
        calls.append(len(comparison.runs))
        if calls == [1, 2]:
            raise KeyboardInterrupt
        saved(folder, comparison)

    monkeypatch.setattr(RunFolder, "save_numbers", interrupted_once)
    assert Job(Configuration.of(**SMALL), str(tmp_path / "run")).run() == 130
    assert calls == [1, 2, 2]
    assert "interrupted; what was reached is in" in capsys.readouterr().err
    names = contents(tmp_path / "run")
    assert "parameters/immediate-seed0.safetensors" in names
    assert names["history.csv"].count(b"\n") == 1 + 2 * 3


def test_ctrl_c_while_a_trained_net_is_measured_keeps_the_run(monkeypatch):
    configuration = Configuration.of(**SMALL, methods=["backprop", "exact"], seeds=2)
    task = open_task(configuration)
    rightly, calls = task.right, []

    def interrupted_once(outputs, targets):
        calls.extend([1] * (targets is task.test.targets))
        if len(calls) == 3:  # the second run's last parameters; each run is tested twice
            raise KeyboardInterrupt
        return rightly(outputs, targets)

    object.__setattr__(task, "right", interrupted_once)
    made = compare(configuration, task, quiet=True)
    assert made.interrupted
    assert [run.steps for run in made.runs] == [2, 2]
    assert [len(runs) for runs in made.by_method()] == [1, 1]
    assert made.runs[1].parameters


# The command line ----------------------------------------------------------------------------------------------------

SMALL_LINE = [part for name, value in SMALL.items() for part in (f"--{name.replace('_', '-')}", str(value))]
AT_THE_SECOND_RUN = """
import resource, signal, sys
from minigrad.__main__ import main
from minigrad.optim.experiments.run_folder import RunFolder
saved, n = RunFolder.save_numbers, []
def save(folder, comparison):
    n.append(1)
    if len(n) == 2:
        {fault}
    saved(folder, comparison)
RunFolder.save_numbers = save
sys.exit(main(sys.argv[1:]))
"""


def run_with(fault, folder, *options):
    command = [
        sys.executable,
        "-c",
        AT_THE_SECOND_RUN.format(fault=fault),
        "train",
        *SMALL_LINE,
        "--out",
        "run",
        *options,
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no limits of resources")
def test_a_full_disk_at_the_second_run_is_one_line_and_loses_nothing(tmp_path):
    """The system itself refuses: no file may grow beyond 300 bytes, less than any of the second run takes."""
    run = run_with("resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))", tmp_path)
    assert run.returncode == 3, run.stderr
    (line,) = [line for line in run.stderr.splitlines() if line.startswith("minigrad train: ")]
    assert run.stderr.endswith(line + "\n")
    assert line == (
        "minigrad train: run/parameters/immediate-seed0.safetensors could not be written (File too large): make room on the disk, "
        "and write it again; runs that had ended are in run"
    )
    found = contents(tmp_path / "run")
    assert {name for name in found if not name.startswith("ended")} == {
        "config.toml",
        "history.csv",
        "adjoints.csv",
        "report.md",
        "parameters/backprop-seed0.safetensors",
        "parameters/backprop-seed0-best.safetensors",
    }
    assert found["history.csv"].count(b"\n") == found["adjoints.csv"].count(b"\n") == 1 + 3


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_a_termination_signal_saves_what_was_reached(tmp_path):
    run = run_with("signal.raise_signal(signal.SIGTERM)", tmp_path)
    assert run.returncode == 130, run.stderr
    assert "minigrad train: interrupted; what was reached is in run" in run.stderr
    assert contents(tmp_path / "run")["history.csv"].count(b"\n") == 1 + 2 * 3


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_standard_output_on_a_full_disk_costs_no_run(tmp_path):
    command = [sys.executable, "-m", "minigrad", "train", *SMALL_LINE, "--out", "run"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(
            command, cwd=tmp_path, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert run.returncode == 3, run.stderr
    assert run.stderr.endswith(
        "minigrad train: standard output could not be written (No space left on device); report.md says the same\n"
    )
    assert len(contents(tmp_path / "run")) == 2 * 3 + 3 + 4
