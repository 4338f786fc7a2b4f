"""Run the benchmarks: all of them, or some by name.

    python -m benchmarks                              all rows, with one thread and with two, growth, memory, eager
    python -m benchmarks rnn lstm --threads 1         rows whose name starts so, with one thread
    python -m benchmarks rnn --rounds 60 --only minigrad JAX
    python -m benchmarks --record                     all, kept in results.json part by part; the page and its plots anew
    python -m benchmarks --record --resume            the same, without what results.json has
    python -m benchmarks --page                       the page and its plots from results.json; nothing is measured
    python -m benchmarks eager                        what a node costs
    python -m benchmarks drawing                      what a picture costs: CPU seconds and bytes; --peers: and those of others
    python -m benchmarks penalized [options]          where penalized backpropagation helps (not part of "all": hours)

Rows: {rows}
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import page, results
from benchmarks.rows import ROWS

SCRIPTS = ("eager", "drawing", "penalized")
MEASURES = ("growth", "memory", "eager")
LONGEST = 400  # seconds of one part
HERE = Path(__file__).parent


class Part(NamedTuple):
    """What one process measures."""

    key: str
    module: str
    arguments: list[str]
    threads: int


def main() -> int:
    """Parse, run each part in a process of its own, and show or keep what was found. 1 if a part gave nothing."""
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
    parser.add_argument("--record", action="store_true", help="keep the results and write the page")
    parser.add_argument("--resume", action="store_true", help="leave out what is kept already")
    parser.add_argument("--page", action="store_true", help="write the page from what is kept; measure nothing")
    parser.add_argument("--folder", type=Path, default=HERE, help="where results, page and plots are kept")
    options = parser.parse_args()
    kept = results.read(options.folder)
    if options.page:
        page.write(kept, options.folder)
        return 0
    found = kept if options.record else {}
    complete = True
    for part in parts(parser, options):
        if options.resume and part.key in kept:
            continue
        measured = run(part)
        complete = complete and measured is not None
        if measured is None:
            continue
        found[part.key] = {**results.conditions(), "threads": part.threads, "measured": measured}
        print(results.text(part.key, found[part.key]), flush=True)
        if options.record:
            results.write(found, options.folder)
    if options.record:
        page.write(found, options.folder)
    return 0 if complete else 1


def parts(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Iterator[Part]:
    """What was asked for, rows first."""
    rows = [row for row in ROWS if not options.names or any(row.startswith(name) for name in options.names)]
    for name in options.names:
        if name not in MEASURES and not any(row.startswith(name) for row in rows):
            parser.error(f"no benchmark is called {name!r}: {', '.join((*ROWS, *MEASURES, *SCRIPTS))}")
    for threads in options.threads:
        for row in rows:
            arguments = [row, "--rounds", str(options.rounds), "--threads", str(threads), "--only", *options.only]
            yield Part(results.key(row, threads), "benchmarks.compare", arguments, threads)
    for measure in MEASURES:
        if not options.names or measure in options.names:
            yield Part(measure, f"benchmarks.{measure}", ["--json"] if measure == "eager" else [], 1)


def run(part: Part) -> Any:
    """What a part prints, run with so many threads on so many processors; None, and a word, if it fails."""
    before = processors()
    held = set(sorted(before)[-part.threads :])
    try:
        hold(held)  # inherited: some libraries ask nobody how many threads to start
        done = subprocess.run(
            [sys.executable, "-m", part.module, *part.arguments],
            env=environment(part.threads), capture_output=True, text=True, check=True, timeout=LONGEST,
        )  # fmt: skip
        return json.loads(done.stdout.splitlines()[-1])
    except subprocess.CalledProcessError as error:
        print(f"{part.key} failed: {error.stderr.strip().splitlines()[-1:]}", file=sys.stderr, flush=True)
    except subprocess.TimeoutExpired:
        print(f"{part.key} failed: not done after {LONGEST} s", file=sys.stderr, flush=True)
    finally:
        hold(before)
    return None


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
