"""The main job on sequences with an answer at every time step, with padding, and of differing lengths."""

import re
from dataclasses import replace

import numpy as np
import pytest

from minigrad.models.penalties import adjoints
from minigrad.node import Input
from minigrad.optim.experiments import tasks
from minigrad.optim.experiments.cells import CELLS
from minigrad.optim.experiments.comparison import Gauge, compare
from minigrad.optim.experiments.configuration import Configuration
from minigrad.optim.experiments.nets import make_net
from minigrad.optim.experiments.report import report
from minigrad.optim.experiments.sizes import check_size, estimated_bytes
from minigrad.optim.experiments.task_options import OF_MNIST, TASKS
from minigrad.optim.experiments.tasks import open_task
from minigrad.optim.training import outputs_and_states
from tests.optim.experiments.small_job import some_mnist

SMALL = {"states": 4, "steps": 2, "batch_size": 4, "record_every": 1, "eager": True}
COPY = {"task": "copy-memory", "length": 21} | SMALL
NAMES = {"task": "names"} | SMALL


def opened(options):
    configuration = Configuration.of(**options)
    task = open_task(configuration)
    return configuration, replace(task, validation=task.validation.first(30), test=task.test.first(30))


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_trained_by_its_default_methods(name, tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "N_GENERATED", 20)
    folder = {"data_folder": str(some_mnist(tmp_path))} if name in OF_MNIST else {}
    configuration = Configuration.of(task=name, **SMALL | folder | {"steps": 1, "seeds": 1})
    task = open_task(configuration)
    made = compare(
        configuration, replace(task, validation=task.validation.first(20), test=task.test.first(20)), quiet=True
    )
    assert {run.method for run in made.runs} == set(configuration.methods)
    for run in made.runs:
        assert not run.stopped
        assert np.isfinite([run.test_loss, run.G]).all()
        assert 0 <= run.test_score <= 1
    assert re.search(f"learn(ed)? to {task.goal}", report(made, tmp_path))


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell != "tilted"])
def test_every_cell_answers_at_every_time_step(cell):
    configuration, task = opened(COPY | {"cell": cell})
    net = make_net(configuration, task, np.random.default_rng(0))
    batch = task.test.first(3)
    outputs, states = outputs_and_states(net, Input(batch.inputs))
    assert outputs.shape == (3, 21, 6)
    assert len(states) == 21
    last_alone = make_net(configuration, replace(task, every_step=False), np.random.default_rng(0))
    np.testing.assert_allclose(outputs.value[:, -1], last_alone(batch.inputs).value, atol=1e-6)
    (own,) = adjoints(task.loss(outputs[:, :1], Input(batch.targets[:, :1])), states[:1])
    assert own.value.any()  # a loss at the first step already
    for run in compare(configuration, task, quiet=True).runs:
        assert not run.stopped
        assert np.isfinite([run.test_loss, run.G, run.log10_ratio]).all()
        assert len(run.adjoints[0][1]) == 21
        assert run.test_score == run.right.mean()


@pytest.mark.parametrize("cell", ["rnn", "gru", "tilted"])
def test_padding_is_left_out_of_training_scores_and_adjoints(cell):
    """Whatever stands in the padding, all numbers are the same, and the adjoints those of each name alone."""
    configuration, task = opened(NAMES | {"cell": cell})

    def spoiled(batch):
        return batch._replace(inputs=np.where(batch.mask[..., np.newaxis], batch.inputs, np.float32(np.nan)))

    other = replace(
        task,
        batches=lambda rng: map(spoiled, task.batches(rng)),
        validation=spoiled(task.validation),
        test=spoiled(task.test),
    )
    for run, same in zip(*(compare(configuration, each, quiet=True).runs for each in (task, other)), strict=True):
        assert not run.stopped
        for name, array in run.parameters.items():
            np.testing.assert_array_equal(same.parameters[name], array)
        assert (run.test_loss, run.test_score, run.G) == (same.test_loss, same.test_score, same.G)
    net = make_net(configuration, task, np.random.default_rng(0))
    _, ratio, norms = Gauge(configuration, task, net).read()
    alone = []
    for inputs, target, present in zip(*task.validation, strict=True):
        outputs, states = outputs_and_states(net, Input(inputs[np.newaxis, present]))
        found = adjoints(task.loss(outputs, Input(target[np.newaxis])), states)
        alone.append([float(np.linalg.norm(adjoint.value)) for adjoint in found])
    longest = max(map(len, alone))
    assert 2 < longest < 14
    means = [np.mean([own[-t] for own in alone if len(own) >= t]) for t in range(1, longest + 1)]
    np.testing.assert_allclose(norms[::-1][:longest], means, rtol=1e-4)
    assert np.isnan(norms[: 14 - longest]).all()
    assert ratio == pytest.approx(np.log10(np.mean([own[0] for own in alone]) / means[0]), abs=1e-4)


