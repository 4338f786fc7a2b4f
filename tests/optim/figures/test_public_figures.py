"""Public figures: what is to be seen in them, the style that light and dark pages bear, and what they refuse."""

import re
import sys
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from minigrad.models import Dense, Module, Sequential, losses, metrics
from minigrad.models.datasets import two_moons
from minigrad.optim import SGD, AdaGrad, Adam, EarlyStopping, RMSProp, figures, fit, predict
from minigrad.optim.figures.style import STYLES


def bowl(x, y):
    return x**2 + 10 * y**2


def descent(rate, momentum=0.0, start=(1.8, 1.0), steps=40, **options):
    return figures.path(bowl, start, lambda p: SGD(p, rate, momentum, **options), steps)


@pytest.mark.row("VIS-06")
def test_rates_too_small_good_and_too_large():
    """x shrinks by 1 − 2α and y by 1 − 20α a step, so beyond α = 0.1 the path diverges."""
    paths = {"too small": descent(0.004), "good": descent(0.05), "too large": descent(0.102)}
    assert [found.diverged for found in paths.values()] == [False, False, True]
    assert paths["good"].values[-1] < 1e-3 < 1 < paths["too small"].values[-1] < paths["too small"].values[0]
    figure = figures.descents(paths)
    labels = [line.get_label() for line in figure.axes[0].lines]
    assert labels == ["too small", "good", "too large (diverges)"]
    np.testing.assert_array_equal(figure.axes[0].lines[1].get_ydata(), paths["good"].values)
    assert descent(0.0999).diverged is False


def test_a_path_that_leaves_all_bounds_ends_there():
    found = descent(1e3, steps=1000)
    assert found.diverged
    assert len(found.points) == len(found.values) < 10
    assert figures.path(lambda x, y: x / 0 * y if False else x * np.nan, (1, 1), lambda p: SGD(p, 0.1), 5).diverged


@pytest.mark.row("VIS-07")
def test_momentum_zigzags_less():
    plain, with_momentum = descent(0.09, steps=25), descent(0.09, 0.5, steps=25)
    assert plain.turns == 24  # every step goes back on the one before
    assert with_momentum.turns < 16
    figure = figures.landscape(bowl, {"η = 0": plain, "η = 0.5": with_momentum})
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    np.testing.assert_array_equal(np.transpose(lines["η = 0.5"].get_data()), with_momentum.points)
    assert lines["η = 0"].get_linestyle() != lines["η = 0.5"].get_linestyle()


@pytest.mark.row("VIS-08")
@pytest.mark.parametrize("nesterov", [True, "look-ahead"])
def test_nesterov_overshoots_less(nesterov):
    plain = descent(0.02, 0.9, start=(1.8, 0.0), steps=60)
    ahead = descent(0.02, 0.9, start=(1.8, 0.0), steps=60, nesterov=nesterov)
    assert plain.overshoot((0, 0)) == pytest.approx(-plain.points[:, 0].min())
    assert 0 < ahead.overshoot((0, 0)) < 0.8 * plain.overshoot((0, 0))
    figure = figures.overshoot({"momentum": plain, "Nesterov": ahead}, (0, 0))
    assert "0.79 beyond" in figure.axes[0].lines[0].get_label()


OPTIMIZERS = {
    "SGD": lambda p: SGD(p, 0.002),
    "momentum": lambda p: SGD(p, 0.002, 0.9),
    "AdaGrad": lambda p: AdaGrad(p, 0.5),
    "RMSProp": lambda p: RMSProp(p, 0.02),
    "Adam": lambda p: Adam(p, 0.1),
}


