"""Graphs with marks: what failed, with the shapes of its operands; and which bprops are what differences say."""

import gc
import pickle
import traceback
import weakref
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import LSTM, Conv2D, Dense, Sequential, losses
from tests.drawing.graphs import layer, net_2_2_1

SVG = "{http://www.w3.org/2000/svg}"


class Triple(mg.Elementwise):
    """y = 3 x, whose bprop is wrong: it sends 2 ȳ."""

    __slots__ = ()

    def fprop(self, x):
        return 3 * x

    def bprop(self, adjoint):
        return 2 * adjoint


class Cut(mg.Elementwise):
    """y = x², whose bprop is right at order 1 and cut from the graph."""

    __slots__ = ()

    def fprop(self, x):
        return x**2

    def bprop(self, adjoint):
        (x,) = self.children
        return adjoint * mg.Constant(2 * x._value)


class Counts(mg.Elementwise):
    """y = x times how often it was called."""

    __slots__ = ()
    calls = [0]

    def fprop(self, x):
        self.calls[0] += 1
        return x * self.calls[0]

    def bprop(self, adjoint):
        return adjoint


class Fails(mg.Operation):
    """An fprop that fails."""

    __slots__ = ()

    def fprop(self, x):
        return x @ np.ones((7, 7))

    def bprop(self, adjoint):
        return adjoint


class BadRule(mg.Operation):
    """y = x · 1 1'; its bprop makes what the test chooses."""

    __slots__ = ()

    def fprop(self, x, *, make):
        return x @ np.ones((5, 3))

    def bprop(self, adjoint):
        return self.attributes["make"](self, adjoint)


def caught(call):
    with pytest.raises(Exception) as info:  # noqa: PT011 whatever it is, it is drawn
        call()
    return info.value


def failing(drawing):
    """The box that is marked as failing, and its lines of shapes."""
    (box,) = [box for box in drawing.diagram.boxes if box.role == "failed"]
    (i,) = drawing.marks
    assert box.node == i == len(drawing.flow.nodes) - 1
    assert box.lines[0][1].startswith("✗ ")
    return box, [text for face, text in box.lines if face == "value"]


x = mg.Input(np.ones((4, 5)), name="x")
W = mg.Parameter(np.ones((6, 5)), name="W")


def cases():
    """Errors by name: what raises them, the title of the picture, the shapes side by side."""
    small = mg.Input(np.ones(3), name="small")
    labels = mg.Input(np.array([1, 2]), name="labels")
    square = mg.Input(np.eye(2), name="square")
    return {
        "product": (lambda: x @ W, "MatMul", "(4, 5) @ (6, 5)"),
        "sum": (lambda: x + W, "Add", "(4, 5) + (6, 5)"),
        "power": (lambda: x**small, "Power", "(4, 5) ^ (3,)"),
        "where": (lambda: np.where(x > 0, x, W), "Where", "condition (4, 5)  a (4, 5)  b (6, 5)"),
        "concatenate": (lambda: np.concatenate([x, small]), "Concatenate", "input 0 (4, 5)  input 1 (3,)"),
        "stack": (lambda: np.stack([x, W]), "Stack", "input 0 (4, 5)  input 1 (6, 5)"),
        "reshape": (lambda: x.reshape(3, 3), "Reshape", "x (4, 5)"),
        "axis": (lambda: x.sum(axis=3), "Sum", "x (4, 5)"),
        "index": (lambda: x[9], "GetItem", "x (4, 5)"),
        "broadcast": (lambda: np.broadcast_to(x, (3, 3)), "BroadcastTo", "x (4, 5)"),
        "einsum": (lambda: np.einsum("ij,jk", x, W), "einsum", "operands 1 (4, 5)  operands 2 (6, 5)"),
        "split": (lambda: np.split(x, 3), "split", "ary (4, 5)"),
        "solve": (lambda: np.linalg.solve(x, small), "Solve", "a (4, 5)  b (3, 1)"),
        "dense": (lambda: Dense(3, 2, rng=0)(x), "Dense", "x (4, 5)"),
        "lstm": (lambda: LSTM(3, 2, rng=0)(x), "LSTM", "u (4, 5)"),
        "conv": (lambda: Conv2D(1, 2, 3, rng=0)(x), "conv2d", "x (4, 5)  kernels (2, 3, 3, 1)"),
        "within a net": (lambda: Sequential(Dense(5, 2, rng=0), Dense(3, 2, rng=0))(x), "Dense", "x (4, 2)"),
        "loss": (lambda: losses.cross_entropy(x, labels), "cross_entropy", "logits (4, 5)  class_indices (2,)"),
        "no scalar": (lambda: mg.gradients(x * 2, [x]), "gradients", "output (4, 5)  inputs 0 (4, 5)"),
        "own fprop": (lambda: Fails(x), "Fails", "x (4, 5)"),
        "shape of a bprop": (lambda: mg.gradients(BadRule(x, make=lambda _, a: a).sum(), [x]), "bprop of BadRule", "y (4, 3)  ȳ (4, 3)"),
        "count of a bprop": (lambda: mg.gradients(BadRule(x, make=lambda _, a: [a, a]).sum(), [x]), "bprop of BadRule", "y (4, 3)  ȳ (4, 3)"),
        "crash of a bprop": (lambda: mg.gradients(BadRule(x, make=lambda _, a: 1 / 0).sum(), [x]), "bprop of BadRule", "y (4, 3)  ȳ (4, 3)"),
        "inside a bprop": (lambda: mg.gradients(BadRule(x, make=lambda y, a: a @ y.children[0]).sum(), [x]), "MatMul in the bprop of BadRule", "(4, 3) @ (4, 5)"),
        "replay": (lambda: mg.Graph(np.linalg.inv(square)).fprop({square: np.zeros((2, 2))}), "Inv", "a (2, 2)"),
    }  # fmt: skip


