"""What a training left behind, as columns."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from minigrad.files import write_file


class History(Mapping[str, list[Any]]):
    """A table by columns, one row per epoch or record: `history["loss"][-1]`, `dict(history)`, `history.write(path)`.

    interrupted: whether the training was stopped by Ctrl-C
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[Any]] = {}
        self.n_rows = 0
        self.interrupted = False

    def append(self, **cells: float | str) -> None:
        """Add a row; a column that is new or left out has nan where it was not given."""
        for name in cells:
            self._columns.setdefault(name, [math.nan] * self.n_rows)
        for name, column in self._columns.items():
            column.append(cells.get(name, math.nan))
        self.n_rows += 1

    def replace(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Hold these rows, and no others."""
        self._columns, self.n_rows = {}, 0
        for row in rows:
            self.append(**row)

    def rows(self) -> list[dict[str, Any]]:
        """The table by rows: a dict per row."""
        return [{name: column[i] for name, column in self._columns.items()} for i in range(self.n_rows)]

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the table as CSV with a header; numbers are written so that reading gives back the same bits."""
        write_table(path, [list(self._columns), *zip(*self._columns.values(), strict=True)])

    def __getitem__(self, name: str) -> list[Any]:
        if name not in self._columns:
            raise KeyError(f"there is no column {name!r}; there are {', '.join(self._columns) or 'none yet'}")
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        last = {name: column[-1] for name, column in self._columns.items()} if self.n_rows else {}
        shown = ", ".join(
            f"{name} {cell:.4g}" if isinstance(cell, float) else f"{name} {cell}" for name, cell in last.items()
        )
        return f"History({self.n_rows} rows{f', the last: {shown}' if shown else ''})"


def write_table(path: str | os.PathLike[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows as comma-separated values."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_file(path, text.getvalue())
