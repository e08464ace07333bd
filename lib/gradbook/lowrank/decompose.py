"""Starting weights for a family's layer from a dense kernel that was trained."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

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
            train, CP, hashed and separable hashed.
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
    return np.linalg.eigh(matrix @ matrix.T)[1][:, ::-1][:, :rank]


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
    return left, left.T @ matrix


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
