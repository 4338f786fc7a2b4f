"""Cells as in a textbook: what is drawn is what the graph computes, entry by entry, and what is no known cell is not drawn as one."""

import json
import re
from itertools import combinations
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import minigrad as mg
from minigrad.__main__ import main
from minigrad.drawing.cell_graph import BEFORE, INPUT, SUM
from minigrad.drawing.cell_picture import CIRCLE_SIZE, ENTRY_SIZE, LABEL_SIZE, LAYER_SIZE, NUMBER_SIZE, PALETTE, Route
from minigrad.drawing.cell_places import CELLS, CORNER
from minigrad.drawing.events import Record
from minigrad.marks import Marker
from minigrad.models import GRU, LSTM, RNN, Bidirectional, SimpleRNN, Stacked, Unrolled
from minigrad.models.cells import GRUCell, LSTMCell, SimpleRNNCell
from minigrad.numbering import in_order
from tests.drawing.graphs import by_hand, layer, net_2_2_1, random_graph, to_and_fro, two_layers
from tests.drawing.test_looks import contrast

SVG = "{http://www.w3.org/2000/svg}"
CONVENTIONS = [(convention, reset) for convention in ("update", "keep") for reset in ("before", "after")]


def draw(given, **options):
    return mg.draw(given, view="cell", **options)


def over(cell, length=4, batch=1, **options):
    """The mean square of the last state of a cell of 2 units over a sequence of 3 features."""
    u = mg.Input(np.random.default_rng(0).normal(size=(batch, length, 3)), name="u")
    return (Unrolled(cell(3, 2, rng=0, dtype=np.float64, **options))(u) ** 2).mean()


def kinds(given):
    return [panel.cell.title for panel in draw(given).panels]


# What the graph computes, entry by entry, found without the view ------------------------------------------------------


class Entry:
    """An entry of an array: the entries of items, sources and parameters that it is computed from at once.

    An item's entry is (node, column, whether it was multiplied by a weight).
    """

    def __init__(self, reads=()):
        self.reads = frozenset(reads)

    def joined(self, other):
        return Entry(self.reads | getattr(other, "reads", frozenset()))

    __add__ = __radd__ = __mul__ = __rmul__ = __sub__ = __rsub__ = joined

    @property
    def is_plain(self):
        return any(len(read) == 3 and not read[2] for read in self.reads)


def entries(shape, label):
    """An array of entries, each known by its place: label(place)."""
    array = np.empty(shape, object)
    for place in np.ndindex(shape):
        array[place] = Entry([label(place)])
    return array


def product(a, b):
    """a @ b, each factor of a multiplied by a weight if b has only weights, and the other way round."""
    if a.ndim == 3:
        return np.stack([product(rows, b) for rows in a])
    if a.ndim == 1 or b.ndim == 1:
        found = product(np.atleast_2d(a), b if b.ndim == 2 else b[:, None])
        return found[0] if a.ndim == 1 else found[:, 0]
    out = np.empty((a.shape[0], b.shape[1]), object)
    for i, j in np.ndindex(out.shape):
        reads = [read for k in range(a.shape[1]) for read in (*a[i, k].reads, *b[k, j].reads)]
        out[i, j] = Entry([(*read[:2], True) if len(read) == 3 else read for read in reads])
    return out


MOVES = ("GetItem", "Reshape", "Transpose", "MatrixTranspose", "AsType", "BroadcastTo")


def relation(loss, record, step, before):
    """What each entry of an item in a step reads: (node, column) -> reads; and the states' nodes."""
    nodes = in_order([loss])
    place = {node: i for i, node in enumerate(nodes)}
    of = {i: {n.index for n in record.nodes if n.step == i and n.kind == "operation"} for i in (step, before)}
    states = {}
    for name in {n.name for n in record.nodes if n.role == "state"}:
        now, then = [[i for i in of[t] if nodes[i].name == name] for t in (step, before)]
        states[then[0]] = now[0]
    found, values = {}, {}
    for node in nodes:
        i, kind = place[node], type(node).__name__
        if isinstance(node, mg.Parameter):
            values[i] = entries(node.shape, lambda at, node=node: (node.name, at))
        elif i in states:
            values[i] = entries(node.shape, lambda at, i=i: (f"before {states[i]}", at[-1], False))
        elif isinstance(node, mg.Input):
            values[i] = entries(node.shape, lambda at, i=i: (f"input {i}", at[-1], False))
        elif not node.children:
            values[i] = np.vectorize(lambda _: Entry(), otypes=[object])(node.value)
        elif i in of[step] or not any(n.index == i and n.step is not None for n in record.nodes):
            children = [values.get(place[child]) for child in node.children]
            if any(child is None for child in children):
                continue  # of another step
            values[i] = computed(node, i, kind, children, found)
    return found, set(states.values())


