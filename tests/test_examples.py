"""The examples of all pages run as they stand, and print what the pages say they print.

A page is one program: its python blocks run in order and share their names. A text block behind one is its output; numbers
may differ by rounding. A block of doctests stands for itself. Commands `minigrad ...` of sh blocks run too.
"""

import doctest
import json
import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("reference/*.md"), *ROOT.glob("benchmarks/*.md")])
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DONE = "-- end of a block --"
RUN = f"""
import json, sys
import numpy as np
import minigrad as mg
from minigrad import Elementwise, Operation
from minigrad.__main__ import main
from minigrad.dispatch import answers
names = dict(np=np, mg=mg, Elementwise=Elementwise, Operation=Operation, answers=answers, __name__="page")
for language, line, text in json.loads(sys.argv[2]):
    if language == "sh":
        for words in json.loads(text):
            assert main(words) == 0, words
    else:
        exec(compile("\\n" * line + text, sys.argv[1], "exec"), names)
    print("{DONE}")
"""
NUMBER = re.compile(r"-?\d+\.\d+(?:e[-+]\d+)?|-?\d+")


class Block(NamedTuple):
    language: str
    line: int
    text: str
    output: str | None


def blocks(page):
    """The blocks of a page that run, each with its output, or None where the page shows none."""
    text = page.read_text("utf-8")
    found = list(FENCED.finditer(text))
    for match, after in pairwise([*found, None]):
        shown = after and after[1] == "text" and not text[match.end() : after.start()].strip()
        line = text.count("\n", 0, match.start(2))
        if match[1] == "python" and not match[2].startswith(">>>"):
            yield Block("python", line, match[2], after[2] if shown else None)
        elif match[1] == "sh" and (commands := re.findall(r"^minigrad (.*)$", match[2], re.MULTILINE)):
            yield Block("sh", line, json.dumps([shlex.split(command, comments=True) for command in commands]), None)


def doctests(page):
    text = page.read_text("utf-8")
    return [match for match in FENCED.finditer(text) if match[1] == "python" and match[2].startswith(">>>")]


def same(shown, printed):
    """Whether both say the same; a number with a point may be off by one in its last digit, as rounding may have it."""
    if NUMBER.sub("#", shown) != NUMBER.sub("#", printed):
        return False
    return all(map(close, NUMBER.findall(shown), NUMBER.findall(printed)))


def close(shown, printed):
    unit = 10.0 ** -len(re.sub(r"^[^.]*\.|e.*", "", shown)) if "." in shown else 0
    exponent = shown.partition("e")[2] or "0"
    return abs(float(shown) - float(printed)) <= 1.01 * unit * 10.0 ** int(exponent)


def test_there_are_examples():
    assert {page.name for page in PAGES if list(blocks(page))} >= {"README.md", "CONTRIBUTING.md", "saving.md"}
    assert {page.name for page in PAGES if doctests(page)} >= {"engine.md", "layers.md", "losses.md", "compilation.md"}


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if list(blocks(page))], ids=lambda page: page.stem)
def test_a_page_runs_and_prints_what_it_shows(page, tmp_path):
    program = list(blocks(page))
    steps = json.dumps([(block.language, block.line, block.text) for block in program])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", "PYTHONWARNINGS": "error"}
    run = subprocess.run(
        [sys.executable, "-c", RUN, page.name, steps],
        check=False,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    printed = run.stdout.split(f"{DONE}\n")[:-1]
    for block, output in zip(program, printed, strict=True):
        if block.output is not None:
            assert same(block.output.strip(), output.strip()), f"{page.name}:{block.line} prints\n{output}"


@pytest.mark.parametrize("page", [page for page in PAGES if doctests(page)], ids=lambda page: page.stem)
def test_the_doctests_of_a_page_hold(page):
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for match in doctests(page):
        example = doctest.DocTestParser().get_doctest(match[2], {}, page.name, str(page), match.start())
        runner.run(example)
    assert runner.summarize(verbose=False).failed == 0


def test_outputs_are_compared():
    assert same("a 1.05 b, 2", "a 1.04 b, 2")
    assert same("1.5e-07", "1.6e-07")
    for other in ("a 1.03 b, 2", "a 1.05 c, 2", "a 1.05 b, 3", "a 1.05 b", "a 1.05 b, -2"):
        assert not same("a 1.05 b, 2", other)
    assert not same("1.5e-07", "1.7e-07")
