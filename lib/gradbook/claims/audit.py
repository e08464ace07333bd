"""The audit: every claim against the committed results, which gives the ledger; nothing in here is ever typed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError
from scipy import stats

from gradbook.claims import ledger
from gradbook.claims.claim import Claim, Difference, Exact, Fields, Mean, load
from gradbook.claims.ledger import NOT_ATTEMPTED, REDUCED, Entry
from gradbook.claims.statistics import judge, side, sign_flip_p
from gradbook.errors import InputError, unknown
from gradbook.exact import number
from gradbook.experiments import catalogue
from gradbook.studies import results
from gradbook.studies.experiment import Configuration
from gradbook.studies.study import Study, key, seedless
from gradbook.untrusted import refusal

LEAST = 3
"""Runs, or pairs of runs, below which nothing is concluded."""


def observe(test: Mean, study: Study, measured: pd.DataFrame) -> tuple[np.ndarray, int]:
    """What a test looks at.

    Args:
        test: a mean, or a difference.
        study: all that is planned.
        measured: key, seed and value of the runs that have been measured.

    Returns:
        The values of the runs that the test selects, for a difference those less their partners', as far as they were
        measured; and how many there will be.

    Raises:
        InputError: a condition that the study cannot meet, runs of several cells for a mean, or no partners.
    """
    allowed = {field: given if isinstance(given, list) else [given] for field, given in test.where.items()}
    chosen = study.where(*(f"{field}={json.dumps(value)}" for field, values in allowed.items() for value in values))
    values = dict(zip(measured["key"], measured["value"], strict=True))
    runs = {run: one for run, one in chosen.members(measured["seed"]).items() if run in values}
    if isinstance(test, Difference):
        partners = {run: _partner(study, one, test.against) for run, one in runs.items()}
        sample = [values[run] - values[other] for run, other in partners.items() if other in values]
        planned = sum(_partner(study, one, test.against) in study.runs for one in chosen.configurations)
        if not planned:
            raise InputError(f"no run of study {study.name!r} with {test.where} has a partner with {test.against}.")
    else:
        sample, planned = [values[run] for run in runs], len(chosen.configurations)
        if (cells := len({seedless(one) for one in chosen.configurations})) > 1:
            raise InputError(f"a mean needs the runs of one cell; where={test.where} selects {cells} cells.")
    return np.array(sample, float), max(planned, len(sample))


def _partner(study: Study, one: Configuration, against: Fields) -> str:
    return key(study.experiment, type(one).model_validate(one.model_dump() | against))


def examine(claim: Claim, folder: Path = results.FOLDER) -> Entry:
    """The verdict on one claim.

    Args:
        claim: what to test.
        folder: with the results of the studies.

    Raises:
        InputError: the claim names a study, field, metric, row or function that does not exist; says which claim.
    """
    try:
        target, found = claim.target, _measure(claim, folder)
        published = None if isinstance(target, str) else target
        if "measured" not in found:
            return Entry(claim.id, claim.chapter, NOT_ATTEMPTED, published, **found)
        limits = {"origin": claim.origin, "tolerance": claim.tolerance, "level": claim.level}
        verdict = judge(found["measured"], target, **limits, p=found.get("p"))
        return Entry(claim.id, claim.chapter, (REDUCED if claim.reduced else "") + verdict, published, **found)
    except InputError as error:
        raise InputError(f"claim {claim.id}: {error}") from None
    except ValidationError as error:  # of a partner's configuration
        raise InputError(f"claim {claim.id}: against: {refusal(error)}") from None


def _measure(claim: Claim, folder: Path) -> dict[str, Any]:
    """The fields of an entry from ``measured`` on, or why there are none."""
    if claim.test is None:
        return {"reason": claim.not_attempted}
    if isinstance(claim.test, Exact):
        return {"measured": float(number(claim.test.function, **claim.test.arguments))}
    sample, planned = observe(claim.test, catalogue.study(claim.test.study), _measured(claim.test, folder))
    runs = {"runs": len(sample), "planned": planned}
    if len(sample) < LEAST:
        return runs | {"reason": f"{len(sample)} of {planned} runs"}
    mean, half = sample.mean(), stats.t.ppf(0.975, len(sample) - 1) * stats.sem(sample)
    p = sign_flip_p(sample - claim.origin, side(claim.target, claim.origin)) if claim.level else None
    return runs | {"measured": mean, "low": mean - half, "high": mean + half, "p": p}


def _measured(test: Mean, folder: Path) -> pd.DataFrame:
    """Key, seed and value of every committed run of the test's study that has its metric."""
    if not results.keys(test.study, folder):
        return pd.DataFrame(columns=["key", "seed", "value"])
    runs = results.load(test.study, folder)
    if test.at is not None:
        curve = results.load_curves(test.study, test.metric, folder)
        if test.at not in curve:
            raise InputError(f"at must be below {curve.shape[1]}, the length of {test.metric!r}; received {test.at}.")
        return runs[["key", "seed"]].assign(value=curve[test.at]).dropna()
    if test.metric not in runs:
        raise unknown("metric", test.metric, runs)
    return runs[["key", "seed"]].assign(value=runs[test.metric]).dropna()


def compute(claims: list[Claim] | None = None, folder: Path = results.FOLDER) -> pd.DataFrame:
    """The ledger of these claims, or of the book's, by the results in a folder."""
    return ledger.table(examine(claim, folder) for claim in (load() if claims is None else claims))