CASES = cases()


@pytest.mark.parametrize("name", CASES)
def test_what_failed_is_marked_with_the_shapes_of_its_operands(name):
    call, title, shapes = CASES[name]
    error = caught(call)
    drawing = mg.draw(error)
    box, lines = failing(drawing)
    assert drawing.title == f"{title} fails"
    assert lines == [shapes]
    said = " ".join([text for face, text in box.lines if face == "small"])
    assert str(error).partition(":")[0].split("(")[0] in said, "the message stands in the box"
    operands = [edge.source for edge in drawing.flow.edges if edge.target == box.node]
    assert len(operands) == shapes.count("(")
    assert [str(drawing.flow.nodes[i].shape) in shapes for i in operands] == [True] * len(operands)
    assert str(error).partition("   ")[0].split("\n")[0] in drawing.text()
    assert drawing.text().splitlines()[-1] == f"✗ #{box.node}  {shapes}"


def test_the_picture_has_all_a_picture_has(tmp_path):
    drawing = mg.draw(caught(lambda: np.tanh(x) @ W))
    root = ET.fromstring(drawing.svg())
    assert root.find(f"{SVG}title").text == "MatMul fails"
    assert "does not fit" in root.find(f"{SVG}desc").text
    (group,) = [
        g for g in root.findall(f"{SVG}g") if g.get("class") == "failed-box" and g.find(f"{SVG}title") is not None
    ]
    assert group.find(f"{SVG}rect").get("stroke-dasharray") == "9 3", "not by color alone"
    assert "✗ fails here" in [text.text for text in root.iter(f"{SVG}text")]
    assert drawing._repr_mimebundle_()["text/plain"] == drawing.text()
    assert "does not fit" in drawing.html()
    drawing.save(tmp_path / "error.svg")
    assert repr(drawing).startswith("<MarkedGraph: 4 nodes, 1 marked")
    assert mg.draw(caught(lambda: x @ W), title="a title").title == "a title"


def test_of_a_large_graph_the_nearest_nodes_are_drawn():
    loss = layer(LSTM, 30)
    drawing = mg.draw(caught(lambda: np.tanh(loss * np.ones(3)) @ W))
    assert 20 < len(drawing.flow.nodes) <= 41
    borders = [node for node in drawing.flow.nodes if node.kind == "reference"]
    assert borders, "what lies behind is referred to"
    targets = {edge.target for edge in drawing.flow.edges}
    assert not targets & {node.index for node in borders}
    many = [mg.Input(np.ones(2), name=f"n{i}") for i in range(60)]
    drawing = mg.draw(caught(lambda: np.concatenate([*many, x])))
    assert len(drawing.flow.nodes) == 62
    assert failing(drawing)[1] == ["input 0 (2,)  input 1 (2,)  input 2 (2,)  input 3 (2,)  57 more"]


