"""The figures of the main job: what they show, and that whatever a comparison became is drawn without a warning."""

import math
import re

import matplotlib as mpl
import numpy as np
import pytest

from minigrad.optim.experiments import figures
from minigrad.optim.experiments.comparison import Comparison, Run
from minigrad.optim.experiments.configuration import Configuration
from minigrad.optim.experiments.tasks import open_task
from tests.optim.experiments.small_job import invented, run_small

MANY = [
    "backprop",
    "exact",
    "immediate",
    "log-ratio",
    "first-last",
    "variance",
    "relative-variance=linear(0.3, 0.1, steps)",
]
TABLE = f"piecewise({{{', '.join(f'{step}: 0.1' for step in range(60))}}})"
FIGURES = [figures.learning_curves, figures.adjoint_norms]


@pytest.fixture
def drawn(monkeypatch):
    """Draws a figure and gives it, laid out, in place of its file."""
    made = []
    monkeypatch.setattr(figures, "_save", lambda figure, path: made.append(figure))

    def draw(function, comparison):
        function(comparison, None)
        made[-1].draw_without_rendering()
        return made[-1]

    return draw


def ended(made, i, why, *, norms=None, loss=None):
    """Let a run have ended early, and maybe at what is no number."""
    run = made.runs[i]
    run.steps, run.stopped, run.history.interrupted = 2, why, "interrupted" in why
    made.interrupted = made.interrupted or run.history.interrupted
    run.adjoints = [(step, of) for step, of in run.adjoints if step <= 2]
    if norms is not None:
        run.adjoints[-1] = (2, run.adjoints[-1][1] * norms)
    if loss is not None:
        run.history["train_loss"][-1] = loss
    return made


def two():
    return invented({"backprop": [0.3], "exact": [0.3]})


def one_run_with_one_record():
    made = two()
    del made.runs[1:], made.runs[0].adjoints[1:]
    return made


ODD = {
    "a schedule of many numbers": lambda: invented({"backprop": [0.3], f"omega={TABLE}": [1.0]}, schedule=TABLE),
    "one method, one seed, one step": lambda: invented({"backprop": [0.3]}, steps=1),
    "seven methods, four seeds": lambda: invented({name: [0.3, 1.0, 0.5, 1.0] for name in MANY}),
    "four methods, eight seeds": lambda: invented({name: np.linspace(0.3, 1, 8).tolist() for name in MANY[:4]}),
    "eight seeds, none learned": lambda: invented({name: [0.3] * 8 for name in MANY[:2]}),
    "interrupted": lambda: ended(
        invented({"backprop": [0.3, 0.4], "exact": [1.0, 0.3]}), -1, "interrupted after 2 of 6 steps"
    ),
    "one run with one record": one_run_with_one_record,
    "vanished": lambda: ended(two(), 0, "stopped", norms=np.arange(10) > 4, loss=math.nan),
    "all zero": lambda: ended(two(), 0, "stopped", norms=0),
    "nan": lambda: ended(two(), 0, "stopped", norms=math.nan, loss=math.nan),
    "exploded": lambda: ended(two(), 0, "stopped", norms=10.0 ** (30 * np.arange(9, -1, -1)), loss=1e30),
    "infinite": lambda: ended(two(), 0, "stopped", norms=np.array([*[math.inf] * 9, 1]), loss=math.inf),
}