@pytest.mark.slow
def test_lengths_and_noise_are_the_same_by_several_workers_and_from_the_saved_configuration(tmp_path):
    options = {"task": "temporal-order", "length": "10..12", "input_noise": 0.1, "methods": ["backprop"], "seeds": 2}
    given = Configuration.of(**SMALL | options | {"steps": 4, "eager": False})
    given.save(tmp_path / "config.toml")
    loaded = Configuration.load(tmp_path / "config.toml")
    found = [
        compare(configuration, open_task(configuration), quiet=True, workers=workers).runs
        for configuration, workers in ((given, 1), (given, 2), (loaded, 1))
    ]
    for one, *others in zip(*found, strict=True):
        for other in others:
            assert other.history["val_loss"] == one.history["val_loss"]
            for name, array in one.parameters.items():
                np.testing.assert_array_equal(other.parameters[name], array)


def test_the_weight_of_the_loss():
    """At twice the weight SGD without a clip goes as far as at twice the rate; a schedule lets the penalty go first."""
    options = {"task": "adding", "length": 10, "optimizer": "sgd", "clip": 0, "schedule": "", **SMALL}

    def trained(method, **changed):
        configuration, task = opened(options | {"methods": [method], "learning_rate": 0.01} | changed)
        return compare(configuration, task, quiet=True).runs[0].parameters["W"]

    twice = trained("backprop", loss_weight=2)
    np.testing.assert_allclose(twice, trained("backprop", learning_rate=0.02), rtol=1e-5)
    assert not np.array_equal(twice, trained("backprop"))
    assert not np.array_equal(trained("exact", loss_weight=0), trained("exact"))
    later = trained("exact", loss_weight="piecewise({0: 0, 1: 1})")
    assert not np.array_equal(later, trained("exact", loss_weight=0))
    np.testing.assert_array_equal(
        trained("exact", loss_weight="piecewise({0: 0, 1: 1})", steps=1), trained("exact", loss_weight=0, steps=1)
    )


def test_the_report_says_what_is_read_out_noisy_and_weighted(tmp_path):
    configuration, task = opened(COPY | {"input_noise": 0.25, "loss_weight": 0.5, "methods": ["backprop"]})
    text = report(compare(configuration, task, quiet=True), tmp_path)
    assert "outputs from every x_i." in text
    assert "4 examples each with noise of standard deviation 0.25 on their inputs" in text
    assert "the loss multiplied by 0.5" in text
    assert "the fraction of the symbols of 30 test sequences repeated rightly" in text


def test_sizes_count_the_programs_of_all_lengths():
    fixed, ranged, growing = (
        estimated_bytes(Configuration.of(**options))
        for options in ({"length": 200}, {"length": "50..200"}, {"length": 200, "length_schedule": "constant(50)"})
    )
    assert ranged == growing > fixed + 7 * 200 * 50_000
    with pytest.raises(ValueError, match=r"length=100000, .* GiB of memory by estimate"):
        check_size(Configuration.of(task="copy-memory", length="50..100000"))


def test_sizes_count_the_examples_that_are_generated():
    """With one state nearly all of the memory is theirs; the digits of delayed-digits are few."""
    generated, read = (
        estimated_bytes(Configuration.of(task=task, length=20_000, states=1)) for task in ("adding", "delayed-digits")
    )
    assert generated > 11_000 * 20_000 * 2 * 4 + read
    with pytest.raises(ValueError, match=r"states=1, length=20000, .* GiB of memory by estimate"):
        check_size(Configuration.of(task="adding", length=20_000, states=1))
