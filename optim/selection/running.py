"""Run trials one after the other or on an executor; a trial that fails or kills its process is recorded, and the search goes on."""

from __future__ import annotations

import inspect
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from minigrad.optim.selection.trials import AnswerError, Goal, Trial
from minigrad.signatures import parameters

Train: TypeAlias = Callable[..., Any]
SEEDED = ("rng", "seed")  # arguments of `train` that the search itself gives
KILLED = "killed: the process ended without an answer (out of memory?)"
ARGUMENTS = ("max_workers", "mp_context", "initializer", "initargs", "max_tasks_per_child")  # of a pool of processes
in_trial: ContextVar[bool] = ContextVar("in_trial", default=False)


def seed_from(rng: np.random.Generator | int) -> int:
    """Give the integer that all seeds of a search are made of."""
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(2**63))
    if not hasattr(rng, "__index__"):
        raise TypeError(f"rng={rng!r}: expected an integer, or a generator, np.random.default_rng(0)")
    if rng < 0:
        raise ValueError(f"rng={rng!r}: expected an integer of at least 0")
    return int(rng)


def seed_of(seed: int, number: int) -> int:
    """Make the seed of a trial or fold of the search's and of its number alone."""
    return int(np.random.SeedSequence(seed, spawn_key=(number, 0)).generate_state(1)[0])


# One trial -------------------------------------------------------------------------------------------------------------


def run_trial(train: Train, trial: Trial, goal: Goal, attempt: int = 0) -> Trial:
    """Run a trial: give it its numbers, or the error that `train` raised.

    attempt: read by nobody; Dask gives two calls with the same arguments one answer, and a second attempt needs one of its own

    Errors: AnswerError for an answer that cannot be compared; KeyboardInterrupt after Ctrl-C, also where `fit` has taken it.
    """
    start = time.perf_counter()
    try:
        with interrupts_noted() as noted, marked():
            answer = called(train, trial.settings, trial.seed)
        if noted:
            raise KeyboardInterrupt
        numbers = goal.numbers_of(answer)
    except AnswerError:
        raise
    except (Exception, SystemExit) as error:
        return replace(trial, seconds=time.perf_counter() - start, error=described(error))
    return replace(trial, score=next(iter(numbers.values())), numbers=numbers, seconds=time.perf_counter() - start)


def called(train: Train, settings: dict[str, Any], seed: int) -> Any:
    """Call train(**settings), or train(settings) where it takes no such names; it is given rng and seed where it has them.

    Errors: AnswerError where it takes neither.
    """
    takes = parameters(train)
    given = {"rng": np.random.default_rng(seed), "seed": seed}
    seeded = {name: given[name] for name in SEEDED if name in takes and name not in settings}
    if not takes or _binds(train, **settings, **seeded):
        return train(**settings, **seeded)
    if _binds(train, settings, **seeded):
        return train(settings, **seeded)
    raise AnswerError(
        f"train takes {', '.join(takes)}, and the settings are {', '.join(settings)}: write "
        f"def train({', '.join([*settings, *seeded])})"
    )


def _binds(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> bool:
    """Whether a function can be called with these arguments."""
    try:
        inspect.signature(function).bind(*arguments, **keywords)
    except TypeError:
        return False
    return True


def described(error: BaseException) -> str:
    """Describe an error in one line: its type, its message, and the last line of code that it went through."""
    steps = traceback.extract_tb(error.__traceback__)
    place = f" ({steps[-1].filename.rpartition('/')[2]}:{steps[-1].lineno})" if steps else ""
    return f"{' '.join(f'{type(error).__name__}: {error}'.split())}{place}"


@contextmanager
def marked() -> Iterator[None]:
    """Mark what runs as a trial, in which no test set may be opened."""
    token = in_trial.set(True)
    try:
        yield
    finally:
        in_trial.reset(token)


@contextmanager
def interrupts_noted() -> Iterator[list[int]]:
    """Note every signal that becomes a KeyboardInterrupt: `fit` takes it and returns, and its trial would count as a whole one."""
    noted: list[int] = []

    def note(number: int, frame: Any) -> None:
        noted.append(number)
        signal.default_int_handler(number, frame)

    here = threading.current_thread() is threading.main_thread()  # only there may signals be set
    numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if here and signal.getsignal(n) is signal.default_int_handler]
    for number in numbers:
        signal.signal(number, note)
    try:
        yield noted
    finally:
        for number in numbers:
            signal.signal(number, signal.default_int_handler)


# Many trials -----------------------------------------------------------------------------------------------------------


