"""The family whose matrix is a product of sparse factors, as the fast Fourier transform is."""
# ruff: noqa: D102 (a method without a docstring does what its base class says)

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from gradbook.errors import InputError
from gradbook.lowrank import decompose
from gradbook.lowrank.arguments import positive_integer
from gradbook.lowrank.convs.base import GAIN, Factor, register
from gradbook.lowrank.convs.chain import Chain


@register
class Butterfly(Chain):
    """Separable, with the second step a product of butterflies: k²·c_in + 2·blocks·N·log₂N weights (Dao et al. 2019).

    N is the power of two that max(c_in, c_out) needs: inputs are filled up with zeros, outputs beyond c_out left out.
    Every second butterfly has its factors in the opposite order. The factors start as rotations, whose product keeps
    norms. `decompose.start_from` knows weights near a dense kernel for one butterfly only, and those need not be the
    nearest.

    Args:
        blocks: butterflies in the product, 1 to 64.

    Raises:
        InputError: another number of them.
    """

    hyperparameters = ("blocks",)

    def __init__(self, *arguments: Any, blocks: int, **options: Any):
        super().__init__(*arguments, **options)
        self.blocks = positive_integer("blocks", blocks)
        if self.blocks > 64:
            raise InputError(f"blocks must be 64 or fewer; received {blocks}.")

    def levels(self, channels: int) -> int:
        """Return log₂N, the factors of one butterfly."""
        return max(1, math.ceil(math.log2(max(channels, self.filters))))

    def channel_factors(self, channels: int) -> dict[str, Factor]:
        levels = self.levels(channels)
        power = (GAIN * 2**levels / channels) ** (1 / (levels * self.blocks))  # by which each factor raises the signal
        return {"twiddles": Factor((self.blocks, levels, 2, 2, 2 ** (levels - 1)), math.sqrt(power / 2))}

    def initializer(self, name: str, factor: Factor) -> Callable:
        return super().initializer(name, factor) if name != "twiddles" else rotations(math.sqrt(2) * factor.stddev)

    def chain(self, inputs: Any) -> Any:
        levels = self.levels(self.channels)
        outputs = ops.pad(inputs, ((0, 0), (0, 2**levels - self.channels)))
        for number, twiddles in enumerate(ops.unstack(ops.convert_to_tensor(self.factor["twiddles"]), self.blocks)):
            outputs = multiply(outputs, twiddles, reverse=number % 2 == 1)
        return outputs[:, : self.filters]

    def chain_mult_adds(self, channels: int) -> int:
        levels = self.levels(channels)
        return 2 * self.blocks * levels * 2**levels

    def nearest_matrix(self, matrix: np.ndarray) -> dict[str, np.ndarray]:
        if self.blocks > 1:
            return {}
        missing = [(0, 2 ** self.levels(self.channels) - size) for size in matrix.shape]
        return {"twiddles": decompose.butterfly(np.pad(matrix, missing))[None]}


def multiply(inputs: Any, twiddles: Any, reverse: bool = False) -> Any:
    """Return x·F_1 ⋯ F_m for the rows x of inputs [n, N], N = 2^m; factors in the opposite order if `reverse`.

    F_s joins the numbers i and i + 2^(s-1), for each i whose bit s is 0, by a matrix of its own [2 out, 2 in].

    Args:
        inputs: [n, N], real or complex.
        twiddles: [m, 2, 2, N / 2], the entries of these matrices; the last dimension counts the pairs in order of i.
        reverse: whether F_m comes first.
    """
    size, levels = inputs.shape[-1], twiddles.shape[0]
    outputs = inputs
    for level in reversed(range(levels)) if reverse else range(levels):
        stride = 2**level
        pairs = ops.reshape(outputs, (-1, size // (2 * stride), 2, stride))
        matrices = ops.reshape(twiddles[level], (2, 2, size // (2 * stride), stride))
        joined = [matrices[out, 0] * pairs[:, :, 0] + matrices[out, 1] * pairs[:, :, 1] for out in range(2)]
        outputs = ops.reshape(ops.stack(joined, axis=2), (-1, size))
    return outputs


def fourier(size: int) -> np.ndarray:
    """Return the twiddles, complex [log₂N, 2, 2, N / 2], that make `multiply` the discrete Fourier transform.

    Its inputs must come in bit-reversed order, which is no part of the butterfly (Cooley and Tukey 1965).

    Args:
        size: N, a power of two, 2 or more.

    >>> x = np.arange(8.0)[None] + 0j
    >>> bool(np.allclose(multiply(x[:, bit_reversal(8)], fourier(8)), np.fft.fft(x)))
    True
    """
    levels = _levels(size)
    twiddles = np.ones((levels, 2, 2, size // 2), complex)
    for level in range(levels):
        roots = np.tile(np.exp(-1j * np.pi * np.arange(2**level) / 2**level), size // 2 ** (level + 1))
        twiddles[level, :, 1] = roots, -roots
    return twiddles


def bit_reversal(size: int) -> np.ndarray:
    """Return the numbers 0 … N - 1 with the bits of each in the opposite order.

    >>> bit_reversal(8).tolist()
    [0, 4, 2, 6, 1, 5, 3, 7]
    """
    return np.arange(size).reshape((2,) * _levels(size)).T.ravel()


def rotations(scale: float) -> Callable:
    """Return an initializer of twiddles that are rotations by random angles, times a scale."""

    def initialize(shape: tuple[int, ...], dtype: Any = None) -> Any:
        angles = keras.random.uniform((*shape[:-3], shape[-1]), 0.0, 2 * math.pi, dtype=dtype)
        cosine, sine = scale * ops.cos(angles), scale * ops.sin(angles)
        return ops.stack([ops.stack([cosine, -sine], -2), ops.stack([sine, cosine], -2)], -3)

    return initialize


def _levels(size: int) -> int:
    if size < 2 or size & (size - 1):
        raise InputError(f"size must be a power of two, 2 or more; received {size!r}.")
    return size.bit_length() - 1
