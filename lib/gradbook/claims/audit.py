"""The audit: every claim against its evidence, which gives the ledger; nothing in here is ever typed."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from gradbook.claims import ledger, statistics
from gradbook.claims.claim import Claim, Difference, Direction, Exact, Mean
from gradbook.claims.evidence import Evidence, Runs
from gradbook.claims.ledger import Entry
from gradbook.claims.statistics import Sample, Test
from gradbook.claims.verdict import (
    INCONCLUSIVE,
    NOT_ATTEMPTED,
    NOT_REPRODUCED,
    REDUCED,
    REPRODUCED,
    UNSOURCED,
    judge,
)
from gradbook.errors import InputError
from gradbook.seeds import generator

LEVEL = 0.05
"""Of false verdicts among those of one kind, *reproduced* or *not reproduced*, the expected fraction that is allowed.

It holds for tests whose p-values are valid. Those of `statistics.prediction` promise no rate of errors, and are
adjusted among themselves, so that they do not loosen the others.
"""

LEAST = 3
"""Runs, or pairs of runs, below which nothing is concluded."""

REPETITIONS = 1000
"""Times that a claim's runs are drawn anew, to see how firm its verdict is."""

MOST = 1000
"""Runs up to which those are counted that would decide a claim."""


def compute(claims: Iterable[Claim], evidence: Evidence) -> pd.DataFrame:
    """Return the ledger of claims, one row each in their order.

    Raises:
        InputError: a claim names a study, column, value, metric, row or function that does not exist; says which.
    """
    findings = [_find(claim, evidence) for claim in claims]
    tested = [finding for finding in findings if finding.test]
    tests, predictions = ([one for one in tested if one.predicts == predicts] for predicts in (False, True))
    decided = {entry.id: entry for family in (tests, predictions) for entry in _decided(family)}
    return ledger.table(decided.get(finding.entry.id, finding.entry) for finding in findings)


def _decided(family: "list[_Finding]") -> Iterator[Entry]:
    """Yield the entries of tests whose p-values are adjusted together."""
    p, contrary = (np.array([getattr(one.test, name) for one in family], float) for name in ("p", "contrary"))
    limits = statistics.limit(p, LEVEL), statistics.limit(contrary, LEVEL)
    both = zip(family, statistics.adjusted(p), statistics.adjusted(contrary), strict=True)
    yield from (_decide(one, limits, p, contrary) for one, p, contrary in both)


def observe(test: Mean, runs: Runs) -> np.ndarray:
    """Return what a test looks at: the values of the runs that it selects, less their partners' for a difference.

    A partner has the values ``against``, and those of the run itself in all other fields and in the seed; no run is its
    own. What shares a value in the test's column ``shared`` is averaged. A seed that lacks one of the cells of others
    is left out, or the mean over seeds would mix differences between cells into its spread.

    Returns:
        One number for each value of that column, in increasing order.

    Raises:
        InputError: no such column, value, metric or curve; runs of several cells for a mean; runs that the fields and
            the seed do not tell apart; fields in which no run has a partner; or no seed that has all cells.
    """
    values = runs.values(test.metric, test.at)
    chosen = runs.where(**test.where)
    chosen = chosen[chosen.index.isin(values.index)]
    partners: np.ndarray | float = 0.0
    if isinstance(test, Difference):
        chosen = chosen.drop(runs.where(**test.where | test.against).index, errors="ignore")
        partners = _partners(test, runs, values, chosen)
    elif differing := [name for name in runs.fields if len(set(runs.labels(chosen, [name]))) > 1]:
        several = ", ".join(differing)
        raise InputError(f"a mean needs the runs of one cell; where={test.where} leaves several values of {several}.")
    found = (values[chosen.index] - partners).dropna()
    shared = test.shared or runs.seed
    if shared == runs.seed and shared not in chosen:
        return np.sort(found)
    chosen = chosen.loc[found.index]
    labels = pd.Series(runs.labels(chosen, [shared]), found.index, dtype=object)
    if shared == runs.seed:
        found = found[_whole(runs, chosen, labels)]
    return np.sort(found.groupby(labels[found.index], sort=False).mean())


def _whole(runs: Runs, chosen: pd.DataFrame, seeds: pd.Series) -> pd.Series:
    """Return which runs are of a seed that has all cells."""
    cells = pd.Series(runs.labels(chosen, list(runs.fields)), chosen.index, dtype=object)
    if (twice := pd.DataFrame({"cell": cells, "seed": seeds}).duplicated()).any():
        raise InputError(f"runs must differ in a field or in the seed; received two of {cells[twice].iloc[0]}.")
    whole = cells.groupby(seeds).transform("size") == cells.nunique()
    if len(chosen) and not whole.any():
        raise InputError(f"a seed must have all {cells.nunique()} cells that are compared; received none that has.")
    return whole


