"""What a search has found: a trial for each set of settings, and the table of all trials."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from minigrad.optim.selection.spaces import Settings, around
from minigrad.optim.training.history import History, write_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


WIDEST = 60  # letters of a cell of the table as text


class AnswerError(TypeError):
    """`train` cannot be called with the settings, or what it returned not be compared; it ends the search, as all trials are alike."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One training with its settings. Trials are equal where all is but the seconds; nan equals nan.

    number:   the trial's place in the search, from 0, in whatever order trials end
    seed:     the integer that `train` was seeded with; it depends on the search's rng and the number alone
    score:    the number that decides; nan where the trial failed
    numbers:  all that `train` returned, by name; of a `History` the row with the best score
    error:    why there is no score: the exception's type, its message and its line; "" where all went well
    round:    of `successive_halving`, from 0
    """

    number: int
    settings: Settings
    seed: int
    score: float = math.nan
    numbers: dict[str, float] = field(default_factory=dict)
    error: str = ""
    round: int = 0
    seconds: float = math.nan

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trial) and self._compared() == other._compared()

    __hash__ = None  # type: ignore[assignment] # as of all that is equal by its parts, some of which are lists

    def _compared(self) -> tuple[Any, ...]:
        """All but the seconds, with numbers as texts, among which nan is like nan."""
        numbers = {name: repr(number) for name, number in self.numbers.items()}
        return self.number, self.settings, self.seed, repr(self.score), numbers, self.error, self.round

    def row(self) -> dict[str, Any]:
        """Give the trial as a row of the table."""
        return {"trial": self.number, **self.settings, **self.numbers, "seconds": self.seconds, "error": self.error}


@dataclass(frozen=True)
class Goal:
    """The number that decides, by name, and whether it is to be high or low."""

    name: str
    high: bool

    @classmethod
    def of(cls, lowest: str | None, highest: str | None) -> Goal:
        """Read a search's arguments, of which one is given, or none."""
        if lowest is not None and highest is not None:
            raise ValueError(f"lowest={lowest!r} and highest={highest!r}: one number decides; give one of them")
        name = lowest if highest is None else highest
        if not isinstance(name, str | None):
            raise TypeError(f"expected the name of the number that decides, as highest='accuracy', not {name!r}")
        return cls(name or "", highest is not None)

    def rank(self, score: float) -> float:
        """Rank a score: a larger number for a better one, -inf for nan."""
        return -math.inf if math.isnan(score) else score if self.high else -score

    def numbers_of(self, answer: Any) -> dict[str, float]:
        """Read what `train` returned as numbers by name, the one that decides first."""
        if isinstance(answer, History):
            return self._of_history(answer)
        if isinstance(answer, Mapping):
            numbers = {str(name): number_of(number) for name, number in answer.items()}
        else:
            numbers = {self.name or "score": number_of(answer)}
        chosen = self._chosen(numbers)
        return {chosen: numbers[chosen], **numbers}

    def _of_history(self, history: History) -> dict[str, float]:
        if history.interrupted:
            raise KeyboardInterrupt
        rows = [
            {name: float(cell) for name, cell in row.items() if not isinstance(cell, str)} for row in history.rows()
        ]
        if not rows:
            raise AnswerError("train returned a history without a row")
        chosen = self._chosen(rows[0])
        best = max(rows, key=lambda row: self.rank(row[chosen]))
        return {chosen: best[chosen], **best}

    def _chosen(self, numbers: Mapping[str, float]) -> str:
        """The name of the number that decides: where none was said "val_loss", or the only one there is."""
        if self.name in numbers:
            return self.name
        found = ", ".join(numbers) or "no number"
        if self.name:
            raise AnswerError(f"train returned {found}, and {self.name!r}, which decides, is not among them")
        if "val_loss" in numbers:
            return "val_loss"
        if len(numbers) != 1:
            raise AnswerError(f"train returned {found}: say by lowest= or highest= which decides")
        return next(iter(numbers))


def number_of(answer: Any) -> float:
    """Read what `train` returned as a number; AnswerError where it is none."""
    try:
        if answer is None or isinstance(answer, str) or (isinstance(answer, np.ndarray) and answer.ndim):
            raise TypeError
        return float(answer)
    except (TypeError, ValueError):
        advice = " (does it end with `return`?)" if answer is None else ""
        raise AnswerError(
            f"train returned {answer!r}{advice}: expected a number measured on validation data, numbers by name, or the history of fit"
        ) from None


