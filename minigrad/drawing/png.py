"""A picture in pixels, for slides and for programs that take no SVG.

`resvg_py` paints it: one wheel of 3 MB for every Python, no system library. It takes no variables in a style sheet, so they
get their values of the light theme first. Its fonts are DejaVu, which matplotlib brings: the same on every machine, also on one
without fonts; characters that DejaVu lacks come from the machine.
"""

from __future__ import annotations

import re
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from minigrad.drawing.style import MONO, SANS

ZOOM = 2  # pixels for one of the SVG, so that it is sharp on a slide
MOST = 100_000_000  # pixels of a file, which take 400 MB while it is painted
FONTS = {SANS: "DejaVu Sans", MONO: "DejaVu Sans Mono"}
FONT_FILES = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf")


def to_png(svg: str) -> bytes:
    """Paint a picture in its light theme, two pixels for one of the SVG, or one where that would be 100 million or more.

    Errors: ModuleNotFoundError names the extra that is missing; ValueError where the picture is too large.
    """
    resvg, fonts = _packages()
    options: dict[str, Any] = {"font_files": fonts, "font_family": FONTS[SANS], "zoom": _zoom(svg)}
    return bytes(resvg.svg_to_bytes(svg_string=plain(svg), **options))


def plain(svg: str) -> str:
    """The picture without variables: its style sheet has the values of the light theme, its fonts have one name each."""
    before, sheet, after = re.split(r"</?style>", svg, maxsplit=2)
    light = dict(re.findall(r"(--[\w-]+):([^;}]+)", sheet.partition("@media")[0]))
    rules = [line for line in sheet.splitlines() if not line.startswith("@media")]
    colored = re.sub(r"var\((--[\w-]+)\)", lambda found: light[found[1]], "\n".join(rules))
    for names, name in FONTS.items():
        before, colored, after = [
            part.replace(escape(names), name) for part in (before, colored.replace(names, name), after)
        ]
    return f"{before}<style>{colored}</style>{after}"


def _zoom(svg: str) -> int:
    width, height = [float(re.search(f' {side}="([\\d.]+)"', svg)[1]) for side in ("width", "height")]  # type: ignore[index]
    if width * height > MOST:
        raise ValueError(
            f"a .png of {width:,.0f} × {height:,.0f} pixels is too large: save .svg, or draw a part of the graph"
        )
    return ZOOM if ZOOM**2 * width * height <= MOST else 1


def _packages() -> tuple[Any, list[str]]:
    """The painter, and the files of the fonts. matplotlib is found, not imported."""
    found = find_spec("matplotlib")
    folder = Path(found.origin).parent / "mpl-data/fonts/ttf" if found and found.origin else Path()
    fonts = [folder / name for name in FONT_FILES]
    try:
        import resvg_py

        if not all(font.is_file() for font in fonts):
            raise ModuleNotFoundError("matplotlib")
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "a .png is painted by the package resvg_py with the fonts of matplotlib: pip install 'minigrad[png]', or save "
            ".svg, which needs nothing"
        ) from None
    return resvg_py, [str(font) for font in fonts]
