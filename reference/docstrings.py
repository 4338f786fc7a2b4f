"""From a docstring to formulas and Markdown, by the convention that all docstrings here follow.

The first paragraph is the formula and, behind a semicolon and two spaces, the rule of the way back, which names an
adjoint (a letter with a bar) or says in words where the adjoint goes, or what the gradient is:

    y = tanh x;  x̄ = ȳ (1 − y²).

Where it takes more room, the rule has a paragraph of its own which begins with "Back:". Sentences behind the rule, and
all other paragraphs, are notes. A paragraph may be a list of arguments (`name:  meaning`, indented where it goes on), a
list of points (`* `), an indented formula, a doctest, or begin with a word and a colon ("Shapes:", "Errors:", "Source:").
"""

from __future__ import annotations

import inspect
import re
import unicodedata
from typing import Any, NamedTuple

SEPARATOR = ";  "
BACK = "Back: "
A_RULE = re.compile("\u0304|adjoint|gradient")  # a bar over a letter, composed or not, or one of these words
SENTENCE = re.compile(r"\.\s+(?=[A-Z]\w*[ ,])")
ARGUMENT = re.compile(r"([a-z][\w.]*(?:\(\)|=\"?\w+\"?)?(?:, [a-z]\w*)*):\s+(.*)")
LIST = re.compile(r"^(\s*\d*)([-+#.)])(?= )", re.MULTILINE)  # what would begin a list or a headline
LEAD = re.compile(r"([A-Z][a-z]+(?: [a-z]+)?):\s")


class Doc(NamedTuple):
    """What a docstring says: the formula, the rule of the way back ("" for none), and paragraphs of notes."""

    forward: str
    reverse: str
    notes: list[str]


def read(thing: Any) -> Doc:
    """The docstring of a class or function, taken apart."""
    head, *notes = re.split(r"\n\s*\n", inspect.cleandoc(thing.__doc__ or ""))
    head = head.replace("\n", " ")
    forward, _, reverse = head.partition(SEPARATOR)
    if not A_RULE.search(unicodedata.normalize("NFD", reverse)):
        forward = head
        reverse = next((note for note in notes if note.startswith(BACK)), "")
        notes = [note for note in notes if note != reverse]
    reverse, *more = SENTENCE.split(reverse.replace("\n", " ").removeprefix(BACK), maxsplit=1)
    notes = [*more, *notes]
    return Doc(forward.removesuffix("."), reverse.removesuffix("."), notes)


def markdown(paragraph: str) -> str:
    """A paragraph of a docstring as Markdown."""
    lines = paragraph.split("\n")
    if lines[0].startswith(">>>"):
        return fenced(paragraph, "python")
    if all(line.startswith("    ") for line in lines):
        return fenced(inspect.cleandoc("\n" + paragraph))
    if ARGUMENT.match(lines[0]) and all(line[0] == " " or ARGUMENT.match(line) for line in lines):
        return "\n".join(_argument(line) for line in lines)
    if lines[0].startswith("* "):
        return "\n".join(("- " if line[0] == "*" else "  ") + escaped(line[2:]) for line in lines)
    text = escaped(paragraph)
    return LEAD.sub(r"**\1:** ", text, count=1) if LEAD.match(text) else text


def fenced(text: str, language: str = "") -> str:
    """A block of code."""
    return f"```{language}\n{text}\n```"


def escaped(text: str) -> str:
    """Text of which Markdown makes neither emphasis nor links nor tags; what stands in backticks stays code."""
    parts = re.split(r"(`[^`]*`)", text)
    parts[::2] = [_escaped(part) for part in parts[::2]]
    return LIST.sub(r"\1\\\2", "".join(parts))


def _escaped(text: str) -> str:
    text = re.sub(r"[\\*]", r"\\\g<0>", text)
    text = re.sub(r"(?<!\w)_", r"\\_", text)  # between letters it is no emphasis
    return re.sub(r"<(?=[A-Za-z/!?])|(?<=\])\(", r"\\\g<0>", text)


def _argument(line: str) -> str:
    """A line of a list of arguments, or the continuation of one."""
    if match := ARGUMENT.match(line):
        names = ", ".join(f"`{name}`" for name in match[1].split(", "))
        return f"- {names}: {escaped(match[2])}"
    return "  " + escaped(line.strip())
