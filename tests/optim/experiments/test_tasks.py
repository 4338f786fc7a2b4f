"""The tasks of the main job: their batches, their test examples, their chance level."""

import itertools

import numpy as np
import pytest

from minigrad.models import datasets
from minigrad.optim.experiments.configuration import Configuration
from minigrad.optim.experiments.lengths import drawn, of_range
from minigrad.optim.experiments.task_options import DELAYED, OF_MNIST, TASKS
from minigrad.optim.experiments.tasks import N_GENERATED, N_VALIDATION, OPENERS, SOLVED, STRETCH, open_task
from tests.optim.experiments.small_job import some_mnist


def test_every_task_has_defaults_and_can_be_opened():
    assert list(OPENERS) == list(TASKS)


@pytest.mark.parametrize("name", [name for name in TASKS if name not in OF_MNIST])
def test_to_have_learned_a_task_is_far_from_chance(name):
    task = open_task(Configuration.of(task=name))
    assert 2 * task.chance <= task.learned < 1


def test_the_delays_of_validation_and_test_are_drawn_apart():
    task = open_task(Configuration.of())
    validation, test = (of.inputs[:, DELAYED:] for of in (task.validation, task.test))
    assert not (validation == test[: len(validation)]).any()


def test_digits_go_epoch_by_epoch_without_the_rest():
    task = open_task(Configuration.of(task="digits", batch_size=100))
    assert (task.n_inputs, task.length, task.n_outputs) == (1, 64, 10)
    assert len(task.test[0]) == 355
    x, y = datasets.digits().train
    epoch = list(itertools.islice(task.batches(np.random.default_rng(0)), 12))  # 1,262 examples: 12 batches of 100
    seen = np.concatenate([batch.inputs for batch in epoch])
    assert len(np.unique(x.reshape(1442, -1), axis=0)) == 1442  # no two are alike, so they can be told
    assert len(np.unique(seen.reshape(1200, -1), axis=0)) == 1200
    for inputs, targets, _ in epoch[:2]:  # each target is that of its input
        for sequence, target in zip(inputs, targets, strict=True):
            assert target in y[(x == sequence).all(axis=(1, 2))]
    assert 0.1 < task.chance < 0.11


def test_a_data_set_is_split_into_examples_to_train_to_validate_and_to_test():
    """Each of the training set goes to one part, the same for every run; the test set stays whole and apart."""
    task, again = (open_task(Configuration.of(task="digits", batch_size=1262)) for _ in range(2))
    x, y = datasets.digits().train
    inputs, targets, _ = next(task.batches(np.random.default_rng(0)))
    assert (len(inputs), len(task.validation[0]), len(task.test[0])) == (1262, 180, 355)
    parts = np.concatenate([inputs, task.validation[0]]), np.concatenate([targets, task.validation[1]])
    rows = [sorted(zip(map(bytes, a), b.tolist(), strict=True)) for a, b in (parts, (x, y))]
    assert rows[0] == rows[1]
    np.testing.assert_array_equal(task.validation[0], again.validation[0])
    np.testing.assert_array_equal(task.test[0], datasets.digits().test.inputs)
    assert np.bincount(task.validation[1]).min() >= 8  # every class is among them


@pytest.mark.parametrize(
    ("name", "n_inputs", "n_outputs"),
    [("temporal-order", 6, 4), ("temporal-order-3bit", 6, 8), ("adding", 2, 1), ("multiplication", 2, 1)],
)
def test_generated_tasks_draw_fresh_batches_and_test_on_the_same_sequences(name, n_inputs, n_outputs):
    configuration = Configuration.of(task=name, length=12)
    task, again = open_task(configuration), open_task(configuration)
    assert (task.n_inputs, task.length, task.n_outputs) == (n_inputs, 12, n_outputs)
    np.testing.assert_array_equal(task.test[0], again.test[0])
    np.testing.assert_array_equal(task.validation[0], again.validation[0])
    assert (len(task.validation[0]), len(task.test[0])) == (N_VALIDATION, N_GENERATED)
    validation, test = (
        of.argmax(axis=-1) if n_inputs == 6 else of[..., 0] for of in (task.validation[0], task.test[0])
    )
    assert (validation == test[:N_VALIDATION]).mean() < 0.5  # drawn apart; one symbol in six or more may be the same
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
    rows = [sorted(map(bytes, inputs[:, :8])) for inputs, *_ in (one, two)]
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


