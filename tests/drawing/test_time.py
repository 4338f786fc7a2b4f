"""Adjoints over time: what is drawn is what was recorded, and a cut is what the engine gives without a path."""

import math
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import minigrad as mg
from minigrad.drawing import metrics
from minigrad.drawing.decay import Curve, in_words, two_digits
from minigrad.drawing.events import Bprop
from minigrad.drawing.lanes import JOINT, OUTSIDE, WHOLE, grids
from minigrad.drawing.shades import ABOVE, LEVELS, PALETTE, SHADES, Scale
from minigrad.drawing.time_view import HEADLINE
from minigrad.models import GRU, LSTM, Bidirectional, SimpleRNN, Stacked
from tests.drawing.graphs import by_hand, expression, layer, net_2_2_1, recurrent, residual, two_layers, woven
from tests.drawing.regenerate import GOLDEN, views
from tests.drawing.test_looks import contrast

SVG = "{http://www.w3.org/2000/svg}"


def draw(loss, **options):
    return mg.draw(loss, view="time", **options)


def named(loss, name):
    """The nodes of that name in the order of birth."""
    return [node for node in mg.Graph(loss).nodes if node.name == name]


def curve(view, label, loop=0):
    return next(curve for curve in view.runs[0].loops[loop].curves if curve.label == label)


def by_lane(grid):
    return {lane.label: i for i, lane in enumerate(grid.lanes)}


def rnn(inputs=3):
    return SimpleRNN(inputs, 4, rng=0, dtype=np.float64)


def sequence(length=6):
    return mg.Input(np.random.default_rng(0).normal(size=(2, length, 3)), name="u")


@pytest.mark.parametrize("cell", [SimpleRNN, LSTM, GRU])
@pytest.mark.parametrize("length", [3, 30])
def test_curves_are_norms_of_gradients(cell, length):
    loss = layer(cell, length)
    view = draw(loss)
    for name in ("c", "h") if cell is LSTM else ("h",):
        states = named(loss, name)
        norms = [np.linalg.norm(adjoint.value) for adjoint in mg.gradients(loss, states)]
        assert list(curve(view, name).norms) == list(range(1, length + 1))
        assert list(curve(view, name).norms.values()) == pytest.approx(norms, rel=1e-12)


@pytest.mark.parametrize("cell", [SimpleRNN, LSTM, GRU])
def test_every_link_of_a_whole_cell_is_an_adjoint_that_was_sent(cell):
    record = mg.record(layer(cell, 4))
    (grid,) = grids(record)
    node_at = {(dot.lane, dot.step): dot.node for dot in grid.dots}
    inside = set(node_at.values())
    sent = sorted(
        (event.node if event.node in inside else -1, part.child, record.arrays[part.array].norm)
        for event in record.events
        if isinstance(event, Bprop)
        for part in event.sends
        if part.child in inside
    )
    drawn = sorted((node_at.get(link.source, -1), node_at[link.target], link.norm) for link in grid.links)
    assert drawn == sent
    assert {node_at[link.target] for link in grid.links} == inside


def test_steps_beyond_twelve_show_states_gates_and_where_their_ways_join():
    assert [lane.role for lane in grids(mg.record(layer(LSTM, WHOLE)))[0].lanes].count("") == 9
    (grid,) = grids(mg.record(layer(LSTM, WHOLE + 1)))
    assert [lane.label for lane in grid.lanes if lane.role != JOINT] == ["c", "i", "f", "o", "g", "h"]
    lanes = by_lane(grid)
    joint = next(i for i, lane in enumerate(grid.lanes) if lane.role == JOINT)
    ends = {(link.source[0], link.target[0]) for link in grid.links if link.source[1] == 5}
    c, h = lanes["c"], lanes["h"]
    gates = [lanes[name] for name in "ifog"]
    assert ends == {(h, c), (h, lanes["o"]), (c, c), *[(c, lanes[name]) for name in "ifg"],
                    *[(gate, joint) for gate in gates], (joint, h)}  # fmt: skip
    assert [link.target for link in grid.links if link.source[0] == OUTSIDE] == [(h, WHOLE + 1)]


