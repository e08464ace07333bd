"""The ledger: what became of every claim, as `gradbook.claims.audit` computed it last.

A CSV file with one row per claim::

    id, chapter              as in the file of claims
    verdict                  reproduced, inconclusive or not reproduced, maybe after "at reduced scale: ";
                             not attempted; or unsourced, where nobody has read what the claim rests on
    published, tolerance     the number, or the origin of a claim of no difference; empty for other directions
    measured                 empty where nothing was measured
    margin                   how far it lies on the published side of the origin, for a direction
    low, high                90 % interval of the measured mean (Student's t), as wide as the published number's own
                             spread makes it; 95 % prediction interval for a number without one; none for exact ones
    p, adjusted              of the test that the claim holds, alone and among all claims of its kind, predictions or
                             others (Benjamini and Hochberg)
    contrary, contrary_adjusted    of the test that it does not hold
    runs                     runs, or pairs of runs, that were measured; what shares its randomness counts once
    firm                     how often the verdict is the same if the runs are drawn anew from those at hand
    needed                   runs that would decide an inconclusive claim if they went on like this, up to 1,000
    reason                   why a claim was not attempted
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

import pandas as pd

from gradbook.claims.verdict import VERDICTS
from gradbook.errors import InputError, unknown
from gradbook.files import atomic_write
from gradbook.untrusted import read_csv, reading

Format = Literal["table", "json", "markdown"]


@dataclass(frozen=True)
class Entry:
    """A row of the ledger."""

    id: str
    chapter: str
    verdict: str
    published: float | None = None
    tolerance: float | None = None
    measured: float | None = None
    margin: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    adjusted: float | None = None
    contrary: float | None = None
    contrary_adjusted: float | None = None
    runs: int | None = None
    firm: float | None = None
    needed: int | None = None
    reason: str = ""


def table(entries: Iterable[Entry]) -> pd.DataFrame:
    """Return the ledger that entries make, in their order."""
    return _typed(pd.DataFrame([asdict(entry) for entry in entries], columns=[field.name for field in fields(Entry)]))


def load(path: Path) -> pd.DataFrame:
    """Return the ledger of a file.

    Raises:
        InputError: the file cannot be read, or is no ledger.
    """
    words = {field.name: str for field in fields(Entry) if field.type is str}  # even where they look like numbers
    rows = read_csv(path, words)
    if missing := [field.name for field in fields(Entry) if field.name not in rows]:
        raise InputError(f"{path.name} is no ledger: it lacks the column {missing[0]}.")
    with reading(path, f"{path.name} is no ledger"):
        return _typed(rows.fillna({"chapter": "", "reason": ""}))


def save(ledger: pd.DataFrame, path: Path) -> None:
    """Write a ledger to a file."""
    with atomic_write(path) as file:
        file.write(ledger.to_csv(index=False, float_format="%.10g", lineterminator="\n").encode())


def _typed(ledger: pd.DataFrame) -> pd.DataFrame:
    kinds = {field.name: {float | None: float, int | None: "Int64"}.get(field.type, str) for field in fields(Entry)}
    return ledger.astype(kinds)


def changed(committed: pd.DataFrame, now: pd.DataFrame) -> list[str]:
    """Return a line for each claim whose verdict is not the committed one."""
    before, after = (ledger.set_index("id")["verdict"].to_dict() for ledger in (committed, now))
    return [
        f"{name}: {before.get(name, 'not in the ledger')} → {after.get(name, 'no longer claimed')}"
        for name in before | after
        if before.get(name) != after.get(name)
    ]


def verdict(chapter: str, path: Path) -> str:
    """Return a chapter's verdicts, counted: "7 claims: 5 reproduced; 2 not attempted".

    Raises:
        InputError: the ledger has no claim of that chapter.
    """
    ledger = load(path)
    verdicts = ledger.loc[ledger["chapter"] == chapter, "verdict"]
    if verdicts.empty:
        raise unknown("chapter of the ledger", chapter, sorted(set(ledger["chapter"])))
    return f"{len(verdicts)} claim{'s' * (len(verdicts) > 1)}: {summary(verdicts)}"


def summary(verdicts: pd.Series) -> str:
    """Return how many there are of each verdict, in the order of success."""
    counts = verdicts.value_counts()
    return "; ".join(f"{counts[name]} {name}" for name in VERDICTS if name in counts)


def render(ledger: pd.DataFrame, form: Format, width: int | None = None) -> str:
    """Return the ledger as text, as a list of JSON objects, or as a table in Markdown.

    Args:
        ledger: the ledger.
        form: which of them.
        width: columns that a line of text may have; ids are cut where they are too long.
    """
    if form == "json":
        return ledger.to_json(orient="records", indent=1, double_precision=15, force_ascii=False)
    shown = ledger[["id", "verdict", "published", "measured", "runs", "firm"]].astype(object).map(text)
    if form == "markdown":
        rows = [list(shown), ["---"] * shown.shape[1], *shown.to_numpy().tolist()]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)
    lines = _columns(shown, width)
    return "\n".join([*lines, "", f"{len(ledger)} claims: {summary(ledger['verdict'])}"])


def _columns(shown: pd.DataFrame, width: int | None) -> list[str]:
    """Return the lines of a table whose first column gives way where they would be too long."""
    widths = [max(map(len, [name, *shown[name]])) for name in shown]
    if width:
        widths[0] = max(12, min(widths[0], width - sum(widths[1:]) - 2 * len(widths[1:])))
    rows = [list(shown), *shown.to_numpy().tolist()]
    return ["  ".join(map(_cut, row, widths)).rstrip() for row in rows]


def _cut(cell: str, width: int) -> str:
    return (cell if len(cell) <= width else f"{cell[: width - 1]}…").ljust(width)


def text(cell: object) -> str:
    """Return a cell as readers see it: whole numbers whole, others with four digits, nothing where it is missing.

    >>> text(5245638922.0), text(0.0123456), text("reproduced"), text(float("nan"))
    ('5,245,638,922', '0.01235', 'reproduced', '')
    """
    if isinstance(cell, str) or pd.isna(cell):
        return cell if isinstance(cell, str) else ""
    return f"{cell:,.0f}" if cell == round(cell) else f"{cell:.4g}"
