"""What pictures drawn from scratch have in common: the SVG around them, lines of text, and a page with the same as text."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from minigrad.drawing.png import to_png
from minigrad.drawing.style import BACKGROUND, INDEX, MONO, SANS, Face, themes
from minigrad.drawing.svg import named, within
from minigrad.files import write_file

SMALLEST = 9.0  # pixels of text: where there is less room, a picture scrolls
Palette = Mapping[str, tuple[str, str]]  # name -> the color in the light and in the dark theme; the light ones differ


def pixels(number: float) -> str:
    """A coordinate to a tenth of a pixel, the same on every machine."""
    return f"{round(number, 1) + 0.0:.1f}".removesuffix(".0")  # + 0.0 makes -0.0 positive


def text(words: str, x: float, y: float, face: Face, anchor: str = "", more: str = "") -> str:
    """A line of text; anchor: "middle" or "end"."""
    weight = f' font-weight="{face.weight}"' if face.weight != 400 else ""
    placed = f' text-anchor="{anchor}"' if anchor else ""
    placed += f' font-family="{escape(MONO)}"' if face.monospaced else ""
    at = f'x="{pixels(x)}" y="{pixels(y)}" font-size="{face.size:g}"'
    return f'<text {at}{weight}{placed} fill="{face.color}"{more}>{escape(words)}</text>'


def as_svg(title: str, description: str, size: tuple[float, float], palette: Palette, inside: str) -> str:
    """The picture as a file: its title and description, its two themes, its paper, and what is drawn on it."""
    width, height = map(pixels, size)
    name = named(title, description, width, height, inside)
    place = f'width="{width}" height="{height}"'
    spoken = f'role="img" aria-labelledby="{name}-title {name}-description"'
    looks = f'font-family="{escape(SANS)}" {spoken}'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{name}" {place} viewBox="0 0 {width} {height}" {looks}>',
        f'<title id="{name}-title">{escape(title)}</title>',
        f'<desc id="{name}-description">{escape(description)}</desc>',
        f"<style>\n{themes(name, palette)}\n</style>",
        f'<rect {place} fill="{BACKGROUND}"/>',
        inside,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def save(picture: object, path: str | Path, writers: Mapping[str, Callable[[], str | bytes]]) -> None:
    """Write a file by the writer for its suffix. ValueError names the suffixes there are."""
    path = Path(path)
    if path.suffix.lower() not in writers:
        name = type(picture).__name__
        raise ValueError(f"{name}.save({str(path)!r}): the suffix says what to write, one of {', '.join(writers)}")
    write_file(path, writers[path.suffix.lower()]())


class Picture(ABC):
    """A picture that shows itself in a notebook: `svg()`, `text()`, `html()`, `save(path)`.

    smallest: the size of its smallest text
    """

    title: str
    description: str
    smallest: float = INDEX.size

    @property
    def narrowest(self) -> float:
        """The pixels that it takes in a page at least, so that its text can be read: below, it scrolls."""
        return self._narrowest(self.svg())

    def _narrowest(self, svg: str) -> float:
        width = re.search(r' width="([0-9.]+)"', svg)
        return math.ceil(float(width[1]) * SMALLEST / self.smallest) if width else 0

    @abstractmethod
    def svg(self) -> str:
        """Write the picture as SVG, light or dark as its reader prefers."""

    @abstractmethod
    def text(self) -> str:
        """Write what the picture shows as text."""

    def html(self) -> str:
        """A page that needs nothing else: the picture, and the same as text."""
        return _PAGE.format(
            title=escape(self.title),
            description=escape(self.description),
            svg=self._repr_svg_(),
            text=escape(self.text()),
            sans=SANS,
        )

    def save(self, path: str | Path) -> None:
        """Write a file as a whole or not at all; its suffix says which: .svg, .html, .txt, or .png by the extra `minigrad[png]`."""
        save(self, path, {".svg": self.svg, ".html": self.html, ".txt": self.text, ".png": lambda: to_png(self.svg())})

    def _repr_svg_(self) -> str:
        svg = self.svg()
        return within(svg).replace('style="', f'style="min-width:{pixels(self._narrowest(svg))}px;', 1)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {"image/svg+xml": self._repr_svg_(), "text/plain": self.text()}


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 2rem; font-family: {sans}; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #11151b; color: #e8edf3; }} }}
h1 {{ font-size: 1.2rem; }}
p {{ max-width: 60rem; }}
h1, p {{ overflow-wrap: anywhere; }}
div {{ overflow-x: auto; }}
pre {{ overflow-x: auto; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{description}</p>
<div>
{svg}</div>
<details><summary>The same as text</summary>
<pre>{text}</pre>
</details>
</body>
</html>
"""
