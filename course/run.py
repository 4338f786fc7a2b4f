"""Run a lesson in a process of its own, cell by cell, and keep what every cell shows.

The value of a cell's last expression is shown as in a notebook: as HTML or SVG where it offers one, else as text. Of an
exercise both are run: the check with the reader's stub, which must fail in words, and the check with the solution.
What a lesson showed is kept in `.course/`, by the hash of all that it depends on.
"""

from __future__ import annotations

import ast
import contextlib
import fcntl
import hashlib
import importlib.metadata
import io
import json
import linecache
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from course.cells import ROOT, TUTORIALS, Cell, Lesson, read
from minigrad.drawing.events import Record

CACHE = ROOT / ".course"
PACKAGES = "minigrad", "models", "optim"
DISTRIBUTIONS = "numpy", "matplotlib"
SECONDS = 120  # after which a lesson is ended


class RunError(RuntimeError):
    """A lesson does not run to its end; the message has the traceback."""


@dataclass
class Shown:
    """What one cell showed: what it printed, and its last value as text, SVG or an HTML page.

    start: of a page, the fragment of its address at which it makes its point, as "#12"
    said:  of a check, what it said of the stub
    """

    printed: str = ""
    text: str = ""
    svg: str = ""
    page: str = ""
    start: str = ""
    said: str = ""


def run(lesson: Lesson, fresh: bool = False) -> list[Shown]:
    """Give what every cell of the lesson shows, from the cache where nothing has changed.

    fresh: run it anyway

    Errors: RunError where a cell raises, with its traceback, or where a stub passes its own check.
    """
    CACHE.mkdir(exist_ok=True)
    kept = CACHE / f"{lesson.number}-{_key(lesson)}.json"
    with one_at_a_time(lesson.number):
        if fresh or not kept.exists():
            shown = _run(lesson)
            for old in CACHE.glob(f"{lesson.number}-*.json"):
                old.unlink()
            kept.write_text(json.dumps([asdict(each) for each in shown]), "utf-8")
        return [Shown(**each) for each in json.loads(kept.read_text("utf-8"))]


@contextlib.contextmanager
def one_at_a_time(name: str) -> Iterator[None]:
    """Wait until no other process does what has this name: tests in several processes share what was run once."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(lesson: Lesson) -> list[Shown]:
    path = os.pathsep.join([str(ROOT), str(TUTORIALS)])
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # equal sums on every machine
    environment = {**os.environ, **one_thread, "PYTHONPATH": path, "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "error"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "course.run", str(lesson.path), f"{folder}/shown.json"]
        try:
            ended = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS
            )
        except subprocess.TimeoutExpired:
            raise RunError(f"{lesson.path.name} did not end in {SECONDS} s") from None
        if ended.returncode:
            raise RunError(f"{lesson.path.name} failed:\n{ended.stderr}")
        return [Shown(**each) for each in json.loads(Path(folder, "shown.json").read_text("utf-8"))]


def _key(lesson: Lesson) -> str:
    """The hash of the script and of all that decides what it shows."""
    found = hashlib.sha256(lesson.hash.encode())
    for path in sources():
        found.update(path.read_bytes())
    for name in DISTRIBUTIONS:
        found.update(importlib.metadata.version(name).encode())
    found.update(sys.version.encode())
    return found.hexdigest()[:16]


def sources() -> Iterable[Path]:
    """The files on which the outputs of a lesson depend besides its script."""
    yield Path(__file__)
    yield TUTORIALS / "check.py"
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


class Process:
    """The names of a lesson, and the cells run in them."""

    def __init__(self, lesson: Lesson) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__"}
        sys.modules["__main__"].__dict__.update(self.names)  # classes of the lesson can be found by their module
        self.file = str(lesson.path)
        linecache.cache[self.file] = len(lesson.script), None, lesson.script.splitlines(keepends=True), self.file

    def show(self, cell: Cell) -> Shown:
        """Run a cell, and give what it shows."""
        printed = io.StringIO()
        body = ast.parse(cell.text, self.file)
        ast.increment_lineno(body, cell.line - 1)
        end = body.body[-1] if body.body else None
        last = end if isinstance(end, ast.Expr) else None
        if last:
            del body.body[-1]
        with contextlib.redirect_stdout(printed):
            exec(compile(body, self.file, "exec"), self.names)
            value = eval(compile(ast.Expression(last.value), self.file, "eval"), self.names) if last else None
        return _shown(value, printed.getvalue())


def _shown(value: Any, printed: str) -> Shown:
    if value is None:
        return Shown(printed)
    if hasattr(value, "_repr_svg_"):
        return Shown(printed, svg=value._repr_svg_())
    if isinstance(value, Record):  # opened where the backward pass begins
        return Shown(printed, page=value.html(), start=f"#{len(value.forward().events) + 1}")
    if hasattr(value, "html"):  # an interactive part: a page of its own
        return Shown(printed, page=value.html())
    return Shown(printed, text=repr(value))


def _all(lesson: Lesson) -> list[Shown]:
    process = Process(lesson)
    shown: list[Shown] = []
    before_solution: dict[str, Any] = {}
    for i, cell in enumerate(lesson.cells):
        if not cell.is_code:
            shown.append(Shown())
            continue
        said = ""
        if "solution" in cell.tags:
            said = _said_of_the_stub(process, lesson, i)
        shown.append(process.show(cell))
        if bool(shown[-1].svg or shown[-1].page) != ("figure" in cell.tags):
            raise RunError(
                f'line {cell.line}: a cell that ends in a figure, and no other, has tags=["figure"] and alt="..."'
            )
        if said:
            before_solution["said"] = said
        if "check" in cell.tags:
            shown[-1].said = before_solution.pop("said", "")
    return shown


def _said_of_the_stub(process: Process, lesson: Lesson, solution: int) -> str:
    """What the check says of the stub, which stands before the solution."""
    from check import NotYet

    check = next((cell for cell in lesson.cells[solution:] if "check" in cell.tags), None)
    if check is None:
        raise RunError(f"line {lesson.cells[solution].line}: a solution is followed by a check")
    try:
        process.show(check)
    except NotYet as error:
        return str(error)
    raise RunError(f"line {check.line}: the check passes before the exercise is solved")


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps([asdict(each) for each in _all(read(Path(sys.argv[1])))]), "utf-8")