def test_scopes_and_adjoints_stand_in_the_picture():
    with mg.scope("outer"):
        error = caught(lambda: x @ W)
    assert failing(mg.draw(error))[0].scope == ("outer",)
    rule = mg.draw(caught(CASES["inside a bprop"][0]))
    (of,) = [node for node in rule.flow.nodes if node.operation == "BadRule"]
    assert ("small", f"bprop of #{of.index}") in failing(rule)[0].lines


def test_an_error_without_nodes_is_refused():
    with pytest.raises(TypeError, match=r"nothing in the traceback of this ZeroDivisionError holds a node"):
        mg.draw(caught(lambda: 1 / 0))
    error = caught(lambda: x @ W)
    traceback.clear_frames(error.__traceback__)
    with pytest.raises(TypeError, match=r"draw the error that an operation, a layer or a bprop raised"):
        mg.draw(error)
    with pytest.raises(TypeError, match="ValueError"):
        mg.draw(ValueError("never raised"))
    with pytest.raises(TypeError, match="GradientError"):
        mg.draw(mg.GradientError("raised by hand"))
    with pytest.raises(ValueError, match='belongs to view="flow"'):
        mg.draw(x.sum(), view="layers", check=True)


def test_of_an_error_that_was_raised_for_another_one_that_one_is_drawn():
    def retold():
        try:
            return x @ W
        except ValueError as error:
            raise RuntimeError("in layer 3") from error

    def followed():
        try:
            return x @ W
        except ValueError:
            return {}["nothing"]

    assert mg.draw(caught(retold)).title == mg.draw(caught(followed)).title == "MatMul fails"


def test_the_cause_that_is_given_goes_before_what_was_being_handled():
    cause = caught(lambda: x @ W)

    def retold():
        try:
            return x + W
        except ValueError:
            raise RuntimeError("in layer 3") from cause

    error = caught(retold)
    assert isinstance(error.__context__, ValueError)
    assert mg.draw(error).title == "MatMul fails"


def test_an_error_keeps_nothing_but_its_traceback():
    """The graph goes with the error, by reference counts alone; an error can be sent to another process as before."""
    leaf = mg.Input(np.ones((2, 3)))
    known = weakref.ref(leaf)
    gc.disable()
    try:
        try:
            np.tanh(leaf) @ W
        except ValueError as error:
            drawn, more = mg.draw(error).svg(), vars(error)
            again = pickle.loads(pickle.dumps(error))
        del leaf
        assert known() is None
    finally:
        gc.enable()
    assert more == {}
    assert str(again).startswith("MatMul: (2, 3) @ (6, 5)")
    assert len(drawn) > 1000


# Checked rules -------------------------------------------------------------------------------------------------------


def net(x, w):
    with mg.scope("net"):
        u = Triple(np.tanh(x @ w))
        u.name = "u"
    return (u * u).sum()


POINTS = (np.array([[1.0, 2.0]]), np.array([[0.3, 0.1], [0.2, -0.4]]))


def marked(drawing):
    return {drawing.flow.nodes[i].operation: mark.sign for i, mark in drawing.marks.items()}


def test_a_failed_check_paints_the_graph():
    error = caught(lambda: mg.check_gradients(net, *POINTS))
    drawing = mg.draw(error)
    assert marked(drawing) == {"MatMul": "✓", "Tanh": "✓", "Triple": "✗", "Multiply": "✓", "Sum": "✓"}
    (box,) = [box for box in drawing.diagram.boxes if box.role == "wrong"]
    assert list(box.lines[-3:]) == [
        ("value", "∂y[0, 0]/∂x[0, 0]"),
        ("adjoint", f"by bprop {box_number(drawing, 2)}"),
        ("value", f"by differences {box_number(drawing, 3)}"),
    ]
    assert "The node at fault: Triple in scope \"net\" 'u', for its child x: Tanh (1, 2) (#4 in mg.draw(error))" in str(
        error
    )
    assert drawing.flow.nodes[4].name == "u", "the number in the message is that of the picture"
    assert f"#{box.node}  ∂y[0, 0]/∂x[0, 0]" in drawing.text()
    assert drawing.flow.note == "5 bprops checked, each against differences of its own fprop. Wrong: u."
    assert drawing.title == str(error).partition("\n")[0]


