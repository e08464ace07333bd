"""The printed book, of a site of three lines."""

import shutil

import pytest

from gradbook.press import pdf, site

BOOK = '<article><h1 id="a">One</h1><a href="#a">a link</a><h1>Two</h1><details>folded</details></article>'


@pytest.mark.skipif(not any(map(shutil.which, pdf.BROWSERS)), reason="Chromium is not installed")
def test_the_book_is_printed_with_its_links_and_an_outline(tmp_path, monkeypatch):
    (tmp_path / "_toc.yml").write_text("root: book/index\n")

    def build(root, builder):
        (root / "_build" / builder / "book").mkdir(parents=True)
        (root / "_build" / builder / "book/index.html").write_text(BOOK)

    monkeypatch.setattr(site, "run_jupyter_book", build)
    printed = pdf.print_book(tmp_path).read_bytes()
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Subtype /Link") == 1
    assert b"/Outlines" in printed
