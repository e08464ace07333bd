"""What all families share, and the dense convolution that they stand for."""
# ruff: noqa: D102 (a method without a docstring does what its base class says)

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from gradbook.errors import InputError
from gradbook.lowrank.arguments import positive_integer, square

GAIN = 2.0  # variance at the output for variance 1 at the input

register = keras.saving.register_keras_serializable("gradbook")


class Factor(NamedTuple):
    """A weight to be made.

    Attributes:
        shape: of the array.
        stddev, mean: of the normal distribution that it starts from.
        shared: whether it stands for more weights; such ones take the smaller decay of :mod:`gradbook.lowrank.distill`.
        trainable: whether training may change it; what it may not is no parameter.
        fan_in: how many numbers each of its outputs is the sum of, where the factors are applied one after the other.
    """

    shape: tuple[int, ...]
    stddev: float
    mean: float = 0.0
    shared: bool = True
    trainable: bool = True
    fan_in: int | None = None


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
        InputError: an argument out of its range; a ChannelsError where other channels would suit the family.
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
        self.filters = positive_integer("filters", filters)
        self.kernel_size = square("kernel_size", kernel_size)
        self.strides = square("strides", strides)
        self.dilation_rate = square("dilation_rate", dilation_rate)
        if padding not in ("valid", "same"):
            raise InputError(f"padding must be 'valid' or 'same'; received {padding!r}.")
        self.padding = padding
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias

    def factors(self, channels: int) -> dict[str, Factor]:
        """Return the weights for an input of so many channels, by name, without the bias."""
        raise NotImplementedError

    def convolve(self, images: Any) -> Any:
        """Apply the convolution without bias and activation."""
        raise NotImplementedError

    def dense_kernel(self) -> Any:
        """Return the kernel [k, k, c_in, c_out] of the plain convolution that does the same."""
        raise NotImplementedError

    def nearest(self, kernel: np.ndarray) -> dict[str, np.ndarray]:
        """Return the weights, by name, that come nearest to a dense kernel [k, k, c_in, c_out]; empty if not known."""
        return {}

    def mult_adds(self, input_shape: Sequence[int]) -> int:
        """Count the multiplications of the convolution of one image [height, width, c_in]; the bias is free."""
        raise NotImplementedError

    def n_parameters(self, channels: int) -> int:
        """Count the trainable numbers for an input of so many channels: the family's formula, and c_out for a bias."""
        factors = self.factors(channels).values()
        return sum(math.prod(one.shape) for one in factors if one.trainable) + self.use_bias * self.filters

    def initializer(self, name: str, factor: Factor) -> Callable:
        """Return what a weight starts from; a family whose weights are not normally distributed says so here."""
        return keras.initializers.RandomNormal(factor.mean, factor.stddev)

    def learning_rates(self) -> dict[str, float]:
        """Return what to multiply the learning rate of each weight by, once built; 1 but for chains of products.

        Adam moves every number by about the learning rate. A factor with the fan-in f, one of m in a chain, takes
        c_in / (f·m), so that the outputs move as those of a dense layer would (Qiu et al. 2024, sec. 3).
        """
        fan_ins = {name: one.fan_in for name, one in self.factors(self.channels).items()}
        links = sum(fan_in is not None for fan_in in fan_ins.values())
        return {name: self.channels / fan_in / links if fan_in else 1.0 for name, fan_in in fan_ins.items()}

    def squared_norm(self) -> Any:
        """Return the squared Frobenius norm of the plain kernel that the layer stands for, once built.

        Half of it times λ is Frobenius decay (Khodak et al. 2021), the decay that a dense layer has.
        """
        return ops.sum(ops.square(self.dense_kernel()))

    def build(self, input_shape: Sequence[int | None]) -> None:
        self.channels = input_shape[-1]
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={-1: self.channels})
        factors = self.factors(self.channels)
        self.factor = {}
        for name, one in factors.items():  # an initializer may look at the factors before
            start = self.initializer(name, one)
            self.factor[name] = self.add_weight(one.shape, start, trainable=one.trainable, name=name)
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
        """Return the output pixels along a side of n input pixels.

        Raises:
            InputError: the kernel reaches further than the side.
        """
        reach = 1 if self.padding == "same" else 1 + self.dilation_rate * (self.kernel_size - 1)
        if n < reach:
            raise InputError(f"each side of an image must have the kernel's {reach} pixels or more; received {n}.")
        return (n - reach) // self.strides + 1

    def pixels(self, input_shape: Sequence[int]) -> int:
        """Return the pixels of the output for an image [height, width, channels]."""
        return self.length(input_shape[0]) * self.length(input_shape[1])

    def get_config(self) -> dict[str, Any]:
        names = ("filters", "kernel_size", "strides", "padding", "dilation_rate", "use_bias", *self.hyperparameters)
        own = {name: getattr(self, name) for name in names}
        return super().get_config() | own | {"activation": keras.activations.serialize(self.activation)}

    def _slide(self, images: Any, kernel: Any, operation: Callable = ops.conv) -> Any:
        form = {"data_format": "channels_last", "dilation_rate": self.dilation_rate}
        return operation(images, kernel, self.strides, self.padding, **form)


def precise(tensor: Any) -> Any:
    """Return a tensor in float32, or as it is in float64: squares of float16 overflow and vanish."""
    return ops.cast(tensor, keras.backend.result_type(tensor.dtype, "float32"))


def fraction(ratio: float, number: int) -> int:
    """Return ⌊ratio · number⌋ but at least 1, whole products staying whole despite binary fractions.

    >>> fraction(1 / 30, 23040), fraction(0.001, 10)
    (768, 1)
    """
    return max(1, math.floor(ratio * number + 1e-6))


@register
class Plain(Convolution):
    """The dense convolution: k²·c_in·c_out weights."""

    def factors(self, channels: int) -> dict[str, Factor]:
        k = self.kernel_size
        stddev = math.sqrt(GAIN / (k * k * channels))
        return {"kernel": Factor((k, k, channels, self.filters), stddev, shared=False)}

    def dense_kernel(self) -> Any:
        return ops.convert_to_tensor(self.factor["kernel"])

    def nearest(self, kernel: np.ndarray) -> dict[str, np.ndarray]:
        return {"kernel": kernel}

    def convolve(self, images: Any) -> Any:
        kernel = self.dense_kernel()
        if self.kernel_size == 1:
            return ops.matmul(images[:, :: self.strides, :: self.strides], kernel[0, 0])
        return self._slide(images, kernel)

    def mult_adds(self, input_shape: Sequence[int]) -> int:
        return self.kernel_size**2 * input_shape[-1] * self.filters * self.pixels(input_shape)
