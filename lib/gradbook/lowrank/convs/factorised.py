"""Families whose matrix is a product: of two matrices, or of the factors of a tensor."""
# ruff: noqa: D102 (a method without a docstring does what its base class says)

import itertools
import math
import warnings
from typing import Any

import numpy as np
from keras import ops

from gradbook.errors import InputError, unknown
from gradbook.lowrank import decompose
from gradbook.lowrank.arguments import positive, positive_integer
from gradbook.lowrank.convs.base import GAIN, Factor, fraction, register
from gradbook.lowrank.convs.separable import Separable


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
            return {
                "contract": Factor((channels, rank), contract, fan_in=channels),
                "expand": Factor((rank, self.filters), expand, fan_in=rank),
            }
        terms = rank * (channels + (rank + 1) * small / self.filters)  # the diagonal of U·Uᵀ is not centred
        return {"tied": Factor((large, rank), (GAIN / terms) ** 0.25)}

    def pair(self) -> tuple[Any, Any]:
        """Return the two matrices."""
        if not self.tied:
            return self.factor["contract"], self.factor["expand"]
        tied = ops.convert_to_tensor(self.factor["tied"])
        return tied[: self.channels], ops.transpose(tied[: self.filters])

    def matrix(self) -> Any:
        return ops.matmul(*self.pair())

    def nearest_matrix(self, matrix: np.ndarray) -> dict[str, np.ndarray]:
        if self.tied:
            return {}
        contract, expand = (np.array(ops.convert_to_numpy(one), np.float64) for one in self.pair())
        left, right = decompose.product(matrix, contract.shape[1])
        needed = left.shape[1]  # a larger rank than the matrix can have stays at random on one side, zero on the other
        contract[:, :needed], expand[:needed], expand[needed:] = left, right, 0
        return {"contract": contract, "expand": expand}

    def squared_norm(self) -> Any:
        if self.kernel_size > 1:
            return super().squared_norm()
        contract, expand = (ops.convert_to_tensor(one) for one in self.pair())
        return ops.sum(ops.matmul(ops.transpose(contract), contract) * ops.matmul(expand, ops.transpose(expand)))

    def mix(self, images: Any) -> Any:
        contract, expand = self.pair()
        return ops.matmul(ops.matmul(images, contract), expand)

    def mix_mult_adds(self, channels: int) -> int:
        return fraction(self.rank, max(channels, self.filters)) * (channels + self.filters)


class Tensorised(Separable):
    """Separable, with the second step's matrix read as a tensor of several dimensions and factorised.

    The tensor is multiplied out before it is applied, so that only weights are saved, not multiplications.

    Args:
        rank: ranks as a fraction of the tensor's dimensions, rounded to 1 at least; in (0, `most`].
        dimensions: of the tensor, ≥ 2.

    Raises:
        InputError: a number out of its range.
    """

    hyperparameters = ("rank", "dimensions")
    most = 1.0

    def __init__(self, *arguments: Any, rank: float, dimensions: int = 3, **options: Any):
        super().__init__(*arguments, **options)
        self.rank = positive("rank", rank, self.most)
        if positive_integer("dimensions", dimensions) < 2:
            raise InputError(f"dimensions must be 2 or more; received {dimensions}.")
        self.dimensions = dimensions

    def sizes(self, channels: int) -> list[int]:
        """Return the tensor's shape, n_1 … n_d."""
        if self.dimensions == 2:
            return [channels, self.filters]
        return tensor_shape(channels * self.filters, self.dimensions)

    def ranks(self, channels: int) -> list[int]:
        """Return the factorisation's ranks."""
        raise NotImplementedError

    def factor_shapes(self, channels: int) -> list[tuple[int, ...]]:
        """Return the factors' shapes, in the order in which TensorLy gives them."""
        raise NotImplementedError

    def channel_factors(self, channels: int) -> dict[str, Factor]:
        shapes = self.factor_shapes(channels)
        stddev = (GAIN / channels / self.terms(channels)) ** (0.5 / len(shapes))
        return {f"factor_{place}": Factor(shape, stddev) for place, shape in enumerate(shapes)}

    def terms(self, channels: int) -> int:
        """Return how many products of factors each of the tensor's numbers is the sum of."""
        return math.prod(self.ranks(channels))

    def matrix(self) -> Any:
        parts = [self.factor[name] for name in self.factor if name.startswith("factor_")]
        return ops.reshape(self.multiply_out(parts), (self.channels, self.filters))

    def nearest_matrix(self, matrix: np.ndarray) -> dict[str, np.ndarray]:
        factors = self.decompose(matrix.reshape(self.sizes(self.channels)))
        return {f"factor_{place}": factor for place, factor in enumerate(factors)}

    def decompose(self, tensor: np.ndarray) -> list[np.ndarray]:
        """Return the factors that come nearest to a tensor; empty if not known."""
        return []

    def multiply_out(self, factors: list[Any]) -> Any:
        """Return the tensor's numbers in order, whatever their shape."""
        raise NotImplementedError

    def rounded(self, size: int) -> int:
        """Return a rank for a dimension of this size."""
        return max(1, round(self.rank * size))


