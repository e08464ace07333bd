"""Convolutions with fewer weights: one family a class, each called as ``keras.layers.Conv2D`` is.

Every family is linear (but for the bottleneck) and starts with the variance of a dense convolution initialised after
He et al. (2015, eq. 10): white noise of variance 1 at the input gives variance 2 at the output. Images are
[batch, height, width, channels]; c_in and c_out are channels, k×k is the kernel.
"""
# ruff: noqa: D102 (a method without a docstring does what its base class says)

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from gradbook.errors import InputError, unknown

GAIN = 2.0  # variance at the output for variance 1 at the input

register = keras.saving.register_keras_serializable("gradbook")


class Factor(NamedTuple):
    """A weight to be made: its shape, the normal distribution it starts from, and whether it stands for more weights.

    Weights that are `shared` in this sense take the smaller decay of :mod:`gradbook.lowrank.distill`.
    """

    shape: tuple[int, ...]
    stddev: float
    mean: float = 0.0
    shared: bool = True


class Convolution(keras.layers.Layer):
    """What the families have in common: the signature of ``Conv2D``, the shapes, the bias.

    Args:
        filters: channels at the output, ≥ 1.
        kernel_size: k, odd or even, one number or two equal ones.
        strides: ≥ 1, one number or two equal ones.
        padding: "valid" or "same".
        dilation_rate: ≥ 1, one number or two equal ones.
        activation: as in ``Conv2D``.
        use_bias: as in ``Conv2D``.

    Raises:
        InputError: an argument out of its range, or channels that the family cannot divide.
    """

    hyperparameters: tuple[str, ...] = ()

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        dilation_rate: int | Sequence[int] = 1,
        activation: str | Callable | None = None,
        use_bias: bool = True,
        **options: Any,
    ):
        super().__init__(**options)
        self.filters = whole("filters", filters)
        self.kernel_size = square("kernel_size", kernel_size)
        self.strides = square("strides", strides)
        self.dilation_rate = square("dilation_rate", dilation_rate)
        if padding not in ("valid", "same"):
            raise InputError(f"padding must be 'valid' or 'same'; received {padding!r}.")
        self.padding = padding
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias

    def factors(self, channels: int) -> dict[str, Factor]:
        """The weights for an input of so many channels, by name, without the bias."""
        raise NotImplementedError

    def convolve(self, images: Any) -> Any:
        """The convolution without bias and activation."""
        raise NotImplementedError

    def dense_kernel(self) -> Any:
        """The kernel [k, k, c_in, c_out] of the plain convolution that does the same."""
        raise NotImplementedError

    def mult_adds(self, input_shape: Sequence[int]) -> int:
        """Multiplications of the convolution of one image [height, width, c_in]; the bias is free."""
        raise NotImplementedError

    def n_parameters(self, channels: int) -> int:
        """Trainable numbers for an input of so many channels: the family's formula, and c_out where there is a bias."""
        return sum(math.prod(one.shape) for one in self.factors(channels).values()) + self.use_bias * self.filters

    def build(self, input_shape: Sequence[int | None]) -> None:
        factors = self.factors(input_shape[-1])
        self.channels = input_shape[-1]
        self.factor = {
            name: self.add_weight(one.shape, keras.initializers.RandomNormal(one.mean, one.stddev), name=name)
            for name, one in factors.items()
        }
        self.shared_weights = [self.factor[name] for name, one in factors.items() if one.shared]
        if self.use_bias:
            self.bias = self.add_weight((self.filters,), "zeros", name="bias")

    def call(self, images: Any) -> Any:
        outputs = self.convolve(images)
        return self.activation(outputs + self.bias if self.use_bias else outputs)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        batch, *size, _ = input_shape
        return (batch, *(n and self.length(n) for n in size), self.filters)

    def length(self, n: int) -> int:
        """Output pixels along a side of n input pixels."""
        reach = 1 if self.padding == "same" else 1 + self.dilation_rate * (self.kernel_size - 1)
        return (n - reach) // self.strides + 1

    def pixels(self, input_shape: Sequence[int]) -> int:
        """Pixels of the output for an image [height, width, channels]."""
        return self.length(input_shape[0]) * self.length(input_shape[1])

    def get_config(self) -> dict[str, Any]:
        names = ("filters", "kernel_size", "strides", "padding", "dilation_rate", "use_bias", *self.hyperparameters)
        own = {name: getattr(self, name) for name in names}
        return super().get_config() | own | {"activation": keras.activations.serialize(self.activation)}

    def _slide(self, images: Any, kernel: Any, operation: Callable = ops.conv) -> Any:
        return operation(images, kernel, self.strides, self.padding, dilation_rate=self.dilation_rate)