def computed(node, i, kind, children, found):
    """The entries of a node; those of an item are noted."""
    if kind in MOVES:
        return node.fprop(*children, **node.attributes)
    if kind == "MatMul":
        return product(*children)
    joined = children[0]
    for other in children[1:]:
        joined = joined + other
    joined = np.broadcast_to(joined, node.shape)
    flat = joined.ravel()
    if kind == "Add" and not any(entry.is_plain for entry in flat):
        return joined
    if all(len(read) == 2 for entry in flat for read in entry.reads):
        return joined  # of weights alone
    for at in np.ndindex(node.shape):
        found[i, at[-1] if at else 0] = joined[at].reads
    return entries(node.shape, lambda at: (i, at[-1] if at else 0, False))


def behind(found, roots):
    """Those items that the states are made of."""
    todo, seen = [key for key in found if key[0] in roots], set()
    while todo:
        key = todo.pop()
        if key not in seen and key in found:
            seen.add(key)
            todo += [read[:2] for read in found[key] if len(read) == 3]
    return {key: found[key] for key in seen}


def drawn(panel, loss):
    """What the items of a picture read, by its wires: (node, column) -> reads."""
    items = panel.graph.items
    parameters = {p.name.split(".")[-1]: p for p in mg.Graph(loss).parameters}

    def weight(of, j):
        if of is None:
            return set()
        parameter, low = parameters[of.name], int((of.part or "0:").split(":")[0])
        places = np.ndindex(parameter.shape)
        axis = 1 if of.unit == "columns" else 0
        return {(parameter.name, at) for at in places if at[axis] == low + j}

    def label(item, j, weighted):
        key = {BEFORE: f"before {item.node}", INPUT: f"input {item.node}"}.get(item.kind, item.node)
        return key, item.columns[0] + j, weighted

    def reads(item, j):
        found = set().union(*[weight(bias, j) for bias in item.biases])
        for source, by in zip(item.sources, item.weights, strict=True):
            other = items[source]
            if other.kind == SUM:
                found |= reads(other, j)
            elif by is None:
                found.add(label(other, j, False))
            else:
                found |= {label(other, k, True) for k in range(other.columns[1] - other.columns[0])} | weight(by, j)
        return found

    return {
        (item.node, item.columns[0] + j): reads(item, j)
        for item in items
        if item.kind not in (BEFORE, INPUT, SUM)
        for j in range(item.columns[1] - item.columns[0])
    }


def assert_true_picture(loss):
    """The wires of the table, of the view and of the graph are the same."""
    (panel,) = draw(loss).panels
    names = {i: name for name, i in panel.way.items()}
    assert {(names[wire.source], names[wire.target]) for wire in panel.graph.wires} == panel.cell.wires
    found, states = relation(loss, mg.record(loss), panel.graph.step, panel.graph.before)
    assert {panel.graph.items[i].node for i in panel.graph.states} == states
    assert drawn(panel, loss) == behind(found, states)
    return panel


@pytest.mark.row("VIS-15")
@pytest.mark.parametrize("cell", [LSTMCell, GRUCell])
def test_wires_are_the_edges_of_the_graph_and_the_other_way_round(cell):
    panel = assert_true_picture(over(cell))
    assert panel.cell.title == {LSTMCell: "LSTM", GRUCell: "GRU"}[cell]
    assert {name: panel.letter(name) for name in ("g", "h")} == {"g": "g", "h": "h"}


@pytest.mark.parametrize("biases", [0, 1, 2])
@pytest.mark.parametrize(("convention", "reset"), CONVENTIONS)
def test_every_form_of_a_gru_is_drawn_as_it_is(convention, reset, biases):
    panel = assert_true_picture(over(GRUCell, convention=convention, reset=reset, biases=biases))
    assert panel.cell.title == ("GRU" if reset == "before" else "GRU, reset after the product")
    assert (
        panel.formulas()[-1]
        == {
            "update": "h_t = h_{t−1} + z_t × (g_t − h_{t−1})",
            "keep": "h_t = g_t + z_t × (h_{t−1} − g_t)",
        }[convention]
    )


@pytest.mark.row("VIS-14")
def test_recurrent_neurons():
    panel = assert_true_picture(over(SimpleRNNCell))
    assert panel.formulas() == ["h_t = tanh(W_h h_{t−1} + W_x u_t + b)"]
    assert draw(by_hand(6)).panels[0].formulas() == ["h_t = tanh(u_t + W h_{t−1})"]
    assert assert_true_picture(over(SimpleRNNCell, activation=mg.relu)).item("h").sign == "relu"
    (panel,) = draw(over(SimpleRNNCell, activation=lambda x: x)).panels
    assert (panel.cell.title, panel.formulas()) == ("Linear recurrent units", ["h_t = W_h h_{t−1} + W_x u_t + b"])
    unrolled = mg.draw(layer(SimpleRNN, 3)).svg()
    assert all(f">t={t}</text>" in unrolled for t in (1, 2, 3))


