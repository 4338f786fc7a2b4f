"""The picture as SVG: attributes only (no style sheet, no script, no ids), so it looks the same wherever it is shown."""

from __future__ import annotations

import math
from html import escape

from minigrad.drawing import metrics
from minigrad.drawing.diagram import Arrow, Box, Diagram
from minigrad.drawing.layout import Frame, Layout, Point, Route
from minigrad.drawing.style import (
    ARROWS,
    BACKGROUND,
    FACES,
    HEADING,
    INDEX,
    MONO,
    ROLES,
    SANS,
    SCOPE_FILLS,
    SCOPE_STROKE,
    Face,
)

TIP = 7  # length of an arrow's head
CORNER = 9  # radius where corners are round


def to_svg(diagram: Diagram, layout: Layout) -> str:
    """The picture; hovering over a box shows all about its node."""
    width, height = _n(layout.width), _n(layout.height)
    size = f'width="{width}" height="{height}"'
    looks = f'font-family="{escape(SANS)}" text-anchor="middle"'
    spoken = f'role="img" aria-label="{escape(diagram.title)}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width} {height}" {looks} {spoken}>',
        f"<title>{escape(diagram.title)}</title>",
        f"<desc>{escape(f'{diagram.description} {diagram.note}'.strip())}</desc>",
        f'<rect {size} fill="{BACKGROUND}"/>',
        *[_frame(frame) for frame in layout.frames],
        *[_arrow(arrow, route, layout.ordered) for arrow, route in zip(diagram.arrows, layout.routes, strict=True)],
        *[_box(box, center) for box, center in zip(diagram.boxes, layout.centers, strict=True)],
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def within(svg: str) -> str:
    """The picture as a part of a page, where it is never wider than its place. (Files are without: some readers of SVG then
    find no size.)
    """
    return svg.replace("<svg ", '<svg style="max-width:100%;height:auto" ', 1)


def swatch(role: str) -> str:
    """A small box of that role, for a legend."""
    style = ROLES[role]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="30" height="18" aria-hidden="true">'
        f"{_outline(style.fill, style.stroke, style.dashes, 1.4, style.round, (1, 1, 28, 16))}</svg>"
    )


def _box(box: Box, center: Point) -> str:
    style = ROLES[box.role]
    left, top = center[0] - box.width / 2, center[1] - box.height / 2
    outline = _outline(
        style.fill,
        style.stroke,
        style.dashes,
        2.6 if box.is_output else 1.4,
        style.round,
        (left, top, box.width, box.height),
    )
    texts = []
    y = top + 5
    for face, text in box.lines:
        y += FACES[face].height
        texts.append(_text(text, center[0], y - 0.28 * FACES[face].height, FACES[face]))
    inset = 6 if style.round < 1 else 10
    number = _text(str(box.node), left + inset, top + 10.5, INDEX, ' text-anchor="start"')
    return f"<g>\n<title>{escape(box.tooltip)}</title>\n{outline}\n{number}\n{chr(10).join(texts)}\n</g>"


def _outline(
    fill: str, stroke: str, dashes: str, weight: float, rounding: float, place: tuple[float, float, float, float]
) -> str:
    left, top, width, height = place
    radius = min(height / 2, 14) if rounding == 1 else rounding * 20 if rounding else 2
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<rect x="{_n(left)}" y="{_n(top)}" width="{_n(width)}" height="{_n(height)}" rx="{_n(radius)}" '
        f'fill="{fill}" stroke="{stroke}" stroke-width="{weight}"{dashed}/>'
    )


def _text(text: str, x: float, y: float, face: Face, more: str = "") -> str:
    """A line of text; columns of numbers keep their spaces."""
    family = f' font-family="{escape(MONO)}" xml:space="preserve"' if face.monospaced else ""
    weight = f' font-weight="{face.weight}"' if face.weight != 400 else ""
    return (
        f'<text x="{_n(x)}" y="{_n(y)}" font-size="{face.size}"{weight} fill="{face.color}"{family}{more}>'
        f"{escape(text)}</text>"
    )


def _frame(frame: Frame) -> str:
    fill = SCOPE_FILLS[(len(frame.scope) - 1) % len(SCOPE_FILLS)]
    title = fitting(frame.scope[-1], frame.width - 16)
    return (
        f"<g>\n<title>{escape('/'.join(frame.scope))}</title>\n"
        f'<rect x="{_n(frame.x)}" y="{_n(frame.y)}" width="{_n(frame.width)}" height="{_n(frame.height)}" rx="{CORNER}" '
        f'fill="{fill}" stroke="{SCOPE_STROKE}"/>\n'
        f"{_text(title, frame.x + 9, frame.y + 15, HEADING, ' text-anchor=' + chr(34) + 'start' + chr(34))}\n</g>"
    )


def fitting(text: str, width: float) -> str:
    """The text, or as much of it as fits."""
    if metrics.width(text, HEADING) <= width:
        return text
    while text and metrics.width(text + "…", HEADING) > width:
        text = text[:-1]
    return text + "…"


def _arrow(arrow: Arrow, route: Route, ordered: bool) -> str:
    """The line, and its head as a shape of its own (a marker would need an id, which two pictures might share)."""
    color, dashes = ARROWS[arrow.role]
    path = [f"M{_pair(route.start)}"]
    path += [("L" if len(piece) == 1 else "C") + " ".join([_pair(point) for point in piece]) for piece in route.pieces]
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    (x, y), (tip_x, tip_y) = route.pieces[-1][-1], route.tip
    length = math.hypot(tip_x - x, tip_y - y) or 1.0
    across_x, across_y = (tip_y - y) / length * 0.45 * TIP, (x - tip_x) / length * 0.45 * TIP
    head = (_pair((tip_x, tip_y)), _pair((x + across_x, y + across_y)), _pair((x - across_x, y - across_y)))
    shapes = (
        f'<path d="{"".join(path)}" fill="none" stroke="{color}" stroke-width="1.4"{dashed}/>'
        f'<path d="M{head[0]}L{head[1]}L{head[2]}Z" fill="{color}"/>'
    )
    if ordered or not arrow.mark:
        return shapes
    return shapes + _text(arrow.mark, x + 2.2 * across_x, y + 2.2 * across_y + 3, INDEX)


def _pair(point: Point) -> str:
    return f"{_n(point[0])},{_n(point[1])}"


def _n(number: float) -> str:
    """A coordinate to a tenth of a pixel, the same on every machine."""
    return f"{round(number, 1) + 0.0:.1f}".removesuffix(".0")  # + 0.0 makes -0.0 positive
