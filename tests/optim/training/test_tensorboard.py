"""What the callback `TensorBoard` writes, read back from the event file."""

import struct
import sys

import numpy as np
import pytest

from minigrad.models import Dense, losses
from minigrad.optim import SGD, TensorBoard, fit

X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
Y = X.sum(axis=1, keepdims=True)


def mean_error(outputs, targets):
    return float(np.abs(outputs - targets).mean())


def scalars(folder):
    """{tag: {step: number}} of all event files: records of a length, its checksum, an event, its checksum."""
    events = pytest.importorskip("tensorboardX.proto.event_pb2")
    found = {}
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            event = events.Event.FromString(data[12 : 12 + length])
            data = data[16 + length :]
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setenv("CRC32C_SW_MODE", "auto")  # as tensorboardX sets it when it is imported
    pytest.importorskip("tensorboardX", reason="no tensorboardX: pip install '.[tensorboard]'")


def trained(board, epochs=3, **options):
    net = Dense(3, 1, rng=0)
    return fit(
        net, X, Y, loss=losses.mean_squared_error, optimizer=SGD(net.parameters(), 0.01), epochs=epochs, batch_size=8,
        validation=(X, Y), metrics=[mean_error], callbacks=[board], clip=1.0, quiet=True, **options,
    )  # fmt: skip


@pytest.mark.usefixtures("installed")
def test_the_history_is_written(tmp_path):
    history = trained(TensorBoard(tmp_path / "run"))
    found = scalars(tmp_path / "run")
    tags = {"epoch/loss": "loss", "epoch/gradient_norm": "gradient_norm", "epoch/mean_error": "mean_error",
            "validation/loss": "val_loss", "validation/mean_error": "val_mean_error"}  # fmt: skip
    assert set(found) == set(tags)
    for tag, name in tags.items():
        assert [*found[tag]] == [1, 2, 3]
        np.testing.assert_allclose([*found[tag].values()], history[name], rtol=1e-6)


@pytest.mark.usefixtures("installed")
def test_steps_are_written_where_asked(tmp_path):
    """⌈20/8⌉ = 3 steps an epoch, 9 in all: the 2nd, 4th, 6th and 8th."""
    trained(TensorBoard(tmp_path, every_steps=2))
    found = scalars(tmp_path)
    assert [*found["step/loss"]] == [*found["step/gradient_norm"]] == [2, 4, 6, 8]


@pytest.mark.usefixtures("installed")
def test_a_training_that_is_resumed_goes_on_in_the_same_curves(tmp_path):
    class Stopped(TensorBoard):
        def after_epoch(self, training):
            super().after_epoch(training)
            if training.epoch == 2 and not (tmp_path / "stopped").exists():
                (tmp_path / "stopped").touch()
                self._close()  # or its thread would write while other tests run
                raise OSError("the power went")

    runs, folder = tmp_path / "runs", tmp_path / "checkpoints"
    with pytest.raises(OSError, match="power"):
        trained(Stopped(runs, every_steps=1), checkpoints=folder)
    history = trained(Stopped(runs, every_steps=1), checkpoints=folder)
    found = scalars(runs)
    assert [*found["step/loss"]] == [*range(1, 10)]
    assert [*found["epoch/loss"]] == [1, 2, 3]
    np.testing.assert_allclose([*found["epoch/loss"].values()], history["loss"], rtol=1e-6)


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"pip install 'minigrad\[tensorboard\]'"):
        TensorBoard(tmp_path)


@pytest.mark.parametrize("every", [0, -1, 1.5, "2"])
def test_a_bad_interval_is_refused(tmp_path, every):
    with pytest.raises(ValueError, match="every_steps"):
        TensorBoard(tmp_path, every_steps=every)
