"""The folder a comparison leaves behind. It is written as the runs end, every file as a whole or not at all, so that nothing
is lost by what comes later: no full disk, no Ctrl-C.

config.toml                          the configuration; `minigrad train --config config.toml` gives the same numbers
history.csv                          a row per record: losses, score, G
adjoints.csv                         the adjoint norms of all time steps: at every record, and at steps 1, 2, 5, 10, … before the second
parameters/<method>-seed<k>.safetensors, <method>-seed<k>-best.safetensors: the last ones, and the best on validation; <method> has
                                     _ for brackets and the like, and a number where two would be alike
ended/<number>.safetensors           all of a run that has ended, until the job has: `minigrad train --resume FOLDER` goes on behind
report.md                            how many seeds learned, tables, and what the figures show
learning-curves.png, adjoint-norms.png, graph.svg
"""

from __future__ import annotations

import importlib.util
import itertools
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from minigrad.files import not_written, remove_leftovers, write_file
from minigrad.optim.arrays import load_arrays, save_arrays
from minigrad.optim.experiments.comparison import Comparison, Run
from minigrad.optim.experiments.configuration import Configuration
from minigrad.optim.experiments.ended_runs import keep_run, kept_runs
from minigrad.optim.experiments.figures import adjoint_norms, learning_curves, net_graph
from minigrad.optim.experiments.report import report
from minigrad.optim.training.history import History, write_table

__all__ = ["RunFolder", "check_extras", "file_names", "load_arrays", "save_arrays"]

EXTRAS = {
    "matplotlib": "to draw figures",
    "threadpoolctl": "to give the same numbers again",
    "tomli_w": "to save the configuration",
}
ENDED = "ended"
LONGEST_NAME = 100  # letters of a method in a file's name
FIGURES: dict[str, Callable[[Comparison, Path], None]] = {
    "learning-curves.png": learning_curves,
    "adjoint-norms.png": adjoint_norms,
    "graph.svg": net_graph,
}


def check_extras() -> None:
    """ModuleNotFoundError, before any work, where a package is missing that the job needs."""
    missing = [name for name in EXTRAS if importlib.util.find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(
            f"training needs {', '.join(f'{name} {EXTRAS[name]}' for name in missing)}: pip install 'minigrad[train]', or "
            "pip install '.[train]' in minigrad's own folder"
        )


class RunFolder:
    """A new folder: `out`, or the first `runs/<task>-<n>` that is not there yet; none is ever written over.

    resumed: the folder of a job that was cut off, to go on in; `ended` are then its runs that had ended
    """

    def __init__(self, configuration: Configuration, out: str = "", *, resumed: str = "") -> None:
        self.ended: list[Run] = []
        if resumed:
            self.path = Path(resumed)
            for folder in (self.path, self.path / "parameters", self.path / ENDED):
                remove_leftovers(folder)
            if (self.path / "history.csv").exists() and not (self.path / ENDED).exists():
                raise ValueError(
                    f"--resume {resumed}: the job there has come to its end; the same numbers again: --config {resumed}/config.toml"
                )
            self.ended = kept_runs(self.path / ENDED, configuration)
            return
        self.path = new_folder(configuration.task, out)
        try:
            configuration.save(self.path / "config.toml")
        except BaseException:
            self.path.rmdir()  # an empty folder would pass for a run
            raise

    def keep_last(self, comparison: Comparison) -> None:
        """Keep all of the last run, if it has ended, for a job that is cut off later."""
        run = comparison.runs[-1]
        if run.over(comparison.configuration.steps):
            keep_run(self.path / ENDED, len(comparison.runs) - 1, run)

    def finish(self) -> None:
        """Remove what only a job that was cut off needs."""
        shutil.rmtree(self.path / ENDED, ignore_errors=True)

    def save_numbers(self, comparison: Comparison) -> None:
        """All there is so far: the last run's parameters, history, adjoint norms, the report."""
        run = comparison.runs[-1]
        folder = self.path / "parameters"
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise not_written(folder, error) from error
        name = f"{file_names(comparison.configuration.methods)[run.method]}-seed{run.seed}"
        save_arrays(folder / f"{name}.safetensors", run.parameters)
        save_arrays(folder / f"{name}-best.safetensors", run.best.arrays or run.parameters)
        _write_history(comparison, self.path / "history.csv")
        _write_adjoints(comparison, self.path / "adjoints.csv")
        write_file(self.path / "report.md", report(comparison, self.path))

    def save_figures(self, comparison: Comparison) -> list[str]:
        """Draw what can be drawn; what failed, in words: a picture that fails costs no numbers."""
        failures = []
        for name, draw in FIGURES.items():
            try:
                draw(comparison, self.path / name)
            except Exception as error:
                failures.append(
                    f"{name} could not be drawn ({type(error).__name__}: {error}); the numbers are in the CSV files"
                )
        return failures


def new_folder(task: str, out: str) -> Path:
    """Make the folder `out`, or the first `runs/<task>-<n>` that is not there yet; OSError where that cannot be."""
    names = [Path(out)] if out else (Path("runs") / f"{task}-{n}" for n in itertools.count(1))
    for path in names:
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            if not path.is_dir() and not out:
                raise
        except (OSError, ValueError) as error:  # ValueError: a name that no system takes
            why = getattr(error, "strerror", None) or error
            refused = OSError(f"the folder {path} cannot be made ({why}): give --out a new folder where you may write")
            refused.errno = getattr(error, "errno", None)
            raise refused from None
        else:
            return path
    raise FileExistsError(f"{out} is there already, and no run is written over: give another --out")


def file_names(methods: Sequence[str]) -> dict[str, str]:
    """A name for each method, short and without what a file system or a shell takes for its own, as omega=linear(0.3, 0, steps) has."""
    names: dict[str, str] = {}
    for method in methods:
        name = re.sub(r"[^\w.=-]+", "_", method).strip("_")[:LONGEST_NAME]
        numbered = itertools.chain([name], (f"{name}_{k}" for k in itertools.count(2)))
        names[method] = next(candidate for candidate in numbered if candidate not in names.values())
    return names


def _write_history(comparison: Comparison, path: Path) -> None:
    together = History()
    for run in comparison.runs:
        for row in run.history.rows():
            together.append(**row)
    together.write(path)


def _write_adjoints(comparison: Comparison, path: Path) -> None:
    """Columns method, seed, step, then ‖λ_1‖ .. ‖λ_T‖."""
    header = ["method", "seed", "step", *range(1, comparison.task.length + 1)]
    rows = [[run.method, run.seed, step, *norms.tolist()] for run in comparison.runs for step, norms in run.adjoints]
    write_table(path, [header, *rows])
