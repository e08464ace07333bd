"""MGDA: the shortest vector in the convex hull of the gradients."""

import numpy as np
from scipy.optimize import nnls

from gradbook.auxiliary.aggregation.gramian import factor


def mgda(gramian: np.ndarray) -> np.ndarray:
    """Return the weights w ≥ 0 with Σ wᵢ = 1 that make ‖Σ wᵢ gᵢ‖ least.

    No task's loss rises along it: gᵢ·d ≥ ‖d‖², with equality where wᵢ > 0. For two tasks u and v the weight of u is
    clip((v - u)·v / ‖u - v‖², 0, 1).

    Source: Désidéri 2012; Sener and Koltun 2018, arXiv 1810.04650.
    """
    # At a fixed sum s, least squares of (Lz, Σz - 1) is s² min‖d‖² + (s - 1)²: its minimum is a multiple of w.
    scaled = gramian / np.trace(gramian)
    tasks = len(gramian)
    z, _ = nnls(np.vstack([factor(scaled), np.ones(tasks)]), np.append(np.zeros(tasks), 1.0), maxiter=30 * tasks)
    return z / z.sum()