def whole(name: str, value: Any) -> int:
    """A number that must be whole and positive."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise InputError(f"{name} must be a whole number, 1 or more; received {value!r}.")
    return int(value)


def square(name: str, value: Any) -> int:
    """One number from one or two equal ones."""
    if not isinstance(value, (list, tuple)):
        return whole(name, value)
    if len(value) != 2 or value[0] != value[1]:
        raise InputError(f"{name} must be one number or two equal ones; received {value!r}.")
    return whole(name, value[0])


def positive(name: str, value: Any, most: float = 1.0) -> float:
    """A fraction that must lie above 0 and not above `most`."""
    if not isinstance(value, (int, float, np.number)) or not 0 < value <= most:
        raise InputError(f"{name} must lie above 0 and not above {most:g}; received {value!r}.")
    return float(value)


@register
class Plain(Convolution):
    """The dense convolution: k²·c_in·c_out weights."""

    def factors(self, channels: int) -> dict[str, Factor]:
        k = self.kernel_size
        stddev = math.sqrt(GAIN / (k * k * channels))
        return {"kernel": Factor((k, k, channels, self.filters), stddev, shared=False)}

    def dense_kernel(self) -> Any:
        return ops.convert_to_tensor(self.factor["kernel"])

    def convolve(self, images: Any) -> Any:
        return self._slide(images, self.dense_kernel())

    def mult_adds(self, input_shape: Sequence[int]) -> int:
        return self.kernel_size**2 * input_shape[-1] * self.filters * self.pixels(input_shape)


@register
class Hashed(Convolution):
    """Few weights, each used at many places of the kernel that a fixed hash picks (Chen et al. 2015, eq. 4).

    ⌊ratio·k²·c_in·c_out⌋ weights. The hash deals the places out in a random order, so that every weight is used, and
    equally often up to one; it follows from `hash_seed`, and no checkpoint stores it.

    Args:
        ratio: weights as a fraction of the dense kernel's, in (0, 1].
        hash_seed: decides the hash.
    """

    hyperparameters = ("ratio", "hash_seed")

    def __init__(self, *arguments: Any, ratio: float, hash_seed: int = 0, **options: Any):
        super().__init__(*arguments, **options)
        self.ratio = positive("ratio", ratio)
        self.hash_seed = hash_seed

    def factors(self, channels: int) -> dict[str, Factor]:
        k = self.kernel_size
        stddev = math.sqrt(GAIN / (k * k * channels))
        return {"hashed": Factor((fraction(self.ratio, k * k * channels * self.filters),), stddev)}

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        shape = (self.kernel_size, self.kernel_size, self.channels, self.filters)
        self.places = deal(self.factor["hashed"].shape[0], shape, self.hash_seed)

    def dense_kernel(self) -> Any:
        return ops.take(self.factor["hashed"], self.places)

    def convolve(self, images: Any) -> Any:
        return self._slide(images, self.dense_kernel())

    def mult_adds(self, input_shape: Sequence[int]) -> int:
        return self.kernel_size**2 * input_shape[-1] * self.filters * self.pixels(input_shape)


def fraction(ratio: float, number: int) -> int:
    """⌊ratio · number⌋ but at least 1, whole products staying whole despite binary fractions.

    >>> fraction(1 / 30, 23040), fraction(0.001, 10)
    (768, 1)
    """
    return max(1, math.floor(ratio * number + 1e-6))


def deal(weights: int, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Which of the weights stands at each place of an array of this shape; int32, each equally often up to one."""
    return np.random.default_rng(seed).permutation(math.prod(shape)).astype(np.int32).reshape(shape) % weights


