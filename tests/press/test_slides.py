"""Slides: a chapter's figures and questions on a page that needs no network."""

from xml.etree import ElementTree

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat import v4

from gradbook.errors import InputError
from gradbook.press.chapters import Chapter
from gradbook.press.slides import slides, write

QUESTION = (
    ":::{question} one\nWhat is *this* {term}`norm <norm>`?\n\n- [ ] One.\n\n  No.\n- [x] Two <2>.\n\n  Yes.\n:::"
)


@pytest.fixture
def chapter(tmp_path):
    def make(*cells) -> Chapter:
        nbformat.write(v4.new_notebook(cells=[v4.new_markdown_cell("# A title"), *cells]), tmp_path / "10_a.ipynb")
        return Chapter(tmp_path / "10_a.py")

    return make


def figure():
    output = v4.new_output("display_data", {"image/png": "aGk="})
    about = {"figure": {"caption": "See {numref}`fig-b`.", "name": "fig-a"}, "image": {"alt": 'A "b".'}}
    return v4.new_code_cell("draw()", outputs=[output], metadata={"mystnb": about})


def test_a_slide_for_the_title_each_question_and_each_figure(chapter, tmp_path):
    path = write(chapter(v4.new_markdown_cell(QUESTION), figure(), v4.new_code_cell("1 + 1")), tmp_path / "slides")
    page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    title, question, drawn = page.select("section")
    assert title.get_text() == "A title"
    assert question.p.get_text() == "What is this norm?"
    assert [item.get_text() for item in question.select("li")] == ["One.", "Two <2>."]
    assert drawn.img["alt"] == 'A "b".'
    assert drawn.img["src"] == "data:image/png;base64,aGk="
    assert drawn.figcaption.get_text() == "See fig-b."
    assert "http" not in path.read_text(encoding="utf-8")


def test_numbers_of_the_page_are_filled_in_and_formulas_are_left_alone(chapter):
    asked = v4.new_markdown_cell(
        ":::{question} one\nWhere is $g_1$ beside $g_2$, and **some_name** of {glue:text}`share:.0%` or "
        "{glue:text}`word`?\n\n- [x] At $\\theta_1$.\n:::"
    )
    glued = [
        v4.new_output(
            "display_data",
            {"application/papermill.record/text/plain": value},
            metadata={"scrapbook": {"name": name, "mime_prefix": "application/papermill.record/"}},
        )
        for name, value in {"share": "0.125", "word": "'digits'"}.items()
    ]
    page = BeautifulSoup(slides(chapter(asked, v4.new_code_cell("", outputs=glued), figure())), "html.parser")
    question = page.select("section")[1]
    assert question.p.get_text() == "Where is $g_1$ beside $g_2$, and some_name of 12% or digits?"
    assert question.li.get_text() == r"At $\theta_1$."


def test_a_chapter_without_figures_has_no_slides(chapter):
    with pytest.raises(InputError, match="has no figure to show; execute the chapter first"):
        slides(chapter())


DRAWN = """
# %%
#| label: fig-line
#| fig-cap: A line.
#| fig-alt: It rises.
import matplotlib.pyplot as plt

_ = plt.plot([0, 1])
"""


def test_the_figures_of_a_chapter_are_written_as_svg(book, gradbook):
    source = book / "notebooks/10_sum.py"
    source.write_text(source.read_text() + DRAWN)
    assert gradbook(book, "execute", "10_sum").returncode == 0
    twin = (book / "notebooks/10_sum.ipynb").read_bytes()
    said = gradbook(book, "slides", "10_sum", "--svg")
    assert said.stdout.split() == ["_build/slides/10_sum.html", "_build/slides/10_sum/fig-line.svg"], said.stderr
    drawing = ElementTree.parse(book / "_build/slides/10_sum/fig-line.svg").getroot()
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    assert drawing.findall(".//{http://www.w3.org/2000/svg}path")
    assert (book / "notebooks/10_sum.ipynb").read_bytes() == twin
