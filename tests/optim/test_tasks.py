"""The tasks of the main job: their batches, their test examples, their chance level."""

import itertools

import numpy as np
import pytest

from minigrad.models import datasets
from minigrad.optim.configuration import Configuration
from minigrad.optim.tasks import N_GENERATED, N_VALIDATION, open_task


def test_digits_go_epoch_by_epoch_without_the_rest():
    task = open_task(Configuration.of(task="digits", batch_size=100))
    assert (task.n_inputs, task.length, task.n_outputs) == (1, 64, 10)
    assert len(task.test[0]) == 355
    x, y = datasets.digits().train
    epoch = list(itertools.islice(task.batches(np.random.default_rng(0)), 12))  # 1,262 examples: 12 batches of 100
    seen = np.concatenate([inputs for inputs, _ in epoch])
    assert len(np.unique(x.reshape(1442, -1), axis=0)) == 1442  # no two are alike, so they can be told
    assert len(np.unique(seen.reshape(1200, -1), axis=0)) == 1200
    for inputs, targets in epoch[:2]:  # each target is that of its input
        for sequence, target in zip(inputs, targets, strict=True):
            assert target in y[(x == sequence).all(axis=(1, 2))]
    assert 0.1 < task.chance < 0.11


def test_a_data_set_is_split_into_examples_to_train_to_validate_and_to_test():
    """Each of the training set goes to one part, the same for every run; the test set stays whole and apart."""
    task, again = (open_task(Configuration.of(task="digits", batch_size=1262)) for _ in range(2))
    x, y = datasets.digits().train
    (inputs, targets) = next(task.batches(np.random.default_rng(0)))
    assert (len(inputs), len(task.validation[0]), len(task.test[0])) == (1262, 180, 355)
    parts = np.concatenate([inputs, task.validation[0]]), np.concatenate([targets, task.validation[1]])
    rows = [sorted(zip(map(bytes, a), b.tolist(), strict=True)) for a, b in (parts, (x, y))]
    assert rows[0] == rows[1]
    np.testing.assert_array_equal(task.validation[0], again.validation[0])
    np.testing.assert_array_equal(task.test[0], datasets.digits().test.inputs)
    assert np.bincount(task.validation[1]).min() >= 8  # every class is among them


@pytest.mark.parametrize(("name", "n_inputs", "n_outputs"), [("temporal-order", 6, 4), ("adding", 2, 1)])
def test_generated_tasks_draw_fresh_batches_and_test_on_the_same_sequences(name, n_inputs, n_outputs):
    configuration = Configuration.of(task=name, length=12)
    task, again = open_task(configuration), open_task(configuration)
    assert (task.n_inputs, task.length, task.n_outputs) == (n_inputs, 12, n_outputs)
    np.testing.assert_array_equal(task.test[0], again.test[0])
    np.testing.assert_array_equal(task.validation[0], again.validation[0])
    assert (len(task.validation[0]), len(task.test[0])) == (N_VALIDATION, N_GENERATED)
    assert not np.array_equal(task.validation[0], task.test[0][:N_VALIDATION])
    one, two = itertools.islice(task.batches(np.random.default_rng(0)), 2)
    assert one[0].shape == (configuration.batch_size, 12, n_inputs)
    assert not np.array_equal(one[0], two[0])
    same = next(task.batches(np.random.default_rng(0)))
    np.testing.assert_array_equal(one[0], same[0])


def test_delayed_digits_show_their_rows_and_then_noise_that_is_new_in_every_batch():
    configuration = Configuration.of(length=12, batch_size=1262)
    task, again = open_task(configuration), open_task(configuration)
    assert (task.n_inputs, task.length, task.n_outputs) == (8, 12, 10)
    one, two = itertools.islice(task.batches(np.random.default_rng(0)), 2)
    assert one[0].dtype == np.float32
    rows = [sorted(map(bytes, inputs[:, :8])) for inputs, _ in (one, two)]
    assert rows[0] == rows[1]  # the same digits in another order
    assert abs(one[0][:, 8:].std() - 0.3) < 0.002
    assert not np.array_equal(np.sort(one[0][:, 8:], axis=None), np.sort(two[0][:, 8:], axis=None))
    np.testing.assert_array_equal(task.test[0], again.test[0])
    np.testing.assert_array_equal(task.test[0][:, :8], datasets.digits().test.inputs.reshape(355, 8, 8))
    np.testing.assert_array_equal(task.test[1], datasets.digits().test.targets)
    blank = open_task(Configuration.of(length=12, delay_noise=0)).test[0]
    assert not blank[:, 8:].any()
    assert open_task(Configuration.of(length=8)).length == 8


def test_scores_and_chance():
    task = open_task(Configuration.of(task="temporal-order", length=10))
    targets = task.test[1]
    assert task.score(np.eye(4)[targets], targets) == 1
    assert task.score(np.eye(4)[targets * 0], targets) == pytest.approx(task.chance, abs=0.02)
    adding = open_task(Configuration.of(task="adding", length=10))
    half = np.full_like(adding.test[1], 0.5)
    assert adding.score(half, adding.test[1]) == adding.chance


def test_mnist_reads_its_folder(tmp_path):
    rng = np.random.default_rng(0)
    for part, n in (("train", 30), ("t10k", 10)):
        images, labels = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), (np.arange(n) % 10).astype(np.uint8)
        for array, name in ((images, f"{part}-images-idx3-ubyte"), (labels, f"{part}-labels-idx1-ubyte")):
            header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
            (tmp_path / name).write_bytes(header + array.tobytes())
    task = open_task(Configuration.of(task="mnist", data_folder=str(tmp_path), batch_size=10))
    assert (task.n_inputs, task.length, len(task.test[0])) == (28, 28, 10)
    with pytest.raises(ValueError, match="batch_size=31: mnist has 27 training examples, besides 3 for validation"):
        open_task(Configuration.of(task="mnist", data_folder=str(tmp_path), batch_size=31))
