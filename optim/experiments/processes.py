"""Calls of a function in processes of their own, several at a time; the results come in the order of the calls."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any


def in_processes(function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], workers: int) -> Iterator[Any]:
    """Yield function(*arguments) for each call, with at most `workers` processes at a time, started anew for every call.

    function: of a module, as it is imported there; arguments and results are pickled

    Ctrl-C becomes a KeyboardInterrupt in every process: a function that catches it may still give a result. All results that there
    are then come, in order, and after them a KeyboardInterrupt.

    Errors: what the function raises; RuntimeError where a process ends without a result.
    """
    processes = _Processes(function, calls)
    try:
        for i in range(len(calls)):
            while i not in processes.results:
                processes.start(workers)
                processes.collect()
            yield processes.result(i)
    except KeyboardInterrupt:
        processes.interrupt()
        yield from [found for _, found in sorted(processes.results.items()) if not isinstance(found, Exception)]
        raise
    finally:
        processes.interrupt()


class _Processes:
    """The processes that run, by the connections on which their results come, and the results that came and were not given on."""

    def __init__(self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> None:
        self.context = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks
        self.function = function
        self.calls = calls
        self.begun = 0
        self.running: dict[Connection, tuple[int, SpawnProcess]] = {}
        self.results: dict[int, Any] = {}

    def start(self, workers: int) -> None:
        """Begin the next calls, as long as fewer than `workers` run."""
        while self.begun < len(self.calls) and len(self.running) < workers:
            here, there = self.context.Pipe(duplex=False)
            process = self.context.Process(
                target=_call, args=(there, self.function, self.calls[self.begun]), daemon=True
            )
            process.start()
            there.close()  # so that the end of the process is the end of what can be read
            self.running[here] = self.begun, process
            self.begun += 1

    def collect(self) -> None:
        """Wait for the next results."""
        for connection in wait(list(self.running)):
            assert isinstance(connection, Connection)
            i, process = self.running[connection]
            try:
                self.results[i] = connection.recv()
            except EOFError:
                process.join()
                self.results[i] = RuntimeError(
                    f"process {i + 1} of {len(self.calls)} ended without a result (exit code {process.exitcode}): if the machine has "
                    "too little memory, take fewer workers"
                )
            process.join()
            del self.running[connection]

    def result(self, i: int) -> Any:
        """The result of a call, given once; its error is raised."""
        found = self.results.pop(i)
        if isinstance(found, Exception):
            raise found
        return found

    def interrupt(self) -> None:
        """Let all that runs end as by Ctrl-C, and take what it still gives."""
        for _, process in self.running.values():
            process.terminate()
        while self.running:
            self.collect()


def _call(connection: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """What a process does. Ctrl-C reaches all processes of a terminal: only the first passes it on, as a termination signal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        try:
            result = function(*arguments)
        except Exception as error:
            result = error
        connection.send(result)
