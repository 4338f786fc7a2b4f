"""Nets as layers: one box for what is computed in a layer's scope, with the right shapes and numbers of parameters."""

import itertools
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import minigrad as mg
from minigrad.drawing.layered import layered
from minigrad.models import LSTM, Dense, Sequential, SimpleRNN, Stacked
from tests.drawing.graphs import (
    attention,
    by_hand,
    classifier,
    crossed,
    layer,
    net_2_2_1,
    recurrent,
    scoped,
    two_layers,
)

SVG = "{http://www.w3.org/2000/svg}"


def draw(loss, **options):
    return mg.draw(loss, view="layers", **options)


def rows(view):
    """Of every layer its name, where it reads, its shape, and its trained parameters."""
    return [(one.name, sorted(one.sources), one.shape, one.n_trained) for one in view.layers]


def test_layers_of_a_sequential_are_told_apart():
    assert rows(draw(classifier("conv"))) == [
        ("x", [], "(5, 6, 6, 1)", 0),
        ("targets", [], "(5,)", 0),
        ("conv2d_1", [0], "(5, 4, 4, 2)", 20),
        ("maxpool2d_1", [2], "(5, 2, 2, 2)", 0),
        ("flatten_1", [3], "(5, 8)", 0),
        ("dense_1", [4], "(5, 2)", 18),
        ("cross_entropy", [1, 5], "()", 0),
    ]


def test_scopes_of_ones_own_are_layers():
    assert [row[::3] for row in rows(draw(net_2_2_1()[0]))][3:] == [("hidden", 6), ("output", 3), ("", 0)]


@pytest.mark.parametrize("length", [3, 40])
def test_the_steps_of_a_loop_are_one_layer(length):
    assert [row[0] for row in rows(draw(layer(LSTM, length)))] == ["u", "lstm", ""]
    assert [row[0] for row in rows(draw(recurrent(length)[0]))] == [f"u_1 … u_{length}", "target", "rnn", "loss"]
    assert len(draw(by_hand(length)).layers) <= 3


def test_layers_on_top_of_each_other():
    u = mg.Input(np.ones((2, 5, 3), np.float32), name="u")
    found = {row[0]: row for row in rows(draw(Stacked([SimpleRNN(3, 4), LSTM(4, 4)])(u).sum()))}
    assert found["simplernn_1"][3] == 4 * 3 + 4 * 4 + 4
    assert found["lstm_2"][2:] == ("(2, 4)", 4 * (4 * 4 + 4 * 4 + 4))


def test_shared_parameters_count_once_and_fixed_ones_apart():
    net = Dense(3, 3, rng=0)
    x = mg.Input(np.ones((2, 3), np.float32), name="x")
    view = draw(net(mg.tanh(net(x))).sum())
    assert view.n_parameters == 12
    assert "12 trained parameters" in view.text()
    W = mg.Parameter(np.ones((3, 3)), name="W", trainable=False)
    with mg.scope("frozen"):
        frozen = (W @ mg.Parameter(np.ones(3), name="v")).sum()
    assert "3 parameters, 9 not trained" in draw(frozen).text()
    deep = Sequential(Sequential(Dense(3, 4, rng=0), Dense(4, 2, rng=0)), Dense(2, 1, rng=0))
    assert [row[3] for row in rows(draw(deep(x).sum()))][1:4] == [16, 10, 3]


def test_looks(tmp_path):
    view = draw(classifier("conv"))
    root = ET.fromstring(view.svg())
    assert view.svg() == draw(classifier("conv")).svg()
    assert root.find(f"{SVG}title").text == view.title
    assert root.find(f"{SVG}desc").text.startswith(
        "7 layers with 38 trained parameters: x (5, 6, 6, 1), no parameters; "
    )
    assert view.text().splitlines()[5].split()[:3] == ["2", "conv2d_1", "#0"]
    assert repr(view) == "<LayersView: 7 layers, 38 parameters; .svg() .text() .html() .save(path)>"
    view.save(tmp_path / "x.html")
    assert view.text() in (tmp_path / "x.html").read_text("utf-8")


# Operations inside ---------------------------------------------------------------------------------------------------


def opened(view):
    """The titles of frames and of boxes."""
    diagram = view.inside[1]
    frames = dict.fromkeys(part.title for box in diagram.boxes for part in box.path if part.title)
    return list(frames), [box.lines[0][1] for box in diagram.boxes]


