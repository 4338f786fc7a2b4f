"""Options of the main job: their defaults, what is refused, and the file they are saved in."""

import tomllib

import pytest

from minigrad.optim.configuration import METHODS, TASK_DEFAULTS, Configuration


def test_defaults_suit_the_task_and_the_optimizer():
    digits = Configuration.of()
    assert (digits.task, digits.length, digits.methods, digits.learning_rate) == ("digits", 64, tuple(METHODS), 0.001)
    order = Configuration.of(task="temporal-order", optimizer="adam", steps=100)
    assert (order.length, order.batch_size, order.learning_rate, order.record_every) == (50, 20, 0.001, 2)
    assert Configuration.of(penalty="variance").methods == ("backprop", "exact")
    assert Configuration.of(steps=3).record_every == 1


@pytest.mark.parametrize("task", [task for task in TASK_DEFAULTS if task != "mnist"])
def test_saved_and_loaded_it_is_the_same(task, tmp_path):
    configuration = Configuration.of(task=task, weight=0.1 + 0.2, methods=["immediate", "backprop"])
    configuration.save(tmp_path / "config.toml")
    assert Configuration.load(tmp_path / "config.toml") == configuration
    assert Configuration.load(tmp_path / "config.toml", steps=7).steps == 7
    assert tomllib.loads((tmp_path / "config.toml").read_text())["methods"] == ["immediate", "backprop"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "digit"}, r"task='digit' is unknown \(did you mean digits\?\): one of digits, mnist"),
        ({"task": "x"}, "task='x' is unknown: one of"),
        ({"task": ["digits"]}, r"task=\['digits'\] is unknown"),
        ({"penalty": "omege"}, "penalty='omege' is unknown .did you mean omega"),
        ({"initialization": "zeros"}, "initialization='zeros' is unknown"),
        ({"optimizer": "rmspropp"}, "optimizer='rmspropp' is unknown"),
        ({"methods": ["exact", "plain"]}, "methods='plain' is unknown"),
        ({"methods": ["exact", "exact"]}, "names one twice"),
        ({"methods": []}, "name at least one of backprop, exact, immediate"),
        ({"penalty": "variance", "methods": ["immediate"]}, "the immediate form is omega's"),
        ({"task": "adding", "length": -3}, "length=-3: it must be at least 10: adding"),
        ({"task": "temporal-order", "length": 9}, "length=9: it must be at least 10"),
        ({"length": 32}, "length=32: it must be 64 for digits"),
        ({"weight": -0.1}, "weight=-0.1: it must be 0 or more"),
        ({"weight": float("nan")}, "weight=nan"),
        ({"learning_rate": 0}, "learning_rate=0.0: it must be positive"),
        (
            {"schedule": "cosin(rate, steps)"},
            r"a schedule is made of numbers, rate, steps and calls of .*cosin\(rate, steps\) is none",
        ),
        ({"schedule": "cosine(rate)"}, "the schedule 'cosine\\(rate\\)' cannot be read"),
        ({"schedule": "step_decay(rate, 10, 1)"}, "schedule: the schedule .* at step 3999"),
        ({"steps": 0}, "steps=0: it must be at least 1"),
        ({"steps": 1.5}, "steps=1.5: an integer is expected"),
        ({"steps": True}, "steps=True: an integer is expected"),
        ({"seeds": 0}, "seeds=0"),
        ({"first_seed": -1}, "first_seed=-1"),
        ({"clip": -1}, "clip=-1.0"),
        ({"penalty": 3}, "penalty=3: a text is expected"),
        ({"data_folder": "x"}, "data_folder and download are for task mnist"),
        ({"task": "mnist"}, "task mnist needs its files"),
        ({"step": 3}, r"there is no option 'step' \(did you mean steps\?\)"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Configuration.of(**options)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"data_folder: there is no folder .*nowhere"):
        Configuration.of(task="mnist", data_folder=str(tmp_path / "nowhere"))
    assert Configuration.of(task="mnist", data_folder=str(tmp_path)).length == 28


def test_a_configuration_file_that_cannot_be_read_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no configuration file .*config.toml"):
        Configuration.load(tmp_path / "config.toml")
    file = tmp_path / "c.toml"
    file.write_text("steps = \n")
    with pytest.raises(ValueError, match=r"c.toml is not a TOML file: .*line 1"):
        Configuration.load(file)
    file.write_text("step = 3\n")
    with pytest.raises(ValueError, match=r"c.toml: there is no option 'step' \(did you mean steps\?\)"):
        Configuration.load(file)
