"""Images for training, for choosing and for testing, standardised alike."""

import numpy as np

from gradbook.data.dataset import Dataset
from gradbook.seeds import generator

HELD_OUT = 0.1  # of the training images

Examples = tuple[np.ndarray, np.ndarray]


def split(dataset: Dataset, images: int) -> dict[str, Examples]:
    """Return standardised images and labels by part: ``train``, at most so many, ``held_out`` and ``test``.

    Each channel has mean 0 and standard deviation 1 over all training images.
    """
    order = generator(0, "held out").permutation(len(dataset.y_train))
    held_out, kept = np.split(order, [round(HELD_OUT * len(order))])
    kept = kept[:images]
    mean, spread = (getattr(dataset.x_train, moment)(axis=(0, 1, 2)) for moment in ("mean", "std"))
    lossless = slice(None) if dataset.test_is_lossless is None else dataset.test_is_lossless
    return {
        "train": ((dataset.x_train[kept] - mean) / spread, dataset.y_train[kept]),
        "held_out": ((dataset.x_train[held_out] - mean) / spread, dataset.y_train[held_out]),
        "test": ((dataset.x_test[lossless] - mean) / spread, dataset.y_test[lossless]),
    }
