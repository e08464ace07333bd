"""Folders of images as arrays."""

import re
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradbook.data.dataset import split
from gradbook.errors import InputError
from gradbook.untrusted import reading

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = (
    *(".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff"),
    ".webp",
)
BESIDE = (".csv", ".db", ".html", ".ini", ".json", ".md", ".mat", ".txt", ".xml", ".yaml", ".yml")
"""Suffixes of files that often lie beside images and are none."""

TRAIN = ("train", "training")
TEST = ("test", "testing", "val", "valid", "validation", "eval", "evaluation", "dev", "holdout")
"""Names of the folders of parts, as `part` reads them; of several test sets the first in this order is used."""

TABLE = "val_annotations.txt"
"""Tiny ImageNet's list of images and their classes."""

LARGEST = 2**24  # pixels in one image


def read_folder(folder: Path) -> dict[str, Any]:
    """Read images from ``CLASS/…``, or from ``train/CLASS/…`` and ``test/CLASS/…``.

    The two parts may have any of the names in `TRAIN` and `TEST`. Without a test set that says its classes, a fixed
    fifth of every class becomes one.

    Returns:
        x uint8 [n, height, width, 3] (or 1, where all images are grey), y int32 [n], and the classes sorted by name.

    Raises:
        InputError: no images, unequal sizes, an unreadable image, a file or a class that would be left out, parts that
            cannot be told apart, a class of one image or in the test set only.
    """
    train, test = divided(folder)
    files, names = labelled(train)
    classes = tuple(sorted(set(names)))
    x, y = decoded(files), np.searchsorted(classes, names).astype(np.int32)
    if test is None:
        if (counts := np.bincount(y)).min() < 2:
            lonely = train / classes[counts.argmin()]
            raise InputError(f"{lonely} holds one image; a class needs one to train on and one to test on.")
        to_train, to_test = split(y)
        x_train, y_train, x_test, y_test = x[to_train], y[to_train], x[to_test], y[to_test]
    else:
        files, names = labelled(test)
        if strangers := set(names) - set(classes):
            raise InputError(f"{test} holds class {min(strangers)!r}, which {train} does not.")
        x_train, y_train = x, y
        x_test, y_test = decoded(files, x.shape[1:]), np.searchsorted(classes, names).astype(np.int32)
    if all((x == x[..., :1]).all() for x in (x_train, x_test)):
        x_train, x_test = x_train[..., :1], x_test[..., :1]
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test, "classes": classes}


def divided(folder: Path) -> tuple[Path, Path | None]:
    """Find where the training images lie, and where the test images; None if they are still to be divided."""
    inside = folders(folder)
    parts = [one for one in inside if part(one) in (*TRAIN, *TEST) and (folders(one) or is_listed(one))]
    train = [one for one in parts if part(one) in TRAIN]
    if not parts:
        refuse_alike(inside)
        return folder, None
    if len(train) != 1:
        found = ", ".join(one.name for one in parts)
        raise InputError(f"{folder} must hold one training set, named {' or '.join(TRAIN)}; received {found}.")
    if others := [other.name for other in inside if part(other) not in (*TRAIN, *TEST)]:
        raise InputError(f"{folder} must hold either parts or classes; received {train[0].name} beside {others[0]}.")
    tests = sorted(set(parts) - set(train), key=lambda one: (not is_listed(one), TEST.index(part(one))))
    return train[0], tests[0] if tests else None


def part(folder: Path) -> str:
    """Return a folder's name without capitals and without what people add to the name of a part.

    >>> [part(Path(name)) for name in ("Train", "training_set", "test-images", "valset", "cat")]
    ['train', 'training', 'test', 'val', 'cat']
    """
    return re.sub(r"[-_ ]?(set|split|data|images)$", "", folder.name.lower())


def refuse_alike(inside: Sequence[Path]) -> None:
    """Refuse folders that seem to be parts under unknown names, or classes each divided into parts.

    Raises:
        InputError: all of several folders have two folders or more in common.
    """
    first, *others = inside or [Path()]
    common = {one.name for one in folders(first)} if others else set()
    for other in others:
        if len(common) > 1:
            common &= {one.name for one in folders(other)}
    if len(common) > 1:
        found = f"{first.name} and {others[0].name}, which both hold {' and '.join(sorted(common)[:2])}"
        raise InputError(
            f"{first.parent} must hold classes, or parts named {TRAIN[0]} and {TEST[0]}; received {found}."
        )


