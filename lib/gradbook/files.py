"""Files that appear whole or not at all, locks that end with their process, and where the book's own tables lie."""

import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PACKAGE = Path(__file__).resolve().parent
BOOK = PACKAGE / "book" if (PACKAGE / "book").is_dir() else PACKAGE.parents[1] / "book"
"""What of the folder ``book/`` travels with the package, or, in a checkout, the folder itself: tables and claims."""


def home() -> Path:
    """Return the user's home folder; for a user without one, as in a container, a folder among the temporary files."""
    try:
        return Path.home()
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"home-of-{getattr(os, 'getuid', int)()}"


def readers(path: str | os.PathLike) -> Path:
    """Return a path as its reader meant it: from the working directory, also where a notebook runs elsewhere.

    The press names the working directory of the command in ``$GRADBOOK_CWD``.
    """
    return Path(os.environ.get("GRADBOOK_CWD", ""), Path(path).expanduser())


@contextmanager
def atomic_write(target: Path) -> Iterator[BinaryIO]:
    """Open a binary file to write; it replaces `target` at the end of the block, or vanishes if the block fails."""
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Let one process at a time enter the block, however processes may end.

    Args:
        path: the lock's file, which stays.
        waiting: called once where another process is inside.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        if waiting:
            waiting()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
