"""What is written of a lesson: pages, notebook and slides of the small lesson."""

import ast
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from course import blocks, notebook, pages, run
from course.blocks import Folded, Output, Text
from course.cells import read

SMALL = Path(__file__).with_name("small_lesson.txt")
WHEEL = "minigrad-0.1.0-py3-none-any.whl"


@pytest.fixture(scope="module")
def lesson():
    return read(SMALL)


@pytest.fixture(scope="module")
def shown(lesson, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "CACHE", tmp_path_factory.mktemp("kept"))
        return run.run(lesson)


@pytest.fixture(scope="module")
def titles(lesson):
    return {lesson.path.name: lesson.title}


def test_blocks_show_the_stub_judged_and_the_solution_folded(lesson, shown):
    found = blocks.blocks(lesson, shown)
    kinds = [type(block).__name__ for block in found]
    assert kinds.count("Picture") == kinds.count("Part") == 1
    place = next(i for i, block in enumerate(found) if isinstance(block, Output) and block.text.startswith("Not yet."))
    solution = found[place + 1]
    assert isinstance(solution, Folded)
    assert solution.summary == "Solution"
    assert "return 2 * x" in solution.blocks[0].source
    assert solution.blocks[-1].text == "by_hand(3.0): right."
    assert "return None" in found[place - 2].source


def test_some_cells_are_for_slides_alone_or_not_for_them(lesson, shown):
    page, slide = (str(blocks.blocks(lesson, shown, slides=slides)) for slides in (False, True))
    assert "Only on slides" in slide
    assert "Only on slides" not in page
    assert "What we claimed" in page
    assert "What we claimed" not in slide


def test_links_are_exchanged_in_text_and_not_in_code():
    text = "See [a\nb](x.md#c) and [d](y).\n\n```python\n[e](z)\n```\n\n![f](w.svg)"
    assert blocks.relinked(text, lambda link: link.upper() if link != "y" else "") == (
        "See [a\nb](X.MD#C) and d.\n\n```python\n[e](z)\n```\n\n![f](w.svg)"
    )


def test_a_page_for_a_forge(lesson, shown, titles):
    page, pictures = pages.forge(lesson, blocks.blocks(lesson, shown), titles)
    assert lesson.hash in page.splitlines()[0]
    (name,) = pictures
    assert f"![A parabola over x from −2 to 2, steeper and steeper away from 0.]({name})" in page
    root = ET.fromstring(pictures[name])
    assert "prefers-color-scheme:dark" in "".join(root.itertext())
    assert "(../../reference/engine.md#gradients)" in page
    assert "> **To be moved:** The stepper" in page
    assert "> * 6" in page
    assert "## Predict, then run\n\n> The slope" in page
    assert page.count("<details>") == page.count("</details>") == 5


def test_a_page_of_the_site(lesson, shown, titles):
    page, parts = pages.site(lesson, blocks.blocks(lesson, shown), titles)
    assert list(parts) == [f"{lesson.number}-2.html"]
    assert f'<iframe src="../interactive/{lesson.number}-2.html#2" title="The stepper through' in page
    assert 'role="img" aria-label="A parabola' in page
    assert "prefers-color-scheme" not in page  # the page has the color
    assert "````{container} predict" in page


def test_ids_of_pictures_are_their_own(shown, lesson):
    picture = next(out.svg for out in shown if out.svg)
    one, other = (pages.inline_svg(picture, prefix) for prefix in ("a-", "b-"))
    of_one, of_other = ({element.get("id") for element in ET.fromstring(text).iter()} - {None} for text in (one, other))
    assert of_one
    assert not of_one & of_other
    for text in (one, other):
        named = {element.get("id") for element in ET.fromstring(text).iter()}
        assert set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'href="#([^"]+)"', text)) <= named


@pytest.fixture
def written(lesson, shown):
    return json.loads(notebook.notebook(lesson, shown, WHEEL))


def test_a_notebook_is_one(written):
    assert (written["nbformat"], written["nbformat_minor"]) == (4, 5)
    names = [cell["id"] for cell in written["cells"]]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in names)
    for cell in written["cells"]:
        assert cell["cell_type"] in {"markdown", "code"}
        assert set(cell) == {"cell_type", "id", "metadata", "source"} | (
            {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        )
    outputs = [output for cell in written["cells"] for output in cell.get("outputs", ())]
    assert {output["output_type"] for output in outputs} == {"stream", "display_data"}
    svg = next(output["data"]["image/svg+xml"] for output in outputs if "image/svg+xml" in output.get("data", ()))
    assert "max-width:100%" in svg


def test_a_notebook_does_not_show_the_solution_as_a_cell(written):
    code = [cell["source"] for cell in written["cells"] if cell["cell_type"] == "code"]
    assert not any("return 2 * x" in source for source in code)
    assert any("return 2 * x" in cell["source"] and "<details>" in cell["source"] for cell in written["cells"])


def test_cells_of_a_notebook_run_and_the_check_judges_the_reader(written):
    names = {"__name__": "__main__"}
    said = []
    for cell in written["cells"]:
        if cell["cell_type"] != "code":
            continue
        try:
            exec(cell["source"], names)
        except AssertionError as error:
            assert "raises-exception" in cell["metadata"]["tags"]
            said.append(error._render_traceback_())
    assert said == [["Not yet. by_hand returned None: write its body."]]


def test_a_notebook_without_minigrad_says_what_to_do(written, tmp_path, monkeypatch):
    first = written["cells"][0]["source"]
    assert WHEEL in first
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModuleNotFoundError, match=f"Download {WHEEL}"):
        exec(first.replace('find_spec("minigrad")', 'find_spec("minigrad_not_there")'), {})


def test_the_first_cell_of_a_notebook_is_python(written):
    ast.parse(written["cells"][0]["source"])


class Sections(HTMLParser):
    """Counts sections, and notes what a page loads."""

    def __init__(self):
        super().__init__()
        self.sections = 0
        self.loaded = []

    def handle_starttag(self, tag, attributes):
        self.sections += tag == "section"
        self.loaded += [value for name, value in attributes if name == "src" or (name == "href" and tag == "link")]


def test_slides_are_one_file_with_a_section_for_each_heading(lesson, shown, titles):
    pytest.importorskip("latex2mathml", reason="no Sphinx: pip install '.[course]'")
    from course import slides

    page = slides.slides(lesson, blocks.blocks(lesson, shown, slides=True), titles)
    seen = Sections()
    seen.feed(page)
    headings = [
        line
        for block in blocks.blocks(lesson, shown, slides=True)
        if isinstance(block, Text)
        for line in block.markdown.splitlines()
        if line.startswith("## ")
    ]
    assert seen.sections == 1 + len(headings)
    assert seen.loaded == []
    assert page.count("<math") == 3
    assert "$" not in re.sub(r'srcdoc="[^"]*"|<(script|style|pre).*?</\1>', "", page, flags=re.DOTALL)
    assert {"Picture", "Part"} <= {type(block).__name__ for block in blocks.blocks(lesson, shown, slides=True)}
    assert "srcdoc=" in page


def test_a_formula_that_cannot_be_set_is_named():
    pytest.importorskip("latex2mathml", reason="no Sphinx: pip install '.[course]'")
    from course.formulas import FormulaError, mathml

    assert mathml(r"\frac{1}{2}").startswith("<math")
    assert 'display="block"' in mathml("x", block=True)
    with pytest.raises(FormulaError, match=r"\\unknown in"):
        mathml(r"\unknown x")
