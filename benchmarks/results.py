"""What was measured, as lines, a Markdown table, a plot and JSON."""

from __future__ import annotations

import datetime as dt
import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

TICKS = (0.5, 1, 2, 5, 10, 20, 50)
PACKAGES = ("minigrad", "numpy", "numba", "torch", "jax", "jaxlib", "autograd", "mygrad")


def conditions() -> dict[str, Any]:
    """Date, machine and versions: a number without them says nothing."""
    return {
        "date": dt.datetime.now(tz=dt.UTC).isoformat(timespec="minutes"),
        "processor": processor(),
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
    }


def processor() -> str:
    """The processor's own name, where the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for text in info.read_text().splitlines():
            if text.startswith("model name"):
                return text.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def line(entry: dict[str, Any]) -> str:
    """One row in one line: milliseconds by hand, and everybody's ratio with its quartiles."""
    milliseconds = 1e3 * entry["seconds"]["by hand"]["median"]
    ratios = "  ".join(f"{name} {_ratio(of)}" for name, of in entry["ratios"].items() if name != "by hand")
    failed = "".join(f"\n    {name} failed: {why}" for name, why in entry["failed"].items())
    return f"{entry['row']} ({entry['threads']} thr.)  by hand {milliseconds:.2f} ms  {ratios}{failed}"


def table(found: dict[str, Any]) -> str:
    """Markdown: rows against contestants, one table per number of threads."""
    parts = [f"{found['date']}, {found['processor']}, Python {found['python']}, " + _versions(found), ""]
    for threads in dict.fromkeys(entry["threads"] for entry in found["rows"]):
        entries = [entry for entry in found["rows"] if entry["threads"] == threads]
        names = list(dict.fromkeys(name for entry in entries for name in entry["ratios"] if name != "by hand"))
        parts += [f"Threads: {threads}. Ratios to NumPy by hand: median (quartiles) [least over least].", ""]
        parts.append("| one training step | by hand, ms | " + " | ".join(names) + " |")
        parts.append("|---|---|" + "---|" * len(names))
        for entry in entries:
            cells = [_ratio(entry["ratios"].get(name)) for name in names]
            cells.insert(0, f"{1e3 * entry['seconds']['by hand']['median']:.2f}")
            parts.append(f"| {entry['title']} | " + " | ".join(cells) + " |")
        parts.append("")
    parts += [MEASURES[name](found[name]) + "\n" for name in MEASURES if name in found]
    if "eager" in found:
        parts.append(eager(found["eager"]))
    return "\n".join(parts)


def growth(found: dict[str, Any]) -> str:
    """Milliseconds as the problem grows."""
    parts = []
    for name, series in found.items():
        contestants = list(series["milliseconds"])
        parts += [f"{name}, milliseconds", "", f"| {series['axis']} | " + " | ".join(contestants) + " |"]
        parts.append("|---|" + "---|" * len(contestants))
        for i, size in enumerate(series["sizes"]):
            cells = [series["milliseconds"][contestant][i] for contestant in contestants]
            parts.append(f"| {size} | " + " | ".join("" if c is None else f"{c:.2f}" for c in cells) + " |")
        parts += [f"\n{contestant} failed {why}" for contestant, why in series["failed"].items()]
        parts.append("")
    return "\n".join(parts)


def memory(found: dict[str, Any]) -> str:
    """Peak memory of one step beyond parameters and data, in megabytes."""
    names = list(dict.fromkeys(name for peaks in found.values() for name in peaks))
    parts = ["Peak memory that contestants allocate, MB", "", "| row | " + " | ".join(names) + " |"]
    parts.append("|---|" + "---|" * len(names))
    for row, peaks in found.items():
        parts.append(f"| {row} | " + " | ".join(f"{peaks[n]:.2f}" if n in peaks else "" for n in names) + " |")
    return "\n".join(parts)


def eager(found: dict[str, Any]) -> str:
    """Microseconds per node, and the import."""
    nodes = ", ".join(f"{link} {cost:.2f}" for link, cost in found["microseconds_per_node"].items())
    return f"Microseconds per node, forward plus backward: {nodes}. Import: {found['import_seconds']:.3f} s beyond NumPy.\n"


MEASURES = {"growth": growth, "memory": memory}


def write(found: dict[str, Any], as_json: Path | None, as_table: Path | None, as_plot: Path | None) -> None:
    """The files that were asked for; the table is printed in any case."""
    text = table(found)
    print("\n" + text)
    if as_json:
        as_json.write_text(json.dumps(found, indent=1) + "\n")
    if as_table:
        as_table.write_text(text)
    if as_plot:
        plot(found, as_plot)


def plot(found: dict[str, Any], path: Path) -> None:
    """A dot per contestant and row, its quartiles as a bar, on a logarithmic axis of ratios."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    threads = list(dict.fromkeys(entry["threads"] for entry in found["rows"]))
    longest = max(sum(entry["threads"] == n for entry in found["rows"]) for n in threads)
    figure, axes = plt.subplots(
        1, len(threads), figsize=(7 * len(threads), 1.5 + 0.5 * longest), squeeze=False, layout="constrained"
    )
    names = list(dict.fromkeys(name for entry in found["rows"] for name in entry["ratios"] if name != "by hand"))
    for axis, n in zip(axes[0], threads, strict=True):
        entries = [entry for entry in found["rows"] if entry["threads"] == n]
        for k, name in enumerate(names):
            _dots(axis, entries, name, f"C{k % 10}", "os^Dv"[(k + k // 10) % 5])
        axis.axvline(1, color="black", linewidth=0.8)
        axis.set(xscale="log", xlabel=f"time / NumPy by hand, {n} thread{'s' if n > 1 else ''}")
        axis.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
        axis.set_yticks(range(len(entries)), [entry["row"] for entry in entries])
        axis.invert_yaxis()
        axis.grid(axis="x", which="both", alpha=0.3)
    axes[0][-1].legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(path)
    plt.close(figure)


def _dots(axis: Any, entries: list[dict[str, Any]], name: str, color: str, marker: str) -> None:
    there = [(i, entry["ratios"][name]) for i, entry in enumerate(entries) if name in entry["ratios"]]
    places, ratios = [i for i, _ in there], [ratio for _, ratio in there]
    medians = [ratio["median"] for ratio in ratios]
    ranges = [
        [ratio["median"] - ratio["first_quartile"] for ratio in ratios],
        [ratio["third_quartile"] - ratio["median"] for ratio in ratios],
    ]
    axis.errorbar(medians, places, xerr=ranges, fmt=marker, color=color, markersize=5, linewidth=1, label=name)


def _ratio(of: dict[str, float] | None) -> str:
    if of is None:
        return ""
    low, middle, high = (f"{of[key]:.2f}" for key in ("first_quartile", "median", "third_quartile"))
    return f"{middle} ({low}-{high}) [{of['of_leasts']:.2f}]"


def _versions(found: dict[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in found["versions"].items())


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
