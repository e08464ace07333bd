"""Evidence from tidy tables: CSV files with one row per run, and CSV files with one row per published number."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from gradbook.claims.claim import Claims, Mean
from gradbook.claims.evidence import Evidence, Runs
from gradbook.errors import InputError, unknown
from gradbook.untrusted import read_csv

NUMBERS = {"source": "", "setting": "", "unit": ""}
"""Columns that a table of published numbers may lack, and what stands for them."""


def evidence(claims: Claims, runs: Sequence[Path], published: Sequence[Path]) -> Evidence:
    """Return what tables say about claims.

    Where there is one table of a kind, it is the one that claims mean; where there are several, a claim's ``study``
    and ``chapter`` name them, as their files are named.

    Args:
        claims: which say what columns are fields; without a word of theirs, all are but the seed, what is ``shared``,
            and the metrics.
        runs: CSV files with one row per run.
        published: CSV files with the columns quantity and value, and maybe source, setting and unit.

    Raises:
        InputError: a file that cannot be read, lacks a column, or is named as another of its kind.
    """
    tables, numbers = _by_name(runs, read_csv), _by_name(published, _numbers)

    def measured(study: str) -> Runs:
        table = _named(tables, study, "runs", "study")
        if "seed" in claims.model_fields_set and claims.seed not in table:
            raise unknown("column", claims.seed, table)
        tests = [claim.test for claim in claims.claims if isinstance(claim.test, Mean)]
        other = {claims.seed, *(test.metric for test in tests), *(test.shared for test in tests)}
        fields = [name for name in table if name not in other] if claims.fields is None else claims.fields
        return Runs(table, fields, seed=claims.seed)

    return Evidence(measured, lambda chapter: _named(numbers, chapter, "published", "chapter"))


def _by_name(paths: Sequence[Path], read: Callable[[Path], pd.DataFrame]) -> dict[str, pd.DataFrame]:
    names = [path.stem for path in paths]
    if twice := [str(path) for path in paths if names.count(path.stem) > 1]:
        raise InputError(f"tables of a kind must differ in their file names; received {', '.join(twice)}.")
    return dict(zip(names, map(read, paths), strict=True))


def _numbers(path: Path) -> pd.DataFrame:
    table = read_csv(path)
    for name in ("quantity", "value"):
        if name not in table:
            raise InputError(f"{path.name} must have the columns quantity and value; received {', '.join(table)}.")
    return table.assign(**{name: table.get(name, default) for name, default in NUMBERS.items()}).fillna(NUMBERS)


def _named(tables: Mapping[str, pd.DataFrame], name: str, kind: str, field: str) -> pd.DataFrame:
    if not tables:
        raise InputError(f"{kind} must be a file or more, claims refer to them; received none.")
    if len(tables) == 1:
        (table,) = tables.values()
        return table
    if not name:
        raise InputError(f"{field} of a claim must name one of the {kind}, {', '.join(tables)}; received none.")
    if name not in tables:
        raise unknown(field, name, tables)
    return tables[name]