@register
class Separable(Convolution):
    """A k×k convolution within each channel, then a 1×1 convolution across: k²·c_in + c_in·c_out weights.

    The families below replace the matrix [c_in, c_out] of the second step; where k = 1 the first step is left out.
    """

    def factors(self, channels: int) -> dict[str, Factor]:
        return self.spatial_factors(channels) | self.channel_factors(channels)

    def spatial_factors(self, channels: int) -> dict[str, Factor]:
        """Weights of the first step."""
        k = self.kernel_size
        return {"depthwise": Factor((k, k, channels, 1), 1 / k, shared=False)} if k > 1 else {}

    def channel_factors(self, channels: int) -> dict[str, Factor]:
        """Weights of the second step."""
        return {"pointwise": Factor((channels, self.filters), math.sqrt(GAIN / channels), shared=False)}

    def matrix(self) -> Any:
        """The matrix [c_in, c_out] of the second step."""
        return ops.convert_to_tensor(self.factor["pointwise"])

    def mix(self, images: Any) -> Any:
        """The second step."""
        return pointwise(images, self.matrix())

    def mix_mult_adds(self, channels: int) -> int:
        """Multiplications of the second step for one pixel."""
        return channels * self.filters

    def spread(self, images: Any) -> Any:
        """The first step."""
        if self.kernel_size > 1:
            return self._slide(images, self.factor["depthwise"], ops.depthwise_conv)
        return images[:, :: self.strides, :: self.strides]

    def convolve(self, images: Any) -> Any:
        return self.mix(self.spread(images))

    def dense_kernel(self) -> Any:
        matrix = self.matrix()[None, None]
        return self.factor["depthwise"] * matrix if self.kernel_size > 1 else matrix

    def mult_adds(self, input_shape: Sequence[int]) -> int:
        channels = input_shape[-1]
        first = sum(math.prod(one.shape) for one in self.spatial_factors(channels).values())
        return (first + self.mix_mult_adds(channels)) * self.pixels(input_shape)


def pointwise(images: Any, matrix: Any) -> Any:
    """The 1×1 convolution with a matrix [c_in, c_out]."""
    return ops.conv(images, ops.expand_dims(matrix, (0, 1)), 1, "valid")


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
        self.group_size = whole("group_size", group_size)

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


def divides(name: str, value: int, channels: int) -> None:
    """Refuse a number that does not divide the channels."""
    if channels % value:
        raise InputError(f"{name} must divide the number of channels, {channels}; received {value}.")


def grouped(images: Any, kernel: Any, convolve: Callable) -> Any:
    """A grouped convolution with a kernel [k, k, c_in / groups, c_out], a group at a time.

    The same numbers as ``ops.conv`` with groups, which on a CPU is compiled by XLA and takes some sixty times as long.
    """
    groups = images.shape[-1] // kernel.shape[2]
    parts = zip(ops.split(images, groups, axis=-1), ops.split(kernel, groups, axis=-1), strict=True)
    return ops.concatenate([convolve(image, part) for image, part in parts], axis=-1)


def block_diagonal(kernel: Any, groups: int) -> Any:
    """The plain kernel [k, k, c_in, c_out] that does what a grouped one [k, k, c_in / groups, c_out] does."""
    size = kernel.shape[2]
    parts = ops.split(kernel, groups, axis=-1)
    frames = [(size * before, size * (groups - 1 - before)) for before in range(groups)]
    padded = [ops.pad(part, ((0, 0), (0, 0), frame, (0, 0))) for part, frame in zip(parts, frames, strict=True)]
    return ops.concatenate(padded, axis=-1)


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
        self.reduction = whole("reduction", reduction)
        divides("reduction", reduction, self.filters)
        self.inner = self.filters // reduction
        self.group_size = None if group_size is None else whole("group_size", group_size)
        divides("group_size", self.group_size or 1, self.inner)
        normalise = partial(keras.layers.BatchNormalization, momentum=0.9, epsilon=1e-5, dtype=self.dtype_policy)
        self.normalisations = [normalise(), normalise()]

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
        inner = ops.relu(first(ops.conv(images, self.factor["down"], 1, "valid")))
        inner = ops.relu(second(grouped(inner, self.factor["middle"], self._slide)))
        return ops.conv(inner, self.factor["up"], 1, "valid")

    def mult_adds(self, input_shape: Sequence[int]) -> int:
        height, width, channels = input_shape
        after = self.kernel_size**2 * (self.group_size or self.inner) + self.filters
        return self.inner * (channels * height * width + after * self.pixels(input_shape))


