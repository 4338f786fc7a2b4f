"""The page of drawings has an example of every view, drawn by the code it shows; others' pictures are measured alike."""

import json
import math
from xml.etree import ElementTree as ET

import pytest

from benchmarks import drawing_peers
from minigrad.drawing.picture import VIEWS
from reference import gallery

PAGE = gallery.page()
DRAWN = gallery.drawn()


def test_every_view_has_an_example_and_a_question():
    codes = "".join(example.code for example in gallery.EXAMPLES)
    assert [view for view in VIEWS if view != "flow" and f'view="{view}"' not in codes] == []
    assert "picture = mg.draw(loss)\n" in codes
    assert len({example.name for example in gallery.EXAMPLES}) == len(gallery.EXAMPLES)
    for example in gallery.EXAMPLES:
        assert example.question.endswith("?")
        assert example.code in PAGE
        assert f"![{example.question}]({gallery.file_of(example)})" in PAGE
        assert max(map(len, example.code.splitlines())) <= 100


def test_pictures_follow_the_theme_and_are_small():
    assert set(DRAWN) == {gallery.STEPS, *map(gallery.file_of, gallery.EXAMPLES)}
    for name, text in DRAWN.items():
        if name.endswith(".svg"):
            ET.fromstring(text)
        assert "prefers-color-scheme" in text
        assert len(text.encode()) < 100_000
    assert f"]({gallery.STEPS})" in PAGE


def test_what_the_page_says_of_the_pictures_is_so():
    assert "0 at t = 11 … 1" in DRAWN["drawing-dead.svg"], "nothing passes from step 12 to step 11"
    assert "c without h" in DRAWN["drawing-time.svg"]
    assert "× 50" in DRAWN["drawing-rolled.svg"]
    assert ">∂L/∂L = 1</text>" in DRAWN["drawing-mirror.svg"]
    assert "(20, 50) @ (60, 40)" in DRAWN["drawing-error.svg"]


def test_the_table_has_a_row_for_each_picture_that_was_measured():
    kept = json.loads(gallery.PEERS.read_text("utf-8"))
    assert set(drawing_peers.PACKAGES) <= set(kept["versions"])
    assert set(drawing_peers.ours()) <= set(kept["measured"])
    assert len([line for line in PAGE.splitlines() if line.startswith(("| LSTM", "| Expression"))]) == len(
        kept["measured"]
    )


def test_a_picture_is_measured():
    found = drawing_peers.measured(lambda: ('<svg width="75pt" height="30.0pt">é</svg>', 3))
    assert (found["nodes"], found["width"], found["height"]) == (3, 100, 40)
    assert found["kB"] == pytest.approx(0.042)
    assert 0 <= found["cpu"] <= found["wall"] + 0.1
    assert drawing_peers.size('<svg id="a" width="12.5" height="7" viewBox="">') == {"width": 12, "height": 7}
    assert drawing_peers.counted('<g id="node1" class="node"><g id="edge1"><g id="node2">')[1] == 2
    line = drawing_peers.line("net: ours", found)
    assert line.split() == ["net:", "ours", "3", "nodes", *line.split()[4:]]


@pytest.mark.parametrize(
    ("name", "draw"), drawing_peers.ours().items(), ids=lambda each: each if isinstance(each, str) else ""
)
def test_ours_are_drawn_and_counted(name, draw):
    svg, nodes = draw()
    ET.fromstring(svg)
    assert nodes >= 3
    assert math.prod(drawing_peers.size(svg).values()) > 10_000
