"""The page that steps through a record: what it says at every step is what the engine computes."""

import json
import re
import shutil
import subprocess
from html import unescape

import numpy as np
import pytest

import minigrad as mg
from minigrad.drawing import Record
from minigrad.drawing.absence import NOT_YET
from minigrad.drawing.events import Fprop
from minigrad.drawing.flow import in_order
from minigrad.drawing.stepper import told
from minigrad.drawing.summary import number
from minigrad.models import LSTM
from tests.drawing.graphs import GRAPHS, expression, layer, net_2_2_1, odd, penalized, recurrent

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def data_of(page):
    """The data in a page."""
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def cells(array):
    """A small array as the page shows it."""
    array = np.asarray(array)
    return number(array[()]) if array.ndim == 0 else [[number(x) for x in row] for row in np.atleast_2d(array)]


def in_words(text):
    """The number at the end of a rule in numbers."""
    return float(text.rpartition(" = ")[2].replace("−", "-"))


@pytest.mark.parametrize(
    "graph", [lambda: net_2_2_1()[0], lambda: expression()[0], lambda: recurrent(length=2, units=2)[0]]
)
def test_every_event_shows_what_the_engine_computes(graph):
    loss = graph()
    nodes = in_order([loss])
    found = {i: node for i, node in enumerate(nodes) if node.dtype.kind == "f" and not isinstance(node, mg.Constant)}
    adjoints = dict(zip(found, mg.gradients(loss, list(found.values())), strict=True))
    data = data_of(mg.draw(loss).html())
    arrays, turn = data["arrays"], data["turn"]
    checked = 0
    for i, node in enumerate(nodes):
        assert arrays[data["nodes"][i][2]] == cells(node.value)
    for i, rule, numbers in data["events"][:turn]:
        assert rule
        if nodes[i].shape == ():
            assert in_words(numbers) == pytest.approx(float(nodes[i].value), rel=2e-3, abs=1e-3) or "since" in numbers
    for i, adjoint, sends in data["events"][turn:]:
        assert arrays[adjoint] == cells(adjoints[i].value)
        for child, rule, _, sent, before, total, status in sends:
            assert rule
            if before >= 0 and nodes[child].shape == ():
                now = float(arrays[before]) + float(arrays[sent])
                assert now == pytest.approx(float(arrays[total]), rel=2e-3, abs=2e-3)
            if status.startswith("complete"):
                assert arrays[total] == cells(adjoints[child].value)
                checked += 1
    assert checked == sum(1 for of_node in data["nodes"] if of_node[6])


def test_the_rule_of_the_notes_in_numbers():
    events = data_of(mg.record(net_2_2_1()[0]).html())["events"]
    assert events[4] == [16, "u1 = tanh(#15)", "tanh(0.9) = 0.7163"]
    (send,) = next(event for event in events[16:] if event[0] == 16)[2]
    assert send[:3] == [15, "∂#15 += ū1 (1 − u1²)", "−1.132 × (1 − 0.7163²) = −0.5512"]


def test_sums_say_what_they_wait_for():
    x = mg.Parameter(3.0, name="x")
    data = told(mg.record(x * x + x))
    sends = [
        [*[data["arrays"][i] if i >= 0 else "" for i in send[3:6]], send[6]]
        for event in data["events"][data["turn"] :]
        for send in event[2]
        if send[0] == 0
    ]
    assert sends == [
        ["1", "", "1", "first of 3 parts: waits for #1"],
        ["3", "1", "4", "second of 3 parts: waits for #1"],
        ["3", "4", "7", "complete: 3 parts"],
    ]


def test_what_a_mask_hides_is_not_sent():
    x = mg.Input([1.0, 0.0], name="x")
    data = told(mg.record(np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), 0.0).sum()))
    shown = {data["nodes"][send[0]][0]: data["arrays"][send[3]] for event in data["events"][data["turn"] :]
             for send in event[2]}  # fmt: skip
    assert shown["#0 x"] == [["1", "0"]]


