"""Families whose matrix is cut into blocks of low rank: Monarch and the block tensor train."""
# ruff: noqa: D102 (a method without a docstring does what its base class says)

import math
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from gradbook.lowrank import decompose
from gradbook.lowrank.arguments import positive_integer
from gradbook.lowrank.convs.base import GAIN, Factor, register
from gradbook.lowrank.convs.separable import Separable


class Grid(NamedTuple):
    """How a matrix is cut into blocks, and the rank of each of them."""

    rows: int
    columns: int
    rank: int


class Blockwise(Separable):
    """Separable, with the second step's matrix a grid of K×J blocks of rank r: k²·c_in + r(J·c_in + K·c_out) weights.

    Each of K groups of neighbouring inputs is multiplied by a matrix of its own, [c_in / K, J·r]. What comes out is
    sorted into J groups, each multiplied by a matrix [K·r, c_out / J]. Output number l of group j is output l·J + j:
    the outputs of a group are J apart. With K = J = 1 it is the low-rank family.
    """

    def grid(self, channels: int) -> Grid:
        """Return K, J and r."""
        raise NotImplementedError

    def channel_factors(self, channels: int) -> dict[str, Factor]:
        rows, columns, rank = self.grid(channels)
        inside, joined = channels // rows, rows * rank
        return {
            "first": Factor((rows, inside, columns * rank), math.sqrt(1 / inside), fan_in=inside),
            "second": Factor((columns, joined, self.filters // columns), math.sqrt(GAIN / joined), fan_in=joined),
        }

    def matrix(self) -> Any:
        rows, columns, rank = self.grid(self.channels)
        first = ops.reshape(self.factor["first"], (rows, -1, columns, rank))
        second = ops.reshape(self.factor["second"], (columns, rows, rank, -1))
        return ops.reshape(ops.einsum("kijr,jkrl->kilj", first, second), (self.channels, self.filters))

    def mix(self, images: Any) -> Any:
        rows, columns, rank = self.grid(self.channels)
        inputs = ops.transpose(ops.reshape(images, (-1, rows, self.channels // rows)), (1, 0, 2))
        inner = ops.reshape(ops.matmul(inputs, self.factor["first"]), (rows, -1, columns, rank))
        inner = ops.reshape(ops.transpose(inner, (2, 1, 0, 3)), (columns, -1, rows * rank))
        outputs = ops.transpose(ops.matmul(inner, self.factor["second"]), (1, 2, 0))
        return ops.reshape(outputs, (*ops.shape(images)[:-1], self.filters))

    def mix_mult_adds(self, channels: int) -> int:
        rows, columns, rank = self.grid(channels)
        return rank * (columns * channels + rows * self.filters)

    def nearest_matrix(self, matrix: np.ndarray) -> dict[str, np.ndarray]:
        first, second = decompose.blockwise(matrix, *self.grid(self.channels))
        return {"first": first, "second": second}


@register
class Monarch(Blockwise):
    """Separable, with the second step two block-diagonal matrices and a permutation between them (Dao et al. 2022).

    k²·c_in + b·r(c_in + c_out) weights. Both matrices have b blocks, so that the product is a grid of b² blocks of the
    rank r = ⌊min(c_in, c_out) / b²⌋: fewer blocks are more weights. With n = b² channels on either side r is 1, and
    2·n^1.5 weights are left of n².

    Args:
        blocks: b, lowered until it divides c_in and c_out and b² is no more than either.
    """

    hyperparameters = ("blocks",)

    def __init__(self, *arguments: Any, blocks: int, **options: Any):
        super().__init__(*arguments, **options)
        self.blocks = positive_integer("blocks", blocks)

    def grid(self, channels: int) -> Grid:
        common, least = math.gcd(channels, self.filters), min(channels, self.filters)
        most = min(self.blocks, math.isqrt(least))
        blocks = next(blocks for blocks in range(most, 0, -1) if common % blocks == 0)
        return Grid(blocks, blocks, least // blocks**2)


@register
class BlockTensorTrain(Blockwise):
    """Separable, with the second step a tensor train of blocks with two cores (Qiu et al. 2024).

    About k²·c_in + r(c_in·√c_out + c_out·√c_in) weights: c_in and c_out are cut as near to their square roots as whole
    numbers allow. At rank 1 and n = b² channels on either side it is Monarch. Its authors give the cores learning rates
    of their own, see `learning_rates`.

    Args:
        rank: r of every block, lowered to the shorter side of a block.
    """

    hyperparameters = ("rank",)

    def __init__(self, *arguments: Any, rank: int, **options: Any):
        super().__init__(*arguments, **options)
        self.rank = positive_integer("rank", rank)

    def grid(self, channels: int) -> Grid:
        rows, columns = channels // _near_root(channels), _near_root(self.filters)
        return Grid(rows, columns, min(self.rank, channels // rows, self.filters // columns))


def _near_root(number: int) -> int:
    """Return the largest divisor that is no more than the square root."""
    return next(size for size in range(math.isqrt(number), 0, -1) if number % size == 0)