@pytest.mark.row("VIS-09")
def test_a_race_is_a_file_that_moves(tmp_path):
    def valley(x, y):
        return (1 - x) ** 2 + 10 * (y - x**2) ** 2

    paths = {name: figures.path(valley, (-1.5, 2), make, 60) for name, make in OPTIMIZERS.items()}
    assert all(found.values[-1] < found.values[0] for found in paths.values())
    figure = figures.landscape(valley, paths, ylim=(-1, 3))
    figures.save_race(figure, paths, tmp_path / "race.svg")
    root = ET.parse(tmp_path / "race.svg").getroot()
    dots = root.findall(".//{*}path/{*}animateMotion")
    assert len(dots) == len(paths)
    width, height = (float(number) for number in root.get("viewBox").split()[2:])
    for dot in dots:
        places = np.array(re.findall(r"[ML](\S+) (\S+)", dot.get("path")), float)
        assert len(places) == 61
        assert ((places >= 0) & (places <= [width, height])).all()
        times = [float(t) for t in dot.get("keyTimes").split(";")]
        parts = [float(t) for t in dot.get("keyPoints").split(";")]
        assert times == sorted(times)
        assert (times[0], times[-1], parts[0], parts[-1], len(times)) == (0, 1, 0, 1, len(parts))


@pytest.mark.row("VIS-10")
def test_bias_and_variance_with_the_least_sum_marked():
    strengths, bias, variance = [0.1, 1.0, 10.0], [0.0, 0.2, 1.0], [0.9, 0.3, 0.1]
    figure = figures.bias_variance(strengths, bias, variance, noise=0.25)
    lines = figure.axes[0].lines
    np.testing.assert_allclose(lines[2].get_ydata(), [1.15, 0.75, 1.35])
    assert lines[3].get_label() == "least at λ = 1"
    assert (lines[3].get_xdata()[0], lines[3].get_ydata()[0]) == (1.0, 0.75)


@pytest.mark.row("VIS-11")
def test_learning_curves_mark_where_early_stopping_takes_the_parameters():
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(2, 40, 5)).astype(np.float32)
    net, stopping = Dense(5, 5, rng=0), EarlyStopping(patience=5)
    history = fit(
        net, x, noise, loss=losses.mean_squared_error, optimizer=Adam(net.parameters(), 0.1), epochs=60, validation=0.5,
        callbacks=[stopping], quiet=True,
    )  # fmt: skip
    ax = figures.learning_curves(history).axes[0]
    curves = {line.get_label(): line for line in ax.lines}
    np.testing.assert_array_equal(curves["val_loss"].get_ydata(), history["val_loss"])
    (mark,) = (line for name, line in curves.items() if name.startswith("least val_loss"))
    assert mark.get_xdata()[0] == stopping.row["epoch"] == int(np.argmin(history["val_loss"])) + 1
    assert mark.get_ydata()[0] == min(history["val_loss"])


@pytest.mark.row("VIS-12")
def test_a_landscape_with_two_optima_and_a_plateau():
    """At the marks the slope is 0; of the optima one is deeper, and the plateau is flat without being one."""

    def bumps(x, y):
        return -1.2 * np.exp(-((x + 1) ** 2 + y**2)) - 0.7 * np.exp(-2 * ((x - 1.2) ** 2 + (y - 0.3) ** 2))

    ends = {
        name: figures.path(bumps, start, lambda p: SGD(p, 0.1), 400)
        for name, start in (("global", (-1.4, 0.5)), ("local", (1.5, 0.0)), ("plateau", (6.0, -5.0)))
    }
    assert ends["global"].values[-1] < -1.1 < ends["local"].values[-1] < -0.6
    np.testing.assert_array_equal(ends["plateau"].points[-1], ends["plateau"].points[0])
    marks = {name: found.points[-1] for name, found in ends.items()}
    figure = figures.landscape(bumps, marks=marks, xlim=(-3, 7), ylim=(-6, 3))
    assert [text.get_text() for text in figure.axes[0].texts] == list(marks)


