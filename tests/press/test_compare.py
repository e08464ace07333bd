"""The closing report of the book: how many twins came out as committed, and what the others say now."""

from press_helpers import commit_all


def test_equal_twins_are_counted_and_differences_named_by_chapter_cell_and_value(book, gradbook):
    gradbook(book, "execute")
    assert "10_sum: not committed yet" in gradbook(book, "compare").stdout
    commit_all(book, "executed")
    assert gradbook(book, "compare").stdout == "2 of 2 twins came out exactly as committed.\n"
    twin = book / "notebooks/10_sum.ipynb"
    twin.write_text(twin.read_text().replace("sum 3.0", "sum 3.5"))
    said = gradbook(book, "compare").stdout
    assert said.startswith("1 of 2 twins came out exactly as committed.\n")
    assert "10_sum, cell [3]: 'sum 3.0' → 'sum 3.5'" in said


def test_a_missing_twin_and_a_changed_text_are_told_apart(book, gradbook):
    gradbook(book, "execute")
    commit_all(book, "executed")
    (book / "notebooks/11_quotient.ipynb").unlink()
    twin = book / "notebooks/10_sum.ipynb"
    twin.write_text(twin.read_text().replace("# A sum", "# The sum"))
    said = gradbook(book, "compare").stdout
    assert "0 of 2" in said
    assert "no twin; run gradbook execute" in said
    assert "another text or code; the outputs are equal" in said
