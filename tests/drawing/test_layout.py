"""Layouts: boxes and frames do not overlap, nothing sticks out, arrows begin and end at boxes, text fits."""

import functools
import itertools
import sys
from contextlib import ExitStack

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

import minigrad as mg
from minigrad.drawing import metrics
from minigrad.drawing.metrics import fitting
from minigrad.drawing.ranks import ranks
from minigrad.drawing.style import FACES, HEADING
from minigrad.models import LSTM
from tests.drawing.graphs import ALL, GRAPHS, STEPS, layer, random_graph, recurrent
from tests.quick import examples

DIRECTIONS = ("LR", "TB", "BT")
SLACK = 0.01


def rectangles(drawing):
    return [
        (x - box.width / 2, y - box.height / 2, x + box.width / 2, y + box.height / 2)
        for box, (x, y) in zip(drawing.diagram.boxes, drawing.layout.centers, strict=True)
    ]


def corners(frame):
    return (frame.x, frame.y, frame.x + frame.width, frame.y + frame.height)


def overlap(a, b):
    return min(a[2], b[2]) - max(a[0], b[0]) > SLACK and min(a[3], b[3]) - max(a[1], b[1]) > SLACK


def grown(rectangle, air=5):
    return (rectangle[0] - air, rectangle[1] - air, rectangle[2] + air, rectangle[3] + air)


def within(inner, outer):
    return all(a >= b - SLACK for a, b in zip(inner[:2], outer[:2], strict=True)) and all(
        a <= b + SLACK for a, b in zip(inner[2:], outer[2:], strict=True)
    )


@functools.cache
def drawn(name, direction):
    return mg.draw(ALL[name](), direction=direction)


def in_all_directions(graphs):
    names = [(name, direction) for name in graphs for direction in DIRECTIONS]
    return pytest.mark.parametrize(("name", "direction"), names)


@in_all_directions(ALL)
def test_boxes_and_frames(name, direction):
    assert_apart(drawn(name, direction))


def assert_apart(drawing):
    """Nothing overlaps; a box lies in the frames of its own path and in no others."""
    boxes, frames = rectangles(drawing), drawing.layout.frames
    page = (0, 0, drawing.layout.width, drawing.layout.height)
    assert all(within(rectangle, page) for rectangle in [*boxes, *map(corners, frames)])
    assert not any(overlap(grown(a), grown(b)) for a, b in itertools.combinations(boxes, 2)), (
        "boxes have air between them"
    )
    for box, rectangle in zip(drawing.diagram.boxes, boxes, strict=True):
        around = [frame for frame in frames if within(rectangle, corners(frame))]
        assert [frame.scope[-1] for frame in around] == [part.heading for part in box.path if part.title]
        assert all(within(grown(rectangle), corners(frame)) for frame in around), "and within their frames"
        assert not any(overlap(rectangle, corners(frame)) for frame in frames if frame not in around)
    for one, other in itertools.combinations(map(corners, frames), 2):
        assert within(one, other) or within(other, one) or not overlap(one, other)


@in_all_directions(ALL)
def test_arrows_lead_from_edge_to_edge(name, direction):
    drawing = drawn(name, direction)
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


def sampled(route):
    """Points of a route, and the straight way between two of them is in it but for a pixel."""
    points = [np.array([route.start])]
    s = np.linspace(0, 1, 20)[1:, None]
    for piece in route.pieces:
        p = [points[-1][-1], *map(np.array, piece)]
        if len(p) == 2:
            points.append(p[0] + np.linspace(0, 1, 2 + int(np.hypot(*(p[1] - p[0])) / 8))[1:, None] * (p[1] - p[0]))
        else:
            points.append((1 - s) ** 3 * p[0] + 3 * s * (1 - s) ** 2 * p[1] + 3 * s**2 * (1 - s) * p[2] + s**3 * p[3])
    return np.concatenate(points)


@in_all_directions(ALL)
def test_arrows_cross_no_box(name, direction):
    assert_clear(drawn(name, direction))


def assert_clear(drawing):
    left, top, right, bottom = np.array(rectangles(drawing)).T
    for arrow, route in zip(drawing.diagram.arrows, drawing.layout.routes, strict=True):
        x, y = sampled(route)[:, :, None].swapaxes(0, 1)
        hit = ((left < x) & (x < right) & (top < y) & (y < bottom)).any(axis=0)
        assert set(np.flatnonzero(hit)) <= {arrow.source, arrow.target}


@examples(40)
@given(seed=st.integers(0, 10**6), direction=st.sampled_from(DIRECTIONS))
def test_random_graphs(seed, direction):
    drawing = mg.draw(random_graph(seed), direction=direction, adjoints=False)
    assert_apart(drawing)
    assert_clear(drawing)


