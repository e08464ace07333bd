"""What a chapter depends on: the modules that it imported, the tables that it declares, and nothing else."""

import json

import pytest

from gradbook.errors import InputError
from gradbook.press import fingerprint
from gradbook.press.chapters import find_chapters

LIGHT = ["__init__.py", "errors.py", "parameters.py", "seeds.py"]


def ingredients(book, chapter):
    """The names of what a chapter's last execution depended on, in a scratch book."""
    return json.loads((book / f"_build/records/{chapter}.json").read_text())["fingerprint"]


def appended(book, code, reads="[]"):
    source = book / "notebooks/11_quotient.py"
    header = f"# jupyter:\n#   gradbook:\n#     reads: {reads}\n"
    source.write_text(source.read_text().replace("# jupyter:\n", header) + f"\n# %%\n{code}\n")


def test_modules_count_that_were_imported_while_the_chapter_ran(book, gradbook):
    appended(
        book, "def late():\n    from gradbook import errors\n\ndef never():\n    from gradbook import timing\n\nlate()"
    )
    assert gradbook(book, "execute").returncode == 0
    assert fingerprint.modules(ingredients(book, "10_sum")) == LIGHT
    assert fingerprint.modules(ingredients(book, "11_quotient")) == ["__init__.py", "errors.py"]


def test_a_module_that_changed_or_went_counts_and_any_other_does_not(book, tmp_path, monkeypatch):
    (chapter,) = find_chapters(book, ["10_sum"])
    monkeypatch.setattr(fingerprint, "PACKAGE", tmp_path)
    used, other = tmp_path / "used.py", tmp_path / "other.py"
    used.write_text("")
    before = fingerprint.fingerprint(chapter, {}, ["used.py"])
    other.write_text("1")
    assert fingerprint.fingerprint(chapter, {}, ["used.py"]) == before
    used.write_text("1")
    assert fingerprint.changed(before, fingerprint.fingerprint(chapter, {}, ["used.py"])) == ["gradbook/used.py"]
    used.unlink()
    assert fingerprint.changed(before, fingerprint.fingerprint(chapter, {}, ["used.py"])) == ["gradbook/used.py"]


def test_declared_tables_count(book, gradbook):
    appended(book, "from gradbook import published\n\npublished.load('10_concept')", "[published/10_concept]")
    ended = gradbook(book, "execute", "11_quotient")
    assert ended.returncode == 0, ended.stderr
    assert [name for name in ingredients(book, "11_quotient") if name.startswith("book/")] == [
        "book/published/10_concept.csv"
    ]


@pytest.mark.parametrize(
    ("declared", "code"),
    [("[]", "from gradbook import published\n\npublished.load('10_concept')"), ("[ledger]", "pass")],
)
def test_a_chapter_that_reads_other_tables_than_it_declares_is_refused(book, gradbook, declared, code):
    appended(book, code, declared)
    ended = gradbook(book, "execute", "11_quotient")
    assert ended.returncode == 1
    assert "11_quotient.py must declare in its header the tables of book/ that it reads" in ended.stderr
    assert not (book / "notebooks/11_quotient.ipynb").exists()


def test_a_table_that_the_book_lacks_cannot_be_declared(book):
    appended(book, "pass", "[results/nothing]")
    with pytest.raises(InputError, match=r"declares to read 'results/nothing', but book/ has no such table"):
        _ = find_chapters(book, ["11_quotient"])[0].tables
