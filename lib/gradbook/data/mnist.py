"""MNIST: 70,000 images of handwritten digits, 28×28 pixels, kept as the four published files."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np

from gradbook.data.dataset import scaled
from gradbook.data.source import Download, Source

MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
PUBLISHED = {
    "train-images-idx3-ubyte.gz": (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    "train-labels-idx1-ubyte.gz": (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    "t10k-images-idx3-ubyte.gz": (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    "t10k-labels-idx1-ubyte.gz": (4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
}


def idx(path: Path) -> np.ndarray:
    """Read the uint8 array in a compressed idx file: four bytes, the last of them the number of axes; lengths; data."""
    data = gzip.decompress(path.read_bytes())
    axes = data[3]
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(np.frombuffer(data, ">i4", axes, offset=4))


def read(folder: Path) -> dict[str, Any]:
    """Read 60,000 images to train on and 10,000 to test on, float32 [n, 28, 28, 1]."""
    return {
        "x_train": scaled(idx(folder / "train-images-idx3-ubyte.gz")),
        "y_train": idx(folder / "train-labels-idx1-ubyte.gz").astype(np.int32),
        "x_test": scaled(idx(folder / "t10k-images-idx3-ubyte.gz")),
        "y_test": idx(folder / "t10k-labels-idx1-ubyte.gz").astype(np.int32),
        "classes": tuple("0123456789"),
    }


MNIST = Source(
    name="mnist",
    summary="70,000 handwritten digits, 28×28 grey pixels, 10 classes",
    licence="CC BY-SA 3.0 (Y. LeCun and C. Cortes)",
    citation="Y. LeCun, L. Bottou, Y. Bengio, P. Haffner (1998). Gradient-based learning applied to document "
    "recognition. Proceedings of the IEEE 86(11), 2278–2324",
    read=read,
    files=tuple(PUBLISHED),
    downloads=tuple(
        Download(file, size, sha256, tuple(mirror + file for mirror in MIRRORS))
        for file, (size, sha256) in PUBLISHED.items()
    ),
)
