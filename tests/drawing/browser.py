"""A browser for tests: Chromium of the machine, driven by playwright. What a page does besides showing itself is a fault.

`MINIGRAD_BROWSER` is the path of a browser, or "required": then tests fail, instead of being skipped, where there is none.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Route

ASKED = os.environ.get("MINIGRAD_BROWSER", "")
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = ("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync", "--force-device-scale-factor=1")  # fmt: skip
ADDRESS = "http://page.test/"  # of every page; no request leaves the browser
SIZES = ((1366, 768), (390, 844))
THEMES = ("light", "dark")
LOOK = Path(__file__).with_name("look.js").read_text("utf-8")


def program() -> str | None:
    """The path of the browser, or None."""
    if ASKED not in ("", "required"):
        return ASKED
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser that has just started."""
    if find_spec("playwright") is None:
        _missing("no playwright: pip install 'minigrad[pages]'")
    path = program()
    if path is None:
        _missing("no Chromium: apt install chromium")
    from playwright.sync_api import sync_playwright

    rooted = ["--no-sandbox"] if getattr(os, "geteuid", int)() == 0 else []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=[*OPTIONS, *rooted])
        yield browser
        browser.close()


def _missing(why: str) -> NoReturn:
    if ASKED:
        pytest.fail(f"MINIGRAD_BROWSER={ASKED}, and {why}")
    pytest.skip(why)


class Opened:
    """A page in the browser, and what it did besides: `faults` are requests, dialogs, errors and what was written to the console."""

    def __init__(self, context: BrowserContext, text: str, kind: str = "text/html") -> None:
        self.faults: list[str] = []
        self.page: Page = context.new_page()
        self._text, self._kind = text, kind
        self.page.route("**/*", self._answer)
        self.page.on("console", lambda message: self.faults.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("dialog", self._dialog)
        self.page.on("popup", lambda page: self.faults.append(f"window: {page.url}"))

    def _answer(self, route: Route) -> None:
        address = route.request.url.partition("#")[0]
        if address == ADDRESS:
            route.fulfill(body=self._text.encode(), content_type=f"{self._kind}; charset=utf-8")
        elif address == f"{ADDRESS}favicon.ico":
            route.fulfill(status=204)
        else:
            self.faults.append(f"request: {address}")
            route.abort()

    def _dialog(self, dialog: Any) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def go(self, fragment: str = "") -> Opened:
        """Load the page."""
        self.page.goto(ADDRESS + fragment)
        return self

    def snapshot(self) -> dict[str, Any]:
        """What the page shows, of boxes what has changed since the last time, and what is wrong with how it shows it."""
        found: dict[str, Any] = self.page.evaluate("look.snapshot()")
        return found


@contextmanager
def opened(
    browser: Browser,
    text: str,
    *,
    size: tuple[int, int] = SIZES[0],
    theme: str = "light",
    fragment: str = "",
    kind: str = "text/html",
    **options: Any,
) -> Iterator[Opened]:
    """A page in a window of that size; when it is left, it must have been quiet."""
    viewport = {"width": size[0], "height": size[1]}
    context = browser.new_context(viewport=viewport, color_scheme=theme, **options)  # type: ignore[arg-type]
    context.add_init_script(LOOK)
    try:
        page = Opened(context, text, kind).go(fragment)
        yield page
        assert page.faults == []
    finally:
        context.close()
