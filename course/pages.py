"""Write a lesson as Markdown: for a forge, with its pictures as files beside it, and for the site, with its pictures in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path

from course.blocks import Block, Code, Folded, Output, Part, Picture, Text, relinked
from course.cells import TUTORIALS, Lesson

FORGE = TUTORIALS / "pages"


def forge(lesson: Lesson, blocks: Iterable[Block], titles: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Give the page for a forge, which shows Markdown, and its pictures by their names.

    titles: of all lessons, by the names of their scripts
    """
    pictures: dict[str, str] = {}

    def picture(seen: Picture | Part) -> str:
        if isinstance(seen, Part):
            return f"> **To be moved:** {seen.alt} The site and the notebook of this lesson have it.\n"
        name = f"{lesson.number}-{seen.number}.svg"
        pictures[name] = file_svg(seen.svg)
        return f"![{seen.alt.replace('[', '(').replace(']', ')')}]({name})\n"

    def target(link: str) -> str:
        return f"{link[:2]}.md" if link in titles else re.sub(r"^\.\./", "../../", link)

    head = [
        f"<!-- Made by `make course` from the script with SHA-256 {lesson.hash}: edit the script, not this page. -->\n",
        f"[All lessons](README.md) · [script](../{lesson.path.name})\n",
    ]
    body = [_markdown(block, picture, target, _quoted) for block in blocks]
    return "\n".join([*head, *body, _around(lesson, titles)]), pictures


def contents(lessons: list[Lesson]) -> str:
    """Give the page that lists all lessons on a forge."""
    lines = [f"{int(lesson.number)}. [{lesson.title}]({lesson.number}.md)" for lesson in lessons]
    return "\n".join(
        [
            "<!-- Made by `make course`. -->",
            "",
            "# The course",
            "",
            "Each page is what its script computes and draws. `make site` makes a site of them, with a notebook and slides of each lesson.",
            "",
            *lines,
            "",
        ]
    )


def site(lesson: Lesson, blocks: Iterable[Block], titles: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Give the source of the lesson's page of the site, and its interactive parts, pages by their names."""
    parts: dict[str, str] = {}

    def picture(seen: Picture | Part) -> str:
        if isinstance(seen, Picture):
            return raw(figure(seen.svg, seen.alt, f"f{lesson.number}-{seen.number}-"))
        name = f"{lesson.number}-{seen.number}.html"
        parts[name] = seen.page
        return raw(frame(f"../interactive/{name}{seen.start}", seen.alt))

    def target(link: str) -> str:
        return f"{Path(link).stem}.md" if link in titles else link

    body = [_markdown(block, picture, target, _contained) for block in blocks]
    body.insert(1, raw(_ways(lesson)))
    return "\n".join(body), parts


def _markdown(
    block: Block,
    picture: Callable[[Picture | Part], str],
    target: Callable[[str], str],
    framed: Callable[[str, str], str],
) -> str:
    if isinstance(block, Text):
        text = relinked(block.markdown, target)
        return framed(text, block.kind) if block.kind else f"{text}\n"
    if isinstance(block, Code):
        code = f"```python\n{block.source}\n```"
        return framed(code, block.kind) if block.kind else f"{code}\n"
    if isinstance(block, Output):
        fence = "````" if "```" in block.text else "```"
        return f"{fence}text\n{block.text}\n{fence}\n"
    if isinstance(block, Folded):
        inner = "\n".join(_markdown(each, picture, target, framed) for each in block.blocks)
        return f"<details>\n<summary>{block.summary}</summary>\n\n{inner}\n</details>\n"
    return picture(block)


def _heading_and_rest(text: str) -> tuple[str, str]:
    """A heading stands above a frame, not in it."""
    heading, _, rest = text.partition("\n") if text.startswith("#") else ("", "", text)
    return (f"{heading}\n\n" if heading else ""), rest.strip("\n")


def _quoted(text: str, kind: str) -> str:
    if kind in {"stub", "check"}:
        return f"{text}\n"
    heading, rest = _heading_and_rest(text)
    return heading + "\n".join(f"> {line}".rstrip() for line in rest.splitlines()) + "\n"


def _contained(text: str, kind: str) -> str:
    heading, rest = _heading_and_rest(text)
    return f"{heading}````{{container}} {kind}\n{rest}\n````\n"


def _around(lesson: Lesson, titles: dict[str, str]) -> str:
    names = list(titles)
    place = names.index(lesson.path.name)
    ways = [
        f"{words}: [{titles[names[near]]}]({names[near][:2]}.md)"
        for words, near in (("Before", place - 1), ("Next", place + 1))
        if 0 <= near < len(names)
    ]
    return "\n" + " · ".join(ways) + "\n"


def _ways(lesson: Lesson) -> str:
    stem = lesson.path.stem
    return (
        f'<p class="ways"><a href="../notebooks/{stem}.ipynb" download>Notebook</a> '
        f'<a href="../slides/{stem}.html">Slides</a> <a href="../scripts/{stem}.py" download>Script</a></p>'
    )


def raw(html: str) -> str:
    """HTML in a page of the site."""
    return f"```{{raw}} html\n{html}\n```\n"


def figure(svg: str, alt: str, prefix: str) -> str:
    """A picture in a page, which scrolls where it is wider; ids get a prefix, so that no two pictures share one."""
    return (
        f'<figure class="picture"><div class="scroll" role="img" aria-label="{escape(alt)}" tabindex="0">'
        f"{inline_svg(svg, prefix)}</div></figure>"
    )


def frame(address: str, title: str) -> str:
    """An interactive part in a page, and a link to it alone."""
    return (
        f'<figure class="part"><iframe src="{address}" title="{escape(title)}" loading="lazy"></iframe>'
        f'<figcaption><a href="{address}">Open alone</a></figcaption></figure>'
    )


def inline_svg(svg: str, prefix: str) -> str:
    """A picture as part of a page: named by what is around it, with ids of its own, in the page's color."""
    text = svg[svg.index("<svg") :]
    text = re.sub(r"<style>svg\{color:.*?</style>", "", text, count=1)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\b(id="|url\(#|href="#)', rf"\g<1>{prefix}", text)
    text = re.sub(r"#(minigrad-[0-9a-f]{10})\b", rf"#{prefix}\1", text)  # selectors of its style sheet
    text = re.sub(r'(<svg [^>]*?) role="img"', r"\1", text, count=1)
    text = re.sub(r' aria-labelledby="[^"]*"', "", text, count=1)
    return re.sub(r"\n\s*\n", "\n", text.replace("<svg ", '<svg aria-hidden="true" ', 1))


def file_svg(svg: str) -> str:
    """A picture as a file beside a page: without what only programs read, in lines that end without blanks."""
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'<svg style="[^"]*" ', "<svg ", text, count=1)  # its place in a page
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
