"""Names are shown and never read: whatever a node, a scope or a title is called, every writer writes what it would have written."""

import json
import re
import shutil
import subprocess
import unicodedata
from collections import Counter
from functools import cache
from html import escape
from html.parser import HTMLParser
from typing import NamedTuple
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import minigrad as mg
from minigrad.drawing import Record
from minigrad.models import LSTM
from tests.drawing.browser import opened
from tests.drawing.nasty import NASTY
from tests.drawing.test_mermaid import LINES

VIEWS = ("flow", "mirror", "time", "layers")


class Marked(mg.Elementwise):
    """y = x;  x̄ = ȳ."""

    def fprop(self, x, *, note):
        return x + 0

    def bprop(self, adjoint):
        return (adjoint,)


def named(name):
    """A small recurrent net all of whose names are that one; its loss and its weight."""
    w = mg.Parameter([[0.5, 0.1], [0.2, 0.4]], name=name)
    x = mg.Input([1.0, 2.0], name=name)
    with mg.scope(name or " "):
        state = Marked(x, note=name)
        state.name = name
        for t in (1, 2, 3):
            with mg.scope(f"t={t}"):
                state = np.tanh(w @ state)
                state.name = name
    return (state**2).sum(), w


def lstm(name):
    """The record of an LSTM whose weights and scopes have that name."""
    with mg.scope(name or " "):
        net = LSTM(2, 2, rng=0, dtype=np.float64)
        for parameter in net.parameters():
            parameter.name = name
        return mg.record((net(mg.Input(np.ones((1, 3, 2)), name=name)) ** 2).sum())


def drawn(name):
    """The graph with that name, its weight, its record, and every view of it."""
    loss, w = named(name)
    record = mg.record(loss)
    given = {"flow": record, "mirror": loss, "time": record, "layers": record}
    return loss, w, record, {view: mg.draw(given[view], view=view, title=name) for view in VIEWS}


class Written(NamedTuple):
    """What writers make of the graph: of each view the markup and the lines of its text; of words the lines."""

    svg: dict[str, set]
    page: dict[str, set]
    lines: dict[str, int]
    words: list[int]


def written(name):
    """What writers make of the graph with that name; all is encoded and has no characters that a terminal obeys."""
    loss, w, record, pictures = drawn(name)
    words = [record.describe(), mg.explain(w, loss), mg.listing(loss)]
    texts = {view: picture.text() for view, picture in pictures.items()}
    assert all(plain(text) for text in [*words, *texts.values()])
    assert Record.from_dict(json.loads(record.json())) == record
    found = [line.strip() for line in pictures["flow"].mermaid().splitlines()]
    assert all(any(re.fullmatch(line, one) for line in LINES) for one in found)
    return Written(
        svg={view: markup(picture.svg()) for view, picture in pictures.items()},
        page={view: Page(picture.html()).found for view, picture in pictures.items()},
        lines={view: len(text.split("\n")) for view, text in texts.items()},
        words=[len(text.split("\n")) for text in words],
    )


@cache
def harmless():
    """What they make of it with a plain name."""
    return written("harmless")


def markup(svg):
    """The elements of an SVG, each with its attributes."""
    return {(element.tag, *sorted(element.attrib)) for element in ET.fromstring(svg).iter()}


class Page(HTMLParser):
    """The elements of a page, each with its attributes, its comments and declarations, and how many scripts there are."""

    def __init__(self, text):
        super().__init__()
        self.found = set()
        text.encode()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.add((tag, *sorted(name for name, _ in attributes)))

    def handle_decl(self, decl):
        self.found.add(("declaration", decl))

    def handle_pi(self, data):
        self.found.add(("instruction", data))

    def handle_comment(self, data):
        self.found.add(("comment", data))


def plain(text):
    """Whether the lines of a text have no characters that a terminal obeys."""
    return all(c.isprintable() or unicodedata.combining(c) for line in text.split("\n") for c in line)


def test_there_are_two_hundred():
    assert len(NASTY) >= 200


def test_towers_of_accents_are_cut():
    assert mg.record(mg.Parameter(1.0, name="Z" + "\u0335" * 80)).nodes[0].name == "Z" + "\u0335" * 4
    assert mg.record(mg.Parameter(1.0, name="x\u0304 e\u0301")).nodes[0].name == "x\u0304 e\u0301"


EACH = pytest.mark.parametrize("name", NASTY, ids=[str(i) for i in range(len(NASTY))])