def box_number(drawing, factor):
    """What a rule with that factor sends: it is linear, so the weight that was drawn stands in both numbers."""
    (mark,) = [mark for mark in drawing.marks.values() if mark.role == "wrong"]
    numbers = [float(text.split()[-1]) for _, text in mark.lines[1:]]
    assert numbers[0] / numbers[1] == pytest.approx(2 / 3, rel=1e-3)
    return mark.lines[factor - 1][1].split()[-1]


def test_a_rule_cut_from_the_graph_is_found_at_the_order_that_was_checked():
    f = lambda x: np.sin(Cut(x)).sum()  # noqa: E731
    mg.check_gradients(f, [0.5, 0.7])
    drawing = mg.draw(caught(lambda: mg.check_gradients(f, [0.5, 0.7], order=2)))
    assert marked(drawing) == {"Cut": "✗", "Sin": "✓", "Sum": "✓"}
    assert all(node.order == 0 for node in drawing.flow.nodes), "of the graph of f, not of its adjoints"
    assert marked(mg.draw(f(mg.Input([0.5, 0.7])), check=True))["Cut"] == "✓", "it is right at order 1"


def test_all_that_is_right_is_marked_on_request():
    loss = net_2_2_1()[0]
    drawing = mg.draw(loss, check=True)
    operations = [node for node in drawing.flow.nodes if node.kind == "operation"]
    assert [drawing.marks[node.index].sign for node in operations] == ["✓"] * len(operations)
    assert drawing.flow.note.endswith("No bprop is wrong.")
    roles = {box.role for box in drawing.diagram.boxes}
    assert roles == {"input", "parameter", "right"}
    legend = [text.text for text in ET.fromstring(drawing.svg()).iter(f"{SVG}text")]
    assert "✓ bprop is what differences of fprop say" in legend


def test_what_differences_cannot_judge_is_not_marked_right_or_wrong():
    x = mg.Input([0.0, 1.0], name="x")
    loss = (mg.stop_gradient(x) * mg.relu(x) * mg.Input([True, False])).sum()
    assert marked(mg.draw(loss, check=True)) == {"Multiply": "✓", "Sum": "✓", "ReLU": "?"}
    assert mg.draw(loss, check=True).flow.note.startswith("3 bprops checked")
    kink = mg.draw(caught(lambda: mg.check_gradients(abs, [0.0])))
    assert [mark.lines for mark in kink.marks.values()] == [(("small", "at a kink: differences do not judge"),)]
    both = [Triple(mg.Input(1.0)), Triple(mg.Input([1.0, 2.0]))]
    assert [mark.sign for mark in mg.draw(both, check=True).marks.values()] == ["✗", "✗"]


KINK = "at a kink: differences do not judge"
NOT_FINITE = "its values there and nearby are not all finite: differences do not judge"
TOO_FAST = "it jumps, or turns within the smallest step: differences do not judge"


@pytest.mark.parametrize(
    ("function", "point", "expected"),
    [
        (np.log, -1.0, NOT_FINITE),
        (np.log, 0.0, NOT_FINITE),
        (np.sqrt, 0.0, NOT_FINITE),
        (np.sqrt, 1e-30, NOT_FINITE),
        (np.arccos, 1.0, NOT_FINITE),
        (np.exp, 800.0, NOT_FINITE),
        (np.tanh, np.nan, NOT_FINITE),
        (np.reciprocal, 0.0, NOT_FINITE),
        (np.reciprocal, 1e-30, TOO_FAST),
        (np.tan, np.pi / 2, TOO_FAST),
        (abs, 0.0, KINK),
        (mg.relu, 0.0, KINK),
        (lambda x: np.maximum(x, 1.0), 1.0, KINK),
        (lambda x: np.linalg.norm(x.reshape(1)), 0.0, KINK),
    ],
)
def test_the_reason_why_differences_do_not_judge_is_the_true_one(function, point, expected):
    """A kink is one only where both sides have a slope."""
    with np.errstate(all="ignore"):
        drawing = mg.draw(function(mg.Input(point)), check=True)
    (mark,) = [mark for mark in drawing.marks.values() if mark.sign != "✓"]
    assert mark.sign == "?"
    assert " ".join([text for _, text in mark.lines]) == expected


