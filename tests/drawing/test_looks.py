"""How pictures look: contrast in both themes, with style sheets and without; a title, a description and a text for each."""

import functools
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import minigrad as mg
from minigrad.activation_table import gallery
from minigrad.drawing.stepper_page import LOOKS
from minigrad.drawing.style import ARROWS, DARK, FACES, HEADING, INDEX, INKS, LIGHT, ROLES
from minigrad.models import GRU, LSTM
from tests.drawing.graphs import ALL, classifier, layer, net_2_2_1, odd, penalized

SVG = "{http://www.w3.org/2000/svg}"
THEMES = {"light": LIGHT, "dark": DARK}


def luminance(color):
    """Relative luminance, W3C, Web Content Accessibility Guidelines 2.2."""
    channels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4) @ (
        0.2126,
        0.7152,
        0.0722,
    )


def contrast(a, b):
    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_the_guidelines():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", THEMES)
def test_all_text_is_legible(theme):
    colors = THEMES[theme]
    fills = [colors[f"{role}-fill"] for role in ROLES]
    for ink in ("ink", "faint", "slope"):
        assert min(contrast(colors[ink], fill) for fill in fills) >= 4.5
    for ground in ("paper", "frame", "inner-frame"):
        assert contrast(colors["faint"], colors[ground]) >= 4.5
        assert contrast(colors["ink"], colors[ground]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_lines_stand_out(theme):
    """Outlines and arrows need 3 : 1 to what they lie on."""
    colors = THEMES[theme]
    for ground in ("paper", "frame", "inner-frame"):
        assert min(contrast(colors[f"{role}-line"], colors[ground]) for role in ROLES) >= 3
        assert min(contrast(colors[f"{arrow}-arrow"], colors[ground]) for arrow in ARROWS) >= 3


def test_themes_have_the_same_colors():
    assert LIGHT.keys() == DARK.keys()
    assert LIGHT["paper"] == "#ffffff"
    assert luminance(DARK["paper"]) < 0.02
    assert set(INKS) == {*FACES, "index", "heading"}


def test_no_color_alone_tells_a_role():
    """Roles differ in dashes or shape too."""
    assert len({(style.dashes, style.round) for style in ROLES.values()}) == len(ROLES) - 1
    assert (ROLES["input"].dashes, ROLES["input"].round) == (ROLES["constant"].dashes, ROLES["constant"].round)
    assert min(look.size for look in (*FACES.values(), HEADING, INDEX)) >= 9


def texts(root):
    """Every text, with the color its attributes give it and the color of what it lies on."""
    for group in root.findall(f"{SVG}g"):
        for text in group.findall(f"{SVG}text"):
            yield text, text.get("fill", root.get("fill")), group.find(f"{SVG}rect").get("fill")
    for heading in root.findall(f"{SVG}text"):
        yield heading, heading.get("fill", root.get("fill")), heading.get("stroke")


@pytest.mark.parametrize("name", ALL)
def test_a_picture_is_whole_without_its_style_sheet(name):
    """Attributes hold the light theme, text is black or an adjoint's red, and a class says what a style sheet would change."""
    drawing = mg.draw(ALL[name]())
    root = ET.fromstring(drawing.svg())
    found = list(texts(root))
    assert len(found) >= 2 * len(drawing.diagram.boxes)
    for text, ink, fill in found:
        assert contrast(ink, fill) >= 4.5
        assert ink == LIGHT["slope" if text.get("class") == "adjoint" else "ink"]
        assert text.get("class", "value").split()[0] in INKS
        assert float(text.get("font-size", root.get("font-size"))) >= 9
    for group in root.findall(f"{SVG}g"):
        role, _, kind = group.get("class").rpartition("-")
        if kind == "box":
            assert group.find(f"{SVG}rect").get("fill") == LIGHT[f"{role}-fill"]
    for path in root.findall(f"{SVG}path"):
        role, _, kind = path.get("class").rpartition("-")
        assert path.get({"arrow": "stroke", "head": "fill"}[kind]) == LIGHT[f"{role}-arrow"]


@pytest.mark.parametrize("name", ALL)
def test_every_arrow_is_drawn_as_laid_out(name):
    """The points of the paths, read back, are those of the layout to rounding: no line is lost or joined to another."""
    drawing = mg.draw(ALL[name]())
    lines, heads = {}, {}
    for path in ET.fromstring(drawing.svg()).findall(f"{SVG}path"):
        role, _, kind = path.get("class").rpartition("-")
        (lines if kind == "arrow" else heads)[role] = [points_of(part) for part in path.get("d").split("M")[1:]]
    assert lines.keys() == heads.keys() == {arrow.role for arrow in drawing.diagram.arrows}
    for role, drawn in lines.items():
        routes = [r for a, r in zip(drawing.diagram.arrows, drawing.layout.routes, strict=True) if a.role == role]
        expected = [(route.start, *[point for piece in route.pieces for point in piece]) for route in routes]
        assert {tenths(line) for line in drawn} == {tenths(route) for route in expected}
        assert len(drawn) == len(set(drawn))
        assert {tenths(head[:1]) for head in heads[role]} == {tenths((route.tip,)) for route in routes}


def tenths(points):
    return tuple([round(10 * number) for point in points for number in point])


def points_of(path):
    """The points of a part of a path after its M: lines, and the three points of each curve."""
    x, y = 0.0, 0.0
    points = []
    for command, numbers in re.findall(r"([clhvz]?)([^clhvz]*)", f"{path.strip()}"):
        values = [float(number) for number in re.findall(r"-?[\d.]+", numbers)]
        if command == "h" or command == "v":
            values = [values[0], 0] if command == "h" else [0, values[0]]
        corners = [(x + dx, y + dy) for dx, dy in zip(values[::2], values[1::2], strict=True)]
        points += corners
        x, y = points[-1]
    return tuple(points)


@pytest.mark.parametrize("name", ALL)
def test_a_style_sheet_colors_all_by_variables_in_both_themes(name):
    svg = mg.draw(ALL[name]()).svg()
    root = ET.fromstring(svg)
    sheet = root.find(f"{SVG}style").text
    light, dark = re.findall(r"\{(--[^}]*)\}", sheet)
    names = [dict(part.split(":") for part in theme.split(";") if part.startswith("--")) for theme in (light, dark)]
    assert names[0].keys() == names[1].keys()
    assert "@media (prefers-color-scheme:dark)" in sheet
    assert set(re.findall(r"var\((--[\w-]+)\)", sheet)) <= set(names[0])
    for values, theme in zip(names, (LIGHT, DARK), strict=True):
        assert values == {f"--{key}": theme[key] for key in (name[2:] for name in values)}
    colored = {word for rule in re.findall(r"#\S+ \.([\w-]+)", sheet) for word in [rule]}
    assert {name for element in root.iter() for name in element.get("class", "").split()} <= colored
    assert all(rule.startswith((f"#{root.get('id')}", "@media")) for rule in sheet.strip().splitlines())


def test_ids_are_those_of_one_picture():
    seen = {}
    for name, graph in ALL.items():
        svg = mg.draw(graph()).svg()
        ids = [element.get("id") for element in ET.fromstring(svg).iter() if element.get("id")]
        assert len(ids) == len(set(ids)) == 3
        assert all(each.startswith(ids[0]) for each in ids)
        assert not set(ids) & {one for other in seen for one in seen[other]}
        seen[name] = ids
    again = mg.draw(net_2_2_1()[0])
    assert again.svg() == mg.draw(net_2_2_1()[0]).svg(), "equal pictures are equal to the byte"
    assert mg.draw(net_2_2_1()[0], title="another").svg().split('id="')[1] != again.svg().split('id="')[1]


@pytest.mark.parametrize("graph", [odd, penalized])
def test_every_attribute_is_quoted(graph):
    svg = mg.draw(graph()).svg()
    for tag in re.findall(r"<[a-z][^<>]*>", re.sub(r"<style>.*?</style>", "", svg, flags=re.DOTALL)):
        assert re.fullmatch(r'<[a-z]+(\s[\w:-]+="[^"<]*")*/?>', tag), tag


@pytest.mark.parametrize("name", ALL)
def test_every_picture_has_a_title_a_description_and_a_text(name):
    node = ALL[name]()
    drawing = mg.draw(node)
    root = ET.fromstring(drawing.svg())
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert title.text.startswith("Flow graph of ")
    assert re.match(r"\d+ nodes: ", description.text)
    assert drawing.text() == mg.listing(node)
    assert drawing._repr_mimebundle_()["text/plain"] == drawing.text()
    assert len(drawing.text().splitlines()) == 1 + len(drawing.flow.nodes)


def test_a_description_tells_of_the_steps():
    def words(name):
        return ET.fromstring(mg.draw(ALL[name]()).svg()).find(f"{SVG}desc").text

    assert words("LSTM 20").endswith(" 20 steps, t=1 … t=20, all alike.")
    assert words("a loop without names").endswith(" 6 steps, step 1 … step 6, all alike.")
    assert words("a loop with losses").endswith(" 6 steps, t=1 … t=6, of 2 structures, each laid out by itself.")
    assert " 20 steps of adjoints, t=20 … t=1, of " in words("recurrent 20 gradient")
    assert "steps" not in words("2-2-1")


def test_a_legend_explains_what_is_unusual():
    def legend(node):
        groups = ET.fromstring(mg.draw(node).svg()).findall(f"{SVG}g")
        return [g.find(f"{SVG}text").text for g in groups if g.find(f"{SVG}title") is None and "-box" in g.get("class")]

    assert legend(net_2_2_1()[0]) == []
    assert legend(penalized()) == [ROLES[role].meaning for role in ("adjoint", "second", "reference")]
    x = mg.Input(2.0, name="x")
    y = x**2
    both = [y, *mg.gradients(y, [x])]
    narrow = ET.fromstring(mg.draw(both, direction="TB").svg())
    assert legend(both) == [ROLES["adjoint"].meaning]
    assert float(narrow.get("width")) > 200, "as broad as its legend"
    assert legend(mg.Parameter(1.0, trainable=False) * 2) == ["parameter that is not trained"]


def test_the_gallery_has_two_themes_and_words():
    shown = mg.activations().gallery()
    root = ET.fromstring(shown.svg())
    for theme in (0, 1):
        colors = {name: pair[theme] for name, pair in gallery.PALETTE.items()}
        for ground in ("paper", "panel"):
            assert contrast(colors["ink"], colors[ground]) >= 4.5
            assert contrast(colors["faint"], colors[ground]) >= 4.5
            assert contrast(colors["value"], colors[ground]) >= 3
            assert contrast(colors["slope"], colors[ground]) >= 3
    known = {light for light, _ in gallery.PALETTE.values()} | {"none", None}
    assert {element.get(where) for element in root.iter() for where in ("fill", "stroke")} <= known
    assert "prefers-color-scheme:dark" in root.find(f"{SVG}style").text
    assert len(root.find(f"{SVG}desc").text) > 300
    assert len(shown._repr_mimebundle_()["text/plain"].splitlines()) >= len(shown.entries)


def test_the_page_follows_the_theme():
    page = mg.draw(penalized()).html()
    assert page.count("@media (prefers-color-scheme:dark)") == 2
    assert "var(--paper)" in page
    for role in ("parameter", "adjoint", "second", "reference"):
        assert f"#page .{role}-box>rect" in page


# All views -----------------------------------------------------------------------------------------------------------

VIEWS = {
    "flow": lambda: mg.draw(net_2_2_1()[0]),
    "penalized": lambda: mg.draw(penalized()),
    "rolled": lambda: mg.draw(layer(LSTM, 6), roll=True),
    "scopes as boxes": lambda: mg.draw(layer(LSTM, 6), depth=0),
    "a part": lambda: mg.draw(net_2_2_1()[0], focus="u1"),
    "paths": lambda: mg.draw(net_2_2_1()[0], highlight="u1"),
    "mirror": lambda: mg.draw(net_2_2_1()[0], view="mirror"),
    "mirror with what is stopped": lambda: mg.draw(mg.stop_gradient(mg.Input(2.0) * 3) * mg.Input(1.0), view="mirror"),
    "time": lambda: mg.draw(layer(LSTM, 24), view="time", cut=("h", "c")),
    "few steps over time": lambda: mg.draw(layer(GRU, 4), view="time"),
    "layers": lambda: mg.draw(classifier("conv"), view="layers"),
    "cell": lambda: mg.draw(layer(LSTM, 3), view="cell"),
    "cell of a GRU": lambda: mg.draw(layer(GRU, 3), view="cell"),
    "checked": lambda: mg.draw(net_2_2_1()[0], check=True),
    "failed": lambda: failed(lambda: mg.Input(np.ones((2, 3))) @ mg.Input(np.ones(2))),
    "gallery": lambda: mg.activations().gallery(),
}


def failed(call):
    try:
        return call()
    except ValueError as error:
        return mg.draw(error)


@functools.cache
def shown(view):
    return VIEWS[view]()


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_has_a_title_a_description_and_a_text(view):
    picture = shown(view)
    root = ET.fromstring(picture.svg())
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert title.text.strip()
    assert len(description.text) > 30
    bundle = picture._repr_mimebundle_()
    assert len(bundle["text/plain"].splitlines()) > 2
    assert bundle["image/svg+xml"].startswith("<svg ")
    assert "@media (prefers-color-scheme:dark)" in root.find(f"{SVG}style").text


@pytest.mark.parametrize("view", VIEWS)
def test_text_of_every_view_is_legible_in_both_themes(view):
    """Where each text stands, on what was painted there last: by geometry, with the colors that the style sheet gives."""
    root = ET.fromstring(shown(view).svg())
    for theme in (0, 1):
        colors = colors_of(root, theme)
        found = list(grounds(root, colors))
        assert len(found) == len(list(root.iter(f"{SVG}text")))
        for text, ink, ground in found:
            assert contrast(ink, ground) >= 4.5, (theme, text, ink, ground)


def colors_of(root, theme):
    """From what an element has, a class or a color of the light theme, to its color in a theme."""
    sheet = root.find(f"{SVG}style").text
    themes = [dict(re.findall(r"--([\w-]+):(#\w{6})", part)) for part in re.findall(r"\{(--[^}]*)\}", sheet)]
    by_color = {light: themes[theme][name] for name, light in themes[0].items()}
    by_class = re.findall(r"#\S+ (\S+?)\{fill:var\(--([\w-]+)\)", sheet)
    return by_color, {selector: themes[theme][name] for selector, name in by_class}


def grounds(root, colors):
    """Every text with its color and that of the last shape painted under its middle."""
    by_color, by_class = colors
    painted = []

    def fill(element, inherited, parent):
        names = (element.get("class") or "").split()
        tag = element.tag.removeprefix(SVG)
        around = (parent.get("class") or "").split() if parent is not None else []
        for selector in (*[f".{name}>{tag}" for name in around], *[f".{name}" for name in names]):
            if selector in by_class:
                return by_class[selector]
        if tag == "text" and "text" in by_class:
            return by_class["text"]
        own = element.get("fill")
        return inherited if own is None else by_color.get(own, own)

    def walk(element, x, y, inherited, parent):
        if moved := re.fullmatch(r"translate\(([-\d.]+)[ ,]([-\d.]+)\)", element.get("transform") or ""):
            x, y = x + float(moved[1]), y + float(moved[2])
        color = fill(element, inherited, parent)
        if element.tag == f"{SVG}rect" and color != "none":
            left, top = x + float(element.get("x", 0)), y + float(element.get("y", 0))
            painted.append((left, top, left + float(element.get("width")), top + float(element.get("height")), color))
        elif element.tag == f"{SVG}text":
            at_x, at_y = x + float(element.get("x", 0)), y + float(element.get("y", 0)) - 4
            under = [c for left, top, right, bottom, c in painted if left <= at_x <= right and top <= at_y <= bottom]
            yield "".join(element.itertext()), color, under[-1]
        for child in element:
            yield from walk(child, x, y, color, element)

    yield from walk(root, 0.0, 0.0, "#000000", None)


@pytest.mark.parametrize("theme", THEMES)
def test_text_stays_legible_on_boxes_that_fade(theme):
    """The stepper shows boxes whose values are not yet known at less than full strength: text then lies on a mixture."""
    opacity = float(re.search(r"\.late>rect\{opacity:([\d.]+)\}", LOOKS)[1])
    colors = THEMES[theme]
    for ground in ("paper", "frame", "inner-frame"):
        for role in ROLES:
            mixed = mixture(colors[f"{role}-fill"], colors[ground], opacity)
            assert min(contrast(colors[ink], mixed) for ink in ("ink", "faint", "slope")) >= 4.5, (ground, role)


def mixture(a, b, part):
    channels = [[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in (a, b)]
    return "#" + "".join(
        [f"{round(part * one + (1 - part) * other):02x}" for one, other in zip(*channels, strict=True)]
    )


@pytest.mark.parametrize("view", ["flow", "mirror", "cell", "time", "layers"])
def test_a_title_is_a_text_and_a_limit_a_whole_number(view):
    loss = layer(LSTM, 3)
    for title in (3, None, ["a"]):
        with pytest.raises(TypeError, match=r"mg\.draw\(title=.*\): a text"):
            mg.draw(loss, view=view, title=title)
    for limit in ("a", 1.5, -1, True, [3]):
        with pytest.raises(ValueError, match=r"mg\.draw\(limit=.*\): a whole number from 0"):
            mg.draw(loss, view=view, limit=limit)
    assert mg.draw(loss, view=view, limit=np.int64(500)).svg() == mg.draw(loss, view=view).svg()
