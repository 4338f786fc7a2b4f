"""Layouts: boxes and frames do not overlap, nothing sticks out, arrows begin and end at boxes, text fits."""

import itertools

import numpy as np
import pytest
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

import minigrad as mg
from minigrad.drawing import metrics
from minigrad.drawing.layers import layers
from minigrad.drawing.style import FACES
from minigrad.drawing.svg import fitting
from tests.drawing.graphs import GRAPHS, recurrent

DIRECTIONS = ("LR", "TB", "BT")
SLACK = 0.01


def rectangles(drawing):
    return [
        (x - box.width / 2, y - box.height / 2, x + box.width / 2, y + box.height / 2)
        for box, (x, y) in zip(drawing.diagram.boxes, drawing.layout.centers, strict=True)
    ]


def framed(drawing):
    return {f.scope: (f.x, f.y, f.x + f.width, f.y + f.height) for f in drawing.layout.frames}


def overlap(a, b):
    return min(a[2], b[2]) - max(a[0], b[0]) > SLACK and min(a[3], b[3]) - max(a[1], b[1]) > SLACK


def within(inner, outer):
    return all(a >= b - SLACK for a, b in zip(inner[:2], outer[:2], strict=True)) and all(
        a <= b + SLACK for a, b in zip(inner[2:], outer[2:], strict=True)
    )


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", GRAPHS)
def test_boxes_and_frames(name, direction):
    drawing = mg.draw(GRAPHS[name](), direction=direction, layout="layered")
    boxes, frames = rectangles(drawing), framed(drawing)
    page = (0, 0, drawing.layout.width, drawing.layout.height)
    assert all(within(rectangle, page) for rectangle in [*boxes, *frames.values()])
    assert not any(overlap(a, b) for a, b in itertools.combinations(boxes, 2))
    for box, rectangle in zip(drawing.diagram.boxes, boxes, strict=True):
        for scope, frame in frames.items():
            assert within(rectangle, frame) if box.scope[: len(scope)] == scope else not overlap(rectangle, frame)
    for (a, one), (b, other) in itertools.combinations(frames.items(), 2):
        shorter = min(len(a), len(b))
        assert (within(one, other) or within(other, one)) if a[:shorter] == b[:shorter] else not overlap(one, other)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", GRAPHS)
def test_arrows_lead_from_edge_to_edge(name, direction):
    drawing = mg.draw(GRAPHS[name](), direction=direction, layout="layered")
    boxes = rectangles(drawing)
    axis, forward = (0, True) if direction == "LR" else (1, direction == "TB")
    for arrow, route in zip(drawing.diagram.arrows, drawing.layout.routes, strict=True):
        source, target = boxes[arrow.source], boxes[arrow.target]
        leaves, enters = (axis + 2, axis) if forward else (axis, axis + 2)
        assert route.start[axis] == pytest.approx(source[leaves])
        assert route.tip[axis] == pytest.approx(target[enters])
        across = 1 - axis
        assert source[across] < route.start[across] < source[across + 2]
        assert target[across] < route.tip[across] < target[across + 2]
        points = [route.start, *[point for piece in route.pieces for point in piece], route.tip]
        steps = [(b[axis] - a[axis]) * (1 if forward else -1) for a, b in itertools.pairwise(points)]
        assert min(steps) >= -SLACK, "an arrow turns back"
        size = (drawing.layout.width, drawing.layout.height)
        assert all(0 <= point[i] <= size[i] for point in points for i in (0, 1))


@pytest.mark.parametrize("name", ["2-2-1", "expression", "recurrent gradient"])
def test_arrows_cross_no_box(name):
    drawing = mg.draw(GRAPHS[name](), layout="layered")
    boxes = rectangles(drawing)
    for arrow, route in zip(drawing.diagram.arrows, drawing.layout.routes, strict=True):
        at, points = route.start, []
        for piece in route.pieces:
            p = [np.array(point) for point in (at, *piece)]
            for s in np.linspace(0, 1, 20):
                points.append(
                    (1 - s) * p[0] + s * p[1]
                    if len(p) == 2
                    else (1 - s) ** 3 * p[0] + 3 * s * (1 - s) ** 2 * p[1] + 3 * s**2 * (1 - s) * p[2] + s**3 * p[3]
                )
            at = piece[-1]
        for i, (left, top, right, bottom) in enumerate(boxes):
            if i not in (arrow.source, arrow.target):
                assert not any(left < x < right and top < y < bottom for x, y in points)


