"""The mathematics of verdicts, on plain arrays."""

import numpy as np
from scipy import stats

from gradbook.seeds import generator


def half_width(sample: np.ndarray, confidence: float = 0.95) -> float:
    """Return half of the length of Student's confidence interval for the mean of a sample of two or more numbers.

    >>> round(half_width(np.array([1.0, 2.0, 3.0])), 4)
    2.4841
    """
    return float(stats.t.ppf((1 + confidence) / 2, len(sample) - 1) * stats.sem(sample))


def sign_flip_p(sample: np.ndarray, side: float) -> float:
    """Return how often flipping signs at random gives a mean as far to that side; exact for up to 13 values.

    >>> sign_flip_p(np.array([1.0, 3.0, 2.0]), side=1)
    0.125
    """
    tested = stats.permutation_test(
        (np.sort(sample),),  # where flips are drawn, the order of the runs must not matter
        np.mean,
        permutation_type="samples",
        alternative="greater" if side > 0 else "less",
        random_state=generator(0, "sign flips"),
    )
    return float(tested.pvalue)
