"""Less of a graph: steps drawn once, scopes as boxes, a part, paths with emphasis. What is left out is said, and nothing is made up."""

import random
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.drawing import metrics
from minigrad.drawing.flow import Flow, flow_graph
from minigrad.drawing.style import DARK, FACES, LIGHT
from minigrad.drawing.transforms import collapse, focus, highlight
from minigrad.marks import Marker
from minigrad.models import GRU, LSTM, Dense, Sequential, SimpleRNN
from tests.drawing.graphs import (
    ALL,
    STEPS,
    attention,
    by_hand,
    classifier,
    crossed,
    expression,
    layer,
    net_2_2_1,
    penalized,
    random_graph,
    recurrent,
    scoped,
    two_layers,
    unlike,
)
from tests.drawing.test_layout import assert_apart, assert_clear
from tests.drawing.test_looks import contrast
from tests.quick import examples

SVG = "{http://www.w3.org/2000/svg}"
WAYS = {"roll": {"roll": True}, "depth": {"depth": 0}, "deeper": {"depth": 1}, "both": {"roll": True, "depth": 1}}
DIRECTIONS = ("LR", "TB", "BT")


def boxes(drawing):
    return {box.node: [text for _, text in box.lines] for box in drawing.diagram.boxes}


def titles(drawing):
    return [box.lines[0][1] for box in drawing.diagram.boxes]


def assert_sound(drawing):
    """Nothing overlaps, arrows begin and end where they should, and every writer writes it."""
    if not any(arrow.role == "delay" for arrow in drawing.diagram.arrows):
        assert_apart(drawing)
    assert_clear(drawing)
    page = drawing.layout.width, drawing.layout.height
    for route in drawing.layout.routes:
        for x, y in [route.start, *[point for piece in route.pieces for point in piece], route.tip]:
            assert 0 <= x <= page[0]
            assert 0 <= y <= page[1]
    ET.fromstring(drawing.svg())
    assert drawing.dot()
    assert drawing.text()


# Default pictures ----------------------------------------------------------------------------------------------------


def test_a_transform_changes_nothing_of_the_graph():
    loss = layer(LSTM, 5)
    plain = mg.draw(loss)
    rolled = mg.draw(loss, roll=True)
    assert isinstance(rolled.flow, Flow)
    assert rolled.flow.as_dict() == plain.flow.as_dict()
    assert mg.draw(loss).svg() == plain.svg()
    flow = flow_graph(loss, None, "draw")
    before = flow.as_dict()
    for change in (lambda: collapse(flow, 0), lambda: focus(flow, [3]), lambda: highlight(flow, [3])):
        change()
        assert flow.as_dict() == before
        assert flow.transformed is None


# Rolling -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", [LSTM, GRU, SimpleRNN])
@pytest.mark.parametrize("length", [2, 7, 100])
def test_like_steps_are_drawn_once(cell, length):
    drawing = mg.draw(layer(cell, length), roll=True, adjoints=False)
    headings = [frame.scope[-1] for frame in drawing.layout.frames]
    assert f"t=1 … t={length} × {length}" in headings
    alone = mg.draw(layer(cell, 2), roll=True, adjoints=False)
    assert len(drawing.diagram.boxes) == len(alone.diagram.boxes) < 42
    assert f"with the numbers of t={length}" in drawing.svg()
    assert f"with the numbers of t={length}" in drawing.text()
    assert f"with the numbers of t={length}" in drawing.dot()


def test_a_long_lstm_is_small():
    drawing = mg.draw(layer(LSTM, 100), roll=True)
    assert len(drawing.svg()) < 60_000
    assert len(drawing.diagram.boxes) <= 40


@pytest.mark.parametrize("name", STEPS)
def test_delays_are_the_edges_between_steps(name):
    """Every edge from a step to the next one is a delay of the drawn step or an arrow; no delay is made up."""
    flow = mg.draw(STEPS[name](), roll=True, adjoints=False).flow
    shown, nodes = flow.shown, flow.nodes
    real = {
        (shown.stands.get(edge.source, edge.source), shown.stands.get(edge.target, edge.target), edge.slot)
        for edge in flow.edges
    }
    for edge, back in shown.delays.items():
        assert (edge.source, edge.target, edge.slot) in real
        assert back >= 1
    drawn = {(edge.source, edge.target, edge.slot) for edge in (*shown.edges, *shown.delays)}
    for edge in shown.edges:
        assert (edge.source, edge.target, edge.slot) in real
    for source, target, slot in real:
        if source >= 0 and target >= 0 and nodes[source].loop is not None and nodes[source].loop == nodes[target].loop:
            assert (source, target, slot) in drawn
    for hidden, box in shown.stands.items():
        if box >= 0:
            assert nodes[hidden].operation == nodes[box].operation
            assert nodes[hidden].shape == nodes[box].shape


