"""How Sphinx makes the site. The sources are written by `course.site`; nothing here asks for a network."""

from typing import Any

from docutils import nodes
from pygments.formatters import HtmlFormatter
from pygments.token import Token
from sphinx.highlighting import PygmentsBridge

from course.formulas import mathml

project = "minigrad"
author = "The minigrad developers"
copyright = "the minigrad developers"  # noqa: A001 - the name that Sphinx reads
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
templates_path = ["_templates"]
html_static_path = ["_static"]
html_theme = "pydata_sphinx_theme"
html_title = "minigrad"
html_css_files = ["course.css"]
html_js_files = [("course.js", {"defer": "defer"})]
html_show_search_summary = False  # it would fetch pages, which a page opened from a file may not
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False
html_last_updated_fmt = None
html_sidebars = {
    "index": [],
    "course/*": ["lessons.html"],
    "reference/*": ["lessons.html"],
    "benchmarks/*": ["lessons.html"],
    "[A-Z]*": ["lessons.html"],
}
html_math_renderer = "mathml"
html_theme_options = {
    "logo": {"text": "minigrad"},
    "navbar_start": ["navbar-logo"],
    "navbar_center": ["doors.html"],
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "primary_sidebar_end": [],
    "show_prev_next": True,
    "navigation_with_keys": False,
    "back_to_top_button": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_context = {"default_mode": "auto"}
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
myst_fence_as_directive = ["math"]
suppress_warnings = ["myst.header"]  # an exercise's title stands above a frame
highlight_language = "text"


PLAIN = Token.Name, Token.Operator, Token.Punctuation, Token.Text.Whitespace  # these tokens, not their kinds


class Plain(HtmlFormatter):  # type: ignore[misc]
    """Colors all but names, operators, brackets and blanks, so that a page is half as large."""

    def format_unencoded(self, tokensource: Any, outfile: Any) -> None:
        """Write the tokens as HTML."""
        kinds = ((Token.Text if kind in PLAIN else kind, text) for kind, text in tokensource)
        super().format_unencoded(kinds, outfile)


PygmentsBridge.html_formatter = Plain


def _inline(writer: Any, node: nodes.Node) -> None:
    writer.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def _block(writer: Any, node: nodes.Node) -> None:
    writer.body.append(f'<div class="formula" tabindex="0">{mathml(node.astext(), block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Set formulas as MathML."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
