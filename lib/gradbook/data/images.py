"""Folders of images as arrays."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradbook.data.dataset import split
from gradbook.errors import InputError

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".pgm", ".ppm", ".tif", ".tiff", ".webp")
LARGEST = 2**24  # pixels in one image


def read_folder(folder: Path) -> dict[str, Any]:
    """Images from ``CLASS/…``, or from ``train/CLASS/…`` and ``test/CLASS/…`` or ``val/CLASS/…``.

    Without a test set, a fixed fifth of every class becomes one.

    Returns:
        x uint8 [n, height, width, 3] (or 1, where all images are grey), y int32 [n], and the classes sorted by name.

    Raises:
        InputError: no images, unequal sizes, an unreadable image, a class of one image or in the test set only.
    """
    train, test = divided(folder)
    files, names = labelled(train)
    classes = tuple(sorted(set(names)))
    x, y = decoded(files), np.searchsorted(classes, names).astype(np.int32)
    if test is None:
        if (counts := np.bincount(y)).min() < 2:
            lonely = folder / classes[counts.argmin()]
            raise InputError(f"{lonely} holds one image; a class needs one to train on and one to test on.")
        to_train, to_test = split(y)
        x_train, y_train, x_test, y_test = x[to_train], y[to_train], x[to_test], y[to_test]
    else:
        files, names = labelled(test)
        if strangers := set(names) - set(classes):
            raise InputError(f"{test} holds class {min(strangers)!r}, which {train} does not.")
        x_train, y_train = x, y
        x_test, y_test = decoded(files), np.searchsorted(classes, names).astype(np.int32)
    if all((x == x[..., :1]).all() for x in (x_train, x_test)):
        x_train, x_test = x_train[..., :1], x_test[..., :1]
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test, "classes": classes}


def divided(folder: Path) -> tuple[Path, Path | None]:
    """Where the training images lie, and where the test images; None if they are still to be divided."""
    tests = [folder / name for name in ("test", "val") if (folder / name).is_dir()]
    if not tests or not any(child.is_dir() for child in folder.glob("train/*")):
        return folder, None
    return folder / "train", next((test for test in tests if (test / "val_annotations.txt").exists()), tests[0])


def labelled(folder: Path) -> tuple[list[Path], list[str]]:
    """The images in a folder and the class of each: the name of its subfolder, or what Tiny ImageNet's table says."""
    table = folder / "val_annotations.txt"
    if table.exists():
        rows = [line.split("\t") for line in table.read_text("utf-8").splitlines()]
        found = [(folder / "images" / row[0], row[1]) for row in rows if len(row) > 1]
    else:
        files = [file for file in sorted(folder.glob("*/**/*")) if file.suffix.lower() in SUFFIXES]
        inside = [(file, file.relative_to(folder).parts) for file in files]
        found = [(file, parts[0]) for file, parts in inside if not any(part.startswith(".") for part in parts)]
    if not found:
        raise InputError(f"{folder} holds no images in folders named for their classes ({', '.join(SUFFIXES)}).")
    return [file for file, _ in found], [name for _, name in found]


def decoded(files: Sequence[Path]) -> np.ndarray:
    """Equally large images as uint8 [n, height, width, 3]."""
    from tqdm import tqdm

    first = decode(files[0])
    pixels = np.empty((len(files), *first.shape), np.uint8)
    for image, file in zip(pixels, tqdm(files, "images", leave=False), strict=True):
        image[:] = decode(file, first.shape)
    return pixels


def decode(file: Path, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """One image as uint8 [height, width, 3]; its size is looked at before its pixels are."""
    from PIL import Image

    try:
        with Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > LARGEST:
                raise InputError(f"{file} has {image.width}×{image.height} pixels; at most {LARGEST:,} are allowed.")
            if shape and (image.height, image.width) != shape[:2]:
                raise InputError(
                    f"{file} has {image.width}×{image.height} pixels, the first image {shape[1]}×{shape[0]}; "
                    "all must be equal."
                )
            if image.mode[0] in "IF":
                raise InputError(f"{file} has more than 8 bits a pixel; save it with 8.")
            return np.asarray(image.convert("RGB"))
    except InputError:
        raise
    except Exception as error:  # a damaged image can break its decoder in any way
        raise InputError(f"{file} cannot be read as an image: {error}") from error
