"""How a layer arranges samples: representational similarity matrices, and how alike two layers are in them."""

import numpy as np

from gradbook.synthetic.without_backward.local import similarities


def similarity_matrix(features: np.ndarray) -> np.ndarray:
    """Return the correlation of every two samples' features (Czarnecki et al. 2017, section 5).

    Args:
        features: [n, …], one layer's outputs.

    Returns:
        [n, n], symmetric, 1 on the diagonal; 0 for a sample whose features are all the same.

    >>> similarity_matrix(np.array([[0.0, 1.0], [1.0, 3.0], [1.0, 0.0]])).round(6)
    array([[ 1.,  1., -1.],
           [ 1.,  1., -1.],
           [-1., -1.,  1.]])
    """
    matrix = np.array(similarities(features.reshape(len(features), -1).astype(np.float64)))
    np.fill_diagonal(matrix, 1.0)
    return matrix


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return the correlation of two similarity matrices over their pairs of different samples, in [-1, 1].

    Where all pairs of a matrix are alike, but for rounding, or there is none, there is no correlation, and it is 0.

    >>> matrix = similarity_matrix(np.eye(4) + np.arange(4))
    >>> round(correlation(matrix, matrix), 6)
    1.0
    """
    pairs = np.triu_indices(len(first), 1)
    sides = first[pairs], second[pairs]
    if any(len(side) == 0 or np.ptp(side) < 1e-12 for side in sides):
        return 0.0
    return float(np.corrcoef(*sides)[0, 1])
