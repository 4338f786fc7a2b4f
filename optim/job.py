"""`minigrad train` from a configuration to a run folder, and what it says on the way."""

from __future__ import annotations

import sys

from minigrad.optim.comparison import Comparison, compare
from minigrad.optim.configuration import METHODS, Configuration
from minigrad.optim.report import again, sentences, table
from minigrad.optim.run_folder import RunFolder, check_extras
from minigrad.optim.tasks import open_task


class Job:
    """The main job. Building it refuses what cannot be done (ValueError, OSError, ModuleNotFoundError); `run` does it."""

    def __init__(self, configuration: Configuration, out: str = "", *, quiet: bool = False) -> None:
        check_extras()
        self.configuration = configuration
        self.quiet = quiet
        self.task = open_task(configuration)
        self.folder = RunFolder(configuration, out)

    def run(self) -> int:
        """Compare, save, and say what came out; the exit code: 0, 1 if a run diverged, 130 after Ctrl-C."""
        c = self.configuration
        self._say(
            f"{self.task.description}\n{', '.join(METHODS[method] for method in c.methods)}; "
            f"{c.steps} steps of {c.optimizer} {c.learning_rate:g} each; {c.seeds} seed{'s' * (c.seeds > 1)}; "
            f"results go to {self.folder.path}"
        )
        comparison = compare(c, self.task, quiet=self.quiet, after_run=self.folder.save_numbers)
        for failure in self.folder.save_figures(comparison):
            print(f"minigrad train: {failure}", file=sys.stderr)
        self._say(f"\n{table(comparison)}\n")
        for sentence in sentences(comparison):
            self._say(f"- {sentence}")
        self._say(f"\nSaved in {self.folder.path}: report.md, figures, history, parameters, configuration")
        if not comparison.interrupted:
            self._say(again(self.folder.path))
        return self._code(comparison)

    def _code(self, comparison: Comparison) -> int:
        if comparison.interrupted:
            print(f"minigrad train: interrupted; what was reached is in {self.folder.path}", file=sys.stderr)
            return 130
        diverged = [run for run in comparison.runs if run.stopped]
        for run in diverged:
            print(f"minigrad train: {run.name}, seed {run.seed}: {run.stopped}", file=sys.stderr)
        return 1 if diverged else 0

    def _say(self, text: str) -> None:
        if not self.quiet:
            print(text, flush=True)