@pytest.mark.parametrize(
    "name", ["recurrent 20", "LSTM 4 gradient", "GRU 20", "a loop with losses", "a loop with a lag", "all states"]
)
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("way", WAYS)
def test_pictures_are_sound(name, direction, way):
    assert_sound(mg.draw(ALL[name](), direction=direction, adjoints=False, **WAYS[way]))


def test_a_delay_leads_around_its_step_and_says_so():
    for direction in DIRECTIONS:
        drawing = mg.draw(layer(LSTM, 9), roll=True, direction=direction, adjoints=False)
        (frame,) = [frame for frame in drawing.layout.frames if frame.step is not None]
        delays = [
            (arrow, route)
            for arrow, route in zip(drawing.diagram.arrows, drawing.layout.routes, strict=True)
            if arrow.role == "delay"
        ]
        assert sorted(arrow.mark for arrow, _ in delays) == ["c: next step", "h: next step"]
        for _, route in delays:
            points = [point for piece in route.pieces for point in piece]
            outside = [
                (x, y)
                for x, y in points
                if not (frame.x <= x <= frame.x + frame.width and frame.y <= y <= frame.y + frame.height)
            ]
            assert len(outside) >= 8
        for written in (drawing.svg(), drawing.dot(), drawing.mermaid()):
            assert "next step" in written
        assert drawing.text().count("in the next step") == 2


def test_labels_of_delays_have_room():
    W = mg.Parameter(np.eye(3) * 0.5, name="W")
    state = mg.Constant(np.zeros(3))
    for t in range(5):
        with mg.scope(f"t={t}"):
            state = np.tanh(W @ state + mg.Input(np.ones(3), name=f"u{t}"))
            state.name = "<b>a name that is longer than any picture of a step is wide</b>" * 3
    drawing = mg.draw((state**2).sum(), roll=True, direction="TB", adjoints=False)
    root = ET.fromstring(drawing.svg())
    (label,) = [text for text in root.iter(f"{SVG}text") if "next step" in (text.text or "")]
    assert float(label.get("x")) + metrics.width(label.text, FACES["small"]) <= drawing.layout.width
    assert not [element for element in root.iter() if element.tag.endswith("}b")]


def own_weights(length=4):
    """Layers on top of each other that do the same, each with weights of its own."""
    x, marker = mg.Input(np.ones(3), name="x"), Marker({})
    for t in range(1, length + 1):
        with marker.step(t, f"t={t}"):
            x = np.tanh(mg.Parameter(np.eye(3) * t, name=f"W_{t}").T @ x)
    return x.sum()


def weights_made_before(length=4):
    """The same, the weights made outside of the steps."""
    x, marker = mg.Input(np.ones(3), name="x"), Marker({})
    weights = [mg.Parameter(np.eye(3) * t, name=f"W_{t}") * 2 for t in range(length)]
    for t, W in enumerate(weights, 1):
        with marker.step(t, f"t={t}"):
            x = np.tanh(W @ x) + W[0]
    return x.sum()


def shrinking(length=5):
    """Steps of equal structure with another number in each."""
    w, x = mg.Parameter(0.5, name="w"), mg.Input(1.0, name="x")
    for t in range(1, length + 1):
        with mg.scope(f"t={t}"):
            x = np.tanh(w * x) * 0.9**t
    return x


@pytest.mark.parametrize("make", [own_weights, weights_made_before, shrinking])
def test_steps_with_parameters_or_numbers_of_their_own_are_drawn_singly(make):
    drawing = mg.draw(make(), roll=True, adjoints=False)
    assert "×" not in " ".join(frame.scope[-1] for frame in drawing.layout.frames)
    assert not drawing.flow.shown.delays
    assert "Drawn singly, since not like the step before or after" in drawing.svg()
    assert len(drawing.diagram.boxes) == len(mg.draw(make(), adjoints=False).diagram.boxes)


