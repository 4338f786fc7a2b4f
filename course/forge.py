"""Write the pages of all lessons for a forge: `tutorials/pages/`, which is committed."""

from __future__ import annotations

from course import blocks, pages, run
from course.cells import lessons


def write_pages() -> None:
    """Write every lesson's page with its pictures, and the list of lessons; remove what no lesson has."""
    found = lessons()
    titles = {lesson.path.name: lesson.title for lesson in found}
    written = {"README.md": pages.contents(found)}
    for lesson in found:
        page, pictures = pages.forge(lesson, blocks.blocks(lesson, run.run(lesson)), titles)
        written |= {f"{lesson.number}.md": page, **pictures}
    pages.FORGE.mkdir(exist_ok=True)
    for path in pages.FORGE.iterdir():
        if path.name not in written:
            path.unlink()
    for name, text in written.items():
        (pages.FORGE / name).write_text(text, "utf-8")
    print(f"{len(written)} files in tutorials/pages")