def test_links_past_hidden_nodes_have_the_norm_before_others_join_in():
    loss = layer(LSTM, 20)
    record = mg.record(loss)
    (grid,) = grids(record)
    lanes = by_lane(grid)
    norms = {(dot.lane, dot.step): dot.norm for dot in grid.dots}
    for link in grid.links:
        if link.source[0] in [
            lanes[name] for name in "ifo"
        ]:  # they send all they have to the sigmoid they are a part of
            assert link.norm == norms[link.source]
    c, f = [mg.gradients(loss, named(loss, "c"))[t].value * named(loss, "f")[t].value for t in (7, 8)], lanes["c"]
    (kept,) = [link.norm for link in grid.links if link.source == (f, 9) and link.target == (f, 8)]
    assert kept == pytest.approx(np.linalg.norm(c[1]))


@pytest.mark.parametrize("sums", [3, 10, 40])
def test_ways_that_part_and_meet_again_are_one_link(sums):
    (grid,) = grids(mg.record(residual(sums)))
    assert [lane.role for lane in grid.lanes] == [JOINT, "state"]
    assert len(grid.links) == 3 * WHOLE


def test_links_beside_each_other_are_told_apart_and_do_not_lie_on_each_other():
    x, w = mg.Input(0.3, name="x"), mg.Parameter(0.9, name="w")
    for _ in range(6):
        x = np.tanh(w * x)
        x = x * x
    view = draw(x)
    (grid,) = [loop.grid for loop in view.runs[0].loops]
    ways = {}
    for link in grid.links:
        ways.setdefault((link.source, link.target), []).append(link.way)
    assert max(map(tuple, ways.values())) == (0, 1)
    assert all(found == list(range(len(found))) for found in ways.values())
    paths = [
        way for path in re.findall(r'<path d="([^"]*)" fill="none" stroke="#', view.svg()) for way in path.split("M")
    ]
    assert len([way for way in paths if way]) == len({way for way in paths if way})


# Colors --------------------------------------------------------------------------------------------------------------


def test_colors_are_a_function_of_norms():
    scale = Scale(6, -6, 0)
    parts = 10.0 ** np.linspace(-9, 6, 400)
    levels = [scale.level(part) for part in parts]
    assert levels == sorted(levels)
    assert (levels[0], levels[-1], scale.level(1.0)) == (0, LEVELS + ABOVE, LEVELS)
    assert set(levels) == set(range(LEVELS + ABOVE + 1))
    assert scale.level(1e-3) == LEVELS / 2
    assert [scale.level(odd) for odd in (0.0, math.nan, math.inf, -math.inf)] == [None] * 4
    assert len(set(SHADES)) == len(SHADES) == len({light for light, _ in PALETTE.values()} & {a for a, _ in SHADES})


def test_the_color_of_every_dot_and_link_is_that_of_its_norm():
    view = draw(layer(SimpleRNN, 20))
    (run,) = view.runs
    root = ET.fromstring(view.svg())
    found = {}
    for group in root.iter(f"{SVG}g"):
        found[group.find(f"{SVG}title").text] = group[1].get("fill")
    for step, norm in curve(view, "h").norms.items():
        assert found[f"h at t = {step}: {two_digits(norm)}"] == view.scale.color(view.scale.level(norm / run.unit))
    strokes = [path for path in root.iter(f"{SVG}path") if path.get("stroke") in {light for light, _ in SHADES}]
    drawn = {path.get("stroke"): path.get("d").count("M") for path in strokes}
    levels = [view.scale.color(view.scale.level(link.norm / run.unit)) for link in run.loops[0].grid.links]
    assert drawn == {color: levels.count(color) for color in levels}


def test_shades_fade_into_the_page_and_turn_violet():
    for theme, paper in enumerate(("#ffffff", "#11151b")):
        ratios = [contrast(pair[theme], paper) for pair in SHADES]
        assert ratios[: LEVELS + 1] == sorted(ratios[: LEVELS + 1])
        assert ratios[0] < 1.2
        assert min(ratios[LEVELS:]) > 4.5
    red, _, blue = (int(SHADES[-1][0][i : i + 2], 16) for i in (1, 3, 5))
    assert blue > red