# Time steps ----------------------------------------------------------------------------------------------------------


def steps_of(drawing):
    """The frames of the steps of each chain, in order."""
    chains = {}
    for frame in drawing.layout.frames:
        if frame.step is not None:
            chains.setdefault(frame.step[0], {})[frame.step[1]] = frame
    return {chain: [steps[k] for k in sorted(steps)] for chain, steps in chains.items()}


@in_all_directions(STEPS)
def test_steps_lie_one_after_another(name, direction):
    drawing = drawn(name, direction)
    axis, forward = (0, 1) if direction == "LR" else (1, 1 if direction == "TB" else -1)
    chains = steps_of(drawing)
    assert chains
    for frames in chains.values():
        assert len(frames) >= 2
        for before, after in itertools.pairwise([corners(frame) for frame in frames[::forward]]):
            assert before[axis + 2] < after[axis]


@in_all_directions(STEPS)
def test_lanes_are_straight(name, direction):
    """What a step hands to the next one leaves and enters it at one place, which is the same in all steps."""
    drawing = drawn(name, direction)
    axis = 0 if direction == "LR" else 1
    boxes, chains = drawing.diagram.boxes, steps_of(drawing)
    places = {}
    for arrow, route in zip(drawing.diagram.arrows, drawing.layout.routes, strict=True):
        source, target = boxes[arrow.source].path, boxes[arrow.target].path
        if not (source and target and source[-1].chain == target[-1].chain >= 0 and source != target):
            continue
        chain, lane = source[-1].chain, drawing.diagram.lanes[source[-1].chain][arrow.source]
        assert target[-1].step == source[-1].step + 1
        points = sampled(route)
        for frame in (chains[chain][source[-1].step], chains[chain][target[-1].step]):
            for edge in (corners(frame)[axis], corners(frame)[axis + 2]):
                after = int(np.argmax((points[:, axis] - edge) * (points[0, axis] - edge) <= 0))
                if after and min(points[-1, axis], points[0, axis]) < edge < max(points[-1, axis], points[0, axis]):
                    places.setdefault((chain, lane), []).append(points[after, 1 - axis])
    assert places
    for along in places.values():
        assert max(along) - min(along) < 0.5


@in_all_directions(STEPS)
def test_like_steps_are_congruent(name, direction):
    """Boxes of steps of one kind, and the routes between them, lie alike."""
    drawing = drawn(name, direction)
    boxes = drawing.diagram.boxes
    seen = {}
    corner = {frame.step: (frame.x, frame.y) for frame in drawing.layout.frames}
    found = {}
    for box, center in zip(boxes, drawing.layout.centers, strict=True):
        if box.path and box.path[-1].step >= 0:
            part = box.path[-1]
            x, y = corner[part.chain, part.step]
            found.setdefault(part, []).append((box.width, box.height, center[0] - x, center[1] - y))
    for arrow, route in zip(drawing.diagram.arrows, drawing.layout.routes, strict=True):
        path = boxes[arrow.source].path
        if path and path[-1].step >= 0 and path == boxes[arrow.target].path:
            x, y = corner[path[-1].chain, path[-1].step]
            points = [route.start, *[point for piece in route.pieces for point in piece], route.tip]
            found[path[-1]] += [(px - x, py - y) for px, py in points]
    for part, places in found.items():
        like = seen.setdefault((part.chain, part.kind), places)
        for place, other in zip(places, like, strict=True):
            assert place == pytest.approx(other)
    assert len(seen) < len(found), "there are steps of one kind"


@pytest.mark.parametrize(
    ("name", "down", "right"),
    [("LSTM 20", 195, 240), ("GRU 20", 176, 160), ("SimpleRNN 20", 113, 92), ("recurrent 20", 155, 112)],
)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_net_over_time_fills_its_picture(name, down, right, direction):
    """Boxes cover an eighth of it at least, and arrows are short on average, in pixels."""
    drawing = drawn(name, direction)
    area = sum(box.width * box.height for box in drawing.diagram.boxes)
    assert area / (drawing.layout.width * drawing.layout.height) >= 0.12
    lengths = [np.hypot(*np.diff(sampled(route), axis=0).T).sum() for route in drawing.layout.routes]
    assert np.mean(lengths) < (right if direction == "LR" else down) < 250
    assert len(drawing.svg()) < 250_000


