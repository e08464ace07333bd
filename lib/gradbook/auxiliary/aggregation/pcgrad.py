"""PCGrad: every gradient loses what is against the others, one after the other, and the rest is summed."""

import numpy as np


def pcgrad(gramian: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the weights of the sum of the projected gradients.

    Gradient i goes through the others in random order; where what is left of it conflicts with gⱼ, it loses its part
    along gⱼ. For two tasks this is `gradbook.auxiliary.censor`'s projection of each onto the other, summed.

    Source: Yu et al. 2020, arXiv 2001.06782, algorithm 1.
    """
    left = np.eye(len(gramian))
    for i, weights in enumerate(left):
        for j in random.permutation(len(gramian)):
            against = weights @ gramian[j]
            if j != i and against < 0:
                weights[j] -= against / gramian[j, j]
    return left.sum(axis=0)
