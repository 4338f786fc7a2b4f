"""What was measured: kept as JSON with the conditions under which it was, and shown as text and Markdown.

Kept are, by key, {date, processor, load, python, versions, threads, measured}; the key is "rnn-50, 1 thread" for a row
(`compare`), and "growth", "memory" or "eager" for a measure.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.rows import ROWS
from minigrad.files import write_file

PACKAGES = ("minigrad", "numpy", "numba", "torch", "jax", "jaxlib", "autograd", "mygrad")
FILE = "results.json"
COLUMNS = {  # contestant: its column. The update of Adam is the same whether its gradients are compiled or not
    "by hand, squeezed": "squeezed", "minigrad eager": "eager", "minigrad": "compiled", "minigrad compiled": "compiled",
    "minigrad, numba": "compiled, numba", "minigrad compiled, numba": "compiled, numba",
    "minigrad Step": "Step", "minigrad Step, numba": "Step, numba", "PyTorch": "PyTorch", "torch.compile": "torch.compile",
    "JAX jit": "JAX", "autograd": "autograd", "MyGrad": "MyGrad", "PyTorch, loop of cells": "PyTorch, other",
    "PyTorch, not fused": "PyTorch, other",
}  # fmt: skip
Found = dict[str, Any]


def read(folder: Path) -> Found:
    """What is kept there."""
    file = folder / FILE
    found: Found = json.loads(file.read_text()) if file.exists() else {}
    return found


def write(found: Found, folder: Path) -> None:
    """Keep it."""
    write_file(folder / FILE, json.dumps(found, indent=1) + "\n")


def key(row: str, threads: int) -> str:
    """Under which a row is kept."""
    return f"{row}, {threads} thread{'s' if threads > 1 else ''}"


def conditions(packages: Sequence[str] = PACKAGES) -> dict[str, Any]:
    """Date, machine, its load and versions: a number without them says nothing."""
    return {
        "date": dt.datetime.now(tz=dt.UTC).isoformat(timespec="minutes"),
        "processor": processor(),
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "versions": {name: version for name in packages if (version := _version(name))},
    }


def processor() -> str:
    """The processor's own name, where the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def text(name: str, entry: dict[str, Any]) -> str:
    """One part for the terminal."""
    measured = entry["measured"]
    if name in MEASURES:
        return f"\n{MEASURES[name](measured)}"
    milliseconds = 1e3 * measured["seconds"]["by hand"]["median"]
    ratios = "  ".join(f"{who} {_ratio(of)}" for who, of in measured["ratios"].items() if who != "by hand")
    failed = "".join(f"\n    {who} failed: {why}" for who, why in measured["failed"].items())
    return f"{name}: by hand {milliseconds:.2f} ms; times that  {ratios}{failed}"


def rows(found: Found, threads: int) -> dict[str, dict[str, Any]]:
    """What was measured of the rows with so many threads."""
    return {row: found[k]["measured"] for row in ROWS if (k := key(row, threads)) in found}


def steps(found: Found, threads: int) -> str:
    """Markdown: rows against contestants, the medians of the ratios to NumPy by hand and their quartiles."""
    entries = rows(found, threads)
    there = {
        COLUMNS[who] for entry in entries.values() for who in (*entry["ratios"], *entry["failed"]) if who in COLUMNS
    }
    columns = [column for column in dict.fromkeys(COLUMNS.values()) if column in there]
    lines = _table(["one training step", "by hand, ms", *columns])
    for entry in entries.values():
        cells = dict.fromkeys(columns, "")
        for who, of in entry["ratios"].items():
            if who in COLUMNS:
                cells[COLUMNS[who]] = _ratio(of)
        cells |= {COLUMNS[who]: "failed" for who in entry["failed"] if who in COLUMNS}
        milliseconds = f"{1e3 * entry['seconds']['by hand']['median']:.2f}"
        lines.append("| " + " | ".join([entry["title"], milliseconds, *cells.values()]) + " |")
    lines.append("")
    for entry in entries.values():
        lines += [f"- {entry['title']}: {who} failed: {why}" for who, why in entry["failed"].items()]
    missing = [row for row in ROWS if row not in entries]
    return "\n".join([*lines, *([f"Not measured: {', '.join(missing)}."] if missing else [])])


def growth(measured: dict[str, Any]) -> str:
    """Milliseconds as the problem grows, and how long tracing takes."""
    parts = []
    for name, series in measured["series"].items():
        contestants = list(series["milliseconds"])
        parts += [f"{name}, milliseconds:", "", *_table([series["axis"], *contestants])]
        for i, size in enumerate(series["sizes"]):
            cells = [series["milliseconds"][contestant][i] for contestant in contestants]
            parts.append(f"| {size} | " + " | ".join("" if c is None else f"{c:.2f}" for c in cells) + " |")
        parts += [f"\n{contestant} failed {why}" for contestant, why in series["failed"].items()]
        parts.append("")
    tracing = ", ".join(f"{row} {seconds:.2f}" for row, seconds in measured["tracing_seconds"].items())
    return "\n".join([*parts, f"Seconds of tracing and writing the program: {tracing}."])


def memory(measured: dict[str, Any]) -> str:
    """Peak memory of one step, in megabytes, of which Python's objects, and its ratio to NumPy by hand."""
    names = list(dict.fromkeys(name for peaks in measured.values() for name in peaks))
    parts = _table(["row", *names])
    for row, peaks in measured.items():
        cells = []
        for name in names:
            of = peaks.get(name)
            ratio = f"{of['peak'] / peaks['by hand']['peak']:.2f}: " if of and name != "by hand" else ""
            cells.append(f"{ratio}{of['peak']:.2f} ({of['objects']:.2f})" if of else "")
        parts.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(parts)


def eager(measured: dict[str, Any]) -> str:
    """Microseconds per node, the recurrent step, and the import."""
    nodes = ", ".join(f"{link} {cost:.2f}" for link, cost in measured["microseconds_per_node"].items())
    steps = ", ".join(
        f"{times['by nodes'] / times['by hand']:.2f} in {kind}"
        for kind, times in measured["recurrent_step_seconds"].items()
    )
    return (
        f"Microseconds per node, forward plus backward: {nodes}. One step of the tanh RNN, times NumPy by hand: {steps}. "
        f"Import: {measured['import_seconds']:.3f} s beyond NumPy's {measured['numpy_import_seconds']:.3f} s."
    )


MEASURES = {"growth": growth, "memory": memory, "eager": eager}


def made(found: Found) -> str:
    """When, on what and with what."""
    if not found:
        return "Nothing was measured yet."
    entries = sorted(found.values(), key=lambda entry: entry["date"])
    first, last = entries[0], entries[-1]
    loads = [entry["load"] for entry in entries if entry["load"] is not None]
    load = f"; load of the machine {min(loads):.1f} to {max(loads):.1f}" if loads else ""
    versions = ", ".join(f"{name} {version}" for name, version in last["versions"].items())
    return (
        f"Measured {first['date'][:16]} to {last['date'][:16]} UTC on {last['processor']} ({last['processors']} processors"
        f"{load}). Python {last['python']}, {versions}."
    )


def _table(head: list[str]) -> list[str]:
    return ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]


def _ratio(of: dict[str, float]) -> str:
    low, middle, high = (f"{of[k]:.2f}" for k in ("first_quartile", "median", "third_quartile"))
    return f"{middle} ({low}-{high})"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
