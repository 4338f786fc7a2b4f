"""`mg.draw`: the files it writes, the same in every run; what it does without `dot`, and with a `dot` that fails."""

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad.drawing import Drawing, dot
from minigrad.drawing.svg import within
from tests.drawing.graphs import GRAPHS, expression, net_2_2_1, odd, penalized, recurrent, scoped
from tests.drawing.regenerate import GOLDEN, texts

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Make the only `dot` on the PATH a shell script with this body (None: no `dot` at all)."""

    def make(body):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        if body is not None:
            (folder / "dot").write_text(f"#!/bin/sh\n{body}\n")
            (folder / "dot").chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))

    return make


@pytest.mark.parametrize("dot_there", [True, False])
def test_golden_files(program, dot_there):
    """The same bytes whether `dot` is installed or not. To write them anew: python -m tests.drawing.regenerate."""
    if not dot_there:
        program(None)
    for name, text in texts().items():
        assert text == (GOLDEN / name).read_text(encoding="utf-8"), name


def test_svg_is_well_formed_and_complete():
    for graph in GRAPHS.values():
        drawing = mg.draw(graph())
        root = ET.fromstring(drawing.svg())
        assert root.tag == f"{SVG}svg"
        assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
        assert root.get("style") is None, "some readers of SVG files find no size with a height of auto"
        shown = ET.fromstring(drawing._repr_mimebundle_()["image/svg+xml"])
        assert "max-width:100%" in shown.get("style"), "in a page it is never wider than its place"
        title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
        assert title.text
        assert description.text
        assert root.get("aria-labelledby").split() == [title.get("id"), description.get("id")]
        tooltips = [title.text for group in root.findall(f"{SVG}g") for title in group.findall(f"{SVG}title")]
        assert len(tooltips) == len(drawing.diagram.boxes) + len(drawing.layout.frames)
        background = root.find(f"{SVG}rect")
        assert (background.get("width"), background.get("fill")) == (root.get("width"), "#ffffff")


def test_every_node_is_drawn_once_where_nothing_is_hidden():
    loss, weights = net_2_2_1()
    for node in (loss, expression()[0]):
        drawing = mg.draw(node, stubs=False, numbers=False)
        order = mg.Graph(node).nodes
        assert len(drawing.flow.nodes) == len(drawing.diagram.boxes) == len(order)
        assert len(drawing.flow.edges) == sum(len(one.children) for one in order)
        assert [box.node for box in drawing.diagram.boxes] == list(range(len(order)))
    found = dict(zip((w.name for w in weights), mg.gradients(loss, weights), strict=True))
    texts = {box.lines[0][1]: [text for _, text in box.lines] for box in mg.draw(loss).diagram.boxes}
    for name, adjoint in found.items():
        assert f"∂ {float(adjoint):.4g}" in texts[name]


def test_parameters_and_numbers_are_drawn_at_their_uses():
    W, x = mg.Parameter([[1.0, 2.0]], name="W"), mg.Input(np.ones((1, 2)), name="x")
    drawing = mg.draw((2 * (W * x) + (1 - W) ** 3).sum())
    titles = [box.lines[0][1] for box in drawing.diagram.boxes]
    assert titles.count("W") == 2
    assert {"2 ×", "1 −", "#6³", "Σ"} <= set(titles)
    first, second = [box for box in drawing.diagram.boxes if box.lines[0][1] == "W"]
    assert [face for face, _ in first.lines] == ["title", "small", "value", "adjoint"]
    assert len(second.lines) == 1
    assert first.tooltip.splitlines() == second.tooltip.splitlines()[:2] == ["#0 W = parameter", "shape (1, 2) float64"]
    assert second.tooltip.splitlines()[2:] == ["value [1, 2]", "adjoint [2, -1]"]
    assert [box.lines[0][1] for box in mg.draw(W + W, stubs=False).diagram.boxes] == ["W", "+"]


def test_adjoints_are_drawn_as_such():
    (gradient,) = mg.gradients(penalized()[0].sum(), penalized()[1:2])
    roles = {box.role for box in mg.draw(penalized()).diagram.boxes}
    assert {"parameter", "input", "operation", "adjoint", "second", "reference"} <= roles
    assert mg.draw(gradient).flow.nodes[0].kind == "constant"
    x = mg.Input(2.0, name="x")
    y = np.tanh(x)
    (slope,) = mg.gradients(y, [x])
    drawing = mg.draw(slope)
    texts = [text for box in drawing.diagram.boxes if box.role == "adjoint" for _, text in box.lines]
    assert "bprop of #1" in texts
    assert ">∂ " not in drawing.svg()  # no adjoint of an adjoint graph unasked
    assert any("made by the bprop of #1 tanh" in box.tooltip for box in drawing.diagram.boxes)
    assert any(node.adjoint for node in mg.draw(slope, adjoints=True).flow.nodes)


def test_a_gradient_is_no_adjoint_of_adjoints_where_what_it_belongs_to_is_not_drawn():
    x = mg.Input(2.0, name="x")
    (slope,) = mg.gradients(x**2, [x])
    assert [box.role for box in mg.draw(slope).diagram.boxes] == ["input", "adjoint", "adjoint"]


def test_adjoints_are_never_shown_as_zero_before_they_are_known():
    x = mg.Input([1.0, 2.0], name="x")
    assert "∂" not in mg.draw(x * 2).svg()
    assert "∂" not in mg.draw((x * 2).sum(), adjoints=False).svg()
    assert "∂" not in mg.draw([x.sum(), x.mean()]).svg()
    assert "∂" not in mg.draw((x > 1).any()).svg()
    assert "∂ [2, 2]" in mg.draw((x * 2).sum()).svg()
    for nodes, error in ((x * 2, ValueError), ([x.sum(), x.mean()], ValueError), (x > 1, TypeError)):
        with pytest.raises(error):
            mg.draw(nodes, adjoints=True)


def test_a_probe_is_not_told_of_a_drawing():
    told = []
    node = mg.probe(mg.Input(2.0), told.append) * 3
    assert "∂" not in "".join(
        text for box in mg.draw(node).diagram.boxes for face, text in box.lines if face == "adjoint"
    )
    assert told == []
    mg.draw(node, adjoints=True)
    assert len(told) == 1


def test_a_broken_rule_does_not_break_the_picture():
    class Halved(mg.Operation):
        def fprop(self, x):
            return x / 2

    node = Halved(mg.Input(2.0))
    drawing = mg.draw(node)
    assert drawing.diagram.boxes[1].lines[0] == ("title", "halved")
    assert "adjoints not computed: TypeError: Halved defines no bprop" in drawing.svg()
    with pytest.raises(TypeError, match="defines no bprop"):
        mg.draw(node, adjoints=True)


def test_hostile_names_are_escaped(program):
    program(None)
    drawing = mg.draw(odd())
    for text in (drawing.svg(), drawing.html()):
        assert "<script>" not in text
        assert "&lt;script&gt;" in text
        text.encode()
        assert not set(text) & {"\x00", "\x1b", "\u202e"}
    assert "<script>" not in drawing.dot()
    assert max(len(line) for line in mg.listing(odd()).splitlines()) <= 110
    assert len(mg.listing(odd()).splitlines()) == 1 + len(drawing.flow.nodes)


def test_data():
    flow = mg.draw(net_2_2_1()[0]).flow
    data = json.loads(json.dumps(flow.as_dict()))
    assert data["version"] == 2
    assert data["nodes"][-1] == {
        "index": 27, "kind": "operation", "operation": "Square", "attributes": {}, "name": "L",
        "shape": [], "dtype": "float64", "value": ["0.8898"], "adjoint": ["1"], "scope": "", "adjoint_of": None, "order": 0,
            "loop": None, "step": None, "role": "", "line": "",
    }  # fmt: skip
    assert data["outputs"] == [27]


# Graphviz ------------------------------------------------------------------------------------------------------------


def test_without_dot_there_is_a_picture(program, tmp_path):
    program(None)
    drawing = mg.draw(scoped())
    assert drawing.svg()
    with pytest.raises(dot.DotError, match=r"cannot be run.*layered"):
        mg.draw(scoped(), layout="dot").svg()
    with pytest.raises(dot.DotError, match=r"a \.pdf needs Graphviz.*apt install graphviz"):
        drawing.save(tmp_path / "x.pdf")


def test_without_the_package_graphviz_there_is_a_picture(monkeypatch):
    monkeypatch.setitem(sys.modules, "graphviz", None)
    assert mg.draw(scoped()).svg()
    with pytest.raises(dot.DotError, match="pip install graphviz"):
        mg.draw(scoped()).dot()


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("exec /bin/sleep 30", "took more than 0.3 s"),
        ("echo nonsense", "cannot be read"),
        ("echo '{}'", "cannot be read"),
        ("echo oh >&2; exit 3", "dot failed: oh"),
        ("exit 0", "it gave nothing"),
    ],
)
def test_a_dot_that_fails_says_so(program, monkeypatch, body, complaint):
    monkeypatch.setattr(dot, "LAYOUT_SECONDS", 0.3 if "sleep" in body else 30.0)
    program(body)
    with pytest.raises(dot.DotError, match=complaint):
        mg.draw(scoped(), layout="dot").svg()


def test_the_layout_of_dot_is_read(program):
    """The answer of Graphviz 2.43, recorded."""
    program(f"exec /bin/cat '{GOLDEN / 'dot_answer.json'}'")
    drawing = mg.draw(scoped(), direction="TB", layout="dot")
    assert drawing.svg() == (GOLDEN / "by_dot.svg").read_text(encoding="utf-8")
    layout = drawing.layout
    (frame,) = layout.frames
    assert frame.scope == ("scope",)
    for box, (x, y) in zip(drawing.diagram.boxes, layout.centers, strict=True):
        inside = frame.x < x - box.width / 2 and x + box.width / 2 < frame.x + frame.width
        assert inside == (box.scope == ("scope",)) or box.scope == ()
        assert box.height / 2 < y < layout.height - box.height / 2
    for arrow, route in zip(drawing.diagram.arrows, layout.routes, strict=True):
        x, y = layout.centers[arrow.target]
        box = drawing.diagram.boxes[arrow.target]
        assert abs(route.tip[0] - x) <= box.width / 2 + 1
        assert abs(route.tip[1] - y) <= box.height / 2 + 1
    marks = [arrow.mark for arrow in drawing.diagram.arrows]
    assert marks == ["", "1", "2", ""]


def test_dot_takes_what_we_write():
    """With Graphviz at hand; without, the layout of our own. A picture either way."""
    for graph in GRAPHS.values():
        drawing = mg.draw(graph(), layout="dot" if shutil.which("dot") else "layered")
        ET.fromstring(drawing.svg())
        assert len(drawing.layout.centers) == len(drawing.diagram.boxes)


# Saving and showing --------------------------------------------------------------------------------------------------


def test_save(tmp_path, program):
    program("exec /bin/cat")  # what it is given is what it gives
    drawing = mg.draw(scoped(), title="A <title>")
    for suffix, text in ((".svg", drawing.svg()), (".html", drawing.html()), (".dot", drawing.dot()), (".gv", drawing.dot()),
                         (".txt", drawing.text()), (".mmd", drawing.mermaid()), (".PDF", drawing.dot())):  # fmt: skip
        drawing.save(tmp_path / f"picture{suffix}")
        assert (tmp_path / f"picture{suffix}").read_text(encoding="utf-8") == text
    assert "A &lt;title&gt;" in drawing.html()
    with pytest.raises(ValueError, match=r"one of .svg, .html, .txt, .mmd, .dot, .gv, .png, .pdf"):
        drawing.save(str(tmp_path / "picture.jpeg"))


def test_page_stands_alone():
    page = mg.draw(scoped()).html()
    assert page.startswith("<!DOCTYPE html>")
    assert 'lang="en"' in page
    assert "--sans:Inter, 'Segoe UI'" in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "the adjoint, ∂output/∂node" in page
    assert mg.listing(scoped()).replace("<", "&lt;") in page


def test_notebook():
    drawing = mg.draw(scoped())
    assert isinstance(drawing, Drawing)
    assert drawing._repr_svg_() == within(drawing.svg()) != drawing.svg()
    assert drawing._repr_mimebundle_() == {"image/svg+xml": within(drawing.svg()), "text/plain": mg.listing(scoped())}
    assert repr(drawing) == "<Drawing: 4 nodes in 4 boxes; .svg() .dot() .html() .save(path)>"


@pytest.mark.parametrize(
    ("arguments", "keywords", "error", "complaint"),
    [
        ((1.0,), {}, TypeError, "mg.draw takes a node or several, not float"),
        (([],), {}, ValueError, "at least one node"),
        ((None,), {}, TypeError, "mg.draw takes a node or several, not NoneType"),
        (([mg.Input(1.0), 2],), {}, TypeError, "not int"),
        ((mg.Input(1.0),), {"direction": "up"}, ValueError, "'LR', 'TB', 'BT'"),
        ((mg.Input(1.0),), {"layout": "circo"}, ValueError, "'layered', 'dot'"),
    ],
)
def test_bad_arguments(arguments, keywords, error, complaint):
    with pytest.raises(error, match=complaint):
        mg.draw(*arguments, **keywords)


def test_graphviz_is_imported_at_the_first_draw():
    code = "import sys, minigrad as mg; assert 'graphviz' not in sys.modules; mg.draw(mg.Input(1.0)).dot(); assert 'graphviz' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# Stale values ----------------------------------------------------------------------------------------------------------


def stale_sum():
    """A sum of squares whose parameter was written to afterwards, and a node that does not depend on it."""
    p = mg.Parameter([1.0, 2.0], name="p")
    other = np.sin(mg.Input([1.0, 2.0], name="x"))
    total = (p * p + other).sum()
    p.value[...] = 5
    return total


@pytest.mark.parametrize("adjoints", [None, False])
def test_stale_values_are_marked_and_the_picture_says_so(adjoints):
    drawing = mg.draw(stale_sum(), adjoints=adjoints)
    marked = {box.node for box in drawing.diagram.boxes if box.role == "stale"}
    after = [i for i, node in enumerate(drawing.flow.nodes) if node.operation in ("Multiply", "Add", "Sum")]
    assert sorted(marked) == sorted(drawing.flow.stale) == after
    seen = " ".join([text.text or "" for text in ET.fromstring(drawing.svg()).iter(f"{SVG}text")])
    assert 'Stale values: Parameter "p" (2,) was changed after Multiply was computed from it' in seen
    assert "stale: computed before" in seen
    assert seen.count(" stale ") >= len(marked)
    assert "was changed after Multiply" in drawing.text()
    assert "Stale values" in drawing.dot()
    assert drawing.flow.as_dict()["stale"] == sorted(marked)


def test_pages_of_stale_values_are_refused_as_records_are():
    total = stale_sum()
    with pytest.raises(ValueError, match="was changed after Multiply") as refused:
        mg.record(total)
    for options in ({}, {"adjoints": False}, {"depth": 0}):
        with pytest.raises(ValueError, match="was changed after Multiply") as page:
            mg.draw(total, **options).html()
        assert str(page.value) == str(refused.value)


def test_a_page_is_refused_where_values_became_stale_after_the_picture():
    p = mg.Parameter([1.0, 2.0], name="p")
    drawing = mg.draw((p * p).sum(), adjoints=False)
    p.value[...] = 5
    with pytest.raises(ValueError, match="was changed after Multiply"):
        drawing.html()


def test_a_replayed_graph_is_not_stale():
    total = stale_sum()
    mg.Graph(total).fprop()
    drawing = mg.draw(total)
    assert not drawing.flow.stale
    assert "tale" not in drawing.svg()
    assert drawing.html()


def test_rolled_and_opened_pictures_mark_stale_values():
    W = mg.Parameter(np.eye(2), name="W")
    h = mg.Constant(np.ones(2))
    for t in range(4):
        with mg.scope("net"), mg.scope(f"t={t}"):
            h = np.tanh(W @ h)
    loss = h.sum()
    W.value[...] = 0.5
    for drawing in (mg.draw(loss, roll=True), mg.draw(loss, view="layers", inside=True), mg.draw(loss, focus="W")):
        assert "Stale values" in drawing.svg()
    assert "Stale values" not in mg.draw(loss, view="layers").svg(), "which shows no value"


# Titles ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"roll": True}, {"view": "layers"}, {"view": "layers", "inside": True}])
def test_a_title_is_seen(options):
    net = recurrent()[0]
    (headline,) = [
        text
        for text in ET.fromstring(mg.draw(net, title="An <odd> title", **options).svg()).iter(f"{SVG}text")
        if text.text == "An <odd> title"
    ]
    assert float(headline.get("y")) < 0
    root = ET.fromstring(mg.draw(net, title="An <odd> title " * 20, **options).svg())
    left, top, width, height = map(float, root.get("viewBox").split())
    assert (left, top) == (0, -32)
    assert (width, height) == (float(root.get("width")), float(root.get("height")))
    assert width > 2000, "as long as the title"
    assert ET.fromstring(mg.draw(net, **options).svg()).get("viewBox").startswith("0 0 "), (
        "none where none was asked for"
    )
