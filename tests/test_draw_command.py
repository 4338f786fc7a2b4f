"""The commands `draw` and `explain`: what they write, what they say, and what they refuse."""

import json
import os
import shutil
import subprocess
import sys
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import minigrad as mg
from minigrad.__main__ import main
from minigrad.drawing.picture import VIEWS
from minigrad.optim.arrays import load_arrays
from minigrad.optim.experiments.example_graphs import EXAMPLES
from minigrad.optim.experiments.saved_runs import SavedRun
from tests.drawing import graphs

SMALL = ["train", "--task", "temporal-order", "--length", "10", "--states", "4", "--steps", "2", "--batch-size", "3"]
RECURRENT = ("rnn", "lstm", "gru")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert main([*SMALL, "--quiet", "--seeds", "2", "--methods", "backprop", "omega=0.1", "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def run(trained, here):
    """A run folder of the test's own."""
    shutil.copytree(trained, here / "run")
    return "run"


# Examples ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_in_every_view(here, capsys, name):
    for view in VIEWS:
        code = main(["draw", name, "--view", view, "-o", f"{view}.svg"])
        out, err = capsys.readouterr()
        assert out == ""
        if view == "time" and name not in RECURRENT:
            assert code == 2
            assert "no time steps were found in this graph" in err
            assert not (here / "time.svg").exists()
            continue
        assert code == 0
        ET.parse(here / f"{view}.svg")
        if view == "cell" and name not in RECURRENT:
            why = "since it has no picture as a cell: no time steps were found in this graph"
            assert err == f"minigrad draw: drawn as flow, {why}\n"
        else:
            assert err == ""


def test_the_slopes_of_the_examples():
    g = EXAMPLES["micrograd"][1]()
    assert mg.gradients(g, mg.Graph(g).parameters)[0].value == pytest.approx(138.8338, abs=5e-5)
    loss = EXAMPLES["cross-entropy"][1]()
    nodes = {node.name: node for node in mg.Graph(loss).nodes if node.name}
    (slope,) = mg.gradients(loss, [nodes["z"]])
    np.testing.assert_allclose(slope.value, nodes["p"].value - nodes["y"].value, rtol=1e-12)


def test_help_lists_examples_and_views(capsys):
    for command in ("draw", "explain"):
        with pytest.raises(SystemExit) as end:
            main([command, "--help"])
        assert end.value.code == 0
        text = capsys.readouterr().out
        assert all(f"\n  {name} " in text and words in text for name, (words, _) in EXAMPLES.items())
    with pytest.raises(SystemExit):
        main(["draw", "--help"])
    assert f"{{{','.join(VIEWS)}}}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("suffix", "begin"),
    [(".svg", "<svg "), (".html", "<!DOCTYPE html>"), (".txt", " #  node"), (".mmd", "flowchart "), (".JSON", "{")],
)
def test_the_suffix_says_what_is_written(here, capsys, suffix, begin):
    assert main(["draw", "net", "--out", f"net{suffix}"]) == 0
    assert (here / f"net{suffix}").read_text("utf-8").startswith(begin)
    assert capsys.readouterr() == ("", "")


def test_json_is_the_record(here):
    assert main(["draw", "lstm", "--view", "time", "-o", "lstm.json"]) == 0
    record = mg.record(EXAMPLES["lstm"][1]())
    assert json.loads((here / "lstm.json").read_text("utf-8")) == json.loads(record.json())


def test_without_a_file_the_picture_is_printed_as_text(capsys):
    assert main(["draw", "net"]) == 0
    assert capsys.readouterr().out == mg.listing(graphs.net_2_2_1()[0]) + "\n"
    assert main(["draw", "gru", "--view", "time"]) == 0
    assert capsys.readouterr().out.startswith("Adjoints over 6 steps")


def test_explain(capsys):
    loss, weights = graphs.net_2_2_1()
    assert main(["explain", "net", "w11"]) == 0
    assert capsys.readouterr().out == mg.explain(weights[1], loss) + "\n"
    assert main(["explain", "net", "u1"]) == 0  # a node that is no parameter
    assert capsys.readouterr().out.startswith('tanh #16 "u1"')
    assert main(["explain", "net"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(mg.record(loss).describe())
    assert all(mg.explain(weight, loss) in text for weight in weights)


@pytest.mark.parametrize("name", ["W_h", "cell.W_h", "#2"])
def test_explain_and_highlight_name_nodes_alike(name, here, capsys):
    loss = EXAMPLES["lstm"][1]()
    (W,) = [p for p in mg.Graph(loss).parameters if p.name == "cell.W_h"]
    assert mg.record(loss, [W]).nodes[2].name == "cell.W_h"
    assert main(["explain", "lstm", name]) == 0
    assert capsys.readouterr().out == mg.explain(W, loss) + "\n"
    assert main(["draw", "lstm", "--highlight", name, "-o", "x.svg"]) == 0


def test_the_names_in_the_picture_of_a_cell_are_those_of_explain(run, capsys):
    assert main(["draw", run, "--view", "cell"]) == 0
    (equation,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("x_t")]
    for name in ("W", "R", "b_1"):
        assert f"{name} " in equation or f"{name})" in equation
        assert main(["explain", run, name]) == 0
        assert capsys.readouterr().out.startswith(f'parameter "{name}" ')


# Runs ----------------------------------------------------------------------------------------------------------------


def test_a_run_over_time_shows_all_methods_on_one_scale(run, here, capsys):
    assert main(["draw", run, "--view", "time", "-o", "x.svg"]) == 0
    picture = (here / "x.svg").read_text("utf-8")
    assert ">backpropagation</text>" in picture
    assert ">Omega (exact, 0.1)</text>" in picture
    assert main(["draw", run]) == 0  # the view of a run, if none is asked for
    assert capsys.readouterr().out.startswith("temporal-order, seed 0\n\nbackpropagation: Adjoint of x")
    assert main(["draw", run, "--seed", "1", "--method", "omega=0.1", "--view", "layers"]) == 0
    assert capsys.readouterr().out.startswith("temporal-order, seed 1: Omega")


def test_the_net_of_a_run_is_the_one_that_was_trained(run):
    opened = SavedRun(run)
    for method, seed, file in (("backprop", 0, "backprop-seed0"), ("omega=0.1", 1, "omega=0.1-seed1")):
        saved = load_arrays(f"run/parameters/{file}.safetensors")
        found = {p.name: p.value for p in mg.Graph(opened.loss(method, seed)).parameters}
        assert found.keys() == {path.rpartition(".")[2] for path in saved}
        for path, array in saved.items():
            np.testing.assert_array_equal(found[path.rpartition(".")[2]], array)


@pytest.mark.parametrize(
    "options",
    [
        "--cell lstm",
        "--cell gru",
        "--cell unicornn",
        "--task names --length 15 --cell rnn",
        "--task copy-memory --length 25",
    ],
)
def test_runs_of_other_cells_and_tasks(here, capsys, options):
    given = SMALL[:-6] if "--task" not in options else ["train"]
    given = [*given, *options.split(), "--states", "4", "--steps", "2", "--batch-size", "3", "--methods", "backprop"]
    if "names" in options:
        given = [word for word in given if word not in ("--length", "15")]
    assert main([*given, "--quiet", "--out", "run"]) == 0
    for view in VIEWS:
        assert main(["draw", "run", "--view", view, "-o", f"{view}.svg"]) in ((0, 2) if view == "mirror" else (0,))
    assert main(["explain", "run"]) == 0


@pytest.fixture
def cut_short(run, here):
    """A run whose second method was interrupted before its first step, and of seed 1 after it."""
    history = here / "run/history.csv"
    lines = history.read_text("utf-8").splitlines(keepends=True)
    until = {"omega=0.1,0,": 0, "omega=0.1,1,": 1}
    kept = [line for line in lines[1:] if int(line.split(",")[2]) <= until.get(line[:12], 2)]
    history.write_text("".join([lines[0], *kept]), "utf-8")
    return run


def test_a_run_that_was_interrupted_is_not_shown_as_trained(cut_short, here, capsys):
    early = "Omega (exact, 0.1), after 0 of 2 steps"
    note = f"{early}: the training ended there, and these are the parameters that it had\n"
    assert main(["draw", cut_short, "-o", "x.svg"]) == 0
    assert capsys.readouterr().err == f"minigrad draw: {note}"
    assert f">{early}</text>" in (here / "x.svg").read_text("utf-8")
    assert ">backpropagation</text>" in (here / "x.svg").read_text("utf-8")
    assert main(["draw", cut_short]) == 0
    assert f"\n{early}: Adjoint of x" in capsys.readouterr().out
    for view in VIEWS:
        assert main(["draw", cut_short, "--method", "omega=0.1", "--view", view, "-o", "x.svg"]) == 0
        assert f"temporal-order, seed 0: {early}" in (here / "x.svg").read_text("utf-8")
        assert capsys.readouterr().err == f"minigrad draw: {note}"
    assert main(["explain", cut_short, "W", "--method", "omega=0.1"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f'temporal-order, seed 0: {early}\nparameter "W" ')
    assert err == f"minigrad explain: {note}"
    assert main(["explain", cut_short, "W", "--method", "omega=0.1", "--seed", "1"]) == 0
    assert "after 1 of 2 steps" in capsys.readouterr().out
    assert main(["explain", cut_short, "W"]) == 0
    assert capsys.readouterr().err == ""


def test_a_run_without_a_history_is_drawn_and_a_damaged_one_is_named(run, here, capsys):
    history = here / "run/history.csv"
    history.write_text("method,seed\nbackprop,0\n", "utf-8")
    assert main(["draw", run]) == 2
    assert "history.csv is no history of minigrad train, or is damaged" in capsys.readouterr().err
    history.unlink()
    assert main(["draw", run, "-o", "x.svg"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_run_that_ctrl_c_ended_says_after_how_many_steps(here, capsys, monkeypatch):
    from minigrad.optim.experiments import comparison

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(comparison, "_loop", interrupted)
    assert main([*SMALL, "--quiet", "--seeds", "1", "--methods", "backprop", "--out", "run"]) == 130
    capsys.readouterr()
    assert main(["draw", "run"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("temporal-order, seed 0: backpropagation, after 0 of 2 steps\n")
    assert "after 0 of 2 steps" in err


def test_methods_whose_names_are_alike_are_both_drawn(here, capsys):
    assert main([*SMALL, "--quiet", "--weight", "0.2", "--methods", "exact", "relative-variance", "--out", "run"]) == 0
    assert main(["draw", "run"]) == 0
    text = capsys.readouterr().out
    assert all(f"relative variance (exact, {weight}): Adjoint of x" in text for weight in (0.1, 0.2))


def test_the_limit_can_be_raised(here, capsys):
    assert main(["draw", "lstm", "--view", "mirror", "--limit", "20", "-o", "x.svg"]) == 2
    assert "(limit=20 in each half)" in capsys.readouterr().err
    assert main(["draw", "lstm", "--view", "mirror", "--limit", "150", "-o", "x.svg"]) == 0


def test_explain_a_run(run, capsys):
    assert main(["explain", run, "W", "--method", "omega=0.1"]) == 0
    opened = SavedRun(run)
    loss = opened.loss("omega=0.1")
    (W,) = [p for p in mg.Graph(loss).parameters if p.name == "W"]
    assert capsys.readouterr().out == mg.explain(W, loss) + "\n"


# What is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("draw ltsm", 2, "there is no example 'ltsm' (did you mean lstm?) and no folder of that name"),
        ("explain nets", 2, "there is no example 'nets' (did you mean net?)"),
        ("draw a\0b", 2, "there is no example 'a\\x00b'"),
        ("draw empty", 2, "empty is no run of minigrad train: it has no config.toml"),
        ("draw net -o x.jpeg", 2, "the suffix says what to write, one of .svg"),
        ("draw net --view mirror -o x.mmd", 2, "the suffix says what to write, one of .svg, .html, .txt"),
        ("draw net -o nowhere/x.svg", 3, "nowhere/x.svg could not be written (No such file or directory)"),
        ("draw net -o nowhere/x.json", 3, "nowhere/x.json could not be written (No such file or directory)"),
        ("draw net -o folder.svg", 3, "folder.svg could not be written (Is a directory)"),
        ("draw net --seed 3", 2, "--method and --seed are of runs, and net is an example"),
        ("explain net w_11", 2, "'w_11': no node and no scope has that name (did you mean 'w11'?); parameters are w01"),
        ("explain rnn b_", 2, "'b_': no node and no scope has that name (did you mean 'b'?); parameters are cell.W_x"),
        ("explain run b", 2, "(did you mean 'b_1' or 'b_o'?); parameters are W, R, b_1, V, b_o"),
        ("explain rnn #370", 2, "'#370': nodes have the numbers #0 to #37"),
        ("draw rnn --focus #370", 2, "nodes have the numbers #0 to #37"),
        ("explain rnn t=2", 2, "nodes are named 't=2': explain a parameter"),
        ("explain rnn h", 2, "6 nodes are named 'h': explain a parameter, one of cell.W_x"),
        ("draw run --method backprob", 2, "run has no method 'backprob' (did you mean backprop?): one of backprop, omega=0.1"),
        ("draw run --seed 2", 2, "run has no seed 2: seeds are 0 to 1"),
        ("draw run -o x.json", 2, "x.json takes the record of one net: choose a --method"),
    ],
)  # fmt: skip
def test_what_is_refused_is_one_line(run, here, capsys, arguments, code, message):
    (here / "empty").mkdir()
    (here / "folder.svg").mkdir()
    words = arguments.split(" ")
    assert main(words) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"minigrad {words[0]}: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not list(here.glob("x.*"))


def test_an_unknown_view_is_refused(capsys):
    with pytest.raises(SystemExit) as end:
        main(["draw", "net", "--view", "tim"])
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert "invalid choice: 'tim'" in error
    assert all(view in error for view in VIEWS)


def test_a_run_that_is_damaged_is_refused(run, here, capsys):
    file = here / "run/parameters/backprop-seed0.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:50])
    assert main(["draw", run]) == 2
    assert "backprop-seed0.safetensors is damaged or no safetensors file" in capsys.readouterr().err
    file.unlink()
    assert main(["draw", run]) == 2
    assert "backprop-seed0.safetensors is missing" in capsys.readouterr().err
    file.write_bytes(whole)
    config = here / "run/config.toml"
    text = config.read_text("utf-8")
    config.write_text(text.replace("states = 4", "states = 5"), "utf-8")
    assert main(["draw", run]) == 2
    assert "backprop-seed0.safetensors does not fit the configuration beside it" in capsys.readouterr().err
    config.write_text("task = ", "utf-8")
    assert main(["explain", run]) == 2
    assert "run/config.toml is not a TOML file" in capsys.readouterr().err


def test_a_failed_picture_leaves_the_file_as_it_was(here, capsys):
    (here / "x.svg").write_text("before")
    assert main(["draw", "net", "--view", "time", "-o", "x.svg"]) == 2
    assert (here / "x.svg").read_text() == "before"


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt, 130), (MemoryError, 3)])
def test_what_ends_the_work_early_is_one_line(capsys, monkeypatch, error, code):
    def ended(*_, **__):
        raise error

    monkeypatch.setattr("minigrad.optim.experiments.drawing_commands.draw", ended)
    assert main(["draw", "net"]) == code
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("words", ["draw net", "explain net", "draw --help", "--version"])
def test_a_reader_that_has_gone_is_no_failure(words):
    """As `| head`: nothing is said, and Python says nothing either when it ends."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as gone:
        run = subprocess.run(
            [sys.executable, "-m", "minigrad", *words.split()],
            stdout=gone,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (run.returncode, run.stderr) == (0, "")


def test_a_reader_that_has_gone_is_no_failure_of_a_stream_without_a_file(capsys, monkeypatch):
    class Gone:
        def write(self, _):
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(sys, "stdout", Gone())
    monkeypatch.setattr(Gone, "fileno", lambda _: (_ for _ in ()).throw(OSError()), raising=False)
    assert main(["draw", "net"]) == 0
    assert capsys.readouterr().err == ""


def test_less_of_a_graph_is_drawn(here, capsys):
    assert main(["draw", "lstm", "--roll", "--highlight", "W_h", "-o", "x.svg"]) == 0
    svg = (here / "x.svg").read_text("utf-8")
    assert "next step" in svg
    assert "▶" in svg
    assert main(["draw", "lstm", "--depth", "0", "-o", "y.svg"]) == 0
    assert len((here / "y.svg").read_text("utf-8")) < len(svg)
    assert main(["draw", "net", "--focus", "w11", "--focus", "w1", "--hops", "1"]) == 0
    assert "more" in capsys.readouterr().out
    assert main(["draw", "net", "--focus", "w_11"]) == 2
    assert "did you mean" in capsys.readouterr().err
    assert main(["draw", "net", "--view", "mirror", "--roll"]) == 2
    assert 'belongs to view="flow"' in capsys.readouterr().err
