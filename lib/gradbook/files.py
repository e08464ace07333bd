"""Files that appear whole or not at all, locks that end with their process, and where the book's own tables lie."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

BOOK = Path(str(files("gradbook"))) / "book"
"""The folder ``book/`` of a checkout, or what of it travels with the package: claims, published numbers, results."""


@contextmanager
def atomic_write(target: Path) -> Iterator[BinaryIO]:
    """A binary file to write; it replaces `target` at the end of the block, or vanishes if the block fails."""
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
    """A block that one process at a time enters, however processes may end.

    Args:
        path: the lock's file, which stays.
        waiting: called once where another process is inside.
    """
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