@pytest.mark.parametrize(("name", "mean", "chance"), [("adding", 0.5, 0.1536), ("multiplication", 0.25, 0.1113)])
def test_numbers_are_trained_on_stretched_and_scored_in_their_own_units(name, mean, chance):
    task = open_task(Configuration.of(task=name, length=10))
    inputs, targets = task.test.inputs.astype(float), task.test.targets
    marked = np.where(inputs[..., 1] == 1, inputs[..., 0], np.nan)
    plain = np.nanmean(marked, axis=1) if name == "adding" else np.nanprod(marked, axis=1)
    np.testing.assert_allclose(targets[:, 0], STRETCH * (plain - mean), atol=1e-5)
    assert targets.mean() == pytest.approx(0, abs=0.03)
    assert targets.var() == pytest.approx(1, abs=0.25)
    assert task.score(np.zeros_like(targets), targets) == task.chance == pytest.approx(chance, abs=0.01)
    assert task.score(targets + STRETCH * 0.039, targets) == 1
    assert task.score(targets + STRETCH * 0.041, targets) == 0
    assert task.learned == SOLVED


def test_copy_memory_scores_the_symbols_that_are_repeated():
    task = open_task(Configuration.of(task="copy-memory", length=25))
    assert (task.n_inputs, task.length, task.n_outputs, task.every_step) == (7, 25, 6, True)
    targets = task.test.targets
    assert targets.shape == (N_GENERATED, 25)
    assert (targets[:, :15] == 5).all()
    np.testing.assert_array_equal(task.test.inputs[:, :10].argmax(axis=2), targets[:, 15:])
    outputs = np.eye(6)[targets]
    assert task.score(outputs, targets) == 1
    outputs[0, 20:] = np.eye(6)[(targets[0, 20:] + 1) % 5]  # half of one sequence, and all blanks of another
    outputs[1, :15] = np.eye(6)[0]
    outputs[2, 24, 0] = np.nan
    right = task.right(outputs, targets)
    assert right[:4].tolist() == [0.5, 1, 0.9, 1]
    assert task.score(outputs, targets) == pytest.approx(1 - 0.6 / N_GENERATED)
    assert task.criterion == "at least 99.9% of the symbols of 10,000 test sequences repeated rightly"
    assert task.score(np.eye(6)[np.zeros_like(targets)], targets) == pytest.approx(task.chance, abs=0.01)


def test_names_are_padded_and_masked():
    task = open_task(Configuration.of(task="names"))
    alphabet = "abcdefghijklmnopqrstuvwxyz"

    def words(batch):
        for letters, target, present in zip(*batch, strict=True):
            assert not letters[~present].any()
            assert (np.diff(present.astype(int)) <= 0).all()
            yield "".join(alphabet[i] for i in letters[present].argmax(axis=1)) + alphabet[target]

    data = datasets.names()
    known = {part: {"".join(map(data.vocabulary.__getitem__, row)).rstrip(".") for row in getattr(data, part).targets}
             for part in ("train", "test")}  # fmt: skip
    assert sorted(words(task.test)) == sorted(known["test"])
    held, batch = (list(words(part)) for part in (task.validation, next(task.batches(np.random.default_rng(0)))))
    assert len(set(held)) == 1000
    assert set(held) | set(batch) <= known["train"]
    assert not set(held) & set(batch)
    assert (task.length, task.n_inputs, task.n_outputs) == (14, 26, 26)
    assert 0.15 < task.chance < 0.3


