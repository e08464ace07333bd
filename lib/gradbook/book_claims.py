"""The book's own claims: where they stand, and the evidence that they are judged by."""

from collections.abc import Iterable

import pandas as pd

from gradbook import exact, published
from gradbook.claims import audit, claim
from gradbook.claims.evidence import Evidence, Runs
from gradbook.claims.verdict import OUTCOMES, REDUCED
from gradbook.files import BOOK
from gradbook.studies import results

CLAIMS, LEDGER, TOLERANCES = BOOK / "claims.yml", BOOK / "ledger.csv", BOOK / "tolerances.csv"

PARTS = {
    "1": "Part I, gradients of auxiliary tasks that are censored",
    "2": "Part II, gradients that are predicted",
    "3": "Part III, networks that change while they train",
    "4": "Part IV, convolutions with fewer weights",
}
"""The parts of the book by the first digit of their chapters."""


def runs(study: str) -> Runs:
    """Return the committed runs of one of the book's studies.

    Raises:
        InputError: the book holds no results of that name.
    """
    table = results.load(study)
    return Runs(table, table.defaults.keys(), table.curve)


EVIDENCE = Evidence(runs, published.load, exact.FUNCTIONS)


def compute() -> pd.DataFrame:
    """Return the ledger of the book's claims, by its committed results."""
    return audit.compute(claim.load(CLAIMS).claims, EVIDENCE)


def overview(claims: Iterable[claim.Claim], table: pd.DataFrame) -> dict[str, str]:
    """Return, for each part and for what needs no training, how many claims came out how.

    Args:
        claims: the claims.
        table: their ledger.
    """
    counted = table["id"].isin([one.id for one in claims if isinstance(one.test, claim.Exact)])
    outcome = table["verdict"].str.removeprefix(REDUCED)
    trained = outcome.isin(OUTCOMES) & ~counted
    of_part = {name: trained & table["chapter"].str.startswith(number) for number, name in PARTS.items()}
    said = {name: f"of {rows.sum()} trained claims, {_tally(outcome[rows])}" for name, rows in of_part.items()}
    return said | {"Counts and formulas, without training": _tally(outcome[counted])}


def _tally(outcome: pd.Series) -> str:
    counts = {kind: (outcome == kind).sum() for kind in OUTCOMES}
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "none is decided"
