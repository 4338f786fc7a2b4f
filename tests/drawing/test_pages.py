"""Pages in a browser: stepped by keys to the end, and at every step what is shown is what the engine computes afresh."""

import os
from collections import Counter

import numpy as np
import pytest

import minigrad as mg
from minigrad.drawing.diagram import without_ends
from minigrad.drawing.events import LARGEST
from minigrad.drawing.picture import VIEWS
from minigrad.models import LSTM
from tests.drawing import graphs
from tests.drawing.browser import SIZES, THEMES, opened
from tests.drawing.truth import NOT_YET, Truth, agree, in_words

pytestmark = [pytest.mark.browser]


class Reading:
    """Reads a page from step to step, and knows what it must have shown by then."""

    def __init__(self, outputs, *, leaves=False):
        self.truth = Truth(outputs, leaves=leaves)
        self.shown = {}  # of each box what it shows
        self.done = [not children for children in self.truth.operands]
        self.come = [[] for _ in self.truth.nodes]
        self.swept = set()
        self.checked = {}  # of each box what was right

    def check(self, seen):
        """One step: the event may happen now, its panel is right, and so is every box."""
        self.shown.update(dict(seen["boxes"]))
        if seen["event"] == "fprop":
            self.fprop(seen)
        elif seen["event"] == "bprop":
            self.bprop(seen)
        assert len(self.shown) == seen["n_boxes"]
        for i, box in self.shown.items():
            node = box["node"]
            state = box, self.done[node], len(self.come[node]), all(self.done)
            if self.checked.get(i) != state:
                self.box(box)
                self.checked[i] = state

    def fprop(self, seen):
        node, truth = seen["node"], self.truth
        assert all(self.done[child] for child in truth.operands[node]), "a child has no value yet"
        assert not self.done[node], "once is enough"
        self.done[node] = True
        (value,) = of(seen, "value")
        assert agree(value["array"], truth.values[node])
        children = list(dict.fromkeys(truth.operands[node]))
        reads = of(seen, "reads")
        assert [int(part["node"]) for part in reads] == children[: len(reads)]
        assert len(reads) >= min(len(children), 12)
        assert all(agree(part["array"], truth.values[int(part["node"])]) for part in reads)
        assert of(seen, "rule")
        self.numbers(of(seen, "numbers"), truth.values[node])

    def bprop(self, seen):
        node, truth = seen["node"], self.truth
        assert all(self.done), "every value is known before the first bprop"
        assert node not in self.swept, "once is enough"
        self.swept.add(node)
        assert Counter(sender for sender, _ in self.come[node]) == Counter(truth.parts[node]), "all parts have arrived"
        arrived = of(seen, "arrived")
        assert [int(part["from"]) for part in arrived] == [sender for sender, _ in self.come[node]]
        assert all(
            agree(part["array"], array, self.scale(node))
            for part, (_, array) in zip(arrived, self.come[node], strict=True)
        )
        if len(arrived) != 1:
            (whole,) = of(seen, "adjoint")
            assert agree(whole["array"], truth.adjoints[node], self.scale(node))
        sends = truth.sends[node]
        groups = sections(seen)
        assert [child for child, _ in groups] == [child for child, _ in sends]
        for (child, parts), (_, sent) in zip(groups, sends, strict=True):
            self.send(node, child, sent, parts)

    def send(self, node, child, sent, parts):
        """One child: what is sent, and "so far + now = sum"."""
        before = [array for _, array in self.come[child]]
        self.come[child].append((node, sent))
        scale = self.scale(child)
        assert agree(parts["sent"]["array"], sent, scale)
        whole = np.size(sent) <= LARGEST  # of others only summaries are stored, and not of all sums
        assert ("before" in parts) == ("sum" in parts)
        assert ("before" in parts) == bool(before) or not whole
        for kind, array in (("before", sum(before)), ("sum", sum(before) + sent)) if "before" in parts else ():
            assert agree(parts[kind]["array"], array, scale) or (not whole and parts[kind]["said"] == "not stored")
        complete = len(self.come[child]) == len(self.truth.parts[child])
        status = parts["status"]["said"]
        assert ("complete" in status) == complete
        assert ("waits for" in status) == (not complete)
        if not complete:
            missing = Counter(self.truth.parts[child]) - Counter(sender for sender, _ in self.come[child])
            assert all(int(number) in missing for number in numbers_after_hash(status))
        self.numbers([parts["numbers"]] if "numbers" in parts else [], sent)

    def numbers(self, parts, array):
        """A rule in numbers ends in the value, where that is a number."""
        for part in parts:
            if np.shape(array) == () and " = " in part["said"]:
                assert in_words(part["said"].rpartition(" = ")[2].partition(",")[0].partition(" since")[0], array)

    def scale(self, node):
        """The largest number that was added up to the adjoint of a node: rounding is relative to it."""
        arrays = [array for _, array in self.come[node]] + [self.truth.adjoints[node]]
        return max([np.abs(array[np.isfinite(array)]).max(initial=0.0) for array in map(np.asarray, arrays)])

    def box(self, box):
        node, truth = box["node"], self.truth
        if box["value"]:
            text = " ".join(box["value"])
            assert (text == NOT_YET) == (not self.done[node]), f"#{node}: {text}"
            assert text == NOT_YET or in_words(text, truth.values[node]), f"#{node}: {text}"
        if box["adjoint"]:
            text = " ".join(box["adjoint"]).removeprefix("∂").strip()
            if node not in truth.adjoints:
                assert text == "no path"
                return
            n, k = len(truth.parts[node]), len(self.come[node])
            known = k == n and (n > 0 or all(self.done))
            if known:
                assert in_words(text, truth.adjoints[node], self.scale(node)), f"#{node}: {text}"
            else:
                assert text == (f"{k} of {n}" if k else NOT_YET), f"#{node}: {text}"