def tensor_shape(number: int, dimensions: int) -> list[int]:
    """Return whole numbers of about equal size whose product is the number: each the next divisor of what is left.

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
    """A core [r_1, …, r_d] and matrices [n_j, r_j]: k²·c_in + Π r_j + Σ n_j·r_j weights (Tucker 1966).

    Args:
        core: "full", or "train" for a core that is itself a tensor train, as the research log's was: cores
            [R_{j-1}, r_j, R_j] with R_j = min(n_1 ⋯ n_j, n_{j+1} ⋯ n_d, r_{j+1}·R_{j+1}), in place of Π r_j weights.

    Raises:
        InputError: another core.
    """

    hyperparameters = ("rank", "dimensions", "core")

    def __init__(self, *arguments: Any, core: str = "full", **options: Any):
        super().__init__(*arguments, **options)
        if core not in ("full", "train"):
            raise unknown("core", core, ["full", "train"])
        self.core = core

    def ranks(self, channels: int) -> list[int]:
        return [self.rounded(size) for size in self.sizes(channels)]

    def bonds(self, channels: int) -> list[int]:
        """Return R_0 … R_d, the ranks of a core that is a tensor train."""
        sizes, ranks, bonds = self.sizes(channels), self.ranks(channels), [1]
        for place in range(self.dimensions - 1, 0, -1):
            bonds.insert(0, min(math.prod(sizes[:place]), math.prod(sizes[place:]), ranks[place] * bonds[0]))
        return [1, *bonds]

    def core_shapes(self, channels: int) -> list[tuple[int, ...]]:
        """Return the shapes that the core is stored in."""
        ranks = self.ranks(channels)
        if self.core == "full":
            return [tuple(ranks)]
        bonds = self.bonds(channels)
        return list(zip(bonds, ranks, bonds[1:], strict=False))

    def factor_shapes(self, channels: int) -> list[tuple[int, ...]]:
        matrices = zip(self.sizes(channels), self.ranks(channels), strict=True)
        return [*self.core_shapes(channels), *matrices]

    def terms(self, channels: int) -> int:
        return super().terms(channels) * (math.prod(self.bonds(channels)) if self.core == "train" else 1)

    def decompose(self, tensor: np.ndarray) -> list[np.ndarray]:
        core, matrices = decompose.tucker(tensor, dict(enumerate(self.ranks(self.channels))))
        bonds = self.bonds(self.channels)[1:-1]
        return [*([core] if self.core == "full" else decompose.tensor_train(core, bonds)), *matrices]

    def multiply_out(self, factors: list[Any]) -> Any:
        cores, matrices = factors[: -self.dimensions], factors[-self.dimensions :]
        tensor = chain(cores)
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

    def decompose(self, tensor: np.ndarray) -> list[np.ndarray]:
        return decompose.tensor_train(tensor, self.ranks(self.channels))

    def multiply_out(self, factors: list[Any]) -> Any:
        return chain(factors)


def chain(cores: list[Any]) -> Any:
    """Multiply the cores [r_{j-1}, n_j, r_j] of a tensor train; return the tensor's numbers in order."""
    tensor = cores[0]
    for core in cores[1:]:
        tensor = ops.matmul(ops.reshape(tensor, (-1, core.shape[0])), ops.reshape(core, (core.shape[0], -1)))
    return tensor


@register
class CanonicalPolyadic(Tensorised):
    """A sum of r outer products, matrices [n_j, r]: k²·c_in + r·Σ n_j weights (Hitchcock 1927).

    r is the fraction `rank` of the smallest dimension; it may exceed it.
    """

    most = 64.0

    def ranks(self, channels: int) -> list[int]:
        return [self.rounded(min(self.sizes(channels)))]

    def factor_shapes(self, channels: int) -> list[tuple[int, ...]]:
        return [(size, *self.ranks(channels)) for size in self.sizes(channels)]

    def decompose(self, tensor: np.ndarray) -> list[np.ndarray]:
        try:
            import tensorly
            from tensorly import decomposition
        except ImportError as missing:
            raise InputError("starting CP from dense kernels needs TensorLy; install gradbook[lowrank].") from missing
        tensorly.set_backend("numpy")  # the TensorFlow backend would change how NumPy behaves everywhere
        size = np.linalg.norm(tensor) or 1.0
        with warnings.catch_warnings():  # that a rank exceeds a dimension, which here it may
            warnings.simplefilter("ignore", UserWarning)
            # without a penalty the terms grow without bound and cancel, and no step of training can follow
            _, factors = decomposition.parafac(
                tensor / size, *self.ranks(self.channels), init="svd", random_state=0, l2_reg=1e-6
            )
        return [factor * size ** (1 / len(factors)) for factor in factors]

    def multiply_out(self, factors: list[Any]) -> Any:
        *first, last = factors
        tensor = first[0]
        for matrix in first[1:]:
            tensor = ops.reshape(ops.expand_dims(tensor, 1) * matrix, (-1, last.shape[1]))
        return ops.matmul(tensor, ops.transpose(last))
