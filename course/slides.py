"""Write a lesson as slides: one file that needs nothing else, a section for each heading, which the arrow keys go through."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from course import fonts
from course.blocks import Block, Code, Output, Part, Picture, Text, relinked
from course.cells import Lesson
from course.formulas import mathml
from course.highlight import STYLE as COLORS
from course.highlight import highlighted
from course.pages import figure

STYLE = Path(__file__).with_name("sphinx") / "slides.css"
SCRIPT = Path(__file__).with_name("sphinx") / "slides.js"


def slides(lesson: Lesson, blocks: Iterable[Block], titles: dict[str, str]) -> str:
    """Give the page. Long sections scroll; printed, each begins a sheet of paper."""
    write = _markdown()

    def target(link: str) -> str:
        return f"../course/{Path(link).stem}.html" if link in titles else re.sub(r"\.md(#|$)", r".html\1", link)

    sections: list[list[str]] = [[]]
    for block in blocks:
        for part in _split(block):
            if isinstance(part, Text) and part.markdown.startswith("## "):
                sections.append([])
            sections[-1].append(_html(part, lesson, write, target))
    body = "\n".join(
        f'<section id="s{number}" tabindex="-1">{"".join(parts)}</section>'
        for number, parts in enumerate(sections, 1)
        if parts
    )
    characters = fonts.of_formulas(body)
    font = base64.b64encode(fonts.subset(characters)).decode() if characters else ""
    face = f"@font-face{{font-family:'STIX Two Math';src:url(data:font/woff;base64,{font})}}" if font else ""
    style = f"{face}\n{STYLE.read_text('utf-8')}{COLORS}"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(lesson.title)}</title>\n<style>\n{style}\n</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        f"<script>\n{SCRIPT.read_text('utf-8')}</script>\n</body>\n</html>\n"
    )


def _split(block: Block) -> list[Block]:
    """A text with several headings is as many parts."""
    if not isinstance(block, Text):
        return [block]
    parts = re.split(r"(?m)^(?=## )", block.markdown)
    return [Text(part, block.kind) for part in parts if part.strip()]


def _html(block: Block, lesson: Lesson, write: MarkdownIt, target: Callable[[str], str]) -> str:
    if isinstance(block, Text):
        return f'<div class="text {block.kind}">{write.render(relinked(block.markdown, target))}</div>'
    if isinstance(block, Code):
        return _code(block.source)
    if isinstance(block, Output):
        return f'<pre class="output" tabindex="0">{escape(block.text)}</pre>'
    if isinstance(block, Picture):
        return figure(block.svg, block.alt, f"f{lesson.number}-{block.number}-")
    if isinstance(block, Part):
        return (
            f'<figure class="part"><iframe srcdoc="{escape(block.page)}" title="{escape(block.alt)}" loading="lazy">'
            "</iframe></figure>"
        )
    if block.summary.startswith("Code"):
        return ""  # the code of figures is on the page
    inner = "".join(_html(each, lesson, write, target) for each in block.blocks)
    return f"<details><summary>{block.summary}</summary>{inner}</details>"


def _code(source: str) -> str:
    return f'<pre class="code" tabindex="0">{highlighted(source)}</pre>'


def _markdown() -> MarkdownIt:
    write = MarkdownIt("commonmark", {"html": True}).enable("table")

    def formula(latex: str, options: dict[str, bool]) -> str:
        return mathml(latex, block=options["display_mode"])

    def fence(source: str, language: str, _: str) -> str:
        if language == "math":
            return mathml(source, block=True)
        return _code(source) if language == "python" else f'<pre class="output" tabindex="0">{escape(source)}</pre>'

    dollarmath_plugin(write, renderer=formula)
    write.options["highlight"] = fence
    return write
