"""Build the site: lessons, reference, benchmarks and sources as one tree of Markdown, which Sphinx renders to `public/`."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

import numpy as np

import minigrad as mg
from course import blocks, fonts, in_browser, notebook, pages, run, slides
from course.cells import ROOT, TUTORIALS, Lesson, lessons
from course.highlight import STYLE as COLORS
from course.highlight import highlighted

PUBLIC = ROOT / "public"
WORK = ROOT / ".course"
SOURCE, EXTRA, DOCTREES = WORK / "source", WORK / "extra", WORK / "doctrees"
SPHINX = Path(__file__).with_name("sphinx")
DOCUMENTS = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "benchmarks/README.md",
    "benchmarks/penalized.md",
    "benchmarks/studies.md",
)
HOW_TO = ("training", "saving", "newton")  # pages of the reference that are written by hand
UNSEEN = re.compile(
    r"(?P<kept><(?P<tag>pre|script|svg|textarea)\b.*?</(?P=tag)>)|\s*\n\s*", re.DOTALL
)  # but for what is kept
DAY = "1767225600"  # of files in the wheel: 2026-01-01, so that two builds are alike


class SiteError(run.RunError):
    """The site cannot be built; the message says what Sphinx said."""


class Tree:
    """A folder of files, written anew only where they change, from which files that are no longer written disappear."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: set[Path] = set()

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file, unless it has that content."""
        path = self.folder / name
        data = content.encode() if isinstance(content, str) else content
        self.written.add(path)
        if not path.exists() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def tidy(self) -> bool:
        """Remove files that were not written; whether there were any."""
        stale = [path for path in self.folder.rglob("*") if path.is_file() and path not in self.written]
        for path in stale:
            path.unlink()
        return bool(stale)


def build(fresh: bool = False, public: Path = PUBLIC, *, runs: bool = False) -> None:
    """Build the site.

    fresh: run all lessons and render all pages anew;  runs: let pages run their lessons in the browser

    Errors: RunError for a lesson that fails; SiteError with Sphinx's words for a link that leads nowhere, and other warnings.
    """
    if fresh:
        for folder in (SOURCE, EXTRA, DOCTREES, public):
            shutil.rmtree(folder, ignore_errors=True)
    source, extra = Tree(SOURCE), Tree(EXTRA)
    found = lessons()
    _lessons(found, source, extra, fresh, runs)
    if runs:
        _pyodide(source, extra)
    _documents(source, extra, {lesson.path.name for lesson in found})
    _landing(found, source, extra)
    _appearance(source)
    if source.tidy() or extra.tidy():
        shutil.rmtree(public, ignore_errors=True)  # pages of files that are gone
        shutil.rmtree(DOCTREES, ignore_errors=True)
    _render(public)
    _without_leftovers(public)
    _squeeze(public)
    for path in sorted(extra.written):
        place = public / path.relative_to(EXTRA)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)


def _without_leftovers(public: Path) -> None:
    """Remove of the theme what it was itself made of, and the signs of companies, which no page shows."""
    for pattern in ("*.map", "webpack-macros.html", "fa-brands-*"):
        for path in public.rglob(pattern):
            path.unlink()
    style = public / "_static" / "styles" / "pydata-sphinx-theme.css"
    style.write_text(re.sub(r"@font-face\{[^}]*fa-brands[^}]*\}", "", style.read_text("utf-8")), "utf-8")


def _squeeze(public: Path) -> None:
    """Take out of the pages that Sphinx rendered the blanks that nobody sees; leave of the font what their formulas need."""
    characters: set[str] = set()
    for path in sorted(public.rglob("*.html")):
        page = path.read_text("utf-8")
        characters |= fonts.of_formulas(page)
        path.write_text(UNSEEN.sub(_squeezed, page), "utf-8")
    if font := fonts.subset(characters):
        (public / "_static" / "stix-two-math.woff").write_bytes(font)


def _squeezed(found: re.Match[str]) -> str:
    """One line break for blanks with one; what is shown as it is written stays so."""
    return found[0] if found["kept"] else "\n"


def _lessons(found: list[Lesson], source: Tree, extra: Tree, fresh: bool, runs: bool) -> None:
    titles = {lesson.path.name: lesson.title for lesson in found}
    wheel = _wheel()
    extra.write(f"notebooks/{wheel.name}", wheel.read_bytes())
    for lesson in found:
        shown = run.run(lesson, fresh)
        page, parts = pages.site(lesson, blocks.blocks(lesson, shown), titles)
        source.write(
            f"course/{lesson.path.stem}.md", page + (in_browser.lesson_data(lesson, wheel.name) if runs else "")
        )
        for name, content in parts.items():
            extra.write(f"interactive/{name}", _within_page(content))
        extra.write(f"notebooks/{lesson.path.stem}.ipynb", notebook.notebook(lesson, shown, wheel.name))
        extra.write(
            f"slides/{lesson.path.stem}.html", slides.slides(lesson, blocks.blocks(lesson, shown, slides=True), titles)
        )
        extra.write(f"scripts/{lesson.path.name}", lesson.script)
    extra.write("scripts/check.py", (TUTORIALS / "check.py").read_bytes())
    source.write("course/index.md", _map(found))


def _pyodide(source: Tree, extra: Tree) -> None:
    """Add what runs lessons in the browser."""
    folder = in_browser.folder()
    if folder is None:
        raise SiteError("no npm or no network to fetch Pyodide: build without PYODIDE=1")
    for name in in_browser.FILES:
        extra.write(f"pyodide/{name}", (folder / name).read_bytes())
    source.write("_static/run.js", (SPHINX / "static" / "run.js").read_bytes())


def _map(found: list[Lesson]) -> str:
    """The page that lists the lessons, with the first sentence of each."""
    rows = "\n".join(f"{int(each.number)}. [{each.title}]({each.path.stem}.md): {question(each)}" for each in found)
    return (
        "# The course\n\nEvery number and every picture of a lesson was computed by the version of minigrad that this site describes. "
        "Each lesson asks you to predict, then shows; its exercises say in words what differs. The notebook of a lesson is at its head.\n\n"
        f"{rows}\n"
    )


def question(lesson: Lesson) -> str:
    """The first sentence below the title."""
    paragraph = lesson.cells[0].text.split("\n\n")[1] if "\n\n" in lesson.cells[0].text else ""
    sentence = re.match(r"(?s).*?[.?:](?=\s|$)", paragraph)
    return " ".join((sentence[0] if sentence else paragraph).split())


def _documents(source: Tree, extra: Tree, scripts: set[str]) -> None:
    """Copy the reference and what is written beside it; what they link of the code becomes a page of source."""
    names = [*(f"reference/{name}.md" for name in _reference()), *DOCUMENTS]
    linked: set[str] = set()
    for name in names:
        source.write(name, _document(name, set(names), scripts, linked))
    extra.write("source/source.css", (SPHINX / "source.css").read_text("utf-8") + COLORS)
    for name in sorted(linked):
        path = ROOT / name
        if not path.exists():
            raise SiteError(f"a page links {name}, which is not there")
        if path.suffix == ".html":
            extra.write(name, _within_page(path.read_text("utf-8")))
        elif path.is_file() and path.suffix in {".py", ".toml", ""}:
            extra.write(f"source/{name}.html", _source_page(name))
        else:
            extra.write(name, path.read_bytes())


def _landing(found: list[Lesson], source: Tree, extra: Tree) -> None:
    """Write the first page, which has the tables of contents for the navigation."""
    extra.write("interactive/start.html", _start())
    places = {
        "course": [f"{int(each.number)}. {each.title} <course/{each.path.stem}>" for each in found],
        "how_to": [f"reference/{name}" for name in HOW_TO],
        "reference": [f"reference/{name}" for name in _reference() if name not in HOW_TO],
        "others": [name.removesuffix(".md") for name in DOCUMENTS],
    }
    page = (SPHINX / "index.md").read_text("utf-8")
    source.write("index.md", page.format(**{name: "\n".join(lines) for name, lines in places.items()}))


def _reference() -> list[str]:
    """The pages of the reference in the order of its own list."""
    listed = re.findall(r"\]\((\w+)\.md\)", (ROOT / "reference" / "README.md").read_text("utf-8"))
    return ["README", *dict.fromkeys(listed)]


def _document(name: str, names: set[str], scripts: set[str], linked: set[str]) -> str:
    """A page with its pictures in it and its links as links of the site; adds to `linked` what else they name."""
    text = re.sub(r"^<!--.*?-->\s*", "", (ROOT / name).read_text("utf-8"), flags=re.DOTALL)
    here = posixpath.dirname(name)
    count = iter(range(1, 1000))

    def picture(match: re.Match[str]) -> str:
        path = ROOT / here / match[2]
        prefix = f"p{re.sub(r'[^a-z]', '', name)}{next(count)}-"
        return pages.raw(pages.figure(path.read_text("utf-8"), match[1], prefix))

    def target(link: str) -> str:
        if re.match(r"[a-z]+:|#", link):
            return link
        path = link.partition("#")[0]
        full = posixpath.normpath(posixpath.join(here, path))
        if full in names:
            return link
        if posixpath.basename(full) in scripts:
            return posixpath.relpath(f"course/{Path(full).stem}.md", here or ".")
        if full == "README.md":
            return posixpath.relpath("index.md", here or ".")
        linked.add(full)
        return posixpath.relpath(
            f"source/{full}.html" if Path(full).suffix in {".py", ".toml", ""} else full, here or "."
        )

    text = re.sub(r"!\[([^\]]*)\]\(([^)]+\.svg)\)", picture, text)
    text = blocks.relinked(text, target)
    # What Sphinx does not make it does not know: a link to a file beside its pages is HTML.
    return re.sub(r"\[([^\]]+)\]\((?!http)([^)]+\.(?:html|svg|json|csv))\)", r'<a href="\2">\1</a>', text)


def _source_page(name: str) -> str:
    """A page of code that stands alone."""
    code = (ROOT / name).read_text("utf-8").rstrip("\n")
    inner = highlighted(code) if name.endswith(".py") else escape(code)
    up = "../" * (name.count("/") + 1)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{name}</title>\n<link rel="stylesheet" href="{up}source/source.css">\n</head>\n<body>\n<main>\n'
        f'<p><a href="{up}index.html">minigrad</a></p>\n<h1>{name}</h1>\n<pre tabindex="0">{inner}</pre>\n</main>\n</body>\n</html>\n'
    )


def _start() -> str:
    """The stepper of the landing page."""
    x, w, b = mg.Input(2.0, name="x"), mg.Parameter(0.5, name="w"), mg.Parameter(-0.6, name="b")
    y = np.tanh(w * x + b)
    loss = (y - 1.0) ** 2
    y.name, loss.name = "y", "loss"
    return _within_page(mg.record(loss).html("One neuron"))


def _within_page(page: str) -> str:
    """An interactive part that takes the theme of the page around it, and says how high it is; a stepper fills any height."""
    part = (SPHINX / "static" / "part.js").read_text("utf-8")
    fills = " data-fills" if 'id="page"' in page else ""
    return page.replace("</body>", f"<script{fills}>\n{part}</script>\n</body>")


def _appearance(source: Tree) -> None:
    source.write("conf.py", (SPHINX / "conf.py").read_text("utf-8"))
    for path in sorted((SPHINX / "templates").iterdir()):
        source.write(f"_templates/{path.name}", path.read_bytes())
    for name in ("course.css", "course.js"):
        source.write(f"_static/{name}", (SPHINX / "static" / name).read_bytes())
    font = fonts.folder()
    if font is None:
        print("site: no npm or no network to fetch STIX Two Math; formulas take the reader's own font for mathematics")
        return
    source.write("_static/stix-two-math-license.txt", (font / "LICENSE").read_bytes())


def _wheel() -> Path:
    """The wheel of this version, which notebooks install."""
    kept = WORK / "wheel"
    newest = max(path.stat().st_mtime for path in [*run.sources(), ROOT / "pyproject.toml"])
    found = sorted(kept.glob("*.whl"))
    if found and found[0].stat().st_mtime > newest:
        return found[0]
    shutil.rmtree(kept, ignore_errors=True)
    with tempfile.TemporaryDirectory() as copy:  # building leaves folders beside the sources
        for name in ("minigrad", "models", "optim"):
            shutil.copytree(ROOT / name, Path(copy, name), symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, copy)
        command = [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "-q",
            "--no-deps",
            "--no-build-isolation",
            "--wheel-dir",
            str(kept),
            ".",
        ]
        subprocess.run(command, check=True, cwd=copy, env={**os.environ, "SOURCE_DATE_EPOCH": DAY})
    return next(kept.glob("*.whl"))


def _render(public: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-j",
        "auto",
        "-b",
        "html",
        "-d",
        str(DOCTREES),
        str(SOURCE),
        str(public),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SOURCE_DATE_EPOCH": DAY, "PYTHONHASHSEED": "0"}
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if ended.returncode:
        raise SiteError(f"Sphinx:\n{ended.stderr}")
