"""The book's own claims: they cover it, the study plans what they test, and the ledger is that of the results."""

from collections import Counter

import pandas as pd
import pytest

from gradbook import book_claims, exact, experiments
from gradbook.claims import claim, ledger
from gradbook.claims.citations import citations

CLAIMS = claim.load(book_claims.CLAIMS).claims
TESTED = [one for one in CLAIMS if isinstance(one.test, claim.Mean)]


def test_the_claims_cover_the_chapters_and_cite_the_bibliography():
    assert set(Counter(one.chapter[:2] for one in CLAIMS)) == {"10", "11", "12", "20", "30", "40"}
    assert {one.citation for one in CLAIMS} <= set(citations(book_claims.BIBLIOGRAPHY))


def test_every_function_that_gives_an_exact_number_serves_a_claim():
    assert {one.test.function for one in CLAIMS if isinstance(one.test, claim.Exact)} == set(exact.FUNCTIONS)


@pytest.mark.parametrize("one", TESTED, ids=lambda one: one.id)
def test_the_study_plans_the_runs_that_a_claim_tests(one):
    assert experiments.study(one.test.study).select(**one.test.where).runs


def test_the_committed_ledger_is_what_the_claims_and_the_results_give():
    committed, now = ledger.load(book_claims.LEDGER), book_claims.compute()
    assert ledger.changed(committed, now) == [], "gradbook ledger --write renews the ledger"
    pd.testing.assert_frame_equal(committed, now, rtol=1e-5, atol=1e-9)
