"""Weights that do not look at the gradients: the sum, the mean, and random ones."""

import numpy as np


def total(gramian: np.ndarray) -> np.ndarray:
    """Weigh every task by 1: the sum of the losses, which is how most networks are trained."""
    return np.ones(len(gramian))


def mean(gramian: np.ndarray) -> np.ndarray:
    """Weigh every task by 1/m."""
    return np.full(len(gramian), 1 / len(gramian))


def random_weighting(gramian: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Weigh the tasks by the softmax of m normal numbers, drawn anew at every step; on average by 1/m.

    Source: Lin et al. 2022, arXiv 2111.10603.
    """
    drawn = np.exp(random.normal(size=len(gramian)))
    return drawn / drawn.sum()
