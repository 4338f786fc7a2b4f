"""One progress line: rewritten on a terminal and in a notebook; in a log, a new line at every fifth of the way."""

from __future__ import annotations

import importlib
import shutil
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol, TextIO

WIDTH = 20  # characters of the bar
REDRAWS = 10  # per second, at most


class Progress:
    """Shows `label  [#####.....] 50/100  loss 0.31  4.2/s  12 s left  12 s`; silent when `quiet`, and then it touches no stream.

    The rate and the time left are reckoned from the first update, so that neither what a resumed training had done before nor the
    making of programs in the first step counts.

    total:  the number of steps, epochs, ... there will be
    stream: where to (default: sys.stderr as it is at the time, so that results can be piped from stdout; nowhere where that is
            None, as in a program without a console)
    """

    def __init__(self, total: int, label: str = "", *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.total = total
        self.label = label
        self.started = time.monotonic()
        stream = sys.stderr if stream is None else stream
        self._writer: _Writer = _Silence() if quiet or stream is None else _writer(stream)
        self._last = ""
        self._first: tuple[float, int] | None = None  # when the first update came, and what was done then

    def update(self, done: int, **numbers: float) -> None:
        """Say that `done` of the total are done, and what the numbers are now; drawing is left out when too frequent."""
        if self._first is None:
            self._first = time.monotonic(), done
        if self._writer.due(done, self.total):
            self._last = self._line(done, numbers)
            self._show(self._writer.write, self._last)

    def close(self, message: str = "") -> None:
        """End the line, with a message if something is to be said of the end."""
        self._show(self._writer.close, f"{self._last or self.label}  {message}".strip() if message else "")

    def _show(self, write: Callable[[str], None], line: str) -> None:
        """Fall silent where the stream cannot be written (a full disk, a reader that has gone): no training ends for that."""
        try:
            write(line)
        except OSError:
            self._writer = _Silence()

    def _line(self, done: int, numbers: dict[str, float]) -> str:
        filled = WIDTH * done // max(self.total, 1)
        bar = f"[{'#' * filled}{'.' * (WIDTH - filled)}] {done}/{self.total}"
        values = [f"{name.replace('_', ' ')} {value:.4g}" for name, value in numbers.items()]
        label = [self.label] if self.label else []
        return "  ".join([*label, bar, *values, *self._pace(done), f"{time.monotonic() - self.started:.0f} s"])

    def _pace(self, done: int) -> list[str]:
        """How many are done per second, and how long those left will take; nothing while that is unknown."""
        began, before = self._first or (self.started, 0)
        seconds = time.monotonic() - began
        if seconds <= 0 or done <= before:
            return []
        rate = (done - before) / seconds
        left = [_duration((self.total - done) / rate) + " left"] if done < self.total else []
        return [f"{rate:.3g}/s", *left]


def _duration(seconds: float) -> str:
    """A duration in the unit that suits it: 12 s, 3 min, 1.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


class _Writer(Protocol):
    def due(self, done: int, total: int) -> bool: ...
    def write(self, line: str) -> None: ...
    def close(self, line: str) -> None: ...


class _Silence:
    def due(self, done: int, total: int) -> bool:
        return False

    def write(self, line: str) -> None:
        pass

    def close(self, line: str) -> None:
        pass


class _Rewriting:
    """Due ten times a second, and at the end."""

    drawn = 0.0

    def due(self, done: int, total: int) -> bool:
        now = time.monotonic()
        if done < total and now - self.drawn < 1 / REDRAWS:
            return False
        self.drawn = now
        return True


class _Terminal(_Rewriting):
    """One line, rewritten; it never wraps, since a wrapped line could not be taken back."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.length = 0

    def write(self, line: str) -> None:
        line = line[: shutil.get_terminal_size().columns - 1]
        self.stream.write("\r" + line.ljust(self.length))
        self.stream.flush()
        self.length = len(line)

    def close(self, line: str) -> None:
        if line:
            self.write(line)
        if self.length:
            self.stream.write("\n")
            self.stream.flush()


class _Log:
    """A file or a pipe: a line at every fifth of the way, and no carriage return."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.fifths = 0

    def due(self, done: int, total: int) -> bool:
        fifths = 5 * done // max(total, 1)
        if fifths == self.fifths:
            return False
        self.fifths = fifths
        return True

    def write(self, line: str) -> None:
        self.stream.write(line + "\n")
        self.stream.flush()

    def close(self, line: str) -> None:
        if line:
            self.write(line)


class _Notebook(_Rewriting):
    """A display that is updated in place, so that the saved notebook holds the last line only."""

    def __init__(self, display: Any) -> None:
        self.display = display
        self.handle: Any = None

    def write(self, line: str) -> None:
        content = {"text/plain": line}
        if self.handle is None:
            self.handle = self.display(content, raw=True, display_id=True)
        else:
            self.handle.update(content, raw=True)

    def close(self, line: str) -> None:
        if line:
            self.write(line)


def _writer(stream: TextIO) -> _Writer:
    """The writer that suits where the stream leads."""
    if type(stream).__module__.startswith("ipykernel"):
        return _Notebook(importlib.import_module("IPython.display").display)
    return _Terminal(stream) if getattr(stream, "isatty", bool)() else _Log(stream)  # one that only writes is a log
