"""The folder in which published datasets are kept."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path


def root() -> Path:
    """The folder of all published datasets: ``$GRADBOOK_DATA``, or ``~/.cache/gradbook``."""
    return Path(os.environ.get("GRADBOOK_DATA") or "~/.cache/gradbook").expanduser()


def find(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """The files in a folder that match the patterns, sorted.

    Raises:
        FileNotFoundError: a pattern is matched by no file.
    """
    found = {pattern: sorted(folder.glob(pattern), key=str) for pattern in patterns}
    missing = [pattern for pattern, files in found.items() if not files]
    if missing:
        raise FileNotFoundError(f"no {', '.join(missing)} in {folder}")
    return [file for files in found.values() for file in files]


def stamp(folder: Path, patterns: Iterable[str]) -> str:
    """sha256 over names, sizes and modification times of those files: cheap, and a new one after nearly any change."""
    digest = hashlib.sha256()
    for file in find(folder, patterns):
        status = file.stat()
        name = str(file).removeprefix(str(folder))  # relative_to would take longer than all the rest
        digest.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
