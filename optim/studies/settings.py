"""Settings of a study: read from a TOML file, every key known and of its kind; and the optimizers that runs name there."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from minigrad import optim
from minigrad.node import Parameter

S = TypeVar("S")
Runs = Mapping[str, Mapping[str, Any]]  # by name the optimizer's class and its arguments
LARGEST_FILE = 1 << 20  # bytes
OPTIMIZERS = {make.__name__: make for make in (optim.SGD, optim.AdaGrad, optim.RMSProp, optim.Adam, optim.AdamW)}


def read(path: str) -> dict[str, Any]:
    """Read the tables of a TOML file; ValueError that names the file where it is none."""
    with Path(path).open("rb") as stream:
        text = stream.read(LARGEST_FILE + 1)
    if len(text) > LARGEST_FILE:
        raise ValueError(f"{path}: a configuration has at most {LARGEST_FILE} bytes")
    try:
        return tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: no TOML: {error}") from None


def settings_of(kind: type[S], given: Mapping[str, Any], where: str) -> S:
    """Make the dataclass of settings from a table; ValueError for a key it does not have, or a value of another kind."""
    known = {option.name: option.default for option in fields(kind)}  # type: ignore[arg-type]
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"{where}: unknown setting {name!r}{_meant(name, known)}; there are {', '.join(known)}")
        default = known[name]
        if isinstance(default, tuple):
            _check_list(f"{where}: {name}", value, default)
        elif isinstance(default, int | float | str) and not _is_like(value, default):
            raise ValueError(f"{where}: {name} = {value!r}: expected {type(default).__name__}, as {default!r}")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()})


def _check_list(where: str, value: Any, default: tuple[Any, ...]) -> None:
    if not isinstance(value, list) or not value or not all(_is_like(entry, default[0]) for entry in value):
        raise ValueError(f"{where} = {value!r}: expected a list, as {list(default)!r}")


def _is_like(value: Any, default: Any) -> bool:
    """Whether it has the default's type; an integer is a number too."""
    return type(value) is type(default) or (isinstance(default, float) and type(value) is int)


def check_positive(where: str, **numbers: int) -> None:
    """ValueError unless each is at least 1."""
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{where}: {name} = {number}: at least 1")


def check_fraction(where: str, **numbers: float) -> None:
    """ValueError unless each is at least 0 and below 1."""
    for name, number in numbers.items():
        if not 0 <= number < 1:
            raise ValueError(f"{where}: {name} = {number}: a fraction, at least 0 and below 1")


def check_seeds(where: str, *seeds: int) -> None:
    """ValueError for a seed below 0."""
    if any(seed < 0 for seed in seeds):
        raise ValueError(f"{where}: a seed is an integer of at least 0, found {min(seeds)}")


def check_runs(where: str, runs: Runs) -> None:
    """ValueError unless there are runs, each with an optimizer and arguments that this takes."""
    if not isinstance(runs, Mapping) or not runs:
        raise ValueError(f'{where}: no runs: give each a table, [runs.Adam] with optimizer = "Adam" and its arguments')
    for name, run in runs.items():
        entry(f"runs.{name}", run, "optimizer", OPTIMIZERS)
        try:
            optimizer_of(run, [Parameter(0.0)], steps=1)
        except (TypeError, ValueError) as error:
            raise ValueError(f"runs.{name}: {error}") from None


def optimizer_of(run: Mapping[str, Any], parameters: Iterable[Parameter], *, steps: int) -> optim.Optimizer:
    """Make the optimizer of a run. A learning rate may be a schedule of so many steps, as "linear(0.001, 0, steps)"."""
    arguments = {key: value for key, value in run.items() if key != "optimizer"}
    if isinstance(arguments.get("learning_rate"), str):
        arguments["learning_rate"] = optim.schedules.parsed(arguments["learning_rate"], steps=steps)
    make: Callable[..., optim.Optimizer] = OPTIMIZERS[run["optimizer"]]
    return make(parameters, **arguments)


def entry(where: str, table: Any, key: str, known: Mapping[str, Any]) -> Any:
    """Look up what a table names by a key, among those known; ValueError otherwise."""
    name: Any = table.get(key) if isinstance(table, Mapping) else None
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"{where}: {key} = {name!r}{_meant(name, known)}: expected one of {', '.join(known)}")
    return known[name]


def _meant(name: Any, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name), list(known), 1)
    return f" (do you mean {near[0]}?)" if near else ""
