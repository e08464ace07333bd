"""Aligned-MTL: gradients made orthogonal and equally long, as little changed as can be."""

import numpy as np

from gradbook.auxiliary.aggregation.gramian import cosines


def aligned_mtl(gramian: np.ndarray) -> np.ndarray:
    """Return the weights of the mean of the aligned gradients, whose Gramian has condition number 1.

    With G = V diag(l) Vᵀ the weights are B/m with B = √l_min V diag(l^-½) Vᵀ, over the eigenvalues that are not zero.
    They are as many as the matrix of cosines has, in which rounding to float32 leaves up to 10⁻⁶.

    Source: Senushkin et al. 2023, CVPR, with the mean in place of the sum.
    """
    values, vectors = np.linalg.eigh(gramian)
    angles, _ = cosines(gramian)
    zeros = np.count_nonzero(np.linalg.eigvalsh(angles) < 1e-6 * len(gramian))
    values, vectors = values[zeros:], vectors[:, zeros:]
    balance = np.sqrt(values[0]) * (vectors / np.sqrt(values)) @ vectors.T
    return balance.mean(axis=1)