def test_operands_arrive_in_their_order():
    x, y, z = (mg.Input(1.0, name=name) for name in "xyz")
    (difference,) = (z - x,)
    drawing = mg.draw([np.where(difference > y, x, z), difference], layout="layered", direction="TB")
    tips = {}
    for arrow, route in zip(drawing.diagram.arrows, drawing.layout.routes, strict=True):
        tips.setdefault(arrow.target, []).append((arrow.slot, route.tip[0]))
    assert max(len(arrived) for arrived in tips.values()) == 3
    for arrived in tips.values():
        ports = [x for _, x in sorted(arrived)]
        assert ports == sorted(ports)
        assert len(set(ports)) == len(ports)


@pytest.mark.slow
def test_text_fits_its_box():
    """Measured in DejaVu, the widest of the fonts a reader may have, bold where it is bold."""
    for graph in GRAPHS.values():
        for box in mg.draw(graph(), layout="layered").diagram.boxes:
            for face, text in box.lines:
                look = FACES[face]
                if not text.isascii():
                    continue  # the font lacks some
                family = "DejaVu Sans Mono" if look.monospaced else "DejaVu Sans"
                font = FontProperties(family=family, weight=700 if look.weight > 400 else 400)
                assert TextPath((0, 0), text, size=look.size, prop=font).get_extents().width < box.width - 4


def test_widths():
    assert metrics.width("漢字", FACES["value"]) == 2 * metrics.width("ab", FACES["value"])
    assert metrics.width("e\u0301", FACES["title"]) == metrics.width("e", FACES["title"])
    assert metrics.width("漢", FACES["small"]) > metrics.width("m", FACES["small"])
    assert metrics.width("text", FACES["title"]) > metrics.width("text", FACES["title"]._replace(weight=400))


def test_a_frames_name_is_cut_to_its_width():
    assert fitting("hidden", 200) == "hidden"
    assert fitting("a long name", 40) == "a lo…"
    assert fitting("a long name", 1) == "…"


def test_layers():
    #     0 -> 1 -> 2 -> 5,  3 -> 4 -> 5 and 3 -> 6: 3 has two readers, so 4 stays, unless it is late
    arrows = [(0, 1), (1, 2), (2, 5), (3, 4), (4, 5), (3, 6)]
    assert layers([False] * 7, arrows) == [0, 1, 2, 0, 1, 3, 1]
    assert layers([i == 4 for i in range(7)], arrows) == [0, 1, 2, 0, 2, 3, 1]
    assert layers([False] * 6, arrows[:-1]) == [0, 1, 2, 1, 2, 3]
    assert layers([], []) == []


def test_direction_is_chosen_by_length():
    x = mg.Input(1.0)
    assert mg.draw(np.tanh(x)).direction == "LR"
    for _ in range(20):
        x = np.tanh(x)
    assert mg.draw(x).direction == "TB"


def test_a_long_net_is_laid_out():
    loss, parameters, _ = recurrent(20)
    drawing = mg.draw(mg.gradients(loss, parameters), layout="layered")
    boxes = rectangles(drawing)
    assert len(boxes) > 400
    assert not any(overlap(a, b) for a, b in itertools.combinations(boxes, 2))


def test_deep_scopes_and_long_names():
    with mg.scope("/".join(["a very long name of a scope"] * 60)):
        drawing = mg.draw(np.tanh(mg.Input(1.0, name="n" * 500)), layout="layered", direction="TB")
    frames = list(framed(drawing).values())
    assert len(frames) == 60
    assert all(within(inner, outer) for outer, inner in itertools.pairwise(frames))
    assert max(box.width for box in drawing.diagram.boxes) < 450
    assert "n" * 500 in drawing.svg()  # in the tooltip
