"""The ledger for machines: JSON-LD in the words of schema.org, with verdicts in those of CiTO, too."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from gradbook.claims.claim import Claim, Claims
from gradbook.claims.verdict import INCONCLUSIVE, NOT_REPRODUCED, REDUCED, REPRODUCED

CITO = "http://purl.org/spar/cito/"
RATINGS = {NOT_REPRODUCED: (1, "disputes"), INCONCLUSIVE: (2, "discusses"), REPRODUCED: (3, "confirms")}
"""Of each verdict its rating in a ClaimReview, 3 the best, and how the review cites the work in CiTO's words."""


def reviews(
    claims: Claims, ledger: pd.DataFrame, author: str, works: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return a JSON-LD document with a ClaimReview for each claim that has a verdict from runs or counts.

    Args:
        claims: the claims of the ledger.
        ledger: as `gradbook.claims.audit.compute` gives it.
        author: who reviewed.
        works: what readers know a cited work by, for each citation.
    """
    known = {claim.id: claim for claim in claims.claims}
    decided = ledger[ledger["verdict"].str.removeprefix(REDUCED).isin(RATINGS)]
    graph = [_review(known[row.id], row.verdict, author, works or {}) for row in decided.itertuples()]
    return {"@context": ["https://schema.org", {"cito": CITO}], "@graph": graph}


def _review(claim: Claim, verdict: str, author: str, works: Mapping[str, str]) -> dict[str, Any]:
    rating, relation = RATINGS[verdict.removeprefix(REDUCED)]
    work = works.get(claim.citation, claim.citation) or "unnamed work"
    appearance = {
        "@type": "CreativeWork",
        "@id": f"#{claim.id}-source",
        "name": ", ".join(filter(None, [work, claim.place])),
    }
    return {
        "@type": "ClaimReview",
        "@id": f"#{claim.id}",
        "author": {"@type": "Organization", "name": author},
        "claimReviewed": claim.claim,
        "itemReviewed": {
            "@type": "Claim",
            "author": {"@type": "Organization", "name": work},
            "appearance": appearance | ({"text": claim.quote} if claim.quote else {}),
        },
        "reviewRating": {
            "@type": "Rating",
            "ratingValue": rating,
            "worstRating": 1,
            "bestRating": len(RATINGS),
            "alternateName": verdict,
        },
        f"cito:{relation}": {"@id": f"#{claim.id}-source"},
    }
