"""Write a lesson as a notebook with its outputs. Solutions and answers are text that opens, so that the checks judge the reader's code."""

from __future__ import annotations

import html
import json
import re
from typing import Any

from course.blocks import relinked
from course.cells import TUTORIALS, Cell, Lesson
from course.run import Shown

NARROW = 'style="max-width:100%;height:auto"'


def notebook(lesson: Lesson, shown: list[Shown], wheel: str) -> str:
    """Give the notebook as JSON.

    wheel: the name of the file that the site offers beside the notebook
    """
    cells = [_code(_first(wheel), [], "first"), _text(_words(lesson.cells[0]), "title")]
    pairs = list(zip(lesson.cells, shown, strict=True))[1:]
    for i, (cell, out) in enumerate(pairs):
        if "only-slides" in cell.tags:
            continue
        cells.append(_cell(cell, out, f"cell-{i + 1}"))
    return json.dumps(
        {
            "cells": cells,
            "metadata": {
                "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                "language_info": {"name": "python"},
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        },
        ensure_ascii=False,
        indent=1,
    )


def _cell(cell: Cell, out: Shown, name: str) -> dict[str, Any]:
    if "answer" in cell.tags:
        return _text(_folded("Answer", _words(cell)), name)
    if "solution" in cell.tags:
        return _text(_folded("Solution", f"```python\n{cell.text}\n```"), name)
    if not cell.is_code:
        return _text(_words(cell), name)
    if "check" in cell.tags:  # of the stub: as the reader finds it
        return _code(cell.text, [_stream(f"Not yet. {out.said}\n")], name, tags=["raises-exception"])
    return _code(cell.text, _outputs(cell, out), name)


def _words(cell: Cell) -> str:
    """The text without links: a notebook that was downloaded has no pages beside it."""
    return relinked(cell.text, lambda link: link if link.startswith("http") else "")


def _folded(summary: str, markdown: str) -> str:
    return f"<details>\n<summary>{summary}</summary>\n\n{markdown}\n\n</details>"


def _text(markdown: str, name: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": markdown}


def _code(source: str, outputs: list[dict[str, Any]], name: str, tags: list[str] | None = None) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": name,
        "metadata": {"tags": tags} if tags else {},
        "outputs": outputs,
        "source": source,
    }


def _stream(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def _outputs(cell: Cell, out: Shown) -> list[dict[str, Any]]:
    outputs = [_stream(out.printed)] if out.printed else []
    data = {}
    if out.svg:
        data["image/svg+xml"] = re.sub(r"<svg ", f"<svg {NARROW} ", out.svg[out.svg.index("<svg") :], count=1)
    if out.page:
        data["text/html"] = (
            f'<iframe title="{html.escape(cell.alt)}" srcdoc="{html.escape(out.page)}" '
            'width="100%" height="560" style="border:0"></iframe>'
        )
    if data or out.text:
        data["text/plain"] = out.text or cell.alt
        outputs.append({"output_type": "display_data", "metadata": {}, "data": data})
    return outputs


def _first(wheel: str) -> str:
    check = (TUTORIALS / "check.py").read_text("utf-8")
    return FIRST.format(wheel=wheel, check=check.replace("\\", "\\\\").replace('"""', r"\"\"\""))


FIRST = '''# What this notebook needs: minigrad, and the exercises' `check`. Run this cell first.
import importlib.util, pathlib, subprocess, sys, types

if importlib.util.find_spec("minigrad") is None:
    wheel = pathlib.Path("{wheel}")
    if not wheel.exists():
        raise ModuleNotFoundError(
            f"minigrad is not installed. Download {{wheel.name}} from the page of this lesson into the folder of "
            "this notebook, and run this cell again."
        )
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", f"{{wheel}}[train]"], check=True)

check = types.ModuleType("check")
exec("""{check}""", check.__dict__)
sys.modules["check"] = check
'''
