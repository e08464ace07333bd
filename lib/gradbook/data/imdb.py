"""IMDB: 50,000 movie reviews, half of them for and half against, as Keras numbers their words."""

from pathlib import Path
from typing import Any

import numpy as np

from gradbook.data.dataset import Reviews
from gradbook.data.source import Download, Source
from gradbook.files import atomic_write


def convert(folder: Path, published: Path) -> None:
    """Convert Keras' pickled lists, opened only because their checksum held, to arrays in the same order."""
    arrays = {}
    with np.load(published, allow_pickle=True) as source:
        for part in ("train", "test"):
            reviews = source[f"x_{part}"]
            arrays[f"{part}_tokens"] = np.concatenate([np.asarray(review, np.int32) for review in reviews])
            arrays[f"{part}_offsets"] = np.cumsum([0, *map(len, reviews)], dtype=np.int64)
            arrays[f"{part}_labels"] = source[f"y_{part}"].astype(np.uint8)
    with atomic_write(folder / "reviews.npz") as file:
        np.savez_compressed(file, **arrays)


def read(folder: Path) -> dict[str, Any]:
    """Read 25,000 reviews to train on and 25,000 to test on, in the numbers and the order of Keras' ``load_data()``."""
    content: dict[str, Any] = {"classes": ("negative", "positive")}
    random = np.random.RandomState(113)
    with (folder / "reviews.npz").open("rb") as file, np.load(file) as arrays:
        for part in ("train", "test"):
            ranks, offsets = arrays[f"{part}_tokens"], arrays[f"{part}_offsets"]
            reviews = Reviews(np.insert(ranks + np.int32(3), offsets[:-1], 1), offsets + np.arange(len(offsets)))
            order = np.arange(len(reviews))
            random.shuffle(order)
            content[f"x_{part}"] = reviews[order]
            content[f"y_{part}"] = arrays[f"{part}_labels"][order].astype(np.int32)
    return content


IMDB = Source(
    name="imdb",
    kind="movie reviews",
    summary="50,000 movie reviews as word numbers, negative or positive",
    licence="none stated; the texts belong to their authors, research use is customary",
    citation="A. L. Maas, R. E. Daly, P. T. Pham, D. Huang, A. Y. Ng, C. Potts (2011). Learning word vectors for "
    "sentiment analysis. ACL, 142–150",
    read=read,
    files=("reviews.npz",),
    downloads=(
        Download(
            "imdb.npz",
            17_464_789,
            "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f",
            (
                "https://storage.googleapis.com/tensorflow/tf-keras-datasets/imdb.npz",
                "https://s3.amazonaws.com/text-datasets/imdb.npz",
            ),
        ),
    ),
    convert=convert,
)