@pytest.mark.parametrize("function", FIGURES)
@pytest.mark.parametrize("name", ODD)
def test_whatever_a_comparison_became_is_drawn_and_nothing_covers_anything(function, name, drawn):
    figure = drawn(function, ODD[name]())
    renderer = figure._get_renderer()
    (width, height) = figure.canvas.get_width_height()
    legends = [legend for part in (figure, *figure.subfigs) for legend in part.legends]
    outside = [legend.get_window_extent(renderer) for legend in legends]
    panels = [axes.get_tightbbox(renderer) for axes in figure.findobj(mpl.axes.Axes)]
    outside.append(figure._suptitle.get_window_extent(renderer))
    for box in (*outside, *panels):
        assert -1 <= box.x0 < box.x1 <= width + 1
        assert -1 <= box.y0 < box.y1 <= height + 1
    assert not any(panel.overlaps(box) for panel in panels for box in outside)
    assert all(not one.overlaps(other) for i, one in enumerate(panels) for other in panels[:i])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"learning_rate": 0.25}, "sgd 0.25,"),
        ({"learning_rate": 0.25, "schedule": "linear(0.5, 0, steps)"}, "sgd linear(0.5, 0.0, 6),"),
        ({"schedule": TABLE}, "5: 0.1, …,"),
    ],
)
def test_the_headline_has_the_rate_that_was_used(options, said, drawn):
    figure = drawn(figures.learning_curves, invented({"backprop": [0.3]}, **options))
    assert said in figure._suptitle.get_text().replace("\n", " ")


def test_a_map_of_many_seeds_has_the_steps_that_all_of_them_recorded():
    made = ended(invented({"backprop": [0.3] * 5}), -1, "stopped after 2 of 6 steps")
    steps, table = figures._median(made.runs)
    assert steps == [0, 1, 2]
    assert table.shape == (3, 10)
    assert figures._median(made.runs[:4])[0] == [0, 1, 2, 3, 6]


@pytest.mark.parametrize("n", [1, 3, 8])
def test_every_seed_has_its_line_and_titles_or_legend_count(n, drawn):
    """Of seeds that learned and seeds that did not there is no median; of several seeds each method has panels of its own."""
    figure = drawn(figures.learning_curves, invented({"backprop": [0.3] * n, "exact": [1.0] * n}))
    lines = [[line for line in axes.lines if len(line.get_xdata()) == 3] for axes in figure.axes]
    assert [len(of_panel) for of_panel in lines] == ([2, 2] if n == 1 else [n] * 4)
    for axes, of_panel in zip(figure.axes, lines, strict=True):
        assert all(
            axes.get_ylim()[0] <= min(line.get_ydata()) <= max(line.get_ydata()) < axes.get_ylim()[1]
            for line in of_panel
        )
    if n == 1:
        assert [text.get_text() for text in figure.legends[0].texts] == [
            "backpropagation: not learned",
            "Omega (exact): learned",
        ]
    else:
        titles = [axes.get_title("left") for axes in figure.axes]
        assert titles == [f"backpropagation:\n0 of {n} learned", f"Omega (exact):\n{n} of {n} learned", "", ""]


def test_maps_show_every_seed_or_those_that_learned_apart_from_the_others(drawn):
    made = invented({"backprop": [0.3] * 3, "exact": [0.4, 1.0, 1.0]})
    assert list(figures.map_rows(made)) == ["seed 0", "seed 1", "seed 2"]
    made = invented({"backprop": [0.3] * 5, "exact": [0.4, 1.0, 1.0, 1.0, 1.0]})
    rows = figures.map_rows(made)
    assert {name: [len(runs) for runs in of_methods] for name, of_methods in rows.items()} == {
        "learned": [0, 4],
        "did not learn": [5, 1],
    }


def test_the_start_is_seen_in_the_map(drawn):
    """The record of step 0 has a row within the axis, as high as the next one; a run that ended early leaves the rest gray."""
    made = invented({"backprop": [0.3]}, steps=4000)
    for last in (4000, 2000):
        made.runs[0].adjoints = [of for of in made.runs[0].adjoints if of[0] <= last]
        axes = drawn(figures.adjoint_norms, made).findobj(mpl.axes.Axes)[0]
        edges = axes.collections[0].get_coordinates()[:, 0, 1]
        low, high = axes.get_ylim()
        assert low <= edges[0]
        assert edges[1] - edges[0] > (high - low) / 20
        assert (edges[-1] >= high) == (last == 4000)
        assert [text.get_text() for text in axes.get_yticklabels()] == ["0", "10", "100", "1000", "4000"]


