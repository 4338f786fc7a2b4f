"""Options of the main job: their defaults, what is refused, and the file they are saved in."""

import tomllib

import pytest

from minigrad.optim.experiments.configuration import Configuration
from minigrad.optim.experiments.task_options import OF_MNIST, TASKS


def test_defaults_suit_the_task_and_the_optimizer():
    delayed = Configuration.of()
    assert (delayed.task, delayed.length, delayed.learning_rate, delayed.seeds) == ("delayed-digits", 50, 0.002, 3)
    assert (delayed.penalty, delayed.weight, delayed.methods) == (
        "relative-variance",
        0.1,
        ("backprop", "immediate", "exact"),
    )
    assert Configuration.of(optimizer="sgd").learning_rate == 0.05
    digits = Configuration.of(task="digits", penalty="omega")
    assert (digits.length, digits.learning_rate, digits.weight) == (64, 0.001, 0.3)
    order = Configuration.of(task="temporal-order", optimizer="adam", steps=100)
    assert (order.length, order.batch_size, order.learning_rate, order.record_every) == (50, 20, 0.001, 2)
    assert Configuration.of(penalty="variance").methods == ("backprop", "exact")
    assert Configuration.of(cell="gru").methods == ("backprop", "exact")
    assert Configuration.of(steps=3).record_every == 1
    assert Configuration.of(task="adding").initialization == "orthogonal"
    assert Configuration.of(task="adding", cell="irnn").initialization == "normal"  # it starts in a way of its own
    assert Configuration.of(loss_weight=0.1).loss_weight == "0.1"


