"""The page that goes from one's own model to a claim works as written, in a folder that has nothing of the book."""

import os
import re
from pathlib import Path

from gradbook.press.checkout import checkout

PAGE = (checkout(Path(__file__)) / "book/own_study.md").read_text(encoding="utf-8")


def test_the_page_is_followed_from_a_model_to_a_verdict(tmp_path, gradbook):
    for name, language in (("ink.py", "python"), ("claims.yml", "yaml")):
        (text,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
        (tmp_path / name).write_text(text, encoding="utf-8")
    environment = os.environ | {"GRADBOOK_STORE": str(tmp_path / "store.sqlite")}
    said = []
    for command in re.findall(r"^gradbook (.*)$", PAGE, re.MULTILINE):
        ended = gradbook(tmp_path, *command.split(), env=environment)
        assert ended.returncode == 0, ended.stderr[-3000:]
        said.append(ended.stdout)
    planned, swept, exported, verdict = said
    assert planned.splitlines()[-1] == "8 runs to do"
    assert "8 of 8" in swept or "8 done" in swept, swept
    assert exported.startswith("ink: 8 runs in results/ink.csv, 8 of them new")
    assert re.search(r"no-harm +reproduced", verdict), verdict
