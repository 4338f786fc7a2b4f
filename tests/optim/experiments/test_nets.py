"""`--cell`: every recurrent layer in the main job, with every penalty, and what the report says of it."""

import numpy as np
import pytest

from minigrad.models import RNN
from minigrad.optim.experiments.cells import CELLS
from minigrad.optim.experiments.comparison import compare
from minigrad.optim.experiments.configuration import Configuration
from minigrad.optim.experiments.methods import BASELINES, PENALTIES
from minigrad.optim.experiments.nets import make_net
from minigrad.optim.experiments.report import report
from minigrad.optim.experiments.sizes import estimated_bytes
from minigrad.optim.experiments.tasks import open_task

SMALL = {
    "task": "temporal-order", "length": 10, "states": 4, "steps": 2, "batch_size": 4, "record_every": 2, "eager": True
}  # fmt: skip


def small(**changed):
    configuration = Configuration.of(**(SMALL | changed))
    return configuration, open_task(configuration)


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_runs_reports_and_repeats(cell, tmp_path):
    found, again = (compare(*small(cell=cell, steps=4), quiet=True) for _ in range(2))
    methods = ["backprop", "immediate", "exact"] if cell == "rnn" else ["backprop", "exact"]
    assert [run.method for run in found.runs] == methods
    for run, same in zip(found.runs, again.runs, strict=True):
        assert not run.stopped
        assert np.isfinite([run.test_loss, run.G, run.log10_ratio]).all()
        assert len(run.adjoints[0][1]) == 10  # a norm for every time step
        for name, array in run.parameters.items():
            np.testing.assert_array_equal(same.parameters[name], array)
    plain, exact = found.runs[0], found.runs[-1]
    assert plain.history.rows()[0]["G"] == exact.history.rows()[0]["G"]
    different = any((plain.parameters[name] != exact.parameters[name]).any() for name in plain.parameters)
    assert different or plain.G == 0
    assert f"Net: {CELLS[cell].formula}, i = 1..10, 4 states" in report(found, tmp_path)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("cell", ["lstm", "exponential", "tilted"])
def test_any_penalty_goes_with_any_cell(cell, penalty):
    (run,) = compare(*small(cell=cell, penalty=penalty, methods=["exact"], steps=1, record_every=1), quiet=True).runs
    assert not run.stopped
    assert np.isfinite(run.G)


@pytest.mark.parametrize("cell", [name for name, cell in CELLS.items() if not cell.mixed])
def test_the_baselines_go_with_every_cell_they_are_said_to_go_with(cell):
    runs = compare(*small(cell=cell, methods=list(BASELINES), steps=2), quiet=True).runs
    plain = compare(*small(cell=cell, methods=["backprop"], steps=2), quiet=True).runs[0]
    for run in runs:
        assert not run.stopped
        assert any((plain.parameters[name] != run.parameters[name]).any() for name in plain.parameters)


@pytest.mark.parametrize("initialization", ["normal", "orthogonal"])
def test_the_start_is_that_of_the_options_or_the_cells_own(initialization):
    rng = np.random.default_rng
    for cell in ("lstm", "gru", "tilted"):
        configuration, task = small(cell=cell, initialization=initialization, std=0.01, states=20)
        net = make_net(configuration, task, rng(0))
        (W_h,) = [p.value for path, p in net.named_parameters() if path.endswith("W_h")]
        size = np.linalg.norm(W_h[:20], 2)
        assert size == pytest.approx(1, abs=1e-5) if initialization == "orthogonal" else size < 0.2
        assert np.abs(net["readout"].W.value).max() < 0.05
    configuration, task = small(cell="irnn", std=0.01)
    np.testing.assert_array_equal(make_net(configuration, task, rng(0))["recurrent"].cell.W_h.value, np.eye(4))
    assert isinstance(make_net(*small(), rng(0)), RNN)


def test_what_does_not_go_together_is_refused():
    assert Configuration.of(cell="lstm").methods == ("backprop", "exact")
    for options, message in (
        ({"cell": "lsm"}, r"cell='lsm' is unknown \(did you mean lstm\?\): one of rnn, lstm"),
        (
            {"cell": "gru", "methods": ["immediate"]},
            "methods: the immediate form is the rnn's; with gru compare backprop and exact",
        ),
        (
            {"cell": "irnn", "initialization": "orthogonal"},
            "irnn starts in a way of its own; orthogonal is for rnn, lstm, gru, tilted",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            Configuration.of(**options)


def test_more_gates_take_more_memory():
    sizes = {cell: estimated_bytes(Configuration.of(cell=cell, states=500)) for cell in ("rnn", "gru", "lstm")}
    assert sizes["rnn"] < sizes["gru"] < sizes["lstm"]