def with_ground(elements):
    """The elements, and those of a picture without a title above, as a name has that is blank: its ground begins at (0, 0)."""
    return elements | {(tag, *[name for name in names if name not in ("x", "y")]) for tag, *names in elements}


@EACH
def test_no_name_adds_an_element_or_a_line(name):
    shown, twin = written(name), harmless()
    for view in VIEWS:
        assert shown.svg[view] <= with_ground(twin.svg[view])
        assert shown.page[view] <= with_ground(twin.page[view])
    assert shown.lines == twin.lines
    assert shown.words == twin.words


def test_the_cell_of_a_net_shows_every_name():
    twin = mg.draw(lstm("harmless"), view="cell", title="harmless")
    for name in NASTY[::9]:
        drawing = mg.draw(lstm(name), view="cell", title=name)
        assert type(drawing) is type(twin)
        assert markup(drawing.svg()) <= markup(twin.svg())
        assert Page(drawing.html()).found <= Page(twin.html()).found
        assert plain(drawing.text())


@pytest.mark.skipif(shutil.which("dot") is None, reason="no Graphviz: apt install graphviz")
def test_graphviz_reads_every_name():
    """All of them in one run of `dot`: as many nodes and arrows as with a plain name, and elements of the same kinds."""
    sources = [mg.draw(named(name)[0], title=name).dot() for name in ["harmless", *NASTY]]
    run = subprocess.run(
        ["dot", "-Tsvg"], input="\n".join(sources).encode(), capture_output=True, check=True, timeout=120
    )
    assert all(
        "size too small for label" in line for line in run.stderr.decode().splitlines()
    )  # of the machine's fonts
    first, *others = re.findall(r"<svg.*?</svg>", run.stdout.decode(), flags=re.DOTALL)
    assert len(others) == len(NASTY)
    for name, svg in zip(NASTY, others, strict=True):
        assert markup(svg) <= markup(first), name
        assert drawn_by_dot(svg) == drawn_by_dot(first), name


def drawn_by_dot(svg):
    """How many nodes and arrows there are. (Frames are one more for each "/" in the name of a scope.)"""
    return Counter(re.findall(r'<g id="[^"]*" class="(node|edge)"', svg))


# In a browser --------------------------------------------------------------------------------------------------------


def crowd(names):
    """A graph with a node, a parameter and a scope of each name."""
    total = mg.Input(0.0)
    for name in names:
        with mg.scope(name or " "):
            x = mg.Parameter(2.0, name=name) * mg.Input(0.5, name=name)
            x.name = name
        total = Marked(total + x, note=name)
    return total


CROWDS = 5


@pytest.mark.browser
@pytest.mark.parametrize("part", range(CROWDS))
def test_nothing_runs_in_a_page(browser, part):
    """Every name in a page that is stepped to the end, in pictures within a page, and in a picture opened by itself."""
    names = NASTY[part::CROWDS]
    title = "".join(name for name in names if len(name) < 200)
    loss = crowd(names)
    picture = mg.draw(loss, title=title)
    within = [picture.svg(), *[mg.draw(named(name)[0], view="mirror", title=name).svg() for name in names[::16]]]
    within += [
        mg.draw(lstm(name), view=view, title=name).svg() for name in names[::16] for view in ("time", "layers", "cell")
    ]
    page = f"<!DOCTYPE html><html><body><pre>{escape(picture.text())}</pre>{''.join(within)}</body></html>"
    stepper = picture.html()
    for text, kind in ((stepper, "text/html"), (page, "text/html"), (within[0], "image/svg+xml")):
        with opened(browser, text, kind=kind) as shown:
            if text == stepper:
                assert shown.page.evaluate("look.find('script').length") == 2
                for _ in range(3):
                    shown.page.keyboard.press("ArrowRight")
                steps = shown.page.evaluate("look.steps()")
                assert steps[-1]["step"] == steps[-1]["last"] > 250
                assert [seen["faults"] for seen in steps if seen["faults"]][:3] == []
            else:
                assert (
                    shown.page.evaluate("document.querySelectorAll('script, img, iframe, a, foreignObject').length")
                    == 0
                )
            assert shown.page.evaluate("window.attacked === undefined && document.title !== 'run'")
            assert shown.page.evaluate("document.querySelectorAll('*').length") > 100
            assert shown.page.evaluate(ATTRIBUTES) == []


ATTRIBUTES = """[...document.querySelectorAll("*")].flatMap(e => [...e.attributes]).map(a => a.name)
    .filter(name => /^on|^href$|^xlink:href$|^src/.test(name))"""