def test_unlike_steps_are_drawn_singly_and_the_others_once():
    drawing = mg.draw(by_hand(losses=True), roll=True, adjoints=False)
    assert "t=2 … t=6 × 5" in [frame.scope[-1] for frame in drawing.layout.frames]
    assert "t=1" in [frame.scope[-1] for frame in drawing.layout.frames]
    assert "Drawn singly, since not like the step before or after: t=1." in drawing.text()
    assert "t=1 … t=5 × 3" in [frame.scope[-1] for frame in mg.draw(unlike(), roll=True).layout.frames], "two by two"
    lagging = mg.draw(by_hand(lag=2), roll=True, adjoints=False)
    assert "2 steps later" in lagging.text()
    assert {arrow.mark for arrow in lagging.diagram.arrows if arrow.role == "delay"} == {"next step", "2 steps later"}


def test_values_of_all_steps_read_outside_say_so():
    drawing = mg.draw(layer(LSTM, 6, sequences=True), roll=True, adjoints=False)
    assert ["h", "of 6 steps"] in boxes(drawing).values()


def test_adjoints_are_rolled_beside_their_steps():
    drawing = mg.draw(layer(GRU, 20, gradient=True), roll=True)
    headings = [frame.scope[-1] for frame in drawing.layout.frames]
    assert "t=1 … t=20 × 20" in headings
    assert "t=18 … t=2 × 17 · adjoints" in headings
    assert "1 step before" in drawing.svg(), "h of the step before is read by adjoints"
    numbers = re.findall(r"numbers of (t=\d+)", drawing.text())
    assert len(set(numbers)) == 1


# Collapsing ----------------------------------------------------------------------------------------------------------


def test_scopes_are_boxes_with_shape_operations_and_parameters():
    drawing = mg.draw(classifier("conv"), depth=1)
    shown = {lines[0]: lines[1:] for lines in boxes(drawing).values()}
    assert shown["conv2d_1"] == ["(5, 4, 4, 2)", "2 operations", "20 parameters"]
    assert shown["maxpool2d_1"] == ["(5, 2, 2, 2)", "11 operations"]
    assert shown["dense_1"] == ["(5, 2)", "3 operations", "18 parameters"]
    whole = mg.draw(classifier("conv"), depth=0)
    assert titles(whole) == ["x", "sequential", "targets", "cross_entropy"]
    assert boxes(whole)[next(i for i, lines in boxes(whole).items() if lines[0] == "sequential")][2:] == [
        "17 operations",
        "38 parameters",
    ]


def test_scopes_by_name():
    net = classifier("conv")
    assert "maxpool2d_1" in titles(mg.draw(net, collapse="maxpool2d_1"))
    assert titles(mg.draw(net, collapse="sequential/conv2d_1")) == titles(mg.draw(net, collapse=["conv2d_1"]))
    assert {"conv2d_1", "dense_1"} <= set(titles(mg.draw(net, collapse=["conv2d_1", "dense_1"])))
    with pytest.raises(ValueError, match=r"collapse='con2d_1'\): no scope has that name \(did you mean 'conv2d_1'\?\)"):
        mg.draw(net, collapse="con2d_1")
    with pytest.raises(TypeError, match="takes the name of a scope"):
        mg.draw(net, collapse=[3])
    for depth in (-1, 1.5, True, "0"):
        with pytest.raises(ValueError, match="a whole number from 0"):
            mg.draw(net, depth=depth)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("depth", [0, 1])
def test_collapsed_pictures_are_sound_and_count_everything(name, depth):
    drawing = mg.draw(ALL[name](), depth=depth, adjoints=False)
    assert_sound(drawing)
    flow = drawing.flow
    inside = [i for i, box in flow.shown.stands.items() if box in flow.shown.labels]
    counts = [
        re.fullmatch(r"([\d,]+) operations?", line) for label in flow.shown.labels.values() for line in label.lines
    ]
    operands = flow.operands()
    grouped = {*inside, *[i for i, label in flow.shown.labels.items() if label.role != "input"]}
    assert sum(int(count[1].replace(",", "")) for count in counts if count) == sum(bool(operands[i]) for i in grouped)


