"""Kill trainings at random moments, and resume them until they end: each has to end as one that was not killed."""

import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn, Self

from minigrad.optim import Checkpoints
from tests.survival.fuzz import strip
from tests.survival.trainings import TRAININGS, train

WRITING = ["fsync", "write", "replace", "unlink"]  # calls of the system that a checkpoint is written by
MOST_ATTEMPTS = 200
SIGNALS = {signal.SIGINT, signal.SIGTERM}


class Killing:
    """Processes that train, each a fork of this one, and what became of them.

    kills: by the name of the signal, or "while writing"
    """

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.straight: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        self.kills: dict[str, int] = {}

    def once(self, name: str) -> None:
        """Run a training to its end, however often it is killed on the way; AssertionError if it ends otherwise."""
        if name not in self.straight:
            start = time.perf_counter()
            self.straight[name] = repr(strip(train(name)))
            self.seconds[name] = time.perf_counter() - start
        with TemporaryDirectory() as folder:
            every = self.draw.choice([1, 2, 5, None])
            for _ in range(MOST_ATTEMPTS):
                if self._attempt(name, Path(folder), every):
                    break
            else:
                raise AssertionError(f"{name} (every_steps={every}) did not end in {MOST_ATTEMPTS} attempts")
            found = (Path(folder) / "result").read_text()
        if found != self.straight[name]:
            raise AssertionError(f"{name} (every_steps={every}) ended otherwise than the straight run")

    def _attempt(self, name: str, folder: Path, every: int | None) -> bool:
        """Start or resume it in a process of its own, and kill that; whether it ended first."""
        how = self.draw.choice(["SIGKILL", "SIGKILL", "SIGTERM", "SIGINT", "while writing", "nothing"])
        delay, call, k = (
            self.draw.uniform(0, 1.5 * self.seconds[name]),
            self.draw.choice(WRITING),
            self.draw.randint(1, 8),
        )
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # none comes before the new process can handle it
        pid = os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        else:
            _child(name, folder, every, (call, k) if how == "while writing" else None)
        if how.startswith("SIG"):
            time.sleep(delay)
            os.kill(pid, getattr(signal, how))
        _, status = os.waitpid(pid, 0)
        if (folder / "result").exists():
            return True
        self.kills[how] = self.kills.get(how, 0) + 1
        code = os.waitstatus_to_exitcode(status)
        allowed = {"SIGKILL": [-9], "SIGTERM": [-15, 143], "SIGINT": [130], "while writing": [-9], "nothing": []}[how]
        if code not in allowed:
            raise AssertionError(f"{name}: {how} gave the exit code {code}, expected one of {allowed}")
        return False


def _child(name: str, folder: Path, every: int | None, killed_at: tuple[str, int] | None) -> NoReturn:
    code = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        if killed_at is not None:
            kill_while_writing(*killed_at)
        made = train(name, checkpoints=Checkpoints(folder / "checkpoints", every_steps=every))
        code = 130 if made["interrupted"] else 0
        if not made["interrupted"]:
            (folder / "result.part").write_text(repr(strip(made)))
            (folder / "result.part").rename(folder / "result")
    except KeyboardInterrupt:  # before or after the training
        code = 130
    except SystemExit as error:
        code = int(error.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def kill_while_writing(call: str, k: int) -> None:
    """Let the k-th such call of the system kill this process: a write when half of it is done."""
    left = [k]

    def counted(function: Any, before: Any = None) -> Any:
        def called(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if not left[0]:
                if before is not None:
                    before(*arguments)
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return called

    if call == "fsync":
        os.fsync = counted(os.fsync)
    elif call == "write":
        opened = Path.open

        def open_(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            stream = opened(path, mode, *arguments, **options)
            return _Half(stream, counted) if "x" in mode else stream

        Path.open = open_  # type: ignore[assignment,method-assign]
    else:
        setattr(Path, call, counted(getattr(Path, call)))


class _Half:
    """A file of which half is written before the process is killed."""

    def __init__(self, stream: Any, counted: Any) -> None:
        self.stream = stream
        self.write = counted(stream.write, self._half)

    def _half(self, data: bytes) -> None:
        self.stream.write(data[: len(data) // 2])
        self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()


def killed(n: int, seed: int = 0) -> dict[str, int]:
    """Kill trainings n times or more; gives how many times in which way."""
    killing = Killing(seed)
    names = list(TRAININGS)
    while sum(killing.kills.values()) < n:
        killing.once(killing.draw.choice(names))
    return killing.kills
