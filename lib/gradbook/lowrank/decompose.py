"""Starting weights for a family's layer from a dense kernel that was trained."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from gradbook.errors import InputError

if TYPE_CHECKING:
    from gradbook.lowrank.convs.base import Convolution

SWEEPS = 3  # of alternating improvements after the first guess


def start_from(layer: "Convolution", kernel: np.ndarray) -> float:
    """Give a built layer weights near those of a dense kernel.

    Families that mix channels with a matrix take the nearest separable kernel first, each input channel's filters
    replaced by one k×k filter times a row of the matrix; then the matrix is written as the family writes it.

    Args:
        layer: built, of a family whose nearest weights are known: plain, separable, low rank, Tucker, Tucker-2, tensor
            train, CP, hashed, separable hashed, Monarch, block tensor train, one butterfly, LoRA and DoRA.
        kernel: float [k, k, c_in, c_out].

    Returns:
        ‖layer's kernel − kernel‖ / ‖kernel‖ in the Frobenius norm; 0 for a kernel of zeros that is met.

    Raises:
        InputError: a kernel of another shape than the layer's, another family, or CP without TensorLy.
    """
    k, channels = layer.kernel_size, layer.channels
    if kernel.shape != (k, k, channels, layer.filters):
        raise InputError(f"kernel must have shape {(k, k, channels, layer.filters)}; received {kernel.shape}.")
    weights = layer.nearest(np.asarray(kernel, np.float64))
    if weights.keys() != layer.factor.keys():
        raise InputError(f"the nearest {type(layer).__name__} to a dense kernel is not known; start it at random.")
    for name, value in weights.items():
        layer.factor[name].assign(value)
    reached = ops.convert_to_numpy(layer.dense_kernel())
    return float(np.linalg.norm(reached - kernel) / max(np.linalg.norm(kernel), np.finfo(float).tiny))


def separate(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest separable kernel: filters [k, k, c_in, 1] of norm 1 and a matrix [c_in, c_out]."""
    k, _, channels, filters = kernel.shape
    each = kernel.transpose(2, 0, 1, 3).reshape(channels, k * k, filters)
    left, values, right = np.linalg.svd(each, full_matrices=False)
    depthwise = left[:, :, 0].T.reshape(k, k, channels, 1)
    return depthwise, values[:, :1] * right[:, 0]


def principal(matrix: np.ndarray, rank: int) -> np.ndarray:
    """Return the first left singular vectors [n, rank] of a matrix [n, m], from its products of rows."""
    return np.linalg.eigh(matrix @ matrix.conj().T)[1][:, ::-1][:, :rank]