@pytest.mark.parametrize("cell", [LSTM, GRU, SimpleRNN])
def test_a_single_unit_and_a_single_input(cell):
    u = mg.Input(np.ones((1, 4, 1)), name="u")
    assert_true_picture((cell(1, 1, rng=0, dtype=np.float64)(u) ** 2).sum())
    assert kinds((cell(2, 2, rng=0)(np.ones((2, 4, 2), np.float32)) ** 2).sum()) == kinds(layer(cell, 4))


def test_gates_have_the_rows_of_their_weights():
    formulas = draw(layer(LSTM, 5)).panels[0].formulas()
    assert "f_t = σ(W_h[4:8] h_{t−1} + W_x[4:8] u_t + b[4:8])" in formulas
    assert formulas[-1] == "h_t = o_t × tanh(c_t)"
    assert "c_t = f_t × c_{t−1} + i_t × g_t" in formulas


# Mutants -------------------------------------------------------------------------------------------------------------


def lstm(body):
    """An LSTM cell with another step: body(self, gates i f o g, h, c, p) gives the new state."""

    class Mutant(LSTMCell):
        def step(self, driven, state, shared):
            h, c = state
            p = h @ shared[0] + driven
            i, f, o = self._blocks(mg.sigmoid(p[:, : 3 * self.n_units]), 3)
            g = np.tanh(p[:, 3 * self.n_units :])
            return body(self, i, f, o, g, h, c, p)

    return Mutant


def named(gates, names):
    for gate, name in zip(gates, names, strict=True):
        gate.name = name


def plain(i, f, o, g, c):
    c = f * c + i * g
    return o * np.tanh(c), c


def renamed(self, i, f, o, g, h, c, p):
    named((i, f, o, g), "fiog")
    return plain(i, f, o, g, c)


def in_other_words(self, i, f, o, g, h, c, p):
    named((i, f, o, g), ("write", "forget", "read", "candidate"))
    return plain(i, f, o, g, c)


def reordered(self, i, f, o, g, h, c, p):
    return plain(o, i, f, g, c)


def the_other_way_round(self, i, f, o, g, h, c, p):
    c = g * i + c * f
    return np.tanh(c) * o, c


TRUE = {
    "renamed": renamed,
    "in other words": in_other_words,
    "reordered": reordered,
    "the other way round": the_other_way_round,
    "all gates sigmoid": lambda self, i, f, o, g, h, c, p: plain(i, f, mg.sigmoid(p[:, 4:6]), mg.sigmoid(p[:, 6:]), c),
}
UNKNOWN = {
    "a product with a state": lambda self, i, f, o, g, h, c, p: plain(i, f, o * h, g, c),
    "coupled gates": lambda self, i, f, o, g, h, c, p: plain(1 - f, f, o, g, c),
    "the state before is shown": lambda self, i, f, o, g, h, c, p: (o * np.tanh(c), f * c + i * g),
    "no tanh": lambda self, i, f, o, g, h, c, p: (o * (f * c + i * g), f * c + i * g),
    "minus": lambda self, i, f, o, g, h, c, p: (o * np.tanh(f * c - i * g), f * c - i * g),
    "h is kept": lambda self, i, f, o, g, h, c, p: plain(i, f, o, g, h),
    "a part of a state": lambda self, i, f, o, g, h, c, p: plain(
        i, f, o, g, np.concatenate([c[:, 1:], c[:, :1]], axis=1)
    ),
    "half of a state": lambda self, i, f, o, g, h, c, p: plain(i, f, o, g, c[:, :1]),
    "transposed": lambda self, i, f, o, g, h, c, p: plain(i, f, o, g, c.T),
    "examples in exchange": lambda self, i, f, o, g, h, c, p: plain(i, f, o, g, c[::-1]),
    "one example for all": lambda self, i, f, o, g, h, c, p: plain(i, f, o, g, c[:1]),
    "rounded": lambda self, i, f, o, g, h, c, p: (o * np.floor(f * c + i * g), f * c + i * g),
    "a number added": lambda self, i, f, o, g, h, c, p: plain(i, f, o, g, c + 1),
    "h twice": lambda self, i, f, o, g, h, c, p: plain(i, mg.sigmoid(p[:, 2:4] + h @ self.W_h[:2].T), o, g, c),
    "states multiplied": lambda self, i, f, o, g, h, c, p: plain(i, f, o, g @ h, c),
    "c turned around": lambda self, i, f, o, g, h, c, p: (o * np.flip(f * c + i * g, 1), f * c + i * g),
    "softmax": lambda self, i, f, o, g, h, c, p: plain(i, f, mg.softmax(p[:, 4:6]), g, c),
    "a gate across units": lambda self, i, f, o, g, h, c, p: plain(p[:, 1:3], f, o, g, c),
    "a peephole": lambda self, i, f, o, g, h, c, p: plain(i, mg.sigmoid(p[:, 2:4] + c * self.b[:2]), o, g, c),
    "one gate twice": lambda self, i, f, o, g, h, c, p: plain(f, f, o, g, c),
    "states in exchange": lambda self, i, f, o, g, h, c, p: plain(i, f, o, g, c)[::-1],
    "no path for the adjoint": lambda self, i, f, o, g, h, c, p: plain(i, f, o, g, mg.stop_gradient(c)),
}