def test_runs_share_one_scale():
    fast, slow = layer(SimpleRNN, 30), layer(LSTM, 30)
    alone, both = draw(slow), draw({"fast": fast, "slow": slow})
    assert draw(fast).scale.decades == both.scale.decades > alone.scale.decades
    assert [run.title for run in both.runs] == ["fast", "slow"]
    assert [run.title for run in draw([fast, mg.record(slow)]).runs] == ["run 1", "run 2"]
    assert "slow: Adjoint of c: at t = 1 it has" in both.text()


# Cuts ----------------------------------------------------------------------------------------------------------------


def test_without_h_the_adjoint_of_c_is_the_product_of_forget_gates():
    loss = layer(LSTM, 50)
    (last,) = mg.gradients(loss, named(loss, "c")[-1:])
    gates = [gate.value for gate in named(loss, "f")]
    left = curve(draw(loss, cut="h"), "c without h").norms
    for t in range(1, 51):
        assert left[t] == pytest.approx(np.linalg.norm(last.value * np.prod(gates[t:], axis=0)), rel=1e-10)
    gone = curve(draw(loss, cut=[("i", "f", "o", "g")]), "c without i, f, o, g").norms
    assert list(gone.values()) == pytest.approx(list(left.values()), rel=1e-10)


def test_without_its_gates_the_adjoint_of_a_gru_is_the_product_of_what_they_keep():
    loss = layer(GRU, 30)
    (last,) = mg.gradients(loss, named(loss, "h")[-1:])
    kept = [1 - gate.value for gate in named(loss, "z")]
    left = curve(draw(loss, cut=[("z", "r", "g")]), "h without z, r, g").norms
    for t in range(1, 31):
        assert left[t] == pytest.approx(np.linalg.norm(last.value * np.prod(kept[t:], axis=0)), rel=1e-10)


def test_a_cut_of_the_only_state_leaves_what_comes_from_the_loss():
    view = draw(by_hand(14, losses=True), cut="tanh")
    loss = by_hand(14, losses=True)
    states = [node for node in mg.Graph(loss).nodes if type(node).__name__ == "Tanh"]
    norms = curve(view, "tanh without tanh").norms
    assert list(norms.values()) == pytest.approx([np.linalg.norm(2 * state.value) for state in states])
    assert in_words(curve(draw(layer(GRU, 14), cut="h"), "h without h")).startswith("its norm is ")


def test_an_adjoint_that_comes_in_before_the_last_step_is_measured_from_there():
    outputs = LSTM(3, 4, rng=0, dtype=np.float64)(sequence(20), sequences=True)
    view = draw((outputs[:, 5] ** 2).sum())
    h = curve(view, "h")
    assert view.runs[0].unit == max(h.norms[6], curve(view, "c").norms[6])
    assert in_words(h).startswith("at t = 1 it has ")
    assert in_words(h).endswith("per step back; exactly 0 at t = 20 … 7")


def test_steps_counted_in_names_are_left_out_of_labels():
    x, w = mg.Input(0.3, name="x"), mg.Parameter(0.9, name="w")
    for t in range(10):
        x = np.tanh(w * x)
        x.name = f"x[{t}]"
    (grid,) = grids(mg.record(x))
    assert [lane.label for lane in grid.lanes] == ["w × x", "x"]


def test_several_cuts_have_a_curve_each():
    view = draw(layer(LSTM, 14), cut=("h", "c"))
    assert [one.label for one in view.runs[0].loops[0].curves] == ["c", "h", "c without h", "h without c"]
    both = draw({"a": layer(LSTM, 14), "b": layer(GRU, 14)}, cut="z")
    assert [[one.label for one in run.loops[0].curves] for run in both.runs] == [["c", "h"], ["h", "h without z"]]


def test_a_cut_changes_nothing_else():
    loss = layer(LSTM, 20)
    before = mg.record(loss).json()
    with_cut, without = draw(loss, cut="h"), draw(loss)
    assert mg.record(loss).json() == before
    assert with_cut.runs[0].loops[0].grid == without.runs[0].loops[0].grid