def product(matrix: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest product of two matrices [n, r] and [r, m]; r is the rank, or min(n, m) if that is less.

    (Eckart and Young 1936.) Singular vectors are taken on the smaller side.

    >>> left, right = product(np.outer([1.0, 2.0], [3.0, 0.0, 1.0]), 1)
    >>> (left @ right).round(6)
    array([[3., 0., 1.],
           [6., 0., 2.]])
    """
    if matrix.shape[0] > matrix.shape[1]:
        left, right = product(matrix.T, rank)
        return right.T, left.T
    left = principal(matrix, rank)
    return left, left.conj().T @ matrix


def spectral_start(layer: "Convolution") -> None:
    """Start a built low-rank layer from the singular values of a random dense matrix.

    The matrix has the normal distribution of a dense layer (variance 2 / c_in), and the two factors share its first
    singular values evenly, UᵀU = VᵀV. Keras' global seed decides (spectral initialisation, Khodak et al. 2021).

    Raises:
        InputError: a layer of another family, or a tied one.
    """
    if {"contract", "expand"} - layer.factor.keys():
        raise InputError(f"layer must be low rank and not tied; received {type(layer).__name__}.")
    stddev = math.sqrt(2 / layer.channels)
    dense = keras.random.normal((layer.channels, layer.filters), stddev=stddev, dtype="float32")
    contract, expand = balanced(ops.convert_to_numpy(dense), layer.factor["contract"].shape[1])
    layer.factor["contract"].assign(contract)
    layer.factor["expand"].assign(expand)


def balanced(matrix: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest product U·Vᵀ of two matrices [n, r] and [r, m] with UᵀU = VᵀV; of lower rank, zeros follow.

    Then ½(‖U‖² + ‖V‖²) is the sum of the product's singular values, and no other factors of it have less.
    """
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    missing = max(0, rank - len(values))
    root = np.sqrt(values[:rank])
    return np.pad(left[:, :rank] * root, [(0, 0), (0, missing)]), np.pad(
        root[:, None] * right[:rank], [(0, missing), (0, 0)]
    )


def blockwise(matrix: np.ndarray, rows: int, columns: int, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the factors of the nearest grid of blocks of a rank: one singular value decomposition for each block.

    The squared error is the sum over the blocks of the squared singular values left out (Dao et al. 2022).

    Args:
        matrix: [n, m], real or complex; rows divide n, columns m. Neighbouring rows belong to one block, and every
            so many-th column.
        rows: K, blocks one below the other.
        columns: J, blocks side by side.
        rank: r of every block, no more than its shorter side.

    Returns:
        Arrays [K, n / K, J·r] and [J, K·r, m / J], as :class:`~gradbook.lowrank.convs.Blockwise` has them.
    """
    blocks = matrix.reshape(rows, matrix.shape[0] // rows, -1, columns).transpose(0, 3, 1, 2)
    left, values, right = np.linalg.svd(blocks, full_matrices=False)
    root = np.sqrt(values[..., :rank])
    first = (left[..., :rank] * root[..., None, :]).transpose(0, 2, 1, 3)
    second = (root[..., None] * right[..., :rank, :]).transpose(1, 0, 2, 3)
    return first.reshape(rows, -1, columns * rank), second.reshape(columns, rows * rank, -1)


def butterfly(matrix: np.ndarray) -> np.ndarray:
    """Return the twiddles [log₂N, 2, 2, N / 2] of a butterfly near a matrix [N, N], N a power of two.

    The last factor is split off by one singular value decomposition for each pair of columns in each half of the rows,
    then the next. A matrix that is a butterfly is found again; for others every split is the best, the product of them
    need not be. (Recursive splits: Le, Zheng, Riccietti and Gribonval 2022.)
    """
    size, twiddles, blocks = len(matrix), [], matrix[None]
    while blocks.shape[-1] > 1:
        half = blocks.shape[-1] // 2
        pairs = blocks.reshape(-1, 2, half, 2, half).transpose(0, 1, 4, 2, 3)  # block, half, pair, row, column
        left, values, right = np.linalg.svd(pairs, full_matrices=False)
        root = np.sqrt(values[..., 0])
        blocks = (root[..., None] * left[..., 0]).transpose(0, 1, 3, 2).reshape(-1, half, half)
        twiddles.append((root[..., None] * right[..., 0, :]).transpose(3, 1, 0, 2).reshape(2, 2, size // 2))
    twiddles[-1] = twiddles[-1] * blocks.reshape(-1, 2).T[None]
    return np.stack(twiddles[::-1])


def tucker(tensor: np.ndarray, ranks: Mapping[int, int]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return a core and orthonormal matrices [n_j, r_j] for the dimensions that have a rank; others stay as they are.

    Higher-order orthogonal iteration (De Lathauwer, De Moor and Vandewalle 2000).
    """
    matrices = {place: principal(_unfold(tensor, place), rank) for place, rank in ranks.items()}
    for _ in range(SWEEPS):
        for place, rank in ranks.items():
            others = {other: matrix for other, matrix in matrices.items() if other != place}
            matrices[place] = principal(_unfold(_project(tensor, others), place), rank)
    return _project(tensor, matrices), list(matrices.values())


def tensor_train(tensor: np.ndarray, ranks: Sequence[int]) -> list[np.ndarray]:
    """Return the cores [r_{j-1}, n_j, r_j] of a tensor train, by one decomposition after the other (Oseledets 2011).

    Args:
        tensor: [n_1, …, n_d].
        ranks: r_1 … r_{d-1}; where the tensor cannot have such a rank the core ends in zeros.
    """
    cores, left, before = [], tensor.reshape(1, -1), 1
    for size, rank in zip(tensor.shape, ranks, strict=False):
        first, rest = product(left.reshape(before * size, -1), rank)
        first, turned = np.linalg.qr(first)  # orthonormal, so that what is left has the singular values
        rest = turned @ rest
        missing = rank - first.shape[1]
        cores.append(np.pad(first, [(0, 0), (0, missing)]).reshape(before, size, rank))
        left, before = np.pad(rest, [(0, missing), (0, 0)]), rank
    return [*cores, left.reshape(before, tensor.shape[-1], 1)]


def _unfold(tensor: np.ndarray, place: int) -> np.ndarray:
    return np.moveaxis(tensor, place, 0).reshape(tensor.shape[place], -1)


def _project(tensor: np.ndarray, matrices: Mapping[int, np.ndarray]) -> np.ndarray:
    for place, matrix in matrices.items():
        tensor = np.moveaxis(np.tensordot(tensor, matrix, (place, 0)), -1, place)
    return tensor