@pytest.mark.parametrize(("norm", "side"), [(0.0, -1), (1e-30, -1), (1e30, 1), (math.inf, 1)])
def test_curves_of_adjoints_that_vanish_or_explode_leave_the_picture(norm, side, drawn):
    made = ended(two(), 0, "stopped", norms=np.array([*[norm] * 9, 1]))
    curves = drawn(figures.adjoint_norms, made).subfigs[1].axes[0]
    low, high = curves.get_ylim()
    assert -figures.FAINTEST <= low < high <= figures.FAINTEST
    assert any(side * line.get_ydata()[0] > figures.FAINTEST for line in curves.lines)


@pytest.mark.parametrize(
    ("ratio", "names"),
    [(-7.0, {"$10^{-6}$", "1"}), (-2.5, {"0.1", "1"}), (0.9, {"1", "2", "5"}), (-1.2, {"0.1", "0.2", "0.5", "1"})],
)
def test_lengths_are_named_as_numbers_or_powers_of_ten(ratio, names, drawn):
    made = invented({"backprop": [0.3]}, ratios=(ratio,))
    made.runs[0].adjoints = made.runs[0].adjoints[-1:]
    curves = drawn(figures.adjoint_norms, made).subfigs[1].axes[0]
    found = [text.get_text() for text in curves.get_yticklabels()]
    assert names <= set(found)
    assert 2 < len(found) == len(set(found))


def test_the_colors_of_the_map_span_what_there_is_and_are_white_at_the_last_norm():
    trained = np.linspace(-1.5, 0.5, 2000).reshape(40, 50)
    low, high = figures._color_limits([trained, np.full((1, 50), np.nan)])
    assert low == pytest.approx(-1.48, abs=0.01)
    assert high == 1.0
    middle = figures._colors(low, high)((0 - low) / (high - low))
    np.testing.assert_allclose(middle[:3], (0.97, 0.97, 0.97), atol=0.02)
    assert figures._color_limits([np.full((1, 50), -8.0)])[0] == -8
    assert figures._color_limits([np.full((1, 50), np.nan)]) == (-1, 1)


@pytest.mark.slow
def test_figures_become_files(tmp_path):
    made = run_small(seeds=2, methods=["backprop", "exact"])
    figures.adjoint_norms(made, tmp_path / "a.png")
    figures.learning_curves(made, tmp_path / "b.png")
    for path in tmp_path.iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")


def test_losses_that_explode_are_drawn_on_a_logarithmic_axis():
    from matplotlib.figure import Figure

    made = run_small(methods=["backprop"])
    for loss, scale in ((1.0, "linear"), (1e30, "log"), (math.inf, "linear")):
        made.runs[0].history["train_loss"][-1] = loss
        axes = Figure().subplots()
        figures._scale_losses(axes, made)
        assert axes.get_yscale() == scale


def test_the_graph_of_the_net_is_small(tmp_path):
    made = run_small(methods=["backprop"], states=50)
    figures.net_graph(made, tmp_path / "g.svg")
    text = (tmp_path / "g.svg").read_text("utf-8")
    width, height = (float(re.search(rf'{name}="([\d.]+)"', text)[1]) for name in ("width", "height"))
    assert width < 1300
    assert height < 1800
    assert "(3, 3)" in text
    assert "50" not in re.findall(r">\((\d+), \d+\)<", text)


def test_a_method_looks_the_same_in_most_comparisons_and_unlike_the_others():
    looks = {}
    for methods in (
        ["backprop", "immediate", "exact"],
        ["backprop", "exact"],
        ["relative-variance", "soft-orthogonality", "log-ratio"],
        ["backprop", "log-ratio", "omega=0.1", "immediate", "omega", "exact"],
    ):
        configuration = Configuration.of(methods=methods)
        made = Comparison(configuration, open_task(configuration))
        made.runs = [Run(method, 0, configuration.method(method).label) for method in methods]
        found = {run.name: figures._style(made, [run]) for run in made.runs}
        assert len(set(map(str, found.values()))) == len(methods)
        for name in set(found) & {"backpropagation", *figures.FIRST}:
            assert looks.setdefault(name, found[name]) == found[name]
