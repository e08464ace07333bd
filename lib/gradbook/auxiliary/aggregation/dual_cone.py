"""UPGrad and DualProj: projections onto the directions along which no loss rises."""

import numpy as np
from scipy.optimize import nnls

from gradbook.auxiliary.aggregation.gramian import cosines, factor


def project(gramian: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weights of the projection of Σ wᵢ gᵢ onto the dual cone {d : gᵢ·d ≥ 0 for all i}.

    It is Σ vᵢ gᵢ with v = argmin vᵀGv over v ≥ w, solved for gradients of norm 1, so that none is too short to count.
    """
    angles, norms = cosines(gramian)
    half = factor(angles)
    added, _ = nnls(half, -half @ (weights * norms), maxiter=30 * len(norms))
    return weights + added / norms


def upgrad(gramian: np.ndarray) -> np.ndarray:
    """Project every gradient onto the dual cone, and take the mean of the projections.

    No loss rises along it, it is linear in a positive scaling of each gradient, and it is the mean where nothing
    conflicts. For two tasks it is half of PCGrad.

    Source: Quinton and Rey 2024, arXiv 2406.16232.
    """
    return np.mean([project(gramian, one) for one in np.eye(len(gramian))], axis=0)


def dualproj(gramian: np.ndarray) -> np.ndarray:
    """Project the mean gradient onto the dual cone.

    Source: Lopez-Paz and Ranzato 2017, equation 11.
    """
    return project(gramian, np.full(len(gramian), 1 / len(gramian)))
