"""The family that a trained convolution can be brought to without loss."""
# ruff: noqa: D102 (a method without a docstring does what its base class says)

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from gradbook.lowrank import decompose
from gradbook.lowrank.arguments import positive
from gradbook.lowrank.convs.base import GAIN, Convolution, Factor, register


@register
class Tucker2(Convolution):
    """1×1 to r_1 channels, k×k to r_2, 1×1 to c_out: c_in·r_1 + k²·r_1·r_2 + r_2·c_out weights (Kim et al. 2016).

    Where k = 1 there are two steps, with r·(c_in + c_out) weights. At rank 1 it can do what any dense kernel does.

    Args:
        rank: r_1 as a fraction of c_in and r_2 of c_out, where k = 1 r of the smaller one; rounded to 1 at least; in
            (0, 1].
    """

    hyperparameters = ("rank",)

    def __init__(self, *arguments: Any, rank: float, **options: Any):
        super().__init__(*arguments, **options)
        self.rank = positive("rank", rank)

    def ranks(self, channels: int) -> tuple[int, int]:
        """Return r_1 and r_2, equal where k = 1."""
        sizes = (channels, self.filters) if self.kernel_size > 1 else (min(channels, self.filters),) * 2
        first, second = (max(1, round(self.rank * size)) for size in sizes)
        return first, second

    def factors(self, channels: int) -> dict[str, Factor]:
        k, (first, second) = self.kernel_size, self.ranks(channels)
        core = {"core": Factor((k, k, first, second), 1 / (k * math.sqrt(first)))} if k > 1 else {}
        down = Factor((channels, first), math.sqrt(1 / channels))
        return {"down": down} | core | {"up": Factor((second, self.filters), math.sqrt(GAIN / second))}

    def convolve(self, images: Any) -> Any:
        if self.kernel_size == 1:
            images = images[:, :: self.strides, :: self.strides]
        inner = ops.matmul(images, self.factor["down"])
        if self.kernel_size > 1:
            inner = self._slide(inner, self.factor["core"])
        return ops.matmul(inner, self.factor["up"])

    def dense_kernel(self) -> Any:
        down, up = self.factor["down"], self.factor["up"]
        if self.kernel_size == 1:
            return ops.matmul(down, up)[None, None]
        return ops.matmul(ops.matmul(down, self.factor["core"]), up)

    def nearest(self, kernel: np.ndarray) -> dict[str, np.ndarray]:
        first, second = self.ranks(self.channels)
        if self.kernel_size == 1:
            down, up = decompose.product(kernel[0, 0], first)
            return {"down": down, "up": up}
        core, (down, up) = decompose.tucker(kernel, {2: first, 3: second})
        return {"down": down, "core": core, "up": up.T}

    def mult_adds(self, input_shape: Sequence[int]) -> int:
        height, width, channels = input_shape
        first, second = self.ranks(channels)
        pixels = self.pixels(input_shape)
        if self.kernel_size == 1:
            return first * (channels + self.filters) * pixels
        return channels * first * height * width + second * (self.kernel_size**2 * first + self.filters) * pixels
