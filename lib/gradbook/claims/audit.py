"""The audit: every claim against its evidence, which gives the ledger; nothing in here is ever typed."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from gradbook.claims import ledger
from gradbook.claims.claim import Claim, Difference, Exact, Mean
from gradbook.claims.evidence import SEED, Evidence, Runs
from gradbook.claims.ledger import Entry
from gradbook.claims.statistics import half_width, sign_flip_p
from gradbook.claims.verdict import NOT_ATTEMPTED, REDUCED, judge, side
from gradbook.errors import InputError

LEAST = 3
"""Runs, or pairs of runs, below which nothing is concluded."""


def compute(claims: Iterable[Claim], evidence: Evidence) -> pd.DataFrame:
    """Return the ledger of claims, one row each in their order."""
    return ledger.table(examine(claim, evidence) for claim in claims)


def examine(claim: Claim, evidence: Evidence) -> Entry:
    """Return the verdict on one claim, and the numbers behind it.

    Raises:
        InputError: the claim names a study, column, value, metric, row or function that does not exist; says which
            claim.
    """
    try:
        published = evidence.published(claim.chapter) if claim.rows else None
        target, origin = claim.target(published), claim.origin(published)
        found = _measure(claim, evidence, target, origin)
    except InputError as error:
        raise InputError(f"claim {claim.id}: {error}") from None
    number = None if isinstance(target, str) else target
    if "measured" not in found:
        return Entry(claim.id, claim.chapter, NOT_ATTEMPTED, number, **found)
    limits = {"origin": origin, "tolerance": claim.tolerance, "level": claim.level}
    verdict = judge(found["measured"], target, **limits, p=found.get("p"))
    return Entry(claim.id, claim.chapter, (REDUCED if claim.reduced else "") + verdict, number, **found)


def observe(test: Mean, runs: Runs) -> np.ndarray:
    """Return what a test looks at: the values of the runs that it selects, less their partners' for a difference.

    A partner has the values ``against``, and those of the run itself in all other fields and in the seed.

    Raises:
        InputError: no such column, value, metric or curve; runs of several cells for a mean; or runs that the fields
            and the seed do not tell apart.
    """
    values = runs.values(test.metric, test.at)
    chosen = runs.where(**test.where)
    chosen = chosen[chosen.index.isin(values.index)]
    if not isinstance(test, Difference):
        if (cells := len(set(runs.labels(chosen, runs.fields)))) > 1:
            raise InputError(f"a mean needs the runs of one cell; where={test.where} selects {cells} cells.")
        return values[chosen.index].to_numpy(float)
    alike = [name for name in (*runs.fields, SEED) if name not in test.against]
    others = runs.where(**test.against)
    others = others[others.index.isin(values.index)]
    partners = dict(zip(runs.labels(others, alike), values[others.index], strict=True))
    if len(partners) < len(others):
        raise InputError(f"{len(others)} runs with {test.against} have but {len(partners)} cells and seeds.")
    pairs = zip(values[chosen.index], runs.labels(chosen, alike), strict=True)
    return np.array([value - partners[label] for value, label in pairs if label in partners], float)


def _measure(claim: Claim, evidence: Evidence, target: Any, origin: float | None) -> dict[str, Any]:
    """Return the fields of an entry from ``measured`` on, or why there are none."""
    if claim.test is None:
        return {"reason": claim.not_attempted}
    if isinstance(claim.test, Exact):
        return {"measured": evidence.number(claim.test.function, **claim.test.arguments)}
    sample = observe(claim.test, evidence.runs(claim.test.study))
    if len(sample) < LEAST:
        return {"runs": len(sample), "reason": f"{len(sample)} run{'s' * (len(sample) != 1)}"}
    mean, half = sample.mean(), half_width(sample)
    p = sign_flip_p(sample - origin, side(target, origin)) if claim.level else None
    return {"runs": len(sample), "measured": mean, "low": mean - half, "high": mean + half, "p": p}
