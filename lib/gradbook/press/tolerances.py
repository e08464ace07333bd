"""When a claim's tolerance was set, before or after the first result that it judges: read from the history."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from gradbook.claims.claim import Claim, Mean
from gradbook.errors import InputError
from gradbook.press.checkout import git

CLAIMS = "book/claims.yml"


def dates(root: Path, claims: Iterable[Claim]) -> pd.DataFrame:
    """Return when each tolerance took its present value, and when the first results of its study were committed.

    Args:
        root: of a checkout with its whole history.
        claims: the claims of today; those that are tested on runs and have a tolerance are looked up.

    Returns:
        One row per claim with the columns id, set and results (dates, empty for what is not committed), and order:
        "before" or "after" the results.

    Raises:
        InputError: there is no history, or only a part of it.
    """
    if git(root, "rev-parse", "--is-shallow-repository") != "false\n":
        raise InputError(f"{root} has a part of its history only; git fetch --unshallow gets the rest.")
    commits = [line.split() for line in git(root, "log", "--reverse", "--format=%H %ct", "--", CLAIMS).splitlines()]
    versions = [(int(time), _tolerances(root, commit)) for commit, time in commits]
    rows = []
    for claim in claims:
        if isinstance(claim.test, Mean) and claim.tolerance is not None:
            path = f"book/results/{claim.test.study}.csv"
            times = [int(time) for time in git(root, "log", "--follow", "--format=%ct", "--", path).split()]
            since, first = _since(versions, claim), min(times, default=None)
            before = since is not None and (first is None or since < first)
            rows.append((claim.id, _date(since), _date(first), "before" if before else "after"))
    return pd.DataFrame(rows, columns=["id", "set", "results", "order"])


def _since(versions: list[tuple[int, dict[str, Any]]], claim: Claim) -> int | None:
    """Return the time since which the claim has had its tolerance without a break; none where it is not committed."""
    since = None
    for time, tolerances in versions:
        if tolerances.get(claim.id) != claim.tolerance:
            since = None
        elif since is None:
            since = time
    return since


def _tolerances(root: Path, commit: str) -> dict[str, Any]:
    entries = yaml.safe_load(git(root, "show", f"{commit}:{CLAIMS}"))
    return {entry["id"]: entry.get("tolerance") for entry in entries}


def _date(time: int | None) -> str:
    return "" if time is None else f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d}"
