"""`minigrad train` from a configuration to a run folder, and what it says on the way."""

from __future__ import annotations

import os
import sys
import textwrap
from contextlib import suppress
from dataclasses import replace

from minigrad.compiler.compiled import chosen_backend
from minigrad.optim.experiments.comparison import Comparison, compare
from minigrad.optim.experiments.configuration import Configuration
from minigrad.optim.experiments.findings import ADJOINTS, criterion, headline, sentences
from minigrad.optim.experiments.report import again, summary
from minigrad.optim.experiments.run_folder import RunFolder, check_extras
from minigrad.optim.experiments.sizes import check_size
from minigrad.optim.experiments.tasks import open_task

MOST_WORKERS = 1000
WIDTH = 100  # columns of a terminal
NAME = 33  # of them for a method's name in the table


class Job:
    """The main job. Building it refuses what cannot be done (ValueError, OSError, ModuleNotFoundError); `run` does it.

    out:     the new folder; "" for the next runs/<task>-<n>
    quiet:   print errors only
    workers: how many runs go on at the same time, in processes: the same numbers, sooner
    resumed: the folder of a job that was cut off: its runs that had ended are taken over, the others made, to the same numbers
    """

    def __init__(
        self, configuration: Configuration, out: str = "", *, quiet: bool = False, workers: int = 1, resumed: str = ""
    ) -> None:
        if not 1 <= workers <= MOST_WORKERS:
            raise ValueError(
                f"workers={workers}: from 1 to {MOST_WORKERS} processes, at best as many as the machine has cores"
            )
        check_extras()
        check_size(configuration, workers)
        self.workers = workers
        backend = chosen_backend(configuration.backend, "minigrad train")
        self.configuration = configuration = replace(configuration, backend=backend)
        self.quiet = quiet
        self.unsaid = ""
        self.task = open_task(configuration)
        self.folder = RunFolder(configuration, out, resumed=resumed)

    def run(self) -> int:
        """Compare, save, and say what came out.

        Returns the exit code: 0; 1 if a run diverged; 3 if a picture could not be made or standard output be written;
        130 after Ctrl-C.

        Errors: OSError where the numbers of a run cannot be saved; those of the runs before are kept.
        """
        self._announce()
        for n in range(1, len(self.folder.ended) + 1):  # what was cut off may have left a run's other files out
            self.folder.save_numbers(Comparison(self.configuration, self.task, self.folder.ended[:n]))
        comparison = compare(
            self.configuration,
            self.task,
            quiet=self.quiet,
            after_run=self._save,
            workers=self.workers,
            ended=self.folder.ended,
        )
        failures = []
        if comparison.runs:  # else Ctrl-C came before the first
            failures = self.folder.save_figures(comparison)
            if not (failures or comparison.interrupted):
                self.folder.finish()
            self._tell(comparison)
        if self.unsaid:
            failures.append(f"standard output could not be written ({self.unsaid}); report.md says the same")
        for failure in failures:
            print(f"minigrad train: {failure}", file=sys.stderr)
        return self._code(comparison, failures)

    def _save(self, comparison: Comparison) -> None:
        """Save what there is after a run."""
        self.folder.save_numbers(comparison)
        self.folder.keep_last(comparison)

    def _announce(self) -> None:
        """Say what will be done."""
        c = self.configuration
        methods = ", ".join(c.method(method).label for method in c.methods)
        self._say(_wrapped(f"The net is to {self.task.goal}: {self.task.description}."))
        steps = f"{c.steps} step{'s' * (c.steps > 1)} of {c.optimizer} {c.rate_in_words} each"
        self._say(_wrapped(f"{methods}; {steps}; {c.seeds} seed{'s' * (c.seeds > 1)}."))
        self._say(f"Results go to {self.folder.path}")
        if self.folder.ended:
            self._say(f"{len(self.folder.ended)} runs had ended there, and are taken over")

    def _tell(self, comparison: Comparison) -> None:
        """Say what came out: what the report says, but for its pictures and its table of runs."""
        self._say(f"\n{_wrapped(headline(comparison))}\n{_wrapped(criterion(comparison))}")
        self._say(f"\n{summary(comparison, NAME)}\n\n{_wrapped(ADJOINTS)}")
        for sentence in sentences(comparison):
            self._say(_wrapped(f"- {sentence}", "  "))
        self._say(f"\nSaved in {self.folder.path}: report.md, figures, history, parameters, configuration")
        if not comparison.interrupted:
            self._say(again(self.folder.path))

    def _code(self, comparison: Comparison, failures: list[str]) -> int:
        if comparison.interrupted:
            print(f"minigrad train: interrupted; what was reached is in {self.folder.path}", file=sys.stderr)
            return 130
        diverged = [run for run in comparison.runs if run.stopped]
        for run in diverged:
            print(f"minigrad train: {run.name}, seed {run.seed}: {run.stopped}", file=sys.stderr)
        return 3 if failures else 1 if diverged else 0

    def _say(self, text: str) -> None:
        """Print it; where that is impossible (a full disk) the work goes on and is saved."""
        if not self.quiet and not self.unsaid:
            self.unsaid = printed(text)


def printed(text: str, end: str = "\n") -> str:
    """Print the text; "", or why that is impossible. A reader that has read enough, `| head`, is no failure."""
    try:
        print(text, end=end, flush=True)
    except OSError as error:
        with suppress(OSError):  # Python would try once more as it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return "" if isinstance(error, BrokenPipeError) else error.strerror or str(error)
    return ""


def _wrapped(text: str, indent: str = "") -> str:
    """The text in lines that a terminal does not break."""
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
