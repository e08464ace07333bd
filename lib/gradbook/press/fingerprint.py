"""What a chapter's outputs depend on, as one digest per ingredient, so that a change can be named."""

import importlib.metadata
import json
import platform
from collections.abc import Iterable
from functools import cache
from typing import Any

from gradbook.files import BOOK, PACKAGE
from gradbook.press.chapters import Chapter
from gradbook.press.checkout import digest

LIBRARY = "gradbook/"
"""What the name of an ingredient begins with that is a module of the library."""


def fingerprint(chapter: Chapter, parameters: dict[str, Any], modules: Iterable[str]) -> dict[str, str]:
    """Return ingredient → digest: the source, the parameters, the environment, tables and modules.

    Args:
        chapter: its source counts, and the files in ``book/`` that it declares to read.
        parameters: those that differ from its defaults.
        modules: files of the library, as paths below ``gradbook/``; one that is missing has no digest.
    """
    files = {f"{LIBRARY}{name}": PACKAGE / name for name in modules}
    files |= {f"book/{path.relative_to(BOOK).as_posix()}": path for path in chapter.tables}
    return {
        "source": digest(chapter.source.read_bytes()),
        "parameters": digest(json.dumps(parameters, sort_keys=True).encode()),
        "environment": environment(),
        **{name: digest(path.read_bytes()) for name, path in sorted(files.items()) if path.is_file()},
    }


def library() -> list[str]:
    """Return every module of the library, as a path below ``gradbook/``."""
    return [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")]


def modules(fingerprint: Iterable[str]) -> list[str]:
    """Return those ingredients that are modules of the library, as paths below ``gradbook/``.

    >>> modules(["source", "book/ledger.csv", "gradbook/plots.py"])
    ['plots.py']
    """
    return [name.removeprefix(LIBRARY) for name in fingerprint if name.startswith(LIBRARY)]


def changed(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """Return the ingredients that differ between two fingerprints.

    >>> changed({"source": "a", "gradbook/plots.py": "b"}, {"source": "a", "gradbook/seeds.py": "c"})
    ['gradbook/plots.py', 'gradbook/seeds.py']
    """
    return sorted(name for name in old | new if old.get(name) != new.get(name))


@cache
def environment() -> str:
    """Return a digest of the Python version and of every installed distribution's name and version."""
    installed = {(d.name or "", d.version) for d in importlib.metadata.distributions()}
    return digest(platform.python_version().encode(), repr(sorted(installed)).encode())