@pytest.mark.parametrize("name", sorted(GRAPHS))
def test_what_is_known_at_a_step_is_what_the_record_says(name):
    drawn = mg.draw(GRAPHS[name]())
    record = drawn._record()
    data = told(record)
    for k in range(0, len(record.events) + 1, 1 + len(record.events) // 20):
        moment = record.at(k)
        for i, (_, _, _, _, known, complete, parts) in enumerate(data["nodes"]):
            assert (k >= known) == (moment.values[i] != NOT_YET)
            assert sum(event < k for event, _ in parts) == len(moment.arrived[i])
            if record.adjoints[i] is None:
                assert (complete, moment.adjoints[i]) == (-1, record.absences()[i])
            else:
                assert (k >= complete) == (moment.adjoints[i] != NOT_YET)


def test_without_adjoints_it_goes_through_the_fprops():
    x = mg.Input([1.0, 2.0], name="x")
    record = mg.record((x * 2).sum())
    for page in (
        mg.draw(penalized()).html(),
        mg.draw(x * 2).html(),
        mg.draw(x > 1).html(),
        mg.draw((x * 2).sum(), adjoints=False).html(),
        mg.draw(record, adjoints=False).html(),
    ):
        data = data_of(page)
        assert len(data["events"]) == data["turn"] > 0
        assert all(adjoint == -1 for *_, adjoint, _, _, _ in data["nodes"])
        assert "the adjoint, ∂output/∂node" not in page


def test_a_record_read_from_a_file_has_rules_without_numbers():
    record = mg.record(net_2_2_1()[0])
    read = Record.from_dict(json.loads(record.json()))
    assert read == record
    data, whole = data_of(read.html()), data_of(record.html())
    assert data["events"][4] == [16, "y = tanh x", ""]
    assert data["events"][20][2][0][1:3] == ["ā += ȳ", ""]
    assert data["nodes"] == whole["nodes"]


def test_large_arrays_are_summarized_and_tiny_numbers_are_nearly_zero():
    wide, large = mg.Input(np.arange(8.0), name="wide"), mg.Input(np.arange(100.0), name="large")
    tiny = mg.Input([1.0, -1e-13, 0.0], name="tiny")
    data = told(mg.record(wide.sum() + (large * 2).sum() + tiny.sum()))
    shown = {of[0].split()[1]: data["arrays"][of[2]] for of in data["nodes"]}
    assert shown["wide"] == "(8,) float64: 0 … 7  μ 3.5"
    assert shown["large"] == "(100,) float64: 0 … 99  μ 49.5; norm 573 (summarized)"
    assert shown["tiny"] == [["1", "~0", "0"]]


def test_names_end_no_script():
    hostile = "</script><script>alert(1)</script>\"'&\u2028<!--"
    x = mg.Parameter(2.0, name=hostile)
    with mg.scope(hostile):
        named = mg.record(x * x).html(title=hostile)
    for page in (named, mg.draw(odd()).html()):
        assert page.count("</script>") == 2
        assert "<script>" not in page
        assert "<!--" not in page
    assert hostile[:10] in json.dumps(data_of(mg.record(x * x).html()))


def test_size_and_bytes():
    page = mg.record(net_2_2_1()[0]).html()
    assert page == mg.record(net_2_2_1()[0]).html() == mg.draw(net_2_2_1()[0]).html()
    assert len(page.encode()) < 40_000
    assert len(mg.draw(layer(LSTM, 6)).html().encode()) < 160_000
    assert not re.search(r"https?:|//[a-z]", page.replace("http://www.w3.org/2000/svg", "").replace(" // ", ""))


def test_a_graph_computed_anew_is_drawn_again():
    x = mg.Input(2.0, name="x")
    y = x * x
    drawing = mg.draw(y)
    mg.Graph(y).fprop({x: 3.0})
    with pytest.raises(ValueError, match="draw it again"):
        drawing.html()


# In a browser --------------------------------------------------------------------------------------------------------


@pytest.fixture
def browse(tmp_path):
    """Open a page at a step in Chromium; what stands in it then, without its script and data."""
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt install chromium")

    def opened(page, step):
        file = tmp_path / "page.html"
        file.write_text(page, encoding="utf-8")
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
                   "--dump-dom", f"{file.as_uri()}#{step}"]  # fmt: skip
        run = subprocess.run(command, capture_output=True, check=True, timeout=60)
        return re.sub(r"<script.*?</script>", "", run.stdout.decode(), flags=re.DOTALL)

    return opened


