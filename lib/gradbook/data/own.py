"""The reader's own data: a folder of images or an .npz of arrays."""

import os
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from gradbook.data.dataset import Dataset, check, checksum, scaled
from gradbook.data.images import read_folder
from gradbook.errors import InputError
from gradbook.files import readers
from gradbook.untrusted import reading

NEEDED = ("x_train", "y_train", "x_test", "y_test")
LARGEST = 2**34  # bytes in one .npz, unpacked
COLOURS = (1, 3, 4)  # channels of grey images, of coloured ones, and of such with transparency


def load(path: str | os.PathLike) -> Dataset:
    """Load the dataset in a folder ``CLASS/…`` of images, or in an .npz.

    The .npz holds ``x_train``, ``x_test``: images [n, height, width] or [n, height, width, channels], uint8 (divided
    by 255) or floats (taken as they are); ``y_train``, ``y_test``: whole numbers 0, 1, … [n] or [n, 1]; and, if wished,
    ``classes``: their names.

    Raises:
        InputError: there is no such file, it is not what it should be, or `check` refuses its content.
    """
    path = readers(path)
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
    """Read the content of an .npz; anything pickled is refused, for it could run code."""
    arrays = unpacked(path)
    content: dict[str, Any] = {name: images(arrays, name) for name in ("x_train", "x_test")}
    belong_together(arrays["x_train"], arrays["x_test"])
    content |= {name: labels(arrays, name) for name in ("y_train", "y_test")}
    names = arrays.get("classes", np.arange(len(np.unique(content["y_train"]))))
    if names.ndim != 1:
        raise InputError(f"classes must hold one name for each class; received an array of shape {names.shape}.")
    classes = tuple(map(str, names))
    if twice := [name for name, count in Counter(classes).items() if not name or count > 1]:
        raise InputError(f"classes must hold a name of its own for each class; received {twice[0]!r}.")
    return content | {"classes": classes}


def unpacked(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays in an .npz, by name."""
    with reading(path, f"{path} cannot be read as an .npz"):
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > LARGEST:
            raise InputError(f"{path} unpacks to {size:,} bytes; at most {LARGEST:,} are allowed.")
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            if missing := set(NEEDED) - set(file.files):
                raise InputError(f"{path} lacks {', '.join(sorted(missing))}; it must hold {', '.join(NEEDED)}.")
            try:
                return {name: file[name] for name in (*NEEDED, "classes") if name in file.files}
            except ValueError as error:
                if "allow_pickle" not in str(error):
                    raise
                raise InputError(f"{path} holds pickled objects, which could run code; save plain arrays.") from error


def images(arrays: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Return images as float32 [n, height, width, channels]."""
    x = arrays[name]
    if x.ndim not in (3, 4) or 0 in x.shape[1:]:
        shapes = "[n, height, width] or [n, height, width, channels]"
        raise InputError(f"{name} must have the shape {shapes}; received {x.shape}.")
    if x.ndim == 4 and x.shape[1] in COLOURS and x.shape[3] not in COLOURS:
        raise InputError(f"{name} must have its channels last, [n, height, width, channels]; received {x.shape}.")
    if x.dtype == np.uint8:
        return scaled(x)
    if x.dtype.kind != "f":
        raise InputError(f"{name} must be uint8, from 0 to 255, or floats; received {x.dtype}.")
    with np.errstate(over="ignore"):
        return (x if x.ndim == 4 else x[..., None]).astype(np.float32)


def belong_together(train: np.ndarray, test: np.ndarray) -> None:
    """Refuse parts of which one holds grey levels and the other values in [0, 1].

    Raises:
        InputError: one is uint8 and the other not, or, of floats, one is within [-1, 1] and the other exceeds 16.
    """
    if (train.dtype == np.uint8) != (test.dtype == np.uint8):
        raise InputError(f"x_train and x_test must be of one type; received {train.dtype} and {test.dtype}.")
    ends = [max(abs(float(x.min(initial=0))), float(x.max(initial=0))) for x in (train, test)]
    if train.dtype != np.uint8 and min(ends) <= 1 and max(ends) > 16:
        raise InputError(f"x_train and x_test must be on one scale; received values up to {ends[0]:g} and {ends[1]:g}.")


def labels(arrays: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Return labels as int32 [n]."""
    y = arrays[name]
    if y.dtype.kind not in "iu":
        raise InputError(f"{name} must hold whole numbers; received {y.dtype}.")
    if y.size and not 0 <= int(y.min()) <= int(y.max()) < 2**31:
        raise InputError(f"{name} must hold labels 0, 1, … without gaps; received {y.min()} to {y.max()}.")
    return (y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y).astype(np.int32)