@pytest.mark.parametrize("task", [task for task in TASKS if task not in OF_MNIST])
def test_saved_and_loaded_it_is_the_same(task, tmp_path):
    configuration = Configuration.of(task=task, weight=0.1 + 0.2, methods=["immediate", "backprop"])
    configuration.save(tmp_path / "config.toml")
    assert Configuration.load(tmp_path / "config.toml") == configuration
    assert Configuration.load(tmp_path / "config.toml", steps=7).steps == 7
    assert tomllib.loads((tmp_path / "config.toml").read_text())["methods"] == ["immediate", "backprop"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "digit"}, r"task='digit' is unknown \(did you mean digits\?\): one of delayed-digits, digits"),
        ({"task": "x"}, "task='x' is unknown: one of"),
        ({"task": ["digits"]}, r"task=\['digits'\] is unknown"),
        ({"penalty": "omege"}, "penalty='omege' is unknown .did you mean omega"),
        ({"initialization": "zeros"}, "initialization='zeros' is unknown"),
        ({"optimizer": "rmspropp"}, "optimizer='rmspropp' is unknown"),
        ({"methods": ["exact", "plain"]}, "methods='plain' is unknown"),
        ({"methods": ["exact", "exact"]}, "names one twice"),
        ({"methods": []}, "name at least one of backprop, exact, immediate"),
        ({"methods": ["backprop=1"]}, "methods: backprop=1: backprop has no penalty"),
        ({"methods": ["omega="]}, r"methods: omega=: the schedule '' cannot be read \(invalid syntax\)$"),
        ({"methods": ["omega=-1"]}, "methods: omega=-1: a weight is a number from 0"),
        ({"methods": ["omega=nan"]}, "methods: omega=nan: a weight is a number from 0"),
        ({"methods": ["omega=1e31"]}, "methods: omega=1e31: a weight is a number from 0"),
        ({"methods": ["omega=linear(1, -1, steps)"]}, "linear"),
        ({"methods": ["omega=lin(1, 0)"]}, r"calls of .*lin\(1, 0\) is none"),
        ({"methods": ["omga=1"]}, r"methods='omga' is unknown \(did you mean omega\?\)"),
        ({"methods": ["exact", "relative-variance"]}, "names one twice"),
        ({"methods": ["exact", "relative-variance=0.1"]}, "names one twice"),
        ({"methods": ["omega=0.3", "omega=0.30"]}, "names one twice"),
        ({"task": "adding", "delay_noise": 0}, "delay_noise is for delayed-digits, and the task is adding"),
        ({"penalty": "soft-orthogonality"}, "penalty='soft-orthogonality' is unknown"),
        (
            {"methods": ["soft-orthogonality"], "cell": "exponential"},
            "methods: soft-orthogonality is for a recurrent matrix that is a parameter itself, which exponential has not",
        ),
        ({"length": 7}, "length=7: it must be at least 8: delayed-digits shows a digit in 8 steps"),
        ({"delay_noise": -1}, "delay_noise=-1.0: it must be 0 or more"),
        ({"task": "adding", "length": -3}, "length=-3: it must be at least 10: adding"),
        ({"task": "temporal-order", "length": 9}, "length=9: it must be at least 10"),
        ({"task": "digits", "length": 32}, "length=32: it must be 64 for digits: only delayed-digits, "),
        ({"weight": -0.1}, "weight=-0.1: it must be 0 or more"),
        ({"weight": float("nan")}, "weight=nan"),
        ({"learning_rate": 0}, "learning_rate=0.0: it must be positive"),
        (
            {"schedule": "cosin(rate, steps)"},
            r"a schedule is made of numbers, rate, steps and calls of .*cosin\(rate, steps\) is none",
        ),
        ({"schedule": "cosine(rate)"}, "the schedule 'cosine\\(rate\\)' cannot be read"),
        ({"schedule": "step_decay(rate, 10, 1)"}, "schedule: the schedule .* at step 309 "),
        ({"steps": 0}, "steps=0: it must be at least 1"),
        ({"steps": 1.5}, "steps=1.5: an integer is expected"),
        ({"steps": True}, "steps=True: an integer is expected"),
        ({"seeds": 0}, "seeds=0"),
        ({"first_seed": -1}, "first_seed=-1"),
        ({"clip": -1}, "clip=-1.0"),
        ({"penalty": 3}, "penalty=3: a text is expected"),
        (
            {"data_folder": "x"},
            "data_folder and download are for mnist, pixel-mnist, permuted-mnist, and the task is delayed",
        ),
        ({"task": "mnist"}, "task mnist needs its files"),
        ({"task": "pixel-mnist"}, "task pixel-mnist needs its files"),
        ({"task": "copy-memory", "length": 20}, "length=20: it must be at least 21: copy-memory shows 10 symbols"),
        ({"task": "copy-memory", "cell": "tilted"}, "cell='tilted': it makes one output of all time steps"),
        ({"task": "names", "length": 10}, "length=10: it must be 14 for names"),
        ({"length": "200..50"}, "length=200..50: a range is of positive lengths, the shortest first, as 50..200"),
        ({"length": "0..50"}, "length=0..50: a range is of positive lengths, the shortest first, as 1..50"),
        ({"length": "-5..-9"}, "length=-5..-9: a range is of positive lengths, the shortest first, as 1..1"),
        ({"length": "5..50"}, "length=5: it must be at least 8: delayed-digits"),
        ({"length": "50..1000001"}, "length=1000001: it must be at most 1,000,000"),
        ({"task": "digits", "length": "8..64"}, "length=64: it must be 64 for digits: only .* have a choice"),
        *[
            ({"length": wrong}, r"length=.*: expected a number of time steps, such as 50, or a range, 50..200")
            for wrong in ("", "..", "50..", "1..2..3", "50-200", "5e1", 2.5, True, None, [50, 200], "9" * 5000)
        ],
        ({"shortest": 20}, "there is no option 'shortest'"),
        (
            {"length_schedule": "linear(20, T, 9)"},
            r"length_schedule: .* made of numbers, length, steps and calls of .*; T is none",
        ),
        ({"length_schedule": "linear(2, length, 9)"}, "at step 0 it gives the length 2, and it must be at least 8"),
        (
            {"length_schedule": "linear(50, 7, steps)"},
            "at step 39.. it gives the length 7.*, and it must be at least 8",
        ),
        ({"length_schedule": "piecewise({0: 50, 3333: 5, 3334: 50})"}, "at step 3333 it gives the length 5"),
        ({"length_schedule": "constant(50)", "length": "8..50"}, "give a range or a schedule, and not both"),
        ({"length_schedule": "constant(64)", "task": "digits"}, "length_schedule=.*left out: only .* have a choice"),
        ({"loss_weight": 0}, "loss_weight=0: backprop has the loss alone, and nothing would be trained"),
        ({"loss_weight": "0.0"}, "loss_weight=0.0: backprop has the loss alone"),
        ({"loss_weight": "constant(0)"}, r"loss_weight=constant\(0\): backprop has the loss alone"),
        ({"schedule": "linear(0, 0, steps)"}, "schedule=.*: it must be above 0 at some step"),
        ({"loss_weight": -1}, "loss_weight='-1': a weight is a number from 0"),
        ({"loss_weight": 0, "methods": ["omega=0"]}, "loss_weight=0: omega has the loss alone"),
        ({"loss_weight": "x"}, "loss_weight='x': a schedule is made of numbers, steps and calls of"),
        ({"schedule": "foo(3)"}, "schedule: a schedule is made of numbers, rate, steps and calls of"),
        ({"loss_weight": True}, "loss_weight=True: a text is expected"),
        ({"loss_weight": "piecewise({0: 0, 10: 1e400})", "steps": 20}, "a finite number of at least 0"),
        ({"input_noise": -1}, "input_noise=-1.0: it must be 0 or more"),
        ({"input_noise": 1e7}, "input_noise=10000000.0: it must be at most"),
        ({"step": 3}, r"there is no option 'step' \(did you mean steps\?\)"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Configuration.of(**options)


@pytest.mark.parametrize(
    ("method", "label", "weight"),
    [
        ("exact", "log-ratio (exact)", 0.7),
        ("exact=2", "log-ratio (exact, 2)", 2),
        ("immediate", "Omega (immediate)", 0.3),
        ("immediate=1e-3", "Omega (immediate, 0.001)", 0.001),
        ("relative-variance", "relative variance (exact)", 0.1),
        ("omega=0", "Omega (exact, 0)", 0),
        ("soft-orthogonality", "soft orthogonality", 0.01),
        ("norm-stabilizer=10", "norm stabilizer (10)", 10),
    ],
)
def test_a_method_has_a_penalty_and_a_weight_of_its_own(method, label, weight):
    methods = list(dict.fromkeys(["exact", method]))  # exact is the one that takes the option
    found = Configuration.of(penalty="log-ratio", weight=0.7, methods=methods).method(method)
    assert (found.label, found.weight) == (label, weight)
    (penalty,) = found.penalties()
    assert penalty.weight == weight


def test_a_weight_that_no_method_takes_is_refused():
    with pytest.raises(
        ValueError, match=r"weight=0.5 is the weight of the method exact, which is not compared: write omega=0.5"
    ):
        Configuration.of(weight=0.5, methods=["backprop", "omega", "relative-variance"])
    assert Configuration.of(weight=0.5, methods=["backprop", "omega", "exact"]).weight == 0.5
    assert Configuration.of(weight=0.5, methods=["backprop"]).weight == 0.5  # nothing was meant by it


def test_omega_shares_its_weight_with_its_immediate_form():
    c = Configuration.of(penalty="omega", weight=0.7)
    assert c.methods == ("backprop", "immediate", "exact")
    assert [c.method(method).weight for method in c.methods] == [0, 0.7, 0.7]
    assert Configuration.of(penalty="omega", weight=0.7, methods=["immediate"]).method("immediate").weight == 0.7


def test_the_weight_of_a_method_may_follow_a_schedule():
    c = Configuration.of(steps=100, methods=["omega=linear(0.3, 0, steps)"])
    method = c.method(c.methods[0])
    assert method.label == "Omega (exact, linear(0.3, 0.0, 100))"
    assert [method.weight(step) for step in (0, 50, 100)] == pytest.approx([0.3, 0.15, 0])


def test_a_range_of_lengths_is_saved_and_overridden_as_one_option(tmp_path):
    ranged = Configuration.of(length="20..50")
    assert (ranged.shortest, ranged.length) == (20, 50)
    ranged.save(tmp_path / "config.toml")
    saved = tomllib.loads((tmp_path / "config.toml").read_text())
    assert saved["length"] == "20..50"
    assert "shortest" not in saved
    assert Configuration.load(tmp_path / "config.toml") == ranged
    fixed = Configuration.load(tmp_path / "config.toml", length="30")
    assert fixed == Configuration.of(length=30) == Configuration.of(length="30..30")
    assert (fixed.shortest, fixed.length) == (0, 30)
    fixed.save(tmp_path / "config.toml")
    assert tomllib.loads((tmp_path / "config.toml").read_text())["length"] == 30


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
