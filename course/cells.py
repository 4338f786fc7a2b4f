"""Read a lesson: a script in percent format, as a list of cells with tags.

A cell begins with a line `# %%`, behind it `[markdown]` for text, and options as `name=value` with values in JSON:

    # %% [markdown] tags=["predict"]
    # %% tags=["figure"] alt="Three curves of the loss; the dashed one rises."
    # %% row="WEX-05"

The first lines of the script may name the rows that the lesson proves, as `# rows: WEX-05 VIS-02`.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
TUTORIALS = ROOT / "tutorials"

TEXT_TAGS = {"predict", "answer", "exercise", "only-slides", "no-slides"}
CODE_TAGS = {"fold", "figure", "exercise", "solution", "check", "only-slides", "no-slides"}
OPTIONS = {"tags", "alt", "row"}

_HEADER = re.compile(r"# %%(?P<text> \[markdown\])?(?P<options>(?: .*)?)$")
_OPTION = re.compile(r" +(\w+)=")
_ROW = re.compile(r"[A-Z]{2,4}-\d\d")


class LessonError(ValueError):
    """A script is no lesson; the message says in which line and what to write."""


@dataclass(frozen=True)
class Cell:
    """A cell of a lesson.

    line: the number of its first line below the header;  alt: what its figure shows, in words
    rows: the rows whose numbers its asserts prove
    """

    is_code: bool
    text: str
    line: int
    tags: frozenset[str] = frozenset()
    alt: str = ""
    rows: tuple[str, ...] = ()

    @property
    def asserts(self) -> bool:
        """Whether the cell holds an assert."""
        return self.is_code and any(isinstance(part, ast.Assert) for part in ast.walk(ast.parse(self.text)))


@dataclass(frozen=True)
class Lesson:
    """A lesson: its script, and the script's cells."""

    path: Path
    script: str
    title: str
    rows: tuple[str, ...]
    cells: tuple[Cell, ...]

    @property
    def number(self) -> str:
        """Its two digits, as in the names of all its files."""
        return self.path.name[:2]

    @property
    def hash(self) -> str:
        """The SHA-256 of the script, by which a page made of an older script is found."""
        return hashlib.sha256(self.script.encode()).hexdigest()


def lessons(folder: Path = TUTORIALS) -> list[Lesson]:
    """Read all lessons, in the order of their numbers."""
    return [read(path) for path in sorted(folder.glob("[0-9][0-9]_*.py"))]


def read(path: Path) -> Lesson:
    """Read a lesson from its script.

    Errors: LessonError, with file and line, where a header is not understood, a figure has no words, or the title is missing.
    """
    script = path.read_text("utf-8")
    try:
        return parse(path, script)
    except LessonError as error:
        raise LessonError(f"{path.name}: {error}") from None


def parse(path: Path, script: str) -> Lesson:
    """Take a script apart into cells; see `read`."""
    lines = script.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("# %%")]
    if not starts:
        raise LessonError('there is no cell: begin one with "# %% [markdown]"')
    head = "\n".join(lines[: starts[0]])
    named = re.search(r"^# rows: (.*)$", head, re.MULTILINE)
    cells = [_cell(lines, start, end) for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)]
    title = re.match(r"# (.+)", cells[0].text)
    if cells[0].is_code or not title:
        raise LessonError(f'line {starts[0] + 1}: the first cell is text and begins with the title, "# # Title"')
    return Lesson(path, script, title[1].strip(), tuple(named[1].split()) if named else (), tuple(cells))


def _cell(lines: list[str], start: int, end: int) -> Cell:
    header = _HEADER.match(lines[start])
    if not header:
        raise LessonError(f"line {start + 1}: {lines[start]!r} is no header of a cell")
    is_code = header["text"] is None
    options = _options(header["options"], start + 1)
    tags = frozenset(options.get("tags", ()))
    if unknown := tags - (CODE_TAGS if is_code else TEXT_TAGS):
        raise LessonError(f"line {start + 1}: no tag of a {'code' if is_code else 'text'} cell: {', '.join(unknown)}")
    if ("figure" in tags) != bool(options.get("alt")):
        raise LessonError(f'line {start + 1}: a figure says what it shows: tags=["figure"] alt="..."')
    rows = tuple(options.get("row", "").split())
    if wrong := [row for row in rows if not _ROW.fullmatch(row)]:
        raise LessonError(f'line {start + 1}: {", ".join(wrong)} names no row; write row="WEX-05"')
    body = lines[start + 1 : end]
    text = "\n".join(body) if is_code else "\n".join(map(_uncommented, body))
    return Cell(is_code, text.strip("\n"), start + 2 + _blank(body), tags, options.get("alt", ""), rows)


def _options(text: str, line: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    place = 0
    while text[place:].strip():
        name = _OPTION.match(text, place)
        if not name or name[1] not in OPTIONS:
            raise LessonError(f"line {line}: {text[place:].strip()!r} is none of {', '.join(sorted(OPTIONS))}")
        try:
            found[name[1]], place = json.JSONDecoder().raw_decode(text, name.end())
        except ValueError as error:
            raise LessonError(f"line {line}: the value of {name[1]} is not JSON: {error}") from None
    return found


def _uncommented(line: str) -> str:
    return line[2:] if line.startswith("# ") else line.lstrip("#")


def _blank(lines: list[str]) -> int:
    return next((number for number, line in enumerate(lines) if line.strip()), 0)