@pytest.mark.parametrize("name", ["permuted-digits", "permuted-mnist", "pixel-mnist"])
def test_images_in_another_order(name, tmp_path):
    folder = {} if name == "permuted-digits" else {"data_folder": str(some_mnist(tmp_path))}
    task = open_task(Configuration.of(task=name, batch_size=10, **folder))
    by_rows = open_task(Configuration.of(task=name.split("-")[1], batch_size=10, **folder))
    pixels = by_rows.test.inputs.reshape(len(by_rows.test.inputs), -1, 1)
    order = np.random.default_rng(0).permutation(pixels.shape[1]) if name[:2] == "pe" else np.arange(pixels.shape[1])
    np.testing.assert_array_equal(task.test.inputs, pixels[:, order])
    np.testing.assert_array_equal(task.test.targets, by_rows.test.targets)
    assert task.name == name


@pytest.mark.parametrize("name", ["delayed-digits", "temporal-order", "adding", "copy-memory"])
def test_a_range_of_lengths_draws_one_for_every_batch_and_tests_the_longest(name):
    task = open_task(Configuration.of(task=name, length="21..24", batch_size=3))
    assert task.length == task.validation.inputs.shape[1] == 24
    some, again = ([*itertools.islice(task.batches(np.random.default_rng(0)), 40)] for _ in range(2))
    assert {batch.inputs.shape[:2] for batch in some} == {(3, length) for length in (21, 22, 23, 24)}
    for one, other in zip(some, again, strict=True):
        np.testing.assert_array_equal(one.inputs, other.inputs)
    assert task.description.endswith(
        "; trained on batches of 21 to 24 steps, one of 4 lengths drawn for each, validated and tested at T = 24"
    )


def test_of_a_wide_range_a_few_lengths_are_drawn():
    lengths = of_range(50, 200)
    assert lengths == [50, 71, 93, 114, 136, 157, 179, 200]
    assert of_range(10, 17) == [*range(10, 18)]
    assert of_range(10, 18) == [10, 11, 12, 13, 15, 16, 17, 18]
    assert of_range(0, 18) == [18]
    found = [*itertools.islice(drawn(50, 200, np.random.default_rng(0)), 800)]
    assert sorted(set(found)) == lengths
    assert min(found.count(length) for length in lengths) > 60


@pytest.mark.parametrize("name", ["delayed-digits", "temporal-order", "adding", "copy-memory"])
def test_lengths_that_grow(name):
    schedule = "rounded(linear(21, length + 4, 0.5 * steps), 3)"
    task = open_task(Configuration.of(task=name, length=27, length_schedule=schedule, steps=10, batch_size=3))
    found = [batch.inputs.shape[1] for batch in itertools.islice(task.batches(np.random.default_rng(0)), 8)]
    assert found == [21, 24, 24, 27, 27, 27, 27, 27]
    assert task.length == 27
    assert (
        "whose length follows rounded(linear(21.0, 31.0, 5), 3), 27 at most, validated and tested at T = 27"
        in task.description
    )


def test_noise_is_added_to_training_inputs_alone():
    plain, noisy = (open_task(Configuration.of(task="digits", input_noise=std)) for std in (0, 0.5))
    np.testing.assert_array_equal(plain.validation.inputs, noisy.validation.inputs)
    np.testing.assert_array_equal(plain.test.inputs, noisy.test.inputs)
    one, two = itertools.islice(noisy.batches(np.random.default_rng(0)), 2)
    first = next(plain.batches(np.random.default_rng(0)))  # in the same order: that was drawn before
    np.testing.assert_array_equal(one.targets, first.targets)
    assert one.inputs.dtype == np.float32
    assert (one.inputs - first.inputs).std() == pytest.approx(0.5, rel=0.05)
    assert not np.array_equal(one.inputs, two.inputs)
    np.testing.assert_array_equal(next(noisy.batches(np.random.default_rng(0))).inputs, one.inputs)


def test_mnist_reads_its_folder(tmp_path):
    some_mnist(tmp_path)
    task = open_task(Configuration.of(task="mnist", data_folder=str(tmp_path), batch_size=10))
    assert (task.n_inputs, task.length, len(task.test[0])) == (28, 28, 10)
    with pytest.raises(ValueError, match="batch_size=31: mnist has 27 training examples, besides 3 for validation"):
        open_task(Configuration.of(task="mnist", data_folder=str(tmp_path), batch_size=31))