def unrolled(net, cut):
    """The states of an LSTM, or of a GRU, over a sequence by hand, what is cut by `stop_gradient`, and the names of the cut."""

    def stopped(state, name):
        return mg.stop_gradient(state) if name in cut else state

    def lstm(inputs):
        cell, c, h, found = net.cell, mg.Constant(np.zeros((2, 4))), mg.Constant(np.zeros((2, 4))), {"c": [], "h": []}
        for x in inputs:
            gates = x @ cell.W_x.T + stopped(h, "h") @ cell.W_h.T + cell.b
            i, f, o = [stopped(mg.sigmoid(gates[:, k : k + 4]), name) for k, name in ((0, "i"), (4, "f"), (8, "o"))]
            c = f * stopped(c, "c") + i * stopped(np.tanh(gates[:, 12:]), "g")
            h = o * np.tanh(c)
            found["c"].append(c)
            found["h"].append(h)
        return found

    def gru(inputs):
        h, found = mg.Constant(np.zeros((2, 4))), {"h": []}
        for x in inputs:
            cell, before = net.cell, stopped(h, "h")
            fed, W = x @ cell.W_x.T + cell.b, cell.W_h
            z, r = [mg.sigmoid(fed[:, k : k + 4] + before @ W[k : k + 4].T) for k in (0, 4)]
            g = stopped(np.tanh(fed[:, 8:] + (r * before) @ W[8:].T), "g")
            h = (1 - z) * before + z * g
            found["h"].append(h)
        return found

    return lstm if isinstance(net, LSTM) else gru


@pytest.mark.parametrize("upper", [LSTM, GRU])
@pytest.mark.parametrize("cut", [("h",), ("c",), ("f", "g"), ("h", "o")])
def test_a_cut_goes_through_all_loops_that_have_the_lane(upper, cut):
    first, second = LSTM(3, 4, rng=0, dtype=np.float64), upper(4, 4, rng=1, dtype=np.float64)
    u = sequence(8)
    view = draw((second(first(u, sequences=True)) ** 2).mean(), cut=[cut])
    below = unrolled(first, cut)([u[:, t] for t in range(8)])
    above = unrolled(second, cut)(below["h"])
    loss = (above["h"][-1] ** 2).mean()
    for loop, states in enumerate((below, above)):
        drawn = [one for one in view.runs[0].loops[loop].curves if one.without]
        for one in drawn:
            truth = [np.linalg.norm(adjoint.value) for adjoint in mg.gradients(loss, states[one.state])]
            assert [norm or 0.0 for norm in one.norms.values()] == pytest.approx(truth, rel=1e-10)
            assert one.label == f"{one.state} without {', '.join(name for name in 'cifogh' if name in cut)}"
        assert bool(drawn) == any(name in cut for name in ("cifogh" if loop == 0 or upper is LSTM else "hzrg"))


def test_a_state_is_read_by_other_loops_whatever_their_steps_are():
    W, V = (mg.Parameter(np.array([[0.5, 0.2], [-0.3, 0.4]]) + k, name="WV"[k]) for k in range(2))

    def run(cut):
        x, first = mg.Input([0.1, 0.2], name="x"), []
        for t in range(6):
            with mg.scope(f"there/t={t + 1}"):
                x = np.tanh(W @ (mg.stop_gradient(x) if cut and t else x))
                x.name = "s"
            first.append(x)
        y = mg.Input([0.3, 0.1], name="y")
        for t in range(6):  # its first step reads the last state
            with mg.scope(f"fro/t={t + 1}"):
                y = np.tanh(V @ y + first[5 - t])
                y.name = "r"
        return (y**2).sum(), first

    view = draw(run(cut=False)[0], cut="s")
    truth = [np.linalg.norm(adjoint.value) for adjoint in mg.gradients(*run(cut=True))]
    assert list(curve(view, "s without s").norms.values()) == pytest.approx(truth, rel=1e-10)
    assert len(view.runs[0].loops) == 2


# Nets ----------------------------------------------------------------------------------------------------------------


def test_a_direction_that_reads_backward_runs_from_left_to_right():
    view = draw((Bidirectional(rnn(), rnn())(sequence()) ** 2).mean())
    ahead, back = view.runs[0].loops
    assert (ahead.grid.name, back.grid.name) == ("ahead", "back")
    assert back.grid.steps == (6, 5, 4, 3, 2, 1)
    assert back.curves[0].reached()[0][0] == 1
    assert "back: Adjoint of h: at t = 6 it has" in view.text()
    assert "right to left" not in view.svg()
    assert "from right to left" in draw(layer(LSTM, 4)).svg()


