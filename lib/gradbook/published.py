"""Numbers that others published: one table per chapter, ``book/published/NN_name.csv``."""

import pandas as pd

from gradbook.errors import unknown
from gradbook.files import BOOK


def load(name: str) -> pd.DataFrame:
    """Return the published numbers that a chapter compares itself with.

    Args:
        name: the chapter, such as "10_concept".

    Returns:
        One row per number, with the columns source, quantity, setting, value, unit and note.

    Raises:
        InputError: there is no such table.

    >>> list(load("10_concept").columns)
    ['source', 'quantity', 'setting', 'value', 'unit', 'note']
    """
    tables = {path.name.removesuffix(".csv"): path for path in (BOOK / "published").iterdir()}
    if name not in tables:
        raise unknown("table of published numbers", name, sorted(tables))
    with tables[name].open(encoding="utf-8") as file:
        return pd.read_csv(file, keep_default_na=False)
