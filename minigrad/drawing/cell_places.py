"""Cells that have a picture of their own: their equations, and by hand the places of their items and the routes of their wires.

All of this is data. Whether a recorded step is such a cell is decided by its items and wires alone (`matched`), whatever
its gates are called.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

from minigrad.drawing.cell_graph import BEFORE, INPUT, LAYER, OPERATION, SUM, CellGraph, Item

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell that has a picture, or a part of one: `|` joins two.

    title:     what it is called
    equations: of every item its sign and what it reads: "x" is the input, h' the state h of the step before. "layer" is an activation
               of weighted sums, "sum" such a sum alone, "entry" an operation of one operand, whichever
    states:    those of the items that the next step reads
    places:    the middle of every item, and of the labels of outputs, "out h"
    routes:    a wire from one item to the other: its first point, then where it goes, "80,130 H194 V40"; to h', the delay;
               to "out h", what others read
    right, bottom: the edges of the frame; its left upper corner is `CORNER`
    """

    title: str
    equations: Mapping[str, tuple[str, ...]]
    places: Mapping[str, Point]
    routes: Mapping[tuple[str, str], str]
    states: tuple[str, ...] = ()
    right: float = 0
    bottom: float = 0

    def __or__(self, other: Cell) -> Cell:
        return Cell(
            f"{self.title}{other.title}",
            {**self.equations, **other.equations},
            {**self.places, **other.places},
            {**self.routes, **other.routes},
            self.states + other.states,
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )

    @property
    def wires(self) -> set[tuple[str, str]]:
        """The wires within a step, as its equations have them."""
        return {(source, target) for target, (_, *sources) in self.equations.items() for source in sources}


CORNER = (112.0, 100.0)

LSTM = Cell(
    "LSTM",
    {
        "f": ("layer", "h'", "x"),
        "i": ("layer", "h'", "x"),
        "g": ("layer", "h'", "x"),
        "o": ("layer", "h'", "x"),
        "keep": ("×", "f", "c'"),
        "write": ("×", "i", "g"),
        "c": ("+", "keep", "write"),
        "shown": ("entry", "c"),
        "h": ("×", "o", "shown"),
    },
    {
        "c'": (52, 130), "h'": (52, 410), "x": (150, 482),
        "f": (210, 340), "i": (320, 340), "g": (430, 340), "o": (540, 340),
        "keep": (210, 130), "write": (430, 225), "c": (430, 130), "shown": (650, 195), "h": (650, 270),
        "out h": (730, 64), "out c": (790, 64),
    },
    {
        ("h'", "f"): "80,410 H210 V369", ("h'", "i"): "80,410 H320 V369",
        ("h'", "g"): "80,410 H430 V369", ("h'", "o"): "80,410 H540 V369",
        ("x", "f"): "150,467 V410 H210 V369", ("x", "i"): "150,467 V410 H320 V369",
        ("x", "g"): "150,467 V410 H430 V369", ("x", "o"): "150,467 V410 H540 V369",
        ("f", "keep"): "210,311 V146", ("c'", "keep"): "80,130 H194",
        ("i", "write"): "320,311 V225 H414", ("g", "write"): "430,311 V241",
        ("keep", "c"): "226,130 H414", ("write", "c"): "430,209 V146",
        ("c", "shown"): "446,130 H650 V178", ("shown", "h"): "650,212 V254", ("o", "h"): "540,311 V270 H634",
        ("c", "c'"): "446,130 H870 V24 H52 V115", ("h", "h'"): "666,270 H730 V410 H870 V540 H52 V425",
        ("c", "out c"): "446,130 H790 V79", ("h", "out h"): "666,270 H730 V79",
    },
    ("c", "h"), 830, 440,
)  # fmt: skip

NEURONS = Cell(
    "Recurrent neurons",
    {"h": ("layer", "h'", "x")},
    {"h'": (52, 170), "x": (290, 322), "h": (290, 170), "out h": (440, 64)},
    {
        ("h'", "h"): "80,170 H240", ("x", "h"): "290,307 V199",
        ("h", "h'"): "340,170 H560 V24 H52 V155", ("h", "out h"): "340,170 H440 V79",
    },
    ("h",), 510, 270,
)  # fmt: skip

