"""scikit-learn's 1,797 images of handwritten digits, 8×8 pixels: real data that need no download."""

from pathlib import Path
from typing import Any

import numpy as np

from gradbook.data.dataset import split
from gradbook.data.source import Source


def read(_: Path) -> dict[str, Any]:
    """Return 1,438 images to train on and 359 to test on, float32 [n, 8, 8, 1], multiples of 1/16."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x, y = (bunch.images[..., None] / 16).astype(np.float32), bunch.target.astype(np.int32)
    train, test = split(y)
    return {
        "x_train": x[train],
        "y_train": y[train],
        "x_test": x[test],
        "y_test": y[test],
        "classes": tuple("0123456789"),
    }


DIGITS = Source(
    name="digits",
    summary="1,797 handwritten digits, 8×8 grey pixels, 10 classes; comes with scikit-learn",
    licence="CC BY 4.0",
    citation="E. Alpaydin, C. Kaynak (1998). Optical recognition of handwritten digits. UCI Repository",
    read=read,
)
