"""What README and CONTRIBUTING tell people to do works as written."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gradbook.press.chapters import find_chapters
from gradbook.press.checkout import checkout

ROOT = checkout(Path(__file__))
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def test_the_readme_is_short_and_lists_every_chapter():
    assert len(README.splitlines()) < 120
    assert re.findall(r"\(notebooks/(\w+)\.ipynb\)", README) == [chapter.name for chapter in find_chapters(ROOT)]


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_every_file_that_is_linked_is_there(text):
    linked = [target for target in re.findall(r"\]\(([^)]+)\)", text) if "://" not in target]
    assert [target for target in linked if not (ROOT / target).exists()] == []


def test_the_readme_s_example_gives_what_it_says():
    (code,) = blocks("python", README)
    *setup, last = code.strip().splitlines()
    expression, expected = re.fullmatch(r"(.+?) +# \[(.+?)\].*", last).groups()
    names: dict = {}
    exec("\n".join(setup), names)
    assert eval(expression, names).numpy().tolist() == [float(number) for number in expected.split(",")]


def test_a_chapter_is_added_by_the_commands_of_the_guide(tmp_path):
    copy = tmp_path / "copy"
    left = shutil.ignore_patterns(".git", ".venv", "_build", ".*_cache", "__pycache__")
    shutil.copytree(ROOT, copy, symlinks=True, ignore=left)
    (guide,) = re.findall(r"^## Add a chapter.*?(?=^## )", CONTRIBUTING, flags=re.MULTILINE | re.DOTALL)
    start = "git init --quiet\ngit add --all\ngit commit --quiet --message start\n"
    person = {f"GIT_{role}_{what}": "a@b.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = os.environ | person | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    script = "set -e\n" + start + "".join(blocks("bash", guide))
    ended = subprocess.run(["bash", "-c", script], cwd=copy, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    assert (copy / "_build/html/notebooks/14_norms.html").is_file()
    status = ["git", "status", "--porcelain"]
    assert subprocess.run(status, cwd=copy, capture_output=True, text=True).stdout == ""
