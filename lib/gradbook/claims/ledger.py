"""The ledger: what became of every claim, as `gradbook.claims.audit` computed it last.

A CSV file with one row per claim::

    id, chapter              as in the file of claims
    verdict                  reproduced, direction only or not reproduced, maybe after "at reduced scale: ";
                             or not attempted
    published, measured      empty where only a direction was published, or nothing was measured
    low, high                95 % interval of the measured mean (Student's t); none for an exact number
    p                        one-sided sign-flip test over runs, for claims with a level
    runs                     runs, or pairs of runs, that were measured
    reason                   why a claim was not attempted
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

import pandas as pd

from gradbook.claims.verdict import VERDICTS
from gradbook.errors import unknown
from gradbook.files import atomic_write

Format = Literal["table", "json", "markdown"]


@dataclass(frozen=True)
class Entry:
    """A row of the ledger."""

    id: str
    chapter: str
    verdict: str
    published: float | None = None
    measured: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    runs: int | None = None
    reason: str = ""


def table(entries: Iterable[Entry]) -> pd.DataFrame:
    """Return the ledger that entries make, in their order."""
    return _typed(pd.DataFrame([asdict(entry) for entry in entries], columns=[field.name for field in fields(Entry)]))


def load(path: Path) -> pd.DataFrame:
    """Return the ledger of a file."""
    rows = pd.read_csv(path, dtype={"reason": str}, keep_default_na=False, na_values=[""])
    return _typed(rows.fillna({"reason": ""}))


def save(ledger: pd.DataFrame, path: Path) -> None:
    """Write a ledger to a file."""
    with atomic_write(path) as file:
        file.write(ledger.to_csv(index=False, float_format="%.10g", lineterminator="\n").encode())


def _typed(ledger: pd.DataFrame) -> pd.DataFrame:
    numbers = dict.fromkeys(("published", "measured", "low", "high", "p"), float)
    return ledger.astype(numbers | {"runs": "Int64"})


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


def render(ledger: pd.DataFrame, form: Format) -> str:
    """Return the ledger as text, as a list of JSON objects, or as a table in Markdown."""
    if form == "json":
        return ledger.to_json(orient="records", indent=1, double_precision=15, force_ascii=False)
    shown = ledger[["id", "published", "measured", "runs", "verdict", "reason"]].astype(object).map(text)
    if form == "table":
        return f"{shown.to_string(index=False)}\n\n{len(ledger)} claims: {summary(ledger['verdict'])}"
    rows = [list(shown), ["---"] * shown.shape[1], *shown.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def text(cell: object) -> str:
    """Return a cell as readers see it: whole numbers whole, others with four digits, nothing where it is missing.

    >>> text(5245638922.0), text(0.0123456), text("reproduced"), text(float("nan"))
    ('5,245,638,922', '0.01235', 'reproduced', '')
    """
    if isinstance(cell, str) or pd.isna(cell):
        return cell if isinstance(cell, str) else ""
    return f"{cell:,.0f}" if cell == round(cell) else f"{cell:.4g}"
