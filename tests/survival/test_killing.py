"""Trainings that are killed, interrupted and out of room, in processes of their own, go on to the same bits."""

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from minigrad.models import Dense, losses
from minigrad.optim import Adam, Callback, Checkpoints, UnreadableFileError, fit
from minigrad.optim.training.checkpoints import read_state, write_state
from minigrad.optim.training.signals import Signals, Terminated
from tests.survival.fuzz import strip
from tests.survival.trainings import TRAININGS, train

ROOT = Path(__file__).parents[2]
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def python(*arguments, **environment):
    """A process of Python's, in the folder of the repository."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env={**os.environ, **ONE_THREAD, **environment}, capture_output=True,
        text=True, timeout=250, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def straight():
    made = {}

    def of(name):
        if name not in made:
            made[name] = strip(train(name))
        return made[name]

    return of


def test_trainings_killed_at_20_random_moments_end_with_the_same_bits():
    found = python("-m", "tests.survival", "--kills", "20", "--files", "0", "--seed", "3")
    assert found.returncode == 0, found.stderr
    assert "all ended with the same bits" in found.stdout
    assert int(found.stdout.split()[0]) >= 20


IN_ANOTHER_PROCESS = """
import sys
from tests.survival.fuzz import strip
from tests.survival.test_resuming import StopAfter, Stopped
from tests.survival.trainings import TRAININGS, train
for name in TRAININGS:
    try:
        found = train(name, [StopAfter(int(sys.argv[1]))] if sys.argv[1] != "0" else [], checkpoints=f"{sys.argv[2]}/{name}")
        open(f"{sys.argv[2]}/{name}.result", "w").write(repr(strip(found)))
    except Stopped:
        pass
"""


def test_a_process_with_other_hashes_goes_on_with_the_same_bits(straight, tmp_path):
    for seed, steps in (("1", "12"), ("2", "0")):
        found = python("-c", IN_ANOTHER_PROCESS, steps, str(tmp_path), PYTHONHASHSEED=seed)
        assert found.returncode == 0, found.stderr
    for name in TRAININGS:
        assert (tmp_path / f"{name}.result").read_text() == repr(straight(name))


# Signals ---------------------------------------------------------------------------------------------------------------


class Sends(Callback):
    """Sends this process a signal while the k-th step is not over yet."""

    def __init__(self, number, k):
        self.number, self.k = number, k

    def after_step(self, training):
        self.k -= 1
        if not self.k:
            os.kill(os.getpid(), self.number)
            self.after = training.step


@pytest.mark.parametrize("name", ["dense", "shared"])
def test_ctrl_c_saves_what_was_reached_and_is_gone_on_from(name, straight, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    found = train(name, [Sends(signal.SIGINT, 13)], checkpoints=tmp_path)
    assert found["interrupted"]
    assert signal.getsignal(signal.SIGINT) is before
    assert strip(train(name, [Sends(signal.SIGINT, 100)], checkpoints=tmp_path)) == straight(name)


@pytest.mark.parametrize("name", ["dense", "lstm"])
def test_a_termination_signal_saves_what_was_reached_and_ends_with_143(name, straight, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught:
        train(name, [Sends(signal.SIGTERM, 13)], checkpoints=tmp_path)
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before
    assert strip(train(name, checkpoints=tmp_path)) == straight(name)


def test_ctrl_c_comes_after_the_step_and_never_in_the_middle(tmp_path):
    """The signal comes while the optimizer steps: all parameters have made the step, or none."""
    net = Dense(2, 2, rng=0)
    optimizer = Adam(net.parameters())
    step, n_steps = optimizer.step, []

    def interrupted_step():
        os.kill(os.getpid(), signal.SIGINT)
        step()
        n_steps.append(net.state_dict())

    optimizer.step = interrupted_step
    x = np.ones((8, 2), np.float32)
    history = fit(net, x, x, loss=losses.mean_squared_error, optimizer=optimizer, quiet=True)
    assert history.interrupted
    assert len(n_steps) == 1
    assert strip(net.state_dict()) == strip(n_steps[0])


def send(number, times=1):
    for _ in range(times):
        os.kill(os.getpid(), number)


def test_a_second_signal_does_not_wait():
    with Signals(terminates=True) as signals, pytest.raises(KeyboardInterrupt), signals.held():
        send(signal.SIGINT, times=2)


def test_a_signal_that_waits_is_not_lost_where_an_error_comes_first():
    def fails():
        with Signals(terminates=True) as signals, signals.held():
            send(signal.SIGTERM)
            raise ValueError

    with pytest.raises(Terminated):
        fails()


def test_handlers_of_ones_own_are_called_and_ignored_signals_stay_ignored():
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Signals(terminates=True) as signals:
            with signals.held():
                os.kill(os.getpid(), signal.SIGTERM)
                assert seen == []
            os.kill(os.getpid(), signal.SIGINT)
        assert seen == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGINT, ignored)


def test_other_threads_leave_signals_alone(straight, tmp_path):
    found = []
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    class Looks(Callback):
        def after_step(self, training):
            found.append((signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)))

    results = []
    thread = threading.Thread(target=lambda: results.append(train("dense", [Looks()], checkpoints=tmp_path)))
    thread.start()
    thread.join()
    assert set(found) == {before}
    assert strip(results[0]) == straight("dense")


# A full disk -----------------------------------------------------------------------------------------------------------


class Full(Callback):
    """From step k on the disk is full."""

    def __init__(self, k, monkeypatch):
        self.k, self.patch = k, monkeypatch

    def after_step(self, training):
        self.k -= 1
        if not self.k:
            self.patch.setattr(os, "fsync", self.refuse)

    def refuse(self, number):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("name", ["dense", "lstm"])
def test_a_full_disk_costs_no_checkpoint_and_no_training(name, straight, tmp_path, monkeypatch):
    with (
        monkeypatch.context() as patch,
        pytest.warns(
            RuntimeWarning, match=r"No space left.* The training goes on, and the checkpoints before this one are kept"
        ),
        pytest.raises(OSError, match="No space left on device") as caught,
    ):
        train(name, [Full(8, patch)], checkpoints=Checkpoints(tmp_path, every_steps=3))
    assert caught.value.errno == errno.ENOSPC
    history = caught.value.history
    assert strip(dict(history)) == straight(name)["history"]  # it was trained to its end
    assert len(Checkpoints(tmp_path).files()) == 2
    assert not [*tmp_path.glob(".minigrad-*")]
    assert strip(train(name, checkpoints=tmp_path)) == straight(name)


LIMITED = """
import resource, sys, warnings
from minigrad.optim import Checkpoints
from tests.survival.trainings import train
from tests.survival.test_resuming import StopAfter, Stopped
warnings.simplefilter("ignore")
try:
    train("dense", [StopAfter(9)], checkpoints=Checkpoints(sys.argv[1], every_steps=2))
