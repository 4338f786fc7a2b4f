"""Searches that are interrupted, killed or out of disk space go on from their file, and end as those in one go."""

import json
import math
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from minigrad.array_files import UnreadableFileError
from minigrad.optim import LogUniform, grid_search, random_search, successive_halving
from minigrad.optim.selection.records import CHECKSUM, Record, line_of
from tests.optim.selection import trainings
from tests.optim.selection.trainings import processes

ROOT = Path(__file__).parents[3]
GRID = {"a": [1, 2, 3], "b": [10, 20]}


def stopping(train, after):
    """The training, which Ctrl-C ends after so many calls."""
    calls = []

    def stopped(**settings):
        if len(calls) == after:
            raise KeyboardInterrupt
        calls.append(settings)
        return train(**settings)

    stopped.calls = calls
    return stopped


SEARCHES = [
    lambda train, **options: grid_search(train, GRID, rng=4, **options),
    lambda train, **options: random_search(train, GRID | {"a": LogUniform(0.1, 10)}, 6, rng=4, **options),
    lambda train, **options: successive_halving(train, {"a": LogUniform(0.1, 10)}, 9, budget="b", **options),
]


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("after", [0, 1, 5])
def test_an_interrupted_search_goes_on(search, after, tmp_path):
    straight = search(trainings.fails, quiet=True)
    first = search(stopping(trainings.fails, after), file=tmp_path / "search.jsonl", quiet=True)
    assert first.interrupted
    assert list(first) == list(straight)[:after]
    rest = stopping(trainings.fails, 100)
    whole = search(rest, file=tmp_path / "search.jsonl", quiet=True)
    assert not whole.interrupted
    assert list(whole) == list(straight)
    assert len(rest.calls) == len(straight) - after
    none = stopping(trainings.fails, 0)
    again = search(none, file=tmp_path / "search.jsonl", quiet=True)
    assert list(again) == list(straight)
    assert [trial.seconds for trial in again] == pytest.approx([trial.seconds for trial in whole], nan_ok=True)


def test_a_search_is_made_longer_and_failures_are_tried_again(tmp_path):
    file = tmp_path / "search.jsonl"
    space = {"a": [1, 2, 3], "b": LogUniform(1, 10)}
    short = random_search(trainings.fails, space, 5, file=file, quiet=True)
    calls = stopping(trainings.fails, 100)
    long = random_search(calls, space, 12, file=file, quiet=True)
    assert list(long) == list(random_search(trainings.fails, space, 12, quiet=True))
    assert list(long)[:5] == list(short)
    assert len(calls.calls) == 7
    assert long.failed
    anew = stopping(lambda a, b: a + b, 100)
    mended = random_search(anew, space, 12, file=file, retry=True, quiet=True)
    assert not mended.failed
    assert anew.calls == [trial.settings for trial in long.failed]
    assert list(random_search(lambda a, b: 1 / 0, space, 12, file=file, quiet=True)) == list(mended)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            lambda file: grid_search(trainings.fails, {"a": [1, 2], "b": [10, 20, 30]}, file=file),
            r"trial 2 has settings",
        ),
        (lambda file: grid_search(trainings.fails, GRID, rng=1, file=file), "rng is 0 there, and 1 here"),
        (
            lambda file: grid_search(trainings.fails, GRID, highest="x", file=file),
            "by is 'lowest' there, and 'highest x'",
        ),
        (lambda file: random_search(trainings.fails, GRID, file=file), "kind is 'grid' there, and 'random' here"),
    ],
)
def test_a_file_of_another_search_is_refused(other, message, tmp_path):
    file = tmp_path / "search.jsonl"
    grid_search(trainings.fails, GRID, file=file, quiet=True)
    before = file.read_bytes()
    with pytest.raises(ValueError, match=rf"search\.jsonl is the record of another search: {message}"):
        other(file)
    assert file.read_bytes() == before


