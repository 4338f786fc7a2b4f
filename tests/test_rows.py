"""The mark `row`: what it accepts, and what counts as proven."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rows import FAMILIES, PROVEN, TITLES

ROOT = Path(__file__).parents[1]


def run(tmp_path, tests, *arguments):
    """Run a file of tests with the plug-in in a process of its own; its output and the rows it proved."""
    (tmp_path / "test_marked.py").write_text("import pytest\n" + tests, "utf-8")
    pytest_here = [sys.executable, "-m", "pytest", "-p", "tests.rows", f"--rootdir={tmp_path}"]
    command = [*pytest_here, *arguments, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    proven = tmp_path / PROVEN
    return done.stdout + done.stderr, json.loads(proven.read_text("utf-8")) if proven.exists() else None


def test_the_list_is_complete():
    assert len(TITLES) == sum(map(len, FAMILIES.values())) == 252
    assert all(title.strip() for title in TITLES.values())


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_row_is_proven_by_tests_that_pass(tmp_path, workers):
    tests = """
@pytest.mark.row("ENG-01", "ENG-02")
def test_passes(): pass

@pytest.mark.row("ENG-02")
def test_fails(): assert False

@pytest.mark.row("ENG-03")
@pytest.mark.skip
def test_skipped(): pass

@pytest.mark.row("ENG-04")
@pytest.mark.xfail
def test_expected_to_fail(): assert False

@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.row("ENG-05"))])
def test_case(x): pass
"""
    output, proven = run(tmp_path, tests, "-n", str(workers))
    assert list(proven) == ["ENG-01", "ENG-05"], output
    assert "rows: proven 2 of 252" in output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "message"),
    [('"ENG-99"', "unknown rows: ENG-99"), ('"ENG-01", "ENG-02", "ENG-03", "ENG-04"', "a test proves at most 3")],
)
@pytest.mark.parametrize("workers", [0, 2])
def test_a_wrong_mark_is_an_error(tmp_path, rows, message, workers):
    output, proven = run(tmp_path, f"@pytest.mark.row({rows})\ndef test(): pass\n", "-n", str(workers))
    assert message in output
    assert proven is None
