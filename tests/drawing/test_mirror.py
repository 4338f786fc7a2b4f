"""The mirror: each adjoint below its node, the arrows reversed, the local factor on each, and the right numbers."""

import itertools
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import minigrad as mg
from minigrad.drawing import metrics, summary
from minigrad.drawing.events import Bprop
from minigrad.drawing.mirror import FACTOR, HEAD, HEADLINE, LOWER, PALETTE, SECOND_DARK, SLOT, TOP, _Halves
from minigrad.drawing.mirror import SECOND as SECOND_INK
from minigrad.drawing.style import DARK, FACES, LIGHT
from minigrad.models import LSTM
from minigrad.numbering import in_order
from minigrad.rules import rule_of
from minigrad.rules.formulas import fitted
from tests.drawing.graphs import attention, by_hand, classifier, expression, layer, net_2_2_1, odd, penalized, recurrent
from tests.drawing.test_looks import contrast
from tests.drawing.truth import factor_value

SVG = "{http://www.w3.org/2000/svg}"
GRAPHS = {
    "net": lambda: net_2_2_1()[0],
    "expression": lambda: expression()[0],
    "recurrent": lambda: recurrent(3)[0],
    "lstm": lambda: layer(LSTM, 3),
    "classifier": classifier,
    "attention": attention,
}


def doubled_once():
    x = mg.Parameter(3.0, name="x")
    return x + x


def draw(loss, **options):
    return mg.draw(loss, view="mirror", **options)


def cards(view):
    return [group for group in ET.fromstring(view.svg()).iter(f"{SVG}g") if group.find(f"{SVG}rect") is not None]


def boxes(view):
    """Of every card by its first line: left, top, width, height, and its lines."""
    found = {}
    for group in cards(view):
        rect = group.find(f"{SVG}rect")
        lines = [text.text for text in group.findall(f"{SVG}text") if text.get("text-anchor") == "middle"]
        found.setdefault(lines[0], []).append(
            [*[float(rect.get(name)) for name in ("x", "y", "width", "height")], lines]
        )
    return found


def test_adjoints_lie_under_their_nodes():
    view = draw(net_2_2_1()[0])
    shown = boxes(view)
    for node in view.record.nodes:
        (above,), (below,) = (
            [
                [card for title, cards in shown.items() for card in cards if title == wanted]
                for wanted in (
                    next(box.lines[0][1] for box in view.boxes.boxes if box.node == node.index),
                    view.adjoints[node.index],
                )
            ]
            if node.name
            else ([0], [0])
        )
        if node.name:
            assert above[0] == below[0]
            assert above[2:4] == below[2:4]
            assert above[1] < below[1]
            assert below[4][1:] == list(node.adjoint)


def test_the_lower_half_is_the_mirror_image_of_the_upper_one():
    view = draw(net_2_2_1()[0])
    halves = _Halves(view)
    middles = []
    for group in cards(view):
        x, y, height = [float(group.find(f"{SVG}rect").get(name)) for name in ("x", "y", "height")]
        middles.append((x, y + height / 2))
    axis = TOP + halves.fold + halves.layout.height
    assert len(middles) == 2 * 28
    for x, y in middles:
        assert any(abs(x - other_x) < 0.2 and abs(axis - y - other_y) < 0.2 for other_x, other_y in middles)


def test_every_arrow_says_the_local_factor():
    view = draw(net_2_2_1()[0])
    said = sorted(
        text.text for text in ET.fromstring(view.svg()).iter(f"{SVG}text") if text.get("text-anchor") == "end"
    )
    factors = [
        "w11",
        "x1",
        "w21",
        "x2",
        "w12",
        "x1",
        "w22",
        "x2",
        "(1 − u1²)",
        "(1 − u2²)",
        "w1",
        "u1",
        "w2",
        "u2",
        "(−1)",
        "2 · #26",
    ]
    assert said == sorted(f"· {factor}" for factor in factors)
    assert "∂L/∂L = 1" in view.svg()


