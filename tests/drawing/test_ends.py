"""Where adjoints end: the boxes that say so, and those that do not."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.drawing.ends import MEANING

W = mg.Parameter([2.0, 3.0], name="W")
x = mg.Input([1.0, 2.0], name="x")
CASES = {
    "dead ReLU": lambda: mg.relu(W * x * -1.0),
    "times 0": lambda: (W * x) * 0.0,
    "saturated": lambda: np.tanh(W * x * 1e6),
    "stopped": lambda: mg.stop_gradient(W * x) * W,
    "rounded": lambda: np.floor(W * x) + W,
    "a branch": lambda: mg.relu(-np.square(W)) + W,
}
ENDERS = {
    "dead ReLU": "ReLU",
    "times 0": "Multiply",
    "saturated": "Tanh",
    "stopped": "StopGradient",
    "rounded": "Floor",
    "a branch": "ReLU",
}


def ending(drawing):
    return [box for box in drawing.diagram.boxes if any("⊣" in text for _, text in box.lines)]


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_the_box_at_which_an_adjoint_ends_says_so(name, recorded):
    loss = CASES[name]().sum()
    drawing = mg.draw(mg.record(loss) if recorded else loss)
    (box,) = ending(drawing)
    assert drawing.flow.nodes[box.node].operation == ENDERS[name]
    assert ("small", "⊣ ∂ ends here") in box.lines
    assert MEANING in drawing.svg()
    (line,) = [line for line in drawing.text().splitlines() if "⊣" in line]
    assert line.split()[0] == str(box.node)
    assert "⊣ ∂ ends here" not in drawing.html(), "a page begins before adjoints arrive"
    assert all(("⊣ ∂ ends here" in text) for text in (drawing.dot(), drawing.mermaid()))
    assert not ending(mg.draw(mg.record(loss) if recorded else loss, adjoints=False))


@pytest.mark.parametrize(
    "loss",
    [
        lambda: (W * x).sum(),
        lambda: mg.relu(W * np.array([1.0, -1.0])).sum(),  # half of it goes on
        lambda: (W - W).sum(),  # what arrives is not 0, its sum is
        lambda: (W @ mg.Constant([0.0, 0.0]) + W.sum()) * 2.0,  # a first state that is 0
        lambda: (W.reshape(1, 2) @ mg.Constant([0.0, 0.0]) + W.sum()).sum(),
    ],
)
def test_nothing_else_says_so(loss):
    drawing = mg.draw(loss())
    assert not ending(drawing)
    assert MEANING not in drawing.svg()


def test_a_child_is_named_where_something_goes_on_to_another():
    gate = mg.Parameter([0.0, 0.0], name="gate")
    drawing = mg.draw((np.sin(W) * gate).sum())
    (box,) = ending(drawing)
    assert ("small", "⊣ no ∂ to #2") in box.lines or ("small", "⊣ no ∂ to #1") in box.lines


def test_a_record_read_from_a_file_ends_where_it_did():
    loss = CASES["dead ReLU"]().sum()
    record = mg.record(loss)
    again = type(record).from_dict(record.as_dict())
    assert again.flow.ends == record.flow.ends == mg.draw(loss).flow.ends != frozenset()
