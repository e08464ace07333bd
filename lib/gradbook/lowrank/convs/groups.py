"""Families in which channels see only those of their group, or fewer channels than there are."""
# ruff: noqa: D102 (a method without a docstring does what its base class says)

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from keras import ops

from gradbook.lowrank.arguments import ChannelsError, divides, positive_integer
from gradbook.lowrank.convs.base import GAIN, Convolution, Factor, register
from gradbook.lowrank.convs.separable import Separable
from gradbook.lowrank.normalisation import BatchNormalization

straight = partial(ops.conv, strides=1, padding="valid", data_format="channels_last")


@register
class Grouped(Separable):
    """A k×k convolution within groups of channels, then a 1×1 convolution: k²·c_in·group_size + c_in·c_out weights.

    Crowley, Gray and Storkey (2018) name it G(group_size). A group size of 1 is the separable convolution.

    Args:
        group_size: channels that see each other in the first step; divides c_in.
    """

    hyperparameters = ("group_size",)

    def __init__(self, *arguments: Any, group_size: int, **options: Any):
        super().__init__(*arguments, **options)
        self.group_size = positive_integer("group_size", group_size)

    def spatial_factors(self, channels: int) -> dict[str, Factor]:
        if self.kernel_size == 1:
            return {}
        k, size = self.kernel_size, self.group_size
        divides("group_size", size, channels)
        return {"grouped": Factor((k, k, size, channels), 1 / (k * math.sqrt(size)), shared=False)}

    def spread(self, images: Any) -> Any:
        if self.kernel_size == 1:
            return super().spread(images)
        return grouped(images, self.factor["grouped"], self._slide)

    def dense_kernel(self) -> Any:
        if self.kernel_size == 1:
            return super().dense_kernel()
        groups = self.channels // self.group_size
        return ops.matmul(block_diagonal(self.factor["grouped"], groups), self.matrix())


