"""What a measured number makes of a published one: the verdicts, and the rule that gives them."""

from typing import Literal

import numpy as np

Direction = Literal["greater", "less"]

OUTCOMES = ("reproduced", "direction only", "not reproduced")
REDUCED, NOT_ATTEMPTED = "at reduced scale: ", "not attempted"
VERDICTS = (*OUTCOMES, *(REDUCED + outcome for outcome in OUTCOMES), NOT_ATTEMPTED)


def judge(
    measured: float,
    published: float | Direction,
    *,
    origin: float | None = None,
    tolerance: float | None = None,
    level: float | None = None,
    p: float | None = None,
) -> str:
    """Return what a measured number makes of a published number or direction: one of `OUTCOMES`.

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
    """Return 1 where what was published lies above the origin, -1 where it lies below, 0 where it is the origin."""
    if isinstance(published, str):
        return 1.0 if published == "greater" else -1.0
    return float(np.sign(published - origin))
