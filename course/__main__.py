"""`python -m course`: run lessons, write their pages for a forge, and build the site."""

from __future__ import annotations

import argparse
import sys
import time

from course import cells, run
from course.run import RunError


def main() -> int:
    """Do what the command line says; the exit code is 1 where a lesson fails or the site cannot be built."""
    parser = argparse.ArgumentParser(prog="python -m course", description=__doc__)
    parser.add_argument("lessons", nargs="*", metavar="NN", help="numbers of lessons; all by default")
    parser.add_argument("--fresh", action="store_true", help="run lessons anew that have not changed")
    parser.add_argument("--pages", action="store_true", help="write the pages for a forge, tutorials/pages")
    parser.add_argument("--site", action="store_true", help="build the site in public/")
    parser.add_argument(
        "--pyodide", action="store_true", help="with --site: let pages run their lessons in the browser"
    )
    arguments = parser.parse_args()
    try:
        if arguments.site:
            _build_site(arguments.fresh, arguments.pyodide)
        else:
            _run(arguments.lessons, arguments.fresh)
        if arguments.pages:
            from course.forge import write_pages

            write_pages()
    except (RunError, cells.LessonError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _run(numbers: list[str], fresh: bool) -> None:
    found = cells.lessons()
    if unknown := set(numbers) - {lesson.number for lesson in found}:
        raise cells.LessonError(
            f"there is no lesson {', '.join(sorted(unknown))}; the lessons are 01 to {found[-1].number}"
        )
    for lesson in found:
        if not numbers or lesson.number in numbers:
            begun = time.perf_counter()
            run.run(lesson, fresh)
            print(f"{lesson.path.name}: {time.perf_counter() - begun:.1f} s")


def _build_site(fresh: bool, runs: bool) -> None:
    from course.build import PUBLIC, build

    build(fresh, runs=runs)
    print(f"the site is in {PUBLIC.name}/: open {PUBLIC.name}/index.html")


if __name__ == "__main__":
    sys.exit(main())