def test_layers_above_each_other_have_lanes_of_their_own():
    view = draw((Stacked([rnn(), LSTM(4, 4, rng=1, dtype=np.float64)])(sequence(14)) ** 2).mean())
    assert [loop.grid.name for loop in view.runs[0].loops] == ["simplernn_1", "lstm_2"]
    (grid,) = grids(mg.record(two_layers(14)))
    assert [lane.role for lane in grid.lanes] == ["state", "state"]
    assert len({lane.label for lane in grid.lanes}) == 2
    assert "from outside" in view.svg()


def test_masked_steps_hand_the_adjoint_on():
    mask = np.ones((2, 20), bool)
    mask[:, 14:] = False
    view = draw((rnn()(sequence(20), mask=mask) ** 2).mean())
    norms = curve(view, "h").norms
    assert len({norms[t] for t in range(14, 21)}) == 1
    ways = {link.way: link.norm for link in view.runs[0].loops[0].grid.links if link.source == (0, 18)}
    assert sorted(ways.values()) == [0.0, norms[18]]


def test_sums_of_losses_are_no_states():
    view = draw(by_hand(14, losses=True))
    (grid,) = [loop.grid for loop in view.runs[0].loops]
    assert [lane.role for lane in grid.lanes] == ["state"]
    assert len([link for link in grid.links if link.source[0] == OUTSIDE]) == 14


def test_names_that_count_steps_are_one_lane():
    (grid,) = grids(mg.record(recurrent(5)[0]))
    assert [lane.label for lane in grid.lanes] == ["u", "x @ Wᵀ", "u @ Rᵀ", "x @ Wᵀ + u @ Rᵀ", "· + b", "x"]


def test_states_of_two_steps_ago_are_reached_by_an_arc():
    view = draw(by_hand(14, lag=2))
    (grid,) = [loop.grid for loop in view.runs[0].loops]
    assert {link.source[1] - link.target[1] for link in grid.links if link.source[0] != OUTSIDE} == {1, 2}
    assert re.findall(r"M[^MQ]*Q", view.svg())


def test_penalized_losses_are_drawn_with_the_adjoints_of_all():
    loss, _, states = recurrent(5)
    penalized = loss + 0.3 * sum((adjoint**2).sum() for adjoint in mg.gradients(loss, states))
    norms = curve(draw(penalized), "x").norms
    expected = [np.linalg.norm(adjoint.value) for adjoint in mg.gradients(penalized, states)]
    assert list(norms.values()) == pytest.approx(expected, rel=1e-12)


def test_exact_zeros_and_what_is_no_number_are_crossed():
    W, h = mg.Parameter(-np.eye(3), name="W"), mg.Input(np.ones(3))
    for _ in range(16):
        h = mg.relu(W @ h - 0.1)
    view = draw(h.sum())
    assert in_words(curve(view, "relu")) == "its norm is 1.7 at t = 16; exactly 0 at t = 15 … 1"
    crosses = [group for group in ET.fromstring(view.svg()).iter(f"{SVG}g") if group[1].get("stroke-width") == "1.4"]
    assert len(crosses) == 15
    h = mg.Input(np.ones(3))
    with np.errstate(all="ignore"):
        for _ in range(16):
            h = np.sqrt(W @ h)
        view = draw(h.sum())
    assert in_words(curve(view, "√(W @ ·)")) == "its norm is 1.7 at t = 16; no finite number at t = 15 … 1"
    assert "no finite number" in view.svg()


def test_growth_is_said_too():
    W, h = mg.Parameter(np.eye(3) * 3.0, name="W"), mg.Input(np.ones(3))
    for _ in range(16):
        h = W @ h
    view = draw(h.sum())
    assert (
        in_words(view.runs[0].loops[0].curves[0])
        == "at t = 1 it has 1.4 · 10⁷ times its norm at t = 16, × 3 per step back"
    )
    assert SHADES[-1][0] in view.svg()


