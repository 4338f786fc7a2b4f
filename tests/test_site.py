"""The site of course and reference: complete, whole in itself, and every link of it leads somewhere."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from course import cells, run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("sphinx") is None, reason="no Sphinx: pip install '.[course]'"),
]
LESSONS = cells.lessons()
every_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.path.stem)


@pytest.fixture(scope="session")
def public(tmp_path_factory):
    """The site, built once for all processes of the tests."""
    from course.build import build

    place = tmp_path_factory.getbasetemp()
    shared = place.parent / "site" if "gw" in place.name else place / "site"
    with run.one_at_a_time("site"):
        if not (shared / "index.html").exists():
            build(public=shared)
    return shared


class Page(HTMLParser):
    """What a page loads, what it links, and what can be linked in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.frames: list[str] = []
        self.figures: list[str] = []
        self.images: list[str] = []
        self.text = path.read_text("utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        if given.get("src"):
            self.loaded.append(given["src"])
        if tag == "link" and given.get("href"):
            self.loaded.append(given["href"])
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag == "iframe":
            self.frames.append(given.get("title") or "")
        if given.get("role") == "img" and tag == "div":
            self.figures.append(given.get("aria-label") or "")
        if tag == "img":
            self.images.append(given.get("alt") or "")


@pytest.fixture(scope="session")
def pages(public):
    return {path: Page(path) for path in sorted(public.rglob("*.html"))}


def test_nothing_is_loaded_from_elsewhere(public, pages):
    for path, page in pages.items():
        assert [address for address in page.loaded if re.match(r"(?i)(https?:)?//", address)] == [], path
    for path in (*public.rglob("*.css"), *public.rglob("*.js"), *pages):
        text = path.read_text("utf-8")
        assert not re.search(r"""(?i)url\(\s*["']?(https?:)?//|@import\s+["'](https?:)?//""", text), path
        assert not re.search(r"""(?i)(fetch|import|importScripts)\(\s*["'`](https?:)?//""", text), path


def test_every_link_and_anchor_leads_somewhere(public, pages):
    wrong = []
    for path, page in pages.items():
        for address in (*page.links, *page.loaded):
            parts = urlsplit(address)
            if parts.scheme or address.startswith("data:"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            fragment = unquote(parts.fragment)
            if not target.exists() or public.resolve() not in target.resolve().parents:
                wrong.append(f"{path.relative_to(public)}: {address}")
            elif fragment and target in pages and not fragment.isdigit() and fragment not in pages[target].anchors:
                wrong.append(f"{path.relative_to(public)}: {address} has no such place")
    assert wrong == []


def test_every_figure_and_part_has_a_name(public, pages):
    found = 0
    for path, page in pages.items():
        if path.parent.name in {"course", "slides", "reference", "benchmarks"} or path == public / "index.html":
            for name in (*page.figures, *page.frames, *page.images):
                found += 1
                assert len(name) >= 20, (path, name)
    assert found > 2 * len(LESSONS)


@every_lesson
def test_a_lesson_has_page_script_notebook_and_slides(public, lesson):
    stem = lesson.path.stem
    page = (public / f"course/{stem}.html").read_text("utf-8")
    for address in (f"../notebooks/{stem}.ipynb", f"../slides/{stem}.html", f"../scripts/{stem}.py"):
        assert f'href="{address}"' in page
    assert (public / f"scripts/{stem}.py").read_text("utf-8") == lesson.script
    written = json.loads((public / f"notebooks/{stem}.ipynb").read_text("utf-8"))
    outputs = [output for cell in written["cells"] for output in cell.get("outputs", ())]
    assert written["nbformat"] == 4
    assert any("image/svg+xml" in output.get("data", ()) for output in outputs)
    assert any(output["output_type"] == "stream" for output in outputs)
    assert (public / f"slides/{stem}.html").read_text("utf-8").count("<section") >= 5


def test_notebooks_lie_beside_the_wheel_that_they_install(public):
    (wheel,) = (public / "notebooks").glob("*.whl")
    for path in (public / "notebooks").glob("*.ipynb"):
        assert wheel.name in path.read_text("utf-8")


def test_formulas_are_set_without_a_script(public, pages):
    assert sum(page.text.count("<math") for page in pages.values()) > 200
    for path, page in pages.items():
        assert not re.search(r"<m\w>\\\w+</m\w>", page.text), path
        assert "MathJax" not in page.text


def test_navigation_lists_the_lessons_in_their_order(public):
    page = (public / "reference/losses.html").read_text("utf-8")
    listed = re.findall(r'href="\.\./course/(\d\d)_\w+\.html"', page)
    assert list(dict.fromkeys(listed)) == [lesson.number for lesson in LESSONS]


def test_the_site_is_small(public):
    assert sum(path.stat().st_size for path in public.rglob("*") if path.is_file()) < 15e6


def test_search_knows_the_adjoint(public):
    index = (public / "searchindex.js").read_text("utf-8")
    data = json.loads(re.fullmatch(r"Search\.setIndex\((.*)\)", index, re.DOTALL)[1])
    assert len(data["terms"]["adjoint"]) >= 10


def test_building_again_gives_the_same_files(public, tmp_path):
    from course.build import build

    with run.one_at_a_time("site"):
        build(public=tmp_path / "again")
    one, other = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (public, tmp_path / "again")
    )
    assert sorted(one) == sorted(other)
    assert [name for name in one if one[name] != other[name]] == []


def test_a_link_that_leads_nowhere_stops_the_build(monkeypatch, tmp_path):
    from course import build

    monkeypatch.setattr(build, "SOURCE", tmp_path / "source")
    monkeypatch.setattr(build, "DOCTREES", tmp_path / "doctrees")
    tree = build.Tree(build.SOURCE)
    build._appearance(tree)
    tree.write("index.md", "# Start\n\n[nowhere](nowhere.md)\n")
    with pytest.raises(build.SiteError, match="nowhere"):
        build._render(tmp_path / "public")
