"""The grammar of the book's prose, checked offline by Harper: pages, chapters, captions and alternative texts."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from gradbook.errors import InputError

PAGES = ("*.md", "book/**/*.md", "notebooks/*.py")
"""What is prose, in a checkout."""

NOT_PROSE = re.compile(
    r"^(`{3,})[^\n]*\n.*?^\1`*$|^\$\$.*?^\$\$[^\n]*$|^---\n.*?^---$|^(?:\||:{3,}|:[\w-]+:|\([\w-]+\)=|\[\w+\]:)[^\n]*$",
    re.MULTILINE | re.DOTALL,
)
"""Blocks of code, formulas, headers, tables, and the fences and options of directives."""

IN_A_LINE = {
    re.compile(r"\{(?:term|doc|ref)\}`([^`</]+?)(?:\s*<[^>]*>)?`"): r"\1",
    re.compile(r"\{doc\}`[^`]*`|\[\]\([^)]*\)"): "this page",
    re.compile(r"\{cite:?t?\}`[^`]*`"): "Smith",
    re.compile(r"\{glue:text\}`[^`]*`"): "7",
    re.compile(r"\{(?:numref|eq)\}`[^`]*`"): "Figure 7",
    re.compile(r"\{[\w:]+\}`[^`]*`|(?<!\\)\$[^$]+\$"): "`x`",
}
"""Roles and formulas, and what a reader reads in their place."""


def plain(text: str) -> str:
    """Return Markdown without what is no prose; each line stays where it is.

    >>> plain("A {term}`norm <norm>` of $v$,\\n```\\ncode\\n```\\nand more.")
    'A norm of `x`,\\n\\n\\n\\nand more.'
    """
    text = NOT_PROSE.sub(lambda found: "\n" * found[0].count("\n"), text)
    for pattern, words in IN_A_LINE.items():
        text = pattern.sub(lambda found, words=words: found.expand(words) + "\n" * found[0].count("\n"), text)
    return text


def written(source: str) -> str:
    """Return what is prose in a source of a chapter: its text, captions and alternative texts; each line stays.

    >>> written("# %% [markdown]\\n# A text.\\n# %%\\n#| fig-cap: >-\\n#|   A caption.\\nx = 1")
    '\\nA text.\\n\\n\\nA caption.\\n'
    """
    kinds = accumulate(source.split("\n"), lambda kind, line: line if line.startswith("# %%") else kind, initial="")
    lines = []
    for kind, line in zip([*kinds][1:], source.split("\n"), strict=True):
        told = re.fullmatch(r"# ?(.*)", line) if "[markdown]" in kind else re.fullmatch(r"#\|   (.*)", line)
        lines.append(told[1] if told and line != kind else "")
    return "\n".join(lines)


def complaints(root: Path) -> Iterator[str]:
    """Yield what Harper finds in a checkout, as ``FILE:LINE: what, and what to write instead``.

    The dialect, and the rules that are left out, stand in ``[tool.harper]`` of ``pyproject.toml``.

    Raises:
        InputError: Harper is not installed.
    """
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["harper"]
    command = shutil.which("harper", path=Path(sys.executable).parent)
    if not command:
        raise InputError('the grammar checker is missing; run pip install "gradbook[dev]".')
    with tempfile.TemporaryDirectory() as folder:
        names = {}
        for pattern in PAGES:
            for path in sorted(root.glob(pattern)):
                text = path.read_text(encoding="utf-8")
                page = Path(folder) / f"{len(names)}.md"
                page.write_text(plain(written(text) if path.suffix == ".py" else text), encoding="utf-8")
                names[page.name] = path.relative_to(root)
        options = ["--format", "json", "--quiet", "--dialect", settings["dialect"]]
        found = subprocess.run(
            [command, "lint", *options, "--ignore", ",".join(settings["ignore"]), *names],
            cwd=folder, capture_output=True, text=True,
        )  # fmt: skip
        for file in json.loads(found.stdout):
            for lint in sorted(file["lints"], key=lambda lint: lint["line"]):
                said, instead = " ".join(lint["matched_text"].split()), "; ".join(lint["suggestions"])
                where = f"{names[file['file']]}:{lint['line']}"
                yield f"{where}: {said!r}: {lint['message']} {instead} ({lint['rule']})".replace("  ", " ")