def run_all(train: Train, trials: Sequence[Trial], goal: Goal, executor: Executor | None) -> Generator[Trial]:
    """Yield the trials as they end."""
    if executor is None:
        yield from (run_trial(train, trial, goal) for trial in trials)
        return
    workers = _Workers(train, goal, executor)
    try:
        yield from workers.run(trials)
    finally:
        workers.close()


class _Workers:
    """An executor, the trials that run on it, and another pool in its place where it broke."""

    def __init__(self, train: Train, goal: Goal, executor: Executor) -> None:
        if not hasattr(executor, "submit"):
            raise TypeError(
                f"executor={executor!r}: expected a concurrent.futures.Executor, such as ProcessPoolExecutor(2)"
            )
        self.train, self.goal = train, goal
        self.given = self.pool = executor
        self.running: dict[Future[Trial], Trial] = {}

    def run(self, trials: Sequence[Trial]) -> Iterator[Trial]:
        """Yield the trials as they end; last those that may have killed a process, each with nothing beside it."""
        waiting, suspects = list(reversed(trials)), list[Trial]()
        # A process that dies takes all trials with it that its pool was given: no more of them than processes.
        most = getattr(self.pool, "_max_workers", 2) if isinstance(self.pool, ProcessPoolExecutor) else len(trials)
        while waiting or self.running:
            try:
                while waiting and len(self.running) < most:
                    self.submit(waiting[-1])
                    waiting.pop()
            except BrokenExecutor:
                if not self.running:  # the pool was broken when it came
                    self.renew()
                    continue
            done, _ = wait(self.running, return_when=FIRST_COMPLETED)
            killed = [future for future in done if _is_killed(future)]
            yield from (self.ended(future) for future in done if future not in killed)
            suspects += [self.running.pop(future) for future in killed]
            if any(_is_broken(future) for future in killed):
                suspects += self.running.values()
                self.renew()
        yield from map(self.alone, sorted(suspects, key=lambda trial: trial.number))

    def submit(self, trial: Trial, attempt: int = 0) -> Future[Trial]:
        future = self.pool.submit(run_trial, self.train, trial, self.goal, attempt)
        self.running[future] = trial
        return future

    def ended(self, future: Future[Trial]) -> Trial:
        """Take the trial of a future that is done; what cannot get better with another trial is raised."""
        trial = self.running.pop(future)
        error = KeyboardInterrupt() if future.cancelled() else future.exception()
        if error is None:
            return future.result()
        if isinstance(error, AnswerError | KeyboardInterrupt):
            raise error
        if isinstance(error, pickle.PicklingError) or "pickle" in str(error):
            raise TypeError(
                f"a trial could not be sent to another process ({error}): train has to be a function of a module, and its settings "
                "what pickle knows; a name for a function, say"
            ) from error
        return replace(trial, error=described(error))

    def alone(self, trial: Trial) -> Trial:
        """Run a trial with nothing beside it, to see whether it is the one that kills its process."""
        future = self.submit(trial, attempt=1)
        wait([future])
        if not _is_killed(future):
            return self.ended(future)
        if _is_broken(future):
            self.renew()
        self.running.pop(future, None)
        return replace(trial, error=KILLED)

    def renew(self) -> None:
        """Put another pool in the place of one that broke."""
        broken = self.pool
        if not isinstance(broken, ProcessPoolExecutor):
            raise RuntimeError(
                f"the executor broke ({type(broken).__name__}): give the search another one, and its file, to go on"
            )
        broken.shutdown(cancel_futures=True)  # and wait for its threads, beside which no process should be forked
        self.running.clear()
        made_with = {name: getattr(broken, f"_{name}") for name in ARGUMENTS if hasattr(broken, f"_{name}")}
        self.pool = ProcessPoolExecutor(**made_with)

    def close(self) -> None:
        """Take back what has not begun."""
        for future in self.running:
            future.cancel()
        if self.pool is not self.given:
            self.pool.shutdown(wait=False, cancel_futures=True)


def _is_broken(future: Future[Any]) -> bool:
    return not future.cancelled() and isinstance(future.exception(), BrokenExecutor)


def _is_killed(future: Future[Any]) -> bool:
    """Whether a process died, of whatever executor: Dask has an error of its own, and a pool that goes on."""
    return _is_broken(future) or (not future.cancelled() and type(future.exception()).__name__ == "KilledWorker")


def map_on(executor: Executor | None, function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Call a function on everything, in order, on an executor or here; the first error is raised."""
    if executor is None:
        return [function(item) for item in items]
    futures = [executor.submit(function, item) for item in items]
    try:
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()
