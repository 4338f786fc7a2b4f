"""The file of a search: a line of JSON for the search and one for every trial that has ended, so that an interrupted search goes on.

Every line carries a checksum, and is on the disk itself before the next trial counts. A last line that was cut off is a trial
that did not end.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from minigrad.array_files import UnreadableFileError
from minigrad.files import not_written, sync_folder, write_file
from minigrad.optim.selection.trials import Trial

HEAD = "minigrad search"  # the name of the version, in the first line
VERSION = 1
CHECKSUM = "crc32"
FIELDS = {  # of a trial's line, and what they are in JSON; numbers may be the texts "nan", "inf" and "-inf"
    "number": int,
    "settings": dict,
    "seed": int,
    "score": int | float | str,
    "numbers": dict,
    "error": str,
    "round": int,
    "seconds": int | float | str,
}


class Record:
    """The trials of one search that have ended, in a file.

    search: what tells the search from another one, by name
    """

    def __init__(self, path: str | os.PathLike[str], search: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.head = {HEAD: VERSION, **search}
        self.trials: dict[int, dict[str, Any]] = {}
        if self.path.exists():
            self._read()
        else:
            write_file(self.path, line_of(self.head))
            sync_folder(self.path.parent)

    def ended(self, planned: Sequence[Trial]) -> list[Trial]:
        """Find the planned trials that have ended in an earlier run; ValueError where that had other settings."""
        found = []
        for trial in planned:
            settings = plain(trial.settings)  # of all, so that what cannot be written down is refused before any work
            line = self.trials.get(trial.number)
            if line is None:
                continue
            if line["settings"] != settings:  # the seed follows from the search's, which is in the first line
                self._refuse_other(
                    f"trial {trial.number} has settings {line['settings']!r} there, and {settings!r} here"
                )
            try:
                numbers = {name: float(number) for name, number in line["numbers"].items()}
                score, seconds = float(line["score"]), float(line["seconds"])
            except (TypeError, ValueError, OverflowError):
                self._refuse(f"trial {trial.number} has a score that is no number")
            found.append(replace(trial, score=score, numbers=numbers, error=line["error"], seconds=seconds))
        return found

    def add(self, trial: Trial) -> None:
        """Append a trial that has ended. OSError names the file, which then has the trials before."""
        data = line_of(plain(asdict(trial))).encode()
        size = self.path.stat().st_size
        try:
            with self.path.open("ab", buffering=0) as file:
                while data:  # of which a full disk takes a part, and then raises
                    data = data[file.write(data) :]
                os.fsync(file.fileno())
        except OSError as error:
            os.truncate(self.path, size)
            raise not_written(self.path, error) from error

    def _read(self) -> None:
        """Read the trials that have ended, and take away a last line that was cut off."""
        try:
            text = self.path.read_text("utf-8")
        except UnicodeDecodeError:
            self._refuse("it is no text")
        lines, rest = text.split("\n")[:-1], text.rpartition("\n")[2]
        head, *ended = [self._parsed(i, line) for i, line in enumerate(lines, 1)] or [{}]
        if head.get(HEAD) != VERSION:
            self._refuse(f"its first line says {HEAD!r}: {head.get(HEAD)!r}, expected {VERSION}")
        for name in dict.fromkeys([*self.head, *head]):
            if head.get(name) != self.head.get(name):
                self._refuse_other(f"{name} is {head.get(name)!r} there, and {self.head.get(name)!r} here")
        for i, trial in enumerate(ended, 2):
            if not all(isinstance(trial.get(name), kinds) for name, kinds in FIELDS.items()):
                self._refuse(f"line {i} is no trial")
            self.trials[trial["number"]] = trial
        if rest:
            write_file(self.path, text.removesuffix(rest))

    def _parsed(self, number: int, line: str) -> dict[str, Any]:
        """A line without its checksum."""
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            self._refuse(f"line {number} is no JSON")
        if not isinstance(found, dict) or found.pop(CHECKSUM, None) != checksum(found):
            self._refuse(f"line {number} does not have the checksum that it says")
        return found

    def _refuse(self, why: str) -> NoReturn:
        raise UnreadableFileError(f"{self.path} is not the record of a search, or was changed: {why}")

    def _refuse_other(self, difference: str) -> NoReturn:
        raise ValueError(f"{self.path} is the record of another search: {difference}; give this search another file")


def line_of(found: Mapping[str, Any]) -> str:
    """Write a line of the file."""
    return json.dumps({**found, CHECKSUM: checksum(found)}) + "\n"


def checksum(found: Mapping[str, Any]) -> str:
    """Compute the checksum of a line's names and values."""
    return f"{zlib.crc32(json.dumps(found).encode()):08x}"


def plain(value: Any) -> Any:
    """Write a setting as JSON has it: a function or class by its name, nan and inf as texts.

    Errors: TypeError for what has no text of its own that stays the same from run to run.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(name): plain(cell) for name, cell in value.items()}
    if isinstance(value, list | tuple):
        return [plain(cell) for cell in value]
    if isinstance(value, Callable):  # type: ignore[arg-type] # a class of the typing module, which isinstance knows
        name = getattr(value, "__qualname__", None) or getattr(value, "__name__", "")
        if name and "<" not in name:
            return f"{getattr(value, '__module__', None) or 'numpy'}.{name}"
    raise TypeError(
        f"a search with a file takes settings that can be written down: numbers, texts, functions of a module, not {value!r}: "
        "give it a name, and let train look it up"
    )
