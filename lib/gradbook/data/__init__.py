"""Datasets by name, as one frozen record each.

>>> digits = load("digits")
>>> digits.x_train.shape, digits.x_train.dtype, len(digits.classes)
((1438, 8, 8, 1), dtype('float32'), 10)
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gradbook.data import cache, own
from gradbook.data.cifar10 import CIFAR10
from gradbook.data.dataset import Dataset, Reviews
from gradbook.data.digits import DIGITS
from gradbook.data.folder import find, is_there, root
from gradbook.data.imdb import IMDB
from gradbook.data.mnist import MNIST
from gradbook.data.reviews_toy import REVIEWS_TOY
from gradbook.data.source import Source
from gradbook.data.tiny_imagenet import TINY_IMAGENET
from gradbook.errors import unknown

__all__ = ["SOURCES", "Dataset", "Entry", "Finding", "Reviews", "describe", "fetch", "load", "verify"]

SOURCES = {source.name: source for source in (DIGITS, REVIEWS_TOY, MNIST, IMDB, CIFAR10, TINY_IMAGENET)}
"""The datasets by name, each with where it comes from and how it is read."""


def load(name: str | os.PathLike) -> Dataset:
    """Load a dataset by name, or the reader's own by path.

    "digits" and "reviews-toy" are made in memory. The others are read from ``$GRADBOOK_DATA`` (else
    ``~/.cache/gradbook``); what is missing or damaged there is fetched.

    Args:
        name: a key of `SOURCES`; or a folder ``CLASS/…`` of images, or an .npz (see `gradbook.data.own.load`), from the
            working directory.

    Raises:
        InputError: the name is unknown, the data cannot be fetched, or they are not fit for use.
    """
    if name in SOURCES:
        return cache.load(SOURCES[name])
    text = str(name)
    if isinstance(name, os.PathLike) or {"/", os.sep} & {*text} or text.endswith(".npz") or is_there(text):
        return own.load(text)
    raise unknown("dataset", name, [*SOURCES, "or the path of a folder of images or of an .npz"])


def fetch(name: str) -> None:
    """See to it that a dataset is there and sound, so that loading it needs no network.

    Raises:
        InputError: the name is unknown, or the data cannot be fetched.
    """
    cache.fetch(source(name))


@dataclass(frozen=True)
class Entry:
    """One line of the list of datasets.

    Attributes:
        name, summary, licence, citation: as in `Source`.
        where: the folder of its files; None where it is made in memory.
        present: whether they are there (not whether they are sound: see `verify`).
        bytes: their size; of what is to be downloaded, where they are not there.
    """

    name: str
    summary: str
    licence: str
    citation: str
    where: Path | None
    present: bool
    bytes: int


def describe() -> list[Entry]:
    """List what can be loaded by name, and what of it is there."""
    return [entry(source) for source in SOURCES.values()]


def entry(source: Source) -> Entry:
    """Return the line of one dataset."""
    where = root() / source.name if source.files else None
    try:
        present, size = True, sum(file.stat().st_size for file in find(where, source.files)) if where else 0
    except FileNotFoundError:
        present, size = False, sum(item.bytes for item in source.downloads)
    return Entry(source.name, source.summary, source.licence, source.citation, where, present, size)


@dataclass(frozen=True)
class Finding:
    """A dataset's state as `verify` found it; `reason` says what is missing or wrong, empty where it is sound."""

    name: str
    state: Literal["sound", "missing", "damaged"]
    reason: str = ""


def verify(names: Iterable[str] = ()) -> list[Finding]:
    """Check datasets in full, whatever was remembered of them; nothing is fetched.

    Args:
        names: those to check; all that are kept in files, if none are named.
    """
    return [finding(source(name)) for name in names or [entry.name for entry in describe() if entry.where]]


def finding(source: Source) -> Finding:
    """Return the state of one dataset."""
    try:
        cache.read(source, thorough=True)
    except FileNotFoundError as error:
        return Finding(source.name, "missing", str(error))
    except Exception as error:  # a damaged file can break its reader in any way
        return Finding(source.name, "damaged", str(error))
    return Finding(source.name, "sound")


def source(name: str) -> Source:
    """Return the source of that name."""
    if name not in SOURCES:
        raise unknown("dataset", name, SOURCES)
    return SOURCES[name]