@pytest.mark.parametrize("body", TRUE.values(), ids=TRUE)
def test_renamed_and_reordered_gates_stand_where_the_graph_has_them(body):
    panel = assert_true_picture(over(lstm(body)))
    assert panel.cell.title == "LSTM"


def test_a_gate_is_called_as_the_graph_calls_it():
    (panel,) = draw(over(lstm(renamed))).panels
    assert [panel.letter(name) for name in "figo"] == ["i", "f", "g", "o"]  # i keeps, and f writes
    assert panel.item("f").columns == (2, 4)
    (panel,) = draw(over(lstm(in_other_words))).panels
    assert [panel.letter(name) for name in "figo"] == ["forget", "write", "candidate", "read"]
    (panel,) = draw(over(lstm(reordered))).panels
    assert panel.item("f").columns == (0, 2)


@pytest.mark.parametrize("body", UNKNOWN.values(), ids=UNKNOWN)
def test_a_cell_of_ones_own_is_drawn_as_flow(body):
    view = draw(over(lstm(body), batch=2))  # as many as units
    assert not view.panels
    assert view.reason in view.title
    assert view.reason in view.description
    assert view.reason in view.text()
    assert view.reason in [text.text for text in ET.fromstring(view.svg()).iter(f"{SVG}text")]
    assert "Drawn as flow" in ET.fromstring(view.svg()).find(f"{SVG}title").text
    assert {node.operation for node in view.flow.nodes} >= {"Sigmoid", "Multiply"}
    assert sum(node.operation == "Sigmoid" for node in view.flow.nodes) <= 2


def test_of_random_wirings_only_those_of_an_lstm_are_drawn_as_one():
    draws, found = np.random.default_rng(0), 0
    for _ in range(40):
        chosen = draws.permutation(5)
        if draws.random() < 0.5:
            chosen[draws.integers(5)] = draws.integers(6)
        (a, b, d, e, q), s = chosen, draws.choice(3, p=(0.4, 0.4, 0.2))

        def body(self, i, f, o, g, h, c, p, a=a, b=b, d=d, e=e, q=q, s=s):
            values = (i, f, o, g, c, h)
            after = values[a] * values[b] + values[d] * values[e]
            return values[q] * np.tanh((after, after, c)[s]), after

        loss = over(lstm(body))
        drawn_so = bool(draw(loss).panels)
        assert drawn_so == (sorted(chosen) == [0, 1, 2, 3, 4] and q != 4 and s != 2)
        if drawn_so:
            assert_true_picture(loss)
        found += drawn_so
    assert 5 < found < 30


def gru(body):
    class Mutant(GRUCell):
        def step(self, driven, state, shared):
            z, r, g = self._reset_before(driven, state[0], shared)
            return (body(z, r, g, state[0]),)

    return Mutant


def test_the_form_of_textbooks_has_its_places_too():
    updates = assert_true_picture(over(gru(lambda z, r, g, h: (1 - z) * h + z * g)))
    assert updates.formulas()[-1] == "h_t = (1 − z_t) × h_{t−1} + z_t × g_t"
    keeps = assert_true_picture(over(gru(lambda z, r, g, h: z * h + (1 - z) * g)))
    assert keeps.formulas()[-1] == "h_t = z_t × h_{t−1} + (1 − z_t) × g_t"
    for body in (
        lambda z, r, g, h: (1 - z) * g + r * h,
        lambda z, r, g, h: (2 - z) * h + z * g,
        lambda z, r, g, h: h + z * (h - g),
    ):
        assert not draw(over(gru(body))).panels


# Graphs --------------------------------------------------------------------------------------------------------------


def lstm_by_hand(length=5, names=False, columns=False):
    """An LSTM in a loop with a matrix for each gate; names: of states; columns: of one example as a column."""
    rng = np.random.default_rng(0)
    W, U, b = [{k: mg.Parameter(rng.normal(size=s), name=f"{name}_{k}") for k in "fiog"} for name, s in
               (("W", (2, 3)), ("U", (2, 2)), ("b", (2,)))]  # fmt: skip
    u = mg.Input(rng.normal(size=(length, 3)), name="u")
    h = c = mg.Constant(np.zeros(2))
    total = 0.0
    for t in range(length):
        gate = {k: W[k] @ u[t] + U[k] @ h + b[k] if columns else u[t] @ W[k].T + h @ U[k].T + b[k] for k in "fiog"}
        f, i, o = [mg.sigmoid(gate[k]) for k in "fio"]
        c = f * c + i * np.tanh(gate["g"])
        h = o * np.tanh(c)
        if names:
            c.name, h.name = f"c_{t + 1}", f"h_{t + 1}"
        total = total + (h**2).sum()
    return total


