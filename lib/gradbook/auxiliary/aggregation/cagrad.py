"""CAGrad: the direction near the mean along which the worst task gains most."""

import numpy as np
from scipy.optimize import minimize


def cagrad(gramian: np.ndarray, c: float = 0.5) -> np.ndarray:
    """Return the weights of argmax over d of minᵢ gᵢ·d, where ‖d - g₀‖ ≤ c‖g₀‖ and g₀ is the mean gradient.

    With w = argmin over the simplex of g_w·g₀ + c‖g₀‖‖g_w‖ it is d = g₀ + c‖g₀‖/‖g_w‖ g_w. At c = 0 it is the mean;
    for large c it has the direction of MGDA. Its norm is that of the paper; codes divide by 1 + c or 1 + c².

    Args:
        gramian: [m, m].
        c: c ≥ 0.

    Source: Liu et al. 2021, arXiv 2110.14048.
    """
    count, scaled = len(gramian), gramian / np.trace(gramian)
    mean = np.full(count, 1 / count)
    radius = c * np.sqrt(mean @ scaled @ mean)
    if radius == 0:
        return mean

    def length(w: np.ndarray) -> float:
        return np.sqrt(max(w @ scaled @ w, 1e-30))

    found = minimize(
        lambda w: w @ scaled @ mean + radius * length(w),
        mean,
        jac=lambda w: scaled @ mean + radius * (scaled @ w) / length(w),
        bounds=[(0, 1)] * count,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 500},
    )
    w = np.maximum(found.x, 0) / np.maximum(found.x, 0).sum()
    return mean + radius / length(w) * w
