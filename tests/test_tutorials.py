"""Every tutorial runs from top to bottom as a script, ends in asserts on its own claims, and leaves nothing behind."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TUTORIALS = sorted((ROOT / "tutorials").glob("[0-9][0-9]_*.py"))


def test_there_are_tutorials_numbered_without_a_gap():
    assert [int(path.name[:2]) for path in TUTORIALS] == list(range(1, len(TUTORIALS) + 1))


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_that_draws_says_how_to_see_it(path):
    text = path.read_text()
    drawn = [call for call in re.findall(r"^[^#\n]*mg\.draw\(.*", text, re.MULTILINE) if ".text()" not in call]
    if drawn or ".html()" in text:
        assert '.save("' in text, "a script shows no picture: say how to save one"


@pytest.mark.slow
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_runs_and_its_claims_hold(path, tmp_path):
    last = ast.parse(path.read_text()).body[-1]
    assert isinstance(last, ast.Assert), f"{path.name} does not end in an assert on its claims"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", "PYTHONWARNINGS": "error"}
    run = subprocess.run(
        [sys.executable, str(path)],
        check=False,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip()