def of(seen, kind):
    """The parts of a panel of that kind that belong to no send."""
    return [part for part in seen["parts"] if part["is"] == kind and part["child"] is None]


def sections(seen):
    """The sends of a bprop, as (child, its parts by kind)."""
    found = []
    for part in seen["parts"]:
        if part["child"] is not None:
            if not found or part["is"] in found[-1][1] or found[-1][0] != int(part["child"]):
                found.append((int(part["child"]), {}))
            found[-1][1][part["is"]] = part
    return found


def numbers_after_hash(text):
    return [word.strip("#,") for word in text.split() if word.startswith("#")]


def read_to_the_end(reading, steps):
    """All steps of a page, in order, without a fault in how they look."""
    for k, seen in enumerate(steps):
        assert seen["step"] == k
        assert seen["event"] == ("start" if k == 0 else "fprop" if k <= seen["turn"] else "bprop")
        try:
            reading.check(seen)
        except AssertionError as error:
            raise AssertionError(f"step {k}: {error}") from error
        assert seen["faults"] == [], f"step {k}"
    assert steps[-1]["step"] == steps[-1]["last"]
    assert all(reading.done)
    assert reading.swept == set(reading.truth.sends)


SOME = [
    "one leaf",
    "2-2-1",
    "expression",
    "recurrent",
    "LSTM 3",
    "classifier",
]
STEPPED = [*graphs.ALL] if os.environ.get("MINIGRAD_PAGES") == "all" else SOME


@pytest.mark.parametrize("name", STEPPED)
def test_every_step_shows_what_the_engine_computes(browser, name):
    page = mg.draw(graphs.ALL[name]()).html()
    for theme, size in zip(THEMES, SIZES, strict=True):
        with opened(browser, page, size=size, theme=theme) as shown:
            read_to_the_end(Reading(graphs.ALL[name]()), shown.page.evaluate("look.steps()"))
            assert shown.page.evaluate("look.pale(look.find('*'))") == []
            other = THEMES[theme == "light"]
            shown.page.emulate_media(color_scheme=other)
            shown.page.set_viewport_size({"width": SIZES[theme == "light"][0], "height": SIZES[theme == "light"][1]})
            steps = shown.page.evaluate("look.steps()")
            assert [(seen["step"], seen["faults"]) for seen in steps if seen["faults"]] == []
            assert shown.page.evaluate("look.pale(look.find('*'))") == []


@pytest.mark.parametrize("size", SIZES, ids=["wide", "narrow"])
@pytest.mark.parametrize("name", ["2-2-1", "LSTM 3"])
def test_by_the_keyboard_to_the_end(browser, name, size):
    """The page of a record, which has the adjoints of inputs and parameters, and of what leads to them."""
    with opened(browser, mg.record(graphs.ALL[name]()).html(), size=size) as shown:
        steps = [shown.snapshot()]
        while steps[-1]["step"] < steps[-1]["last"]:
            shown.page.keyboard.press("ArrowRight")
            steps.append(shown.snapshot())
        read_to_the_end(Reading(graphs.ALL[name](), leaves=True), steps)
        shown.page.keyboard.press("ArrowRight")
        assert shown.snapshot()["step"] == steps[-1]["last"]