class Trials(Sequence[Trial]):
    """The trials of a search by their numbers: `trials.best.settings`, `trials.table()`, `trials.write(path)`, `trials.figure()`.

    space:       what was searched
    interrupted: whether Ctrl-C ended the search before all trials were made
    """

    def __init__(
        self, trials: Sequence[Trial], goal: Goal, space: Mapping[str, Any], *, interrupted: bool = False
    ) -> None:
        self._trials = sorted(trials, key=lambda trial: trial.number)
        self.goal = goal
        self.space = space
        self.interrupted = interrupted

    @property
    def best(self) -> Trial:
        """The trial with the best score, of the last round; the first of equal ones. ValueError where all failed or gave nan."""
        ranked = self.ranked()
        if not ranked or math.isnan(ranked[0].score):
            errors = [trial.error for trial in self._trials if trial.error]
            raise ValueError(
                f"none of {len(self)} trials gave a score{f'; the first error: {errors[0]}' if errors else ''}"
            )
        return ranked[0]

    @property
    def failed(self) -> list[Trial]:
        """The trials that ended with an error."""
        return [trial for trial in self._trials if trial.error]

    def ranked(self) -> list[Trial]:
        """Sort the trials, the best first: by round, then by score; at the end those that have none."""
        return sorted(
            self._trials, key=lambda t: (not math.isnan(t.score), t.round, self.goal.rank(t.score)), reverse=True
        )

    def rows(self) -> list[dict[str, Any]]:
        """List the table by rows, by their numbers, all with the same columns; nan where a trial has no such number."""
        rows = [trial.row() for trial in self._trials]
        last = ("seconds", "error")
        names = [*(name for name in dict.fromkeys(name for row in rows for name in row) if name not in last), *last]
        return [{name: row.get(name, math.nan) for name in names} for row in rows]

    def table(self, n: int | None = None) -> str:
        """Write the n best trials as text, the best first; all of them by default."""
        by_number = {row["trial"]: row for row in self.rows()}
        rows = [by_number[trial.number] for trial in self.ranked()[:n]]
        if not rows:
            return "no trials"
        if not self.failed:
            rows = [{name: cell for name, cell in row.items() if name != "error"} for row in rows]
        cells = [list(rows[0]), *[[_text(cell) for cell in row.values()] for row in rows]]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
        ]
        return "\n".join(lines)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write all trials as CSV, by their numbers; numbers are written so that reading gives back the same bits."""
        rows = self.rows()
        write_table(path, [list(rows[0]) if rows else ["trial"], *[list(row.values()) for row in rows]])

    def around_best(self, n: int = 3) -> dict[str, Any]:
        """Say what to search next, around the best trial.

        Of a list of numbers n values between the neighbors of the best one, and the best one itself, spaced by a factor where the
        list is; at an end of the list, between the best one and its only neighbor. Of other lists the best value alone. Of a
        distribution half its width around the best value, and not beyond where it was.
        """
        best = self.best.settings
        return {name: around(given, best[name], n) for name, given in self.space.items()}

    def figure(self, *, ax: Axes | None = None) -> Figure:
        """Draw the trials by parallel coordinates: see `parallel_coordinates`."""
        from minigrad.optim.selection.coordinates import parallel_coordinates

        return parallel_coordinates(self, ax=ax)

    @overload
    def __getitem__(self, i: int) -> Trial: ...
    @overload
    def __getitem__(self, i: slice) -> list[Trial]: ...
    def __getitem__(self, i: int | slice) -> Trial | list[Trial]:
        return self._trials[i]

    def __len__(self) -> int:
        return len(self._trials)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._trials)

    def __repr__(self) -> str:
        failed = f", {len(self.failed)} of them failed" if self.failed else ""
        shown = ", the best 5:" if len(self) > 5 else ""
        return f"Trials({len(self)} trials{failed}){shown}\n{self.table(5)}"


def _text(cell: Any) -> str:
    text = f"{cell:.4g}" if isinstance(cell, float) else getattr(cell, "__name__", None) or str(cell)
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"
