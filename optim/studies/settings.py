"""Settings of a study: read from a TOML file, every key known and of its kind."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

S = TypeVar("S")
LARGEST_FILE = 1 << 20  # bytes


def read(path: str) -> dict[str, Any]:
    """The tables of a TOML file; ValueError that names the file where it is none."""
    file = Path(path)
    with file.open("rb") as stream:
        text = stream.read(LARGEST_FILE + 1)
    if len(text) > LARGEST_FILE:
        raise ValueError(f"{path}: a configuration has at most {LARGEST_FILE} bytes")
    try:
        return tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: no TOML: {error}") from None


def settings_of(kind: type[S], given: Mapping[str, Any], where: str) -> S:
    """The dataclass of settings from a table; ValueError for a key it does not have, or a value of another kind."""
    known = {option.name: option for option in fields(kind)}  # type: ignore[arg-type]
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"{where}: unknown setting {name!r}{_meant(name, known)}; there are {', '.join(known)}")
        default = known[name].default
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            continue
        if isinstance(default, tuple) != isinstance(value, list) and isinstance(default, tuple):
            raise ValueError(f"{where}: {name} = {value!r}: expected a list, as {list(default)!r}")
        if isinstance(default, bool | int | float | str) and type(value) is not type(default):
            raise ValueError(f"{where}: {name} = {value!r}: expected {type(default).__name__}, as {default!r}")
    try:
        return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()})
    except (TypeError, AttributeError) as error:
        raise ValueError(f"{where}: a setting is of another kind than expected ({error})") from None


def check_positive(where: str, **numbers: int) -> None:
    """ValueError unless each is at least 1."""
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{where}: {name} = {number}: at least 1")


def entry(where: str, table: Any, key: str, known: Mapping[str, Any]) -> Any:
    """What a table names by a key, among those known; ValueError otherwise."""
    name: Any = table.get(key) if isinstance(table, Mapping) else None
    if name not in known:
        raise ValueError(f"{where}: {key} = {name!r}{_meant(name, known)}: expected one of {', '.join(known)}")
    return known[name]


def _meant(name: Any, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name), list(known), 1)
    return f" (do you mean {near[0]}?)" if near else ""