def test_every_byte_counts(tmp_path):
    """A file cut anywhere goes on; one with another byte anywhere is refused, or is the same search."""
    file = tmp_path / "search.jsonl"
    straight = list(grid_search(trainings.fails, GRID, file=file, quiet=True))
    data = file.read_bytes()
    n_head = data.index(b"\n") + 1
    for n in [*range(n_head, len(data), 7), len(data) - 1]:
        file.write_bytes(data[:n])
        for _ in range(2):
            assert list(grid_search(trainings.fails, GRID, file=file, quiet=True)) == straight
    for n in range(n_head):
        file.write_bytes(data[:n])
        with pytest.raises(UnreadableFileError, match=r"search\.jsonl is not the record of a search"):
            grid_search(trainings.fails, GRID, file=file, quiet=True)
    rng = np.random.default_rng(0)
    for _ in range(300):
        changed = bytearray(data)
        changed[rng.integers(len(data) - 1)] ^= 1 << rng.integers(8)
        file.write_bytes(changed)
        try:
            assert list(grid_search(trainings.fails, GRID, file=file, quiet=True)) == straight
        except ValueError as error:
            assert str(error).startswith(str(file))  # noqa: PT017


@pytest.mark.parametrize(
    "text",
    [
        b"", b"\xff\xfe\n", b"[1]\n", b"{}\n", b"1e999\n", b"[" * 100_000 + b"\n", b'{"minigrad search": 2}\n',
        line_of({"minigrad search": 2}).encode(), line_of({"minigrad search": 1, "x": 3}).encode(),
        line_of({"minigrad search": 1, "kind": "grid", "rng": 0, "by": "lowest"}).encode() + line_of({"number": 0}).encode(),
        line_of({"minigrad search": 1, "kind": "grid", "rng": 0, "by": "lowest"}).encode() + line_of({"score": 0}).encode(),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_refused_and_left(text, tmp_path):
    file = tmp_path / "notes.txt"
    file.write_bytes(text)
    with pytest.raises(ValueError, match=r"notes\.txt is"):
        grid_search(trainings.fails, GRID, file=file, quiet=True)
    assert file.read_bytes() == text


def test_what_is_written_is_lines_of_json(tmp_path):
    file = tmp_path / "search.jsonl"
    grid_search(
        lambda f, a: math.nan if a else -math.inf,
        {"f": [np.tanh, max, trainings.fails], "a": [None, (1, "é")]},
        file=file,
        quiet=True,
    )
    head, *lines = map(json.loads, file.read_text("utf-8").splitlines())
    del head[CHECKSUM]
    assert head == {"minigrad search": 1, "kind": "grid", "rng": 0, "by": "lowest"}
    assert [line["settings"]["f"] for line in lines[::2]] == [
        "numpy.tanh",
        "builtins.max",
        "tests.optim.selection.trainings.fails",
    ]
    assert [line["settings"]["a"] for line in lines[:2]] == [None, [1, "é"]]
    assert [line["score"] for line in lines[:2]] == ["-inf", "nan"]
    for value in (lambda a: a, object(), np.zeros(2), {1, 2}):
        with pytest.raises(TypeError, match="takes settings that can be written down"):
            grid_search(lambda a: 1 / 0, {"a": [value]}, file=tmp_path / "other.jsonl", quiet=True)


def test_a_full_disk_ends_the_search_and_keeps_what_was_written(tmp_path):
    file = tmp_path / "search.jsonl"
    straight = grid_search(trainings.fails, GRID, quiet=True)
    size = len(grid_search(trainings.fails, GRID, file=file, quiet=True) and file.read_bytes())
    file.unlink()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size - 100, limits[1]))
        with pytest.raises(OSError, match=r"search\.jsonl could not be written .*: make room on the disk"):
            grid_search(trainings.fails, GRID, file=file, quiet=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert file.read_bytes().endswith(b"\n")
    rest = stopping(trainings.fails, 100)
    assert list(grid_search(rest, GRID, file=file, quiet=True)) == list(straight)
    assert len(rest.calls) == 1


# Killed from outside


def running(program, *arguments):
    """A program in a process of its own, at the head of a group."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, *map(str, arguments)],
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path, process):
    end = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


SLOW = """
import sys
from concurrent.futures import ProcessPoolExecutor
from minigrad.optim import grid_search
from tests.optim.selection import trainings

if __name__ == "__main__":
    file, folder, processes = sys.argv[1:]
    executor = ProcessPoolExecutor(2) if processes == "2" else None
    grid_search(trainings.slow, {"a": [*range(8)], "folder": [folder]}, file=file, executor=executor, quiet=True)
"""


@pytest.mark.parametrize("processes", [1, 2])
def test_a_search_killed_midway_goes_on(processes, tmp_path):
    file = tmp_path / "search.jsonl"
    process = running(SLOW, file, tmp_path, processes)
    wait_for(tmp_path / "began-5", process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    n_ended = len(file.read_text("utf-8").split("\n")) - 2
    assert 3 <= n_ended < 8
    for began in tmp_path.glob("began-*"):
        began.unlink()
    space = {"a": [*range(8)], "folder": [str(tmp_path)]}
    whole = grid_search(trainings.slow, space, file=file, quiet=True)
    assert len([*tmp_path.glob("began-*")]) == 8 - n_ended
    assert list(whole) == list(grid_search(trainings.slow, space, quiet=True))


TWENTY = """
import os, random, signal, sys, time
from pathlib import Path
from minigrad.optim import grid_search

def train(a, b, seed):
    end = time.perf_counter() + 0.004
    while time.perf_counter() < end:
        pass
    if a == 3:
        raise ValueError(a)
    return a * b + seed

def search(file):
    return list(grid_search(train, {"a": [1, 2, 3, 4], "b": [0.1, 0.2, 0.3]}, file=file, quiet=True))

straight, delays, found = search(None), random.Random(0), set()
for i in range(20):
    file = Path(sys.argv[1]) / f"{i}.jsonl"
    child = os.fork()
    if not child:
        search(file)
        os._exit(0)
    while not file.exists():
        time.sleep(0.0005)
    time.sleep(delays.uniform(0, 0.06))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    found.add(file.read_text().count("score"))
    assert search(file) == straight, i
    assert search(file) == straight, i
print(len(found) > 4)
"""


@pytest.mark.slow
def test_twenty_searches_killed_at_random_moments_end_as_the_one_in_one_go(tmp_path):
    process = running(TWENTY, tmp_path)
    assert process.communicate(timeout=120) == ("True\n", "")


FITTING = """
import sys
from pathlib import Path
import numpy as np
from minigrad.models import Dense, losses
from minigrad.optim import Adam, fit, grid_search

def train(a):
    x = np.zeros((4, 1), np.float32)
    net = Dense(1, 1, rng=0)
    history = fit(net, x, x, loss=losses.mean_squared_error, optimizer=Adam(net.parameters()), epochs=10**9 if a else 1,
        validation=(x, x), callbacks=[lambda model, history: Path(f"{sys.argv[1]}-{a}").touch()], quiet=True)
    return history["val_loss"][-1]

trials = grid_search(train, {"a": [0, 1, 2]}, file=f"{sys.argv[1]}.jsonl", quiet=True)
print(trials.interrupted, [trial.number for trial in trials])
"""


def test_ctrl_c_in_a_training_counts_it_as_not_made(tmp_path):
    """`fit` takes the KeyboardInterrupt and returns: its number is not that of a whole training."""
    process = running(FITTING, tmp_path / "search")
    wait_for(tmp_path / "search-1", process)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=60)
    assert (printed, errors) == ("True [0]\n", "")
    assert len((tmp_path / "search.jsonl").read_text("utf-8").splitlines()) == 2


def test_an_interrupted_history_is_no_score():
    from minigrad.optim import History

    def train(a):
        history = History()
        history.append(epoch=1, val_loss=1.0)
        history.interrupted = a == 2
        return history

    trials = grid_search(train, {"a": [1, 2, 3]}, quiet=True)
    assert trials.interrupted
    assert [trial.number for trial in trials] == [0]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_trials_that_ended_before_a_process_died_are_in_the_file(tmp_path):
    with processes(2) as pool:
        trials = grid_search(trainings.dies, GRID, executor=pool, file=tmp_path / "s.jsonl", quiet=True)
    again = grid_search(stopping(trainings.dies, 0), GRID, file=tmp_path / "s.jsonl", quiet=True)
    assert list(again) == list(trials)
    assert len(again.failed) == 1
    assert isinstance(Record(tmp_path / "s.jsonl", {"kind": "grid", "rng": 0, "by": "lowest"}).trials[0], dict)
