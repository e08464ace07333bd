"""Families whose weights are each used at many places, which a hash picks."""
# ruff: noqa: D102 (a method without a docstring does what its base class says)

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from gradbook.lowrank.arguments import positive
from gradbook.lowrank.convs.base import GAIN, Convolution, Factor, Plain, fraction, register
from gradbook.lowrank.convs.separable import Separable


class Stored(Convolution):
    """What both families have in common: an array that is read from a store of weights.

    ⌊ratio · size of the array⌋ weights. The hash deals the places out in a random order, so that every weight is used,
    and equally often up to one; it follows from `hash_seed`, and no checkpoint stores it.

    Args:
        ratio: weights as a fraction of the array's size, in (0, 1].
        hash_seed: decides the hash.
    """

    hyperparameters = ("ratio", "hash_seed")

    def __init__(self, *arguments: Any, ratio: float, hash_seed: int = 0, **options: Any):
        super().__init__(*arguments, **options)
        self.ratio = positive("ratio", ratio)
        self.hash_seed = hash_seed

    def shape(self, channels: int) -> tuple[int, ...]:
        """Return the array's shape; the last dimension is c_out."""
        raise NotImplementedError

    def store(self, channels: int) -> dict[str, Factor]:
        """Return the weights by name."""
        *fan_in, _ = shape = self.shape(channels)
        return {"hashed": Factor((fraction(self.ratio, math.prod(shape)),), math.sqrt(GAIN / math.prod(fan_in)))}

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        self.places = deal(self.factor["hashed"].shape[0], self.shape(self.channels), self.hash_seed)

    def array(self) -> Any:
        """Return the weights at their places."""
        return ops.take(self.factor["hashed"], self.places)

    def averages(self, array: np.ndarray) -> dict[str, np.ndarray]:
        """Return the store that comes nearest to an array: the mean over the places of each weight."""
        places = self.places.ravel()
        return {"hashed": np.bincount(places, array.ravel()) / np.bincount(places)}


@register
class Hashed(Stored, Plain):
    """The dense convolution, its kernel hashed: ⌊ratio·k²·c_in·c_out⌋ weights (Chen et al. 2015, eq. 4)."""

    def shape(self, channels: int) -> tuple[int, ...]:
        return (self.kernel_size, self.kernel_size, channels, self.filters)

    def factors(self, channels: int) -> dict[str, Factor]:
        return self.store(channels)

    def dense_kernel(self) -> Any:
        return self.array()

    def nearest(self, kernel: np.ndarray) -> dict[str, np.ndarray]:
        return self.averages(kernel)


@register
class SeparableHashed(Stored, Separable):
    """Separable, with the second step hashed: k²·c_in + ⌊ratio·c_in·c_out⌋ weights."""

    def shape(self, channels: int) -> tuple[int, ...]:
        return (channels, self.filters)

    def channel_factors(self, channels: int) -> dict[str, Factor]:
        return self.store(channels)

    def matrix(self) -> Any:
        return self.array()

    def nearest_matrix(self, matrix: np.ndarray) -> dict[str, np.ndarray]:
        return self.averages(matrix)


def deal(weights: int, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Return which weight stands at each place of an array of this shape; int32, each equally often up to one."""
    return np.random.default_rng(seed).permutation(math.prod(shape)).astype(np.int32).reshape(shape) % weights
