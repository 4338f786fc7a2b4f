"""What is drawn as one box: runs of like operations, max poolings. What is not, and how boxes and their operands are called."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.drawing import symbols
from minigrad.models import Conv2D, Dense, MaxPool2D, Sequential
from tests.drawing.graphs import chain, doubled


def titles(node, **options):
    return [box.lines[0][1] for box in mg.draw(node, **options).diagram.boxes]


W = mg.Parameter(0.5, name="w")


@pytest.mark.parametrize(
    ("functions", "title"),
    [
        ((np.sin,), "sin × 240"),
        ((np.sin, np.cos), "(sin, cos) × 120"),
        ((np.tanh, lambda x: x * 0.5, lambda x: x + 1), "(tanh, × 0.5, + 1) × 80"),
        ((lambda x: 1 - x,), "(1 −) × 240"),
        ((lambda x: -x,), "−· × 240"),
        ((lambda x: x + x,), "+ × 240"),
        ((lambda x: x**2 / 4,), "(·², ÷ 4) × 240"),
        ((mg.relu,), "relu × 240"),
        ((lambda x: np.maximum(x, 0.0),), "(maximum(·, 0)) × 240"),
        ((lambda x: np.tanh(W * x),), "(w ×, tanh) × 240"),
    ],
)
def test_a_run_is_one_box(functions, title):
    drawing = mg.draw(chain(240, *functions))
    (run,) = [box for box in drawing.diagram.boxes if box.lines[0] == ("title", title)]
    assert len(drawing.diagram.boxes) <= 4
    first, last = run.lines[1][1].split(" … ")
    assert last == f"#{drawing.flow.outputs[0]}"
    assert run.tooltip.splitlines()[0].endswith(f"nodes, {first} … {last}: {title}")
    assert len(mg.draw(chain(240, *functions), fold=False).diagram.boxes) > 240


def test_a_long_chain_is_a_small_picture():
    drawing = mg.draw(chain(5000))
    assert titles(chain(5000)) == ["x", "sin × 5000"]
    assert len(drawing.svg()) < 5000
    assert len(mg.listing(chain(5000)).splitlines()) == 5002
    assert "5000 nodes, #1 … #5000: sin × 5000" in drawing.diagram.boxes[1].tooltip
    assert mg.draw(chain(5000), fold=False, limit=6000).layout.height > 5000
    with pytest.raises(ValueError, match=r"5001 boxes cannot be read \(limit=2000\).*mg.listing"):
        mg.draw(chain(5000), fold=False)
    assert len(titles(doubled())) == 17
    assert titles(doubled(100)) == ["y", "+ × 100"]


def test_what_is_read_elsewhere_or_has_a_name_is_not_hidden():
    x = mg.Input(1.0, name="x")
    nodes = [x]
    for _ in range(90):
        nodes.append(np.sin(nodes[-1]))
    assert titles(nodes[-1]) == ["x", "sin × 90"]
    assert titles([nodes[-1], nodes[30]]) == ["x", "sin × 30", "sin × 60"]
    assert titles(nodes[-1] + nodes[45]) == ["x", "sin × 45", "sin × 45", "+"]
    nodes[40].name = "middle"
    assert titles(nodes[-1]) == ["x", "sin × 39", "middle = sin", "sin × 50"]
    assert len(titles(chain(23))) == 24
    assert titles(chain(24)) == ["x", "sin × 24"]
    with mg.scope("a"):
        y = chain(30)
    with mg.scope("b"):
        for _ in range(30):
            y = np.sin(y)
    assert titles(y) == ["x", "sin × 30", "sin × 30"], "frames are kept"


@pytest.mark.parametrize("pool", [(2,), (3,), (2, 1), (3, 2, "same"), (3, 1, 1), ((2, 1),), ((1, 3),)])
def test_a_max_pooling_is_one_box(pool):
    x = mg.Input(np.random.default_rng(0).normal(size=(2, 6, 6, 1)), name="images")
    assert titles(MaxPool2D(*pool)(x)) == ["images", "maxpool2d"]
    assert len(titles(MaxPool2D(*pool)(x), fold=False)) > 6
    assert titles(mg.max_pool2d(x, *pool))[1].startswith("maximum of ")
    with mg.scope("net"):
        assert titles((MaxPool2D(*pool)(x) * 2).sum()) == ["images", "maxpool2d", "× 2", "Σ"]


def test_poolings_one_after_another():
    x = mg.Input(np.zeros((1, 8, 8, 1)), name="images")
    assert titles(mg.max_pool2d(mg.max_pool2d(x, 2), 2)) == ["images", "maximum of 4 parts", "maximum of 4 parts"]
    assert titles(Sequential(MaxPool2D(2), MaxPool2D(2))(x)) == ["images", "maxpool2d_1", "maxpool2d_2"]


def test_other_maxima_are_drawn():
    x, y = mg.Input(np.zeros(4), name="x"), mg.Input(np.ones(4), name="y")
    assert titles(np.maximum(x, y)) == ["x", "y", "maximum"]
    assert len(titles(np.maximum(np.maximum(x, y), np.maximum(y, x * 2)))) == 6
    several = np.maximum(np.maximum(x[0], x[1]), np.maximum(x[2], x[3]))
    assert titles(several * several) == ["x", "maximum of 4 parts", "×"]
    part = x[0]
    assert len(titles(np.maximum(np.maximum(part, x[1]), np.maximum(x[2], x[3])) * part)) > 6, (
        "a part is read elsewhere"
    )


# Names ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "word"),
    [
        ("ReLU", "relu"), ("LeakyReLU", "leaky_relu"), ("SiLU", "silu"), ("ELU", "elu"), ("PReLU", "prelu"),
        ("MySoftReLU", "my_soft_relu"), ("GELU", "gelu"), ("SELU", "selu"), ("LogSoftmax", "log_softmax"),
        ("ArgMax", "argmax"), ("IsNan", "isnan"), ("CumSum", "cumsum"), ("Log1p", "log1p"), ("Conv2D", "conv2d"),
        ("MatrixTranspose", "matrix_transpose"), ("Halved", "halved"), ("Value", "value"), ("LU", "lu"), ("Lute", "lute"),
    ],
)  # fmt: skip
def test_words(operation, word):
    assert symbols.word(operation) == word


def test_headings_name_what_is_in_the_graph():
    x = mg.Input(np.ones((2, 3)), name="x")
    assert titles((x - 1) ** 2)[-1] == "#2²"
    assert titles(-(x * 2))[-1] == "−#2"
    assert titles((x * 2).T)[-1] == "#2ᵀ"
    net = Sequential(Dense(3, 4, activation=mg.relu, rng=0), Dense(4, 2, rng=0))
    found = titles(net(np.ones((5, 3), np.float32)))
    assert {"dense_1.Wᵀ", "dense_2.Wᵀ", "relu"} <= set(found)
    x.name = "encoder.layer_10.attention.W"
    assert titles(x.T)[-1] == "attention.Wᵀ"
    assert "convolution" in titles(Conv2D(1, 2, 3, rng=0)(np.zeros((1, 5, 5, 1), np.float32)))


def test_words_of_a_check_are_not_shown():
    from minigrad.models import losses

    logits = mg.Input(np.zeros((3, 10)), name="logits")
    assert "indices n=10" in titles(losses.cross_entropy(logits, np.array([1, 2, 3])))