def test_parts_are_the_rules_of_the_docstrings_with_names():
    loss, _ = net_2_2_1()
    text = draw(loss).text()
    for line in (
        "u1 = tanh(#15) = 0.7163",
        "∂L/∂#15 = ∂L/∂u1 · (1 − u1²) = -0.5512",
        "∂L/∂x1 = ∂L/∂#17 · w12 + ∂L/∂#12 · w11 = -0.4455",
        "∂L/∂y = ∂L/∂#26 · (−1) = 1.887",
        "∂L/∂L = 1",
    ):
        assert f"  {line}" in text.splitlines()
    text = draw(recurrent(2)[0]).text()
    assert "  ∂L/∂b = Σ ∂L/∂#19 + Σ ∂L/∂#11 = " in text
    assert "  ∂L/∂V = (∂L/∂#21)ᵀ = " in text
    assert "  ∂L/∂x_1 = ∂L/∂#15 @ #14ᵀ = " in text
    assert "  ∂L/∂#14 = x_1ᵀ @ ∂L/∂#15 = " in text


def test_an_arrow_tells_its_numbers():
    said = [title.text for title in ET.fromstring(draw(net_2_2_1()[0]).svg()).iter(f"{SVG}title")]
    assert "to ∂L/∂#15: ∂L/∂u1 · (1 − u1²)\n−1.132 × (1 − 0.7163²) = −0.5512" in said
    assert "to ∂L/∂w2: ∂L/∂#24 · u2\n−1.887 × (−0.6044) = 1.14" in said


@pytest.mark.parametrize("name", GRAPHS)
def test_labels_times_adjoints_are_what_was_sent(name):
    assert_factors(GRAPHS[name](), 5)


def assert_factors(loss, least):
    """Where the label is a product, its number times the adjoint is the number that goes along the arrow."""
    view, nodes = draw(loss), in_order([loss])
    record = mg.record(loss, largest=10_000)
    checked = 0
    for event in [event for event in record.events if isinstance(event, Bprop)]:
        node, adjoint = nodes[event.node], record.arrays[event.adjoint].array()
        rule = rule_of(node)
        values = rule.bound([child.value for child in node.children], node.value, adjoint)
        for sent in event.sends:
            factor = factor_value(rule.adjoints[sent.slot], values)
            label = view.factors[event.node, sent.slot].label
            assert (factor is None) == (label.startswith("@ ") or label.endswith(" @") or "∂" in label)
            if factor is not None:
                found = record.arrays[sent.array].array()
                assert label.startswith("Σ") == (found.size < adjoint.size)
                whole = np.asarray(adjoint * factor)
                made = whole if whole.size == found.size else fitted(whole, found.shape)  # a transpose moves entries
                np.testing.assert_allclose(np.sort(made, axis=None), np.sort(found, axis=None), rtol=1e-5, atol=1e-7)
                checked += 1
    assert checked >= least


@pytest.mark.parametrize("name", GRAPHS)
def test_boxes_do_not_overlap_and_labels_have_room(name):
    assert_room(draw(GRAPHS[name]()))


def assert_room(view):
    """Boxes lie apart, and so do labels."""
    places = [card[:4] for found in boxes(view).values() for card in found]
    for i, (x, y, width, height) in enumerate(places):
        for a, b, wide, high in places[:i]:
            assert x + width <= a or a + wide <= x or y + height <= b or b + high <= y
    groups = [group for group in ET.fromstring(view.svg()).iter(f"{SVG}g") if group.find(f"{SVG}rect") is None]
    labels = [group.find(f"{SVG}text") for group in groups]
    places = [(float(text.get("x")), float(text.get("y"))) for text in labels]
    assert len(set(places)) == len(places)
    for i, (x, y) in enumerate(places):
        for a, b in places[:i]:
            assert x != a or abs(y - b) >= SLOT - 0.1


