"""CAGrad: the direction near the mean along which the worst task gains most."""

from numbers import Real

import numpy as np
from scipy.optimize import minimize

from gradbook.auxiliary.aggregation.dual_cone import dualproj
from gradbook.errors import InputError


def cagrad(gramian: np.ndarray, c: float = 0.5) -> np.ndarray:
    """Return the weights of argmax over d of minᵢ gᵢ·d, where ‖d - g₀‖ ≤ c‖g₀‖ and g₀ is the mean gradient.

    With w = argmin over the simplex of g_w·g₀ + c‖g₀‖‖g_w‖ it is d = g₀ + c‖g₀‖/‖g_w‖ g_w. At c = 0 it is the mean;
    for large c it has the direction of MGDA. Its norm is that of the paper; codes divide by 1 + c or 1 + c².
    Where gradients cancel, g_w = 0, no d lets the worst task gain. Then it is the nearest to g₀ by which none loses.

    Args:
        gramian: [m, m].
        c: c ≥ 0.

    Raises:
        InputError: a negative c.

    Source: Liu et al. 2021, arXiv 2110.14048.
    """
    require_c(c)
    scaled = gramian / np.trace(gramian)
    mean = np.full(len(gramian), 1 / len(gramian))
    radius = c * np.sqrt(max(mean @ scaled @ mean, 0))
    if radius == 0:
        return mean
    w = _of_two(scaled, radius) if len(gramian) == 2 else _of_many(scaled, radius)
    length = _norm(scaled, w)
    if length <= 1e-3 * (w @ np.sqrt(np.diag(scaled))):  # what float32 Gramians can tell from 0
        return dualproj(gramian)
    return mean + radius / length * w


def require_c(c: float) -> None:
    """Require a c ≥ 0.

    Raises:
        InputError: it is none.
    """
    if not (isinstance(c, Real) and c >= 0):
        raise InputError(f"c of cagrad must be 0 or more; received {c!r}.")


def _norm(gramian: np.ndarray, w: np.ndarray) -> float:
    """Return ‖g_w‖."""
    return np.sqrt(max(w @ gramian @ w, 1e-30))


def _of_two(gramian: np.ndarray, radius: float) -> np.ndarray:
    """Return w = (x, 1 - x): with y = x - t/s it is by + r√(sy² + h), whose slope is 0 at one point at most."""
    (uu, uv), (_, vv) = gramian
    b, s, t = (uu - vv) / 2, uu - 2 * uv + vv, vv - uv
    if radius**2 * s <= b**2:
        x = float(b < 0)
    else:
        h = max(vv - t**2 / s, 0)
        x = np.clip(t / s - b * np.sqrt(h / (s * (radius**2 * s - b**2))), 0, 1)
    return np.array([x, 1 - x])


def _of_many(gramian: np.ndarray, radius: float) -> np.ndarray:
    """Return w by sequential quadratic programming from the mean."""
    mean = np.full(len(gramian), 1 / len(gramian))
    found = minimize(
        lambda w: w @ gramian @ mean + radius * _norm(gramian, w),
        mean,
        jac=lambda w: gramian @ mean + radius * (gramian @ w) / _norm(gramian, w),
        bounds=[(0, 1)] * len(gramian),
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 500},
    )
    w = np.maximum(found.x, 0)
    return w / w.sum()