NEURONS_FED = Cell(
    "Recurrent neurons",
    {"recurrent": ("sum", "h'"), "p": ("+", "recurrent", "x"), "h": ("entry", "p")},
    {"h'": (52, 170), "recurrent": (200, 170), "x": (320, 322), "p": (320, 170), "h": (420, 170), "out h": (520, 64)},
    {
        ("h'", "recurrent"): "80,170 H150", ("recurrent", "p"): "250,170 H304", ("x", "p"): "320,307 V186",
        ("p", "h"): "336,170 H388", ("h", "h'"): "452,170 H640 V24 H52 V155", ("h", "out h"): "452,170 H520 V79",
    },
    ("h",), 590, 270,
)  # fmt: skip

LINEAR_NEURONS = replace(NEURONS, title="Linear recurrent units", equations={"h": ("sum", "h'", "x")})

# A GRU in two parts: the candidate g that r resets, before or after the product with the state; and the mixing by z.

RESET_BEFORE = Cell(
    "GRU",
    {
        "r": ("layer", "h'", "x"),
        "z": ("layer", "h'", "x"),
        "reset": ("×", "r", "h'"),
        "g": ("layer", "reset", "x"),
    },
    {"h'": (52, 130), "x": (190, 532), "r": (250, 340), "z": (390, 340), "g": (540, 340), "reset": (250, 230)},
    {
        ("h'", "r"): "80,130 H150 V400 H250 V369", ("h'", "z"): "80,130 H150 V400 H390 V369",
        ("x", "r"): "190,517 V400 H250 V369", ("x", "z"): "190,517 V400 H390 V369",
        ("h'", "reset"): "80,130 H150 V230 H234", ("r", "reset"): "250,311 V246",
        ("reset", "g"): "266,230 H320 V450 H540 V369", ("x", "g"): "190,517 V450 H540 V369",
    },
    bottom=490,
)  # fmt: skip
RESET_AFTER = Cell(
    "GRU, reset after the product",
    {
        "r": ("layer", "h'", "x"),
        "z": ("layer", "h'", "x"),
        "recurrent": ("sum", "h'"),
        "driven": ("sum", "x"),
        "reset": ("×", "r", "recurrent"),
        "p": ("+", "reset", "driven"),
        "g": ("entry", "p"),
    },
    {
        "h'": (52, 130), "x": (245, 692), "recurrent": (190, 500), "r": (300, 500), "z": (390, 340), "driven": (540, 500),
        "reset": (300, 400), "p": (540, 400), "g": (540, 328),
    },
    {
        ("h'", "recurrent"): "80,130 H130 V560 H190 V529", ("h'", "r"): "80,130 H130 V560 H300 V529",
        ("h'", "z"): "80,130 H130 V560 H390 V369",
        ("x", "r"): "245,677 V560 H300 V529", ("x", "z"): "245,677 V560 H390 V369", ("x", "driven"): "245,677 V610 H540 V529",
        ("recurrent", "reset"): "190,471 V400 H284", ("r", "reset"): "300,471 V416",
        ("reset", "p"): "316,400 H524", ("driven", "p"): "540,471 V416", ("p", "g"): "540,384 V345",
    },
    bottom=650,
)  # fmt: skip

TOWARD_CANDIDATE = Cell(
    "",
    {"change": ("−", "g", "h'"), "scaled": ("×", "z", "change"), "h": ("+", "h'", "scaled")},
    {"change": (540, 230), "scaled": (660, 230), "h": (660, 130), "out h": (730, 64)},
    {
        ("g", "change"): "540,311 V246", ("h'", "change"): "80,130 H460 V230 H524",
        ("change", "scaled"): "556,230 H644", ("z", "scaled"): "390,311 V280 H660 V246",
        ("h'", "h"): "80,130 H644", ("scaled", "h"): "660,214 V146",
        ("h", "h'"): "676,130 H830 V24 H52 V115", ("h", "out h"): "676,130 H730 V79",
    },
    ("h",), 790,
)  # fmt: skip
TOWARD_STATE = Cell(
    "",
    {"change": ("−", "h'", "g"), "scaled": ("×", "z", "change"), "h": ("+", "g", "scaled")},
    {"change": (540, 130), "scaled": (650, 130), "h": (760, 130), "out h": (820, 64)},
    {
        ("h'", "change"): "80,130 H524", ("g", "change"): "540,311 V146",
        ("change", "scaled"): "556,130 H634", ("z", "scaled"): "390,311 V260 H650 V146",
        ("scaled", "h"): "666,130 H744", ("g", "h"): "540,311 V200 H760 V146",
        ("h", "h'"): "776,130 H910 V24 H52 V115", ("h", "out h"): "776,130 H820 V79",
    },
    ("h",), 870,
)  # fmt: skip
Z_UPDATES = Cell(
    "",
    {"rest": ("1 −", "z"), "keep": ("×", "rest", "h'"), "write": ("×", "z", "g"), "h": ("+", "keep", "write")},
    {"rest": (450, 205), "keep": (450, 130), "write": (660, 220), "h": (660, 130), "out h": (730, 64)},
    {
        ("z", "rest"): "390,311 V205 H430", ("rest", "keep"): "450,188 V146", ("h'", "keep"): "80,130 H434",
        ("keep", "h"): "466,130 H644", ("g", "write"): "540,311 V220 H644", ("z", "write"): "390,311 V270 H660 V236",
        ("write", "h"): "660,204 V146",
        ("h", "h'"): "676,130 H830 V24 H52 V115", ("h", "out h"): "676,130 H730 V79",
    },
    ("h",), 790,
)  # fmt: skip
Z_KEEPS = Cell(
    "",
    {"rest": ("1 −", "z"), "keep": ("×", "z", "h'"), "write": ("×", "rest", "g"), "h": ("+", "keep", "write")},
    {"rest": (600, 270), "keep": (390, 130), "write": (660, 220), "h": (660, 130), "out h": (730, 64)},
    {
        ("z", "keep"): "390,311 V146", ("h'", "keep"): "80,130 H374", ("z", "rest"): "390,311 V270 H580",
        ("rest", "write"): "620,270 H660 V236", ("g", "write"): "540,311 V220 H644",
        ("keep", "h"): "406,130 H644", ("write", "h"): "660,204 V146",
        ("h", "h'"): "676,130 H830 V24 H52 V115", ("h", "out h"): "676,130 H730 V79",
    },
    ("h",), 790,
)  # fmt: skip

