"""The closing report of the book: how many twins came out as committed, and what the others say now."""

import json
import os
import re
import shutil

import pytest
from press_helpers import commit_all


def test_equal_twins_are_counted_and_differences_named_by_chapter_cell_and_value(executed, gradbook):
    assert "10_sum: not committed yet" in gradbook(executed, "compare").stdout
    commit_all(executed, "executed")
    assert gradbook(executed, "compare").stdout == "2 of 2 twins came out exactly as committed.\n"
    twin = executed / "notebooks/10_sum.ipynb"
    twin.write_text(twin.read_text().replace("sum 3.0", "sum 3.5"))
    said = gradbook(executed, "compare").stdout
    assert said.startswith("1 of 2 twins came out exactly as committed.\n")
    assert "10_sum, cell [3]: 'sum 3.0' → 'sum 3.5'" in said


def test_a_missing_twin_and_a_changed_text_are_told_apart(executed, gradbook):
    commit_all(executed, "executed")
    (executed / "notebooks/11_quotient.ipynb").unlink()
    twin = executed / "notebooks/10_sum.ipynb"
    twin.write_text(twin.read_text().replace("# A sum", "# The sum"))
    said = gradbook(executed, "compare").stdout
    assert "0 of 2" in said
    assert "no twin; run gradbook execute" in said
    assert "another text or code; the outputs are equal" in said


def test_the_output_of_a_cell_that_is_gone_is_a_difference(executed, gradbook):
    commit_all(executed, "executed")
    twin = executed / "notebooks/10_sum.ipynb"
    book = json.loads(twin.read_text())
    book["cells"] = [cell for cell in book["cells"] if "sum 3.0" not in json.dumps(cell.get("outputs", []))]
    twin.write_text(json.dumps(book))
    assert "10_sum, cell [3]: 'sum 3.0' → 'no output'" in gradbook(executed, "compare").stdout


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("no git", "git must be installed to read the history of"),
        ("distrust", "detected dubious ownership"),
        ("archive", "not a git repository"),
    ],
)
def test_where_git_does_not_help_one_sentence_says_why_and_all_else_works(book, gradbook, tmp_path, trouble, said):
    (book / "pyproject.toml").write_text('[project.urls]\nRepository = "https://github.com/ada/engine"\n')
    if trouble == "archive":
        shutil.rmtree(book / ".git")
    changes = {"no git": {"PATH": str(tmp_path / "nothing")}, "distrust": {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}}
    environment = {"GIT_CEILING_DIRECTORIES": str(book.parent)} | os.environ | changes.get(trouble, {})
    assert gradbook(book, "execute", "10_sum", env=environment).returncode == 0
    compared = gradbook(book, "compare", env=environment)
    assert (compared.returncode, compared.stderr) == (0, "")
    assert re.match(f"The twins cannot be compared .*{re.escape(said)}.*\n$", compared.stdout)
    moved = gradbook(book, "repository", "https://github.com/byron/poem", env=environment)
    assert (moved.returncode, moved.stderr.count("\n")) == (2, 1)
