"""Where the matrices of deep networks start, drawn in float64 as arrays [n, inputs, outputs] or [inputs, outputs]."""

import numpy as np
from scipy import stats

from gradbook.errors import InputError

Shape = tuple[int, ...]


def truncated_normal(shape: Shape, draw: np.random.Generator) -> np.ndarray:
    """Draw from a normal distribution of standard deviation 0.1, cut off at twice that.

    Source: the notebook GradNets.ipynb of ZhangBanger's highway-vs-gradnet (2015).
    """
    return stats.truncnorm.rvs(-2, 2, scale=0.1, size=shape, random_state=draw)


def he(shape: Shape, draw: np.random.Generator) -> np.ndarray:
    """Draw from a normal distribution of variance 2/inputs (He et al. 2015)."""
    return draw.normal(scale=np.sqrt(2 / shape[-2]), size=shape)


def orthogonal(shape: Shape, draw: np.random.Generator) -> np.ndarray:
    """Draw matrices whose columns are orthonormal, uniformly.

    Raises:
        InputError: more outputs than inputs.
    """
    if shape[-1] > shape[-2]:
        raise InputError(f"shape of orthonormal columns must have no more outputs than inputs; received {shape}.")
    q, r = np.linalg.qr(draw.normal(size=shape))
    return q * np.sign(np.diagonal(r, axis1=-2, axis2=-1))[..., None, :]
