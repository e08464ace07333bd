"""Rows of a table by the values of its columns: one way for results, claims and views."""

from typing import Any, TypeVar

import numpy as np
import pandas as pd

from gradbook.errors import unknown

Table = TypeVar("Table", bound=pd.DataFrame)


def plain(value: Any) -> Any:
    """Return a value such that equal ones compare equal and can be hashed, however a table holds them.

    >>> plain([1, [2.0, float("nan")]])
    (1, (2.0, None))
    """
    if isinstance(value, tuple | list):
        return tuple(map(plain, value))
    return None if isinstance(value, float) and np.isnan(value) else value


def allowed(given: Any) -> list[Any]:
    """Return the values that a selection allows: those of a list, or the one that is given.

    >>> allowed("relu"), allowed(["relu", "tanh"])
    (['relu'], ['relu', 'tanh'])
    """
    return [plain(value) for value in (given if isinstance(given, list) else [given])]


def select(table: Table, **fields: Any) -> Table:
    """Return the rows whose columns have the given values; a list of values allows each of them.

    Raises:
        InputError: the table has no such column.
    """
    chosen = np.ones(len(table), bool)
    for name, given in fields.items():
        if name not in table:
            raise unknown("column", name, map(str, table))
        values = allowed(given)
        chosen &= [plain(value) in values for value in table[name]]
    return table[chosen]
