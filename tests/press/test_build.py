"""From pages to a site: warnings stop it, missing pages stop it, and what is current is left alone."""

import threading
import urllib.request
from pathlib import Path

import pytest

from gradbook.errors import InputError
from gradbook.press import site

CONFIG = """\
title: Small
only_build_toc_files: true
execute: {execute_notebooks: "off"}
"""


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A book of two pages of text."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "_config.yml").write_text(CONFIG)
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: first\nchapters:\n- file: second\n")
    (tmp_path / "first.md").write_text("# First\n\n[](second.md)\n")
    (tmp_path / "second.md").write_text("# Second\n")
    return tmp_path


def test_a_site_is_built_served_and_left_alone_while_current(pages, gradbook):
    built = gradbook(pages, "build")
    assert built.returncode == 0, built.stderr
    index = pages / "_build/html/first.html"
    assert index.as_uri().removesuffix("first.html") in built.stdout
    before = index.stat().st_mtime_ns
    gradbook(pages, "build")
    assert index.stat().st_mtime_ns == before
    with site.server(pages, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/second.html") as answer:
            assert b"Second" in answer.read()
        server.shutdown()


@pytest.mark.parametrize(
    ("page", "text", "said"),
    [
        ("first.md", "# First\n\n[](nowhere.md)\n", "nowhere.md"),
        ("first.md", "# First\n\n{nonsense}`role`\n", "nonsense"),
        ("_toc.yml", "format: jb-book\nroot: first\nchapters:\n- file: third\n", "third"),
    ],
)
def test_a_warning_or_a_missing_page_stops_the_build_and_is_named(pages, gradbook, page, text, said):
    (pages / page).write_text(text)
    ended = gradbook(pages, "build")
    assert ended.returncode == 1
    assert said in ended.stderr
    assert "_build/build.log" in ended.stderr


def test_pages_come_in_the_order_of_the_contents(root):
    listed = site.pages(root)
    assert listed[0] == "book/index"
    assert len(listed) == len(set(listed))
    assert all(any((root / f"{page}{suffix}").is_file() for suffix in (".md", ".ipynb")) for page in listed)


def test_there_is_nothing_to_serve_before_a_build(pages):
    with pytest.raises(InputError, match="run gradbook build first"):
        site.server(pages, 0)


def test_a_taken_port_is_refused_in_a_sentence(pages, gradbook):
    (pages / "_build/html").mkdir(parents=True)
    (pages / "_build/html/index.html").write_text("x")
    with site.server(pages, 0) as server:
        ended = gradbook(pages, "serve", "--no-browser", "--port", str(server.server_port))
    assert ended.returncode == 2
    assert "choose another with --port" in ended.stderr


def test_a_table_of_contents_without_root_is_refused(pages):
    (pages / "_toc.yml").write_text("- file: first\n")
    with pytest.raises(InputError, match=r"_toc\.yml is not a table of contents"):
        site.pages(pages)