@pytest.mark.row("VIS-13")
def test_decision_regions_during_training(tmp_path):
    moons = two_moons(120, np.random.default_rng(0))
    net = Sequential(Dense(2, 16, np.tanh, rng=0), Dense(16, 2, rng=1))
    frames, right = [], []

    def note(model, history):
        if history.n_rows in (1, 8, 40):
            right.append(metrics.accuracy(predict(model, moons.inputs), moons.targets))
            frames.append(figures.decision_regions(model, *moons, title=f"{right[-1]:.0%}"))

    fit(
        net,
        *moons,
        loss=losses.cross_entropy,
        optimizer=Adam(net.parameters(), 0.03),
        epochs=40,
        callbacks=[note],
        quiet=True,
    )
    assert right == sorted(right)
    assert right[-1] > right[0] + 0.1
    figures.save_film(frames, tmp_path / "film.svg", seconds=0.5)
    root = ET.parse(tmp_path / "film.svg").getroot()
    groups = [group for group in root if group.tag.endswith("}g")]
    assert [group.get("visibility") for group in groups] == ["hidden", "hidden", "visible"]
    assert all(group.find("{*}animate").get("dur") == "1.5s" for group in groups)
    names = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(names) == len(set(names))


class Pixels(Module):
    """Scores that are linear in an image: their slopes are the weights."""

    def __init__(self, weights):
        self.weights = weights

    def forward(self, x):
        return (x[:, np.newaxis] * self.weights).sum(axis=(2, 3))


def test_many_curves_all_differ():
    runs = {f"run {i}": {"loss": [1.0, 0.5]} for i in range(20)}
    lines = figures.learning_curves(runs, ("loss",), xlabel="step").axes[0].lines
    assert len({(line.get_color(), str(line._unscaled_dash_pattern)) for line in lines}) == 20
    assert lines[0].axes.get_xlabel() == "step"


@pytest.mark.row("VIS-17")
def test_curves_of_runs_saliency_and_update_sizes():
    runs = {f"run {i}": {"loss": [1.0, 0.5 / (i + 1)], "val_loss": [1.0, 0.7]} for i in range(7)}
    figure = figures.learning_curves(runs, ("loss",))
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == [2] * 7
    styles = {
        (line.get_color(), str(line.get_linestyle()), line.get_dashes() if hasattr(line, "get_dashes") else 0)
        for line in figure.axes[0].lines
    }
    assert len(styles) == 7
    weights = np.random.default_rng(0).normal(size=(3, 5, 4))
    image = np.ones((5, 4))
    np.testing.assert_allclose(figures.saliency_map(Pixels(weights), image, 1), np.abs(weights[1]))
    largest = int(weights.sum(axis=(1, 2)).argmax())
    np.testing.assert_allclose(figures.saliency_map(Pixels(weights), image), np.abs(weights[largest]))
    drawn = figures.saliency(Pixels(weights), image).axes[0].images[0].get_array()
    assert drawn.shape == (5, 4)
    assert drawn.max() == 1
    noted = {"epoch": [1, 2, 3], "step": [5, 10, 15], "W": [0.1, 0.01, 0.001], "b": [0.2, 0.0, 0.002]}
    chart = figures.update_sizes(noted)
    assert chart.axes[0].get_yscale() == "log"
    assert [len(line.get_xdata()) for line in chart.axes[0].lines] == [3, 3]
    norms = figures.adjoint_norms({"RNN": 0.5 ** np.arange(10)}).axes[0].lines[0]
    assert (norms.get_xdata()[0], norms.get_xdata()[-1]) == (1, 10)


def every_figure(ax=None):
    """Each public figure once."""
    one = descent(0.05)
    net = Dense(2, 2, rng=0)
    points = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    yield figures.learning_curves({"loss": [1.0, 0.5]}, ax=ax)
    yield figures.bars({"a": 1.0, "b": float("nan")}, label="spots", baseline=0.5, ax=ax)
    yield figures.landscape(bowl, {"a": one}, ax=ax)
    yield figures.paths(bowl, {"a": one}, ax=ax)
    yield figures.descents({"a": one}, ax=ax)
    yield figures.overshoot({"a": one}, (0, 0), ax=ax)
    yield figures.decision_regions(net, points, np.arange(20) % 2, ax=ax)
    yield figures.saliency(Pixels(np.ones((2, 3, 3))), np.ones((3, 3)), ax=ax)
    yield figures.update_sizes({"a": [1.0, 0.5]}, ax=ax)
    yield figures.adjoint_norms({"a": [1.0, 0.5]}, ax=ax)
    yield figures.bias_variance([0.1, 1.0], [0.0, 1.0], [1.0, 0.0], ax=ax)