@pytest.mark.parametrize(
    ("name", "crossings", "aside", "straight"),
    [
        ("2-2-1", 4, 43, 0.44),
        ("expression", 0, 46, 0.38),
        ("fan", 0, 114, 0.37),
        ("LSTM 3", 6, 93, 0.4),
        ("penalized", 15, 85, 0.39),
        ("two layers", 1, 74, 0.35),
        ("GRU 4 gradient", 42, 132, 0.31),
    ],
)
def test_arrows_seldom_cross_and_do_not_wander(name, crossings, aside, straight):
    """How many pairs of arrows cross, and how many pixels an arrow leads aside on average, and how many of them are straight."""
    drawing = mg.draw(ALL[name]())
    axis = 1 if drawing.direction == "LR" else 0
    ways = [[route.start, *[piece[-1] for piece in route.pieces]] for route in drawing.layout.routes]
    led = [sum(abs(b[axis] - a[axis]) for a, b in itertools.pairwise(way)) for way in ways]
    assert np.mean(led) <= aside
    assert np.mean([all(len(piece) == 1 for piece in route.pieces) for route in drawing.layout.routes]) >= straight
    assert crossing_pairs(drawing) <= crossings


def crossing_pairs(drawing):
    """The pairs of arrows, of different boxes, whose lines cross."""
    lines = [sampled(route) for route in drawing.layout.routes]
    owner = np.repeat(np.arange(len(lines)), [len(line) - 1 for line in lines])
    starts = np.concatenate([line[:-1] for line in lines])
    along = np.concatenate([np.diff(line, axis=0) for line in lines])
    pairs = set()
    for i, (start, way) in enumerate(zip(starts, along, strict=True)):
        here, there = side(along, start - starts), side(along, start + way - starts)
        first, second = side(way, starts - start), side(way, starts + along - start)
        for j in np.flatnonzero((here * there < 0) & (first * second < 0)):
            pairs.add((min(owner[i], owner[j]), max(owner[i], owner[j])))
    source = [arrow.source for arrow in drawing.diagram.arrows]
    return sum(source[a] != source[b] for a, b in pairs)


def side(way, to):
    """On which side of a way a point lies: the cross product."""
    return way[..., 0] * to[..., 1] - way[..., 1] * to[..., 0]


def test_what_a_step_reads_from_elsewhere_comes_by_reference():
    """The transposed weights and the projected inputs, computed before the loop; no arrow leads into a step but in a lane."""
    drawing = drawn("LSTM 20", "TB")
    boxes = drawing.diagram.boxes
    texts = [box.lines[0][1] for box in boxes if box.role == "reference"]
    assert texts.count("cell.W_hᵀ") == texts.count("reshape #9") == 20
    for arrow in drawing.diagram.arrows:
        source, target = (boxes[i].path for i in (arrow.source, arrow.target))
        if source != target and target and target[-1].step >= 0:
            assert arrow.source in drawing.diagram.lanes[target[-1].chain]


def test_what_is_read_of_many_steps_is_one_reference():
    """The gradient with respect to a shared parameter sums over all steps; the reference lists them."""
    drawing = drawn("recurrent 20 gradient", "TB")
    boxes, arrows = drawing.diagram.boxes, drawing.diagram.arrows
    joined = [i for i, box in enumerate(boxes) if box.lines[0][1].startswith("20 × ")]
    assert [boxes[i].lines[1][1] for i in joined] == ["t=20 … t=1"] * 3
    assert [sum(arrow.source == i for arrow in arrows) for i in joined] == [1, 1, 1]
    assert all(len(boxes[i].tooltip.splitlines()) == 21 for i in joined)


def test_what_is_far_comes_by_reference():
    x = mg.Input(1.0, name="x")
    near = far = np.sin(x)
    for _ in range(9):
        far = np.tanh(far) * 2
    assert [box.lines[0][1] for box in mg.draw(far + near).diagram.boxes].count("sin #1") == 1
    assert [box.role for box in mg.draw(np.tanh(near) + near).diagram.boxes].count("reference") == 0
    assert [box.role for box in mg.draw(far + near, stubs=False).diagram.boxes].count("reference") == 0