@pytest.mark.parametrize("names", [False, True])
@pytest.mark.parametrize("columns", [False, True])
def test_a_cell_by_hand_has_its_picture_too(names, columns):
    (panel,) = draw(lstm_by_hand(names=names, columns=columns)).panels
    assert panel.cell.title == "LSTM"
    assert panel.formulas()[-1] == "h_t = o_t × tanh(c_t)"
    assert any(formula.startswith("f_t = σ(W_f u_t + U_f h_{t−1} + b_f") for formula in panel.formulas())
    assert panel.graph.n_others == 3  # of the loss
    assert kinds(by_hand(6)) == ["Recurrent neurons"]
    assert "reads a step further back" in draw(by_hand(8, lag=2)).reason


def neurons(step, length=4):
    """A state of 2 units in a loop: step(h, x, W, V) gives the next one."""
    rng = np.random.default_rng(0)
    W, V = [mg.Parameter(rng.normal(size=(2, 2)), name=name) for name in "WV"]
    u, h = mg.Input(rng.normal(size=(length, 1, 2)), name="u"), mg.Constant(np.zeros((1, 2)))
    for t in range(length):
        h = step(h, u[t], W, V)
    return h.sum()


def test_weights_are_called_by_what_they_are_made_of():
    loss = neurons(lambda h, x, W, V: np.tanh(h @ np.tanh(W) + x @ V.astype(np.float32) + 0.5))
    (panel,) = draw(loss).panels
    assert panel.formulas() == ["h_t = tanh(made of W h_{t−1} + V u_t + 0.5)"]
    assert ">V made of W" in draw(loss).svg()
    half = neurons(lambda h, x, W, V: np.tanh(h @ np.exp(W)[:, :1] + x @ V))
    assert "a part of exp" in draw(half).reason
    for odd in (
        lambda h, x, W, V: np.tanh(h @ W + x @ V) * W[0],
        lambda h, x, W, V: np.tanh(h @ W + x * x @ V.T + W[0] * x),
    ):
        assert "weights stand elsewhere" in draw(neurons(odd)).reason


def test_gates_that_are_columns_of_one_matrix():
    rng = np.random.default_rng(0)
    W, b = mg.Parameter(rng.normal(size=(5, 8)), name="W"), mg.Parameter(np.zeros(8), name="b")
    u, h = mg.Input(rng.normal(size=(4, 1, 3)), name="u"), mg.Constant(np.zeros((1, 2)))
    c = h
    for t in range(4):
        p = h @ W[3:] + u[t] @ W[:3] + b
        f, i, o = [mg.sigmoid(p[..., 2 * k : 2 * k + 2]) for k in range(3)]
        c = f * c + i * np.tanh(p[:, -2:])
        h = o * np.tanh(c)
    (panel,) = draw(h.sum()).panels
    assert panel.cell.title == "LSTM"
    assert "f_t = σ(W[3:5, 0:2] h_{t−1} + W[0:3, 0:2] u_t + b[0:2])" in panel.formulas()


def test_why_a_step_is_no_cell():
    def part_of_a_softmax(h, x, W, V):
        p = h @ W + x @ V
        return np.tanh(p) * mg.softmax(p)[:, :1]

    assert re.fullmatch(r"a part of softmax #\d+ is used", draw(neurons(part_of_a_softmax)).reason)
    assert "are those of no cell" in draw(neurons(lambda h, x, W, V: np.tanh(x @ V + (x @ V + h @ W)))).reason
    assert "it reads a node of the step before that is no state" in draw(to_and_fro(6)).reason
    marker, h, W = Marker({"h": "state"}), mg.Constant(np.zeros((1, 2))), mg.Parameter(np.eye(2), name="W")
    for t in range(1, 7):
        with marker.step(t, f"t={t}"):
            h = np.tanh(h @ W) if t % 2 else np.sin(h @ W)
    assert draw(h.sum()).reason == "its steps are not alike"


def test_an_input_that_is_the_same_in_all_steps_has_no_number():
    x, W = mg.Input(np.ones((1, 2)), name="context"), mg.Parameter(np.eye(2), name="W")
    h = mg.Constant(np.zeros((1, 2)))
    for _ in range(4):
        h = np.tanh(h @ W + x @ W)
    view = draw(h.sum())
    assert view.panels[0].formulas() == ["h_t = tanh(W h_{t−1} + W context)"]
    assert re.search(r">conte[^<]*</text>", view.svg())


def test_examples_may_be_columns():
    rng = np.random.default_rng(0)
    W, V, b = [mg.Parameter(rng.normal(size=(2, n)), name=name) for name, n in (("W", 2), ("V", 3), ("b", 1))]
    u, h = mg.Input(rng.normal(size=(4, 3, 5)), name="u"), mg.Constant(np.zeros((2, 5)))
    for t in range(4):
        h = np.tanh(W @ h + V @ u[t].astype(np.float64) + b)
    (panel,) = draw(h.sum()).panels
    assert panel.formulas() == ["h_t = tanh(W h_{t−1} + V u_t + b)"]