def test_the_style_of_all_figures():
    before = dict(mpl.rcParams)
    for figure, again in zip(every_figure(), every_figure(), strict=True):
        text = figures.svg(figure)
        assert text == figures.svg(again)  # bytes do not change from run to run
        assert "<dc:date>" not in text
        assert "<text" in text  # text stays text
        assert figures.INK not in text  # in its place the color of the page, or of the reader's theme
        assert "currentColor" in text
        assert "@media (prefers-color-scheme:dark)" in text
        assert not re.search(
            r"(fill|stroke): ?#000000", text
        )  # nothing is drawn in black, which a dark page would hide
        assert "fill: #ffffff" not in text
    assert dict(mpl.rcParams) == before


def test_every_figure_is_drawn_where_one_says():
    figure = Figure()
    ax = figure.add_subplot()
    for found in every_figure(ax):
        assert found is figure
    assert "matplotlib.pyplot" not in vars(figures)


def test_files_by_their_endings(tmp_path):
    figure = figures.bars({"a": 1.0})
    for name, start in (("a.svg", b"<?xml"), ("a.png", b"\x89PNG"), ("a.pdf", b"%PDF")):
        figures.save(figure, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)


def contrast(a, b):
    """Of two colors, by WCAG 2.1."""

    def luminance(color):
        parts = np.array(mpl.colors.to_rgb(color))
        return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


def test_colors_are_seen_on_light_and_dark_pages():
    for color in (figures.INK, *(color for color, _ in STYLES)):
        assert min(contrast(color, "#ffffff"), contrast(color, "#1e1e1e")) >= 3


def test_paths_are_all_in_the_picture_and_differ_in_shape():
    found = {"plain": descent(0.09), "momentum": descent(0.05, 0.9), "too large": descent(0.12)}
    ax = figures.paths(bowl, found, minimum=(0, 0)).axes[0]
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    for name in ("plain", "momentum"):
        x, y = found[name].points.T
        assert left < x.min() < x.max() < right
        assert low < y.min() < y.max() < high
    assert max(right, high) < 5  # the path that diverges does not make the others small
    named = [line for line in ax.lines if line.get_label().startswith(tuple(found))]
    assert [line.get_label() for line in named] == ["plain", "momentum", "too large (diverges)"]
    assert len({line.get_marker() for line in named}) == 3
    assert [text.get_text() for text in ax.texts] == ["minimum"]
    assert figures.paths(bowl, {"too large": found["too large"]}).axes[0].lines


def test_markers_of_a_race_stay_in_the_picture(tmp_path):
    found = {"good": descent(0.05), "too large": descent(1e3)}
    figures.save_race(figures.paths(bowl, found), found, tmp_path / "race.svg")
    root = ET.parse(tmp_path / "race.svg").getroot()
    width, height = (float(number) for number in root.get("viewBox").split()[2:])
    moving = [element for element in root.iter() if element.find("{*}animateMotion") is not None]
    assert moving[0].get("d") != moving[1].get("d")
    for element in moving:
        places = np.array(re.findall(r"[ML](\S+) (\S+)", element.find("{*}animateMotion").get("path")), float)
        assert ((places >= 0) & (places <= [width, height])).all()


class Lines(Module):
    """One logit: positive where x_1 is."""

    def __init__(self, shape):
        self.shape = shape

    def forward(self, x):
        return x[:, 0].reshape(-1, *self.shape)


@pytest.mark.parametrize("shape", [(), (1,)])
def test_one_logit_says_class_1_where_it_is_positive(shape):
    points = np.array([[-1.0, -1.0], [1.0, 1.0]])
    ax = figures.decision_regions(Lines(shape), points, [0, 1]).axes[0]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["class 0", "class 1"]
    bounds = [found.get_paths()[0].get_extents() for found in ax.collections if found.filled]
    left, right = (box.x0 + box.x1 for box in bounds)
    assert left < 0 < right


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_runs_without_numbers_are_drawn(bad):
    """A run that diverges in its first epoch is one that a figure has to bear; no mark is where there is no number."""
    assert len(figures.learning_curves({"loss": [bad] * 3, "val_loss": [bad] * 3}).axes[0].lines) == 2
    ax = figures.learning_curves({"loss": [3.0, bad, 2.0], "val_loss": [3.0, -bad, 2.0]}).axes[0]
    assert "least val_loss, epoch 3" in [line.get_label() for line in ax.lines]


