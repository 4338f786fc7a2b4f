"""Graphviz: the picture as DOT text, and its program `dot` as a layout and as a writer of PDF."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from html import escape
from typing import Any

from minigrad.drawing import symbols
from minigrad.drawing.diagram import Box, Diagram
from minigrad.drawing.layout import Frame, Layout, Point, Route, prefixes
from minigrad.drawing.style import ARROWS, BACKGROUND, FACES, FAINT, ROLES, SCOPE_FILLS, SCOPE_STROKE

STRONG, MARK = "3.4", "▶ "  # lines of what is highlighted, and the mark before its titles
LAYOUT_SECONDS = 6.0  # after which the layout of our own takes over
FILE_SECONDS = 120.0
INCH = 72.0
LONGEST_SCOPE = 60  # letters
LONGEST_TEXT = 2500  # of a tooltip: `dot` reads strings up to 16,384 bytes, and "&" has five


class DotError(RuntimeError):
    """Graphviz is missing, too slow, or gave no answer."""


def to_dot(diagram: Diagram, direction: str) -> str:
    """The picture in the language of Graphviz; every name is made of indices, so two runs give the same text."""
    try:
        import graphviz
    except ImportError as error:
        raise DotError("DOT is written by the package graphviz: pip install graphviz") from error
    scopes = prefixes([box.scope for box in diagram.boxes])
    number = {scope: i for i, scope in enumerate(scopes)}
    graphs: dict[tuple[str, ...], Any] = {(): _graph(graphviz.Digraph, diagram, direction)}
    for scope in scopes:
        graphs[scope] = _cluster(graphviz.Digraph, scope, number[scope])
    for box in diagram.boxes:
        graphs[box.scope].node(box.name, **_attributes(box))
    for scope in reversed(scopes):
        graphs[scope[:-1]].subgraph(graphs[scope])
    for arrow in sorted(diagram.arrows, key=lambda arrow: (arrow.target, arrow.slot)):
        color, dashes = ARROWS[arrow.role]
        more = {"style": "dashed"} if dashes else {}
        if arrow.role == "delay":
            more |= {"label": _quoted(arrow.mark), "constraint": "false"}
        elif arrow.mark:
            more["headlabel"] = arrow.mark
        if arrow.emphasis:
            more["penwidth"] = STRONG if arrow.emphasis > 0 else "1"
        color = color if arrow.emphasis >= 0 else SCOPE_STROKE
        graphs[()].edge(diagram.boxes[arrow.source].name, diagram.boxes[arrow.target].name, color=color, **more)
    return str(graphs[()].source)


def arranged(diagram: Diagram, direction: str) -> Layout:
    """Where `dot` would put boxes and arrows. DotError says why it would not."""
    answer = run("json0", to_dot(diagram, direction), LAYOUT_SECONDS)
    try:
        return _read(json.loads(answer), diagram)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DotError(f"dot gave a layout that cannot be read ({type(error).__name__}: {error})") from error


def run(form: str, source: str, seconds: float) -> bytes:
    """What `dot` makes of the source."""
    try:
        done = subprocess.run(
            ["dot", f"-T{form}"], input=source.encode(), capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DotError(f"dot took more than {seconds:g} s") from error
    except OSError as error:  # missing, not executable, or no processes here at all, as in a browser
        raise DotError(f"Graphviz's program dot cannot be run ({error})") from error
    if done.returncode != 0 or not done.stdout:
        raise DotError(f"dot failed: {done.stderr.decode(errors='replace').strip()[:200] or 'it gave nothing'}")
    return done.stdout


# Writing -------------------------------------------------------------------------------------------------------------


def _graph(digraph: Callable[..., Any], diagram: Diagram, direction: str) -> Any:
    return digraph(
        "flow",
        graph_attr={
            "rankdir": direction,
            "newrank": "true",  # arrows lead on even where a scope is left and entered again
            "bgcolor": BACKGROUND,
            "nodesep": "0.25",
            "ranksep": "0.4",
            "pad": "0.2",
            "fontname": "Helvetica",
            "tooltip": _quoted(diagram.title),
            **(
                {"label": _quoted("\n".join(diagram.notes)), "fontsize": "10", "fontcolor": FAINT}
                if diagram.notes
                else {}
            ),
        },
        node_attr={"shape": "box", "fixedsize": "true", "fontname": "Helvetica", "penwidth": "1.4"},
        edge_attr={"arrowsize": "0.6", "penwidth": "1.3", "fontname": "Helvetica", "fontsize": "8", "fontcolor": FAINT},
    )


def _cluster(digraph: Callable[..., Any], scope: tuple[str, ...], number: int) -> Any:
    return digraph(
        f"cluster_{number}",
        graph_attr={
            "label": _quoted(symbols.shortened(scope[-1], LONGEST_SCOPE)),
            "labeljust": "l",
            "style": "rounded,filled",
            "fillcolor": SCOPE_FILLS[(len(scope) - 1) % len(SCOPE_FILLS)],
            "color": SCOPE_STROKE,
            "fontcolor": FAINT,
            "fontsize": "11",
            "margin": "10",
        },
    )


def _attributes(box: Box) -> dict[str, str]:
    style = ROLES[box.role]
    looks = "filled" + (",rounded" if style.round else "") + (",dashed" if style.dashes else "")
    attributes = {
        "label": f"<{'<BR/>'.join([_line(face, text, box.emphasis) for face, text in box.lines])}>",
        "width": f"{box.width / INCH:.4f}",
        "height": f"{box.height / INCH:.4f}",
        "style": looks,
        "fillcolor": style.fill,
        "color": style.stroke,
        "tooltip": _quoted(box.tooltip),
    }
    if box.is_output:
        attributes["penwidth"] = "2.6"
    if box.emphasis:
        attributes["penwidth"] = STRONG if box.emphasis > 0 else "1"
    if box.emphasis < 0:
        attributes |= {"fillcolor": BACKGROUND, "color": SCOPE_STROKE}
    return attributes


def _line(face: str, text: str, emphasis: int) -> str:
    """A line of a box; spaces that align columns are kept."""
    look = FACES[face]._replace(color=FAINT) if emphasis < 0 else FACES[face]
    text = f"{MARK}{text}" if emphasis > 0 and face == "title" else text
    name = ' FACE="Courier"' if look.monospaced else ""
    inside = escape(text, quote=False).replace("  ", "&#160; ")
    bold = f"<B>{inside}</B>" if look.weight > 400 else inside
    return f'<FONT POINT-SIZE="{look.size}" COLOR="{look.color}"{name}>{bold}</FONT>'


def _quoted(text: str) -> str:
    """Text that `dot` shows as it is, and does not take for markup, an escape or a character reference; of a long one, its ends."""
    return (
        symbols.shortened(text, LONGEST_TEXT)
        .replace("&", "&amp;")
        .replace("\\", "\\\\")
        .replace("\n", "\\n")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
    )


# Reading -------------------------------------------------------------------------------------------------------------


def _read(answer: dict[str, Any], diagram: Diagram) -> Layout:
    """The layout in `dot`'s answer, whose y points up, with room for the pen around."""
    edge = 14.0
    _, _, width, height = [float(number) for number in answer["bb"].split(",")]

    def place(text: str) -> Point:
        x, y = text.split(",")
        return (float(x) + edge, height - float(y) + edge)

    objects = {entry["name"]: entry for entry in answer.get("objects", ())}
    names = [entry["name"] for entry in answer.get("objects", ())]
    drawn: dict[tuple[str, str], list[str]] = {}
    for entry in answer.get("edges", ()):
        drawn.setdefault((names[entry["tail"]], names[entry["head"]]), []).append(entry["pos"])
    routes = []
    for arrow in diagram.arrows:
        text = drawn[diagram.boxes[arrow.source].name, diagram.boxes[arrow.target].name].pop(0)
        tip, *points = [place(point) for point in text.removeprefix("e,").split()]
        routes.append(Route(points[0], tuple([tuple(points[i : i + 3]) for i in range(1, len(points), 3)]), tip))
    frames = []
    for i, scope in enumerate(prefixes([box.scope for box in diagram.boxes])):
        left, low, right, high = [float(number) for number in objects[f"cluster_{i}"]["bb"].split(",")]
        frames.append(Frame(scope, left + edge, height - high + edge, right - left, high - low))
    centers = tuple([place(objects[box.name]["pos"]) for box in diagram.boxes])
    return Layout(width + 2 * edge, height + 2 * edge, centers, tuple(routes), tuple(frames), ordered=False)
