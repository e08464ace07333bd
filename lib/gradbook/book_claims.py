"""The book's own claims: where they stand, and the evidence that they are judged by."""

import pandas as pd

from gradbook import exact, published
from gradbook.claims import audit, claim
from gradbook.claims.evidence import Evidence, Runs
from gradbook.files import BOOK
from gradbook.studies import results

CLAIMS, LEDGER, TOLERANCES = BOOK / "claims.yml", BOOK / "ledger.csv", BOOK / "tolerances.csv"
BIBLIOGRAPHY = BOOK / "references.bib"


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