# Looks ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", [LSTM, GRU])
def test_a_hundred_steps_take_few_bytes(cell):
    sizes = [len(draw(layer(cell, length)).svg().encode()) for length in (50, 100)]
    assert sizes[1] < 150_000
    assert sizes[1] < 2.2 * sizes[0]


@pytest.mark.parametrize("theme", [0, 1])
def test_all_text_is_legible(theme):
    paper = PALETTE["paper"][theme]
    for name, pair in PALETTE.items():
        if name in ("ink", "faint") or name.startswith(("state-", "cut-")):
            assert contrast(pair[theme], paper) >= 4.5, name


@pytest.mark.parametrize("length", [3, 5, 12, 50])
def test_a_picture_has_words_and_is_whole(length):
    loss = layer(LSTM, length)
    view = draw(loss, cut=("h", "c"), title='<b>"gates" & \x1b[31m \ud800')
    svg = view.svg()
    root = ET.fromstring(svg)
    assert svg == draw(loss, cut=("h", "c"), title='<b>"gates" & \x1b[31m \ud800').svg()
    assert root.get("role") == "img"
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert "of its norm at t =" in description.text
    rows = view.text().splitlines()
    assert len(rows) == 1 + 1 + 4 + 1 + 1 + length
    assert rows[8].split()[1:] == [f"{one.norms[1]:.4g}" for one in view.runs[0].loops[0].curves]
    light = {pair[0] for pair in PALETTE.values()} | {"none", None}
    assert {element.get(where) for element in root.iter() for where in ("fill", "stroke")} <= light
    assert min(float(text.get("font-size")) for text in root.iter(f"{SVG}text")) >= 9
    width = float(root.get("width"))
    assert all(0 <= float(text.get("x")) <= width for text in root.iter(f"{SVG}text"))


def test_a_long_title_makes_the_picture_wide_enough():
    title = "How far back in time does the gradient of the loss reach in this net? " * 3
    root = ET.fromstring(draw(layer(GRU, 4), title=title).svg())
    assert float(root.get("width")) > 20 + metrics.width(title, HEADLINE)


def test_it_shows_itself_and_is_saved(tmp_path):
    view = draw(layer(GRU, 4))
    assert view._repr_mimebundle_() == {"image/svg+xml": view._repr_svg_(), "text/plain": view.text()}
    assert repr(view) == "<TimeView: 1 states over 4 steps; .svg() .text() .html() .save(path)>"
    for suffix, text in ((".svg", view.svg()), (".html", view.html()), (".txt", view.text())):
        view.save(tmp_path / f"x{suffix}")
        assert (tmp_path / f"x{suffix}").read_text("utf-8") == text
    assert view.text() in view.html()
    with pytest.raises(ValueError, match="the suffix says what to write"):
        view.save(tmp_path / "x.jpeg")


def test_the_committed_pictures_are_those_of_today():
    for name, text in views().items():
        assert (GOLDEN / name).read_text("utf-8") == text, "python -m tests.drawing.regenerate"


def test_hostile_names_stay_text():
    h = mg.Input(np.ones(2), name="start")
    for t in range(14):
        h = np.tanh(h * 1.5)
        h.name = f'<script>"&\x1b[31m\ud800 漢字 {t}'
    view = draw({"]]><b>": h.sum(), "\u202e": h.sum()})
    root = ET.fromstring(view.svg())
    assert not [element for element in root.iter() if element.tag.endswith(("script", "b"))]
    assert view.runs[0].loops[0].grid.lanes[0].label.startswith('<script>"&')
    assert not set("\x1b\ud800\u202e") & set(view.svg() + view.text() + view.html())


def test_a_record_read_from_a_file_gives_the_same_picture(tmp_path):
    record = mg.record(layer(LSTM, 14))
    record.save(tmp_path / "record.json")
    assert draw(mg.Record.load(tmp_path / "record.json")).svg() == draw(record).svg() == draw(layer(LSTM, 14)).svg()


# Errors --------------------------------------------------------------------------------------------------------------


