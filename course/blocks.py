"""What a reader of a lesson sees, block by block: the same for forge, site and slides, which write the blocks each in their way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from course.cells import Cell, Lesson
from course.run import Shown


@dataclass(frozen=True)
class Text:
    """Markdown; `kind` is predict, exercise or empty."""

    markdown: str
    kind: str = ""


@dataclass(frozen=True)
class Code:
    """Python; `kind` is stub, check or empty."""

    source: str
    kind: str = ""


@dataclass(frozen=True)
class Output:
    """What code printed, and its last value as text."""

    text: str


@dataclass(frozen=True)
class Picture:
    """A figure as SVG, and what it shows in words. `number` counts the figures of the lesson from 1."""

    svg: str
    alt: str
    number: int


@dataclass(frozen=True)
class Part:
    """An interactive part: a page of its own, where in it one begins, and what it shows in words. Counted among the figures."""

    page: str
    start: str
    alt: str
    number: int


@dataclass(frozen=True)
class Folded:
    """Blocks that are shown when the reader asks for them, under a line that says what they are."""

    summary: str
    blocks: tuple[Block, ...]


Block = Text | Code | Output | Picture | Part | Folded


def blocks(lesson: Lesson, shown: Sequence[Shown], *, slides: bool = False) -> list[Block]:
    """List the blocks of a lesson: on the slides with what is for slides only, on pages without it."""
    unwanted = "no-slides" if slides else "only-slides"
    cells = [pair for pair in zip(lesson.cells, shown, strict=True) if unwanted not in pair[0].tags]
    count = iter(range(1, len(cells) + 1))
    found: list[Block] = []
    solution: list[Block] = []
    for cell, out in cells:
        if "solution" in cell.tags:  # shown below the check, which speaks of the stub
            solution = [Code(cell.text), *_outputs(out)]
        elif "check" in cell.tags:
            found += [
                Code(cell.text, "check"),
                Output(f"Not yet. {out.said}"),
                Folded("Solution", (*solution, *_outputs(out))),
            ]
        else:
            found += _of(cell, out, count)
    return found


def _of(cell: Cell, out: Shown, count: Iterator[int]) -> list[Block]:
    if "answer" in cell.tags:
        return [Folded("Answer", (Text(cell.text),))]
    if not cell.is_code:
        return [Text(cell.text, next(iter(cell.tags & {"predict", "exercise"}), ""))]
    if "figure" in cell.tags:
        number = next(count)
        seen: Block = Part(out.page, out.start, cell.alt, number) if out.page else Picture(out.svg, cell.alt, number)
        return [seen, *_outputs(out), Folded("Code of the figure", (Code(cell.text),))]
    if "fold" in cell.tags:
        return [Folded("Code", (Code(cell.text),)), *_outputs(out)]
    return [Code(cell.text, "stub" if "exercise" in cell.tags else ""), *_outputs(out)]


def _outputs(out: Shown) -> list[Block]:
    text = out.printed + out.text
    return [Output(text.rstrip("\n"))] if text.strip() else []


_LINK = re.compile(r"(?<!!)\[([^\]\n]+(?:\n[^\]\n]+)?)\]\(([^)\s]+)\)")


def relinked(markdown: str, target: Callable[[str], str]) -> str:
    """Exchange the targets of all links; where the new one is empty, the words stay without a link."""

    def exchange(match: re.Match[str]) -> str:
        new = target(match[2])
        return f"[{match[1]}]({new})" if new else match[1]

    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.DOTALL | re.MULTILINE)  # no link in code
    return "".join(part if part.startswith("```") else _LINK.sub(exchange, part) for part in parts)
