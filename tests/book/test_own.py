"""What the pages under "Bring your own" tell readers to run prints what they say it prints."""

import re
from pathlib import Path

import pytest

from gradbook.press.checkout import checkout

# Pages without code, or of commands, which other tests follow
COMMANDS = {"own_model", "own_study", "own_chapter", "own_ledger"}
PAGES = [page for page in sorted(checkout(Path(__file__)).glob("book/own_*.md")) if page.stem not in COMMANDS]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_prints_what_stands_below_it(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```(python|text)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    code, printed = ("".join(text for kind, text in blocks if kind == wanted) for wanted in ("python", "text"))
    exec(compile(code, page.name, "exec"), {"__name__": page.stem})
    assert printed and capsys.readouterr().out == printed
