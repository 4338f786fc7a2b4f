"""The figures of the main job: what they show, and that whatever a comparison became is drawn without a warning."""

import math
import re

import numpy as np
import pytest

from minigrad.optim import figures
from tests.optim.small_job import run_small


@pytest.mark.slow
def test_pictures_of_what_vanished(tmp_path):
    """Adjoints that are 0, and runs of unequal length, draw without a warning."""
    made = run_small(seeds=2, methods=["backprop", "exact"])
    for run in made.runs:
        run.adjoints = [(step, norms * (np.arange(10) > 4)) for step, norms in run.adjoints]
    made.runs[0].adjoints.pop()
    figures.adjoint_norms(made, tmp_path / "a.png")
    figures.learning_curves(made, tmp_path / "b.png")
    made.runs = made.runs[:1]  # as after an early Ctrl-C
    figures.adjoint_norms(made, tmp_path / "c.png")
    figures.learning_curves(made, tmp_path / "d.png")
    for path in tmp_path.iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")


def test_the_map_of_adjoints_takes_its_scale_from_training_and_not_from_the_start():
    start, trained = np.full((1, 50), -8.0), np.linspace(-1.5, 0.5, 2000).reshape(40, 50)
    low, high = figures._color_limits([np.concatenate([start, trained])])
    assert low == pytest.approx(-1.48)
    assert high == 1.0
    middle = figures._colors(low, high)((0 - low) / (high - low))
    np.testing.assert_allclose(middle[:3], (0.97, 0.97, 0.97), atol=0.02)  # white is where λ_t is as long as λ_T
    assert figures._color_limits([start])[0] == -8


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
    assert height < 1700
    assert "(3, 3)" in text
    assert "50" not in re.findall(r">\((\d+), \d+\)<", text)
