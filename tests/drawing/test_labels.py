"""What values are called where they are read: by their names, also where their entries were only rearranged."""

import re

import numpy as np
import pytest

import minigrad as mg
from minigrad.drawing import symbols
from minigrad.models import GRU, LSTM, RNN, SimpleRNN
from minigrad.ops.base import broadcast_to
from tests.drawing.graphs import layer

W = mg.Parameter(np.ones((4, 6)), name="W")
W_h = mg.Parameter(np.ones((4, 6)), name="cell.W_h")
PLAIN = mg.Input(np.ones((4, 6)))


def label_of(value):
    """What a stub of the value reads, far from where the value was made."""
    far = np.sin(value).sum()
    for _ in range(9):
        far = np.tanh(far) * 2
    drawing = mg.draw((far * value).sum(), adjoints=False)
    (label,) = {box.lines[0][1] for box in drawing.diagram.boxes if box.role == "reference"}
    (index,) = {box.node for box in drawing.diagram.boxes if box.role == "reference"}
    return label, index


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (lambda: W.T, "Wᵀ"),
        (lambda: W.mT, "Wᵀ"),
        (lambda: W_h.T, "cell.W_hᵀ"),
        (lambda: W[:2], "W[:2]"),
        (lambda: W[1:3].T, "W[1:3]ᵀ"),
        (lambda: W.T[0], "Wᵀ[0]"),
        (lambda: W_h[..., 2], "cell.W_h[..., 2]"),
        (lambda: W.reshape(6, 4), "reshape W"),
        (lambda: W.astype(np.float32), "astype W"),
        (lambda: broadcast_to(W, (2, 4, 6)), "broadcast W"),
        (lambda: W[np.newaxis], "W[None]"),
        (lambda: PLAIN[1:], "#{child}[1:]"),
        (lambda: PLAIN.T, "matrix_transpose #{own}"),
        (lambda: PLAIN.reshape(24), "reshape #{own}"),
        (lambda: PLAIN @ W.T, "matmul #{own}"),
        (lambda: np.tanh(W), "tanh #{own}"),
        (lambda: np.tanh(W)[0], "#{child}[0]"),
    ],
)
def test_a_reference_reads_the_name_of_what_was_rearranged(value, label):
    found, own = label_of(value())
    child = re.match(r"#(\d+)", found)
    assert found == label.format(own=own, child=child and child.group(1))


def test_an_index_that_an_array_gives_is_no_name():
    rows = mg.Input(np.array([0, 1]), name="rows")
    found, own = label_of(W[rows])
    assert found == f"item #{own}"


@pytest.mark.parametrize("cell", [LSTM, GRU, SimpleRNN])
def test_weights_of_a_layer_are_named_at_every_step(cell):
    boxes = mg.draw(layer(cell, 6)).diagram.boxes
    labels = {box.lines[0][1] for box in boxes if box.role == "reference"}
    assert not any("transpose" in label for label in labels)
    assert any(re.fullmatch(r"cell\.W_h(\[.*\])?ᵀ", label) for label in labels)


def test_a_reference_to_many_steps_has_the_name_they_share():
    net = RNN(2, 4, 2, rng=0, dtype=np.float64)
    u = mg.Input(np.ones((3, 6, 2)), name="u")
    loss = (net(u) ** 2).mean()
    boxes = mg.draw(mg.gradients(loss, list(mg.Graph(loss).parameters))).diagram.boxes
    joined = [box.lines[0][1] for box in boxes if box.lines[0][1].startswith(("5 × ", "6 × "))]
    assert "5 × x" in joined
    assert not any("_" in label for label in joined)


def test_a_long_row_of_rearrangements_ends():
    x = W
    for _ in range(50):
        x = x.T.reshape(x.shape)
    assert len(mg.draw(x.sum(), adjoints=False).svg()) < 60_000


@pytest.mark.parametrize(
    ("operation", "word"), [("MatMul", "matmul"), ("AddN", "sum"), ("GetItem", "item"), ("ReLU", "relu")]
)
def test_words(operation, word):
    assert symbols.word(operation) == word
