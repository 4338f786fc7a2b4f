"""Every lesson runs from top to bottom, proves its rows, judges its exercises in words, and has a page for a forge."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys

import pytest

from course import cells, run
from course.pages import FORGE

ROWS = {
    "01_a_slope_measured": "",
    "02_a_box_and_its_two_methods": "VIS-04",
    "03_neurons_layers_xor": "VIS-01 VIS-05 VIS-13 THY-23 THY-26 THY-28",
    "04_the_path_of_an_error": "WEX-02 WEX-05 WEX-06 WEX-07 WEX-08 WEX-09 WEX-10 VIS-02 VIS-03",
    "05_softmax_and_its_loss": "WEX-01",
    "06_an_operation_of_your_own": "",
    "07_slips_found": "WEX-03 WEX-22 WEX-23",
    "08_hinge_and_margin": "WEX-04 THY-24 VIS-16",
    "09_data_and_start": "THY-01 THY-02 THY-03 THY-04 THY-29 VIS-12",
    "10_the_rate": "THY-05 THY-09 THY-15 VIS-06",
    "11_momentum": "THY-06 THY-07 THY-08 THY-14 VIS-07 VIS-08",
    "12_a_rate_for_each_weight": "THY-10 THY-11 THY-12 THY-13 VIS-09",
    "13_seven_runs": "WEX-15 WEX-16 WEX-17 WEX-18 WEX-19 WEX-20 VIS-17",
    "14_curvature": "THY-25",
    "15_fit_not_memorize": "EVA-03 TRN-13 TRN-14 VIS-10 VIS-11",
    "16_ridge_and_support_vectors": "WEX-11 WEX-21 THY-22",
    "17_normalize_and_drop": "THY-19 THY-20 THY-21",
    "18_images": "THY-27",
    "19_unrolled_in_time": "WEX-12 WEX-13 VIS-14",
    "20_vanishing_exploding": "THY-16 THY-17",
    "21_penalized_backpropagation": "WEX-24",
    "22_gates": "WEX-14 VIS-15",
    "23_remedies_on_one_task": "THY-18",
    "24_the_program_of_a_gradient": "",
}
LESSONS = cells.lessons()
BY_NAME = {lesson.path.stem: lesson for lesson in LESSONS}
every_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.path.stem)


def tagged(lesson, tag, *, code=True):
    return [cell for cell in lesson.cells if tag in cell.tags and cell.is_code == code]


def test_the_lessons_are_those_of_the_map_without_a_gap():
    assert [lesson.path.stem for lesson in LESSONS] == list(ROWS)
    assert [int(lesson.number) for lesson in LESSONS] == list(range(1, 25))
    assert sum(len(rows.split()) for rows in ROWS.values()) == 73


@every_lesson
def test_a_lesson_names_the_rows_that_its_cells_prove(lesson):
    assert sorted(lesson.rows) == sorted(ROWS[lesson.path.stem].split())
    proven = [row for cell in lesson.cells for row in cell.rows]
    assert set(proven) == set(lesson.rows)
    for cell in lesson.cells:
        assert len(cell.rows) <= 3, f"line {cell.line}: who proves ten things at once proves none"
        assert not cell.rows or cell.asserts, f"line {cell.line} proves {cell.rows} without an assert"


@every_lesson
def test_a_lesson_has_the_parts_of_a_lesson(lesson):
    assert len(tagged(lesson, "predict", code=False)) >= 1
    assert len(tagged(lesson, "answer", code=False)) == len(tagged(lesson, "predict", code=False))
    assert len(tagged(lesson, "figure")) >= 1
    for tag in ("exercise", "solution", "check"):
        assert len(tagged(lesson, tag)) >= 2, tag
    order = [
        next(iter(cell.tags & {"exercise", "solution", "check"}))
        for cell in lesson.cells
        if cell.is_code and cell.tags & {"exercise", "solution", "check"}
    ]
    assert order == ["exercise", "solution", "check"] * (len(order) // 3)
    for cell in tagged(lesson, "figure"):
        assert len(cell.alt) >= 20, cell.alt
    assert any("## What we claimed" in cell.text for cell in lesson.cells if not cell.is_code)
    assert isinstance(ast.parse(lesson.cells[-1].text).body[-1], ast.Assert), "the last cell is asserts"


@every_lesson
def test_a_lesson_can_be_read_on_a_phone(lesson):
    for number, line in enumerate(lesson.script.splitlines(), 1):
        assert len(line) <= 80 or line.startswith("#"), f"line {number}: {line}"


@every_lesson
def test_a_lesson_speaks_plainly(lesson):
    words = re.findall(
        r"\b(simply|obviously|of course|trivially)\b",
        " ".join(cell.text for cell in lesson.cells if not cell.is_code),
        re.IGNORECASE,
    )
    assert not words


@pytest.mark.slow
@every_lesson
def test_a_lesson_runs_and_each_stub_is_judged_in_words(lesson):
    shown = run.run(lesson)
    assert len(shown) == len(lesson.cells)
    for cell, out in zip(lesson.cells, shown, strict=True):
        if "check" in cell.tags:
            assert re.search(r"\w+ .*[.:]", out.said), out.said
            assert "right" in out.printed
        if "figure" in cell.tags:
            assert out.svg or out.page
            assert len(out.svg) < 200_000, f"line {cell.line}: {len(out.svg) // 1000} kB"


@pytest.mark.slow
@every_lesson
def test_a_lesson_runs_as_a_script_from_anywhere(lesson, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(cells.ROOT), "PYTHONWARNINGS": "error"}
    command = [sys.executable, str(lesson.path)]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip()
    assert not list(tmp_path.iterdir()), "a lesson leaves nothing behind"


def proofs():
    for lesson in LESSONS:
        for row in lesson.rows:
            yield pytest.param(lesson, row, id=f"{lesson.number}-{row}", marks=pytest.mark.row(row))


@pytest.mark.parametrize(("lesson", "row"), [*proofs()])
def test_a_lesson_proves_a_row(lesson, row):
    shown = run.run(lesson)
    cells_of_row = [(cell, out) for cell, out in zip(lesson.cells, shown, strict=True) if row in cell.rows]
    assert cells_of_row
    assert all(cell.asserts for cell, _ in cells_of_row)


@every_lesson
def test_the_page_for_a_forge_is_of_this_script(lesson):
    page = (FORGE / f"{lesson.number}.md").read_text("utf-8")
    assert lesson.hash in page.partition("\n")[0], "make course writes it anew"
    for name in re.findall(r"!\[[^\]]+\]\((\d\d-\d+\.svg)\)", page):
        assert (FORGE / name).read_text("utf-8").startswith("<svg"), name
    assert page.count("![") == len(tagged(lesson, "figure")) - page.count("**To be moved:**")


def test_the_list_of_lessons_for_a_forge_names_all():
    page = (FORGE / "README.md").read_text("utf-8")
    for lesson in LESSONS:
        assert f"[{lesson.title}]({lesson.number}.md)" in page
    kept = {f"{lesson.number}.md" for lesson in LESSONS} | {"README.md"}
    assert {path.name for path in FORGE.glob("*.md")} == kept


def links(page):
    text = re.sub(r"^(```+).*?^\1$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not link.startswith("http")]


@pytest.mark.parametrize("page", sorted(FORGE.glob("*.md")), ids=lambda page: page.stem)
def test_links_of_a_page_for_a_forge_lead_somewhere(page):
    for link in links(page):
        name, _, anchor = link.partition("#")
        assert (page.parent / name).exists(), link
        if anchor and name.endswith(".md"):
            headings = re.findall(r"^#+ (.*)$", (page.parent / name).read_text("utf-8"), re.MULTILINE)
            known = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in known, link
