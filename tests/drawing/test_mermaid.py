"""Pictures as Mermaid text."""

import re
from html import unescape

import pytest

import minigrad as mg
from minigrad.drawing.mermaid import MOST_ARROWS, escaped
from tests.drawing import graphs

LINES = [
    r"flowchart (LR|TB|BT)",
    r"accTitle: .*",
    r"accDescr: .*",
    r"n\d+(_\d+)?(\(\[|\(|\[)\"[^\"]*\"(\]\)|\)|\]):::\w+Box",
    r"subgraph scope\d+\[\"[^\"]*\"\]",
    r"end",
    r"n\d+(_\d+)? (-->|-\.->)(\|\d+\|)? n\d+(_\d+)?",
    r"linkStyle \d+ stroke:#[0-9a-f]{6}",
    r"classDef \w+Box fill:#[0-9a-f]{6},stroke:#[0-9a-f]{6},color:#[0-9a-f]{6}(,stroke-dasharray:[\d ]+)?",
]


def shown(text):
    """What Mermaid makes of an escaped text."""
    return unescape(re.sub(r"#(\d+);", r"&#\1;", text))


@pytest.mark.parametrize(
    "name",
    ['"]; click n0 call alert()', "%%{init: {}}%%", "</b><script>", "a`b`_c_*d*", "fa:fa-bell", "$$x$$", "end", "x\ny", "#35;",
     "https://x.y", "a --> b"],
)  # fmt: skip
def test_names_are_shown_and_never_read(name):
    drawing = mg.draw(mg.Input(1.0, name=name) + mg.Input(2.0))
    lines = drawing.mermaid().splitlines()
    assert all(any(re.fullmatch(f" *{line}", found) for line in LINES) for found in lines)
    (title,) = [words for face, words in drawing.diagram.boxes[0].lines if face == "title"]
    assert shown(lines[3]).startswith(f'  n0(["{title}<br>1')


@pytest.mark.parametrize(
    "words",
    [
        "1) a",
        "12)",
        "1. a",
        "- a",
        "+ a",
        "---",
        "===",
        "# a",
        "> a",
        "www.1x.com",
        "*a*",
        "~~a~~",
        "|a|",
        "<b>",
        "&lt;",
    ],
)
def test_no_mark_of_markdown_or_html_is_left(words):
    text = escaped(words)
    assert shown(text) == words
    assert not re.search(r"[*_`~<>&|\[\]]|^\d+[.)]|^[-+] |^#(?!\d+;)|[-=]{2}|www\.", text)


def test_numbers_and_shapes_stay_readable():
    for words in ("-0.5", "∂ 1.25", "(16, 3)", "ŷ = 3", "t=3 … t=1"):
        assert escaped(words) == words


@pytest.mark.parametrize("graph", [graphs.penalized, graphs.odd, graphs.scoped, lambda: graphs.net_2_2_1()[0]])
def test_every_box_and_every_arrow_is_there_once(graph):
    drawing = mg.draw(graph())
    lines = [line.strip() for line in drawing.mermaid().splitlines()]
    assert all(any(re.fullmatch(f" *{line}", found) for line in LINES) for found in lines)
    boxes = [line.split("(")[0].split("[")[0] for line in lines if ":::" in line]
    assert sorted(boxes) == sorted(box.name for box in drawing.diagram.boxes)
    arrows = [re.sub(r"\|\d+\|", "", line).split() for line in lines if "-->" in line or "-.->" in line]
    names = [box.name for box in drawing.diagram.boxes]
    assert sorted((a, b) for a, _, b in arrows) == sorted(
        (names[a.source], names[a.target]) for a in drawing.diagram.arrows
    )
    assert sum(line == "end" for line in lines) == sum(line.startswith("subgraph") for line in lines)


def test_scopes_nest():
    with mg.scope("a"):
        x = mg.Input(1.0, name="x") + 1
        with mg.scope("b"):
            y = x * x
    lines = mg.draw(y).mermaid().splitlines()
    outer, inner = (next(i for i, line in enumerate(lines) if f'["{name}"]' in line) for name in "ab")
    assert outer < inner < lines.index("    end") < lines.index("  end")


def test_what_mermaid_would_not_draw_is_refused(tmp_path):
    y = x = mg.Input(1.0, name="x")
    for _ in range(170):
        y = mg.tanh(y * x)
    drawing = mg.draw(y, fold=False)
    assert len(drawing.diagram.arrows) == 510 > MOST_ARROWS
    with pytest.raises(ValueError, match=r"Mermaid draws at most 500, .* 5\d\d arrows: save it as .svg"):
        drawing.save(tmp_path / "x.mmd")
    assert not (tmp_path / "x.mmd").exists()
    wide = mg.draw([mg.Input(1.0, name="n" * 30 + str(k)) for k in range(900)])
    with pytest.raises(ValueError, match=r"at most 50,000, .* letters of text"):
        wide.mermaid()
