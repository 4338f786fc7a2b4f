"""Run the benchmarks: all of them, or some by name.

    python -m benchmarks                              all rows, with one thread and with two, growth, memory, eager
    python -m benchmarks rnn lstm --threads 1         rows whose name starts so, with one thread
    python -m benchmarks rnn --rounds 30 --json out.json --plot out.svg
    python -m benchmarks eager                        what a node costs
    python -m benchmarks temporal_order [options]     does the penalty help? (not part of "all": half an hour)

Rows: {rows}
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.rows import ROWS

SCRIPTS = ("eager", "temporal_order")
MEASURES = ("growth", "memory")


def main() -> int:
    """Parse, run each part in a process of its own, and write what was found."""
    if sys.argv[1:2] and sys.argv[1] in SCRIPTS:
        return subprocess.run(
            [sys.executable, "-m", f"benchmarks.{sys.argv[1]}", *sys.argv[2:]], env=environment(1), check=False
        ).returncode
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=(__doc__ or "").format(rows=", ".join(ROWS)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help="rows (or how their names start), growth, memory, eager")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--only", nargs="*", default=[], help="contestants whose name contains one of these words")
    parser.add_argument("--json", type=Path, help="write the results there")
    parser.add_argument("--table", type=Path, help="write the Markdown table there")
    parser.add_argument("--plot", type=Path, help="draw the ratios there (needs matplotlib)")
    options = parser.parse_args()
    rows, measures, eager = chosen(parser, options.names)
    found: dict[str, Any] = {**results.conditions(), "rows": []}
    for threads in options.threads:
        for row in rows:
            arguments = [row, "--rounds", str(options.rounds), "--threads", str(threads), "--only", *options.only]
            entry = {"threads": threads, **as_json("benchmarks.compare", arguments, threads)}
            found["rows"].append(entry)
            print(results.line(entry), flush=True)
    for measure in measures:
        found[measure] = as_json(f"benchmarks.{measure}", [], 1)
    if eager:
        found["eager"] = as_json("benchmarks.eager", ["--json"], 1)
    results.write(found, options.json, options.table, options.plot)
    return 0


def chosen(parser: argparse.ArgumentParser, names: list[str]) -> tuple[list[str], list[str], bool]:
    """Rows, measures, and whether the cost of the eager form is asked for."""
    if not names:
        return list(ROWS), list(MEASURES), True
    rows = [row for row in ROWS if any(row.startswith(name) for name in names)]
    for name in names:
        if name not in (*MEASURES, "eager") and not any(row.startswith(name) for row in rows):
            parser.error(f"no benchmark is called {name!r}: {', '.join((*ROWS, *MEASURES, *SCRIPTS))}")
    return rows, [measure for measure in MEASURES if measure in names], "eager" in names


def as_json(module: str, arguments: list[str], threads: int) -> Any:
    """What a module prints, run with so many threads on so many processors."""
    before = processors()
    held = set(sorted(before)[-threads:])
    try:
        hold(held)  # inherited: some libraries ask nobody how many threads to start
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments], env=environment(threads), stdout=subprocess.PIPE, check=True
        )
    finally:
        hold(before)
    return json.loads(done.stdout.splitlines()[-1])


def processors() -> set[int]:
    """Those this process may use, where the system tells them."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def hold(to: set[int]) -> None:
    """Keep this process, and those it starts, on these processors, where the system can."""
    if to:
        os.sched_setaffinity(0, to)


def environment(threads: int) -> dict[str, str]:
    """The environment that holds every library to so many threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    eigen = f"--xla_cpu_multi_thread_eigen={'false' if threads == 1 else 'true'} intra_op_parallelism_threads={threads}"
    return {**os.environ, **dict.fromkeys(names, str(threads)), "XLA_FLAGS": eigen, "JAX_PLATFORMS": "cpu"}


if __name__ == "__main__":
    sys.exit(main())
