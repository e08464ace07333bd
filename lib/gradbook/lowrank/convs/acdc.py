"""The family whose matrix is a chain of diagonals and cosine transforms."""
# ruff: noqa: D102 (a method without a docstring does what its base class says)

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from gradbook.errors import InputError, unknown
from gradbook.lowrank.arguments import positive_integer
from gradbook.lowrank.convs.base import GAIN, Factor, register
from gradbook.lowrank.convs.chain import Chain


@register
class ACDC(Chain):
    """Separable, with the second step a chain of diagonal · DCT · diagonal · inverse DCT (Moczulski et al. 2016).

    k²·c_in + 2·layers·N weights, N = max(c_in, c_out): inputs are repeated up to N channels, outputs N / c_out to one
    are added up. Channels are shuffled between layers.

    Args:
        layers: links of the chain, 1 to 1,024.
        order: how channels are shuffled: "riffle", "random" (one fixed permutation per link) or "none".

    Raises:
        InputError: another number of layers, or another order.
    """

    hyperparameters = ("layers", "order")

    def __init__(self, *arguments: Any, layers: int, order: str = "riffle", **options: Any):
        super().__init__(*arguments, **options)
        self.layers = positive_integer("layers", layers)
        if self.layers > 1024:
            raise InputError(f"layers must be 1,024 or fewer; received {layers}.")
        if order not in ORDERS:
            raise unknown("order of channels", order, ORDERS)
        self.order = order

    def width(self, channels: int) -> int:
        """Return N, the length of the diagonals."""
        return max(channels, self.filters)

    def channel_factors(self, channels: int) -> dict[str, Factor]:
        width = self.width(channels)
        square_mean = (GAIN * self.filters / width) ** (0.5 / self.layers)  # of one diagonal's entries
        diagonals = Factor((self.layers, width), 0.01 * square_mean**0.5, 0.99995 * square_mean**0.5)
        return {"a": diagonals, "d": diagonals}

    def chain(self, inputs: Any) -> Any:
        """Apply the links to inputs [n, c_in]; shuffles and sums are part of the transforms."""
        width = self.width(self.channels)
        forward, inverse = dct_matrix(width).T, dct_matrix(width)
        collect = np.arange(width)[:, None] % self.filters == np.arange(self.filters)
        inverses = [inverse[:, ORDERS[self.order](width, link)] for link in range(1, self.layers)] + [inverse @ collect]
        diagonals = (ops.unstack(ops.convert_to_tensor(self.factor[name]), self.layers) for name in "ad")
        outputs = ops.take(inputs, np.arange(width) % self.channels, axis=-1)
        for a, d, matrix in zip(*diagonals, inverses, strict=True):
            outputs = ops.matmul(outputs * a, ops.convert_to_tensor(forward, inputs.dtype))
            outputs = ops.matmul(outputs * d, ops.convert_to_tensor(matrix, inputs.dtype))
        return outputs

    def chain_mult_adds(self, channels: int) -> int:
        """Return the paper's count 4N + 5N·log₂N per link, with fast transforms."""
        width = self.width(channels)
        return round(self.layers * width * (4 + 5 * math.log2(width)))


def dct_matrix(size: int) -> np.ndarray:
    """Return the orthonormal matrix C of the discrete cosine transform (type 2), float64: C·x transforms a column x."""
    from scipy.fft import dct

    return dct(np.eye(size), axis=0, norm="ortho")


def riffle(size: int) -> np.ndarray:
    """Return where each channel comes from when two halves of the deck are interleaved.

    >>> riffle(6).tolist(), riffle(5).tolist()
    ([0, 3, 1, 4, 2, 5], [0, 3, 1, 4, 2])
    """
    return np.argsort(np.concatenate([np.arange(0, size, 2), np.arange(1, size, 2)]))


ORDERS: dict[str, Callable[[int, int], np.ndarray]] = {
    "riffle": lambda size, link: riffle(size),
    "random": lambda size, link: np.random.default_rng(link).permutation(size),
    "none": lambda size, link: np.arange(size),
}
