"""Let Ctrl-C and a termination signal wait while something must not be torn: a step, a checkpoint that is written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

TERMINATED = 128 + signal.SIGTERM  # the exit code of a program that a termination signal ended, as a shell has it


class Terminated(SystemExit):
    """A termination signal came: the program ends with exit code 143 unless this is caught."""

    def __init__(self) -> None:
        super().__init__(TERMINATED)


class Signals:
    """While entered, Ctrl-C and the termination signal wait for the end of `with signals.held():`; a second one does not wait.

    terminates: whether a termination signal raises `Terminated`; if not, it does what it does anyway

    Signals that the program handles itself, in another way than Python does, reach its own handlers, after the wait. Only the main
    thread can handle signals: in any other one nothing is done.
    """

    def __init__(self, *, terminates: bool) -> None:
        self._taken = [signal.SIGINT, signal.SIGTERM] if terminates else [signal.SIGINT]
        self._before: dict[int, Any] = {}
        self._holds = 0
        self._waiting: int | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in self._taken:
                handler = signal.getsignal(number)
                if handler is signal.SIG_IGN or handler is None:  # None: it was set by no Python
                    continue
                self._before[number] = handler
                signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._waiting is not None:  # an error came first
            self._pass_on(self._waiting, None)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Do what must not be torn; a signal that comes meanwhile is handled at the end."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
        if self._waiting is not None and not self._holds:
            number, self._waiting = self._waiting, None
            self._pass_on(number, None)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._holds and self._waiting is None:
            self._waiting = number
            return
        self._waiting = None
        self._pass_on(number, frame)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        handler = self._before[number]
        if callable(handler):
            handler(number, frame)
        else:  # SIG_DFL
            raise KeyboardInterrupt if number == signal.SIGINT else Terminated
