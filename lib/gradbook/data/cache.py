"""Published datasets on disk: what is sound is read, what is missing or damaged is fetched first."""

import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from gradbook.data.dataset import Dataset, check, checksum
from gradbook.data.download import download, is_intact
from gradbook.data.folder import root, stamp
from gradbook.data.source import Source
from gradbook.errors import InputError, RunError
from gradbook.files import atomic_write, locked

# In a dataset's folder: the stamp of its files when they were last checked, and the checksum of their content.
RECORD = ".checked"


def load(source: Source) -> Dataset:
    """Load a dataset from its folder; it is fetched first where it is missing, and again where it is damaged."""
    try:
        return read(source)
    except FileNotFoundError:
        pass
    except PermissionError as error:
        raise InputError(f"{error.filename} cannot be read: {error.strerror}.") from error
    except MemoryError:
        raise
    except Exception as error:  # a damaged file can break its reader in any way
        warnings.warn(f"{source.name} in {root() / source.name} is damaged and is fetched again: {error}", stacklevel=3)
    return fetch(source)


def read(source: Source, *, thorough: bool = False) -> Dataset:
    """Read a dataset from its folder, if it is sound.

    Files whose stamp is the one remembered are taken as they are. Others are checked: published files by their
    checksum, converted ones by the checksum of their content when it was first read, if that is remembered.

    Args:
        source: the dataset.
        thorough: check in any case.

    Raises:
        FileNotFoundError: something is missing.
        Exception: something is damaged.
    """
    if not source.files:
        content = source.read(Path())
        return dataset(source, content, checksum(content))
    folder = root() / source.name
    stamped, (known_stamp, known_checksum) = stamp(folder, source.files), remembered(folder)
    if stamped == known_stamp and not thorough:
        return dataset(source, source.read(folder), known_checksum)
    for item in source.downloads:
        if item.file in source.files and not is_intact(item, folder):
            raise InputError(f"{item.file} holds other bytes than published")
    content = source.read(folder)
    check(content)
    found = checksum(content)
    if known_checksum not in ("", found):
        raise InputError(f"its content is not what it was when first read (sha256 {known_checksum[:12]}…)")
    with suppress(OSError), atomic_write(folder / RECORD) as file:  # a folder that cannot be written is fine
        file.write(f"{stamped} {found}".encode())
    return dataset(source, content, found)


def dataset(source: Source, content: dict[str, Any], checksum: str) -> Dataset:
    """Return the record of a source's content."""
    return Dataset(name=source.name, licence=source.licence, citation=source.citation, checksum=checksum, **content)


def remembered(folder: Path) -> tuple[str, str]:
    """Read stamp and checksum of the folder's last check; empty where there was none."""
    try:
        known_stamp, known_checksum = (folder / RECORD).read_text("ascii").split()
    except (OSError, ValueError):
        return "", ""
    return known_stamp, known_checksum


def fetch(source: Source) -> Dataset:
    """Bring a dataset into its folder and read it; where it is there and sound, nothing changes.

    Raises:
        InputError: it cannot be fetched; the message names the files, the folder and the ways out.
    """
    folder = root() / source.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock"):
            for leftover in folder.glob(".*.part"):  # of a process that was killed
                leftover.unlink(missing_ok=True)
            with suppress(Exception):  # whatever is wrong with the files, new ones are the remedy
                return read(source)
            files = [download(item, folder) for item in source.downloads]
            if source.convert:
                source.convert(folder, *files)
                for file in files:
                    file.unlink()
            (folder / RECORD).unlink(missing_ok=True)
            return read(source)
    except (RunError, OSError) as error:
        with suppress(Exception):  # a folder that cannot be written may have it all the same
            return read(source)
        raise InputError(
            f"{source.name} needs {', '.join(source.files)} in {folder}, and fetching failed ({error}); run `gradbook "
            f"data fetch {source.name}` where there is a network, or set GRADBOOK_DATA to a folder that has it."
        ) from error