def _partners(test: Difference, runs: Runs, values: pd.Series, chosen: pd.DataFrame) -> np.ndarray:
    alike = [name for name in (*runs.fields, runs.seed) if name not in test.against]
    others = runs.where(**test.against)
    others = others[others.index.isin(values.index)]
    known = dict(zip(runs.labels(others, alike), values[others.index], strict=True))
    if len(known) < len(others):
        raise InputError(f"{len(others)} runs with {test.against} have but {len(known)} cells and seeds.")
    sides = [{name: {*runs.labels(side, [name])} for name in runs.fields} for side in (chosen, others)]
    apart = [name for name in alike if name in runs.fields and not sides[0][name] & sides[1][name]]
    if len(chosen) and len(others) and apart:
        raise InputError(
            f"runs with {test.where} and with {test.against} share no value of {', '.join(apart)}; against must name "
            "what differs, and fields only what was chosen."
        )
    return np.array([known.get(label, np.nan) for label in runs.labels(chosen, alike)], float)


@dataclass(frozen=True)
class _Finding:
    """What was found for one claim before its verdict.

    Attributes:
        entry: its row of the ledger; the verdict is final where there is no test.
        values: what the test looks at.
        question: the test, for any sample.
        test: its result for these values.
    """

    entry: Entry
    values: np.ndarray | None = None
    question: Callable[[Sample], Test] | None = None
    test: Test | None = None

    @property
    def predicts(self) -> bool:
        """Whether the test is a `statistics.prediction`, alone or with a direction."""
        return self.test.tails == 2


def _find(claim: Claim, evidence: Evidence) -> _Finding:
    try:
        table = evidence.published(claim.chapter) if claim.rows else None
        target = claim.target(table)
        number = claim.origin(table) if target == "same" else None if isinstance(target, str) else target
        entry = Entry(claim.id, claim.chapter, NOT_ATTEMPTED, number, claim.tolerance)
        if not claim.sourced:
            return _Finding(replace(entry, verdict=UNSOURCED))
        if claim.test is None:
            return _Finding(replace(entry, reason=claim.not_attempted))
        if isinstance(claim.test, Exact):
            measured = evidence.number(claim.test.function, **claim.test.arguments)
            agrees = abs(measured - target) <= claim.tolerance
            verdict = _reduced(claim, REPRODUCED if agrees else NOT_REPRODUCED)
            return _Finding(replace(entry, verdict=verdict, measured=measured))
        values = observe(claim.test, evidence.runs(claim.test.study))
        question = _question(target, claim, table)
    except InputError as error:
        raise InputError(f"claim {claim.id}: {error}") from None
    if len(values):
        entry = replace(entry, measured=values.mean())
        if target in ("greater", "less"):
            margin = (entry.measured - claim.origin(table)) * (1 if target == "greater" else -1)
            entry = replace(entry, margin=margin)
    entry = replace(entry, runs=len(values))
    if len(values) < LEAST:
        verdict = _reduced(claim, INCONCLUSIVE) if len(values) else NOT_ATTEMPTED
        return _Finding(replace(entry, verdict=verdict, reason=f"{len(values)} run{'s' * (len(values) != 1)}"))
    return _Finding(replace(entry, verdict=_reduced(claim, "")), values, question, question(Sample.of(values)))


def _reduced(claim: Claim, verdict: str) -> str:
    return (REDUCED if claim.reduced else "") + verdict


def _question(target: float | Direction, claim: Claim, table: pd.DataFrame | None) -> Callable[[Sample], Test]:
    """Return the test that decides a claim: of the direction, of the size, or of both."""
    origin, tolerance = claim.origin(table), claim.tolerance
    if target in ("greater", "less"):
        return lambda sample: statistics.direction(sample, origin, 1 if target == "greater" else -1)
    if target == "same":
        return lambda sample: statistics.agreement(sample, origin, tolerance, deviation=0)
    spread, runs = claim.deviation(table), claim.published_runs
    side = None if origin is None or origin == target else math.copysign(1, target - origin)

    def question(sample: Sample) -> Test:
        if spread is None:
            size = statistics.prediction(sample, target, tolerance, runs)
        else:
            size = statistics.agreement(sample, target, tolerance, spread, runs)
        return size if side is None else statistics.every(statistics.direction(sample, origin, side), size)

    return question


def _decide(finding: _Finding, limits: tuple[float, float], p: float, contrary: float) -> Entry:
    """Return the entry with its verdict, given the adjusted p-values and what raw ones they allow."""
    entry, values, test = finding.entry, finding.values, finding.test
    verdict = str(judge(test.p, test.contrary, limits))
    anew = finding.question(statistics.resampled(values, REPETITIONS, generator(0, "resampling", entry.id)))
    half = statistics.half_width(test, LEVEL)
    return replace(
        entry,
        verdict=entry.verdict + verdict,
        low=entry.measured - half,
        high=entry.measured + half,
        p=float(test.p),
        adjusted=float(p),
        contrary=float(test.contrary),
        contrary_adjusted=float(contrary),
        firm=float(np.mean(judge(anew.p, anew.contrary, limits) == verdict)),
        needed=_needed(finding, limits) if verdict == INCONCLUSIVE else None,
    )


def _needed(finding: _Finding, limits: tuple[float, float]) -> int | None:
    """Return how many runs would decide if they went on as they began, or none where `MOST` would not."""
    mean, deviation, size = Sample.of(finding.values)
    sizes = np.arange(size + 1, MOST + 1)
    test = finding.question(Sample(mean, deviation, sizes))
    deciding = judge(test.p, test.contrary, limits) != INCONCLUSIVE
    return int(sizes[deciding.argmax()]) if deciding.any() else None
