"""The ledger as one HTML page that needs nothing else: counts, a forest plot, and every claim; and as a badge."""

from collections.abc import Iterator
from html import escape

import pandas as pd

from gradbook.claims.claim import Claims
from gradbook.claims.ledger import summary, text
from gradbook.claims.verdict import NOT_REPRODUCED, REDUCED, REPRODUCED

STYLE = """\
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
svg { max-width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; }
article { border-top: 1px solid #ccc; padding: .5rem 0; } article p { margin: .2rem 0; } small { color: #555; }
.reproduced { color: #005a8c; } .inconclusive { color: #6b6b6b; } .not-reproduced { color: #a34000; }
"""
COLOURS = {REPRODUCED: "#0072B2", NOT_REPRODUCED: "#D55E00"}
OTHER = "#767676"
REACH = 4
"""Tolerances, or half-widths of an interval, that the forest plot shows on either side."""


def page(claims: Claims, ledger: pd.DataFrame, title: str) -> str:
    """Return a page of HTML with every claim's verdict and the numbers behind it.

    Args:
        claims: the claims of the ledger.
        ledger: as `gradbook.claims.audit.compute` gives it.
        title: of the page.
    """
    sentences = {claim.id: claim for claim in claims.claims}
    articles = "\n".join(_article(sentences[row.id], row) for row in ledger.itertuples())
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>
<style>{STYLE}</style></head>
<body>
<h1>{escape(title)}</h1>
<p>{len(ledger)} claims: {summary(ledger["verdict"])}.</p>
{forest(ledger)}
{articles}
</body>
</html>
"""


def _article(claim: object, row: object) -> str:
    kind = row.verdict.removeprefix(REDUCED).replace(" ", "-")
    published = claim.published if isinstance(claim.published, str) else text(row.published)
    facts = {
        "published": published,
        "here": text(row.measured) + ("" if pd.isna(row.low) else f" [{text(row.low)}, {text(row.high)}]"),
        "runs": text(row.runs),
        "p": text(row.p),
        "adjusted": text(row.adjusted),
        "same verdict from other runs": "" if pd.isna(row.firm) else f"{row.firm:.0%}",
        "runs that would decide": text(row.needed),
    }
    numbers = " · ".join(f"{name} {value}" for name, value in facts.items() if value)
    place = " — ".join(filter(None, [claim.citation, claim.place, row.reason]))
    quote = f"<p><q>{escape(claim.quote)}</q></p>" if claim.quote else ""
    return (
        f'<article id="{row.id}"><p><strong class="{kind}">{row.verdict}</strong> {escape(claim.claim)}</p>{quote}'
        f"<p>{escape(numbers)}</p><p><small>{escape(place)}</small></p></article>"
    )


def forest(ledger: pd.DataFrame) -> str:
    """Return a forest plot in SVG: numbers by their tolerance, directions by the half-width of their interval."""
    rows = [*_places(ledger)]
    height = 24 * len(rows) + 40

    def x(place: float) -> float:
        return 560 + 60 * max(-REACH, min(REACH, place))

    marks = []
    for number, (name, verdict, centre, half, band) in enumerate(rows):
        y = 24 * number + 18
        colour = COLOURS.get(verdict.removeprefix(REDUCED), OTHER)
        filled = "white" if verdict.startswith(REDUCED) else colour
        if band:
            marks.append(f'<rect x="{x(-1)}" y="{y - 12}" width="{x(1) - x(-1)}" height="24" fill="#e8e8e8"/>')
        marks.append(f'<text x="300" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
        marks.append(f'<path d="M{x(centre - half):.1f} {y}H{x(centre + half):.1f}" stroke="{colour}"/>')
        marks.append(f'<circle cx="{x(centre):.1f}" cy="{y}" r="4" fill="{filled}" stroke="{colour}"/>')
    axis = f'<path d="M{x(0)} 4V{height - 34}" stroke="#888"/><text x="{x(0)}" y="{height - 12}" text-anchor="middle">'
    label = "measured - published, in tolerances (grey), or on the published side (right) of none, in half-widths"
    return (
        f'<svg viewBox="0 0 860 {height}" role="img" aria-label="Every tested claim: its distance and its interval">'
        f"{''.join(marks)}{axis}{label}</text></svg>"
    )


def _places(ledger: pd.DataFrame) -> Iterator[tuple[str, str, float, float, bool]]:
    for row in ledger[ledger["low"].notna()].itertuples():
        half = (row.high - row.low) / 2
        if pd.notna(row.margin):
            unit = half or abs(row.margin) or 1
            yield row.id, row.verdict, row.margin / unit, half / unit, False
        else:
            unit = row.tolerance or half or 1
            yield row.id, row.verdict, (row.measured - row.published) / unit, half / unit, True


def badge(ledger: pd.DataFrame) -> str:
    """Return a badge in SVG: how many of the claims that were tested are reproduced."""
    verdicts = ledger["verdict"].str.removeprefix(REDUCED)
    good, tested = (verdicts == REPRODUCED).sum(), ledger["measured"].notna().sum()
    label = f"{good} of {tested} claims reproduced"
    width = 7 * len(label) + 12
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{label}">'
        f'<rect width="{width}" height="20" rx="3" fill="#005a8c"/><text x="{width / 2}" y="14" fill="white" '
        f'text-anchor="middle" font-family="Verdana,sans-serif" font-size="11">{label}</text></svg>\n'
    )
