"""Aligned-MTL: gradients made orthogonal and equally long, as little changed as can be."""

import numpy as np


def aligned_mtl(gramian: np.ndarray) -> np.ndarray:
    """Return the weights of the mean of the aligned gradients, whose Gramian has condition number 1.

    With G = V diag(l) Vᵀ the weights are B/m with B = √l_min V diag(l^-½) Vᵀ, over the eigenvalues that are not zero.

    Source: Senushkin et al. 2023, CVPR, with the mean in place of the sum.
    """
    values, vectors = np.linalg.eigh(gramian)
    kept = values > 1e-10 * values[-1]
    values, vectors = values[kept], vectors[:, kept]
    balance = np.sqrt(values[0]) * (vectors / np.sqrt(values)) @ vectors.T
    return balance.mean(axis=1)