# A second order ------------------------------------------------------------------------------------------------------


def slope_of(function, *leaves):
    """The first slope of a function of leaves."""
    return mg.gradients(function(*leaves), leaves[:1])[0]


def penalized_net():
    """The 2-2-1 net with a penalty on the slopes of the loss in the net's input."""
    loss, _ = net_2_2_1()
    inputs = [node for node in mg.Graph(loss).nodes if node.name in ("x1", "x2")]
    a, b = mg.gradients(loss, inputs)
    total = loss + 0.1 * (a**2 + b**2)
    total.name = "P"
    return total


def penalized_on(loss, nodes):
    return loss + 0.3 * sum((adjoint * adjoint).sum() for adjoint in mg.gradients(loss, nodes))


def leaf(value, name="x"):
    return mg.Parameter(value, name=name)


def penalized_recurrent():
    loss, _, states = recurrent(3)
    return penalized_on(loss, states)


def penalized_expression():
    return penalized_on(*expression())


def penalized_matrix():
    W, x = leaf([[0.5, -1.0], [0.25, 2.0]], "W"), mg.Input([1.0, -2.0], name="x")
    return penalized_on(np.tanh(W @ x).sum(), [x])


def penalized_branch():
    x = leaf([1.0, -2.0])
    return penalized_on(np.where(x > 0, x**3, x * x).sum(), [x])


def slope_of_product():
    w, x = leaf(0.5, "w"), mg.Input(2.0, name="x")
    y = np.tanh(w * x)
    y.name = "y"
    return y + mg.gradients(y, [x])[0] ** 2


SECOND = {
    "x³": lambda: slope_of(lambda x: x**3, leaf(2.0)),
    "x x x": lambda: slope_of(lambda x: x * x * x, leaf(2.0)),
    "sin": lambda: slope_of(np.sin, leaf(0.3)),
    "exp": lambda: slope_of(np.exp, leaf(0.3)),
    "log": lambda: slope_of(np.log, leaf(0.3)),
    "1/x": lambda: slope_of(lambda x: 1 / x, leaf(0.3)),
    "sqrt": lambda: slope_of(np.sqrt, leaf(0.3)),
    "sigmoid": lambda: slope_of(mg.sigmoid, leaf(0.3)),
    "softplus": lambda: slope_of(mg.softplus, leaf(0.3)),
    "tanh of a product": lambda: slope_of(lambda x, w: np.tanh(w * x), leaf(2.0), leaf(0.5, "w")),
    "quotient": lambda: slope_of(lambda x, w: w / x, leaf(2.0), leaf(0.5, "w")),
    "power": lambda: slope_of(lambda x, w: x**w, leaf(2.0), leaf(0.5, "w")),
    "maximum": lambda: slope_of(lambda x, w: np.maximum(x, w) * x, leaf(2.0), leaf(0.5, "w")),
    "sum of squares": lambda: penalized_on((leaf([1.0, 2.0]) ** 2).sum(), [leaf([1.0])]),
    "tanh(w x) and its slope": slope_of_product,
    "matrix": penalized_matrix,
    "branch": penalized_branch,
    "2-2-1": penalized_net,
    "micrograd": penalized_expression,
    "recurrent": penalized_recurrent,
}


@pytest.mark.parametrize("name", SECOND)
def test_the_third_band_has_the_adjoints_of_the_second_pass(name):
    loss = SECOND[name]()
    view, nodes = draw(loss), in_order([loss])
    wanted = [node for node, adjoint in zip(nodes, view.record.adjoints, strict=True) if adjoint is not None]
    for node, found in zip(wanted, mg.gradients(loss, wanted), strict=True):
        index = next(i for i, one in enumerate(nodes) if one is node)
        shown = view.record.arrays[view.record.adjoints[index]]
        assert shown.text == view.record.nodes[index].adjoint == summary.rows(found.value)
        if shown.entries is not None:
            np.testing.assert_array_equal(shown.array(), found.value)
    below = boxes(view)
    for box in view.boxes.boxes:
        node = view.record.nodes[box.node]
        if node.adjoint and "_" not in box.name:
            assert any(
                lines[-len(node.adjoint) :] == list(node.adjoint) for *_, lines in below[view.adjoints[box.node]]
            )