def test_graphs_without_steps_are_refused():
    for loss in (net_2_2_1()[0], expression()[0], mg.Input(1.0)):
        with pytest.raises(ValueError, match=r'no time steps were found .* view="flow"'):
            draw(loss)
    p = mg.Parameter(1.0, name="p")
    with pytest.raises(ValueError, match="no adjoint gets to a state"):
        draw(mg.record(layer(LSTM, 4) + p * 0, wrt=[p]))
    with pytest.raises(ValueError, match="is not a scalar"):
        draw(layer(LSTM, 4, gradient=True)[0])


def test_what_is_asked_for_wrongly_is_refused():
    loss = layer(LSTM, 14)
    with pytest.raises(ValueError, match=r"cut='x'.*no lane of that name; there are 'c', 'i', 'f'"):
        draw(loss, cut="x")
    with pytest.raises(TypeError, match="draw the loss"):
        draw(mg.record(loss), cut="h")
    with pytest.raises(ValueError, match='belongs to view="time"'):
        mg.draw(loss, cut="h")
    with pytest.raises(ValueError, match=r'stubs=.* belongs to view="flow": leave it out of view="time"'):
        draw(loss, stubs=False)
    with pytest.raises(ValueError, match=r"view='times'.*one of 'flow'"):
        mg.draw(loss, view="times")
    with pytest.raises(ValueError, match=r"97 dots .*limit=50"):
        draw(loss, limit=50)
    with pytest.raises(ValueError, match=r"\d+ dots and \d+ links .*limit=150"):
        draw(woven(), limit=150)
    with pytest.raises(ValueError, match="nothing to show"):
        draw([])
    for wrong in (3.0, [loss, 3.0], {"a": None}):
        with pytest.raises(TypeError, match=r'view="time"\) takes'):
            draw(wrong)
    with pytest.raises(TypeError, match='draw several runs by view="time"'):
        mg.draw({"run": mg.record(loss)})


def test_words_for_what_was_reached():
    assert in_words(Curve("h", {1: None, 2: None})) == "no path leads to t = 2 … 1"
    assert in_words(Curve("h", {1: 2.0})) == "its norm is 2 at t = 1"
    assert in_words(Curve("h", {1: None, 2: 5.0})) == "its norm is 5 at t = 2; no path leads to t = 1"
    decay = "at t = 1 it has 0.25 of its norm at t = 3, × 0.5 per step back"
    assert in_words(Curve("h", {1: 1.0, 2: 2.0, 3: 4.0})) == decay
    assert in_words(Curve("h", {1: 1.0, 2: 0.0, 3: 4.0, 4: 0.0})) == f"{decay}; exactly 0 at t = 4 and 1 more steps"
    assert in_words(Curve("h", {1: 1e300, 2: 1e-300})).startswith("at t = 1 it has 1.0 · 10⁶⁰⁰ times")
    assert (
        in_words(Curve("h", {3: 4.0, 2: 4.0, 1: 4.0})) == "at t = 3 it has 1 times its norm at t = 1, × 1 per step back"
    )
    assert [two_digits(x) for x in (0.0, 0.5, 123.0, 3.14e-8, 2e5)] == ["0", "0.5", "123", "3.1 · 10⁻⁸", "2.0 · 10⁵"]


@pytest.mark.parametrize("step", [lambda W, s: W @ s, lambda W, s: np.tanh(s @ W), lambda W, s: np.sin(W[0, 0] * s)])
def test_a_loop_of_parameters_alone_has_states(step):
    W = mg.Parameter(np.diag([0.5, 0.9, 0.8]), name="W")
    norms = []
    for first in (mg.Parameter, mg.Input):
        s, states = first(np.full(3, 0.5), name="s0"), []
        for _ in range(6):
            s = step(W, s)
            states.append(s)
        loss = np.square(s).sum()
        (loop,) = mg.draw(loss, view="time").runs[0].loops
        (curve,) = loop.curves
        adjoints = mg.gradients(loss, states)
        np.testing.assert_allclose(list(curve.norms.values()), [np.linalg.norm(a.value) for a in adjoints])
        norms.append(curve.norms)
        assert "no state" not in mg.draw(loss, view="cell").reason
        assert len(mg.draw(loss, roll=True).diagram.boxes) < len(mg.draw(loss).diagram.boxes)
    assert norms[0] == norms[1]
