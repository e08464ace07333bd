"""Families that leave a dense kernel as it is and train a small change of it."""
# ruff: noqa: D102 (a method without a docstring does what its base class says)

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from gradbook.lowrank.arguments import positive, positive_integer
from gradbook.lowrank.convs.base import GAIN, Factor, Plain, precise, register


@register
class LoRA(Plain):
    """A frozen dense kernel and a trained change of low rank, W + α/r·A·B: r(k²·c_in + c_out) weights (Hu et al. 2022).

    The kernel is read as a matrix [k²·c_in, c_out]; A is [k²·c_in, r], a convolution to r channels, and B [r, c_out].
    (Hu's own code cuts convolutions in another way, with k·r columns in A.) B starts at zero, so the layer starts as
    its frozen kernel, which :func:`~gradbook.lowrank.compression.compress` takes from the trained network. It saves
    weights that are trained, none that are stored, and no multiplications: the change is added to the kernel.

    Args:
        rank: r ≥ 1.
        alpha: α above 0 and not above 1,024; None: r.
    """

    hyperparameters = ("rank", "alpha")

    def __init__(self, *arguments: Any, rank: int, alpha: float | None = None, **options: Any):
        super().__init__(*arguments, **options)
        self.rank = positive_integer("rank", rank)
        self.alpha = None if alpha is None else positive("alpha", alpha, 1024)

    def factors(self, channels: int) -> dict[str, Factor]:
        k, inputs = self.kernel_size, self.kernel_size**2 * channels
        return {
            "base": Factor((k, k, channels, self.filters), math.sqrt(GAIN / inputs), shared=False, trainable=False),
            "down": Factor((inputs, self.rank), math.sqrt(1 / inputs)),
            "up": Factor((self.rank, self.filters), 0.0),
        }

    def dense_kernel(self) -> Any:
        base = ops.convert_to_tensor(self.factor["base"])
        scale = 1.0 if self.alpha is None else self.alpha / self.rank
        return base + scale * ops.reshape(ops.matmul(self.factor["down"], self.factor["up"]), base.shape)

    def nearest(self, kernel: np.ndarray) -> dict[str, np.ndarray]:
        down, up = (ops.convert_to_numpy(self.factor[name]) for name in ("down", "up"))
        return {"base": kernel, "down": down, "up": np.zeros_like(up)}


@register
class DoRA(LoRA):
    """LoRA with the norms trained apart, m·(W + α/r·A·B) / ‖W + α/r·A·B‖: c_out more weights (Liu et al. 2024).

    There is one norm and one magnitude m for each output channel, as in the code of its authors, whose paper writes
    matrices the other way round. m starts as the norms of W. The gradient passes through the norm.
    """

    def factors(self, channels: int) -> dict[str, Factor]:
        return super().factors(channels) | {"magnitude": Factor((self.filters,), 0.0, shared=False)}

    def initializer(self, name: str, factor: Factor) -> Callable:
        if name != "magnitude":
            return super().initializer(name, factor)
        return lambda shape, dtype=None: ops.cast(norms(self.factor["base"]), dtype)

    def dense_kernel(self) -> Any:
        moved = super().dense_kernel()
        scaled = precise(self.factor["magnitude"]) * precise(moved) / norms(moved)
        return ops.cast(scaled, moved.dtype)

    def nearest(self, kernel: np.ndarray) -> dict[str, np.ndarray]:
        return super().nearest(kernel) | {"magnitude": ops.convert_to_numpy(norms(kernel))}


def norms(kernel: Any) -> Any:
    """Return the norm of a kernel [k, k, c_in, c_out] for each output channel, at least 1e-15, in float32 or better."""
    kernel = precise(ops.convert_to_tensor(kernel))
    return ops.sqrt(ops.maximum(ops.sum(ops.square(kernel), (0, 1, 2)), 1e-30))
