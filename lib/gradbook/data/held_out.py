"""Images for training, for choosing and for testing, standardised alike."""

import numpy as np

from gradbook.data.dataset import Dataset
from gradbook.errors import InputError
from gradbook.seeds import generator

HELD_OUT = 0.1  # of the training images

Examples = tuple[np.ndarray, np.ndarray]


def split(dataset: Dataset, images: int) -> dict[str, Examples]:
    """Return standardised images and labels by part: ``train``, at most so many, ``held_out`` and ``test``.

    Each channel has mean 0 and standard deviation 1 over all training images; one that is the same everywhere has 0.

    Raises:
        InputError: so few training images that none would be held out.
    """
    order = generator(0, "held out").permutation(len(dataset.y_train))
    if not round(HELD_OUT * len(order)):
        raise InputError(f"dataset {dataset.name!r} must have at least 6 training images; received {len(order)}.")
    held_out, kept = np.split(order, [round(HELD_OUT * len(order))])
    kept = kept[:images]
    mean, spread = _moments(dataset.x_train)
    lossless = slice(None) if dataset.test_is_lossless is None else dataset.test_is_lossless
    return {
        "train": ((dataset.x_train[kept] - mean) / spread, dataset.y_train[kept]),
        "held_out": ((dataset.x_train[held_out] - mean) / spread, dataset.y_train[held_out]),
        "test": ((dataset.x_test[lossless] - mean) / spread, dataset.y_test[lossless]),
    }


def _moments(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each channel's mean and standard deviation, 1 where it does not vary, in the images' type.

    The sums are in double precision: those of 50,000 colour images in single precision stop growing at 2²⁴.
    """
    mean, spread = (getattr(images, moment)(axis=(0, 1, 2), dtype=np.float64) for moment in ("mean", "std"))
    return mean.astype(images.dtype), np.where(spread > 0, spread, 1).astype(images.dtype)