@register
class Shuffle(Convolution):
    """Grouped 1×1, channel shuffle, k×k within each channel, grouped 1×1 (Zhang et al. 2018, fig. 2, made linear).

    c_in·b/g + k²·b + b·c_out/g weights with b = ⌊c_out / 4⌋ channels between.

    Args:
        groups: g, the groups of both 1×1 convolutions, lowered until it divides c_in, b and c_out.

    Raises:
        ChannelsError: fewer than 4 filters.
    """

    hyperparameters = ("groups",)

    def __init__(self, *arguments: Any, groups: int, **options: Any):
        super().__init__(*arguments, **options)
        self.groups = positive_integer("groups", groups)
        if self.filters < 4:
            raise ChannelsError(f"filters of a shuffle convolution must be 4 or more; received {self.filters}.")
        self.inner = self.filters // 4

    def actual_groups(self, channels: int) -> int:
        """Return the largest number of groups, `groups` at most, that divides all three numbers of channels."""
        common = math.gcd(channels, self.inner, self.filters)
        return next(groups for groups in range(min(self.groups, common), 0, -1) if common % groups == 0)

    def factors(self, channels: int) -> dict[str, Factor]:
        k, inner, groups = self.kernel_size, self.inner, self.actual_groups(channels)
        return {
            "first": Factor((1, 1, channels // groups, inner), math.sqrt(groups / channels)),
            "depthwise": Factor((k, k, inner, 1), 1 / k, shared=False),
            "last": Factor((1, 1, inner // groups, self.filters), math.sqrt(GAIN * groups / inner)),
        }

    def convolve(self, images: Any) -> Any:
        inner = shuffle(grouped(images, self.factor["first"], straight), self.actual_groups(self.channels))
        inner = self._slide(inner, self.factor["depthwise"], ops.depthwise_conv)
        return grouped(inner, self.factor["last"], straight)

    def dense_kernel(self) -> Any:
        groups = self.actual_groups(self.channels)
        first = shuffle(block_diagonal(self.factor["first"], groups), groups)
        last = block_diagonal(self.factor["last"], groups)
        return ops.matmul(first * ops.swapaxes(self.factor["depthwise"], 2, 3), last)

    def mult_adds(self, input_shape: Sequence[int]) -> int:
        height, width, channels = input_shape
        groups = self.actual_groups(channels)
        after = self.kernel_size**2 + self.filters // groups
        return self.inner * (channels // groups * height * width + after * self.pixels(input_shape))


@register
class Bottleneck(Convolution):
    """1×1 down to b = c_out / reduction channels, k×k, 1×1 up; batch normalisation and ReLU after the first two.

    c_in·b + k²·b·s + b·c_out + 4b weights, where s is the group size of the middle convolution, b if there is none.
    Crowley, Gray and Storkey (2018) name it B(reduction) and, with groups, BG(reduction, s).

    Args:
        reduction: c_out / b; divides c_out.
        group_size: channels that see each other in the middle; divides b. None: all of them.
    """

    hyperparameters = ("reduction", "group_size")

    def __init__(self, *arguments: Any, reduction: int, group_size: int | None = None, **options: Any):
        super().__init__(*arguments, **options)
        self.reduction = positive_integer("reduction", reduction)
        self.group_size = None if group_size is None else positive_integer("group_size", group_size)
        divides("reduction", reduction, self.filters)
        self.inner = self.filters // reduction
        divides("group_size", self.group_size or 1, self.inner)
        self.normalisations = [BatchNormalization(dtype=self.dtype_policy) for _ in range(2)]

    def factors(self, channels: int) -> dict[str, Factor]:
        k, inner, size = self.kernel_size, self.inner, self.group_size or self.inner
        return {
            "down": Factor((1, 1, channels, inner), math.sqrt(GAIN / channels)),
            "middle": Factor((k, k, size, inner), math.sqrt(GAIN / (k * k * size))),
            "up": Factor((1, 1, inner, self.filters), math.sqrt(2 * GAIN / inner)),  # ReLU halves what it is given
        }

    def n_parameters(self, channels: int) -> int:
        return super().n_parameters(channels) + 4 * self.inner

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        for normalisation in self.normalisations:
            normalisation.build((None, None, None, self.inner))

    def convolve(self, images: Any) -> Any:
        first, second = self.normalisations
        inner = ops.relu(first(straight(images, self.factor["down"])))
        inner = ops.relu(second(grouped(inner, self.factor["middle"], self._slide)))
        return straight(inner, self.factor["up"])

    def mult_adds(self, input_shape: Sequence[int]) -> int:
        height, width, channels = input_shape
        after = self.kernel_size**2 * (self.group_size or self.inner) + self.filters
        return self.inner * (channels * height * width + after * self.pixels(input_shape))


def grouped(images: Any, kernel: Any, convolve: Callable) -> Any:
    """Apply a grouped convolution with a kernel [k, k, c_in / groups, c_out], one group at a time.

    The same numbers as ``ops.conv`` with groups, which on a CPU is compiled by XLA and takes some sixty times as long.
    """
    groups = images.shape[-1] // kernel.shape[2]
    parts = zip(ops.split(images, groups, axis=-1), ops.split(kernel, groups, axis=-1), strict=True)
    return ops.concatenate([convolve(image, part) for image, part in parts], axis=-1)


def block_diagonal(kernel: Any, groups: int) -> Any:
    """Return the plain kernel [k, k, c_in, c_out] that does what a grouped one [k, k, c_in / groups, c_out] does."""
    size = kernel.shape[2]
    parts = ops.split(kernel, groups, axis=-1)
    frames = [(size * before, size * (groups - 1 - before)) for before in range(groups)]
    padded = [ops.pad(part, ((0, 0), (0, 0), frame, (0, 0))) for part, frame in zip(parts, frames, strict=True)]
    return ops.concatenate(padded, axis=-1)


def shuffle(images: Any, groups: int) -> Any:
    """Read channels across groups instead of group by group: channel c of group g becomes channel g of group c."""
    *size, channels = (-1, *ops.shape(images)[1:])
    split = ops.reshape(images, (*size, groups, channels // groups))
    return ops.reshape(ops.swapaxes(split, -2, -1), (*size, channels))
