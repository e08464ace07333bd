"""Archives, read without trusting them."""

import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

from gradbook.errors import InputError

Reader = Callable[[], bytes]


@contextmanager
def members(archive: Path, limit: int) -> Iterator[Mapping[str, Reader]]:
    """Open the regular files in a zip or tar, by name, each with a function that reads it while the block is open.

    Args:
        archive: path of the archive.
        limit: to how many bytes its members may unpack, all together.

    Raises:
        InputError: a member lies outside the folder that the archive is unpacked in, or is a link or a device,
            or the members together pass the limit; nothing of such an archive is handed out.
    """
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            yield admitted(archive, map(partial(from_zip, file), file.infolist()), limit)
    else:
        with tarfile.open(archive) as file:
            yield admitted(archive, map(partial(from_tar, file), file), limit)


Member = tuple[str, str, int, Reader]


def from_zip(file: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Member:
    """Return name, kind, unpacked size and reader of a member of a zip."""
    regular = stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG)
    kind = "folder" if entry.is_dir() else "file" if regular else "link or device"
    return entry.filename, kind, entry.file_size, lambda: file.read(entry)


def from_tar(file: tarfile.TarFile, entry: tarfile.TarInfo) -> Member:
    """Return name, kind, unpacked size and reader of a member of a tar."""
    kind = "folder" if entry.isdir() else "file" if entry.isreg() else "link or device"
    return entry.name, kind, entry.size, lambda: file.extractfile(entry).read()


def admitted(archive: Path, found: Iterable[Member], limit: int) -> dict[str, Reader]:
    """Return the readers of the regular files, if every member is harmless; a bomb is refused before it is unpacked."""
    readers, total = {}, 0
    for name, kind, size, read in found:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise InputError(f"{archive.name} is refused: its member {name!r} would leave the folder.")
        if kind == "link or device":
            raise InputError(f"{archive.name} is refused: its member {name!r} is a {kind}; only files are allowed.")
        total += size
        if total > limit:
            raise InputError(f"{archive.name} is refused: it unpacks to more than {limit:,} bytes.")
        if kind == "file":
            readers[name] = read
    return readers
