"""The reader's own data: a folder of images or an .npz of arrays."""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from gradbook.data.dataset import Dataset, check, checksum, scaled
from gradbook.data.images import read_folder
from gradbook.errors import InputError

NEEDED = ("x_train", "y_train", "x_test", "y_test")
LARGEST = 2**34  # bytes in one .npz, unpacked


def load(path: str | os.PathLike) -> Dataset:
    """The dataset in a folder ``CLASS/…`` of images, or in an .npz.

    The .npz holds ``x_train``, ``x_test``: images [n, height, width] or [n, height, width, channels], uint8 (divided
    by 255) or floats (taken as they are); ``y_train``, ``y_test``: whole numbers 0, 1, … [n] or [n, 1]; and, if wished,
    ``classes``: their names.

    Raises:
        InputError: there is no such file, it is not what it should be, or `check` refuses its content.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        content = read_folder(path)
        content |= {name: scaled(content[name]) for name in ("x_train", "x_test")}
    elif path.is_file():
        content = read_arrays(path)
    else:
        raise InputError(f"there is no file or folder {path}.")
    check(content)
    return Dataset(name=path.stem, licence="not stated", citation="", checksum=checksum(content), **content)


def read_arrays(path: Path) -> dict[str, Any]:
    """The content of an .npz; anything pickled is refused, for it could run code."""
    arrays = unpacked(path)
    content: dict[str, Any] = {name: images(arrays, name) for name in ("x_train", "x_test")}
    content |= {name: labels(arrays, name) for name in ("y_train", "y_test")}
    names = arrays.get("classes", np.arange(len(np.unique(content["y_train"]))))
    if names.ndim != 1:
        raise InputError(f"classes has shape {names.shape}; allowed is one name for each class.")
    return content | {"classes": tuple(map(str, names))}


def unpacked(path: Path) -> dict[str, np.ndarray]:
    """The arrays in an .npz, by name."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > LARGEST:
            raise InputError(f"{path} unpacks to {size:,} bytes; at most {LARGEST:,} are allowed.")
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            if missing := set(NEEDED) - set(file.files):
                raise InputError(f"{path} lacks {', '.join(sorted(missing))}; it must hold {', '.join(NEEDED)}.")
            return {name: file[name] for name in (*NEEDED, "classes") if name in file.files}
    except InputError:
        raise
    except Exception as error:  # a damaged or hostile file can break its reader in any way
        if "allow_pickle" in str(error):
            raise InputError(f"{path} holds pickled objects, which could run code; save plain arrays.") from error
        raise InputError(f"{path} cannot be read as an .npz: {error}") from error


def images(arrays: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Images as float32 [n, height, width, channels]."""
    x = arrays[name]
    if x.ndim not in (3, 4) or 0 in x.shape[1:]:
        raise InputError(f"{name} has shape {x.shape}; allowed are [n, height, width] and [n, height, width, channels]")
    if x.dtype == np.uint8:
        return scaled(x)
    if x.dtype.kind != "f":
        raise InputError(f"{name} has type {x.dtype}; allowed are uint8, from 0 to 255, and floats.")
    with np.errstate(over="ignore"):
        return (x if x.ndim == 4 else x[..., None]).astype(np.float32)


def labels(arrays: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Labels as int32 [n]."""
    y = arrays[name]
    if y.dtype.kind not in "iu":
        raise InputError(f"{name} has type {y.dtype}; allowed are whole numbers.")
    if y.size and not 0 <= int(y.min()) <= int(y.max()) < 2**31:
        raise InputError(f"{name} holds labels from {y.min()} to {y.max()}; allowed are 0, 1, … without gaps.")
    return (y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y).astype(np.int32)
