"""The checkout: where its root is, what git knows of it, JSON files in it, and digests of what it holds."""

import hashlib
import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gradbook.errors import InputError
from gradbook.files import atomic_write


def checkout(start: Path | None = None) -> Path:
    """Return the root of the checkout around ``start`` (default: the working directory, then the package's own place).

    Raises:
        InputError: neither lies in a checkout of the book.
    """
    places = [start] if start else [Path.cwd(), Path(__file__)]
    for place in places:
        for folder in [place, *place.resolve().parents]:
            if (folder / "_toc.yml").is_file() and (folder / "notebooks").is_dir():
                return folder.resolve()
    raise InputError(f"{places[0]} is outside any checkout of the book; change into one (it holds _toc.yml).")


def git(folder: Path, *arguments: str) -> str:
    """Return what a command of git prints in a folder of the checkout.

    Raises:
        InputError: there is no git, or it cannot do this here, as in an unpacked archive or in another user's checkout.
    """
    try:
        done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"git must be installed to read the history of {folder}.") from None
    if done.returncode:
        said = done.stderr.strip().partition("\n")[0]
        raise InputError(f"git must be able to read the history of {folder}; received from it: {said}.")
    return done.stdout


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON with sorted keys, in one step, in a folder that is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write((json.dumps(value, indent=1, sort_keys=True) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; an empty one where it is missing or is not JSON, as after a disk crashed."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


def digest(*parts: bytes) -> str:
    """Return a short SHA-256 over byte strings, sensitive to where one ends and the next begins.

    >>> digest(b"ab", b"c") == digest(b"a", b"bc")
    False
    """
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()[:16]


def digest_of_files(paths: Iterable[Path], root: Path) -> str:
    """Return a digest of the names and contents of files."""
    return digest(
        *(part for path in sorted(paths) for part in (str(path.relative_to(root)).encode(), path.read_bytes()))
    )
