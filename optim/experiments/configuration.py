"""The options of the main job: their meaning, their defaults, what is refused, and the file they are saved in."""

from __future__ import annotations

import difflib
import math
import os
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.compiler.compiled import BACKENDS
from minigrad.files import write_file
from minigrad.models.inputs import shown
from minigrad.models.scheduled import value_at
from minigrad.optim.experiments.cells import CELLS
from minigrad.optim.experiments.lengths import MOST, drawn, growing, of_range, read_range
from minigrad.optim.experiments.methods import (
    BASELINES,
    LARGEST_WEIGHT,
    METHODS,
    NAMES,
    PENALTIES,
    Method,
    read_method,
    read_schedule,
    read_weight,
)
from minigrad.optim.experiments.task_options import OF_ANY_LENGTH, OF_MNIST, TASKS
from minigrad.optim.schedules import Schedule

INITIALIZATIONS = {
    "normal": "W, R, V normal with standard deviation --std; biases 0",
    "orthogonal": "W orthogonal; R, V normal with standard deviation --std; biases 0",
}
LEARNING_RATES = {"sgd": 0.05, "momentum": 0.005, "adagrad": 0.01, "rmsprop": 0.001, "adam": 0.001}
LARGEST = {  # beyond, a number is taken for a slip: a float32 holds no 1e39, and no machine 10^9 states
    "length": 10**6,
    "states": 10**5,
    "batch_size": 10**6,
    "steps": 10**9,
    "record_every": 10**9,
    "seeds": 10**4,
    "first_seed": 2**53,  # as far as other readers of TOML count one by one
    "weight": LARGEST_WEIGHT,
    "delay_noise": 1e6,
    "input_noise": 1e6,
    "std": 1e6,
    "clip": 1e30,
    "learning_rate": 3e38,
}
N_LOOKED_AT = 10**5  # steps at which a schedule is looked at beforehand, at most
LARGEST_FILE = 1 << 20  # bytes of a configuration file


def _by_task(name: str, default: Any = None) -> str:
    """The default of an option, the commonest first, and of which tasks it is another."""
    tasks: dict[Any, list[str]] = {}
    for task, options in TASKS.items():
        tasks.setdefault(options.defaults.get(name, default), []).append(task)
    first, *others = sorted(tasks, key=lambda value: -len(tasks[value]))
    return "; ".join([f"default: {first}", *[f"{value} of {', '.join(tasks[value])}" for value in others]])


def _option(default: Any, metavar: str, text: str, **more: Any) -> Any:
    return field(default=default, metadata={"metavar": metavar, "help": text, **more})


