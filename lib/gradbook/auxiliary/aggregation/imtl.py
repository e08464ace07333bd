"""IMTL-G: a direction with equal projections onto all gradients."""

import numpy as np

from gradbook.auxiliary.aggregation.gramian import cosines


def imtl_g(gramian: np.ndarray) -> np.ndarray:
    """Return the weights, with sum 1, of a direction d for which d·gᵢ/‖gᵢ‖ is the same for all tasks.

    For two tasks the first weight is ‖g₂‖/(‖g₁‖ + ‖g₂‖), whatever the angle. Weights may be negative. All are zero if
    there is no such direction but zero itself, as for opposed gradients.

    Source: Liu et al. 2021, openreview IMPnRXEWpvr.
    """
    angles, norms = cosines(gramian)
    if not np.diag(gramian).all():
        return np.zeros(len(gramian))
    projected = np.linalg.pinv(angles, rcond=1e-6, hermitian=True).sum(axis=1)  # weights of gᵢ/‖gᵢ‖, from C a = 1
    weights = projected / norms
    total = weights.sum()
    exists = np.allclose(angles @ projected, 1, atol=1e-3) and abs(total) > 1e-6 * np.abs(weights).max()
    return weights / total if exists else np.zeros(len(gramian))
