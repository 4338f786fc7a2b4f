"""The README's program runs as printed, and its picture is what the program draws."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

import minigrad as mg
from reference.pages import anchor

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_program_runs_and_its_penalized_gradient_is_right(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (program,) = re.findall(r"```python\n(import numpy.*?)```", README, flags=re.DOTALL)
    names = {}
    exec(program, names)
    assert (tmp_path / "graph.svg").read_text().startswith("<svg")
    x, V = names["x"], names["V"]

    def total(W):
        loss = np.square(np.tanh(x @ W.T) @ V.T - 1.0).sum()
        (slope,) = mg.gradients(loss, [W])
        return loss + 0.1 * (slope**2).sum()

    mg.check_gradients(total, names["W"].value)
    (expected,) = mg.gradients(total(names["W"]), [names["W"]])
    np.testing.assert_allclose(names["penalized"].value, expected.value, rtol=1e-12)


def test_the_picture_is_the_one_the_program_draws():
    (program,) = re.findall(r"```python\n(import numpy.*?)mg.draw", README, flags=re.DOTALL)
    names = {}
    exec(program, names)
    drawn = mg.draw(names["loss"], direction="LR", layout="layered").svg()
    assert (ROOT / "pictures" / "graph.svg").read_text() == drawn


def test_every_link_leads_somewhere():
    links = [link.partition("#") for link in re.findall(r"\]\(([^):]+)\)", README)]
    assert links
    assert [file for file, _, _ in links if not (ROOT / file).is_file()] == []
    for file, _, place in links:
        headlines = re.findall(r"^#+ (.*)", (ROOT / file).read_text("utf-8"), re.MULTILINE) if place else []
        assert not place or place in map(anchor, headlines), f"{file}#{place}"