def folders(folder: Path) -> list[Path]:
    """List the folders in a folder, hidden ones and what macOS puts into archives left aside."""
    return [one for one in sorted(folder.iterdir()) if one.name[0] != "." and one.name != "__MACOSX" and one.is_dir()]


def is_listed(part: Path) -> bool:
    """Return whether a table says of which classes the images are."""
    return (part / TABLE).exists()


def labelled(folder: Path) -> tuple[list[Path], list[str]]:
    """List the images in a folder and the class of each: its subfolder's name, or what Tiny ImageNet's table says."""
    if is_listed(folder):
        rows = [line.split("\t") for line in (folder / TABLE).read_text("utf-8").splitlines()]
        found = [(folder / "images" / row[0], row[1]) for row in rows if len(row) > 1]
    else:
        found = [(file, one.name) for one in folders(folder) for file in members(one)]
    if not found:
        raise InputError(f"{folder} holds no images in folders named for their classes ({', '.join(SUFFIXES)}).")
    return [file for file, _ in found], [name for _, name in found]


def members(folder: Path) -> list[Path]:
    """List the images of a class, sorted; whatever would be left out unseen is refused."""
    images = []
    for file in sorted(folder.rglob("*")):
        suffix = file.suffix.lower()
        if any(part.startswith(".") for part in file.relative_to(folder).parts) or suffix in BESIDE:
            continue
        if suffix in SUFFIXES:
            images.append(file)
        elif not file.is_dir():
            raise InputError(f"{file} must be an image ({', '.join(SUFFIXES)}); received {suffix or 'no suffix'}.")
    if not images:
        raise InputError(
            f"{folder} holds no images ({', '.join(SUFFIXES)}); delete it, or put the class's images there."
        )
    return images


def decoded(files: Sequence[Path], shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Decode equally large images, of this shape where one is given, as uint8 [n, height, width, 3]."""
    from tqdm import tqdm

    shape = shape or decode(files[0]).shape
    pixels = np.empty((len(files), *shape), np.uint8)
    for image, file in zip(pixels, tqdm(files, "images", leave=False), strict=True):
        image[:] = decode(file, shape)
    return pixels


def decode(file: Path, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Decode one image as it is meant to be seen, uint8 [height, width, 3].

    It is turned as its EXIF tag says, laid on white where it is transparent, and reduced to 8 bits a channel.
    Its size is looked at before its pixels are.
    """
    from PIL import Image

    with (
        reading(file, f"{file} cannot be read as an image"),
        warnings.catch_warnings(action="ignore"),
        Image.open(file, formats=FORMATS) as image,
    ):
        if image.width * image.height > LARGEST:
            raise InputError(f"{file} has {image.width}×{image.height} pixels; at most {LARGEST:,} are allowed.")
        pixels = np.asarray(on_white(eight_bits(upright(image))))
    if shape and pixels.shape != shape:
        height, width, _ = pixels.shape
        raise InputError(
            f"{file} has {width}×{height} pixels, the first image {shape[1]}×{shape[0]}; all must be equal."
        )
    return pixels


def upright(image: "Image") -> "Image":
    """Turn an image as its EXIF tag says that it is seen; a tag that cannot be read turns nothing."""
    from PIL import ImageOps

    with suppress(Exception):
        return ImageOps.exif_transpose(image)
    return image


def eight_bits(image: "Image") -> "Image":
    """Reduce grey levels of 16 bits, of which 65,535 is white, to 8; other images stay as they are."""
    from PIL import Image

    if image.mode[0] not in "IF":
        return image
    levels = np.asarray(image)
    if levels.dtype.kind == "f" or levels.min() < 0 or levels.max() >= 2**16:
        raise ValueError("it has more than 16 bits a pixel; save it with 8 or 16")
    transparent = levels == image.info.get("transparency", -1)
    return Image.fromarray(np.where(transparent, 255, (levels.astype(np.uint32) + 128) // 257).astype(np.uint8))


def on_white(image: "Image") -> "Image":
    """Return an image's colours, red, green and blue, with white where it is transparent."""
    from PIL import Image

    if not image.has_transparency_data:
        return image.convert("RGB")
    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
