"""A study from its configuration file to a folder: all its runs, a table, curves, and what was read and how long it took."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import json
import math
import platform
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import __version__
from minigrad.files import write_file
from minigrad.optim.experiments.processes import in_processes
from minigrad.optim.experiments.run_folder import check_extras, new_folder
from minigrad.optim.figures import learning_curves, save
from minigrad.optim.studies.settings import entry, read, settings_of

STUDIES = {name: f"minigrad.optim.studies.{name}" for name in ("mnist", "forecasting", "entities", "names", "race")}
Row = dict[str, Any]


def is_study(path: str) -> bool:
    """Tell whether a configuration file names a study; what cannot be read is left to the main job to refuse."""
    try:
        return "study" in read(path)
    except (OSError, ValueError):
        return False


class Study:
    """A study. Building it refuses what cannot be done (ValueError, OSError, ModuleNotFoundError); `run` does it.

    path:    its configuration file
    data:    the folder where the data lie that do not come with minigrad
    out:     the new folder, `place`; "" for the next runs/<study>-<n>
    workers: how many runs go on at the same time, in processes: the same numbers, sooner
    resumed: the folder of this study that was cut off: its runs that had ended are taken over
    """

    def __init__(
        self, path: str, data: str = "", out: str = "", *, workers: int = 1, quiet: bool = False, resumed: str = ""
    ) -> None:
        check_extras()
        given = dict(read(path))
        self.name = given.pop("study")
        self.module: Any = importlib.import_module(entry(path, {"study": self.name}, "study", STUDIES))
        self.settings = settings_of(self.module.Settings, given, path)
        self.data, self.workers, self.quiet = data, workers, quiet
        self.facts = {
            "sha256 of contents": self._checksums(path),
            "settings": json.loads(json.dumps(asdict(self.settings))),
        }
        self.rows: list[Row] = _ended(Path(resumed), self.facts) if resumed else []
        self.place = Path(resumed) if resumed else new_folder(self.name, out)
        if not resumed:
            write_file(self.place / "config.toml", Path(path).read_text("utf-8"))

    def _checksums(self, path: str) -> dict[str, str]:
        """What is read; an error that says where one gets it, if it is not there."""
        sources: Mapping[str, str] = getattr(self.module, "SOURCES", {})  # of files that do not come with minigrad
        if sources and not self.data:
            raise ValueError(f"{path}: name the folder with the data: --data-folder FOLDER, with {', '.join(sources)}")
        files = self.module.files(self.data)
        missing = [file.name for file in files if not file.exists()]
        if missing:
            where = "; ".join(f"{name} from {sources[name]}" for name in missing)
            raise FileNotFoundError(f"{self.data}: there is no {' and no '.join(missing)}. Get {where}")
        return {file.name.removesuffix(".gz"): hashlib.sha256(_content(file)).hexdigest() for file in files}

    def run(self) -> int:
        """Make the runs that are left, save after each, and say what came out.

        Returns the exit code: 0; 1 if a run diverged; 130 after Ctrl-C. Errors: OSError where something cannot be saved.
        """
        calls = self.module.calls(self.data, self.settings)
        del self.rows[len(calls) :]  # what is compared with is made anew
        try:
            for row in self._made(calls[len(self.rows) :]):
                self.rows.append(_plain(row))
                self._save()
                self._say("  ".join(f"{key} {_shown(value)}" for key, value in row.items() if key != "curves"))
        except KeyboardInterrupt:
            print(f"minigrad train: interrupted; runs that had ended are in {self.place}", file=sys.stderr)
            return 130
        if hasattr(self.module, "more_rows"):
            self.rows += map(_plain, self.module.more_rows(self.data, self.settings))
        headline = self.module.headline(self.rows)
        self._save(headline)
        if any("curves" in row for row in self.rows):
            save(curves(self.rows), self.place / "curves.svg")
        self._say(f"\n{table(self.rows)}\n\n{headline}\n\nResults are in {self.place}")
        return self._code()

    def _made(self, calls: Sequence[tuple[Any, ...]]) -> Iterator[Row]:
        """The runs, one after the other or in processes."""
        given = [(self.module.__name__, call) for call in calls]
        if self.workers > 1:
            yield from in_processes(_alone, given, self.workers)
        else:
            yield from (_alone(name, call, quiet=self.quiet) for name, call in given)

    def _code(self) -> int:
        bad = [row for row in self.rows if not row.get("ended", "all").startswith("all")]
        for row in bad:
            print(f"minigrad train: {row['run']}: {row['ended']}", file=sys.stderr)
        return 1 if bad else 0

    def _save(self, headline: str = "") -> None:
        """Write what there is; the headline when all is there."""
        made = {"minigrad": __version__, "numpy": np.__version__, "python": platform.python_version()}
        result = {"study": self.name, "made with": made, **self.facts, "headline": headline, "rows": self.rows}
        write_file(self.place / "results.json", json.dumps(result, indent=1, allow_nan=False) + "\n")
        write_file(self.place / "results.md", f"{table(self.rows)}\n")

    def _say(self, text: str) -> None:
        if not self.quiet:
            print(text, flush=True)


def _content(file: Path) -> bytes:
    """What is in a file, unpacked: the same however it was packed."""
    data = file.read_bytes()
    try:
        return gzip.decompress(data) if file.suffix == ".gz" else data
    except (OSError, EOFError, zlib.error):
        return data  # the reader says what is wrong with it


def _alone(module: str, call: tuple[Any, ...], *, quiet: bool = True) -> Row:
    """One run, with one BLAS thread: sums in another order would give other bits."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        found: Row = importlib.import_module(module).run_one(*call, quiet=quiet)
    return found


def _ended(place: Path, facts: Mapping[str, Any]) -> list[Row]:
    """The rows of the runs that had ended in a folder; ValueError where their data or settings were others."""
    file = place / "results.json"
    if not file.exists():
        return []
    try:
        found = json.loads(file.read_text("utf-8"))
        rows, then = list(found["rows"]), {name: found[name] for name in facts}
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{file}: it is not what a study leaves; take it away to begin anew") from None
    for name, fact in facts.items():
        if then[name] != fact:
            raise ValueError(f"{file}: the runs there had other {name} than there are now")
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write the rows as a table in Markdown, without curves and lists."""
    shown = [{key: value for key, value in row.items() if not isinstance(value, dict | list)} for row in rows]
    names = list(dict.fromkeys(name for row in shown for name in row))
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_shown(row.get(name, "")) for name in names) + " |" for row in shown]
    return "\n".join(lines)


def curves(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Draw the losses of all runs over the epochs (or steps): on validation data where there are such."""
    by_name = {row["run"]: row["curves"] for row in rows if "curves" in row}
    column = "val_loss" if all("val_loss" in found for found in by_name.values()) else "loss"
    return learning_curves(by_name, (column,), xlabel="epoch" if any("epoch" in row for row in rows) else "step")


def _plain(value: Any) -> Any:
    """The same with None for nan and inf, which JSON has no word for."""
    if isinstance(value, dict):
        return {name: _plain(found) for name, found in value.items()}
    if isinstance(value, list):
        return [_plain(found) for found in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _shown(value: Any) -> str:
    if value is None:
        return "no number"
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