except Stopped:
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
    train("dense", checkpoints=Checkpoints(sys.argv[1], every_steps=2))
"""


def test_a_limit_of_the_size_of_files_ends_a_program_with_an_error_and_loses_nothing(straight, tmp_path):
    found = python("-c", LIMITED, str(tmp_path))
    assert found.returncode == 1
    assert "could not be written (File too large): make room on the disk" in found.stderr
    names = [path.name for path in tmp_path.iterdir()]
    assert sorted(names) == ["checkpoint-000004.safetensors", "checkpoint-000005.safetensors"]
    assert strip(train("dense", checkpoints=tmp_path)) == straight("dense")


SMALL_DISK = """
import sys, warnings
from minigrad.optim import Checkpoints
from tests.survival.trainings import train
warnings.simplefilter("ignore")
train("dense", checkpoints=Checkpoints(sys.argv[1], every_steps=1, keep=50))
"""


def test_a_small_disk_that_fills_up_loses_nothing(straight, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        found = python("-c", SMALL_DISK, str(disk))
        assert found.returncode == 1
        assert "No space left on device" in found.stderr
        files = Checkpoints(disk).files()
        assert files
        files[0].unlink()
        files[1].unlink()
        assert strip(train("dense", checkpoints=disk)) == straight("dense")
    finally:
        subprocess.run(["umount", disk], check=True)


# What is refused -------------------------------------------------------------------------------------------------------


def a_fit(folder, *, targets=1.0, **options):
    net = options.pop("net", None) or Dense(2, 1, rng=0)
    x = np.linspace(-1, 1, 24, dtype=np.float32).reshape(12, 2)
    decay, epsilon, rate = options.pop("decay", 0.0), options.pop("epsilon", 1e-7), options.pop("rate", 0.01)
    rate = dict.fromkeys(net.parameters(), 0.5) if rate == {} else rate
    optimizer = Adam(net.parameters(), rate, epsilon=epsilon, weight_decay=decay, decoupled=True)
    given = {
        "loss": losses.mean_squared_error, "optimizer": optimizer, "epochs": 2,
        "batch_size": 4, "quiet": True, "checkpoints": folder,
    }  # fmt: skip
    return net, fit(net, x, targets * x[:, :1], **given | options)


OTHERS = [
    ({"batch_size": 5}, r"batch_size: 4 there, 5 here"),
    ({"rate": 0.1}, r"learning_rate: 0.01 there, 0.1 here"),
    ({"decay": 0.1}, r"optimizer: Adam\(.*weight_decay=0.0.*\) there, Adam\(.*weight_decay=0.1.*\) here"),
    ({"epsilon": 1e-3}, r"optimizer: .*epsilon=1e-07.* there, .*epsilon=0.001.* here"),
    ({"rate": {}}, r"learning_rate: 0.01 there, \{.*: 0.5, .*\} here"),
    ({"rng": 1}, r"rng: \w+ there, \w+ here"),
    ({"targets": 2.0}, r"inputs and targets: \w+ there, \w+ here"),
    ({"net": Dense(2, 1, bias=False)}, r"model: W \(1, 2\) float32, b \(1,\) float32 there, W \(1, 2\) float32 here"),
    ({"loss": losses.huber}, r"loss: mean_squared_error there, huber here"),
    ({"clip": 1.0, "validation": 0.5}, r"clip: None there, 1.0 here.* validation: none there, \w+ here"),
]


@pytest.mark.parametrize(("options", "said"), OTHERS)
def test_checkpoints_of_another_training_are_refused_and_stay(options, said, tmp_path):
    a_fit(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=rf"is a checkpoint of another training \(.*{said}.*give the same arguments"):
        a_fit(tmp_path, **options)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_more_epochs_go_on_from_the_end(tmp_path):
    net, history = a_fit(tmp_path / "a", epochs=5)
    a_fit(tmp_path / "b", epochs=2)
    again, longer = a_fit(tmp_path / "b", epochs=5)
    assert strip(again.state_dict()) == strip(net.state_dict())
    assert strip(dict(longer)) == strip(dict(history))


def test_a_damaged_checkpoint_is_passed_over_with_a_word(tmp_path):
    _, history = a_fit(tmp_path / "a", epochs=4)
    a_fit(tmp_path / "b", epochs=3)
    first, last = Checkpoints(tmp_path / "b").files()
    last.write_bytes(last.read_bytes()[:-100])
    with pytest.warns(RuntimeWarning, match=rf"{last.name} is damaged .*So .*{first.name} is gone on from"):
        _, again = a_fit(tmp_path / "b", epochs=4)
    assert strip(dict(again)) == strip(dict(history))
    for path in Checkpoints(tmp_path / "b").files():
        path.write_bytes(b"nothing")
    with pytest.raises(UnreadableFileError, match="has no checkpoint that can be gone on from: give the arguments"):
        a_fit(tmp_path / "b", epochs=4)


def test_a_checkpoint_that_holds_too_little_is_passed_over(tmp_path):
    _, history = a_fit(tmp_path, epochs=4)
    last = Checkpoints(tmp_path).files()[-1]
    state = read_state(last, "a training")
    for name in [name for name in state if name != "settings"]:
        write_state(last, "a training", {key: part for key, part in state.items() if key != name})
        with pytest.warns(RuntimeWarning, match="it does not hold what a checkpoint of this training does"):
            _, again = a_fit(tmp_path, epochs=4)
        assert strip(dict(again)) == strip(dict(history))
        last = Checkpoints(tmp_path).files()[-1]


def test_a_callback_that_cannot_go_on_leaves_the_model_as_it_was(tmp_path):
    class Forgetful(Callback):
        def state_dict(self):
            return {"kept": 1}

        def load_state_dict(self, state):
            raise KeyError("forgotten")

    a_fit(tmp_path, callbacks=[Forgetful()])
    net = Dense(2, 1, rng=5)
    before = net.state_dict()
    with pytest.raises(UnreadableFileError, match="give the arguments and callbacks that it was made with"):
        a_fit(tmp_path, callbacks=[Forgetful()], net=net)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file could not be written"):
        a_fit(tmp_path / "file")