def boxes_of(dom):
    """The lines of each box."""
    found = re.findall(r'<g class="(\w+-box[^"]*)"[^>]*><title>.*?</title><rect[^>]*>(.*?)</g>', dom, re.DOTALL)
    return [(kinds, [unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)", inside)]) for kinds, inside in found]


def panel_of(dom):
    """The lines of the panel."""
    inside = re.search(r'<div id="panel"[^>]*>(.*?)</div>', dom, re.DOTALL)[1]
    return [
        unescape(re.sub(r"<[^>]*>", "", part))
        for part in re.split(r"</(?:p|h\d)>", inside)
        if re.sub("<[^>]*>", "", part)
    ]


def test_a_browser_shows_what_is_known(browse):
    loss = net_2_2_1()[0]
    page = mg.record(loss).html()
    forward = browse(page, 5)
    assert panel_of(forward)[:4] == ["fprop of #16 u1 = tanh(#15)", "Rule", "u1 = tanh(#15)", "In numbers"]
    boxes = boxes_of(forward)
    assert next(lines for kinds, lines in boxes if "now" in kinds.split()) == ["16", "u1 = tanh", "0.7163", "∂ not yet"]
    assert next(lines for _, lines in boxes if "u2 = tanh" in lines)[2:] == ["not yet", "∂ not yet"]
    backward = browse(page, 25)
    assert panel_of(backward) == [
        "bprop of #19 = #8 × #1",
        "What arrived",
        "-0.8382 from #20 = #18 + #19",
        "To #8 w22",
        "w̄22 += ∂#19 · x2",
        "−0.8382 × 2 = −1.676",
        "sent: -1.676",
        "complete",
        "To #1 x2",
        "x̄2 += ∂#19 · w22",
        "−0.8382 × (−0.5) = 0.4191",
        "sent: 0.4191",
        "first of 2 parts: waits for #14",
    ]
    boxes = boxes_of(backward)
    assert next(lines for _, lines in boxes if "x2" in lines)[2:] == ["2", "∂ 1 of 2 parts"]
    assert next(lines for _, lines in boxes if "w22" in lines)[2:] == ["-0.5", "∂ -1.676"]
    last = browse(page, 9999)
    assert ">32 of 32<" in last
    assert "so far 0.4191 + now -0.1653 = 0.2538" in panel_of(browse(page, 30))
    assert [lines for _, lines in boxes_of(last)] == [lines for _, lines in boxes_of(mg.draw(loss).svg())]


DRIVER = """<script>
const out = {panels: [], boxes: [], painted: [], errors: []};
addEventListener("error", event => out.errors.push(event.message));
const press = key => document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
const at = () => document.getElementById("count").textContent;
const groups = [...document.querySelectorAll("#graph g.node")];
const state = () => groups.map(g => [...g.querySelectorAll("text")].map(t => t.textContent));
const watch = new MutationObserver(() => {});
watch.observe(document.getElementById("graph"), {characterData: true, childList: true, subtree: true});
press("Home");
for (let k = 0; ; k++) {
  out.panels.push(document.getElementById("panel").innerText.split(/\\n+/));
  out.boxes.push(state());
  watch.takeRecords();
  const before = at();
  press("ArrowRight");
  if (at() === before) break;
  out.painted.push(new Set(watch.takeRecords().map(r => r.target.closest("g"))).size);
}
out.reached = at();
press("b");
out.turn = at();
press("ArrowLeft");
out.left = at();
groups[0].dispatchEvent(new MouseEvent("click", {bubbles: true}));
out.clicked = at();
document.getElementById("last").click();
out.last = at();
out.wide = document.documentElement.scrollWidth <= innerWidth;
out.touch = Math.min(...[...document.querySelectorAll("#bar button")].flatMap(b => [b.offsetWidth, b.offsetHeight]));
const pre = document.createElement("pre");
pre.id = "out";
pre.textContent = JSON.stringify(out);
document.body.append(pre);
</script></body>"""


@pytest.mark.parametrize("graph", [net_2_2_1, expression, recurrent])
def test_by_keys_to_the_end(browse, graph):
    """At every step the boxes show the values that the engine computes, or "not yet"; only boxes that changed are painted."""
    loss = graph()[0]
    drawing = mg.draw(loss)
    dom = browse(drawing.html().replace("</body>", DRIVER), 0)
    out = json.loads(unescape(re.search(r'<pre id="out">(.*?)</pre>', dom, re.DOTALL)[1]))
    record = mg.record(
        loss, [node for node in in_order([loss]) if node.dtype.kind == "f" and not isinstance(node, mg.Constant)]
    )
    n, turn = len(record.events), sum(isinstance(event, Fprop) for event in record.events)
    assert out["errors"] == []
    assert (out["reached"], out["turn"], out["left"], out["last"]) == (
        f"{n} of {n}", f"{turn + 1} of {n}", f"{turn} of {n}", f"{n} of {n}")  # fmt: skip
    assert out["clicked"] != out["left"]
    assert out["wide"]
    assert out["touch"] >= 38
    assert len(out["panels"]) == n + 1
    before = None
    for k, shown in enumerate(out["boxes"]):
        moment = record.at(k)
        for box, lines in zip(drawing.diagram.boxes, shown, strict=True):
            faces = [face for face, _ in box.lines]
            told = [text for text in lines[1:] if text.strip()]
            if "value" in faces:
                node = record.nodes[box.node]
                value = [text for face, text in box.lines if face == "value"]
                assert (NOT_YET in told) == (moment.values[box.node] == NOT_YET)
                assert (value[0] in [text.replace("\u00a0", " ") for text in told]) == (NOT_YET not in told), node
            if "adjoint" in faces:
                final = next(text for face, text in box.lines if face == "adjoint")
                known = moment.adjoints[box.node] != NOT_YET  # a word why none comes stands from the start
                assert (final in [text.replace("\u00a0", " ") for text in told]) == known
        if before is not None:
            changed = sum(old != new for old, new in zip(before, shown, strict=True))
            assert out["painted"][k - 1] == changed
        before = shown


def test_hostile_names_do_not_run(browse):
    attack = "</title><img src=x onerror=document.title='run'><script>document.title='run'</script>"
    x = mg.Parameter(2.0, name=attack)
    dom = browse(mg.record(x * x, None).html(), 2)
    assert "<title>run</title>" not in dom
    assert "<img" not in dom
    assert "of 2<" in dom
