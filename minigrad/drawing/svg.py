"""The picture as SVG: one file without script, light or dark as its reader prefers.

Colors and faces come from a style sheet within. Attributes hold fills, outlines and the adjoints' red of the light theme, so the
picture is legible where style sheets are dropped: all text is then of one size. The picture's id is made of what it shows: equal
pictures have equal ids, and no others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from hashlib import sha256
from html import escape
from itertools import pairwise

from minigrad.drawing import metrics
from minigrad.drawing.diagram import Arrow, Box, Diagram
from minigrad.drawing.layout import Frame, Layout, Point, Route
from minigrad.drawing.style import (
    ADJOINT,
    ARROWS,
    BACKGROUND,
    FACES,
    HEADING,
    INDEX,
    ROLES,
    SANS,
    SCOPE_FILLS,
    SCOPE_STROKE,
    TEXT,
    TITLE,
    sheet,
)

TIP = 7  # length of an arrow's head
WEIGHT = 1.4  # of outlines and lines
STRONG, MARK = 3.4, "▶ "  # outlines and lines of what is highlighted, and the mark before its number
BROAD = 1.6  # by so much its heads are broader
PLAIN = {"parameter", "input", "constant", "operation", "scope"}  # roles that need no legend
KEY_MARGIN, KEY_ROW = 18.0, 22.0  # of the legend: from the left edge, from entry to entry
TOP = 32.0  # of the room for a headline
CORNER = 9  # radius where corners are round


def to_svg(diagram: Diagram, layout: Layout) -> str:
    """The picture; hovering over a box shows all about its node."""
    key, breadth, depth = _with_notes(diagram, layout, *_key(diagram, layout))
    inside = "\n".join([*_inside(diagram, layout, page=False), *key])
    top = TOP if diagram.headline else 0.0  # above the layout, whose places stay what they are
    if diagram.headline:
        inside = f"{_headline(diagram)}\n{inside}"
        breadth = max(breadth, 2 * KEY_MARGIN + metrics.width(diagram.headline, TITLE))
    width, height = _n(max(layout.width, breadth)), _n(layout.height + depth + top)
    name = named(diagram.title, diagram.description, diagram.note, width, height, inside)
    used = {box.role for box in diagram.boxes}, {arrow.role for arrow in diagram.arrows}
    roles, arrows = [role for role in ROLES if role in used[0]], [role for role in ARROWS if role in used[1]]
    style = sheet(name, roles, arrows, fading=any(box.emphasis for box in diagram.boxes))
    size, upper = f'width="{width}" height="{height}"', f' y="{_n(-top)}"' if top else ""
    looks = f'font-family="{escape(SANS)}" {_looks()}'
    spoken = f'role="img" aria-labelledby="{name}-title {name}-description"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{name}" {size} viewBox="0 {_n(-top)} {width} {height}" {looks} {spoken}>',
        f'<title id="{name}-title">{escape(diagram.title)}</title>',
        f'<desc id="{name}-description">{escape(f"{diagram.description} {diagram.note}".strip())}</desc>',
        f"<style>\n{style}\n</style>",
        f'<rect class="paper"{upper} {size} fill="{BACKGROUND}"/>',
        inside,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def in_page(diagram: Diagram, layout: Layout) -> str:
    """The picture as a part of a page that has the rest: title and description by these ids, paper, style sheet with fonts,
    outlines, corners and the red of adjoints, tooltips, legend.
    """
    notes, breadth, depth = _with_notes(diagram, layout, [], 0.0, 0.0)
    size = f'width="{_n(max(layout.width, breadth))}" height="{_n(layout.height + depth)}"'
    spoken = 'role="img" aria-labelledby="title description"'
    return "\n".join([f"<svg {size} {_looks()} {spoken}>", *_inside(diagram, layout, page=True), *notes, "</svg>"])


def _headline(diagram: Diagram) -> str:
    """The title above the picture, larger than those of boxes."""
    look = f' x="{_n(KEY_MARGIN)}" text-anchor="start" style="font-size:{TITLE.size:g}px"'
    return _text(diagram.headline, -8, "title", look)


def _inside(diagram: Diagram, layout: Layout, *, page: bool) -> list[str]:
    """Frames, arrows, and boxes."""
    boxes = [_box(box, center, page) for box, center in zip(diagram.boxes, layout.centers, strict=True)]
    frames = [_frame(frame) for frame in layout.frames]
    headings = [_heading(frame) for frame in layout.frames]  # over the arrows
    return [*frames, *_arrows(diagram, layout), *headings, *boxes]


def _looks() -> str:
    return f'font-size="11" text-anchor="middle" fill="{TEXT}" stroke-width="{WEIGHT}"'


def named(*parts: str) -> str:
    """An id made of all that a picture shows."""
    return f"minigrad-{sha256(chr(10).join(parts).encode()).hexdigest()[:10]}"


def within(svg: str) -> str:
    """The picture as a part of a page, where it is never wider than its place. (Files are without: some readers of SVG then
    find no size.)
    """
    return svg.replace("<svg ", '<svg style="max-width:100%;height:auto" ', 1)


def swatch(role: str) -> str:
    """A small box of that role, for the legend of a page, whose style sheet has its outline."""
    style = ROLES[role]
    box = _outline(style.fill, "", "", WEIGHT, style.round, (1, 1, 28, 16))
    return f'<svg class="{role}-box" width="30" height="18">{box}</svg>'


def _box(box: Box, center: Point, page: bool) -> str:
    """A box, drawn from the middle of its upper edge."""
    style = ROLES[box.role]
    weight = STRONG if box.emphasis > 0 else 2.6 if box.is_output else WEIGHT
    place = (-box.width / 2, 0.0, box.width, box.height)
    fill, stroke = (BACKGROUND, SCOPE_STROKE) if box.emphasis < 0 else (style.fill, style.stroke)
    stroke, dashes = ("", "") if page else (stroke, style.dashes)
    outline = _outline(fill, stroke, dashes, weight, style.round, place)
    texts = []
    y = 5.0
    for face, text in box.lines:
        y += FACES[face].height
        texts.append(_text(text, y - 0.28 * FACES[face].height, face, page=page))
    inset = 6 if style.round < 1 else 10
    shown = f"{MARK * (box.emphasis > 0)}{box.node}"
    middle = inset + (metrics.width(shown, INDEX) - box.width) / 2
    number = _text(shown, 10.5, "index", f' x="{_n(round(middle) if page else middle)}"', page=page)
    faded = "faded " * (box.emphasis < 0)
    tooltip = "" if page else f"<title>{escape(box.tooltip)}</title>"
    corner = f"{_n(center[0])} {_n(center[1] - box.height / 2)}"
    return (
        f'<g class="{faded}{box.role}-box" transform="translate({corner})">{tooltip}'
        f"{outline}{number}{''.join(texts)}</g>"
    )


def corner(rounding: float) -> float:
    """The radius of the corners of a box as round as that, at most half its height."""
    return 14.0 if rounding == 1 else rounding * 20 or 2.0


def _outline(
    fill: str, stroke: str, dashes: str, weight: float, rounding: float, place: tuple[float, float, float, float]
) -> str:
    """The outline of a box; without a stroke it is left to a style sheet, and so are the corners."""
    left, top, width, height = place
    corners = f' rx="{_n(min(corner(rounding), height / 2))}"' if stroke else ""
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    thick = f' stroke-width="{weight}"' if weight != WEIGHT else ""
    upper = f' y="{_n(top)}"' if top else ""
    line = f' stroke="{stroke}"' if stroke else ""
    return (
        f'<rect x="{_n(left)}"{upper} width="{_n(width)}" height="{_n(height)}"{corners} '
        f'fill="{fill}"{line}{thick}{dashed}/>'
    )


def _text(text: str, y: float, face: str, more: str = "", classes: str = "", *, page: bool = False) -> str:
    """A line of text. What all text has in common stands at the picture, and text without a class is a value."""
    color = f' fill="{ADJOINT}"' if face == "adjoint" and not page else ""
    name = f' class="{face}{classes}"' if face != "value" else ""
    return f'<text{name} y="{_n(round(y) if page else y)}"{color}{more}>{escape(_spaced(text))}</text>'


def _spaced(text: str) -> str:
    """The text, every second space of a row one that readers keep."""
    return text.replace("  ", " \u00a0")


def _frame(frame: Frame) -> str:
    name, fill = _level(frame)
    place = f'x="{_n(frame.x)}" y="{_n(frame.y)}" width="{_n(frame.width)}" height="{_n(frame.height)}"'
    return (
        f'<g class="{name}"><title>{escape("/".join(frame.scope))}</title>\n'
        f'<rect {place} rx="{CORNER}" fill="{fill}" stroke="{SCOPE_STROKE}" stroke-width="1"/></g>'
    )


def _heading(frame: Frame) -> str:
    """The name of a frame, with a rim, should an arrow run beneath it."""
    name, fill = _level(frame)
    place = f' x="{_n(frame.x + 9)}" text-anchor="start" stroke="{fill}" stroke-width="4" paint-order="stroke"'
    return _text(
        metrics.fitting(frame.scope[-1], HEADING, frame.width - 16), frame.y + 15, "heading", place, f" on-{name}"
    )


def _level(frame: Frame) -> tuple[str, str]:
    """The class of a frame, and its fill: they alternate as scopes nest."""
    level = (len(frame.scope) - 1) % len(SCOPE_FILLS)
    return ("frame", "inner-frame")[level], SCOPE_FILLS[level]


def _key(diagram: Diagram, layout: Layout) -> tuple[list[str], float, float]:
    """What boxes mean whose look does not say it, below the picture; and how broad and deep that is."""
    shown = {box.role for box in diagram.boxes}
    parts: list[str] = []
    x, y, breadth = KEY_MARGIN, layout.height, 0.0
    for role, style in ROLES.items():
        if role not in shown or role in PLAIN:
            continue
        length = 34 + metrics.width(style.meaning, FACES["small"])
        if x > KEY_MARGIN and x + length + KEY_MARGIN > layout.width:
            x, y = KEY_MARGIN, y + KEY_ROW
        outline = _outline(style.fill, style.stroke, style.dashes, WEIGHT, style.round, (0, 0, 26, 14))
        text = _text(style.meaning, 11, "small", ' x="34" text-anchor="start"')
        parts.append(f'<g class="{role}-box" transform="translate({_n(x)} {_n(y)})">{outline}{text}</g>')
        breadth, x = max(breadth, x + length + KEY_MARGIN), x + length + KEY_ROW
    return parts, breadth, y - layout.height + KEY_ROW + 8 if parts else 0.0


def _with_notes(
    diagram: Diagram, layout: Layout, parts: list[str], breadth: float, depth: float
) -> tuple[list[str], float, float]:
    """The legend, and below it the notes, a line each."""
    for note in diagram.notes:
        parts.append(
            _text(
                note,
                layout.height + depth + 6,
                "small",
                f' x="{_n(KEY_MARGIN)}" text-anchor="start" stroke="{BACKGROUND}" stroke-width="0"',
            )
        )
        breadth, depth = max(breadth, 2 * KEY_MARGIN + metrics.width(note, FACES["small"])), depth + 18
    return parts, breadth, depth


def _arrows(diagram: Diagram, layout: Layout) -> list[str]:
    """The arrows of each role: their lines as one path, their heads as another (not markers, which some readers drop)."""
    parts = []
    strong = any(arrow.emphasis for arrow in diagram.arrows)
    for name, places in _by_look(diagram).items():
        look = ARROWS.get(name, (SCOPE_STROKE, ""))
        parts += _alike(name, look, [layout.routes[i] for i in places], strong=strong and name in ARROWS)
    parts += _delay_labels(diagram, layout)
    if not layout.ordered:
        parts += [_mark(arrow, route) for arrow, route in zip(diagram.arrows, layout.routes, strict=True) if arrow.mark]
    return parts


def _by_look(diagram: Diagram) -> dict[str, list[int]]:
    """The arrows that look alike, in the order in which they are drawn: faded ones, then those of each role."""
    groups: dict[str, list[int]] = {name: [] for name in ("faded", *ARROWS)}
    for i, arrow in enumerate(diagram.arrows):
        groups["faded" if arrow.emphasis < 0 else arrow.role].append(i)
    return groups


def places_of_lines(diagram: Diagram, layout: Layout) -> list[int]:
    """Of each arrow the place of its line among all that are drawn, since like lines are drawn once."""
    known: dict[tuple[str, str], int] = {}
    found = {i: (name, _line(layout.routes[i])) for name, places in _by_look(diagram).items() for i in places}
    for line in found.values():
        known.setdefault(line, len(known))
    return [known[found[i]] for i in range(len(found))]


def _alike(name: str, look: tuple[str, str], routes: Sequence[Route], *, strong: bool = False) -> list[str]:
    """Arrows that look alike."""
    if not routes:
        return []
    color, dashes = look
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    thick = f' stroke-width="{STRONG}"' if strong else ""
    lines = "\n".join(dict.fromkeys(map(_line, routes)))
    heads = "\n".join(dict.fromkeys([_head(route, BROAD if strong else 1.0) for route in routes]))
    return [
        f'<path class="{name}-arrow" fill="none" stroke="{color}"{dashed}{thick} d="{lines}"/>',
        f'<path class="{name}-head" fill="{color}" d="{heads}"/>',
    ]


def _delay_labels(diagram: Diagram, layout: Layout) -> list[str]:
    """What goes into the next step, beside the outermost of the ways around a step."""
    ways: dict[object, list[tuple[str, Point, Point]]] = {}
    for arrow, route in zip(diagram.arrows, layout.routes, strict=True):
        if arrow.role == "delay":
            points = [route.start, *[piece[-1] for piece in route.pieces]]
            longest = max(pairwise(points), key=lambda ends: math.dist(*ends))
            ways.setdefault(diagram.boxes[arrow.source].path, []).append((arrow.mark, *longest))
    parts = []
    for around in ways.values():
        marks = list(dict.fromkeys([mark for mark, _, _ in around]))
        _, (x, y), (to_x, to_y) = max(around, key=lambda way: way[1])
        if x == to_x:
            first, place = (y + to_y) / 2 - 7 * (len(marks) - 1) + 4, f' x="{_n(x + 6)}" text-anchor="start"'
            parts += [_text(mark, first + 14 * i, "small", place) for i, mark in enumerate(marks)]
        else:
            low = max([start[1] for _, start, _ in around])
            parts.append(_text(", ".join(marks), low + 13, "small", f' x="{_n((x + to_x) / 2)}"'))
    return parts


def _line(route: Route) -> str:
    """The path of a route, each point from the last one, rounded so that no error adds up."""
    at = _tenths(route.start)
    parts = [f"M{_pair(route.start)}"]
    for piece in route.pieces:
        by = [(x - at[0], y - at[1]) for x, y in map(_tenths, piece)]
        at = (at[0] + by[-1][0], at[1] + by[-1][1])
        parts.append(_straight(*by[0]) if len(by) == 1 else "c" + _joined(by))
    return "".join(parts)


def _straight(x: int, y: int) -> str:
    if x and y:
        return f"l{_joined([(x, y)])}"
    return f"h{x / 10:g}" if x else f"v{y / 10:g}"


def _joined(tenths: Iterable[tuple[int, int]]) -> str:
    """Coordinates one after another; a minus sign parts them as well as a comma."""
    return ",".join([f"{number / 10:g}" for pair in tenths for number in pair]).replace(",-", "-")


def _head(route: Route, broad: float = 1.0) -> str:
    """The triangle at the end of a route, from its tip."""
    (x, y), (tip_x, tip_y) = route.pieces[-1][-1], route.tip
    across_x, across_y = [broad * across for across in _across(route)]
    sides = ((x + across_x - tip_x, y + across_y - tip_y), (-2 * across_x, -2 * across_y))
    return f"M{_pair(route.tip)}{''.join([_straight(*_tenths(side)) for side in sides])}z"


def _across(route: Route) -> Point:
    """From the middle of the foot of an arrow's head to its corner."""
    (x, y), (tip_x, tip_y) = route.pieces[-1][-1], route.tip
    length = math.hypot(tip_x - x, tip_y - y) or 1.0
    return (tip_y - y) / length * 0.45 * TIP, (x - tip_x) / length * 0.45 * TIP


def _mark(arrow: Arrow, route: Route) -> str:
    """The place of an operand, beside the head of its arrow."""
    (x, y), (across_x, across_y) = route.pieces[-1][-1], _across(route)
    return _text(arrow.mark, y + 2.2 * across_y + 3, "index", f' x="{_n(x + 2.2 * across_x)}"')


def _tenths(point: Point) -> tuple[int, int]:
    return round(point[0] * 10), round(point[1] * 10)


def _pair(point: Point) -> str:
    return f"{_n(point[0])},{_n(point[1])}"


def _n(number: float) -> str:
    """A coordinate to a tenth of a pixel, the same on every machine."""
    return f"{round(number, 1) + 0.0:.1f}".removesuffix(".0")  # + 0.0 makes -0.0 positive