def at(shown):
    """The step a page is at."""
    return int(shown.page.get_attribute("#step", "data-step"))


def test_keys_buttons_clicks_and_the_address(browser):
    loss = graphs.ALL["2-2-1"]()
    with opened(browser, mg.draw(loss).html(), fragment="#28") as shown:
        page = shown.page
        assert at(shown) == 28
        last, turn = (int(page.get_attribute("#step", f"data-{name}")) for name in ("last", "turn"))
        for key, there in (("ArrowLeft", 27), ("ArrowUp", 26), ("ArrowDown", 27), ("ArrowRight", 28), ("End", last), ("ArrowRight", last),
                           ("Home", 0), ("ArrowLeft", 0), ("b", turn + 1), ("B", turn + 1), ("Control+b", turn + 1)):  # fmt: skip
            page.keyboard.press(key)
            assert at(shown) == there, key
        assert page.evaluate("location.hash") == f"#{turn + 1}"
        page.evaluate("location.hash = '#5'")
        page.wait_for_function("document.getElementById('step').dataset.step === '5'")
        for name, there in (("next", 6), ("back", 5), ("last", last), ("first", 0)):
            page.click(f"#{name}")
            assert at(shown) == there, name
        page.fill("#scrub", "11")
        assert at(shown) == 11
        fprops = [i for i, node in enumerate(Truth(loss).nodes) if node.children]
        for event, node in enumerate(fprops, 1):
            page.keyboard.press("Home")
            page.locator(f'#graph [data-node="{node}"]').first.click()
            assert at(shown) == event, f"#{node}"
            assert int(page.get_attribute("#panel", "data-node")) == node
        page.locator(f'#graph [data-node="{fprops[-1]}"]').first.click()
        assert at(shown) == turn + 1, "from its fprop to its bprop"
        for wrong in ("#999", "#-1", "#x", "#1e3", "#"):
            page.goto(f"about:blank{wrong}")
            shown.go(wrong)
            assert at(shown) in (0, last)


def test_space_plays_and_stops(browser):
    with opened(browser, mg.draw(graphs.ALL["2-2-1"]()).html(), reduced_motion="reduce") as shown:
        page = shown.page
        page.clock.install()
        shown.go("#3")
        page.keyboard.press(" ")
        assert page.get_attribute("#play", "aria-label") == "pause"
        page.clock.run_for(4_500)
        there = at(shown)
        assert there > 3
        assert page.evaluate("document.getAnimations().length") == 0
        page.keyboard.press(" ")
        page.clock.run_for(10_000)
        assert at(shown) == there
        page.keyboard.press("End")
        page.keyboard.press(" ")
        page.clock.run_for(100)
        assert at(shown) < there, "from the start again"
        page.clock.run_for(200_000)
        assert at(shown) == int(page.get_attribute("#step", "data-last"))
        assert page.get_attribute("#play", "aria-label") == "play"


@pytest.mark.parametrize("name", ["2-2-1", "expression", "LSTM 3", "penalized"])
def test_without_javascript_the_final_state_is_shown(browser, name):
    outputs = graphs.ALL[name]()
    drawing, truth = mg.draw(outputs), Truth(graphs.ALL[name]())
    with opened(browser, drawing.html(), java_script_enabled=False) as shown:
        assert not shown.page.is_visible("#bar")
        assert "With JavaScript" in shown.page.inner_text("#panel")
        groups = shown.page.locator('#graph g[class$="-box"]').all_text_contents()  # with those of the legend
        assert len(groups) >= len(drawing.diagram.boxes)
        for box, texts in zip(without_ends(drawing.diagram).boxes, groups, strict=False):
            for face, text in box.lines:
                assert text.replace("  ", " ") in texts.replace("\u00a0", " ").replace("  ", " ")
                if face == "adjoint":
                    scale = max(np.abs(truth.adjoints[box.node]).max(), 1e-6)
                    assert in_words(text.removeprefix("∂ "), truth.adjoints[box.node], scale)


