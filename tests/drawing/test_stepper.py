"""The page that steps through a record: what it says at every step is what the engine computes."""

import json
import re
import shutil
import subprocess
from html import unescape
from itertools import pairwise

import numpy as np
import pytest

import minigrad as mg
from minigrad.drawing import Record
from minigrad.drawing.absence import NOT_YET
from minigrad.drawing.events import Fprop, record_forward
from minigrad.drawing.packing import packed
from minigrad.drawing.stepper import told
from minigrad.drawing.summary import number
from minigrad.models import GRU, LSTM
from minigrad.numbering import in_order
from tests.drawing.graphs import GRAPHS, expression, layer, net_2_2_1, odd, penalized, recurrent

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def data_of(page):
    """The data in a page."""
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def cells(array):
    """An array as the page shows it: nested lists of text."""
    array = np.asarray(array)
    return number(array[()]) if array.ndim == 0 else [cells(part) for part in array]


def sends_to(story, child):
    """What a child is sent: what is sent, the sum with it, what is missing."""
    for event in story["events"][story["turn"] :]:
        for sent in event[1]:
            if sent[0] == child:
                now, after, status = [*sent[3:6], -1, ""][:3] if len(sent) == 4 else sent[3:6]
                yield story["arrays"][now], story["arrays"][after] if after >= 0 else "", status


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
    story = told(mg.record(loss, list(found.values())))
    shown, turn = story["arrays"], story["turn"]
    checked = 0
    for i, node in enumerate(nodes):
        assert shown[story["nodes"][i][2]] == cells(node.value)
    for i, rule, numbers, *_ in story["events"][:turn]:
        assert rule
        if nodes[i].shape == ():
            assert in_words(numbers) == pytest.approx(float(nodes[i].value), rel=2e-3, abs=1e-3) or "since" in numbers
    for i, sends, *_ in story["events"][turn:]:
        assert shown[story["nodes"][i][3]] == cells(adjoints[i].value)
        assert all(rule for _, rule, *_ in sends)
    for child, of_node in enumerate(story["nodes"]):
        sent = list(sends_to(story, child))
        assert len(sent) == len(of_node[6])
        if len(sent) == 1:
            assert sent[0] == (cells(adjoints[child].value), "", "")
            checked += 1
        if len(sent) > 1:
            assert sent[-1][1:] == (cells(adjoints[child].value), f"complete: {len(sent)} parts")
            assert sent[0][0] == sent[0][1]
            checked += 1
            for (_, before, _), (now, after, _) in pairwise(sent):
                if nodes[child].shape == ():
                    assert float(before) + float(now) == pytest.approx(float(after), rel=2e-3, abs=2e-3)
    assert checked == sum(1 for of_node in story["nodes"] if of_node[6])


def test_the_rule_of_the_notes_in_numbers():
    events = told(mg.record(net_2_2_1()[0]))["events"]
    assert events[4] == [16, "u1 = tanh(#15)", "tanh(0.9) = 0.7163"]
    (send,) = next(event for event in events[16:] if event[0] == 16)[1]
    assert send[:3] == [15, "∂#15 += ū1 (1 − u1²)", "−1.132 × (1 − 0.7163²) = −0.5512"]


def test_sums_say_what_they_wait_for():
    x = mg.Parameter(3.0, name="x")
    assert list(sends_to(told(mg.record(x * x + x)), 0)) == [
        ("1", "1", "first of 3 parts: waits for #1"),
        ("3", "4", "second of 3 parts: waits for #1"),
        ("3", "7", "complete: 3 parts"),
    ]


def test_what_a_mask_hides_is_not_sent():
    x = mg.Input([1.0, 0.0], name="x")
    story = told(mg.record(np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), 0.0).sum()))
    assert list(sends_to(story, 0)) == [(["1", "0"], "", "")]