CELLS = (
    LSTM,
    NEURONS,
    NEURONS_FED,
    LINEAR_NEURONS,
    *[
        candidate | mixing
        for candidate in (RESET_BEFORE, RESET_AFTER)
        for mixing in (TOWARD_CANDIDATE, TOWARD_STATE, Z_UPDATES, Z_KEEPS)
    ],
)
COMMUTE = ("×", "+", "layer", "sum")


def matched(cell: Cell, graph: CellGraph) -> dict[str, int] | None:
    """Find the item of every name in a cell's equations, so that both have the same wires; None if there is no such way.

    Of several ways, as i and g of an LSTM can be exchanged, the one with the most names of the graph in their place is taken; then
    the one with the most gates whose activation is σ.
    """
    names = {*cell.equations, *[source for source, _ in cell.wires]}
    if len(names) != len(graph.items) or len(cell.states) != len(graph.states):
        return None
    items = graph.items
    ways = [
        way
        for goals in _openings(cell, graph)
        for way in _ways(cell, items, {}, goals)
        if all(items[way[f"{state}'"]].after == way[state] for state in cell.states)
    ]
    return max(ways, key=lambda way: _likeness(items, way), default=None)


def _likeness(items: Sequence[Item], way: Mapping[str, int]) -> tuple[int, int]:
    named = [name for name, i in way.items() if items[i].name == name]
    gates = [name for name, i in way.items() if name not in ("g", "shown") and items[i].sign == "σ"]
    return len(named), len(gates)


def _openings(cell: Cell, graph: CellGraph) -> Iterator[list[tuple[str, int]]]:
    """The states of the cell, and which of those of the graph they may be."""
    for order in permutations(graph.states):
        yield list(zip(cell.states, order, strict=True))


def _ways(
    cell: Cell, items: Sequence[Item], way: dict[str, int], goals: Sequence[tuple[str, int]]
) -> Iterator[dict[str, int]]:
    """All ways in which the goals, names and items that have to be each other, can be reached from what is known."""
    if not goals:
        yield way
        return
    (name, i), *further = goals
    if name in way or i in way.values():
        if way.get(name) == i:
            yield from _ways(cell, items, way, further)
        return
    sign, *sources = cell.equations.get(name, ("",))
    if not _fits(name, sign, items[i]) or len(sources) != len(items[i].sources):
        return
    orders = permutations(items[i].sources) if sign in COMMUTE else [items[i].sources]
    for order in orders:
        yield from _ways(cell, items, {**way, name: i}, [*zip(sources, order, strict=True), *further])


def _fits(name: str, sign: str, item: Item) -> bool:
    """Whether an item may be the one of that name, its sources aside."""
    if not sign:
        return item.kind == (INPUT if name == "x" else BEFORE)
    if sign in (LAYER, SUM):
        return item.kind == sign
    return item.kind == OPERATION and (sign in ("entry", item.sign)) and item.sign != ""