def test_a_path_may_start_beyond_the_numbers():
    found = figures.path(lambda x, y: np.exp(x) + y, (1000, 0), lambda p: SGD(p), 5)
    assert found.diverged
    assert found.values.tolist() == [np.inf]


def test_losses_below_0_are_drawn():
    found = figures.path(lambda x, y: bowl(x, y) - 50, (1.8, 1.0), lambda p: SGD(p, 0.05), 9)
    ax = figures.descents({"good": found}).axes[0]
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), found.values)
    assert ax.get_yscale() == "linear"


def test_numbers_of_bars_stand_beside_them():
    texts = {text.get_text().strip(): text for text in figures.bars({"a": -3.0, "b": 2.0}).axes[0].texts}
    assert (texts["-3"].get_ha(), texts["2"].get_ha()) == ("right", "left")


def test_powers_are_written_as_text():
    ax = figures.axes(xscale="log", yscale="log", xlim=(1e-8, 3), ylim=(0.003, 0.05), ylabel="x")
    text = figures.svg(ax.figure)
    for words in ("10⁻⁶", "10⁰", "10⁻²", "2·10⁻²", "4·10⁻³"):
        assert f">{words}</text>" in text
    ax.yaxis.set_major_formatter("{x:g}")
    assert ">0.01</text>" in figures.svg(ax.figure)


def test_words_keep_their_digits():
    figure = figures.learning_curves(
        {"Adam, 0.001": {"loss": [1.0, 0.5]}, "#808080": {"loss": [0.12345, 0.2]}}, ("loss",)
    )
    figure.axes[0].set_title("γ = −0.000125")
    text = figures.svg(figure)
    for words in ("Adam, 0.001", "#808080", "γ = −0.000125"):
        assert f">{words}</text>" in text


def test_a_figure_within_a_figure():
    part = Figure().subfigures(1, 2)[0]
    assert figures.bars({"a": 1.0}, ax=part.subplots()) is part.figure


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "minigrad\[train\]"'):
        figures.bars({"a": 1.0})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: figures.learning_curves({"score": [1.0]}), "no column of loss, val_loss in score"),
        (lambda: figures.learning_curves({}), "in nothing"),
        (lambda: figures.bars({"a": float("nan")}), "no number to draw"),
        (lambda: figures.path(bowl, (1,), lambda p: SGD(p), 3), "expected two numbers"),  # type: ignore[arg-type]
        (lambda: figures.landscape(lambda x, y: x * np.nan), "nowhere finite"),
        (
            lambda: figures.decision_regions(Dense(2, 2, rng=0), np.ones((3, 3)), np.zeros(3, int)),
            r"expected inputs \(n, 2\)",
        ),
        (
            lambda: figures.decision_regions(Dense(2, 2, rng=0), np.ones((3, 2), np.float32), np.array([0, 1, 2])),
            r"class_indices lie in 0 ... 2, and the model has the classes 0 ... 1",
        ),
        (lambda: figures.paths(bowl, {}), "paths: there is no path to draw"),
        (lambda: figures.descents({}), "descents: there is no path to draw"),
        (lambda: figures.overshoot({}, (0, 0)), "overshoot: there is no path to draw"),
        (lambda: descent(0.1).overshoot((1.8, 1.0)), "the path starts there"),
        (lambda: figures.bias_variance([1, 2], [1], [1, 2]), "2 strengths, 1 of bias² and 2 of variance"),
        (lambda: figures.bias_variance([], [], []), "at least one"),
        (lambda: figures.path(bowl, (1, 1), lambda p: SGD(p), -1), "expected 0 or more"),
        (lambda: figures.save_film([], "x.svg"), "figures of one size"),
        (lambda: figures.update_sizes({}), "no curve to draw"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