@pytest.mark.parametrize("size", SIZES, ids=["wide", "narrow"])
def test_controls_are_reached_by_tab_and_large_enough(browser, size):
    with opened(browser, mg.draw(graphs.ALL["2-2-1"]()).html(), size=size) as shown:
        page, reached = shown.page, []
        for _ in range(80):
            page.keyboard.press("Tab")
            focus = page.evaluate("""(() => {
                const e = document.activeElement === document.body ? document.documentElement : document.activeElement, s = getComputedStyle(e);
                return [e.id || e.tagName, s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2];
            })()""")
            reached.append(focus[0])
            assert focus[1] or focus[0] == "HTML", f"the focus on {focus[0]} cannot be seen"
        order = [
            name
            for name in dict.fromkeys(reached)
            if name in ("graph", "panel", "first", "back", "play", "next", "last", "scrub")
        ]
        assert set(order) == {"graph", "panel", "first", "back", "play", "next", "last", "scrub"}
        assert (
            order.index("first") < order.index("back") < order.index("play") < order.index("next") < order.index("last")
        )
        sizes = page.evaluate(
            "look.find('#bar button, #bar input, summary').map(e => [e.id, e.offsetWidth, e.offsetHeight])"
        )
        assert len(sizes) >= 7
        assert all(min(width, height) >= 38 for _, width, height in sizes), sizes


def test_a_step_repaints_only_what_changed(browser):
    """In 500 nodes as in 100: the boxes of the event and of its children, those of the step before, and a few arrows."""
    most = []
    for length in (6, 32):
        loss = graphs.layer(LSTM, length)
        truth = Truth(loss)
        with opened(browser, mg.draw(loss).html()) as shown:
            before, others = set(), []
            for node, nodes, more in shown.page.evaluate("look.repainted()"):
                concerned = {node, *truth.operands[node]}
                hidden = {node} if node not in nodes else set()  # drawn in the box of what reads it
                readers = {i for i, operands in enumerate(truth.operands) if hidden & {*operands}}
                assert {*nodes} <= concerned | before | readers
                before = concerned | readers
                others.append(more)
            most.append(max(others))
    assert len(truth.nodes) >= 490
    assert most[1] <= most[0] + 8


# Pictures ------------------------------------------------------------------------------------------------------------


def pictures():
    """Every view of graphs that it can draw, and the gallery of activations, by name."""
    found = {
        name: mg.draw(graphs.ALL[name]()).svg()
        for name in [*STEPPED, "LSTM 20", "GRU 4 gradient", "two layers", "chain"]
    }
    for name in ("2-2-1", "expression", "recurrent", "classifier", "attention"):
        found[f"{name}, mirror"] = mg.draw(graphs.ALL[name](), view="mirror").svg()
    for name in ("LSTM 3", "LSTM 20", "GRU 20", "a loop", "a loop with a lag", "two layers"):
        found[f"{name}, time"] = mg.draw(graphs.ALL[name](), view="time").svg()
    for name in ("LSTM 3", "LSTM 20", "GRU 20"):
        found[f"{name}, cell"] = mg.draw(graphs.ALL[name](), view="cell").svg()
    for name in ("LSTM 20", "classifier", "images", "recurrent", "attention"):
        found[f"{name}, layers"] = mg.draw(graphs.ALL[name](), view="layers").svg()
    found["activations"] = mg.activations().gallery().svg()
    return found


@pytest.mark.parametrize("theme", THEMES)
def test_pictures_are_legible_and_whole(browser, theme):
    """Nothing lies outside of a picture, texts have 9 px and a contrast of 4.5 : 1 to what is painted under them."""
    shown = pictures()
    page = "<!DOCTYPE html><html><body>" + "\n".join(shown.values()) + "</body></html>"
    with opened(browser, page, theme=theme) as inside:
        faults = inside.page.evaluate("look.find('body > svg').map(look.picture)")
    assert len(faults) == len(shown)
    wrong = {name: found[:3] for name, found in zip(shown, faults, strict=True) if found}
    assert wrong == {}


@pytest.mark.parametrize("view", VIEWS)
def test_a_picture_is_a_document_of_its_own(browser, view):
    svg = mg.draw(graphs.ALL["LSTM 3" if view in ("time", "layers", "cell") else "2-2-1"](), view=view).svg()
    with opened(browser, svg, kind="image/svg+xml", theme="dark") as shown:
        assert shown.page.evaluate("document.documentElement.localName") == "svg"
        assert shown.page.evaluate("look.picture(document.documentElement)") == []
