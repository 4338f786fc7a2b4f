"""How the roles of boxes look: colors that the color-blind tell apart (after Okabe and Ito), and never color alone.

A picture has two themes, by variables that follow the reader's preference. The colors of the light one stand in attributes
too, for readers that drop style sheets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Style(NamedTuple):
    """Fill, outline, its dashes, how round the corners are (1: a pill), and what the legend says."""

    fill: str
    stroke: str
    dashes: str
    round: float
    meaning: str


ROLES = {
    "parameter": Style("#fff1d6", "#b26a00", "", 0.0, "parameter (repeated at every use)"),
    "state": Style("#fff8ea", "#b26a00", "2 3", 0.0, "parameter that is not trained"),
    "input": Style("#dff0fb", "#0072b2", "", 1.0, "input"),
    "constant": Style("#eff1f3", "#6e7781", "", 1.0, "constant"),
    "operation": Style("#ffffff", "#3d4a5c", "", 0.3, "operation"),
    "adjoint": Style("#fdebe4", "#c2410c", "6 3", 0.3, "operation of an adjoint, made by a bprop"),
    "second": Style("#f5e9f5", "#8e3a80", "2 3", 0.3, "operation of an adjoint of adjoints"),
    "right": Style("#e9f5ec", "#1a7f4b", "", 0.5, "✓ bprop is what differences of fprop say"),
    "wrong": Style("#fde7ee", "#b00045", "9 3 2 3", 0.3, "✗ bprop is not what differences of fprop say"),
    "failed": Style("#fde7ee", "#b00045", "9 3", 0.0, "✗ fails here"),
    "stale": Style("#f3f0d7", "#6b5b00", "1 2", 0.3, "stale: computed before what it depends on was changed"),
    "scope": Style("#eef1f6", "#3d4a5c", "", 0.1, "all operations of a scope"),
    "cut": Style("#f7f8f9", "#5b6572", "5 2 1 2", 1.0, "cut off: the box is not all there is"),
    "reference": Style("#f7f8f9", "#7b8694", "1 3", 1.0, "value of the node with that number, from elsewhere"),
}

ARROWS = {
    "value": ("#768397", ""),
    "adjoint": ("#c8623b", ""),
    "second": ("#a863a0", ""),
    "reuse": ("#7b8694", "4 3"),
    "delay": ("#1d7a62", "7 3"),
}

BACKGROUND = "#ffffff"
TEXT = "#1c2430"
FAINT = "#5b6572"
ADJOINT = "#b0380a"
SCOPE_FILLS = ("#f5f7f9", "#eaeef2")  # alternate as scopes nest
SCOPE_STROKE = "#d3dae1"

LIGHT = {
    "paper": BACKGROUND,
    "ink": TEXT,
    "faint": FAINT,
    "slope": ADJOINT,
    "frame": SCOPE_FILLS[0],
    "inner-frame": SCOPE_FILLS[1],
    "frame-line": SCOPE_STROKE,
    **{f"{role}-fill": style.fill for role, style in ROLES.items()},
    **{f"{role}-line": style.stroke for role, style in ROLES.items()},
    **{f"{role}-arrow": color for role, (color, _) in ARROWS.items()},
}
DARK = {
    "paper": "#11151b",
    "ink": "#e8edf3",
    "faint": "#a3afbd",
    "slope": "#ff9d73",
    "frame": "#181d25",
    "inner-frame": "#1f252f",
    "frame-line": "#38424f",
    "parameter-fill": "#38290b",
    "parameter-line": "#e0a13a",
    "state-fill": "#2b230f",
    "state-line": "#c99a4a",
    "input-fill": "#0d2b40",
    "input-line": "#56b4e9",
    "constant-fill": "#262c34",
    "constant-line": "#8d99a6",
    "operation-fill": "#12171e",
    "operation-line": "#8b9bb0",
    "adjoint-fill": "#38190f",
    "adjoint-line": "#f0845a",
    "second-fill": "#30192e",
    "second-line": "#d193ca",
    "right-fill": "#10281c",
    "right-line": "#56c596",
    "wrong-fill": "#3a0f22",
    "wrong-line": "#ff7aa8",
    "failed-fill": "#3a0f22",
    "failed-line": "#ff7aa8",
    "stale-fill": "#2a2710",
    "stale-line": "#d3c25a",
    "scope-fill": "#1c232d",
    "scope-line": "#a9b8cb",
    "cut-fill": "#151a21",
    "cut-line": "#9aa7b6",
    "reference-fill": "#151a21",
    "reference-line": "#7d8895",
    "value-arrow": "#8492a5",
    "adjoint-arrow": "#e07a52",
    "second-arrow": "#c080ba",
    "reuse-arrow": "#7a8695",
    "delay-arrow": "#4fb99b",
}

SANS = "Inter, 'Segoe UI', system-ui, 'Helvetica Neue', Helvetica, Arial, sans-serif"
MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"


class Face(NamedTuple):
    """How a line of a box is set: size, height of the line, monospaced or not, weight, color."""

    size: float
    height: float
    monospaced: bool
    weight: int
    color: str


FACES = {
    "title": Face(14, 19, False, 600, TEXT),
    "small": Face(10.5, 14, False, 400, FAINT),
    "value": Face(11, 15, True, 400, TEXT),
    "adjoint": Face(11, 15, True, 400, ADJOINT),
}
INDEX = Face(9, 9, False, 400, FAINT)  # the number of the node, in the corner
TITLE = Face(16, 32, False, 600, TEXT)  # of the picture
HEADING = Face(11, 18, False, 600, FAINT)  # the name of a scope
ALL_FACES = {**FACES, "index": INDEX, "heading": HEADING}
INKS = {"title": "ink", "small": "faint", "value": "ink", "adjoint": "slope", "index": "faint", "heading": "faint"}


def sheet(picture: str, roles: Iterable[str], arrows: Iterable[str], *, fading: bool = False) -> str:
    """The style sheet of the picture with that id: its variables in both themes, and what they color.

    fading: whether some of it fades behind what is highlighted
    """
    common = ("paper", "ink", "faint", "slope", "frame", "inner-frame", "frame-line")
    names = [
        *common,
        *[f"{role}-{part}" for role in roles for part in ("fill", "line")],
        *[f"{a}-arrow" for a in arrows],
    ]
    light, dark = [";".join([f"--{name}:{theme[name]}" for name in names]) for theme in (LIGHT, DARK)]
    rules = [
        f"#{picture}{{{light};color-scheme:light dark}}",
        f"@media (prefers-color-scheme:dark){{#{picture}{{{dark}}}}}",
        f"#{picture} .paper{{fill:var(--paper)}}",
        f"#{picture} text{{fill:var(--ink);font-family:{MONO}}}",
        *[
            f"#{picture} .{face}{{fill:var(--{INKS[face]});{_set_in(look)}}}"
            for face, look in ALL_FACES.items()
            if face != "value"
        ],
    ]
    for frame in ("frame", "inner-frame"):
        rules.append(f"#{picture} .{frame}>rect{{fill:var(--{frame});stroke:var(--frame-line)}}")
        rules.append(f"#{picture} .on-{frame}{{stroke:var(--{frame})}}")
    for role in roles:
        rules.append(f"#{picture} .{role}-box>rect{{fill:var(--{role}-fill);stroke:var(--{role}-line)}}")
    for arrow in arrows:
        rules.append(f"#{picture} .{arrow}-arrow{{stroke:var(--{arrow}-arrow)}}")
        rules.append(f"#{picture} .{arrow}-head{{fill:var(--{arrow}-arrow)}}")
    if fading:
        rules += [
            f"#{picture} .faded>rect{{fill:var(--paper);stroke:var(--frame-line)}}",
            f"#{picture} .faded text{{fill:var(--faint)}}",
            f"#{picture} .faded-arrow{{stroke:var(--frame-line)}}",
            f"#{picture} .faded-head{{fill:var(--frame-line)}}",
        ]
    return "\n".join(rules)


def _set_in(face: Face) -> str:
    """What text in that face has besides its color, unlike a value."""
    weight = f";font-weight:{face.weight}" if face.weight != 400 else ""
    return f"font-size:{face.size:g}px{weight}" + ("" if face.monospaced else f";font-family:{SANS}")


def themes(picture: str, palette: Mapping[str, tuple[str, str]]) -> str:
    """A style sheet for a picture whose attributes hold the light colors of a palette: name -> (light, dark)."""
    light, dark = [";".join([f"--{name}:{colors[theme]}" for name, colors in palette.items()]) for theme in (0, 1)]
    rules = [
        f"#{picture}{{{light};color-scheme:light dark}}",
        f"@media (prefers-color-scheme:dark){{#{picture}{{{dark}}}}}",
    ]
    for name, (color, _) in palette.items():
        rules += [f'#{picture} [{where}="{color}"]{{{where}:var(--{name})}}' for where in ("fill", "stroke")]
    return "\n".join(rules)
