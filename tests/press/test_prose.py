"""The grammar of the prose: what is checked, what is not, and where a mistake is reported."""

import pytest

from gradbook.press.prose import complaints, plain, written

SETTINGS = '[tool.harper]\ndialect = "gb"\nignore = ["SpellCheck"]\n'
CHAPTER = """\
# %% [markdown]
# She have {term}`two weights <weight>` of $\\theta$.

# %%
#| label: fig-a
#| fig-alt: >-
#|   It shows a hour.
text = "an horse"  # an horse
"""


def test_lines_stay_where_they_are_and_what_is_no_prose_goes():
    page = "---\na: b\n---\n# Title\n\n:::{question} a\nWhat is {cite:t}`b`?\n:::\n\n| a |\n\n$$\nx\n$$ (eq)\nEnd."
    assert plain(page).split("\n") == ["", "", "", "# Title", "", "", "What is Smith?", *[""] * 7, "End."]
    for text in (page, CHAPTER):
        assert plain(text).count("\n") == written(text).count("\n") == text.count("\n")


def test_mistakes_are_reported_at_their_lines_in_pages_and_in_chapters(tmp_path):
    pytest.importorskip("harper", reason="Harper comes with gradbook[dev]")
    (tmp_path / "pyproject.toml").write_text(SETTINGS)
    for folder in ("book", "notebooks"):
        (tmp_path / folder).mkdir()
    (tmp_path / "book/page.md").write_text("All is well.\n\n```\nan horse\n```\n\nThis is an {term}`gate`.\n")
    (tmp_path / "notebooks/10_a.py").write_text(CHAPTER)
    found = [line.split(": ")[:2] for line in complaints(tmp_path)]
    assert found == [["book/page.md:7", "'an'"], ["notebooks/10_a.py:2", "'have'"], ["notebooks/10_a.py:7", "'a'"]]