def test_layers_are_opened_by_their_names():
    frames, boxes = opened(draw(classifier("conv"), inside="dense_1"))
    assert frames == ["dense_1, (5, 2), 18 parameters"]
    inner = {"dense_1.W", "dense_1.Wᵀ", "@", "dense_1.b", "+"}
    assert set(boxes) == {"x", "conv2d_1", "maxpool2d_1", "flatten_1", *inner, "targets", "cross_entropy"}
    assert len(boxes) == 11
    frames, boxes = opened(draw(classifier("conv"), inside=["conv2d_1", "dense_1"]))
    assert len(frames) == 2
    frames, boxes = opened(draw(net_2_2_1()[0], inside=True))
    assert frames == ["hidden, (), 6 parameters", "output, (), 3 parameters"]
    assert {"u1 = tanh", "w11", "ŷ = +"} <= set(boxes)


@pytest.mark.parametrize("length", [3, 40])
def test_an_opened_loop_is_one_step(length):
    view = draw(layer(LSTM, length), inside=True)
    frames, boxes = opened(view)
    assert frames == ["lstm, (2, 4), 128 parameters", f"t=1 … t={length} × {length}"]
    assert len(boxes) < 40
    assert "next step" in view.svg()
    assert "in the next step" in view.text()
    by_name = draw(
        Stacked([SimpleRNN(3, 4), LSTM(4, 4)])(mg.Input(np.ones((2, 5, 3), np.float32), name="u")).sum(),
        inside="lstm_2",
    )
    frames, boxes = opened(by_name)
    assert [frame.split(",")[0] for frame in frames] == ["lstm_2", "t=1 … t=5 × 5"]
    assert "simplernn_1" in boxes
    assert len(by_name.inside[1].notes) == 1, "of the loop that is drawn, not of the closed one"


@pytest.mark.parametrize("graph", [classifier, attention, net_2_2_1, recurrent, two_layers, crossed, scoped, by_hand])
def test_opened_layers_lie_apart(graph):
    made = graph()
    view = draw(made[0] if isinstance(made, tuple) else made, inside=True)
    if view.inside is not None:
        layout = layered(view.inside[1], "TB")
        places = list(zip(view.inside[1].boxes, layout.centers, strict=True))
        for (one, (x, y)), (other, (a, b)) in itertools.combinations(places, 2):
            assert (
                abs(x - a) >= (one.width + other.width) / 2 - 0.01
                or abs(y - b) >= (one.height + other.height) / 2 - 0.01
            )
    ET.fromstring(view.svg())
    assert view.text().startswith(view.title)


def test_closed_layers_are_as_before():
    assert draw(classifier("conv"), inside=False).svg() == draw(classifier("conv")).svg()
    assert draw(classifier("conv"), inside=[]).svg() == draw(classifier("conv")).svg()
    assert draw(classifier("conv")).inside is None


def test_what_cannot_be_opened_is_refused():
    with pytest.raises(ValueError, match=r"inside='dense'\): no layer has that name; layers are conv2d_1, maxpool2d_1"):
        draw(classifier("conv"), inside="dense")
    with pytest.raises(ValueError, match="none: open a scope around each"):
        draw(mg.Input(2.0) * 3, inside="dense")
    with pytest.raises(ValueError, match=r"Open fewer layers by their names"):
        draw(layer(LSTM, 5), inside=True, limit=10)
    with pytest.raises(ValueError, match=r'inside=...\) belongs to view="layers"'):
        mg.draw(net_2_2_1()[0], inside=True)
    with pytest.raises(ValueError, match=r'depth=...\) belongs to view="flow".*inside='):
        draw(net_2_2_1()[0], depth=1)


def test_what_has_no_layers_is_refused():
    loss, weights = net_2_2_1()
    with pytest.raises(ValueError, match=r'contains adjoints.*view="flow"'):
        draw(mg.gradients(loss, weights))
    with pytest.raises(ValueError, match="no operation and no input"):
        draw(mg.Parameter(1.0))
    with pytest.raises(ValueError, match=r"6 layers .*limit=2"):
        draw(loss, limit=2)
    with pytest.raises(TypeError, match="takes nodes, or one record"):
        draw({"a": loss})
    assert rows(draw(mg.record(loss))) == rows(draw(loss))
    with pytest.raises(TypeError, match=r'view="layers"\) takes a node'):
        draw(3.0)