@dataclass(frozen=True)
class Configuration:
    """All that decides the numbers of a run; the same configuration gives the same numbers, bit for bit, on one machine.

    `Configuration.of(task="adding", steps=100)` fills the rest and refuses what cannot be.
    """

    task: str = _option("delayed-digits", "TASK", f"what is learned: {', '.join(TASKS)} (default: delayed-digits)")
    length: int = _option(
        0,
        "T",
        f"time steps of a sequence ({_by_task('length')}); a range, 50..200, draws one of up to {MOST} for every batch, and the longest is validated "
        f"and tested; to be chosen for {', '.join(OF_ANY_LENGTH)}",
        type=str,
    )
    shortest: int = 0  # of a range of lengths; 0 where there is one length
    length_schedule: str = _option(
        "",
        "CALL",
        'lengths that follow a schedule, at most length, as in "rounded(linear(20, length, 0.6 * steps), 10)": few different ones '
        "keep it fast (default: none)",
    )
    input_noise: float = _option(
        0.0, "STD", "standard deviation of noise added to the inputs of training batches (default: 0)"
    )
    delay_noise: float = _option(
        0.3, "STD", "delayed-digits: standard deviation of the noise after the digit, 0 for blanks (default: 0.3)"
    )
    data_folder: str = _option("", "FOLDER", "the four MNIST files, plain or .gz")
    download: bool = _option(False, "", "download MNIST, into --data-folder if given")
    methods: tuple[str, ...] = _option(
        ("backprop", "immediate", "exact"),
        "METHOD",
        f"what is compared: {', '.join(METHODS)}, a penalty's name, {' or '.join(BASELINES)}; with a weight of its own, a number or a schedule, as in "
        'omega=0.1 or "omega=linear(0.3, 0, steps)" (default: backprop immediate exact, without immediate where the net is no '
        "rnn or --penalty says otherwise)",
    )
    penalty: str = _option(
        "relative-variance",
        "PENALTY",
        f"the penalty of the method exact, and the G that is shown for all: {', '.join(PENALTIES)} (default: relative-variance)",
    )
    weight: float = _option(
        0.0,
        "C",
        "the weight of exact (default: 0.3, of relative-variance 0.1) and, if the penalty is omega, of immediate",
    )
    loss_weight: str = _option(
        "1",
        "C",
        'what the loss itself is multiplied by, a number or a schedule, as in "piecewise({0: 0, 100: 1})" (default: 1)',
    )
    cell: str = _option("rnn", "CELL", f"the recurrent layer: {', '.join(CELLS)} (default: rnn)")
    initialization: str = _option(
        "normal",
        "START",
        f"normal, or orthogonal: W orthogonal and the others normal ({_by_task('initialization', 'normal')})",
    )
    std: float = _option(0.1, "STD", "standard deviation of normal starts (default: 0.1)")
    states: int = _option(50, "D", "units of the recurrent state (default: 50)")
    optimizer: str = _option("", "NAME", f"{', '.join(LEARNING_RATES)} ({_by_task('optimizer')})")
    learning_rate: float = _option(
        0.0,
        "RATE",
        f"({_by_task('learning_rate', 'that of the optimizer')}: {', '.join(f'{rate:g} for {name}' for name, rate in LEARNING_RATES.items())})",
    )
    schedule: str = _option(
        "",
        "CALL",
        "a schedule of minigrad.optim.schedules in place of a constant rate, where rate and steps stand for those options: "
        f'"cosine(rate, 0.9 * steps)" ({_by_task("schedule", "none")})',
    )
    clip: float = _option(
        1.0, "NORM", "largest norm of the gradient of loss and penalty together, 0 for no clip (default: 1)"
    )
    batch_size: int = _option(0, "N", f"sequences per training step ({_by_task('batch_size')})")
    steps: int = _option(0, "N", f"training steps ({_by_task('steps')})")
    record_every: int = _option(
        0,
        "N",
        f"training steps between two rows of the history ({_by_task('record_every', '40 rows')}); adjoints are also recorded at steps 1, 2, 5, 10, … "
        "before the first of them",
    )
    seeds: int = _option(
        1, "N", f"how many seeds; the report counts those that learned the task ({_by_task('seeds', 1)})"
    )
    eager: bool = _option(
        False, "", "build the nodes anew in every step instead of compiling them: slower, the same numbers to rounding"
    )
    backend: str = _option(
        "numpy",
        "NAME",
        "what compiled steps and updates are run by: numpy, numba (the extra [fast]), or auto, the faster one of these that is installed "
        "(default: numpy)",
    )
    first_seed: int = _option(0, "SEED", "the first seed, from which the others count up (default: 0)")

    @classmethod
    def of(cls, **given: Any) -> Configuration:
        """The given options, and the defaults that suit them; ValueError where one cannot be."""
        names = [f.name for f in fields(cls) if f.metadata]
        for name in given:
            if name not in names:
                raise ValueError(f"there is no option {name!r}{did_you_mean(name, names)}")
        task = given.get("task", cls.task)
        _one_of("task", task, TASKS)
        defaults = dict(TASKS[task].defaults)
        if given.get("cell") in [name for name, cell in CELLS.items() if cell.own_start]:
            defaults.pop("initialization", None)
        optimizer = given.get("optimizer", defaults["optimizer"])
        _one_of("optimizer", optimizer, LEARNING_RATES)
        if type(given.get("loss_weight")) in (int, float):
            given["loss_weight"] = str(given["loss_weight"])
        if "length" in given:
            given["shortest"], given["length"] = read_range(given["length"])
        given = {name: _typed(cls, name, value) for name, value in given.items()}
        penalty = given.get("penalty", cls.penalty)
        _one_of("penalty", penalty, PENALTIES)
        if optimizer != defaults["optimizer"]:
            defaults = {**defaults, "learning_rate": LEARNING_RATES[optimizer]}
        options = {"learning_rate": LEARNING_RATES[optimizer], "weight": PENALTIES[penalty].weight, **defaults, **given}
        if options.get("cell", cls.cell) != "rnn" or penalty not in ("omega", "relative-variance"):
            options.setdefault(
                "methods", ("backprop", "exact")
            )  # the immediate form is Omega's, of the plain recurrent net
        options.setdefault("record_every", max(options["steps"] // 40, 1))
        configuration = cls(**options)
        configuration._check()
        return configuration

    @classmethod
    def load(cls, path: str | os.PathLike[str], **given: Any) -> Configuration:
        """Read a saved configuration; the given options override what it says."""
        file = Path(path)
        if not os.path.isfile(file):  # of a path that no system takes, Path.is_file raises  # noqa: PTH113
            raise FileNotFoundError(f"there is no configuration file {file}: give the config.toml of a run folder")
        try:
            with file.open("rb") as stream:
                text = stream.read(LARGEST_FILE + 1)
        except OSError as error:
            raise type(error)(f"the configuration file {file} cannot be read ({error.strerror})") from None
        if len(text) > LARGEST_FILE:
            raise ValueError(f"{file} is no configuration: it has more than {LARGEST_FILE:,} bytes")
        try:
            saved = tomllib.loads(text.decode())
        except (ValueError, RecursionError) as error:  # UnicodeDecodeError and TOMLDecodeError are ValueErrors
            raise ValueError(f"{file} is not a TOML file: {error}") from None
        try:
            return cls.of(**{**saved, **given})
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as TOML, for `load`."""
        import tomli_w

        table = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        del table["shortest"]
        if self.shortest:
            table["length"] = f"{self.shortest}..{self.length}"
        write_file(path, tomli_w.dumps(table))

    @property
    def rate(self) -> float | Schedule:
        """The learning rate: a number, or the schedule that is asked for."""
        if not self.schedule:
            return self.learning_rate
        return read_schedule("schedule", self.schedule, rate=self.learning_rate, steps=self.steps)

    @property
    def rate_in_words(self) -> str:
        """The learning rate as reports and figures write it."""
        return repr(self.rate) if self.schedule else f"{self.learning_rate:g}"

    @property
    def of_loss(self) -> float | Schedule:
        """The weight of the loss."""
        return read_weight(f"loss_weight={shown(self.loss_weight)}", self.loss_weight, self.steps)

    def method(self, text: str) -> Method:
        """Read one of `methods`."""
        return read_method(text, self.penalty, self.weight, self.steps)

    def lengths(self, rng: np.random.Generator) -> Iterator[int]:
        """The length of the sequences of every batch."""
        if self.length_schedule:
            return growing(self._lengths_by_step, self.length)
        return drawn(self.shortest, self.length, rng)

    @property
    def lengths_in_words(self) -> str:
        """Describe lengths that differ from batch to batch; "" where they do not."""
        if self.length_schedule:
            said = f"whose length follows {self._lengths_by_step!r}, {self.length} at most"
        elif self.shortest:
            n = len(of_range(self.shortest, self.length))
            said = f"of {self.shortest} to {self.length} steps, one of {n} lengths drawn for each"
        else:
            return ""
        return f"; trained on batches {said}, validated and tested at T = {self.length}"

    @property
    def _looked_at(self) -> list[int]:
        """Steps at which schedules are looked at beforehand: all, or N_LOOKED_AT of them, the first and last included."""
        return np.linspace(0, self.steps - 1, min(self.steps, N_LOOKED_AT), dtype=int).tolist()  # type: ignore[no-any-return]

    @property
    def _lengths_by_step(self) -> Schedule:
        return read_schedule("length_schedule", self.length_schedule, length=self.length, steps=self.steps)

    def _check_lengths(self) -> None:
        """ValueError where sequences of such lengths are not to be had."""
        task = TASKS[self.task]
        if not task.shortest:
            fixed, choice = task.defaults["length"], f"only {', '.join(OF_ANY_LENGTH)} have a choice"
            _refuse_unless(
                self.length == fixed and not self.shortest, "length", self.length, f"{fixed} for {self.task}: {choice}"
            )
            _refuse_unless(not self.length_schedule, "length_schedule", self.length_schedule, f"left out: {choice}")
            return
        shortest, least = self.shortest or self.length, f"at least {task.shortest}: {self.task} {task.why}"
        _refuse_unless(shortest >= task.shortest, "length", shortest, least)
        if not self.length_schedule:
            return
        if self.shortest:
            raise ValueError("length and length_schedule: give a range or a schedule, and not both")
        schedule = self._lengths_by_step
        for step in self._looked_at:
            length = value_at(schedule, step, "length_schedule")
            if round(length) < task.shortest:
                raise ValueError(
                    f"length_schedule: at step {step} it gives the length {length:g}, and it must be {least}"
                )

    def _check_schedule(self) -> None:
        """ValueError where the schedule cannot be read, gives no rate at some step, or 0 at all of them."""
        if callable(rate := self.rate):
            rates = [value_at(rate, step, "schedule") for step in self._looked_at]
            _refuse_unless(any(rates), "schedule", self.schedule, "above 0 at some step")

    def _check_weight(self) -> None:
        """ValueError where a weight was given, and only methods that do not take it could have been meant."""
        shared = any(text == "exact" or (text == "immediate" and self.penalty == "omega") for text in self.methods)
        without = [text for text in self.methods if text in PENALTIES or text in BASELINES]
        if self.weight != PENALTIES[self.penalty].weight and without and not shared:
            raise ValueError(
                f"weight={self.weight:g} is the weight of the method exact, which is not compared: write {without[0]}={self.weight:g}"
            )

    def _check_methods(self) -> None:
        """ValueError where there is none, one that is unknown, one twice, or one that does not fit the cell."""
        if not self.methods:
            raise ValueError(f"methods: name at least one of {', '.join(NAMES)}")
        self._check_weight()
        for text in self.methods:
            _one_of("methods", text.partition("=")[0], NAMES)
        found = [self.method(text) for text in self.methods]
        if len({replace(method, stated=True).label for method in found}) < len(found):
            raise ValueError(f"methods: {' '.join(self.methods)} names one twice")
        of_loss = self.of_loss
        unused = not any(map(of_loss, self._looked_at)) if callable(of_loss) else of_loss == 0
        if unused and (alone := [method.name for method in found if method.weight == 0]):
            raise ValueError(
                f"loss_weight={self.loss_weight}: {alone[0]} has the loss alone, and nothing would be trained"
            )
        immediate = any(method.name == "immediate" for method in found)
        if self.cell != "rnn" and immediate:
            raise ValueError(f"methods: the immediate form is the rnn's; with {self.cell} compare backprop and exact")
        if CELLS[self.cell].mixed and any(method.name == "soft-orthogonality" for method in found):
            raise ValueError(
                f"methods: soft-orthogonality is for a recurrent matrix that is a parameter itself, which {self.cell} has not"
            )

    def _check(self) -> None:
        for name, table in (("initialization", INITIALIZATIONS), ("cell", CELLS), ("backend", BACKENDS)):
            _one_of(name, getattr(self, name), table)
        if self.initialization != "normal" and CELLS[self.cell].own_start:
            raise ValueError(
                f"initialization={self.initialization!r}: {self.cell} starts in a way of its own; {self.initialization} is for "
                f"{', '.join(name for name, cell in CELLS.items() if not cell.own_start)}"
            )
        if self.cell == "tilted" and self.task == "copy-memory":
            raise ValueError(
                "cell='tilted': it makes one output of all time steps, and copy-memory takes one at every step"
            )
        for name in ("states", "batch_size", "steps", "record_every", "seeds"):
            _refuse_unless(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        for name in ("weight", "delay_noise", "input_noise", "clip", "std", "first_seed"):
            _refuse_unless(0 <= getattr(self, name) < math.inf, name, getattr(self, name), "0 or more, and finite")
        _refuse_unless(0 < self.learning_rate < math.inf, "learning_rate", self.learning_rate, "positive and finite")
        for name, largest in LARGEST.items():
            _refuse_unless(getattr(self, name) <= largest, name, getattr(self, name), f"at most {largest:,}")
        if self.eager and self.backend == "numba":
            raise ValueError("eager and backend='numba': nodes that are built anew in every step are run by NumPy")
        self._check_schedule()
        self._check_methods()
        self._check_lengths()
        if self.task != "delayed-digits" and self.delay_noise != Configuration.delay_noise:
            raise ValueError(f"delay_noise is for delayed-digits, and the task is {self.task}")
        if self.task not in OF_MNIST and (self.data_folder or self.download):
            raise ValueError(f"data_folder and download are for {', '.join(OF_MNIST)}, and the task is {self.task}")
        if self.task in OF_MNIST and not (self.data_folder or self.download):
            raise ValueError(f"task {self.task} needs its files: --data-folder with the four IDX files, or --download")
        if self.task in OF_MNIST and not self.download and not os.path.isdir(self.data_folder):  # noqa: PTH112 (as above)
            raise FileNotFoundError(f"data_folder: there is no folder {self.data_folder}")


def _typed(cls: type[Configuration], name: str, value: Any) -> Any:
    """The value in the type of its option; an int may stand for a float, a list for a tuple."""
    wanted = type(getattr(cls, name))
    if wanted is float and type(value) is int:
        return float(value) if abs(value) < 2**1000 else math.inf if value > 0 else -math.inf
    if wanted is tuple and isinstance(value, (list, tuple)) and all(isinstance(entry, str) for entry in value):
        return tuple(value)
    if type(value) is not wanted:
        kind = {float: "a number", int: "an integer", str: "a text", bool: "true or false", tuple: "a list of texts"}
        raise ValueError(f"{name}={shown(value)}: {kind[wanted]} is expected")
    return value


def _one_of(name: str, value: Any, known: Iterable[str]) -> None:
    if not isinstance(value, str) or value not in list(known):
        raise ValueError(f"{name}={shown(value)} is unknown{did_you_mean(value, known)}: one of {', '.join(known)}")


def did_you_mean(word: Any, words: Iterable[str]) -> str:
    """Name the nearest of the known words in parentheses; "" where none is near."""
    close = difflib.get_close_matches(str(word), list(words), 1)
    return f" (did you mean {close[0]}?)" if close else ""


def _refuse_unless(condition: bool, name: str, value: Any, expected: str) -> None:
    if not condition:
        raise ValueError(f"{name}={shown(value)}: it must be {expected}")
