"""How the roles of boxes look: colors that the color-blind tell apart (after Okabe and Ito), and never color alone."""

from __future__ import annotations

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
    "reference": Style("#f7f8f9", "#8b95a1", "1 3", 1.0, "value from the node of that number, far away"),
}

ARROWS = {"value": ("#8490a0", ""), "adjoint": ("#d2704a", ""), "second": ("#a863a0", ""), "reuse": ("#aab2bd", "4 3")}

BACKGROUND = "#ffffff"
TEXT = "#1c2430"
FAINT = "#67717e"
ADJOINT = "#b93d0b"
SCOPE_FILLS = ("#f5f7f9", "#eaeef2")  # alternate as scopes nest
SCOPE_STROKE = "#d3dae1"

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
INDEX = Face(8, 8, False, 400, FAINT)  # the number of the node, in the corner
HEADING = Face(11, 18, False, 600, FAINT)  # the name of a scope