@pytest.mark.parametrize("name", SECOND)
def test_labels_of_a_second_order_times_adjoints_are_what_was_sent(name):
    assert_factors(SECOND[name](), 0)


@pytest.mark.parametrize("name", SECOND)
def test_three_bands_do_not_overlap(name):
    assert_room(draw(SECOND[name]()))


def test_bands_lie_below_each_other_and_the_turn_reads_1():
    view = draw(penalized_net())
    halves = _Halves(view)
    svg = view.svg()
    assert "∂P/∂P = 1" in svg
    for words in ("fprop: values →", "← bprop: the adjoints in this graph", "second bprop →", "← and on"):
        assert words in svg
    flow = view.record.flow
    tops = {0: [], 1: []}
    for box, center, way in zip(view.boxes.boxes, halves.layout.centers, halves.ways, strict=True):
        tops[way < 0].append(center[1])
        assert (way < 0) or not flow.nodes[box.node].order
    assert max(tops[0]) < min(tops[1])
    text = view.text()
    assert text.index("\nfprop\n") < text.index("\nbprop\n") < text.index("\nsecond bprop\n")
    assert (
        repr(view) == "<MirrorView: 49 nodes and their adjoints of a second order; .svg() .text() .html() .save(path)>"
    )
    assert "P is #" not in svg
    assert "P is #5." in draw(SECOND["x³"]()).svg()


def test_colors_of_the_third_band_are_legible():
    for theme, ink in ((LIGHT, SECOND_INK), (DARK, SECOND_DARK)):
        for ground in ("second-fill", "frame", "paper"):
            assert contrast(ink, theme[ground]) >= 4.5


# Copies --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "graph", [lambda: recurrent(3)[0], lambda: layer(LSTM, 2), lambda: by_hand(4), *SECOND.values()]
)
def test_parts_of_copies_sum_to_the_adjoint(graph):
    assert_sums(draw(graph()))


def test_sums_of_parts_are_compared_in_numbers():
    assert assert_sums(draw(penalized_net())) >= 9


def assert_sums(view):
    """The parts of copies add up, each has its number; says of how many nodes."""
    halves, nodes = _Halves(view), view.record.nodes
    parts, direct = {}, {}
    for place, box in enumerate(view.boxes.boxes):
        if "_" in box.name and place in halves.parts:
            parts.setdefault(box.node, []).append(halves.parts[place])
    for arrow in view.boxes.arrows:
        source, target = view.boxes.boxes[arrow.source], view.boxes.boxes[arrow.target]
        if "_" not in source.name:
            direct.setdefault(source.node, set()).add(target.node)
    checked = 0
    for node, found in parts.items():
        adjoint = nodes[node].adjoint
        if nodes[node].shape == ():
            sends = [
                (event.node, sent) for event in view.record.events if isinstance(event, Bprop) for sent in event.sends
            ]
            by_arrows = [sent for sender, sent in sends if sent.child == node and sender in direct.get(node, ())]
            values = [float(text[0]) for _, text in found] + [
                float(view.record.arrays[sent.array].array()) for sent in by_arrows
            ]
            assert sum(values) == pytest.approx(float(adjoint[0]), rel=2e-3, abs=1e-3 * max(map(abs, values)))
            checked += 1
        if len(found) > 1 and node not in direct:
            assert [said for said, _ in found] == [f"part {k + 1} of {len(found)}" for k in range(len(found))]
    return checked


