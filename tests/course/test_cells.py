"""A script in percent format, read as cells."""

from pathlib import Path

import pytest

from course.cells import LessonError, lessons, parse, read

SMALL = Path(__file__).with_name("small_lesson.txt")
TITLE = "# %% [markdown]\n# # A title\n"


def test_the_cells_of_a_lesson():
    lesson = read(SMALL)
    assert lesson.title == "A square: a lesson for the tests"
    assert lesson.rows == ("ENG-16",)
    assert lesson.cells[0].text.splitlines()[2].startswith("How steep")
    lines = lesson.script.splitlines()
    for cell in lesson.cells:
        first = cell.text.splitlines()[0]
        assert lines[cell.line - 1] == (first if cell.is_code else f"# {first}")
    (proof,) = [cell for cell in lesson.cells if cell.rows]
    assert proof.rows == ("ENG-16",)
    assert proof.asserts
    assert [sorted(cell.tags) for cell in lesson.cells if "check" in cell.tags or "figure" in cell.tags] == [
        ["figure"],
        ["figure"],
        ["check"],
    ]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("x = 1\n", "there is no cell"),
        ("# %%\nx = 1\n", "line 1: the first cell is text and begins with the title"),
        (TITLE + '# %% tags=["figur"]\n1\n', "line 3: no tag of a code cell: figur"),
        (TITLE + '# %% [markdown] tags=["check"]\n# a\n', "line 3: no tag of a text cell: check"),
        (TITLE + '# %% tags=["figure"]\n1\n', "line 3: a figure says what it shows"),
        (TITLE + '# %% alt="words without a figure"\n1\n', "line 3: a figure says what it shows"),
        (TITLE + "# %% tags=[figure]\n1\n", "line 3: the value of tags is not JSON"),
        (TITLE + '# %% tag=["figure"]\n1\n', "line 3: 'tag="),
        (TITLE + '# %% row="WEX5"\n1\n', "line 3: WEX5 names no row"),
        (TITLE + "# %%[markdown]\n# a\n", r"line 3: '# %%\[markdown\]' is no header"),
    ],
)
def test_what_is_no_lesson_is_told_by_its_line(script, words):
    with pytest.raises(LessonError, match=words):
        parse(Path("01_x.py"), script)


def test_a_file_is_named_with_the_fault(tmp_path):
    path = tmp_path / "01_x.py"
    path.write_text("x = 1\n")
    with pytest.raises(LessonError, match=r"01_x\.py: there is no cell"):
        lessons(tmp_path)