def test_shared_parameters_are_said_to_be_shared():
    drawing = mg.draw(layer(SimpleRNN, 3), depth=1, adjoints=False)
    assert sum("t=" in lines[0] for lines in boxes(drawing).values()) == 3
    net = Dense(3, 3, rng=0)
    x = mg.Input(np.ones((2, 3), np.float32), name="x")
    with mg.scope("first"):
        y = net(x)
    with mg.scope("second"):
        z = net(y)
    shown = boxes(mg.draw(z.sum(), depth=0))
    assert [lines[-1] for lines in shown.values() if lines[0] in ("first", "second")] == ["12 parameters, shared"] * 2


def test_scopes_that_read_each_other_are_cut_into_pieces():
    found = titles(mg.draw(crossed(), depth=0))
    assert found.count("a") == 2
    assert titles(mg.draw(two_layers(), depth=0)).count("lower") == 1, "their steps take turns, yet no circle"


def test_inputs_of_all_steps_are_one_box():
    for roll in (False, True):
        drawing = mg.draw(recurrent(30)[0], depth=0, roll=roll, adjoints=False)
        assert titles(drawing) == ["u_1 … u_30", "rnn", "target", "loss"]
        assert "30 × (5, 2)" in drawing.svg()
        assert not drawing.layout.frames, "an input of a scope lies beside its box"


def test_collapsed_adjoints_are_apart_from_their_scopes():
    drawing = mg.draw(penalized(), depth=0)
    roles = {(box.lines[0][1], box.role) for box in drawing.diagram.boxes}
    assert {("rnn", "scope"), ("rnn", "adjoint"), ("rnn", "second")} <= roles


# Focus ---------------------------------------------------------------------------------------------------------------


def test_only_paths_to_the_output_are_left():
    loss, _ = net_2_2_1()
    nodes = {node.name: node for node in mg.Graph(loss).nodes if node.name}
    drawing = mg.draw(loss, focus=nodes["w11"])
    assert "u2 = tanh" not in titles(drawing)
    assert {"w11", "u1 = tanh", "L = #26²", "x1"} <= set(titles(drawing))
    assert [title for title in titles(drawing) if "more" in title] == ["… 5 more", "… 8 more"]
    assert "A part: 15 of 28 nodes" in drawing.svg()
    assert "A part: 15 of 28 nodes" in drawing.text()
    assert titles(mg.draw(loss, focus="w11")) == titles(drawing)
    assert titles(mg.draw(loss, focus="#4")) == titles(drawing)
    assert_sound(drawing)
    whole = mg.draw(loss, focus=[node for node in nodes.values() if not node.children])
    assert len(whole.diagram.boxes) == len(mg.draw(loss).diagram.boxes)
    assert "A part" not in whole.svg()


def test_focus_reaches_so_many_hops():
    loss, _ = net_2_2_1()
    assert (
        titles(mg.draw(loss, focus="u1", hops=0)) == ["… 13 more", "u1 = tanh", "… 17 more"]
        or len(titles(mg.draw(loss, focus="u1", hops=0))) == 3
    )
    near = mg.draw(loss, focus="u1", hops=1)
    assert "w1" in titles(near)
    assert sum("more" in title for title in titles(near)) >= 2
    assert len(titles(mg.draw(loss, focus="u1", hops=99))) == len(titles(mg.draw(loss)))
    with pytest.raises(ValueError, match="give focus=node too"):
        mg.draw(loss, hops=2)
    with pytest.raises(ValueError, match="a whole number from 0"):
        mg.draw(loss, focus="u1", hops=-1)


@pytest.mark.parametrize(
    "graph", [lambda: recurrent(6)[0], lambda: layer(LSTM, 6), attention, lambda: classifier("conv"), scoped]
)
def test_what_is_cut_off_is_counted(graph):
    loss = graph()
    leaf = next(node for node in mg.Graph(loss).nodes if isinstance(node, mg.Parameter | mg.Input))
    drawing = mg.draw(loss, focus=leaf, adjoints=False)
    assert_sound(drawing)
    shown = drawing.flow.shown
    drawn = {i for i in range(len(drawing.flow.nodes)) if i not in shown.stands and i not in shown.labels}
    for edge in drawing.flow.edges:
        if edge.target in drawn and not drawing.flow.nodes[edge.source].is_number:
            assert edge.source in drawn | set(shown.labels), "an operand is drawn, or said to be cut"