def test_of_loops_without_a_picture_the_others_are_drawn():
    u = mg.Input(np.ones((2, 5, 3), np.float32), name="u")
    view = draw(Stacked([LSTM(3, 4, rng=0), GRU(4, 4, recurrent_dropout=0.5, rng=0)])(u).sum())
    assert [panel.cell.title for panel in view.panels] == ["LSTM"]
    assert "The loop stacked/gru_2 is not drawn: its wires are those of no cell" in view.description


def test_stacks_and_both_directions_have_a_picture_each():
    u = mg.Input(np.ones((2, 5, 3), np.float32), name="u")
    view = draw(Stacked([SimpleRNN(3, 4), LSTM(4, 4)])(u).sum())
    assert [panel.cell.title for panel in view.panels] == ["Recurrent neurons", "LSTM"]
    assert [panel.name.split("/")[-1] for panel in view.panels] == ["simplernn_1", "lstm_2"]
    ahead, back = draw(Bidirectional(GRU(3, 4), GRU(3, 4))(u).sum()).panels
    assert (ahead.label("h'"), back.label("h'")) == (("h", "t−1"), ("h", "t+1"))
    assert draw(two_layers()).title.startswith("Drawn as flow")


def test_outputs_are_drawn_where_something_reads_them():
    net, u = LSTM(3, 4, rng=0), mg.Input(np.ones((2, 5, 3), np.float32), name="u")
    states = net.states(u)
    cells = [c for _, c in states.whole]
    shown = lambda given: [target for _, target in draw(given).panels[0].routes if target.startswith("out ")]  # noqa: E731
    assert shown(states.last.sum()) == ["out h"]
    assert shown(cells[-1].sum()) == ["out c"]
    assert shown([*states, *cells]) == ["out c", "out h"]


def test_masks_and_dropout_within_a_step_are_no_known_cell():
    u = mg.Input(np.ones((2, 5, 3), np.float32), name="u")
    masked = draw(LSTM(3, 4, rng=0)(u, mask=np.ones((2, 5), bool)).sum())
    assert "(it has where)" in masked.reason
    assert not draw(GRU(3, 4, rng=0, recurrent_dropout=0.5)(u).sum()).panels
    assert kinds(GRU(3, 4, rng=0, dropout=0.5)(u).sum()) == ["GRU"]  # the input is what is left of it


def test_one_step_alone_carries_nothing():
    assert "single step" in draw(layer(LSTM, 1)).reason
    assert kinds(layer(LSTM, 2)) == ["LSTM"]
    view = draw(net_2_2_1()[0])
    assert view.reason == "no time steps were found in this graph"
    assert len(view.flow.nodes) == len(mg.Graph(net_2_2_1()[0]).nodes)


def test_unlike_steps_and_inputs_that_depend_on_the_state_are_told():
    W, V = [mg.Parameter(np.eye(2), name=name) for name in "WV"]
    h, marker = mg.Constant(np.zeros((1, 2))), Marker({"h": "state"})
    for t in range(1, 7):
        x = mg.Input(np.ones((1, 2)), name="x")
        with marker.step(t, f"t={t}"):
            h = np.tanh(h @ (V if t == 5 else W) + x @ V)
            h.name = "h"
    (panel,) = draw(h.sum()).panels
    assert panel.graph.n_unlike == 1
    assert "1 of the 6 steps is not like this one." in panel.caption()
    h, marker = mg.Constant(np.zeros((1, 2))), Marker({"h": "state"})
    for t in range(1, 5):
        fed = np.sin(h)
        with marker.step(t, f"t={t}"):
            h = np.tanh(h @ W + fed @ V)
    assert "computed from its own states" in draw(h.sum()).reason


def test_long_steps_and_long_ways_to_them_are_no_cells():
    h, x = mg.Constant(np.zeros(2)), mg.Input(np.ones((4, 2)), name="x")
    for _ in range(1500):
        x = x + 1
    assert not draw(by_hand_over(x)).panels
    x = mg.Input(np.ones(2), name="x")
    for _ in range(4):
        for _ in range(150):
            h = np.sin(h)
        h = h * x
    assert "a step has 151 operations" in draw(h.sum()).reason


def by_hand_over(u):
    W, h = mg.Parameter(np.eye(2), name="W"), mg.Constant(np.zeros(2))
    for t in range(len(u)):
        h = np.tanh(W @ h + W @ u[t])
    return h.sum()


@pytest.mark.parametrize("seed", range(12))
def test_any_graph_is_drawn(seed):
    view = draw(random_graph(seed))
    ET.fromstring(view.svg())
    assert view.reason
    assert view.reason in view.text()


