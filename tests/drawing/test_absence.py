"""Where no adjoint arrives every view says why, in the same word, and a 0 is written only where it was computed."""

import json

import numpy as np
import pytest

import minigrad as mg
from minigrad.drawing.absence import HAS_NONE, NO_PATH, NOT_ASKED, STOPPED, absences
from minigrad.drawing.events import Record
from minigrad.drawing.stepper import told
from minigrad.models import LSTM
from tests.drawing.graphs import ALL, layer


def half_dead():
    """A loss of named nodes, and for each the word why no adjoint arrives; "" where one does."""
    names = {
        "w": "",  # a factor
        "zero": "",  # multiplied by 0: an exact 0 arrives
        "unchosen": "",  # of a branch that is not taken
        "held": STOPPED,  # by stop_gradient
        "below": STOPPED,  # computed before
        "sign": STOPPED,  # by a rule without an adjoint
        "both": "",  # by one path stopped, by another one not
        "asked": NO_PATH,  # in a comparison only
    }
    node = {name: mg.Parameter([1.5, -2.5], name=name) for name in names}
    held = node["held"] * node["below"]
    terms = [
        node["w"] * 2,
        node["zero"] * 0,
        np.where([True, True], node["w"], node["unchosen"]),
        mg.stop_gradient(held) * 3,
        np.sign(node["sign"]),
        mg.stop_gradient(node["both"]) + node["both"],
        np.where(node["asked"] > 0, node["w"], 1.0),
    ]
    return sum(terms).sum(), names


def words(flow):
    """The lines of the adjoints of named nodes."""
    return {node.name: node.adjoint for node in flow.nodes if node.name}


def test_each_kind_has_its_word():
    loss, names = half_dead()
    found = words(mg.draw(loss).flow)
    assert {name: lines[0] for name, lines in found.items() if names[name]} == {n: w for n, w in names.items() if w}
    assert found["zero"] == found["unchosen"] == ("[0, 0]",), "an exact 0 has arrived"
    assert found["w"] == ("[4, 3]",)
    assert found["both"] == ("[1, 1]",)


def test_all_views_use_the_same_word():
    loss, names = half_dead()
    drawing = mg.draw(loss)
    record = mg.record(loss)
    rows = {line.split()[1]: line for line in mg.listing(loss).splitlines()[1:]}
    mirrored = mg.draw(loss, view="mirror").text()
    stepped = drawing._record()
    final = stepped.at(len(stepped.events))
    data = told(stepped)
    for name, word in names.items():
        (i,) = [node.index for node in record.nodes if node.name == name]
        box = next(box for box in drawing.diagram.boxes if drawing.flow.nodes[box.node].name == name)
        said = [text for face, text in box.lines if face == "adjoint"]
        assert words(record.flow)[name] == words(drawing.flow)[name]
        if word:
            assert rows[name].endswith(word)
            assert said == [f"∂ {word}"]
            assert f"= {word}\n" in mirrored[mirrored.index(f"/∂{name} ") :].partition("\n")[0] + "\n"
            assert (final.adjoints[i], stepped.at(0).adjoints[i]) == (word, word)
            assert data["nodes"][i][3] == -1
            (node,) = [node for node in mg.Graph(loss).nodes if node.name == name]
            assert "no adjoint arrives" in mg.explain(node, loss)
        else:
            assert said[0].startswith("∂ [")
            assert isinstance(final.adjoints[i], int)


def test_what_was_not_asked_for_is_not_called_cut_off():
    loss, _ = half_dead()
    (w,) = [node for node in mg.Graph(loss).nodes if node.name == "w"]
    record = mg.record(loss, [w])
    found = dict(zip([node.name for node in record.nodes], record.absences(), strict=True))
    assert (found["w"], found["zero"], found["held"], found["asked"]) == ("", NOT_ASKED, NOT_ASKED, NO_PATH)
    assert words(record.flow)["zero"] == ()
    assert words(mg.draw(loss, adjoints=False).flow)["asked"] == ()
    assert words(mg.draw([loss, loss * 2]).flow)["asked"] == ()


def test_integers_have_none():
    x = mg.Input([3, 1], name="k")
    record = mg.record(mg.Input([1.0, 2.0, 3.0, 4.0], name="v")[x].sum())
    assert record.absences()[record.nodes.index(next(node for node in record.nodes if node.name == "k"))] == HAS_NONE
    assert words(record.flow)["k"] == ()


def test_a_record_that_was_read_says_the_same():
    loss, _ = half_dead()
    record = mg.record(loss)
    again = Record.from_dict(json.loads(record.json()))
    assert again == record
    assert again.absences() == record.absences()
    assert all(node.adjoint == () for node in again.forward().nodes)


def test_the_mirror_draws_no_arrow_that_nothing_goes_along():
    x = mg.Parameter(2.0, name="x")
    count = mg.draw(mg.stop_gradient(x * 3) * x, view="mirror").svg().count
    assert count("stopped") == 1, "3 x, which is computed before it is held back"
    assert count('text-anchor="end"') == 2, "the labels of both factors, and none of 3 x"


@pytest.mark.parametrize("name", ALL)
def test_a_zero_is_written_only_where_it_was_computed(name):
    """The adjoints of a picture are those of the record, or a word."""
    drawing = mg.draw(ALL[name]())
    if not any(node.adjoint for node in drawing.flow.nodes):
        return
    record = drawing._record()
    for node, adjoint, word in zip(drawing.flow.nodes, record.adjoints, record.absences(), strict=True):
        if node.adjoint:
            assert node.adjoint == ((word,) if adjoint is None else record.arrays[adjoint].text)


def test_states_cut_from_time_are_stopped():
    """Truncated backpropagation: no adjoint comes before the step at which the state is held back."""
    state, R = mg.Constant(np.zeros(2)), mg.Parameter(np.eye(2), name="R")
    states = []
    for t in range(6):
        state = np.tanh(R @ state + 1.0)
        state.name = f"x_{t}"
        states.append(state)
        if t == 2:
            state = mg.stop_gradient(state)
    found = words(mg.draw(state.sum()).flow)
    assert [found[f"x_{t}"] == (STOPPED,) for t in range(6)] == [True] * 3 + [False] * 3


def test_absences_take_one_pass_over_a_long_graph():
    flow = mg.draw(layer(LSTM, 40), adjoints=False).flow
    assert set(absences(flow, [node.index for node in flow.nodes], ())) <= {STOPPED, NO_PATH, HAS_NONE}
