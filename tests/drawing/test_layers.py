"""Nets as layers: one box for what is computed in a layer's scope, with the right shapes and numbers of parameters."""

from xml.etree import ElementTree as ET

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import LSTM, Dense, Sequential, SimpleRNN, Stacked
from tests.drawing.graphs import by_hand, classifier, layer, net_2_2_1, recurrent

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
