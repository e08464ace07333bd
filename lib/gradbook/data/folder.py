"""Where data lie: the folder in which published datasets are kept, and the reader's own paths."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from gradbook.files import home, readers


def root() -> Path:
    """Return the folder of all published datasets: ``$GRADBOOK_DATA``, or ``~/.cache/gradbook``."""
    given = os.environ.get("GRADBOOK_DATA")
    return readers(given).absolute() if given else home() / ".cache/gradbook"


def is_there(text: str) -> bool:
    """Return whether a file or folder stands at a path of the reader's; what can be no path is not there."""
    try:
        return readers(text).exists()
    except (OSError, ValueError):  # too long for a name, or a zero byte in it
        return False


def find(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """List the files in a folder that match the patterns, sorted.

    Raises:
        FileNotFoundError: a pattern is matched by no file.
    """
    found = {pattern: sorted(folder.glob(pattern), key=str) for pattern in patterns}
    missing = [pattern for pattern, files in found.items() if not files]
    if missing:
        raise FileNotFoundError(f"no {', '.join(missing)} in {folder}")
    return [file for files in found.values() for file in files]


def stamp(folder: Path, patterns: Iterable[str]) -> str:
    """Hash names, sizes and modification times of those files: cheap, and another sum after nearly any change."""
    digest = hashlib.sha256()
    for file in find(folder, patterns):
        status = file.stat()
        name = str(file).removeprefix(str(folder))  # relative_to would take longer than all the rest
        digest.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