def lengths(view):
    ends = [(route.start, *[piece[-1] for piece in route.pieces]) for route in _Halves(view).layout.routes]
    return [sum(np.hypot(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(points)) for points in ends]


def test_weights_of_all_steps_are_copied_to_their_uses():
    view = draw(recurrent(3)[0])
    titles = [box.lines[0][1] for box in view.boxes.boxes]
    assert titles.count("W") == titles.count("R") == titles.count("b") == 4
    assert titles.count("V") == 1
    assert np.mean(lengths(view)) < 100
    assert np.mean(lengths(draw(layer(LSTM, 2)))) < 250
    svg = view.svg()
    assert svg.count("part 1 of 3") == svg.count("part 3 of 3") == 3
    assert svg.count("sum of 3 parts") == 3


def test_without_steps_nothing_is_copied():
    for graph in (net_2_2_1, expression):
        assert not [box for box in draw(graph()[0]).boxes.boxes if "_" in box.name]


def test_nodes_without_adjoint_have_none_below():
    x = mg.Input([1.0, 2.0], name="x")
    loss = np.where(x > 1, x * 2, 0.0).sum()
    view = draw(loss)
    assert sum(len(cards) for cards in boxes(view).values()) == len(view.boxes.boxes) + sum(
        bool(node.adjoint) for node in view.record.nodes if any(box.node == node.index for box in view.boxes.boxes)
    )
    assert not any("#1 " in title for title in boxes(view) if title.startswith("∂"))


def test_hostile_names_and_odd_values():
    with np.errstate(all="ignore"):
        loss = sum(node.astype(np.float64).sum() for node in odd() if node.dtype.kind == "f")
        view = draw(loss)
    root = ET.fromstring(view.svg())
    assert not [element for element in root.iter() if element.tag.endswith("script")]
    assert "nan" in view.text()
    assert "\x1b" not in view.text() + view.html()


def test_looks():
    view = draw(net_2_2_1()[0], title="a < b")
    root = ET.fromstring(view.svg())
    assert view.svg() == draw(net_2_2_1()[0], title="a < b").svg()
    assert root.find(f"{SVG}title").text == "a < b"
    assert root.find(f"{SVG}desc").text.startswith("L = 0.8898 is computed from 9 parameters")
    light = {pair[0] for pair in PALETTE.values()} | {"none", None}
    assert {element.get(where) for element in root.iter() for where in ("fill", "stroke")} <= light
    assert min(float(text.get("font-size")) for text in root.iter(f"{SVG}text")) >= 9
    assert re.search(r'font-family="[^"]*monospace"', view.svg())
    for theme in (0, 1):
        colors = {name: pair[theme] for name, pair in PALETTE.items()}
        for ink, ground in (("slope", "adjoint-fill"), ("ink", "adjoint-fill"), ("slope", "frame"), ("slope", "paper")):
            assert contrast(colors[ink], colors[ground]) >= 4.5
        assert contrast(colors["adjoint-line"], colors["frame"]) >= 3
    assert FACES["adjoint"].monospaced
    assert repr(view) == "<MirrorView: 28 nodes and their adjoints; .svg() .text() .html() .save(path)>"
    assert len(view.svg()) < 48_000


@pytest.mark.parametrize("graph", [doubled_once, lambda: mg.Parameter(2.0, name="p"), lambda: net_2_2_1()[0]])
@pytest.mark.parametrize("title", ["", "a title that is longer than the picture of a graph of two nodes is wide"])
def test_all_text_lies_on_the_page(graph, title):
    view = draw(graph(), title=title)
    root = ET.fromstring(view.svg())
    for text in root.iter(f"{SVG}text"):
        face = HEADLINE if text.text == view.title else FACES["small"]
        if text.get("text-anchor") is None:
            assert float(text.get("x")) + metrics.width(text.text, face) <= float(root.get("width"))
        assert 0 < float(text.get("y")) < float(root.get("height"))
    assert ("L is #1." in view.svg()) == (graph is doubled_once)


def lines_and_heads(svg):
    """Of the forward arrows where lines end, and of their heads base and tip."""
    paths = re.findall(r'<path d="([^"]*)"', svg)
    k = next(k for k, path in enumerate(paths) if path.endswith("v6.4z"))
    lines, heads = paths[k - 1 : k + 1]
    ends = [float(x) for x in re.findall(r"H([-\d.]+)", lines)]
    tips = [(float(x), float(x) + float(dx)) for x, dx in re.findall(r"M([-\d.]+),[-\d.]+l([-\d.]+),-3.2v6.4z", heads)]
    return ends, tips


@pytest.mark.parametrize("graph", [GRAPHS["net"], GRAPHS["lstm"], SECOND["x³"], SECOND["maximum"]])
def test_lines_end_where_heads_begin(graph):
    ends, heads = lines_and_heads(draw(graph()).svg())
    assert len(ends) == len(heads) > 2
    assert ends == pytest.approx([base for _, base in heads], abs=0.11)
    assert all(abs(base - tip) == pytest.approx(HEAD, abs=0.11) for tip, base in heads)


@pytest.mark.parametrize("name", ["x³", "maximum", "quotient"])
def test_the_turn_on_the_left_has_room_and_crosses_no_words(name):
    view = draw(SECOND[name]())
    root = ET.fromstring(view.svg())
    texts = {text.text: text for text in root.iter(f"{SVG}text")}
    turn = texts[f"{view.adjoints[view.loss.index]} = 1"]
    heading = texts["second bprop →: the adjoint of each node of the bprop above"]
    assert turn.get("text-anchor") == "end"
    right = float(turn.get("x"))
    assert right - metrics.width(turn.text, FACTOR) >= 0
    assert float(heading.get("x")) > right + 6  # the line runs between them
    assert float(heading.get("x")) + metrics.width(heading.text, LOWER) <= float(root.get("width"))


def test_what_cannot_be_mirrored_is_refused():
    loss, weights = net_2_2_1()
    (slope,) = mg.gradients(loss, weights[:1])
    (curvature,) = mg.gradients(slope, weights[:1])
    with pytest.raises(ValueError, match=r'contains adjoints of adjoints already.*view="flow"'):
        draw(loss + curvature**2)
    with pytest.raises(TypeError, match="takes the loss"):
        draw(penalized())
    with pytest.raises(TypeError, match="draw the loss"):
        draw(mg.record(loss))
    with pytest.raises(ValueError, match="is not a scalar"):
        draw(mg.Input([1.0, 2.0]) * 2)
    with pytest.raises(ValueError, match=r"limit=20 in each half"):
        draw(loss, limit=20)
    with pytest.raises(ValueError, match=r"limit=200 in each half"):
        draw(layer(LSTM, 20))


@pytest.mark.parametrize("view", ["mirror", "time", "layers"])
def test_pages_scroll_before_text_is_too_small_to_read(view):
    drawing = mg.draw(recurrent(6)[0], view=view)
    svg = drawing.svg()
    root = ET.fromstring(svg)
    sizes = [float(size) for size in re.findall(r'font-size[=:]"?([0-9.]+)', svg)]
    assert min(sizes) * drawing.narrowest / float(root.get("width")) >= 9
    assert f"min-width:{drawing.narrowest}px" in drawing.html()
    assert "overflow-x: auto" in drawing.html()
    assert "overflow-wrap: anywhere" in drawing.html(), "long names"


def test_labels_show_the_threshold_and_the_end_of_a_rule():
    logits = mg.Input([[1.0, 2.0, 3.0]], name="logits")
    loss = (mg.softmax(logits, axis=-1) * np.array([1.0, 0.0, 2.0])).sum() + np.maximum(logits * 10, 0.25).sum()
    svg = mg.draw(loss, view="mirror").svg()
    seen = [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")]
    assert any("≥ 0.25, else 0" in words for words in seen)
    assert any(words.endswith("axis −1") for words in seen)
    assert not any("…" in words for words in seen)