@register
class Shuffle(Convolution):
    """Grouped 1×1, channel shuffle, k×k within each channel, grouped 1×1 (Zhang et al. 2018, fig. 2, made linear).

    c_in·b/g + k²·b + b·c_out/g weights with b = ⌊c_out / 4⌋ channels between.

    Args:
        groups: g, the groups of both 1×1 convolutions, lowered until it divides c_in, b and c_out.
    """

    hyperparameters = ("groups",)

    def __init__(self, *arguments: Any, groups: int, **options: Any):
        super().__init__(*arguments, **options)
        self.groups = whole("groups", groups)
        if self.filters < 4:
            raise InputError(f"filters of a shuffle convolution must be 4 or more; received {self.filters}.")
        self.inner = self.filters // 4

    def actual_groups(self, channels: int) -> int:
        """The largest number of groups, `groups` at most, that divides all three numbers of channels."""
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
        straight = partial(ops.conv, strides=1, padding="valid")
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


def shuffle(images: Any, groups: int) -> Any:
    """Channels read across groups instead of group by group: channel c of group g becomes channel g of group c."""
    *size, channels = (-1, *images.shape[1:])
    split = ops.reshape(images, (*size, groups, channels // groups))
    return ops.reshape(ops.swapaxes(split, -2, -1), (*size, channels))


@register
class SeparableHashed(Separable):
    """Separable, with the second step hashed: k²·c_in + ⌊ratio·c_in·c_out⌋ weights.

    Args:
        ratio: weights as a fraction of the second step's, in (0, 1].
        hash_seed: decides the hash, as in `Hashed`.
    """

    hyperparameters = ("ratio", "hash_seed")

    def __init__(self, *arguments: Any, ratio: float, hash_seed: int = 0, **options: Any):
        super().__init__(*arguments, **options)
        self.ratio = positive("ratio", ratio)
        self.hash_seed = hash_seed

    def channel_factors(self, channels: int) -> dict[str, Factor]:
        return {"hashed": Factor((fraction(self.ratio, channels * self.filters),), math.sqrt(GAIN / channels))}

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        self.places = deal(self.factor["hashed"].shape[0], (self.channels, self.filters), self.hash_seed)

    def matrix(self) -> Any:
        return ops.take(self.factor["hashed"], self.places)


@register
class LowRank(Separable):
    """Separable, with the second step a product of two matrices: k²·c_in + r(c_in + c_out) weights.

    Tied, the two are one matrix [max(c_in, c_out), r] and its transpose, cut to size: k²·c_in + r·max(c_in, c_out).

    Args:
        rank: r as a fraction of max(c_in, c_out), rounded down to 1 at least; in (0, 1].
        tied: whether the two matrices share their weights.
    """

    hyperparameters = ("rank", "tied")

    def __init__(self, *arguments: Any, rank: float, tied: bool = False, **options: Any):
        super().__init__(*arguments, **options)
        self.rank = positive("rank", rank)
        self.tied = tied

    def channel_factors(self, channels: int) -> dict[str, Factor]:
        large, small = max(channels, self.filters), min(channels, self.filters)
        rank = fraction(self.rank, large)
        if not self.tied:
            contract, expand = math.sqrt(1 / channels), math.sqrt(GAIN / rank)
            return {"contract": Factor((channels, rank), contract), "expand": Factor((rank, self.filters), expand)}
        terms = rank * (channels + (rank + 1) * small / self.filters)  # the diagonal of U·Uᵀ is not centred
        return {"tied": Factor((large, rank), (GAIN / terms) ** 0.25)}

    def pair(self) -> tuple[Any, Any]:
        """The two matrices."""
        if not self.tied:
            return self.factor["contract"], self.factor["expand"]
        tied = ops.convert_to_tensor(self.factor["tied"])
        return tied[: self.channels], ops.transpose(tied[: self.filters])

    def matrix(self) -> Any:
        return ops.matmul(*self.pair())

    def mix(self, images: Any) -> Any:
        contract, expand = self.pair()
        return pointwise(pointwise(images, contract), expand)

    def mix_mult_adds(self, channels: int) -> int:
        return fraction(self.rank, max(channels, self.filters)) * (channels + self.filters)


class Tensorised(Separable):
    """Separable, with the second step's matrix read as a tensor of several dimensions and factorised.

    The tensor is multiplied out before it is applied, so that only weights are saved, not multiplications.

    Args:
        rank: ranks as a fraction of the tensor's dimensions, rounded to 1 at least; in (0, `most`].
        dimensions: of the tensor, ≥ 2.
    """

    hyperparameters = ("rank", "dimensions")
    most = 1.0

    def __init__(self, *arguments: Any, rank: float, dimensions: int = 3, **options: Any):
        super().__init__(*arguments, **options)
        self.rank = positive("rank", rank, self.most)
        if whole("dimensions", dimensions) < 2:
            raise InputError(f"dimensions must be 2 or more; received {dimensions}.")
        self.dimensions = dimensions

    def sizes(self, channels: int) -> list[int]:
        """n_1 … n_d, the tensor's shape."""
        if self.dimensions == 2:
            return [channels, self.filters]
        return tensor_shape(channels * self.filters, self.dimensions)

    def ranks(self, channels: int) -> list[int]:
        """The factorisation's ranks."""
        raise NotImplementedError

    def factor_shapes(self, channels: int) -> list[tuple[int, ...]]:
        """The factors' shapes, in the order in which TensorLy gives them."""
        raise NotImplementedError

    def channel_factors(self, channels: int) -> dict[str, Factor]:
        shapes = self.factor_shapes(channels)
        terms = math.prod(self.ranks(channels))
        stddev = (GAIN / channels / terms) ** (0.5 / len(shapes))
        return {f"factor_{place}": Factor(shape, stddev) for place, shape in enumerate(shapes)}

    def matrix(self) -> Any:
        parts = [self.factor[name] for name in self.factor if name.startswith("factor_")]
        return ops.reshape(self.multiply_out(parts), (self.channels, self.filters))

    def multiply_out(self, factors: list[Any]) -> Any:
        """The tensor's numbers in order, whatever their shape."""
        raise NotImplementedError

    def rounded(self, size: int) -> int:
        """A rank for a dimension of this size."""
        return max(1, round(self.rank * size))


def tensor_shape(number: int, dimensions: int) -> list[int]:
    """Whole numbers of about equal size whose product is the number: each the next divisor of what is left.

    >>> tensor_shape(160 * 320, 3), tensor_shape(64 * 64, 4)
    ([40, 40, 32], [8, 8, 8, 8])
    """
    side = round(number ** (1 / dimensions))
    shape, left = [], number
    for _ in range(dimensions - 1):
        shape.append(next((size for size in range(side, left + 1) if left % size == 0), left))
        left //= shape[-1]
    return [*shape, left]


@register
class Tucker(Tensorised):
    """A core [r_1, …, r_d] and a matrix [n_j, r_j] a dimension: k²·c_in + Π r_j + Σ n_j·r_j weights (Tucker 1966)."""

    def ranks(self, channels: int) -> list[int]:
        return [self.rounded(size) for size in self.sizes(channels)]

    def factor_shapes(self, channels: int) -> list[tuple[int, ...]]:
        ranks = self.ranks(channels)
        return [tuple(ranks), *zip(self.sizes(channels), ranks, strict=True)]

    def multiply_out(self, factors: list[Any]) -> Any:
        tensor, *matrices = factors
        for matrix in matrices:  # the first dimension is used up, a new last one appended
            tensor = ops.matmul(ops.transpose(ops.reshape(tensor, (matrix.shape[1], -1))), ops.transpose(matrix))
        return tensor


@register
class TensorTrain(Tensorised):
    """Cores [r_{j-1}, n_j, r_j] with r_0 = r_d = 1: k²·c_in + Σ r_{j-1}·n_j·r_j weights (Oseledets 2011, eq. 1.2).

    r_j is the fraction `rank` of the smaller of n_j and n_{j+1}, as in the research log.
    """

    def ranks(self, channels: int) -> list[int]:
        sizes = self.sizes(channels)
        return [self.rounded(min(pair)) for pair in itertools.pairwise(sizes)]

    def factor_shapes(self, channels: int) -> list[tuple[int, ...]]:
        ranks = [1, *self.ranks(channels), 1]
        return list(zip(ranks, self.sizes(channels), ranks[1:], strict=False))

    def multiply_out(self, factors: list[Any]) -> Any:
        tensor = factors[0]
        for core in factors[1:]:
            tensor = ops.matmul(ops.reshape(tensor, (-1, core.shape[0])), ops.reshape(core, (core.shape[0], -1)))
        return tensor


@register
class CanonicalPolyadic(Tensorised):
    """A sum of r outer products, a matrix [n_j, r] a dimension: k²·c_in + r·Σ n_j weights (Hitchcock 1927).

    r is the fraction `rank` of the smallest dimension; it may exceed it.
    """

    most = 64.0

    def ranks(self, channels: int) -> list[int]:
        return [self.rounded(min(self.sizes(channels)))]

    def factor_shapes(self, channels: int) -> list[tuple[int, ...]]:
        return [(size, *self.ranks(channels)) for size in self.sizes(channels)]

    def multiply_out(self, factors: list[Any]) -> Any:
        *first, last = factors
        tensor = first[0]
        for matrix in first[1:]:
            tensor = ops.reshape(ops.expand_dims(tensor, 1) * matrix, (-1, last.shape[1]))
        return ops.matmul(tensor, ops.transpose(last))


@register
class ACDC(Separable):
    """Separable, with the second step a chain of diagonal · DCT · diagonal · inverse DCT (Moczulski et al. 2016).

    k²·c_in + 2·layers·N weights, N = max(c_in, c_out): inputs are repeated up to N channels, outputs N / c_out to one
    are added up. Channels are shuffled between layers. The chain is folded into one matrix where an image batch has
    more pixels than there are input channels (a batch of unknown size counts as 32, Keras's default).

    Args:
        layers: links of the chain, 1 to 1,024.
        order: how channels are shuffled: "riffle", "random" (one fixed permutation a link) or "none".
    """

    hyperparameters = ("layers", "order")

    def __init__(self, *arguments: Any, layers: int, order: str = "riffle", **options: Any):
        super().__init__(*arguments, **options)
        self.layers = whole("layers", layers)
        if self.layers > 1024:
            raise InputError(f"layers must be 1,024 or fewer; received {layers}.")
        if order not in ORDERS:
            raise unknown("order of channels", order, ORDERS)
        self.order = order

    def width(self, channels: int) -> int:
        """N."""
        return max(channels, self.filters)

    def channel_factors(self, channels: int) -> dict[str, Factor]:
        width = self.width(channels)
        square_mean = (GAIN * self.filters / width) ** (0.5 / self.layers)  # of one diagonal's entries
        diagonals = Factor((self.layers, width), 0.01 * square_mean**0.5, 0.99995 * square_mean**0.5)
        return {"a": diagonals, "d": diagonals}

    def chain(self, inputs: Any) -> Any:
        """The links, one after the other, applied to the last axis."""
        width = self.width(self.channels)
        dct = ops.convert_to_tensor(cosines(width), self.compute_dtype)
        outputs = ops.take(inputs, np.arange(width) % self.channels, axis=-1)
        for link in range(self.layers):
            if link:
                outputs = ops.take(outputs, ORDERS[self.order](width, link), axis=-1)
            outputs = ops.matmul(outputs * self.factor["a"][link], ops.transpose(dct))
            outputs = ops.matmul(outputs * self.factor["d"][link], dct)
        collect = np.arange(width)[:, None] % self.filters == np.arange(self.filters)
        return ops.matmul(outputs, ops.convert_to_tensor(collect, self.compute_dtype))

    def matrix(self) -> Any:
        return self.chain(ops.eye(self.channels, dtype=self.compute_dtype))

    def mix(self, images: Any) -> Any:
        batch, height, width, channels = images.shape
        return super().mix(images) if (batch or 32) * height * width > channels else self.chain(images)

    def mix_mult_adds(self, channels: int) -> int:
        """The paper's count 4N + 5N·log₂N a link with fast transforms, or the folded matrix's, whichever is less."""
        width = self.width(channels)
        return min(round(self.layers * width * (4 + 5 * math.log2(width))), channels * self.filters)


def cosines(size: int) -> np.ndarray:
    """The orthonormal matrix C of the discrete cosine transform (type 2): C·x transforms a column x; float64."""
    from scipy.fft import dct

    return dct(np.eye(size), axis=0, norm="ortho")


def riffle(size: int) -> np.ndarray:
    """Where each channel comes from when two halves of the deck are interleaved.

    >>> riffle(6).tolist(), riffle(5).tolist()
    ([0, 3, 1, 4, 2, 5], [0, 3, 1, 4, 2])
    """
    return np.argsort(np.concatenate([np.arange(0, size, 2), np.arange(1, size, 2)]))


ORDERS: dict[str, Callable[[int, int], np.ndarray]] = {
    "riffle": lambda size, link: riffle(size),
    "random": lambda size, link: np.random.default_rng(link).permutation(size),
    "none": lambda size, link: np.arange(size),
}


@dataclass(frozen=True)
class Family:
    """A row of the substitution table.

    Attributes:
        name: the word users choose it by.
        layer: the class.
        hyperparameter: the one that sets the number of weights; None where there is none to set.
        kind: int or float.
        low: the smallest value that budgets try.
        high: the largest.
        options: arguments that the family always has.
    """

    name: str
    layer: type[Convolution]
    hyperparameter: str | None = None
    kind: type = float
    low: float = 1e-4
    high: float = 1.0
    options: dict[str, Any] = field(default_factory=dict)

    def __call__(self, value: float | None = None, **options: Any) -> Callable[..., Convolution]:
        """What a network builds its convolutions with: the layer with everything set but ``Conv2D``'s own arguments.

        Raises:
            InputError: a value where none belongs, or none where one does; another family's argument.
        """
        if (value is None) != (self.hyperparameter is None):
            wants = f"takes {self.hyperparameter}, {self.kind.__name__}" if self.hyperparameter else "takes no value"
            raise InputError(f"convolution {self.name!r} {wants}; received {value!r}.")
        others = {name for family in FAMILIES.values() for name in family.layer.hyperparameters}
        for name in others.difference(self.layer.hyperparameters).intersection(options):
            raise InputError(f"convolution {self.name!r} has no {name}; received {options[name]!r}.")
        whole_float = self.kind is int and isinstance(value, float) and value.is_integer()
        chosen = {} if value is None else {self.hyperparameter: int(value) if whole_float else value}
        return partial(self.layer, **({"use_bias": False} | self.options | chosen | options))


# A bias that the log's networks have nowhere else: its hashed layers ignored being told to go without.
BIASED = {"use_bias": True}

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("plain", Plain),
        Family("separable", Separable),
        Family("grouped", Grouped, "group_size", int, 1, 64),
        Family("bottleneck", Bottleneck, "reduction", int, 1, 64),
        Family("shuffle", Shuffle, "groups", int, 1, 64),
        Family("hashed", Hashed, "ratio", options=BIASED),
        Family("separable_hashed", SeparableHashed, "ratio", options=BIASED),
        Family("low_rank", LowRank, "rank"),
        Family("tied_low_rank", LowRank, "rank", options={"tied": True}),
        Family("tucker", Tucker, "rank"),
        Family("tensor_train", TensorTrain, "rank"),
        Family("cp", CanonicalPolyadic, "rank", high=CanonicalPolyadic.most),
        Family("acdc", ACDC, "layers", int, 1, 128),
    )
}
"""The substitution table, by name; a family of one's own may be added."""


def substitute(family: str, value: float | None = None, **options: Any) -> Callable[..., Convolution]:
    """A convolution to build a network with, by its family's name and hyperparameter.

    >>> substitute("shuffle", 4)(64, 3).n_parameters(64)
    656

    Raises:
        InputError: a family that the table does not have, with the nearest; a value that it does not take.
    """
    if family not in FAMILIES:
        raise unknown("convolution", family, FAMILIES)
    return FAMILIES[family](value, **options)
