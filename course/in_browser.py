"""Let a page of the site run its lesson in the browser, by Pyodide: only after a click, and only where the site was built with it.

Pyodide itself and minigrad's wheel come from the site. NumPy for WebAssembly is in no package index; its wheel comes from Pyodide's own
network when the reader clicks, and is run only if its hash is the one in Pyodide's lock file, which is written here.
"""

from __future__ import annotations

import json
from pathlib import Path

from course import npm
from course.cells import TUTORIALS, Lesson
from course.pages import raw

VERSION = "314.0.7"
NUMPY = {
    "address": f"https://cdn.jsdelivr.net/pyodide/v{VERSION}/full/numpy-2.4.6-cp314-cp314-pyemscripten_2026_0_wasm32.whl",
    "sha256": "a292c1f5d7d8a2208cd5e94fc467604c131cabcd2fc14fed6eefde121e7fabdf",
}
FILES = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")


def folder() -> Path | None:
    """The folder with Pyodide's files; None where they cannot be fetched."""
    return npm.files(f"pyodide@{VERSION}", {f"package/{name}": name for name in FILES}, f"pyodide-{VERSION}")


def lesson_data(lesson: Lesson, wheel: str) -> str:
    """What the button of a page needs: the cells that run, and where the rest is loaded from."""
    cells = [
        {"code": cell.text, "kind": next(iter(cell.tags & {"figure", "exercise", "solution", "check"}), "run")}
        for cell in lesson.cells
        if cell.is_code
    ]
    check = (TUTORIALS / "check.py").read_text("utf-8")
    needed = {
        "cells": cells,
        "check": check,
        "wheel": f"../notebooks/{wheel}",
        "pyodide": "../pyodide/",
        "numpy": NUMPY,
    }
    data = json.dumps(needed).replace("</", "<\\/")  # or a word of the lesson could end the element
    return raw(
        f'<script type="application/json" id="lesson">{data}</script>\n<script type="module" src="../_static/run.js"></script>'
    )
