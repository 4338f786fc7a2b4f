"""Where does penalized backpropagation help, where not, and what does it cost? A table of experiments and their recorded runs.

    python -m benchmarks penalized                       write penalized.md from the recorded runs; nothing is trained
    python -m benchmarks penalized --record              train what is not recorded yet (hours), then write the page
    python -m benchmarks penalized --record NAME ...     the same for the experiments of these names, in this order
    python -m benchmarks penalized --first-steps         measure what the first step costs at T = 784, then write the page

Every run is kept as soon as it is over, so that a recording can be stopped and taken up again. To train a run anew, delete its line.

Experiments: {names}
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import penalized_page
from benchmarks.experiments import BACKPROP, EXPERIMENTS, RELATIVE, FirstStep, Row
from minigrad.models import RNN, losses, penalties
from minigrad.optim import Adam
from minigrad.optim.experiments.comparison import compare
from minigrad.optim.experiments.tasks import open_task
from minigrad.optim.training import Step
from minigrad.optim.training.history import write_table

HERE = Path(__file__).parent
FILES = {Row: "penalized.csv", FirstStep: "penalized_first_step.csv"}
CASTS = {"str": str, "int": int, "float": float}


def read(kind: type[Any], folder: Path) -> list[Any]:
    """What is recorded there."""
    file = folder / FILES[kind]
    if not file.exists():
        return []
    casts = {f.name: CASTS[str(f.type)] for f in fields(kind)}
    with file.open(newline="") as stream:
        return [kind(**{name: casts[name](cell) for name, cell in row.items()}) for row in csv.DictReader(stream)]


def write(rows: Sequence[Any], folder: Path) -> None:
    """Keep them, as a whole."""
    kind = type(rows[0])
    write_table(folder / FILES[kind], [[f.name for f in fields(kind)], *(list(asdict(row).values()) for row in rows)])


def missing(names: Iterable[str], rows: Sequence[Row]) -> Iterator[tuple[str, str, int]]:
    """Experiment, method and seed of the runs that are not recorded."""
    there = {(row.experiment, row.method, row.seed) for row in rows}
    return ((n, m, s) for n in names for m, s in EXPERIMENTS[n].runs() if (n, m, s) not in there)


def record(names: Iterable[str], folder: Path) -> None:
    """Train what is missing of these experiments; each run is kept before the next one begins."""
    for name, method, seed in missing(names, read(Row, folder)):
        experiment = EXPERIMENTS[name]
        configuration = experiment.configuration([method], [seed])
        task = open_task(configuration)
        started = time.process_time()
        comparison = compare(configuration, task, quiet=True)
        if comparison.interrupted:
            raise KeyboardInterrupt
        row = Row.of(name, experiment, comparison.runs[0], time.process_time() - started)
        rows = [*read(Row, folder), row]
        write(sorted(rows, key=_place), folder)
        print(f"{name} {method} seed {seed}: {row.test_score:.3f}, {row.seconds:.1f} s {row.ended}", flush=True)


def _place(row: Row) -> tuple[int, int, int]:
    """Rows as the table of experiments has them."""
    experiment = EXPERIMENTS[row.experiment]
    return list(EXPERIMENTS).index(row.experiment), experiment.methods.index(row.method), row.seed


def first_steps(lengths: Sequence[int] = (50, 784), repeats: int = 3) -> list[FirstStep]:
    """Measure the first step and the second: 100 units, batch 32, one feature, as an image read pixel by pixel has."""
    added = {BACKPROP: (), RELATIVE: (penalties.RelativeVariance(0.1),)}
    return [
        FirstStep(method, length, *np.min([_two_steps(length, added[method]) for _ in range(repeats)], axis=0).round(4))
        for length in lengths
        for method in added
    ]


def _two_steps(length: int, added: Sequence[penalties.Penalty]) -> tuple[float, float]:
    """Seconds of processor time of the first and of the second step of a net."""
    rng = np.random.default_rng(0)
    net = RNN(1, 100, 10, rng=rng)
    step = Step(net, losses.cross_entropy, Adam(net.parameters()), penalties=added, clip=1.0)
    batch = rng.random((32, length, 1), np.float32), rng.integers(0, 10, 32)
    started = time.process_time()
    step(*batch)
    between = time.process_time()
    step(*batch)
    return between - started, time.process_time() - between


def main(arguments: Sequence[str] | None = None) -> int:
    """Record what is asked for, and write the page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks penalized",
        description=(__doc__ or "").format(names=", ".join(EXPERIMENTS)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--record", nargs="*", choices=list(EXPERIMENTS), metavar="NAME", help="train what is missing")
    parser.add_argument("--first-steps", action="store_true", help="measure the first step at T = 784")
    parser.add_argument("--folder", type=Path, default=HERE, help="where the records and the page are kept")
    options = parser.parse_args(arguments)
    if options.record is not None:
        record(options.record or EXPERIMENTS, options.folder)
    if options.first_steps:
        write(first_steps(), options.folder)
    penalized_page.write(EXPERIMENTS, read(Row, options.folder), read(FirstStep, options.folder), options.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
