"""The figure of parallel coordinates."""

import math
import re

import numpy as np
import pytest
from matplotlib.figure import Figure

from minigrad.optim import LogUniform, grid_search, random_search
from minigrad.optim.figures import INK, svg
from minigrad.optim.selection import parallel_coordinates


def trials_of(highest=None):
    return grid_search(
        lambda rate, units, cell: math.nan if units == 3 else rate + units * (cell == "gru"),
        {"rate": [0.01, 0.1, 1.0], "units": [1, 2, 3], "cell": ["lstm", "gru"]},
        highest=highest,
        quiet=True,
    )


def curves(ax):
    """The lines of trials, by drawing order."""
    return [line for line in ax.get_lines() if line.get_color() != INK]


def test_every_trial_with_a_score_is_a_line_through_its_settings():
    trials = trials_of()
    figure = parallel_coordinates(trials)
    (ax,) = figure.axes
    lines = curves(ax)
    assert len(lines) == 12  # six of the 18 have units 3 and no score
    heights = {tuple(np.round(line.get_ydata(), 6)) for line in lines}
    rate = {0.01: 0.0, 0.1: 0.5, 1.0: 1.0}  # logarithmic: it spans a factor of 100
    scores = [trial.score for trial in trials if not math.isnan(trial.score)]
    low, high = min(scores), max(scores)
    for trial in trials:
        s = trial.settings
        if s["units"] < 3:
            at = 1 - np.log(trial.score / low) / np.log(high / low)  # the lowest is the best, and above
            point = rate[s["rate"]], s["units"] - 1.0, float(s["cell"] == "gru"), round(at, 6)
            heights.remove(tuple(np.round(point, 6)))
    assert not heights
    best = lines[-1]
    assert best.get_label() == f"best: trial {trials.best.number}"
    assert best.get_linewidth() > max(line.get_linewidth() for line in lines[:-1])
    assert {line.get_linestyle() for line in lines} == {"-", "--"}  # dashed ones differ by their dashes
    assert len({line.get_color() for line in lines}) == 3
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "last third", "middle third", "best third", f"best: trial {trials.best.number}",
    ]  # fmt: skip
    texts = {text.get_text() for text in ax.texts}
    assert {"rate", "units", "cell", "score", "lstm", "gru", "0.01", "0.1", "1", "2"} <= texts


def test_a_high_score_is_above():
    trials = trials_of(highest="right")
    lines = curves(parallel_coordinates(trials).axes[0])
    assert lines[-1].get_ydata()[-1] == 1.0
    assert lines[0].get_ydata()[-1] == 0.0


def test_it_draws_where_it_is_told():
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert trials_of().figure(ax=right) is figure
    assert len(left.get_lines()) == 0
    assert len(curves(right)) == 12


def test_one_trial_has_a_figure_too():
    space = {"rate": LogUniform(0.1, 0.2)}
    (line,) = curves(random_search(lambda rate: rate, space, 1, quiet=True).figure().axes[0])
    assert line.get_ydata().tolist() == [0.5, 0.5]
    with pytest.raises(ValueError, match="no trial has a score that is finite"):
        random_search(lambda rate: math.inf, space, 2, quiet=True).figure()


def test_as_svg_it_has_text_no_background_and_one_color_of_axes():
    picture = svg(trials_of().figure())
    assert picture == svg(trials_of().figure())
    assert ">units</text>" in picture
    assert set(re.findall(r"(?:fill|stroke): (#\w{6})", picture)) == {"#0072b2", "#009e73", "#d55e00"}
