"""Lessons in a process of their own."""

import dataclasses
from pathlib import Path

import pytest

from course import run
from course.cells import parse, read

SMALL = Path(__file__).with_name("small_lesson.txt")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "CACHE", tmp_path)
    return tmp_path


@pytest.fixture
def lesson(folder):
    def written(script):
        path = folder / "07_x.py"
        path.write_text("# %% [markdown]\n# # X\n" + script)
        return read(path)

    return written


@pytest.mark.slow
def test_what_cells_show(folder):
    lesson = read(SMALL)
    shown = run.run(lesson)
    assert [out.printed for out in shown if out.printed] == ["y = 9.0\n", "6.0\n", "by_hand(3.0): right.\n"]
    assert [out.text for out in shown if out.text] == ["()"]
    picture, part = (out for cell, out in zip(lesson.cells, shown, strict=True) if "figure" in cell.tags)
    assert picture.svg.startswith("<svg")
    assert "currentColor" in picture.svg
    assert "<html" in part.page
    assert part.start == "#2"  # behind the one fprop
    (said,) = (out.said for out in shown if out.said)
    assert said == "by_hand returned None: write its body."
    assert [dataclasses.asdict(out) for out in run.run(lesson, fresh=True)] == [
        dataclasses.asdict(out) for out in shown
    ]


def test_what_has_not_changed_is_not_run_again(lesson, monkeypatch):
    first = lesson("# %%\n1 + 1\n")
    assert run.run(first)[1].text == "2"
    monkeypatch.setattr(run, "_run", lambda lesson: pytest.fail("it ran again"))
    assert run.run(first)[1].text == "2"
    monkeypatch.undo()


def test_another_script_is_run(lesson):
    run.run(lesson("# %%\n1 + 1\n"))
    assert run.run(lesson("# %%\n1 + 2\n"))[1].text == "3"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("# %%\nx = 1\n\n\n# %%\n1 / 0\n", "line 8, in <module>\n    1 / 0"),
        (
            '# %% tags=["exercise"]\nx = 2\n# %% tags=["solution"]\nx = 2\n# %% tags=["check"]\nimport check\ncheck.same(x, 2, "x")\n',
            "the check passes before the exercise is solved",
        ),
        ('# %% tags=["exercise"]\nx = None\n# %% tags=["solution"]\nx = 2\n', "a solution is followed by a check"),
        (
            '# %% tags=["exercise"]\nx = None\n# %% tags=["solution"]\nx = 2\n# %% tags=["check"]\nassert x + 1 == 3\n',
            "TypeError",
        ),
        ("# %%\nimport minigrad as mg\nmg.draw(mg.Input(1.0) * 2)\n", "a cell that ends in a figure"),
        ('# %% tags=["figure"] alt="Nothing is to be seen here."\n1\n', "a cell that ends in a figure"),
        ("# %%\nimport warnings\nwarnings.warn('old')\n", "UserWarning: old"),
    ],
)
def test_a_lesson_that_fails_says_where(lesson, script, words):
    with pytest.raises(run.RunError) as error:
        run.run(lesson(script))
    assert "07_x.py failed" in str(error.value)
    assert words in str(error.value)


def test_a_lesson_that_does_not_end_is_ended(lesson, monkeypatch):
    monkeypatch.setattr(run, "SECONDS", 2)
    with pytest.raises(run.RunError, match="did not end in 2 s"):
        run.run(lesson("# %%\nwhile True: pass\n"))


def test_the_key_depends_on_the_script(folder):
    one, other = (parse(Path("01_x.py"), f"# %% [markdown]\n# # {title}\n") for title in "AB")
    assert run._key(one) != run._key(other)