def test_names_in_a_record_exchanged_are_drawn_in_exchange():
    data = json.loads(mg.record(layer(LSTM, 4)).json())
    for node in data["nodes"]:
        node["name"] = {"i": "f", "f": "i"}.get(node.get("name", ""), node.get("name", ""))
    (panel,) = draw(Record.from_dict(data)).panels
    assert "c_t = i_t × c_{t−1} + f_t × g_t" in panel.formulas()
    assert "i_t = σ(W_h[4:8] h_{t−1} + W_x[4:8] u_t + b[4:8])" in panel.formulas()


def test_a_state_called_x_is_no_input():
    u = mg.Input(np.ones((2, 4, 3), np.float32))
    (panel,) = draw((RNN(3, 4, 2, rng=0)(u) ** 2).mean()).panels
    assert panel.formulas() == ["x_t = tanh(W x_{t−1} + R u_t + b_1)"]


def test_a_record_from_a_file_gives_the_same_picture():
    loss = layer(GRU, 4)
    record = mg.record(loss)
    again = Record.from_dict(json.loads(record.json()))
    assert draw(again).svg() == draw(record).svg() == draw(loss).svg()
    assert draw(again).text() == draw(loss).text()
    gradients = mg.gradients(loss, mg.Graph(loss).parameters)
    assert kinds([loss, *gradients]) == ["GRU"]


# The picture ---------------------------------------------------------------------------------------------------------


def boxes(cell):
    """The boxes of a cell by name: left, top, right, bottom."""
    sizes = {"layer": LAYER_SIZE, "sum": LAYER_SIZE, "entry": ENTRY_SIZE, "1 −": NUMBER_SIZE}
    found = {}
    for name, (x, y) in cell.places.items():
        sign = cell.equations.get(name, (None,))[0]
        width, height = LABEL_SIZE if sign is None else sizes.get(sign, CIRCLE_SIZE)
        found[name] = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    return found


def inside(point, box, by=0.0):
    (x, y), (left, top, right, bottom) = point, box
    return left - by <= x <= right + by and top - by <= y <= bottom + by


def on_the_border(point, box):
    return inside(point, box) and not inside(point, box, -0.1)


@pytest.mark.parametrize("cell", CELLS, ids=[f"{i} {cell.title}" for i, cell in enumerate(CELLS)])
def test_places_and_routes_fit(cell):
    delays = {(name, f"{name}'") for name in cell.states}
    outs = {(name, f"out {name}") for name in cell.states}
    assert set(cell.routes) == cell.wires | delays | outs
    assert set(cell.places) == {end for wire in cell.wires for end in wire} | {out for _, out in outs}
    found = boxes(cell)
    for a, b in combinations(found.values(), 2):
        assert max(a[0], b[0]) >= min(a[2], b[2]) + 4 or max(a[1], b[1]) >= min(a[3], b[3]) + 4
    for name in cell.equations:
        left, top, right, bottom = found[name]
        assert CORNER[0] + 4 < left < right < cell.right - 4
        assert CORNER[1] + 4 < top < bottom < cell.bottom - 4
    for (source, target), written in cell.routes.items():
        route = Route((source, target), written)
        assert on_the_border(route.points[0], found[source])
        assert on_the_border(route.points[-1], found[target])
        for (x, y), (to, end) in route.segments:
            assert (x == to) != (y == end)
            for name, box in found.items():
                touched = [
                    part
                    for part in np.linspace(0, 1, 200)
                    if inside((x + part * (to - x), y + part * (end - y)), box, 3)
                ]
                assert not touched or name in (source, target), (source, target, name)


@pytest.mark.parametrize("cell", CELLS, ids=[f"{i} {cell.title}" for i, cell in enumerate(CELLS)])
def test_lines_share_their_way_only_to_one_target_or_from_one_source(cell):
    routes = [Route(ends, written) for ends, written in cell.routes.items()]
    ends = {target: {route.source for route in routes if route.target == target} for _, target in cell.routes}
    for a, b in combinations(routes, 2):
        shared = [
            (p, q) for p in a.segments for q in b.segments
            if any(
                p[0][i] == p[1][i] == q[0][i] == q[1][i]
                and min(max(p[0][1 - i], p[1][1 - i]), max(q[0][1 - i], q[1][1 - i]))
                > max(min(p[0][1 - i], p[1][1 - i]), min(q[0][1 - i], q[1][1 - i]))
                for i in (0, 1)
            )
        ]  # fmt: skip
        if shared and a.source != b.source:  # joined, which both targets read as a whole
            assert {a.source, b.source} <= ends[a.target] & ends[b.target]
            assert all(cell.equations[route.target][0] == "layer" for route in (a, b))


@pytest.mark.parametrize("cell", [LSTM, GRU, SimpleRNN])
def test_the_picture_has_a_path_per_wire_and_a_hop_per_crossing(cell):
    view = draw(layer(cell, 3))
    (panel,) = view.panels
    root = ET.fromstring(view.svg())
    paths = [path for path in root.iter(f"{SVG}path") if path.find(f"{SVG}title") is not None]
    assert [path.find(f"{SVG}title").text for path in paths] == [panel.wire(*ends) for ends in panel.routes]
    routes = [Route(ends, written) for ends, written in panel.routes.items()]
    for path, route in zip(paths, routes, strict=True):
        assert path.get("d").count("A") == len(route.crossings(routes))
    assert sum(len(route.crossings(routes)) for route in routes) == {LSTM: 1, GRU: 2, SimpleRNN: 0}[cell]


