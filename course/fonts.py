"""The font of formulas, STIX Two Math (SIL Open Font License), fetched once as an npm package."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from course import npm

PACKAGE = "@fontsource/stix-two-math@5.3.0"
FILE = "package/files/stix-two-math-latin-400-normal"
WANTED = {f"{FILE}.woff": "stix-two-math.woff", "package/LICENSE": "LICENSE"}
ITALIC = {  # what a browser sets a single letter of a formula in
    **{chr(ord("A") + i): chr(0x1D434 + i) for i in range(26)},
    **{chr(ord("a") + i): chr(0x1D44E + i) for i in range(26)},
    **{chr(ord("Α") + i): chr(0x1D6E2 + i) for i in range(25)},
    **{chr(ord("α") + i): chr(0x1D6FC + i) for i in range(25)},
    "h": "ℎ",
}


def folder() -> Path | None:
    """The folder with the font and its license; None where it cannot be fetched."""
    return npm.files(PACKAGE, WANTED, "stix-two-math")


def of_formulas(page: str) -> set[str]:
    """The characters of the formulas in a page."""
    return set("".join(re.findall(r"<math.*?</math>", page, re.DOTALL)))


def subset(of: set[str]) -> bytes:
    """The part of the font that has these characters, as WOFF; empty where there is no font."""
    source = folder()
    if source is None:
        return b""
    characters = "".join(sorted(of | {ITALIC[each] for each in of if each in ITALIC}))
    name = hashlib.sha256(f"{PACKAGE} {characters}".encode()).hexdigest()[:16]
    kept = source / f"subset-{name}.woff"
    if not kept.exists():
        _write_subset(source / "stix-two-math.woff", characters, kept)
    return kept.read_bytes()


def _write_subset(source: Path, characters: str, to: Path) -> None:
    from fontTools import subset as tools

    options = tools.Options(flavor="woff", notdef_outline=True, layout_features=["*"], recalc_timestamp=False)
    partial = to.with_suffix(".partial")
    with tools.load_font(str(source), options) as font:
        chooser = tools.Subsetter(options)
        chooser.populate(text=characters)
        chooser.subset(font)
        tools.save_font(font, str(partial), options)
    partial.replace(to)
