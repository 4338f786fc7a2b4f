"""Figures one after the other, as a page with a slider."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from minigrad.files import write_file
from minigrad.optim.figures.style import svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Frames:
    """Figures one after the other: a page with a slider, which begins at the last one.

    figures: of one size
    words:   a line for each figure, which says what is to be seen in it

    In a notebook it shows itself; `html()` is the page, `save("film.html")` writes it. The arrow keys move the slider when it
    has the focus; a browser without scripts shows all figures below each other.

    Errors: ValueError for no figure, for figures of different sizes, or where there are not as many words as figures.
    """

    def __init__(self, figures: Sequence[Figure], words: Sequence[str], *, title: str) -> None:
        if not figures or len({tuple(figure.get_size_inches()) for figure in figures}) != 1:
            raise ValueError("Frames: expected figures of one size, at least one")
        if len(words) != len(figures):
            raise ValueError(f"Frames: {len(figures)} figures and {len(words)} words: write a line for each figure")
        self.figures = list(figures)
        self.words = list(words)
        self.title = title

    def html(self) -> str:
        """Write the page, which needs nothing else."""
        frames = "".join(
            f"<figure><figcaption>{escape(words)}</figcaption>{_inner(figure)}</figure>"
            for figure, words in zip(self.figures, self.words, strict=True)
        )
        last = len(self.figures) - 1
        return _PAGE.format(title=escape(self.title), last=last, frames=frames)

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write the page as a file."""
        write_file(file, self.html())

    def _repr_html_(self) -> str:
        height = 96 * self.figures[0].get_size_inches()[1] + 110
        return (
            f'<iframe title="{escape(self.title)}" srcdoc="{escape(self.html())}" width="100%" height="{height:.0f}" '
            'style="border:0"></iframe>'
        )


def _inner(figure: Figure) -> str:
    text = svg(figure)
    return text[text.index("<svg") :]


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; color: #1c2430; }}
@media (prefers-color-scheme: dark) {{ :root {{ color: #e8edf3; background: #11151b; }} }}
body {{ margin: 0; font: 15px/1.4 system-ui, sans-serif; }}
h1 {{ font-size: 1rem; margin: .5rem; }}
figure {{ margin: .5rem; }}
svg {{ width: 100%; height: auto; max-width: 45rem; }}
label {{ display: flex; gap: .7rem; margin: .5rem; align-items: center; max-width: 45rem; }}
input {{ flex: 1; min-width: 6rem; height: 1.6rem; }}
.one figure[hidden] {{ display: none; }}
</style>
</head>
<body>
<h1>{title}</h1>
<label hidden>frame <input type="range" min="0" max="{last}" value="{last}"><output></output></label>
{frames}
<script>
const frames = [...document.querySelectorAll("figure")];
const slider = document.querySelector("input");
function show() {{
  frames.forEach((frame, i) => {{ frame.hidden = i !== +slider.value; }});
  document.querySelector("output").textContent = `${{+slider.value + 1}} of ${{frames.length}}`;
  slider.setAttribute("aria-valuetext", frames[slider.value].querySelector("figcaption").textContent);
}}
document.body.className = "one";
document.querySelector("label").hidden = false;
slider.addEventListener("input", show);
show();
</script>
</body>
</html>
"""