def test_h_hops_over_c():
    (panel,) = draw(layer(LSTM, 3)).panels
    routes = [Route(ends, written) for ends, written in panel.routes.items()]
    hops = {(route.source, route.target) for route in routes if route.crossings(routes)}
    assert hops == {("h", "out h")}


@pytest.mark.parametrize("cell", [LSTM, GRU, SimpleRNN])
def test_pictures_are_described_and_legible(cell):
    view = draw(layer(cell, 3))
    root = ET.fromstring(view.svg())
    assert root.find(f"{SVG}title").text == view.title
    assert root.find(f"{SVG}desc").text == view.description
    assert all(formula in view.description for formula in view.panels[0].formulas())
    sizes = [float(text.get("font-size")) for text in root.iter() if text.tag in (f"{SVG}text", f"{SVG}tspan")]
    assert min(sizes) >= 10
    width = float(root.get("width"))
    assert min(sizes) * view.narrowest / width >= 9 - 0.02
    assert f"min-width:{view.narrowest}px" in view.html()
    for theme in (0, 1):
        inks = [PALETTE[name][theme] for name in ("ink", "faint")]
        grounds = [PALETTE[name][theme] for name in ("paper", "frame", "parameter-fill", "input-fill", "state-fill")]
        assert min(contrast(ink, ground) for ink in inks for ground in grounds) >= 4.5
        lines = [PALETTE[f"{name}-line"][theme] for name in ("parameter", "input", "operation", "state")]
        assert min(contrast(line, PALETTE[name][theme]) for line in lines for name in ("paper", "frame")) >= 3
    assert len({light for light, _ in PALETTE.values()}) == len(PALETTE)


def test_text_of_a_picture_stays_in_its_box():
    names = ["a_very_long_name_of_a_weight", "another_one"]
    W, V = [mg.Parameter(np.eye(2), name=name) for name in names]
    h = mg.Constant(np.zeros((1, 2)))
    u = mg.Input(np.ones((5, 1, 2)), name="a_long_name_of_an_input")
    for t in range(5):
        h = np.tanh(h @ W + u[t] @ V)
    svg = draw((h**2).sum()).svg()
    shown = re.findall(r">([^<]*…[^<]*)<", svg)
    assert any(words.startswith("another_one") for words in shown)
    assert all(name in draw((h**2).sum()).text() for name in names)


@pytest.mark.parametrize("cell", [LSTM, GRU])
def test_a_picture_of_100_steps_is_as_large_as_one_of_3(cell):
    svg = draw(layer(cell, 100)).svg()
    assert len(svg.encode()) < 20_000
    assert abs(len(svg) - len(draw(layer(cell, 3)).svg())) < 20
    assert "Repeated for the steps 1 … 100; W_x, W_h and b are the same in all of them." in svg


def test_arguments():
    view = draw(layer(LSTM, 3), title="Memory <1>")
    assert view.title == "Memory <1>"
    assert ">Memory &lt;1&gt;</text>" in view.svg()
    assert repr(view) == "<CellView: LSTM; .svg() .text() .html() .save(path)>"
    assert repr(draw(layer(LSTM, 1))).startswith("<CellView: drawn as flow, ")
    with pytest.raises(ValueError, match=r"a picture of 12 boxes cannot be read \(limit=3\)"):
        draw(layer(LSTM, 3), limit=3)
    with pytest.raises(
        ValueError, match=r"limit=3\), and as a cell there is none: no time steps were found in this graph\."
    ):
        draw(net_2_2_1()[0], limit=3)
    with pytest.raises(TypeError, match=r'view="cell"\) takes a node'):
        draw(3.0)
    with pytest.raises(ValueError, match=r"numbers=...\) belongs to"):
        draw(layer(LSTM, 3), numbers=False)


def test_text_lists_equations_and_wires():
    text = draw(layer(LSTM, 3)).text()
    assert "\n  h_{t−1} → f_t (times W_h[4:8])\n" in text
    assert "\n  f_t × c_{t−1} → c_t\n" in text
    assert "\n  c_t → c_{t−1} of the next step\n" in text
    assert "\n  c_t → tanh(c_t)\n" in text


def test_on_the_command_line(tmp_path, capsys):
    assert main(["draw", "lstm", "--view", "cell", "-o", str(tmp_path / "x.svg")]) == 0
    assert ET.parse(tmp_path / "x.svg").getroot().find(f"{SVG}title").text == "LSTM: one of 6 steps"
    assert main(["draw", "net", "--view", "cell"]) == 0
    assert capsys.readouterr().out.startswith("Drawn as flow: no time steps were found in this graph")
