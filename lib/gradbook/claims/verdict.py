"""What runs make of a claim: the verdicts, and the rule that gives them."""

import numpy as np

OUTCOMES = ("reproduced", "inconclusive", "not reproduced")
REPRODUCED, INCONCLUSIVE, NOT_REPRODUCED = OUTCOMES
REDUCED, NOT_ATTEMPTED, UNSOURCED = "at reduced scale: ", "not attempted", "unsourced"
VERDICTS = (*OUTCOMES, *(REDUCED + outcome for outcome in OUTCOMES), NOT_ATTEMPTED, UNSOURCED)


def judge(p: float | np.ndarray, contrary: float | np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Return *reproduced* where p is at most the first limit, *not reproduced* where contrary is at most the second.

    Where neither is, the runs are too few, or scatter too much, to say: *inconclusive*.

    >>> judge(np.array([0.001, 0.3, 0.98]), np.array([0.999, 0.7, 0.02]), (0.05, 0.05)).tolist()
    ['reproduced', 'inconclusive', 'not reproduced']
    """
    return np.select([p <= limits[0], contrary <= limits[1]], [REPRODUCED, NOT_REPRODUCED], INCONCLUSIVE)
