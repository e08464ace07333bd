"""Sources: where a dataset comes from, and how its files become arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class Download:
    """One published file.

    Attributes:
        file: its name in the dataset's folder.
        bytes: its published size.
        sha256: its published checksum, hexadecimal.
        mirrors: addresses that serve these very bytes, in the order in which they are tried.
    """

    file: str
    bytes: int
    sha256: str
    mirrors: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """A dataset that can be loaded by name.

    Attributes:
        name, summary, licence, citation: what the reader should know of it.
        read: from the dataset's folder, the array fields and classes of its `Dataset`, by name.
        kind: what its examples are.
        files: what `read` needs in the folder, as glob patterns; none where the data are made in memory.
        downloads: the published files.
        convert: turns them (folder first, then their paths) into `files`, after which they are deleted;
            None where `files` are the published ones.
    """

    name: str
    summary: str
    licence: str
    citation: str
    read: Callable[[Path], dict[str, Any]]
    kind: Literal["images", "movie reviews"] = "images"
    files: tuple[str, ...] = ()
    downloads: tuple[Download, ...] = ()
    convert: Callable[..., None] | None = None
