"""IMTL-G: a direction with equal projections onto all gradients."""

import numpy as np


def imtl_g(gramian: np.ndarray) -> np.ndarray:
    """Return the weights, with sum 1, of a direction d for which d·gᵢ/‖gᵢ‖ is the same for all tasks.

    For two tasks the first weight is ‖g₂‖/(‖g₁‖ + ‖g₂‖), whatever the angle. Weights may be negative.

    Source: Liu et al. 2021, openreview IMPnRXEWpvr.
    """
    norms = np.sqrt(np.diag(gramian))
    weights = np.linalg.pinv(gramian, hermitian=True) @ norms
    total = weights.sum()
    return weights / total if abs(total) * norms.max() > 1e-12 else np.zeros(len(gramian))
