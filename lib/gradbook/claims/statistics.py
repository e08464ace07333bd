"""What makes a published claim reproduced: the mathematics of verdicts."""

import numpy as np
from scipy import stats

from gradbook.claims.claim import Direction
from gradbook.claims.ledger import OUTCOMES
from gradbook.seeds import generator


def judge(
    measured: float,
    published: float | Direction,
    *,
    origin: float | None = None,
    tolerance: float | None = None,
    level: float | None = None,
    p: float | None = None,
) -> str:
    """What a measured number makes of a published number or direction: one of `OUTCOMES`.

    *Reproduced* needs the number within the tolerance, or the measured side of the origin to be the published one; and
    p at most the level, where there is one. *Direction only* needs the side.

    >>> judge(0.31, 0.30, tolerance=0.02), judge(0.35, 0.30, tolerance=0.02, origin=0.5)
    ('reproduced', 'direction only')
    >>> judge(-0.1, "greater", origin=0, level=0.05, p=0.97)
    'not reproduced'
    """
    same = origin is not None and side(published, origin) == np.sign(measured - origin) != 0
    near = same if tolerance is None else abs(measured - published) <= tolerance
    sure = level is None or (same and p <= level)
    reproduced, direction_only, not_reproduced = OUTCOMES
    if near and sure:
        return reproduced
    return direction_only if same else not_reproduced


def side(published: float | Direction, origin: float) -> float:
    """1 where what was published lies above the origin, -1 where it lies below, 0 where it is the origin."""
    if isinstance(published, str):
        return 1.0 if published == "greater" else -1.0
    return float(np.sign(published - origin))


def sign_flip_p(sample: np.ndarray, side: float) -> float:
    """How often flipping signs at random gives a mean as far to that side; exact for up to 13 values.

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
