"""Nash-MTL: the bargain in which each task's gain is the reciprocal of its weight."""

import numpy as np


def nash_mtl(gramian: np.ndarray) -> np.ndarray:
    """Return the weights α > 0 with Gα = 1/α, the minimum of αᵀGα/2 - Σ log αᵢ.

    So gᵢ·d = 1/αᵢ and ‖d‖² = m, and the direction does not change when a loss is multiplied by a positive number.
    Newton's method with steps damped by the decrement λ, 1/(1 + λ), converges from anywhere, since the function is
    self-concordant. A task with no gradient is left out, with weight 0; where gradients are opposed, so that no
    direction serves all, there is no bargain and all weights are 0.

    Source: Navon et al. 2022, arXiv 2202.01017.
    """
    norms = np.sqrt(np.diag(gramian))
    used = norms > 0
    cosines = gramian[np.ix_(used, used)] / np.outer(norms[used], norms[used])
    weights = np.zeros(len(gramian))
    weights[used] = _bargain(cosines) / norms[used]
    return weights


def _bargain(cosines: np.ndarray) -> np.ndarray:
    """Return α for gradients of norm 1, or zeros where there is no bargain; for two it is 1/√(1 + cosine) for both."""
    if len(cosines) == 2:
        room = 1 + cosines[0, 1]
        return np.full(2, 1 / np.sqrt(room) if room > 1e-12 else 0.0)
    alpha, decrement = np.ones(len(cosines)), np.inf
    for _ in range(200):
        slope, hessian = cosines @ alpha - 1 / alpha, cosines + np.diag(alpha**-2.0)
        try:
            step = np.linalg.solve(hessian, slope)
        except np.linalg.LinAlgError:
            break
        decrement = np.sqrt(max(slope @ step, 0))
        alpha = alpha - step / (1 + decrement)
        if decrement < 1e-12:
            break
    return alpha if decrement < 1e-6 else np.zeros(len(alpha))
