"""The form that most families have: each channel is convolved on its own, then a matrix mixes them."""
# ruff: noqa: D102 (a method without a docstring does what its base class says)

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from gradbook.lowrank import decompose
from gradbook.lowrank.convs.base import GAIN, Convolution, Factor, register


@register
class Separable(Convolution):
    """A k×k convolution within each channel, then a 1×1 convolution across: k²·c_in + c_in·c_out weights.

    Other families replace the matrix [c_in, c_out] of the second step; where k = 1 the first step is left out.
    """

    def factors(self, channels: int) -> dict[str, Factor]:
        return self.spatial_factors(channels) | self.channel_factors(channels)

    def spatial_factors(self, channels: int) -> dict[str, Factor]:
        """Return the weights of the first step by name."""
        k = self.kernel_size
        return {"depthwise": Factor((k, k, channels, 1), 1 / k, shared=False)} if k > 1 else {}

    def channel_factors(self, channels: int) -> dict[str, Factor]:
        """Return the weights of the second step by name."""
        return {"pointwise": Factor((channels, self.filters), math.sqrt(GAIN / channels), shared=False)}

    def matrix(self) -> Any:
        """Return the matrix [c_in, c_out] of the second step."""
        return ops.convert_to_tensor(self.factor["pointwise"])

    def mix(self, images: Any) -> Any:
        """Apply the second step."""
        return ops.matmul(images, self.matrix())

    def mix_mult_adds(self, channels: int) -> int:
        """Count the multiplications of the second step for one pixel."""
        return channels * self.filters

    def spread(self, images: Any) -> Any:
        """Apply the first step."""
        if self.kernel_size > 1:
            return self._slide(images, self.factor["depthwise"], ops.depthwise_conv)
        return images[:, :: self.strides, :: self.strides]

    def convolve(self, images: Any) -> Any:
        return self.mix(self.spread(images))

    def dense_kernel(self) -> Any:
        matrix = self.matrix()[None, None]
        return self.factor["depthwise"] * matrix if self.kernel_size > 1 else matrix

    def nearest(self, kernel: np.ndarray) -> dict[str, np.ndarray]:
        if self.kernel_size == 1:
            return self.nearest_matrix(kernel[0, 0])
        depthwise, matrix = decompose.separate(kernel)
        return {"depthwise": depthwise} | self.nearest_matrix(matrix)

    def nearest_matrix(self, matrix: np.ndarray) -> dict[str, np.ndarray]:
        """Return the weights of the second step that come nearest to its matrix."""
        return {"pointwise": matrix}

    def mult_adds(self, input_shape: Sequence[int]) -> int:
        channels = input_shape[-1]
        first = sum(math.prod(one.shape) for one in self.spatial_factors(channels).values())
        return (first + self.mix_mult_adds(channels)) * self.pixels(input_shape)
