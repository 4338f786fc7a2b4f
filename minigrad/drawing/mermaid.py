"""A picture as Mermaid text, which GitHub, GitLab and many wikis draw in the midst of Markdown."""

from __future__ import annotations

import re

from minigrad.drawing import symbols
from minigrad.drawing.diagram import Box, Diagram
from minigrad.drawing.layout import prefixes
from minigrad.drawing.style import ARROWS, BACKGROUND, FAINT, ROLES, SCOPE_STROKE, TEXT

MOST_ARROWS, MOST_LETTERS = 500, 50_000  # beyond, Mermaid draws an error in place of the picture
LONGEST_SCOPE = 60  # letters
STRONG = 4  # lines of what is highlighted
EMPHASES = {1: f"stroke-width:{STRONG}px", -1: f"fill:{BACKGROUND},stroke:{SCOPE_STROKE},color:{FAINT}"}
UNSAFE = re.compile(  # what Mermaid, Markdown or HTML may read as its own: a name, "1)", is no list
    r"""[!"#$%&'*+/:;<>?@\[\\\]^_`{|}~°¶] | -(?!\d) | =(?![ ]?[^=\s]) | (?<!\d)\. | \.(?!\d) | ^\d(?=\d*\))""",
    re.VERBOSE,
)


def to_mermaid(diagram: Diagram, direction: str) -> str:
    """Write the boxes, their scopes as subgraphs, and the arrows; layout and fonts are Mermaid's.

    Errors: ValueError where the picture is beyond what Mermaid draws.
    """
    if len(diagram.arrows) > MOST_ARROWS:
        raise ValueError(_too_large(f"{len(diagram.arrows)} arrows", f"{MOST_ARROWS}"))
    lines = [
        f"flowchart {direction}",
        f"  accTitle: {escaped(diagram.title)}",
        f"  accDescr: {escaped(diagram.description)}",
        *_boxes(diagram),
    ]
    for place, arrow in enumerate(sorted(diagram.arrows, key=lambda arrow: (arrow.target, arrow.slot))):
        color, dashes = ARROWS[arrow.role]
        color = color if arrow.emphasis >= 0 else SCOPE_STROKE
        width = f",stroke-width:{STRONG}px" if arrow.emphasis > 0 else ""
        line = "-.->" if dashes else "-->"
        mark = f"|{escaped(arrow.mark)}|" if arrow.mark else ""
        lines.append(f"  {diagram.boxes[arrow.source].name} {line}{mark} {diagram.boxes[arrow.target].name}")
        if arrow.role != "value" or arrow.emphasis:
            lines.append(f"  linkStyle {place} stroke:{color}{width}")
    for role in [role for role in ROLES if any(box.role == role for box in diagram.boxes)]:
        style = ROLES[role]
        dashes = f",stroke-dasharray:{style.dashes}" if style.dashes else ""
        lines.append(f"  classDef {role}Box fill:{style.fill},stroke:{style.stroke},color:{TEXT}{dashes}")
    for emphasis, look in EMPHASES.items():
        lines += [f"  style {box.name} {look}" for box in diagram.boxes if box.emphasis == emphasis]
    text = "\n".join(lines) + "\n"
    if len(text) > MOST_LETTERS:
        raise ValueError(_too_large(f"{len(text):,} letters of text", f"{MOST_LETTERS:,}"))
    return text


def escaped(words: str) -> str:
    """Write as an entity, #34;, every character that might be read as anything but itself."""
    return UNSAFE.sub(lambda found: f"#{ord(found[0])};", symbols.clean(words).strip())


def _too_large(found: str, most: str) -> str:
    return (
        f"Mermaid draws at most {most}, and this picture has {found}: save it as .svg, which has no such limit, or draw fewer "
        "time steps or a part of the graph"
    )


def _boxes(diagram: Diagram) -> list[str]:
    """The boxes, each in the subgraphs of its scopes."""
    scopes = prefixes([box.scope for box in diagram.boxes])
    inside: dict[tuple[str, ...], list[str]] = {scope: [] for scope in [(), *scopes]}
    for box in diagram.boxes:
        inside[box.scope].append(f"  {_box(box)}")
    numbers = {scope: number for number, scope in enumerate(scopes)}
    for scope in sorted(scopes, key=len, reverse=True):  # the innermost are complete first
        lines = [
            f'subgraph scope{numbers[scope]}["{escaped(symbols.shortened(scope[-1], LONGEST_SCOPE))}"]',
            *inside[scope],
            "end",
        ]
        inside[scope[:-1]] += [f"  {line}" for line in lines]
    return inside[()]


def _box(box: Box) -> str:
    left, right = ("([", "])") if ROLES[box.role].round == 1 else ("(", ")") if ROLES[box.role].round else ("[", "]")
    words = "▶ " * (box.emphasis > 0) + "<br>".join([escaped(text) for _, text in box.lines])
    return f'{box.name}{left}"{words}"{right}:::{box.role}Box'