def test_names_are_found_or_something_close_is_named():
    loss = layer(LSTM, 3)
    assert "cell.W_h" in titles(mg.draw(loss, focus="W_h", adjoints=False))
    assert titles(mg.draw(loss, focus="lstm/t=2")) == titles(mg.draw(loss, focus="t=2"))
    with pytest.raises(
        ValueError, match=r"focus='W_hh'\): no node and no scope has that name \(did you mean 'W_h'\?\)"
    ):
        mg.draw(loss, focus="W_hh")
    with pytest.raises(ValueError, match="the node 'other' is not in the graph"):
        mg.draw(loss, highlight=mg.Input(1.0, name="other"))
    with pytest.raises(ValueError, match=r"a record has no nodes: give the name 'u'"):
        mg.draw(mg.record(loss), focus=next(node for node in mg.Graph(loss).nodes if node.name == "u"))
    with pytest.raises(ValueError, match="at least one node"):
        mg.draw(loss, focus=[])
    with pytest.raises(TypeError, match="takes a node, a name, a scope"):
        mg.draw(loss, focus=3.5)
    assert titles(mg.draw(mg.record(loss), focus="W_h")) == titles(mg.draw(loss, focus="W_h"))


# Highlighting --------------------------------------------------------------------------------------------------------


def test_all_paths_are_highlighted_by_width_and_mark():
    loss, _ = net_2_2_1()
    plain, drawing = mg.draw(loss), mg.draw(loss, highlight="w11")
    strong = {box.node for box in drawing.diagram.boxes if box.emphasis > 0}
    assert strong == {4, 12, 13, 15, 16, 22, 23, 25, 26, 27}
    assert {box.node for box in drawing.diagram.boxes if box.emphasis < 0} == {
        box.node for box in plain.diagram.boxes
    } - strong
    assert len([arrow for arrow in drawing.diagram.arrows if arrow.emphasis > 0]) == len(strong) - 1
    root = ET.fromstring(drawing.svg())
    marked = [text.text for text in root.iter(f"{SVG}text") if (text.text or "").startswith("▶")]
    assert sorted(marked) == sorted(f"▶ {node}" for node in strong)
    assert 'stroke-width="3.4"' in drawing.svg()
    assert 'penwidth="3.4"' in drawing.dot() or "penwidth=3.4" in drawing.dot()
    assert "stroke-width:4px" in drawing.mermaid()
    assert drawing.text().count("▶") == len(strong)
    assert_sound(drawing)
    assert "faded" not in plain.svg()


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_what_fades_is_legible(theme):
    assert contrast(theme["faint"], theme["paper"]) >= 4.5


# Together ------------------------------------------------------------------------------------------------------------


def test_transforms_combine():
    loss = layer(LSTM, 12)
    drawing = mg.draw(loss, roll=True, highlight="W_h", adjoints=False)
    assert_sound(drawing)
    assert any(arrow.role == "delay" and arrow.emphasis > 0 for arrow in drawing.diagram.arrows)
    part = mg.draw(loss, roll=True, focus="t=3", adjoints=False)
    assert_sound(part)
    assert any("more" in title for title in titles(part))
    boxed = mg.draw(loss, depth=0, highlight="lstm", adjoints=False)
    assert {box.lines[0][1]: box.emphasis for box in boxed.diagram.boxes}["lstm"] == 1
    everything = mg.draw(loss, roll=True, collapse="lstm", focus="u", highlight="u", adjoints=False)
    assert_sound(everything)
    assert "lstm" in titles(everything)


@pytest.mark.parametrize("name", ALL)
def test_any_of_them_with_numbers_in_boxes(name):
    options = {"numbers": False, "depth": 0, "adjoints": False}
    try:
        drawing = mg.draw(ALL[name](), roll=True, **options)
    except ValueError as error:
        assert "no loop of two or more steps" in str(error)  # noqa: PT017 (which graphs have one is not the point)
        drawing = mg.draw(ALL[name](), **options)
    assert_sound(drawing)