def calls(length):
    """How many functions are called to draw a net over so many steps."""
    loss = layer(LSTM, length)
    count = 0

    def noted(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(noted)
    try:
        mg.draw(loss, adjoints=False, limit=10_000).svg()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.slow
def test_work_grows_with_the_number_of_steps_and_no_faster():
    few, more, many = calls(10), calls(20), calls(40)
    assert many - more < 2.05 * (more - few)


def test_many_operands_arrive_within_their_box():
    many = np.stack([mg.Input(1.0, name=f"x{i}") for i in range(40)])
    drawing = mg.draw(many, direction="TB")
    box = rectangles(drawing)[-1]
    tips = [route.tip[0] for route in drawing.layout.routes]
    assert len(tips) == len(set(tips)) == 40
    assert box[0] < min(tips) < max(tips) < box[2]


def test_operands_arrive_in_their_order():
    x, y, z = (mg.Input(1.0, name=name) for name in "xyz")
    (difference,) = (z - x,)
    drawing = mg.draw([np.where(difference > y, x, z), difference], direction="TB")
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
        for box in mg.draw(graph()).diagram.boxes:
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
    assert fitting("hidden", HEADING, 200) == "hidden"
    assert fitting("a long name", HEADING, 40) == "a lo…"
    assert fitting("a long name", HEADING, 1) == "…"


def test_ranks():
    #     0 -> 1 -> 2 -> 5,  3 -> 4 -> 5 and 3 -> 6: 3 has two readers, so 4 stays, unless it is late
    arrows = [(0, 1), (1, 2), (2, 5), (3, 4), (4, 5), (3, 6)]
    assert ranks([False] * 7, arrows) == [0, 1, 2, 0, 1, 3, 1]
    assert ranks([i == 4 for i in range(7)], arrows) == [0, 1, 2, 0, 2, 3, 1]
    assert ranks([False] * 6, arrows[:-1]) == [0, 1, 2, 1, 2, 3]
    assert ranks([], []) == []


def test_direction_is_chosen_by_length():
    x = mg.Input(1.0)
    assert mg.draw(np.tanh(x)).direction == "LR"
    for _ in range(20):
        x = np.tanh(x)
    assert mg.draw(x).direction == "TB"


def test_a_long_net_is_laid_out():
    loss, parameters, _ = recurrent(20)
    drawing = mg.draw(mg.gradients(loss, parameters))
    boxes = rectangles(drawing)
    assert len(boxes) > 400
    assert not any(overlap(a, b) for a, b in itertools.combinations(boxes, 2))


def test_deep_scopes_and_long_names():
    with mg.scope("/".join(["a very long name of a scope"] * 60)):
        drawing = mg.draw(np.tanh(mg.Input(1.0, name="n" * 500)), direction="TB")
    frames = list(map(corners, drawing.layout.frames))
    assert len(frames) == 8
    assert all(within(inner, outer) for outer, inner in itertools.pairwise(frames))
    assert max(box.width for box in drawing.diagram.boxes) < 450
    assert "n" * 500 in drawing.svg()  # in the tooltip


# Deep scopes ---------------------------------------------------------------------------------------------------------


def deep(names, inner=lambda: np.sin(mg.Input(1.0, name="q")) + 1):
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(mg.scope(name))
        return inner()


@pytest.mark.parametrize("depth", [8, 9, 300, 3000])
def test_of_scopes_that_only_hold_the_next_one_a_few_are_drawn(depth):
    names = [f"s{k}" for k in range(depth)]
    picture = mg.draw(deep(names))
    drawn = max([frame.scope for frame in picture.layout.frames], key=len)
    assert len(picture.layout.frames) == len(drawn) == min(depth, 8)
    assert drawn[:4] == tuple(names[:4])
    assert drawn[-3:] == tuple(names[-3:])
    assert "/".join(drawn) == "/".join(names)
    assert picture.dot().count("subgraph") == min(depth, 8)
    assert len(picture.svg()) < 7000 + 10 * len("/".join(names))


def test_scopes_that_part_and_scopes_with_boxes_of_their_own_stay():
    nothing = [f"s{k}" for k in range(20)]

    def two():
        x = mg.Input(1.0, name="x")
        with mg.scope("a"):
            y = np.sin(x)
        return y + deep(["b", *nothing])

    scopes = [frame.scope for frame in mg.draw(deep(nothing, two)).layout.frames]
    around = (*nothing[:4], "/".join(nothing[4:-3]), *nothing[-3:])
    assert (*around, "a") in scopes
    assert (*around, "b", *nothing[:3], "/".join(nothing[3:-3]), *nothing[-3:]) in scopes
    assert len(scopes) == 8 + 1 + 8


def test_deep_scopes_that_differ_in_the_middle_stay_apart():
    names = [f"s{k}" for k in range(20)]
    for place in (2, 10, 18):
        other = [*names[:place], "other", *names[place + 1 :]]
        frames = [frame.scope for frame in mg.draw(deep(names) + deep(other)).layout.frames]
        assert len(frames) == len(set(frames))
        assert {"/".join(names), "/".join(other)} <= {"/".join(frame) for frame in frames}


def test_steps_in_deep_scopes_lie_in_one_row():
    names = [f"s{k}" for k in range(20)]
    drawn = mg.draw(deep(names, lambda: layer(LSTM, 5)), limit=10**4)
    steps = [frame for frame in drawn.layout.frames if frame.step is not None]
    assert len({frame.step for frame in steps}) == len(steps) == 5
    assert len({frame.scope[:-1] for frame in steps}) == 1
    assert max(len(frame.scope) for frame in steps) <= 10
