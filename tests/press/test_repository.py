"""One address, quoted in many files."""

import re

import pytest
from press_helpers import commit_all

from gradbook.press.repository import current, move, quoted_forms, tracked_files

OLD, NEW = "https://github.com/ada/engine", "https://git.example.org/byron/poem.2"


@pytest.fixture
def fork(tmp_path):
    """A checkout that quotes its address in every form, and a stranger's beside it."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    (tmp_path / "pyproject.toml").write_text(f'[project.urls]\nRepository = "{OLD}"\n')
    (tmp_path / "page.md").write_text(
        f"{OLD}/issues {OLD}.git {OLD}-two https://colab.research.google.com/github/ada/engine/blob/main/x.ipynb "
        "https://mybinder.org/v2/gh/ada/engine/main https://ada.github.io/engine/ https://github.com/other/engine"
    )
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff" + OLD.encode())
    commit_all(tmp_path, "a book")
    return tmp_path


def test_every_form_moves_and_strangers_stay(fork, gradbook):
    ended = gradbook(fork, "repository", NEW)
    assert ended.returncode == 0
    assert current(fork) == NEW
    assert (fork / "page.md").read_text() == (
        f"{NEW}/issues {NEW}.git {OLD}-two https://colab.research.google.com/github/byron/poem.2/blob/main/x.ipynb "
        "https://mybinder.org/v2/gh/byron/poem.2/main https://byron.github.io/poem.2/ https://github.com/other/engine"
    )
    assert (fork / "picture.png").read_bytes().endswith(OLD.encode())


def test_there_and_back_again_changes_nothing(fork):
    before = {path: path.read_bytes() for path in tracked_files(fork)}
    move(fork, NEW)
    move(fork, OLD)
    assert {path: path.read_bytes() for path in tracked_files(fork)} == before


def test_a_malformed_address_is_refused(fork, gradbook):
    ended = gradbook(fork, "repository", "github.com/ada")
    assert ended.returncode == 2
    assert "address must look like https://github.com/OWNER/NAME" in ended.stderr


def test_all_files_of_this_book_quote_the_same_address(root):
    forms = quoted_forms(current(root))
    foreign = re.compile(
        r"(?:colab\.research\.google\.com/|mybinder\.org/v2/)(?:github|gh)/[\w.-]+/[\w.-]+/|git\+https://[^\s\"@]+"
    )
    for path in tracked_files(root):
        if path.suffix in {".py", ".ipynb", ".md", ".yml", ".cff", ".toml"} and "tests" not in path.parts:
            for quoted in foreign.findall(path.read_text(encoding="utf-8")):
                assert any(form in f"{quoted}/" for form in forms), f"{path} quotes {quoted}"
    for name in ("_config.yml", "CITATION.cff", "README.md"):
        assert forms[0] in (root / name).read_text(encoding="utf-8"), name