class WrongAt(mg.Elementwise):
    """y = x, whose bprop is wrong at one entry."""

    __slots__ = ()

    def fprop(self, x, *, entry):
        return x + 0

    def bprop(self, adjoint):
        wrong = np.zeros(self.shape)
        wrong[self.attributes["entry"]] = 1.0
        return adjoint * (1 + wrong)


def test_of_large_arrays_few_entries_are_looked_at():
    """A wrong entry is told if it is among the first; else a direction tells that there is one."""
    x = mg.Input(np.ones((60, 50)), name="x")
    first, far = WrongAt(x, entry=(1, 2)), WrongAt(x, entry=(59, 1))
    drawing = mg.draw([first, far], check=True)
    told = [[text for _, text in mark.lines] for mark in drawing.marks.values()]
    assert told[0][0] == "∂(Σ u y)/∂x[1, 2], u random"
    assert told[1][0] == "Σ u y along a random direction of x, u random"
    by_bprop, by_differences = [float(text.split()[-1]) for text in told[0][1:]]
    assert by_bprop == pytest.approx(2 * by_differences, rel=1e-3)


def test_a_check_is_refused_where_it_would_take_long():
    loss = layer(LSTM, 20)
    with pytest.raises(ValueError, match=r"315 nodes are too many to check and to read \(limit=200\)"):
        mg.draw(loss, check=True)
    with pytest.raises(TypeError, match="takes a node or several"):
        mg.draw([1.0], check=True)
    with pytest.raises(TypeError, match="takes a node or several"):
        mg.draw(mg.record(layer(LSTM, 1)), check=True)


def test_a_failed_check_without_a_wrong_derivative_is_drawn_or_refused():
    """An operation that keeps state is found before anything is differentiated."""

    def leaves(x):
        return mg.Constant(x._value * 2) * x

    error = caught(lambda: mg.check_gradients(leaves, [0.5]))
    assert marked(mg.draw(error)) == {"Multiply": "✓"}
    drawing = mg.draw(caught(lambda: mg.check_gradients(lambda x: np.tanh(Counts(x)), [0.5])))
    (box,) = [box for box in drawing.diagram.boxes if box.role == "failed"]
    assert drawing.flow.nodes[box.node].operation == "Counts"
    assert "it keeps state or draws" in " ".join([text for _, text in box.lines])
    assert "it keeps state or draws" in drawing.text()


def test_an_anomaly_in_a_bprop_names_the_rule():
    def run():
        y = np.sqrt(mg.Input([0.0, 1.0], name="x"))
        with mg.anomalies(), np.errstate(all="ignore"):
            mg.gradients(y.sum(), list(y.children))

    def run_forward():
        with mg.anomalies(), np.errstate(all="ignore"):
            np.log(mg.Input([0.0, 1.0]))

    assert mg.draw(caught(run_forward)).title == "Log fails"
    drawing = mg.draw(caught(run))
    assert drawing.title == "bprop of Sqrt fails"
    assert failing(drawing)[1] == ["y (2,)  ȳ (2,)"]


def test_no_cause_of_an_error_is_cut_away():
    s = mg.Input(np.array([0.0, 1.0]), name="s")

    def anomalous():
        with mg.anomalies(), np.errstate(all="ignore"):
            mg.gradients(np.sqrt(s).sum(), [s])

    drawing = mg.draw(caught(anomalous))
    (box,) = [box for box in drawing.diagram.boxes if box.role == "failed"]
    said = " ".join([text for face, text in box.lines if face == "small"])
    assert "BroadcastTo (2,) of Constant () in [1, 1]; Multiply (2,) in [0, 2]" in said
    assert "the rule of Sqrt (2,)" in said


def test_the_description_of_an_error_has_no_empty_value():
    drawing = mg.draw(caught(lambda: x @ W))
    assert "No result: matmul #2 failed. MatMul: (4, 5) @ (6, 5) does not fit" in drawing.description
    assert " = ." not in drawing.html()