@examples(25)
@given(seed=st.integers(0, 10**6), choice=st.integers(0, 10**6))
def test_random_graphs(seed, choice):
    r, made = random.Random(choice), random_graph(seed)
    nodes = mg.Graph(*(made if isinstance(made, list) else [made])).nodes
    options = {
        "depth": r.choice((None, 0, 1)),
        "focus": r.choice((None, r.choice(nodes))),
        "highlight": r.choice((None, r.choice(nodes))),
    }
    options["hops"] = r.choice((None, 2)) if options["focus"] is not None else None
    drawing = mg.draw(made, adjoints=False, **options)
    assert_sound(drawing)
    try:
        rolled = mg.draw(made, adjoints=False, roll=True, **options)
    except ValueError as error:
        assert "no loop of two or more steps" in str(error)  # noqa: PT017
        return
    ET.fromstring(rolled.svg())
    assert rolled.text()


def test_a_step_that_is_cut_into_pieces_is_drawn_all_the_same():
    """Scopes that are left and entered again cut a step, so that no delay leads around it."""
    drawing = mg.draw(random_graph(205), adjoints=False, roll=True)
    assert "next step" in drawing.svg()
    assert len(drawing.layout.routes) == len(drawing.diagram.arrows)


@pytest.mark.parametrize("options", [{"depth": 0}, {"focus": "W_h"}, {"highlight": "W_h"}, {"collapse": "lstm"}])
def test_a_page_steps_through_what_is_not_rolled(options):
    drawing = mg.draw(layer(LSTM, 3), **options)
    assert drawing.html().count("</script>") == 2
    assert len(re.findall(r'<g class="(?:faded )?[a-z]+-box"', drawing.svg())) >= len(drawing.diagram.boxes)


def test_what_cannot_be_done_is_refused():
    loss = layer(LSTM, 3)
    with pytest.raises(ValueError, match="cannot be stepped through: draw without roll=True"):
        mg.draw(loss, roll=True).html()
    with pytest.raises(ValueError, match="no loop of two or more steps"):
        mg.draw(expression()[0], roll=True)
    with pytest.raises(ValueError, match="leave stubs=False out"):
        mg.draw(loss, roll=True, stubs=False)
    for view in ("mirror", "time"):
        for option in ({"roll": True}, {"depth": 0}, {"collapse": "lstm"}, {"focus": "u"}, {"highlight": "u"}):
            with pytest.raises(ValueError, match=r'belongs to view="flow"'):
                mg.draw(loss, view=view, **option)
    long = layer(LSTM, 200)
    with pytest.raises(
        ValueError, match=r"roll=True draws like steps once, depth=0 a box per scope, focus=node a part"
    ):
        mg.draw(long, limit=1000)
    assert len(mg.draw(long, roll=True).diagram.boxes) < 40
    deep = Sequential(*[Dense(3, 3, rng=i) for i in range(3)])(mg.Input(np.ones((2, 3), np.float32), name="x"))
    assert [title for title in titles(mg.draw(deep, depth=1)) if "dense" in title] == ["dense_1", "dense_2", "dense_3"]


def hidden_counts(drawing):
    return [int(title.split()[1]) for title in titles(drawing) if "more" in title]


@pytest.mark.parametrize("options", [{"focus": "z"}, {"focus": "z", "hops": 1}, {"focus": "y", "hops": 0}])
def test_each_cut_node_is_counted_once(options):
    x = mg.Input(2.0, name="x")
    y = x * 0.5
    z = np.tanh(y) + np.sin(y)
    loss = np.exp(z)
    for node, name in ((y, "y"), (z, "z"), (loss, "L")):
        node.name = name
    drawing = mg.draw(loss, **options)
    said = next(note for note in drawing.diagram.notes if note.startswith("A part"))
    kept, all_nodes = [int(word) for word in said.split() if word.isdecimal()]
    assert all_nodes == len(drawing.flow.nodes) == 7
    assert sum(hidden_counts(drawing)) == all_nodes - kept


def test_cuts_of_a_long_loop_do_not_add_up_beyond_the_graph():
    loss = layer(LSTM, 40)
    for options in ({"hops": 2}, {"hops": 1}, {}):
        drawing = mg.draw(loss, focus="#200", adjoints=False, **options)
        assert 0 < sum(hidden_counts(drawing)) < len(drawing.flow.nodes)


def test_a_rolled_picture_says_how_many_steps_it_is_once():
    (note,) = mg.draw(layer(LSTM, 12), roll=True, adjoints=False).diagram.notes
    assert note.startswith("t=1 … t=12, drawn once (12 steps), with the numbers of ")