@pytest.mark.parametrize("name", sorted(GRAPHS))
def test_what_is_known_at_a_step_is_what_the_record_says(name):
    drawn = mg.draw(GRAPHS[name]())
    record = drawn._record()
    data = told(record)
    for k in range(0, len(record.events) + 1, 1 + len(record.events) // 20):
        moment = record.at(k)
        for i, (_, _, _, _, known, complete, parts, *_) in enumerate(data["nodes"]):
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
        assert all(of_node[3] == -1 for of_node in data["nodes"])
        assert "the adjoint, ∂output/∂node" not in page


def test_a_record_read_from_a_file_has_rules_without_numbers():
    record = mg.record(net_2_2_1()[0])
    read = Record.from_dict(json.loads(record.json()))
    assert read == record
    data, whole = told(read), told(record)
    assert data["events"][4] == [16, "y = tanh x", ""]
    assert data["events"][20][1][0][1:3] == ["ā += ȳ", ""]
    assert data["nodes"] == whole["nodes"]
    assert "y = tanh x" in read.html()


def test_large_arrays_are_summarized_and_tiny_numbers_are_nearly_zero():
    wide, large = mg.Input(np.arange(8.0), name="wide"), mg.Input(np.arange(100.0), name="large")
    tiny = mg.Input([1.0, -1e-13, 0.0], name="tiny")
    data = told(mg.record(wide.sum() + (large * 2).sum() + tiny.sum()))
    shown = {of[0].split()[1]: data["arrays"][of[2]] for of in data["nodes"]}
    assert shown["wide"] == ["0", "1", "2", "3", "4", "5", "6", "7"]
    assert shown["large"] == "(100,) float64: 0 … 99  μ 49.5; norm 573 (summarized)"
    assert shown["tiny"] == ["1", "~0", "0"]


ENTRIES = [0.0, -0.0, 1.5, -0.25, 1e-5, 1.25e20, 12345.0, np.nan, np.inf, -np.inf, 3, True, 0.1]


@pytest.mark.parametrize("text", [number(entry) for entry in ENTRIES])
def test_packed_numbers_are_the_text_again(text):
    """A lone number is one of JSON only where JavaScript writes it alike; a list leaves out zeros before points, and repeats."""
    story = {
        "nodes": [],
        "events": [],
        "loops": [],
        "turn": 0,
        "sums": {},
        "arrays": [text, [[text, text], ["1", "2"]]],
    }
    lone, listed = packed(story)["arrays"]
    assert lone == text or json.dumps(lone) == text
    assert isinstance(lone, str) == (text in ("-0", "1e-05", "1.25e+20", "1.234e+04", "nan", "inf", "-inf", "True"))
    shape, _, entries = listed.partition(":")
    first, *others = entries.split()
    assert (shape, others[-1]) == ("2,2", "2")
    assert re.sub(r"^(-?)\.", r"\g<1>0.", first.partition("*")[0]) == text


def test_steps_share_their_rules():
    """Another step adds the places it slices, and no rule."""
    texts = [packed(told(mg.record(layer(LSTM, length))))["texts"] for length in (4, 8)]
    assert len(texts[0]) < 100
    assert len(texts[1]) - len(texts[0]) <= 4 * 3


def test_the_story_of_pieces_stores_no_sums():
    """What pieces of an array add up to is told by what they are."""
    x = mg.Parameter(np.arange(1.0, 9.0), name="x")
    story = told(mg.record((x[:3] ** 2).sum() + (x[3:5] ** 2).sum() + (x[5:] ** 2).sum()))
    sums = [after for _, after, _ in sends_to(story, 0)]
    assert sums[0] == ["0"] * 5 + ["12", "14", "16"]
    assert sums[1] == ["0"] * 3 + ["8", "10", "12", "14", "16"]
    assert sums[1] in [story["arrays"][place] for place in story["sums"]]


def test_the_strip_leads_to_every_step():
    record = mg.record(layer(LSTM, 6))
    story = told(record)
    ((title, steps),) = story["loops"]
    assert title == "lstm"
    assert [step for step, _, _ in steps] == [1, 2, 3, 4, 5, 6]
    for k, (step, forward, backward) in enumerate(steps):
        for event in (forward, backward):
            node = story["events"][event - 1][0]
            assert record.nodes[node].step == step
            assert story["nodes"][node][7] == (0, k)
        assert not any(record.nodes[event.node].step == step for event in record.events[: forward - 1])
    assert [backward for _, _, backward in steps] == sorted([backward for _, _, backward in steps], reverse=True)
    assert told(mg.record(net_2_2_1()[0]))["loops"] == []
    second = told(record_forward(penalized()))
    assert [title for title, _ in second["loops"]][:2] == ["rnn", "rnn · adjoints"]
    assert {title for title, _ in second["loops"]} >= {"rnn · adjoints of adjoints"}


def test_a_transposed_parameter_is_called_by_its_name():
    story = told(mg.record(recurrent(2)[0]))
    assert "#5 = Wᵀ" in [of_node[0] for of_node in story["nodes"]]


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
    assert not re.search(r"https?:|//[a-z]", page.replace("http://www.w3.org/2000/svg", ""))


@pytest.mark.parametrize("graph", [lambda: layer(LSTM, 6), lambda: layer(GRU, 6), lambda: recurrent(11)[0]])
def test_a_page_of_a_hundred_nodes(graph):
    record = mg.record(graph())
    assert len(record.nodes) > 90
    assert len(record.html().encode()) < 145_000 * max(1, len(record.nodes) / 105)


@pytest.mark.parametrize("graph", [lambda: layer(LSTM, 32), lambda: recurrent(61)[0]])
def test_a_page_of_five_hundred_nodes(graph):
    record = mg.record(graph())
    assert 490 < len(record.nodes) < 510
    assert len(record.html().encode()) < 640_000


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
    found = re.findall(r'<g class="(\w+-box[^"]*)" transform[^>]*>(.*?)</g>', dom, re.DOTALL)
    return [(kinds, [unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)", inside)]) for kinds, inside in found]


def panel_of(dom):
    """The lines of the panel."""
    inside = re.search(r'<div id="panel"[^>]*>(.*?)</div>', dom, re.DOTALL)[1]
    return [
        unescape(re.sub(r"<[^>]*>", "", part))
        for part in re.split(r"</(?:p|h\d)>", inside)
        if re.sub("<[^>]*>", "", part)
    ]


ORDER = "bprops go in the reverse order of births, so all parts are there before a node sends on"


def test_a_browser_shows_what_is_known(browse):
    loss = net_2_2_1()[0]
    page = mg.record(loss).html()
    forward = browse(page, 5)
    assert panel_of(forward) == [
        "fprop of #16 u1 = tanh(#15)",
        "Rule",
        "u1 = tanh(#15)",
        "In numbers",
        "tanh(0.9) = 0.7163",
        "It reads",
        "#15 = #13 + #14: 0.9",
        "Its value",
        "0.7163",
        "Why now",
        "its child is known, #15, since step 4",
    ]
    whys = {step: panel_of(browse(page, step))[-1] for step in (1, 4)}
    assert whys[1] == "all children known: #4, #0; from the start"
    assert whys[4] == "all children known: #13, #14; the last of them, #14, came at step 3"
    boxes = boxes_of(forward)
    assert next(lines for kinds, lines in boxes if "now" in kinds.split()) == ["16", "u1 = tanh", "0.7163", "∂ not yet"]
    assert next(lines for _, lines in boxes if "u2 = tanh" in lines)[2:] == ["not yet", "∂ not yet"]
    backward = browse(page, 25)
    assert panel_of(backward) == [
        "bprop of #19 = #8 × #1",
        "What arrived",
        "-0.8382 from #20 = #18 + #19",
        "Why now",
        f"its adjoint has arrived, at step 24; {ORDER}",
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
    assert next(lines for _, lines in boxes if "x2" in lines)[2:] == ["2", "∂ 1 of 2"]
    assert next(lines for _, lines in boxes if "w22" in lines)[2:] == ["-0.5", "∂ -1.676"]
    last = browse(page, 9999)
    assert ">32 of 32<" in last
    assert "so far 0.4191 + now -0.1653 = 0.2538" in panel_of(browse(page, 30))
    still = re.sub(r"<title>.*?</title>", "", mg.draw(loss).svg(), flags=re.DOTALL)
    assert [lines for _, lines in boxes_of(last)] == [lines for _, lines in boxes_of(still)]
    assert [lines for _, lines in boxes_of(page)] == [lines for _, lines in boxes_of(still)]  # without a script


DRIVER = """<script>
const out = {panels: [], boxes: [], painted: [], flows: [], told: [], errors: []};
addEventListener("error", event => out.errors.push(event.message));
const press = key => document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
const panel = document.getElementById("panel"), at = () => +document.getElementById("step").dataset.step;
const groups = [...document.querySelectorAll("#graph [data-node]")];
const state = () => groups.map(g => [...g.querySelectorAll("text")].map(t => t.textContent));
const values = e => [...e.querySelectorAll("[data-value]"), ...e.matches("[data-value]") ? [e] : []].map(e => e.dataset.value);
const told = () => [...panel.querySelectorAll("[data-is]")].map(e =>
  ({is: e.dataset.is, child: e.closest("section")?.dataset.child ?? null, of: e.dataset.node || e.dataset.from, values: values(e)}));
function finish() {
  const pre = document.createElement("pre");
  pre.id = "out";
  pre.textContent = JSON.stringify(out);
  document.body.append(pre);
}
BODY
finish();
</script></body>"""

WALK = """
const watch = new MutationObserver(() => {});
watch.observe(document.getElementById("graph"), {characterData: true, childList: true, subtree: true});
press("Home");
for (let k = 0; ; k++) {
  out.panels.push({event: panel.dataset.event, node: panel.dataset.node});
  out.told.push(told());
  out.boxes.push(state());
  out.flows.push([...document.querySelectorAll(".flow")].map(e => [e.classList.contains("back"), +e.dataset.from, +e.dataset.to]));
  watch.takeRecords();
  const before = at();
  press("ArrowRight");
  if (at() === before) break;
  out.painted.push(new Set(watch.takeRecords().map(r => r.target.closest("[data-node]")).filter(Boolean)).size);
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
press("Home");
press("End");
out.end = at();
press("Home");
press(" ");
out.playing = document.getElementById("play").getAttribute("aria-label");
press(" ");
out.wide = document.documentElement.scrollWidth <= innerWidth;
out.touch = Math.min(...[...document.querySelectorAll("#bar button, #strip button, summary")].flatMap(b => [b.offsetWidth, b.offsetHeight]).filter(x => x));
out.live = panel.getAttribute("aria-live");
"""


@pytest.fixture
def driven(browse):
    """What a script in the page sees of it."""

    def run(page, body, step=0):
        dom = browse(page.replace("</body>", DRIVER.replace("BODY", body)), step)
        out = json.loads(unescape(re.search(r'<pre id="out">(.*?)</pre>', dom, re.DOTALL)[1]))
        assert out["errors"] == []
        return out

    return run


def flat(array):
    """The entries of an array as the page writes them, row by row."""
    return [number(entry) for entry in np.asarray(array).ravel()]


def check_panel(record, nodes, adjoints, event, told):
    """What the panel says of an event is what the engine computes."""
    of = {}
    for part in told:
        of.setdefault((part["is"], part["child"]), []).append(part)
    (why,) = of[("why", None)]
    assert why["values"] == []
    if isinstance(event, Fprop):
        (value,) = of[("value", None)]
        assert value["values"] == flat(nodes[event.node].value)
        for part in of[("reads", None)]:
            assert part["values"] == flat(nodes[int(part["of"])].value)
        return
    arrived = [part["values"] for part in of.get(("arrived", None), [])]
    whole = of[("adjoint", None)][0]["values"] if len(arrived) != 1 else arrived[0]
    assert whole == flat(adjoints[event.node].value)
    for sent in event.sends:
        parts = of[("sent", str(sent.child))]
        assert flat(record.arrays[sent.array].array()) in [part["values"] for part in parts]
        assert ("rule", str(sent.child)) in of
        assert ("status", str(sent.child)) in of


@pytest.mark.parametrize(
    "graph", [lambda: net_2_2_1()[0], lambda: expression()[0], lambda: recurrent()[0], lambda: layer(LSTM, 2)]
)
def test_by_keys_to_the_end(driven, graph):
    """At every step boxes, panel and arrows show what the engine does, or "not yet"; only boxes that changed are painted."""
    loss = graph()
    drawing = mg.draw(loss)
    out = driven(drawing.html(), WALK)
    nodes = in_order([loss])
    found = [i for i, node in enumerate(nodes) if node.dtype.kind == "f" and not isinstance(node, mg.Constant)]
    record = mg.record(loss, [nodes[i] for i in found])
    adjoints = dict(zip(found, mg.gradients(loss, [nodes[i] for i in found]), strict=True))
    n, turn = len(record.events), sum(isinstance(event, Fprop) for event in record.events)
    assert (out["reached"], out["turn"], out["left"], out["last"], out["end"]) == (n, turn + 1, turn, n, n)
    assert out["clicked"] != out["left"]
    assert (out["playing"], out["live"], out["wide"]) == ("pause", "polite", True)
    assert out["touch"] >= 38
    assert len(out["panels"]) == n + 1
    before = None
    for k, shown in enumerate(out["boxes"]):
        moment = record.at(k)
        for box, lines in zip(drawing.diagram.boxes, shown, strict=True):
            faces = [face for face, _ in box.lines]
            told = [text.replace("\u00a0", " ") for text in lines[1:] if text.strip()]
            if "value" in faces:
                value = [text for face, text in box.lines if face == "value"]
                assert (NOT_YET in told) == (moment.values[box.node] == NOT_YET)
                assert (value[0] in told) == (NOT_YET not in told), record.nodes[box.node]
            if "adjoint" in faces:
                final = next(text for face, text in box.lines if face == "adjoint")
                assert (final in told) == (moment.adjoints[box.node] != NOT_YET)
        if before is not None:
            assert out["painted"][k - 1] == sum(old != new for old, new in zip(before, shown, strict=True))
        before = shown
    assert out["panels"][0] == {"event": "start", "node": ""}
    assert out["flows"][0] == []
    operands = record.flow.operands()
    drawn = {
        (drawing.diagram.boxes[a.source].node, drawing.diagram.boxes[a.target].node) for a in drawing.diagram.arrows
    }
    for event, panel, flows, told in zip(
        record.events, out["panels"][1:], out["flows"][1:], out["told"][1:], strict=True
    ):
        back = not isinstance(event, Fprop)
        assert panel == {"event": "bprop" if back else "fprop", "node": str(event.node)}
        near = [sent.child for sent in event.sends] if back else operands[event.node]
        assert {a if b == event.node else b for _, a, b in flows} <= set(near)
        assert all(is_back == back for is_back, _, _ in flows)
        carried = {(b, a) if back else (a, b) for _, a, b in flows}
        assert carried == {(child, event.node) for child in near if (child, event.node) in drawn}
        check_panel(record, nodes, adjoints, event, told)


LIGHT = """
const read = id => [...document.querySelectorAll(id)];
out.told = [];
for (const cell of read("#panel [data-is='value'] [data-value], #panel [data-is='sent'][data-value], #panel [data-is='sent'] [data-value]")) {
  const tables = read("#panel [data-array]");
  cell.dispatchEvent(new PointerEvent("pointerover", {bubbles: true}));
  const hovered = document.getElementById("entry").textContent;
  const lit = read("#panel .lit").map(e => [tables.indexOf(e.closest("[data-array]")), e.dataset.at]);
  document.body.focus();
  panel.dispatchEvent(new PointerEvent("pointerleave"));
  const left = document.getElementById("entry").textContent + read("#panel .lit").length;
  if (cell.tabIndex < 0 && cell.nodeName === "TD") cell.focus();
  out.told.push({value: cell.dataset.value, at: cell.dataset.at, hovered, left, lit, focused: document.getElementById("entry").textContent});
  cell.blur?.();
}
"""


def summed(text):
    """The sum that is written: its terms, and what it is said to be."""
    at, terms, value = re.fullmatch(r"(?:\[(.*?)\] )?(?:(.*) )?= (.*)", text).groups()
    as_number = lambda text: float(text.strip("()").replace("−", "-"))  # noqa: E731
    return (
        at,
        [as_number(a) * as_number(b) for a, b in (term.split("·") for term in terms.split(" + "))],
        as_number(value),
    )


PRODUCTS = {
    "matrices": lambda rng: (rng.normal(size=(2, 3)), rng.normal(size=(3, 7))),
    "a matrix and a vector": lambda rng: (rng.normal(size=(2, 3)), rng.normal(size=3)),
    "a vector and a matrix": lambda rng: (rng.normal(size=3), rng.normal(size=(3, 2))),
    "vectors": lambda rng: (rng.normal(size=3), rng.normal(size=3)),
    "many rows": lambda rng: (rng.normal(size=(2, 2, 3)), rng.normal(size=(3, 2))),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_an_entry_of_a_product_lights_its_row_and_column(driven, name):
    a, b = (mg.Parameter(x, name=n) for n, x in zip("ab", PRODUCTS[name](np.random.default_rng(0)), strict=True))
    weights = np.random.default_rng(1).normal(size=(a @ b).shape)
    record = mg.record((a @ b * weights).sum())
    page = record.html()
    (forward,) = (
        i + 1
        for i, event in enumerate(record.events)
        if record.nodes[event.node].operation == "MatMul" and isinstance(event, Fprop)
    )
    (backward,) = (
        i + 1
        for i, event in enumerate(record.events)
        if record.nodes[event.node].operation == "MatMul" and not isinstance(event, Fprop)
    )
    product, k = a.value @ b.value, a.value.shape[-1]
    told = driven(page, LIGHT, forward)["told"]
    assert [one["value"] for one in told] == flat(product)
    for one, index in zip(told, np.ndindex(product.shape), strict=True):
        at, terms, value = summed(one["hovered"])
        assert (at or "") == one["at"] == ", ".join(map(str, index))
        assert len(terms) == k
        assert sum(terms) == pytest.approx(value, rel=1e-2, abs=2e-3)
        assert value == pytest.approx(product[index], rel=1e-3)
        assert one["left"] == "0"
        assert len(one["lit"]) == 2 * k
        row, column = ([place for table, place in one["lit"] if table == t] for t in (0, 1))
        first = index[: a.value.ndim - 1]
        last = index[a.value.ndim - 1 :]
        assert row == [", ".join(map(str, (*first, j))) for j in range(k)]
        assert sorted(column) == sorted([", ".join(map(str, (j, *last))) for j in range(k)])
        if index:
            assert one["focused"] == one["hovered"]
    told = driven(page, LIGHT, backward)["told"]
    sent = [*mg.gradients((a @ b * weights).sum(), [a, b])]
    assert sorted([one["value"] for one in told]) == sorted(flat(sent[0].value) + flat(sent[1].value))
    for one in told:
        _, terms, value = summed(one["hovered"])
        assert sum(terms) == pytest.approx(value, rel=1e-2, abs=2e-3)
        assert len(one["lit"]) in (2 * len(terms), len(terms) + 1)


def test_a_matrix_times_itself(driven):
    a = mg.Parameter([[1.0, 2.0], [3.0, 4.0]], name="a")
    page = mg.record((a @ a * [[1.0, 5.0], [7.0, 9.0]]).sum()).html()
    assert [one["hovered"] for one in driven(page, LIGHT, 1)["told"]] == [
        "[0, 0] 1·1 + 2·3 = 7",
        "[0, 1] 1·2 + 2·4 = 10",
        "[1, 0] 3·1 + 4·3 = 15",
        "[1, 1] 3·2 + 4·4 = 22",
    ]
    assert [one["hovered"] for one in driven(page, LIGHT, 6)["told"]][::4] == [
        "[0, 0] 1·1 + 5·2 = 11",  # what arrived, times a transposed
        "[0, 0] 1·1 + 3·7 = 22",  # a transposed, times what arrived
    ]


ARRAYS = """
out.tables = [...document.querySelectorAll("#panel table")].map(table => ({
  kind: table.className,
  rows: [...table.rows].map(row => row.cells.length),
  text: table.textContent,
  cells: [...table.querySelectorAll("td")].map(td => [td.dataset.value, td.className, td.style.getPropertyValue("--heat")]),
}));
const cell = document.querySelector("#panel table.cells td");
cell.dispatchEvent(new PointerEvent("pointerover", {bubbles: true}));
out.hovered = document.getElementById("entry").textContent;
cell.closest("table").focus();
const press2 = key => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
press2("ArrowRight");
out.first = document.getElementById("entry").textContent;
press2("ArrowRight");
out.second = document.getElementById("entry").textContent;
press2("ArrowDown");
out.third = document.getElementById("entry").textContent;
out.step = at();
out.looks = ["plus", "minus"].map(kind => getComputedStyle(document.querySelector(kind === "minus" ? ".cells .minus" : ".cells td:not(.minus)") || panel).backgroundImage);
"""


def test_arrays_are_heat_maps(driven):
    """Digits up to 6 columns; above that cells whose entry is told on hover and on focus, a minus by hatching."""
    small = mg.Input([[1.0, -2.0, 0.5, 1e-14, np.nan, 0.0]] * 2, name="small")
    wide = mg.Input(np.array([[4.0, -2.0, 0.0, 1.0, 1.0, 1.0, 1.0], [8.0, 1.0, 1.0, 1.0, 1.0, 1.0, -8.0]]), name="wide")
    row = mg.Input(np.linspace(1.0, 2.0, 40), name="row")
    with np.errstate(all="ignore"):
        loss = (np.concatenate([small, wide], axis=1).sum() + row.sum()) * 1.0
    record = mg.record(loss)
    out = driven(record.html(), ARRAYS, 1)
    digits, cells_of, both = out["tables"]
    assert (digits["kind"], cells_of["kind"]) == ("", "cells")
    assert digits["text"] == ("1-20.5~0nan0") * 2
    assert cells_of["text"] == ""
    assert [cell[0] for cell in cells_of["cells"]][:3] == ["4", "-2", "0"]
    assert [cell[1:] for cell in cells_of["cells"]][:3] == [["", "0.5"], ["minus", "0.25"], ["", "0"]]
    assert cells_of["cells"][-1] == ["-8", "minus", "1"]
    assert both["rows"] == [13, 13]
    assert "nan" not in both["text"]
    assert out["hovered"] == "[0, 0] = 4"
    assert (out["first"], out["second"], out["third"], out["step"]) == ("[0, 0] = 4", "[0, 1] = −2", "[1, 1] = 1", 1)
    assert [look.startswith("repeating-linear-gradient") for look in out["looks"]] == [False, True]
    place = next(
        i for i, event in enumerate(record.events) if 40 in record.nodes[record.flow.operands()[event.node][0]].shape
    )
    out = driven(record.html(), ARRAYS, place + 1)
    assert out["tables"][0]["rows"] == [32, 8]


STRIP = """
const buttons = [...document.querySelectorAll("#strip button")], now = () => document.querySelector("#strip [aria-current]")?.textContent;
out.names = buttons.map(b => b.textContent);
out.opened = [at(), now()];
press("Home");
out.start = [at(), now() ?? ""];
buttons[2].click();
out.forward = [at(), now()];
press("b");
buttons[3].click();
out.backward = [at(), now()];
"""


def test_the_strip_of_steps(driven):
    record = mg.record(layer(LSTM, 6))
    ((_, steps),) = told(record)["loops"]
    out = driven(record.html(), STRIP, 28)
    assert out["names"] == ["1", "2", "3", "4", "5", "6"]
    assert out["opened"] == [28, str(record.nodes[record.events[27].node].step)]
    assert out["start"] == [0, ""]
    assert out["forward"] == [steps[2][1], "3"]
    assert out["backward"] == [steps[3][2], "4"]


BUSY = """
const watch = new MutationObserver(() => {});
for (const id of ["graph", "strip"])
  watch.observe(document.getElementById(id), {attributes: true, characterData: true, childList: true, subtree: true});
const {last, turn} = document.getElementById("step").dataset, scrub = document.getElementById("scrub");
const looks = () => groups.map(g => g.getAttribute("class") + [...g.querySelectorAll("text")].map(t => t.textContent));
const box = record => record.target.closest("[data-node]");
out.nodes = groups.length;
out.counts = [];
for (const k of [...Array(40).keys(), +turn, +turn + 1, +turn + 2, +turn + 30, last - 3, last - 2, last - 1]) {
  scrub.value = k;
  scrub.dispatchEvent(new Event("input"));
  const before = looks();
  watch.takeRecords();
  press("ArrowRight");
  const records = watch.takeRecords(), after = looks(), changed = groups.filter((_, i) => before[i] !== after[i]);
  const touched = new Set(records.map(box).filter(Boolean)), others = records.filter(record => !box(record));
  out.counts.push([touched.size, changed.length, changed.filter(g => touched.has(g)).length, others.length]);
}
"""


def test_a_step_repaints_only_what_changed(driven):
    """At 500 nodes a step touches the boxes that look different afterwards, the arrows it draws, and two buttons of the strip."""
    record = mg.record(layer(LSTM, 32))
    assert len(record.nodes) > 490
    out = driven(record.html(), BUSY)
    assert out["nodes"] > 500
    for touched, changed, both, others in out["counts"]:
        assert touched == changed == both
        assert others <= 5
    assert np.median([touched for touched, *_ in out["counts"]]) <= 6


def test_hostile_names_do_not_run(browse):
    attack = "</title><img src=x onerror=document.title='run'><script>document.title='run'</script>"
    x = mg.Parameter(2.0, name=attack)
    dom = browse(mg.record(x * x, None).html(), 2)
    assert "<title>run</title>" not in dom
    assert "<img" not in dom
    assert "of 2<" in dom
