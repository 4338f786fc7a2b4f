"""The same bytes in every process, whatever its hash seed, with `dot` and without; and the texts that were committed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from minigrad.drawing.picture import VIEWS
from tests.drawing.fingerprints import HASHES, as_lines, committed, differences, hashed, rounded
from tests.drawing.graphs import ALL

ROOT = Path(__file__).parents[2]
PYTHON = (3, 11)  # of continuous integration
WRITE = """
import sys
from pathlib import Path
from tests.drawing.fingerprints import texts, written
for _ in range(int(sys.argv[2])):
    texts("LSTM 3")
written(Path(sys.argv[1]))
"""


def in_a_process(folder, seed, path, before):
    """Write all texts in a process of its own, which has drawn and written one graph so often before."""
    folder.mkdir()
    environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "PATH": path}
    subprocess.run([sys.executable, "-c", WRITE, folder, before], env=environment, cwd=ROOT, check=True)
    return {path.name: path.read_text("utf-8") for path in sorted(folder.iterdir())}


@pytest.mark.slow
def test_every_text_of_every_graph(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "dot").write_text(f"#!/bin/sh\n: > '{tmp_path}/asked'\nexit 1\n")
    (folder / "dot").chmod(0o755)
    texts = in_a_process(tmp_path / "without", "1", str(tmp_path), "0")
    others = in_a_process(tmp_path / "with", "2", f"{folder}{os.pathsep}{os.environ['PATH']}", "1")
    assert len(ALL) >= 30
    assert {name.rpartition(" ")[2].split(".")[0] for name in texts} == {*VIEWS, "record"}
    assert [name for name in texts if texts[name] != others.pop(name)] == []
    assert others == {}
    assert not (tmp_path / "asked").exists(), "dot is run where it is asked for"
    for name, text in texts.items():
        if name.endswith(".svg"):
            ET.fromstring(text)
        if name.endswith(".json"):
            json.loads(text)
    dot_takes([text for name, text in texts.items() if name.endswith(".dot")])
    compare(texts)


def dot_takes(sources):
    """Graphviz lays all of them out, without a word of complaint; where there is none, nothing is asked."""
    if shutil.which("dot"):
        done = subprocess.run(["dot", "-Tplain"], input="".join(sources).encode(), capture_output=True, check=True)
        assert done.stderr == b""
        assert done.stdout.startswith(b"graph ")
        assert done.stdout.count(b"\ngraph ") + 1 == len(sources)


def compare(texts):
    """The hashes are the committed ones. On another Python: `python -m tests.drawing.fingerprints`."""
    if sys.version_info[:2] != PYTHON:
        return
    hashes = {}
    for name, text in texts.items():
        graph, _, kind = name.rpartition(" ")
        hashes.setdefault(graph, {})[kind] = hashed(rounded(text))
    assert differences(hashes) == [], (
        "python -m tests.drawing.fingerprints --write FOLDER writes the texts, to be compared with those of the version before; "
        "python -m tests.drawing.regenerate takes them over"
    )


def test_numbers_are_rounded_where_processors_differ():
    assert rounded('"0.30000000000000004" y="12.5" -1.2246467991473532e-16') == '"0.3" y="12.5" 0'
    assert rounded("1.0000001e-05 [0.12345678901, 3]") == "1e-05 [0.123457, 3]"
    for kept in ("#0072b2 #56b4e9", "--shade-16:#d97e06", "u_12345678", "0.890123", "v1.23456789.0", "97230.5"):
        assert rounded(kept) == kept


def test_a_change_of_one_text_is_named():
    kept = committed()
    assert as_lines(kept) == HASHES.read_text("utf-8")
    assert differences(kept) == []
    changed = {graph: dict(of) for graph, of in kept.items()}
    changed["2-2-1"]["flow.svg"] = hashed("")
    del changed["chain"]["flow.dot"]
    changed["doubled"]["new.svg"] = hashed("")
    assert differences(changed) == ["2-2-1 flow.svg", "chain flow.dot", "doubled new.svg"]
