"""Lessons in the browser: the button's states against a Python that pretends, and Pyodide's own Python in Node."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from course import in_browser
from course.cells import ROOT, read

SMALL = Path(__file__).with_name("small_lesson.txt")
RUN = ROOT / "course" / "sphinx" / "static" / "run.js"
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="no Node: apt install nodejs")


def lesson_data():
    html = in_browser.lesson_data(read(SMALL), "minigrad.whl")
    return json.loads(re.search(r'id="lesson">(.*?)</script>', html, re.DOTALL)[1].replace("<\\/", "</"))


def in_node(script, tmp_path):
    page = {"lesson": lesson_data()}
    module = tmp_path / "run.mjs"
    module.write_text(
        "globalThis.location = new URL('http://page.test/course/x.html');\n"
        "globalThis.document = { getElementById: () => null };\n" + RUN.read_text("utf-8")
    )
    test = tmp_path / "test.mjs"
    test.write_text(f"const page = {json.dumps(page)};\nconst run = await import('./run.mjs');\n{script}")
    ended = subprocess.run(["node", test], capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


PRETENDED = """
class Python {
  ran = [];
  globals = { set() {} };
  unpacked = 0;
  unpackArchive() { this.unpacked += 1; }
  setStdout({ batched }) { this.print = batched; }
  runPython(code) {
    this.ran.push(code);
    if (code.includes("figures.lines")) throw new Error("ImportError: figures are drawn by matplotlib");
    if (code.includes("check.same")) {
      if (this.ran.at(-2).includes("None")) throw new Error("Traceback\\n  File\\ncheck.NotYet: by_hand returned None: write its body.");
      this.print("by_hand(3.0): right.");
    }
  }
}
"""


def test_what_a_page_needs_to_run_its_lesson():
    data = lesson_data()
    assert [cell["kind"] for cell in data["cells"]] == [
        "run", "figure", "run", "run", "figure", "exercise", "solution", "check", "run", "run",
    ]  # fmt: skip
    assert data["numpy"]["address"].startswith("https://")
    assert re.fullmatch("[0-9a-f]{64}", data["numpy"]["sha256"])


@needs_node
def test_python_is_loaded_step_by_step_and_said(tmp_path):
    script = """
    globalThis.fetch = async (address) => ({ ok: true, arrayBuffer: async () => new TextEncoder().encode("abc").buffer });
    page.lesson.numpy.sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const python = await run.start(page.lesson, async () => new Python(), console.log);
    console.log(python.unpacked, python.ran.length);
    """
    assert in_node(PRETENDED + script, tmp_path) == ["loading Python …", "loading NumPy …", "loading minigrad …", "2 1"]


@needs_node
def test_a_file_with_another_hash_is_refused(tmp_path):
    script = """
    globalThis.fetch = async () => ({ ok: true, arrayBuffer: async () => new TextEncoder().encode("evil").buffer });
    try { await run.start(page.lesson, async () => new Python(), () => {}); } catch (error) { console.log(error.message); }
    """
    (said,) = in_node(PRETENDED + script, tmp_path)
    assert said.endswith("is not the file it should be")


@needs_node
def test_a_file_that_is_not_there_is_said(tmp_path):
    script = """
    globalThis.fetch = async () => ({ ok: false, status: 404 });
    try { await run.start(page.lesson, async () => new Python(), () => {}); } catch (error) { console.log(error.message); }
    """
    (said,) = in_node(PRETENDED + script, tmp_path)
    assert said.endswith("404")


@needs_node
def test_an_exercise_is_judged_after_what_stands_before_it(tmp_path):
    script = """
    const python = new Python(), state = { done: 0 }, cells = page.lesson.cells;
    const place = cells.findIndex((cell) => cell.kind === "exercise");
    run.runBefore(python, cells, place, state);
    run.runBefore(python, cells, place, state);
    console.log(python.ran.length);
    console.log(run.judged(python, cells[place].code, cells[place + 2].code));
    console.log(run.judged(python, "def by_hand(x): return 2 * x", cells[place + 2].code));
    """
    assert in_node(PRETENDED + script, tmp_path) == [
        "5",
        "Not yet. by_hand returned None: write its body.",
        "by_hand(3.0): right.",
    ]


@needs_node
def test_pyodide_starts_and_compiles_all_of_minigrad(tmp_path):
    """Without NumPy, which has to come from elsewhere: every module is compiled, none is imported."""
    folder = in_browser.folder()
    if folder is None:
        pytest.skip("Pyodide could not be fetched: npm")
    sources = {
        str(path.relative_to(ROOT)): path.read_text("utf-8")
        for name in ("minigrad", "models", "optim")
        for path in (ROOT / name).rglob("*.py")
    }
    (tmp_path / "sources.json").write_text(json.dumps(sources))
    script = f"""
    import {{ readFileSync }} from "node:fs";
    const {{ loadPyodide }} = await import({json.dumps((folder / "pyodide.mjs").as_uri())});
    const python = await loadPyodide({{ indexURL: {json.dumps(str(folder) + "/")} }});
    python.globals.set("sources", readFileSync({json.dumps(str(tmp_path / "sources.json"))}, "utf8"));
    console.log(python.runPython("import json; found = json.loads(sources); [compile(text, name, 'exec') for name, text in found.items()]; len(found)"));
    python.runPython({json.dumps((ROOT / "tutorials" / "check.py").read_text("utf-8").replace("import numpy as np", ""))});
    """
    assert in_node(script, tmp_path) == [str(len(sources))]
