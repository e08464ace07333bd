"""Questions before figures: what the page holds, what is refused, and what a browser does with them."""

from io import StringIO
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import sync_playwright
from sphinx.application import Sphinx

from gradbook.press.pdf import chromium
from gradbook.press.sphinx.question import Question

PAGE = """
# A page

:::{question} angle
At 60° the cosine is ½. What will the *mean* be?

- [ ] Also ½.

  No: it is smaller.
- [x] Of the same sign.

  Yes, and many times smaller.
:::
"""


@pytest.fixture
def made(tmp_path):
    """Make a site of one page, whose address it returns, and the complaints of Sphinx."""

    def make(text: str) -> tuple[str, str]:
        (tmp_path / "index.md").write_text(text)
        warnings = StringIO()
        settings = {"extensions": ["myst_parser"], "myst_enable_extensions": ["colon_fence"], "html_static_path": []}
        app = Sphinx(
            tmp_path, None, tmp_path / "html", tmp_path / "trees", "html", settings, status=None, warning=warnings
        )
        app.add_directive("question", Question, override=True)
        app.build()
        return str(tmp_path / "html/index.html"), warnings.getvalue()

    return make


def test_a_question_is_a_text_and_disclosures(made):
    path, complaints = made(PAGE)
    assert complaints == ""
    question = BeautifulSoup(Path(path).read_text(), "html.parser").select_one(".question")
    assert question["aria-label"] == "Question"
    assert question.select_one("p").get_text() == "At 60° the cosine is ½. What will the mean be?"
    answers = question.select("details")
    assert [answer["class"] for answer in answers] == [["wrong"], ["right"]]
    assert {answer["name"] for answer in answers} == {"angle"}
    assert [answer.summary.get_text() for answer in answers] == ["Also ½.", "Of the same sign."]
    assert answers[0].select_one("p").get_text() == "No: it is smaller."


@pytest.mark.parametrize(
    ("old", "new"),
    [("[x]", "[ ]"), ("[ ]", "[x]"), ("[x] ", ""), ("  Yes, and many times smaller.\n", "")],
    ids=["none right", "two right", "no mark", "no feedback"],
)
def test_what_is_no_question_is_refused(made, old, new):
    _, complaints = made(PAGE.replace(old, new))
    assert "marked [x]" in complaints or "begins with [x] or [ ]" in complaints


def test_a_browser_keeps_the_answer_and_needs_no_mouse(made, root, tmp_path):
    path, _ = made(PAGE)
    script = (root / "book/_static/question.js").as_uri()
    html = (tmp_path / "html/index.html").read_text().replace("</body>", f'<script src="{script}"></script></body>')
    (tmp_path / "html/index.html").write_text(html)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_context().new_page()
        page.goto(f"file://{path}")
        answers = page.locator(".question details")
        assert not page.get_by_text("Yes, and many times smaller.").is_visible()
        page.locator(".question summary").nth(0).focus()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.get_by_text("Yes, and many times smaller.").is_visible()
        page.locator(".question summary").nth(0).click()
        assert answers.evaluate_all("all => all.map(one => one.open)") == [True, False]
        page.reload()
        assert answers.evaluate_all("all => all.map(one => one.open)") == [True, False]
        browser.close()
