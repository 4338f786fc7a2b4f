"""The gallery of activations: a panel per entry, curves that break where they jump and end at the frame."""

import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import minigrad as mg
from minigrad.activation_table import gallery
from minigrad.activation_table.gallery import BOTTOM, LEFT, RIGHT, TOP, UNIT, Gallery

SVG = "{http://www.w3.org/2000/svg}"


def lines(svg, color):
    """The points of every line of that color, in the panel's own units."""
    paths = [p for p in ET.fromstring(svg).iter(f"{SVG}path") if p.get("stroke") == color and "L" in p.get("d")]
    pixels = [np.array([float(n) for n in re.findall(r"-?[\d.]+", p.get("d"))]).reshape(-1, 2) for p in paths]
    return [points * (1, -1) / UNIT + (LEFT, TOP) for points in pixels]


@pytest.mark.row("VIS-05")
def test_a_panel_per_registered_activation():
    svg = mg.activations().gallery().svg()
    texts = [element.text for element in ET.fromstring(svg).iter(f"{SVG}text")]
    titles = [element.text for element in ET.fromstring(svg).iter(f"{SVG}title")]
    for entry in mg.activations():
        assert texts.count(entry.name.replace("_", " ")) == 1
        assert str(entry) in titles


@pytest.mark.row("VIS-05")
@pytest.mark.parametrize("entry", mg.activations(), ids=lambda entry: entry.name)
def test_lines_are_f_and_its_derivative(entry):
    svg = Gallery([entry]).svg()
    for color, order in ((gallery.VALUE, 0), (gallery.SLOPE, 1)):
        drawn = np.concatenate(lines(svg, color))
        breaks = [*entry.properties["jumps"], *entry.properties["kinks"]]
        near = [np.abs(drawn[:, 0] - place) < 0.02 for place in breaks]
        x, y = drawn[~np.any(near, axis=0)].T if breaks else drawn.T
        np.testing.assert_allclose(y, entry.values(x, order=order), atol=2e-3)
        assert x.min() >= LEFT - 1e-9
        assert x.max() <= RIGHT + 1e-9
        assert drawn[:, 1].min() >= BOTTOM - 1e-3
        assert drawn[:, 1].max() <= TOP + 1e-3


def test_a_jump_is_no_line():
    pieces = lines(Gallery([mg.activations()["relu"]]).svg(), gallery.SLOPE)
    np.testing.assert_allclose(pieces, [[[LEFT, 0], [0, 0]], [[0, 1], [RIGHT, 1]]], atol=1e-9)
    assert len(lines(Gallery([mg.activations()["hard_tanh"]]).svg(), gallery.SLOPE)) == 3
    assert len(lines(Gallery([mg.activations()["binary_step"]]).svg(), gallery.VALUE)) == 2


def test_a_line_ends_at_the_frame():
    (line,) = lines(Gallery([mg.activations()["linear"]]).svg(), gallery.VALUE)
    np.testing.assert_allclose(line, [[BOTTOM, BOTTOM], [TOP, TOP]], atol=1e-9)


def test_save_and_show(tmp_path):
    few = Gallery(mg.activations().values()[:2])
    few.save(tmp_path / "few.svg")
    assert (tmp_path / "few.svg").read_text("utf-8") == few.svg()
    assert ET.fromstring(few._repr_svg_()).get("style") == "max-width:100%;height:auto"
    assert repr(few) == "<Gallery: 2 activation functions; .svg() .save(path)>"
    with pytest.raises(ValueError, match=r"few\.txt.*one of \.svg, \.png"):
        few.save(tmp_path / "few.txt")
    with pytest.raises(ValueError, match="at least one"):
        Gallery([])
