"""Run a study from its configuration file: all its runs, a table, curves, and a record of what was read and how long it took."""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import __version__
from minigrad.files import write_file
from minigrad.optim.experiments.processes import in_processes
from minigrad.optim.experiments.run_folder import new_folder
from minigrad.optim.figures import learning_curves, save
from minigrad.optim.studies.settings import entry, read, settings_of

STUDIES = {name: f"minigrad.optim.studies.{name}" for name in ("mnist", "forecasting", "entities", "names", "race")}
READ_FROM_FOLDER = {
    "mnist": "the four files of MNIST, train-images-idx3-ubyte.gz and so on",
    "entities": "wikigold.conll.txt, the Wikigold corpus",
}


def is_study(path: str) -> bool:
    """Whether a configuration file names a study; what cannot be read is left to the main job to refuse."""
    try:
        return "study" in read(path)
    except (OSError, ValueError):
        return False


def run(
    path: str, *, folder: str = "", out: str = "", workers: int = 1, quiet: bool = False, resumed: str = ""
) -> Path:
    """Run the study of a configuration file; returns the new folder with config.toml, results.json, results.md and curves.svg.

    folder:  where the data lie that do not come with minigrad
    out:     the new folder; "" for the next runs/<study>-<n>
    workers: how many runs go on at the same time, in processes
    resumed: the folder of the same study that was cut off: its runs that had ended are taken over

    Errors, before anything is trained: ValueError for a wrong setting; FileNotFoundError for data that are not there.
    """
    given = dict(read(path))
    name = given.pop("study")
    module = importlib.import_module(entry(path, {"study": name}, "study", STUDIES))
    settings = settings_of(module.Settings, given, path)
    if name in READ_FROM_FOLDER and not folder:
        raise ValueError(f"{path}: name the folder with the data: --data-folder FOLDER, with {READ_FROM_FOLDER[name]}")
    if name in READ_FROM_FOLDER and (
        not module.files(folder) or not all(file.exists() for file in module.files(folder))
    ):
        raise FileNotFoundError(f"{folder}: expected {READ_FROM_FOLDER[name]}")
    checksums = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in module.files(folder)}
    calls = module.calls(folder, settings)
    rows: list[dict[str, Any]] = []
    facts = {"sha256 of files": checksums, "settings": json.loads(json.dumps(asdict(settings)))}
    if resumed:
        place = Path(resumed)
        rows = _ended(place, facts)[: len(calls)]
    else:
        place = new_folder(name, out)
        write_file(place / "config.toml", Path(path).read_text("utf-8"))
    calls = calls[len(rows) :]
    found = (
        in_processes(module.run_one, calls, workers)
        if workers > 1
        else (module.run_one(*call, quiet=quiet) for call in calls)
    )
    for row in found:
        rows.append(row)
        _write(place, name, rows, facts)
        if not quiet:
            print("  ".join(f"{key} {_shown(value)}" for key, value in row.items() if key != "curves"), flush=True)
    rows += module.more_rows(folder, settings) if hasattr(module, "more_rows") else []
    _write(place, name, rows, facts, module.headline(rows))
    save(curves(rows), place / "curves.svg")
    if not quiet:
        print(f"\n{table(rows)}\n\n{module.headline(rows)}\n\nResults are in {place}")
    return place


def _ended(place: Path, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
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


def _write(
    place: Path, name: str, rows: Sequence[Mapping[str, Any]], facts: Mapping[str, Any], headline: str = ""
) -> None:
    """What there is so far, so that a later run's failure loses nothing; the headline when all is there."""
    made = {"minigrad": __version__, "numpy": np.__version__, "python": platform.python_version()}
    result = {"study": name, "made with": made, **facts, "headline": headline, "rows": rows}
    write_file(place / "results.json", json.dumps(result, indent=1) + "\n")
    write_file(place / "results.md", f"{table(rows)}\n")


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a table in Markdown, without curves and lists."""
    shown = [{key: value for key, value in row.items() if not isinstance(value, dict | list)} for row in rows]
    names = list(dict.fromkeys(name for row in shown for name in row))
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_shown(row.get(name, "")) for name in names) + " |" for row in shown]
    return "\n".join(lines)


def curves(rows: Sequence[Mapping[str, Any]]) -> Any:
    """The losses of all runs over the epochs (or steps): on validation data where there are such."""
    by_name = {row["run"]: row["curves"] for row in rows if "curves" in row}
    column = "val_loss" if all("val_loss" in found for found in by_name.values()) else "loss"
    return learning_curves(by_name, (column,), xlabel="epoch" if "epoch" in rows[0] else "step")


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return "nan" if math.isnan(value) else f"{value:.4g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
