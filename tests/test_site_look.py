"""The site as it is opened from a file: wide and narrow, light and dark, without a request outside, an error, or a page that scrolls sideways."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec

import pytest

from course import cells
from tests.drawing.browser import SIZES, THEMES, chromium
from tests.test_site import public as public  # noqa: PLC0414 - a fixture

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(find_spec("sphinx") is None, reason="no Sphinx: pip install '.[course]'"),
]
ALL = os.environ.get("MINIGRAD_PAGES") == "all"
STEMS = [lesson.path.stem for lesson in cells.lessons()]
FEW = [
    "index",
    "course/index",
    f"course/{STEMS[0]}",
    f"course/{STEMS[-1]}",
    f"slides/{STEMS[0]}",
    "reference/drawing",
    "reference/losses",
]


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


def chosen(public):
    pages = sorted(str(path.relative_to(public).with_suffix("")) for path in public.rglob("*.html"))
    return [page for page in pages if not page.startswith(("_static", "source"))] if ALL else FEW


@pytest.fixture
def opened(browser, public):
    """Opens a page from its file, and notes what is wrong with it."""
    contexts = []

    def open_page(name, size=SIZES[0], theme="light"):
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=theme)
        contexts.append(context)
        page = context.new_page()
        page.faults = []
        page.on(
            "request",
            lambda asked: (
                None if asked.url.startswith(("file:", "data:", "about:", "blob:")) else page.faults.append(asked.url)
            ),
        )
        page.on(
            "console",
            lambda message: page.faults.append(message.text) if message.type in {"error", "warning"} else None,
        )
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.goto(f"{(public / name).as_uri()}.html".replace("%23", "#"))
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES, ids=("wide", "phone"))
def test_pages_are_quiet_and_fit(opened, public, size, theme):
    wrong = []
    for name in chosen(public):
        page = opened(name, size, theme)
        page.wait_for_load_state("load")
        page.wait_for_timeout(100)
        width, inner = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        if width > inner or page.faults:
            wrong.append((name, width, page.faults))
        page.context.close()
    assert wrong == []


def test_search_finds_the_adjoint_from_a_file(opened):
    page = opened("search")
    page.goto(page.url + "?q=adjoint")
    page.wait_for_selector("ul.search li a")
    page.wait_for_function("document.querySelectorAll('ul.search li').length >= 10")
    assert page.faults == []


def test_pictures_and_parts_follow_the_theme_of_the_page(opened):
    page = opened("index")
    frame = page.frame_locator("figure.part iframe")
    frame.locator("body").wait_for()

    def darkness():
        page.wait_for_timeout(300)
        return (
            frame.locator("#page, body")
            .first.evaluate("element => getComputedStyle(element).getPropertyValue('--paper')")
            .strip()
        )

    light = darkness()
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert darkness() != light
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    assert darkness() == light
    assert page.faults == []


def test_arrow_keys_step_a_part_only_when_it_has_the_focus(opened):
    page = opened("index")
    frame = page.frames[1]
    frame.wait_for_selector("body")
    before = frame.evaluate("location.hash")
    page.keyboard.press("ArrowRight")
    assert frame.evaluate("location.hash") == before
    page.frame_locator("figure.part iframe").locator("body").click(position={"x": 5, "y": 5})
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(200)
    assert frame.evaluate("location.hash") != before


def test_slides_go_by_arrow_keys(opened):
    page = opened(f"slides/{STEMS[0]}")
    assert page.evaluate("scrollY") == 0
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    assert page.evaluate("scrollY") > 0
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(300)
    assert page.evaluate("scrollY") == 0


def test_axe_finds_nothing_serious_but_the_themes(opened, tmp_path, public):
    """By axe-core, where npm can fetch it."""
    if not ALL or not shutil.which("npm"):
        pytest.skip("axe-core: make site-look, with npm")
    if subprocess.run(
        ["npm", "pack", "--silent", "axe-core@4.11.0"], cwd=tmp_path, check=False, capture_output=True
    ).returncode:
        pytest.skip("axe-core could not be fetched")
    subprocess.run(["tar", "xzf", next(tmp_path.glob("*.tgz"))], cwd=tmp_path, check=True)
    script = (tmp_path / "package" / "axe.min.js").read_text("utf-8")
    wrong = []
    for name in chosen(public):
        for theme in THEMES:
            page = opened(name, theme=theme)
            page.evaluate(script)
            found = page.evaluate("axe.run(document, {iframes: false}).then(result => result.violations)")
            for violation in found:
                places = [node["target"] for node in violation["nodes"]]
                of_theme = [place for place in places if re.search(r"pst-|search-button|bd-|navbar", str(place))]
                if violation["impact"] in {"critical", "serious"} and len(of_theme) < len(places):
                    wrong.append((name, theme, violation["id"], places[:4]))
            page.context.close()
    assert wrong == []


def test_numpy_for_the_browser_is_still_in_no_package_index(tmp_path):
    """Fails when it can be taken from there: then `course/in_browser.py` need not name an address."""
    if not ALL:
        pytest.skip("asks the package index: make site-look")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--dest",
        str(tmp_path),
        "--only-binary",
        ":all:",
    ]
    command += ["--python-version", "3.14", "--platform", "pyemscripten_2026_0_wasm32", "numpy"]
    assert subprocess.run(command, check=False, capture_output=True).returncode != 0
