"""Pictures in pixels: what the SVG shows in its light theme, also on a machine without fonts and without Graphviz."""

import sys
from functools import partial
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import resvg_py
from matplotlib.image import imread

import minigrad as mg
from minigrad.__main__ import main
from minigrad.activation_table.gallery import Gallery
from minigrad.drawing import png
from minigrad.drawing.style import LIGHT, MONO, SANS
from minigrad.models import LSTM
from tests.drawing.graphs import classifier, layer, net_2_2_1, odd, penalized, scoped

SVG = "{http://www.w3.org/2000/svg}"
PICTURES = {
    "flow": lambda: mg.draw(penalized()),
    "hostile names": lambda: mg.draw(odd()),
    "mirror": lambda: mg.draw(scoped(), view="mirror"),
    "cell": lambda: mg.draw(layer(LSTM, 5), view="cell"),
    "time": lambda: mg.draw(layer(LSTM, 5), view="time", cut=("h", "c")),
    "layers": lambda: mg.draw(classifier("conv"), view="layers"),
    "activations": lambda: Gallery(mg.activations().values()[:3]),
}


@pytest.fixture
def no_fonts(monkeypatch):
    """A machine without a font of its own, and without `dot`."""
    monkeypatch.setattr(resvg_py, "svg_to_bytes", partial(resvg_py.svg_to_bytes, skip_system_fonts=True))
    monkeypatch.setenv("PATH", "")


def pixels(path):
    return np.rint(imread(path)[..., :3] * 255).astype(int)


def color(name):
    return [int(LIGHT[name][i : i + 2], 16) for i in (1, 3, 5)]


@pytest.mark.parametrize("name", PICTURES)
def test_variables_have_the_values_of_the_light_theme(name):
    svg = PICTURES[name]().svg()
    root, plain = ET.fromstring(svg), ET.fromstring(png.plain(svg))
    sheet = plain.find(f"{SVG}style").text
    assert "var(" not in sheet
    assert "prefers-color-scheme" not in sheet
    assert "fill:#" in sheet
    for before, after in zip(root.iter(), plain.iter(), strict=True):
        same = {key: text for key, text in before.attrib.items() if key != "font-family"}
        assert same == {key: text for key, text in after.attrib.items() if key != "font-family"}
        assert before.text == after.text or before.tag == f"{SVG}style"
    assert {each.get("font-family") for each in plain.iter()} <= {None, "DejaVu Sans", "DejaVu Sans Mono"}
    assert SANS not in sheet
    assert MONO not in sheet


def test_a_name_is_no_variable():
    x = mg.Input(1.0, name="var(--ink) <style>--ink:#ffffff</style>")
    drawing = mg.draw(x * 2)
    titles = [title.text for title in ET.fromstring(png.plain(drawing.svg())).iter(f"{SVG}title")]
    assert titles == [title.text for title in ET.fromstring(drawing.svg()).iter(f"{SVG}title")]
    assert any("var(--ink)" in title for title in titles)


@pytest.mark.parametrize("name", ["mirror", "cell", "time", "layers", "activations"])
def test_every_view_is_painted_with_its_text(name, no_fonts, tmp_path):
    """Two pixels for one; where a text stands, the picture differs from the same one without its texts."""
    picture = PICTURES[name]()
    picture.save(tmp_path / "x.png")
    root = ET.fromstring(picture.svg())
    painted = pixels(tmp_path / "x.png")
    for side, size in zip(("height", "width"), painted.shape, strict=False):
        assert abs(size - 2 * float(root.get(side))) <= 1
    assert painted[0, 0].tolist() == color("paper")
    texts = [text for text in root.iter(f"{SVG}text") if text.get("x") and text.get("y") and text.text]
    wordless = picture.svg()
    for text in root.iter(f"{SVG}text"):
        wordless = wordless.replace(f">{text.text}</text>", "></text>")
    (tmp_path / "wordless.png").write_bytes(png.to_png(wordless))
    differs = (painted != pixels(tmp_path / "wordless.png")).any(axis=-1)
    assert differs.sum() > 300
    placed = {id(text) for group in root.iter(f"{SVG}g") if group.get("transform") for text in group.iter()}
    for text in texts:
        if id(text) in placed or "\u00a0" in text.text:
            continue
        x, y = (round(2 * float(text.get(side))) for side in "xy")
        assert differs[y - 14 : y + 2, max(0, x - 40) : x + 40].any(), text.text


def test_boxes_have_the_colors_of_their_roles(no_fonts, tmp_path):
    drawing = mg.draw(net_2_2_1()[0])
    drawing.save(tmp_path / "x.PNG")
    painted = pixels(tmp_path / "x.PNG")
    for box, (x, y) in zip(drawing.diagram.boxes, drawing.layout.centers, strict=True):
        inside = painted[round(2 * (y + box.height / 2 - 4)), round(2 * x)]
        assert inside.tolist() == color(f"{box.role}-fill")
        place = painted[round(2 * y - box.height) :, round(2 * x - box.width) :][
            : int(2 * box.height), : int(2 * box.width)
        ]
        assert (np.abs(place - color("ink")).sum(axis=-1) < 30).any(), "the letters of its title"


def test_fonts_of_the_machine_change_nothing():
    svg = mg.draw(scoped()).svg()
    with_fonts = png.to_png(svg)
    fonts = png._packages()[1]
    assert with_fonts == bytes(
        resvg_py.svg_to_bytes(svg_string=png.plain(svg), font_files=fonts, zoom=2, skip_system_fonts=True)
    )


def test_a_large_picture_has_one_pixel_for_one_and_a_larger_one_is_refused(monkeypatch, tmp_path):
    drawing = mg.draw(scoped())
    width, height = drawing.layout.width, drawing.layout.height
    monkeypatch.setattr(png, "MOST", 2 * width * height)
    drawing.save(tmp_path / "x.png")
    assert pixels(tmp_path / "x.png").shape[:2] == (np.ceil(height), np.ceil(width))
    monkeypatch.setattr(png, "MOST", 1000)
    with pytest.raises(ValueError, match=r"pixels is too large: save \.svg, or draw a part"):
        drawing.save(tmp_path / "y.png")
    assert not (tmp_path / "y.png").exists()


@pytest.mark.parametrize("missing", ["resvg_py", "matplotlib"])
def test_what_is_missing_is_named_with_its_extra(missing, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, missing, None)
    if missing == "matplotlib":
        monkeypatch.setattr(png, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'minigrad\[png\]', or save \.svg"):
        mg.draw(scoped()).save(tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_it(tmp_path):
    assert main(["draw", "net", "--view", "layers", "-o", str(tmp_path / "net.png")]) == 0
    assert (tmp_path / "net.png").read_bytes().startswith(b"\x89PNG")
